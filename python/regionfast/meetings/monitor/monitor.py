"""Who is present, decided at the door, and looked at again when orders, rules or tables change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final, cast

import numpy as np

from regionfast._lib import Table, parse_many
from regionfast.errors import RosterError
from regionfast.meetings.columns import Texts, encode, name
from regionfast.meetings.decide import Decisions, decide_joins
from regionfast.meetings.kinds import Integers
from regionfast.meetings.monitor.difference import State, newly_reached
from regionfast.meetings.monitor.door import Decision, Door, Joiner
from regionfast.meetings.monitor.present import Present, meeting_of
from regionfast.meetings.plan import Plan
from regionfast.meetings.roster import Parsed, Roster
from regionfast.policy.compile import bound
from regionfast.policy.policy import Policy
from regionfast.tables import Reloader
from regionfast.types import Address, Addresses, Effect


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What became of orders and rules for those who are present. Acts on nothing. False where there are no plans."""

    plans: tuple[Plan, ...]
    """One for each order or rule that newly reaches somebody, verified, orders first, as in the file.

    Its rows are those newly reached and no others; its roster holds their meetings, but for whom the same order or
    rule reached before."""
    ended: tuple[str, ...]
    """Ids of orders and rules that acted on who is inside and no longer do, as they were in the file: what acting on
    their plans left behind is to be cleared."""
    at: datetime
    """The moment that it is for, UTC, in whole seconds."""

    def __bool__(self) -> bool:
        return bool(self.plans)


