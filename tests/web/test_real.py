"""The example study with the real planner: a company's own run, and a joint study of three, through the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from teikei.web import accounts
from tests.web.people import Town, make_town
from tests.web.test_workspace import upload

EXAMPLE = Path(__file__).parents[2] / "examples" / "kit-supply"
COMPANIES = ("aldermoor", "brevik", "corvo")
pytestmark = pytest.mark.slow
LIST = {
    "rung": "powertrain",
    "members": {company: [company.title()] for company in COMPANIES},
    "items": [
        {"kind": "specification", "classes": ["e-axle", "pack"]},
        {"kind": "tier_index", "schedules": [{"offer": "M100", "breaks": [0, 60_000, 120_000]}]},
        {"kind": "saving_band", "edges": [0, 200, 400]},
        {"kind": "requirement_price_band", "edges": [1, 10]},
    ],
    "smallest_interval_million": 100,
    "smallest_interval_units": 10_000,
    "smallest_interval_requirement_million": 9,
    "known_volumes": {"A1": [13_000, 40_000], "B1": [17_000, 51_000], "C1": [15_000, 47_000]},
    "known_saving": [-200, 600],
}


def example() -> dict[str, bytes]:
    return {f"s/{file.name}": file.read_bytes() for file in EXAMPLE.iterdir() if file.suffix in (".csv", ".yaml")}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    town = make_town(tmp_path_factory.mktemp("real"))
    with town.app.state.server.store.operator() as connection:
        for company in COMPANIES:
            accounts.add_company(connection, company, company.title())
    for company in COMPANIES:
        town.join("planner", company)
    return town


def test_a_company_runs_the_example_and_reads_every_stage_of_it(town: Town) -> None:
    brevik = town["planner@brevik"]
    study = upload(town, "planner@brevik", example())
    where = brevik.send_form(f"/studies/{study}/1/run").headers["location"]
    town.app.state.server.jobs.drain()
    page = brevik.get(where).text
    assert 'class="state good">done' in page
    parts = re.findall(rf'href="{where}/part/([\w-]+)"', page)
    assert {"ladder", "requirements", "awards", "split", "market", "law", "schedule", "trust"} <= set(parts)
    pictures = 0
    for part in parts:
        answer = brevik.get(f"{where}/part/{part}")
        assert answer.status_code == 200
        pictures += answer.text.count("data-chart=")
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        for script in re.findall(r"<script([^>]*)>", answer.text):
            assert "src=" in script or 'type="application/json"' in script
    assert pictures >= 8
    text = brevik.get(f"/studies/{study}/1/edit/offers").text
    line = re.search(r'name="(c\d+)_0" value="M100"', text)
    assert line is not None
    tiers = brevik.get(f"/studies/{study}/1/edit/tiers?find=M100").text
    price = re.search(r'name="(c\d+_2)" value="([\d.]+)"', tiers)
    assert price is not None
    dearer = {price[1]: f"{1.1 * float(price[2]):.6g}"}
    assert brevik.send_form(f"/studies/{study}/1/edit/tiers", dearer).status_code == 303
    second = brevik.send_form(f"/studies/{study}/2/run").headers["location"]
    town.app.state.server.jobs.drain()
    compared = brevik.get(f"{second}/against/{where.rpartition('/')[2]}").text
    assert f"<del>{price[2]}</del>" in compared
    assert "M100" in compared
    assert re.search(r'powertrain</th><td class="number">[\d.,]+</td>', compared)


def test_three_companies_solve_the_example_together_and_each_sees_what_was_agreed(town: Town) -> None:
    operator = town["operator@room"]
    frame = upload(town, "operator@room", example(), title="Frame")
    form = {"title": "Kit", "frame": f"{frame}/1", "release_list": json.dumps(LIST)}
    base = operator.send_form("/joint", form).headers["location"]
    for company in COMPANIES:
        person = town[f"planner@{company}"]
        study = upload(town, f"planner@{company}", example(), title="For the alliance")
        assert person.send_form(f"{base}/preview", {"version": f"{study}/1"}).status_code == 303
        assert person.send_form(f"{base}/sign", {"revision": "1"}).status_code == 303
    for company in COMPANIES:
        person = town[f"planner@{company}"]
        version = re.findall(r'<option value="(\w+/1)">For the alliance', person.get(base).text)
        if not version:  # the form to commit appears once all have signed
            continue
        assert person.send_form(f"{base}/commit", {"version": version[0]}).status_code == 303
    assert operator.send_form(f"{base}/solve").status_code == 303
    jobs = town.app.state.server.jobs
    jobs.drain()
    answer = operator.send_form(f"{base}/release")
    assert answer.status_code == 303, answer.text
    folder = next(path for path in (jobs.folder("room", "x").parent).iterdir() if (path / "run").is_dir())
    costs = pl.read_parquet(folder / "run" / "tables" / "cost_by_rung.parquet")
    alone = costs.filter((pl.col("rung") == "alone") & pl.col("coalition").is_in(["Aldermoor", "Brevik", "Corvo"]))
    joint = costs.filter((pl.col("rung") == "powertrain") & (pl.col("coalition") == "Aldermoor+Brevik+Corvo"))
    saving = alone["value"].sum() - joint["value"].item()
    band = next(text for low, high, text in ((0, 200, "0 to 200"), (200, 400, "200 to 400")) if low <= saving < high)
    prices = pl.read_parquet(folder / "extra" / "requirement_prices.parquet")
    for company in COMPANIES:
        text = town[f"planner@{company}"].get(base).text
        assert f"<td>{band}</td>" in text
        assert "ED100" in text
        assert "motor type" not in re.sub(r"e-axle.*?</tr>", "", text)  # no e-axle's field on a pack
        for figure in (saving, *prices["saving_alliance"].to_list(), *costs["value"].to_list()):
            assert abs(figure) < 1 or (f"{figure:.1f}" not in text and f"{figure:,.1f}" not in text)
    shown = town["planner@corvo"].get(base).text
    assert "Price of own requirements to the alliance" in shown
    assert "A1 ·" not in shown  # Aldermoor's requirement is Aldermoor's matter
