# ruff: noqa: PLR0917  (compiled functions take their arrays by position)
"""Nested logit demand with consumer types: shares and their derivatives, analytic, batched over leading axes.

    v_ij = utility_ij - a_i k_j p_j,   D_ig = sum_{j in g} exp(v_ij / (1 - rho_g))
    s_ij = exp(v_ij / (1 - rho_g)) / D_ig * D_ig^(1 - rho_g) / (1 + sum_h D_ih^(1 - rho_h)),   s_j = sum_i w_i s_ij

(Berry, Levinsohn and Pakes 1995; Brenkers and Verboven 2006; Grigolon and Verboven 2014.) k_j is 1 without
a price scale.
"""

from __future__ import annotations

import numpy as np

from teikei.market.inputs import Market
from teikei.market.kernels import choose, compiled
from teikei.market.types import Array, IntArray


@compiled
def _derive(
    price: Array,
    utility: Array,
    slope: Array,
    weight: Array,
    nest: IntArray,
    nests: int,
    keep: Array,
    scale: Array,
    want_slopes: bool,
    share: Array,
    slopes: Array,
    surplus: Array,
) -> None:
    markets, count = price.shape
    types = utility.shape[2]
    scaled, within, single = np.empty(count), np.empty(count), np.empty(count)
    cells = np.empty((3, nests))
    for t in range(markets):
        at_utility = utility[min(t, utility.shape[0] - 1)]
        at_slope, at_weight = slope[min(t, slope.shape[0] - 1)], weight[min(t, weight.shape[0] - 1)]
        at_keep, at_scale = keep[min(t, keep.shape[0] - 1)], scale[min(t, scale.shape[0] - 1)]
        surplus[t] = 0.0
        for j in range(count):
            share[t, j] = 0.0
        for i in range(types):
            for j in range(count):
                scaled[j] = (at_utility[j, i] - at_slope[i] * at_scale[j] * price[t, j]) / at_keep[j]
            best = choose(scaled, nest, at_keep, within, cells[0], cells[1], cells[2])
            surplus[t] += at_weight[i] * best / at_slope[i]
            for j in range(count):
                single[j] = within[j] * cells[2, nest[j]]
                share[t, j] += at_weight[i] * single[j]
            if not want_slopes:
                continue
            load = at_weight[i] * at_slope[i]
            for j in range(count):
                slopes[t, j, j] -= load * at_scale[j] * single[j] / at_keep[j]
                extra = (1.0 / at_keep[j] - 1.0) * within[j]
                for k in range(count):
                    cross = single[j] + (extra if nest[j] == nest[k] else 0.0)
                    slopes[t, j, k] += load * at_scale[k] * single[k] * cross


def derive(market: Market, price: Array, *, slopes: bool = True) -> tuple[Array, Array, Array]:
    """Shares (T, J), their price derivatives ds_j/dp_k (T, J, J), consumer surplus per head (T,) in money.

    ``price`` (T, J). Derivatives are empty, shape (T, 0, 0), unless ``slopes``. Surplus:
    sum_i w_i ln(1 + sum_g D_ig^(1-rho)) / a_i (Small and Rosen 1981), up to a constant that no price changes;
    with a price scale, money as valued by a buyer of a product of scale 1.
    """
    markets, count = price.shape
    share, surplus = np.empty((markets, count)), np.empty(markets)
    matrix = np.zeros((markets, count, count) if slopes else (markets, 0, 0))
    _derive(
        np.require(price, np.float64, ["C", "W"]),
        market.utility,
        market.slope,
        market.weight,
        market.nest,
        market.nests,
        market.keep,
        market.scale,
        slopes,
        share,
        matrix,
        surplus,
    )
    return share, matrix, surplus
