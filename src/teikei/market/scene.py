"""The market of each year to come: who is on sale, at which cost, what buyers get and pay, for every draw.

A year differs from the calibration year by policy, battery cost, chargers, consideration of plug-ins, models that
enter, change or leave with the study's programmes, and by a fading drift and a random walk in the appeal of plug-ins,
both as large as history's (``adoption.drift``). Volume has no second learning term here: scale effects belong to
the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from teikei.market.adoption import TREND_WEIGHT, Drift, beyond_the_market, damped_years, drift, spread_normal
from teikei.market.calibration import DEMAND, Calibrated, Demand, price_scale, types_of
from teikei.market.demand import derive
from teikei.market.home import MILLION, RANGE_KM, HomeMarket
from teikei.market.inputs import check_market
from teikei.market.launches import launches, with_launches
from teikei.market.reference import parameters, segments_for
from teikei.market.types import Array, IntArray
from teikei.study.types import Study

_SEED: Final = (2026, 8)
_DYNAMIC: Final = (
    "word_of_mouth",
    "outside_push",
    "charging_elasticity",
    "charger_growth",
    "pack_price",
    "pack_price_fall",
    "entrant_spread",
)
_NOT_PASSENGER: Final = ("light van",)  # registered as commercial vehicles: not in the passenger-car figures
_PROCEDURES: Final = {"JP": ("wltc_japan",), "US": ("epa_label", "wltc_class3b")}
_OTHER_PROCEDURES: Final = ("wltc_class3b", "epa_label")
_SAME_RANGE: Final = 0.15  # a product whose range differs more from its programme's is the predecessor


@dataclass(frozen=True)
class Scene:
    """One year's market at D draws. home: products on sale; demand: as calibrated, moved to the year; scale (D, J).

    charging_elasticity (D,): drawn response of plug-in sales to chargers; walk (D,): where the walk of the appeal of
    plug-ins stands, in ln(plug-in sales); response (D,): ln(plug-in sales) per unit of their utility. All three empty
    in the calibration year's own scene.
    """

    year: int
    home: HomeMarket
    demand: Demand
    scale: Array
    charging_elasticity: Array = field(default_factory=lambda: np.zeros(0))
    walk: Array = field(default_factory=lambda: np.zeros(0))
    response: Array = field(default_factory=lambda: np.zeros(0))

    @cached_property
    def utility(self) -> Array:
        """Utility (D, J, I) before the list price, subsidy and tax of the year included."""
        wedge = self.scale * self.home.wedge(self.year)
        return self.demand.mean[..., None] + self.demand.taste - self.demand.slope[:, None, :] * wedge[:, :, None]


@dataclass(frozen=True)
class _Change:
    """A programme that enters the market, or a product that changes: year, share of that year, and what moves."""

    product: str
    programme: str
    maker: str
    segment: str
    fraction: float
    range_km: float
    reference: int


def _first_sop(study: Study) -> dict[str, tuple[int, float]]:
    """Programme -> year of its first start of production and the part of that year on sale."""
    first: dict[str, tuple[int, float]] = {}
    for programme, sop in study["generations"].select("programme", "sop").sort("sop").iter_rows():
        year, month = (int(part) for part in sop.split("-")[:2])
        first.setdefault(programme, (year, (13 - month) / 12))
    return first


def _range_rows(study: Study, programme: str, country: str) -> pl.DataFrame:
    """Required ranges of a programme under the country's procedure; without one, all there are."""
    table = study["requirements"].filter((pl.col("programme") == programme) & (pl.col("requirement") == "range"))
    for procedure in _PROCEDURES.get(country, _OTHER_PROCEDURES):
        rows = table.filter(pl.col("procedure") == procedure)
        if rows.height:
            return rows
    return table


def _range_message(study: Study, programme: str, country: str) -> str | None:
    """A sentence where the range of a programme is not the one of the country's own procedure."""
    own = _PROCEDURES.get(country, _OTHER_PROCEDURES)[0]
    used = _range_rows(study, programme, country)["procedure"].unique(maintain_order=True).to_list()
    if not used or used == [own]:
        return None
    value = _required_range(study, programme, country)
    listed = " and ".join(used)
    return (
        f"{programme}: no range under {own}: {'the mean of ' if len(used) > 1 else ''}{listed} is used, {value:.0f} km"
    )


def _required_range(study: Study, programme: str, country: str) -> float | None:
    """Range the programme must reach (km), averaged over versions by share; the country's procedure first."""
    table = _range_rows(study, programme, country)
    if not table.height:
        return None
    weights = dict(study["versions"].filter(pl.col("programme") == programme).select("version", "share").iter_rows())
    pairs = [(weights.get(version, 1.0), value) for version, value in table.select("version", "value").iter_rows()]
    return float(sum(w * v for w, v in pairs) / sum(w for w, _ in pairs))


