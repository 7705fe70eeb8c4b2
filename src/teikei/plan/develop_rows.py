"""Rows of development: families, variants, own or joint, introductions and facelifts, contracts left."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from teikei.plan.develop_cost import (
    application_cash,
    cancellation,
    divergence_cash,
    family_share,
    requalification,
    sunk,
)
from teikei.plan.facts import Facts, ModuleFact
from teikei.plan.money import coordination_cash, nre_cash, once, present_value, tooling_cash
from teikei.plan.program import Build
from teikei.plan.scope import Option


def families_and_variants(made: Build) -> None:
    """Family NRE x (1 + k (members - 1)) once per developing group, variants once; from the first start on."""
    scope, facts = made.scope, made.scope.facts
    by_family: dict[tuple[str, str], list[Option]] = {}
    by_module: dict[tuple[str, str], list[Option]] = {}
    for option in made.use:
        if scope.is_new(option):
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
            worth = {
                t: present_value(facts, nre_cash(facts, module.nre, t, life), tooling_cash(facts, tooling, t, life))
                for t in starts
            }
            columns = _ladder(made, ("variant", name, group, ""), starts, worth.__getitem__)
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
        return present_value(facts, nre_cash(facts, family.nre * factor, year, family.life_years))

    def together(year: int) -> float:
        return present_value(facts, coordination_cash(facts, class_fact, year))

    blocs = {scope.bloc_of_slot(o.slot) for o in options}
    several = len(blocs) > 1
    top: dict[int, int] | None = None
    if share.base:
        factor = 1.0 - (share.per_bloc if several else 0.0)
        top = _ladder(
            made, ("family", name, group, ""), starts,
            lambda t: spent(factor, t) - (together(t) if several else 0.0)
            + present_value(facts, tooling_cash(facts, family.tooling, t, family.life_years)),
        )  # fmt: skip
    payers = [o for o in options if scope.bloc_of_slot(o.slot) in share.paid_blocs]
    if group == scope.joint:
        _beyond_first(made, "payer", name, payers, together)
    for bloc in sorted(blocs, key=scope.bloc_names.index):
        mine = [o for o in options if scope.bloc_of_slot(o.slot) == bloc]
        companies = {scope.company_of[o.slot] for o in mine}
        payer = bloc in share.paid_blocs
        level = top
        if (several or share.paid_blocs) and not payer:
            inside = share.per_company if len(companies) > 1 else 0.0
            years = {facts.slots[o.slot].first_year for o in mine}
            worth = {t: spent(share.per_bloc - inside, t) + together(t) for t in years}
            level = _ladder(made, ("bloc", name, group, bloc), years, worth.__getitem__)
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
            for place, terms in by_place(made, ours).items():
                year = facts.slots[place[0]].first_year
                made.program.row(("develops", *place, name, group), [*terms, (bottom[year], -1.0)], upper=0.0)
    _tops_need_members(made, name, group)


def own_or_joint(made: Build) -> None:
    """A bloc develops a family by itself or with the partners, not both; two blocs on the same footing, both alike.

    Where one of two has paid the family or a variant of it already, its partner may join it while the payer keeps its
    own drawing.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    if not scope.joint:
        return
    modules = _modules_of(facts)
    mode: dict[tuple[str, str], int] = {}
    sides: dict[tuple[tuple[str, str], bool], list[Option]] = {}
    for option in made.use:
        module = facts.modules[option.module]
        if not scope.is_new(option) or not scope.rule(module.class_name).development_shared:
            continue
        family = facts.families[module.family]
        names = family.sunk_for.union(*(one.sunk_for for one in modules[family.name]))
        paid = {scope.bloc_of_company(company) for company in scope.members if company in names}
        together = len(scope.bloc_names) == 2 and len(paid) != 1
        key = (family.name, "" if together else scope.bloc_of_slot(option.slot))
        if key not in mode:
            mode[key] = program.column(("joint family", *key), integer=True)
        sides.setdefault((key, option.group == scope.joint), []).append(option)
    for (key, joint), options in sides.items():
        for place, terms in by_place(made, options).items():
            if joint:
                program.row(("joint family", *place, *key), [*terms, (mode[key], -1.0)], upper=0.0)
            else:
                program.row(("own family", *place, *key), [*terms, (mode[key], 1.0)], upper=1.0)
    made.mode.update(mode)
    _joint_needs_partner(made)


