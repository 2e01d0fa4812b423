"""What the checker verifies against: addresses and where base data places them, by a search of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address
from os import PathLike
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table

if TYPE_CHECKING:
    from regionfast.meetings.roster import Roster

Integers: TypeAlias = npt.NDArray[np.int64]
V4: Final = 4
V6: Final = 6

NOWHERE: Final = ""
"""What stands for an address that is not located."""
RELAY: Final = "relay"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Some addresses: `family` 4, 6, or less where there is none; each has its row in `v4` and in `v6`."""

    family: npt.NDArray[np.uint8]
    v4: npt.NDArray[np.uint32]
    v6: npt.NDArray[np.uint8]
    """`(n, 16)`, network order; zeros where the family is another."""


class BaseData(Protocol):
    """Where the checker has it from that an address is in a region."""

    def codes(self, addresses: Addresses) -> tuple[Sequence[str], Integers]:
        """Different codes, or `RELAY` or `NOWHERE`, and for each address the number of its own."""
        ...


class Ranges:
    """The ranges of a table, searched by halving."""

    def __init__(self, table: Table) -> None:
        """Takes the ranges, not the table's ways to find one."""
        self._codes = [NOWHERE if region is None else str(region) for region in table.regions]
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
        v4 = addresses.v4.copy()
        by_v4 = addresses.family == V4
        v6 = np.flatnonzero(addresses.family == V6)
        if len(v6):
            inside, is_wrapped = self.unwrapped(addresses.v6[v6])
            v4[v6[is_wrapped]] = inside[is_wrapped]
            by_v4[v6[is_wrapped]] = True
            rest = v6[~is_wrapped]
            at = np.searchsorted(self._starts6, _texts(addresses.v6[rest]), "right") - 1
            found[rest] = self._slots6[at]
        rows = np.flatnonzero(by_v4)
        # Sorted, they are found in the order in which the ranges lie in memory.
        rows = rows[np.argsort(v4[rows])]
        found[rows] = self._slots4[np.searchsorted(self._starts4, v4[rows], "right") - 1]
        return self._codes, found

    def unwrapped(self, v6: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
        """IPv4 inside IPv6 as RFC 4291, 3056, 4380 and 6052 put it there, and where there is any."""
        inside = np.zeros(len(v6), np.uint32)
        there = np.zeros(len(v6), np.bool_)
        octets = v6.astype(np.uint32)
        for prefix, places, flip in self._zones:
            rows = np.flatnonzero((v6[:, : len(prefix)] == np.frombuffer(prefix, np.uint8)).all(1) & ~there)
            for shift, place in zip((24, 16, 8, 0), places, strict=True):
                inside[rows] |= (octets[rows, place] ^ np.uint32(flip)) << np.uint32(shift)
            there[rows] = True
        return inside, there


_RELAYS: Final = (5, 7)
"""The slots of relays, by the database and by an override, in every table for ever."""

_Zone: TypeAlias = tuple[bytes, tuple[int, ...], int]
"""The octets that it begins with, the places of the octets of the IPv4 address, and what flips the bits of these."""

_ZONES: Final[tuple[_Zone, ...]] = (
    (bytes(10) + b"\xff\xff", (12, 13, 14, 15), 0),
    (b"\x20\x02", (2, 3, 4, 5), 0),
    (b"\x20\x01\0\0", (12, 13, 14, 15), 0xFF),
)
"""Mapped, 6to4, Teredo."""


def _nat64(prefix: IPv6Network) -> _Zone:
    length = prefix.prefixlen // 8
    # Octet 8 is left out, RFC 6052 section 2.2.
    return (
        prefix.network_address.packed[:length],
        tuple(place for place in range(length, 16) if place != _OCTET_U)[:4],
        0,
    )


_OCTET_U: Final = 8


class DatabaseFile:
    """A MaxMind database, read by the `maxminddb` package, address by address."""

    def __init__(self, path: str | PathLike[str]) -> None:
        """Needs `maxminddb`, which regionfast itself does not."""
        import maxminddb

        self._reader = maxminddb.open_database(path)

    def codes(self, addresses: Addresses) -> tuple[Sequence[str], Integers]:
        """See `BaseData`. Special-purpose addresses are nowhere, whatever the file says."""
        codes: dict[str, int] = {NOWHERE: 0}
        found = [codes.setdefault(self._code(addresses, row), len(codes)) for row in range(len(addresses.family))]
        return tuple(codes), np.array(found, np.int64)

    def _code(self, addresses: Addresses, row: int) -> str:
        family = int(addresses.family[row])
        if family == V4:
            address = ip_address(int(addresses.v4[row]))
        elif family == V6:
            whole = ip_address(addresses.v6[row].tobytes())
            teredo = getattr(whole, "teredo", None)
            inside = whole.ipv4_mapped or whole.sixtofour or (teredo and teredo[1])  # type: ignore[union-attr]
            address = inside or whole
        else:
            return NOWHERE
        if not address.is_global:
            return NOWHERE
        record = self._reader.get(address)
        if not isinstance(record, dict):
            return NOWHERE
        country = record.get("country_code") or _nested(record, "country")
        if not isinstance(country, str):
            return NOWHERE
        part = record.get("subdivisions")
        first = part[0].get("iso_code") if isinstance(part, list) and part and isinstance(part[0], dict) else None
        return f"{country}-{first}" if isinstance(first, str) else country


def _nested(record: dict[str, object], key: str) -> object:
    value = record.get(key)
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
