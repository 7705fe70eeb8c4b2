"""One car with one configuration, as the simulation sees it: masses, road load, powertrain, pack, all SI."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from teikei.modules.types import Array, EAxle, Pack
from teikei.simulate.powertrain import WheelTable, axle_force_limit_n
from teikei.simulate.weather import MILD, Weather
from teikei.units import AIR_DENSITY_KG_PER_M3, DRIVER_MASS_KG, GRAVITY_MPS2

WHEEL_INERTIA_SHARE: Final = 0.03  # rotating mass of the wheels and gear, of kerb mass (UN GTR 15 Annex 4: 3 %)
LUGGAGE_KG: Final = 25.0
EPA_LOAD_KG: Final = 136.0  # 300 lb: loaded vehicle weight, 40 CFR 86.1803
FIXED_LOAD_KG: Final = {
    **dict.fromkeys(("udds", "hwfet", "us06", "sc03", "ftp75", "cold_ftp", "epa_label"), EPA_LOAD_KG),
    "nedc": 100.0,  # reference mass, UN Regulation 83
    "midc": 150.0,  # reference mass of the Indian rules (assumption: not checked against the official text)
}
WLTP_PAYLOAD_SHARE: Final = 0.15  # of the remaining load, UN GTR 15 Annex 4 (M1)
FRONT_SHARE: Final = {"fwd": 0.58, "rwd": 0.49, "awd": 0.51}  # of kerb mass on the front axle (assumption)
PAYLOAD_FRONT_SHARE: Final = 0.30  # of payload (assumption)
HEIGHT_OVER_WHEELBASE: Final = 0.21  # centre of gravity, packs under the floor (assumption, 0.19 to 0.25)
TYRE_GRIP: Final = 0.95  # dry asphalt (assumption, 0.85 to 1.0)
TORQUE_RISE_S: Final = 0.15  # from rest to full torque (assumption)


@dataclass(frozen=True)
class Car:
    """A programme's version with its modules. Road load holds at ``road_load_mass_kg``."""

    drive: str
    kerb_mass_kg: float
    payload_kg: float
    f0_n: float
    f1_n_per_mps: float
    f2_n_per_mps2: float
    road_load_mass_kg: float
    tyre_radius_m: float
    auxiliary_power_w: float
    charger_efficiency: float
    axles: tuple[tuple[str, EAxle], ...]
    table: WheelTable
    pack: Pack
    top_speed_limit_mps: float = math.inf  # of the governor

    @property
    def rotating_mass_kg(self) -> float:
        """Equivalent mass of wheels and rotors, kg."""
        rotors = sum(e.rotor_inertia_kgm2 * (e.gear_ratio / self.tyre_radius_m) ** 2 for _, e in self.axles)
        return WHEEL_INERTIA_SHARE * self.kerb_mass_kg + rotors

    def test_mass_kg(self, procedure: str, loading: str = "driver") -> float:
        """Mass of the named procedure; with ``loading`` gross the gross mass, whatever the procedure.

        EPA: kerb + 136 kg. NEDC and MIDC: the reference mass, kerb + 100 kg and + 150 kg. WLTP, JC08: kerb + driver +
        25 kg + 15 % of the remaining load.
        """
        if loading == "gross":
            return self.loaded_mass_kg(loading)
        if procedure in FIXED_LOAD_KG:
            return self.kerb_mass_kg + FIXED_LOAD_KG[procedure]
        remaining = max(self.payload_kg - DRIVER_MASS_KG - LUGGAGE_KG, 0.0)
        return self.kerb_mass_kg + DRIVER_MASS_KG + LUGGAGE_KG + WLTP_PAYLOAD_SHARE * remaining

    def loaded_mass_kg(self, loading: str) -> float:
        """Kerb + driver, or gross mass."""
        return self.kerb_mass_kg + (self.payload_kg if loading == "gross" else DRIVER_MASS_KG)

    def road_load(self, mass_kg: float, weather: Weather = MILD) -> tuple[float, float, float]:
        """f0, f1, f2 at a mass and in a weather: rolling resistance goes with mass, the rest stays."""
        return (
            self.f0_n * weather.rolling_factor * mass_kg / self.road_load_mass_kg,
            self.f1_n_per_mps,
            self.f2_n_per_mps2 * weather.air_factor,
        )

    def front_share(self, loading: str) -> float:
        """Static share of weight on the front axle."""
        load = self.payload_kg if loading == "gross" else DRIVER_MASS_KG
        share = PAYLOAD_FRONT_SHARE if loading == "gross" else 0.5
        mass = self.kerb_mass_kg + load
        return (FRONT_SHARE[self.drive] * self.kerb_mass_kg + share * load) / mass

    def force_curve_n(
        self,
        *,
        state_of_charge: float,
        continuous: bool = False,
        at_minimum_voltage: bool = False,
        weather: Weather = MILD,
    ) -> tuple[Array, Array]:
        """Speed nodes (m/s) and driving force limit (N) with the pack's voltage under load and its power limit.

        Continuous ratings fall in the heat, the pack's power in the cold (``weather``).
        """
        speed = self.table.speed_mps
        pack = self.pack
        ocv = float(np.interp(state_of_charge, pack.soc, pack.open_circuit_voltage_v))
        ohm = float(np.interp(state_of_charge, pack.soc, pack.resistance_ohm)) * weather.resistance_factor(pack)
        rate_limit = pack.peak_discharge_power_w * weather.discharge_factor(pack)
        most = 0.95 * ocv * ocv / (4.0 * ohm)
        rating = sum(e.continuous_power_w if continuous else e.peak_power_w for _, e in self.axles)
        wanted = min(1.1 * rating, most, rate_limit)
        voltage = pack.voltage_min_v if at_minimum_voltage else 0.5 * (ocv + np.sqrt(ocv * ocv - 4.0 * ohm * wanted))
        force = np.sum(
            [
                axle_force_limit_n(e, speed, self.tyre_radius_m, voltage_v=voltage, continuous=continuous)
                for _, e in self.axles
            ],
            axis=0,
        )
        if continuous:
            force = force * weather.continuous_factor
        electric = min(most, rate_limit) - self.auxiliary_power_w
        loss = self.table.loss_at_nodes_w(force)
        return speed, force * np.minimum(1.0, electric / np.maximum(force * speed + loss, 1.0))


