"""Reading a report page in tests: strict enough that an unclosed element or a loaded address shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input"}
LOADING = {"src", "srcset", "data", "poster", "background", "action", "formaction"}


@dataclass
class Table:
    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)
    values: list[list[str | None]] = field(default_factory=list)


class Page(HTMLParser):
    """Elements in order, ids, texts of tables, script bodies; ``problems`` collects what is not well formed."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.tables: list[Table] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self._cell: list[str] | None = None
        self._value: str | None = None
        self._caption = False
        self.feed(text)
        self.close()
        if self._open:
            self.problems.append(f"not closed: {self._open}")

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.attributes.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if attributes.get("id"):
            self.ids.append(attributes["id"])
        self.handlers += [name for name in attributes if name.startswith("on")]
        self.loads += [f"{tag} {name}={attributes[name]}" for name in LOADING & set(attributes) if tag != "script"]
        if tag in ("link", "iframe", "object", "embed", "base", "img") or (tag == "script" and "src" in attributes):
            self.loads.append(f"{tag} {attributes}")
        if tag == "a" and not str(attributes.get("href", "")).startswith("#"):
            self.loads.append(f"a {attributes}")
        if tag == "script":
            self.scripts.append((attributes, ""))
        if tag == "table":
            self.tables.append(Table())
        if tag == "tr":
            self.tables[-1].rows.append([])
            self.tables[-1].values.append([])
        if tag in ("td", "th"):
            self._cell, self._value = [], None
        if tag == "data":
            self._value = attributes.get("value")
        self._caption = self._caption or tag == "caption"

    def handle_endtag(self, tag):
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self._open[-1:] or 'nothing'} at {self.getpos()}")
            return
        self._open.pop()
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1].rows[-1].append(" ".join("".join(self._cell).split()))
            self.tables[-1].values[-1].append(self._value)
            self._cell = None
        if tag == "caption":
            self._caption = False

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            attributes, body = self.scripts[-1]
            self.scripts[-1] = (attributes, body + data)
            return
        if self._open and self._open[-1] == "style":
            return
        self.text.append(data)
        if self._caption:
            self.tables[-1].caption += data
        if self._cell is not None:
            self._cell.append(data)

    def table(self, caption: str) -> Table:
        return next(table for table in self.tables if table.caption.startswith(caption))

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())
