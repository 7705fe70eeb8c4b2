"""A rival who solves every candidate at home: whatever is released, it is left the promised width, in every truth.

The attacker knows everything but one secret, knows how the joint study is solved, and knows the rounds it caused. For
each truth of a grid the room does what it does (cells, solve, door); truths with the same released bytes, refusals
included, are what the attacker cannot tell apart. The solve stands for a planner: tiers of offers that count in pools
or by spend, designs and drivers that turn over with the volume, requirement prices, bands, a settlement. All of it
reads the volumes; equal inputs give equal results, so each is solved once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from teikei.room import ReleaseList, release
from teikei.room.door import NOT_ON_CELLS, made_on_cells
from teikei.room.inference import price_middle
from teikei.room.joint_study import on_cells
from teikei.runs.types import Run
from teikei.study import Study, load
from tests.study.small import write_small

YEARS = range(2027, 2035)
COURSE = (0.5, 0.9, 1.2, 1.3, 1.2, 1.1, 0.9, 0.9)  # of the level, by year; mean 1
KNOWN = (15_000.0, 45_000.0)  # a rival's belief before: 30,000 cars a year wide
PROMISED = 10_000.0
DAY = dt.date(2029, 4, 1)
Volumes = dict[tuple[str, int], float]


def a_list(offers: int, what_ifs: int, **changes: Any) -> ReleaseList:
    schedules = [{"offer": f"O{number}", "breaks": breaks(number)} for number in range(offers)]
    return ReleaseList.model_validate(
        {
            "rung": "powertrain",
            "members": {"aoba": ["Aoba"], "midori": ["Midori"]},
            "items": [
                {"kind": "specification", "classes": ["e-axle"]},
                {"kind": "drivers", "classes": ["e-axle"]},
                {"kind": "tier_index", "schedules": schedules},
                {"kind": "saving_band", "edges": [0, 1000, 2000, 3000]},
                {"kind": "own_share_band", "rule": "shapley", "edges": [500, 1500]},
                {"kind": "saving_at_least", "threshold": 2000},
                {"kind": "requirement_price_band", "edges": [1, 2, 3, 4, 5]},
                {"kind": "settlement", "form": "equal", "unit_million": 500, "not_before": DAY.isoformat()},
            ],
            "smallest_interval_million": 1000,
            "smallest_interval_units": PROMISED,
            "smallest_interval_requirement_million": 1,
            "known_volumes": dict.fromkeys(("P1", "P2", "P3", "P4"), KNOWN),
            "known_saving": [-5000, 20_000],
            "what_ifs": what_ifs,
            **changes,
        }
    )


def breaks(offer: int) -> tuple[float, ...]:
    return (0.0, *(step * (9_000.0 + 1_700.0 * offer) for step in range(1, 12)))


def course(levels: dict[str, float]) -> Volumes:
    """Yearly volumes of programmes at their levels, with the public course."""
    years = list(zip(YEARS, COURSE, strict=True))
    return {(programme, year): level * part for programme, level in levels.items() for year, part in years}


OWNER = {"P1": "Aoba", "P2": "Midori", "P3": "Midori", "P4": "Kuro"}


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load(write_small(tmp_path_factory.mktemp("small")))


def study_of(blank: Study, volumes: Volumes) -> Study:
    rows = pl.concat([blank["volumes"].head(1)] * len(volumes))
    names = [programme for programme, _ in volumes]
    return blank.with_tables(
        volumes=rows.with_columns(
            pl.Series("programme", names),
            pl.Series("company", [OWNER[name] for name in names]),
            pl.Series("year", [year for _, year in volumes], dtype=pl.Int64),
            pl.Series("units", list(volumes.values()), dtype=pl.Float64),
        )
    )


PUBLIC = course(dict.fromkeys(OWNER, 33_000.0))


def room_reads(blank: Study, truth: Volumes, listed: ReleaseList, exact: str = "") -> Volumes:
    """What the joint solve gets of the members' volumes."""
    found: Volumes = {}
    for member, (company,) in listed.members.items():
        names = [name for name, owner in OWNER.items() if owner == company]
        own = {key: units for key, units in truth.items() if key[0] in names}
        public = {key: units for key, units in PUBLIC.items() if key[0] in {name for name, _ in own}}
        put = on_cells(study_of(blank, own), study_of(blank, public), listed, "" if member == exact else member)
        found |= {
            (name, year): units for name, year, units in put["volumes"].select("programme", "year", "units").rows()
        }
    return found


