"""Keyed pseudonyms, derived keys and commitments: what stands in records in the place of people and addresses.

All of them are HMAC-SHA-256 (RFC 2104) of a JSON list in ASCII without blanks, which begins with what it is for, so
that no two uses of a key can be mistaken for each other. Without the key nothing is learnt, not even by trying all
addresses.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Final

KEY_BYTES: Final = 32
PSEUDONYM_DIGITS: Final = 32
"""128 bits, hexadecimal: a million people share none, and nobody needs all 256."""


def new_key() -> bytes:
    """A random key, 32 bytes."""
    return secrets.token_bytes(KEY_BYTES)


def canonical(value: object) -> bytes:
    """A value as JSON, keys sorted, without blanks, in ASCII: what is hashed and signed. No floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def pseudonym(key: bytes, kind: str, *parts: str) -> str:
    """The pseudonym of what `parts` name together, 32 hexadecimal digits: the first half of a MAC under `key`.

    Args:
        key: Of one order and meeting, so that pseudonyms of two do not tell that somebody is in both.
        kind: What is named: `connection`, `scope`.
        parts: Texts.
    """
    return _mac(key, "regionfast pseudonym 1", kind, *parts).hex()[:PSEUDONYM_DIGITS]


def derive(key: bytes, purpose: str, *parts: str) -> bytes:
    """A key, 32 bytes, that nobody can compute without `key`, and which tells nothing of it or of other such keys."""
    return _mac(key, "regionfast key 1", purpose, *parts)


def commit(row_key: bytes, row: Mapping[str, object]) -> str:
    """A commitment to a row, 64 hexadecimal digits: whoever has the row's key can show what was in it, nobody else."""
    return _mac(row_key, "regionfast row 1", row).hex()


def _mac(key: bytes, *message: object) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, this one {len(key)}")
    return hmac.digest(key, canonical(message), "sha256")
