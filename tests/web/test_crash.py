"""A server that is killed in the middle of things loses nothing, and starts again quickly: real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from teikei.study import load
from tests.study.small import write_small
from tests.web.people import PASSPHRASE
from tests.web.test_workspace import zipped

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Server:
    """``teikei serve`` in a process of its own, on one folder of data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.said = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", "from teikei.cli import main; main()", "serve", "--data", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"},
            stdout=(self.folder.parent / "said.txt").open("a"),
            text=True,
        )
        for _ in range(600):
            try:
                httpx.get(f"{self.address}/sign-in", timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        self.said = (self.folder.parent / "said.txt").read_text("utf-8")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data")
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.terminate()
        made.process.wait()


def _key(person: httpx.Client) -> str:
    found = re.search(r'name="form_key" value="([^"]+)"', person.get("/sign-in").text)
    assert found is not None
    return found[1]


def _join(server: Server, link: str, login: str) -> httpx.Client:
    person = httpx.Client(base_url=server.address, timeout=60)
    form = {"form_key": _key(person), "login": login, "name": login, "passphrase": PASSPHRASE}
    assert person.post(link, data=form).status_code == 303
    return person


def _planner(server: Server) -> httpx.Client:
    first = re.search(r"/join/\S+", server.said)
    assert first is not None
    operator = _join(server, first[0], "chief")
    operator.post("/companies", data={"form_key": _key(operator), "company": "aoba", "title": "Aoba"})
    page = operator.post("/links", data={"form_key": _key(operator), "role": "planner", "company": "aoba"}).text
    link = re.search(r"/join/[\w-]+", page)
    assert link is not None
    return _join(server, link[0], "planner")


def _study(folder: Path, name: str) -> bytes:
    source = ROOT / "examples" / name if name else write_small(folder)
    files = {f"s/{f.name}": f.read_bytes() for f in source.iterdir() if f.suffix in (".csv", ".yaml")}
    return zipped(files)


def _upload(person: httpx.Client, content: bytes, address: str = "/studies") -> httpx.Response:
    form = {"form_key": _key(person), "title": "Mine"}
    return person.post(address, data=form, files={"file": ("m.zip", content)})


def test_killed_in_mid_job_the_server_takes_the_job_up_again_and_finishes_it(server: Server, tmp_path: Path) -> None:
    person = _planner(server)
    study = _upload(person, _study(tmp_path / "s", "kit-supply")).headers["location"]
    where = person.post(f"{study}/1/run", data={"form_key": _key(person)}).headers["location"]
    for _ in range(600):
        if "Planning" in person.get(f"{where}/state").text or "plan:" in person.get(f"{where}/state").text:
            break
        time.sleep(0.1)
    server.kill()
    server.start()
    for _ in range(1200):
        text = person.get(where).text  # the session has survived as well
        if 'class="state good">done' in text:
            break
        assert "failed" not in text
        time.sleep(0.1)
    assert 'class="state good">done' in text
    assert f"{where}/part/ladder" in text
    assert person.get(f"{where}/part/ladder").status_code == 200


def test_killed_in_mid_upload_the_server_keeps_every_version_it_had_confirmed(server: Server, tmp_path: Path) -> None:
    person = _planner(server)
    content = _study(tmp_path / "s", "nissan-honda")
    study = _upload(person, content).headers["location"]
    confirmed = 1
    for number in range(4):
        key = _key(person)
        command = (
            "import httpx,sys;"
            f"c=httpx.Client(base_url={server.address!r}, timeout=60, cookies={dict(person.cookies)!r});"
            f"r=c.post({study!r}, data={{'form_key': {key!r}, 'note': 'again'}}, "
            "files={'file': ('m.zip', open(sys.argv[1], 'rb').read())}); print(r.status_code)"
        )
        (tmp_path / "m.zip").write_bytes(content)
        sender = subprocess.Popen(
            [sys.executable, "-c", command, str(tmp_path / "m.zip")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        time.sleep(0.4 + 0.45 * number)
        server.kill()
        confirmed += "303" in (sender.communicate()[0] or "")
        server.start()
    page = person.get(study).text
    versions = re.findall(r"/studies/\w+/(\d+)/tables", page)
    assert len(set(versions)) >= confirmed
    base = server.folder / "company-aoba" / "studies"
    assert list(base.glob(".upload-*")) == []  # what was cut off is cleared away
    for version in versions:
        load(base / study.rpartition("/")[2] / version / "study")  # every version that is listed is whole
    assert _upload(person, content, study).status_code == 303
