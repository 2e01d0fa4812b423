"""Logs to measure with: written from one seed, kept in the folder of temporary files, never committed.

The clients are drawn by range of the bundled table and come back with a skew, as in a real log: of 100,000 the first
sends 6 % of the lines. Everything else that varies in length does so here: paths, sizes, referers, user agents, and
each client keeps its user agent. Times rise over one day, whatever the size.
"""

from __future__ import annotations

import ipaddress
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cases import SEED, ZIPF_POOL

import regionfast as rf

FORM = 1
"""To be counted up when what is written changes: files that are there already are used again."""
DAY = datetime(2026, 11, 24, tzinfo=UTC)
CHUNK = 1 << 18
"""Lines that are put together at a time."""
TRUSTED = ("10.0.0.0/8", "fd00::/8")
"""The networks of the proxies in `forwarded`."""
IPV6 = 0.3
"""The share of clients with IPv6 in `forwarded`."""

Indices = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]


@cache
def table() -> rf.Table:
    """The bundled table. Every engine answers from its ranges."""
    return rf.open()


@cache
def folder() -> Path:
    """Where the logs are kept from one run to the next."""
    found = Path(tempfile.gettempdir()) / f"regionfast-bench-logs-{FORM}-{SEED}-{table().info.digest[:8]}"
    found.mkdir(exist_ok=True)
    return found


def kept(name: str, write: Callable[[Path], object]) -> Path:
    """The file of that name, written when it is not there; never half a file."""
    path = folder() / name
    if not path.exists():
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            write(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def zipf(random: np.random.Generator, size: int, count: int) -> Indices:
    """Indices below `size`, the first ones most often: as in `cases.ipv4`."""
    ranks = (np.power(float(size), random.random(count)) - 1).astype(np.int64)
    return np.minimum(ranks, size - 1)


# --- clients ---


@cache
def ipv4_clients() -> list[bytes]:
    """By range of the table, located; of a hundred, one is of a private network, as health checks are."""
    random = np.random.default_rng(SEED)
    first, _ = table().boundaries(4)
    last = np.append(first[1:].astype(np.int64), 1 << 32) - 1
    located = np.flatnonzero(table().lookup_many(first).status == rf.Status.LOCATED)
    at = random.choice(located, ZIPF_POOL)
    drawn = random.integers(first[at].astype(np.int64), last[at] + 1)
    private = np.arange(ZIPF_POOL) % 100 == 50
    drawn[private] = (192 << 24 | 168 << 16) + random.integers(1, 1 << 16, int(private.sum()))
    return [b"%d.%d.%d.%d" % (n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255) for n in drawn.tolist()]


@cache
def ipv6_clients() -> list[bytes]:
    """By range of the table, located, as RFC 5952 writes them."""
    random = np.random.default_rng(SEED)
    first, _ = table().boundaries(6)
    located = np.flatnonzero(table().lookup_many(first).status == rf.Status.LOCATED)
    located = located[(first[located, 0] & 0xE0) == 0x20]  # global unicast: nothing that is unwrapped
    at = random.choice(located[located + 1 < len(first)], int(ZIPF_POOL * IPV6))
    offsets = random.bytes(16 * len(at))
    texts = []
    for row, index in enumerate(at.tolist()):
        low, end = (int.from_bytes(first[one].tobytes(), "big") for one in (index, index + 1))
        offset = int.from_bytes(offsets[16 * row : 16 * row + 16], "big") % (end - low)
        texts.append(str(ipaddress.IPv6Address(low + offset)).encode())
    return texts


@cache
def mixed_clients() -> list[bytes]:
    """Both families, the IPv6 ones spread over all ranks."""
    clients = list(ipv4_clients())
    at = np.random.default_rng(SEED).choice(ZIPF_POOL, len(ipv6_clients()), replace=False)
    for place, text in zip(at.tolist(), ipv6_clients(), strict=True):
        clients[place] = text
    return clients


# --- the other fields ---

WORDS = """
account api assets auth avatar basket blog calendar cart catalogue chat css download events export feed fonts gallery
health help home images invoice js list login media meeting news orders pages photos playlist products profile rooms
search session settings shop signup static status support tags team upload users video webhooks wiki
""".split()  # noqa: SIM905 - a list would take a line for each
ENDINGS = ("", "", "", "/", ".html", ".css", ".js", ".png", ".jpg", ".woff2", ".json", "?page={n}", "?id={n}&sort=new")
SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 14; Pixel 8",
    "iPhone; CPU iPhone OS 18_{n} like Mac OS X",
    "iPad; CPU OS 17_{n} like Mac OS X",
)
BROWSERS = (
    "Mozilla/5.0 ({s}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{n}.0.0.0 Safari/537.36",
    "Mozilla/5.0 ({s}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{n}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 ({s}; rv:1{n}.0) Gecko/20100101 Firefox/1{n}.0",
    "Mozilla/5.0 ({s}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{n} Safari/605.1.15",
    "Mozilla/5.0 ({s}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{n}.0.0.0 Safari/537.36 Edg/1{n}.0.0.0",
    "Mozilla/5.0 (compatible; ExampleBot/2.{n}; +https://bot.example.org/about.html)",
    "okhttp/4.{n}.0",
    "curl/8.{n}.1",
    "python-requests/2.{n}.0",
    "Go-http-client/2.0",
)
STATUS = (200, 200, 200, 200, 200, 200, 200, 304, 304, 302, 301, 404, 404, 206, 403, 499, 500)


