"""Kills at random moments of server and worker: nothing acknowledged is lost, every deed has its line, runs go on.

Slow: ten kills in about a minute; TEIKEI_KILLS=200 for the long form.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.web.test_crash import Server, _key, _planner, _study, _upload, server

__all__ = ["server"]
pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("TEIKEI_KILLS", "10"))
SERVED_WITHIN_SECONDS = 10.0


def _kill_a_worker(folder: Path) -> bool:
    """Kills the process of a job that is at work, if there is one."""
    for note in folder.glob("*/jobs/*/process"):
        try:
            number = int(note.read_text("utf-8"))
            if str(note.parent).encode() in Path(f"/proc/{number}/cmdline").read_bytes():
                os.killpg(number, signal.SIGKILL)
                return True
        except (OSError, ValueError):
            continue
    return False


def test_random_kills_lose_nothing_that_was_acknowledged(server: Server, tmp_path: Path) -> None:
    draw = random.Random(2026)
    person = _planner(server)
    content = _study(tmp_path / "s", "")
    study = _upload(person, content).headers["location"]
    versions, runs = 1, []
    longest = 0.0
    for number in range(KILLS):
        begun = time.monotonic()
        if number % 3 == 2 and _kill_a_worker(server.folder):
            continue
        deed_at = draw.random() * 0.4
        server_process = server.process
        assert server_process is not None
        try:
            with httpx.Client(base_url=server.address, timeout=5, cookies=dict(person.cookies)) as client:
                key = _key(client)
                if number % 2:
                    pid = os.fork()
                    if pid == 0:  # kills the server while the request is under way
                        time.sleep(deed_at)
                        server_process.send_signal(signal.SIGKILL)
                        os._exit(0)
                    answer = client.post(
                        study, data={"form_key": key, "note": str(number)}, files={"file": ("m.zip", content)}
                    )
                    os.waitpid(pid, 0)
                    versions += answer.status_code == 303
                else:
                    answer = client.post(f"{study}/1/run", data={"form_key": key})
                    if answer.status_code == 303:
                        runs.append(answer.headers["location"])
                    time.sleep(deed_at)
        except httpx.TransportError:
            pass
        server.kill()
        begun = time.monotonic()
        server.start()
        assert person.get("/health").status_code == 200
        longest = max(longest, time.monotonic() - begun)
    page = person.get(study).text
    kept = set(re.findall(r"/studies/\w+/(\d+)/tables", page))
    assert len(kept) >= versions
    lines = [json.loads(line) for line in person.get("/log/export").text.splitlines()]
    own = [line for line in lines if "salt" in line]
    assert sum(line["action"] == "uploaded a version" for line in own) == len(kept)
    started = " ".join(line["object"] for line in own if line["action"] == "started a run")
    for run in runs:
        assert run.rpartition("/")[2] in started
        assert person.get(run).status_code == 200
    assert len(list((server.folder / "company-aoba" / "jobs").iterdir())) == started.count("run ")
    print(f"{KILLS} kills, {len(kept)} versions, {len(runs)} runs acknowledged, served again within {longest:.1f} s")
    assert longest < 6 * SERVED_WITHIN_SECONDS  # the machine of a test may be busy; the figure is printed
