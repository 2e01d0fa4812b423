"""What `rf.logs` counts and gives, file by file."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import regionfast as rf
from logs import samples
from regionfast.errors import AddressError, LogError
from regionfast.logs.counts import UNDATED, By, Series, names_of, tallied
from regionfast.logs.run import REASONS, Closed, Lines, Opened, Progress, Rejects, Run, selected

LINES = [
    ("8.8.8.8", "10/Jun/2026:13:00:00 +0000"),
    ("1.0.0.1", "10/Jun/2026:13:59:59 +0000"),
    ("8.8.4.4", "10/Jun/2026:14:00:00 +0000"),
    ("2400::1", "10/Jun/2026:14:00:00 +0000"),
    ("10.0.0.1", "11/Jun/2026:00:00:00 +0000"),
    ("9.9.9.9", "10/Jun/2026:24:00:00 +0000"),
    ("-", "10/Jun/2026:13:00:00 +0000"),
    ("a.example", "10/Jun/2026:13:00:00 +0000"),
]
COMBINED = "".join(f'{client} - - [{time}] "GET / HTTP/1.0" 200 1 "-" "x"\n' for client, time in LINES)
BY_REGION = {"CN": 2, "HK": 1, "US": 1, "invalid": 1, "missing": 1, "private": 1, "unknown": 1}
BY_STATUS = {"located": 4, "unknown": 1, "private": 1, "reserved": 0, "invalid": 1, "missing": 1, "relay": 0}


def hour(of: int, day: int = 10) -> datetime:
    """An hour of these days."""
    return datetime(2026, 6, day, of, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A combined log with a blank line and one that is none."""
    path = tmp_path / "access.log"
    path.write_text(f"{COMBINED}\nno line of a log 8.8.8.8\n", encoding="utf-8")
    return path


def test_counts(log: Path, small: rf.Table) -> None:
    counts = rf.logs.classify(log, table=small)
    assert counts == BY_REGION
    assert list(counts) == ["CN", "HK", "US", "invalid", "missing", "private", "unknown"]
    assert (counts.lines, counts.rows, counts.unparsed, counts.skipped) == (10, 8, 1, 1)
    assert counts.regions == {"CN": 2, "HK": 1, "US": 1}
    assert counts.status == BY_STATUS
    assert next(iter(counts.status)) == "located"
    assert (counts.first, counts.last, counts.undated) == (hour(13), hour(0, 11), 1)
    assert (counts.rejected, counts.incomplete) == (2, False)
    assert (counts.series, counts.matched, counts.mentions, counts.agreement) == (None, None, None, None)
    assert counts.table == small.info
    assert counts.seconds > 0
    [file] = counts.files
    assert (file.path, file.format, file.compression, file.rows) == (str(log), "combined", "none", 8)
    assert counts.warnings == ("a row has no time that can be read: of no known form, or without its zone",)


def test_by_status_hour_and_day(log: Path, small: rf.Table) -> None:
    by_status = rf.logs.classify(log, table=small, by="status")
    assert dict(by_status) == {name: rows for name, rows in BY_STATUS.items() if rows}
    by_hour = rf.logs.classify(log, table=small, by="hour")
    assert dict(by_hour) == {
        (hour(13), "CN"): 1,
        (hour(13), "HK"): 1,
        (hour(13), "invalid"): 1,
        (hour(13), "missing"): 1,
        (hour(14), "CN"): 1,
        (hour(14), "US"): 1,
        (hour(0, 11), "private"): 1,
        (None, "unknown"): 1,
    }
    assert next(iter(by_hour)) == (hour(13), "CN")
    assert list(by_hour)[-1] == (None, "unknown")
    by_day = rf.logs.classify(log, table=small, by="day")
    assert next(iter(by_day)) == (hour(0), "CN")
    assert by_day[hour(0), "CN"] == 2
    assert [moment.start for moment in by_day.series or ()] == [hour(0), hour(0, 11), None]
    for counts in (by_status, by_hour, by_day):
        assert sum(counts.values()) == counts.rows == 8
        assert counts.regions == {"CN": 2, "HK": 1, "US": 1}
        assert counts.status == BY_STATUS


