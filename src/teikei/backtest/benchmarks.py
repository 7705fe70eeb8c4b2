"""Benchmarks that need no study: joint buying of a known spend, and development shared by known partners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from teikei.plan.facts import CommodityFact
from teikei.plan.joined_spend import cut_of, joined_after
from teikei.sweep.design import points
from teikei.sweep.inputs import quantile
from teikei.sweep.types import Array, Entry

SAMPLES: Final = 256
RAMP: Final = ((0.0, 0.30), (1.5, 0.43), (3.0, 0.70), (6.0, 0.83), (7.0, 0.90))
DISPERSION, ALIGNMENT_SHARE, RATE, CUT_LIMIT = 0.05, 0.26, 0.0065, 0.05
RATES: Final = (0.0, 1.0, 1.7 / 1.3)
"""Range of a factor on alignment and rate together: 0, 1.3 and 1.7 % of joint spend for two buyers."""


def pooled_saving(row: Mapping[str, Any], draw: Array) -> float:
    """Joint spend x what is joined by then x (alignment + rate), in the unit of the spend a year.

    draw (3,): quantiles of rates, spend and years. A row without years is spend that is joined already.
    """
    factor = _triangular(RATES, draw[0])
    commodity = CommodityFact("all", "", 1.0, DISPERSION * factor, ALIGNMENT_SHARE, RATE * factor, CUT_LIMIT, "", 0.0)
    spend = _triangular((row["spend_low"], row["spend"], row["spend_high"]), draw[1])
    joined = 1.0
    if row["years_after"] is not None:
        joined = joined_after(RAMP, _triangular((row["years_low"], row["years_after"], row["years_high"]), draw[2]))
    return spend * joined * cut_of(commodity, row["blocs"]).total / float(row["divided_by"])


def sharing_saved_share(row: Mapping[str, Any], draw: Array) -> float:
    """Development that each of n partners saves, percent: common share x (1 - (1 + k (n - 1)) / n).

    draw (2, or more): quantiles of the common share and of k.
    """
    common = _triangular((row["common_low"], row["common_share"], row["common_high"]), draw[0])
    k = _triangular((row["k_low"], row["k"], row["k_high"]), draw[1])
    partners = int(row["blocs"])
    return 100.0 * common * (1.0 - (1.0 + k * (partners - 1)) / partners)


BENCHMARKS: Final = {"pooled_saving": pooled_saving, "sharing_saved_share": sharing_saved_share}


def samples_of(measure: str, row: Mapping[str, Any]) -> list[float]:
    """A benchmark over the ranges of its inputs, always the same draws."""
    cube = points("sobol", SAMPLES, 3, 0, "backtest")
    return [BENCHMARKS[measure](row, np.asarray(draw)) for draw in cube]


def _triangular(ends: tuple[float, float, float], probability: float) -> float:
    low, middle, high = ends
    return quantile(Entry("", "", "set", "triangular", low, middle, high), float(probability))
