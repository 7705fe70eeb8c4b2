"""The thermal network: balance, limits, and what is published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teikei.family.published import beside_published
from teikei.family.thermal import COPPER_PER_K, LOSS_MAP_WINDING_C, ThermalNetwork, heat_w, network, ratings
from teikei.modules.e_axles import build_e_axle
from teikei.modules.losses import loss_w
from teikei.modules.types import EAxle
from teikei.tables.columns import all_columns


def e_axle(**more: object) -> EAxle:
    row = {
        **dict.fromkeys(all_columns()["modules"]),
        "module": "E",
        "family": "E",
        "peak_power_kw": 120.0,
        "peak_torque_nm": 280.0,
        "max_speed_rpm": 13000.0,
        **more,
    }
    return build_e_axle(row, 100.0)[0]


def own_network(**more: float) -> ThermalNetwork:
    return network(230.0, 200.0, inverter_peak_w=3100.0, switch="si", **more)


def test_heat_is_the_loss_of_the_equation() -> None:
    axle = e_axle()
    torque, speed = np.meshgrid(np.linspace(-280.0, 280.0, 9), np.linspace(0.0, 1300.0, 7))
    parts = heat_w(axle, torque, speed, "si")
    whole = loss_w(
        axle.coefficients,
        torque,
        speed,
        peak_torque_nm=axle.peak_torque_nm,
        peak_power_w=axle.machine_power_w,
    )
    assert (parts >= 0).all()
    np.testing.assert_allclose(parts.sum(axis=-1), whole, rtol=1e-12)


def test_what_flows_in_flows_out_when_it_has_settled() -> None:
    thermal = own_network()
    heat = np.array([1500.0, 600.0, 200.0, 900.0])
    winding, stator, rotor, junction = thermal.steady_c(heat)
    copper = heat[0] * (1.0 + COPPER_PER_K * (winding - LOSS_MAP_WINDING_C))
    assert thermal.coolant_w_per_k * (stator - 65.0) == pytest.approx(copper + heat[1] + heat[2])
    assert thermal.rotor_w_per_k * (rotor - stator) == pytest.approx(heat[2])
    assert thermal.junction_w_per_k * (junction - 65.0) == pytest.approx(heat[3])


def test_a_long_run_ends_where_it_settles() -> None:
    thermal = own_network()
    heat = np.array([1200.0, 600.0, 150.0, 900.0])
    np.testing.assert_allclose(thermal.run_c(heat[None, :], [40_000.0])[-1], thermal.steady_c(heat), rtol=1e-6)


def test_copper_that_warms_itself_without_end_is_not_held() -> None:
    thermal = own_network()
    assert not thermal.within(np.array([1e6, 0.0, 0.0, 0.0]))


def test_ratings_fall_in_order_and_with_hotter_coolant() -> None:
    axle = e_axle()
    held = ratings(axle, own_network(), "si")
    assert 0 < held.continuous_power_w <= held.pass_power_w <= axle.peak_power_w
    assert held.continuous_power_w <= held.thirty_minute_power_w <= axle.peak_power_w
    hot = ratings(axle, own_network(coolant_c=85.0), "si")
    assert hot.continuous_power_w < held.continuous_power_w
    assert hot.thirty_minute_power_w <= held.thirty_minute_power_w
    assert hot.launches <= held.launches


def test_more_peak_than_the_machine_bears_is_held_for_less_time() -> None:
    weak = replace(own_network(), winding_w_per_k=20.0, capacity_j_per_k=(800.0, 8000.0, 4000.0))
    held = ratings(e_axle(), weak, "si")
    assert held.peak_torque_s < ratings(e_axle(), own_network(), "si").peak_torque_s


def test_published_ratings_are_met_in_the_median() -> None:
    ratio = beside_published()["ratio"].to_numpy()
    assert len(ratio) == 23
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    low, high = np.quantile(ratio, [0.1, 0.9])
    assert low > 0.65
    assert high < 1.45
