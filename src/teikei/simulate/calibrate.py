"""Fitting the few loss parameters of a maker to its measured vehicles, without believing any single vehicle too much.

Wall energy is close to linear in the parameters, so the fit is linear about the prior, with the relative error of
every (vehicle, cycle) as residual. Population parameters have a prior from component physics (``PRIOR_SPREAD``);
each maker deviates from the population by amounts with spread ``MAKER_SPREAD``: makers with few vehicles stay near the
population (shrinkage). Errors are Student-t with 3 degrees of freedom per vehicle (iterated reweighting, Lange, Little
and Taylor 1989), so that an odd test pulls little. Predictions use the simulation itself, not its linearisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from teikei.modules.types import Array
from teikei.simulate.cycles import cycle
from teikei.simulate.generic import KnownCars, LossParameters, wall_wh_per_km

NAMES: Final = (
    "loss_scale",
    "regen_share",
    "auxiliary_w",
    "charger_efficiency",
    "efficiency_per_year",
    "power_exponent",
)
PRIOR: Final = LossParameters()
PRIOR_SPREAD: Final = (0.02, 0.005, 10.0, 0.004, 0.0005, 0.02)
MAKER_SPREAD: Final = (0.5, 0.08, 120.0, 0.026, 0.005, 1.0)
STEPS: Final = (0.1, -0.05, 50.0, 0.01, 0.005, 0.1)
BOUNDS: Final = ((0.3, 3.0), (0.3, 1.0), (0.0, 1500.0), (0.7, 0.96), (-0.03, 0.03), (-1.5, 2.0))
ERROR_SPREAD: Final = {"udds": 0.05}
OTHER_ERROR_SPREAD: Final = 0.035
DEGREES_OF_FREEDOM: Final = 3.0
ROUNDS: Final = 8


@dataclass(frozen=True)
class Calibration:
    """Parameters of the population and of each maker (lower case), with the number of vehicles each rests on."""

    population: LossParameters
    makers: Mapping[str, LossParameters]
    vehicles: Mapping[str, int]

    def of(self, maker: str, *, without_maker: bool = False) -> LossParameters:
        """Parameters for a maker's vehicle: the population's if the maker is unknown or is to be left aside."""
        return self.population if without_maker else self.makers.get(maker.strip().lower(), self.population)

    def as_json(self) -> dict[str, Any]:
        """The content of a calibration file."""
        return {
            "format": 1,
            "model": "generic powertrain",
            "population": asdict(self.population),
            "makers": {
                name: {**asdict(parameters), "vehicles": self.vehicles[name]}
                for name, parameters in self.makers.items()
            },
        }


@dataclass(frozen=True)
class _Linear:
    """Relative measured excess over the prior simulation, (V, C), NaN where not measured, and its slopes, (V, C, K)."""

    excess: Array
    slopes: Array
    spread: Array


def _linearise(cars: KnownCars, measured: Mapping[str, Array]) -> _Linear:
    excess, slopes = [], []
    for name, wall in measured.items():
        trace = cycle(name)
        base = wall_wh_per_km(cars, trace, PRIOR)
        moved = [
            (wall_wh_per_km(cars, trace, PRIOR.moved(parameter, step)) - base) / step
            for parameter, step in zip(NAMES, STEPS, strict=True)
        ]
        excess.append((wall - base) / wall)
        slopes.append(np.stack(moved, axis=1) / wall[:, None])
    spread = np.array([ERROR_SPREAD.get(name, OTHER_ERROR_SPREAD) for name in measured])
    return _Linear(np.stack(excess, axis=1), np.stack(slopes, axis=1), spread)


def _solve(linear: _Linear, makers: Sequence[str], use: Any) -> tuple[Array, dict[str, Array]]:
    """Deviations of the population from the prior, and of each maker from the population.

    Makers are eliminated block by block: with H = sum of weighted slopes' squares per maker, the maker's deviation is
    (H_m + S^-2)^-1 (g_m − H_m population).
    """
    size = len(NAMES)
    names = np.array(makers)
    known = np.isfinite(linear.excess)
    excess = np.where(known, linear.excess, 0.0) / linear.spread
    slopes = np.where(known[:, :, None], linear.slopes, 0.0) / linear.spread[:, None]
    weight: Any = np.where(use, 1.0, 0.0)
    prior = np.diag(np.array(PRIOR_SPREAD) ** -2.0)
    shrink = np.diag(np.array(MAKER_SPREAD) ** -2.0)
    population: Any = np.zeros(size)
    deviations: dict[str, Any] = {}
    members = {name: np.nonzero((names == name) & use)[0] for name in dict.fromkeys(names[use].tolist())}
    for _ in range(ROUNDS):
        hessian, gradient = prior.copy(), np.zeros(size)
        blocks = {}
        for name, rows in members.items():
            weighted = slopes[rows] * weight[rows, None, None]
            own = np.einsum("vck,vcl->kl", weighted, slopes[rows])
            pull = np.einsum("vck,vc->k", weighted, excess[rows])
            inverse = np.linalg.inv(own + shrink)
            blocks[name] = (own, pull, inverse)
            hessian += own - own @ inverse @ own
            gradient += pull - own @ inverse @ pull
        population = np.linalg.solve(hessian, gradient)
        deviations = {name: inverse @ (pull - own @ population) for name, (own, pull, inverse) in blocks.items()}
        fitted = np.array([population + deviations.get(name, 0.0) for name in makers])
        residual = excess - np.einsum("vck,vk->vc", slopes, fitted)
        count = known.sum(axis=1)
        squares = (residual**2).sum(axis=1)
        weight = np.where(use, (DEGREES_OF_FREEDOM + count) / (DEGREES_OF_FREEDOM + squares), 0.0)
    return population, deviations


def _parameters(change: Array) -> LossParameters:
    values = {
        name: float(np.clip(getattr(PRIOR, name) + step, low, high))
        for name, step, (low, high) in zip(NAMES, change, BOUNDS, strict=True)
    }
    return LossParameters(**values)


def fit(cars: KnownCars, makers: Sequence[str], measured: Mapping[str, Array]) -> Calibration:
    """Parameters of the population and each maker from measured wall energy (Wh/km by cycle; NaN = not measured)."""
    names = [name.strip().lower() for name in makers]
    linear = _linearise(cars, measured)
    use = np.asarray(np.isfinite(linear.excess).any(axis=1))
    population, deviations = _solve(linear, names, use)
    return Calibration(
        _parameters(population),
        {name: _parameters(population + deviations[name]) for name in sorted(deviations)},
        {name: int(((np.array(names) == name) & use).sum()) for name in sorted(deviations)},
    )


@dataclass(frozen=True)
class LeftOut:
    """Predicted wall energy, Wh/km, (V, C), of every vehicle by a fit that has not seen it.

    one_vehicle: only that vehicle left out. whole_maker: its maker left out, population parameters used.
    """

    cycles: tuple[str, ...]
    one_vehicle: Array
    whole_maker: Array


def leave_out(cars: KnownCars, makers: Sequence[str], measured: Mapping[str, Array]) -> LeftOut:
    """Predictions of every vehicle left out alone, and with its whole maker."""
    names = np.array([name.strip().lower() for name in makers])
    linear = _linearise(cars, measured)
    usable = np.asarray(np.isfinite(linear.excess).any(axis=1))
    one: list[LossParameters] = []
    whole: dict[str, LossParameters] = {}
    for name in dict.fromkeys(names.tolist()):
        population, _ = _solve(linear, names.tolist(), usable & (names != name))
        whole[name] = _parameters(population)
    for index, name in enumerate(names.tolist()):
        others = usable.copy()
        others[index] = False
        population, deviations = _solve(linear, names.tolist(), others)
        one.append(_parameters(population + deviations.get(name, 0.0)))
    by_maker = [whole[name] for name in names.tolist()]
    return LeftOut(
        tuple(measured),
        np.stack([wall_wh_per_km(cars, cycle(name), one) for name in measured], axis=1),
        np.stack([wall_wh_per_km(cars, cycle(name), by_maker) for name in measured], axis=1),
    )
