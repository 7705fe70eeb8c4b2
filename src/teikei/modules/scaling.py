"""New members of a designed e-axle family: another stack length, number of turns, ratio or inverter current class.

One lamination and winding scheme, so that the magnetic circuit is the same in every cross-section (Stipetic, Zarko and
Popescu, Scaling laws for synchronous permanent magnet machines, EVER 2015). With length factor a, turns factor w and
phase current factor c against the member it is made from:

    torque                      T' = T a w c           (the same ampere-turns where w c = 1)
    flux linkage                psi' = psi a w         so the speed where the voltage is used up is n / (a w)
    power at a given voltage    P' = P c               (voltage and current give the kVA, whatever a and w are)
    continuous torque           Tc' = Tc a             (loss and cooling surface grow with length)
    continuous power            Pc' = Pc min(a, c)     (thermal of machine or of inverter, whichever is less)

Ampere-turns above those of the original saturate the iron and heat it: refused. Mass and price follow by the laws of
``masses`` and ``costs`` from the new ratings; losses by the family's cross-section (``losses``: size).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from teikei.errors import Problem, StudyError
from teikei.modules.e_axles import peak_torque_nm

LENGTH_RANGE: Final = (0.4, 2.0)  # end windings outweigh the gain below, shaft bending and bearings above (assumption)
RATIO_RANGE: Final = (5.0, 16.0)  # two helical stages (assumption)


@dataclass(frozen=True)
class Scaling:
    """Factors against the member it is made from (1 = unchanged); gear_ratio itself, None = unchanged."""

    length: float = 1.0
    turns: float = 1.0
    current: float = 1.0
    gear_ratio: float | None = None
    inverter_switch: str | None = None

    def faults(self, place: str) -> list[Problem]:
        """What is impossible or outside the law's range."""
        found = []
        if not LENGTH_RANGE[0] <= self.length <= LENGTH_RANGE[1]:
            low, high = LENGTH_RANGE
            found.append(Problem(place, f"length factor {self.length:g} is outside {low:g} to {high:g}"))
        if self.turns <= 0 or self.current <= 0:
            found.append(Problem(place, "factors of turns and current must be positive"))
        elif self.turns * self.current > 1.0 + 1e-9:
            found.append(
                Problem(
                    place,
                    f"turns x current {self.turns * self.current:g}: more ampere-turns than the lamination is made "
                    "for saturate it; keep turns x current at or below 1",
                )
            )
        if self.gear_ratio is not None and not RATIO_RANGE[0] <= self.gear_ratio <= RATIO_RANGE[1]:
            low, high = RATIO_RANGE
            found.append(Problem(place, f"gear ratio {self.gear_ratio:g} is outside {low:g} to {high:g}"))
        return found


def scaled(row: Mapping[str, Any], name: str, by: Scaling) -> dict[str, Any]:
    """A row of the modules table for a new member of the family of ``row`` (an e-axle with its peak power).

    Ratings as in the module's equations, the continuous ones at most the peak; mass is left to the mass law; what was
    paid for ``row`` is not paid for the new member. StudyError where the factors are impossible.
    """
    problems = by.faults(f"modules ({name})")
    if row["class"] != "e-axle" or not row["peak_power_kw"]:
        problems.append(Problem(f"modules ({row['module']})", "only an e-axle with its peak power can be scaled"))
    if problems:
        raise StudyError(problems)

    peak_torque = peak_torque_nm(row) * by.length * by.turns * by.current
    peak_power = row["peak_power_kw"] * by.current

    def at_most(peak: float, column: str, factor: float) -> float | None:
        return None if row[column] is None else min(peak, row[column] * factor)

    return {
        **row,
        "module": name,
        "title": f"{row['module']} x length {by.length:g}, turns {by.turns:g}, current {by.current:g}",
        "peak_torque_nm": peak_torque,
        "peak_power_kw": peak_power,
        "continuous_torque_nm": at_most(peak_torque, "continuous_torque_nm", by.length),
        "continuous_power_kw": at_most(peak_power, "continuous_power_kw", min(by.length, by.current)),
        "gear_ratio": row["gear_ratio"] if by.gear_ratio is None else by.gear_ratio,
        "inverter_switch": by.inverter_switch or row["inverter_switch"],
        "mass_kg": None,
        "sunk_for": [],
    }


def family_grid(
    row: Mapping[str, Any],
    *,
    lengths: Iterable[float] = (1.0,),
    turns: Iterable[float] = (1.0,),
    currents: Iterable[float] = (1.0,),
    gear_ratios: Iterable[float | None] = (None,),
) -> list[dict[str, Any]]:
    """Rows of the modules table for every possible combination, named after ``row``; impossible ones are left out.

    Add them to a study's modules table and ``catalogue`` and ``performance`` judge every candidate they make.
    """
    members = []
    for length, turn, current, ratio in product(lengths, turns, currents, gear_ratios):
        by = Scaling(length, turn, current, ratio)
        if by != Scaling() and not by.faults(""):
            parts = [f"L{100 * length:.0f}", f"W{100 * turn:.0f}", f"C{100 * current:.0f}"]
            parts += [f"R{10 * ratio:.0f}"] if ratio is not None else []
            members.append(scaled(row, "_".join([row["module"], *parts]), by))
    return members
