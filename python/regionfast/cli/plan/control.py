"""`--control MODULE:NAME`: the system that runs meetings, as the operator's own Python gives it."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import click

from regionfast.cli.exits import INCOMPLETE, USAGE, Failure, without_addresses
from regionfast.errors import RegionfastError

if TYPE_CHECKING:
    from regionfast.meetings.act.control import MeetingControl

METHODS: Final = ("present", "handover", "eject", "hold", "admit", "clear")
"""What a control can be asked; `MeetingControl` says what each means."""


def name(text: str) -> tuple[str, str]:
    """A module and a name in it, both as Python writes them."""
    module, colon, attribute = text.partition(":")
    if not colon or not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        raise click.BadParameter("write MODULE:NAME, such as `server:control`")
    return module, attribute


option = click.option(
    "--control",
    metavar="MODULE:NAME",
    type=name,
    required=True,
    help="What acts: a `MeetingControl`, or what makes one when called.",
)


def load(control: tuple[str, str]) -> MeetingControl:
    """Import the control; the current directory is searched first, as servers do that are started in this way.

    Raises:
        Failure: There is no such module or name, its code fails, or it is no control.
    """
    module, attribute = control
    called = f"`{module}:{attribute}`"
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise Failure(f"{called}: importing it needs the module `{error.name}`", USAGE) from None
        raise Failure(f"{called}: there is no module `{error.name}` here or where Python looks", USAGE) from None
    except Exception as error:  # noqa: BLE001 - of code that is not ours
        raise Failure(f"{called}: importing it fails: {raised(error)}", USAGE) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise Failure(f"{called}: the module has no `{attribute}`", USAGE)
        found = getattr(found, part)
    # A class has the methods too, but they are not bound to anything.
    if callable(found) and (isinstance(found, type) or lacking(found)):
        found = made(found, called)
    missing = lacking(found)
    if missing:
        raise Failure(f"{called}: it is no control, it has no `{'`, no `'.join(missing)}`", USAGE)
    return cast("MeetingControl", found)


def lacking(found: object) -> list[str]:
    """What a control would have and this has not."""
    return [method for method in METHODS if not callable(getattr(found, method, None))]


def made(maker: Callable[..., object], called: str) -> object:
    """What a callable makes without arguments."""
    try:
        inspect.signature(maker).bind()
    except TypeError:
        raise Failure(f"{called}: it cannot be called without arguments", USAGE) from None
    except ValueError:  # of code in C that does not say
        pass
    try:
        return maker()
    except Exception as error:  # noqa: BLE001 - of code that is not ours
        # Nothing has been asked yet, so its text is about how it was set up, and names no people.
        raise Failure(f"{called}: calling it fails: {raised(error)}: {without_addresses(str(error))}", USAGE) from None


@contextmanager
def acting() -> Iterator[None]:
    """Turn what a control raises, and acting does not know, into an exit. What was asked stands in the audit."""
    try:
        yield
    except RegionfastError:
        raise
    except Exception as error:  # of code that is not ours
        if isinstance(error, ImportError) and error.name is None:  # ours: an extra that is not installed
            raise
        raise Failure(
            f"acting fails: {raised(error)}; mend it and give the same command again: what is done is not repeated",
            INCOMPLETE,
        ) from error


def raised(error: Exception) -> str:
    """The kind of an exception and the line that raised it. Its text is not ours and might name people."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    # Modules that are frozen into Python have no file, and nobody looks for his mistake there.
    found = next(((file, line) for file, line in reversed(places) if Path(file).is_file()), None)
    return f"`{type(error).__name__}`" + (f" in {os.path.relpath(found[0])}, line {found[1]}" if found else "")
