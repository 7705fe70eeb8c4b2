"""Fit of the demand parameters to the study's moments, and draws from what the moments leave open."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from teikei.errors import StudyError
from teikei.market.adoption import spread_normal
from teikei.market.calibration import DEMAND, Calibrated, demand_at, model_moments
from teikei.market.home import HomeMarket, home_market
from teikei.market.reference import parameters
from teikei.market.types import Array
from teikei.study.types import Study

_SEED: Final = (2026, 7)  # (stage, element): draws of the parameters
_PROPOSALS_PER_DRAW: Final = 4
_WIDER: Final = 1.3  # the proposal is wider than the Gaussian approximation, so that weights stay bounded
_STEP: Final = 0.03  # of the finite differences, in prior standard deviations
_ROUNDS: Final = 25
_COST_PENALTY: Final = 20.0  # per unit of negative cost over price: such parameters are refused, smoothly

# names a study may use -> the model's moment
ALIASES: Final[dict[str, str]] = {
    "own_price_elasticity": "own_price_elasticity",
    "market_elasticity": "market_elasticity",
    "bev_group_elasticity": "bev_group_elasticity",
    "pass_through": "pass_through",
    "margin": "margin",
    "bev_margin": "bev_margin",
    "range_value": "range_value",
    "second_choice_combustion": "second_choice_combustion",
    "second_choice_ice": "second_choice_ice",
    "second_choice_hybrid": "second_choice_hybrid",
}


_IN_MONEY: Final = ("range_value",)  # per km, in the study's currency in its tables


class _Targets:
    """Moments of the study that the model can compute: name, target, scale of one deviation, interval or point.

    Moments in money are kept in JPY, the money of the parameters, ``rate`` study currency each.
    """

    def __init__(self, study: Study, country: str, rate: float):
        table = study["moments"].filter(pl.col("country") == country)
        self.rows = [_in_parameter_money(row, rate) for row in table.iter_rows(named=True) if row["moment"] in ALIASES]
        self.unknown = tuple(row["moment"] for row in table.iter_rows(named=True) if row["moment"] not in ALIASES)
        for row in self.rows:
            low, high = row["low"], row["high"]
            if low is not None and high is not None and not low < high:
                raise StudyError(f"moments: {row['moment']}: low {low} is not below high {high}")

    def residuals(self, values: dict[str, Array]) -> Array:
        """Weighted deviations (D, K): from the target, in standard deviations: a range is two each way."""
        columns = [np.zeros((len(next(iter(values.values()))), 0))]
        for row in self.rows:
            if ALIASES[row["moment"]] not in values:
                continue
            spread = _spread(row)
            deviation = (values[ALIASES[row["moment"]]] - row["target"]) / spread
            columns.append(np.sqrt(row["weight"]) * deviation[:, None])
        return np.concatenate(columns, axis=1)


def _in_parameter_money(row: dict[str, Any], rate: float) -> dict[str, Any]:
    if ALIASES[row["moment"]] not in _IN_MONEY:
        return row
    return {**row, **{name: None if row[name] is None else row[name] / rate for name in ("target", "low", "high")}}


def _spread(row: dict[str, float]) -> float:
    if row["low"] is not None and row["high"] is not None:
        return (row["high"] - row["low"]) / 4
    return max(0.1 * abs(row["target"]), 1e-9)


def _plain(unbounded: Array) -> Array:
    known = parameters()
    return np.stack([known[name].bounded(unbounded[:, k]) for k, name in enumerate(DEMAND)], axis=1)


def _all_residuals(scaled: Array, home: HomeMarket, targets: _Targets) -> Array:
    """Residuals (D, P + K + 1) at parameters in prior standard deviations (D, P): prior, moments, negative costs."""
    known = parameters()
    centre = np.array([known[name].unbounded(known[name].central) for name in DEMAND], dtype=np.float64)
    spread = np.array([known[name].spread for name in DEMAND])
    demand = demand_at(_plain(centre + scaled * spread), home)
    values = model_moments(demand, home)
    negative = np.minimum(demand.cost * (1 + home.vat) / home.price, 0.0).sum(axis=1)
    return np.concatenate([scaled, targets.residuals(values), _COST_PENALTY * negative[:, None]], axis=1)


def _most_likely(home: HomeMarket, targets: _Targets) -> tuple[Array, Array]:
    """Levenberg-Marquardt from the central values: the point (P,) and the Jacobian there, all in prior deviations."""
    size = len(DEMAND)
    point, damping = np.zeros(size), 1e-2
    steps = np.concatenate([np.zeros((1, size)), _STEP * np.eye(size), -_STEP * np.eye(size)])
    for _ in range(_ROUNDS):
        residual = _all_residuals(point + steps, home, targets)
        jacobian = ((residual[1 : size + 1] - residual[size + 1 :]) / (2 * _STEP)).T
        gradient, normal = jacobian.T @ residual[0], jacobian.T @ jacobian
        trials = np.stack(
            [
                point - np.linalg.solve(normal + d * np.eye(size), gradient)
                for d in damping * np.array([0.1, 1, 10, 100])
            ]
        )
        trials = np.clip(trials, -3.0, 3.0)
        losses = (_all_residuals(trials, home, targets) ** 2).sum(axis=1)
        best = int(np.argmin(losses))
        if not losses[best] < (residual[0] ** 2).sum() - 1e-9:
            break
        damping *= float((0.1, 1, 10, 100)[best])
        point = trials[best]
    return point, jacobian


def _posterior(point: Array, jacobian: Array, home: HomeMarket, targets: _Targets, count: int) -> tuple[Array, float]:
    """``count`` draws (count, P) in prior deviations by importance resampling, and the effective sample size."""
    generator = np.random.default_rng(_SEED)
    covariance = _WIDER**2 * np.linalg.inv(jacobian.T @ jacobian)
    factor = np.linalg.cholesky(covariance)
    proposed = max(48, _PROPOSALS_PER_DRAW * count)
    noise = spread_normal(generator, proposed + 1, len(point))[1:]
    proposals = np.clip(point + noise @ factor.T, -3.5, 3.5)
    log_weight = -0.5 * (_all_residuals(proposals, home, targets) ** 2).sum(axis=1) + 0.5 * (noise**2).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    places = (generator.random() + np.arange(count)) / count  # systematic resampling
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), places), proposed - 1)
    return proposals[chosen], float(1.0 / (weight**2).sum())


def calibrate(study: Study, *, country: str | None = None, draws: int = 64) -> Calibrated:
    """Which demand makes the study's market what it is: the most likely parameters and ``draws`` posterior draws.

    Raises StudyError where the market's tables cannot be right, or where no parameters support the prices.
    """
    home = home_market(study, country)
    targets = _Targets(study, home.country, home.rate)
    point, jacobian = _most_likely(home, targets)
    drawn, effective = _posterior(point, jacobian, home, targets, draws)
    known = parameters()
    centre = np.array([known[name].unbounded(known[name].central) for name in DEMAND], dtype=np.float64)
    spread = np.array([known[name].spread for name in DEMAND])
    theta = _plain(centre + np.concatenate([point[None], drawn]) * spread)
    demand = demand_at(theta, home)
    kept = np.flatnonzero((demand.cost > 0).all(axis=1))
    if not len(kept) or kept[0] != 0:
        j = int(np.argmin(demand.cost[0] / home.price))
        raise StudyError(
            f"products: {home.product[j]}: its price of {home.price[j] * home.million:,.0f} {home.currency} would need "
            f"a marginal cost of {demand.cost[0, j] * home.million:,.0f}; the moments ask for a demand too inelastic "
            "for the prices in the table: check that price, or give moments a steeper own-price elasticity"
        )
    messages = list(home.messages)
    if len(kept) < len(theta):
        messages.append(f"{len(theta) - len(kept)} of {draws} draws left out: a marginal cost came out negative")
    if targets.unknown:
        messages.append(f"moments not used, since the model does not compute them: {', '.join(targets.unknown)}")
    if not targets.rows:
        messages.append(f"moments: no row for {home.country}: demand rests on the ranges of its parameters alone")
    demand = demand.part(list(kept))
    values = model_moments(demand, home)
    return Calibrated(home, demand, _moment_table(targets, values, home), effective, tuple(messages))


def _moment_table(targets: _Targets, values: dict[str, Array], home: HomeMarket) -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "moment": "units",
            "target": float(home.units.sum()),
            "low": None,
            "high": None,
            "model": float(home.units.sum()),
            "lower": float(home.units.sum()),
            "upper": float(home.units.sum()),
            "deviation": 0.0,
            "weight": None,
            "note": "met exactly for every product by share inversion",
        }
    ]
    for row in targets.rows:
        name = ALIASES[row["moment"]]
        if name not in values:
            continue
        low, high = np.quantile(values[name][1:], [0.1, 0.9]) if len(values[name]) > 1 else (np.nan, np.nan)
        inside = (row["low"] is None or values[name][0] >= row["low"]) and (
            row["high"] is None or values[name][0] <= row["high"]
        )
        rows.append(
            {
                "moment": row["moment"],
                "target": row["target"],
                "low": row["low"],
                "high": row["high"],
                "model": float(values[name][0]),
                "lower": float(low),
                "upper": float(high),
                "deviation": float(values[name][0] - row["target"]),
                "weight": row["weight"],
                "note": "inside the target's range" if inside else "outside the target's range",
            }
        )
    named = {ALIASES[row["moment"]] for row in targets.rows}
    rows += [
        {
            "moment": name,
            "target": None,
            "low": None,
            "high": None,
            "model": float(value[0]),
            "lower": float(np.quantile(value, 0.1)),
            "upper": float(np.quantile(value, 0.9)),
            "deviation": None,
            "weight": None,
            "note": "no target: what the model implies",
        }
        for name, value in values.items()
        if name not in named
    ]
    for row in rows:
        if ALIASES.get(str(row["moment"])) in _IN_MONEY:
            for column in ("target", "low", "high", "model", "lower", "upper", "deviation"):
                row[column] = None if row[column] is None else row[column] * home.rate
    schema = dict.fromkeys(("target", "low", "high", "model", "lower", "upper", "deviation", "weight"), pl.Float64)
    return pl.DataFrame(rows, schema={"moment": pl.String, **schema, "note": pl.String})
