"""Claims of the stages split and develop, one row each: bar, what was measured, CPU seconds of one core.

PYTHONPATH=src python benchmarks/split.py [--players 20] [--games 200] [--peer]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from teikei.develop.program import Options
from teikei.develop.project import solve
from teikei.develop.types import Job, Milestone, Mode, Precedence, Project
from teikei.split import split_file
from teikei.split.game import coalition_sizes, coalition_sums
from teikei.split.nucleolus import prenucleolus
from teikei.split.types import Vector
from teikei.split.values import shapley

if TYPE_CHECKING:
    from benchmarks.table import Row

GAME_FILES = Path(__file__).parents[1] / "tests" / "data" / "games"
NAMES = {"ECA_equal_nonseparable": "equal_nonseparable", "ACA_SCRB": "separable_cost_remaining_benefits"}
FT06 = (
    "2 1 0 3 1 6 3 7 5 3 4 6|1 8 2 5 4 10 5 10 0 10 3 4|2 5 3 4 5 8 0 9 1 1 4 7|"
    "1 5 0 5 2 5 3 3 4 8 5 9|2 9 1 3 4 5 5 4 0 3 3 1|1 3 3 3 5 9 0 10 4 4 2 1"
)


def games(count: int, seed: int = 1) -> Iterator[tuple[str, Vector]]:
    """Kinds of games that differ in how many coalitions are tight at the nucleolus."""
    rng = np.random.default_rng(seed)
    size = coalition_sizes(count)
    mask = np.arange(1 << count)
    weight = coalition_sums(rng.integers(1, 50, count).astype(float))
    total = weight[-1]
    half = count // 2
    left = sum((mask >> i & 1) for i in range(half))
    right = sum((mask >> i & 1) for i in range(half, count))
    pairs = np.zeros(1 << count)
    for i in range(count):
        for j in range(i):
            pairs += (mask >> i & mask >> j & 1) * rng.random()
    yield "random", rng.random(1 << count) * (size > 0)
    yield "random per head", rng.random(1 << count) * size
    yield "small integers", rng.integers(0, 4, 1 << count) * (size > 0).astype(float)
    yield "weighted voting", (weight > 0.6 * total).astype(float)
    yield "bankruptcy", np.maximum(0.0, 0.6 * total - (total - weight))
    yield "symmetric convex", size**2 / 10
    yield "convex", weight**2 / total
    yield "tiered purchase", -weight * np.select([weight > 0.8 * total, weight > 0.4 * total], [0.9, 0.95], 1.0)
    yield "economies of scale", -np.sqrt(weight)
    yield "gloves", np.minimum(left, right).astype(float)
    yield "pairs, convex", pairs
    yield "pairs, concave", weight / total - 0.1 * pairs


def _row(claim: str, bar: str, measured: str, seconds: float) -> None:
    print(f"{claim:58} {bar:22} {measured:34} {seconds:8.3f}")


def nucleolus_seconds(count: int) -> Iterator[tuple[str, float]]:
    """CPU seconds of the nucleolus of one large game of each kind."""
    for name, worth in games(count):
        start = time.process_time()
        prenucleolus(worth)
        yield name, time.process_time() - start


def shapley_seconds(count: int) -> float:
    """CPU seconds of the Shapley value of a large game."""
    worth = next(games(count))[1]
    start = time.process_time()
    shapley(worth)
    return time.process_time() - start


def speed(count: int) -> None:
    """Nucleolus and Shapley value of large games."""
    slowest = 0.0
    for name, spent in nucleolus_seconds(count):
        slowest = max(slowest, spent)
        _row(f"nucleolus, {count} players: {name}", "under 1 s", "", spent)
    _row(f"nucleolus, {count} players: slowest kind", "under 1 s", "held" if slowest < 1 else "NOT HELD", slowest)
    _row(f"Shapley value, {count} players", "", "", shapley_seconds(count))


def differences(count: int) -> tuple[dict[str, float], int]:
    """Largest difference from coopgame-py on random games of 3 to 8 players, relative to the largest value; count."""
    import coopgame

    worst = {"Shapley value": 0.0, "prenucleolus": 0.0}
    compared = seed = 0
    while compared < count:
        seed += 1
        for _, worth in games(3 + seed % 6, seed):
            other = coopgame.Game(worth[1:].tolist())
            scale = max(1.0, float(np.abs(worth).max()))
            pairs = {
                "Shapley value": (shapley(worth), np.array(coopgame.shapley(other))),
                "prenucleolus": (prenucleolus(worth), np.array(coopgame.prenucleolus(other)["allocation"])),
            }
            for name, (mine, theirs) in pairs.items():
                worst[name] = max(worst[name], float(np.abs(mine - theirs).max()) / scale)
            compared += 1
    return worst, compared


def agreement(count: int) -> None:
    """Both rules against coopgame-py."""
    start = time.process_time()
    worst, compared = differences(count)
    spent = time.process_time() - start
    for name, difference in worst.items():
        _row(f"{name} against coopgame-py, {compared} games", "difference < 1e-7", f"{difference:.1e}", spent)


def peer_seconds(count: int) -> None:
    """Seconds of coopgame-py for one large game of each kind."""
    import coopgame

    for name, worth in games(count):
        game = coopgame.Game(worth[1:].tolist())
        start = time.process_time()
        coopgame.prenucleolus(game)
        _row(f"coopgame-py, nucleolus, {count} players: {name}", "", "", time.process_time() - start)


def file_differences() -> tuple[int, int, float]:
    """Game files of the tests, rules with a reference value, largest relative difference from them."""
    worst, compared = 0.0, 0
    paths = sorted(GAME_FILES.glob("*.json"))
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            split_file(path, Path(folder) / "out.json")
            rules = json.loads((Path(folder) / "out.json").read_text())["rules"]
            for name, expected in json.loads(path.read_text())["computed_reference"].items():
                if isinstance(expected, list):
                    got = list(rules[NAMES.get(name, name)].values())
                    scale = max(1.0, *(abs(value) for value in expected))
                    worst = max([worst, *(abs(a - b) / scale for a, b in zip(got, expected, strict=True))])
                    compared += 1
    return len(paths), compared, worst


def files() -> None:
    """Every game file of the tests against its reference values."""
    start = time.process_time()
    count, compared, worst = file_differences()
    spent = time.process_time() - start
    _row(f"{count} game files, {compared} rules with a reference", "difference < 1e-6", f"{worst:.1e}", spent)


def job_shop_found() -> tuple[float, float, float]:
    """Periods found, periods proven, CPU seconds: see ``job_shop``."""
    jobs, before = [], []
    for row, line in enumerate(FT06.split("|")):
        numbers = [int(text) for text in line.split()]
        for step, (machine, length) in enumerate(zip(numbers[::2], numbers[1::2], strict=True)):
            jobs.append(Job(f"{row}.{step}", length, (Mode("only", {f"M{machine}": (1.0,) * length}),)))
            if step:
                before.append(Precedence(f"{row}.{step - 1}", f"{row}.{step}", jobs[-2].duration))
    capacity = {f"M{machine}": (1.0,) * 56 for machine in range(6)}
    end = Milestone("end", 54, tuple(one.name for one in jobs))
    start = time.process_time()
    found = solve(Project(tuple(jobs), tuple(before), capacity, (end,), 56), Options(proof=False))
    return 54 + found.late_total, 54 + found.late_bound, time.process_time() - start


def job_shop() -> None:
    """Fisher and Thompson (1963), instance ft06: the optimum of 55 periods is met, and 54 proven impossible."""
    periods, proven, spent = job_shop_found()
    told = f"{periods:.0f} periods, at least {proven:.0f}"
    _row("job shop ft06 (Fisher and Thompson 1963)", "55 periods", told, spent)


def table_rows(quick: bool) -> Iterator[Row]:
    """Rows for ``python -m benchmarks``."""
    from benchmarks.table import Row, Stopwatch, not_installed, version_in, with_package

    players, watch = 16 if quick else 20, Stopwatch()
    spent = dict(nucleolus_seconds(players))
    slowest = max(spent, key=lambda name: spent[name])
    title = f"nucleolus, {players} players, {len(spent)} kinds of games: slowest ({slowest})"
    yield Row(title, f"{spent[slowest]:.2f} s", "1 s", spent[slowest] <= 1.0, watch.lap())
    yield Row(f"Shapley value, {players} players", f"{shapley_seconds(players):.2f} s", "no bar", None, watch.lap())
    title = "Shapley value and prenucleolus of random games: largest relative difference"
    if with_package("coopgame") == sys.executable:
        worst, compared = differences(50 if quick else 200)
        measured = f"{max(worst.values()):.1e} in {compared} games"
        peer = f"{version_in(sys.executable, 'coopgame-py')}, 1e-7"
        yield Row(title, measured, peer, max(worst.values()) < 1e-7, watch.lap())
    else:
        yield not_installed(title, "coopgame-py")
    count, compared, difference = file_differences()
    title = f"{count} published games, {compared} rules with a reference: largest relative difference"
    yield Row(title, f"{difference:.1e}", "1e-6", difference < 1e-6, watch.lap())
    periods, proven, _ = job_shop_found()
    least = math.ceil(proven - 1e-6)  # periods are whole
    told = f"{periods:.0f} periods, at least {least} proven"
    title = "job shop ft06 (Fisher and Thompson 1963)"
    yield Row(title, told, "55 periods (published optimum)", round(periods) == least == 55, watch.lap())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--players", type=int, default=20)
    parser.add_argument("--games", type=int, default=200, help="random games compared with coopgame-py")
    parser.add_argument("--peer", action="store_true", help="also time coopgame-py on the large games")
    options = parser.parse_args()
    print(f"{'claim':58} {'bar':22} {'measured':34} {'CPU s':>8}")
    speed(options.players)
    agreement(options.games)
    files()
    job_shop()
    if options.peer:
        peer_seconds(options.players)


if __name__ == "__main__":
    main()
