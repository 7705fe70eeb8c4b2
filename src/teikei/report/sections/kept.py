"""Who keeps the saving, the profit game, the plan's volumes beside the forecast, and fleet rules."""

from __future__ import annotations

import polars as pl

from teikei.report.blocks import Block, Details, Spec, Text, frame_grid, words
from teikei.report.context import Context

_PARTS = ("cost_saving", "fixed", "passed_on", "volume_effect", "kept")


def _sums(context: Context) -> dict[str, float] | None:
    """Sum of each column of ``kept`` at the best rung, million; None where the run has none."""
    rows = context.tables.get("kept").filter(pl.col("rung") == context.best_rung)
    if rows.is_empty():
        return None
    return {name: float(rows[name].drop_nulls().sum()) for name in _PARTS}


def kept_sentence(context: Context) -> str:
    """What the market leaves of the saving, in one sentence for the first screen; empty where it was not computed."""
    sums = _sums(context)
    if sums is None:
        return ""
    money = context.money
    whole, kept, passed = sums["cost_saving"] + sums["fixed"], sums["kept"], -sums["passed_on"]
    places = money.decimals([whole, kept, passed])
    cost = "cost falls by" if whole >= 0 else "cost rises by"
    buyers = "buyers get" if passed >= 0 else "buyers pay"
    left = "keep" if kept >= 0 else "lose"
    sentence = (
        f"At the market's own volumes, not the plan's, {cost} {money.full(abs(whole), places)}: {buyers} "
        f"{money.text(abs(passed), places)} in prices, changed sales bring "
        f"{money.text(sums['volume_effect'], places, sign=True)}, and the companies {left} "
        f"{money.full(abs(kept), places)}."
    )
    return sentence + _game_sentence(context)


def _game_sentence(context: Context) -> str:
    """Where the game of profits and the game of costs disagree; empty where they agree or one is missing."""
    game = context.tables.get("profit_game").filter(pl.col("rung") == context.best_rung)
    grand = game.filter(pl.col("coalition") == context.ladder.coalition)
    if grand.is_empty() or context.ladder.best is None:
        return ""
    row = grand.row(0, named=True)
    found = []
    saving = context.ladder.best.saving or 0.0
    if saving > 0 >= row["value"]:
        found.append("saving costs, the companies earn less together than alone")
    stable, core = context.ladder.best.stable, row["core"]
    if row["several"]:
        found.append("the market has several equilibria, and profit lies between those told")
    if core == "empty" and stable:
        found.append("no split of the profit keeps every group, though one of the saving does")
    return f" {'; '.join(found)[0].upper()}{'; '.join(found)[1:]}." if found else ""


def kept_blocks(context: Context) -> list[Block]:
    """From what is saved to what is kept, the profit game, plan against forecast and fleet rules."""
    return [*_joined(context), *_game(context), *_against(context), *_fleet(context)]


def _joined(context: Context) -> list[Block]:
    sums, best, money = _sums(context), context.ladder.best, context.money
    if sums is None or best is None or best.cash is None:
        return []
    whole = sums["cost_saving"] + sums["fixed"]
    lines = [
        ("Saved at the plan's volumes, cash", best.cash),
        ("Of it not at the market's volumes", whole - best.cash),
        ("Passed on in prices", sums["passed_on"]),
        ("Changed sales", sums["volume_effect"]),
        ("Kept", sums["kept"]),
    ]
    joined = pl.DataFrame(lines, schema={"part": pl.String, "value": pl.Float64}, orient="row")
    rows = context.tables.get("kept").filter(pl.col("rung") == context.best_rung)
    specs = [Spec(name, words(name)) for name in ("company", "region", "volume_basis")]
    specs += [Spec(name, f"{words(name)}, {money.label}", "money") for name in _PARTS]
    value = Spec("value", money.label, "money", sign=True)
    return [
        frame_grid(joined, "Who keeps the saving", [Spec("part", ""), value], money, where="kept"),
        Details(
            "Who keeps it, by company and region",
            (frame_grid(rows, f"Kept at “{words(context.best_rung)}”", specs, money, where="kept"),),
        ),
    ]


def _game(context: Context) -> list[Block]:
    rows = context.tables.get("profit_game").filter(pl.col("rung") == context.best_rung)
    if rows.is_empty():
        return []
    money = context.money
    specs = [
        Spec("coalition", "Together"),
        Spec("value", f"Earns more than alone, {money.label}", "money", sign=True),
        Spec("variable_profit", f"of it variable profit, {money.label}", "money", sign=True),
        Spec("fixed", f"of it fixed cost saved, {money.label}", "money", sign=True),
        Spec("lower", f"lowest equilibrium, {money.label}", "money", sign=True),
        Spec("upper", f"highest equilibrium, {money.label}", "money", sign=True),
        Spec("saving", f"Saves, {money.label}", "money", sign=True),
        Spec("core", "Core of the profit"),
    ]
    return [
        Details(
            "The game of profits beside that of costs",
            (
                Text(
                    "Each company sets its own prices, those outside react, designs stay as planned; fixed cost "
                    "is the plan's.",
                    "note",
                ),
                frame_grid(rows, "What each group earns", specs, money, where="profit_game"),
            ),
        )
    ]


def _against(context: Context) -> list[Block]:
    rows = context.tables.get("plan_against_forecast").filter(
        pl.col("year") == pl.lit(context.ladder.report_year, pl.Int64)
    )
    if rows.is_empty():
        return []
    specs = [
        Spec("programme", "Programme"),
        Spec("region", "Region"),
        Spec("planned", "Planned, cars", "number"),
        Spec("forecast", "Market's forecast, cars", "number"),
        Spec("note", ""),
    ]
    title = f"Plan against forecast, {context.ladder.report_year}"
    return [Details(title, (frame_grid(rows, title, specs, context.money, where="plan_against_forecast"),))]


def _fleet(context: Context) -> list[Block]:
    rows = context.tables.get("fleet")
    if rows.is_empty():
        return []
    year, money = context.ladder.report_year, context.money
    shown = rows.filter(pl.col("year") == year) if (rows["year"] == year).any() else rows
    specs = [
        Spec("coalition", "Pools of"),
        Spec("rule", "Rule"),
        Spec("region", "Region"),
        Spec("pool", "Pool"),
        Spec("unit", "Unit"),
        Spec("value", "Reaches", "number"),
        Spec("target", "Target", "number"),
        Spec("cost", f"Pays at most, {money.label}", "money"),
        Spec("one_more_electric", f"One more electric car is worth, {context.currency}", "number"),
        Spec("note", ""),
    ]
    told = (
        "Price of missing as the ceiling of what partners and other pools ask; electric cars as planned, other cars as "
        "the study gives them. Prices do not carry it."
    )
    title = f"Fleet rules, {year}"
    return [Details(title, (Text(told, "note"), frame_grid(shown, title, specs, money, where="fleet")))]
