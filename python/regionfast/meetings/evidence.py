"""What the checker verifies against: addresses and where base data places them, by a search of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from os import PathLike
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from regionfast import regions
from regionfast._lib import Table
from regionfast.errors import DatabaseError
from regionfast.policy.model import Network

if TYPE_CHECKING:
    from regionfast.meetings.roster import Roster

Integers: TypeAlias = npt.NDArray[np.int64]
_Bools: TypeAlias = npt.NDArray[np.bool_]
V4: Final = 4
V6: Final = 6

NOWHERE: Final = ""
"""What stands for an address that is not located."""
RELAY: Final = "relay"
STATUSES: Final = ("unknown", "private", "reserved", "invalid", "missing")
"""The first slots of every table, for ever; ranges say so of an address instead of `NOWHERE`."""
_UNKNOWN: Final = 0
_RESERVED: Final = 2
_INVALID: Final = 3
_MISSING: Final = 4
_NO_ADDRESS: Final = (_MISSING, _INVALID)
"""The slot of each family below 4."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Some addresses; each has its row in all three."""

    family: npt.NDArray[np.uint8]
    """4, 6, 1 where a text is no address, 0 where there is no text."""
    v4: npt.NDArray[np.uint32] = field(repr=False)
    v6: npt.NDArray[np.uint8] = field(repr=False)
    """`(n, 16)`, network order; zeros where the family is another."""


class BaseData(Protocol):
    """Where the checker has it from that an address is in a region."""

    def codes(self, addresses: Addresses) -> tuple[Sequence[str], Integers]:
        """Different codes, or `RELAY`, `NOWHERE` or one of `STATUSES`, and for each address the number of its own."""
        ...


class Ranges:
    """The ranges of a table, searched by halving."""

    def __init__(self, table: Table) -> None:
        """Takes the ranges, not the table's ways to find one."""
        self._codes = [NOWHERE if region is None else str(region) for region in table.regions]
        self._codes[: len(STATUSES)] = STATUSES
        for slot in _RELAYS:
            self._codes[slot] = RELAY
        self._starts4, self._slots4 = table.boundaries(4)
        starts6, self._slots6 = table.boundaries(6)
        self._starts6 = _texts(starts6)
        nat64 = [_nat64(IPv6Network(prefix)) for prefix in (*table.info.nat64, "64:ff9b::/96")]
        self._zones = (*_ZONES, *nat64) if table.info.unwrap else ()

    def codes(self, addresses: Addresses) -> tuple[Sequence[str], Integers]:
        """See `BaseData`."""
        found = np.zeros(len(addresses.family), np.int64)
        for family, slot in enumerate(_NO_ADDRESS):
            found[addresses.family == family] = slot
        v4 = addresses.v4.copy()
        by_v4 = addresses.family == V4
        v6 = np.flatnonzero(addresses.family == V6)
        if len(v6):
            inside, is_wrapped, is_broken = self.unwrapped(addresses.v6[v6])
            v4[v6[is_wrapped]] = inside[is_wrapped]
            by_v4[v6[is_wrapped]] = True
            found[v6[is_broken]] = _RESERVED
            rest = v6[~is_wrapped & ~is_broken]
            at = np.searchsorted(self._starts6, _texts(addresses.v6[rest]), "right") - 1
            found[rest] = self._slots6[at]
        rows = np.flatnonzero(by_v4)
        # Sorted, they are found in the order in which the ranges lie in memory.
        rows = rows[np.argsort(v4[rows])]
        found[rows] = self._slots4[np.searchsorted(self._starts4, v4[rows], "right") - 1]
        return self._codes, found

    def unwrapped(self, v6: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint32], _Bools, _Bools]:
        """IPv4 inside IPv6 as RFC 4291, 3056, 4380 and 6052 put it there.

        Returns:
            The IPv4 addresses, where there is any, and where one should be but no translator made the address.
        """
        inside = np.zeros(len(v6), np.uint32)
        there = np.zeros(len(v6), np.bool_)
        broken = np.zeros(len(v6), np.bool_)
        octets = v6.astype(np.uint32)
        for prefix, places, flip, has_octet_u in self._zones:
            is_in_zone = (v6[:, : len(prefix)] == np.frombuffer(prefix, np.uint8)).all(1) & ~there & ~broken
            if has_octet_u:
                broken |= is_in_zone & (v6[:, _OCTET_U] != 0)
                is_in_zone &= ~broken
            rows = np.flatnonzero(is_in_zone)
            for shift, place in zip((24, 16, 8, 0), places, strict=True):
                inside[rows] |= (octets[rows, place] ^ np.uint32(flip)) << np.uint32(shift)
            there[rows] = True
        return inside, there, broken


