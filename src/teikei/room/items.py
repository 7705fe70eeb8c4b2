"""The kinds of item of a release list: one class a kind. It parses itself, declares what it could tell, and releases.

A new kind is a class here with four answers: its fields (what a list says of it), ``constrains`` (which secret it
could narrow, in which unit: the ledger reads it), ``refusals`` (why a list that holds it cannot be signed) and
``entries`` (what passes). An item that cannot say what it constrains has no place here.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from teikei.room.inference import MILLION, PRICES, VOLUMES, Constraint, Interval, narrowest_gap

if TYPE_CHECKING:  # tables are loaded when there is something to release: a server starts without them
    import polars as pl

    from teikei.runs.types import Run

NOT_EVALUATED: Final = "not evaluated"
HALF_EACH: Final = ("shapley", "nucleolus", "prenucleolus", "tau", "equal_saving", "equal_nonseparable",
                    "separable_cost_remaining_benefits")  # fmt: skip
EQUAL: Final = "equal_saving"


@dataclass(frozen=True, slots=True)
class Entry:
    """One released line: which item of the list, of what (public names), and its text."""

    kind: str
    subject: tuple[str, ...]
    value: str


@dataclass(frozen=True)
class Terms:
    """What a list promises, as far as an item needs it. members: member -> its companies; widths in their units."""

    rung: str
    members: Mapping[str, tuple[str, ...]]
    saving_million: float
    requirement_price_million: float
    known_volumes: Mapping[str, tuple[float, float]]
    known_saving: tuple[float, float] | None

    @property
    def factor(self) -> float:
        """An edge e on an equal share of the saving is an edge ``factor`` x e on the saving."""
        return float(len(self.members))


@dataclass(frozen=True)
class Solved:
    """A joint run as one receiver's items read it. owner: programme -> member; today: None: no settlement is open."""

    run: Run
    company: str
    terms: Terms
    owner: Mapping[str, str]
    saving: float
    today: dt.date | None

    def rows(self, table: str) -> pl.DataFrame:
        """Rows of a table that belong to all members together at the agreed rung."""
        import polars as pl

        found = self.run.tables.get(table, pl.DataFrame())
        if found.is_empty() or not {"coalition", "rung"} <= set(found.columns):
            return pl.DataFrame()
        grand = {name for own in self.terms.members.values() for name in own}
        names = [name for name in found["coalition"].unique().to_list() if set(str(name).split("+")) == grand]
        return found.filter(pl.col("coalition").is_in(names) & (pl.col("rung") == self.terms.rung))

    def of_rung(self, table: str) -> list[dict[str, Any]]:
        """Rows of a table without coalitions at the agreed rung."""
        found = self.run.tables.get(table)
        if found is None or found.is_empty():
            return []
        return [row for row in found.iter_rows(named=True) if row["rung"] == self.terms.rung]


class Item(BaseModel):
    """Whatever a list may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: str

    def constrains(self, terms: Terms) -> tuple[Constraint, ...]:
        """Which secrets it could narrow. Everything that depends on a joint plan speaks of volumes and prices."""
        del terms
        return (VOLUMES, PRICES)

    def saving_edges(self, terms: Terms) -> tuple[float, ...]:
        """Where it cuts the joint saving, million."""
        return tuple(edge for one in self.constrains(terms) if one.quantity == "saving" for edge in one.edges)

    def refusals(self, terms: Terms, today: dt.date | None) -> list[str]:
        """Why a list with this item cannot be signed."""
        del today
        secrets = {one.quantity for one in self.constrains(terms)}
        found = []
        if "volumes" in secrets and not terms.known_volumes:
            found.append("the list does not declare what is publicly known of each programme's volume (known_volumes)")
        if "saving" in secrets and terms.known_saving is None:
            found.append("the list does not declare what is publicly known of the joint saving (known_saving)")
        return found

    def entries(self, solved: Solved) -> list[Entry]:
        """What passes of a joint run; the door asks only where the ledger lets it."""
        raise NotImplementedError

    def cut_edges(self, solved: Solved) -> tuple[float, ...]:
        """Where what it shows of this run cuts the run's saving, million."""
        return self.saving_edges(solved.terms)

    def subject(self, terms: Terms) -> tuple[str, ...]:
        """Public names of the item as a whole."""
        return (terms.rung,)


