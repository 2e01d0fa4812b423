"""Slow, obviously correct reference of what is read from a log: every line by itself, one after another.

It shares no code with the engine and does everything in another way: a file is in memory as a whole, lines are cut by
regular expressions, addresses are read by `ipaddress`, times by `datetime` and `decimal`, and regions come from
`tests/oracle.py`. JSON is read by a grammar of a few lines, since the library's reader does not say where a value
stands; a test holds both against each other.

Where a rule of a format is a choice (`docs/logs.md` names them), the comment here says which one was taken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from oracle import Oracle

LONGEST: Final = 1 << 20
"""Bytes of the longest line that is read, without its line end."""
DEEPEST: Final = 128
"""Objects and arrays of JSON in each other."""

Field: TypeAlias = int | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a log is to be read, in the words of `LogScan`."""

    shape: str
    client: Field | None = None
    strip_port: bool = False
    forwarded: Field | None = None
    header: str = "x-forwarded-for"
    trusted: tuple[str, ...] = ()
    time: Field | None = None
    time_form: str | None = None
    keep: tuple[tuple[str, Field], ...] = ()
    separator: str = ","
    width: int | None = None
    skip: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, or one row of CSV that has several."""

    number: int
    """From 1."""
    offset: int
    """Of its first byte in the file, a byte order mark counted."""
    data: bytes
    """With its line end."""
    kind: str
    """`row`, `skipped`, or why it is unparsed: `too-long`, `no-match`, `no-header`."""
    status: str | None = None
    region: str | None = None
    client: str | None = None
    """The text of the address, `None` where it is missing."""
    time: int | None = None
    """Seconds since 1970 in UTC."""
    kept: tuple[str | None, ...] = ()
    mentions: tuple[str, ...] = ()
    """Of free text the region or status of each address."""


@dataclass(frozen=True, slots=True)
class Other:
    """A value of JSON that is no text."""

    raw: bytes


Cell: TypeAlias = bytes | Other | None
"""What a line has of a field; `None`: nothing."""


def read(data: bytes, layout: Layout, oracle: Oracle) -> list[Line]:
    """All lines of a file that is not compressed."""
    lines: list[Line] = []
    heading = layout.skip
    columns: list[bytes] | None = None
    for offset, raw, is_whole in _cut(data, layout):
        line = Line(number=len(lines) + 1, offset=offset, data=raw, kind="skipped")
        text = _without_end(raw)
        if len(text) > LONGEST:
            line = replace(line, kind="too-long")
        elif not text.strip(b" \t"):
            pass
        elif layout.shape == "w3c" and text.startswith(b"#"):
            if text.lower().startswith(b"#fields:"):
                columns = re.findall(rb"[^ \t]+", text[len(b"#Fields:") :])
        elif not is_whole:
            line = replace(line, kind="no-match")
        elif heading:
            heading -= 1
        elif layout.shape == "w3c" and columns is None:
            line = replace(line, kind="no-header")
        elif layout.shape == "text":
            line = _free_row(line, text, layout, oracle)
        else:
            fields = _fields(text, layout, columns)
            line = replace(line, kind="no-match") if fields is None else _row(line, fields, layout, oracle)
        lines.append(line)
    return lines


def totals(lines: Sequence[Line]) -> Counter[str]:
    """How many `lines` there are, and of them `rows`, `skipped` and `unparsed` ones."""
    kinds = {"row": "rows", "skipped": "skipped"}
    return Counter(lines=len(lines)) + Counter(kinds.get(line.kind, "unparsed") for line in lines)


# Lines


def _without_end(raw: bytes) -> bytes:
    return raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")


def _cut(data: bytes, layout: Layout) -> Iterator[tuple[int, bytes, bool]]:
    """Offset and bytes of each line, and whether it is whole: false where quotes of CSV are wrong."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while at < len(data):
        feed = data.find(b"\n", at)
        end = len(data) if feed < 0 else feed + 1
        is_whole = True
        if layout.shape == "csv" and len(_without_end(data[at:end])) <= LONGEST:
            # Two bytes more than the longest, for the line end.
            row = _csv_row(layout.separator.encode()).match(data, at, at + LONGEST + 2)
            is_whole = row is not None and row.end() > at and len(_without_end(row[0])) <= LONGEST
            # A row may end with the file, but not where the window does.
            if row is not None and not row[0].endswith(b"\n") and row.end() < len(data):
                is_whole = False
            if row is not None and is_whole:
                end = row.end()
        yield at, data[at:end], is_whole
        at = end


