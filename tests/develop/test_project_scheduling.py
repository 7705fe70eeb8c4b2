"""The scheduler against brute force, closed forms and classic examples."""

from __future__ import annotations

import re
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from teikei.develop.project import Options, lateness_by_precedence, solve, windows
from teikei.develop.types import Job, Milestone, Mode, Precedence, Project, Timetable
from teikei.errors import NoPlanError, StudyError

PSPLIB = Path(__file__).parents[1] / "data" / "rcpsp" / "j301_1.sm"


def job(name: str, duration: int, **demand: float) -> Job:
    return Job(name, duration, (Mode("only", {r: (a,) * duration for r, a in demand.items()}),))


def makespan_project(
    jobs: list[Job], before: list[tuple[str, str]], capacity: dict[str, float], horizon: int, due: int = 0
) -> Project:
    duration = {one.name: one.duration for one in jobs}
    return Project(
        jobs=tuple(jobs),
        precedences=tuple(Precedence(a, b, duration[a]) for a, b in before),
        capacity={r: (c,) * horizon for r, c in capacity.items()},
        milestones=(Milestone("end", due, tuple(duration)),),
        horizon=horizon,
    )


def assert_feasible(project: Project, found: Timetable) -> None:
    jobs = {one.name: one for one in project.jobs}
    for one in project.precedences:
        assert found.start[one.after] >= found.start[one.before] + one.lag
    for resource, capacity in project.capacity.items():
        used = np.zeros(project.horizon)
        for name, start in found.start.items():
            mode = next(m for m in jobs[name].modes if m.name == found.mode[name])
            for k, amount in enumerate(mode.demand.get(resource, ())):
                used[start + k] += amount
        extra = np.array([found.extra.get((resource, period), 0.0) for period in range(project.horizon)])
        assert (used <= np.array(capacity) + extra + 1e-6).all()


def johnson(times: list[tuple[int, int]]) -> int:
    """Johnson, S.M. (1954), Naval Research Logistics Quarterly 1:61-68: the shortest two-machine flow shop."""
    first = sorted((t for t in times if t[0] <= t[1]), key=lambda t: t[0])
    last = sorted((t for t in times if t[0] > t[1]), key=lambda t: -t[1])
    one = two = 0
    for a, b in [*first, *last]:
        one += a
        two = max(two, one) + b
    return two


@pytest.mark.parametrize("seed", range(6))
def test_two_machine_flow_shops_take_as_long_as_johnsons_rule_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = [(int(a), int(b)) for a, b in rng.integers(1, 6, (5, 2))]
    jobs = [one for i, (a, b) in enumerate(times) for one in (job(f"a{i}", a, m1=1.0), job(f"b{i}", b, m2=1.0))]
    before = [(f"a{i}", f"b{i}") for i in range(len(times))]
    project = makespan_project(jobs, before, {"m1": 1.0, "m2": 1.0}, sum(map(sum, times)))
    found = solve(project)
    assert_feasible(project, found)
    assert found.late_total == johnson(times)
    assert found.late_bound == pytest.approx(johnson(times))


def serial_best(project: Project) -> int:
    """Shortest makespan over all orders by serial generation, which contains an optimum.

    Kolisch (1996), European J. Operational Research 90:320-333.
    """
    best = project.horizon + 1
    jobs = {one.name: one for one in project.jobs}
    for order in permutations(jobs):
        used = {r: np.zeros(project.horizon + 50) for r in project.capacity}
        start: dict[str, int] = {}
        feasible = True
        for name in order:
            waits = [one for one in project.precedences if one.after == name]
            if any(one.before not in start for one in waits):
                feasible = False
                break
            t = max([0, *(start[one.before] + one.lag for one in waits)])
            demand = jobs[name].modes[0].demand
            while any(
                used[r][t + k] + a > project.capacity[r][0]
                for r, amounts in demand.items()
                for k, a in enumerate(amounts)
            ):
                t += 1
            for r, amounts in demand.items():
                for k, a in enumerate(amounts):
                    used[r][t + k] += a
            start[name] = t
        if feasible:
            best = min(best, max(start[n] + jobs[n].duration for n in start))
    return best


@pytest.mark.parametrize("seed", range(8))
def test_small_projects_take_as_long_as_the_best_of_all_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = "ABCDEF"
    jobs = [
        job(name, int(rng.integers(1, 5)), r=float(rng.integers(0, 4)), s=float(rng.integers(0, 3))) for name in names
    ]
    before = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if rng.random() < 0.25]
    project = makespan_project(jobs, before, {"r": 4.0, "s": 3.0}, sum(one.duration for one in jobs))
    found = solve(project)
    assert_feasible(project, found)
    assert found.late_total == serial_best(project)
    assert found.status == "optimal"


