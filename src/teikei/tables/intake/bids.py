"""A buyer's own bid comparison as the tables of a tender: suppliers in columns or rows, years, rebates, rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from teikei.tables.intake.amounts import INCLUDED, NO_BID, Amount, currency_in, plain
from teikei.tables.intake.asking import Reader
from teikei.tables.intake.grid import Grid
from teikei.tables.intake.words import concept_of, is_total, year_in
from teikei.tables.messages import plain_word, show

DEEPEST_HEADER: Final = 40
_KEPT: Final = (
    "item",
    "description",
    "lot",
    "supplier",
    "quantity",
    "unit_price",
    "currency",
    "max_quantity",
    "tooling",
    "year",
)

Rows = list[list[Any]]


@dataclass(frozen=True)
class BidColumn:
    """One column of a bid sheet: what it holds, for which supplier and year, in which currency."""

    index: int
    read_as: str
    supplier: str = ""
    currency: str = ""
    year: int | None = None


@dataclass
class Tender:
    """What was read: quantity by item and year, price by supplier, item and year; amounts in study money."""

    quantity: dict[tuple[str, int], float] = field(default_factory=dict)
    price: dict[tuple[str, str, int], float] = field(default_factory=dict)
    as_bid: dict[tuple[str, str, int], tuple[float, str]] = field(default_factory=dict)
    most: dict[tuple[str, str, int], float] = field(default_factory=dict)
    tooling: dict[tuple[str, str], float] = field(default_factory=dict)
    tiers: list[list[Any]] = field(default_factory=list)
    currency_of: dict[str, str] = field(default_factory=dict)
    suppliers: list[str] = field(default_factory=list)
    words: dict[str, tuple[str, str]] = field(default_factory=dict)  # item -> lot, description


def read_bids(grids: list[Grid], reader: Reader) -> dict[str, Rows]:
    """The tables of a tender (header first) from a buyer's sheets; what is not clear is asked through ``reader``."""
    tender = Tender()
    for grid in grids:
        _read_rates(grid, reader)
    found = [(grid, header) for grid in grids if (header := _header_row(grid, reader)) is not None]
    currencies: set[str] = set()
    sheets = []
    for grid, header in found:
        columns = _columns(grid, header, reader)
        currencies |= {column.currency for column in columns if column.currency}
        sheets.append((grid, header, columns))
    if not sheets:
        for grid in grids[:1]:
            reader.ask_for(
                f"sheets: {{{grid.title}: {{header_row: 3}}}}", grid,
                "no row with the headers of an item and of prices (or suppliers) was found",
            )  # fmt: skip
        return {}
    if not reader.map.currency and len(currencies) == 1:
        reader.map.currency = next(iter(currencies))
    for grid, header, columns in sheets:
        _read_sheet(grid, header, columns, tender, reader)
    for grid in grids:
        _read_rebates(grid, tender, reader)
    return _tables(tender, {**reader.map.rates, reader.map.currency: 1.0})


def _header_row(grid: Grid, reader: Reader) -> int | None:
    given = reader.map.sheets.get(grid.title, {})
    if given.get("read_as", "bids") != "bids":
        return None
    if isinstance(given.get("header_row"), int):
        return int(given["header_row"])
    best, best_count = None, 1
    for row in grid.rows[:DEEPEST_HEADER]:
        concepts = {concept_of(plain(grid.at(row, column))) for column in range(grid.width)} - {""}
        has_item = bool(concepts & {"item", "description"})
        if has_item and len(concepts) > best_count and "discount" not in concepts:
            best, best_count = row, len(concepts)
    return best


def _group_row(grid: Grid, header: int, reader: Reader) -> int | None:
    """The row above the header that names groups of columns; a title, alone in its row, is none."""
    given = reader.map.sheets.get(grid.title, {}).get("group_row")
    if isinstance(given, int):
        return given
    above = [row for row in grid.rows if header - 2 <= row < header]
    for row in reversed(above):
        if len([1 for (at, _) in grid.cells if at == row]) > 1:
            return row
    return None


