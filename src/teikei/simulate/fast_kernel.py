"""The fast way: many cars across the lanes, single precision, steps of the cycle in any order. Import it lazily.

A step's energy depends on the car, its speed and its acceleration, not on what came before, as long as no limit is
touched and the cells' voltage is that of one state of charge. Equal (speed, acceleration) pairs of the cycle are
therefore merged, exactly. The cells' loss follows from the moments of electric power: with x = R P / V^2, the power
out of the cells is
V I = P (1 + x + 2 x^2 + 5 x^3 + ...) (Catalan numbers; the series of (V - sqrt(V^2 - 4 R P)) / 2R), so that
sums of P, P^2, P^3 and P^4 give the energy for any voltage and resistance: of the middle state of charge, here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

LANES = 64


def _lanes(
    steps: Any,
    rows: Any,
    cars: Any,
    table_offset: Any,
    tables: Any,
    force_points: int,
    out: Any,
) -> None:
    """steps (S, 6): speed, acceleration, seconds, regen fade, row part, speed squared. rows (S,): speed row.

    cars (9, N): f0, f1, f2, inertia, auxiliary kW, regen share, regen force limit, half grid over force limit, scale
    of the losses.
    out (6, N): moments of P in kW (1 to 4), powertrain loss kJ, driving wheel energy kJ.
    """
    count = cars.shape[1]
    blocks = (count + LANES - 1) // LANES
    for block in range(blocks):
        first = block * LANES
        width = min(LANES, count - first)
        f0 = np.zeros(LANES, np.float32)
        f1 = np.zeros(LANES, np.float32)
        f2 = np.zeros(LANES, np.float32)
        mass = np.zeros(LANES, np.float32)
        aux = np.zeros(LANES, np.float32)
        share = np.zeros(LANES, np.float32)
        most_back = np.zeros(LANES, np.float32)
        scale = np.zeros(LANES, np.float32)
        lossy = np.zeros(LANES, np.float32)
        base = np.zeros(LANES, np.int32)
        for lane in range(width):
            f0[lane] = cars[0, first + lane]
            f1[lane] = cars[1, first + lane]
            f2[lane] = cars[2, first + lane]
            mass[lane] = cars[3, first + lane]
            aux[lane] = cars[4, first + lane]
            share[lane] = cars[5, first + lane]
            most_back[lane] = cars[6, first + lane]
            scale[lane] = cars[7, first + lane]
            lossy[lane] = cars[8, first + lane]
            base[lane] = table_offset[first + lane]
        half = np.float32((force_points - 1) // 2)
        last = np.float32(force_points) - np.float32(1.001)
        moment1 = np.zeros(LANES, np.float32)
        moment2 = np.zeros(LANES, np.float32)
        moment3 = np.zeros(LANES, np.float32)
        moment4 = np.zeros(LANES, np.float32)
        lost = np.zeros(LANES, np.float32)
        drive = np.zeros(LANES, np.float32)
        motor = np.zeros(LANES, np.float32)
        part = np.zeros(LANES, np.float32)
        place = np.zeros(LANES, np.int32)
        loss = np.zeros(LANES, np.float32)
        for step in range(steps.shape[0]):
            v = steps[step, 0]
            a = steps[step, 1]
            seconds = steps[step, 2]
            fade = steps[step, 3]
            upper = steps[step, 4]
            vv = steps[step, 5]
            v_kilo = v * np.float32(0.001)
            for lane in range(LANES):
                force = f0[lane] + f1[lane] * v + f2[lane] * vv + mass[lane] * a
                back = max(force * share[lane] * fade, -most_back[lane])
                force = force if force >= np.float32(0.0) else back
                motor[lane] = force
                x = min(max(force * scale[lane] + half, np.float32(0.0)), last)
                column = np.int32(x)
                part[lane] = x - np.float32(column)
                place[lane] = base[lane] + column
            offset = rows[step] * force_points
            for lane in range(LANES):
                i = np.uint32(place[lane] + offset)
                low = tables[i] + part[lane] * (tables[i + np.uint32(1)] - tables[i])
                j = i + np.uint32(force_points)
                high = tables[j] + part[lane] * (tables[j + np.uint32(1)] - tables[j])
                loss[lane] = lossy[lane] * (low + upper * (high - low))
            for lane in range(LANES):
                wheel = motor[lane] * v_kilo
                power = wheel + loss[lane] + aux[lane]
                weighted = seconds * power
                moment1[lane] += weighted
                weighted *= power
                moment2[lane] += weighted
                weighted *= power
                moment3[lane] += weighted
                moment4[lane] += weighted * power
                lost[lane] += seconds * loss[lane]
                drive[lane] += seconds * max(wheel, np.float32(0.0))
        for lane in range(width):
            out[0, first + lane] = moment1[lane]
            out[1, first + lane] = moment2[lane]
            out[2, first + lane] = moment3[lane]
            out[3, first + lane] = moment4[lane]
            out[4, first + lane] = lost[lane]
            out[5, first + lane] = drive[lane]


# fastmath: sums may be reordered, which vectorises them; inputs are finite by the checks of Fleet
lanes: Any = njit(cache=True, fastmath=True, error_model="numpy", nogil=True)(_lanes)


def _cells(
    moments: Any,
    soc_start: Any,
    pack_index: Any,
    ocv: Any,
    ohm: Any,
    resistance_factor: Any,
    charge: Any,
    capacity: Any,
    out: Any,
) -> None:
    """Energy out of the cells and battery loss, J, at the middle state of charge; out (3, N): both, end of charge."""
    socs = ocv.shape[1]
    for n in range(moments.shape[1]):
        p = pack_index[n]
        middle = soc_start[n]
        cells = 0.0
        used = 0.0
        for _ in range(3):
            place = min(max(middle, 0.0), 1.0) * (socs - 1)
            s = min(int(place), socs - 2)
            voltage = ocv[p, s] + (place - s) * (ocv[p, s + 1] - ocv[p, s])
            resistance = (ohm[p, s] + (place - s) * (ohm[p, s + 1] - ohm[p, s])) * resistance_factor[n]
            x = 1000.0 * resistance / (voltage * voltage)
            cells = 1000.0 * (moments[0, n] + x * (moments[1, n] + x * (2.0 * moments[2, n] + x * 5.0 * moments[3, n])))
            used = cells / voltage / (charge[p] * capacity[n])
            middle = soc_start[n] - 0.5 * used
        out[0, n] = cells
        out[1, n] = cells - 1000.0 * moments[0, n]
        out[2, n] = soc_start[n] - used


cells: Any = njit(cache=True, nogil=True)(_cells)


def _touches(
    corners: Any,
    f0: Any,
    f1: Any,
    f2: Any,
    inertia: Any,
    auxiliary: Any,
    regen: Any,
    table_index: Any,
    electric_limit: Any,
    charge_limit: Any,
    top_speed: Any,
    drive_force: Any,
    brake_force: Any,
    limit_scale: Any,
    margin: float,
    out: Any,
) -> None:
    """Whether a car comes within ``margin`` of a limit at any corner step (speed, acceleration) of the cycle."""
    nodes = drive_force.shape[1]
    for n in range(f0.shape[0]):
        k = table_index[n]
        touched = False
        for c in range(corners.shape[0]):
            v = corners[c, 0]
            position = v / top_speed[k] * (nodes - 1)
            if position > nodes - 1.000001:
                touched = True
                break
            row = int(position)
            part = position - row
            force = f0[n] + (f1[n] + f2[n] * v) * v + inertia[n] * corners[c, 1]
            if force >= 0.0:
                most = limit_scale[n] * (drive_force[k, row] + part * (drive_force[k, row + 1] - drive_force[k, row]))
                electric = 1.25 * force * v + auxiliary[n]
                touched = force * margin > most or electric * margin > electric_limit[n]
            else:
                back = -force * regen[n, 0]
                most = limit_scale[n] * (brake_force[k, row] + part * (brake_force[k, row + 1] - brake_force[k, row]))
                touched = back * margin > most or back * v * margin > charge_limit[n]
            if touched:
                break
        out[n] = touched


touches: Any = njit(cache=True, nogil=True)(_touches)
