"""Options that several subcommands take, and the table that they open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, Unpack

import click

import regionfast
from regionfast.cli.exits import DATABASE, Failure
from regionfast.cli.terminal import notes
from regionfast.tables import OpenOptions

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)
"""A file that the engine opens: whether it exists and is sound is said by one voice."""

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
threads = click.option(
    "--threads", metavar="N", type=click.IntRange(min=1), help="At most so many.  [default: what may be used]"
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet = click.option("--quiet", is_flag=True, help="No notes and no progress on stderr; errors stay.")


def table_options(command: Command) -> Command:
    """`--database`, `--level`, `--overrides`: which table answers."""
    return database(level(overrides(command)))


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
