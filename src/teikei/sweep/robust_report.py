"""The robust plan as files: tables, and a page that says what to settle now and what that is worth."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from teikei.errors import StudyError
from teikei.report import charts
from teikei.report.answer import Answer
from teikei.report.blocks import Block, Cell, Chart, Grid, Section, Spec, Text, frame_grid, grid, words
from teikei.report.charts import Series
from teikei.report.context import make_context
from teikei.report.formatting import Money, money_for, number
from teikei.report.page import render
from teikei.runs import versions
from teikei.runs.export import write_tables
from teikei.study import Study
from teikei.sweep.conduct import Progress
from teikei.sweep.executors import workers
from teikei.sweep.files import FORMAT, write_whole
from teikei.sweep.perform import SweepInterruptedError
from teikei.sweep.robust import Robust, robust, volume_scenarios

RECORD = "robust.json"


def robust_files(
    study: Study,
    rung: str,
    samples: int,
    out: Path | None = None,
    *,
    seed: int = 0,
    alpha: float = 0.8,
    weight: float = 0.5,
    count: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> tuple[Path, str]:
    """Finds the robust plan over sampled volumes and writes tables and page; gives the page and the finding in words.

    Arguments and errors as for ``robust`` and ``volume_scenarios``; out: default ``sweeps/NAME-robust``.
    """
    folder = out or Path("sweeps") / f"{study.settings.name}-robust"
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / RECORD).is_file())):
        raise StudyError(f"{folder} holds something else; choose another folder with --out")
    scenarios = volume_scenarios(study, samples, seed)
    with workers(count, cluster) as crew:
        try:
            found = robust(study, rung, scenarios, alpha=alpha, weight=weight, crew=crew, progress=progress)
        except KeyboardInterrupt:
            raise SweepInterruptedError("Stopped. Nothing was written; the same command begins anew.") from None
    record = {"format": FORMAT, "study": study.settings.model_dump(mode="json"), "seed": seed, "samples": samples}
    record |= {"summary": dict(found.summary), "versions": versions()}
    tables = {"costs": found.costs, "candidates": found.candidates, "first_stages": found.decisions}
    for kind in ("parquet", "csv"):
        write_tables(tables, kind, folder / ("tables" if kind == "parquet" else kind))
    write_tables(tables, "xlsx", folder / "report.xlsx")
    write_whole(folder / "report.html", page_text(study, found).encode())
    write_whole(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True).encode())
    return folder / "report.html", in_words(found, _money(study, found))


def _money(study: Study, found: Robust) -> Money:
    return money_for(study.settings.currency, [found.summary["expected"]])


def in_words(found: Robust, money: Money) -> str:
    """The finding, in sentences for the terminal."""
    told = found.summary
    return "\n".join(_sentences(told, money))


def _sentences(told: Mapping[str, Any], money: Money) -> list[str]:
    """What to settle on; what planning for averages would cost; what is not shown."""
    small = money_for(money.currency, [told["gap"], told["value_of_stochastic_solution"], told["value_high"]])
    return [
        f"At “{words(told['rung'])}”, settle on the plan made for {told['chosen']}: it costs "
        f"{money.full(told['expected'])} on average and {money.full(told['cvar'])} in the worst "
        f"{number(100 * (1 - told['alpha']), 0)} % of {told['scenarios']} scenarios.",
        _of_averages(told, small),
        _of_the_plans(told, small),
    ]


def _of_averages(told: Mapping[str, Any], money: Money) -> str:
    value, low, high = (told[key] for key in ("value_of_stochastic_solution", "value_low", "value_high"))
    if told["first_stages"] == 1:
        return (
            "Every scenario by itself, and their average, leads to the same modules and plants: planning for average "
            "volumes loses nothing that these scenarios could show."
        )
    if not math.isfinite(value):
        return "The plan that is best at average volumes cannot be supplied in every scenario."
    if abs(value) < 1e-9 * abs(told["expected"]):
        return (
            "The plan that is best at average volumes is itself the best on average of those compared: planning for "
            "averages loses nothing that these scenarios show."
        )
    where = f"{money.full(low)} to {money.full(high)} with what the solver leaves open of the awards"
    if not told["value_shown"]:
        return (
            f"That planning for average volumes would cost more is not shown: it comes to {money.full(value)} on "
            f"average between the plans that were found, {where}."
        )
    return f"The plan that is best at average volumes costs {money.full(value)} more on average ({where})."


def _of_the_plans(told: Mapping[str, Any], money: Money) -> str:
    text = (
        f"Another first stage could save {money.full(told['gap'])} on average at most, and knowing the volumes first "
        f"could be worth no more than that; between the plans that were found it is worth "
        f"{money.full(told['value_of_perfect_information'])}, the rest is what the solver leaves open of each plan."
    )
    if told["first_stages"] > 1 and told["gap"] > abs(told["value_of_stochastic_solution"]):
        text += (
            " The first stages differ by less than that: which is the best of all that are possible is not shown, only "
            "which is the best of those compared."
        )
    return text


def page_text(study: Study, found: Robust) -> str:
    """The page as HTML text."""
    money, told, settings = _money(study, found), found.summary, study.settings
    sentences = _sentences(told, money)
    trust = (
        "A restriction, stated: the first stages compared are the plans of the single scenarios, of average volumes, "
        "and what can be put together from their classes of modules; the gap bounds what any other could save. "
        "Scenarios are drawn from the study's own ranges of volumes."
    )
    meta = {**settings.model_dump(mode="json"), "title": f"{settings.title or settings.name}: what to settle now"}
    answer = Answer(tuple(sentences[:2]), trust, None, (("What another first stage could save", sentences[2]),))
    return render(make_context({}, meta), answer, (_costs(found, money), _settled(found, money)))


def _costs(found: Robust, money: Money) -> Section:
    """What each first stage costs more than the best of them, scenario by scenario; then the costs themselves."""
    more = _more(found)
    small = money_for(money.currency, more["more"].to_list())
    blocks: list[Block] = []
    if found.summary["first_stages"] > 1:
        blocks.append(_more_chart(found, more, small))
        blocks.append(_by_scenario(found, more, "more", "More than the best first stage for that scenario", small))
    blocks.append(_by_scenario(found, found.costs, "cost", "Present cost in every scenario", money))
    specs = [Spec("candidate", "First stage made for")]
    labels = {"expected": "on average", "cvar": "worst scenarios", "worst": "worst", "at_average": "at average volumes"}
    specs += [Spec(key, labels[key], "money") for key in ("expected", "cvar", "worst", "at_average")]
    blocks.append(frame_grid(found.candidates, f"First stages, {money.label}", specs, money, where="candidates"))
    return Section("costs", "First stages compared", "What does settling now cost?", tuple(blocks))


def _more(found: Robust) -> pl.DataFrame:
    """costs with a column more: what a first stage costs above the cheapest in the same scenario."""
    return found.costs.with_columns((pl.col("cost") - pl.col("cost").min().over("scenario")).alias("more"))


def _more_chart(found: Robust, more: pl.DataFrame, money: Money) -> Chart:
    drawn = more.filter(pl.col("probability") > 0)
    mean = (pl.col("more") * pl.col("probability")).sum() / pl.col("probability").sum()
    low, high = pl.col("more").min().alias("low"), pl.col("more").max().alias("high")
    ends = drawn.group_by("candidate", maintain_order=True).agg(mean.alias("mean"), low, high, pl.col("more").count())
    rows = ends.filter(pl.col("more") == found.summary["scenarios"]).sort("mean", maintain_order=True)
    middle, least, most = ([money.scaled(value) for value in rows[key].to_list()] for key in ("mean", "low", "high"))
    series = Series("mean, least to most over the scenarios", middle, least, most)
    specs = [Spec("candidate", "First stage made for")]
    specs += [Spec(key, key, "money") for key in ("mean", "low", "high")]
    return Chart(
        "first-stages",
        "What each first stage costs more than the best of them for the volumes that come",
        "Each row keeps the modules and plants of one plan and buys anew in every scenario. The solver leaves up to "
        f"{money.full(found.summary['award_gap'])} of a cost open.",
        charts.dots(
            rows["candidate"].to_list(), [series], f"present cost above the best, {money.label}",
            decimals=money.decimals(rows["high"].to_list()),
        ),
        frame_grid(rows, f"Above the best, {money.label}", specs, money, where="costs"),
        height_px=130 + 46 * rows.height,
    )  # fmt: skip


def _by_scenario(found: Robust, table: pl.DataFrame, column: str, title: str, money: Money) -> Grid:
    scenarios = table["scenario"].unique(maintain_order=True).to_list()
    value = {(one, scenario): figure for one, scenario, figure in table.select("candidate", "scenario", column).rows()}
    decimals = money.decimals(table[column].to_list())
    cells: list[list[Cell | str]] = []
    for name in found.candidates["candidate"].to_list():
        row: list[Cell | str] = [name]
        for scenario in scenarios:
            figure = value[(name, scenario)]
            told = "cannot be supplied" if figure is None else money.text(figure, decimals)
            row.append(Cell(told, figure, money=figure is not None))
        cells.append(row)
    return grid(f"{title}, {money.label}", ["First stage made for", *scenarios], cells)


def _settled(found: Robust, money: Money) -> Section:
    chosen = str(found.summary["chosen"])
    keys = ["kind", "name", "group", "cars"]
    mine = found.decisions.filter(pl.col("candidate") == chosen)
    other = found.decisions.filter(pl.col("candidate") == found.summary["average_plan"])
    blocks: list[Block] = []
    only = mine.join(other, on=keys, how="anti"), other.join(mine, on=keys, how="anti")
    if only[0].is_empty() and only[1].is_empty():
        blocks.append(Text("The plan that is best at average volumes settles on the same modules and plants.", "lead"))
    for rows, title in zip(
        only, (f"Only in the plan made for {chosen}", "Only in the one that is best at average volumes"), strict=True
    ):
        if rows.height:
            blocks.append(frame_grid(rows, title, _specs(), money, where="first_stages"))
    blocks.append(frame_grid(mine, "All that is settled", _specs(), money, where="first_stages"))
    return Section("settled", "What is settled", "Which modules and plants, and with whom?", tuple(blocks))


def _specs() -> list[Spec]:
    return [
        Spec("kind", "Kind"),
        Spec("name", "Name"),
        Spec("group", "for"),
        Spec("cars", "cars (of all phases)", "year"),
    ]
