"""How good is the EV-share forecast? Hindcast of Japan and China beside naive forecasts, and two natural experiments.

    python benchmarks/hindcast.py [--out hindcast.csv] [--study examples/nissan-honda]

Rolling origins 2018-2021, one, three and five years ahead, shares of the IEA Global EV Outlook 2025. ``model, known``
sees nothing after the origin but what was announced by then; ``model, inputs`` is given chargers, subsidies and models
on sale, but no share. Persistence repeats the last share, growth continues the last three years', Bass is fitted to all
shares from 2010 to the origin (least squares of logs). Errors are absolute, in per cent of the actual share; bands are
80 %. The weight of trends and the shrinkage of the drift are constants of ``teikei.market.adoption``: printed here is
what one-year losses of eight markets up to each origin ask for, so that no origin's future enters, and how the errors
of Japan and China move with them. The experiments: the first kei electric cars of June 2022, seen from 2021; the higher
subsidies of January 2026, seen from the market of 2025.
"""

import argparse
import csv
import sys

import numpy as np
from scipy.optimize import minimize

import teikei
from teikei.market import adoption, calibrate, explain
from teikei.market.adoption import MARKETS, forecast
from teikei.market.reference import ev_history, observed

ORIGINS = (2018, 2019, 2020, 2021)
HORIZONS = (1, 3, 5)
LAST = 2024
MODELS = ("model, known", "model, inputs", "persistence", "growth", "bass")


def bass(shares, origin, year):
    years = np.array([at for at in sorted(shares) if at <= origin])
    target = np.log([shares[at] for at in years])

    def curve(parameters, at):
        p, q, ceiling = np.exp(parameters[0]), np.exp(parameters[1]), 1 / (1 + np.exp(-parameters[2]))
        decay = np.exp(-(p + q) * (at - 2009))
        return ceiling * (1 - decay) / (1 + q / p * decay)

    def loss(parameters):
        return ((np.log(np.maximum(curve(parameters, years), 1e-12)) - target) ** 2).sum()

    starts = [(np.log(p), np.log(q), c) for p in (1e-4, 1e-3) for q in (0.1, 0.6) for c in (-3.0, 0.0, 2.0)]
    fits = [minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "maxfev": 4000}) for start in starts]
    return float(curve(min(fits, key=lambda fit: fit.fun).x, year))


def rows_of(region):
    shares = dict(ev_history(region).select("year", "ev_share").iter_rows())
    found = []
    for origin in ORIGINS:
        paths = {"model, known": forecast(region, origin, 5)}
        paths["model, inputs"] = forecast(region, origin, 5, inputs_known_to=LAST)
        for horizon in HORIZONS:
            year = origin + horizon
            if year > LAST:
                continue
            naive = {
                "persistence": shares[origin],
                "growth": min(shares[origin] * (shares[origin] / shares[origin - 3]) ** (horizon / 3), 1.0),
                "bass": bass(shares, origin, year),
            }
            for model in MODELS:
                path = paths.get(model)
                predicted = float(path[0, horizon - 1]) if path is not None else naive[model]
                low, high = np.quantile(path[1:, horizon - 1], [0.1, 0.9]) if path is not None else (None, None)
                inside = None if low is None else bool(low <= shares[year] <= high)
                error = abs(predicted / shares[year] - 1)
                found.append((region, model, origin, horizon, year, shares[year], predicted, low, high, inside, error))
    return found


def shares_of(region):
    return dict(ev_history(region).select("year", "ev_share").iter_rows())


def ahead(region, origin, horizon, weight, spread, trimmed=True):
    """The central forecast with other constants; None without enough history."""
    left = adoption.unexplained(region, origin, weight)
    if len(left) < 2:
        return None
    drift = adoption.own_drift(left, spread, trimmed=trimmed)[0]
    years = range(origin + 1, origin + horizon + 1)
    change = sum(adoption.steps(region, y, origin) + weight * adoption.trends(region, y, origin) for y in years)
    logit = np.log(shares_of(region)[origin] / (1 - shares_of(region)[origin])) + change
    return 1 / (1 + np.exp(-logit - drift * adoption.damped_years(horizon)[-1]))


