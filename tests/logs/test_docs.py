"""The recipes of docs/logs.md run as they stand there, and print what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import regionfast as rf
from regionfast._lib import LogScan, LogSource
from regionfast.cli import main
from regionfast.logs import FORMATS
from regionfast.logs.formats import PEEK, PRESETS, SAMPLE, TABLES, Reading
from regionfast.logs.run import REASONS
from regionfast.logs.write import KINDS
from regionfast.types import Status

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "logs.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\S.*)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE)
CONTENTS = ("csv", "json", "text")
STEPS = ("console", "python")


def ran(command: str) -> tuple[int, str]:
    """A command's exit code, and what it prints: stdout, then stderr. Ours runs in here, what needs a shell in one."""
    words = shlex.split(command)
    if words[0] == "regionfast" and "|" not in words:
        ours = CliRunner().invoke(main, words[1:])
        return ours.exit_code, ours.stdout + ours.stderr
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
    )
    return shell.returncode, shell.stdout + shell.stderr


def says(expected: str, printed: str) -> bool:
    """Whether a block shows what was printed; `...` stands for what is not shown, of a line or of lines."""
    lines = [
        r"(?:.*\n)+?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in expected.splitlines()
    ]
    return re.fullmatch("".join(lines), printed) is not None


def check_console(info: str, text: str) -> None:
    """Each command of a block prints what stands behind it, and all but the last end with 0."""
    commands = re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    assert text.startswith("$ ")
    for number, (command, expected) in enumerate(commands, 1):
        code, printed = ran(command)
        wanted = int(info.removeprefix("console").removeprefix(" exit ") or 0) if number == len(commands) else 0
        assert code == wanted, (command, printed)
        assert says(expected, printed), f"{command}\n{printed}"


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for info, text in BLOCKS:
        kind, _, name = info.partition(" ")
        if kind in CONTENTS:
            Path(name).write_text(text, "utf-8")
        elif kind == "console":
            check_console(info, text)
        else:
            assert "assert " in text or "import " in text
            exec(compile(text, "docs/logs.md", "exec"), names)  # noqa: S102


LINE = b'8.8.8.8 - - [10/Jun/2026:09:12:01 +0000] "GET / HTTP/1.1" 200 5120 "-" "Mozilla/5.0"\n'
LINES = 60_000
"""About 5 MB: what is read at once is less."""


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(LINE * 10 + LINE[:20])


def shrink(path: Path) -> None:
    os.truncate(path, len(LINE) * (LINES // 2) + 10)


def replace(path: Path) -> None:
    path.with_suffix(".new").write_bytes(LINE)
    path.with_suffix(".new").rename(path)


@pytest.mark.parametrize(
    ("change", "rows", "unparsed"),
    [(grow, LINES + 10, 1), (shrink, LINES // 2, 1), (replace, LINES, 0), (Path.unlink, LINES, 0)],
)
def test_what_others_do_to_a_file(tmp_path: Path, change: Callable[[Path], None], rows: int, unparsed: int) -> None:
    """As "While a file is read" says."""
    path = tmp_path / "access.log"
    path.write_bytes(LINE * LINES)
    scan = LogScan(LogSource(path), rf.open(), shape="common", client=0, time=3, threads=1)
    assert scan.step(1)
    assert 0 < scan.lines < LINES // 2
    change(path)
    while scan.step():
        pass
    assert (scan.lines - scan.skipped - scan.unparsed, scan.unparsed, scan.failure) == (rows, unparsed, None)


def test_no_block_is_left_out() -> None:
    assert {info.partition(" ")[0] for info, _ in BLOCKS} == {*CONTENTS, *STEPS}
    assert PAGE.count("```") == 2 * len(BLOCKS)
    assert {info for info, _ in BLOCKS if info.startswith("console")} <= {"console", "console exit 2", "console exit 3"}


def test_every_file_is_read() -> None:
    files = {info.partition(" ")[2] for info, _ in BLOCKS if info.partition(" ")[0] in CONTENTS}
    steps = "".join(text for info, text in BLOCKS if info.partition(" ")[0] in STEPS)
    assert files
    assert [name for name in sorted(files) if name not in steps] == []


def test_what_is_shown_is_compared() -> None:
    assert says("a\n...\nz\n", "a\nb\nc\nz\n")
    assert says("time  ...\n", "time  0.01 s\n")
    assert not says("a\n", "a\nb\n")
    assert not says("a\n...\n", "a\n")
    assert not says("", "a\n")


def test_every_format_has_a_row_and_a_recipe() -> None:
    table = re.search(r"^\| `--format` .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None
    named = [name for row in table[1].splitlines() for name in re.findall(r"`([a-z0-9]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(set(FORMATS) - {"auto"})


def test_numbers_and_names_are_those_of_the_code() -> None:
    assert f"{PEEK:,} bytes" in PAGE
    assert f"at most {SAMPLE} lines" in PAGE
    for name in (*REASONS, *map(str, Status)):
        assert f"`{name}`" in PAGE
    for preset in PRESETS:
        assert preset.name in PAGE
    assert set(TABLES) <= set(FORMATS)
    assert Reading().trusted == ()
    assert set(KINDS) == {".arrow", ".csv", ".jsonl", ".parquet"}


def test_options_are_those_of_the_command() -> None:
    command = main.get_command(click.Context(main), "classify")
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    ours = re.sub(r"`zstd [^`]*`", "", PAGE)
    assert set(re.findall(r"(?<=[` \[*])--[a-z][a-z-]+", ours)) == known


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_links_lead_somewhere(link: str) -> None:
    assert (DOCS / link).exists()