def _entrants(study: Study, home: HomeMarket) -> tuple[list[_Change], list[str]]:
    """Programmes with home-market volumes and no product yet, each with the product its cost and appeal start from."""
    sop, messages = _first_sop(study), []
    sold = set(
        study["volumes"].filter((pl.col("region") == home.country) & (pl.col("units") > 0))["programme"].to_list()
    )
    found = []
    for row in study["programmes"].filter(pl.col("in_scope")).iter_rows(named=True):
        name = row["programme"]
        if name not in sold or name in home.programme or name not in sop:
            continue
        if row["segment"] in _NOT_PASSENGER:
            messages.append(f"{name} {row['title']}: not a passenger car, left out of the market")
            continue
        segments = segments_for(home.country, row["segment"], frozenset(home.segment))
        target = _required_range(study, name, home.country)
        pool = [
            j
            for j in range(len(home.product))
            if home.battery_electric[j] and home.segment[j] in segments and not np.isnan(home.range_km[j])
        ]
        if not pool or target is None:
            messages.append(f"{name} {row['title']}: no comparable product or no range: left out of the market")
            continue
        own = [j for j in pool if home.maker[j] == row["company"]] or pool
        reference = min(own, key=lambda j: abs(np.log(home.range_km[j] / target)))
        year, fraction = sop[name]
        title = row["title"] or name
        found.append(_Change(title, name, row["company"], home.segment[reference], fraction, target, reference))
        messages.append(
            f"{name} {title}: enters in {year} with cost and appeal of {home.product[reference]}, moved to "
            f"{target:.0f} km range"
        )
    return found, messages


def _with_entrants(calibrated: Calibrated, entrants: list[_Change]) -> Calibrated:
    """Products of the study's programmes appended to the market; cost and mean utility follow in ``_moved``."""
    home, demand = calibrated.home, calibrated.draws
    ref = [change.reference for change in entrants]
    wide = replace(
        home,
        product=home.product + tuple(change.product for change in entrants),
        maker=home.maker + tuple(change.maker for change in entrants),
        programme=home.programme + tuple(change.programme for change in entrants),
        powertrain=home.powertrain + ("bev",) * len(entrants),
        price=np.concatenate([home.price, home.price[ref]]),
        units=np.concatenate([home.units, np.zeros(len(ref))]),
        range_km=np.concatenate([home.range_km, home.range_km[ref]]),
        battery_kwh=np.concatenate([home.battery_kwh, home.battery_kwh[ref]]),
        segment=home.segment + tuple(change.segment for change in entrants),
        subsidy={year: np.concatenate([value, value[ref]]) for year, value in home.subsidy.items()},
        tax={year: np.concatenate([value, value[ref]]) for year, value in home.tax.items()},
    )
    slope, weight, taste = types_of(demand.theta, wide)
    more = Demand(
        demand.theta,
        slope,
        weight,
        taste,
        np.concatenate([demand.mean, demand.mean[:, ref]], axis=1),
        np.concatenate([demand.cost, demand.cost[:, ref]], axis=1),
        demand.buyers_total,
    )
    return replace(calibrated, home=wide, draws=more)


def plug_in_response(calibrated: Calibrated) -> Array:
    """d ln(plug-in units) / d(utility of all plug-ins) (D,): turns changes of log sales into utility."""
    home, demand = calibrated.home, calibrated.draws
    price = np.broadcast_to(home.price / (1 + home.vat), demand.mean.shape).copy()
    sales = []
    for shift in (-0.05, 0.05):
        market = check_market(
            demand.net_utility(home, home.year) + shift * home.plug_in[:, None],
            demand.slope * (1 + home.vat),
            demand.weight,
            home.nest,
            demand.nest_parameter,
            (),
            price_scale=demand.scale(home.price),
        )
        sales.append(derive(market, price, slopes=False)[0] @ home.plug_in)
    return np.asarray(np.log(sales[1] / sales[0]) / 0.1, dtype=np.float64)


def dynamic_draws(count: int) -> dict[str, Array]:
    """Parameters of the years (count,) each: the central value first, then draws from their ranges."""
    generator = np.random.default_rng(_SEED)
    known = parameters()
    drawn = {}
    noise = spread_normal(generator, count, len(_DYNAMIC))
    for k, name in enumerate(_DYNAMIC):
        middle = known[name].unbounded(known[name].central)
        drawn[name] = known[name].bounded(middle + known[name].spread * noise[:, k])
    return drawn


