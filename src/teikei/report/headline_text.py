"""The headline of a run for the terminal: what each rung saves, by which lever, who gets what, EV share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from teikei.report.answer import ev_text, interval_text, make_answer, sentence_of, stability_text, told_levers
from teikei.report.blocks import rule_name, words
from teikei.report.context import Context, make_context
from teikei.report.evidence import read_evidence
from teikei.report.facts import NOT_CASH
from teikei.report.formatting import percent


def headline(tables: Mapping[str, pl.DataFrame], meta: Mapping[str, Any]) -> RenderableType:
    """What a run found, for a terminal of 80 columns or more; arguments as for ``write``.

    Three tables (savings and split by rung; EV share by rung; saving by lever) and the sentences of the page's first
    screen, from the same facts as the page. Where nothing was evaluated, the sentence that says why.
    """
    context = make_context(tables, meta)
    answer = make_answer(context, read_evidence(context))
    parts: list[RenderableType] = []
    known = context.meta
    title = str(known.get("title") or known.get("name") or "")
    if title:
        parts.append(Text(title, style="bold"))
    if known.get("label"):
        parts.append(Text(str(known["label"]), style="italic"))
    parts += [Text(sentence) for sentence in answer.sentences]
    parts.append(Text(f"How far to trust it: {answer.trust}"))
    if context.ladder.evaluated:
        parts += _rungs(context)
        if context.ladder.levers:
            parts.append(_levers(context))
    parts += [Text(f"{title}: {sentence}") for title, sentence in answer.facts]
    return Group(*parts)


MOST_WHOLE_NAMES = 4
"""With more companies than this, their names may be broken into lines."""


def _table(title: str | None) -> Table:
    """A table without walls, so that it is still read at 80 columns."""
    return Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, padding=(0, 1)
    )


def _rungs(context: Context) -> list[RenderableType]:
    ladder, money = context.ladder, context.money
    decimals = money.decimals([rung.saving for rung in ladder.rungs])
    split = f", and who gets it by {rule_name(ladder.rule)}" if ladder.rule else ""
    table = _table(f"Saving against alone ({money.full(ladder.alone)}), {money.label}{split}")
    table.add_column("rung", no_wrap=True)
    table.add_column("saves", justify="right", no_wrap=True)
    apart = any(rung.missed or rung.lateness for rung in ladder.evaluated)
    if apart:
        table.add_column("cash", justify="right", no_wrap=True)
        table.add_column("not cash", justify="right")
    table.add_column("range", justify="right", min_width=9)
    for header in ("%", *ladder.companies):
        table.add_column(header, justify="right", no_wrap=len(ladder.companies) <= MOST_WHOLE_NAMES)
    table.add_column("stable?", min_width=7)
    shares = _table(None)
    shares.add_column("rung", no_wrap=True)
    shares.add_column(f"EV share {ladder.home_market} {ladder.report_year or ''}".strip(), justify="right")
    not_evaluated: list[RenderableType] = []
    for rung in ladder.rungs:
        if not rung.evaluated:
            not_evaluated.append(Text(f"{words(rung.name)}: {sentence_of(rung.status)}"))
            continue
        got = {share.company: share.value for share in rung.shares}
        cells = [words(rung.name), money.text(rung.saving, decimals)]
        if apart:
            cells += [money.text(rung.cash, decimals), money.text(rung.missed + rung.lateness, decimals)]
        cells.append(interval_text(context, rung, decimals))
        cells.append(percent(rung.share_of_alone))
        cells += [money.text(got.get(company), decimals) for company in ladder.companies]
        cells.append(stability_text(rung))
        table.add_row(*(Text(cell) for cell in cells))
        shares.add_row(Text(words(rung.name)), Text(ev_text(rung.ev)))
    return [table, *not_evaluated, shares]


def _levers(context: Context) -> Table:
    ladder, money = context.ladder, context.money
    told = [_with_what_is_not_cash(rung.levers) for rung in ladder.evaluated]
    decimals = money.decimals([value for levers in told for value in levers.values()])
    table = _table(f"Of which by lever, each rung with all below it, {money.label}")
    table.add_column("lever", no_wrap=True)
    for rung in ladder.evaluated:
        table.add_column(Text(words(rung.name)), justify="right")
    for lever in dict.fromkeys(name for levers in told for name in levers):
        cells = [words(lever), *(money.text(levers.get(lever, 0.0), decimals) for levers in told)]
        table.add_row(*(Text(cell) for cell in cells))
    total = ["sum", *(money.text(sum(rung.levers.values()), decimals) for rung in ladder.evaluated)]
    table.add_section()
    table.add_row(*(Text(cell) for cell in total))
    return table


def _with_what_is_not_cash(levers: Mapping[str, float]) -> dict[str, float]:
    """Levers as the first screen tells them, what is not cash last, where there is any."""
    return told_levers(levers) | {name: levers[name] for name in NOT_CASH if levers.get(name)}