def _columns(grid: Grid, header: int, reader: Reader) -> list[BidColumn]:
    """Every column with what it holds, by the map where it says so; the map then holds what was found."""
    group = _group_row(grid, header, reader)
    reader.map.sheets.setdefault(grid.title, {}).update(
        {"read_as": "bids", "header_row": header, **({"group_row": group} if group else {})}
    )
    texts = [plain(grid.at(header, column)) for column in range(grid.width)]
    groups = _groups(grid, group)
    concepts = [concept_of(text) for text in texts]
    has_prices = "unit_price" in concepts
    is_long = "supplier" in concepts
    columns = []
    for index, text in enumerate(texts):
        head = groups[index]
        supplier, currency = _supplier_of(head)
        year = year_in(text) or year_in(head)
        read_as = concepts[index]
        if read_as in ("minimum_per_order", "lead_time", "total", "note", "plant", "rate", "from", "discount", "scope"):
            read_as = ""
        if read_as == "year" and year_in(text) is not None:
            read_as = ""  # a header that is a year, not a column of years
        if not read_as and text and not is_long:
            is_year = year_in(text) is not None and not text.strip("0123456789年度FYfy ./")
            if is_year and supplier and not has_prices:
                read_as = "unit_price"  # years under a supplier
            elif not supplier and not is_year and not has_prices and _holds_amounts(grid, header, index):
                read_as, (supplier, currency) = "unit_price", _supplier_of(str(grid.at(header, index)))
        if read_as == "unit_price" and not supplier and not is_long:
            words = [word for word in text.replace("/", " ").split() if not concept_of(word) and year_in(word) is None]
            supplier = _supplier_of(" ".join(words))[0]
        per_supplier = read_as in ("unit_price", "tooling", "max_quantity")
        currency = currency or currency_in(text)
        given = reader.settings(grid, index)
        read_as = str(given.get("read_as", read_as or ("not used" if text else "")))
        if not read_as:
            continue
        column = BidColumn(
            index, read_as, str(given.get("supplier", supplier if per_supplier else "")),
            str(given.get("currency", currency if per_supplier else "")), given.get("year", year),
        )  # fmt: skip
        columns.append(column)
        said = {
            "header": text,
            "read_as": column.read_as,
            "supplier": column.supplier,
            "currency": column.currency,
            "year": column.year,
        }
        key = reader.column_key(grid, index)
        reader.map.columns[key] = {**{k: v for k, v in said.items() if v not in ("", None)}, **given}
    read = [column for column in columns if column.read_as in _KEPT]
    grid.use(header, [column.index for column in read])
    if group is not None:
        _use_groups(grid, group, read)
    return read


def _groups(grid: Grid, group: int | None) -> list[str]:
    """The text above each column: of a merged range, or of the last filled cell to the left where nothing is merged."""
    if group is None:
        return [""] * grid.width
    texts, last = [], ""
    is_merged = any(row == group for row, _ in grid.merged)
    for column in range(grid.width):
        text = str(grid.at(group, column)).strip()
        last = text if text or is_merged else last
        texts.append(last)
    return texts


def _use_groups(grid: Grid, group: int, read: list[BidColumn]) -> None:
    """The names of groups are read; what else stands with them (terms of delivery) is told as not used."""
    for column in read:
        if column.supplier:
            grid.use(group, [column.index])
    for (row, index), text in list(grid.cells.items()):
        if row == group and (row, index) not in grid.used and concept_of(plain(text)):
            grid.use(row, [index])


def _supplier_of(text: str) -> tuple[str, str]:
    """(supplier, currency) of the head of a group such as ``Bosch GmbH [EUR] FCA Stuttgart``."""
    first = text.split("\n", maxsplit=1)[0].split("[", maxsplit=1)[0]
    name = plain(first)
    if concept_of(name) or year_in(name) is not None:
        name = ""
    return name, currency_in(text)


