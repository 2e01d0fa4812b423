"""The engine against the reference, line by line, over logs that are made up and then damaged."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import regionfast as rf
from logs import reference
from logs.reference import LONGEST, Layout, Line
from oracle import Oracle
from regionfast._lib import LogScan, LogSource

BLOCK: Final = 1 << 18
"""Bytes that the engine reads at once."""
HOUR: Final = 3600
REASONS: Final = ("too-long", "no-match", "no-header", "invalid-address")
NETWORKS: Final = {
    "1.0.0.0/8": "CN",
    "8.8.0.0/16": "US",
    "8.8.8.0/24": "HK",
    "2400::/12": "CN",
    "2a00::/12": "DE",
}
OVERRIDES: Final = {"198.51.100.0/25": "relay", "8.8.4.0/24": "TW"}
ORACLE: Final = Oracle(NETWORKS, OVERRIDES)
TRUSTED: Final = ("10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32")

# Kinds of logs: how each is laid out, and how a line of it is made up


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of log."""

    layouts: tuple[Layout, ...]
    line: Callable[[bytes, bytes, bytes, bytes], bytes]
    """A line of an address, a time, a header of proxies and some text."""
    heading: tuple[bytes, ...] = (b"",)
    """What a file may begin with."""


def common(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    return b'%s - %s [%s] "GET /%s HTTP/1.1" 200 17 "-" "%s" "%s"' % (address, text[:2], time, text, text, header)


def brief(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    return b'%s - - [%s] "%s" 200 17%s' % (address, time, text, header[:0])


def vhost(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    return b"www.example.org:443 " + common(address, time, header, text)


def balancer(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    return b'http %s app/web %s:80 10.0.0.1:80 0 0 0 200 200 34 366 "GET %s" "%s" - -' % (time, address, text, header)


def internet(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    date, _, clock = time.partition(b"T")
    values = (date, clock.rstrip(b"Z"), address, text.replace(b" ", b"+"), header.replace(b" ", b"+"))
    return b" ".join(value or b"-" for value in values)


def front(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    date, _, clock = time.partition(b"T")
    values = (date, clock.rstrip(b"Z"), address, text, header.replace(b" ", b"%20").replace(b'"', b"%22"))
    return b"\t".join(value or b"-" for value in values)


def comma(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    quoted = b'"%s"' % text.replace(b'"', b'""')
    return b",".join((time, address, quoted if len(text) % 2 else text, b'"%s"' % header.replace(b'"', b'""')))


def tab(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    return b"\t".join((time, address, text, header))


def semicolon(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    return b'"%s";%s;%s\r;"a\n%s"' % (address, text, time, header[:4])


def shown(text: bytes) -> bytes:
    """A text of JSON, of whatever bytes."""
    return b'"%s"' % re.sub(rb'["\\/\x00-\x1f]', lambda special: b"\\u%04x" % ord(special[0]), text)


def flat(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    client = b"null" if not address else b"17" if address == b"-" else shown(address)
    when = time if time.replace(b".", b"").isdigit() else shown(time)
    return b'{"a":%s,"t": %s,"f":%s,"x":%s, "a\\u0062":{"a":1}}' % (client, when, shown(header), shown(text))


def deep(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    entries = b",".join(shown(entry) for entry in header.split(b", "))
    request = b'{"a": %s, "h": {"X.F": [%s]}, "x": [%s, {}]}' % (shown(address), entries, shown(text))
    return b' {"r":%s,"n":[true,1e5,null,[]],"ts":%s}\t' % (
        b"[%s]" % request if len(text) % 3 else request,
        shown(time),
    )


def syslog(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    return b"<13>1 %s gate sshd: from %s:22 %s, (%s)" % (time, address, text, header)


def sentence(address: bytes, time: bytes, header: bytes, text: bytes) -> bytes:
    return b"%s: %s. said %s to %s" % (time, address, text, header)


FIELDS: Final = b"#Fields: date time c-ip cs-uri X-Forwarded-For"
KINDS: Final[Mapping[str, Kind]] = {
    "common": Kind(
        layouts=(
            Layout(shape="common", client=0, time=3, time_form="clf"),
            Layout(shape="common", client=0),
        ),
        line=brief,
    ),
    "combined": Kind(
        layouts=(
            Layout(shape="common", client=0, time=3, time_form="clf", keep=tuple((f"f{i}", i) for i in range(10))),
            Layout(shape="common", client=0, forwarded=9, trusted=TRUSTED, keep=(("agent", 8), ("v", 10))),
            Layout(shape="common", client=0, forwarded=9, header="forwarded", trusted=TRUSTED, time=3, time_form="any"),
        ),
        line=common,
    ),
    "vhost": Kind(
        layouts=(
            Layout(shape="vhost", client=0, time=3, time_form="clf", keep=(("v", 10), ("user", 2), ("x", 9))),
            Layout(shape="vhost", client=0, time=3, time_form="clf"),
        ),
        line=vhost,
    ),
    "alb": Kind(
        layouts=(
            Layout(shape="blank", client=3, strip_port=True, time=1, time_form="iso", keep=(("n", 28), ("q", 12))),
            Layout(shape="blank", client=3, strip_port=True, forwarded=13, trusted=TRUSTED),
        ),
        line=balancer,
    ),
    "iis": Kind(
        layouts=(
            Layout(shape="w3c", client=("c-ip",), time_form="w3c", keep=(("uri", ("cs-uri",)), ("no", ("no",)))),
            Layout(
                shape="w3c",
                client=("x-client", "C-IP"),
                forwarded=("x-forwarded-for", "cs(x-forwarded-for)"),
                trusted=TRUSTED,
                time_form="w3c",
            ),
        ),
        line=internet,
        heading=(FIELDS + b"\r\n", b"#Version: 1.0\n" + FIELDS + b"\n", FIELDS + b" c-ip\n", b"#Fields:\n", b""),
    ),
    "cloudfront": Kind(
        layouts=(
            Layout(
                shape="w3c",
                client=("c-ip",),
                forwarded=("x-forwarded-for",),
                header="forwarded",
                trusted=TRUSTED,
                time_form="w3c",
                keep=(("f", ("X-FORWARDED-FOR",)),),
            ),
        ),
        line=front,
        heading=(FIELDS.replace(b" c-ip", b"\tc-ip") + b"\n", b"#Fields: c-ip\n"),
    ),
    "csv": Kind(
        layouts=(
            Layout(shape="csv", client=1, time=0, time_form="any", width=4, skip=1, keep=(("x", 2), ("t", 0))),
            Layout(shape="csv", client=1, forwarded=3, trusted=TRUSTED, width=4, skip=1),
            Layout(shape="csv", client=1, forwarded=3, header="forwarded", trusted=TRUSTED, keep=(("y", 7),)),
        ),
        line=comma,
        heading=(b"t,a,x,f\n", b'"t\n",a,"x,",f\r\n'),
    ),
    "tsv": Kind(
        layouts=(
            Layout(shape="csv", client=1, time=0, time_form="any", separator="\t", width=4, skip=1, keep=(("f", 3),)),
        ),
        line=tab,
        heading=(b"t\ta\tx\tf\r\n",),
    ),
    "semicolon": Kind(
        layouts=(Layout(shape="csv", client=0, separator=";", time=2, time_form="epoch", keep=(("x", 1), ("y", 3))),),
        line=semicolon,
    ),
    "flat": Kind(
        layouts=(
            Layout(shape="json", client=("a",), time=("t",), time_form="any", keep=(("x", ("x",)), ("o", ("ab",)))),
            Layout(shape="json", client=("a",), time=("t",), time_form="epoch", forwarded=("f",), trusted=TRUSTED),
            Layout(
                shape="json",
                client=("a",),
                forwarded=("f",),
                header="forwarded",
                trusted=TRUSTED,
                keep=(("t", ("t",)),),
            ),
        ),
        line=flat,
    ),
    "deep": Kind(
        layouts=(
            Layout(
                shape="json",
                client=("r", "a"),
                time=("ts",),
                time_form="iso",
                keep=(("x", ("r", "x")), ("n", ("n",)), ("h", ("r", "h")), ("r", ("r",))),
            ),
            Layout(
                shape="json", client=("r", "a"), forwarded=("r", "h", "X.F"), trusted=TRUSTED, keep=(("n", ("n", "n")),)
            ),
        ),
        line=deep,
    ),
    "syslog": Kind(layouts=(Layout(shape="text", time_form="any"), Layout(shape="text")), line=syslog),
    "sentence": Kind(layouts=(Layout(shape="text", time_form="any"),), line=sentence),
}

CLF_TIMES: Final = (
    *(b"10/Jun/2026:13:55:36 +0000", b"10/Jun/2026:13:59:60 +0200", b"29/Feb/2024:23:59:59 -0730", b"-"),
    *(b"29/Feb/2025:00:00:00 +0000", b"10/jun/2026:13:55:36 +0000", b"10/Jun/2026:24:00:00 +0000"),
    *(b"01/Jan/1970:00:00:00 +0001", b"31/Dec/9999:23:59:59 -0001", b"10/Jun/2026:13:55:36 +2400"),
    *(b"01/Jan/1970:00:00:00 +0000", b"31/Dec/9999:23:59:59 +0000", b"00/Jun/2026:13:55:36 +0000"),
)
ISO_TIMES: Final = (
    *(b"2026-06-10T13:55:36Z", b"2026-06-10T13:55:36.123456789Z", b"2026-06-10 13:55:36,5+02:00", b"2026-06-10"),
    *(b"2026-06-10T13:55:60-0730", b"2024-02-29T23:00:00+02", b"2026-06-10T13:55:36", b"2026-06-10T13:55:36.Z"),
    *(b"1970-01-01T00:00:00+00:01", b"9999-12-31T23:59:59Z", b"2026-06-31T00:00:00Z", b"2026-06-10t13:55:36z"),
)
EPOCHS: Final = (
    *(b"0", b"1781099736", b"1781099736.9", b"1781099736999", b"1781099736999999", b"1781099736999999999"),
    *(b"99999999999", b"100000000000", b"1.7e9", b"17810997.36e+2", b"0e9", b"1e-3", b"1e30", b"-1", b"1.", b""),
    *(b"253402300799999999999", b"253402300800000000000", b"0001781099736", b"1781099736 "),
)
ADDRESSES: Final = (
    *(b"8.8.8.8", b"8.8.1.1", b"1.2.3.4", b"9.9.9.9", b"10.0.0.1", b"192.0.2.7", b"198.51.100.7", b"198.51.100.200"),
    *(b"2400::1", b"2a00:1::", b"2001:db8::1", b"::1", b"::", b"fe80::1%eth0", b"::ffff:8.8.8.8", b"::ffff:10.0.0.2"),
    *(b"", b"-", b"unknown", b"host.example", b"8.8.8.8:443", b"[2400::1]:443", b"[2400::1]", b"008.8.8.8", b"8.8.8"),
    *(b"8.8.4.4", b"2001:DB8:0:0::0.0.0.1", b"2002:808:808::1", b"64:ff9b::8.8.8.8", b"2400::1::2", b"fe80::1%\xe9"),
    *(b"1.2.3.4.", b"12345::", b"2400:0:0:0:0:0:0:1", b" 8.8.8.8", b"8.8.8.8\xa0", b"\xd9\xa1.2.3.4", b"8.8.8.8\0"),
)
HEADERS: Final = (
    *(b"", b"-", b"8.8.8.8", b"8.8.8.8, 10.0.0.9", b"1.2.3.4, 10.0.0.9,192.0.2.1", b"unknown, 10.0.0.1", b", ,"),
    *(b"10.0.0.3, 10.0.0.4", b"[2400::1]:443, [2001:db8::2]", b"1.2.3.4:99999, 10.0.0.1:1", b"1.2.3.4:100000"),
    *(b"for=8.8.8.8", b'For="[2400::1]:47";proto=http, for=10.0.0.9', b"by=1.2.3.4, for=10.0.0.9", b"for=_x"),
    *(b'for="10.0.0.1";by="a,b;for=x", for=10.0.0.2;for=8.8.8.8', b'for="8.8.8.8', b'for="1\\.2.3.4"', b"for=unknown"),
    *(
        b"8.8.8.8, for=10.0.0.1",
        b"for=8.8.8.8, 10.0.0.1",
        b"[10.0.0.1]",
        b"1.2.3.4,,\t10.0.0.1 ",
        b"10.0.0.1,::ffff:a00:1",
    ),
)
TEXTS: Final = (
    *(
        b"",
        b"-",
        b"a",
        b"a b",
        b'a "b" c',
        b'"',
        b'""',
        b"x\\",
        b'\\"',
        b"\\x22\\x5c",
        b"[x] y",
        b" [",
        b"]",
        b"#",
        b"+%20",
    ),
    *(
        b"caf\xe9",
        b"caf\xc3\xa9",
        b"\xf0\x9f\x98",
        b"\0",
        b"\t",
        b"a,b",
        b"'",
        b"{}",
        b"1.2.3.4 v1.2.3.4",
        b"std::x fe80::.",
    ),
    *(b"8.8.8.8.example 2400::1. 10.0.0.1:80,", b"::", b"a\rb", b"%2c%2C%"),
)
INSERTS: Final = (
    *(b'"', b'""', b"\\", b"\n", b"\r\n", b"\r", b" ", b"\t", b",", b";", b"[", b"]", b"{", b"}", b":", b"\0", b"\xff"),
    *(
        b"\n\n",
        b" \t\n",
        b"\n#fieldS: c-ip date time\n",
        b"\n#x\n",
        b"null",
        b"\\u00",
        b"\\ud800",
        b"/",
        b"%",
        b"x" * 70,
    ),
)

Damage = tuple[str, int, int, bytes]
"""What is done, where, how long, and with which bytes."""


def damaged(data: bytes, damages: Sequence[Damage]) -> bytes:
    """A file after some accidents."""
    for kind, at, size, insert in damages:
        start = at % (len(data) + 1)
        piece = data[start : start + size]
        if kind == "flip":
            data = data[:start] + bytes(byte ^ (1 << at % 8) for byte in piece[:1]) + data[start + 1 :]
        elif kind == "cut":
            data = data[:start] + data[start + size :]
        elif kind == "join":
            feed = data.find(b"\n", start)
            data = data if feed < 0 else data[:feed] + data[feed + 1 :]
        elif kind == "double":
            end = data.find(b"\n", start) + 1
            first = data.rfind(b"\n", 0, start) + 1
            data = data[:end] + data[first:end] + data[end:]
        else:
            data = data[:start] + insert + data[start:]
    return data


DAMAGE: Final[st.SearchStrategy[Damage]] = st.tuples(
    st.sampled_from(["flip", "cut", "join", "double", "insert", "insert"]),
    st.integers(0, 1 << 16),
    st.integers(1, 40),
    st.sampled_from(INSERTS),
)
LINE_PARTS: Final = st.tuples(
    st.sampled_from(ADDRESSES),
    st.sampled_from(CLF_TIMES + ISO_TIMES + EPOCHS),
    st.sampled_from(HEADERS),
    st.sampled_from(TEXTS),
    st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"]),
)


@st.composite
def logs_of(draw: st.DrawFn, kind: Kind) -> bytes:
    """A file of some lines, most of them damaged."""
    lines = [kind.line(*parts) + end for *parts, end in draw(st.lists(LINE_PARTS, max_size=8))]
    data = draw(st.sampled_from(kind.heading)) + b"".join(lines)
    data = damaged(data, draw(st.lists(DAMAGE, max_size=4)))
    return draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])) + data


# What both say


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine, with the table that the oracle knows too."""

    table: rf.Table
    path: Path

    def check(
        self,
        data: bytes,
        layout: Layout,
        *,
        threads: int = 1,
        step: int = 1 << 26,
        packed: bool = False,
        selected: frozenset[str] | None = None,
    ) -> None:
        """Asserts that it says of a file what the reference says; of rows, those `selected` by region or status."""
        lines = reference.read(data, layout, ORACLE)
        # A new file each time: another scan may still have the old one open.
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(gzip.compress(data, 1) if packed else data)
        select = None
        if selected is not None:
            select = bytes(label in selected for label in self.labels)
        scan = self._scan(
            layout, threads=threads, select=select, rows=True, address=True, line=True, raw=True, rejects=True
        )
        rows: list[tuple[object, ...]] = []
        raw = b""
        rejects: list[tuple[int, str]] = []
        is_going_on = True
        while is_going_on:
            is_going_on = scan.step(step)
            rows += [row for batch in scan.take_batches() for row in self._rows(pa.record_batch(batch), layout)]
            raw += scan.take_lines()
            numbers, reasons = scan.take_rejects()
            rejects += [(int(line), REASONS[reason]) for line, reason in zip(numbers, reasons, strict=True)]
        wanted = [line for line in lines if line.kind == "row" and (selected is None or _label(line) in selected)]
        assert rows == [_expected(line, layout) for line in wanted]
        assert raw == b"".join(line.data.removesuffix(b"\n") + b"\n" for line in wanted)
        assert rejects == [
            (line.number, "invalid-address" if line.status == "invalid" else line.kind)
            for line in lines
            if line.status == "invalid" or line.kind not in {"row", "skipped"}
        ]
        assert scan.matched == len(wanted)
        self._check_totals(scan, lines, layout)
        # Counts alone are another way through the engine.
        scan = self._scan(layout, threads=3 - threads)
        while scan.step(step):
            assert not scan.take_batches()
        self._check_totals(scan, lines, layout)

    @property
    def labels(self) -> list[str]:
        """What each slot stands for: a status, or a region; several may stand for the same."""
        statuses = [*map(str, sorted(rf.Status)), "relay"]
        return [str(region or statuses[slot]) for slot, region in enumerate(self.table.regions)]

    def _scan(self, layout: Layout, **options: object) -> LogScan:
        has_fields = layout.shape != "text"
        return LogScan(
            LogSource(self.path),
            self.table,
            shape=layout.shape,
            client=layout.client,
            strip_port=layout.strip_port,
            forwarded=layout.forwarded,
            header=layout.header,
            trusted=layout.trusted,
            time=layout.time,
            time_form=layout.time_form,
            keep=layout.keep if has_fields else (),
            separator=layout.separator,
            width=layout.width,
            skip=layout.skip,
            bucket=HOUR if layout.time_form else 0,
            **options,  # type: ignore[arg-type]
        )

    def _rows(self, batch: pa.RecordBatch, layout: Layout) -> list[tuple[object, ...]]:
        time = ["time"] if layout.time_form else []
        kept = [name for name, _ in layout.keep]
        assert batch.schema.names == ["line", "offset", *time, "region", "status", "address", *kept, "text"]
        if time:
            assert batch.schema.field("time").type == pa.timestamp("s", "UTC")
        columns = [
            column.cast(pa.int64()).to_pylist() if name == "time" else column.to_pylist()
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return list(zip(*columns, strict=True))

    def _check_totals(self, scan: LogScan, lines: Sequence[Line], layout: Layout) -> None:
        rows = [line for line in lines if line.kind == "row"]
        times = [line.time for line in rows if line.time is not None]
        skipped = sum(line.kind == "skipped" for line in lines)
        assert scan.failure is None
        assert (scan.lines, scan.skipped, scan.unparsed) == (len(lines), skipped, len(lines) - skipped - len(rows))
        assert (scan.first, scan.last) == (min(times, default=None), max(times, default=None))
        assert scan.undated == (len(rows) - len(times) if layout.time_form else 0)
        labels = self.labels
        counts: Counter[tuple[int | None, str]] = Counter()
        for bucket, slot, count in zip(*scan.counts(), strict=True):
            counts[None if bucket < 0 else int(bucket), labels[slot]] += int(count)
        assert counts == Counter(
            (None if line.time is None else line.time - line.time % HOUR, _label(line)) for line in rows
        )
        mentions: Counter[str] = Counter()
        for label, count in zip(labels, scan.mentions(), strict=False):
            mentions[label] += int(count)
        assert +mentions == Counter(mention for line in rows for mention in line.mentions)


def _label(line: Line) -> str:
    return line.region or line.status or ""


def _expected(line: Line, layout: Layout) -> tuple[object, ...]:
    text = line.data.removesuffix(b"\n")
    text = text.removesuffix(b"\r") if line.data.endswith(b"\n") else text
    time = (line.time,) if layout.time_form else ()
    return (
        *(line.number, line.offset, *time, line.region, line.status, line.client),
        *(*line.kept, text.decode("utf-8", "replace")),
    )


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("reference")
    database, overrides = folder / "small.csv", folder / "overrides.csv"
    for path, networks in ((database, NETWORKS), (overrides, OVERRIDES)):
        path.write_text("".join(f"{network},{region}\n" for network, region in networks.items()), encoding="ascii")
    return Engine(rf.open(database, overrides=overrides), folder / "log")


# Tests


def check_a_damaged_log(engine: Engine, data: st.DataObject, kind: Kind) -> None:
    log = data.draw(logs_of(kind))
    layout = data.draw(st.sampled_from(kind.layouts))
    selected = data.draw(st.none() | st.frozensets(st.sampled_from(engine.labels), min_size=1))
    engine.check(log, layout, threads=data.draw(st.sampled_from([1, 2])), selected=selected)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
@given(data=st.data())
def test_damaged_logs(name: str, engine: Engine, data: st.DataObject) -> None:
    check_a_damaged_log(engine, data, KINDS[name])


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
@given(data=st.data())
def test_many_damaged_logs(name: str, engine: Engine, data: st.DataObject) -> None:
    check_a_damaged_log(engine, data, KINDS[name])


def long_log(kind: Kind, size: int, seed: int) -> bytes:
    """A damaged log of several blocks, of lines of very different lengths."""
    rng = random.Random(seed)
    data = bytearray(kind.heading[0])
    times = CLF_TIMES + ISO_TIMES + EPOCHS
    while len(data) < size:
        text = rng.choice(TEXTS) + rng.choice([b"x" * rng.randrange(300), b"y" * rng.randrange(4_000)])
        line = kind.line(rng.choice(ADDRESSES), rng.choice(times), rng.choice(HEADERS), text) + b"\n"
        if rng.random() < 0.2:
            kinds = ("flip", "cut", "join", "insert", "double")
            damage = (rng.choice(kinds), rng.randrange(1 << 16), rng.randrange(1, 40), rng.choice(INSERTS))
            line = damaged(line, [damage])
        data += line
    return bytes(data)


@pytest.mark.parametrize(("threads", "step"), [(1, 1), (2, BLOCK)])
@pytest.mark.parametrize("name", KINDS)
def test_logs_of_several_blocks(name: str, threads: int, step: int, engine: Engine) -> None:
    kind = KINDS[name]
    log = long_log(kind, 2 * BLOCK + 10_000, seed=threads)
    engine.check(log, kind.layouts[0], threads=threads, step=step, packed=threads == 2)


def line_of(kind: Kind, size: int) -> bytes:
    """A line of so many bytes."""
    parts = (b"8.8.8.8", b"2026-06-10T13:55:36Z", b"1.2.3.4")
    least = len(kind.line(*parts, b""))
    # An empty text may be written as one byte, and one that is not may get quotes.
    sizes = range(size - least + 1, size - least - 4, -1)
    lines = (kind.line(*parts, b"x" * text) for text in sizes)
    return next(line for line in lines if len(line) == size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soup:
    """Lines of random pieces, in which nothing is where it should be."""

    layout: Layout
    pieces: tuple[bytes, ...]
    before: bytes = b""
    behind: bytes = b""

    def log(self, seed: int, lines: int) -> bytes:
        rng = random.Random(seed)
        return b"".join(
            self.before + b"".join(rng.choices(self.pieces, k=rng.randrange(1, 9))) + self.behind + b"\n"
            for _ in range(lines)
        )


def split(text: bytes) -> tuple[bytes, ...]:
    """Pieces that are parted by bars."""
    return tuple(text.split(b"|"))


_DIGITS: Final = (b"0", b"1", b"2", b"9", b"00", b"10", b"23", b"59", b"60", b"1970", b"2026")
_ISO_PIECES: Final = split(
    b"2026-06-10|2024-02-29|1970-01-01|9999-12-31|T|T| |13:55:36|23:59:60|24:00:00|00:00:00|.5|,25|.|Z|Z|+02:00"
)
_CLF_PIECES: Final = split(
    b"10/Jun/2026|29/Feb/2024|31/Dec/9999|:13:55:36|:23:59:60|:00:00:00| +0200| -0700| +0000| +2359|10/|Jun|/2026"
)
_FREE_PIECES: Final = split(
    b"8.8.8.8|10.0.0.1|2400::1|::|::1|:|.|:80|:65535|:123456| |-|_|x|\xe9|fe80::|1:2:3:4:5:6:7:8|%x|0|ff|[|]|8.8.|\xff"
)
_ENTRIES: Final = split(
    b"8.8.8.8|10.0.0.1|10.0.0.2|[2001:db8::1]|[2400::1]|2400::1|::ffff:10.0.0.1|:80|:x|,|,|,| |\t|unknown|-|;"
)
_PAIRS: Final = (*_ENTRIES, *split(b'for=|for=|for=|For=|by=|for= |for="|"|"|\\|\\"|\\1|;|proto=http|for="10.0.0.1"'))
SOUPS: Final[Mapping[str, Soup]] = {
    **{
        form: Soup(
            layout=Layout(shape="csv", separator="|", client=1, time=0, time_form=form, keep=(("when", 0),)),
            pieces=(*_DIGITS, *_ISO_PIECES, *_CLF_PIECES, b"e", b"+", b"-", b"1781099736", b"99999999999"),
            behind=b"|8.8.8.8",
        )
        for form in ("clf", "iso", "w3c", "epoch", "any")
    },
    "iso pieces": Soup(
        layout=Layout(shape="csv", separator="|", client=1, time=0, time_form="any"),
        pieces=(*_ISO_PIECES, b"13:55:36Z", b"T13:55:36-07", b"2026-06-10T13:55:36"),
        behind=b"|1.2.3.4",
    ),
    "numbers": Soup(
        layout=Layout(shape="csv", separator="|", client=1, time=0, time_form="epoch"),
        pieces=(*_DIGITS, b".", b"e", b"e1", b"E-2", b"1781099736"),
        behind=b"|1.2.3.4",
    ),
    "stamps": Soup(
        layout=Layout(shape="text", time_form="any"),
        pieces=(*_ISO_PIECES, b"<13>", b"<13>1 ", b"<1234>", b"<>", b"1 ", b"+0200", b"-07", b" 8.8.8.8"),
    ),
    "free text": Soup(layout=Layout(shape="text"), pieces=_FREE_PIECES),
    "ports": Soup(
        layout=Layout(shape="csv", separator="|", client=0, strip_port=True),
        pieces=split(b"8.8.8.8|2400::1|[|]|:|:80|:-|:123456|-|%x|:0"),
        behind=b"|",
    ),
    "x-forwarded-for": Soup(
        layout=Layout(shape="csv", separator="|", client=0, forwarded=1, trusted=TRUSTED),
        pieces=_ENTRIES,
        before=b"10.0.0.9|",
    ),
    "forwarded": Soup(
        # In a W3C log nothing is quoted, so that the quotes are those of the header.
        layout=Layout(shape="w3c", client=("c",), forwarded=("f",), header="forwarded", trusted=TRUSTED),
        pieces=tuple(piece.replace(b" ", b"+").replace(b"\t", b"%09") for piece in _PAIRS),
        before=b"10.0.0.9 ",
    ),
    "common": Soup(
        layout=Layout(shape="common", client=0, time=3, time_form="clf", keep=tuple((f"f{i}", i) for i in range(11))),
        pieces=split(b'8.8.8.8| | |-|- - [|[|]|] "|] "|"|"|\\|\\"|x|10/Jun/2026:13:55:36 +0000|\t'),
    ),
    "vhost": Soup(
        layout=Layout(shape="vhost", client=0, forwarded=9, trusted=TRUSTED, keep=(("v", 10), ("user", 2))),
        pieces=split(b'10.0.0.1| | - - [x] "|" 200 17 "-" "x" "8.8.8.8|, 10.0.0.2"|www |\\x2c|\\x3|"|\\"|8.8.8.8'),
    ),
    "alb": Soup(
        layout=Layout(shape="blank", client=3, strip_port=True, keep=(("a", 0), ("l", 11), ("n", 13))),
        pieces=split(b' |  |a b c "|"|\\|\\"|d e f g |8.8.8.8:80 |- - - - '),
    ),
    "csv": Soup(
        layout=Layout(shape="csv", client=0, keep=(("b", 1), ("c", 2))),
        pieces=split(b'8.8.8.8|,|,|"|"|""|\n|\r\n|\r| |x|"a",|"b\n",'),
    ),
    "json": Soup(
        layout=Layout(
            shape="json",
            client=("a",),
            time=("t",),
            time_form="any",
            keep=(("b", ("b",)), ("ab", ("a", "b")), ("a", ("a",))),
        ),
        pieces=split(
            b'"a":"8.8.8.8"|"a":|"b":|"a":null|"t":1781099736|{|}|[|]|,|,|:|1|"x"|{"b":2}|{"b":"y"}|["z","w"]|[]|"a":[{"b":3}]'
            b'|"\\u0061":"1.2.3.4"|"\\ud800"|true| |\t|"|"b":{}'
        ),
        before=b"{",
        behind=b"}",
    ),
    "json pairs": Soup(
        layout=Layout(
            shape="json",
            client=("a",),
            forwarded=("f",),
            trusted=TRUSTED,
            keep=(("b", ("a", "b")), ("c", ("a", "b", "c")), ("f", ("f",))),
        ),
        pieces=tuple(
            pair + b","
            for pair in split(
                b'"a":"10.0.0.1"|"a":{"b":"x"}|"a":[{"b":{"c":5}},1]|"a":[[{"b":[]}]]|"a":[]|"a":["10.0.0.2"]|"a":[null]|"a":7'
                b'|"f":["8.8.8.8","10.0.0.3"]|"f":["8.8.8.8",1]|"f":"1.2.3.4"|"f":[]|"f":[""]|"f":null|"f":{}|"\\u0066":"8.8.8.8"'
                b'|"a":{"b":{"c":null},"b":{}}|"a":"\\u0031.2.3.4"|"x":"\\ud83d\\ude00"|"a":{"b":"\\ud83d\\u0041","\\u0062":"\\"\\\\\\n"}'
            )
        ),
        before=b"{",
        behind=b'"z":0}',
    ),
    "w3c": Soup(
        layout=Layout(
            shape="w3c", client=("c-ip", "s-ip"), time_form="w3c", keep=(("x", ("x", "y")), ("t", ("TIME",)))
        ),
        pieces=split(
            b"\n#Fields: date time c-ip\n|\n#Fields:\tS-IP\tx|\n#FIELDS:y x c-ip c-ip\n|\n#Fields: |\n#F|\n#Fields x\n"
            b"|2026-06-10 13:55:36 8.8.8.8|1.2.3.4 x|a b 8.8.8.8 8.8.4.4|8.8.8.8\tx y| |\t|\r"
        ),
    ),
}


@pytest.mark.parametrize("name", SOUPS)
def test_soups(name: str, engine: Engine) -> None:
    check_a_soup(engine, SOUPS[name], seed=0)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SOUPS)
def test_many_soups(name: str, engine: Engine) -> None:
    for seed in range(1, 100):
        check_a_soup(engine, SOUPS[name], seed)


def check_a_soup(engine: Engine, soup: Soup, seed: int) -> None:
    heading = b"#Fields: c f\n" if soup.layout.client == ("c",) else b""
    # The engine looks up 512 rows at once.
    engine.check(heading + soup.log(seed, lines=1_100), soup.layout, threads=1 + seed % 2)


ONCE: Final = ("common", "alb", "iis", "cloudfront", "csv", "tsv", "flat", "sentence")
"""Kinds whose lines have the text once, so that they can have any length."""
ENDS: Final = (b"\n", b"\r\n", b"")


@pytest.mark.parametrize("name", ONCE)
def test_lines_around_the_size_of_a_block(name: str, engine: Engine) -> None:
    kind = KINDS[name]
    layout = replace(kind.layouts[0], keep=())
    heading, short = kind.heading[0], line_of(kind, 200)
    for more in range(-3, 4):
        long = line_of(kind, BLOCK - len(heading) + more)
        for end in ENDS:
            engine.check(heading + long + end + short + end + short, layout, threads=2, step=1)


def lines_around_the_longest(kind: Kind) -> Iterator[bytes]:
    """Files with a line that is just not too long, or just too long."""
    heading, short = kind.heading[0], line_of(kind, 200) + b"\n"
    for more, end in ((-1, b"\n"), (0, b"\n"), (0, b"\r\n"), (1, b"\n"), (1, b"\r\n"), (2, b"\n"), (2, b"\r\n")):
        yield heading + line_of(kind, LONGEST + more) + end + short
    for more in (0, 1, 2):
        yield heading + line_of(kind, LONGEST + more)
    for more in (BLOCK - 1, 2 * BLOCK, LONGEST):
        yield heading + short + 2 * (line_of(kind, LONGEST + more) + b"\n") + short


@pytest.mark.parametrize("name", ONCE)
def test_lines_around_the_longest(name: str, engine: Engine) -> None:
    kind = KINDS[name]
    for number, log in enumerate(lines_around_the_longest(kind)):
        engine.check(log, replace(kind.layouts[0], keep=()), threads=1 + number % 2, step=1 << 16)


@pytest.mark.parametrize("more", [0, 1, 2, 3, 2 * BLOCK])
@pytest.mark.parametrize("name", ["common", "iis", "csv", "sentence"])
def test_blanks_around_the_longest(name: str, more: int, engine: Engine) -> None:
    kind = KINDS[name]
    blank, short = b" " * (LONGEST + more), line_of(kind, 200)
    for end in ENDS:
        log = kind.heading[0] + blank + end + short
        engine.check(log, replace(kind.layouts[0], keep=()))


@pytest.mark.parametrize("more", [0, 1, 2, 3, 2 * BLOCK])
def test_directives_around_the_longest(more: int, engine: Engine) -> None:
    columns = b"#Fields: c-ip"
    log = (
        columns + b"\n8.8.8.8\n" + columns + b" " * (LONGEST + more - len(columns) - 5) + b" time\n8.8.8.8\n8.8.8.8 x\n"
    )
    engine.check(log, Layout(shape="w3c", client=("c-ip",)))
    engine.check(log.replace(b"\n", b"\r\n"), Layout(shape="w3c", client=("c-ip",)))


def rows_around_the_longest() -> Iterator[bytes]:
    """Files of CSV with a row of several lines that is just not too long, or just too long."""
    short = b"8.8.8.8,1\n"
    for more in (-1, 0, 1, 2, 3, BLOCK):
        row = b'8.8.8.8,"\na\n\n' + b"x" * (LONGEST + more - 14) + b'"'
        for end in ENDS:
            yield short + row + end + short
    for behind in (b"x", b'"', b"\r", b"\r\r\n"):
        yield short + b'8.8.8.8,"a\nb"' + behind
        yield short + b'8.8.8.8,"a\nb"' + behind + b"\n" + short


def test_rows_of_several_lines(engine: Engine) -> None:
    for number, log in enumerate(rows_around_the_longest()):
        engine.check(log, Layout(shape="csv", client=0, width=2), threads=1 + number % 2, step=1 << 16)


@pytest.mark.parametrize(
    "heading",
    [
        *(
            b"",
            b"\n",
            b" \t\r\n\n",
            b'"t\n",a,"x,&,f\r\n',
            b"x" * (LONGEST + 1) + b"\n",
            b"x" * (LONGEST + BLOCK) + b"\n",
        ),
    ],
)
def test_a_heading_is_the_first_row(heading: bytes, engine: Engine) -> None:
    for rows in (b"a,b\n8.8.8.8,1\n", b"a,b", b"8.8.8.8,1\r\n" * 3):
        engine.check(heading + rows, Layout(shape="csv", client=0, width=2, skip=1))


SCALARS: Final = st.sampled_from(
    [
        *("null", "true", "false", "nul", "x", "NaN", "Infinity", "", "'a'"),
        *("0", "-0", "1e5", "-1.5E-3", "01", "1.", ".5", "+1", "-", "1e", "123456789012345678901234567890"),
        *(
            '""',
            '"a"',
            '"\\u00e9"',
            '"\\ud83d\\ude00"',
            '"\\ud83d"',
            '"\\x"',
            '"\\u00g0"',
            '"\\""',
            '"\t"',
            '"\x7f\u2028"',
            '"',
        ),
    ]
)
BLANKS: Final = st.sampled_from(["", "", "", " ", "\t", "\r", "\v", "\xa0"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Texts that are JSON, or nearly so."""
    inner = st.recursive(
        SCALARS,
        lambda values: st.one_of(
            st.tuples(st.lists(values, max_size=3), st.sampled_from([",", ", ", ",,"])).map(
                lambda given: f"[{given[1].join(given[0])}]"
            ),
            st.lists(st.tuples(SCALARS, BLANKS, values), max_size=3).map(
                lambda pairs: "{" + ",".join(f"{key}:{blank}{value}" for key, blank, value in pairs) + "}"
            ),
        ),
        max_leaves=6,
    )
    return draw(BLANKS) + '{"a":' + draw(inner) + draw(st.sampled_from(["}", "}", "}", ",}", "", "}}"])) + draw(BLANKS)


def no_constant(name: str) -> object:
    raise ValueError(name)


@settings(max_examples=100, deadline=None)
@given(document=documents())
def test_the_reference_reads_json_as_the_library_does(document: str) -> None:
    found = reference.parsed_json(document.encode())
    try:
        known = json.loads(document, parse_constant=no_constant)
    except ValueError:
        assert found is None
    else:
        # The library keeps half a pair.
        whole = re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(known, ensure_ascii=False))
        assert plain(found) == json.loads(whole)


def plain(value: reference.Value) -> object:
    """A value of the reference as the library has it."""
    match value:
        case reference.Object():
            return {key.decode(): plain(one) for key, one in value.items()}
        case reference.Array():
            return [plain(one) for one in value.items]
        case reference.Other():
            return json.loads(value.raw)
        case bytes():
            return value.decode()
    return None


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", KINDS)
def test_long_logs(name: str, seed: int, engine: Engine) -> None:
    kind = KINDS[name]
    log = long_log(kind, 9 * BLOCK, seed=seed)
    for layout in kind.layouts:
        engine.check(log, layout, threads=1 + seed % 2, step=1 << 16 + seed % 8, packed=seed % 3 == 0)
