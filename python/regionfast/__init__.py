"""Addresses to regions at memory speed, and what may be concluded from that."""

from regionfast._lib import Lookup, RegionArray, Table, __version__
from regionfast.errors import AddressError, DatabaseError, RegionfastError
from regionfast.tables import Reloader, open  # noqa: A004
from regionfast.types import Evidence, Region, Status, TableInfo, Unwrapped

__all__ = [
    "AddressError",
    "DatabaseError",
    "Evidence",
    "Lookup",
    "Region",
    "RegionArray",
    "RegionfastError",
    "Reloader",
    "Status",
    "Table",
    "TableInfo",
    "Unwrapped",
    "__version__",
    "open",
]
