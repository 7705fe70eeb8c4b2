import polars as pl
import pytest

from teikei.errors import StudyError
from teikei.modules import catalogue
from teikei.modules.losses import loss_w
from teikei.modules.types import LossCoefficients
from tests.simulate.small_study import small_study


@pytest.fixture(scope="module")
def result():
    return catalogue(small_study())


def test_slots_split_at_the_facelift_and_start_with_the_horizon(result):
    slots = {row["slot"]: (row["first_year"], row["last_year"]) for row in result.slots.iter_rows(named=True)}
    assert slots == {
        "P/G1/std/1": (2027, 2027),
        "P/G1/awd/1": (2027, 2027),
        "P/G1/std/2": (2028, 2030),
        "P/G1/awd/2": (2028, 2030),
        "K/G1/std/1": (2027, 2028),
        "K/G2/std/1": (2029, 2030),
    }


def test_slots_without_units_are_left_out():
    volumes = [
        {"programme": "P", "generation": "G1", "company": "A", "plant": "X", "region": "JP", "year": 2029, "units": u}
        for u in (5.0,)
    ]
    assert catalogue(small_study(volumes=volumes)).slots["slot"].to_list() == ["P/G1/std/2", "P/G1/awd/2"]


def test_candidates_are_the_product_of_the_modules_that_fit(result):
    counts = dict(result.candidates.group_by("slot").agg(pl.col("candidate").n_unique()).iter_rows())
    assert counts["P/G1/std/1"] == 2
    assert counts["P/G1/awd/1"] == 4  # front x rear
    assert counts["K/G1/std/1"] == 4
    assert set(result.candidates.filter(pl.col("slot") == "K/G1/std/1")["module"]).isdisjoint({"E160", "B78"})


def test_incumbent_is_candidate_zero_in_its_own_generation_only(result):
    first = result.candidates.filter((pl.col("slot") == "K/G1/std/1") & (pl.col("candidate") == 0))
    assert dict(first.select("position", "module").iter_rows()) == {
        "front": "E47",
        "pack": "B20",
        "charger": "I6",
        "platform": "PF",
    }
    assert dict(first.select("position", "existing").iter_rows())["pack"]
    assert not result.candidates.filter(pl.col("slot") == "K/G2/std/1")["existing"].any()


def test_every_rating_mass_and_price_is_filled_with_its_law(result):
    row = result.table.filter(pl.col("module") == "E160").row(0, named=True)
    assert row["peak_torque_nm"] > 0
    assert row["continuous_power_kw"] < row["peak_power_kw"]
    assert "assumption" in row["notes"]
    assert row["curve_price_low"] <= row["curve_price"] <= row["curve_price_high"]
    assert row["curve"] == "epa_frm"
    lfp = result.table.filter(pl.col("module") == "B31").row(0, named=True)
    assert "no measured source" in lfp["notes"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"continuous_power_kw": 200.0}, "continuous rating cannot exceed the peak"),
        ({"peak_torque_nm": 60.0, "max_speed_rpm": 12000.0}, "envelope does not cover"),
        ({"voltage_min_v": 400.0, "voltage_nominal_v": 350.0}, "voltages must rise"),
        ({"peak_power_kw": None}, "needs its peak power"),
        ({"charger_efficiency": 1.02}, "efficiency 1.02 is above one"),
        ({"continuous_torque_nm": 500.0, "peak_torque_nm": 400.0}, "continuous rating cannot exceed the peak"),
        ({"voltage_max_v": 300.0, "voltage_nominal_v": 350.0}, "voltages must rise"),
    ],
)
def test_impossible_modules_are_refused_with_place_and_reason(change, words):
    rows = small_study()["modules"].rows(named=True)
    rows[0] = {**rows[0], **change}
    with pytest.raises(StudyError, match=words) as caught:
        catalogue(small_study(modules=rows))
    assert "E160" in str(caught.value)


def test_pack_window_above_capacity_is_refused():
    rows = small_study()["modules"].rows(named=True)
    rows[4] = {**rows[4], "usable_energy_kwh": 90.0}
    with pytest.raises(StudyError, match="energy window"):
        catalogue(small_study(modules=rows))


def test_a_car_without_a_module_for_a_position_is_named():
    rows = [row for row in small_study()["modules"].rows(named=True) if row["module"] not in ("E47", "E70")]
    with pytest.raises(StudyError, match="no module of front fits segment 'kei'"):
        catalogue(small_study(modules=rows, existing=[]))


