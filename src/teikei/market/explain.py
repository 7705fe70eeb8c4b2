"""Why the share moves, who gains and who loses: tables and sentences around the cases of a forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from teikei.market.adoption import stock
from teikei.market.calibration import Calibrated
from teikei.market.cases import Case
from teikei.market.home import NOT_CONSIDERED, PARAMETER_CURRENCY, HomeMarket
from teikei.market.inputs import MarketInputError
from teikei.market.levels import Level, level_band
from teikei.market.questions import CUT, CUT_WORDS, band, cut_of
from teikei.market.reference import ev_history
from teikei.market.respond import Response, base_scene, price_and_sell
from teikei.market.scene import Scene, only
from teikei.market.types import Array
from teikei.study.types import Study

_MORE_SUBSIDY: Final = 0.3  # million JPY a car, about a third of the largest subsidy in Japan


def elasticities(calibrated: Calibrated) -> pl.DataFrame:
    """Own-price elasticity and margin of every product, and of each powertrain to its own price level."""
    home = calibrated.home
    found = price_and_sell(calibrated)
    matrix = found.equilibrium.elasticities()
    own = np.diagonal(matrix, axis1=1, axis2=2)
    margin = found.equilibrium.markup / found.equilibrium.price
    rows = []
    for j, product in enumerate(home.product):
        low, high = band(own[:, j])
        rows.append((product, home.maker[j], home.powertrain[j], float(own[0, j]), low, high, float(margin[0, j])))
    for kind in dict.fromkeys(home.powertrain):
        group = np.array([float(name == kind) for name in home.powertrain])
        share = found.units * group / (found.units @ group)[:, None]
        value = np.einsum("dj,djk,k->d", share, matrix, group)
        low, high = band(value)
        rows.append((f"all {kind}", "", kind, float(value[0]), low, high, float(share[0] @ margin[0])))
    names = ["product", "company", "powertrain", "own_price", "own_price_lower", "own_price_upper", "margin"]
    return pl.DataFrame(rows, schema=names, orient="row")


def walk(study: Study, cases: list[tuple[Case, Response]]) -> pl.DataFrame:
    """Variable profit on the companies' plug-ins from before to after, million in the report year; steps add up.

    saving: at old sales and prices; price cut: given to buyers at old sales; volume: more sales at the new margin.
    """
    base, rows = cases[0][1], []
    home = base.scene.home
    ours = np.array([maker in study.companies for maker in home.maker]) & (home.plug_in > 0)
    factory = 1 + home.vat
    for case, one in cases[1:]:
        if case.merged:
            continue
        units, more = base.units[0, ours], (one.units - base.units)[0, ours]
        steps = {
            "before": float(base.profit[0, ours].sum()),
            "cost saving": float(-units @ (one.cost - base.cost)[0, ours]),
            "price cut": float(units @ (one.price - base.price)[0, ours]) / factory,
            "volume": float(more @ (one.price[0] / factory - one.cost[0])[ours]),
            "after": float(one.profit[0, ours].sum()),
        }
        rows += [(case.rung, step, value * home.rate) for step, value in steps.items()]
    return pl.DataFrame(rows, schema={"rung": pl.String, "step": pl.String, "value": pl.Float64}, orient="row")


def diversion(cases: list[tuple[Case, Response]]) -> pl.DataFrame:
    """Who gains and who loses: change of sales by maker and powertrain in the report year, cars."""
    base, rows = cases[0][1], []
    home = base.scene.home
    for case, one in cases[1:]:
        change: dict[tuple[str, str], float] = {}
        for j, key in enumerate(zip(home.maker, home.powertrain, strict=True)):
            change[key] = change.get(key, 0.0) + float(one.units[0, j] - base.units[0, j])
        rows += [(case.rung, case.scenario, *key, value) for key, value in change.items()]
    schema = {"rung": pl.String, "scenario": pl.String, "company": pl.String, "powertrain": pl.String}
    return pl.DataFrame(rows, schema={**schema, "units_change": pl.Float64}, orient="row")


def policy_step(calibrated: Calibrated) -> pl.DataFrame:
    """The next change of subsidies after the calibration year, alone: prices, units, who keeps it.

    buyer_part: share of the change of the subsidy that reaches the buyer, 1 - d(list price)/d(subsidy).
    """
    home = calibrated.home
    later = [year for year in sorted(home.subsidy) if year > home.year]
    names = ["product", "company", "powertrain", "year", "subsidy_change", "price_change", "buyer_part"]
    names += ["units_change", "units_change_lower", "units_change_upper"]
    if not later:
        return pl.DataFrame(schema=names)
    scene = base_scene(calibrated)
    before, after = price_and_sell(scene), price_and_sell(replace(scene, year=later[0]))
    step = home.wedge(home.year) - home.wedge(later[0])
    ratio = after.units / before.units - 1
    rows: list[tuple[object, ...]] = []
    for j in np.flatnonzero(home.plug_in):
        low, high = band(ratio[:, j])
        price = float(after.price[0, j] - before.price[0, j])
        buyer = 1 - price / step[j] if step[j] else None
        key = (home.product[j], home.maker[j], home.powertrain[j], later[0])
        rows.append((*key, step[j] * home.million, price * home.million, buyer, float(ratio[0, j]), low, high))
    change = after.ev_share / before.ev_share - 1
    rows.append(("EV share", "", "", later[0], None, None, None, float(change[0]), *band(change)))
    return pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)


def without(
    calibrated: Calibrated, chosen: Callable[[HomeMarket], npt.NDArray[np.bool_]]
) -> tuple[Response, npt.NDArray[np.intp]]:
    """The calibration year's market, and which of its products are meant by ``chosen``."""
    return price_and_sell(calibrated), np.flatnonzero(chosen(calibrated.home))


