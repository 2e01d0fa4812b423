"""What came of each row, as rows; and the exit code that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from regionfast.cli import rows, terminal
from regionfast.cli.exits import INCOMPLETE
from regionfast.meetings.columns import TextColumn, encode

if TYPE_CHECKING:
    from regionfast import Roster
    from regionfast.meetings.act.apply import Applied

LEFT: Final = {
    "retry": "{} not answered for yet: give the same command again",
    "failed": "{} refused by the system for good: look there, and why",
}
"""What is said of rows where nothing was done and somebody has to do something."""


def head(applied: Applied, revealed: str | None) -> dict[str, object]:
    """What programs want to know beside the rows."""
    found: dict[str, object] = {
        "hash": applied.plan,
        "counts": {str(outcome): count for outcome, count in applied.counts.items()},
        "handovers": applied.handovers,
        "is_finished": applied.is_finished,
        "was_resumed": applied.was_resumed,
    }
    return found if revealed is None else found | {"revealed": revealed}


def column(applied: Applied) -> TextColumn:
    """The outcomes in words."""
    return encode([str(outcome) for outcome in applied.outcomes], "outcome")


def say(applied: Applied, revealed: str | None, *, quiet: bool) -> None:
    """Note in numbers what was done."""
    told = ["it was begun before, and goes on"] if applied.was_resumed else []
    if applied.outcomes:
        told.append(", ".join(f"{outcome} {count:,}" for outcome, count in applied.counts.items()))
    if applied.handovers:
        told.append(f"hosts handed over before they left: {applied.handovers:,}")
    if revealed is not None:
        told.append(f"participants and addresses are revealed: {revealed}")
    terminal.notes(told, quiet=quiet)


def end(applied: Applied) -> None:
    """Exit with a code where rows are left."""
    counts = {str(outcome): count for outcome, count in applied.counts.items()}
    left = [sentence.format(f"{counts[outcome]:,}") for outcome, sentence in LEFT.items() if outcome in counts]
    for sentence in left:
        click.echo(f"Error: {sentence}", err=True)
    if left:
        raise click.exceptions.Exit(INCOMPLETE)


def people(roster: Roster, places: Sequence[int | None]) -> dict[str, rows.Column]:
    """Who the rows are."""
    assert roster.connections is not None  # without them nothing is acted on
    return {
        "connection": encode([None if place is None else roster.connections[place] for place in places], "connection"),
        "participant": encode(
            [None if place is None else roster.participants[place] for place in places], "participant"
        ),
        "addresses": [[] if place is None else list(roster.addresses(place)) for place in places],
    }
