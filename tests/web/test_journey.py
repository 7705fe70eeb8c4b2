"""Two companies and an operator in a real browser: from the first start to a joint result and an export.

Needs Debian's chromium (or CHROMIUM set to a browser); without it the test is skipped, and says so.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from teikei.web.app import create_app, first_link
from teikei.web.jobs import Limits
from tests.web.people import PASSPHRASE
from tests.web.test_design import complete
from tests.web.test_joint import files_of
from tests.web.test_workspace import STAND_IN, zipped

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FORM = {
    "what_ifs": "2",
    "saving_band": "0; 5000; 10000; 20000",
    "saving_at_least": "5000",
    "smallest_interval_million": "5000",
    "smallest_interval_units": "10000",
    "known_saving": "-5000; 25000",
}


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    monkeypatch.setenv("STAND_IN", "joint")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
    app = create_app(tmp_path / "data", command=STAND_IN, limits=Limits(slot_seconds=0.2))
    link = first_link(app)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", f"/join/{link}"
    server.should_exit = True
    thread.join()


def _join(page: Any, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Sign-in name").fill(name)
    page.get_by_label("Your name, as others see it").fill(name)
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Make the account and sign in").click()
    page.get_by_role("heading", name="Welcome").wait_for()


def _upload(page: Any, base: str, title: str, content: bytes) -> None:
    page.goto(f"{base}/studies")
    page.get_by_label("Name of the study").fill(title)
    page.get_by_label("File").set_input_files({"name": "s.zip", "mimeType": "application/zip", "buffer": content})
    page.get_by_role("button", name="Upload and check").click()
    page.get_by_role("heading", name=title).wait_for()


def _edit_by_keyboard(page: Any) -> None:
    """Changes one cell of a table with the keyboard alone, saves it, and finds it among the changes."""
    page.get_by_role("link", name="Look at and edit the tables").click()
    page.get_by_role("link", name="volumes", exact=True).click()
    cells = page.locator("#edit tbody tr td:nth-child(9) input")
    before = cells.nth(1).input_value()
    cells.nth(0).focus()
    page.keyboard.press("ArrowDown")  # the cell below, with its text selected
    page.keyboard.type("12345")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Check and save as version 2").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Version 2", exact=True).wait_for()
    assert page.locator("#edit tbody tr td:nth-child(9) input").nth(1).input_value() == "12345"
    page.goto(page.url.partition("/edit/")[0] + "/changes")
    assert page.locator("del").all_inner_texts() == [before]
    assert page.locator("ins").all_inner_texts() == ["12345"]
    page.get_by_role("link", name="Back to").click()


def test_from_first_start_to_a_signed_specification_and_an_export(address: tuple[str, str], tmp_path: Path) -> None:
    if CHROMIUM is None:
        warnings.warn("NO BROWSER: the journey through the page was NOT tested; apt install chromium", stacklevel=1)
        pytest.skip("no chromium on this machine: the journey through the page was NOT tested")
    from playwright.sync_api import sync_playwright

    base, link = address
    content = zipped(files_of(tmp_path / "small"))
    pictures = Path(os.environ.get("TEIKEI_PICTURES", tmp_path))
    problems: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        pages = {}
        for who in ("operator", "aoba", "midori"):
            page = browser.new_context(locale="en", viewport={"width": 1280, "height": 800}).new_page()
            page.set_default_timeout(180_000)  # a busy machine is no fault of the page
            page.on("console", lambda m, w=who: problems.append(f"{w}: {m.text}") if m.type == "error" else None)
            page.on("pageerror", lambda e, w=who: problems.append(f"{w}: {e}"))
            pages[who] = page
        operator = pages["operator"]
        _join(operator, base + link, "chief")
        operator.screenshot(path=pictures / "home-empty.png", full_page=True)
        for company in ("aoba", "midori"):
            operator.goto(f"{base}/people")
            operator.get_by_label("Short name").fill(company)
            operator.get_by_label("Full name").fill(company.title())
            operator.get_by_role("button", name="Add the company").click()
            operator.get_by_label("Role").select_option("planner")
            operator.locator("#of").select_option(company)
            operator.get_by_role("button", name="Make a link").click()
            _join(pages[company], operator.locator("#new-link").inner_text(), f"{company}-planner")
            _upload(pages[company], base, f"{company} study", content)
        operator.screenshot(path=pictures / "people.png", full_page=True)
        pages["aoba"].screenshot(path=pictures / "study.png", full_page=True)
        _edit_by_keyboard(pages["aoba"])
        pages["aoba"].get_by_role("button", name="Run").first.click()
        pages["aoba"].get_by_text("done", exact=True).wait_for(timeout=60_000)
        pages["aoba"].screenshot(path=pictures / "run.png", full_page=True)
        _upload(operator, base, "Frame", content)
        operator.goto(f"{base}/joint")
        operator.get_by_label("Name of the joint study").fill("Shared axle")
        for name, value in FORM.items():
            operator.locator(f"#{name}").fill(value)
        operator.screenshot(path=pictures / "joints.png", full_page=True)
        operator.get_by_role("button", name="Invite the companies").click()
        operator.get_by_role("heading", name="Shared axle").wait_for()
        joint = operator.url
        for company in ("aoba", "midori"):
            page = pages[company]
            page.goto(joint)
            page.get_by_role("button", name="What could a rival infer?").click()
            page.get_by_role("heading", name="Figures without a range").wait_for(timeout=120_000)
            page.screenshot(path=pictures / "preview.png", full_page=True)
            page.get_by_role("link", name="Back to the joint study").click()
            page.screenshot(path=pictures / "joint-drafting.png", full_page=True)
            page.get_by_role("button", name="Sign revision 1").click()
        for company in ("aoba", "midori"):
            pages[company].goto(joint)
            pages[company].get_by_role("button", name="Commit these inputs").click()
        operator.goto(joint)
        operator.get_by_role("button", name="Solve the joint study").click()
        for _ in range(100):
            operator.goto(joint)
            if operator.get_by_role("button", name="Open the door").count():
                break
            time.sleep(0.3)
        operator.get_by_role("button", name="Open the door").click()
        pages["aoba"].goto(joint)
        assert pages["aoba"].get_by_text("Peak power at nominal voltage").count() == 1
        pages["aoba"].screenshot(path=pictures / "joint-released.png", full_page=True)
        pages["aoba"].get_by_label("Name of the specification").fill("Axle AX1")
        pages["aoba"].get_by_role("button", name="Open a common specification").click()
        for name, value in complete().items():
            field = pages["aoba"].locator(f"#{name}")
            if field.evaluate("one => one.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        pages["aoba"].get_by_role("button", name="Propose").click()
        document = pages["aoba"].url
        for company in ("aoba", "midori"):
            pages[company].goto(document)
            pages[company].get_by_role("button", name="Sign version 1").click()
        assert pages["aoba"].goto(document) is not None
        assert pages["aoba"].get_by_text("signed by all", exact=True).count() == 1
        pages["aoba"].screenshot(path=pictures / "design.png", full_page=True)
        with pages["midori"].expect_download() as download:
            pages["midori"].get_by_role("link", name="Excel").click()
        assert Path(download.value.path()).read_bytes()[:2] == b"PK"
        pages["midori"].get_by_role("button", name="日本語").click()
        pages["midori"].get_by_role("heading", name="ようこそ").wait_for()
        pages["midori"].goto(joint)
        pages["midori"].screenshot(path=pictures / "joint-japanese.png", full_page=True)
        operator.goto(f"{base}/log")
        operator.screenshot(path=pictures / "log.png", full_page=True)
        browser.close()
    assert problems == []
