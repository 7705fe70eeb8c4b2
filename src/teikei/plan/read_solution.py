"""From a solver's vector to decisions and back."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from teikei.plan.bill import Line, price_lines
from teikei.plan.decisions import Decisions
from teikei.plan.develop_cost import family_share
from teikei.plan.price import need, qualifications
from teikei.plan.program import THOUSAND, Build
from teikei.plan.purchase_rows import WHOLE
from teikei.plan.scope import Item, Option
from teikei.plan.sources import OFFER, PLANT, Source


def read_decisions(made: Build, x: npt.NDArray[np.float64]) -> Decisions:
    """Decisions from a solver vector: integers rounded, awards scaled to the cars' need, crumbs dropped."""
    scope = made.scope
    modules = {(o.slot, o.position): o for o, column in made.use.items() if x[column] > 0.5}
    candidate = {}
    for slot in scope.slots:
        number = scope.candidate(slot, modules)
        assert number is not None  # noqa: S101 - the program lets a car carry nothing else
        candidate[slot] = number
    chosen = Decisions(modules, candidate, {}, ())
    plants = tuple(key for key, column in made.plant.items() if x[column] > 0.5)
    awards: dict[tuple[Item, Source, int], float] = {}
    for (item, year), wanted in need(scope, chosen).items():
        shares = {
            source: max(0.0, float(x[made.bought[(item, source, year)]]))
            for source in scope.sources(item, year)
            if (item, source, year) in made.bought
        }
        if not shares:
            awards[(item, scope.sources(item, year)[0], year)] = wanted
            continue
        total = sum(shares.values())
        kept = {source: share for source, share in shares.items() if share > 1e-7 * total}
        total = math.fsum(kept.values())
        for source, share in kept.items():
            awards[(item, source, year)] = wanted * share / total
    expansions = tuple(key for key, column in made.expansion.items() if x[column] > 0.5)
    built = {site: plant for (site, plant), column in made.built.items() if x[column] > 0.5}
    return Decisions(modules, candidate, awards, plants, expansions, built=built)


def start_vector(made: Build, decisions: Decisions) -> npt.NDArray[np.float64] | None:
    """A solver vector for known decisions; None where a decision has no column in this program.

    Continuous columns that follow from others (tiers' quantities, spend) are filled as well, so that the solver can
    take the vector as it stands.
    """
    x = np.zeros(len(made.program.cost))
    for option in decisions.modules.values():
        if option not in made.use:
            return None
        x[made.use[option]] = 1.0
    _start_configurations(made, decisions, x)
    _start_ladders(made, decisions, x)
    if not _start_awards(made, decisions, x):
        return None
    for key in decisions.plants:
        if key not in made.plant:
            return None
        x[made.plant[key]] = 1.0
    for payer, *what in decisions.expansions:  # whose pooled group pays where the payer has joined one
        groups = [key for key in made.expansion if key[1:] == tuple(what)]
        mine = [key for key in groups if set(payer.split("+")) <= set(key[0].split("+"))]
        if not mine:
            return None
        x[made.expansion[mine[0]]] = 1.0
    for (site, plant), column in made.built.items():
        home = next(name for place, name in made.built if place == site)
        x[column] = 1.0 if decisions.built.get(site, home) == plant else 0.0
    for totals in made.in_tier.values():
        for tier in totals:
            x[tier.total] = math.fsum(weight * x[column] for column, weight in tier.terms)
    for fill in made.fills:
        fill(x)
    _start_rebates(made, x)
    _start_qualification(made, decisions, x)
    for option, column in made.changed.items():
        before = option._replace(slot=made.scope.previous[option.slot])
        x[column] = max(0.0, x[made.use[option]] - x[made.use[before]])
    _start_rest(made, x)
    return x


def _start_configurations(made: Build, decisions: Decisions, x: npt.NDArray[np.float64]) -> None:
    carried: dict[str, dict[str, str]] = {}
    for option in decisions.modules.values():
        carried.setdefault(option.slot, {})[option.position] = option.module
    for (slot, group), columns in made.configuration.items():
        mine = tuple((position, carried[slot][position]) for position in group if position in carried[slot])
        x[columns[mine]] = 1.0


def _start_ladders(made: Build, decisions: Decisions, x: npt.NDArray[np.float64]) -> None:
    facts, scope = made.scope.facts, made.scope
    first: dict[tuple[str, str, str, str], int] = {}
    for option in decisions.modules.values():
        if not scope.is_new(option):
            continue
        year = facts.slots[option.slot].first_year
        family, company = facts.modules[option.module].family, scope.company_of[option.slot]
        bloc = scope.bloc_of_slot(option.slot)
        paid = family_share(scope, facts.families[family], option.group).paid_blocs
        payer = (("payer", family, option.group, ""), ("payer bloc", family, option.group, bloc))
        for key in (
            *(payer if bloc in paid else ()),
            ("family", family, option.group, ""), ("bloc", family, option.group, bloc),
            ("company", family, option.group, company), ("variant", option.module, option.group, ""),
            ("divergence", option.module, option.group, ""), ("divergence bloc", option.module, option.group, bloc),
        ):  # fmt: skip
            first[key] = min(year, first.get(key, year))
        before = decisions.modules.get((scope.previous.get(option.slot, ""), option.position))
        if before is None or before._replace(slot="") != option._replace(slot=""):
            slot = facts.slots[option.slot]
            step = 2 if option.slot in scope.previous else 1
            x[made.introduced[(slot.programme, slot.generation, family, step)]] = 1.0
    for (name, bloc), column in made.mode.items():
        joint = {o.group == scope.joint for o in decisions.modules.values() if scope.is_new(o)
                 and facts.modules[o.module].family == name and bloc in ("", scope.bloc_of_slot(o.slot))}  # fmt: skip
        x[column] = 1.0 if True in joint else 0.0
    for key, columns in made.ladder.items():
        if key in first:
            for year, column in columns.items():
                x[column] = 1.0 if year >= first[key] else 0.0


