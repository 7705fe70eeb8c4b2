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
    """(offer, drawing group, year) -> items that may be bought in it; finds the tiers each can reach."""
    scope, facts = made.scope, made.scope.facts
    found: dict[tuple[str, str, int], list[Item]] = {}
    for item, source, year in made.bought:
        if source.startswith("offer:"):
            found.setdefault((source[6:], made.pool(item), year), []).append(item)
    for (name, pool, year), items in found.items():
        offer = facts.offers[name]
        kept = 1.0
        if scope.joint and pool == scope.joint and offer.module in scope.joint_start:
            kept = 1.0 - scope.diverged(offer.module, year)
        places = [place for item in items for place in made.places(item, year)]
        most = facts.tier_units(offer.module, most_by_position(places))
        if made.tight:
            most = min(most, scope.free_capacity(offer.site, year, 0.0))
        steps = tier_steps(offer, year, most * kept)
        if made.guess is not None:
            half = max((i for i, low, _ in steps if low <= made.guess.optimism * most * kept), default=0)
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
    """Tiers that can be reached: (index, from, to) with the minimum order as floor; equal prices are one tier."""
    prices = offer.price[year]
    steps: list[tuple[int, float, float]] = []
    count = len(prices)
    for index, threshold in enumerate(offer.from_quantity):
        following = offer.from_quantity[index + 1] if index + 1 < count else INFINITY
        low, high = max(threshold, offer.minimum_quantity), min(following, most)
        if index == 0:
            low = max(offer.minimum_quantity, 0.0)
        if low <= high and low <= most + 1e-9:
            if steps and prices[steps[-1][0]] == prices[index]:
                steps[-1] = (steps[-1][0], steps[-1][1], high)
            else:
                steps.append((index, low, high))
    return steps


Cell = tuple[object, ...]


def has_one_price(pool: Pool) -> bool:
    """Whether a pool's price does not depend on its quantity."""
    return len(pool.steps) == 1 and pool.steps[0][1] == 0.0


def cell_of(made: Build, key: tuple[str, str, int], item: Item) -> Cell:
    """Items whose quantities share a column: all of a bloc and country at one price, each by itself where there are tiers."""
    if has_one_price(made.pools[key]):
        return (made.scope.item_bloc(item), item.country)
    return tuple(item)


def tiers_by_drawing_group(made: Build) -> None:
    """All-units price by tier: from_r y_r <= Q_r <= to_r y_r, sum y_r <= 1, payment p_r Q_r, sum_r Q_r = pieces bought.

    Q_r is kept by cell (bloc, country of the car plant), because landed cost and equity differ between cells.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    for key, items in pools_of(made).items():
        name, _, year = key
        offer, pool = facts.offers[name], made.pools[key]
        weight = facts.tier_units(offer.module, THOUSAND)
        source = f"offer:{name}"
        cells: dict[Cell, list[Item]] = {}
        for item in items:
            cells.setdefault(cell_of(made, key, item), []).append(item)
        single = has_one_price(pool)
        made.tier[key] = {}
        parts: dict[Cell, list[int]] = {cell: [] for cell in cells}
        choices = []
        for index, low, high in pool.steps:
            total = []
            quantities = {}
            for cell, mine in cells.items():
                price = offer.price[year][index]
                cost = unit_cost(made, mine[0], source, year, price=price, origin=offer.country)
                upper = min(pool.most / weight, sum(program.upper[made.bought[(item, source, year)]] for item in mine))
                column = program.column(("quantity", *key, index, cell), cost=cost, upper=upper)
                quantities[cell] = column
                parts[cell].append(column)
                total.append((column, weight * pool.kept))
                buyer = scope.buying_group(offer.class_name, scope.item_bloc(mine[0]))
                spend = made.spend.setdefault((offer.supplier, buyer, year), [])
                spend.append((column, offer.price[year][index] / THOUSAND))
            choice = -1
            if not single:
                choice = program.column(("tier", *key, index), integer=True)
                choices.append((choice, 1.0))
                if low > 0:
                    program.row(("tier from", *key, index), [*total, (choice, -low)], lower=0.0)
                program.row(("tier to", *key, index), [*total, (choice, -high)], upper=0.0)
                for column in quantities.values():
                    program.row(("tier of item", column), [(column, 1.0), (choice, -program.upper[column])], upper=0.0)
            made.tier[key][index] = (choice, quantities)
        for cell, mine in cells.items():
            pieces = [(made.bought[(item, source, year)], 1.0) for item in mine]
            row = [*pieces, *((column, -1.0) for column in parts[cell])]
            program.row(("tiers add up", *key, cell), row, 0.0, 0.0)
        if choices:
            program.row(("one tier", *key), choices, upper=1.0)


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
    by_site = sum(price * scope.free_capacity(site, year, 0.0) for site, price in dearest.items())
    return min(most_by_position(entries), by_site)