def road_load_of(
    programme: Mapping[str, Any], kerb_mass_kg: float, drag_area_m2: float | None = None
) -> tuple[float, float, float, float]:
    """f0, f1, f2 and the mass they hold at, from the programme's coefficients or its Cd A and rolling resistance.

    Coefficients without a mass are taken to hold at kerb mass + driver + 25 kg. Cd A: f0 = Crr m g, f2 = rho/2 Cd A at
    the reference state of road-load tests. drag_area_m2: of a body that replaces the programme's Cd A; measured
    coefficients then change by rho/2 times the difference to the programme's own.
    """
    mass = kerb_mass_kg + DRIVER_MASS_KG + LUGGAGE_KG
    own_area = (programme["drag_coefficient"] or 0.0) * (programme["frontal_area_m2"] or 0.0)
    if programme["f0_n"] is not None and programme["f2_n_per_mps2"] is not None:
        return (
            programme["f0_n"],
            programme["f1_n_per_mps"] or 0.0,
            programme["f2_n_per_mps2"] + 0.5 * AIR_DENSITY_KG_PER_M3 * ((drag_area_m2 or own_area) - own_area),
            programme["road_load_mass_kg"] or mass,
        )
    area = drag_area_m2 or own_area
    return programme["rolling_resistance"] * mass * GRAVITY_MPS2, 0.0, 0.5 * AIR_DENSITY_KG_PER_M3 * area, mass
