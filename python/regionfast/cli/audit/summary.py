"""`regionfast audit summary`: what was done by each order and rule, in numbers, for a report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click

from regionfast.cli import options, rows, terminal
from regionfast.cli.audit import places
from regionfast.cli.exits import refusals
from regionfast.meetings.audit.summary import SummaryRow
from regionfast.meetings.columns import encode

if TYPE_CHECKING:
    from regionfast.meetings.audit.summary import Summary


DONE: Final = {"plans": "plans", "undoings": "undoings", "refused": "refused attempts"}
PEOPLE: Final = {
    "ejected": "ejected",
    "held": "held",
    "already_gone": "already gone",
    "stale": "stale",
    "would_end_meeting": "would end meeting",
    "retry": "retry",
    "failed": "failed",
    "unsettled": "unsettled",
    "denied_at_door": "denied at the door",
    "held_at_door": "held at the door",
    "handovers": "hosts handed over",
}
AFTER: Final = {"admitted": "admitted again", "cleared": "cleared", "outstanding": "outstanding"}
"""What is counted, in the words of the listing."""


@click.command(short_help="Count what was done, by order and rule.")
@places.place
@click.option("--since", metavar="TIME", type=options.moment, help="Only what was recorded from then on, with offset.")
@click.option("--until", metavar="TIME", type=options.moment, help="Only what was recorded before then.")
@click.option("--exact", is_flag=True, help="Show counts of people below 5 too: they may tell who it is.")
@rows.output
@rows.as_csv
@options.as_json
@options.quiet
def command(
    since: datetime | None,
    until: datetime | None,
    output: Path | None,
    *,
    exact: bool,
    as_csv: bool,
    as_json: bool,
    quiet: bool,
    **given: Unpack[places.Given],
) -> None:
    """Count by order and rule what the records say was done: for a transparency report.

    Names nobody, and needs no keys. Counts of people below 5 are folded together with others, and not
    shown: few connections are people.

    With --json: an object with since, until, is_folded and rows, all counts in each. CSV and Parquet:
    the rows; an empty cell was folded.

    \b
    Examples:
      regionfast audit summary --deployment deployment.toml
      regionfast audit summary --directory audit/ --json \\
          --since 2026-01-01T00:00:00Z --until 2027-01-01T00:00:00Z
    """
    form = rows.Form.of(output, dict(given), as_json=as_json, as_csv=as_csv)
    with refusals():
        from regionfast.meetings.audit.summary import summary

        place = places.found(given)
        found = summary(place.directory, since=since, until=until)
    if not exact:
        folded = found.folded()
        if folded.rows != found.rows:
            terminal.notes(["counts of people below 5 are folded: --exact shows them"], quiet=quiet)
        found = folded
    whole = found.to_dict()
    if form.kind == "json":
        rows.send(form, [json.dumps(whole) + "\n"])
    elif form.kind == "table":
        click.echo(terminal.listing(in_words(found)))
    else:
        rows.write(form, by_name(found), whole, as_lines=False, revealed=None)


def by_name(found: Summary) -> dict[str, rows.Column]:
    """All that is counted, a row for each order or rule."""
    columns: dict[str, rows.Column] = {}
    for field in fields(SummaryRow):
        cells = [getattr(row, field.name) for row in found.rows]
        if field.name == "by":
            columns[field.name] = encode(cells, field.name)
        elif field.name == "approvers":
            columns[field.name] = [list(cell) for cell in cells]
        elif field.name in {"first", "last"}:
            columns[field.name] = encode([options.written(cell) for cell in cells], field.name)
        else:
            columns[field.name] = rows.Numbers(cells)
    return columns


def in_words(found: Summary) -> Iterator[tuple[str, str]]:
    """The same for people, without what is zero."""
    if not found.rows:
        yield "nothing", "was recorded in this time"
    for row in found.rows:
        yield row.by, counted(row, DONE)
        yield "", f"approved by {', '.join(row.approvers)}" if row.approvers else ""
        yield "", counted(row, PEOPLE)
        yield "", counted(row, AFTER)
        yield "", "" if row.folded is None else f"{row.folded:,} in all that are not shown"
        yield "", f"from {places.second(row.first)} to {places.second(row.last)}"


def counted(row: SummaryRow, names: Mapping[str, str]) -> str:
    """Some counts of an order or rule in one line."""
    found = {what: getattr(row, name) for name, what in names.items()}
    shown = [f"{what} {count:,}" for what, count in found.items() if count]
    hidden = [what for what, count in found.items() if count is None]
    return ", ".join([*shown, *([f"not shown: {', '.join(hidden)}"] if hidden else [])])
