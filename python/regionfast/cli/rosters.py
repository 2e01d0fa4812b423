"""What the commands about rosters share: their options, what they open, and the rows that they write."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, TypeAlias, TypedDict
from zoneinfo import ZoneInfo

import click
import numpy as np
import numpy.typing as npt

from regionfast.cli import claims, options, terminal
from regionfast.cli.exits import INCOMPLETE, USAGE, Failure, without_addresses
from regionfast.errors import DeploymentError, PlanRefused, PolicyError, RosterError
from regionfast.meetings.columns import TextColumn
from regionfast.regions import RegionError
from regionfast.types import Effect, Reason

if TYPE_CHECKING:
    from regionfast import Decisions, Plan, Policy, Roster, Table

REFUSED: Final = 5
"""Refused for safety."""

Integers: TypeAlias = npt.NDArray[np.int64]
Column: TypeAlias = "TextColumn | Integers | Sequence[Sequence[str]]"
"""Texts, numbers, or several texts a row."""

CHUNK: Final = 1 << 12
"""Rows that are written at once."""
WIDEST: Final = 24
"""On a terminal a column is no wider; a longer cell stands on a line of its own, whole."""
SUFFIXES: Final = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
COLOURS: Final = {"admit": "green", "keep": "green", "hold": "yellow", "deny": "red", "eject": "red"}


def moment(text: str) -> datetime:
    """A time with its offset, ISO 8601 as Python reads it."""
    try:
        at = datetime.fromisoformat(text)
        if at.utcoffset() is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter("write a time such as 2020-06-04T00:00:00Z") from None
    raise click.BadParameter("the time has no offset from UTC: write `Z` or one such as `+08:00` after it")


def time_zone(text: str) -> ZoneInfo:
    """A zone of the IANA database."""
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise click.BadParameter("write the name of a zone, such as `Europe/Berlin` or `UTC`") from None


def row_number(text: str) -> int:
    """From 1. The error does not repeat what was typed, which may be the person asked about."""
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(2**63)) and int(text)):
        raise click.BadParameter("write the number of a row, the first below the heading being 1")
    return int(text)


def why(text: str) -> str:
    """A reason for naming people, with something in it."""
    if not text.strip():
        raise click.BadParameter("say why people are to be named")
    return text.strip()


ARROW: Final = {".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow"}
"""Which suffixes are read by pyarrow, and how; all others are CSV."""

by = click.option("--by", metavar="ID", required=True, help="The order or rule that the plan is by.")
reveal = click.option("--reveal", metavar="REASON", type=why, help="Show participants and addresses; REASON is noted.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
output = click.option(
    "-o", "--output", metavar="FILE", type=options.FILE, help="Write FILE, whole or not at all: .csv, .json, .parquet."
)


def inputs(command: options.Command) -> options.Command:
    """The roster, the policy, and all that says how they are read."""
    for option in reversed(
        (
            click.argument("roster", metavar="ROSTER", type=click.Path(path_type=Path, allow_dash=True)),
            click.option("--policy", metavar="FILE", type=options.FILE, required=True, help="Orders and rules, TOML."),
            click.option(
                "--deployment",
                metavar="FILE",
                type=options.FILE,
                help="The operator's file: issuers and jurisdictions.  [default: none, orders are advisory]",
            ),
            click.option("--at", metavar="TIME", type=moment, help="Decide for then, with offset.  [default: now]"),
            click.option(
                "--witness", metavar="FILE", type=options.FILE, help="A second database that must confirm the first."
            ),
            click.option(
                "--format",
                "form",
                type=click.Choice(["csv", "parquet", "arrow", "participants"]),
                help="Of ROSTER; `participants` is an export of Zoom, Google Meet or Webex.  [default: by its suffix]",
            ),
            click.option("--zone", metavar="NAME", type=time_zone, help="Of an export's times that do not say theirs."),
            options.table_options,
        )
    ):
        command = option(command)
    return command


class Given(TypedDict):
    """What `inputs` gives to a command."""

    roster: Path
    policy: Path
    deployment: Path | None
    at: datetime | None
    witness: Path | None
    form: Literal["csv", "parquet", "arrow", "participants"] | None
    zone: ZoneInfo | None
    database: Path | None
    level: Literal["country", "subdivision"] | None
    overrides: Path | None


class Opened(NamedTuple):
    """What is decided about, and by what."""

    table: Table
    policy: Policy
    roster: Roster
    at: datetime
    witness: Table | None


def opened(given: Given, *, quiet: bool) -> Opened:
    """Open all that was given. To be called within `refusals`."""
    from regionfast import Policy

    policy = Policy.load(given["policy"], deployment=given["deployment"])
    table = options.open_table(given["database"], quiet=quiet, level=given["level"], overrides=given["overrides"])
    witness = None
    if given["witness"] is not None:
        witness = options.open_table(given["witness"], quiet=quiet, level=given["level"])
    roster = read(given["roster"], given["form"], given["at"], given["zone"])
    terminal.notes(map(without_addresses, roster.warnings), quiet=quiet)
    return Opened(table, policy, roster, given["at"] or datetime.now(UTC), witness)


def read(path: Path, form: str | None, at: datetime | None, zone: ZoneInfo | None) -> Roster:
    """The roster in a file, or on stdin. Of an export only who was there at `at`, where that is given."""
    from regionfast import Roster

    form = form or ARROW.get(path.suffix.lower(), "csv")
    if zone is not None and form != "participants":
        raise click.UsageError("`--zone` is of `--format participants`")
    if form in {"parquet", "arrow"}:
        return read_arrow(path, form)
    if str(path) != "-":
        file: BinaryIO | Path = path
    elif sys.stdin is None:  # what Python leaves where the caller closed it
        raise Failure("stdin is closed", USAGE)
    else:
        file = sys.stdin.buffer
    return Roster.from_export(file, at=at, zone=zone) if form == "participants" else Roster.from_csv(file)


def read_arrow(path: Path, form: str) -> Roster:
    """The roster in a Parquet or Arrow file."""
    from regionfast import Roster

    if str(path) == "-":
        raise click.UsageError("stdin is read as CSV, or with `--format participants`")
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Failure(f"{path}: reading it needs pyarrow: install `regionfast[all]`", USAGE) from None
    try:
        with path.open("rb") as file:
            if form == "parquet":
                table = pq.ParquetFile(file).read()
            else:
                # Files and streams of Arrow have the same suffix; the first bytes tell them apart.
                is_file = file.read(6) == b"ARROW1"
                file.seek(0)
                table = (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file).read_all()
    except pa.ArrowException:  # its texts may quote what is in the file
        raise Failure(f"{path}: no {form.capitalize()} file, or a damaged one", USAGE) from None
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror or 'no such file, or a damaged one'}", USAGE) from None
    try:
        return Roster.from_arrow(table)
    except (RosterError, TypeError) as error:  # the engine's refusal of a column that holds no addresses
        raise RosterError(f"{path}: {error}") from None


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the library refuses into exit codes; a wrong policy is told with all its problems, one a line."""
    try:
        yield
    except (PolicyError, DeploymentError) as error:
        for line in str(error).splitlines():
            click.echo(f"Error: {terminal.printable(without_addresses(line))}", err=True)
        raise click.exceptions.Exit(USAGE) from None
    except (RosterError, RegionError) as error:  # a group of regions before there is any record of it
        raise Failure(without_addresses(str(error)), USAGE) from None
    except PlanRefused as error:
        raise Failure(without_addresses(str(error)), REFUSED) from None


