"""The command: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import regionfast as rf
from regionfast.cli import main


def run(*words: object, stdin: str | bytes | None = None) -> Result:
    """Run in this process."""
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)


def shell(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run in a process of its own."""
    command = [sys.executable, "-m", "regionfast.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)


def on_terminal(*words: str, columns: int = 80, **environment: str) -> str:
    """What a person sees in a terminal of this width."""
    main_end, process_end = pty.openpty()
    whole = os.environ | {"COLUMNS": str(columns), "TERM": "xterm"} | environment
    command = [sys.executable, "-m", "regionfast.cli", *words]
    with subprocess.Popen(command, stdout=process_end, stdin=subprocess.DEVNULL, env=whole) as process:
        os.close(process_end)
        shown = b""
        while True:
            try:
                chunk = os.read(main_end, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        process.wait(timeout=60)
    os.close(main_end)
    return shown.decode().replace("\r\n", "\n")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A small database."""
    path = tmp_path / "x.csv"
    path.write_text("1.0.0.0/8,CN\n1.2.0.0/16,US-CA\n2400::/12,JP\n", encoding="utf-8")
    return path


def test_lookup_prints_a_table() -> None:
    found = run("lookup", "8.8.8.8", "2400:3200::1", "::ffff:168.95.1.1", "10.0.0.1", "x")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[0].split() == ["address", "region", "status", "evidence", "unwrapped", "network"]
    assert lines[1].split()[:4] == ["8.8.8.8", "US", "located", "database"]
    assert lines[3].split()[:5] == ["::ffff:168.95.1.1", "TW", "located", "database", "mapped"]
    assert lines[4].split() == ["10.0.0.1", "-", "private", "-", "-", "10.0.0.0/8"]
    assert lines[5].split()[:3] == ["x", "-", "invalid"]
    assert found.stderr == ""


def test_lookup_as_json_lines() -> None:
    rows = [json.loads(line) for line in run("lookup", "--json", "8.8.8.8", "nobody").stdout.splitlines()]
    assert rows[0] == {
        "address": "8.8.8.8", "region": "US", "status": "located", "evidence": "database", "unwrapped": None,
        "network": rf.open().lookup("8.8.8.8").network,
    }  # fmt: skip
    assert rows[1] == {
        "address": "nobody", "region": None, "status": "invalid", "evidence": None, "unwrapped": None, "network": None,
    }  # fmt: skip


def test_lookup_of_stdin() -> None:
    found = run("lookup", "--json", "-", stdin=b"\xef\xbb\xbf8.8.8.8\r\n\n\xff\xfe\n114.114.114.114")
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["located", "missing", "invalid", "located"]
    assert [row["region"] for row in rows] == ["US", None, None, "CN"]
    assert run("lookup", "-", stdin="").exit_code == 0
    assert run("lookup", "-", "-", stdin="").exit_code == 2


def test_options_reach_the_table(database: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("1.3.0.0/16,DE\n", encoding="utf-8")
    words = ["--database", database, "--level", "subdivision", "--overrides", own, "--threads", "1", "--json"]
    found = run("lookup", *words, "1.1.1.1", "1.2.1.1", "1.3.1.1")
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(row["region"], row["evidence"]) for row in rows] == [
        ("CN", "database"),
        ("US-CA", "database"),
        ("DE", "override"),
    ]


def test_table_info_build_and_verify(database: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.rft"
    built = run("table", "build", database, "-o", out, "--level", "subdivision", "--attribution", "me")
    assert (built.exit_code, "digest" in built.stdout) == (0, True)
    info = json.loads(run("table", "info", out, "--json").stdout)
    assert (info["level"], info["attribution"], info["region_count"]) == ("subdivision", "me", 3)
    assert info["digest"] == rf.open(out).info.digest
    assert run("table", "verify", out).exit_code == 0
    assert run("table", "verify", out, "--against", database).exit_code == 0
    database.write_text("1.0.0.0/8,HK\n", encoding="utf-8")
    assert run("table", "verify", out, "--against", database).exit_code == 1
    first = out.read_bytes()
    run("table", "build", out, "-o", tmp_path / "again.rft")
    assert (tmp_path / "again.rft").read_bytes() == first
    out.write_bytes(first[:-1])
    broken = run("table", "verify", out)
    assert (broken.exit_code, len(broken.stderr.splitlines())) == (4, 1)
    assert "x.rft" in broken.stderr
    assert run("table", "info").exit_code == 0


def test_doctor_says_what_will_be_used() -> None:
    report = json.loads(run("doctor", "--json").stdout)
    assert report["kernel"] in report["kernels"]
    assert report["regionfast"] == rf.__version__
    assert report["threads"] >= 1
    assert report["table"]["bundled"] is True
    text = run("doctor").stdout
    assert "the bundled table" in text
    assert "days ago" in text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["lookup"], 2),
        (["lookup", "--threads", "0", "8.8.8.8"], 2),
        (["lookup", "--level", "city", "8.8.8.8"], 2),
        (["nonsense"], 2),
        (["lookup", "--database", "none.mmdb", "8.8.8.8"], 4),
        (["lookup", "--overrides", "none.csv", "8.8.8.8"], 4),
        (["doctor", "--database", "none.mmdb"], 4),
        (["table", "info", "none.mmdb"], 4),
        (["table", "build", "none.mmdb", "-o", "x.rft"], 4),
        (["table", "verify", "none.rft"], 4),
        (["--version"], 0),
        (["--help"], 0),
        (["table", "build", "--help"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes(words: list[str], code: int) -> None:
    ended = run(*words)
    assert ended.exit_code == code
    if code:
        assert ended.stdout == "" or words[0] == "doctor"
        assert ended.stderr
        assert "Traceback" not in ended.output
        assert "8.8.8.8" not in ended.stderr


def test_a_full_disk_is_incomplete(database: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "regionfast.cli", "lookup", "8.8.8.8"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert ended.returncode == 3
    assert b"Traceback" not in ended.stderr
    assert run("table", "build", database, "-o", database.parent / "no" / "x.rft").exit_code == 3


def test_a_closed_pipe_is_no_error() -> None:
    lines = b"8.8.8.8\n" * 200_000
    command = f"{sys.executable} -m regionfast.cli lookup -; echo $? >&2"
    ended = subprocess.run(
        ["bash", "-c", f"({command}) | head -2"], input=lines, capture_output=True, check=False, timeout=60
    )
    assert ended.stdout.count(b"\n") == 2
    assert ended.stderr.strip() == b"0"


def test_interrupted_is_130() -> None:
    command = [sys.executable, "-m", "regionfast.cli", "lookup", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"8.8.8.8\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.readline()  # the first answer came before the end of the input
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in error


def test_many_lines_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_bytes(b"8.8.8.8\n2400:3200::1\n" * 250_000)
    program = (
        "import resource, sys\nfrom regionfast.cli import main\n"
        "try: main(['lookup', '--json', '-'])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    with path.open("rb") as stdin:
        ended = subprocess.run(
            [sys.executable, "-c", program], stdin=stdin, capture_output=True, check=True, timeout=110
        )
    assert ended.stdout.count(b"\n") == 500_000
    assert int(ended.stderr.split()[-1]) < 250 * 1024


@pytest.mark.parametrize("columns", [80, 40, 200])
def test_a_terminal_is_not_overflowed_and_no_address_is_cut(columns: int) -> None:
    addresses = ["2001:4860:4860:1234:5678:9abc:def0:8888", "8.8.8.8", "::ffff:255.254.253.252"]
    shown = on_terminal("lookup", *addresses, columns=columns, NO_COLOR="1")
    assert "\033" not in shown
    for address in addresses:
        assert address in shown
    if columns >= 80:
        assert max(map(len, shown.splitlines())) <= columns
    info = on_terminal("table", "info", columns=columns, NO_COLOR="1")
    assert rf.open().info.digest in info


def test_colour_is_for_terminals_that_want_it() -> None:
    assert "\033[1m" in on_terminal("lookup", "8.8.8.8")
    assert "\033" not in on_terminal("lookup", "8.8.8.8", NO_COLOR="1")
    assert b"\033" not in shell("lookup", "8.8.8.8").stdout


def test_warnings_are_notes_on_stderr(tmp_path: Path) -> None:
    from databases import write_mmdb

    path = write_mmdb(tmp_path / "x.mmdb", {"1.0.0.0/8": {"country_code": "CN"}}, ip_version=4)
    loud = run("lookup", "--database", path, "1.1.1.1")
    assert "note:" in loud.stderr
    assert "IPv6" in loud.stderr
    assert run("lookup", "--quiet", "--database", path, "1.1.1.1").stderr == ""


def test_usage_errors_do_not_repeat_addresses() -> None:
    ended = run("lookup", "--threads", "8.8.8.8", "9.9.9.9")
    assert ended.exit_code == 2
    assert "8.8.8.8" not in ended.output
    assert "ADDRESS" in ended.stderr
