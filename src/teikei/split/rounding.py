"""Money in whole units, so that what is paid adds up to what is received."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction


def whole_units(amounts: Mapping[str, float], factor: int = 1_000_000) -> dict[str, int]:
    """Amounts in million -> whole units of the currency that add up to the rounded sum (largest remainder, Hamilton).

    Each amount is rounded down; the units left over go, one each, to the largest remainders, and among equal remainders
    to the company named first.

    factor: units in one of the amounts' unit (10^6 for million). Every result is within one unit of its exact amount.
    Raises ValueError for amounts that are not finite.
    """
    exact = {name: Fraction(amount) * factor for name, amount in amounts.items()}
    total = sum(exact.values(), Fraction(0))
    target = math.floor(total + Fraction(1, 2))  # half a unit goes up, whatever the sign
    whole = {name: math.floor(amount) for name, amount in exact.items()}
    left = target - sum(whole.values())
    order = sorted(exact, key=lambda name: (whole[name] - exact[name], list(exact).index(name)))
    for name in order[:left]:
        whole[name] += 1
    return whole
