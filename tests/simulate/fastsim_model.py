"""FASTSim's powertrain (one-dimensional efficiencies) written as a loss table, to be run by our kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from teikei.simulate.cycles import cycle
from teikei.simulate.fleet import Fleet, plain

REFERENCE = Path(__file__).parent / "data" / "fastsim_3_1_reference.json"
GRAVITY = 9.80665
DENSITY_AT_400_FT = 0.9774  # FASTSim corrects air density to 400 ft by default; its record shows sea level


def reference() -> list[dict[str, Any]]:
    return json.loads(REFERENCE.read_text("utf-8"))


def motor_efficiency(motor: dict[str, Any], part: np.ndarray) -> np.ndarray:
    """Efficiency at a part of the greatest power: linear, or in steps (the lower node's) where the file says so."""
    if not motor.get("step"):
        return np.interp(part, motor["x"], motor["y"])
    node = np.clip(np.searchsorted(motor["x"], part, side="right") - 1, 0, len(motor["x"]) - 1)
    return np.array(motor["y"])[node]


def at_the_terminals(record: dict[str, Any]) -> tuple[float, float]:
    """Energy at the battery's terminals, J: by our kernel with FASTSim's efficiencies, and FASTSim's own."""
    ours = plain(fleet_of({**record, "battery_efficiency": {"constant": 1.0}}), cycle(record["cycle"]))[0]
    return float(ours[7]), record["battery_energy_j"] - record["battery_loss_j"]


def fleet_of(record: dict[str, Any], *, density: float = DENSITY_AT_400_FT, regen_at_power: bool = False) -> Fleet:
    """The car of one FASTSim record with its efficiencies as a table of losses (battery loss in the table too).

    density: relative to its record. regen_at_power: read the motor's efficiency at the braking power.
    """
    speed = np.linspace(0.0, 40.0, 321)
    force = np.linspace(-8000.0, 8000.0, 1601)
    wheel = speed[:, None] * force[None, :]
    gear = record["transmission_efficiency"]["constant"]
    battery = record["battery_efficiency"]["constant"]
    motor = record["motor_efficiency"]
    shaft = np.where(wheel >= 0, wheel / gear, wheel * gear)
    # braking: FASTSim 3.1 reads the efficiency at power fraction zero, whatever the power (seen in its histories)
    at_power = motor_efficiency(motor, np.abs(shaft) / record["motor_power_w"])
    efficiency = at_power if regen_at_power else np.where(shaft >= 0, at_power, motor["y"][0])
    electric = np.where(shaft >= 0, shaft / efficiency, shaft * efficiency)
    chemical = np.where(electric >= 0, electric / battery, electric * battery)
    inertia = record["mass_kg"] + record["wheel_inertia_kgm2"] / record["wheel_radius_m"] ** 2
    area = record["drag_coefficient"] * record["frontal_area_m2"]
    huge = np.full((1, len(speed)), 1e9)
    return Fleet(
        f0_n=np.array([record["rolling_resistance"] * record["mass_kg"] * GRAVITY]),
        f1_n_per_mps=np.zeros(1),
        f2_n_per_mps2=np.array([0.5 * record["air_density_kg_per_m3"] * density * area]),
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
