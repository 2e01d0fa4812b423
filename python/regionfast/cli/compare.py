"""`regionfast table compare`: where two tables disagree."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import numpy as np

from regionfast.cli import claims, options, rows, terminal
from regionfast.cli.exits import USAGE, Failure
from regionfast.meetings.columns import encode

if TYPE_CHECKING:
    from regionfast.compare import Comparison, Counts

SHOWN = 20
"""Lines of pairs; JSON has all of them."""
WIDEST = 20
"""A region is cut here: names of databases may be longer, and the lines are at most 80 wide."""
COLUMNS = ("address", "addresses", "ip", "ip_address")
"""How the column of addresses in a sample may be called."""


@click.command()
@click.argument("a", type=options.FILE)
@click.argument("b", type=options.FILE)
@options.level
@click.option(
    "--sample",
    metavar="FILE",
    type=options.INPUT,
    help="Count these addresses, not the whole space: one a line, or a column of a CSV; `-` is stdin.",
)
@click.option("--column", metavar="NAME", help=f"That column.  [default: {', '.join(COLUMNS)}]")
@rows.output
@rows.as_csv
@options.as_json
@options.quiet
def command(
    a: Path,
    b: Path,
    level: Literal["country", "subdivision"] | None,
    sample: Path | None,
    column: str | None,
    output: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Count where the tables A and B agree and disagree. Neither is the truth.

    IPv4 is counted by addresses, IPv6 by /48s; a /48 that a table divides counts by its first address.
    Regions agree where they are the same, or one is a part of the other.

    Of the pairs that disagree, those of CN and HK come first, then CN and TW, CN and MO, then the
    largest. --json, CSV and Parquet have all pairs, those where a table gives no region included.

    \b
    Examples:
      regionfast table compare GeoLite2-Country.mmdb dbip-country.mmdb
      regionfast table compare old.rft new.rft --sample joiners.csv --column ip
    """
    from regionfast.compare import compare_tables

    form = rows.Form.of(output, {"A": a, "B": b, "sample": sample}, as_json=as_json, as_csv=as_csv)
    if column and not sample:
        raise click.UsageError("--column is of --sample")
    first, second = (options.open_table(path, quiet=quiet, level=level) for path in (a, b))
    found = compare_tables(first, second, None if sample is None else addresses(sample, column))
    whole = found.to_dict()
    if form.kind == "json":
        rows.send(form, [json.dumps(whole) + "\n"])
    elif form.kind != "table":
        head = {name: value for name, value in whole.items() if name != "pairs"}
        rows.write(form, by_name(found), head, as_lines=False, revealed=None)
    else:
        click.echo(terminal.listing(sides(found)))
        click.echo("\n".join(["", *counted(found), "", *disagreements(found)]))


def by_name(found: Comparison) -> dict[str, rows.Column]:
    """All pairs as rows."""
    return {
        "a": encode([pair.a for pair in found.pairs], "a"),
        "b": encode([pair.b for pair in found.pairs], "b"),
        "ipv4": np.array([pair.ipv4 for pair in found.pairs], np.int64),
        "ipv6": np.array([pair.ipv6 for pair in found.pairs], np.int64),
        "agrees": encode([None if pair.agrees is None else str(pair.agrees).lower() for pair in found.pairs], "agrees"),
    }


def addresses(sample: Path, column: str | None) -> list[str]:
    """The addresses of a sample as they stand there: text that is none is counted as left out."""
    try:
        with options.stdin() if str(sample) == "-" else sample.open("rb") as file:
            lines = io.TextIOWrapper(file, "utf-8-sig", "backslashreplace")
            return list(cells(csv.reader(lines), column))
    except OSError as error:
        raise Failure(f"{sample}: cannot be read: {error.strerror or error}", USAGE) from None
    except (csv.Error, LookupError) as error:
        raise Failure(f"{sample}: {error.args[0]}", USAGE) from None


def cells(rows: Iterator[list[str]], column: str | None) -> Iterator[str]:
    """The column of addresses. Rows that lack it, blank lines too, have no address."""
    first = next(rows, None)
    if first is None:
        return
    names = [cell.strip().casefold() for cell in first]
    wanted = [column.strip().casefold()] if column else COLUMNS
    named = next((names.index(name) for name in wanted if name in names), None)
    if named is None:
        if column:
            raise LookupError("the first row has no column of the name that --column gives")
        if len(first) > 1:
            raise LookupError("several columns: name the one with the addresses by --column")
        yield "".join(first).strip()
    for row in rows:
        at = named or 0
        yield row[at].strip() if at < len(row) else ""


def sides(found: Comparison) -> list[tuple[str, str]]:
    """Which tables were compared, and how."""
    side = [
        (name, f"{claims.source(info)}, built {claims.built(info)}")
        for name, info in zip("AB", (found.a, found.b), strict=True)
    ]
    left = f"; left out: {found.left_out:,} rows without one" if found.left_out else ""
    counted = f"addresses of the sample{left}" if found.is_sample else "the whole space"
    return [*side, ("regions", f"by {found.level}"), ("counted", counted)]


def counted(found: Comparison) -> list[str]:
    """How the tables stand to each other, family by family."""
    unit = "addresses" if found.is_sample else "/48s"
    rows = (
        ("agree", "agree"),
        ("disagree", "disagree"),
        ("located by A alone", "a_alone"),
        ("located by B alone", "b_alone"),
        ("located by neither", "neither"),
    )
    lines = [f"{'':<{2 * WIDEST + 2}}  {'IPv4 addresses':>14}  {f'IPv6 {unit}':>20}"]
    for words, name in rows:
        lines.append(numbers(words, getattr(found.ipv4, name), getattr(found.ipv6, name)))
    shares = f"{share(found.ipv4):>14}  {share(found.ipv6):>20}"
    return [*lines, f"{'agreement where both locate':<{2 * WIDEST + 2}}  {shares}"]


def share(counts: Counts) -> str:
    """The agreement in percent, rounded down: what is not whole must not look so."""
    both = counts.agree + counts.disagree
    return f"{counts.agree * 10_000 // both / 100:.2f} %" if both else "-"


def disagreements(found: Comparison) -> list[str]:
    """The pairs of regions that are apart."""
    pairs = found.disagreements
    if not pairs:
        return ["no disagreement where both locate"]
    unit = "addresses" if found.is_sample else "/48s"
    lines = [f"{'A says':<{WIDEST}}  {'B says':<{WIDEST}}  {'IPv4 addresses':>14}  {f'IPv6 {unit}':>20}"]
    for pair in pairs[:SHOWN]:
        words = f"{cut(pair.a):<{WIDEST}}  {cut(pair.b)}"
        lines.append(numbers(words, pair.ipv4, pair.ipv6))
    rest = len(pairs) - SHOWN
    if rest > 0:
        lines.append(f"and {rest:,} further pairs, which --json has")
    return lines


def cut(code: str) -> str:
    """A region that fits its column."""
    text = terminal.encodable(terminal.printable(code))
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def numbers(words: str, ipv4: int, ipv6: int) -> str:
    """A line of the comparison."""
    return f"{words:<{2 * WIDEST + 2}}  {ipv4:>14,}  {ipv6:>20,}"