def pooled_loss(weight, spread, trimmed, horizon, last, region=None):
    """Mean |ln(predicted / actual)| of forecasts of eight markets that ended by ``last``."""
    found = []
    for market in MARKETS if region is None else (region,):
        shares = shares_of(market)
        for origin in range(2014, last - horizon + 1):
            predicted = ahead(market, origin, horizon, weight, spread, trimmed)
            if predicted is not None and origin + horizon in shares:
                found.append(abs(np.log(predicted / shares[origin + horizon])))
    return float(np.mean(found)), len(found)


def print_choice():
    grid = [(w, d, t) for w in (0.0, 0.5, 1.0) for d in (0.05, 0.1, 0.15, 0.2, 0.3, 0.35, 0.4) for t in (True, False)]
    print(
        "weight of trends, prior sd of drift, trimmed: what one-year losses of eight markets up to the origin ask for"
    )
    for origin in ORIGINS:
        losses = {choice: pooled_loss(*choice, 1, origin)[0] for choice in grid}
        best = min(losses, key=losses.get)
        ours = losses[adoption.TREND_WEIGHT, adoption.DRIFT_SPREAD, True]
        still, count = pooled_loss(0.0, 1e-9, True, 1, origin)
        print(
            f"  {origin}: {best} with {losses[best]:.3f}; the constants used {ours:.3f}; "
            f"no change but announced steps {still:.3f} ({count} forecasts)"
        )
    for horizon in (1, 3):
        ours, count = pooled_loss(adoption.TREND_WEIGHT, adoption.DRIFT_SPREAD, True, horizon, LAST)
        still, _ = pooled_loss(0.0, 1e-9, True, horizon, LAST)
        print(
            f"  all eight markets to {LAST}, {horizon} y: model {ours:.3f}, no change {still:.3f} ({count} forecasts)"
        )
    print("median error of Japan and China with other constants (trends weighted 0.5 and 1, model, known), %:")
    spreads = (0.1, 0.15, 0.2, 0.3, 0.35, 0.4)
    for weight in (0.5, 1.0):
        for spread in spreads:
            cells = [
                f"{region} {horizon} y {median_error(region, horizon, weight, spread):.1f}"
                for region in ("JP", "CN")
                for horizon in (1, 3)
            ]
            print(f"  weight {weight}, sd {spread}: {', '.join(cells)}")
    print("sd of the drift chosen on the other country alone (the aims there missed least):")
    for region, other in (("JP", "CN"), ("CN", "JP")):
        chosen = min(spreads, key=lambda spread: max(against(other, 0.5, spread)))
        one, three = (median_error(region, horizon, 0.5, chosen) for horizon in (1, 3))
        ratios = against(region, 0.5, chosen)
        print(
            f"  {region}: sd {chosen} from {other}: 1 y {one:.2f} ({ratios[0]:.3f} of persistence), "
            f"3 y {three:.2f} ({ratios[1]:.3f} of growth)"
        )


def median_error(region, horizon, weight, spread):
    shares = shares_of(region)
    return 100 * float(
        np.median([abs(ahead(region, o, horizon, weight, spread) / shares[o + horizon] - 1) for o in ORIGINS])
    )


def against(region, weight, spread):
    """Errors at one and three years over those of persistence and of growth: below one is the aim."""
    shares = shares_of(region)
    still = np.median([abs(shares[o] / shares[o + 1] - 1) for o in ORIGINS])
    grown = np.median([abs(min(shares[o] ** 2 / shares[o - 3], 1.0) / shares[o + 3] - 1) for o in ORIGINS])
    return (
        median_error(region, 1, weight, spread) / (100 * still),
        median_error(region, 3, weight, spread) / (100 * grown),
    )