class Specification(Item):
    """The shared designs of some classes: ratings and interfaces, no cost and no user."""

    kind: Literal["specification"] = "specification"
    classes: tuple[str, ...] = Field(min_length=1)

    def entries(self, solved: Solved) -> list[Entry]:
        """What passes."""
        from teikei.room import designs

        return [Entry(self.kind, *line) for line in designs.specifications(solved, self.classes)]


class Drivers(Item):
    """For the receiver's own programmes: which of its requirements drive a shared design, in words."""

    kind: Literal["drivers"] = "drivers"
    classes: tuple[str, ...] = Field(min_length=1)

    def entries(self, solved: Solved) -> list[Entry]:
        """What passes."""
        from teikei.room import designs

        return [Entry(self.kind, *line) for line in designs.drivers(solved, self.classes)]


class Timeline(Item):
    """Tasks of the shared developments: lead and quarters, no hours."""

    kind: Literal["timeline"] = "timeline"
    classes: tuple[str, ...] = Field(min_length=1)

    def entries(self, solved: Solved) -> list[Entry]:
        """What passes."""
        from teikei.room import designs

        return [Entry(self.kind, *line) for line in designs.timeline(solved, self.classes)]


class Schedule(BaseModel):
    """The tier breaks of one offer, as the supplier gave them to the joint body."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    offer: str = Field(min_length=1)
    breaks: tuple[float, ...] = Field(min_length=1)
    units_per_piece: float = Field(default=1.0, gt=0)


class TierIndex(Item):
    """Which tier (1, 2, …) the joint purchase reaches, by offer and year, as the price law counted it."""

    kind: Literal["tier_index"] = "tier_index"
    schedules: tuple[Schedule, ...] = Field(min_length=1)

    def entries(self, solved: Solved) -> list[Entry]:
        """The tier that the plan paid: pools, spend and what else counts together are already in its start."""
        awards = solved.rows("awards")
        if awards.is_empty() or "drawing_group" not in awards.columns:
            return []
        own = {name: set(companies) for name, companies in solved.terms.members.items()}
        start: dict[tuple[str, int], float] = {}
        columns = ("price_basis", "year", "drawing_group", "tier_from")
        for basis, year, group, tier_from in awards.select(columns).iter_rows():
            pooled = set(str(group).split("+"))
            if str(basis).startswith("offer:") and sum(bool(one & pooled) for one in own.values()) >= 2:
                key = (str(basis).removeprefix("offer:"), int(year))
                start[key] = max(start.get(key, 0.0), float(tier_from))
        found = []
        for schedule in sorted(self.schedules, key=lambda one: one.offer):
            for offer, year in sorted(start):
                if offer == schedule.offer:
                    reached = start[offer, year]
                    index = sum(reached >= one - 1e-6 * max(1.0, one) for one in schedule.breaks)
                    found.append(Entry(self.kind, (offer, str(year)), str(index)))
        return found


class SavingBand(Item):
    """In which band the joint saving lies, million."""

    kind: Literal["saving_band"] = "saving_band"
    edges: tuple[float, ...] = Field(min_length=1)

    def constrains(self, terms: Terms) -> tuple[Constraint, ...]:
        """The saving in bands, and whatever a plan tells."""
        del terms
        return (VOLUMES, PRICES, Constraint("saving", MILLION, self.edges))

    def entries(self, solved: Solved) -> list[Entry]:
        """What passes."""
        return [Entry(self.kind, (solved.terms.rung,), banded(solved.saving, self.edges))]


class OwnShareBand(Item):
    """In which band the receiver's own share of the saving lies, million."""

    kind: Literal["own_share_band"] = "own_share_band"
    rule: str
    edges: tuple[float, ...] = Field(min_length=1)

    def constrains(self, terms: Terms) -> tuple[Constraint, ...]:
        """The saving in bands, and whatever a plan tells."""
        return (VOLUMES, PRICES, Constraint("saving", MILLION, tuple(terms.factor * edge for edge in self.edges)))

    def refusals(self, terms: Terms, today: dt.date | None) -> list[str]:
        """A share is an edge on the saving only where it is a fixed part of it."""
        found = super().refusals(terms, today)
        if any(len(own) > 1 for own in terms.members.values()):
            found.append("cannot declare what a share tells of the saving where a member is several companies")
        elif self.rule not in (HALF_EACH if len(terms.members) == 2 else (EQUAL,)):
            found.append(
                f"cannot declare what a share by the rule {self.rule} tells of the saving: its part of it depends on "
                f"others' costs; {'take another rule' if len(terms.members) == 2 else 'of three or more: ' + EQUAL}"
            )
        return found

    def entries(self, solved: Solved) -> list[Entry]:
        """What passes."""
        own = solved.terms.members[solved.company]
        shares = [
            float(row["value"])
            for row in solved.of_rung("shares")
            if row["rule"] == self.rule and row["kind"] == "saving" and row["company"] in own
        ]
        share = math.fsum(shares) + 0.0 * solved.saving if len(shares) == len(own) else math.nan
        return [Entry(self.kind, self.subject(solved.terms), banded(share, self.edges))]

    def subject(self, terms: Terms) -> tuple[str, ...]:
        """Public names."""
        return (terms.rung, self.rule)


