"""Logs: lines by region, ours beside those who do the same, each in a process of its own, the file in the page cache.

What is unfair, either way:

- GoAccess answers more questions than this one; all its panels but that of the countries are switched off, and it still
  parses each request and keeps its visitors. It and the plain loops are given the first lines only: their rate does not
  depend on the size.
- DuckDB and Polars count the clients first and look up each of them once, which is what they are best at, and find only
  IPv4; they check no line for its form. The loop "counted first" does likewise. With more clients they lose by it.
- ripgrep knows no regions: it is the floor of finding lines, and with a literal that of searching a file, mapped.
  `reading` is read(2) alone, by 256 KiB: the floor of whoever does not map the file.
- gzip, zlib and zstd only unpack: the floor of a packed log.
- A program is charged for its start; an engine in a process that is ready is not. Ours is measured both ways.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cases import Case, Codes, installed
from logs_data import TRUSTED, database, head, lines, log, packed, table

HERE = Path(__file__).parent
QUICK = 20_000_000
"""Bytes of a log when nobody says otherwise, and of the one on which all answers are compared."""
NEEDED = {"python": "maxminddb", "polars": "polars", "duckdb": "duckdb"}
"""The package of an engine, by the first word of its name; ours and zlib are there."""
PROGRAMS = {"goaccess": "goaccess", "ripgrep": "rg", "gzip": "gzip", "zstd": "zstd"}
"""The program of an engine, likewise."""

FLOORS = {"reading", "ripgrep, each line", "ripgrep, a literal", "gzip", "zlib", "zstd"}
"""Those that say nothing of regions."""
ONE_CORE = ", one core"
"""The end of the name of ours where all others of the group have more."""

REGIONS = [*sorted(str(region) for region in table().regions if region), ""]

Answer = dict[str, int]


@dataclass
class Engine:
    """A process of `logs_engines.py`, started when it is first asked."""

    group: str
    name: str
    shape: str
    cores: int
    process: subprocess.Popen[str] | None = None
    peak: int = 0
    """The most bytes that were resident, after the last run."""

    def __call__(self, path: Path) -> Answer | None:
        """Count that log."""
        process = self.process or self.start()
        assert process.stdin
        assert process.stdout
        print(path, file=process.stdin, flush=True)
        answer = json.loads(process.stdout.readline() or self.failed())
        self.peak = answer["peak"]
        found: Answer | None = answer["regions"]
        return found

    def start(self) -> subprocess.Popen[str]:
        """Start it, and end those of the group before."""
        for other in [one for one in RUNNING if one.group != self.group]:
            other.stop()
        task = {"engine": self.name.removesuffix(ONE_CORE), "shape": self.shape, "cores": self.cores}
        task |= {"database": str(database()), "trusted": TRUSTED}
        program = [sys.executable, str(HERE / "logs_engines.py"), json.dumps(task)]
        process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process = process
        RUNNING.append(self)
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            self.failed()
        return process

    def stop(self) -> None:
        """End it."""
        RUNNING.remove(self)
        if self.process:
            self.process.communicate()
            self.process = None

    def failed(self) -> str:
        """It said why on the standard error."""
        raise RuntimeError(f"{self.group}: {self.name} ended without an answer")


RUNNING: list[Engine] = []
PEAKS: dict[tuple[str, str], Engine] = {}
"""By group and engine, for the record."""


@atexit.register
def stop_all() -> None:
    """Leave no process behind."""
    while RUNNING:
        RUNNING[-1].stop()


def is_there(engine: str) -> bool:
    """Whether the package or program of an engine is; `benches/programs.sh` installs the programs."""
    name = engine.partition(",")[0]
    if name in PROGRAMS:
        return shutil.which(PROGRAMS[name]) is not None
    return name not in NEEDED or installed(NEEDED[name])


def listed(answer: Answer) -> Codes:
    """The count of each region of the table, in one order."""
    return [f"{code} {answer.get(code, 0)}" for code in REGIONS]


@dataclass(frozen=True)
class Group:
    """Engines at one piece of work, each with the whole log (1), a tenth of it (10), ..., but `QUICK` bytes."""

    name: str
    shape: str
    engines: dict[str, int]
    cores: int = 1
    packed: str | None = None
    """The program by which the log is packed."""

    def plain(self, size: int, share: int = 1) -> Path:
        """The log, or the first part of it."""
        whole, part = log(self.shape, size), max(size // share, QUICK)
        return head(whole, part) if part < size else whole

    def path(self, size: int, share: int = 1) -> Path:
        """The same as it is read."""
        plain = self.plain(size, share)
        return packed(plain, self.packed) if self.packed else plain

    def cases(self, size: int) -> Iterator[Case]:
        """Those engines that are installed.

        Each also counts the log of `QUICK` bytes, where all have to agree with ours, and so the plain loop with all.
        Those that have the whole log have to agree on it, too.
        """
        if self.packed and not is_there(self.packed):
            print(f"{self.name}: {self.packed} is missing", file=sys.stderr)
            return
        whole, counted = self.path(size), list[Answer]()
        for label, share in self.engines.items():
            if not is_there(label):
                print(f"{self.name}: {label} is missing", file=sys.stderr)
                continue
            engine = Engine(self.name, label, self.shape, 1 if label.endswith(ONE_CORE) else self.cores)
            PEAKS[self.name, label] = engine
            path = self.path(size, share)
            answers = None if label in FLOORS else partial(self.answers, engine, counted if path == whole else None)
            ours = label.startswith("regionfast")
            rows = lines(self.plain(size, share))
            yield Case(self.name, label, partial(engine, path), rows, answers, ours=ours)

    def answers(self, engine: Engine, counted: list[Answer] | None, found: object) -> Codes:
        """What the engine says of the quick log. `counted`: what others said of the whole one."""
        assert isinstance(found, dict)
        if counted is not None:
            counted.append(found)
            if listed(found) != listed(counted[0]):
                raise AssertionError(f"{self.name}: {engine.name} does not agree on the whole log")
        return listed(engine(self.path(QUICK)) or {})


GROUPS = (
    Group(
        "combined",
        "combined",
        {
            "regionfast": 1,
            "regionfast, the command": 1,
            "polars": 1,
            "duckdb": 1,
            "python, counted first": 10,
            "python": 10,
            "goaccess": 50,
            "ripgrep, each line": 1,
            "ripgrep, a literal": 1,
            "reading": 1,
        },
    ),
    Group("combined, two cores", "combined", {"regionfast": 1, "regionfast, one core": 1, "polars": 1, "duckdb": 1}, 2),
    Group(
        "IPv6 and X-Forwarded-For",
        "forwarded",
        {"regionfast": 1, "python, counted first": 10, "python": 10, "ripgrep, each line": 1},
    ),
    Group(
        "JSON Lines, nginx",
        "nginx",
        {"regionfast": 1, "polars": 1, "duckdb": 1, "python": 10, "ripgrep, each line": 1},
    ),
    Group(
        "JSON Lines, Caddy",
        "caddy",
        {"regionfast": 1, "polars": 1, "duckdb": 1, "python": 10, "ripgrep, each line": 1},
    ),
    Group("combined, gzip", "combined", {"regionfast": 1, "gzip": 1, "zlib": 1, "duckdb": 1, "python": 10}, 1, "gzip"),
    Group("combined, zstd", "combined", {"regionfast": 1, "zstd": 1, "duckdb": 1, "python": 10}, 1, "zstd"),
    Group(
        "combined to Parquet",
        "combined",
        {"regionfast, Parquet": 1, "polars, Parquet": 1, "duckdb, Parquet": 1, "python": 10},
    ),
)


def logs(size: int = QUICK) -> Iterator[Case]:
    """All of them, over logs of `size` bytes."""
    for group in GROUPS:
        yield from group.cases(size)


def about(size: int) -> dict[str, object]:
    """The logs and programs, for the record."""
    versions = {}
    for name, program in PROGRAMS.items():
        versions[name] = "missing"
        if is_there(name):
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
            versions[name] = next(iter(re.findall(r"\d+(?:\.\d+)+", said)), said)
    sizes = {}
    for shape in {group.shape: None for group in GROUPS}:
        path = log(shape, size)
        sizes[shape] = {"bytes": path.stat().st_size, "lines": lines(path)}
    return {
        "database": "bundled table",
        "table_digest": table().info.digest,
        "logs": sizes,
        "programs": versions,
    }
