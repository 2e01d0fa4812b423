"""The examples of docs/rosters.md run as they stand there, and its tables of headings are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import regionfast as rf
from regionfast import exports
from regionfast.cli import main
from regionfast.meetings import HOST_ROLES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "rosters.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\S.*)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE)
FILES = {info.removeprefix("csv "): text for info, text in BLOCKS if info.startswith("csv ")}
PYTHON = [text for info, text in BLOCKS if info == "python"]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files of the page, which is the working directory."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(cell: str) -> list[str]:
    """The headings of a cell as the code compares them."""
    return [exports._key(name) for name in re.findall(r"`([^`]+)`", cell)]


def rows(first: str) -> dict[str, list[str]]:
    """The cells of the table that begins with a heading, by what its first column says."""
    table = re.search(rf"^\| {re.escape(first)} \|(?:.*\n)\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None, first
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]
    return {row[0].strip("`"): row[1:] for row in cells}


@pytest.mark.usefixtures("written")
def test_python_blocks_run_in_order() -> None:
    assert len(PYTHON) == 9
    names: dict[str, object] = {}
    for block in PYTHON:
        assert "assert " in block
        exec(compile(block, "docs/rosters.md", "exec"), names)  # noqa: S102


def test_every_file_is_read() -> None:
    assert len(FILES) == 5
    for name in FILES:
        assert f'"{name}"' in "\n".join(PYTHON)


def test_no_block_is_left_out() -> None:
    assert {info.partition(" ")[0] for info, _ in BLOCKS} == {"csv", "python", "console"}
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_commands_run(written: Path) -> None:
    commands = [line[2:] for info, text in BLOCKS if info == "console" for line in text.splitlines()]
    assert commands
    for line in commands:
        ran = CliRunner().invoke(main, shlex.split(line)[1:])
        assert ran.exit_code == 0, (line, ran.output, written)


def test_own_headings() -> None:
    assert {column: tuple(keys(cells[0])) for column, cells in rows("column").items()} == dict(exports.OWN)
    columns = {column: keys(cells[0]) for column, cells in rows("in Python").items()}
    assert columns == {column: [names[0]] for column, names in exports.OWN.items()}


@pytest.mark.parametrize("product", exports.PRODUCTS, ids=lambda product: product.name)
def test_headings_of_products(product: exports.Product) -> None:
    found = rows(product.name)
    assert {"series", "roles", "connections"} & found.keys() == {"series", "roles", "connections"} & set(
        product.columns
    )
    for column in ("participants", "addresses", "meetings", "series", "roles", "connections"):
        if column in found:
            text = " ".join(found[column])
            numbered = [(int(number), exports._key(name)) for number, name in re.findall(r"(\d) `([^`]+)`", text)]
            headings = [name for _, name in sorted(numbered)] if numbered else keys(text)
            assert tuple(headings) == product.columns[column], column
    times = {name for column in ("joined", "left", "seconds") for name in product.columns.get(column, ())}
    assert set(keys(" ".join(found["times"]))) == times
    if product.events is not None:
        assert set(keys(" ".join(found["event"]))) == product.events | set(product.columns["event"])


def test_facts_in_the_text() -> None:
    assert f"first {exports.PREAMBLE} rows" in PAGE
    assert f"{exports.LONGEST_LINE:,} characters" in PAGE
    assert ", ".join(f"`{role}`" for role in HOST_ROLES) in PAGE


@pytest.mark.usefixtures("written")
def test_without_ids_the_second_address_does_not_protect() -> None:
    """What "Several addresses" warns of."""
    lines = FILES["roster.csv"].splitlines()
    without = [",".join(cell for place, cell in enumerate(line.split(",")) if place != 3) for line in lines]
    Path("without.csv").write_text("\n".join(without), "utf-8")
    assert (len(rf.Roster.from_csv("roster.csv")), len(rf.Roster.from_csv("without.csv"))) == (4, 5)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_links_lead_somewhere(link: str) -> None:
    assert (DOCS / link).exists()
