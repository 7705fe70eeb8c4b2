"""The preview: an interval for every own figure that can reach a release, and that the intervals are true."""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest

from teikei.room.joint_study import level, row_owners, years_on_sale
from teikei.room.preview import CELL, Preview, preview_of
from teikei.room.preview_cars import PHYSICAL, Range, ranges_of_cars
from teikei.room.preview_money import slopes
from teikei.room.release_list import ReleaseList
from teikei.study import Study, load
from teikei.tables.columns import all_columns
from tests.web.people import make_town
from tests.web.test_joint import files_of, start_joint
from tests.web.test_workspace import STAND_IN, upload

EXAMPLE = Path(__file__).parents[2] / "examples" / "kit-supply"
COMPANIES = ("Aldermoor", "Brevik", "Corvo")
MEMBER_OF = {name: name.casefold() for name in COMPANIES}
LIST = ReleaseList.model_validate(
    {
        "rung": "powertrain",
        "members": {name.casefold(): [name] for name in COMPANIES},
        "items": [
            {"kind": "specification", "classes": ["e-axle"]},
            {"kind": "saving_band", "edges": [0, 200, 400]},
            {"kind": "tier_index", "schedules": [{"offer": "M100", "breaks": [0, 30_000, 60_000, 120_000]}]},
        ],
        "smallest_interval_million": 100,
        "smallest_interval_units": 5_000,
        "known_volumes": {"A1": [5_000, 40_000], "B1": [5_000, 40_000], "C1": [5_000, 60_000]},
        "known_saving": [-200, 600],
    }
)


@pytest.fixture(scope="module")
def study() -> Study:
    return load(EXAMPLE)


@pytest.fixture(scope="module")
def found(study: Study) -> Preview:
    return preview_of(study, "aldermoor", LIST)


def _private_numbers(study: Study, company: str) -> int:
    count = 0
    for table, columns in all_columns().items():
        owners = row_owners(study, table, MEMBER_OF)
        for column in columns.values():
            if column.visibility == "private" and column.kind in ("number", "integer", "year"):
                values = study[table][column.name].to_list()
                count += sum(v is not None and o == company for v, o in zip(values, owners, strict=True))
    return count


@pytest.mark.parametrize("company", ["aldermoor", "brevik", "corvo"])
def test_every_own_private_number_has_a_range_or_a_reason(study: Study, company: str) -> None:
    rows = preview_of(study, company, LIST)
    assert len(rows.rows) + sum(count for _, count, _ in rows.left) == _private_numbers(study, company)
    assert len({(row.place, row.figure) for row in rows.rows}) == len(rows.rows)
    assert len(rows.rows) > 15


def test_every_range_holds_the_figure_and_names_its_place(found: Preview) -> None:
    for row in found.rows:
        assert row.lower <= row.value <= row.upper, row
        assert row.upper > row.lower, row
        assert row.place.split(":")[0].endswith(".csv"), row
        assert math.isnan(row.at_least) or row.at_least > 0
    requirement = next(row for row in found.rows if row.place.startswith("requirements.csv") and row.figure == "value")
    assert requirement.row.startswith("A1 ")
    ways = {row.through for row in found.rows}
    assert {"the saving", "the choice of designs", CELL} <= ways


def test_each_volume_keeps_the_width_of_its_cell(study: Study, found: Preview) -> None:
    rows = [row for row in found.rows if row.through == CELL]
    assert {row.figure for row in rows} == {"units"}
    own = level(study["volumes"], "A1", "base", years_on_sale(study["volumes"], "A1", "base"))
    for row in rows:
        assert row.at_least / row.value * own >= LIST.smallest_interval_units - 1e-6  # of the level: the mean by year
        assert row.upper - row.lower == pytest.approx(row.at_least)
    others = [row.at_least for row in found.rows if row.through == "the saving"]
    assert all(math.isnan(width) for width in others)  # the list promises nothing of them


def test_own_prices_are_left_their_cell_where_the_list_promises_a_width_of_prices(study: Study) -> None:
    rows = preview_of(study, "aldermoor", LIST.model_copy(update={"smallest_interval_price_share": 0.05})).rows
    priced = [row for row in rows if row.figure == "unit_price"]
    assert priced
    for row in priced:
        assert row.lower <= row.value <= row.upper
        assert row.upper / row.lower == pytest.approx(1.05)


def test_offers_of_one_buyer_are_put_into_money_of_the_price_year(study: Study) -> None:
    """The plan multiplies an offer's price by rate and price-year factor; so does the slope of the saving in it."""
    from teikei.plan.read_supply import read_offers

    currencies = study["currencies"].with_columns(to_price_year=pl.lit(1.1))
    offers = study["offers"].with_columns(buyer=pl.lit("Aldermoor"))
    plain = study.with_tables(offers=offers, currencies=study["currencies"].with_columns(to_price_year=pl.lit(1.0)))
    dearer = study.with_tables(offers=offers, currencies=currencies)
    bounds = []
    for one in (plain, dearer):
        owners = {table: row_owners(one, table, MEMBER_OF) for table in all_columns()}
        bounds.append([slope.most for slope in slopes(one, owners, "aldermoor", 3) if slope.table == "tiers"])
    assert len(bounds[0]) == study["tiers"].height
    assert bounds[1] == pytest.approx([1.1 * most for most in bounds[0]])
    paid = [next(iter(read_offers(one)["M100"].price.values()))[0] for one in (plain, dearer)]
    assert paid[1] == pytest.approx(1.1 * paid[0])


