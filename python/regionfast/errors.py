"""Every exception that the package raises on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


class RegionfastError(Exception):
    """Base of all of them."""


class DatabaseError(RegionfastError, ValueError):
    """A database, compiled table or override file cannot be used; the message says which, where and why."""


class AddressError(RegionfastError, ValueError):
    """Text that is no address, where the caller asked for an error; names the index, never the text."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index
        """Row of the first such text in a batch; `None` for a single one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file that people write."""

    place: str
    """Path inside the file: `order[0].regions[1]`; empty for the file as a whole."""
    message: str
    """What is wrong and how to mend it."""
    suggestions: tuple[str, ...] = ()
    """Right spellings, the nearest first."""
    entry: str | None = field(default=None, compare=False)
    """Id of the order or rule that the place is in, for people who count no entries; no part of what is wrong."""

    def __str__(self) -> str:
        hint = f": did you mean {' or '.join(f'`{text}`' for text in self.suggestions)}?" if self.suggestions else ""
        return f"{named(self.place, self.entry)}: {self.message}{hint}" if self.place else f"{self.message}{hint}"


def named(place: str, entry: str | None) -> str:
    """A place in a file with the id of its entry, which people know better: ``order[17] (`cn-77`).until``."""
    if entry is None:
        return place
    table, _, rest = place.partition("]")
    return f"{table}] (`{entry}`){rest}"


class _FileError(RegionfastError, ValueError):
    def __init__(self, problems: Sequence[Problem], source: str | None = None) -> None:
        lines = [f"{source}: {problem}" if source else str(problem) for problem in problems]
        super().__init__("\n".join(lines))
        self.problems = tuple(problems)
        """All that is wrong, in the order of the file."""


class PolicyError(_FileError):
    """A policy cannot be used, alone, with its deployment or with a table; all problems at once."""


class DeploymentError(_FileError):
    """A deployment file cannot be used; all problems at once."""


class RosterError(RegionfastError, ValueError):
    """A roster whose columns do not fit together, or that lacks one; names rows, never people."""


class LogError(RegionfastError, ValueError):
    """A log of a format that nobody knows or without what was asked of it, or options that do not fit; never a line."""


class PlanRefused(RegionfastError):  # noqa: N818 - says what happened to the plan
    """Nothing may be done by this plan: the checker found a row that it must not reach, or acting on it is refused."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons
        """All that stands against it; each says what and how to mend it, and names no person."""


class DocumentError(RegionfastError, ValueError):
    """A saved plan, approval, key, receipt or checkpoint that is none, or was changed; says which and how."""


class AuditError(RegionfastError, ValueError):
    """An audit directory that cannot be used: a chain is broken, a key is missing or destroyed, another writes."""
