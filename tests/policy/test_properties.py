"""Whatever the file holds: a policy, or a `PolicyError` that says what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from ipaddress import IPv4Network, IPv6Network
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from regionfast import regions
from regionfast.errors import DeploymentError, PolicyError
from regionfast.names import plain
from regionfast.policy import (
    Correction,
    Defaults,
    Deployment,
    Exemption,
    Order,
    Policy,
    Rule,
    Scope,
    State,
)
from regionfast.policy.model import NOT_LOCATED, Network
from regionfast.policy.parse import (
    CORRECTION_KEYS,
    EXEMPTION_KEYS,
    JOIN,
    ORDER_KEYS,
    PRESENT,
    RULE_EFFECTS,
    RULE_KEYS,
    SECTIONS,
)
from regionfast.regions import RegionSet
from regionfast.types import Effect

T = TypeVar("T")
Read = Callable[[str], object]


def toml(value: object) -> str:
    """A value as it stands behind `=`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{toml(key)} = {toml(item)}' for key, item in value.items())} }}"
    return str(value)


def document(sections: dict[str, object]) -> str:
    """A file of some sections."""
    return "\n".join(f"{toml(key)} = {toml(value)}" for key, value in sections.items())


# Documents of any kind: right keys and wrong ones with right values and wrong ones.

text = st.text(st.characters(codec="utf-8"), max_size=20).map(plain)
WORDS = (
    *("all", "open", "CN", "HK", "cn", "China", "EU", "UK", "office", "203.0.113.0/24", "203.0.113.7", "::/0", "30d"),
    *JOIN, *PRESENT, *RULE_EFFECTS, *map(str, State),
)  # fmt: skip
words = st.sampled_from(WORDS)
zones = st.one_of(st.none(), st.just(UTC), st.integers(-1439, 1439).map(lambda n: timezone(timedelta(minutes=n))))
scalars = st.one_of(
    words,
    text,
    st.booleans(),
    st.integers(),
    st.floats().map(str),
    st.datetimes(timezones=zones),
    st.dates(),
    st.times(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=2)),
    max_leaves=5,
)


def tables(*keys: str) -> st.SearchStrategy[dict[str, object]]:
    """Tables of mostly these keys."""
    return st.dictionaries(st.one_of(st.sampled_from(keys), text), st.one_of(values, st.lists(words)), max_size=8)


DEPLOYMENT_KEYS = ("id", "jurisdiction", "key", "person", "needed", "people", "share", "max-table-age", "directory")
anything = st.dictionaries(
    st.one_of(st.sampled_from([*SECTIONS, "issuer", "approvals", "approver", "limits", "audit"]), text),
    st.one_of(
        st.lists(tables(*ORDER_KEYS), max_size=2),
        st.lists(tables(*RULE_KEYS), max_size=2),
        st.lists(tables(*CORRECTION_KEYS, *EXEMPTION_KEYS), max_size=2),
        st.lists(tables(*DEPLOYMENT_KEYS), max_size=2),
        tables("not-located", *NOT_LOCATED, *DEPLOYMENT_KEYS),
        st.dictionaries(text, st.lists(words), max_size=3),
        values,
    ),
    max_size=6,
)

_MESSAGE = re.compile(r"[a-z`][^\n]*[^.\n]")


def well_said(read: Read, source: str) -> None:
    """Reading either works or says what is wrong, in the form that messages have."""
    try:
        read(source)
    except (PolicyError, DeploymentError) as error:
        assert error.problems
        for problem in error.problems:
            assert _MESSAGE.fullmatch(problem.message), problem
            assert re.fullmatch(r"[A-Za-z0-9_.\[\]-]*", problem.place), problem


@given(anything)
@settings(max_examples=300, deadline=None)
def test_any_document_is_a_policy_or_an_error(sections: dict[str, object]) -> None:
    well_said(Policy.from_text, document({"version": 1} | sections))


