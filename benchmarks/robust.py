"""Claim: settling on modules and plants before the volumes are known is compared on real scenarios, with a bound; what
the solver's gaps hide is said not to be shown.

PYTHONPATH=src python benchmarks/robust.py [STUDY] [--rung battery] [--samples 4] [--seed 0] [--workers 1]
    [--write PAGE]

Prints a row for each first stage of the pool (the plan for average volumes, the plan of each scenario, and what can be
put together from them class by class): its cost in every scenario with awards made anew, on average and in the tail;
then the value of the stochastic solution with its proven range, perfect information, bound and gap, and the CPU
seconds; --write docs/maths/sweep.md puts it into the page. A pass of the shipped study takes about ten minutes of CPU.
What is met: the plan costs no more than any other first stage of the pool, the bound lies below every average, and the
printed sentences say what is not shown.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teikei.report.formatting import money_for
from teikei.study import load
from teikei.sweep.executors import workers
from teikei.sweep.robust import AVERAGE, Robust, robust, volume_scenarios
from teikei.sweep.robust_report import in_words

if TYPE_CHECKING:
    from benchmarks.table import Row

MARKS = ("<!-- robust measured -->", "<!-- end of the robust plan -->")
LARGE = 1e5  # million: costs above are told in billion


def cpu_seconds() -> float:
    """CPU of this process and of all that it started and that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def measured(study_path: str, rung: str, samples: int, seed: int, count: int) -> tuple[Robust, str, float]:
    """The robust plan of a study, the currency its money is in, and the CPU seconds it took."""
    study = load(study_path)
    scenarios = volume_scenarios(study, samples, seed)
    before = cpu_seconds()
    with workers(count) as crew:
        found = robust(study, rung, scenarios, crew=crew)
    return found, study.settings.currency, cpu_seconds() - before


def table(found: Robust, currency: str) -> str:
    """Rows as they are printed, in Markdown; costs in billion where they are large."""
    names = [name for name in found.costs["scenario"].unique(maintain_order=True).to_list() if name != AVERAGE]
    cost: dict[tuple[str, str], Any] = {
        (one, scenario): value for one, scenario, value in found.costs.select("candidate", "scenario", "cost").rows()
    }

    unit, label = (1e3, f"bn {currency}") if found.summary["expected"] > LARGE else (1.0, f"million {currency}")

    def shown(value: float | None) -> str:
        return "cannot be supplied" if value is None else f"{value / unit:,.2f}"

    heads = ["first stage made for", *names, "on average", "worst scenarios", "at average volumes"]
    lines = [f"Present cost, {label}:", "", "| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    for row in found.candidates.iter_rows(named=True):
        cells = [shown(cost[(row["candidate"], name)]) for name in names]
        cells += [shown(row[key]) for key in ("expected", "cvar", "at_average")]
        lines.append(f"| {row['candidate']} | " + " | ".join(cells) + " |")
    told = found.summary
    lines += ["", f"| of rung {told['rung']}, {told['scenarios']} scenarios | {label} |", "|---|--:|"]
    for key, text in (
        ("value_of_stochastic_solution", "value of the stochastic solution"),
        ("value_low", "– at least, whatever the awards' gaps hide"),
        ("value_high", "– at most, between the same first stages"),
        ("value_of_perfect_information", "value of perfect information, between plans that were found"),
        ("expected", "expected cost of the robust plan"),
        ("perfect_information", "expected cost with every scenario known"),
        ("bound", "no first stage costs less on average than"),
        ("gap", "gap: another first stage, or knowing the volumes, is worth at most"),
        ("award_gap", "largest gap of a second stage"),
    ):
        lines.append(f"| {text} | {told[key] / unit:,.3f} |")
    return "\n".join(lines)


def sound(found: Robust) -> bool:
    """Whether the claim holds: the chosen one is the least of the pool, and the bound is below every average."""
    rows = found.candidates.drop_nulls("expected")
    least = rows["objective"].min() == rows.filter(rows["candidate"] == found.summary["chosen"])["objective"][0]
    return bool(least) and bool((rows["expected"] >= found.summary["bound"] - 1e-6).all())


def main() -> None:
    """Print the table, the sentences and what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="examples/nissan-honda")
    parser.add_argument("--rung", default="battery")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    found, currency, spent = measured(asked.study, asked.rung, asked.samples, asked.seed, asked.workers)
    said = in_words(found, money_for(currency, [found.summary["expected"]]))
    text = (
        f"`python benchmarks/robust.py {asked.study} --rung {asked.rung} --samples {asked.samples}`, "
        f"{date.today().isoformat()}, {spent:.0f} CPU s, {found.summary['first_stages']} first stages that differ. "
        f"{table(found, currency)}\n\n> {said.replace(chr(10), ' ')}"
    )
    print(text)
    print(f"\nsound: {sound(found)}")
    if asked.write:
        head, _, rest = asked.write.read_text("utf-8").partition(MARKS[0])
        tail = rest.partition(MARKS[1])[2]
        asked.write.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{tail}", "utf-8")


def table_rows(_quick: bool) -> Iterator[Row]:
    """Rows for ``python -m benchmarks``: the small study; the shipped one by the command above."""
    from benchmarks.table import ROOT, Row

    found, currency, spent = measured(str(ROOT / "examples" / "kit-supply"), "kit", 4, 0, 1)
    told = found.summary
    money = f"{told['value_of_stochastic_solution']:,.3f} million {currency}"
    title = f"examples/kit-supply, rung kit, {told['scenarios']} scenarios: value of the stochastic solution"
    shown = f"{money}, from {told['value_low']:,.3f} to {told['value_high']:,.3f}"
    yield Row(title, shown, "least of its pool, bound below every cost", sound(found), spent)
    title = "the same: what another first stage, or knowing the volumes, is worth at most"
    yield Row(
        title, f"{told['gap']:,.3f} million {currency}, {told['gap'] / told['expected']:.3%}", "no bar", None, 0.0
    )


if __name__ == "__main__":
    main()
