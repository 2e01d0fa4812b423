"""The example of a meeting server keeps to what it says, in memory and over HTTP, with each fault."""

from __future__ import annotations

import http.client
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from demo_acting import set_up
from http_api import LARGEST, serve
from http_control import HttpControl
from meeting_server import Door, Fault, Faults, MeetingServer, main

import regionfast as rf
from regionfast.cli.plan.control import load
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.act.control import Answer, MeetingControl, Outcome, Release, Removal
from regionfast.meetings.act.notice import Notice
from regionfast.meetings.audit.receipt import Receipt, Row
from regionfast.meetings.audit.signing import load_private_key
from regionfast.pseudonym import new_key

ROOT = Path(__file__).parent.parent
TOKEN = "a token of the tests"
AT = datetime(2020, 6, 4, 12, tzinfo=UTC)
NOTICE = Notice(
    by="cn-1",
    demanded_by="cn-authority",
    reference="r-77",
    law="article 12",
    contest="https://court.example/contest",
    until=datetime(2020, 6, 5, tzinfo=UTC),
    meeting="m 1/ü",
    region="CN",
    table="CSV",
    table_date=datetime(2020, 6, 1, tzinfo=UTC),
    blocked_by="https://meetings.example/blocking",
)
MEETING = "m 1/ü"
"""Nothing in a path may be taken for more than it is."""


def removal(connection: str, participant: str | None, key: str | None = None) -> Removal:
    row = Row(meeting=MEETING, connection=connection, participant=participant, addresses=("36.1.2.3",))
    return Removal(
        connection=connection,
        participant=participant,
        addresses=row.addresses,
        notice=NOTICE,
        receipt=Receipt.of(new_key(), "0" * 32, "cn-1", row, plan="f" * 64, name=[connection]),
        key=key or f"key of {connection}".replace(" ", "-"),
    )


def release(connection: str, residue: str | None = None) -> Release:
    return Release(connection=connection, participant=None, residue=residue, key=f"back-{connection}")


@pytest.fixture
def server(tmp_path: Path) -> MeetingServer:
    made = MeetingServer(log=tmp_path / "server.jsonl", clock=lambda: AT)
    made.open_meeting(MEETING)
    made.join(MEETING, "c/1", "alice", ["24.1.2.3"], is_host=True)
    for number in (2, 3, 4):
        made.join(MEETING, f"c/{number}", f"person {number}", ["36.1.2.3"])
    return made


@pytest.fixture
def url(server: MeetingServer) -> Iterator[str]:
    with serve(server, TOKEN) as api:
        yield api.url


@pytest.fixture(params=["memory", "http"])
def control(request: pytest.FixtureRequest, server: MeetingServer) -> Iterator[MeetingControl]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield server
        else:
            yield HttpControl(stack.enter_context(serve(server, TOKEN)).url, TOKEN, timeout=5)


def is_over(server: MeetingServer, meeting: str = MEETING) -> bool:
    return server.meetings[meeting].is_over


def there(server: MeetingServer) -> list[str]:
    return list(server.meetings[MEETING].present)


def events(tmp_path: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (tmp_path / "server.jsonl").read_text().splitlines()]
    assert all(line["time"] == "2020-06-04T12:00:00Z" and line["meeting"] == MEETING for line in lines)
    return [(line["event"], line["connection"]) for line in lines]


def test_presence_says_what_is_so(control: MeetingControl, server: MeetingServer) -> None:
    found = list(control.present(MEETING))
    assert [person.connection for person in found] == there(server)
    assert [person.is_host for person in found] == [True, False, False, False]
    assert found[1].addresses == ("36.1.2.3",)
    assert found[1].participant == "person 2"
    assert list(control.present("no such meeting")) == []


