"""The form in which two spellings of one name are the same."""

from __future__ import annotations

from unicodedata import normalize


def folded(text: str) -> str:
    """Letters and digits alone, without accents and case: `La Réunion` and `LA-REUNION` are both `lareunion`."""
    # Marks go before the case does: U+0345 is a mark and becomes a letter.
    return "".join(sign for sign in normalize("NFKD", text) if sign.isalnum()).casefold()
