"""Rosters: one whatever the form and order of the rows, and errors that name rows and never people."""

from __future__ import annotations

import gzip
import io
import ipaddress
import itertools
import pickle
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf
from regionfast.errors import RosterError
from regionfast.meetings.roster import Roster

ADDRESSES = ["8.8.8.8", "2400::1", "10.0.0.1", "::ffff:1.1.1.1", "x", "", None, "1.1.1.1", "2400::"]


def kept(roster: Roster) -> dict[str, Any]:
    """All that a roster keeps, as plain values."""
    names = ("participants", "meetings", "accounts", "series", "roles", "connections")
    arrays = ("starts", "families", "v4", "v6", "v6_rows", "account_of_meeting", "series_of_meeting", "source_rows")
    columns = {name: getattr(roster, name) for name in names}
    return (
        {name: None if c is None else (c.codes.tolist(), c.values) for name, c in columns.items()}
        | {name: None if (array := getattr(roster, name)) is None else array.tolist() for name in arrays}
        | {"at": roster.at, "digest": roster.digest, "order": roster.canonical_order.tolist()}
    )


@st.composite
def row_lists(draw: st.DrawFn) -> list[tuple[str | None, str, str | None, str | None, str, str, str | None]]:
    """Rows of a roster that fit together: participant, meeting, connection, role, account, series, address."""
    of_connection = {
        key: (draw(st.sampled_from(["u", "v", None])), draw(st.sampled_from(["host", None])))
        for key in itertools.product("mno", "123")
    }
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        meeting = draw(st.sampled_from("mno"))
        connection = draw(st.sampled_from(["1", "2", "3", None]))
        if connection is None:
            participant, role = draw(st.sampled_from(["u", None])), draw(st.sampled_from(["host", None]))
        else:
            participant, role = of_connection[meeting, connection]
        address = draw(st.sampled_from(ADDRESSES))
        rows.append((participant, meeting, connection, role, "a" + meeting, "s", address))
    return rows


def made(rows: list[tuple[Any, ...]], *, connections: bool = True) -> Roster:
    participants, meetings, ids, roles, accounts, series, addresses = (
        map(list, zip(*rows, strict=True)) if rows else [[]] * 7
    )
    return Roster(
        participants,
        addresses,
        meetings=meetings,
        accounts=accounts,
        series=series,
        roles=roles,
        connections=ids if connections else None,
    )


def grouped(rows: list[tuple[Any, ...]]) -> dict[Any, list[tuple[int, Any]]]:
    """The rows of each connection, the slow way."""
    found: dict[Any, list[tuple[int, Any]]] = {}
    for row, (participant, meeting, connection, role, *_, address) in enumerate(rows):
        key = (meeting, connection) if connection else (meeting, connection, row)
        found.setdefault(key, []).append((row, (participant, role, address)))
    return found


@given(row_lists())
@settings(max_examples=200, deadline=None)
def test_rows_become_connections(table: rf.Table, rows: list[tuple[Any, ...]]) -> None:
    roster = made(rows)
    expected = grouped(rows)
    assert len(roster) == len(expected)
    assert roster.row_count == len(rows)
    assert (roster.starts is None) == all(len(group) == 1 for group in expected.values())
    starts = range(len(rows) + 1) if roster.starts is None else roster.starts.tolist()
    for number, (key, group) in enumerate(expected.items()):
        here = slice(starts[number], starts[number + 1])
        assert roster.source_rows[here].tolist() == [row for row, _ in group]
        assert roster.meetings[number] == key[0]
        assert roster.connections is not None
        assert roster.connections[number] == key[1]
        assert roster.roles is not None
        assert (roster.participants[number], roster.roles[number]) == group[0][1][:2]
    slots = table.lookup_many([rows[row][-1] for row in roster.source_rows]).slots
    assert roster.lookup(table).tolist() == slots.tolist()
    parsed = dict(zip(roster.v6_rows.tolist(), roster.v6, strict=True))
    for row, source in enumerate(roster.source_rows.tolist()):
        address = rows[source][-1]
        family = 0 if not address else 1 if address == "x" else ipaddress.ip_address(address).version
        assert roster.families[row] == family
        assert roster.v4[row] == (int(ipaddress.IPv4Address(address)) if family == 4 else 0)
        assert (row in parsed) == (family == 6)
        if family == 6:
            assert parsed[row].tobytes() == ipaddress.ip_address(address).packed
    assert roster.accounts is not None
    assert roster.account_of_meeting is not None
    for code, meeting in enumerate(roster.meetings.values):
        assert roster.accounts.values[roster.account_of_meeting[code]] == f"a{meeting}"