def test_plenty_of_everything_takes_the_critical_path() -> None:
    jobs = [job("A", 3, r=1.0), job("B", 2, r=1.0), job("C", 4, r=1.0), job("D", 1, r=1.0)]
    project = makespan_project(jobs, [("A", "B"), ("A", "C"), ("B", "D"), ("C", "D")], {"r": 9.0}, 12)
    assert lateness_by_precedence(project) == {"end": 8}
    assert solve(project).late_total == 8
    earliest, latest = windows(project)
    assert (earliest["D"], latest["A"]) == (7, 4)


def read_psplib(path: Path, horizon: int) -> Project:
    """A single-mode file of the PSPLIB format."""
    text = path.read_text()
    relations = re.search(r"successors\n(.*?)\n\*", text, re.S)
    requests = re.search(r"-{20,}\n(.*?)\n\*", text, re.S)
    available = re.search(r"RESOURCEAVAILABILITIES:\n.*\n(.*)\n", text)
    assert relations
    assert requests
    assert available
    capacity = [float(x) for x in available[1].split()]
    resources = [f"R{i + 1}" for i in range(len(capacity))]
    jobs = []
    for line in requests[1].splitlines():
        number, _, duration, *amounts = (int(x) for x in line.split())
        jobs.append(job(str(number), duration, **{r: float(a) for r, a in zip(resources, amounts, strict=True) if a}))
    before = []
    for line in relations[1].splitlines():
        number, _, count, *successors = line.split()
        assert len(successors) == int(count)
        before += [(number, one) for one in successors]
    return makespan_project(jobs, before, dict(zip(resources, capacity, strict=True)), horizon, due=38)


def test_the_psplib_project_j301_1_has_its_known_critical_path() -> None:
    assert lateness_by_precedence(read_psplib(PSPLIB, 60)) == {"end": 0}  # the file says MPM time 38


def test_the_psplib_project_j301_1_takes_its_known_43_periods() -> None:
    project = read_psplib(PSPLIB, 46)
    found = solve(project)
    assert_feasible(project, found)
    assert 38 + found.late_total == 43
    assert found.late_bound == pytest.approx(5.0)


def test_the_cheaper_lead_is_chosen_unless_it_makes_the_date_slip() -> None:
    def led(name: str) -> Job:
        return Job(
            name,
            2,
            (Mode("N", {"N": (10.0, 10.0)}, cost=1.0), Mode("H", {"H": (10.0, 10.0)}, cost=2.0)),
            team=name,
        )

    def project(due: int) -> Project:
        capacity = {"N": (10.0,) * 8, "H": (10.0,) * 8}
        return Project((led("X"), led("Y")), (), capacity, (Milestone("end", due, ("X", "Y")),), 8)

    relaxed, tight = solve(project(4)), solve(project(2))
    assert relaxed.mode == {"X": "N", "Y": "N"}
    assert (relaxed.late_total, relaxed.cost) == (0, pytest.approx(2.0))
    assert sorted(tight.mode.values()) == ["H", "N"]
    assert (tight.late_total, tight.cost) == (0, pytest.approx(3.0))


def test_jobs_of_one_team_have_one_lead() -> None:
    modes = (Mode("N", {"N": (6.0,)}, 1.0), Mode("H", {"H": (6.0,)}, 1.1))
    jobs = (Job("X1", 1, modes, team="X"), Job("X2", 1, modes, team="X"), Job("Y1", 1, modes, team="Y"))
    project = Project(jobs, (), {"N": (6.0,) * 4, "H": (6.0,) * 4}, (Milestone("end", 2, ("X1", "X2", "Y1")),), 4)
    found = solve(project)
    assert found.mode["X1"] == found.mode["X2"] != found.mode["Y1"]
    shared = Options(work_share={"N": (0.0, 0.5)}, shared_teams=frozenset(("X", "Y")))
    assert solve(project, shared).mode == {"X1": "H", "X2": "H", "Y1": "N"}


def test_extra_hours_are_bought_only_where_they_are_missing() -> None:
    jobs = (job("A", 2, r=10.0), job("B", 2, r=10.0))
    project = Project(jobs, (), {"r": (12.0,) * 6}, (Milestone("end", 2, ("A", "B")),), 6)
    assert solve(project).late_total == 2
    found = solve(project, Options(extra_cost={"r": 0.5}, late_limit=0.0))
    assert found.late_total == 0
    assert found.extra == pytest.approx({("r", 0): 8.0, ("r", 1): 8.0})
    assert found.cost == pytest.approx(0.5 * 16)


