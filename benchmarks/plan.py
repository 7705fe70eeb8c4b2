"""The plan against its bars, beside general modelling tools, and as it grows: one table for each claim.

    PYTHONPATH=src:. python benchmarks/plan.py [--only tools warm growth tenders] [--seeds 1 2 ... 8]
                                               [--pyomo PYTHON] [--sizes 3] [--seconds 300]

``tools``: the same program of a small alliance built and solved through linopy and pyomo (default HiGHS interfaces;
pyomo in an environment of its own, whose interpreter is given by --pyomo). ``warm``: every union of four companies
with and without what the planner knows from other coalitions. ``growth``: generated alliances (benchmarks/alliance.py)
up to 4 companies, 60 programmes, 12 years, 60 modules, 25 suppliers; the grand coalition at the rung that shares
everything. ``tenders``: the bars of ``teikei award``. The shipped study: benchmarks/plan_study.py. CPU seconds are the
comparable number on a shared machine.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from alliance import alliance

import teikei.plan as plan
from teikei.plan.build import build
from teikei.plan.ladder import _baseline_of, play, request
from teikei.plan.parts import Memory
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from teikei.plan.solve_one import solve_scope, solve_scopes
from teikei.plan.solve_part import QUICK

if TYPE_CHECKING:
    from benchmarks.table import Row

SIZES = (  # companies, programmes, years, modules, suppliers
    (2, 4, 4, 9, 5), (3, 8, 6, 18, 9), (4, 16, 8, 30, 14), (4, 32, 10, 45, 20), (4, 60, 12, 60, 25),
)  # fmt: skip
GAP = 1e-4
PYOMO = """
import sys, time
import numpy as np
import pyomo.environ as pe
data = np.load(sys.argv[1])
begin = time.process_time()
model = pe.ConcreteModel()
n, m = len(data["cost"]), len(data["row_lower"])
inf = float("inf")
whole = data["integer"]
model.x = pe.Var(range(n), domain=pe.Reals)
for j in range(n):
    model.x[j].setlb(float(data["lower"][j]))
    model.x[j].setub(None if data["upper"][j] == inf else float(data["upper"][j]))
    if whole[j]:
        model.x[j].domain = pe.Integers
terms = [[] for _ in range(m)]
for row, column, value in zip(data["rows"], data["columns"], data["values"]):
    terms[row].append(float(value) * model.x[int(column)])
def bounded(_, i):
    low, high = float(data["row_lower"][i]), float(data["row_upper"][i])
    total = pe.quicksum(terms[i])
    if not terms[i]:
        return pe.Constraint.Feasible
    if low == high:
        return total == low
    return pe.inequality(None if low == -inf else low, total, None if high == inf else high)