class Monitor:
    """The present connections of many meetings.

    **Who is held.** Whom `join` or `joins` admits, and whom `enter` names. The id of a connection is unique in its
    meeting; who joins under an id that is present takes its place, and where he is not admitted the place is empty,
    since who stands at the door is not inside. A meeting has one account and one series as long as somebody is in it.

    **What changes.** `update`, `reload` and `changes` compare two states, each a table, a policy and a moment: the one
    of the last such call and the new one. An order or rule *newly reaches* somebody whom `plan_ejections` would act on
    in the new state and not, or otherwise, in the old one; it is told by its id. Of whom nothing could be said before
    (`enter`, `change`, and joins after something began or ended of itself) it newly reaches whomever it reaches. So
    each is in a plan once, and whether that plan is applied is the caller's affair; `roster` and `plan_ejections` give
    all who are reached. An order that admits at the door and ejects who is inside reaches those who join later only
    where they `change`.

    **Time** only goes forward for changes: an order that begins, or ends, by its dates shows in the next call. Joins
    are decided for their own moment.

    **A new table or policy** is used for joins at once, and for those present only through the plans. A call that
    raises changes nothing.

    **Threads** may call everything; one lock is held throughout, so joins wait while changes are worked out, not while
    a file is read.

    **Memory:** about 300 bytes a connection with its texts. Rows are used again, so it is that of the busiest moment.
    """

    def __init__(
        self,
        table: Table | Reloader,
        policy: Policy,
        *,
        witness: Table | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Nobody is present at first: see `joins` and `enter`.

        Args:
            table: Where addresses are; with a `Reloader` `reload` can be called.
            policy: Whose orders and rules are asked.
            witness: See `decide_joins`.
            clock: What time it is, with an offset, where a call does not say.

        Raises:
            TypeError: What is no table or policy.
        """
        self._reloader = table if isinstance(table, Reloader) else None
        self._clock = clock
        self._lock = threading.Lock()
        self._present = Present()
        self._fresh: set[int] = set()
        first = table.table if isinstance(table, Reloader) else table
        _check_kinds(first, policy, witness)
        self._set(State.of(first, witness, policy, _seconds(clock())))

    # --- one connection ---------------------------------------------------------------------------------------------

    def join(
        self,
        connection: str,
        participant: str | None,
        addresses: Address | Addresses | None,
        *,
        meeting: str,
        account: str | None = None,
        series: str | None = None,
        role: str | None = None,
        at: datetime | None = None,
    ) -> Decision:
        """Decide about one connection, and hold it as present where it is admitted.

        The decision is that of `decide_joins` for a roster of this connection. One that shows one address and is
        admitted takes the short way; who is held or denied is verified by the checker first, which takes much longer.

        Args:
            connection: Its id.
            participant: Who it is; `None` where that is not known.
            addresses: One address or several, in any form that `Roster` takes; none is a missing one.
            meeting: The meeting.
            account: The account that owns the meeting; `None`: it has none.
            series: The recurring meeting; `None`: it is none.
            role: The participant's role; `None`: none.
            at: The moment that is decided for; the clock's where it is left out.

        Raises:
            RosterError: No connection or meeting, what is no text, or another account or series than the meeting has.
            TypeError: Addresses in a form that is refused.
            ValueError: A time without offset.
            PlanRefused: The checker disagrees with a refusal; nothing was decided.
        """
        joiner = Joiner(
            _needed(connection, "connection"),
            name(participant, "participant"),
            _parsed(addresses),
            _needed(meeting, "meeting"),
            name(account, "account"),
            name(series, "series"),
            name(role, "role"),
        )
        moment = _seconds(self._clock() if at is None else at)
        with self._lock:
            self._present.check(joiner.meeting, joiner.account, joiner.series)
            decision = self._door.decide(joiner, moment)
            self._forget(joiner.meeting, joiner.connection)
            if decision.effect is Effect.ADMIT:
                row = self._present.add(joiner)
                if not self._is_steady(moment):
                    self._fresh.add(row)
        return decision

    def leave(self, meeting: str, connection: str) -> bool:
        """Forget a connection; says whether it was present."""
        meeting, connection = _needed(meeting, "meeting"), _needed(connection, "connection")
        with self._lock:
            return self._forget(meeting, connection)

    def change(
        self, meeting: str, connection: str, addresses: Address | Addresses | None, *, at: datetime | None = None
    ) -> Decision:
        """Take other addresses for a connection that is present, in the place of all that it showed.

        It stays present whatever is decided; whom it is newly reached by is in the plans of the next `changes`.

        Returns:
            What would be decided of it at the door.

        Raises:
            RosterError: It is not present.
            TypeError: As `join`; so are the others.
        """
        meeting, connection = _needed(meeting, "meeting"), _needed(connection, "connection")
        parsed = _parsed(addresses)
        moment = _seconds(self._clock() if at is None else at)
        with self._lock:
            row = self._present.find(meeting, connection)
            if row is None:
                raise RosterError(f"the connection is not present in meeting `{meeting}`: it has to join first")
            there, participant, role = self._present.person(row)
            joiner = Joiner(connection, participant, parsed, meeting, there.account, there.series, role)
            decision = self._door.decide(joiner, moment)
            self._present.readdress(row, parsed)
            self._fresh.add(row)
        return decision

    # --- many -------------------------------------------------------------------------------------------------------

    def joins(self, roster: Roster, *, at: datetime | None = None) -> Decisions:
        """Decide about all connections of a roster, and hold those that are admitted. As many calls of `join`.

        Raises:
            RosterError: A connection without an id, another account or series than a meeting has, or a column that the
                policy asks for is missing; then nobody was decided about.
            ValueError: As `join`; so are the others.
        """
        self._check_ids(roster)
        moment = _seconds(self._clock() if at is None else at)
        with self._lock:
            self._check_meetings(roster)
            state = self._state
            decisions = decide_joins(state.table, state.policy, roster, at=moment, witness=state.witness)
            admitted = np.flatnonzero(decisions.effect == int(Effect.ADMIT))
            rows = self._replace(roster, admitted)
            if not self._is_steady(moment):
                self._fresh.update(rows.tolist())
        return decisions

    def enter(self, roster: Roster) -> None:
        """Hold all connections of a roster as present without asking the door, in the place of what is known of them.

        For those who were there before the monitor, whom an owner let in from the waiting room, and whose addresses
        changed. Whom of them orders and rules reach is in the plans of the next `changes`.

        Raises:
            RosterError: As `joins`.
        """
        self._check_ids(roster)
        with self._lock:
            self._check_meetings(roster)
            self._fresh.update(self._replace(roster, np.arange(len(roster))).tolist())

    def leaves(self, meetings: Texts, connections: Texts) -> int:
        """Forget many connections, a meeting and a connection a row; says how many of them were present.

        Raises:
            RosterError: Columns of different length, or no columns of text; nobody was forgotten.
        """
        of, ids = encode(meetings, "meetings"), encode(connections, "connections")
        if len(of) != len(ids):
            raise RosterError(f"`meetings` has {len(of):,} rows and `connections` {len(ids):,}")
        with self._lock:
            pairs = ((meeting, connection) for meeting, connection in zip(of, ids, strict=True))
            return sum(self._forget(meeting, connection) for meeting, connection in pairs if meeting and connection)

    # --- changes ----------------------------------------------------------------------------------------------------

    def update(
        self,
        *,
        policy: Policy | None = None,
        table: Table | None = None,
        witness: Table | None = None,
        at: datetime | None = None,
    ) -> Changes:
        """Take another policy, table or witness, and say who is newly reached.

        What is left out stays as it is. A policy is compared with the last one, so an order on one meeting costs that
        meeting and O(entries); other corrections, exemptions, groups or defaults, and another witness, cost all
        meetings that orders and rules act on. A table costs two lookups of all addresses, and those meetings in which
        an address is elsewhere now, and then each plan. The next join pays once for compiling all entries.

        Raises:
            ValueError: A time without offset, or before that of the last changes.
            TypeError: What is no policy or table.
            PlanRefused: The checker disagrees with a plan.
            RegionError: A rule names a group of ours at a time before there are records of it.
        """
        with self._lock:
            state = self._state
            new = (table or state.table, witness or state.witness, policy or state.policy)
            _check_kinds(new[0], new[2], new[1])
            return self._move(State.of(*new, self._later(at)))

    def changes(self, *, at: datetime | None = None) -> Changes:
        """Say who is newly reached since the last changes: by orders that began, and by other addresses.

        O(1) where nothing began, ended or changed its address; otherwise as `update`.

        Raises:
            ValueError: As `update`; so are the others.
        """
        with self._lock:
            state, moment = self._state, self._later(at)
            if not self._fresh and self._is_steady(moment):
                return Changes(plans=(), ended=(), at=moment)
            return self._move(State.of(state.table, state.witness, state.policy, moment))

    def reload(self, *, at: datetime | None = None) -> Changes:
        """Read the file of the table again; where it is a new one, take it as `update` does.

        Where it cannot be used nothing changes, and `failed_since` and `error` say so.

        Raises:
            TypeError: The monitor was made with a table, which has no file to be read again.
            ValueError: As `update`; so are the others.
        """
        if self._reloader is None:
            raise TypeError("the monitor has a table and no `Reloader`: pass one, or use `update(table=...)`")
        self._reloader.reload()
        with self._lock:
            table, state = self._reloader.table, self._state
            if table is state.table:
                return Changes(plans=(), ended=(), at=state.at)
            return self._move(State.of(table, state.witness, state.policy, self._later(at)))

    @property
    def failed_since(self) -> datetime | None:
        """When reloading began to fail, UTC; `None` while the last reload was good, or there is no `Reloader`."""
        return None if self._reloader is None else self._reloader.failed_since

    @property
    def error(self) -> Exception | None:
        """Why the last reload failed; `None` as `failed_since`."""
        return None if self._reloader is None else self._reloader.error

    # --- what it holds ----------------------------------------------------------------------------------------------

    @property
    def table(self) -> Table:
        """The table that decides."""
        return self._state.table

    @property
    def policy(self) -> Policy:
        """The policy that decides."""
        return self._state.policy

    @property
    def witness(self) -> Table | None:
        """The table that has to confirm."""
        return self._state.witness

    def roster(self, meeting: str | None = None, *, at: datetime | None = None) -> Roster:
        """Who is present, in one meeting or in all; empty where nobody is. In no particular order. O(connections)."""
        moment = _seconds(self._clock() if at is None else at)
        with self._lock:
            if meeting is None:
                return self._present.roster(self._present.rows(), moment)
            there = self._present.meeting(_needed(meeting, "meeting"))
            return self._present.roster(self._present.rows_in([] if there is None else [there]), moment)

    def __len__(self) -> int:
        """How many connections are present."""
        return len(self._present)

    def __contains__(self, of: tuple[str, str]) -> bool:
        """Whether a connection is present, by its meeting and id."""
        meeting, connection = of
        with self._lock:
            return self._present.find(_needed(meeting, "meeting"), _needed(connection, "connection")) is not None

    def __repr__(self) -> str:
        return f"<Monitor of {len(self):,} connections in {self._present.meeting_count:,} meetings>"

    # --- within the lock --------------------------------------------------------------------------------------------

    def _set(self, state: State) -> None:
        self._state = state
        self._door = Door(state.table, state.policy, state.witness)
        self._steady: tuple[float, float] | None = None

    def _move(self, after: State) -> Changes:
        before = self._state
        plans = newly_reached(self._present, before, after, self._fresh)
        ended = before.ended(after)
        self._set(after)
        self._fresh.clear()
        return Changes(plans=plans, ended=ended, at=after.at)

    def _is_steady(self, moment: datetime) -> bool:
        """Whether nothing began or ended of itself between the last changes and a moment."""
        if self._steady is None:
            self._steady = bound(self._state.policy, self._state.table).steady(self._state.at)
        return self._steady[0] <= moment.timestamp() < self._steady[1]

    def _later(self, at: datetime | None) -> datetime:
        """The moment of the next changes. A clock that is set back stands still."""
        last = self._state.at
        if at is None:
            return max(last, _seconds(self._clock()))
        moment = _seconds(at)
        if moment < last:
            raise ValueError(f"`at` is before {last:%Y-%m-%dT%H:%M:%SZ}, the moment of the last changes")
        return moment

    def _forget(self, meeting: str, connection: str) -> bool:
        row = self._present.remove(meeting, connection)
        if row is not None:
            self._fresh.discard(row)
        return row is not None

    def _replace(self, roster: Roster, chosen: Integers) -> Integers:
        """Hold the chosen ones of a roster, and forget all others of it; gives the rows."""
        assert roster.connections is not None  # `_check_ids`
        for meeting, connection in zip(roster.meetings, roster.connections, strict=True):
            self._forget(cast("str", meeting), cast("str", connection))
        return self._present.add_all(roster, chosen)

    def _check_ids(self, roster: Roster) -> None:
        if not isinstance(roster, Roster):
            raise TypeError(f"`roster` is of type `{type(roster).__name__}`: pass `rf.Roster(...)`")
        ids = roster.connections
        if ids is None:
            raise RosterError("the roster has no column `connections`: without ids nobody can be told to have left")
        if ids.null_code is not None and (missing := ids.codes == ids.null_code).any():
            raise RosterError(f"connection {int(np.argmax(missing))} of the roster has no id in `connections`")

    def _check_meetings(self, roster: Roster) -> None:
        for code in np.unique(roster.meetings.codes).tolist():
            self._present.check(*meeting_of(roster, code))


def _check_kinds(table: Table, policy: Policy, witness: Table | None) -> None:
    for value, called, kind, instead in (
        (table, "table", Table, "`rf.open(path)` or `rf.Reloader(path)`"),
        (policy, "policy", Policy, "`rf.Policy.load(path)`"),
        (table if witness is None else witness, "witness", Table, "`rf.open(path)`"),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"`{called}` is of type `{type(value).__name__}`: pass {instead}")


def _seconds(at: datetime) -> datetime:
    """A moment in whole seconds, UTC."""
    if at.utcoffset() is None:
        raise ValueError("`at` has no offset: pass a time such as `datetime.now(UTC)`")
    return at.astimezone(UTC).replace(microsecond=0)


def _needed(text: str, column: str) -> str:
    found = name(text, column)
    if found is None:
        raise RosterError(f"no `{column}`: pass its id")
    return found


_NO_ADDRESS: Final = (None,)


def _parsed(addresses: Address | Addresses | None) -> Parsed:
    """One address or several; none is a missing one, as a roster has it."""
    if addresses is None or isinstance(addresses, str | IPv4Address | IPv6Address):
        return parse_many((addresses,))
    parsed = parse_many(cast("Iterable[Address]", addresses))
    return parsed if len(parsed[0]) else parse_many(_NO_ADDRESS)
