"""One run in a process of its own: ``python -m teikei.web.worker STUDY OUT``, with limits, progress and exit codes.

The same as ``teikei run STUDY --out OUT``, with progress as JSON lines on standard output. It ends when the server that
started it is gone, so that a restarted server finds no runner of an earlier life.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from pathlib import Path


def main(arguments: list[str]) -> int:
    """STUDY OUT; the exit code as errors.py says."""
    from teikei.errors import TeikeiError

    threading.Thread(target=_end_with_the_server, args=(os.getppid(),), daemon=True).start()
    _limit_memory(int(os.environ.get("TEIKEI_JOB_MEMORY_BYTES", "0")))
    try:
        from teikei.flow import run
        from teikei.study import load

        run(load(Path(arguments[0])), out=Path(arguments[1]), progress=_say)
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


def _say(step: str, fraction: float) -> None:
    sys.stdout.write(json.dumps({"step": step, "fraction": fraction}) + "\n")
    sys.stdout.flush()


def _limit_memory(size: int) -> None:
    if size > 0:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold private figures


def _end_with_the_server(server: int) -> None:
    while os.getppid() == server:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
