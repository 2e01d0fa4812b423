"""Random databases, policies and rosters that are likely to meet: few networks, few places, few names."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import strategies as st

import regionfast as rf
from meetings.reference import Connection
from meetings.scene import Scene
from regionfast import regions
from regionfast.policy import Correction, Defaults, Exemption, Order, Policy, Rule, Scope, State
from regionfast.regions import RegionSet

V4: Final = ("1.0.0.0/8", "1.0.0.0/16", "1.0.0.7/32", "1.1.128.0/17", "2.0.0.0/8", "2.1.0.0/16", "3.0.0.0/9")
V6: Final = ("2400::/12", "2400:1::/32", "2a00::/12")
SPECIAL: Final = ("10.0.0.0/8", "192.0.2.0/24", "fc00::/7")
WORLD: Final = ("0.0.0.0/0", "::/0")
NETWORKS: Final = (*V4, *V4, *V6, *SPECIAL, *WORLD)

PLACES: Final = (
    *("CN", "CN", "CN", "CN", "CN-HK", "HK", "CN-22", "US", "US", "US-CA", "US-CA", "US-NY", "US-PR"),
    *("DE", "FR", "GB", "CH", "UA", "UA", "UA-43", "UA-30", "UA-Krym", "TW", "AN", "A1", "ZZ"),
)
OVERRIDES: Final = ("CN", "CN", "CN-HK", "US", "US-CA", "DE", "GB", "UA", "UA-30", "relay", "ZZ")

# What an order may be about, and the regions that it may name there.
TERRITORIES: Final = {
    "CN": ("CN", "CN", "CN-22"),
    "HK": ("HK",),
    "US": ("US", "US-CA", "US-NY"),
    "US-CA": ("US-CA",),
    "EU": ("EU", "DE", "FR"),
    "GB": ("GB",),
    "UA": ("UA", "UA-43", "UA-30"),
    "TW": ("TW",),
}
LEAVES: Final = datetime(2020, 1, 31, 23, tzinfo=UTC)
"""When GB leaves the EU: the group `EU` is another before and after."""
TIMES: Final = tuple(LEAVES + timedelta(seconds=seconds) for seconds in (-86_400, -1, 0, 1, 86_400))


def _edges(text: str) -> Iterator[str]:
    """The first and last address of a network, those before and after, and one in the middle."""
    network = ipaddress.ip_network(text)
    first, last = int(network.network_address), int(network.broadcast_address)
    kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    for number in (first, (first + last) // 2, last, first - 1, last + 1):
        if 0 <= number < 1 << kind(0).max_prefixlen:
            yield str(kind(number))


def _wrapped(text: str) -> tuple[str, ...]:
    """The same IPv4 address in each form that carries it."""
    octets = ipaddress.IPv4Address(text).packed
    return tuple(
        str(ipaddress.IPv6Address(packed))
        for packed in (
            bytes(10) + b"\xff\xff" + octets,
            b"\x20\x02" + octets + bytes(10),
            b"\x20\x01" + bytes(10) + bytes(255 - octet for octet in octets),
            b"\x00\x64\xff\x9b" + bytes(8) + octets,
            bytes(12) + octets,  # IPv4-compatible, which is no wrapping
        )
    )


PLAIN: Final = tuple(dict.fromkeys(address for network in (*V4, *V6, *SPECIAL) for address in _edges(network)))
WRAPPED: Final = tuple(form for address in PLAIN if ":" not in address for form in _wrapped(address))
NO_PLACE: Final = (None, "", "-", "x", "1.0.0", "01.0.0.1", "127.0.0.1", "fe80::1%eth0", "224.0.0.1", "100.64.0.1")

databases = st.dictionaries(st.sampled_from(NETWORKS), st.sampled_from(PLACES), min_size=2, max_size=7)
overrides = st.dictionaries(st.sampled_from(NETWORKS), st.sampled_from(OVERRIDES), max_size=3)


def witnesses(networks: dict[str, str]) -> st.SearchStrategy[dict[str, str]]:
    """A second database that mostly says the same."""
    others = st.dictionaries(st.sampled_from(NETWORKS), st.sampled_from(PLACES), max_size=2)
    return others.map(lambda changed: networks | changed)


MEETINGS: Final = ("m1", "m2", "m3")
ACCOUNTS: Final = ("a1", "a2")
SERIES: Final = ("s1", "s2")
PARTICIPANTS: Final = ("u1", "u2", "u3", "u4", "u5")
ROLES: Final = ("host", "interpreter")

times = st.sampled_from(TIMES)


def _some(values: tuple[str, ...], least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=2, unique=True).map(tuple)


def _networks() -> st.SearchStrategy[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]]:
    return st.lists(st.sampled_from((*V4, *V6, *WORLD, "2002::/16")), max_size=1).map(
        lambda texts: tuple(map(ipaddress.ip_network, texts))
    )


@st.composite
def orders(draw: st.DrawFn, name: str, codes: Sequence[str]) -> Order:
    """An order as `parse` would make it, mostly about where a database has somebody.

    Contested places are spared unless they are named.
    """
    told = [code for code in codes if code in TERRITORIES] or ["CN"]
    territory = draw(st.one_of(*[st.sampled_from(told)] * 3, st.sampled_from(tuple(TERRITORIES))))
    names = draw(st.just((territory,)) | _some(TERRITORIES[territory], 1))
    jurisdiction = draw(
        st.sampled_from([None, None, None, (territory,), (territory, "UA-43", "TW"), ("US-CA", "CN", "DE")])
    )
    naming = names if jurisdiction is None else jurisdiction
    conceded = [code for code in naming if not regions.is_group(code) and regions.contested(code)]
    start = draw(st.sampled_from([TIMES[0], TIMES[0], *TIMES[:3]]))
    everywhere = draw(st.sampled_from([True, True, False]))
    return Order(
        id=name,
        issuer="authority",
        state=draw(st.sampled_from([*[State.ACTIVE] * 12, *State])),
        territory=territory,
        regions=names,
        scope=Scope(everywhere=True)
        if everywhere
        else Scope(meetings=draw(_some(MEETINGS)), series=draw(_some(SERIES)), accounts=draw(_some(ACCOUNTS))),
        start=start,
        end=start + timedelta(seconds=draw(st.sampled_from([1, 2, *[10**6] * 6]))),
        join=draw(st.sampled_from([rf.Effect.DENY, rf.Effect.DENY, rf.Effect.HOLD, rf.Effect.ADMIT])),
        present=draw(st.sampled_from([rf.Effect.EJECT, rf.Effect.EJECT, rf.Effect.HOLD, rf.Effect.KEEP])),
        exemptions=draw(st.booleans()),
        jurisdiction=jurisdiction,
        spared=regions.contested_places() - RegionSet(conceded),
    )


@st.composite
def rules(draw: st.DrawFn, name: str) -> Rule:
    return Rule(
        id=name,
        account=draw(st.sampled_from(ACCOUNTS)),
        effect=draw(st.sampled_from(["deny", "hold", "allow-only"])),
        regions=draw(_some(("CN", "HK", "US", "US-CA", "EU", "DE", "UA-43", "UA", "own", "SCHENGEN"), 1)),
        meetings=draw(st.just(()) | _some(MEETINGS)),
        series=draw(st.just(()) | _some(SERIES)),
        present=draw(st.sampled_from([rf.Effect.EJECT, rf.Effect.EJECT, rf.Effect.HOLD, rf.Effect.KEEP])),
    )


@st.composite
def corrections(draw: st.DrawFn) -> Correction:
    return Correction(
        networks=draw(_networks()),
        participants=draw(st.just(()) | _some(PARTICIPANTS)),
        region=draw(st.sampled_from([None, "CN", "HK", "US", "US-CA", "DE"])),
        reason="drawn",
        author="drawn",
        dated=date(2020, 6, 2),
    )


@st.composite
def exemptions(draw: st.DrawFn) -> Exemption:
    return Exemption(
        **{name: draw(values) for name, values in _excused(draw(st.sampled_from(range(6))))},
        regions=draw(st.just(()) | _some(("CN", "US-CA", "EU", "own"))),
        reason="drawn",
    )


def _excused(number: int) -> tuple[tuple[str, st.SearchStrategy[tuple[Any, ...]]], ...]:
    """One list of an exemption: with all of them hardly anybody would be left."""
    lists = (
        ("networks", _networks()),
        ("participants", _some(PARTICIPANTS)),
        ("roles", _some(ROLES)),
        ("meetings", _some(MEETINGS)),
        ("series", _some(SERIES)),
        ("accounts", _some(ACCOUNTS)),
    )
    return lists[number : number + 1]


_at_door = st.sampled_from([rf.Effect.ADMIT, rf.Effect.HOLD, rf.Effect.DENY])
defaults = st.builds(
    Defaults,
    unknown=_at_door,
    private=_at_door,
    reserved=_at_door,
    invalid=_at_door,
    missing=_at_door,
    relay=_at_door,
    conflict=_at_door,
)


@st.composite
def policies(draw: st.DrawFn, codes: Sequence[str], *, least_orders: int = 0) -> Policy:
    """A policy of a few entries; its own group is `own`."""
    return Policy(
        orders=tuple(draw(orders(f"order-{number}", codes)) for number in range(draw(st.integers(least_orders, 3)))),
        rules=tuple(draw(rules(f"rule-{number}")) for number in range(draw(st.integers(0, 3)))),
        corrections=tuple(draw(st.just([]) | st.lists(corrections(), max_size=2))),
        exemptions=tuple(draw(st.just([]) | st.lists(exemptions(), max_size=2))),
        defaults=draw(defaults),
        groups={"own": draw(_some(("US-NY", "EU", "CN-HK", "CN"), 1))},
    )


@st.composite
def rosters(draw: st.DrawFn, networks: Sequence[str]) -> tuple[Connection, ...]:
    """Connections, most at the edges of some networks; a meeting has one account and one series.

    They are drawn from a seed, since Hypothesis is slow at many and likes all to be alike. Fewer of them are the first
    of the same, so a failure still shrinks.
    """
    near = [edge for network in networks if network not in WORLD for edge in _edges(network)] or list(PLAIN)
    wrapped = [form for address in near if ":" not in address for form in _wrapped(address)] or list(WRAPPED)
    drawn = random.Random(draw(st.integers(0, 1 << 32)))
    owner = {meeting: (drawn.choice([*ACCOUNTS, None]), drawn.choice([*SERIES, None])) for meeting in MEETINGS}
    # Half of the rosters have one address a connection, which the package decides in another way.
    most = draw(st.sampled_from([1, 4]))
    return tuple(
        _connection(drawn, number, owner, [near, near, near, near, PLAIN, wrapped, NO_PLACE], most)
        for number in range(draw(st.one_of(st.integers(10, 40), st.integers(0, 3))))
    )


def _connection(
    drawn: random.Random,
    number: int,
    owner: Mapping[str, tuple[str | None, str | None]],
    addresses: Sequence[Sequence[str | None]],
    most: int,
) -> Connection:
    meeting = drawn.choice(MEETINGS)
    account, series = owner[meeting]
    return Connection(
        participant=drawn.choice([*PARTICIPANTS, None]),
        addresses=tuple(drawn.choice(drawn.choice(addresses)) for _ in range(drawn.randint(1, most))),
        meeting=meeting,
        connection=f"c{number}",
        account=account,
        series=series,
        role=drawn.choice([*ROLES, None]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """All that a decision follows from."""

    networks: dict[str, str]
    overrides: dict[str, str]
    witness: dict[str, str] | None
    policy: Policy
    connections: tuple[Connection, ...]
    at: datetime

    @contextmanager
    def scene(self) -> Iterator[Scene]:
        """The tables, opened from files that are gone afterwards."""
        with TemporaryDirectory() as folder:
            yield Scene.of(Path(folder), self.networks, self.overrides, self.witness)


@st.composite
def plays(draw: st.DrawFn, *, least_orders: int = 0) -> Play:
    networks, more = draw(databases), draw(st.just({}) | overrides)
    return Play(
        networks=networks,
        overrides=more,
        witness=draw(st.none() | witnesses(networks)),
        policy=draw(policies(tuple(networks.values()), least_orders=least_orders)),
        connections=draw(rosters((*networks, *more))),
        at=draw(times),
    )
