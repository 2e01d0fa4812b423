"""One form of names, so that what is the same to a reader is the same to a policy and a roster."""

from __future__ import annotations

import unicodedata


def plain(name: str) -> str:
    """The name without blanks around it, in Unicode normalization form C (UAX 15).

    `José` is typed with one letter or with two, and a spreadsheet adds a blank; case stays, since ids may differ in it.
    """
    name = name.strip()
    return name if name.isascii() else unicodedata.normalize("NFC", name)
