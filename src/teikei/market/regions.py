"""Markets other than the home market, as aggregates: what a saving does to exports.

A region is a nested logit with one type of buyer: a nest of plug-ins and a nest of all other cars. Composite products
stand for the rivals: each is a number of equal makers, so that no composite prices like a monopoly. The companies' cars
are the programmes that the study sells there, at the study's volumes. Three elasticities from the literature, with
their ranges, take the place of a calibration: they are assumptions, and so is what follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from teikei.market.adoption import forecast
from teikei.market.cases import Case
from teikei.market.demand import derive
from teikei.market.home import MILLION, HomeMarket
from teikei.market.inputs import check_market
from teikei.market.inversion import invert_shares
from teikei.market.kept import Parts, parts
from teikei.market.levels import level_band
from teikei.market.price_equilibrium import equilibrium, markups
from teikei.market.questions import CUT, CUT_WORDS, band
from teikei.market.reference import Region, parameters, regions, segment_price, vat_rate
from teikei.market.types import Array
from teikei.study.types import Study

_SEED: Final = (2026, 10)
_MEASURED_AT: Final = 0.16  # share of battery-electric cars in Norway in 2016, where the group elasticity is from
_LEAST_RIVALS: Final = (
    0.2  # of a region's plug-ins: where the study's own volumes leave less, the market is made larger
)


@dataclass(frozen=True)
class _RegionYear:
    """One region in one year at D draws: products in one order, rivals first. Money in million JPY.

    price (J,) with VAT; units (D, J); owner (J,); programme (J,), "" for rivals; plug_in (J,).
    """

    year: int
    price: Array
    units: Array
    owner: tuple[str, ...]
    programme: tuple[str, ...]
    plug_in: Array

    @property
    def ours(self) -> Array:
        """1 for the companies' cars (J,)."""
        return np.array([float(name != "") for name in self.programme])


@dataclass(frozen=True)
class _Slopes:
    """Drawn elasticities (D,) as parameters of the nested logit: slope times price, nest parameter, share outside."""

    slope: Array
    nest_parameter: Array
    outside: Array


def _slopes(count: int) -> _Slopes:
    """The first draw is the central one.

    With utility falling by e times the relative price, the elasticity of a group with share S of all buyers is
    -e (1 - S), that of all cars -e s_0, that of a small model -e / (1 - rho). e is taken where it was measured.
    """
    generator = np.random.default_rng(_SEED)
    drawn = {}
    for name in ("region_group_elasticity", "region_model_elasticity", "region_market_elasticity"):
        noise = generator.standard_normal(count)
        noise[0] = 0.0
        one = parameters()[name]
        drawn[name] = one.bounded(one.unbounded(one.central) + one.spread * noise)
    group, market = drawn["region_group_elasticity"], drawn["region_market_elasticity"]
    slope = np.maximum((group - _MEASURED_AT * market) / (1 - _MEASURED_AT), 1.05 * market)
    keep = np.clip(slope / drawn["region_model_elasticity"], 0.05, 0.95)
    return _Slopes(slope, 1 - keep, market / slope)


def _volumes(study: Study, region: Region, year: int) -> list[tuple[str, str, float]]:
    """(programme, company, cars) of the study's volume scenario in the region and year."""
    scope = set(study["programmes"].filter(pl.col("in_scope"))["programme"].to_list())
    rows = study["volumes"].filter(
        pl.col("region").is_in(list(region.covers))
        & (pl.col("year") == year)
        & (pl.col("scenario") == study.settings.volume_scenario)
        & (pl.col("units") > 0)
        & pl.col("programme").is_in(list(scope))
    )
    grouped = rows.group_by("programme", "company").agg(pl.col("units").sum()).sort("programme", "company")
    return [(programme, company, float(units)) for programme, company, units in grouped.iter_rows()]


