"""The oracle against the shared vectors, against `ipaddress`, and against cases made by hand."""

import ipaddress
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle import IPV4_REGISTRY, IPV6_REGISTRY, REGISTRIES_AS_OF, Address, Answer, Oracle

VECTORS = Path(__file__).parent / "vectors" / "status.toml"
REGISTRY = (*IPV4_REGISTRY, *IPV6_REGISTRY)
STATUSES = {"private", "reserved", "public"}
"""What an address can be before the database is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the vectors; an unknown or a missing key is an error."""

    address: str
    status: str
    why: str
    unwrapped: str | None = None
    inner: str | None = None
    unwrap: bool = True
    nat64: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the case is judged with the default configuration."""
        return self.unwrap and not self.nat64


def _cases() -> list[Case]:
    document = tomllib.loads(VECTORS.read_text(encoding="utf-8"))
    return [Case(**{**row, "nat64": tuple(row.get("nat64", ()))}) for row in document["case"]]


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.address))
def test_vector(case: Case) -> None:
    """The oracle answers as the vectors say, and leaves exactly the public addresses to the database."""
    oracle = Oracle({"0.0.0.0/0": "US", "::/0": "FR"}, unwrap=case.unwrap, nat64=case.nat64)
    answer = oracle.answer(case.address)
    assert (case.unwrapped is None) == (case.inner is None)
    assert answer.unwrapped == case.unwrapped
    if case.status == "public":
        version = ipaddress.ip_address(case.inner or case.address).version
        assert answer == Answer(
            status="located",
            region="US" if version == 4 else "FR",
            evidence="database",
            unwrapped=case.unwrapped,
        )
    else:
        assert answer == Answer(status=case.status, unwrapped=case.unwrapped)


@pytest.mark.parametrize("case", [case for case in CASES if case.inner], ids=lambda case: case.address)
def test_vector_inner(case: Case) -> None:
    """What is inside is the very address that the vectors name, not only one of the same status."""
    oracle = Oracle({}, {f"{case.inner}/32": "SE"}, nat64=case.nat64)
    expected = Answer(status="located", region="SE", evidence="override", unwrapped=case.unwrapped)
    assert oracle.answer(case.address) == expected


def _probes(prefix: str) -> Iterator[Address]:
    """Yield the address before `prefix`, its first, its last and the address after, where they exist."""
    network = ipaddress.ip_network(prefix)
    first, last = int(network.network_address), int(network.broadcast_address)
    for bits in (first - 1, first, last, last + 1):
        if 0 <= bits < 2**network.max_prefixlen:
            yield type(network.network_address)(bits)


def test_vectors_probe_every_registry_row() -> None:
    """No row of the registries is without its four probes in the vectors."""
    present = {ipaddress.ip_address(case.address) for case in CASES if case.plain and case.status in STATUSES}
    missing = {str(probe) for prefix, _, _ in REGISTRY for probe in _probes(prefix) if probe not in present}
    assert not missing


def test_vectors_hold_every_kind() -> None:
    """Each status, each wrapping around each status, and each length of RFC 6052 occurs."""
    assert {case.status for case in CASES} == STATUSES | {"invalid", "missing"}
    wrapped = {(case.unwrapped, case.status) for case in CASES if case.unwrapped}
    assert wrapped == {(w, s) for w in ("mapped", "6to4", "teredo", "nat64") for s in STATUSES}
    lengths = {(prefix.split("/")[1], case.status) for case in CASES for prefix in case.nat64}
    assert lengths >= {(length, s) for length in ("32", "40", "48", "56", "64", "96") for s in STATUSES}
    assert REGISTRIES_AS_OF in VECTORS.read_text(encoding="utf-8")


def test_registry_rows_are_distinct() -> None:
    """A row typed twice would hide one of its two statuses."""
    networks = [ipaddress.ip_network(prefix) for prefix, _, _ in REGISTRY]
    assert len(set(networks)) == len(networks)


# Where `is_global` of every Python differs from "the database decides", and why we keep to ours.
DECIDED_OTHERWISE = {
    "192.88.99.0/24": "the registry says N/A, which Python reads as global and we as reserved",
    "224.0.0.0/4": "multicast is in a registry of its own; Python has is_multicast for it",
    "ff00::/8": "the same for IPv6",
    "::/96": "IPv4-compatible addresses were deprecated (RFC 4291 §2.5.5.1) and are in no registry",
    "fec0::/10": "site local was deprecated (RFC 3879); Python has is_site_local for it",
    "2002::/16": "judged by the IPv4 address inside, here a private or reserved one",
    "64:ff9b::/96": "the same",
    "100:0:0:1::/64": "a row of 2025",
}
# Where some Pythons differ: their lists are of 2015, of 2024 or newer, with whatever a distribution patched.
NEWER_THAN_PYTHON = {
    "192.0.0.0/24": "older lists have single rows of it instead of the whole with its exceptions",
    "::ffff:0:0/96": "judged by the IPv4 address inside since Python 3.13, always private before",
    "64:ff9b:1::/48": "missing from older lists",
    "2001::/23": "without its globally reachable rows in older lists, without that of RFC 9665 in newer ones",
    "3fff::/20": "a row of 2024",
    "5f00::/16": "a row of 2024",
}


def _plain_addresses() -> Iterator[tuple[Address, str]]:
    for case in CASES:
        if case.plain and case.status in STATUSES:
            yield ipaddress.ip_address(case.address), case.status


def _within(address: Address, networks: dict[str, str]) -> bool:
    return any(address in ipaddress.ip_network(network) for network in networks)


def test_every_difference_from_is_global_is_explained() -> None:
    """Our idea of an ordinary address is Python's `is_global`, apart from what is explained."""
    differing = [address for address, status in _plain_addresses() if address.is_global != (status == "public")]
    unexplained = [address for address in differing if not _within(address, DECIDED_OTHERWISE | NEWER_THAN_PYTHON)]
    assert not unexplained
    stale = {
        network
        for network in DECIDED_OTHERWISE
        if not any(address in ipaddress.ip_network(network) for address in differing)
    }
    assert not stale


