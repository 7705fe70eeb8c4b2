"""Random cars of all sizes for kernels, tests and benchmarks."""

from __future__ import annotations

import numpy as np

from teikei.modules.packs import cell_curves
from teikei.simulate import generic
from teikei.simulate.fleet import Fleet


def fleet(count: int, powertrains: int = 64, seed: int = 1, power_w: tuple[float, float] = (60e3, 300e3)) -> Fleet:
    """Random cars of all sizes."""
    random = np.random.default_rng(seed)
    mass = random.uniform(1000.0, 2800.0, count)
    power = random.uniform(*power_w, powertrains)
    unit = generic.unit_loss_tables(["pm"])["pm"]
    speed = np.linspace(0.0, generic.TOP_SPEED_MPS, generic.SPEED_POINTS)
    limit = power / generic.BASE_SPEED_MPS
    force = np.minimum(limit[:, None], power[:, None] / np.maximum(speed, 1e-9))
    ocv, ohm_ah = cell_curves("nmc", 25.0)
    capacity = random.uniform(60.0, 250.0, 16)
    return Fleet(
        f0_n=mass * random.uniform(0.06, 0.1, count),
        f1_n_per_mps=random.uniform(-1.0, 4.0, count),
        f2_n_per_mps2=random.uniform(0.3, 0.55, count),
        inertia_kg=1.03 * mass,
        auxiliary_w=random.uniform(150.0, 1500.0, count),
        regen=np.tile([0.88, 0.8, 3.0, 3.5], (count, 1)),
        pack_index=random.integers(0, 16, count),
        table_index=random.integers(0, powertrains, count),
        soc_start=np.full(count, 0.9),
        resistance_factor=np.ones(count),
        discharge_limit_w=np.full(count, 3e5),
        charge_limit_w=np.full(count, 1.5e5),
        losses_w=unit[None] * power[:, None, None],
        top_speed_mps=np.full(powertrains, generic.TOP_SPEED_MPS),
        force_limit_n=limit,
        drive_force_n=force,
        brake_force_n=force,
        ocv_v=np.tile(ocv * 96, (16, 1)),
        resistance_ohm=ohm_ah[None] * 96 / capacity[:, None],
        charge_c=capacity * 3600.0,
    )
