"""`regionfast plan`: from a saved plan to an action that two people approved, and back."""

from __future__ import annotations

import base64
import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import regionfast as rf
from cli.acting import CONTROL, PEOPLE, Desk, listed, names_nobody, objects, own_system, pem, public, stamp
from cli.calls import on_terminal, run, shell
from regionfast.cli.options import moment
from regionfast.cli.plan import control as controls
from regionfast.meetings.act.asking import Asking
from regionfast.meetings.act.control import Answer, Outcome


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    with own_system():
        yield Desk(tmp_path)


# Keys.


def test_a_key_is_made_once_and_shown_as_it_is_enrolled(tmp_path: Path) -> None:
    path = tmp_path / "ops.pem"
    made = run("plan", "key", path, "--as", "ops-2", "--person", 'B. "Two"')
    assert (made.exit_code, "made a new key" in made.stderr) == (0, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    load_pem_private_key(before, None)
    other = f'[[approver]]\nid = "other"\nkey = "{public(1)}"\nperson = "A"\n'
    deployment = rf.Deployment.from_text(made.stdout + other)
    assert (deployment.approvers[0].id, deployment.approvers[0].person) == ("ops-2", 'B. "Two"')
    again = run("plan", "key", path, "--as", "ops-2", "--person", 'B. "Two"')
    assert (again.exit_code, again.stdout, again.stderr) == (0, made.stdout, "")
    assert path.read_bytes() == before
    shown = objects(run("plan", "key", path, "--json"))
    assert (base64.b64decode(shown["public"]), shown["is_new"]) == (deployment.approvers[0].key, False)


def test_what_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ops.pem"
    path.write_bytes(pem(1))
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)
    said = run("plan", "key", path)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "install `regionfast[act]`" in said.stderr


def test_a_key_of_openssl_is_one(tmp_path: Path) -> None:
    path = tmp_path / "ops.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True, timeout=60)
    assert run("plan", "key", path).exit_code == 0