@given(row_lists(), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_order_of_rows_gives_the_same_digest(rows: list[tuple[Any, ...]], random: Any, connections: bool) -> None:
    first = made(rows, connections=connections)
    shuffled = rows[:]
    random.shuffle(shuffled)
    second = made(shuffled, connections=connections)
    assert first.digest == second.digest

    def in_order(roster: Roster) -> list[tuple[Any, ...]]:
        assert roster.roles is not None
        ids: Any = roster.connections or [None] * len(roster)
        starts = np.arange(len(roster) + 1) if roster.starts is None else roster.starts
        of_v6 = dict(zip(roster.v6_rows.tolist(), map(bytes, roster.v6), strict=True))
        return [
            (
                roster.meetings[i] or "",
                ids[i] or "",
                roster.participants[i] or "",
                roster.roles[i] or "",
                sorted(
                    (int(roster.families[row]), of_v6.get(row, b""), int(roster.v4[row]))
                    for row in range(starts[i], starts[i + 1])
                ),
            )
            for i in roster.canonical_order.tolist()
        ]

    assert in_order(first) == in_order(second)
    assert in_order(first) == sorted(in_order(first))
    assert sorted(first.canonical_order.tolist()) == list(range(len(first)))


@given(row_lists().filter(len), st.data())
@settings(max_examples=200, deadline=None)
def test_any_change_of_content_gives_another_digest(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    before = made(rows).digest
    row = data.draw(st.integers(0, len(rows) - 1))
    meeting, connection = rows[row][1:3]
    changed = [list(cells) for cells in rows]
    what = data.draw(st.sampled_from(["participant", "role", "address", "account", "series", "rows", "connection"]))
    together = [
        other for other in changed if connection is not None and (other[1], other[2]) == (meeting, connection)
    ] or [changed[row]]
    if what == "participant":
        for other in together:
            other[0] = "w"
    elif what == "role":
        for other in together:
            other[3] = "guest"
    elif what == "address":
        changed[row][6] = "9.9.9.9"
    elif what in {"account", "series"}:
        for other in changed:
            if other[1] == meeting:
                other[4 if what == "account" else 5] = "b"
    elif what == "rows":
        changed.append(changed[row])
    else:
        changed[row][2] = "new"
    assert made([tuple(cells) for cells in changed]).digest != before


def test_a_digest_tells_columns_apart() -> None:
    digests = [
        Roster(["a"], ["8.8.8.8"], meetings=["m"]).digest,
        Roster(["a"], ["8.8.8.8"], meetings=["m"], roles=[None]).digest,
        Roster(["a"], ["8.8.8.8"], meetings=["m"], roles=["r"]).digest,
        Roster(["a"], ["8.8.8.8"], meetings=["m"], accounts=["r"]).digest,
        Roster(["a"], ["8.8.8.8"], meetings=["m"], series=["r"]).digest,
        Roster(["a"], ["8.8.8.8"], meetings=["m"], connections=["r"]).digest,
        Roster(["m"], ["8.8.8.8"], meetings=["a"]).digest,
        Roster(["a"], ["::8.8.8.8"], meetings=["m"]).digest,
        Roster(["a"], ["::ffff:8.8.8.8"], meetings=["m"]).digest,
        Roster(["a"], [None], meetings=["m"]).digest,
        Roster(["a"], ["0.0.0.0"], meetings=["m"]).digest,  # noqa: S104 - an address like others
        Roster(["a"], ["?"], meetings=["m"]).digest,
        Roster(["ab", "c"], [None, None], meetings=["m", "m"]).digest,
        Roster(["a", "bc"], [None, None], meetings=["m", "m"]).digest,
        Roster([], [], meetings=[]).digest,
    ]
    assert len(set(digests)) == len(digests)
    at = datetime(2020, 6, 4, tzinfo=UTC)
    assert Roster(["a"], ["8.8.8.8"], meetings=["m"], at=at).digest == digests[0]


def test_a_digest_never_changes_between_versions() -> None:
    """Plans are bound to it: whoever changes it has to say so and to write a new number into it."""
    roster = Roster(
        ["u1", None, "u1"],
        ["8.8.8.8", "2400::1", None],
        meetings=["m", "m", "n"],
        accounts=["a", "a", "é"],
        roles=["host", None, None],
        connections=["1", "2", "1"],
    )
    assert roster.digest == "dafc0b6d2b5da3e823a78eba0f8496bb6f8424022d7881de050d11ea4bc09620"


V4_ROWS = st.lists(st.integers(0, 2**32 - 1), max_size=8)


@given(V4_ROWS)
@settings(max_examples=40, deadline=None)
def test_any_form_of_the_same_addresses_gives_an_equal_roster(values: list[int]) -> None:
    objects = [ipaddress.IPv4Address(value) for value in values]
    texts = [str(address) for address in objects]
    numbers = np.array(values, np.uint32)
    packed = np.frombuffer(b"".join(address.packed for address in objects), np.uint8).reshape(-1, 4)
    forms: dict[str, Any] = {
        "text": texts,
        "tuple": tuple(texts),
        "generator": (text for text in texts),
        "objects": objects,
        "uint32": numbers,
        "strided": np.repeat(numbers, 2)[::2],
        "packed": packed,
        "U": np.array(texts, str),
        "S": np.array(texts, "S"),
        "Arrow text": pa.array(texts, pa.utf8()),
        "Arrow view": pa.array(texts, pa.string_view()),
        "Arrow uint32": pa.array(values, pa.uint32()),
        "Arrow dictionary": pa.array(texts, pa.utf8()).dictionary_encode(),
        "Arrow slice": pa.array(["x", *texts, "x"]).slice(1, len(texts)),
        "Arrow chunks": pa.chunked_array([texts[:2], [], texts[2:]], pa.utf8()),
        "Arrow packed": pa.array([address.packed for address in objects], pa.binary(4)),
        "pandas": pd.Series(texts, dtype=object),
        "pandas numbers": pd.Series(numbers),
        "pandas objects": pd.Series(objects, dtype=object),
        "polars": pl.Series(texts, dtype=pl.String),
        "polars numbers": pl.Series(values, dtype=pl.UInt32),
    }
    people, meetings = ["p"] * len(values), ["m"] * len(values)
    expected = kept(Roster(people, texts, meetings=meetings))
    for name, form in forms.items():
        assert kept(Roster(people, form, meetings=meetings)) == expected, name


@given(row_lists())
@settings(max_examples=40, deadline=None)
def test_frames_and_files_give_an_equal_roster(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    names = ("participant", "meeting", "connection", "role", "account", "series", "address")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)) if rows else [[] for _ in names], strict=True))
    expected = kept(made(rows))
    table = pa.table({name: pa.array(cells, pa.utf8()) for name, cells in columns.items()})
    assert kept(Roster.from_arrow(table)) == expected
    assert kept(Roster.from_arrow(table.slice(0))) == expected
    assert kept(Roster.from_arrow(pa.RecordBatchReader.from_batches(table.schema, table.to_batches(2)))) == expected
    assert kept(Roster.from_frame(pd.DataFrame(columns, dtype=object))) == expected
    assert kept(Roster.from_frame(pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String)))) == expected
    path = tmp_path_factory.mktemp("roster") / "roster.csv"
    pd.DataFrame(columns, dtype=object).to_csv(path, index=False)
    assert kept(Roster.from_csv(path)) == expected
    packed = io.BytesIO(gzip.compress(path.read_bytes()))
    assert kept(Roster.from_csv(packed)) == expected
    assert not packed.closed


