"""The log of a meeting server: who it says was ejected or held, line by line, whatever else is in it."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from os import PathLike
from pathlib import Path
from typing import Final, NoReturn

from regionfast.errors import DocumentError
from regionfast.names import plain

EFFECT_OF: Final = {"ejected": "eject", "held": "hold"}
"""By event the effect that explains it."""
COLUMNS: Final = ("time", "meeting", "connection", "event")
_LONGEST: Final = 1 << 20
"""Bytes of a line. A longer one is not read, so that memory stays bounded."""
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line that says that somebody was ejected or held. Its `repr` names nobody."""

    line: int
    at: datetime
    meeting: str = field(repr=False)
    connection: str = field(repr=False)
    effect: str


class _UnreadableError(ValueError):
    """A line that cannot be read; says why, and nothing of what is in it."""


class ServerLog:
    """The events of a log, in its order. What it says beside them is known when all were read."""

    def __init__(self, path: str | PathLike[str]) -> None:
        """Take the path of a file: CSV with a heading or JSON Lines, also in gzip."""
        self._path = Path(path)
        self.count = 0
        """Lines so far, a heading included."""
        self.first: datetime | None = None
        """The earliest time of any line, also of those with other events."""
        self.last: datetime | None = None
        """The latest."""
        self.unreadable: list[int] = []
        """Lines that cannot be read."""
        self.why = ""
        """Where and why the first of those cannot."""

    def __iter__(self) -> Iterator[Event]:
        """Read it once, from the beginning.

        Raises:
            DocumentError: It cannot be read, lacks a column, or has lines none of which can be read.
        """
        try:
            with self._path.open("rb") as file:
                yield from self._events(_unpacked(file))
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or "the compressed file is cut or damaged"
            raise DocumentError(f"cannot read {self._path}: {why}") from None

    def _events(self, file: BufferedReader) -> Iterator[Event]:
        read: Callable[[str], dict[str, object]] | None = None
        is_any_read = False
        for line in _lines(file):
            self.count += 1
            if not line.strip():
                continue
            if read is None:
                if not line.lstrip().startswith(b"{"):
                    read = self._csv(line)
                    continue
                read = _json
            try:
                values = read(_text(line))
                at = self._time(values)
                event = self._event(values, at)
            except _UnreadableError as error:
                self.why = self.why or f"line {self.count} {error}"
                self.unreadable.append(self.count)
                continue
            is_any_read = True
            if event is not None:
                yield event
        if self.unreadable and not is_any_read:
            raise DocumentError(f"{self._path}: no line can be read: {self.why}")

    def _csv(self, heading: bytes) -> Callable[[str], dict[str, object]]:
        """What reads a line of CSV (RFC 4180) after its heading.

        Each line is read for itself: quotes that are not closed must not swallow the lines behind them.
        """
        try:
            names = [name.strip().casefold() for name in next(csv.reader([_text(heading)], strict=True))]
        except _UnreadableError as error:
            raise DocumentError(f"{self._path}: line {self.count} {error}") from None
        except csv.Error:
            names = []
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            wanted = ", ".join(f"`{name}`" for name in missing)
            raise DocumentError(
                f"{self._path}: line {self.count} is neither JSON nor a heading of CSV with the columns "
                f"`time`, `meeting`, `connection` and `event`: it lacks {wanted}; name them so, separated by commas"
            )
        places = [(name, names.index(name)) for name in COLUMNS]

        def read(line: str) -> dict[str, object]:
            try:
                cells = next(csv.reader([line], strict=True))
            except csv.Error:
                raise _UnreadableError("is no row of CSV: is a quote not closed?") from None
            if len(cells) != len(names):
                raise _UnreadableError(f"has {len(cells)} cells where the heading has {len(names)}")
            return {name: cells[place] for name, place in places}

        return read

    def _time(self, values: dict[str, object]) -> datetime | None:
        """The time of a line; `None` where it has none, as other events may."""
        text = values.get("time")
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            raise _UnreadableError("has a `time` that is no text: write ISO 8601 with an offset")
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise _UnreadableError("has a `time` that is not ISO 8601, as in 2026-11-24T12:00:00Z") from None
        if at.utcoffset() is None:
            raise _UnreadableError("has a `time` without offset: write 2026-11-24T12:00:00Z or +08:00 behind it")
        if self.first is None or at < self.first:
            self.first = at
        if self.last is None or at > self.last:
            self.last = at
        return at

    def _event(self, values: dict[str, object], at: datetime | None) -> Event | None:
        event = values.get("event")
        if not isinstance(event, str):
            raise _UnreadableError("has no `event`")
        effect = EFFECT_OF.get(event.strip().casefold())
        if effect is None:
            return None
        if at is None:
            raise _UnreadableError("has no `time`")
        return Event(
            line=self.count,
            at=at,
            meeting=_id(values, "meeting"),
            connection=_id(values, "connection"),
            effect=effect,
        )


def _unpacked(file: BufferedReader) -> BufferedReader:
    if file.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
        # It reads like a file; only the types of the standard library say otherwise.
        return BufferedReader(gzip.GzipFile(fileobj=file))  # type: ignore[type-var, arg-type, unused-ignore]
    return file


def _lines(file: BufferedReader) -> Iterator[bytes]:
    """The lines of a file; of one that is too long only its first megabyte and one byte."""
    if file.peek(len(_BOM))[: len(_BOM)] == _BOM:
        file.read(len(_BOM))
    while line := file.readline(_LONGEST + 1):
        yield line
        while len(line) > _LONGEST and not line.endswith(b"\n"):
            line = file.readline(_LONGEST + 1)


def _text(line: bytes) -> str:
    if len(line) > _LONGEST:
        raise _UnreadableError(f"is longer than {_LONGEST:,} bytes")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise _UnreadableError("is not in UTF-8: write the log, or convert it, in that") from None


def _json(line: str) -> dict[str, object]:
    try:
        found = _DECODER.decode(line)
    except (ValueError, RecursionError):
        raise _UnreadableError("is no JSON: was it cut?") from None
    if not isinstance(found, dict):
        raise _UnreadableError("is no object of JSON")
    return found


def _id(values: dict[str, object], name: str) -> str:
    """An id as rosters have it: a number is its digits."""
    value = values.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not plain(value):
        raise _UnreadableError(f"has no `{name}`")
    return plain(value)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
"""Made once: `json.loads` with options makes one for each line, which costs as much as reading it."""
