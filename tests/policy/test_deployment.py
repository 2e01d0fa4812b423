"""The operator's file, and what it does to a policy's orders."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from regionfast.errors import DeploymentError, PolicyError, Problem
from regionfast.policy import Approver, Audit, Deployment, Issuer, Limits, Policy
from regionfast.regions import RegionSet, contested_places

ONE, TWO, THREE, FOUR = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3, 4))

EXAMPLE = f"""
version = 1

[[issuer]]
id = "cn-authority"
jurisdiction = "CN"

[[issuer]]
id = "eu-authority"
jurisdiction = ["EU", "CN-HK"]

[approvals]
needed = 3

[[approver]]
id = "ops-1"
key = "{ONE}"
person = "first"

[[approver]]
id = "ops-2"
key = "{TWO}"
person = "second"

[[approver]]
id = "ops-3"
key = "{THREE}"
person = "third"

[limits]
people = 20
share = 0.5
max-table-age = "7d"

[audit]
directory = "audit"
keys = "keys"
checkpoint-key = "{FOUR}"

[operator]
contact = "https://meetings.example/blocking"
"""


def approver(name: str, key: str, person: str) -> str:
    """A table of the file."""
    return f'[[approver]]\nid = "{name}"\nkey = "{key}"\nperson = "{person}"\n'


def problems(toml: str) -> tuple[Problem, ...]:
    """All that is wrong with it."""
    with pytest.raises(DeploymentError) as raised:
        Deployment.from_text(toml)
    return raised.value.problems


def test_every_line_arrives() -> None:
    deployment = Deployment.from_text(EXAMPLE)
    assert deployment == Deployment(
        issuers=(
            Issuer(id="cn-authority", jurisdiction=("CN",)),
            Issuer(id="eu-authority", jurisdiction=("EU", "HK")),
        ),
        approvers=(
            Approver(id="ops-1", key=b"\1" * 32, person="first"),
            Approver(id="ops-2", key=b"\2" * 32, person="second"),
            Approver(id="ops-3", key=b"\3" * 32, person="third"),
        ),
        approvals_needed=3,
        limits=Limits(people=20, share=0.5, max_table_age=timedelta(days=7)),
        audit=Audit(directory="audit", keys="keys", checkpoint_key=b"\4" * 32),
        contact="https://meetings.example/blocking",
    )
    assert deployment.issuer("eu-authority") is deployment.issuers[1]
    assert deployment.issuer("nobody") is None


def test_what_is_not_said_is_safe() -> None:
    empty = Deployment.from_text("")
    assert empty == Deployment()
    assert (empty.issuers, empty.approvers, empty.audit, empty.contact) == ((), (), None, "")
    assert empty.approvals_needed == 2
    assert empty.limits == Limits(people=100, share=0.25, max_table_age=timedelta(days=30))
    assert Deployment.from_text("[limits]\nshare = 1").limits == Limits(share=1.0)


def test_keys_lie_beside_the_chains_where_nothing_else_is_said() -> None:
    audit = Deployment.from_text('[audit]\ndirectory = "log"').audit
    assert audit is not None
    assert Path(audit.keys) == Path("log", "keys")
    assert audit.checkpoint_key is None


def test_keys_of_one_person_count_once() -> None:
    two_keys = approver("a", ONE, "one") + approver("b", TWO, "one")
    assert problems(two_keys) == (Problem("approver", "enrolls 1 of the 2 persons that approving needs"),)
    assert Deployment.from_text(two_keys + approver("c", THREE, "other")).persons == 2


WRONG = {
    "an issuer without id": ('[[issuer]]\njurisdiction = "CN"', "issuer[0].id", "is missing", ()),
    "an issuer without jurisdiction": ('[[issuer]]\nid = "a"', "issuer[0].jurisdiction", "is missing", ()),
    "a jurisdiction of nothing": (
        '[[issuer]]\nid = "a"\njurisdiction = []',
        "issuer[0].jurisdiction", "is an empty list: name at least one", (),
    ),
    "a jurisdiction by name": (
        '[[issuer]]\nid = "a"\njurisdiction = "China"',
        "issuer[0].jurisdiction", "`China` is no region code of ISO 3166", ("CN",),
    ),
    "a jurisdiction by names": (
        '[[issuer]]\nid = "a"\njurisdiction = ["CN", "UK"]',
        "issuer[0].jurisdiction[1]", "`UK` is no region code of ISO 3166", ("GB",),
    ),
    "an issuer twice": (
        '[[issuer]]\nid = "a"\njurisdiction = "CN"\n[[issuer]]\nid = "a"\njurisdiction = "HK"',
        "issuer[1].id", "is the same as that of `issuer[0]`", (),
    ),
    "one approval": ("[approvals]\nneeded = 1", "approvals.needed", "is less than 2", ()),
    "approvals in words": ('[approvals]\nneeded = "2"', "approvals.needed", "is a text, not a whole number", ()),
    "true approvals": ("[approvals]\nneeded = true", "approvals.needed", "is true or false, not a whole number", ()),
    "half an approval": ("[approvals]\nneeded = 2.5", "approvals.needed", "is not whole", ()),
    "a key twice": (
        approver("a", ONE, "one") + approver("b", TWO, "two") + approver("c", ONE, "three"),
        "approver[2].key", "is the same as that of `approver[0]`", (),
    ),
    "an approver twice": (
        approver("a", ONE, "one") + approver("a", TWO, "two"),
        "approver[1].id", "is the same as that of `approver[0]`", (),
    ),
    **{
        f"no key: {key[:8]} of {len(key)}": (
            approver("a", key, "one") + approver("b", TWO, "two"),
            "approver[0].key", "is no Ed25519 public key: write its 32 bytes in base64, 44 characters", (),
        )
        for key in (
            "ops", ONE[:-4], ONE + ONE, "é" * 44, base64.b64encode(b"\xff" * 33).decode(),
            ONE[:-2] + "F=",  # the same bytes in another spelling
            base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        )
    },
    "nobody's limit": ("[limits]\npeople = 0", "limits.people", "is less than 1", ()),
    **{
        f"a share of {share}": (
            f"[limits]\nshare = {share}",
            "limits.share", "is no number above 0 and at most 1: write 0.25 for a quarter of a meeting", (),
        )
        for share in ("0", "1.01", "-0.5", "nan", "inf", "true", '"25 %"')
    },
    **{
        f"an age of {age}": (
            f'[limits]\nmax-table-age = "{age}"',
            "limits.max-table-age", 'is no number of days, 1 to 9999: write "30d"', (),
        )
        for age in ("0d", "30", "30 d", "1w", "d", "-1d", "10000d", "٣d")
    },
    "an age as a number": (
        "[limits]\nmax-table-age = 30",
        "limits.max-table-age", "is a number, not a text: write it in quotes", (),
    ),
    "an unknown key": ("[limits]\npersons = 3", "limits.persons", "is no key that may stand here", ()),
    "a key with another spelling": (
        '[limits]\nmax_table_age = "3d"',
        "limits.max_table_age", "is no key that may stand here", ("max-table-age",),
    ),
    "an unknown section": ("[[issuers]]", "issuers", "is no key that may stand here", ("issuer",)),
    "a checkpoint by no key": (
        '[audit]\ndirectory = "log"\ncheckpoint-key = "mine"',
        "audit.checkpoint-key", "is no Ed25519 public key: write its 32 bytes in base64, 44 characters", (),
    ),
    **{
        f"a contact of {kind}": (
            f"[operator]\ncontact = {contact}",
            "operator.contact",
            'is no address of a page: write one such as "https://meetings.example/blocking"', (),
        )
        for kind, contact in {
            "words": '"call us"', "another scheme": '"javascript:alert(1)"',
            "a header": '"https://a.example/\\r\\nSet-Cookie: a=b"', "a link": '"https://a.example/>; rel=next"',
        }.items()
    },
    "an audit nowhere": ("[audit]", "audit.directory", "is missing", ()),
    "another version": ("version = 2", "version", "is not known: this release reads `version = 1`", ()),
}  # fmt: skip


@pytest.mark.parametrize(("toml", "place", "message", "suggestions"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_with_its_place(
    toml: str, place: str, message: str, suggestions: tuple[str, ...]
) -> None:
    assert problems(toml) == (Problem(place, message, suggestions),)


def test_all_problems_at_once() -> None:
    found = problems('[limits]\npeople = 0\nshare = 2\n[[issuer]]\njurisdiction = "cn"')
    assert [problem.place for problem in found] == [
        "limits.people", "limits.share", "issuer[0].jurisdiction", "issuer[0].id"
    ]  # fmt: skip


def test_nobody_and_no_key_is_shown() -> None:
    shown = repr(Deployment.from_text(EXAMPLE)) + repr(Deployment.from_text(EXAMPLE).approvers)
    assert "<Deployment of 2 issuers, 3 approvers>" in shown
    assert "first" not in shown
    assert "\\x01" not in shown


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "deployment.toml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.replace("\n", "\r\n").encode())
    assert Deployment.load(path) == Deployment.from_text(EXAMPLE)
    with pytest.raises(DeploymentError) as raised:
        Deployment.load(tmp_path / "none.toml")
    assert str(raised.value) == f"{tmp_path / 'none.toml'}: cannot be read: No such file or directory"


# What a deployment says of a policy.


def order(issuer: str, territory: str, regions: list[str], begins: str = "2020-06-03T00:00:00Z") -> str:
    """A policy of one order."""
    return f"""
        version = 1
        [[order]]
        id = "o"
        issuer = "{issuer}"
        state = "active"
        territory = "{territory}"
        regions = {regions}
        meetings = "all"
        from = {begins}
        until = 2100-01-01T00:00:00Z
        join = "deny"
        present = "eject"
    """


def issuer(*jurisdiction: str) -> Deployment:
    """A deployment of one issuer."""
    return Deployment(issuers=(Issuer(id="a", jurisdiction=jurisdiction),))


AT = datetime(2020, 6, 3, tzinfo=UTC)


def test_an_enrolled_issuer_makes_a_policy_more_than_advice() -> None:
    deployment = Deployment.from_text(EXAMPLE)
    policy = Policy.from_text(order("cn-authority", "CN", ["CN"]), deployment=deployment)
    assert not policy.is_advisory
    assert policy.deployment is deployment
    assert policy.orders[0].jurisdiction == ("CN",)
    assert Policy.from_text(order("cn-authority", "CN", ["CN"])).orders[0].jurisdiction is None


@pytest.mark.parametrize(
    ("jurisdiction", "toml", "place", "message", "suggestions"),
    [
        (("CN",), order("b-authority", "CN", ["CN"]), "issuer", "is not enrolled in the deployment", ()),
        (("CN",), order("A", "CN", ["CN"]), "issuer", "is not enrolled in the deployment", ("a",)),
        (("CN",), order("a", "US", ["US"]), "territory", "`US` is not inside the issuer's jurisdiction: CN", ()),
        (("CN",), order("a", "HK", ["HK"]), "territory", "`HK` is not inside the issuer's jurisdiction: CN", ()),
        (("US-CA",), order("a", "US", ["US-CA"]), "territory",
         "`US` is not inside the issuer's jurisdiction: US-CA", ()),
        (("DE", "FR"), order("a", "EU", ["DE"]), "territory",
         "`EU` is not inside the issuer's jurisdiction: DE, FR", ()),
        (("EU",), order("a", "GB", ["GB"]), "territory", "`GB` is not inside the issuer's jurisdiction: EU", ()),
        (("CN",), order("a", "TW", ["TW"]), "regions",
         "reaches nowhere: all of it is contested, and the issuer's jurisdiction does not name it", ()),
        (("UA",), order("a", "UA", ["UA-43"]), "regions",
         "reaches nowhere: all of it is contested, and the issuer's jurisdiction does not name it", ()),
        (("RU",), order("a", "UA-43", ["UA-43"]), "regions",
         "reaches nowhere: all of it is contested, and the issuer's jurisdiction does not name it", ()),
        (("EU",), order("a", "FR", ["FR"], "1950-01-01T00:00:00Z"), "from",
         "group `EU` is recorded from 1957-12-31T23:00:00Z on", ()),
    ],
)  # fmt: skip
def test_who_may_not_demand_it(
    jurisdiction: tuple[str, ...], toml: str, place: str, message: str, suggestions: tuple[str, ...]
) -> None:
    with pytest.raises(PolicyError) as raised:
        Policy.from_text(toml, deployment=issuer(*jurisdiction))
    assert raised.value.problems == (Problem(f"order[0].{place}", message, suggestions),)
    Policy.from_text(toml)  # without a deployment nobody knows


def test_contested_places_belong_to_whom_the_deployment_says() -> None:
    plain = Policy.from_text(order("a", "UA", ["UA", "UA-43"]), deployment=issuer("UA")).orders[0]
    assert plain.spared == contested_places()
    assert "UA-30" in plain.places(AT)
    assert "UA-43" not in plain.places(AT)
    named = Policy.from_text(order("a", "UA", ["UA"]), deployment=issuer("UA", "UA-43")).orders[0]
    assert named.spared == contested_places() - RegionSet(["UA-43"])
    assert "UA-43" in named.places(AT)
    assert "UA-40" not in named.places(AT)
    taiwan = Policy.from_text(order("a", "TW", ["TW"]), deployment=issuer("TW")).orders[0]
    assert taiwan.places(AT) == RegionSet(["TW"])


def test_a_country_whole_with_what_is_contested_may_be_the_territory() -> None:
    policy = Policy.from_text(order("a", "IN", ["IN"]), deployment=issuer("IN"))
    assert str(policy.orders[0].places(AT)) == "IN without IN-JK, IN-LA"


def test_a_jurisdiction_shrinks_with_its_group() -> None:
    toml = order("a", "GB", ["GB"], "2020-01-01T00:00:00Z")
    policy = Policy.from_text(toml, deployment=issuer("EU"))
    assert "GB" in policy.orders[0].places(datetime(2020, 1, 15, tzinfo=UTC))
    assert not policy.orders[0].places(AT)


def test_a_deployment_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "deployment.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    own = tmp_path / "policy.toml"
    own.write_text(order("cn-authority", "CN", ["CN"]), encoding="utf-8")
    for given in (path, str(path), Deployment.load(path)):
        assert Policy.load(own, deployment=given).orders[0].jurisdiction == ("CN",)
        assert Policy.from_text(own.read_text("utf-8"), deployment=given).orders[0].jurisdiction == ("CN",)
    path.write_text("x", encoding="utf-8")
    with pytest.raises(DeploymentError, match=str(path)):
        Policy.load(own, deployment=path)
