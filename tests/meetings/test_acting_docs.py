"""The examples of docs/acting.md run as they stand there; what the pages on acting list is what the code has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from regionfast.cli import main
from regionfast.meetings.act.approval import MOST_AHEAD
from regionfast.meetings.act.control import MeetingControl, Outcome

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text("utf-8") for name in ("acting", "privacy", "threats")}
ACTING = PAGES["acting"]
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\S.*)\n((?:.*\n)*?)```$", ACTING, re.MULTILINE)
PYTHON = [text for info, text in BLOCKS if info == "python"]
COMMANDS = [
    shlex.split(line)
    for page in PAGES.values()
    for block in re.findall(r"^```(?:console|text)\n((?:.*\n)*?)```$", page, re.MULTILINE)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("regionfast ")
]


def first_cells(heading: str, page: str = ACTING) -> list[str]:
    """What the first column of a table says, by the heading of that column."""
    table = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert table is not None, heading
    return [line.split("|")[1].strip() for line in table[1].splitlines()]


def test_python_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(PYTHON) == 11
    names: dict[str, object] = {"__name__": "acting"}
    for block in PYTHON:
        exec(compile(block, "docs/acting.md", "exec"), names)  # noqa: S102
    assert sum("assert " in block for block in PYTHON) == 8
    for path in (tmp_path / "audit").rglob("*"):  # the page says that no record names anybody
        if path.is_file():
            for text in (b"user-1", b"conn-1", b"604-001", b"36.20.9"):
                assert text not in path.read_bytes(), path.name


def test_no_block_is_left_out() -> None:
    assert {info for info, _ in BLOCKS} == {"python", "text"}
    assert ACTING.count("```") == 2 * len(BLOCKS)


def test_every_outcome_is_in_the_table() -> None:
    assert [cell.strip("`") for cell in first_cells("outcome")] == [str(outcome) for outcome in Outcome]


def test_every_method_of_the_control_is_in_the_table() -> None:
    methods = [name for name, thing in vars(MeetingControl).items() if callable(thing) and not name.startswith("_")]
    assert [cell.strip("`") for cell in first_cells("method")] == methods


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[1:3]))
def test_commands_are_spelled_as_they_are(command: list[str]) -> None:
    """Each subcommand is there and knows each option; it is not run."""
    options = [word for word in command if word.startswith("-")]
    help_text = CliRunner().invoke(main, [*command[1:3], "--help"])
    assert help_text.exit_code == 0, help_text.output
    for option in options:
        assert re.search(rf"(?<![\w-]){re.escape(option)}\b", help_text.output), option


def test_facts_in_the_text() -> None:
    assert f"at most {MOST_AHEAD.days} days ahead" in ACTING


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGES[name])
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = DOCS / path if path else DOCS / f"{name}.md"
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}, link


def test_rows_of_tables_are_whole() -> None:
    for name, page in PAGES.items():
        for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(widths) == 1, (name, table[:60])
