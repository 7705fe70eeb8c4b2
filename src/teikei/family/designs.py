"""Members that a family could have: stack length, turns, ratio, inverter class, voltage, switch on one lamination.

A lamination is that of the strongest member of an e-axle family of the study. With length factor a, turns factor w and
current factor c against it, torque is T a w c and power P c (``modules.scaling``); its loss scales term by term:

    friction and no-load iron go with length; copper with length and ampere-turns squared (w c)^2;
    the inverter's loss with its own current and power; weakening current with length at the new base speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor, pi
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from teikei.errors import Problem, StudyError
from teikei.family.thermal import ThermalNetwork, continuous_ratings, heat_w, network
from teikei.modules import masses
from teikei.modules.e_axles import build_e_axle
from teikei.modules.losses import PM_MOTOR, drive_coefficients, fit_coefficients, loss_map_text, loss_w
from teikei.modules.scaling import LENGTH_RANGE, RATIO_RANGE
from teikei.modules.specification import COOLANT_L_PER_MIN_PER_KW
from teikei.modules.types import Catalogue, EAxle, LossCoefficients
from teikei.study.cars import E_AXLE

LENGTHS: Final = (0.5, 0.65, 0.8, 1.0, 1.25)
RATIOS: Final = (8.0, 9.5, 11.0)
SWITCHES: Final = ("si", "sic")
BASE_SPEED_RPM: Final = (1200.0, 6500.0)  # where a member reaches its power: outside it is no traction drive
VOLTAGE_WINDOW: Final = (0.7, 1.15)  # of nominal, lowest and highest (as the 400 V units of the shipped study)


@dataclass(frozen=True)
class Lamination:
    """A cross-section: the machine at full length and turns, with its loss equation split into machine and inverter.

    reference: its row of the modules table; rated_power_w, rated_torque_nm: of the machine, in which the coefficients
    hold; inverter: linear and square term of the reference's inverter in them.
    """

    name: str
    reference: Mapping[str, Any]
    motor_type: str
    rated_power_w: float
    rated_torque_nm: float
    coefficients: LossCoefficients
    inverter: tuple[float, float]
    diameter_mm: float
    stack_mm: float
    turns: int
    voltage_v: float
    note: str = ""


@dataclass(frozen=True)
class Choices:
    """The values that members are made of; an empty tuple takes the study's own (powers, voltages, laminations)."""

    lengths: tuple[float, ...] = LENGTHS
    inverter_kw: tuple[float, ...] = ()
    ratios: tuple[float, ...] = RATIOS
    switches: tuple[str, ...] = SWITCHES
    voltages: tuple[float, ...] = ()
    laminations: tuple[str, ...] = ()

    def faults(self) -> list[Problem]:
        """Values outside the laws' ranges."""
        found = []
        for name, values, (low, high) in (
            ("--lengths", self.lengths, LENGTH_RANGE),
            ("--ratios", self.ratios, RATIO_RANGE),
            ("--inverter-kw", self.inverter_kw, (5.0, 600.0)),
            ("--voltages", self.voltages, (200.0, 1000.0)),
        ):
            found += [
                Problem(name, f"{value:g} is outside {low:g} to {high:g}")
                for value in values
                if not low <= value <= high
            ]
        found += [Problem("--switches", f"'{s}', expected si or sic") for s in self.switches if s not in SWITCHES]
        return found


@dataclass(frozen=True)
class Design:
    """One possible member: a row of the modules table with its ratings, its e-axle, its lamination and network."""

    row: Mapping[str, Any]
    e_axle: EAxle
    lamination: Lamination
    thermal: ThermalNetwork
    length: float

    @property
    def name(self) -> str:
        """Its name in the modules table."""
        return str(self.row["module"])


def inverter_terms(switch: str) -> tuple[float, float]:
    """Linear and square term of an inverter in the loss equation, per unit of its power."""
    drive = drive_coefficients("pm", switch)  # at the reference size, where the machine has no linear term
    return drive.torque - PM_MOTOR.torque, drive.torque_squared - PM_MOTOR.torque_squared


def laminations(catalogue: Catalogue, chosen: Sequence[str] = ()) -> list[Lamination]:
    """The cross-sections of a study: of each e-axle family its strongest member; equal ones once.

    chosen: families to take; StudyError for one that is none.
    """
    rows = [row for row in catalogue.table.iter_rows(named=True) if row["class"] == E_AXLE]
    strongest: dict[str, dict[str, Any]] = {}
    for row in rows:
        best = strongest.get(row["family"])
        if best is None or row["peak_torque_nm"] > best["peak_torque_nm"]:
            strongest[row["family"]] = row
    unknown = [name for name in chosen if name not in strongest]
    if unknown:
        known = ", ".join(strongest)
        raise StudyError(
            [Problem("--laminations", f"'{name}' is no e-axle family; known: {known}") for name in unknown]
        )
    found: list[Lamination] = []
    for family, row in strongest.items():
        if chosen and family not in chosen:
            continue
        e_axle = catalogue.e_axles[row["module"]]
        kind, switch = row["motor_type"], row["inverter_switch"]
        twin = next(
            (
                other
                for other in found
                if other.motor_type == kind
                and abs(other.rated_torque_nm / e_axle.peak_torque_nm - 1) < 0.01
                and abs(other.rated_power_w / e_axle.machine_power_w - 1) < 0.01
            ),
            None,
        )
        if twin is not None and not chosen:
            continue
        found.append(
            Lamination(
                family,
                row,
                kind,
                e_axle.machine_power_w,
                e_axle.peak_torque_nm,
                e_axle.coefficients,
                inverter_terms(switch),
                row["lamination_diameter_mm"],
                row["stack_length_mm"],
                row["turns_per_phase"],
                e_axle.voltage_v,
            )
        )
    return found


