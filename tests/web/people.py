"""A server with an operator and three companies, and browsers of their people, for tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.testclient import TestClient

from teikei.web import accounts
from teikei.web.app import create_app, first_link

PASSPHRASE = "correct horse battery"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Person(TestClient):
    """A browser of one person: keeps cookies and puts the page's form key into every form."""

    def send_form(self, address: str, data: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        return self.post(address, data={"form_key": self.form_key(), **(data or {})}, **more)

    def form_key(self) -> str:
        found = re.search(r'name="form_key" value="([^"]+)"', self.get("/sign-in").text)
        assert found is not None
        return found[1]


@dataclass(eq=False)
class Town:
    """Server, clock and people by ``role@company`` (``operator@room``)."""

    app: FastAPI
    clock: Clock
    people: dict[str, Person] = field(default_factory=dict)

    def visitor(self, **more: Any) -> Person:
        return Person(self.app, base_url="http://localhost", **more)

    def join(self, role: str, company: str | None) -> Person:
        server = self.app.state.server
        with server.store.operator() as connection:
            link = accounts.make_link(connection, self.clock(), role, company)
        person = self.visitor(follow_redirects=False)
        answer = person.send_form(
            f"/join/{link}",
            {"login": f"{role}@{company or 'room'}", "name": f"{role} {company or 'room'}", "passphrase": PASSPHRASE},
        )
        assert answer.status_code == 303, answer.text
        self.people[f"{role}@{company or 'room'}"] = person
        return person

    def __getitem__(self, who: str) -> Person:
        return self.people[who]


COMPANIES = ("aoba", "midori", "kuro")


def make_town(folder: Path, **options: Any) -> Town:
    clock = Clock()
    town = Town(create_app(folder, clock=clock, **options), clock)
    assert first_link(town.app) is not None
    with town.app.state.server.store.operator() as connection:
        for company in COMPANIES:
            accounts.add_company(connection, company, company.title())
    for role in accounts.ROOM_ROLES:
        town.join(role, None)
    for company in COMPANIES:
        for role in ("planner", "buyer", "counsel"):
            town.join(role, company)
    return town
