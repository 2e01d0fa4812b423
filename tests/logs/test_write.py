"""Rows of logs as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionfast.logs import write
from regionfast.logs.write import KINDS, kind_of, whole_rows

SUFFIXES = sorted(KINDS)
AT = datetime(2020, 6, 4, 9, 0, 1, tzinfo=UTC)
ODD = [
    'say "no"',
    "a,b",
    "two\r\nlines",
    "",
    None,
    "back\\slash",
    "\x00\x1f\x7f",
    "café \u2028 \U0001f600",
    "null",
    "-",
]


def batch(texts: list[str | None]) -> pa.RecordBatch:
    """Rows as the engine gives them, with a column of texts."""
    rows = len(texts)
    return pa.record_batch(
        {
            "line": pa.array(range(1, rows + 1), pa.uint64()),
            "time": pa.array([AT if row % 3 else None for row in range(rows)], pa.timestamp("s", "UTC")),
            "region": pa.DictionaryArray.from_arrays(
                pa.array([row % 2 if row % 5 else None for row in range(rows)], pa.uint16()), ["CN", "HK"]
            ),
            "status": pa.DictionaryArray.from_arrays(
                pa.array([6 * bool(row % 5) for row in range(rows)], pa.uint8()), [*"abcdef", "located"]
            ),
            'odd "name", too': pa.array(texts, pa.string()),
        }
    )


def read(path: Path) -> list[dict[str, object]]:
    """The rows of a file, read by somebody else; times as text."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        # Not `splitlines`, which also ends lines at U+2028.
        return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]
    table = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    rows: list[dict[str, object]] = table.to_pylist()
    for row in rows:
        if isinstance(row["time"], datetime):
            row["time"] = row["time"].strftime("%Y-%m-%dT%H:%M:%SZ")
    return rows


def expected(batches: list[pa.RecordBatch], suffix: str) -> list[dict[str, object]]:
    """What they should be."""
    rows: list[dict[str, object]] = [row for some in batches for row in some.to_pylist()]
    for row in rows:
        row["time"] = row["time"] and "2020-06-04T09:00:01Z"
        if suffix == ".csv":
            row.update({name: "" if value is None else str(value) for name, value in row.items()})
    return rows


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_forms_have_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    batches = [batch(ODD), batch(["plain"] * 7), batch([]), batch(ODD).slice(3, 5)]
    with whole_rows(path, batches[0].schema) as rows:
        for some in batches:
            rows.write(some)
        assert not path.exists()
    assert read(path) == expected(batches, suffix)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_are_a_file_with_its_columns(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    with whole_rows(path, batch([]).schema):
        pass
    assert read(path) == []
    if suffix == ".csv":
        assert path.read_text("utf-8") == 'line,time,region,status,"odd ""name"", too"\n'
    elif suffix == ".parquet":
        assert pq.read_schema(path).names == batch([]).schema.names


@settings(max_examples=40)
@given(st.lists(st.none() | st.text(st.characters(codec="utf-8")), max_size=20))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]) -> None:
    folder = tmp_path_factory.mktemp("any")
    some = batch(texts)
    for suffix in (".csv", ".jsonl"):
        with whole_rows(folder / f"x{suffix}", some.schema) as rows:
            rows.write(some)
        assert read(folder / f"x{suffix}") == expected([some], suffix)


def test_an_absent_cell_and_an_empty_text_differ_in_csv(tmp_path: Path) -> None:
    some = batch([None, ""])
    with whole_rows(tmp_path / "x.csv", some.schema) as rows:
        rows.write(some)
    assert (tmp_path / "x.csv").read_text("utf-8").splitlines()[1:] == [
        "1,,,a,",
        '2,2020-06-04T09:00:01Z,HK,located,""',
    ]


def test_many_rows_are_groups_that_a_reader_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "GROUP", 10_000)
    monkeypatch.setattr(write, "SLICE", 7)
    some = batch([str(row) for row in range(500)])
    for suffix in SUFFIXES:
        path = tmp_path / f"x{suffix}"
        with whole_rows(path, some.schema) as rows:
            for first in range(0, 500, 100):
                rows.write(some.slice(first, 100))
        assert read(path) == expected([some], suffix)
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups > 1


def test_parquet_and_arrow_keep_what_the_schema_says(tmp_path: Path) -> None:
    some = batch(["a"]).replace_schema_metadata({"regionfast": "{}"})
    for suffix in (".parquet", ".arrow"):
        with whole_rows(tmp_path / f"x{suffix}", some.schema) as rows:
            rows.write(some)
    parquet, arrow = pq.read_schema(tmp_path / "x.parquet"), pa.ipc.open_file(tmp_path / "x.arrow").schema
    for schema in (parquet, arrow):
        assert schema.metadata[b"regionfast"] == b"{}"
        assert pa.types.is_dictionary(schema.field("region").type)


@contextmanager
def a_full_disk() -> Iterator[None]:
    """Files of this process may have 64 KiB: what is written beyond it fails as on a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("groups", [1, 1 << 24])
def test_a_full_disk_leaves_nothing(tmp_path: Path, suffix: str, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource")
    monkeypatch.setattr(write, "GROUP", groups)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"before")
    some = batch([f"{row * 7919 % 100_003:09}" * 3 for row in range(20_000)])

    def half_of_it() -> None:
        with whole_rows(path, some.schema, force=True) as rows:
            rows.write(some)
            rows.write(some)

    with a_full_disk(), pytest.raises(OSError, match="too large"):
        half_of_it()
    assert path.read_bytes() == b"before"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_interruption_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    def interrupted() -> None:
        with whole_rows(tmp_path / f"x{suffix}", batch([]).schema) as rows:
            rows.write(batch(["a"]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"before")
    with pytest.raises(FileExistsError), whole_rows(path, batch([]).schema):
        pytest.fail("there is nothing to be done")
    assert path.read_bytes() == b"before"
    with whole_rows(path, batch([]).schema, force=True):
        pass
    assert path.read_bytes() != b"before"


def test_the_suffix_says_the_form() -> None:
    assert kind_of(Path("x.PARQUET")) == "parquet"
    for name in ("x.txt", "x", "-", "x.csv.gz"):
        with pytest.raises(ValueError, match=r"\.arrow, \.csv, \.jsonl, \.parquet"):
            kind_of(Path(name))


def test_a_missing_pyarrow_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"install `regionfast\[all\]`") as failed:
        kind_of(Path("x.csv"))
    assert failed.value.name is None
