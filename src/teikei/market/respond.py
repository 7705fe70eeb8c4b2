"""What a change of variable cost does to prices and sales in one year's market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from teikei.market.calibration import Calibrated
from teikei.market.price_equilibrium import Equilibrium, equilibrium
from teikei.market.scene import Scene
from teikei.market.types import Array

_LEAST_COST: Final = 1e-3  # of the old cost: the equilibrium needs a cost that is not negative


@dataclass(frozen=True)
class Response:
    """Prices and sales of one market at D draws, the most likely first.

    price (D, J): consumer list price with VAT, million JPY; units (D, J); cost (D, J): marginal cost before VAT,
    million JPY; profit (D, J): variable profit, million JPY; surplus (D,): consumer surplus per potential buyer,
    million JPY, up to a constant. held (D, J): true where cost would have come out at nothing or below and was held
    just above it: such prices mean nothing and must be said.
    """

    scene: Scene
    price: Array
    units: Array
    cost: Array
    profit: Array
    surplus: Array
    equilibrium: Equilibrium
    held: npt.NDArray[np.bool_]

    @property
    def ev_share(self) -> Array:
        """Plug-in share of sales (D,)."""
        return np.asarray((self.units @ self.scene.home.plug_in) / self.units.sum(axis=1), dtype=np.float64)


def base_scene(calibrated: Calibrated) -> Scene:
    """The calibration year itself."""
    home = calibrated.home
    return Scene(home.year, home, calibrated.draws, calibrated.draws.scale(home.price))


def price_and_sell(
    market: Calibrated | Scene,
    cost_change: Mapping[str, float] | None = None,
    *,
    merged: tuple[str, ...] = (),
    conduct: float = 1.0,
    draws: slice | None = None,
    start: Array | None = None,
    tolerance: float = 1e-12,
) -> Response:
    """Equilibrium prices and sales after a change of variable cost.

    market: a calibrated market (its own year) or the scene of a year · cost_change: study currency per car before VAT,
    by programme or by product, negative for a saving (development cost never belongs here) · merged: makers that set
    prices together (the contrast; joint procurement changes cost, not ownership) · conduct: the weight each of them
    gives to the others' profit, 1 a merger · draws: which draws, default all ·
    start: producer prices (D, J) to start from · tolerance: of the equilibrium.

    Costs are held above a tenth of a percent of their old value: ``Response.held`` says where. Raises
    MarketInputError where inputs cannot be right.
    """
    scene = base_scene(market) if isinstance(market, Calibrated) else market
    home, rows = scene.home, draws or slice(None)
    demand = scene.demand.part(rows)
    change = np.array(
        [
            (cost_change or {}).get(programme or name, (cost_change or {}).get(name, 0.0)) / home.million
            for name, programme in zip(home.product, home.programme, strict=True)
        ]
    )
    wanted, least = demand.cost + change, _LEAST_COST * np.abs(demand.cost)
    cost = np.maximum(wanted, least)
    begin = np.broadcast_to(home.price / (1 + home.vat), cost.shape) if start is None else start
    found = equilibrium(
        cost,
        scene.utility[rows],
        demand.slope * (1 + home.vat),
        demand.weight,
        home.ownership(merged, conduct),
        nest=home.nest,
        nest_parameter=demand.nest_parameter,
        price_scale=scene.scale[rows],
        tolerance=tolerance,
        start=np.maximum(begin + change, cost),  # most of a change of cost reaches the price
    )
    units = found.share * demand.buyers_total[:, None]
    return Response(
        scene=scene,
        price=found.price * (1 + home.vat),
        units=units,
        cost=cost,
        profit=units * found.markup,
        surplus=found.consumer_surplus(),
        equilibrium=found,
        held=wanted < least,
    )