def consideration_path(start: Array, push: Array, mouth: Array, years: int) -> Array:
    """Share of buyers who consider plug-ins (years + 1, D): d theta/dt = (p + q theta)(1 - theta).

    Struben and Sterman (2008); every model on sale is open to them.
    """
    path = [start]
    for _ in range(years):
        path.append(1 - (1 - path[-1]) * np.exp(-(push + mouth * path[-1])))  # a year of it; never above 1
    return np.stack(path)


def walks(country: str, origin: int, noise: Array) -> Array:
    """Appeal of plug-ins that nothing else explains, in ln(plug-in sales): (years, D), the origin's year first, at 0.

    noise (D, years): standard normal, column 0 of the drift, the others of each year's shock.
    """
    past, ahead = drift(country, origin), noise.shape[1] - 1
    walk = np.zeros((ahead + 1, len(noise)))
    walk[1:] = past.shock * noise.T[1:].cumsum(axis=0)
    walk[1:] += beyond_the_market(country, origin, ahead)[:, None]
    walk[1:] += past.spread * noise.T[0] * damped_years(ahead)[:, None]
    return walk


def scenes(study: Study, calibrated: Calibrated, *, last_year: int | None = None) -> tuple[list[Scene], list[str]]:
    """The markets from the calibration year to ``last_year`` (default: the study's), and what was assumed."""
    later, told = launches(study, calibrated.home)
    launched = dict(zip(later.home.product, later.year.tolist(), strict=True)) if later else {}
    entrants, messages = _entrants(study, calibrated.home)
    messages = [*told, *messages]
    with_later = with_launches(calibrated, later) if later else calibrated
    base = with_later.home
    wide = _with_entrants(with_later, entrants)
    home, demand = wide.home, wide.draws
    count, products = demand.mean.shape
    end = max(last_year or study.settings.last_year, home.year)
    drawn = dynamic_draws(count)
    generator = np.random.default_rng((*_SEED, 1))
    past = drift(home.country, home.year)
    walk = walks(home.country, home.year, spread_normal(generator, count, end - home.year + 1))
    messages += _assumed(study, home, past)
    newcomer = spread_normal(generator, count, products)
    response = plug_in_response(calibrated)
    column = {name: demand.theta[:, k] for k, name in enumerate(DEMAND)}
    consider = consideration_path(
        column["consideration_share"], drawn["outside_push"], drawn["word_of_mouth"], end - home.year
    )
    scale = price_scale(demand.theta, home.price)
    known_kwh = np.where(np.isnan(home.battery_kwh), _missing_kwh(home), home.battery_kwh)
    result = []
    for step, year in enumerate(range(home.year, end + 1)):
        mean, cost, on_sale = demand.mean.copy(), demand.cost.copy(), np.ones(products, dtype=bool)
        appeal = (drawn["charging_elasticity"] * drawn["charger_growth"] * step + walk[step]) / response
        mean += appeal[:, None] * home.plug_in
        fall = drawn["pack_price"] / MILLION * ((1 - drawn["pack_price_fall"]) ** step - 1)
        cost += fall[:, None] * known_kwh * home.plug_in
        for j in range(products):
            if year < launched.get(home.product[j], home.year):
                on_sale[j] = False
                continue
            entrant = entrants[j - len(base.product)] if j >= len(base.product) else None
            on_sale[j] = _move(
                study, home, j, entrant, year, mean[:, j], cost[:, j], column, scale[:, j], drawn, newcomer[:, j]
            )
        slope, weight, taste = types_of(demand.theta, home, consideration=consider[step])
        keep = np.flatnonzero(on_sale).astype(np.int64)
        moved = Demand(demand.theta, slope, weight, taste[:, keep], mean[:, keep], cost[:, keep], demand.buyers_total)
        known = {"charging_elasticity": drawn["charging_elasticity"], "walk": walk[step], "response": response}
        result.append(Scene(year, _only(home, keep), moved, scale[:, keep], **known))
    return _supported(result, messages)


def _assumed(study: Study, home: HomeMarket, past: Drift) -> list[str]:
    """What the reader must know of the years: ranges by another procedure, drift and shocks and where they are from."""
    programmes = [name for name in dict.fromkeys(home.programme) if name]
    found = [_range_message(study, name, home.country) for name in programmes]
    origin = f"both from the history of {home.country}"
    if not past.known:
        origin = (
            f"no history of plug-in sales of {home.country} is known: no drift, its uncertainty "
            f"({100 * past.spread:.0f} points) and the shocks are assumed wider than in any country with a history, "
            f"and cars on the road are counted from {home.year} on only"
        )
    found.append(
        f"appeal of plug-ins starts with a drift of {100 * past.mean:+.0f} % a year that prices, packs, chargers, "
        f"consideration and models do not explain, fading, and yearly shocks of {100 * past.shock:.0f} %: {origin}; "
        f"packs, chargers and consideration count with {100 * TREND_WEIGHT:.0f} % of what parameters from elsewhere "
        "say, as forecasts of eight markets ask for"
    )
    return [message for message in found if message]


