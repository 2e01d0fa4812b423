"""`regionfast audit verify`: whether the records are as they were written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regionfast.cli import options, terminal
from regionfast.cli.audit import places
from regionfast.cli.exits import REFUSED, USAGE, Failure, refusals

if TYPE_CHECKING:
    from regionfast.meetings.audit.verify import Verification


@click.command(short_help="Say whether the records are as they were written.")
@click.argument("directory", metavar="[DIR]", required=False, type=options.FILE)
@places.deployment
@click.option(
    "--checkpoint",
    metavar="FILE",
    type=options.FILE,
    help="A checkpoint that was kept elsewhere.  [default: those in DIR]",
)
@options.as_json
@options.quiet
def command(
    directory: Path | None, deployment: Path | None, checkpoint: Path | None, *, as_json: bool, quiet: bool
) -> None:
    """Read all chains in DIR and say what is wrong with them; exit code 5 where anything is.

    Records that were edited, deleted, moved or put in between are found by the chain alone. That a
    chain was cut, or written anew as a whole, is found against a checkpoint only: keep each one where
    whoever can write DIR cannot.

    With --deployment: its directory, and its key of checkpoints. Without that key the signature of a
    checkpoint is not verified, and this is said.

    \b
    Examples:
      regionfast audit verify audit/
      regionfast audit verify audit/ --deployment deployment.toml \\
          --checkpoint kept/2026-11-24.json
    """
    with refusals():
        from regionfast.meetings.audit.verify import verify

        if checkpoint is not None and not checkpoint.exists():
            raise Failure(f"{checkpoint}: there is no such file", USAGE)
        place = places.found({"directory": directory, "deployment": deployment})
        found = verify(place.directory, checkpoint=checkpoint, checkpoint_key=place.checkpoint_key)

    if found.is_sound and not found.chains:
        raise Failure(f"{place.directory}: there are no chains in it", USAGE)
    for problem in found.problems:
        click.echo(f"Error: {terminal.printable(str(problem))}", err=True)
    if found.unlisted:
        click.echo(f"Error: and {found.unlisted:,} more", err=True)
    terminal.notes(found.warnings, quiet=quiet)
    if as_json:
        click.echo(json.dumps(as_object(place.directory, found)))
    else:
        click.echo(terminal.listing(in_words(place.directory, found)))
    if not found.is_sound:
        raise click.exceptions.Exit(REFUSED)


def in_words(directory: Path, found: Verification) -> Iterator[tuple[str, str]]:
    """What was read, and how far that goes."""
    count = len(found.problems) + found.unlisted
    yield "audit", str(directory)
    yield "sound", "yes" if found.is_sound else f"no: {count:,} problem{'s' * (count != 1)}"
    used = found.checkpoint
    if used is None:
        yield "checkpoint", "none: that the end of a chain was cut off, or all of it written anew, is not found"
    else:
        verified = "its signature is verified" if used.is_signature_verified else "its signature is not verified"
        yield "checkpoint", f"{used.path}, of {places.second(used.at)}, {verified}"
    for chain in found.chains:
        times = ""
        if chain.first is not None and chain.last is not None:
            times = f", from {places.second(chain.first)} to {places.second(chain.last)}"
        yield "chain", f"{chain.writer}: {chain.records:,} record{'s' * (chain.records != 1)}{times}"
        yield "head", chain.head or ""


def as_object(directory: Path, found: Verification) -> dict[str, object]:
    """The same for programs."""
    used = found.checkpoint
    return {
        "directory": str(directory),
        "sound": found.is_sound,
        "problems": [
            {"writer": problem.writer, "line": problem.line, "what": problem.what} for problem in found.problems
        ],
        "unlisted": found.unlisted,
        "checkpoint": None
        if used is None
        else {
            "path": str(used.path),
            "at": options.written(used.at),
            "is_signature_verified": used.is_signature_verified,
            "is_beside": used.is_beside,
        },
        "chains": [
            {
                "writer": chain.writer,
                "records": chain.records,
                "first": None if chain.first is None else options.written(chain.first),
                "last": None if chain.last is None else options.written(chain.last),
                "head": chain.head,
                "torn_bytes": chain.torn_bytes,
                "kinds": dict(chain.kinds),
            }
            for chain in found.chains
        ],
        "warnings": list(found.warnings),
    }
