"""The demo runs, fits two screens, and says what follows from the files of its story."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from meeting_server import Fault

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "examples" / "demo.py"
STORY = ROOT / "examples" / "story"
ORDERED = {"604-001", "604-002", "604-003", "604-004"}
MISPLACED = ip_network("43.64.32.0/20")
"""The network of the policy's only correction."""


def rows_of(name: str) -> Iterator[dict[str, str]]:
    lines = (STORY / name).read_text(encoding="utf-8").splitlines()
    return csv.DictReader(line for line in lines if not line.startswith("#"))


def networks(name: str) -> dict[str, str]:
    return {row["network"]: row.get("country") or row["region"] for row in rows_of(name)}


def inner(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text)
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def place(text: str, table: dict[str, str]) -> str | None:
    """The region by looking through all networks, which do not overlap here; `None` where there is none."""
    if not text or not inner(text).is_global:
        return None
    return next((code for network, code in table.items() if inner(text) in ip_network(network)), None)


@dataclass(frozen=True)
class Person:
    meeting: str
    role: str
    addresses: tuple[str, ...]

    def places(self, table: dict[str, str]) -> set[str]:
        return {code for text in self.addresses if (code := place(text, table)) is not None}

    @property
    def is_corrected(self) -> bool:
        return any(text and inner(text) in MISPLACED for text in self.addresses)

    def leaves(self, table: dict[str, str], *, corrected: bool = True) -> bool:
        return self.places(table) == {"CN"} and not (corrected and self.is_corrected)


@pytest.fixture(scope="module")
def people() -> list[Person]:
    found: dict[tuple[str, str], Person] = {}
    for row in rows_of("roster.csv"):
        key = row["meeting"], row["connection"]
        before = found[key].addresses if key in found else ()
        found[key] = Person(row["meeting"], row["role"], (*before, row["address"]))
    return list(found.values())


def shown_by(demo: Path, folder: Path) -> list[str]:
    """What the demo prints where it is no terminal."""
    ran = subprocess.run(
        [sys.executable, demo],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={"COLUMNS": "80"},
        timeout=40,
    )
    assert ran.stderr == ""
    return [line.rstrip() for line in ran.stdout.splitlines()]


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    lines = shown_by(DEMO, tmp_path_factory.mktemp("elsewhere"))
    second = next(index for index, line in enumerate(lines) if line.startswith("Acting on the plan"))
    assert lines[second - 1] == ""
    return lines[: second - 1], lines[second:]


@pytest.fixture(scope="module")
def lines(screens: tuple[list[str], list[str]]) -> list[str]:
    """The first screen."""
    return screens[0]


@pytest.fixture(scope="module")
def steps(screens: tuple[list[str], list[str]]) -> dict[str, str]:
    """The second screen: what each step says."""
    return steps_of(screens[1])


