"""Fitting the few loss parameters of a maker to its measured vehicles, without believing any single vehicle too much.

The logarithm of wall energy is close to linear in the parameters, so the fit is linear, about the prior first and then
about what was found (Gauss-Newton). Population parameters have a prior from component physics (``PRIOR_SPREAD``); each
maker deviates from the population by amounts with spread ``MAKER_SPREAD``, and the cars of a maker deviate from it by
product line (``lines.py``) with ``LINE_SPREAD``: makers with few vehicles stay near the population, cars unlike any
other near their maker (shrinkage). Errors have a part of each test and a part that the tests of one vehicle share, and
are Student-t with 3 degrees of freedom per vehicle (iterated reweighting, Lange, Little and Taylor 1989), so that an
odd vehicle pulls little. Predictions use the simulation itself, not its linearisation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from teikei.modules.types import Array
from teikei.simulate.cycles import REGULATION, cycle
from teikei.simulate.generic import KnownCars, LossParameters, wall_wh_per_km
from teikei.simulate.lines import LINE_NAMES, NO_LINES, Lines, features, likeness
from teikei.simulate.makers import known_maker

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
MAKER_SPREAD: Final = (0.2, 0.1, 150.0, 0.012, 0.00001, 0.5)  # a trend of a maker by year: not in the data
LINE_SPREAD: Final = (0.35, 0.1, 0.015)  # of LINE_NAMES
STEPS: Final = (0.1, -0.05, 50.0, 0.01, 0.005, 0.1)
BOUNDS: Final = ((0.3, 3.0), (0.3, 1.0), (0.0, 1500.0), (0.7, 0.96), (-0.03, 0.03), (-1.5, 2.0))
ERROR_SPREAD: Final = {"udds": 0.015}  # of one test, relative
OTHER_ERROR_SPREAD: Final = 0.010
VEHICLE_ERROR_SPREAD: Final = 0.018  # what all tests of a vehicle share (road load, charger of that car)
DEGREES_OF_FREEDOM: Final = 3.0
ROUNDS: Final = 8
PASSES: Final = 2  # Gauss-Newton: linear about the prior, then about the fit
LARGEST_FOLDS: Final = 40
INTERVAL_SHARE: Final = 0.8
_LINE_PLACES: Final = tuple(NAMES.index(name) for name in LINE_NAMES)


@dataclass(frozen=True)
class CarParameters:
    """parameters (N, 6) in the order of ``NAMES``; nearest (N,): likeness to the fitted car most alike, NaN where the
    maker is unknown; model_year (N,): that each car counts as."""

    parameters: Array
    nearest: Array
    model_year: Array


@dataclass(frozen=True)
class Calibration:
    """Parameters of the population and of each maker (lower case), with the number of vehicles each rests on.

    lines: how the cars of a maker differ from the maker's parameters by what they are. intervals: of each measured
    cycle the error (relative, of 80 % of the cars) where one vehicle, its whole model, its maker was left out.
    """

    population: LossParameters
    makers: Mapping[str, LossParameters]
    vehicles: Mapping[str, int]
    lines: Mapping[str, Lines] = field(default_factory=dict)
    intervals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def of(self, maker: str, *, without_maker: bool = False) -> LossParameters:
        """A maker's own parameters: the population's if the maker is unknown or is to be left aside."""
        return self.population if without_maker else self.makers.get(known_maker(maker, self.makers), self.population)

    def sets(self, cars: KnownCars, makers: Sequence[str], *, without_maker: bool = False) -> list[LossParameters]:
        """Parameters of each car: its maker's with those of its product line, the population's for unknown makers."""
        return [
            LossParameters(*row) for row in self.table(cars, makers, without_maker=without_maker).parameters.tolist()
        ]

    def table(self, cars: KnownCars, makers: Sequence[str], *, without_maker: bool = False) -> CarParameters:
        """The same as a table, with the likeness of each car to the fitted cars and the year it counts as."""
        population = np.array([getattr(self.population, key) for key in NAMES])
        parameters = np.tile(population, (len(cars), 1))
        nearest = np.full(len(cars), np.nan)
        years = np.array(cars.model_year, dtype=float)
        own = {name: known_maker(name, self.makers) for name in set(makers)}
        which = np.array([own[name] for name in makers], dtype=object)
        for name in [] if without_maker else [name for name in dict.fromkeys(own.values()) if name in self.makers]:
            rows = np.nonzero(which == name)[0]
            lines = self.lines.get(name, NO_LINES)
            found = lines.known_years(features(cars.take(rows)))
            values = np.tile([getattr(self.makers[name], key) for key in NAMES], (len(rows), 1))
            values[:, list(_LINE_PLACES)] += lines.at(found)
            parameters[rows] = np.clip(values, *np.array(BOUNDS).T)
            nearest[rows] = lines.nearest(found)
            years[rows] = np.where(np.isnan(years[rows]), years[rows], found[:, 2])
        return CarParameters(parameters, nearest, years)

    def unknown(self, makers: Sequence[str]) -> list[str]:
        """Makers that are not in the calibration, in the order in which they come."""
        return [name for name in dict.fromkeys(makers) if known_maker(name, self.makers) not in self.makers]

    def half_width(self, cycle_name: str, mean_speed_mps: float, nearest: Array) -> Array:
        """Half of the 80 % interval of wall energy, relative, (N,); NaN where the calibration holds no errors.

        nearest: likeness to the fitted car most alike (NaN: maker unknown). Errors of the measured cycle that is the
        nearest in mean speed; between those of a car whose like was fitted and of a model that was not, by likeness.
        """
        if not self.intervals:
            return np.full(len(nearest), np.nan)
        measured = [name for name in self.intervals if name in REGULATION]
        if cycle_name in self.intervals or not measured:
            errors = self.intervals.get(cycle_name) or next(iter(self.intervals.values()))
        else:
            speeds = {name: 1000.0 * REGULATION[name][0] / REGULATION[name][1] for name in measured}
            errors = self.intervals[min(measured, key=lambda name: abs(speeds[name] - mean_speed_mps))]
        known = np.nan_to_num(nearest)
        within = known * errors["one_vehicle"] + (1.0 - known) * errors["one_model"]
        return np.where(np.isnan(nearest), errors["whole_maker"], within)

    def as_json(self) -> dict[str, Any]:
        """The content of a calibration file."""
        return {
            "format": 1,
            "model": "generic powertrain",
            "population": asdict(self.population),
            "makers": {
                name: {
                    **asdict(parameters),
                    "vehicles": self.vehicles[name],
                    "lines": self.lines.get(name, NO_LINES).as_json(),
                }
                for name, parameters in self.makers.items()
            },
            **({"error_of_80_percent": self.intervals} if self.intervals else {}),
        }


@dataclass(frozen=True)
class _Linear:
    """Log of measured over simulated at the prior, as the linearisation has it: (V, C), NaN where not measured.

    slopes (V, C, K): change of the log of wall energy with each parameter. table (V, 4): features of the lines.
    """

    excess: Array
    slopes: Array
    spread: Array
    table: Array

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.excess).any(axis=1))


def _linearise(cars: KnownCars, measured: Mapping[str, Array], at: Sequence[LossParameters]) -> _Linear:
    excess, slopes = [], []
    away = np.array([[getattr(p, name) - getattr(PRIOR, name) for name in NAMES] for p in at])
    for name, wall in measured.items():
        trace = cycle(name)
        base = np.log(wall_wh_per_km(cars, trace, at))
        moved = [
            (np.log(wall_wh_per_km(cars, trace, [p.moved(parameter, step) for p in at])) - base) / step
            for parameter, step in zip(NAMES, STEPS, strict=True)
        ]
        slopes.append(np.stack(moved, axis=1))
        excess.append(np.log(wall) - base + (slopes[-1] * away).sum(axis=1))
    spread = np.array([ERROR_SPREAD.get(name, OTHER_ERROR_SPREAD) for name in measured])
    return _Linear(np.stack(excess, axis=1), np.stack(slopes, axis=1), spread, features(cars))


class _Maker:
    """The tests of one maker: covariance of what the population does not explain, less the population's part."""

    def __init__(self, linear: _Linear, rows: Any) -> None:
        known = np.isfinite(linear.excess[rows])
        self.rows = rows
        self.car, column = np.nonzero(known)
        self.excess: Any = linear.excess[rows][known]
        self.slopes: Any = linear.slopes[rows][known]
        self.own: Any = (self.slopes * np.array(MAKER_SPREAD) ** 2) @ self.slopes.T
        alike = likeness(linear.table[rows], linear.table[rows])[np.ix_(self.car, self.car)]
        for place, spread in zip(_LINE_PLACES, LINE_SPREAD, strict=True):
            self.own = self.own + spread**2 * alike * np.outer(self.slopes[:, place], self.slopes[:, place])
        same = self.car[:, None] == self.car[None, :]
        self.single: Any = linear.spread[column] ** 2
        self.noise: Any = np.diag(self.single) + VEHICLE_ERROR_SPREAD**2 * same
        self.tests = np.bincount(self.car, minlength=len(rows))
        self.table = linear.table[rows]

    def solve(self, weight: Any) -> tuple[Any, Any, Any]:
        """Covariance inverse times (excess, slopes) with the noise of each vehicle over its weight."""
        scale = 1.0 / np.sqrt(weight[self.car])
        noise = self.noise * scale[:, None] * scale[None, :]
        both = np.linalg.solve(self.own + noise, np.column_stack([self.excess, self.slopes]))
        return both[:, 0], both[:, 1:], noise

    def weights(self, residual: Any) -> Any:
        """Student-t weight of each vehicle from what is left of its tests.

        residual' noise^-1 residual of one vehicle, noise = diag(d) + v 1 1', by Sherman and Morrison.
        """

        def per_vehicle(values: Any) -> Any:
            return np.bincount(self.car, weights=values, minlength=len(self.rows))

        shared = VEHICLE_ERROR_SPREAD**2
        pull, width = per_vehicle(residual / self.single), per_vehicle(1.0 / self.single)
        squares = per_vehicle(residual**2 / self.single) - shared * pull**2 / (1.0 + shared * width)
        return (DEGREES_OF_FREEDOM + self.tests) / (DEGREES_OF_FREEDOM + squares)


