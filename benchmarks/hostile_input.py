"""Claim: whatever a study holds, reading it ends in a study or in sentences with places: no traceback, no hang.

PYTHONPATH=src:. python benchmarks/hostile_input.py [--studies 100000] [--seed 1] [--seconds 60]

Mutates every table of the small study of the tests at random (cells, rows, columns, bytes, settings, workbooks), reads
each study in this process under a limit of memory and of time, and prints one row a kind of damage. Then come files
made to hurt: zip bombs, billion laughs in YAML and XML, workbooks that claim millions of cells, endless files.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import resource
import shutil
import signal
import string
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import xlsxwriter
from tests.study.small import SETTINGS, small_tables, write_small
from tests.study.test_mutations import NASTY, PLACE

from teikei.errors import StudyError
from teikei.study import check, load

Tables = dict[str, list[list[str]]]
MEMORY_ABOVE_START = 2 * 1024**3  # bytes of address space that reading one study may take on top


class Hang(BaseException):
    """The time for one study is over."""


@dataclass
class Row:
    """What happened to the studies of one kind of damage."""

    outcomes: Counter[str] = field(default_factory=Counter)
    problems: int = 0
    slowest: float = 0.0
    bad: list[str] = field(default_factory=list)


def text(dice: random.Random) -> str:
    """A cell: nasty, random, a number or another cell's kind of word."""
    choice = dice.random()
    if choice < 0.6:
        return dice.choice(NASTY)
    if choice < 0.75:
        return "".join(dice.choice(string.printable) for _ in range(dice.randrange(0, 20)))
    if choice < 0.9:
        return repr(dice.choice([1.0, -1.0]) * 10.0 ** dice.randrange(-320, 309) * dice.random())
    return "".join(chr(dice.randrange(1, 0xD800)) for _ in range(dice.randrange(1, 8)))


def cells(dice: random.Random, tables: Tables) -> None:
    """One to twenty cells hold something else."""
    for _ in range(dice.choice((1, 1, 2, 4, 20))):
        rows = tables[dice.choice(list(tables))]
        if len(rows) > 1 and rows[0]:
            rows[dice.randrange(1, len(rows))][dice.randrange(len(rows[0]))] = text(dice)


def swapped(dice: random.Random, tables: Tables) -> None:
    """Cells hold what belongs into another cell of the study: right words in the wrong place."""
    for _ in range(dice.choice((1, 2, 5))):
        source, target = (tables[dice.choice(list(tables))] for _ in range(2))
        value = dice.choice(dice.choice(source[1:]))
        target[dice.randrange(1, len(target))][dice.randrange(len(target[0]))] = value


def shapes(dice: random.Random, tables: Tables) -> None:
    """Rows and columns are lost, doubled, renamed, cut or swapped; tables are emptied."""
    for _ in range(dice.choice((1, 2, 4))):
        name = dice.choice(list(tables))
        rows = tables[name]
        row, column = dice.randrange(len(rows)), dice.randrange(max(len(rows[0]), 1))
        match dice.randrange(9):
            case 0 if len(rows) > 1:
                rows.pop(row)
            case 1:
                rows.insert(row, list(rows[row]))
            case 2 if len(rows[0]) > 1:
                tables[name] = [line[:column] + line[column + 1 :] for line in rows]
            case 3:
                tables[name] = [[*line, *line[column : column + 1]] for line in rows]
            case 4 if rows[0]:
                rows[0][column % len(rows[0])] = text(dice)
            case 5:
                rows[row] = rows[row][:column]
            case 6:
                rows[row] = [*rows[row], text(dice)]
            case 7:
                rows[0], rows[row] = rows[row], rows[0]
            case _:
                tables[name] = rows[:1]


def read(path: Path) -> tuple[str, int]:
    """How reading ends, and with how many problems; raises what should never be raised."""
    problems = check(path)
    for problem in problems:
        if "fault of teikei" in problem.message:
            raise AssertionError(problem.message)
        if len(problem.message) <= 10 or "\n" in str(problem.message):
            raise AssertionError(f"no sentence: {problem}")
        if path.is_dir() and not PLACE.fullmatch(problem.place):
            raise AssertionError(f"no place: {problem}")
    if any(not problem.warning for problem in problems):
        return "refused", len(problems)
    load(path)
    return "read with warnings" if problems else "read", len(problems)


