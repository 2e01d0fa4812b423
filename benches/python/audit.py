"""The audit: records written and synced in groups as acting writes them, and verified as somebody else does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from cases import Case, Codes

from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.verify import Verification, verify

RECORDS = 100_000
GROUPS = (100, 1000)
AT = datetime(2026, 11, 24, tzinfo=UTC)


def result(number: int) -> dict[str, object]:
    """What is written of one person: about 380 bytes."""
    return {
        "kind": "result",
        "plan": f"{1:064x}",
        "by": "cn-2020-06-04",
        "scope": f"{2:032x}",
        "connection": f"{number:032x}",
        "effect": "eject",
        "outcome": "done",
        "attempts": 1,
        "sealed": None,
    }


def write(folder: Path, records: list[dict[str, object]], group: int) -> str:
    """Write a chain anew; the hash of its end."""
    (folder / "bench.jsonl").unlink(missing_ok=True)
    with Chain.open(folder, "bench", clock=lambda: AT) as chain:
        for first in range(0, len(records), group):
            chain.append(records[first : first + group])
        return chain.head.hash


def ends(found: object) -> Codes:
    """The end of the chain, which is the same however it was grouped, and whether it is sound."""
    if isinstance(found, Verification):
        (state,) = found.chains
        return [state.head if found.is_sound else None, str(state.records)]
    return [str(found), str(RECORDS + 1)]


def audit() -> Iterator[Case]:
    """The rows of the issue. What is written is written where temporary files are: the disk is a part of the figure."""
    folder = Path(mkdtemp(prefix="regionfast-audit-"))
    try:
        records = [result(number) for number in range(RECORDS)]
        for group in GROUPS:
            name = f"audit, written and synced by {group:,}"
            yield Case(name, "regionfast", partial(write, folder, records, group), RECORDS, ends, ours=True)
        write(folder, records, max(GROUPS))
        yield Case("audit, verified", "regionfast", partial(verify, folder), RECORDS + 1, ends, ours=True)
    finally:
        shutil.rmtree(folder)
