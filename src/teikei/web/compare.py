"""Two runs of one workspace side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from teikei.errors import StudyError
from teikei.web.tables import Change, differences
from teikei.web.workspace import keep

if TYPE_CHECKING:
    from teikei.runs.types import Run

MOST_CHANGES: Final = 200


@dataclass(frozen=True)
class Comparison:
    """changes: of the inputs. rungs, levers: (name, before, after) in million; None where a run has no such line."""

    changes: list[Change]
    rungs: list[tuple[str, float | None, float | None]]
    levers: list[tuple[str, float | None, float | None]]
    currency: str
    figure: str


def compare(first: Path, second: Path) -> Comparison:
    """What differs between two finished runs. Raises DamagedRunError or StudyError where one cannot be compared."""
    from teikei.runs.compare import saving_by_lever, saving_by_rung

    one, two = _costs(first), _costs(second)
    rungs = _pairs(saving_by_rung(one), saving_by_rung(two))
    return Comparison(
        changes=differences(_inputs(first), _inputs(second)),
        rungs=rungs,
        levers=[pair for pair in _pairs(saving_by_lever(one), saving_by_lever(two)) if not _same(*pair[1:])],
        currency=str(one.meta.get("study", {}).get("currency", "")),
        figure=_figure(rungs),
    )


def kept_comparison(first: Path, second: Path) -> Comparison:
    """The same for the folders of two jobs, computed once: finished runs never change."""
    file = first / f"against-{second.name}.json"
    if file.is_file():
        known = json.loads(file.read_text("utf-8"))
        changes = [Change(**one) for one in known["changes"]]
        return Comparison(changes, known["rungs"], known["levers"], known["currency"], known["figure"])
    found = compare(first / "run", second / "run")
    keep(file, json.dumps(asdict(found), ensure_ascii=False))
    return found


def _costs(folder: Path) -> Run:
    """The two tables of a run that are compared."""
    import polars as pl

    from teikei.runs.types import Run

    try:
        meta = json.loads((folder / "run.json").read_text("utf-8"))
        files = {name: folder / "tables" / f"{name}.parquet" for name in ("cost_by_rung", "savings_by_lever")}
        return Run(folder, {name: pl.read_parquet(file) for name, file in files.items()}, meta)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise StudyError("one of these runs holds no costs by rung; run the study again and compare then") from error


def _inputs(run: Path) -> Path:
    workbooks = sorted((run / "inputs").glob("*.xlsx"))
    return workbooks[0] if workbooks else run / "inputs"


def _pairs(before: Mapping[str, float], after: Mapping[str, float]) -> list[tuple[str, float | None, float | None]]:
    return [(name, before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])]


def _same(before: float | None, after: float | None) -> bool:
    return before is not None and after is not None and abs(after - before) < 0.05


def _figure(rungs: list[tuple[str, float | None, float | None]]) -> str:
    from teikei.report.charts import COLOURS, safe
    from teikei.report.page import figure_json

    names = [safe(name) for name, _, _ in rungs]

    def bars(name: str, index: int, pattern: str) -> dict[str, Any]:
        values = [pair[index] for pair in rungs]
        marker = {"color": COLOURS[index - 1], "pattern": {"shape": pattern}}
        return {"type": "bar", "name": name, "x": names, "y": values, "marker": marker}

    layout = {
        "barmode": "group",
        "margin": {"l": 64, "r": 16, "t": 12, "b": 48},
        "yaxis": {"title": {"text": "saving, million"}, "automargin": True},
        "xaxis": {"type": "category"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return figure_json({"data": [bars("first run", 1, ""), bars("second run", 2, "/")], "layout": layout})
