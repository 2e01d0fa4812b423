"""Measures the cases of a group in turn, A B C A B C …, and writes a record and the page made from it.

    python benches/record.py            measures, writes benches/record/<arch>/<date>.json and docs/performance.md
    python benches/record.py --logs     the same for logs of 1 GB: <arch>/logs-<date>.json and their table of the page
    python benches/record.py --page     writes the page from the newest records

Medians of interleaved rounds: a machine that slows down slows all engines of a group alike. Each timed call follows an
untimed one of the same engine, so that it is not charged for the caches that the engine before has filled.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cases import Case

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "python"))
PAGE = HERE.parent / "docs" / "performance.md"
ROUNDS = 15
LOG_ROUNDS = 5
PEERS = ("numpy", "polars", "duckdb", "pyarrow", "maxminddb", "maxminddb-rust", "maxminddb-polars", "iptocc")

TARGETS: dict[str, tuple[str, float]] = {
    # group: what the design asks for on its own machine, and that in nanoseconds a row
    "uint32 uniform": ("850 M/s", 1e3 / 850),
    "uint32 by-range": ("340 M/s", 1e3 / 340),
    "uint32 zipf": ("500 M/s", 1e3 / 500),
    "uint32 uniform, scalar": ("480 M/s", 1e3 / 480),
    "uint32 by-range, scalar": ("240 M/s", 1e3 / 240),
    "uint32 zipf, scalar": ("340 M/s", 1e3 / 340),
    "IPv6 bytes by-range": ("110 M/s", 1e3 / 110),
    "Arrow text": ("150 M/s", 1e3 / 150),
    "list of str": ("45 M/s", 1e3 / 45),
    "one call": ("120 ns", 120),
    "one call, lookup": ("300 ns", 300),
    "a byte a row (isin)": ("300 M/s", 1e3 / 300),
    "decide_joins, 1 M connections": ("30 ms", 30e6),
    "decide_joins, one person": ("100 µs", 100e3),
    "effect byte, resolved roster": ("300 M/s", 1e3 / 300),
    "monitor, a new order on one meeting": ("1 ms", 1e6),
    "monitor, a new table": ("60 ms", 60e6),
    "monitor, a new table, everything elsewhere": ("60 ms", 60e6),
    "monitor, join and leave": ("20 µs each", 20e3),
    "audit, records written": ("100 k/s", 1e9 / 100e3),
    "audit, records verified": ("300 k/s", 1e9 / 300e3),
    "open the bundled table": ("15 ms", 15e6),
    "compile the 8 MB country database": ("80 ms", 80e6),
    "compile the 63 MB city database": ("600 ms", 600e6),
}


def measured(cases: Iterable[Case], rounds: int = ROUNDS) -> list[dict[str, object]]:
    """All groups, each interleaved."""
    from cases import agreement

    rows: list[dict[str, object]] = []
    for group, members in itertools.groupby(cases, key=lambda case: case.group):
        engines = list(members)
        expected = None
        agreements = []
        for case in engines:
            agreements.append(agreement(case, expected))
            if case.ours and case.answers is not None:
                expected = case.answers(case.call())
        times: list[list[int]] = [[] for _ in engines]
        for turn in range(rounds + 1):
            for case, took in zip(engines, times, strict=True):
                case.call()  # brings its own data back into the caches after the engine before
                start = time.perf_counter_ns()
                case.call()
                if turn:  # the first round warms up
                    took.append(time.perf_counter_ns() - start)
        for case, took, found in zip(engines, times, agreements, strict=True):
            ns = [one / case.rows for one in took]
            row = {
                "group": group,
                "engine": case.engine,
                "rows": case.rows,
                "ns": round(median(ns), 3),
                "ns_min": round(min(ns), 3),
                "ns_max": round(max(ns), 3),
                "digest": found and found.digest,
                "agrees": found and round(found.share, 5),
            }
            rows.append(row)
            print(f"{group:34} {case.engine:20} {row['ns']:>14} ns", file=sys.stderr)
    return rows


def with_scalar_kernel() -> list[dict[str, object]]:
    """The array groups of ours once more with the portable kernel, in a process of its own."""
    environment = os.environ | {"REGIONFAST_KERNEL": "scalar"}
    ran = subprocess.run(
        [sys.executable, __file__, "--arrays"], capture_output=True, text=True, check=True, env=environment
    )
    rows: list[dict[str, object]] = json.loads(ran.stdout)
    return [row | {"group": f"{row['group']}, scalar"} for row in rows if row["engine"] == "regionfast"]


def cold() -> dict[str, float]:
    """One call after 64 MB of other work: median and 99th percentile in nanoseconds."""
    import numpy as np
    from cases import ipv4, table

    region, texts = (
        table().region,
        [f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in ipv4("by-range")[:400].tolist()],
    )
    work = np.ones(64 << 20, np.uint8)
    took = []
    for text in texts:
        work += 1
        start = time.perf_counter_ns()
        region(text)
        took.append(time.perf_counter_ns() - start)
    took.sort()
    return {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}


def memory() -> dict[str, int]:
    """Bytes of the tables, exact."""
    from cases import opening

    return {case.group: case.call().info.bytes for case in opening()}  # type: ignore[attr-defined]


def described() -> dict[str, object]:
    """The machine and what ran on it."""
    import regionfast as rf

    cpu = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        cpu = found[1]
    packages = {}
    for package in PEERS:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = "absent"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=HERE
    ).stdout.strip()
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    from cases import DATABASE, ROWS, SEED, ipv4, table

    where = table().lookup_many(ipv4("by-range"))
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit,
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "rust": rust,
        "kernel": rf.open().info.kernel,
        "database": DATABASE.name if DATABASE.exists() else "bundled table",
        "table_digest": table().info.digest,
        "rows": ROWS,
        "seed": SEED,
        "located_by_range": round(float((where.status == rf.Status.LOCATED).mean()), 4),
        "packages": packages,
    }


def rate(ns: float) -> str:
    """Nanoseconds a row as a reader wants them."""
    if ns >= 1e6:
        return f"{ns / 1e6:.1f} ms"
    if ns >= 1e4:
        return f"{ns / 1e3:.0f} µs"
    if ns >= 40:
        return f"{ns:.0f} ns"
    return f"{ns:.2f} ns, {1e3 / ns:.0f} M/s"


def page(record: dict[str, object], name: str) -> str:
    """The results as a table."""
    about = record["about"]
    rows = record["rows"]
    assert isinstance(about, dict)
    assert isinstance(rows, list)
    where = f"{about['cpu']}, {about['cores']} cores, {about['system']}"
    what = f"Python {about['python']}, {about['rust']}, kernel `{about['kernel']}`"
    lines = [
        f"Measured on {about['date']} at commit `{about['commit']}`: {where}; {what}.",
        f"{about['rows']:,} rows from seed {about['seed']}; `{about['database']}`. Record: `benches/record/{name}`.",
        f"Medians of {ROUNDS} interleaved rounds on one thread, each after an untimed call.",
        "",
        "| work | ours | target | best peer | ours is faster by |",
        "|---|---|---|---|---|",
    ]
    missed = []
    for group, members in itertools.groupby(rows, key=lambda row: row["group"]):
        engines = list(members)
        own = [row for row in engines if str(row["engine"]).startswith("regionfast")]
        peers = sorted((row for row in engines if row not in own), key=lambda row: row["ns"])
        for row in own:
            title = group if row["engine"] == "regionfast" else f"{group}, lookup"
            target = TARGETS.get(title)
            peer, ratio = "none", ""
            if peers:
                agrees = peers[0]["agrees"]
                share = "" if agrees in {None, 1} else f", {agrees:.1%} alike"
                peer = f"{peers[0]['engine']} {rate(peers[0]['ns'])}{share}"
                ratio = f"{peers[0]['ns'] / row['ns']:.1f}×"
            reached = ""
            if target:
                reached = f"{target[0]} {'reached' if row['ns'] <= target[1] else '**missed**'}"
                if row["ns"] > target[1]:
                    missed.append(title)
            lines.append(f"| {title} | {rate(row['ns'])} | {reached} | {peer} | {ratio} |")
    cold_call = record["cold"]
    tables = record["memory"]
    assert isinstance(cold_call, dict)
    assert isinstance(tables, dict)
    sizes = "; ".join(f"{group.partition(' the ')[2]} {size / 1e6:.0f} MB" for group, size in tables.items())
    lines += [
        "",
        f"One call after 64 MB of other work: {cold_call['p50']:.0f} ns (median), {cold_call['p99']:.0f} ns (99 %).",
        f"Memory of a table: {sizes}.",
        "",
        f"Targets are those of a core of an Emerald Rapids machine; missed here: {', '.join(missed) or 'none'}.",
    ]
    return "\n".join(lines)


def write_page(part: str, text: str) -> None:
    """Put the table of a record between its marks of the page. `part`: what stands in them."""
    begin, end = f"<!-- {part}: benches/record.py writes this -->\n", f"\n<!-- end of {part} -->"
    before, _, rest = PAGE.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(before + begin + text + end + after, "utf-8")


def write_pages() -> None:
    """Both tables, from the newest record of each."""
    from logs_page import page as page_of_logs

    for part, pattern, render in (("results", "[0-9]*.json", page), ("logs", "logs-*.json", page_of_logs)):
        if records := sorted((HERE / "record").rglob(pattern), key=lambda path: path.name):
            name = records[-1].relative_to(HERE / "record").as_posix()
            write_page(part, render(json.loads(records[-1].read_text("utf-8")), name))


def record_of_logs(size: int) -> dict[str, object]:
    """Logs of `size` bytes: as the others, and the most memory that each engine had."""
    from logs_cases import PEAKS, about, logs

    rows = measured(logs(size), LOG_ROUNDS)
    for row in rows:
        row["peak"] = PEAKS[str(row["group"]), str(row["engine"])].peak
    whole = described() | about(size) | {"rounds": LOG_ROUNDS}
    del whole["rows"], whole["located_by_range"]  # those are of the arrays
    return {"about": whole, "rows": rows}


def main() -> None:
    """Measure and write, or only write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help="only write the page from the newest records")
    parser.add_argument("--logs", action="store_true", help="measure logs instead of all else")
    parser.add_argument("--bytes", type=int, default=10**9, help="how large the logs are, if not for the record")
    parser.add_argument("--arrays", action="store_true", help="print the array groups as JSON, for another process")
    arguments = parser.parse_args()
    if arguments.arrays:
        import cases

        json.dump([row for row in measured(cases.arrays()) if not str(row["group"]).endswith("threads")], sys.stdout)
        return
    if not arguments.page:
        about = described()
        if arguments.logs:
            name, record = f"logs-{about['date']}.json", record_of_logs(arguments.bytes)
        else:
            import cases

            rows = measured(cases.cases())
            scalar = with_scalar_kernel()
            name = f"{about['date']}.json"
            record = {"about": about, "rows": rows + scalar, "cold": cold(), "memory": memory()}
        path = HERE / "record" / platform.machine() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    write_pages()


if __name__ == "__main__":
    main()
