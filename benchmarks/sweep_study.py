"""Claim: a sweep of the shipped study that plans again in every sample says which decisions survive, beside the plans'
own gap.

PYTHONPATH=src python benchmarks/sweep_study.py [STUDY] [--samples 8] [--rungs components,battery] [--tornado 3]
    [--workers N] [--out FOLDER] [--write PAGE]

Prints for each rung the band of the saving, the solver's own gap beside it and in how many samples it pays; the
tornado; which modules and suppliers change; what a sample costs (CPU seconds). Killed or stopped, the same command goes
on from what is in FOLDER. --write docs/maths/sweep.md puts the lines into the page. A sample of the shipped study takes
about a minute of CPU.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from teikei.study import load
from teikei.sweep import Sweep, sweep

MARKS = ("<!-- sweep measured -->", "<!-- end of the sweep -->")
MOST = 12


def cpu_seconds() -> float:
    """CPU of this process and of all that it started and that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def lines(found: Sweep, currency: str, unit: float, label: str) -> Iterator[str]:
    """What the sweep found, in Markdown; money divided by ``unit``."""
    bands, decisions = found.tables["bands"], found.tables["decisions"]
    counts = found.record["counts"]["bands"]
    yield f"{counts['done']} of {counts['asked']} samples have a plan. Saving against alone, {label} {currency}:"
    yield ""
    yield "| rung | as it stands | 10 % | middle | 90 % | the plans' own gap | pays in | adds to the rung below in |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    gaps = dict(bands.filter(pl.col("kind") == "gap").select("rung", "p50").iter_rows())
    for row in bands.filter(pl.col("kind") == "saving").iter_rows(named=True):
        cells = [f"{row[key] / unit:,.1f}" for key in ("base", "p10", "p50", "p90")]
        cells.append(f"{gaps[row['rung']] / unit:,.1f}" if row["rung"] in gaps else "–")
        for kind in ("pays", "adds"):
            of = decisions.filter((pl.col("decision") == kind) & (pl.col("rung") == row["rung"]))
            cells.append(f"{of['share'][0]:.0%} ({of['share_low'][0]:.0%} to {of['share_high'][0]:.0%})")
        yield f"| {row['rung']} | " + " | ".join(cells) + " |"
    best = str(bands.filter(pl.col("kind") == "saving").sort("mean", descending=True)["rung"][0])
    tornado = found.tables["tornado"].filter((pl.col("kind") == "saving") & (pl.col("rung") == best))
    if tornado.height:
        yield ""
        yield f"| input, at its 10 % and 90 % quantile | saving at {best} | | moves it by |"
        yield "|---|--:|--:|--:|"
        for row in tornado.iter_rows(named=True):
            ends = " | ".join(
                "–" if row[key] is None else f"{row[key] / unit:,.1f}" for key in ("low", "high", "swing")
            )
            yield f"| {row['input']} | {ends} |"
    yield ""
    yield from _changing(decisions, best)


def _changing(decisions: pl.DataFrame, rung: str) -> Iterator[str]:
    for kind, text in (("shared", "modules shared"), ("awarded", "suppliers awarded")):
        rows = decisions.filter((pl.col("decision") == kind) & (pl.col("rung") == rung)).sort("of")
        every = rows.filter(pl.col("share") > 1 - 1e-9).height
        some = rows.filter((pl.col("share") <= 1 - 1e-9) & (pl.col("share") > 0))
        told = ", ".join(f"{name} {share:.0%}" for name, share in some.select("of", "share").head(MOST).iter_rows())
        more = f" and {some.height - MOST} more" if some.height > MOST else ""
        yield f"- {text} at {rung}: {every} in every sample; in some: {told or 'none'}{more}."


def main() -> None:
    """Sweep, print, and put the lines into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="examples/nissan-honda")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--rungs", default="components,battery")
    parser.add_argument("--tornado", type=int, default=3)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("sweeps/benchmark"))
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    study, before = load(asked.study), cpu_seconds()
    there = len(list(asked.out.glob("samples/*/*.json")))
    found = sweep(
        study,
        asked.out,
        samples=asked.samples,
        rungs=asked.rungs.split(","),
        tornado=asked.tornado,
        count=asked.workers,
    )
    computed = len(list(asked.out.glob("samples/*/*.json"))) - there
    spent = (cpu_seconds() - before) / max(computed, 1)
    large = float(found.tables["bands"].filter(pl.col("kind") == "saving")["p90"].max()) > 1e4
    text = "\n".join(lines(found, study.settings.currency, 1e3 if large else 1.0, "bn" if large else "million"))
    command = f"`python benchmarks/sweep_study.py --samples {asked.samples} --rungs {asked.rungs}`"
    text = f"{command}, {date.today().isoformat()}, {spent:.0f} CPU s a sample:\n\n{text}"
    print(text)
    if asked.write:
        head, _, rest = asked.write.read_text("utf-8").partition(MARKS[0])
        tail = rest.partition(MARKS[1])[2]
        asked.write.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{tail}", "utf-8")


if __name__ == "__main__":
    main()
