"""Families, modules, rungs and the modules in force: ratings and classes agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.messages import listed, number_text, show, suggest
from teikei.tables.source import Row

_ORDERED: Final = (
    ("usable_energy_kwh", "gross_energy_kwh", "usable energy", "gross energy"),
    ("continuous_power_kw", "peak_power_kw", "continuous power", "peak power"),
    ("continuous_torque_nm", "peak_torque_nm", "continuous torque", "peak torque"),
    ("voltage_min_v", "voltage_nominal_v", "minimum voltage", "nominal voltage"),
    ("voltage_nominal_v", "voltage_max_v", "nominal voltage", "maximum voltage"),
    ("voltage_min_v", "voltage_max_v", "minimum voltage", "maximum voltage"),
)
_NEEDED: Final = {
    "e-axle": ("peak_power_kw", "peak_torque_nm", "gear_ratio"),
    "pack": ("gross_energy_kwh",),
    "charger": ("ac_charge_power_kw",),
}
COST_CURVES: Final = ("epa_frm", "epa_nprm", "tum")
"""Curves of data/cost/cost_curves.csv, by which modules without an offer are priced."""
_POOLING: Final = {"none": 0, "commercial": 1, "technical": 2}


def module_has_the_class_of_its_family(draft: Draft) -> Iterator[Problem]:
    """A module belongs to the class of its family; so does a plant."""
    families = draft.by_key("families", "family")
    for table in ("modules", "plants"):
        for row in draft[table]:
            family = families.get(row["family"])
            if family is not None and None not in (row["class"], family["class"]) and row["class"] != family["class"]:
                yield row.error(
                    "class",
                    f"found {show(row['class'])}, but its family {row['family']} is of class "
                    f"{show(family['class'])}: correct one of the two",
                )


def ratings_are_in_order(draft: Draft) -> Iterator[Problem]:
    """Usable energy within gross, continuous within peak, minimum ≤ nominal ≤ maximum voltage."""
    for row in draft["modules"]:
        for lower, upper, lower_words, upper_words in _ORDERED:
            low, high = row[lower], row[upper]
            if low is not None and high is not None and low > high:
                unit = draft.columns["modules"][lower].unit
                yield row.error(
                    lower,
                    f"the {lower_words} of {number_text(low)} {unit} is above the {upper_words} of "
                    f"{number_text(high)} {unit}: correct one of the two",
                )


def power_fits_torque_and_speed(draft: Draft) -> Iterator[Problem]:
    """Peak power cannot exceed peak torque at the highest speed."""
    for row in draft["modules"]:
        power, torque, speed = row["peak_power_kw"], row["peak_torque_nm"], row["max_speed_rpm"]
        if None in (power, torque, speed):
            continue
        reachable = torque * speed * 2 * 3.141592653589793 / 60 / 1000
        if power > reachable * (1 + 1e-9):
            yield row.error(
                "peak_power_kw",
                f"{number_text(power)} kW cannot be reached: {number_text(torque)} Nm at {number_text(speed)} "
                f"1/min is {reachable:.4g} kW; correct power, torque or speed",
            )


def modules_have_the_ratings_of_their_class(draft: Draft) -> Iterator[Problem]:
    """Ratings without which a module of its class cannot be simulated or priced."""
    for row in draft["modules"]:
        for name in _NEEDED.get(row["class"] or "", ()):
            if row[name] is None and name not in row.unread:
                yield row.error(
                    name,
                    f"the cell is empty, but a module of class {row['class']} needs it: fill it in "
                    f"({draft.columns['modules'][name].unit or 'ratio'})",
                )
            elif row[name] == 0:
                yield row.error(name, f"found 0, but a module of class {row['class']} needs more: give its rating")


def families_have_modules(draft: Draft) -> Iterator[Problem]:
    """A family without any variant can never be used."""
    if "modules" in draft.damaged:
        return
    used = set(draft.values("modules", "family"))
    for family, row in draft.by_key("families", "family").items():
        if family not in used:
            yield row.warning("family", f"family {family} has no variant in {draft.files['modules']}: it is never used")


def classes_have_modules(draft: Draft) -> Iterator[Problem]:
    """A class without modules is not evaluated at any rung."""
    if "modules" in draft.damaged or not draft["modules"]:
        return
    used = set(draft.values("modules", "class"))
    for name, row in draft.by_key("classes", "class").items():
        if name not in used:
            yield row.warning(
                "class", f"class {name} has no module in {draft.files['modules']}: what it would save is not evaluated"
            )


def segments_of_modules_exist(draft: Draft) -> Iterator[Problem]:
    """``modules.segments`` names segments of programmes."""
    known = set(draft.values("programmes", "segment"))
    if any("segment" in row.unread for row in draft["programmes"]):
        return
    for row in draft["modules"]:
        names = row["segments"] or []
        unknown = [name for name in names if name not in known]
        if known and unknown and "programmes" not in draft.damaged:
            message = (
                f"no programme is of segment {listed(unknown)}; the programmes' segments are {', '.join(sorted(known))}"
            )
            yield (
                row.error("segments", f"{message}: correct the names")
                if len(unknown) == len(names)
                else row.warning("segments", message)
            )


def rungs_form_a_ladder(draft: Draft) -> Iterator[Problem]:
    """Each rung has one position and each position one rung; position 0 pools nothing."""
    if not draft["rungs"]:
        return
    positions: dict[str, int] = {}
    names: dict[int, str] = {}
    for (rung, position), row in draft.keyed("rungs", "rung", "position"):
        if positions.setdefault(rung, position) != position:
            yield row.error(
                "position",
                f"rung {rung} has the positions {positions[rung]} and {position}: give every row of a rung the same",
            )
        elif names.setdefault(position, rung) != rung:
            yield row.error(
                "position",
                f"position {position} belongs to the rung {names[position]} already: give {rung} another one",
            )
        pools = row["procurement"] not in (None, "none") or row["development_shared"] or row["joint_plants"]
        if position == 0 and pools:
            column = (
                "procurement"
                if row["procurement"] not in (None, "none")
                else "development_shared"
                if row["development_shared"]
                else "joint_plants"
            )
            yield row.error(
                column,
                "something is pooled at position 0, which stands for each maker alone: set procurement none, "
                "development_shared no, joint_plants no",
            )
    readable = not any("position" in row.unread for row in draft["rungs"])
    if 0 not in names and readable and "rungs" not in draft.damaged:
        yield draft["rungs"][0].error(
            "position", "no rung stands at position 0: add the rung alone, with nothing pooled, for every class"
        )


def rungs_cover_every_class(draft: Draft) -> Iterator[Problem]:
    """A class that a rung leaves out pools nothing there; say so."""
    classes = list(dict.fromkeys(draft.values("classes", "class")))
    for rung, rows in draft.grouped("rungs", "rung").items():
        missing = [name for name in classes if name not in {row["class"] for row in rows}]
        if missing:
            yield rows[0].warning(
                "class", f"rung {rung} has no row for {', '.join(missing)}: nothing of it is pooled at this rung"
            )


def higher_rungs_pool_no_less(draft: Draft) -> Iterator[Problem]:
    """A rung that pools less of a class than the one below is unusual; say so."""
    for name, rows in draft.grouped("rungs", "class").items():
        ordered = sorted((row for row in rows if row["position"] is not None), key=lambda row: int(row["position"]))
        for below, above in pairwise(ordered):
            if _pooling(above) < _pooling(below):
                yield above.warning(
                    "procurement",
                    f"rung {above['rung']} pools less of {name} than {below['rung']} below it: check that this "
                    "is meant",
                )


def _pooling(row: Row) -> int:
    return _POOLING.get(row["procurement"] or "none", 0)


def existing_modules_fit(draft: Draft) -> Iterator[Problem]:
    """A module in force is of the class of its row; its position fits; no version is named besides ``all``."""
    modules = draft.by_key("modules", "module")
    for row in draft["existing"]:
        module = modules.get(row["module"])
        if module is None:
            continue
        if None not in (module["class"], row["class"]) and module["class"] != row["class"]:
            yield row.error(
                "class",
                f"found {show(row['class'])}, but module {row['module']} is of class {show(module['class'])}: "
                "correct one of the two",
            )
        elif row["class"] == "e-axle" and module["position"] not in (None, "any", row["position"]) and row["position"]:
            yield row.error(
                "position",
                f"module {row['module']} sits on the {module['position']} axle only, found "
                f"{show(row['position'])}: correct one of the two",
            )
    for key, rows in draft.grouped("existing", "programme", "generation", "class", "position").items():
        versions = [row["version"] for row in rows]
        if "all" in versions and len(versions) > 1:
            yield rows[versions.index("all")].error(
                "version",
                f"{' '.join(key)} is given for all versions and again for "
                f"{', '.join(sorted(set(versions) - {'all'}))}: keep one of the two",
            )


def the_cost_curve_is_known(draft: Draft) -> Iterator[Problem]:
    """Modules without an offer are priced by one of the shipped curves."""
    if draft.settings is None or draft.settings.cost_curve in COST_CURVES:
        return
    place = draft.setting_places.get("cost_curve", draft.files["study"])
    name = draft.settings.cost_curve
    yield Problem(place, f"teikei ships no cost curve {show(name)}{suggest(name, COST_CURVES)}")


CHECKS = (
    the_cost_curve_is_known,
    module_has_the_class_of_its_family,
    ratings_are_in_order,
    power_fits_torque_and_speed,
    modules_have_the_ratings_of_their_class,
    families_have_modules,
    classes_have_modules,
    segments_of_modules_exist,
    rungs_form_a_ladder,
    rungs_cover_every_class,
    higher_rungs_pool_no_less,
    existing_modules_fit,
)