@dataclass(frozen=True)
class _Solution:
    population: Any  # (K,) deviation from the prior
    makers: Mapping[str, Any]  # (K,) deviation from the population
    lines: Mapping[str, Lines]
    says: tuple[Any, Any]  # sums over makers of the weighted slopes' squares (K, K) and of their pull (K,)

    def parameters(self, name: str, table: Array) -> LossParameters:
        """Of one car (features (1, 4)) of a maker."""
        change = np.array(self.population + self.makers.get(name, 0.0), dtype=float)
        lines = self.lines.get(name, NO_LINES)
        change[list(_LINE_PLACES)] += lines.at(lines.known_years(table))[0]
        return _bounded(np.array([getattr(PRIOR, key) for key in NAMES]) + change)


def _solve(
    linear: _Linear,
    makers: Sequence[str],
    use: Any,
    prior_spread: Sequence[float] = PRIOR_SPREAD,
    rest: tuple[Any, Any] | None = None,
) -> _Solution:
    """Population, makers and lines that fit best; makers are eliminated block by block (Woodbury).

    rest: what the makers outside ``use`` say of the population (``_Solution.says``), instead of fitting them again.
    """
    names = np.array(makers)
    use = np.asarray(use) & linear.usable
    blocks = {name: _Maker(linear, np.nonzero((names == name) & use)[0]) for name in dict.fromkeys(names[use].tolist())}
    weights: dict[str, Any] = {name: np.ones(len(block.rows)) for name, block in blocks.items()}
    prior = np.diag(np.array(prior_spread) ** -2.0)
    known = (np.zeros_like(prior), np.zeros(len(NAMES))) if rest is None else rest
    population: Any = np.zeros(len(NAMES))
    hessian, gradient = known
    dual: dict[str, Any] = {}
    for _ in range(ROUNDS):
        solved = {name: block.solve(weights[name]) for name, block in blocks.items()}
        hessian, gradient = known[0].copy(), known[1].copy()
        for name, (excess, slopes, _) in solved.items():
            hessian += blocks[name].slopes.T @ slopes
            gradient += blocks[name].slopes.T @ excess
        population = np.linalg.solve(hessian + prior, gradient)
        dual = {name: excess - slopes @ population for name, (excess, slopes, _) in solved.items()}
        weights = {name: block.weights(solved[name][2] @ dual[name]) for name, block in blocks.items()}
    deviations, lines = {}, {}
    for name, block in blocks.items():
        deviations[name] = np.array(MAKER_SPREAD) ** 2 * (block.slopes.T @ dual[name])
        kernel = np.zeros((len(block.rows), len(LINE_NAMES)))
        for column, (place, spread) in enumerate(zip(_LINE_PLACES, LINE_SPREAD, strict=True)):
            np.add.at(kernel[:, column], block.car, spread**2 * block.slopes[:, place] * dual[name])
        lines[name] = Lines.of(block.table, kernel)
    return _Solution(population, deviations, lines, (hessian, gradient))


