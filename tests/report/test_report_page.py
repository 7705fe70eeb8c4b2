from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re

import plotly.graph_objects as go
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teikei.report import write
from teikei.report.page import figure_json
from teikei.report.writing import page_text
from tests.report.fake_tables import GRAND, PARTS, RUNGS, meta, tables
from tests.report.page_reading import Page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>&\"'`{{7*7}}</table>"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    return Page(write(tables(), meta(), tmp_path_factory.mktemp("run")).read_text("utf-8"))


def read(stored: dict[str, pl.DataFrame], known: dict) -> Page:
    return Page(page_text(stored, known))


def hostile_tables() -> dict[str, pl.DataFrame]:
    """Every text cell of every table ends in markup; keys that join tables stay equal to each other."""
    keep = {"rung", "coalition", "from_rung", "method", "kind", "scenario", "region", "light", "confidence"}
    return {
        name: frame.with_columns(
            (pl.col(column) + HOSTILE).alias(column)
            for column, dtype in frame.schema.items()
            if dtype == pl.String and column not in keep
        )
        for name, frame in tables().items()
    }


def test_page_is_well_formed_html_with_unique_ids(page):
    assert page.problems == []
    assert len(page.ids) == len(set(page.ids))
    assert page.tags[:2] == ["html", "head"]


