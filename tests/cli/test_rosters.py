"""What the commands about rosters share: how rosters are opened, and how it ends."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest

import regionfast as rf
from cli.calls import on_terminal, shell
from cli.scene import ADDRESSES, COMMANDS, PEOPLE, POLICY, ROSTER, WRITERS, Scene, arrow_of, objects
from regionfast.meetings.evaluate import Evaluation
from regionfast.policy.compile import Compiled, Keys


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


# Options.


def test_a_witness_must_confirm(scene: Scene) -> None:
    witness = scene.put("witness.csv", "1.0.0.0/8,HK\n2400::/12,CN\n")
    rows = objects(scene.run("decide joins", "--json", "--witness", witness))
    assert [(row["effect"], row["reason"]) for row in rows][:3] == [
        ("admit", "disputed"),
        ("admit", "corrected"),
        ("deny", "inside"),
    ]
    (found,) = objects(scene.run("decide ejections", "--json", "--witness", witness))
    assert found["witness"]["digest"] == rf.open(witness).info.digest
    assert "witness" in scene.run("preview", "--witness", witness).stdout


def test_overrides_and_level_reach_the_table(scene: Scene) -> None:
    own = scene.put("own.csv", "1.3.0.0/16,HK\n")
    assert objects(scene.run("decide joins", "--json", "--overrides", own))[0]["reason"] == "override"
    scene.database.write_text("1.0.0.0/8,CN-GD\n", encoding="utf-8")
    rows = objects(scene.run("decide joins", "--json", "--level", "subdivision"))
    assert rows[0]["region"] == "CN-GD"


def test_a_deployment_vouches_for_issuers(scene: Scene) -> None:
    enrolled = scene.put("deployment.toml", 'version = 1\n[[issuer]]\nid = "cn-authority"\njurisdiction = "CN"\n')
    (found,) = objects(scene.run("decide ejections", "--json", "--deployment", enrolled))
    assert (found["advisory"], len(found["rows"]), found["warnings"]) == (False, 2, [])
    enrolled.write_text('version = 1\n[[issuer]]\nid = "other"\njurisdiction = "CN"\n', encoding="utf-8")
    refused = scene.run("decide ejections", "--deployment", enrolled)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "order[0] (`cn-1`).issuer" in refused.stderr


@pytest.mark.parametrize("name", WRITERS)
def test_promise_7_one_answer_through_every_door_rosters_by_suffix(scene: Scene, name: str) -> None:
    path = scene.folder / name
    WRITERS[name](path, ROSTER)
    for command in COMMANDS:
        expected = (
            scene.run(command, "--json", "--reveal", "x") if command != "preview" else scene.run(command, "--json")
        )
        found = scene.run(command, "--json", *(["--reveal", "x"] if command != "preview" else []), roster=path)
        assert (found.exit_code, found.stdout) == (0, expected.stdout)


def test_a_roster_on_stdin(scene: Scene) -> None:
    expected = scene.run("decide joins", "--json").stdout
    assert scene.run("decide joins", "--json", roster="-", stdin=ROSTER.encode()).stdout == expected
    packed = gzip.compress(ROSTER.encode())
    assert scene.run("decide joins", "--json", roster="-", stdin=packed).stdout == expected
    assert scene.run("decide joins", "--format", "parquet", roster="-", stdin=b"").exit_code == 2
    command = [sys.executable, "-m", "regionfast.cli", *scene.words("decide joins", roster="-")]
    closed = subprocess.run(
        ["bash", "-c", '"$@" <&-', "-", *command],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (closed.returncode, closed.stderr) == (2, b"Error: stdin is closed\n")


def test_the_format_may_be_said_where_the_suffix_does_not(scene: Scene) -> None:
    path = scene.folder / "nameless"
    pyarrow.parquet.write_table(arrow_of(ROSTER), path)
    found = scene.run("decide joins", "--json", "--format", "parquet", roster=path)
    assert found.stdout == scene.run("decide joins", "--json").stdout
    wrong = scene.run("decide joins", "--format", "arrow", roster=path)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "no Arrow file, or a damaged one" in wrong.stderr


ZOOM = """Meeting ID,Topic,Start Time
m1,Talk,06/04/2020 01:00:00 AM
User Name,Email,IP Address,Join Time,Leave Time
Zoe,zoe@example.org,1.3.2.3,06/04/2020 01:00:00 AM,06/04/2020 03:00:00 AM
Yan,yan@example.org,1.3.2.4,06/04/2020 02:30:00 AM,
"""


def test_an_export_of_a_product(scene: Scene) -> None:
    export = scene.put("zoom.csv", ZOOM)
    words = ("--format", "participants", "--json", "--zone", "Europe/Berlin")
    early = objects(scene.run("decide ejections", *words, "--at", "2020-06-04T00:15:00Z", roster=export))[0]
    both = objects(scene.run("decide ejections", *words, "--at", "2020-06-04T00:45:00Z", roster=export))[0]
    assert (len(early["rows"]), len(both["rows"])) == (1, 2)
    assert early["rows"][0]["meeting"] == "m1"
    no_zone = scene.run("decide ejections", *words[:3], roster=export)
    assert (no_zone.exit_code, no_zone.stdout) == (2, "")
    assert scene.run("decide joins", "--zone", "UTC").exit_code == 2
    assert scene.run("decide joins", *words[:2], roster=scene.roster).exit_code == 2
    assert "say its zone with `--zone`, such as `UTC`" in no_zone.stderr
    own = scene.run("decide joins", *words[:2], roster=scene.roster)
    assert "For our own CSV leave out `--format participants`" in own.stderr
    timeless = scene.put("timeless.csv", "Participant identifier,IP address,Conference ID\nann,1.3.2.3,m1\n")
    assert "leave out `--at`" in scene.run("decide joins", *words[:2], roster=timeless).stderr
    for result in (no_zone, own, scene.run("decide ejections", *words, roster=export)):
        assert not re.search(r"zoe|yan|1\.3\.2", result.output, re.IGNORECASE)


# How they end.


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--policy", "none.toml"], 2, "none.toml"),
        (["--deployment", "none.toml"], 2, "none.toml"),
        (["--at", "2020-06-04T00:00:00"], 2, "offset"),
        (["--at", "yesterday"], 2, "write a time such as"),
        (["--at", "0001-01-01T00:00:00+08:00"], 2, "write a time such as"),
        (["--format", "xml"], 2, "xml"),
        (["--format", "participants", "--zone", "Mars/Olympus"], 2, "zone"),
        (["--by", "cn-2"], 2, "cn-1"),
        (["--nonsense"], 2, "--nonsense"),
        (["--database", "none.mmdb"], 4, "none.mmdb"),
        (["--witness", "none.mmdb"], 4, "none.mmdb"),
        (["--overrides", "none.csv"], 4, "none.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes(scene: Scene, command: str, words: list[str], code: int, said: str) -> None:
    if command == "decide joins" and "--by" in words:
        said = "--by"
    ended = scene.run(command, *words)
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("row", ["0", "-1", "10", "1.5", "x", "1e3", "9" * 30, "٣", "999999999999"])
def test_explain_takes_a_row_that_there_is(scene: Scene, row: str) -> None:
    ended = scene.run("explain", row=row)
    assert (ended.exit_code, ended.stdout) == (2, "")


def test_all_that_is_wrong_with_a_policy_is_told_with_its_path(scene: Scene) -> None:
    wrong = POLICY.replace('territory = "CN"', 'territory = "China"').replace('["EU", "CH"]', '["UK"]')
    scene.policy.write_text(wrong.replace('state = "active"', 'state = "on"'), encoding="utf-8")
    for command in COMMANDS:
        ended = scene.run(command)
        assert (ended.exit_code, ended.stdout) == (2, "")
        for place in ("order[0] (`cn-1`).territory", "order[0] (`cn-1`).state", "rule[0] (`staff`).regions[0]"):
            assert f"Error: {scene.policy}: {place}" in ended.stderr


def test_a_policy_asks_for_a_column_that_the_roster_lacks(scene: Scene) -> None:
    bare = scene.put("bare.csv", "participant,address,meeting\nx1,1.3.2.3,m1\n")
    ended = scene.run("decide joins", roster=bare)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "`accounts`" in ended.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_checker_refuses_is_5(scene: Scene, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Evaluation.keys

    def everybody(self: Evaluation, compiled: Compiled) -> Keys:
        keys = real(self, compiled)
        return np.full(len(keys), keys.max(), np.uint32)

    monkeypatch.setattr(Evaluation, "keys", everybody)
    ended = scene.run(command)
    assert (ended.exit_code, ended.stdout) == (5, "")
    assert ended.stderr.startswith("note: ") or ended.stderr.startswith("Error: ")
    assert not [name for name in (*PEOPLE, *ADDRESSES) if name in ended.stderr]


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "a blank": b"\n",
    "no heading": b"alice,1.3.2.3,m1\n",
    "a column twice": b"participant,address,ip,meeting\nalice,1.3.2.3,1.3.2.3,m1\n",
    "too few cells": b"participant,address,meeting\nalice,1.3.2.3\n",
    "too many cells": b"participant,address,meeting\nalice,1.3.2.3,m1,x\n",
    "an open quote": b'participant,address,meeting\n"alice,1.3.2.3,m1\n',
    "a null": b"participant,address,meeting\nali\0ce,1.3.2.3,m1\n",
    "no UTF-8": b"participant,address,meeting\nalice\xff,1.3.2.3,m1\n",
    "a broken gzip": gzip.compress(ROSTER.encode())[:-9],
    "a damaged gzip": gzip.compress(ROSTER.encode())[:20] + b"\xff" * 40,
    "a long line": b"participant,address,meeting\nalice,1.3.2.3," + b"m" * (1 << 20) + b"\n",
    "no meeting": b"participant,address,meeting\nalice,1.3.2.3,\n",
    "two accounts": b"participant,address,meeting,account\nalice,1.3.2.3,m1,a\nalice,1.3.2.3,m1,b\n",
    "two people": b"participant,address,meeting,connection\nalice,1.3.2.3,m1,a\nbob,1.3.2.3,m1,a\n",
    "binary": bytes(range(256)) * 50,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_roster_is_refused_in_a_line(scene: Scene, name: str) -> None:
    path = scene.folder / "hostile.csv"
    path.write_bytes(HOSTILE[name])
    for command in COMMANDS:
        ended = scene.run(command, "--quiet", roster=path)
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert len(ended.stderr.splitlines()) == 1
        assert ended.stderr.startswith("Error: ")
        assert not [word for word in ("alice", "bob", "1.3.2.3") if word in ended.stderr]
        assert scene.run(command, "--quiet", roster="-", stdin=HOSTILE[name]).exit_code == 2


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.feather", "none.parquet", "none.csv", "folder.parquet"])
def test_a_roster_that_cannot_be_read_is_refused(scene: Scene, name: str) -> None:
    path = scene.folder / name
    if name.startswith("x"):
        path.write_bytes(b"alice,1.3.2.3,m1\n" * 10)
    if name.startswith("folder"):
        path.mkdir()
    ended = scene.run("decide joins", "--quiet", roster=path)
    assert (ended.exit_code, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
    assert name in ended.stderr
    assert "alice" not in ended.stderr


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_damaged_arrow_file_is_refused(scene: Scene, kind: str) -> None:
    whole = scene.folder / f"whole.{kind}"
    WRITERS[f"r.{kind}"](whole, ROSTER)
    data = whole.read_bytes()
    path = scene.folder / f"x.{kind}"
    for wrong in (data[:-30], data[: len(data) // 2] + b"\xff" * 64 + data[len(data) // 2 + 64 :], data[:7]):
        path.write_bytes(wrong)
        ended = scene.run("decide joins", "--quiet", roster=path)
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert not [name for name in (*PEOPLE, *ADDRESSES) if name in ended.stderr]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"participant": ["a"], "address": ["1.3.2.3"]}, "no column `meeting`; found: participant, address"),
        ({"participant": ["a"], "address": ["1.3.2.3"], "meeting": [7]}, "write ids as text"),
        ({"participant": ["a"], "address": [16_974_339], "meeting": ["m1"]}, "holds no addresses"),
        ({"participant": ["a"], "address": [["1.3.2.3"]], "meeting": ["m1"]}, "holds no addresses"),
        ({"participant": ["a"], "address": ["1.3.2.3"], "meeting": [None]}, "row 0: no meeting"),
    ],
)
def test_an_arrow_roster_that_is_wrong_is_named(scene: Scene, columns: dict[str, list[object]], said: str) -> None:
    path = scene.folder / "x.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path)
    ended = scene.run("decide joins", "--quiet", roster=path)
    assert (ended.exit_code, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
    assert str(path) in ended.stderr
    assert said in ended.stderr
    assert "1.3.2.3" not in ended.stderr


def test_a_time_of_which_no_group_is_recorded_is_refused(scene: Scene) -> None:
    for command in ("decide joins", "explain"):
        ended = scene.run(command, "--at", "1950-01-01T00:00:00Z")
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert "`EU`" in ended.stderr
        assert "Traceback" not in ended.output
    assert scene.run("decide ejections", "--at", "0001-01-01T00:00:00Z").exit_code == 0
    assert scene.run("decide joins", "--at", "9999-12-31T23:59:59Z").exit_code == 0


def test_texts_of_a_roster_command_no_terminal_and_split_no_line(scene: Scene) -> None:
    meeting = "\033[2J\r\nm;é"
    path = scene.folder / "x.csv"
    rows = [["participant", "address", "meeting", "account"], ["p", "1.3.2.3", meeting, "z"]]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    scene.policy.write_text(POLICY.replace('["m1", "m3"]', '"all"'), encoding="utf-8")
    for command in COMMANDS:
        shown = scene.run(command, roster=path)
        assert (shown.exit_code, "\033" in shown.output) == (0, False)
        assert r"\x1b[2J\r\nm;é" in shown.stdout
        ascii_only = shell(*scene.words(command, roster=path), env=os.environ | {"PYTHONIOENCODING": "ascii"})
        assert ascii_only.returncode == 0, ascii_only.stderr
        assert rb"m;\xe9" in ascii_only.stdout
    assert len(scene.run("decide joins", roster=path).stdout.splitlines()) == 2
    assert objects(scene.run("decide joins", "--json", roster=path))[0]["meeting"] == meeting
    in_csv = shell(*scene.words("decide joins", "--csv", roster=path), env=os.environ | {"PYTHONIOENCODING": "ascii"})
    rows_of_csv = csv.DictReader(io.StringIO(in_csv.stdout.decode("utf-8"), newline=""))
    assert next(rows_of_csv)["meeting"] == meeting


# Terminals, pipes, notes.


@pytest.mark.parametrize("columns", [80, 60])
def test_a_terminal_is_not_overflowed(scene: Scene, columns: int) -> None:
    for command in COMMANDS:
        words = scene.words(command, "--database", rf.open().info.source)
        shown = on_terminal(*words, columns=columns, NO_COLOR="1")
        assert "\033" not in shown
        limit = columns if command != "preview" else 80  # a hash is never broken
        assert max(map(len, shown.splitlines())) <= limit, shown
    plan = objects(scene.run("preview", "--json"))[0]["hash"]
    assert plan in on_terminal(*scene.words("preview"), columns=columns, NO_COLOR="1")


def test_a_sentence_is_wrapped_for_a_terminal_between_words(scene: Scene) -> None:
    shown = on_terminal(*scene.words("explain"), NO_COLOR="1")
    assert len(shown.splitlines()) > 2
    assert " ".join(shown.split()) == scene.run("explain").stdout.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns(command: str) -> None:
    for words in ([*command.split(), "--help"], ["--help"], ["decide", "--help"]):
        shown = on_terminal(*words, NO_COLOR="1")
        assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_notes_are_on_stderr_and_can_be_silenced(scene: Scene, command: str) -> None:
    unknown = scene.put("more.csv", ROSTER.replace("role\n", "mood\n", 1))
    loud = scene.run(command, roster=unknown)
    assert "note: columns that mean nothing here are ignored: `mood`" in loud.stderr
    assert "note: advisory" in loud.stderr
    quiet = scene.run(command, "--quiet", roster=unknown)
    assert (quiet.stdout, quiet.stderr) == (loud.stdout, "")
    assert scene.run(command, "--quiet", "--policy", "none.toml").stderr


def test_a_closed_pipe_is_no_error(scene: Scene) -> None:
    rows = "".join(f"p{number},1.3.2.3,m1,z\n" for number in range(100_000))
    path = scene.put("many.csv", f"participant,address,meeting,account\n{rows}")
    for form in ((), ("--json",), ("--csv",)):
        command = [sys.executable, "-m", "regionfast.cli", *scene.words("decide joins", "--quiet", *form, roster=path)]
        ended = subprocess.run(
            ["bash", "-c", '("$@"; echo $? >&2) | head -2', "-", *command], capture_output=True, check=False, timeout=60
        )
        assert ended.stdout.count(b"\n") == 2
        assert ended.stderr.strip() == b"0"


def test_a_full_disk_is_incomplete(scene: Scene) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    for command in COMMANDS:
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run(
                [sys.executable, "-m", "regionfast.cli", *scene.words(command)],
                stdout=full, stderr=subprocess.PIPE, check=False, timeout=60,
            )  # fmt: skip
        assert ended.returncode == 3
        assert b"Traceback" not in ended.stderr


def test_the_same_input_gives_the_same_bytes(scene: Scene) -> None:
    for command in COMMANDS:
        first, second = (shell(*scene.words(command, "--json")) for _ in range(2))
        assert (first.returncode, first.stdout) == (0, second.stdout)
