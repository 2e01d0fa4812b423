"""The log of a server against the records: what plans explain, what they do not, and logs that are in a bad way."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections.abc import Callable, Iterable
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from meetings.audit.deeds import MEETING, ORDER, OTHER_PLAN, START, Deeds, names_nobody
from regionfast.errors import AuditError, DocumentError
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.reconcile import Reconciliation, reconcile

Line = dict[str, object]


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    return Deeds(tmp_path)


def line(name: str, seconds: float = 0, *, event: str = "ejected", meeting: str = MEETING) -> Line:
    at = (START + timedelta(seconds=seconds)).isoformat()
    return {"time": at, "meeting": meeting, "connection": f"con-{name}", "event": event}


def compared(deeds: Deeds, lines: Iterable[Line] | bytes, *, minutes: float = 5) -> Reconciliation:
    path = deeds.audit.parent / "server.log"
    if not isinstance(lines, bytes):
        lines = "".join(json.dumps(one) + "\n" for one in lines).encode()
    path.write_bytes(lines)
    found = reconcile(deeds.audit, deeds.key_folder, path, tolerance=timedelta(minutes=minutes))
    names_nobody(repr(found), json.dumps(found.to_dict()))
    return found


def begun(deeds: Deeds, *names: str) -> None:
    """A plan that ejects some people."""
    deeds.plan()
    deeds.eject(*names)


# What explains.


def test_what_plans_explain_is_explained(deeds: Deeds) -> None:
    begun(deeds, "a", "b")
    found = compared(deeds, [line("a"), line("c", event="left"), line("b", 1)])
    assert (found.lines, found.events, found.explained, found.unseen) == (3, 2, 2, 0)
    assert (found.unexplained, found.undecidable, found.unreadable, found.warnings) == ((), (), (), ())
    assert found.is_clean


def test_somebody_who_was_never_planned(deeds: Deeds) -> None:
    begun(deeds, "a")
    found = compared(deeds, [line("a"), line("b"), line("a", meeting="other"), line("b", event="held")])
    assert (found.explained, found.unexplained, found.is_clean) == (1, (2, 3, 4), False)


def test_without_any_record_nothing_is_explained(deeds: Deeds) -> None:
    assert compared(deeds, [line("a")]).unexplained == (1,)
    assert not deeds.key_folder.exists()


def test_by_hand_after_a_legitimate_one_is_over(deeds: Deeds) -> None:
    begun(deeds, "a")
    deeds.at(30)
    deeds.undo("a")
    found = compared(deeds, [line("a", 1), line("a", 3600)])
    assert (found.explained, found.unexplained) == (1, (2,))
    # Within the tolerance, too: a row that was asked for once explains one ejection.
    assert compared(deeds, [line("a", 1), line("a", 60)]).unexplained == (2,)


@pytest.mark.parametrize(("seconds", "is_explained"), [(-301, False), (-300, True), (310, True), (311, False)])
def test_the_tolerance_is_around_intent_and_result(deeds: Deeds, seconds: float, *, is_explained: bool) -> None:
    deeds.plan()
    deeds.intend("a")
    deeds.at(10)
    deeds.settle("a")
    assert compared(deeds, [line("a", seconds)]).explained == is_explained


def test_without_tolerance_and_below_it(deeds: Deeds) -> None:
    begun(deeds, "a")
    assert compared(deeds, [line("a", 0.001)], minutes=0).unexplained == (1,)
    assert compared(deeds, [line("a", 0)], minutes=0).explained == 1
    with pytest.raises(ValueError, match="below zero"):
        compared(deeds, [], minutes=-1)


def test_the_effect_must_be_the_one_that_was_planned(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a", effect="hold")
    deeds.settle("a", effect="hold")
    assert compared(deeds, [line("a")]).unexplained == (1,)
    assert compared(deeds, [line("a", event="held")]).explained == 1
    deeds.undo("a", effect="admit")
    assert compared(deeds, [line("a", event="admitted")]).events == 0


def test_asked_twice_it_may_have_been_done_twice(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a")
    deeds.settle("a", attempts=2)
    assert compared(deeds, [line("a"), line("a", 1), line("a", 2)]).unexplained == (3,)


def test_two_plans_explain_two_ejections(deeds: Deeds) -> None:
    begun(deeds, "a")
    deeds.at(3600)
    deeds.plan(OTHER_PLAN)
    deeds.eject("a", plan=OTHER_PLAN)
    found = compared(deeds, [line("a"), line("a", 3600), line("a", 1800)])
    assert (found.explained, found.unexplained) == (2, (3,))


def test_another_order_explains_it_too(deeds: Deeds) -> None:
    deeds.plan(by="hk-1")
    deeds.eject("a", by="hk-1")
    begun(deeds, "b")
    assert compared(deeds, [line("a"), line("b")]).explained == 2


def test_a_crash_leaves_an_intent_that_explains(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a", "b")
    assert compared(deeds, [line("a")]).explained == 1
    assert compared(deeds, [line("a", 301)]).unexplained == (1,)
    deeds.at(40)
    deeds.settle("b")  # so the process lived until then
    assert compared(deeds, [line("a", 330)]).explained == 1


def test_between_a_crash_and_going_on_nothing_is_explained(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a", "b")
    deeds.settle("b", outcome="retry")
    deeds.at(7200)
    deeds.plan(resumed=True)
    deeds.at(7210)
    deeds.settle("a", "b")
    for name in "ab":
        assert [compared(deeds, [line(name, at)]).explained for at in (0, 3600, 7100, 7400, 7511)] == [1, 0, 1, 1, 0]


def test_what_was_settled_is_not_asked_for_again_when_a_plan_goes_on(deeds: Deeds) -> None:
    begun(deeds, "a")
    deeds.at(7200)
    deeds.plan(resumed=True)
    assert compared(deeds, [line("a", 7200)]).unexplained == (1,)


def test_done_by_the_records_and_not_in_the_log(deeds: Deeds) -> None:
    begun(deeds, "a", "b", "c")
    deeds.settle("c", outcome="failed")
    deeds.intend("d")
    deeds.settle("d", outcome="already-gone")
    assert compared(deeds, [line("a")]).unseen == 1
    assert compared(deeds, [line("x", -60, event="joined"), line("x", 60, event="left")]).unseen == 2
    # The log is of another day.
    assert compared(deeds, [line("x", 7200, event="joined"), line("x", 7260, event="left")]).unseen == 0
    assert compared(deeds, b"").unseen == 0


def test_the_time_of_a_log_is_from_its_earliest_to_its_latest_line(deeds: Deeds) -> None:
    begun(deeds, "a")
    around = [line("x", seconds, event="left") for seconds in (60, -60, -10)]
    assert compared(deeds, around).unseen == 1
    assert compared(deeds, around[::-1]).unseen == 1


def test_who_was_found_gone_was_removed_by_somebody_else(deeds: Deeds) -> None:
    deeds.plan()
    deeds.settle("a", outcome="already-gone", attempts=0)
    assert compared(deeds, [line("a")]).unexplained == (1,)


def test_undoing_explains_no_removal(deeds: Deeds) -> None:
    deeds.undo("a")
    assert compared(deeds, [line("a"), line("a", event="held")]).unexplained == (1, 2)


def test_looking_makes_no_key(deeds: Deeds) -> None:
    begun(deeds, "a")
    before = sorted(path.name for path in deeds.key_folder.iterdir())
    assert compared(deeds, [line("a", meeting=f"other-{number}") for number in range(20)]).explained == 0
    assert sorted(path.name for path in deeds.key_folder.iterdir()) == before


# Keys that are gone.


def test_with_the_key_destroyed_nobody_can_say(deeds: Deeds) -> None:
    begun(deeds, "a", "b")
    deeds.eject("c", meeting="other")
    deeds.keys.destroy(deeds.keys.scope(ORDER, MEETING))
    lines = [line("a"), line("x", 1), line("y", 2), line("a", 3600), line("a", 1, event="held"), line("z", meeting="q")]
    found = compared(deeds, [*lines, line("c", meeting="other")])
    # Two rows cannot be three ejections; an hour later there was none; and none was a `held`.
    assert (found.explained, found.undecidable, found.unexplained) == (1, (1, 2), (3, 4, 5, 6))
    assert found.unseen == 0


def test_windows_of_destroyed_rows_are_apart(deeds: Deeds) -> None:
    for number in range(3):
        deeds.at(3600 * number)
        deeds.plan(f"{number}" * 64)
        deeds.eject(f"p{number}", plan=f"{number}" * 64)
    deeds.keys.destroy(deeds.keys.scope(ORDER, MEETING))
    times = (-301, 0, 1800, 3600, 5400, 7500, 7501)
    found = compared(deeds, [line(f"x{at}", at) for at in times])
    assert (found.undecidable, found.unexplained) == ((2, 4, 6), (1, 3, 5, 7))


def test_a_lost_key_is_said_and_other_keys_are_refused(deeds: Deeds, tmp_path: Path) -> None:
    begun(deeds, "a")
    deeds.eject("c", meeting="other")
    path = deeds.key_folder / f"{deeds.keys.scope(ORDER, MEETING)}.key"
    path.unlink()
    found = compared(deeds, [line("a"), line("c", meeting="other")])
    assert (found.undecidable, found.explained) == ((1,), 1)
    assert "the keys of 1 scopes are missing" in found.warnings[0]
    wrong = tmp_path / "wrong"
    with pytest.raises(AuditError, match="give the directory of the keys"):
        reconcile(deeds.audit, wrong, tmp_path / "server.log")
    assert not wrong.exists()


def test_a_broken_chain_explains_nothing(deeds: Deeds) -> None:
    begun(deeds, "a")
    path = deeds.audit / "act.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"effect":"eject"', b'"effect":"admit"', 1))
    with pytest.raises(AuditError, match="broken"):
        compared(deeds, [line("a")])


# Logs.


def as_csv(lines: Iterable[Line], *, names: str = "time,meeting,connection,event", end: str = "\r\n") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, names.split(","), lineterminator=end, restval="x")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


def test_csv_with_a_heading(deeds: Deeds) -> None:
    begun(deeds, "a")
    lines = [line("a"), line("b"), line("c", event="left")]
    for content in (
        as_csv(lines),
        as_csv(lines, end="\n"),
        b"\xef\xbb\xbf" + as_csv(lines),
        as_csv(lines, names="server,event,connection,a,meeting,time"),
        as_csv(lines).replace(b"time,meeting,connection,event", b'"Time", Meeting ,CONNECTION,Event'),
        as_csv(lines).replace(MEETING.encode(), b'" ' + MEETING.encode() + b'"'),
    ):
        found = compared(deeds, content)
        assert (found.lines, found.explained, found.unexplained) == (4, 1, (3,))


def test_gzip_is_read_as_what_is_in_it(deeds: Deeds) -> None:
    begun(deeds, "a")
    plain = as_csv([line("a"), line("b")])
    packed = gzip.compress(plain)
    assert compared(deeds, packed).unexplained == compared(deeds, plain).unexplained == (3,)
    for damaged in (packed[: len(packed) // 2], packed[:-1], packed[:30] + b"xxxx" + packed[34:], packed[:3]):
        with pytest.raises(DocumentError, match=r"cannot read .*compressed file is cut or damaged"):
            compared(deeds, damaged)


def test_times_with_any_offset_are_the_same_time(deeds: Deeds) -> None:
    begun(deeds, "a", "b", "c", "d")
    lines = []
    for name, hours in (("a", 8), ("b", -11.5), ("c", 5.75), ("d", 0)):
        at = START.astimezone(timezone(timedelta(hours=hours))).isoformat()
        lines.append(line(name) | {"time": at.replace("+00:00", "Z")})
    assert compared(deeds, lines, minutes=0).explained == 4
    assert compared(deeds, [line("a") | {"time": "2026-11-24T12:00:00+08:00"}]).unexplained == (1,)
    edge = [line("x") | {"time": "0001-01-01T00:00:00+23:59"}, line("x") | {"time": "9999-12-31T23:59:59-23:59"}]
    assert compared(deeds, edge).unexplained == (1, 2)


def test_ids_are_read_as_rosters_have_them(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("jos\u00e9", meeting="77")
    found = compared(deeds, [line("x") | {"connection": " con-jose\u0301 ", "meeting": 77}])
    assert found.explained == 1


def test_events_are_known_in_any_case(deeds: Deeds) -> None:
    begun(deeds, "a")
    assert compared(deeds, [line("a", event=" EJECTED ")]).explained == 1


def test_a_log_without_such_events_warns(deeds: Deeds) -> None:
    found = compared(deeds, [line("a", event="kicked")])
    assert found.warnings == (
        "no line has the event `ejected` or `held`: is it the right log, and are its events called so?",
    )


GOOD = json.dumps(line("a")).encode() + b"\n"


@pytest.mark.parametrize(
    "bad",
    [
        GOOD[:40] + b"\n",
        json.dumps(line("a")).encode().replace(b"con-a", b"con-\xe9") + b"\n",
        b"[1]\n",
        b"7\n",
        b"[" * 100_000 + b"\n",
        b'{"time":' + b"9" * 5000 + b"}\n",
        b'{"x":NaN}\n',
        b"\x00\x00\n",
        json.dumps(line("a") | {"time": "2026-11-24T12:00:00"}).encode() + b"\n",
        json.dumps(line("a") | {"time": "yesterday"}).encode() + b"\n",
        json.dumps(line("a") | {"time": 1_732_450_000}).encode() + b"\n",
        json.dumps(line("a") | {"time": None}).encode() + b"\n",
        json.dumps(line("a") | {"event": None}).encode() + b"\n",
        json.dumps(line("a") | {"meeting": " "}).encode() + b"\n",
        json.dumps(line("a") | {"connection": True}).encode() + b"\n",
        json.dumps(line("a") | {"connection": 1.5}).encode() + b"\n",
        b'{"event":"ejected"}\n',
        b'{"event":"ejected","meeting":"' + b"x" * 10_000_000 + b'"}\n',
    ],
    ids=lambda bad: bad[:50].decode("latin-1"),
)
def test_a_line_that_cannot_be_read_is_named_and_hides_no_other(deeds: Deeds, bad: bytes) -> None:
    begun(deeds, "a")
    found = compared(deeds, GOOD + bad + b"\n" + json.dumps(line("b")).encode())
    assert (found.lines, found.explained, found.unexplained, found.unreadable) == (4, 1, (4,), (2,))
    assert not found.is_clean
    assert found.warnings[-1].startswith("1 lines cannot be read: line 2 ")


@pytest.mark.parametrize("bad", ["x,y\n", "x,y,z,w,v\n", '"x,y,z,w\n', 'x,"y"z,q,w\n'])
def test_a_row_that_does_not_fit_the_heading_swallows_no_other(deeds: Deeds, bad: str) -> None:
    begun(deeds, "a")
    good = as_csv([line("a"), line("b")], end="\n").decode().splitlines(keepends=True)
    found = compared(deeds, "".join([*good[:2], bad, good[2]]).encode())
    assert (found.explained, found.unexplained, found.unreadable) == (1, (4,), (3,))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"time,meeting,event\n", "lacks `connection`; name them so, separated by commas"),
        (b"time;meeting;connection;event\n1;2;3;4\n", "lacks `time`, `meeting`, `connection`, `event`"),
        (b"2026-11-24T12:00:00Z,m,c,ejected\n", "line 1 is neither JSON nor a heading"),
        (b'"time,meeting\n', "line 1 is neither JSON nor a heading"),
        ("time,meeting,connection,event\n".encode("utf-16"), "line 1 is not in UTF-8"),
        ("time,größe,meeting,connection,event\n".encode("latin-1"), "line 1 is not in UTF-8"),
        (b"x" * 10_000_000, "line 1 is longer than 1,048,576 bytes"),
        (GOOD[:30], "no line can be read: line 1 is no JSON"),
        (GOOD.replace(b"+00:00", b"") * 3, "no line can be read: line 1 has a `time` without offset"),
        (b"time,meeting,connection,event\n1,m,c,ejected\n", "line 2 has a `time` that is not ISO 8601"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_log_that_cannot_be_read_at_all_says_what_and_how_to_mend_it(deeds: Deeds, content: bytes, what: str) -> None:
    with pytest.raises(DocumentError) as caught:
        compared(deeds, content)
    assert what in str(caught.value)
    assert "server.log" in str(caught.value)
    assert "\n" not in str(caught.value)
    names_nobody(str(caught.value).replace(str(deeds.audit.parent), ""))


def test_a_log_that_is_not_there(deeds: Deeds, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DocumentError, match="cannot read"):
            reconcile(deeds.audit, deeds.keys, path)


def test_other_events_need_nothing_but_their_event(deeds: Deeds) -> None:
    found = compared(deeds, b'{"event":"server-started"}\n{"event":"left","time":""}\n')
    assert (found.lines, found.unreadable) == (2, ())


# Cost.


def clocked(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@pytest.mark.long
def test_a_million_lines_take_seconds(deeds: Deeds, tmp_path: Path) -> None:
    people = [f"p{number}" for number in range(2000)]
    deeds.plan()
    for first in range(0, len(people), 100):
        deeds.intend(*people[first : first + 100])
        deeds.settle(*people[first : first + 100])
    path = tmp_path / "large.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("time,meeting,connection,event\n")
        for number in range(1_000_000):
            event = ("joined", "left", "ejected", "muted")[number % 4]
            file.write(f"{START.isoformat()},{MEETING},con-p{number // 4},{event}\n")
    found = reconcile(deeds.audit, KeyStore(deeds.key_folder), path)
    assert (found.explained, len(found.unexplained)) == (2000, 248_000)
    assert clocked(lambda: reconcile(deeds.audit, deeds.keys, path)) < 30
