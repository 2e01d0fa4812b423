"""What may stand in a policy file, and what is said of everything else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from ipaddress import ip_network

import pytest

from regionfast.errors import PolicyError, Problem
from regionfast.policy import Correction, Defaults, Exemption, Order, Policy, Rule, Scope, State
from regionfast.policy import parse as parse_module
from regionfast.regions import contested_places
from regionfast.types import Effect

EXAMPLE = """
version = 1

[[order]]                     # a demand under local law
id = "cn-2020-06-04"
issuer = "cn-authority"
author = "ops-1"
reference = "notice 17"
law = "act 4"
contest = "https://court.example"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["937-221-004"]
from = 2020-06-03T00:00:00Z
until = 2020-06-05T00:00:00Z
join = "deny"
present = "eject"

[[rule]]                      # an owner's own choice for own meetings
id = "staff-meeting"
account = "acme"
effect = "allow-only"
regions = ["EU", "CH"]
meetings = ["101"]
present = "keep"

[[correction]]
networks = ["203.0.113.0/24"]
region = "HK"
reason = "leased line"
author = "ops-2"
date = 2020-06-02

[[exemption]]
participants = ["u-17"]
roles = ["interpreter"]
reason = "works there"

[defaults]
not-located = "hold"
"""

ORDER = {
    "id": '"o"',
    "issuer": '"cn-authority"',
    "state": '"active"',
    "territory": '"CN"',
    "regions": '["CN"]',
    "meetings": '["m"]',
    "from": "2020-06-03T00:00:00Z",
    "until": "2020-06-05T00:00:00Z",
    "join": '"deny"',
    "present": '"eject"',
}
RULE = {"id": '"r"', "account": '"acme"', "effect": '"deny"', "regions": '["US"]'}
CORRECTION = {"networks": '["192.0.2.0/24"]', "reason": '"x"', "author": '"x"', "date": "2020-06-02"}
EXEMPTION = {"participants": '["u"]', "reason": '"x"'}
KEYS = {"order": ORDER, "rule": RULE, "correction": CORRECTION, "exemption": EXEMPTION}
OPEN = {"until": '"open"', "review-by": "2020-09-01T00:00:00Z"}


def table(kind: str, changes: Mapping[str, str | None] | None = None) -> str:
    """A sound table of a kind with other values, which are TOML; `None` leaves a key out."""
    values = {**KEYS[kind], **(changes or {})}
    return f"[[{kind}]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items() if value is not None)


def policy(*tables: str) -> str:
    """A policy of some tables."""
    return "version = 1\n" + "\n".join(tables)


def problems(toml: str) -> tuple[Problem, ...]:
    """All that is wrong with it."""
    with pytest.raises(PolicyError) as raised:
        Policy.from_text(toml)
    return raised.value.problems


def test_every_line_of_the_example_arrives() -> None:
    read = Policy.from_text(EXAMPLE)
    assert read.orders == (
        Order(
            id="cn-2020-06-04",
            issuer="cn-authority",
            author="ops-1",
            reference="notice 17",
            law="act 4",
            contest="https://court.example",
            state=State.ACTIVE,
            territory="CN",
            regions=("CN",),
            scope=Scope(meetings=("937-221-004",)),
            start=datetime(2020, 6, 3, tzinfo=UTC),
            end=datetime(2020, 6, 5, tzinfo=UTC),
            join=Effect.DENY,
            present=Effect.EJECT,
            spared=contested_places(),
        ),
    )
    assert read.rules == (
        Rule(id="staff-meeting", account="acme", effect="allow-only", regions=("EU", "CH"), meetings=("101",)),
    )
    assert read.corrections == (
        Correction(
            networks=(ip_network("203.0.113.0/24"),),
            region="HK",
            reason="leased line",
            author="ops-2",
            dated=date(2020, 6, 2),
        ),
    )
    assert read.exemptions == (Exemption(participants=("u-17",), roles=("interpreter",), reason="works there"),)
    hold = Effect.HOLD
    assert read.defaults == Defaults(
        unknown=hold, private=hold, reserved=hold, invalid=hold, missing=hold, relay=hold, conflict=hold
    )
    assert read.groups == {}
    assert read.deployment is None
    assert read.is_advisory


@pytest.mark.parametrize("state", list(State))
def test_states(state: State) -> None:
    read = Policy.from_text(policy(table("order", {"state": f'"{state}"'})))
    assert read.orders[0].state is state
    assert read.orders[0].is_in_force(datetime(2020, 6, 4, tzinfo=UTC)) is (state is State.ACTIVE)


def test_dates_of_an_order_are_half_open() -> None:
    order = Policy.from_text(policy(table("order"))).orders[0]
    assert not order.is_in_force(datetime(2020, 6, 2, 23, 59, 59, tzinfo=UTC))
    assert order.is_in_force(datetime(2020, 6, 3, tzinfo=UTC))
    assert not order.is_in_force(datetime(2020, 6, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("key", "word", "effect"),
    [
        ("join", "deny", Effect.DENY),
        ("join", "hold", Effect.HOLD),
        ("join", "admit", Effect.ADMIT),
        ("present", "eject", Effect.EJECT),
        ("present", "hold", Effect.HOLD),
        ("present", "keep", Effect.KEEP),
    ],
)
def test_effects_of_an_order(key: str, word: str, effect: Effect) -> None:
    order = Policy.from_text(policy(table("order", {key: f'"{word}"'}))).orders[0]
    assert {"join": order.join, "present": order.present}[key] is effect


@pytest.mark.parametrize(
    ("keys", "scope"),
    [
        ({"meetings": '["a", "b"]'}, Scope(meetings=("a", "b"))),
        ({"meetings": '"all"'}, Scope(everywhere=True)),
        ({"meetings": None, "series": '["s"]'}, Scope(series=("s",))),
        ({"meetings": None, "accounts": '["a"]'}, Scope(accounts=("a",))),
        (
            {"meetings": '["a"]', "series": '["s"]', "accounts": '["a"]'},
            Scope(meetings=("a",), series=("s",), accounts=("a",)),
        ),
    ],
)
def test_scopes_of_an_order(keys: dict[str, str | None], scope: Scope) -> None:
    assert Policy.from_text(policy(table("order", keys))).orders[0].scope == scope


def test_an_open_order_ends_at_its_review() -> None:
    order = Policy.from_text(policy(table("order", OPEN))).orders[0]
    assert order.is_open
    assert order.reviewed is None
    assert order.end == datetime(2020, 9, 1, tzinfo=UTC)
    reviewed = {"review-by": "2020-11-29T00:00:00Z", "reviewed": "2020-08-31T00:00:00Z"}
    order = Policy.from_text(policy(table("order", OPEN | reviewed))).orders[0]
    assert order.reviewed == datetime(2020, 8, 31, tzinfo=UTC)
    assert order.end == datetime(2020, 11, 29, tzinfo=UTC)


def test_times_with_an_offset_are_utc() -> None:
    order = Policy.from_text(policy(table("order", {"from": "2020-06-03T08:00:00+08:00"}))).orders[0]
    assert order.start == datetime(2020, 6, 3, tzinfo=UTC)
    assert order.start.tzinfo is UTC


def test_codes_are_canonical_everywhere() -> None:
    read = Policy.from_text(
        policy(
            table("order", {"territory": '"CN-HK"', "regions": '["CN-HK"]'}),
            table("rule", {"regions": '["US-PR", "office", "EU"]'}),
            table("correction", {"region": '"FR-974"'}),
            table("exemption", {"regions": '["NO-21"]'}),
            '[groups]\noffice = ["CN-TW", "EU", "branch"]\nbranch = ["US"]',
        )
    )
    assert (read.orders[0].territory, read.orders[0].regions) == ("HK", ("HK",))
    assert read.rules[0].regions == ("PR", "office", "EU")
    assert read.corrections[0].region == "RE"
    assert read.exemptions[0].regions == ("SJ",)
    assert read.groups == {"office": ("TW", "EU", "branch"), "branch": ("US",)}


def test_everything_that_a_rule_may_say() -> None:
    values: dict[str, str | None] = {
        "effect": '"hold"', "series": '["weekly"]', "meetings": '["1"]', "present": '"hold"', "reason": '"board"'
    }  # fmt: skip
    assert Policy.from_text(policy(table("rule", values))).rules[0] == Rule(
        id="r",
        account="acme",
        effect="hold",
        regions=("US",),
        meetings=("1",),
        series=("weekly",),
        present=Effect.HOLD,
        reason="board",
    )


def test_everything_that_an_exemption_may_say() -> None:
    values = {
        "networks": '["198.51.100.7", "2001:db8::/32"]', "participants": '["u"]', "roles": '["host"]',
        "meetings": '["1"]', "series": '["s"]', "accounts": '["a"]', "regions": '["CN"]',
    }  # fmt: skip
    assert Policy.from_text(policy(table("exemption", {**values}))).exemptions[0] == Exemption(
        networks=(ip_network("198.51.100.7/32"), ip_network("2001:db8::/32")),
        participants=("u",),
        roles=("host",),
        meetings=("1",),
        series=("s",),
        accounts=("a",),
        regions=("CN",),
        reason="x",
    )


def test_a_correction_without_region_says_not_located() -> None:
    read = Policy.from_text(policy(table("correction", {"networks": None, "participants": '["u"]'})))
    assert (read.corrections[0].region, read.corrections[0].participants) == (None, ("u",))


def test_single_statuses_may_differ() -> None:
    read = Policy.from_text(policy('[defaults]\nnot-located = "deny"\nprivate = "admit"\nconflict = "hold"'))
    deny = Effect.DENY
    assert read.defaults == Defaults(
        unknown=deny,
        private=Effect.ADMIT,
        reserved=deny,
        invalid=deny,
        missing=deny,
        relay=deny,
        conflict=Effect.HOLD,
    )


def test_a_policy_may_be_empty() -> None:
    assert Policy.from_text("version = 1").entries == ()


# Of each case: the tables, the place, the message, what is suggested. One thing is wrong in each.
WRONG: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    # regions
    "a name": (
        table("order", {"regions": '["CN", "China"]'}),
        "order[0].regions[1]", "`China` is no region code of ISO 3166", ("CN",),
    ),
    "UK": (
        table("rule", {"regions": '["UK"]'}),
        "rule[0].regions[0]", "`UK` is no region code of ISO 3166", ("GB",),
    ),
    "lower case": (
        table("order", {"territory": '"cn"'}),
        "order[0].territory", "`cn` is no region code of ISO 3166", ("CN",),
    ),
    "ambiguous": (
        table("rule", {"regions": '["Korea"]'}),
        "rule[0].regions[0]", "`Korea` is no region code of ISO 3166", ("KP", "KR"),
    ),
    "withdrawn": (
        table("rule", {"regions": '["AN"]'}),
        "rule[0].regions[0]", "`AN` is withdrawn, once used for Netherlands Antilles", ("BQ", "CW", "SX"),
    ),
    "unknown": (
        table("rule", {"regions": '["QQ"]'}),
        "rule[0].regions[0]", "`QQ` is no region code of ISO 3166", (),
    ),
    "a group in lower case": (
        table("rule", {"regions": '["eu"]'}),
        "rule[0].regions[0]", "`eu` is no region code of ISO 3166", ("EU",),
    ),
    "nearly an own group": (
        table("rule", {"regions": '["ofice"]'}) + '[groups]\noffice = ["US"]',
        "rule[0].regions[0]", "`ofice` is no region code of ISO 3166", ("office",),
    ),
    "an address for a region": (
        table("rule", {"regions": '["203.0.113.7"]'}),
        "rule[0].regions[0]", "this text is no region code of ISO 3166", (),
    ),
    "a correction to a group": (
        table("correction", {"region": '"EU"'}),
        "correction[0].region", "`EU` is a group and stands for several regions: name one region here", (),
    ),
    "a correction to a name": (
        table("correction", {"region": '"Hong Kong"'}),
        "correction[0].region", "`Hong Kong` is no region code of ISO 3166", ("HK",),
    ),
    # own groups
    "an own group as territory": (
        table("order", {"territory": '"office"', "regions": '["US"]'}) + '[groups]\noffice = ["US"]',
        "order[0].territory",
        "`office` is a group of this file: name regions of ISO 3166, or a group such as `EU`", (),
    ),
    "an own group as region of an order": (
        table("order", {"regions": '["CN", "office"]'}) + '[groups]\noffice = ["CN"]',
        "order[0].regions[1]",
        "`office` is a group of this file: name regions of ISO 3166, or a group such as `EU`", (),
    ),
    "a group with the name of a region": (
        '[groups]\nchina = ["CN"]',
        "groups.china", "a group of your own needs a name that names no region or group of ours", (),
    ),
    "a group with an address as its name": (
        '[groups]\n"203.0.113.7" = ["CN"]',
        "groups", "the name of a group starts with a letter and has letters, digits, `-` and `_`", (),
    ),
    "a group of a name": (
        '[groups]\noffice = ["US", "Russia"]',
        "groups.office[1]", "`Russia` is no region code of ISO 3166", ("RU",),
    ),
    "a group that holds itself": (
        '[groups]\noffice = ["office"]',
        "groups.office", "a group that holds itself: take out one of the names on the way", (),
    ),
    "an empty group": (
        "[groups]\noffice = []",
        "groups.office", "is an empty list: name at least one", (),
    ),
    "a group that is a text": (
        '[groups]\noffice = "US"',
        "groups.office", "is a text, not a list: write it in brackets", (),
    ),
    "a group of numbers": (
        '[groups]\noffice = ["US", 1]\nother = ["office"]',
        "groups.office[1]", "is a number, not a text: write it in quotes", (),
    ),
    # territory
    "outside the territory": (
        table("order", {"regions": '["CN", "HK"]'}),
        "order[0].regions[1]", "`HK` is not inside the territory `CN`", (),
    ),
    "Taiwan under mainland China": (
        table("order", {"regions": '["CN-TW"]'}),
        "order[0].regions[0]", "`TW` is not inside the territory `CN`", (),
    ),
    "a country under its state": (
        table("order", {"territory": '"US-CA"', "regions": '["US"]'}),
        "order[0].regions[0]", "`US` is not inside the territory `US-CA`", (),
    ),
    "a group under a country": (
        table("order", {"territory": '"FR"', "regions": '["EU"]'}),
        "order[0].regions[0]", "`EU` is not inside the territory `FR`", (),
    ),
    "a country that had left the group": (
        table("order", {"territory": '"EU"', "regions": '["FR", "GB"]'}),
        "order[0].regions[1]", "`GB` is not inside the territory `EU`", (),
    ),
    "a group before its records": (
        table("order", {"territory": '"EU"', "regions": '["FR"]', "from": "1950-01-01T00:00:00Z"}),
        "order[0].from", "group `EU` is recorded from 1957-12-31T23:00:00Z on", (),
    ),
    # ids
    "two orders with one id": (
        table("order") + table("order"),
        "order[1].id", "is the same as that of `order[0]`", (),
    ),
    "a rule with the id of an order": (
        table("order") + table("rule", {"id": '"o"'}),
        "rule[0].id", "is the same as that of `order[0]`", (),
    ),
    "an id with a blank": (
        table("order", {"id": '"my order"'}),
        "order[0].id", "has at most 128 of the letters A to Z, a to z, digits, `.`, `_`, `:` and `-`", (),
    ),
    "an id that is too long": (
        table("rule", {"id": f'"{"x" * 129}"'}),
        "rule[0].id", "has at most 128 of the letters A to Z, a to z, digits, `.`, `_`, `:` and `-`", (),
    ),
    # times
    "a naive time": (
        table("order", {"from": "2020-06-03T00:00:00"}),
        "order[0].from", "has no offset from UTC: write `Z` or one such as `+08:00` after it", (),
    ),
    "a naive end": (
        table("order", {"until": "2020-06-05T00:00:00"}),
        "order[0].until", "has no offset from UTC: write `Z` or one such as `+08:00` after it", (),
    ),
    "a date for a time": (
        table("order", {"from": "2020-06-03"}),
        "order[0].from", "is a date: write a time with its offset, `2020-06-03T00:00:00Z`, without quotes", (),
    ),
    "a time in quotes": (
        table("order", {"from": '"2020-06-03T00:00:00Z"'}),
        "order[0].from", "is a text: write a time with its offset, `2020-06-03T00:00:00Z`, without quotes", (),
    ),
    "a time before all time": (
        table("order", {"from": "0001-01-01T00:00:00+14:00"}),
        "order[0].from", "is before the year 1 or after the year 9999 in UTC", (),
    ),
    "an end at the beginning": (
        table("order", {"until": "2020-06-03T00:00:00Z"}),
        "order[0].until", "is not after `from`", (),
    ),
    "an end before the beginning by its offset": (
        table("order", {"until": "2020-06-03T07:00:00+08:00"}),
        "order[0].until", "is not after `from`", (),
    ),
    "an end of words": (
        table("order", {"until": '"forever"'}),
        "order[0].until",
        'is a text: write a time such as `2020-06-05T00:00:00Z` without quotes, or "open"', (),
    ),
    "open without review": (
        table("order", {"until": '"open"'}),
        "order[0].review-by", "is missing: an open order lapses unless it is reviewed by then", (),
    ),
    "a review after 91 days": (
        table("order", OPEN | {"review-by": "2020-09-01T00:00:01Z"}),
        "order[0].review-by", "is more than 90 days after `from`", (),
    ),
    "a review 91 days after the last": (
        table("order", OPEN | {"reviewed": "2020-07-01T00:00:00Z", "review-by": "2020-09-30T00:00:00Z"}),
        "order[0].review-by", "is more than 90 days after `reviewed`", (),
    ),
    "a review before the beginning": (
        table("order", OPEN | {"review-by": "2020-06-03T00:00:00Z"}),
        "order[0].review-by", "is not after `from`", (),
    ),
    "a review before the last": (
        table("order", OPEN | {"reviewed": "2020-09-02T00:00:00Z"}),
        "order[0].review-by", "is not after `reviewed`", (),
    ),
    "a review of what begins nowhere": (
        table("order", OPEN | {"from": "2020-06-03T00:00:00", "review-by": "2030-09-01T00:00:00Z"}),
        "order[0].from", "has no offset from UTC: write `Z` or one such as `+08:00` after it", (),
    ),
    "a review of what is not open": (
        table("order", {"review-by": "2020-06-04T00:00:00Z"}),
        "order[0].review-by", 'belongs to `until = "open"`: leave out one of them', (),
    ),
    "a time for a date": (
        table("correction", {"date": "2020-06-02T00:00:00Z"}),
        "correction[0].date", "is a time: write a date, `2020-06-02`, without quotes", (),
    ),
    # scope
    "no meetings": (
        table("order", {"meetings": None}),
        "order[0]", 'reaches no meeting: write `meetings`, `series` or `accounts`, or `meetings = "all"`', (),
    ),
    "all and more": (
        table("order", {"meetings": '"all"', "series": '["s"]'}),
        "order[0].series", 'adds nothing to `meetings = "all"`: leave out one of them', (),
    ),
    "all in brackets": (
        table("order", {"meetings": '["all"]'}),
        "order[0].meetings[0]", "is no id of a meeting: `all` stands alone, without brackets", (),
    ),
    "all series": (
        table("order", {"meetings": None, "series": '"all"'}),
        "order[0].series", "is a text, not a list: write it in brackets", (),
    ),
    "a rule on all meetings": (
        table("rule", {"meetings": '"all"'}),
        "rule[0].meetings", "is for orders: without `meetings` and `series` a rule reaches all of its account", (),
    ),
    "a meeting that is a number": (
        table("order", {"meetings": '["1", 937221004]'}),
        "order[0].meetings[1]", "is a number, not a text: write it in quotes", (),
    ),
    # lists
    "an empty list of regions": (
        table("order", {"regions": "[]"}),
        "order[0].regions", "is an empty list: name at least one", (),
    ),
    "an empty list of meetings": (
        table("order", {"meetings": "[]"}),
        "order[0].meetings", "is an empty list: leave it out", (),
    ),
    "an empty list of networks": (
        table("correction", {"networks": "[]"}),
        "correction[0].networks", "is an empty list: leave it out", (),
    ),
    "an empty text in a list": (
        table("exemption", {"participants": '["u", " "]'}),
        "exemption[0].participants[1]", "is an empty text", (),
    ),
    "an empty network": (
        table("correction", {"networks": '["192.0.2.0/24", ""]'}),
        "correction[0].networks[1]", "is an empty text", (),
    ),
    "a text for a list": (
        table("rule", {"regions": '"US"'}),
        "rule[0].regions", "is a text, not a list: write it in brackets", (),
    ),
    # types
    "a number for a text": (
        table("order", {"issuer": "7"}),
        "order[0].issuer", "is a number, not a text: write it in quotes", (),
    ),
    "a list for a text": (
        table("order", {"territory": '["CN"]'}),
        "order[0].territory", "is a list, not a text", (),
    ),
    "a table for a text": (
        table("rule", {"account": '{ name = "acme" }'}),
        "rule[0].account", "is a table, not a text", (),
    ),
    "a text for a flag": (
        table("order", {"exemptions": '"yes"'}),
        "order[0].exemptions", "is a text: write true or false, without quotes", (),
    ),
    "one for a flag": (
        table("order", {"exemptions": "1"}),
        "order[0].exemptions", "is a number: write true or false, without quotes", (),
    ),
    "true for a text": (
        table("order", {"join": "true"}),
        "order[0].join", "is true or false, not a text: write it in quotes", (),
    ),
    "an empty text": (
        table("correction", {"reason": '""'}),
        "correction[0].reason", "is an empty text", (),
    ),
    "one order in single brackets": (
        table("order").replace("[[order]]", "[order]"),
        "order", "is a table, not a list of tables: write `[[order]]` before each", (),
    ),
    "a list of no tables": (
        "rule = [1]",
        "rule[0]", "is a number, not a table: write `[[rule]]`", (),
    ),
    "defaults in double brackets": (
        '[[defaults]]\nnot-located = "hold"',
        "defaults", "is a list, not a table: write `[defaults]` with single brackets", (),
    ),
    # words
    "a state of nobody": (
        table("order", {"state": '"activ"'}),
        "order[0].state", "`activ` is none of received, declined, active, suspended, ended", ("active",),
    ),
    "an effect of being present at the door": (
        table("order", {"join": '"eject"'}),
        "order[0].join", "`eject` is none of deny, hold, admit", (),
    ),
    "an effect of the door on those who are present": (
        table("order", {"present": '"deny"'}),
        "order[0].present", "`deny` is none of eject, hold, keep", (),
    ),
    "an effect of a rule": (
        table("rule", {"effect": '"allow_only"'}),
        "rule[0].effect", "`allow_only` is none of allow-only, deny, hold", ("allow-only",),
    ),
    "a default": (
        '[defaults]\nnot-located = "keep"',
        "defaults.not-located", "`keep` is none of deny, hold, admit", (),
    ),
    # keys
    "an unknown key": (
        table("order", {"teritory": '"CN"'}),
        "order[0].teritory", "is no key that may stand here", ("territory",),
    ),
    "a key with another dash": (
        table("order", OPEN | {"review_by": "2020-09-01T00:00:00Z"}),
        "order[0].review_by", "is no key that may stand here", ("review-by",),
    ),
    "a key like nothing": (
        table("rule", {"zzz": "1"}),
        "rule[0].zzz", "is no key that may stand here", (),
    ),
    "an address for a key": (
        table("rule", {'"203.0.113.7"': "1"}),
        "rule[0]", "has a key that may not stand here: a key is a plain word", (),
    ),
    "a long key": (
        table("rule", {"account_of_the_owner_of_all_the_meetings_here": "1"}),
        "rule[0]", "has a key that may not stand here: a key is a plain word", (),
    ),
    "a long word": (
        table("rule", {"effect": f'"{"deny" * 20}"'}),
        "rule[0].effect", "this text is none of allow-only, deny, hold", (),
    ),
    "an unknown section": (
        '[[orders]]\nid = "o"',
        "orders", "is no key that may stand here", ("order",),
    ),
    "a default for what is located": (
        '[defaults]\nnot-located = "hold"\nlocated = "admit"',
        "defaults.located", "is no key that may stand here", ("not-located",),
    ),
    "an account of an order": (
        table("order", {"account": '"acme"'}),
        "order[0].account", "is no key that may stand here", ("accounts",),
    ),
    "accounts of a rule": (
        table("rule", {"accounts": '["acme", "other"]'}),
        "rule[0].accounts", "is no key that may stand here", ("account",),
    ),
    "an issuer of a rule": (
        table("rule", {"issuer": '"cn-authority"'}),
        "rule[0].issuer", "is no key that may stand here", (),
    ),
    # what must be there
    **{
        f"{kind} without {key}": (table(kind, {key: None}), f"{kind}[0].{key}", "is missing", ())
        for kind, keys in KEYS.items()
        for key in keys
        if key not in {"meetings", "networks", "participants"}
    },
    "a correction of nobody": (
        table("correction", {"networks": None}),
        "correction[0]", "corrects nothing: write `networks` or `participants`", (),
    ),
    "an exemption of nobody": (
        table("exemption", {"participants": None, "regions": '["CN"]'}),
        "exemption[0]",
        ("excuses nobody: write at least one of "
         "`networks`, `participants`, `roles`, `meetings`, `series`, `accounts`"), (),
    ),
    "allow-only without defaults": (
        table("rule") + table("rule", {"id": '"s"', "effect": '"allow-only"'}),
        "defaults",
        ("is missing: `rule[1]` is allow-only: write what those get whom no table locates, "
         '`not-located = "hold"` or admit or deny'), (),
    ),
    "defaults of one status": (
        '[defaults]\nprivate = "admit"',
        "defaults.not-located", 'is missing: write `not-located = "hold"` or admit or deny', (),
    ),
    # networks: never with their text
    "bits beyond the length": (
        table("correction", {"networks": '["192.0.2.0/24", "203.0.113.7/24"]'}),
        "correction[0].networks[1]", "has bits beyond its length of 24: write the first address of the network", (),
    ),
    "IPv6 bits beyond the length": (
        table("exemption", {"networks": '["2001:db8::1/32"]'}),
        "exemption[0].networks[0]", "has bits beyond its length of 32: write the first address of the network", (),
    ),
    **{
        f"no network: {text}": (
            table("correction", {"networks": f'["{text}"]'}),
            "correction[0].networks[0]",
            "is no network: write an address, `/` and a length, such as `203.0.113.0/24`", (),
        )
        for text in (
            "office", "203.0.113.0/33", "203.0.113.0/", "203.0.113.0/0.0.0.255", "203.0.113.0/255.255.255.0",
            "203.0.113.0-203.0.113.9", "203.0.113.0 /24", "203.0.113/24", "203.0.113.010", "fe80::%eth0/64", "::/129",
            "203.0.113.0/٢٤",
        )
    },
    "mapped IPv4": (
        table("correction", {"networks": '["::ffff:203.0.113.0/120"]'}),
        "correction[0].networks[0]", "is IPv4 inside IPv6: write the IPv4 network, which holds for both", (),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("toml", "place", "message", "suggestions"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_with_its_place(
    toml: str, place: str, message: str, suggestions: tuple[str, ...]
) -> None:
    assert problems(policy(toml)) == (Problem(place, message, suggestions),)


@pytest.mark.parametrize(
    ("toml", "place", "message"),
    [
        ("", "version", "is missing: write `version = 1`"),
        ('[[approver]]\nid = "x"', "",
         "this is a deployment: give it as `--deployment`, in Python as `deployment`"),
        ('version = 1\n[[case]]\nname = "x"', "", "this holds cases: the policy is given before them"),
        ("version = 2", "version", "is not known: this release reads `version = 1`"),
        ('version = "1"', "version", "is not known: this release reads `version = 1`"),
        ("version = true", "version", "is not known: this release reads `version = 1`"),
        ("version = 1.0", "version", "is not known: this release reads `version = 1`"),
        ("version = 1\nrule = 3", "rule", "is a number, not a list of tables: write `[[rule]]` before each"),
        ('version = 1\ngroups = "x"', "groups", "is a text, not a table: write `[groups]`"),
        (f"version = {'[' * 100_000}", "", "is no TOML: nested too deeply"),
        ("version = 1 # \ud800", "", "is no text of Unicode"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_file(toml: str, place: str, message: str) -> None:
    assert problems(toml) == (Problem(place, message),)


# Python's own words, which change with its version, stand after the colon.
@pytest.mark.parametrize("toml", ["version = 1\nversion = 1", "version = ", "[a", "= 1", f"version = {'1' * 10_000}"])
def test_what_is_no_toml(toml: str) -> None:
    (problem,) = problems(toml)
    assert problem.place == ""
    assert problem.message.startswith("is no TOML: ")


def test_syntax_errors_do_not_repeat_keys() -> None:
    (problem,) = problems('version = 1\nx = { "203.0.113.7" = 1, "203.0.113.7" = 2 }')
    assert problem.message.startswith("is no TOML: ")
    assert "203" not in problem.message


def test_all_problems_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        """
        version = 1
        [[rule]]
        id = "r"
        effect = "allow-only"
        regions = ["EU", "China", 7, "office"]
        [[order]]
        present = "stay"
        until = 2020-06-05
        regions = ["china", "HK"]
        territory = "CN"
        from = 2020-06-03T00:00:00Z
        """
    )
    assert [problem.place for problem in found] == [
        "rule[0].regions[1]",
        "rule[0].regions[2]",
        "rule[0].regions[3]",
        "rule[0].account",
        "order[0]",
        "order[0].present",
        "order[0].until",
        "order[0].regions[0]",
        "order[0].regions[1]",
        *("order[0].issuer", "order[0].id", "order[0].state", "order[0].join"),
        "defaults",
    ]


def test_the_source_stands_before_each_problem() -> None:
    with pytest.raises(PolicyError) as raised:
        Policy.from_text('version = 2\n[[rule]]\nid = "r"', source="own.toml")
    lines = str(raised.value).splitlines()
    assert lines[0] == "own.toml: version: is not known: this release reads `version = 1`"
    assert lines[1] == "own.toml: rule[0] (`r`).account: is missing"
    assert all(line.startswith("own.toml: ") for line in lines)


def test_an_entry_is_named_beside_its_place() -> None:
    said = {
        problem.place: problem.entry for problem in problems(policy(table("order", {"id": '"cn-77"', "join": "1"})))
    }
    assert said == {"order[0].join": "cn-77"}
    for name in ('"203.0.113.7"', '"2001:db8::1"', '"a b"', "7", None):  # no id, or what may be an address
        (found,) = [found for found in problems(table("rule", {"id": name, "effect": "1"})) if "effect" in found.place]
        assert (found.entry, str(found).partition(":")[0]) == (None, "rule[0].effect")
    (wrong,) = problems(policy(table("correction", {"date": "1"})))
    assert wrong.entry is None


def test_problems_name_no_address_and_nobody() -> None:
    secret = "198.51.100.7"
    nobody = "alice@example.org"
    toml = policy(
        table("correction", {"networks": f'["{secret}/8", "{secret}x"]', "participants": f'["{nobody}", ""]'}),
        table("exemption", {"networks": f'"{secret}"', "participants": f'"{nobody}"', "regions": f'["{secret}"]'}),
        table("rule", {"regions": f'["{nobody}"]', "effect": f'"{secret}"', f'"{nobody}"': "1", "id": f'"{nobody}"'}),
        table("order", {"territory": f'"{secret}"', "state": f'"{nobody}"', "from": f'"{secret}"'}),
        f'[groups]\n"{secret}" = ["{nobody}"]\n"{nobody}" = "{secret}"',
    )
    with pytest.raises(PolicyError) as raised:
        Policy.from_text(toml)
    assert len(raised.value.problems) >= 14
    assert "198.51" not in str(raised.value)
    assert "alice" not in str(raised.value)


def test_more_entries_than_can_be_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_module, "MOST_ENTRIES", 2)
    full = policy(table("order"), table("rule"))
    assert len(Policy.from_text(full).entries) == 2
    assert problems(full + table("rule", {"id": '"s"'})) == (Problem("", "has more than 2 orders and rules"),)