def test_what_is_no_key_is_said(tmp_path: Path) -> None:
    path = tmp_path / "ops.pem"
    for text in ("", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        path.write_text(text, encoding="utf-8")
        said = run("plan", "key", path)
        assert (said.exit_code, said.stdout, len(said.stderr.splitlines())) == (2, "", 1)
        assert "ops.pem" in said.stderr
    assert run("plan", "key", tmp_path / "no" / "ops.pem").exit_code == 3
    assert run("plan", "key", tmp_path).exit_code == 2


# Saving and showing.


def test_a_saved_plan_names_nobody_and_says_what_it_would_do(desk: Desk) -> None:
    path = desk.folder / "cn-1.plan"
    saved = run("plan", "save", desk.roster, *desk.given, "--by", "cn-1", "-o", path)
    assert saved.exit_code == 0
    shown = run("plan", "show", path, "--database", desk.database)
    assert shown.exit_code == 0
    names_nobody(path.read_text(encoding="utf-8"), saved.output, shown.output)
    lines = listed(shown.stdout)
    assert lines["order"] == "cn-1 of cn-authority"
    assert lines["law"] == "Law on X, article 12"
    assert lines["rows"] == "3: eject 3"
    assert lines["by region"] == "3  CN"
    assert "2 days before" in lines["built"]
    bare = run("plan", "show", path, "--json")
    found = objects(bare)
    assert (found["table"], "give --database" in bare.stderr) == (None, True)
    assert found["hash"] == lines["hash"] == objects_of(path)["hash"]
    assert found["effects"] == {"eject": 3}


def objects_of(path: Path) -> dict[str, object]:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_the_hash_of_a_saved_plan_is_that_of_its_preview(desk: Desk) -> None:
    at = ("--at", stamp(0))
    seen = objects(run("preview", desk.roster, *desk.given, "--by", "cn-1", *at, "--json"))
    saved = objects(
        run("plan", "save", desk.roster, *desk.given, "--by", "cn-1", *at, "-o", desk.folder / "x.plan", "--json")
    )
    assert saved["hash"] == seen["hash"]


def test_saving_needs_a_deployment_with_an_audit_and_overwrites_nothing(desk: Desk) -> None:
    path = desk.folder / "x.plan"
    words = ["plan", "save", desk.roster, "--by", "cn-1", "-o", path]
    without = run(*words, "--policy", desk.policy, "--database", desk.database)
    assert (without.exit_code, "--deployment" in without.stderr) == (2, True)
    path.write_text("signed by all", encoding="utf-8")
    kept = run(*words, *desk.given)
    assert (kept.exit_code, path.read_text(encoding="utf-8")) == (2, "signed by all")
    path.unlink()
    text = desk.deployment.read_text(encoding="utf-8").partition("[audit]")[0]
    desk.deployment.write_text(text, encoding="utf-8")
    nowhere = run(*words, *desk.given)
    assert nowhere.exit_code in {2, 5}
    assert "audit" in nowhere.stderr
    assert not path.exists()


@pytest.mark.parametrize("command", ["show", "sign", "apply"])
def test_what_is_no_saved_plan_is_said(desk: Desk, command: str) -> None:
    path = desk.put("x.plan", "{}")
    words = {
        "show": [],
        "sign": ["--key", desk.folder / "1.pem", "--as", "ops-1"],
        "apply": [desk.roster, *desk.given, *CONTROL],
    }[command]
    for text in ("{}", "", "[]", '{"version": 2}', "\x00", "[" * 100_000):
        path.write_text(text, encoding="utf-8")
        said = run("plan", command, path, *words)
        assert (said.exit_code, said.stdout, len(said.stderr.splitlines())) == (2, "", 1), text[:20]
    said = run("plan", command, desk.folder / "none.plan", *words)
    assert (said.exit_code, "none.plan" in said.stderr) == (2, True)


# Signing.


def test_signing_shows_what_is_signed_and_prints_the_approval(desk: Desk) -> None:
    plan = desk.save()
    words = ("plan", "sign", plan, "--key", desk.folder / "1.pem", "--as", "ops-1")
    signed = run(*words, "--database", desk.database)
    approval = objects(signed)
    assert (approval["plan"], approval["approver"]) == (objects_of(plan)["hash"], "ops-1")
    for said in ("cn-1 of cn-authority", "3: eject 3", "3  CN", "until", "built", str(approval["plan"])):
        assert said in signed.stderr
    names_nobody(signed.output)
    other = run(*words, "--database", desk.folder / "table.csv")
    assert (other.exit_code, other.stdout) == (5, "")
    assert "it is not the table of the plan" in other.stderr
    assert timedelta(hours=23) < moment(approval["expires"]) - datetime.now(UTC) <= timedelta(hours=24)


@pytest.mark.parametrize("approver", ["", "ops 1", "a/b", "x" * 129, "36.1.2.3 "])
def test_nobody_signs_as_who_cannot_be_enrolled(desk: Desk, approver: str) -> None:
    signed = run("plan", "sign", desk.save(), "--key", desk.folder / "1.pem", "--as", approver)
    assert (signed.exit_code, signed.stdout) == (2, "")
    assert "an id has at most 128 letters" in signed.stderr


@pytest.mark.parametrize(("given", "hours"), [("12h", 12), ("3d", 72), ("1h", 1), ("Z", 5), ("+00:00", 5)])
def test_an_approval_expires_when_it_is_said(desk: Desk, given: str, hours: int) -> None:
    if given in {"Z", "+00:00"}:
        given = stamp(hours).replace("Z", given)
    signed = run("plan", "sign", desk.save(), "--key", desk.folder / "1.pem", "--as", "ops-1", "--expires", given)
    left = moment(objects(signed)["expires"]) - datetime.now(UTC)
    assert timedelta(hours=hours) - timedelta(minutes=2) < left <= timedelta(hours=hours)


@pytest.mark.parametrize("given", ["8d", "0h", "-1h", "soon", "12", "2026-06-04", 24 * 8, -1, "9999d"])
def test_an_approval_that_could_not_be_used_is_not_signed(desk: Desk, given: str | int) -> None:
    if isinstance(given, int):
        given = stamp(given)
    plan = desk.save()
    signed = run("plan", "sign", plan, "--key", desk.folder / "1.pem", "--as", "ops-1", "--expires", given)
    assert (signed.exit_code, signed.stdout) == (2, "")
    assert "Traceback" not in signed.output


def test_a_passphrase_comes_from_the_environment_or_is_asked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.folder / "locked.pem"
    path.write_bytes(pem(1, b"open sesame"))
    words = ["plan", "sign", desk.save(), "--key", path, "--as", "ops-1", "--quiet"]
    silent = run(*words)
    assert (silent.exit_code, "REGIONFAST_PASSPHRASE" in silent.stderr) == (2, True)
    monkeypatch.setenv("REGIONFAST_PASSPHRASE", "wrong")
    wrong = run(*words)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "open sesame" not in wrong.output
    monkeypatch.setenv("REGIONFAST_PASSPHRASE", "open sesame")
    right = run(*words)
    assert right.exit_code == 0
    monkeypatch.delenv("REGIONFAST_PASSPHRASE")
    main_end, process_end = pty.openpty()
    command = [sys.executable, "-m", "regionfast.cli", *map(str, words)]
    with subprocess.Popen(
        command, stdin=process_end, stdout=subprocess.PIPE, stderr=process_end, start_new_session=True
    ) as process:
        os.close(process_end)
        asked = os.read(main_end, 1000)
        assert b"Passphrase" in asked
        os.write(main_end, b"open sesame\n")
        assert process.stdout
        output = process.stdout.read()
        assert process.wait(timeout=60) == 0
    os.close(main_end)
    assert json.loads(output)["approver"] == "ops-1"


# Acting.


def test_a_plan_is_applied_by_two_people_and_undone(desk: Desk) -> None:
    plan = desk.save()
    approvals = desk.sign(plan, 1, 2)
    applied = desk.apply(plan, *approvals)
    assert applied.exit_code == 0
    assert [line.split() for line in applied.stdout.splitlines()] == [
        ["row", "meeting", "effect", "outcome"],
        ["1", "m1", "eject", "done"],
        ["3", "m1", "eject", "done"],
        ["5", "m2", "eject", "done"],
    ]
    assert "cn-1 would eject 3" in applied.stderr
    assert "done 3" in applied.stderr
    assert "handed over" in applied.stderr
    names_nobody(applied.output)
    assert sorted(desk.control.there) == ["con-2", "con-4", "con-6"]
    assert desk.control.there["con-2"][1].is_host or desk.control.there["con-4"][1].is_host
    assert sorted(desk.control.bans.values()) == ["con-1", "con-3", "con-5"]

    desk.policy.write_text(desk.order("ended"), encoding="utf-8")
    undone = desk.undo()
    assert undone.exit_code == 0
    assert [line.split()[1:] for line in undone.stdout.splitlines()] == [
        ["meeting", "effect", "outcome"],
        ["m1", "clear", "done"],
        ["m1", "clear", "done"],
        ["m2", "clear", "done"],
    ]
    names_nobody(undone.output)
    assert desk.control.bans == {}
    again = desk.undo("--json")
    assert (again.exit_code, objects(again)["rows"]) == (0, [])
    assert "nothing of cn-1 is left to be undone" in again.stderr


def test_an_id_that_nobody_knows_is_an_error(desk: Desk) -> None:
    desk.done()
    found = desk.undo("--by", "cn-l")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "no order or rule of that id" in found.stderr
    assert len(desk.control.bans) == 3


def test_what_is_still_in_force_is_not_undone(desk: Desk) -> None:
    desk.done()
    refused = desk.undo()
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "end it in the policy" in refused.stderr
    assert len(desk.control.bans) == 3
    desk.policy.write_text(desk.order().replace("cn-1", "cn-2"), encoding="utf-8")
    kept = desk.undo("--json", "--reveal", "a question")
    assert (objects(kept)["rows"], objects(kept)["kept"]) == ([], {"cn-2": 3})
    assert "3 stay kept out by cn-2" in kept.stderr
    assert "the policy has no order or rule cn-1 any more" in kept.stderr
    assert len(desk.control.bans) == 3
    desk.policy.write_text("version = 1\n", encoding="utf-8")
    named = desk.undo("--csv", "--reveal", "a question")
    assert named.stdout.splitlines()[1] == "1,m1,clear,done,con-1,alice,36.1.2.3"
    assert desk.control.bans == {}


def test_outcomes_as_json_csv_and_with_names(desk: Desk) -> None:
    found = objects(desk.done())
    assert found["rows"] == [
        {"row": 1, "meeting": "m1", "effect": "eject", "outcome": "done"},
        {"row": 3, "meeting": "m1", "effect": "eject", "outcome": "done"},
        {"row": 5, "meeting": "m2", "effect": "eject", "outcome": "done"},
    ]
    assert (found["by"], found["counts"], found["is_finished"], found["handovers"]) == ("cn-1", {"done": 3}, True, 1)
    plan = desk.save("again.plan", "--at", stamp(-0.1))
    approvals = desk.sign(plan, 1, 2)
    named = desk.apply(plan, *approvals, "--csv", "--reveal", "asked by the court")
    assert named.stdout.splitlines()[0] == "row,meeting,effect,outcome,connection,participant,addresses"
    assert named.stdout.splitlines()[1] == "1,m1,eject,already-gone,con-1,alice,36.1.2.3"
    assert "revealed: asked by the court" in named.stderr


def test_all_that_stands_against_it_is_said_at_once(desk: Desk) -> None:
    plan = desk.save()
    text = desk.deployment.read_text(encoding="utf-8")
    desk.deployment.write_text(text.replace("share = 1", "people = 2"), encoding="utf-8")
    refused = desk.apply(plan)
    assert (refused.exit_code, refused.stdout) == (5, "")
    errors = [line for line in refused.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) >= 2
    assert any("approv" in line for line in errors)
    assert any("more than 2" in line for line in errors)
    names_nobody(refused.output)
    assert set(desk.control.asked) <= {"present"}


@pytest.mark.parametrize("numbers", [(), (1,), (1, 1)])
def test_one_person_alone_cannot_act(desk: Desk, numbers: tuple[int, ...]) -> None:
    plan = desk.save()
    approvals = [word for number in numbers for word in desk.sign(plan, number)] if len(numbers) < 2 else []
    if len(numbers) == 2:
        approvals = desk.sign(plan, 1) * 2
    refused = desk.apply(plan, *approvals)
    assert refused.exit_code == 5
    assert len(desk.control.there) == 6


def test_a_wrong_approval_is_said(desk: Desk) -> None:
    plan = desk.save()
    junk = desk.put("junk.json", "{}")
    said = desk.apply(plan, "--approval", junk)
    assert (said.exit_code, "junk.json" in said.stderr) == (2, True)
    other = desk.save("other.plan")
    assert desk.apply(plan, *desk.sign(plan, 1), *desk.sign(other, 2)).exit_code == (
        0 if objects_of(plan)["hash"] == objects_of(other)["hash"] else 5
    )


def test_another_policy_or_table_than_the_saved_one_is_refused(desk: Desk) -> None:
    plan = desk.save()
    approvals = desk.sign(plan, 1, 2)
    desk.policy.write_text(desk.order(meetings='["m1"]'), encoding="utf-8")
    refused = desk.apply(plan, *approvals)
    assert (refused.exit_code, "policy" in refused.stderr) == (5, True)


def test_who_left_in_the_meantime_is_gone(desk: Desk) -> None:
    plan = desk.save()
    approvals = desk.sign(plan, 1, 2)
    lines = desk.roster.read_text(encoding="utf-8").splitlines(keepends=True)
    desk.roster.write_text("".join(lines[:3] + lines[4:]), encoding="utf-8")
    found = objects(desk.apply(plan, *approvals, "--json"))
    assert [(row["row"], row["outcome"]) for row in found["rows"] if row["row"]] == [(1, "done"), (4, "done")]
    assert len(found["rows"]) == 3
    assert [row for row in found["rows"] if not row["row"]] == [
        {"row": None, "meeting": None, "effect": "eject", "outcome": "already-gone"}
    ]


def test_rows_that_are_left_make_it_incomplete(desk: Desk) -> None:
    plan = desk.save()
    approvals = desk.sign(plan, 1, 2)
    desk.control.answer = Answer(outcome=Outcome.FAILED)
    left = desk.apply(plan, *approvals)
    assert left.exit_code == 3
    assert "failed 3" in left.stderr
    assert "Error: 3 refused by the system for good" in left.stderr
    assert left.stdout.count("failed") == 3
    assert len(desk.control.there) == 6


def test_rows_that_wait_are_done_by_the_same_command(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asking, "wait", lambda *_: None)  # of seconds that nobody wants to wait in a test
    plan = desk.save()
    approvals = desk.sign(plan, 1, 2)
    desk.control.answer = Answer(outcome=Outcome.RETRY)
    left = desk.apply(plan, *approvals, "--json")
    assert (left.exit_code, json.loads(left.stdout)["counts"]) == (3, {"retry": 3})
    assert "Error: 3 not answered for yet: give the same command again" in left.stderr
    desk.control.answer = None
    again = objects(desk.apply(plan, *approvals, "--json"))
    assert (again["counts"], again["was_resumed"], again["is_finished"]) == ({"done": 3}, True, True)
    once = desk.apply(plan, *approvals)
    assert (once.exit_code, "one plan acts once" in once.stderr) == (5, True)


def test_a_control_that_breaks_is_said_without_its_words(desk: Desk) -> None:
    plan = desk.save()
    approvals = desk.sign(plan, 1, 2)
    desk.control.raises = KeyError("alice at 36.1.2.3")
    broken = desk.apply(plan, *approvals)
    assert (broken.exit_code, broken.stdout) == (3, "")
    assert "`KeyError` in" in broken.stderr
    assert "Traceback" not in broken.output
    names_nobody(broken.output)
    desk.control.raises = None
    resumed = desk.apply(plan, *approvals)
    assert (resumed.exit_code, resumed.stdout.count("done")) == (0, 3)
    assert "it was begun before" in resumed.stderr


def test_receipts_are_for_their_people_alone(desk: Desk) -> None:
    plan = desk.save()
    folder = desk.folder / "receipts"
    applied = desk.apply(plan, *desk.sign(plan, 1, 2), "--receipts", folder)
    assert applied.exit_code == 0
    files = sorted(folder.iterdir())
    assert len(files) == 3
    for file in files:
        names_nobody(file.name)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {name for file in files for name in PEOPLE if name in file.read_text()} == {"alice", "carol", "erin"}


def test_receipts_that_cannot_be_written_stop_it_before_it_acts(desk: Desk) -> None:
    plan = desk.save()
    file = desk.put("receipts", "a file")
    stopped = desk.apply(plan, *desk.sign(plan, 1, 2), "--receipts", file)
    assert (stopped.exit_code, "receipts" in stopped.stderr) == (3, True)
    assert "meeting_system" not in sys.modules or len(desk.control.there) == 6


def test_an_empty_plan_is_a_success(desk: Desk) -> None:
    desk.roster.write_text("connection,participant,address,meeting\nx,y,24.1.1.1,m1\n", encoding="utf-8")
    plan = desk.save()
    applied = desk.apply(plan)
    assert (applied.exit_code, applied.stdout.split()) == (0, ["row", "meeting", "effect", "outcome"])
    assert "nobody" in applied.stderr


def test_who_is_present_may_come_from_stdin(desk: Desk) -> None:
    plan = desk.save()
    words = ("plan", "apply", plan, "-", *desk.given, *CONTROL, *desk.sign(plan, 1, 2), "--json")
    assert objects(run(*words, stdin=desk.roster.read_bytes()))["counts"] == {"done": 3}


def test_results_are_not_written_over_what_is_read(desk: Desk) -> None:
    plan = desk.save()
    approvals = desk.sign(plan, 1, 2)
    for file, name in ((desk.roster, "roster"), (desk.policy, "policy"), (desk.database, "database")):
        link = desk.folder / f"{name}.json"
        link.symlink_to(file)
        refused = desk.apply(plan, *approvals, "-o", link)
        assert (refused.exit_code, f"is the file of the {name}" in refused.stderr) == (2, True)
    assert desk.control.asked == []


# `--control`.


@pytest.mark.parametrize(
    ("control", "code", "said"),
    [
        ("nowhere", 2, "MODULE:NAME"),
        ("meeting_system", 2, "MODULE:NAME"),
        (":control", 2, "MODULE:NAME"),
        ("meeting_system:", 2, "MODULE:NAME"),
        ("meeting_system.py:control", 2, "there is no module `meeting_system.py`"),
        ("nowhere:control", 2, "there is no module `nowhere`"),
        ("nowhere.at.all:control", 2, "there is no module `nowhere`"),
        ("meeting_system:nothing", 2, "has no `nothing`"),
        ("meeting_system:pathlib", 2, "it has no `present`, no `handover`, no `eject`"),
        ("controls:half", 2, "it has no `clear`"),
        ("controls:needs", 2, "cannot be called without arguments"),
        ("controls:fails", 2, "`ValueError` in controls.py, line 8: "),
        ("broken:control", 2, "`ZeroDivisionError` in broken.py, line 1"),
        ("controls:asks", 2, "`KeyError` in controls.py, line 10"),
        ("wrong:control", 2, "`SyntaxError` in wrong.py, line 1"),
        ("lacks:control", 2, "importing it needs the module `not_installed`"),
    ],
)
def test_what_is_no_control_is_said_at_once(desk: Desk, control: str, code: int, said: str) -> None:
    desk.put(
        "controls.py",
        """from cli.acting import Meetings
class Half(Meetings):
    clear = None
half = Half()
def needs(address):
    return Meetings()
def fails():
    raise ValueError("36.1.2.3")
def asks():
    return __import__("os").environ["NOT_THERE_AT_ALL"]
""",
    )
    desk.put("broken.py", "1 / 0\n")
    desk.put("wrong.py", "def\n")
    desk.put("lacks.py", "import not_installed\n")
    plan = desk.save()
    ended = run("plan", "apply", plan, desk.roster, *desk.given, "--control", control)
    for name in ("controls", "broken", "wrong", "lacks"):
        sys.modules.pop(name, None)
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.output
    names_nobody(ended.output)


@pytest.mark.parametrize("name", ["control", "Meetings", "make", "shelf.control"])
def test_a_control_is_an_object_or_what_makes_one(desk: Desk, name: str) -> None:
    text = (desk.folder / "meeting_system.py").read_text(encoding="utf-8")
    desk.put("meeting_system.py", f"{text}def make():\n    return control\nclass shelf:\n    control = control\n")
    found = controls.load(controls.name(f"meeting_system:{name}"))
    assert controls.lacking(found) == []
    assert not isinstance(found, type)
    assert name == "Meetings" or found is desk.control


# On a terminal.


@pytest.mark.parametrize("words", [[], *([name] for name in ("key", "save", "show", "sign", "apply", "undo"))])
def test_help_fits_80_columns(words: list[str]) -> None:
    assert max(map(len, on_terminal("plan", *words, "--help", NO_COLOR="1").splitlines())) <= 80


def test_what_is_printed_fits_80_columns(desk: Desk) -> None:
    plan = desk.save()
    shown = on_terminal("plan", "show", plan, NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 80
    tests = str(Path(__file__).parents[1])
    words = ["plan", "apply", plan, desk.roster, *desk.given, *CONTROL, *desk.sign(plan, 1, 2)]
    applied = on_terminal(*words, NO_COLOR="1", PYTHONPATH=tests)
    assert [line.split()[-1] for line in applied.splitlines()] == ["outcome", "done", "done", "done"]


def test_a_command_of_its_own_finds_the_control_beside_it(desk: Desk) -> None:
    plan = desk.save()
    words = ["plan", "apply", plan, desk.roster, *desk.given, *CONTROL, *desk.sign(plan, 1, 2), "--quiet"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    ended = shell(*words, cwd=desk.folder, env=environment)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.count(b"done") == 3
