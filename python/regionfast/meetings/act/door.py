"""Who was not let in: a record, a notice and a receipt for each, as for those who had to leave."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from regionfast.errors import PlanRefused
from regionfast.meetings.act.notice import Notice
from regionfast.meetings.act.targets import row_of
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.receipt import Receipt
from regionfast.policy.deployment import Deployment
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.decide import Decisions

WRITER: Final = "door"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """One connection that was denied or held. Its `repr` names nobody."""

    index: int
    """Of the connection in the roster."""
    effect: Effect
    """`DENY` or `HOLD`."""
    notice: Notice
    """To be shown to the person."""
    receipt: Receipt = field(repr=False)
    """To be given to the person, and to nobody else."""


class DoorChain:
    """Records decisions at the door in a chain of its own. One process a writer; close it, or use it in a `with`."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        writer: str = WRITER,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Open the chain.

        Args:
            deployment: With an [audit].
            writer: The name of the chain: of several processes each has its own.
            clock: What the time is.

        Raises:
            PlanRefused: The deployment has no [audit].
            AuditError: The chain cannot be used.
            ImportError: `filelock` is not installed.
        """
        if deployment.audit is None:
            raise PlanRefused("the deployment has no [audit]: what is not recorded is not done")
        self._contact = deployment.contact
        self._keys = KeyStore(deployment.audit.keys)
        self._chain = Chain.open(deployment.audit.directory, writer, clock=clock)

    def record(self, decisions: Decisions) -> tuple[TurnedAway, ...]:
        """Write who is denied or held, and return their notices and receipts when that is on disk.

        Who is admitted leaves no record. Cost: some microseconds for each who is not, and one sync of the disk.

        Raises:
            AuditError: The records could not be written, or the key of an order and meeting was destroyed.
        """
        roster = decisions.roster
        entries = {entry.id: entry for entry in decisions.policy.entries}
        info = decisions.table.info
        found = []
        records = []
        for index in np.flatnonzero(decisions.effect != int(Effect.ADMIT)).tolist():
            by, meeting = decisions.cause[index], roster.meetings[index]
            assert by is not None  # whoever is not admitted has a cause
            assert meeting is not None  # a roster has a meeting in every row
            scope = self._keys.scope(by, meeting)
            row = row_of(roster, index)
            # At the door there need be no id yet, and the same person may ask again: each time is a row of its own.
            name = [row.connection or "", secrets.token_hex(16)]
            receipt = Receipt.of(self._keys.key(scope), scope, by, row, plan=None, name=name)
            effect, region = Effect(int(decisions.effect[index])), decisions.region[index]
            notice = Notice.of(entries[by], meeting, region, info, self._contact)
            found.append(TurnedAway(index=index, effect=effect, notice=notice, receipt=receipt))
            records.append(
                {
                    "kind": "join",
                    "by": by,
                    "scope": scope,
                    "connection": receipt.connection,
                    "effect": str(effect),
                    "region": region,
                    "commitment": receipt.commitment,
                    "table": info.digest,
                }
            )
        if records:
            self._chain.append(records)
        return tuple(found)

    def close(self) -> None:
        """Let others write; a second time does nothing."""
        self._chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
