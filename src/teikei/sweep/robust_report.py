"""The robust plan as files: tables, and a page that says what to settle now and what that is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from teikei.errors import StudyError
from teikei.report import charts
from teikei.report.answer import Answer
from teikei.report.blocks import Block, Cell, Chart, Section, Spec, Text, frame_grid, grid, words
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
from teikei.sweep.robust import AVERAGE, Robust, robust, volume_scenarios

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
        found = robust(
            study, rung, scenarios, alpha=alpha, weight=weight, executor=crew.executor(), progress=progress
        )  # fmt: skip
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


def _sentences(told: Any, money: Money) -> list[str]:
    small = money_for(money.currency, [told["gap"], told["value_of_stochastic_solution"]])
    return [
        f"At “{words(told['rung'])}”, settle on the plan made for {told['chosen']}: it costs "
        f"{money.full(told['expected'])} on average and {money.full(told['cvar'])} in the worst "
        f"{number(100 * (1 - told['alpha']), 0)} % of {told['scenarios']} scenarios.",
        f"Settling on the plan for average volumes instead costs "
        f"{small.full(told['value_of_stochastic_solution'])} more on average than the best of the pool.",
        f"Knowing the volumes first would be worth at most {small.full(told['gap'])}; no other first stage can "
        f"save more than that ({small.full(told['value_of_perfect_information'])} of it is between plans that "
        "were found, the rest is what the solver leaves open).",
    ]


def page_text(study: Study, found: Robust) -> str:
    """The page as HTML text."""
    money, told, settings = _money(study, found), found.summary, study.settings
    sentences = _sentences(told, money)
    trust = (
        "A restriction, stated: the first stages compared are the plans of the single scenarios and of average "
        "volumes; the gap bounds what any other could save. Scenarios are drawn from the study's own ranges of volumes."
    )
    meta = {**settings.model_dump(mode="json"), "title": f"{settings.title or settings.name}: what to settle now"}
    answer = Answer(tuple(sentences[:2]), trust, None, (("What another first stage could save", sentences[2]),))
    return render(make_context({}, meta), answer, (_costs(found, money), _settled(found, money)))


def _costs(found: Robust, money: Money) -> Section:
    rows = found.candidates.drop_nulls("expected")
    names = rows["candidate"].to_list()
    ends = found.costs.group_by("candidate").agg(pl.col("cost").min().alias("low"), pl.col("cost").max().alias("high"))
    low, high = (dict(ends.select("candidate", end).iter_rows()) for end in ("low", "high"))
    series = [
        Series(
            "expected cost, best to worst scenario",
            [money.scaled(value) for value in rows["expected"].to_list()],
            [money.scaled(low[name]) for name in names],
            [money.scaled(high[name]) for name in names],
        ),
        Series("mean of the worst scenarios (CVaR)", [money.scaled(value) for value in rows["cvar"].to_list()]),
    ]
    specs = [Spec("candidate", "First stage made for")]
    specs += [Spec(key, key, "money") for key in ("expected", "cvar", "objective", "worst")]
    chart = Chart(
        "first-stages",
        "What each first stage costs once awards are made for the volumes that come",
        "Each row keeps the modules and plants of one plan and buys anew in every scenario.",
        charts.dots(names, series, f"present cost, {money.label}", decimals=money.decimals(rows["worst"].to_list())),
        frame_grid(found.candidates, f"First stages, {money.label}", specs, money, where="candidates"),
        height_px=130 + 46 * len(names),
    )
    scenarios = found.costs["scenario"].unique(maintain_order=True).to_list()
    cost = {(name, scenario): value for name, scenario, value in found.costs.select(
        "candidate", "scenario", "cost").iter_rows()}  # fmt: skip
    cells: list[list[Cell | str]] = [
        [name] + [Cell(money.text(cost[(name, one)]) if cost[(name, one)] is not None else "cannot be supplied",
                       cost[(name, one)]) for one in scenarios]
        for name in found.candidates["candidate"].to_list()
    ]  # fmt: skip
    table = grid(f"Cost in every scenario, {money.label}", ["First stage made for", *scenarios], cells)
    return Section("costs", "First stages compared", "What does settling now cost?", (chart, table))


def _settled(found: Robust, money: Money) -> Section:
    chosen = str(found.summary["chosen"])
    keys = ["kind", "name", "group"]
    mine = found.decisions.filter(pl.col("candidate") == chosen)
    other = found.decisions.filter(pl.col("candidate") == AVERAGE)
    blocks: list[Block] = []
    only = mine.join(other, on=keys, how="anti"), other.join(mine, on=keys, how="anti")
    if only[0].is_empty() and only[1].is_empty():
        blocks.append(Text("The plan for average volumes settles on the same modules and plants.", "lead"))
    for rows, title in zip(only, (f"Only in the plan made for {chosen}", f"Only in that for {AVERAGE}"), strict=True):
        if rows.height:
            blocks.append(frame_grid(rows, title, _specs(), money, where="first_stages"))
    blocks.append(frame_grid(mine, "All that is settled", _specs(), money, where="first_stages"))
    return Section("settled", "What is settled", "Which modules and plants, and with whom?", tuple(blocks))


def _specs() -> list[Spec]:
    return [Spec("kind", "Kind"), Spec("name", "Name"), Spec("group", "for"), Spec("cars", "cars", "number")]
