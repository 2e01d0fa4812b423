"""Cases that an author keeps beside a policy: who asks at the door, and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from regionfast.errors import PolicyError
from regionfast.policy.document import STAND_IN, Document, Section
from regionfast.policy.parse import JOIN
from regionfast.types import Effect, Reason

if TYPE_CHECKING:
    from regionfast.policy.policy import Policy

KEYS: Final = (
    *("name", "at", "meeting", "account", "series", "participant", "role", "address", "addresses"),
    *("effect", "cause", "reason"),
)
_SHOWN: Final = 3
"""So many ids and no more."""
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


def read_cases(toml: str, *, policy: Policy, source: str | None = None) -> tuple[Case, ...]:
    """Read cases, `[[case]]` each, in the order of the file.

    Args:
        toml: The text.
        policy: What the cases are of: its orders and rules may be a cause, and what it asks for each case must say.
        source: What errors call it.

    Raises:
        PolicyError: Anything is wrong, or there is no case; holds all problems, each with its place.
    """
    document = Document(toml, PolicyError, source)
    if "case" not in document.values and ("order" in document.values or "rule" in document.values):
        document.note((), "this is a policy: it is given before the cases")
        document.finish()
    root = Section(document, document.values, keys=("version", "case"))
    root.check_version(required=False)
    sections = root.sections("case", KEYS)
    if not sections and root.is_sound("case"):
        root.note("case", "is missing: write `[[case]]` at least once")
    known = {entry.id for entry in policy.entries}
    asked = _asked(policy)
    cases = tuple(_case(section, known, asked) for section in sections)
    document.check_unique(sections, "name")
    document.finish()
    return cases


def _asked(policy: Policy) -> dict[str, str]:
    """Which keys each case must have, and why.

    Without its account a meeting is reached by no rule, and a case that expects to be admitted would pass.
    """
    exemptions = [(f"exemption[{index}]", exemption) for index, exemption in enumerate(policy.exemptions)]
    of_accounts = [order.id for order in policy.orders if order.scope.accounts]
    of_accounts += [name for name, exemption in exemptions if exemption.accounts]
    of_series = [order.id for order in policy.orders if order.scope.series]
    of_series += [rule.id for rule in policy.rules if rule.series]
    of_series += [name for name, exemption in exemptions if exemption.series]
    of_roles = [name for name, exemption in exemptions if exemption.roles]
    found = {}
    if policy.rules:
        found["account"] = f"the policy has rules ({_some([rule.id for rule in policy.rules])})"
    elif of_accounts:
        found["account"] = f"the policy names accounts ({_some(of_accounts)})"
    if of_series:
        found["series"] = f"the policy names series ({_some(of_series)})"
    if of_roles:
        found["role"] = f"the policy names roles ({_some(of_roles)})"
    return found


def _some(ids: list[str]) -> str:
    shown = ", ".join(ids[:_SHOWN])
    return f"{shown} and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else shown


def _said(section: Section, key: str, asked: Mapping[str, str]) -> str | None:
    """A text that the policy may ask for. Only there an empty one says something: that there is none."""
    if key not in asked:
        return section.text(key, required=False) or None
    if key not in section:
        section.note(key, f"is missing: {asked[key]}")
        return None
    return None if section.get(key) == "" else section.text(key)


def _case(section: Section, known: set[str], asked: Mapping[str, str]) -> Case:
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
        account=_said(section, "account", asked),
        series=_said(section, "series", asked),
        participant=section.text("participant", required=False) or None,
        role=_said(section, "role", asked),
        addresses=(address,) if address else section.texts("addresses"),
        effect=effect,
        cause=cause,
        reason=reason,
    )
