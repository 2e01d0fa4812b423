"""Files of participants: our own CSV, and what conferencing products export.

A file is read in parts, so that memory does not grow with it but by what the reader keeps. Headings are compared by
their letters and digits alone: `IP Address`, `ip_address` and `ipAddress` are one.

No sample of such a file was found, so the headings of `PRODUCTS` are those that documentation names, listed here, and
others that are guesses; docs/rosters.md parts the two:

- **Zoom**, export of a meeting from the dashboard: the fields of *List meeting participants* of the dashboards API
  (`user_name`, `email`, `ip_address`, `join_time`, `leave_time`, `role`, `participant_uuid`), one row for each time
  that somebody joined. The meeting's id stands above the table, beside or below a heading `Meeting ID`.
- **Google Meet**, export of the Meet log events: the attributes of the event `call_ended` of the Reports API
  (`conference_id`, `meeting_code`, `endpoint_id`, `identifier`, `ip_address`, `duration_seconds`), one row when an
  endpoint left, so that who is still there is not in it. A recurring meeting keeps its code, so the code is the
  series and the conference the meeting.
- **Webex**, attendee report: the fields of *List Meeting Attendee Reports* (`meetingId`, `meetingNumber`, `email`,
  `displayName`, `joinedTime`, `leftTime`, `participantType`, `ipAddress`). Cisco documents its exports as
  tab-separated UTF-16.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from ipaddress import ip_address
from itertools import chain, islice
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeAlias

from regionfast.errors import RosterError

if TYPE_CHECKING:
    from typing_extensions import Buffer

File: TypeAlias = str | PathLike[str] | BinaryIO
"""A path, or a stream of bytes, which is read to its end and left open."""

CHUNK: Final = 1 << 16
"""Rows of a part."""
LONGEST_LINE: Final = 1 << 20
"""Characters of the longest line that is read: a binary file without line ends must not fill the memory."""
PREAMBLE: Final = 50
"""Rows in which the headings must come."""

OWN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "participants": ("participant", "participants", "participantid"),
        "addresses": ("address", "addresses", "ip", "ipaddress"),
        "meetings": ("meeting", "meetings", "meetingid"),
        "accounts": ("account", "accounts", "accountid"),
        "series": ("series", "seriesid"),
        "roles": ("role", "roles"),
        "connections": ("connection", "connections", "connectionid"),
    }
)
"""Our own headings, by column of a roster."""
NEEDED: Final = ("participants", "addresses", "meetings")
"""Columns that every roster has."""
LONGEST_HEADING: Final = 40
"""Of a heading an error repeats so many characters."""
MOST_HEADINGS: Final = 20
"""And so many headings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """How one product names its columns. Where a file has several of the names, the first is taken."""

    name: str
    needs: frozenset[str]
    """Headings, one of which tells the product from the others."""
    columns: Mapping[str, tuple[str, ...]]
    """By column of a roster; and `joined`, `left` (times), `seconds` (from one to the other), `event`."""
    display_names: frozenset[str] = frozenset(("participant", "username", "displayname", "name", "nameoriginalname"))
    """Headings of names that people choose themselves."""
    events: frozenset[str] | None = None
    """Of a log the events that are a presence."""


PRODUCTS: Final = (
    Product(
        name="Google Meet",
        needs=frozenset(("meetingcode", "conferenceid")),
        columns={
            "participants": ("participantidentifier", "identifier", "actor", "actoremail", "participantname"),
            "addresses": ("ipaddress",),
            "meetings": ("conferenceid", "meetingcode"),
            "series": ("meetingcode",),
            "connections": ("endpointid",),
            "joined": ("starttime",),
            "left": ("date", "time"),
            "seconds": ("durationseconds", "duration"),
            "event": ("event", "eventname"),
        },
        display_names=frozenset(("participantname",)),
        events=frozenset(("callended", "endpointleft")),
    ),
    Product(
        name="Webex",
        needs=frozenset(("joinedtime", "meetingnumber")),
        columns={
            "participants": ("email", "attendeeemail", "participantemail", "displayname"),
            "addresses": ("ipaddress", "clientip", "clientipaddress"),
            "meetings": ("meetingid", "meetingnumber"),
            "series": ("meetingnumber",),
            "roles": ("participanttype",),
            "joined": ("joinedtime", "jointime"),
            "left": ("lefttime", "leavetime"),
        },
    ),
    Product(
        name="Zoom",
        needs=frozenset(("jointime",)),
        columns={
            "participants": (
                "participantuuid",
                "id",
                "email",
                "useremail",
                "participant",
                "username",
                "nameoriginalname",
                "name",
            ),
            "addresses": ("ipaddress", "publicip"),
            "meetings": ("meetingid",),
            "roles": ("role",),
            "joined": ("jointime",),
            "left": ("leavetime",),
        },
    ),
)


