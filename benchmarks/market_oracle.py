"""Reference prices of the 1990 car market from pyblp, and how long pyblp needs for them.

Runs in an environment of its own that holds pyblp 1.3 (``.venv-oracle``), never in the product's:

    .venv-oracle/bin/python benchmarks/market_oracle.py --out tests/data/market  # writes the reference files
    .venv-oracle/bin/python benchmarks/market_oracle.py --hard tests/data/market    # two markets of 1990 that stall
    .venv-oracle/bin/python benchmarks/market_oracle.py --random tests/data/market  # random markets, and seconds
    .venv-oracle/bin/python benchmarks/market_oracle.py --measures                   # prints HHI, profits, surplus
    .venv-oracle/bin/python benchmarks/market_oracle.py --time                       # prints CPU seconds as JSON

Demand is the random-coefficient logit of Berry, Levinsohn and Pakes (1995), Table IV: sigma (3.612, 0, 4.628, 1.818,
1.050, 2.056) on (1, price, hpwt, air, mpd, space), pi = -43.501 on price / income; products and agents as shipped with
pyblp.
"""

import argparse
import csv
import json
import pathlib
import sys
import time
import warnings

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


RHO = 0.7  # nests by region: home of the maker
# every kind, and those on which acceleration from the first step led astray
RANDOM = (*range(0, 300, 8), 9, 23, 30, 37, 95, 119, 142, 156, 180, 198, 231, 239, 246, 275, 311, 396, 430)


def results(rho=None):
    """Demand at the published parameters, nothing estimated; nests by region where ``rho`` is given."""
    pyblp.options.verbose = False
    products = np.genfromtxt(pyblp.data.BLP_PRODUCTS_LOCATION, names=True, delimiter=",", dtype=None, encoding="utf-8")
    agents = np.genfromtxt(pyblp.data.BLP_AGENTS_LOCATION, names=True, delimiter=",", dtype=None, encoding="utf-8")
    told = products
    if rho is not None:
        told = {name: products[name] for name in products.dtype.names} | {"nesting_ids": products["region"]}
    problem = pyblp.Problem(
        (
            pyblp.Formulation("1 + hpwt + air + mpd + space"),
            pyblp.Formulation("1 + prices + hpwt + air + mpd + space"),
        ),
        told,
        pyblp.Formulation("0 + I(1 / income)"),
        agents,
    )
    solved = problem.solve(
        SIGMA,
        PI,
        method="1s",
        optimization=pyblp.Optimization("return"),
        iteration=pyblp.Iteration("squarem", {"atol": 1e-14, "max_evaluations": 5_000}),
        **({} if rho is None else {"rho": rho}),
    )
    return products, agents, solved


def case_inputs(case, firm, cost):
    gone, into, cheaper, factor = CASES[case]
    owner = np.where(firm == gone, into, firm) if gone is not None else firm
    return owner, np.where(np.isin(firm, cheaper), cost * factor, cost)


def hard(out):
    """ref_blp_hard_1990.csv: monopoly, and General Motors with Chrysler in nests by region at rho 0.7."""
    exact = pyblp.Iteration("simple", {"atol": 1e-13, "max_evaluations": 20_000})
    products, _, plain = results()
    _, _, nested = results(RHO)
    at = products["market_ids"] == YEAR
    firm = products["firm_ids"][at]
    cost = {
        "monopoly": plain.compute_costs(market_id=YEAR).ravel(),
        "rcnl": nested.compute_costs(market_id=YEAR).ravel(),
    }
    alone = plain.compute_prices(
        ownership=np.ones((at.sum(), at.sum())), costs=cost["monopoly"], market_id=YEAR, iteration=exact
    ).ravel()
    merged = nested.compute_prices(
        firm_ids=np.where(firm == 16, 19, firm), costs=cost["rcnl"], market_id=YEAR, iteration=exact
    ).ravel()
    with (out / "ref_blp_hard_1990.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["region", "price_monopoly", "delta_rcnl", "cost_rcnl", "price_rcnl_merger_16_19"])
        delta = nested.delta[at].ravel()
        for row in zip(products["region"][at], alone, delta, cost["rcnl"], merged, strict=True):
            writer.writerow([row[0], *(repr(float(value)) for value in row[1:])])


def measures():
    """HHI, profits, consumer surplus and diversion of the 1990 market, observed prices."""
    _, _, solved = results()
    cost = solved.compute_costs(market_id=YEAR)
    diversion = solved.compute_diversion_ratios(market_id=YEAR)
    return {
        "hhi": float(solved.compute_hhi(market_id=YEAR).ravel()[0]),
        "profits": float(solved.compute_profits(costs=cost, market_id=YEAR).sum()),
        "consumer_surplus": float(solved.compute_consumer_surpluses(market_id=YEAR).ravel()[0]),
        "diversion_inside_first": float(np.delete(diversion[0], 0).sum()),
    }


def random_prices(out):
    """ref_random_pyblp.csv: prices of ``tests/market/random_markets.py`` from cost, and CPU seconds of each market."""
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
    from tests.market.random_markets import made

    warnings.simplefilter("ignore")
    stop = pyblp.Iteration("simple", {"atol": 1e-12, "max_evaluations": 5_000})
    with (out / "ref_random_pyblp.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["seed", "product", "price", "cpu_s"])
        for seed in RANDOM:
            market, parts = made(seed)
            products, types = market["utility"].shape
            table = {"market_ids": np.zeros(products, int), "firm_ids": np.arange(products), "base": parts["base"]}
            table |= {f"x{k}": parts["x"][:, k] for k in range(3)} | {"ownership": market["ownership"]}
            if market["nest"] is not None:
                table["nesting_ids"] = market["nest"]
            buyers = {
                "market_ids": np.zeros(types, int),
                "weights": market["weight"],
                "nodes": np.column_stack([np.zeros(types), parts["nodes"]]),
                "slope": market["price_slope"],
            }
            simulation = pyblp.Simulation(
                (pyblp.Formulation("0 + base"), pyblp.Formulation("0 + prices + x0 + x1 + x2")), table, beta=[1.0],
                sigma=np.diag([0, *parts["sigma"]]), pi=[[-1], [0], [0], [0]],
                agent_formulation=pyblp.Formulation("0 + slope"), agent_data=buyers,
                rho=market["nest_parameter"] or None, xi=np.zeros(products), seed=0,
            )  # fmt: skip
            start = time.process_time()
            solved = simulation.replace_endogenous(
                costs=market["cost"], iteration=stop, compute_gradients=False, compute_hessians=False
            )
            seconds = time.process_time() - start
            for product, price in enumerate(solved.product_data.prices.ravel()):
                writer.writerow([seed, product, repr(float(price)), f"{seconds:.4f}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--hard", type=pathlib.Path)
    parser.add_argument("--random", type=pathlib.Path)
    parser.add_argument("--measures", action="store_true")
    parser.add_argument("--time", action="store_true")
    arguments = parser.parse_args()
    pyblp.options.verbose = False
    if arguments.measures:
        print(json.dumps(measures()))
        return
    if arguments.hard or arguments.random:
        if arguments.hard:
            hard(arguments.hard)
        if arguments.random:
            random_prices(arguments.random)
        return
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
