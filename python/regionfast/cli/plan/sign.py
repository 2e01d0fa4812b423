"""`regionfast plan sign`: an approval of a saved plan."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Unpack

import click

from regionfast.cli import keys, options, rows, terminal
from regionfast.cli.exits import refusals
from regionfast.cli.plan import inputs, show

ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


def enrolled(text: str) -> str:
    """The id of an approver, in the letters that a deployment file may have there."""
    if not ID.fullmatch(text):
        raise click.BadParameter("an id has at most 128 letters, digits, `.`, `_`, `:` and `-`")
    return text


@click.command(short_help="Approve a saved plan.")
@click.argument("file", type=options.FILE)
@keys.option
@click.option(
    "--as",
    "approver",
    metavar="ID",
    type=enrolled,
    required=True,
    help="Who approves, as the deployment has it enrolled.",
)
@click.option(
    "--expires",
    metavar="WHEN",
    type=options.moment_or_span,
    default="24h",
    help="Until when it may be used: `12h`, `3d`, or a time; at most 7 days.  [default: 24 hours]",
)
@inputs.table_of_plan
@click.option("-o", "--output", metavar="OUT", type=options.FILE, help="Write OUT.  [default: stdout]")
@options.quiet
def command(
    file: Path,
    key: Path,
    approver: str,
    expires: datetime | timedelta,
    output: Path | None,
    *,
    quiet: bool,
    **given: Unpack[options.Given],
) -> None:
    """Show what the saved plan in FILE would do, then sign it. Prints the approval, JSON.

    It stands for exactly this plan, until it expires, and once. Whoever wrote the order may not
    approve it, and two keys of one person are one approval. The plan names its table by the digest:
    with --database it is seen that it is this one, and how old.

    \b
    Examples:
      regionfast plan sign cn-1.plan --database country.mmdb \\
          --key ops-2.pem --as ops-2 -o b.json
      regionfast plan sign cn-1.plan --key ops-2.pem --as ops-2 --expires 4h
    """
    form = rows.Form(kind="json", path=output)
    if output is not None and output.exists():
        raise click.UsageError("`--output` is there already")
    with refusals():
        from regionfast.meetings.act.approval import MOST_AHEAD, Approval
        from regionfast.meetings.saved import SavedPlan

        saved = SavedPlan.load(file)
        now = datetime.now(UTC).replace(microsecond=0)
        until = expires if isinstance(expires, datetime) else now + expires
        if not now < until <= now + MOST_AHEAD:
            raise click.UsageError(f"`--expires` is at most {MOST_AHEAD.days} days ahead, and not in the past")
        table = show.table_of(saved, given, quiet=quiet)
        if not quiet:
            click.echo(terminal.listing(show.in_words(saved, table)), err=True)
        approval = Approval.sign(saved, keys.load(key), approver=approver, expires=until)
    rows.send(form, [json.dumps(approval.to_dict(), indent=2) + "\n"])
    terminal.notes([f"signed as {approver}; it expires at {options.written(until)}"], quiet=quiet)
