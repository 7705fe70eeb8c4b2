"""What motor and inverter lose together, over torque, speed and voltage.

Per unit of the ratings (x = torque / peak torque, u = speed / base speed, base speed = peak power / peak torque,
voltage ratio s = V / nominal), loss divided by peak power is

    c_0 + c_w u + c_ww u^2                 electronics; friction and hysteresis; eddy currents at no torque
    + (b_x |x| + b_xu |x| u)               inverter conduction and switching (times s); torque-dependent iron loss
    + (b_xx + b_xxu u) x^2                 copper and conduction resistance, and its rise with frequency
    + b_fw max(0, u - s)^2                 copper loss of the flux-weakening current above base speed

All coefficients are >= 0, so a loss is never negative and no efficiency exceeds one. An induction or externally
excited machine can drop its flux: its no-torque terms (c_w, c_ww, b_fw) are scaled down and its linear term is larger
(the flux that minimises copper plus rotor loss gives a loss proportional to torque; Bose, Modern Power Electronics and
AC Drives, ch. 8).

Size. The ratings that the equation is stated in are those of the *machine*: its torque, and its power or torque times
``MACHINE_BASE_SPEED_RADPS`` if that is more. A machine whose power is held down by its inverter or by a rule (47 kW of
a kei car) has the copper and iron of its torque. Machines of like shape grow as torque ~ length^4 and loss ~ length^3
at equal current and flux density, so that loss over power falls with size^(-1/4) (Pyrhönen, Jokinen and Hrabovcová,
Design of Rotating Electrical Machines; the limit efficiencies of IEC 60034-30-1 give -0.27 between 11 and 160 kW,
tested). Within a family only the length changes: all members have the factor of the largest.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from teikei.modules.types import Array, LossCoefficients, LossTable

TERMS: Final = (
    "constant",
    "speed",
    "speed_squared",
    "torque",
    "torque_speed",
    "torque_squared",
    "torque_squared_speed",
    "flux_weakening",
)

MACHINE_BASE_SPEED_RADPS: Final = 440.0  # 4,200 rpm: speed at which a machine of today reaches its power at full torque
REFERENCE_MACHINE_W: Final = 150e3  # size to which PM_MOTOR belongs: a main drive of today (assumption, 120 to 200 kW)
SIZE_EXPONENT: Final = -0.25
SIZE_RANGE_W: Final = (20e3, 400e3)
VOLTAGE_RATIOS: Final = (0.6, 0.75, 0.9, 1.0, 1.1, 1.25)

PM_MOTOR = LossCoefficients(
    constant=0.0010,
    speed=0.0005,
    speed_squared=0.0006,
    torque=0.0,
    torque_speed=0.008,
    torque_squared=0.022,
    torque_squared_speed=0.011,
    flux_weakening=0.0010,
    source="level fitted to 158 EPA tests, copper and frequency terms assumed between the fits of data/motors",
)


def machine_power_w(peak_torque_nm: float, peak_power_w: float) -> float:
    """Size of a machine, W: its power, or its torque at the usual base speed where inverter or rule hold power down."""
    return max(peak_power_w, peak_torque_nm * MACHINE_BASE_SPEED_RADPS)


def size_factor(size_w: float) -> float:
    """Loss over power of a machine against that of ``REFERENCE_MACHINE_W``: (size / reference)^(-1/4)."""
    return float((size_w / REFERENCE_MACHINE_W) ** SIZE_EXPONENT)


def drive_coefficients(motor_type: str, inverter_switch: str, size_w: float = REFERENCE_MACHINE_W) -> LossCoefficients:
    """Coefficients of a machine (pm, induction, eesm) of a size with a Si or SiC inverter.

    The inverter's terms go with current and do not depend on the size of the machine.
    """
    motor, size = PM_MOTOR, size_factor(size_w)
    no_load, linear, copper = {"pm": (1.0, 0.0, 1.0), "induction": (0.35, 0.020, 1.25), "eesm": (0.35, 0.012, 1.15)}[
        motor_type
    ]
    conduction, switching = {"si": (0.008, 0.010), "sic": (0.002, 0.0025)}[inverter_switch]
    return LossCoefficients(
        constant=motor.constant,
        speed=motor.speed * no_load * size,
        speed_squared=motor.speed_squared * no_load * size,
        torque=(motor.torque + linear) * size + conduction + switching,
        torque_speed=motor.torque_speed * size,
        torque_squared=motor.torque_squared * copper * size + 0.006,
        torque_squared_speed=motor.torque_squared_speed * size,
        flux_weakening=motor.flux_weakening * no_load * size,
        source=motor.source,
    )


def loss_map_text(coefficients: LossCoefficients, rated_power_w: float, rated_torque_nm: float) -> str:
    """The loss map as the equation with its ratings and coefficients: exact to six digits, and short."""
    terms = "; ".join(f"{name} {getattr(coefficients, name):.6g}" for name in TERMS)
    return f"equation of docs/maths/modules.md with P = {rated_power_w:.6g} W, T = {rated_torque_nm:.6g} Nm; {terms}"


def read_loss_map(text: str) -> tuple[LossCoefficients, float, float]:
    """Coefficients, rated power (W) and rated torque (Nm) of a text that ``loss_map_text`` writes.

    ValueError, in the planner's words, where it is none, or where a coefficient is negative.
    """
    number = r"([0-9.]+(?:e[+-]?\d+)?)"
    ratings = re.search(rf"P = {number} W, T = {number} Nm", text)
    values = {name: re.search(rf"(?:^|;)\s*{name} {number}\s*(?:;|$)", text) for name in TERMS}
    missing = [name for name, match in values.items() if match is None]
    if ratings is None or missing:
        lacking = ", ".join([*([] if ratings else ["P = … W, T = … Nm"]), *missing])
        raise ValueError(f"no loss map: it lacks {lacking}; expected the text that teikei family writes")
    power_w, torque_nm = float(ratings[1]), float(ratings[2])
    if power_w <= 0 or torque_nm <= 0:
        raise ValueError("no loss map: P and T are above 0")
    named = {name: float(match[1]) for name, match in values.items() if match is not None}
    return LossCoefficients(**named, source="loss map of the module"), power_w, torque_nm


def basis(
    torque_nm: Array, speed_radps: Array, *, peak_torque_nm: float, peak_power_w: float, voltage_ratio: float = 1.0
) -> Array:
    """The eight terms of the equation, W per unit coefficient, in the order of ``LossCoefficients``; (..., 8)."""
    x = np.abs(np.asarray(torque_nm, dtype=float)) / peak_torque_nm
    u = np.abs(np.asarray(speed_radps, dtype=float)) * peak_torque_nm / peak_power_w
    x, u = np.broadcast_arrays(x, u)
    terms = (
        np.ones_like(x),
        u,
        u**2,
        voltage_ratio * x,
        x * u,
        x**2,
        x**2 * u,
        np.maximum(0.0, u - voltage_ratio) ** 2,
    )
    return np.asarray(np.stack(terms, axis=-1) * peak_power_w, dtype=float)


def fit_coefficients(
    torque_nm: Array, speed_radps: Array, loss_w: Array, *, peak_torque_nm: float, peak_power_w: float, source: str
) -> LossCoefficients:
    """Non-negative least squares of the equation to a measured map (1-D arrays), weighted by 1 / (2 % of power + loss).

    The weight asks for relative accuracy where losses are large and for absolute accuracy near no load.
    """
    from scipy.optimize import nnls

    weight = 1.0 / (0.02 * peak_power_w + np.abs(loss_w))
    terms = basis(torque_nm, speed_radps, peak_torque_nm=peak_torque_nm, peak_power_w=peak_power_w)
    values, _ = nnls(terms * weight[:, None], loss_w * weight)
    named = dict(zip(TERMS, (float(value) for value in values), strict=True))
    return LossCoefficients(**named, source=source)


def loss_w(
    coefficients: LossCoefficients,
    torque_nm: Array,
    speed_radps: Array,
    *,
    peak_torque_nm: float,
    peak_power_w: float,
    voltage_ratio: float = 1.0,
) -> Array:
    """Loss of motor and inverter, W, at shaft torque and speed (broadcast); the module's equation."""
    x = np.abs(np.asarray(torque_nm, dtype=float)) / peak_torque_nm
    u = np.abs(np.asarray(speed_radps, dtype=float)) * peak_torque_nm / peak_power_w
    c = coefficients
    per_unit = (
        c.constant
        + (c.speed + c.speed_squared * u) * u
        + (c.torque * voltage_ratio + c.torque_speed * u) * x
        + (c.torque_squared + c.torque_squared_speed * u) * x * x
        + c.flux_weakening * np.maximum(0.0, u - voltage_ratio) ** 2
    )
    return np.asarray(per_unit * peak_power_w, dtype=float)


def loss_table(
    coefficients: LossCoefficients,
    *,
    peak_torque_nm: float,
    peak_power_w: float,
    max_speed_radps: float,
    voltage_v: float,
    speed_points: int = 41,
    torque_points: int = 81,
    rated_torque_nm: float | None = None,
) -> LossTable:
    """The loss on a grid: voltage about the nominal, speed 0 to maximum, torque symmetric about 0 (0 is a node).

    rated_torque_nm: the torque that the equation is stated in, where it is not the peak torque.
    """
    speed = np.linspace(0.0, max_speed_radps, speed_points)
    torque = np.linspace(-peak_torque_nm, peak_torque_nm, torque_points)
    loss = [
        loss_w(
            coefficients,
            torque[None, :],
            speed[:, None],
            peak_torque_nm=rated_torque_nm or peak_torque_nm,
            peak_power_w=peak_power_w,
            voltage_ratio=ratio,
        )
        for ratio in VOLTAGE_RATIOS
    ]
    return LossTable(np.array(VOLTAGE_RATIOS) * voltage_v, speed, torque, np.stack(loss))
