"""What changed between runs: their inputs, cell by cell, and their results, rung by rung and lever by lever."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from teikei.errors import DamagedRunError, StudyError
from teikei.runs.store import read
from teikei.runs.types import Run
from teikei.study.rungs import stored_baseline_rung
from teikei.study.types import Study

_MOST_CELLS = 40


def compare_text(folders: Sequence[Path]) -> str:
    """Differences of each run to the first, as text. Raises StudyError for fewer than two runs."""
    if len(folders) < 2:
        raise StudyError("compare needs two runs or more")
    reference, *others = [read(folder) for folder in folders]
    return "\n\n".join(_against(reference, other) for other in others)


def _against(reference: Run, other: Run) -> str:
    lines = [f"{other.path} against {reference.path}", "", "Inputs"]
    lines += _settings_changed(reference, other) + _cells_changed(reference, other) or ["  the same"]
    unit = f"million {other.meta.get('study', {}).get('currency') or ''}".strip()
    lines += ["", f"Saving against alone, {unit}"]
    lines += _results_changed(saving_by_rung(reference), saving_by_rung(other)) + _left_open(reference, other)
    lines += ["", f"What each rung adds to the saving of the rung below, by lever, {unit}"]
    lines += _results_changed(saving_by_lever(reference), saving_by_lever(other))
    return "\n".join(lines)


def _left_open(reference: Run, other: Run) -> list[str]:
    """What the solver leaves open of a saving: a change below that may be its own."""
    worst = []
    for run in (reference, other):
        costs = _table(run, "cost_by_rung").filter(pl.col("status") != "not evaluated")
        gaps = {rung: gap or 0.0 for rung, gap in _grand(costs).select("rung", "gap").iter_rows()}
        first, *upper = gaps.values() or [0.0]
        worst.append(first + max(upper, default=0.0))
    if max(worst) < 0.05:
        return []
    told = " and ".join(_number(value) for value in worst)
    return [f"  (the solver leaves up to {told} open of a saving: a change below their sum may be its own)"]


def _grand(table: pl.DataFrame) -> pl.DataFrame:
    """Rows of the largest coalition."""
    grand = max(table["coalition"].to_list(), key=lambda name: str(name).count("+"), default="")
    return table.filter(pl.col("coalition") == grand)


def saving_by_rung(run: Run) -> dict[str, float]:
    """Saving of the largest coalition at each rung against its companies' stand-alone cost, million."""
    costs = _table(run, "cost_by_rung").filter(pl.col("status") != "not evaluated")
    if costs.is_empty():
        return {}
    baseline = stored_baseline_rung(run.tables, run.meta)
    values = dict(_grand(costs).select("rung", "value").iter_rows())
    if baseline not in values:
        return {}
    return {rung: values[baseline] - value for rung, value in values.items() if rung != baseline}


def saving_by_lever(run: Run) -> dict[str, float]:
    """What each rung adds by lever (stated order) for the largest coalition, summed over its companies, million."""
    table = _table(run, "savings_by_lever")
    if table.is_empty():
        return {}
    grand = _grand(table)  # the parts of it are coalitions of their own, with rows of their own
    sums = grand.filter(pl.col("method") == "order").group_by("rung", "lever", maintain_order=True)
    return {
        f"{rung} / {lever.replace('_', ' ')}": value
        for rung, lever, value in sums.agg(pl.col("value").sum()).iter_rows()
    }


def _table(run: Run, name: str) -> pl.DataFrame:
    """A table of a run. Raises DamagedRunError where an older version did not store it."""
    if name not in run.tables:
        version = run.meta.get("versions", {}).get("teikei", "an older version")
        raise DamagedRunError(
            f"{run.path} has no table {name}: it was written by teikei {version}. "
            f"Run its inputs again: teikei run {run.path / 'inputs'}"
        )
    return run.tables[name]


def _results_changed(before: dict[str, float], after: dict[str, float]) -> list[str]:
    lines = []
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None and abs(new - old) < 0.05:
            continue
        change = f"{new - old:+,.1f}" if old is not None and new is not None else "only in one run"
        lines.append(f"  {key}: {_number(old)} → {_number(new)} ({change})")
    return lines or ["  the same"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _settings_changed(reference: Run, other: Run) -> list[str]:
    lines = []
    if reference.meta.get("scenario") != other.meta.get("scenario"):
        lines.append(f"  scenario: {reference.meta.get('scenario') or 'base'} → {other.meta.get('scenario') or 'base'}")
    before, after = reference.meta.get("study", {}), other.meta.get("study", {})
    lines += [
        f"  study.{key}: {before.get(key)} → {after.get(key)}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    for name in sorted({*reference.meta.get("versions", {}), *other.meta.get("versions", {})}):
        old, new = reference.meta["versions"].get(name), other.meta["versions"].get(name)
        if old != new:
            lines.append(f"  version of {name}: {old} → {new}")
    return lines


def _cells_changed(reference: Run, other: Run) -> list[str]:
    """Changed cells of the kept inputs, matched by row key; a few of them spelled out."""
    from teikei.tables.columns import all_columns

    before, after = _inputs_of(reference), _inputs_of(other)
    lines: list[str] = []
    for name, columns in all_columns().items():
        keys = [column.name for column in columns.values() if column.key]
        old, new = _by_key(before[name], keys), _by_key(after[name], keys)
        added, removed = len(new.keys() - old.keys()), len(old.keys() - new.keys())
        if added or removed:
            lines.append(f"  {name}: {added} rows added, {removed} removed")
        lines += [
            f"  {name} {'/'.join(key)} {column}: {_written(value)} → {_written(new[key][column])}"
            for key in old.keys() & new.keys()
            for column, value in old[key].items()
            if value != new[key][column]
        ]
    lines.sort()
    hidden = len(lines) - _MOST_CELLS
    return lines if hidden <= 0 else [*lines[:_MOST_CELLS], f"  … and {hidden} more"]


def _inputs_of(run: Run) -> Study:
    """The study a run was made from. Raises DamagedRunError where today's checks refuse it."""
    from teikei.study import load

    try:
        return load(_inputs(run))
    except StudyError as error:
        raise DamagedRunError(
            f"The inputs kept in {run.path} no longer pass the checks ({len(error.problems)} problems): see "
            f"`teikei check {_inputs(run)}`, mend a copy of them and run it again."
        ) from error


def _inputs(run: Run) -> Path:
    folder = run.path / "inputs"
    workbooks = sorted(folder.glob("*.xlsx"))
    return workbooks[0] if workbooks else folder


def _by_key(table: pl.DataFrame, keys: list[str]) -> dict[tuple[str, ...], dict[str, object]]:
    """Rows by their key, as it is written; a table without a key, or with a key used twice, counts repetitions."""
    found: dict[tuple[str, ...], dict[str, object]] = {}
    for row in table.iter_rows(named=True):
        name = tuple(_written(row[key]) for key in keys or row)
        repeated = sum(other[: len(name)] == name for other in found) if name in found else 0
        found[(*name, f"({repeated + 1})") if repeated else name] = row
    return found


def _written(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else "-" if value is None else str(value)
