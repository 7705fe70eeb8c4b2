"""How a tender is solved: small ones by branch and bound at once, large ones by bounds and search first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from teikei.plan.award.exact import branch_and_bound
from teikei.plan.award.model import build, frame_of
from teikei.plan.award.types import Array, Tender


@dataclass(frozen=True)
class Outcome:
    """quantity (P,) of the best plan, None where none is known; bound: proven; details: how it was found."""

    quantity: Array | None
    bound: float
    infeasible: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


def solve(
    tender: Tender,
    *,
    deadline: float,
    gap: float,
    workers: int = 2,
    progress: Callable[[str, float], None] | None = None,
) -> Outcome:
    """The cheapest awards of a tender that can be found and proven until ``deadline`` (time.perf_counter seconds)."""
    frame = frame_of(tender)
    model = build(frame)
    solved = branch_and_bound(model, deadline=deadline, gap=gap)
    return Outcome(solved.quantity, solved.bound, solved.infeasible)
