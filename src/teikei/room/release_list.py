"""The release list that the companies of a joint study sign: what may pass, what is promised, what is public."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from teikei.errors import StudyError
from teikei.room.inference import CARS, MILLION, SHARE, Cells, Promise, cells_within, narrowest_gap
from teikei.room.items import AnyItem, Item, OwnShareBand, RequirementPriceBand, SavingBand, Terms, TierIndex

MOST_WHAT_IFS: Final = 5
UNDECLARED_FORMAT: Final = (
    "this list was signed in the form of 0.1.0, which declares neither what its items constrain nor what is publicly "
    "known; its signatures are void. Declare known_volumes and known_saving in a new revision, and sign that"
)


class ReleaseList(BaseModel):
    """What may pass to each member, signed by all before any input is committed.

    members: member -> its companies in the study. known_volumes: programme -> from, to, cars a year (mean over its
    years on sale): what anybody may know already; known_saving: the same of the joint saving, million.
    smallest_interval_units: cars a year that everybody is left of any programme's level; smallest_interval_million: of
    the joint saving; smallest_interval_price_share: of each private price, as a share of it (0: no promise on prices);
    smallest_interval_requirement_million: width of the bands of requirement prices (default: as of the saving).
    volume_shape: whether a programme's course over the years is the common frame's (public; nothing of the own course
    enters the joint solve) or its owner's (taken as known to rivals; no promise on single years).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1, 2] = 2
    rung: str
    members: dict[str, tuple[str, ...]] = Field(min_length=2)
    items: tuple[AnyItem, ...]
    smallest_interval_million: float = Field(gt=0)
    smallest_interval_units: float = Field(gt=0)
    smallest_interval_price_share: float = Field(default=0.0, ge=0, le=1)
    smallest_interval_requirement_million: float | None = Field(default=None, gt=0)
    known_volumes: dict[str, tuple[float, float]] = Field(default_factory=dict)
    known_saving: tuple[float, float] | None = None
    volume_shape: Literal["frame", "own"] = "frame"
    what_ifs: int = Field(default=0, ge=0, le=MOST_WHAT_IFS)

    @model_validator(mode="after")
    def _keeps_its_own_promise(self) -> Self:
        names = [name for own in self.members.values() for name in own]
        if len(set(names)) != len(names):
            raise ValueError("a company stands under two members")
        if any(not own for own in self.members.values()) or not all(name.strip() for name in names):
            raise ValueError("a member has no company")
        for programme, known in self.known_volumes.items():
            if not 0 <= known[0] < known[1]:
                raise ValueError(f"what is known of the volume of {programme} must rise from 0 or more")
        if self.known_saving is not None and self.known_saving[0] >= self.known_saving[1]:
            raise ValueError("what is known of the joint saving must rise")
        for item in self.items:
            steps: list[tuple[float, ...]] = []
            if isinstance(item, TierIndex):
                steps = [schedule.breaks for schedule in item.schedules]
            elif isinstance(item, SavingBand | OwnShareBand | RequirementPriceBand):
                steps = [item.edges]
            if any(list(edges) != sorted(set(edges)) for edges in steps):
                raise ValueError(f"the edges of {item.kind} must rise")
        edges = self.saving_edges()
        if self.known_saving is not None and edges:
            low, high = self.known_saving
            edges = (low, *(edge for edge in edges if low < edge < high), high)
        gap = narrowest_gap(edges)
        if gap < self.smallest_interval_million:
            raise ValueError(
                f"bands, threshold and own shares together pin the saving to {gap:g} million, less than the promised "
                f"{self.smallest_interval_million:g}; take wider bands, put the edges on each other, or say that less "
                "is publicly known of it"
            )
        return self

    @property
    def terms(self) -> Terms:
        """What the items read of the list."""
        width = self.smallest_interval_requirement_million
        return Terms(
            self.rung,
            self.members,
            self.smallest_interval_million,
            self.smallest_interval_million if width is None else width,
            self.known_volumes,
            self.known_saving,
        )

    def saving_edges(self) -> tuple[float, ...]:
        """All edges as edges on the joint saving, million."""
        return tuple(sorted({edge for item in self.items for edge in item.saving_edges(self.terms)}))

    def refusal(self, item: Item, today: dt.date | None = None) -> str:
        """Why nothing of an item may pass; empty where it declares all that it could tell."""
        if self.format == 1:
            return UNDECLARED_FORMAT
        return "; ".join(item.refusals(self.terms, today))

    def refusals(self, today: dt.date | None = None) -> tuple[str, ...]:
        """Why the list cannot be signed: every item that declares nothing, or less than it could tell."""
        if self.format == 1:
            return (UNDECLARED_FORMAT,)
        found = [(item.kind.replace("_", " "), self.refusal(item, today)) for item in self.items]
        return tuple(dict.fromkeys(f"{kind}: {why}" for kind, why in found if why))

    def cells(self, programme: str) -> Cells:
        """The cells of a programme's level, cars a year."""
        return cells_within(self.known_volumes[programme], self.smallest_interval_units)

    def promises(self) -> tuple[Promise, ...]:
        """The ledger: every promised quantity with its unit, the width it keeps, and by what."""
        found = [
            Promise("volumes", programme, CARS, self.cells(programme).width, "cells")
            for programme in sorted(self.known_volumes)
        ]
        if self.smallest_interval_price_share > 0:
            found.append(Promise("prices", "*", SHARE, self.smallest_interval_price_share, "cells"))
        if self.saving_edges():
            found.append(Promise("saving", self.rung, MILLION, self.smallest_interval_million, "bands"))
        return tuple(found)

    def cells_key(self, exact: str = "") -> str:
        """A name of the cells: a run that was made on others is not released under this list.

        exact: the member whose own figures were not put into cells (a what-if run whose result only it gets).
        """
        parts = [
            sorted((member, list(own)) for member, own in self.members.items()),
            sorted((name, list(known)) for name, known in self.known_volumes.items()),
            self.smallest_interval_units,
            self.smallest_interval_price_share,
            self.volume_shape,
            exact,
        ]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()

    @property
    def companies(self) -> tuple[str, ...]:
        """All companies of the study that take part."""
        return tuple(company for own in self.members.values() for company in own)


def must_be_signable(release_list: ReleaseList, programmes: Mapping[str, str], today: dt.date) -> None:
    """Raises StudyError with every reason why a list cannot be signed.

    programmes: programme -> company, of the common frame (empty where that is not known); today: what is late.
    """
    own = set(release_list.companies)
    missing = [
        name
        for name, company in sorted(programmes.items())
        if company in own and name not in release_list.known_volumes
    ]
    reasons = list(release_list.refusals(today))
    if missing and release_list.known_volumes:
        reasons.append(f"known_volumes does not declare what is publicly known of {', '.join(missing)}")
    if reasons:
        raise StudyError("; ".join(reasons))


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