@given(anything)
def test_any_document_is_a_deployment_or_an_error(sections: dict[str, object]) -> None:
    well_said(Deployment.from_text, document(sections))


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_an_error(source: str) -> None:
    well_said(Policy.from_text, source)
    well_said(Deployment.from_text, source)


# Sound policies: what is written is what is read.

names = text.filter(lambda value: value.strip() not in {"", "all"})
ids = st.from_regex(r"[A-Za-z0-9._:-]{1,8}", fullmatch=True)
CODES = ("CN", "HK", "US", "US-CA", "UA", "UA-43", "XK", "GB-ENG", "FR", "BQ-SA")
OWN = {"office": ("US", "EU"), "Branch_2": ("office", "SCHENGEN", "TW")}
moments = st.datetimes(datetime(1999, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)  # decisions are made for whole seconds
)
lengths = st.integers(0, 32)
networks: st.SearchStrategy[Network] = st.one_of(
    st.builds(lambda bits, length: IPv4Network((bits, length), strict=False), st.integers(0, 2**32 - 1), lengths),
    # Not so low that it could be IPv4 inside IPv6, which is refused.
    st.builds(
        lambda bits, length: IPv6Network((bits, length + 8), strict=False), st.integers(2**120, 2**128 - 1), lengths
    ),
)


