"""`regionfast audit open`: what the records hold of the one person who has a receipt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click

from regionfast.cli import options, terminal
from regionfast.cli.audit import places
from regionfast.cli.exits import refusals

if TYPE_CHECKING:
    from regionfast.meetings.audit.receipt import OpenedRow


@click.command(short_help="Show the one row that a receipt is for.")
@click.argument("receipt", type=options.FILE)
@places.place
@options.as_json
@options.quiet
def command(receipt: Path, *, as_json: bool, quiet: bool, **given: Unpack[places.Given]) -> None:
    """Say what the records hold of the person who has RECEIPT, and of nobody else.

    By which order, what was done, when, and where the table placed the address. It works after the
    keys were destroyed, too. Needs only the chains: somebody else than the operator can do it.

    \b
    Examples:
      regionfast audit open receipt.json --directory audit/
    """
    with refusals():
        from regionfast.meetings.audit.receipt import Receipt, open_receipt

        place = places.found(given)
        opened = open_receipt(place.directory, Receipt.load(receipt))
    terminal.notes(["a receipt opens its own row and no other"], quiet=quiet)
    if as_json:
        click.echo(json.dumps(opened.to_dict()))
    else:
        click.echo(terminal.listing(in_words(opened)))


OUTCOMES: Final = {
    "done": "done",
    "already-gone": "the connection was gone already",
    "stale": "not done: the connection was another by then",
    "would-end-meeting": "not done: it would have ended the meeting",
    "retry": "not known: no answer came",
    "failed": "not done: the system refused",
}
"""What came of a row, in words for the person whose row it is."""


def in_words(opened: OpenedRow) -> Iterator[tuple[str, str]]:
    """What the person wants to know, the most important first."""
    entry = {name: "" if value is None else str(value) for name, value in (opened.entry or {}).items()}
    whose = entry.get("issuer")
    kind = entry.get("type", "by")
    yield kind, f"{opened.by} of {whose}" if whose else opened.by
    for name in ("law", "reference", "contest", "until"):
        yield name, entry.get(name, "")
    yield "effect", opened.effect
    yield "since", places.second(opened.at)
    if opened.plan is not None:
        outcome = (
            "not known: no record says so" if opened.outcome is None else OUTCOMES.get(opened.outcome, opened.outcome)
        )
        yield "outcome", outcome
        yield "", "" if opened.settled_at is None else f"at {places.second(opened.settled_at)}"
    claim = "the claim of a table about an address, not of where anybody was"
    yield "region", f"{opened.region or 'none'}: {claim}"
    table = {name: str(value) for name, value in (opened.table or {}).items() if value is not None}
    yield "table", table.get("kind", "")
    yield "built", table.get("built_at", "")
    yield "digest", table.get("digest", "")
    yield "approved by", ", ".join(opened.approvers)
    if opened.plan is not None:
        yield "plan", opened.plan
        released = opened.released_at
        yield "let in again", "no" if released is None else places.second(released)
    yield "connection", opened.connection
