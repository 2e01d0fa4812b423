"""Every exception that the package raises on purpose."""

from __future__ import annotations


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
