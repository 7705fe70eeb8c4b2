"""Solves one coalition at one rung: program, start, HiGHS, decisions, exact price."""

from __future__ import annotations

import math
import time
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from teikei.plan.arrays import INFINITY
from teikei.plan.bill import price_lines
from teikei.plan.build import THOUSAND, Build, build
from teikei.plan.decisions import Decisions
from teikei.plan.parts import Memory, solve_parts
from teikei.plan.price import Priced, need, price, qualifications
from teikei.plan.scope import Item, Scope


@dataclass(frozen=True)
class Solved:
    """A solved scope; decisions is None where there is no plan."""

    scope: Scope
    decisions: Decisions | None
    priced: Priced | None
    bound: float
    status: str
    nodes: int
    seconds: float

    @property
    def value(self) -> float:
        """Re-priced present cost, million."""
        return self.priced.value if self.priced is not None else INFINITY

    @property
    def gap(self) -> float:
        """Value - bound, million, never negative."""
        return max(0.0, self.value - self.bound)


def solve_scope(
    scope: Scope,
    *,
    gap_absolute: float,
    starts: tuple[Decisions, ...] = (),
    time_limit_s: float = INFINITY,
    node_limit: int | None = None,
    memory: Memory | None = None,
    executor: Executor | None = None,
) -> Solved:
    """Solves a scope to an absolute gap (million), from the best of the given starts.

    Slots are tied to feasible configurations only where a solution without it breaks them (a row-generation on
    configurations: every round's bound is valid, and the last round's plan is feasible). The plan returned is never
    worse than a start that is feasible: the cheaper of the two, exactly priced, is kept.
    """
    began = time.process_time()
    memory = memory or Memory()
    known = sorted(((price(scope, start), start) for start in starts), key=lambda pair: pair[0].value)
    coupled: frozenset[str] = frozenset()
    nodes, usable = 0, False
    while True:
        made = build(scope, coupled)
        vector = start_vector(made, known[0][1]) if known else None
        usable = usable or vector is not None
        found = solve_parts(
            made.program, memory, gap_absolute=gap_absolute, time_limit_s=time_limit_s, node_limit=node_limit,
            start=vector, executor=executor,
        )  # fmt: skip
        nodes += found.nodes
        broken = broken_slots(made, found.x) if found.x is not None else frozenset[str]()
        if not broken:
            break
        coupled |= broken
    best = known[0] if usable else None
    if found.x is not None:
        decisions = read_decisions(made, found.x)
        priced = price(scope, decisions)
        if best is None or priced.value < best[0].value:
            best = (priced, decisions)
    seconds = time.process_time() - began
    if best is None:
        return Solved(scope, None, None, found.bound, found.status, nodes, seconds)
    status = "gap" if found.status == "node limit" else found.status
    if status == "optimal" and best[0].value - found.bound > 1e-9 * abs(best[0].value):
        status = "gap"
    return Solved(scope, best[1], best[0], found.bound, status, nodes, seconds)


def broken_slots(made: Build, x: npt.NDArray[np.float64]) -> frozenset[str]:
    """Slots whose modules are no feasible configuration together, with the other phases of the same car."""
    carried: dict[str, dict[str, str]] = {slot: {} for slot in made.scope.slots}
    for option, column in made.use.items():
        if x[column] > 0.5:
            carried[option.slot][option.position] = option.module
    facts = made.scope.facts
    broken = {
        slot for slot, modules in carried.items() if not any(dict(found) == modules for _, found in facts.choices[slot])
    }
    programmes = {(facts.slots[slot].programme, facts.slots[slot].version) for slot in broken}
    return (
        frozenset(slot for slot in carried if (facts.slots[slot].programme, facts.slots[slot].version) in programmes)
        if broken
        else frozenset()
    )


