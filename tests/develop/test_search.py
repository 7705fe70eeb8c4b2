"""The schedule without a clock: search and bounds against the solved program and published optima."""

from __future__ import annotations

import numpy as np
import pytest

from teikei.develop.program import Options, allowed_modes
from teikei.develop.project import critical_chain, lateness_by_precedence, solve, windows
from teikei.develop.search import Search
from teikei.develop.types import Job, Milestone, Mode, Precedence, Project
from tests.develop.test_project_scheduling import PSPLIB, assert_feasible, read_psplib

FISHER_THOMPSON_06 = """
2 1 0 3 1 6 3 7 5 3 4 6
1 8 2 5 4 10 5 10 0 10 3 4
2 5 3 4 5 8 0 9 1 1 4 7
1 5 0 5 2 5 3 3 4 8 5 9
2 9 1 3 4 5 5 4 0 3 3 1
1 3 3 3 5 9 0 10 4 4 2 1
"""


def random_project(seed: int, count: int = 7, tight: float = 1.0) -> Project:
    """Teams of one or two jobs, two possible leads for some, milestones that cannot all be met."""
    rng = np.random.default_rng(seed)
    horizon = 30
    jobs, before = [], []
    for i in range(count):
        duration = int(rng.integers(1, 4))
        leads = ("N", "H") if rng.random() < 0.5 else (str(rng.choice(["N", "H"])),)
        need = float(rng.integers(2, 7))
        modes = tuple(Mode(one, {one: (need,) * duration}, float(rng.integers(1, 9))) for one in leads)
        jobs.append(Job(f"J{i}", duration, modes, team=f"J{i}"))
        if i and rng.random() < 0.5:
            earlier = int(rng.integers(0, i))
            before.append(Precedence(f"J{earlier}", f"J{i}", jobs[earlier].duration))
    names = [one.name for one in jobs]
    milestones = (
        Milestone("first", 3, tuple(names[: count // 2])),
        Milestone("second", 5, tuple(names[count // 2 :]), 2.0),
    )
    capacity = {"N": (8.0 * tight,) * horizon, "H": (7.0 * tight,) * horizon}
    return Project(tuple(jobs), tuple(before), capacity, milestones, horizon, tuple(0.97**t for t in range(horizon)))


def search_of(project: Project) -> Search:
    return Search(project, allowed_modes(project, Options()), windows(project))


@pytest.mark.parametrize("seed", range(12))
def test_bounds_of_the_default_schedule_hold_the_proven_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    project = random_project(seed)
    exact = solve(project)
    assert exact.status == "optimal"
    monkeypatch.setattr("teikei.develop.project.SMALL_COLUMNS", 0)
    quick = solve(project, Options(proof=False, nodes=5))
    assert_feasible(project, quick)
    assert quick.late_bound <= exact.late_total + 1e-6 <= quick.late_total + 2e-6
    assert quick.late_bound <= quick.late_total
    assert quick.cost_bound <= quick.cost + 1e-9
    if quick.late_total == exact.late_total:
        assert quick.cost_bound <= exact.cost * (1 + 1e-3) <= quick.cost * (1 + 2e-3)


def test_the_search_finds_the_least_lateness_of_most_small_projects() -> None:
    found = 0
    for seed in range(12):
        project = random_project(seed)
        least = lateness_by_precedence(project)
        search = search_of(project)
        timing = search.least_late([least[one.name] for one in project.milestones])
        assert timing is not None
        found += search.lateness(timing) == solve(project).late_total
    assert found >= 10


@pytest.mark.parametrize("seed", range(12))
def test_making_a_timetable_cheaper_makes_nothing_later_and_costs_no_more(seed: int) -> None:
    project = random_project(seed)
    search = search_of(project)
    first = search.serial([0.0] * len(project.jobs), list(search.latest))
    assert first is not None
    second = search.least_cost(first)
    assert all(after <= before for before, after in zip(search.late(first), search.late(second), strict=True))
    assert search.cost(second) <= search.cost(first) + 1e-9
    start, mode = search.named(second)
    again = search.timing(start, mode)
    assert np.allclose(again.free, second.free)
    assert (second.free >= -1e-9).all()


@pytest.mark.parametrize("seed", range(8))
def test_bought_hours_of_the_search_suffice_and_cost_little_more_than_the_solved_ones(seed: int) -> None:
    project = random_project(seed, tight=0.9)
    least = lateness_by_precedence(project)
    limit = sum(one.weight * least[one.name] for one in project.milestones)
    late = solve(project)
    price = {"N": 0.5, "H": 0.6}
    exact = solve(project, Options(extra_cost=price, late_limit=limit))
    begin = (late.start, late.mode)
    quick = solve(project, Options(extra_cost=price, late_limit=limit, begin=begin, proof=False))
    assert_feasible(project, quick)
    assert quick.late_total <= limit + 1e-9
    assert exact.cost * (1 - 2e-3) <= quick.cost
    assert quick.cost <= exact.cost * 1.5


def test_the_search_brings_j301_1_near_its_known_43_periods_with_a_bound_below() -> None:
    project = read_psplib(PSPLIB, 60)
    search = search_of(project)
    timing = search.least_late([0])
    assert timing is not None
    assert 43 <= 38 + search.lateness(timing) <= 46


def test_the_job_shop_of_fisher_and_thompson_takes_its_known_55_periods() -> None:
    """Instance ft06: Fisher, H. and Thompson, G.L. (1963), in Muth and Thompson, Industrial Scheduling, 225-251."""
    jobs, before = [], []
    for row, line in enumerate(FISHER_THOMPSON_06.split("\n")[1:-1]):
        numbers = [int(text) for text in line.split()]
        for step, (machine, length) in enumerate(zip(numbers[::2], numbers[1::2], strict=True)):
            jobs.append(Job(f"{row}.{step}", length, (Mode("only", {f"M{machine}": (1.0,) * length}),)))
            if step:
                before.append(Precedence(f"{row}.{step - 1}", f"{row}.{step}", jobs[-2].duration))
    horizon = 56
    capacity = {f"M{machine}": (1.0,) * horizon for machine in range(6)}
    end = Milestone("end", 54, tuple(one.name for one in jobs))
    project = Project(tuple(jobs), tuple(before), capacity, (end,), horizon)
    found = solve(project, Options(proof=False))
    assert_feasible(project, found)
    assert (54 + found.late_total, found.late_bound) == (55, pytest.approx(1.0))


def test_the_critical_chain_names_the_jobs_that_hold_a_date() -> None:
    only = (Mode("x", {}),)
    jobs = tuple(Job(name, length, only) for name, length in (("A", 3), ("B", 1), ("C", 4), ("D", 2)))
    before = tuple(Precedence(a, b, lag) for a, b, lag in (("A", "D", 3), ("B", "C", 1), ("C", "D", 4)))
    project = Project(jobs, before, {}, (Milestone("end", 0, ("D", "A")),), 12)
    assert critical_chain(project, project.milestones[0]) == ["B", "C", "D"]


def test_the_search_gives_the_same_timetable_every_time() -> None:
    one, two = (solve(random_project(3, count=14), Options(proof=False, nodes=5)) for _ in range(2))
    assert (one.start, one.mode, one.cost) == (two.start, two.mode, two.cost)