def solve(volumes: Volumes, offers: int, listed: ReleaseList, price: float = 1.0) -> Run:
    """A joint run in which everything hangs on the volumes. Offers 0 and 1 are a pool; offer 2 has tiers of spend."""
    companies = list(listed.companies)
    grand = "+".join(companies)
    programmes = sorted({name for name, _ in volumes})
    total = {year: sum(volumes.get((name, year), 0.0) for name in programmes) for year in YEARS}
    all_cars = sum(total.values())
    awards = []
    for number, year, name in itertools.product(range(offers), YEARS, programmes):
        part = volumes[name, year] * (1.0 if number != 1 else 0.7)
        counted = total[year] * (1.7 if number in (0, 1) and offers > 1 else price if number == 2 else 1.0)
        start = max(one for one in breaks(number) if one <= counted)
        awards.append((grand, "powertrain", f"offer:O{number}", year, part, grand, name, start))
    columns = ["coalition", "rung", "price_basis", "year", "quantity", "drawing_group", "programme", "tier_from"]
    module = f"AX{int(all_cars // 3_000)}"  # another design every 3,000 cars
    saving = 0.004 * all_cars * price + 0.00001 * sum(total[year] ** 1.5 for year in YEARS)
    alone = [(company, "alone", 1e5) for company in companies]
    where = {"coalition": grand, "rung": "powertrain"}
    tables = {
        "programmes": pl.DataFrame({"programme": programmes, "company": [OWNER[name] for name in programmes]}),
        "cost_by_rung": pl.DataFrame(
            [*alone, (grand, "powertrain", 1e5 * len(companies) - saving)],
            schema=["coalition", "rung", "value"],
            orient="row",
        ),
        "awards": pl.DataFrame(awards, schema=columns, orient="row"),
        "configurations": pl.DataFrame(
            [{**where, "programme": name, "class": "e-axle", "module": module} for name in programmes]
        ),
        "module_designs": pl.DataFrame([{**where, "variant": module, "family": "AX", "gear_ratio": all_cars / 5e4}]),
        "module_uses": pl.DataFrame(
            [
                {
                    **where, "module": module, "programme": name, "driving_requirement": "range", "procedure": "wltc",
                    "overdesign": max(0.0, all_cars % 7_000 - 3_500),
                }
                for name in programmes
            ]
        ),
        "requirement_prices": pl.DataFrame(
            [
                {
                    **where, "programme": name, "requirement": "range", "procedure": "wltc", "step": 10.0, "unit": "km",
                    "saving_alliance": all_cars * price / 1.3e5,
                }
                for name in programmes
            ]
        ),
        "shares": pl.DataFrame(
            [
                {"rung": "powertrain", "rule": "shapley", "company": company, "kind": "saving", "value": saving / 2}
                for company in companies
            ]
        ),
        "transfers": pl.DataFrame(
            [
                {
                    "rung": "powertrain", "form": "equal", "year": 2027, "from_company": companies[0],
                    "to_company": companies[-1], "value_nominal": saving / 2 - 700.0,
                }
            ]
        ),
    }  # fmt: skip
    return Run(Path("nowhere"), tables, {"rungs": ["alone", "powertrain"]})


def seen_by_aoba(runs: Iterable[Run], listed: ReleaseList) -> bytes:
    """Everything of all rounds, the late settlement included, as bytes."""
    rounds = list(runs)
    texts = [release(run, "aoba", listed, rounds[:number]).text() for number, run in enumerate(rounds)]
    texts.append(release(rounds[0], "aoba", listed, after=rounds[1:], today=DAY).text())
    return hashlib.sha256("\n".join(texts).encode()).digest()


OWN_ROUNDS = (22_000.0, 22_700.0, 19_400.0, 25_100.0, 23_456.0, 17_000.0)  # Aoba's own level, round by round


def attack(
    reads: Callable[[float, float, str], Volumes],
    truths: Iterable[float],
    listed: ReleaseList,
    offers: int,
    *,
    rule: Callable[[Run, str], Run] | None = None,
) -> list[tuple[float, float]]:
    """What the attacker cannot tell apart: (lowest, highest) truth of each set of equal bytes.

    reads: (truth, own level, exact member) -> volumes as the joint solve gets them.
    """
    rule = rule or (lambda run, exact: made_on_cells(run, listed, exact))
    alike: dict[bytes, list[float]] = {}
    seen: dict[Any, bytes] = {}
    for truth in truths:
        exacts = ["aoba" if number else "" for number in range(1 + listed.what_ifs)]
        read = [reads(truth, OWN_ROUNDS[number], exact) for number, exact in enumerate(exacts)]
        key = tuple(tuple(sorted(volumes.items())) for volumes in read)
        if key not in seen:
            runs = [rule(solve(one, offers, listed), exact) for one, exact in zip(read, exacts, strict=True)]
            seen[key] = seen_by_aoba(runs, listed)
        alike.setdefault(seen[key], []).append(truth)
    return [(min(found), max(found)) for found in alike.values()]


