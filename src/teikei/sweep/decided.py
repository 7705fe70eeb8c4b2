"""Which decisions survive: how often each is taken over the samples, and which input turns it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.sweep.gather import Gathered, rung_worth
from teikei.sweep.types import Array, Uncertainty

_SCHEMA: Final[Mapping[str, Any]] = {
    "rung": pl.String, "decision": pl.String, "of": pl.String, "base": pl.Boolean, "samples": pl.Int64,
    "share": pl.Float64, "share_low": pl.Float64, "share_high": pl.Float64, "turned_by": pl.String,
    "turn": pl.Float64,
}  # fmt: skip
_TELLING: Final = 3.0  # standard errors between the two groups of samples, before an input is named


def decisions(
    uncertainty: Uncertainty, cube: Array, found: Gathered, base: Gathered, rungs: Sequence[str]
) -> pl.DataFrame:
    """Share of samples in which each decision is taken, with a 90 % interval (Wilson), and the input that turns it.

    decision: ``shared`` (module), ``awarded`` (supplier), ``pays`` (the rung costs less than alone), ``adds`` (it
    costs less than the rung below), ``best`` (no rung saves more). base: whether the study as it stands takes it. turn:
    how far, in standard deviations of the input, samples with the decision lie from those without.
    """
    rows: list[dict[str, Any]] = []

    def add(rung: str, kind: str, of: str, taken: Array, at_base: bool | None) -> None:
        rows.append(_row(uncertainty, cube, {"rung": rung, "decision": kind, "of": of, "base": at_base}, taken))

    for kind in ("shared", "awarded"):
        for rung in rungs:
            told = found.decision(f"{kind}/{rung}")
            (first,) = base.decision(f"{kind}/{rung}") or [None]
            names = sorted({name for one in told if one is not None for name in one} | set(first or ()))
            for name in names:
                taken = np.array([math.nan if one is None else float(name in one) for one in told])
                add(rung, kind, name, taken, None if first is None else name in first)
    _rungs(found, base, rungs, add)
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _rungs(
    found: Gathered, base: Gathered, rungs: Sequence[str], add: Callable[[str, str, str, Array, bool | None], None]
) -> None:
    """Which rungs pay, add to the one below, and are best."""
    worth, names, there = rung_worth(found, rungs)
    at_base, base_names, _ = rung_worth(base, rungs)
    every = np.full((len(there), worth.shape[1]), math.nan)
    every[there] = worth
    standing = at_base[0] if len(at_base) and base_names == names else None
    best = np.where(there, np.argmax(np.nan_to_num(every, nan=-math.inf), axis=1), -1)
    for at, rung in enumerate(names):
        known = np.where(there, 0.0, math.nan)
        if at:
            pays = np.where(there, every[:, at] > 0, math.nan)
            adds = np.where(there, every[:, at] > every[:, at - 1], math.nan)
            add(rung, "pays", rung, pays, None if standing is None else bool(standing[at] > 0))
            add(rung, "adds", rung, adds, None if standing is None else bool(standing[at] > standing[at - 1]))
        chosen = None if standing is None else bool(int(np.argmax(standing)) == at)
        add(rung, "best", rung, known + (best == at), chosen)


def _row(uncertainty: Uncertainty, cube: Array, head: Mapping[str, Any], taken: Array) -> dict[str, Any]:
    there = np.isfinite(taken)
    count, share = int(there.sum()), float(np.mean(taken[there])) if there.any() else math.nan
    low, high = wilson(share, count)
    turned_by, turn = _turned_by(uncertainty, cube[there], taken[there])
    return {
        **head, "samples": count, "share": share, "share_low": low, "share_high": high, "turned_by": turned_by,
        "turn": turn,
    }  # fmt: skip


def wilson(share: float, count: int, score: float = 1.6448536269514722) -> tuple[float, float]:
    """Interval of a share seen in ``count`` samples (Wilson 1927); 90 % by default."""
    if count == 0:
        return math.nan, math.nan
    wide = 1.0 + score**2 / count
    middle = (share + score**2 / (2 * count)) / wide
    half = score / wide * math.sqrt(share * (1 - share) / count + score**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _turned_by(uncertainty: Uncertainty, cube: Array, taken: Array) -> tuple[str, float | None]:
    """The input whose mean differs most between samples with and without the decision, if it does clearly."""
    yes = taken > 0.5
    if min(int(yes.sum()), int((~yes).sum())) < 3 or not uncertainty.inputs:
        return "", None
    spread = math.sqrt(1.0 / 12.0)
    difference = (cube[yes].mean(axis=0) - cube[~yes].mean(axis=0)) / spread
    error = math.sqrt(1.0 / yes.sum() + 1.0 / (~yes).sum())
    at = int(np.argmax(np.abs(difference)))
    if abs(difference[at]) < _TELLING * error:
        return "", None
    return uncertainty.inputs[at], float(difference[at])
