"""Development work, tasks and engineering capacity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.messages import show, suggest
from teikei.tables.source import Row

NRE_TOLERANCE: Final = 0.02
_EXTERNAL: Final = "external"


def work_items_exist(draft: Draft) -> Iterator[Problem]:
    """Work names a family (level family), a module (variant), or either or a segment group (application, programme)."""
    families, modules = set(draft.values("families", "family")), set(draft.values("modules", "module"))
    if {"families", "modules"} & draft.damaged:
        return
    for row in draft["work"]:
        known = {"family": families, "variant": modules}.get(row["level"])
        if known is not None and row["item"] is not None and row["item"] not in known:
            table = "families" if row["level"] == "family" else "modules"
            yield row.error(
                "item", f"{show(row['item'])} is not in {draft.files[table]}{suggest(row['item'], sorted(known))}"
            )


def work_agrees_with_nre(draft: Draft) -> Iterator[Problem]:
    """Hours × rate + external cost of an item equal the NRE that the plan pays for it, within 2 %."""
    if draft.settings is None:
        return
    rate = draft.settings.engineering_rate_per_hour
    families, modules = draft.by_key("families", "family"), draft.by_key("modules", "module")
    for (level, item), rows in draft.grouped("work", "level", "item").items():
        target: Row | None
        target, column = {
            "family": (families.get(item), "nre"),
            "variant": (modules.get(item), "nre"),
            "application": (families.get(item), "application_nre"),
        }.get(level, (None, ""))
        stated = target[column] if target is not None else None
        if stated is None or any(row["hours"] is None or row["external_cost"] is None for row in rows):
            continue
        computed = sum(row["hours"] * rate / 1e6 + row["external_cost"] for row in rows)
        if abs(computed - stated) > NRE_TOLERANCE * max(abs(stated), 1e-9):
            table = "modules" if level == "variant" else "families"
            yield rows[0].warning(
                "hours",
                f"the work of {item} ({level}) costs {computed:.6g} million at {rate:.6g} an hour plus external "
                f"cost, but {column} in "
                f"{draft.files[table]} says {stated:.6g}: make the two agree within 2 %",
            )


def skills_of_work_are_on_hand(draft: Draft) -> Iterator[Problem]:
    """Each skill that work needs is one that a company has, or ``external``."""
    if "engineering" in draft.damaged:
        return
    skills = set(draft.values("engineering", "skill"))
    reported = set()
    for row in draft["work"]:
        skill = row["skill"]
        if skill in (None, _EXTERNAL) or skill in skills or skill in reported or not row["hours"]:
            continue
        reported.add(skill)
        yield row.error(
            "skill",
            f"no company has hours of skill {show(skill)} in "
            f"{draft.files['engineering']}{suggest(skill, [*sorted(skills), _EXTERNAL])}",
        )


def external_work_has_no_hours(draft: Draft) -> Iterator[Problem]:
    """Bought-in work is given as cost, own work as hours."""
    for row in draft["work"]:
        if row["skill"] == _EXTERNAL and row["hours"]:
            yield row.error(
                "hours", "bought-in work (skill external) has no hours of the companies: give external_cost"
            )


def tasks_have_no_cycle(draft: Draft) -> Iterator[Problem]:
    """No task waits for itself, directly or through others."""
    rows = draft.by_key("tasks", "task")
    before = {task: [name for name in row["predecessors"] or () if name in rows] for task, row in rows.items()}
    done: set[str] = set()
    for start in before:
        if cycle := _cycle_from(start, before, done):
            yield rows[cycle[0]].error(
                "predecessors",
                f"the tasks wait for each other in a circle: {' → '.join(cycle)}; remove one of these predecessors",
            )
            return


def _cycle_from(start: str, before: dict[str, list[str]], done: set[str]) -> list[str]:
    """Tasks of a cycle reachable from ``start``, the first repeated at the end; empty if there is none."""
    path: list[str] = []
    on_path: set[str] = set()
    stack: list[tuple[str, int]] = [(start, 0)]
    while stack:
        task, position = stack.pop()
        if position == 0:
            if task in done:
                continue
            path.append(task)
            on_path.add(task)
        following = before[task]
        if position < len(following):
            stack.append((task, position + 1))
            successor = following[position]
            if successor in on_path:
                return [*path[path.index(successor) :], successor]
            if successor not in done:
                stack.append((successor, 0))
        else:
            done.add(task)
            on_path.discard(path.pop())
    return []


CHECKS = (
    work_items_exist,
    work_agrees_with_nre,
    skills_of_work_are_on_hand,
    external_work_has_no_hours,
    tasks_have_no_cycle,
)