model.rows = pe.Constraint(range(m), rule=bounded)
model.cost = pe.Objective(expr=pe.quicksum(float(c) * model.x[j] for j, c in enumerate(data["cost"]) if c))
built = time.process_time() - begin
solver = pe.SolverFactory("appsi_highs")
solver.options = {"threads": 1, "mip_rel_gap": float(sys.argv[2])}
begin = time.process_time()
solver.solve(model)
print(built, time.process_time() - begin, pe.value(model.cost))
"""


def tools(pyomo: str | None) -> None:
    """Build and solve times of one program through three interfaces."""
    program, lines = tool_times(pyomo)
    print(
        f"\nThe same program ({len(program.cost):,} columns, {len(program.row_lower):,} rows, "
        f"{sum(program.integer):,} whole) to a relative gap of {GAP:g}, HiGHS {highspy.Highs().version()}, one thread"
    )
    print(f"{'interface':28} {'build CPU s':>12} {'solve CPU s':>12} {'objective':>14}")
    for name, built, solved, value in lines:
        print(f"{name:28} {built:12.2f} {solved:12.2f} {value:14.3f}", flush=True)


def tool_times(pyomo: str | None) -> tuple[Any, Iterator[tuple[str, float, float, float]]]:
    """The program, and interface by interface: build and solve CPU seconds, objective."""
    study, catalogue, performance = alliance(2, 4, 4, 9, 5)
    facts = read_facts(study, catalogue, performance)
    scope = Scope(facts, "C1+C2", "shared", ("C1", "C2"))
    begin = time.process_time()
    program = build(scope).program
    lp = program.to_highs()
    return program, _through_tools(scope, program, lp, time.process_time() - begin, pyomo)


def _through_tools(
    scope: Scope, program: Any, lp: Any, built: float, pyomo: str | None
) -> Iterator[tuple[str, float, float, float]]:
    solver = highspy.Highs()
    for name, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", GAP)):
        solver.setOptionValue(name, value)
    begin = time.process_time()
    solver.passModel(lp)
    solver.run()
    solved = time.process_time() - begin
    yield "teikei arrays", built, solved, solver.getInfo().objective_function_value
    begin = time.process_time()
    found = solve_scope(scope, gap_absolute=GAP * solver.getInfo().objective_function_value)
    yield "teikei planner (search, parts)", 0.0, time.process_time() - begin, found.value
    yield "linopy", *_linopy(program)
    if pyomo:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "program.npz"
            names = ("cost", "lower", "upper", "integer", "row_lower", "row_upper", "rows", "columns", "values")
            np.savez(file, **{one: np.asarray(getattr(program, one)) for one in names})
            (Path(folder) / "run.py").write_text(PYOMO)
            command = [pyomo, str(Path(folder) / "run.py"), str(file), str(GAP)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-3:]
        numbers = [float(word) for word in said]
        numbers[2] += program.offset
        yield "pyomo, appsi_highs", numbers[0], numbers[1], numbers[2]


def _linopy(program: Any) -> tuple[float, float, float]:
    """Build and solve CPU seconds and objective through linopy, with its sparse matrix interface to expressions."""
    import warnings

    import linopy
    import pandas as pd
    import xarray as xr

    warnings.simplefilter("ignore")
    begin = time.process_time()
    model = linopy.Model()
    integer = np.asarray(program.integer)
    place = np.zeros(len(integer), dtype=np.int64)
    parts = []
    for whole in (False, True):
        at = np.flatnonzero(integer == whole)
        place[at] = np.arange(len(at))
        index = pd.RangeIndex(len(at), name=f"j{int(whole)}")
        lower, upper = np.asarray(program.lower)[at], np.asarray(program.upper)[at]
        parts.append(
            model.add_variables(lower=lower, upper=upper, coords=[index], name=f"x{int(whole)}", integer=whole)
        )
    low, high = np.asarray(program.row_lower), np.asarray(program.row_upper)
    rows, columns = np.asarray(program.rows), np.asarray(program.columns)
    values = np.asarray(program.values)
    expressions = []
    for whole, part in zip((False, True), parts, strict=True):
        mine = integer[columns] == whole
        own = part.isel({part.dims[0]: xr.DataArray(place[columns[mine]], dims="term")})
        row = xr.DataArray(rows[mine], dims="term", name="row")
        expressions.append((own * xr.DataArray(values[mine], dims="term")).groupby(row).sum())
    total = sum(expressions[1:], expressions[0])
    present = total.coords["row"].to_numpy()
    for sign, bound in ((">=", low), ("<=", high)):
        kept = present[np.isfinite(bound[present])]
        right = xr.DataArray(bound[kept], dims="row", coords={"row": kept})
        left = total.sel(row=kept)
        model.add_constraints(left >= right if sign == ">=" else left <= right)
    cost = np.asarray(program.cost)
    model.add_objective(
        sum((part * cost[integer == whole]).sum() for whole, part in zip((False, True), parts, strict=True))
    )
    built = time.process_time() - begin
    begin = time.process_time()
    model.solve(solver_name="highs", output_flag=False, threads=1, mip_rel_gap=GAP)
    return built, time.process_time() - begin, float(model.objective.value) + program.offset


def warm() -> None:
    """Unions of four companies: each by itself, and as the planner solves them, with starts and parts known."""
    print("\nUnions of four companies at the rung that shares everything: cold (nothing known) and warm")
    print(f"{'coalition':20} {'cold CPU s':>10} {'warm CPU s':>10} {'cold value':>14} {'warm value':>14}")
    totals = [0.0, 0.0]
    for name, spent, values in cold_and_warm():
        totals = [a + b for a, b in zip(totals, spent, strict=True)]
        print(f"{name:20} {spent[0]:10.1f} {spent[1]:10.1f} {values[0]:14,.0f} {values[1]:14,.0f}", flush=True)
    ratio = totals[0] / totals[1]
    print(f"together {totals[0]:.0f} and {totals[1]:.0f}: {ratio:.1f} x; bar 3 x: {'yes' if ratio >= 3 else 'NO'}")


def cold_and_warm() -> Iterator[tuple[str, tuple[float, float], tuple[float, float]]]:
    """Coalition, CPU seconds cold and warm, values cold and warm."""
    study, catalogue, performance = alliance(4, 8, 5, 12, 7)
    facts = read_facts(study, catalogue, performance)
    memory = Memory()
    game = play(facts, memory, gap=1e3, effort=QUICK, executor=None)
    for size in (2, 3, 4):
        for blocs in itertools.combinations(game.blocs, size):
            scope = game.scope(blocs, "shared")
            first = game.scope(blocs, game.facts.baseline_rung)
            base = _baseline_of(game, blocs)
            gap = 0.01 * max(1e-3 * base.value, 1.0)
            begin = time.process_time()
            cold = solve_scope(scope, gap_absolute=gap)
            between = time.process_time()
            warmed = solve_scopes([request(scope, base, 0.01, game.baseline.links)], memory=memory)[0]
            spent = (between - begin, time.process_time() - between)
            yield first.coalition, spent, (cold.value, warmed.value)


def growth(most: int, seconds: float, effort: plan.Effort) -> None:
    """Time and gap of the grand coalition as the alliance grows."""
    named = "thorough" if effort == plan.THOROUGH else "the effort of a plain run"
    print(
        f"\nGenerated alliances, grand coalition at the rung that shares everything ({named}, at most {seconds:.0f} s"
        " for each part of a program)"
    )
    head = ("companies", "programmes", "years", "modules", "suppliers", "columns", "whole", "CPU s", "saving", "gap")
    print(" ".join(f"{word:>10}" for word in head) + f" {'gap/saving':>10} {'gap/value':>10}  status")
    for size in SIZES[:most]:
        columns, whole, spent, saving, found = grown(size, seconds, effort)
        cells = (*size, columns, whole)
        print(
            " ".join(f"{cell:10,}" for cell in cells)
            + f" {spent:10.1f} {saving:10,.0f} {found.gap:10,.0f} {found.gap / saving:10.1%}"
            + f" {found.gap / found.value:10.3%}  {found.status}",
            flush=True,
        )


def grown(
    size: tuple[int, int, int, int, int], seconds: float, effort: plan.Effort
) -> tuple[int, int, float, float, Any]:
    """Columns, whole columns, CPU seconds, saving and plan of the grand coalition of one generated alliance."""
    study, catalogue, performance = alliance(*size)
    name = "+".join(study.companies)
    begin = time.process_time()
    plans = plan.solve(
        study, catalogue, performance, rungs=("shared",), coalitions=(name,), time_limit_s=seconds, effort=effort
    )
    spent = time.process_time() - begin
    found = plans.by_key[(name, "shared")]
    program = build(Scope(read_facts(study, catalogue, performance), name, "shared", study.companies)).program
    return len(program.cost), sum(program.integer), spent, plans.value(name, study.baseline_rung) - found.value, found


def tenders(seeds: list[int]) -> None:
    """The bars of the sourcing optimiser (benchmarks/award.py)."""
    import award

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        award.build_times(work)
        award.facility(work)
        award.ctqd(work)
        award.small(work, seeds)
        award.large(work, seeds, 30.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=["tools", "warm", "growth", "tenders"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 8])
    parser.add_argument("--pyomo", help="interpreter of an environment with pyomo and highspy")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="how many of the sizes")
    parser.add_argument("--seconds", type=float, default=300.0, help="limit of each part of a program in growth")
    parser.add_argument("--plain", action="store_true", help="growth with the effort of a plain run, not --thorough's")
    options = parser.parse_args()
    if "tools" in options.only:
        tools(options.pyomo)
    if "warm" in options.only:
        warm()
    if "growth" in options.only:
        growth(options.sizes, options.seconds, plan.QUICK if options.plain else plan.THOROUGH)
    if "tenders" in options.only:
        tenders(options.seeds)


def table_rows(quick: bool) -> Iterator[Row]:
    """Rows for ``python -m benchmarks``; what the shipped study takes is a row of whole_line.py."""
    from benchmarks.table import Row, Stopwatch, not_installed, version_in, with_package

    watch, pyomo = Stopwatch(), with_package("pyomo")
    found = {name: figures for name, *figures in tool_times(pyomo)[1]}
    ours = found["teikei arrays"]
    for name, package, title in (
        ("linopy", "linopy", "the program of two companies, built and solved"),
        ("pyomo, appsi_highs", "pyomo", "the same, built and solved"),
    ):
        if name in found:
            theirs = found[name]
            python = sys.executable if package == "linopy" else str(pyomo)
            peer = f"{version_in(python, package)}: {theirs[0]:.2f} + {theirs[1]:.2f} s, same objective"
            same = abs(theirs[2] - ours[2]) <= 2 * GAP * abs(ours[2])
            yield Row(
                title, f"{ours[0]:.2f} + {ours[1]:.2f} s", peer, same and sum(ours[:2]) <= sum(theirs[:2]), watch.lap()
            )
        else:
            yield not_installed(title, package)
    if not quick:
        pairs = list(cold_and_warm())
        cold, warmed = (sum(spent[at] for _, spent, _ in pairs) for at in (0, 1))
        title = f"{len(pairs)} unions of four companies, knowing the other plans against knowing nothing"
        yield Row(title, f"{warmed:.0f} s against {cold:.0f} s", "3 times as fast", cold >= 3 * warmed, watch.lap())
    for size in SIZES[: 1 if quick else 2]:  # the larger ones take longer: --only growth
        columns, whole, _, saving, one = grown(size, 30.0, plan.THOROUGH)
        title = "grand coalition of {} companies, {} programmes, {} years, {} modules, {} suppliers: gap".format(*size)
        told = f"{one.gap / saving:.1%} of the saving, {one.gap / one.value:.3%} of the cost"
        yield Row(title, told, f"no bar ({columns:,} columns, {whole:,} whole)", None, watch.lap())


if __name__ == "__main__":
    main()