def test_an_ejection_bans_the_participant_until_it_is_cleared(
    control: MeetingControl, server: MeetingServer, tmp_path: Path
) -> None:
    asked = removal("c/2", "person 2")
    (answer,) = control.eject(MEETING, [asked])
    assert answer.outcome is Outcome.DONE
    assert answer.residue in server.bans
    assert there(server) == ["c/1", "c/3", "c/4"]
    assert server.letters[MEETING, "c/2"] == (NOTICE, asked.receipt)
    again = server.join(MEETING, "another device", "person 2", ["24.0.0.1"])
    assert (again.door, again.notice) == (Door.BANNED, NOTICE)
    assert control.clear(MEETING, [release("c/2", answer.residue)]) == [Answer(outcome=Outcome.DONE)]
    assert server.join(MEETING, "another device", "person 2", ["24.0.0.1"]).door is Door.IN
    assert events(tmp_path)[4:] == [
        ("ejected", "c/2"),
        ("refused", "another device"),
        ("cleared", "c/2"),
        ("joined", "another device"),
    ]


def test_the_same_key_is_done_once(control: MeetingControl, server: MeetingServer) -> None:
    first = control.eject(MEETING, [removal("c/2", "person 2")])
    server.bans.clear()
    server.join(MEETING, "c/2", "person 2", ["36.1.2.3"])
    assert control.eject(MEETING, [removal("c/2", "person 2")]) == first
    assert "c/2" in there(server)
    (other,) = control.eject(MEETING, [removal("c/2", "person 2", "another-plan")])
    assert other.residue != first[0].residue


def test_a_ban_is_found_by_its_connection_where_the_answer_was_lost(
    control: MeetingControl, server: MeetingServer
) -> None:
    control.eject(MEETING, [removal("c/2", "person 2"), removal("c/3", "person 3")])
    assert control.clear(MEETING, [release("c/2")]) == [Answer(outcome=Outcome.DONE)]
    assert [ban.connection for ban in server.bans.values()] == ["c/3"]
    assert control.clear(MEETING, [release("c/4")]) == [Answer(outcome=Outcome.ALREADY_GONE)]


def test_what_was_done_by_hand_is_not_cleared(control: MeetingControl, server: MeetingServer) -> None:
    ban = server.eject_by_hand(MEETING, "c/3")
    assert ban in server.bans
    assert server.eject_by_hand(MEETING, "c/3") is None
    for residue in (None, ban):
        assert control.clear(MEETING, [release("c/3", residue)]) == [Answer(outcome=Outcome.ALREADY_GONE)]
    entry = server.join(MEETING, "c/3", "person 3", [])
    assert (entry.door, entry.notice) == (Door.BANNED, None)


def test_who_is_held_waits_and_is_admitted(control: MeetingControl, server: MeetingServer, tmp_path: Path) -> None:
    (answer,) = control.hold(MEETING, [removal("c/2", "person 2")])
    assert answer == Answer(outcome=Outcome.DONE)
    assert there(server) == ["c/1", "c/3", "c/4"]
    assert server.join(MEETING, "again", "person 2", []).door is Door.WAITING
    assert control.admit(MEETING, [release("c/2"), release("c/3")]) == [
        Answer(outcome=Outcome.DONE),
        Answer(outcome=Outcome.ALREADY_GONE),
    ]
    assert there(server) == ["c/1", "c/3", "c/4", "c/2"]
    assert events(tmp_path)[4:] == [("held", "c/2"), ("admitted", "c/2")]


def test_another_person_is_stale_and_who_is_not_there_is_gone(control: MeetingControl, server: MeetingServer) -> None:
    before = there(server)
    answers = [
        *control.eject(MEETING, [removal("c/2", "somebody else"), removal("nobody", "nobody")]),
        *control.eject("no such meeting", [removal("c/2", "person 2")]),
    ]
    assert [answer.outcome for answer in answers] == ["stale", "already-gone", "already-gone"]
    assert there(server) == before
    assert not server.bans