def test_hours_beside_whatever_counts_are_by(log: Path, small: rf.Table) -> None:
    by_hour = rf.logs.classify(log, table=small, by="hour")
    assert by_hour.series is not None
    kinds: tuple[By, ...] = ("region", "status")
    for by in kinds:
        run = Run(log, table=small, by=by, times=True)
        assert len(list(run)) == 3
        counts, series = run.counts(), run.series()
        assert counts == rf.logs.classify(log, table=small, by=by)
        assert counts.series is None
        assert series is not None
        assert list(series) == list(by_hour.series)
    untimed = log.with_name("x.csv")
    untimed.write_text("ip\n8.8.8.8\n", encoding="utf-8")
    run = Run(untimed, table=small, times=True)
    list(run)
    assert list(run.series() or ()) == [(None, {"HK": 1})]
    run = Run(log, table=small)
    list(run)
    assert run.series() is None


TALLIES = st.dictionaries(
    st.tuples(st.sampled_from([UNDATED, 0, 3600, 7200, 86400]), st.integers(0, 8)), st.integers(1, 9)
)


@given(rows=TALLIES)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_series_is_its_counts(rows: dict[tuple[int, int], int], small: rf.Table) -> None:
    buckets = np.array([bucket for bucket, _ in rows], np.int64)
    slots = np.array([slot for _, slot in rows], np.uint16)
    series = Series(small, tallied([(buckets, slots, np.array([*rows.values()], np.uint64))]))
    names = names_of(small)
    expected: dict[datetime | None, dict[str, int]] = {}
    for (bucket, slot), some in sorted(rows.items(), key=lambda item: (item[0][0] == UNDATED, item[0][0])):
        moment = expected.setdefault(None if bucket == UNDATED else datetime.fromtimestamp(bucket, UTC), {})
        moment[names[slot]] = moment.get(names[slot], 0) + some
    assert [*series] == [*expected.items()]
    assert [*series[1:]] == [*series][1:]
    assert len(series) == len(expected)
    if series:
        assert series[-1] == [*series][-1]
        some_first = [*series[0].regions.items()]
        assert some_first == sorted(some_first, key=lambda item: (-item[1], item[0]))
    flat = [((start, name), some) for start, regions in expected.items() for name, some in regions.items()]
    late = datetime.max.replace(tzinfo=UTC)
    flat.sort(key=lambda entry: (-entry[1], entry[0][0] or late, entry[0][1]))
    assert [*series.by_time().items()] == flat
    with pytest.raises(IndexError):
        series[len(expected)]


def test_a_name_that_is_no_text(log: Path, small: rf.Table) -> None:
    strange: list[Any] = [["\udcff"], [7], [None]]
    for keep in strange:
        with pytest.raises(LogError, match="`keep` is"):
            Run(log, table=small, keep=keep)
    calls: list[dict[str, Any]] = [{"only": ["\udcff"]}, {"trusted": ["\udcff"]}, {"field_path": "a\udcff"}]
    for options in calls:
        with pytest.raises(LogError):
            rf.logs.scan(log, table=small, **options)


def test_packed_twins_are_equal(log: Path, small: rf.Table) -> None:
    plain = rf.logs.classify(log, table=small, by="hour")
    packed = log.with_suffix(".gz")
    data = log.read_bytes()
    packed.write_bytes(gzip.compress(data[:100]) + gzip.compress(data[100:]))
    zstd = log.with_suffix(".zst")
    zstd.write_bytes(pa.compress(data, codec="zstd", asbytes=True))
    for twin, compression in ((packed, "gzip"), (zstd, "zstd")):
        counts = rf.logs.classify(twin, table=small, by="hour")
        assert counts == plain
        assert counts.files[0].compression == compression


