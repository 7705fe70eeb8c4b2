"""The page of a sweep: how wide the savings are, what moves them, which decisions survive, what is worth knowing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from teikei.report import charts
from teikei.report.answer import Answer
from teikei.report.blocks import Block, Cell, Chart, Details, Grid, Section, Spec, Text, frame_grid, grid, words
from teikei.report.charts import Series
from teikei.report.context import make_context
from teikei.report.formatting import listed, money_for, number, percent
from teikei.report.page import render
from teikei.sweep.files import write_whole
from teikei.sweep.gather import reasons
from teikei.sweep.page_inputs import which_inputs_matter
from teikei.sweep.told import MOST_ROWS, Told

KEPT = "the plans of the study as it stands, kept and priced with the figures of each sample"


def write_page(tables: Mapping[str, pl.DataFrame], record: Mapping[str, Any], path: Path) -> Path:
    """Writes the self-contained page of a sweep, whole or not at all."""
    write_whole(path, page_text(tables, record).encode())
    return path


def page_text(tables: Mapping[str, pl.DataFrame], record: Mapping[str, Any]) -> str:
    """The page as HTML text; tables as ``make_tables`` gives them, record as ``sweep.json`` holds it."""
    settings = record["study"]
    savings = tables["bands"].filter(pl.col("kind") == "saving")
    money = money_for(str(settings["currency"]), savings["p95"].to_list())
    told = Told(tables, record, money)
    sections = (_savings(told), _market(told), which_inputs_matter(told), _decisions(told), _knowing(told), _how(told))
    title = f"{settings['title'] or settings['name']}: how sure are we?"
    context = make_context({}, {**settings, "title": title, "scenario": record["scenario"]})
    return render(context, _answer(told), sections)


def _answer(told: Told) -> Answer:
    counts = told.record["counts"]["bands"]
    trust = (
        f"{told.done} of {counts['asked']} samples of {len(told.record['inputs'])} uncertain inputs; bands run from "
        "10 % to 90 % of the samples. The ranges are the study's own, most of them assumptions."
    )
    if not told.record["planned_again"]:
        trust += f" Priced are {KEPT}: this says how sure those plans are, not which would be best in each sample."
    if told.record["state"] != "done":
        trust = f"This sweep was stopped before its end: what follows rests on what there is. {trust}"
    if counts["no_plan"] + counts["fault"]:
        trust += f" {counts['no_plan'] + counts['fault']} samples have no plan and are not in the bands (see the end)."
    if not told.best:
        return Answer(("No rung of cooperation was planned, so there is no saving to tell.",), trust, None, ())
    row = told.bands("saving", rung=told.best).row(0, named=True)
    pays = _share(told, "pays", told.best)
    first = (
        f"“{words(told.best)}” saves {told.money.full(row['p50'])} in the middle of the samples, "
        f"{told.money.text(row['p10'])} to {told.money.full(row['p90'])} in four of five; it pays in "
        f"{percent(pays, 0)} of all."
    )
    return Answer((first, _what_matters(told)), trust, _rung_grid(told), tuple(_facts(told)))


def _what_matters(told: Told) -> str:
    rows = told.tables["sensitivity"].filter((pl.col("kind") == "saving") & (pl.col("rung") == told.best))
    rows = rows.filter(pl.col("first_order") > max(0.02, told.noise)).head(3)
    if rows.is_empty():
        return (
            f"No single input stands out of the noise of {told.done} samples ({percent(told.noise, 0)} of the spread)."
        )
    parts = [f"{name} ({percent(share, 0)})" for name, share in rows.select("input", "first_order").iter_rows()]
    rough = f", give or take {percent(told.noise, 0)} with {told.done} samples" if told.noise > 0.02 else ""
    return f"Most of the spread comes from {listed(parts)}{rough}."


def _facts(told: Told) -> list[tuple[str, str]]:
    found = []
    without = told.tables["samples"].filter((pl.col("part") == "bands") & (pl.col("status") == "no plan"))
    if without.height:
        found.append((f"{without.height} samples without a plan", words(reasons(without["message"].to_list())) + "."))
    found += _not_shown(told)
    best = told.tables["decisions"].filter((pl.col("decision") == "best") & (pl.col("share") > 0))
    said = [
        f"“{words(rung)}” in {percent(share, 0)}"
        for rung, share in best.sort("share", descending=True, maintain_order=True).select("rung", "share").iter_rows()
    ]
    found.append(("Rung that saves most", listed(said) + " of the samples." if said else "Not known."))
    knowing = told.tables["knowing"]
    if knowing.height:
        found.append(
            (
                "Worth of knowing every input first",
                f"{told.money.full(knowing['value'][0])} on average: what is lost by choosing the rung before knowing."
                if knowing["value"][0] > 0
                else "Nothing: the same rung saves most in every sample.",
            )
        )
    wobbly = told.tables["decisions"].filter(
        pl.col("decision").is_in(["shared", "awarded"]) & (pl.col("rung") == told.best)
    )
    if wobbly.height:
        firm = wobbly.filter((pl.col("share") >= 0.95) | (pl.col("share") <= 0.05)).height
        found.append(
            ("Decisions that survive", f"{firm} of {wobbly.height} at “{words(told.best)}” are the same in 95 %.")
        )
    return found


def _not_shown(told: Told) -> list[tuple[str, str]]:
    """Rungs whose saving is smaller than what the solver leaves open of it."""
    middle = dict(told.bands("saving").select("rung", "p50").iter_rows())
    gaps = told.bands("gap").select("rung", "p50").iter_rows()
    said = [
        f"“{words(rung)}” ({told.money.text(middle[rung])} saved, {told.money.full(gap)} open)"
        for rung, gap in gaps
        if rung in middle and gap > abs(middle[rung])
    ]
    text = f"That it pays, or does not: {listed(said)}. The plans' own gap is wider than the saving."
    return [("Not shown", text)] if said else []


def _share(told: Told, decision: str, rung: str) -> float | None:
    rows = told.tables["decisions"].filter((pl.col("decision") == decision) & (pl.col("rung") == rung))
    return rows["share"][0] if rows.height else None


def _rung_grid(told: Told) -> Grid:
    rows: list[list[Cell | str]] = []
    for row in told.bands("saving").iter_rows(named=True):
        values = [row[name] for name in ("base", "p10", "p50", "p90", "mean")]
        shares = [_share(told, decision, row["rung"]) for decision in ("pays", "adds", "best")]
        rows.append(
            [words(row["rung"])]
            + [Cell(told.money.text(value), value, money=True) for value in values]
            + [Cell(percent(share, 0), share) for share in shares]
        )
    headers = [
        "Rung",
        "as it stands",
        "10 %",
        "middle",
        "90 %",
        "mean",
        "pays in",
        "beats the rung below in",
        "best in",
    ]
    return grid(f"Saving against alone, {told.money.label}", headers, rows)


def _savings(told: Told) -> Section:
    rows = told.bands("saving")
    blocks: list[Block] = []
    if rows.height:
        blocks.append(_band_chart(told, "savings", "rung", rows, "What each rung saves, and how wide that is"))
        company = told.bands("share", rung=told.best)
        if company.height:
            title = f"What each company gains at “{words(told.best)}” (Shapley value)"
            blocks.append(_band_chart(told, "companies", "of", company, title))
        gaps = told.bands("gap", rung=told.best)
        if gaps.height:
            blocks.append(Text(_left_open(told, gaps.row(0, named=True), told.bands("saving", rung=told.best))))
    else:
        blocks.append(Text("No saving: only the rung below all others was planned.", "absent"))
    return Section("savings", "Savings as bands", "How wide is the saving?", tuple(blocks))


def _left_open(told: Told, gap: Mapping[str, Any], saving: pl.DataFrame) -> str:
    """The plans' own gap beside the band."""
    row = saving.row(0, named=True)
    if gap["p90"] < 1e-3 * max(row["p90"] - row["p10"], 1e-9):
        return "The plans are proven best to less than a thousandth of this band."
    wide = gap["p50"] / (row["p90"] - row["p10"]) if row["p90"] > row["p10"] else math.inf
    times = f": {number(wide, 1)} times the band's own width" if math.isfinite(wide) else ""
    return (
        f"The solver leaves {told.money.full(gap['p50'])} of a saving open in the middle of the samples (90 %: "
        f"{told.money.full(gap['p90'])}){times}; differences below that are not to be read."
    )