def test_nobody_is_a_roster() -> None:
    roster = Roster([], [], meetings=[])
    assert (len(roster), roster.row_count, roster.starts) == (0, 0, None)
    assert repr(roster) == "<Roster of 0 connections in 0 meetings>"
    assert roster.lookup(rf.open()).tolist() == []
    everything = Roster([], [], meetings=[], accounts=[], series=[], roles=[], connections=[])
    assert (len(everything), everything.canonical_order.tolist(), len(everything.digest)) == (0, [], 64)


def test_the_same_person_twice_is_two_connections() -> None:
    roster = Roster(["u", "u"], ["8.8.8.8", "8.8.8.8"], meetings=["m", "m"])
    assert len(roster) == 2
    assert repr(roster) == "<Roster of 2 connections in 1 meeting>"
    assert roster.canonical_order.tolist() == [0, 1]


def test_one_id_in_two_meetings_is_two_connections() -> None:
    roster = Roster(["u", "v", "u"], ["8.8.8.8"] * 3, meetings=["m", "n", "m"], connections=["1", "1", "1"])
    assert (len(roster), list(roster.participants)) == (2, ["u", "v"])


def test_a_roster_names_nobody_and_cannot_be_changed() -> None:
    roster = Roster(["secret"], ["198.51.100.7"], meetings=["m"], roles=["host"], connections=["c"])
    assert repr(roster) == "<Roster of 1 connection in 1 meeting>"
    with pytest.raises(AttributeError):
        roster.at = None  # type: ignore[misc]
    for array in (roster.families, roster.v4, roster.v6, roster.v6_rows, roster.source_rows, roster.canonical_order):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(ValueError, match="read-only"):
        roster.lookup(rf.open())[...] = 0


