"""Which members serve which cars: the Pareto front over cost, energy, mass, margin and number of members.

A line-up is small data: for each car the options it has (one member, or one for each axle) with what they cost, use and
weigh, and what members and families cost to develop. ``enumerated`` finds the whole front by labels, car by car;
``supported`` finds points of it that are proven best for a weighting (mixed-integer programs, HiGHS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

TOLERANCE: Final = 1e-9
MOST_LABELS: Final = 30_000


@dataclass(frozen=True)
class Option:
    """One way to serve one car: its members (one per axle), and million, weighted Wh/km and kg, margin (fraction)."""

    members: tuple[str, ...]
    cost: float
    energy: float
    mass: float
    margin: float


@dataclass(frozen=True)
class FamilyCost:
    """Development of a family, million: once; for each further bloc, further company, each programme that uses it."""

    once: float
    per_bloc: float
    per_company: float
    application: Mapping[str, float]


@dataclass(frozen=True)
class LineUp:
    """options[car]; company, bloc and programme of each car; family and development (million) of each member."""

    options: Mapping[str, tuple[Option, ...]]
    company_of: Mapping[str, str]
    bloc_of: Mapping[str, str]
    programme_of: Mapping[str, str]
    family_of: Mapping[str, str]
    member_cost: Mapping[str, float]
    family_cost: Mapping[str, FamilyCost]


@dataclass(frozen=True)
class Point:
    """A choice for the whole line-up. cost in million, energy in Wh/km and mass in kg (means), least margin."""

    choice: tuple[tuple[str, Option], ...]
    cost: float
    energy: float
    mass: float
    margin: float
    members: tuple[str, ...]

    @property
    def objectives(self) -> tuple[float, float, float, float, int]:
        """Everything that is to be small: cost, energy, mass, minus margin, number of members."""
        return (self.cost, self.energy, self.mass, -self.margin, len(self.members))


def development(line: LineUp, choice: Iterable[tuple[str, Option]]) -> float:
    """Development of everything a choice uses, million, each once."""
    pairs = list(choice)
    users: dict[str, set[str]] = {}
    for car, option in pairs:
        for member in option.members:
            users.setdefault(line.family_of[member], set()).add(car)
    total = sum(line.member_cost[member] for member in sorted({m for _, option in pairs for m in option.members}))
    for family, cars in sorted(users.items()):
        cost = line.family_cost[family]
        companies = {line.company_of[car] for car in cars}
        blocs = {line.bloc_of[company] for company in companies}
        total += cost.once + cost.per_bloc * (len(blocs) - 1) + cost.per_company * (len(companies) - 1)
        total += sum(cost.application[programme] for programme in sorted({line.programme_of[car] for car in cars}))
    return total


def point(line: LineUp, choice: Sequence[tuple[str, Option]]) -> Point:
    """The figures of a choice."""
    return Point(
        tuple(choice),
        cost=sum(option.cost for _, option in choice) + development(line, choice),
        energy=sum(option.energy for _, option in choice),
        mass=sum(option.mass for _, option in choice),
        margin=min((option.margin for _, option in choice), default=np.inf),
        members=tuple(sorted({member for _, option in choice for member in option.members})),
    )


def pareto(points: Iterable[Point]) -> list[Point]:
    """The points that no other is at least as good as in everything; one of equals. By cost, ascending."""
    ordered = sorted(points, key=lambda p: p.objectives)
    kept: list[Point] = []
    values = np.empty((0, 5))
    for candidate in ordered:
        own = np.array(candidate.objectives)
        slack = TOLERANCE * np.maximum(np.abs(own), 1.0)
        if len(values) and (values <= own + slack).all(axis=1).any():
            continue
        kept.append(candidate)
        values = np.vstack([values, own])
    return kept


@dataclass
class _Label:
    choice: tuple[tuple[str, Option], ...]
    values: tuple[float, float, float, float]  # cost of pieces, energy, mass, minus margin
    uses: frozenset[tuple[str, str, str]] = field(default_factory=frozenset)  # (kind, name, who)


def enumerated(line: LineUp, most_members: int, most_labels: int = MOST_LABELS) -> list[Point] | None:
    """The whole front with at most ``most_members`` members; None where it takes more than ``most_labels`` labels.

    Exact: labels of the cars so far are compared only where they have paid for the same members, families, partners
    and applications, so that what is dropped could never be on the front.
    """
    labels: list[_Label] = [_Label((), (0.0, 0.0, 0.0, -np.inf))]
    extensions = 0
    for car, options in line.options.items():
        groups: dict[frozenset[tuple[str, str, str]], list[_Label]] = {}
        extensions += len(labels) * len(options)
        if extensions > 10 * most_labels:
            return None
        for label in labels:
            for option in options:
                uses = label.uses | _uses(line, car, option)
                if sum(kind == "member" for kind, _, _ in uses) > most_members:
                    continue
                cost, energy, mass, margin = label.values
                values = (cost + option.cost, energy + option.energy, mass + option.mass, max(margin, -option.margin))
                groups.setdefault(uses, []).append(_Label((*label.choice, (car, option)), values, uses))
        labels = [kept for group in groups.values() for kept in _undominated(group)]
        if len(labels) > most_labels:
            return None
    return pareto(point(line, label.choice) for label in labels)


def _uses(line: LineUp, car: str, option: Option) -> frozenset[tuple[str, str, str]]:
    found = {("member", member, "") for member in option.members}
    for member in option.members:
        family = line.family_of[member]
        found |= {("company", family, line.company_of[car]), ("programme", family, line.programme_of[car])}
    return frozenset(found)


def _undominated(group: list[_Label]) -> list[_Label]:
    group = sorted(group, key=lambda label: label.values)
    kept: list[_Label] = []
    values = np.empty((0, 4))
    for label in group:
        own = np.array(label.values)
        if len(values) and (values <= own + 1e-12 * np.maximum(np.abs(own), 1.0)).all(axis=1).any():
            continue
        kept.append(label)
        values = np.vstack([values, own])
    return kept


def without_dominated(line: LineUp) -> LineUp:
    """The line-up without members that another member of the same family replaces at no loss in any car.

    Exact for the front: wherever the one stands, the other can.
    """
    keys: dict[tuple[str, tuple[str, ...]], int] = {}
    cells: dict[str, list[tuple[int, Option]]] = {}
    for car, options in line.options.items():
        for option in options:
            for member in set(option.members):
                others = tuple("*" if name == member else name for name in option.members)
                cells.setdefault(member, []).append((keys.setdefault((car, others), len(keys)), option))
    gone: set[str] = set()
    for family in sorted({line.family_of[member] for member in cells}):
        gone |= _replaceable(line, {name: cells[name] for name in cells if line.family_of[name] == family})
    kept = {
        car: tuple(option for option in options if not gone.intersection(option.members))
        for car, options in line.options.items()
    }
    return LineUp(
        kept,
        line.company_of,
        line.bloc_of,
        line.programme_of,
        line.family_of,
        line.member_cost,
        line.family_cost,
    )


def _replaceable(line: LineUp, cells: Mapping[str, Sequence[tuple[int, Option]]]) -> set[str]:
    """Members of one family that another of it replaces; of equal ones the first by name stays."""
    used = {place: number for number, place in enumerate(sorted({p for row in cells.values() for p, _ in row}))}
    names = sorted(cells)
    table = np.full((len(names), 4 * len(used) + 1), np.inf)
    for number, name in enumerate(names):
        table[number, -1] = line.member_cost[name]
        for place, option in cells[name]:
            start = 4 * used[place]
            table[number, start : start + 4] = (option.cost, option.energy, option.mass, -option.margin)
    gone: set[str] = set()
    alive = np.ones(len(names), dtype=np.bool_)
    for number in reversed(range(len(names))):
        needed = np.isfinite(table[number])
        own = table[number, needed]
        better = (table[:, needed] <= own + TOLERANCE).all(axis=1) & alive
        better[number] = False
        if better.any():
            gone.add(names[number])
            alive[number] = False
    return gone


@dataclass(frozen=True)
class Weighting:
    """Million that a Wh/km and a kilogram (means over the cars) are worth, and the limits that hold."""

    per_wh_per_km: float
    per_kg: float
    most_members: int
    least_margin: float


class Program:
    """The mixed-integer program of a line-up; solved for one weighting after the other."""

    def __init__(self, line: LineUp, seconds: float = 10.0) -> None:
        self.line, self.seconds = line, seconds
        self.pairs = [(car, option) for car, options in line.options.items() for option in options]
        self.members = sorted({member for _, option in self.pairs for member in option.members})
        families = sorted({line.family_of[member] for member in self.members})
        columns: list[tuple[str, ...]] = [("option", str(number)) for number in range(len(self.pairs))]
        columns += [("member", member) for member in self.members]
        companies = sorted({line.company_of[car] for car in line.options})
        blocs = sorted({line.bloc_of[company] for company in companies})
        programmes = sorted({line.programme_of[car] for car in line.options})
        for family in families:
            columns += [("family", family), *(("company", family, name) for name in companies)]
            columns += [("bloc", family, name) for name in blocs] + [("programme", family, n) for n in programmes]
        self.place = {column: number for number, column in enumerate(columns)}
        self.fixed = np.array([self._fixed(column) for column in columns])
        self.rows = self._rows(companies)

    def _fixed(self, column: tuple[str, ...]) -> float:
        line, kind = self.line, column[0]
        if kind == "member":
            return line.member_cost[column[1]]
        if kind == "option":
            return self.pairs[int(column[1])][1].cost
        cost = line.family_cost[column[1]]
        if kind == "family":
            return cost.once - cost.per_bloc - cost.per_company
        if kind == "programme":
            return cost.application.get(column[2], 0.0)
        return cost.per_bloc if kind == "bloc" else cost.per_company

    def _rows(self, companies: Sequence[str]) -> LinearConstraint:
        entries: list[tuple[int, int, float]] = []
        low: list[float] = []
        high: list[float] = []

        def row(terms: Iterable[tuple[int, float]], least: float, most: float) -> None:
            entries.extend((len(low), column, value) for column, value in terms)
            low.append(least)
            high.append(most)

        line, place = self.line, self.place
        own: dict[str, list[int]] = {}
        using: dict[tuple[str, ...], list[int]] = {}
        for number, (car, option) in enumerate(self.pairs):
            own.setdefault(car, []).append(number)
            for member in set(option.members):
                using.setdefault(("member", member, car), []).append(number)
            for family in {line.family_of[member] for member in option.members}:
                using.setdefault(("company", family, line.company_of[car], car), []).append(number)
                using.setdefault(("programme", family, line.programme_of[car], car), []).append(number)
        for numbers in own.values():
            row(((number, 1.0) for number in numbers), 1.0, 1.0)
        for key, numbers in using.items():
            column = place[("member", key[1])] if key[0] == "member" else place[key[:3]]
            row([*((number, 1.0) for number in numbers), (column, -1.0)], -np.inf, 0.0)
        for label, at in place.items():
            if label[0] == "company":
                row([(at, 1.0), (place[("bloc", label[1], line.bloc_of[label[2]])], -1.0)], -np.inf, 0.0)
                row([(at, 1.0), (place[("family", label[1])], -1.0)], -np.inf, 0.0)
            if label[0] == "family":
                row([(at, 1.0), *((place[("company", label[1], name)], -1.0) for name in companies)], -np.inf, 0.0)
        matrix = coo_array(
            ([v for _, _, v in entries], ([r for r, _, _ in entries], [c for _, c, _ in entries])),
            shape=(len(low), len(place)),
        )
        return LinearConstraint(matrix.tocsr(), np.array(low), np.array(high))

    def solved(self, by: Weighting) -> Point | None:
        """The best choice for a weighting, proven; None where none keeps the limits, or the time did not suffice."""
        objective = self.fixed.copy()
        upper = np.ones(len(self.place))
        for number, (_, option) in enumerate(self.pairs):
            objective[number] += by.per_wh_per_km * option.energy + by.per_kg * option.mass
            upper[number] = float(option.margin >= by.least_margin - TOLERANCE)
        count = np.zeros((1, len(self.place)))
        count[0, [self.place[("member", member)] for member in self.members]] = 1.0
        found = milp(
            objective,
            constraints=[self.rows, LinearConstraint(count, -np.inf, by.most_members)],
            bounds=Bounds(0.0, upper),
            integrality=np.ones(len(self.place), dtype=np.int64),
            options={"mip_rel_gap": 1e-9, "time_limit": self.seconds},
        )
        if found.status != 0 or found.x is None:
            return None
        chosen = [pair for number, pair in enumerate(self.pairs) if found.x[number] > 0.5]
        return point(self.line, chosen)


ENERGY_WEIGHTS: Final = (1e-6, 0.5, 2.0, 8.0)
"""Percent of cost that a percent of energy is worth."""
MASS_WEIGHTS: Final = (1e-6, 0.5)
MARGIN_STEPS: Final = 2


def supported(line: LineUp, most_members: int, progress: Callable[[str, float], None] | None = None) -> list[Point]:
    """Points of the front, each proven best for one of a grid of weightings and limits; dominated ones left out.

    For every number of members from the fewest possible to ``most_members``, for margins from the least to the largest
    that every car can have, for weights of energy and mass against cost (``ENERGY_WEIGHTS``, ``MASS_WEIGHTS``).
    """
    program = Program(line)
    first = program.solved(Weighting(1e-6, 1e-6, most_members, -np.inf))
    if first is None:
        return []
    found = [first]
    least = min(option.margin for options in line.options.values() for option in options)
    most = min(max(option.margin for option in options) for options in line.options.values())
    margins = [-np.inf, *np.linspace(max(least, 0.0), most, MARGIN_STEPS + 1)[1:]]
    for step, margin in enumerate(margins):
        for members in range(most_members, 0, -1):
            cheapest = program.solved(Weighting(1e-6, 1e-6, members, margin))
            if cheapest is None:  # with fewer members there is none either
                break
            found.append(cheapest)
            for energy in ENERGY_WEIGHTS:
                for mass in MASS_WEIGHTS:
                    by = Weighting(energy * first.cost / first.energy, mass * first.cost / first.mass, members, margin)
                    best = program.solved(by) if (energy, mass) != (ENERGY_WEIGHTS[0], MASS_WEIGHTS[0]) else None
                    if best is not None:
                        found.append(best)
        if progress is not None:
            progress(f"{len(found)} choices proven best for a weighting", (step + 1) / len(margins))
    return pareto(found)
