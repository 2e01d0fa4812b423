"""`regionfast audit checkpoint`: sign how far the chains have come."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Unpack

import click

from regionfast.cli import keys, options, rows, terminal
from regionfast.cli.audit import places
from regionfast.cli.exits import INCOMPLETE, REFUSED, Failure, refusals


@click.command(short_help="Sign how far the chains have come.")
@places.place
@keys.option
@click.option("-o", "--output", metavar="OUT", type=options.FILE, help="Write OUT.  [default: stdout]")
@options.quiet
def command(key: Path, output: Path | None, *, quiet: bool, **given: Unpack[places.Given]) -> None:
    """Verify the chains, sign their heads, and print the checkpoint, JSON.

    It is added to `checkpoints.jsonl` beside the chains as well, but whoever can cut a chain can cut
    that: keep the printed one elsewhere, and give it to `audit verify --checkpoint`.

    Refused, exit code 5, where a chain is broken, and with another key than the deployment names.

    \b
    Examples:
      regionfast audit checkpoint --deployment deployment.toml \\
          --key auditor.pem -o kept/2026-11-24.json
    """
    if output is not None and output.exists():
        raise click.UsageError("`--output` is there already")
    with refusals():
        from regionfast.meetings.audit.checkpoint import sign_checkpoint
        from regionfast.meetings.audit.signing import public_bytes

        place = places.found(given)
        loaded = keys.load(key)
        if place.checkpoint_key is not None and public_bytes(loaded) != place.checkpoint_key:
            raise Failure(f"{key}: it is not the key that the deployment's `checkpoint-key` names", REFUSED)
        try:
            signed = sign_checkpoint(place.directory, loaded, at=datetime.now(UTC).replace(microsecond=0))
        except OSError as error:
            raise Failure(f"cannot write the checkpoint: {error.strerror or 'it fails'}", INCOMPLETE) from None
    rows.send(rows.Form(kind="json", path=output), [signed.to_json() + "\n"])
    terminal.notes([f"signed how far chains had come: {len(signed.heads):,}; keep it elsewhere"], quiet=quiet)
