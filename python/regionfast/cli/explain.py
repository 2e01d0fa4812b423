"""`regionfast explain`: why one connection has its effect."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Unpack

import click

from regionfast.cli import options, rosters, rows, terminal
from regionfast.cli.exits import refusals
from regionfast.types import Effect, Reason

if TYPE_CHECKING:
    from regionfast import Decisions, Plan


@click.command()
@rosters.inputs
@click.argument("row", metavar="ROW", type=rosters.row_number)
@click.option("--by", metavar="ID", help="In the plan of this order or rule.  [default: at the door, by all]")
@rosters.reveal
@options.as_json
@options.quiet
def command(
    row: int,
    by: str | None,
    reveal: str | None,
    *,
    as_json: bool,
    quiet: bool,
    **given: Unpack[rosters.Given],
) -> None:
    """Say in a sentence why one connection may join or not.

    With --by ID: why it would have to leave or stays, by that order or rule.

    ROW is the number of a row of ROSTER, as `decide` gives it: the first below the heading is 1. Any
    row of a connection will do.

    \b
    Examples:
      regionfast explain joiners.csv 12 --policy policy.toml
      regionfast explain present.csv 12 --policy policy.toml --by cn-1
    """
    with refusals():
        from regionfast import decide_joins, plan_ejections

        opened = rosters.opened(given, quiet=quiet)
        index = rosters.connection_at(opened.roster, row)
        result: Decisions | Plan
        if by is None:
            result = decisions = decide_joins(
                opened.table, opened.policy, opened.roster, at=opened.at, witness=opened.witness
            )
            sentence, causes = decisions.explain(index), {"cause": decisions.cause[index]}
        else:
            result = plan = plan_ejections(
                opened.table, opened.policy, opened.roster, by=by, at=opened.at, witness=opened.witness
            )
            sentence, causes = plan.explain_connection(index), {"by": by}
    rosters.say(result, reveal, quiet=quiet)
    # The sentence names the connection by its position in the roster, which is in no file.
    sentence = f"row {row} {sentence.removeprefix(f'connection {index} ')}"
    people: dict[str, object] = {}
    if reveal is not None:
        people = {
            "participant": opened.roster.participants[index],
            "addresses": list(opened.roster.addresses(index)),
        }
    if as_json:
        found = {
            "row": row,
            "meeting": opened.roster.meetings[index],
            "effect": str(Effect(int(result.effect[index]))),
            "reason": str(Reason(int(result.reason[index]))),
            **causes,
            "explanation": sentence,
        }
        click.echo(json.dumps(found | people | rosters.head(result, reveal)))
        return
    print_wrapped(sentence)
    if people:
        pairs = [(name, rows.visible(value)) for name, value in people.items()]
        click.echo(terminal.listing(pairs))


def print_wrapped(sentence: str) -> None:
    """One line in a pipe; on a terminal as many as it needs, broken between words."""
    text = terminal.printable(sentence)
    limit = terminal.columns()
    lines = [text] if limit is None else textwrap.wrap(text, limit, break_long_words=False, break_on_hyphens=False)
    click.echo(terminal.encodable("\n".join(lines)))
