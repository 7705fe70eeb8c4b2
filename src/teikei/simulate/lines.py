"""Product lines of a maker: losses that cars of one maker share the more, the more alike the cars are.

A maker's cars do not share one drive: an e-tron and a Q4 have other machines, inverters and chargers. What is left
of a maker's loss and charger efficiency after the maker's own mean is taken as a Gaussian field over four features
with an exponential kernel (Matern 1/2), so that cars alike are alike and a car unlike any other falls back to the
maker. Prediction is kriging (Rasmussen and Williams, Gaussian Processes for Machine Learning, eq. 2.25), here by
interpolation of the fitted values at the maker's own cars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from teikei.modules.types import Array
from teikei.simulate.generic import DEFAULT_POWER_W_PER_KG, REFERENCE_YEAR, TESTED_YEARS, KnownCars

FEATURES: Final = ("power_w_per_kg", "test_mass_kg", "model_year", "driven_axles")
LENGTHS: Final = (1.0, 0.5, 6.0, 0.3)
"""Distance at which likeness has fallen to 1/e: log power per mass, log mass, years, driven axles.

By marginal likelihood on the 158 EPA tests, rounded; halving or doubling them moves the errors by under 0.1 points.
"""
LINE_NAMES: Final = ("loss_scale", "regen_share", "charger_efficiency")
NUGGET: Final = 1e-9
TIE: Final = 0.05  # of likeness: cars so near to the most alike one count as of its kind


def features(cars: KnownCars) -> Array:
    """Power per mass (W/kg), mass (kg), model year, driven axles of each car (N, 4), usual values where unknown."""
    known = np.nan_to_num(cars.power_w, nan=0.0) > 0
    per_mass = np.where(known, cars.power_w, DEFAULT_POWER_W_PER_KG * cars.test_mass_kg) / cars.test_mass_kg
    year = np.clip(np.where(np.isnan(cars.model_year), REFERENCE_YEAR, cars.model_year), *TESTED_YEARS)
    return np.stack([per_mass, cars.test_mass_kg, year, cars.driven_axles], axis=1)


def likeness(one: Array, other: Array) -> Array:
    """Kernel between cars given by ``features``: (N, 4), (M, 4) -> (N, M), 1 for equal features."""

    def scaled(table: Array) -> Any:
        columns = [np.log(table[:, 0]), np.log(table[:, 1]), table[:, 2], table[:, 3]]
        return np.stack([column / length for column, length in zip(columns, LENGTHS, strict=True)], axis=1)

    difference = scaled(one)[:, None, :] - scaled(other)[None, :, :]
    return np.asarray(np.exp(-np.sqrt((difference**2).sum(axis=2))), dtype=float)


@dataclass(frozen=True)
class Lines:
    """Fitted deviations from the maker's parameters at the maker's own cars: features (M, 4), values (M, 3)."""

    features: Array
    values: Array

    @staticmethod
    def of(cars: Array, weights: Array) -> Lines:
        """From the features of cars (N, 4) and the weights (N, 3) of their kernels; equal cars are merged."""
        rows = np.unique(cars, axis=0)
        return Lines(rows, likeness(rows, cars) @ weights)

    def at(self, cars: Array) -> Array:
        """Deviations (N, 3) of cars with these features (N, 4); at the fitted cars, the fitted values."""
        if not len(self.features):
            return np.zeros((len(cars), len(LINE_NAMES)))
        own = likeness(self.features, self.features) + NUGGET * np.eye(len(self.features))
        return likeness(cars, self.features) @ np.linalg.solve(own, self.values)

    def known_years(self, cars: Array) -> Array:
        """The features (N, 4), a car newer than the fitted car most like it (but for the year) with that car's year.

        Likeness fades with the years, which says nothing of cars that are not built yet: without this a newer car of
        the same kind would fall back to its maker, and come out worse for being newer.
        """
        if not len(self.features):
            return cars
        same_year, fitted = np.array(cars), np.array(self.features)
        same_year[:, 2] = fitted[:, 2] = 0.0
        years = self.features[:, 2]
        alike = np.where(years[None, :] <= cars[:, 2:3], likeness(same_year, fitted), 0.0)
        best = alike.max(axis=1, keepdims=True)
        newest = np.where((alike >= best - TIE) & (best > 0), years[None, :], -np.inf).max(axis=1)
        result = np.array(cars)
        result[:, 2] = np.where(np.isfinite(newest), newest, result[:, 2])
        return result

    def nearest(self, cars: Array) -> Array:
        """Likeness (N,) of cars to the fitted car most alike, 0 where there is none."""
        return likeness(cars, self.features).max(axis=1) if len(self.features) else np.zeros(len(cars))

    def as_json(self) -> list[dict[str, float]]:
        """One object per fitted car."""
        names = (*FEATURES, *LINE_NAMES)
        table = np.concatenate([self.features, self.values], axis=1)
        return [dict(zip(names, (float(x) for x in row), strict=True)) for row in table]

    @staticmethod
    def from_json(rows: Any) -> Lines:
        """From ``as_json``; KeyError, TypeError or ValueError where it is something else."""
        if not isinstance(rows, list):
            raise TypeError("expected a list of product lines")
        if not rows:
            return NO_LINES
        found = np.array([[float(row[name]) for name in (*FEATURES, *LINE_NAMES)] for row in rows])
        if not np.isfinite(found).all() or (found[:, :2] <= 0).any():
            raise ValueError("product lines must be finite, power and mass positive")
        return Lines(found[:, : len(FEATURES)], found[:, len(FEATURES) :])


NO_LINES: Final = Lines(np.zeros((0, len(FEATURES))), np.zeros((0, len(LINE_NAMES))))
