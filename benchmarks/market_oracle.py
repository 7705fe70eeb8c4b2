"""Reference prices of the 1990 car market from pyblp, and how long pyblp needs for them.

Runs in an environment of its own that holds pyblp 1.3 (``.venv-oracle``), never in the product's:

    .venv-oracle/bin/python benchmarks/market_oracle.py --out tests/data/market  # writes the reference files
    .venv-oracle/bin/python benchmarks/market_oracle.py --time                       # prints CPU seconds as JSON

Demand is the random-coefficient logit of Berry, Levinsohn and Pakes (1995), Table IV: sigma (3.612, 0, 4.628, 1.818,
1.050, 2.056) on (1, price, hpwt, air, mpd, space), pi = -43.501 on price / income; products and agents as shipped with
pyblp.
"""

import argparse
import csv
import json
import pathlib
import time

import numpy as np
import pyblp

SIGMA = np.diag([3.612, 0, 4.628, 1.818, 1.050, 2.056])
PI = np.array([[0], [-43.501], [0], [0], [0], [0]])
YEAR = 1990
CHARACTERISTICS = ("hpwt", "air", "mpd", "space")
CASES = {  # name: (firm that is bought, by whom, firms whose cost changes, factor)
    "base": (None, None, (), 1.0),
    "merger_3_2": (3, 2, (), 1.0),
    "merger_3_1": (3, 1, (), 1.0),
    "merger_16_19": (16, 19, (), 1.0),
    "cut5_2_3": (None, None, (2, 3), 0.95),
    "cut5_merger_3_2": (3, 2, (2, 3), 0.95),
    "cut20_19": (None, None, (19,), 0.80),
    "rise10_all_1": (None, None, (1,), 1.10),
}


def results():
    """Demand at the published parameters, nothing estimated."""
    pyblp.options.verbose = False
    products = np.genfromtxt(pyblp.data.BLP_PRODUCTS_LOCATION, names=True, delimiter=",", dtype=None, encoding="utf-8")
    agents = np.genfromtxt(pyblp.data.BLP_AGENTS_LOCATION, names=True, delimiter=",", dtype=None, encoding="utf-8")
    problem = pyblp.Problem(
        (
            pyblp.Formulation("1 + hpwt + air + mpd + space"),
            pyblp.Formulation("1 + prices + hpwt + air + mpd + space"),
        ),
        products,
        pyblp.Formulation("0 + I(1 / income)"),
        agents,
    )
    solved = problem.solve(
        SIGMA,
        PI,
        method="1s",
        optimization=pyblp.Optimization("return"),
        iteration=pyblp.Iteration("squarem", {"atol": 1e-14}),
    )
    return products, agents, solved


def case_inputs(case, firm, cost):
    gone, into, cheaper, factor = CASES[case]
    owner = np.where(firm == gone, into, firm) if gone is not None else firm
    return owner, np.where(np.isin(firm, cheaper), cost * factor, cost)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--time", action="store_true")
    arguments = parser.parse_args()
    products, agents, solved = results()
    here = products[products["market_ids"] == YEAR]
    buyers = agents[agents["market_ids"] == YEAR]
    firm = here["firm_ids"]
    cost = solved.compute_costs(market_id=YEAR).ravel()
    if arguments.time:
        owner, changed = case_inputs("cut5_merger_3_2", firm, cost)
        seconds = []
        for _ in range(6):
            start = time.process_time()
            solved.compute_prices(firm_ids=owner, costs=changed, market_id=YEAR)
            seconds.append(time.process_time() - start)
        print(
            json.dumps({"pyblp": pyblp.__version__, "products": len(here), "types": len(buyers), "cpu_s": min(seconds)})
        )
        return
    exact = pyblp.Iteration("simple", {"atol": 1e-14, "max_evaluations": 20_000})
    prices = {}
    for case in CASES:
        owner, changed = case_inputs(case, firm, cost)
        prices[case] = solved.compute_prices(firm_ids=owner, costs=changed, market_id=YEAR, iteration=exact).ravel()
    delta = solved.delta[products["market_ids"] == YEAR].ravel()
    with (arguments.out / "ref_blp_products_1990.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["firm_id", "share", "price", *CHARACTERISTICS, "delta", "cost", *(f"price_{c}" for c in CASES)]
        )
        for k, row in enumerate(here):
            values = [row["shares"], row["prices"], *(row[name] for name in CHARACTERISTICS), delta[k], cost[k]]
            values += [prices[case][k] for case in CASES]
            writer.writerow([row["firm_ids"], *(repr(float(value)) for value in values)])
    names = ["weights", "income", *(name for name in buyers.dtype.names if name.startswith("nodes"))]
    with (arguments.out / "ref_blp_agents_1990.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([[repr(float(row[name])) for name in names] for row in buyers])


if __name__ == "__main__":
    main()
