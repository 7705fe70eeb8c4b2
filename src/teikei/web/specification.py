"""A common specification of one module as the companies write it together: fields, versions, comments, signatures.

A draft is never changed: each proposal or counter-proposal is a new version, and signatures belong to one version. A
document counts as signed when every member has signed its newest version.
"""

from __future__ import annotations

import io
import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from teikei.errors import StudyError
from teikei.web.accounts import Caller, new_id


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a specification. kind: number or text; required for signing."""

    name: str
    title: str
    unit: str = ""
    kind: str = "number"
    required: bool = True


def _fields(text: str) -> tuple[Field, ...]:
    found = []
    for line in text.strip().splitlines():
        name, title, unit, kind, need = (part.strip() for part in line.split("|"))
        found.append(Field(name, title, unit, kind or "number", need != "optional"))
    return tuple(found)


# name | title | unit | kind | optional. From MODEL §5; cost, NRE and tooling pass only through the release list.
FIELDS: Final[Mapping[str, tuple[Field, ...]]] = {
    "e-axle": _fields(
        """
        family | Family | | text |
        lamination_outer_diameter_mm | Outer diameter of the lamination | mm | |
        stack_length_mm | Stack length | mm | |
        turns | Turns | | |
        winding | Winding | | text |
        pole_pairs | Pole pairs | | |
        gear_ratio | Reduction ratio | | |
        gear_torque_limit_nm | Torque limit of the gear | N m | |
        voltage_min_v | DC voltage, minimum | V | |
        voltage_nominal_v | DC voltage, nominal | V | |
        voltage_max_v | DC voltage, maximum | V | |
        phase_current_peak_a | Phase current, peak | A | |
        phase_current_continuous_a | Phase current, continuous | A | |
        inverter_switch | Switch technology | | text |
        peak_torque_nm | Peak torque | N m | |
        peak_duration_s | Duration of the peak torque | s | |
        continuous_torque_nm | Continuous torque | N m | |
        peak_power_kw | Peak power at minimum voltage | kW | |
        continuous_power_kw | Continuous power at minimum voltage | kW | |
        max_speed_rpm | Maximum speed | 1/min | |
        coolant_flow_l_per_min | Coolant flow | l/min | |
        coolant_inlet_c | Coolant inlet temperature | °C | |
        mass_kg | Mass | kg | |
        length_mm | Envelope, x | mm | |
        width_mm | Envelope, y | mm | |
        height_mm | Envelope, z | mm | |
        magnet_mass_kg | Magnet mass | kg | |
        carried_over | What is carried over | | text |
        loss_map | Loss map: file and SHA-256 | | text |
        programmes | Programmes and axles served | | text |
        mounts | Interface: mounts | | text |
        half_shaft | Interface: half-shaft | | text |
        coolant_connection | Interface: coolant | | text |
        high_voltage_connector | Interface: high-voltage connector | | text |
        torque_request | Interface: torque request | | text |
        safety_goal | Safety goal | | text |
        """
    ),
    "pack": _fields(
        """
        family | Family | | text |
        cell_format | Cell format | | text |
        chemistry | Chemistry | | text |
        module_size | Module size | | text |
        series_cells | Cells in series | | |
        parallel_cells | Cells in parallel | | |
        gross_energy_kwh | Energy, gross | kWh | |
        usable_energy_kwh | Energy, usable | kWh | |
        voltage_min_v | Voltage window, minimum | V | |
        voltage_nominal_v | Voltage, nominal | V | |
        voltage_max_v | Voltage window, maximum | V | |
        power_table | Power by temperature and state of charge: file and SHA-256 | | text |
        charge_curve | Charge curve: file and SHA-256 | | text |
        dc_charge_power_kw | DC charge power, largest | kW | |
        mass_kg | Mass | kg | |
        length_mm | Envelope, x | mm | |
        width_mm | Envelope, y | mm | |
        height_mm | Envelope, z | mm | |
        carried_over | What is carried over | | text |
        programmes | Programmes served | | text |
        mounts | Interface: mounts | | text |
        coolant_connection | Interface: coolant | | text |
        high_voltage_connector | Interface: high-voltage connector | | text |
        safety_goal | Safety goal | | text |
        """
    ),
}
_ORDERS: Final = (
    ("continuous_torque_nm", "peak_torque_nm"),
    ("continuous_power_kw", "peak_power_kw"),
    ("phase_current_continuous_a", "phase_current_peak_a"),
    ("voltage_min_v", "voltage_nominal_v"),
    ("voltage_nominal_v", "voltage_max_v"),
    ("usable_energy_kwh", "gross_energy_kwh"),
)


def clean(kind: str, given: Mapping[str, str]) -> dict[str, str]:
    """The fields of a proposal. Raises StudyError naming every field that cannot be right."""
    values: dict[str, str] = {}
    wrong: list[str] = []
    for field in FIELDS[kind]:
        text = given.get(field.name, "").strip()[:300]
        if field.kind == "number" and text and _number(text) is None:
            wrong.append(f"{field.title}: expected a number above 0{' in ' + field.unit if field.unit else ''}")
        if text:
            values[field.name] = text
    titles = {field.name: field.title for field in FIELDS[kind]}
    for small, large in _ORDERS:
        low, high = _number(values.get(small, "")), _number(values.get(large, ""))
        if low is not None and high is not None and low > high:
            wrong.append(f"{titles[small]} ({low:g}) is above {titles[large]} ({high:g})")
    if wrong:
        raise StudyError("; ".join(wrong))
    return values


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def create(connection: sqlite3.Connection, joint: str, title: str, kind: str) -> str:
    """An empty document of a module class; its id."""
    if kind not in FIELDS:
        raise StudyError(f"choose one of {', '.join(FIELDS)}")
    document = new_id()
    connection.execute(
        "INSERT INTO documents VALUES (?, ?, ?, ?)", (document, joint, title.strip()[:120] or kind, kind)
    )
    return document


def propose(
    connection: sqlite3.Connection,
    now: float,
    document: str,
    caller: Caller,
    base: int,
    given: Mapping[str, str],
    reason: str,
) -> int:
    """A new version on top of ``base``; raises StudyError where somebody was faster or nothing changed."""
    found = read(connection, document)
    if base != found["version"]:
        raise StudyError("somebody has proposed a newer version meanwhile; look at it and propose on top of it")
    values = clean(found["kind"], given)
    if values == found["fields"]:
        raise StudyError("nothing differs from the present version")
    connection.execute(
        "INSERT INTO drafts VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            document, base + 1, caller.company or "", caller.name, now,
            json.dumps(values, ensure_ascii=False, sort_keys=True), reason.strip()[:500],
        ),
    )  # fmt: skip
    return base + 1


def comment(
    connection: sqlite3.Connection, now: float, document: str, caller: Caller, version: int, field: str, text: str
) -> None:
    """A remark on a field (or the whole) of a version."""
    found = read(connection, document)
    if not text.strip():
        raise StudyError("the comment is empty")
    if not 1 <= version <= found["version"]:
        raise StudyError("there is no such version")
    if field and field not in {one.name for one in FIELDS[found["kind"]]}:
        raise StudyError("there is no such field")
    connection.execute(
        "INSERT INTO comments VALUES (?, ?, ?, ?, ?, ?, ?)",
        (document, version, field, caller.company or "room", caller.name, now, text.strip()[:1000]),
    )


def sign(connection: sqlite3.Connection, now: float, document: str, caller: Caller, version: int) -> None:
    """A member signs the newest version, once it is complete."""
    found = read(connection, document)
    if version != found["version"] or version == 0:
        raise StudyError("only the newest version can be signed; look at it first")
    missing = [one.title for one in FIELDS[found["kind"]] if one.required and one.name not in found["fields"]]
    if missing:
        raise StudyError(f"a family counts as designed when every field is filled in; missing: {', '.join(missing)}")
    connection.execute(
        "INSERT OR IGNORE INTO signatures VALUES (?, ?, ?, ?, ?)",
        (document, version, caller.company, caller.name, now),
    )


def read(connection: sqlite3.Connection, document: str) -> dict[str, Any]:
    """A document with its newest fields, what changed in each version, comments and signatures."""
    row = dict(connection.execute("SELECT * FROM documents WHERE document=?", (document,)).fetchone())
    drafts = [
        {**dict(draft), "fields": json.loads(draft["fields"])}
        for draft in connection.execute("SELECT * FROM drafts WHERE document=? ORDER BY version", (document,))
    ]
    for before, draft in zip([{}, *[one["fields"] for one in drafts]], drafts, strict=False):
        names = [one.name for one in FIELDS[row["kind"]]]
        draft["changes"] = [
            (name, before.get(name, ""), draft["fields"].get(name, ""))
            for name in names
            if before.get(name, "") != draft["fields"].get(name, "")
        ]
    members = [
        one["company"]
        for one in connection.execute("SELECT company FROM members WHERE joint=? ORDER BY company", (row["joint"],))
    ]
    version = drafts[-1]["version"] if drafts else 0
    signatures = [
        dict(one)
        for one in connection.execute(
            "SELECT * FROM signatures WHERE document=? AND version=? ORDER BY company", (document, version)
        )
    ]
    comments = [
        dict(one)
        for one in connection.execute("SELECT * FROM comments WHERE document=? ORDER BY at, rowid", (document,))
    ]
    return {
        **row,
        "drafts": drafts,
        "version": version,
        "fields": drafts[-1]["fields"] if drafts else {},
        "signatures": signatures,
        "signed": version > 0 and {one["company"] for one in signatures} == set(members),
        "comments": comments,
        "members": members,
    }


def as_workbook(found: Mapping[str, Any]) -> bytes:
    """The newest version with its history and signatures as an Excel workbook; texts stay texts."""
    import xlsxwriter

    packed = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(packed, options) as book:
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("specification")
        sheet.set_column(0, 0, 48)
        sheet.set_column(1, 2, 24)
        state = "signed by all" if found["signed"] else "draft"
        sheet.write_row(0, 0, [found["title"], f"version {found['version']}", state], bold)
        sheet.write_row(2, 0, ["Field", "Value", "Unit"], bold)
        for line, field in enumerate(FIELDS[found["kind"]], start=3):
            value = found["fields"].get(field.name, "")
            sheet.write_string(line, 0, field.title)
            number = _number(value) if field.kind == "number" else None
            if number is None:
                sheet.write_string(line, 1, value)
            else:
                sheet.write_number(line, 1, number)
            sheet.write_string(line, 2, field.unit)
        history = book.add_worksheet("history")
        history.set_column(0, 5, 22)
        history.write_row(0, 0, ["Version", "Company", "By", "Field", "Before", "After", "Reason"], bold)
        line = 1
        for draft in found["drafts"]:
            for name, before, after in draft["changes"]:
                cells = [str(draft["version"]), draft["company"], draft["by"], name, before, after, draft["reason"]]
                for column, text in enumerate(cells):
                    history.write_string(line, column, text)
                line += 1
        signed = book.add_worksheet("signatures")
        signed.write_row(0, 0, ["Company", "By", "Version"], bold)
        for line, one in enumerate(found["signatures"], start=1):
            for column, text in enumerate([one["company"], one["by"], str(one["version"])]):
                signed.write_string(line, column, text)
    return packed.getvalue()