def judge(row: Row, path: Path, seconds: float, label: str) -> None:
    """Reads one study and counts how it ended."""
    began = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        outcome, count = read(path)
    except Hang:
        outcome, count = "HANG", 0
    except MemoryError:
        outcome, count = "MEMORY", 0
    except StudyError as error:
        outcome, count = "check and load disagree", len(error.problems)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome, count = "TRACEBACK", 0
        label = f"{label}: {type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    row.outcomes[outcome] += 1
    row.problems += count
    row.slowest = max(row.slowest, time.perf_counter() - began)
    if outcome not in ("read", "read with warnings", "refused"):
        row.bad.append(f"{outcome} ({label})")


def ring(_signal: int, _frame: FrameType | None) -> None:
    """The alarm clock."""
    raise Hang


def changed_tables(
    folder: Path, change: Callable[[random.Random, Tables], None], dice: random.Random
) -> Iterator[Path]:
    """The study with some tables changed; the good ones are put back after it was read."""
    tables = small_tables()
    change(dice, tables)
    good = small_tables()
    names = [name for name in tables if tables[name] != good[name]]
    with contextlib.suppress(UnicodeEncodeError):
        write_small(folder, {name: tables[name] for name in names})
        yield folder
    write_small(folder, {name: good[name] for name in names})


def changed_bytes(folder: Path, dice: random.Random) -> Iterator[Path]:
    """One file with bytes put in, taken out or changed."""
    path = dice.choice(sorted(folder.glob("*.*")))
    kept = path.read_bytes()
    content = bytearray(kept)
    for _ in range(dice.choice((1, 3, 10))):
        place = dice.randrange(len(content) + 1)
        content[place : place + dice.randrange(4)] = dice.randbytes(dice.randrange(5))
    path.write_bytes(content)
    yield folder
    path.write_bytes(kept)


def changed_settings(folder: Path, dice: random.Random) -> Iterator[Path]:
    """Lines of study.yaml hold something else."""
    lines = SETTINGS.splitlines()
    for _ in range(dice.choice((1, 2, 4))):
        at = dice.randrange(len(lines))
        key = lines[at].partition(":")[0] if dice.random() < 0.8 else text(dice)
        value = dice.choice(
            ("[", "{a: b", "*a", "&a [*a]", "!!python/object:os.system x", "? x", "|", ">-", "- 1", text(dice))
        )
        lines[at] = f"{key}: {value}"
    with contextlib.suppress(UnicodeEncodeError):
        (folder / "study.yaml").write_text("\n".join(lines), "utf-8")
        yield folder
    (folder / "study.yaml").write_text(SETTINGS, "utf-8")


def workbook_bytes() -> bytes:
    """The small study as a workbook typed by hand: texts and a sheet of settings."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet("study")
    for row, line in enumerate(SETTINGS.splitlines()):
        if not line.startswith("#"):
            key, _, value = line.partition(": ")
            sheet.write_row(row, 0, [key, value])
    for name, rows in small_tables().items():
        sheet = book.add_worksheet(name)
        for row, values in enumerate(rows):
            for column, value in enumerate(values):
                try:
                    sheet.write_number(row, column, float(value))
                except ValueError:
                    sheet.write_string(row, column, value)
    book.close()
    return stream.getvalue()


def changed_workbook(folder: Path, good: bytes, dice: random.Random) -> Iterator[Path]:
    """A workbook with bytes changed, or with bytes of one of its parts changed inside the archive."""
    path = folder.parent / "study.xlsx"
    if dice.random() < 0.3:
        content = bytearray(good)
        for _ in range(dice.choice((1, 3))):
            content[dice.randrange(len(content))] = dice.randrange(256)
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(path, "w") as new:
            names = old.namelist()
            target = dice.choice(names)
            for name in names:
                data = bytearray(old.read(name))
                if name == target:
                    for _ in range(dice.choice((1, 2, 8))):
                        place = dice.randrange(len(data) + 1)
                        word = dice.choice(
                            (b"<", b">", b'"', b"&", b"<v>", b"</c>", b"#REF!", b"999999999", dice.randbytes(3))
                        )
                        data[place : place + dice.randrange(6)] = word
                new.writestr(name, bytes(data))
    yield path
    path.unlink()


def archive(parts: dict[str, bytes], compressed: bool = True) -> bytes:
    """A zip archive of parts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as made:
        for name, data in parts.items():
            made.writestr(name, data)
    return stream.getvalue()


