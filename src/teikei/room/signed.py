"""Signed specifications as inputs of the next joint plan.

A document signed by all names a module of the study. Its ratings take the place of that module's row; where they agreed
that other new modules of the class are left out, those go, with their offers: candidates of the plan are then the
signed modules, what is in force today, and what a company alone may use. Prices of the module's offers stay as quoted:
a supplier has to confirm them for the signed design, and the page says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from teikei.errors import StudyError
from teikei.room.specification import ALTERNATIVES, LEFT_OUT, MODULE, fields_of

if TYPE_CHECKING:  # the tables of a study are loaded when they are needed: the server starts without them
    import polars as pl

    from teikei.study import Study

_OWN_MODULE: Final = {"modules": "module", "offers": "module"}


@dataclass(frozen=True)
class Signed:
    """A specification that every member has signed: of which document and version, its class and its fields."""

    document: str
    version: int
    class_name: str
    fields: Mapping[str, str]


def apply(study: Study, documents: Sequence[Signed]) -> Study:
    """The study with the signed ratings in its table ``modules`` and without the modules that were left out.

    Raises StudyError where a document names a module that the study does not have, or two documents name the same one.
    """
    import polars as pl

    named = [one.fields.get(MODULE, "") for one in documents]
    for document, module in zip(documents, named, strict=True):
        known = study["modules"].filter(pl.col("class") == document.class_name)["module"].to_list()
        if module not in known:
            raise StudyError(f"a signed specification names the module {module!r}, which the joint study does not have")
    twice = {module for module in named if named.count(module) > 1}
    if twice:
        raise StudyError(f"two signed specifications are about the module {min(twice)!r}; sign one of them only")
    for document in documents:
        study = _with_ratings(study, document)
    for class_name in sorted({one.class_name for one in documents if one.fields.get(ALTERNATIVES) == LEFT_OUT}):
        study = _without_others(study, class_name, {one.fields[MODULE] for one in documents})
    return study


def must_fit(frame: Path, document: Signed) -> None:
    """Raises StudyError, in the words of the checker, where a document's ratings cannot be those of a module."""
    from teikei.study import check, load, write_folder

    changed = apply(load(frame), [document])
    with tempfile.TemporaryDirectory() as folder:
        problems = [problem for problem in check(write_folder(changed, folder)) if not problem.warning]
    said = [problem.message for problem in problems if problem.place.startswith("modules.csv")]
    if said:
        raise StudyError(f"the plan cannot take this specification: {'; '.join(said[:10])}")


def ratings(document: Signed) -> dict[str, Any]:
    """Column of ``modules`` -> typed value of a signed document."""
    from teikei.tables.columns import all_columns, parse_plain

    columns = all_columns()["modules"]
    return {
        field.input: parse_plain(columns[field.input], _whole(columns[field.input].kind, document.fields[field.name]))
        for field in fields_of(document.class_name)
        if field.input and field.name in document.fields
    }


def _whole(kind: str, text: str) -> str:
    return f"{float(text):.0f}" if kind == "integer" else text


def _with_ratings(study: Study, document: Signed) -> Study:
    import polars as pl

    own = pl.col("module") == document.fields[MODULE]
    changes = [
        pl.when(own).then(pl.lit(value, dtype=study["modules"].schema[column])).otherwise(pl.col(column)).alias(column)
        for column, value in ratings(document).items()
    ]
    return study.with_tables(modules=study["modules"].with_columns(changes))


def _without_others(study: Study, class_name: str, signed: set[str]) -> Study:
    """Leaves out modules of a class that are neither signed, nor in force, nor one company's own or paid by one."""
    import polars as pl

    modules = study["modules"]
    in_force = set(study["existing"]["module"].to_list())
    gone = {
        row["module"]
        for row in modules.filter(pl.col("class") == class_name).iter_rows(named=True)
        if row["module"] not in signed | in_force and not row["available_to"]
    }
    offers = set(study["offers"].filter(pl.col("module").is_in(gone))["offer"].to_list())
    tables = {name: study[name].filter(~pl.col(column).is_in(gone)) for name, column in _OWN_MODULE.items()}
    tables["tiers"] = study["tiers"].filter(~pl.col("offer").is_in(offers))
    tables["work"] = study["work"].filter(~((pl.col("level") == "variant") & pl.col("item").is_in(gone)))
    tables["ranges"] = _without_rows(study["ranges"], {"modules": gone, "offers": offers, "tiers": offers})
    return study.with_tables(**tables)


def _without_rows(ranges: pl.DataFrame, gone: Mapping[str, set[str]]) -> pl.DataFrame:
    """Ranges of figures that are no longer there go too: their rows are named by the first part of their key."""
    import polars as pl

    first = pl.col("row").str.split("/").list.first()
    kept = pl.lit(True)
    for table, names in gone.items():
        kept = kept & ~((pl.col("table") == table) & first.is_in(names))
    return ranges.filter(kept)
