"""The bar of a long reading, on stderr, where a person waits for it."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from regionfast.cli import terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 0.5
"""Seconds that nobody minds to wait: what is done by then shows no bar."""
INTERVAL = 0.1
"""Seconds between two drawings at least: drawing must not cost more than reading."""


class Bar:
    """How far the reading of some files has come: bytes, lines a second, time left where the sizes are known."""

    def __init__(self, paths: Sequence[str], *, shown: bool) -> None:
        """Prepare the bar.

        Args:
            paths: The files; `-` is stdin.
            shown: Whether to show it if stderr is a terminal.
        """
        typing = "-" in paths and sys.stdin is not None and sys.stdin.isatty()
        self._shown = shown and sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not typing
        self._sizes = [_size(path) for path in paths] if self._shown else []
        self._stack = ExitStack()
        self._bar: tuple[Progress, TaskID] | None = None
        self._begun = time.monotonic()
        self._next = self._begun + PATIENCE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Clear the line, also after an error or Ctrl-C."""
        self._stack.close()

    def note(self, text: str, *, quiet: bool) -> None:
        """Say on stderr what a user should know, above the bar where there is one."""
        if self._bar is None:
            terminal.notes([text], quiet=quiet)
        else:
            console = self._bar[0].console
            console.print(f"note: {terminal.printable(text)}", markup=False, highlight=False, soft_wrap=True)

    def move(self, file: int, position: int, lines: int) -> None:
        """Say where the reading is.

        Args:
            file: Which of the files, the first being 0.
            position: Bytes of it that were read.
            lines: Lines that were read in all.
        """
        now = time.monotonic()
        if not self._shown or now < self._next:
            return
        self._next = now + INTERVAL
        bar, task = self._bar = self._bar or self._started()
        before = sum(size for size in self._sizes[:file] if size is not None)
        speed = lines / (now - self._begun)
        bar.update(task, completed=before + position, speed=f"{speed:,.0f} lines/s")
        bar.refresh()

    def _started(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        bar = Progress(
            BarColumn(None),
            DownloadColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,  # when it is done it is gone
            auto_refresh=False,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        total = None if None in self._sizes else sum(size for size in self._sizes if size is not None)
        return self._stack.enter_context(bar), bar.add_task("", total=total, speed="")


def _size(path: str) -> int | None:
    """The size of a file, where it is known before it has been read. One that is missing has nothing to read."""
    try:
        found = os.fstat(0) if path == "-" else Path(path).stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else None