def _band_chart(told: Told, name: str, column: str, rows: pl.DataFrame, title: str) -> Chart:
    labels = [words(label) for label in rows[column].to_list()]
    scaled = {key: [told.money.scaled(value) for value in rows[key].to_list()] for key in ("base", "p10", "p50", "p90")}
    series = [
        Series("middle of the samples, 10 to 90 %", scaled["p50"], scaled["p10"], scaled["p90"]),
        Series("the study as it stands", scaled["base"]),
    ]
    specs = [Spec(column, words(column) if column != "of" else "company")]
    specs += [Spec(key, key, "money") for key in ("base", "mean", "p05", "p10", "p25", "p50", "p75", "p90", "p95")]
    specs += [Spec("standard_error", "error of the mean", "money"), Spec("samples", "samples", "number")]
    return Chart(
        name,
        title,
        "The whisker holds four of five samples. Where the study as it stands lies far from the middle, its figures "
        "are not in the middle of their own ranges.",
        charts.dots(labels, series, f"saving, {told.money.label}", decimals=told.money.decimals(rows["p90"].to_list())),
        frame_grid(rows, f"{title}, {told.money.label}", specs, told.money, where="bands"),
        height_px=120 + 46 * len(labels),
    )


def _market(told: Told) -> Section:
    blocks: list[Block] = []
    alone = str(told.record["rungs"][0])
    shown = [rung for rung in (alone, told.best) if told.bands("ev_share", rung=rung).height]
    if shown:
        lines = []
        for rung in shown:
            rows = (
                told.bands("ev_share", rung=rung).with_columns(pl.col("of").cast(pl.Int64).alias("year")).sort("year")
            )
            ends = {key: [100 * value for value in rows[key].to_list()] for key in ("p10", "p50", "p90")}
            lines.append((words(rung), rows["year"].to_list(), Series(rung, ends["p50"], ends["p10"], ends["p90"])))
        table = told.tables["bands"].filter((pl.col("kind") == "ev_share") & pl.col("rung").is_in(shown))
        specs = [Spec("rung", "rung"), Spec("of", "year")]
        specs += [Spec(key, key, "percent") for key in ("base", "p10", "p50", "p90")]
        blocks.append(
            Chart(
                "evshare",
                f"EV share of new cars, {told.record['study']['home_market']}",
                "Line: middle of the samples; band: 10 to 90 % of them. Only the study's uncertain inputs move here; "
                "what is uncertain in demand itself is in the market section of a run.",
                charts.lines(lines, "year", "EV share, %"),
                frame_grid(table, "EV share of new cars", specs, told.money, where="bands"),
            )
        )
        blocks.append(_ev_change(told))
    else:
        blocks.append(Text("Prices and sales were not predicted in this sweep (--no-market).", "absent"))
    return Section("market", "EV share as a band", "Does it move the market?", tuple(blocks))


