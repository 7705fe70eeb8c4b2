"""The powertrain seen from the wheels: loss over vehicle speed and wheel force, with the best split between axles.

Two axles, two ratios and a tyre radius collapse into one table; every candidate that shares them shares the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from teikei.modules.e_axles import torque_limit_nm
from teikei.modules.types import Array, EAxle

SPEED_POINTS: Final = 65
FORCE_POINTS: Final = 129  # odd: zero force is a node, so the kink there is exact
SPLIT_POINTS: Final = 21
REAR_REGEN_SHARE: Final = 0.6  # most of the recovered force that the rear axle may take, for stability (assumption)


@dataclass(frozen=True)
class WheelTable:
    """Powertrain loss, W, on a uniform grid of speed (0 … top, m/s) and wheel force (−limit … +limit, N).

    loss_w (SPEED_POINTS, FORCE_POINTS); drive_force_n and brake_force_n (SPEED_POINTS,): the most the motors can give
    and take (>= 0 both). All at the one voltage that the table was made for.
    """

    top_speed_mps: float
    force_limit_n: float
    loss_w: Array
    drive_force_n: Array
    brake_force_n: Array

    @property
    def speed_mps(self) -> Array:
        """The speed nodes."""
        return np.linspace(0.0, self.top_speed_mps, SPEED_POINTS)

    @property
    def force_n(self) -> Array:
        """The force nodes."""
        return np.linspace(-self.force_limit_n, self.force_limit_n, FORCE_POINTS)

    def loss_at_nodes_w(self, force_n: Array) -> Array:
        """Loss, W, at the speed nodes with one force (N) each, linear between the force nodes."""
        place = (force_n + self.force_limit_n) / (2.0 * self.force_limit_n) * (FORCE_POINTS - 1)
        column = np.clip(place.astype(int), 0, FORCE_POINTS - 2)
        part = np.clip(place - column, 0.0, 1.0)
        row = np.arange(SPEED_POINTS)
        return np.asarray(self.loss_w[row, column] * (1 - part) + self.loss_w[row, column + 1] * part, dtype=float)


class _AxleLoss:
    """Loss of one e-axle with its gear at the speed nodes of a wheel table and one voltage."""

    def __init__(self, e_axle: EAxle, speed_mps: Array, tyre_radius_m: float, voltage_v: float | None) -> None:
        table = e_axle.loss
        speed = speed_mps * e_axle.gear_ratio / tyre_radius_m
        self.motor_speed = speed[:, None]
        self.limit_nm = torque_limit_nm(e_axle, speed, voltage_v=voltage_v)[:, None] * (1 + 1e-9)
        self.metre = tyre_radius_m / e_axle.gear_ratio
        self.efficiency = e_axle.gear_efficiency
        self.half_nm = float(table.torque_nm[-1])
        self.columns = len(table.torque_nm)
        # speed and voltage are the same in every call: interpolate over them once
        at = table.at(e_axle.voltage_v if voltage_v is None else voltage_v)
        place = np.clip(speed / table.speed_radps[-1] * (len(at) - 1), 0, len(at) - 1.000001)
        row = place.astype(int)
        part = (place - row)[:, None]
        self.flat = np.ascontiguousarray((1 - part) * at[row] + part * at[row + 1]).ravel()
        self.start = (np.arange(len(speed)) * self.columns)[:, None]

    def at(self, force_n: Array) -> Array:
        """Loss, W, at the axle's force (speeds, forces); inf beyond its limits.

        The gear loses (1 − efficiency) of the power that enters it in either direction.
        """
        wheel = force_n * self.metre
        torque = np.where(force_n >= 0, wheel / self.efficiency, wheel * self.efficiency)
        place = np.clip((torque + self.half_nm) * ((self.columns - 1) / (2 * self.half_nm)), 0, self.columns - 1.000001)
        column = place.astype(int)
        index = self.start + column
        low = self.flat.take(index)
        loss = low + (place - column) * (self.flat.take(index + 1) - low)
        loss += np.abs(torque - wheel) * self.motor_speed
        loss[np.abs(torque) > self.limit_nm] = np.inf
        return np.asarray(loss, dtype=float)


def axle_force_limit_n(
    e_axle: EAxle, speed_mps: Array, tyre_radius_m: float, *, voltage_v: float | None = None, continuous: bool = False
) -> Array:
    """Driving force limit of one axle, N, gear loss taken off."""
    motor_speed = np.asarray(speed_mps, float) * e_axle.gear_ratio / tyre_radius_m
    torque = torque_limit_nm(e_axle, motor_speed, voltage_v=voltage_v, continuous=continuous)
    return torque * e_axle.gear_ratio * e_axle.gear_efficiency / tyre_radius_m


def wheel_table(axles: list[tuple[str, EAxle]], tyre_radius_m: float, *, voltage_v: float | None = None) -> WheelTable:
    """The table of one car; ``axles`` lists (position, e-axle), one or two. Two axles share the force at least loss.

    voltage_v: of the pack, at which the losses and limits hold; each axle's nominal voltage where None.
    """
    top_speed = min(e.max_speed_radps * tyre_radius_m / e.gear_ratio for _, e in axles)
    speed = np.linspace(0.0, top_speed, SPEED_POINTS)
    limits = [axle_force_limit_n(e, speed, tyre_radius_m, voltage_v=voltage_v) for _, e in axles]
    # a braking wheel force of F reaches the motor as F x efficiency: the motor can take more than it can give
    brakes = [limit / e.gear_efficiency**2 for limit, (_, e) in zip(limits, axles, strict=True)]
    force_limit = float(max(np.sum(limits, axis=0).max(), np.sum(brakes, axis=0).max()))
    force = np.linspace(-force_limit, force_limit, FORCE_POINTS)
    grid_force = force[None, :]
    if len(axles) == 1:
        within = np.clip(grid_force, -brakes[0][:, None], limits[0][:, None])
        loss = _AxleLoss(axles[0][1], speed, tyre_radius_m, voltage_v).at(within)
        return WheelTable(top_speed, force_limit, loss, limits[0], brakes[0])
    front, rear = (_AxleLoss(e_axle, speed, tyre_radius_m, voltage_v) for _, e_axle in axles)
    drive, brake = limits[0] + limits[1], brakes[0] + brakes[1]
    brake = np.minimum(brake, brakes[0] / (1 - REAR_REGEN_SHARE))
    within = np.clip(grid_force, -brake[:, None], drive[:, None])
    # split over what the front axle can take, given what is left for the rear axle
    lowest = np.maximum(-brakes[0][:, None], within - limits[1][:, None])
    highest = np.minimum(limits[0][:, None], within + brakes[1][:, None])
    lowest = np.where(within >= 0, np.maximum(lowest, 0.0), lowest)
    highest = np.where(within >= 0, np.minimum(highest, within), np.minimum(highest, (1 - REAR_REGEN_SHARE) * within))
    lowest = np.where(within < 0, np.maximum(lowest, within), lowest)
    best = np.full(within.shape, np.inf)
    for share in np.linspace(0.0, 1.0, SPLIT_POINTS):
        front_force = lowest + share * (highest - lowest)
        total = front.at(front_force) + rear.at(within - front_force)
        best = np.minimum(best, total)
    return WheelTable(top_speed, force_limit, best, drive, brake)
