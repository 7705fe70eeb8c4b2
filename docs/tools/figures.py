"""Writes the figures of a stored run into the page about the shipped study.

    python docs/tools/figures.py RUN [PAGE]

RUN: folder of a run (``teikei run examples/nissan-honda --out RUN``). PAGE: default docs/shipped-study.md. Only what
stands between the two marks is replaced. Nothing here is typed by hand: every figure is read from the run's tables.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

BEGIN, END = "<!-- figures of a run: begin -->", "<!-- figures of a run: end -->"
MARK = "<!-- inputs: "
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "shipped-study.md"


def fingerprint(hashes: dict[str, str]) -> str:
    """One hash of all inputs of a run."""
    text = "".join(f"{name} {value}\n" for name, value in sorted(hashes.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint_of_study(folder: Path) -> str:
    """The same hash of a study's folder as it is now."""
    files = [path for path in folder.iterdir() if path.suffix == ".csv" or path.name == "study.yaml"]
    return fingerprint({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})


def figures(run: Path) -> str:
    """The figures of a run as Markdown."""
    meta = json.loads((run / "run.json").read_text("utf-8"))
    tables = {path.stem: pl.read_parquet(path) for path in (run / "tables").glob("*.parquet")}
    study = meta["study"]
    lines = [
        f"{MARK}{fingerprint(meta['input_sha256'])} -->",
        "",
        f"Run of *{study['title'] or study['name']}*, scenario {meta.get('scenario') or 'base'}, with teikei "
        f"{meta['versions']['teikei']}; inputs {fingerprint(meta['input_sha256'])}; "
        f"{sum(meta['seconds'].values()):,.0f} seconds in all. "
        + (
            "Every plan was solved to its gap, so the run can be repeated to the last digit."
            if meta.get("reproducible")
            else "Some plans were stopped by time, so another run may differ within the ranges shown."
        ),
        "",
        *_ladder(tables, meta),
        "",
        *_ev(tables, study),
        "",
        *_evidence(tables),
    ]
    return "\n".join(lines) + "\n"


def _ladder(tables: dict[str, pl.DataFrame], meta: dict[str, Any]) -> list[str]:
    """Savings of the alliance of all companies with the range that the solver has proven, and the Shapley shares."""
    costs, companies, unit = tables["cost_by_rung"], meta["companies"], meta["study"]["currency"]
    grand = "+".join(companies)
    own = costs.filter(pl.col("coalition") == grand)
    alone = own.filter(pl.col("rung") == meta["rungs"][0]).row(0, named=True)
    shares = tables["shares"].filter((pl.col("rule") == "shapley") & (pl.col("kind") == "saving"))
    lines = [
        f"Cost of all companies alone: {alone['value'] / 1e3:,.1f} bn {unit} "
        f"(proven to be at least {alone['bound'] / 1e3:,.1f}).",
        "",
        f"| rung | saves, bn {unit} | proven range | of cost alone | {' | '.join(companies)} | solver |",
        "|---|---|---|---|" + "---|" * (len(companies) + 1),
    ]
    for rung in meta["rungs"][1:]:
        row = own.filter(pl.col("rung") == rung)
        if not row.height or row["value"][0] is None or row["value"][0] != row["value"][0]:
            lines.append(f"| {rung} | not evaluated | | | {' | ' * (len(companies) - 1)} | |")
            continue
        value, bound, status = (row[name][0] for name in ("value", "bound", "status"))
        got = dict(shares.filter(pl.col("rung") == rung).select("company", "value").iter_rows())
        split = " | ".join(f"{got[name] / 1e3:,.2f}" if name in got else "" for name in companies)
        lines.append(
            f"| {rung} | {(alone['value'] - value) / 1e3:,.2f} | {(alone['bound'] - value) / 1e3:,.2f} to "
            f"{(alone['value'] - bound) / 1e3:,.2f} | {1 - value / alone['value']:.1%} | {split} | {status} |"
        )
    return [*lines, "", "Columns of companies: Shapley value of the saving. A range that holds zero proves no saving."]


def _ev(tables: dict[str, pl.DataFrame], study: dict[str, Any]) -> list[str]:
    table = tables.get("market_summary")
    if table is None or table.is_empty():
        return []
    year = study["report_year"]
    rows = table.filter((pl.col("year") == year) & (pl.col("scenario") != "merger"))
    lines = [
        f"| rung | EV share {study['home_market']} {year} | 10 to 90 % | change by the alliance, points | 10 to 90 % |",
        "|---|---|---|---|---|",
    ]
    for row in rows.iter_rows(named=True):
        change = [row[f"ev_share_change{end}"] * 100 for end in ("", "_lower", "_upper")]
        lines.append(
            f"| {row['rung']} | {row['ev_share']:.1%} | {row['ev_share_lower']:.1%} to {row['ev_share_upper']:.1%} "
            f"| {change[0]:+.2f} | {change[1]:+.2f} to {change[2]:+.2f} |"
        )
    return lines


def _evidence(tables: dict[str, pl.DataFrame]) -> list[str]:
    counts = dict(tables["sources"].group_by("confidence").len().iter_rows())
    total = sum(counts.values())
    told = ", ".join(f"{counts.get(kind, 0):,} {kind}" for kind in ("reported", "derived", "assumption"))
    return [f"Figures behind it: {total:,}, of which {told} ({counts.get('assumption', 0) / total:.0%} assumptions)."]


def put(text: str, page: str) -> str:
    """The page with the figures between the marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{text}{END}{after}"


def main() -> None:
    """Entry point of the command."""
    run = Path(sys.argv[1])
    page = Path(sys.argv[2]) if len(sys.argv) > 2 else PAGE
    page.write_text(put(figures(run), page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
