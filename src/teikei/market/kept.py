"""Who keeps a saving: what is passed on to buyers, what volumes add, what is fixed, what each company is left with.

A company's cars of one market and year, before VAT, from the case without the saving (0) to the one with it (1):

    kept = sum (p1 - c1) q1 - (p0 - c0) q0
         = sum (c0 - c1) q0        cost saving, at the sales of case 0
         + sum (p1 - p0) q0        passed on to buyers: negative where prices fall
         + sum (p1 - c1) (q1 - q0) more or fewer cars, own and lost to or won from rivals

an identity, so that the parts add up to what is computed by itself. Regions without a market keep the plan's volumes
and prices: there the saving is kept whole. What is not variable cost (development, tooling, plants,
switching) reaches no price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from teikei.market.cases import Case, grand_plans, is_variable
from teikei.market.respond import Response
from teikei.market.types import Array
from teikei.plan.types import NOT_CONTRACTED, Plan, Plans
from teikei.study.types import Study

NO_REGION: Final = "*"
BY_MARKET, BY_PLAN, AT_PLANNED_LEVEL = "market", "plan", "market at the planned level"
WARN_ABOVE: Final = 1.5  # times the forecast: plan volumes that the market stage does not expect
NOT_CASH: Final = NOT_CONTRACTED  # steers a plan and is no money
KEPT_SCHEMA: Final = {
    "rung": pl.String, "company": pl.String, "region": pl.String, "volume_basis": pl.String,
    "cost_saving": pl.Float64, "passed_on": pl.Float64, "volume_effect": pl.Float64, "fixed": pl.Float64,
    "kept": pl.Float64,
}  # fmt: skip
AGAINST_SCHEMA: Final = {
    "programme": pl.String, "region": pl.String, "year": pl.Int64, "planned": pl.Float64, "forecast": pl.Float64,
    "note": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What one company keeps of a change of cost in one market and year, million, not discounted."""

    cost_saving: float
    passed_on: float
    volume_effect: float
    kept: float


def parts(
    price: tuple[Array, Array], cost: tuple[Array, Array], units: tuple[Array, Array], profit: tuple[Array, Array]
) -> Parts:
    """The identity above for some products (J,), each pair without and with the saving; profit gives ``kept``."""
    return Parts(
        cost_saving=float(((cost[0] - cost[1]) * units[0]).sum()),
        passed_on=float(((price[1] - price[0]) * units[0]).sum()),
        volume_effect=float(((price[1] - cost[1]) * (units[1] - units[0])).sum()),
        kept=float(profit[1].sum() - profit[0].sum()),
    )


YearParts = Mapping[tuple[str, str, int, str], Parts]  # rung, region, year, company


def at_home(study: Study, paired: Sequence[tuple[Case, list[Response]]]) -> dict[tuple[str, str, int, str], Parts]:
    """Parts of every company in the home market at the most likely parameters, years of the plan."""
    found: dict[tuple[str, str, int, str], Parts] = {}
    baseline = {one.scene.year: one for one in paired[0][1]}
    for case, responses in paired:
        if case.merged or case.rung == study.baseline_rung:
            continue
        for one in responses:
            home, base = one.scene.home, baseline[one.scene.year]
            if not study.settings.first_year <= one.scene.year <= study.settings.last_year:
                continue
            for company in study.companies:
                own = np.array([maker == company for maker in home.maker])
                vat = 1 + home.vat
                found[case.rung, home.country, one.scene.year, company] = parts(
                    (base.price[0, own] / vat * home.rate, one.price[0, own] / vat * home.rate),
                    (base.cost[0, own] * home.rate, one.cost[0, own] * home.rate),
                    (base.units[0, own], one.units[0, own]),
                    (base.profit[0, own] * home.rate, one.profit[0, own] * home.rate),
                )
    return found


