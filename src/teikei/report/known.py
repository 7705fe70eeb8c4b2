"""What is known of a run, in one flat mapping, whether told directly or as run.json keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_OTHER_NAMES: Final = {"input_sha256": "input_hashes", "seconds": "times"}


def flatten(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the study (key ``study`` of run.json) beside the rest, under the names the report uses."""
    settings = meta.get("study")
    flat: dict[str, Any] = dict(settings) if isinstance(settings, Mapping) else {}
    for key, value in meta.items():
        if key == "study" and isinstance(value, Mapping):
            continue
        flat[_OTHER_NAMES.get(key, key)] = value
    return flat
