"""Progress and tables in the terminal; quiet where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from rich.console import Console


def console() -> Console:
    """The console on standard output; tables keep a readable width where the output is not a terminal."""
    from rich.console import Console

    plain = Console()
    return plain if plain.is_terminal else Console(width=120)


@contextmanager
def workers(cluster: str | None = None) -> Iterator[Executor | None]:
    """Processes for work that can be done side by side, one per processor; None where there is only one.

    cluster: address of a Dask scheduler, whose workers do the work instead.
    """
    import multiprocessing
    import os
    import warnings
    from concurrent.futures import ProcessPoolExecutor

    if cluster is not None:
        from teikei.sweep.executors import workers as join

        with join(None, cluster) as crew, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")  # programs are large; each is sent once
            yield crew.executor()
        return
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count < 2:
        yield None
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error with the present step, its share done and the time left; nothing if not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda _text, _fraction: None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=screen
    ) as bar:
        task = bar.add_task("Starting", total=1.0)
        yield lambda text, fraction: bar.update(task, description=text, completed=fraction)


def error_table(errors: Mapping[str, Any]) -> str:
    """Nested errors (who -> what -> percent) as aligned lines."""
    lines = []
    for name, value in errors.items():
        if isinstance(value, dict):
            lines.append(f"{name}:")
            lines += [f"  {line}" for line in error_table(value).splitlines()]
        elif value is not None:
            lines.append(f"{name:<24}{value:>8.2f}" if isinstance(value, float) else f"{name:<24}{value!s:>8}")
    return "\n".join(lines)