def _ev_change(told: Told) -> Block:
    year = str(told.record["study"]["report_year"])
    rows = told.bands("ev_change", of=year)
    if rows.is_empty():
        return Text(f"No change of the EV share in {year}: the year is outside the forecast.", "absent")
    cells: list[list[Cell | str]] = [
        [words(row["rung"])]
        + [Cell(f"{number(100 * row[key], 3, sign=True)}", row[key]) for key in ("base", "p10", "p50", "p90")]
        for row in rows.iter_rows(named=True)
    ]
    return grid(f"Change of the EV share in {year}, points", ["Rung", "as it stands", "10 %", "middle", "90 %"], cells)


def _decisions(told: Told) -> Section:
    blocks: list[Block] = []
    for kind, title, reading in (
        (
            "shared",
            "Which modules are shared",
            "Share of samples in which the module is one drawing for two blocs or more.",
        ),
        ("awarded", "Who is awarded", "Share of samples in which the supplier gets an order of the joint plan."),
    ):
        rows = told.tables["decisions"].filter(pl.col("decision") == kind)
        if rows.is_empty():
            blocks.append(Text(f"{title}: none in any sample.", "absent"))
            continue
        rungs = [rung for rung in told.record["rungs"] if rung in set(rows["rung"].to_list())]
        names = rows["of"].unique(maintain_order=True).to_list()
        value = {(rung, of): share for rung, of, share in rows.select("rung", "of", "share").iter_rows()}
        cells = [[100 * value.get((rung, name), 0.0) for rung in rungs] for name in names]
        specs = [Spec("rung", "Rung"), Spec("of", kind), Spec("base", "as it stands")]
        specs += [Spec(key, words(key), "percent") for key in ("share", "share_low", "share_high")]
        specs += [Spec("turned_by", "turned by"), Spec("turn", "by", "number", sign=True)]
        blocks.append(
            Chart(
                kind, title, f"{reading} Numbers are per cent.",
                charts.heat(names, [words(rung) for rung in rungs], cells, "% of samples"),
                frame_grid(rows, title, specs, told.money, where="decisions"),
                height_px=100 + 26 * len(names),
            )
        )  # fmt: skip
    blocks.append(_turned(told))
    return Section("decisions", "Which decisions change", "What would we do in every case?", tuple(blocks))


