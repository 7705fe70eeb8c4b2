"""Fleet rules of a study: what every pool reaches, what missing costs, and what a pool of the alliance would change.

Cars are the study's own: its electric programmes at the study's volumes, and the rows of ``fleet_cars``: the companies'
other cars in the regions, and makers outside the study as pools with a position. Two sets of pools are laid side by
side: today's, and one in which the companies leave theirs for a pool of the alliance; there each pool may also be left
for standing alone, so that the alliance is compared with each one's best place outside. lambda steers prices, which
these figures do not carry yet: volumes are the plan's. The engine is ``fleet.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from teikei.market.fleet import AT_LEAST, AT_MOST, FleetRule, PoolResult, clear_pools
from teikei.study.types import Study

LACKING: Final = "fleet rules are left out: the study has no row in fleet_rules"
FLEET_SCHEMA: Final = {
    "coalition": pl.String, "rung": pl.String, "pool": pl.String, "region": pl.String, "year": pl.Int64,
    "rule": pl.String, "unit": pl.String, "cars": pl.Float64, "value": pl.Float64, "target": pl.Float64,
    "shadow_price": pl.Float64, "cost": pl.Float64, "one_more_electric": pl.Float64, "note": pl.String,
}  # fmt: skip
_SENSE: Final = {"at_most": AT_MOST, "at_least": AT_LEAST}
Cars = dict[str, list[tuple[float, float]]]  # maker -> (units, value) of its cars


@dataclass(frozen=True)
class _Rule:
    """A row of fleet_rules in the study's money; years (from, until); together: years whose cars count as one fleet.

    priced: false where no price of missing is known.
    """

    name: str
    region: str
    years: tuple[int, int]
    together: tuple[int, int] | None
    engine: FleetRule
    electric: float
    unit: str
    pools: bool
    priced: bool


def fleet_table(study: Study, rung: str = "") -> tuple[pl.DataFrame, list[str]]:
    """Table ``fleet`` and what it says in sentences; empty with the reason where the study has no rules.

    By coalition, rung, pool, region and year: value reached and target in the rule's ``unit``, shadow_price (study
    currency per unit and car) and cost (million, not discounted; negative where allowances are sold);
    one_more_electric: what one more electric car is worth to the pool, study currency. rung: the one at which the
    companies pool (default: the highest). Years that count together are one fleet: their cost stands in the last.
    """
    if study["fleet_rules"].is_empty():
        return pl.DataFrame(schema=FLEET_SCHEMA), [LACKING]
    grand = study.coalition_name(set(study.companies))
    top = rung or study.rung_names[-1]
    rows: list[dict[str, object]] = []
    said: list[str] = []
    for rule in _rules(study):
        for years in _periods(rule, study.settings.first_year, study.settings.last_year):
            cars = {year: _cars(study, rule, year) for year in years}
            makers = list(dict.fromkeys(name for one in cars.values() for name in one))
            if not any(name in study.companies for name in makers):
                continue
            today = {name: _pool_today(study, rule, name, years[-1]) for name in makers}
            joint = {name: grand if name in study.companies else pool for name, pool in today.items()}
            apart = {name: name if name in study.companies else pool for name, pool in today.items()}
            found = _cleared(rule, cars, years, today)
            rows += _rows(rule, found, cars, today, years, (study.baseline_rung, study.baseline_rung))
            if rule.pools and len(study.companies) > 1:
                together = _cleared(rule, cars, years, joint)
                rows += _rows(rule, together, cars, joint, years, (grand, top))
                alone = _cleared(rule, cars, years, apart)
                said += _compared(study, rule, years, (found, alone, together), (today, apart, joint))
            elif study.settings.report_year in years:
                said.append(_told(study, rule, years, found, today))
    return pl.DataFrame(rows, schema=FLEET_SCHEMA), said


def _rules(study: Study) -> list[_Rule]:
    rates = dict(study["currencies"].select("currency", "rate").iter_rows())
    rates.setdefault(study.settings.currency, 1.0)
    found = []
    for row in study["fleet_rules"].iter_rows(named=True):
        rate = rates.get(row["currency"] or study.settings.currency) or 0.0
        penalty = (row["penalty"] or 0.0) * rate
        until = row["until_year"] if row["until_year"] is not None else study.settings.last_year
        first, last = row["together_from"], row["together_until"]
        found.append(
            _Rule(
                row["rule"], row["region"], (row["from_year"], until),
                None if first is None or last is None else (first, last),
                FleetRule(_SENSE[row["sense"]], row["target"], penalty, bool(row["transfers"])),
                row["electric_value"], row["unit"], bool(row["pools"]), row["penalty"] is not None,
            )
        )  # fmt: skip
    return found


def _periods(rule: _Rule, first: int, last: int) -> list[tuple[int, ...]]:
    """Years of the plan in which the rule holds: those that count together as one, the others each for itself."""
    years = list(range(max(first, rule.years[0]), min(last, rule.years[1]) + 1))
    if rule.together is None:
        return [(year,) for year in years]
    one = tuple(year for year in years if rule.together[0] <= year <= rule.together[1])
    return [*([one] if one else []), *((year,) for year in years if year not in one)]


def _cars(study: Study, rule: _Rule, year: int) -> Cars:
    """Maker -> cars of the region and year with their values."""
    found: Cars = {}
    others = study["fleet_cars"].filter((pl.col("rule") == rule.name) & (pl.col("region") == rule.region))
    for row in others.iter_rows(named=True):
        first, last = row["from_year"], row["until_year"]
        if (first is None or first <= year) and (last is None or year <= last):
            found.setdefault(row["maker"], []).append((row["units"], row["value"]))
    settings = study.settings
    scope = study["programmes"].filter(pl.col("in_scope"))["programme"].to_list()
    sold = study["volumes"].filter(
        (pl.col("region") == rule.region)
        & (pl.col("year") == year)
        & (pl.col("scenario") == settings.volume_scenario)
        & (pl.col("units") > 0)
        & pl.col("programme").is_in(scope)
    )
    for company, units in sold.group_by("company").agg(pl.col("units").sum()).sort("company").iter_rows():
        found.setdefault(company, []).append((float(units), rule.electric))
    return found


def _pool_today(study: Study, rule: _Rule, maker: str, year: int) -> str:
    """The pool that the rows of a maker name for the year; its bloc (companies that are one maker today), or itself."""
    rows = study["fleet_cars"].filter(
        (pl.col("rule") == rule.name)
        & (pl.col("region") == rule.region)
        & (pl.col("maker") == maker)
        & pl.col("from_year").fill_null(year).le(year)
        & pl.col("until_year").fill_null(year).ge(year)
    )
    named = [pool for pool in rows["pool"].to_list() if pool] if rule.pools else []
    return str(named[0]) if named else maker


def _cleared(
    rule: _Rule, cars: Mapping[int, Cars], years: Sequence[int], pool_of: Mapping[str, str]
) -> dict[str, PoolResult]:
    units: dict[str, list[float]] = {}
    values: dict[str, list[float]] = {}
    for year in years:
        for maker, some in cars[year].items():
            for sold, value in some:
                units.setdefault(pool_of[maker], []).append(sold)
                values.setdefault(pool_of[maker], []).append(value)
    return clear_pools(rule.engine, {name: (np.array(units[name]), np.array(values[name])) for name in units})


def _with_companies(study: Study, pool_of: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(pool for maker, pool in pool_of.items() if maker in study.companies))


def _rows(
    rule: _Rule,
    found: Mapping[str, PoolResult],
    cars: Mapping[int, Cars],
    pool_of: Mapping[str, str],
    years: Sequence[int],
    key: tuple[str, str],
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, one in found.items():
        members = [maker for maker, pool in pool_of.items() if pool == name]
        note = f"{', '.join(members)}" if members != [name] else ""
        if len(years) > 1:
            note += f"{'; ' if note else ''}{years[0]} to {years[-1]} count as one fleet, paid in {years[-1]}"
        if not rule.priced:
            note += f"{'; ' if note else ''}no price of missing is known: shadow price and cost say nothing"
        for year in years:
            some = [pair for maker in members for pair in cars[year].get(maker, [])]
            sold = sum(units for units, _ in some)
            reached = sum(units * value for units, value in some) / sold if sold > 0 else rule.engine.target
            price = one.shadow_price if rule.priced else None
            worth = -one.shadow_price * float(rule.engine.distance([rule.electric])[0])
            rows.append(
                {
                    "coalition": key[0], "rung": key[1], "pool": name, "region": rule.region, "year": year,
                    "rule": rule.name, "unit": rule.unit, "cars": sold, "value": reached,
                    "target": rule.engine.target, "shadow_price": price,
                    "cost": (one.payment / 1e6 if year == years[-1] else 0.0) if rule.priced else None,
                    "one_more_electric": worth if rule.priced else None, "note": note,
                }
            )  # fmt: skip
    return rows


def _paid(
    study: Study,
    found: Mapping[str, PoolResult],
    pool_of: Mapping[str, str],
    alone: Mapping[str, PoolResult],
    apart: Mapping[str, str],
) -> float:
    """What the companies pay, million: their pools' payments less what the outsiders in them would pay by themselves.

    What partners in a pool pay one another is a transfer: the best they can share is what the pool saves.
    """
    pools = _with_companies(study, pool_of)
    guests = [maker for maker, pool in pool_of.items() if pool in pools and maker not in study.companies]
    own = sum(found[pool].payment for pool in pools)
    return (own - sum(alone[pool].payment for pool in dict.fromkeys(apart[maker] for maker in guests))) / 1e6


def _compared(
    study: Study,
    rule: _Rule,
    years: Sequence[int],
    found: tuple[Mapping[str, PoolResult], Mapping[str, PoolResult], Mapping[str, PoolResult]],
    pool_of: tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]],
) -> list[str]:
    """The alliance's pool against today's and against standing alone, where the report year is one of the years."""
    if study.settings.report_year not in years:
        return []
    today, alone, joint = (
        _paid(study, one, pools, found[1], pool_of[1]) for one, pools in zip(found, pool_of, strict=True)
    )
    best = min(today, alone)
    money = study.settings.currency
    gain = best - joint
    verdict = f"saves {gain:,.0f} million" if gain > 0 else f"costs {-gain:,.0f} million more"
    if abs(gain) < 0.5:
        verdict = "changes nothing"
    where = "today's pools" if today <= alone else "standing alone"
    return [
        _told(study, rule, years, found[0], pool_of[0]),
        f"a pool of the alliance under {rule.name} in {rule.region} in {years[-1]} {verdict} against {where} "
        f"({joint:,.0f} against {best:,.0f} million {money} at the ceiling)",
    ]


def _told(
    study: Study, rule: _Rule, years: Sequence[int], found: Mapping[str, PoolResult], pool_of: Mapping[str, str]
) -> str:
    """What the companies' pools reach, and what one more electric car is worth to them."""
    money = study.settings.currency
    parts = []
    for pool in _with_companies(study, pool_of):
        one = found[pool]
        worth = -one.shadow_price * float(rule.engine.distance([rule.electric])[0])
        said = f"{pool} reaches {one.value:.3g}"
        if rule.priced and one.shadow_price > 0:
            said += f", one more electric car is worth {worth:,.0f} {money}"
        elif one.missed > 0:
            said += ", short"
        parts.append(said)
    known = "" if rule.priced else "; no price of missing is known"
    return (
        f"{rule.name}, {rule.region} {years[-1]}, target {rule.engine.sense} {rule.engine.target:g} {rule.unit}: "
        f"{'; '.join(parts)}{known}; other cars as the table fleet_cars says, electric ones as planned"
    )
