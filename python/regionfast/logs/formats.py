"""Formats of logs: their names, how each is recognised by its first bytes, and where in it things are.

Where the fields are, these say:

- common, combined: the Apache HTTP Server's `mod_log_config` and nginx's `ngx_http_log_module`; vhost: Debian's
  `vhost_combined`, with `%v:%p` before. What follows the user agent, in quotes, is taken for a header of forwarding.
- alb: "Access logs for your Application Load Balancer" of the Elastic Load Balancing guide, the fields in its order.
- w3c: "Extended Log File Format", W3C working draft WD-logfile-960323, as IIS and Amazon CloudFront write it.
- JSON lines: nginx's variables under their own names, Caddy's `http.log.access`, Traefik's access log fields, and the
  data set *HTTP requests* of Cloudflare Logpush.
- participants: see `regionfast.exports`.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import takewhile
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from regionfast.errors import LogError, RosterError
from regionfast.exports import read_export

Field: TypeAlias = int | tuple[str, ...]
"""Where a field is: its number, the alternatives of its name (w3c), or the keys on the way to it (JSON)."""

FORMATS: Final = (
    "auto",
    "common",
    "combined",
    "vhost",
    "jsonl",
    "alb",
    "w3c",
    "csv",
    "tsv",
    "parquet",
    "arrow",
    "participants",
    "extract",
)
"""The names of formats; `auto` is whichever the first bytes show."""
TABLES: Final = ("parquet", "arrow", "participants")
"""Those that are no lines: they are read by pyarrow and by `regionfast.exports`."""

SAID: Final = ("common", "combined", "vhost", "alb", "extract")
"""Those of which the name says all, so that their first lines need not be looked at."""

PEEK: Final = 1 << 16
"""Bytes, unpacked, that a format is recognised by."""
SAMPLE: Final = 200
"""Lines of them that are looked at."""

_TAKES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "field_path": frozenset(("jsonl",)),
        "column": frozenset(("w3c", "csv", "tsv", "parquet", "arrow")),
        "separator": frozenset(("csv",)),
        "time": frozenset(("jsonl", "csv", "tsv", "parquet", "arrow")),
        "forwarded": frozenset(("combined", "vhost", "jsonl", "w3c", "csv", "tsv")),
        "trusted": frozenset(("combined", "vhost", "jsonl", "w3c", "csv", "tsv")),
    }
)
"""Which formats an option means something to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files are to be read; what is not said is found out.

    Raises:
        LogError: There is no such format; an option that the named format has no use for; `forwarded` without
            `trusted`; an entry of `trusted` that is no network.
    """

    format: str = "auto"
    """One of `FORMATS`."""
    field_path: str | None = None
    """JSON lines: the keys on the way to the client's address, `request.remote_ip`; a dot in a key is `\\.`."""
    column: str | None = None
    """CSV, TSV, W3C, Parquet, Arrow: the column of the client's address."""
    separator: str | None = None
    """CSV: what stands between cells, one ASCII character. Default: of `,`, `;` and `|` the most frequent one."""
    time: str | None = None
    """The column or JSON path of the time, where it has none of the usual names."""
    forwarded: str | None = None
    """The column or JSON path of `X-Forwarded-For`, or of `Forwarded` (RFC 7239), which its name then ends in; for
    combined and vhost the name of the header that is in the last field."""
    trusted: Sequence[str] = ()
    """Networks of own proxies: `10.0.0.0/8`. What one of them says of who it speaks for is believed."""

    def __post_init__(self) -> None:
        check_text(self.format, "format")
        for name in ("field_path", "column", "separator", "time", "forwarded"):
            if getattr(self, name) is not None:
                check_text(getattr(self, name), name)
        if self.format not in FORMATS:
            near = difflib.get_close_matches(self.format.lower(), FORMATS, n=1)
            hint = f": did you mean `{near[0]}`?" if near else ""
            raise LogError(f"there is no such format{hint}; formats: {', '.join(FORMATS)}")
        object.__setattr__(self, "trusted", tuple(_networks(self.trusted)))
        for name in self.given:
            if self.format != "auto" and self.format not in _TAKES[name]:
                raise LogError(f"`{name}` means nothing for the format {self.format}, only for {_listed(_TAKES[name])}")
        if self.field_path is not None and self.column is not None:
            raise LogError("give `field_path`, for JSON lines, or `column`, for tables")
        if self.field_path is not None:
            path(self.field_path)
        if self.forwarded is not None and not self.trusted:
            raise LogError("`forwarded` needs `trusted`: the networks of your own proxies, which alone are believed")
        if self.separator is not None and (len(self.separator) != 1 or not self.separator.isascii()):
            raise LogError("`separator` is one ASCII character")
        if self.separator in {'"', "\r", "\n"}:
            raise LogError("`separator` is no quote and no end of a line")

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the options that some formats have no use for, as far as they are given."""
        return tuple(name for name in _TAKES if getattr(self, name) not in (None, ()))


def check_text(text: object, option: str) -> None:
    """Refuse what is no text: bytes of a command line that are no UTF-8 become lone surrogates, which nothing has.

    Raises:
        LogError: It is none; names the option.
    """
    if not isinstance(text, str):
        raise LogError(f"`{option}` is a text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LogError(f"`{option}` is no UTF-8") from None


def _networks(trusted: Sequence[str]) -> Iterable[str]:
    if isinstance(trusted, str):
        raise LogError("`trusted` is a list of networks, not one text")
    for number, network in enumerate(trusted, 1):
        try:
            yield str(ip_network(network))
        except ValueError:
            raise LogError(
                f"entry {number} of `trusted` is no network such as `10.0.0.0/8`, or has bits beyond its length"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a file is, and where in it things are."""

    format: str
    """One of `FORMATS`, not `auto`."""
    title: str
    """The same in words, to be told: `JSON lines of Caddy, client in request.remote_ip`."""
    shape: str = ""
    """How the engine splits a line: `common`, `vhost`, `blank`, `w3c`, `csv`, `json`, `text`; empty for `TABLES`."""
    client: Field | None = None
    strip_port: bool = False
    """Whether the client's address has a port behind it."""
    forwarded: Field | None = None
    header: str = "x-forwarded-for"
    """Which header `forwarded` is: this or `forwarded`."""
    time: Field | None = None
    """`None` also where the shape says it: `w3c` has columns of date and time, `text` a time at its start."""
    time_form: str | None = None
    """`clf`, `iso`, `w3c`, `any`; `None` where the lines have no time."""
    separator: str = ","
    width: int | None = None
    """CSV: columns of the heading."""
    skip: int = 0
    """CSV: rows at the front that are the heading."""
    country: Field | None = None
    """Where the writer of the log has put a country of its own: Logpush's `ClientCountry`."""
    column: str | None = None
    """Parquet, Arrow: the column of the client, `None` where it is to be found by its name."""
    time_column: str | None = None
    """And that of the time."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    """Fields that can be kept, by name; JSON and w3c name them as they are."""
    is_empty: bool = False
    """Whether there is nothing in it but blank lines, so that nothing was recognised."""

    def field(self, name: str) -> Field:
        """Where the field of a name is.

        Raises:
            LogError: The format has none of that name; lists those that it has.
        """
        if self.shape == "json":
            return path(name)
        if self.shape == "w3c":
            return (name,)
        return self.fields[the_column(tuple(self.fields), name, self.title)]


def path(text: str) -> tuple[str, ...]:
    r"""The keys of a path in JSON: `a.b` is key `a`, in it key `b`; `a\.b` is one key.

    Raises:
        LogError: A key is empty.
    """
    keys = tuple(key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", text))
    if not all(keys):
        raise LogError("a path of JSON is keys with dots between: `request.remote_ip`")
    return keys


# Names


_CLIENTS: Final = (
    *("address", "ip", "ipaddress", "ipaddr", "clientip", "clientaddress", "clientipaddress", "clientaddr", "client"),
    *("cip", "remoteaddr", "remoteip", "remoteaddress", "clienthost", "srcip", "srcaddr", "sourceip", "sourceaddress"),
    *("sourceipaddress", "userip", "visitorip", "peerip"),
)
"""Usual names of a client's address by letters and digits alone, the first one that is there is taken."""
_TIMES: Final = (
    *("time", "timestamp", "datetime", "ts", "eventtime", "timeiso8601", "starttime", "startutc", "edgestarttimestamp"),
    *("createdat", "msec", "date"),
)
_FORWARDED: Final = ("xforwardedfor", "forwardedfor", "xff", "httpxforwardedfor", "forwarded", "httpforwarded")

