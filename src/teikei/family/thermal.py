"""A lumped thermal network of a liquid-cooled e-axle, and the ratings that follow from it.

Nodes: winding (hot spot), stator iron with housing, rotor with magnets, the inverter's junctions; coolant at its inlet.
Heat comes from the loss equation of ``modules.losses``, split by its terms; copper warms with its temperature:

    C_w T_w' = P_w (1 + beta (T_w - T_ref)) - G_ws (T_w - T_s)
    C_s T_s' = P_s + G_ws (T_w - T_s) + G_rs (T_r - T_s) - G_sc (T_s - T_c)
    C_r T_r' = P_r - G_rs (T_r - T_s)

Conductances go with diameter x stack length, heat capacities with the volume of the active part (Boglietti et al.,
Evolution and modern approaches for thermal analysis of electrical machines, IEEE Trans. Ind. Electron. 56-3, 2009).
Their level, ``CONDUCTANCE_SCALE``, is set so that published ratings are met in the median (docs/maths/modules.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import Final

import numpy as np

from teikei.modules.losses import PM_MOTOR, drive_coefficients
from teikei.modules.types import Array, EAxle

WINDING_LIMIT_C: Final = 155.0  # insulation class F, hot spot
ROTOR_LIMIT_C: Final = {"pm": 140.0, "induction": 180.0, "eesm": 155.0}  # magnets, cage, winding (assumptions)
ROTOR_COOLING: Final = {"pm": 1.0, "induction": 4.0, "eesm": 6.0}  # against the gap alone: shaft, oil (assumptions)
JUNCTION_LIMIT_C: Final = {"si": 150.0, "sic": 175.0}
COPPER_PER_K: Final = 0.0039
LOSS_MAP_WINDING_C: Final = 100.0  # at which the copper terms of the loss equation hold (assumption, 65 to 120)
HOT_SPOT: Final = 1.2  # hot spot over mean rise of the winding against the iron (assumption, 1.1 to 1.4)
ROTOR_SHARE_OF_IRON: Final = 0.25  # of no-load and torque-dependent iron loss (assumption, 0.15 to 0.4)
COPPER_SHARE, STATOR_SHARE, ROTOR_SHARE = 0.09, 0.45, 0.25  # of the volume of the stator's envelope (assumption)
HEAT_J_PER_LITRE_K: Final = {"copper": 3450.0, "iron": 3520.0}
SLOT_W_PER_M2K: Final = 1400.0  # slot wall is 14 x D x L at 48 slots; 100 W/m2K through liner and bundle (60 to 300)
JACKET_W_PER_M2K: Final = 500.0 * pi  # contact and jacket on pi x D x L (300 to 1,500)
GAP_W_PER_M2K: Final = 50.0 * pi * 0.65  # air gap on pi x 0.65 D x L (30 to 120); not scaled
CONDUCTANCE_SCALE: Final = 0.35  # of winding and jacket
COOLANT_J_PER_LITRE_K: Final = 3675.0
THIRTY_MINUTES_S: Final = 1800.0
PASS_S: Final = 900.0  # 15 min: a climb of 15 to 18 km with a trailer's speed
LAUNCH_S, LAUNCH_REST_S, MOST_LAUNCHES = 8.0, 32.0, 50
STEP_S: Final = 2.0
NODES: Final = ("winding", "stator", "rotor")


@dataclass(frozen=True)
class ThermalNetwork:
    """Conductances, W/K, and heat capacities, J/K, of one e-axle; coolant_c at the inlet.

    junction_w_per_k carries the inverter's heat to the coolant: such that its peak current, held, leaves 10 K.
    """

    winding_w_per_k: float
    coolant_w_per_k: float
    rotor_w_per_k: float
    junction_w_per_k: float
    capacity_j_per_k: tuple[float, float, float]
    coolant_c: float
    junction_limit_c: float
    rotor_limit_c: float

    def steady_c(self, heat_w: Array) -> Array:
        """Temperatures that settle, °C, of winding, stator, rotor and junction (..., 4); heat_w (..., 4) likewise.

        inf where the copper's own warming runs away.
        """
        winding, iron, rotor, inverter = np.moveaxis(np.asarray(heat_w, dtype=float), -1, 0)
        resistance = HOT_SPOT / self.winding_w_per_k + 1.0 / self.coolant_w_per_k
        hold = 1.0 - winding * COPPER_PER_K * resistance
        base = self.coolant_c + (iron + rotor) / self.coolant_w_per_k
        with np.errstate(divide="ignore", invalid="ignore"):
            hot = (base + winding * resistance * (1.0 - COPPER_PER_K * LOSS_MAP_WINDING_C)) / hold
        hot = np.where(hold > 0, hot, np.inf)
        copper = winding * (1.0 + COPPER_PER_K * (hot - LOSS_MAP_WINDING_C))
        stator = base + copper / self.coolant_w_per_k
        junction = self.coolant_c + inverter / self.junction_w_per_k
        return np.stack([hot, stator, stator + rotor / self.rotor_w_per_k, junction], axis=-1)

    @property
    def limits_c(self) -> Array:
        """Highest allowed temperatures of winding, stator, rotor and junction, °C."""
        return np.array([WINDING_LIMIT_C, np.inf, self.rotor_limit_c, self.junction_limit_c])

    def within(self, heat_w: Array) -> Array:
        """Whether the temperatures that settle keep all limits (...,)."""
        return np.asarray((self.steady_c(heat_w) <= self.limits_c + 1e-9).all(axis=-1))

    def run_c(self, heat_w: Array, seconds: Sequence[float], start_c: Array | None = None) -> Array:
        """Temperatures after each phase (phases, 4) of heats (phases, 4) held for seconds; implicit Euler.

        start_c: of winding, stator and rotor; the coolant's where not given. Junctions follow at once.
        """
        state = np.full(3, self.coolant_c) if start_c is None else np.array(start_c[:3], dtype=float)
        capacity = np.array(self.capacity_j_per_k)
        g_w, g_r, g_c = self.winding_w_per_k / HOT_SPOT, self.rotor_w_per_k, self.coolant_w_per_k
        out = []
        for heat, duration in zip(np.asarray(heat_w, dtype=float), seconds, strict=True):
            steps = max(round(duration / STEP_S), 1)
            inverse_dt = steps / duration
            system = np.array(
                [
                    [capacity[0] * inverse_dt + g_w - heat[0] * COPPER_PER_K, -g_w, 0.0],
                    [-g_w, capacity[1] * inverse_dt + g_w + g_r + g_c, -g_r],
                    [0.0, -g_r, capacity[2] * inverse_dt + g_r],
                ]
            )
            solve = np.linalg.inv(system)
            constant = np.array(
                [heat[0] * (1.0 - COPPER_PER_K * LOSS_MAP_WINDING_C), heat[1] + g_c * self.coolant_c, 0]
            )
            constant[2] = heat[2]
            for _ in range(steps):
                state = solve @ (capacity * inverse_dt * state + constant)
            out.append([*state, self.coolant_c + heat[3] / self.junction_w_per_k])
        return np.array(out)


def heat_w(e_axle: EAxle, torque_nm: Array, speed_radps: Array, switch: str) -> Array:
    """Where the loss arises, W: winding, stator, rotor, inverter (..., 4); together the loss of the equation.

    The inverter's part is that of its switch; a linear machine term (induction, externally excited) heats the rotor.
    """
    c, rated_w = e_axle.coefficients, e_axle.machine_power_w
    rated_nm = e_axle.peak_torque_nm
    x = np.abs(np.asarray(torque_nm, dtype=float)) / rated_nm
    u = np.abs(np.asarray(speed_radps, dtype=float)) * rated_nm / rated_w
    x, u = np.broadcast_arrays(x, u)
    drive = drive_coefficients("pm", switch)  # at the reference size: what it has beyond the motor is the inverter's
    linear = min(drive.torque - PM_MOTOR.torque, c.torque)
    square = min(drive.torque_squared - PM_MOTOR.torque_squared, c.torque_squared)
    inverter = c.constant + linear * x + square * x * x
    copper = (c.torque_squared - square) * x * x + c.torque_squared_speed * u * x * x
    copper = copper + c.flux_weakening * np.maximum(0.0, u - 1.0) ** 2
    iron = (c.speed + c.speed_squared * u) * u + c.torque_speed * x * u
    rotor = ROTOR_SHARE_OF_IRON * iron + (c.torque - linear) * x
    parts = (copper, (1.0 - ROTOR_SHARE_OF_IRON) * iron, rotor, inverter)
    return np.asarray(np.stack(parts, axis=-1) * rated_w, dtype=float)


def network(
    diameter_mm: float,
    stack_mm: float,
    *,
    inverter_peak_w: float,
    switch: str,
    motor_type: str = "pm",
    coolant_c: float = 65.0,
    flow_l_per_min: float = 8.0,
    scale: float = CONDUCTANCE_SCALE,
) -> ThermalNetwork:
    """The network of a machine of one lamination and stack; inverter_peak_w: its inverter's loss at peak current."""
    area = diameter_mm * stack_mm * 1e-6
    litres = pi / 4.0 * diameter_mm**2 * stack_mm * 1e-6
    stream = 2.0 * flow_l_per_min / 60.0 * COOLANT_J_PER_LITRE_K  # the mean of the coolant is half its rise above inlet
    jacket = scale * JACKET_W_PER_M2K * area
    limit = JUNCTION_LIMIT_C[switch]
    copper, iron = HEAT_J_PER_LITRE_K["copper"] * COPPER_SHARE, HEAT_J_PER_LITRE_K["iron"]
    return ThermalNetwork(
        winding_w_per_k=scale * SLOT_W_PER_M2K * area,
        coolant_w_per_k=1.0 / (1.0 / jacket + 1.0 / stream),
        rotor_w_per_k=GAP_W_PER_M2K * area * ROTOR_COOLING[motor_type],
        junction_w_per_k=inverter_peak_w / (limit - 10.0 - 65.0),
        capacity_j_per_k=(litres * copper, litres * iron * STATOR_SHARE, litres * iron * ROTOR_SHARE),
        coolant_c=coolant_c,
        junction_limit_c=limit,
        rotor_limit_c=ROTOR_LIMIT_C[motor_type],
    )


