"""Records of the audit: one line of JSON each, chained by hashes. What a line is, and how lines are read.

A line is `{"hash":"<64 digits>","n":0,"at":"2026-11-24T12:00:00.123Z","kind":"…",…}` in ASCII, without blanks. Its hash
is SHA-256 over the hash of the line before, as its 64 digits, and what stands in the line after the hash: so it covers
all lines up to here, and can be computed by anybody who can cut a line at a fixed place.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from os import PathLike
from pathlib import Path
from typing import Final, NoReturn

from regionfast.errors import AuditError
from regionfast.meetings.audit.plainfile import open_file

WRITER: Final = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
SUFFIX: Final = ".jsonl"
ACTING: Final = "act"
"""Whose chain tells of plans, rows and undoings. In the chains of others, which other users may write, they count for
nothing: else such a one could have people forgotten who are still kept out."""
CHECKPOINTS: Final = "checkpoints.jsonl"
"""The one file of the directory that has the suffix and is no chain."""
LONGEST: Final = 1 << 20
"""Bytes of a line with its end, at most. Ours have some hundred; more would let a hostile file take all memory."""
KINDS: Final = frozenset(
    {"open", "plan", "refused", "intent", "handover", "result", "finished", "undo", "join", "destroyed", "torn"}
)
"""Kinds that this release writes. Others are members of a chain like these: a later release may have written them."""

_START: Final = b'{"hash":"'
_HASH_END: Final = len(_START) + 64
REST: Final = _HASH_END + len(b'",')
"""Where in a line stands what its hash covers."""
_LARGEST: Final = 10**15 - 1
"""Of the numbers of records: every language reads it exactly, from doubles as well."""
_OWN: Final = ("hash", "n", "at", "kind")
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_AT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a chain."""

    writer: str
    n: int
    """Its number in the chain, from 0."""
    at: datetime
    """When it was written, UTC, in milliseconds."""
    kind: str
    hash: str
    """Over this and all records before it, 64 hexadecimal digits."""
    fields: Mapping[str, object]
    """The rest, by kind; `docs/formats` has the schema."""

    def text(self, name: str) -> str:
        """A field that is a text; `""` where it is absent or something else."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


class BrokenLineError(ValueError):
    """A line that is no record, or not the next one; says why."""


def beginning(writer: str) -> str:
    """What stands for the hash before the first line of a writer, so that no chain can be passed off as another's."""
    return hashlib.sha256(f"regionfast chain 1 {writer}".encode("ascii")).hexdigest()


def is_there(directory: Path) -> bool:
    """Whether there is such a directory.

    Raises:
        AuditError: That cannot be seen.
    """
    try:
        return directory.is_dir()
    except OSError as error:
        raise AuditError(f"cannot read the audit directory {directory}: {error.strerror}") from None


def chain_paths(directory: Path) -> list[Path]:
    """The files of a directory that are called as chains are, by name; none where there is no such directory yet.

    Raises:
        AuditError: The directory cannot be read.
    """
    return sorted(path for path in files(directory) if path.suffix == SUFFIX and path.name != CHECKPOINTS)


def files(directory: Path) -> list[Path]:
    """All that is in a directory, in no order; nothing where there is no such directory yet.

    Raises:
        AuditError: The directory cannot be read.
    """
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AuditError(f"cannot read the audit directory {directory}: {error.strerror}") from None


def line_of(previous: str, n: int, at: str, record: Mapping[str, object]) -> tuple[str, bytes]:
    """The hash and the line, with its end, of a record.

    Raises:
        ValueError: The record has no kind, or a member of its own that is called as one that every line has.
    """
    kind = record["kind"]
    if not isinstance(kind, str) or not _KIND.fullmatch(kind) or "hash" in record or "n" in record or "at" in record:
        raise ValueError("a record has a kind, and no `hash`, `n` or `at` of its own: they are the chain's")
    members = _ENCODER.encode({"kind": kind, **record})  # the kind stands first
    rest = f'"n":{n},"at":"{at}",{members[1:]}'.encode("ascii")
    found = hashlib.sha256(previous.encode("ascii") + rest).hexdigest()
    return found, b'{"hash":"%b",%b\n' % (found.encode("ascii"), rest)


def stated_hash(line: bytes) -> str:
    """The hash that a line says it has; `""` where it says none."""
    if line[: len(_START)] != _START or line[_HASH_END:REST] != b'",':
        return ""
    stated = line[len(_START) : _HASH_END].decode("latin-1")
    return stated if _HASH.fullmatch(stated) else ""


