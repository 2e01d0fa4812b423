"""Opening tables: the bundled one, a file, and a file that is replaced now and then."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from regionfast._lib import Table, open_table

BUNDLED = Path(__file__).parent / "data" / "country.rft"
"""The bundled country table."""


class OpenOptions(TypedDict, total=False):
    """What `open` takes beside the path."""

    level: Literal["country", "subdivision"] | None
    field: str | tuple[str] | tuple[str, str] | None
    registered: bool
    overrides: str | PathLike[str] | None
    unwrap: bool | None
    nat64: Sequence[str] | None
    attribution: str
    built_at: datetime | None


def open(  # noqa: A001 - reads as `rf.open`, like `gzip.open`
    path: str | PathLike[str] | None = None, /, **options: Unpack[OpenOptions]
) -> Table:
    """Open a database or a compiled table, or without a path the bundled country table.

    Which of the three a file is (`.mmdb`, CSV, compiled) is found by its content. The file is read into memory,
    so replacing it later changes nothing. Cost: one read, then linear in the size of the database.

    Args:
        path: The file.
        level: `"country"` (the default) or `"subdivision"`. A compiled table has the level it was compiled at.
        field: Dotted path of the region in the records of an `.mmdb`, or of country and subdivision, where they
            are not of a known shape: `"geo.cc"`, `("country_code", "state1")`.
        registered: Take the registered country where a record has no other; `evidence` says so.
        overrides: File of own networks, CSV `network,region` or an RFC 8805 geofeed. They beat database and special
            ranges, and `Table.base` answers without them.
        unwrap: Whether IPv4 inside IPv6 is judged by the IPv4 address. Default: yes, or as compiled. Switched off for
            a compiled table, what was a zone of wrapped IPv4 is reserved or unknown: the file holds nothing of it.
        nat64: Own RFC 6052 prefixes to unwrap beside `64:ff9b::/96`. Default: none, or as compiled.
        attribution: Credit to carry in `info`.
        built_at: When the database was built, with offset, for one that does not say it itself, such as CSV; whole
            seconds count.

    Raises:
        DatabaseError: The file is missing, damaged, or holds no region of that level. Names file and place.
        ValueError: Options that contradict each other or the file.
    """
    return open_table(BUNDLED if path is None else path, **options)


class Reloader:
    """A table whose file is replaced now and then.

    `table` is the present one: take it once for each batch, since the next access may be another table. Threads
    may read it while another reloads.
    """

    def __init__(self, path: str | PathLike[str], /, **options: Unpack[OpenOptions]) -> None:
        """Open the first table; the arguments are those of `open`, and so are the errors."""
        self._path = path
        self._options = options
        self._lock = threading.Lock()
        self._table = open(path, **options)
        self._loaded_at = datetime.now(UTC)
        self._failed_since: datetime | None = None
        self._error: Exception | None = None

    @property
    def table(self) -> Table:
        """The last good table."""
        return self._table

    @property
    def loaded_at(self) -> datetime:
        """When the present table was opened, UTC."""
        return self._loaded_at

    @property
    def failed_since(self) -> datetime | None:
        """When reloading began to fail, UTC; `None` while the last reload was good."""
        return self._failed_since

    @property
    def error(self) -> Exception | None:
        """Why the last reload failed; `None` while it was good."""
        return self._error

    def reload(self) -> bool:
        """Open the file again and swap the table whole, or keep the last good one.

        Returns:
            Whether there is a new table: false where the file cannot be used (see `error` and `failed_since`) and
            where its table is the same as before, by digest.
        """
        with self._lock:
            try:
                table = open(self._path, **self._options)
                changed = table.info.digest != self._table.info.digest
            except (ValueError, OSError) as error:
                self._error = error
                self._failed_since = self._failed_since or datetime.now(UTC)
                return False
            self._error = self._failed_since = None
            if changed:
                self._table = table
                self._loaded_at = datetime.now(UTC)
            return changed
