"""``teikei award``: from a tender on disk to awards on disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from teikei.errors import NoPlanError, Problem, StudyError
from teikei.plan.award.confirm import confirmed, forced
from teikei.plan.award.explain import conflict
from teikei.plan.award.price import extra, false_lines, objective, reprice, to_awards
from teikei.plan.award.read import read_tender
from teikei.plan.award.reasons import reasons
from teikei.plan.award.solve import solve
from teikei.plan.award.types import AwardResult, Bid, MoreThanAsked, Tender
from teikei.plan.award.write import write_files, write_summary

Progress = Callable[[str, float], None]
PROVEN = 1e-6  # a gap that counts as none
LEAST_S = 2.0  # for the reasons, beside twice the time of the award itself


def award(
    tender_path: str | Path,
    out_dir: str | Path | None = None,
    *,
    time_limit_s: float = 60.0,
    gap: float = 1e-4,
    workers: int = 2,
    progress: Progress | None = None,
    started: float | None = None,
    with_scenarios: bool = False,
    at_most: int | None = None,
    with_prices: bool = False,
    allow_overbuying: bool = False,
    whole_units: bool = False,
    lock: str | Path | None = None,
    next_round: int | None = None,
    next_round_limit_s: float | None = None,
) -> AwardResult:
    """Whom to buy what from, year by year, at least cost: the tender of a folder or workbook, solved and written out.

    tender_path: folder of CSV files or workbook (CONTRACT, ``teikei award``). out_dir: where awards.csv, summary.json
    and awards.xlsx go; None writes nothing. time_limit_s: wall time of the whole command, reading and writing included.
    gap: relative gap at which it stops. workers: processors to use. started: ``time.perf_counter()`` at the start of
    the command, so that imports count; the call itself by default. with_scenarios: also solve the ready-made scenarios
    (``scenarios``; at_most: their limit on suppliers) and with_prices the price of each rule (``rule_prices``), as
    further files and sheets; the time is then shared between all of them. allow_overbuying: more than the demand
    may be bought where that costs less. whole_units: quantities are whole numbers where no order multiple says more.
    lock: an awards.csv whose awards are kept. next_round: also the prices at which losers would win (``price_to_win``),
    of so many items, within a time of its own (next_round_limit_s, by default the same again).
    What is left of the time goes to the reasons: awarded lines and the nearest losers are solved again (``confirm``).
    Raises StudyError (every problem of the input with its place), NoPlanError (what is in conflict).
    """
    begin = time.perf_counter() if started is None else started
    spent = time.thread_time()
    reading = time.perf_counter()
    tender = read_tender(tender_path)
    if whole_units:
        tender = _whole(tender)
    if lock is not None:
        tender = locked(tender, Path(lock))
    if allow_overbuying:
        tender = replace(tender, overbuying=True)
    # A busy machine is slow in writing as it is in reading: keep time for the files in that proportion.
    slowness = max(1.0, (time.perf_counter() - reading) / max(time.thread_time() - spent, 1e-3))
    left = 0.98 * time_limit_s - slowness * _time_to_write(tender) - (time.perf_counter() - begin)
    further = int(with_scenarios or at_most is not None) + int(with_prices and bool(tender.rules))
    share = left / (1 + further)
    solving = time.perf_counter()
    result = award_tender(tender, time_limit_s=share, gap=gap, workers=workers, progress=progress)
    solving = time.perf_counter() - solving
    if further:
        from teikei.plan.award.what_ifs import rule_prices, scenarios

        if with_scenarios or at_most is not None:
            most = at_most if at_most is not None else max(1, len(result.suppliers_used) - 1)
            made = scenarios(tender, at_most=most, time_limit_s=share, gap=gap, workers=workers, progress=progress)
            result = replace(result, scenarios=made)
        if with_prices and tender.rules:
            prices = rule_prices(tender, result, time_limit_s=share, gap=gap, workers=workers, progress=progress)
            result = replace(result, prices=prices)
    until = begin + 0.98 * time_limit_s - slowness * _time_to_write(tender)
    if not tender.overbuying and _volume_pays(tender):
        result = replace(result, more_than_asked=_more_than_asked(result, until=until, seconds=1.0 + solving))
    result = with_reasons(result, until=min(until, time.perf_counter() + LEAST_S + 2 * solving), seconds=1.0 + solving)
    if next_round is not None:
        from teikei.plan.award.next_round import price_to_win

        limit = time_limit_s if next_round_limit_s is None else next_round_limit_s
        found = price_to_win(result, most=next_round, time_limit_s=limit, progress=progress)
        result = replace(result, prices_to_win=found)
    folder = Path(out_dir) if out_dir is not None else None
    if folder is not None:
        write_files(result, folder)
    final = replace(result, seconds=time.perf_counter() - begin, folder=folder)
    if folder is not None:
        write_summary(final, folder)
    return final


def award_tender(
    tender: Tender,
    *,
    time_limit_s: float = 60.0,
    gap: float = 1e-4,
    workers: int = 2,
    progress: Progress | None = None,
    second_opinion: bool = True,
) -> AwardResult:
    """The same for a tender in memory; nothing is written. Raises NoPlanError.

    second_opinion: look for the second bound without which no award is called optimal.
    """
    begin = time.perf_counter()
    solved = solve(
        tender, deadline=begin + time_limit_s, gap=gap, workers=workers, progress=progress, second=second_opinion
    )
    if solved.infeasible:
        raise NoPlanError("no award satisfies the tender; these cannot hold together:\n" + "\n".join(conflict(tender)))
    if solved.quantity is None:
        raise NoPlanError(
            f"no award was found in {time_limit_s:.0f} s (none is proven impossible either); allow more time, or "
            "loosen rules, capacities or least quantities"
        )
    lines = to_awards(tender, solved.quantity, reasons(tender, solved.quantity))
    broken = false_lines(tender, lines)
    if broken:
        raise AssertionError("the plan breaks its own promises: " + "; ".join(broken[:5]))
    value, repriced = objective(tender, solved.quantity), reprice(tender, lines)
    if abs(value - repriced) > 1e-9 * max(1.0, abs(value)):
        raise AssertionError(f"the plan costs {value!r}, its awards {repriced!r}")
    bound = min(solved.bound, repriced)
    reached = (repriced - bound) / repriced if repriced > 0 else 0.0
    second = min(solved.second, repriced)
    agreed = repriced - second <= max(gap, PROVEN) * abs(repriced) and not tender.not_counted
    status = "optimal" if reached <= PROVEN and agreed else "gap" if reached <= max(gap, PROVEN) else "time limit"
    used = np.unique(tender.offer_supplier[solved.quantity > 0])
    return AwardResult(
        awards=lines,
        objective=repriced,
        bound=bound,
        gap=reached,
        seconds=time.perf_counter() - begin,
        repriced=repriced,
        status=status,
        suppliers_used=tuple(tender.suppliers[s] for s in used),
        tender=tender,
        warnings=tender.warnings,
        details=solved.details,
        second_bound=second if np.isfinite(second) else None,
        charges=extra(tender, solved.quantity).charges if tender.terms else (),
    )


def with_reasons(result: AwardResult, *, until: float, seconds: float) -> AwardResult:
    """The result with reasons of lines and bids confirmed by solving again until a time (time.perf_counter seconds);
    seconds: the most that one of these solves may take."""
    tender = result.tender
    found = {(a.supplier, a.item, a.year): a for a in result.awards}
    keys = [
        (tender.suppliers[s], tender.items[k], tender.years[t])
        for s, k, t in zip(tender.offer_supplier, tender.offer_item, tender.offer_year, strict=True)
    ]
    quantity = np.array([found[key].quantity if key in found else 0.0 for key in keys])
    text = [found[key].reason if key in found else "" for key in keys]
    said = confirmed(tender, quantity, text, result.objective, deadline=until, seconds=seconds)
    place = {key: p for p, key in enumerate(keys)}
    lines = tuple(
        replace(
            a,
            reason=said.text[place[a.supplier, a.item, a.year]],
            reason_status=said.status[place[a.supplier, a.item, a.year]],
        )
        for a in result.awards
    )
    bids = tuple(
        Bid(*key, float(price), float(price), float(amount), why, how)
        for key, price, amount, why, how in zip(keys, tender.unit_price, quantity, said.text, said.status, strict=True)
    )
    return replace(result, awards=lines, bids=bids)


def locked(tender: Tender, path: Path) -> Tender:
    """The tender with the awards of an earlier awards.csv kept: each line gets at least what it got.

    Raises StudyError for lines that are no offers of this tender, or more than is asked for.
    """
    import csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError([Problem(str(path), f"cannot be read: {error}")]) from error
    place = {
        (tender.suppliers[s], tender.items[k], tender.years[t]): p
        for p, (s, k, t) in enumerate(zip(tender.offer_supplier, tender.offer_item, tender.offer_year, strict=True))
    }
    problems, rules = [], []
    for line, row in enumerate(rows, 2):
        where = f"{path.name}:{line}"
        try:
            key = (row["supplier"].strip(), row["item"].strip(), int(float(row["year"])))
            amount = float(row["quantity"])
        except (KeyError, TypeError, ValueError, AttributeError):
            problems.append(Problem(where, "supplier, item, year and quantity of an award are expected"))
            continue
        p = place.get(key)
        if p is None:
            problems.append(Problem(where, f"{key[0]}, {key[1]}, {key[2]} is no offer of this tender"))
        elif not 0 <= amount <= float(tender.offer_demand[p]) * (1 + 1e-9):
            problems.append(
                Problem(where, f"quantity {amount:g} of {key[1]}, {float(tender.offer_demand[p]):g} are asked for")
            )
        else:
            share = min(1.0, amount / float(tender.offer_demand[p]))
            rules.append(forced(tender, p, share, where))
    if problems:
        raise StudyError(problems)
    return replace(tender, rules=(*tender.rules, *rules))


def _whole(tender: Tender) -> Tender:
    """Whole units everywhere: an order multiple of 1 where there is none."""
    odd = np.argwhere((tender.demand > 0) & (tender.demand != np.round(tender.demand)))
    if len(odd):
        k, t = odd[0]
        text = f"whole units are asked for, but {tender.items[k]} in {tender.years[t]} is {tender.demand[k, t]:g}"
        raise StudyError(text)
    return replace(tender, order_multiple=np.where(tender.multiple > 0, tender.multiple, 1.0))


def _volume_pays(tender: Tender) -> bool:
    """Whether buying more could ever cost less: a tier, or a take-or-pay."""
    tiers = (tender.tier_discount > tender.tier_discount[:, :, :1]) & np.isfinite(tender.tier_from)
    return bool(tiers.any() or tender.terms.schedules or tender.terms.commitments)


def _more_than_asked(result: AwardResult, *, until: float, seconds: float) -> MoreThanAsked | None:
    """What the award would cost if more than the demand might be bought; None where that is not known to be less."""
    now = time.perf_counter()
    if now >= until:
        return None
    tender = replace(result.tender, overbuying=True)
    found = solve(tender, deadline=min(until, now + seconds), gap=1e-4, second=False)
    if found.quantity is None:
        return None
    cost = objective(tender, found.quantity)
    if cost >= result.objective * (1 - PROVEN):
        return None
    bought = np.zeros_like(tender.demand)
    np.add.at(bought, (tender.offer_item, tender.offer_year), found.quantity)
    lines = tuple(
        (tender.items[k], tender.years[t], float(tender.demand[k, t]), float(bought[k, t]))
        for k, t in np.argwhere(bought > tender.demand * (1 + 1e-6))
    )
    return MoreThanAsked(cost, result.objective - cost, lines)


def _time_to_write(tender: Tender) -> float:
    """CPU seconds that reasons and files take, by the size of the tender (2,400 demands: 0.7 s)."""
    size = int((tender.demand > 0).sum())
    return 0.45 + 2.5e-4 * size + (6e-4 * size if tender.terms else 0.0)
