"""What a plan makes the companies develop: families, variants, applications and cars, with the hours the plan pays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from teikei.develop.quarters import Calendar
from teikei.modules.types import Catalogue
from teikei.plan.tasks import car_scope, scope_of
from teikei.plan.types import Plan
from teikei.plan.vehicle_work import VEHICLE_CLASS, car_item
from teikei.study.cars import BODIES
from teikei.study.types import Study

Use = tuple[str, str]


@dataclass(frozen=True)
class DevelopmentObject:
    """One thing to develop.

    uses: (programme, generation) it serves, with the quarter by which it must be ready; leads: companies that may
    lead it; hours: skill -> hours, sharing factor included; external_cost in million; scope: the study's task scope.
    """

    name: str
    level: str
    class_name: str
    item: str
    leads: tuple[str, ...]
    shared: bool
    uses: tuple[tuple[Use, int], ...]
    hours: dict[str, float]
    external_cost: float
    scope: str


@dataclass(frozen=True)
class _NewUse:
    programme: str
    generation: str
    company: str
    class_name: str
    family: str
    module: str
    due: int
    group: tuple[str, ...]
    """Companies that develop the module together: as the plan decided, else as the rung has it."""


class ObjectFinder:
    """Reads the objects of one coalition at one rung off its plan's configurations."""

    def __init__(self, study: Study, catalogue: Catalogue, plan: Plan, calendar: Calendar):
        self.study = study
        self.plan = plan
        self.calendar = calendar
        self.members = tuple(plan.coalition.split("+"))
        self.bloc_of = {company: name for name, bloc in study.blocs.items() for company in bloc}
        self.notes: list[str] = []
        self.found: list[DevelopmentObject] = []
        shared = study["rungs"].filter(pl.col("rung") == plan.rung, pl.col("development_shared"))
        self.shared_classes = frozenset(shared["class"].to_list())
        self.scopes = tuple(study["tasks"]["scope"].unique(maintain_order=True).to_list())
        self.classes = {row["class"]: row for row in study["classes"].iter_rows(named=True)}
        self.families = {row["family"]: row for row in study["families"].iter_rows(named=True)}
        self.modules = {row["module"]: row for row in study["modules"].iter_rows(named=True)}
        programmes = study["programmes"].filter(pl.col("in_scope"))
        self.programmes = {row["programme"]: row for row in programmes.iter_rows(named=True)}
        self.generations = {
            (row["programme"], row["generation"]): row for row in study["generations"].iter_rows(named=True)
        }
        second = catalogue.slots.filter(pl.col("phase") == 2).group_by("programme", "generation")
        self.facelift = {
            (programme, generation): int(year)
            for programme, generation, year in second.agg(pl.col("first_year").min()).iter_rows()
        }
        self.capable = frozenset(study["engineering"].filter(pl.col("hours_per_quarter") > 0)["company"].to_list())

    def objects(self) -> list[DevelopmentObject]:
        """All objects, families first; each needs to be ready for the earliest car that uses it."""
        uses = self._new_uses()
        self.found = [*self._families(uses), *self._variants(uses), *self._applications(uses), *self._vehicles(uses)]
        return self.found

    def _new_uses(self) -> list[_NewUse]:
        """Modules that come new into a car, and the quarter by which: its start of production or its facelift.

        The drawing counts: a module of the same name that another group develops is another drawing.
        A module that the car carried before the facelift as well comes only once; one that the car carries under a
        contract today does not come, from whichever supplier the plan buys it (a change of supplier is re-validated,
        at a cost that the plan pays).
        """
        carried = set(self.study["existing"].select("programme", "generation", "module").iter_rows())
        table = self.plan.tables.get("configurations")
        if table is None or table.is_empty():
            return []
        for name, default in (("version", ""), ("position", ""), ("phase", 1)):
            if name not in table.columns:
                table = table.with_columns(pl.lit(default).alias(name))
        rows = table.sort("phase", maintain_order=True).to_dicts()
        before: dict[tuple[str, ...], tuple[str, str]] = {}
        found: dict[tuple[str, str, str, int], _NewUse] = {}
        for row in rows:
            place = tuple(str(row[name]) for name in ("programme", "generation", "class", "version", "position"))
            previous = before.get(place)
            drawing = (row["module"], row.get("developing_group") or "")
            before[place] = drawing
            known = row["module"] in self.modules and row["programme"] in self.programmes
            own = len({self.bloc_of.get(company) for company in drawing[1].split("+")}) == 1
            today = own and (row["programme"], row["generation"], row["module"]) in carried
            stays = today if previous is None else previous == drawing
            if row["existing"] or stays or not known:
                continue
            due = self._due(row["programme"], row["generation"], at_facelift=row["phase"] == 2 or previous is not None)
            if due is None:
                continue
            module = self.modules[row["module"]]
            use = _NewUse(
                row["programme"],
                row["generation"],
                self._company(row),
                module["class"],
                module["family"],
                row["module"],
                due,
                self._group_of(row, module["class"]),
            )
            found.setdefault((use.programme, use.generation, use.module, due), use)
        return list(found.values())

    def _due(self, programme: str, generation: str, *, at_facelift: bool) -> int | None:
        """Quarter of the start of production or of the facelift; the first planning year for a car that is already
        built."""
        row = self.generations.get((programme, generation))
        if row is None:
            return None
        start, first = self.calendar.of_month(row["sop"]), self.calendar.of_year(self.study.settings.first_year)
        if at_facelift:
            year = self.facelift.get((programme, generation), row["facelift_year"])
            return max(first, self.calendar.of_year(int(year))) if year is not None else max(first, start)
        return start if start > 0 else first

    def _group_of(self, row: dict[str, Any], class_name: str) -> tuple[str, ...]:
        """Sharing what may be shared is the plan's choice: it says who develops with whom (``developing_group``)."""
        told = tuple((row.get("developing_group") or "").split("+"))
        return told if set(told) <= set(self.members) else self.group(class_name, self._company(row))

    def _company(self, row: dict[str, Any]) -> str:
        return str(self.programmes[row["programme"]]["company"])

    def group(self, class_name: str, company: str) -> tuple[str, ...]:
        """The companies that develop a class together with this one."""
        if class_name in self.shared_classes:
            return self.members
        return tuple(other for other in self.members if self.bloc_of[other] == self.bloc_of[company])

    def _grouped(self, uses: list[_NewUse], by: str) -> dict[tuple[str, tuple[str, ...]], list[_NewUse]]:
        grouped: dict[tuple[str, tuple[str, ...]], list[_NewUse]] = {}
        for use in uses:
            grouped.setdefault((getattr(use, by), use.group), []).append(use)
        return grouped

    def _families(self, uses: list[_NewUse]) -> list[DevelopmentObject]:
        made = []
        for (family, group), mine in self._grouped(uses, "family").items():
            factor = self._family_factor(family, group, mine)
            if factor > 0:
                waiting = [use for use in mine if self._takes_over(family, group, use)]
                made.append(self._object("family", family, group, waiting or mine, factor))
        return made

    def _takes_over(self, family: str, group: tuple[str, ...], use: _NewUse) -> bool:
        """Whether a car waits for its family: where a member has paid it, only those do that take it over."""
        paid = set(group) & set(self.families[family]["sunk_for"] or []) if family in self.families else set()
        rule = self.classes[use.class_name]
        if use.company in paid:
            return False
        same_bloc = self.bloc_of[use.company] in {self.bloc_of[company] for company in paid}
        k = rule["k_family_nre"]
        return not paid or (min(rule["k_family_nre_same_bloc"] or 0.0, k) if same_bloc else k) > 0

    def _family_factor(self, family: str, group: tuple[str, ...], uses: list[_NewUse]) -> float:
        """Share of the family's hours to be spent: 1 unless a member has paid it, and k for each further user."""
        row = self.families.get(family)
        rule = self.classes[uses[0].class_name]
        paid = {company for company in group if row is not None and company in (row["sunk_for"] or [])}
        users: dict[str, set[str]] = {}
        for use in uses:
            users.setdefault(self.bloc_of[use.company], set()).add(use.company)
        paid_blocs = {self.bloc_of[company] for company in paid}
        further_blocs = len(set(users) - paid_blocs) if paid else len(users) - 1
        further_companies = sum(
            max(0, len(companies - paid) - (0 if bloc in paid_blocs else 1)) for bloc, companies in users.items()
        )
        same_bloc = min(rule["k_family_nre_same_bloc"] or 0.0, rule["k_family_nre"])
        factor = (0.0 if paid else 1.0) + rule["k_family_nre"] * further_blocs + same_bloc * further_companies
        return float(factor)

    def _variants(self, uses: list[_NewUse]) -> list[DevelopmentObject]:
        made = []
        for (module, group), mine in self._grouped(uses, "module").items():
            if not set(group) & set(self.modules[module]["sunk_for"] or []):
                made.append(self._object("variant", module, group, mine, 1.0))
        return made

    def _applications(self, uses: list[_NewUse]) -> list[DevelopmentObject]:
        """Once per car, generation and family, and again for the facelift; the car's own company does it."""
        cars: dict[tuple[str, str, str, int], list[_NewUse]] = {}
        for use in uses:
            cars.setdefault((use.programme, use.generation, use.family, use.due), []).append(use)
        return [
            self._object("application", family, (mine[0].company,), mine, 1.0)
            for (_, _, family, _), mine in cars.items()
        ]

    def _vehicles(self, uses: list[_NewUse]) -> list[DevelopmentObject]:
        """Cars whose start of production lies ahead; those with a module under contract today count as developed."""
        contracted = set(self.study["existing"].select("programme", "generation").iter_rows())
        made = []
        led: set[str] = set()
        bodied = {(use.programme, use.generation) for use in uses if use.class_name in BODIES}
        for (programme, generation), row in self.generations.items():
            car = self.programmes.get(programme)
            due = self.calendar.of_month(row["sop"])
            if car is None or car["company"] not in self.members or due <= 0 or (programme, generation) in contracted:
                continue
            if self.calendar.origin + due > (self.study.settings.last_year + 1) * 4:
                continue
            if (programme, generation) in bodied:
                continue  # its work is that of its body and its brand face
            platforms = {
                use.family
                for use in uses
                if (use.programme, use.generation, use.class_name) == (programme, generation, "platform")
            }
            lead_car = bool(platforms - led)
            led |= platforms
            group = self.group(VEHICLE_CLASS, car["company"]) if VEHICLE_CLASS in self.shared_classes else ()
            use = _NewUse(programme, generation, car["company"], VEHICLE_CLASS, "", "", due, group or (car["company"],))
            made.append(self._vehicle(use, car["segment"], lead_car=lead_car))
        return made

    def _vehicle(self, use: _NewUse, segment: str, *, lead_car: bool) -> DevelopmentObject:
        scope = car_scope(self.scopes, segment, lead_car=lead_car)
        hours, external = self._work(VEHICLE_CLASS, "programme", car_item(self.study, use.programme, segment), 1.0)
        name = f"{use.programme}/{use.generation}"
        if not scope:
            self.notes.append("the cars themselves are not scheduled: no tasks of scope vehicle (table tasks)")
        elif not hours and not external:
            self.notes.append(
                f"no work is stated for cars of segment {segment} (table work, level programme): no hours"
            )
        return DevelopmentObject(
            name=name,
            level="programme",
            class_name=VEHICLE_CLASS,
            item=name,
            leads=self._leads(use.group, use.company),
            shared=len(use.group) > 1,
            uses=(((use.programme, use.generation), use.due),),
            hours=hours,
            external_cost=external,
            scope=scope,
        )

    def _object(
        self, level: str, item: str, group: tuple[str, ...], uses: list[_NewUse], factor: float
    ) -> DevelopmentObject:
        first = uses[0]
        hours, external = self._work(first.class_name, level, item, factor)
        if not hours and level == "application":
            hours, external = self._work(first.class_name, level, first.module, factor)
        if not hours and not external and self._costs(level, item, first):
            self.notes.append(f"no work is stated for {level} {item} (table work): its tasks take time but no hours")
        name = item
        if level == "application":
            name = f"{item} in {first.programme}/{first.generation} for {self.calendar.label(first.due)}"
        elif group != self.members:
            name = f"{item} ({'+'.join(group)})"
        due: dict[Use, int] = {}
        for use in uses:
            key = (use.programme, use.generation)
            due[key] = min(use.due, due.get(key, use.due))
        return DevelopmentObject(
            name=name,
            level=level,
            class_name=first.class_name,
            item=item,
            leads=self._leads(group, first.company),
            shared=len({self.bloc_of[company] for company in group}) > 1,
            uses=tuple(due.items()),
            hours=hours,
            external_cost=external,
            scope=self._scope(
                first.class_name,
                "application" if self._paid(level, item, group) else level,
                needed=bool(hours or external or self._costs(level, item, first)),
            ),
        )

    def _costs(self, level: str, item: str, use: _NewUse) -> bool:
        """Whether the study puts a cost on developing it."""
        row = self.modules[item] if level == "variant" else self.families.get(use.family, {})
        return bool(row.get("application_nre" if level == "application" else "nre"))

    def _paid(self, level: str, item: str, group: tuple[str, ...]) -> bool:
        """Whether a member has paid the family already: taking it over then takes the time of an application."""
        row = self.families.get(item)
        return level == "family" and row is not None and bool(set(group) & set(row["sunk_for"] or []))

    def open_leads(self, objects: list[DevelopmentObject]) -> list[DevelopmentObject]:
        """The same objects where a company's own cars and applications may be led by a company it pools with today."""
        opened = []
        for one in objects:
            blocs = {self.bloc_of[lead] for lead in one.leads}
            others = tuple(c for c in self.members if c in self.capable and self.bloc_of[c] in blocs)
            more = tuple(company for company in others if company not in one.leads)
            opened.append(replace(one, leads=one.leads + more) if more else one)
        return opened

    def _leads(self, group: tuple[str, ...], owner: str) -> tuple[str, ...]:
        able = tuple(company for company in group if company in self.capable)
        return able or (owner,)

    def _work(self, class_name: str, level: str, item: str, factor: float) -> tuple[dict[str, float], float]:
        rows = self.study["work"].filter(
            pl.col("class") == class_name, pl.col("level") == level, pl.col("item") == item
        )
        hours: dict[str, float] = {}
        external = 0.0
        for skill, amount, cost in rows.select("skill", "hours", "external_cost").iter_rows():
            if amount:
                hours[skill] = hours.get(skill, 0.0) + amount * factor
            external += (cost or 0.0) * factor
        return hours, external

    def _scope(self, class_name: str, level: str, *, needed: bool) -> str:
        """The task scope of a class and level; empty, with a note, where the study has no tasks for it."""
        scope = scope_of(self.scopes, class_name, level)
        if needed and not scope:
            self.notes.append(f"no tasks for {class_name} {level} (table tasks): its hours are not scheduled")
        return scope
