"""`regionfast policy`: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from cli import calls
from regionfast.errors import PlanRefused

POLICY = """
version = 1
[[order]]
id = "cn-1"
issuer = "cn-authority"
reference = "r"
law = "l"
contest = "c"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["m"]
from = 2020-06-03T00:00:00Z
until = 2020-06-30T00:00:00Z
join = "deny"
present = "eject"
[[rule]]
id = "staff"
account = "acme"
effect = "allow-only"
regions = ["US"]
[[correction]]
participants = ["u-1"]
reason = "x"
author = "ops"
date = 2020-06-01
[defaults]
not-located = "hold"
"""
DEPLOYMENT = '[[issuer]]\nid = "cn-authority"\njurisdiction = "CN"\n'
CASE = 'at = 2020-06-04T00:00:00Z\nmeeting = "m"\naccount = "z"\n'
CASES = f"""
[[case]]
name = "from China"
{CASE}
address = "1.0.0.1"
effect = "deny"
cause = "cn-1"
reason = "inside"
[[case]]
name = "from China and the United States"
{CASE}
addresses = ["1.0.0.1", "1.1.0.1"]
effect = "admit"
reason = "conflict"
[[case]]
name = "corrected"
{CASE}
address = "1.0.0.1"
participant = "u-1"
effect = "admit"
reason = "corrected"
[[case]]
name = "later"
at = 2020-07-01T00:00:00Z
meeting = "m"
account = ""
address = "1.0.0.1"
effect = "admit"
reason = "untouched"
[[case]]
name = "staff"
at = 2020-06-04T00:00:00Z
meeting = "n"
account = "acme"
role = "host"
series = "weekly"
address = "1.1.0.1"
effect = "admit"
[[case]]
name = "staff without an address"
at = 2020-06-04T00:00:00Z
meeting = "n"
account = "acme"
effect = "hold"
cause = "staff"
reason = "missing"
[[case]]
name = "staff with no address"
at = 2020-06-04T00:00:00Z
meeting = "n"
account = "acme"
address = "somewhere"
effect = "hold"
reason = "invalid"
"""
WEEKLY = """
[[rule]]
id = "weekly"
account = "acme"
effect = "deny"
regions = ["CN"]
series = ["s"]
[[rule]]
id = "a"
account = "acme"
effect = "deny"
regions = ["CN"]
[[rule]]
id = "b"
account = "acme"
effect = "deny"
regions = ["CN"]
[[exemption]]
roles = ["interpreter"]
reason = "interprets"
"""
"""What may stand below the policy: of a series, and of a role."""
ADDRESSES = ("1.0.0.1", "1.1.0.1")


def run(*words: object, stdin: str | bytes | None = None) -> Result:
    """Run in this process."""
    return calls.run("policy", *words, stdin=stdin)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The policy above."""
    return written(tmp_path / "policy.toml", POLICY)


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """Its deployment."""
    return written(tmp_path / "deployment.toml", DEPLOYMENT)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A small database."""
    return written(tmp_path / "small.csv", "1.0.0.0/16,CN\n1.1.0.0/16,US\n1.2.0.0/16,UA\n")


def written(path: Path, text: str) -> Path:
    """A file of some text."""
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sound_policy(policy: Path, deployment: Path, database: Path) -> None:
    found = run(
        "check", policy, "--deployment", deployment, "--database", database, "--at", "2020-06-04T00:00:00Z", "--quiet"
    )
    assert (found.exit_code, found.stderr) == (0, "")
    lines = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
    assert lines[:2] == [["policy", str(policy)], ["sound", "yes"]]
    assert [name for name, _ in lines] == [
        *("policy", "sound", "revision", "orders", "rules", "corrections", "exemptions", "table")
    ]
    assert lines[3][1] == "1, 1 in force at 2020-06-04T00:00:00Z"


def test_warnings_are_listed_and_change_no_exit_code(policy: Path) -> None:
    found = run("check", policy, "--at", "2020-06-20T08:00:00+08:00")
    assert found.exit_code == 0
    assert "in force at 2020-06-20T00:00:00Z" in found.stdout
    assert found.stdout.splitlines()[-2:] == [
        "note         no deployment: nobody has checked the issuers, so what is decided is advisory",
        "warning      order[0] (`cn-1`).until: is near: the order ends in 10 days, at 2020-06-30T00:00:00Z",
    ]


def test_all_that_is_wrong_is_an_error_a_line(tmp_path: Path) -> None:
    path = written(tmp_path / "wrong.toml", '[[rule]]\nid = "r"\nregions = ["China"]\neffect = "deny"\n')
    found = run("check", path)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.splitlines() == [
        f"Error: {path}: rule[0] (`r`).regions[0]: `China` is no region code of ISO 3166: did you mean `CN`?",
        f"Error: {path}: rule[0] (`r`).account: is missing",
        f"Error: {path}: version: is missing: write `version = 1`",
    ]
    as_json = run("check", path, "--json")
    assert (as_json.exit_code, as_json.stderr) == (2, found.stderr)
    assert json.loads(as_json.stdout) == {
        "sound": False,
        "findings": [
            {
                "severity": "problem",
                "place": "rule[0].regions[0]",
                "message": "`China` is no region code of ISO 3166",
                "suggestions": ["CN"],
                "entry": "r",
            },
            {
                "severity": "problem",
                "place": "rule[0].account",
                "message": "is missing",
                "suggestions": [],
                "entry": "r",
            },
            {
                "severity": "problem",
                "place": "version",
                "message": "is missing: write `version = 1`",
                "suggestions": [],
                "entry": None,
            },
        ],
    }


def test_an_issuer_who_may_not_demand_it(policy: Path, tmp_path: Path) -> None:
    deployment = written(tmp_path / "d.toml", DEPLOYMENT.replace('"CN"', '"US"'))
    found = run("check", policy, "--deployment", deployment)
    assert found.exit_code == 2
    assert "order[0] (`cn-1`).territory: `CN` is not inside the issuer's jurisdiction: US" in found.stderr
    written(deployment, "x = 1")
    found = run("check", policy, "--deployment", deployment)
    assert (found.exit_code, found.stderr) == (2, f"Error: {deployment}: x: is no key that may stand here\n")


def test_what_the_table_cannot_tell_is_a_policy_error(tmp_path: Path, database: Path) -> None:
    crimea = POLICY.replace('territory = "CN"\nregions = ["CN"]', 'territory = "UA"\nregions = ["UA-43"]')
    path = written(tmp_path / "crimea.toml", crimea)
    found = run("check", path, "--database", database, "--at", "2020-06-04T00:00:00Z")
    assert found.exit_code == 2
    assert found.stderr.splitlines()[-1] == (
        f"Error: {path}: order[0] (`cn-1`).regions[0]: the table cannot tell `UA-43`, it knows only `UA`: "
        "take a database of subdivisions and open it with level `subdivision`"
    )
    assert "sound        no" in found.stdout
    finer = written(tmp_path / "finer.csv", "1.0.0.0/16,UA-43\n")
    assert run("check", path, "--database", finer, "--level", "subdivision").exit_code == 0


def test_check_as_json(policy: Path, deployment: Path, database: Path) -> None:
    words = ["--deployment", deployment, "--database", database, "--at", "2020-06-20T00:00:00Z", "--json"]
    found = json.loads(run("check", policy, *words).stdout)
    assert found["sound"] is True
    assert found["advisory"] is False
    assert len(found["revision"]) == 64
    assert (found["orders"], found["in_force"], found["rules"]) == (1, ["cn-1"], 1)
    assert (found["corrections"], found["exemptions"]) == (1, 0)
    assert found["at"] == "2020-06-20T00:00:00Z"
    assert found["table"]["region_count"] == 3
    assert found["findings"] == [
        {
            "severity": "warning",
            "place": "order[0].until",
            "message": "is near: the order ends in 10 days, at 2020-06-30T00:00:00Z",
            "entry": "cn-1",
        }
    ]


def test_a_policy_from_stdin(database: Path, tmp_path: Path) -> None:
    assert run("check", "-", stdin="\ufeff" + POLICY).exit_code == 0
    assert run("check", "-", stdin="version = 2").stderr == (
        "Error: stdin: version: is not known: this release reads `version = 1`\n"
    )
    assert run("check", "-", stdin=b"\xff").exit_code == 2
    cases = written(tmp_path / "cases.toml", CASES)
    assert run("test", "-", cases, "--database", database, stdin=POLICY).exit_code == 0
    both = run("test", "-", "-", stdin="")
    assert (both.exit_code, "`-` can be given once" in both.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["check"], 2, "Missing argument 'FILE'"),
        (["check", "nowhere.toml"], 2, "Error: nowhere.toml: cannot be read: No such file or directory"),
        (["check", "-", "--deployment", "nowhere.toml"], 2, "Error: nowhere.toml: cannot be read"),
        (["check", "-", "--at", "today"], 2, "write a time such as 2020-06-04T00:00:00Z"),
        (["check", "-", "--at", "2020-06-04T00:00:00"], 2, "has no offset from UTC"),
        (["check", "-", "--at", "0001-01-01T00:00:00+08:00"], 2, "write a time such as"),
        (["check", "-", "--database", "nowhere.mmdb"], 4, "nowhere.mmdb"),
        (["test", "-", "nowhere.toml"], 2, "Error: nowhere.toml: cannot be read"),
        (["test", "-"], 2, "Missing argument 'CASES'"),
    ],
)
def test_exit_codes(words: list[str], code: int, said: str) -> None:
    found = run(*words, stdin=POLICY)
    assert found.exit_code == code
    assert said in found.stderr


def test_cases_as_expected(policy: Path, database: Path, tmp_path: Path) -> None:
    found = run("test", policy, written(tmp_path / "cases.toml", CASES), "--database", database)
    assert (found.exit_code, found.stdout) == (0, "cases  7, 0 failed\n")
    # Each once, however many cases say it.
    advice = [line for line in found.stderr.splitlines() if "advisory" in line]
    assert len(advice) == 1
    assert run("test", policy, tmp_path / "cases.toml", "--database", database, "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("old", "new", "name", "said"),
    [
        ('effect = "deny"\ncause = "cn-1"', 'effect = "hold"', "from China", "effect is deny, not hold"),
        ('cause = "cn-1"', 'cause = "staff"', "from China", "cause is cn-1, not staff"),
        ('"conflict"', '"elsewhere"', "from China and the United States", "reason is conflict, not elsewhere"),
        ('participant = "u-1"', 'participant = "u-2"', "corrected",
         "effect is deny, not admit, reason is inside, not corrected"),
        ("2020-07-01", "2020-06-29", "later", "effect is deny, not admit, reason is inside, not untouched"),
        ('address = "somewhere"', "", "staff with no address", "reason is missing, not invalid"),
        ('effect = "admit"\n[[case]]\nname = "staff without', 'effect = "deny"\n[[case]]\nname = "staff without',
         "staff", "effect is admit, not deny"),
    ],
)  # fmt: skip
def test_a_case_that_fails_is_named_and_its_person_is_not(
    policy: Path, database: Path, tmp_path: Path, old: str, new: str, name: str, said: str
) -> None:
    assert old in CASES
    cases = written(tmp_path / "cases.toml", CASES.replace(old, new, 1))
    found = run("test", policy, cases, "--database", database)
    assert found.exit_code == 1
    failed, count = found.stdout.splitlines()
    assert failed.startswith(f"failed  {name}: {said}: ")
    assert count == "cases   7, 1 failed"
    as_json = run("test", policy, cases, "--database", database, "--json")
    assert as_json.exit_code == 1
    result = json.loads(as_json.stdout)
    assert result["cases"] == 7
    (only,) = result["failed"]
    assert only["name"] == name
    assert set(only["expected"]) == set(only["got"]) == {"effect", "cause", "reason"}
    assert only["explanation"]
    for text in (found.stdout, found.stderr, as_json.stdout, as_json.stderr):
        for secret in (*ADDRESSES, "u-1", "u-2", "somewhere"):
            assert secret not in text


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ("", "case: is missing: write `[[case]]` at least once"),
        ("case = 1", "case: is a number, not a list of tables: write `[[case]]` before each"),
        ("[[case]]\n" + CASE + 'effect = "deny"', "case[0].name: is missing"),
        ('[[case]]\nname = "x"\nmeeting = "m"\naccount = ""\neffect = "deny"', "case[0].at: is missing"),
        ('[[case]]\nname = "x"\nat = 2020-06-04T00:00:00Z\naccount = ""\neffect = "deny"',
         "case[0].meeting: is missing"),
        ('[[case]]\nname = "x"\n' + CASE, "case[0].effect: is missing"),
        ('[[case]]\nname = "x"\n' + CASE + 'effect = "eject"', "case[0].effect: `eject` is none of deny, hold, admit"),
        ('[[case]]\nname = "x"\n' + CASE + 'effect = "deny"\nreason = "insid"',
         "case[0].reason: `insid` is none of untouched, inside"),
        ('[[case]]\nname = "x"\n' + CASE + 'effect = "deny"\ncause = "cn-2"',
         "case[0].cause: is the id of no order and of no rule of the policy"),
        ('[[case]]\nname = "x"\n' + CASE + 'effect = "admit"\ncause = "cn-1"',
         "case[0].cause: of admitting is nothing: leave it out"),
        ('[[case]]\nname = "x"\n' + CASE + 'effect = "deny"\naddress = "a"\naddresses = ["b"]',
         "case[0].addresses: stands beside `address`: leave out one of them"),
        ('[[case]]\nname = "x"\n' + CASE + 'effect = "deny"\nip = "1.0.0.1"',
         "case[0].ip: is no key that may stand here"),
        (f'[[case]]\nname = "x"\n{CASE}effect = "deny"\n' * 2, "case[1].name: is the same as that of `case[0]`"),
        ('[[case]]\nname = "x"\nat = 2020-06-04T00:00:00\nmeeting = "m"\naccount = ""\neffect = "deny"',
         "case[0].at: has no offset from UTC"),
    ],
)  # fmt: skip
def test_cases_that_are_none(policy: Path, tmp_path: Path, cases: str, said: str) -> None:
    path = written(tmp_path / "cases.toml", cases)
    found = run("test", policy, path)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith(f"Error: {path}: {said}")
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", ["case[0].account: is missing: the policy has rules (staff)"]),
        (
            WEEKLY,
            [
                "case[0].account: is missing: the policy has rules (staff, weekly, a and 1 more)",
                "case[0].series: is missing: the policy names series (weekly)",
                "case[0].role: is missing: the policy names roles (exemption[0])",
            ],
        ),
    ],
)
def test_a_case_says_what_the_policy_asks_for(database: Path, tmp_path: Path, more: str, said: list[str]) -> None:
    # Without its account a rule does not reach the meeting, and whoever expects to be admitted would be content.
    policy = written(tmp_path / "policy.toml", POLICY + more)
    case = '[[case]]\nname = "x"\nat = 2020-06-04T00:00:00Z\nmeeting = "m"\neffect = "admit"\naddress = "1.1.0.1"\n'
    cases = written(tmp_path / "cases.toml", case)
    found = run("test", policy, cases)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.splitlines() == [f"Error: {cases}: {line}" for line in said]
    none = 'series = ""\nrole = ""\n' if more else ""
    cases = written(tmp_path / "cases.toml", f'{case}account = "acme"\n{none}')
    assert run("test", policy, cases, "--database", database).stdout == "cases  1, 0 failed\n"


def test_a_case_says_the_account_that_an_order_names(tmp_path: Path) -> None:
    order = POLICY.partition("[[rule]]")[0].replace('meetings = ["m"]', 'accounts = ["acme"]')
    policy = written(tmp_path / "policy.toml", order)
    case = '[[case]]\nname = "x"\nat = 2020-06-04T00:00:00Z\nmeeting = "m"\neffect = "admit"\n'
    found = run("test", policy, written(tmp_path / "cases.toml", case))
    assert found.stderr.endswith("case[0].account: is missing: the policy names accounts (cn-1)\n")
    policy = written(tmp_path / "policy.toml", POLICY.partition("[[rule]]")[0])
    assert run("test", policy, tmp_path / "cases.toml").exit_code == 0, "nothing asks for an account"


def test_files_that_are_swapped(policy: Path, deployment: Path, tmp_path: Path) -> None:
    cases = written(tmp_path / "cases.toml", CASES)
    for words, said in (
        (("check", deployment), f"{deployment}: this is a deployment: give it as `--deployment`, in Python as"),
        (("test", cases, policy), f"{cases}: this holds cases: the policy is given before them"),
        (("test", policy, policy), f"{policy}: this is a policy: it is given before the cases"),
    ):
        found = run(*words)
        assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
        assert said in found.stderr


def test_a_code_of_overrides_that_no_policy_can_name(policy: Path, tmp_path: Path) -> None:
    own = written(tmp_path / "own.csv", "9.9.9.0/24,UK\n9.9.7.0/24,EL\n9.9.6.0/24,AN\n")
    found = run("check", policy, "--overrides", own, "--at", "2020-06-04T00:00:00Z", "--json")
    assert found.exit_code == 0
    warned = [line["message"] for line in json.loads(found.stdout)["findings"] if "ISO" in line["message"]]
    assert sorted(warned, reverse=True) == [
        "the table has `UK`, which is no code of ISO 3166 and lies in nothing: did you mean `GB`?",
        "the table has `EL`, which is no code of ISO 3166 and lies in nothing: did you mean `GR`?",
    ]


def test_what_the_checker_refuses(
    policy: Path, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_values: object, **_options: object) -> None:
        raise PlanRefused("1 of 1 is not inside")

    monkeypatch.setattr("regionfast.meetings.decide.check_joins", refuse)
    found = run("test", policy, written(tmp_path / "cases.toml", CASES), "--database", database)
    assert (found.exit_code, found.stderr) == (5, "Error: from China: 1 of 1 is not inside\n")


def test_a_case_of_a_time_of_which_no_group_is_recorded_is_named(database: Path, tmp_path: Path) -> None:
    policy = written(tmp_path / "europe.toml", POLICY.replace('regions = ["US"]', 'regions = ["EU"]'))
    early = CASE.replace("2020", "1950").replace('"z"', '"acme"')
    cases = written(
        tmp_path / "c.toml",
        f'[[case]]\nname = "early"\n{early}address = "1.1.0.1"\neffect = "deny"\n',
    )
    found = run("test", policy, cases, "--database", database)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith("Error: early: ")
    assert "`EU`" in found.stderr


def test_hostile_names_do_not_command_the_terminal(policy: Path, database: Path, tmp_path: Path) -> None:
    cases = written(
        tmp_path / "cases.toml", f'[[case]]\nname = "\\u001b[31mred"\n{CASE}address = "1.0.0.1"\neffect = "admit"\n'
    )
    found = run("test", policy, cases, "--database", database)
    assert found.exit_code == 1
    assert "\x1b" not in found.stdout
    assert "failed  \\x1b[31mred: " in found.stdout


def test_80_columns(tmp_path: Path) -> None:
    # A path has no blanks and is never broken, so that of the files is kept short.
    policy = written(tmp_path / "p.toml", POLICY.replace('reference = "r"\nlaw = "l"\ncontest = "c"\n', ""))
    wrong = CASES.replace('effect = "deny"\ncause = "cn-1"', 'effect = "hold"').replace('"conflict"', '"elsewhere"')
    cases = written(tmp_path / "c.toml", wrong)
    database = written(tmp_path / "d.csv", "1.0.0.0/16,CN\n1.1.0.0/16,US\n")
    for words in (
        ["--help"],
        ["check", "--help"],
        ["test", "--help"],
        ["check", policy, "--at", "2020-06-20T00:00:00Z"],
        ["test", policy, cases, "--database", database],
    ):
        shown = calls.on_terminal("policy", *words, NO_COLOR="1")
        assert shown
        for line in shown.splitlines():
            assert len(line) <= 80 or str(tmp_path) in line, line