def test_every_difference_from_is_private_is_explained() -> None:
    """What we call private is private for Python, which also calls most of our reserved so."""
    differing = [address for address, status in _plain_addresses() if status == "private" and not address.is_private]
    explained = {
        "100.64.0.0/10": "neither private nor global for Python; a customer behind CGNAT for us",
        "64:ff9b:1::/48": "missing from older lists",
        "::ffff:0:0/96": "judged by the IPv4 address inside, 100.64.0.0/10 among them",
        "2001::/32": "the same",
        "2002::/16": "the same",
        "64:ff9b::/96": "the same",
    }
    assert not [address for address in differing if not _within(address, explained)]


DATABASE = {
    "1.0.0.0/8": "AU",
    "1.2.0.0/16": "CN",
    "1.2.3.0/24": "CN-HK",
    "1.2.3.4/32": "CN-MO",
    "2.0.0.0/8": "CN-TW",
    "3.0.0.0/8": "A1",
    "4.0.0.0/8": "EU",
    "10.0.0.0/8": "US",
    "2a00::/16": "DE",
    "2a00:1::/32": "CN-22",
    "2002::/16": "FR",
    "::/96": "GB",
}


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("1.1.1.1", "AU"),
        ("1.2.1.1", "CN"),
        ("1.2.3.3", "HK"),
        ("1.2.3.4", "MO"),
        ("2.255.255.255", "TW"),
        ("2a00::1", "DE"),
        ("2a00:1:ffff::", "CN-22"),
        ("2a00:2::", "DE"),
        (ipaddress.IPv4Address("1.2.3.4"), "MO"),
        (ipaddress.IPv6Address("2a00::1%eth0"), "DE"),
    ],
)
def test_database_longest_prefix_wins(address: object, region: str) -> None:
    """The longest network decides, and only three codes are renamed."""
    assert Oracle(DATABASE).answer(address) == Answer(status="located", region=region, evidence="database")


