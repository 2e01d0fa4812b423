"""The files of docs/policy.md are sound, and its tables have the keys and defaults of the code."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from regionfast import Policy
from regionfast.cli import main
from regionfast.policy import Deployment, cases, deployment, parse
from regionfast.policy.model import NOT_LOCATED
from regionfast.policy.parse import REVIEW

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policy.md").read_text("utf-8").partition("## Ten worked cases")[0]
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))


def toml(section: str) -> str:
    """The one file of a section."""
    (text,) = re.findall(r"^```toml\n((?:.*\n)*?)```$", SECTIONS[section], re.MULTILINE)
    return str(text)


POLICY, DEPLOYMENT, CASES = toml("The file"), toml("The deployment file"), toml("Cases")


def table(head: str) -> list[tuple[list[str], str, str]]:
    """The rows of the table with a head: keys, type, and what is said of being required."""
    found = re.search(rf"^\| `{re.escape(head)}` \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found is not None, head
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]
    return [(re.findall(r"`([^`]+)`", row[0]), row[1], row[2]) for row in rows]


def test_each_block_is_a_file() -> None:
    assert len(re.findall(r"^```toml", PAGE, re.MULTILINE)) == 3


def test_the_policy_begins_its_section() -> None:
    assert SECTIONS["The file"].lstrip().startswith("```toml")


def test_the_policy_loads_alone_and_with_the_deployment() -> None:
    enrolled = Deployment.from_text(DEPLOYMENT)
    policy = Policy.from_text(POLICY, deployment=enrolled)
    assert (policy.is_advisory, Policy.from_text(POLICY).is_advisory) == (False, True)
    at = datetime(2020, 6, 4, 12, tzinfo=UTC)
    assert [found for found in policy.findings(at) if found.severity == "problem"] == []


def test_the_policy_has_every_kind_of_entry() -> None:
    policy = Policy.from_text(POLICY)
    assert all((policy.orders, policy.rules, policy.corrections, policy.exemptions, policy.defaults, policy.groups))


def test_the_policy_is_that_of_the_story_and_more() -> None:
    story = Policy.load(ROOT / "examples" / "story" / "policy.toml")
    policy = Policy.from_text(POLICY)
    assert (policy.orders, policy.corrections) == (story.orders, story.corrections)


def test_the_cases_come_out_as_the_page_says(tmp_path: Path) -> None:
    for name, text in (("policy", POLICY), ("deployment", DEPLOYMENT), ("cases", CASES)):
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
    files = [str(tmp_path / "policy.toml"), str(tmp_path / "cases.toml")]
    command = ["policy", "test", *files, "--database", str(ROOT / "examples" / "story" / "table.csv")]
    for more in ([], ["--deployment", str(tmp_path / "deployment.toml")]):
        ran = CliRunner().invoke(main, [*command, *more])
        assert (ran.exit_code, "5, 0 failed" in ran.stdout) == (0, True), ran.output


@pytest.mark.parametrize(
    ("head", "keys"),
    [
        ("[[order]]", parse.ORDER_KEYS),
        ("[[rule]]", parse.RULE_KEYS),
        ("[[correction]]", parse.CORRECTION_KEYS),
        ("[[exemption]]", parse.EXEMPTION_KEYS),
        ("[defaults]", ("not-located", *NOT_LOCATED)),
        ("[[issuer]]", ("id", "jurisdiction")),
        ("[[approver]]", ("id", "key", "person")),
        ("[approvals]", ("needed",)),
        ("[limits]", ("people", "share", "max-table-age")),
        ("[audit]", ("directory", "keys", "checkpoint-key")),
        ("[operator]", ("contact",)),
        ("[[case]]", cases.KEYS),
    ],
)
def test_tables_have_all_keys(head: str, keys: tuple[str, ...]) -> None:
    assert sorted(key for row, _, _ in table(head) for key in row) == sorted(keys)


def test_all_sections_have_a_table() -> None:
    heads = set(re.findall(r"^\| `\[+([a-z]+)\]+` \|", PAGE, re.MULTILINE))
    assert heads == {*parse.SECTIONS, *deployment.SECTIONS, "case"} - {"version"}


def without(text: str, head: str, key: str) -> str:
    """A file without one key of the first section with a head."""
    before, found, after = text.partition(f"{head}\n")
    assert found, head
    section, end, rest = after.partition("\n\n")
    section, count = re.subn(rf"^{key} = .*$", "", section, flags=re.MULTILINE)
    assert count == 1, (head, key)
    return before + found + section + end + rest


REQUIRED = [
    (head, key, text)
    for text, heads in (
        (POLICY, ("[[order]]", "[[rule]]", "[[correction]]", "[[exemption]]", "[defaults]")),
        (DEPLOYMENT, ("[[issuer]]", "[[approver]]", "[audit]", "[operator]")),
        (CASES, ("[[case]]",)),
    )
    for head in heads
    for keys, _, required in table(head)
    for key in keys
    if required == "yes"
]


@pytest.mark.parametrize(("head", "key", "text"), REQUIRED, ids=lambda value: value if len(value) < 40 else "")
def test_required_keys_are_missed(head: str, key: str, text: str) -> None:
    policy = Policy.from_text(POLICY)

    def read(changed: str) -> object:
        if text is POLICY:
            return Policy.from_text(changed)
        return Deployment.from_text(changed) if text is DEPLOYMENT else cases.read_cases(changed, policy=policy)

    read(text)
    with pytest.raises(ValueError, match=rf"{key}: is missing"):
        read(without(text, head, key))


def test_optional_keys_may_be_left_out() -> None:
    optional = {("[[order]]", key) for key in ("reference", "law", "contest")}
    optional |= {("[[rule]]", key) for key in ("meetings", "present", "reason")} | {("[[correction]]", "region")}
    for head, key in optional:
        assert any(key in keys and required.startswith("no") for keys, _, required in table(head)), key
        Policy.from_text(without(POLICY, head, key))


def test_defaults_are_those_of_the_code() -> None:
    bare = Deployment.from_text("")
    limits = bare.limits
    said = {key: required for head in ("[approvals]", "[limits]") for (key,), _, required in table(head)}
    assert said == {
        "needed": f"no; {bare.approvals_needed}",
        "people": f"no; {limits.people}",
        "share": f"no; {limits.share}",
        "max-table-age": f'no; `"{limits.max_table_age.days}d"`',
    }
    assert (bare.issuers, bare.approvers, bare.audit) == ((), (), None)
    assert f"at most {REVIEW.days} days after `reviewed`" in PAGE
    assert f"less than {deployment.FEWEST_APPROVALS} is refused" in PAGE


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
