"""Cell table of the 2013 Leaf cell from the pulse tests: ``derive_cell_table.py TEST.csv=CELSIUS ... > table.csv``.

Input: logs of the ORNL tests (github batterysim/equiv-circ-model, MIT), one per temperature: rest one hour,
30 A discharge for 30 s, rest, 22.5 A charge for 10 s, then 3 Ah less, and again.
Output: open-circuit voltage after the one-hour rest, and resistance 10 s into the pulses, by state of charge.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def segments(path: Path) -> list[tuple[str, list[tuple[float, float, float, float]]]]:
    """Runs of one step: (mode, [(time_s, current_a, voltage_v, capacity_ah)])."""
    found: list[tuple[str, list[tuple[float, float, float, float]]]] = []
    last = None
    with path.open(encoding="utf-8") as file:
        for row in list(csv.reader(file))[1:]:
            key = (row[6], row[13])
            if key != last:
                found.append((row[13], []))
                last = key
            found[-1][1].append((float(row[1]), float(row[8]), float(row[9]), float(row[11])))
    return found


def cell_rows(path: Path, temperature_c: float) -> list[tuple[float, float, float, float, float]]:
    """(temperature_c, discharged_ah, ocv_v, discharge_ohm, charge_ohm) of every pulse pair."""
    runs = segments(path)
    rows = []
    discharged_ah = 0.0
    for index in range(1, len(runs) - 2):
        mode, pulse = runs[index]
        rest_mode, rest = runs[index - 1]
        is_pulse = mode == "DCHG" and abs(pulse[-1][1] + 30) < 0.5 and rest_mode == "REST" and len(rest) > 50
        if is_pulse and pulse[-1][0] - pulse[0][0] > 9:
            ocv = rest[-1][2]
            at_10_s = min(pulse, key=lambda point: abs(point[0] - pulse[0][0] - 9.5))
            before = runs[index + 1][1][-1][2]
            charge = runs[index + 2][1]
            charge_end = charge[-1]
            full_current = charge_end[1] > 20
            rows.append(
                (
                    temperature_c,
                    discharged_ah,
                    ocv,
                    (ocv - at_10_s[2]) / -at_10_s[1],
                    (charge_end[2] - before) / charge_end[1] if full_current else float("nan"),
                )
            )
        if mode == "DCHG":
            discharged_ah += -pulse[-1][3]
        elif mode == "CHRG":
            discharged_ah = max(discharged_ah - pulse[-1][3], 0.0) if pulse[-1][3] < 10 else 0.0
    return rows


def main() -> None:
    """Print the table."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(
        ["temperature_c", "discharged_ah", "ocv_v", "resistance_discharge_10s_ohm", "resistance_charge_10s_ohm"]
    )
    for argument in sys.argv[1:]:
        name, temperature = argument.split("=")
        for row in cell_rows(Path(name), float(temperature)):
            out.writerow([f"{value:.6g}" if value == value else "" for value in row])


if __name__ == "__main__":
    main()
