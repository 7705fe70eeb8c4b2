"""The next round of a tender: what would win, what stays as it was, and bids in other money."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from teikei.errors import StudyError
from teikei.plan.award import award, award_tender, read_tender
from teikei.plan.award.next_round import price_to_win
from tests.plan.award.make import write_tender
from tests.plan.award.test_award_against_oracles import tiny


def test_a_lone_item_is_won_just_below_the_price_of_the_winner(tmp_path: Path) -> None:
    folder = write_tender(
        tmp_path / "in", items=[("bolt", 2030, 100)], suppliers=[("A", 0), ("B", 50)],
        offers=[("A", "bolt", 2030, 8.0), ("B", "bolt", 2030, 10.0)],
    )  # fmt: skip
    award(folder, tmp_path / "out", next_round=20)
    with (tmp_path / "out" / "price_to_win.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["item"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {"*", "bolt"}
    for row in rows.values():
        assert row["supplier"] == "B"
        assert float(row["lower"]) - 1e-9 <= 0.25 <= float(row["cut"]) + 1e-9  # 7.50 a piece and 50 once: 800 together
        assert float(row["cut"]) - float(row["lower"]) == pytest.approx(float(row["gap"]))
        assert float(row["gap"]) <= 1e-4


def test_a_bid_that_loses_even_for_nothing_has_no_price_to_win(tmp_path: Path) -> None:
    folder = write_tender(
        tmp_path / "in", items=[("bolt", 2030, 100)], suppliers=[("A", 0), ("B", 900)],
        offers=[("A", "bolt", 2030, 8.0), ("B", "bolt", 2030, 10.0)],
    )  # fmt: skip
    award(folder, tmp_path / "out", next_round=20)
    with (tmp_path / "out" / "price_to_win.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["cut"] for row in csv.DictReader(stream)] == ["", ""]


@pytest.mark.parametrize("seed", [3])
def test_prices_to_win_hold_when_the_tender_is_solved_just_below_and_above(tmp_path: Path, seed: int) -> None:
    tender = read_tender(tiny(tmp_path, seed, max_share=0.8))
    result = award_tender(tender, gap=1e-9)
    found = price_to_win(result, most=2)
    assert found
    for one in found:
        own = np.array([tender.suppliers[s] == one.supplier for s in tender.offer_supplier])
        if one.item != "*":
            own &= np.array([tender.items[k] == one.item for k in tender.offer_item])

        def bought(cut: float, own: np.ndarray = own) -> float:
            price = np.where(own, tender.unit_price * (1 - cut), tender.unit_price)
            again = award_tender(replace(tender, unit_price=price), gap=1e-9)
            names = {(tender.suppliers[s], tender.items[k]) for s, k in zip(
                tender.offer_supplier[own], tender.offer_item[own], strict=True)}  # fmt: skip
            return sum(a.quantity for a in again.awards if (a.supplier, a.item) in names)

        if one.cut < 1:
            assert bought(min(one.cut + 1e-4, 0.999999)) > 0
        assert bought(max(one.lower - 1e-4, 0.0)) == 0.0


def test_locked_awards_stay_and_the_rest_is_awarded_anew(tmp_path: Path) -> None:
    offers = [("A", "bolt", 2030, 8.0), ("B", "bolt", 2030, 9.0), ("A", "nut", 2030, 1.0), ("B", "nut", 2030, 2.0)]
    tables = {"items": [("bolt", 2030, 100), ("nut", 2030, 50)], "suppliers": [("A", 0), ("B", 0)], "offers": offers}
    folder = write_tender(tmp_path / "in", **tables)
    lock = tmp_path / "awards.csv"
    lock.write_text("supplier,item,year,quantity,unit_price,discount,spend\nB,bolt,2030,40,9,0,360\n", encoding="utf-8")
    result = award(folder, lock=lock)
    assert result.objective == pytest.approx(60 * 8 + 40 * 9 + 50)
    lock.write_text("supplier,item,year,quantity\nB,screw,2030,40\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"awards\.csv:2: B, screw, 2030 is no offer"):
        award(folder, lock=lock)


def test_bids_in_other_money_are_compared_in_the_money_of_the_tender(tmp_path: Path) -> None:
    write_tender(tmp_path, items=[("bolt", 2030, 100)], suppliers=[("A", 0), ("B", 0)], offers=[])
    (tmp_path / "offers.csv").write_text(
        "supplier,item,year,unit_price,currency\nA,bolt,2030,8,EUR\nB,bolt,2030,1200,\n", encoding="utf-8"
    )
    (tmp_path / "currencies.csv").write_text("currency,rate\nEUR,162.5\n", encoding="utf-8")
    assert award_tender(read_tender(tmp_path)).objective == pytest.approx(120_000)
    (tmp_path / "currencies.csv").write_text("currency,rate\nEUR,149\n", encoding="utf-8")
    assert award_tender(read_tender(tmp_path)).objective == pytest.approx(119_200)
    (tmp_path / "currencies.csv").unlink()
    with pytest.raises(StudyError, match="no rate for currency 'EUR'"):
        read_tender(tmp_path)