def _csv_row(separator: bytes) -> re.Pattern[bytes]:
    """A row of RFC 4180 with its line end. A cell that no quote opens may have quotes in it."""
    part = re.escape(separator)
    cell = rb'(?:"(?:[^"]|"")*+"|(?!")[^' + part + rb"\n]*+)"
    return re.compile(cell + rb"(?:" + part + cell + rb")*+(?:\r?\n|\Z)")


# Fields


def _fields(line: bytes, layout: Layout, columns: list[bytes] | None) -> _Fields | None:
    """What finds the fields of a line, or `None` where it has not the form of the log."""
    match layout.shape:
        case "common" | "vhost":
            return _common(line, has_vhost=layout.shape == "vhost")
        case "blank":
            tokens = _tokens(line)
            return _Fields(numbered=tokens) if len(tokens) >= 12 else None
        case "w3c":
            assert columns is not None
            ways = [line.split(separator) for separator in (b"\t", b" ") if separator != b"\t" or b"\t" in line]
            ways = [values for values in ways if len(values) == len(columns)]
            if len(ways) != 1:
                return None
            values = ways[0]
            names = [column.lower() for column in columns]
            # Of two columns with one name the first counts.
            found = _Fields(named={name: values[names.index(name)] for name in names})
            return None if found.cell(layout.client, is_w3c=True) is None else found
        case "csv":
            cells = _cells(line, layout.separator.encode())
            return _Fields(numbered=cells) if layout.width in {None, len(cells)} else None
        case "json":
            value = parsed_json(line)
            return _Fields(object=value) if isinstance(value, Object) else None
    raise ValueError(layout.shape)


class _Fields:
    """The fields of a line, by number, by name, or by path."""

    def __init__(
        self,
        *,
        numbered: Sequence[bytes | None] = (),
        named: dict[bytes, bytes] | None = None,
        object: Object | None = None,  # noqa: A002 - JSON calls it so
    ) -> None:
        self._numbered, self._named, self._object = numbered, named, object

    def cell(self, field: Field | None, *, is_w3c: bool = False, is_joined: bool = False) -> Cell:
        """What stands in a field; `is_joined`: of an array of texts all, with commas between."""
        assert field is not None
        if isinstance(field, int):
            return self._numbered[field] if field < len(self._numbered) else None
        if is_w3c:
            assert self._named is not None
            values = (self._named.get(name.lower().encode()) for name in field)
            return next((value for value in values if value is not None), None)
        value: Value = self._object
        for key in field:
            while isinstance(value, Array):
                value = value.items[0] if value.items else None
            if not isinstance(value, Object):
                return None
            value = value.get(key.encode())
        if isinstance(value, Array):
            if not value.items:
                return None
            if is_joined and all(isinstance(item, bytes) for item in value.items):
                return b",".join(item for item in value.items if isinstance(item, bytes))
            if not is_joined and isinstance(value.items[0], bytes):
                return value.items[0]
            return Other(value.raw)
        return Other(value.raw) if isinstance(value, Object) else value