def test_a_meeting_ends_with_its_last_host_unless_the_role_was_handed_over(
    control: MeetingControl, server: MeetingServer
) -> None:
    server.join(MEETING, "guest", None, [], may_host=False)
    assert control.handover(MEETING, "c/1", "guest").outcome is Outcome.FAILED
    assert control.handover(MEETING, "c/1", "nobody").outcome is Outcome.FAILED
    assert control.handover(MEETING, "nobody", "c/2").outcome is Outcome.FAILED
    assert control.handover(MEETING, "c/1", "c/2").outcome is Outcome.DONE
    control.eject(MEETING, [removal("c/1", "alice")])
    assert not is_over(server)
    assert [person.connection for person in control.present(MEETING) if person.is_host] == ["c/2"]
    control.eject(MEETING, [removal("c/2", "person 2")])
    assert is_over(server)
    assert list(control.present(MEETING)) == []
    assert server.join(MEETING, "c/9", "new", []).door is Door.OVER
    assert control.eject(MEETING, [removal("c/3", "person 3")])[0].outcome is Outcome.ALREADY_GONE


def test_a_meeting_ends_with_its_last_participant(server: MeetingServer) -> None:
    server.open_meeting("other")
    server.join("other", "x", "x", [])
    server.join("other", "y", "y", [])
    server.leave("other", "x")
    assert not is_over(server, "other"), "it never had a host, so it lost none"
    server.leave("other", "y")
    assert is_over(server, "other")
    server.leave("other", "y")


def test_the_door_knows_who_is_there(server: MeetingServer) -> None:
    assert server.join("no such meeting", "c", "p", []).door is Door.UNKNOWN
    assert server.join(MEETING, "c/2", "somebody else", []).door is Door.TAKEN
    assert server.join(MEETING, "c/1", "alice", ["24.9.9.9"]).door is Door.IN
    alice = server.meetings[MEETING].present["c/1"]
    assert (alice.addresses, alice.is_host) == (("24.9.9.9",), True)


@pytest.mark.parametrize(
    ("fault", "outcomes", "is_done"),
    [
        (Fault.RATE_LIMIT, ["retry"], False),
        (Fault.UNAVAILABLE, ["retry"], False),
        (Fault.REFUSAL, ["failed"], False),
        (Fault.LIE, ["done"], False),
        (Fault.SHORT, [], True),
    ],
)
def test_a_fault_that_answers(server: MeetingServer, fault: Fault, outcomes: list[str], is_done: bool) -> None:
    server.faults = Faults({fault: 1.0})
    answers = server.eject(MEETING, [removal("c/2", "person 2")])
    assert [answer.outcome for answer in answers] == outcomes
    assert ("c/2" not in there(server)) == is_done
    assert [answer.retry_after for answer in answers] == [2.0 if fault is Fault.RATE_LIMIT else None] * len(outcomes)
    assert server.faults.drawn == [fault]


@pytest.mark.parametrize(("fault", "is_done"), [(Fault.TIME_OUT, False), (Fault.LOST_ANSWER, True)])
def test_a_fault_without_an_answer(server: MeetingServer, fault: Fault, is_done: bool) -> None:
    server.faults = Faults({fault: 1.0})
    with pytest.raises((TimeoutError, ConnectionError)):
        server.eject(MEETING, [removal("c/2", "person 2")])
    assert ("c/2" not in there(server)) == is_done
    with pytest.raises((TimeoutError, ConnectionError)):
        server.present(MEETING)


@pytest.mark.parametrize(
    ("fault", "outcome", "retry_after", "is_done"),
    [
        (Fault.RATE_LIMIT, "retry", 2.0, False),
        (Fault.UNAVAILABLE, "retry", None, False),
        (Fault.REFUSAL, "failed", None, False),
        (Fault.LIE, "done", None, False),
        (Fault.SHORT, "retry", None, True),
        (Fault.TIME_OUT, "retry", None, False),
        (Fault.LOST_ANSWER, "retry", None, True),
    ],
)
def test_faults_over_http(
    server: MeetingServer, url: str, fault: Fault, outcome: str, retry_after: float | None, is_done: bool
) -> None:
    control = HttpControl(url, TOKEN, timeout=0.3 if fault is Fault.TIME_OUT else 5)
    server.faults = Faults({fault: 1.0})
    (answer,) = control.eject(MEETING, [removal("c/2", "person 2")])
    assert (answer.outcome, answer.retry_after) == (outcome, retry_after)
    assert ("c/2" not in there(server)) == is_done
    if fault in {Fault.TIME_OUT, Fault.LOST_ANSWER, Fault.RATE_LIMIT, Fault.UNAVAILABLE}:
        with pytest.raises((TimeoutError, ConnectionError)):
            control.present(MEETING)


