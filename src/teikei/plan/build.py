"""The mixed-integer program of one coalition at one rung.

Quantities are thousand pieces (or GWh in the tier and capacity rows), money is million of the study's currency,
discounted. Every function below adds the columns and rows of one term of docs/maths/plan.md and is named after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from teikei.plan.arrays import INFINITY, Program
from teikei.plan.bill import equity_share, flat_price
from teikei.plan.develop_cost import (
    application_cash,
    cancellation,
    divergence_cash,
    family_share,
    requalification,
    sunk,
)
from teikei.plan.facts import OfferFact
from teikei.plan.money import (
    Cash,
    coordination_cash,
    discount,
    nre_cash,
    once,
    plant_capacity_gwh,
    plant_cash,
    plant_first_year,
    present_value,
    tooling_cash,
)
from teikei.plan.price import alliance_charged, known_suppliers
from teikei.plan.scope import CONTRACT, NOT_PRICED, Item, Option, Scope

THOUSAND = 1e3
Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Pool:
    """Tiers that a drawing group can reach at an offer in a year: (index, from, to); kept = share not diverged."""

    kept: float
    steps: tuple[tuple[int, float, float], ...]


@dataclass
class Build:
    """The program with its columns by meaning."""

    scope: Scope
    coupled: frozenset[str] = frozenset()
    program: Program = field(default_factory=Program)
    configuration: dict[tuple[str, int], int] = field(default_factory=dict)
    use: dict[Option, int] = field(default_factory=dict)
    ladder: dict[tuple[str, str, str, str], dict[int, int]] = field(default_factory=dict)
    mode: dict[tuple[str, str], int] = field(default_factory=dict)
    introduced: dict[tuple[str, str, str, int], int] = field(default_factory=dict)
    bought: dict[tuple[Item, str, int], dict[int, int]] = field(default_factory=dict)
    pools: dict[tuple[str, str, int], Pool] = field(default_factory=dict)
    tier: dict[tuple[str, str, int], dict[int, int]] = field(default_factory=dict)
    rebate: dict[tuple[str, str, int], list[tuple[float, int, dict[Item, int]]]] = field(default_factory=dict)
    qualified: dict[tuple[str, str, str], int] = field(default_factory=dict)
    first_free: dict[tuple[str, str], int] = field(default_factory=dict)
    activated: dict[tuple[str, str], int] = field(default_factory=dict)
    plant: dict[tuple[str, str, float, int], int] = field(default_factory=dict)
    missed: dict[tuple[str, str, str, str, int], int] = field(default_factory=dict)
    members: dict[tuple[Item, int], list[tuple[Option, float]]] = field(default_factory=dict)
    spend: dict[tuple[str, str, int], dict[Item, list[tuple[int, float]]]] = field(default_factory=dict)

    def places(self, item: Item, year: int, weight: float = 1.0) -> list[tuple[Place, float]]:
        """What each position could need of an item in a year: ((slot, position, country), cars x weight)."""
        return [((o.slot, o.position, item.country), cars * weight) for o, cars in self.members[(item, year)]]

    def pool(self, item: Item) -> str:
        """Drawing group of an item."""
        scope = self.scope
        return scope.pool(scope.facts.modules[item.module].class_name, item.group, scope.item_bloc(item))


def build(scope: Scope, coupled: frozenset[str] = frozenset()) -> Build:
    """The program of a scope.

    coupled: slots whose positions are tied to feasible configurations. In the others every position is free among
    the modules of some feasible configuration: a relaxation that ``solve_scope`` checks and tightens slot by slot,
    because most slots never need it and the program falls into independent classes without it.
    """
    made = Build(scope, coupled)
    if alliance_charged(scope):
        made.program.offset += present_value(
            scope.facts, once(scope.facts, scope.facts.settings.alliance_one_off, scope.facts.settings.base_year)
        )
    one_configuration_per_slot(made)
    families_and_variants(made)
    own_or_joint(made)
    introductions_and_facelifts(made)
    contracts_left(made)
    purchases_meet_need(made)
    plants_opened(made)
    tiers_by_drawing_group(made)
    rebates_by_spend_group(made)
    site_capacity(made)
    qualification_of_sources(made)
    local_content_missed(made)
    from teikei.plan.rules import apply_rules

    apply_rules(made)
    return made


def _product_parts(rows: list[dict[str, str]], positions: list[str]) -> tuple[list[str], list[str]]:
    """Splits positions into free ones (the feasible set is a product over them) and the coupled rest."""
    free, rest = [], list(positions)
    for position in positions:
        others = [p for p in rest if p != position]
        seen = {tuple(row[p] for p in rest) for row in rows}
        own = {row[position] for row in rows}
        remaining = {tuple(row[p] for p in others) for row in rows}
        if len(seen) == len(own) * len(remaining):
            free.append(position)
            rest = others
    return free, rest


def one_configuration_per_slot(made: Build) -> None:
    """sum of configurations = 1; drawings of a position = the configurations that carry the module.

    Positions whose choice never interacts with the others (the feasible set is a product) need no configuration
    columns: their drawings add up to 1 by themselves.
    """
    scope, program = made.scope, made.program
    for slot in scope.slots:
        allowed = []
        for _, modules in scope.facts.choices[slot]:
            names = {p: {o.module for o in scope.options[(slot, p)]} for p in modules}
            if all(module in names[position] for position, module in modules.items()):
                allowed.append(dict(modules))
        if not allowed:
            program.row(("configuration", slot), [], 1.0, 1.0)
            continue
        by_shape: dict[tuple[str, ...], list[dict[str, str]]] = {}
        for row in allowed:
            by_shape.setdefault(tuple(row), []).append(row)
        if len(by_shape) == 1:
            free, rest = _product_parts(allowed, list(allowed[0]))
            if slot not in made.coupled:
                free, rest = [*free, *rest], []
        else:
            free, rest = [], sorted({p for row in allowed for p in row})
        _use_columns(made, slot, allowed)
        for position in free:
            columns = [(made.use[o], 1.0) for o in scope.options[(slot, position)] if o in made.use]
            program.row(("configuration", slot, position), columns, 1.0, 1.0)
        if rest:
            _coupled(made, slot, rest, allowed)


def _use_columns(made: Build, slot: str, allowed: list[dict[str, str]]) -> None:
    present = {(position, module) for row in allowed for position, module in row.items()}
    for (name, position), options in made.scope.options.items():
        if name != slot:
            continue
        for option in options:
            if (position, option.module) in present:
                made.use[option] = made.program.column(("use", option), integer=True)


def _coupled(made: Build, slot: str, rest: list[str], allowed: list[dict[str, str]]) -> None:
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for row in allowed:
        key = tuple((p, row[p]) for p in rest if p in row)
        if key not in seen:
            seen[key] = made.program.column(("configuration", slot, key), integer=True)
    made.program.row(("configuration", slot), [(column, 1.0) for column in seen.values()], 1.0, 1.0)
    for position in rest:
        modules = dict.fromkeys(row[position] for row in allowed if position in row)
        for module in modules:
            terms = [(made.use[o], 1.0) for o in made.scope.options[(slot, position)] if o.module == module]
            terms += [(column, -1.0) for key, column in seen.items() if (position, module) in key]
            made.program.row(("carries", slot, position, module), terms, 0.0, 0.0)


def _ladder(
    made: Build, key: tuple[str, str, str, str], starts: set[int], cost: Callable[[int], float]
) -> dict[int, int]:
    """Cumulative columns X_t = 1 from the first start year on; the cost of starting in t is cost(t).

    Coefficient of X_t is cost(t) - cost(next start), of the last cost(last); X_t <= X_next.
    """
    years = sorted(starts)
    columns: dict[int, int] = {}
    for index, year in enumerate(years):
        coefficient = cost(year) - (cost(years[index + 1]) if index + 1 < len(years) else 0.0)
        columns[year] = made.program.column(("started", *key, year), cost=coefficient)
    for earlier, later in zip(years, years[1:], strict=False):
        made.program.row(("once started", *key, later), [(columns[earlier], 1.0), (columns[later], -1.0)], upper=0.0)
    made.ladder[key] = columns
    return columns


def _worth(made: Build, *cash: Cash) -> float:
    return sum(present_value(made.scope.facts, part) for part in cash)


def _below(made: Build, lower: dict[int, int], upper: dict[int, int], key: object) -> None:
    """Whoever has started below has started above."""
    for year, column in lower.items():
        made.program.row(("member of", key, year), [(column, 1.0), (upper[year], -1.0)], upper=0.0)


def families_and_variants(made: Build) -> None:
    """Family NRE x (1 + k (members - 1)) once per developing group, variants once per group; from the first start on."""
    scope, facts = made.scope, made.scope.facts
    by_family: dict[tuple[str, str], list[Option]] = {}
    by_module: dict[tuple[str, str], list[Option]] = {}
    for option in made.use:
        if not option.contract:
            by_family.setdefault((facts.modules[option.module].family, option.group), []).append(option)
            by_module.setdefault((option.module, option.group), []).append(option)
    for (name, group), options in by_family.items():
        _family(made, name, group, options)
    for (name, group), options in by_module.items():
        module = facts.modules[name]
        life = facts.families[module.family].life_years
        starts = {facts.slots[o.slot].first_year for o in options}
        if not sunk(module.sunk_for, group):
            tooling = 0.0 if module.tooling_in_price else module.tooling
            columns = _ladder(
                made, ("variant", name, group, ""), starts,
                lambda t, m=module, g=tooling, n=life: _worth(made, nre_cash(facts, m.nre, t, n), tooling_cash(facts, g, t, n)),
            )  # fmt: skip
            for option in options:
                year = facts.slots[option.slot].first_year
                made.program.row(("develops", option), [(made.use[option], 1.0), (columns[year], -1.0)], upper=0.0)
        if group == scope.joint and scope.joint:
            _divergence(made, name, options)


def _family(made: Build, name: str, group: str, options: list[Option]) -> None:
    scope, facts = made.scope, made.scope.facts
    family = facts.families[name]
    class_fact = facts.classes[family.class_name]
    share = family_share(scope, family, group)
    starts = {facts.slots[o.slot].first_year for o in options}

    def spent(factor: float, year: int) -> float:
        return _worth(made, nre_cash(facts, family.nre * factor, year, family.life_years))

    def together(year: int) -> float:
        return _worth(made, coordination_cash(facts, class_fact, year))

    blocs = {scope.bloc_of_slot(o.slot) for o in options}
    several = len(blocs) > 1
    top: dict[int, int] | None = None
    if share.base:
        factor = 1.0 - (share.per_bloc if several else 0.0)
        top = _ladder(
            made, ("family", name, group, ""), starts,
            lambda t: spent(factor, t) - (together(t) if several else 0.0)
            + _worth(made, tooling_cash(facts, family.tooling, t, family.life_years)),
        )  # fmt: skip
    for bloc in sorted(blocs, key=scope.bloc_names.index):
        mine = [o for o in options if scope.bloc_of_slot(o.slot) == bloc]
        companies = {scope.company_of[o.slot] for o in mine}
        payer = bloc in share.paid_blocs
        level = top
        if (several or share.paid_blocs) and not payer:
            inside = share.per_company if len(companies) > 1 else 0.0
            level = _ladder(
                made, ("bloc", name, group, bloc), {facts.slots[o.slot].first_year for o in mine},
                lambda t, k=inside: spent(share.per_bloc - k, t) + together(t),
            )  # fmt: skip
            if top is not None:
                _below(made, level, top, (name, group, bloc))
        elif len(companies) > 1 and not payer and top is not None:
            # one bloc alone: its first company is inside the family's own start
            for year, column in top.items():
                following = [t for t in sorted(top) if t > year]
                made.program.cost[column] -= spent(share.per_company, year) - (
                    spent(share.per_company, following[0]) if following else 0.0
                )
        for company in sorted(companies, key=facts.companies.index):
            ours = [o for o in mine if scope.company_of[o.slot] == company]
            bottom = level
            extra = company not in family.sunk_for if payer else len(companies) > 1
            if extra:
                bottom = _ladder(
                    made, ("company", name, group, company), {facts.slots[o.slot].first_year for o in ours},
                    lambda t: spent(share.per_company, t),
                )  # fmt: skip
                if level is not None:
                    _below(made, bottom, level, (name, group, company))
            if bottom is None:
                continue
            for option in ours:
                year = facts.slots[option.slot].first_year
                made.program.row(("develops", option), [(made.use[option], 1.0), (bottom[year], -1.0)], upper=0.0)
    _tops_need_members(made, name, group)


def own_or_joint(made: Build) -> None:
    """A bloc develops a family by itself or with the partners, not both; with two blocs that start afresh, both alike.

    Where the family is paid by a member already, its partners may join it while the payer keeps its own drawing.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    if not scope.joint:
        return
    mode: dict[tuple[str, str], int] = {}
    for option, column in made.use.items():
        module = facts.modules[option.module]
        if option.contract or not scope.rule(module.class_name).development_shared:
            continue
        family = facts.families[module.family]
        together = len(scope.bloc_names) == 2 and not family_share(scope, family, scope.joint).paid_blocs
        key = (family.name, "" if together else scope.bloc_of_slot(option.slot))
        if key not in mode:
            mode[key] = program.column(("joint family", *key), integer=True)
        if option.group == scope.joint:
            program.row(("joint family", option), [(column, 1.0), (mode[key], -1.0)], upper=0.0)
        else:
            program.row(("own family", option), [(column, 1.0), (mode[key], 1.0)], upper=1.0)
    made.mode.update(mode)