def _holds_amounts(grid: Grid, header: int, column: int) -> bool:
    rows = [row for row in grid.rows if row > header and grid.at(row, column) != ""][:50]
    fits = [row for row in rows if _is_amount_like(grid.at(row, column))]
    return bool(rows) and len(fits) >= 0.6 * len(rows)


def _is_amount_like(cell: Any) -> bool:
    text = plain(cell)
    return text.casefold() in NO_BID or sum(character.isdigit() for character in text) >= 0.4 * len(text) > 0


def _read_sheet(grid: Grid, header: int, columns: list[BidColumn], tender: Tender, reader: Reader) -> None:
    by_kind: dict[str, list[BidColumn]] = {}
    for column in columns:
        by_kind.setdefault(column.read_as, []).append(column)
    name_columns = by_kind.get("item") or by_kind.get("description") or []
    if not name_columns:
        reader.ask_for("columns: {…: {read_as: item}}", grid, "no column holds the items")
        return
    item_column = name_columns[0].index
    values = [column.index for kind in ("quantity", "unit_price") for column in by_kind.get(kind, [])]
    years = {column.year for column in columns if column.year is not None}
    heads = [c for c in by_kind.get("unit_price", []) if c.supplier]
    for column in heads:
        if column.supplier not in tender.suppliers:
            tender.suppliers.append(column.supplier)
        if column.currency:
            tender.currency_of.setdefault(column.supplier, column.currency)
    for row in [row for row in grid.rows if row > header]:
        item = plain(grid.at(row, item_column))
        concepts = {concept_of(plain(grid.at(row, column))) for column in range(grid.width)} - {""}
        if len(concepts) >= 2 and not any(
            _is_amount_like(grid.at(row, column)) for column in values if grid.at(row, column) != ""
        ):
            break  # the header of another table
        filled = [column for column in values if grid.at(row, column) != ""]
        if not item or is_total(item) or not filled:
            continue
        grid.use(row, [item_column])
        _read_row(grid, row, item, by_kind, years, tender, reader)
        for kind, position in (("lot", 0), ("description", 1)):
            for column in by_kind.get(kind, [])[:1]:
                text = plain(grid.at(row, column.index))
                words = list(tender.words.get(item, ("", "")))
                words[position] = words[position] or text
                tender.words[item] = (words[0], words[1])
                if kind == "lot" or column.index == item_column:
                    grid.use(row, [column.index])


