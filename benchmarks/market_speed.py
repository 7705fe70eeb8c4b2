"""How fast are market equilibria, and how do they compare with pyblp on its own car data?

    python benchmarks/market_speed.py [--oracle .venv-oracle/bin/python]

One thread. (1) 1,000 markets of 40 products and 200 consumer types, plain and nested, from marginal cost to
first-order conditions within 1e-12. (2) One market of the 1990 car data (131 products, 200 types) after a merger with a
cost cut; with ``--oracle`` (an environment that holds pyblp 1.3), pyblp's ``compute_prices`` on the same case in the
same run. CPU seconds, best of several; compilation is told apart.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import polars as pl

from teikei.market import equilibrium

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent / "tests" / "data" / "market"


def made_up(markets, products, types, nests, rho, seed=1):
    rng = np.random.default_rng(seed)
    firm = rng.integers(0, 8, products)
    return {
        "cost": rng.uniform(0.8, 2.5, (markets, products)),
        "utility": rng.normal(0, 1, (markets, products, 1)) + rng.normal(0, 1, (markets, products, types)),
        "price_slope": rng.lognormal(0.8, 0.35, (markets, types)),
        "weight": np.full(types, 1 / types),
        "ownership": (firm[:, None] == firm).astype(float),
        "nest": np.arange(products) % nests if nests else None,
        "nest_parameter": rho,
    }


def cars():
    table = pl.read_csv(DATA / "ref_blp_products_1990.csv")
    agents = pl.read_csv(DATA / "ref_blp_agents_1990.csv").to_numpy()
    columns = np.column_stack([np.ones(table.height), *(table[name] for name in ("hpwt", "air", "mpd", "space"))])
    taste = columns @ (np.array([3.612, 4.628, 1.818, 1.050, 2.056])[:, None] * agents[:, 2:].T)
    firm = table["firm_id"].to_numpy()
    owner = np.where(firm == 3, 2, firm)
    return {
        "cost": table["cost"].to_numpy() * np.where(np.isin(firm, (2, 3)), 0.95, 1.0),
        "utility": table["delta"].to_numpy()[:, None] + taste,
        "price_slope": 43.501 / agents[:, 1],
        "weight": agents[:, 0],
        "ownership": (owner[:, None] == owner).astype(float),
        "start": table["price"].to_numpy(),
    }, table["price_cut5_merger_3_2"].to_numpy()


def cpu(work, times):
    seconds = []
    for _ in range(times):
        start = time.process_time()
        found = work()
        seconds.append(time.process_time() - start)
    return min(seconds), found


CASES = (("mixed logit", 0, 0.0), ("4 nests, rho 0.5", 4, 0.5))


def pyblp_seconds(python):
    """Version and CPU seconds of pyblp's compute_prices, run by the interpreter ``python``."""
    command = [python, str(HERE / "market_oracle.py"), "--time"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def table_rows(quick):
    """Rows for ``python -m benchmarks``."""
    from benchmarks.table import Row, Stopwatch, not_installed, with_package

    watch = Stopwatch()
    equilibrium(**made_up(1, 3, 2, 0, 0.0))
    for label, nests, rho in CASES:
        market = made_up(1000, 40, 200, nests, rho)
        seconds, found = cpu(lambda market=market: equilibrium(**market), 1 if quick else 3)
        residual = found.residual.max()
        yield Row(
            f"1,000 markets x 40 products x 200 types, {label}, first-order conditions within 1e-12",
            f"{seconds:.2f} s, residual {residual:.0e}", "4 s", bool(seconds <= 4.0 and residual <= 1e-12), watch.lap(),
        )  # fmt: skip
    market, reference = cars()
    seconds, found = cpu(lambda: equilibrium(**market), 20)
    difference = np.abs(found.price - reference).max()
    yield Row(
        "prices of the 1990 car market (131 products, 200 types) after a merger: largest difference",
        f"{difference:.0e} (thousand dollars)", "pyblp 1.3 (stored reference), 1e-8", bool(difference < 1e-8),
        watch.lap(),
    )  # fmt: skip
    title = "the same market beside pyblp's compute_prices"
    python = with_package("pyblp")
    if python is None:
        yield not_installed(title, "pyblp")
        return
    peer = pyblp_seconds(python)
    ratio = peer["cpu_s"] / seconds
    told = f"pyblp {peer['pyblp']}: {1e3 * peer['cpu_s']:.1f} ms; 5 times as fast"
    yield Row(title, f"{1e3 * seconds:.2f} ms, {ratio:.1f} times as fast", told, ratio >= 5, watch.lap())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", help="python of an environment with pyblp")
    arguments = parser.parse_args()
    start = time.process_time()
    equilibrium(**made_up(1, 3, 2, 0, 0.0))
    print(f"compiling or loading the compiled kernels: {time.process_time() - start:.2f} CPU-s")
    for label, nests, rho in CASES:
        market = made_up(1000, 40, 200, nests, rho)
        seconds, found = cpu(lambda market=market: equilibrium(**market), 3)
        print(
            f"1,000 markets x 40 products x 200 types, {label}: {seconds:.2f} CPU-s (aim 4.0), "
            f"largest residual {found.residual.max():.1e}, iterations at most {found.iterations.max()}"
        )
    market, reference = cars()
    seconds, found = cpu(lambda: equilibrium(**market), 20)
    print(
        f"1990 car market, 131 products x 200 types: {1e3 * seconds:.2f} CPU-ms, {found.iterations} iterations, "
        f"largest difference from pyblp's prices {np.abs(found.price - reference).max():.1e}"
    )
    if not arguments.oracle:
        print("pyblp: not run (give --oracle)")
        return 0
    peer = pyblp_seconds(arguments.oracle)
    print(f"pyblp {peer['pyblp']} compute_prices, same case: {1e3 * peer['cpu_s']:.2f} CPU-ms")
    print(f"ratio: {peer['cpu_s'] / seconds:.1f} times (aim 5)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
