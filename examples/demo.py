"""The main job on real input: a batch of joiners against the bundled table, then a million addresses.

Run it by `make demo`, or by any Python that has regionfast. It needs no network and no arguments.
"""

from __future__ import annotations

import csv
import textwrap
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import regionfast as rf

JOINERS = Path(__file__).parent / "joiners.csv"
MILLION = 1_000_000
SEED = 20260604

TELLING = {
    "114.114.114.114": "mainland China",
    "203.198.7.66": "Hong Kong is not mainland China",
    "202.175.3.3": "nor is Macao",
    "168.95.1.1": "nor is Taiwan",
    "::ffff:203.198.7.66": "judged by the IPv4 inside",
    "2002:7272:7272::1": "this one, too",
    "192.175.48.1": "AS112 is everywhere: stays unknown",
    "100.64.9.1": "carrier-grade NAT: no country",
    "08.8.8.8": "no address: a leading zero",
    "": "nothing given, nothing made up",
}
"""Rows of the batch that show a rule."""


def show_batch(console: Console, table: rf.Table) -> None:
    """Resolve all joiners in one call and show counts and the telling rows."""
    with JOINERS.open(newline="", encoding="utf-8") as file:
        joiners = list(csv.DictReader(file))
    addresses = [joiner["address"] for joiner in joiners]

    start = time.perf_counter()
    where = table.lookup_many(addresses)
    seconds = time.perf_counter() - start

    meetings = len({joiner["meeting"] for joiner in joiners})
    console.print(
        f"[bold]{len(where)} joiners of {meetings} meetings[/] in one call, {seconds * 1e3:.2f} ms. "
        "By region and status:"
    )
    # Lines break at a blank and not at this one, so a name keeps its number.
    counts = "  ".join(f"{name}\N{NO-BREAK SPACE}{count}" for name, count in where.counts().items())
    console.print(textwrap.fill(counts, console.width).replace("\N{NO-BREAK SPACE}", " "))
    console.print()

    rows = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    for column in ("address", "region", "status", "unwrapped", "why"):
        rows.add_column(column, no_wrap=True)
    for address, why in TELLING.items():
        at = addresses.index(address)
        region = where[at]
        rows.add_row(
            address or "(empty)",
            f"[green]{region}[/]" if region else "-",
            str(rf.Status(where.status[at])),
            str(rf.Unwrapped(where.unwrapped[at])) if where.unwrapped[at] else "-",
            f"[dim]{why}[/]",
        )
    console.print(rows)


def show_million(console: Console, table: rf.Table) -> None:
    """Resolve a million random addresses and say how fast."""
    addresses = np.random.default_rng(SEED).integers(0, 1 << 32, MILLION, dtype=np.uint32)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        where = table.lookup_many(addresses)
        times.append(time.perf_counter() - start)
    median = sorted(times)[len(times) // 2]
    located = int(np.count_nonzero(where.status == rf.Status.LOCATED))
    inside = int(np.count_nonzero(where.isin(["CN"])))
    console.print(
        f"[bold]{MILLION:,} random IPv4 addresses[/] in {median * 1e3:.1f} ms, "
        f"[bold]{MILLION / median / 1e6:.0f} million a second[/]\n"
        f"(median of {len(times)}, kernel {table.info.kernel}): "
        f"{located / MILLION:.1%} located, {inside:,} in CN"
    )


def main() -> None:
    """Show it on one screen."""
    console = Console(highlight=False, soft_wrap=False)
    start = time.perf_counter()
    table = rf.open()
    opened = time.perf_counter() - start
    info = table.info
    assert info.built_at is not None
    console.print(
        f"[bold]The bundled table[/] of {info.built_at:%Y-%m-%d}, opened in {opened * 1e3:.0f} ms: "
        f"{info.region_count} regions, {info.ipv4_ranges + info.ipv6_ranges:,} ranges"
    )
    console.print(f"[dim]{info.attribution}[/]")
    console.print()
    show_batch(console, table)
    console.print()
    show_million(console, table)
    console.print("[dim]A table is evidence about an address, never about a person.[/]")


if __name__ == "__main__":
    main()