_OTHERS: Final = (
    *("status", "statuscode", "httpstatus", "code", "method", "httpmethod", "verb", "url", "uri", "path", "query"),
    *("request", "requestid", "requesturi", "requestmethod", "response", "protocol", "scheme", "host", "hostname"),
    *("server", "servername", "port", "useragent", "httpuseragent", "agent", "referer", "referrer", "httpreferer"),
    *("bytes", "bytessent", "bodybytessent", "size", "length", "duration", "latency", "elapsed", "requesttime"),
    *("level", "severity", "logger", "message", "msg", "event", "action", "user", "username", "userid", "email"),
    *("country", "region", "city", "asn", "count", "session", "sessionid", "id", "name"),
)
"""Other names that columns of logs usually have."""

_HEADING: Final = re.compile(r"[^\W\d][\w .()@/:#-]{0,39}|[@#][\w .-]{1,39}")
"""What may be a heading and is no data."""
_DATA: Final = re.compile(r"\d[.:]\d|::|@\w+\.\w|[0-9A-Fa-f]*:[0-9A-Fa-f]*:")
_PERSONAL: Final = re.compile(r"(?!^)@|\d-\d")
"""Parts of mail addresses, dates, and names of machines that are made from addresses."""
_WORD: Final = re.compile(r"[\w.-]{1,30}")
MOST_NAMES: Final = 20


