"""The first screen: what each rung saves, why, who gets what, what it does to EV share, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from teikei.report.blocks import Cell, Grid, grid, region_name, rule_name, words
from teikei.report.context import Context
from teikei.report.evidence import Evidence
from teikei.report.facts import NOT_CASH, EvShare, Rung
from teikei.report.formatting import NO_BREAK_SPACE, listed, number, percent, points, two_digits
from teikei.report.reading import left_out_sentence
from teikei.report.sections.kept import kept_sentence
from teikei.report.sections.schedule import late_together

_HALVES: Final = ("access", "overdesign")


@dataclass(frozen=True)
class Answer:
    """Sentences in order of weight, how far to trust them, the table of rungs, and short facts as (title, sentence)."""

    sentences: tuple[str, ...]
    trust: str
    ladder: Grid | None
    facts: tuple[tuple[str, str], ...]


def make_answer(context: Context, evidence: Evidence) -> Answer:
    """The first screen from ladder and evidence."""
    ladder = context.ladder
    if ladder.best is None:
        reason = ladder.not_evaluated_because or "Savings: not evaluated because no rung of this run has a value."
        return Answer((reason,), _trust(context, evidence), None, _facts(context, evidence))
    told = (_saving_sentence(context, ladder.best), kept_sentence(context), _why_sentence(context))
    sentences = tuple(sentence for sentence in told if sentence)
    return Answer(sentences, _trust(context, evidence), _grid(context), _facts(context, evidence))


def _trust(context: Context, evidence: Evidence) -> str:
    """What the figures can carry: evidence, plans stopped by time, and what the ranges do not cover."""
    parts = []
    if evidence.count:
        parts.append(f"{percent(evidence.assumed_share, 0)} of the figures that go in are assumptions.")
    else:
        parts.append("This run does not say which of its figures are assumptions.")
    costs = context.tables.get("cost_by_rung")
    stopped = costs.filter(pl.col("status").fill_null("").str.starts_with("time limit")).height
    if stopped:
        parts.append(
            f"{stopped} of {costs.height} plans were stopped by the time limit: another run may give other figures."
        )
    late = late_together(context)
    if late:
        parts.append(late)
    if context.ladder.evaluated:
        parts.append("Ranges cover what a better plan could change, not wrong inputs.")
    return " ".join(parts)


def _saving_sentence(context: Context, best: Rung) -> str:
    money, ladder = context.money, context.ladder
    companies = listed(ladder.companies)
    saving = best.saving or 0.0
    apart = _apart_sentence(context, best)
    if saving <= 0:
        at = f"No rung of cooperation saves money: at its best ({words(best.name)}) {companies} together would pay "
        if _is_nothing(money.text(saving)):
            return f"{at}what they pay alone, {money.full(ladder.alone)}.{apart}"
        return f"{at}{money.full(-saving)} more than the {money.full(ladder.alone)} they pay alone.{apart}"
    proven = "" if best.saving_proven else " The solver has not proven that this is above zero."
    return (
        f"Going as far as “{words(best.name)}”, {companies} save {money.full(saving)}, "
        f"{percent(best.share_of_alone)} of the {money.full(ladder.alone)} they would spend alone.{apart}{proven}"
    )


def _apart_sentence(context: Context, best: Rung) -> str:
    """What of a saving is cash and what is not, where there is anything that is not; empty otherwise."""
    money = context.money
    places = money.decimals([best.saving])  # parts of one figure are written as it is
    parts = []
    if best.missed and not _is_nothing(money.text(best.missed, places)):
        how = "fewer" if best.missed > 0 else "more"
        parts.append(
            f"{money.full(abs(best.missed), places)} {'' if best.missed > 0 else 'less '}because their cars miss {how} "
            "targets (what buyers would pay for range, acceleration and charging)"
        )
    if best.lateness and not _is_nothing(money.text(best.lateness, places)):
        how = "fewer" if best.lateness > 0 else "more"
        less = "" if best.lateness > 0 else "less "
        parts.append(f"{money.full(abs(best.lateness), places)} {less}because {how} cars are lost to late starts")
    return f" Of this {money.full(best.cash, places)} is cash, {listed(parts)}." if parts else ""


def _is_nothing(text: str) -> bool:
    """Whether an amount as written is zero."""
    return text.strip("0.,−- ") == ""


def told_levers(levers: Mapping[str, float]) -> dict[str, float]:
    """Levers as the first screen tells them: another choice of modules is one figure, and what is not cash apart.

    A group that buys a larger common module gains by the one and loses by the other: ``access`` and ``overdesign`` are
    two halves of one move. Their parts stand in the detail.
    """
    found = {name: value for name, value in levers.items() if name not in (*_HALVES, *NOT_CASH)}
    if any(name in levers for name in _HALVES):
        found["choice_of_modules"] = sum(levers.get(name, 0.0) for name in _HALVES)
    return found


def _why_sentence(context: Context) -> str:
    ladder, money = context.ladder, context.money
    best = ladder.best
    if best is None or not best.levers:
        return "Why: not evaluated because the table “savings_by_lever” has no rows that lead from alone to this rung."
    decimals = money.decimals(list(best.levers.values()))
    told = told_levers(best.levers).items()
    shown = {name: value for name, value in told if not _is_nothing(money.text(value, decimals))}
    gains = sorted(((value, name) for name, value in shown.items() if value > 0), reverse=True)
    losses = sorted((value, name) for name, value in shown.items() if value < 0)
    if not gains:
        if not losses:
            return "No lever changes anything that is paid: together the companies plan what they plan alone."
        taken = money.text(-sum(value for value, _ in losses), decimals)
        worst = [words(name) for _, name in losses[:2]]
        return f"No lever saves money, and sharing costs {taken} {money.label}, mostly {listed(worst)}."
    largest = [f"{words(name)} ({money.text(value, decimals)})" for value, name in gains[:3]]
    opening = "It comes from" if (best.saving or 0.0) > 0 else "What is saved comes from"
    sentence = f"{opening} {listed(largest)} {money.label}"
    if len(gains) > 3:
        sentence += f" and {len(gains) - 3} smaller lever{'s' if len(gains) > 4 else ''}"
    if losses:
        taken = money.text(-sum(value for value, _ in losses), decimals)
        worst = [words(name) for _, name in losses[:2]]
        sentence += f"; against it stand {taken} {money.label}, mostly {listed(worst)}"
    return sentence + "."


def main_levers(rung: Rung, context: Context, decimals: int, count: int = 2) -> str:
    """The largest gains and the largest penalty of one step, as a short text; what rounds to nothing is left out."""
    steps = told_levers(rung.steps)
    gains = sorted(((value, name) for name, value in steps.items() if value > 0), reverse=True)[:count]
    losses = sorted((value, name) for name, value in steps.items() if value < 0)[:1]
    money = context.money
    parts = [(name, money.text(value, decimals, sign=True)) for value, name in [*gains, *losses]]
    return "; ".join(f"{words(name)} {text}" for name, text in parts if not _is_nothing(text.removeprefix("+")))


def interval_text(context: Context, rung: Rung, decimals: int) -> str:
    """The proven interval of a saving, or why there is none."""
    if rung.lower is None or rung.upper is None:
        return "no proven bound"
    doubt = ", may be zero" if rung.lower <= 0 < rung.upper else ""
    low, high = (context.money.text(end, decimals) for end in (rung.lower, rung.upper))
    if low == context.money.text(rung.saving, decimals) != high:
        return f"at most {high}{doubt}"  # the plan found is the lower end: a better one could only save more
    return f"{low} to {high}{doubt}"


def stability_text(rung: Rung) -> str:
    """Whether anybody would leave under the split shown."""
    if rung.stable is None:
        return "not evaluated"
    if rung.stable:
        return "yes" if rung.certain else "yes, not proven"
    return f"no: {rung.leaves} leaves" if rung.leaves else "no"


def ev_text(ev: EvShare | None) -> str:
    """EV share with its band and the middle of its draws, or that there is none."""
    if ev is None:
        return "not evaluated"
    if ev.lower is None or ev.upper is None:
        return percent(ev.share)
    middle = "" if ev.median is None else f", median {two_digits(ev.median)}"
    return f"{percent(ev.share)} ({_range(ev)}{middle})"


def _range(ev: EvShare) -> str:
    """10 and 90 % of the draws, with two digits."""
    return f"{two_digits(ev.lower)} to {two_digits(ev.upper)}{NO_BREAK_SPACE}%"


def _grid(context: Context) -> Grid:
    ladder, money = context.ladder, context.money
    savings = [rung.saving for rung in ladder.rungs]
    decimals = money.decimals(savings)
    share_decimals = money.decimals([share.value for rung in ladder.rungs for share in rung.shares])
    largest = max((abs(saving) for saving in savings if saving is not None), default=1.0) or 1.0
    headers = [
        "Rung",
        f"Saves, {money.label}, and proven range",
        "of cost alone",
        f"What this step adds, {money.label}",
    ]
    apart = any(rung.missed or rung.lateness for rung in ladder.evaluated)
    headers += ["of it cash", "of it not cash"] if apart else []
    headers += [f"{company} gets" for company in ladder.companies]
    headers += ["Split stable?", _ev_header(context)]
    rows: list[list[Cell | str]] = []
    for rung in ladder.rungs:
        if rung.saving is None:
            rows.append([words(rung.name), Cell(sentence_of(rung.status), look="absent", span=len(headers) - 1)])
            continue
        got = {share.company: share.value for share in rung.shares}
        width = f"{abs(rung.saving) / largest * 46:.1f}"
        cells: list[Cell | str] = [
            words(rung.name),
            Cell(
                money.text(rung.saving, decimals),
                rung.saving,
                look=f"bar:{width}:{'loss' if rung.saving < 0 else 'gain'}",
                note=interval_text(context, rung, decimals),
                money=True,
            ),
            Cell(percent(rung.share_of_alone), rung.share_of_alone),
            Cell(main_levers(rung, context, decimals) or "nothing", look="why"),
        ]
        if apart:
            rest = rung.missed + rung.lateness
            cells.append(Cell(money.text(rung.cash, decimals), rung.cash, money=True))
            cells.append(Cell(money.text(rest, decimals), rest, money=True))
        cells += [
            Cell(money.text(got.get(company), share_decimals), got.get(company), money=True)
            for company in ladder.companies
        ]
        cells += [
            Cell(stability_text(rung), look="yes" if rung.stable else "no" if rung.stable is False else ""),
            Cell(change_text(rung.ev), rung.ev.change, look="ev", note=ev_text(rung.ev))
            if rung.ev
            else Cell("not evaluated"),
        ]
        rows.append(cells)
    return grid(
        "What each rung of cooperation saves against going alone", headers, rows, look="answer", note=_basis(context)
    )


def _ev_header(context: Context) -> str:
    ladder = context.ladder
    return f"EV share, {region_name(ladder.home_market)} {ladder.report_year or ''}".strip()


def _basis(context: Context) -> str:
    rule = context.ladder.rule
    split = f" Split shown: {rule_name(rule)}." if rule else ""
    shares = " EV share: what cooperation changes, below it the level." if context.ladder.report_year else ""
    return (
        f"Each rung includes the ones above it. Money: {context.basis or 'as the study states it'}. Proven range: "
        f"what the "
        f"solver's bounds allow at the study's own figures.{split}{shares}"
    )


def sentence_of(status: str) -> str:
    """A stored status as a sentence for the reader."""
    text = status.strip() or "not evaluated"
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _facts(context: Context, evidence: Evidence) -> tuple[tuple[str, str], ...]:
    left_out = " ".join(
        text[0].upper() + text[1:]
        for text in (left_out_sentence(stage, reason) for stage, reason in context.tables.left_out.items())
    )
    return (
        *((("Left out", left_out),) if left_out else ()),
        ("Who gets what", _split_fact(context)),
        (f"EV share in {region_name(context.ladder.home_market) or 'the home market'}", _ev_fact(context)),
        ("Resting on assumptions", _evidence_fact(context, evidence)),
    )


def _split_fact(context: Context) -> str:
    ladder, money = context.ladder, context.money
    best = ladder.best
    if best is None or not best.shares:
        return context.absent("shares")
    decimals = money.decimals([share.value for share in best.shares])
    got = sorted(best.shares, key=lambda share: _place(share.company, ladder.companies))
    told = listed(f"{share.company} {money.text(share.value, decimals)}" for share in got)
    sentence = f"At {words(best.name)}, by {rule_name(ladder.rule)}: {told} {money.label}. "
    if best.stable is None:
        return sentence + "Stability: not evaluated because the table “core” has no row for this split."
    if best.stable:
        proven = "" if best.certain else " This holds at the plans found; the solver's ranges leave it open."
        return sentence + "Stable: no group would do better by leaving." + proven
    who = best.leaves or "Some group"
    by = f" by {money.full(best.leaves_by)}" if best.leaves_by is not None else ""
    return sentence + f"Not stable: {who} would do better{by} by leaving."


def _place(company: str, order: tuple[str, ...]) -> int:
    return order.index(company) if company in order else len(order)


def _ev_fact(context: Context) -> str:
    best = context.ladder.best
    ev = best.ev if best else None
    if ev is None:
        return context.absent("market_summary")
    if ev.alone is None or ev.change is None:
        return f"In {ev.year}: {ev_text(ev)}. The share without cooperation was not stored."
    sentence = (
        f"In {ev.year} {percent(ev.alone)} alone, {percent(ev.share)} with cooperation: {change_text(ev)}"
        f"{'' if ev.change_lower is None else ' (10–90 %)'}."
    )
    if ev.lower is None or ev.upper is None:
        return sentence + " No band was stored: do not quote it as a forecast."
    little = " Cheaper shared parts alone hardly move the share." if abs(ev.change) < 0.005 else ""
    middle = "" if ev.median is None else f", half of the draws above {two_digits(ev.median)}{NO_BREAK_SPACE}%"
    return f"{sentence} The share itself is known only to {_range(ev)}{middle}.{little}"


def change_text(ev: EvShare | None) -> str:
    """Change of the EV share against alone, with its band where one is stored."""
    if ev is None:
        return "not evaluated"
    low, high = ev.change_lower, ev.change_upper
    if low is None or high is None:
        return points(ev.change)
    return f"{points(ev.change)}, {number(low * 100, 2, sign=True)} to {number(high * 100, 2, sign=True)}"


def _evidence_fact(context: Context, evidence: Evidence) -> str:
    if not evidence.count:
        return context.absent("sources")
    sentence = f"{percent(evidence.assumed_share, 0)} of {evidence.count:,} figures are assumptions"
    if evidence.assumed_cost_share is not None:
        sentence += f"; they carry {percent(evidence.assumed_cost_share, 0)} of the cost alone"
    sentence += "."
    core = [name for name in ("volumes", "requirements") if name in evidence.wholly_assumed]
    if core:
        sentence += f" All {listed(core)} are assumed, so every result is a what-if."
    return sentence