class Part(NamedTuple):
    """Some rows."""

    lines: list[int]
    """The line of the file that each starts on, the first being 1."""
    cells: Mapping[str, Sequence[str]]
    """The cells by column of a roster; `""` where there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """An open file of participants, to be read once."""

    source: str
    """The file, as the caller named it."""
    product: str | None
    """Whose export it is; `None` for our own CSV."""
    columns: tuple[str, ...]
    """Which columns of a roster it has."""
    warnings: list[str]
    """What was ignored; complete when the last part has been read."""
    parts: Iterator[Part]


def read_csv(file: File) -> Sheet:
    """Read our own CSV: a heading, then one address a row.

    UTF-8, or UTF-16 with its mark; comma, semicolon or tab, whichever the first line has most of; gzip by content.

    Raises:
        RosterError: The file cannot be read, or is none such: names the line, never what stands there.
    """
    rows = _rows(file)
    header = next(rows, (1, None))[1]
    if header is None:
        raise RosterError(f"{_name(file)}: is empty")
    found = own_columns(header, _name(file))
    warnings = ignored(header, found)
    parts = _parts(rows, len(header), found, _name(file))
    return Sheet(source=_name(file), product=None, columns=tuple(found), warnings=warnings, parts=parts)


def own_columns(header: Sequence[str], source: str) -> dict[str, int]:
    """Where the columns of a roster are among headings.

    Raises:
        RosterError: Some of those that a roster needs are missing, or one is there twice. Repeats headings, but not
            what may be data without a heading: then the first row has an address, or no heading that we know.
    """
    found: dict[str, int] = {}
    key_of = {key: column for column, keys in OWN.items() for key in keys}
    for position, heading in enumerate(header):
        column = key_of.get(_key(heading))
        if column in found:
            raise RosterError(
                f"{source}: columns {found[column] + 1} and {position + 1} are both `{column}`: leave one out"
            )
        if column is not None:
            found[column] = position
    missing = [OWN[column][0] for column in NEEDED if column not in found]
    if missing:
        names = ", ".join(f"`{heading}`" for heading in missing)
        lacking = f"{source}: no column{'s' * (len(missing) > 1)} {names}"
        if not found or any(map(_is_address, header)):
            raise RosterError(
                f"{lacking}: unknown headings, or data in their place: head the rows `participant,address,meeting`"
            )
        raise RosterError(f"{lacking}; found: {_listed(header)}")
    return found


def _is_address(cell: str) -> bool:
    try:
        ip_address(cell.strip())
    except ValueError:
        return False
    return True


def _listed(header: Sequence[str]) -> str:
    """Headings in one line."""
    names = [" ".join(heading.split())[:LONGEST_HEADING] for heading in header if heading.strip()]
    more = f" and {len(names) - MOST_HEADINGS} more" if len(names) > MOST_HEADINGS else ""
    return ", ".join(names[:MOST_HEADINGS]) + more


def ignored(header: Sequence[str], found: Mapping[str, int]) -> list[str]:
    """A warning of the columns that nobody asked for."""
    names = [f"`{heading}`" for position, heading in enumerate(header) if position not in found.values()]
    return [f"columns that mean nothing here are ignored: {', '.join(names)}"] if names else []


def read_export(file: File, *, at: datetime | None = None, zone: tzinfo | None = None) -> Sheet:
    """Read what a conferencing product exports; which one it is, the headings say.

    Args:
        file: The file, in the forms of `read_csv`.
        at: Keep only rows of who was there at this moment: joined at or before it, and left later or not yet. All
            rows without it, and times are then not looked at.
        zone: The zone of times that have no offset, where the heading does not say UTC either: `Join Time (UTC)`.

    Raises:
        RosterError: The file cannot be read, is no such export, or has times of no known zone or form.
    """
    rows = _rows(file)
    before: list[list[str]] = []
    for _, row in islice(rows, PREAMBLE):
        keys = [_key(heading) for heading in row]
        for product in PRODUCTS:
            found = {
                column: next(position for name in names for position, key in enumerate(keys) if key == name)
                for column, names in product.columns.items()
                if set(names) & set(keys)
            }
            if {"participants", "addresses"} <= found.keys() and product.needs & set(keys):
                return _export(product, found, row, before, rows, _name(file), at, zone)
        before.append(row)
    if not before:
        raise RosterError(f"{_name(file)}: is empty")
    names = ", ".join(product.name for product in PRODUCTS)
    raise RosterError(
        f"{_name(file)}: no headings of an export with addresses, as these have them: {names}. Our own CSV is read by "
        "`from_csv`"
    )


def _export(
    product: Product,
    found: dict[str, int],
    header: list[str],
    before: list[list[str]],
    rows: Iterator[tuple[int, list[str]]],
    source: str,
    at: datetime | None,
    zone: tzinfo | None,
) -> Sheet:
    warnings: list[str] = []
    parts = _parts(rows, len(header), found, source)
    if "meetings" not in found:
        meeting = _meeting_above(before)
        if meeting is None:
            raise RosterError(
                f"{source}: no column of meetings, and none named above the table: write a line `Meeting ID,<id>` "
                "above the headings"
            )
        parts = (Part(part.lines, {**part.cells, "meetings": [meeting] * len(part.lines)}) for part in parts)
    if _key(header[found["participants"]]) in product.display_names:
        warnings.append("participants are known by names that they choose themselves: no policy should rely on them")
    if product.events is not None and "event" in found:
        events = product.events
        parts = (_chosen(part, [_key(event) in events for event in part.cells["event"]]) for part in parts)
    if at is not None:
        if at.utcoffset() is None:
            raise RosterError("`at` has no offset: pass a time such as `datetime.now(UTC)`")
        if "joined" not in found and not {"left", "seconds"} <= found.keys():
            raise RosterError(f"{source}: no column says when people joined: leave out `at`")
        zones = [_zone_in(header[found[column]]) if column in found else None for column in ("joined", "left")]
        parts = _present(parts, at, (zones[0] or zone, zones[1] or zone), source, warnings)
    columns = tuple(column for column in OWN if column in found or column == "meetings")
    return Sheet(source=source, product=product.name, columns=columns, warnings=warnings, parts=parts)


def _meeting_above(rows: Iterable[list[str]]) -> str | None:
    """The id that stands below the heading `Meeting ID`, or right of it where the line is a name and its value."""
    rows = list(rows)
    for number, row in enumerate(rows):
        for position, cell in enumerate(row):
            if _key(cell) == "meetingid":
                below = rows[number + 1][position : position + 1] if number + 1 < len(rows) else []
                right = row[position + 1 : position + 2]
                # A name and its value are two cells. So are two headings, `Meeting ID,Topic`: then the id is below.
                is_table = len(row) > 2 or (_has_digit(below) and not _has_digit(right))  # noqa: PLR2004
                return next((text for text in (below + right if is_table else right + below) if text.strip()), None)
    return None


def _has_digit(cells: Sequence[str]) -> bool:
    return any(char.isdecimal() for cell in cells for char in cell)


def _chosen(part: Part, keep: Sequence[bool]) -> Part:
    lines = [line for line, kept in zip(part.lines, keep, strict=True) if kept]
    cells = {
        column: [cell for cell, kept in zip(cells, keep, strict=True) if kept] for column, cells in part.cells.items()
    }
    return Part(lines, cells)


def _present(
    parts: Iterator[Part], at: datetime, zones: tuple[tzinfo | None, tzinfo | None], source: str, warnings: list[str]
) -> Iterator[Part]:
    """The rows of who was there at a moment."""
    unknown = there = 0
    first: datetime | None = None
    for part in parts:
        nothing = [""] * len(part.lines)
        keep = []
        for line, joined_text, left_text, seconds in zip(
            part.lines,
            part.cells.get("joined", nothing),
            part.cells.get("left", nothing),
            part.cells.get("seconds", nothing),
            strict=True,
        ):
            where = f"{source}: line {line}"
            joined = _time(joined_text, zones[0], where)
            left = _time(left_text, zones[1], where)
            if joined is None and left is not None and seconds.strip().isdecimal():
                joined = left - timedelta(seconds=int(seconds))
            unknown += joined is None
            keep.append(joined is not None and joined <= at and (left is None or at < left))
            if joined is not None:
                first = joined if first is None else min(first, joined)
        there += sum(keep)
        yield _chosen(part, keep)
    if not there:
        since = "" if first is None else f": the first joined at {_utc(first)}"
        warnings.append(f"nobody was there at {_utc(at)}{since}")
    if unknown:
        warnings.append(f"{unknown:,} rows do not say when somebody joined, and were left out")


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


_US: Final = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p")
"""With AM or PM the month comes first; without it nobody knows, and such times are refused."""


def _time(text: str, zone: tzinfo | None, where: str) -> datetime | None:
    text = text.strip()
    if not text or text == "-":
        return None
    time = _iso(text) or next(filter(None, (_us(text, form) for form in _US)), None)
    if time is None:
        raise RosterError(f"{where}: a time in a form that may be read in two ways: use 2026-11-24T09:30:00Z")
    if time.utcoffset() is not None:
        return time
    if zone is None:
        raise RosterError(f"{where}: a time without offset: say its zone with `zone`, such as `UTC`")
    return time.replace(tzinfo=zone)


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _us(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - `_time` sees to the zone
    except ValueError:
        return None


def _zone_in(heading: str) -> tzinfo | None:
    return UTC if re.search(r"\b(UTC|GMT)\W*$", heading) else None


def _key(heading: str) -> str:
    """Letters and digits of a heading, without what it says of the zone."""
    return re.sub(r"[\W_]+", "", re.sub(r"\(?\b(UTC|GMT)\)?\s*$", "", heading)).lower()


def _parts(rows: Iterator[tuple[int, list[str]]], width: int, found: Mapping[str, int], source: str) -> Iterator[Part]:
    """Rows by column, some at a time."""
    while some := list(islice(rows, CHUNK)):
        lines = [line for line, _ in some]
        try:
            columns = list(zip(*(row for _, row in some), strict=True))
        except ValueError:
            columns = []
        if len(columns) != width:
            line, row = next((line, row) for line, row in some if len(row) != width)
            raise RosterError(f"{source}: line {line} has {len(row)} cells and the heading {width}")
        yield Part(lines, {column: columns[position] for column, position in found.items()})


def _rows(file: File) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file, with the line that each starts on; rows without anything are skipped."""
    source = _name(file)
    number = 0
    try:
        with _text(file) as text:
            lines = _lines(text, source)
            first = next(lines, "")
            separator = max(",;\t", key=first.count)
            reader = csv.reader(chain([first], lines), delimiter=separator, strict=True)
            for row in reader:
                start, number = number + 1, reader.line_num
                if any(row):
                    yield start, row
    except csv.Error:
        raise RosterError(
            f"{source}: line {number + 1}: no CSV: a quote that is not closed, or a cell beyond "
            f"{csv.field_size_limit():,} characters"
        ) from None
    except UnicodeDecodeError:
        raise RosterError(f"{source}: after line {number}: no text: save it as UTF-8") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise RosterError(f"{source}: after line {number}: the gzip data is damaged or incomplete") from None
    except OSError as error:
        raise RosterError(f"cannot read {source}: {error.strerror or 'it fails'}") from None


