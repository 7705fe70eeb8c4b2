"""Whatever a rival's figures are: as long as the agreed release is the same, so is every byte that others can get.

One joint study is taken to its release over the server. Then, for each seed, Midori's figures are drawn anew everywhere
they lie (its workspace, its committed inputs, the tables of the joint run), the door is opened on them, and everything
that people of other companies can fetch is collected: every page and export that the router knows, with headers, and
the answers to deeds that are refused. Seeds whose agreed release is equal must give equal bytes.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teikei.room.door import Entry, Release, release
from teikei.runs.types import Run
from teikei.web import joint as joints
from teikei.web import solve
from teikei.web.access import all_routes, rule_of
from teikei.web.database import TRIGGERS
from tests.room.test_door import BREAKS, ITEMS, agreed, make_list
from tests.study.small import small_tables, write_small
from tests.web.joint_tables import RUNG, make_tables
from tests.web.people import make_town
from tests.web.test_joint import files_of, to_release
from tests.web.test_workspace import STAND_IN, upload

OWN = (31_000.0, 1.1)  # Aoba's volume and cost, which Aoba knows
OFFERED = {"kind": "tier_index", "schedules": [{"offer": "O1", "breaks": BREAKS[:2]}]}  # as in the frame
LIST = make_list(what_ifs=2, items=[OFFERED if item["kind"] == "tier_index" else item for item in ITEMS])


class Stage:
    """A town whose joint study is released, with the means to change one company's figures behind the scene."""

    def __init__(self, folder: Path) -> None:
        self.lines = 0
        self.town = make_town(folder / "data", command=STAND_IN)
        self.files = files_of(folder / "small")
        operator = self.town["operator@room"]
        frame = upload(self.town, "operator@room", self.files, title="Frame")
        form = {"title": "Axle", "frame": f"{frame}/1", "release_list": LIST.model_dump_json()}
        self.base = operator.send_form("/joint", form).headers["location"]
        studies = to_release(self.town, self.base, {"aoba": self.files, "midori": self.files})
        self.study = studies["midori"]
        run = self.town["planner@midori"].send_form(f"/studies/{self.study}/1/run").headers["location"]
        self.private_run = run.rpartition("/")[2]
        self.town.app.state.server.jobs.drain()
        document = self.town["planner@aoba"].send_form(f"{self.base}/design", {"title": "Axle", "kind": "e-axle"})
        self.document = document.headers["location"].rpartition("/")[2]
        self.joint = self.base.rpartition("/")[2]

    def draw(self, seed: int) -> Run:
        """Midori's figures of a seed, put everywhere, and the door opened on them."""
        draw = random.Random(seed)
        midori = (draw.uniform(20_000, 90_000), draw.uniform(0.8, 2.0))
        tables = make_tables(["Aoba", "Midori"], [("P1", "Aoba", *OWN), ("P2", "Midori", *midori)], BREAKS)
        server = self.town.app.state.server
        texts = small_tables()
        header = texts["programmes"][0]
        for row in texts["programmes"][1:]:
            if row[0] == "P2":
                row[header.index("body_mass_kg")] = f"{1000 * midori[1]:.3f}"
        own = server.store.workspace("midori")
        committed = joints.room_folder(server.store, self.joint) / "inputs" / "0" / "midori"
        for place in (own / "studies" / self.study / "1" / "study", committed / "study"):
            write_small(place, texts)
        with server.store.operator() as connection:
            self.forget_lines(connection)
            found = joints.read(connection, self.joint)
            for name, table in tables.items():
                table.write_parquet(server.jobs.folder("room", found["job"]) / "run" / "tables" / f"{name}.parquet")
                table.write_parquet(server.jobs.folder("midori", self.private_run) / "run" / f"{name}.parquet")
            connection.execute("DELETE FROM releases")
            members = list(found["list"].members)
            solve.open_door(server.store, server.jobs, connection, found, members, 0, found["job"])
        return Run(Path("nowhere"), tables, {})

    def forget_lines(self, connection: Any) -> None:
        """Every look and refusal is a line of the log: each draw starts from the same one."""
        self.town.app.state.server.refusals.clear()
        for name in TRIGGERS:
            connection.execute(f"DROP TRIGGER {name}")
        self.lines = self.lines or connection.execute("SELECT count(*) FROM audit").fetchone()[0]
        connection.execute("DELETE FROM audit WHERE number > ?", (self.lines,))
        for statement in TRIGGERS.values():
            connection.execute(statement)

    def seen(self) -> str:
        """A digest over everything that people of other companies get."""
        total = hashlib.sha256()
        for who, wanted in (("planner@aoba", ""), ("counsel@aoba", "/joint"), ("planner@kuro", "/joint")):
            person = self.town[who]
            for method, address in self.addresses():
                if wanted and wanted not in address:
                    continue
                if method == "GET":
                    answer = person.get(address)
                else:
                    answer = person.send_form(address) if who == "planner@aoba" and "solve" in address else None
                if answer is not None:
                    headers = sorted((k, v) for k, v in answer.headers.items() if k not in ("set-cookie", "date"))
                    text = re.sub(rb'name="form_key" value="[^"]+"', b"", answer.content)
                    text = re.sub(rb"\b[0-9a-f]{32}(?:[0-9a-f]{32})?\b", b"#", text)  # salts and hashes of the log
                    total.update(repr((who, method, address, answer.status_code, headers, text)).encode())
        return total.hexdigest()

    def addresses(self) -> list[tuple[str, str]]:
        """Every route of the router with the objects of Midori and of the joint study."""
        values = {
            "joint": self.joint, "document": self.document, "study": self.study, "version": "1",
            "job": self.private_run, "other": self.private_run, "what_if": "0123456789abcdef", "name": "programmes",
            "link": "x", "user": "x",
        }  # fmt: skip
        found = []
        for one in all_routes(self.town.app):
            if one.path.startswith(("/static", "/sign-in", "/join/", "/language")) or rule_of(one) is None:
                continue
            address = re.sub(r"{(\w+)}", lambda match: values[match[1]], one.path)
            found += [(method, address) for method in sorted(one.methods)]
        return found