def test_page_loads_nothing_and_forbids_loading(page):
    assert page.loads == []
    policy = next(a["content"] for t, a in page.attributes if t == "meta" and "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_policy_names_the_hash_of_every_script_that_runs(page):
    policy = next(a["content"] for t, a in page.attributes if t == "meta" and "http-equiv" in a)
    running = [body for attributes, body in page.scripts if attributes.get("type") != "application/json"]
    assert len(running) == 2
    for body in running:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" in policy


def test_plotly_is_embedded_once(page):
    assert sum("plotly.js v" in body[:200] for _, body in page.scripts) == 1


def test_every_chart_is_a_valid_figure_with_a_place_a_label_and_its_table(page):
    figures = [(a, json.loads(body)) for a, body in page.scripts if a.get("type") == "application/json"]
    assert len(figures) >= 12
    labels = {a["id"]: a["aria-label"] for _, a in page.attributes if (a.get("id") or "").startswith("chart-")}
    for attributes, figure in figures:
        go.Figure(figure)  # raises on unknown properties
        assert len(labels[attributes["data-chart"]]) > 40
    assert page.tags.count("figure") == page.words.count("The numbers behind this picture") == len(figures)


def test_every_axis_of_numbers_has_a_title_with_a_unit(page):
    for attributes, body in page.scripts:
        if attributes.get("type") != "application/json":
            continue
        layout = json.loads(body)["layout"]
        for axis in (layout["xaxis"], layout["yaxis"]):
            assert axis.get("type") == "category" or axis["title"]["text"], attributes


def test_every_bar_series_of_a_chart_has_an_own_colour_and_pattern(page):
    for attributes, body in page.scripts:
        if attributes.get("type") != "application/json":
            continue
        bars = [trace for trace in json.loads(body)["data"] if trace["type"] == "bar"]
        looks = [json.dumps([bar["marker"]["color"], bar["marker"]["pattern"]["shape"]]) for bar in bars]
        assert len(looks) == len(set(looks)), attributes


def test_headings_go_down_one_level_at_a_time(page):
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_first_table_holds_the_stored_savings_shares_and_ev_changes(page):
    stored = tables()
    costs = stored["cost_by_rung"]
    alone = costs.filter(pl.col("rung") == "alone")["value"].sum()
    answer = page.tables[0]
    assert [row[0] for row in answer.rows[1:]] == [*RUNGS, "vehicle"]
    market = stored["market_summary"].filter((pl.col("year") == 2030) & (pl.col("scenario") == "study"))
    ev_alone = market.filter(pl.col("rung") == "alone")["ev_share"][0]
    for row, values, rung in zip(answer.rows[1:], answer.values[1:], RUNGS, strict=False):
        value = costs.filter((pl.col("coalition") == GRAND) & (pl.col("rung") == rung))["value"][0]
        assert float(values[1]) == pytest.approx(alone - value, rel=1e-12)
        assert row[1].startswith(f"{(alone - value) / 1000:.1f}")
        assert float(values[2]) == pytest.approx((alone - value) / alone, rel=1e-12)
        shares = stored["shares"].filter((pl.col("rung") == rung) & (pl.col("rule") == "shapley"))
        for offset, company in enumerate(("Nissan", "Honda", "Mitsubishi")):
            expected = shares.filter(pl.col("company") == company)["value"][0]
            assert float(values[4 + offset]) == expected
            assert row[4 + offset] == f"{expected / 1000:.1f}"
        ev = market.filter(pl.col("rung") == rung)["ev_share"][0]
        assert float(values[8]) == pytest.approx(ev - ev_alone, rel=1e-9)
    assert "Not evaluated: no vehicle is defined" in answer.rows[-1][1]


def test_proven_range_is_bounds_against_values(page):
    costs = tables()["cost_by_rung"].filter(pl.col("rung").is_in(["alone", "battery"]))
    alone = costs.filter(pl.col("rung") == "alone")
    joint = costs.filter(pl.col("rung") == "battery")
    low = alone["bound"].sum() - joint["value"].sum()
    high = alone["value"].sum() - joint["bound"].sum()
    row = next(row for row in page.tables[0].rows if row[0] == "battery")
    assert row[1].endswith(f" {low / 1000:.1f} to {high / 1000:.1f}")


def test_levers_of_the_ladder_table_are_the_stored_ones_summed_over_companies(page):
    table = page.table("Cumulative saving by lever")
    stored = tables()["savings_by_lever"].filter(pl.col("method") == "order")
    sums = dict(stored.group_by("lever").agg(pl.col("value").sum()).iter_rows())
    last = table.values[-1]
    for header, value in zip(table.rows[0][1:-3], last[1:-3], strict=True):
        assert float(value) == pytest.approx(sums[header.replace(" ", "_")], rel=1e-12)
    assert "The levers add up to the net saving." in page.words


def test_levers_that_do_not_add_up_are_said_to_be_wrong():
    stored = tables()
    stored["savings_by_lever"] = stored["savings_by_lever"].filter(pl.col("lever") != "tooling")
    words = read(stored, meta()).words
    assert "do not add up to the net saving: they differ by up to 26.4 bn JPY" in words


def test_negative_numbers_carry_a_real_minus(page):
    ladder = page.table("Cumulative saving by lever")
    assert any(cell.startswith("−") for row in ladder.rows for cell in row)
    assert not any(re.match(r"-\d", cell) for table in page.tables[:2] for row in table.rows for cell in row)


def test_label_title_and_scenario_stand_on_the_page():
    known = {**meta(), "scenario": "lfp_subsidy"}
    words = read(tables(), known).words
    assert known["label"] in words
    assert known["title"] in words
    assert "Scenario: lfp_subsidy." in words


def test_a_study_without_a_label_says_so():
    assert "carries no label" in read(tables(), {**meta(), "label": ""}).words


@pytest.mark.parametrize("name", sorted(tables()))
@pytest.mark.parametrize("how", ["missing", "empty", "no columns"])
def test_a_missing_or_empty_table_becomes_a_sentence(name, how):
    stored = tables()
    if how == "missing":
        del stored[name]
    else:
        stored[name] = stored[name].clear() if how == "empty" else pl.DataFrame()
    page = read(stored, meta())
    assert page.problems == []
    if name in ("explanations", "warnings"):
        assert "none stored in this run" in page.words
        return
    if name == "requirement_prices":
        assert "not part of a run: teikei prices tells it" in page.words
        return
    if name in ("cost_breakdown", "market_history", "references", "programmes", "rungs", "plants"):
        return  # add to other tables; their absence leaves less detail, not a gap in an answer
    reason = f"this run stored no table “{name}”" if how == "missing" else f"the table “{name}” of this run has no rows"
    assert reason in page.words or f"the table “{name}” has no usable rows" in page.words, name


def test_no_tables_at_all_give_sentences_and_no_number():
    page = read({}, {})
    assert page.problems == []
    assert "not evaluated because this run stored no table “cost_by_rung”" in page.words
    assert page.tables[0].caption.startswith("Glossary")
    assert not re.search(r"\d+(\.\d+)? (bn|million) JPY", page.words)


def test_a_rung_without_its_own_rows_is_not_filled_from_another():
    stored = tables()
    stored["awards"] = stored["awards"].filter(pl.col("rung") != "battery")
    assert "“awards” has no usable rows for Nissan+Honda+Mitsubishi at “battery”" in read(stored, meta()).words


def test_a_rung_that_costs_more_is_called_so():
    stored = tables()
    worse = pl.when(pl.col("coalition") == GRAND).then(pl.col("value") + 400_000).otherwise(pl.col("value"))
    stored["cost_by_rung"] = stored["cost_by_rung"].with_columns(worse.alias("value"))
    assert "No rung of cooperation saves money" in read(stored, meta()).words


def test_small_savings_of_a_large_cost_are_told_in_millions():
    stored = tables()
    alone = dict(stored["cost_by_rung"].filter(pl.col("rung") == "alone").select("coalition", "value").iter_rows())
    whole = sum(value for name, value in alone.items() if name in ("Nissan+Mitsubishi", "Honda"))
    joint = (pl.col("coalition") == GRAND) & (pl.col("rung") != "alone") & pl.col("value").is_not_null()
    stored["cost_by_rung"] = stored["cost_by_rung"].with_columns(
        pl.when(joint).then(whole - 189.0).otherwise(pl.col("value")).alias("value")
    )
    assert "save 189.0 million JPY" in read(stored, meta()).words


def test_an_ev_share_that_does_not_move_is_said_so():
    stored = tables()
    stored["market_summary"] = stored["market_summary"].with_columns(ev_share=pl.lit(0.1), ev_share_change=pl.lit(0.0))
    assert "Cooperation does not move the EV share in Japan" in read(stored, meta()).words


def test_a_saving_inside_the_gap_is_called_unproven():
    stored = tables()
    loose = pl.when(pl.col("rung") == "alone").then(pl.col("value") - 200_000).otherwise(pl.col("bound"))
    stored["cost_by_rung"] = stored["cost_by_rung"].with_columns(loose.alias("bound"))
    assert "has not proven that this is above zero" in read(stored, meta()).words


def test_an_unstable_split_names_who_leaves():
    stored = tables()
    stored["core"] = stored["core"].with_columns(
        pl.lit(False).alias("in_core"), pl.lit("Honda").alias("leaves"), pl.lit(1234.5).alias("leaves_by")
    )
    words = read(stored, meta()).words
    assert "Not stable: Honda would do better by 1.23 bn JPY by leaving." in words
    assert "✗" not in words  # the sign is drawn by the style, the word says it
    assert "no: Honda leaves" in words


def test_an_equilibrium_that_did_not_converge_is_not_to_be_quoted():
    stored = tables()
    stored["market_convergence"] = stored["market_convergence"].with_columns(pl.lit(False).alias("converged"))
    assert "Not converged, so not to be quoted: alone, battery." in read(stored, meta()).words


def test_merger_never_stands_for_the_forecast():
    stored = tables()
    summary = stored["market_summary"]
    stored["market_summary"] = pl.concat([summary.filter(pl.col("scenario") == "merger"), summary])
    first = read(stored, meta()).tables[0]
    assert first.rows == read(tables(), meta()).tables[0].rows


def test_baseline_is_made_of_blocs_also_where_single_companies_are_stored():
    stored = tables()
    single = pl.DataFrame(
        [
            ("Nissan", "alone", 1_500_000.0, 1_499_000.0, 1000.0, "gap"),
            ("Mitsubishi", "alone", 300_000.0, 299_000.0, 1e3, "gap"),
        ],
        schema=stored["cost_by_rung"].schema,
        orient="row",
    )
    stored["cost_by_rung"] = pl.concat([single, stored["cost_by_rung"]])
    first = read(stored, meta()).tables[0]
    assert first.rows == read(tables(), meta()).tables[0].rows
    assert len(PARTS) == 2


def test_hostile_text_in_tables_and_meta_is_only_ever_text():
    known = {
        **meta(),
        "title": HOSTILE,
        "label": HOSTILE,
        "scenario": HOSTILE,
        "citations": [HOSTILE],
        HOSTILE: HOSTILE,
    }
    page = read(hostile_tables(), known)
    assert page.problems == []
    assert page.loads == []
    assert page.handlers == []
    assert page.tags.count("img") == 0
    assert len([1 for attributes, _ in page.scripts if attributes.get("type") != "application/json"]) == 2
    assert "{{7*7}}" in page.words
    for attributes, body in page.scripts:
        if attributes.get("type") == "application/json":
            assert "<" not in body
            assert not re.search(r"<(script|img|a)\b", json.dumps(json.loads(body)))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.text(max_size=30))