def test_an_array_of_the_caller_stays_the_callers() -> None:
    addresses = np.array([1, 2], np.uint32)
    roster = Roster(["a", "b"], addresses, meetings=["m", "m"])
    addresses[0] = 7
    assert roster.v4.tolist() == [1, 2]


def test_lookup_is_kept_while_the_table_lives(small: rf.Table) -> None:
    roster = Roster(["a", "b"], ["1.0.0.1", "x"], meetings=["m", "m"])
    first = roster.lookup(small)
    roster.lookup(rf.open())
    assert roster.lookup(small) is first
    assert roster._found is not None
    assert len(roster._found) == 1, "the table that nobody holds is forgotten"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"participants": ["secret"]}, "`participants` has 1 rows and `addresses` 4"),
        ({"roles": ["r"] * 5}, "`roles` has 5 rows and `addresses` 4"),
        ({"addresses": ["9.9.9.9"]}, "has 4 rows and `addresses` 1"),
        ({"meetings": ["m", None, "m", "m"]}, "`meetings`, row 1: no meeting"),
        ({"meetings": ["m", "m", "m", ""]}, "`meetings`, row 3: no meeting"),
        ({"meetings": ["m", "m", "m", 7]}, "`meetings`, row 3: a cell of type `int`"),
        ({"accounts": ["a", "a", "b", "b"]}, "row 0 and row 2: one meeting with two values of `account`"),
        ({"accounts": ["a", "a", "a", None]}, "row 0 and row 3: one meeting with two values of `account`"),
        ({"series": ["a", "b", "a", "a"]}, "row 0 and row 1: one meeting with two values of `series`"),
        ({"connections": ["1", "2", "1", "4"]}, "row 0 and row 2: one connection with two values of `participants`"),
        (
            {"participants": ["s", "t", "u", "t"], "connections": ["1", "2", "3", "2"], "roles": ["r", "h", "r", "g"]},
            "row 1 and row 3: one connection with two values of `roles`",
        ),
        ({"at": datetime(2020, 1, 1)}, "`at` has no offset"),  # noqa: DTZ001 - that is the case
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, Any], message: str) -> None:
    right = {"participants": ["secret", "b", "c", "d"], "addresses": ["9.9.9.9"] * 4, "meetings": ["m"] * 4}
    with pytest.raises(RosterError) as error:
        Roster(**(right | columns))
    assert message in str(error.value)
    assert "secret" not in str(error.value)
    assert "9.9.9.9" not in str(error.value)


def test_addresses_of_the_wrong_kind_are_refused() -> None:
    for addresses in ([7], [b"1.1.1.1"], "8.8.8.8", np.zeros(1, np.int64)):
        with pytest.raises(TypeError):
            Roster(["a"], addresses, meetings=["m"])  # type: ignore[arg-type]


