"""Cases that an author keeps beside a policy: who asks at the door, and what is expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from regionfast.errors import PolicyError
from regionfast.policy.document import STAND_IN, Document, Section
from regionfast.policy.parse import JOIN
from regionfast.types import Effect, Reason

KEYS: Final = (
    *("name", "at", "meeting", "account", "series", "participant", "role", "address", "addresses"),
    *("effect", "cause", "reason"),
)
REASONS: Final = {str(reason): reason for reason in Reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One connection that asks at the door of a meeting, and what it should get."""

    name: str
    """What reports call it."""
    at: datetime
    """When it asks, UTC."""
    meeting: str
    account: str | None = None
    """That owns the meeting."""
    series: str | None = None
    participant: str | None = field(default=None, repr=False)
    role: str | None = None
    addresses: tuple[str, ...] = field(default=(), repr=False)
    """All that it shows, any text; empty: the address is missing."""
    effect: Effect
    """What is expected: `ADMIT`, `HOLD` or `DENY`."""
    cause: str | None = None
    """Id of the order or rule that should hold or deny it; `None`: whichever."""
    reason: Reason | None = None
    """`None`: whichever."""


def read_cases(toml: str, *, entries: Iterable[str], source: str | None = None) -> tuple[Case, ...]:
    """Read cases, `[[case]]` each, in the order of the file.

    Args:
        toml: The text.
        entries: Ids of the orders and rules that may be a cause.
        source: What errors call it.

    Raises:
        PolicyError: Anything is wrong, or there is no case; holds all problems, each with its place.
    """
    document = Document(toml, PolicyError, source)
    root = Section(document, document.values, keys=("version", "case"))
    root.check_version(required=False)
    sections = root.sections("case", KEYS)
    if not sections and root.is_sound("case"):
        root.note("case", "is missing: write `[[case]]` at least once")
    known = set(entries)
    cases = tuple(_case(section, known) for section in sections)
    document.check_unique(sections, "name")
    document.finish()
    return cases


def _case(section: Section, known: set[str]) -> Case:
    effect = section.choice("effect", JOIN)
    cause = section.text("cause", required=False) or None
    if cause is not None and effect is Effect.ADMIT and section.is_sound("effect"):
        section.note("cause", "of admitting is nothing: leave it out")
    elif cause is not None and cause not in known:
        section.note("cause", "is the id of no order and of no rule of the policy")
    reason = section.choice("reason", REASONS, Reason.UNTOUCHED) if "reason" in section else None
    if "address" in section and "addresses" in section:
        section.note("addresses", "stands beside `address`: leave out one of them")
    address = section.text("address", required=False)
    return Case(
        name=section.text("name"),
        at=section.moment("at") or STAND_IN,
        meeting=section.text("meeting"),
        account=section.text("account", required=False) or None,
        series=section.text("series", required=False) or None,
        participant=section.text("participant", required=False) or None,
        role=section.text("role", required=False) or None,
        addresses=(address,) if address else section.texts("addresses"),
        effect=effect,
        cause=cause,
        reason=reason,
    )