STEP = 500.0
GRID = [KNOWN[0] + STEP * (number + 0.5) for number in range(60)]


def narrowest(found: list[tuple[float, float]]) -> float:
    return min(high - low for low, high in found) + STEP


@pytest.mark.parametrize(
    ("offers", "what_ifs"),
    [(3, 2), pytest.param(1, 0, marks=pytest.mark.slow), pytest.param(6, 5, marks=pytest.mark.slow)],
)
def test_a_rival_who_knows_all_but_the_level_is_left_the_promised_width(
    blank: Study, offers: int, what_ifs: int
) -> None:
    listed = a_list(offers, what_ifs)

    def reads(truth: float, own: float, exact: str) -> Volumes:
        return room_reads(blank, course({"P1": own, "P2": truth}), listed, exact)

    found = attack(reads, GRID, listed, offers)
    assert len(found) >= 2  # something is told
    assert narrowest(found) >= PROMISED


def test_the_same_attack_pins_the_level_where_the_room_solves_on_exact_figures() -> None:
    """The attack works: one offer over eight years, designs and bands leave no more than the step of the grid."""
    bare = a_list(1, 0)
    assert narrowest(attack(lambda truth, own, _: course({"P1": own, "P2": truth}), GRID, bare, 1)) == STEP
    listed = a_list(3, 2)
    shut = attack(lambda truth, own, _: course({"P1": own, "P2": truth}), GRID[::6], listed, 3, rule=lambda run, _: run)
    assert shut == [(GRID[0], GRID[54])]  # such runs are not marked, and tell nothing at all


@pytest.mark.parametrize(
    "other", [24_900.0, *(pytest.param(one, marks=pytest.mark.slow) for one in (15_400.0, 44_000.0))]
)
def test_of_two_programmes_each_keeps_its_width_also_where_the_other_is_known(blank: Study, other: float) -> None:
    listed = a_list(3, 1)

    def reads(truth: float, own: float, exact: str) -> Volumes:
        return room_reads(blank, course({"P1": own, "P2": other, "P3": truth}), listed, exact)

    assert narrowest(attack(reads, GRID, listed, 3)) >= PROMISED


@pytest.mark.slow
def test_with_three_members_each_keeps_its_width(blank: Study) -> None:
    members = {"aoba": ["Aoba"], "midori": ["Midori"], "kuro": ["Kuro"]}
    items = [item for item in a_list(3, 1).model_dump(mode="json")["items"] if item["kind"] != "own_share_band"]
    listed = a_list(3, 1, members=members, items=items)

    def reads(truth: float, own: float, exact: str) -> Volumes:
        return room_reads(blank, course({"P1": own, "P2": 31_000.0, "P4": truth}), listed, exact)

    assert narrowest(attack(reads, GRID, listed, 3)) >= PROMISED


def test_a_rival_who_knows_all_but_one_year_is_left_the_promised_width_in_that_year(blank: Study) -> None:
    """With the frame's course nothing of the own course over the years enters the solve."""
    listed = a_list(3, 2)
    known = course({"P2": 25_000.0})

    def reads(truth: float, own: float, exact: str) -> Volumes:
        return room_reads(blank, {**course({"P1": own}), **known, ("P2", 2030): truth}, listed, exact)

    truths = [2_000.0 * number for number in range(96)]
    found = attack(reads, truths, listed, 3)
    assert len(found) == 3
    assert min(high - low for low, high in found) >= PROMISED


def test_a_rival_who_knows_all_but_a_price_is_left_the_promised_share_of_it() -> None:
    listed = a_list(3, 2, smallest_interval_price_share=0.05)
    volumes = course({"P1": 22_000.0, "P2": 30_000.0})
    alike: dict[bytes, list[float]] = {}
    seen: dict[float, bytes] = {}
    for number in range(400):
        price = 0.8 * 1.001**number
        reads = price_middle(price, listed.smallest_interval_price_share)
        if reads not in seen:
            seen[reads] = seen_by_aoba([made_on_cells(solve(volumes, 3, listed, reads), listed)] * 2, listed)
        alike.setdefault(seen[reads], []).append(price)
    inner = sorted((min(prices), max(prices)) for prices in alike.values())[1:-1]  # the grid ends within a cell
    assert len(inner) >= 4
    assert min(high / low for low, high in inner) >= 1.05 / 1.001**2


