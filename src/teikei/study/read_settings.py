"""study.yaml, or the sheet ``study`` of a workbook, into Settings, with every problem at its line."""

from __future__ import annotations

import math
import types
import typing
from typing import Any, Final

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from teikei.study.types import Settings
from teikei.tables.cells import explain_number
from teikei.tables.columns import LIST_SEPARATOR, Column
from teikei.tables.messages import number_text, one_line, shorten, show, suggest
from teikei.tables.read_folder import Found
from teikei.tables.source import RawSettings

MOST_ALIASES: Final = 10
DEEPEST_NESTING: Final = 20


def parse_yaml(text: str, name: str, found: Found) -> RawSettings | None:
    """The keys of study.yaml with their lines; None, with a problem, where it is no YAML mapping."""
    try:
        if _is_too_involved(text, name, found):
            return None
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        found.error(*_explain_yaml_error(problem, name))
        return None
    except RecursionError:
        found.error(name, "the file is nested too deeply: study.yaml holds plain lines of the form key: value")
        return None
    if node is None:
        found.error(f"{name}:1", "the file is empty, expected lines of the form key: value, beginning with format: 1")
        return None
    if not isinstance(node, yaml.MappingNode):
        found.error(
            f"{name}:{node.start_mark.line + 1}", "expected lines of the form key: value, beginning with format: 1"
        )
        return None
    return _settings_of_node(node, name, found)


def _is_too_involved(text: str, name: str, found: Found) -> bool:
    aliases = depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        line = token.start_mark.line + 1
        aliases += isinstance(token, yaml.AliasToken)
        if aliases > MOST_ALIASES:
            found.error(f"{name}:{line}", f"found more than {MOST_ALIASES} references (*name): write the values out")
            return True
        opens = (
            yaml.BlockMappingStartToken,
            yaml.BlockSequenceStartToken,
            yaml.FlowMappingStartToken,
            yaml.FlowSequenceStartToken,
        )
        closes = yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken
        depth += isinstance(token, opens) - isinstance(token, closes)
        if depth > DEEPEST_NESTING:
            found.error(
                f"{name}:{line}", "the file is nested too deeply: study.yaml holds plain lines of the form key: value"
            )
            return True
    return False


def _settings_of_node(node: yaml.MappingNode, name: str, found: Found) -> RawSettings:
    constructor = yaml.SafeLoader("")
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
        place = f"{name}:{line}:{one_line(shorten(key))}"
        if key in values:
            found.error(place, f"the key stands twice, first in line {places[key].split(':')[1]}: keep one of the two")
            continue
        places[key] = place
        try:
            values[key] = constructor.construct_object(value_node, deep=True)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as problem:
            values[key] = None
            reason = getattr(problem, "problem", None) or str(problem)
            found.error(
                place,
                f"the value cannot be read ({one_line(shorten(str(reason), 120))}): write a plain value after "
                "the colon",
            )
    return RawSettings(values, places, name)


def _explain_yaml_error(problem: yaml.YAMLError, name: str) -> tuple[str, str]:
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    reason = getattr(problem, "problem", None) or getattr(problem, "reason", None) or "unreadable text"
    line = mark.line + 1 if mark is not None else 1
    column = f", at character {mark.column + 1} of the line" if mark is not None else ""
    message = (
        f"not readable as YAML ({one_line(shorten(str(reason), 120))}{column}): expected lines of the form key: value"
    )
    if "\\t" in str(reason):
        message += "; indent with blanks instead of tabs"
    return f"{name}:{line}", message


def read_settings(raw: RawSettings, found: Found) -> Settings | None:
    """Checked settings, or None with one problem for each bad key, unknown key and missing key."""
    fields = Settings.model_fields
    problems_before = len(found.problems)
    values = {}
    for key, value in raw.values.items():
        if key not in fields:
            found.error(raw.places[key], f"teikei knows no setting {show(key)}{suggest(key, fields)}")
        elif value is None and not fields[key].is_required():
            continue  # an empty value takes the default
        elif message := _explain_setting(key, value, fields[key]):
            found.error(raw.places[key], message)
        else:
            values[key] = _plain_value(key, value)
    for key, field in fields.items():
        if field.is_required() and key not in raw.values:
            found.error(
                f"{raw.file}:1:{key}" if "!" not in raw.file else raw.file,
                f"the setting {key} is missing, expected {expected_setting(field)}: add the line {key}: …",
            )
    try:
        settings = Settings(**values)
    except ValidationError as invalid:
        if len(found.problems) == problems_before:
            for detail in invalid.errors(include_url=False):
                _report_invalid(detail, raw, found)
        return None
    return settings if len(found.problems) == problems_before else None


