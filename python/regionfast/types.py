"""The plain types of the surface: what an answer is made of, and what is accepted as addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Status(IntEnum):
    """What kind of answer a row has. The numbers are the slots 0 to 5, the same in every table for ever.

    `UNKNOWN` is 0, so memory that nobody filled reads as "no place", never as one.
    """

    UNKNOWN = 0
    """An address of the public Internet that the table does not place."""
    PRIVATE = 1
    """RFC 1918, unique local, shared (CGNAT), loopback or link-local."""
    RESERVED = 2
    """Any other special-purpose range of the IANA registries."""
    INVALID = 3
    """Text that is no address."""
    MISSING = 4
    """No address: `None`, NaN, null, `""` or `"-"`."""
    RELAY = 5
    """An anonymising network or satellite relay."""
    LOCATED = 6
    """Placed in a region."""

    def __str__(self) -> str:
        return self.name.lower()


RELAY_BY_OVERRIDE = 7
"""The slot of a relay that an override names, in every table for ever; all others below 8 are statuses by number."""


class Evidence(IntEnum):
    """Where a hit came from."""

    NONE = 0
    """No hit."""
    DATABASE = 1
    """The database places the address."""
    OVERRIDE = 2
    """The caller's own overrides place it."""
    REGISTERED = 3
    """The database knows only where the network is registered, and the caller asked for that."""

    def __str__(self) -> str:
        return self.name.lower()


class Unwrapped(IntEnum):
    """How the IPv4 address that was judged lay inside an IPv6 address."""

    NO = 0
    """It did not: the address was judged as it is."""
    MAPPED = 1
    """IPv4-mapped, `::ffff:0:0/96` (RFC 4291 §2.5.5.2)."""
    SIX_TO_FOUR = 2
    """6to4, `2002::/16` (RFC 3056)."""
    TEREDO = 3
    """The client address of Teredo, `2001::/32` (RFC 4380 §4)."""
    NAT64 = 4
    """`64:ff9b::/96` or an own RFC 6052 prefix."""

    def __str__(self) -> str:
        return {Unwrapped.NO: "no", Unwrapped.SIX_TO_FOUR: "6to4"}.get(self, self.name.lower())


class Effect(IntEnum):
    """What is to be done with one connection: at the door the first three, inside a meeting the others.

    `ADMIT` is 0, so memory that nobody filled keeps nobody out.
    """

    ADMIT = 0
    HOLD = 1
    """To wait, at the door or moved back to it, until the owner of the meeting decides."""
    DENY = 2
    KEEP = 3
    EJECT = 4
    CLEAR = 5
    """To undo what acting on an earlier plan left behind."""

    def __str__(self) -> str:
        return self.name.lower()


class Reason(IntEnum):
    """Why a connection has its effect, seen from the order or rule that explains it. The numbers never change."""

    UNTOUCHED = 0
    """No order or rule in force reaches the meeting."""
    INSIDE = 1
    """The address is positively inside its regions: the reason of every order, and of rules that deny or hold."""
    OUTSIDE = 2
    """The address is positively outside the regions of an allow-only rule, which is why the rule refuses it."""
    ELSEWHERE = 3
    """The order or rule does not concern the address: it is not inside, or an allow-only rule lets it in."""
    UNKNOWN = 4
    PRIVATE = 5
    RESERVED = 6
    INVALID = 7
    MISSING = 8
    RELAY = 9
    """An address of the connection is a relay."""
    CONFLICT = 10
    """Addresses of the connection are inside and elsewhere."""
    UNDECIDED = 11
    """The table tells only a larger region, part of which is inside."""
    OVERRIDE = 12
    """Database and overrides differ; an override never puts an address inside a territory."""
    CORRECTED = 13
    """A correction of the policy says that it is not there."""
    EXEMPT = 14
    """Inside, but excused by the policy."""
    DISPUTED = 15
    """The witness does not confirm it."""

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """A named territory. `str(region)` is its code."""

    code: str
    """ISO 3166-1 alpha-2 or 3166-2 as the database has it: `CN`, `US-CA`."""

    @property
    def country(self) -> str:
        """The part before the dash: `US` of `US-CA`."""
        return self.code.partition("-")[0]

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInfo:
    """What a table is and claims."""

    source: str | None
    """The file it was opened from, as the caller named it; `None` for one made from bytes."""
    kind: str
    """The database's own name of its type: `GeoLite2-City`, `CSV`."""
    description: str
    """Free text of the database's maker."""
    attribution: str
    """Credit that the licence of the database asks for, where it is known."""
    level: str
    """`country` or `subdivision`."""
    built_at: datetime | None
    """When the database was built, UTC; `None` where it does not say."""
    digest: str
    """SHA-256 of the compiled form, hexadecimal: equal digests give equal answers and equal claims."""
    registry_date: str
    """Date of the IANA special-purpose registries that decide before the database."""
    unwrap: bool
    """Whether IPv4 inside IPv6 is unwrapped."""
    nat64: tuple[str, ...]
    """Own NAT64 prefixes (RFC 6052) that are unwrapped beside `64:ff9b::/96`."""
    region_count: int
    """Distinct regions."""
    ipv4_ranges: int
    """Ranges of the IPv4 space that differ from their neighbours, statuses included."""
    ipv6_ranges: int
    """The same of the IPv6 space."""
    override_ranges: int
    """Ranges of the overrides."""
    bytes: int
    """Memory that the table holds, exact, its base included."""
    kernel: str
    """Which implementation answers batches: `scalar`, `avx512`."""
    warnings: tuple[str, ...]
    """What a user of the answers should know."""


class ArrowArray(Protocol):
    """Anything that gives one Arrow array through the PyCapsule interface."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...


class ArrowStream(Protocol):
    """Anything that gives a stream of Arrow arrays through the PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Address: TypeAlias = str | IPv4Address | IPv6Address
"""One address: text as `ipaddress` accepts it, or an object of that module."""

Addresses: TypeAlias = "Iterable[Address | float | None] | ArrowArray | ArrowStream | npt.NDArray[np.generic]"
"""Many addresses: an iterable (a float may only be NaN, which is missing), a NumPy array of `uint32` (host
order), `uint8` `(n, 4)` or `(n, 16)` (network order), `S`, `U` or objects, an Arrow array or stream, a pandas or
Polars series."""
