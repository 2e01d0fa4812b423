"""Parquet, Arrow and participants: the same answers as of lines."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import regionfast as rf
from logs import samples
from regionfast.errors import AddressError, LogError
from regionfast.logs import tabular, times
from regionfast.logs.run import Rejects, Rows, Run
from regionfast.logs.tabular import BATCH

ADDRESSES = ["8.8.8.8", "2a00::1", None, "10.0.0.1", "nonsense", "-", "1.0.0.1", "8.8.4.4", "9.9.9.9"]
BY_REGION = {"missing": 2, "CN": 1, "DE": 1, "HK": 1, "US": 1, "invalid": 1, "private": 1, "unknown": 1}


def written(path: Path, **columns: object) -> Path:
    """A file of columns, in the form that its suffix says."""
    table = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        new = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with new(path, table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.fixture(params=["x.parquet", "x.arrow", "x.arrows"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file in each form; `.arrows` is a stream."""
    return tmp_path / str(request.param)


def form_of(path: Path) -> str:
    """The name of the format."""
    return "parquet" if path.suffix == ".parquet" else "arrow"


TEXTS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.uint8(), pa.large_string()),
]


@pytest.mark.parametrize("of", TEXTS, ids=str)
def test_texts_of_every_type(path: Path, of: pa.DataType, small: rf.Table) -> None:
    column = pa.array(ADDRESSES).dictionary_encode() if pa.types.is_dictionary(of) else pa.array(ADDRESSES)
    counts = rf.logs.classify(
        written(path, other=range(9), client_ip=column.cast(of)), table=small, format=form_of(path)
    )
    assert dict(counts) == BY_REGION
    assert counts.files[0].title == f"{'Parquet' if path.suffix == '.parquet' else 'Arrow IPC'}, client in client_ip"


@pytest.mark.parametrize("of", [pa.binary(), pa.large_binary(), pa.binary(4), pa.uint32()], ids=str)
def test_packed_addresses(path: Path, of: pa.DataType, small: rf.Table) -> None:
    numbers = [0x08080808, None, 0x0A000001]
    packed = [None if it is None else it if of == pa.uint32() else it.to_bytes(4, "big") for it in numbers]
    file = written(path, address=pa.array(packed, of))
    counts = rf.logs.classify(file, table=small, format=form_of(path))
    assert dict(counts) == {"HK": 1, "missing": 1, "private": 1}
    [batch] = rf.logs.scan(file, table=small, format=form_of(path), keep=["address"])
    assert batch.column("address").to_pylist() == ["8.8.8.8", None, "10.0.0.1"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1.5]), "column `ip` is double; addresses are text, binary"),
        (pa.array([[1]]), "column `ip` is list; addresses are"),
        (pa.array([{"a": "8.8.8.8"}]), "column `ip` is struct; addresses are"),
        (pa.array([datetime(2026, 6, 10, tzinfo=UTC)]), "column `ip` is timestamp"),
    ],
    ids=str,
)
def test_a_column_of_a_wrong_type_says_which_are_right(path: Path, column: pa.Array, message: str) -> None:
    with pytest.raises(LogError, match=message):
        rf.logs.classify(written(path, ip=column), format=form_of(path))


def test_a_missing_column_lists_the_columns(path: Path) -> None:
    file = written(path, a=["8.8.8.8"], b=[1])
    with pytest.raises(LogError, match="no column `c`; found: `a`, `b`") as error:
        rf.logs.classify(file, column="c", format=form_of(path))
    assert str(error.value).startswith(f"{file}: ")
    with pytest.raises(LogError, match="which column has the client's address.*found: `a`, `b`"):
        rf.logs.classify(file, format=form_of(path))
    with pytest.raises(LogError, match="no column `c`; found: `a`, `b`"):
        list(rf.logs.scan(file, column="a", format=form_of(path), keep=["c"]))
    with pytest.raises(LogError, match="no times to count by hour: name their field with `time`"):
        rf.logs.classify(file, column="a", by="hour", format=form_of(path))


