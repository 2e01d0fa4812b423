"""Exports of conferencing products: the headings that their documentation names, and the times of who was there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from regionfast import exports
from regionfast.errors import RosterError
from regionfast.meetings.roster import Roster

ZOOM = """Meeting ID,Topic,Host
852 1848 6288,Lecture,h@example.com

Participant,Device,IP Address,Location,Join Time,Leave Time,Leave Reason
ann,Windows,8.8.8.8,x,2020-06-04T09:00:00Z,2020-06-04T09:30:00Z,left
ann,Windows,2400::1,x,2020-06-04T09:40:00Z,2020-06-04T10:00:00Z,left
bob,Mac,1.1.1.1,x,2020-06-04T09:00:00Z,,
"""

MEET = """Date,Event,Meeting code,Participant identifier,IP address,Duration (seconds),Conference ID,Endpoint ID,Actor
2020-06-04T09:30:00+02:00,Endpoint left,ABC,ann@example.com,8.8.8.8,600,c1,e1,x
2020-06-04T09:25:00+02:00,Presentation started,ABC,ann@example.com,8.8.8.8,,c1,e1,x
2020-06-04T10:30:00+02:00,call_ended,ABC,,2400::1,60,c2,e2,x
"""

WEBEX = """meetingId\tmeetingNumber\tdisplayName\temail\tjoinedTime\tleftTime\tparticipantType\tipAddress
i1\t123456789\tAnn\tann@example.com\t2020-06-04T10:00:00+08:00\t2020-06-04T10:20:00+08:00\thost\t8.8.8.8
i1\t123456789\tBob\t\t2020-06-04T10:00:00+08:00\t2020-06-04T10:20:00+08:00\tattendee\t1.1.1.1
"""


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode(encoding))
    return path


def at(hour: int, minute: int) -> datetime:
    return datetime(2020, 6, 4, hour, minute, tzinfo=UTC)


def test_zoom(tmp_path: Path) -> None:
    roster = Roster.from_export(written(tmp_path, ZOOM))
    assert list(roster.participants) == ["ann", "ann", "bob"]
    assert roster.meetings.values == ("852 1848 6288",)
    assert roster.families.tolist() == [4, 6, 4]
    assert (roster.connections, roster.accounts, roster.roles, roster.at) == (None, None, None, None)
    assert len(roster.warnings) == 1
    assert "names that they choose themselves" in roster.warnings[0]


@pytest.mark.parametrize(
    ("moment", "present"),
    [
        (at(8, 59), []),
        (at(9, 0), ["ann", "bob"]),
        (at(9, 29), ["ann", "bob"]),
        (at(9, 30), ["bob"]),
        (at(9, 40), ["ann", "bob"]),
        (at(10, 0), ["bob"]),
        (at(9, 45).astimezone(timezone(timedelta(hours=8))), ["ann", "bob"]),
    ],
)
def test_only_who_was_there_at_a_moment(tmp_path: Path, moment: datetime, present: list[str]) -> None:
    roster = Roster.from_export(written(tmp_path, ZOOM), at=moment)
    assert (list(roster.participants), roster.at) == (present, moment)


def test_google_meet(tmp_path: Path) -> None:
    roster = Roster.from_export(written(tmp_path, MEET))
    assert list(roster.participants) == ["ann@example.com", None]
    assert (list(roster.meetings), roster.warnings) == (["c1", "c2"], ())
    assert roster.series is not None
    assert list(roster.series) == ["ABC", "ABC"]
    assert roster.connections is not None
    assert list(roster.connections) == ["e1", "e2"]
    early = Roster.from_export(written(tmp_path, MEET), at=at(7, 20))
    assert list(early.meetings) == ["c1"]
    assert len(Roster.from_export(written(tmp_path, MEET), at=at(7, 19))) == 0
    assert len(Roster.from_export(written(tmp_path, MEET), at=at(7, 30))) == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_webex(tmp_path: Path, encoding: str) -> None:
    roster = Roster.from_export(written(tmp_path, WEBEX, encoding), at=at(2, 5))
    assert list(roster.participants) == ["ann@example.com", None]
    assert list(roster.meetings) == ["i1", "i1"]
    assert roster.roles is not None
    assert list(roster.roles) == ["host", "attendee"]


def test_a_display_name_never_stands_in_for_a_missing_id(tmp_path: Path) -> None:
    """Who calls himself by the address of somebody exempt would be exempt."""
    text = "Email,Name,IP Address,Join Time,Meeting ID\n,ann@example.com,8.8.8.8,,1\nann@example.com,x,8.8.8.8,,1\n"
    roster = Roster.from_export(written(tmp_path, text))
    assert (list(roster.participants), roster.warnings) == ([None, "ann@example.com"], ())


@pytest.mark.parametrize(
    "above",
    [
        "Meeting ID,Topic,Host\n852,Lecture,x\n",
        "Topic,Host,Meeting ID\nLecture,x,852\n",
        "Meeting ID,852\nTopic,Lecture\n",
        "Meeting ID,Topic\n852,Lecture\n",
        "Meeting ID,852\nTopic,Lecture 7\n",
        "Report\n\nTopic,Lecture\nMeeting ID:,852\n",
    ],
)
def test_the_meeting_is_named_above_the_table(tmp_path: Path, above: str) -> None:
    roster = Roster.from_export(written(tmp_path, f"{above}\nName,IP Address,Join Time\nann,8.8.8.8,\n"))
    assert list(roster.meetings) == ["852"]


@pytest.mark.parametrize(
    ("heading", "time", "zone"),
    [
        ("Join Time", "2020-06-04T09:00:00Z", None),
        ("Join Time", "2020-06-04 11:00:00+02:00", None),
        ("Join Time", "2020-06-04 11:00", ZoneInfo("Europe/Berlin")),
        ("Join Time", "06/04/2020 09:00:00 AM", UTC),
        ("Join Time", "06/04/2020 09:00 AM", UTC),
        ("Join Time (UTC)", "2020-06-04 09:00", None),
        ("Join Time(GMT)", "06/04/2020 09:00 AM", None),
        ("join_time", "2020-06-04T09:00:00.000Z", None),
        ("Join Time (UTC)", "2020-06-04 09:00", ZoneInfo("Asia/Hong_Kong")),
    ],
)
def test_times_in_their_forms(tmp_path: Path, heading: str, time: str, zone: ZoneInfo | None) -> None:
    path = written(tmp_path, f"Name,IP Address,{heading},Meeting ID\nann,8.8.8.8,{time},1\n")
    assert len(Roster.from_export(path, at=at(9, 0), zone=zone)) == 1
    assert len(Roster.from_export(path, at=at(8, 59), zone=zone)) == 0


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("2020-06-04 09:00", "line 2: a time without offset: say its zone with `zone`"),
        ("06/04/2020 09:00 AM", "line 2: a time without offset"),
        ("06/04/2020 09:00", "line 2: a time in a form that may be read in two ways"),
        ("secret", "line 2: a time in a form"),
    ],
)
def test_times_that_nobody_can_know_are_refused(tmp_path: Path, time: str, message: str) -> None:
    path = written(tmp_path, f"Name,IP Address,Join Time,Meeting ID\nann,8.8.8.8,{time},1\n")
    with pytest.raises(RosterError) as error:
        Roster.from_export(path, at=at(9, 0))
    assert message in str(error.value)
    assert "secret" not in str(error.value)
    assert len(Roster.from_export(path)) == 1, "without `at` nobody looks at them"


def test_that_nobody_was_there_is_said(tmp_path: Path) -> None:
    early = Roster.from_export(written(tmp_path, ZOOM), at=at(8, 0))
    assert len(early) == 0
    said = "nobody was there at 2020-06-04T08:00:00Z: the first joined at 2020-06-04T09:00:00Z"
    assert said in early.warnings
    there = Roster.from_export(written(tmp_path, ZOOM), at=at(9, 0))
    assert not any("nobody" in warning for warning in there.warnings)
    nobody = Roster.from_export(written(tmp_path, "Name,IP Address,Join Time,Meeting ID\n"), at=at(8, 0))
    assert "nobody was there at 2020-06-04T08:00:00Z" in nobody.warnings


def test_rows_without_a_time_are_left_out_and_said(tmp_path: Path) -> None:
    path = written(tmp_path, "Name,IP Address,Join Time,Meeting ID\nann,8.8.8.8,,1\nbob,8.8.8.8,-,1\n")
    roster = Roster.from_export(path, at=at(9, 0))
    assert len(roster) == 0
    assert "2 rows do not say when somebody joined, and were left out" in roster.warnings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.csv: is empty"),
        ("PK\x03\x04xl/workbook.xml", "is an Excel workbook: save it as CSV"),
        ("participant,address,meeting\nsecret,9.9.9.9,m\n", "Our own CSV is read by `from_csv`"),
        ("Name,Email,Join Time\nsecret,x,\n", "no headings of an export with addresses"),
        ("\n".join(["x"] * 60) + "\nName,IP Address,Join Time,Meeting ID\n", "no headings"),
        (
            "Name,IP Address,Join Time\nsecret,9.9.9.9,\n",
            "none named above the table: write a line `Meeting ID,<id>` above",
        ),
        ("Name,IP Address,Join Time,Meeting ID\nsecret,9.9.9.9\n", "line 2 has 2 cells and the heading 4"),
        ("Name,IP Address,Join Time,Meeting ID\nsecret,9.9.9.9,,\n", "`meetings`, line 2: no meeting"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RosterError) as error:
        Roster.from_export(written(tmp_path, text))
    assert message in str(error.value)
    assert "x.csv" in str(error.value)
    assert "secret" not in str(error.value)
    assert "9.9.9.9" not in str(error.value)


def test_a_moment_needs_its_offset_and_a_column(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match="`at` has no offset"):
        Roster.from_export(written(tmp_path, ZOOM), at=datetime(2020, 6, 4))  # noqa: DTZ001 - that is the case
    no_times = "Participant identifier,IP address,Conference ID\nann,8.8.8.8,1\n"
    with pytest.raises(RosterError, match="no column says when people joined: leave out `at`"):
        Roster.from_export(written(tmp_path, no_times), at=at(9, 0))


def test_parts_are_read_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CHUNK", 2)
    sheet = exports.read_export(written(tmp_path, ZOOM), at=at(9, 0))
    assert (sheet.product, sheet.columns) == ("Zoom", ("participants", "addresses", "meetings"))
    assert [part.lines for part in sheet.parts] == [[5], [7]]