def scaled_coefficients(
    lamination: Lamination, length: float, turns: float, current: float, switch: str
) -> LossCoefficients:
    """Loss coefficients of a member in its own ratings (torque T a w c, power P c); see the module's text."""
    c, (linear, square) = lamination.coefficients, lamination.inverter
    new_linear, new_square = inverter_terms(switch)
    wc = turns * current
    return replace(
        c,
        speed=c.speed / wc,
        speed_squared=c.speed_squared / (length * turns * wc),
        torque=max(c.torque - linear, 0.0) * length * turns + new_linear,
        torque_squared=max(c.torque_squared - square, 0.0) * length * turns * wc + new_square,
        torque_squared_speed=c.torque_squared_speed * wc,
        flux_weakening=c.flux_weakening * length / current,
    )


def designs(catalogue: Catalogue, choices: Choices, maps: Mapping[str, Path] | None = None) -> list[Design]:
    """Every member that the choices make; those that the voltage or the ampere-turns forbid are left out.

    maps: family -> CSV of its strongest member's losses (``read_map``), in place of the law's. StudyError where choices
    or maps cannot be used.
    """
    problems = choices.faults()
    if problems:
        raise StudyError(problems)
    sections = laminations(catalogue, choices.laminations)
    for name, path in (maps or {}).items():
        if name not in {section.name for section in sections}:
            raise StudyError([Problem("--loss-map", f"'{name}' is no e-axle family of the study")])
        sections = [with_map(section, path) if section.name == name else section for section in sections]
    rows = catalogue.table.filter(pl.col("class") == E_AXLE)
    powers = choices.inverter_kw or tuple(sorted(set(rows["peak_power_kw"])))
    voltages = choices.voltages or tuple(sorted(set(rows["voltage_nominal_v"])))
    found = []
    for section in sections:
        for voltage in voltages:
            for power in powers:
                for length in choices.lengths:
                    for switch in choices.switches:
                        for ratio in choices.ratios:
                            made = _design(section, voltage, 1000.0 * power, length, switch, ratio)
                            if made is not None:
                                found.append(made)
    return found


def _design(
    section: Lamination, voltage_v: float, power_w: float, length: float, switch: str, ratio: float
) -> Design | None:
    current = power_w / section.rated_power_w  # of kVA: at another voltage turns and amperes change against each other
    nominal_turns = section.turns * voltage_v / section.voltage_v
    whole_turns = floor(nominal_turns / current + 1e-9)
    if whole_turns < 1:
        return None
    turns = whole_turns / nominal_turns
    torque = _clean(section.rated_torque_nm * length * turns * current)
    base_rpm = power_w / torque * 30.0 / pi
    most_rpm = section.reference["max_speed_rpm"]
    if not BASE_SPEED_RPM[0] <= base_rpm <= min(BASE_SPEED_RPM[1], most_rpm):
        return None
    coefficients = scaled_coefficients(section, length, turns, current, switch)
    machine_nm = section.rated_torque_nm * length
    mass = masses.e_axle_mass_kg(section.motor_type, machine_nm, power_w / 1000.0, ratio).value
    row: dict[str, Any] = {
        **dict.fromkeys(section.reference),
        "module": f"{section.name}_{torque:.0f}Nm_{power_w / 1000:.0f}kW_{voltage_v:.0f}V_{switch}_r{10 * ratio:.0f}",
        "class": E_AXLE,
        "family": f"FE_{section.name}",
        "position": "any",
        "mass_kg": _clean(mass),
        "peak_power_kw": power_w / 1000.0,
        "peak_torque_nm": torque,
        "gear_ratio": ratio,
        "max_speed_rpm": _clean(most_rpm),
        "motor_type": section.motor_type,
        "inverter_switch": switch,
        "voltage_nominal_v": voltage_v,
        "voltage_min_v": _clean(VOLTAGE_WINDOW[0] * voltage_v),
        "voltage_max_v": _clean(VOLTAGE_WINDOW[1] * voltage_v),
        "lamination_diameter_mm": _clean(section.diameter_mm),
        "stack_length_mm": _clean(section.stack_mm * length),
        "turns_per_phase": whole_turns,
        "loss_map": loss_map_text(coefficients, power_w, torque),
    }
    raw, _ = build_e_axle(row, mass)
    inverter_w = float(heat_w(raw, np.array(torque), np.array(power_w / torque), switch)[3])
    thermal = network(
        section.diameter_mm,
        section.stack_mm * length,
        inverter_peak_w=inverter_w,
        switch=switch,
        motor_type=section.motor_type,
        flow_l_per_min=max(6.0, COOLANT_L_PER_MIN_PER_KW * 0.5 * power_w / 1000.0),
    )
    held_nm, held_w = continuous_ratings(raw, thermal, switch)
    held_nm, held_w = _clean(held_nm), _clean(held_w)
    row |= {"continuous_torque_nm": held_nm, "continuous_power_kw": held_w / 1000.0}
    e_axle = replace(raw, continuous_torque_nm=held_nm, continuous_power_w=held_w)
    return Design(row, e_axle, section, thermal, length)


