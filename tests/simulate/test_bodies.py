"""What a body changes in the car that is simulated: mass, air drag, size; and who may have it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from teikei.modules import catalogue
from teikei.modules.types import Catalogue
from teikei.simulate import performance
from teikei.simulate.car import road_load_of
from teikei.simulate.types import Performance
from tests.simulate.small_study import small_study

SLOT = "K/G2/std/1"


def with_bodies(*bodies: dict[str, Any], **programme: Any) -> tuple[Catalogue, Performance]:
    """The kei car's next generation chooses among bodies; programme: changes of its row."""
    plain = {name: small_study()[name].to_dicts() for name in ("classes", "programmes", "families", "modules")}
    family = {"class": "body", "nre": 1.0, "tooling": 1.0, "application_nre": 1.0, "application_tooling": 1.0}
    study = small_study(
        classes=[*plain["classes"], {"class": "body", "k_family_nre": 0.2}],
        programmes=[{**row, **(programme if row["programme"] == "K" else {})} for row in plain["programmes"]],
        families=[*plain["families"], {"family": "BD", **family}],
        modules=[
            *plain["modules"],
            *({"module": f"T{at}", "class": "body", "family": "BD", "twin": "kei", **body}
              for at, body in enumerate(bodies)),
        ],
        twins=[{"twin": "kei", "programme": "K", "generation": "G2", "role": "lead"}] if bodies else [],
    )  # fmt: skip
    designs = catalogue(study)
    return designs, performance(study, designs)


def of_body(found: tuple[Catalogue, Performance], body: str = "", slot: str = SLOT) -> pl.DataFrame:
    """Results of a car by the modules it carries beside its body."""
    designs, done = found
    rows = designs.candidates.filter(pl.col("slot") == slot).sort("candidate", "position")
    carrying = rows.filter(pl.col("module") == body)["candidate"].implode() if body else rows["candidate"].implode()
    names = (
        rows.filter(pl.col("candidate").is_in(carrying), pl.col("class") != "body")
        .group_by("candidate").agg(pl.col("module").str.join("+").alias("modules"))
    )  # fmt: skip
    mine = done.candidates.filter(pl.col("slot") == slot).join(names, on="candidate")
    return mine.select("modules", "mass_kg", "range_km", "wall_wh_per_km", "feasible", "reason").sort("modules")


def test_a_body_one_kilogram_heavier_changes_the_range_as_a_car_one_kilogram_heavier() -> None:
    both = with_bodies({"mass_kg": 800.0}, {"mass_kg": 801.0})
    for body, mass in (("T0", 800.0), ("T1", 801.0)):
        assert of_body(both, body)[:, :4].equals(of_body(with_bodies(body_mass_kg=mass))[:, :4])
    light, heavy = of_body(both, "T0"), of_body(both, "T1")
    assert heavy["mass_kg"].to_list() == pytest.approx([mass + 1 for mass in light["mass_kg"]])
    assert (heavy["range_km"] < light["range_km"]).all()


def test_drag_area_takes_the_place_of_the_programmes() -> None:
    both = with_bodies({}, {"drag_area_m2": 0.25 * 2.3})
    assert of_body(both, "T0").equals(of_body(with_bodies()))
    assert of_body(both, "T1")[:, :4].equals(of_body(with_bodies(drag_coefficient=0.25))[:, :4])


def test_measured_coefficients_change_by_the_difference_of_drag_area() -> None:
    row = {"f0_n": 90.0, "f1_n_per_mps": 0.5, "f2_n_per_mps2": 0.4, "road_load_mass_kg": 1100.0,
           "drag_coefficient": 0.3, "frontal_area_m2": 2.0, "rolling_resistance": 0.01}  # fmt: skip
    assert road_load_of(row, 1000.0, 0.6) == road_load_of(row, 1000.0)
    changed = road_load_of(row, 1000.0, 0.7)
    from teikei.units import AIR_DENSITY_KG_PER_M3

    assert changed[2] - 0.4 == pytest.approx(0.5 * AIR_DENSITY_KG_PER_M3 * 0.1)
    assert changed[:2] == (90.0, 0.5)


def test_a_body_beyond_the_kei_limit_is_refused_car_by_car() -> None:
    both = with_bodies({"length_m": 3.4}, {"length_m": 3.41})
    assert of_body(both, "T0")["feasible"].to_list() == of_body(with_bodies())["feasible"].to_list()
    long = of_body(both, "T1")
    assert not long["feasible"].any()
    assert long["reason"].str.contains("kei_length").all()


def test_only_the_generation_that_is_a_twin_has_a_body_and_its_incumbent_keeps_its_own() -> None:
    designs, done = with_bodies({"mass_kg": 700.0}, {"mass_kg": 900.0})
    carrying = designs.candidates.filter(pl.col("class") == "body")["slot"].unique().to_list()
    assert carrying == [SLOT]
    plain = with_bodies()[1].results
    keys = ["slot", "requirement", "procedure"]
    for results in (done.results, plain):
        assert not results.is_empty()
    wanted = plain.filter(pl.col("slot") == SLOT).select(*keys, "effective").unique()
    found = done.results.filter(pl.col("slot") == SLOT).select(*keys, "effective").unique()
    assert found.sort(keys).equals(wanted.sort(keys))


def test_no_company_has_anothers_body() -> None:
    designs, _ = with_bodies({}, {"available_to": ["B"]})
    assert "T1" not in designs.candidates["module"].to_list()
    assert "T0" in designs.candidates["module"].to_list()