@dataclass(frozen=True)
class Ratings:
    """What an e-axle holds: torque in Nm at standstill to slow speed, power in W at its best speed.

    launches: from rest at peak torque to the speed of peak power, LAUNCH_S each and LAUNCH_REST_S of rest, until a
    limit (MOST_LAUNCHES: without end). peak_torque_s: how long peak torque is held, warm.
    """

    continuous_torque_nm: float
    continuous_power_w: float
    thirty_minute_power_w: float
    pass_power_w: float
    launches: int
    peak_torque_s: float


def continuous_ratings(e_axle: EAxle, thermal: ThermalNetwork, switch: str) -> tuple[float, float]:
    """Continuous torque (Nm, from standstill to a tenth of the base speed) and power (W, at the best speed)."""
    shares = np.linspace(0.02, 1.0, 99)
    base = e_axle.peak_power_w / e_axle.peak_torque_nm
    slow = thermal.within(heat_w(e_axle, shares * e_axle.peak_torque_nm, np.array(0.1 * base), switch))
    torque = float(shares[slow].max() * e_axle.peak_torque_nm) if slow.any() else 0.0
    speed = np.linspace(0.2 * base, e_axle.max_speed_radps, 40)[:, None]
    most = np.minimum(e_axle.peak_torque_nm, e_axle.peak_power_w / speed)
    held = thermal.within(heat_w(e_axle, shares * most, speed, switch))
    power = np.where(held, shares * most * speed, 0.0)
    return torque, float(power.max())


