"""The release list that the companies of a joint study sign: what may pass, in which bands, how often, how late."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from teikei.errors import StudyError
from teikei.room.inference import narrowest_gap

MOST_WHAT_IFS: Final = 5


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Specification(_Part):
    """The shared designs of some classes: ratings and interfaces, no cost and no user."""

    kind: Literal["specification"] = "specification"
    classes: tuple[str, ...] = Field(min_length=1)


class Drivers(_Part):
    """For the receiver's own programmes: which of its requirements drive a shared design, in words."""

    kind: Literal["drivers"] = "drivers"
    classes: tuple[str, ...] = Field(min_length=1)


class Timeline(_Part):
    """Tasks of the shared developments: lead and quarters, no hours."""

    kind: Literal["timeline"] = "timeline"
    classes: tuple[str, ...] = Field(min_length=1)


class Schedule(_Part):
    """The tier breaks of one offer, as the supplier gave them to the joint body."""

    offer: str
    breaks: tuple[float, ...] = Field(min_length=1)
    units_per_piece: float = Field(default=1.0, gt=0)


class TierIndex(_Part):
    """Which tier (1, 2, …) the joint volume reaches, by offer and year."""

    kind: Literal["tier_index"] = "tier_index"
    schedules: tuple[Schedule, ...] = Field(min_length=1)


class SavingBand(_Part):
    """In which band the joint saving lies, million."""

    kind: Literal["saving_band"] = "saving_band"
    edges: tuple[float, ...] = Field(min_length=1)


class OwnShareBand(_Part):
    """In which band the receiver's own share of the saving lies, million."""

    kind: Literal["own_share_band"] = "own_share_band"
    rule: str
    edges: tuple[float, ...] = Field(min_length=1)


class SavingAtLeast(_Part):
    """Whether the joint saving is at least a threshold, million: yes or no."""

    kind: Literal["saving_at_least"] = "saving_at_least"
    threshold: float


class RequirementPriceBand(_Part):
    """In which band the alliance's price of the receiver's own requirements lies, million."""

    kind: Literal["requirement_price_band"] = "requirement_price_band"
    edges: tuple[float, ...] = Field(min_length=1)


class Settlement(_Part):
    """The receiver's own net payment, one rounded figure, not before a date."""

    kind: Literal["settlement"] = "settlement"
    form: str
    unit_million: float = Field(gt=0)
    not_before: dt.date


Item = Annotated[
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


class ReleaseList(_Part):
    """What may pass to each member, signed by all before any input is committed.

    members: member -> its companies in the study. smallest_interval_*: no release may let a member pin the joint saving
    (million) or the other members' volume behind an offer (pieces or GWh) to less than this; kept by ``release``.
    """

    format: Literal[1] = 1
    rung: str
    members: dict[str, tuple[str, ...]] = Field(min_length=2)
    items: tuple[Item, ...]
    smallest_interval_million: float = Field(gt=0)
    smallest_interval_units: float = Field(gt=0)
    what_ifs: int = Field(default=0, ge=0, le=MOST_WHAT_IFS)

    @model_validator(mode="after")
    def _keeps_its_own_promise(self) -> Self:
        if len({company for own in self.members.values() for company in own}) != sum(map(len, self.members.values())):
            raise ValueError("a company stands under two members")
        if any(not own for own in self.members.values()):
            raise ValueError("a member has no company")
        for item in self.items:
            if isinstance(item, TierIndex):
                steps = [schedule.breaks for schedule in item.schedules]
            elif isinstance(item, SavingBand | OwnShareBand | RequirementPriceBand):
                steps = [item.edges]
            else:
                steps = []
            if any(list(edges) != sorted(set(edges)) for edges in steps):
                raise ValueError(f"the edges of {item.kind} must rise")
        gap = narrowest_gap(self.saving_edges())
        if gap < self.smallest_interval_million:
            raise ValueError(
                f"bands, threshold and own shares together pin the saving to {gap:g} million, less than the promised "
                f"{self.smallest_interval_million:g}; take wider bands or put the edges on each other"
            )
        return self

    def saving_edges(self) -> tuple[float, ...]:
        """All edges as edges on the joint saving. With two members one's share is half of it, whatever the rule."""
        edges: set[float] = set()
        factor = float(len(self.members))
        for item in self.items:
            if isinstance(item, SavingBand):
                edges.update(item.edges)
            elif isinstance(item, SavingAtLeast):
                edges.add(item.threshold)
            elif isinstance(item, OwnShareBand):
                edges.update(factor * edge for edge in item.edges)
        return tuple(sorted(edges))

    @property
    def companies(self) -> tuple[str, ...]:
        """All companies of the study that take part."""
        return tuple(company for own in self.members.values() for company in own)


def parse_list(text: str) -> ReleaseList:
    """A release list from its JSON; raises StudyError with every point to mend."""
    try:
        return ReleaseList.model_validate_json(text)
    except ValidationError as error:
        sentences = [
            f"{'.'.join(str(part) for part in one['loc']) or 'list'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise StudyError("; ".join(sentences)) from None


def band_text(edges: tuple[float, ...], value: float) -> str:
    """The band of a value in words of fixed form; bands hold their lower edge."""
    ends = [-math.inf, *edges, math.inf]
    for low, high in itertools.pairwise(ends):
        if low <= value < high:
            left = "below" if low == -math.inf else f"{low:,.0f}"
            return (
                f"below {high:,.0f}"
                if left == "below"
                else f"{left} or more"
                if high == math.inf
                else f"{left} to {high:,.0f}"
            )
    return "not evaluated"