def steps_of(screen: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    step = ""
    for line in screen[1:]:
        step = line[:10].strip() or step
        found[step] = f"{found.get(step, '')} {line[10:].strip()}".strip()
    return found


def attempt(lines: list[str], name: str) -> tuple[str, str]:
    """What a row of the attempts says: who would leave, and the rest."""
    (row,) = (line for line in lines if line.startswith(f"{name}  "))
    leave, then = row.removeprefix(name).split(maxsplit=1)
    return leave, then


def test_it_fits_two_screens_and_is_plain_when_piped(screens: tuple[list[str], list[str]]) -> None:
    for lines in screens:
        assert len(lines) < 40  # one line is the shell's
        assert max(map(len, lines)) <= 80
        assert "\033" not in "".join(lines)
        assert "…" not in "".join(lines), "a column was cut"


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminal")
def test_a_terminal_gets_colour_and_the_same_lines(screens: tuple[list[str], list[str]]) -> None:
    import fcntl
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    output = b""
    with subprocess.Popen([sys.executable, DEMO], stdout=slave, stderr=slave, env={"TERM": "xterm-256color"}) as demo:
        os.close(slave)
        try:
            while part := os.read(master, 1 << 16):
                output += part
        except OSError:  # Linux says so when the other end is closed
            pass
        assert demo.wait(40) == 0
    os.close(master)
    assert b"\033[32m0\033[0m" in output
    plain = re.sub(r"\033\[[0-9;]*m", "", output.decode())
    shown = [line.rstrip() for line in plain.splitlines()]
    first, second = screens
    timed = next(index for index, line in enumerate(first) if line.startswith("The bundled table"))
    assert shown[:timed] == first[:timed]
    # How many calls went unanswered depends on how busy the machine is; the steps do not.
    assert list(steps_of(shown[len(first) + 1 :])) == list(steps_of(second))


def test_who_would_leave_follows_from_the_files_alone(lines: list[str], people: list[Person]) -> None:
    table = networks("table.csv")
    shown = {row[0]: row for line in lines if (row := line.split()) and row[0] in ORDERED}
    assert {person.meeting for person in people} == ORDERED == set(shown)
    for meeting, row in shown.items():
        there = [person for person in people if person.meeting == meeting]
        leave = sum(person.leaves(table) for person in there)
        found = [int(word) for word in row if word.isdigit()][:3]
        assert found == [len(there), leave, len(there) - leave]
        kept = sum(int(count) for count in re.findall(r"[a-z] (\d+)(?:,|:|$)", " ".join(row)))
        assert kept == len(there) - leave
    assert shown["604-004"][3] == "0"
    assert " ".join(shown["604-004"]).endswith("nobody inside, untouched")

    total = sum(person.leaves(table) for person in people)
    text = "\n".join(lines)
    assert (
        f"{total} of {len(people)} would leave. Outside the territory: 0, checked. At the door: {total} denied." in text
    )


def test_nobodys_meeting_ends_and_the_misplaced_host_stays(lines: list[str], people: list[Person]) -> None:
    table = networks("table.csv")
    hosts = Counter(person.meeting for person in people if person.role == "host")
    assert hosts == dict.fromkeys(ORDERED, 1)
    assert [person.meeting for person in people if person.is_corrected and person.role == "host"] == ["604-003"]
    assert not any(person.leaves(table) for person in people if person.role == "host")
    text = " ".join(line.strip() for line in lines)
    assert "Meetings that go on, each with its host: 4 of 4." in text
    assert "604-003 HK, not CN" in " ".join(text.split())
    assert "corrected to HK on 2020-06-02" in text


def test_attempts_change_what_they_should_and_no_more(lines: list[str], people: list[Person]) -> None:
    table = networks("table.csv")
    total = sum(person.leaves(table) for person in people)
    careless = sum(person.leaves(table, corrected=False) for person in people)
    assert careless == total + 1
    assert attempt(lines, "no correction") == (str(careless), "604-003 would lose its host, misplaced in CN")
    assert attempt(lines, "... but a witness") == (str(total), "the host stays: disputed by a second table")

    moved = networks("overrides.csv")
    # Whoever has addresses in two places, one of which is moved, agrees on paper and is a conflict still.
    widened = [person for person in people if len(person.places(table)) == 1 and person.leaves({**table, **moved})]
    widened = [person for person in widened if not person.leaves(table)]
    places = ", ".join(sorted(set().union(*(person.places(table) for person in widened))))
    assert attempt(lines, "insider's overrides") == (
        str(total),
        f"the same people; {len(widened)} moved from {places} to CN stay",
    )
    assert attempt(lines, "an order for HK") == ("refused", "`HK` is not inside the issuer's jurisdiction: CN")
    assert attempt(lines, "a day later") == ("0", "it ended at 2020-06-05T00:00:00Z")


def test_the_million_is_measured(lines: list[str]) -> None:
    first = next(index for index, line in enumerate(lines) if line.startswith("The bundled table of 20"))
    rows = [re.fullmatch(r"(.+?) +([\d.]+) +([\d.]+)", line) for line in lines[first + 1 : first + 4]]
    for row in rows:
        assert row is not None
        milliseconds, rate = float(row[2]), float(row[3])
        assert rate == pytest.approx(1e3 / milliseconds, rel=0.1, abs=0.1)
    assert lines[-1] == "A table is evidence about an address, never about a person."


# The second screen.


def planned(people: list[Person]) -> list[Person]:
    """Who would leave, in the order of a plan: here that of the file."""
    return [person for person in people if person.leaves(networks("table.csv"))]


def numbers(text: str) -> dict[str, int]:
    """What is counted, by its name."""
    return {name: int(count) for name, count in re.findall(r"([a-z-]+) (\d+)(?=[,;]|$)", text)}


def test_one_person_alone_does_nothing(steps: dict[str, str]) -> None:
    needed = tomllib.loads((STORY / "deployment.toml").read_text(encoding="utf-8"))["approvals"]["needed"]
    assert steps["one alone"].startswith(f"refused: 1 of {needed} persons approve")
    assert steps["one as two"] == "refused: the approval by `legal` has a wrong signature"


def test_what_two_persons_do_is_done_once_to_whom_it_was_judged(steps: dict[str, str], people: list[Person]) -> None:
    plan = planned(people)
    (outcome,) = re.findall(r"approve: (.+?), resumed after a crash", steps["two"])
    outcomes = numbers(outcome)
    assert set(outcomes) <= {"done", "already-gone", "stale"}
    assert outcomes["stale"] == 1
    assert sum(outcomes.values()) == len(plan)
    ejected = len(plan) - 2  # one has left, one has moved
    assert f"{ejected} bans, of {ejected} persons" in steps["two"]
    failed, calls, faults = re.findall(r"(\d+) of (\d+) calls fail: (.+?);", steps["two"])[0]
    assert re.search(r"waits of \d+ s are left out here", steps["two"])
    assert sum(numbers(faults).values()) == int(failed) < int(calls)
    assert set(numbers(faults)) <= {"lost-answer", "rate-limit", "unavailable", "time-out"}
    assert re.fullmatch(r"refused: it was applied at 2020-06-04T\S+Z: one plan acts once", steps["once more"])


def test_the_last_host_hands_over_and_no_meeting_ends(steps: dict[str, str], people: list[Person]) -> None:
    assert f"one of the {len(planned(people))} leaves" in steps["meanwhile"]
    (meeting,) = re.findall(r"the host of (\S+) leaves it to one of them, in CN", steps["meanwhile"])
    assert meeting in {person.meeting for person in planned(people)}
    count = len(ORDERED)
    assert f"Meetings that go on, with a host: {count} of {count}; of 1 it is another host" in steps["two"]


def test_who_comes_back_is_told_why(steps: dict[str, str]) -> None:
    deployment = tomllib.loads((STORY / "deployment.toml").read_text(encoding="utf-8"))
    (order,) = tomllib.loads((STORY / "policy.toml").read_text(encoding="utf-8"))["order"]
    text = steps["rejoining"]
    assert text.startswith("451 Unavailable For Legal Reasons: a table of 2020-06-01 claims CN")
    assert f"By {order['issuer']} until {order['until']:%Y-%m-%d}; contest: {order['contest']}" in text
    assert text.endswith(f'Link: <{deployment["operator"]["contact"]}>; rel="blocked-by"')


def test_what_is_done_around_it_is_found(steps: dict[str, str], people: list[Person]) -> None:
    found = re.fullmatch(
        r"an administrator ejects somebody from (\S+), around all this "
        r"`audit reconcile` explains (\d+), but not line (\d+) of the log: it is this",
        steps["by hand"],
    )
    assert found is not None
    assert found[1] in ORDERED
    assert int(found[2]) == len(planned(people)) - 2
    assert int(found[3]) > len(people), "everybody joined before that"


def test_when_the_order_ends_everybody_may_rejoin(steps: dict[str, str], people: list[Person]) -> None:
    count = len(planned(people))
    assert steps["order ends"] == (
        f"the inverse clears {count - 2} bans and leaves 0; nobody need approve "
        f"The {count} of the plan rejoin: {count} x 201 Created"
    )


def test_a_receipt_and_the_records_are_verified_by_other_processes(steps: dict[str, str]) -> None:
    (order,) = tomllib.loads((STORY / "policy.toml").read_text(encoding="utf-8"))["order"]
    assert re.fullmatch(
        rf"`audit open`: {order['id']}, eject, (done|already-gone), claimed CN "
        r"The row of another person with it: refused",
        steps["a receipt"],
    )
    assert re.fullmatch(
        r"`audit verify`: [1-9]\d* records, sound; one letter changed: found "
        r"Of [1-9]\d names and addresses of the plan they hold 0",
        steps["records"],
    )


def test_another_story_says_something_else(tmp_path: Path, people: list[Person]) -> None:
    copy = tmp_path / "examples"
    shutil.copytree(DEMO.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    roster = copy / "story" / "roster.csv"
    text = roster.read_text(encoding="utf-8")
    others = "".join(line for line in text.splitlines(keepends=True) if ",c03," not in line)
    assert others != text
    roster.write_text(others, encoding="utf-8")
    policy = copy / "story" / "policy.toml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("appeals.example", "court.example"), encoding="utf-8")
    lines = shown_by(copy / "demo.py", tmp_path)
    found = steps_of(lines[next(index for index, line in enumerate(lines) if line.startswith("Acting on the plan")) :])
    count = len(planned(people)) - 1
    assert f"The {count} of the plan rejoin: {count} x 201 Created" in found["order ends"]
    assert "contest: https://court.example" in found["rejoining"]


# The commands.


def commands() -> list[list[str]]:
    """The calls of the command in the README of the examples."""
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("regionfast ")]


def run(arguments: list[str], folder: Path) -> str:
    """What the command writes on stdout."""
    command = [sys.executable, "-m", "regionfast.cli", *arguments]
    environment = {"COLUMNS": "80"}
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the story, where the first command of the README has made the table."""
    copy = tmp_path_factory.mktemp("examples") / "story"
    shutil.copytree(STORY, copy)
    first = commands()[0]
    assert first[:3] == ["table", "build", "table.csv"]
    run(first, copy)
    return copy


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_the_commands_of_the_readme_say_the_same(arguments: list[str], people: list[Person], folder: Path) -> None:
    written = run(arguments, folder)
    leave = sum(person.leaves(networks("table.csv")) for person in people)
    words = re.sub(r"\s+", " ", written)
    match arguments[:2]:
        case ["preview", _]:
            assert f"affected {leave} of {len(people)} connections" in words
            assert "outside 0: checked" in words
            assert ("14 override" in words) == ("--overrides" in arguments)
        case ["decide", "ejections"]:
            assert words.count(" eject ") == leave
        case ["decide", "joins"]:
            assert words.count(" deny ") == leave
        case ["explain", _]:
            assert "meeting 604-003 stays" in words
            assert "corrected to HK" in words
        case ["table", "build"]:
            assert "wrote table.rft" in words
        case _:
            assert arguments[:2] == ["table", "compare"]
            assert "CN HK 4,096" in words
    assert not any(text and text in written for person in people for text in person.addresses)


def test_the_readme_names_every_file_and_fault() -> None:
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    first = re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE)
    named = {name for cell in first for name in re.findall(r"`(\S+?)`", cell)}
    files = {path.name for folder in (STORY, DEMO.parent) for path in folder.iterdir() if path.is_file()}
    assert named == files - {"README.md"} | set(Fault)
    assert len(commands()) == 8
