"""The parts of a release that are no money: shared designs, own requirements that drive them, the common timeline.

Called by the items of a release list only (``items``), with a joint run as one receiver may read it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Final

import polars as pl

from teikei.room.items import NOT_EVALUATED, Solved
from teikei.room.specification import Field, fields_of, plain

DRIVES: Final = "drives this design"
DRIVES_NOT: Final = "does not drive it: a smaller design would do"
_APPLICATION: Final = re.compile(r"(?P<family>.+) in (?P<programme>[^/]+)/(?P<generation>.+) for .+")
Line = tuple[tuple[str, ...], str]


def shared_modules(solved: Solved) -> dict[str, str]:
    """Module -> class of the designs that two members or more use; one member's own design is its own matter."""
    chosen = solved.rows("configurations")
    if chosen.is_empty():
        return {}
    users: dict[str, set[str]] = {}
    classes: dict[str, str] = {}
    for module, programme, class_name in chosen.select("module", "programme", "class").iter_rows():
        users.setdefault(module, set()).add(solved.owner.get(programme, ""))
        classes[module] = class_name
    return {module: classes[module] for module in sorted(users) if len(users[module] - {""}) >= 2}


def specifications(solved: Solved, classes: Collection[str]) -> list[Line]:
    """Ratings and interfaces of the shared designs: the fields of a common specification, no cost and no user."""
    shared, designs = shared_modules(solved), solved.rows("module_designs")
    if designs.is_empty():
        return []
    found: list[Line] = []
    for row in designs.unique("variant").sort("variant").iter_rows(named=True):
        class_name = shared.get(row["variant"], "")
        if class_name not in classes:
            continue
        for field in fields_of(class_name):
            value = row.get(field.design) if field.design and _passes(field) else None
            if value is not None:
                found.append(((class_name, row["variant"], field.name), plain(value)))
    return found


def _passes(field: Field) -> bool:
    return field.name not in ("carried_over", "module")  # what is carried over names the company that has paid it


def drivers(solved: Solved, classes: Collection[str]) -> list[Line]:
    """For the receiver's own programmes: which requirement of its own decides a shared design, and whether it does."""
    shared, uses = shared_modules(solved), solved.rows("module_uses")
    if uses.is_empty():
        return []
    found: dict[tuple[str, ...], str] = {}
    columns = ("module", "programme", "driving_requirement", "procedure", "overdesign")
    for module, programme, requirement, procedure, overdesign in uses.select(columns).iter_rows():
        class_name = shared.get(module, "")
        if solved.owner.get(programme) != solved.company or class_name not in classes or not requirement:
            continue
        subject = (class_name, module, str(programme), str(requirement), str(procedure or ""))
        known = overdesign is not None and not math.isnan(overdesign)
        text = (DRIVES if overdesign <= 1e-9 else DRIVES_NOT) if known else NOT_EVALUATED
        if found.get(subject) != DRIVES:
            found[subject] = text
    return sorted(found.items())


def timeline(solved: Solved, classes: Collection[str]) -> list[Line]:
    """Tasks of shared families and variants with lead and quarters; applications of the receiver's own programmes."""
    plan, designs = solved.rows("schedule"), solved.rows("module_designs")
    if plan.is_empty():
        return [(("schedule",), NOT_EVALUATED)]
    shared = {name: found for name, found in shared_modules(solved).items() if found in classes}
    families = {}
    if not designs.is_empty() and "family" in designs.columns:
        families = {family: shared[variant] for variant, family in _pairs(designs) if variant in shared}
    member_of = {name: member for member, own in solved.terms.members.items() for name in own}
    owner = solved.owner
    found: list[Line] = []
    for row in plan.sort("object", "start", "task").iter_rows(named=True):
        thing, text = str(row["object"]), f"{row['start']} to {row['end']}"
        application = _APPLICATION.fullmatch(thing)
        if application is None and (thing in shared or thing in families):
            found.append(((thing, str(row["task"]), member_of.get(row["company"], "")), text))
        elif (
            application and application["family"] in families and owner.get(application["programme"]) == solved.company
        ):
            name = f"{application['family']} in {application['programme']} {application['generation']}"
            found.append(((name, str(row["task"]), member_of.get(row["company"], "")), text))
    return found


def _pairs(designs: pl.DataFrame) -> list[tuple[str, str]]:
    return [(variant, family) for variant, family in designs.select("variant", "family").unique().iter_rows()]
