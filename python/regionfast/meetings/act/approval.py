"""Approvals: what other persons sign, and why a set of approvals is not enough."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from os import PathLike
from typing import TYPE_CHECKING, Final, Protocol, Self

from regionfast.meetings.audit import document
from regionfast.meetings.audit.document import HASH, TIME, VERSION, Section
from regionfast.meetings.audit.signing import verify_signature
from regionfast.policy.deployment import Approver, Deployment
from regionfast.pseudonym import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MOST_AHEAD: Final = timedelta(days=7)
"""An approval ends by then: what was approved is about people who are in a meeting now."""
_LARGEST: Final = 1 << 14
"""Bytes of a file; one has some hundred."""
_SIGNATURE_BYTES: Final = 64
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


class Approved(Protocol):
    """What is approved: a plan, a saved plan, an inverse. A saved plan has a `seal` too, which then is signed."""

    @property
    def hash(self) -> str:
        """Of all that it follows from, and of its rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's signature under one plan."""

    plan: str
    """Hash of the plan."""
    seal: str | None
    """Of a saved plan, whose rows it covers; `None` for a plan in memory."""
    approver: str
    """Id of the key in the deployment."""
    expires: datetime
    """UTC, whole seconds; from then on it counts no more."""
    signature: bytes = field(repr=False)
    """Ed25519 (RFC 8032), 64 bytes, over `regionfast approval 1`, a line feed, and the canonical JSON of the rest."""

    def __post_init__(self) -> None:
        """Refuse what no approval has: what is signed is text, and must mean one thing only.

        A time of another zone would be written with the same digits, and end later than what was signed.
        """
        for name, form in (("plan", HASH), ("seal", HASH), ("approver", _ID)):
            value = getattr(self, name)
            if not (isinstance(value, str) and form.fullmatch(value)) and (name, value) != ("seal", None):
                raise ValueError(f"`{name}` is not what an approval has there")
        if self.expires.tzinfo is not UTC or self.expires.microsecond:
            raise ValueError("`expires` is not what an approval has there: UTC, whole seconds")
        if len(self.signature) != _SIGNATURE_BYTES:
            raise ValueError("`signature` is not what an approval has there")

    @classmethod
    def sign(cls, what: Approved, key: Ed25519PrivateKey, *, approver: str, expires: datetime) -> Self:
        """Approve a plan.

        Args:
            what: The plan, saved plan or inverse.
            key: The approver's private key, see `load_private_key`.
            approver: Id of the key in the deployment.
            expires: When the approval ends, with offset; parts of a second are dropped. It counts only where that
                is at most 7 days ahead.

        Raises:
            ValueError: A time without offset, or an id that no key has.
        """
        if expires.utcoffset() is None:
            raise ValueError("`expires` has no offset: pass a time such as `datetime.now(UTC) + timedelta(hours=8)`")
        end = expires.astimezone(UTC).replace(microsecond=0)
        seal = getattr(what, "seal", None)
        message = _message(what.hash, seal, approver, end)
        return cls(plan=what.hash, seal=seal, approver=approver, expires=end, signature=key.sign(message))

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        return _message(self.plan, self.seal, self.approver, self.expires)

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return {
            "version": VERSION,
            "plan": self.plan,
            "seal": self.seal,
            "approver": self.approver,
            "expires": self.expires.strftime(TIME),
            "signature": base64.b64encode(self.signature).decode("ascii"),
        }

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "approval") -> Self:
        """Read an approval. Whether its signature is good is asked later, when the deployment is known.

        Raises:
            DocumentError: It is none; `source` is what the error calls it.
        """
        names = ("plan", "seal", "approver", "expires", "signature")
        found = Section.of(text, names, kind="approval", source=source)
        return cls(
            plan=found.text("plan", HASH),
            seal=found.text_or_none("seal", HASH),
            approver=found.text("approver", _ID),
            expires=found.moment("expires"),
            signature=found.octets("signature", _SIGNATURE_BYTES),
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read the file of an approval.

        Raises:
            DocumentError: It cannot be read, or is none.
        """
        return cls.from_json(document.load(path, largest=_LARGEST), str(path))

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file.

        Raises:
            DocumentError: The file cannot be written.
        """
        document.save(path, json.dumps(self.to_dict(), indent=2) + "\n")


def stands_against(
    approvals: Sequence[Approval],
    *,
    plan: str,
    seal: str | None,
    author: str | None,
    deployment: Deployment,
    now: datetime,
) -> list[str]:
    """Why approvals do not allow a plan; empty where they do.

    Each of them must be good, also where there are more than are needed: one that is not is a mistake or an attempt.

    Args:
        approvals: All that were given.
        plan: Hash of the plan that is to be acted on.
        seal: That of a saved plan; `None` for one in memory, for which an approval of the saved one will do too.
        author: Id of the key that wrote the order.
        deployment: Where approvers are enrolled.
        now: The time.
    """
    found = []
    by_id = {approver.id: approver for approver in deployment.approvers}
    writer = by_id.get(author) if author is not None else None
    persons: set[str] = set()
    good = 0
    for approval in approvals:
        approver = by_id.get(approval.approver)
        wrong = _wrong(approval, approver, plan, seal, now)
        if approver is None or wrong is not None:
            found.append(f"the approval by `{approval.approver}` {wrong}")
        elif approver.id == author or (writer is not None and approver.person == writer.person):
            found.append(f"the approval by `{approval.approver}` is by the author of the order: others must approve")
        else:
            good += 1
            persons.add(approver.person)
    if len(persons) < deployment.approvals_needed:
        also = ": two keys of one person count once" if good > len(persons) else ""
        found.append(f"{len(persons)} of {deployment.approvals_needed} persons approve{also}")
    return found


def _wrong(approval: Approval, approver: Approver | None, plan: str, seal: str | None, now: datetime) -> str | None:
    if approver is None:
        return "is by nobody whom the deployment enrolls"
    if not verify_signature(approver.key, approval.signature, approval.message):
        return "has a wrong signature"
    if approval.plan != plan:
        return f"is for another plan, {approval.plan[:12]}…, this one is {plan[:12]}…"
    if seal is not None and approval.seal != seal:
        return "is not for this saved plan: sign the file"
    if approval.expires <= now:
        return f"ended at {approval.expires.strftime(TIME)}"
    if approval.expires - now > MOST_AHEAD:
        return f"ends more than {MOST_AHEAD.days} days ahead"
    return None


def _message(plan: str, seal: str | None, approver: str, expires: datetime) -> bytes:
    covered = {"approver": approver, "expires": expires.strftime(TIME), "plan": plan, "seal": seal}
    return b"regionfast approval 1\n" + canonical(covered)