def _turned(told: Told) -> Block:
    rows = told.tables["decisions"].filter((pl.col("turned_by") != "") & (pl.col("decision") != "best"))
    if rows.is_empty():
        return Text("No decision is clearly turned by a single input.", "note")
    specs = [Spec("rung", "Rung"), Spec("decision", "Decision"), Spec("of", "of"), Spec("share", "taken in", "percent")]
    specs += [Spec("turned_by", "turned by"), Spec("turn", "standard deviations", "number", sign=True)]
    note = "+: taken where the input is high; −: where it is low."
    return Details(
        f"{rows.height} decisions that one input turns",
        (frame_grid(rows, "Decisions that one input turns", specs, told.money, where="decisions"), Text(note)),
    )


def _knowing(told: Told) -> Section:
    rows = told.tables["knowing"].drop_nulls("value").head(MOST_ROWS)
    blocks: list[Block]
    if rows.is_empty():
        blocks = [Text("Too few samples to say what knowing an input is worth.", "absent")]
    elif rows["value"][0] <= 0:
        blocks = [
            Text("Nothing: the same rung saves most in every sample, whatever the inputs turn out to be.", "lead")
        ]
    else:
        specs = [Spec("input", "Known before the rung is chosen"), Spec("value", "worth", "money")]
        blocks = [
            frame_grid(rows, f"Value of knowing, {told.money.label}", specs, told.money, where="knowing"),
            Text(
                "Worth of choosing the rung after the input is known rather than before, on average. Everything below "
                "the rung (modules, awards) is planned in each sample as if its inputs were known."
            ),
        ]
    return Section("knowing", "What is worth knowing first", "Which study is worth its money?", tuple(blocks))


def _market_words(record: Mapping[str, Any]) -> str:
    if not record["market"]:
        return "not predicted"
    draws = record["market_draws"]
    return (
        "with the market's most likely parameters" if draws == 1 else f"with {draws} draws of the market's parameters"
    )


def _how(told: Told) -> Section:
    record, counts = told.record, told.record["counts"]
    samples = told.tables["samples"]
    bad = samples.filter(pl.col("status") != "done")
    lines: list[Sequence[Cell | str]] = [
        ["Samples of the bands", f"{record['samples']} ({record['method']}, seed {record['seed']})"],
        ["Computed", ", ".join(f"{part} {one['done']} of {one['asked']}" for part, one in counts.items())],
        ["Rungs", ", ".join(record["rungs"])],
        ["Prices and sales", _market_words(record)],
        ["Plans", "every sample planned again" if record["planned_again"] else KEPT],
        ["State", record["state"]],
        ["Versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())],
    ]
    specs = [Spec("driver", "Input"), Spec("table", "Table"), Spec("column", "Column"), Spec("operation", "")]
    specs += [Spec("distribution", "Distribution"), *(Spec(key, key, "plain") for key in ("low", "mode", "high"))]
    specs += [
        Spec("figures", "figures", "number"),
        Spec("correlation_group", "group"),
        Spec("correlation", "r", "plain"),
    ]
    inputs = frame_grid(told.tables["inputs"], "Ranges", specs, told.money, where="inputs")
    blocks: list[Block] = [
        grid("How this was made", ["", ""], lines),
        Details(f"What is uncertain ({told.tables['inputs'].height} ranges)", (inputs,)),
    ]
    if bad.height:
        specs = [Spec(key, key) for key in ("part", "label", "scenario", "status", "message")]
        table = frame_grid(bad, "Samples without figures", specs, told.money, where="samples")
        blocks.append(Details(f"{bad.height} samples without figures, and why", (table,)))
    return Section("how", "How this was made", "What went in, and what is missing?", tuple(blocks))
