# ruff: noqa: PLR1730 (plain branches compile to the same code; kernels take arrays, not objects)
"""Compiled loops. Import only inside functions: numba itself takes about a second to import.

``cycle_totals`` is the plain step-by-step simulation in double precision, the reference of every faster way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

TOTALS = (
    "distance_m",
    "wheel_drive_j",  # wheel energy of the motors, driving
    "wheel_regen_j",  # wheel energy taken back by the motors (>= 0)
    "friction_brake_j",
    "powertrain_loss_j",
    "auxiliary_j",
    "battery_loss_j",
    "battery_energy_j",  # net energy out of the cells (open-circuit side)
    "missed_trace_s",
    "soc_end",
    "road_load_j",  # with the climb
    "kinetic_j",
    "missed_longest_s",  # longest time on end below the trace
    "empty_s",  # time from the start at which the pack was empty and the drive ended; 0: it never was
)


def _bilinear(table: Any, row: int, row_part: float, force: float, limit: float) -> float:
    columns = table.shape[1]
    position = (force + limit) / (2.0 * limit) * (columns - 1)
    if position < 0.0:
        position = 0.0
    if position > columns - 1.000001:
        position = columns - 1.000001
    column = int(position)
    part = position - column
    low = table[row, column] + part * (table[row, column + 1] - table[row, column])
    high = table[row + 1, column] + part * (table[row + 1, column + 1] - table[row + 1, column])
    result: float = low + row_part * (high - low)
    return result


bilinear: Any = njit(cache=True, inline="always")(_bilinear)


def _battery(power: float, ocv: float, ohm: float) -> float:
    """Current (A) for terminal power (W): (V - sqrt(V^2 - 4 R P)) / 2R, at most the current of greatest power."""
    root = ocv * ocv - 4.0 * ohm * power
    if root < 0.0:
        root = 0.0
    result: float = (ocv - np.sqrt(root)) / (2.0 * ohm)
    return result


battery: Any = njit(cache=True, inline="always")(_battery)


def _back_limit(charge_limit: float, ocv: float, ohm: float, highest: float) -> float:
    """Power, W, that the cells take at their terminals: the rate limit, or what lifts them to their highest voltage."""
    room = highest - ocv
    if room <= 0.0:
        return 0.0
    if highest < 1e30:
        by_voltage: float = room * highest / ohm
        return min(charge_limit, by_voltage)
    return charge_limit


back_limit: Any = njit(cache=True, inline="always")(_back_limit)


def _cycle_totals(
    time: Any,
    speed: Any,
    slope: Any,
    wind: Any,
    extra: Any,
    f0: Any,
    f1: Any,
    f2: Any,
    inertia: Any,
    auxiliary: Any,
    regen: Any,
    pack_index: Any,
    table_index: Any,
    soc_start: Any,
    resistance_factor: Any,
    discharge_limit: Any,
    charge_limit: Any,
    losses: Any,
    top_speed: Any,
    force_limit: Any,
    drive_force: Any,
    brake_force: Any,
    ocv: Any,
    ohm: Any,
    charge: Any,
    mass: Any,
    empty_soc: Any,
    force_scale: Any,
    loss_scale: Any,
    limit_scale: Any,
    capacity_factor: Any,
    voltage_max: Any,
    out: Any,
) -> None:
    """slope (S,): g sin of the road's angle; wind (S,): headwind, m/s; extra (S,): auxiliaries of the drive, W.

    S = steps, one less than the times. The other arrays as in ``fleet.Fleet``; out (N, TOTALS).
    """
    nodes = losses.shape[1]
    socs = ocv.shape[1]
    for n in range(f0.shape[0]):
        k = table_index[n]
        p = pack_index[n]
        table = losses[k]
        v_top = top_speed[k]
        limit = force_limit[k] * force_scale[n]
        lossy = loss_scale[n]
        coulomb = charge[p] * capacity_factor[n]
        soc = soc_start[n]
        v0 = speed[0]
        distance = 0.0
        drive = 0.0
        recovered = 0.0
        friction = 0.0
        lost = 0.0
        aux = 0.0
        battery_lost = 0.0
        cells = 0.0
        missed = 0.0
        road_work = 0.0
        kinetic = 0.0
        behind = 0.0
        longest = 0.0
        empty = 0.0
        for i in range(1, time.shape[0]):
            dt = time[i] - time[i - 1]
            hill = mass[n] * slope[i - 1]
            air = wind[i - 1]
            load = auxiliary[n] + extra[i - 1]
            v1 = speed[i]
            if v1 > v_top:
                v1 = v_top
            middle = 0.5 * (v0 + v1)
            road = 0.0
            if middle > 0.0:
                road = f0[n] + f1[n] * middle + f2[n] * (middle + air) * abs(middle + air) + hill
            force = road + inertia[n] * (v1 - v0) / dt
            position = middle / v_top * (nodes - 1)
            row = min(int(position), nodes - 2)
            part = position - row
            most = limit_scale[n] * (drive_force[k, row] + part * (drive_force[k, row + 1] - drive_force[k, row]))
            # cells now
            place = min(max(soc, 0.0), 1.0) * (socs - 1)
            s = min(int(place), socs - 2)
            voltage = ocv[p, s] + (place - s) * (ocv[p, s + 1] - ocv[p, s])
            resistance = (ohm[p, s] + (place - s) * (ohm[p, s + 1] - ohm[p, s])) * resistance_factor[n]
            electric_limit = min(discharge_limit[n], 0.95 * voltage * voltage / (4.0 * resistance))
            too_much = force > most
            if not too_much and force > 0.0:
                too_much = force * middle + lossy * bilinear(table, row, part, force, limit) + load > electric_limit
            if too_much:
                low = 0.0
                high = min(force, most)
                if high * middle + lossy * bilinear(table, row, part, high, limit) + load > electric_limit:
                    for _ in range(40):
                        trial = 0.5 * (low + high)
                        if trial * middle + lossy * bilinear(table, row, part, trial, limit) + load > electric_limit:
                            high = trial
                        else:
                            low = trial
                    high = low
                available = high
                # the speed this force reaches: implicit in the middle speed, solved by a few rounds
                for _ in range(6):
                    road = f0[n] + f1[n] * middle + f2[n] * (middle + air) * abs(middle + air) + hill
                    reached = max(v0 + (available - road) * dt / inertia[n], 0.0)
                    if reached > v1:
                        reached = v1
                    middle = 0.5 * (v0 + reached)
                v1 = reached
                road = 0.0
                if middle > 0.0:
                    road = f0[n] + f1[n] * middle + f2[n] * (middle + air) * abs(middle + air) + hill
                force = road + inertia[n] * (v1 - v0) / dt
                position = middle / v_top * (nodes - 1)
                row = min(int(position), nodes - 2)
                part = position - row
            if speed[i] - v1 > 0.894:  # 2 mph: the tolerance of 40 CFR 86.115
                missed += dt
                behind += dt
                if behind > longest:
                    longest = behind
            else:
                behind = 0.0
            motor = force
            if force < 0.0:
                # regen: [share, fade end, fade start, force limit per inertia]
                share = regen[n, 0]
                if middle < regen[n, 2]:
                    share *= max(0.0, (middle - regen[n, 1]) / (regen[n, 2] - regen[n, 1]))
                motor = force * share
                most_back = limit_scale[n] * (
                    brake_force[k, row] + part * (brake_force[k, row + 1] - brake_force[k, row])
                )
                most_back = min(most_back, regen[n, 3] * inertia[n])
                if motor < -most_back:
                    motor = -most_back
                most_in = back_limit(charge_limit[n], voltage, resistance, voltage_max[p])
                if soc >= 1.0 and voltage_max[p] < 1e30:
                    most_in = 0.0
                if motor * middle + lossy * bilinear(table, row, part, motor, limit) + load < -most_in:
                    low = motor
                    high = 0.0
                    for _ in range(40):
                        trial = 0.5 * (low + high)
                        if trial * middle + lossy * bilinear(table, row, part, trial, limit) + load < -most_in:
                            low = trial
                        else:
                            high = trial
                    motor = high
            loss = lossy * bilinear(table, row, part, motor, limit)
            electric = motor * middle + loss + load
            current = battery(electric, voltage, resistance)
            soc -= current * dt / coulomb
            distance += middle * dt
            if motor > 0.0:
                drive += motor * middle * dt
            else:
                recovered -= motor * middle * dt
                friction += (motor - force) * middle * dt
            lost += loss * dt
            aux += load * dt
            battery_lost += current * current * resistance * dt
            cells += voltage * current * dt
            road_work += road * middle * dt
            kinetic += 0.5 * inertia[n] * (v1 * v1 - v0 * v0)
            v0 = v1
            if soc <= empty_soc[n]:
                empty = time[i] - time[0]
                break
        out[n, 0] = distance
        out[n, 1] = drive
        out[n, 2] = recovered
        out[n, 3] = friction
        out[n, 4] = lost
        out[n, 5] = aux
        out[n, 6] = battery_lost
        out[n, 7] = cells
        out[n, 8] = missed
        out[n, 9] = soc
        out[n, 10] = road_work
        out[n, 11] = kinetic
        out[n, 12] = longest
        out[n, 13] = empty


cycle_totals: Any = njit(cache=True, nogil=True)(_cycle_totals)


def _reach_time(
    speeds: Any, force: Any, f0: float, f1: float, f2: float, inertia: float, start: float, end: float, rise_s: float
) -> float:
    """Time from ``start`` to ``end`` speed, s, with the force curve on uniform speed nodes; -1 where it is not reached.

    The force builds up linearly over ``rise_s`` from a standing start.
    """
    dt = 0.005
    v = start
    t = 0.0
    top = speeds[-1]
    nodes = speeds.shape[0]
    while v < end:
        position = min(v / top * (nodes - 1), nodes - 1.000001)
        i = int(position)
        available = force[i] + (position - i) * (force[i + 1] - force[i])
        if start <= 0.0 and t < rise_s:
            available *= t / rise_s
        road = f0 + (f1 + f2 * v) * v if v > 0.0 else min(available, f0)
        acceleration = (available - road) / inertia
        if (acceleration < 0.005 and t > rise_s) or t > 120.0:
            return -1.0
        v_next = v + max(acceleration, 0.0) * dt
        if v_next >= end:
            between: float = t + dt * (end - v) / (v_next - v)
            return between
        v = v_next
        t += dt
    result: float = t
    return result


reach_time: Any = njit(cache=True)(_reach_time)