def _built(study: Study, region: Region, home: HomeMarket, year: int, ev_share: Array) -> _RegionYear | None:
    """Products of a region and year; None where the study sells nothing there."""
    sold = _volumes(study, region, year)
    if not sold:
        return None
    segment = dict(study["programmes"].select("programme", "segment").iter_rows())
    at_home = {name: price for name, price in zip(home.programme, home.price, strict=True) if name}
    price = [at_home.get(name, segment_price(segment.get(name) or "") / MILLION) for name, _, _ in sold]
    own = np.array([units for _, _, units in sold])
    plug_ins = np.maximum(ev_share * region.new_cars, own.sum() / (1 - _LEAST_RIVALS))
    others = np.maximum(region.new_cars - plug_ins, 0.02 * region.new_cars)
    makers = region.makers
    rivals = np.repeat(((plug_ins - own.sum()) / makers)[:, None], makers, axis=1)
    burning = np.repeat((others / makers)[:, None], makers, axis=1)
    return _RegionYear(
        year=year,
        price=np.array([region.bev_price / MILLION] * makers + [region.combustion_price / MILLION] * makers + price),
        units=np.concatenate([rivals, burning, np.broadcast_to(own, (len(ev_share), len(own)))], axis=1),
        owner=tuple(f"rival {k}" for k in range(makers)) * 2 + tuple(company for _, company, _ in sold),
        programme=("",) * (2 * makers) + tuple(programme for programme, _, _ in sold),
        plug_in=np.array([1.0] * makers + [0.0] * makers + [1.0] * len(sold)),
    )


@dataclass(frozen=True)
class _Answer:
    """Prices with VAT, units, marginal cost and variable profit (D, J) of a region, million JPY."""

    price: Array
    units: Array
    cost: Array
    profit: Array
    converged: bool
    residual: float


class _Market:
    """A region's year made a market: mean utilities and costs that reproduce units and prices."""

    def __init__(self, built: _RegionYear, slopes: _Slopes, vat: float):
        self.built, self.vat = built, vat
        count = len(built.price)
        total = built.units.sum(axis=1) / (1 - slopes.outside)
        self.buyers = total
        self.slope = (slopes.slope * (1 + vat))[:, None]
        self.scale = np.broadcast_to(1 / built.price, built.units.shape)  # utility falls by the relative price
        self.nest = built.plug_in.astype(np.int64)
        self.rho = slopes.nest_parameter[:, None]
        self.factory = np.broadcast_to(built.price / (1 + vat), built.units.shape).copy()
        owner = np.array(built.owner)
        self.ownership = np.asarray(owner[:, None] == owner, dtype=np.float64)
        weight = np.ones(1)
        self.mean = invert_shares(
            built.units / total[:, None], self.factory, self.slope, weight, nest=self.nest, nest_parameter=self.rho,
            price_scale=self.scale,
        )[..., None]  # fmt: skip
        market = check_market(
            self.mean, self.slope, weight, self.nest, self.rho, (("price", self.factory, 1),), price_scale=self.scale
        )
        found, _ = markups(market, self.factory, self.ownership[None])
        self.cost = self.factory - found
        self.count = count

    def group_elasticity(self) -> Array:
        """Elasticity (D,) of plug-ins as a group to their common price, as the elasticities taken imply it."""
        market = check_market(
            self.mean, self.slope, np.ones(1), self.nest, self.rho, (("price", self.factory, 1),),
            price_scale=self.scale,
        )  # fmt: skip
        share, slopes, _ = derive(market, self.factory)
        group = self.built.plug_in
        change = np.einsum("j,djk,dk->d", group, slopes, group * self.factory)
        return np.asarray(change / (share @ group), dtype=np.float64)

    def answer(self, change: Array) -> _Answer:
        """Equilibrium after a change of cost (J,) or (D, J), million JPY before VAT."""
        cost = np.maximum(self.cost + change, 1e-3 * self.cost)
        found = equilibrium(
            cost, self.mean, self.slope, np.ones(1), self.ownership, nest=self.nest, nest_parameter=self.rho,
            price_scale=self.scale, start=self.factory,
        )  # fmt: skip
        units = found.share * self.buyers[:, None]
        return _Answer(
            found.price * (1 + self.vat),
            units,
            found.price - found.markup,
            units * found.markup,
            bool(found.converged.all()),
            float(found.residual.max()),
        )