def _tops_need_members(made: Build, name: str, group: str) -> None:
    """A start whose coefficient is negative (it stands against its members' cost) needs a member that has started."""
    program = made.program
    below = {"family": "bloc", "bloc": "company"}
    for level, child in below.items():
        for key, columns in list(made.ladder.items()):
            if key[:3] != (level, name, group):
                continue
            children = [
                ladder
                for other, ladder in made.ladder.items()
                if other[:3] == (child, name, group) and (level == "family" or other[3] in key[3].split("+"))
            ] or [ladder for other, ladder in made.ladder.items() if other[:3] == ("company", name, group)]
            for year, column in columns.items():
                if program.cost[column] >= 0 or not children:
                    continue
                terms = [(column, 1.0)]
                for ladder in children:
                    reached = [t for t in ladder if t <= year]
                    if reached:
                        terms.append((ladder[max(reached)], -1.0))
                program.row(("started by a member", *key, year), terms, upper=0.0)
                program.integer[column] = True


def _divergence(made: Build, name: str, options: list[Option]) -> None:
    """Each bloc beyond the first on a joint drawing pays variant NRE again for the share of units that leaves it."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    blocs = sorted({scope.bloc_of_slot(o.slot) for o in options}, key=scope.bloc_names.index)
    if len(blocs) < 2 or not divergence_cash(scope, name, facts.settings.first_year):
        return

    def cost(year: int) -> float:
        return _worth(made, divergence_cash(scope, name, year))

    starts = {facts.slots[o.slot].first_year for o in options}
    top = _ladder(made, ("divergence", name, scope.joint, ""), starts, lambda t: -cost(t))
    lower = []
    for bloc in blocs:
        mine = [o for o in options if scope.bloc_of_slot(o.slot) == bloc]
        columns = _ladder(
            made, ("divergence bloc", name, scope.joint, bloc), {facts.slots[o.slot].first_year for o in mine}, cost
        )
        _below(made, columns, top, (name, bloc))
        lower.append(columns)
        for option in mine:
            year = facts.slots[option.slot].first_year
            program.row(("diverges", option), [(made.use[option], 1.0), (columns[year], -1.0)], upper=0.0)
    for year, column in top.items():
        terms = [(column, 1.0)]
        for ladder in lower:
            reached = [t for t in ladder if t <= year]
            if reached:
                terms.append((ladder[max(reached)], -1.0))
        program.row(("diverges by a member", name, year), terms, upper=0.0)
        program.integer[column] = True


def introductions_and_facelifts(made: Build) -> None:
    """A family new to a car pays its application; a car in production that changes pays requalification as well."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    for option, column in made.use.items():
        if option.contract:
            continue
        slot = facts.slots[option.slot]
        family = facts.families[facts.modules[option.module].family]
        step = 2 if option.slot in scope.previous else 1
        key = (slot.programme, slot.generation, family.name, step)
        if key not in made.introduced:
            amount = requalification(scope, option.slot, family.class_name, step == 2)
            worth = _worth(
                made,
                application_cash(facts, family, option.slot, True),
                application_cash(facts, family, option.slot, False),
                once(facts, amount, slot.first_year - 1),
            )
            made.introduced[key] = program.column(("introduced", *key), cost=worth)
        terms = [(column, 1.0), (made.introduced[key], -1.0)]
        before = option._replace(slot=scope.previous.get(option.slot, ""))
        if before in made.use:
            terms.append((made.use[before], -1.0))
        program.row(("introduces", option), terms, upper=0.0)


