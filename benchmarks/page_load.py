"""How fast the page answers 50 users who work on the shipped study, and how fast the server starts.

    python benchmarks/page_load.py --run runs/nissan-honda-1 [--users 50] [--seconds 60] [--think 3]

Starts ``teikei serve`` on a fresh folder with five companies, each with the shipped study, an edited version of it and
the given finished run; lets the users sign in and walk through the pages of the workspace, thinking a while
(exponential, mean --think seconds) between two pages, while one run of the example kit-supply is computed in the
background. Prints one row per kind of page: requests, median, 95th percentile and slowest in seconds, and the errors.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from tests.web.people import PASSPHRASE
from tests.web.test_workspace import zipped

from teikei.web import accounts, run_pages
from teikei.web.app import create_app, first_link
from teikei.web.tables import read_sheets, write_sheet
from teikei.web.workspace import add_edit, add_version

if TYPE_CHECKING:
    from benchmarks.table import Row

ROOT = Path(__file__).parents[1]
COMPANIES = ("aoba", "midori", "kuro", "shiro", "murasaki")


def prepare(folder: Path, run: Path, users: int) -> tuple[dict[str, str], dict[str, str]]:
    """Companies with data, and accounts; study and job by company."""
    app = create_app(folder)
    first_link(app)
    server = app.state.server
    files = {f"s/{f.name}": f.read_bytes() for f in (ROOT / "examples/nissan-honda").iterdir() if f.is_file()}
    content = zipped({name: data for name, data in files.items() if name.endswith((".csv", ".yaml"))})
    studies, jobs = {}, {}
    parts = folder / "parts"
    for company in COMPANIES:
        with server.store.operator() as connection:
            accounts.add_company(connection, company, company.title())
        made = add_version(server.store, company, None, "Shipped study", content, "benchmark", time.time())
        studies[company] = made.study

        def change(target: Path) -> None:
            sheet = read_sheets(target)["companies"]
            first = sheet.rows[0]
            write_sheet(
                type(sheet)(sheet.name, sheet.header, ((first[0], (*first[1][:-1], "x")), *sheet.rows[1:])), target
            )

        add_edit(server.store, company, made.study, 1, change, "benchmark", time.time())
        for _ in range(2):
            job = server.jobs.add(company, made.study, 1, made.path, "benchmark")
            shutil.copytree(run, server.jobs.folder(company, job) / "run")
            if not parts.exists():
                run_pages.build(run, parts)
            shutil.copytree(parts, server.jobs.folder(company, job) / run_pages.FOLDER)
            with server.store.company(company) as connection:
                connection.execute("UPDATE jobs SET state='done', ended=? WHERE job=?", (time.time(), job))
            jobs.setdefault(company, job)
            jobs[f"{company} second"] = job
    shutil.rmtree(parts)
    for number in range(users):
        company = COMPANIES[number % len(COMPANIES)]
        with server.store.operator() as connection:
            link = accounts.make_link(connection, time.time(), "planner" if number % 3 else "buyer", company)
            accounts.use_link(connection, time.time(), link, f"user{number}", f"User {number}", PASSPHRASE)
    return studies, jobs


def start(folder: Path) -> tuple[subprocess.Popen[bytes], str, float]:
    """The server as its users start it; its address and the seconds until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.perf_counter()
    command = [sys.executable, "-c", "from teikei.cli import main; main()", "serve"]
    process = subprocess.Popen(
        [*command, "--data", str(folder), "--port", str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    while True:
        try:
            httpx.get(f"{address}/sign-in", timeout=1)
            return process, address, time.perf_counter() - begin
        except httpx.TransportError:
            time.sleep(0.02)


class User(threading.Thread):
    """One user who opens pages of the own workspace and thinks in between."""

    def __init__(
        self, number: int, address: str, studies: dict[str, str], jobs: dict[str, str], end: float, think: float
    ):
        super().__init__(daemon=True)
        self.draw = random.Random(number)
        self.company = COMPANIES[number % len(COMPANIES)]
        self.client = httpx.Client(base_url=address, timeout=60)
        self.login = f"user{number}"
        self.study, self.job = studies[self.company], jobs[self.company]
        self.other = jobs[f"{self.company} second"]
        self.end, self.think = end, think
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []

    def run(self) -> None:
        time.sleep(self.draw.uniform(0, self.think))
        key = re.search(r'name="form_key" value="([^"]+)"', self.client.get("/sign-in").text)
        assert key is not None
        self.timed("sign in", "POST", "/sign-in", {"form_key": key[1], "login": self.login, "passphrase": PASSPHRASE})
        base, edit = f"/studies/{self.study}", f"/studies/{self.study}/2/edit"
        pages = {
            "home": "/home",
            "studies": "/studies",
            "study": base,
            "tables": edit,
            "table, 813 rows": f"{edit}/volumes?start=40",
            "table, found rows": f"{edit}/offers?find=pack",
            "changes": f"{base}/2/changes",
            "run, answer": f"/jobs/{self.job}",
            "run, ladder": f"/jobs/{self.job}/part/ladder",
            "run, awards": f"/jobs/{self.job}/part/awards",
            "run, market": f"/jobs/{self.job}/part/market",
            "two runs": f"/jobs/{self.job}/against/{self.other}",
            "joint studies": "/joint",
            "log": "/log",
        }
        while time.monotonic() < self.end:
            time.sleep(self.draw.expovariate(1 / self.think))
            name = self.draw.choice(list(pages))
            self.timed(name, "GET", pages[name])

    def timed(self, name: str, method: str, address: str, data: dict[str, str] | None = None) -> None:
        begin = time.perf_counter()
        try:
            status = self.client.request(method, address, data=data).status_code
        except httpx.TransportError as error:
            self.errors.append(f"{name}: {type(error).__name__}")
            return
        self.times[name].append(time.perf_counter() - begin)
        if status >= 400:
            self.errors.append(f"{name}: {status}")


def measured(
    run: Path, count: int, seconds: float, think: float, with_job: bool = True
) -> tuple[list[User], float, float]:
    """Users who have walked for so many seconds, seconds until the server answered, its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        studies, jobs = prepare(Path(folder), run, count)
        process, address, start_seconds = start(Path(folder))
        try:
            if with_job:
                app = create_app(Path(folder))
                app.state.server.jobs.add("aoba", studies["aoba"], 1, ROOT / "examples/kit-supply", "benchmark")
            end = time.monotonic() + seconds
            users = [User(n, address, studies, jobs, end, think) for n in range(count)]
            for user in users:
                user.start()
            for user in users:
                user.join()
        finally:
            used = cpu_seconds(process.pid)
            process.terminate()
            process.wait()
    return users, start_seconds, used


def main() -> int:
    """Prints the table; exit code 1 where p95 is a second or more, or any answer was an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=3)
    parser.add_argument("--no-job", action="store_true", help="no run in the background")
    given = parser.parse_args()
    users, seconds, used = measured(given.run, given.users, given.seconds, given.think, not given.no_job)
    return report(users, given.seconds, seconds, used)


def cpu_seconds(process: int) -> float:
    """Processor time of the server itself so far, its jobs apart (Linux; NaN elsewhere)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return float("nan")


def report(users: list[User], length: float, start_seconds: float, used: float) -> int:
    times: dict[str, list[float]] = defaultdict(list)
    for user in users:
        for name, found in user.times.items():
            times[name] += found
    every = sorted(one for found in times.values() for one in found)
    errors = [error for user in users for error in user.errors]
    print(f"server answers {start_seconds:.2f} s after its start")
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"{len(users)} users, {len(every)} requests in {length:.0f} s; machine's load per core {load:.1f}")
    print(f"the server used {used:.1f} s of processor time, start included: {used / len(every):.3f} s a request")
    print(f"{'page':<20}{'count':>7}{'median':>9}{'p95':>9}{'slowest':>9}  s")
    for name, unsorted in [*times.items(), ("all", every)]:
        found = sorted(unsorted)
        row = (found[len(found) // 2], found[min(int(0.95 * len(found)), len(found) - 1)], found[-1])
        print(f"{name:<20}{len(found):>7}" + "".join(f"{value:>9.3f}" for value in row))
    print(f"errors: {len(errors)} {sorted(set(errors))[:5]}")
    return int(bool(errors) or every[int(0.95 * len(every))] >= 1.0)


def table_rows(quick: bool) -> Iterator[Row]:
    """Rows for ``python -m benchmarks``: users on the run that whole_line.py has made, or on one of the small study."""
    from benchmarks import whole_line
    from benchmarks.table import Row, Stopwatch, work_folder

    watch = Stopwatch()
    with work_folder() as folder:
        run = folder / whole_line.RUN
        if not run.exists():
            whole_line.command("run", str(ROOT / "examples/kit-supply"), "--out", str(run))
        study = json.loads((run / "run.json").read_text("utf-8"))["study"]["name"]
        count, seconds = (20, 8.0) if quick else (50, 40.0)
        users, start_seconds, used = measured(run, count, seconds, think=3.0)
    every = sorted(one for user in users for found in user.times.values() for one in found)
    errors = [error for user in users for error in user.errors]
    yield Row("the server answers after its start", f"{start_seconds:.1f} s wall", "3 s", start_seconds < 3, 0.0)
    pages = sorted(one for user in users for name, found in user.times.items() if name != "sign in" for one in found)
    p95 = pages[int(0.95 * len(pages))]
    title = f"{count} users on the run of {study}, {len(pages)} pages in {seconds:.0f} s while a job runs: "
    told = f"{p95:.2f} s wall, median {pages[len(pages) // 2]:.2f}, slowest {pages[-1]:.2f}"
    yield Row(f"{title}95th percentile", told, "1 s", p95 < 1.0, watch.lap())
    signed = sorted(one for user in users for one in user.times["sign in"])
    title = f"the same: {count} sign-ins within three seconds, 95th percentile"
    yield Row(title, f"{signed[int(0.95 * len(signed))]:.2f} s wall", "no bar", None, 0.0)
    yield Row("processor time of the server for a page", f"{used / len(every):.3f} s", "no bar", None, 0.0)
    yield Row("answers that were errors", f"{len(errors)} of {len(every)}", "none", not errors, 0.0)


if __name__ == "__main__":
    sys.exit(main())
