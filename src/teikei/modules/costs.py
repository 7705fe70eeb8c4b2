"""Named cost curves: what a designed module would cost a supplier, and at what price it would sell.

Curves ship as a table (``data/cost/cost_curves.csv``). They price designs without an offer, and give
the band around offers.
Price = direct cost x learning of the price year x money of the price year x supplier mark-up x exchange rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from teikei.modules.data_files import number, reference_rows
from teikei.study.checks.modules import COST_CURVES

CURVES: Final = COST_CURVES
SUPPLIER_MARKUP: Final = 1.14
"""Overhead, warranty and profit on direct cost where engineering is paid apart (assumption, 1.10–1.25)."""


@dataclass(frozen=True)
class CurvePrice:
    """Direct cost in the curve's own currency and money of ``price_year``, and what the curve rests on."""

    curve: str
    currency: str
    amount: float
    note: str
    warning: str = ""


def non_battery_learning(year: int) -> float:
    """EPA FRM learning of motors, inverters, gears and chargers: ((6.6 (year - 2022) + 8) / 8)^-0.245, 2022 to 2035."""
    elapsed = min(max(year, 2022), 2035) - 2022
    return float(((6.6 * elapsed + 8.0) / 8.0) ** -0.245)


def epa_frm_pack_usd_per_kwh(chemistry: str, gross_energy_kwh: float, year: int) -> float:
    """EPA FRM (ANL BatPaC) pack cost, USD 2022 per gross kWh: base + a / E^p - b n e^(-c n), n = year - 2023."""
    elapsed = float(min(max(year, 2023), 2035) - 2023)
    if chemistry == "lfp":
        size, fall = 120.6 + 1535.0 / gross_energy_kwh**1.148, 10.04 * elapsed * math.exp(-0.08346 * elapsed)
    else:
        size, fall = 128.9 + 1480.0 / gross_energy_kwh**1.164, 5.278 * elapsed * math.exp(-0.0129 * elapsed)
    return float(size - fall)


def money_factor(currency: str, money_year: int, price_year: int) -> float:
    """Factor from money of ``money_year`` to ``price_year`` (geometric between the years of money_years.csv)."""
    for row in reference_rows("cost", "money_years.csv"):
        if row["currency"] == currency and int(row["money_year"]) == money_year:
            span = int(row["to_year"]) - money_year
            return float(float(row["factor"]) ** ((price_year - money_year) / span))
    return 1.0


def _part_cost(curve: str, part: str, size: float, price_year: int) -> CurvePrice | None:
    for row in reference_rows("cost", "cost_curves.csv"):
        if row["curve"] != curve or row["part"] != part:
            continue
        amount = number(row["fixed"]) + number(row["per_kw"]) * size
        if row["exponent"].startswith("epa_frm"):
            amount = size * epa_frm_pack_usd_per_kwh(row["exponent"].removeprefix("epa_frm_"), size, price_year)
        elif row["per_kwh"]:
            amount = size * number(row["per_kwh"]) * size ** number(row["exponent"])
        elif part == "gearbox_per_kg":
            amount = number(row["fixed"]) * size
        if row["learning"] == "epa_frm_non_battery":
            amount *= non_battery_learning(price_year)
        amount *= money_factor(row["currency"], int(row["money_year"]), price_year)
        low, high = number(row["valid_from"]), number(row["valid_to"]) or math.inf
        outside = not low <= size <= high and part != "gearbox_per_kg"
        unit, what = row["size_unit"], part.replace("_", " ")
        warning = f"cost curve of {what}: {size:g} {unit} is outside its {low:g} to {high:g} {unit}" if outside else ""
        return CurvePrice(curve, row["currency"], amount, row["source"], warning)
    return None


def _total(curve: str, parts: list[tuple[str, float]], price_year: int) -> CurvePrice | None:
    found = [_part_cost(curve, part, size, price_year) for part, size in parts]
    prices = [price for price in found if price is not None]
    if len(prices) < len(found) or not prices:
        return None
    return CurvePrice(
        curve,
        prices[0].currency,
        SUPPLIER_MARKUP * sum(price.amount for price in prices),
        "; ".join(dict.fromkeys(price.note for price in prices)),
        "; ".join(price.warning for price in prices if price.warning),
    )


def e_axle_price(
    curve: str,
    *,
    motor_type: str,
    peak_power_kw: float,
    gearbox_kg: float,
    suv: bool,
    price_year: int,
    switch: str = "si",
) -> CurvePrice | None:
    """Supplier price of motor, inverter and gear by a named curve, in its currency; None if it has no such part.

    An inverter of silicon carbide costs ``inverter_sic_extra`` more (assumption).
    """
    motor = "motor_induction" if motor_type == "induction" else "motor_pm"
    gear = (
        ("gearbox_per_kg", gearbox_kg) if curve == "tum" else ("gearbox_suv" if suv else "gearbox_sedan", peak_power_kw)
    )
    extra = [("inverter_sic_extra", peak_power_kw)] if switch == "sic" else []
    return _total(curve, [(motor, peak_power_kw), ("inverter", peak_power_kw), *extra, gear], price_year)


def pack_price(curve: str, *, chemistry: str, gross_energy_kwh: float, price_year: int) -> CurvePrice | None:
    """Supplier price of a pack by a named curve, in the curve's currency."""
    return _total(curve, [("pack_lfp" if chemistry == "lfp" else "pack_nmc", gross_energy_kwh)], price_year)


def other_price(curve: str, part: str, size: float, *, price_year: int) -> CurvePrice | None:
    """Supplier price of a charger (kW), harness or thermal module by a named curve; None if it has no such part."""
    return _total(curve, [(part, size)], price_year)
