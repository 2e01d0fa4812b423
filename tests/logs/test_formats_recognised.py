"""Which format the first bytes of a file show, and what is said where they show none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs import samples
from regionfast.errors import LogError
from regionfast.logs.formats import FORMATS, PEEK, Layout, Reading, path, recognise

ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|[0-9a-f]+::")


def layout(text: str | bytes, *, whole: Any = True, **reading: Any) -> Layout:
    """What a file that begins so is."""
    data = text if isinstance(text, bytes) else text.encode()
    return recognise(data, whole=whole, reading=Reading(**reading))


def refusal(text: str | bytes, **reading: Any) -> str:
    """Why it is none, which never repeats an address."""
    with pytest.raises(LogError) as error:
        layout(text, **reading)
    assert ADDRESS.search(str(error.value)) is None
    return str(error.value)


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_recognised(name: str) -> None:
    assert layout(samples.SAMPLES[name]).format == name


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_named_is_the_same_as_recognised(name: str) -> None:
    assert layout(samples.SAMPLES[name], format=name) == layout(samples.SAMPLES[name])


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_recognised_with_the_line_ends_of_windows_and_cut_through(name: str) -> None:
    assert layout(samples.SAMPLES[name].replace("\n", "\r\n")).format == name
    many = samples.SAMPLES[name] + samples.SAMPLES[name].splitlines(keepends=True)[-1] * 500
    assert layout(many.encode()[:-3], whole=False).format == name


@pytest.mark.parametrize("name", ["common", "combined", "vhost", "jsonl", "alb"])
def test_half_of_the_lines_are_enough_and_less_are_not(name: str) -> None:
    line = samples.SAMPLES[name].splitlines()[0] + "\n"
    assert layout(line + "something else\n").format == name
    refusal(line + "something else\n" * 2)


def test_binary_files_are_known_by_their_first_bytes() -> None:
    assert layout(b"PAR1\x15\x04", whole=False).format == "parquet"
    assert layout(b"ARROW1\0\0", whole=False).format == "arrow"
    assert layout(b"\xff\xff\xff\xff\x78\0\0\0", whole=False).format == "arrow"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (samples.CADDY, "JSON lines of Caddy, client in request.remote_ip"),
        (samples.TRAEFIK, "JSON lines of Traefik, client in ClientHost"),
        (samples.LOGPUSH, "JSON lines of Cloudflare Logpush, client in ClientIP"),
        (samples.NGINX, "JSON lines of nginx, client in remote_addr"),
        (samples.json_lines({"client_ip": "8.8.8.8"}), "JSON lines, client in client_ip"),
        (samples.IIS, "W3C extended log of IIS, client in c-ip"),
        (samples.CLOUDFRONT, "W3C extended log of CloudFront, client in c-ip"),
        (samples.W3C, "W3C extended log, client in c-ip"),
        (samples.SAMPLES["csv"], "CSV, client in client_ip"),
    ],
)
def test_products(text: str, title: str) -> None:
    assert layout(text).title == title


def test_times_and_forwarding_of_products() -> None:
    assert layout(samples.NGINX).time == ("time_iso8601",)
    assert layout(samples.NGINX.replace("time_iso8601", "msec")).time == ("msec",)
    assert layout(samples.CADDY).time == ("ts",)
    assert layout(samples.TRAEFIK).time == ("StartUTC",)
    assert layout(samples.LOGPUSH).time == ("EdgeStartTimestamp",)
    assert layout(samples.NGINX).forwarded is None
    assert layout(samples.NGINX, trusted=["10.0.0.0/8"]).forwarded == ("http_x_forwarded_for",)
    caddy = layout(samples.CADDY, trusted=["10.0.0.0/8"], forwarded="request.headers.Forwarded")
    assert (caddy.forwarded, caddy.header) == (("request", "headers", "Forwarded"), "forwarded")
    assert layout(samples.CADDY, trusted=["10.0.0.0/8"]).forwarded == ("request", "headers", "X-Forwarded-For")
    iis = layout(samples.IIS, trusted=["10.0.0.0/8"])
    assert (iis.forwarded, iis.header) == (("x-forwarded-for", "cs(x-forwarded-for)"), "x-forwarded-for")
    combined = layout(samples.SAMPLES["combined"], trusted=["10.0.0.0/8"], forwarded="Forwarded")
    assert (combined.forwarded, combined.header) == (9, "forwarded")


def test_the_named_path_wins() -> None:
    found = layout(samples.LOGPUSH, format="jsonl", field_path="Other.Address")
    assert (found.client, found.country) == (("Other", "Address"), None)
    assert layout(samples.SAMPLES["combined"], field_path="a.b").client == ("a", "b")
    assert layout(samples.LOGPUSH, field_path="ClientIP").country == ("ClientCountry",)


def test_the_country_of_logpush_is_known_where_it_is() -> None:
    assert layout(samples.LOGPUSH).country == ("ClientCountry",)
    assert layout(samples.LOGPUSH.replace("ClientCountry", "Country")).country is None


def test_columns() -> None:
    text = "when;Source;X-Forwarded-For;bytes\nx;8.8.8.8;;1\n"
    found = layout(text, column="source", trusted=["10.0.0.0/8"], time="when")
    assert (found.client, found.forwarded, found.time, found.separator, found.width) == (1, 2, 0, ";", 4)
    assert found.field("bytes") == 3
    assert layout("address\n8.8.8.8\n").client == 0
    assert layout("a:ip\n1:8.8.8.8\n", separator=":").client == 1
    assert layout('"the ""x""","client\nip"\n1,8.8.8.8\n', format="csv").client == 1