def _supported(line: list[Scene], messages: list[str]) -> tuple[list[Scene], list[str]]:
    """The scenes without draws in which some cost comes out at nothing or below in some year; the first always stays.

    Pack cost falls and ranges change by drawn amounts; a draw whose own cost does not bear them says nothing.
    """
    count = len(line[0].demand.cost)
    bad = np.zeros(count, dtype=bool)
    products: dict[str, None] = {}
    for scene in line:
        below = scene.demand.cost <= 0
        bad |= below.any(axis=1)
        products |= dict.fromkeys(scene.home.product[j] for j in np.flatnonzero(below[1:].any(axis=0)))
    bad[0] = False  # the most likely set cannot be left out: Response.held tells of it
    if not bad.any():
        return line, messages
    rows = [int(row) for row in np.flatnonzero(~bad)]
    kept = [
        replace(
            scene,
            demand=scene.demand.part(rows),
            scale=scene.scale[rows],
            charging_elasticity=scene.charging_elasticity[rows],
            walk=scene.walk[rows],
            response=scene.response[rows],
        )
        for scene in line
    ]
    message = (
        f"{bad.sum()} of {count - 1} draws left out: the cost of {', '.join(products)} came out below nothing later"
    )
    if len(rows) < 3:
        message += "; too few are left for bands: lower and upper say nothing"
    return kept, [*messages, message]


def _missing_kwh(home: HomeMarket) -> Array:
    """Energy of plug-ins whose pack is not in the table (J,): median of battery-electric ones; 0 for hybrids."""
    known = home.battery_kwh[(home.battery_electric > 0) & ~np.isnan(home.battery_kwh)]
    return home.battery_electric * (float(np.median(known)) if len(known) else 0.0)


def _move(
    study: Study,
    home: HomeMarket,
    j: int,
    entrant: _Change | None,
    year: int,
    mean: Array,
    cost: Array,
    column: dict[str, Array],
    scale: Array,
    drawn: dict[str, Array],
    noise: Array,
) -> bool:
    """Move mean utility and cost (D,) of product j in place to ``year``; returns whether it is on sale."""
    programme = home.programme[j]
    if not programme:
        return True
    keep = 1 - column["nest_parameter"]
    ends = study["generations"].filter(pl.col("programme") == programme)["eop_year"].to_list()
    if ends and year > max(ends):
        return False
    target = entrant.range_km if entrant else _required_range(study, programme, home.country)
    changed = target is not None and abs(np.log(target / home.range_km[j])) > np.log(1 + _SAME_RANGE)
    first, fraction = _first_sop(study).get(programme, (0, 1.0))
    if entrant:
        if year < first:
            return False
        mean += keep * (drawn["entrant_spread"] * noise + (np.log(fraction) if year == first else 0.0))
        sister = _first_sop(study).get(home.programme[entrant.reference], (0, 1.0))
        if sister[0] == home.year and not np.isnan(home.range_km[entrant.reference]):
            mean -= keep * np.log(sister[1])  # the model it is compared with was itself on sale for part of the year
    elif year > home.year and first == home.year and not changed:
        mean -= keep * np.log(fraction)  # on sale for a part of the calibration year only
    if target is not None and (entrant or (changed and year > home.year and year >= first)):
        step = np.log(target / home.range_km[j])
        mean += column["price_slope"] * scale * column["range_value"] / MILLION * RANGE_KM * step
        per_km = home.battery_kwh[j] / home.range_km[j]
        cost += drawn["pack_price"] / MILLION * per_km * (target - home.range_km[j])
    return True


def only(scene: Scene, keep: IntArray) -> Scene:
    """The scene with some of its products, by their places."""
    demand = scene.demand
    fewer = replace(demand, taste=demand.taste[:, keep], mean=demand.mean[:, keep], cost=demand.cost[:, keep])
    return replace(scene, home=_only(scene.home, keep), demand=fewer, scale=scene.scale[:, keep])


def _only(home: HomeMarket, keep: IntArray) -> HomeMarket:
    """The market with some of its products."""
    names = [int(j) for j in keep]
    return replace(
        home,
        product=tuple(home.product[j] for j in names),
        maker=tuple(home.maker[j] for j in names),
        programme=tuple(home.programme[j] for j in names),
        powertrain=tuple(home.powertrain[j] for j in names),
        price=home.price[names],
        units=home.units[names],
        range_km=home.range_km[names],
        battery_kwh=home.battery_kwh[names],
        segment=tuple(home.segment[j] for j in names),
        subsidy={year: value[names] for year, value in home.subsidy.items()},
        tax={year: value[names] for year, value in home.tax.items()},
    )