def read_decisions(made: Build, x: npt.NDArray[np.float64]) -> Decisions:
    """Decisions from a solver vector: integers rounded, awards scaled to the cars' need, crumbs dropped."""
    scope = made.scope
    modules = {(o.slot, o.position): o for o, column in made.use.items() if x[column] > 0.5}
    candidate = {}
    for slot in scope.slots:
        mine = {position: option.module for (name, position), option in modules.items() if name == slot}
        candidate[slot] = next(number for number, found in scope.facts.choices[slot] if dict(found) == mine)
    chosen = Decisions(modules, candidate, {}, ())
    plants = tuple(key for key, column in made.plant.items() if x[column] > 0.5)
    awards: dict[tuple[Item, str, int], float] = {}
    for (item, year), wanted in need(scope, chosen).items():
        sources = scope.sources(item, year)
        shares = {
            source: sum(max(0.0, float(x[column])) for column in made.bought[(item, source, year)].values())
            for source in sources
            if (item, source, year) in made.bought
        }
        if not shares:
            awards[(item, sources[0], year)] = wanted
            continue
        total = sum(shares.values())
        kept = {source: share for source, share in shares.items() if share > 1e-7 * total}
        total = math.fsum(kept.values())
        for source, share in kept.items():
            awards[(item, source, year)] = wanted * share / total
    return Decisions(modules, candidate, awards, plants)


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
    lines = {(line.item, line.source, line.year): line for line in price_lines(made.scope, decisions)}
    for (item, source, year), pieces in decisions.awards.items():
        columns = made.bought.get((item, source, year))
        if columns is None:
            if source.startswith(("offer:", "plant:")):
                return None
            continue
        tier = _tier_in(made, item, source, year, lines[(item, source, year)].tier)
        if tier not in columns:
            return None
        x[columns[tier]] = pieces / THOUSAND
        choice = made.tier.get((source[6:], made.pool(item), year), {}).get(tier)
        if choice is not None:
            x[choice] = 1.0
    for key in decisions.plants:
        if key not in made.plant:
            return None
        x[made.plant[key]] = 1.0
    _start_rebates(made, x)
    _start_qualification(made, decisions, x)
    _start_rest(made, x)
    return x


def _start_configurations(made: Build, decisions: Decisions, x: npt.NDArray[np.float64]) -> None:
    carried: dict[str, dict[str, str]] = {}
    for option in decisions.modules.values():
        carried.setdefault(option.slot, {})[option.position] = option.module
    for column, name in enumerate(made.program.names):
        if name[0] == "configuration":
            positions = dict(name[2])
            mine = {p: m for p, m in carried[name[1]].items() if p in positions}
            coupled = {p for other in made.program.names if other[0] == "configuration" and other[1] == name[1]
                       for p, _ in other[2]} if mine == positions else set()  # fmt: skip
            if mine == positions and all(p not in carried[name[1]] for p in coupled - set(positions)):
                x[column] = 1.0


def _start_ladders(made: Build, decisions: Decisions, x: npt.NDArray[np.float64]) -> None:
    facts, scope = made.scope.facts, made.scope
    first: dict[tuple[str, str, str, str], int] = {}
    for option in decisions.modules.values():
        if option.contract:
            continue
        year = facts.slots[option.slot].first_year
        family, company = facts.modules[option.module].family, scope.company_of[option.slot]
        bloc = scope.bloc_of_slot(option.slot)
        for key in (
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
        joint = {o.group == scope.joint for o in decisions.modules.values() if not o.contract
                 and facts.modules[o.module].family == name and bloc in ("", scope.bloc_of_slot(o.slot))}  # fmt: skip
        x[column] = 1.0 if True in joint else 0.0
    for key, columns in made.ladder.items():
        if key in first:
            for year, column in columns.items():
                x[column] = 1.0 if year >= first[key] else 0.0


def _tier_in(made: Build, item: Item, source: str, year: int, tier: int) -> int:
    """The program's tier with the price of a priced line (tiers of equal price are one)."""
    if not source.startswith("offer:"):
        return 0
    prices = made.scope.facts.offers[source[6:]].price[year]
    steps = made.pools[(source[6:], made.pool(item), year)].steps
    return next((index for index, _, _ in steps if prices[index] == prices[tier]), -1)


def _start_rebates(made: Build, x: npt.NDArray[np.float64]) -> None:
    for key, levels in made.rebate.items():
        spent = {item: sum(x[column] * price for column, price in terms) for item, terms in made.spend[key].items()}
        total = math.fsum(spent.values())
        table = made.scope.facts.rebates[key[0]]
        if total <= 0:
            continue
        reached = [rebate for low, rebate in table if total >= low - max(1e-6, 1e-6 * low)]
        mine = reached[-1] if reached else 0.0
        for rebate, choice, values in levels:
            if rebate == mine:
                x[choice] = 1.0
                for item, value in values.items():
                    x[value] = spent[item]
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