def _read_row(
    grid: Grid,
    row: int,
    item: str,
    by_kind: dict[str, list[BidColumn]],
    years: set[int],
    tender: Tender,
    reader: Reader,
) -> None:
    row_years = [y for column in by_kind.get("year", []) if (y := _year_at(grid, row, column, reader)) is not None]
    all_years = row_years or sorted(years)
    if not all_years and reader.map.year is not None:
        all_years = [reader.map.year]
    if not all_years:
        if not any("no column names a year" in problem.message for problem in reader.problems):
            reader.ask_for("year: 2028", grid, "no column names a year")
        return
    for column in by_kind.get("quantity", []):
        value = _number(grid, row, column.index, reader)
        if value is None:
            continue
        for year in [column.year] if column.year is not None else all_years:
            key = (item, int(year))
            if tender.quantity.setdefault(key, value) != value:
                reader.ask(
                    grid,
                    row,
                    column.index,
                    f"{show(item)} in {year} has another quantity above: {tender.quantity[key]:g}",
                )
    named = ""
    for column in by_kind.get("supplier", []):
        named = plain(grid.at(row, column.index))
        grid.use(row, [column.index])
        if named and named not in tender.suppliers:
            tender.suppliers.append(named)
    row_currency = ""
    for column in by_kind.get("currency", []):
        row_currency = plain(grid.at(row, column.index)).upper()
        row_currency = currency_in(row_currency) or row_currency
        grid.use(row, [column.index])
    for column in by_kind.get("unit_price", []):
        supplier = column.supplier or named
        if not supplier:
            if grid.at(row, column.index) != "":
                reader.ask(grid, row, column.index, "the price has no supplier: name it in the map, columns: supplier")
            continue
        read = _price(grid, row, column, row_currency, reader)
        if read is None:
            continue
        value, as_bid, currency = read
        tender.currency_of.setdefault(supplier, currency)
        for year in [column.year] if column.year is not None else all_years:
            key3 = (supplier, item, int(year))
            if key3 in tender.price:
                reader.ask(
                    grid,
                    row,
                    column.index,
                    f"{supplier} offers {show(item)} in {year} twice: keep one (answer: no bid)",
                )
            tender.price[key3], tender.as_bid[key3] = value, (as_bid, currency)
    for column in by_kind.get("max_quantity", []):
        most = _number(grid, row, column.index, reader)
        for year in ([column.year] if column.year is not None else all_years) if most is not None else []:
            tender.most[column.supplier or named, item, int(year)] = float(most or 0.0)
    for column in by_kind.get("tooling", []):
        text = plain(grid.at(row, column.index))
        if text.casefold() in INCLUDED or text.casefold() in NO_BID:
            grid.use(row, [column.index])
            continue
        amount = reader.amount(grid, row, column.index)
        if amount.value is not None or "does not guess" in amount.question:
            money = _money(grid, row, column, amount, row_currency, reader)
            if money is not None:
                tender.tooling[column.supplier or named, item] = money[0]


def _year_at(grid: Grid, row: int, column: BidColumn, reader: Reader) -> int | None:
    text = plain(grid.at(row, column.index))
    year = year_in(text)
    if year is None and text:
        reader.ask(grid, row, column.index, f"found {show(text)}, expected a year such as 2028")
    grid.use(row, [column.index])
    return year


def _number(grid: Grid, row: int, column: int, reader: Reader) -> float | None:
    """A quantity; None where the cell is empty or asked for."""
    text = plain(grid.at(row, column))
    if text.casefold() in NO_BID:
        grid.use(row, [column])
        return None
    amount = reader.amount(grid, row, column)
    if amount.value is None or amount.value < 0 or amount.currency or amount.unit not in ("", "pieces"):
        reader.ask(grid, row, column, amount.question or f"found {show(text)}, expected a quantity in pieces")
        return None
    grid.use(row, [column])
    return amount.value


def _price(
    grid: Grid, row: int, column: BidColumn, row_currency: str, reader: Reader
) -> tuple[float, float, str] | None:
    text = plain(grid.at(row, column.index))
    if text.casefold() in NO_BID:
        grid.use(row, [column.index])
        return None
    amount = reader.amount(grid, row, column.index)
    if amount.value is not None and (amount.value <= 0 or amount.unit not in ("", "pieces")):
        reader.ask(
            grid, row, column.index, f"found {show(text)}, expected a price above 0 (answer: no bid, or the price)"
        )
        return None
    return _money(grid, row, column, amount, row_currency, reader)


def _money(
    grid: Grid, row: int, column: BidColumn, amount: Amount, row_currency: str, reader: Reader
) -> tuple[float, float, str] | None:
    """(in study money, as written, currency) of an amount; None where it is asked for."""
    if amount.value is None:
        reader.ask(grid, row, column.index, amount.question)
        return None
    expected = row_currency or column.currency
    written = amount.currency
    if written == "JPY" and expected == "CNY" and "¥" in plain(grid.at(row, column.index)):
        written = "CNY"
    if written and expected and written != expected:
        reader.ask(grid, row, column.index, f"the cell says {written}, the column or row {expected}: which is it?")
        return None
    grid.use(row, [column.index])
    currency = written or expected
    rate = _rate(currency, grid, reader)
    if rate is None:
        return None
    return (amount.value if rate == 1 else float(f"{amount.value * rate:.15g}")), amount.value, currency