def test_a_lie_shows_who_is_gone(server: MeetingServer) -> None:
    server.leave(MEETING, "c/2")
    server.faults = Faults({Fault.LIE: 1.0})
    assert "c/2" in [person.connection for person in server.present(MEETING)]


def test_lost_answers_lose_only_their_own_rows(server: MeetingServer, url: str) -> None:
    server.faults = Faults({Fault.LOST_ANSWER: 0.5}, seed=3)
    rows = [removal(f"c/{number}", f"person {number}") for number in (2, 3, 4)]
    answers = HttpControl(url, TOKEN).eject(MEETING, rows)
    residues = [answer.residue for answer in answers if answer.outcome == "done"]
    assert 0 < len(residues) < 3
    assert set(residues) < set(server.bans)
    assert len(server.faults.drawn) == 3 - len(residues)


def test_the_same_seed_gives_the_same_faults() -> None:
    def drawn(seed: int) -> list[Fault | None]:
        faults = Faults.parse("lost-answer=0.25,rate-limit=0.25", seed=seed)
        return [faults.draw() for _ in range(400)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert set(drawn(1)) == {None, Fault.LOST_ANSWER, Fault.RATE_LIMIT}
    assert 150 < drawn(1).count(None) < 250


@pytest.mark.parametrize("text", ["surprise=0.1", "lie", "lie=2", "lie=0.6,short=0.6", "lie=-0.1", "lie=nan"])
def test_faults_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|float"):
        Faults.parse(text)


# Over HTTP alone.


def request(
    url: str, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, str], dict[str, object]]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        text = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        connection.request(method, path, text, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read() or b"{}")
    finally:
        connection.close()


ROOM = "/meetings/m%201%2F%C3%BC/connections"
SHOWN = f"Bearer {TOKEN}"


def test_a_banned_person_is_told_why(server: MeetingServer, url: str) -> None:
    HttpControl(url, TOKEN).eject(MEETING, [removal("c/2", "person 2")])
    status, headers, body = request(url, "PUT", f"{ROOM}/new", {"participant": "person 2", "addresses": ["24.0.0.1"]})
    assert status == 451
    assert headers["Link"] == '<https://meetings.example/blocking>; rel="blocked-by"'
    assert body == NOTICE.to_dict()
    server.eject_by_hand(MEETING, "c/3")
    assert request(url, "PUT", f"{ROOM}/c%2F3", {"participant": "person 3"})[0] == 403
    HttpControl(url, TOKEN).hold(MEETING, [removal("c/4", "person 4")])
    status, _, body = request(url, "PUT", f"{ROOM}/new", {"participant": "person 4"})
    assert (status, body) == (202, NOTICE.to_dict())
    assert request(url, "PUT", f"{ROOM}/c%2F1", {"participant": "person 9"})[0] == 409
    assert request(url, "PUT", f"{ROOM}/new", {"participant": "person 9"})[0] == 201
    assert request(url, "PUT", "/meetings/other/connections/new")[0] == 404
    server.leave(MEETING, "c/1")
    assert request(url, "PUT", f"{ROOM}/c", {"participant": "person 8"})[0] == 410


