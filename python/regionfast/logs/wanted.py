"""What a pass over a log gives beside counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted of every file of a run."""

    bucket: int
    """Seconds that are counted together; 0: rows are not counted by time."""
    select: bytes | None
    """A byte a slot, 1 where its rows are wanted; `None`: all."""
    rows: bool
    """Whether rows are wanted at all."""
    lines: bool
    """Whether the original lines are."""
    rejects: bool
    """Whether the numbers of lines that are no rows of an address are."""
    address: bool
    """Whether rows carry the client's address, as it is written."""
    text: bool
    """Whether rows carry the whole line."""
    keep: tuple[tuple[str, str], ...]
    """What else rows carry: a column, and the field of the log that it holds."""
    threads: int | None
    """How many work."""

    @property
    def waits(self) -> bool:
        """Whether a step leaves more behind than counts."""
        return self.rows or self.lines or self.rejects
