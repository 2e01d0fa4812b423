"""`regionfast plan apply`: act on a saved plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

import click
import numpy as np

from regionfast.cli import options, rosters, rows, terminal
from regionfast.cli.exits import refusals
from regionfast.cli.plan import control as controls
from regionfast.cli.plan import inputs, outcomes, receipts, show
from regionfast.meetings.columns import encode

if TYPE_CHECKING:
    from regionfast import Deployment, Roster
    from regionfast.meetings.act.approval import Approval
    from regionfast.meetings.saved import SavedPlan


@click.command(short_help="Act on a saved plan.")
@click.argument("file", type=options.FILE)
@click.argument("roster", metavar="ROSTER", type=options.INPUT)
@inputs.inputs
@click.option(
    "--format",
    "form_of_roster",
    type=click.Choice(["csv", "parquet", "arrow"]),
    help="Of ROSTER.  [default: by its suffix]",
)
@inputs.approvals
@controls.option
@receipts.option
@rosters.reveal
@rows.output
@rows.as_csv
@options.as_json
@options.quiet
def command(
    file: Path,
    roster: Path,
    form_of_roster: Literal["csv", "parquet", "arrow"] | None,
    approvals: tuple[Path, ...],
    control: tuple[str, str],
    receipts_to: Path | None,
    reveal: str | None,
    output: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
    quiet: bool,
    **given: Unpack[inputs.Given],
) -> None:
    """Act on the saved plan in FILE: on those of its rows who are in ROSTER and still reached now.

    ROSTER is who is present now, with a column `connection`; `-` reads CSV from stdin. Policy and
    table are those of the plan. No question is put: where anything stands against it, all of that is
    said at once and nothing is done, exit code 5.

    Each row ends as done, already-gone, stale (it is another now), would-end-meeting, retry or
    failed. Exit code 3 where rows are left on retry or failed. The same command again resumes: no
    row is acted on twice.

    \b
    Examples:
      regionfast plan apply cn-1.plan present.csv --policy policy.toml \\
          --deployment deployment.toml --database country.mmdb \\
          --approval b.json --approval c.json --control server:control
    """
    form = rows.Form.of(output, {"plan": file, "roster": roster, **given}, as_json=as_json, as_csv=as_csv)
    with refusals():
        from regionfast.meetings.act.approval import Approval
        from regionfast.meetings.saved import SavedPlan

        saved = SavedPlan.load(file)
        signed = [Approval.load(path) for path in approvals]
        opened = inputs.opened(given, quiet=quiet)
        present = rosters.read({"roster": roster, "at": None, "form": form_of_roster, "zone": None}, quiet=quiet)
        system = controls.load(control)
        receipts.prepare(receipts_to)
        places = positions(saved, present, opened.deployment)
        terminal.notes(intent(saved, places, signed), quiet=quiet)
        with controls.acting():
            applied = saved.apply(
                system,
                opened.deployment,
                table=opened.table,
                policy=opened.policy,
                roster=present,
                approvals=signed,
                witness=opened.witness,
            )
    outcomes.say(applied, reveal, quiet=quiet)
    receipts.write(receipts_to, applied.receipts.values())
    numbers = rosters.rows_of(present)
    columns: dict[str, rows.Column] = {
        "row": rows.Numbers(None if place is None else int(numbers[place]) for place in places),
        "meeting": encode([None if place is None else present.meetings[place] for place in places], "meeting"),
        "effect": rows.effects(np.array([row.effect for row in saved.rows], np.uint8)),
        "outcome": outcomes.column(applied),
    }
    if reveal is not None:
        columns |= outcomes.people(present, places)
    head = {"by": saved.by} | outcomes.head(applied, reveal)
    rows.write(form, columns, head, as_lines=False, revealed=reveal)
    outcomes.end(applied)


def positions(saved: SavedPlan, roster: Roster, deployment: Deployment) -> list[int | None]:
    """Where in the roster each row of a saved plan is; `None` where it is not, or its key is destroyed.

    O(connections in the plan's meetings).
    """
    from regionfast.meetings.audit.keys import KeyStore
    from regionfast.pseudonym import pseudonym

    if deployment.audit is None or roster.connections is None:
        return [None] * len(saved)
    keys = KeyStore(deployment.audit.keys)
    scopes = {row.scope for row in saved.rows}
    known: dict[int, bytes] = {}  # by code of a meeting of the plan
    for code, meeting in enumerate(roster.meetings.values):
        scope = keys.scope(saved.by, meeting or "")
        key = keys.existing(scope) if scope in scopes else None
        if key is not None:
            known[code] = key
    found = {
        pseudonym(known[code], "connection", connection): place
        for place, (code, connection) in enumerate(zip(roster.meetings.codes.tolist(), roster.connections, strict=True))
        if code in known and connection is not None
    }
    return [found.get(row.connection) for row in saved.rows]


def intent(saved: SavedPlan, places: Sequence[int | None], approvals: Sequence[Approval]) -> list[str]:
    """What is about to be done, in numbers."""
    if not saved:
        return [f"{saved.by} reaches nobody: nothing is asked of the control"]
    would = ", ".join(f"{effect} {count:,}" for effect, count in show.effects(saved).items())
    there = len(places) - places.count(None)
    return [
        f"{saved.by} would {would}, by plan {saved.hash[:12]}; {there:,} of them are in the roster",
        f"approvals: {', '.join(approval.approver for approval in approvals) or 'none'}",
    ]