@pytest.mark.parametrize("shown", [{}, {"Authorization": "Bearer another"}, {"Authorization": TOKEN}])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ROOM), ("PUT", f"{ROOM}/c%2F2/ban"), ("DELETE", f"{ROOM}/c%2F2/ban"), ("PUT", f"{ROOM}/c%2F2/host")],
)
def test_without_the_token_nothing(
    server: MeetingServer, url: str, shown: dict[str, str], method: str, path: str
) -> None:
    status, headers, body = request(url, method, path, **shown)
    assert (status, headers["WWW-Authenticate"], body) == (401, "Bearer", {"error": "Unauthorized"})
    assert len(there(server)) == 4


def test_a_wrong_token_is_said(url: str) -> None:
    control = HttpControl(url, "another")
    with pytest.raises(PermissionError, match="401"):
        control.present(MEETING)
    assert control.eject(MEETING, [removal("c/2", "person 2")]) == [Answer(outcome=Outcome.FAILED)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/meetings/m%201%2F%C3%BC"),
        ("PUT", "/meetings/m%201%2F%C3%BC"),
        ("DELETE", ROOM),
        ("DELETE", f"{ROOM}/c%2F1"),
        ("DELETE", f"{ROOM}/c%2F1/host"),
        ("GET", "/"),
        ("GET", f"{ROOM}/c%2F1/ban"),
    ],
)
def test_no_request_ends_a_meeting_or_takes_the_role_of_a_host(
    server: MeetingServer, url: str, method: str, path: str
) -> None:
    assert request(url, method, path, Authorization=SHOWN)[0] in {404, 405}
    assert there(server) == ["c/1", "c/2", "c/3", "c/4"]
    assert server.meetings[MEETING].present["c/1"].is_host


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 60_000, 400),
        (b" " * (LARGEST + 1), 413),
        ({"participant": 7}, 400),
        ({"participant": "person 2", "addresses": "36.1.2.3"}, 400),
        ({"participant": "person 2", "addresses": [], "notice": {"until": "soon"}}, 400),
        ({"participant": "person 2", "addresses": [], "notice": NOTICE.to_dict(), "receipt": "{}"}, 400),
        ({"participant": "person 2", "addresses": [], "notice": {"by": ["x"]}, "receipt": "{}"}, 400),
    ],
)
def test_bad_bodies_do_nothing(server: MeetingServer, url: str, body: object, status: int) -> None:
    found = request(url, "PUT", f"{ROOM}/c%2F2/ban", body, Authorization=SHOWN, Idempotency_Key="k")
    assert found[0] == status
    assert len(there(server)) == 4


def test_a_body_without_a_length_is_not_read(url: str) -> None:
    for headers in ({"Transfer_Encoding": "chunked"}, {"Content_Length": "many"}, {"Content_Length": "-1"}):
        assert request(url, "PUT", f"{ROOM}/c", b"", **headers)[0] in {400, 411, 413}


def test_a_removal_needs_a_key(server: MeetingServer, url: str) -> None:
    assert request(url, "DELETE", f"{ROOM}/c%2F2/ban", Authorization=SHOWN)[0] == 400
    assert len(there(server)) == 4


def test_the_command_can_be_given_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEETING_SERVER", url)
    monkeypatch.setenv("MEETING_TOKEN", TOKEN)
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = load(("http_control", "HttpControl.from_environment"))
    assert len(list(found.present(MEETING))) == 4


def test_many_at_once_leave_one_ban_each(server: MeetingServer, url: str) -> None:
    answers: list[Answer] = []

    def ask() -> None:
        control = HttpControl(url, TOKEN)
        answers.extend(control.eject(MEETING, [removal(f"c/{number}", f"person {number}") for number in (2, 3, 4)]))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.bans) == 3
    assert [answer.outcome for answer in answers] == ["done"] * 18
    assert {answer.residue for answer in answers} == set(server.bans)


def test_nothing_names_people(server: MeetingServer, capfd: pytest.CaptureFixture[str], url: str) -> None:
    control = HttpControl(url, TOKEN)
    control.eject(MEETING, [removal("c/2", "person 2")])
    written = repr([server.meetings, server.bans, *control.present(MEETING)]) + "".join(capfd.readouterr())
    for name in ("person", "alice", "c/2", "36.1.2.3", "24.1.2.3"):
        assert name not in written.replace("Person(", "").replace("Meeting(", "")


