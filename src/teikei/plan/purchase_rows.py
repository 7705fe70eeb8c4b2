"""Rows of purchasing: the cars' need, tiers by drawing group, rebates by spend group."""

from __future__ import annotations

from teikei.plan.arrays import INFINITY
from teikei.plan.bill import equity_share, flat_price
from teikei.plan.facts import OfferFact
from teikei.plan.joined_spend import price_cut
from teikei.plan.money import discount
from teikei.plan.program import THOUSAND, Build, Place, Pool, TierTotal
from teikei.plan.scope import Item, Option
from teikei.plan.sources import NOT_PRICED, OFFER, PLANT, Source, of_offer

WHOLE: Place = ("", "", "")  # in place of the positions where a rebate is kept for the spend as a whole


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


def _award(
    made: Build, item: Item, year: int, sources: tuple[Source, ...], carriers: list[tuple[Option, float]]
) -> None:
    """One column per source: thousand pieces of an item in a year; none where a single flat price holds.

    Where several positions carry the item each has columns of its own, so that a source or tier that is half chosen
    serves at most half of each position (the sum alone would let it serve one position whole).
    """
    program = made.program
    if len(sources) == 1 and sources[0].kind not in (OFFER, PLANT):
        cost = flat_cost(made, item, sources[0], year)
        for option, cars in carriers:
            program.cost[made.use[option]] += cost * cars / THOUSAND
        return
    most = most_by_position(made.places(item, year)) / THOUSAND
    carried: dict[Option, list[tuple[int, float]]] = {option: [] for option, _ in carriers}
    for source in sources:
        cost = 0.0 if source.kind == OFFER else flat_cost(made, item, source, year)
        column = program.column(("bought", item, source, year), cost=cost, upper=most)
        made.bought[(item, source, year)] = column
        for option, cars in carriers:
            mine = column
            if len(carriers) > 1:
                name = ("carried", option, item.country, source, year)
                mine = program.column(name, upper=cars / THOUSAND)
            made.carried[(option, item.country, source, year)] = mine
            carried[option].append((mine, 1.0))
        if len(carriers) > 1:
            shares = [(made.carried[(option, item.country, source, year)], -1.0) for option, _ in carriers]
            program.row(("carried adds up", item, source, year), [(column, 1.0), *shares], 0.0, 0.0)
    for option, cars in carriers:
        program.row(("need", item, year), [*carried[option], (made.use[option], -cars / THOUSAND)], 0.0, 0.0)


def pools_of(made: Build) -> dict[tuple[str, str, int], list[Item]]:
    """(offer, drawing group, year) -> items that may be bought in it; finds the tiers each can reach.

    Offers of one tier pool count together: their tiers reach as far as all of them can.
    """
    scope, facts = made.scope, made.scope.facts
    found: dict[tuple[str, str, int], list[Item]] = {}
    for item, source, year in made.bought:
        if source.kind == OFFER:
            found.setdefault((source.name, made.pool(item), year), []).append(item)
    reach: dict[tuple[tuple[str, str], str, int], float] = {}
    most_of: dict[tuple[str, str, int], tuple[float, float]] = {}
    for (name, pool, year), items in found.items():
        offer = facts.offers[name]
        kept = 1.0
        if scope.joint and pool == scope.joint and offer.module in scope.joint_start:
            kept = 1.0 - scope.diverged(offer.module, year)
        places = [place for item in items for place in made.places(item, year)]
        most = facts.tier_units(offer.module, most_by_position(places))
        if made.tight:
            most = min(most, scope.free_capacity(offer.site, year) + scope.expandable(offer.site, year))
        most_of[(name, pool, year)] = kept, most
        together = (offer.counts_with, pool, year)
        reach[together] = reach.get(together, 0.0) + most * kept
    for (name, pool, year), (kept, most) in most_of.items():
        offer = facts.offers[name]
        top = reach[(offer.counts_with, pool, year)]
        steps = tier_steps(offer, year, top)
        made.pools[(name, pool, year)] = Pool(kept, tuple(steps), most)
    return found


