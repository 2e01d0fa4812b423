"""Reports for tests: made of a few counts, and read back from the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from regionfast.logs.report import ReportData

START = datetime(2026, 6, 1, tzinfo=UTC)
STATUS = {"unknown": 40, "private": 7, "invalid": 3}
REGIONS = {"US": 500, "CN": 300, "HK": 20, "MO": 1, "TW": 12, "SG": 5, "XK": 2, "AN": 4}


def data(
    regions: Mapping[str, int] | None = None,
    status: Mapping[str, int] | None = None,
    *,
    series: Sequence[tuple[datetime | None, Mapping[str, int]]] | None = None,
    **given: Any,
) -> ReportData:
    """Counts that add up. Without a series, one hour has all rows."""
    regions = REGIONS if regions is None else regions
    others = STATUS if status is None else status
    counts = {name: rows for name, rows in {**regions, **others}.items() if rows}
    rows = sum(counts.values())
    if series is None:
        series = [(START, counts)] if counts else []
    defaults: dict[str, Any] = {
        "title": "Where they come from",
        "lines": rows + 9 + 2,
        "rows": rows,
        "unparsed": 9,
        "skipped": 2,
        "status": {"located": sum(regions.values()), **others},
        "regions": regions,
        "series": series,
        "bucket": "hour",
        "first": START if rows else None,
        "last": START + timedelta(minutes=59) if rows else None,
        "database": "country.rft",
        "kind": "country",
        "built_at": datetime(2026, 6, 17, tzinfo=UTC),
        "digest": "ab" * 32,
        "attribution": "Its maker, CC BY 4.0",
        "command": "regionfast classify access.log --report page.html",
        "files": ["access.log"],
        "formats": ["combined"],
        "generated_at": datetime(2026, 7, 1, tzinfo=UTC),
        "version": "0.5.0",
    }
    return ReportData(**{**defaults, **given})


def spread(regions: Mapping[str, int], hours: int) -> list[tuple[datetime | None, dict[str, int]]]:
    """Rows by region laid evenly over hours, what is left over in the first of them."""
    found: list[tuple[datetime | None, dict[str, int]]] = []
    for hour in range(hours):
        counts = {name: rows // hours + (rows % hours) * (not hour) for name, rows in regions.items()}
        found.append((START + timedelta(hours=hour), {name: rows for name, rows in counts.items() if rows}))
    return found


class Page(HTMLParser):
    """What a page says, without its style and script."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, dict[str, list[tuple[str, list[int]]]]] = {}
        """By id and part (`tbody`, `tfoot`): the text of the first cell of each row and all numbers of the row."""
        self.shapes: dict[str, tuple[str, set[str]]] = {}
        """By code of the map: its title, and the classes that it is drawn with."""
        self.words = ""
        self._open: list[str] = []
        self._table = self._part = self._code = ""
        self._first: str | None = None
        self._depth = 0
        self.feed(page)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "table":
            self._table = given["id"]
            self.tables[self._table] = {"tbody": [], "tfoot": []}
        if tag in {"tbody", "tfoot", "thead"}:
            self._part = tag
        if tag == "tr" and self._part != "thead":
            self.tables[self._table][self._part].append(("", []))
            self._first = ""
        if "data-n" in given and self._part != "thead":
            self.tables[self._table][self._part][-1][1].append(int(given["data-n"]))
        if tag in {"path", "g"} and "map" in self._within():
            if "data-c" in given:
                self._code = given["data-c"]
                self.shapes.setdefault(self._code, ("", set()))
            if self._code:
                self.shapes[self._code][1].update(given.get("class", "").split())

    def _within(self) -> set[str]:
        return {"map"} if any(tag == "svg" and given.get("id") == "map" for tag, given in self.tags) else set()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag
        if tag in {"th", "td"} and self._first is not None:
            rows = self.tables[self._table][self._part]
            rows[-1] = (self._first.strip(), rows[-1][1])
            self._first = None
        if tag == "table":
            self._part = ""

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"style", "script"}:
            return
        self.words += data
        if self._first is not None:
            self._first += data
        if self._open[-1:] == ["title"] and self._code and not self.shapes[self._code][0]:
            self.shapes[self._code] = (data, self.shapes[self._code][1])

    def numbers(self, table: str, part: str = "tbody") -> dict[str, int]:
        """The first number of each row of a table, by its first cell."""
        return {name: numbers[0] for name, numbers in self.tables[table][part] if numbers}
