"""What happens to prices and sales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MarketOutcome:
    """Outcome of every case.

    outcome: CONTRACT table ``market_outcome`` (coalition, rung, scenario, year, region, product, company, price,
    units, share, lower, upper); cases are the baseline (coalition and rung ``alone``), each evaluated rung of the grand
    coalition, and the contrast ``merger`` (scenario column says which).
    summary: case (coalition, rung, scenario, year, region): ev_share, ev_share_lower, ev_share_upper,
    alliance_ev_units, rival_ev_units, pass_through, consumer_surplus_change.
    moments: moment, target, model, deviation, weight. elasticities: product, own_price, powertrain group figures.
    convergence: case, residual, iterations, converged.
    history: region, year, ev_share.
    """

    outcome: pl.DataFrame
    summary: pl.DataFrame
    moments: pl.DataFrame
    elasticities: pl.DataFrame
    convergence: pl.DataFrame
    history: pl.DataFrame
    messages: tuple[str, ...] = ()