class SavingAtLeast(Item):
    """Whether the joint saving is at least a threshold, million: yes or no."""

    kind: Literal["saving_at_least"] = "saving_at_least"
    threshold: float

    def constrains(self, terms: Terms) -> tuple[Constraint, ...]:
        """The saving in bands, and whatever a plan tells."""
        del terms
        return (VOLUMES, PRICES, Constraint("saving", MILLION, (self.threshold,)))

    def entries(self, solved: Solved) -> list[Entry]:
        """What passes."""
        known = not math.isnan(solved.saving)
        text = ("yes" if solved.saving >= self.threshold else "no") if known else NOT_EVALUATED
        return [Entry(self.kind, self.subject(solved.terms), text)]

    def subject(self, terms: Terms) -> tuple[str, ...]:
        """Public names."""
        return (terms.rung, f"{self.threshold:g}")


class RequirementPriceBand(Item):
    """In which band the alliance's price of the receiver's own requirements lies, million."""

    kind: Literal["requirement_price_band"] = "requirement_price_band"
    edges: tuple[float, ...] = Field(min_length=1)

    def refusals(self, terms: Terms, today: dt.date | None) -> list[str]:
        """Its bands have a promised width of their own."""
        found = super().refusals(terms, today)
        gap = narrowest_gap(self.edges)
        if gap < terms.requirement_price_million:
            found.append(
                f"its bands are {gap:g} million wide, less than the promised {terms.requirement_price_million:g}; "
                "take wider ones, or promise a width of requirement prices (smallest_interval_requirement_million)"
            )
        return found

    def entries(self, solved: Solved) -> list[Entry]:
        """What passes."""
        lines = []
        for row in solved.rows("requirement_prices").iter_rows(named=True):
            if solved.owner.get(str(row["programme"])) == solved.company:
                saving = row["saving_alliance"]
                subject = (row["programme"], row["requirement"], row["procedure"], f"{row['step']:g} {row['unit']}")
                lines.append((subject, math.nan if saving is None else float(saving)))
        return [Entry(self.kind, subject, banded(value, self.edges)) for subject, value in sorted(lines)]


