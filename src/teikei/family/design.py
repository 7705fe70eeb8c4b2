"""``teikei family STUDY --class e-axle``: from a study's line-up to families of e-axles, drawn and as study rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from teikei.errors import StudyError
from teikei.family.designs import Choices, Design, designs, names
from teikei.family.drawing import front_svg
from teikei.family.front import LineUp, Point, development, enumerated, supported, without_dominated
from teikei.family.handover import design_table, pass_grade_percent, study_rows, with_rows
from teikei.family.line_up import CAPS, Judge, LineCar, Trial, built_line_up
from teikei.family.thermal import ratings
from teikei.modules import catalogue, lacking
from teikei.modules.types import Catalogue
from teikei.simulate import performance
from teikei.study.types import Study
from teikei.study.write import write_folder
from teikei.tables.columns import frame
from teikei.tables.write import write_frame

Progress = Callable[[str, float], None]
CLASSES: Final = ("e-axle",)
MOST_MEMBERS: Final = 7


@dataclass(frozen=True)
class Families:
    """What a line-up could share: the front, and how it was found (``whole``: every point there is)."""

    points: tuple[Point, ...]
    whole: bool
    line_up: LineUp
    cars: tuple[LineCar, ...]
    trials: Mapping[str, Mapping[tuple[str, ...], Trial]]
    designs: Mapping[str, Design]
    catalogue: Catalogue
    judge: Judge

    def name(self, place: int) -> str:
        """Name of a point of the front: F01 is the cheapest."""
        return f"F{place + 1:02d}"


def design_families(
    study: Study,
    *,
    class_name: str = "e-axle",
    choices: Choices | None = None,
    maps: Mapping[str, Path] | None = None,
    most_members: int = MOST_MEMBERS,
    progress: Progress | None = None,
) -> Families:
    """Families of a class for the cars whose e-axle is not under contract: the Pareto front over cost, energy, mass,
    margin and number of members.

    choices: what members are made of; maps: e-axle family -> CSV of its losses. StudyError where the class is not
    designed, where the study lacks what it takes, or where no member serves a car.
    """
    if class_name not in CLASSES:
        raise StudyError(f"--class is '{class_name}'; families of {', '.join(CLASSES)} can be designed")
    if most_members < 1:
        raise StudyError(f"--members is {most_members}; expected 1 or more")
    missing = lacking(study) or study.lacking("families", "volumes", "requirements")
    if missing:
        raise StudyError(missing)
    known = catalogue(study)
    members = designs(known, choices or Choices(), maps)
    if not members:
        raise StudyError("the choices make no member: widen --lengths or --inverter-kw")
    line, cars, trials, judge = built_line_up(study, known, performance(study, known), members, progress)
    reduced = without_dominated(line)
    points, whole = enumerated(reduced, most_members), True
    if points is None:
        points, whole = supported(reduced, most_members, progress), False
    if not points:
        raise StudyError(f"no {most_members} members serve every car: allow more with --members")
    return Families(tuple(points), whole, line, tuple(cars), trials, names(members), known, judge)


def pareto_table(found: Families) -> pl.DataFrame:
    """The front: one row a family (F01 the cheapest), what its cost is made of and its members."""
    rows = []
    for place, point in enumerate(found.points):
        discounted = {car.name: car.discounted_units / 1e6 for car in found.cars}
        missed = sum(found.trials[car][o.members].missed_cost * discounted[car] for car, o in point.choice)
        spent = development(found.line_up, point.choice)
        families = sorted({found.line_up.family_of[member] for member in point.members})
        switches = {found.designs[m.removesuffix("_suv")].row["inverter_switch"] for m in point.members}
        voltages = {found.designs[m.removesuffix("_suv")].row["voltage_nominal_v"] for m in point.members}
        rows.append(
            {
                "family": found.name(place),
                "members": len(point.members),
                "cost_million": point.cost,
                "energy_wh_per_km": point.energy,
                "mass_kg": point.mass,
                "margin": point.margin,
                "development_million": spent,
                "pieces_million": point.cost - spent - missed,
                "missed_targets_million": missed,
                "laminations": ";".join(families),
                "switches": ";".join(sorted(switches)),
                "voltages_v": ";".join(f"{v:g}" for v in sorted(voltages)),
                "modules": ";".join(point.members),
            }
        )
    return pl.DataFrame(rows)


def uses_table(found: Families) -> pl.DataFrame:
    """Who uses what: each car and axle of each family, the requirement that drives it, its margin and overdesign.

    overdesign_cost, overdesign_mass_kg: per car against the cheapest member of the choices that serves it.
    """
    rows = []
    passes = dict.fromkeys(found.designs, -1.0)
    for place, point in enumerate(found.points):
        for name, option in point.choice:
            car = next(car for car in found.cars if car.name == name)
            trial = found.trials[name][option.members]
            own = found.trials[name].values()
            cheapest = min(own, key=lambda other: (other.price, other.mass_kg))
            ordered = found.judge.ordered(car)
            wanted = [
                (margin, duty)
                for margin, duty in zip(trial.margins, ordered, strict=True)
                if duty.requirement not in CAPS
            ]
            driving = min(wanted, key=lambda pair: pair[0], default=(None, None))
            plain = [member.removesuffix("_suv") for member in option.members]
            for member in plain:
                if passes[member] < 0:
                    design = found.designs[member]
                    passes[member] = ratings(
                        design.e_axle, design.thermal, str(design.row["inverter_switch"])
                    ).pass_power_w
            built = found.judge.built(car, tuple(plain))
            for axle, member in zip(car.axles, option.members, strict=True):
                rows.append(
                    {
                        "family": found.name(place),
                        "programme": car.version.programme["programme"],
                        "version": car.version.version,
                        "axle": axle,
                        "module": member,
                        "units": car.units,
                        "driving_requirement": driving[1].requirement if driving[1] is not None else None,
                        "procedure": driving[1].procedure if driving[1] is not None else None,
                        "margin": driving[0],
                        "wall_wh_per_km": trial.wall_wh_per_km,
                        "overdesign_cost": trial.price - cheapest.price,
                        "overdesign_mass_kg": trial.mass_kg - cheapest.mass_kg,
                        "missed_target_cost": trial.missed_cost,
                        "pass_grade_percent": pass_grade_percent(built, sum(passes[m] for m in plain)),
                    }
                )
    return pl.DataFrame(rows, infer_schema_length=None)


def write_families(study: Study, found: Families, out: Path, pick: str | None = None) -> list[str]:
    """Writes the front (pareto.csv, uses.csv, front.svg) and one family of it; returns what there is to tell.

    Of the family (the cheapest, or ``pick``): designs.csv, its study rows modules.csv, families.csv and work.csv, and
    the study with them in it (study/). StudyError for an unknown pick or a folder that cannot be written.
    """
    known = [found.name(place) for place in range(len(found.points))]
    if pick is not None and pick not in known:
        raise StudyError(f"--pick is '{pick}'; expected one of {', '.join(known)}")
    place = known.index(pick) if pick is not None else 0
    chosen = found.points[place]
    table = pareto_table(found)
    rows = study_rows(study, chosen, found.designs, found.cars)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_frame(out / "pareto.csv", table)
        write_frame(out / "uses.csv", uses_table(found))
        write_frame(out / "designs.csv", design_table(study, rows, chosen, found.designs))
        for name, added in rows.items():
            write_frame(out / f"{name}.csv", _as_text(frame(name, added).select(study[name].columns)))
        write_folder(with_rows(study, rows), out / "study")
        (out / "front.svg").write_text(front_svg(table, study.settings.currency), "utf-8")
    except OSError as error:
        raise StudyError(f"{out} cannot be written: {error.strerror or error}") from error
    return _told(study, found, table, known[place])


def _as_text(table: pl.DataFrame) -> pl.DataFrame:
    lists = [name for name, kind in table.schema.items() if isinstance(kind, pl.List)]
    return table.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(";") for name in lists)


def _told(study: Study, found: Families, table: pl.DataFrame, picked: str) -> list[str]:
    lines = [section.note for section in {d.lamination.name: d.lamination for d in found.designs.values()}.values()]
    lines = [line for line in lines if line]
    named = {car.version.programme["programme"] for car in found.cars}
    scope = [row["programme"] for row in study["programmes"].iter_rows(named=True) if row["in_scope"]]
    left = [name for name in scope if name not in named]
    if left:
        lines.append(f"not designed for (e-axle under contract, no volume, or no pack): {', '.join(left)}")
    how = "the whole front" if found.whole else "points of the front, each proven best for a weighting"
    tried = len(found.designs)
    lines.append(f"{len(found.cars)} cars, {tried} possible members; {len(table)} families: {how}")
    first = table.row(0, named=True)
    lines.append(
        f"cheapest, {first['family']}: {first['members']} members, {first['cost_million']:,.0f} million "
        f"{study.settings.currency}, {first['energy_wh_per_km']:.1f} Wh/km, {first['mass_kg']:.0f} kg a car"
    )
    lines.append(f"study rows of {picked}: modules.csv, families.csv and work.csv; in study/ they are in the study")
    return lines