# --- CSV ---------------------------------------------------------------------------------------------------------


def csv_roster(tmp_path: Path, content: str | bytes) -> Roster:
    path = tmp_path / "x.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Roster.from_csv(path)


@pytest.mark.parametrize(
    "content",
    [
        "participant,address,meeting\nu,8.8.8.8,m\n",
        "Participants;IP;Meeting ID\r\nu;8.8.8.8;m\r\n",
        "\ufeffmeeting_id\tip_address\tPARTICIPANT_ID\nm\t8.8.8.8\tu",
        'participant,address,meeting\n\n"u","8.8.8.8","m"\n,,\n\n',
        "participant,address,meeting\nu,8.8.8.8,m\n".encode("utf-16"),
        gzip.compress(b"participant,address,meeting\nu,8.8.8.8,m\n", mtime=0),
        gzip.compress("participant,address,meeting\nu,8.8.8.8,m\n".encode("utf-16"), mtime=0),
        "participant,address,meeting\ru,8.8.8.8,m\r",
    ],
)
def test_csv_as_people_write_it(tmp_path: Path, content: str | bytes) -> None:
    assert kept(csv_roster(tmp_path, content)) == kept(Roster(["u"], ["8.8.8.8"], meetings=["m"]))


def test_csv_of_rows_in_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regionfast.exports.CHUNK", 3)
    rows = [(f"u{i % 4}", f"2400::{i}" if i % 3 else f"1.1.1.{i}", f"m{i % 2}") for i in range(20)]
    content = "participant,address,meeting\n" + "".join(f"{','.join(row)}\n" for row in rows)
    people, addresses, meetings = map(list, zip(*rows, strict=True))
    assert kept(csv_roster(tmp_path, content)) == kept(Roster(people, addresses, meetings=meetings))


def test_csv_columns_that_mean_nothing_are_ignored_and_said(tmp_path: Path) -> None:
    roster = csv_roster(tmp_path, "participant,address,acount,meeting,x,x\nu,8.8.8.8,a,m,1,2\n")
    assert roster.warnings == ("columns that mean nothing here are ignored: `acount`, `x`, `x`",)
    assert roster.accounts is None


def test_csv_cells_without_text_are_none(tmp_path: Path) -> None:
    roster = csv_roster(tmp_path, "participant,address,meeting,role\n,,m,\nu,-,m,host\n")
    assert (list(roster.participants), roster.families.tolist()) == ([None, "u"], [0, 0])
    assert roster.roles is not None
    assert list(roster.roles) == [None, "host"]


