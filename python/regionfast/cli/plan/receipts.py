"""`--receipts DIR`: what the people who were acted on are to be given."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regionfast.cli import options, rows
from regionfast.cli.exits import INCOMPLETE, Failure

if TYPE_CHECKING:
    from regionfast.meetings.audit.receipt import Receipt

option = click.option(
    "--receipts",
    "receipts_to",
    metavar="DIR",
    type=options.FILE,
    help="Write a receipt per person there, for that person alone: it names them.",
)


def prepare(directory: Path | None) -> None:
    """Make the directory, and see that it can be written to before anybody is acted on."""
    if directory is None:
        return
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"cannot make {directory}: {error.strerror or 'it fails'}", INCOMPLETE) from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise Failure(f"cannot write receipts to {directory}: permission denied", INCOMPLETE)


def write(directory: Path | None, receipts: Iterable[Receipt]) -> None:
    """A file each, called by the pseudonym of the connection, which its owner only can read."""
    if directory is None:
        return
    for receipt in receipts:
        with rows.whole(directory / f"{receipt.connection}.json", private=True) as file:
            file.write(receipt.to_json().encode("ascii"))
