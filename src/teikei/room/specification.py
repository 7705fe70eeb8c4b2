"""What a common specification holds: every field of a design that may cross between companies, by module class.

A field knows its column in the plan's ``module_designs`` (so that a released design fills the form) and, where it is an
input of the plan, its column in the study's table ``modules`` (so that a signed specification changes the next plan).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from teikei.errors import StudyError

MODULE: Final = "module"  # the field that says which module of the study a document is about
ALTERNATIVES: Final = "alternatives"
LEFT_OUT: Final = "left out"


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a specification. kind: number, text or choice; design, input: columns (empty where there is none)."""

    name: str
    title: str
    unit: str = ""
    kind: str = "number"
    design: str = ""
    input: str = ""
    choices: tuple[str, ...] = ()
    required: bool = True


def _fields(text: str) -> tuple[Field, ...]:
    found = []
    for line in filter(str.strip, text.splitlines()):
        name, title, unit, kind, design, given = (part.strip() for part in line.split("|"))
        kind, _, choices = kind.partition(":")
        listed = tuple(part.strip() for part in choices.split(",") if part.strip())
        found.append(Field(name, title, unit, kind or "number", design, given, listed))
    return tuple(found)


# name | title | unit | kind | column of module_designs | column of the study's modules
_HEAD: Final = """
    module | Module of the study | | text | variant |
    alternatives | Other new modules of this class in the plan | | choice: stay, left out | |
    family | Family | | text | family |
"""
_TAIL: Final = """
    mass_kg | Mass | kg | | mass_kg | mass_kg
    length_mm | Envelope, x | mm | | envelope_x_mm |
    width_mm | Envelope, y | mm | | envelope_y_mm |
    height_mm | Envelope, z | mm | | envelope_z_mm |
    carried_over | What is carried over | | text | carried_over |
    programmes | Programmes and axles served | | text | |
    mounts | Interface: mounts | | text | |
    coolant_connection | Interface: coolant | | text | |
    high_voltage_connector | Interface: high-voltage connector | | text | |
    safety_goal | Safety goal | | text | |
"""
_E_AXLE: Final = """
    motor_type | Motor type | | choice: pm, induction, eesm | motor_type | motor_type
    lamination_outer_diameter_mm | Outer diameter of the lamination | mm | | lamination_diameter_mm |
    stack_length_mm | Stack length | mm | | stack_length_mm |
    turns | Turns per phase | | | turns_per_phase |
    winding | Winding | | text | |
    pole_pairs | Pole pairs | | | pole_pairs |
    gear_ratio | Reduction ratio | | | gear_ratio | gear_ratio
    gear_torque_limit_nm | Torque limit of the gear | N m | | gear_torque_limit_nm |
    voltage_min_v | DC voltage, minimum | V | | voltage_min_v | voltage_min_v
    voltage_nominal_v | DC voltage, nominal | V | | voltage_nominal_v | voltage_nominal_v
    voltage_max_v | DC voltage, maximum | V | | voltage_max_v | voltage_max_v
    phase_current_peak_a | Phase current, peak | A | | phase_current_peak_a |
    phase_current_continuous_a | Phase current, continuous | A | | phase_current_continuous_a |
    inverter_switch | Switch technology | | choice: si, sic | inverter_switch | inverter_switch
    peak_torque_nm | Peak torque | N m | | peak_torque_nm | peak_torque_nm
    peak_duration_s | Duration of the peak torque | s | | peak_torque_duration_s |
    continuous_torque_nm | Continuous torque | N m | | continuous_torque_nm | continuous_torque_nm
    peak_power_kw | Peak power at nominal voltage | kW | | peak_power_kw | peak_power_kw
    continuous_power_kw | Continuous power at nominal voltage | kW | | continuous_power_kw | continuous_power_kw
    peak_power_low_kw | Peak power at minimum voltage | kW | | peak_power_at_minimum_voltage_kw |
    continuous_power_low_kw | Continuous power at minimum voltage | kW | | continuous_power_at_minimum_voltage_kw |
    max_speed_rpm | Maximum speed | 1/min | | max_speed_rpm | max_speed_rpm
    coolant_flow_l_per_min | Coolant flow | l/min | | coolant_flow_l_per_min |
    coolant_inlet_c | Coolant inlet temperature | °C | | coolant_inlet_c |
    magnet_mass_kg | Magnet mass | kg | | magnet_mass_kg |
    loss_map | Loss map: file and SHA-256 | | text | |
    half_shaft | Interface: half-shaft | | text | |
    torque_request | Interface: torque request | | text | |
"""
_PACK: Final = """
    cell_format | Cell format | | text | |
    chemistry | Chemistry | | choice: nmc, lfp, other | chemistry | chemistry
    cell_capacity_ah | Cell capacity | Ah | | cell_capacity_ah |
    module_size | Module size | | text | |
    series_cells | Cells in series | | | series_cells | series_cells
    parallel_cells | Cells in parallel | | | parallel_cells | parallel_cells
    gross_energy_kwh | Energy, gross | kWh | | gross_energy_kwh | gross_energy_kwh
    usable_energy_kwh | Energy, usable | kWh | | usable_energy_kwh | usable_energy_kwh
    voltage_min_v | Voltage window, minimum | V | | voltage_min_v | voltage_min_v
    voltage_nominal_v | Voltage, nominal | V | | voltage_nominal_v | voltage_nominal_v
    voltage_max_v | Voltage window, maximum | V | | voltage_max_v | voltage_max_v
    power_25c_kw | Power for 10 s at 50 % charge and 25 °C | kW | | power_10_s_25c_kw |
    power_minus_10c_kw | Power for 10 s at 50 % charge and −10 °C | kW | | power_10_s_minus_10c_kw |
    power_table | Power by temperature and state of charge: file and SHA-256 | | text | |
    charge_curve | Charge curve: file and SHA-256 | | text | |
    dc_charge_power_kw | DC charge power, largest | kW | | dc_charge_power_kw | dc_charge_power_kw
"""
_CHARGER: Final = """
    ac_charge_power_kw | AC charge power | kW | | ac_charge_power_kw | ac_charge_power_kw
    charger_efficiency | Efficiency from wall to battery (0 to 1) | | | charger_efficiency | charger_efficiency
    voltage_max_v | DC voltage, maximum | V | | voltage_max_v |
"""
_OTHER: Final = """
    ratings | Ratings and what it must do | | text | |
"""
OTHER: Final = "other"
FIELDS: Final[Mapping[str, tuple[Field, ...]]] = {
    "e-axle": _fields(_HEAD + _E_AXLE + _TAIL),
    "pack": _fields(_HEAD + _PACK + _TAIL),
    "charger": _fields(_HEAD + _CHARGER + _TAIL),
    OTHER: _fields(_HEAD + _OTHER + _TAIL),
}
# Fields of a design that a common document may not carry (docs/maths/release.md), and the reason shown on the page.
NOT_CROSSING: Final = (
    ("Unit cost", "It is a price that depends on the purchases of all; see the tier index and the late settlement."),
    (
        "Development cost of family, variant and application; tooling",
        "What one company pays or has paid is its own figure; joint ones would give it away by subtraction.",
    ),
    (
        "Requirement that drives the design, and its margin",
        "A requirement belongs to its programme's owner, who alone sees here whether it drives a design.",
    ),
    (
        "What the overdesign costs",
        "It is the price of other companies' requirements; the owner of a requirement sees its price in bands.",
    ),
)
ORDERS: Final = (
    ("continuous_torque_nm", "peak_torque_nm"),
    ("continuous_power_kw", "peak_power_kw"),
    ("peak_power_low_kw", "peak_power_kw"),
    ("continuous_power_low_kw", "peak_power_low_kw"),
    ("continuous_power_low_kw", "continuous_power_kw"),
    ("phase_current_continuous_a", "phase_current_peak_a"),
    ("voltage_min_v", "voltage_nominal_v"),
    ("voltage_nominal_v", "voltage_max_v"),
    ("usable_energy_kwh", "gross_energy_kwh"),
    ("power_minus_10c_kw", "power_25c_kw"),
)