def kei_entry():
    """Sakura and eK X EV in Japan, 2022: the share with and without the entry, seen from 2021."""
    shares = shares_of("JP")
    with_entry = forecast("JP", 2021, 2)
    print("Japan, the first kei electric cars of June 2022, announced in 2021, seen from 2021 (EV share, %):")
    for step, year in enumerate((2022, 2023)):
        low, high = np.quantile(with_entry[1:, step], [0.1, 0.9])
        opened = sum(adoption.steps("JP", at, 2021) for at in range(2022, year + 1))
        odds = np.exp(-opened) * with_entry[0, step] / (1 - with_entry[0, step])
        print(
            f"  {year}: observed {100 * shares[year]:.2f}, without the entry {100 * odds / (1 + odds):.2f}, "
            f"with it {100 * with_entry[0, step]:.2f} ({100 * low:.2f} - {100 * high:.2f})"
        )
    seen = {row["item"]: float(row["value"]) for row in observed("kei entry 2022")}
    plug_ins = dict(ev_history("JP").select("year", "ev_units").iter_rows())
    others = plug_ins[2023] - seen["Sakura units 2023"]
    print(
        "  The rule of the forecast: buyers of kei cars take electric ones as often as others do. It misses that "
        f"plug-ins other than Sakura rose too, from {plug_ins[2021]:,.0f} in 2021 to {others:,.0f} in 2023 (new "
        "models, subsidy)."
    )


def kei_removed(calibrated):
    """The entry in the model of products: 2025 with and without the kei electric cars."""
    found, removed = explain.without(calibrated, lambda home: (home.segment_taste > 0) & (home.battery_electric > 0))
    cars = found.units[:, removed].sum(axis=1)
    share = found.ev_share
    gone = explain.share_without(calibrated, removed)
    extra = (share - gone) * found.units.sum(axis=1) / cars
    low, high = np.quantile(extra[1:], [0.1, 0.9])
    low_share, high_share = np.quantile(gone[1:], [0.1, 0.9])
    print(
        f"  In the market of {calibrated.home.year} the kei electric cars ({cars[0]:,.0f}) hold the share at "
        f"{100 * share[0]:.2f} %; without them {100 * gone[0]:.2f} % ({100 * low_share:.2f} - {100 * high_share:.2f}): "
        f"of ten sold {10 * extra[0]:.1f} ({10 * low:.1f} - {10 * high:.1f}) replace a car without a plug."
    )
    shares = shares_of("JP")
    print(
        f"  Observed around the entry: {100 * shares[2021]:.2f} % in 2021, {100 * shares[2023]:.2f} % in 2023, "
        f"{100 * (shares[2023] - shares[2021]):+.2f} points, with 0.96 % of the market in Sakura alone."
    )


def subsidy_step(calibrated):
    """January 2026: computed from the market of 2025 with the new subsidies alone, beside what was observed."""
    step = {row["product"]: row for row in explain.policy_step(calibrated).iter_rows(named=True)}
    seen = {row["item"]: float(row["value"]) for row in observed("subsidy 2026")}
    print("Japan, subsidies of January 2026: computed (subsidies alone, a year) and observed (one month), change in %:")

    def computed(name):
        row = step[name]
        low, high = 100 * row["units_change_lower"], 100 * row["units_change_upper"]
        return f"{100 * row['units_change']:+.0f} ({low:+.0f} to {high:+.0f})"

    def moved(item, before):
        return f"{100 * (seen[item] / seen[before] - 1):+.0f}"

    january = "EV share January 2026"
    pairs = [
        (
            "EV share",
            "EV share",
            f"{moved(january, 'EV share 2025')} on the mean of 2025, "
            f"{moved(january, 'EV share December 2025')} on December",
        ),
        ("Model Y", "Tesla", f"{moved('Tesla January 2026', 'Tesla monthly mean 2025')} on the mean of 2025 (about)"),
        ("bZ4X", "bZ4X", f"{moved('bZ4X January 2026', 'bZ4X November 2025')} on November"),
        ("N-ONE e:", "N-ONE e", f"{moved('N-ONE e: January 2026', 'N-ONE e: November 2025')} on November"),
        (
            "Other imported BEV",
            "imported electric cars",
            f"{moved('imported BEV January 2026', 'imported BEV January 2025')} on January 2025, "
            f"{moved('imported BEV January 2026', 'imported BEV monthly mean 2025')} on the mean of 2025",
        ),
        (
            "Toyota PHEV",
            "plug-in hybrids",
            f"{moved('PHEV share January 2026', 'PHEV share January 2025')} on January 2025",
        ),
    ]
    for product, label, told in pairs:
        if product in step:
            print(f"  {label}: computed {computed(product)}, observed {told}")
    print(
        "  One month against months before it, in which buyers waited (December), models were new (N-ONE e in "
        "September, bZ4X in October) or came in (Leaf, e Vitara in January): a sign, not a test. Share and Tesla moved "
        "as computed "
        "or more, plug-in hybrids did not."
    )