def _clean(value: float) -> float:
    """Ten digits: rows of a study are read by people."""
    return float(f"{value:.10g}")


def with_map(section: Lamination, path: Path) -> Lamination:
    """The lamination with the loss of a measured or computed map of its strongest member.

    CSV with speed_rpm, torque_nm and one of loss_w (motor and inverter), motor_loss_w (the inverter's is added),
    efficiency (of motor and inverter, 0 to 1). The equation is fitted to it; how well is in ``note``.
    """
    speed, torque, loss, whole = read_map(path)
    rated_w, rated_nm = section.rated_power_w, section.rated_torque_nm
    fitted = fit_coefficients(
        torque, speed, loss, peak_torque_nm=rated_nm, peak_power_w=rated_w, source=f"map {path.name}"
    )
    again = loss_w(fitted, torque, speed, peak_torque_nm=rated_nm, peak_power_w=rated_w)
    off = float(np.sqrt(np.mean((again - loss) ** 2)) / rated_w)
    linear, square = section.inverter
    if not whole:
        fitted = replace(
            fitted,
            constant=fitted.constant + section.coefficients.constant,
            torque=fitted.torque + linear,
            torque_squared=fitted.torque_squared + square,
        )
    note = f"{path.name}: {len(loss)} points, the equation fits them with {100 * off:.2f} % of rated power (rms)"
    inverter = (min(linear, fitted.torque), min(square, fitted.torque_squared))
    return replace(section, coefficients=fitted, inverter=inverter, note=note)


def read_map(path: Path) -> tuple[Any, Any, Any, bool]:
    """Speed (rad/s), torque (Nm), loss (W) of the points of a map, and whether the inverter's loss is in it.

    StudyError, with the place, for a file that is none; rows without loss (outside the envelope) are left out.
    """
    try:
        table = pl.read_csv(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StudyError([Problem(path.name, f"cannot be read as CSV: {error}")]) from error
    kinds = [name for name in ("loss_w", "motor_loss_w", "efficiency") if name in table.columns]
    missing = [name for name in ("speed_rpm", "torque_nm") if name not in table.columns]
    if missing or len(kinds) != 1:
        wanted = "speed_rpm, torque_nm and one of loss_w, motor_loss_w, efficiency"
        raise StudyError([Problem(f"{path.name}:1", f"found {', '.join(table.columns)}; expected {wanted}")])
    values = []
    for name in ("speed_rpm", "torque_nm", kinds[0]):
        column = table[name].cast(pl.Float64, strict=False)
        bad = (column.is_null() & table[name].is_not_null()).arg_true()
        if len(bad):
            raise StudyError(
                [Problem(f"{path.name}:{bad[0] + 2}:{name}", f"'{table[name][int(bad[0])]}' is no number")]
            )
        values.append(column.to_numpy())
    rpm, torque, value = values
    known = np.isfinite(rpm) & np.isfinite(torque) & np.isfinite(value)
    rpm, torque, value = rpm[known], torque[known], value[known]
    speed = rpm * pi / 30.0
    if kinds[0] == "efficiency":
        outside = np.nonzero((value <= 0) | (value > 1))[0]
        if len(outside):
            text = f"efficiency {value[outside[0]]:g}, expected above 0 and at most 1 (not percent)"
            raise StudyError([Problem(f"{path.name}:efficiency", text)])
        power = np.abs(torque) * speed
        value = np.where(torque >= 0, power * (1.0 / value - 1.0), power * (1.0 - value))
    if len(value) < 12 or (value < 0).any():
        raise StudyError([Problem(path.name, "a map needs 12 points or more, and no loss below 0")])
    return speed, torque, value, kinds[0] != "motor_loss_w"


def names(found: Iterable[Design]) -> dict[str, Design]:
    """Designs by name."""
    return {design.name: design for design in found}


def given_texts(text: str) -> tuple[str, ...]:
    """Words of an option, separated by commas."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def given_numbers(option: str, text: str) -> tuple[float, ...]:
    """Numbers of an option, separated by commas, ascending. StudyError for what is none."""
    found = []
    for part in given_texts(text):
        try:
            found.append(float(part))
        except ValueError:
            raise StudyError(
                [Problem(option, f"'{part}' is no number; expected numbers separated by commas")]
            ) from None
    return tuple(sorted(set(found)))