def _start_awards(made: Build, decisions: Decisions, x: npt.NDArray[np.float64]) -> bool:
    """Shares and tier quantities of known awards; False where one has no column."""
    scope, facts = made.scope, made.scope.facts
    for line in price_lines(scope, decisions):
        found = made.bought.get((line.item, line.source, line.year))
        if found is None:
            if line.source.kind in (OFFER, PLANT):
                return False
            continue
        x[found] = line.pieces / THOUSAND
        carriers = [(o, cars) for o, cars in made.members[(line.item, line.year)] if x[made.use[o]] > 0.5]
        cars_together = math.fsum(cars for _, cars in carriers)
        mine = {option: line.pieces / THOUSAND * cars / cars_together for option, cars in carriers}
        for option, pieces in mine.items():
            x[made.carried[(option, line.item.country, line.source, line.year)]] = pieces
        if line.source.kind != OFFER:
            continue
        offer = facts.offers[line.source.name]
        if offer.incremental:
            for option, pieces in mine.items():
                _start_incremental(made, line, option, pieces, x)
            continue
        prices = offer.price[line.year]
        steps = made.tier[(line.source.name, made.pool(line.item), line.year)]
        same = (index for index in steps if prices[index] == prices[line.tier])
        tier = line.tier if line.tier in steps else next(same, None)
        if tier is None:
            return False
        choice, quantities = steps[tier]
        if choice >= 0:
            x[choice] = 1.0
        for option, pieces in mine.items():
            x[quantities[(option, line.item.country)]] = pieces
    return True


def _start_incremental(made: Build, line: Line, option: Option, pieces: float, x: npt.NDArray[np.float64]) -> None:
    """Thousand pieces of a position, put into the first increments of its offer that have room."""
    key = (line.source.name, made.pool(line.item), line.year)
    pool, steps = made.pools[key], made.tier[key]
    weight = made.scope.facts.tier_units(line.item.module, THOUSAND) * pool.kept
    left = pieces
    for at, (index, low, high) in enumerate(pool.steps):
        choice, cells = steps[index]
        taken = left
        if at + 1 < len(pool.steps):
            taken = min(left, max(0.0, (high - low) / weight - sum(x[column] for column in cells.values())))
        if taken > 0:
            x[cells[(option, line.item.country)]] += taken
            if choice >= 0:
                x[choice] = 1.0
        left -= taken


def _start_rebates(made: Build, x: npt.NDArray[np.float64]) -> None:
    for key, levels in made.rebate.items():
        spent = {
            place: math.fsum(x[column] * price for column, price in terms) for place, terms in made.spend[key].items()
        }
        table, total = made.scope.facts.rebates[key[0]], math.fsum(spent.values())
        if total <= 0:
            continue
        if key[0] in made.scope.facts.incremental_rebates:
            left = total
            for at, (_, choice, whole) in enumerate(levels):
                value = whole[WHOLE]
                x[value] = left if at + 1 == len(levels) else min(left, made.program.upper[value])
                x[choice] = 1.0 if left > 0 else 0.0
                left -= x[value]
            continue
        reached = [rebate for low, rebate in table if total >= low - max(1e-6, 1e-6 * low)]
        mine = reached[-1] if reached else 0.0
        for rebate, choice, values in levels:
            if rebate == mine:
                x[choice] = 1.0
                for place, amount in spent.items():
                    x[values[place]] = amount
                break


def _start_qualification(made: Build, decisions: Decisions, x: npt.NDArray[np.float64]) -> None:
    company_of = {made.scope.facts.slots[s].programme: made.scope.company_of[s] for s in made.scope.slots}
    for (programme, class_name), suppliers in qualifications(made.scope, decisions).items():
        for supplier in suppliers:
            column = made.qualified.get((programme, class_name, supplier))
            if column is None:
                continue
            x[column] = 1.0
            if (programme, class_name) in made.first_free:
                x[made.first_free[(programme, class_name)]] = 1.0
            opened = made.activated.get((company_of[programme], supplier))
            if opened is not None:
                x[opened] = 1.0


def _start_rest(made: Build, x: npt.NDArray[np.float64]) -> None:
    """Columns that are the largest of some rows: cars that miss a rule, suppliers in use."""
    program = made.program
    wanted = {column for column, name in enumerate(program.names) if name[0] in ("misses", "supplier used")}
    if not wanted:
        return
    rows: dict[int, list[tuple[int, float]]] = {}
    for row, column, value in zip(program.rows, program.columns, program.values, strict=True):
        rows.setdefault(row, []).append((column, value))
    for terms in rows.values():
        mine = [(column, value) for column, value in terms if column in wanted]
        if len(mine) != 1:
            continue
        column, own = mine[0]
        level = sum(value * x[other] for other, value in terms if other != column)
        if program.names[column][0] == "misses":
            x[column] = max(x[column], level / -own)
        elif len(terms) > 1 and level >= -own:
            x[column] = 1.0