def test_any_text_in_a_figure_stays_inside_its_script_element(text):
    body = figure_json({"data": [{"name": text}], "layout": {"value": float("nan")}})
    assert json.loads(body) == {"data": [{"name": text}], "layout": {"value": None}}
    assert not set(body) & {"<", ">", "&"}


def test_odd_types_and_missing_values_do_not_stop_the_report():
    stored = {
        name: frame.with_columns(
            *(pl.lit(None, dtype).alias(column) for column, dtype in frame.schema.items() if dtype.is_numeric())
        )
        for name, frame in tables().items()
    }
    assert read(stored, meta()).problems == []
    texts = {name: frame.with_columns(pl.all().cast(pl.String)) for name, frame in tables().items()}
    assert read(texts, meta()).tables[0].rows == read(tables(), meta()).tables[0].rows
    nan = {name: frame.with_columns(pl.selectors.float() * float("nan")) for name, frame in tables().items()}
    assert "nan" not in read(nan, meta()).words.lower().split()


def test_unknown_tables_are_shown_not_dropped():
    stored = {**tables(), "exit_terms": pl.DataFrame({"company": ["Honda"], "year": [2030], "cash": [-12.5]})}
    page = read(stored, meta())
    assert "Exit terms (1 row)" in page.words
    assert ["Honda", "2030", "−12.5"] in page.table("exit terms").rows


