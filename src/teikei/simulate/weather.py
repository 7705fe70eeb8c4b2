"""What the outside temperature does to a car: air, tyres, cells, cabin, and the cooling of its motors.

From 20 to 25 °C nothing changes; below and above it everything does so without a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from teikei.modules.packs import cold_share
from teikei.modules.types import Pack

NEITHER_C: Final = (20.0, 25.0)  # neither heating nor cooling
ROLLING_PER_K: Final = 8.6e-3  # K0 of UN GTR 15 Annex 4: rolling resistance correction per kelvin
CABIN_LOSS_W_PER_K: Final = 70.0  # heat through the body and with fresh air (assumption, 45 kei to 110 large)
HEAT_PUMP_COP: Final = 1.8  # at -7 °C, with the resistance heater's part (assumption, 1 to 2.2)
SUN_W: Final = 800.0  # through glass and roof from 35 °C up, less in proportion below (assumption, 400 to 1,200)
COOLING_COP: Final = 1.5  # with fans and pump (assumption, 1.2 to 2.5)
WINDING_LIMIT_C: Final = 155.0  # insulation class F
COOLANT_C: Final = 65.0  # at which continuous ratings are stated (assumption), 40 K above the air


@dataclass(frozen=True)
class Weather:
    """Outside temperature, °C, of a test or a drive; the cells are as cold as the air."""

    temperature_c: float = 23.0

    @property
    def below_k(self) -> float:
        """Kelvins below 20 °C."""
        return max(NEITHER_C[0] - self.temperature_c, 0.0)

    @property
    def above_k(self) -> float:
        """Kelvins above 25 °C."""
        return max(self.temperature_c - NEITHER_C[1], 0.0)

    @property
    def rolling_factor(self) -> float:
        """On f0: tyres roll harder in the cold and easier in the heat."""
        return 1.0 + ROLLING_PER_K * (self.below_k - self.above_k)

    @property
    def air_factor(self) -> float:
        """On f2: density of the air against that between 20 and 25 °C."""
        kelvin = 273.15 + self.temperature_c
        return (kelvin + self.below_k - self.above_k) / kelvin

    @property
    def cabin_w(self) -> float:
        """Electric power that heats or cools the cabin, W."""
        heat = CABIN_LOSS_W_PER_K * self.below_k / HEAT_PUMP_COP
        sun = SUN_W * min(self.above_k / 10.0, 1.0)
        return heat + (CABIN_LOSS_W_PER_K * self.above_k + sun) / COOLING_COP

    @property
    def continuous_factor(self) -> float:
        """On continuous ratings in the heat: loss, about torque squared, goes with the rise left to the winding."""
        rise = WINDING_LIMIT_C - COOLANT_C
        return float(max((rise - self.above_k) / rise, 0.0) ** 0.5)

    def resistance_factor(self, pack: Pack) -> float:
        """On the cells' resistance."""
        return float(pack.cold_resistance_factor ** cold_share(self.temperature_c))

    def discharge_factor(self, pack: Pack) -> float:
        """On the power that the cells' rate allows, driving."""
        return float(pack.cold_power_factor ** cold_share(self.temperature_c))

    def charge_factor(self, pack: Pack) -> float:
        """On the power that the cells' rate allows, braking and charging, cells not heated before."""
        return float(pack.cold_charge_factor ** cold_share(self.temperature_c))


MILD: Final = Weather()
