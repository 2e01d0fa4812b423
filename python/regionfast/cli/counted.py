"""What was counted in logs, as tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from regionfast.cli import claims, options, terminal
from regionfast.logs.counts import APART, STATUSES, age_warning, moment_object

if TYPE_CHECKING:
    from regionfast.logs.counts import Agreement, Counts, Moment

SHOWN: Final = 12
"""Regions that are listed, so that all of it fits a screen; JSON has the others."""
MOMENTS: Final = 48
"""Hours or days that are listed, the last ones."""
TOP: Final = 3
"""Regions that stand beside an hour or a day."""
WIDEST: Final = 24
"""A region is cut here: names of databases may be longer."""
SHORT: Final = 8
"""And here where several stand in a line."""
BAR: Final = 30
"""Columns of the bar of the largest share."""
SHORT_BAR: Final = 10
"""Columns of the bar of the largest hour or day."""
PIECE: Final = 1000
"""Hours or days that are JSON at once."""


def lines(counts: Counts, *, on_stdout: bool) -> Iterator[str]:
    """All of it, a line each.

    Args:
        counts: What was counted.
        on_stdout: Whether it is printed on stdout; otherwise on stderr.
    """
    style = _Style(on_stdout=on_stdout)
    if counts.by != "status" and counts.rows:
        yield from _regions(counts.regions | counts.status | {"located": 0}, "rows", style)
        yield ""
    if counts.mentions:
        yield from _regions(counts.mentions, "addresses", style)
        yield ""
    yield from _statuses(counts, style)
    if counts.series:
        yield ""
        yield from _moments(counts.series, counts.by, style)
    yield ""
    yield from terminal.listing(_facts(counts)).splitlines()


def in_json(counts: Counts) -> Iterator[str]:
    """The object of `--json` in pieces: all hours of a long log at once would take a hundred times the memory."""
    text = json.dumps(replace(counts, series=None).to_dict())
    if counts.series is None:
        yield text
        return
    yield f'{text[:-1]}, "series": ['
    for first in range(0, len(counts.series), PIECE):
        moments = map(moment_object, counts.series[first : first + PIECE])
        yield (", " if first else "") + ", ".join(map(json.dumps, moments))
    yield "]}"


class _Style:
    """How tables look where they are printed: bars for a person alone."""

    def __init__(self, *, on_stdout: bool) -> None:
        stream = sys.stdout if on_stdout else sys.stderr
        self._colour = on_stdout and terminal.in_colour()
        self._bars = stream.isatty() and _can_say("█", stream.encoding)

    def heading(self, text: str) -> str:
        return click.style(text, bold=True) if self._colour else text

    def bars(self, counts: Sequence[int], columns: int, *, filled: bool = False) -> list[str]:
        """For each of the counts a bar, the largest so many columns long; nothing in a pipe.

        Args:
            counts: The counts.
            columns: The length.
            filled: Whether blanks make all of them as long.
        """
        largest = max(counts, default=0)
        if not self._bars or not largest:
            return [""] * len(counts)
        eighths = [round(count / largest * columns * 8) for count in counts]
        texts = [f"  {'█' * (some // 8)}{EIGHTHS[some % 8]}".ljust(2 + columns if filled else 0) for some in eighths]
        return [click.style(text, fg="cyan") if self._colour and text.strip() else text for text in texts]


EIGHTHS: Final = ("", *"▏▎▍▌▋▊▉")


def _can_say(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def share(count: int, whole: int) -> str:
    """A share of the whole in percent. What is not all, or not nothing, does not look so."""
    tenths = round(count * 1000 / whole) if whole else 0
    if count > 0 and not tenths:
        return "< 0.1%"
    if count < whole and tenths == 1000:  # noqa: PLR2004 - all of it in tenths of a percent
        return "> 99.9%"
    return f"{tenths / 10:.1f}%"


def _regions(of: Mapping[str, int], unit: str, style: _Style) -> Iterator[str]:
    """The regions that most are of, the others together, and what is not located.

    Args:
        of: Numbers by region and status.
        unit: What is counted.
        style: How it looks.
    """
    located = [(name, count) for name, count in of.items() if name not in STATUSES]
    located.sort(key=lambda item: (-item[1], item[0]))
    rows = [(_cut(name, WIDEST), count) for name, count in located[:SHOWN]]
    if rest := located[SHOWN:]:
        rows.append((f"{len(rest):,} others", sum(count for _, count in rest)))
    whole = sum(of.values())
    rows.append(("not located", whole - sum(count for _, count in located)))
    yield from _table("region", rows, unit, whole, style)


def _statuses(counts: Counts, style: _Style) -> Iterator[str]:
    """The statuses that some rows have."""
    rows = [(name, count) for name, count in counts.status.items() if count or name in {"located", "unknown"}]
    yield from _table("status", rows, "rows", counts.rows, style)


def _table(what: str, rows: Sequence[tuple[str, int]], unit: str, whole: int, style: _Style) -> Iterator[str]:
    """Numbers by name, with their shares of the whole."""
    width = max(len("not located"), *(len(name) for name, _ in rows))
    yield style.heading(f"{what:<{width}}  {unit:>14}    share")
    for (name, count), bar in zip(rows, style.bars([count for _, count in rows], BAR), strict=True):
        yield f"{name:<{width}}  {count:>14,}  {share(count, whole):>7}{bar}".rstrip()


def _moments(series: Sequence[Moment], by: str, style: _Style) -> Iterator[str]:
    """Hours or days with what most of their rows are."""
    form = "%Y-%m-%d %H:%M" if by == "hour" else "%Y-%m-%d"
    width = len("0000-00-00 00:00" if by == "hour" else "0000-00-00")
    shown = series[-MOMENTS:]
    rows = [sum(moment.regions.values()) for moment in shown]
    bars = style.bars(rows, SHORT_BAR, filled=True)
    gap = " " * (SHORT_BAR + 2) if bars[0] else ""
    yield style.heading(f"{f'{by}, UTC':<{width}}  {'rows':>14}{gap}  most of them")
    for moment, count, bar in zip(shown, rows, bars, strict=True):
        start = "undated" if moment.start is None else moment.start.strftime(form)
        ranked = sorted(moment.regions.items(), key=lambda item: (-item[1], item[0]))[:TOP]
        most = ", ".join(f"{_cut(name, SHORT)} {share(part, count)}" for name, part in ranked)
        yield f"{start:<{width}}  {count:>14,}{bar}  {most}"
    if len(series) > MOMENTS:
        yield f"and {len(series) - MOMENTS:,} earlier {by}s, which --json has"


def _facts(counts: Counts) -> Iterator[tuple[str, str]]:
    """What else there is to say, by name."""
    yield "lines", f"{counts.lines:,}: {counts.rows:,} rows, {counts.unparsed:,} unparsed, {counts.skipped:,} skipped"
    if counts.rejected:
        invalid = counts.status["invalid"]
        yield "rejected", f"{counts.rejected:,}: {counts.unparsed:,} unparsed, {invalid:,} without a sound address"
    if counts.matched is not None:
        yield "chosen", f"{counts.matched:,} rows, {share(counts.matched, counts.rows)}"
    if len(counts.files) > 1:
        yield "files", f"{len(counts.files):,}"
    yield "log", _span(counts.first, counts.last, counts.undated)
    if counts.agreement is not None:
        yield "its country", _agreement(counts.agreement)
    yield "table", _table_said(counts)
    speed = f", {counts.lines / counts.seconds:,.0f} lines/s" if counts.seconds else ""
    yield "time", f"{counts.seconds:.2f} s{speed}"


def _span(first: datetime | None, last: datetime | None, undated: int) -> str:
    if first is None or last is None:
        return "no row has a time that can be read"
    beside = f"; {undated:,} rows undated" if undated else ""
    return f"{options.written(first)} to {options.written(last)}{beside}"


def _table_said(counts: Counts) -> str:
    """Which table, and of when. How old it is today matters to nobody here: the log is of its own time."""
    built = counts.table.built_at
    date = "the database does not say when" if built is None else f"{built:%Y-%m-%d}"
    apart = age_warning(counts.table, counts.first, counts.last)
    far = "" if apart is None else f": more than {APART.days} days from the log"
    return f"{claims.source(counts.table)}, built {date}{far}"


def _agreement(found: Agreement) -> str:
    both = found.equal + found.different
    return (
        f"{found.equal:,} rows agree with it ({share(found.equal, both)} of those placed twice), "
        f"{found.different:,} differ, {found.not_located:,} are not located here, {found.not_given:,} there"
    )


def _cut(name: str, widest: int) -> str:
    """A region or status that fits its place."""
    text = terminal.encodable(terminal.printable(name))
    return text if len(text) <= widest else f"{text[: widest - 3]}..."