class Settlement(Item):
    """The receiver's own net payment, one rounded figure, not before a date."""

    kind: Literal["settlement"] = "settlement"
    form: str = Field(min_length=1)
    unit_million: float = Field(gt=0)
    not_before: dt.date

    def constrains(self, terms: Terms) -> tuple[Constraint, ...]:
        """A payment rounded to u tells an equal share to u, and so the saving to as many u as there are members."""
        width = terms.factor * self.unit_million
        return (VOLUMES, PRICES, Constraint("saving", MILLION, (-width / 2.0, width / 2.0)))

    def saving_edges(self, terms: Terms) -> tuple[float, ...]:
        """None that a list could place: they lie around what is paid, see ``told``."""
        del terms
        return ()

    def refusals(self, terms: Terms, today: dt.date | None) -> list[str]:
        """A unit too fine, or a day that has come already."""
        found = super().refusals(terms, today)
        width = terms.factor * self.unit_million
        if width < terms.saving_million:
            found.append(
                f"a payment rounded to {self.unit_million:g} million tells the saving to {width:g}, less than the "
                f"promised {terms.saving_million:g}; round to {terms.saving_million / terms.factor:g} or more"
            )
        if today is not None and self.not_before <= today:
            found.append(f"its day {self.not_before} has come already; a late settlement lies ahead")
        return found

    def paid(self, solved: Solved) -> float | None:
        """The receiver's net payment, million; None before its day or where it was not computed."""
        if solved.today is None or solved.today < self.not_before or solved.run.tables.get("transfers") is None:
            return None
        own = solved.terms.members[solved.company]
        rows = [row for row in solved.of_rung("transfers") if row["form"] == self.form]
        signs = [(row["to_company"] in own) - (row["from_company"] in own) for row in rows]
        return math.fsum(sign * float(row["value_nominal"]) for sign, row in zip(signs, rows, strict=True))

    def entries(self, solved: Solved) -> list[Entry]:
        """The payment to the nearest unit, where nothing else is known of the saving."""
        return self.told(solved, Interval(), 0.0)[0]

    def told(self, solved: Solved, known: Interval, floor: float) -> tuple[list[Entry], list[float]]:
        """The payment to the nearest unit, and the edges this puts on the saving.

        Steps that would cut what is known of the saving into a piece narrower than ``floor`` are told together, as from
        one rounded figure to another. Which ones depends on what is known and on by how much payment and saving differ
        (taken as known to the receiver), not on where in ``known`` the truth lies.
        """
        if solved.today is None or solved.today < self.not_before:
            return [Entry(self.kind, (self.form,), f"not before {self.not_before}")], []
        paid = self.paid(solved)
        if paid is None or math.isnan(solved.saving):
            return [Entry(self.kind, (self.form,), NOT_EVALUATED)], []
        unit, factor = self.unit_million, solved.terms.factor

        def step(saving: float) -> float:
            return (paid + (saving - solved.saving) / factor) / unit

        if math.isinf(known.width):
            low = high = round(step(solved.saving))
            return [Entry(self.kind, (self.form,), f"{low * unit:g}")], []
        steps = range(math.floor(step(known.lower)) - 1, math.ceil(step(known.upper)) + 1)
        edges: list[float] = []
        for edge in (solved.saving + factor * ((number + 0.5) * unit - paid) for number in steps):
            last = edges[-1] if edges else known.lower
            if edge - last >= floor and known.upper - edge >= floor:
                edges.append(edge)
        ends = [known.lower, *edges, known.upper]
        piece = next(
            (pair for pair in itertools.pairwise(ends) if pair[0] <= solved.saving < pair[1]), (ends[0], ends[-1])
        )
        low, high = math.floor(step(piece[0]) + 0.5 + 1e-9), math.ceil(step(piece[1]) - 0.5 - 1e-9)
        text = f"{low * unit:g}" if low >= high else f"{low * unit:g} to {high * unit:g}"
        return [Entry(self.kind, (self.form,), text)], edges

    def subject(self, terms: Terms) -> tuple[str, ...]:
        """Public names."""
        del terms
        return (self.form,)


AnyItem = Annotated[
    Specification
    | Drivers
    | Timeline
    | TierIndex
    | SavingBand
    | OwnShareBand
    | SavingAtLeast
    | RequirementPriceBand
    | Settlement,
    Field(discriminator="kind"),
]


def banded(value: float, edges: Sequence[float]) -> str:
    """The band of a value, or that there is no value."""
    return NOT_EVALUATED if math.isnan(value) else band_text(edges, value)


def band_text(edges: Sequence[float], value: float) -> str:
    """The band of a value in words of fixed form; bands hold their lower edge, and edges stand as they were signed."""
    ends = [-math.inf, *edges, math.inf]
    for low, high in itertools.pairwise(ends):
        if low <= value < high:
            if low == -math.inf:
                return f"below {_edge(high)}"
            return f"{_edge(low)} or more" if high == math.inf else f"{_edge(low)} to {_edge(high)}"
    return NOT_EVALUATED


def _edge(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) else f"{number:,.12g}"