def named(roster: Roster, connections: Integers | None, revealed: str | None) -> dict[str, Column]:
    """What tells connections apart: the row, and only where it is to be revealed the person and the addresses.

    The row is the position among the rows of the file that make the roster, from 1, of the connection's first one.
    """
    which = np.arange(len(roster)) if connections is None else connections
    found: dict[str, Column] = {"row": rows_of(roster)[which]}
    if revealed is not None:
        if roster.connections is not None:
            found["connection"] = roster.connections[which]
        found["participant"] = roster.participants[which]
        found["addresses"] = [addresses(roster, connection) for connection in which.tolist()]
    return found


def rows_of(roster: Roster) -> Integers:
    """For each connection the number of its first row."""
    return (roster.source_rows if roster.starts is None else roster.source_rows[roster.starts[:-1]]) + 1


def connection_at(roster: Roster, row: int) -> int:
    """The connection that a row is of."""
    places = np.flatnonzero(roster.source_rows == row - 1)
    if not len(places):
        raise Failure(f"the roster has no row {row:,}, it has {roster.row_count:,}", USAGE)
    if roster.starts is None:
        return int(places[0])
    return int(np.searchsorted(roster.starts, places[0], "right")) - 1


def addresses(roster: Roster, connection: int) -> list[str]:
    """The addresses of a connection, as the roster has understood them."""
    from regionfast.meetings.roster import V4, V6

    first, last = connection, connection + 1
    if roster.starts is not None:
        first, last = roster.starts[connection : connection + 2].tolist()
    found = []
    for row in range(first, last):
        if roster.families[row] == V4:
            found.append(str(IPv4Address(int(roster.v4[row]))))
        elif roster.families[row] == V6:
            packed = roster.v6[np.searchsorted(roster.v6_rows, row)].tobytes()
            found.append(str(IPv6Address(packed)))
    return found


