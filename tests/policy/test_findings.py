"""What an author is told of a policy that can be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf
from regionfast.meetings.decide import decide_joins
from regionfast.meetings.roster import Roster
from regionfast.policy import Approver, Correction, Defaults, Deployment, Exemption, Finding, Issuer, Policy, Rule
from regionfast.types import Effect, Region, TableInfo

AT = datetime(2020, 6, 4, tzinfo=UTC)
NOTICE = 'reference = "r"\nlaw = "l"\ncontest = "c"\n'


def order(name: str = "o", notice: str = NOTICE, **changes: str) -> str:
    """One order; values are TOML."""
    values = {
        "id": f'"{name}"',
        "issuer": '"i"',
        "state": '"active"',
        "territory": '"CN"',
        "regions": '["CN"]',
        "meetings": '["1"]',
        "from": "2020-06-01T00:00:00Z",
        "until": "2020-12-01T00:00:00Z",
        "join": '"deny"',
        "present": '"eject"',
    } | {key.rstrip("_").replace("_", "-"): value for key, value in changes.items()}
    return "[[order]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) + notice


def rule(name: str, effect: str, regions: str, more: str = "", account: str = "acme") -> str:
    """One rule; regions are codes with blanks between."""
    return f'[[rule]]\nid = "{name}"\naccount = "{account}"\neffect = "{effect}"\nregions = {regions.split()}\n{more}\n'


DEFAULTS = '[defaults]\nnot-located = "hold"\n'
DEPLOYMENT = Deployment(
    issuers=(Issuer(id="i", jurisdiction=("CN", "HK", "UA", "IN")),),
    approvers=(Approver(id="ops", key=b"\1" * 32, person="one"),),
)


def found(*tables: str, at: datetime = AT, deployment: Deployment | None = DEPLOYMENT) -> list[str]:
    """The findings as lines."""
    policy = Policy.from_text("version = 1\n" + "".join(tables), deployment=deployment)
    return [line(finding) for finding in policy.findings(at)]


def line(finding: Finding) -> str:
    """A finding in a line, without the ids of entries, which are all alike here."""
    return f"{finding.severity} {f'{finding.place}: ' if finding.place else ''}{finding.message}"


def test_an_entry_is_named_beside_its_place() -> None:
    policy = Policy.from_text("version = 1\n" + order("cn-77", until="2020-06-05T00:00:00Z"), deployment=DEPLOYMENT)
    (finding,) = policy.findings(AT)
    assert (finding.place, finding.entry) == ("order[0].until", "cn-77")
    assert str(finding).startswith("order[0] (`cn-77`).until: is near")
    like_an_address = order("203.0.113.7", until="2020-06-05T00:00:00Z")
    (finding,) = Policy.from_text(f"version = 1\n{like_an_address}", deployment=DEPLOYMENT).findings(AT)
    assert (finding.entry, str(finding).partition(":")[0]) == (None, "order[0].until")
    rules = [rule("a", "allow-only", "US"), rule("b", "allow-only", "DE"), DEFAULTS]
    findings = Policy.from_text("version = 1\n" + "".join(rules)).findings(AT)
    assert [str(found).partition(":")[0] for found in findings] == ["rule[0] (`a`)"]


def test_nothing_is_said_of_a_sound_order() -> None:
    assert found(order()) == []


def test_an_empty_policy() -> None:
    assert found() == ["note no order and no rule: everybody is admitted"]


def test_advice() -> None:
    assert found(order(), deployment=None) == [
        "note no deployment: nobody has checked the issuers, so what is decided is advisory"
    ]
    assert found(rule("r", "deny", "US"), deployment=None) == []


@pytest.mark.parametrize("state", ["received", "declined", "suspended", "ended"])
def test_states(state: str) -> None:
    # Of an order that does nothing no more is said, whatever its dates and its notice.
    assert found(order(notice="", state=f'"{state}"', until="2020-06-02T00:00:00Z")) == [
        f"note order[0].state: is {state}: the order does nothing"
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"from_": "2020-06-04T00:00:01Z"},
         "note order[0].from: is still to come, at 2020-06-04T00:00:01Z: the order does nothing yet"),
        ({"until": "2020-06-04T00:00:00Z"},
         "warning order[0].until: is past: the order ended at 2020-06-04T00:00:00Z"),
        ({"until": "2020-06-04T01:00:00Z"},
         "warning order[0].until: is near: the order ends within a day, at 2020-06-04T01:00:00Z"),
        ({"until": "2020-06-05T00:00:00Z"},
         "warning order[0].until: is near: the order ends in 1 day, at 2020-06-05T00:00:00Z"),
        ({"until": "2020-06-18T00:00:00Z"},
         "warning order[0].until: is near: the order ends in 14 days, at 2020-06-18T00:00:00Z"),
        ({"until": '"open"', "review_by": "2020-06-10T00:00:00Z"},
         ("warning order[0].review-by: is near: the order lapses unless it is reviewed in 6 days, "
         "at 2020-06-10T00:00:00Z")),
        ({"until": '"open"', "review_by": "2020-06-03T00:00:00Z"},
         "warning order[0].review-by: is past: the order lapsed without a review at 2020-06-03T00:00:00Z"),
        ({"until": '"open"', "reviewed": "2020-06-05T00:00:00Z", "review_by": "2020-08-01T00:00:00Z"},
         "problem order[0].reviewed: is still to come, at 2020-06-05T00:00:00Z"),
    ],
)  # fmt: skip
def test_dates(changes: dict[str, str], line: str) -> None:
    assert found(order(**changes)) == [line]


def test_dates_that_are_far() -> None:
    assert found(order(until="2020-06-18T00:00:01Z")) == []
    assert found(order(until='"open"', reviewed="2020-06-04T00:00:00Z", review_by="2020-08-01T00:00:00Z")) == []


def test_an_order_without_notice() -> None:
    assert found(order(notice='law = "l"\n')) == [
        "warning order[0]: has no `reference`, `contest`: those it acts on are told less than they should be"
    ]


def test_an_order_that_acts_on_nobody() -> None:
    assert found(order(join='"admit"', present='"keep"')) == [
        "warning order[0]: does nothing: it admits at the door and keeps those who are present"
    ]
    assert found(order(join='"admit"')) == []
    assert found(order(present='"keep"')) == []


def test_an_author_whom_nobody_knows() -> None:
    assert found(order(author='"opps"')) == [
        "warning order[0].author: is the id of no approver: it keeps nobody from approving the plans"
    ]
    assert found(order(author='"ops"')) == []


def test_contested_places_are_shown() -> None:
    assert found(order(territory='"IN"', regions='["IN"]')) == [
        (
            "note order[0].regions[0]: is reached without `IN-JK`, `IN-LA`: contested, and not named by the issuer's "
            "jurisdiction"
        )
    ]
    assert found(order(territory='"UA"', regions='["UA-30", "UA-43"]')) == [
        (
            "warning order[0].regions[1]: is not reached: it is contested, and the issuer's jurisdiction does not name "
            "`UA-43`"
        )
    ]
    assert found(order(territory='"UA"', regions='["UA-43"]'), deployment=None)[1:] == []
    assert found(order(territory='"IN"', regions='["IN", "IN-JK"]'), deployment=None)[1:] == [
        "note order[0].regions[0]: is reached without `IN-LA`: contested, and not named by the order"
    ]


def test_a_group_that_changed() -> None:
    times = {"from_": "2020-01-01T00:00:00Z", "territory": '"EU"'}
    british = order(regions='["GB"]', **times)
    deployment = Deployment(issuers=(Issuer(id="i", jurisdiction=("EU",)),))
    assert found(british, deployment=deployment) == [
        "warning order[0].regions: reaches nowhere any more: a group has changed since the order began"
    ]
    assert found(british, deployment=deployment, at=datetime(2020, 1, 10, tzinfo=UTC)) == []


# Orders together.


def test_an_order_that_adds_nothing() -> None:
    line = "note order[1]: adds nothing: `order[0]` is as strict, as long, and reaches all of it"
    for changes in (
        {},
        {"join": '"hold"'},
        {"present": '"keep"'},
        {"from_": "2020-06-02T00:00:00Z"},
        {"exemptions": "true"},
        {"regions": '["CN-GD"]'},
    ):
        assert found(order("a"), order("b", **changes)) == [line]
    assert found(order("a", meetings='"all"'), order("b")) == ["note order[0].meetings: reaches every meeting", line]
    assert found(order("a", meetings='["1", "2"]'), order("b", meetings='["2"]')) == [line]


@pytest.mark.parametrize(
    "weaker",
    [
        {"join": '"hold"'},
        {"present": '"hold"'},
        {"from_": "2020-06-02T00:00:00Z"},
        {"until": "2020-11-01T00:00:00Z"},
        {"exemptions": "true"},
        {"regions": '["CN-GD"]'},
        {"meetings": '["1"]'},
    ],
)
def test_the_weaker_adds_nothing_wherever_it_stands(weaker: dict[str, str]) -> None:
    strong, weak = order("a", meetings='["1", "2"]'), order("b", **{"meetings": '["1", "2"]', **weaker})
    said = "adds nothing: `order[{}]` is as strict, as long, and reaches all of it"
    assert found(strong, weak) == [f"note order[1]: {said.format(0)}"]
    assert found(weak, strong) == [f"note order[0]: {said.format(1)}"]


def test_two_orders_each_stricter_in_its_own_way_add_something() -> None:
    for one, other in (
        ({"join": '"hold"'}, {"present": '"hold"'}),
        ({"from_": "2020-06-02T00:00:00Z"}, {"until": "2020-11-01T00:00:00Z"}),
        ({"exemptions": "true"}, {"join": '"hold"'}),
    ):
        assert found(order("a", **one), order("b", **other)) == [
            "note order[1]: overlaps with `order[0]`: whom both reach is under both"
        ]


def test_the_earlier_may_be_the_one_that_adds_nothing() -> None:
    assert found(order("a"), order("b", meetings='"all"')) == [
        "note order[1].meetings: reaches every meeting",
        "note order[0]: adds nothing: `order[1]` is as strict, as long, and reaches all of it",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"join": '"hold"'},
        {"present": '"keep"'},
        {"from_": "2020-06-02T00:00:00Z"},
        {"until": "2020-11-01T00:00:00Z"},
        {"exemptions": "true"},
        {"regions": '["CN-GD"]'},
    ],
)
def test_orders_that_overlap(changes: dict[str, str]) -> None:
    # Each of the two reaches a meeting that the other does not.
    one, other = order("a", meetings='["1", "2"]'), order("b", meetings='["2", "3"]', **changes)
    assert found(one, other) == ["note order[1]: overlaps with `order[0]`: whom both reach is under both"]


@pytest.mark.parametrize(
    "changes",
    [
        {"meetings": '["3"]'},
        {"territory": '"HK"', "regions": '["HK"]'},
        {"from_": "2020-12-01T00:00:00Z", "until": "2021-12-01T00:00:00Z"},
        {"state": '"ended"'},
    ],
)
def test_orders_that_do_not_meet(changes: dict[str, str]) -> None:
    lines = found(order("a", meetings='["1", "2"]'), order("b", **{"meetings": '["2", "3"]', **changes}))
    assert not any("overlaps" in line or "adds nothing" in line for line in lines)


def test_an_order_that_has_ended_covers_none() -> None:
    lines = found(order("a", from_="2019-01-01T00:00:00Z", until="2020-06-02T00:00:00Z"), order("b"))
    assert lines == ["warning order[0].until: is past: the order ended at 2020-06-02T00:00:00Z"]


# Rules together.


def test_a_rule_that_never_matters() -> None:
    def never(*tables: str) -> list[str]:
        return [line for line in found(*tables) if "never matters" in line]

    second = ["warning rule[1]: never matters: `rule[0]` refuses all of it as strictly"]
    assert never(rule("a", "deny", "US"), rule("b", "deny", "US")) == second
    assert never(rule("a", "deny", "US"), rule("b", "deny", "US-CA")) == second
    assert never(rule("a", "deny", "US"), rule("b", "hold", "US")) == second
    assert never(rule("a", "deny", "US"), rule("b", "deny", "US", 'meetings = ["1"]')) == second
    assert never(rule("a", "hold", "US", 'present = "hold"'), rule("b", "hold", "US", 'present = "eject"')) == second
    assert never(rule("a", "allow-only", "US"), rule("b", "allow-only", "US FR"), DEFAULTS) == second
    assert never(rule("a", "allow-only", "US"), rule("b", "deny", "FR"), DEFAULTS) == second
    assert never(rule("a", "hold", "US"), rule("b", "deny", "US")) == [
        "warning rule[0]: never matters: `rule[1]` refuses all of it as strictly"
    ]
    for one, other in (
        (rule("a", "deny", "US"), rule("b", "deny", "US", account="other")),
        (rule("a", "deny", "US"), rule("b", "deny", "FR")),
        (rule("a", "hold", "US"), rule("b", "deny", "US-CA")),
        (rule("a", "deny", "US", 'meetings = ["1"]'), rule("b", "deny", "US", 'meetings = ["2"]')),
        (rule("a", "deny", "US"), rule("b", "deny", "US-CA", 'present = "eject"')),
        (rule("a", "allow-only", "US"), rule("b", "deny", "US-CA")),
        (rule("a", "allow-only", "US"), rule("b", "hold", "FR")),
        (rule("a", "deny", "US", 'meetings = ["1"]'), rule("b", "deny", "US-CA", 'series = ["1"]')),
    ):
        assert never(one, other, DEFAULTS) == []
    # The rule that holds is stronger than the list, so the one that denies is needed.
    assert never(rule("a", "allow-only", "US"), rule("b", "deny", "FR"), rule("c", "hold", "FR DE"), DEFAULTS) == []


def test_rules_that_overlap() -> None:
    assert found(rule("a", "hold", "US FR"), rule("b", "deny", "FR DE")) == [
        "note rule[1]: overlaps with `rule[0]`: the stricter decides, or else the first"
    ]
    assert found(rule("a", "deny", "US FR"), rule("b", "deny", "DE")) == []
    assert found(rule("a", "deny", "US FR", 'meetings=["1"]'), rule("b", "deny", "FR DE", 'meetings=["2"]')) == []


def test_lists_that_leave_nobody() -> None:
    assert found(rule("a", "allow-only", "US"), rule("b", "allow-only", "FR"), DEFAULTS) == [
        "problem rule[0]: lets in nobody who is located, together with `rule[1]`"
    ]
    assert found(rule("a", "allow-only", "US"), rule("b", "allow-only", "FR", 'meetings = ["1"]'), DEFAULTS) == [
        "problem rule[1]: lets in nobody who is located, together with `rule[0]`"
    ]
    assert "problem rule[0]: lets in nobody who is located, together with `rule[1]`, `rule[2]`" in found(
        rule("a", "allow-only", "US FR"), rule("b", "deny", "US"), rule("c", "deny", "FR"), DEFAULTS
    )
    for tables in (
        (rule("a", "allow-only", "US FR"), rule("b", "allow-only", "FR DE")),
        (rule("a", "allow-only", "US FR"), rule("b", "hold", "US"), rule("c", "deny", "FR")),
        (rule("a", "allow-only", "US"), rule("b", "allow-only", "FR", account="other")),
        (rule("a", "allow-only", "US", 'series=["1"]'), rule("b", "allow-only", "FR", 'meetings=["1"]')),
    ):
        assert not any(line.startswith("problem") for line in found(*tables, DEFAULTS))


def test_a_rule_that_holds_ejects_nobody() -> None:
    assert found(rule("a", "hold", "US", 'present = "eject"')) == [
        "warning rule[0].present: is more than the rule does: one that holds ejects nobody"
    ]


def test_a_group_before_its_records() -> None:
    early = datetime(1990, 1, 1, tzinfo=UTC)
    exemption = '[[exemption]]\naccounts = ["acme"]\nregions = ["SCHENGEN"]\nreason = "x"\n'
    policy = Policy.from_text("version = 1\n" + rule("a", "deny", "EEA") + exemption)
    assert [line(finding) for finding in policy.findings(early, rf.open())] == [
        "problem rule[0].regions: group `EEA` is recorded from 1993-12-31T23:00:00Z on",
        "problem exemption[0].regions: group `SCHENGEN` is recorded from 1995-03-25T23:00:00Z on",
    ]


# Everything else.


def test_a_correction_into_a_territory_protects_all_the_same() -> None:
    correction = '[[correction]]\nparticipants = ["u"]\nregion = "CN"\nreason = "x"\nauthor = "x"\ndate = 2020-06-01\n'
    assert found(order(), correction) == [
        "note correction[0].region: lies inside `order[0]`: a correction protects from every order, wherever it points"
    ]
    assert found(order(), correction.replace('"CN"', '"HK"')) == []


def test_an_exemption_without_use() -> None:
    exemption = '[[exemption]]\nparticipants = ["u"]\nreason = "x"\n'
    assert found(order(), exemption) == [
        "warning exemption[0]: excuses nobody: there is no rule, and no order with `exemptions = true`"
    ]
    assert found(order(exemptions="true"), exemption) == []
    assert found(rule("r", "deny", "US"), exemption) == []


def test_what_is_not_used() -> None:
    assert found(rule("r", "deny", "US"), DEFAULTS) == ["note defaults: does nothing: no rule is allow-only"]
    groups = '[groups]\none = ["US"]\ntwo = ["three"]\nthree = ["FR"]\n'
    assert found(rule("r", "deny", "one"), groups) == ["note groups.two: is used by nothing"]


def test_codes_of_a_table_that_no_policy_can_name() -> None:
    class Labels:
        regions = (*[None] * 8, *map(Region, ["UK", "CN", "UK-ENG", "EL", "AN", "XX"]))
        info: TableInfo = rf.open().info

    policy = Policy.from_text("version = 1\n" + order(), deployment=DEPLOYMENT)
    assert [line(finding) for finding in policy.findings(AT, Labels())] == [
        "warning the table has `UK`, `UK-ENG`, which are no codes of ISO 3166 and lie in nothing: did you mean `GB`?",
        "warning the table has `EL`, which is no code of ISO 3166 and lies in nothing: did you mean `GR`?",
    ]


def test_what_a_table_cannot_tell() -> None:
    class Labels:
        regions = (*[None] * 8, *map(Region, ["UA", "CN", "CN-GD", "US", "US-CA"]))
        info: TableInfo = rf.open().info

    policy = Policy.from_text(
        "version = 1\n"
        + order(territory='"UA"', regions='["UA-43"]', meetings='["2"]')
        + order("p", territory='"CN"', regions='["CN-GD"]')
        + rule("r", "deny", "US-CA US-NY")
        + '[[exemption]]\naccounts = ["a"]\nregions = ["UA-30"]\nreason = "x"\n'
    )
    said = [line(finding) for finding in policy.findings(AT, Labels())]
    assert said[1:] == [
        (
            "problem order[0].regions[0]: the table cannot tell `UA-43`, it knows only `UA`: "
            "take a database of subdivisions and open it with level `subdivision`"
        ),
        "note order[1].regions: is undecided where the table says no more than `CN`",
        (
            "problem rule[0].regions[1]: the table has no place inside `US-NY`, but `US`, `US-CA`: "
            "write a code that it has"
        ),
        (
            "problem exemption[0].regions[0]: the table cannot tell `UA-30`, it knows only `UA`: "
            "take a database of subdivisions and open it with level `subdivision`"
        ),
    ]


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="a time with its offset"):
        found(at=datetime(2020, 6, 4))  # noqa: DTZ001


def test_a_finding_is_a_line() -> None:
    assert str(Finding("note", "", "x")) == "x"
    assert str(Finding("note", "order[0]", "x")) == "order[0]: x"


# What is said to never matter must not matter.

TABLE = {
    "1.0.0.1": "US", "1.0.1.1": "US-CA", "1.0.2.1": "US-NY", "1.0.3.1": "FR", "1.0.4.1": "DE", "1.0.5.1": "A1",
    "9.0.0.1": None, "10.0.0.1": None, "x": None,
}  # fmt: skip
PAIRS = [(one, other) for one in TABLE for other in TABLE]
ALONE = {
    f"{meeting}-{number}"
    for meeting in ("1", "2")
    for number, (one, other) in enumerate(PAIRS)
    if one == other and TABLE[one] not in {None, "A1"}
}
"""Those whose addresses are in one place."""
effects = st.sampled_from([Effect.ADMIT, Effect.HOLD, Effect.DENY])
rules = st.lists(
    st.builds(
        Rule,
        id=st.just("r"),
        account=st.just("acme"),
        effect=st.sampled_from(["deny", "hold", "allow-only"]),
        regions=st.lists(st.sampled_from(["US", "US-CA", "US-NY", "FR", "DE"]), min_size=1, max_size=3).map(tuple),
        meetings=st.sampled_from([(), ("1",), ("1", "2"), ("2",)]),
        present=st.sampled_from([Effect.KEEP, Effect.HOLD, Effect.EJECT]),
    ),
    min_size=2,
    max_size=4,
).map(lambda listed: tuple(replace(rule, id=f"r{number}") for number, rule in enumerate(listed)))
defaults = st.builds(
    Defaults,
    unknown=effects,
    private=effects,
    reserved=effects,
    invalid=effects,
    missing=effects,
    relay=effects,
    conflict=effects,
)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> rf.Table:
    """A table of the places above."""
    path = tmp_path_factory.mktemp("tables") / "places.csv"
    path.write_text("".join(f"{address}/32,{code}\n" for address, code in TABLE.items() if code), encoding="utf-8")
    return rf.open(path, level="subdivision")


@pytest.fixture(scope="module")
def roster() -> Roster:
    """Everybody with one or two of the addresses, in each of two meetings."""
    rows = [
        (f"{meeting}-{number}", meeting, address)
        for meeting in ("1", "2")
        for number, pair in enumerate(PAIRS)
        for address in pair
    ]
    connections, meetings, addresses = map(list, zip(*rows, strict=True))
    return Roster(connections, addresses, meetings=meetings, connections=connections, accounts=["acme"] * len(rows))


@given(rules, defaults)
@settings(max_examples=300, deadline=None)
def test_a_rule_that_never_matters_changes_no_effect(
    places: rf.Table, roster: Roster, listed: tuple[Rule, ...], wanted: Defaults
) -> None:
    policy = Policy(rules=listed, defaults=wanted)
    effects = decide_joins(places, policy, roster, at=AT).effect
    for finding in policy.findings(AT):
        if finding.message.startswith("never matters"):
            rest = tuple(rule for rule in listed if finding.place != f"rule[{listed.index(rule)}]")
            without = replace(policy, rules=rest)
            assert (decide_joins(places, without, roster, at=AT).effect == effects).all()
        elif "nobody who is located" in finding.message:
            rule = listed[int(finding.place.removeprefix("rule[").removesuffix("]"))]
            located = [row for row, name in enumerate(roster.participants) if name in ALONE]
            meetings = rule.meetings or ("1", "2")
            assert located
            assert not any(effects[row] == Effect.ADMIT for row in located if roster.meetings[row] in meetings)


def test_findings_take_hand_made_policies() -> None:
    exemption = Exemption(accounts=("a",), reason="x")
    correction = Correction(participants=("u",), reason="x", author="x", dated=AT.date())
    assert [str(finding) for finding in Policy(exemptions=(exemption,), corrections=(correction,)).findings(AT)] == [
        "no order and no rule: everybody is admitted",
        "exemption[0]: excuses nobody: there is no rule, and no order with `exemptions = true`",
    ]
