"""`regionfast plan show`: what a saved plan would do, in numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from regionfast.cli import claims, options, terminal
from regionfast.cli.exits import REFUSED, Failure, refusals
from regionfast.cli.plan import inputs
from regionfast.cli.preview import listed

if TYPE_CHECKING:
    from regionfast import TableInfo
    from regionfast.meetings.saved import SavedPlan


@click.command(short_help="Show what a saved plan would do.")
@click.argument("file", type=options.FILE)
@inputs.table_of_plan
@options.as_json
@options.quiet
def command(file: Path, *, as_json: bool, quiet: bool, **given: Unpack[options.Given]) -> None:
    """Show the saved plan in FILE in numbers: by which order, how many, where, by which table.

    The plan names its table by the digest. With --database: see that it is this one, and how old.

    \b
    Examples:
      regionfast plan show cn-1.plan --database country.mmdb
    """
    with refusals():
        from regionfast.meetings.saved import SavedPlan

        saved = SavedPlan.load(file)
    table = table_of(saved, given, quiet=quiet)
    if as_json:
        click.echo(json.dumps(as_object(saved, table)))
    else:
        click.echo(terminal.listing(in_words(saved, table)))


def table_of(saved: SavedPlan, given: options.Given, *, quiet: bool) -> TableInfo | None:
    """What the table says of itself that was given, which has to be that of the plan; `None` where none was."""
    if given["database"] is None:
        terminal.notes(["give --database to see by which table, and how old it is"], quiet=quiet)
        return None
    info = options.opened(given, quiet=quiet).info
    if info.digest != saved.covered["table"]:
        raise Failure(f"{given['database']}: it is not the table of the plan", REFUSED)
    return info


def effects(saved: SavedPlan) -> dict[str, int]:
    """How many rows have which effect."""
    return dict(Counter(str(row.effect) for row in saved.rows))


def in_words(saved: SavedPlan, table: TableInfo | None) -> Iterable[tuple[str, str]]:
    """What an approver has to know, the most important first."""
    entry, covered = saved.entry, saved.covered
    yield str(entry["type"]), f"{saved.by} of {entry['issuer']}"
    for name in ("law", "reference", "contest", "until"):
        yield name, entry[name] or ""
    yield "hash", saved.hash
    yield "seal", saved.seal
    yield "at", options.written(saved.at)
    for name in ("policy", "table"):
        yield name, str(covered[name])
    if table is not None:
        yield "", claims.source(table)
        yield "built", claims.built(table, saved.at)
    yield "witness", str(covered["witness"] or "")
    found = ", ".join(f"{effect} {count:,}" for effect, count in effects(saved).items())
    yield "rows", f"{len(saved):,}: {found or 'nobody, nothing would be done'}"
    regions = Counter(row.region or "no region" for row in saved.rows)
    yield from listed("by region", dict(regions.most_common()), shown=len(regions))
    meetings = len({row.scope for row in saved.rows})
    yield "meetings", f"{meetings:,}" if meetings else ""


def as_object(saved: SavedPlan, table: TableInfo | None) -> dict[str, object]:
    """The same for programs."""
    return {
        "by": saved.by,
        "entry": dict(saved.entry),
        "hash": saved.hash,
        "seal": saved.seal,
        "covered": dict(saved.covered),
        "table": None if table is None else claims.as_object(table, saved.at),
        "effects": effects(saved),
        "regions": dict(Counter(row.region for row in saved.rows).most_common()),
        "meetings": len({row.scope for row in saved.rows}),
    }
