"""The page: the room where rivals design one powertrain without seeing each other's figures.

A neutral operator runs ``teikei serve``. Each company has a folder and a database file of its own; a joint study is
solved in the operator's room, and of it a company sees only what ``release`` passes. ``create_app`` builds the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teikei.web.app import create_app
    from teikei.web.release import release

__all__ = ["create_app", "release"]


def __getattr__(name: str) -> Any:
    """Import when first used: ``teikei audit-verify`` needs neither the server nor polars."""
    from importlib import import_module

    if name in __all__:
        return getattr(import_module(f"teikei.web.{'app' if name == 'create_app' else 'release'}"), name)
    raise AttributeError(f"teikei.web has no {name!r}")
