"""Pseudonyms in the place of addresses in rows of a log: equal addresses can be told, and no others without the key."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from regionfast.errors import DocumentError
from regionfast.logs.formats import is_of_address
from regionfast.pseudonym import KEY_BYTES, pseudonym

if TYPE_CHECKING:
    import pyarrow as pa

    from regionfast.logs.formats import Field, Layout

REMEMBERED: Final = 1 << 17
"""Addresses whose pseudonym is remembered, about 40 MB of them: in most logs nearly every line comes from one."""


def read_key(path: str | PathLike[str]) -> bytes:
    """The key in a file: 64 hexadecimal digits, blanks and line ends around them, or 32 bytes as they are.

    Raises:
        DocumentError: It cannot be read, or holds no key. Says nothing of what it holds.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(4 * KEY_BYTES)  # whatever the file is, no more of it can be a key
    except OSError as error:
        raise DocumentError(f"cannot read the key {path}: {error.strerror or 'it fails'}") from None
    text = content.strip()
    if len(text) == 2 * KEY_BYTES and all(chr(byte) in string.hexdigits for byte in text):
        return bytes.fromhex(text.decode("ascii"))
    if len(content) == KEY_BYTES:
        return content
    raise DocumentError(
        f"{path} holds no key: write {2 * KEY_BYTES} hexadecimal digits into it, "
        f"such as `openssl rand -hex {KEY_BYTES}` prints, or {KEY_BYTES} random bytes"
    )


def pseudonyms(key: bytes) -> Callable[[pa.Array], pa.Array]:
    """What makes a column of addresses into one of pseudonyms, 32 hexadecimal digits each.

    An address has one pseudonym however it is written, and an IPv4 address also inside IPv6 (`::ffff:192.0.2.1`); a
    zone is ignored. Text that is no address, and null, become null: a host name is not told from a slip.
    """

    @lru_cache(maxsize=REMEMBERED)
    def of_text(text: str) -> str | None:
        try:
            address = ip_address(text)
        except ValueError:
            return None
        if isinstance(address, IPv6Address):  # without its zone
            # Python 3.13 writes mapped addresses in another way than those before it: here they are never written.
            address = address.ipv4_mapped or IPv6Address(int(address))
        return pseudonym(key, "address", str(address))

    def of_column(column: pa.Array) -> pa.Array:
        import pyarrow as pa

        distinct = column.dictionary_encode()
        texts = [of_text(text) for text in distinct.dictionary.to_pylist()]
        return pa.array(texts, pa.string()).take(distinct.indices)

    return of_column


def without_objects(column: pa.Array) -> tuple[pa.Array, int]:
    """A column of texts with null for objects and arrays of JSON, in which addresses may be; and how many it had."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nested = pc.fill_null(pc.match_substring_regex(column, r"^\s*[\[{]"), False)  # noqa: FBT003 - a value, not a switch
    return pc.if_else(nested, pa.scalar(None, column.type), column), int(pc.sum(nested).as_py() or 0)


def shows_address(layout: Layout, name: str) -> bool:
    """Whether a field that is kept by its name is where the client's address comes from, or holds it.

    That is the field of the client, a header of forwarding, of JSON an object around one of them, and every other field
    with a name that such fields usually have: a log may have the client's address twice. Addresses in other fields,
    such as in what was asked for, are not looked for.
    """
    if name in {"address", "line"} or is_of_address(name):
        return True
    if not layout.shape:  # a table
        return name.casefold() == (layout.column or "addresses").casefold()
    if layout.is_empty:
        return False
    kept = layout.field(name)
    return any(_holds(kept, source, layout.shape) for source in (layout.client, layout.forwarded) if source is not None)


def _holds(kept: Field, source: Field, shape: str) -> bool:
    if isinstance(kept, int) or isinstance(source, int):
        return kept == source
    if shape == "w3c":  # alternatives, whose case does not count
        return kept[0].casefold() in map(str.casefold, source)
    return source[: len(kept)] == kept
