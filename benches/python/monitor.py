"""The monitor: a million connections present, and one person, one order or one table more.

The policy is that of `decisions`, with another order on one meeting each time; the tables are the database and the
same with a hundredth of its ranges, or all of them, in another region. Policies and tables are loaded before: what that
costs is a case of its own.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
from cases import ROWS, SEED, Case, table
from decisions import AT, ENTRIES, MEETINGS, ORDER, policy

import regionfast as rf
from regionfast.meetings.monitor import Changes, Monitor

PRESENT = ROWS * 9 // 8
"""Who asks; a tenth is refused, so that a million is present."""
POLICIES = 8


@cache
def roster() -> rf.Roster:
    """As that of `decisions`, each connection with its id."""
    random = np.random.default_rng(SEED)
    meeting = random.integers(0, MEETINGS, PRESENT).tolist()
    return rf.Roster(
        [f"p{number}" for number in range(PRESENT)],
        random.integers(0, 1 << 32, PRESENT, dtype=np.uint32),
        meetings=[f"m{number}" for number in meeting],
        accounts=[f"a{number // 10 if number < 10 * ENTRIES else ENTRIES}" for number in meeting],
        connections=[f"c{number}" for number in range(PRESENT)],
    )


@cache
def policies() -> list[rf.Policy]:
    """That of `decisions` with one order more, each time another, on a meeting that has none and whose account no rule.

    They share no objects, as they would not when read from a file one after another.
    """
    found = []
    for number in range(POLICIES):
        meeting = MEETINGS - 1 - number
        text = ORDER.format(number=f"new-{number}", country="US", first=meeting, second=meeting)
        orders = policy().orders + rf.Policy.from_text(f"version = 1\n{text}").orders
        found.append(pickle.loads(pickle.dumps(replace(policy(), orders=orders))))  # noqa: S301 - our own
    return found


@cache
def another_table(moved: float) -> rf.Table:
    """The same ranges, a share of them in the region of some other."""
    random = np.random.default_rng(SEED)
    rows = [(first, last, str(place)) for first, last, place in table().ranges() if isinstance(place, rf.Region)]
    regions = [place for _, _, place in rows]
    for row in np.flatnonzero(random.random(len(rows)) < moved).tolist():
        regions[row] = regions[int(random.integers(len(rows)))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moved.csv"
        lines = (f"{first},{last},{region}\n" for (first, last, _), region in zip(rows, regions, strict=True))
        path.write_text("".join(lines), encoding="utf-8")
        return rf.open(path)


@cache
def monitor() -> Monitor:
    """With a million connections."""
    found = Monitor(table(), policies()[0], clock=lambda: AT)
    found.joins(roster())
    assert len(found) > 1_000_000
    return found


def monitoring() -> Iterator[Case]:
    """The rows of the design, and what is left out of them."""
    watched = monitor()
    number = count(1)

    def another_order() -> Changes:
        return watched.update(policy=policies()[next(number) % POLICIES])

    def changes(group: str, call: Callable[[], Changes]) -> Case:
        return Case(group, "regionfast", call, 1, None, ours=True)

    yield changes("monitor, an order on one meeting", another_order)

    def order_and_join() -> Changes:
        found = another_order()
        watched.join("one", "person", "1.1.1.1", meeting="m9000", account="a500")
        return found

    yield changes("monitor, the same and the next join", order_and_join)
    yield Case("loading that policy", "regionfast", policy.__wrapped__, 1, ours=True)
    for share, words in ((0.01, "a hundredth"), (1.0, "all")):
        tables = [table(), another_table(share)]

        def new_table(tables: list[rf.Table] = tables) -> Changes:
            return watched.update(table=tables[watched.table is tables[0]])

        yield changes(f"monitor, a table with {words} of its ranges elsewhere", new_table)

    def join() -> object:
        return watched.join("one", "person", "1.1.1.1", meeting="m9000", account="a500").effect

    def join_and_leave() -> object:
        watched.join("one", "person", "1.1.1.1", meeting="m9000", account="a500")
        return watched.leave("m9000", "one")

    def refused() -> object:
        return watched.join("one", "person", "114.114.114.114", meeting="m2", account="a0").effect

    yield Case("monitor, one join in its own place", "regionfast", join, 1, ours=True)
    yield Case("monitor, one join and its leave", "regionfast", join_and_leave, 1, ours=True)
    yield Case("monitor, one join that is refused", "regionfast", refused, 1, ours=True)
