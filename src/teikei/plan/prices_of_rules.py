"""What a rule costs: the plan with it and without it, on demand."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from teikei.errors import NoPlanError, StudyError
from teikei.modules.types import Catalogue
from teikei.plan.decisions import Decisions
from teikei.plan.facts import Facts, LocalRule, rule_number
from teikei.plan.ladder import split_members
from teikei.plan.prices_of_requirements import chosen_plan
from teikei.plan.read import read_facts, rule_of
from teikei.plan.scope import Scope
from teikei.plan.solve_one import Solved, solve_scope
from teikei.plan.solve_part import QUICK, Effort
from teikei.plan.types import Plan, Plans
from teikei.simulate.types import Performance
from teikei.study.types import Study
from teikei.tables.columns import all_columns

SCHEMA = {
    "coalition": pl.String, "rung": pl.String, "rule": pl.String, "in_force": pl.Boolean, "price": pl.Float64,
    "lower": pl.Float64, "upper": pl.Float64, "status": pl.String,
}  # fmt: skip
GAP = 1e-4  # of the plan's value


def rule_prices(
    study: Study,
    catalogue: Catalogue,
    performance: Performance,
    plans: Plans,
    *,
    coalition: str | None = None,
    rung: str | None = None,
    also: Sequence[tuple[str, str, str]] = (),
    effort: Effort = QUICK,
) -> pl.DataFrame:
    """What each procurement rule and each local-content rule costs a coalition, million.

    coalition, rung: default the largest coalition at its last evaluated rung. also: rules that are not in force, as
    (rule, scope, value) like a row of ``rules``: what they would cost. price is the value with the rule less the value
    without it; it lies between lower and upper, by the proven bounds of the two plans. Other coalitions keep the site
    capacity they are reserved. status ``no plan with it`` marks a rule of ``also`` that nothing satisfies.
    Raises StudyError for a plan that was not evaluated, and for a rule of ``also`` that is unknown or names nothing.
    """
    problems = [problem for rule in also for problem in rule_problems(study, *rule)]
    if problems:
        raise StudyError("\n".join(problems))
    plan = chosen_plan(plans, coalition, rung)
    known = plan.decisions.get("decisions")
    if not isinstance(known, Decisions):
        raise StudyError(f"The plan of {plan.coalition} at {plan.rung} was not evaluated; its rules have no prices.")
    facts = read_facts(study, catalogue, performance)
    rows = []
    for at, rule in enumerate(facts.rules):
        without = replace(facts, rules=facts.rules[:at] + facts.rules[at + 1 :])
        rows.append(_without(plan, known, without, rule.text, effort))
    for at, local in enumerate(facts.local_rules):
        without = replace(facts, local_rules=facts.local_rules[:at] + facts.local_rules[at + 1 :])
        rows.append(_without(plan, known, without, _text(local), effort))
    for name, where, value in also:
        added = rule_of(name, where, value)
        rows.append(_with(plan, replace(facts, rules=(*facts.rules, added)), added.text, effort))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def rule_problems(study: Study, name: str, where: str, value: str) -> list[str]:
    """What is wrong with a rule that is not a row of the study (those are checked when it is read)."""
    text = f"rule {name};{where};{value}"
    kinds = all_columns()["rules"]["rule"].values
    if name not in kinds:
        return [f"{text}: unknown rule '{name}'{_closest(name, kinds)}; known: {', '.join(kinds)}"]
    countries = {c for table in ("sites", "plants", "car_plants") for c in study[table]["country"] if c}
    known = {
        "class": study["classes"]["class"].to_list(), "module": study["modules"]["module"].to_list(),
        "supplier": study["suppliers"]["supplier"].to_list(), "country": sorted(countries),
    }  # fmt: skip
    problems = []
    for part in (piece.strip() for piece in where.split("&")):
        kind, _, wanted = (piece.strip() for piece in part.partition(":"))
        if part != "*" and kind not in known:
            problems.append(
                f"{text}: the scope '{part}' is not *, class:NAME, module:NAME, supplier:NAME or country:NAME"
            )
        elif part != "*" and wanted not in known[kind]:
            problems.append(f"{text}: the scope names nothing: no {kind} '{wanted}'{_closest(wanted, known[kind])}")
    if name == "exclude_supplier":
        who = [one.strip() for one in value.replace("+", ";").split(";")]
        unknown = [one for one in who if one not in (*study.companies, "any", "all", "yes")]
        problems += [f"{text}: no company '{one}'{_closest(one, study.companies)}" for one in unknown]
        return problems
    try:
        number = rule_number(value)
    except ValueError:
        return [*problems, f"{text}: the value '{value}' is not a number"]
    if number < 0 or (number > 1 and name != "min_suppliers_per_class"):
        expected = "a number of suppliers" if name == "min_suppliers_per_class" else "a share from 0 to 1"
        problems.append(f"{text}: the value is {number:g}, {expected} is expected")
    return problems


def _closest(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def _text(rule: LocalRule) -> str:
    return f"local_content ({rule.part} of cars from {rule.plant_country} to {rule.region}, from {rule.from_year})"


def _solve(plan: Plan, facts: Facts, starts: tuple[Decisions, ...], effort: Effort) -> Solved:
    members = split_members(facts, plan.coalition)
    scope = Scope(facts, plan.coalition, plan.rung, members, plan.decisions.get("reserved"))
    return solve_scope(scope, gap_absolute=GAP * plan.value, starts=starts, effort=effort)


def _without(plan: Plan, known: Decisions, facts: Facts, text: str, effort: Effort) -> tuple[object, ...]:
    """A rule in force: the known plan keeps all other rules too, so that leaving one out never costs more."""
    free = _solve(plan, facts, (known,), effort)
    price = plan.value - free.value
    lower = max(0.0, min(price, plan.bound - free.value))
    return (plan.coalition, plan.rung, text, True, price, lower, plan.value - free.bound, free.status)


def _with(plan: Plan, facts: Facts, text: str, effort: Effort) -> tuple[object, ...]:
    try:
        bound = _solve(plan, facts, (), effort)
    except NoPlanError:
        nothing = float("inf")
        return (plan.coalition, plan.rung, text, False, nothing, nothing, nothing, "no plan with it")
    price = max(0.0, bound.value - plan.value)
    lower = min(price, max(0.0, bound.bound - plan.value))
    return (plan.coalition, plan.rung, text, False, price, lower, bound.value - plan.bound, bound.status)
