"""Rows of purchasing: the cars' need, tiers by drawing group, rebates by spend group."""

from __future__ import annotations

from teikei.plan.arrays import INFINITY
from teikei.plan.bill import equity_share, flat_price
from teikei.plan.facts import OfferFact
from teikei.plan.money import discount
from teikei.plan.program import THOUSAND, Build, Place, Pool
from teikei.plan.scope import NOT_PRICED, Item, Option


def purchases_meet_need(made: Build) -> None:
    """Shares of the sources of an item add up to the share of the cars that carry the drawing, year by year."""
    scope = made.scope
    for option in made.use:
        for (country, year), cars in scope.demand[option.slot].items():
            made.members.setdefault((scope.item(option, country), year), []).append((option, cars))
    for (item, year), carriers in made.members.items():
        sources = scope.sources(item, year)
        if sources != (NOT_PRICED,):
            _award(made, item, year, sources, carriers)


def _award(made: Build, item: Item, year: int, sources: tuple[str, ...], carriers: list[tuple[Option, float]]) -> None:
    """One column per source: thousand pieces of an item in a year; none where a single flat price holds."""
    program = made.program
    if len(sources) == 1 and not sources[0].startswith(("offer:", "plant:")):
        cost = flat_cost(made, item, sources[0], year)
        for option, cars in carriers:
            program.cost[made.use[option]] += cost * cars / THOUSAND
        return
    most = most_by_position(made.places(item, year)) / THOUSAND
    terms = [(made.use[option], -cars / THOUSAND) for option, cars in carriers]
    for source in sources:
        cost = 0.0 if source.startswith("offer:") else flat_cost(made, item, source, year)
        column = program.column(("bought", item, source, year), cost=cost, upper=most)
        made.bought[(item, source, year)] = column
        terms.append((column, 1.0))
    program.row(("need", item, year), terms, 0.0, 0.0)


def pools_of(made: Build) -> dict[tuple[str, str, int], list[Item]]:
    """(offer, drawing group, year) -> items that may be bought in it; finds the tiers each can reach.

    Offers of one tier pool count together: their tiers reach as far as all of them can.
    """
    scope, facts = made.scope, made.scope.facts
    found: dict[tuple[str, str, int], list[Item]] = {}
    for item, source, year in made.bought:
        if source.startswith("offer:"):
            found.setdefault((source[6:], made.pool(item), year), []).append(item)
    reach: dict[tuple[str, str, int], float] = {}
    most_of: dict[tuple[str, str, int], tuple[float, float]] = {}
    for (name, pool, year), items in found.items():
        offer = facts.offers[name]
        kept = 1.0
        if scope.joint and pool == scope.joint and offer.module in scope.joint_start:
            kept = 1.0 - scope.diverged(offer.module, year)
        places = [place for item in items for place in made.places(item, year)]
        most = facts.tier_units(offer.module, most_by_position(places))
        if made.tight:
            most = min(most, scope.free_capacity(offer.site, year, 0.0) + scope.expandable(offer.site, year))
        most_of[(name, pool, year)] = kept, most
        together = (offer.counts_with, pool, year)
        reach[together] = reach.get(together, 0.0) + most * kept
    for (name, pool, year), (kept, most) in most_of.items():
        offer = facts.offers[name]
        top = reach[(offer.counts_with, pool, year)]
        steps = tier_steps(offer, year, top)
        if made.guess is not None:
            half = max((i for i, low, _ in steps if low <= made.guess.optimism * top), default=0)
            steps = [(made.guess.tiers.get((name, pool, year), half), 0.0, most)]
        made.pools[(name, pool, year)] = Pool(kept, tuple(steps), most)
    return found


def flat_cost(made: Build, item: Item, source: str, year: int) -> float:
    """Million per thousand pieces, discounted, of a source without tiers."""
    scope = made.scope
    price, origin = flat_price(scope, item, source, year)
    return unit_cost(made, item, source, year, price=price, origin=origin)


def unit_cost(made: Build, item: Item, source: str, year: int, *, price: float, origin: str) -> float:
    """price x (landed factor + warranty - equity) + freight, in million per thousand pieces, discounted."""
    scope, facts = made.scope, made.scope.facts
    module = facts.modules[item.module]
    factor, freight = facts.landed(module.class_name, origin, item.country, module.energy_kwh) if origin else (1.0, 0.0)
    supplier = scope.supplier(source, item)
    credit = equity_share(scope, supplier, scope.item_bloc(item)) if supplier else 0.0
    warranty = facts.classes[module.class_name].warranty_share
    return (price * (factor + warranty - credit) + freight) / THOUSAND * discount(facts, year)