def _common(line: bytes, *, has_vhost: bool) -> _Fields | None:
    vhost = None
    if has_vhost:
        vhost, blank, line = line.partition(b" ")
        if not blank:
            return None
    # What a visitor typed as a name may have brackets, but no quote: servers escape it. So the first of these ends the
    # time, and the last bracket before it begins it.
    client, first, rest = line.partition(b" ")
    before, closing, tail = rest.partition(b'] "')
    who, opening, time = before.rpartition(b" [")
    ident = re.match(rb"[^ ]*", before)
    assert ident is not None
    if not first or not closing or not opening or ident.end() > len(who):
        return None
    found = _quoted_tokens(b'"' + tail)
    # The header is the first field in quotes behind the agent.
    header = next((token for token, is_quoted in found[5:] if is_quoted), None)
    tokens: list[bytes | None] = [*[token for token, _ in found[:5]], *[None] * (5 - len(found)), header]
    return _Fields(numbered=[client, ident[0], who[ident.end() + 1 :], time, *tokens[:6], vhost])


def _tokens(text: bytes) -> list[bytes]:
    return [token for token, _ in _quoted_tokens(text)]


def _quoted_tokens(text: bytes) -> list[tuple[bytes, bool]]:
    """Fields between blanks; a quote opens a field only as its first byte, and one that is open ends with the line."""
    found = re.finditer(rb'"((?:[^"\\]|\\.)*+)(?:"|(\\?)\Z)|([^ "][^ ]*)', text, re.DOTALL)
    return [(token[1] + (token[2] or b""), True) if token[3] is None else (token[3], False) for token in found]


def _cells(line: bytes, separator: bytes) -> list[bytes]:
    """The cells of a row whose quotes are right."""
    cells: list[bytes] = []
    at = 0
    while True:
        if line[at : at + 1] == b'"':
            quoted = re.compile(rb'"((?:[^"]|"")*)"', re.DOTALL).match(line, at)
            assert quoted is not None
            cells.append(quoted[1].replace(b'""', b'"'))
            at = quoted.end()
        else:
            end = line.find(separator, at)
            end = len(line) if end < 0 else end
            cells.append(line[at:end])
            at = end
        if at == len(line):
            return cells
        at += 1


# JSON: RFC 8259, with texts that need not be UTF-8


class Object(dict[bytes, "Value"]):
    """Of equal names the last counts."""

    def __init__(self, raw: bytes, pairs: Sequence[tuple[bytes, Value]]) -> None:
        super().__init__(pairs)
        self.raw = raw


@dataclass(frozen=True, slots=True)
class Array:
    raw: bytes
    items: list[Value]


Value: TypeAlias = bytes | Other | Object | Array | None

_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_TEXT: Final = re.compile(rb'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+)"')
_SCALAR: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_ESCAPE: Final = re.compile(rb"((?:\\u[0-9a-fA-F]{4})+)|\\(.)")
_SHORT: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class NoJsonError(ValueError):
    """It is no JSON."""


def parsed_json(line: bytes) -> Value:
    """The value of a line; `None` where it is `null` or no JSON."""
    try:
        value, at = _value(line, _blanks(line, 0), 0)
    except NoJsonError:
        return None
    return value if _blanks(line, at) == len(line) else None


def _blanks(line: bytes, at: int) -> int:
    found = _BLANKS.match(line, at)
    assert found is not None
    return found.end()


def _value(line: bytes, at: int, depth: int) -> tuple[Value, int]:
    opening = line[at : at + 1]
    if opening == b'"':
        return _text(line, at)
    if opening not in {b"{", b"["}:
        scalar = _SCALAR.match(line, at)
        if scalar is None:
            raise NoJsonError
        return (None if scalar[0] == b"null" else Other(scalar[0])), scalar.end()
    if depth == DEEPEST:
        raise NoJsonError
    closing = b"}" if opening == b"{" else b"]"
    pairs: list[tuple[bytes, Value]] = []
    start, at = at, _blanks(line, at + 1)
    is_first = True
    while line[at : at + 1] != closing or not is_first:
        key = b""
        if opening == b"{":
            key, at = _text(line, at)
            at = _expected(line, _blanks(line, at), b":")
        value, at = _value(line, at, depth + 1)
        pairs.append((key, value))
        at = _blanks(line, at)
        is_first = False
        if line[at : at + 1] == closing:
            break
        at = _expected(line, at, b",")
    raw = line[start : at + 1]
    return (Object(raw, pairs) if opening == b"{" else Array(raw, [value for _, value in pairs])), at + 1