def test_a_list_without_money_leaves_prices_out_of_sight(study: Study) -> None:
    silent = LIST.model_copy(update={"items": LIST.items[:1]})
    found = preview_of(study, "aldermoor", silent)
    assert {row.through for row in found.rows} == {"the choice of designs", CELL}
    assert any(name == "existing.unit_price" and "no money" in why for name, _, why in found.left)


def _fates(study: Study, programme: str) -> list[tuple[str, int, bool]]:
    from teikei import modules, simulate

    results = simulate.performance(study, modules.catalogue(study)).results
    own = results.filter(pl.col("programme") == programme).group_by("slot", "candidate").agg(pl.col("passed").all())
    return sorted(own.iter_rows())


def _moved(study: Study, one: Range, value: float) -> Study:
    column = study[one.table][one.column].to_list()
    column[one.row] = value
    table = study[one.table].with_columns(pl.Series(one.column, column, dtype=pl.Float64))
    return study.with_tables(**{one.table: table})


def test_within_its_range_a_requirement_changes_no_candidate_and_beyond_it_does(study: Study) -> None:
    """B1 and C1 have no car on the road whose own reach would stand in for what is asked."""
    checked = 0
    for programme in ("B1", "C1"):
        before = _fates(study, programme)
        for one in ranges_of_cars(study, {programme}):
            if one.table != "requirements":
                continue
            for end, inward in ((one.lower, 1), (one.upper, -1)):
                if not math.isfinite(end) or end == one.value:
                    continue
                inside, outside = end + inward * 1e-6 * abs(end), end - inward * 1e-4 * abs(end)
                assert _fates(_moved(study, one, inside), programme) == before, one
                assert _fates(_moved(study, one, outside), programme) != before, one
                checked += 1
    assert checked >= 4


@pytest.mark.slow
def test_within_nine_tenths_of_its_range_a_mass_or_road_load_changes_no_candidate(study: Study) -> None:
    checked = 0
    for programme in ("A1", "B1", "C1"):
        before = _fates(study, programme)
        for one in ranges_of_cars(study, {programme}):
            if one.column not in PHYSICAL:
                continue
            described = all_columns()["programmes"][one.column]
            for end in (one.lower, one.upper):
                if not math.isfinite(end) or end in (described.minimum, described.maximum):
                    continue
                reach = min(abs(end - one.value), 0.3 * abs(one.value))
                inside = one.value + math.copysign(0.9 * reach, end - one.value)
                assert _fates(_moved(study, one, inside), programme) == before, (one, inside)
                checked += 1
    assert checked >= 6


@pytest.mark.slow
def test_the_saving_moves_by_no_more_than_the_slopes_say(study: Study) -> None:
    """Prices, one-off costs and volumes of Aldermoor moved together, with the real plan on both sides."""
    from teikei import modules, plan, simulate

    def saving(one: Study) -> tuple[float, float]:
        catalogue = modules.catalogue(one)
        performance = simulate.performance(one, catalogue)
        grand = one.coalition_name(set(one.companies))
        plans = plan.solve(one, catalogue, performance, rungs=["powertrain"], coalitions=[*one.companies, grand])
        alone = math.fsum(plans.by_key[name, "alone"].value for name in one.companies)
        joint = plans.by_key[grand, "powertrain"]
        return alone - joint.value, joint.gap

    owners = {table: row_owners(study, table, MEMBER_OF) for table in all_columns()}
    bounds = {
        (one.table, one.row, one.column): one
        for one in slopes(study, owners, "aldermoor", 3)
        if one.column in ("unit_price", "revalidation_cost", "nre", "application_nre") and one.table != "tiers"
    }
    moved, allowed = study, 0.0
    for one in bounds.values():
        moved = _moved(moved, Range(one.table, one.row, one.column, 0, 0, 0), one.value * 1.05)
        allowed += one.most * one.value * 0.05
    first, gap = saving(study)
    second, more = saving(moved)
    assert len(bounds) >= 6
    assert abs(second - first) <= allowed + gap + more
    assert abs(second - first) > 0


def test_the_page_computes_it_as_a_job_of_the_own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
    town = make_town(tmp_path / "data", command=STAND_IN)
    files = files_of(tmp_path / "small")
    base = start_joint(town, files)
    study = upload(town, "planner@aoba", files)
    where = town["planner@aoba"].send_form(f"{base}/preview", {"version": f"{study}/1"}).headers["location"]
    town.app.state.server.jobs.drain()
    text = town["planner@aoba"].get(where).text
    assert "volumes.csv:" in text
    assert "Figures without a range, and why" in text
    assert town["planner@midori"].get(where).status_code == 404
    assert town["operator@room"].get(where).status_code == 404
    assert where in town["planner@aoba"].get(base).text
    assert where not in town["planner@midori"].get(base).text
    lying = town.app.state.server.store.folder.rglob("preview.json")
    assert [path.parts[-4] for path in lying] == ["company-aoba"]
    assert json.loads(next(town.app.state.server.store.folder.rglob("preview.json")).read_text("utf-8"))["rows"]