def parts_of(good: bytes) -> dict[str, bytes]:
    """Name -> content of a workbook's parts."""
    with zipfile.ZipFile(io.BytesIO(good)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12)
) + b"]><l>&m;</l>"  # fmt: skip
YAML_LAUGHS = "a: &a [ha, ha]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(20)
)


def bombs(folder: Path, good: bytes) -> Iterator[tuple[str, Path]]:
    """Files made to hurt: each name says what it is; the study is put back after each."""
    book = folder.parent / "bomb.xlsx"
    parts = parts_of(good)
    sheet = next(name for name in parts if name.startswith("xl/worksheets/sheet"))
    zeros = bytes(300_000_000)
    far = parts[sheet].replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')
    wide = (
        b"<worksheet><sheetData>" + b'<row r="1"><c r="A1"><v>1</v></c></row>' * 3_000_000 + b"</sheetData></worksheet>"
    )
    many = {**parts, **{f"xl/junk{n}.xml": b"x" for n in range(5_000)}}
    inner = archive({"b": zeros})
    workbooks = {
        "zip bomb: one part of 300 MB": archive({**parts, "xl/sharedStrings.xml": zeros}),
        "zip bomb: a sheet of spaces, 300 MB": archive({**parts, sheet: b" " * 300_000_000}),
        "zip bomb inside a zip bomb": archive({**parts, "xl/media/a.zip": inner}),
        "archive of 5,000 parts": archive(many),
        "billion laughs in a sheet": archive({**parts, sheet: LAUGHS}),
        "billion laughs in the workbook part": archive({**parts, "xl/workbook.xml": LAUGHS}),
        "billion laughs in the shared strings": archive({**parts, "xl/sharedStrings.xml": LAUGHS}),
        "one cell at the far corner of a sheet": archive({**parts, sheet: far}),
        "three million cells": archive({**parts, sheet: wide}),
        "a thousand nested elements": archive({**parts, sheet: b"<a>" * 100_000}),
        "external entity": archive(
            {**parts, sheet: b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'}
        ),
        "path that climbs out": archive({**parts, "../../../../tmp/x": b"x"}),
        "empty archive": archive({}),
        "not a zip": b"PK\x03\x04" + b"\x00" * 1000,
        "encrypted office file": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(4096),
        "empty file": b"",
    }
    for name, data in workbooks.items():
        book.write_bytes(data)
        yield f"workbook: {name}", book
    book.unlink()
    del zeros, wide, workbooks
    settings = {
        "billion laughs": SETTINGS + YAML_LAUGHS,
        "fifty thousand open brackets": SETTINGS + "a: " + "[" * 50_000,
        "deep map": SETTINGS + "".join(" " * n + f"k{n}:\n" for n in range(400)),
        "object of Python": SETTINGS + "x: !!python/object/apply:os.system ['true']\n",
        "a document that names itself": SETTINGS + "x: &x [*x]\n",
        "merge of itself": SETTINGS + "x: &x\n  <<: *x\n",
        "two hundred documents": SETTINGS + "---\na: 1\n" * 200,
        "number of a million digits": SETTINGS.replace("first_year: 2027", "first_year: " + "9" * 100_000),
        "base 60 and octal": SETTINGS.replace("first_year: 2027", "first_year: 1:2:3:4:5"),
        "ten megabytes": SETTINGS + "# " + "x" * 10_000_000,
    }
    for name, content in settings.items():
        (folder / "study.yaml").write_text(content, "utf-8")
        yield f"study.yaml: {name}", folder
    (folder / "study.yaml").write_text(SETTINGS, "utf-8")
    offers = folder / "offers.csv"
    kept = offers.read_bytes()
    tables = {
        "one line of 20 MB": b"offer," + b"x" * 20_000_000,
        "a quote that never ends": kept + b'\n"' + b"x\n" * 2_000_000,
        "a million columns": b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n",
        "a million empty lines": kept + b"\n" * 1_000_000,
        "three hundred thousand bad rows": kept + b"O9,Nobody,Nowhere,E9,any,XXX,piece,x,y,z\n" * 300_000,
        "zeros": bytes(1_000_000),
        "UTF-16 without a mark": kept.decode().encode("utf-16-le"),
        "UTF-7": b"+ADw-script+AD4-\n",
        "150 MB": b"x,y\n" * 37_500_000,
    }
    for name, data in tables.items():
        offers.write_bytes(data)
        yield f"offers.csv: {name}", folder
        offers.unlink()
    specials: dict[str, Callable[[], None]] = {
        "a pipe that nobody writes to": lambda: os.mkfifo(offers),
        "a folder": offers.mkdir,
        "a link to itself": lambda: offers.symlink_to(offers),
        "a link to an endless device": lambda: offers.symlink_to("/dev/zero"),
        "a link to nowhere": lambda: offers.symlink_to("/nowhere"),
    }
    for name, make in specials.items():
        make()
        yield f"offers.csv: {name}", folder
        shutil.rmtree(offers) if offers.is_dir() and not offers.is_symlink() else offers.unlink()
    offers.write_bytes(kept)


def show(name: str, row: Row) -> None:
    """One line of the table."""
    count = row.outcomes
    fine = sum(count[key] for key in ("read", "read with warnings", "refused"))
    print(
        f"{name:<34}{sum(count.values()):>9,}{count['refused']:>10,}{count['read with warnings']:>10,}"
        f"{count['read']:>9,}{row.problems:>11,}{row.slowest:>9.2f}{sum(count.values()) - fine:>6}"
    )


def main() -> None:
    """Print one row a kind of damage, then whatever went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="limit for one study")
    asked = parser.parse_args()
    signal.signal(signal.SIGALRM, ring)
    dice, began = random.Random(asked.seed), time.process_time()
    place = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as temporary:
        folder = write_small(Path(temporary) / "study")
        good = workbook_bytes()
        check(folder)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_ABOVE_START, resource.RLIM_INFINITY))
        kinds: dict[str, tuple[int, Callable[[], Iterator[Path]]]] = {
            "cells hold anything": (44, lambda: changed_tables(folder, cells, dice)),
            "cells of other columns": (16, lambda: changed_tables(folder, swapped, dice)),
            "rows and columns lost or doubled": (16, lambda: changed_tables(folder, shapes, dice)),
            "bytes of a file": (12, lambda: changed_bytes(folder, dice)),
            "settings hold anything": (9, lambda: changed_settings(folder, dice)),
            "workbooks": (3, lambda: changed_workbook(folder, good, dice)),
        }
        print(
            f"{'damage':<34}{'studies':>9}{'refused':>10}{'warned':>10}{'read':>9}{'problems':>11}{'slowest':>9}{'bad':>6}"
        )
        everything, bad = 0, []
        for name, (share, make) in kinds.items():
            row = Row()
            for number in range(max(1, asked.studies * share // 100)):
                for path in make():
                    judge(row, path, asked.seconds, f"{name} {number}")
            show(name, row)
            everything += sum(row.outcomes.values())
            bad += row.bad
        row = Row()
        for name, path in bombs(folder, good):
            before = len(row.bad)
            judge(row, path, asked.seconds, name)
            print(f"  {name:<60}{'BAD' if len(row.bad) > before else 'sentence'}")
        show("made to hurt", row)
        everything += sum(row.outcomes.values())
        bad += row.bad
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = time.process_time() - began
    print(f"{everything:,} studies, {len(bad)} bad; {spent:.0f} CPU s; at most {peak:.0f} MiB of memory")
    for line in bad[:40]:
        print(f"  {line}")


def table_rows(quick: bool) -> Iterator[object]:
    """Rows for ``python -m benchmarks``: this file's own command on fewer studies, its closing line read."""
    import re
    import subprocess
    import sys

    from benchmarks.table import Row

    command = [sys.executable, __file__, "--studies", "300" if quick else "4000"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    closing = re.search(r"([\d,]+) studies, (\d+) bad; (\d+) CPU s; at most (\d+) MiB", done.stdout)
    if closing is None:
        raise AssertionError(f"no closing line: {done.stdout[-200:]}")
    count, bad, spent, memory = closing.groups()
    title = f"{count} damaged studies: read, or refused in sentences with places; no trace, no hang"
    yield Row(title, f"{bad} bad, at most {memory} MiB", "none bad", bad == "0", float(spent))


if __name__ == "__main__":
    main()