def named(name: str) -> str:
    """A name as an error may repeat it."""
    return f"`{name}`" if _is_told(name) else "of this name"


def found(names: Iterable[str]) -> str:
    """What is there instead, for an error, where these are names for certain: of a schema, of `#Fields:`."""
    shown = [f"`{name}`" for name in names if _is_told(name)]
    if not shown:
        return "there are none with names that can be told"
    more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
    return f"found: {', '.join(shown[:MOST_NAMES])}{more}"


def found_perhaps(names: Sequence[str]) -> str:
    """The same of a first row, which may be a heading, or a line of the log with people in it."""
    return found(names) if _are_names(names) else _NOT_TOLD


def found_keys(names: Sequence[str]) -> str:
    """The same of keys in JSON, which may be names, or people; a name of a field is a single word."""
    return found(filter(_is_word, names)) if _are_names(names) else _NOT_TOLD


_NOT_TOLD: Final = "the names that are there are not repeated, since they may be data"


def _are_names(names: Sequence[str]) -> bool:
    """Whether one of them is a usual one, or each is a single word."""
    return any(key_of(name) in _KNOWN for name in names) or all(map(_is_word, filter(None, names)))


def is_heading(name: str) -> bool:
    """Whether a cell names a column, and is nothing that a row may hold."""
    return _HEADING.fullmatch(name) is not None and _DATA.search(name) is None


def _is_told(name: str) -> bool:
    return is_heading(name) and _PERSONAL.search(name) is None


def _is_word(name: str) -> bool:
    return _WORD.fullmatch(name) is not None and _is_told(name)


def key_of(name: str) -> str:
    """A name without what tells spellings apart: its letters and digits, in small letters."""
    return re.sub(r"[\W_]+", "", name).lower()


_KNOWN: Final = frozenset((*_CLIENTS, *_TIMES, *_FORWARDED, *_OTHERS))
_ADDRESSES: Final = re.compile("clientip|clientaddr|realip|remoteaddr|trueclient|cfconnecting|forwarded|peer")
"""What is in the names of fields that hold an address of the client, or of a proxy before it."""


def is_of_address(name: str) -> bool:
    """Whether a column, or the last key of a path of JSON, has a usual name of the client's address or of a header."""
    last = key_of(re.split(r"(?<!\\)\.", name)[-1])
    return last in {*_CLIENTS, *_FORWARDED} or _ADDRESSES.search(key_of(name)) is not None


Found: TypeAlias = Callable[[Sequence[str]], str]


def usual_client(names: Sequence[str]) -> str | None:
    """The one that is usually the client's address."""
    return _usual(names, _CLIENTS)


