"""How good is the EV-share forecast? Hindcast of Japan and China beside naive forecasts.

    python benchmarks/hindcast.py [--out hindcast.csv]

Rolling origins 2018-2021, one, three and five years ahead, shares of the IEA Global EV Outlook 2025. ``model, known``
sees nothing after the origin; ``model, inputs`` is given chargers, subsidies and models on sale, but no share.
Persistence repeats the last share, growth continues the last three years', Bass is fitted to all shares from 2010 to
the origin (least squares of logs). Errors are absolute, in per cent of the actual share; bands are 80 %.
"""

import argparse
import csv
import sys

import numpy as np
from scipy.optimize import minimize

from teikei.market.adoption import forecast
from teikei.market.reference import ev_history

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


def natural_experiment():
    """Sakura and eK X EV in Japan, 2022: the share with and without the entry, seen from 2021."""
    shares = dict(ev_history("JP").select("year", "ev_share").iter_rows())
    without, with_entry = (forecast("JP", 2021, 2, inputs_known_to=known) for known in (2021, LAST))
    print("Japan, the first kei electric cars of June 2022, seen from 2021 (EV share, %):")
    for step, year in enumerate((2022, 2023)):
        low, high = np.quantile(with_entry[1:, step], [0.1, 0.9])
        print(
            f"  {year}: actual {100 * shares[year]:.2f}, without the entry {100 * without[0, step]:.2f}, "
            f"with it {100 * with_entry[0, step]:.2f} ({100 * low:.2f} - {100 * high:.2f})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    everything = [row for region in ("JP", "CN") for row in rows_of(region)]
    for region in ("JP", "CN"):
        print(f"{region}: median absolute error, % of the actual share (number of origins)")
        for model in MODELS:
            cells = []
            for horizon in HORIZONS:
                errors = [row[10] for row in everything if row[:2] == (region, model) and row[3] == horizon]
                cells.append(f"{horizon} y: {100 * np.median(errors):5.1f} ({len(errors)})")
            hits = [row[9] for row in everything if row[:2] == (region, model) and row[9] is not None]
            cover = f"   80 % band holds {sum(hits)} of {len(hits)}" if hits else ""
            print(f"  {model:14s} {'   '.join(cells)}{cover}")
    print("every forecast: region, model, origin, year, actual %, predicted %, band %")
    for region, model, origin, _, year, actual, predicted, low, high, _, _ in everything:
        if model.startswith("model"):
            band = f"{100 * low:.2f} - {100 * high:.2f}"
            print(f"  {region} {model:14s} {origin} {year} {100 * actual:6.2f} {100 * predicted:6.2f}   {band}")
    natural_experiment()
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
