"""The operator's file: who may demand what, who approves, and how much one plan may do.

It is not in the hands of those who write policies: an order says who demands, the deployment says what that issuer
may demand at all.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass, field
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import Final

from regionfast.errors import DeploymentError
from regionfast.policy.document import Document, Section, read

FEWEST_APPROVALS: Final = 2
"""One person alone cannot act."""
_KEY_BYTES: Final = 32
"""Of an Ed25519 public key (RFC 8032 §5.1.5)."""
# It stands in a header of HTTP, so it may hold nothing that would end it (RFC 3986 appendix A has the characters).
_ADDRESS_OF_PAGE: Final = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,500}", re.ASCII)
_DAYS: Final = re.compile(r"([1-9][0-9]{0,3})d", re.ASCII)

SECTIONS: Final = ("version", "issuer", "approvals", "approver", "limits", "audit", "operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who may send orders."""

    id: str
    jurisdiction: tuple[str, ...]
    """Codes, canonical, or names of our groups. Contested places belong to it only where they are named here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """Who may approve plans."""

    id: str
    key: bytes = field(repr=False)
    """Ed25519 public key, 32 bytes."""
    person: str = field(repr=False)
    """Whose key it is: two keys of one person are one approval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one plan may do, and by which evidence. The defaults hold where the file says nothing."""

    people: int = 100
    """Connections that one plan may act on."""
    share: float = 0.25
    """Part of a meeting's connections that one plan may act on, above 0 and at most 1."""
    max_table_age: timedelta = timedelta(days=30)
    """A table that was built longer ago is no evidence to act on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Where records are kept."""

    directory: str
    """Of the chains. Path as written; where it is relative, to the working directory of the process that acts."""
    keys: str
    """Directory of the keys of pseudonyms, which can be destroyed; `keys` inside the other one where it is not said."""
    checkpoint_key: bytes | None = field(default=None, repr=False)
    """Ed25519 public key, 32 bytes, of whoever signs checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Deployment:
    """What an operator has set up. Without issuers no order is accepted; without approvers or audit nothing acts."""

    issuers: tuple[Issuer, ...] = ()
    approvers: tuple[Approver, ...] = ()
    approvals_needed: int = FEWEST_APPROVALS
    """Different persons who must approve a plan, its author not among them."""
    limits: Limits = Limits()
    audit: Audit | None = None
    contact: str = ""
    """Address of a page about the operator, which notices link to: `blocked-by` of RFC 7725."""

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Deployment:
        """Read a deployment file, UTF-8.

        Raises:
            DeploymentError: It cannot be read, or anything in it is wrong; holds all problems, each with its place.
        """
        return cls.from_text(read(path, DeploymentError), source=str(path))

    @classmethod
    def from_text(cls, toml: str, *, source: str | None = None) -> Deployment:
        """Read a deployment from text. `source` is what errors call it.

        Raises:
            DeploymentError: Anything in it is wrong; holds all problems, each with its place.
        """
        document = Document(toml, DeploymentError, source)
        root = Section(document, document.values, keys=SECTIONS)
        root.check_version(required=False)
        issuers = root.sections("issuer", ("id", "jurisdiction"))
        approvers = root.sections("approver", ("id", "key", "person"))
        deployment = cls(
            issuers=tuple(_issuer(section) for section in issuers),
            approvers=tuple(_approver(section) for section in approvers),
            approvals_needed=_approvals_needed(root),
            limits=_limits(root),
            audit=_audit(root),
            contact=_contact(root),
        )
        document.check_unique(issuers, "id")
        document.check_unique(approvers, "id")
        document.check_unique(approvers, "key")
        if approvers and deployment.approvals_needed > deployment.persons:
            root.note(
                "approver",
                f"enrolls {deployment.persons} of the {deployment.approvals_needed} persons that approving needs",
            )
        document.finish()
        return deployment

    @property
    def persons(self) -> int:
        """How many different persons can approve."""
        return len({approver.person for approver in self.approvers})

    def issuer(self, name: str) -> Issuer | None:
        """The issuer with that id; `None` where it is not enrolled."""
        return next((issuer for issuer in self.issuers if issuer.id == name), None)

    def __repr__(self) -> str:
        issuers, approvers = len(self.issuers), len(self.approvers)
        return (
            f"<Deployment of {issuers} issuer{'' if issuers == 1 else 's'}, "
            f"{approvers} approver{'' if approvers == 1 else 's'}>"
        )


def _issuer(section: Section) -> Issuer:
    if isinstance(section.get("jurisdiction"), str):
        jurisdiction: tuple[str, ...] = (section.place_name("jurisdiction"),)
    else:
        jurisdiction = section.place_names("jurisdiction", may_be_own=False)
    return Issuer(id=section.id(), jurisdiction=jurisdiction)


def _approver(section: Section) -> Approver:
    return Approver(id=section.id(), key=_public_key(section, "key"), person=section.text("person"))


def _public_key(section: Section, name: str, *, required: bool = True) -> bytes:
    text = section.text(name, required=required)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    # One key has one spelling, or the same key could be enrolled twice.
    if text and (len(key) != _KEY_BYTES or base64.b64encode(key).decode("ascii") != text):
        section.note(name, f"is no Ed25519 public key: write its {_KEY_BYTES} bytes in base64, 44 characters")
    return key


def _approvals_needed(root: Section) -> int:
    section = root.section("approvals", ("needed",))
    return FEWEST_APPROVALS if section is None else section.whole("needed", FEWEST_APPROVALS, least=FEWEST_APPROVALS)


def _limits(root: Section) -> Limits:
    section = root.section("limits", ("people", "share", "max-table-age"))
    if section is None:
        return Limits()
    share = section.get("share")
    if share is None:
        share = Limits().share
    elif isinstance(share, bool) or not isinstance(share, int | float) or not (math.isfinite(share) and 0 < share <= 1):
        section.note("share", "is no number above 0 and at most 1: write 0.25 for a quarter of a meeting")
        share = Limits().share
    age = section.text("max-table-age", required=False)
    days = _DAYS.fullmatch(age)
    if age and days is None:
        section.note("max-table-age", 'is no number of days, 1 to 9999: write "30d"')
    return Limits(
        people=section.whole("people", Limits().people, least=1),
        share=float(share),
        max_table_age=timedelta(days=int(days[1])) if days else Limits().max_table_age,
    )


def _audit(root: Section) -> Audit | None:
    section = root.section("audit", ("directory", "keys", "checkpoint-key"))
    if section is None:
        return None
    directory = section.text("directory")
    keys = section.text("keys", required=False) or str(Path(directory, "keys"))
    return Audit(
        directory=directory,
        keys=keys,
        checkpoint_key=_public_key(section, "checkpoint-key", required=False) or None,
    )


def _contact(root: Section) -> str:
    section = root.section("operator", ("contact",))
    if section is None:
        return ""
    contact = section.text("contact")
    if contact and not _ADDRESS_OF_PAGE.fullmatch(contact):
        section.note("contact", 'is no address of a page: write one such as "https://meetings.example/blocking"')
    return contact
