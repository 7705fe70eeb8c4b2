"""Runs in an environment of its own with fastsim 3.1 (it pins other versions): energies and speed of its bundled BEVs.

python -m venv .venv-oracle && .venv-oracle/bin/pip install fastsim==3.1.0
.venv-oracle/bin/python benchmarks/fastsim_reference.py > fastsim_3_1_reference.json   (kept in tests/simulate/data)

With ``--speed SECONDS``: UDDS simulations per CPU second instead.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import fastsim

warnings.filterwarnings("ignore")
VEHICLES = (
    "2022_Renault_Zoe_ZE50_R135.yaml",
    "2016 Nissan Leaf 30 kWh thrml.yaml",
    "2020 Chevrolet Bolt EV thrml.yaml",
    "2022 Tesla Model 3 RWD thrml.yaml",
)


def interpolated(block: Any) -> dict[str, Any]:
    if "Constant" in str(block)[:40] and isinstance(block, dict) and "Constant" in block:
        return {"constant": block["Constant"]}
    if isinstance(block, (int, float)):
        return {"constant": block}
    data = block.get("data", block)
    if isinstance(data, dict) and "grid" in data and len(data["grid"]) == 1:
        step = block.get("strategy") == {"Step": "Lower"}
        return {"x": data["grid"][0]["data"], "y": data["values"]["data"], "step": step}
    return {"other": True}


def run(name: str, cycle: str) -> dict[str, Any]:
    vehicle = fastsim.Vehicle.from_resource(name)
    vehicle.set_save_interval(None)
    parts = vehicle.to_dict()
    drive = fastsim.SimDrive(vehicle, fastsim.Cycle.from_resource(f"{cycle}.csv"))
    drive.walk_once()
    after = drive.to_dict()["veh"]
    bev = next(iter(after["pt_type"].values()))
    before = next(iter(parts["pt_type"].values()))
    state, res = after["state"], bev["res"]["state"]
    chassis = parts["chassis"]
    return {
        "vehicle": parts["name"],
        "cycle": cycle,
        "mass_kg": state["mass_kilograms"],
        "drag_coefficient": chassis["drag_coef"],
        "frontal_area_m2": chassis["frontal_area_square_meters"],
        "rolling_resistance": chassis["wheel_rr_coef"],
        "wheel_inertia_kgm2": chassis["wheel_inertia_kilogram_square_meters"] * chassis["num_wheels"],
        "wheel_radius_m": chassis["wheel_radius_meters"],
        "air_density_kg_per_m3": state["air_density_kilograms_per_cubic_meter"],
        "auxiliary_w": parts["pwr_aux_base_watts"],
        "motor_power_w": before["em"]["pwr_out_max_watts"],
        "motor_efficiency": interpolated(before["em"]["eff_interp_achieved"]),
        "transmission_efficiency": interpolated(before["transmission"]["eff_interp"]),
        "battery_efficiency": interpolated(before["res"]["eff_interp"]),
        "distance_m": state["dist_meters"],
        "drag_j": state["energy_drag_joules"],
        "rolling_j": state["energy_rr_joules"],
        "auxiliary_j": state["energy_aux_joules"],
        "friction_brake_j": state["energy_brake_joules"],
        "motor_loss_j": bev["em"]["state"]["energy_loss_joules"],
        "transmission_loss_j": bev["transmission"]["state"].get("energy_loss_joules"),
        "battery_loss_j": res["energy_loss_joules"],
        "battery_energy_j": res["energy_out_chemical_joules"],
        "soc_end": res["soc"],
    }


def speed(seconds: float) -> float:
    """UDDS simulations per CPU second, totals only."""
    vehicle = fastsim.Vehicle.from_resource(VEHICLES[0])
    vehicle.set_save_interval(None)
    cycle = fastsim.Cycle.from_resource("udds.csv")
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        fastsim.SimDrive(vehicle, cycle).walk_once()
        count += 1
    return count / (time.process_time() - start)


def main() -> None:
    if "--speed" in sys.argv:
        print(json.dumps({"udds_per_cpu_second": speed(float(sys.argv[sys.argv.index("--speed") + 1]))}))
        return
    print(json.dumps([run(name, cycle) for name in VEHICLES for cycle in ("udds", "hwfet")], indent=1))


if __name__ == "__main__":
    main()
