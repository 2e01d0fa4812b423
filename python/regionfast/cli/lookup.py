"""`regionfast lookup`: one row of output for each address."""

from __future__ import annotations

import codecs
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Unpack

import click

from regionfast.cli import options, terminal
from regionfast.cli.exits import INCOMPLETE, USAGE, Failure
from regionfast.types import Evidence, Status, Unwrapped

if TYPE_CHECKING:
    from regionfast import Table

CHUNK = 1 << 18
"""Bytes of stdin that are taken at once, at most."""
LONGEST_LINE = 1 << 16
"""A longer line loses its middle, so that memory stays small whatever comes in. No address is that long."""
LONGEST_JUNK = 45
"""Text that is no address is cut here in the table; the longest address has as many characters."""

STATUS = tuple(str(status) for status in Status)
EVIDENCE = tuple(str(evidence) for evidence in Evidence)
UNWRAPPED = tuple(str(unwrapped) for unwrapped in Unwrapped)


class Row(NamedTuple):
    """One address and what the table says of it; `None` where it says nothing."""

    address: str
    region: str | None
    status: str
    evidence: str | None
    unwrapped: str | None
    network: str | None


MIDDLE = "%-6s  %-8s  %-10s  %-9s"
"""The columns between address and network, as wide as the longest word that stands in them."""
MIDDLE_WIDTH = len(MIDDLE % ("", "", "", "")) + 4
"""With the blanks on either side."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are laid out. The default is that of a pipe: one line a row, whatever its length."""

    address: int = 39
    """Width of the first column; 39 is the longest IPv6 address."""
    columns: int | None = None
    """Where a terminal ends."""
    colour: bool = False

    @classmethod
    def of(cls, rows: list[Row]) -> Layout:
        """The layout for stdout as it is, and for rows like these."""
        columns = terminal.columns()
        if columns is None:
            return cls()
        network = max((len(row.network or "-") for row in rows), default=0)
        room = columns - MIDDLE_WIDTH - max(network, len("network"))
        address = min(max((len(shown(row)) for row in rows), default=0), room)
        return cls(max(address, len("255.255.255.255")), columns, terminal.in_colour())

    def header(self) -> str:
        """The names of the columns."""
        first, *middle, last = Row._fields
        line = f"{first.ljust(self.address)}  {MIDDLE % tuple(middle)}  {last}"
        return click.style(line, bold=True) if self.colour else line

    def row(self, row: Row) -> str:
        """One row: a line in a pipe; on a terminal more where it is too narrow, and no address is ever broken."""
        address = shown(row).ljust(self.address)
        middle = MIDDLE % (row.region or "-", row.status, row.evidence or "-", row.unwrapped or "-")
        network = row.network or "-"
        if self.columns is not None:
            if len(address) > self.address:
                address = f"{address}\n{' ' * self.address}"
            if self.address + MIDDLE_WIDTH + len(network) > self.columns:
                middle = middle.rstrip()
                network = "\n" + network.rjust(self.columns)
        if self.colour:
            middle = click.style(middle, fg="green" if row.region else "yellow")
        return f"{address}  {middle}  {network}"


def shown(row: Row) -> str:
    """The address in one printable word: a line of a log must not command the terminal, nor split a column."""
    text = row.address
    if not (text.isascii() and text.isprintable() and " " not in text and "\\" not in text):
        text = text.encode("unicode_escape").decode("ascii").replace(" ", r"\x20")
    if row.status == "invalid" and len(text) > LONGEST_JUNK:
        text = text[:LONGEST_JUNK] + "..."
    return text or "-"