def contracts_left(made: Build) -> None:
    """Leaving a contract costs its cancellation in proportion to what is left; once left it does not come back."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    for option, column in made.use.items():
        if not option.contract:
            continue
        slot = facts.slots[option.slot]
        amount = cancellation(scope, option.slot, option.position)
        worth = _worth(made, once(facts, amount, slot.first_year - 1))
        program.cost[column] -= worth
        before = made.use.get(option._replace(slot=scope.previous.get(option.slot, "")))
        if before is None:
            program.offset += worth
        else:
            program.cost[before] += worth
            program.row(("contract kept", option), [(column, 1.0), (before, -1.0)], upper=0.0)


def purchases_meet_need(made: Build) -> None:
    """sum over sources (and their tiers) of pieces bought = cars that carry the drawing, by item and year."""
    scope, program = made.scope, made.program
    for option in made.use:
        for (country, year), cars in scope.demand[option.slot].items():
            made.members.setdefault((scope.item(option, country), year), []).append((option, cars))
    pools = _pools(made)
    for (item, year), carriers in made.members.items():
        sources = scope.sources(item, year)
        if sources == (NOT_PRICED,):
            continue
        if len(sources) == 1 and not sources[0].startswith(("offer:", "plant:")):
            unit = flat_cost(made, item, sources[0], year)
            for option, cars in carriers:
                program.cost[made.use[option]] += unit * cars / THOUSAND
            continue
        terms = [(made.use[option], -cars / THOUSAND) for option, cars in carriers]
        for source in sources:
            columns = _source_columns(made, pools, item, source, year)
            made.bought[(item, source, year)] = columns
            terms += [(column, 1.0) for column in columns.values()]
        program.row(("need", item, year), terms, 0.0, 0.0)


def _source_columns(
    made: Build, pools: dict[tuple[str, str, int], Pool], item: Item, source: str, year: int
) -> dict[int, int]:
    """Tier (0 for sources without tiers) -> column of the pieces bought there, thousand."""
    program = made.program
    most = most_by_position(made.places(item, year)) / THOUSAND
    if not source.startswith("offer:"):
        cost = flat_cost(made, item, source, year)
        return {0: program.column(("bought", item, source, year), cost=cost, upper=most)}
    offer = made.scope.facts.offers[source[6:]]
    pool = pools[(offer.name, made.pool(item), year)]
    columns = {}
    for index, _, _ in pool.steps:
        cost = unit_cost(made, item, source, offer.price[year][index], offer.country, year)
        columns[index] = program.column(("bought", item, source, year, index), cost=cost, upper=most)
    return columns


def _pools(made: Build) -> dict[tuple[str, str, int], Pool]:
    """(offer, drawing group, year) -> its reachable tiers and everything that could be bought in it."""
    scope, facts = made.scope, made.scope.facts
    entries: dict[tuple[str, str, int], list[tuple[Place, float]]] = {}
    for item, year in made.members:
        for source in scope.sources(item, year):
            if source.startswith("offer:"):
                entries.setdefault((source[6:], made.pool(item), year), []).extend(made.places(item, year))
    for (name, pool, year), places in entries.items():
        offer = facts.offers[name]
        kept = 1.0
        if scope.joint and pool == scope.joint and offer.module in scope.joint_start:
            kept = 1.0 - scope.diverged(offer.module, year)
        most = facts.tier_units(offer.module, most_by_position(places))
        most = min(most, scope.free_capacity(offer.site, year, 0.0))
        made.pools[(name, pool, year)] = Pool(kept, tuple(tier_steps(offer, year, most * kept)))
    return made.pools


def flat_cost(made: Build, item: Item, source: str, year: int) -> float:
    """Million per thousand pieces, discounted, of a source without tiers."""
    scope = made.scope
    price, origin = flat_price(scope, item, source, year)
    return unit_cost(made, item, source, price, origin, year)


def unit_cost(made: Build, item: Item, source: str, price: float, origin: str, year: int) -> float:
    """price x (landed factor + warranty - equity) + freight, in million per thousand pieces, discounted."""
    scope, facts = made.scope, made.scope.facts
    module = facts.modules[item.module]
    factor, freight = facts.landed(module.class_name, origin, item.country, module.energy_kwh) if origin else (1.0, 0.0)
    supplier = scope.supplier(source, item)
    credit = equity_share(scope, supplier, scope.item_bloc(item)) if supplier else 0.0
    warranty = facts.classes[module.class_name].warranty_share
    return (price * (factor + warranty - credit) + freight) / THOUSAND * discount(facts, year)


def plants_opened(made: Build) -> None:
    """One size and opening year per owner and plant; deliveries <= capacity after ramp-up."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    deliveries: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    for (item, source, year), columns in made.bought.items():
        if source.startswith("plant:"):
            name, _, owner = source[6:].partition("@")
            weight = facts.modules[item.module].energy_kwh / THOUSAND
            deliveries.setdefault((owner, name, year), []).append((columns[0], weight))
    for owner, name in dict.fromkeys((owner, name) for owner, name, _ in deliveries):
        opened = []
        for plant in scope.plants_of(name):
            for year in range(plant_first_year(facts, plant), facts.settings.last_year + 1):
                worth = _worth(made, *plant_cash(facts, plant, year))
                key = (owner, name, plant.step_gwh, year)
                made.plant[key] = program.column(("plant", *key), cost=worth, integer=True)
                opened.append((made.plant[key], 1.0))
        program.row(("one plant", owner, name), opened, upper=1.0)
        for (who, which, year), terms in deliveries.items():
            if (who, which) == (owner, name):
                built = [
                    (made.plant[(owner, name, plant.step_gwh, opening)], -plant_capacity_gwh(plant, opening, year))
                    for plant in scope.plants_of(name)
                    for opening in range(plant_first_year(facts, plant), year + 1)
                ]
                program.row(("plant capacity", owner, name, year), terms + built, upper=0.0)


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


