"""The table of all benchmarks as a page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.table import Row

HEAD = """# Benchmarks

Every claim of speed and accuracy, with the command that measures it. This page is written by a command, never by hand:

```text
python -m benchmarks --write docs/benchmarks.md
```

`python -m benchmarks` prints the same table (`--only NAME` a part of it, `--list` what there is, `--quick` smaller
cases). Peers that need an environment of their own (pyblp, FASTSim, pyomo) are looked for in `.venv-oracle` and in the
interpreters given by `--peers`.

| | |
|---|---|
"""
READING = """
*met*: whether the measured figure keeps the bar; a dash where there is no bar, only a peer or a plain figure. *CPU s*:
processor seconds that measuring took. Wall seconds are marked so and mean something only on a machine that does nothing
else; all other times are CPU seconds. Bars that are not met stay in the table.
"""
TITLES = {
    "date": "date", "machine": "machine", "versions": "versions", "load": "load of the machine before the benchmarks",
}  # fmt: skip


def write_page(
    target: Path, found: Mapping[str, Sequence[Row]], about: Mapping[str, str], machine: Mapping[str, str], quick: bool
) -> None:
    """Writes the page: the machine, then one table a benchmark."""
    lines = [HEAD.rstrip("\n")]
    lines += [f"| {TITLES[key]} | {_cell(value)} |" for key, value in machine.items()]
    if quick:
        lines.append("| cases | the smaller ones of `--quick` |")
    lines.append(READING)
    for name, rows in found.items():
        lines += [
            f"## {name}",
            "",
            f"{about[name][:1].upper()}{about[name][1:]}: `python -m benchmarks --only {name}`",
            "",
        ]
        lines += ["| claim | measured | bar or peer | met | CPU s |", "|---|---|---|---|---|"]
        lines += [
            f"| {_cell(row.claim)} | {_cell(row.measured)} | {_cell(row.against)} | {row.verdict} | {row.cpu_s:.1f} |"
            for row in rows
        ]
        lines.append("")
    target.write_text("\n".join(lines).rstrip("\n") + "\n", "utf-8")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
