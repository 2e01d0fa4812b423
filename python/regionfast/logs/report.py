"""The report: what was counted in logs, as one page of HTML that can be sent.

The page is whole in itself: no network, no image, no font is loaded, and its Content-Security-Policy forbids it. It
is readable without its script, which sorts, filters and points. All charts are plain SVG that is made here. It shows
counts and nothing of a row; what free text there is (names of files, of a database, the command) is escaped, and
addresses in it are replaced.
"""

from __future__ import annotations

import base64
import hashlib
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from html import escape
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, NamedTuple

from regionfast.logs import periods
from regionfast.logs.counts import STATUSES, ordered
from regionfast.logs.disclosed import is_safe, pooled
from regionfast.logs.worldmap import WorldMap, worldmap
from regionfast.regions import name as region_name

LOCATED: Final = "located"
MEANINGS: Final = {
    "located": "the table places the address in a region",
    "unknown": "a public address that the table does not place",
    "private": "an address of a private or local network",
    "reserved": "an address of any other special range",
    "invalid": "text that is no address",
    "missing": "no address in the line",
    "relay": "an anonymising network or satellite relay",
}
"""What a status is, in words."""
STEPS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Shares at which the map gets one shade darker: each about three times the one before, and the same in every report,
so that two reports can be laid side by side."""
PERIODS: Final = 400
"""Most points of a chart, which is about what a screen can tell apart."""
CHARTED: Final = 5
"""Countries with a chart of their own."""
LISTED: Final = 1_000
"""Subdivisions that are listed one by one."""
NAMED: Final = 20
"""Files that are named."""
LABELLED: Final = 0.12
"""Share of a bar that has room for its name on a phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """What a report says. Counts are of lines; times are in UTC.

    Raises:
        ValueError: The counts do not add up. A page that says they do is not made of them.
    """

    title: str
    lines: int
    rows: int
    """Lines that are rows: each has a status."""
    unparsed: int
    skipped: int
    status: Mapping[str, int]
    """Rows by status; one that is not there has none."""
    regions: Mapping[str, int]
    """Rows by region code, `CN`, `US-CA`, of located rows only."""
    series: Sequence[tuple[datetime | None, Mapping[str, int]]] = ()
    """Rows by the start of an hour or a day, `None` for rows without a time, and then by region code or status; empty
    where rows were not counted by time."""
    bucket: Literal["hour", "day"] = "day"
    """What `series` counts by."""
    first: datetime | None = None
    """The earliest time of a row."""
    last: datetime | None = None
    undated: int = 0
    """Rows without a time in files that have times."""
    database: str
    """Name of the database."""
    kind: str = ""
    """The database's own name of its type."""
    built_at: datetime | None = None
    digest: str = ""
    attribution: str = ""
    """Credit that the database's licence asks for."""
    warnings: Sequence[str] = ()
    """What a reader should know: a table far from the log in time, a file that was not read to its end."""
    command: str
    """The words that made the report."""
    files: Sequence[str] = ()
    """Names without folders."""
    formats: Sequence[str] = ()
    generated_at: datetime
    version: str
    min_count: int | None = field(default=None)
    """Groups of fewer rows are told in `other` only, see `disclosed`."""

    def __post_init__(self) -> None:
        placed, all_rows = sum(self.regions.values()), sum(self.status.values())
        timed: dict[str, int] = {}
        for _, names in self.series:
            for name, rows in names.items():
                timed[name] = timed.get(name, 0) + rows
        groups = {name: rows for name, rows in {**self.regions, **self.status}.items() if rows and name != LOCATED}
        if (
            self.lines != self.rows + self.unparsed + self.skipped
            or all_rows != self.rows
            or placed != self.status.get(LOCATED, 0)
            or (self.series and timed != groups)
        ):
            raise ValueError(
                f"counts do not add up: {self.lines} lines, {self.rows} rows, {self.unparsed} unparsed, {self.skipped} "
                f"skipped, {all_rows} by status, {placed} by region, {sum(timed.values())} by time"
            )


