"""The front against every choice there is, on line-ups small enough."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from teikei.family.front import (
    FamilyCost,
    LineUp,
    Option,
    Point,
    Program,
    Weighting,
    enumerated,
    point,
    supported,
    without_dominated,
)


def random_line_up(seed: int, cars: int = 4, members: int = 6) -> LineUp:
    """Cars of two companies and three programmes, members of two families, a car with pairs of members."""
    random = np.random.default_rng(seed)
    names = [f"M{number}" for number in range(members)]
    family_of = {name: f"F{number % 2}" for number, name in enumerate(names)}
    options: dict[str, tuple[Option, ...]] = {}
    for car in range(cars):
        able = [name for name in names if random.random() < 0.75] or names[:1]
        sets = [(name,) for name in able] if car else [(a, b) for a in able[:3] for b in able[:3]]
        options[f"C{car}"] = tuple(
            Option(
                own,
                float(random.uniform(10, 40)),
                float(random.uniform(90, 130)),
                float(random.integers(60, 90)),
                float(random.uniform(0, 0.3)),
            )
            for own in sets
        )
    return LineUp(
        options,
        {f"C{car}": "AB"[car % 2] for car in range(cars)},
        {"A": "A", "B": "B"},
        {f"C{car}": f"P{car % 3}" for car in range(cars)},
        family_of,
        {name: float(random.uniform(2, 12)) for name in names},
        {
            name: FamilyCost(float(random.uniform(10, 30)), 3.0, 2.0, {f"P{n}": float(n + 1) for n in range(3)})
            for name in ("F0", "F1")
        },
    )


def every_choice(line: LineUp, most_members: int) -> list[Point]:
    """All assignments, priced by counting what they use."""
    cars = list(line.options)
    return [
        made
        for chosen in product(*line.options.values())
        if len((made := point(line, list(zip(cars, chosen, strict=True)))).members) <= most_members
    ]


def front_of(points: list[Point]) -> set[tuple[float, ...]]:
    """Objectives that no others beat, by comparing each with each."""
    values = np.unique(np.round([p.objectives for p in points], 9), axis=0)
    return {tuple(own) for own in values if not any((other <= own).all() and (other < own).any() for other in values)}


def rounded(points: list[Point]) -> set[tuple[float, ...]]:
    return {tuple(np.round(p.objectives, 9)) for p in points}


@pytest.mark.parametrize("seed", range(12))
def test_the_enumerated_front_is_that_of_every_choice(seed: int) -> None:
    line = random_line_up(seed)
    found = enumerated(line, 4)
    assert found is not None
    assert rounded(found) == front_of(every_choice(line, 4))


@pytest.mark.parametrize("seed", range(12))
def test_members_that_another_replaces_are_on_no_front_alone(seed: int) -> None:
    line = random_line_up(seed, members=9)
    # a member that is as good as M0 or worse everywhere
    worse = {
        car: (
            *options,
            *(
                Option(("W",), o.cost + 1, o.energy + 1, o.mass + 1, o.margin - 0.01)
                for o in options
                if o.members == ("M0",)
            ),
        )
        for car, options in line.options.items()
    }
    wider = LineUp(
        worse,
        line.company_of,
        line.bloc_of,
        line.programme_of,
        {**line.family_of, "W": "F0"},
        {**line.member_cost, "W": line.member_cost["M0"]},
        line.family_cost,
    )
    reduced = without_dominated(wider)
    assert not any("W" in option.members for options in reduced.options.values() for option in options)
    whole, small = enumerated(line, 4), enumerated(reduced, 4)
    assert whole is not None
    assert small is not None
    assert rounded(whole) == rounded(small)


@pytest.mark.parametrize("seed", range(6))
def test_points_proven_for_a_weighting_are_on_the_front(seed: int) -> None:
    line = random_line_up(seed)
    front = front_of(every_choice(line, 4))
    found = supported(line, 4)
    assert found
    assert rounded(found) <= front
    cheapest = min(p.cost for p in every_choice(line, 4))
    assert min(p.cost for p in found) == pytest.approx(cheapest)


def test_the_program_is_the_best_of_every_choice() -> None:
    for seed in range(6):
        line = random_line_up(seed)
        by = Weighting(0.3, 0.2, 3, 0.02)
        best = Program(line).solved(by)
        allowed = [p for p in every_choice(line, 3) if p.margin >= 0.02]
        if not allowed:
            assert best is None
            continue
        assert best is not None

        def worth(p: Point) -> float:
            return p.cost + 0.3 * p.energy + 0.2 * p.mass

        assert worth(best) == pytest.approx(min(worth(p) for p in allowed), rel=1e-7)


def test_too_large_a_line_up_is_not_enumerated() -> None:
    assert enumerated(random_line_up(0, cars=9, members=9), 6, most_labels=10) is None