def test_json(log: Path, small: rf.Table) -> None:
    found = json.loads(json.dumps(rf.logs.classify(log, table=small, by="day").to_dict(), allow_nan=False))
    assert {name: found[name] for name in ("lines", "rows", "unparsed", "skipped", "regions", "status")} == {
        "lines": 10,
        "rows": 8,
        "unparsed": 1,
        "skipped": 1,
        "regions": {"CN": 2, "HK": 1, "US": 1},
        "status": BY_STATUS,
    }
    assert found["span"] == {"first": "2026-06-10T13:00:00Z", "last": "2026-06-11T00:00:00Z"}
    assert found["series"][1] == {"start": "2026-06-11T00:00:00Z", "regions": {"private": 1}}
    assert found["series"][2]["start"] is None
    assert found["table"]["digest"] == small.info.digest
    assert not {"matched", "mentions", "agreement"} & found.keys()


def test_arrow(log: Path, small: rf.Table) -> None:
    by_region = rf.logs.classify(log, table=small).to_arrow()
    assert by_region.slice(0, 4).to_pydict() == {
        "region": ["CN", "HK", "US", None],
        "status": ["located"] * 3 + ["invalid"],
        "rows": [2, 1, 1, 1],
    }
    by_hour = rf.logs.classify(log, table=small, by="hour").to_arrow()
    assert by_hour.schema.names == ["time", "region", "status", "rows"]
    assert by_hour["time"].to_pylist()[0] == hour(13)
    assert rf.logs.classify(log, table=small, by="status").to_arrow().schema.names == ["status", "rows"]


def test_a_mapping_says_nothing_of_the_log(log: Path, small: rf.Table) -> None:
    run = Run(log, table=small, lines=True, rows=True, rejects=True)
    told = "".join(map(repr, run)) + repr(run.counts()) + repr(run)
    assert "8.8.8.8" not in told
    assert "GET" not in told
    assert "CN" not in repr(run.counts())


