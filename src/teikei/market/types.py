"""What happens to prices and sales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class CostAtPrices(np.ndarray[Any, np.dtype[np.float64]]):
    """Marginal costs (..., J) that remember the observed prices they were backed out of.

    An array of numbers like any other; what is computed from it keeps ``observed_price`` while the shape is the same.
    """

    observed_price: Array | None

    def __new__(cls, cost: Array, observed_price: Array | None = None) -> CostAtPrices:
        """``cost`` (..., J) backed out of ``observed_price`` (..., J)."""
        found = np.asarray(cost, dtype=np.float64).view(cls)
        found.observed_price = observed_price
        return found

    def __array_finalize__(self, source: object) -> None:
        price = getattr(source, "observed_price", None)
        self.observed_price = price if price is not None and price.shape == self.shape else None


@dataclass(frozen=True)
class MarketOutcome:
    """Outcome of every case.

    Cases: the baseline (its coalition and rung bear the name of the lowest rung), each evaluated rung of the grand
    coalition, and the contrast ``merger`` (column scenario) at the highest rung and, at the lowest rung, without any
    saving. ``lower`` and ``upper`` are 10 % and 90 % of the draws; the plain figure is the most likely parameters
    without shocks.

    outcome: table ``market_outcome`` (coalition, rung, scenario, year, region, product, company, price
    with VAT in study currency, units, share of new cars, lower and upper of the share), and the change to the baseline.
    summary: coalition, rung, scenario, year, region: ev_share, ev_share_lower, ev_share_upper, ev_share_median
    (of the draws; ev_share is the most likely parameters without shocks, no middle), ev_share_change against
    the baseline with _lower and _upper (far narrower: both cases share the draw), alliance_ev_units, rival_ev_units,
    alliance_profit_change with _lower and _upper (variable profit on all its cars in the market, million a year),
    pass_through (slope of price on cost, weighted by units), consumer_surplus_change (million a year, Marshallian),
    new_car_sales.
    moments: moment, target, low, high, model, lower, upper, deviation, weight, note. elasticities: product, company,
    powertrain, own_price with _lower and _upper, margin. convergence: case, residual, iterations, converged.
    history: region, year, ev_share. walk: rung, step, value (million in the report year: variable profit on the
    alliance's plug-ins from before to after, steps add up). diversion: rung, scenario, company, powertrain,
    units_change. levers: what moves the EV share of the report year, one at a time. policy_step: product,
    subsidy_change, price_change, buyer_part, units_change with bands, for the first change of subsidies after the
    calibration year. stock: rung, scenario, year, plug-in cars on the road with bands.
    """

    outcome: pl.DataFrame
    summary: pl.DataFrame
    moments: pl.DataFrame
    elasticities: pl.DataFrame
    convergence: pl.DataFrame
    history: pl.DataFrame
    messages: tuple[str, ...] = ()
    walk: pl.DataFrame = field(default_factory=pl.DataFrame)
    diversion: pl.DataFrame = field(default_factory=pl.DataFrame)
    levers: pl.DataFrame = field(default_factory=pl.DataFrame)
    policy_step: pl.DataFrame = field(default_factory=pl.DataFrame)
    stock: pl.DataFrame = field(default_factory=pl.DataFrame)
    more: Mapping[str, pl.DataFrame] = field(default_factory=dict)
