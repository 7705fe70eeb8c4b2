"""The confidential room: what rivals sign before their figures meet, and the one door out of a joint solve.

``ReleaseList`` is what they sign, ``release`` is the door, ``assemble`` puts a joint study together from what each
member brings, ``preview_of`` tells a member beforehand what a rival could infer. Nothing here knows a server or a page:
a lawyer's notebook can call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Release", "ReleaseList", "assemble", "made_on_cells", "parse_list", "preview_of", "release"]

if TYPE_CHECKING:
    from teikei.room.door import Release, made_on_cells, release
    from teikei.room.joint_study import assemble
    from teikei.room.preview import preview_of
    from teikei.room.release_list import ReleaseList, parse_list

_HOMES = {
    "Release": "door", "made_on_cells": "door", "release": "door", "assemble": "joint_study", "preview_of": "preview",
    "ReleaseList": "release_list", "parse_list": "release_list",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a server that reads lists starts without the tables."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"teikei.room.{_HOMES[name]}"), name)
    raise AttributeError(f"teikei.room has no {name!r}; public names: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