class Shown(NamedTuple):
    """What of the counts is told."""

    regions: dict[str, int]
    """By code, most first."""
    countries: dict[str, int]
    """The same by country, most first."""
    statuses: dict[str, int]
    """By status, without `located`."""
    other: int
    """Rows of all other regions and statuses."""
    whole: int
    """All rows."""
    least: int
    """Fewest rows of a group that is told."""

    @property
    def located(self) -> int:
        """Rows of the regions that are told."""
        return sum(self.regions.values())

    @property
    def not_located(self) -> int:
        """Rows of the other statuses that are told."""
        return sum(self.statuses.values())


class Course(NamedTuple):
    """Rows by time, as they are told."""

    unit: periods.Unit
    rows: dict[int, int]
    """By number of the period, ascending."""
    other: int
    """Rows of all other periods."""
    undated: int
    """Rows without a time. That they have none says as little of people as that a line is unparsed, so that they
    are told however few they are, but where those with a time would then be a small group."""
    names: tuple[str, ...]
    """What the rows of a period are divided into; empty where that would tell small groups."""
    parts: dict[int | None, dict[str, int]]


def html(data: ReportData) -> str:
    """The page. The same data gives the same text; O(entries of the series)."""
    shown = _shown(data)
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src '{_script_hash()}'; img-src data:"
    main = "\n".join(
        (
            _head(data, shown),
            _statuses(data, shown),
            _places(shown),
            _subdivisions(shown),
            _time(data, shown),
            _facts(data, shown),
        )
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="regionfast {_text(data.version)}">
<title>{_text(data.title)}</title>
<style>
{_file("report.css")}</style>
</head>
<body>
<nav aria-label="Skip">
<a class="skip" href="#places">To the regions</a>
<a class="skip" href="#time">To the course of time</a>
<a class="skip" href="#facts">To table and log</a>
</nav>
<main>
{main}
</main>
<script>
{_file("report.js")}</script>
</body>
</html>
"""


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent.parent / "data" / name).read_text("utf-8")


@cache
def _script_hash() -> str:
    """What lets this script run and no other (Content Security Policy Level 3, §2.3.1)."""
    digest = hashlib.sha256(f"\n{_file('report.js')}".encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _text(free: str) -> str:
    """Text of others for HTML: no address in it, nothing that turns or hides what stands beside, no markup."""

    def replaced(token: re.Match[str]) -> str:
        try:
            ip_address(token[0])
        except ValueError:
            return token[0]
        return "ADDRESS"

    safe = re.sub(r"[0-9A-Fa-f:.]*[0-9A-Fa-f:]", replaced, free)
    safe = re.sub(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", "ADDRESS", safe)  # in the middle of a name as well
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in safe)
    return escape(safe)


def _moment(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def share(rows: int, whole: int) -> str:
    """A share in percent. What is not all, or not nothing, does not look so."""
    if not whole:
        return "none"
    tenths = round(rows * 1000 / whole)
    if rows and not tenths:
        return "< 0.1%"
    return "> 99.9%" if rows < whole and tenths == 1000 else f"{tenths / 10:.1f}%"  # noqa: PLR2004 - tenths of a percent


def shade(rows: int, whole: int) -> int:
    """How dark a place is on the map: 0 without rows, then 1 to 7, see `STEPS`."""
    return 1 + bisect_right(STEPS, rows / whole) if rows else 0


def called(code: str) -> str:
    """A region in words. Its country's name, since no names of subdivisions are known here."""
    country = code.partition("-")[0]
    # `CN` never holds Hong Kong, Macao or Taiwan here, so its name says which part it is.
    return "China (mainland)" if country == "CN" else region_name(country) or country


def _shown(data: ReportData) -> Shown:
    least = data.min_count or 1
    others = {name: rows for name, rows in data.status.items() if name != LOCATED}
    kept, other = pooled({**data.regions, **others}, least)
    regions = ordered({code: rows for code, rows in kept.items() if code in data.regions})
    countries: dict[str, int] = {}
    for code, rows in regions.items():
        country = code.partition("-")[0]
        countries[country] = countries.get(country, 0) + rows
    statuses = {name: kept[name] for name in STATUSES if name in others and name in kept}
    return Shown(regions, ordered(countries), statuses, other, data.rows, least)


def _n(rows: int, of: str = "td") -> str:
    """A cell with a number, which scripts need not parse."""
    return f'<{of} class="n" data-n="{rows}">{rows:,}</{of}>'


def _row(cells: str, attributes: str = "") -> str:
    return f"<tr{attributes}>{cells}</tr>"


def _bar(rows: int, whole: int) -> str:
    width = round(rows * 100 / whole, 2) if whole else 0
    return (
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="fill" width="{width:g}" height="1"/></svg>'
    )


def _swatch(kind: str) -> str:
    rect = f'<rect class="{kind}" width="60" height="60"/>'
    return f'<svg class="swatch" viewBox="0 0 60 60" aria-hidden="true">{rect}</svg>'


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _head(data: ReportData, shown: Shown) -> str:
    unknown = shown.statuses.get("unknown", 0)
    told = "few or none" if not unknown and shown.other else share(unknown, data.rows)
    figures = (
        ("lines", f"{data.lines:,}"),
        ("rows", f"{data.rows:,}"),
        ("located, as far as told" if shown.other else "located", share(shown.located, data.rows)),
        ("unknown", told),
        ("countries told" if shown.other else "countries", f"{len(shown.countries):,}"),
        ("unparsed lines", f"{data.unparsed:,}"),
    )
    tiles = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    warnings = ""
    if data.warnings:
        each = "".join(f"<li>{_text(warning)}</li>" for warning in data.warnings)
        warnings = (
            f'\n<aside class="warnings" aria-labelledby="warned"><h2 id="warned">To know</h2><ul>{each}</ul></aside>'
        )
    rule = ""
    if shown.least > 1:
        rule = (
            f'\n<p id="rule">Groups of fewer than {shown.least:,} rows are not told: they are in <em>other</em>, and '
            "more with them where they would be alone in it.</p>"
        )
    return (
        f"<header>\n<h1>{_text(data.title)}</h1>\n"
        f'<p class="quiet">{_span(data, shown)}. What a table says of addresses, not where a person is.</p>\n'
        f'<dl class="figures">{tiles}</dl>{rule}{warnings}\n</header>'
    )


def _span(data: ReportData, shown: Shown) -> str:
    if data.first is None or data.last is None:
        return "The lines have no times"
    if shown.least > 1:  # the second of one row is more than a group
        return f"{data.first.astimezone(UTC):%Y-%m-%d} to {data.last.astimezone(UTC):%Y-%m-%d} UTC"
    return f"{_moment(data.first)} to {_moment(data.last)}"


def _statuses(data: ReportData, shown: Shown) -> str:
    parts = [(LOCATED, shown.located), *shown.statuses.items(), ("other", shown.other)]
    parts += [("unparsed", data.unparsed), ("skipped", data.skipped)]
    whole, x, rects, labels = data.lines or 1, 0.0, "", ""
    for name, count in parts:
        if not count:
            continue
        width = count * 100 / whole
        told = f"{name} {share(count, whole)}"
        rects += f'<rect class="t-{name}" x="{x:.3f}" width="{width:.3f}" height="1"><title>{told}</title></rect>'
        labels += f'<span style="width:{width:.3f}%">{told if count >= LABELLED * whole else ""}</span>'
        x += width
    stack = (
        '<svg class="stack" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" '
        f'aria-label="All lines by status; the table below has the numbers">{rects}</svg>\n'
        f'<div class="labels" aria-hidden="true">{labels}</div>'
    )
    unknown = shown.statuses.get("unknown", 0)
    if not unknown and shown.other:
        own = "<p>Rows whose address the table does not place: none, or too few to be told.</p>"
    else:
        own = (
            f"<p><strong>{share(unknown, data.rows)}</strong> of the rows, {unknown:,} of {data.rows:,}, have a public "
            "address that the table does not place.</p>\n"
            '<svg class="share" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="Unknown: '
            f'{share(unknown, data.rows)} of the rows"><rect class="s0" width="100" height="1"/>'
            f'<rect class="t-unknown" width="{unknown * 100 / (data.rows or 1):.3f}" height="1"/></svg>'
        )
    return (
        '<section id="status" aria-labelledby="status-title">\n<h2 id="status-title">All lines by status</h2>\n'
        f"{stack}\n{_sum(data, shown)}\n<h3>Unknown</h3>\n{own}\n</section>"
    )


def _sum(data: ReportData, shown: Shown) -> str:
    """The table that adds up."""

    def row(name: str, meaning: str, count: int, *, told: bool = True) -> str:
        numbers = (
            f'{_n(count)}<td class="n">{share(count, data.lines)}</td>'
            if told
            else '<td class="n" colspan="2">none, or in other</td>'
        )
        said = f'{_swatch(f"t-{name}")}{name} <span class="meaning">{meaning}</span>'
        return _row(f'<th scope="row">{said}</th>{numbers}', f' data-status="{name}"')

    beside = "" if not shown.other else ", of the regions that are told"
    body = row(LOCATED, MEANINGS[LOCATED] + beside, shown.located)
    for name in STATUSES[1:]:
        count = shown.statuses.get(name, 0)
        body += row(name, MEANINGS[name], count, told=bool(count) or not shown.other)
    if shown.other:
        body += row("other", "regions and statuses that are not told", shown.other)
    rows = _row(
        '<th scope="row">= rows <span class="meaning">lines that have the form of the log</span></th>'
        f'{_n(data.rows)}<td class="n">{share(data.rows, data.lines)}</td>',
        ' class="sum"',
    )
    rest = row("unparsed", "lines that have not, or are too long", data.unparsed)
    rest += row("skipped", "empty lines, headings, comments", data.skipped)
    total = _row(f'<th scope="row">= lines</th>{_n(data.lines)}<td class="n">{share(data.lines, data.lines)}</td>')
    return (
        '<div class="scroll"><table id="sum"><caption>Each line is counted once: the statuses add up to the rows, and '
        "with unparsed and skipped to the lines.</caption>"
        '<thead><tr><th scope="col">status</th><th scope="col" class="n">lines</th><th scope="col" class="n">share'
        f"</th></tr></thead><tbody>{body}{rows}{rest}</tbody>"
        f"<tfoot>{total}</tfoot></table></div>"
    )


def _places(shown: Shown) -> str:
    outlines = worldmap()
    return (
        '<section id="places" aria-labelledby="places-title">\n<h2 id="places-title">Where the table places them</h2>\n'
        f'<div class="beside">\n{_map(outlines, shown)}\n{_countries(shown)}\n</div>\n</section>'
    )


def _map(outlines: WorldMap, shown: Shown) -> str:
    nothing = "none, or not told: in `other`" if shown.other else "no rows"

    def told(code: str) -> str:
        rows = shown.countries.get(code, 0)
        said = f"{_rows(rows)}, {share(rows, shown.whole)}" if rows else nothing
        return f"<title>{escape(called(code))} ({code}): {said}</title>"

    shades = {code: shade(rows, shown.whole) for code, rows in shown.countries.items()}
    areas = "\n".join(
        f'<path class="s{shades.get(code, 0)}" data-c="{code}" d="{path}">{told(code)}</path>'
        for code, path in outlines.shapes.items()
    )
    dots = ""
    # Those with most rows are drawn last, above their neighbours.
    for code, (x, y) in sorted(outlines.markers.items(), key=lambda item: shown.countries.get(item[0], 0)):
        none = "" if code in shades else " none"
        line = f'd="M{x} {y}h0"'
        dots += (
            f'<g data-c="{code}">{told(code)}<path class="ring{none}" {line}/>'
            f'<path class="dot s{shades.get(code, 0)}{none}" {line}/></g>\n'
        )
    off = [f"{called(code)} ({code}), {_rows(rows)}" for code, rows in shown.countries.items() if code not in outlines]
    beyond = f"<p>Not on the map: {_text('; '.join(off))}.</p>" if off else ""
    hint = "Point at a place or a row of the table to read its number here."
    return (
        '<figure>\n<svg id="map" viewBox="0 0 '
        f'{outlines.width} {outlines.height}" role="img" aria-labelledby="map-title map-text">\n'
        '<title id="map-title">World map, shaded by share of the rows</title>\n'
        '<desc id="map-text">The table beside it has the same numbers.</desc>\n'
        '<defs><pattern id="hatch" width="60" height="60" patternUnits="userSpaceOnUse">'
        '<path d="M0 60L60 0"/></pattern></defs>\n'
        f'<g class="area" fill-rule="evenodd">\n{areas}\n'
        f'<path class="neutral" d="{outlines.neutral}"><title>Not claimed for any code</title></path>\n</g>\n'
        f"{dots}</svg>\n"
        f'<output id="pointed" class="quiet">{hint}</output>\n{_legend(nothing)}\n'
        f"<figcaption><p>Share of the {_rows(shown.whole)}, on a logarithmic scale: each shade stands for about three "
        "times the one before. Dots stand for places too small to be seen. Hatched places have no code of their own, "
        f"and none is claimed for them.</p>{beyond}<p>{escape(outlines.credit)}; borders are drawn as there and say "
        f"nothing of whose a place is. Projection: {outlines.projection}, equal areas.</p></figcaption>\n</figure>"
    )


def _legend(nothing: str) -> str:
    ends = ["0", *(f"{step * 100:g}" for step in STEPS)]
    names = [f"below {ends[1]}%", *(f"{low} to {high}%" for low, high in pairwise(ends[1:]))]
    entries = [(f"s{at}", name) for at, name in enumerate((nothing, *names, f"{ends[-1]}% and more"))]
    entries.append(("neutral", "no code"))
    items = "".join(f"<li>{_swatch(kind)}{name}</li>" for kind, name in entries)
    return f'<ul class="legend" aria-label="Shades of the map">{items}</ul>'


def _countries(shown: Shown) -> str:
    largest = max(shown.countries.values(), default=0)
    body = "".join(
        _row(
            f'<th scope="row">{escape(called(code))} <span class="code">{escape(code)}</span></th>{_n(rows)}'
            f'<td class="n" data-n="{rows}">{share(rows, shown.whole)}</td><td>{_bar(rows, largest)}</td>',
            f' data-c="{escape(code)}"',
        )
        for code, rows in shown.countries.items()
    )
    rest = [("not located", shown.not_located)] + [("other", shown.other)] * bool(shown.other)
    foot = "".join(
        _row(f'<th scope="row">{name}</th>{_n(rows)}<td class="n">{share(rows, shown.whole)}</td><td></td>')
        for name, rows in [*rest, ("= rows", shown.whole)]
    )
    return (
        '<div>\n<label data-filters="countries" hidden>Find <input type="search" autocomplete="off"></label>\n'
        '<div class="list" tabindex="0" role="region" aria-labelledby="countries-caption">'
        '<table id="countries" data-sorts><caption id="countries-caption">Rows by country or region, the numbers of '
        'the map.</caption><thead><tr><th scope="col">region</th><th scope="col" class="n">rows</th>'
        '<th scope="col" class="n">share</th><td></td></tr></thead>'
        f"<tbody>{body}</tbody><tfoot>{foot}</tfoot></table></div>\n</div>"
    )


def _subdivisions(shown: Shown) -> str:
    if not any("-" in code for code in shown.regions):
        return ""
    listed = list(shown.regions.items())[:LISTED]
    body = "".join(
        _row(
            f'<th scope="row">{_text(code)}</th><td>{escape(called(code))}</td>{_n(rows)}'
            f'<td class="n" data-n="{rows}">{share(rows, shown.whole)}</td>'
        )
        for code, rows in listed
    )
    beyond = len(shown.regions) - len(listed)
    rest = shown.located - sum(rows for _, rows in listed)
    foot = [(f"{beyond:,} more", rest)] * bool(beyond) + [("= located", shown.located)]
    total = "".join(
        _row(f'<th scope="row" colspan="2">{name}</th>{_n(rows)}<td class="n">{share(rows, shown.whole)}</td>')
        for name, rows in foot
    )
    return (
        '<section id="subdivisions" aria-labelledby="subdivisions-title">\n'
        '<h2 id="subdivisions-title">By subdivision</h2>\n'
        f"<details><summary>{len(shown.regions):,} regions as the table has them</summary>\n"
        '<label data-filters="codes" hidden>Find <input type="search" autocomplete="off"></label>\n'
        '<div class="list" tabindex="0" role="region" aria-labelledby="codes-caption"><table id="codes" data-sorts>'
        '<caption id="codes-caption">Rows by region code; a code without a dash: the table says no more.</caption>'
        '<thead><tr><th scope="col">code</th><th scope="col">country</th><th scope="col" class="n">rows</th>'
        f'<th scope="col" class="n">share</th></tr></thead><tbody>{body}</tbody><tfoot>{total}</tfoot></table></div>'
        "</details>\n</section>"
    )


def _course(data: ReportData, shown: Shown) -> Course | None:
    """The rows by periods, few enough to be drawn; `None` where they were not counted by time."""
    dated = [start.astimezone(UTC) for start, names in data.series if start is not None and names]
    if not data.series or not data.rows:
        return None
    unit: periods.Unit = data.bucket
    if dated:
        unit = periods.coarsened(min(dated), max(dated), data.bucket, PERIODS)
    charted = list(shown.countries)[:CHARTED]
    names = [f"{called(code)} ({code})" for code in charted]
    group = dict.fromkeys(shown.regions, "other regions") | dict.fromkeys(shown.statuses, "not located")
    for code in shown.regions:
        if (country := code.partition("-")[0]) in charted:
            group[code] = names[charted.index(country)]
    names += [name for name in ("other regions", "not located") if name in group.values()]
    names += ["other"] * bool(shown.other)
    parts: dict[int | None, dict[str, int]] = {}
    for start, counts in data.series:
        period = None if start is None else periods.number(start.astimezone(UTC), unit)
        part = parts.setdefault(period, dict.fromkeys(names, 0))
        for name, rows in counts.items():
            part[group.get(name, "other")] += rows
    totals = {
        period: sum(parts[period].values()) for period in sorted(period for period in parts if period is not None)
    }
    kept, other = pooled(totals, shown.least)
    safe = is_safe((rows for part in parts.values() for rows in part.values()), shown.least)
    undated = sum(parts.get(None, {}).values())
    if other < shown.least and other:  # all rows with a time are a small group
        other, undated = other + undated, 0
    return Course(unit, kept, other, undated, tuple(names) if safe else (), parts)


def _time(data: ReportData, shown: Shown) -> str:
    title = '<section id="time" aria-labelledby="time-title">\n<h2 id="time-title">The course of time</h2>\n'
    course = _course(data, shown)
    if course is None:
        return f"{title}<p>Rows were not counted by time, or there are none.</p>\n</section>"
    drawn = _charts(course) if course.rows else "<p>No row has a time that can be told.</p>"
    note = f"Rows by {course.unit}, UTC"
    if course.unit != data.bucket:
        note += f": the log is too long for {data.bucket}s"
    if course.unit == "week":
        note += "; a week begins on its Monday"
    if course.other:
        note += f". {_each(course.unit).capitalize()} of fewer than {shown.least:,} rows has no column"
    if not course.names and shown.least > 1:
        note += ". Not divided by region: some of the numbers would be small groups"
    return f'{title}<p class="quiet">{note}.</p>\n{drawn}\n{_course_table(course, shown)}\n</section>'


def _charts(course: Course) -> str:
    """One chart of all rows, and a small one for each part: no colour has to be told from others."""
    first, last = min(course.rows), max(course.rows)
    axis = [periods.name(period, course.unit) for period in sorted({first, (first + last) // 2, last})]
    under = f'<div class="axis" aria-hidden="true">{"".join(f"<span>{name}</span>" for name in axis)}</div>'
    count = last - first + 1
    rows = [course.rows.get(period, 0) for period in range(first, last + 1)]
    most = max(rows)
    away = [0] * count
    if "not located" in course.names:
        away = [course.parts.get(period, {}).get("not located", 0) for period in range(first, last + 1)]
    picks = "".join(
        f'<rect class="pick" x="{at}" width="1" height="100"><title>{periods.name(first + at, course.unit)}: '
        f"{_rows(total)}{_away(away[at])}</title></rect>"
        for at, total in enumerate(rows)
        if total
    )
    key = ""
    if any(away):
        key = "".join(
            f"<li>{_swatch(kind)}{name}</li>"
            for kind, name in (("else", "on top: not located"), ("fill", "below: all others"))
        )
        key = f'<ul class="legend">{key}</ul>'
    main = (
        f'<figure class="chart"><figcaption>All rows; the top line is {most:,} {_each(course.unit)}</figcaption>'
        f'<svg viewBox="0 0 {count} 100" preserveAspectRatio="none" role="img" aria-label="Rows by {course.unit}; the '
        f'table below has the numbers"><path class="fill" d="{_columns(rows, most)}"/>'
        f'<path class="else" d="{_columns(away, most, rows)}"/>{picks}</svg>{under}{key}</figure>'
    )
    small = ""
    for name in course.names:
        own = [course.parts.get(period, {}).get(name, 0) for period in range(first, last + 1)]
        kind = "else" if name == "not located" else "fill"
        small += (
            f'<figure class="chart"><figcaption><strong>{_text(name)}</strong>, up to {max(own):,} {_each(course.unit)}'
            f'</figcaption><svg viewBox="0 0 {count} 100" preserveAspectRatio="none" aria-hidden="true">'
            f'<path class="{kind}" d="{_columns(own, max(own))}"/></svg>{under}</figure>'
        )
    return f'{main}\n<div class="many">{small}</div>'


def _each(unit: str) -> str:
    return f"{'an' if unit == 'hour' else 'a'} {unit}"


def _away(rows: int) -> str:
    return f", {rows:,} not located" if rows else ""


def _columns(rows: Sequence[int], most: int, tops: Sequence[int] | None = None) -> str:
    """Columns as path data, as high as their part of `most`; hanging from `tops` where these are given."""
    path = ""
    for at, count in enumerate(rows):
        if count:
            top = round(100 - (tops[at] if tops else count) * 100 / most, 2)
            height = round(count * 100 / most, 2)
            path += f"M{at} {top:g}h1v{height:g}h-1z"
    return path


def _course_table(course: Course, shown: Shown) -> str:
    heads = "".join(f'<th scope="col" class="n">{_text(name)}</th>' for name in ("rows", *course.names))

    def row(name: str, rows: int, part: Mapping[str, int], of: str = "td") -> str:
        return _row(f'<th scope="row">{name}</th>{_n(rows, of)}' + "".join(_n(part[each], of) for each in course.names))

    body = "".join(
        row(periods.name(period, course.unit), rows, course.parts[period]) for period, rows in course.rows.items()
    )
    if course.undated:
        body += row("undated", course.undated, course.parts[None])
    if course.other:  # then nothing is divided
        body += row("other", course.other, {})
    total = {name: sum(part[name] for part in course.parts.values()) for name in course.names}
    foot = row("= rows", shown.whole, total)
    hidden = f" Periods of fewer than {shown.least:,} rows are in other, and more with them." if course.other else ""
    return (
        "<details><summary>The numbers as a table</summary>"
        '<div class="list" tabindex="0" role="region" aria-labelledby="course-caption"><table id="course" data-sorts>'
        f'<caption id="course-caption">Rows by {course.unit}, UTC; only those that have rows.{hidden}</caption>'
        f'<thead><tr><th scope="col">{course.unit}</th>{heads}</tr></thead><tbody>{body}</tbody><tfoot>{foot}</tfoot>'
        "</table></div></details>"
    )


def _facts(data: ReportData, shown: Shown) -> str:
    course = _course(data, shown)
    undated = f"{data.undated:,}"
    if course is not None and course.other and not course.undated:
        undated = "none, or in other"
    built = "the database does not say when" if data.built_at is None else _moment(data.built_at)
    told: list[tuple[str, str]] = [
        ("log", _span(data, shown)),
        ("rows without a time", undated),
        ("files", _names(data.files)),
        ("formats", _text(", ".join(data.formats))),
        ("database", _text(data.database)),
        ("its type", _text(data.kind)),
        ("built", built),
        ("digest", f"<code>{_text(data.digest)}</code>" if data.digest else ""),
        ("credit", _text(data.attribution)),
        ("map", escape(f"{worldmap().credit} ({worldmap().source})")),
        ("command", f"<code>{_text(data.command)}</code>"),
        ("smallest group", f"{shown.least:,} rows" if shown.least > 1 else ""),
        ("made", f"{_moment(data.generated_at)} by regionfast {_text(data.version)}"),
    ]
    facts = "\n".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in told if value)
    return (
        '<section id="facts" aria-labelledby="facts-title">\n<h2 id="facts-title">Table and log</h2>\n'
        f'<dl class="facts">\n{facts}\n</dl>\n'
        '<p class="quiet">No address, no participant and no line of the log is in this file, and nothing is loaded to '
        "show it.</p>\n</section>"
    )


def _names(files: Sequence[str]) -> str:
    beyond = len(files) - NAMED
    return _text(", ".join(files[:NAMED])) + (f" and {beyond:,} more" if beyond > 0 else "")
