"""teikei: what should rival carmakers share and buy together, what does it save, who gets what?

The line: study → modules → simulate → plan → develop → split → market → report. Each stage is a folder with one main
function and frozen results, and reads only what is to its left; ``flow.py`` shows the whole line in one screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Run", "Study", "__version__", "load", "market", "plan", "run", "simulate", "split"]

if TYPE_CHECKING:
    from teikei import market, plan, simulate, split
    from teikei.flow import run
    from teikei.runs import Run
    from teikei.study import Study, load

_HOMES = {"load": "teikei.study", "Study": "teikei.study", "run": "teikei.flow", "Run": "teikei.runs"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import teikei`` costs nothing."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in {"market", "plan", "simulate", "split"}:
        return import_module(f"teikei.{name}")
    raise AttributeError(f"teikei has no {name!r}; public names: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