def _bounded(values: Any) -> LossParameters:
    clipped = {
        name: float(np.clip(value, low, high)) for name, value, (low, high) in zip(NAMES, values, BOUNDS, strict=True)
    }
    return LossParameters(**clipped)


def _about_the_fit(cars: KnownCars, names: list[str], measured: Mapping[str, Array]) -> _Linear:
    """The linearisation about the parameters of each car, found in ``PASSES`` − 1 rounds from the prior."""
    linear = _linearise(cars, measured, [PRIOR] * len(cars))
    for _ in range(PASSES - 1):
        found = _solve(linear, names, linear.usable)
        at = [found.parameters(name, linear.table[index : index + 1]) for index, name in enumerate(names)]
        linear = _linearise(cars, measured, at)
    return linear


def fit(cars: KnownCars, makers: Sequence[str], measured: Mapping[str, Array]) -> Calibration:
    """Parameters of population, makers and lines from measured wall energy (Wh/km by cycle; NaN = not measured)."""
    names = [name.strip().lower() for name in makers]
    linear = _about_the_fit(cars, names, measured)
    found = _solve(linear, names, linear.usable)
    prior = np.array([getattr(PRIOR, name) for name in NAMES])
    return Calibration(
        _bounded(prior + found.population),
        {name: _bounded(prior + found.population + found.makers[name]) for name in sorted(found.makers)},
        {name: int(((np.array(names) == name) & linear.usable).sum()) for name in sorted(found.makers)},
        {name: found.lines[name] for name in sorted(found.lines)},
    )