HEAD = b"participant,address,meeting\nsecret,9.9.9.9,m\n"
MANY = HEAD + b"".join(b"u,8.8.8.%d,m%d\n" % (i % 256, i) for i in range(20_000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.csv: is empty"),
        (b"\n\n", "x.csv: is empty"),
        (b"PK\x03\x04" + bytes(22) + b"[Content_Types].xml", "is an Excel workbook: save it as CSV"),
        (b"PK\x03\x04" + bytes(22) + b"roster.csv", "is a ZIP archive: unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook: save it as CSV"),
        (
            b"secret,9.9.9.9,m\n",
            "no columns `participant`, `address`, `meeting`: unknown headings, or data in their place",
        ),
        (
            b"secret,9.9.9.9,meeting\n",
            "unknown headings, or data in their place: head the rows `participant,address,meeting`",
        ),
        (b"secret,x,m\n", "unknown headings, or data in their place"),
        (b'Meeting ID,account,"us\ner",\n', "no columns `participant`, `address`; found: Meeting ID, account, us er"),
        (b"meeting," + b"h," * 40 + b"x" * 99, "found: meeting" + ", h" * 19 + " and 22 more"),
        (b"participant,meeting\nsecret,m\n", "no column `address`; found: participant, meeting"),
        (b"participant,address,ip,meeting\n", "columns 2 and 3 are both `addresses`: leave one out"),
        (b"participant,address,meeting,meeting\n", "columns 3 and 4 are both `meetings`"),
        (HEAD + b"u,8.8.8.8\n", "line 3 has 2 cells and the heading 3"),
        (HEAD + b"u,8.8.8.8,m,x\n", "line 3 has 4 cells and the heading 3"),
        (HEAD + b"\n\nu,8.8.8.8,\n", "`meetings`, line 5: no meeting"),
        (HEAD + b'"a\nb",8.8.8.8,m\nu,8.8.8.8,\n', "`meetings`, line 5: no meeting"),
        (HEAD + b"J\xf6rg,8.8.8.8,m\n", "line 3 is not UTF-8: save the file as UTF-8"),
        (MANY + b"J\xf6rg,8.8.8.8,m\n", "line 20003 is not UTF-8"),
        (HEAD + b"a\0b,8.8.8.8,m\n", "line 3: a NUL character"),
        ("participant,address,meeting\n".encode("utf-16-le"), "line 1: a NUL character"),
        (HEAD.decode().encode("utf-16")[:-1], "no text: save it as UTF-8"),
        (HEAD + b'"u,8.8.8.8,m\n', "line 3: no CSV: a quote that is not closed"),
        (HEAD + b'"u"v,8.8.8.8,m\n', "line 3: no CSV"),
        (HEAD + b"a" * 200_000 + b",8.8.8.8,m\n", "line 3: no CSV"),
        (HEAD + b"a" * 10_000_000 + b",8.8.8.8,m\n", "line 3 is longer than 1,048,576 characters"),
        (b"a" * 10_000_000, "line 1 is longer than 1,048,576 characters"),
        (HEAD + b'"' + b"a\n" * 5_000_000, "line 3: no CSV"),
        (gzip.compress(HEAD, mtime=0)[:-4], "the gzip data is damaged or incomplete"),
        (gzip.compress(MANY, mtime=0)[:3000], "the gzip data is damaged or incomplete"),
        (gzip.compress(HEAD, mtime=0)[:20] + b"\xff" * 30, "the gzip data is damaged or incomplete"),
        (b"\x1f\x8b", "the gzip data is damaged or incomplete"),
        (b"\x1f\x8bnot gzip", "the gzip data is damaged or incomplete"),
    ],
)
def test_csv_that_is_wrong_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RosterError) as error:
        csv_roster(tmp_path, content)
    assert message in str(error.value)
    assert "x.csv" in str(error.value)
    assert "secret" not in str(error.value)
    assert "9.9.9.9" not in str(error.value)
    assert "\n" not in str(error.value)


def test_csv_that_disagrees_names_lines(tmp_path: Path) -> None:
    content = "participant,address,meeting,connection\n\na,8.8.8.8,m,1\nb,8.8.8.8,m,2\nc,8.8.8.8,m,1\n"
    with pytest.raises(RosterError, match="line 3 and line 5: one connection with two values of `participants`"):
        csv_roster(tmp_path, content)


def test_csv_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match="cannot read .*none.csv: No such file"):
        Roster.from_csv(tmp_path / "none.csv")
    with pytest.raises(RosterError, match="cannot read"):
        Roster.from_csv(tmp_path)


def test_a_bomb_of_gzip_costs_no_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(b"participant,address,meeting\n" + b"\0" * 300_000_000, 9)
    tracemalloc.start()
    try:
        with pytest.raises(RosterError, match="line 2 is longer"):
            csv_roster(tmp_path, bomb)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda frame: frame.drop("meeting"), "the frame: no column `meeting`; found: participant, address"),
        (lambda frame: frame.with_columns(ip=frame["address"]), "columns 2 and 4 are both `addresses`"),
        (
            lambda frame: frame.with_columns(meeting=pl.Series([1])),
            "`meetings` is an Arrow column of `int64`: write ids as text, such as by `astype(str)`",
        ),
    ],
)
def test_frames_that_are_wrong(make: Callable[[pl.DataFrame], pl.DataFrame], message: str) -> None:
    frame = make(pl.DataFrame({"participant": ["u"], "address": ["8.8.8.8"], "meeting": ["m"]}))
    with pytest.raises(RosterError) as error:
        Roster.from_frame(frame)
    assert message in str(error.value)
    with pytest.raises(RosterError) as error:
        Roster.from_arrow(frame)
    assert message in str(error.value)


