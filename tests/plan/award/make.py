"""Tenders for tests and benchmarks: written out as the CSV folders that ``teikei award`` reads."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parents[2] / "data" / "tenders"
HEADERS: Mapping[str, tuple[str, ...]] = {
    "items": ("item", "year", "quantity"),
    "suppliers": ("supplier", "activation_cost"),
    "capacity": ("supplier", "year", "capacity"),
    "offers": ("supplier", "item", "year", "unit_price"),
    "tiers": ("supplier", "year", "from_quantity", "discount"),
    "rules": ("rule", "scope", "value"),
    "bundles": ("bundle", "supplier", "items", "year", "min_share", "discount"),
    "take_or_pay": ("supplier", "items", "from_year", "to_year", "quantity", "price", "when"),
    "expansions": ("supplier", "from_year", "capacity", "cost"),
}
WIDER: Mapping[str, tuple[str, ...]] = {
    "offers": ("max_quantity", "min_quantity"),
    "tiers": ("item", "basis", "kind"),
    "capacity": ("min_quantity",),
}


def write_tender(folder: Path, **tables: Iterable[Sequence[Any]]) -> Path:
    """A tender folder from rows; offers may carry max_quantity and min_quantity as fifth and sixth cell."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        listed = [tuple(row) for row in rows]
        header = HEADERS[name]
        if any(len(row) > len(header) for row in listed):
            header = (*header, *WIDER[name])
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(header)
            writer.writerows(listed)
    return folder


def generated(
    folder: Path,
    *,
    years: int = 8,
    items: int = 300,
    suppliers: int = 25,
    tiers: int = 5,
    density: float = 0.4,
    seed: int = 1,
    max_share: float = 0.7,
    slack: float = 0.55,
) -> Path:
    """A multi-year total-quantity-discount tender after Goossens et al. 2007 and Manerba and Mansini 2012.

    About ``density`` of all supplier-item pairs are offered (at least three an item); tiers start at fixed shares of
    the yearly capacity; one-off activation; ``max_share`` of an item for one supplier. The draws come in the same
    order as in the generator the bars were set with, so a seed names the same tender.
    """
    rng = np.random.default_rng(seed)
    offered = rng.random((suppliers, items)) < density
    for k in range(items):
        while offered[:, k].sum() < 3:
            offered[rng.integers(suppliers), k] = True
    base = np.exp(rng.normal(3.5, 1.0, items))
    demand = rng.integers(20, 200, (items, 1)) * np.linspace(0.5, 1.3, years) * rng.uniform(0.8, 1.2, (items, years))
    demand = np.round(demand, 1)
    price = base[None, :, None] * rng.uniform(0.9, 1.25, (suppliers, items, 1)) * 0.985 ** np.arange(years)
    weight = rng.dirichlet(np.ones(suppliers) * 4) * suppliers
    sellable = (offered[:, :, None] * (max_share * demand)[None]).sum(1)
    capacity = np.minimum(sellable, demand.sum(0) / slack * weight[:, None] / suppliers * 1.6)
    low = np.array([0, 0.15, 0.30, 0.50, 0.75])[:tiers]
    step = rng.uniform(0.01, 0.035, (suppliers, tiers - 1))
    discount = np.cumsum(np.c_[np.zeros((suppliers, 1)), step], axis=1)
    activation = rng.uniform(0.004, 0.012, suppliers) * (base[:, None] * demand).sum() / suppliers * 2
    year = [2027 + t for t in range(years)]
    return write_tender(
        folder,
        items=[(f"I{k:03}", year[t], demand[k, t]) for k in range(items) for t in range(years)],
        suppliers=[(f"S{s:02}", activation[s]) for s in range(suppliers)],
        capacity=[(f"S{s:02}", year[t], capacity[s, t]) for s in range(suppliers) for t in range(years)],
        offers=[
            (f"S{s:02}", f"I{k:03}", year[t], price[s, k, t])
            for s in range(suppliers)
            for k in np.flatnonzero(offered[s])
            for t in range(years)
        ],
        tiers=[
            (f"S{s:02}", year[t], capacity[s, t] * low[r], discount[s, r])
            for s in range(suppliers)
            for t in range(years)
            for r in range(tiers)
        ],
        rules=[("max_share_per_item", "*", max_share)],
    )


