"""The second study differs from the first in every way that code could be wired to, and the whole line runs on it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping

import polars as pl
import pytest

import teikei
from teikei.runs import Run
from teikei.study import Study, check
from tests.docs.snippets import DOCS, ROOT

FIRST, SECOND = ROOT / "examples" / "nissan-honda", ROOT / "examples" / "kit-supply"


@pytest.fixture(scope="module")
def study() -> Study:
    return teikei.load(SECOND)


@pytest.fixture(scope="module")
def run(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of the whole line for all tests of this file (20 CPU seconds)."""
    return teikei.run(study, out=tmp_path_factory.mktemp("runs") / "kit")


@pytest.fixture(scope="module")
def tables(run: Run) -> Mapping[str, pl.DataFrame]:
    return run.tables


def test_every_table_and_column_of_a_run_is_in_the_reference(tables: Mapping[str, pl.DataFrame]) -> None:
    spec = importlib.util.spec_from_file_location("run_tables", DOCS / "tools" / "run_tables.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    kept, page = tool.kept(), tool.page()
    for name, table in tables.items():
        assert set(table.columns) <= set(kept[name]), f"{name}: python docs/tools/run_tables.py RUN"
        assert f"\n## {name}\n" in page


def test_the_second_study_has_no_problem() -> None:
    assert check(SECOND) == []


def test_no_name_of_the_first_study_is_in_the_second(study: Study) -> None:
    first = teikei.load(FIRST)
    assert study.settings.currency != first.settings.currency
    assert study.settings.home_market != first.settings.home_market
    assert study.settings.cost_curve != first.settings.cost_curve
    assert not set(study.rung_names) - {"alone"} & set(first.rung_names) - {"powertrain"}
    for table, column in (
        ("companies", "company"),
        ("programmes", "programme"),
        ("programmes", "segment"),
        ("suppliers", "supplier"),
        ("sites", "site"),
        ("families", "family"),
        ("modules", "module"),
        ("products", "maker"),
    ):
        assert not set(study[table][column]) & set(first[table][column]), f"{table}.{column}"


def test_every_figure_of_the_second_study_is_marked_as_an_assumption(study: Study) -> None:
    for name, table in study.tables.items():
        if "confidence" in table.columns:
            assert set(table["confidence"]) <= {"assumption"}, name


def test_the_kit_is_developed_by_none_but_its_owner_at_the_rung_of_the_kit(tables: Mapping[str, pl.DataFrame]) -> None:
    used = tables["configurations"].filter(
        pl.col("coalition") == "Aldermoor+Brevik+Corvo", pl.col("class") == "kit", pl.col("rung") == "kit"
    )
    assert set(used["module"]) == {"KA1"}
    alone = tables["configurations"].filter(pl.col("rung") == "alone", pl.col("class") == "kit")
    own = alone.select("programme", "module").unique()
    assert set(own.iter_rows()) == {("A1", "KA1"), ("B1", "KB1"), ("C1", "KC1")}


def test_no_kit_is_used_by_a_coalition_without_its_owner(tables: Mapping[str, pl.DataFrame]) -> None:
    owners = {"KA1": "Aldermoor", "KB1": "Brevik", "KC1": "Corvo"}
    rows = tables["configurations"].filter(pl.col("class") == "kit").select("coalition", "module").unique()
    assert rows.height
    for coalition, module in rows.iter_rows():
        assert owners[module] in coalition.split("+")


def test_kits_are_paid_at_the_tier_of_their_joint_volume_in_pounds(
    study: Study, tables: Mapping[str, pl.DataFrame]
) -> None:
    """Price of the year by hand: tier of all pieces x rate x yearly price-down over four years."""
    awards = tables["awards"].filter(
        pl.col("coalition") == "Aldermoor+Brevik+Corvo", pl.col("rung") == "kit", pl.col("price_basis") == "offer:KITA"
    )
    assert awards.height
    offer = study["offers"].filter(pl.col("offer") == "KITA").row(0, named=True)
    rate = dict(study["currencies"].select("currency", "rate").iter_rows())[offer["currency"]]
    tiers = sorted(study["tiers"].filter(pl.col("offer") == "KITA").select("from_quantity", "unit_price").iter_rows())
    for year in sorted(set(awards["year"])):
        rows = awards.filter(pl.col("year") == year)
        down = (1 - offer["yearly_price_down"]) ** min(year - offer["first_year"], offer["price_down_years"])
        best = [price for quantity, price in tiers if rows["quantity"].sum() >= quantity][-1] * rate * down
        dearest = tiers[0][1] * rate * down
        for price in rows["unit_price"]:  # units that have left the joint drawing may lose the tier, never gain one
            assert best * (1 - 1e-9) <= price <= dearest * (1 + 1e-9)


def test_companies_alone_add_up_to_the_alliance_at_the_lowest_rung(tables: Mapping[str, pl.DataFrame]) -> None:
    costs = tables["cost_by_rung"]
    alone = costs.filter(pl.col("rung") == "alone", ~pl.col("coalition").str.contains("+", literal=True))
    whole = costs.filter(pl.col("rung") == "alone", pl.col("coalition") == "Aldermoor+Brevik+Corvo")["value"][0]
    assert whole == pytest.approx(alone["value"].sum(), rel=1e-9)


def test_prices_of_the_second_study_stay_near_what_is_paid_today(
    study: Study, tables: Mapping[str, pl.DataFrame]
) -> None:
    today = dict(study["products"].select("product", "price").iter_rows())
    rows = tables["market_outcome"].filter(pl.col("rung") == "alone", pl.col("scenario") == "base")
    for product, year, price in rows.select("product", "year", "price").iter_rows():
        if product in today:
            assert 0.6 * today[product] < price < 1.4 * today[product], f"{product} costs {price:,.0f} in {year}"


def test_a_rung_that_changes_variable_cost_changes_prices(tables: Mapping[str, pl.DataFrame]) -> None:
    rows = tables["market_outcome"].filter(pl.col("rung") == "powertrain", pl.col("scenario") == "base")
    assert rows["price_change"].abs().max() > 1.0


def test_report_of_the_second_study_speaks_of_its_own_currency_and_market(run: Run) -> None:
    page = re.sub(r"<(script|style)\b.*?</\1>", "", run.report_path.read_text("utf-8"), flags=re.S)
    converted = [text for text in run.tables["explanations"]["text"] if "EUR per JPY" in text]
    assert len(converted) == 1  # the one sentence that must name yen: at which rate parameters were converted
    page = page.replace(converted[0], "")
    words = set(re.findall(r"\w+", re.sub(r"<[^>]+>", " ", page)))
    assert {"EUR", "Aldermoor"} <= words
    assert not words & {"JPY", "yen", "Japan", "Nissan", "Honda", "Mitsubishi", "BYD"}