def follow(previous: str, whole: bytes) -> str:
    """The hash of a line, with its end, after it is seen to follow the line with the hash `previous`.

    Raises:
        BrokenLineError: It does not, or is too long.
    """
    if len(whole) > LONGEST:
        raise BrokenLineError("is too long for a record")
    found = hashlib.sha256(previous.encode("ascii") + whole[REST:-1]).hexdigest()
    if whole[:REST] != b'{"hash":"%b",' % found.encode("ascii"):
        raise BrokenLineError("does not have the hash that it says: it, or the line before, was changed")
    return found


def parse(line: bytes) -> dict[str, object]:
    """The members of a line, in their order.

    Raises:
        BrokenLineError: It is no JSON object, says something twice, or lacks what every record has.
    """
    if len(line) >= LONGEST:
        raise BrokenLineError("is too long for a record")
    try:
        found = _DECODER.decode(line.decode("ascii"))
    except UnicodeDecodeError:
        raise BrokenLineError("is not in ASCII") from None
    except (ValueError, RecursionError):
        raise BrokenLineError("is no JSON, or says something twice") from None
    if not isinstance(found, dict):
        raise BrokenLineError("is no object of JSON")
    n, at, kind = found.get("n"), found.get("at"), found.get("kind")
    if tuple(found)[: len(_OWN)] != _OWN or type(n) is not int or not isinstance(at, str) or not isinstance(kind, str):
        raise BrokenLineError("does not begin with hash, number, time and kind")
    if not 0 <= n <= _LARGEST:
        raise BrokenLineError("has a number that is none")
    if not _KIND.fullmatch(kind):
        raise BrokenLineError("has a kind that is no word")
    moment(at)
    return found


def moment(at: str) -> datetime:
    """The time of a record.

    Raises:
        BrokenLineError: It is no time, or not written as records have it.
    """
    try:
        if _AT.fullmatch(at):
            return datetime.fromisoformat(at)
    except ValueError:
        pass
    raise BrokenLineError("has a time that there is not")


def written(at: datetime) -> str:
    """A time as records have it.

    Raises:
        ValueError: The time is naive.
    """
    if at.tzinfo is None:
        raise ValueError("a record has a time in UTC, not a naive one: give a clock that knows its time zone")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a chain with their ends, which the last one lacks where it is unfinished.

    Of a line that is too long for a record its first `LONGEST` + 1 bytes are given, so memory stays bounded.

    Raises:
        AuditError: It cannot be read, or is no file.
    """
    try:
        with BufferedReader(open_file(path)) as file:
            while line := file.readline(LONGEST + 1):
                yield line
                while len(line) > LONGEST and not line.endswith(b"\n"):
                    line = file.readline(LONGEST + 1)
    except OSError as error:
        raise AuditError(f"cannot read {path}: {error.strerror}") from None


def records(directory: str | PathLike[str], writer: str | None = None, *, plan: str | None = None) -> Iterator[Record]:
    """All records of all chains, or of one, each chain in its order; hashes and numbers are verified on the way.

    An unfinished last line, which a crash leaves, ends its chain. Where there are no chains there are no records.
    Cost: O(bytes); one line is in memory at a time.

    Args:
        directory: The audit directory.
        writer: Only this one's chain.
        plan: Only records of the plan with this hash. All hashes are verified, but only these records are parsed.

    Raises:
        AuditError: A chain is broken, or cannot be read. What was given before is sound.
    """
    for path in chain_paths(Path(directory)):
        if writer is None or path.stem == writer:
            yield from _records_of(path, plan)


def _records_of(path: Path, plan: str | None) -> Iterator[Record]:
    if not WRITER.fullmatch(path.stem):
        raise AuditError(f"{path.name} is called as no chain is: see `audit verify`")
    holding = b"" if plan is None else b'"plan":%b' % json.dumps(plan).encode("ascii")
    previous = beginning(path.stem)
    for n, whole in enumerate(lines(path)):
        try:
            if not whole.endswith(b"\n") and len(whole) <= LONGEST:
                return
            previous = follow(previous, whole)
            if holding not in whole:
                continue
            record = _record(path.stem, parse(whole[:-1]), n)
        except BrokenLineError as error:
            raise AuditError(f"{path.name}, line {n + 1} {error}: the chain is broken, see `audit verify`") from None
        if plan is None or record.fields.get("plan") == plan:
            yield record


def _record(writer: str, found: dict[str, object], n: int) -> Record:
    if found["n"] != n:
        raise BrokenLineError(f"has another number than {n}")
    own = {name: found.pop(name) for name in _OWN}
    return Record(
        writer=writer,
        n=n,
        at=moment(str(own["at"])),
        kind=str(own["kind"]),
        hash=str(own["hash"]),
        fields=found,
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_once)