def share_without(calibrated: Calibrated, gone: npt.NDArray[np.intp]) -> Array:
    """EV share (D,) of the calibration year if the products ``gone`` were not on sale, all prices set anew."""
    scene = base_scene(calibrated)
    left = np.setdiff1d(np.arange(len(scene.home.product)), gone)
    return price_and_sell(only(scene, left)).ev_share


def stock_table(cases: list[tuple[Case, list[Response]]], country: str, heights: Sequence[Level] = ()) -> pl.DataFrame:
    """Plug-in cars on the road by case and year: past sales and the forecast's, less what is scrapped.

    heights: the level of each year over many paths, where the bands are to rest on them.
    """
    first = cases[0][1][0].scene.year
    past = {
        year: np.asarray(units)
        for year, units in ev_history(country).select("year", "ev_units").iter_rows()
        if year < first
    }
    rows = []
    by_case = [
        stock({**past, **{one.scene.year: one.units @ one.scene.home.plug_in for one in responses}})
        for _, responses in cases
    ]
    years = [one.scene.year for one in cases[0][1]]
    height = stock({**past, **{year: one.units @ one.plug_in for year, one in zip(years, heights, strict=False)}})
    for (case, _), cars in zip(cases, by_case, strict=True):
        for year in years:
            low, _, high = level_band(height.get(year, by_case[0][year]), by_case[0][year], cars[year])
            rows.append((case.rung, case.scenario, year, float(cars[year][0]), low, high))
    names = ["rung", "scenario", "year", "plug_in_stock", "lower", "upper"]
    return pl.DataFrame(rows, schema=names, orient="row")


def held_costs(cases: list[tuple[Case, list[Response]]]) -> list[str]:
    """One sentence for each case and product whose cost had to be held above nothing in some year and draw."""
    found = []
    for case, responses in cases:
        years: dict[str, list[int]] = {}
        draws: dict[str, int] = {}
        central: set[str] = set()
        for one in responses:
            for j in np.flatnonzero(one.held.any(axis=0)):
                product = one.scene.home.product[j]
                years.setdefault(product, []).append(one.scene.year)
                draws[product] = max(draws.get(product, 0), int(one.held[1:, j].sum()))
                if one.held[0, j]:
                    central.add(product)
        for product, when in years.items():
            likely = product in central
            where = ["at the most likely parameters"] if likely else []
            where += [f"in up to {draws[product]} draws"] if draws[product] else []
            found.append(
                f"{case.rung}{', merger' if case.merged else ''}: the cost of {product} would come out below nothing "
                f"{' and '.join(where)} ({', '.join(map(str, when))}) and is held just above nothing there: "
                + ("do not quote its prices and sales" if likely else "its band is narrower than it should be")
            )
    return found


def _shifted(scene: Scene, shift: Array) -> Scene:
    return replace(scene, demand=replace(scene.demand, mean=scene.demand.mean + shift))