def test_rows_have_the_columns_of_lines(path: Path, small: rf.Table) -> None:
    at = datetime(2026, 6, 10, 13, 55, 36, 999_999, UTC)
    file = written(
        path,
        status=[404] * len(ADDRESSES),
        address=ADDRESSES,
        ts=pa.array([at, None] + [at] * 7, pa.timestamp("us", "Europe/Berlin")),
    )
    run = Run(
        file,
        table=small,
        reading=rf.logs.Reading(format=form_of(path)),
        rows=True,
        rejects=True,
        keep=["status", "address"],
        not_=["US", "missing"],
    )
    pieces = list(run)
    [batch] = [piece.batch for piece in pieces if isinstance(piece, Rows)]
    assert batch.schema == run.schema
    assert batch.to_pydict() == {
        "line": [1, 2, 4, 5, 7, 9],
        "offset": [None] * 6,
        "time": [datetime(2026, 6, 10, 13, 55, 36, tzinfo=UTC), None]
        + [datetime(2026, 6, 10, 13, 55, 36, tzinfo=UTC)] * 4,
        "region": ["HK", "DE", None, None, "CN", None],
        "status": ["located", "located", "private", "invalid", "located", "unknown"],
        "address": ["8.8.8.8", "2a00::1", "10.0.0.1", "nonsense", "1.0.0.1", "9.9.9.9"],
        "log_status": ["404"] * 6,
    }
    [rejects] = [piece for piece in pieces if isinstance(piece, Rejects)]
    assert (rejects.lines.tolist(), rejects.reasons.tolist()) == ([5], [3])
    assert run.counts().matched == 6


def test_by_hour_adds_up_and_ends_of_the_span(path: Path, small: rf.Table) -> None:
    hours = [datetime(2026, 6, 10, 13, 0, tzinfo=UTC), datetime(2026, 6, 10, 14, 0, tzinfo=UTC)]
    texts = ["2026-06-10T13:59:59Z", "2026-06-10T14:00:00.5Z", "2026-06-10 15:30:00+01:00", "x"]
    file = written(path, time=texts, ip=["8.8.8.8", "8.8.8.8", "8.8.8.8", None])
    counts = rf.logs.classify(file, table=small, format=form_of(path), by="hour")
    assert dict(counts) == {(hours[1], "HK"): 2, (hours[0], "HK"): 1, (None, "missing"): 1}
    assert (counts.first, counts.last) == (hours[0].replace(minute=59, second=59), hours[1].replace(minute=30))
    assert counts.undated == 1
    assert [moment.start for moment in counts.series or ()] == [*hours, None]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1781099736, 1781099736000, 1781099736000000, None]), 3),
        (pa.array([1781099736.9, float("nan"), float("inf"), -1.0]), 1),
        (pa.array(["1781099736", "10/Jun/2026:13:55:36 +0000", "2026-06-10T13:55:36", "2026-06-10T13:55:36,5-00"]), 3),
        (pa.array(["2026-06-10T13:55:36Z"] * 4).dictionary_encode(), 4),
        (pa.array([datetime(2026, 6, 10, 13, 55, 36, tzinfo=UTC)] * 4, pa.timestamp("ns", "UTC")), 4),
        (pa.array([datetime(2026, 6, 10, 13, 55, 36)] * 4), 0),  # noqa: DTZ001 - that is the case
        (pa.array([datetime(1969, 6, 10, tzinfo=UTC)] * 4, pa.timestamp("s", "UTC")), 0),
    ],
    ids=str,
)
def test_times_of_every_type(path: Path, column: pa.Array, expected: int, small: rf.Table) -> None:
    file = written(path, ip=["8.8.8.8"] * 4, seen=column)
    counts = rf.logs.classify(file, table=small, format=form_of(path), time="seen", by="day")
    assert dict(counts) == {
        key: rows
        for key, rows in {(datetime(2026, 6, 10, tzinfo=UTC), "HK"): expected, (None, "HK"): 4 - expected}.items()
        if rows
    }
    assert counts.undated == 4 - expected
    is_naive = pa.types.is_timestamp(column.type) and column.type.tz is None
    assert any("have no zone" in warning for warning in counts.warnings) == is_naive