def _rate(currency: str, grid: Grid, reader: Reader) -> float | None:
    base = reader.map.currency
    if not currency or currency == base:
        return 1.0
    if not base:
        reader.map.currency = currency
        return 1.0
    if currency in reader.map.rates:
        return reader.map.rates[currency]
    if not any(f"no rate of {currency}" in problem.message for problem in reader.problems):
        reader.ask_for(f"rates: {{{currency}: …}}", grid, f"no rate of {currency} to {base} was found")
    return None


def _read_rates(grid: Grid, reader: Reader) -> None:
    """Rows such as ``EUR | JPY | 163.2``: what one unit of the first is worth in the second."""
    rows = []
    for row in grid.rows:
        cells = [(column, plain(grid.at(row, column))) for column in range(grid.width) if grid.at(row, column) != ""]
        codes = [(column, currency_in(text)) for column, text in cells if len(text) <= 4 and currency_in(text)]
        numbers = [column for column, text in cells if column not in dict(codes) and _is_amount_like(text)]
        if len(codes) == 2 and len(numbers) == 1 and len(cells) == 3:
            rows.append((row, codes, numbers[0]))
    bases = {codes[1][1] for _, codes, _ in rows}
    if not rows or (not reader.map.currency and len(bases) != 1):
        return
    reader.map.currency = reader.map.currency or next(iter(bases))
    for row, codes, column in rows:
        amount = reader.amount(grid, row, column)
        if codes[1][1] != reader.map.currency:
            continue
        if amount.value is None or amount.value <= 0:
            reader.ask(grid, row, column, amount.question or "a rate is above 0")
            continue
        reader.map.rates.setdefault(codes[0][1], amount.value)
        grid.use(row, [column, *(at for at, _ in codes)])


def _read_rebates(grid: Grid, tender: Tender, reader: Reader) -> None:
    for header in grid.rows[:DEEPEST_HEADER]:
        concepts = {concept_of(plain(grid.at(header, column))): column for column in reversed(range(grid.width))}
        if {"supplier", "discount", "from"} <= set(concepts) and (header, concepts["discount"]) not in grid.used:
            break
    else:
        return
    reader.map.sheets.setdefault(grid.title, {}).update({"read_as": "rebates", "header_row": header})
    grid.use(header, [concepts[name] for name in ("supplier", "from", "discount", "scope") if name in concepts])
    threshold_head = plain(grid.at(header, concepts["from"])).casefold()
    is_spend = any(word in threshold_head for word in ("turnover", "spend", "umsatz", "revenue", "金額", "売上"))
    head_currency = currency_in(threshold_head.upper())
    for row in [row for row in grid.rows if row > header]:
        named = plain(grid.at(row, concepts["supplier"]))
        if not named or is_total(named) or grid.at(row, concepts["discount"]) == "":
            continue
        supplier = matching(named, tender.suppliers)
        if supplier is None:
            reader.ask(
                grid,
                row,
                concepts["supplier"],
                f"{show(named)} is none of the suppliers: {', '.join(tender.suppliers)}",
            )
            continue
        discount = reader.amount(grid, row, concepts["discount"])
        if discount.value is None or not 0 < discount.value < 1:
            question = (
                discount.question
                or f"found {show(plain(grid.at(row, concepts['discount'])))}, expected such as 2 % or 0.02"
            )
            reader.ask(grid, row, concepts["discount"], question)
            continue
        start = _threshold(
            grid, row, concepts["from"], is_spend, head_currency, tender.currency_of.get(supplier, ""), reader
        )
        items = _scope_items(grid, row, concepts.get("scope"), tender, reader)
        if start is None or items is None:
            continue
        grid.use(row, [concepts[name] for name in ("supplier", "from", "discount", "scope") if name in concepts])
        for year in sorted({year for _, year in tender.quantity}):
            tender.tiers.append([supplier, year, start[0], discount.value, items, start[1]])


