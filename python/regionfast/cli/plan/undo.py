"""`regionfast plan undo`: give back what acting on an order took."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click
import numpy as np

from regionfast.cli import options, rosters, rows, terminal
from regionfast.cli.exits import USAGE, Failure, refusals
from regionfast.cli.plan import control as controls
from regionfast.cli.plan import inputs, outcomes
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.inverse import Inverse


@click.command(short_help="Undo what was done by an order that has ended.")
@click.option("--by", metavar="ID", required=True, help="The order or rule that was acted on.")
@inputs.inputs
@controls.option
@rosters.reveal
@rows.output
@rows.as_csv
@options.as_json
@options.quiet
def command(
    by: str,
    control: tuple[str, str],
    reveal: str | None,
    output: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
    quiet: bool,
    **given: Unpack[inputs.Given],
) -> None:
    """Let everybody in again whom one order or rule kept out, and clear what acting left behind.

    Who that is stands in the audit. All of them are decided again without that order or rule, and whom
    another one denies stays denied.

    While the order is in force this is refused, exit code 5: end it in the policy first. Rows end as
    in `plan apply`, and the same command again resumes.

    \b
    Examples:
      regionfast plan undo --by cn-1 --policy policy.toml \\
          --deployment deployment.toml --database country.mmdb \\
          --control server:control
    """
    form = rows.Form.of(output, given, as_json=as_json, as_csv=as_csv)
    with refusals():
        from regionfast.meetings.inverse import Inverse

        opened = inputs.opened(given, quiet=quiet)
        system = controls.load(control)
        inverse = Inverse.of_outstanding(
            opened.deployment, by, opened.table, opened.policy, at=datetime.now(UTC), witness=opened.witness
        )
        if inverse.entry is None and not len(inverse.roster) and not inverse.unreadable:
            raise Failure("the policy has no order or rule of that id, and the records nothing of it to undo", USAGE)
        terminal.notes(intent(inverse), quiet=quiet)
        with controls.acting():
            applied = inverse.apply(system, opened.deployment)
    outcomes.say(applied, reveal, quiet=quiet)
    planned = inverse.rows
    columns: dict[str, rows.Column] = {
        "row": np.arange(1, len(planned) + 1),
        "meeting": planned.meeting,
        "effect": rows.effects(planned.effect),
        "outcome": outcomes.column(applied),
    }
    if reveal is not None:
        columns |= outcomes.people(inverse.roster, planned.indices.tolist())
    head = {"by": by, "kept": inverse.kept} | outcomes.head(applied, reveal)
    rows.write(form, columns, head, as_lines=False, revealed=reveal)
    outcomes.end(applied)


def intent(inverse: Inverse) -> list[str]:
    """What is about to be undone, in numbers."""
    counts = Counter(str(Effect(code)) for code in inverse.rows.effect.tolist())
    would = ", ".join(f"{effect} {count:,}" for effect, count in counts.items())
    told = [f"undoing {inverse.by}: {would}" if would else f"nothing of {inverse.by} is left to be undone"]
    told += [f"{count:,} stay kept out by {other}" for other, count in inverse.kept.items()]
    if inverse.unreadable:
        told.append(f"{inverse.unreadable:,} cannot be undone: the keys of their meetings were destroyed")
    if inverse.entry is None:
        told.append(f"the policy has no order or rule {inverse.by} any more, or never had")
    elif inverse and inverse.is_in_force(inverse.at):
        told.append(f"{inverse.by} is still in force: end it in the policy before it is undone here")
    return told
