"""What the commands about rosters share: their options, what they open, and how connections are named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, TypedDict
from zoneinfo import ZoneInfo

import click
import numpy as np
import numpy.typing as npt

from regionfast.cli import claims, options, terminal
from regionfast.cli.exits import USAGE, Failure, without_addresses
from regionfast.cli.rows import Column
from regionfast.errors import RosterError

if TYPE_CHECKING:
    from regionfast import Decisions, Plan, Policy, Roster, Table

Integers: TypeAlias = npt.NDArray[np.int64]


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

OPTIONS: Final = {
    "Our own CSV is read by `from_csv`": "For our own CSV leave out `--format participants`",
    "with `zone`": "with `--zone`",
    "leave out `at`": "leave out `--at`",
}
"""What errors of `exports` call an argument or a function, and the option that it is here."""

by = click.option("--by", metavar="ID", required=True, help="The order or rule that the plan is by.")
reveal = click.option("--reveal", metavar="REASON", type=why, help="Show participants and addresses; REASON is noted.")


def source(at: str) -> Callable[[options.Command], options.Command]:
    """ROSTER, of what time it is, and how it is read.

    Args:
        at: What `--at` is the time of.
    """

    def decorate(command: options.Command) -> options.Command:
        for option in reversed(
            (
                click.argument("roster", metavar="ROSTER", type=options.INPUT),
                options.at(at),
                click.option(
                    "--format",
                    "form",
                    type=click.Choice(["csv", "parquet", "arrow", "participants"]),
                    help="Of ROSTER; `participants` is an export of Zoom, Google Meet or Webex."
                    "  [default: by its suffix]",
                ),
                click.option(
                    "--zone",
                    metavar="NAME",
                    type=options.time_zone,
                    help="Of an export's times that do not say theirs: `Europe/Berlin`.",
                ),
            )
        ):
            command = option(command)
        return command

    return decorate


class Source(TypedDict):
    """What `source` gives to a command."""

    roster: Path
    at: datetime | None
    form: Literal["csv", "parquet", "arrow", "participants"] | None
    zone: ZoneInfo | None


def inputs(command: options.Command) -> options.Command:
    """The policy, the roster, the tables, and all that says how they are read."""
    for option in reversed(
        (
            click.option("--policy", metavar="FILE", type=options.FILE, required=True, help="Orders and rules, TOML."),
            options.deployment,
            source("Decide for then, with offset.  [default: now]"),
            click.option(
                "--witness", metavar="FILE", type=options.FILE, help="A second database that must confirm the first."
            ),
            options.table_options,
        )
    ):
        command = option(command)
    return command


class Given(Source, options.Given):
    """What `inputs` gives to a command."""

    policy: Path
    deployment: Path | None
    witness: Path | None


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
    table = options.opened(given, quiet=quiet)
    witness = None
    if given["witness"] is not None:
        witness = options.open_table(given["witness"], quiet=quiet, level=given["level"])
    return Opened(table, policy, read(given, quiet=quiet), given["at"] or datetime.now(UTC), witness)


def read(given: Source, *, quiet: bool) -> Roster:
    """The roster in a file, or on stdin. Of an export only who was there at `--at`, where that is given."""
    from regionfast import Roster

    path, at, zone = given["roster"], given["at"], given["zone"]
    form = given["form"] or ARROW.get(path.suffix.lower(), "csv")
    if zone is not None and form != "participants":
        raise click.UsageError("`--zone` is of `--format participants`")
    if form in {"parquet", "arrow"}:
        roster = read_arrow(path, form, at)
    else:
        file = options.stdin() if str(path) == "-" else path
        try:
            roster = (
                Roster.from_export(file, at=at, zone=zone) if form == "participants" else Roster.from_csv(file, at=at)
            )
        except RosterError as error:
            raise RosterError(in_words_of_commands(str(error))) from None
    terminal.notes(map(without_addresses, roster.warnings), quiet=quiet)
    return roster


def in_words_of_commands(message: str) -> str:
    """An error of reading a file with the options of commands in the place of Python's arguments."""
    for python, option in OPTIONS.items():
        message = message.replace(python, option)
    return message


def read_arrow(path: Path, form: str, at: datetime | None) -> Roster:
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
        return Roster.from_arrow(table, at=at)
    except (RosterError, TypeError) as error:  # the engine's refusal of a column that holds no addresses
        raise RosterError(f"{path}: {error}") from None


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
        found["addresses"] = [list(roster.addresses(connection)) for connection in which.tolist()]
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


def head(result: Decisions | Plan, revealed: str | None = None) -> dict[str, object]:
    """What a result follows from, for programs."""
    found: dict[str, object] = {
        "at": options.written(result.at),
        "policy": result.policy.revision,
        "advisory": result.is_advisory,
        "table": claims.as_object(result.table.info, result.at),
        "witness": None if result.witness is None else claims.as_object(result.witness.info, result.at),
        "warnings": list(result.warnings),
    }
    return found if revealed is None else found | {"revealed": revealed}


def say(result: Decisions | Plan, revealed: str | None, *, quiet: bool) -> None:
    """Note what a result follows from where its rows do not say, its warnings, and why people are named."""
    info = result.table.info
    by = f"by table {info.kind}, digest {info.digest[:12]}, and policy revision {result.policy.revision[:12]}"
    told = [f"for {options.written(result.at)}, {by}", *result.warnings]
    if revealed is not None:
        told.append(f"participants and addresses are revealed: {revealed}")
    terminal.notes(told, quiet=quiet)
