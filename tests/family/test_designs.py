"""Members of a lamination: scaling of their losses, maps from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from teikei.errors import StudyError
from teikei.family.designs import Choices, Lamination, designs, laminations, read_map, scaled_coefficients, with_map
from teikei.family.thermal import heat_w
from teikei.modules import catalogue
from teikei.modules.losses import loss_map_text, loss_w, read_loss_map
from tests.simulate.small_study import small_study


def lamination() -> Lamination:
    return laminations(catalogue(small_study()))[0]


def machine_loss(
    section: Lamination, length: float, turns: float, current: float, torque: float, speed: float
) -> float:
    """Loss without inverter of a member, W."""
    coefficients = scaled_coefficients(section, length, turns, current, "si")
    rated_w = section.rated_power_w * current
    rated_nm = section.rated_torque_nm * length * turns * current
    whole = loss_w(coefficients, np.array(torque), np.array(speed), peak_torque_nm=rated_nm, peak_power_w=rated_w)
    linear, square = section.inverter
    x = torque / rated_nm
    return float(whole - rated_w * (coefficients.constant + linear * x + square * x * x))


@pytest.mark.parametrize(("share", "speed"), [(0.2, 100.0), (0.9, 300.0), (0.4, 430.0)])
def test_twice_the_length_loses_twice_as_much_at_twice_the_torque(share: float, speed: float) -> None:
    section = lamination()
    torque = share * section.rated_torque_nm
    once = machine_loss(section, 1.0, 1.0, 1.0, torque, speed)
    # twice the length at the same current has half the base speed: below it nothing weakens the flux
    twice = machine_loss(section, 2.0, 0.5, 2.0, 2.0 * torque, speed)
    assert twice == pytest.approx(2.0 * once, rel=1e-9)


@pytest.mark.parametrize("turns", [0.5, 2.0, 3.0])
def test_rewinding_leaves_the_machine_as_it_is_below_base_speed(turns: float) -> None:
    section = lamination()
    torque, speed = 0.5 * section.rated_torque_nm, 0.3 * section.rated_power_w / section.rated_torque_nm / max(turns, 1)
    once = machine_loss(section, 1.0, 1.0, 1.0, torque, speed)
    assert machine_loss(section, 1.0, turns, 1.0 / turns, torque, speed) == pytest.approx(once, rel=1e-9)


def test_a_smaller_inverter_weakens_the_flux_earlier() -> None:
    section = lamination()
    base = section.rated_power_w / section.rated_torque_nm
    torque, speed = 0.2 * section.rated_torque_nm, 0.9 * base
    assert machine_loss(section, 1.0, 2.0, 0.5, torque, speed) > machine_loss(section, 1.0, 1.0, 1.0, torque, speed)


def test_members_are_whole_turns_on_their_lamination_within_its_ampere_turns() -> None:
    study = small_study()
    found = designs(catalogue(study), Choices(lengths=(0.6, 1.0), inverter_kw=(47.0, 90.0), ratios=(9.0,)))
    assert found
    for design in found:
        section, row = design.lamination, design.row
        full = section.rated_torque_nm * design.length
        assert 0.8 * full < row["peak_torque_nm"] <= full * (1 + 1e-9)
        assert row["turns_per_phase"] == int(row["turns_per_phase"])
        assert row["continuous_torque_nm"] <= row["peak_torque_nm"]
        assert row["stack_length_mm"] == pytest.approx(section.stack_mm * design.length)
        heat = heat_w(
            design.e_axle, np.array(0.7 * row["continuous_torque_nm"]), np.array(20.0), row["inverter_switch"]
        )
        assert design.thermal.within(heat)


def test_a_loss_map_text_is_read_back() -> None:
    section = lamination()
    text = loss_map_text(section.coefficients, 150e3, 310.0)
    coefficients, power, torque = read_loss_map(text)
    assert (power, torque) == (150e3, 310.0)
    assert coefficients.torque_squared == pytest.approx(section.coefficients.torque_squared, rel=1e-5)
    with pytest.raises(ValueError, match="flux_weakening"):
        read_loss_map(text.replace("flux_weakening", "flux"))


def map_file(tmp_path: Path, section: Lamination, kind: str = "loss_w", factor: float = 1.0) -> Path:
    rows = [f"speed_rpm,torque_nm,{kind}"]
    for rpm in range(500, 12_001, 500):
        for torque in np.linspace(0.05, 1.0, 12) * section.rated_torque_nm:
            if torque * rpm * np.pi / 30 > section.rated_power_w:
                continue
            loss = factor * float(
                loss_w(
                    section.coefficients,
                    torque,
                    np.array(rpm * np.pi / 30),
                    peak_torque_nm=section.rated_torque_nm,
                    peak_power_w=section.rated_power_w,
                )
            )
            power = torque * rpm * np.pi / 30
            rows.append(f"{rpm},{torque},{power / (power + loss) if kind == 'efficiency' else loss}")
    path = tmp_path / f"{kind}.csv"
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("kind", ["loss_w", "efficiency"])
def test_a_map_from_file_is_the_loss_of_its_members(tmp_path: Path, kind: str) -> None:
    section = lamination()
    read = with_map(section, map_file(tmp_path, section, kind, factor=1.0))
    for name in ("torque_squared", "torque_speed", "torque"):
        assert getattr(read.coefficients, name) == pytest.approx(getattr(section.coefficients, name), rel=0.02)
    assert "rms" in read.note


def test_a_worse_map_makes_worse_members(tmp_path: Path) -> None:
    study = small_study()
    known = catalogue(study)
    name = laminations(known)[0].name
    choices = Choices(lengths=(1.0,), inverter_kw=(90.0,), ratios=(9.0,), switches=("si",))
    plain = designs(known, choices)[0]
    path = map_file(tmp_path, plain.lamination, factor=2.0)
    worse = designs(known, choices, {name: path})[0]
    at = (np.array(100.0), np.array(300.0), "si")
    assert heat_w(worse.e_axle, *at).sum() == pytest.approx(2.0 * heat_w(plain.e_axle, *at).sum(), rel=0.2)
    assert worse.row["continuous_power_kw"] < plain.row["continuous_power_kw"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("speed,torque_nm,loss_w\n1,2,3\n", "speed_rpm"),
        ("speed_rpm,torque_nm,loss_w,efficiency\n1,2,3,0.9\n", "one of"),
        ("speed_rpm,torque_nm,loss_w\n1,x,3\n", ":2:torque_nm"),
        ("speed_rpm,torque_nm,efficiency\n1000,20,93\n", "not percent"),
        ("speed_rpm,torque_nm,loss_w\n1000,20,93\n", "12 points"),
    ],
)
def test_a_map_that_is_none_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(StudyError, match=said):
        read_map(path)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (Choices(lengths=(3.0,)), "--lengths"),
        (Choices(ratios=(2.0,)), "--ratios"),
        (Choices(switches=("gan",)), "gan"),
        (Choices(laminations=("nope",)), "nope"),
    ],
)
def test_impossible_choices_are_refused(choices: Choices, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        designs(catalogue(small_study()), choices)