def some(items: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    """None or a few."""
    return st.lists(items, max_size=3).map(tuple)


def few(items: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    """At least one."""
    return st.lists(items, min_size=1, max_size=3).map(tuple)


scopes = st.one_of(
    st.just(Scope(everywhere=True)),
    st.builds(Scope, meetings=some(names), series=some(names), accounts=some(names)).filter(
        lambda scope: bool(scope.meetings or scope.series or scope.accounts)
    ),
)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    territory, inside = draw(
        st.sampled_from([("CN", ("CN",)), ("US", ("US-CA", "US")), ("UA", ("UA", "UA-43")), ("EU", ("FR", "EU"))])
    )
    start = draw(moments)
    is_open = draw(st.booleans())
    reviewed = draw(st.one_of(st.none(), moments))
    days = st.integers(1, 90 if is_open else 4000)
    end = max(start, reviewed if reviewed and is_open else start) + timedelta(days=1)
    if is_open:
        end = (reviewed or start) + timedelta(days=draw(days))
        start = min(start, end - timedelta(days=1))
    else:
        end = start + timedelta(days=draw(days))
    chosen = draw(few(st.sampled_from(inside)))
    conceded = RegionSet(code for code in chosen if not regions.is_group(code) and regions.contested(code))
    return Order(
        id=draw(ids),
        issuer=draw(names),
        author=draw(st.one_of(st.none(), names)),
        reference=draw(st.one_of(st.just(""), names)),
        law=draw(st.one_of(st.just(""), names)),
        contest=draw(st.one_of(st.just(""), names)),
        state=draw(st.sampled_from(State)),
        territory=territory,
        regions=chosen,
        scope=draw(scopes),
        start=start,
        end=end,
        is_open=is_open,
        reviewed=reviewed,
        join=draw(st.sampled_from(list(JOIN.values()))),
        present=draw(st.sampled_from(list(PRESENT.values()))),
        exemptions=draw(st.booleans()),
        spared=regions.contested_places() - conceded,
    )


places = st.sampled_from([*CODES, "EU", "EEA", "SCHENGEN", "EU-TERRITORY", *OWN])
rules = st.builds(
    Rule,
    id=ids,
    account=names,
    effect=st.sampled_from(list(RULE_EFFECTS.values())),
    regions=few(places),
    meetings=some(names),
    series=some(names),
    present=st.sampled_from(list(PRESENT.values())),
    reason=st.one_of(st.just(""), names),
)
corrections = st.builds(
    Correction,
    networks=some(networks),
    participants=some(names),
    region=st.one_of(st.none(), st.sampled_from(CODES)),
    reason=names,
    author=names,
    dated=st.dates(),
).filter(lambda correction: bool(correction.networks or correction.participants))
exemptions = st.builds(
    Exemption,
    networks=some(networks),
    participants=some(names),
    roles=some(names),
    meetings=some(names),
    series=some(names),
    accounts=few(names),
    regions=some(places),
    reason=names,
)
defaults = st.builds(Defaults, **{status: st.sampled_from(list(JOIN.values())) for status in NOT_LOCATED})
policies = st.builds(
    Policy,
    orders=some(orders()),
    rules=some(rules),
    corrections=some(corrections),
    exemptions=some(exemptions),
    defaults=defaults,
    groups=st.just(OWN),
)


def word(effect: Effect, options: dict[str, Effect]) -> str:
    """The word for an effect."""
    return next(name for name, value in options.items() if value is effect)


def written(entry: Order | Rule | Correction | Exemption) -> dict[str, object]:
    """An entry by the keys of the file."""
    match entry:
        case Order():
            keys: dict[str, object] = {
                "id": entry.id, "issuer": entry.issuer, "author": entry.author, "reference": entry.reference,
                "law": entry.law, "contest": entry.contest, "state": str(entry.state), "territory": entry.territory,
                "regions": entry.regions, "meetings": "all" if entry.scope.everywhere else entry.scope.meetings,
                "series": entry.scope.series, "accounts": entry.scope.accounts, "from": entry.start,
                "until": "open" if entry.is_open else entry.end, "review-by": entry.end if entry.is_open else None,
                "reviewed": entry.reviewed, "join": word(entry.join, JOIN), "present": word(entry.present, PRESENT),
                "exemptions": entry.exemptions,
            }  # fmt: skip
        case Rule():
            keys = {
                "id": entry.id, "account": entry.account, "effect": entry.effect, "regions": entry.regions,
                "meetings": entry.meetings, "series": entry.series, "present": word(entry.present, PRESENT),
                "reason": entry.reason,
            }  # fmt: skip
        case Correction():
            keys = {
                "networks": list(map(str, entry.networks)), "participants": entry.participants,
                "region": entry.region, "reason": entry.reason, "author": entry.author, "date": entry.dated,
            }  # fmt: skip
        case Exemption():
            keys = {
                "networks": list(map(str, entry.networks)), "participants": entry.participants, "roles": entry.roles,
                "meetings": entry.meetings, "series": entry.series, "accounts": entry.accounts,
                "regions": entry.regions, "reason": entry.reason,
            }  # fmt: skip
    return {key: value for key, value in keys.items() if value not in (None, "", (), [])}


def file_of(policy: Policy) -> str:
    """A policy as a file."""
    assert policy.defaults is not None
    statuses = {status: word(getattr(policy.defaults, status), JOIN) for status in NOT_LOCATED}
    return document(
        {
            "version": 1,
            "groups": dict(policy.groups),
            "defaults": {"not-located": "hold"} | statuses,
            "order": [written(order) for order in policy.orders],
            "rule": [written(rule) for rule in policy.rules],
            "correction": [written(correction) for correction in policy.corrections],
            "exemption": [written(exemption) for exemption in policy.exemptions],
        }
    )


@given(policies)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_what_is_read(policy: Policy) -> None:
    numbered = replace(
        policy,
        orders=tuple(replace(order, id=f"{order.id}-o{n}") for n, order in enumerate(policy.orders)),
        rules=tuple(replace(rule, id=f"{rule.id}-r{n}") for n, rule in enumerate(policy.rules)),
    )
    read = Policy.from_text(file_of(numbered))
    assert read.orders == numbered.orders
    assert read.rules == numbered.rules
    assert read.corrections == numbered.corrections
    assert read.exemptions == numbered.exemptions
    assert read.defaults == numbered.defaults
    assert read.groups == numbered.groups
    assert read.revision == numbered.revision
