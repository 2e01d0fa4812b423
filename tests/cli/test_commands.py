"""The command: what it prints, where, and with which exit code."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import click
import pytest

import regionfast as rf
from cli.calls import on_terminal, run, shell
from regionfast.cli import claims, lookup


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
    # By way of a shell: the peak of a process that this one starts is at least the size of this one.
    command = ["bash", "-c", '"$@"; exit $?', "-", sys.executable, "-c", program]
    with path.open("rb") as stdin:
        ended = subprocess.run(command, stdin=stdin, capture_output=True, check=True, timeout=110)
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


def test_without_a_word_there_is_help() -> None:
    nothing = run()
    assert (nothing.exit_code, nothing.stdout) == (0, run("--help").stdout)
    bare = run("table")
    assert (bare.exit_code, bare.stdout) == (2, "")
    assert "Try 'main table --help'" in bare.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lookup"], "Missing argument 'ADDRESS...'"),
        (["lookup", "--threads", "2001:db8::1", "9.9.9.9"], "Invalid value for '--threads': 'ADDRESS' is not"),
        (["lookup", "--level", "city", "9.9.9.9"], "Invalid value for '--level': 'city' is not one of"),
        (["9.9.9.9"], "No such command 'ADDRESS'"),
        (["doctor", "9.9.9.9"], "Got unexpected extra argument (ADDRESS)"),
        (["table", "build", "x.csv"], "Missing option '-o'"),
        (["table", "info", "a", "--database", "b"], "give FILE or --database, not both"),
        (["table", "build", "x.csv", "-o", "y", *["--field", "z"] * 3], "--field is given once, or twice"),
        (["table", "build", "x.csv", "-o", "y", "--nat64", "192.0.2.0/24"], "nat64"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors_say_which_word_is_wrong(
    words: list[str], said: str, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(database.parent)
    ended = run(*words)
    assert ended.exit_code == 2
    assert said.lower() in ended.stderr.lower()
    for address in ("9.9.9.9", "2001:db8::1", "192.0.2.0"):
        assert address not in ended.output


def test_a_table_is_not_written_over_its_database(database: Path) -> None:
    before = database.read_bytes()
    assert run("table", "build", database, "-o", database).exit_code == 2
    assert database.read_bytes() == before


@pytest.mark.parametrize("words", [["lookup", "8.8.8.8"], ["lookup", "--level", "city", "8.8.8.8"], ["doctor"]])
def test_a_closed_stderr_changes_no_exit_code(words: list[str]) -> None:
    command = [sys.executable, "-m", "regionfast.cli", *words]
    quiet = subprocess.run(["bash", "-c", '"$@" 2>&-', "-", *command], capture_output=True, check=False, timeout=60)
    loud = shell(*words)
    assert (quiet.returncode, quiet.stdout) == (loud.returncode, loud.stdout)


def test_a_closed_stdout_or_stdin_is_said() -> None:
    def redirected(how: str, *words: str) -> tuple[int, bytes]:
        command = ["bash", "-c", f'"$@" {how}', "-", sys.executable, "-m", "regionfast.cli", *words]
        ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
        return ended.returncode, ended.stderr

    assert redirected(">&-", "lookup", "8.8.8.8") == (3, b"Error: cannot write the output: stdout is closed\n")
    assert redirected("<&-", "lookup", "8.8.8.8") == (0, b"")
    table = str(rf.open().info.source)
    for words in (
        ["lookup", "-"],
        ["census", "-"],
        ["policy", "check", "-"],
        ["table", "compare", table, table, "--sample", "-"],
    ):
        assert redirected("<&-", *words) == (2, b"Error: stdin is closed\n")
    code, said = redirected("0>/dev/null", "lookup", "-")
    assert (code, said.startswith(b"Error: cannot read stdin: ")) == (2, True)


def test_input_that_breaks_off_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaking:
        chunks: ClassVar = [b"8.8.8.8\n9.9"]

        @property
        def buffer(self) -> Breaking:
            return self

        def read1(self, _: int) -> bytes:
            if self.chunks:
                return self.chunks.pop()
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", Breaking())
    batches = lookup.stdin_batches()
    assert next(batches) == ["8.8.8.8"]
    with pytest.raises(click.ClickException) as failed:
        next(batches)
    assert failed.value.exit_code == 3
    assert failed.value.message == "cannot read stdin: Input/output error"


def test_stdin_stands_where_it_was_named() -> None:
    found = run("lookup", "--json", "1.1.1.1", "-", "9.9.9.9", stdin="8.8.8.8\n\n")
    assert [json.loads(line)["address"] for line in found.stdout.splitlines()] == ["1.1.1.1", "8.8.8.8", "", "9.9.9.9"]


def test_a_byte_order_mark_may_come_alone() -> None:
    command = [sys.executable, "-m", "regionfast.cli", "lookup", "--json", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"\xef\xbb\xbf")
        process.stdin.flush()
        time.sleep(0.5)
        output, _ = process.communicate(b"8.8.8.8\n", timeout=60)
    assert json.loads(output)["region"] == "US"


def test_a_line_without_end_takes_little_memory() -> None:
    program = (
        "import resource, sys\nfrom regionfast.cli import main\n"
        "try: main(['lookup', '--json', '-'])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    # Made by a shell: what the parent holds counts as the child's peak, since it is forked.
    endless = "(head -c 300000000 /dev/zero; echo; echo 8.8.8.8)"
    ended = subprocess.run(
        ["bash", "-c", f'{endless} | "$@"', "-", sys.executable, "-c", program],
        capture_output=True,
        check=True,
        timeout=60,
    )
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["invalid", "located"]
    assert int(ended.stderr.split()[-1]) < 200 * 1024


def test_junk_neither_splits_columns_nor_commands_the_terminal() -> None:
    junk = ["two words", "\033[31mred", "back\\slash", "mañana", "x" * 46, "8.8.8.8 "]
    rows = [line.split() for line in run("lookup", *junk).stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == [
        r"two\x20words",
        r"\x1b[31mred",
        r"back\\slash",
        r"ma\xf1ana",
        "x" * 45 + "...",
        r"8.8.8.8\x20",
    ]
    assert {tuple(row[1:]) for row in rows} == {("-", "invalid", "-", "-", "-")}
    exact = [json.loads(line)["address"] for line in run("lookup", "--json", *junk).stdout.splitlines()]
    assert exact == junk


def test_what_a_database_says_of_itself_cannot_command_the_terminal(tmp_path: Path) -> None:
    from databases import write_mmdb

    path = write_mmdb(tmp_path / "x.mmdb", {"1.0.0.0/8": {"country_code": "CN"}}, kind="\033[2J\nHöhe")
    listed = run("table", "info", path).stdout
    assert "\033" not in listed
    assert r"\x1b[2J\nHöhe" in listed
    assert json.loads(run("table", "info", path, "--json").stdout)["kind"] == "\033[2J\nHöhe"
    ascii_only = shell("table", "info", path, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (ascii_only.returncode, rb"H\xf6he" in ascii_only.stdout) == (0, True)

    write_mmdb(path, {"1.0.0.0/8": {"\033[2J\n": "CN"}})
    refused = run("lookup", "--database", path, "1.1.1.1")
    assert (refused.exit_code, len(refused.stderr.splitlines()), "\033" in refused.stderr) == (4, 1, False)


@pytest.mark.parametrize(
    "words",
    [
        ["doctor"],
        ["table", "info"],
        ["lookup", "--help"],
        ["doctor", "--help"],
        ["table", "--help"],
        *(["table", name, "--help"] for name in ("info", "build", "verify", "compare")),
    ],
)
def test_all_else_fits_80_columns(words: list[str]) -> None:
    assert max(map(len, on_terminal(*words, NO_COLOR="1").splitlines())) <= 80


@pytest.mark.parametrize("words", [[], ["table"], ["decide"], ["policy"], ["plan"], ["audit"]])
def test_what_a_command_does_is_not_cut_in_a_list_of_commands(words: list[str]) -> None:
    listed = on_terminal(*words, "--help", NO_COLOR="1").partition("Commands:\n")[2].partition("\n\n")[0]
    assert len(listed.splitlines()) >= 2
    assert "..." not in listed


def test_the_first_exit_code_names_its_conditions() -> None:
    (line,) = [line for line in run("--help").stdout.splitlines() if line.startswith("    1 ")]
    assert "..." not in line


@pytest.mark.parametrize("columns", ["20", "300"])
def test_a_pipe_has_no_width(columns: str) -> None:
    address = "2001:4860:4860:1234:5678:9abc:def0:8888"
    piped = shell("lookup", address, "8.8.8.8", env=os.environ | {"COLUMNS": columns, "FORCE_COLOR": "1"}).stdout
    assert piped == shell("lookup", address, "8.8.8.8").stdout
    _, first, second = piped.decode().splitlines()
    assert first.split()[:2] == [address, "US"]
    assert first.index("located") == second.index("located")


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_is_shown_to_a_person_who_waits(tmp_path: Path, *, quiet: bool) -> None:
    main_end, process_end = pty.openpty()
    command = [sys.executable, "-m", "regionfast.cli", "lookup", "-", *["--quiet"] * quiet]
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run(command, input=b"8.8.8.8\n", stdout=out, stderr=process_end, check=True, timeout=60)
    os.close(process_end)
    os.set_blocking(main_end, False)
    try:
        shown = os.read(main_end, 1000)
    except OSError:
        shown = b""
    os.close(main_end)
    assert shown == (b"" if quiet else b"\r1 addresses\r\033[K")


def test_doctor_says_the_rest_where_the_table_is_broken(tmp_path: Path) -> None:
    broken = tmp_path / "x.rft"
    broken.write_bytes(rf.open().to_bytes()[:-1])
    ended = run("doctor", "--json", "--database", broken)
    report = json.loads(ended.stdout)
    assert ended.exit_code == 4
    assert "x.rft" in report["error"]
    assert report["error"] in ended.stderr
    assert (report["table"], report["kernel"], report["numpy"] is not None) == (None, None, True)
    assert "cannot be used" in run("doctor", "--database", broken).stdout


def test_doctor_says_what_forces_the_kernel() -> None:
    forced = shell("doctor", env=os.environ | {"REGIONFAST_KERNEL": "scalar"})
    assert b"REGIONFAST_KERNEL=scalar" in forced.stdout
    wrong = shell("doctor", "--json", env=os.environ | {"REGIONFAST_KERNEL": "abacus"})
    assert wrong.returncode == 2
    assert b"`abacus`" in wrong.stderr
    assert json.loads(wrong.stdout)["kernel_variable"] == "abacus"


@pytest.mark.parametrize(
    ("days", "said"),
    [(0, "0 days ago"), (1, "1 day ago"), (89, "89 days ago"), (90, "90 days ago: old"), (-3, "still to come")],
)
def test_the_age_of_a_table_in_a_plain_word(days: int, said: str) -> None:
    info = replace(rf.open().info, built_at=datetime.now(UTC) - timedelta(days=days, minutes=1))
    assert said in claims.built(info)
    assert ("old" in claims.built(info)) == (days >= 90)
    assert claims.is_old(info) == (days >= 90)
    assert claims.built(replace(info, built_at=None)) == "the database does not say when"


def test_the_json_of_info_has_every_field(database: Path) -> None:
    info = json.loads(run("table", "info", database, "--json").stdout)
    assert set(info) == {field.name for field in dataclasses.fields(rf.TableInfo)} | {"age_days", "bundled"}
    assert (info["built_at"], info["age_days"], info["bundled"]) == (None, None, False)
    assert json.loads(run("table", "info", "--json").stdout)["age_days"] > 0


def test_the_bundled_table_comes_from_its_script(tmp_path: Path) -> None:
    from databases import write_mmdb

    database = write_mmdb(tmp_path / "x.mmdb", {"1.0.0.0/8": {"country_code": "CN"}})
    script = Path(__file__).parents[2] / "scripts" / "make_bundled_table.py"
    digests = []
    for name in ("a.rft", "b.rft"):
        made = subprocess.run(
            [sys.executable, script, database, "--output", tmp_path / name],
            capture_output=True, check=True, text=True, timeout=60,
        )  # fmt: skip
        digests.append(made.stdout.split("digest ")[-1].strip())
    assert (tmp_path / "a.rft").read_bytes() == (tmp_path / "b.rft").read_bytes()
    assert digests == [rf.open(tmp_path / "a.rft").info.digest] * 2