def tiers_by_drawing_group(made: Build) -> None:
    """All-units price by tier: from_r y_r <= Q_r <= to_r y_r, sum y_r <= 1; x_ir <= need_i y_r for every item."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    bought: dict[tuple[str, str, int], list[tuple[Item, dict[int, int]]]] = {}
    for (item, source, year), columns in made.bought.items():
        if source.startswith("offer:"):
            bought.setdefault((source[6:], made.pool(item), year), []).append((item, columns))
            offer = facts.offers[source[6:]]
            group = scope.buying_group(offer.class_name, scope.item_bloc(item))
            spend = made.spend.setdefault((offer.supplier, group, year), {}).setdefault(item, [])
            spend += [(column, offer.price[year][tier] / THOUSAND) for tier, column in columns.items()]
    for key, items in bought.items():
        name, pool, year = key
        steps, kept = made.pools[key].steps, made.pools[key].kept
        if not steps or (len(steps) == 1 and steps[0][1] == 0.0):
            continue
        weight = facts.tier_units(facts.offers[name].module, THOUSAND) * kept
        made.tier[key] = {}
        for index, low, high in steps:
            choice = program.column(("tier", name, pool, year, index), integer=True)
            made.tier[key][index] = choice
            total = [(columns[index], weight) for _, columns in items]
            if low > 0:
                program.row(("tier from", *key, index), [*total, (choice, -low)], lower=0.0)
            program.row(("tier to", *key, index), [*total, (choice, -high)], upper=0.0)
            for item, columns in items:
                most = program.upper[columns[index]]
                if most * weight < high:
                    link = [(columns[index], 1.0), (choice, -most)]
                    program.row(("tier first", *key, index, item), link, upper=0.0)
        program.row(("one tier", *key), [(choice, 1.0) for choice in made.tier[key].values()], upper=1.0)


def rebates_by_spend_group(made: Build) -> None:
    """All-units rebate on a year's spend: from_j w_j <= sum_i V_ij <= to_j w_j, V_ij <= most_i w_j, sum_j V_ij = spend_i."""
    facts, program = made.scope.facts, made.program
    for key, by_item in made.spend.items():
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
            for terms in by_item.values():
                for column, price in terms:
                    program.cost[column] -= merged[0][1] * price * worth
            continue
        made.rebate[key] = []
        split: dict[Item, list[int]] = {item: [] for item in by_item}
        for index, (low, rebate) in enumerate(merged):
            high = merged[index + 1][0] if index + 1 < len(merged) else most
            choice = program.column(("rebate", *key, index), integer=True)
            values = {}
            for item, terms in by_item.items():
                largest = max(price * program.upper[column] for column, price in terms)
                value = program.column(("spend", *key, index, item), cost=-rebate * worth, upper=largest)
                values[item] = value
                split[item].append(value)
                if largest < high:
                    program.row(("rebate first", *key, index, item), [(value, 1.0), (choice, -largest)], upper=0.0)
            total = [(value, 1.0) for value in values.values()]
            if low > 0:
                program.row(("rebate from", *key, index), [*total, (choice, -low)], lower=0.0)
            program.row(("rebate to", *key, index), [*total, (choice, -high)], upper=0.0)
            made.rebate[key].append((rebate, choice, values))
        for item, terms in by_item.items():
            row = [*terms, *((value, -1.0) for value in split[item])]
            program.row(("spend adds up", *key, item), row, 0.0, 0.0)
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
    by_site = sum(price * scope.free_capacity(site, year, 0.0) for site, price in dearest.items())
    return min(most_by_position(entries), by_site)