_RELAYS: Final = (5, 7)
"""The slots of relays, by the database and by an override, in every table for ever."""

_Zone: TypeAlias = tuple[bytes, tuple[int, ...], int, bool]
"""The octets that it begins with, the places of the octets of the IPv4 address, what flips the bits of these, and
whether octet 8 must be zero."""

_ZONES: Final[tuple[_Zone, ...]] = (
    (bytes(10) + b"\xff\xff", (12, 13, 14, 15), 0, False),
    (b"\x20\x02", (2, 3, 4, 5), 0, False),
    (b"\x20\x01\0\0", (12, 13, 14, 15), 0xFF, False),
)
"""Mapped, 6to4, Teredo."""


def _nat64(prefix: IPv6Network) -> _Zone:
    length = prefix.prefixlen // 8
    places = tuple(place for place in range(length, 16) if place != _OCTET_U)[:4]
    return prefix.network_address.packed[:length], places, 0, length <= _OCTET_U


_OCTET_U: Final = 8
"""Bits 64 to 71, zero in an address of a translator and no part of the IPv4 address, RFC 6052 section 2.2."""


class Networks:
    """Numbered lists of networks, searched by the length of their prefixes; of those that match, the first counts."""

    def __init__(self, lists: Iterable[tuple[int, Iterable[Network]]], none: int) -> None:
        """Takes each list with its number; `none`, greater than any of these, is that of no list."""
        self._none = none
        by_mask: dict[tuple[int, int], dict[bytes, int]] = {}
        for number, networks in lists:
            for network in networks:
                firsts = by_mask.setdefault((network.version, network.prefixlen), {})
                first = network.network_address.packed
                firsts[first] = min(number, firsts.get(first, none))
        self._by_mask = [
            (version, _mask(version, length), *_searchable(version, firsts))
            for (version, length), firsts in by_mask.items()
        ]

    def __bool__(self) -> bool:
        return bool(self._by_mask)

    def of(self, addresses: Addresses, unwrapped: tuple[npt.NDArray[np.uint32], _Bools]) -> Integers:
        """The number for each address, as it is shown or by the IPv4 address that it wraps.

        Args:
            addresses: The addresses as they are shown.
            unwrapped: For each the IPv4 address inside, and whether there is any.
        """
        inside, is_wrapped = unwrapped
        found = np.full(len(addresses.family), self._none, np.int64)
        rows4 = np.flatnonzero(is_wrapped | (addresses.family == V4))
        v4 = np.where(is_wrapped, inside, addresses.v4)[rows4]
        rows6 = np.flatnonzero(addresses.family == V6)
        v6 = addresses.v6[rows6]
        for version, mask, firsts, numbers in self._by_mask:
            rows = rows4 if version == V4 else rows6
            masked = v4 & mask.view(">u4").astype(np.uint32) if version == V4 else _texts(v6 & mask)
            # Where all are smaller, the last one is as wrong as any.
            at = np.minimum(np.searchsorted(firsts, masked), len(firsts) - 1)
            here = np.where(firsts[at] == masked, numbers[at], self._none)
            found[rows] = np.minimum(found[rows], here)
        return found


