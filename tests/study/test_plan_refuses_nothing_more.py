"""What a later stage would refuse in a study, the check refuses first, with its place."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teikei import modules
from teikei.errors import StudyError
from teikei.market.fit import _Targets
from teikei.market.home import home_market
from teikei.plan.read import read_facts
from teikei.study import check, load
from teikei.study.types import Study
from tests.study.small import SETTINGS, small_tables, write_small

Tables = dict[str, list[list[str]]]


def put(tables: Tables, table: str, *, row: int, column: str, value: str) -> None:
    """Sets a cell; row 1 is the first below the header; a column that the table lacks is added."""
    head = tables[table][0]
    if column not in head:
        head.append(column)
    for line in tables[table][1:]:
        line.extend([""] * (len(head) - len(line)))
    tables[table][row][head.index(column)] = value


def pooled(*, second: dict[str, str]) -> Callable[[Tables], None]:
    def edit(tables: Tables) -> None:
        put(tables, "offers", row=3, column="tier_pool", value="cells")
        put(tables, "offers", row=4, column="tier_pool", value="cells")
        tables["tiers"].append(["K2", "2", "470"])
        for column, value in second.items():
            put(tables, "offers", row=4, column=column, value=value)

    return edit


def other_starts(tables: Tables) -> None:
    pooled(second={})(tables)
    tables["tiers"][-1][1] = "3"


def other_class(tables: Tables) -> None:
    put(tables, "offers", row=1, column="tier_pool", value="all")
    tables["offers"].append(["I9", "Denki", "Denki-JP", "I1", "any", "JPY", "piece", "2027", "", "10000", "all"])
    tables["tiers"] += [["I9", "0", "60000"], ["I9", "50000", "58000"]]


def bundle(offers: str) -> Callable[[Tables], None]:
    def edit(tables: Tables) -> None:
        tables["bundles"] = [["bundle", "offers", "rebate"], ["B", offers, "0.02"]]

    return edit


def of_a_closed_site(tables: Tables) -> None:
    put(tables, "sites", row=2, column="sourceable_by", value="none")
    bundle("K1;K2")(tables)


def cell(table: str, row: int, column: str, value: str) -> Callable[[Tables], None]:
    return lambda tables: put(tables, table, row=row, column=column, value=value)


PLANTED: dict[str, tuple[Callable[[Tables], None], str, str]] = {
    "a pool whose tiers start elsewhere": (other_starts, "offers.csv:5:tier_pool", "start elsewhere"),
    "a pool of incremental prices": (
        pooled(second={"discount_kind": "incremental"}), "offers.csv:5:discount_kind", "use all_units",
    ),
    "a pool over two classes": (other_class, "offers.csv:6:tier_pool", "different classes"),
    "a bundle of two suppliers": (bundle("O1;K1"), "bundles.csv:2:offers", "expected one supplier"),
    "a bundle of what nobody can buy": (of_a_closed_site, "bundles.csv:2:offers", "nobody can buy K1, K2"),
    "a bundle of nothing": (bundle(";"), "bundles.csv:2:offers", "names no offer"),
    "an e-axle without power": (cell("modules", 1, "peak_power_kw", "0"), "modules.csv:2:peak_power_kw", "found 0"),
    "a pack without energy": (cell("modules", 3, "gross_energy_kwh", "0"), "modules.csv:4:gross_energy_kwh", "found 0"),
    "a car without a charger": (cell("modules", 5, "segments", "kei"), "programmes.csv:3:segment", "fits charger"),
    "a car before its module": (cell("families", 3, "earliest_year", "2028"), "programmes.csv:2:segment", "by 2027"),
    "a moment upside down": (cell("moments", 1, "low", "-2"), "moments.csv:2:low", "not below high"),
    "a product that sells nothing": (cell("products", 2, "units", "0"), "products.csv:3:units", "above 0"),
    "a product for nothing": (cell("products", 2, "price", "0"), "products.csv:3:price", "above 0"),
    "a range of nothing": (cell("products", 1, "range_km", "0"), "products.csv:2:range_km", "above 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_contradiction_is_refused_at_its_place(tmp_path: Path, name: str) -> None:
    edit, place, words = PLANTED[name]
    tables = small_tables()
    edit(tables)
    problems = check(write_small(tmp_path / "study", tables))
    found = [problem for problem in problems if problem.place == place and not problem.warning]
    assert any(words in problem.message for problem in found), "\n".join(map(str, problems))


def test_more_ways_than_can_be_tried_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teikei.study.checks.cars.MAX_CANDIDATES_PER_SLOT", 1)
    tables = small_tables()
    put(tables, "modules", row=2, column="segments", value="")
    problems = check(write_small(tmp_path / "study", tables))
    assert "2 ways to fill programme P1" in {p.place: p.message for p in problems}["programmes.csv:2:segment"]


def test_an_unknown_cost_curve_is_refused_at_its_setting(tmp_path: Path) -> None:
    problems = check(write_small(tmp_path / "study", settings=SETTINGS + "cost_curve: tumm\n"))
    assert [(p.place, p.warning) for p in problems] == [("study.yaml:12:cost_curve", False)]
    assert 'did you mean "tum"' in problems[0].message


def read_as_the_later_stages_do(study: Study) -> None:
    """Everything that refuses an input right of the study, without solving anything."""
    read_facts(study, modules.catalogue(study), None)
    home = home_market(study)
    _Targets(study, home.country, home.rate)


EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("offers"), st.integers(1, 4), st.just("tier_pool"), st.sampled_from(["", "p", "q"])),
        st.tuples(st.just("offers"), st.integers(1, 4), st.just("discount_kind"), st.sampled_from(["", "incremental"])),
        st.tuples(st.just("offers"), st.integers(1, 4), st.just("status"), st.sampled_from(["offer", "benchmark"])),
        st.tuples(st.just("offers"), st.integers(1, 4), st.just("site"), st.sampled_from(["Denki-JP", "Dian-CN"])),
        st.tuples(st.just("offers"), st.integers(1, 4), st.just("module"), st.sampled_from(["E1", "E2", "B1", "B2"])),
        st.tuples(st.just("sites"), st.integers(1, 2), st.just("sourceable_by"), st.sampled_from(["any", "none"])),
        st.tuples(st.just("tiers"), st.integers(1, 7), st.just("from_quantity"), st.sampled_from(["0", "1", "50000"])),
        st.tuples(st.just("tiers"), st.integers(1, 7), st.just("unit_price"), st.sampled_from(["1", "500", "170000"])),
        st.tuples(st.just("modules"), st.integers(1, 5), st.just("segments"), st.sampled_from(["", "kei", "C-SUV"])),
        st.tuples(st.just("modules"), st.integers(1, 5), st.just("earliest_year"), st.sampled_from(["", "2028"])),
        st.tuples(
            st.just("modules"), st.integers(1, 5), st.just("position"), st.sampled_from(["any", "front", "rear"])
        ),
        st.tuples(st.just("versions"), st.integers(1, 3), st.just("drive"), st.sampled_from(["fwd", "rwd", "awd"])),
        st.tuples(st.just("generations"), st.integers(1, 2), st.just("sop"), st.sampled_from(["2027-01", "2028-04"])),
        st.tuples(st.just("rules"), st.integers(1, 3), st.just("value"), st.sampled_from(["0.5", "yes", "often", "2"])),
        st.tuples(st.just("products"), st.integers(1, 3), st.just("units"), st.sampled_from(["0", "1000"])),
        st.tuples(st.just("moments"), st.just(1), st.just("high"), st.sampled_from(["", "-5", "-3"])),
    ),
    min_size=1,
    max_size=6,
)
BUNDLES = st.lists(st.sampled_from(["O1", "O2", "K1", "K2"]), max_size=3)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(edits=EDITS, bundled=BUNDLES, expanded=st.sampled_from(["", "Denki-JP", "Dian-CN"]))
def test_what_the_check_accepts_no_later_stage_refuses(
    edits: list[tuple[str, int, str, str]], bundled: list[str], expanded: str
) -> None:
    tables = small_tables()
    for table, row, column, value in edits:
        put(tables, table, row=row, column=column, value=value)
    if bundled:
        bundle(";".join(bundled))(tables)
    if expanded:
        tables["expansions"] = [["site", "from_year", "capacity", "cost"], [expanded, "2028", "1000", "100"]]
    with tempfile.TemporaryDirectory() as folder:
        try:
            study = load(write_small(Path(folder) / "study", tables))
        except StudyError:
            return
        read_as_the_later_stages_do(study)
        for rule in read_facts(study, modules.catalogue(study), None).rules:
            assert rule.kind == "exclude_supplier" or rule.number >= 0