def _report_invalid(detail: Any, raw: RawSettings, found: Found) -> None:
    key = str(detail["loc"][0]) if detail["loc"] else ""
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not key:
        key = next((name for name in raw.values if message.startswith(f"{name} ")), "")
    field = Settings.model_fields.get(key)
    if detail["loc"] and field is not None:
        message = f"found {show(detail['input'])}, expected {expected_setting(field)}"
    found.error(raw.places.get(key, raw.file), message)


def _plain_value(key: str, value: Any) -> Any:
    if key == "format":
        return 1
    if key == "nre_profile" and isinstance(value, str):
        return [float(part) for part in value.split(LIST_SEPARATOR) if part.strip()]
    if isinstance(value, float) and value.is_integer() and _is(Settings.model_fields[key], int):
        return int(value)
    return value


def _explain_setting(key: str, value: Any, field: FieldInfo) -> str:
    """What is wrong with one value by itself; empty where nothing is."""
    wanted = f"expected {expected_setting(field)}"
    if value is None:
        return f"the value is empty, {wanted}: fill it in"
    if key == "format":
        return _explain_format(value)
    if key == "nre_profile":
        return _explain_profile(value, wanted)
    is_number = _is(field, int) or _is(field, float)
    if is_number and isinstance(value, bool):
        return f"found {show(value)}, {wanted}"
    if is_number and isinstance(value, str):
        try:
            number = float(value) if value.isascii() and "_" not in value else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            return explain_number(_as_column(key, field), value)
    if is_number and isinstance(value, float) and not math.isfinite(value):
        return f"found {value}, {wanted}"
    if not is_number and not isinstance(value, str):
        return f'found {show(value)}, {wanted}: write it in quotes, {key}: "…"'
    try:
        Settings.__pydantic_validator__.validate_assignment(
            Settings.model_construct(**_SOUND), key, _plain_value(key, value)
        )
    except ValidationError as invalid:
        if any(detail["loc"] for detail in invalid.errors()):
            text = f"found {show(value)}, {wanted}"
            choices = _choices(field)
            return text + (
                suggest(str(value), choices) if choices and "did you mean" in suggest(str(value), choices) else ""
            )
    return ""


def _explain_format(value: Any) -> str:
    if not isinstance(value, bool) and value == 1:
        return ""
    newer = isinstance(value, int | float) and not isinstance(value, bool) and value > 1
    hint = " is newer than this version of teikei: update teikei, or" if newer else ","
    return f"found format {show(value)}{hint} expected format: 1"


def _explain_profile(value: Any, wanted: str) -> str:
    parts = value.split(LIST_SEPARATOR) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts:
        return f"found {show(value)}, {wanted}"
    for part in parts:
        try:
            number = math.nan if isinstance(part, bool) else float(part)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number <= 1:
            return f"found {show(part)} in the list, {wanted}"
    return ""


_SOUND: Final[dict[str, Any]] = {
    "format": 1,
    "name": "x",
    "price_year": 2000,
    "base_year": 1990,
    "first_year": 1990,
    "last_year": 2100,
}


def _is(field: FieldInfo, kind: type) -> bool:
    return field.annotation is kind


def _as_column(key: str, field: FieldInfo) -> Column:
    kind = "integer" if _is(field, int) else "number"
    low, high = _bounds(field)
    return Column("study", key, kind, "", False, "", low, high, "public", False, (), "", "")


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for item in field.metadata:
        low = getattr(item, "ge", getattr(item, "gt", low))
        high = getattr(item, "le", getattr(item, "lt", high))
    return low, high


def _choices(field: FieldInfo) -> list[str]:
    if typing.get_origin(field.annotation) is typing.Literal:
        return [str(choice) for choice in typing.get_args(field.annotation)]
    return []


def expected_setting(field: FieldInfo) -> str:
    """What a setting should hold, in words."""
    if choices := _choices(field):
        return " or ".join(choices)
    if isinstance(field.annotation, types.GenericAlias):
        return "a list of shares that adds up to 1, such as [0.1, 0.3, 0.4, 0.2]"
    if any(getattr(item, "pattern", None) for item in field.metadata):
        return "three capital letters such as JPY"
    if not (_is(field, int) or _is(field, float)):
        return "text"
    words = "a whole number" if _is(field, int) else "a number"
    low, high = _bounds(field)
    if low is not None and high is not None:
        return f"{words} from {number_text(low)} to {number_text(high)}"
    if low is not None:
        above = any(getattr(item, "gt", None) is not None for item in field.metadata)
        return f"{words} {'above' if above else 'of at least'} {number_text(low)}"
    return words
