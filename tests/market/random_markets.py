"""Random markets that pyblp can solve too: tastes of rank three, seven kinds of ownership, nests up to 0.9.

numpy alone: ``benchmarks/market_oracle.py --random`` reads it in the environment that holds pyblp.
"""

import numpy as np

KINDS = ("single", "firms", "monopoly", "merger", "partial", "asymmetric", "kappa")


def made(seed):
    """The market of ``seed``: arguments of ``equilibrium``, and base, x, nodes, sigma that make up its utility."""
    rng = np.random.default_rng((2026, seed))
    products, types, rank = int(rng.integers(1, 31)), int(rng.integers(10, 150)), 3
    spread = float(np.exp(rng.uniform(np.log(0.1), np.log(4))))
    kind = KINDS[seed % 7]
    rho = 0.0 if (seed // 7) % 2 == 0 else float(rng.uniform(0.05, 0.9))
    nest = rng.integers(0, max(1, min(products, int(rng.integers(1, 5)))), products)
    x, nodes = rng.normal(0, 1, (products, rank)), rng.normal(0, 1, (types, rank))
    sigma = spread * rng.uniform(0.2, 1.5, rank)
    slope = np.exp(rng.uniform(-0.7, 1.2) + rng.uniform(0, 1.0) * rng.normal(0, 1, types))
    weight = rng.dirichlet(np.ones(types) * 2) + 1e-6
    cost = np.exp(rng.normal(0.5, 0.5, products))
    base = rng.normal(0, 1.5, products) + np.median(slope) * cost * rng.uniform(0.3, 1.2) + rng.uniform(-3, 2)
    firm = rng.integers(0, max(products // 3, 1) + 1, products)
    own, first, second = firm[:, None] == firm, firm == 0, firm == 1
    ownership = own.astype(float)
    if kind == "single":
        ownership = np.eye(products)
    elif kind == "monopoly":
        ownership = np.ones((products, products))
    elif kind == "merger":
        firm = np.where(second, 0, firm)
        ownership = (firm[:, None] == firm).astype(float)
    elif kind == "partial":
        part = np.where(first[:, None] & second, rng.uniform(0.1, 0.9), 0)
        ownership = np.maximum(ownership, part + part.T)
    elif kind == "asymmetric":
        ownership = np.maximum(ownership, np.where(first[:, None] & second, rng.uniform(0.1, 0.9), 0))
        ownership = np.maximum(ownership, np.where(second[:, None] & first, rng.uniform(0, 0.3), 0))
    elif kind == "kappa":
        ownership = np.maximum(ownership, rng.uniform(0.05, 0.6))
    np.fill_diagonal(ownership, 1)
    return {
        "cost": cost,
        "utility": base[:, None] + x @ (sigma[:, None] * nodes.T),
        "price_slope": slope,
        "weight": weight / weight.sum(),
        "ownership": ownership,
        "nest": nest if rho else None,
        "nest_parameter": rho,
    }, {"base": base, "x": x, "nodes": nodes, "sigma": sigma}
