"""`regionfast census`: how many connections are where, and of nobody who."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from regionfast.cli import claims, options, rosters, rows, terminal
from regionfast.cli.exits import refusals
from regionfast.meetings.columns import encode

if TYPE_CHECKING:
    from regionfast.meetings.census import Census


class Given(rosters.Source, options.Given):
    """The roster and the table."""


@click.command(short_help="Count connections by region, in all and by meeting.")
@rosters.source("When the roster was taken; of an export, only who was there then.")
@click.option("--exact", is_flag=True, help="Show counts below 5 too: they may tell who it is.")
@options.table_options
@rows.output
@rows.as_csv
@options.as_json
@options.quiet
def command(
    output: Path | None, *, exact: bool, as_csv: bool, as_json: bool, quiet: bool, **given: Unpack[Given]
) -> None:
    """Count the connections of ROSTER by region, in all and by meeting.

    ROSTER is as in `decide joins`.

    Counts below 5 are folded into `other`, and a meeting of fewer than 5 shows no counts: few
    connections are people. `conflict` are connections whose addresses are in several regions.

    Totals are the sums of what is shown. Meetings of fewer than 5 count together there, as if they
    were one meeting; where they are fewer than 5 even so, they are left out.

    With --json: an object with rows, totals, connections, unlocated, is_exact, warnings and table.
    CSV and Parquet: rows of meeting, where, connections; the totals have no meeting.

    \b
    Examples:
      regionfast census roster.csv
      regionfast census --json --at 2026-11-24T09:30:00Z roster.parquet
      regionfast census zoom.csv --format participants --zone Europe/Berlin \\
          --at 2026-11-24T09:30:00Z
    """
    form = rows.Form.of(output, given, as_json=as_json, as_csv=as_csv)
    with refusals():
        from regionfast.meetings.census import census

        table = options.opened(given, quiet=quiet)
        counted = census(table, rosters.read(given, quiet=quiet), exact=exact)
    terminal.notes(counted.warnings, quiet=quiet)
    whole = counted.to_dict() | {"table": claims.as_object(table.info)}
    if form.kind == "json":
        rows.send(form, [json.dumps(whole) + "\n"])
    elif form.kind == "table":
        click.echo(terminal.encodable("\n".join(lines(counted))))
    else:
        rows.write(form, by_name(counted), whole, as_lines=False, revealed=None)


def by_name(counted: Census) -> dict[str, rows.Column]:
    """Totals and cells as rows."""
    cells: list[tuple[str | None, str | None, int | None]] = [
        (None, where, count) for where, count in counted.totals.items()
    ]
    cells += [(row.meeting, row.where, row.connections) for row in counted.rows]
    return {
        "meeting": encode([meeting for meeting, _, _ in cells], "meeting"),
        "where": encode([where for _, where, _ in cells], "where"),
        "connections": rows.Numbers(count for _, _, count in cells),
    }


def lines(counted: Census) -> list[str]:
    """A table for people: totals first, then each meeting."""
    found = ["where      connections  share"]
    found += [
        f"{where:<9}  {count:>11,}  {count / counted.connections:>5.1%}" for where, count in counted.totals.items()
    ]
    found.append(f"{'all':<9}  {counted.connections:>11,}")
    is_hidden = "other" in counted.totals and not counted.is_exact
    if is_hidden and not counted.unlocated:  # a share of nothing would be read as good news
        found.append("How many the table does not place is in `other` and not said.")
    elif counted.unlocated is not None:
        rest = ", and an unknown part of `other`" if is_hidden else ""
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
