"""The rows of a plan with all that acting on them needs: names, pseudonyms, receipts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from regionfast.meetings.act.control import Present, Removal
from regionfast.meetings.act.notice import Notice
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.receipt import Receipt, Row
from regionfast.meetings.columns import TextColumn
from regionfast.names import plain
from regionfast.pseudonym import pseudonym
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.plan import Plan
    from regionfast.meetings.roster import Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One connection that a plan reaches. Its `repr` names nobody."""

    number: int
    """Of the row of the plan, or of the saved plan."""
    effect: Effect
    """`EJECT` or `HOLD`."""
    removal: Removal = field(repr=False)
    region: str | None
    """As the table claims it."""
    sealed: dict[str, object] = field(repr=False)
    """What the intent holds under the key of its scope: all that undoing will need."""

    @property
    def receipt(self) -> Receipt:
        """The key to its row of the audit."""
        return self.removal.receipt

    @property
    def meeting(self) -> str:
        """The meeting."""
        return self.receipt.row.meeting

    def is_same(self, present: Present) -> bool:
        """Whether who is present now is the connection that was judged: same participant, same addresses."""
        participant = None if present.participant is None else plain(present.participant) or None
        return participant == self.removal.participant and _packed(present.addresses) == _packed(self.removal.addresses)


def targets_of(
    plan: Plan, keys: KeyStore, approved: str, contact: str, *, scopes: Collection[str] | None = None
) -> list[Target]:
    """The rows of a plan, in their order. The roster has ids of connections.

    Args:
        plan: The plan.
        keys: Where the keys of its meetings are, or will be.
        approved: The hash that was approved: the plan's own, or that of the saved plan that it stands for.
        contact: What notices say of who acts.
        scopes: Only rows of these, where it is given: keys are made for no other meeting, and asked of none.
    """
    found = []
    roster = plan.roster
    for number, row in enumerate(plan.rows):
        if scopes is not None and keys.scope(plan.by, row.meeting) not in scopes:
            continue
        receipt = receipt_of(roster, row.index, keys, plan.by, approved)
        assert row.connection is not None  # refused before
        removal = Removal(
            connection=row.connection,
            participant=row.participant,
            addresses=roster.addresses(row.index),
            notice=Notice.of(plan.entry, row.meeting, row.region, plan.table.info, contact),
            receipt=receipt,
            key=pseudonym(receipt.row_key, "ask"),
        )
        sealed = receipt.row.to_dict() | {
            "account": _text(roster.accounts, row.index),
            "series": _text(roster.series, row.index),
            "role": _text(roster.roles, row.index),
            "region": row.region,
        }
        effect = Effect(int(plan.rows.effect[number]))
        found.append(Target(number=number, effect=effect, removal=removal, region=row.region, sealed=sealed))
    return found


def receipt_of(roster: Roster, index: int, keys: KeyStore, by: str, approved: str) -> Receipt:
    """The receipt of one connection of a roster under an order or rule."""
    meeting, connection = roster.meetings[index], None if roster.connections is None else roster.connections[index]
    assert meeting is not None
    assert connection is not None
    scope = keys.scope(by, meeting)
    return Receipt.of(keys.key(scope), scope, by, row_of(roster, index), plan=approved, name=[connection])


def row_of(roster: Roster, index: int) -> Row:
    """One connection of a roster as a commitment covers it."""
    meeting = roster.meetings[index]
    assert meeting is not None  # a roster has a meeting in every row
    return Row(
        meeting=meeting,
        connection=None if roster.connections is None else roster.connections[index],
        participant=roster.participants[index],
        addresses=tuple(sorted(roster.addresses(index))),
    )


def _text(column: TextColumn | None, index: int) -> str | None:
    return None if column is None else column[index]


def _packed(addresses: Iterable[str]) -> set[bytes]:
    """Addresses in a form that does not depend on how they are written; what is none is left out."""
    found = set()
    for text in addresses:
        try:
            found.add(ip_address(text).packed)
        except ValueError:
            continue
    return found
