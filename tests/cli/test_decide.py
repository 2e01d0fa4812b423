"""`regionfast decide`, `preview` and `explain`: what they say, and of whom they do not."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import regionfast as rf
from cli.calls import run
from cli.scene import AT, COMMANDS, PEOPLE, POLICY, Scene, objects
from regionfast.cli.options import moment
from regionfast.cli.preview import KEPT
from regionfast.tables import BUNDLED


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def decided(scene: Scene) -> rf.Decisions:
    """The same by the library."""
    table, policy = rf.open(scene.database), rf.Policy.load(scene.policy)
    return rf.decide_joins(table, policy, rf.Roster.from_csv(scene.roster), at=moment(AT[1]))


def planned(scene: Scene, by: str = "cn-1") -> rf.Plan:
    """The same by the library."""
    table, policy = rf.open(scene.database), rf.Policy.load(scene.policy)
    return rf.plan_ejections(table, policy, rf.Roster.from_csv(scene.roster), by=by, at=moment(AT[1]))


# What they say.


def test_joins_are_a_table_of_one_row_a_connection(scene: Scene) -> None:
    found = scene.run("decide joins")
    assert found.exit_code == 0
    assert [line.split() for line in found.stdout.splitlines()] == [
        ["row", "effect", "reason", "region", "meeting", "cause"],
        ["1", "deny", "inside", "CN", "m1", "cn-1"],
        ["2", "admit", "corrected", "CN", "m1", "-"],
        ["3", "deny", "inside", "CN", "m1", "cn-1"],
        ["4", "admit", "missing", "-", "m1", "-"],
        ["5", "deny", "outside", "US", "m2", "staff"],
        ["6", "admit", "exempt", "HK", "m2", "-"],
        ["7", "admit", "elsewhere", "DE", "m2", "-"],
        ["8", "hold", "private", "-", "m2", "staff"],
        ["9", "admit", "untouched", "-", "m4", "-"],
    ]


def test_joins_are_what_the_library_decides(scene: Scene) -> None:
    decisions = decided(scene)
    rows = objects(scene.run("decide joins", "--json"))
    assert [row["row"] for row in rows] == list(range(1, 10))
    assert [row["effect"] for row in rows] == [str(rf.Effect(code)) for code in decisions.effect]
    assert [row["reason"] for row in rows] == [str(rf.Reason(code)) for code in decisions.reason]
    assert [row["region"] for row in rows] == list(decisions.region)
    assert [row["cause"] for row in rows] == list(decisions.cause)
    assert [row["meeting"] for row in rows] == list(decisions.roster.meetings)
    assert set(rows[0]) == {"row", "effect", "reason", "region", "meeting", "cause"}


def test_ejections_are_the_rows_of_the_plan(scene: Scene) -> None:
    plan = planned(scene)
    (found,) = objects(scene.run("decide ejections", "--json"))
    assert [(row["row"], row["effect"], row["region"], row["meeting"]) for row in found["rows"]] == [
        (row.index + 1, row.effect, row.region, row.meeting) for row in plan.rows
    ]
    assert len(found["rows"]) == 2
    assert (found["by"], found["hash"], found["policy"]) == ("cn-1", plan.hash, plan.policy.revision)
    assert (found["at"], found["table"]["digest"]) == ("2020-06-04T00:00:00Z", plan.table.info.digest)
    assert (found["advisory"], found["witness"], found["warnings"]) == (True, None, list(plan.warnings))
    shown = scene.run("decide ejections")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["row", "1", "3"]
    assert plan.hash in shown.stderr


def test_the_rows_of_a_plan_by_a_rule_have_its_reasons(scene: Scene) -> None:
    (found,) = objects(scene.run("decide ejections", "--json", "--by", "staff"))
    assert [(row["row"], row["effect"], row["reason"]) for row in found["rows"]] == [
        (5, "eject", "outside"),
        (8, "hold", "private"),
    ]


def test_an_empty_plan_is_a_success(scene: Scene) -> None:
    late = ("--at", "2021-01-01T00:00:00Z")
    (found,) = objects(scene.run("decide ejections", "--json", *late))
    assert found["rows"] == []
    assert any("order cn-1 is inert" in warning for warning in found["warnings"])
    shown = scene.run("decide ejections", *late)
    assert (shown.exit_code, shown.stdout.split()) == (0, ["row", "effect", "reason", "region", "meeting"])
    assert "nobody is touched" in shown.stderr
    seen = scene.run("preview", *late)
    assert (seen.exit_code, "nobody: nothing would be done" in seen.stdout) == (0, True)


def test_the_time_is_now_unless_it_is_given(scene: Scene) -> None:
    words = [word for word in scene.words("decide ejections", "--json") if word not in AT]
    (found,) = objects(run(*words))
    assert found["rows"] == []
    assert abs(moment(found["at"]).timestamp() - Path(scene.roster).stat().st_mtime) < 100
    shifted = objects(scene.run("decide joins", "--json", "--at", "2020-06-04T08:00:00+08:00"))
    assert shifted == objects(scene.run("decide joins", "--json"))


def test_a_preview_is_understood_at_once(scene: Scene) -> None:
    plan = planned(scene)
    text = scene.run("preview").stdout
    lines = {line[:14].strip(): line[14:].strip() for line in text.splitlines()}
    assert lines["order"] == "cn-1 of cn-authority, for CN"
    assert lines["law"] == "Law on X, article 12"
    assert lines["hash"] == plan.hash
    assert lines["affected"] == "2 of 4 connections in its meetings; 9 are present in all"
    assert "eject 2" in text
    assert lines["by region"] == "2  CN"
    assert lines["by meeting"] == "2  m1"
    assert "1  corrected: a correction says they are not there" in text
    assert "1  missing: no address" in text
    assert lines["hosts"] == "1 of those affected"
    assert lines["without host"] == "m1"
    assert lines["built"] == "the database does not say when"
    assert lines["outside"].startswith("0: checked")


def test_a_preview_of_a_rule_says_what_was_checked_of_a_rule(scene: Scene) -> None:
    text = scene.run("preview", "--by", "staff").stdout
    assert "staff of acme: allow-only EU, CH" in text
    assert "1  elsewhere: the table places them where the rule lets in" in text
    assert "inside by the database" not in text
    assert "only meetings of the rule's own account are affected" in text
    (found,) = objects(scene.run("preview", "--by", "staff", "--json"))
    assert found["outside"] is None
    assert found["regions"] == {"US": 1, "not located": 1}
    in_csv = scene.run("preview", "--by", "staff", "--csv").stdout
    assert "outside," not in in_csv
    assert "region,not located,1\n" in in_csv


def test_the_age_of_a_table_is_that_at_the_time_decided_for(scene: Scene) -> None:
    words = ("--database", BUNDLED, "--json")
    built = rf.open().info.built_at
    assert built is not None
    for days, said in (
        (0, "0 days before the time decided for"),
        (1, "1 day before the time decided for"),
        (95, "95 days before the time decided for: old"),
        (-1, "after the time decided for"),
    ):
        at = ("--at", (built + timedelta(days=days)).isoformat())
        built_line = next(
            line for line in scene.run("preview", *words[:2], *at).stdout.splitlines() if line.startswith("built")
        )
        assert said in built_line
        assert objects(scene.run("preview", *words, *at))[0]["table"]["age_days"] == days
        assert objects(scene.run("explain", *words, *at))[0]["table"]["age_days"] == days
        assert objects(scene.run("decide ejections", *words, *at))[0]["table"]["age_days"] == days


def test_meetings_that_keep_their_host_are_none(scene: Scene) -> None:
    roster = scene.put("kept.csv", "participant,address,meeting,account,role\nx,1.3.2.3,m1,z,\ny,8.8.1.1,m1,z,host\n")
    lines = scene.run("preview", roster=roster).stdout.splitlines()
    assert "without host  none" in lines


def test_a_preview_without_roles_does_not_know_hosts(scene: Scene) -> None:
    bare = scene.put("bare.csv", "participant,address,meeting,account\nx1,1.3.2.3,m1,z\n")
    assert "unknown: the roster has no roles" in scene.run("preview", roster=bare).stdout
    (found,) = objects(scene.run("preview", "--json", roster=bare))
    assert (found["hosts"], found["without_host"]) == (None, None)


def test_a_preview_in_other_forms_has_all_counts(scene: Scene) -> None:
    counts = planned(scene).preview()
    (found,) = objects(scene.run("preview", "--json"))
    for name, value in counts.to_dict().items():
        assert found[name] == (list(value) if isinstance(value, tuple) else value), name
    rows = list(csv.reader(io.StringIO(scene.run("preview", "--csv").stdout)))
    assert rows == [
        ["what", "name", "connections"],
        ["present", "", "9"],
        ["in-scope", "", "4"],
        ["affected", "", "2"],
        ["outside", "", "0"],
        ["effect", "eject", "2"],
        ["region", "CN", "2"],
        ["meeting", "m1", "2"],
        ["kept", "corrected", "1"],
        ["kept", "missing", "1"],
        ["hosts", "", "1"],
        ["without-host", "m1", "2"],
    ]
    assert scene.run("preview", "-o", scene.folder / "p.parquet").exit_code == 0
    table = pyarrow.parquet.read_table(scene.folder / "p.parquet")
    assert table.column("connections").to_pylist() == [int(row[2]) for row in rows[1:]]
    assert json.loads(table.schema.metadata[b"regionfast"])["hash"] == counts.hash


def test_a_preview_of_many_meetings_stays_short(scene: Scene) -> None:
    rows = "".join(f"p{number},1.3.2.3,m{number},z,host\n" for number in range(1000))
    many = scene.put("many.csv", f"participant,address,meeting,account,role\n{rows}")
    scene.policy.write_text(POLICY.replace('["m1", "m3"]', '"all"'), encoding="utf-8")
    text = scene.run("preview", roster=many).stdout
    assert len(text.splitlines()) < 40
    assert text.count("and 990 more, see --json") == 2
    (found,) = objects(scene.run("preview", "--json", roster=many))
    assert (len(found["meetings"]), len(found["without_host"])) == (1000, 1000)


def test_every_reason_to_stay_has_a_plain_word() -> None:
    assert set(KEPT) == {str(reason) for reason in rf.Reason} - {"untouched"}


def test_explain_says_what_the_library_says(scene: Scene) -> None:
    decisions, plan = decided(scene), planned(scene)
    for index in range(9):
        door = scene.run("explain", "--quiet", row=index + 1)
        inside = scene.run("explain", "--quiet", "--by", "cn-1", row=index + 1)
        for shown, expected in ((door, decisions.explain(index)), (inside, plan.explain_connection(index))):
            assert shown.stdout.endswith("\n")
            assert shown.stdout.count("\n") == 1
            assert shown.stdout.startswith(f"row {index + 1} of meeting ")
            assert shown.stdout.strip().split(" of meeting ")[1] == expected.split(" of meeting ")[1]


def test_explain_as_json(scene: Scene) -> None:
    (door,) = objects(scene.run("explain", "--json"))
    assert (door["row"], door["meeting"], door["effect"], door["reason"]) == (1, "m1", "deny", "inside")
    assert door["cause"] == "cn-1"
    assert "contest" in door["explanation"]
    (inside,) = objects(scene.run("explain", "--json", "--by", "staff"))
    assert (inside["by"], inside["effect"], inside["reason"]) == ("staff", "keep", "untouched")
    assert "cause" not in inside


def test_rows_of_one_connection_are_named_by_the_first_and_found_by_any(scene: Scene) -> None:
    several = scene.put(
        "several.csv",
        "participant,address,meeting,connection,account\n"
        "alice,8.8.1.1,m1,c1,z\nbob,1.3.2.3,m1,c2,z\nalice,1.3.2.4,m1,c1,z\nbob,1.3.2.5,m1,c2,z\n",
    )
    rows = objects(scene.run("decide joins", "--json", "--reveal", "a test", roster=several))
    assert [(row["row"], row["effect"], row["reason"]) for row in rows] == [
        (1, "admit", "conflict"),
        (2, "deny", "inside"),
    ]
    assert [row["addresses"] for row in rows] == [["8.8.1.1", "1.3.2.4"], ["1.3.2.3", "1.3.2.5"]]
    assert [row["connection"] for row in rows] == ["c1", "c2"]
    said = [
        scene.run("explain", "--quiet", roster=several, row=row).stdout.removeprefix(f"row {row} ") for row in (2, 4)
    ]
    assert said[0] == said[1]
    assert "its 2 addresses: CN" in said[0]
    assert set(objects(scene.run("decide joins", "--json", roster=several))[0]) == {
        "row", "effect", "reason", "region", "meeting", "cause",
    }  # fmt: skip


# Names and addresses.


def test_people_are_shown_for_a_reason_that_is_noted(scene: Scene) -> None:
    reason = 'audit 7: "100 %s"'
    rows = objects(scene.run("decide joins", "--json", "--reveal", reason))
    assert [row["participant"] for row in rows] == list(PEOPLE)
    assert [row["addresses"] for row in rows][:5] == [["1.3.2.3"], ["1.1.1.1"], ["2400::1"], [], ["8.8.1.1"]]
    assert {row["revealed"] for row in rows} == {reason}
    noted = scene.run("decide joins", "--reveal", reason)
    assert f"participants and addresses are revealed: {reason}" in noted.stderr
    assert "alice" in noted.stdout
    (found,) = objects(scene.run("decide ejections", "--json", "--reveal", reason))
    assert (found["revealed"], [row["participant"] for row in found["rows"]]) == (reason, ["alice", "carol"])
    (told,) = objects(scene.run("explain", "--json", "--reveal", reason))
    assert (told["revealed"], told["participant"], told["addresses"]) == (reason, "alice", ["1.3.2.3"])
    assert scene.run("explain", "--reveal", reason).stdout.splitlines()[1:] == [
        "participant  alice",
        "addresses    1.3.2.3",
    ]
    revealed = list(csv.DictReader(io.StringIO(scene.run("decide joins", "--csv", "--reveal", reason).stdout)))
    assert [row["participant"] for row in revealed] == list(PEOPLE)


def test_a_file_that_names_people_is_its_owners(scene: Scene) -> None:
    old = os.umask(0o022)
    try:
        for name, words in (("named", ["--reveal", "audit"]), ("plain", [])):
            scene.run("decide joins", "-o", scene.folder / f"{name}.parquet", *words)
    finally:
        os.umask(old)
    assert stat.S_IMODE((scene.folder / "named.parquet").stat().st_mode) == 0o600
    assert stat.S_IMODE((scene.folder / "plain.parquet").stat().st_mode) == 0o644
    table = pyarrow.parquet.read_table(scene.folder / "named.parquet")
    assert table.column("addresses").to_pylist()[:4] == [["1.3.2.3"], ["1.1.1.1"], ["2400::1"], []]
    assert json.loads(table.schema.metadata[b"regionfast"])["revealed"] == "audit"


@pytest.mark.parametrize("command", ["decide joins", "decide ejections", "explain"])
@pytest.mark.parametrize("reason", ["", "  ", "\t"])
def test_nobody_is_named_without_a_reason(scene: Scene, command: str, reason: str) -> None:
    refused = scene.run(command, "--reveal", reason)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "say why" in refused.stderr


def test_a_preview_names_nobody_at_all(scene: Scene) -> None:
    assert scene.run("preview", "--reveal", "audit").exit_code == 2


NAMES = st.text("ghjkmnpqrtvwxyz", min_size=9, max_size=14).map(lambda text: f"Z{text}")
V4 = st.integers((1 << 24) + 1, (1 << 32) - (1 << 24)).map(lambda number: str(IPv4Address(number)))
V6 = st.integers(1 << 100, (1 << 128) - 1).map(lambda number: str(IPv6Address(number)))
INSIDE = st.integers(1 << 24, (1 << 25) - 1).map(lambda number: str(IPv4Address(number)))
JUNK = NAMES.map(lambda text: f"{text}.example")
PERSON = st.tuples(
    NAMES, st.one_of(INSIDE, V4, V6, JUNK, st.just("")), st.sampled_from(["m1", "m2", "m3", "m4"]),
    st.sampled_from(["", "host", "guest"]), NAMES,
)  # fmt: skip
ACCOUNTS = {"m1": "z", "m2": "acme", "m3": "z", "m4": "other"}
DAMAGE = st.sampled_from([None, None, "meeting", "cells", "quote", "connection", "account", "heading"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(PERSON, min_size=1, max_size=6, unique_by=lambda person: person[4]),
    damage=DAMAGE,
    row=st.integers(0, 9),
)
def test_promise_12_nothing_names_people_without_a_reason(
    tmp_path: Path, people: list[tuple[str, str, str, str, str]], damage: str | None, row: int
) -> None:
    scene = Scene(tmp_path)
    text = io.StringIO()
    writer = csv.writer(text)
    heading = ["participant", "address", "meeting", "role", "connection", "account", "note"]
    writer.writerow(heading if damage != "heading" else heading[1:])
    for number, (name, address, meeting, role, connection) in enumerate(people):
        wrong = number == len(people) - 1
        cells = [name, address, meeting, role, connection, ACCOUNTS[meeting], name]
        if wrong and damage == "meeting":
            cells[2] = ""
        if wrong and damage == "connection":
            writer.writerow([*cells[:3], "other", *cells[4:]])
        if wrong and damage == "account":
            writer.writerow([*cells[:4], f"{connection}2", "another", name])
        writer.writerow(cells[:-1] if wrong and damage == "cells" else cells)
    if damage == "quote":
        text.write(f'"{people[0][0]}')
    path = scene.put("people.csv", text.getvalue())
    scene.policy.write_text(
        POLICY.replace('participants = ["u17"]', f'participants = ["{people[0][0]}"]\nnetworks = ["2400::/16"]'),
        encoding="utf-8",
    )
    secrets = {cell for person in people for cell in (person[0], person[1], person[4]) if cell}
    for command in COMMANDS:
        for words in ((), ("--json",), ("--csv",), ("--by", "staff"), ("--by", "none"), ("--at", people[0][0])):
            found = scene.run(command, *words, roster=path)
            assert found.exit_code in {0, 2}
            if damage and words != ("--csv",):
                assert found.exit_code == 2
            assert not {secret for secret in secrets if secret in found.stdout + found.stderr}
    for typed in (people[0][0], people[0][1] or "-1", str(row)):
        found = scene.run("explain", roster=path, row=typed)
        assert found.exit_code == (0 if typed.isdecimal() and 1 <= row <= len(people) and not damage else 2)
        assert not {secret for secret in secrets if secret in found.output}
