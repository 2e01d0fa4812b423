"""The story goes on: the plan is approved by two persons, applied over HTTP, undone, and answered for."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from http_api import serve
from http_control import HttpControl
from meeting_server import Fault, Faults, MeetingServer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import regionfast as rf
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.audit.signing import load_private_key, new_private_key, public_bytes
from regionfast.meetings.plan import PlanRow

STORY = Path(__file__).parent / "story"
APPROVERS = {"meetings-desk": "A. Ito", "legal": "B. Moreau"}
"""Ids of keys, and whose they are. The keys are made when the demo runs."""
FAULTS = {Fault.LOST_ANSWER: 0.15, Fault.RATE_LIMIT: 0.15, Fault.UNAVAILABLE: 0.1, Fault.TIME_OUT: 0.08}
SEED = 6
PATIENCE = 0.3
"""Seconds that the client waits for an answer."""
STEPS = 10
"""Width of the first column."""


class PowerCutError(Exception):
    """The process that acts is gone."""


def power_cut(_: float) -> None:
    """Instead of waiting before asking again."""
    raise PowerCutError


class Claim(NamedTuple):
    """What somebody is told at the door."""

    status: HTTPStatus
    link: str | None
    body: dict[str, object]


@dataclass(slots=True)
class Clock:
    """The time of the story."""

    now: datetime

    def __call__(self) -> datetime:
        """What time it is."""
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The operator's folder, the server with everybody in it, and the plan."""

    folder: Path
    deployment: rf.Deployment
    table: rf.Table
    plan: rf.Plan
    server: MeetingServer
    url: str
    control: HttpControl
    clock: Clock
    waits: list[float] = field(default_factory=list)
    """Seconds that would have passed before asking again: the demo does not wait."""

    @property
    def log(self) -> Path:
        """What the server writes by itself."""
        return self.folder / "server.jsonl"

    def approval(self, approver: str, *, key: str | None = None) -> Approval:
        """A signature under the plan, by the approver's own key or by another's."""
        return Approval.sign(
            self.plan,
            load_private_key(self.folder / f"{key or approver}.pem"),
            approver=approver,
            expires=self.clock.now + timedelta(hours=8),
        )

    def refusal(self, *approvals: Approval) -> str:
        """Why the plan is not applied."""
        try:
            self.plan.apply(self.control, self.deployment, approvals=approvals, clock=self.clock)
        except rf.PlanRefused as error:
            return f"[green]refused[/]: {escape(error.reasons[0])}"
        return "[red]applied[/]"

    def join(self, row: PlanRow) -> Claim:
        """Somebody of the plan asks to be let in, over HTTP, as the browser of a participant does."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        path = f"/meetings/{quote(row.meeting, safe='')}/connections/{quote(row.connection or '', safe='')}"
        body = {"participant": row.participant, "addresses": self.plan.roster.addresses(row.index)}
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
        try:
            connection.request("PUT", path, json.dumps(body))
            answer = connection.getresponse()
            return Claim(HTTPStatus(answer.status), answer.headers["Link"], json.loads(answer.read()))
        finally:
            connection.close()

    def audit(self, command: str, *words: str | Path) -> tuple[int, dict[str, object]]:
        """What another process says, `regionfast audit`, which knows the files alone."""
        called = [sys.executable, "-m", "regionfast.cli", "audit", command, *map(str, words), "--json", "--quiet"]
        ran = subprocess.run(called, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
        found = json.loads(ran.stdout or "{}")
        assert isinstance(found, dict)
        return ran.returncode, found


def set_up(folder: Path) -> rf.Deployment:
    """The deployment of the story, with approvers whose keys are made now, and a place for records."""
    lines = [(STORY / "deployment.toml").read_text(encoding="utf-8")]
    for approver, person in APPROVERS.items():
        key = base64.b64encode(public_bytes(new_private_key(folder / f"{approver}.pem"))).decode("ascii")
        lines.append(f'[[approver]]\nid = "{approver}"\nkey = "{key}"\nperson = "{person}"\n')
    lines.append(f"[audit]\ndirectory = {json.dumps(str(folder / 'audit'))}\n")
    path = folder / "deployment.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return rf.Deployment.load(path)


def counted(outcomes: Sequence[object]) -> str:
    """What came out how often, the most first."""
    return ", ".join(f"{outcome} {count}" for outcome, count in Counter(map(str, outcomes)).most_common())


def meanwhile(stage: Stage) -> str:
    """Between the plan and acting on it, people go on: one leaves, one changes networks, one becomes the only host."""
    rows, roster, server = stage.plan.rows, stage.plan.roster, stage.server
    mover, heir, leaver = rows[0], rows[len(rows) // 2], rows[len(rows) - 1]
    assert roster.roles is not None
    hosts = {str(roster.meetings[index]): index for index, role in enumerate(roster.roles) if role == "host"}
    elsewhere = roster.addresses(hosts[mover.meeting])
    server.join(mover.meeting, str(mover.connection), mover.participant, elsewhere)
    server.leave(leaver.meeting, str(leaver.connection))
    assert roster.connections is not None
    host = str(roster.connections[hosts[heir.meeting]])
    server.handover(heir.meeting, host, str(heir.connection))
    server.leave(heir.meeting, host)
    return (
        f"one of the {len(rows)} leaves, one moves to a network in {stage.table.region(elsewhere[0])},\n"
        f"and the host of {heir.meeting} leaves it to one of them, in {heir.region}"
    )


def hosts(stage: Stage) -> dict[str, str]:
    """A host of each meeting that goes on."""
    rooms = stage.server.meetings.items()
    return {meeting: room.host.connection for meeting, room in rooms if room.host is not None and not room.is_over}


def acted(stage: Stage, approvals: Sequence[Approval]) -> tuple[str, str]:
    """Act with both approvals, crash in the middle, and act again: what came of it, and what stood in its way."""
    before = hosts(stage)
    faults = stage.server.faults = Faults(FAULTS, seed=SEED)
    apply = stage.plan.apply
    try:
        result = apply(stage.control, stage.deployment, approvals=approvals, clock=stage.clock, sleep=power_cut)
    except PowerCutError:
        while True:
            result = apply(
                stage.control, stage.deployment, approvals=approvals, clock=stage.clock, sleep=stage.waits.append
            )
            if result.is_finished:
                break
    after = hosts(stage)
    handed_over = sum(host != before[meeting] for meeting, host in after.items())
    fate = ", resumed after a crash" if result.was_resumed else ""
    stage.server.faults = Faults()
    outcome = (
        f"approve: [bold]{counted(result.outcomes)}[/]{fate}\n"
        f"Meetings that go on, with a host: [bold green]{len(after)} of {len(before)}[/]; "
        f"of {handed_over} it is another host"
    )
    bans, persons = len(stage.server.bans), len(stage.server.letters)
    trouble = (
        f"{len(faults.drawn)} of {faults.calls} calls fail: {counted(faults.drawn)}; "
        f"waits of {sum(stage.waits):.0f} s are left out here\n"
        f"Nobody is ejected twice: {bans} bans, of {persons} persons"
    )
    return outcome, trouble


def at_the_door(stage: Stage) -> str:
    """Somebody who was ejected comes back."""
    row = next(row for row in stage.plan.rows if (row.meeting, row.connection) in stage.server.letters)
    claim = stage.join(row)
    body = claim.body
    return (
        f"[bold]{claim.status.value} {claim.status.phrase}[/]: a table of {str(body['table_date'])[:10]} "
        f"claims {body['region']}\n"
        f"By {body['demanded_by']} until {str(body['until'])[:10]}; contest: {body['contest']}\n"
        f"Link: {escape(str(claim.link))}"
    )


def by_hand(stage: Stage) -> str:
    """An administrator ejects somebody whom no order reaches, and the log of the server is compared."""
    planned = {(row.meeting, row.connection) for row in stage.plan.rows}
    meeting, person = next(
        (name, person)
        for name, room in reversed(stage.server.meetings.items())
        for person in room.present.values()
        if not person.is_host and (name, person.connection) not in planned
    )
    stage.server.eject_by_hand(meeting, person.connection)
    _, found = stage.audit("reconcile", stage.log, "--deployment", stage.folder / "deployment.toml")
    lines = found["unexplained"]
    assert isinstance(lines, list)
    written = stage.log.read_text(encoding="utf-8").splitlines()
    events = [json.loads(written[line - 1]) for line in lines]
    is_it = [(event["connection"], event["event"]) for event in events] == [(person.connection, "ejected")]
    fate = "[green]it is this[/]" if is_it else "[red]it is not this alone[/]"
    return (
        f"an administrator ejects somebody from {meeting}, around all this\n"
        f"`audit reconcile` explains {found['explained']}, but not [yellow]line {', '.join(map(str, lines))}[/] "
        f"of the log: {fate}"
    )


def undone(stage: Stage) -> str:
    """The order ends, and what it left behind is cleared; then everybody it named comes back."""
    stage.clock.now += timedelta(hours=1)
    text = (STORY / "policy.toml").read_text(encoding="utf-8").replace('state = "active"', 'state = "ended"')
    ended = rf.Policy.from_text(text, deployment=stage.deployment)
    inverse = stage.plan.inverse(stage.table, ended, at=stage.clock.now)
    before = len(stage.server.bans)
    inverse.apply(stage.control, stage.deployment, clock=stage.clock, sleep=stage.waits.append)
    cleared = before - len(stage.server.bans)
    left = sum(ban.notice is not None for ban in stage.server.bans.values())
    answers = Counter(stage.join(row).status for row in stage.plan.rows)
    shown = ", ".join(f"{count} x {status.value} {status.phrase}" for status, count in answers.most_common())
    return (
        f"the inverse clears {cleared} bans and leaves {left}; nobody need approve\n"
        f"The {len(stage.plan)} of the plan rejoin: [bold green]{shown}[/]"
    )


def receipt(stage: Stage) -> str:
    """One of those who were acted on shows what they were given to somebody else."""
    (_, own), (_, other), *_ = stage.server.letters.values()
    path = stage.folder / "receipt.json"
    path.write_text(own.to_json(), encoding="utf-8")
    _, found = stage.audit("open", path, "--directory", stage.folder / "audit")
    path.write_text(replace(own, connection=other.connection).to_json(), encoding="utf-8")
    code, _ = stage.audit("open", path, "--directory", stage.folder / "audit")
    fate = "[green]refused[/]" if code else "[red]opened[/]"
    return (
        f"`audit open`: {found['by']}, {found['effect']}, {found['outcome']}, claimed {found['region']}\n"
        f"The row of another person with it: {fate}"
    )


def verified(stage: Stage) -> str:
    """The records are verified, and again after one byte was changed."""
    directory = stage.folder / "audit"
    _, found = stage.audit("verify", directory)
    chains = found["chains"]
    assert isinstance(chains, list)
    records = sum(chain["records"] for chain in chains)
    sound = "[green]sound[/]" if found["sound"] else "[red]broken[/]"
    path = next(path for path in directory.glob("*.jsonl"))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"outcome":"done"', b'"outcome":"Done"', 1))
    code, _ = stage.audit("verify", directory)
    path.write_bytes(whole)
    plan, roster = stage.plan, stage.plan.roster
    named = {text for row in plan.rows for text in (row.meeting, row.connection, row.participant)}
    named.update(text for row in plan.rows for text in roster.addresses(row.index))
    names = sum(f'"{text}"'.encode() in whole for text in named)
    fate = "[green]found[/]" if code else "[red]not found[/]"
    return (
        f"`audit verify`: {records} records, {sound}; one letter changed: {fate}\n"
        f"Of {len(named)} names and addresses of the plan they hold {names}"
    )


def show_acting(console: Console, table: rf.Table, roster: rf.Roster, by: str, at: datetime) -> None:
    """All of it, a step a row."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        clock = Clock(at)
        deployment = set_up(folder)
        policy = rf.Policy.load(STORY / "policy.toml", deployment=deployment)
        server = MeetingServer(log=folder / "server.jsonl", clock=clock)
        server.seat(roster)
        token = secrets.token_urlsafe()
        with serve(server, token) as api:
            stage = Stage(
                folder=folder,
                deployment=deployment,
                table=table,
                plan=rf.plan_ejections(table, policy, roster, by=by, at=at),
                server=server,
                url=api.url,
                control=HttpControl(api.url, token, timeout=PATIENCE),
                clock=clock,
            )
            show_steps(console, stage)


def show_steps(console: Console, stage: Stage) -> None:
    """The steps in their order."""
    console.print("\n[bold]Acting on the plan, over HTTP, on an example of a server where calls go wrong[/]")
    rows = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    rows.add_column(width=STEPS)
    rows.add_column()
    first, second = (stage.approval(approver) for approver in APPROVERS)
    forged = stage.approval(second.approver, key=first.approver)
    rows.add_row("one alone", stage.refusal(first))
    rows.add_row("one as two", stage.refusal(first, forged))
    rows.add_row("meanwhile", meanwhile(stage))
    outcome, trouble = acted(stage, [first, second])
    rows.add_row("two", outcome)
    rows.add_row("", trouble)
    rows.add_row("once more", stage.refusal(first, second))
    rows.add_row("rejoining", at_the_door(stage))
    rows.add_row("by hand", by_hand(stage))
    rows.add_row("order ends", undone(stage))
    rows.add_row("a receipt", receipt(stage))
    rows.add_row("records", verified(stage))
    console.print(rows)