def test_every_path_of_acting_can_fail(tmp_path: Path) -> None:
    story = ROOT / "examples" / "story"
    table = rf.open(story / "table.csv", built_at=datetime(2020, 6, 1, tzinfo=UTC))
    roster = rf.Roster.from_csv(story / "roster.csv")
    outcomes: set[Outcome] = set()
    drawn: set[Fault] = set()
    for seed, rate in enumerate([0.0, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.12]):
        folder = tmp_path / str(seed)
        folder.mkdir()
        deployment = set_up(folder)
        policy = rf.Policy.load(story / "policy.toml", deployment=deployment)
        plan = rf.plan_ejections(table, policy, roster, by="cn-2020-06-04", at=AT)
        server = MeetingServer(clock=lambda: AT)
        server.seat(roster)
        only = server.meetings["604-002"].present
        server.handover("604-002", "c12", "c13")
        server.leave("604-002", "c12")
        for person in only.values():
            person.may_host = person.is_host
        server.leave("604-003", "c23")
        server.join("604-001", "c02", "u02", ["24.3.17.9"])
        kinds = [fault for fault in Fault if fault is not Fault.LIE or seed % 2]
        server.faults = Faults(dict.fromkeys(kinds, rate) | {Fault.REFUSAL: 2 * rate}, seed=seed)
        approvals = [
            Approval.sign(
                plan,
                load_private_key(folder / f"{approver.id}.pem"),
                approver=approver.id,
                expires=AT + timedelta(hours=1),
            )
            for approver in deployment.approvers
        ]
        applied = plan.apply(server, deployment, approvals=approvals, clock=lambda: AT, sleep=lambda _: None)
        outcomes.update(applied.outcomes)
        drawn.update(server.faults.drawn)
        if seed == 0:
            assert applied.counts == {"done": 4, "stale": 1, "already-gone": 1, "would-end-meeting": 1}
        if Fault.LIE not in kinds:  # of a presence that is made up no one can make anything
            assert not any(meeting.is_over for meeting in server.meetings.values())
        planned = {(row.meeting, row.connection) for row in plan.rows}
        assert {(ban.meeting, ban.connection) for ban in server.bans.values()} <= planned
    assert outcomes == set(Outcome)
    assert drawn == set(Fault)


def test_seating_a_roster() -> None:
    roster = rf.Roster(
        ["a", "b", "b"],
        ["24.1.1.1", "36.1.1.1", "36.1.1.2"],
        meetings=["m", "m", "m"],
        roles=["host", None, None],
        connections=["1", "2", "2"],
    )
    server = MeetingServer()
    server.seat(roster)
    found = server.present("m")
    assert [(person.connection, person.is_host, person.addresses) for person in found] == [
        ("1", True, ("24.1.1.1",)),
        ("2", False, ("36.1.1.1", "36.1.1.2")),
    ]


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    examples = ROOT / "examples"
    command: list[str | Path] = [
        sys.executable,
        examples / "meeting_server.py",
        "--port",
        "0",
        "--log",
        tmp_path / "log",
    ]
    command += ["--roster", examples / "story" / "roster.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            url, token = program.stdout.readline().strip(), program.stdout.readline().strip().partition("=")[2]
            assert len(HttpControl(url, token).present("604-003")) == 8
        finally:
            program.terminate()


def test_a_call_that_it_does_not_understand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--faults", "surprise=1"])
    assert "is no fault" in capsys.readouterr().err


def test_a_control_has_no_way_to_end_a_meeting_or_suspend_a_host() -> None:
    names = {name for name, _ in inspect.getmembers(HttpControl, inspect.isfunction) if not name.startswith("_")}
    assert names == {"present", "handover", "eject", "hold", "admit", "clear"}