def test_database_pseudo_codes() -> None:
    """`A1` and `T1` are relays; every other pseudo-code and a hole are unknown, without evidence."""
    relay = Answer(status="relay", evidence="database")
    assert Oracle(DATABASE).answer("3.1.1.1") == relay
    assert Oracle({"5.0.0.0/8": "T1"}).answer("5.1.1.1") == relay
    for code in ("A2", "AP", "EU", "O1", "XX", "ZZ", "--", ""):
        assert Oracle({"5.0.0.0/8": code}).answer("5.1.1.1") == Answer(status="unknown")
    assert Oracle(DATABASE).answer("5.1.1.1") == Answer(status="unknown")
    assert Oracle({"0.0.0.0/0": "US"}).answer("2a00::1") == Answer(status="unknown")


def test_database_never_beats_special_ranges_or_unwrapping() -> None:
    """A database that places 10/8, ::/96 or 2002::/16 is not asked about them."""
    oracle = Oracle(DATABASE)
    assert oracle.answer("10.1.1.1") == Answer(status="private")
    assert oracle.answer("::1.2.3.4") == Answer(status="reserved")
    unwrapped = Answer(status="located", region="AU", evidence="database", unwrapped="6to4")
    assert oracle.answer("2002:101:101::") == unwrapped


def test_overrides_beat_special_ranges_and_database() -> None:
    """The longest override decides, for the address inside where there is one, and is the evidence."""
    oracle = Oracle(
        DATABASE,
        {
            "10.0.0.0/8": "SE",
            "10.1.0.0/16": "relay",
            "1.2.3.4/32": "CN-HK",
            "2.0.0.0/8": "ZZ",
            "3.0.0.0/8": "T1",
            "fd00::/8": "NO",
            "2002::/16": "FI",
        },
    )
    assert oracle.answer("10.2.1.1") == Answer(status="located", region="SE", evidence="override")
    assert oracle.answer("10.1.1.1") == Answer(status="relay", evidence="override")
    assert oracle.answer("1.2.3.4") == Answer(status="located", region="HK", evidence="override")
    assert oracle.answer("1.2.3.5") == Answer(status="located", region="HK", evidence="database")
    assert oracle.answer("2.1.1.1") == Answer(status="unknown")
    assert oracle.answer("3.1.1.1") == Answer(status="relay", evidence="override")
    assert oracle.answer("fd00::1") == Answer(status="located", region="NO", evidence="override")
    inside = Answer(status="located", region="SE", evidence="override", unwrapped="mapped")
    assert oracle.answer("::ffff:10.2.1.1") == inside
    around = Answer(status="located", region="AU", evidence="database", unwrapped="6to4")
    assert oracle.answer("2002:101:101::") == around
    assert Oracle({}, {"2002::/16": "FI"}, unwrap=False).answer("2002:101:101::").region == "FI"
    translated = Oracle({}, {"4000::/16": "IT"}, nat64=["4000:db8::/32"])
    assert translated.answer("4000::1").region == "IT"
    assert translated.answer("4000:db8:101:101:100::") == Answer(status="reserved")


def test_missing_and_invalid() -> None:
    """Nothing given is missing, other text is invalid, and neither is ever an exception."""
    oracle = Oracle(DATABASE)
    for nothing in (None, float("nan"), "", "-"):
        assert oracle.answer(nothing) == Answer(status="missing")
    for text in ("1" * 1_000_000, "\ud800", "1.2.3.4\x00"):
        assert oracle.answer(text) == Answer(status="invalid")


@pytest.mark.parametrize("value", [0, True, 1.5, b"\x01\x02\x03\x04", ["1.2.3.4"]])
def test_ambiguous_types_are_refused(value: object) -> None:
    """A number or octets could be many things: a wrong call, not a wrong address."""
    with pytest.raises(TypeError):
        Oracle(DATABASE).answer(value)


def test_nat64_configuration() -> None:
    """A length that RFC 6052 does not know, or prefixes without unwrapping, are a wrong call."""
    with pytest.raises(ValueError, match="length"):
        Oracle({}, nat64=["64:ff9b:1::/80"])
    with pytest.raises(ValueError, match="unwrap"):
        Oracle({}, unwrap=False, nat64=["64:ff9b:1::/96"])
