"""A policy file to the values of `model`: strict, and all that is wrong with it at once."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_network
from typing import Final, Literal, TypedDict

from regionfast import regions
from regionfast.errors import PolicyError
from regionfast.policy.deployment import Deployment
from regionfast.policy.document import STAND_IN, Document, Section, nearest
from regionfast.policy.model import (
    NOT_LOCATED,
    Correction,
    Defaults,
    Exemption,
    Network,
    Order,
    Rule,
    Scope,
    State,
)
from regionfast.regions import RegionError, RegionSet
from regionfast.types import Effect

MOST_ENTRIES: Final = 1 << 21
"""Orders and rules of one policy: what compiled decisions can number."""
REVIEW: Final = timedelta(days=90)
"""The longest that an open order lives without being reviewed."""

JOIN: Final = {"deny": Effect.DENY, "hold": Effect.HOLD, "admit": Effect.ADMIT}
PRESENT: Final = {"eject": Effect.EJECT, "hold": Effect.HOLD, "keep": Effect.KEEP}
STATES: Final = {str(state): state for state in State}
RULE_EFFECTS: Final[dict[str, Literal["deny", "hold", "allow-only"]]] = {
    "allow-only": "allow-only",
    "deny": "deny",
    "hold": "hold",
}

SECTIONS: Final = ("version", "order", "rule", "correction", "exemption", "defaults", "groups")
ORDER_KEYS: Final = (
    *("id", "issuer", "author", "reference", "law", "contest", "state", "territory", "regions"),
    *("meetings", "series", "accounts", "from", "until", "review-by", "reviewed", "join", "present", "exemptions"),
)
RULE_KEYS: Final = ("id", "account", "effect", "regions", "meetings", "series", "present", "reason")
CORRECTION_KEYS: Final = ("networks", "participants", "region", "reason", "author", "date")
EXEMPTION_LISTS: Final = ("networks", "participants", "roles", "meetings", "series", "accounts")
EXEMPTION_KEYS: Final = (*EXEMPTION_LISTS, "regions", "reason")

# Python reads `203.0.113.0/0.0.0.255` as a mask of hosts and drops zones; neither is a prefix that people mean.
_PREFIX: Final = re.compile(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?", re.ASCII)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")

Groups = dict[str, tuple[str, ...]]


class Contents(TypedDict):
    """What a policy file says."""

    orders: tuple[Order, ...]
    rules: tuple[Rule, ...]
    corrections: tuple[Correction, ...]
    exemptions: tuple[Exemption, ...]
    defaults: Defaults | None
    groups: Groups


def parse(toml: str, *, deployment: Deployment | None, source: str | None) -> Contents:
    """Read a policy, with a deployment also whether its issuers may demand what they do. Cost: linear in the text.

    Raises:
        PolicyError: Anything is wrong; holds everything that is.
    """
    document = Document(toml, PolicyError, source)
    _check_kind(document)
    root = Section(document, document.values, keys=SECTIONS)
    root.check_version(required=True)
    groups = _groups(root)
    order_sections = root.sections("order", ORDER_KEYS)
    rule_sections = root.sections("rule", RULE_KEYS)
    if len(order_sections) + len(rule_sections) > MOST_ENTRIES:
        root.note_whole(f"has more than {MOST_ENTRIES:,} orders and rules")
        document.finish()
    contents = Contents(
        orders=tuple(_order(section, groups, deployment) for section in order_sections),
        rules=tuple(_rule(section, groups) for section in rule_sections),
        corrections=tuple(_correction(section) for section in root.sections("correction", CORRECTION_KEYS)),
        exemptions=tuple(_exemption(section, groups) for section in root.sections("exemption", EXEMPTION_KEYS)),
        defaults=_defaults(root, [section for section in rule_sections if section.get("effect") == "allow-only"]),
        groups=groups,
    )
    document.check_unique([*order_sections, *rule_sections], "id")
    document.finish()
    return contents


def _check_kind(document: Document) -> None:
    """Refuse a file of another kind in a word, rather than by all of its keys."""
    if document.values.keys().isdisjoint(SECTIONS[1:]):
        if "issuer" in document.values or "approver" in document.values:
            document.note((), "this is a deployment: give it as `--deployment`, in Python as `deployment`")
        elif "case" in document.values:
            document.note((), "this holds cases: the policy is given before them")
        document.finish()


def _groups(root: Section) -> Groups:
    section = root.section("groups", keys=None)
    if section is None:
        return {}
    read = {name: section.texts(name, required=True) for name in section.keys}
    sound = {name: members for name, members in read.items() if section.is_sound(name)}
    # A group that is noted already is still a name, so that nothing is said of those who use it.
    for error in regions.check_groups(sound | dict.fromkeys(read.keys() - sound.keys(), ("AQ",))):
        name, _, index = error.place.removesuffix("]").rpartition("[")
        if error.place in read:
            section.note(error.place, error.message, error.suggestions)
        else:
            section.note(name, error.message, error.suggestions, index=int(index))
    if not all(section.is_sound(name) for name in read):
        return read
    return {
        name: tuple(
            member if member in read or regions.is_group(member) else regions.parse(member) for member in members
        )
        for name, members in read.items()
    }


def _order(section: Section, groups: Groups, deployment: Deployment | None) -> Order:
    issuer = section.text("issuer")
    territory = section.place_name("territory", groups)
    names = section.place_names("regions", groups, may_be_own=False)
    start = section.moment("from") or STAND_IN
    reviewed = section.moment("reviewed", required=False)
    is_open = section.get("until") == "open"
    jurisdiction = _jurisdiction(section, issuer, deployment)
    order = Order(
        id=section.id(),
        issuer=issuer,
        author=section.text("author", required=False) or None,
        reference=section.text("reference", required=False),
        law=section.text("law", required=False),
        contest=section.text("contest", required=False),
        state=section.choice("state", STATES),
        territory=territory,
        regions=names,
        scope=_scope(section),
        start=start,
        end=_end_of_open(section, start, reviewed) if is_open else _end(section, start),
        is_open=is_open,
        reviewed=reviewed,
        join=section.choice("join", JOIN),
        present=section.choice("present", PRESENT),
        exemptions=section.flag("exemptions"),
        jurisdiction=jurisdiction,
        spared=_spared(names if jurisdiction is None else jurisdiction),
    )
    if section.is_sound("territory", "from"):
        _check_reach(section, order)
    return order


def _jurisdiction(section: Section, issuer: str, deployment: Deployment | None) -> tuple[str, ...] | None:
    if deployment is None or not issuer:
        return None
    found = deployment.issuer(issuer)
    if found is None:
        enrolled = [known.id for known in deployment.issuers]
        section.note("issuer", "is not enrolled in the deployment", nearest(issuer, enrolled))
        return None
    return found.jurisdiction


def _spared(naming: tuple[str, ...]) -> RegionSet:
    """The contested places but for those that are named by their codes, as part of no group or larger region."""
    codes = [name for name in naming if name and not regions.is_group(name)]
    try:
        return regions.contested_places() - RegionSet(code for code in codes if regions.contested(code))
    except RegionError:  # a name that is noted as wrong already
        return regions.contested_places()


def _scope(section: Section) -> Scope:
    series, accounts = section.texts("series"), section.texts("accounts")
    if section.get("meetings") == "all":
        for key in ("series", "accounts"):
            if key in section:
                section.note(key, 'adds nothing to `meetings = "all"`: leave out one of them')
        return Scope(everywhere=True)
    if not any(key in section for key in ("meetings", "series", "accounts")):
        section.note_whole('reaches no meeting: write `meetings`, `series` or `accounts`, or `meetings = "all"`')
    return Scope(meetings=_meetings(section), series=series, accounts=accounts)


def _meetings(section: Section) -> tuple[str, ...]:
    ids = section.texts("meetings")
    for index, text in enumerate(ids):
        if text == "all":
            section.note("meetings", "is no id of a meeting: `all` stands alone, without brackets", index=index)
    return ids


def _end(section: Section, start: datetime) -> datetime:
    if "review-by" in section:
        section.note("review-by", 'belongs to `until = "open"`: leave out one of them')
    if isinstance(section.get("until"), str):
        section.note("until", 'is a text: write a time such as `2020-06-05T00:00:00Z` without quotes, or "open"')
        return STAND_IN
    end = section.moment("until") or STAND_IN
    if section.is_sound("from", "until") and end <= start:
        section.note("until", "is not after `from`")
    return end


def _end_of_open(section: Section, start: datetime, reviewed: datetime | None) -> datetime:
    if "review-by" not in section:
        section.note("review-by", "is missing: an open order lapses unless it is reviewed by then")
        return STAND_IN
    end = section.moment("review-by") or STAND_IN
    key, since = ("from", start) if reviewed is None else ("reviewed", reviewed)
    if not section.is_sound("from", "reviewed", "review-by"):
        return end
    if end <= max(start, since):
        section.note("review-by", f"is not after `{key if since >= start else 'from'}`")
    elif end - since > REVIEW:
        section.note("review-by", f"is more than {REVIEW.days} days after `{key}`")
    return end


def _check_reach(section: Section, order: Order) -> None:
    """Whether the order stays within its territory and the jurisdiction, when it begins, and reaches anything."""
    try:
        territory = regions.expand((order.territory,), order.start)
        for index, name in enumerate(order.regions):
            if section.is_sound_item("regions", index) and not regions.expand((name,), order.start) <= territory:
                section.note("regions", f"`{name}` is not inside the territory `{order.territory}`", index=index)
        if order.jurisdiction is not None:
            jurisdiction = regions.expand(order.jurisdiction, order.start)
            if not territory - regions.contested_places() <= jurisdiction:
                allowed = ", ".join(order.jurisdiction)
                section.note("territory", f"`{order.territory}` is not inside the issuer's jurisdiction: {allowed}")
            elif section.is_sound("regions") and not order.places(order.start):
                message = "reaches nowhere: all of it is contested, and the issuer's jurisdiction does not name it"
                section.note("regions", message)
    except RegionError as error:  # a group that is not recorded so far back
        section.note("from", error.message, error.suggestions)


def _rule(section: Section, groups: Groups) -> Rule:
    if section.get("meetings") == "all":
        section.note("meetings", "is for orders: without `meetings` and `series` a rule reaches all of its account")
        meetings: tuple[str, ...] = ()
    else:
        meetings = _meetings(section)
    return Rule(
        id=section.id(),
        account=section.text("account"),
        effect=section.choice("effect", RULE_EFFECTS),
        regions=section.place_names("regions", groups, may_be_own=True),
        meetings=meetings,
        series=section.texts("series"),
        present=section.choice("present", PRESENT, Effect.KEEP),
        reason=section.text("reason", required=False),
    )


def _correction(section: Section) -> Correction:
    if "networks" not in section and "participants" not in section:
        section.note_whole("corrects nothing: write `networks` or `participants`")
    return Correction(
        networks=_networks(section),
        participants=section.texts("participants"),
        region=section.region("region"),
        reason=section.text("reason"),
        author=section.text("author"),
        dated=section.day("date"),
    )


def _exemption(section: Section, groups: Groups) -> Exemption:
    if not any(key in section for key in EXEMPTION_LISTS):
        lists = ", ".join(f"`{key}`" for key in EXEMPTION_LISTS)
        section.note_whole(f"excuses nobody: write at least one of {lists}")
    return Exemption(
        networks=_networks(section),
        participants=section.texts("participants"),
        roles=section.texts("roles"),
        meetings=_meetings(section),
        series=section.texts("series"),
        accounts=section.texts("accounts"),
        regions=section.place_names("regions", groups, may_be_own=True, required=False),
        reason=section.text("reason"),
    )


def _networks(section: Section) -> tuple[Network, ...]:
    """The networks; what is wrong with one is said without its text."""
    found: list[Network] = []
    for index, text in enumerate(section.texts("networks")):
        if not text:
            continue
        try:
            network = ip_network(text, strict=False) if _PREFIX.fullmatch(text) else None
        except ValueError:
            network = None
        if network is None:
            message = "is no network: write an address, `/` and a length, such as `203.0.113.0/24`"
        elif network.network_address != ip_network(text.partition("/")[0]).network_address:
            message = f"has bits beyond its length of {network.prefixlen}: write the first address of the network"
        elif isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            message = "is IPv4 inside IPv6: write the IPv4 network, which holds for both"
        else:
            found.append(network)
            continue
        section.note("networks", message, index=index)
    return tuple(found)


def _defaults(root: Section, needing: list[Section]) -> Defaults | None:
    section = root.section("defaults", ("not-located", *NOT_LOCATED))
    if section is None:
        if needing and root.is_sound("defaults"):
            hint = f"`{needing[0].place}` is allow-only: write what those get whom no table locates"
            root.note("defaults", f'is missing: {hint}, `not-located = "hold"` or admit or deny')
        return None
    common = Effect.HOLD
    if "not-located" in section:
        common = section.choice("not-located", JOIN)
    else:
        section.note("not-located", 'is missing: write `not-located = "hold"` or admit or deny')
    return Defaults(**{status: section.choice(status, JOIN, common) for status in NOT_LOCATED})