@pytest.mark.parametrize("addresses", [[["8.8.8.8", "secret"]], [("8.8.8.8",)], pa.array([["8.8.8.8"]])])
def test_several_addresses_in_a_row_are_several_rows(addresses: Any) -> None:
    with pytest.raises(TypeError, match="repeat the row for each address, with the same `connections`") as error:
        Roster(["u"], addresses, meetings=["m"])
    assert not re.search(r"8\.8|secret", str(error.value))
    with pytest.raises(TypeError) as other:
        Roster(["u"], [1.5], meetings=["m"])
    assert "repeat" not in str(other.value)


def test_a_frame_with_addresses_that_arrow_cannot_hold() -> None:
    frame = pd.DataFrame({"participant": ["u"], "ip": [ipaddress.ip_address("8.8.8.8")], "meeting": ["m"], 7: [1]})
    roster = Roster.from_frame(frame)
    assert roster.v4.tolist() == [0x08080808]
    assert roster.warnings == ("columns that mean nothing here are ignored: `7`",)


BIG = """
import resource

import numpy as np
import pyarrow as pa

import regionfast as rf
from regionfast.meetings.roster import Roster


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


rows = 10_000_000
random = np.random.default_rng(3)
meetings = pa.array([f"meeting {i}" for i in range(10_000)]).take(pa.array(random.integers(0, 10_000, rows)))
people = pa.array([f"user {i}" for i in range(1_000_000)]).take(pa.array(random.integers(0, 1_000_000, rows)))
addresses = random.integers(0, 2**32, rows, np.uint32)
before = peak()
roster = Roster(people, addresses, meetings=meetings)
built = peak()
assert len(roster) == len(roster.lookup(rf.open())) == rows
assert len(roster.digest) == 64
print((built - before) / rows, (peak() - before) / rows)
"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_million_rows_cost_a_bounded_memory() -> None:
    """Kept are 13 bytes a row and about 100 for each different text; the peak has the work besides.

    In a process of its own: what follows in this one measures memory too.
    """
    ran = subprocess.run([sys.executable, "-c", BIG], capture_output=True, text=True, check=True, timeout=590)
    built, digested = map(float, ran.stdout.split())
    assert built < 60
    assert digested < 120


def test_a_roster_is_pickled_before_and_after_its_use() -> None:
    roster = rf.Roster(["a", "b"], ["8.8.8.8", "2400:3200::1"], meetings=["m", "m"], roles=["host", None])
    before = pickle.loads(pickle.dumps(roster))  # noqa: S301 - our own
    roster.lookup(rf.open())
    after = pickle.loads(pickle.dumps(roster))  # noqa: S301 - our own
    for copy in (before, after):
        assert copy.digest == roster.digest
        assert np.array_equal(copy.lookup(rf.open()), roster.lookup(rf.open()))
        assert not any(array.flags.writeable for array in (copy.families, copy.v4, copy.v6, copy.meetings.codes))


def test_names_that_look_alike_are_alike() -> None:
    one = rf.Roster(["Jose\u0301", " ann ", "Bo"], [None] * 3, meetings=[" m", "m ", "m"])
    other = rf.Roster(["Jos\u00e9", "ann", "Bo"], [None] * 3, meetings=["m"] * 3)
    assert list(one.participants) == list(other.participants) == ["Jos\u00e9", "ann", "Bo"]
    assert one.digest == other.digest
    assert list(rf.Roster(["bo"], [None], meetings=["m"]).participants) != ["Bo"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["1.2.3.4"], ("1.2.3.4",)),
        (["2001:DB8:0:0::1"], ("2001:db8::1",)),
        (["::ffff:1.2.3.4"], ("::ffff:102:304",)),
        (["::ffff:0.0.0.1"], ("::ffff:0:1",)),
        ([None, "no address", "9.9.9.9"], ("9.9.9.9",)),
    ],
)
def test_addresses_of_a_connection_have_one_spelling(given: list[str | None], said: tuple[str, ...]) -> None:
    roster = rf.Roster(["p"] * len(given), given, meetings=["m"] * len(given), connections=["c"] * len(given))
    assert roster.addresses(0) == said
