"""Per-unit loss coefficients of measured motor maps: ``derive_motor_losses.py FOLDER > loss_fits.csv``.

FOLDER holds ADVISOR 2003 maps (NREL) of motor and controller (MC_*.csv: speed_rad_s, torque_Nm, efficiency). Only maps
that ADVISOR marks as tested or as maker's data are used. The maps themselves are not shipped.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from teikei.modules.losses import basis, fit_coefficients

MAPS = {
    "MC_PM100_UQM": "UQM PowerPhase 100, PM, maker's map",
    "MC_AC75": "Westinghouse AC75, induction, tested",
    "MC_AC62": "62 kW induction, tested (Menne, EVS-15)",
    "MC_PRIUS_JPN": "Prius (Japan), PM, tested",
}
NAMES = (
    "constant",
    "speed",
    "speed_squared",
    "torque",
    "torque_speed",
    "torque_squared",
    "torque_squared_speed",
    "flux_weakening",
)


def main() -> None:
    folder = Path(sys.argv[1])
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(
        ["map", "what", "peak_torque_nm", "peak_power_w", "points", *NAMES, "mean_relative_error", "rms_error_of_peak"]
    )
    for name, what in MAPS.items():
        rows = list(csv.DictReader((folder / f"{name}.csv").open(encoding="utf-8")))
        speed, torque, efficiency = (np.array([float(row[c]) for row in rows]) for c in rows[0])
        limit = folder / f"{name}_maxtorque.csv"
        power = np.abs(speed * torque)
        keep = (speed > 0) & (torque != 0) & (efficiency > 0.05)
        peak_torque, peak_power = float(np.abs(torque).max()), 0.6 * float(power.max())
        if limit.exists():
            curve = [[float(v) for v in row.values()] for row in csv.DictReader(limit.open(encoding="utf-8"))]
            peak_torque, peak_power = max(t for _, t in curve), max(w * t for w, t in curve)
        keep &= power <= 1.02 * peak_power
        speed, torque, efficiency, power = speed[keep], torque[keep], efficiency[keep], power[keep]
        loss = np.where(torque > 0, power * (1 / efficiency - 1), power * (1 - efficiency))
        fit = fit_coefficients(torque, speed, loss, peak_torque_nm=peak_torque, peak_power_w=peak_power, source=what)
        values = [getattr(fit, c) for c in NAMES]
        model = basis(torque, speed, peak_torque_nm=peak_torque, peak_power_w=peak_power) @ np.array(values)
        errors = np.abs(model / loss - 1).mean(), np.sqrt(((model - loss) ** 2).mean()) / peak_power
        out.writerow(
            [name, what, f"{peak_torque:.6g}", f"{peak_power:.6g}", len(loss)]
            + [f"{v:.4g}" for v in values]
            + [f"{e:.4f}" for e in errors]
        )


if __name__ == "__main__":
    main()