def site_capacity(made: Build) -> None:
    """All offers of a site draw on what outsiders leave of its capacity; running contracts draw on it too.

    A stand-alone coalition sees what it is reserved (``ladder.reservations``), so that no two use a line twice.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    drawn: dict[tuple[str, int], list[tuple[int, float]]] = {}
    held: dict[tuple[str, int], float] = {}
    for (item, source, year), columns in made.bought.items():
        if source.startswith("offer:"):
            site, weight = facts.offers[source[6:]].site, facts.tier_units(item.module, THOUSAND)
            drawn.setdefault((site, year), []).extend((column, weight) for column in columns.values())
    for (item, year), carriers in made.members.items():
        contract = scope.contracts.get(item.contract)
        if contract is None or not contract.site:
            continue
        key = (contract.site, year)
        source_column = made.bought.get((item, CONTRACT, year), {}).get(0)
        if source_column is not None:
            drawn.setdefault(key, []).append((source_column, facts.tier_units(item.module, THOUSAND)))
        for option, cars in carriers:
            amount = facts.tier_units(item.module, cars)
            held[key] = held.get(key, 0.0) + amount
            if source_column is None:
                drawn.setdefault(key, []).append((made.use[option], amount))
    for (site, year), terms in drawn.items():
        free = scope.free_capacity(site, year, held.get((site, year), 0.0))
        most = sum(weight * program.upper[column] for column, weight in terms)
        if most > free:
            program.row(("site capacity", site, year), terms, upper=free)


def qualification_of_sources(made: Build) -> None:
    """A source new to a programme costs its tests once; the first source of a car without incumbents does not."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    company_of = {facts.slots[s].programme: scope.company_of[s] for s in scope.slots}
    known = known_suppliers(scope)
    by_year: dict[tuple[str, str, str, int], list[int]] = {}
    needs: dict[tuple[str, str, int], list[tuple[Place, float]]] = {}
    for item, year in made.members:
        where = (item.programme, facts.modules[item.module].class_name, year)
        needs.setdefault(where, []).extend(made.places(item, year))
    for (item, source, year), bought in made.bought.items():
        if source.startswith("offer:"):
            class_name = facts.modules[item.module].class_name
            key4 = (item.programme, class_name, scope.supplier(source, item), year)
            by_year.setdefault(key4, []).extend(bought.values())
    for (programme, class_name, supplier, year), columns in by_year.items():
        incumbents = scope.incumbent_suppliers.get((programme, class_name))
        company = company_of[programme]
        costs = facts.classes[class_name].switching_cost if incumbents is None or supplier not in incumbents else 0.0
        opens = facts.activation.get(supplier, 0.0) if (company, supplier) not in known else 0.0
        if not costs and not opens:
            continue
        key = (programme, class_name, supplier)
        if key not in made.qualified:
            paid = once(facts, costs, scope.qualification_year(programme, class_name) - 1)
            made.qualified[key] = program.column(("qualified", *key), cost=_worth(made, paid), integer=True)
            if opens:
                _activation(made, company, supplier, opens, made.qualified[key])
        most = most_by_position(needs[(programme, class_name, year)]) / THOUSAND
        terms = [(column, 1.0) for column in columns] + [(made.qualified[key], -most)]
        program.row(("qualified first", *key, year), terms, upper=0.0)
    _first_sources(made)