def _expected(line: bytes, at: int, byte: bytes) -> int:
    """Behind a byte and the blanks that follow."""
    if line[at : at + 1] != byte:
        raise NoJsonError
    return _blanks(line, at + 1)


def _text(line: bytes, at: int) -> tuple[bytes, int]:
    found = _TEXT.match(line, at)
    if found is None:
        raise NoJsonError

    def plain(escape: re.Match[bytes]) -> bytes:
        if escape[1]:  # halves of a pair that stand alone become U+FFFD
            return bytes.fromhex(escape[1].replace(b"\\u", b"").decode()).decode("utf-16-be", "replace").encode()
        return _SHORT.get(escape[2], escape[2])

    return _ESCAPE.sub(plain, found[1]), found.end()


# Rows


def _row(line: Line, fields: _Fields, layout: Layout, oracle: Oracle) -> Line:
    is_w3c = layout.shape == "w3c"
    client = fields.cell(layout.client, is_w3c=is_w3c)
    if isinstance(client, bytes) and layout.strip_port:
        client = without_port(client)
    if isinstance(client, bytes) and layout.forwarded is not None:
        header = fields.cell(layout.forwarded, is_w3c=is_w3c, is_joined=True)
        said = header.raw if isinstance(header, Other) else _plain(header or b"", layout.shape)
        client = through(client, said, layout.header, layout.trusted)
    return _answered(
        line,
        client,
        oracle,
        time=_time(fields, layout),
        kept=tuple(_shown(fields.cell(field, is_w3c=is_w3c)) for _, field in layout.keep),
    )


def _answered(
    line: Line,
    client: Cell,
    oracle: Oracle,
    *,
    time: int | None,
    kept: tuple[str | None, ...] = (),
    mentions: tuple[str, ...] = (),
) -> Line:
    if isinstance(client, bytes) and client not in {b"", b"-"}:
        # A zone may have any bytes; nothing else outside ASCII is ever accepted, so it does not matter which they are.
        answer = oracle.answer(client.decode("latin-1"))
        status, region = answer.status, answer.region
    else:
        status, region = ("invalid" if isinstance(client, Other) else "missing"), None
    return replace(
        line,
        kind="row",
        status=status,
        region=region,
        client=None if status == "missing" else _shown(client),
        time=time,
        kept=kept,
        mentions=mentions,
    )


def _shown(cell: Cell) -> str | None:
    raw = cell.raw if isinstance(cell, Other) else cell
    return None if raw is None else raw.decode("utf-8", "replace")


def _plain(header: bytes, shape: str) -> bytes:
    """A header without the escapes of the log."""
    if shape in {"common", "vhost", "blank"}:
        escape = re.compile(rb'\\x([0-9a-fA-F]{2})|\\(["\\])')
        return escape.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], header)
    if shape == "w3c":
        escape = re.compile(rb"%([0-9a-fA-F]{2})|\+")
        return escape.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b" ", header)
    return header


# Proxies


def address(text: bytes) -> IPv4Address | IPv6Address | None:
    """The address that a text is."""
    try:
        return ip_address(text.decode("latin-1"))
    except ValueError:
        return None


def without_port(text: bytes) -> bytes:
    """The client of a load balancer without its port."""
    found = re.fullmatch(rb"\[(.*)\](?::(?:[0-9]{1,5}|-))?", text, re.DOTALL)
    found = found or re.fullmatch(rb"(.*):(?:[0-9]{1,5}|-)", text, re.DOTALL)
    return text if found is None else found[1]