def _joint_needs_partner(made: Build) -> None:
    """A joint family is one that another bloc uses too: alone in it a bloc has no more than its own drawing gives.

    Left out where the partners' past gives a bloc something (a family or variant they have paid, a module of theirs),
    and where its units count for tiers with other joint drawings of a site.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    if len(scope.bloc_names) != 2:
        return
    modules = _modules_of(facts)
    counted = {offer.module for offer in facts.offers.values() if offer.tier_pool}
    for (name, key), column in made.mode.items():
        for bloc in [key] if key else scope.bloc_names:
            partner = next(other for other in scope.bloc_names if other != bloc)
            started = made.ladder.get(("bloc", name, scope.joint, partner))
            mine, theirs = set(bloc.split("+")), set(partner.split("+"))
            paid = [facts.families[name].sunk_for, *(module.sunk_for for module in modules[name])]
            gains = any(
                module.name in counted or (module.available_to and not module.available_to & mine)
                for module in modules[name]
            )
            if started is None or gains or any(names & theirs and not names & mine for names in paid):
                continue
            program.row(("joint with", partner, name, key), [(column, 1.0), (started[max(started)], -1.0)], upper=0.0)


def _modules_of(facts: Facts) -> dict[str, list[ModuleFact]]:
    """Family -> its modules."""
    modules: dict[str, list[ModuleFact]] = {}
    for module in facts.modules.values():
        modules.setdefault(module.family, []).append(module)
    return modules


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
    scope = made.scope

    def cost(year: int) -> float:
        return present_value(scope.facts, divergence_cash(scope, name, year))

    if cost(scope.facts.settings.first_year):
        _beyond_first(made, "divergence", name, options, cost)


def _beyond_first(made: Build, kind: str, name: str, options: list[Option], cost: Callable[[int], float]) -> None:
    """Each bloc beyond the first that uses a joint drawing or family pays cost(its start): sum over blocs - the first.

    Two ladders: one of each bloc with +cost, one of all together with -cost, which starts only where a bloc does.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    blocs = sorted({scope.bloc_of_slot(o.slot) for o in options}, key=scope.bloc_names.index)
    if len(blocs) < 2:
        return
    starts = {facts.slots[o.slot].first_year for o in options}
    top = _ladder(made, (kind, name, scope.joint, ""), starts, lambda t: -cost(t))
    lower = []
    for bloc in blocs:
        mine = [o for o in options if scope.bloc_of_slot(o.slot) == bloc]
        years = {facts.slots[o.slot].first_year for o in mine}
        columns = _ladder(made, (f"{kind} bloc", name, scope.joint, bloc), years, cost)
        _below(made, columns, top, (kind, name, bloc))
        lower.append(columns)
        for place, terms in by_place(made, mine).items():
            year = facts.slots[place[0]].first_year
            program.row((kind, *place, name), [*terms, (columns[year], -1.0)], upper=0.0)
    for year, column in top.items():
        terms = [(column, 1.0)]
        for ladder in lower:
            reached = [t for t in ladder if t <= year]
            if reached:
                terms.append((ladder[max(reached)], -1.0))
        program.row((f"{kind} by a member", name, year), terms, upper=0.0)
        program.integer[column] = True


def introductions_and_facelifts(made: Build) -> None:
    """A family new to a car pays its application; a car in production that changes pays requalification as well.

    A position changes to at most one drawing of a family, so that its changes together are at most one introduction.
    """
    scope, facts, program = made.scope, made.scope.facts, made.program
    places: dict[tuple[tuple[str, str, str, int], str, str], list[tuple[int, float]]] = {}
    for option, column in list(made.use.items()):
        if not scope.is_new(option):
            continue
        slot = facts.slots[option.slot]
        family = facts.families[facts.modules[option.module].family]
        step = 2 if option.slot in scope.previous else 1
        key = (slot.programme, slot.generation, family.name, step)
        if key not in made.introduced:
            amount = requalification(scope, option.slot, family.class_name, step == 2)
            worth = present_value(
                facts,
                application_cash(facts, family, option.slot, True),
                application_cash(facts, family, option.slot, False),
                once(facts, amount, slot.first_year - 1),
            )
            made.introduced[key] = program.column(("introduced", *key), cost=worth)
        before = option._replace(slot=scope.previous.get(option.slot, ""))
        changed = column
        if before in made.use:
            changed = made.changed[option] = program.column(("changed", option))
            terms = [(column, 1.0), (made.use[before], -1.0), (changed, -1.0)]
            program.row(("changes", option), terms, upper=0.0)
        places.setdefault((key, option.slot, option.position), []).append((changed, 1.0))
    for (key, slot_name, position), terms in places.items():
        program.row(("introduces", slot_name, position, *key), [*terms, (made.introduced[key], -1.0)], upper=0.0)


def by_place(made: Build, options: Iterable[Option]) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """(slot, position) -> columns of these options there: a position carries one of them, so that a row for all of
    them together is as true as one for each, and tighter.
    """
    places: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for option in options:
        places.setdefault((option.slot, option.position), []).append((made.use[option], 1.0))
    return places


def contracts_left(made: Build) -> None:
    """Leaving a contract costs its cancellation in proportion to what is left; once left it does not come back."""
    scope, facts, program = made.scope, made.scope.facts, made.program
    for option, column in made.use.items():
        if not option.contract:
            continue
        slot = facts.slots[option.slot]
        amount = cancellation(scope, option.slot, option.position)
        worth = present_value(facts, once(facts, amount, slot.first_year - 1))
        program.cost[column] -= worth
        before = made.use.get(option._replace(slot=scope.previous.get(option.slot, "")))
        if before is None:
            program.offset += worth
        else:
            program.cost[before] += worth
            program.row(("contract kept", option), [(column, 1.0), (before, -1.0)], upper=0.0)


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
    for earlier, later in itertools.pairwise(years):
        made.program.row(("once started", *key, later), [(columns[earlier], 1.0), (columns[later], -1.0)], upper=0.0)
    made.ladder[key] = columns
    return columns


def _below(made: Build, lower: dict[int, int], upper: dict[int, int], key: object) -> None:
    """Whoever has started below has started above."""
    for year, column in lower.items():
        made.program.row(("member of", key, year), [(column, 1.0), (upper[year], -1.0)], upper=0.0)
