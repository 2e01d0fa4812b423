"""Exit codes, and which failure has which."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path

import click

from regionfast.cli.terminal import printable
from regionfast.errors import (
    AuditError,
    DeploymentError,
    DocumentError,
    LogError,
    PlanRefused,
    PolicyError,
    RosterError,
)

FALSE = 1
"""The condition that was asked for is false."""
USAGE = 2
"""Wrong usage, or the only input cannot be read. The number is click's own."""
INCOMPLETE = 3
"""The output, or a part of the input, is missing."""
DATABASE = 4
"""The database cannot be used."""
REFUSED = 5
"""Refused for safety."""
INTERRUPTED = 130
"""What a shell says of a process that SIGINT ended."""


class Failure(click.ClickException):
    """An error with one of the codes above; click prints it on stderr."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(printable(message))  # it may quote a hostile file
        self.exit_code = code  # type: ignore[misc]  # click types it as the class's, and reads the instance's


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn what can go wrong around a command into an exit with its code.

    An `OSError` that arrives here is of the output: whoever reads an input or a database says so himself.
    """
    # Python leaves `None` where the caller closed a stream. Without stderr nothing is said, and the code is the same.
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    if sys.stdout is None:
        raise Failure("cannot write the output: stdout is closed", INCOMPLETE)
    try:
        yield
        sys.stdout.flush()
    except click.UsageError as error:
        raise click.UsageError(without_addresses(error.format_message()), error.ctx) from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        discard_output()
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        discard_output()
        raise Failure(f"cannot write the output: {error.strerror or error}", INCOMPLETE) from None


@contextmanager
def refusals(*, as_json: bool = False) -> Iterator[None]:
    """Turn what the library refuses into exits with a code. Several problems or reasons are told one a line.

    Args:
        as_json: Print the problems of a policy as an object too, as `policy check` has its findings.
    """
    from regionfast.regions import RegionError  # a lookup starts without any regions

    try:
        yield
    except (PolicyError, DeploymentError) as error:
        if as_json:
            found = [{"severity": "problem"} | asdict(problem) for problem in error.problems]
            click.echo(json.dumps({"sound": False, "findings": found}))
        say_each(str(error).splitlines())
        raise click.exceptions.Exit(USAGE) from None
    except (
        RosterError,
        LogError,
        RegionError,
        DocumentError,
    ) as error:  # a group of regions before there is any record of it
        raise Failure(without_addresses(str(error)), USAGE) from None
    except PlanRefused as error:
        say_each(error.reasons)
        raise click.exceptions.Exit(REFUSED) from None
    except AuditError as error:
        raise Failure(without_addresses(str(error)), REFUSED) from None
    except ImportError as error:
        if error.name is not None:  # Python's own: a defect. Ours says which extra to install
            raise
        raise Failure(str(error), USAGE) from None


def say_each(errors: Iterable[str]) -> None:
    """Print several errors, one a line."""
    for error in errors:
        click.echo(f"Error: {printable(without_addresses(error))}", err=True)


def discard_output() -> None:
    """Point stdout at nothing, so that what is still in its buffer does not fail once more at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def without_addresses(message: str) -> str:
    """The message with `ADDRESS` for every address: a wrong usage quotes what was typed, and errors end in logs."""

    def replaced(token: re.Match[str]) -> str:
        try:
            ip_address(token[0])
        except ValueError:
            return token[0]
        return "ADDRESS"

    return re.sub(r"[0-9A-Fa-f:.]*[0-9A-Fa-f:]", replaced, message)
