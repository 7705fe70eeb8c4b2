"""One run in a process of its own: ``python -m teikei.web.worker STUDY OUT``, with limits, progress and exit codes.

The same as ``teikei run STUDY --out OUT``, with progress as JSON lines on standard output. ``options.json`` beside OUT
may ask for a schedule and, in a joint study, for the prices of requirements; or for a preview instead of a run. It
ends when the server that started it is gone, so that a restarted server finds no runner of an earlier life.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

OPTIONS: Final = "options.json"
PREVIEW: Final = "preview.json"
EXTRA: Final = "extra"  # tables of a joint run that the report does not show


def main(arguments: list[str]) -> int:
    """STUDY OUT; the exit code as errors.py says."""
    from teikei.errors import TeikeiError

    threading.Thread(target=_end_with_the_server, args=(os.getppid(),), daemon=True).start()
    _limit_memory(int(os.environ.get("TEIKEI_JOB_MEMORY_BYTES", "0")))
    try:
        _run(Path(arguments[0]), Path(arguments[1]))
    except TeikeiError as error:
        sys.stderr.write(str(error))
        return error.exit_code
    except MemoryError:
        sys.stderr.write("the run needs more memory than a job may use; solve fewer rungs or ask the operator")
        return 3
    except Exception as error:  # a bug of ours: its kind is said, its values are not
        sys.stderr.write(f"a fault in teikei ({type(error).__name__}); please report it")
        return 1
    return 0


def _run(source: Path, out: Path) -> None:
    from teikei.flow import run
    from teikei.study import load
    from teikei.web.run_pages import FOLDER, build

    options = _options(out.parent)
    study = load(source)
    if "preview" in options:
        _preview(study, options["preview"], out.parent / PREVIEW)
        return
    prices = options.get("requirement_prices")
    share = 0.75 if prices else 1.0
    seconds = float(options.get("schedule_seconds") or 0.0)
    run(study, out=out, progress=lambda step, fraction: _say(step, share * fraction), schedule_seconds=seconds)
    if prices:
        _say("Pricing requirements", share)
        _requirement_prices(study, str(prices["coalition"]), str(prices["rung"]), out.parent / EXTRA)
    with contextlib.suppress(Exception):  # the run is whole; the page builds its parts when they are looked at
        build(out, out.parent / FOLDER)


def _options(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / OPTIONS).read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _preview(study: Any, asked: dict[str, Any], file: Path) -> None:
    """What a rival could infer about each own figure; the file stays in the owner's workspace."""
    from teikei.room.preview import preview_of
    from teikei.room.release_list import ReleaseList

    _say("Looking at every figure", 0.1)
    found = preview_of(study, str(asked["company"]), ReleaseList.model_validate(asked["list"]))
    beside = file.with_suffix(".partial")
    beside.write_text(found.text(), "utf-8")
    beside.rename(file)


def _requirement_prices(study: Any, coalition: str, rung: str, folder: Path) -> None:
    """What the alliance would save if one requirement were relaxed by a step: the agreed rung planned once more."""
    from teikei import modules, plan, simulate
    from teikei.errors import StudyError

    catalogue = modules.catalogue(study)
    performance = simulate.performance(study, catalogue)
    plans = plan.solve(study, catalogue, performance, rungs=[rung], coalitions=[coalition])
    try:
        table = plan.requirement_prices(study, catalogue, performance, plans, coalition=coalition, rung=rung)
    except StudyError:
        return  # the rung was not evaluated: there is nothing to price
    folder.mkdir(exist_ok=True)
    table.write_parquet(folder / "requirement_prices.parquet")


def _say(step: str, fraction: float) -> None:
    sys.stdout.write(json.dumps({"step": step, "fraction": fraction}) + "\n")
    sys.stdout.flush()


def _limit_memory(size: int) -> None:
    if size > 0:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold private figures


def _end_with_the_server(server: int) -> None:
    while os.getppid() == server:
        time.sleep(0.2)
    with contextlib.suppress(OSError):
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)  # what this run has started ends with it
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
