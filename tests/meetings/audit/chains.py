"""Chains as acting writes them, and lines as somebody forges them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regionfast.meetings.audit.chain import Chain

AT: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY: Final = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC: Final = KEY.public_key().public_bytes_raw()
PLAN: Final = "b" * 64


def clock() -> datetime:
    """Always the same time."""
    return AT


def result(number: int) -> dict[str, object]:
    """A record of one person, as most are."""
    return {
        "kind": "result",
        "plan": PLAN,
        "by": "cn-2020-06-04",
        "scope": "c" * 32,
        "connection": f"{number:032x}",
        "effect": "eject",
        "outcome": "done",
        "attempts": 1,
        "sealed": None,
    }


def plan() -> dict[str, object]:
    """A record with all that JSON has in it."""
    return {
        "kind": "plan",
        "plan": PLAN,
        "by": "cn-2020-06-04",
        "entry": {"type": "order", "law": 'é "quoted" \\ line\n', "until": None},
        "counts": {"eject": 2, "hold": 0},
        "approvals": [{"approver": "ops-1"}, {"approver": "ops-2"}],
        "resumed": False,
    }


def write(directory: Path, count: int = 3, writer: str = "act") -> Path:
    """A chain of an opening, a plan and `count` results."""
    with Chain.open(directory, writer, clock=clock) as chain:
        chain.append([plan()])
        chain.append([result(number) for number in range(count)])
    return directory / f"{writer}.jsonl"


def lines(path: Path) -> list[bytes]:
    """The lines of a chain with their ends."""
    return path.read_bytes().splitlines(keepends=True)


def beginning(writer: str) -> str:
    """What the first line's hash begins with."""
    return hashlib.sha256(f"regionfast chain 1 {writer}".encode()).hexdigest()


def sealed(previous: str, rest: bytes) -> bytes:
    """A line with the hash that it should have; written anew here, from the description of the format."""
    digest = hashlib.sha256(previous.encode() + rest).hexdigest()
    return b'{"hash":"' + digest.encode() + b'",' + rest + b"\n"


def stated(line: bytes) -> str:
    """The hash that a line says it has."""
    return line[9:73].decode()


def chained(writer: str, rests: Iterator[bytes] | list[bytes]) -> bytes:
    """Lines whose hashes are all right, whatever else is in them."""
    previous, written = beginning(writer), []
    for rest in rests:
        written.append(sealed(previous, rest))
        previous = stated(written[-1])
    return b"".join(written)


def rest_of(number: int, record: Mapping[str, object], at: str = "2026-11-24T12:00:00.000Z") -> bytes:
    """What a line holds after its hash."""
    return json.dumps({"n": number, "at": at, **record}, separators=(",", ":")).encode()[1:]
