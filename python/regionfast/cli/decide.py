"""`regionfast decide`: what a policy means for the connections of a roster. Nothing acts."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from regionfast.cli import options, rosters, rows, terminal
from regionfast.cli.exits import refusals


@click.group(no_args_is_help=False)
def command() -> None:
    """Decide who may join, or who would have to leave. Nothing is done about it."""


@command.command(short_help="Say who may join.")
@rosters.inputs
@rosters.reveal
@rows.output
@rows.as_csv
@options.as_json
@options.quiet
def joins(
    reveal: str | None,
    output: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
    quiet: bool,
    **given: Unpack[rosters.Given],
) -> None:
    """Say for each connection of ROSTER whether it may join: admit, hold or deny, and why.

    ROSTER has the columns participant, address and meeting and, where the policy asks for them,
    account, series, role; rows of a meeting with one `connection` are addresses of one connection.
    `-` reads CSV from stdin.

    Connections are named by their row in ROSTER, the first below the heading being 1. Blank rows,
    and those that an export leaves out, are not counted.

    With --json: JSON Lines with row, effect, reason, region, meeting, cause.

    \b
    Examples:
      regionfast decide joins joiners.csv --policy policy.toml
      regionfast decide joins joiners.parquet --policy policy.toml -o out.parquet
    """
    form = rows.Form.of(output, given, as_json=as_json, as_csv=as_csv)
    with refusals():
        from regionfast import decide_joins

        opened = rosters.opened(given, quiet=quiet)
        decisions = decide_joins(opened.table, opened.policy, opened.roster, at=opened.at, witness=opened.witness)
    rosters.say(decisions, reveal, quiet=quiet)
    named = rosters.named(opened.roster, None, reveal)
    columns = {
        "row": named.pop("row"),
        "effect": rows.effects(decisions.effect),
        "reason": rows.reasons(decisions.reason),
        "region": decisions.region,
        "meeting": opened.roster.meetings,
        "cause": decisions.cause,
        **named,
    }
    rows.write(form, columns, rosters.head(decisions, reveal), as_lines=True, revealed=reveal)


@command.command(short_help="Say who would have to leave.")
@rosters.inputs
@rosters.by
@rosters.reveal
@rows.output
@rows.as_csv
@options.as_json
@options.quiet
def ejections(
    by: str,
    reveal: str | None,
    output: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
    quiet: bool,
    **given: Unpack[rosters.Given],
) -> None:
    """Say whom one order or rule reaches of those present in ROSTER: eject or hold, and why.

    ROSTER and its rows are as in `decide joins`. Whoever is not listed stays. An empty plan is a
    success. `preview` gives the same plan in numbers.

    Give --at, or each second has a hash of its own.

    With --json: an object with by, hash, at, policy, table, warnings and rows.

    \b
    Examples:
      regionfast decide ejections present.csv --policy policy.toml --by cn-1
      regionfast decide ejections zoom.csv --format participants --zone UTC \\
          --policy policy.toml --by cn-1 --json
    """
    form = rows.Form.of(output, given, as_json=as_json, as_csv=as_csv)
    with refusals():
        from regionfast import plan_ejections

        opened = rosters.opened(given, quiet=quiet)
        plan = plan_ejections(opened.table, opened.policy, opened.roster, by=by, at=opened.at, witness=opened.witness)
    rosters.say(plan, reveal, quiet=quiet)
    would = f"{len(plan):,} of {len(opened.roster):,} connections" if plan else "nobody is touched"
    terminal.notes([f"plan by {plan.by}: {would}, hash {plan.hash}"], quiet=quiet)
    planned = plan.rows
    named = rosters.named(opened.roster, planned.indices, reveal)
    columns = {
        "row": named.pop("row"),
        "effect": rows.effects(planned.effect),
        "reason": rows.reasons(plan.reason[planned.indices]),
        "region": planned.region,
        "meeting": planned.meeting,
        **named,
    }
    head = {"by": plan.by, "hash": plan.hash, **rosters.head(plan, reveal)}
    rows.write(form, columns, head, as_lines=False, revealed=reveal)