@pytest.mark.parametrize("seed", range(4))
def test_least_cost_with_least_lateness_matches_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    horizon = 6
    discount = tuple(0.95**t for t in range(horizon))
    jobs = tuple(
        Job(
            name,
            int(rng.integers(1, 3)),
            tuple(Mode(m, {m: (float(rng.integers(1, 4)),) * 2}, float(rng.integers(1, 9))) for m in ("N", "H")),
            team=name,
        )
        for name in "ABC"
    )
    jobs = tuple(
        Job(
            j.name,
            j.duration,
            tuple(Mode(m.name, {r: a[: j.duration] for r, a in m.demand.items()}, m.cost) for m in j.modes),
            team=j.team,
        )
        for j in jobs
    )
    project = Project(
        jobs,
        (Precedence("A", "C", jobs[0].duration),),
        {"N": (4.0,) * horizon, "H": (3.0,) * horizon},
        (Milestone("early", 2, ("A", "B")), Milestone("end", 3, ("C",), 2.0)),
        horizon,
        discount,
    )
    best: tuple[float, float] | None = None
    for starts in product(range(horizon), repeat=3):
        for modes in product((0, 1), repeat=3):
            value = _judge(project, starts, modes)
            if value is not None and (best is None or value < best):
                best = value
    found = solve(project)
    assert_feasible(project, found)
    assert best is not None
    assert (found.late_total, found.cost) == pytest.approx(best)


def _judge(project: Project, starts: tuple[int, ...], modes: tuple[int, ...]) -> tuple[float, float] | None:
    used = {r: np.zeros(20) for r in project.capacity}
    cost = 0.0
    end = {}
    for one, start, pick in zip(project.jobs, starts, modes, strict=True):
        if start + one.duration > project.horizon:
            return None
        mode = one.modes[pick]
        for r, amounts in mode.demand.items():
            for k, a in enumerate(amounts):
                used[r][start + k] += a
        cost += mode.cost * np.mean(project.discount[start : start + one.duration])
        end[one.name] = start + one.duration
    begin = dict(zip((one.name for one in project.jobs), starts, strict=True))
    if any(begin[p.after] < begin[p.before] + p.lag for p in project.precedences):
        return None
    if any((used[r][: project.horizon] > np.array(c)).any() for r, c in project.capacity.items()):
        return None
    late = sum(m.weight * max(0, *(end[j] - m.due for j in m.jobs), 0) for m in project.milestones)
    return (round(late, 9), round(cost, 9))


def test_tasks_in_a_circle_are_refused_by_name() -> None:
    jobs = [job("A", 1), job("B", 1)]
    project = makespan_project(jobs, [("A", "B"), ("B", "A")], {}, 9)
    with pytest.raises(StudyError, match="circle: A, B"):
        solve(project)


def test_a_job_larger_than_the_whole_staff_is_named() -> None:
    project = makespan_project([job("A", 1, battery=9.0)], [], {"battery": 5.0}, 4)
    with pytest.raises(NoPlanError, match="A needs in one period 9 of battery, where there are 5"):
        solve(project)


def test_a_horizon_that_is_too_short_is_said() -> None:
    project = makespan_project([job("A", 3), job("B", 3)], [("A", "B")], {}, 5)
    with pytest.raises(NoPlanError, match="does not fit into the 5 periods"):
        solve(project)


def test_work_shares_that_no_choice_of_leads_can_give_are_refused_with_the_nearest() -> None:
    def led(name: str, hours: float) -> Job:
        return Job(name, 1, (Mode("N", {"N": (hours,)}, 1.0), Mode("H", {"H": (hours,)}, 1.0)), team=name)

    jobs = (led("X", 6.0), led("Y", 3.0), led("Z", 1.0))
    project = Project(jobs, (), {"N": (9.0,) * 4, "H": (9.0,) * 4}, (Milestone("end", 4, ("X", "Y", "Z")),), 4)
    shared = frozenset(("X", "Y", "Z"))
    with pytest.raises(NoPlanError, match=r"H 45% to 55%\): the nearest is H [46]0%.*X alone is 60%"):
        solve(project, Options(work_share={"H": (0.45, 0.55)}, shared_teams=shared))
    found = solve(project, Options(work_share={"H": (0.6, 0.65)}, shared_teams=shared))
    assert [found.mode[name] for name in "XYZ"] == ["H", "N", "N"]
