"""Claim: the nucleolus of 20 players takes under one second of one core; beside it the seconds of coopgame-py.

PYTHONPATH=src python benchmarks/split.py [--players 20] [--peer]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np

from teikei.split.game import coalition_sizes, coalition_sums
from teikei.split.nucleolus import prenucleolus
from teikei.split.types import Vector
from teikei.split.values import shapley


def games(count: int) -> Iterator[tuple[str, Vector]]:
    """Kinds of games that differ in how many coalitions are tight at the nucleolus."""
    rng = np.random.default_rng(1)
    size = coalition_sizes(count)
    weight = coalition_sums(rng.integers(1, 50, count).astype(float))
    yield "random", rng.random(1 << count) * (size > 0)
    yield "random per head", rng.random(1 << count) * size
    yield "weighted voting", (weight > 0.6 * weight[-1]).astype(float)
    yield "bankruptcy", np.maximum(0.0, 0.6 * weight[-1] - (weight[-1] - weight))
    yield "symmetric convex", size**2 / 10
    yield (
        "tiered purchase",
        -weight * np.select([weight > 0.8 * weight[-1], weight > 0.4 * weight[-1]], [0.9, 0.95], 1.0),
    )


def main() -> None:
    """Print one row a game: CPU seconds of nucleolus and Shapley value, of the peer, and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--players", type=int, default=20)
    parser.add_argument("--peer", action="store_true", help="also time coopgame-py and compare")
    options = parser.parse_args()
    print(f"{'game':20} {'nucleolus s':>12} {'shapley s':>10} {'peer s':>8} {'difference':>11}")
    for name, worth in games(options.players):
        start = time.process_time()
        share = prenucleolus(worth)
        middle = time.process_time()
        shapley(worth)
        end = time.process_time()
        peer_seconds, difference = "", ""
        if options.peer:
            import coopgame

            game = coopgame.Game(worth[1:].tolist())
            begin = time.process_time()
            other = np.array(coopgame.prenucleolus(game)["allocation"])
            peer_seconds = f"{time.process_time() - begin:8.2f}"
            difference = f"{np.abs(other - share).max() / np.abs(worth).max():11.1e}"
        print(f"{name:20} {middle - start:12.3f} {end - middle:10.3f} {peer_seconds:>8} {difference:>11}")


if __name__ == "__main__":
    main()
