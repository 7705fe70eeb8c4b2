"""EPA OMEGA 2.5.0 FRM check tables (evaluated from the source's own functions)."""

import pytest

from teikei.modules import costs, masses

# gross kWh, model year, NMC USD/kWh, LFP USD/kWh, NMC kg/kWh, LFP kg/kWh
BATTERY = [
    (20, 2023, 174.18, 169.86, 5.966, 7.823),
    (40, 2027, 129.05, 114.07, 4.565, 6.232),
    (60, 2030, 107.75, 95.37, 4.07, 5.73),
    (80, 2035, 83.66, 86.38, 3.818, 5.562),
    (100, 2025, 125.57, 111.37, 4.779, 6.248),
]


@pytest.mark.parametrize(("energy", "year", "nmc", "lfp", "nmc_mass", "lfp_mass"), BATTERY)
def test_battery_laws_reproduce_the_epa_tables(energy, year, nmc, lfp, nmc_mass, lfp_mass):
    assert costs.epa_frm_pack_usd_per_kwh("nmc", energy, year) == pytest.approx(nmc, abs=0.006)
    assert costs.epa_frm_pack_usd_per_kwh("lfp", energy, year) == pytest.approx(lfp, abs=0.006)
    assert masses.pack_mass_kg("nmc", energy, year).value / energy == pytest.approx(nmc_mass, abs=6e-4)
    assert masses.pack_mass_kg("lfp", energy, year).value / energy == pytest.approx(lfp_mass, abs=6e-4)


@pytest.mark.parametrize(("power", "total"), [(70, 1387.5), (150, 1577.0), (300, 1932.5)])
def test_drive_unit_of_an_suv_reproduces_the_epa_table(power, total):
    price = costs.e_axle_price(
        "epa_frm", motor_type="pm", peak_power_kw=power, gearbox_kg=26.0, suv=True, price_year=2022
    )
    assert price is not None
    assert price.currency == "USD"
    assert price.amount / costs.SUPPLIER_MARKUP == pytest.approx(total, abs=0.06)


@pytest.mark.parametrize(("year", "factor"), [(2023, 0.863), (2025, 0.737), (2028, 0.646), (2032, 0.580)])
def test_learning_factor_reproduces_epa(year, factor):
    assert costs.non_battery_learning(year) == pytest.approx(factor, abs=6e-4)


def test_oversizing_costs_much_more_on_the_curve_per_kilowatt():
    """The form of the curve decides; 150 -> 200 kW is 118 USD by FRM, 340 USD by NPRM (in their own money)."""

    def step(curve, year):
        prices = [
            costs.e_axle_price(curve, motor_type="pm", peak_power_kw=p, gearbox_kg=26.0, suv=True, price_year=year)
            for p in (150, 200)
        ]
        return (prices[1].amount - prices[0].amount) / costs.SUPPLIER_MARKUP

    assert step("epa_frm", 2022) == pytest.approx(118.5, abs=0.1)
    assert step("epa_nprm", 2019) == pytest.approx(339.5, abs=0.1)


def test_out_of_range_is_said():
    assert "outside" in masses.pack_mass_kg("nmc", 150.0, 2026).warning
    assert masses.pack_mass_kg("nmc", 60.0, 2026).warning == ""