def compare(stage: Stage, seeds: range) -> tuple[int, int]:
    """(seeds whose agreed release had been seen before, those among them with other bytes)."""
    first: dict[Any, str] = {}
    pairs = differing = 0
    for seed in seeds:
        key, digest = agreed(stage.draw(seed)), stage.seen()
        if key in first:
            pairs += 1
            differing += digest != first[key]
        first.setdefault(key, digest)
    return pairs, differing


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAND_IN", "joint")
        patch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
        return Stage(tmp_path_factory.mktemp("stage"))


def test_nothing_that_others_get_depends_on_more_than_the_agreed_release(stage: Stage) -> None:
    assert len(stage.addresses()) >= 50
    pairs, differing = compare(stage, range(12))
    assert pairs >= 5
    assert differing == 0


@pytest.mark.slow
def test_nor_for_hundreds_of_draws(stage: Stage) -> None:
    pairs, differing = compare(stage, range(100, 400))
    assert pairs >= 250
    assert differing == 0


def _error_text(run: Run) -> str:
    return f"infeasible near {max(run.tables['cost_by_rung']['value'].to_list()):.1f}"


def _mean(run: Run) -> str:
    return f"{run.tables['cost_breakdown']['value'].mean():.0f}"


def _order(run: Run) -> str:
    return ",".join(run.tables["cost_breakdown"].sort("value")["programme"].to_list())


def _length(run: Run) -> str:
    return "." * int(run.tables["awards"]["quantity"].sum() / 1000)


@pytest.mark.parametrize(
    "leak", [_mean, *(pytest.param(one, marks=pytest.mark.slow) for one in (_error_text, _order, _length))]
)
def test_a_leak_planted_behind_the_door_is_caught(
    stage: Stage, leak: Callable[[Run], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(run: Run, company: str, *rest: Any, **more: Any) -> Release:
        passed = release(run, company, *rest, **more)
        return Release(passed.company, passed.rung, (*passed.entries, Entry("note", (RUNG,), leak(run))))

    monkeypatch.setattr("teikei.room.door.release", leaking)
    _, differing = compare(stage, range(14) if leak is not _order else range(40))
    assert differing >= 1