def flat_cost(made: Build, item: Item, source: Source, year: int) -> float:
    """Million per thousand pieces, discounted, of a source without tiers."""
    scope = made.scope
    price, origin = flat_price(scope, item, source, year)
    return unit_cost(made, item, source, year, price=price, origin=origin)


def unit_cost(made: Build, item: Item, source: Source, year: int, *, price: float, origin: str) -> float:
    """price x (landed factor + warranty - equity - joint buying) + freight, million per thousand pieces, discounted."""
    scope, facts = made.scope, made.scope.facts
    module = facts.modules[item.module]
    factor, freight = facts.landed(module.class_name, origin, item.country, module.energy_kwh) if origin else (1.0, 0.0)
    supplier = scope.supplier(source, item)
    credit = equity_share(scope, supplier, scope.item_bloc(item)) if supplier else 0.0
    warranty = facts.classes[module.class_name].warranty_share
    joint = price_cut(scope, item, source, year).total
    return (price * (factor + warranty - credit - joint) + freight) / THOUSAND * discount(facts, year)


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

    Q_r is kept by position that carries the drawing: Q_r <= cars y_r for each, which a half chosen tier feels at once.
    Offers of one tier pool share y_r, and their Q_r add up; incremental prices: see ``_increments``.
    """
    facts = made.scope.facts
    for key, items in pools_of(made).items():
        _quantities(made, key, items)
    for keys in made.counted_together().values():
        steps = made.pools[keys[0]].steps
        if len(steps) < 2:
            continue
        totals: list[list[tuple[int, float]]] = [[] for _ in steps]
        for key in keys:
            weight = facts.tier_units(facts.offers[key[0]].module, THOUSAND) * made.pools[key].kept
            for total, (index, _, _) in zip(totals, steps, strict=True):
                total += [(column, weight) for column in made.tier[key][index][1].values()]
        choices = (_increments if facts.offers[keys[0][0]].incremental else _one_tier)(made, keys[0], totals)
        for (index, _, _), choice, total in zip(steps, choices, totals, strict=True):
            for key in keys:
                made.tier[key][index] = (choice, made.tier[key][index][1])
            for column, _ in total:
                terms = [(column, 1.0), (choice, -made.program.upper[column])]
                made.program.row(("tier of", column), terms, upper=0.0)


def _quantities(made: Build, key: tuple[str, str, int], items: list[Item]) -> None:
    """Thousand pieces of every position at every tier of an offer, and what they add up to."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    name, _, year = key
    offer, pool, source = facts.offers[name], made.pools[key], of_offer(name)
    weight = facts.tier_units(offer.module, THOUSAND)
    made.tier[key] = {}
    cells = [(item, option) for item in items for option, _ in made.members[(item, year)]]
    parts: dict[tuple[Option, str], list[int]] = {(option, item.country): [] for item, option in cells}
    for index, _, _ in pool.steps:
        quantities = {}
        for item, option in cells:
            most = min(pool.most / weight, program.upper[made.carried[(option, item.country, source, year)]])
            cost = unit_cost(made, item, source, year, price=offer.price[year][index], origin=offer.country)
            column = program.column(("quantity", *key, index, option, item.country), cost=cost, upper=most)
            quantities[(option, item.country)] = column
            parts[(option, item.country)].append(column)
            buyer = (offer.supplier, scope.buying_group(offer.class_name, scope.item_bloc(item)), year)
            place = (option.slot, option.position, item.country)
            spend = made.spend.setdefault(buyer, {}).setdefault(place, [])
            spend.append((column, offer.price[year][index] / THOUSAND))
        made.tier[key][index] = (-1, quantities)
    for cell, columns in parts.items():
        row = [(made.carried[(*cell, source, year)], 1.0), *((column, -1.0) for column in columns)]
        program.row(("tiers add up", *key, cell), row, 0.0, 0.0)


