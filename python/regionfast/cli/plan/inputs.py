"""What acting and undoing are given: the policy, the deployment, the tables, approvals. Never a time: theirs is now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from regionfast.cli import options

if TYPE_CHECKING:
    from regionfast import Deployment, Policy, Table

approvals = click.option(
    "--approval",
    "approvals",
    metavar="FILE",
    type=options.FILE,
    multiple=True,
    help="What `plan sign` wrote; can be repeated.",
)


def table_of_plan(command: options.Command) -> options.Command:
    """The table of a saved plan, for who wants to see that it is, and how old."""
    database = click.option(
        "--database", metavar="FILE", type=options.FILE, help="The table of the plan, to see that it is, and how old."
    )
    return database(options.level(options.overrides(command)))


def inputs(command: options.Command) -> options.Command:
    """The policy, the operator's file, and the tables."""
    for option in reversed(
        (
            click.option("--policy", metavar="FILE", type=options.FILE, required=True, help="Orders and rules, TOML."),
            options.operator,
            click.option(
                "--witness", metavar="FILE", type=options.FILE, help="A second database that must confirm the first."
            ),
            options.table_options,
        )
    ):
        command = option(command)
    return command


class Given(options.Given):
    """What `inputs` gives to a command."""

    policy: Path
    deployment: Path
    witness: Path | None


class Opened(NamedTuple):
    """By what is acted."""

    deployment: Deployment
    policy: Policy
    table: Table
    witness: Table | None


def opened(given: Given, *, quiet: bool) -> Opened:
    """Open all that was given. To be called within `refusals`."""
    from regionfast import Deployment, Policy

    deployment = Deployment.load(given["deployment"])
    policy = Policy.load(given["policy"], deployment=deployment)
    table = options.opened(given, quiet=quiet)
    witness = None
    if given["witness"] is not None:
        witness = options.open_table(given["witness"], quiet=quiet, level=given["level"])
    return Opened(deployment, policy, table, witness)
