"""Tables that answer one question each: conduct and merger, cost parity, break-even, who keeps a subsidy, pass-through.

All at the draws of the forecast, so that every figure has its band; ``lower`` and ``upper`` are 10 and 90 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl

from teikei.market.cases import Case, grand_plans
from teikei.market.reference import parameters, segment_of
from teikei.market.respond import Response, price_and_sell
from teikei.market.scene import Scene
from teikei.market.types import Array
from teikei.plan.types import Plans
from teikei.study.types import Study

KAPPAS: Final = (0.0, 0.1, 0.25, 0.5, 1.0)
CUT: Final = 0.10
CUT_WORDS: Final = "companies' electric cars cost 10 % less"
_FIXED: Final = (
    "nre_family", "nre_variant", "nre_application", "nre_vehicle", "nre_brand", "tooling", "switching", "divergence",
    "coordination", "joint_organisation", "captive",
)  # fmt: skip


def band(values: Array) -> tuple[float, float]:
    """10 % and 90 % of the draws (first row: the most likely parameters, left out where there are others)."""
    sample = np.sort(values[1:] if len(values) > 1 else values)
    found = []
    for part in (0.1, 0.9):
        place = part * (len(sample) - 1)
        below = int(place)
        above = min(below + 1, len(sample) - 1)
        found.append(float(sample[below] + (place - below) * (sample[above] - sample[below])))
    return found[0], found[1]


def _with_band(name: str, values: Array) -> dict[str, float]:
    low, high = band(values)
    return {name: float(values[0]), f"{name}_lower": low, f"{name}_upper": high}


def ours(study: Study, scene: Scene) -> Array:
    """1 for the companies' products (J,)."""
    return np.array([float(maker in study.companies) for maker in scene.home.maker])


def cut_of(study: Study, scene: Scene, share: float) -> dict[str, float]:
    """Product -> change of cost (study currency): ``share`` of the cost of the companies' electric cars less."""
    home = scene.home
    own = ours(study, scene) * home.battery_electric
    cost = scene.demand.cost[0] * home.million
    return {home.product[j]: -share * float(cost[j]) for j in np.flatnonzero(own)}


def conduct(study: Study, scene: Scene, base: Response, case: Case | None) -> pl.DataFrame:
    """What if the companies weighed each other's profit (kappa), without and with savings: the band of antitrust risk.

    kappa 0: separate prices, as in joint procurement; 1: one owner, the merger. Changes against separate prices without
    any saving.
    """
    savings: list[tuple[str, Mapping[str, float]]] = [("no saving", {})]
    if case is not None:
        savings.append((f"saving at {case.rung}", case.change.get(scene.year, {})))
    savings.append((CUT_WORDS, cut_of(study, scene, CUT)))
    own, home = ours(study, scene), scene.home
    rows = []
    for saving, change in savings:
        for kappa in KAPPAS:
            one = base
            if kappa > 0 or change:
                one = price_and_sell(scene, change, merged=study.companies, conduct=kappa, start=base.equilibrium.price)
            rows.append(
                {"saving": saving, "kappa": kappa, "year": scene.year, **_against(own, home.plug_in, base, one)}
            )
    return pl.DataFrame(rows)