def table_rows(_quick):
    """Rows for ``python -m benchmarks``."""
    from benchmarks.table import Row, Stopwatch

    watch = Stopwatch()
    for region, title in (("JP", "Japan"), ("CN", "China")):
        found = rows_of(region)
        for horizon, naive in ((1, "persistence"), (3, "growth")):
            errors = {
                model: 100 * float(np.median([row[10] for row in found if row[1] == model and row[3] == horizon]))
                for model in MODELS
            }
            others = ", ".join(f"{name} {errors[name]:.1f} %" for name in ("persistence", "growth", "bass"))
            yield Row(
                f"EV share of {title} {horizon} year{'s' * (horizon > 1)} ahead, {len(ORIGINS)} origins: median error, "
                f"less than {naive}",
                f"{errors['model, known']:.1f} %", others, errors["model, known"] < errors[naive], watch.lap(),
            )  # fmt: skip
        hits = [row[9] for row in found if row[1] == "model, known"]
        told = f"{sum(hits)} of {len(hits)}"
        yield Row(f"80 % bands of {title} that held", told, "70 % of them", sum(hits) >= 0.7 * len(hits), watch.lap())
    for horizon in (1, 3):
        ours, count = pooled_loss(adoption.TREND_WEIGHT, adoption.DRIFT_SPREAD, True, horizon, LAST)
        still, _ = pooled_loss(0.0, 1e-9, True, horizon, LAST)
        title = f"eight markets to {LAST}, {horizon} year{'s' * (horizon > 1)} ahead: mean log error, {count} forecasts"
        yield Row(title, f"{ours:.3f}", f"no change but announced steps: {still:.3f}", ours < still, watch.lap())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    parser.add_argument("--study", default="examples/nissan-honda")
    arguments = parser.parse_args()
    everything = [row for region in ("JP", "CN") for row in rows_of(region)]
    for region in ("JP", "CN"):
        print(f"{region}: median / mean absolute error, % of the actual share (number of origins)")
        for model in MODELS:
            cells = []
            for horizon in HORIZONS:
                errors = [row[10] for row in everything if row[:2] == (region, model) and row[3] == horizon]
                cells.append(
                    f"{horizon} y: {100 * np.median(errors):5.1f} / {100 * np.mean(errors):5.1f} ({len(errors)})"
                )
            hits = [row[9] for row in everything if row[:2] == (region, model) and row[9] is not None]
            cover = f"   80 % band holds {sum(hits)} of {len(hits)}" if hits else ""
            print(f"  {model:14s} {'   '.join(cells)}{cover}")
    print("every forecast: region, model, origin, year, actual %, predicted %, band %")
    for region, model, origin, _, year, actual, predicted, low, high, _, _ in everything:
        if model.startswith("model"):
            band = f"{100 * low:.2f} - {100 * high:.2f}"
            print(f"  {region} {model:14s} {origin} {year} {100 * actual:6.2f} {100 * predicted:6.2f}   {band}")
    print_choice()
    kei_entry()
    calibrated = calibrate(teikei.load(arguments.study))
    kei_removed(calibrated)
    subsidy_step(calibrated)
    if arguments.out:
        names = [
            "region",
            "model",
            "origin",
            "horizon",
            "year",
            "actual",
            "predicted",
            "low",
            "high",
            "inside",
            "error",
        ]
        with open(arguments.out, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(everything)
    return 0


if __name__ == "__main__":
    sys.exit(main())