def kept_table(
    study: Study, plans: Plans | None, cases: Sequence[Case], home: YearParts, away: YearParts, covered: set[str]
) -> pl.DataFrame:
    """Table ``kept``: by rung, company and region, discounted over the plan's years, million.

    home, away: parts by rung, region, year, company, in the market itself and at the planned level; covered: sales
    regions of the volumes that a market stands for. volume_basis: ``market`` (its own volumes), ``market at the planned
    level`` (prices and changes of volumes from a market whose level is the plan's), ``plan`` (no market). Region ``*``:
    what belongs to no region, fixed cost.
    """
    if plans is None:
        return pl.DataFrame(schema=KEPT_SCHEMA)
    factor = study.settings.discount_factor
    rows: list[dict[str, object]] = []
    without = fixed_by_company(study, _alone_plans(study, plans))
    by_rung = {plan.rung: plan for plan in grand_plans(study, plans)}
    for case in cases:
        if case.merged or case.rung not in by_rung:
            continue
        fixed = fixed_by_company(study, [by_rung[case.rung]])
        for company in study.companies:
            for basis, table in ((BY_MARKET, home), (AT_PLANNED_LEVEL, away)):
                regions = dict.fromkeys(key[1] for key in table if key[0] == case.rung and key[3] == company)
                for region in regions:
                    some = [
                        (factor(key[2]), one)
                        for key, one in table.items()
                        if (key[0], key[1], key[3]) == (case.rung, region, company)
                    ]
                    rows.append(
                        {
                            "rung": case.rung,
                            "company": company,
                            "region": region,
                            "volume_basis": basis,
                            "cost_saving": sum(f * one.cost_saving for f, one in some),
                            "passed_on": sum(f * one.passed_on for f, one in some),
                            "volume_effect": sum(f * one.volume_effect for f, one in some),
                            "fixed": 0.0,
                            "kept": sum(f * one.kept for f, one in some),
                        }
                    )
            rows += _planned(study, case, company, covered)
            gain = without.get(company, 0.0) - fixed.get(company, 0.0)
            rows.append(
                {
                    "rung": case.rung, "company": company, "region": NO_REGION, "volume_basis": BY_PLAN,
                    "cost_saving": 0.0, "passed_on": 0.0, "volume_effect": 0.0, "fixed": gain, "kept": gain,
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema=KEPT_SCHEMA)


def _planned(study: Study, case: Case, company: str, covered: set[str]) -> list[dict[str, object]]:
    """Regions without a market: the change of variable cost at the plan's volumes and prices."""
    settings = study.settings
    volumes = study["volumes"].filter(
        (pl.col("company") == company)
        & (pl.col("scenario") == settings.volume_scenario)
        & pl.col("year").is_between(settings.first_year, settings.last_year)
        & ~pl.col("region").is_in(sorted(covered))
    )
    saved: dict[str, float] = {}
    for programme, region, year, units in volumes.select("programme", "region", "year", "units").iter_rows():
        change = case.change.get(year, {}).get(programme, 0.0)
        saved[region] = saved.get(region, 0.0) - change * (units or 0.0) / 1e6 * settings.discount_factor(year)
    return [
        {
            "rung": case.rung, "company": company, "region": region, "volume_basis": BY_PLAN, "cost_saving": value,
            "passed_on": 0.0, "volume_effect": 0.0, "fixed": 0.0, "kept": value,
        }
        for region, value in sorted(saved.items())
    ]  # fmt: skip


def kept_of(study: Study, case: Case, company: str, markets: Sequence[YearParts], covered: set[str]) -> float:
    """What a company keeps of a case's change of variable cost, million, discounted: all markets, planned volumes else.

    markets: parts by rung, region, year, company; the case is found by its rung.
    """
    factor = study.settings.discount_factor
    sold = sum(
        factor(year) * one.kept
        for table in markets
        for (rung, _, year, maker), one in table.items()
        if (rung, maker) == (case.rung, company)
    )
    return sold + sum(float(str(row["kept"])) for row in _planned(study, case, company, covered))


def _alone_plans(study: Study, plans: Plans) -> list[Plan]:
    lowest = study.baseline_rung
    keys = [(study.coalition_name(members), lowest) for members in study.blocs.values()]
    return [plans.by_key[key] for key in keys if key in plans.by_key]


def fixed_by_company(study: Study, some: Sequence[Plan]) -> dict[str, float]:
    """Company -> cost of the plans that is cash and not variable cost of cars, million, discounted."""
    found: dict[str, float] = {}
    for plan in some:
        if "cost_breakdown" not in plan.tables or "unit_costs" not in plan.tables:
            continue
        money = plan.tables["cost_breakdown"].filter(~pl.col("item").is_in(NOT_CASH))
        for company, value in money.group_by("company").agg(pl.col("value").sum()).iter_rows():
            found[company] = found.get(company, 0.0) + float(value)
        cars = plan.tables["unit_costs"].filter(is_variable())
        for company, year, units, cost in cars.select("company", "year", "units", "variable_cost").iter_rows():
            if cost is not None and cost == cost:  # noqa: PLR0124  (not NaN: cars of zero units)
                found[company] = found.get(company, 0.0) - units * cost / 1e6 * study.settings.discount_factor(year)
    return found


def against_forecast(study: Study, base: Sequence[Response], covered: set[str]) -> pl.DataFrame:
    """Table ``plan_against_forecast``: cars planned beside the cars the market stage expects alone, by programme."""
    settings = study.settings
    scope = study["programmes"].filter(pl.col("in_scope"))["programme"].to_list()
    volumes = study["volumes"].filter(
        (pl.col("scenario") == settings.volume_scenario)
        & pl.col("programme").is_in(scope)
        & pl.col("year").is_between(settings.first_year, settings.last_year)
    )
    grouped = volumes.group_by("programme", "region", "year").agg(pl.col("units").sum())
    sold: dict[tuple[str, int], float] = {}
    country = base[0].scene.home.country if base else ""
    for one in base:
        for j, name in enumerate(one.scene.home.programme):
            if name:
                key = (name, one.scene.year)
                sold[key] = sold.get(key, 0.0) + float(one.units[0, j])
    rows: list[dict[str, object]] = []
    for programme, region, year, units in grouped.sort("programme", "region", "year").iter_rows():
        forecast = sold.get((programme, year)) if region == country else None
        if region == country:
            note = "" if forecast is not None else "not in the market: see the messages of the market"
            if forecast is not None and units > WARN_ABOVE * forecast:
                note = f"planned {units / max(forecast, 1e-9):.2g} times the forecast"
        else:
            note = "not independent: the market's level is the plan's" if region in covered else "no market"
        rows.append(
            {"programme": programme, "region": region, "year": year, "planned": units, "forecast": forecast,
             "note": note}
        )  # fmt: skip
    return pl.DataFrame(rows, schema=AGAINST_SCHEMA)


def sentences(study: Study, kept: pl.DataFrame, against: pl.DataFrame) -> list[str]:
    """What the tables say: what is left of the saving at the highest rung, and plans the market does not expect."""
    found: list[str] = []
    currency = study.settings.currency
    if kept.height:
        rung = kept["rung"][-1]
        total = kept.filter(pl.col("rung") == rung).select(pl.col(pl.Float64).sum()).row(0, named=True)
        modelled = kept.filter((pl.col("rung") == rung) & (pl.col("volume_basis") != BY_PLAN))
        saving, passed = float(modelled["cost_saving"].sum()), -float(modelled["passed_on"].sum())
        whole = total["cost_saving"] + total["fixed"]
        found.append(
            f"of {whole:,.0f} million {currency} saved at {rung} (variable cost at the market's volumes "
            f"{total['cost_saving']:,.0f}, fixed {total['fixed']:,.0f}) the companies keep {total['kept']:,.0f}: "
            f"prices pass on {passed:,.0f} of {saving:,.0f} where a market is modelled, and changed sales bring "
            f"{total['volume_effect']:+,.0f}"
        )
    known = against.drop_nulls("forecast").filter(pl.col("year") == study.settings.report_year)
    over = known.filter(pl.col("planned") > WARN_ABOVE * pl.col("forecast")).sort("programme")
    if over.height:
        listed = ", ".join(
            f"{name} {planned:,.0f} against {forecast:,.0f}"
            for name, planned, forecast in over.select("programme", "planned", "forecast").iter_rows()
        )
        found.append(
            f"warning: {study.settings.report_year} volumes of the plan are more than {WARN_ABOVE} times what the "
            f"market stage expects at home: {listed}; all of {known.height} programmes: "
            f"{float(known['planned'].sum()):,.0f} against {float(known['forecast'].sum()):,.0f}"
        )
    return found
