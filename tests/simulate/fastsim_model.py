"""FASTSim's powertrain (one-dimensional efficiencies) written as a loss table, to be run by our kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from teikei.simulate.fleet import Fleet

REFERENCE = Path(__file__).parent / "data" / "fastsim_3_1_reference.json"
GRAVITY = 9.80665
DENSITY_AT_400_FT = 0.9774  # FASTSim corrects air density to 400 ft by default; its record shows sea level


def reference() -> list[dict[str, Any]]:
    return json.loads(REFERENCE.read_text("utf-8"))


def fleet_of(record: dict[str, Any]) -> Fleet:
    """The car of one FASTSim record with its efficiencies as a table of losses (battery loss in the table too)."""
    speed = np.linspace(0.0, 40.0, 129)
    force = np.linspace(-8000.0, 8000.0, 801)
    wheel = speed[:, None] * force[None, :]
    gear = record["transmission_efficiency"]["constant"]
    battery = record["battery_efficiency"]["constant"]
    motor = record["motor_efficiency"]
    shaft = np.where(wheel >= 0, wheel / gear, wheel * gear)
    # braking: FASTSim 3.1 reads the efficiency at power fraction zero, whatever the power (seen in its histories)
    efficiency = np.where(
        shaft >= 0, np.interp(np.abs(shaft) / record["motor_power_w"], motor["x"], motor["y"]), motor["y"][0]
    )
    electric = np.where(shaft >= 0, shaft / efficiency, shaft * efficiency)
    chemical = np.where(electric >= 0, electric / battery, electric * battery)
    inertia = record["mass_kg"] + record["wheel_inertia_kgm2"] / record["wheel_radius_m"] ** 2
    area = record["drag_coefficient"] * record["frontal_area_m2"]
    huge = np.full((1, len(speed)), 1e9)
    return Fleet(
        f0_n=np.array([record["rolling_resistance"] * record["mass_kg"] * GRAVITY]),
        f1_n_per_mps=np.zeros(1),
        f2_n_per_mps2=np.array([0.5 * record["air_density_kg_per_m3"] * DENSITY_AT_400_FT * area]),
        inertia_kg=np.array([inertia]),
        auxiliary_w=np.array([record["auxiliary_w"] / battery]),
        regen=np.array([[1.0, -1.0, 0.0, 1e6]]),
        pack_index=np.zeros(1, dtype=np.int64),
        table_index=np.zeros(1, dtype=np.int64),
        soc_start=np.array([0.9]),
        resistance_factor=np.ones(1),
        discharge_limit_w=np.array([1e9]),
        charge_limit_w=np.array([1e9]),
        losses_w=(chemical - wheel)[None],
        top_speed_mps=np.array([40.0]),
        force_limit_n=np.array([8000.0]),
        drive_force_n=huge,
        brake_force_n=huge,
        ocv_v=np.full((1, 3), 400.0),
        resistance_ohm=np.full((1, 3), 1e-9),
        charge_c=np.array([1e6]),
    )