def _one_tier(made: Build, key: tuple[str, str, int], totals: list[list[tuple[int, float]]]) -> list[int]:
    """Q_r = what counts at a tier, from_r y_r <= Q_r <= to_r y_r, sum y_r <= 1; returns the columns y_r."""
    program, choices = made.program, []
    for (index, low, high), terms in zip(made.pools[key].steps, totals, strict=True):
        choice = program.column(("tier", *key, index), integer=True)
        total = program.column(("in tier", *key, index), upper=high)
        choices.append(choice)
        made.in_tier.setdefault(key, []).append(TierTotal(choice, total, low, terms))
        program.row(("tier total", *key, index), [*terms, (total, -1.0)], 0.0, 0.0)
        if low > 0:
            program.row(("tier from", *key, index), [(total, 1.0), (choice, -low)], lower=0.0)
        program.row(("tier to", *key, index), [(total, 1.0), (choice, -high)], upper=0.0)
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
    """All-units rebate on a year's spend: from_j w_j <= V_j <= to_j w_j, sum V_j = spend, sum w_j <= 1.

    V_j is kept by position of a car, at most what that position can spend times w_j.
    """
    facts, program = made.scope.facts, made.program
    for key, places in made.spend.items():
        supplier, _, year = key
        table = facts.rebates.get(supplier, ())
        most = _most_spend(made, key)
        levels = [(0.0, 0.0)] if table and table[0][0] > 0 else []
        levels += [row for row in table if row[0] <= most]
        merged = [row for i, row in enumerate(levels) if i == 0 or row[1] != levels[i - 1][1]]
        if not any(rebate > 0 for _, rebate in merged):
            continue
        worth = discount(facts, year)
        if len(merged) == 1:
            for terms in places.values():
                for column, price in terms:
                    program.cost[column] -= merged[0][1] * price * worth
            continue
        levels_of = _incremental_rebate if supplier in facts.incremental_rebates else _rebate_levels
        levels_of(made, key, merged, most)


def _rebate_levels(made: Build, key: tuple[str, str, int], levels: list[tuple[float, float]], most: float) -> None:
    program, worth = made.program, discount(made.scope.facts, key[2])
    made.rebate[key] = []
    shares: dict[Place, list[tuple[int, float]]] = {place: [] for place in made.spend[key]}
    for index, (low, rebate) in enumerate(levels):
        high = levels[index + 1][0] if index + 1 < len(levels) else most
        choice = program.column(("rebate", *key, index), integer=True)
        values = {}
        for place, terms in made.spend[key].items():
            upper = min(most, max(price for _, price in terms) * max(program.upper[column] for column, _ in terms))
            values[place] = program.column(("spend", *key, index, place), cost=-rebate * worth, upper=upper)
            program.row(("rebate of", *key, index, place), [(values[place], 1.0), (choice, -upper)], upper=0.0)
            shares[place].append((values[place], -1.0))
        total = [(value, 1.0) for value in values.values()]
        if low > 0:
            program.row(("rebate from", *key, index), [*total, (choice, -low)], lower=0.0)
        program.row(("rebate to", *key, index), [*total, (choice, -high)], upper=0.0)
        made.rebate[key].append((rebate, choice, values))
    for place, terms in made.spend[key].items():
        program.row(("spend adds up", *key, place), [*terms, *shares[place]], 0.0, 0.0)
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
            before = made.rebate[key][-1][2][WHOLE]
            full = program.upper[before]
            program.row(("rebate full", *key, index), [(before, 1.0), (choice, -full)], lower=0.0)
        made.rebate[key].append((rebate, choice, {WHOLE: value}))
    values = [(value[WHOLE], -1.0) for _, _, value in made.rebate[key]]
    spend = [term for terms in made.spend[key].values() for term in terms]
    program.row(("spend adds up", *key), [*spend, *values], 0.0, 0.0)


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
        if when != year or source.kind != OFFER:
            continue
        offer = facts.offers[source.name]
        if offer.supplier != supplier or scope.buying_group(offer.class_name, scope.item_bloc(item)) != group:
            continue
        price = offer.price[year][0] / THOUSAND
        entries += made.places(item, year, price / THOUSAND)
        per_unit = price / facts.tier_units(item.module, THOUSAND)
        dearest[offer.site] = max(dearest.get(offer.site, 0.0), per_unit)
    if not made.tight:
        return most_by_position(entries)
    by_site = sum(
        price * (scope.free_capacity(site, year) + scope.expandable(site, year)) for site, price in dearest.items()
    )
    return min(most_by_position(entries), by_site)
