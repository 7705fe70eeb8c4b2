"""Keeps which tables and columns a run has, for the reference page "Tables of a run".

    python docs/tools/run_tables.py RUN      # writes docs/tools/run_tables.csv from a stored run of the shipped study

A test holds the file against a run of examples/kit-supply. What a table answers and the kinds of its columns come from
``teikei.report.schema``; tables that the report does not read are told about here.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import polars as pl

FILE = Path(__file__).resolve().parent / "run_tables.csv"
NOT_READ_BY_THE_REPORT = {
    "candidates": "every configuration of every car, whether it does its job, and why not",
    "development": "what each coalition develops: families, variants, applications, with their cost",
    "market_break_even": "how many cars a programme must sell for its margins to pay its fixed cost",
    "market_conduct": "what prices and sales would do if the companies set prices less as rivals (kappa 0 to 1)",
    "market_exports": "what a saving does to the programmes' cars abroad",
    "market_incidence": "who keeps the subsidies of a year",
    "market_parity": "price of the companies' electric cars beside their own combustion and hybrid cars, by year",
    "market_pass_through": "how much of a change of cost reaches the price",
    "market_policy_step": "what a change of subsidies moves, product by product",
    "market_regions": "EV share and the companies' sales in the other regions",
    "market_stock": "cars with a plug on the road",
    "savings_by_programme": "what savings_by_lever adds up: by company, programme and year",
    "shares_of_blocs": "shares of blocs, before they are divided within",
    "requirement_prices": "what giving up one step of a requirement would save",
}
WORDS = {"text": "", "million": "million", "fraction": "share", "number": "number", "year": "year", "boolean": "yes/no"}


def stored(run: Path) -> dict[str, list[str]]:
    """Columns of each table of a stored run."""
    files = sorted((run / "tables").glob("*.parquet"))
    return {file.stem: list(pl.read_parquet_schema(file)) for file in files}


def kept() -> dict[str, list[str]]:
    """Columns of each table as the file has them."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return {row["table"]: row["columns"].split(";") for row in csv.DictReader(file)}


def page() -> str:
    """The reference page."""
    from teikei.report.schema import SHAPES

    lines = [
        "# Tables of a run",
        "",
        "`tables/` of a run holds these as Parquet, its `report.xlsx` as sheets; `teikei export RUN` writes them for",
        "other tools. Money is million of the study's currency, real, discounted, unless the column ends in `_nominal`",
        "or is a price per piece or car; shares are fractions between 0 and 1. Tables that a study has no data for are",
        "left out.",
    ]
    for name, columns in kept().items():
        shape = SHAPES.get(name)
        answers = shape.answers if shape is not None else NOT_READ_BY_THE_REPORT.get(name, name.replace("_", " "))
        lines += ["", f"## {name}", "", f"{answers[:1].upper()}{answers[1:]}.", ""]
        kinds = shape.columns if shape is not None else {}
        told = [f"`{one}`" + (f" ({WORDS[kinds[one]]})" if WORDS.get(kinds.get(one, "")) else "") for one in columns]
        lines.append(", ".join(told))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Entry point of the command."""
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "columns"])
        writer.writerows([name, ";".join(columns)] for name, columns in stored(Path(sys.argv[1])).items())


if __name__ == "__main__":
    main()
