"""The cheapest way out of a conflict: for each limit in it, the least change that gives a plan, the smallest first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

from teikei.plan.arrays import INFINITY, Program, minimise
from teikei.plan.program import Build
from teikei.plan.scope import Scope

NODES = 200
HALVINGS = 7
COUNTED = ("min_suppliers_per_class",)
Amounts = dict[int, float]


def least_changes(
    made: Build,
    groups: Mapping[Hashable, Sequence[int]],
    feasible: Callable[[Scope], bool],
    lead: str = "Smallest change that gives a plan",
) -> list[str]:
    """Sentences on what each limit of an irreducible conflict would have to become, by itself; lead: of the first.

    groups: limit -> its rows in ``made.program``. Capacities, needs and minimum orders are given slack, whose sum is
    made as small as possible; the value of a rule is found by halving, with ``feasible`` telling whether a changed
    scope has a plan. Limits that cannot give way enough alone are left out.
    """
    found: list[tuple[float, str]] = []
    for group, rows in groups.items():
        assert isinstance(group, tuple)  # noqa: S101 - groups are made in infeasible.py
        kind, name = group
        if kind == "rule":
            found += _rule(made.scope, name, feasible)
            continue
        slack = least_slack(made.program, rows)
        if slack:
            found.append(_sentence(made, kind, name, slack))
    found.sort()
    if not found:
        return []
    texts = [text for _, text in found]
    return [f"{lead}: {texts[0]}.", *(f"Or: {text}." for text in texts[1:4])]


def least_slack(program: Program, rows: Sequence[int]) -> Amounts:
    """Row -> least violation with which the program has a plan, in the row's unit; empty where none is enough."""
    trial = Program(
        cost=[0.0] * len(program.cost), lower=list(program.lower), upper=list(program.upper),
        integer=list(program.integer), names=list(program.names), row_lower=program.row_lower,
        row_upper=program.row_upper, row_names=program.row_names, rows=list(program.rows),
        columns=list(program.columns), values=list(program.values),
    )  # fmt: skip
    added: dict[int, list[int]] = {}
    for row in rows:
        for bound, sign in ((program.row_lower[row], 1.0), (program.row_upper[row], -1.0)):
            if abs(bound) < INFINITY:
                column = trial.column(("slack", row, sign), cost=1.0, upper=INFINITY)
                trial.rows.append(row)
                trial.columns.append(column)
                trial.values.append(sign)
                added.setdefault(row, []).append(column)
    found = minimise(trial, gap_absolute=1e-6, gap_relative=1e-3, node_limit=NODES)
    if found.x is None:
        return {}
    amounts = {row: sum(float(found.x[column]) for column in columns) for row, columns in added.items()}
    return {row: amount for row, amount in amounts.items() if amount > 1e-7}


def _sentence(made: Build, kind: str, name: str, slack: Amounts) -> tuple[float, str]:
    """(relative size, words) of a change of capacities, cars or minimum orders, by year."""
    program, facts = made.program, made.scope.facts
    names = {row: program.row_names[row] for row in slack}
    if kind == "site":
        unit = facts.sites[name].unit
        years: dict[int, float] = {}
        for row, amount in slack.items():  # of a site that can be expanded, one row for each who pays and one for all
            years[names[row][2]] = years.get(names[row][2], 0.0) + amount
        most = max(years, key=lambda year: years[year])
        size = max(amount / max(facts.sites[name].free[year], 1e-9) for year, amount in years.items())
        text = f"site {name} with {years[most]:,.6g} {unit} a year more ({_span(years)}, most in {most})"
        return size, text
    if kind == "programme":
        years = {}
        for row, amount in slack.items():
            years[names[row][2]] = years.get(names[row][2], 0.0) + amount * 1e3
        total = sum(
            cars
            for slot in made.scope.slots
            if facts.slots[slot].programme == name
            for (_, year), cars in made.scope.demand[slot].items()
            if year in years
        )
        fewer = sum(years.values())
        return fewer / max(total, 1e-9), f"programme {name} with {fewer:,.0f} parts fewer ({_span(years)})"
    if kind == "minimum":
        least = facts.offers[name].minimum_quantity
        most_off = max(slack.values())
        return most_off / max(least, 1e-9), f"offer {name} from {max(0.0, least - most_off):,.6g} a year on"
    gwh = max(slack.values())
    size = gwh / max((plant.step_gwh for plant in facts.plants if plant.name == name), default=1.0)
    return size, f"plant {name} with {gwh:,.4g} GWh a year more"


def _span(years: Mapping[int, float]) -> str:
    first, last = min(years), max(years)
    return str(first) if first == last else f"{first} to {last}"


def _rule(scope: Scope, text: str, feasible: Callable[[Scope], bool]) -> list[tuple[float, str]]:
    rules = scope.facts.rules
    at = next(i for i, rule in enumerate(rules) if rule.text == text)
    rule = rules[at]

    def fits(value: float) -> bool:
        changed = (*rules[:at], replace(rule, value=f"{value!r}"), *rules[at + 1 :])
        return feasible(replace(scope, facts=replace(scope.facts, rules=changed)))

    if rule.kind == "exclude_supplier":
        return [(1.0, f"rule {text} left out")]
    start = rule.number
    if rule.kind in COUNTED:
        for number in range(int(start) - 1, -1, -1):
            if fits(float(number)):
                return [((start - number) / start, f"rule {text} with {number}")]
        return []
    end = 1.0 if rule.kind == "max_share_per_item" else 0.0
    if not fits(end):
        return []
    bad, good = start, end
    for _ in range(HALVINGS):
        middle = (bad + good) / 2
        bad, good = (bad, middle) if fits(middle) else (middle, good)
    rounded = round((bad + good) / 2, 2)  # a round value in between, where it is enough
    value = rounded if min(bad, good) <= rounded <= max(bad, good) and fits(rounded) else good
    return [(abs(value - start) / max(start, 1e-9), f"rule {text} with {value:.4g}")]
