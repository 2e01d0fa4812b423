"""What a table cannot tell is said before anybody relies on it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import regionfast as rf
from regionfast import regions
from regionfast.errors import PolicyError, Problem
from regionfast.policy import Deployment, Issuer, Policy, Rule
from regionfast.policy.compile import located
from regionfast.policy.outcome import INSIDE, UNDECIDED
from regionfast.policy.tells import Told, half_told, misspelt, untold
from regionfast.regions import RegionSet
from regionfast.types import Region, TableInfo

AT = datetime(2020, 6, 3, tzinfo=UTC)


class Labels:
    """A table by its regions and date alone, which is all that is asked of one."""

    def __init__(self, *codes: str, info: TableInfo | None = None) -> None:
        self.regions: tuple[Region | None, ...] = (*[None] * 8, *map(Region, codes))
        self.info = info or rf.open().info


def policy(order_regions: list[str], territory: str, rules: str = "", *, jurisdiction: str = "") -> Policy:
    """A policy of one order and what else is given."""
    toml = f"""
        version = 1
        [[order]]
        id = "o"
        issuer = "i"
        state = "active"
        territory = "{territory}"
        regions = {order_regions}
        meetings = "all"
        from = 2020-06-03T00:00:00Z
        until = 2020-06-05T00:00:00Z
        join = "deny"
        present = "eject"
        {rules}
    """
    deployment = Deployment(issuers=(Issuer(id="i", jurisdiction=(jurisdiction,)),)) if jurisdiction else None
    return Policy.from_text(toml, deployment=deployment)


def problems(bound: Policy, table: Labels) -> tuple[Problem, ...]:
    """What the table cannot tell."""
    with pytest.raises(PolicyError) as raised:
        bound.bind(table)
    return raised.value.problems


def test_a_table_of_countries_cannot_tell_a_subdivision() -> None:
    assert problems(policy(["UA-30", "UA-43"], "UA"), Labels("UA", "RU")) == tuple(
        Problem(
            f"order[0].regions[{index}]",
            f"the table cannot tell `{code}`, it knows only `UA`: "
            "take a database of subdivisions and open it with level `subdivision`",
        )
        for index, code in enumerate(["UA-30", "UA-43"])
    )


def test_codes_that_are_misspelt() -> None:
    told = Labels("UK", "CN", "UK-ENG", "EL", "UK", "AN", "ZZ", "EU", "XK", "CN-Hong Kong").regions
    assert misspelt(told) == [(["UK", "UK-ENG"], ("GB",)), (["EL"], ("GR",))]


def test_nor_what_is_left_of_a_country_without_its_contested_places() -> None:
    assert problems(policy(["IN"], "IN"), Labels("IN")) == (
        Problem(
            "order[0].regions[0]",
            "the table cannot tell `IN` without the contested `IN-JK`, `IN-LA`, it knows only `IN`: "
            "take a database of subdivisions and open it with level `subdivision`",
        ),
    )
    ukraine = policy(["UA"], "UA", jurisdiction="UA")
    (problem,) = problems(ukraine, Labels("UA"))
    assert "`UA` without the contested `UA-09`, `UA-14`, `UA-23` and 3 more, it knows only `UA`" in problem.message
    assert ukraine.bind(Labels("UA", "UA-30", "UA-43")) is ukraine


def test_a_code_that_the_database_does_not_have() -> None:
    assert problems(policy(["FR-69"], "FR"), Labels("FR", "FR-ARA", "FR-BRE", "FR-COR", "DE")) == (
        Problem(
            "order[0].regions[0]",
            "the table has no place inside `FR-69`, but `FR`, `FR-ARA`, `FR-BRE` and 1 more: write a code that it has",
        ),
    )
    (problem,) = problems(policy(["US-CA"], "US"), Labels("US-California"))
    assert problem.message == "the table has no place inside `US-CA`, but `US-California`: write a code that it has"


def test_a_rule_and_an_exemption_are_asked_alike() -> None:
    rules = """
        [[rule]]
        id = "r"
        account = "a"
        effect = "deny"
        regions = ["CN", "office"]
        [[exemption]]
        accounts = ["a"]
        regions = ["US-CA"]
        reason = "x"
        [groups]
        office = ["US-NY"]
    """
    bound = policy(["CN"], "CN", rules)
    assert [problem.place for problem in problems(bound, Labels("CN", "US"))] == [
        "rule[0].regions[1]", "exemption[0].regions[0]"
    ]  # fmt: skip
    assert bound.bind(Labels("CN", "US-NY", "US-CA")) is bound


@pytest.mark.parametrize("labels", [(), ("DE",), ("HK", "CN-GD"), ("CN",), ("CN-44",), ("CN-Guangdong",)])
def test_where_a_table_has_nobody_there_is_nothing_to_tell(labels: tuple[str, ...]) -> None:
    china = policy(["CN"], "CN")
    assert china.bind(Labels(*labels)) is china


def test_names_of_subdivisions_that_have_a_code_are_told() -> None:
    puerto_rico = policy(["US-PR"], "PR")
    assert puerto_rico.bind(Labels("US", "US-Puerto Rico")) is puerto_rico
    crimea = policy(["UA-43"], "UA-43")
    assert crimea.bind(Labels("UA", "UA-Crimea")) is crimea


def test_codes_that_are_withdrawn_tell_nothing() -> None:
    curacao = policy(["CW"], "CW")
    assert curacao.bind(Labels("AN", "AN-X")) is curacao


def test_names_of_subdivisions_are_judged_by_their_country() -> None:
    (problem,) = problems(policy(["UA"], "UA"), Labels("UA-Kyiv"))
    assert problem.message.startswith("the table has no place inside `UA` without the contested `UA-09`")


# Spelt unlike the table of aliases, these once counted as mainland China, as France and as Finland.
@pytest.mark.parametrize(
    ("order", "label", "own"),
    [
        *(("CN", label, "HK") for label in ("CN-HONG KONG", "CN-Hongkong", "CN-hk")),
        ("FR", "FR-Reunion", "RE"),
        ("FR", "FR-La Re\N{COMBINING ACUTE ACCENT}union", "RE"),
        ("FI", "FI-Åland", "AX"),
        ("FI", "FI-A\N{COMBINING RING ABOVE}land", "AX"),
    ],
)
def test_places_of_another_code_are_outside_in_any_spelling(order: str, label: str, own: str) -> None:
    told = Told(Labels(label).regions)
    assert told.around(RegionSet([order])) == []
    assert told.around(RegionSet([own])) == [(label, RegionSet([own]))]


@pytest.mark.parametrize("label", ["CN-Hong Kong SAR", "CN-Taiwan Province", "CN-Kowloon", "CN-HKG", "CN-810000"])
def test_what_is_not_known_to_be_of_the_mainland_is_undecided(label: str) -> None:
    told = Told(Labels("CN-GD", label).regions)
    for code in ("CN", "HK", "MO", "TW"):
        assert half_told(RegionSet([code]), told) == [label]
    assert half_told(RegionSet(["CN", "HK", "MO", "TW"]), told) == []
    assert half_told(RegionSet(["US"]), told) == []
    assert half_told(RegionSet(["CN", "HK"]), told) == [label]  # once
    (problem,) = problems(policy(["CN"], "CN"), Labels(label))
    assert problem.message == f"the table has no place inside `CN`, but `{label}`: write a code that it has"


def test_a_group_is_told_where_any_of_it_is() -> None:
    union = policy(["EU"], "EU")
    assert union.bind(Labels("CY", "FR")) is union  # of Cyprus a part is spared
    assert [problem.place for problem in problems(union, Labels("CY"))] == ["order[0].regions[0]"]


def test_all_places_at_once() -> None:
    bound = policy(["UA-43", "UA-30"], "UA", '[[rule]]\nid="r"\naccount="a"\neffect="hold"\nregions=["UA-05"]')
    assert [problem.place for problem in problems(bound, Labels("UA"))] == [
        "order[0].regions[0]", "order[0].regions[1]", "rule[0].regions[0]"
    ]  # fmt: skip


def test_a_group_that_is_not_recorded_so_far_back() -> None:
    rule = Rule(id="r", account="a", effect="deny", regions=("CN", "SCHENGEN"))
    early = datetime(1990, 1, 1, tzinfo=UTC)
    (problem,) = untold(rule, early, Labels("CN", "DE").regions)
    assert problem == Problem("regions[1]", "group `SCHENGEN` is recorded from 1995-03-25T23:00:00Z on")


def test_real_tables(tmp_path: Path) -> None:
    bundled = rf.open()
    china = policy(["CN"], "CN")
    assert china.bind(bundled) is china
    with pytest.raises(PolicyError, match=r"^order\[0\] \(`o`\).regions\[0\]: the table cannot tell `UA-43`"):
        policy(["UA-43"], "UA").bind(bundled)
    path = tmp_path / "states.csv"
    path.write_text("1.0.0.0/24,UA-43\n1.0.1.0/24,UA-30\n", encoding="utf-8")
    crimea = policy(["UA-43"], "UA")
    assert crimea.bind(rf.open(path, level="subdivision")) is crimea


# The evaluator has its own reading of the same labels; both must agree, or a check would promise what it does not keep.
LABELS = (
    *(
        "CN",
        "CN-GD",
        "CN-Guangdong",
        "CN-HK",
        "CN-Hongkong",
        "CN-Kowloon",
        "CN-HKG",
        "CN-810000",
        "HK-KLN",
        "FR-Reunion",
    ),
    *("UA", "UA-43", "UA-Crimea", "UA-Kyiv", "US", "US-CA", "US-CA-Los Angeles", "US-PR", "AN", "AN-X"),
)


@pytest.mark.parametrize(
    "codes",
    [["CN"], ["UA"], ["UA-43"], ["UA-30"], ["HK", "US-CA"], ["PR"], ["CW"], ["US", "UA"], ["FR"], ["RE"], ["TW"]],
)
@pytest.mark.parametrize("spared", [[], ["UA-43"], ["US-CA"]])
def test_it_reads_labels_as_the_evaluator_does(codes: list[str], spared: list[str]) -> None:
    places = RegionSet(codes) - RegionSet(spared)
    told = Told(Labels(*LABELS).regions)
    flags = {label: located(regions.whereabouts(label), places) for label in LABELS}
    inside = {label for label, where in told.around(places) if where <= places}
    assert inside == {label for label, flag in flags.items() if flag == INSIDE}
    assert set(half_told(places, told)) == {label for label, flag in flags.items() if flag == UNDECIDED}