def through(peer: bytes, header: bytes, name: str, trusted: Sequence[str]) -> bytes | Other:
    """The client behind proxies; an entry that is no address, where the walk ended at one, is `Other`."""
    networks = [ip_network(network) for network in trusted]
    if header in {b"", b"-"}:
        return peer
    read_entry = _element if name == "forwarded" else _entry
    entries = [read_entry(member) for member in _parts(header, b",", has_quotes=name == "forwarded")]
    client: bytes | Other = peer
    while entries and _is_trusted(client, networks):
        client = entries.pop()
    return client


def _is_trusted(entry: bytes | Other, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    found = None if isinstance(entry, Other) else address(entry)
    inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return any(
        one is not None and one.version == network.version and one in network
        for network in networks
        for one in (found, inner)
    )


def _parts(text: bytes, separator: bytes, *, has_quotes: bool) -> list[bytes]:
    """What stands between separators outside quotes, without blanks around it, and without empty ones.

    A quote that is not closed goes to the end.
    """
    parts, start, is_quoted, is_escaped = [], 0, False, False
    for at in range(len(text)):
        byte = text[at : at + 1]
        if is_escaped:
            is_escaped = False
        elif byte == b"\\" and is_quoted:
            is_escaped = True
        elif byte == b'"' and has_quotes:
            is_quoted = not is_quoted
        elif byte == separator and not is_quoted:
            parts.append(text[start:at])
            start = at + 1
    return [part for part in (part.strip(b" \t") for part in [*parts, text[start:]]) if part]


def _entry(text: bytes) -> bytes | Other:
    """The address of an entry, without brackets and port."""
    if address(text) is not None:
        return text
    six = re.fullmatch(rb"\[(.*)\](?::[0-9]{1,5})?", text, re.DOTALL)
    four = re.fullmatch(rb"(.*):[0-9]{1,5}", text, re.DOTALL)
    if six is not None and isinstance(address(six[1]), IPv6Address):
        return six[1]
    if four is not None and isinstance(address(four[1]), IPv4Address):
        return four[1]
    return Other(text)


def _element(text: bytes) -> bytes | Other:
    """The entry of an element of RFC 7239."""
    if not re.fullmatch(rb'(?:[^"]|"(?:[^"\\]|\\.)*+")*+', text, re.DOTALL):
        return Other(text)
    for pair in _parts(text, b";", has_quotes=True):
        if pair[:4].lower() == b"for=":
            value = pair[4:]
            quoted = re.fullmatch(rb'"((?:[^"\\]|\\.)*+)"', value, re.DOTALL)
            if quoted is not None:
                return _entry(re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL))
            return Other(value) if b'"' in value else _entry(value)
    return Other(text)


# Free text


_RUN: Final = re.compile(rb"(?<![0-9A-Za-z_\x80-\xff.:])[0-9A-Fa-f:.]++(?![0-9A-Za-z_\x80-\xff])")


def mentioned(line: bytes) -> list[bytes]:
    """The addresses in a line, from left to right, without ports."""
    return [found for run in _RUN.finditer(line) if (found := _in_run(run[0])) is not None]


def _in_run(run: bytes) -> bytes | None:
    text = run.rstrip(b".:")
    # `::` alone is no address, so something has to stand before it.
    if text and run.startswith(text + b"::") and address(text + b"::") is not None:
        return text + b"::"
    if address(text) is not None:
        return text
    before, _, port = text.rpartition(b":")
    return before if re.fullmatch(rb"[0-9]{1,5}", port) and isinstance(address(before), IPv4Address) else None


def _free_row(line: Line, text: bytes, layout: Layout, oracle: Oracle) -> Line:
    found = mentioned(text)
    answers = [oracle.answer(one.decode("ascii")) for one in found]
    return _answered(
        line,
        found[0] if found else None,
        oracle,
        time=None if layout.time_form is None else line_time(text),
        mentions=tuple(answer.region or answer.status for answer in answers),
    )


# Times