def test_the_same_tables_give_the_same_page():
    assert page_text(tables(), meta()) == page_text(tables(), meta())


def test_one_name_in_two_developing_groups_is_not_a_shared_design():
    stored = tables()
    own = stored["configurations"]
    stored["configurations"] = own.with_columns(
        pl.when(pl.col("programme").is_in(["P03", "P04", "P05", "P07", "P11", "P12"]))
        .then(pl.lit("Honda"))
        .otherwise(pl.lit("Nissan+Mitsubishi"))
        .alias("developing_group")
    )
    words = read(stored, meta()).words
    assert "no new design is developed by more than one of the groups that already pool today" in words
    stored["configurations"] = own.with_columns(pl.lit(GRAND).alias("developing_group"))
    assert (
        "4 of the 7 families in new configurations are developed and used across company groups"
        in read(stored, meta()).words
    )


def test_modules_of_today_are_never_marked_as_shared(page):
    matrix = page.table("Modules by programme and class at “battery”")
    assert any("·" in cell for row in matrix.rows for cell in row)
    assert not any("·" in cell and "(today)" in cell for row in matrix.rows for cell in row)


def test_a_class_the_rung_does_not_develop_together_has_no_shared_family(page):
    matrix = page.table("Modules by programme and class at “components”")
    assert not any("·" in cell for row in matrix.rows for cell in row)


