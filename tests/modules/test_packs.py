import numpy as np
import pytest

from teikei.modules.data_files import reference_rows
from teikei.modules.packs import (
    LEAF_CELL_CAPACITY_AH,
    SOC_GRID,
    build_pack,
    dc_charge_time_s,
    discharge_power_limit_w,
    leaf_cell,
)
from tests.simulate.small_study import small_study


def pack(module="B78"):
    row = next(r for r in small_study()["modules"].iter_rows(named=True) if r["module"] == module)
    return build_pack(row, 400.0)[0]


@pytest.mark.parametrize("temperature_c", [10.0, 25.0, 40.0])
def test_cell_resistance_is_the_measured_one_at_the_measured_temperatures(temperature_c):
    _, ohm = leaf_cell(temperature_c)
    rows = [
        r for r in reference_rows("cells", "leaf_2013_pulse_tests.csv") if float(r["temperature_c"]) == temperature_c
    ]
    for row in rows[1:-1]:
        soc = 1 - float(row["discharged_ah"]) / LEAF_CELL_CAPACITY_AH
        assert np.interp(soc, SOC_GRID, ohm) == pytest.approx(float(row["resistance_discharge_10s_ohm"]), rel=0.06)


def test_resistance_rises_in_the_cold():
    values = [leaf_cell(t)[1][10] for t in (40.0, 25.0, 10.0, 0.0, -10.0, -20.0)]
    assert values == sorted(values)
    assert 2.5 < values[4] / values[1] < 4.0


def test_integral_of_the_open_circuit_voltage_is_the_gross_energy():
    p = pack()
    charge = p.gross_energy_j / np.mean(p.open_circuit_voltage_v[1:])
    assert np.trapezoid(p.open_circuit_voltage_v, p.soc) * charge == pytest.approx(p.gross_energy_j, rel=0.01)


def test_charging_at_constant_power_takes_energy_over_power():
    p = pack()
    station = 20e3  # far below the charge curve: constant terminal power
    time = dc_charge_time_s(p, 0.1, 0.8, station)
    ideal = 0.7 * p.usable_energy_j / station
    assert ideal < time < 1.01 * ideal  # the rest is resistance loss


def test_discharge_power_falls_with_temperature_and_charge():
    p = pack("B20")
    warm, cold = (
        discharge_power_limit_w(p, 0.5),
        discharge_power_limit_w(p, 0.5, resistance_factor=p.cold_resistance_factor, rate_factor=p.cold_power_factor),
    )
    assert cold < warm
    assert discharge_power_limit_w(p, 0.05) <= discharge_power_limit_w(p, 0.5)
