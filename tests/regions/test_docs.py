"""The tables of docs/regions.md are the data, and its example runs."""

from __future__ import annotations

import doctest
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from regionfast import regions
from regionfast.regions.data import ALIASES, CONTESTED, GROUPS, Membership

PAGE = (Path(__file__).parent.parent.parent / "docs" / "regions.md").read_text("utf-8")
BRUSSELS = ZoneInfo("Europe/Brussels")


def alias_table() -> list[str]:
    """One line for each region: its canonical form and the other codes."""
    codes: dict[str, list[str]] = {}
    for row in ALIASES.values():
        # Codes alone; names of databases would double the table.
        if row.code.isupper() and len(row.code) <= len("FR-GUA"):
            codes.setdefault(row.canonical, []).append(row.code)
    return [f"| `{form}` | {', '.join(f'`{code}`' for code in sorted(codes[form]))} |" for form in sorted(codes)]


def group_table(name: str) -> list[str]:
    """One line for each day of entry: day, regions, and days of leaving."""

    def day(row: Membership) -> str:
        return row.since.astimezone(BRUSSELS).date().isoformat()

    held = {row.region for held in GROUPS.values() if held.name == "EU" for row in held.rows}
    own = [row for row in GROUPS[name].rows if name != "EU-TERRITORY" or row.region not in held]
    lines = []
    for since, rows in groupby(sorted(own, key=lambda row: (day(row), row.region)), key=day):
        regions_in = [
            f"{row.region} (until {row.until.astimezone(BRUSSELS).date()})" if row.until else row.region for row in rows
        ]
        lines.append(f"| {since} | {', '.join(regions_in)} |")
    return lines


def contested_table() -> list[str]:
    """One line for each place."""
    return [f"| `{row.code}` | {row.note} |" for row in CONTESTED.values()]


@pytest.mark.parametrize(
    "table",
    [alias_table(), *(group_table(name) for name in GROUPS), contested_table()],
    ids=["aliases", *GROUPS, "contested"],
)
def test_tables_are_the_data(table: list[str]) -> None:
    assert "\n" + "\n".join(table) + "\n\n" in PAGE


def test_the_page_names_the_version() -> None:
    assert f"`{regions.DATA_VERSION}`" in PAGE
    assert regions.ACTS_SEEN_UNTIL in PAGE


def test_the_examples_run() -> None:
    examples = doctest.DocTestParser().get_doctest(PAGE.replace("```", ""), {}, "docs/regions.md", None, 0)
    assert len(examples.examples) > 10
    assert doctest.DocTestRunner().run(examples).failed == 0