def export_tables(
    study: Study, home: HomeMarket, cases: Sequence[Case], *, draws: int, paths: int = 1
) -> tuple[pl.DataFrame, pl.DataFrame, list[str], dict[tuple[str, str, int, str], Parts]]:
    """Regions other than the home market by case and year, exports by programme in the report year, and messages.

    First table: region, rung, scenario, year, ev_share with band, ev_share_change, companies' EVs and their change with
    bands, price change in per cent, variable profit change (million a year) with bands. Second: region, programme,
    company, rung, units, units_change with bands, price, price_change, cost_change. Last: what each company
    keeps by rung, region and year.
    """
    rows: list[dict[str, object]] = []
    exports: list[dict[str, object]] = []
    messages: list[str] = []
    kept: dict[tuple[str, str, int, str], Parts] = {}
    known = [region for region in regions() if home.country not in region.covers]
    slopes = _slopes(draws + 1)
    chosen = [case for case in cases if not case.merged]
    for region in known:
        first = min(study.settings.first_year, study.settings.report_year)
        last = max(study.settings.last_year, study.settings.report_year)
        origin, path = _ev_path(region, last, draws + 1)
        _, level = _ev_path(region, last, draws * paths + 1)
        for year in range(first, last + 1):
            own, whole = path[:, max(year - origin, 0)], level[:, max(year - origin, 0)]
            built = _built(study, region, home, year, own)
            if built is None:
                rows.append(_empty(study.baseline_rung, region, year, whole))
                continue
            market = _Market(built, slopes, vat_rate(region.region))
            base = market.answer(np.zeros(len(built.price)))
            for case in [*chosen, _what_if(market, home)]:
                change = _change(built, case, home)
                one = base if not change.any() else market.answer(change)
                rows.append(_summary(region, case, home, market, base, one, (own, whole)))
                if case in chosen and case.rung != study.baseline_rung:
                    kept |= _kept(study, region, case, home, market, base, one)
                if year == study.settings.report_year and case.rung != study.baseline_rung:
                    exports += _by_programme(region, case, home, market, base, one, change)
                if not one.converged:
                    messages.append(
                        f"{region.title} {year}, {case.rung}: not converged (residual {one.residual:.1e}), do not quote"
                    )
    messages += _not_covered(study, known, home)
    table = pl.DataFrame(rows, schema=_SUMMARY) if rows else pl.DataFrame(schema=_SUMMARY)
    return table, pl.DataFrame(exports, schema=_EXPORTS), messages, kept


def modelled_regions(home: HomeMarket) -> set[str]:
    """Sales regions of a study for which a market is modelled, the home market included."""
    away = (region.covers for region in regions() if home.country not in region.covers)
    return {home.country, *(name for covers in away for name in covers)}


def _kept(
    study: Study, region: Region, case: Case, home: HomeMarket, market: _Market, base: _Answer, one: _Answer
) -> dict[tuple[str, str, int, str], Parts]:
    """What each company keeps in the region and year at the central parameters; only years of the plan."""
    built, vat = market.built, 1 + market.vat
    if not study.settings.first_year <= built.year <= study.settings.last_year:
        return {}
    found = {}
    for company in dict.fromkeys(name for name, own in zip(built.owner, built.programme, strict=True) if own):
        own = np.array([name == company for name in built.owner])
        found[case.rung, region.region, built.year, company] = parts(
            (base.price[0, own] / vat * home.rate, one.price[0, own] / vat * home.rate),
            (base.cost[0, own] * home.rate, one.cost[0, own] * home.rate),
            (base.units[0, own], one.units[0, own]),
            (base.profit[0, own] * home.rate, one.profit[0, own] * home.rate),
        )
    return found


_SUMMARY: Final = {
    "region": pl.String, "title": pl.String, "rung": pl.String, "scenario": pl.String, "year": pl.Int64,
    "ev_share": pl.Float64, "ev_share_lower": pl.Float64, "ev_share_upper": pl.Float64,
    "ev_share_change": pl.Float64, "alliance_ev_units": pl.Float64, "units_change": pl.Float64,
    "units_change_lower": pl.Float64, "units_change_upper": pl.Float64, "price_change_percent": pl.Float64,
    "profit_change": pl.Float64, "profit_change_lower": pl.Float64, "profit_change_upper": pl.Float64,
    "group_elasticity": pl.Float64,
}  # fmt: skip
_EXPORTS: Final = {
    "region": pl.String, "title": pl.String, "programme": pl.String, "company": pl.String, "rung": pl.String,
    "year": pl.Int64, "units": pl.Float64, "units_change": pl.Float64, "units_change_lower": pl.Float64,
    "units_change_upper": pl.Float64, "price": pl.Float64, "price_change": pl.Float64, "cost_change": pl.Float64,
}  # fmt: skip


def _ev_path(region: Region, last: int, draws: int) -> tuple[int, Array]:
    """Last year with a known share, and shares (draws, years from it on), the first row central."""
    origin = region.known_to
    ahead = forecast(region.history, origin, max(last - origin, 1), draws=draws)
    return origin, np.concatenate([np.full((draws, 1), region.known_share), ahead], axis=1)