def usual_time(names: Sequence[str]) -> str | None:
    """The one that is usually the time."""
    return _usual(names, _TIMES)


def _usual(names: Sequence[str], usual: Sequence[str]) -> str | None:
    by_key: dict[str, str] = {}
    for name in names:
        by_key.setdefault(key_of(name), name)
    return next((by_key[key] for key in usual if key in by_key), None)


def the_column(names: Sequence[str], wanted: str, title: str, *, found: Found = found_perhaps) -> str:
    """A column by its name, whose case counts only where two differ in nothing else.

    Args:
        names: Those that are there.
        wanted: The name.
        title: What the table is, in words.
        found: How an error says what is there.

    Raises:
        LogError: There is none, or more than one.
    """
    same = [name for name in names if name == wanted] or [
        name for name in names if name.casefold() == wanted.casefold()
    ]
    if not same:
        raise LogError(f"{title}: no column {named(wanted)}; {found(names)}")
    if len(same) > 1:
        raise LogError(f"{title}: more than one column {named(wanted)}: rename one")
    return same[0]


def no_client(names: Sequence[str], title: str, *, found: Found = found_perhaps) -> LogError:
    """The error of a table whose column of addresses nobody knows."""
    if not all(map(is_heading, filter(None, names))):
        return LogError(f"{title}: the first row is no heading: give the file one, or use `format` extract")
    return LogError(f"{title}: which column has the client's address? name it with `column`; {found(names)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name for name in FORMATS if name in set(names))


# Recognition


class _Start(NamedTuple):
    """The beginning of a file."""

    data: bytes
    lines: list[bytes]
    """The first lines, whole ones, without those of blanks."""
    whole: bool
    """Whether the file has no more."""


def _start(data: bytes, *, whole: bool) -> _Start:
    lines = data.split(b"\n")
    if not whole and len(lines) > 1:
        lines.pop()  # what the peek cut through
    return _Start(data, [line.removesuffix(b"\r") for line in lines if line.strip(b" \t\r")][:SAMPLE], whole)


_FOREIGN: Final = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook: unpack it, or save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook: save it as CSV"),
    (b"BZh", "packed by bzip2: unpack it, or pipe `bzcat` into `-`"),
    (b"\xfd7zXZ\x00", "packed by xz: unpack it, or pipe `xzcat` into `-`"),
    (b"\xff\xfe", "UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16: save it as UTF-8"),
    (b"SQLite format 3\x00", "an SQLite database: export the table as CSV"),
)


def recognise(data: bytes, *, whole: bool, reading: Reading) -> Layout:
    """What a file is, by its first bytes.

    With `auto`, the formats are tried on the first lines in the order w3c, jsonl, alb, vhost, combined, common,
    participants, tsv, csv; the first that at least half of them have is taken. `field_path` says
    JSON lines, and `column` a table. Cost: at most `PEEK` bytes are looked at, `SAMPLE` lines of them.

    Args:
        data: The first bytes, unpacked, without a byte order mark.
        whole: Whether these are all.
        reading: What the caller says.

    Raises:
        LogError: It is of none of the formats, or lacks what its format needs. Names what is there, never data.
    """
    start = _start(data, whole=whole)
    name = _recognised(start, reading) if reading.format == "auto" else reading.format
    if not start.lines and whole and name not in TABLES:
        return Layout(format=name, title="empty", shape="text", time_form="any", is_empty=True)
    layout = _LAYOUTS[name](start, reading)
    if reading.format == "auto":
        _check_used(layout, reading)
    return layout


def _recognised(start: _Start, reading: Reading) -> str:
    if start.data.startswith(b"PAR1"):
        return "parquet"
    if start.data.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if reading.field_path is not None:
        return "jsonl"
    if reading.separator is not None:
        return "csv"
    wanted = [name for name in _SHARES if reading.column is None or name in _TAKES["column"]]
    if not start.lines:
        return "extract" if start.whole else wanted[0]
    # Not the one with the greatest share: a combined log with one line that is not is still one, and all its lines are
    # common lines too.
    best = next((name for name in wanted if _SHARES[name](start) >= 1 / 2), None)
    if best is not None:
        return best
    for magic, what in _FOREIGN:
        if start.data.startswith(magic):
            raise LogError(f"is {what}")
    if b"\0" in start.data[:1024]:
        raise LogError("is no text, and none of the binary files that are read: parquet, arrow")
    raise LogError(
        "of no format that is recognised: name one with `format`, such as `extract` for addresses in any text; "
        f"formats: {', '.join(FORMATS[1:])}"
    )


