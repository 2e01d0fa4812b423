"""Reading a chain that anybody may have tampered with: all that is wrong in it, and what it holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from regionfast.errors import AuditError
from regionfast.meetings.audit.record import (
    KINDS,
    LONGEST,
    REST,
    SUFFIX,
    BrokenLineError,
    beginning,
    follow,
    lines,
    moment,
    parse,
    stated_hash,
)

MOST_FINDINGS: Final = 100
"""A file of other origin is wrong in each line, and nobody reads a million findings."""
_MOST_KINDS: Final = 100
OTHER_KINDS: Final = "…"
"""Under which kinds are counted beyond a hundred, so that a hostile file cannot take all memory."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    writer: str | None
    """Whose chain; `None` for a checkpoint or another file."""
    line: int | None
    """From 1; `None` for a chain or file as a whole."""
    what: str

    def __str__(self) -> str:
        if self.writer is None:
            return self.what
        place = f"{self.writer}{SUFFIX}"
        return f"{place}: {self.what}" if self.line is None else f"{place}, line {self.line} {self.what}"


class Findings:
    """What was found so far, the first hundred in full."""

    def __init__(self) -> None:
        self.listed: list[Finding] = []
        self.unlisted = 0
        """How many there are beside these."""

    def add(self, writer: str | None, line: int | None, what: str) -> None:
        """Take one more."""
        if len(self.listed) < MOST_FINDINGS:
            self.listed.append(Finding(writer, line, what))
        else:
            self.unlisted += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """What one chain holds."""

    writer: str
    records: int
    """Whole lines."""
    first: datetime | None
    """When the first record was written, by the clock of its writer; `None` without any."""
    last: datetime | None
    """When the last one was."""
    backwards: int
    """How often a record is older than the one before it: the clock of its writer was put back, or was false."""
    head: str | None
    """Hash of the last record; `None` without any."""
    torn_bytes: int
    """Of an unfinished record at the end, as a crash leaves it."""
    kinds: Mapping[str, int]
    """Records by kind."""
    hashes: Mapping[int, str] = field(repr=False)
    """Of the records that were asked for, by number."""

    @property
    def unknown_kinds(self) -> tuple[str, ...]:
        """Kinds that this release does not know: members of the chain like all others."""
        return tuple(sorted(self.kinds.keys() - KINDS))


def examine(path: Path, wanted: Container[int], findings: Findings) -> ChainState:
    """Read a chain to its end, whatever is in it.

    After a line that is wrong it goes on with the next, which is judged by what that line says its hash is: so one
    change is one finding or two, and the changes behind it are found as well. An unfinished last line is what a crash
    leaves, and no finding.

    Args:
        path: The file.
        wanted: Numbers of records whose hashes are returned.
        findings: Takes what is wrong.

    Cost: O(bytes); one line, of at most a megabyte, is in memory at a time.
    """
    writer = path.stem
    previous = beginning(writer)
    members = _Members()
    kinds: Counter[str] = Counter()
    hashes: dict[int, str] = {}
    count = due = torn = 0
    first = None
    try:
        for whole in lines(path):
            if not whole.endswith(b"\n") and len(whole) <= LONGEST:
                torn = len(whole)
                if _follows(previous, whole):
                    findings.add(writer, count + 1, "is whole, but what ends it was overwritten")
                break
            count += 1
            why = None
            try:
                previous = follow(previous, whole)
            except BrokenLineError as error:
                why = str(error)
                previous = stated_hash(whole)
            try:
                number, kind = members.read(whole)
            except BrokenLineError as error:
                why = str(error)
                due += 1
            else:
                if number != due:
                    why = (
                        f"has number {number} where {due} is due: lines were deleted, inserted or put in another order"
                    )
                due = number + 1
                if number in wanted:
                    hashes[number] = previous
                kinds[kind if kind in kinds or len(kinds) < _MOST_KINDS else OTHER_KINDS] += 1
                first = first or members.at
            if why is not None:
                findings.add(writer, count, why)
    except AuditError as error:
        findings.add(writer, None, str(error))
    return ChainState(
        writer=writer,
        records=count,
        first=first,
        last=members.at,
        backwards=members.backwards,
        head=previous if count else None,
        torn_bytes=torn,
        kinds=dict(kinds),
        hashes=hashes,
    )


def _follows(previous: str, whole: bytes) -> bool:
    try:
        follow(previous, whole)
    except BrokenLineError:
        return False
    return True


_MOST_SHAPES: Final = 50
_MOST_NAMES: Final = 20
_NAME: Final = re.compile(r"[a-z_]{1,40}", re.ASCII)
_VALUE: Final = rb'(?:"[ !#-\[\]-~]*+"|0|[1-9][0-9]{0,14}+|null|true|false)'
"""A plain value of JSON: no list, no object, no text with escapes."""


class _Members:
    """Reads number and kind of lines, and sees that they are records.

    Lines of one kind look alike, so a pattern is made of the first one that the parser took, with its names and any
    plain values. A line that matches has these names once each and is no record to the pattern only: the parser would
    take it as well, at twice the cost. All other lines go to the parser.
    """

    def __init__(self) -> None:
        self.at: datetime | None = None
        """When the line that was read last was written."""
        self.backwards = 0
        """How often that was before the line before it."""
        self._at = b""
        self._kind = ""
        self._pattern: re.Pattern[bytes] | None = None
        self._patterns: dict[tuple[str, ...], re.Pattern[bytes]] = {}

    def read(self, whole: bytes) -> tuple[int, str]:
        """Number and kind of a line.

        Raises:
            BrokenLineError: It is no record.
        """
        found = self._pattern and self._pattern.fullmatch(whole, REST, len(whole) - 1)
        if not found:
            return self._parsed(whole)
        number, at = found.groups()
        if at != self._at:  # records of one group have one time
            self._take(at)
        return int(number), self._kind

    def _take(self, written: bytes) -> None:
        at = moment(written.decode("ascii"))
        self.backwards += self.at is not None and at < self.at
        self.at, self._at = at, written

    def _parsed(self, whole: bytes) -> tuple[int, str]:
        found = parse(whole[:-1])
        number, kind = found["n"], str(found["kind"])
        assert isinstance(number, int)  # by `parse`
        self._take(str(found["at"]).encode("ascii"))
        names = tuple(found)[4:]
        pattern = self._patterns.get((kind, *names))
        is_ours = kind in KINDS and len(names) <= _MOST_NAMES and all(map(_NAME.fullmatch, names))
        if pattern is None and is_ours and len(self._patterns) < _MOST_SHAPES:
            pattern = self._patterns[kind, *names] = _pattern(kind, names)
        if pattern is not None:
            self._kind, self._pattern = kind, pattern
        return number, kind


def _pattern(kind: str, names: tuple[str, ...]) -> re.Pattern[bytes]:
    own = rb'"n":(0|[1-9][0-9]{0,14}+),"at":"([0-9T:.Z-]{24})","kind":"%b"' % kind.encode("ascii")
    return re.compile(own + b"".join(b',"%b":%b' % (name.encode("ascii"), _VALUE) for name in names) + rb"\}")
