"""The compiled loops of the Lagrangean relaxation; relax.py gives them their arrays and says what they mean."""

from __future__ import annotations

import numpy as np
from numba import njit

from teikei.plan.award.types import Array, Flags, Ints

UNREACHABLE = 1e30  # value of a tier that cannot be reached


@njit(cache=True, nogil=True)
def tier_values(
    multiplier: Array,
    cell: Ints,
    price: Array,
    lower: Array,
    upper: Array,
    size: Array,
    start: Ints,
    low: Array,
    high: Array,
    factor: Array,
    count: Ints,
    order: Ints,
    value: Array,
) -> None:
    """Reduced cost of each group at each tier (G, R), filled into ``value``; ``order`` (R, P) is kept sorted
    where a knapsack does not take everything that is worth it."""
    reduced, rate = np.empty(price.shape[0]), np.empty(price.shape[0])
    for g in range(len(start) - 1):
        a, b = start[g], start[g + 1]
        for r in range(count[g]):
            total, cost = 0.0, 0.0
            cheap, saved = 0.0, 0.0  # all that is worth taking by itself
            for i in range(a, b):
                reduced[i] = factor[g, r] * price[i] - multiplier[cell[i]]
                total += lower[i] * size[i]
                cost += lower[i] * reduced[i]
                if reduced[i] < 0:
                    cheap += (upper[i] - lower[i]) * size[i]
                    saved += (upper[i] - lower[i]) * reduced[i]
            if total > high[g, r] * (1 + 1e-9):
                value[g, r] = UNREACHABLE
                continue
            if low[g, r] <= total + cheap <= high[g, r]:
                value[g, r] = cost + saved
                continue
            for i in range(a, b):
                rate[i] = reduced[i] / size[i]
            o = order[r]
            arrange(o, rate, a, b)
            for i in range(a, b):
                j = o[i]
                room = (high[g, r] if reduced[j] < 0 else low[g, r]) - total
                if room <= 0:
                    break
                taken = min(upper[j] - lower[j], room / size[j])
                total += taken * size[j]
                cost += taken * reduced[j]
            value[g, r] = cost if total >= low[g, r] * (1 - 1e-9) else UNREACHABLE


@njit(cache=True, nogil=True)
def arrange(o: Ints, rate: Array, a: int, b: int) -> None:
    """Sort the offers o[a:b] by rate: by insertion, as they mostly are sorted from the last time, else anew."""
    left = 16 * (b - a)
    for i in range(a + 1, b):
        j = o[i]
        key = rate[j]
        q = i - 1
        while q >= a and rate[o[q]] > key:
            o[q + 1] = o[q]
            q -= 1
        o[q + 1] = j
        left -= i - 1 - q
        if left < 0:
            o[a:b] = a + np.argsort(rate[a:b])
            return


@njit(cache=True, nogil=True)
def fill(
    g: int,
    r: int,
    multiplier: Array,
    cell: Ints,
    price: Array,
    lower: Array,
    upper: Array,
    size: Array,
    start: Ints,
    low: Array,
    high: Array,
    factor: Array,
    order: Ints,
    award: Array,
) -> None:
    """The awards of one group at one tier, filled into ``award`` (P,)."""
    o = order[r]
    total, cheap = 0.0, 0.0
    for i in range(start[g], start[g + 1]):
        award[i] = lower[i]
        total += lower[i] * size[i]
        if factor[g, r] * price[i] - multiplier[cell[i]] < 0:
            cheap += (upper[i] - lower[i]) * size[i]
    if low[g, r] <= total + cheap <= high[g, r]:
        for i in range(start[g], start[g + 1]):
            if factor[g, r] * price[i] - multiplier[cell[i]] < 0:
                award[i] = upper[i]
        return
    for i in range(start[g], start[g + 1]):
        j = o[i]
        negative = factor[g, r] * price[j] - multiplier[cell[j]] < 0
        room = (high[g, r] if negative else low[g, r]) - total
        if room <= 0:
            break
        taken = min(upper[j] - lower[j], room / size[j])
        award[j] += taken
        total += taken * size[j]


@njit(cache=True, nogil=True)
def bound(
    multiplier: Array,
    cell: Ints,
    price: Array,
    lower: Array,
    upper: Array,
    size: Array,
    start: Ints,
    first: Ints,
    low: Array,
    high: Array,
    factor: Array,
    count: Ints,
    demand: Array,
    activation: Array,
    state: Ints,
    allowed: Flags,
    most_on: int,
    least_on: int,
    order: Ints,
    value: Array,
    award: Array,
    tier: Ints,
    on: Ints,
) -> float:
    """Lagrangean bound at the multipliers; fills tier values (G, R), awards (P,), best tier (G,), supplier on (S,).

    state (S,): -1 free, 0 off, 1 on; allowed (G, R): tiers that may be used; most_on, least_on: of suppliers.
    """
    tier_values(multiplier, cell, price, lower, upper, size, start, low, high, factor, count, order, value)
    total = 0.0
    for i in range(len(demand)):
        total += multiplier[i] * demand[i]
    award[:] = 0.0
    whole = np.zeros(len(activation))
    used = 0
    for s in range(len(activation)):
        cost = activation[s]
        for g in range(first[s], first[s + 1]):
            best, at = UNREACHABLE, 0
            for r in range(count[g]):
                if allowed[g, r] and value[g, r] < best:
                    best, at = value[g, r], r
            tier[g] = at
            cost += best
        whole[s] = cost
        on[s] = 1 if state[s] == 1 else 0
        used += on[s]
    for s in np.argsort(whole):
        if used >= most_on or (whole[s] >= 0 and used >= least_on):
            break
        if state[s] == -1:
            on[s] = 1
            used += 1
    for s in range(len(activation)):
        if on[s] == 1:
            total += whole[s]
            for g in range(first[s], first[s + 1]):
                fill(g, tier[g], multiplier, cell, price, lower, upper, size, start, low, high, factor, order, award)
    return float(total)
