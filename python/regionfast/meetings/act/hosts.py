"""Keeping a meeting running: somebody stays, and somebody who stays is its host."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from regionfast.meetings.act.asking import Look
from regionfast.meetings.act.control import Present
from regionfast.meetings.act.targets import Target

CANDIDATES: Final = 3
"""To so many a handover is tried."""


@dataclass(frozen=True, slots=True)
class Running:
    """What must happen so that a meeting goes on without some connections."""

    leaving: Target | None
    """The last host, who has to hand over first; `None` where nobody has to."""
    candidates: tuple[Present, ...]
    """Who stays and may be a host, in the control's order."""


def running(rows: Sequence[Target], look: Look, *, late: Collection[str], planned: Collection[str]) -> Running:
    """Whether a meeting loses its last host with some rows, and who could be the next.

    Args:
        rows: Those that are to leave now; all are present.
        look: Who is there.
        late: Connections that were asked to leave and may yet do so: none of them counts as staying.
        planned: Connections of the meeting that the plan acts on, now or later: none of them becomes a host.
    """
    leaving = {row.removal.connection for row in rows}.union(late)
    hosts = [row for row in rows if look.present[row.removal.connection].is_host]
    stays = {name: one for name, one in look.present.items() if name not in leaving and name not in look.doubtful}
    if not hosts or any(one.is_host for one in stays.values()):
        return Running(None, ())
    able = [one for name, one in stays.items() if name not in planned and one.may_host]
    return Running(hosts[-1], tuple(able[:CANDIDATES]))


def kept(rows: Sequence[Target], look: Look, *, late: Collection[str]) -> Target | None:
    """The row that may not leave because nobody would be there without it; `None` where others stay."""
    leaving = {row.removal.connection for row in rows}.union(late, look.doubtful)
    if not rows or any(connection not in leaving for connection in look.present):
        return None
    hosts = [row for row in rows if look.present[row.removal.connection].is_host]
    return (hosts or list(rows))[-1]