def test_many_files_of_which_some_cannot_be_read(log: Path, small: rf.Table, tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.gz"
    truncated.write_bytes(gzip.compress(COMBINED.encode() * 5_000)[:-20])
    strange = tmp_path / "strange"
    strange.write_text("8.8.8.8 is what it is\n", encoding="utf-8")
    (tmp_path / "x.csv").write_text(samples.SAMPLES["csv"], encoding="utf-8")
    (tmp_path / "empty").touch()
    paths = [tmp_path, log, tmp_path / "missing", truncated, strange, tmp_path / "x.csv", tmp_path / "empty"]
    counts = rf.logs.classify(paths, table=small)
    assert [file.path for file in counts.files] == list(map(str, paths))
    assert [file.format for file in counts.files] == [None, "combined", None, "combined", None, "csv", "extract"]
    failures = [file.failure for file in counts.files]
    assert failures[:3] == ["is a directory: name the files in it", None, "No such file or directory"]
    assert failures[3] == "the gzip data is damaged or incomplete"
    assert failures[4] is not None
    assert failures[4].startswith("of no format that is recognised")
    assert failures[5:] == [None, None]
    assert counts.files[3].rows > 10_000
    assert counts.incomplete
    assert counts.lines == sum(file.lines for file in counts.files)
    assert sum(counts.values()) == counts.rows


def test_the_only_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file or directory: '.*missing'$"):
        rf.logs.classify(tmp_path / "missing")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        rf.logs.classify(tmp_path)
    (tmp_path / "x").write_text("8.8.8.8 x\n", encoding="utf-8")
    with pytest.raises(LogError, match="x: of no format that is recognised") as error:
        rf.logs.classify(tmp_path / "x")
    assert "8.8" not in str(error.value)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(LogError, match=r"x\.csv: CSV: which column"):
        rf.logs.classify(tmp_path / "x.csv")


@pytest.mark.parametrize("paths", [[], ["-", "x", "-"]])
def test_no_file_and_stdin_twice(paths: list[str], small: rf.Table) -> None:
    with pytest.raises(LogError, match="`-`"):
        rf.logs.classify(paths, table=small)


@pytest.mark.parametrize(
    "options",
    [
        {"by": "week"},
        {"on_invalid": "ignore"},
        {"keep": "address"},
        {"only": "CN"},
        {"not_": ["nowhere"]},
    ],
)
def test_a_call_that_cannot_be_meant(options: dict[str, object], small: rf.Table, log: Path) -> None:
    with pytest.raises(LogError):
        Run(log, table=small, **options)  # type: ignore[arg-type]


def test_rows(log: Path, small: rf.Table) -> None:
    rows = pa.Table.from_batches(rf.logs.scan(log, table=small, keep=["line", "address", "user-agent", "http-status"]))
    assert rows.schema.names == [
        *("line", "offset", "time", "region", "status", "address", "user-agent", "http-status", "text"),
    ]
    assert rows["line"].to_pylist() == list(range(1, 9))
    assert rows["offset"].to_pylist()[:2] == [0, COMBINED.index("\n") + 1]
    assert rows["region"].to_pylist() == ["HK", "CN", "US", "CN", None, None, None, None]
    assert rows["status"].to_pylist()[3:] == ["located", "private", "unknown", "missing", "invalid"]
    assert rows["time"].to_pylist()[4:6] == [hour(0, 11), None]
    assert rows["address"].to_pylist()[5:] == ["9.9.9.9", None, "a.example"]
    assert rows["text"].to_pylist() == COMBINED.splitlines()
    assert set(rows["http-status"].to_pylist()) == {"200"}
    with pytest.raises(LogError, match="no column `x`; found: `ident`"):
        list(rf.logs.scan(log, table=small, keep=["x"]))


def test_every_file_gives_the_same_columns(log: Path, small: rf.Table, tmp_path: Path) -> None:
    table, text = tmp_path / "x.tsv", tmp_path / "x.txt"
    table.write_text("ip\tuser\n8.8.8.8\tx\n", encoding="utf-8")
    text.write_text('{"ip": "8.8.8.8"}\n{"ip": 8}\n', encoding="utf-8")
    run = Run([log, table, text], table=small, rows=True, keep=["user"])
    batches = [piece.batch for piece in run if hasattr(piece, "batch")]
    assert len(batches) == 3
    assert all(batch.schema == run.schema for batch in batches)
    assert batches[1].column("time").null_count == 1
    assert batches[2].column("status").to_pylist() == ["located", "invalid"]


@pytest.mark.parametrize(
    ("only", "not_", "lines"),
    [
        (["CN"], [], [2, 4]),
        ([], ["CN"], [1, 3, 5, 6, 7, 8]),
        (["CN", "unknown"], [], [2, 4, 6]),
        (["located"], ["CN"], [1, 3]),
        (["Private", "missing"], ["missing"], [5]),
        (["DE"], [], []),
    ],
)
def test_selection(only: Sequence[str], not_: Sequence[str], lines: list[int], log: Path, small: rf.Table) -> None:
    batches = rf.logs.scan(log, table=small, only=only, not_=not_)
    assert [line for batch in batches for line in batch.column("line").to_pylist()] == lines
    run = Run(log, table=small, only=only, not_=not_, lines=True)
    data = b"".join(piece.data for piece in run if isinstance(piece, Lines))
    assert data.decode().splitlines() == [COMBINED.splitlines()[line - 1] for line in lines]
    assert run.counts().matched == len(lines)
    assert run.counts() == BY_REGION


def test_groups_are_of_the_date_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1.0.0.0/8,GB\n2.0.0.0/8,DE\n", encoding="utf-8")
    old = rf.open(path, built_at=datetime(2019, 1, 1, tzinfo=UTC))
    new = rf.open(path, built_at=datetime(2021, 1, 1, tzinfo=UTC))
    names = [region and region.code for region in new.regions]
    assert selected(new, ["EU"], [])[names.index("GB")] == 0
    assert selected(old, ["EU"], [])[names.index("GB")] == 1
    assert selected(new, ["EU"], [])[names.index("DE")] == 1
    with pytest.raises(LogError, match="this table has no date"):
        selected(rf.open(path), ["EU"], [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("China", "`only`: .*did you mean `CN`?"),
        ("unknwon", "`only`: .*did you mean `unknown`?"),
        ("8.8.8.8", "`only`: this text"),
        ("US-CA", "the table tells no subdivisions such as `US-CA`"),
    ],
)
def test_names_that_are_none(name: str, message: str, small: rf.Table) -> None:
    with pytest.raises(LogError, match=message):
        selected(small, [name], [])


def test_regions_hold_their_subdivisions(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1.0.0.0/8,US-CA\n2.0.0.0/8,US\n3.0.0.0/8,CN\n", encoding="utf-8")
    table = rf.open(path, level="subdivision")

    def codes(only: list[str], not_: list[str]) -> list[str]:
        slots = np.flatnonzero(selected(table, only, not_))
        return [region.code for slot in slots if (region := table.regions[slot]) is not None]

    assert codes(["US"], []) == ["US", "US-CA"]
    assert codes(["US-CA"], []) == ["US-CA"]
    assert codes(["located"], ["US"]) == ["CN"]


def test_rejects_and_invalid_rows(log: Path, small: rf.Table) -> None:
    [rejects] = [piece for piece in Run(log, table=small, rejects=True) if isinstance(piece, Rejects)]
    assert rejects.lines.tolist() == [8, 10]
    assert [REASONS[reason] for reason in rejects.reasons] == ["invalid-address", "no-match"]
    kept = [line for batch in rf.logs.scan(log, table=small, on_invalid="drop") for line in batch["line"].to_pylist()]
    assert kept == list(range(1, 8))
    with pytest.raises(AddressError, match=r"access\.log: line 8: the client is no address$") as error:
        list(rf.logs.scan(log, table=small, on_invalid="fail"))
    assert error.value.index == 8


def test_forwarded(tmp_path: Path, small: rf.Table) -> None:
    path = tmp_path / "x.log"
    line = '10.0.0.1 - - [10/Jun/2026:13:00:00 +0000] "GET / HTTP/1.0" 200 1 "-" "x" "%s"\n'
    headers = ["8.8.8.8", "1.0.0.1, 8.8.8.8, 10.0.0.9", "junk", "8.8.8.8, junk", "-", "10.0.0.3"]
    path.write_text("".join(line % header for header in headers), encoding="utf-8")
    counts = rf.logs.classify(path, table=small, trusted=["10.0.0.0/8"])
    assert counts == {"HK": 2, "invalid": 2, "private": 2}
    assert rf.logs.classify(path, table=small) == {"private": 6}
    path.write_text(line % 'for=1.0.0.1, For=\\"8.8.8.8:80\\";proto=https', encoding="utf-8")
    assert rf.logs.classify(path, table=small, trusted=["10.0.0.1"], forwarded="Forwarded") == {"HK": 1}
    path.write_text(samples.IIS, encoding="utf-8")
    assert rf.logs.classify(path, table=small, trusted=["10.0.0.0/8"]) == {"HK": 1}


def test_the_countries_of_logpush_are_compared(tmp_path: Path, small: rf.Table) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(samples.LOGPUSH, encoding="utf-8")
    table = rf.open()
    found = rf.logs.classify([path, path], table=table).agreement
    assert found is not None
    assert (found.equal, found.different, found.not_located, found.not_given) == (2, 2, 2, 4)
    counts = rf.logs.classify(path, table=small)
    assert counts.to_dict()["agreement"] == {"equal": 0, "different": 2, "not_located": 1, "not_given": 2}
    [batch] = rf.logs.scan(path, table=table, keep=["ClientCountry"])
    assert batch.schema.names[-2:] == ["status", "ClientCountry"]
    assert batch.column("ClientCountry").to_pylist() == ["us", "us", "de", "T1", None]


def test_counting_needs_no_pyarrow(log: Path) -> None:
    logpush = log.with_name("x.jsonl")
    logpush.write_text(samples.LOGPUSH, encoding="utf-8")
    program = (
        "import sys; sys.modules['pyarrow'] = None\nimport regionfast as rf\n"
        f"print(rf.logs.classify({str(log)!r}).rows)\nprint(rf.logs.classify({str(logpush)!r}).warnings[-1])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "8",
        "comparing with the countries in the log needs pyarrow: install `regionfast[all]`",
    ]


def test_addresses_of_free_text_are_counted_apart(tmp_path: Path, small: rf.Table) -> None:
    path = tmp_path / "auth.log"
    path.write_text("sshd: 8.8.8.8 port 22, then 1.0.0.1\nnothing\n\nfrom 10.0.0.1:80 to 1.0.0.2\n", encoding="utf-8")
    counts = rf.logs.classify(path, table=small, format="extract")
    assert counts == {"HK": 1, "missing": 1, "private": 1}
    assert counts.mentions == {"CN": 2, "HK": 1, "private": 1}
    assert (counts.lines, counts.skipped, counts.undated, counts.warnings) == (4, 1, 0, ())


def test_a_table_of_another_time_is_warned_of(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1.0.0.0/8,CN\n", encoding="utf-8")
    near = rf.open(path, built_at=datetime(2026, 3, 15, tzinfo=UTC))
    assert not any("apart" in warning for warning in rf.logs.classify(log, table=near).warnings)
    for far in (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)):
        warning = rf.logs.classify(log, table=rf.open(path, built_at=far)).warnings[0]
        span = "the log from 2026-06-10 to 2026-06-11"
        assert warning.startswith(f"the table is of {far:%Y-%m-%d} and {span}: more than 90 days apart")


def test_pieces_come_in_order_and_a_run_is_one_pass(log: Path, small: rf.Table) -> None:
    run = Run([log, log], table=small, rejects=True)
    pieces = list(run)
    assert [piece.file for piece in pieces] == sorted(piece.file for piece in pieces)
    for file in (0, 1):
        own = [piece for piece in pieces if piece.file == file]
        assert isinstance(own[0], Opened)
        assert own[0].layout.title == "combined log (Apache, nginx)"
        assert isinstance(own[-1], Closed)
        progress = own[-2]
        assert isinstance(progress, Progress)
        assert progress.position == progress.size == log.stat().st_size
    assert run.lines == run.counts().lines == 20
    with pytest.raises(LogError, match="one pass"):
        list(run)


def test_a_pass_can_be_left(log: Path, small: rf.Table) -> None:
    pieces = iter(Run(log, table=small))
    assert isinstance(next(pieces), Opened)
    del pieces


def test_stdin_and_a_fifo(log: Path, tmp_path: Path, small: rf.Table) -> None:
    program = "import regionfast as rf\nc = rf.logs.classify('-')\nprint(c.rows, c.files[0].format, c.files[0].path)"
    data = gzip.compress(log.read_bytes())
    ran = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert ran.stdout.split() == [b"8", b"combined", b"-"]
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(log.read_bytes(),))
    writer.start()
    assert rf.logs.classify(fifo, table=small) == BY_REGION
    writer.join()


def test_a_table_in_a_pipe_must_be_named(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"ARROW1\0\0",))
    writer.start()
    with pytest.raises(LogError, match="Arrow IPC from a pipe is not recognised: name it with `format`"):
        rf.logs.classify(fifo)
    writer.join()


def test_an_empty_file_has_no_rows_whatever_is_asked(tmp_path: Path, small: rf.Table) -> None:
    path = tmp_path / "empty.csv"
    for text in ("", "\n \n"):
        path.write_text(text, encoding="utf-8")
        for form in ("auto", "combined", "csv", "jsonl", "w3c", "extract"):
            counts = rf.logs.classify(path, table=small, format=form, by="hour")
            assert (len(counts), counts.lines, counts.skipped) == (0, text.count("\n"), text.count("\n"))
            assert list(rf.logs.scan(path, table=small, format=form, keep=["address", "user"])) == []


def test_an_open_file_is_no_name(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("8.8.8.8 - - [t]\n")
    for mode in ("r", "rb"):
        with path.open(mode) as file, pytest.raises(TypeError, match="name files, not open ones"):
            rf.logs.classify(file)
