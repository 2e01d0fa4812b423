"""One engine in a process of its own: so each has the cores it is given, and its memory is its own.

    python logs_engines.py '{"engine": "polars", "shape": "combined", "cores": 1, ...}'

Whatever an engine needs is made first. Then each line of the standard input is the path of a log to be counted, and is
answered by a line of JSON: the lines by region ("" for those that are not located), or null from an engine that only
reads, and the most memory that was resident. Whoever asks takes the time.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    import polars as pl

Regions = dict[str, int]
Run = Callable[[str], Regions | None]
"""Counts the log of a path."""


@dataclass(frozen=True)
class Task:
    """What the process is asked for."""

    engine: str
    shape: str
    cores: int
    database: str
    trusted: tuple[str, ...]


def with_the_rest(regions: Regions, lines: int) -> Regions:
    """Those that are not located, too."""
    return {code: count for code, count in regions.items() if count} | {"": lines - sum(regions.values())}


# --- ours ---

FIELD_PATHS = {"nginx": "remote_addr", "caddy": "request.remote_ip"}


def options(task: Task) -> dict[str, Any]:
    """What `rf.logs` is told beside the path."""
    found: dict[str, Any] = {"threads": task.cores}
    if task.shape in FIELD_PATHS:
        found |= {"format": "jsonl", "field_path": FIELD_PATHS[task.shape]}
    else:
        found |= {"format": "combined"}
    if task.shape == "forwarded":
        found |= {"forwarded": "x-forwarded-for", "trusted": task.trusted}
    return found


def regionfast(task: Task) -> Run:
    """`rf.logs.classify` by the bundled table."""
    import regionfast as rf
    from regionfast import logs

    table, chosen = rf.open(), options(task)

    def run(path: str) -> Regions:
        counts = logs.classify([path], table=table, **chosen)
        return with_the_rest(dict(counts.regions), counts.lines)

    return run


def command(task: Task, path: str, *more: str) -> Regions:
    """What our command says."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options(task).items() if name != "trusted"]
    trusted = [f"--trusted={network}" for network in task.trusted] if task.shape == "forwarded" else []
    program = Path(sys.executable).with_name("regionfast")
    words = [str(program), "classify", path, *flags, *trusted, "--json", "--quiet", *more]
    found = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    return with_the_rest(found["regions"], found["lines"])


def regionfast_command(task: Task) -> Run:
    """The command, from the start of its process to the end."""
    return lambda path: command(task, path)


def regionfast_parquet(task: Task) -> Run:
    """The command with the enriched rows (line, offset, time, region, status) in a Parquet file."""

    def run(path: str) -> Regions:
        with tempfile.TemporaryDirectory() as folder:
            return command(task, path, f"--output={folder}/rows.parquet")

    return run


# --- loops in Python ---


