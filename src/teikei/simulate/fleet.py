"""Totals of very many cars on one cycle: the fast kernel, and the plain one for cars that touch a limit and for
drives with slope or wind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from teikei.modules.types import Array
from teikei.simulate.cycles import Cycle

Indices = npt.NDArray[np.int64]
Progress = Callable[[str, float], None]

TABLE_SPEEDS: Final = 48
LIMIT_MARGIN: Final = 1.03  # a car within 3 % of a limit at a corner of the cycle is simulated step by step
SOC_MARGIN: Final = 0.01
CHUNK: Final = 16_384


def _nothing() -> Array:
    return np.zeros(0)


@dataclass(frozen=True)
class Fleet:
    """Cars as arrays (N,), powertrain tables (K, …) and packs (P, …) that they share by index; SI units.

    f0_n … auxiliary_w, soc_start, resistance_factor, discharge_limit_w, charge_limit_w: (N,). regen: (N, 4) share,
    speed below which nothing and from which all is recovered (m/s), largest deceleration (m/s²). losses_w: (K, speeds,
    forces) on uniform grids 0 … top_speed_mps and ± force_limit_n; drive_force_n, brake_force_n: (K, speeds).
    ocv_v, resistance_ohm: (P, states of charge); charge_c: (P,) coulomb. mass_kg (N,): what a slope pulls at (without
    rotating mass; inertia_kg where not given); empty_soc (N,): state of charge at which a drive ends (never where not
    given); voltage_max_v (P,): to which braking may lift the cells (any where not given). force_scale, loss_scale,
    limit_scale, capacity_factor (N,): of a car on the forces at which its table is read, on the losses read, on its
    force limits and on its pack's charge (1 where not given), so that cars of one kind share a per-unit table.
    """

    f0_n: Array
    f1_n_per_mps: Array
    f2_n_per_mps2: Array
    inertia_kg: Array
    auxiliary_w: Array
    regen: Array
    pack_index: Indices
    table_index: Indices
    soc_start: Array
    resistance_factor: Array
    discharge_limit_w: Array
    charge_limit_w: Array
    losses_w: Array
    top_speed_mps: Array
    force_limit_n: Array
    drive_force_n: Array
    brake_force_n: Array
    ocv_v: Array
    resistance_ohm: Array
    charge_c: Array
    mass_kg: Array = field(default_factory=_nothing)
    empty_soc: Array = field(default_factory=_nothing)
    force_scale: Array = field(default_factory=_nothing)
    loss_scale: Array = field(default_factory=_nothing)
    limit_scale: Array = field(default_factory=_nothing)
    capacity_factor: Array = field(default_factory=_nothing)
    voltage_max_v: Array = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        filled = (
            ("mass_kg", self.inertia_kg),
            ("empty_soc", np.full(len(self), -np.inf)),
            *((name, np.ones(len(self))) for name in ("force_scale", "loss_scale", "limit_scale", "capacity_factor")),
            ("voltage_max_v", np.full(len(self.charge_c), np.inf)),
        )
        for name, values in filled:
            if not len(getattr(self, name)):
                object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.f0_n)

    def sound(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which powertrain tables (K,) and packs (P,) hold only finite, possible numbers."""
        tables = np.isfinite(self.losses_w).all(axis=(1, 2)) & (self.losses_w >= 0).all(axis=(1, 2))
        packs = np.isfinite(self.ocv_v).all(axis=1) & (self.ocv_v > 0).all(axis=1) & (self.charge_c > 0)
        return np.asarray(tables), np.asarray(packs)

    def finite(self, tables: npt.NDArray[np.bool_], packs: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which cars have finite numbers (limits may be infinite), a positive mass, and a ``sound`` table and pack."""
        ok: npt.NDArray[np.bool_] = np.asarray(np.isfinite(self.regen).all(axis=1) & (self.inertia_kg > 0))
        for name in ("f0_n", "f1_n_per_mps", "f2_n_per_mps2", "inertia_kg", "auxiliary_w", "soc_start"):
            ok &= np.isfinite(getattr(self, name))
        return np.asarray(ok & tables[self.table_index] & packs[self.pack_index])

    def cars(self, index: Any) -> Fleet:
        """Some of the cars with the same tables and packs."""
        return Fleet(
            **{
                one.name: getattr(self, one.name) if one.name in _SHARED else getattr(self, one.name)[index]
                for one in fields(self)
            }
        )


_SHARED: Final = frozenset(
    {
        "losses_w",
        "top_speed_mps",
        "force_limit_n",
        "drive_force_n",
        "brake_force_n",
        "ocv_v",
        "resistance_ohm",
        "charge_c",
        "voltage_max_v",
    }
)
"""Fields of Fleet with one value per powertrain table or pack; the others have one per car."""


def plain(fleet: Fleet, trace: Cycle) -> Array:
    """Totals (N, ``kernels.TOTALS``) step by step in double precision: the reference."""
    from teikei.simulate.kernels import TOTALS, cycle_totals

    out = np.zeros((len(fleet), len(TOTALS)))
    cycle_totals(
        trace.time_s, trace.speed_mps, *trace.steps(), *(getattr(fleet, one.name) for one in fields(fleet)), out
    )
    return out


@dataclass(frozen=True)
class Binned:
    """A cycle as merged steps: speed, acceleration, seconds (S,), and the corners that decide about limits (C, 2)."""

    speed_mps: Array
    acceleration_mps2: Array
    seconds: Array
    corners: Array
    distance_m: float
    duration_s: float


def binned(trace: Cycle) -> Binned:
    """Equal (middle speed, acceleration) steps of a trace merged; corners are the steps that no other step dominates.

    A step is dominated if another has at least its speed and at least its acceleration (driving), or at least its speed
    and at most its acceleration (braking): force rises with both, and force limits fall with speed.
    """
    return _binned(trace.time_s.tobytes(), trace.speed_mps.tobytes())


@lru_cache(maxsize=32)
def _binned(time_bytes: bytes, speed_bytes: bytes) -> Binned:
    time, speed = np.frombuffer(time_bytes), np.frombuffer(speed_bytes)
    seconds = np.diff(time)
    middle = 0.5 * (speed[1:] + speed[:-1])
    acceleration = np.diff(speed) / seconds
    pairs, place = np.unique(np.round(np.stack([middle, acceleration], axis=1), 9), axis=0, return_inverse=True)
    weight = np.bincount(place.ravel(), weights=seconds)
    corners = [pairs[_undominated(pairs[:, 0], sign * pairs[:, 1])] for sign in (1.0, -1.0)]
    return Binned(
        np.ascontiguousarray(pairs[:, 0]),
        np.ascontiguousarray(pairs[:, 1]),
        weight.astype(np.float64),
        np.concatenate(corners),
        float(np.sum(middle * seconds)),
        float(time[-1] - time[0]),
    )


def _undominated(speed: Any, strength: Any) -> npt.NDArray[np.bool_]:
    order = np.lexsort((-strength, -speed))
    best = -np.inf
    keep = np.zeros(len(speed), dtype=np.bool_)
    for index in order:
        if strength[index] > best:
            keep[index] = True
            best = strength[index]
    return keep


def single_tables(fleet: Fleet, top_mps: float) -> npt.NDArray[np.float32]:
    """Loss tables, kW, single precision, resampled to one speed grid 0 … top_mps that all cars of a cycle share."""
    count, nodes, _ = fleet.losses_w.shape
    grid = np.linspace(0.0, top_mps, TABLE_SPEEDS)
    result = np.empty((count, TABLE_SPEEDS, fleet.losses_w.shape[2]), dtype=np.float32)
    for k in range(count):
        position = np.minimum(grid / fleet.top_speed_mps[k] * (nodes - 1), nodes - 1.000001)
        row = position.astype(int)
        part = (position - row)[:, None]
        table = fleet.losses_w[k]
        result[k] = (table[row] * (1.0 - part) + table[row + 1] * part) * 1e-3
    return result


def batch(fleet: Fleet, trace: Cycle, *, threads: int = 1, progress: Progress | None = None) -> Array:
    """Totals (N, ``kernels.TOTALS``) of every car on a cycle, within 0.1 % of ``plain``; the same for any ``threads``.

    Cars that touch a force, power or speed limit on the cycle, that run empty, and drives with slope or wind are
    simulated step by step. A car with a value that is
    not finite gets a row of NaN. Works in chunks: memory above fleet and result is bounded (some 25 MB a thread).
    """
    from teikei.simulate.kernels import TOTALS

    out = np.empty((len(fleet), len(TOTALS)))
    steps = binned(trace)
    tables = single_tables(fleet, _grid_top(steps))
    sound = fleet.sound()

    def work(start: int) -> int:
        rows = slice(start, min(start + CHUNK, len(fleet)))
        part = fleet.cars(rows)
        good = part.finite(*sound)
        # regen fade may differ between cars: the cars of one fade go together
        fades, group = _fades(part.regen[:, 1:3])
        if good.all() and len(fades) == 1:
            out[rows] = _chunk(part, trace, steps, tables, fades[0])
            return len(part)
        out[rows] = np.nan
        for number, fade in enumerate(fades):
            members = np.nonzero((group == number) & good)[0]
            if len(members):
                out[start + members] = _chunk(part.cars(members), trace, steps, tables, fade)
        return len(part)

    done = 0
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for count in pool.map(work, range(0, len(fleet), CHUNK)):
            done += count
            if progress is not None:
                progress(f"{trace.name}: {done} of {len(fleet)} cars", done / len(fleet))
    return out


def _fades(fade: Array) -> tuple[Array, Indices]:
    """The different rows and which of them each car has (one row is by far the usual case)."""
    if len(fade) and (fade == fade[0]).all():
        return fade[:1], np.zeros(len(fade), dtype=np.int64)
    rows, group = np.unique(fade, axis=0, return_inverse=True)
    return rows, group.ravel().astype(np.int64)


def _grid_top(steps: Binned) -> float:
    return float(steps.speed_mps.max()) * (1 + 1e-6)


def _chunk(fleet: Fleet, trace: Cycle, steps: Binned, tables: npt.NDArray[np.float32], fade: Array) -> Array:
    from teikei.simulate import fast_kernel
    from teikei.simulate.kernels import TOTALS

    if not trace.plain:
        return plain(fleet, trace)
    speed = steps.speed_mps
    position = speed / _grid_top(steps) * (TABLE_SPEEDS - 1)
    row = np.minimum(position.astype(np.int32), TABLE_SPEEDS - 2)
    recovered = np.clip((speed - fade[0]) / (fade[1] - fade[0]), 0.0, 1.0)
    columns = (speed, steps.acceleration_mps2, steps.seconds, recovered, position - row, speed * speed)
    rest = speed <= 0.0
    forces = tables.shape[2]
    half = (forces - 1) / 2.0
    limit = fleet.force_limit_n[fleet.table_index] * fleet.force_scale
    cars = np.stack(
        [
            fleet.f0_n,
            fleet.f1_n_per_mps,
            fleet.f2_n_per_mps2,
            fleet.inertia_kg,
            fleet.auxiliary_w * 1e-3,
            fleet.regen[:, 0],
            fleet.regen[:, 3] * fleet.inertia_kg,
            half / limit,
            fleet.loss_scale,
        ]
    ).astype(np.float32)
    moments = np.zeros((6, len(fleet)))
    fast_kernel.lanes(
        np.stack(columns, axis=1)[~rest].astype(np.float32),
        row[~rest],
        cars,
        (fleet.table_index * (tables.shape[1] * forces)).astype(np.int32),
        tables.ravel(),
        forces,
        moments,
    )
    _add_rest(moments, fleet, float(steps.seconds[rest].sum()))
    out = np.zeros((len(fleet), len(TOTALS)))
    battery = np.zeros((3, len(fleet)))
    fast_kernel.cells(
        moments,
        fleet.soc_start,
        fleet.pack_index,
        fleet.ocv_v,
        fleet.resistance_ohm,
        fleet.resistance_factor,
        fleet.charge_c,
        fleet.capacity_factor,
        battery,
    )
    _fill(out, fleet, steps, moments, battery)
    touched = _touched(fleet, steps) | (out[:, 9] <= fleet.empty_soc + SOC_MARGIN)
    if touched.any():
        out[touched] = plain(fleet.cars(touched), trace)
    return out


def _add_rest(moments: Array, fleet: Fleet, seconds: float) -> None:
    """Standing still: the loss at no speed and no force, and the auxiliaries."""
    middle = (fleet.losses_w.shape[2] - 1) // 2
    loss = fleet.loss_scale * fleet.losses_w[fleet.table_index, 0, middle] * 1e-3
    power = loss + fleet.auxiliary_w * 1e-3
    for degree in range(4):
        moments[degree] += seconds * power ** (degree + 1)
    moments[4] += seconds * loss


def _fill(out: Array, fleet: Fleet, steps: Binned, moments: Array, battery: Array) -> None:
    v, w = steps.speed_mps, steps.seconds
    moving = v > 0
    distance = steps.distance_m
    road = (
        fleet.f0_n * distance
        + fleet.f1_n_per_mps * float(np.sum(w * v * v))
        + fleet.f2_n_per_mps2 * float(np.sum(w * v**3))
    )
    kinetic = fleet.inertia_kg * float(np.sum((w * v * steps.acceleration_mps2)[moving]))
    auxiliary = fleet.auxiliary_w * steps.duration_s
    drive, loss = 1000.0 * moments[5], 1000.0 * moments[4]
    regen = drive - (1000.0 * moments[0] - loss - auxiliary)
    out[:, 0] = distance
    out[:, 1] = drive
    out[:, 2] = regen
    out[:, 3] = drive - regen - road - kinetic
    out[:, 4] = loss
    out[:, 5] = auxiliary
    out[:, 6] = battery[1]
    out[:, 7] = battery[0]
    out[:, 9] = battery[2]
    out[:, 10] = road
    out[:, 11] = kinetic


def _touched(fleet: Fleet, steps: Binned) -> npt.NDArray[np.bool_]:
    from teikei.simulate.fast_kernel import touches

    ohm = fleet.resistance_ohm.max(axis=1)[fleet.pack_index] * fleet.resistance_factor
    volt = fleet.ocv_v[:, fleet.ocv_v.shape[1] // 4][fleet.pack_index]
    electric = np.minimum(fleet.discharge_limit_w, 0.95 * volt * volt / (4.0 * ohm))
    back = np.minimum(fleet.charge_limit_w, _room_w(fleet))
    out = np.zeros(len(fleet), dtype=np.bool_)
    touches(
        steps.corners,
        fleet.f0_n,
        fleet.f1_n_per_mps,
        fleet.f2_n_per_mps2,
        fleet.inertia_kg,
        fleet.auxiliary_w,
        fleet.regen,
        fleet.table_index,
        electric,
        back,
        fleet.top_speed_mps,
        fleet.drive_force_n,
        fleet.brake_force_n,
        fleet.limit_scale,
        LIMIT_MARGIN,
        out,
    )
    return out


def _room_w(fleet: Fleet) -> Array:
    """Power that lifts the cells to their highest voltage, W, at the state of charge of the start."""
    p = fleet.pack_index
    socs = fleet.ocv_v.shape[1]
    place = np.clip(fleet.soc_start, 0.0, 1.0) * (socs - 1)
    low = np.minimum(place.astype(int), socs - 2)
    part = place - low
    volt = fleet.ocv_v[p, low] * (1 - part) + fleet.ocv_v[p, low + 1] * part
    ohm = (
        fleet.resistance_ohm[p, low] * (1 - part) + fleet.resistance_ohm[p, low + 1] * part
    ) * fleet.resistance_factor
    highest = fleet.voltage_max_v[p]
    limited = np.isfinite(highest)
    top = np.where(limited, highest, 0.0)
    return np.where(limited, np.maximum(top - volt, 0.0) * top / ohm, np.inf)
