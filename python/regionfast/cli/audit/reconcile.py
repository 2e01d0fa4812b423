"""`regionfast audit reconcile`: whether a server did anything that no plan explains."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from regionfast.cli import options, terminal
from regionfast.cli.audit import places
from regionfast.cli.exits import FALSE, INCOMPLETE, refusals

if TYPE_CHECKING:
    from regionfast.meetings.audit.reconcile import Reconciliation

SHOWN: Final = 10
"""Lines that are listed; `--json` has all."""


@click.command(short_help="Say which ejections no plan explains.")
@click.argument("log", type=options.FILE)
@places.operator
@click.option(
    "--tolerance",
    metavar="SPAN",
    type=options.span,
    default="5m",
    help="How far the clocks of server and records may differ: `30s`, `5m`.  [default: 5 minutes]",
)
@options.as_json
@options.quiet
def command(log: Path, deployment: Path, tolerance: timedelta, *, as_json: bool, quiet: bool) -> None:
    """Compare the LOG of a server with the records; exit code 1 where an ejection is unexplained.

    LOG is what the server wrote by itself: CSV with a heading, or JSON Lines, with `time`, `meeting`,
    `connection` and `event`, of which `ejected` and `held` count. Lines are named by their number,
    people never. Exit code 3 where lines cannot be read: each may hide an ejection. What the records
    have and LOG has not (`unseen`) may be in another log, and changes no exit code.

    Where the keys of an order are destroyed, its records explain nobody: an ejection that could be
    one of them is undecidable, which changes no exit code.

    \b
    Examples:
      regionfast audit reconcile server.jsonl --deployment deployment.toml
    """
    with refusals():
        from regionfast.meetings.audit.reconcile import reconcile

        audit = places.named(deployment)
        found = reconcile(audit.directory, audit.keys, log, tolerance=tolerance)
    terminal.notes(found.warnings, quiet=quiet)
    if as_json:
        click.echo(json.dumps(found.to_dict()))
    else:
        click.echo(terminal.listing(in_words(log, found)))
    if found.unexplained:
        raise click.exceptions.Exit(FALSE)
    if found.unreadable:
        raise click.exceptions.Exit(INCOMPLETE)


def in_words(log: Path, found: Reconciliation) -> Iterator[tuple[str, str]]:
    """How many events are of which kind, and which lines those are that need somebody."""
    yield "log", f"{log}, {found.lines:,} line{'s' * (found.lines != 1)}"
    yield "events", f"{found.events:,} say that somebody was ejected or held"
    yield "explained", f"{found.explained:,}, by the rows of plans"
    yield "unexplained", named(found.unexplained)
    yield "undecidable", named(found.undecidable) + (", the keys are destroyed" if found.undecidable else "")
    yield "unreadable", named(found.unreadable)
    yield "unseen", f"{found.unseen:,}, done by the records, and not in the log"


def named(lines: Sequence[int]) -> str:
    """How many, and the first of them."""
    if not lines:
        return "0"
    first = ", ".join(map(str, lines[:SHOWN]))
    more = f" and {len(lines) - SHOWN:,} more, see --json" if len(lines) > SHOWN else ""
    return f"{len(lines):,}: line{'s' * (len(lines) != 1)} {first}{more}"
