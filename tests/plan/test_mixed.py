"""Random studies with every term mixed: no cheaper plan is found, bounds hold, prices repeat, levers add up."""

from __future__ import annotations

import pytest

from teikei.plan.decisions import Decisions
from teikei.plan.promises import broken_promises
from teikei.plan.read import read_facts
from teikei.plan.scope import Scope
from tests.plan.mixed import compare, random_study

LEFT_AND_TAKEN_UP = 2009  # a search may leave a contract and take it up again after the facelift
FULL_SITE = 11  # contracts hold more than there is: each bloc was reserved what it holds, not its part
ALONE_IN_JOINT = (3089, 3113)  # a joint drawing that one bloc uses: tiers of a site count together, a variant is paid
MOVED_IN = (1004, 2042)  # one bloc left its contract at a full site, and others have moved in


@pytest.mark.parametrize("seed", [*range(8), FULL_SITE, LEFT_AND_TAKEN_UP, *MOVED_IN, *ALONE_IN_JOINT])
def test_no_cheaper_plan_is_found_and_bounds_prices_and_levers_hold(seed: int) -> None:
    assert compare(seed) == []


def test_a_contract_left_before_the_facelift_and_kept_after_it_is_refused() -> None:
    scope = Scope(read_facts(*random_study(LEFT_AND_TAKEN_UP)), "Ann+Bob", "alone", ("Ann", "Bob"))
    after, position = next(
        (slot, position)
        for (slot, position), options in scope.options.items()
        if slot in scope.previous and any(option.contract for option in options)
    )
    before = scope.previous[after]
    kept = {place: options[0] for place, options in scope.options.items()}
    for slot, under_contract in ((before, False), (after, True)):
        options = scope.options[(slot, position)]
        kept[(slot, position)] = next(option for option in options if bool(option.contract) == under_contract)
    told = broken_promises(scope, Decisions(kept, {}, {}, ()))
    assert [
        text for text in told if text.endswith(f"for {position} is kept after the facelift, but was left before it")
    ]
    kept[(after, position)] = kept[(before, position)]._replace(slot=after)
    assert broken_promises(scope, Decisions(kept, {}, {}, ())) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 140, 10))
def test_the_same_on_more_studies(first: int) -> None:
    assert {seed: wrong for seed in range(first, first + 10) if (wrong := compare(seed))} == {}