def test_cost_beside_the_rival_is_the_first_and_last_level_of_the_stored_walk(page):
    table = page.table("Cost of parts per car")
    row = next(values for cells, values in zip(table.rows, table.values, strict=True) if cells[0].startswith("P01"))
    assert float(row[1]) == 758_000.0
    assert float(row[3]) == 642_500.0
    assert "2 of 2 cars still cost more to build than at an integrated rival, by up to 18 %" in page.words


def test_assumptions_on_the_first_screen_are_counted_from_the_stored_tables(page):
    sources, evidence = tables()["sources"], tables()["evidence"]
    assumed = sources.filter(pl.col("confidence") == "assumption").height / sources.height
    cost = evidence.filter(pl.col("confidence") == "assumption")["value"].sum() / evidence["value"].sum()
    assert f"{assumed:.0%}".replace("%", " %") + f" of {sources.height} figures are assumptions" in page.words
    assert f"they carry {cost:.0%}".replace("%", " %") + " of the cost alone" in page.words
    assert "All volumes are assumed, so every result is a what-if." in page.words


def test_settings_of_run_json_are_read_like_settings_told_directly():
    known = meta()
    told = {key: known.pop(key) for key in ("title", "label", "currency", "price_year", "base_year", "discount_rate")}
    nested = {**known, "study": told, "seconds": known["times"], "input_sha256": known["input_hashes"]}
    page = read(tables(), nested)
    assert told["label"] in page.words
    assert "a" * 64 in page.words
    assert page.tables[0].rows == read(tables(), meta()).tables[0].rows


def test_a_requirement_kept_from_today_is_not_called_binding():
    stored = tables()
    rows = stored["performance"].with_columns(
        pl.col("procedure").alias("requirement"),
        pl.lit("set to incumbent").alias("status"),
        pl.lit(0.0).alias("margin"),
    )
    stored["performance"] = rows
    assert "0 of 0 requirements on new configurations" in read(stored, meta()).words


def test_plans_stopped_by_time_are_said_in_the_first_lines():
    stored = tables()
    late = pl.when(pl.col("rung") == "battery").then(pl.lit("time limit")).otherwise(pl.col("status"))
    stored["cost_by_rung"] = stored["cost_by_rung"].with_columns(late.alias("status"))
    said = "1 of 7 plans were stopped by the time limit: another run may give other figures."
    assert said in read(stored, meta()).words
    assert said not in read(tables(), meta()).words


def test_starts_of_production_that_are_late_head_the_schedule():
    names = ["coalition", "rung", "programme", "generation", "late_quarters"]
    rows = [(GRAND, "battery", "P01", "G2", 0), (GRAND, "battery", "P02", "G2", 3), (GRAND, "battery", "P03", "G1", 1)]
    stored = {**tables(), "schedule_milestones": pl.DataFrame(rows, schema=names, orient="row")}
    assert (
        "2 of 3 starts of production are late in the schedule found, P02 G2 most: 3 quarters"
        in read(stored, meta()).words
    )


def test_sites_are_shown_by_what_is_bought_of_their_capacity():
    names = ["coalition", "rung", "site", "year", "quantity", "capacity", "unit"]
    rows = [(GRAND, "battery", "Ningde", 2030, 11.8, 12.0, "gwh"), (GRAND, "battery", "Himeji", 2030, 1.0, 4.0, "gwh")]
    page = read({**tables(), "plant_use": pl.DataFrame(rows, schema=names, orient="row")}, meta())
    assert "Nearly full in some year: Ningde" in page.words
    assert page.table("Use of suppliers' sites").values[1][5] == str(11.8 / 12.0)


def test_the_sharper_bound_of_the_companies_alone_is_used_where_it_is_stored():
    stored = tables()
    costs = stored["cost_by_rung"]
    alone = costs.filter(pl.col("rung") == "alone")["value"].sum()
    whole = pl.DataFrame([(GRAND, "alone", alone, alone - 180.0, 180.0, "gap")], schema=costs.schema, orient="row")
    stored["cost_by_rung"] = pl.concat([whole, costs])
    row = next(row for row in read(stored, meta()).tables[0].rows if row[0] == "battery")
    assert row[1].endswith(" 139.9 to 140.5")  # 140,070 - 180; the parts' own bounds would give 139.7