def _threshold(
    grid: Grid, row: int, column: int, is_spend: bool, head_currency: str, own_currency: str, reader: Reader
) -> tuple[float, str] | None:
    amount = reader.amount(grid, row, column)
    if amount.value is None or amount.unit not in ("", "pieces"):
        reader.ask(
            grid,
            row,
            column,
            amount.question or f"found {show(plain(grid.at(row, column)))}, expected a turnover or pieces",
        )
        return None
    if amount.unit == "pieces" or not (is_spend or amount.currency):
        return amount.value, "quantity"
    if not amount.currency and head_currency and own_currency and head_currency != own_currency:
        text = (
            f"the header says {head_currency}, the supplier bids in {own_currency}: write the currency beside it, "
            f"such as {amount.value:.10g} {own_currency}"
        )
        reader.ask(grid, row, column, text)
        return None
    rate = _rate(amount.currency or head_currency or own_currency, grid, reader)
    return None if rate is None else (amount.value * rate, "spend")


def _scope_items(grid: Grid, row: int, column: int | None, tender: Tender, reader: Reader) -> str | None:
    """Items of a rebate's scope joined by ``;``, empty for all; None where it is asked for."""
    text = "" if column is None else plain(grid.at(row, column))
    low = text.casefold()
    if low in ("", "*", "all", "all lots", "all items", "alle", "alle lose", "全て", "すべて", "全品", "全ロット"):
        return ""
    lots = {lot for lot, _ in tender.words.values() if lot}
    named = [lot for lot in lots if f" {lot.casefold()} " in f" {low.replace('ロット', 'lot ')} "]
    if named and any(word in low for word in ("lot", "los", "ロット")):
        items = [item for item, (lot, _) in tender.words.items() if lot in named]
    else:
        items = [
            item
            for item, (_, description) in tender.words.items()
            if plain_word(text) == plain_word(item)
            or low in description.casefold().split()
            or low == description.casefold()
        ]
    if not items and column is not None:
        reader.ask(
            grid,
            row,
            column,
            f"the scope {show(text)} names no lot and no item (answer: all, or the name of a lot or item)",
        )
        return None
    return ";".join(f'"{item}"' if ";" in item else item for item in items)


def matching(named: str, known: list[str]) -> str | None:
    """The one known name that a shorter one means, such as Bosch for Bosch GmbH; None for none or several."""
    folded: Callable[[str], str] = plain_word
    exact = [name for name in known if folded(name) == folded(named)]
    near = exact or [
        name for name in known if folded(name).startswith(folded(named)) or folded(named).startswith(folded(name))
    ]
    return near[0] if len(near) == 1 else None


def _tables(tender: Tender, rates: Mapping[str, float]) -> dict[str, Rows]:
    tables: dict[str, Rows] = {
        "items": [
            ["item", "year", "quantity"],
            *([item, year, value] for (item, year), value in tender.quantity.items()),
        ],
        "suppliers": [["supplier", "activation_cost"], *([name, 0] for name in tender.suppliers)],
    }
    used = {currency for _, currency in tender.as_bid.values() if currency}
    tables["offers"] = [["supplier", "item", "year", "unit_price", "max_quantity", *(["currency"] if used else [])]]
    for key, (price, currency) in tender.as_bid.items():
        tables["offers"].append([*key, price, tender.most.get(key, ""), *([currency] if used else [])])
    if used:
        tables["currencies"] = [["currency", "rate"], *([name, rates.get(name, 1)] for name in sorted(used))]
    if tender.tiers:
        tables["tiers"] = [["supplier", "year", "from_quantity", "discount", "item", "basis"], *tender.tiers]
    if tender.tooling:
        rows = [[supplier, item, "tooling", value] for (supplier, item), value in tender.tooling.items()]
        tables["adders"] = [["supplier", "item", "kind", "value"], *rows]
    return tables
