"""Which audit a command is about: a directory, or the deployment file that names one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypedDict

import click

from regionfast.cli import options
from regionfast.cli.exits import USAGE, Failure
from regionfast.policy import Audit, Deployment

directory = click.option("--directory", metavar="DIR", type=options.FILE, help="Where the chains are.")
deployment = click.option(
    "--deployment", metavar="FILE", type=options.FILE, help="The operator's file, whose `[audit]` says where."
)
operator = click.option(
    "--deployment",
    metavar="FILE",
    type=options.FILE,
    required=True,
    help="The operator's file, whose `[audit]` says where the chains and the keys are.",
)


def place(command: options.Command) -> options.Command:
    """`--directory` or `--deployment`."""
    return directory(deployment(command))


class Given(TypedDict):
    """What `place` gives to a command."""

    directory: Path | None
    deployment: Path | None


class Place(NamedTuple):
    """Where the chains are, and by whose key checkpoints are verified."""

    directory: Path
    checkpoint_key: bytes | None


def found(given: Given) -> Place:
    """The audit that is meant. To be called within `refusals`."""
    key = None
    path = given["directory"]
    if given["deployment"] is not None:
        audit = named(given["deployment"])
        key = audit.checkpoint_key
        path = path or Path(audit.directory)
    if path is None:
        raise click.UsageError("say which audit: give its directory, or --deployment")
    if not path.is_dir():
        raise Failure(f"{path}: there is no such directory", USAGE)
    return Place(path, key)


def named(deployment: Path) -> Audit:
    """What a deployment file says of its audit."""
    audit = Deployment.load(deployment).audit
    if audit is None:
        raise Failure(f"{deployment}: it has no `[audit]`, so there are no records", USAGE)
    return audit


def second(at: datetime) -> str:
    """A time as people read it, who want no parts of a second."""
    return options.written(at.replace(microsecond=0))
