"""Mean utilities behind observed market shares (Berry 1994; Berry, Levinsohn and Pakes 1995)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from teikei.errors import NoPlanError
from teikei.market.fixed_point import invert_markets
from teikei.market.hard import invert_hard
from teikei.market.inputs import check_market, flat, number_array, refuse
from teikei.market.types import Array

_TOLERANCE = 1e-13  # on ln(share)
_MAX_ITERATIONS = 3_000  # then Newton's method takes over (hard.py)


class SharesNotMetError(NoPlanError):
    """The mean utilities behind observed shares were not found. product: place of the one that had to move farthest."""

    product: int = 0


def invert_shares(
    share: npt.ArrayLike,
    price: npt.ArrayLike,
    price_slope: npt.ArrayLike,
    weight: npt.ArrayLike,
    *,
    taste: npt.ArrayLike = 0.0,
    nest: npt.ArrayLike | None = None,
    nest_parameter: npt.ArrayLike = 0.0,
    price_scale: npt.ArrayLike = 1.0,
) -> Array:
    """Which mean utility (..., J) of each product makes demand meet the observed shares?

    share, price (..., J) · price_slope, weight (..., I) · taste (..., J, I): the part of utility that differs between
    types (0: none) · nest, nest_parameter as in ``equilibrium``, whose utility is mean_utility[..., None] + taste.

    Raises MarketInputError where a share is not above 0, or shares leave no outside good (they add up to the sum of
    weights or more); NoPlanError, with the residual, where the contraction does not converge.
    """
    shares, prices, tastes = number_array("share", share), number_array("price", price), number_array("taste", taste)
    if shares.ndim == 0:
        raise refuse("share", "found one number; expected (..., J)")
    if np.any(shares <= 0):
        where = tuple(int(k) for k in np.argwhere(shares <= 0)[0])
        raise refuse(
            "share", f"found {shares[where]} at index {where}; expected a share above 0 (leave out what sells nothing)"
        )
    count = shares.shape[-1]
    if tastes.ndim < 2:
        tastes = np.broadcast_to(tastes, (count, max(tastes.shape[-1] if tastes.ndim else 1, 1)))
    market = check_market(
        tastes,
        price_slope,
        weight,
        nest,
        nest_parameter,
        (("share", shares, 1), ("price", prices, 1)),
        utility_name="taste",
        price_scale=price_scale,
    )
    full = np.broadcast_to(flat("share", shares, market.lead, (count,)), (market.markets, count)).copy()
    inside, whole = full.sum(axis=1), market.weight.sum(axis=1)
    if np.any(inside >= whole * (1 - 1e-12)):
        t = int(np.argmax(inside - whole))
        raise refuse(
            "share",
            f"shares add up to {inside[t]:.6g} of {whole[min(t, len(whole) - 1)]:.6g} buyers: no outside good is left; "
            "expected less: enlarge the potential market or correct the units",
        )
    paid = market.scale * flat("price", prices, market.lead, (count,))
    base = market.utility - market.slope[:, None, :] * paid[:, :, None]
    outside = (whole - inside)[:, None]
    nest_total = np.stack([full[:, market.nest == g].sum(axis=1) for g in range(market.nests)], axis=1)
    # the closed form of a nested logit with one type is the start: exact where types do not differ
    start = np.log(full / outside) - (1 - market.keep) * np.log(full / nest_total[:, market.nest])
    start -= (base * market.weight[:, None, :]).sum(axis=2) / whole[:, None]
    residual = np.empty(market.markets)
    mean = invert_markets(
        full,
        np.require(base, np.float64, ["C", "W"]),
        market.weight,
        market.nest,
        market.nests,
        market.keep,
        market.order(),
        np.require(np.broadcast_to(start, full.shape), np.float64, ["C", "W"]),
        _TOLERANCE,
        _MAX_ITERATIONS,
        residual,
    )
    enough = np.maximum(100 * _TOLERANCE, 64 * np.finfo(np.float64).eps * np.abs(base).max(axis=(1, 2)))  # rounding
    enough = np.broadcast_to(enough, residual.shape)
    for t in np.flatnonzero(~(residual <= enough)).tolist():
        from_here = mean[t] if np.isfinite(mean[t]).all() else np.broadcast_to(start, full.shape)[t]
        mean[t], residual[t] = invert_hard(market, t, full[t], base[min(t, len(base) - 1)], from_here)
    if np.any(~(residual <= enough)):
        t = int(np.argmax(np.nan_to_num(residual, nan=np.inf)))
        moved = np.abs(mean[t] - np.broadcast_to(start, full.shape)[t])
        j = int(np.argmax(np.nan_to_num(moved, nan=np.inf)))
        error = SharesNotMetError(
            f"market {t}: the shares were not met: largest gap of ln(share) {residual[t]:.3g}; the utility of product "
            f"{j} had to move farthest: look at its price and share first"
        )
        error.product = j
        raise error
    return mean.reshape(*market.lead, count)
