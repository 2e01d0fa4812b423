"""`regionfast table compare`: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import Result

from cli import calls


def run(*words: object, stdin: str | None = None) -> Result:
    """Run in this process."""
    return calls.run("table", "compare", *words, stdin=stdin)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Two tables that disagree."""
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("8.0.0.0/8,CN\n9.0.0.0/8,US\n2400::/12,CN\n", encoding="utf-8")
    b.write_text("8.0.0.0/16,HK\n8.1.0.0/16,CN\n9.0.0.0/9,US\n9.128.0.0/9,DE\n2400::/16,TW\n", encoding="utf-8")
    return a, b


def test_one_table_of_eighty_columns(tables: tuple[Path, Path]) -> None:
    found = run(*tables)
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert [line.split() for line in lines[-4:]] == [
        ["A", "says", "B", "says", "IPv4", "addresses", "IPv6", "/48s"],
        ["CN", "HK", "65,536", "0"],
        ["CN", "TW", "0", "4,294,967,296"],
        ["US", "DE", "8,388,608", "0"],
    ]
    table = lines[lines.index("") :]
    assert max(map(len, table)) == 80
    assert next(line for line in table if line.startswith("agreement")).split()[-4:] == ["50.00", "%", "0.00", "%"]
    assert "disagree" in found.stdout
    assert "error" not in found.stdout.lower()


def test_json_has_all_pairs(tables: tuple[Path, Path]) -> None:
    whole = json.loads(run(*tables, "--json").stdout)
    assert {"a", "b", "level", "counted", "left_out", "ipv4", "ipv6", "pairs"} == set(whole)
    assert [(pair["a"], pair["b"]) for pair in whole["pairs"] if pair["agrees"] is False] == [
        ("CN", "HK"),
        ("CN", "TW"),
        ("US", "DE"),
    ]
    assert sum(pair["ipv6"] for pair in whole["pairs"]) == 2**48


def test_agreement(tables: tuple[Path, Path]) -> None:
    found = run(tables[0], tables[0])
    assert found.stdout.splitlines()[-1] == "no disagreement where both locate"
    assert found.stdout.count("100.00 %") == 2


def test_nearly_all_is_not_all(tmp_path: Path) -> None:
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("8.0.0.0/8,CN\n", encoding="utf-8")
    b.write_text("8.0.0.0/8,CN\n8.8.8.8/32,HK\n", encoding="utf-8")
    assert "99.99 %" in run(a, b).stdout
    assert "100.00 %" not in run(a, b).stdout


def test_many_pairs_are_cut_and_counted(tmp_path: Path) -> None:
    codes = [f"US-{letter}{number}" for letter in "ABCDE" for number in range(10)]
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("".join(f"8.{at}.0.0/16,{code}\n" for at, code in enumerate(codes)), encoding="utf-8")
    b.write_text("".join(f"8.{at}.0.0/16,DE-{'x' * 40}\n" for at, _ in enumerate(codes)), encoding="utf-8")
    found = run(a, b, "--level", "subdivision")
    lines = found.stdout.splitlines()
    assert lines[-1] == "and 30 further pairs, which --json has"
    assert max(map(len, lines[lines.index("") :])) == 80
    assert f"DE-{'x' * 14}..." in lines[-2]
    assert len(json.loads(run(a, b, "--level", "subdivision", "--json").stdout)["pairs"]) >= 50


SAMPLE = "8.0.0.1\n8.0.0.1\n9.200.0.1\n2400::1\n\nnobody\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SAMPLE, []),
        ("\ufeff" + SAMPLE.replace("\n", "\r\n"), []),
        ("address\n" + SAMPLE, []),
        ("IP\n" + SAMPLE, []),
        ("who,address\n" + "".join(f'"x, y",{line}\n' for line in SAMPLE.splitlines()), []),
        ("address,from\n" + "".join(f"1.1.1.1,{line}\n" for line in SAMPLE.splitlines()), ["--column", "From"]),
        ("ip\n" + "".join(f" {line} \n" for line in SAMPLE.splitlines()), []),
    ],
)
def test_a_sample(tables: tuple[Path, Path], tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "sample.csv"
    path.write_bytes(text.encode())
    for found in (
        run(*tables, "--sample", path, *words, "--json"),
        run(*tables, "--sample", "-", *words, "--json", stdin=text),
    ):
        whole = json.loads(found.stdout)
        assert (whole["counted"], whole["left_out"]) == ("sample", 2)
        assert whole["pairs"] == [
            {"a": "CN", "b": "HK", "ipv4": 2, "ipv6": 0, "agrees": False},
            {"a": "CN", "b": "TW", "ipv4": 0, "ipv6": 1, "agrees": False},
            {"a": "US", "b": "DE", "ipv4": 1, "ipv6": 0, "agrees": False},
        ]
    shown = run(*tables, "--sample", path, *words).stdout
    assert "addresses of the sample; left out: 2 rows without one" in shown
    assert "IPv6 addresses" in shown
    for line in SAMPLE.split():
        assert line not in shown


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("who,where\n8.8.8.8,x\n", [], "several columns: name the one with the addresses by --column"),
        ("who,where\n8.8.8.8,x\n", ["--column", "ip"], "the first row has no column of the name"),
        ("8.8.8.8,9.9.9.9\n", [], "several columns"),
        ("address\n8.8.8.8\n", ["--column", "8.8.8.8"], "the first row has no column of the name"),
        (None, [], "cannot be read"),
    ],
)
def test_samples_that_are_refused(
    tables: tuple[Path, Path], tmp_path: Path, text: str | None, words: list[str], message: str
) -> None:
    path = tmp_path / "sample.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    found = run(*tables, "--sample", path, *words)
    assert found.exit_code == 2
    assert message in found.stderr
    assert "8.8.8.8" not in found.stderr


def test_wrong_calls(tables: tuple[Path, Path], tmp_path: Path) -> None:
    assert run(tables[0]).exit_code == 2
    assert run(*tables, "--column", "ip").exit_code == 2
    assert run(tables[0], tmp_path / "nothing.mmdb").exit_code == 4


def test_an_empty_sample(tables: tuple[Path, Path]) -> None:
    found = run(*tables, "--sample", "-", stdin="")
    assert found.exit_code == 0
    assert json.loads(run(*tables, "--sample", "-", "--json", stdin="").stdout)["left_out"] == 0


def test_csv_and_parquet_have_all_pairs(tables: tuple[Path, Path], tmp_path: Path) -> None:
    pairs = json.loads(run(*tables, "--json").stdout)["pairs"]
    assert run(*tables, "-o", tmp_path / "pairs.parquet").exit_code == 0
    written = pq.read_table(tmp_path / "pairs.parquet")
    words = {None: None, True: "true", False: "false"}
    assert written.to_pylist() == [pair | {"agrees": words[pair["agrees"]]} for pair in pairs]
    lines = run(*tables, "--csv").stdout.splitlines()
    assert lines[:2] == ["a,b,ipv4,ipv6,agrees", "CN,HK,65536,0,false"]
    assert len(lines) == 1 + len(pairs)
    assert run(*tables, "-o", tables[0]).exit_code == 2
