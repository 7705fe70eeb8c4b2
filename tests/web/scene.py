"""Objects of several owners, for the test of every route × role × owner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.study.small import write_small
from tests.web.people import Town, make_town
from tests.web.test_joint import start_joint
from tests.web.test_workspace import STAND_IN, upload


@dataclass
class Scene:
    """own: parameters of objects by name -> {owner: value}. Owner "nobody" is an object that does not exist."""

    town: Town
    own: dict[str, dict[str, str]]

    def objects(self, path: str) -> dict[str, dict[str, str]]:
        """For the parameters of a route: owner -> values."""
        names = re.findall(r"{(\w+)}", path)
        fixed = {"name": "style.css", "link": "no-link", "user": "nobody"}
        owned = [name for name in names if name in self.own]
        if not owned:
            if "user" in names:
                return {"any": {"user": next(iter(self.users()))}}
            return {"any": {name: fixed[name] for name in names}}
        owners = set.intersection(*(set(self.own[name]) for name in owned))
        return {
            owner: {name: self.own[name][owner] if name in self.own else fixed[name] for name in names}
            for owner in sorted(owners)
        }

    def users(self) -> list[str]:
        """Somebody who may be switched off without harm to the test."""
        with self.town.app.state.server.store.operator() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO users VALUES ('spare', 'spare', 'Spare', 'counsel', 'kuro', 'none', 1)"
            )
        return ["spare"]

    def may_see(self, rule_owner: str, company: str, owner: str) -> bool:
        if rule_owner == "none":
            return True
        if rule_owner == "workspace":
            return owner == company
        return owner == "joint" and company != "kuro"


def make_scene(folder: Path) -> Scene:
    """Aoba, Midori and the room each have a study and a run; Kuro has nothing."""
    files = {f"study/{file.name}": file.read_bytes() for file in write_small(folder / "small").iterdir()}
    town = make_town(folder / "data", command=STAND_IN)
    own: dict[str, dict[str, str]] = {"study": {}, "version": {}, "job": {}, "other": {}}
    for owner, who in (("aoba", "planner@aoba"), ("midori", "planner@midori"), ("room", "operator@room")):
        own["study"][owner] = upload(town, who, files)
        own["version"][owner] = "1"
        run = town[who].send_form(f"/studies/{own['study'][owner]}/1/run")
        own["job"][owner] = run.headers["location"].rpartition("/")[2]
        again = town[who].send_form(f"/studies/{own['study'][owner]}/1/run")
        own["other"][owner] = again.headers["location"].rpartition("/")[2]
    town.app.state.server.jobs.drain()
    base = start_joint(town, files)
    joint = base.rpartition("/")[2]
    own["joint"] = {"joint": joint}
    made = town["planner@aoba"].send_form(f"{base}/design", {"title": "Axle", "kind": "e-axle"})
    own["document"] = {"joint": made.headers["location"].rpartition("/")[2]}
    own["what_if"] = {"joint": "feedfeedfeedfeed"}
    with town.app.state.server.store.operator() as connection:
        connection.execute(
            "INSERT INTO what_ifs (what_if, joint, company, round, by, purpose, state) "
            "VALUES ('feedfeedfeedfeed', ?, 'aoba', 1, 'nobody', '', 'asked')",
            (joint,),
        )
    for values in own.values():
        values["nobody"] = "0123456789abcdef"
    return Scene(town, own)