_DATE: Final = rb"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?"
_OFFSET: Final = rb"(Z|[+-]\d\d(?::?\d\d)?)"
_ISO: Final = re.compile(_DATE + _OFFSET + rb"?")
_STAMP: Final = re.compile(rb"(?:<\d{1,3}>(?:1 )?)?(" + _DATE + _OFFSET + rb")")
_MONTHS: Final = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_CLF: Final = re.compile(rb"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})")
_EPOCH: Final = re.compile(rb"(\d+(?:\.\d+)?)(?:[eE]([+-]?)(\d+))?")
_LAST: Final = (datetime(9999, 12, 31, 23, 59, 59) - datetime(1970, 1, 1)) // timedelta(seconds=1)  # noqa: DTZ001


def seconds(form: str, text: bytes) -> int | None:
    """Seconds since 1970; `None`: undated."""
    match form:
        case "clf":
            return _clf(text)
        case "iso":
            return _iso(text, None)
        case "w3c":
            return _iso(text, b"Z")
        case "epoch":
            return _epoch(text)
        case "any":
            tried = (_iso(text, None), _epoch(text), _clf(text))
            return next((time for time in tried if time is not None), None)
    raise ValueError(form)


def line_time(line: bytes) -> int | None:
    """The time at the start of a line of free text."""
    found = _STAMP.match(line)
    return None if found is None else _iso(found[1], None)


def _time(fields: _Fields, layout: Layout) -> int | None:
    if layout.time_form is None:
        return None
    if layout.shape == "w3c" and layout.time is None:
        date, time = fields.cell(("date",), is_w3c=True), fields.cell(("time",), is_w3c=True)
        assert not isinstance(date, Other)
        assert not isinstance(time, Other)
        return None if date is None or time is None else seconds(layout.time_form, date + b" " + time)
    cell = fields.cell(layout.time, is_w3c=layout.shape == "w3c")
    text = cell.raw if isinstance(cell, Other) else cell
    return None if text is None else seconds(layout.time_form, text)


def _utc(parts: Sequence[bytes], offset: bytes) -> int | None:
    """Year, month, day, hour, minute, second and `Z`, `+HH`, `+HHMM` or `+HH:MM` to seconds."""
    year, month, day, hour, minute, second = map(int, parts)
    hours, minutes = (0, 0) if offset == b"Z" else (int(offset[1:3]), int(offset[3:].lstrip(b":") or b"0"))
    if second > 60 or hours > 23 or minutes > 59:
        return None
    try:
        local = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - the offset comes next
    except ValueError:
        return None
    ahead = (hours * 3600 + minutes * 60) * (-1 if offset.startswith(b"-") else 1)
    found = (local - datetime(1970, 1, 1)) // timedelta(seconds=1) - ahead  # noqa: DTZ001
    return found if 0 <= found <= _LAST else None


def _iso(text: bytes, default: bytes | None) -> int | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    offset = found[7] or default
    return None if offset is None else _utc(found.groups()[:6], offset)


def _clf(text: bytes) -> int | None:
    found = _CLF.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return None
    month = str(_MONTHS.index(found[2]) + 1).encode()
    return _utc((found[3], month, found[1], found[4], found[5], found[6]), found[7])


def _epoch(text: bytes) -> int | None:
    found = _EPOCH.fullmatch(text)
    if found is None:
        return None
    # A line has less than 2 million digits: a power beyond that is as good as one of 10 million.
    power = found[3].lstrip(b"0").decode() if found[3] else ""
    power = power if len(power) < 8 else "10000000"
    number = Decimal(f"{found[1].decode()}e{(found[2] or b'').decode()}{power or '0'}")
    if number.adjusted() > 25 and number != 0:
        return None
    whole = int(number) if number.adjusted() >= 0 else 0
    for limit, unit in ((10**11, 1), (10**14, 10**3), (10**17, 10**6)):
        if whole < limit:
            return whole // unit
    return whole // 10**9 if whole // 10**9 <= _LAST else None