def rows(table: Table, addresses: list[str], threads: int | None) -> Iterator[Row]:
    """What the table says of a batch."""
    where = table.lookup_many(addresses, threads=threads)
    columns = zip(
        addresses,
        where.to_list(),
        where.status.tolist(),
        where.evidence.tolist(),
        where.unwrapped.tolist(),
        strict=True,
    )
    for address, region, status, evidence, unwrapped in columns:
        yield Row(
            address,
            region,
            STATUS[status],
            EVIDENCE[evidence] if evidence else None,
            UNWRAPPED[unwrapped] if unwrapped else None,
            # A batch has no networks: they are wanted where people look, not where millions are counted.
            table.lookup(address).network,
        )


def batches(arguments: Iterable[str]) -> Iterator[list[str]]:
    """The addresses in the order given, those of stdin in the place of `-`."""
    for from_stdin, group in itertools.groupby(arguments, key=lambda argument: argument == "-"):
        if from_stdin:
            yield from stdin_batches()
        else:
            yield list(group)


def stdin_batches() -> Iterator[list[str]]:
    """The lines of stdin as they arrive: many at once from a file, few from a pipe that is being written."""
    stream = options.stdin()
    rest = b""
    begun = False
    while True:
        try:
            chunk = stream.read1(CHUNK)  # type: ignore[attr-defined]  # of `BufferedReader`, which it is
        except OSError as error:
            code = INCOMPLETE if begun else USAGE
            raise Failure(f"cannot read stdin: {error.strerror or error}", code) from None
        if not chunk:
            break
        if not begun:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
            begun = True
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield [decoded(line) for line in lines]
        rest = rest[:LONGEST_LINE]
    if rest:
        yield [decoded(rest)]


def decoded(line: bytes) -> str:
    """A line as text; bytes that are none become an escape, which is no address either."""
    return line.removesuffix(b"\r").decode("utf-8", "backslashreplace")


@click.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@options.table_options
@options.threads
@options.as_json
@options.quiet
def command(
    addresses: tuple[str, ...],
    threads: int | None,
    *,
    as_json: bool,
    quiet: bool,
    **given: Unpack[options.Given],
) -> None:
    """Say what the table says of each ADDRESS, in the order given.

    `-` reads addresses from stdin, one a line, and answers while they come in. An empty line is
    a missing address; text that is no address has the status `invalid`. Both are rows like others.

    `network` is the largest network around the address with one answer. Where IPv4 was found inside
    IPv6, `unwrapped` says how, and the network is the one of the IPv4 address.

    With --json: JSON Lines, an object for each address with the keys address, region, status,
    evidence, unwrapped, network; null where there is nothing to say.

    \b
    Examples:
      regionfast lookup 8.8.8.8 2400:3200::1 ::ffff:168.95.1.1
      cut -d ' ' -f 1 access.log | regionfast lookup --json -
      regionfast lookup --database GeoLite2-City.mmdb --level subdivision 8.8.8.8
    """
    if addresses.count("-") > 1:
        raise click.UsageError("`-` can be given once")
    table = options.opened(given, quiet=quiet)
    found = (list(rows(table, batch, threads)) for batch in batches(addresses))
    if as_json:
        write(found, json_line, quiet=quiet)
        return
    first = next(found, [])
    layout = Layout.of(first)
    click.echo(layout.header())
    write(itertools.chain([first], found), layout.row, quiet=quiet)


def json_line(row: Row) -> str:
    """One object of JSON Lines; value by value, which takes a third of the time of an encoder for objects."""
    return OBJECT % tuple([ENCODER.encode(value) if value is not None else "null" for value in row])


OBJECT = "{" + ", ".join(f'"{name}": %s' for name in Row._fields) + "}"
ENCODER = json.JSONEncoder()


def write(batches: Iterable[list[Row]], line: Callable[[Row], str], *, quiet: bool) -> None:
    """Write and flush batch by batch, so that a slow pipe sees each row when it is known."""
    with terminal.Progress("addresses", quiet=quiet) as progress:
        for batch in batches:
            sys.stdout.writelines(f"{line(row)}\n" for row in batch)
            sys.stdout.flush()
            progress.add(len(batch))
