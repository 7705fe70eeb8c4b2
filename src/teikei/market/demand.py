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
from teikei.market.kernels import choose, compiled, nest_bounds
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
    order: IntArray,
    want_slopes: bool,
    share: Array,
    slopes: Array,
    surplus: Array,
) -> None:
    markets, count = price.shape
    types = utility.shape[2]
    scaled, within, single, kept = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    cells, bounds = np.empty((3, nests)), nest_bounds(nest, nests)
    for t in range(markets):
        at_utility = utility[min(t, utility.shape[0] - 1)]
        at_slope, at_weight = slope[min(t, slope.shape[0] - 1)], weight[min(t, weight.shape[0] - 1)]
        at_scale = scale[min(t, scale.shape[0] - 1)]
        surplus[t] = 0.0
        for j in range(count):
            share[t, j], kept[j] = 0.0, keep[min(t, keep.shape[0] - 1), order[j]]
        for i in range(types):
            for j in range(count):
                k = order[j]
                scaled[j] = (at_utility[k, i] - at_slope[i] * at_scale[k] * price[t, k]) / kept[j]
            best = choose(scaled, bounds, kept, within, cells[0], cells[1], cells[2])
            surplus[t] += at_weight[i] * best / at_slope[i]
            for part in range(nests):
                for j in range(bounds[part], bounds[part + 1]):
                    single[j] = within[j] * cells[2, part]
                    share[t, order[j]] += at_weight[i] * single[j]
            if not want_slopes:
                continue
            load = at_weight[i] * at_slope[i]
            for part in range(nests):
                for j in range(bounds[part], bounds[part + 1]):
                    row = order[j]
                    slopes[t, row, row] -= load * at_scale[row] * single[j] / kept[j]
                    for k in range(count):
                        slopes[t, row, order[k]] += load * at_scale[order[k]] * single[k] * single[j]
                    extra = load * (1.0 / kept[j] - 1.0) * within[j]
                    for k in range(bounds[part], bounds[part + 1]):
                        slopes[t, row, order[k]] += extra * at_scale[order[k]] * single[k]


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
        market.order(),
        slopes,
        share,
        matrix,
        surplus,
    )
    return share, matrix, surplus
