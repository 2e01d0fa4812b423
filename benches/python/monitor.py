"""The monitor: a million connections present, and one person, one order or one table more.

The policy is that of `decisions`, with another order on one meeting each time; the tables are the database with some of
its ranges, or all of them, in another region. Policies and tables are loaded before: what a policy costs is a case of
its own.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
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
POLICIES = 16
"""More than are kept ready for a table, so that each is as new as the first."""


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
def another_table(moved: float, seed: int) -> rf.Table:
    """The same ranges, a share of them in the region of some other."""
    random = np.random.default_rng(seed)
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

    def order_and_join() -> object:
        another_order()
        return watched.join("one", "person", "1.1.1.1", meeting="m9000", account="a500")

    yield Case("monitor, a new order on one meeting", "regionfast", another_order, 1, ours=True)
    yield Case("monitor, the same and the next join", "regionfast", order_and_join, 1, ours=True)
    yield Case("monitor, loading that policy", "regionfast", policy.__wrapped__, 1, ours=True)
    for moved, words in ((0.005, ""), (1.0, ", everything elsewhere")):
        # Each differs from the other as much as from the database: either way there is somebody newly reached.
        tables = [another_table(moved, SEED), another_table(moved, SEED + 1)]

        def new_table(tables: list[rf.Table] = tables) -> Changes:
            return watched.update(table=tables[watched.table is tables[0]])

        for _ in range(3):
            assert new_table() or watched.table is tables[0], "a table that reaches nobody is no measure"
        yield Case(f"monitor, a new table{words}", "regionfast", new_table, 1, ours=True)

    def join_and_leave() -> object:
        watched.join("one", "person", "1.1.1.1", meeting="m9000", account="a500")
        return watched.leave("m9000", "one")

    def refused() -> object:
        return watched.join("one", "person", "114.114.114.114", meeting="m2", account="a0").effect

    yield Case("monitor, join and leave", "regionfast", join_and_leave, 2, ours=True)
    yield Case("monitor, a join that is refused", "regionfast", refused, 1, ours=True)