def fields_of(class_name: str) -> tuple[Field, ...]:
    """The fields of a module class; classes without fields of their own share a short list."""
    return FIELDS.get(class_name, FIELDS[OTHER])


def plain(value: object) -> str:
    """A figure of a design as it stands in a document: at most four digits that count, no trailing noise."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
    return str(value)


def clean(kind: str, given: Mapping[str, str]) -> dict[str, str]:
    """The fields of a proposal. Raises StudyError naming every field that cannot be right."""
    values: dict[str, str] = {}
    wrong: list[str] = []
    for field in fields_of(kind):
        text = given.get(field.name, "").strip()[:300]
        if field.kind == "number" and text and number_of(text) is None:
            wrong.append(f"{field.title}: expected a number above 0{' in ' + field.unit if field.unit else ''}")
        if field.choices and text and text not in field.choices:
            wrong.append(f"{field.title}: expected {', '.join(field.choices)}")
        if text:
            values[field.name] = text
    titles = {field.name: field.title for field in fields_of(kind)}
    for small, large in ORDERS:
        low, high = number_of(values.get(small, "")), number_of(values.get(large, ""))
        if low is not None and high is not None and low > high:
            wrong.append(f"{titles[small]} ({low:g}) is above {titles[large]} ({high:g})")
    if wrong:
        raise StudyError("; ".join(wrong))
    return values


def number_of(text: str) -> float | None:
    """A positive finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
