"""What a policy is made of. Plain values; `parse` makes them and says what is wrong with a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, TypeAlias

from regionfast import regions
from regionfast.regions import RegionSet
from regionfast.types import Effect

Network: TypeAlias = IPv4Network | IPv6Network


class State(StrEnum):
    """Where an order stands; only an active one acts."""

    RECEIVED = "received"
    DECLINED = "declined"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which meetings an entry reaches. The lists are alternatives; a scope without any reaches nothing."""

    everywhere: bool = False
    """All meetings, as `meetings = "all"` of an order spells it out."""
    meetings: tuple[str, ...] = ()
    """Occurrences, by id."""
    series: tuple[str, ...] = ()
    """Ids of recurring meetings."""
    accounts: tuple[str, ...] = ()
    """All meetings of these accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A demand under local law."""

    id: str
    issuer: str
    author: str | None = None
    """Id of the approver's key that wrote the entry, which may then not approve its plans."""
    reference: str = ""
    law: str = ""
    contest: str = ""
    """Where to contest it."""
    state: State
    territory: str
    """One region code, canonical, or the name of one of our dated groups."""
    regions: tuple[str, ...]
    """Codes, canonical, or names of our groups, inside the territory."""
    scope: Scope
    start: datetime
    """`from`, UTC."""
    end: datetime
    """`until`, or `review-by` where it is open: from here on the order is inert. UTC."""
    is_open: bool = False
    """Whether `until = "open"`."""
    reviewed: datetime | None = None
    join: Effect
    """`ADMIT`, `HOLD` or `DENY`."""
    present: Effect
    """`KEEP`, `HOLD` or `EJECT`."""
    exemptions: bool = False
    """Whether the order lets the policy's exemptions excuse people from it."""
    jurisdiction: tuple[str, ...] | None = None
    """That of the issuer, from the deployment; `None` without one."""
    spared: RegionSet = field(default_factory=RegionSet)
    """Contested places that the order does not reach, also where its regions hold them."""

    def is_in_force(self, at: datetime) -> bool:
        """Whether it acts at a moment: active, and within its dates."""
        return self.state is State.ACTIVE and self.since <= at < self.end

    @property
    def since(self) -> datetime:
        """From when on it acts: its start, or the review that keeps it alive, since nobody has reviewed tomorrow."""
        return self.start if self.reviewed is None else max(self.start, self.reviewed)

    def places(self, at: datetime) -> RegionSet:
        """Where it reaches at a moment: its regions, within territory and jurisdiction, without the spared places."""
        reach = regions.expand(self.regions, at) & regions.expand((self.territory,), at)
        if self.jurisdiction is not None:
            reach &= regions.expand(self.jurisdiction, at)
        return reach - self.spared


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An owner's own choice for own meetings."""

    id: str
    account: str
    """Reaches only meetings of this account, whatever else its scope says."""
    effect: Literal["deny", "hold", "allow-only"]
    regions: tuple[str, ...]
    """Codes, names of our groups, or of the policy's own."""
    meetings: tuple[str, ...] = ()
    """Occurrences; empty together with `series`: all meetings of the account."""
    series: tuple[str, ...] = ()
    present: Effect = Effect.KEEP
    """`KEEP`, `HOLD` or `EJECT`."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """These networks or participants are not where a database says."""

    networks: tuple[Network, ...] = field(default=(), repr=False)
    participants: tuple[str, ...] = field(default=(), repr=False)
    region: str | None = None
    """Where it is, a canonical code; `None`: not located."""
    reason: str
    author: str
    dated: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Inside, but excused: from rules, and from orders that say so."""

    networks: tuple[Network, ...] = field(default=(), repr=False)
    participants: tuple[str, ...] = field(default=(), repr=False)
    roles: tuple[str, ...] = ()
    meetings: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    """One more condition where it is not empty: located inside these."""
    reason: str


NOT_LOCATED = ("unknown", "private", "reserved", "invalid", "missing", "relay", "conflict")
"""What a meeting under an allow-only rule needs a default for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What an allow-only rule does with those it cannot place, by the names of `NOT_LOCATED`."""

    unknown: Effect
    private: Effect
    reserved: Effect
    invalid: Effect
    missing: Effect
    relay: Effect
    conflict: Effect


Entry: TypeAlias = Order | Rule