def ratings(e_axle: EAxle, thermal: ThermalNetwork, switch: str) -> Ratings:
    """All ratings, started at the coolant's temperature; the 15-minute one from half the continuous power."""
    torque, power = continuous_ratings(e_axle, thermal, switch)
    speed = _best_speed(e_axle, thermal, switch)

    def heat(watt: float) -> Array:
        return heat_w(e_axle, np.array(watt / speed), np.array(speed), switch)

    most = min(e_axle.peak_power_w, e_axle.peak_torque_nm * speed)
    warm = thermal.steady_c(heat(0.5 * power))

    def held(watt: float, seconds: float, start: Array | None) -> bool:
        end = thermal.run_c(heat(watt)[None, :], [seconds], start)
        return bool((end[-1] <= thermal.limits_c).all())

    return Ratings(
        continuous_torque_nm=torque,
        continuous_power_w=power,
        thirty_minute_power_w=_largest(lambda watt: held(watt, THIRTY_MINUTES_S, None), power, most),
        pass_power_w=_largest(lambda watt: held(watt, PASS_S, warm), power, most),
        launches=_launches(e_axle, thermal, switch),
        peak_torque_s=_peak_torque_s(e_axle, thermal, warm, switch),
    )


def _best_speed(e_axle: EAxle, thermal: ThermalNetwork, switch: str) -> float:
    base = e_axle.peak_power_w / e_axle.peak_torque_nm
    shares = np.linspace(0.02, 1.0, 99)
    speed = np.linspace(0.2 * base, e_axle.max_speed_radps, 40)[:, None]
    most = np.minimum(e_axle.peak_torque_nm, e_axle.peak_power_w / speed)
    held = thermal.within(heat_w(e_axle, shares * most, speed, switch))
    power = np.where(held, shares * most * speed, 0.0).max(axis=1)
    return float(speed[int(np.argmax(power)), 0])


def _largest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest value between low (held) and high for which ``holds`` says yes."""
    if holds(high):
        return high
    for _ in range(14):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _launches(e_axle: EAxle, thermal: ThermalNetwork, switch: str) -> int:
    base = e_axle.peak_power_w / e_axle.peak_torque_nm
    launch = np.mean(heat_w(e_axle, np.array(e_axle.peak_torque_nm), np.linspace(0.0, base, 9), switch), axis=0)
    rest = heat_w(e_axle, np.array(0.0), np.array(0.0), switch)
    state: Array | None = None
    for count in range(MOST_LAUNCHES):
        after = thermal.run_c(np.array([launch, rest]), [LAUNCH_S, LAUNCH_REST_S], state)
        if not (after[0] <= thermal.limits_c).all():
            return count
        state = after[1]
    return MOST_LAUNCHES


def _peak_torque_s(e_axle: EAxle, thermal: ThermalNetwork, start: Array, switch: str, most_s: float = 120.0) -> float:
    base = e_axle.peak_power_w / e_axle.peak_torque_nm
    heat = heat_w(e_axle, np.array(e_axle.peak_torque_nm), np.array(0.1 * base), switch)
    state = start
    for second in range(0, int(most_s), int(STEP_S)):
        state = thermal.run_c(heat[None, :], [STEP_S], state)[-1]
        if not (state <= thermal.limits_c).all():
            return float(second)
    return most_s
