"""The table of the logs, written from their record."""

from __future__ import annotations

import itertools
from typing import Any

MEMORY = 200_000_000
"""Bytes that ours may have, whatever the log."""
RATES: dict[str, float] = {
    # group: lines a second that the design asks for
    "combined": 20e6,
    "IPv6 and X-Forwarded-For": 10e6,
    "JSON Lines, nginx": 5e6,
    "combined to Parquet": 3e6,
}
BESIDE: dict[str, tuple[str, float]] = {
    # group: the engine that ours is asked to be so many times as fast as
    "combined, two cores": ("regionfast, one core", 1.8),
    "combined, gzip": ("gzip", 1.0),
    "combined, zstd": ("zstd", 1.0),
}


def rate(ns: float) -> str:
    """Lines a second."""
    millions = 1e3 / ns
    return f"{millions:.2f} M/s" if millions < 1 else f"{millions:.1f} M/s"


def times(ratio: float) -> str:
    """How many times as fast, to two places."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.1f}×" if ratio >= 1 else f"{ratio:.2f}×"


def target(group: str, row: dict[str, Any], engines: list[dict[str, Any]]) -> str:
    """What is asked of ours, and whether it is so; empty for the others."""
    if row["engine"] not in {"regionfast", "regionfast, Parquet"}:
        return ""
    words, ns = "", 0.0
    if group in RATES:
        words, ns = f"{RATES[group] / 1e6:.0f} M/s", 1e9 / RATES[group]
    elif group in BESIDE:
        other, factor = BESIDE[group]
        words = f"{factor}× {other}" if factor > 1 else f"as fast as {other}"
        ns = next((one["ns"] for one in engines if one["engine"] == other), 0.0) / factor
    reached = f"{words} {'reached' if row['ns'] <= ns else '**missed**'}" if ns else ""
    return reached if row["peak"] <= MEMORY else f"{reached} memory **missed**".strip()


def page(record: dict[str, Any], name: str) -> str:
    """All engines of all groups, ours first."""
    about, rows = record["about"], record["rows"]
    logs = "; ".join(
        f"{shape} {log['bytes'] / 1e9:.2f} GB, {log['lines'] / 1e6:.2f} M lines of {log['bytes'] / log['lines']:.0f} B"
        for shape, log in about["logs"].items()
    )
    packages = ", ".join(f"{package} {about['packages'][package]}" for package in ("polars", "duckdb", "maxminddb"))
    programs = ", ".join(f"{program} {version}" for program, version in about["programs"].items())
    machine = f"{about['cpu']}, {about['cores']} cores, {about['system']}; Python {about['python']}, {about['rust']}"
    how = f"Medians of {about['rounds']} interleaved rounds, each after an untimed run, the logs in the page cache"
    lines = [
        f"Measured on {about['date']} at commit `{about['commit']}`: {machine}; {packages}; {programs}.",
        f"Logs from seed {about['seed']}: {logs}. Record: `benches/record/{name}`.",
        f"{how}; on one core where no other number is told. * An engine that was given the first lines only.",
        "",
        "| work | engine | lines | a line | target | ours is faster by | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for group, members in itertools.groupby(rows, key=lambda row: row["group"]):
        engines = list(members)
        ours = engines[0]
        for row in engines:
            part = "" if row["rows"] == ours["rows"] else "*"
            ratio = "" if row is ours else times(row["ns"] / ours["ns"])
            lines.append(
                f"| {group if row is ours else ''} | {row['engine']}{part} | {rate(row['ns'])} | {row['ns']:.1f} ns "
                f"| {target(group, row, engines)} | {ratio} | {row['peak'] / 1e6:.0f} MB |"
            )
    return "\n".join(lines)
