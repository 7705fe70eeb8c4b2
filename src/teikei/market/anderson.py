"""Anderson (1965) acceleration of a fixed point, compiled: type II over a short window of the last steps."""

from __future__ import annotations

from typing import Final

import numpy as np

from teikei.market.kernels import add_scaled, compiled
from teikei.market.types import Array

WINDOW: Final = 8  # columns kept


@compiled
def anderson_step(
    point: Array, image: Array, points: Array, images: Array, filled: int, work: Array, factor: Array, nxt: Array
) -> None:
    """One Anderson step (type II, window of ``filled`` columns) for image = map(point), written to ``nxt``.

    points, images (window + 1, J): the last ones, the newest at row ``filled``. Least squares by modified Gram-Schmidt;
    columns that depend on earlier ones are dropped.
    """
    size = point.size
    for j in range(size):
        nxt[j] = image[j]
        work[filled, j] = image[j] - point[j]
    for column in range(filled):  # newest differences first
        new, old = filled - column, filled - column - 1
        norm_before = 0.0
        for j in range(size):
            work[column, j] = (images[new, j] - points[new, j]) - (images[old, j] - points[old, j])
            norm_before += work[column, j] ** 2
        for earlier in range(column):
            dot = 0.0
            for j in range(size):
                dot += work[earlier, j] * work[column, j]
            factor[earlier, column] = dot
            for j in range(size):
                work[column, j] -= dot * work[earlier, j]
        norm = 0.0
        for j in range(size):
            norm += work[column, j] ** 2
        if norm <= 1e-24 * norm_before or norm == 0.0:
            factor[column, column] = 0.0
            for j in range(size):
                work[column, j] = 0.0
        else:
            factor[column, column] = np.sqrt(norm)
            for j in range(size):
                work[column, j] /= factor[column, column]
    gamma = np.zeros(filled)
    for column in range(filled):
        dot = 0.0
        for j in range(size):
            dot += work[column, j] * work[filled, j]
        gamma[column] = dot
    for column in range(filled - 1, -1, -1):
        if factor[column, column] == 0.0:
            gamma[column] = 0.0
            continue
        for later in range(column + 1, filled):
            gamma[column] -= factor[column, later] * gamma[later]
        gamma[column] /= factor[column, column]
        new, old = filled - column, filled - column - 1
        for j in range(size):
            nxt[j] -= gamma[column] * (images[new, j] - images[old, j])


@compiled
def push_and_step(
    point: Array, image: Array, memory: Array, filled: int, work: Array, factor: Array, nxt: Array
) -> int:
    """Remember (point, image) in ``memory`` (2, window + 1, J), take the Anderson step; returns the newest row."""
    points, images = memory[0], memory[1]
    if filled == WINDOW:
        for row in range(WINDOW):
            add_scaled(points[row], 0.0, 1.0, points[row + 1])
            add_scaled(images[row], 0.0, 1.0, images[row + 1])
        filled -= 1
    filled += 1
    add_scaled(points[filled], 0.0, 1.0, point)
    add_scaled(images[filled], 0.0, 1.0, image)
    anderson_step(point, image, points, images, filled, work, factor, nxt)
    return filled