def _check_used(layout: Layout, reading: Reading) -> None:
    """What was recognised must have a use for what was asked."""
    for name in reading.given:
        if layout.format not in _TAKES[name]:
            raise LogError(f"is of the format {layout.format}, for which `{name}` means nothing")


_CLF: Final = rb"\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
_QUOTED: Final = rb'"(?:[^"\\]|\\.)*"'
_COMMON: Final = re.compile(rb"\S+ \S+ [^\[]* ?" + _CLF)
_COMBINED: Final = re.compile(_COMMON.pattern + rb" " + _QUOTED + rb" \S+ \S+ " + _QUOTED + rb" " + _QUOTED)
_VHOST: Final = re.compile(rb"(\S+:\d+) (?=\S+ \S+ [^\[ ][^\[]* " + _CLF + rb")")
_ALB: Final = re.compile(rb"(?:https?|h2|grpcs|wss?) \d{4}-\d\d-\d\dT[\d:.]+Z \S+ \S+:\d+ (?:\S+ ){7}\S+ " + _QUOTED)


def _share(start: _Start, is_line: Callable[[bytes], object]) -> float:
    return sum(bool(is_line(line)) for line in start.lines) / len(start.lines)


def _is_vhost(line: bytes) -> bool:
    match = _VHOST.match(line)
    return match is not None and not is_address(match[1].decode("latin-1"))


def is_address(text: str) -> bool:
    """Whether text is an address, to `ipaddress`."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _object(line: bytes) -> dict[str, object] | None:
    if not line.lstrip(b" \t").startswith(b"{"):
        return None
    try:
        read = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _is_w3c(start: _Start) -> float:
    """A directive of columns among those at the front is enough. Further down such a line may be a stranger's."""
    front = takewhile(lambda line: line.startswith(b"#"), start.lines)
    return float(any(line[:8].lower() == b"#fields:" for line in front))


def _is_export(start: _Start) -> float:
    try:
        read_export(io.BytesIO(start.data))
    except RosterError:
        return 0.0
    return 1.0


def _is_delimited(start: _Start, separator: str) -> float:
    """The share of rows that are as wide as a first row of headings; a single column must have a known name."""
    rows = _rows(start, separator)
    if not rows or not all(map(is_heading, filter(None, rows[0]))):
        return 0.0
    if len(rows[0]) == 1 and usual_client(rows[0]) is None:
        return 0.0
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows)


_SHARES: Final[Mapping[str, Callable[[_Start], float]]] = MappingProxyType(
    {
        "w3c": _is_w3c,
        "jsonl": lambda start: _share(start, _object),
        "alb": lambda start: _share(start, _ALB.match),
        "vhost": lambda start: _share(start, _is_vhost),
        "combined": lambda start: _share(start, _COMBINED.match),
        "common": lambda start: _share(start, _COMMON.match),
        "participants": _is_export,
        "tsv": lambda start: _is_delimited(start, "\t"),
        "csv": lambda start: _is_delimited(start, _separator(start)),
    }
)
"""How much of the first lines has a format, from 0 to 1, in the order in which they are tried."""


# Layouts


_COMMON_FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {"ident": 1, "user": 2, "request": 4, "http-status": 5, "bytes": 6}
)
_COMBINED_FIELDS: Final = MappingProxyType({**_COMMON_FIELDS, "referer": 7, "user-agent": 8, "forwarded": 9})
_VHOST_FIELDS: Final = MappingProxyType({**_COMBINED_FIELDS, "vhost": 10})
_ALB_FIELDS: Final = (
    *("type", "time", "elb", "client:port", "target:port", "request_processing_time", "target_processing_time"),
    *("response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes", "request"),
    *("user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn"),
    *("matched_rule_priority", "request_creation_time", "actions_executed", "redirect_url", "error_reason"),
    *("target:port_list", "target_status_code_list", "classification", "classification_reason"),
)


