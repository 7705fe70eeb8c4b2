"""1 Hz traces of the cycles that are tables of operations: ``derive_ece_cycles.py FOLDER`` writes nedc.csv, midc.csv.

UN Regulation 83, annex 4a, tables 1 and 2 (elementary urban cycle four times, extra-urban cycle); India's Modified
Indian Driving Cycle is the same with the extra-urban part held to 90 km/h (Central Motor Vehicles Rules, rule 115,
annexure, tables I and II). Speed is linear within an operation; while gears are changed it stays, but for the last
change before the third stop, where the car slows from 35 to 32 km/h.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

Operations = list[tuple[int, float]]  # seconds, speed at the end in km/h

URBAN: Operations = [
    *[(11, 0), (4, 15), (8, 15), (2, 10), (3, 0), (21, 0)],
    *[(5, 15), (2, 15), (5, 32), (24, 32), (8, 10), (3, 0), (21, 0)],
    *[(5, 15), (2, 15), (9, 35), (2, 35), (8, 50), (12, 50), (8, 35), (13, 35), (2, 32), (7, 10), (3, 0), (7, 0)],
]
TO_70: Operations = [
    *[(20, 0), (5, 15), (2, 15), (9, 35), (2, 35), (8, 50), (2, 50), (13, 70), (50, 70), (8, 50), (69, 50), (13, 70)],
    (50, 70),
]
EXTRA_URBAN: Operations = [*TO_70, (35, 100), (30, 100), (20, 120), (10, 120), (16, 80), (8, 50), (10, 0), (20, 0)]
TO_90: Operations = [*TO_70, (24, 90), (83, 90), (4, 80), (8, 50), (10, 0), (20, 0)]
CYCLES = {"nedc": 4 * URBAN + EXTRA_URBAN, "midc": 4 * URBAN + TO_90}


def main() -> None:
    for name, operations in CYCLES.items():
        ends = np.cumsum([0, *(seconds for seconds, _ in operations)])
        speeds = [0.0, *(speed for _, speed in operations)]
        time = np.arange(ends[-1] + 1)
        trace = np.interp(time, ends, speeds) / 3.6
        lines = ["time_s,speed_mps", *(f"{t},{v:.6f}" for t, v in zip(time, trace, strict=True))]
        (Path(sys.argv[1]) / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
