"""Why a connection has its effect: one plain sentence, and the warnings that stand beside all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings.reach import nearly, nearly_in
from regionfast.meetings.roster import INVALID, Roster
from regionfast.policy.compile import ENTRIES
from regionfast.policy.model import Entry, Order
from regionfast.policy.outcome import REASON_BITS
from regionfast.policy.tells import Told, untold
from regionfast.tables import BUNDLED
from regionfast.types import RELAY_BY_OVERRIDE, Effect, Evidence, Reason, Status

if TYPE_CHECKING:
    from regionfast.meetings.evaluate import Evaluation

VERBS: Final = {
    Effect.ADMIT: "may join",
    Effect.HOLD: "has to wait",
    Effect.DENY: "may not join",
    Effect.KEEP: "stays",
    Effect.EJECT: "would have to leave",
}

BECAUSE: Final = {
    Reason.ELSEWHERE: "{entry} does not concern it",
    Reason.UNKNOWN: "{entry} does not touch it, since unknown is not a place",
    Reason.PRIVATE: "{entry} does not touch it, since a private address has no place",
    Reason.RESERVED: "{entry} does not touch it, since a reserved address has no place",
    Reason.INVALID: "{entry} does not touch it, since there is no address to place",
    Reason.MISSING: "{entry} does not touch it, since there is no address to place",
    Reason.RELAY: "{entry} does not touch it, since a relay may stand for anybody",
    Reason.CONFLICT: "{entry} does not touch it, since its addresses disagree",
    Reason.UNDECIDED: "{entry} does not touch it, since the table does not tell which part of the region it is",
    Reason.OVERRIDE: "{entry} does not touch it, since database and overrides do not agree",
    Reason.CORRECTED: "{entry} does not touch it, since a correction says that it is not there",
    Reason.EXEMPT: "{entry} does not touch it, since an exemption excuses it",
    Reason.DISPUTED: "{entry} does not touch it, since the second table does not confirm that",
}
"""What is said of those that an entry does not act on."""

HELD: Final = {
    Reason.UNKNOWN: "it is not placed anywhere",
    Reason.PRIVATE: "a private address is not placed anywhere",
    Reason.RESERVED: "a reserved address is not placed anywhere",
    Reason.INVALID: "there is no address to place",
    Reason.MISSING: "there is no address to place",
    Reason.RELAY: "a relay may stand for anybody",
    Reason.CONFLICT: "its addresses disagree",
    Reason.UNDECIDED: "the table does not tell which part of the region it is",
}
"""Why a rule that cannot place a connection leaves it to the defaults, or holds it."""


def sentence(
    evaluation: Evaluation,
    index: int,
    effect: Effect,
    key: int,
    *,
    also: Sequence[str] = (),
    untouched: str | None = None,
) -> str:
    """Effect, what the table says, and which order or rule makes of it what it does.

    Args:
        evaluation: What was asked.
        index: Of the connection.
        effect: Of the connection.
        key: Of the connection.
        also: Further orders of the same effect.
        untouched: Why nothing reaches the connection, where more is known than that.
    """
    roster = evaluation.roster
    reason = Reason(key & (1 << REASON_BITS) - 1)
    head = f"connection {index} of meeting {roster.meetings[index]} {VERBS[effect]}: {_evidence(evaluation, index)}"
    if reason is Reason.UNTOUCHED:
        return f"{head}, and {untouched or 'no order or rule in force reaches the meeting'}"
    entry = evaluation.policy.entries[ENTRIES - 1 - (key >> REASON_BITS & ENTRIES - 1)]
    if effect in {Effect.ADMIT, Effect.KEEP}:
        if effect is Effect.KEEP and reason in {Reason.INSIDE, Reason.OUTSIDE}:
            return f"{head}, and {_named(entry)} leaves those who are present alone"
        if reason is Reason.ELSEWHERE and not isinstance(entry, Order) and entry.effect == "allow-only":
            return f"{head}, and {_named(entry)} lets in whom it finds in {', '.join(entry.regions)}"
        return f"{head}, and {BECAUSE[reason].format(entry=_named(entry))}"
    more = f"; so do {', '.join(also)}" if also else ""
    return f"{head}, and {_acts(entry, effect, reason)}{more}{_recourse(entry)}"


def check_index(index: int, roster: Roster) -> None:
    """Refuse what is no connection; a negative number too, which would count from the end."""
    if not 0 <= index < len(roster):
        raise IndexError(f"the roster has no connection {index}, it has {len(roster):,}")


def _acts(entry: Entry, effect: Effect, reason: Reason) -> str:
    verb = "holds" if effect is Effect.HOLD else "refuses" if effect is Effect.DENY else "ejects"
    named = _named(entry)
    places = ", ".join(entry.regions)
    if reason is Reason.INSIDE:
        until = f" until {_time(entry.end)}" if isinstance(entry, Order) else ""
        return f"{named} {verb} whom it finds in {places}{until}"
    if reason is Reason.OUTSIDE:
        return f"{named} {verb} whom it finds outside {places}"
    return f"{named} {verb} it, since {HELD[reason]}"


def _named(entry: Entry) -> str:
    return f"order {entry.id} of {entry.issuer}" if isinstance(entry, Order) else f"rule {entry.id} of {entry.account}"


def _recourse(entry: Entry) -> str:
    """What the person concerned needs in order to answer."""
    if not isinstance(entry, Order):
        return f" ({entry.reason})" if entry.reason else ""
    parts = [
        *([f"law: {entry.law}"] if entry.law else []),
        *([f"reference: {entry.reference}"] if entry.reference else []),
        *([f"to contest it: {entry.contest}"] if entry.contest else []),
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def _evidence(evaluation: Evaluation, index: int) -> str:
    """What the table says of the addresses, each thing once, and what corrects it."""
    roster, table = evaluation.roster, evaluation.table
    starts = roster.starts
    rows = range(index, index + 1) if starts is None else range(int(starts[index]), int(starts[index + 1]))
    said = list(dict.fromkeys(_place(evaluation, row) for row in rows))
    addresses = "its address" if len(rows) == 1 else f"its {len(rows)} addresses"
    text = f"{_named_table(table)} says of {addresses}: {', '.join(said)}"
    if evaluation.witness is not None:
        slots = roster.lookup(evaluation.witness)
        also = list(dict.fromkeys(_says(evaluation.witness, int(slots[row])) for row in rows))
        text += f"; {_named_table(evaluation.witness)} says: {', '.join(also)}"
    return text


def _place(evaluation: Evaluation, row: int) -> str:
    table = evaluation.table
    text = _says(table, int(evaluation.slots[row]))
    base = evaluation.base_slot(row)
    if base is not None:
        text += f" where the database alone says {_says(table.base, base)}"
    corrected = evaluation.correction(row)
    if corrected is not None:
        # Without the reason: people write names into it.
        text += f", corrected to {corrected.region or 'not located'} on {corrected.dated}"
    return text


def _says(table: Table, slot: int) -> str:
    region = table.regions[slot]
    if region is not None:
        return f"{region} (evidence: {Evidence(int(table.evidence[slot]))})"
    return str(Status.RELAY if slot == RELAY_BY_OVERRIDE else Status(slot))


def untouched_by(entry: Entry, at: datetime) -> str:
    """Why one entry does not touch a connection that it says nothing of."""
    inert = why_inert(entry, at)
    return f"{_named(entry)} is not in force: {inert}" if inert else f"{_named(entry)} does not reach the meeting"


def _named_table(table: Table) -> str:
    info = table.info
    if info.source == str(BUNDLED):
        return f"the bundled table of {info.built_at:%Y-%m-%d}"
    dated = f"of {info.built_at:%Y-%m-%d}" if info.built_at else "without a date"
    return f"table {info.kind} {dated}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def warnings(evaluation: Evaluation, entries: Iterable[Entry], reasons: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """What the users of decisions and plans should know, most important first; `reasons` are those of connections."""
    policy, at = evaluation.policy, evaluation.at
    told = Told(evaluation.table.regions)
    texts = []
    if policy.is_advisory and policy.orders:
        texts.append("advisory: without a deployment nobody has checked the issuers and their jurisdictions")
    for entry in entries:
        inert = why_inert(entry, at)
        if inert:
            texts.append(f"order {entry.id} is inert: {inert}")
            continue
        texts.extend(
            f"{_named(entry)} names meeting `{name}`, which is not in the roster, but `{other}` is: ids are compared "
            "character by character"
            for name, other in nearly(entry, evaluation.roster)
        )
        does = "is inert" if isinstance(entry, Order) else "holds those whom it cannot decide"
        texts.extend(f"{_named(entry)} {does}: {problem.message}" for problem in untold(entry, at, told, policy.groups))
    texts.extend(_nearly_excused(evaluation))
    for table, name in ((evaluation.table, "the table"), (evaluation.witness, "the witness")):
        if table is not None and table.info.built_at is not None and table.info.built_at > at:
            texts.append(f"{name} is of {_time(table.info.built_at)}, later than the time that is decided for")
    disputed = int(np.count_nonzero(reasons == int(Reason.DISPUTED)))
    if disputed:
        texts.append(
            f"{_connections(disputed)} spared, since the second table does not confirm where the first has them"
        )
    unread = int(np.count_nonzero(evaluation.roster.families == INVALID))
    if unread:
        texts.append(
            f"{unread:,} of {evaluation.roster.row_count:,} addresses cannot be read: ports, brackets, blanks and "
            "lists are no part of an address"
        )
    registered = int(np.count_nonzero(evaluation.is_registered()))
    if registered:
        texts.append(f"{registered} addresses are located by where their network is registered, which is weak evidence")
    return tuple(texts)


def _nearly_excused(evaluation: Evaluation) -> Iterator[str]:
    """Who is not corrected or exempt, but for how a name is written; by number, since names are people."""
    policy, roster = evaluation.policy, evaluation.roster
    for column, kind in ((roster.participants, "participants"), (roster.roles, "roles")):
        if column is None:
            continue
        entries = (*policy.corrections, *policy.exemptions) if kind == "participants" else policy.exemptions
        count = nearly_in(dict.fromkeys(name for entry in entries for name in getattr(entry, kind)), column)
        if count:
            yield (
                f"{count:,} of the {kind} in corrections and exemptions are not in the roster, but are in it written "
                "otherwise: blanks, dashes and case count"
            )


def _connections(count: int) -> str:
    return "1 connection is" if count == 1 else f"{count:,} connections are"


def why_inert(entry: Entry, at: datetime) -> str | None:
    """Why an order acts on nobody at a moment; `None` where it is in force, as rules always are."""
    if not isinstance(entry, Order) or entry.is_in_force(at):
        return None
    if str(entry.state) != "active":
        return f"its state is {entry.state}"
    if at < entry.start:
        return f"it begins at {_time(entry.start)}"
    if at < entry.since:
        return f"it says that it was reviewed at {_time(entry.since)}, which is still to come"
    return f"it {'lapsed without review' if entry.is_open else 'ended'} at {_time(entry.end)}"