def _header(name: str | None) -> str:
    """Which header a field of a name holds: `Forwarded`, `cs(Forwarded)`, `http_forwarded`, or else X-Forwarded-For."""
    return "forwarded" if key_of(name or "").endswith("forwarded") else "x-forwarded-for"


def _common(name: str, title: str, shape: str, fields: Mapping[str, Field]) -> Callable[[_Start, Reading], Layout]:
    def layout(_: _Start, reading: Reading) -> Layout:
        return Layout(
            format=name,
            title=title,
            shape=shape,
            client=0,
            forwarded=9 if reading.trusted else None,
            header=_header(reading.forwarded),
            time=3,
            time_form="clf",
            fields=fields,
        )

    return layout


def _alb(_: _Start, __: Reading) -> Layout:
    return Layout(
        format="alb",
        title="access log of an AWS Application Load Balancer",
        shape="blank",
        client=3,
        strip_port=True,
        time=1,
        time_form="iso",
        fields={name: number for number, name in enumerate(_ALB_FIELDS)},
    )


def _w3c(start: _Start, reading: Reading) -> Layout:
    columns = [
        name
        for line in start.lines
        if line[:8].lower() == b"#fields:"
        for name in line[8:].decode("utf-8", "replace").split()
    ]
    client = reading.column or "c-ip"
    lower = {name.lower() for name in columns}
    whose = "of CloudFront " if "x-edge-location" in lower else "of IIS " if "s-sitename" in lower else ""
    title = f"W3C extended log {whose}".strip()
    if any(line.startswith(b"#Software: Microsoft") for line in start.lines):
        title = "W3C extended log of IIS"
    if columns and client.lower() not in lower:
        raise LogError(f"{title}: no column {named(client)}: name the client's with `column`; {found(columns)}")
    forwarded = ("x-forwarded-for", "cs(x-forwarded-for)") if reading.forwarded is None else (reading.forwarded,)
    return Layout(
        format="w3c",
        title=f"{title}, client in {client}",
        shape="w3c",
        client=(client,),
        forwarded=forwarded if reading.trusted else None,
        header=_header(reading.forwarded),
        time_form="w3c",
    )


class _Preset(NamedTuple):
    """Where one program's JSON lines have things."""

    name: str
    client: tuple[str, ...]
    times: tuple[str, ...]
    forwarded: tuple[str, ...] | None = None
    country: tuple[str, ...] | None = None


PRESETS: Final = (
    _Preset("Caddy", ("request", "remote_ip"), ("ts",), ("request", "headers", "X-Forwarded-For")),
    _Preset("Traefik", ("ClientHost",), ("StartUTC", "time"), ("request_X-Forwarded-For",)),
    _Preset("Cloudflare Logpush", ("ClientIP",), ("EdgeStartTimestamp", "Datetime"), None, ("ClientCountry",)),
    _Preset("nginx", ("remote_addr",), ("time_iso8601", "msec", "time_local", "time"), ("http_x_forwarded_for",)),
)
"""Products whose JSON lines are known by where the client is."""


