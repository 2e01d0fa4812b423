"""`regionfast audit`: whether records are whole, what they say, and how their keys end."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.acting import Desk, listed, names_nobody, objects, own_system, stamp
from cli.calls import on_terminal, run
from regionfast.meetings.audit.checkpoint import sign_checkpoint
from regionfast.meetings.audit.signing import load_private_key


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, dict[str, bytes]]]:
    """A desk where a plan was applied, and its files as they were then."""
    folder = tmp_path_factory.mktemp("acted")
    with own_system(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        desk = Desk(folder)
        plan = desk.save()
        applied = desk.apply(plan, *desk.sign(plan, 1, 2), "--receipts", folder / "receipts")
        assert applied.exit_code == 0, applied.output
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        yield desk, files


@pytest.fixture
def desk(acted: tuple[Desk, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """All as it was after the plan was applied."""
    found, files = acted
    for path in found.folder.rglob("*"):
        if path.is_file() and str(path.relative_to(found.folder)) not in files:
            path.unlink()
    for name, content in files.items():
        (found.folder / name).write_bytes(content)
    monkeypatch.chdir(found.folder)
    return found


def chain(desk: Desk) -> Path:
    """The chain of whoever acted."""
    (path,) = [path for path in (desk.folder / "audit").glob("*.jsonl") if path.name != "checkpoints.jsonl"]
    return path


# Verifying.


def test_sound_records_are_said_to_be_sound_as_far_as_that_goes(desk: Desk) -> None:
    found = desk.audit("verify")
    assert found.exit_code == 0
    lines = listed(found.stdout)
    assert lines["sound"] == "yes"
    head = json.loads(chain(desk).read_text(encoding="utf-8").splitlines()[-1])["hash"]
    assert head in found.stdout
    assert f"{len(chain(desk).read_text(encoding='utf-8').splitlines())} records" in found.stdout
    assert lines["checkpoint"].startswith("none: that the end of a chain was cut off")
    assert "there was no checkpoint" in found.stderr
    assert "there was no checkpoint" not in desk.audit("verify", "--quiet").stderr
    names_nobody(found.output)
    by_hand = run("audit", "verify", desk.folder / "audit")
    assert (by_hand.exit_code, head in by_hand.stdout) == (0, True)
    machine = objects(desk.audit("verify", "--json"))
    assert (machine["sound"], machine["checkpoint"], machine["chains"][0]["head"]) == (True, None, head)


@pytest.mark.parametrize("what", ["edited", "deleted", "swapped", "doubled"])
def test_every_tampering_is_found(desk: Desk, what: str) -> None:
    path = chain(desk)
    lines = path.read_bytes().splitlines(keepends=True)
    if what == "edited":
        lines[2] = lines[2].replace(b'"by":"cn-1"', b'"by":"cn-2"')
        assert b"cn-2" in lines[2]
    elif what == "deleted":
        del lines[1]
    elif what == "swapped":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines.insert(2, lines[1])
    path.write_bytes(b"".join(lines))
    found = desk.audit("verify")
    assert found.exit_code == 5
    assert "no" in found.stdout
    assert any(path.name in line or path.stem in line for line in found.stderr.splitlines())
    machine = objects(desk.audit("verify", "--json"), code=5)
    assert machine["sound"] is False
    assert machine["problems"]


def test_a_cut_is_found_against_a_checkpoint_only(desk: Desk) -> None:
    kept = desk.folder / "kept.json"
    signed = desk.audit("checkpoint", "--key", desk.folder / "3.pem", "-o", kept)
    assert signed.exit_code == 0, signed.output
    sound = desk.audit("verify", "--checkpoint", kept)
    assert sound.exit_code == 0
    assert "its signature is verified" in sound.stdout
    by_nobody = run("audit", "verify", desk.folder / "audit", "--checkpoint", kept)
    assert (by_nobody.exit_code, "not verified" in by_nobody.stdout) == (0, True)
    path = chain(desk)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    (desk.folder / "audit" / "checkpoints.jsonl").unlink()
    assert desk.audit("verify").exit_code == 0
    cut = desk.audit("verify", "--checkpoint", kept)
    assert cut.exit_code == 5
    assert "no" in cut.stdout


def test_a_checkpoint_by_another_key_is_found(desk: Desk) -> None:
    refused = desk.audit("checkpoint", "--key", desk.folder / "2.pem")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "not the key" in refused.stderr
    assert desk.audit("verify").exit_code == 0
    # Whoever leaves the command out can still sign, and is found.
    kept = desk.folder / "kept.json"
    signed = sign_checkpoint(desk.folder / "audit", load_private_key(desk.folder / "2.pem"), at=datetime.now(UTC))
    kept.write_text(signed.to_json() + "\n", "ascii")
    assert desk.audit("verify", "--checkpoint", kept).exit_code == 5


def test_a_broken_chain_is_not_signed(desk: Desk) -> None:
    path = chain(desk)
    path.write_bytes(path.read_bytes().replace(b'"by":"cn-1"', b'"by":"cn-2"', 1))
    signed = desk.audit("checkpoint", "--key", desk.folder / "3.pem")
    assert (signed.exit_code, signed.stdout) == (5, "")


def test_an_unfinished_record_is_said_and_is_no_tampering(desk: Desk) -> None:
    path = chain(desk)
    path.write_bytes(path.read_bytes()[:-20])
    found = desk.audit("verify")
    assert found.exit_code == 0
    assert "unfinished" in found.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify"], "give its directory, or --deployment"),
        (["verify", "nowhere"], "nowhere: there is no such directory"),
        (["verify", "keys"], "keys: there are no chains in it"),
        (["verify", "audit", "--checkpoint", "none.json"], "none.json: there is no such file"),
        (["summary"], "give its directory, or --deployment"),
        (["open", "x.json"], "give its directory, or --deployment"),
        (["checkpoint", "--directory", "."], "Missing option '--key'"),
        (["erase", "--by", "cn-1", "--deployment", "x"], "Missing option '--reason'"),
        (["erase", "--by", "cn-1", "--deployment", "x", "--reason", " "], "say why"),
        (["reconcile", "x.csv"], "Missing option '--deployment'"),
    ],
)
@pytest.mark.usefixtures("desk")
def test_usage_is_said(words: list[str], said: str) -> None:
    ended = run("audit", *words)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr


def test_a_deployment_without_an_audit_has_no_records(desk: Desk) -> None:
    text = desk.deployment.read_text(encoding="utf-8").partition("[audit]")[0]
    other = desk.put("other.toml", text)
    for words in (["verify"], ["summary"], ["reconcile", "x"], ["erase", "--by", "cn-1", "--reason", "x"]):
        ended = run("audit", *words, "--deployment", other)
        assert (ended.exit_code, "no `[audit]`" in ended.stderr) == (2, True)


# Reconciling.


def test_what_plans_explain_is_explained(desk: Desk) -> None:
    found = desk.audit("reconcile", desk.folder / "server.jsonl")
    assert found.exit_code == 0
    lines = listed(found.stdout)
    assert (lines["explained"], lines["unexplained"]) == ("3, by the rows of plans", "0")
    names_nobody(found.output)
    machine = objects(desk.audit("reconcile", desk.folder / "server.jsonl", "--json"))
    assert (machine["explained"], machine["unexplained"]) == (3, [])


def test_an_ejection_around_it_leaves_a_trace(desk: Desk) -> None:
    log = desk.folder / "server.jsonl"
    line = json.dumps({"time": stamp(0), "meeting": "m1", "connection": "con-2", "event": "ejected"})
    log.write_text(f"{log.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")
    found = desk.audit("reconcile", log)
    assert found.exit_code == 1
    assert "line 4" in found.stdout
    names_nobody(found.output)
    assert objects(desk.audit("reconcile", log, "--json"), code=1)["unexplained"] == [4]
    log.write_text(log.read_text(encoding="utf-8") + "{no line\n" * 12, encoding="utf-8")
    assert desk.audit("reconcile", log).exit_code == 1
    kept = [text for text in log.read_text(encoding="utf-8").splitlines() if "con-2" not in text]
    log.write_text("\n".join(kept) + "\n", encoding="utf-8")
    incomplete = desk.audit("reconcile", log)
    assert incomplete.exit_code == 3
    assert "12: lines 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 2 more, see --json" in incomplete.stdout
    missing = desk.audit("reconcile", desk.folder / "none.csv")
    assert (missing.exit_code, "none.csv" in missing.stderr) == (2, True)


# Summing up.


def test_a_summary_counts_by_order(desk: Desk) -> None:
    found = objects(desk.audit("summary", "--json", "--exact"))
    (row,) = found["rows"]
    assert (row["by"], row["plans"], row["ejected"], row["handovers"]) == ("cn-1", 1, 3, 1)
    assert (row["approvers"], row["outstanding"], found["is_folded"]) == (["ops-1", "ops-2"], 3, False)
    shown = desk.audit("summary", "--exact")
    assert (shown.exit_code, shown.stderr) == (0, "")
    for said in ("cn-1  plans 1", "approved by ops-1, ops-2", "ejected 3, hosts handed over 1", "outstanding 3"):
        assert said in shown.stdout
    names_nobody(shown.output)
    (as_csv,) = csv.DictReader(io.StringIO(desk.audit("summary", "--csv", "--exact").stdout))
    assert list(as_csv) == list(row)
    assert (as_csv["by"], as_csv["ejected"], as_csv["approvers"]) == ("cn-1", "3", "ops-1 ops-2")


def test_a_summary_does_not_show_counts_that_are_people(desk: Desk) -> None:
    found = desk.audit("summary")
    assert "not shown: ejected" in found.stdout
    assert "--exact" in found.stderr
    (row,) = objects(desk.audit("summary", "--json"))["rows"]
    assert (row["ejected"], row["outstanding"], row["plans"]) == (None, None, 1)
    (as_csv,) = csv.DictReader(io.StringIO(desk.audit("summary", "--csv").stdout))
    assert (as_csv["ejected"], as_csv["held"]) == ("", "0")


def test_a_summary_is_of_some_time(desk: Desk) -> None:
    for words in (["--since", stamp(1)], ["--until", stamp(-1)]):
        assert objects(desk.audit("summary", "--json", *words))["rows"] == []
        assert "nothing" in desk.audit("summary", *words).stdout
    assert len(objects(desk.audit("summary", "--json", "--since", stamp(-1), "--until", stamp(1)))["rows"]) == 1
    assert desk.audit("summary", "--since", "2026-01-01").exit_code == 2


# Receipts.


def test_a_receipt_opens_its_own_row(desk: Desk) -> None:
    for path in (desk.folder / "receipts").iterdir():
        found = desk.audit("open", path)
        assert found.exit_code == 0, found.output
        assert "cn-1" in found.stdout
        assert "eject" in found.stdout
        assert "done" in found.stdout
        own = json.loads(path.read_text(encoding="utf-8"))
        machine = objects(desk.audit("open", path, "--json"))
        assert (machine["by"], machine["effect"], machine["outcome"]) == ("cn-1", "eject", "done")
        assert own["connection"] == machine["connection"]


def test_a_receipt_that_was_changed_opens_nothing(desk: Desk) -> None:
    path = next(iter((desk.folder / "receipts").iterdir()))
    text = path.read_text(encoding="utf-8")
    changed = json.loads(text)
    flat: dict[str, Any] = changed.get("row", changed)
    flat["meeting"] = "m9"
    path.write_text(json.dumps(changed), encoding="utf-8")
    ended = desk.audit("open", path)
    assert (ended.exit_code, ended.stdout) in {(2, ""), (5, "")}
    path.write_text(text[:50], encoding="utf-8")
    assert desk.audit("open", path).exit_code == 2


# Erasing.


def test_keys_are_destroyed_once_all_is_undone(desk: Desk) -> None:
    words = ["--by", "cn-1", "--reason", "retention is over"]
    early = desk.audit("erase", *words)
    assert (early.exit_code, early.stdout) == (5, "")
    assert "3" in early.stderr
    receipt = next(iter((desk.folder / "receipts").iterdir()))
    erased = desk.audit("erase", *words, "--force")
    assert erased.exit_code == 0, erased.output
    assert "2 destroyed" in erased.stdout
    assert not [path for path in (desk.folder / "keys").glob("*.key") if path.name != "index.key"]
    assert desk.audit("verify").exit_code == 0
    assert desk.audit("open", receipt).exit_code == 0
    log = objects(desk.audit("reconcile", desk.folder / "server.jsonl", "--json"))
    assert (log["explained"], log["undecidable"]) == (0, 3)
    assert "the keys are destroyed" in desk.audit("reconcile", desk.folder / "server.jsonl").stdout


def test_only_one_meeting_is_erased(desk: Desk) -> None:
    erased = desk.audit("erase", "--by", "cn-1", "--reason", "x", "--meeting", "m2", "--force", "--json")
    assert len(objects(erased)["scopes"]) == 1
    unknown = desk.audit("erase", "--by", "cn-2", "--reason", "x", "--json")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "nothing by that order" in unknown.stderr


# On a terminal.


@pytest.mark.parametrize(
    "words", [[], *([name] for name in ("verify", "checkpoint", "reconcile", "summary", "open", "erase"))]
)
def test_help_fits_80_columns(words: list[str]) -> None:
    assert max(map(len, on_terminal("audit", *words, "--help", NO_COLOR="1").splitlines())) <= 80


def test_what_is_printed_fits_80_columns(desk: Desk) -> None:
    receipt = next(iter((desk.folder / "receipts").iterdir()))
    for command, *words in (["verify"], ["summary"], ["open", receipt], ["reconcile", desk.folder / "server.jsonl"]):
        shown = on_terminal("audit", command, *words, "--deployment", desk.deployment, NO_COLOR="1")
        assert max(map(len, shown.splitlines())) <= 80