def _mask(version: int, length: int) -> npt.NDArray[np.uint8]:
    bits = 32 if version == V4 else 128
    ones = (1 << bits) - (1 << bits - length)
    return np.frombuffer(ones.to_bytes(bits // 8, "big"), np.uint8)


def _searchable(
    version: int, firsts: dict[bytes, int]
) -> tuple[npt.NDArray[np.uint32] | npt.NDArray[np.bytes_], Integers]:
    """The first addresses of networks, sorted, and their numbers. Packed, they sort as the numbers that they are."""
    packed = np.frombuffer(b"".join(sorted(firsts)), np.uint8)
    numbers = np.array([firsts[first] for first in sorted(firsts)], np.int64)
    if version == V4:
        return packed.view(">u4").astype(np.uint32), numbers
    return _texts(packed.reshape(-1, 16)), numbers


class DatabaseFile:
    """A MaxMind database, read by the `maxminddb` package, address by address."""

    def __init__(self, path: str | PathLike[str], ranges: Ranges) -> None:
        """Needs `maxminddb`, which regionfast itself does not.

        Args:
            path: The file.
            ranges: Those of the table that decided: they say which IPv4 address another one wraps, and which ones
                are special, whatever the file says of these.

        Raises:
            DatabaseError: A file that cannot be read as such a database.
        """
        import maxminddb

        self._ranges = ranges
        self._path = path
        self._wrong = maxminddb.InvalidDatabaseError
        try:
            self._reader = maxminddb.open_database(path)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise DatabaseError(f"`{path}` cannot be opened as a MaxMind database: {error}") from error
        self._version = self._reader.metadata().ip_version

    def codes(self, addresses: Addresses) -> tuple[Sequence[str], Integers]:
        """See `BaseData`.

        Raises:
            DatabaseError: A file that turns out to be damaged.
        """
        _, slots = self._ranges.codes(addresses)
        inside, is_wrapped, _ = self._ranges.unwrapped(addresses.v6)
        is_wrapped &= addresses.family == V6
        v4 = np.where(is_wrapped, inside, addresses.v4)
        by_v4 = is_wrapped | (addresses.family == V4)
        codes: dict[str, int] = {NOWHERE: 0}
        found = np.zeros(len(addresses.family), np.int64)
        for row in np.flatnonzero((slots == _UNKNOWN) | (slots >= len(STATUSES))).tolist():
            address = IPv4Address(int(v4[row])) if by_v4[row] else IPv6Address(addresses.v6[row].tobytes())
            found[row] = codes.setdefault(self._code(address), len(codes))
        return tuple(codes), found

    def _code(self, address: IPv4Address | IPv6Address) -> str:
        if address.version > self._version:
            return NOWHERE
        try:
            record = self._reader.get(address)
        except self._wrong as error:
            raise DatabaseError(f"`{self._path}` is damaged: {error}") from error
        return _code_of(record) if isinstance(record, dict) else NOWHERE


def _code_of(record: dict[str, object]) -> str:
    """Where a record places its network: in the shapes of MaxMind (`country.iso_code`) and DB-IP (`country_code`)."""
    country = record.get("country_code") or _iso_code(record.get("country"))
    if country in _RELAY_CODES:
        return RELAY
    if not isinstance(country, str):
        return NOWHERE
    parts = record.get("subdivisions")
    part = _iso_code(parts[0]) if isinstance(parts, list) and parts else None
    try:
        if regions.name(country) is not None:
            return regions.canonical(f"{country}-{part}" if isinstance(part, str) and part else country)
    except regions.RegionError:
        pass
    return NOWHERE


_RELAY_CODES: Final = ("A1", "T1")
"""What MaxMind's older databases have in the place of a country for anonymous proxies, and others for Tor."""


def _iso_code(value: object) -> object:
    return value.get("iso_code") if isinstance(value, dict) else value


def addresses_of(roster: Roster, rows: Integers) -> tuple[Addresses, Integers | None]:
    """The addresses of some connections, and where those of each start; `None` where each has one."""
    at, starts = rows, None
    if roster.starts is not None:
        counts = (roster.starts[1:] - roster.starts[:-1])[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        at = np.repeat(roster.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])
    family = roster.families[at]
    v6 = np.zeros((len(at), 16), np.uint8)
    if len(roster.v6):
        six = np.flatnonzero(family == V6)
        v6[six] = roster.v6[np.searchsorted(roster.v6_rows, at[six])]
    return Addresses(family, roster.v4[at], v6), starts


def _texts(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.bytes_]:
    """Packed IPv6 addresses as texts of 16 bytes, which compare like the numbers that they are."""
    return np.ascontiguousarray(packed).view("S16")[:, 0]
