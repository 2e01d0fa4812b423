"""What depends on whether a person is looking: width, colour, notes, progress."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable
from typing import Self

import click

NARROWEST = 40
"""A narrower terminal is written to as if it had this many columns."""


def columns() -> int | None:
    """How many columns stdout has; `None` where it is no terminal, and text is then never broken."""
    return max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else None


def in_colour() -> bool:
    """Whether stdout takes colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def notes(texts: Iterable[str], *, quiet: bool) -> None:
    """Say on stderr what a user of the output should know."""
    if not quiet:
        for text in texts:
            click.echo(f"note: {printable(text)}", err=True)


def printable(text: str) -> str:
    """The text without what would command the terminal: names in a database are its maker's."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def encodable(text: str) -> str:
    """The text with escapes for what the encoding of stdout lacks: stderr escapes by itself, stdout raises."""
    return text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding)


def listing(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values in two columns, one line each; long values are broken for a terminal only."""
    rows = [(name, printable(value)) for name, value in pairs if value.strip()]
    width = max(len(name) for name, _ in rows)
    limit = columns()
    colour = in_colour()
    lines = []
    for name, value in rows:
        parts = [value]
        if limit is not None:
            # Nothing is broken inside a word: half a digest or path would be taken for a whole one.
            parts = textwrap.wrap(value, limit - width - 2, break_long_words=False, break_on_hyphens=False)
        head = name.ljust(width)
        lines.append(f"{click.style(head, bold=True) if colour else head}  {parts[0]}")
        lines.extend(" " * (width + 2) + part for part in parts[1:])
    return encodable("\n".join(lines))


class Progress:
    """A count on stderr, where a person waits for output that goes elsewhere."""

    def __init__(self, unit: str, *, quiet: bool) -> None:
        self._unit = unit
        waiting = sys.stderr.isatty() and not sys.stdout.isatty()
        typing = sys.stdin is not None and sys.stdin.isatty()
        self._shown = waiting and not typing and not quiet
        self._count = 0
        self._next = 0.0

    def add(self, count: int) -> None:
        """Count more; the terminal is written to at most five times a second."""
        self._count += count
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            click.echo(f"\r{self._count:,} {self._unit}", nl=False, err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Clear the line, also after an error or Ctrl-C."""
        if self._shown and self._count:
            click.echo("\r\033[K", nl=False, err=True)