def in_networks(texts: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether an address is of the proxies, each asked for once."""
    import ipaddress
    from functools import lru_cache

    networks = [ipaddress.ip_network(text) for text in texts]

    @lru_cache(1 << 16)
    def trusted(text: str) -> bool:
        address = ipaddress.ip_address(text)
        return any(address in network for network in networks if network.version == address.version)

    return trusted


def client_of(task: Task) -> Callable[[bytes], str]:
    """How the loop finds the client of a line."""
    if task.shape == "nginx":
        return lambda line: str(json.loads(line)["remote_addr"])
    if task.shape == "caddy":
        return lambda line: str(json.loads(line)["request"]["remote_ip"])
    if task.shape == "combined":
        return lambda line: line.split(b" ", 1)[0].decode()
    trusted = in_networks(task.trusted)

    def walked(line: bytes) -> str:
        client = line.split(b" ", 1)[0].decode()
        header = line.rsplit(b'"', 2)[1].decode()
        for entry in reversed(header.split(",") if header != "-" else []):
            if not trusted(client):
                break
            client = entry.strip()
        return client

    return walked


def country(record: Any) -> str:
    """What a record of the database says."""
    return str(record["country"]["iso_code"]) if record else ""


def opened(path: str) -> BinaryIO:
    """The log, unpacked as it is read."""
    if path.endswith(".gz"):
        return cast("BinaryIO", gzip.open(path))
    if path.endswith(".zst"):
        import pyarrow as pa

        return io.BufferedReader(pa.input_stream(path), 1 << 18)
    return Path(path).open("rb")


def python(task: Task) -> Run:
    """A plain loop: the client of each line, looked up by `maxminddb` (C extension, file in memory)."""
    import maxminddb

    get, client = maxminddb.open_database(task.database, maxminddb.MODE_AUTO).get, client_of(task)

    def run(path: str) -> Regions:
        found: Counter[str] = Counter()
        with opened(path) as file:
            for line in file:
                found[country(get(client(line)))] += 1
        return dict(found)

    return run


def python_counter(task: Task) -> Run:
    """The loop that a careful person writes: clients are counted first, and each is looked up once."""
    import maxminddb

    get, client = maxminddb.open_database(task.database, maxminddb.MODE_AUTO).get, client_of(task)

    def run(path: str) -> Regions:
        found: Counter[str] = Counter()
        with opened(path) as file:
            for text, count in Counter(map(client, file)).items():
                found[country(get(text))] += count
        return dict(found)

    return run


# --- frames and SQL: clients are counted first, then found among the ranges by an asof join ---


def ranges() -> tuple[Any, list[str]]:
    """The starts of the IPv4 ranges of the bundled table, and the code of each, "" where there is none."""
    import regionfast as rf

    table = rf.open()
    starts, _ = table.boundaries(4)
    return starts, [code or "" for code in table.lookup_many(starts).to_list()]


class Frames:
    """Lazy frames of Polars; IPv4."""

    def __init__(self, task: Task) -> None:
        import polars as pl

        self.pl = pl
        self.shape = task.shape
        starts, codes = ranges()
        schema = {"at": pl.Int64, "code": pl.String}
        self.ranges = pl.LazyFrame({"at": starts, "code": codes}, schema).set_sorted("at")
        parts = pl.col("text").str.split_exact(".", 3)
        numbers = [parts.struct.field(f"field_{place}").cast(pl.Int64) for place in range(4)]
        self.number = numbers[0] * 2**24 + numbers[1] * 2**16 + numbers[2] * 2**8 + numbers[3]

    def texts(self, path: str) -> pl.LazyFrame:
        """The clients of the lines, and of a combined log the times."""
        col = self.pl.col
        if self.shape == "nginx":
            return self.pl.scan_ndjson(path, schema={"remote_addr": self.pl.String}).select(text="remote_addr")
        if self.shape == "caddy":
            request = self.pl.Struct({"remote_ip": self.pl.String})
            found = self.pl.scan_ndjson(path, schema={"request": request})
            return found.select(text=col("request").struct.field("remote_ip"))
        line = col("line")
        client, sent = line.str.head(line.str.find(" ", literal=True)), line.str.extract(r"\[([^\]]*)\]")
        return self.pl.scan_lines(path).select(text=client, sent=sent)

    def places(self, path: str) -> pl.LazyFrame:
        """Each client with its lines and region."""
        numbers = self.texts(path).group_by("text").len().with_columns(at=self.number).sort("at")
        return numbers.join_asof(self.ranges, on="at")


def polars(task: Task) -> Run:
    """Counted by frames."""
    frames = Frames(task)

    def run(path: str) -> Regions:
        found = frames.places(path).group_by("code").agg(frames.pl.col("len").sum())
        return dict(found.collect().iter_rows())

    return run


def polars_parquet(task: Task) -> Run:
    """The time, as text, and the region of each line: the log is read twice."""
    frames = Frames(task)

    def run(path: str) -> Regions:
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/rows.parquet"
            rows = frames.texts(path).join(frames.places(path), on="text")
            rows.select("sent", "code").sink_parquet(file)
            return dict(frames.pl.scan_parquet(file).group_by("code").len().collect().iter_rows())

    return run


WITH = """
WITH clients AS (SELECT text, count(*) AS lines FROM ({texts}) GROUP BY text),
numbers AS (
    SELECT text, lines, split_part(text, '.', 1)::BIGINT * 16777216 + split_part(text, '.', 2)::BIGINT * 65536
        + split_part(text, '.', 3)::BIGINT * 256 + split_part(text, '.', 4)::BIGINT AS number
    FROM clients
),
places AS (SELECT text, lines, code FROM numbers ASOF JOIN ranges ON number >= first)
"""
COUNT = "SELECT code, sum(lines)::BIGINT FROM places GROUP BY code"
ENRICH = "SELECT sent, code FROM ({texts}) JOIN places USING (text)"
COMBINED = ("text", "ident", "user", "sent", "zone", "request", "status", "size", "referer", "agent")


def texts(shape: str) -> str:
    """How SQL reads the clients of a log."""
    if shape == "nginx":
        return "SELECT remote_addr AS text FROM read_ndjson($1, columns={remote_addr: 'VARCHAR'})"
    if shape == "caddy":
        return "SELECT request.remote_ip AS text FROM read_ndjson($1, columns={request: 'STRUCT(remote_ip VARCHAR)'})"
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in COMBINED)
    form = f"delim=' ', quote='\"', escape='\\', header=false, auto_detect=false, columns={{{columns}}}"
    return f"SELECT text, sent FROM read_csv($1, {form})"  # noqa: S608 - all of it is ours


def connection(task: Task) -> Any:
    """With the ranges in a table."""
    import duckdb as engine
    import pyarrow as pa

    starts, codes = ranges()
    found = engine.connect(config={"threads": task.cores})
    found.execute(
        "SET asof_loop_join_threshold = 0"
    )  # it takes the clients for few, and would try each with each range
    found.register("given", pa.table({"first": pa.array(starts).cast(pa.int64()), "code": codes}))
    found.execute("CREATE TABLE ranges AS SELECT * FROM given")
    return found


def duckdb(task: Task) -> Run:
    """SQL; IPv4."""
    execute, query = connection(task).execute, WITH.format(texts=texts(task.shape)) + COUNT
    return lambda path: dict(execute(query, [path]).fetchall())


def duckdb_parquet(task: Task) -> Run:
    """SQL that writes the time, as text, and the region of each line: the log is read twice."""
    database, source = connection(task), texts(task.shape)
    rows = WITH.format(texts=source) + ENRICH.format(texts=source)

    def run(path: str) -> Regions:
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/rows.parquet"
            database.execute(f"COPY ({rows}) TO '{file}'", [path])
            return dict(database.from_parquet(file).aggregate("code, count(*)").fetchall())

    return run


# --- programs ---

PANELS = """
VISITORS REQUESTS REQUESTS_STATIC NOT_FOUND HOSTS OS BROWSERS VISIT_TIMES REFERRERS REFERRING_SITES STATUS_CODES
KEYPHRASES REMOTE_USER CACHE_STATUS MIME_TYPE TLS_TYPE VIRTUAL_HOSTS
""".split()  # noqa: SIM905 - a list would take a line for each


def goaccess(task: Task) -> Run:
    """GoAccess with only the panel of countries, which is told as JSON."""
    options = ["--no-global-config", "--no-progress", "--log-format=COMBINED", f"--geoip-database={task.database}"]
    options += [f"--ignore-panel={panel}" for panel in PANELS]

    def run(path: str) -> Regions:
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            words = ["goaccess", path, *options, "-o", file.name]
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
            report = json.load(file)
        regions = {
            item["data"].split()[0]: item["hits"]["count"]
            for continent in report["geolocation"]["data"]
            for item in continent.get("items", [])
            if re.match("[A-Z]{2} ", item["data"])
        }
        return with_the_rest(regions, report["general"]["valid_requests"])

    return run


def program(*words: str) -> Callable[[Task], Run]:
    """A program that is given the log and says nothing of regions: a floor."""

    def run(path: str) -> None:
        subprocess.run([*words, path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)

    return lambda _: run


def reading(_: Task) -> Run:
    """Only what the system takes to copy the file out of the page cache, into a block that stays in the caches."""
    block = bytearray(1 << 18)

    def run(path: str) -> None:
        with Path(path).open("rb", buffering=0) as file:
            while file.readinto(block):
                pass

    return run


def zlib(_: Task) -> Run:
    """What Python's zlib makes of the gzip file, thrown away: its speed is that of most programs."""
    from zlib import MAX_WBITS, decompressobj

    def run(path: str) -> None:
        unpack = decompressobj(MAX_WBITS | 16)
        with Path(path).open("rb") as file:
            while block := file.read(1 << 18):
                unpack.decompress(block)

    return run


ENGINES: dict[str, Callable[[Task], Run]] = {
    "regionfast": regionfast,
    "regionfast, the command": regionfast_command,
    "regionfast, Parquet": regionfast_parquet,
    "python": python,
    "python, counted first": python_counter,
    "polars": polars,
    "polars, Parquet": polars_parquet,
    "duckdb": duckdb,
    "duckdb, Parquet": duckdb_parquet,
    "goaccess": goaccess,
    "ripgrep, each line": program("rg", "--count", "--threads=1", "--text", "^"),
    "ripgrep, a literal": program("rg", "--count", "--threads=1", "--text", "--fixed-strings", '" 404 '),
    "reading": reading,
    "gzip": program("gzip", "-dc"),
    "zlib": zlib,
    "zstd": program("zstd", "-dcq"),
}


def peak() -> int:
    """The most bytes that were resident in this process, or in a child of it that has ended, if that is more.

    Of this process as the kernel counts it for the program it runs now: `ru_maxrss` would begin with the peak of
    whoever started it.
    """
    import resource

    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    own = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024


def main() -> None:
    """Answer until nobody asks."""
    given = json.loads(sys.argv[1])
    task = Task(**given | {"trusted": tuple(given["trusted"])})
    os.environ["POLARS_MAX_THREADS"] = str(task.cores)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task.cores])
    run = ENGINES[task.engine](task)
    print("ready", flush=True)
    for line in sys.stdin:
        regions = run(line.rstrip("\n"))
        print(json.dumps({"regions": regions, "peak": peak()}), flush=True)


if __name__ == "__main__":
    main()