@dataclass(frozen=True)
class Fields:
    """What the fields of a line are drawn from."""

    methods: list[str]
    paths: list[str]
    status: list[int]
    sizes: list[int]
    referers: list[str]
    agents: list[str]


@cache
def fields() -> Fields:
    """Some thousands of each."""
    random = np.random.default_rng(SEED)

    def one(texts: Sequence[str]) -> str:
        return texts[int(random.integers(len(texts)))]

    def numbered(text: str) -> str:
        return text.format(n=int(random.integers(100)), s="{s}")

    paths = [
        "/" + "/".join(one(WORDS) for _ in range(int(random.integers(1, 5)))) + numbered(one(ENDINGS))
        for _ in range(8192)
    ]
    answers = 8192
    return Fields(
        methods=["POST" if row % 11 == 7 else "HEAD" if row % 97 == 5 else "GET" for row in range(len(paths))],
        paths=paths,
        status=[STATUS[index] for index in random.integers(0, len(STATUS), answers).tolist()],
        sizes=(np.exp(random.normal(8, 2, answers))).astype(np.int64).tolist(),
        referers=["-", "https://example.org/"] + [f"https://www.example.org{path}" for path in paths[:2046]],
        agents=[numbered(one(BROWSERS + BROWSERS[:5])).replace("{s}", numbered(one(SYSTEMS))) for _ in range(1024)],
    )


@dataclass(frozen=True)
class Drawn:
    """The fields of some lines, as indices."""

    client: Indices
    path: Indices
    answer: Indices
    referer: Indices
    second: Indices

    @property
    def agent(self) -> Indices:
        """Each client has one."""
        return self.client * 7 % 1024


def drawn(count: int) -> Iterator[Drawn]:
    """Some lines after the others, without end; the times of `count` lines take a day."""
    random = np.random.default_rng(SEED)
    seconds = 86400 / count
    now = 0.0
    while True:
        times = now + np.cumsum(random.exponential(seconds, CHUNK))
        now = float(times[-1])
        yield Drawn(
            client=zipf(random, ZIPF_POOL, CHUNK),
            path=zipf(random, 8192, CHUNK),
            answer=random.integers(0, 8192, CHUNK),
            referer=np.where(random.random(CHUNK) < 0.45, 0, zipf(random, 2048, CHUNK)),
            second=times.astype(np.int64),
        )


def texts(column: list[bytes]) -> Texts:
    """A column to be taken from by index."""
    found = np.empty(len(column), object)
    found[:] = column
    return found


def times(form: str, seconds: Indices) -> list[bytes]:
    """The times as text; one text for each second, since lines share them."""
    distinct, at = np.unique(seconds, return_inverse=True)
    rendered = texts([(DAY + timedelta(seconds=second)).strftime(form).encode() for second in distinct.tolist()])
    found: list[bytes] = rendered[at].tolist()
    return found


Piece = Callable[[Drawn], list[bytes]]


def taken(column: list[bytes], which: Callable[[Drawn], Indices]) -> Piece:
    """A piece of a line that is one of `column`."""
    source = texts(column)
    return lambda lines: source[which(lines)].tolist()