def effects(codes: npt.NDArray[np.uint8]) -> TextColumn:
    """Effects in words."""
    return TextColumn(codes.astype(np.uint32), tuple(map(str, Effect)))


def reasons(codes: npt.NDArray[np.uint8]) -> TextColumn:
    """Reasons in words."""
    return TextColumn(codes.astype(np.uint32), tuple(map(str, Reason)))


def head(result: Decisions | Plan, revealed: str | None = None) -> dict[str, object]:
    """What a result follows from, for programs."""
    found: dict[str, object] = {
        "at": written(result.at),
        "policy": result.policy.revision,
        "advisory": result.is_advisory,
        "table": claims.as_object(result.table.info),
        "witness": None if result.witness is None else claims.as_object(result.witness.info),
        "warnings": list(result.warnings),
    }
    return found if revealed is None else found | {"revealed": revealed}


def written(at: datetime) -> str:
    """A time as `moment` reads it."""
    return at.isoformat().replace("+00:00", "Z")


def say(result: Decisions | Plan, revealed: str | None, *, quiet: bool) -> None:
    """Note what a result follows from where its rows do not say, its warnings, and why people are named."""
    info = result.table.info
    by = f"by table {info.kind}, digest {info.digest[:12]}, and policy revision {result.policy.revision[:12]}"
    told = [f"for {written(result.at)}, {by}", *result.warnings]
    if revealed is not None:
        told.append(f"participants and addresses are revealed: {revealed}")
    terminal.notes(told, quiet=quiet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """In which form rows are written, and where to."""

    kind: str
    """`table`, `json`, `csv` or `parquet`."""
    path: Path | None
    """`None`: stdout."""

    @classmethod
    def of(cls, output: Path | None, inputs: Given, *, as_json: bool, as_csv: bool) -> Form:
        """What the options ask for. Called first, so that nothing is worked out in vain."""
        if as_json + as_csv + (output is not None) > 1:
            raise click.UsageError("give one of `--json`, `--csv` and `--output`")
        if output is None:
            return cls(kind="json" if as_json else "csv" if as_csv else "table", path=None)
        kind = SUFFIXES.get(output.suffix.lower())
        if kind is None:
            raise click.UsageError(f"the suffix of `--output` says what is written: {', '.join(SUFFIXES)}")
        for name in ("roster", "policy", "deployment", "witness", "database", "overrides"):
            read_too = inputs[name]
            if read_too is not None and output.exists() and read_too.exists() and output.samefile(read_too):
                raise click.UsageError(f"`--output` is the file of the {name}")
        if kind == "parquet":
            try:
                import pyarrow.parquet  # noqa: F401
            except ImportError:
                raise Failure("writing Parquet needs pyarrow: install `regionfast[all]`", USAGE) from None
        return cls(kind=kind, path=output)


def write(
    form: Form, columns: Mapping[str, Column], head: Mapping[str, object], *, as_lines: bool, revealed: str | None
) -> None:
    """Write rows.

    Args:
        form: How and where to.
        columns: The rows, by column.
        head: What they follow from: in JSON beside the rows, in Parquet as metadata of the file.
        as_lines: JSON Lines, without the head.
        revealed: Why they name people.
    """
    if form.kind == "parquet":
        assert form.path is not None  # only a suffix asks for it
        with whole(form.path, private=revealed is not None) as file:
            write_parquet(file, columns, head)
        return
    if form.kind == "table":
        parts = table(columns)
    elif form.kind == "csv":
        parts = csv_lines(columns)
    elif as_lines:
        parts = json_lines(columns, "" if revealed is None else f', "revealed": {json.dumps(revealed)}')
    else:
        parts = json_object(columns, head)
    send(form, parts, private=revealed is not None)


def send(form: Form, parts: Iterable[str], *, private: bool = False) -> None:
    """Write text to stdout or to the file, part by part."""
    if form.path is not None:
        with whole(form.path, private=private) as file:
            file.writelines(part.encode() for part in parts)
        return
    # Data is UTF-8 whatever the locale; a table is for people, whose terminal may know less.
    encoding = sys.stdout.encoding if form.kind == "table" else "utf-8"
    sys.stdout.flush()
    for part in parts:
        sys.stdout.buffer.write(part.encode(encoding, "backslashreplace"))
        sys.stdout.buffer.flush()


@contextmanager
def whole(path: Path, *, private: bool) -> Iterator[BinaryIO]:
    """A file that appears when all of it is there. One that names people can be read by its owner only."""
    path = path.resolve()  # a link stays one
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
                yield file
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror or 'it fails'}", INCOMPLETE) from None


