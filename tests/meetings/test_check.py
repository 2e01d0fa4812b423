"""The checker by itself: what it says of single claims, whoever made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from ipaddress import ip_address, ip_network
from pathlib import Path

import numpy as np
import pytest

import regionfast as rf
from databases import Record, country, write_mmdb
from meetings.reference import Connection
from meetings.scene import roster_of, write_networks
from meetings.test_mutants import AT, Claimed, order, person, policy, rule
from regionfast.meetings import TextColumn, check_joins
from regionfast.meetings.check import is_inside
from regionfast.meetings.evidence import NOWHERE, RELAY, Addresses, DatabaseFile, Networks, Ranges
from regionfast.policy import Correction, Defaults, Exemption, Order, Policy, Rule
from regionfast.policy.model import Network
from regionfast.regions import contested_places

NETWORKS = {
    "1.0.0.0/8": "CN",
    "2.0.0.0/8": "US",
    "3.0.0.0/8": "US-CA-Los Angeles",
    "4.0.0.0/8": "A1",
    "5.0.0.0/8": "CN-Sham Shui Po",
    "6.0.0.0/8": "CN-11",
}


@pytest.fixture
def table(tmp_path: Path) -> rf.Table:
    return open_table(tmp_path, NETWORKS)


def open_table(folder: Path, networks: Mapping[str, str], **options: object) -> rf.Table:
    return rf.open(write_networks(folder / "database.csv", networks), level="subdivision", **options)  # type: ignore[arg-type]


def claim(
    table: rf.Table, whole: Policy, *people: Connection, effect: rf.Effect, witness: rf.Table | None = None
) -> Claimed:
    """That all of some people are touched, by the first entry."""
    roster = roster_of(people)
    by = whole.entries[0].id
    return Claimed(
        table=table,
        witness=witness,
        policy=whole,
        roster=roster,
        at=AT,
        effect=np.full(len(roster), effect, np.uint8),
        cause=TextColumn(np.zeros(len(roster), np.uint32), (by,)),
        by=by,
    )


def passes(claimed: Claimed) -> bool:
    try:
        claimed.check_as_decisions()
    except rf.PlanRefused:
        return False
    return True


def addresses(*texts: str) -> Addresses:
    parsed = [ip_address(text) for text in texts]
    v6 = [address.packed if address.version == 6 else bytes(16) for address in parsed]
    return Addresses(
        np.array([address.version for address in parsed], np.uint8),
        np.array([int(address) if address.version == 4 else 0 for address in parsed], np.uint32),
        np.frombuffer(b"".join(v6), np.uint8).reshape(-1, 16),
    )


# --- addresses ------------------------------------------------------------------------------------------------------


def test_all_addresses_of_own_prefixes_are_found_as_the_engine_finds_them(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    for length in (32, 40, 48, 56, 64, 96):
        own = open_table(tmp_path, NETWORKS, nat64=[f"4000::/{length}"])
        v6 = np.zeros((400, 16), np.uint8)
        v6[:, length // 8 :] = random.integers(0, 8, (400, 16 - length // 8))
        v6[:, 8] *= random.integers(0, 2, 400, np.uint8) if length < 96 else np.uint8(0)
        v6[:, 0] = 0x40
        _, found = Ranges(own).codes(Addresses(np.full(400, 6, np.uint8), np.zeros(400, np.uint32), v6))
        slots = own.lookup_many([str(ip_address(row.tobytes())) for row in v6]).slots
        assert len(set(slots.tolist())) > 1
        assert length == 96 or (found[v6[:, 8] != 0] == rf.Status.RESERVED).all()
        assert found.tolist() == slots.tolist()


def test_an_order_reaches_nobody_by_a_broken_nat64_address(tmp_path: Path) -> None:
    own = open_table(tmp_path, NETWORKS, nat64=["4000::/32"])
    deny = rf.Effect.DENY
    assert passes(claim(own, policy(order()), person("4000:0:100:1::"), effect=deny))
    assert not passes(claim(own, policy(order()), person("4000:0:100:1:100::"), effect=deny))


def test_addresses_are_not_shown() -> None:
    shown = repr(addresses("1.2.3.4", "2400::77"))
    assert "v4" not in shown
    assert "v6" not in shown


def test_of_networks_the_first_list_counts_whatever_the_length_of_the_prefixes() -> None:
    random = np.random.default_rng(3)
    lists: list[list[Network]] = [
        [ip_network("1.2.3.4/32"), ip_network("::/127")],
        [ip_network("2400:1::/32"), ip_network("9.0.0.0/8")],
        [ip_network("1.2.0.0/16"), ip_network("1.2.3.4/32"), ip_network("2400:1:2::/48")],
        [ip_network("0.0.0.0/1"), ip_network("::/0")],
    ]
    for first, length in zip(random.integers(0, 1 << 32, 50), random.integers(4, 12, 50), strict=True):
        lists.append([ip_network((int(first), int(length)), strict=False)])
    texts = ["1.2.3.4", "1.2.3.5", "9.9.9.9", "200.0.0.1", "255.255.255.255", "2400:1:2::1", "::1", "::2", "ffff::"]
    texts += [str(ip_address(int(value))) for value in random.integers(0, 1 << 32, 300)]
    given = addresses(*texts)
    nothing = np.zeros(len(texts), np.uint32), np.zeros(len(texts), np.bool_)
    found = Networks(enumerate(lists), len(lists)).of(given, nothing)
    for text, number in zip(texts, found.tolist(), strict=True):
        holding = [
            index for index, listed in enumerate(lists) if any(ip_address(text) in network for network in listed)
        ]
        assert number == (holding[0] if holding else len(lists))


def test_corrections_are_found_by_network_and_by_participant(table: rf.Table) -> None:
    whole = Correction(reason="moved", author="ops-1", dated=date(2020, 6, 2))
    by_network = replace(whole, networks=(ip_network("1.0.0.0/24"), ip_network("1.2.0.0/16")))
    by_name = replace(whole, participants=("v", "w"))
    corrected = policy(order(), corrections=(by_network, by_name))
    for right, somebody in (
        (True, person("1.1.0.0")),
        (False, person("1.0.0.255")),
        (False, person("1.1.0.0", "::ffff:1.2.9.9")),
        (False, person("1.1.0.0", name="w")),
    ):
        assert passes(claim(table, corrected, somebody, effect=rf.Effect.DENY)) is right


def test_the_first_correction_counts_whatever_it_matches_by(table: rf.Table) -> None:
    moved = Correction(reason="moved", author="ops-1", dated=date(2020, 6, 2))
    by_network = replace(moved, networks=(ip_network("1.0.0.0/24"),), region="US")
    by_name = replace(moved, participants=("w",), region="GB")
    people = person("1.0.0.1", account="acme", name="w"), person("1.0.0.2", account="acme")
    for corrections, right in (((by_network, by_name), True), ((by_name, by_network), False)):
        whole = policy(rule(), corrections=corrections)
        assert passes(claim(table, whole, *people, effect=rf.Effect.DENY)) is right


def test_what_an_exemption_names_are_alternatives(table: rf.Table) -> None:
    excused = Exemption(participants=("u",), meetings=("other",), reason="staff")
    people = [person("2.0.0.1", account="acme"), person("2.0.0.2", account="acme", meeting="other", name="v")]
    whole = replace(policy(rule()), exemptions=(excused,))
    claimed = claim(table, whole, *people, effect=rf.Effect.DENY)
    for row in range(2):
        one = np.full(2, rf.Effect.ADMIT, np.uint8)
        one[row] = rf.Effect.DENY
        assert not passes(replace(claimed, effect=one))
    assert passes(replace(claimed, policy=policy(rule())))


@pytest.mark.parametrize("regions", [(), ("US",), ("GB",)])
@pytest.mark.parametrize("another", [False, True])
def test_one_of_several_exemptions_is_enough(table: rf.Table, regions: tuple[str, ...], *, another: bool) -> None:
    excused = Exemption(participants=("u",), regions=regions, reason="staff")
    others = (
        Exemption(networks=(ip_network("2.2.0.0/16"),), regions=regions, reason="office"),
        Exemption(participants=("x",), reason="staff"),
    )
    whole = replace(policy(rule()), exemptions=(*others, excused) if another else others)
    somebody = [person("2.0.0.1", account="acme"), person("2.2.0.1", account="acme", name="v")]
    applies = regions != ("GB",)
    assert passes(claim(table, whole, somebody[0], effect=rf.Effect.DENY)) is not (another and applies)
    assert passes(claim(table, whole, somebody[1], effect=rf.Effect.DENY)) is not applies


# --- regions --------------------------------------------------------------------------------------------------------


def contested_order(territory: str, regions: tuple[str, ...], jurisdiction: tuple[str, ...] | None) -> Order:
    return order(territory=territory, regions=regions, jurisdiction=jurisdiction, spared=contested_places())


@pytest.mark.parametrize(
    ("code", "territory", "regions", "jurisdiction", "inside"),
    [
        ("PS-GZA", "PS", ("PS-GZA",), None, True),
        ("PS-WBK", "PS", ("PS-GZA",), None, False),
        ("PS", "PS", ("PS-GZA",), None, False),
        ("PS-GZA", "PS", ("PS",), None, True),
        ("TW-TPE", "TW", ("TW",), ("TW-TPE",), True),
        ("TW-KHH", "TW", ("TW",), ("TW-TPE",), False),
        ("TW", "TW", ("TW",), ("TW-TPE",), False),
        ("UA-43", "UA", ("UA",), None, False),
        ("UA-30", "UA", ("UA",), None, True),
        ("UA-30-Kyiv", "UA", ("UA",), None, True),
        ("UA-43-Yalta", "UA", ("UA",), None, False),
        ("UA-43-Yalta", "UA", ("UA-43",), None, True),
        ("UA-Kyiv", "UA", ("UA",), None, False),
        ("US-CA-Los Angeles", "US", ("US-CA",), None, True),
        ("US-CA-Los Angeles", "US", ("US-NY",), None, False),
        ("US-California", "US", ("US",), None, True),
        ("US-California", "US", ("US-CA",), None, False),
        ("CN-11", "CN", ("CN",), None, True),
        ("CN", "CN", ("CN",), None, True),
        ("CN-Sham Shui Po", "CN", ("CN",), None, False),
        ("CN-ZZ", "CN", ("CN",), None, False),
        ("CN-Sham Shui Po", "HK", ("HK",), None, False),
        ("CN-ZZ", "CN", ("CN-ZZ",), None, False),
    ],
)
def test_what_an_order_reaches(
    code: str, territory: str, regions: tuple[str, ...], jurisdiction: tuple[str, ...] | None, *, inside: bool
) -> None:
    assert is_inside(code, contested_order(territory, regions, jurisdiction), AT) is inside


@pytest.mark.parametrize("named", ["CN", "HK", "MO", "TW", "US-CA"])
def test_a_rule_holds_whom_it_cannot_decide_about_and_denies_nobody_of_them(table: rf.Table, named: str) -> None:
    whole = policy(rule(regions=(named,)))
    unknown, angeleno, american = (person(f"{first}.0.0.1", account="acme") for first in (5, 3, 2))
    is_china = named != "US-CA"
    assert not passes(claim(table, whole, unknown, effect=rf.Effect.DENY))
    assert passes(claim(table, whole, unknown, effect=rf.Effect.HOLD)) is is_china
    assert passes(claim(table, whole, angeleno, effect=rf.Effect.DENY)) is not is_china
    assert passes(claim(table, whole, american, effect=rf.Effect.DENY)) is False
    everywhere = policy(rule(regions=("CN", "HK", "MO", "TW")))
    assert passes(claim(table, everywhere, unknown, effect=rf.Effect.DENY))


def test_members_of_own_groups_count_by_their_canonical_codes(table: rf.Table) -> None:
    whole = replace(policy(rule(effect="allow-only", regions=("own",))), groups={"own": ("CN-HK",)})
    assert passes(claim(table, whole, person("1.0.0.1", account="acme"), effect=rf.Effect.DENY))


# --- effects --------------------------------------------------------------------------------------------------------


def test_an_order_that_denies_does_not_hold(table: rf.Table) -> None:
    whole = policy(order(join=rf.Effect.DENY, present=rf.Effect.EJECT))
    assert passes(claim(table, whole, person("1.0.0.1"), effect=rf.Effect.DENY))
    assert not passes(claim(table, whole, person("1.0.0.1"), effect=rf.Effect.HOLD))
    with pytest.raises(rf.PlanRefused, match="does not ask to hold"):
        claim(table, whole, person("1.0.0.1"), effect=rf.Effect.HOLD).check_as_plan()
    holding = policy(order(join=rf.Effect.HOLD, present=rf.Effect.HOLD))
    assert claim(table, holding, person("1.0.0.1"), effect=rf.Effect.HOLD).check_as_plan() == 1
    assert passes(claim(table, holding, person("1.0.0.1"), effect=rf.Effect.HOLD))
    assert not passes(claim(table, holding, person("1.0.0.1"), effect=rf.Effect.DENY))


# By default: whom it is about. Of several statuses the strongest counts: unknown, reserved, private, invalid, missing.
UNPLACED: dict[str, list[tuple[str | None, ...]]] = {
    "unknown": [("9.0.0.1",), ("9.0.0.1", "192.0.2.1", "10.0.0.1", "x", None)],
    "reserved": [("192.0.2.1",), ("10.0.0.1", "192.0.2.1")],
    "private": [("10.0.0.1",), ("10.0.0.1", "x", None)],
    "invalid": [("x",), ("x", None)],
    "missing": [(None,)],
    "relay": [("4.0.0.1",), ("4.0.0.1", "1.0.0.1"), ("2.0.0.1", "4.0.0.1", "9.0.0.1")],
    "conflict": [("1.0.0.1", "2.0.0.1"), ("1.0.0.1", "2.0.0.1", "9.0.0.1")],
}


@pytest.mark.parametrize("status", UNPLACED)
@pytest.mark.parametrize("default", [rf.Effect.ADMIT, rf.Effect.HOLD, rf.Effect.DENY])
def test_whom_an_allow_only_rule_cannot_place_the_defaults_judge(
    table: rf.Table, status: str, default: rf.Effect
) -> None:
    opposite = rf.Effect.ADMIT if default is not rf.Effect.ADMIT else rf.Effect.DENY
    defaults = Defaults(**dict.fromkeys(UNPLACED, opposite) | {status: default})
    whole = replace(policy(allow_only("US")), defaults=defaults)
    for shown in UNPLACED[status]:
        somebody = person(*shown, account="acme")
        assert passes(claim(table, whole, somebody, effect=rf.Effect.DENY)) is (default is rf.Effect.DENY)
        assert passes(claim(table, whole, somebody, effect=rf.Effect.HOLD)) is (default is not rf.Effect.ADMIT)


def test_whom_an_allow_only_rule_can_place_no_default_concerns(table: rf.Table) -> None:
    admitting = Defaults(**dict.fromkeys(UNPLACED, rf.Effect.ADMIT))
    whole = replace(policy(allow_only("US-CA")), defaults=admitting)
    outside, undecided, inside = (person(f"{first}.0.0.1", account="acme") for first in (1, 2, 3))
    assert passes(claim(table, whole, outside, effect=rf.Effect.DENY))
    assert passes(claim(table, whole, undecided, effect=rf.Effect.HOLD))
    for somebody, effect in ((undecided, rf.Effect.DENY), (inside, rf.Effect.DENY), (inside, rf.Effect.HOLD)):
        assert not passes(claim(table, whole, somebody, effect=effect))


def allow_only(*regions: str) -> Rule:
    return rule(effect="allow-only", regions=regions)


# --- other evidence -------------------------------------------------------------------------------------------------


def test_the_base_of_the_witness_must_confirm_an_order_but_no_rule(table: rf.Table, tmp_path: Path) -> None:
    (tmp_path / "witness").mkdir()
    overrides = write_networks(tmp_path / "overrides.csv", {"1.5.0.0/16": "CN", "1.6.0.0/16": "US"})
    witness = open_table(
        tmp_path / "witness", {"1.0.0.0/9": "CN", "1.5.0.0/16": "US", "1.6.0.0/16": "CN"}, overrides=overrides
    )
    whole, deny = policy(order()), rf.Effect.DENY
    assert passes(claim(table, whole, person("1.0.0.1"), effect=deny, witness=witness))
    assert not passes(claim(table, whole, person("1.5.0.1"), effect=deny, witness=witness))
    assert not passes(claim(table, whole, person("1.6.0.1"), effect=deny, witness=witness))
    ruled = policy(rule(regions=("CN",)))
    assert passes(claim(table, ruled, person("1.5.0.1", account="acme"), effect=deny, witness=witness))


RECORDS: dict[str, Record] = {
    "1.0.0.0/16": country("CN"),
    "1.1.0.0/16": country("US", subdivision="CA"),
    "1.2.0.0/16": {"country_code": "CN"},  # of DB-IP's shape
    "1.3.0.0/16": {"country_code": ""},
    "1.4.0.0/16": {"country_code": "ZZ"},
    "1.5.0.0/16": {"country_code": "china"},
    "1.6.0.0/16": {"country": {"iso_code": "A1"}},
    "1.7.0.0/16": {"continent": {"code": "AS"}},
    "1.8.0.0/16": country("US", subdivision='C,"A'),
    "1.9.0.0/16": {"country": {"iso_code": 7}},
    "10.0.0.0/8": country("CN"),
    "2400::/16": country("CN"),
}


def test_a_database_file_is_read_record_by_record(table: rf.Table, tmp_path: Path) -> None:
    file = DatabaseFile(write_mmdb(tmp_path / "base.mmdb", RECORDS), Ranges(table))
    expected = {
        "1.0.0.1": "CN",
        "1.1.0.1": "US-CA",
        "1.2.0.1": "CN",
        **{f"1.{second}.0.1": NOWHERE for second in (3, 4, 5, 7, 8, 9)},
        "1.6.0.1": RELAY,
        "9.0.0.1": NOWHERE,
        "10.0.0.1": NOWHERE,
        "2400::1": "CN",
        "::ffff:1.1.0.1": "US-CA",
        "2001::fefe:fffe": "US-CA",
        "64:ff9b::101:1": "US-CA",
        "2500::1": NOWHERE,
    }
    codes, found = file.codes(addresses(*expected))
    assert {text: codes[number] for text, number in zip(expected, found.tolist(), strict=True)} == expected


def test_a_database_file_is_asked_as_the_table_unwraps(tmp_path: Path) -> None:
    path = write_mmdb(tmp_path / "base.mmdb", RECORDS | {"4000::/16": country("GB")}, aliases=True)
    own = addresses("4000:0:100:1::", "::ffff:1.0.0.1", "4000:0:100:1:100::")
    networks = NETWORKS | {"4000::/16": "GB"}
    for options, expected in (
        ({"nat64": ["4000::/32"]}, ["CN", "CN", NOWHERE]),
        ({}, ["GB", "CN", "GB"]),
        ({"unwrap": False}, ["GB", NOWHERE, "GB"]),
    ):
        codes, found = DatabaseFile(path, Ranges(open_table(tmp_path, networks, **options))).codes(own)
        assert [codes[number] for number in found] == expected


def test_decisions_are_checked_against_a_database_file(table: rf.Table, tmp_path: Path) -> None:
    path = write_mmdb(tmp_path / "base.mmdb", RECORDS, ip_version=6)
    found = rf.decide_joins(table, policy(order()), roster_of([person("1.0.0.1"), person("1.2.0.1")]), at=AT)
    assert check_joins(found, path) == 2
    found = rf.decide_joins(table, policy(order()), roster_of([person("1.0.0.1"), person("1.3.0.1")]), at=AT)
    with pytest.raises(rf.PlanRefused, match="connection 1 .*the database"):
        check_joins(found, str(path))


def test_a_database_file_of_ipv4_only_places_no_ipv6(table: rf.Table, tmp_path: Path) -> None:
    path = write_mmdb(tmp_path / "v4.mmdb", {"1.0.0.0/16": country("CN")}, ip_version=4)
    codes, found = DatabaseFile(path, Ranges(table)).codes(addresses("1.0.0.1", "2400::1", "::ffff:1.0.0.1"))
    assert [codes[number] for number in found] == ["CN", NOWHERE, "CN"]


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_a_file_that_cannot_be_opened_is_named(table: rf.Table, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.mmdb"
    if content is not None:
        path.write_bytes(content)
    found = rf.decide_joins(table, policy(order()), roster_of([person("1.0.0.1")]), at=AT)
    with pytest.raises(rf.DatabaseError, match=r"broken\.mmdb` cannot be opened"):
        check_joins(found, path)
