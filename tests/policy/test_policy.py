"""A policy as a value: its revision, its repr, its entries, and what it needs to be used."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import weakref
from dataclasses import FrozenInstanceError
from hashlib import sha256
from pathlib import Path

import pytest

from regionfast.errors import PolicyError, Problem
from regionfast.policy import Deployment, Issuer, Policy
from regionfast.types import Effect

EXAMPLE = """
version = 1
[groups]
office = ["US", "DE"]
[[order]]
id = "o"
issuer = "i"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["1", "2"]
from = 2020-06-03T00:00:00Z
until = 2020-06-05T00:00:00Z
join = "deny"
present = "eject"
[[rule]]
id = "r"
account = "acme"
effect = "allow-only"
regions = ["office", "HK"]
[[rule]]
id = "s"
account = "acme"
effect = "hold"
regions = ["FR"]
[[correction]]
networks = ["203.0.113.0/24"]
participants = ["u-1"]
reason = "x"
author = "ops"
date = 2020-06-02
[[exemption]]
participants = ["u-17"]
networks = ["198.51.100.0/24"]
reason = "x"
[defaults]
not-located = "hold"
"""

CANONICAL = (
    '{"corrections":[{"author":"ops","dated":"2020-06-02","networks":["203.0.113.0/24"],"participants":["u-1"],'
    '"reason":"x","region":null}],"defaults":{"conflict":"hold","invalid":"hold","missing":"hold","private":"hold",'
    '"relay":"hold","reserved":"hold","unknown":"hold"},"exemptions":[{"accounts":[],"meetings":[],'
    '"networks":["198.51.100.0/24"],"participants":["u-17"],"reason":"x","regions":[],"roles":[],"series":[]}],'
    '"groups":{"office":["DE","US"]},"orders":[{"author":null,"contest":"","end":"2020-06-05T00:00:00Z",'
    '"exemptions":false,"id":"o","is_open":false,"issuer":"i","join":"deny","jurisdiction":null,"law":"",'
    '"present":"eject","reference":"","regions":["CN"],"reviewed":null,"scope":{"accounts":[],"everywhere":false,'
    '"meetings":["1","2"],"series":[]},"start":"2020-06-03T00:00:00Z","state":"active","territory":"CN"}],'
    '"rules":[{"account":"acme","effect":"allow-only","id":"r","meetings":[],"present":"keep","reason":"",'
    '"regions":["HK","office"],"series":[]},{"account":"acme","effect":"hold","id":"s","meetings":[],'
    '"present":"keep","reason":"","regions":["FR"],"series":[]}],"version":1}'
)


def revision(*changes: tuple[str, str]) -> str:
    """The revision of the example with some texts replaced."""
    toml = EXAMPLE
    for old, new in changes:
        assert old in toml
        toml = toml.replace(old, new, 1)
    return Policy.from_text(toml).revision


def test_the_revision_is_the_digest_of_the_documented_form() -> None:
    assert revision() == sha256(CANONICAL.encode("ascii")).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        [("version = 1", "# a comment\nversion = 1 # another")],
        [('id = "o"\nissuer = "i"', 'issuer = "i"\n  id = "o"\n')],
        [('meetings = ["1", "2"]', 'meetings = [\n  "2",\n  "1", "1",\n]')],
        [('regions = ["office", "HK"]', 'regions = ["CN-HK", "office"]')],
        [('office = ["US", "DE"]', 'office = ["DE", "US"]')],
        [("from = 2020-06-03T00:00:00Z", "from = 2020-06-03 08:00:00+08:00")],
        [('present = "eject"', 'present = "eject"\nexemptions = false')],
        [("not-located", 'private = "hold"\nnot-located')],
        [('id = "o"', "id = 'o'"), ('reason = "x"', 'reason = "\\u0078"')],
        [("[groups]", ""), ('office = ["US", "DE"]', ""), ("[defaults]", '[groups]\noffice=["US","DE"]\n[defaults]')],
    ],
)
def test_the_form_of_the_file_does_not_matter(changes: list[tuple[str, str]]) -> None:
    assert revision(*changes) == revision()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "o"', 'id = "p"'),
        ('issuer = "i"', 'issuer = "j"'),
        ('state = "active"', 'state = "ended"'),
        ('join = "deny"', 'join = "hold"'),
        ("until = 2020-06-05T00:00:00Z", "until = 2020-06-05T00:00:01Z"),
        ('meetings = ["1", "2"]', 'meetings = ["1"]'),
        ('meetings = ["1", "2"]', 'meetings = "all"'),
        ('meetings = ["1", "2"]', 'meetings = ["1", "2"]\nreference = "x"'),
        ('account = "acme"', 'account = "other"'),
        ('networks = ["203.0.113.0/24"]', 'networks = ["203.0.113.0/25"]'),
        ("date = 2020-06-02", "date = 2020-06-03"),
        ("date = 2020-06-02", 'date = 2020-06-02\nregion = "HK"'),
        ('not-located = "hold"', 'not-located = "hold"\nrelay = "deny"'),
        ('office = ["US", "DE"]', 'office = ["US"]'),
        (
            '[[rule]]\nid = "r"\naccount = "acme"\neffect = "allow-only"\nregions = ["office", "HK"]\n',
            "",
        ),
    ],
)
def test_what_decides_matters(old: str, new: str) -> None:
    assert revision((old, new)) != revision()


def test_the_order_of_entries_matters() -> None:
    one, two = EXAMPLE.split("[[rule]]")[1:3]
    two, rest = two.split("[[correction]]")
    swapped = EXAMPLE.split("[[rule]]", maxsplit=1)[0] + "[[rule]]" + two + "[[rule]]" + one + "[[correction]]" + rest
    assert [rule.id for rule in Policy.from_text(swapped).rules] == ["s", "r"]
    assert Policy.from_text(swapped).revision != revision()


def test_a_jurisdiction_matters() -> None:
    narrow, wide = (
        Policy.from_text(EXAMPLE, deployment=Deployment(issuers=(Issuer(id="i", jurisdiction=places),)))
        for places in [("CN",), ("CN", "HK")]
    )
    assert len({narrow.revision, wide.revision, revision()}) == 3


def test_it_copies_and_travels() -> None:
    policy = Policy.from_text(EXAMPLE, deployment=Deployment(issuers=(Issuer(id="i", jurisdiction=("CN",)),)))
    for twin in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy), copy.copy(policy)):  # noqa: S301
        assert twin == policy
        assert hash(twin) == hash(policy)
        assert twin.revision == policy.revision
        assert (twin.orders, twin.rules, twin.groups) == (policy.orders, policy.rules, policy.groups)
        assert twin.deployment == policy.deployment


def test_equal_are_those_with_one_revision_and_one_deployment() -> None:
    assert Policy.from_text(EXAMPLE) == Policy.from_text(f"# x\n{EXAMPLE}")
    assert Policy.from_text(EXAMPLE) != Policy.from_text("version = 1")
    assert Policy.from_text("version = 1") != Policy.from_text("version = 1", deployment=Deployment())
    assert Policy.from_text(EXAMPLE) != revision()
    assert weakref.ref(policy := Policy.from_text(EXAMPLE))() is policy


def test_it_does_not_change() -> None:
    policy = Policy.from_text(EXAMPLE)
    with pytest.raises(FrozenInstanceError):
        policy.orders = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        policy.groups["office"] = ("CN",)  # type: ignore[index]


def test_repr_is_short_and_names_nobody() -> None:
    policy = Policy.from_text(EXAMPLE)
    assert repr(policy) == f"<Policy of 1 order, 2 rules, revision {policy.revision[:4]}…>"
    assert repr(Policy.from_text("version = 1")).startswith("<Policy of 0 orders, 0 rules, revision ")
    shown = repr((policy.corrections, policy.exemptions))
    for secret in ("203.0.113", "198.51.100", "u-1", "u-17"):
        assert secret not in shown


def test_entries_by_id() -> None:
    policy = Policy.from_text(EXAMPLE)
    assert [entry.id for entry in policy.entries] == ["o", "r", "s"]
    assert policy.entry("o") is policy.orders[0]
    assert policy.entry("s") is policy.rules[1]
    assert policy.orders[0].present is Effect.EJECT
    with pytest.raises(PolicyError) as raised:
        policy.entry("t")
    assert raised.value.problems == (Problem("", "`t` is the id of no order and of no rule"),)
    longer = Policy.from_text(EXAMPLE.replace('"r"', '"staff-meeting"'))
    with pytest.raises(
        PolicyError, match="`staff_meting` is the id of no order and of no rule: did you mean `staff-meeti"
    ):
        longer.entry("staff_meting")
    with pytest.raises(PolicyError, match="^this text is the id of no order and of no rule$"):
        policy.entry("203.0.113.7")


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.replace("\n", "\r\n").encode())
    assert Policy.load(path) == Policy.load(str(path)) == Policy.from_text(EXAMPLE)
    path.write_bytes(b"version = 1 # \xff")
    with pytest.raises(PolicyError) as raised:
        Policy.load(path)
    assert str(raised.value) == f"{path}: is not UTF-8: see byte 14"
    path.write_text("version = 3", encoding="utf-8")
    with pytest.raises(PolicyError) as raised:
        Policy.load(path)
    assert str(raised.value) == f"{path}: version: is not known: this release reads `version = 1`"
    for missing in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(PolicyError, match="cannot be read"):
            Policy.load(missing)


def test_it_needs_no_extension() -> None:
    # The package itself imports the extension, so an empty one stands there: whoever uses it finds nothing.
    program = f"""
import sys
from types import ModuleType

class Nothing(ModuleType):
    def __getattr__(self, name):
        if name == "__version__" or name[0].isupper() or name == "open_table":
            return Unusable
        raise AttributeError(name)

class Unusable:
    def __init__(self, *values):
        raise AssertionError("the extension was used")

sys.modules["regionfast._lib"] = Nothing("regionfast._lib")
from regionfast.policy import Policy
from regionfast.policy.tells import untold
from datetime import UTC, datetime

policy = Policy.from_text({EXAMPLE!r})
assert policy.revision == {revision()!r}
at = datetime(2020, 6, 4, tzinfo=UTC)
assert str(policy.orders[0].places(at)) == "CN"
assert not untold(policy.orders[0], at, ())
policy.findings(at)
print("done")
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("done\n", "")
