"""The market forecast of a study: prices, sales and EV share of every case and year, with bands."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import polars as pl

from teikei.market import explain, kept, questions
from teikei.market.cases import (
    Case,
    Reprice,
    alone_costs,
    build_cases,
    close_loop,
    grand_plans,
)
from teikei.market.fit import calibrate
from teikei.market.fleet_rules import fleet_table
from teikei.market.levels import Level, level_band, levels
from teikei.market.profit_game import PROFIT_SHARES, profit_game
from teikei.market.questions import band
from teikei.market.reference import ev_history, regions
from teikei.market.regions import export_tables, modelled_regions
from teikei.market.respond import Response, price_and_sell
from teikei.market.scene import Scene, scenes
from teikei.market.types import MarketOutcome
from teikei.plan.types import Plans
from teikei.study.types import Study

Progress = Callable[[str, float], None]


def predict(
    study: Study,
    plans: Plans | None,
    *,
    reprice: Reprice | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    draws: int = 64,
    paths: int = 16,
) -> MarketOutcome:
    """What do the plans' savings do to prices, sales, profit, rivals and the EV share of the home market?

    plans: None gives the baseline alone. reprice(plan, volumes) prices the plan's designs and awards at other volumes
    (``volumes``: the study's table with home-market units moved) and closes the loop back from sales to cost; without
    it costs stay as planned. Only variable cost reaches prices. executor: years are solved side by side; results do not
    depend on it. draws: posterior draws behind the bands of what changes. paths: walks of the appeal of plug-ins for
    each draw: bands of the level, such as the EV share, rest on draws x paths (``levels``).

    Raises StudyError where the market's tables cannot be right. Equilibria that did not converge are listed in
    ``convergence`` and named in ``messages``.
    """
    tell = progress or (lambda _text, _fraction: None)
    tell("calibrating demand", 0.0)
    calibrated = calibrate(study, draws=draws)
    line, messages = scenes(study, calibrated)
    name = study.scenario or "base"
    cases = build_cases(study, plans, name)
    convergence: list[dict[str, object]] = []
    if reprice is not None and plans is not None:
        tell("closing the loop from sales to costs", 0.2)
        cases, loops = _with_loop(study, plans, cases, line, reprice)
        convergence += loops
        messages += [str(row["note"]) for row in loops if row["note"]]
    tell("solving the market of each year", 0.3)
    work = [(scene, cases) for scene in line]
    solved = list(executor.map(_solve_year, work)) if executor is not None else [_solve_year(one) for one in work]
    by_case = [[year[k] for year in solved] for k in range(len(cases))]
    tell("telling what happened", 0.8)
    convergence += [_convergence(case, responses) for case, responses in zip(cases, by_case, strict=True)]
    convergence.append(_from_other_starts(line[_report_index(study, line)]))
    open_cases = [str(row["case"]) for row in convergence if not row["converged"]]
    if open_cases:
        messages.append(f"not converged, do not quote: {', '.join(open_cases)}")
    messages += explain.held_costs(list(zip(cases, by_case, strict=True)))
    report = _report_index(study, line)
    heights = levels(by_case[0], paths=paths)
    outcome = pl.concat([_outcome(case, rows, by_case[0], heights) for case, rows in zip(cases, by_case, strict=True)])
    summary = pl.concat(
        [_summary(study, case, rows, by_case[0], heights) for case, rows in zip(cases, by_case, strict=True)]
    )
    at_report = [(case, rows[report]) for case, rows in zip(cases, by_case, strict=True)]
    paired = list(zip(cases, by_case, strict=True))
    scene, base = line[report], by_case[0][report]
    cheaper = price_and_sell(scene, questions.cut_of(study, scene, questions.CUT), start=base.equilibrium.price)
    what_if = Case("", f"the {questions.CUT_WORDS}", "what-if", {})
    levers, sentences = explain.levers(study, scene, base, cheaper)
    joint = [case for case in cases if not case.merged][-1]
    parity = questions.parity(study, paired)
    sentences += explain.reaches_buyers(study, at_report)
    sentences += questions.parity_words(parity, joint.rung)
    tell("asking the other regions", 0.9)
    away, exports, told, kept_away = export_tables(study, calibrated.home, cases, draws=draws, paths=paths)
    sentences += told
    covered = modelled_regions(calibrated.home)
    keeps = kept.kept_table(study, plans, cases, kept.at_home(study, paired), kept_away, covered)
    against = kept.against_forecast(study, by_case[0], covered)
    closed = {case.rung: case for case in cases if not case.merged and case.rung != study.baseline_rung}
    game, profits, of_game = profit_game(study, plans, line, calibrated.home, closed, reprice)
    messages += of_game
    fleet, ruled = fleet_table(study, joint.rung)
    pays = questions.break_even(study, plans, paired)
    launched = questions.launch_words(study, pays, joint.rung)
    sentences = [*kept.sentences(study, keeps, against), *launched, *sentences, *ruled]
    convergence.append(_no_better_price(base))
    tell("done", 1.0)
    return MarketOutcome(
        outcome=outcome,
        summary=summary,
        moments=calibrated.moments,
        elasticities=explain.elasticities(calibrated),
        convergence=pl.DataFrame(convergence, infer_schema_length=None).drop("note"),
        history=_histories(calibrated.home.country),
        messages=(*calibrated.messages, *messages, *explain.words(summary, line[report].year), *sentences),
        walk=explain.walk(study, [*at_report, (what_if, cheaper)]),
        diversion=explain.diversion([*at_report, (what_if, cheaper)]),
        levers=levers,
        policy_step=explain.policy_step(calibrated),
        stock=explain.stock_table(paired, calibrated.home.country, heights),
        more={
            "market_conduct": questions.conduct(
                study, scene, base, None if joint.rung == study.baseline_rung else joint
            ),
            "market_parity": parity,
            "market_break_even": pays,
            "market_incidence": questions.incidence(scene, base),
            "market_pass_through": questions.pass_through(study, scene, base, cheaper),
            "market_regions": away,
            "market_exports": exports,
            "kept": keeps,
            "plan_against_forecast": against,
            "fleet": fleet,
            "profit_game": game,
            PROFIT_SHARES: profits,
        },
    )


def _solve_year(work: tuple[Scene, list[Case]]) -> list[Response]:
    """Every case in one year; a case without any cost change and merger is the baseline itself."""
    scene, cases = work
    base = price_and_sell(scene)
    start = base.equilibrium.price
    found = []
    for case in cases:
        change = case.change.get(scene.year, {})
        if not change and not case.merged:
            found.append(base)
        else:
            found.append(price_and_sell(scene, change, merged=case.merged, start=start))
    return found


def _with_loop(
    study: Study, plans: Plans, cases: list[Case], line: list[Scene], reprice: Reprice
) -> tuple[list[Case], list[dict[str, object]]]:
    """Cases with costs after the loop through volumes, and one row of convergence for each rung."""
    before = alone_costs(study, plans)
    baseline = {scene.year: price_and_sell(scene, draws=slice(0, 1)) for scene in line}
    changed, rows = {}, []
    for plan in grand_plans(study, plans):
        result = close_loop(study, plan, before, line, baseline, reprice)
        changed[plan.rung] = result.change
        note = ""
        if result.cycle:
            note = f"{plan.rung}: volumes and tier prices cycle with length {result.cycle}; the last round is shown"
        elif not result.converged:
            note = f"{plan.rung}: after {result.rounds} rounds costs still move by {result.residual:,.0f} per car"
        rows.append(
            {
                "case": f"{plan.rung}: loop through volumes, currency per car",
                "residual": result.residual,
                "iterations": result.rounds,
                "converged": result.converged,
                "note": note,
            }
        )
    return [replace(case, change=changed.get(case.rung, case.change)) for case in cases], rows


def _convergence(case: Case, responses: list[Response]) -> dict[str, object]:
    label = case.rung if not case.merged else f"{case.rung}, merger"
    return {
        "case": label,
        "residual": max(float(one.equilibrium.residual.max()) for one in responses),
        "iterations": max(int(one.equilibrium.iterations.max()) for one in responses),
        "converged": all(bool(one.equilibrium.converged.all()) for one in responses),
        "note": "",
    }


def _histories(country: str) -> pl.DataFrame:
    """EV shares of the past: of the home market and of the regions beside it."""
    away = [region.history for region in regions() if country not in region.covers]
    return pl.concat([ev_history(name) for name in dict.fromkeys([country, *away])])


def _no_better_price(base: Response) -> dict[str, object]:
    """Could a maker gain by moving one price alone? residual: the largest relative gain of profit."""
    central = replace(base.scene, demand=base.scene.demand.part(slice(0, 1)), scale=base.scene.scale[:1])
    gain = float(price_and_sell(central).equilibrium.gain_from_deviating().max())
    return {
        "case": "baseline of the report year, gain of a maker that moves one price alone",
        "residual": gain,
        "iterations": 0,
        "converged": gain <= 1e-9,
        "note": "",
    }


def _from_other_starts(scene: Scene) -> dict[str, object]:
    """Do three starts (observed prices, cost, twice the prices) lead to the same prices? residual: largest gap."""
    central = slice(0, 1)
    first = price_and_sell(scene, draws=central)
    price = first.equilibrium.price
    others = [price_and_sell(scene, draws=central, start=start) for start in (0.0 * price, 2.0 * price)]
    gap = max(float(np.abs(one.equilibrium.price / price - 1).max()) for one in others)
    return {
        "case": f"alone {scene.year}: three starts, largest relative gap of prices",
        "residual": gap,
        "iterations": max(int(one.equilibrium.iterations.max()) for one in others),
        "converged": gap < 1e-8,
        "note": "" if gap < 1e-8 else f"{scene.year}: prices depend on where the search starts: several equilibria",
    }


def _report_index(study: Study, line: list[Scene]) -> int:
    years = [scene.year for scene in line]
    return years.index(study.settings.report_year) if study.settings.report_year in years else len(years) - 1


def _keys(case: Case, year: int, region: str) -> dict[str, object]:
    return {
        "coalition": case.coalition,
        "rung": case.rung,
        "scenario": case.scenario,
        "year": year,
        "region": region,
    }


def _outcome(case: Case, responses: list[Response], baseline: list[Response], heights: list[Level]) -> pl.DataFrame:
    """Table market_outcome of one case; years in which nothing differs from the baseline are told as well."""
    rows = []
    for one, base, height in zip(responses, baseline, heights, strict=True):
        home = one.scene.home
        share = one.units / one.units.sum(axis=1, keepdims=True)
        before = base.units / base.units.sum(axis=1, keepdims=True)
        for j, product in enumerate(home.product):
            low, _, high = level_band(height.share[:, j], before[:, j], share[:, j])
            rows.append(
                {
                    **_keys(case, one.scene.year, home.country),
                    "product": product,
                    "company": home.maker[j],
                    "powertrain": home.powertrain[j],
                    "price": float(one.price[0, j]) * home.million,
                    "price_change": float(one.price[0, j] - base.price[0, j]) * home.million,
                    "units": float(one.units[0, j]),
                    "units_change": float(one.units[0, j] - base.units[0, j]),
                    "share": float(share[0, j]),
                    "lower": low,
                    "upper": high,
                }
            )
    return pl.DataFrame(rows)


def _summary(
    study: Study, case: Case, responses: list[Response], baseline: list[Response], heights: list[Level]
) -> pl.DataFrame:
    rows = []
    for one, base, height in zip(responses, baseline, heights, strict=True):
        home = one.scene.home
        ours = np.array([float(maker in study.companies) for maker in home.maker])
        share, change = one.ev_share, one.ev_share - base.ev_share
        low, median, high = level_band(height.ev_share, base.ev_share, share)
        gain = (one.profit - base.profit) @ ours * home.rate
        surplus = -0.5 * home.rate * ((one.units + base.units) * (one.price - base.price)).sum(axis=1)
        cut = (base.cost - one.cost)[0]
        weight = base.units[0] * cut  # least squares of price on cost: costs may move both ways
        passed = (base.price - one.price)[0] / (1 + home.vat)
        rows.append(
            {
                **_keys(case, one.scene.year, home.country),
                "ev_share": float(share[0]),
                "ev_share_lower": low,
                "ev_share_upper": high,
                "ev_share_median": median,
                "ev_share_change": float(change[0]),
                "ev_share_change_lower": band(change)[0],
                "ev_share_change_upper": band(change)[1],
                "alliance_ev_units": float(one.units[0] @ (ours * home.plug_in)),
                "rival_ev_units": float(one.units[0] @ ((1 - ours) * home.plug_in)),
                "alliance_profit_change": float(gain[0]),
                "alliance_profit_change_lower": band(gain)[0],
                "alliance_profit_change_upper": band(gain)[1],
                "pass_through": float(weight @ passed / (weight @ cut)) if weight.any() and not case.merged else None,
                "consumer_surplus_change": float(surplus[0]),
                "new_car_sales": float(one.units[0].sum()),
            }
        )
    return pl.DataFrame(rows, schema_overrides={"pass_through": pl.Float64})
