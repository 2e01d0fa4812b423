"""Pseudonyms, derived keys and commitments: known answers, and that no use of a key is another one."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionfast.pseudonym import canonical, commit, derive, new_key, pseudonym

KEY: Final = bytes(range(32))
OTHER: Final = bytes(32)


def mac(message: bytes, key: bytes = KEY) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def test_they_are_as_they_are_described() -> None:
    assert pseudonym(KEY, "connection", "con-1") == mac(b'["regionfast pseudonym 1","connection","con-1"]')[:32]
    assert derive(KEY, "row", "plan", "é").hex() == mac(b'["regionfast key 1","row","plan","\\u00e9"]')
    assert commit(KEY, {"b": ["x"], "a": None}) == mac(b'["regionfast row 1",{"a":null,"b":["x"]}]')


def test_known_answers() -> None:
    """So that records of years ago are still found: these never change."""
    assert pseudonym(KEY, "connection", "con-1") == "724cef5dd29b6127aecdb4cceae027d0"
    assert derive(KEY, "seal").hex() == "9798d9467430c62a039248d80177213a183ac7373de0d70d7de2349a502de4d0"
    assert (
        commit(KEY, {"meeting": "m", "addresses": ["192.0.2.1"]})
        == "401114e985bd043802d80e6528a5224ab1034ea5660d329e59ca3676aee7c790"
    )


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_parts_cannot_be_cut_otherwise(one: list[str], other: list[str]) -> None:
    assert (pseudonym(KEY, "connection", *one) == pseudonym(KEY, "connection", *other)) == (one == other)
    assert (derive(KEY, "row", *one) == derive(KEY, "row", *other)) == (one == other)


def test_no_use_of_a_key_is_another_one() -> None:
    found = {
        pseudonym(KEY, "connection", "a"),
        pseudonym(KEY, "scope", "a"),
        pseudonym(OTHER, "connection", "a"),
        derive(KEY, "connection", "a").hex()[:32],
        derive(KEY, "scope", "a").hex()[:32],
        derive(OTHER, "connection", "a").hex()[:32],
        commit(KEY, {"connection": "a"})[:32],
        commit(OTHER, {"connection": "a"})[:32],
    }
    assert len(found) == 8


def test_order_of_members_means_nothing_and_order_of_lists_does() -> None:
    assert commit(KEY, {"a": 1, "b": [1, 2]}) == commit(KEY, {"b": [1, 2], "a": 1})
    assert commit(KEY, {"a": [1, 2]}) != commit(KEY, {"a": [2, 1]})


def test_canonical_json() -> None:
    assert canonical({"b": 'é"\n', "a": [None, True, 1]}) == b'{"a":[null,true,1],"b":"\\u00e9\\"\\n"}'
    assert canonical("\ud800") == b'"\\ud800"'  # half of a surrogate pair is no UTF-8, and still has a pseudonym
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            canonical(value)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    for call in (
        lambda key: pseudonym(key, "connection"),
        lambda key: derive(key, "row"),
        lambda key: commit(key, {}),
    ):
        with pytest.raises(ValueError, match=f"a key has 32 bytes, this one {length}"):
            call(b"k" * length)


def test_new_keys() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {32}
