"""Conversions between the units people write and the SI that the simulation uses."""

from __future__ import annotations

from typing import Final

KMH_PER_MPS: Final = 3.6
J_PER_KWH: Final = 3.6e6
J_PER_WH: Final = 3600.0
GRAVITY_MPS2: Final = 9.80665
AIR_DENSITY_KG_PER_M3: Final = 1.189  # 20 °C, 100 kPa: the reference state of road-load tests
DRIVER_MASS_KG: Final = 75.0
MILLION: Final = 1e6


def kmh_to_mps(speed_kmh: float) -> float:
    """Speed in m/s from km/h."""
    return speed_kmh / KMH_PER_MPS


def mps_to_kmh(speed_mps: float) -> float:
    """Speed in km/h from m/s."""
    return speed_mps * KMH_PER_MPS
