"""Nested logit demand with consumer types: shares and their derivatives, analytic, batched over leading axes.

    v_ij = utility_ij - a_i k_j p_j,   D_ig = sum_{j in g} exp(v_ij / (1 - rho_g))
    s_ij = exp(v_ij / (1 - rho_g)) / D_ig * D_ig^(1 - rho_g) / (1 + sum_h D_ih^(1 - rho_h)),   s_j = sum_i w_i s_ij

(Berry, Levinsohn and Pakes 1995; Brenkers and Verboven 2006; Grigolon and Verboven 2014.) k_j is 1 without
a price scale.
"""

from __future__ import annotations

import numpy as np

from teikei.market.inputs import Market
from teikei.market.kernels import compiled, dot, nest_bounds, probabilities
from teikei.market.subnests import derive_subnests
from teikei.market.types import Array, IntArray


@compiled
def fill_slopes(
    row: Array,
    load: Array,
    values: Array,
    nest_share: Array,
    bounds: IntArray,
    part: int,
    order: IntArray,
    scale: Array,
    keep: float,
) -> None:
    """Gamma of one product: sum_i w_i a_i s_ij (s_ik + [same nest] rho / (1 - rho) s_ik|nest), times the scale of k."""
    weighted = np.empty(load.size)
    for other in range(bounds.size - 1):
        extra = 1.0 / keep - 1.0 if other == part else 0.0
        for i in range(load.size):
            weighted[i] = load[i] * (nest_share[other, i] + extra)
        for k in range(bounds[other], bounds[other + 1]):
            row[order[k]] = scale[order[k]] * dot(values[k], weighted)


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
    kept, paid = np.empty(count), np.empty(count)
    values, nest_work, type_rows = np.empty((count, types)), np.empty((3, nests, types)), np.ones((4, types))
    best, mass, load, ones = type_rows[0], type_rows[1], type_rows[2], type_rows[3]
    bounds = nest_bounds(nest, nests)
    for t in range(markets):
        at_slope, at_weight = slope[min(t, slope.shape[0] - 1)], weight[min(t, weight.shape[0] - 1)]
        at_scale = scale[min(t, scale.shape[0] - 1)]
        for j in range(count):
            kept[j] = keep[min(t, keep.shape[0] - 1), order[j]]
            paid[j] = at_scale[order[j]] * price[t, order[j]]
        at_utility = utility[min(t, utility.shape[0] - 1)]
        probabilities(at_utility, order, at_slope, paid, kept, bounds, values, nest_work, best)
        surplus[t] = 0.0
        for i in range(types):
            surplus[t] += at_weight[i] * best[i] / at_slope[i]
        for part in range(nests):
            for j in range(bounds[part], bounds[part + 1]):
                for i in range(types):
                    mass[i] = at_weight[i] * nest_work[2, part, i]
                    load[i] = mass[i] * at_slope[i] * values[j, i]
                row = order[j]
                share[t, row] = dot(values[j], mass)
                if not want_slopes:
                    continue
                fill_slopes(slopes[t, row], load, values, nest_work[2], bounds, part, order, at_scale, kept[j])
                slopes[t, row, row] -= at_scale[row] * dot(load, ones) / kept[j]


def derive(market: Market, price: Array, *, slopes: bool = True) -> tuple[Array, Array, Array]:
    """Shares (T, J), their price derivatives ds_j/dp_k (T, J, J), consumer surplus per head (T,) in money.

    ``price`` (T, J). Derivatives are empty, shape (T, 0, 0), unless ``slopes``. Surplus:
    sum_i w_i ln(1 + sum_g D_ig^(1-rho)) / a_i (Small and Rosen 1981), up to a constant that no price changes;
    with a price scale, money as valued by a buyer of a product of scale 1.
    """
    if market.subnest is not None:
        return derive_subnests(market, price, slopes=slopes)
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