def test_a_saving_counts_from_the_blocs_also_where_companies_were_planned_singly():
    """Honda+Mitsubishi cuts through a bloc: what it and Nissan spend alone is nobody's baseline."""
    stored = tables()
    costs = stored["cost_by_rung"]
    rows = [("Honda+Mitsubishi", 900e3), ("Nissan", 800e3), ("Mitsubishi", 50e3)]
    singly = [(name, "alone", value, value, 0.0, "optimal") for name, value in rows]
    stored["cost_by_rung"] = pl.concat([pl.DataFrame(singly, schema=costs.schema, orient="row"), costs])
    assert read(stored, meta()).tables[0].rows == read(tables(), meta()).tables[0].rows


def test_parts_without_a_supplier_are_named_so():
    stored = tables()
    stored["awards"] = stored["awards"].with_columns(pl.lit("").alias("supplier"))
    assert "no supplier named is the largest supplier" in read(stored, meta()).words


def test_a_stable_split_that_the_ranges_leave_open_is_called_not_proven():
    stored = tables()
    stored["core"] = stored["core"].with_columns(pl.lit(False).alias("certain"))
    assert "yes, not proven" in read(stored, meta()).words


def test_a_schedule_stopped_by_time_says_so_with_what_is_proven():
    names = ["coalition", "rung", "late_quarters", "late_bound", "status"]
    rows = [(GRAND, "battery", 376, 44.0, "time limit")]
    words = read({**tables(), "schedule_summary": pl.DataFrame(rows, schema=names, orient="row")}, meta()).words
    assert "stopped by the time limit: a better one may exist" in words
    assert "376 quarters late in it; no schedule can do better than 44" in words


def test_what_companies_of_one_bloc_share_today_is_told_beside_the_ladder():
    told = "Nissan and Mitsubishi already pool their kei cars."
    assert f"What counts as alone: {told}" in read(tables(), {**meta(), "incumbent_bloc_note": told}).words
    assert "What counts as alone" not in read(tables(), meta()).words


def test_requirements_that_all_have_room_are_said_to_have_it():
    stored = tables()
    stored["performance"] = stored["performance"].with_columns(margin=pl.col("required").abs() * 0.5, status=pl.lit(""))
    assert re.search(r"All \d+ requirements on new configurations are met with 2 % or more", read(stored, meta()).words)


def test_designs_stand_by_class_without_the_defaults_of_parts_they_do_not_have():
    stored = tables()
    rows = [
        (GRAND, "battery", "E9", "e-axle", "EA", 47.0, "pm", None),
        (GRAND, "battery", "H9", "harness", "HV", None, "pm", None),
        (GRAND, "battery", "C9", "charger", "OBC", None, "pm", 6.0),
    ]
    names = ["coalition", "rung", "variant", "class", "family", "peak_power_kw", "motor_type", "ac_charge_power_kw"]
    stored["module_designs"] = pl.DataFrame(rows, schema=names, orient="row")
    stored["configurations"] = stored["configurations"].with_columns(
        module=pl.Series(["E9", "H9", "C9"]).sample(stored["configurations"].height, with_replacement=True, seed=1)
    )
    found = {
        one.caption.rpartition(": ")[2]: one.rows[0] for one in read(stored, meta()).tables if "Designs" in one.caption
    }
    assert set(found) == {"e-axle", "harness", "charger"}
    assert ["motor type" in found[name] for name in ("e-axle", "harness", "charger")] == [True, False, False]


PUBLISHED = {
    "target": "merger of both", "value": 500_000.0, "bound": "at least", "by": "A and B", "announced": "2024-12-23",
    "status": "ended 2025-02-13", "scope": "everything", "difference": "all but the electric cars", "source": "",
}  # fmt: skip


