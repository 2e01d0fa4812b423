"""Pseudonyms of addresses."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from regionfast.errors import DocumentError
from regionfast.logs.formats import Layout
from regionfast.logs.pseudonyms import pseudonyms, read_key, shows_address, without_objects
from regionfast.pseudonym import pseudonym

KEY = bytes(range(32))


def test_an_address_has_one_pseudonym_however_it_is_written() -> None:
    of = pseudonyms(KEY)
    texts = ["8.8.8.8", "::ffff:8.8.8.8", "::ffff:808:808", "2001:DB8::0:1", "2001:db8::1", "2001:db8::1%eth0"]
    found = of(pa.array(texts)).to_pylist()
    four, six = pseudonym(KEY, "address", "8.8.8.8"), pseudonym(KEY, "address", "2001:db8::1")
    assert found == [four] * 3 + [six] * 3
    assert pseudonyms(bytes(32))(pa.array(texts[:1])).to_pylist() != [four]


def test_what_is_no_address_has_none() -> None:
    found = pseudonyms(KEY)(pa.array(["host.example", None, "", "8.8.8.8:80", "8.8.8.8%eth0", "1.2.3"]))
    assert found.null_count == len(found)
    assert len(pseudonyms(KEY)(pa.array([], pa.string()))) == 0


@pytest.mark.parametrize("content", [KEY.hex(), f" {KEY.hex().upper()}\r\n", KEY], ids=["digits", "loose", "bytes"])
def test_a_key_is_digits_or_bytes(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_key(path) == KEY


@pytest.mark.parametrize("content", [b"", b"secret", b"00" * 31, b"00" * 33, b"0" * 63 + b"g", bytes(31), bytes(33)])
def test_no_key_is_an_error_that_says_nothing_of_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match="64 hexadecimal digits") as failed:
        read_key(path)
    assert "secret" not in str(failed.value)
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(DocumentError, match="cannot read the key"):
            read_key(missing)


@pytest.mark.parametrize(
    ("layout", "shown", "hidden"),
    [
        (Layout(format="csv", title="", shape="csv", client=1, fields={"a": 0, "Peer": 1}), ["peer", "line"], ["A"]),
        (
            Layout(format="jsonl", title="", shape="json", client=("request", "remote_ip")),
            [
                *("request", "request.remote_ip", "request.headers.X-Forwarded-For", "remote_ip", "request.client_ip"),
                *("request.headers.True-Client-Ip", "http_x_real_ip", "CF-Connecting-IP", "network.peer.address"),
                *("request.headers.X_FORWARDED_FOR", "source.ip", r"a\.client-ip"),
            ],
            ["request.uri", "request.remote_ip_class", "request.headers", "descriptor", "zip", "user.id"],
        ),
        (
            Layout(format="w3c", title="", shape="w3c", client=("c-ip",), forwarded=("via", "x-via")),
            ["C-IP", "X-Via", "cs(X-Forwarded-For)", "cs(X-Real-IP)"],
            ["s-ip", "cs-uri-stem"],
        ),
        (Layout(format="parquet", title="", column="Visitor"), ["visitor", "address"], ["status"]),
        (Layout(format="participants", title=""), ["addresses"], ["meetings"]),
        (Layout(format="combined", title="", is_empty=True), ["address", "line"], ["user-agent"]),
    ],
    ids=lambda value: value.format if isinstance(value, Layout) else "",
)
def test_which_fields_show_addresses(layout: Layout, shown: list[str], hidden: list[str]) -> None:
    assert [name for name in (*shown, *hidden) if shows_address(layout, name)] == shown


def test_objects_and_arrays_are_left_out() -> None:
    texts = ["GET /[x]", '{"X-Real-Ip": ["8.8.8.8"]}', None, ' ["8.8.8.8"]', "", "[8.8.8.8"]
    column, gone = without_objects(pa.array(texts))
    assert column.to_pylist() == ["GET /[x]", None, None, None, "", None]
    assert (column.type, gone) == (pa.string(), 3)
    assert without_objects(pa.array([], pa.string()))[1] == 0
