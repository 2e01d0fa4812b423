"""A plan that waits for other persons, in a file that names nobody."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Final, Self

from regionfast._lib import Table
from regionfast.errors import DocumentError, PlanRefused
from regionfast.meetings.act.apply import Applied, apply, now
from regionfast.meetings.act.journal import Journal
from regionfast.meetings.act.notice import about
from regionfast.meetings.act.targets import receipt_of
from regionfast.meetings.audit import document
from regionfast.meetings.audit.document import HASH, PSEUDONYM, TIME, VERSION, Section
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.decide import SEMANTICS_VERSION
from regionfast.meetings.plan import plan_ejections
from regionfast.policy.deployment import Deployment
from regionfast.pseudonym import canonical
from regionfast.regions import DATA_VERSION
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.act.approval import Approval
    from regionfast.meetings.act.control import MeetingControl
    from regionfast.meetings.plan import Plan
    from regionfast.meetings.roster import Roster
    from regionfast.policy.policy import Policy

_LARGEST: Final = 1 << 26
"""Bytes of a file: some hundred thousand rows."""
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_EFFECTS: Final = {str(effect): effect for effect in (Effect.EJECT, Effect.HOLD)}
_EFFECT: Final = re.compile("|".join(_EFFECTS))
_TYPE: Final = re.compile("order|rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRow:
    """One connection of a saved plan, by its pseudonyms."""

    scope: str
    """Of order or rule and meeting."""
    connection: str
    effect: Effect
    region: str | None
    """As the table claimed it."""
    commitment: str
    """To participant, connection, meeting and addresses: with other ones it is another row."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SavedPlan:
    """A plan as it was made, to be approved and then acted on by who has the roster. Names nobody."""

    hash: str
    """Of the plan that was saved, see `Plan.hash`."""
    covered: Mapping[str, object]
    """What that hash covers, see `Plan.covered`."""
    entry: Mapping[str, str | None]
    """What approvers should know of the order or rule: type, issuer (or account), reference, law, contest, until."""
    rows: tuple[SavedRow, ...]
    """In the order of the plan: by meeting, then connection."""
    seal: str = field(init=False)
    """SHA-256 of the canonical JSON of all else, hexadecimal. Approvals cover it, because the plan's hash covers the
    roster, but not the pseudonyms that stand here in its place."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "seal", hashlib.sha256(canonical(self._sealed())).hexdigest())

    @classmethod
    def of(cls, plan: Plan, deployment: Deployment) -> Self:
        """Save a plan. O(rows); makes keys for its meetings where there are none.

        Raises:
            PlanRefused: The deployment has no [audit], where the keys of pseudonyms are; or the roster has no ids of
                connections.
            AuditError: A key was destroyed, or cannot be made.
        """
        if deployment.audit is None:
            raise PlanRefused("the deployment has no [audit], whose keys make the pseudonyms of a saved plan")
        connections = plan.rows.connection
        if len(plan) and (connections is None or None in connections):
            raise PlanRefused("the roster has no ids of connections, by which alone they can be acted on")
        keys = KeyStore(deployment.audit.keys)
        rows = []
        for index, effect, region in zip(
            plan.rows.indices.tolist(), plan.rows.effect.tolist(), plan.rows.region, strict=True
        ):
            receipt = receipt_of(plan.roster, index, keys, plan.by, plan.hash)
            rows.append(
                SavedRow(
                    scope=receipt.scope,
                    connection=receipt.connection,
                    effect=Effect(effect),
                    region=region,
                    commitment=receipt.commitment,
                )
            )
        return cls(hash=plan.hash, covered=dict(plan.covered), entry=about(plan.entry), rows=tuple(rows))

    @property
    def by(self) -> str:
        """Id of the order or rule."""
        return str(self.covered["by"])

    @property
    def at(self) -> datetime:
        """The moment that the plan was made for."""
        return datetime.strptime(str(self.covered["at"]), TIME).replace(tzinfo=UTC)

    def apply(
        self,
        control: MeetingControl,
        deployment: Deployment | None,
        *,
        table: Table,
        policy: Policy,
        roster: Roster,
        approvals: Sequence[Approval],
        witness: Table | None = None,
        clock: Callable[[], datetime] = now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Applied:
        """Plan anew over who is present, and act on the rows that are in both plans; the others are left.

        A row is in both where connection, participant, meeting and addresses are the same and the effect is. What is
        not is `stale` where the connection is in the roster, and `already-gone` where it is not. Who came since is in
        neither: a saved plan never reaches more than was signed. One without rows is a success that asks for nothing.

        Args:
            control: See `act.apply`.
            deployment: See there.
            table: That of the saved plan: the digest must be the same.
            policy: That of the saved plan: the revision must be the same.
            roster: Who is present now, with ids of connections.
            approvals: Over hash and seal of this plan.
            witness: That of the saved plan, if it had one.
            clock: What the time is.
            sleep: Waits for some seconds.

        Cost: That of `plan_ejections` and of `act.apply`.

        Raises:
            PlanRefused: Table, policy, witness or the release are others, which is recorded; or as `act.apply`.
            RosterError: As `plan_ejections`.
            AuditError: As `act.apply`.
        """
        if not self:
            return Applied(plan=self.hash, outcomes=())
        # Asked before planning anew: another policy may not even have the order.
        others = self._others(table, policy, witness)
        if others:
            if deployment is not None and deployment.audit is not None:
                keys = KeyStore(deployment.audit.keys)
                with Journal.open(deployment.audit, keys, plan=self.hash, by=self.by, clock=clock) as journal:
                    journal.refused(others)
            raise PlanRefused(*others)
        fresh = plan_ejections(table, policy, roster, by=self.by, at=clock(), witness=witness)
        return apply(fresh, control, deployment, approvals=approvals, saved=self, clock=clock, sleep=sleep)

    def _others(self, table: Table, policy: Policy, witness: Table | None) -> list[str]:
        """What is not as it was when the plan was saved, so that what was signed may mean something else by now."""
        now_and_what = {
            "policy": (policy.revision, "policy is"),
            "table": (table.info.digest, "table is"),
            "witness": (None if witness is None else witness.base.info.digest, "witness is"),
            "regions": (DATA_VERSION, "region data of this release are"),
            "semantics": (SEMANTICS_VERSION, "semantics of this release are"),
        }
        others = [
            f"the {what} not that of the saved plan: plan anew"
            for name, (present, what) in now_and_what.items()
            if present != self.covered[name]
        ]
        if not others and about(policy.entry(self.by)) != dict(self.entry):
            others.append("what the saved plan says of the order or rule is not what the policy says: plan anew")
        return others

    def to_json(self) -> str:
        """The text of the file, ASCII."""
        return json.dumps(self._sealed() | {"seal": self.seal}, indent=1) + "\n"

    def save(self, path: str | PathLike[str]) -> None:
        """Write the file.

        Raises:
            DocumentError: It cannot be written, or is larger than what is read again.
        """
        text = self.to_json()
        if len(text) > _LARGEST:
            raise DocumentError(f"{path}: {len(self):,} rows are more than a saved plan can have: narrow the order")
        document.save(path, text)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a file that `save` has written.

        Raises:
            DocumentError: It cannot be read, is no saved plan, or was changed.
        """
        return cls.from_json(document.load(path, largest=_LARGEST), str(path))

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "saved plan") -> Self:
        """Read the text of a file; `source` is what errors call it.

        Raises:
            DocumentError: It is no saved plan of this version, or was changed.
        """
        names = ("hash", "covered", "entry", "rows", "seal")
        whole = Section.of(text, names, kind="saved plan", source=source)
        covered = _covered(whole)
        made = cls(hash=whole.text("hash", HASH), covered=covered, entry=_entry(whole), rows=_rows(whole))
        if hashlib.sha256(canonical(covered)).hexdigest() != made.hash:
            whole.refuse("hash", "is not that of `covered`: the file was changed")
        if made.seal != whole.values["seal"]:
            whole.refuse("seal", "is not that of the rest: the file was changed")
        return made

    def _sealed(self) -> dict[str, object]:
        return {
            "version": VERSION,
            "hash": self.hash,
            "covered": dict(self.covered),
            "entry": dict(self.entry),
            "rows": [
                {
                    "scope": row.scope,
                    "connection": row.connection,
                    "effect": str(row.effect),
                    "region": row.region,
                    "commitment": row.commitment,
                }
                for row in self.rows
            ],
        }

    def __repr__(self) -> str:
        return f"<SavedPlan by {self.by}: {len(self)} connections, seal {self.seal[:12]}…>"

    def __len__(self) -> int:
        return len(self.rows)

    def __bool__(self) -> bool:
        return bool(self.rows)