def _what_if(market: _Market, home: HomeMarket) -> Case:
    saving = {
        name: -CUT * float(cost) * home.million
        for name, cost in zip(market.built.programme, market.cost[0], strict=True)
        if name
    }
    return Case("", f"the {CUT_WORDS}", "what-if", {market.built.year: saving})


def _change(built: _RegionYear, case: Case, home: HomeMarket) -> Array:
    """Change of variable cost (J,) before VAT, million JPY."""
    saving: Mapping[str, float] = case.change.get(built.year, {})
    return np.array([saving.get(name, 0.0) / home.million if name else 0.0 for name in built.programme])


def _empty(baseline: str, region: Region, year: int, share: Array) -> dict[str, object]:
    """A region in which the study sells nothing: its EV share alone."""
    low, high = band(share)
    row: dict[str, object] = dict.fromkeys(_SUMMARY)
    row |= {"region": region.region, "title": region.title, "rung": baseline, "scenario": "no sales", "year": year}
    row |= {"ev_share": float(share[0]), "ev_share_lower": low, "ev_share_upper": high, "alliance_ev_units": 0.0}
    return row


def _summary(
    region: Region,
    case: Case,
    home: HomeMarket,
    market: _Market,
    base: _Answer,
    one: _Answer,
    path: tuple[Array, Array],
) -> dict[str, object]:
    """path: EV share of the forecast at the market's draws, and over all paths."""
    built, ours = market.built, market.built.ours
    share = (one.units @ built.plug_in) / one.units.sum(axis=1)
    before = (base.units @ built.plug_in) / base.units.sum(axis=1)
    low, _, high = level_band(path[1], path[0], share)
    more = (one.units - base.units) @ ours
    gain = (one.profit - base.profit) @ ours * home.rate
    dearer = ((one.price / base.price - 1) * base.units) @ ours / (base.units @ ours)
    return {
        "region": region.region,
        "title": region.title,
        "rung": case.rung,
        "scenario": case.scenario,
        "year": built.year,
        "ev_share": float(share[0]),
        "ev_share_lower": low,
        "ev_share_upper": high,
        "ev_share_change": float((share - before)[0]),
        "alliance_ev_units": float(one.units[0] @ ours),
        "units_change": float(more[0]),
        "units_change_lower": band(more)[0],
        "units_change_upper": band(more)[1],
        "price_change_percent": 100 * float(dearer[0]),
        "profit_change": float(gain[0]),
        "profit_change_lower": band(gain)[0],
        "profit_change_upper": band(gain)[1],
        "group_elasticity": float(market.group_elasticity()[0]),
    }


def _by_programme(
    region: Region, case: Case, home: HomeMarket, market: _Market, base: _Answer, one: _Answer, change: Array
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for j, programme in enumerate(market.built.programme):
        if not programme:
            continue
        more = (one.units - base.units)[:, j]
        rows.append(
            {
                "region": region.region,
                "title": region.title,
                "programme": programme,
                "company": market.built.owner[j],
                "rung": case.rung,
                "year": market.built.year,
                "units": float(base.units[0, j]),
                "units_change": float(more[0]),
                "units_change_lower": band(more)[0],
                "units_change_upper": band(more)[1],
                "price": float(one.price[0, j]) * home.million,
                "price_change": float((one.price - base.price)[0, j]) * home.million,
                "cost_change": float(change[j]) * home.million,
            }
        )
    return rows


def _not_covered(study: Study, known: Sequence[Region], home: HomeMarket) -> list[str]:
    """A sentence on the study's sales in the report year that no regional market stands for."""
    covered = {name for region in known for name in region.covers} | {home.country}
    rows = study["volumes"].filter(
        (pl.col("year") == study.settings.report_year) & (pl.col("scenario") == study.settings.volume_scenario)
    )
    scope = study["programmes"].filter(pl.col("in_scope"))["programme"].to_list()
    rows = rows.filter(pl.col("programme").is_in(scope))
    total = float(rows["units"].sum() or 0.0)
    away = rows.filter(~pl.col("region").is_in(list(covered)) & (pl.col("units") > 0))
    found = [
        "regions other than the home market are aggregates: elasticities from the literature, rivals as equal makers, "
        "prices of the companies' cars there assumed; read changes, not levels"
    ]
    if away.height and total > 0:
        listed = ", ".join(sorted(set(away["region"].to_list())))
        found.append(
            f"{100 * float(away['units'].sum()) / total:.0f} % of the cars of {study.settings.report_year} go to "
            f"{listed}, for which no market is modelled: their sales stay as planned"
        )
    return found
