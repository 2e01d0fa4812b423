"""`regionfast plan save`: a plan in a file, so that others can look at it and approve it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Unpack

import click

from regionfast.cli import options, rosters, terminal
from regionfast.cli.exits import refusals
from regionfast.cli.plan import show


@click.command(short_help="Save a plan for its approvers.")
@rosters.inputs
@rosters.by
@click.option("-o", "--output", metavar="FILE", type=options.FILE, required=True, help="The file to write; a new one.")
@options.as_json
@options.quiet
def command(by: str, output: Path, *, as_json: bool, quiet: bool, **given: Unpack[rosters.Given]) -> None:
    """Save the plan by one order or rule for whoever is present in ROSTER.

    ROSTER and what the plan means are as in `preview`. The file names nobody: people are pseudonyms
    under the keys that the deployment's `[audit]` keeps, so --deployment is needed.

    \b
    Examples:
      regionfast plan save present.csv --policy policy.toml --by cn-1 \\
          --deployment deployment.toml --database country.mmdb -o cn-1.plan
    """
    if given["deployment"] is None:
        raise click.UsageError("Missing option '--deployment': its keys are the plan's pseudonyms")
    if output.exists():
        raise click.UsageError("`--output` is there already: approvals may rest on it")
    with refusals():
        from regionfast import Deployment, plan_ejections
        from regionfast.meetings.act.refusals import objections

        enrolled = Deployment.load(given["deployment"])
        opened = rosters.opened(given, quiet=quiet)
        plan = plan_ejections(opened.table, opened.policy, opened.roster, by=by, at=opened.at, witness=opened.witness)
        saved = plan.save(output, enrolled)
        against = objections(plan, enrolled, now=datetime.now(UTC)) if plan else []
    terminal.notes([*plan.warnings, *(f"applied now it would be refused: {reason}" for reason in against)], quiet=quiet)
    if as_json:
        click.echo(json.dumps({"file": str(output)} | show.as_object(saved, opened.table.info)))
    else:
        click.echo(terminal.listing([("wrote", str(output)), *show.in_words(saved, opened.table.info)]))