def write_lines(path: Path, size: int, shape: str) -> None:
    """At least `size` bytes, ended at a line."""
    make, length = SHAPES[shape]
    pieces = make()
    with path.open("wb") as file:
        for lines in drawn(size // length):
            rendered = [b"".join(parts) for parts in zip(*(piece(lines) for piece in pieces), strict=True)]
            left = size - file.tell()
            lengths = np.cumsum(np.fromiter(map(len, rendered), np.int64, len(rendered)))
            count = int(np.searchsorted(lengths, left)) + 1
            file.write(b"".join(rendered[:count]))
            if count <= len(rendered):
                return


# --- the shapes ---


def common_pieces(clients: list[bytes]) -> list[Piece]:
    """A combined line without its end."""
    pool = fields()
    return [
        taken([client + b" - - [" for client in clients], lambda lines: lines.client),
        lambda lines: times('%d/%b/%Y:%H:%M:%S +0000] "', lines.second),
        taken(
            [f'{method} {path} HTTP/1.1" '.encode() for method, path in zip(pool.methods, pool.paths, strict=True)],
            lambda lines: lines.path,
        ),
        taken(
            [f'{status} {size} "'.encode() for status, size in zip(pool.status, pool.sizes, strict=True)],
            lambda lines: lines.answer,
        ),
        taken([f'{referer}" "'.encode() for referer in pool.referers], lambda lines: lines.referer),
        taken([f'{agent}"'.encode() for agent in pool.agents], lambda lines: lines.agent),
    ]


def combined() -> list[Piece]:
    """The combined form, IPv4."""
    return [*common_pieces(ipv4_clients()), lambda lines: [b"\n"] * len(lines.client)]


PROXIES = 64


def forwarded() -> list[Piece]:
    """The combined form behind proxies: the peer is one of theirs, the client in a last quoted field.

    Of twenty lines, twelve came through one proxy, five through two, two bring an entry that the client made up, and
    one came directly.
    """
    clients = mixed_clients()
    proxies = [f"10.0.{n % 8}.{n}".encode() if n % 4 else f"fd00::{n:x}".encode() for n in range(PROXIES)]
    source, outer = texts(clients), texts(proxies)
    by_peer = texts([*(proxy + b" - - [" for proxy in proxies), *(client + b" - - [" for client in clients)])

    def way(lines: Drawn) -> Indices:
        return (lines.answer * 31 + lines.path) % 20

    def peer(lines: Drawn) -> list[bytes]:
        proxy = lines.path % PROXIES
        found: list[bytes] = by_peer[np.where(way(lines) == 19, PROXIES + lines.client, proxy)].tolist()
        return found

    before = texts([b' "'] * 17 + [b' "unknown, ', b' "8.8.8.8, ', b' "-"\n'])
    behind = texts([b'"\n'] * 12 + [b", "] * 5 + [b'"\n'] * 2 + [b""])

    def header(lines: Drawn) -> list[bytes]:
        ways = way(lines)
        client = source[lines.client]
        client[ways == 19] = b""
        second = outer[lines.referer % PROXIES]
        second[(ways < 12) | (ways >= 17)] = b""
        end = texts([b"", b'"\n'])[((ways >= 12) & (ways < 17)).astype(np.int64)]
        columns = (column.tolist() for column in (before[ways], client, behind[ways], second, end))
        return [b"".join(parts) for parts in zip(*columns, strict=True)]

    return [peer, *common_pieces(clients)[1:], header]


def nginx() -> list[Piece]:
    """JSON Lines as an nginx `log_format ... escape=json` writes them."""
    pool = fields()
    return [
        lambda lines: times('{"time":"%Y-%m-%dT%H:%M:%S+00:00","remote_addr":"', lines.second),
        taken(ipv4_clients(), lambda lines: lines.client),
        taken(
            [
                f'","request_method":"{method}","request_uri":"{path}","server_protocol":"HTTP/1.1",'.encode()
                for method, path in zip(pool.methods, pool.paths, strict=True)
            ],
            lambda lines: lines.path,
        ),
        taken(
            [
                f'"status":{status},"body_bytes_sent":{size},"request_time":0.{size % 1000:03},'
                '"http_referer":"'.encode()
                for status, size in zip(pool.status, pool.sizes, strict=True)
            ],
            lambda lines: lines.answer,
        ),
        taken([f'{referer}","http_user_agent":"'.encode() for referer in pool.referers], lambda lines: lines.referer),
        taken([f'{agent}"}}\n'.encode() for agent in pool.agents], lambda lines: lines.agent),
    ]


def caddy() -> list[Piece]:
    """JSON Lines as Caddy writes them: nested, and three times as long."""
    pool = fields()
    head = b'{"level":"info","ts":'
    request = b'","proto":"HTTP/2.0",'

    def stamp(lines: Drawn) -> list[bytes]:
        base = int(DAY.timestamp())
        parts = zip(lines.second.tolist(), (lines.answer * 122).tolist(), strict=True)
        return [
            b'%s%d.%06d,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"'
            % (head, base + second, fraction)
            for second, fraction in parts
        ]

    return [
        stamp,
        taken(
            [
                b'%s","remote_port":"%d","client_ip":"%s%s' % (client, 32768 + n % 28000, client, request)
                for n, client in enumerate(ipv4_clients())
            ],
            lambda lines: lines.client,
        ),
        taken(
            [
                f'"method":"{method}","host":"www.example.org","uri":"{path}","headers":{{"User-Agent":["'.encode()
                for method, path in zip(pool.methods, pool.paths, strict=True)
            ],
            lambda lines: lines.path,
        ),
        taken(
            [
                f'{agent}"],"Accept":["text/html,application/xhtml+xml,*/*;q=0.8"],"Accept-Encoding":["gzip, br"],'
                f'"Accept-Language":["en-GB,en;q=0.5"],"Referer":["'.encode()
                for agent in pool.agents
            ],
            lambda lines: lines.agent,
        ),
        taken(
            [
                f'{referer}"]}},"tls":{{"resumed":false,"version":772,"cipher_suite":4865,"proto":"h2",'
                f'"server_name":"www.example.org"}}}},"bytes_read":0,"user_id":"",'.encode()
                for referer in pool.referers
            ],
            lambda lines: lines.referer,
        ),
        taken(
            [
                f'"duration":0.{size % 1000000:06},"size":{size},"status":{status},"resp_headers":{{"Server":["Caddy"],'
                f'"Content-Encoding":["gzip"],"Content-Type":["text/html; charset=utf-8"]}}}}\n'.encode()
                for status, size in zip(pool.status, pool.sizes, strict=True)
            ],
            lambda lines: lines.answer,
        ),
    ]


SHAPES: dict[str, tuple[Callable[[], list[Piece]], int]] = {
    # what makes the pieces, and about how many bytes a line has
    "combined": (combined, 200),
    "forwarded": (forwarded, 220),
    "nginx": (nginx, 350),
    "caddy": (caddy, 810),
}


def log(shape: str, size: int) -> Path:
    """A log of a shape, of about `size` bytes."""
    return kept(f"{shape}-{size}.log", lambda path: write_lines(path, size, shape))


def head(path: Path, size: int) -> Path:
    """The first lines of a log, about `size` bytes, for what takes minutes for the whole."""

    def write(part: Path) -> None:
        with path.open("rb") as whole:
            text = whole.read(size) + whole.readline()
        part.write_bytes(text)

    return kept(f"{path.stem}-head-{size}.log", write)


def packed(path: Path, program: str) -> Path:
    """The twin that `gzip` (at its level 6, as logrotate does) or `zstd` (at its level 3) makes."""
    suffix = {"gzip": "gz", "zstd": "zst"}[program]

    def write(part: Path) -> None:
        with path.open("rb") as plain, part.open("wb") as file:
            subprocess.run([program, "-c"], stdin=plain, stdout=file, check=True)

    return kept(f"{path.name}.{suffix}", write)


def lines(path: Path) -> int:
    """How many there are."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


@cache
def database() -> Path:
    """The ranges of the table as a `.mmdb` with the records of GeoLite2 Country, for engines that read such a file.

    Takes about a minute, once.
    """
    import netaddr
    from mmdb_writer import MMDBWriter

    def write(part: Path) -> None:
        writer = MMDBWriter(6, "GeoLite2-Country", languages=["en"], ipv4_compatible=True)
        networks: dict[str, list[netaddr.IPNetwork]] = {}
        for first, last, place in table().ranges():
            if isinstance(place, rf.Region):
                networks.setdefault(place.code, []).extend(netaddr.iprange_to_cidrs(first, last))
        for code, of_it in networks.items():
            country = {"iso_code": code, "names": {"en": code}}
            continent = {"code": "EU", "names": {"en": "Europe"}}  # goaccess leaves out what has none
            writer.insert_network(netaddr.IPSet(of_it), {"continent": continent, "country": country})
        writer.to_db_file(str(part))

    return kept("country.mmdb", write)