@pytest.mark.parametrize(
    ("text", "reading", "message"),
    [
        ("a,b\n1,2\n", {}, "CSV: which column has the client's address? name it with `column`; found: `a`, `b`"),
        ("a,b\n1,2\n", {"column": "c"}, "CSV: no column `c`; found: `a`, `b`"),
        ("a,A\n1,2\n", {"column": "a"}, None),
        ("ip,a,a\n1,2,3\n", {"time": "a"}, "CSV: more than one column `a`: rename one"),
        ("8.8.8.8,x\n", {"format": "csv"}, "CSV: the first row is no heading"),
        (
            "8.8.8.8,x\n",
            {"format": "csv", "column": "8.8.4.4"},
            "CSV: no column of this name; the names that are there",
        ),
        (samples.json_lines({"a": 1, "8.8.8.8": 2}), {}, "JSON lines: where is the client's address? name it with"),
        (samples.W3C, {"column": "s-ip"}, "W3C extended log: no column `s-ip`"),
        ("Jun 10 sshd[1]: Failed for root from 8.8.8.8 port 22\n", {}, "of no format that is recognised"),
        ("2026-06-10 13:55:36,123 INFO from 8.8.8.8\n" * 3, {}, "of no format that is recognised"),
        ("8.8.8.8\n1.1.1.1\n", {}, "of no format that is recognised"),
        (b"PK\x03\x04 \n", {}, "is a ZIP archive or an Excel workbook"),
        ("a\n".encode("utf-16"), {}, "is UTF-16"),
        (b"\x7fELF\0\0\n", {}, "is no text"),
        (samples.SAMPLES["common"], {"trusted": ["10.0.0.0/8"]}, "is of the format common, for which `trusted` means"),
        (samples.SAMPLES["combined"], {"time": "x"}, "is of the format combined, for which `time` means nothing"),
        (samples.CADDY, {"trusted": ["10.0.0.0/8"], "field_path": "x"}, "JSON lines: where is X-Forwarded-For?"),
    ],
)
def test_refused(text: str | bytes, reading: dict[str, Any], message: str | None) -> None:
    if message is None:
        layout(text, **reading)
    else:
        assert refusal(text, **reading).startswith(message)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("login of alice smith from desk 7\n", {"format": "csv"}),
        ("login of alice smith from desk 7\n", {"format": "csv", "column": "client"}),
        ("login of alice smith from desk 7\n", {"format": "tsv", "column": "client"}),
        ("alice smith,bob jones\n", {}),
        ("alice,bob@corp.example\n", {"format": "csv"}),
        ("alice,2026-06-10\n", {"format": "csv"}),
        ("alice,host-203-0-113-5.example\n", {"format": "csv"}),
        ("alice," + "a" * 31 + "\n", {"format": "csv"}),
        ("time,client_ip,alice@corp\n", {"trusted": ["10.0.0.0/8"]}),
        (samples.json_lines({"alice smith@corp": 1, "host-203-0-113-5.example": 3}), {}),
        (samples.json_lines({"level": 1, "alice smith": 3}), {}),
        (samples.json_lines({"client_ip": "8.8.8.8", "alice smith": 1}), {"trusted": ["10.0.0.0/8"]}),
    ],
)
def test_data_in_the_place_of_names_is_not_repeated(text: str, reading: dict[str, Any]) -> None:
    said = refusal(text, **reading)
    assert "alice" not in said
    assert "203" not in said


