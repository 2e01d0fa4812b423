"""`regionfast census`: how many connections are where, and of nobody who."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import click

from regionfast.cli import claims, options, terminal
from regionfast.cli.exits import USAGE, Failure
from regionfast.errors import RosterError

if TYPE_CHECKING:
    from regionfast.meetings.census import Census
    from regionfast.meetings.roster import Roster


@click.command()
@click.argument("roster", metavar="ROSTER", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--export", is_flag=True, help="ROSTER is an export of Zoom, Google Meet or Webex.")
@click.option("--at", metavar="TIME", help="When the roster was taken; of an export, only who was there then.")
@click.option("--zone", metavar="NAME", help="Zone of an export's times that do not say theirs: Europe/Berlin.")
@click.option("--exact", is_flag=True, help="Show counts below 5 too: they may tell who it is.")
@options.table_options
@options.as_json
@options.quiet
def command(
    roster: Path,
    database: Path | None,
    level: Literal["country", "subdivision"] | None,
    overrides: Path | None,
    at: str | None,
    zone: str | None,
    *,
    export: bool,
    exact: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Count the connections of ROSTER by region, in all and by meeting.

    ROSTER is a CSV with the headings participant, address, meeting and, where there is such a column,
    connection: its rows with one id are addresses of one connection. `-` reads stdin.

    Counts below 5 are folded into `other`, and a meeting of fewer than 5 shows no counts: few
    connections are people. `conflict` are connections whose addresses are in several regions.

    With --json: an object with rows, totals, connections, unlocated, is_exact, warnings and table.

    \b
    Examples:
      regionfast census roster.csv
      regionfast census --json --at 2026-11-24T09:30:00Z roster.csv.gz
      regionfast census --export --at 2026-11-24T09:30:00Z --zone Europe/Berlin zoom.csv
    """
    from regionfast.meetings.census import census

    present = read(roster, at, zone, export=export)
    table = options.open_table(database, quiet=quiet, level=level, overrides=overrides)
    counted = census(table, present, exact=exact)
    terminal.notes((*present.warnings, *counted.warnings), quiet=quiet)
    if as_json:
        click.echo(json.dumps(counted.to_dict() | {"table": claims.as_object(table.info)}, ensure_ascii=False))
    else:
        click.echo("\n".join(lines(counted)))


def read(path: Path, at: str | None, zone: str | None, *, export: bool) -> Roster:
    """The roster in a file or on stdin."""
    from regionfast.meetings.roster import Roster

    if zone is not None and not export:
        raise click.UsageError("`--zone` is for `--export`")
    if str(path) == "-" and sys.stdin is None:
        raise Failure("stdin is closed", USAGE)
    file = sys.stdin.buffer if str(path) == "-" else path
    try:
        if export:
            return Roster.from_export(file, at=moment(at), zone=None if zone is None else time_zone(zone))
        return Roster.from_csv(file, at=moment(at))
    except RosterError as error:
        raise Failure(str(error), USAGE) from None


def moment(text: str | None) -> datetime | None:
    """A time with its offset."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.utcoffset() is None:
        raise click.UsageError("`--at` is a time with its offset, such as 2026-11-24T09:30:00Z")
    return at


def time_zone(name: str) -> ZoneInfo:
    """A zone of the IANA database."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise click.UsageError("`--zone` is a zone such as `Europe/Berlin` or `UTC`") from None


def lines(counted: Census) -> list[str]:
    """A table for people: totals first, then each meeting."""
    found = ["where      connections  share"]
    found += [
        f"{where:<9}  {count:>11,}  {count / counted.connections:>5.1%}" for where, count in counted.totals.items()
    ]
    found.append(f"{'all':<9}  {counted.connections:>11,}")
    if counted.unlocated is not None:
        rest = ", and an unknown part of `other`" if "other" in counted.totals and not counted.is_exact else ""
        found.append(f"The table does not place {counted.unlocated:.1%} of them{rest}.")
    if not counted.rows:
        return found
    width = max(len("meeting"), *(len(terminal.printable(row.meeting)) for row in counted.rows))
    found += ["", f"{'meeting':<{width}}  where      connections"]
    for row in counted.rows:
        meeting = terminal.printable(row.meeting)
        if row.connections is None:
            found.append(f"{meeting:<{width}}  fewer than 5")
        else:
            found.append(f"{meeting:<{width}}  {row.where:<9}  {row.connections:>11,}")
    return found