@dataclass(frozen=True)
class LeftOut:
    """Predicted wall energy, Wh/km, (V, C), of every vehicle by a fit that has not seen it.

    one_vehicle: only that vehicle left out (a trim of known models). one_model: its whole model left out, other models
    of its maker known; NaN where the maker has no other, or no models are named. whole_maker: its maker left out,
    population parameters used.
    """

    cycles: tuple[str, ...]
    one_vehicle: Array
    one_model: Array
    whole_maker: Array

    @property
    def ways(self) -> tuple[tuple[str, Array], ...]:
        """Name and predictions of each way of leaving out."""
        return (
            ("one_vehicle", self.one_vehicle),
            ("one_model", self.one_model),
            ("whole_maker", self.whole_maker),
        )


def model_of(maker: str, name: str) -> str:
    """The model that a trim belongs to: ``Model 3 Long Range`` -> ``model 3``, ``Nissan Leaf SV`` -> ``leaf``."""
    text = re.sub(r"\(.*?\)", " ", name.lower()).strip().removeprefix(maker.strip().lower()).strip()
    words = text.split()
    return " ".join(words[:2]) if words[:1] == ["model"] else " ".join(words[:1])


def leave_out(
    cars: KnownCars,
    makers: Sequence[str],
    measured: Mapping[str, Array],
    *,
    models: Sequence[str] | None = None,
    prior_spread: Sequence[float] = PRIOR_SPREAD,
) -> LeftOut:
    """Predictions of every vehicle left out alone, with its whole model, and with its whole maker, by the simulation.

    The point of linearisation is that of all vehicles; the fit, its weights and lines have not seen the one left out. A
    maker with more than ``LARGEST_FOLDS`` vehicles leaves out several at a time.
    """
    names = [name.strip().lower() for name in makers]
    linear = _about_the_fit(cars, names, measured)
    prior = np.array([getattr(PRIOR, name) for name in NAMES])
    one: dict[int, LossParameters] = {}
    whole: dict[str, LossParameters] = {}
    by_model: dict[int, LossParameters] = {}
    kinds = np.array([model_of(*both) for both in zip(names, models, strict=True)] if models else [""] * len(names))
    for name in dict.fromkeys(names):
        own = np.array(names) == name
        others = _solve(linear, names, ~own, prior_spread)
        whole[name] = _bounded(prior + others.population)
        places = np.nonzero(own)[0]
        for fold in range(min(len(places), LARGEST_FOLDS)):
            out = places[fold::LARGEST_FOLDS]
            seen = own.copy()
            seen[out] = False
            found = _solve(linear, names, seen, prior_spread, others.says)
            one |= {int(index): found.parameters(name, linear.table[index : index + 1]) for index in out}
        own_kinds = [kind for kind in dict.fromkeys(kinds[own].tolist()) if kind]
        for kind in own_kinds if len(own_kinds) > 1 else []:
            out = np.nonzero(own & (kinds == kind))[0]
            found = _solve(linear, names, own & (kinds != kind), prior_spread, others.says)
            by_model |= {int(index): found.parameters(name, linear.table[index : index + 1]) for index in out}
    count = len(names)

    def predicted(sets: Sequence[LossParameters]) -> Array:
        return np.stack([wall_wh_per_km(cars, cycle(name), sets) for name in measured], axis=1)

    one_model = predicted([by_model.get(index, PRIOR) for index in range(count)])
    one_model[[index for index in range(count) if index not in by_model]] = np.nan
    by_maker = [whole[name] for name in names]
    return LeftOut(tuple(measured), predicted([one[i] for i in range(count)]), one_model, predicted(by_maker))


def intervals_of(left: LeftOut, measured: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """Error (relative, absolute) that 80 % of the vehicles left out stay within, by cycle and way of leaving out.

    Where no model could be left out, that of the maker left out stands for it.
    """
    table: dict[str, dict[str, float]] = {}
    for place, name in enumerate(left.cycles):
        row: dict[str, float] = {}
        for way, predicted in reversed(left.ways):
            error = np.abs(predicted[:, place] / measured[name] - 1.0)
            error = error[np.isfinite(error)]
            row[way] = float(np.quantile(error, INTERVAL_SHARE)) if len(error) > 1 else row.get("whole_maker", 0.2)
        table[name] = dict(reversed(row.items()))
    return table
