"""`regionfast census`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cli.calls import run, shell
from cli.scene import WRITERS

ROWS = "".join(f"u{number},{'8.8.8.8' if number < 7 else '114.114.114.114'},m1\n" for number in range(14))
ROSTER = f"participant,address,meeting\n{ROWS}secret,10.0.0.1,m2\n"


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER, encoding="utf-8")
    return path


def test_census_prints_totals_and_meetings(roster: Path) -> None:
    found = run("census", roster, "--at", "2026-06-20T09:00:00Z")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.splitlines() == [
        "where      connections  share",
        "CN                   7  50.0%",
        "US                   7  50.0%",
        "all                 14",
        "The table does not place 0.0% of them.",
        "",
        "meeting  where      connections",
        "m1       CN                   7",
        "m1       US                   7",
        "m2       fewer than 5",
    ]


def test_census_of_stdin_as_json() -> None:
    found = run("census", "-", "--json", "--exact", stdin=ROSTER)
    assert found.exit_code == 0
    counted = json.loads(found.stdout)
    assert counted["totals"] == {"CN": 7, "US": 7, "private": 1}
    assert counted["rows"][-1] == {"meeting": "m2", "where": "private", "connections": 1}
    assert counted["table"]["bundled"] is True
    assert found.stderr.startswith("note: the roster has no date")
    assert run("census", "-", "--quiet", stdin=ROSTER).stderr == ""


def test_census_of_an_export(tmp_path: Path) -> None:
    path = tmp_path / "zoom.csv"
    rows = "".join(f"u{number},8.8.8.8,2026-06-20 {8 + number:02}:00,1\n" for number in range(6))
    path.write_text(f"Name,IP Address,Join Time,Meeting ID\n{rows}", encoding="utf-8")
    words = ("census", path, "--format", "participants", "--at", "2026-06-20T10:30:00Z", "--json", "--exact")
    assert json.loads(run(*words, "--zone", "UTC").stdout)["totals"] == {"US": 3}
    assert json.loads(run(*words, "--zone", "Europe/Berlin").stdout)["totals"] == {"US": 5}
    found = run(*words)
    assert (found.exit_code, "without offset" in found.stderr) == (2, True)


@pytest.mark.parametrize("name", ["r.csv.gz", "r.parquet", "r.arrow"])
def test_census_reads_every_form_of_roster(roster: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path, ROSTER)
    words = ("--at", "2026-06-20T09:00:00Z", "--exact")
    found = run("census", path, *words)
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout == run("census", roster, *words).stdout


def test_columns_that_mean_nothing_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER.replace("meeting\n", "meeting,mood\n").replace(",m1\n", ",m1,\n").replace(",m2\n", ",m2,\n"))
    assert "columns that mean nothing here are ignored: `mood`" in run("census", path).stderr


@pytest.mark.parametrize("others", [1, 5])
def test_a_share_that_nobody_may_know_is_not_nought(others: int) -> None:
    # Of one private address and as many elsewhere: 0.0 % would be false.
    rows = "".join(f"u{number},8.8.8.8,m1\n" for number in range(others * 4))
    roster = f"participant,address,meeting\n{rows}a,10.0.0.1,m1\nb,,m1\nc,114.114.114.114,m1\n"
    roster += "".join(f"d{number},203.198.7.66,m1\n" for number in range(3))
    found = run("census", "-", stdin=roster)
    assert "How many the table does not place is in `other` and not said." in found.stdout.splitlines()
    counted = json.loads(run("census", "-", "--json", stdin=roster).stdout)
    assert counted["unlocated"] == (None if others == 1 else 0.0)
    assert "The table does not place" in run("census", "-", "--exact", stdin=roster).stdout


def test_census_of_nobody() -> None:
    found = run("census", "-", stdin="participant,address,meeting\n")
    assert found.exit_code == 0
    assert found.stdout.splitlines() == ["where      connections  share", "all                  0"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["census"], 2, "Missing argument"),
        (["census", "none.csv"], 2, "cannot read none.csv"),
        (
            ["census", "-"],
            2,
            "no columns `participant`, `address`, `meeting`: unknown headings, or data in their place",
        ),
        (["census", "-", "--level", "subdivision"], 2, "the bundled table tells countries only: give --database"),
        (["census", "-", "--at", "2020-01-01"], 2, "the time has no offset"),
        (["census", "-", "--at", "soon"], 2, "write a time such as"),
        (["census", "-", "--zone", "UTC"], 2, "is of `--format participants`"),
        (["census", "-", "--format", "participants", "--zone", "../x"], 2, "write the name of a zone"),
        (["census", "-", "--format", "participants", "--zone", "Nowhere/City"], 2, "write the name of a zone"),
        (["census", "-", "--format", "arrow"], 2, "stdin is read as CSV"),
        (["census", "-", "--database", "none.mmdb"], 4, "none.mmdb"),
    ],
)
def test_census_says_what_is_wrong(words: list[str], code: int, message: str) -> None:
    found = run(*words, stdin="secret,9.9.9.9,m\n")
    assert (found.exit_code, found.stdout) == (code, "")
    assert message in found.stderr
    assert "secret" not in found.stderr
    assert "9.9.9.9" not in found.stderr


def test_census_without_its_database(roster: Path) -> None:
    assert run("census", roster, "--database", "none.mmdb").exit_code == 4


def test_what_stdout_cannot_say_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER.replace("m1", "\u2135"), encoding="utf-8")
    found = shell("census", path, env=os.environ | {"PYTHONIOENCODING": "latin-1"})
    assert found.returncode == 0, found.stderr
    assert rb"\u2135" in found.stdout


def test_a_hostile_name_of_a_meeting_commands_no_terminal() -> None:
    rows = "".join(f"u{number},8.8.8.8,m\x1b[31m\n" for number in range(5))
    found = run("census", "-", stdin=f"participant,address,meeting\n{rows}")
    assert found.exit_code == 0
    assert "\x1b" not in found.stdout


def test_census_as_csv_and_parquet(roster: Path, tmp_path: Path) -> None:
    expected: list[dict[str, object]] = [
        {"meeting": None, "where": "CN", "connections": 7},
        {"meeting": None, "where": "US", "connections": 7},
        {"meeting": "m1", "where": "CN", "connections": 7},
        {"meeting": "m1", "where": "US", "connections": 7},
        {"meeting": "m2", "where": None, "connections": None},
    ]
    found = run("census", roster, "--csv", "--quiet").stdout.splitlines()
    assert found == [
        "meeting,where,connections",
        *(",".join("" if cell is None else str(cell) for cell in row.values()) for row in expected),
    ]
    assert run("census", roster, "-o", tmp_path / "census.parquet").exit_code == 0
    written = pq.read_table(tmp_path / "census.parquet")
    assert written.to_pylist() == expected
    assert (
        json.loads(written.schema.metadata[b"regionfast"])["connections"] == 14
    )  # those of m2 are too few to be counted
    assert run("census", roster, "--csv", "--json").exit_code == 2
