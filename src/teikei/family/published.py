"""The thermal network beside published continuous and 30-minute ratings (data/motors/thermal_ratings.csv)."""

from __future__ import annotations

from math import pi

import numpy as np
import polars as pl

from teikei.family.thermal import CONDUCTANCE_SCALE, heat_w, network, ratings
from teikei.modules.data_files import reference_rows
from teikei.modules.e_axles import build_e_axle
from teikei.modules.specification import family_lamination_mm
from teikei.tables.columns import all_columns


def beside_published(scale: float = CONDUCTANCE_SCALE) -> pl.DataFrame:
    """drive, kind, published_kw, continuous_kw, thirty_minute_kw, ratio (of what the network holds to the published).

    Lamination and stack are the law's for the peak ratings; scale: of the conductances.
    """
    rows = []
    for row in reference_rows("motors", "thermal_ratings.csv"):
        torque, power = float(row["peak_torque_nm"]), 1000.0 * float(row["peak_power_kw"])
        ratings_of = {
            **dict.fromkeys(all_columns()["modules"]),
            "module": row["drive"],
            "family": row["drive"],
            "peak_power_kw": power / 1000.0,
            "peak_torque_nm": torque,
            "max_speed_rpm": max(float(row["max_speed_rpm"]), 1.01 * power / torque * 30.0 / pi),
            "motor_type": "pm",
            "inverter_switch": "si",
        }
        e_axle, _ = build_e_axle(ratings_of, 0.0)
        diameter, per_torque = family_lamination_mm([(e_axle, "pm")])
        inverter_w = float(heat_w(e_axle, np.array(torque), np.array(power / torque), "si")[3])
        thermal = network(diameter, per_torque * torque, inverter_peak_w=inverter_w, switch="si", scale=scale)
        held = ratings(e_axle, thermal, "si")
        published = float(row["held_power_kw"])
        own = held.continuous_power_w if row["kind"].startswith("continuous") else held.thirty_minute_power_w
        rows.append(
            {
                "drive": row["drive"],
                "kind": row["kind"],
                "published_kw": published,
                "continuous_kw": held.continuous_power_w / 1000.0,
                "thirty_minute_kw": held.thirty_minute_power_w / 1000.0,
                "ratio": own / 1000.0 / published,
            }
        )
    return pl.DataFrame(rows)