def test_unknown_cost_curve_is_refused():
    study = small_study()
    with pytest.raises(StudyError, match="unknown cost curve 'magic'"):
        catalogue(type(study)(study.settings.model_copy(update={"cost_curve": "magic"}), study.tables, study.path))


def test_members_of_a_family_share_the_lamination_and_stack_goes_with_torque(result):
    rows = result.table.filter(pl.col("class") == "e-axle")
    assert rows["lamination_diameter_mm"].n_unique() == 1
    per_torque = rows["stack_length_mm"] / rows["peak_torque_nm"]
    assert per_torque.max() == pytest.approx(per_torque.min())
    assert (rows["turns_per_phase"].to_numpy() >= 8).all()


def test_designed_families_carry_every_field_of_the_model(result):
    needed = {
        "e-axle": [
            "lamination_diameter_mm", "stack_length_mm", "turns_per_phase", "winding", "pole_pairs", "gear_ratio",
            "voltage_max_v", "continuous_power_kw", "peak_power_kw", "loss_map", "nre", "tooling", "family_nre",
            "family_tooling", "application_nre", "application_tooling",
            "gear_torque_limit_nm", "voltage_min_v", "voltage_nominal_v", "phase_current_peak_a",
            "phase_current_continuous_a", "inverter_switch", "peak_torque_nm", "peak_torque_duration_s",
            "continuous_torque_nm", "peak_power_at_minimum_voltage_kw", "continuous_power_at_minimum_voltage_kw",
            "max_speed_rpm", "coolant_flow_l_per_min", "coolant_inlet_c", "mass_kg", "envelope_x_mm", "envelope_y_mm",
            "envelope_z_mm", "magnet_mass_kg", "interfaces", "carried_over", "curve_price",
        ],
        "pack": [
            "gross_energy_kwh", "usable_energy_kwh", "voltage_min_v", "voltage_max_v", "power_10_s_25c_kw",
            "power_10_s_minus_10c_kw", "power_10_s_by_charge", "charge_curve", "chemistry", "series_cells",
            "parallel_cells", "envelope_y_mm", "envelope_z_mm", "interfaces", "family_nre", "mass_kg", "volume_l",
            "envelope_x_mm", "dc_charge_power_kw", "cell_capacity_ah",
        ],
    }  # fmt: skip
    for name, columns in needed.items():
        part = result.table.filter(pl.col("class") == name)
        assert part.select(pl.col(columns).is_null().any()).row(0) == (False,) * len(columns)


def test_power_at_minimum_voltage_never_exceeds_the_rating(result):
    rows = result.table.filter(pl.col("class") == "e-axle")
    assert (rows["peak_power_at_minimum_voltage_kw"] <= rows["peak_power_kw"]).all()
    assert (rows["continuous_power_at_minimum_voltage_kw"] <= rows["continuous_power_kw"]).all()


def test_the_loss_map_of_a_design_is_its_loss_table(result):
    """The text of the design is enough to compute the table anew."""
    row = result.table.filter(pl.col("module") == "E160").row(0, named=True)
    head, *terms = row["loss_map"].split("; ")
    power, torque = (float(part.split(" = ")[1].split(" ")[0]) for part in head.split(" with ")[1].split(", "))
    coefficients = {name: float(value) for name, value in (term.split(" ") for term in terms)}
    axle = result.e_axles["E160"]
    again = loss_w(
        LossCoefficients(**coefficients, source=""),
        axle.loss.torque_nm[None, :],
        axle.loss.speed_radps[:, None],
        peak_torque_nm=torque,
        peak_power_w=power,
    )
    assert again == pytest.approx(axle.loss.at(axle.voltage_v), rel=1e-4)


def test_a_machine_far_from_the_law_s_sizes_is_warned_of():
    rows = small_study()["modules"].rows(named=True)
    rows[2] = {**rows[2], "peak_power_kw": 12.0}
    found = catalogue(small_study(modules=rows))
    assert any(
        text.startswith("E47: machine size 12 kW is outside the loss law's range 20 to 400") for text in found.warnings
    )


def test_members_of_a_family_have_one_size_factor(result):
    assert result.e_axles["E47"].coefficients == result.e_axles["E160"].coefficients


def test_every_law_names_its_source_and_range(result):
    rows = result.table.filter(pl.col("class").is_in(["e-axle", "pack", "charger"]))
    assert rows["mass_law"].str.contains(r"\d+-\d+ (Nm|kWh|kW)").all()
    assert rows["curve_source"].str.contains("EPA OMEGA").all()
    assert (rows["mass_kg_low"] < rows["mass_kg"]).all()
    assert (rows["mass_kg"] < rows["mass_kg_high"]).all()