def _against(own: Array, plug_in: Array, base: Response, one: Response) -> dict[str, float]:
    """Changes of prices, sales, share, profit and surplus against the baseline, with bands."""
    rate = base.scene.home.rate
    found: dict[str, float] = {}
    for name, group in (("ev", own * plug_in), ("all", own), ("rivals", 1 - own)):
        weight = base.units * group
        price = 100 * ((one.price / base.price - 1) * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
        units = 100 * ((one.units @ group) / np.maximum(base.units @ group, 1e-9) - 1)
        found |= _with_band(f"price_change_percent_{name}", price) | _with_band(f"units_change_percent_{name}", units)
    surplus = -0.5 * rate * ((one.units + base.units) * (one.price - base.price)).sum(axis=1)
    found |= _with_band("ev_share_change", one.ev_share - base.ev_share)
    found |= _with_band("profit_change", (one.profit - base.profit) @ own * rate)
    found |= _with_band("rival_profit_change", (one.profit - base.profit) @ (1 - own) * rate)
    return found | _with_band("consumer_surplus_change", surplus)


def parity(study: Study, cases: Sequence[tuple[Case, list[Response]]]) -> pl.DataFrame:
    """Price of the companies' electric cars above their own combustion and hybrid cars, by segment, year and case.

    Means weighted by sales; all makers' combustion and hybrid cars where the companies sell none. gap: list price;
    gap_after_subsidy; gap_with_running: less what buyers count of cheaper energy as well (parameters running_saving_*).
    Not like for like: an electric car differs in more than its drive.
    """
    rows = []
    for case, responses in cases:
        for one in responses:
            home = one.scene.home
            own = ours(study, one.scene) * home.battery_electric
            for segment in dict.fromkeys(home.segment):
                inside = np.array([float(name == segment) for name in home.segment])
                electric, other = own * inside, (1 - home.plug_in) * inside
                own_other = other * ours(study, one.scene)
                other = own_other if own_other.any() else other
                if not electric.any() or not other.any():
                    continue
                paid = _mean(one.price, one.units * electric)
                rival = _mean(one.price, one.units * other)
                given = np.broadcast_to(home.subsidy_of(one.scene.year), one.price.shape)
                subsidy = _mean(given, one.units * electric)
                running = parameters()[segment_of(home.country, segment).running_saving].central / 1e6
                gaps = {
                    "gap": paid - rival,
                    "gap_after_subsidy": paid - subsidy - rival,
                    "gap_with_running": paid - subsidy - running - rival,
                }
                row: dict[str, object] = {"rung": case.rung, "scenario": case.scenario, "year": one.scene.year}
                row |= {"segment": segment, "electric_price": float(paid[0]) * home.million}
                row |= {"combustion_price": float(rival[0]) * home.million, "subsidy": float(subsidy[0]) * home.million}
                for name, gap in gaps.items():
                    row |= _with_band(name, gap * home.million)
                rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _mean(values: Array, weight: Array) -> Array:
    return np.asarray((values * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12), dtype=np.float64)


def parity_words(table: pl.DataFrame, rung: str) -> list[str]:
    """The first year at parity for each segment, in a sentence."""
    found = []
    for segment in table["segment"].unique(maintain_order=True).to_list() if table.height else []:
        rows = table.filter(
            (pl.col("segment") == segment) & (pl.col("rung") == rung) & (pl.col("scenario") != "merger")
        )
        parts = []
        for name, said in (
            ("gap", "at list prices"),
            ("gap_after_subsidy", "after the subsidy"),
            ("gap_with_running", "with five years of cheaper energy as well"),
        ):
            years = rows.filter(pl.col(name) <= 0).sort("year")["year"].to_list()
            parts.append(f"{said} {'in ' + str(years[0]) if years else 'not until ' + str(rows['year'].max())}")
        found.append(f"cost parity of the companies' electric {segment} cars at {rung}: {', '.join(parts)}")
    return found


def break_even(study: Study, plans: Plans | None, cases: Sequence[tuple[Case, list[Response]]]) -> pl.DataFrame:
    """How many cars pay for a programme's fixed cost at the margins of the home market, and is it expected to pay?

    fixed_cost: what is not yet spent: development of the whole car, tooling, switching and coordination of the plan,
    million, discounted. margin: price before VAT less marginal cost in the report year. cars_needed: over the horizon,
    sold in the time profile of the plan, so that discounted margins equal fixed_cost. cars_planned: all regions;
    cars_at_home: planned for the home market; cars_forecast: what the market expects there, most likely.
    profit_expected, with band: discounted margins less fixed_cost, million, on the market's own cars at home and the
    planned ones elsewhere; the mean over draws (the most likely figure where there are none). chance: of more than 0.
    launch: whether the mean is. Programmes without a margin in the home market are left out.
    """
    rows: list[dict[str, object]] = []
    fixed = _fixed_costs(study, plans)
    for case, responses in cases:
        if case.merged or case.rung not in fixed:
            continue
        margins, sold = _margins(responses)
        for programme, cost in sorted(fixed[case.rung].items()):
            volume = _volumes(study, programme)
            known = [year for year in volume if (programme, year) in margins]
            if not known or cost <= 0:
                continue
            rate = responses[0].scene.home.rate
            nearest = {year: min(known, key=lambda at: abs(at - year)) for year in volume}
            worth = {
                year: study.settings.discount_factor(year) * margins[programme, nearest[year]] * rate for year in volume
            }  # million a car
            earned = sum(units * worth[year] for year, (units, _) in volume.items())
            planned = sum(units for units, _ in volume.values())
            needed = cost / np.maximum(earned, 1e-12) * planned
            report = min(known, key=lambda at: abs(at - study.settings.report_year))
            at_home = {
                year: sold.get((programme, year), np.full_like(needed, home)) for year, (_, home) in volume.items()
            }
            profit = -np.full_like(needed, cost)
            for year, (units, home) in volume.items():
                profit += (at_home[year] + units - home) * worth[year]
            sample = profit[1:] if len(profit) > 1 else profit
            mean = float(sample.mean())
            low, high = band(profit)
            rows.append(
                {
                    "rung": case.rung,
                    "programme": programme,
                    "fixed_cost": cost,
                    **_with_band("margin", margins[programme, report] * responses[0].scene.home.million),
                    **_with_band("cars_needed", needed),
                    "cars_planned": planned,
                    "cars_at_home": sum(home for _, home in volume.values()),
                    "cars_forecast": float(sum(one[0] for one in at_home.values())),
                    "profit_expected": mean,
                    "profit_expected_lower": low,
                    "profit_expected_upper": high,
                    "chance": float((sample > 0).mean()),
                    "launch": mean > 0,
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def launch_words(study: Study, table: pl.DataFrame, rung: str) -> list[str]:
    """Programmes that are not expected to pay, and those that pay only because development is shared, in sentences."""
    if not table.height:
        return []
    go = {
        which: dict(table.filter(pl.col("rung") == which).select("programme", "launch").iter_rows())
        for which in (study.baseline_rung, rung)
    }
    alone, joint = go[study.baseline_rung], go[rung]
    found = []
    bad = [name for name, pays in (joint or alone).items() if not pays]
    if bad:
        at = rung if joint else study.baseline_rung
        found.append(
            f"with the market's own sales at home these programmes are not expected to pay what is unspent at {at}: "
            f"{', '.join(bad)}"
        )
    for said, chosen in (
        ("pay only together", [name for name, pays in joint.items() if pays and alone.get(name) is False]),
        ("pay only alone", [name for name, pays in joint.items() if not pays and alone.get(name) is True]),
    ):
        if chosen and rung != study.baseline_rung:
            found.append(f"programmes that are expected to {said} ({rung} against alone): {', '.join(chosen)}")
    return found


def _fixed_costs(study: Study, plans: Plans | None) -> dict[str, dict[str, float]]:
    """Rung -> programme -> discounted development, tooling and switching (million); the lowest rung from the blocs."""
    if plans is None:
        return {}
    lowest = study.baseline_rung
    alone = [
        plans.by_key[key] for members in study.blocs.values()
        if (key := (study.coalition_name(members), lowest)) in plans.by_key
    ]  # fmt: skip
    found: dict[str, dict[str, float]] = {}
    for rung, some in [(lowest, alone), *((plan.rung, [plan]) for plan in grand_plans(study, plans))]:
        for plan in some:
            if "cost_breakdown" not in plan.tables:
                continue
            table = plan.tables["cost_breakdown"].filter(pl.col("item").is_in(_FIXED)).drop_nulls("programme")
            total = table.group_by("programme").agg(pl.col("value").sum())
            found.setdefault(rung, {}).update({name: float(value) for name, value in total.iter_rows() if name})
    return found


def _margins(responses: list[Response]) -> tuple[dict[tuple[str, int], Array], dict[tuple[str, int], Array]]:
    """(programme, year) -> margin per car (D,), million JPY, weighted by sales, and cars sold (D,)."""
    earned: dict[tuple[str, int], Array] = {}
    sold: dict[tuple[str, int], Array] = {}
    for one in responses:
        for j, name in enumerate(one.scene.home.programme):
            if name:
                key = (name, one.scene.year)
                earned[key] = earned.get(key, 0.0) + one.equilibrium.markup[:, j] * one.units[:, j]
                sold[key] = sold.get(key, 0.0) + one.units[:, j]
    return {key: value / np.maximum(sold[key], 1e-12) for key, value in earned.items()}, sold


def _volumes(study: Study, programme: str) -> dict[int, tuple[float, float]]:
    """Year -> cars of the programme in all regions, and in the home market, over the horizon."""
    settings = study.settings
    rows = study["volumes"].filter(
        (pl.col("programme") == programme)
        & (pl.col("scenario") == settings.volume_scenario)
        & pl.col("year").is_between(settings.first_year, settings.last_year)
    )
    at_home = pl.col("units").filter(pl.col("region") == settings.home_market).sum()
    grouped = rows.group_by("year").agg(pl.col("units").sum(), at_home.alias("home")).sort("year")
    return {year: (float(units), float(home)) for year, units, home in grouped.iter_rows() if units > 0}


def incidence(scene: Scene, base: Response) -> pl.DataFrame:
    """Who keeps the subsidies of the year: the market with them beside the market without any.

    By maker and for all: outlay (million), to_buyers: fall of what subsidised buyers pay, at the sales with subsidy;
    to_makers: the rest, kept in the list price; cars with and without; outlay per additional plug-in (study currency).
    """
    home = scene.home
    given = home.subsidy_of(scene.year)
    if not given.any():
        return pl.DataFrame(schema={"company": pl.String})
    nothing = {year: np.zeros(len(home.product)) for year in home.subsidy}
    without = price_and_sell(replace(scene, home=replace(home, subsidy=nothing)), start=base.equilibrium.price)
    subsidy = np.broadcast_to(given, base.price.shape)
    fall = without.price - (base.price - subsidy)
    rows = []
    makers = list(dict.fromkeys(home.maker))
    for maker in ["all", *makers]:
        group = home.plug_in * np.array([float(maker in ("all", name)) for name in home.maker])
        if not (group > 0).any():
            continue
        outlay = (base.units * subsidy) @ group
        if not outlay[0] > 0:
            continue
        more = (base.units - without.units) @ group
        buyers = (base.units * fall) @ group / outlay
        row: dict[str, object] = {"company": maker, "year": scene.year}
        row |= _with_band("outlay", outlay * home.rate) | _with_band("to_buyers", buyers)
        row |= _with_band("to_makers", 1 - buyers) | _with_band("cars_with", base.units @ group)
        row |= _with_band("cars_without", without.units @ group)
        row |= {"outlay_per_additional_plug_in": float(outlay[0] / more[0]) * home.million if more[0] > 0 else None}
        rows.append(row)
    table = pl.DataFrame(rows, infer_schema_length=None)
    return table.with_columns(pl.lit(float(without.ev_share[0])).alias("ev_share_without"))


def pass_through(study: Study, scene: Scene, base: Response, one: Response) -> pl.DataFrame:
    """Of a tenth less cost of the companies' electric cars, how much do their prices and their rivals' prices fall?"""
    home = scene.home
    rows = []
    change = cut_of(study, scene, CUT)
    for j, product in enumerate(home.product):
        fall = (base.price - one.price)[:, j] / (1 + home.vat)
        if product in change:
            part = fall * home.million / -change[product]
            row: dict[str, object] = {"product": product, "company": home.maker[j], "year": scene.year}
            row |= {"cost_change": change[product], "price_change": -float(fall[0]) * (1 + home.vat) * home.million}
            rows.append(row | _with_band("pass_through", part))
    return pl.DataFrame(rows, infer_schema_length=None)
