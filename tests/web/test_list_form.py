"""The form of a release list: what it proposes as public, what it refuses, and that nothing is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest

from teikei.errors import StudyError
from teikei.web import list_form
from tests.study.small import write_small

FILLED = {
    "class_e-axle": "1", "specification": "1", "timeline": "1", "saving_band": "0; 5000; 10000",
    "requirement_price_band": "5; 10", "tier_O1": "0; 50000", "smallest_interval_million": "5000",
    "smallest_interval_units": "10000", "known_saving": "-5000; 25000", "requirement_million": "5", "price_share": "5",
    "settlement_form": "equal split", "settlement_unit": "2500", "settlement_date": "2029-04-01",
}  # fmt: skip


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> list_form.Frame:
    return list_form.read_frame(write_small(tmp_path_factory.mktemp("small")))


def form_of(values: dict[str, Any], **more: str) -> dict[str, str]:
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    members = {f"member_{member}": own for member, own in values["members"].items()}
    return {**texts, **members, **more}


def test_a_blank_form_proposes_half_to_one_and_a_half_of_the_frames_volumes_as_public(facts: list_form.Frame) -> None:
    blank = list_form.values_of(None, facts, ["aoba", "midori"])
    assert blank["known_volumes"] == "P1: 15500 - 46500; P2: 11667 - 35000"
    found = list_form.list_of(form_of(blank, **FILLED), facts)
    list_form.must_fit(found, facts)
    assert found.refusals() == ()
    assert found.known_volumes["P1"] == (15_500, 46_500)
    assert found.smallest_interval_price_share == 0.05
    assert [(one.quantity, one.of) for one in found.promises()][:2] == [("volumes", "P1"), ("volumes", "P2")]
    filled = list_form.values_of(found, facts, ())
    again = {f"class_{name}": "1" for name in filled["classes"]} | {f"tier_{k}": v for k, v in filled["tiers"].items()}
    kinds = {kind: "1" for kind in ("specification", "drivers", "timeline") if filled[kind]}
    assert list_form.list_of(form_of(filled, **again, **kinds), facts, found) == found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"known_volumes": "P1 20000"}, "publicly known volumes"),
        ({"tier_O1": "0; 50000; 50001"}, "not its supplier's"),
        ({"rung": "sky"}, "no rung"),
        ({"member_midori": "Corvo"}, "no company"),
    ],
)
def test_what_the_frame_does_not_have_is_refused(facts: list_form.Frame, changed: dict[str, str], said: str) -> None:
    form = form_of(list_form.values_of(None, facts, ["aoba", "midori"]), **{**FILLED, **changed})
    with pytest.raises(StudyError, match=said):
        list_form.must_fit(list_form.list_of(form, facts), facts)