def levers(study: Study, scene: Scene, base: Response, cheaper: Response) -> tuple[pl.DataFrame, list[str]]:
    """What would move the EV share of this year's market, one lever at a time, with bands; and the list in words.

    cheaper: the market in which the companies' electric cars cost a tenth less.
    """
    home, demand = scene.home, scene.demand
    plug_in = {home.product[j]: -CUT * float(demand.cost[0, j]) * home.million for j in np.flatnonzero(home.plug_in)}
    electric = home.battery_electric
    considering = _everyone_considers(scene)
    chargers = np.log(3.0) * scene.charging_elasticity / _response(scene, base)
    more = {year: value + _MORE_SUBSIDY * electric for year, value in home.subsidy.items()}
    more = more or {scene.year: _MORE_SUBSIDY * electric}
    tax = home.tax or {scene.year: np.zeros(len(home.product))}
    twins = np.log(2.0) * (1 - demand.nest_parameter) * electric
    start = base.equilibrium.price

    def solve(moved: Scene, change: Mapping[str, float] | None = None) -> Response:
        return price_and_sell(moved, change, start=start)

    tried: list[tuple[str, Callable[[], Response]]] = [
        (f"the {CUT_WORDS}", lambda: cheaper),
        ("the companies' electric cars cost 25 % less", lambda: solve(scene, cut_of(study, scene, 0.25))),
        ("every maker's plug-ins cost 10 % less", lambda: solve(scene, plug_in)),
        (
            f"subsidy for electric cars up by {_money(_MORE_SUBSIDY, home)}",
            lambda: solve(replace(scene, home=replace(home, subsidy=more, tax=tax))),
        ),
        (
            "three times as many fast chargers",
            lambda: solve(_shifted(scene, chargers[:, None] * home.plug_in)),
        ),
        ("twice as many electric models on sale, alike", lambda: solve(_shifted(scene, twins))),
        ("every buyer considers a plug-in", lambda: solve(considering)),
    ]
    if home.subsidy_of(scene.year).any():
        none = {year: np.zeros(len(home.product)) for year in home.subsidy}
        tried.insert(4, ("no subsidy for plug-ins", lambda: solve(replace(scene, home=replace(home, subsidy=none)))))
    rows, beyond = [], []
    for name, answer in tried:
        try:
            one = answer()
        except MarketInputError:  # so large a change that in some draw a model is left without any buyer
            beyond.append(name)
            continue
        change = one.ev_share - base.ev_share
        rows.append((name, float(one.ev_share[0]), float(change[0]), *band(change)))
    names = ["lever", "ev_share", "change", "change_lower", "change_upper"]
    numbers = dict.fromkeys(names[1:], pl.Float64)
    table = pl.DataFrame(rows, schema={"lever": pl.String, **numbers}, orient="row")
    listed = "; ".join(
        f"{row[0]}: {100 * row[2]:+.2f} points ({100 * row[3]:+.2f} to {100 * row[4]:+.2f})" for row in rows
    )
    words = f"what moves the EV share of {scene.year} ({100 * base.ev_share[0]:.2f} %), one at a time: {listed}"
    left = [f"beyond the model: in some draw no buyer is left for a model if {'; if '.join(beyond)}"] if beyond else []
    return table, [words, *left]


def _money(million_jpy: float, home: HomeMarket) -> str:
    """The amount in the study's currency; millions where it is the parameters' own."""
    if home.currency == PARAMETER_CURRENCY:
        return f"{million_jpy:g} million"
    return f"{million_jpy * home.million:,.0f} {home.currency}"


def _response(scene: Scene, base: Response) -> Array:
    """d ln(plug-in units) / d(utility of plug-ins) at fixed prices (D,), from the average purchase probabilities."""
    moved = price_and_sell(_shifted(scene, 0.05 * scene.home.plug_in), start=base.equilibrium.price)
    ratio = (moved.units @ scene.home.plug_in) / (base.units @ scene.home.plug_in)
    return np.asarray(np.log(ratio) / 0.05, dtype=np.float64)


def _everyone_considers(scene: Scene) -> Scene:
    """The scene in which buyers who did not consider plug-ins see them like the average of those who do."""
    taste = scene.demand.taste
    return replace(scene, demand=replace(scene.demand, taste=np.where(taste <= NOT_CONSIDERED / 2, 0.0, taste)))


def words(summary: pl.DataFrame, year: int) -> list[str]:
    """The answer in sentences: what the highest rung does to the share, and how sure that is."""
    rows = summary.filter((pl.col("year") == year) & (pl.col("scenario") != "merger"))
    if rows.height < 2:
        return ["market: no plan of all companies together was evaluated; only the baseline is shown"]
    row, first = rows.row(rows.height - 1, named=True), rows.row(0, named=True)
    change, low, high = (100 * row[f"ev_share_change{end}"] for end in ("", "_lower", "_upper"))
    little = "little" if abs(change) < 0.25 else "a part"
    return [
        f"without cooperation half of the draws for {year} give an EV share above "
        f"{100 * first['ev_share_median']:.2g} %, 80 % of them {100 * first['ev_share_lower']:.2g} to "
        f"{100 * first['ev_share_upper']:.2g} %; the most likely parameters without any shock give "
        f"{100 * first['ev_share']:.2g} %",
        f"at rung {row['rung']} the EV share of {year} moves by {change:+.3f} points ({low:+.3f} to {high:+.3f}), "
        f"from {100 * first['ev_share']:.2f} % to {100 * row['ev_share']:.2f} %: cheaper shared parts explain {little} "
        "of adoption; the companies' own sales move by "
        f"{100 * (row['alliance_ev_units'] / max(first['alliance_ev_units'], 1e-9) - 1):+.1f} %",
    ]


def reaches_buyers(study: Study, cases: list[tuple[Case, Response]]) -> list[str]:
    """How much of what the highest rung saves is variable cost of the companies' electric cars here, in a sentence."""
    joint = [(case, one) for case, one in cases if not case.merged and case.rung != study.baseline_rung]
    if not joint:
        return []
    (case, one), base = joint[-1], cases[0][1]
    home = base.scene.home
    weight = base.units[0] * home.battery_electric * np.array([maker in study.companies for maker in home.maker])
    if not weight.sum() > 0:
        return []
    cost = float((one.cost - base.cost)[0] @ weight / weight.sum()) * home.million
    price = 100 * float((one.price / base.price - 1)[0] @ weight / weight.sum())
    return [
        f"at rung {case.rung} the companies' electric cars sold in {home.country} in {base.scene.year} cost "
        f"{cost:+,.0f} {home.currency} a car to make and their prices move by {price:+.2f} %: what is saved in "
        "development, tooling and plants does not reach prices"
    ]