def test_the_joint_study_is_the_same_for_every_truth_of_a_cell(tmp_path: Path) -> None:
    """Not the stand-in but the files that the planner reads: equal bytes for truths whose levels share a cell."""
    from teikei.room import assemble
    from tests.study.small import small_tables

    tables = small_tables()
    header = tables["volumes"][0]
    programme, units = header.index("programme"), header.index("units")
    frame = write_small(tmp_path / "frame", tables)
    now = level_of(frame, "P2")
    known = {"P1": (1.0, 2.0 * level_of(frame, "P1")), "P2": (0.5 * now, 1.5 * now)}
    listed = a_list(1, 0, known_volumes=known, smallest_interval_units=now / 3.0)
    alike: dict[bytes, list[float]] = {}
    for number in range(6):
        factor = 0.5 + (number + 0.5) / 6.0
        changed = [list(row) for row in tables["volumes"]]
        mine = [row for row in changed[1:] if row[programme] == "P2"]
        for row in mine:  # the own course over the years differs too, at the same level
            row[units] = repr(float(row[units]) * factor)
        shift = 0.1 * number * float(mine[0][units]) / 12.0
        mine[0][units], mine[-1][units] = (
            repr(float(one[units]) + by) for one, by in ((mine[0], -shift), (mine[-1], shift))
        )
        own = write_small(tmp_path / f"own{number}", {**tables, "volumes": changed})
        joint = assemble(frame, {"aoba": frame, "midori": own}, listed, tmp_path / f"joint{number}")
        texts = [file.name.encode() + file.read_bytes() for file in sorted(joint.iterdir())]
        alike.setdefault(hashlib.sha256(b"\n".join(texts)).digest(), []).append(factor * now)
    widths = [max(found) - min(found) + now / 6.0 for found in alike.values()]
    assert len(widths) == 3
    assert min(widths) >= listed.smallest_interval_units - 1e-9


def level_of(folder: Path, programme: str) -> float:
    from teikei.room.joint_study import level, years_on_sale

    study = load(folder)
    scenario = study.settings.volume_scenario
    return level(study["volumes"], programme, scenario, years_on_sale(study["volumes"], programme, scenario))


def test_the_case_of_a_shared_tier_pool_tells_nothing_of_a_list_that_declares_nothing() -> None:
    """Two offers of one pool, each rival volume 50 or 150 pieces: the released bytes are the same."""
    texts = set()
    for midori in (50.0, 150.0):
        run = solve({("P1", 2027): 49_900.0, ("P2", 2027): midori} | course({"P1": 1.0, "P2": 1.0}), 2, a_list(2, 0))
        bare = a_list(2, 0, known_volumes={}, known_saving=None)
        texts.add(release(run, "aoba", bare).text())
        values = {entry.value for entry in release(run, "aoba", a_list(2, 0)).entries}
        assert values == {NOT_ON_CELLS}
    assert len(texts) == 1


@pytest.mark.slow
def test_with_the_real_planner_a_rival_is_left_the_promised_width(tmp_path: Path) -> None:
    """The example of three companies: Aldermoor solves every level of Brevik's car; tiers, designs, bands."""
    from benchmarks.room_cells import EXAMPLE
    from benchmarks.room_cells import a_list as real_list
    from benchmarks.room_cells import solve as plan_of

    from teikei.room import assemble
    from teikei.study import write_folder

    frame = load(EXAMPLE)
    listed = real_list(frame, 10_000.0)
    cells = listed.cells("B1")
    step = (cells.upper - cells.lower) / 24.0
    alike: dict[str, list[float]] = {}
    texts: dict[str, str] = {}
    for number in range(24):
        truth = cells.lower + (number + 0.5) * step
        moved = pl.when(pl.col("programme") == "B1").then(pl.col("units") * truth / level_of(EXAMPLE, "B1"))
        volumes = frame["volumes"].with_columns(moved.otherwise(pl.col("units")).alias("units"))
        own = write_folder(frame.with_tables(volumes=volumes), tmp_path / f"own{number}")
        inputs = {**dict.fromkeys(listed.members, EXAMPLE), "brevik": own}
        joint = assemble(EXAMPLE, inputs, listed, tmp_path / f"joint{number}")
        files = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(joint.iterdir()))).hexdigest()
        if files not in texts:
            texts[files] = release(made_on_cells(plan_of(joint), listed), "aldermoor", listed).text()
        alike.setdefault(texts[files], []).append(truth)
    assert len(alike) >= 2
    assert min(max(found) - min(found) + step for found in alike.values()) >= 10_000.0