def most_by_position(entries: list[tuple[Place, float]]) -> float:
    """Largest sum over (slot, position, country of the car plant) of one entry each: a position carries one module."""
    best: dict[Place, float] = {}
    for place, amount in entries:
        best[place] = max(best.get(place, 0.0), amount)
    return sum(best.values())


def tier_steps(offer: OfferFact, year: int, most: float) -> list[tuple[int, float, float]]:
    """Tiers that can be reached: (index, from, to), the first from 0; equal prices are one tier (not in tier pools)."""
    prices = offer.price[year]
    steps: list[tuple[int, float, float]] = []
    count = len(prices)
    for index, threshold in enumerate(offer.from_quantity):
        following = offer.from_quantity[index + 1] if index + 1 < count else INFINITY
        low, high = threshold if index else 0.0, min(following, most)
        if low <= high and low <= most + 1e-9:
            if steps and prices[steps[-1][0]] == prices[index] and not offer.tier_pool:
                steps[-1] = (steps[-1][0], steps[-1][1], high)
            else:
                steps.append((index, low, high))
    return steps


def tiers_by_drawing_group(made: Build) -> None:
    """All-units price by tier: from_r y_r <= Q_r <= to_r y_r, sum y_r <= 1, payment p_r Q_r, sum_r Q_r = pieces bought.

    Q_r is kept by cell (bloc, country of the car plant), because landed cost and equity differ between cells. Offers of
    one tier pool share y_r, and their Q_r add up; incremental prices: see ``_increments``.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    together: dict[tuple[str, str, int], list[tuple[str, str, int]]] = {}
    counted: dict[tuple[tuple[str, str, int], int], list[tuple[int, float]]] = {}
    for key, items in pools_of(made).items():
        name, _, year = key
        offer, pool = facts.offers[name], made.pools[key]
        together.setdefault((offer.counts_with, key[1], year), []).append(key)
        weight = facts.tier_units(offer.module, THOUSAND)
        source = f"offer:{name}"
        cells: dict[tuple[str, str], list[Item]] = {}
        for item in items:
            cells.setdefault((scope.item_bloc(item), item.country), []).append(item)
        made.tier[key] = {}
        parts: dict[tuple[str, str], list[int]] = {cell: [] for cell in cells}
        for index, _, _ in pool.steps:
            total = counted.setdefault((key, index), [])
            quantities = {}
            for cell, mine in cells.items():
                price = offer.price[year][index]
                cost = unit_cost(made, mine[0], source, year, price=price, origin=offer.country)
                upper = pool.most / weight
                column = program.column(("quantity", *key, index, cell), cost=cost, upper=upper)
                quantities[cell] = column
                parts[cell].append(column)
                total.append((column, weight * pool.kept))
                spend = made.spend.setdefault((offer.supplier, scope.buying_group(offer.class_name, cell[0]), year), [])
                spend.append((column, offer.price[year][index] / THOUSAND))
            made.tier[key][index] = (-1, quantities)
        for cell, mine in cells.items():
            pieces = [(made.bought[(item, source, year)], 1.0) for item in mine]
            row = [*pieces, *((column, -1.0) for column in parts[cell])]
            program.row(("tiers add up", *key, cell), row, 0.0, 0.0)
    for keys in together.values():
        first = made.pools[keys[0]].steps
        if len(first) > 1:
            totals = [[term for key in keys for term in counted[(key, index)]] for index, _, _ in first]
            choices = (_increments if facts.offers[keys[0][0]].incremental else _one_tier)(made, keys[0], totals)
            for (index, _, _), choice in zip(first, choices, strict=True):
                for key in keys:
                    made.tier[key][index] = (choice, made.tier[key][index][1])


def _one_tier(made: Build, key: tuple[str, str, int], totals: list[list[tuple[int, float]]]) -> list[int]:
    """from_r y_r <= Q_r <= to_r y_r, sum y_r <= 1; returns the columns y_r."""
    program, choices = made.program, []
    for (index, low, high), total in zip(made.pools[key].steps, totals, strict=True):
        choice = program.column(("tier", *key, index), integer=True)
        choices.append(choice)
        if low > 0:
            program.row(("tier from", *key, index), [*total, (choice, -low)], lower=0.0)
        program.row(("tier to", *key, index), [*total, (choice, -high)], upper=0.0)
    program.row(("one tier", *key), [(choice, 1.0) for choice in choices], upper=1.0)
    return choices


def _increments(made: Build, key: tuple[str, str, int], totals: list[list[tuple[int, float]]]) -> list[int]:
    """Q_r <= length_r y_r, Q_r >= length_r y_(r+1): a part is full before the next begins; returns the columns y_r."""
    program, steps = made.program, made.pools[key].steps
    choices = [program.column(("tier", *key, index), integer=True) for index, _, _ in steps]
    for at, ((index, low, high), total) in enumerate(zip(steps, totals, strict=True)):
        program.row(("part to", *key, index), [*total, (choices[at], -(high - low))], upper=0.0)
        if at + 1 < len(steps):
            program.row(("part full", *key, index), [*total, (choices[at + 1], -(high - low))], lower=0.0)
    return choices


def rebates_by_spend_group(made: Build) -> None:
    """All-units rebate on a year's spend: from_j w_j <= V_j <= to_j w_j, sum V_j = spend, sum w_j <= 1."""
    facts, program = made.scope.facts, made.program
    for key, terms in made.spend.items():
        supplier, _, year = key
        table = facts.rebates.get(supplier, ())
        most = _most_spend(made, key)
        levels = [(0.0, 0.0)] if table and table[0][0] > 0 else []
        levels += [row for row in table if row[0] <= most]
        merged = [row for i, row in enumerate(levels) if i == 0 or row[1] != levels[i - 1][1]]
        if made.guess is not None:
            half = [row for row in merged if row[0] <= made.guess.optimism * most]
            rate = made.guess.rebates.get(key, half[-1][1] if half else 0.0)
            merged = [(0.0, rate)]
        if not any(rebate > 0 for _, rebate in merged):
            continue
        worth = discount(facts, year)
        if len(merged) == 1:
            for column, price in terms:
                program.cost[column] -= merged[0][1] * price * worth
            continue
        if supplier in facts.incremental_rebates:
            _incremental_rebate(made, key, merged, most)
            continue
        made.rebate[key] = []
        for index, (low, rebate) in enumerate(merged):
            high = merged[index + 1][0] if index + 1 < len(merged) else most
            choice = program.column(("rebate", *key, index), integer=True)
            value = program.column(("spend", *key, index), cost=-rebate * worth, upper=most)
            if low > 0:
                program.row(("rebate from", *key, index), [(value, 1.0), (choice, -low)], lower=0.0)
            program.row(("rebate to", *key, index), [(value, 1.0), (choice, -high)], upper=0.0)
            made.rebate[key].append((rebate, choice, value))
        values = [(value, -1.0) for _, _, value in made.rebate[key]]
        program.row(("spend adds up", *key), [*terms, *values], 0.0, 0.0)
        program.row(("one rebate", *key), [(choice, 1.0) for _, choice, _ in made.rebate[key]], upper=1.0)