def _activation(made: Build, company: str, supplier: str, amount: float, qualified: int) -> None:
    facts, key = made.scope.facts, (company, supplier)
    if key not in made.activated:
        worth = _worth(made, once(facts, amount, facts.settings.first_year - 1))
        made.activated[key] = made.program.column(("activated", *key), cost=worth)
    made.program.row(("activates", *key, qualified), [(qualified, 1.0), (made.activated[key], -1.0)], upper=0.0)


def _first_sources(made: Build) -> None:
    facts = made.scope.facts
    grouped: dict[tuple[str, str], list[int]] = {}
    for (programme, class_name, _), column in made.qualified.items():
        if (programme, class_name) not in made.scope.incumbent_suppliers:
            grouped.setdefault((programme, class_name), []).append(column)
    for (programme, class_name), columns in grouped.items():
        cost = facts.classes[class_name].switching_cost
        if not cost:
            continue
        paid = once(facts, cost, made.scope.qualification_year(programme, class_name) - 1)
        free = made.program.column(("first source", programme, class_name), cost=-_worth(made, paid))
        made.first_free[(programme, class_name)] = free
        terms = [(free, 1.0)] + [(column, -1.0) for column in columns]
        made.program.row(("first source", programme, class_name), terms, upper=0.0)


def local_content_missed(made: Build) -> None:
    """Cars that miss a local-content rule lose its penalty once, whichever parts miss it."""
    from teikei.plan.price import _cars_by_region

    scope, facts, program = made.scope, made.scope.facts, made.program
    if not facts.local_rules:
        return
    for (programme, generation, country, region, year), (cars, total) in _cars_by_region(scope).items():
        value = facts.car_value.get(programme, 0.0)
        rules = [
            rule
            for rule in facts.local_rules
            if rule.plant_country == country and rule.region == region and year >= rule.from_year and rule.minimum > 0
        ]
        if not rules or not value:
            continue
        column = -1
        for rule in rules:
            terms = _missing_terms(made, rule.part, rule.origins, (programme, generation, country, year))
            if not terms:
                continue
            if column < 0:
                here = sum(cars.values())
                worth = here * value / 1e6 * discount(facts, year)
                column = program.column(("misses", programme, generation, country, region, year), worth, 0.0, INFINITY)
                made.missed[(programme, generation, country, region, year)] = column
            scaled = [(c, weight * rule.penalty / (total / THOUSAND)) for c, weight in terms]
            program.row(("local content", rule.part, programme, region, year), [*scaled, (column, -1.0)], upper=0.0)


def _missing_terms(
    made: Build, part: str, origins: frozenset[str], where: tuple[str, str, str, int]
) -> list[tuple[int, float]]:
    """Columns (thousand pieces each unit of weight) that bring a part from outside the origins."""
    scope, facts = made.scope, made.scope.facts
    terms: list[tuple[int, float]] = []
    for (item, year), carriers in made.members.items():
        if (item.programme, item.generation, item.country, year) != where:
            continue
        if facts.classes[facts.modules[item.module].class_name].part != part:
            continue
        for source in scope.sources(item, year):
            origin = ""
            if source == "contract":
                origin = scope.contracts[item.contract].country
            elif source.startswith("offer:"):
                origin = facts.offers[source[6:]].country
            elif source.startswith("plant:"):
                origin = scope.plants_of(source[6:].split("@")[0])[0].country
            if not origin or origin in origins:
                continue
            if (item, source, year) in made.bought:
                terms += [(column, 1.0) for column in made.bought[(item, source, year)].values()]
            else:
                terms += [(made.use[option], cars / THOUSAND) for option, cars in carriers]
    return terms
