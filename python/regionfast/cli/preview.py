"""`regionfast preview`: what a plan would mean, for the person who has to approve it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click
import numpy as np

from regionfast.cli import claims, options, rosters, rows, terminal
from regionfast.cli.exits import refusals
from regionfast.meetings.columns import encode
from regionfast.policy import Order

if TYPE_CHECKING:
    from regionfast import Plan
    from regionfast.meetings import Preview

SHOWN: Final = 10
"""Regions and meetings that are listed; `--json` and `--csv` have all."""

KEPT: Final = {
    "inside": "found inside, but those present are left alone",
    "outside": "found outside, but those present are left alone",
    "elsewhere": "the table places them elsewhere",
    "unknown": "the table does not place the address",
    "private": "a private address has no place",
    "reserved": "a reserved address has no place",
    "invalid": "no address that can be read",
    "missing": "no address",
    "relay": "a relay may stand for anybody",
    "conflict": "the connection's addresses disagree",
    "undecided": "the table tells only a larger region",
    "override": "database and overrides disagree",
    "corrected": "a correction says they are not there",
    "exempt": "an exemption excuses them",
    "disputed": "the second table does not confirm it",
}
"""Why somebody in a meeting that is reached stays, by reason."""
LET_IN: Final = {"elsewhere": "the table places them where the rule lets in"}
"""The same where an allow-only rule is asked."""


@click.command()
@rosters.inputs
@rosters.by
@rows.output
@rows.as_csv
@options.as_json
@options.quiet
def command(
    by: str,
    output: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
    quiet: bool,
    **given: Unpack[rosters.Given],
) -> None:
    """Show a plan in numbers, for whoever must approve it.

    How many connections one order or rule would remove, where, who stays and why. Names nobody.

    ROSTER is as in `decide joins`. The hash stands for exactly this plan: same roster, policy, table
    and time, same hash. Give --at, or each second has a hash of its own.

    With --json: an object with all counts. CSV and Parquet: rows of what, name, connections.

    \b
    Examples:
      regionfast preview present.csv --policy policy.toml --by cn-1
      regionfast preview present.csv --policy policy.toml --by cn-1 \\
          --at 2020-06-04T00:00:00Z --json
    """
    form = rows.Form.of(output, given, as_json=as_json, as_csv=as_csv)
    with refusals():
        from regionfast import plan_ejections

        opened = rosters.opened(given, quiet=quiet)
        plan = plan_ejections(opened.table, opened.policy, opened.roster, by=by, at=opened.at, witness=opened.witness)
        counts = plan.preview()
    terminal.notes(counts.warnings, quiet=quiet)
    if form.kind == "table":
        click.echo(terminal.listing(in_words(plan, counts)))
        return
    whole = rosters.head(plan) | counts.to_dict()
    if form.kind == "json":
        rows.send(form, [json.dumps(whole) + "\n"])
    else:
        rows.write(form, by_name(counts), whole, as_lines=False, revealed=None)


def in_words(plan: Plan, counts: Preview) -> Iterable[tuple[str, str]]:
    """What an approver has to know, the most important first."""
    entry = plan.entry
    info = plan.table.info
    if isinstance(entry, Order):
        yield "order", f"{entry.id} of {entry.issuer}, for {', '.join(entry.regions)}"
        yield "law", entry.law
        yield "reference", entry.reference
        yield "until", options.written(entry.end)
        yield "in force", f"no: {counts.inert}" if counts.inert else "yes"
    else:
        yield "rule", f"{entry.id} of {entry.account}: {entry.effect} {', '.join(entry.regions)}"
        yield "reason", entry.reason
    yield "hash", counts.hash
    yield "at", options.written(plan.at)
    yield "table", claims.source(info)
    yield "built", claims.built(info, plan.at)
    if plan.witness is not None:
        yield "witness", claims.source(plan.witness.info)
        yield "built", claims.built(plan.witness.info, plan.at)
    effects = ", ".join(f"{effect} {count:,}" for effect, count in counts.effects.items())
    among = f"of {counts.in_scope:,} connections in its meetings; {counts.present:,} are present in all"
    yield "affected", f"{counts.affected:,} {among}"
    yield "", f"{effects}" if effects else "nobody: nothing would be done"
    yield from listed("by region", counts.regions)
    yield from listed("by meeting", counts.meetings)
    why = KEPT if isinstance(entry, Order) or entry.effect != "allow-only" else KEPT | LET_IN
    kept = {f"{reason}: {why[reason]}": count for reason, count in counts.kept.items()}
    yield from listed("kept", kept, shown=len(kept))
    if counts.hosts is None or counts.without_host is None:
        yield "hosts", "unknown: the roster has no roles"
    else:
        yield "hosts", f"{counts.hosts:,} of those affected"
        left = [*counts.without_host[:SHOWN], *more(len(counts.without_host), SHOWN)]
        yield "without host", ", ".join(left) or "none"
    if isinstance(entry, Order):
        yield "outside", f"{counts.outside:,}: checked, all affected are inside by the database itself"
    else:
        yield "reach", "a rule has no territory: checked, only meetings of the rule's own account are affected"


def listed(name: str, counts: Mapping[str, int], shown: int = SHOWN) -> Iterable[tuple[str, str]]:
    """Counts, a line each, the largest ones."""
    width = max((len(f"{count:,}") for count in counts.values()), default=0)
    lines = [f"{count:>{width},}  {what}" for what, count in list(counts.items())[:shown]]
    for line in [*lines, *more(len(counts), shown)]:
        yield name, line
        name = ""


def more(count: int, shown: int) -> list[str]:
    """That there are more than are shown."""
    return [f"and {count - shown:,} more, see --json"] if count > shown else []


def by_name(counts: Preview) -> dict[str, rows.Column]:
    """All counts as rows."""
    found: list[tuple[str, str | None, int]] = [
        ("present", None, counts.present),
        ("in-scope", None, counts.in_scope),
        ("affected", None, counts.affected),
    ]
    if counts.outside is not None:
        found.append(("outside", None, counts.outside))
    parts = {"effect": counts.effects, "region": counts.regions, "meeting": counts.meetings, "kept": counts.kept}
    found += [(what, name, count) for what, part in parts.items() for name, count in part.items()]
    if counts.hosts is not None:
        found.append(("hosts", None, counts.hosts))
    found += [("without-host", meeting, counts.meetings[meeting]) for meeting in counts.without_host or ()]
    return {
        "what": encode([what for what, _, _ in found], "what"),
        "name": encode([name for _, name, _ in found], "name"),
        "connections": np.array([count for _, _, count in found], np.int64),
    }