def _incremental_rebate(made: Build, key: tuple[str, str, int], levels: list[tuple[float, float]], most: float) -> None:
    """V_j <= length_j w_j, V_j >= length_j w_(j+1), sum V_j = spend: each on the spend above its start."""
    program, worth = made.program, discount(made.scope.facts, key[2])
    made.rebate[key] = []
    for index, (low, rebate) in enumerate(levels):
        length = (levels[index + 1][0] if index + 1 < len(levels) else most) - low
        choice = program.column(("rebate", *key, index), integer=True)
        value = program.column(("spend", *key, index), cost=-rebate * worth, upper=length)
        program.row(("rebate to", *key, index), [(value, 1.0), (choice, -length)], upper=0.0)
        if index:
            _, _, before = made.rebate[key][-1]
            full = program.upper[before]
            program.row(("rebate full", *key, index), [(before, 1.0), (choice, -full)], lower=0.0)
        made.rebate[key].append((rebate, choice, value))
    values = [(value, -1.0) for _, _, value in made.rebate[key]]
    program.row(("spend adds up", *key), [*made.spend[key], *values], 0.0, 0.0)


def _most_spend(made: Build, key: tuple[str, str, int]) -> float:
    """Upper bound of a year's spend with a supplier.

    The smaller of: every position buys its dearest module there at the lowest tier's price; every site sells its
    capacity at its dearest price per unit of capacity.
    """
    scope, facts = made.scope, made.scope.facts
    supplier, group, year = key
    entries: list[tuple[Place, float]] = []
    dearest: dict[str, float] = {}
    for item, source, when in made.bought:
        if when != year or not source.startswith("offer:"):
            continue
        offer = facts.offers[source[6:]]
        if offer.supplier != supplier or scope.buying_group(offer.class_name, scope.item_bloc(item)) != group:
            continue
        price = offer.price[year][0] / THOUSAND
        entries += made.places(item, year, price / THOUSAND)
        per_unit = price / facts.tier_units(item.module, THOUSAND)
        dearest[offer.site] = max(dearest.get(offer.site, 0.0), per_unit)
    if not made.tight:
        return most_by_position(entries)
    by_site = sum(
        price * (scope.free_capacity(site, year, 0.0) + scope.expandable(site, year)) for site, price in dearest.items()
    )
    return min(most_by_position(entries), by_site)
