"""`regionfast classify`."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from cli.calls import on_terminal, run, shell
from regionfast.cli import counted as counted_module
from regionfast.cli import outputs
from regionfast.logs.run import REASONS, Rejects
from regionfast.pseudonym import pseudonym

CLIENTS = (
    *("8.8.8.8", "8.8.4.4", "8.8.8.8", "114.114.114.114", "114.114.114.114", "203.198.7.66"),
    *("10.0.0.1", "-", "client.example", "2400:3200::1"),
)
"""Of the rows of `log`: 3 US, 3 CN, 1 HK, 1 private, 1 missing, 1 invalid."""
REGIONS = {"CN": 3, "US": 3, "HK": 1}
STATUS = {"located": 7, "unknown": 0, "private": 1, "reserved": 0, "invalid": 1, "missing": 1, "relay": 0}


def line(client: str, second: int) -> str:
    """A line of a combined log."""
    return (
        f'{client} - - [17/Jun/2026:09:{second // 60:02}:{second % 60:02} +0000] "GET /{second} HTTP/1.1" 200 5 '
        f'"-" "agent {second}"\n'
    )


LINES = [line(client, 1000 * second % 3600) for second, client in enumerate(CLIENTS)]
TEXT = "".join(LINES) + "\nno line of a log, by 9.9.9.9\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """12 lines: 10 rows, 1 skipped, 1 unparsed."""
    path = tmp_path / "access.log"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("00" * 32, encoding="ascii")
    path.chmod(0o600)
    return path


def classify(*words: object, code: int = 0, quiet: bool = True) -> Result:
    """Run in this process, and see that no address comes out but where lines are wanted."""
    ended = run("classify", *words, *["--quiet"] * quiet)
    assert ended.exit_code == code, ended.output
    assert "Traceback" not in ended.output
    for client in CLIENTS:
        assert len(client) == 1 or client not in ended.stderr
    assert "9.9.9.9" not in ended.output
    return ended


def counted(*words: object, code: int = 0) -> dict[str, object]:
    """The object of `--json`."""
    found = json.loads(classify("--json", *words, code=code).stdout)
    assert isinstance(found, dict)
    assert found["lines"] == found["rows"] + found["unparsed"] + found["skipped"]
    assert sum(found["status"].values()) == found["rows"]
    return found


def test_a_summary(log: Path) -> None:
    ended = classify(log, quiet=False)
    shown = ended.stdout.splitlines()
    assert shown[:6] == [
        "region                 rows    share",
        "CN                        3    30.0%",
        "US                        3    30.0%",
        "HK                        1    10.0%",
        "not located               3    30.0%",
        "",
    ]
    assert "located                   7    70.0%" in shown
    assert "lines     12: 10 rows, 1 unparsed, 1 skipped" in shown
    assert "rejected  2: 1 unparsed, 1 without a sound address" in shown
    assert "log       2026-06-17T09:00:00Z to 2026-06-17T09:56:40Z" in shown
    assert any(fact.startswith("table     the bundled table, built 20") for fact in shown)
    assert " lines/s" in shown[-1]
    assert ended.stderr.startswith(f"note: {log}: combined log")


def test_json_has_all_of_it(log: Path) -> None:
    found = counted(log)
    assert {name: found[name] for name in ("lines", "rows", "unparsed", "skipped", "regions", "status")} == {
        "lines": 12, "rows": 10, "unparsed": 1, "skipped": 1, "regions": REGIONS, "status": STATUS,
    }  # fmt: skip
    assert {"table", "seconds", "by", "span", "files", "warnings", "undated"} <= found.keys()
    assert "series" not in found


def test_counts_by_time_and_status(log: Path) -> None:
    for by, start in (("hour", "2026-06-17T09:00:00Z"), ("day", "2026-06-17T00:00:00Z")):
        series = counted(log, "--by", by)["series"]
        assert isinstance(series, list)
        assert [moment["start"] for moment in series] == [start]
        assert series[0]["regions"]["CN"] == 3
        shown = classify(log, "--by", by).stdout
        assert f"{by}, UTC" in shown
        assert "CN 30.0%, US 30.0%, HK 10.0%" in shown
    shown = classify(log, "--by", "status").stdout
    assert shown.startswith("status")
    assert "CN" not in shown


def test_a_warning_where_log_and_table_are_apart(log: Path) -> None:
    log.write_text(TEXT.replace("2026", "2019"), encoding="utf-8")
    ended = classify(log, quiet=False)
    assert "more than 90 days apart" in ended.stderr
    assert ": more than 90 days from the log" in ended.stdout
    assert ": more than 90 days from the log" in classify(log).stdout


# What is written


def rows_of(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        return [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    table = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    found: list[dict[str, object]] = table.to_pylist()
    return found


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".arrow"])
def test_rows_have_region_and_status_and_no_address(log: Path, suffix: str) -> None:
    out = log.with_name(f"out{suffix}")
    shown = classify(log, "--output", out)
    assert shown.stdout.startswith("region")
    rows = rows_of(out)
    assert len(rows) == 10
    assert list(rows[0]) == ["line", "time", "region", "status"]
    assert [row["region"] for row in rows] == ["US"] * 3 + ["CN"] * 2 + ["HK"] + [None] * 3 + ["CN"]
    assert [str(row["line"]) for row in rows] == [str(number) for number in range(1, 11)]
    assert {str(row["status"]) for row in rows} == {"located", "private", "missing", "invalid"}
    if suffix != ".arrow":
        content = out.read_bytes()
        assert not any(client.encode() in content for client in CLIENTS if len(client) > 1)


def test_rows_are_chosen_and_counts_are_of_all(log: Path) -> None:
    out = log.with_name("out.csv")

    def chosen(*words: str) -> list[object]:
        assert counted(log, "-o", out, "--force", *words)["regions"] == REGIONS
        return [row["region"] or row["status"] for row in rows_of(out)]

    assert chosen("--only", "CN", "--only", "HK") == ["CN", "CN", "HK", "CN"]
    assert chosen("--not", "CN", "--not", "private") == ["US", "US", "US", "HK", "missing", "invalid"]
    assert chosen("--not", "US", "--on-invalid", "drop") == ["CN", "CN", "HK", "private", "missing", "CN"]
    assert chosen("--only", "EU") == []
    assert counted(log, "--only", "HK")["matched"] == 1


def test_other_columns_only_where_they_are_kept(log: Path) -> None:
    out = log.with_name("out.jsonl")
    classify(log, "-o", out, "--keep", "address", "--keep", "user-agent", "--keep", "line")
    rows = rows_of(out)
    assert [row["address"] for row in rows] == [None if client == "-" else client for client in CLIENTS]
    assert rows[3]["user-agent"] == "agent 3000"
    assert [f"{row['text']}\n" for row in rows] == LINES
    assert out.stat().st_mode & 0o077 == 0


def test_names_of_files_may_be_any_bytes(log: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(log) + b"\xff"))
    try:
        odd.write_text(TEXT, encoding="utf-8")
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    out, rejects, report = (log.with_name(name) for name in ("out.csv", "rejects.csv", "report.html"))
    classify(log, odd, "-o", out, "--rejects", rejects, "--report", report, quiet=False)
    assert rows_of(out)[-1]["file"] == f"{log}\\udcff"
    assert rejects.read_text("utf-8").endswith(f"{log}\\udcff,12,no-match\n")
    assert counted(odd)["rows"] == 10


def test_lines_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    odd = line("8.8.8.8", 1).replace("agent", "\x00caf\xe9")
    content = (line("8.8.4.4", 0) + odd[:-1] + "\r\n" + line("114.114.114.114", 2)).encode("latin-1") + b"junk\n"
    path.write_bytes(content + line("8.8.8.8", 3).encode()[:-1])
    ended = shell("classify", path, "--only", "US", "--keep", "line")
    assert ended.returncode == 0
    first, second, _, _, last = path.read_bytes().splitlines(keepends=True)
    assert ended.stdout == first + second + last + b"\n"
    assert b"US" in ended.stderr
    assert b"lines/s" in ended.stderr
    quiet = classify(path, "--only", "US", "--keep", "line")
    assert (quiet.stdout_bytes, quiet.stderr) == (ended.stdout, "")


def test_pseudonyms_in_the_place_of_addresses(log: Path, key: Path) -> None:
    out = log.with_name("out.jsonl")
    assert classify(log, "-o", out, "--pseudonymise", key, quiet=False).stderr.count("note: ") == 1
    rows = rows_of(out)
    assert list(rows[0]) == ["line", "time", "region", "status", "pseudonym"]
    assert [row["pseudonym"] for row in rows] == [
        None if client in {"-", "client.example"} else pseudonym(bytes(32), "address", client) for client in CLIENTS
    ]
    key.chmod(0o644)
    noted = classify(log, "-o", out, "--pseudonymise", key, "--force", quiet=False)
    assert f"others may read the key {key}" in noted.stderr
    key.write_text("not a key", encoding="ascii")
    assert "not a key" not in classify(log, "-o", out, "--pseudonymise", key, "--force", code=2).stderr


def test_no_address_stands_beside_its_pseudonym(log: Path, key: Path) -> None:
    log.write_text(
        json.dumps({"ip": "8.8.8.8", "who": {"client_ip": "8.8.8.8"}, "by": ["8.8.8.8"], "uri": "/[a]"})
        + '\n{"ip": "8.8.4.4", "who": "x", "by": [], "client_ip": "8.8.4.4"}\n',
        encoding="utf-8",
    )
    out = log.with_name("out.jsonl")
    words = (log, "-o", out, "--pseudonymise", key)
    for name in ("ip", "who.client_ip", "client_ip", "x_real_ip", "headers.CF-Connecting-IP"):
        assert f"in vain with `--keep {name}`" in classify(*words, "--keep", name, code=2).stderr
    kept = ("--keep", "who", "--keep", "by", "--keep", "uri")
    noted = classify(*words, *kept, quiet=False).stderr
    assert f"{out}: objects and arrays, in which addresses may be, are left empty: 1 cell\n" in noted
    assert [(row["who"], row["by"], row["uri"]) for row in rows_of(out)] == [
        (None, "8.8.8.8", "/[a]"),
        ("x", None, None),
    ]
    assert classify(*words, *kept, "--force").stderr == ""


def test_rejects_say_where_and_why_and_not_what(log: Path) -> None:
    path = log.with_name("rejects.csv")
    other = log.with_name("odd, name.log")
    other.write_text(line("8.8.8.8", 0) + "x" * 1_048_577 + "\n" + line("9.9.9.9:1", 0), encoding="utf-8")
    classify(log, other, "--rejects", path)
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "line", "reason"],
            [str(log), "9", "invalid-address"],
            [str(log), "12", "no-match"],
            [str(other), "2", "too-long"],
            [str(other), "3", "invalid-address"],
        ]


@pytest.mark.parametrize("first", [1, 7, 95, 99_999, 10**12])
def test_rejects_of_any_number_are_the_same_as_one_by_one(first: int) -> None:
    lines = np.arange(first, first + 7, dtype=np.uint64)
    reasons = np.array([0, 3, 1, 1, 4, 2, 0], np.uint8)
    piece = Rejects(0, 'a,"b\udcff', lines, reasons)
    expected = io.StringIO(newline="")
    writer = csv.writer(expected, lineterminator="\n")
    for line_, reason in zip(lines.tolist(), reasons.tolist(), strict=True):
        writer.writerow(['a,"b\\udcff', line_, REASONS[reason]])
    assert b"".join(outputs.rejects(piece, REASONS)).decode() == expected.getvalue()
    assert list(outputs.rejects(Rejects(0, "a", lines[:0], reasons[:0]), REASONS)) == []


def test_rejects_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = Rejects(0, "a", np.arange(1, 12, dtype=np.uint64), np.ones(11, np.uint8))
    whole = b"".join(outputs.rejects(piece, REASONS))
    monkeypatch.setattr(outputs, "SLICE", 4)
    parts = list(outputs.rejects(piece, REASONS))
    assert (len(parts), b"".join(parts)) == (3, whole)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_rows_name_the_table_and_not_where_it_is(log: Path, suffix: str) -> None:
    database, out = log.with_name("own.csv"), log.with_name(f"out{suffix}")
    database.write_text("8.8.8.0/24,US\n", encoding="utf-8")
    for words, name in (((), "countries.rft"), (("--database", database), "own.csv")):
        classify(log, "-o", out, "--force", *words)
        schema = pq.read_schema(out) if suffix == ".parquet" else pa.ipc.open_file(out).schema
        table = json.loads(schema.metadata[b"regionfast"])["table"]
        assert Path(table["source"]).name == table["source"]
        assert table["bundled"] == (not words)
        assert words == () or table["source"] == name
        assert str(log.parent).encode() not in out.read_bytes()


def test_a_report_has_its_course_of_time(log: Path) -> None:
    report = log.with_name("report.html")
    for words, unit in (((), "hour"), (("--by", "status"), "hour"), (("--by", "day"), "day")):
        found = counted(log, "--report", report, "--force", *words)
        assert ("series" in found) == ("day" in words)
        assert f"Rows by {unit}, UTC" in report.read_text("utf-8")
        assert "hour, UTC" not in classify(log, "--report", report, "--force", *words).stdout
    export = log.with_name("untimed.csv")
    export.write_text("ip\n8.8.8.8\n", encoding="utf-8")
    assert "warnings" in counted(export, "--report", report, "--force")
    assert "not counted by time" in report.read_text("utf-8")
    both = counted(log, export, "--report", report, "--force")
    assert both["rows"] == 11
    assert "Rows by hour, UTC" in report.read_text("utf-8")


def test_a_report_tells_no_folders(log: Path) -> None:
    report = log.with_name("report.html")
    classify(log, log.with_name("none.log"), f"--report={report}", f"-o{log.with_name('out.csv')}", code=3)
    page = report.read_text("utf-8")
    assert str(log.parent) not in page
    assert "classify access.log none.log --report=report.html -oout.csv --quiet" in page


def test_all_hours_are_in_json(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write_text("".join(line("8.8.8.8", 0).replace("17/Jun", f"{day:02}/Jun") for day in range(1, 8)), "utf-8")
    whole = counted(log, "--by", "day")
    monkeypatch.setattr(counted_module, "PIECE", 3)
    assert counted(log, "--by", "day")["series"] == whole["series"]
    assert isinstance(whole["series"], list)
    assert len(whole["series"]) == 7
    log.write_text("junk\n", "utf-8")
    assert counted(log, "--by", "day", "--format", "combined")["series"] == []


def test_a_report_has_no_address(log: Path) -> None:
    path = log.with_name("report.html")
    words = ("--trusted", "10.0.0.0/8", "--forwarded", "x-forwarded-for", "--report", path)
    classify(log, *words)
    page = path.read_text("utf-8")
    assert "ADDRESS/8" in page
    assert not any(client in page for client in (*CLIENTS, "9.9.9.9", "10.0.0.0") if len(client) > 1)
    classify(log, "--report", path, code=2)
    classify(log, "--report", path, "--force", "--min-count", "2")


# What is there already


def test_nothing_is_replaced_without_force(log: Path) -> None:
    for option, name in (("--output", "x.csv"), ("--rejects", "x.rejects"), ("--report", "x.html")):
        path = log.with_name(name)
        path.write_bytes(b"before")
        refused = classify(log, option, path, code=2)
        assert f"{path} is there already: give --force to replace it" in refused.stderr
        assert path.read_bytes() == b"before"
        classify(log, option, path, "--force")
        assert path.read_bytes() != b"before"
    link, target = log.with_name("link.csv"), log.with_name("target.csv")
    link.symlink_to(target)
    target.write_bytes(b"before")
    classify(log, "-o", link, code=2)
    classify(log, "-o", link, "--force")
    assert link.is_symlink()
    assert target.read_text("utf-8").startswith("line,")
    assert not [path for path in log.parent.iterdir() if path.name.endswith(".part")]


def test_no_output_is_an_input_or_another_output(log: Path, key: Path) -> None:
    source = log.with_name("source.csv")
    source.write_text("ip\n8.8.8.8\n", encoding="utf-8")
    link, hard = log.with_name("link.csv"), log.with_name("hard.csv")
    link.symlink_to(source)
    hard.hardlink_to(source)
    for out in (source, link, hard):
        assert "is a file that is read" in classify(source, "--force", "-o", out, code=2).stderr
        assert "is a file that is read" in classify(log, source, "--force", "--rejects", out, code=2).stderr
    with source.open("rb") as stdin:
        assert shell("classify", "-", "--force", "-o", source, stdin=stdin).returncode == 2
    words = (log, "-o", log.with_name("x.csv"), "--force", "--pseudonymise", key)
    classify(*words, "--rejects", key, code=2)
    same = log.with_name("one.csv")
    assert "are one file" in classify(log, "-o", same, "--rejects", same, code=2).stderr
    assert source.read_text("utf-8") == "ip\n8.8.8.8\n"


# Exit codes


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "Missing argument 'FILE...'"),
        (["none.log"], 2, "none.log"),
        (["."], 2, "directory"),
        (["none.log", "access.log"], 3, "none.log"),
        (["access.log", "."], 3, "directory"),
        (["none.log", "neither.log"], 2, "neither.log"),
        (["access.log", "--format", "apache"], 2, "common, combined, vhost, jsonl, alb, w3c"),
        (["access.log", "--format", "comined"], 2, "`combined`"),
        (["table.parquet", "--column", "client"], 2, "`visitor`"),
        (["access.log", "--format", "combined", "--column", "time"], 2, "--column means nothing"),
        (["access.log", "-o", "x.csv", "--keep", "time"], 2, "`time`"),
        (["access.log", "--database", "none.mmdb"], 4, "none.mmdb"),
        (["access.log", "--level", "subdivision"], 2, "--database"),
        (["access.log", "--max-invalid", "1"], 3, "2 lines are rejected, more than the 1 of --max-invalid"),
        (["access.log", "--max-invalid", "18.1%"], 3, "more than the 18.1% of --max-invalid"),
        (["access.log", "--max-invalid", "2"], 0, ""),
        (["access.log", "--max-invalid", "18.2%"], 0, ""),
        (["access.log", "--max-invalid", "many"], 2, "write a number of lines"),
        (["access.log", "--max-invalid", "101%"], 2, "write a number of lines"),
        (["access.log", "--on-invalid", "fail"], 3, "line 9"),
        (["access.log", "--on-invalid", "fail", "-o", "x.csv"], 3, "line 9"),
        (["access.log", "--only", "Europe"], 2, "Europe"),
        (["access.log", "-o", "x.txt"], 2, ".arrow, .csv, .jsonl, .parquet"),
        (["access.log", "-o", "-"], 2, ".arrow, .csv, .jsonl, .parquet"),
        (["access.log", "-o", "no/such/x.csv"], 3, "cannot write"),
        (["access.log", "--rejects", "."], 3, "cannot write"),
        (["access.log", "--keep", "user-agent"], 2, "--keep is of --output"),
        (["access.log", "--keep", "line", "--json"], 2, "both for stdout"),
        (["access.log", "--pseudonymise", "key"], 2, "--pseudonymise is of --output"),
        (["access.log", "--pseudonymise", "none", "-o", "x.csv"], 2, "cannot read the key none"),
        (["access.log", "--pseudonymise", "key", "-o", "x.csv", "--keep", "address"], 2, "in vain"),
        (
            ["table.parquet", "--column", "visitor", "--pseudonymise", "key", "-o", "x.csv", "--keep", "visitor"],
            2,
            "vain",
        ),
        (["access.log", "--min-count", "5"], 2, "--min-count is of --report"),
        (["access.log", "--forwarded", "x-forwarded-for"], 2, "--trusted"),
        (["access.log", "--trusted", "9.9.9.9/8"], 2, "--trusted"),
        (["-", "-"], 2, "once"),
        (["access.log", "--field-path", "a\udcff"], 2, "--field-path is no UTF-8"),
        (["access.log", "--column", "\udcff"], 2, "--column is no UTF-8"),
        (["access.log", "--format", "\udcff"], 2, "--format is no UTF-8"),
        (["access.log", "--keep", "\udcff", "-o", "x.csv"], 2, "--keep is no UTF-8"),
        (["access.log", "--only", "\udcff"], 2, "--only"),
        (["access.log", "--trusted", "\udcff"], 2, "--trusted"),
        (["empty.log"], 0, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes(
    log: Path, key: Path, words: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"visitor": ["8.8.8.8"]}), log.with_name("table.parquet"))
    log.with_name("empty.log").touch()
    before = {path.name for path in log.parent.iterdir()}
    monkeypatch.chdir(log.parent)
    ended = classify(*words, code=code)
    assert said in ended.stderr
    assert bool(said) == bool(ended.stderr)
    assert {path.name for path in log.parent.iterdir()} == before
    assert key.exists()


def test_a_truncated_gzip_is_reported_as_far_as_it_goes(log: Path) -> None:
    whole = gzip.compress((TEXT * 5000).encode())
    cut = log.with_name("cut.log.gz")
    cut.write_bytes(whole[: len(whole) // 2])
    out = log.with_name("out.csv")
    found = json.loads(run("classify", cut, "--json", "-o", out, "--quiet").stdout)
    ended = classify(cut, code=3)
    assert str(cut) in ended.stderr
    assert "gzip" in ended.stderr
    assert 0 < found["rows"] < 50_000
    assert len(rows_of(out)) == found["rows"]
    good = log.with_name("good.log.gz")
    good.write_bytes(gzip.compress(TEXT.encode()) * 2)
    assert counted(good)["regions"] == {name: 2 * rows for name, rows in REGIONS.items()}
    assert counted(good, cut, code=3)["rows"] == 20 + found["rows"]


def test_a_full_disk_leaves_no_half_file(log: Path) -> None:
    log.write_text(TEXT * 500, encoding="utf-8")
    before = sorted(path.name for path in log.parent.iterdir())
    outs = [log.with_name(name) for name in ("x.arrow", "x.rejects")]
    # A process whose files may be so long only meets what a full disk says, at the same place.
    command = f'ulimit -f 8; "$@" -o {outs[0]} --rejects {outs[1]}'
    ended = subprocess.run(
        ["bash", "-c", command, "-", sys.executable, "-m", "regionfast.cli", "classify", str(log), "--quiet"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 3
    assert any(f"cannot write {out}: ".encode() in ended.stderr for out in outs)
    assert ended.stdout == b""
    assert sorted(path.name for path in log.parent.iterdir()) == before
    with Path("/dev/full").open("wb") as full:
        words = [sys.executable, "-m", "regionfast.cli", "classify", str(log), "--keep", "line", "--quiet"]
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert ended.returncode == 3
    assert ended.stderr.startswith(b"Error: cannot write the output: ")


def test_ctrl_c_leaves_no_half_file(tmp_path: Path) -> None:
    out, rejects = tmp_path / "out.csv", tmp_path / "rejects.csv"
    command = [sys.executable, "-m", "regionfast.cli", "classify", "-", "-o", str(out), "--rejects", str(rejects)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(TEXT.encode() * 1000)  # more than a pipe holds, so that by now it is being read
        process.stdin.flush()
        deadline = time.monotonic() + 20
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        output, error = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, b"")
    assert b"Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_sigterm_leaves_no_half_file(tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("out.csv", "rejects.csv", "report.html")]
    words = ["-o", outs[0], "--rejects", outs[1], "--report", outs[2]]
    command = [sys.executable, "-m", "regionfast.cli", "classify", "-", *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 20
        while len(list(tmp_path.iterdir())) < len(outs) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(list(tmp_path.iterdir())) == len(outs)
        process.terminate()  # while it waits for what never comes
        assert process.wait(30) == 143
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    assert list(tmp_path.iterdir()) == []


def test_sigterm_is_its_owners() -> None:
    for handler in (signal.SIG_IGN, lambda *_: None):
        before = signal.signal(signal.SIGTERM, handler)
        try:
            with outputs.ended_by_sigterm():
                assert signal.getsignal(signal.SIGTERM) is handler
        finally:
            signal.signal(signal.SIGTERM, before)
    with pytest.raises(SystemExit), outputs.ended_by_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    thread = threading.Thread(target=lambda: outputs.ended_by_sigterm().__enter__())
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_why_a_file_was_not_read_names_options(log: Path) -> None:
    export = log.with_name("untimed.csv")
    export.write_text("ip,column\n8.8.8.8,`time`\n", encoding="utf-8")
    ended = classify(log, export, "--by", "hour", "--json", code=3)
    assert "untimed.csv: CSV, client in ip: no times to count by hour: name their field with --time\n" in ended.stderr
    assert json.loads(ended.stdout)["files"][1]["failure"].endswith("name their field with --time")
    export.write_text("a,time\n1,2\n", encoding="utf-8")
    assert "name it with --column; found: `a`, `time`\n" in classify(log, export, code=3).stderr


def test_a_packed_file_that_ends_in_its_heading_is_not_empty(log: Path) -> None:
    cut = log.with_name("cut.gz")
    cut.write_bytes(gzip.compress(b"x")[:5])
    ended = classify(cut, quiet=False, code=3)
    assert "cut.gz: nothing that can be read\n" in ended.stderr
    assert "Error: " in ended.stderr


def test_a_closed_pipe_is_quiet(log: Path) -> None:
    log.write_text(TEXT * 2000, encoding="utf-8")
    command = f"{sys.executable} -m regionfast.cli classify {log} --keep line --quiet; echo $? >&2"
    ended = subprocess.run(["bash", "-c", f"({command}) | head -1"], capture_output=True, check=False, timeout=60)
    assert ended.stdout.decode() == LINES[0]
    assert ended.stderr == b"0\n"


# Where it reads from and where it is looked at


def test_stdin_is_read_in_any_form(log: Path) -> None:
    ended = shell("classify", log, "-", "--json", "--quiet", input=gzip.compress(TEXT.encode()))
    assert (ended.returncode, ended.stderr) == (0, b"")
    both = json.loads(ended.stdout)
    assert both["regions"] == {name: 2 * rows for name, rows in REGIONS.items()}
    assert [file["path"] for file in both["files"]] == [str(log), "-"]


def test_rows_of_several_files_say_of_which(log: Path) -> None:
    other = log.with_name("b.log")
    other.write_text(LINES[0], encoding="utf-8")
    for suffix in (".csv", ".arrow"):
        out = log.with_name(f"out{suffix}")
        classify(log, other, "-o", out)
        rows = rows_of(out)
        assert list(rows[0]) == ["file", "line", "time", "region", "status"]
        assert [row["file"] for row in rows] == [str(log)] * 10 + [str(other)]


def many_regions() -> str:
    return "".join(line(f"{first}.{second}.3.4", first) for first in range(1, 224) for second in (0, 77, 200))


@pytest.mark.parametrize("words", [["--by", "hour"], ["--format", "extract", "--by", "status"]])
def test_a_terminal_is_not_overflowed(log: Path, words: list[str]) -> None:
    log.write_text(many_regions() + "\njunk\n", encoding="utf-8")
    shown = on_terminal("classify", log, "--quiet", *words, NO_COLOR="1")
    assert "\033" not in shown
    assert "█" in shown
    assert "lines/s" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_help_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert 70 < max(map(len, run("classify", "--help").stdout.splitlines())) <= 80


def test_bars_and_colour_are_for_terminals_that_have_them(log: Path) -> None:
    shown = on_terminal("classify", log, PYTHONIOENCODING="ascii")
    assert "\033[1mregion" in shown
    assert "█" not in shown
    assert "█" not in classify(log).stdout


def on_stderr(*words: object, stdout: int = subprocess.PIPE) -> tuple[str, bytes]:
    """What a person sees whose stderr alone is a terminal, and what stdout has."""
    program = "from regionfast.cli import main, progress; progress.PATIENCE = 0; main()"
    command = [sys.executable, "-c", program, *map(str, words)]
    main_end, process_end = pty.openpty()
    whole = os.environ | {"COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=process_end, env=whole) as process:
        os.close(process_end)
        shown = b""
        while True:
            try:
                chunk = os.read(main_end, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        output, _ = process.communicate(timeout=60)
    os.close(main_end)
    return shown.decode(), output


def test_progress_is_for_whoever_waits(log: Path) -> None:
    log.write_text(TEXT * 2000, encoding="utf-8")
    other = log.with_name("b.log")
    other.write_text(LINES[0].split('"')[0] + '"-" 200 5\n', encoding="utf-8")
    shown, output = on_stderr("classify", log, other, "--json")
    assert "lines/s" in shown
    assert "MB" in shown
    assert json.loads(output)["rows"] == 20_001
    assert f"\033[2Knote: {other}: common log" in shown  # above the bar, not in it
    assert shown.rstrip().endswith("\033[2K")  # it is gone when it is done
    assert on_stderr("classify", log, "--json", "--quiet")[0] == ""
    shown, _ = on_stderr("classify", log, "--keep", "line", stdout=subprocess.DEVNULL)  # as good as a pipe to `less`
    assert "\033[2K" not in shown
    assert "region" in shown
    assert classify(log, "--json", quiet=False).stderr.count("\n") == 1