def write_parquet(file: BinaryIO, columns: Mapping[str, Column], head: Mapping[str, object]) -> None:
    """One column each, and the head as JSON under `regionfast` in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name, column in columns.items():
        if isinstance(column, TextColumn):
            arrays[name] = pa.array(column, pa.string())
        elif isinstance(column, np.ndarray):
            arrays[name] = pa.array(column)
        else:
            arrays[name] = pa.array(column, pa.list_(pa.string()))
    pq.write_table(pa.table(arrays).replace_schema_metadata({"regionfast": json.dumps(head)}), file)


def cells(column: Column, shown: Callable[[object], str]) -> Iterator[str]:
    """The cells of a column as text. Texts that repeat are made once."""
    if isinstance(column, TextColumn):
        texts = [shown(text) for text in column.values]
        for first in range(0, len(column), CHUNK):
            yield from map(texts.__getitem__, column.codes[first : first + CHUNK].tolist())
    elif isinstance(column, np.ndarray):
        for first in range(0, len(column), CHUNK):
            yield from map(str, column[first : first + CHUNK].tolist())
    else:
        yield from map(shown, column)


def joined(lines: Iterator[str]) -> Iterator[str]:
    """Some lines at a time."""
    while some := list(islice(lines, CHUNK)):
        yield "".join(some)


def json_lines(columns: Mapping[str, Column], also: str) -> Iterator[str]:
    """An object a line."""
    return joined(f"{row}\n" for row in json_rows(columns, also))


def json_rows(columns: Mapping[str, Column], also: str = "") -> Iterator[str]:
    """An object a row."""
    row = "{" + ", ".join(f'"{name}": %s' for name in columns) + also.replace("%", "%%") + "}"
    return (row % found for found in zip(*(cells(column, json.dumps) for column in columns.values()), strict=True))


def json_object(columns: Mapping[str, Column], head: Mapping[str, object]) -> Iterator[str]:
    """One object: the head, and the rows in it."""
    yield json.dumps(head)[:-1] + ', "rows": ['
    separated = (f"{', ' * bool(number)}{row}" for number, row in enumerate(json_rows(columns)))
    yield from joined(separated)
    yield "]}\n"


def csv_lines(columns: Mapping[str, Column]) -> Iterator[str]:
    """A heading, then the rows; an empty cell is null, several texts are parted by blanks."""
    rows = zip(*(cells(column, plain) for column in columns.values()), strict=True)
    some: list[tuple[str, ...]] = [tuple(columns)]
    while some:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(some)
        yield text.getvalue()
        some = list(islice(rows, CHUNK))


def plain(value: object) -> str:
    """A cell as it is."""
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


def visible(value: object) -> str:
    """A cell for people, which commands no terminal; `-` where there is nothing."""
    return terminal.printable(plain(value)) or "-"


def table(columns: Mapping[str, Column]) -> Iterator[str]:
    """A heading and lines for people. On a terminal a row takes more lines where it is too narrow, and none is cut."""
    limit = terminal.columns()
    colour = terminal.in_colour()
    widths = []
    for name, column in columns.items():
        used = column
        if isinstance(column, TextColumn):  # a part of a column may have texts that none of its rows has
            used = TextColumn(np.unique(column.codes), column.values)
        width = max(map(len, cells(used, visible)), default=0)
        widths.append(max(len(name), width if limit is None else min(width, WIDEST)))
    numbers = [isinstance(column, np.ndarray) for column in columns.values()]
    heading = laid_out(list(columns), widths, numbers, limit)
    yield f"{click.style(heading, bold=True) if colour else heading}\n"
    rows = zip(*(cells(column, visible) for column in columns.values()), strict=True)
    effect = list(columns).index("effect") if colour and "effect" in columns else None
    yield from joined(f"{laid_out(row, widths, numbers, limit, effect)}\n" for row in rows)


def laid_out(
    row: Sequence[str], widths: list[int], numbers: list[bool], limit: int | None, coloured: int | None = None
) -> str:
    """One row; a cell that has no room goes to the next line."""
    lines = [""]
    width = 0
    for position, cell in enumerate(row):
        padded = cell.rjust(widths[position]) if numbers[position] else cell.ljust(widths[position])
        if limit is not None and width and width + 2 + len(cell) > limit:
            wrapped = textwrap.wrap(cell, limit - 4, break_long_words=False, break_on_hyphens=False)
            lines.extend(f"    {part}" for part in wrapped)
            width = limit  # what follows has no room beside it either
            continue
        lines[-1] += "  " * bool(width)
        lines[-1] += click.style(padded, fg=COLOURS.get(cell)) if position == coloured else padded
        width += 2 * bool(width) + len(padded)
    return "\n".join(line.rstrip() for line in lines)