def _has(read: object, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(read, dict) or key not in read:
            return False
        read = read[key]
    return True


def _jsonl(start: _Start, reading: Reading) -> Layout:
    objects = [read for line in start.lines if (read := _object(line)) is not None]
    names = list(dict.fromkeys(key for read in objects for key in read))
    preset = next(
        (some for some in PRESETS if sum(_has(read, some.client) for read in objects) * 2 > len(objects)), None
    )
    if reading.field_path is not None:
        client = path(reading.field_path)
        preset = preset if preset is not None and preset.client == client else None
    elif preset is not None:
        client = preset.client
    else:
        usual = usual_client(names)
        if usual is None:
            raise LogError(f"JSON lines: where is the client's address? name it with `field_path`; {found_keys(names)}")
        client = (usual,)
    time: Field | None
    if reading.time is not None:
        time = path(reading.time)
    else:
        known = (name for name in (preset.times if preset else ()) if name in names)
        usual = next(known, None) or usual_time(names)
        time = None if usual is None else (usual,)
    forwarded: Field | None = None
    if reading.forwarded is not None:
        forwarded = path(reading.forwarded)
    elif reading.trusted:
        usual = _usual(names, _FORWARDED)
        forwarded = (preset.forwarded if preset else None) or (None if usual is None else (usual,))
        if forwarded is None:
            raise LogError(f"JSON lines: where is X-Forwarded-For? name it with `forwarded`; {found_keys(names)}")
    country = preset.country if preset is not None and preset.country is not None else None
    whose = f" of {preset.name}" if preset else ""
    return Layout(
        format="jsonl",
        title=f"JSON lines{whose}, client in {'.'.join(client)}",
        shape="json",
        client=client,
        forwarded=forwarded,
        header=_header(forwarded[-1] if isinstance(forwarded, tuple) else None),
        time=time,
        time_form=None if time is None else "any",
        country=country if country is not None and any(_has(read, country) for read in objects) else None,
    )


def _separator(start: _Start) -> str:
    first = start.lines[0].decode("utf-8", "replace") if start.lines else ""
    return max(",;|", key=first.count)


def _rows(start: _Start, separator: str) -> list[list[str]]:
    """The first rows, of which the last may be cut."""
    rows: list[list[str]] = []
    text = start.data.decode("utf-8", "replace")
    reader = csv.reader(io.StringIO(text if start.whole else text.rpartition("\n")[0], newline=""), delimiter=separator)
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip(" \t")):
                rows.append([cell.strip() for cell in row])
            if len(rows) == SAMPLE:
                break
    except csv.Error:  # a cell beyond its limit: what came before is enough
        pass
    return rows


def _delimited(name: str) -> Callable[[_Start, Reading], Layout]:
    def layout(start: _Start, reading: Reading) -> Layout:
        separator = "\t" if name == "tsv" else reading.separator or _separator(start)
        title = name.upper()
        rows = _rows(start, separator)
        if not rows:
            raise LogError(f"{title}: the heading is longer than {PEEK:,} bytes")
        heading = rows[0]
        if reading.column is not None:
            client = the_column(heading, reading.column, title)
        else:
            usual = usual_client(heading)
            if usual is None:
                raise no_client(heading, title)
            client = usual
        time = usual_time(heading) if reading.time is None else the_column(heading, reading.time, title)
        forwarded = None
        if reading.forwarded is not None:
            forwarded = the_column(heading, reading.forwarded, title)
        elif reading.trusted:
            forwarded = _usual(heading, _FORWARDED)
            if forwarded is None:
                raise LogError(f"{title}: where is X-Forwarded-For? name it with `forwarded`; {found_perhaps(heading)}")
        return Layout(
            format=name,
            title=f"{title}, client in {client}",
            shape="csv",
            client=heading.index(client),
            forwarded=None if forwarded is None else heading.index(forwarded),
            header=_header(forwarded),
            time=None if time is None else heading.index(time),
            time_form=None if time is None else "any",
            separator=separator,
            width=len(heading),
            skip=1,
            fields={column: number for number, column in enumerate(heading) if heading.count(column) == 1},
        )

    return layout


def _table(name: str, title: str) -> Callable[[_Start, Reading], Layout]:
    def layout(_: _Start, reading: Reading) -> Layout:
        return Layout(format=name, title=title, column=reading.column, time_column=reading.time)

    return layout


def _extract(_: _Start, __: Reading) -> Layout:
    return Layout(format="extract", title="free text, the first address of each line", shape="text", time_form="any")


_LAYOUTS: Final[Mapping[str, Callable[[_Start, Reading], Layout]]] = MappingProxyType(
    {
        "common": _common("common", "common log (Apache, nginx)", "common", _COMMON_FIELDS),
        "combined": _common("combined", "combined log (Apache, nginx)", "common", _COMBINED_FIELDS),
        "vhost": _common("vhost", "combined log with virtual hosts (Apache)", "vhost", _VHOST_FIELDS),
        "jsonl": _jsonl,
        "alb": _alb,
        "w3c": _w3c,
        "csv": _delimited("csv"),
        "tsv": _delimited("tsv"),
        "parquet": _table("parquet", "Parquet"),
        "arrow": _table("arrow", "Arrow IPC"),
        "participants": _table("participants", "export of participants"),
        "extract": _extract,
    }
)
