"""Counts of logs as tables for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.calls import run
from regionfast.cli.counted import share

START = datetime(2026, 6, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "whole", "shown"),
    [
        (0, 0, "0.0%"),
        (0, 9, "0.0%"),
        (1, 9, "11.1%"),
        (9, 9, "100.0%"),
        (1, 10_000, "< 0.1%"),
        (9_999, 10_000, "> 99.9%"),
        (1, 1_000, "0.1%"),
        (999, 1_000, "99.9%"),
    ],
)
def test_a_share_of_something_is_not_nothing_nor_all(count: int, whole: int, shown: str) -> None:
    assert share(count, whole) == shown


def test_a_long_log_shows_its_last_hours(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    times = [START + timedelta(hours=hour) for hour in range(60)]
    lines = [f'8.8.8.8 - - [{time:%d/%b/%Y:%H:%M:%S} +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n' for time in times]
    path.write_text("".join(lines) + lines[0].replace("17/Jun", "31/Jun"), encoding="utf-8")
    shown = run("classify", path, "--by", "hour", "--quiet").stdout.splitlines()
    first = shown.index("hour, UTC                   rows  most of them") + 1
    assert shown[first : first + 49] == [
        *(f"{time:%Y-%m-%d %H:%M}               1  US 100.0%" for time in times[13:]),
        "undated                        1  US 100.0%",
        "and 13 earlier hours, which --json has",
    ]
    facts = [line.split() for line in shown]
    assert ["log", "2026-06-17T00:00:00Z", "to", "2026-06-19T11:00:00Z;", "1", "rows", "undated"] in facts


def test_many_regions_are_others(tmp_path: Path) -> None:
    database, path = tmp_path / "x.csv", tmp_path / "x.txt"
    codes = [f"A{letter}" for letter in "ABCDEFGHIJKLMNOQRSTUVWXYZ"]  # AP is no region
    database.write_text("".join(f"1.{number}.0.0/16,{code}\n" for number, code in enumerate(codes)), encoding="utf-8")
    path.write_text("".join(f"1.{number}.2.3 and 8.8.8.8\n" for number in range(25)), encoding="utf-8")
    words = ("classify", path, "--format", "extract", "--database", database, "--quiet")
    shown = run(*words).stdout.splitlines()
    assert shown[0].split() == ["region", "rows", "share"]
    assert shown[13].split() == ["13", "others", "13", "52.0%"]
    assert shown[14].split() == ["not", "located", "0", "0.0%"]
    assert shown[16].split() == ["region", "addresses", "share"]
    assert shown[30].split() == ["not", "located", "25", "50.0%"]