def _covered(whole: Section) -> dict[str, object]:
    digests = ("policy", "roster", "rows", "table")
    section = whole.inside("covered", ("at", "by", "regions", "semantics", "witness", *digests))
    covered: dict[str, object] = {name: section.text(name, HASH) for name in digests}
    covered |= {"by": section.text("by", _ID), "regions": section.text("regions", _ID)}
    covered |= {"at": section.moment("at").strftime(TIME), "witness": section.text_or_none("witness", HASH)}
    semantics = section.values["semantics"]
    if type(semantics) is not int:
        section.refuse("semantics", "is no whole number")
    return covered | {"semantics": semantics}


def _entry(whole: Section) -> dict[str, str | None]:
    texts = ("issuer", "reference", "law", "contest")
    section = whole.inside("entry", ("type", "until", *texts))
    entry: dict[str, str | None] = {"type": section.text("type", _TYPE)}
    entry |= {name: section.text(name) for name in texts}
    entry["until"] = None if section.values["until"] is None else section.moment("until").strftime(TIME)
    return entry


def _rows(whole: Section) -> tuple[SavedRow, ...]:
    rows = []
    number_of: dict[tuple[str, str], int] = {}
    sections = whole.items("rows", ("scope", "connection", "effect", "region", "commitment"))
    for number, section in enumerate(sections):
        made = SavedRow(
            scope=section.text("scope", PSEUDONYM),
            connection=section.text("connection", PSEUDONYM),
            effect=_EFFECTS[section.text("effect", _EFFECT)],
            region=section.text_or_none("region"),
            commitment=section.text("commitment", HASH),
        )
        first = number_of.setdefault((made.scope, made.connection), number)
        if first != number:
            section.refuse("connection", f"stands in `rows[{first}]` already: one connection has one row")
        rows.append(made)
    return tuple(rows)