@pytest.mark.parametrize(
    ("text", "reading", "names"),
    [
        ("When it was,Visitor (his),status\nx,8.8.8.8,200\n", {}, "`When it was`, `Visitor (his)`, `status`"),
        ("when,visitor.address,\nx,8.8.8.8,\n", {}, "`when`, `visitor.address`"),
        (samples.json_lines({"visitor": "8.8.8.8", "@timestamp": 1, "a b": 2}), {}, "`visitor`"),
        ("#Fields: date time cs(User Agent)\n", {}, "`date`, `time`"),
    ],
)
def test_names_are_repeated(text: str, reading: dict[str, Any], names: str) -> None:
    assert f"found: {names}" in refusal(text, **reading)


def test_w3c_is_known_by_directives_at_the_front_alone() -> None:
    text = "name,ip\n#Fields: c-ip,8.8.8.8\nbob,8.8.8.8\n"
    assert layout(text).format == "csv"
    assert layout("\n#Software: x\n#fields: c-ip\n8.8.8.8\n").format == "w3c"
    assert layout(samples.SAMPLES["combined"] * 3 + "#Fields: c-ip\n").format == "combined"


def test_an_unknown_format_says_how_to_name_one() -> None:
    said = refusal("what is this\n")
    assert all(name in said for name in FORMATS[1:])
    assert "`extract`" in said


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"format": "combine"}, "there is no such format: did you mean `combined`?; formats: auto, common, combined,"),
        ({"format": "8.8.8.8"}, "there is no such format; formats: auto,"),
        ({"format": "combined", "column": "x"}, "`column` means nothing for the format combined, only for w3c, csv,"),
        ({"format": "csv", "field_path": "x"}, "`field_path` means nothing for the format csv, only for jsonl"),
        ({"forwarded": "x"}, "`forwarded` needs `trusted`"),
        ({"trusted": ["10.0.0.0/8", "10.0.0.1/8"]}, "entry 2 of `trusted` is no network such as `10.0.0.0/8`"),
        ({"trusted": "10.0.0.0/8"}, "`trusted` is a list"),
        ({"field_path": "a..b"}, "a path of JSON"),
        ({"field_path": "a", "column": "b"}, "give `field_path`"),
        ({"separator": "::"}, "`separator` is one ASCII character"),
        ({"field_path": "a\udcff"}, "`field_path` is no UTF-8"),
        ({"column": "\udcff"}, "`column` is no UTF-8"),
        ({"format": "\udcff"}, "`format` is no UTF-8"),
        ({"format": None}, "`format` is a text"),
        ({"time": 7}, "`time` is a text"),
    ],
)
def test_a_call_that_cannot_be_meant(reading: dict[str, Any], message: str) -> None:
    with pytest.raises(LogError) as error:
        Reading(**reading)
    assert str(error.value).startswith(message)


def test_a_trusted_address_is_a_network_of_one() -> None:
    assert Reading(trusted=["10.0.0.1", "2001:db8::/32"]).trusted == ("10.0.0.1/32", "2001:db8::/32")


def test_paths() -> None:
    assert path("request.remote_ip") == ("request", "remote_ip")
    assert path(r"a\.b.c") == ("a.b", "c")


@pytest.mark.parametrize("text", ["", "\n\n", " \t\r\n"])
def test_nothing_but_blanks_is_empty(text: str) -> None:
    for name in FORMATS:
        if name not in {"parquet", "arrow", "participants"}:
            assert layout(text, format=name).title == "empty"


def test_a_first_line_longer_than_the_peek() -> None:
    long = samples.json_lines({"a": "x" * PEEK, "remote_addr": "8.8.8.8"}).encode()[:PEEK]
    with pytest.raises(LogError, match="of no format"):
        layout(long, whole=False)
    assert layout(long, whole=False, field_path="remote_addr").client == ("remote_addr",)


def test_vhosts_and_addresses_of_six_are_not_mixed_up() -> None:
    six = samples.SAMPLES["combined"].replace("8.8.8.8", "2001:db8::1:80")
    assert layout(six).format == "combined"
    assert layout(samples.SAMPLES["vhost"].replace("8.8.8.8", "2001:db8::1")).format == "vhost"


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_format_or_a_refusal(data: bytes, whole: bool) -> None:
    for reading in [Reading(), *(Reading(format=name) for name in FORMATS)]:
        try:
            found = recognise(data, whole=whole, reading=reading)
        except LogError:
            continue
        assert found.format in FORMATS[1:]
