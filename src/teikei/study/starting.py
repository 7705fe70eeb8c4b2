"""Starting a study: a blank folder or workbook, or a copy of the study that ships with teikei."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Final

from teikei.errors import Problem, StudyError
from teikei.study.loading import load
from teikei.study.write import write_folder, write_workbook
from teikei.tables.messages import one_line, show, suggest

TEMPLATES: Final = ("blank", "nissan-honda")
WORKBOOK_NAME: Final = "study.xlsx"


def new(directory: str | PathLike[str], template: str = "blank", excel: bool = False) -> Path:
    """Starts a study and returns the path to give to ``load``.

    directory: a folder that does not exist yet or is empty; with ``excel`` the workbook study.xlsx is put into it (or
    the path may itself end in .xlsx). template: ``blank`` (every table with its header, study.yaml with comments) or
    ``nissan-honda`` (the shipped study). Raises StudyError for an unknown template, and rather than overwrite anything.
    """
    target = Path(directory)
    if template not in TEMPLATES:
        raise _refusal(
            target,
            f"there is no template {show(template)}{suggest(template, TEMPLATES)}",
        )
    try:
        workbook = _workbook_target(target) if excel else None
        _refuse_to_overwrite(target if workbook is None else workbook, target)
        (target if workbook is None else workbook.parent).mkdir(parents=True, exist_ok=True)
        if template == "blank":
            return write_folder({}, target) if workbook is None else write_workbook({}, workbook)
        with shipped_study(template) as source:
            if workbook is not None:
                return write_workbook(load(source), workbook)
            shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
            return target
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise _refusal(target, f"cannot be written ({reason}): choose another place") from None


def _workbook_target(target: Path) -> Path:
    return target if target.suffix.casefold() == ".xlsx" else target / WORKBOOK_NAME


def _refuse_to_overwrite(made: Path, target: Path) -> None:
    if made == target and made.suffix.casefold() == ".xlsx":
        if made.exists():
            raise _refusal(target, "there is such a file already: choose another name, or move it away")
    elif target.is_dir():
        if any(target.iterdir()):
            raise _refusal(target, "the folder is not empty: choose a new folder, so that nothing is overwritten")
    elif target.exists() or target.is_symlink():
        raise _refusal(target, "there is a file of this name: choose a new folder")


def _refusal(target: Path, message: str) -> StudyError:
    return StudyError([Problem(one_line(str(target)), message)])


@contextmanager
def shipped_study(name: str) -> Iterator[Path]:
    """The folder of a study that ships with teikei: inside the package, or in ``examples`` of a source tree."""
    packaged = resources.files("teikei").joinpath("data", "examples", name)
    source_tree = Path(__file__).parents[3] / "examples" / name
    if packaged.joinpath("study.yaml").is_file():
        with resources.as_file(packaged) as folder:
            yield folder
    elif (source_tree / "study.yaml").is_file():
        yield source_tree
    else:
        raise StudyError(
            [
                Problem(
                    name,
                    "the shipped study is not part of this installation: install teikei again, or use the "
                    "template blank",
                )
            ]
        )
