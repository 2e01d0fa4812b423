"""`regionfast audit erase`: destroy the keys of an order's records."""

from __future__ import annotations

import json
from pathlib import Path

import click

from regionfast.cli import options, terminal
from regionfast.cli.audit import places
from regionfast.cli.exits import USAGE, Failure, refusals


def why(text: str) -> str:
    """A reason, with something in it."""
    if not text.strip():
        raise click.BadParameter("say why the keys are to be destroyed")
    return text.strip()


@click.command(short_help="Destroy the keys of an order's records.")
@places.operator
@click.option("--by", metavar="ID", required=True, help="The order or rule whose keys are destroyed.")
@click.option("--meeting", metavar="ID", help="Only those of this meeting.  [default: of all]")
@click.option("--reason", metavar="TEXT", type=why, required=True, help="Is recorded; may name nobody.")
@click.option("--force", is_flag=True, help="Also where something that was done is not undone yet, and then cannot be.")
@options.as_json
@options.quiet
def command(
    deployment: Path, by: str, meeting: str | None, reason: str, *, force: bool, as_json: bool, quiet: bool
) -> None:
    """Destroy the keys that tell who was acted on by one order or rule. This cannot be taken back.

    The records stay, and verify as before; what they say of people can no longer be read, nor be
    linked to anybody. Receipts that people hold still open their own row. Copies of the keys in
    backups are not reached.

    Refused, exit code 5, while anybody whom the order kept out is not let in again: `plan undo` first.

    \b
    Examples:
      regionfast audit erase --deployment deployment.toml --by cn-1 \\
          --reason "retention period is over"
    """
    with refusals():
        from regionfast.meetings.audit.erase import erase

        audit = places.named(deployment)
        erased = erase(audit.directory, audit.keys, by=by, meeting=meeting, reason=reason, force=force)
        if not erased.scopes:
            raise Failure("the records have nothing by that order or rule in such a meeting: nothing is erased", USAGE)
    if as_json:
        found = {"scopes": list(erased.scopes), "outstanding": erased.outstanding, "unnamed": erased.unnamed}
        click.echo(json.dumps({"by": by} | found))
    else:
        lost = f"{erased.outstanding:,}, who cannot be let in again by these records" if erased.outstanding else "none"
        click.echo(terminal.listing([("by", by), ("keys", f"{len(erased.scopes):,} destroyed"), ("outstanding", lost)]))
    told = ["copies of the keys in backups are not reached"]
    if erased.unnamed:
        told.append(
            f"keys that no record names: {erased.unnamed:,}, of plans that were saved and not applied; name the "
            "meeting to destroy one"
        )
    terminal.notes(told, quiet=quiet)