def sites_and_customers(folder: Path, *, sites: int = 100, customers: int = 1_000, seed: int = 1) -> Path:
    """A facility location tender without tiers, of the size of OR-Library's large ones: sites in a square with a fixed
    cost and a capacity of about an eighth of the demand, every customer served from anywhere by distance."""
    rng = np.random.default_rng(seed)
    site, place = rng.uniform(0, 1, (sites, 2)), rng.uniform(0, 1, (customers, 2))
    demand = rng.integers(1, 117, customers).astype(float)
    price = np.sqrt(((site[:, None] - place[None]) ** 2).sum(axis=2)) * 600 * rng.uniform(0.7, 1.4, (sites, customers))
    fixed = rng.uniform(7e5, 14e5, sites)
    return write_tender(
        folder,
        items=[(f"C{k}", 1, demand[k]) for k in range(customers)],
        suppliers=[(f"W{s}", fixed[s]) for s in range(sites)],
        capacity=[(f"W{s}", 1, round(demand.sum() / 7.3)) for s in range(sites)],
        offers=[(f"W{s}", f"C{k}", 1, price[s, k]) for s in range(sites) for k in range(customers)],
    )


def facility_location(folder: Path, name: str) -> tuple[Path, float]:
    """An OR-Library capacitated facility location file as a tender of one year, and its published optimum.

    Sites become suppliers (fixed cost = activation), customers become items, the cost of serving a customer's whole
    demand becomes a price per unit.
    """
    numbers = iter((DATA / "beasley_cap" / f"{name}.txt").read_text().split())
    sites, customers = int(next(numbers)), int(next(numbers))
    site = [(float(next(numbers)), float(next(numbers))) for _ in range(sites)]
    items, offers = [], []
    for k in range(customers):
        demand = float(next(numbers))
        items.append((f"C{k}", 1, demand))
        offers += [(f"W{s}", f"C{k}", 1, float(next(numbers)) / demand) for s in range(sites)]
    optimum = float((DATA / "beasley_cap" / f"{name}.txt.opt").read_text().split()[-1])
    write_tender(
        folder,
        items=items,
        suppliers=[(f"W{s}", fixed) for s, (_, fixed) in enumerate(site)],
        capacity=[(f"W{s}", 1, capacity) for s, (capacity, _) in enumerate(site)],
        offers=offers,
    )
    return folder, optimum


def total_quantity_discount(folder: Path, name: str) -> Path:
    """A .ctqd file as a tender of one year: availability = largest quantity, percent discounts on total quantity."""
    sections: dict[str, list[list[float]]] = {}
    current = ""
    for line in (DATA / "ctqd" / f"{name}.ctqd").read_text().splitlines():
        if "_SECTION" in line:
            current = line.split("_SECTION")[0].strip()
            sections[current] = []
        elif current and line.strip() and line.strip() != "EOF":
            sections[current].append([float(cell) for cell in line.split()])
    offers, tiers = [], []
    for supplier, _, *cells in sections["OFFER"]:
        offers += [
            (f"S{supplier:g}", f"P{k:g}", 1, price, most, "")
            for k, price, most in zip(cells[::3], cells[1::3], cells[2::3], strict=True)
        ]
    for supplier, _, *cells in sections["DISCOUNT"]:
        tiers += [(f"S{supplier:g}", 1, low, cut / 100) for low, cut in zip(cells[::2], cells[1::2], strict=True)]
    return write_tender(
        folder,
        items=[(f"P{k:g}", 1, quantity) for k, quantity in sections["DEMAND"]],
        suppliers=[(f"S{row[0]:g}", 0) for row in sections["OFFER"]],
        offers=offers,
        tiers=tiers,
    )