def _name(file: File) -> str:
    return str(file) if isinstance(file, str | PathLike) else "the stream"


@contextmanager
def _text(file: File) -> Iterator[io.TextIOWrapper]:
    """The text of a file, whatever packs and encodes it. Bytes that are no UTF-8 stay visible, as surrogates.

    Raises:
        RosterError: It is a workbook or an archive.
    """
    source = _name(file)
    with ExitStack() as stack:
        if isinstance(file, str | PathLike):
            file = stack.enter_context(open(file, "rb"))  # noqa: PTH123 - `Path.open` is the same
        buffered = io.BufferedReader(_Borrowed(file))
        start = buffered.peek(4)
        if start.startswith(b"PK\x03\x04"):
            is_workbook = b"[Content_Types].xml" in start or b"xl/" in start
            kind = "an Excel workbook: save it as CSV" if is_workbook else "a ZIP archive: unpack it"
            raise RosterError(f"{source}: is {kind}")
        if start.startswith(b"\xd0\xcf\x11\xe0"):
            raise RosterError(f"{source}: is an Excel workbook: save it as CSV")
        if start[:2] == b"\x1f\x8b":
            unpacked = stack.enter_context(gzip.GzipFile(fileobj=buffered))
            buffered = io.BufferedReader(_Borrowed(unpacked))
        mark = buffered.peek(2)[:2]
        encoding = "utf-16" if mark in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
        yield io.TextIOWrapper(buffered, encoding, "surrogateescape", newline="")


class _Borrowed(io.RawIOBase):
    """A stream that stays open when what reads it is closed or forgotten."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        into = memoryview(buffer)
        got = self._stream.read(len(into))
        into[: len(got)] = got
        return len(got)


def _lines(file: io.TextIOWrapper, source: str) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise RosterError(f"{source}: line {number} is longer than {LONGEST_LINE:,} characters")
        if "\0" in line:
            raise RosterError(f"{source}: line {number}: a NUL character: save the file as UTF-8")
        if not line.isascii():
            try:
                line.encode()
            except UnicodeEncodeError:
                raise RosterError(f"{source}: line {number} is not UTF-8: save the file as UTF-8") from None
        yield line
