"""Options that several subcommands take, and what they open."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypedDict, TypeVar, Unpack
from zoneinfo import ZoneInfo

import click

import regionfast
from regionfast.cli.exits import DATABASE, USAGE, Failure
from regionfast.cli.terminal import notes
from regionfast.tables import OpenOptions

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)
"""A file that the engine opens: whether it exists and is sound is said by one voice."""
INPUT = click.Path(path_type=Path, allow_dash=True)
"""A file that is read, or `-` for stdin."""


def moment(text: str) -> datetime:
    """A time with its offset, ISO 8601 as Python reads it."""
    try:
        at = datetime.fromisoformat(text)
        if at.utcoffset() is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter("write a time such as 2020-06-04T00:00:00Z") from None
    raise click.BadParameter("the time has no offset from UTC: write `Z` or one such as `+08:00` after it")


def span(text: str) -> timedelta:
    """How long: `30s`, `5m`, `12h`, `3d`."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})([smhd])", text, re.ASCII)
    if found is None:
        raise click.BadParameter("write how long: `30s`, `5m`, `12h` or `3d`")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment_or_span(text: str) -> datetime | timedelta:
    """A time, or how long from now."""
    for form in (span, moment):
        try:
            return form(text)
        except click.BadParameter:
            continue
    raise click.BadParameter("write how long, `30m`, `12h` or `3d`, or a time such as 2026-06-04T00:00:00Z")


def written(at: datetime) -> str:
    """A time in UTC as `moment` reads it."""
    return at.isoformat().replace("+00:00", "Z")


def time_zone(text: str) -> ZoneInfo:
    """A zone of the IANA database."""
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise click.BadParameter("write the name of a zone, such as `Europe/Berlin` or `UTC`") from None


database = click.option(
    "--database", metavar="FILE", type=FILE, help="Database or compiled table.  [default: the bundled table]"
)
level = click.option("--level", type=click.Choice(["country", "subdivision"]), help="How finely to tell places apart.")
overrides = click.option(
    "--overrides",
    metavar="FILE",
    type=FILE,
    help="Own networks: CSV `network,region` or an RFC 8805 geofeed.",
)
deployment = click.option(
    "--deployment",
    metavar="FILE",
    type=FILE,
    help="The operator's file: issuers and jurisdictions.  [default: none, orders are advisory]",
)
operator = click.option(
    "--deployment",
    metavar="FILE",
    type=FILE,
    required=True,
    help="The operator's file: approvers, limits, audit.",
)
threads = click.option(
    "--threads", metavar="N", type=click.IntRange(min=1), help="At most so many.  [default: what may be used]"
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet = click.option("--quiet", is_flag=True, help="No notes and no progress on stderr; errors stay.")


def at(meaning: str) -> Callable[[Command], Command]:
    """`--at`, of which each subcommand says what it is the time of."""
    return click.option("--at", metavar="TIME", type=moment, help=meaning)


class Given(TypedDict):
    """What `table_options` gives to a command."""

    database: Path | None
    level: Literal["country", "subdivision"] | None
    overrides: Path | None


def table_options(command: Command) -> Command:
    """`--database`, `--level`, `--overrides`: which table answers."""
    return database(level(overrides(command)))


def opened(given: Given, *, quiet: bool) -> regionfast.Table:
    """Open the table that `table_options` asks for."""
    if given["database"] is None and given["level"] == "subdivision":
        raise click.UsageError("the bundled table tells countries only: give --database")
    return open_table(given["database"], quiet=quiet, level=given["level"], overrides=given["overrides"])


def open_table(path: Path | None, *, quiet: bool, **options: Unpack[OpenOptions]) -> regionfast.Table:
    """Open a table and say its warnings."""
    try:
        table = regionfast.open(path, **options)
    except regionfast.DatabaseError as error:
        raise Failure(str(error), DATABASE) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    notes(table.info.warnings, quiet=quiet)
    return table


def stdin() -> BinaryIO:
    """What `-` stands for."""
    if sys.stdin is None:  # what Python leaves where the caller closed it
        raise Failure("stdin is closed", USAGE)
    return sys.stdin.buffer
