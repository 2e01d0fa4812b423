"""The status vectors and the address vectors through every single-address and batch call."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from oracle import Answer, Oracle

VECTORS = Path(__file__).parent / "vectors"
DATABASE = {"0.0.0.0/0": "US", "::/0": "FR"}
CASES: list[dict[str, Any]] = tomllib.loads((VECTORS / "status.toml").read_text("utf-8"))["case"]
TEXTS: list[dict[str, Any]] = tomllib.loads((VECTORS / "addresses.toml").read_text("utf-8"))["address"]
KNOWN = {
    "8.8.8.8": "US",
    "114.114.114.114": "CN",
    "203.198.7.66": "HK",
    "202.175.3.3": "MO",
    "168.95.1.1": "TW",
    "77.88.8.8": "RU",
    "2400:3200::1": "CN",
    "2404:c800::1": "HK",
    "2001:b000:168::1": "TW",
}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[bool, tuple[str, ...]], rf.Table]:
    """A table that places every public address, for each configuration of the vectors."""
    path = tmp_path_factory.mktemp("world") / "world.csv"
    path.write_text("".join(f"{network},{code}\n" for network, code in DATABASE.items()), encoding="utf-8")
    keys = {(case.get("unwrap", True), tuple(case.get("nat64", ()))) for case in CASES}
    return {(unwrap, nat64): rf.open(path, unwrap=unwrap, nat64=nat64) for unwrap, nat64 in keys}


def said(found: rf.Lookup) -> Answer:
    """A lookup in the words of the oracle."""
    return Answer(
        status=str(found.status),
        region=str(found.region) if found.region else None,
        evidence=str(found.evidence),
        unwrapped=str(found.unwrapped) if found.unwrapped else None,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["address"]))
def test_status_vectors(case: dict[str, Any], world: dict[tuple[bool, tuple[str, ...]], rf.Table]) -> None:
    unwrap, nat64 = case.get("unwrap", True), tuple(case.get("nat64", ()))
    table = world[unwrap, nat64]
    expected = Oracle(DATABASE, unwrap=unwrap, nat64=nat64).answer(case["address"])
    assert said(table.lookup(case["address"])) == expected
    assert expected.status == ("located" if case["status"] == "public" else case["status"])
    assert expected.unwrapped == case.get("unwrapped")
    many = table.lookup_many([case["address"]])
    assert (many.to_list(), str(rf.Status(many.status[0]))) == ([expected.region], expected.status)
    if expected.status in {"invalid", "missing"}:
        with pytest.raises(rf.AddressError):
            table.region(case["address"])
    else:
        assert table.region(case["address"]) == expected.region


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: repr(case["text"])[:50])
def test_address_vectors(case: dict[str, Any], small: rf.Table) -> None:
    text, says = case["text"], case["says"]
    found = small.lookup(text)
    if says in {"invalid", "missing"}:
        assert str(found.status) == says
        if says == "invalid":
            with pytest.raises(ValueError, match="does not appear to be"):
                ipaddress.ip_address(text)
        return
    same = ipaddress.ip_address(text)
    assert int(same) == int(case["value"], 0)
    assert same.version == int(says[1])
    assert said(found) == said(small.lookup(same))


@pytest.mark.parametrize(("address", "code"), KNOWN.items())
def test_known_answers_of_the_bundled_table(table: rf.Table, address: str, code: str) -> None:
    assert table.region(address) == code
    found = table.lookup(address)
    assert found
    assert found.region == rf.Region(code)
    assert (found.status, found.evidence) == (rf.Status.LOCATED, rf.Evidence.DATABASE)


def test_what_is_not_located_is_false(table: rf.Table) -> None:
    for address in ("10.0.0.1", "::1", "nobody", "", None, float("nan")):
        found = table.lookup(address)  # type: ignore[arg-type]  # NaN is taken, though its type is not
        assert not found
        assert found.region is None


def test_network_is_the_largest_inside_its_range(small: rf.Table) -> None:
    ranges = [(ipaddress.ip_address(first), ipaddress.ip_address(last)) for first, last, _ in small.ranges()]

    def is_inside_one(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
        same = [(low, high) for low, high in ranges if low.version == network.version]
        return any(int(low) <= int(network[0]) and int(network[-1]) <= int(high) for low, high in same)

    for address in (
        "8.8.8.8",
        "8.8.9.1",
        "1.2.3.4",
        "2a01::1",
        "10.1.1.1",
        "9.9.9.9",
        "3fff::1",
        "255.255.255.255",
    ):
        found = small.lookup(address)
        assert found.network is not None
        network = ipaddress.ip_network(found.network)
        assert ipaddress.ip_address(address) in network
        assert is_inside_one(network)
        assert not is_inside_one(network.supernet())
        for edge in (network[0], network[-1]):
            assert (small.lookup(edge).region, small.lookup(edge).network) == (found.region, found.network)
    assert small.lookup("::ffff:8.8.8.8").network == "8.8.8.0/24"


def test_nothing_that_is_printed_names_an_address(small: rf.Table) -> None:
    secret = "8.8.8.8"
    found, many = small.lookup(secret), small.lookup_many([secret, "not-an-address-4711"])
    printed = [repr(found), str(found), repr(many), str(many), repr(small), repr(small.info)]
    with pytest.raises(rf.AddressError) as raised:
        small.lookup_many([secret, "not-an-address-4711"], errors="raise")
    with pytest.raises(rf.AddressError) as single:
        small.region("not-an-address-4711")
    printed += [str(raised.value), str(single.value)]
    assert raised.value.index == 1
    assert single.value.index is None
    assert not any("8.8." in text or "4711" in text for text in printed)
    assert found.network == "8.8.8.0/24"


def test_special_addresses_never_have_a_country(table: rf.Table) -> None:
    for network in (
        "10.0.0.0/8",
        "127.0.0.0/8",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    ):
        whole = ipaddress.ip_network(network)
        where = table.lookup_many([whole[0], whole[-1]])
        assert where.to_list() == [None, None]
