"""What solving on cells costs: the example of three companies, solved on exact figures and on cells, side by side.

    python benchmarks/room_cells.py [DRAWS]

Each draw moves the level of every programme to 0.6 to 1.4 of the public one. Printed: tiers told on cells, how many of
those told on exact figures are the same, whether the shared designs are, and the joint saving. Nothing is withheld on
cells; on exact figures nothing at all would pass (see docs/maths/release.md).
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import polars as pl

from teikei import modules, plan, simulate
from teikei.room import ReleaseList, assemble, made_on_cells, release
from teikei.room.door import joint_saving
from teikei.room.joint_study import level, years_on_sale
from teikei.runs.tables import module_designs
from teikei.runs.types import Run
from teikei.study import Study, load, write_folder

EXAMPLE = Path(__file__).parents[1] / "examples" / "kit-supply"
RUNG = "powertrain"


def a_list(frame: Study, promised: float) -> ReleaseList:
    """Half to one and a half of the public level is taken as known of every programme."""
    scenario, volumes = frame.settings.volume_scenario, frame["volumes"]
    names = sorted(set(volumes["programme"].to_list()))
    levels = {name: level(volumes, name, scenario, years_on_sale(volumes, name, scenario)) for name in names}
    breaks: dict[str, list[float]] = {}
    for offer, start in frame["tiers"].select("offer", "from_quantity").sort("offer", "from_quantity").iter_rows():
        breaks.setdefault(offer, []).append(start)
    schedules = [{"offer": offer, "breaks": starts} for offer, starts in breaks.items() if len(starts) > 1]
    return ReleaseList.model_validate(
        {
            "rung": RUNG,
            "members": {name.casefold(): [name] for name in frame.companies},
            "items": [
                {"kind": "specification", "classes": ["e-axle", "pack"]},
                {"kind": "tier_index", "schedules": schedules},
                {"kind": "saving_band", "edges": [0, 100, 200, 300, 400]},
            ],
            "smallest_interval_million": 100,
            "smallest_interval_units": promised,
            "known_volumes": {name: [0.5 * cars, 1.5 * cars] for name, cars in levels.items()},
            "known_saving": [-200, 700],
        }
    )


def solve(path: Path) -> Run:
    """Stand-alone and joint plans of a study, as the tables that the list speaks of."""
    study = load(path)
    catalogue = modules.catalogue(study)
    performance = simulate.performance(study, catalogue)
    grand = study.coalition_name(set(study.companies))
    rungs = [study.rung_names[0], RUNG]
    plans = plan.solve(study, catalogue, performance, rungs=rungs, coalitions=[*study.companies, grand]).by_key.values()
    tables = {
        name: pl.concat(
            one.tables[name].with_columns(coalition=pl.lit(one.coalition), rung=pl.lit(one.rung))
            for one in plans
            if name in one.tables
        )
        for name in ("configurations", "awards")
    }
    tables["module_designs"] = module_designs(catalogue, tables["configurations"])
    costs = [(one.coalition, one.rung, one.value) for one in plans]
    tables["cost_by_rung"] = pl.DataFrame(costs, schema=["coalition", "rung", "value"], orient="row")
    tables["programmes"] = study["programmes"].select("programme", "company")
    return Run(path, tables, {"rungs": rungs, "companies": list(study.companies)})


def main(draws: int) -> None:
    """One line a draw and promise."""
    frame = load(EXAMPLE)
    print("draw  promised  tiers told  as exact  withheld  same designs  saving exact  on cells")
    for seed in range(1, draws + 1):
        draw = random.Random(seed)
        factors = {name: draw.uniform(0.6, 1.4) for name in sorted(set(frame["volumes"]["programme"].to_list()))}
        moved = pl.col("units") * pl.col("programme").replace_strict(factors, return_dtype=pl.Float64)
        with tempfile.TemporaryDirectory() as folder:
            own = write_folder(frame.with_tables(volumes=frame["volumes"].with_columns(moved)), Path(folder) / "own")
            exact = solve(own)
            for promised in (5_000.0, 10_000.0):
                listed = a_list(frame, promised)
                inputs = dict.fromkeys(listed.members, own)
                cells = solve(assemble(EXAMPLE, inputs, listed, Path(folder) / f"joint{promised:.0f}"))
                first, second = (
                    release(made_on_cells(run, listed), next(iter(listed.members)), listed).entries
                    for run in (exact, cells)
                )
                true = {entry.subject: entry.value for entry in first if entry.kind == "tier_index"}
                told = {entry.subject: entry.value for entry in second if entry.kind == "tier_index"}
                same = sum(told.get(subject) == value for subject, value in true.items())
                withheld = sum("withheld" in entry.value for entry in second)
                designs = [
                    {entry.subject[:2] for entry in entries if entry.kind == "specification"}
                    for entries in (first, second)
                ]
                print(
                    f"{seed:4}  {promised:8,.0f}  {len(told):10}  {f'{same} of {len(true)}':>8}  {withheld:8}  "
                    f"{'yes' if designs[0] == designs[1] else 'no':>12}  {joint_saving(exact, listed):12.1f}  "
                    f"{joint_saving(cells, listed):8.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
