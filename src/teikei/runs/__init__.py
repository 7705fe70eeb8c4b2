"""Keep runs so that nothing is half done: one folder a run, written beside its place and renamed."""

from teikei.runs.store import read, save, versions
from teikei.runs.types import Run

__all__ = ["Run", "read", "save", "versions"]