def test_what_the_companies_published_stands_beside_the_answer_a_year_each():
    known = meta()
    known |= {"first_year": 2027, "last_year": 2028, "base_year": 2026, "discount_rate": 0.06}
    stored = tables()
    costs = stored["cost_by_rung"]
    alone = costs.filter((pl.col("rung") == "alone") & pl.col("coalition").is_in(PARTS))["value"].sum()
    joint = costs.filter((pl.col("coalition") == GRAND) & (pl.col("rung") != "alone"))["value"]
    saving = alone - min(value for value in joint if value is not None and value == value)
    a_year = saving / (1.06**-1.5 + 1.06**-2.5)
    text = read(stored | {"published": pl.DataFrame([PUBLISHED])}, known).words.replace("\N{NO-BREAK SPACE}", " ")
    assert "Published, merger of both: more than 500.0 bn JPY a year" in text
    assert "ended 2025-02-13" in text
    assert "Not in this study: all but the electric cars" in text
    assert f"{100 * a_year / 500_000:.1f} % of it" in text.replace("%", " %").replace("  %", " %")
    assert "Published, merger" not in read(stored, known).words


def test_idle_lines_of_own_suppliers_are_told_alone_and_together():
    row = {"owner": "Nissan", "supplier": "JATCO", "site": "", "class": "e-axle", "year": 2030, "committed": 70_000.0,
           "taken": 20_000.0, "lost": 50_000.0}  # fmt: skip
    alone = [{"coalition": name, "rung": "alone", **row, "cost": 1_500.0} for name in PARTS[:1]]
    joint = [{"coalition": GRAND, "rung": rung, **row, "cost": 400.0} for rung in RUNGS]
    text = page_text(tables() | {"captive_use": pl.DataFrame(alone + joint)}, meta())
    found = re.search(r"own suppliers cost their owners ([^<]*) alone and ([^<]*) at", text)
    assert found is not None
    assert "1.5" in found[1]
    assert "0.4" in found[2]
    assert "own suppliers cost their owners" not in page_text(tables(), meta())


def test_markup_in_what_was_published_or_in_an_own_supplier_stays_text():
    named = {
        key: value + HOSTILE if isinstance(value, str) and key != "bound" else value for key, value in PUBLISHED.items()
    }
    texts = dict.fromkeys(("owner", "supplier", "site", "class"), HOSTILE)
    use = {"coalition": GRAND, "rung": "battery", **texts, "year": 2030, "committed": 1.0, "taken": 0.0, "lost": 1.0}
    use["cost"] = 1.0
    known = meta() | {"first_year": 2027, "last_year": 2034, "base_year": 2026, "discount_rate": 0.06}
    stored = tables() | {"published": pl.DataFrame([named]), "captive_use": pl.DataFrame([use])}
    text = page_text(stored, known)
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text
    assert "{{7*7}}" in text


def test_who_builds_what_where_is_told():
    row = {"programme": "P01", "generation": "G2", "year": 2030, "units": 20_000.0, "capacity": 200_000.0}
    built = [
        {"coalition": GRAND, "rung": rung, **row, "plant": plant, "company": "Nissan", "planned": plant == "Mizushima"}
        for rung in RUNGS
        for plant in ("Mizushima", "Suzuka")
    ]
    stored = tables()
    configurations = stored["configurations"]
    rows = [
        {"coalition": GRAND, "rung": rung, "programme": programme, "generation": "G2", "class": "top-hat",
         "module": "TH_JOINT", "developing_group": GRAND}
        for rung in RUNGS
        for programme in ("P01", "P03")
    ]  # fmt: skip
    bodies = pl.concat([configurations, pl.DataFrame(rows)], how="diagonal_relaxed")
    text = read(stored | {"assembly": pl.DataFrame(built), "configurations": bodies}, meta()).words
    assert "2 of 2 cars that choose among bodies share one" in text
    assert "1 of 1 cars are built in another plant than planned" in text
    assert "Who builds what where" in text
    assert "Who builds what where" not in read(stored, meta()).words
