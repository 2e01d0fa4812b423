"""A receipt: what it is as a file, which row it opens, and that it opens no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meetings.audit.deeds import INVERSE, MEETING, ORDER, OTHER_PLAN, PLAN, START, TABLE, Deeds, names_nobody
from regionfast.errors import AuditError, DocumentError
from regionfast.meetings.audit.receipt import Receipt, Row, open_receipt


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    made = Deeds(tmp_path)
    made.plan()
    made.eject("a", "b")
    return made


# As a file.


def test_it_comes_back_as_it_was(deeds: Deeds, tmp_path: Path) -> None:
    for receipt in (
        deeds.receipt("a"),
        deeds.receipt("a", plan=None),
        replace(
            deeds.receipt("é\u2028"),
            row=Row(meeting="m", connection=None, participant=None, addresses=("1.2.3.4", "2400:c800::7")),
        ),
    ):
        text = receipt.to_json()
        assert text.isascii()
        assert len(text) < 1000
        assert Receipt.from_json(text) == receipt
        path = tmp_path / "receipt.json"
        path.write_text(text, "ascii")
        assert Receipt.load(path) == receipt
        names_nobody(repr(receipt))


def changed(deeds: Deeds, **members: Any) -> str:
    """The text of a receipt with other members."""
    return json.dumps(json.loads(deeds.receipt("a").to_json()) | members)


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"version": 2}, "version 1"),
        ({"more": 1}, "key too many"),
        ({"plan": "A" * 64}, "`plan`"),
        ({"plan": 7}, "`plan`"),
        ({"plan": "a" * 63 + "\n"}, "`plan`"),
        ({"scope": None}, "`scope`"),
        ({"scope": "../" + "a" * 29}, "`scope`"),
        ({"connection": "x"}, "`connection`"),
        ({"by": 1}, "`by`"),
        ({"row_key": "AAAA"}, "`row_key`"),
        ({"row_key": "é" * 44}, "`row_key`"),
        ({"row_key": None}, "`row_key`"),
        ({"row": None}, "`row`"),
        ({"row": {}}, "`row.addresses` is missing"),
        ({"row": {"addresses": "x", "connection": "c", "meeting": "m", "participant": None}}, "`row.addresses`"),
        ({"row": {"addresses": [7], "connection": "c", "meeting": "m", "participant": None}}, "`row.addresses`"),
        ({"row": {"addresses": [], "connection": "c", "meeting": None, "participant": None}}, "`row.meeting`"),
        ({"row": {"addresses": [], "connection": 7, "meeting": "m", "participant": None}}, "`row.connection`"),
        ({"row": {"addresses": [], "connection": "c", "meeting": "m", "participant": []}}, "`row.participant`"),
    ],
)
def test_what_is_none_is_refused(deeds: Deeds, members: dict[str, Any], what: str) -> None:
    with pytest.raises(DocumentError) as caught:
        Receipt.from_json(changed(deeds, **members), "r.json")
    assert str(caught.value).startswith("r.json: ")
    assert what in str(caught.value)
    names_nobody(str(caught.value))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"a":1,"a":1}', "NaN", "[" * 100_000, b"\xff\xfe"])
def test_what_is_no_receipt_at_all_is_refused(text: str | bytes) -> None:
    with pytest.raises(DocumentError):
        Receipt.from_json(text)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"cannot read .*none\.json"):
        Receipt.load(tmp_path / "none.json")
    large = tmp_path / "large.json"
    large.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(DocumentError, match="larger than 1,048,576 bytes"):
        Receipt.load(large)


# What it opens.


def test_it_says_what_was_done(deeds: Deeds) -> None:
    deeds.at(7)
    deeds.undo("a")
    opened = open_receipt(str(deeds.audit), deeds.receipt("a"))
    assert (opened.by, opened.plan, opened.connection) == (ORDER, PLAN, deeds.receipt("a").connection)
    assert (opened.effect, opened.outcome, opened.region) == ("eject", "done", "CN")
    assert (opened.at, opened.settled_at) == (START, START)
    assert opened.table == TABLE
    assert opened.entry is not None
    assert opened.entry["issuer"] == "cn-authority"
    assert opened.approvers == ("ops-1", "ops-2")
    assert opened.released_at is not None
    assert (opened.released_at - START).seconds == 7
    plain = opened.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["released_at"] == "2026-11-24T12:00:07.000Z"
    names_nobody(repr(opened), json.dumps(plain))


def test_without_a_result_it_says_so(deeds: Deeds) -> None:
    deeds.intend("c")
    opened = open_receipt(deeds.audit, deeds.receipt("c"))
    assert (opened.outcome, opened.settled_at, opened.released_at) == (None, None, None)


def test_the_last_result_counts_and_all_who_approved(deeds: Deeds) -> None:
    deeds.intend("c")
    deeds.settle("c", outcome="retry")
    deeds.plan(resumed=True, approvers=("ops-3",))
    deeds.settle("c", outcome="already-gone")
    opened = open_receipt(deeds.audit, deeds.receipt("c"))
    assert (opened.outcome, opened.approvers) == ("already-gone", ("ops-1", "ops-2", "ops-3"))


@pytest.mark.parametrize("outcome", ["failed", "retry"])
def test_an_undoing_that_failed_released_nobody(deeds: Deeds, outcome: str) -> None:
    deeds.undo("a", outcome=outcome)
    opened = open_receipt(deeds.audit, deeds.receipt("a"))
    assert (opened.outcome, opened.released_at) == ("done", None)


def test_another_plan_about_the_same_person_is_another_row(deeds: Deeds) -> None:
    deeds.plan(OTHER_PLAN, approvers=("ops-9",))
    deeds.intend("a", plan=OTHER_PLAN, effect="hold")
    deeds.settle("a", plan=OTHER_PLAN, effect="hold", outcome="failed")
    first = open_receipt(deeds.audit, deeds.receipt("a"))
    second = open_receipt(deeds.audit, deeds.receipt("a", plan=OTHER_PLAN))
    assert (first.effect, first.outcome, first.approvers) == ("eject", "done", ("ops-1", "ops-2"))
    assert (second.effect, second.outcome, second.approvers) == ("hold", "failed", ("ops-9",))


def test_a_denial_at_the_door(deeds: Deeds) -> None:
    opened = open_receipt(deeds.audit, deeds.join("d"))
    assert (opened.effect, opened.plan, opened.outcome, opened.entry) == ("deny", None, None, None)
    assert opened.table == {"digest": TABLE["digest"]}
    assert (opened.region, opened.approvers) == ("CN", ())


def test_it_needs_no_key(deeds: Deeds) -> None:
    receipt = Receipt.from_json(deeds.receipt("a").to_json())
    for path in deeds.key_folder.iterdir():
        path.unlink()
    assert open_receipt(deeds.audit, receipt).outcome == "done"


def forged(deeds: Deeds) -> list[Receipt]:
    """Receipts that were changed, or made from parts of others."""
    mine, theirs = deeds.receipt("a"), deeds.receipt("b")
    elsewhere = deeds.receipt("a", meeting="other")
    return [
        replace(mine, row=replace(mine.row, participant="person-b")),
        replace(mine, row=replace(mine.row, addresses=("36.1.2.4",))),
        replace(mine, row=replace(mine.row, addresses=())),
        replace(mine, row=replace(mine.row, meeting="other")),
        replace(mine, row=theirs.row),
        replace(mine, row=theirs.row, connection=theirs.connection),
        replace(mine, connection=theirs.connection),
        replace(theirs, row_key=mine.row_key),
        replace(mine, scope=elsewhere.scope),
        replace(mine, plan=OTHER_PLAN),
        replace(mine, plan=None),
        replace(mine, by="hk-1"),
        replace(mine, row_key=b"x" * 32),
        elsewhere,
        deeds.receipt("c"),
    ]


def test_it_opens_no_other_row(deeds: Deeds) -> None:
    open_receipt(deeds.audit, deeds.receipt("b"))
    for receipt in forged(deeds):
        with pytest.raises(DocumentError, match="no record fits the receipt") as caught:
            open_receipt(deeds.audit, receipt)
        names_nobody(str(caught.value))


def test_a_receipt_of_an_undoing_is_not_one_of_the_plan(deeds: Deeds) -> None:
    deeds.undo("a")
    assert open_receipt(deeds.audit, deeds.receipt("a", plan=INVERSE)).effect == "clear"
    assert open_receipt(deeds.audit, deeds.receipt("a")).effect == "eject"


def test_a_broken_chain_is_not_believed(deeds: Deeds) -> None:
    path = deeds.audit / "act.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"region":"CN"', b'"region":"US"', 1))
    with pytest.raises(AuditError, match="broken"):
        open_receipt(deeds.audit, deeds.receipt("a"))


def test_the_row_is_committed_to_in_all_its_parts(deeds: Deeds) -> None:
    receipt = deeds.receipt("a")
    assert receipt.row.to_dict() == {
        "addresses": ["36.1.2.3"],
        "connection": "con-a",
        "meeting": MEETING,
        "participant": "person-a",
    }
    assert deeds.receipt("a").commitment == receipt.commitment
    assert len({deeds.receipt(name, plan=plan).commitment for name in "ab" for plan in (PLAN, OTHER_PLAN, None)}) == 6