def test_batches_are_numbered_on(path: Path, small: rf.Table) -> None:
    rows = BATCH * 2 + 5
    file = written(path, ip=pa.array(["8.8.8.8", "x"] * (rows // 2) + ["8.8.8.8"]))
    batches = list(rf.logs.scan(file, table=small, format=form_of(path)))
    assert pa.Table.from_batches(batches).column("line").to_pylist() == list(range(1, rows + 1))
    with pytest.raises(AddressError, match="line 2: the client is no address"):
        list(rf.logs.scan(file, table=small, format=form_of(path), on_invalid="fail"))


def test_damage(path: Path, small: rf.Table) -> None:
    file = written(path, ip=[str(ip_address(number)) for number in range(1 << 27, (1 << 27) + 30_000)])
    data = bytearray(file.read_bytes())
    file.write_bytes(data[: len(data) // 2])
    if path.suffix == ".parquet":
        with pytest.raises(LogError, match="no Parquet file, or a damaged one"):
            rf.logs.classify(file, table=small, format="parquet")
    else:
        counts = rf.logs.classify(file, table=small, format="arrow")
        assert counts.files[0].failure == "the data is damaged or incomplete"
        assert counts.incomplete
        assert counts.rows == counts.lines
    file.write_bytes(b"")
    with pytest.raises(LogError, match="no .* file, or a damaged one"):
        rf.logs.classify(file, table=small, format=form_of(path))


@pytest.mark.parametrize("form", ["x.arrow", "x.arrows"])
def test_offsets_that_lead_out_of_memory(tmp_path: Path, form: str, small: rf.Table) -> None:
    """Arrow believes offsets in a file: without a look at them this ends the process."""
    file = written(tmp_path / form, ip=["8.8.8.8", "1.0.0.1"], time=["2026-06-10T13:55:36Z"] * 2)
    offsets = np.array([0, 20, 40], np.int32).tobytes()
    data = file.read_bytes()
    assert data.count(offsets) == 1
    for wrong in ([0, 1 << 30, 40], [0, -5, 40], [0, 50, 40]):
        file.write_bytes(data.replace(offsets, np.array(wrong, np.int32).tobytes()))
        counts = rf.logs.classify(file, table=small, format="arrow", by="hour")
        assert (counts.lines, counts.files[0].failure) == (0, "the data is damaged or incomplete")


@pytest.mark.parametrize(
    "error", [UnicodeDecodeError("utf-8", b"8.8.8.8", 0, 1, ""), MemoryError("8.8.8.8"), OSError()]
)
def test_every_way_in_which_arrow_says_damaged(error: Exception) -> None:
    with pytest.raises(LogError, match=r"^damaged$"), tabular._sound("damaged"):
        raise error


def test_a_column_whose_name_is_no_text(path: Path) -> None:
    file = written(path, ip=["8.8.8.8"], nameofit=["x"])
    file.write_bytes(file.read_bytes().replace(b"nameofit", b"name\xff\xffit"))
    with pytest.raises(LogError, match="no .* file, or a damaged one"):
        rf.logs.classify(file, format=form_of(path))


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rf.logs.classify(tmp_path / "x.parquet", format="parquet")
    with pytest.raises(IsADirectoryError):
        rf.logs.classify(tmp_path, format="arrow")


def test_an_arrow_stream_comes_through_a_pipe(tmp_path: Path, small: rf.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "x.arrow", ip=ADDRESSES)
    with file.open("rb") as stream:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        assert dict(rf.logs.classify("-", table=small, format="arrow")) == BY_REGION


def test_participants(tmp_path: Path, small: rf.Table) -> None:
    for name, data in {
        "x.csv": samples.ZOOM.encode(),
        "x.csv.gz": gzip.compress(samples.ZOOM.encode("utf-16")),
    }.items():
        file = tmp_path / name
        file.write_bytes(data)
        counts = rf.logs.classify(file, table=small, format="participants")
        assert dict(counts) == {"HK": 1, "invalid": 1, "missing": 1}
        assert counts.files[0].title == "export of participants of Zoom"
        [batch] = rf.logs.scan(file, table=small, format="participants", keep=["address", "meetings"])
        assert batch.column("line").to_pylist() == [5, 6, 7]
        assert batch.column("address").to_pylist() == ["8.8.8.8", None, "8.8.8.8."]
        assert batch.column("meetings").to_pylist() == ["101"] * 3
    with pytest.raises(LogError, match="no times to count by day$"):
        rf.logs.classify(file, table=small, format="participants", by="day")
    file.write_text(samples.ZOOM + "a,b\n", encoding="utf-8")
    counts = rf.logs.classify(file, table=small, format="participants")
    assert counts.files[0].failure == "line 8 has 2 cells and the heading 5"


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "x.parquet", ip=ADDRESSES)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"reading Parquet needs pyarrow: install `regionfast\[all\]`"):
        rf.logs.classify(file, format="parquet")
    with pytest.raises(ImportError, match=r"regionfast\[all\]"):
        rf.logs.scan(file, format="parquet")
    export = tmp_path / "x.csv"
    export.write_text(samples.ZOOM, encoding="utf-8")
    assert rf.logs.classify(export).files[0].format == "participants"


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("10/Oct/2000:13:55:36 -0700", 971211336),
        ("2000-10-10T20:55:36Z", 971211336),
        ("2000-10-10 13:55:36.999-07", 971211336),
        ("2016-12-31T23:59:60Z", 1483228799),
        ("971211336.9", 971211336),
        ("9.71211336e8", 971211336),
        ("971211336999", 971211336),
        ("971211336999999999", 971211336),
        ("0e" + "9" * 5000, 0),
        ("1e-" + "9" * 5000, 0),
        ("1e" + "9" * 5000, None),
        ("1e" + "0" * 5000 + "9", 1_000_000_000),
        ("1700000000." + "9" * 40, 1_700_000_000),
        ("0." + "0" * 5000 + "17e5002", 17),
        ("9" * 5000 + "e-4990", 9_999_999_999),
        ("0e999999999999", 0),
        ("1e-999999999999", 0),
        ("1e999999999999", None),
        ("-1", None),
        ("1970-01-01T00:00:00+00:01", None),
        ("9999-12-31T23:59:59Z", times.LAST),
        ("9999-12-31T23:59:59-01:00", None),
        ("2023-02-29T00:00:00Z", None),
        ("2024-01-01T24:00:00Z", None),
        ("2024-01-01T00:00:00", None),
        ("10/Okt/2000:13:55:36 -0700", None),
        ("٣", None),
        ("", None),
    ],
)
def test_times_as_the_engine_reads_them(text: str, second: int | None) -> None:
    assert times.seconds(text) == second


DIGITS = st.text("0123456789", max_size=25)
LONG = st.builds(str.__mul__, st.sampled_from("0179"), st.integers(0, 6000))
NUMBERS = st.builds(
    "{}{}{}{}".format,
    DIGITS | LONG,
    st.sampled_from(["", "."]),
    DIGITS | LONG,
    st.just("") | st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), DIGITS | LONG),
)
CLOCKS = st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]", fullmatch=True)
ZONES = st.from_regex(r"([.,][0-9]{0,12})?(Z|[+-][0-2][0-9](:?[0-6][0-9])?)?", fullmatch=True)
COMMON = st.from_regex(
    r"[0-3][0-9]/(Jan|Feb|Jun|Dec|Okt)/[0-9]{4}:[0-2][0-9]:[0-6][0-9]:[0-6][0-9] [+-][0-2][0-9][0-6][0-9]",
    fullmatch=True,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(NUMBERS | st.builds("{}{}".format, CLOCKS, ZONES) | COMMON, max_size=40))
def test_times_as_the_engine_reads_them_whatever_they_are(
    texts: list[str], small: rf.Table, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "times.jsonl"
    file.write_text(samples.json_lines(*({"ip": "8.8.8.8", "time": text} for text in ["0", *texts])), "utf-8")
    [batch] = rf.logs.scan(file, table=small, format="jsonl", field_path="ip", time="time")
    assert batch.column("time").cast(pa.int64()).to_pylist() == [0, *map(times.seconds, texts)]


@given(st.integers(0, 10**19))
def test_whole_numbers_as_text_and_as_numbers(number: int) -> None:
    assert times.seconds(str(number)) == times.by_magnitude(number) == tabular._second(number)
