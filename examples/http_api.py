"""The meeting server over HTTP: a resource for each connection, and none that stands for ending a meeting.

| request | what | who |
|---|---|---|
| `GET /meetings/M/connections` | who is there | control |
| `PUT /meetings/M/connections/C` | join: 201, 202 waiting, 451 (RFC 7725) by an order or rule, 403 by hand | anybody |
| `PUT /meetings/M/connections/C/host` | make it a host, because `leaving` is about to leave | control |
| `PUT /meetings/M/connections/C/ban`, `DELETE` | eject and ban; clear the ban | control |
| `PUT /meetings/M/connections/C/hold`, `DELETE` | move to the waiting room; let in | control |

Every request of a control carries the bearer token; those for bans and holds an `Idempotency-Key` too. Done is 200,
nothing left to do 404, or 410 in a meeting that is over, another person 409, refused 422, later 429 or 503 with or
without `Retry-After`. A real server would also ask who wants to join; this one believes them.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import parse_qs, unquote, urlsplit

from regionfast.meetings.act.control import Answer, Outcome, Release, Removal
from regionfast.meetings.act.notice import Notice
from regionfast.meetings.audit.receipt import Receipt

if TYPE_CHECKING:
    # Not when it runs: the server may be the program itself, and then would be there twice.
    from meeting_server import MeetingServer

LARGEST: Final = 1 << 16
"""Bytes of a request's body; a removal has some two thousand."""
_PATH: Final = re.compile(r"/meetings/([^/]{1,500})/connections(?:/([^/]{1,500})(?:/(host|ban|hold))?)?")
_STALL: Final = 30.0
"""Seconds after which a request that is left without an answer is closed; clients give up before."""
_STATUS: Final = {
    Outcome.DONE: HTTPStatus.OK,
    Outcome.ALREADY_GONE: HTTPStatus.NOT_FOUND,
    Outcome.STALE: HTTPStatus.CONFLICT,
    Outcome.RETRY: HTTPStatus.SERVICE_UNAVAILABLE,
}
_DOORS: Final = {
    "in": HTTPStatus.CREATED,
    "waiting": HTTPStatus.ACCEPTED,
    "banned": HTTPStatus.FORBIDDEN,
    "unknown": HTTPStatus.NOT_FOUND,
    "over": HTTPStatus.GONE,
    "taken": HTTPStatus.CONFLICT,
}


class BadRequestError(Exception):
    """A request that cannot be understood; the status says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass(frozen=True, slots=True)
class Api:
    """A server that runs."""

    url: str


@contextmanager
def serve(server: MeetingServer, token: str, *, port: int = 0, host: str = "127.0.0.1") -> Iterator[Api]:
    """Serve meetings over HTTP in threads of its own, as long as the context lasts.

    Args:
        server: The meetings.
        token: What a control must show.
        port: 0 for any that is free.
        host: The address to listen at.
    """
    stopping = threading.Event()
    bound = type("Bound", (Handler,), {"meetings": server, "token": token, "stopping": stopping})
    listening = ThreadingHTTPServer((host, port), bound)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Api(f"http://{host}:{listening.server_address[1]}")
    finally:
        stopping.set()
        listening.shutdown()
        thread.join()
        listening.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request, or several over one connection of HTTP."""

    meetings: ClassVar[MeetingServer]
    token: ClassVar[str]
    stopping: ClassVar[threading.Event]
    protocol_version = "HTTP/1.1"
    server_version = "example"
    sys_version = ""
    timeout = _STALL

    def do_GET(self) -> None:
        """Read."""
        self._handle("GET")

    def do_PUT(self) -> None:
        """Make something so."""
        self._handle("PUT")

    def do_DELETE(self) -> None:
        """Make something not so."""
        self._handle("DELETE")

    def log_message(self, *_: object) -> None:
        """Write nothing: paths name people."""

    def _handle(self, method: str) -> None:
        try:
            self._route(method)
        except BadRequestError as error:
            # What was not read of a body would be taken for the next request.
            self.close_connection = True
            self._send(error.status, {"error": str(error)})
        except TimeoutError:
            self.stopping.wait(_STALL)
            self.close_connection = True
        except ConnectionError:
            self.close_connection = True

    def _route(self, method: str) -> None:
        body = self._body()
        found = _PATH.fullmatch(urlsplit(self.path).path)
        if found is None:
            raise BadRequestError(HTTPStatus.NOT_FOUND)
        meeting, connection = unquote(found[1]), unquote(found[2] or "")
        if (method, found[3]) == ("PUT", None) and connection:
            self._join(meeting, connection, body)
            return
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise BadRequestError(HTTPStatus.UNAUTHORIZED)
        if connection:
            self._act(method, found[3], meeting, connection, body)
        else:
            self._present(method, meeting)

    def _body(self) -> dict[str, object]:
        """The object in the request's body; an empty one where there is none."""
        if "Transfer-Encoding" in self.headers:
            raise BadRequestError(HTTPStatus.LENGTH_REQUIRED)
        try:
            length = int(self.headers.get("Content-Length", "0"))
        except ValueError:
            raise BadRequestError(HTTPStatus.BAD_REQUEST) from None
        if not 0 <= length <= LARGEST:
            raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        text = self.rfile.read(length)
        try:
            found = json.loads(text or b"{}")
        except (ValueError, RecursionError):
            raise BadRequestError(HTTPStatus.BAD_REQUEST) from None
        if not isinstance(found, dict):
            raise BadRequestError(HTTPStatus.BAD_REQUEST)
        return found

    def _present(self, method: str, meeting: str) -> None:
        if method != "GET":
            raise BadRequestError(HTTPStatus.METHOD_NOT_ALLOWED)
        room = self.meetings.meetings.get(meeting)
        try:
            there = self.meetings.present(meeting)
        except ConnectionResetError:
            raise
        except ConnectionError:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, {})
            return
        if room is None:
            self._send(HTTPStatus.NOT_FOUND, {})
        elif room.is_over and not there:
            self._send(HTTPStatus.GONE, {})
        else:
            self._send(HTTPStatus.OK, {"connections": [asdict(person) for person in there]})

    def _act(self, method: str, what: str | None, meeting: str, connection: str, body: dict[str, object]) -> None:
        match method, what:
            case "PUT", "host":
                self._answer(meeting, self.meetings.handover(meeting, _text(body, "leaving"), connection))
            case "PUT", "ban":
                self._answer(meeting, *self.meetings.eject(meeting, [self._removal(connection, body)]))
            case "PUT", "hold":
                self._answer(meeting, *self.meetings.hold(meeting, [self._removal(connection, body)]))
            case "DELETE", "ban":
                self._answer(meeting, *self.meetings.clear(meeting, [self._release(connection)]))
            case "DELETE", "hold":
                self._answer(meeting, *self.meetings.admit(meeting, [self._release(connection)]))
            case _:
                raise BadRequestError(HTTPStatus.METHOD_NOT_ALLOWED)

    def _join(self, meeting: str, connection: str, body: dict[str, object]) -> None:
        entry = self.meetings.join(meeting, connection, _optional(body, "participant"), _texts(body, "addresses"))
        if entry.notice is None:
            self._send(_DOORS[entry.door], {})
            return
        status, headers, notice = entry.notice.to_http()
        self._send(HTTPStatus(status) if entry.door == "banned" else _DOORS[entry.door], notice, headers)

    def _removal(self, connection: str, body: dict[str, object]) -> Removal:
        try:
            return Removal(
                connection=connection,
                participant=_optional(body, "participant"),
                addresses=_texts(body, "addresses"),
                notice=_notice(body.get("notice")),
                receipt=Receipt.from_json(_text(body, "receipt")),
                key=self._key(),
            )
        except (TypeError, ValueError):
            raise BadRequestError(HTTPStatus.BAD_REQUEST) from None

    def _release(self, connection: str) -> Release:
        query = parse_qs(urlsplit(self.path).query)
        return Release(
            connection=connection,
            participant=None,
            residue=next(iter(query.get("residue", ())), None),
            key=self._key(),
        )

    def _key(self) -> str:
        key = self.headers.get("Idempotency-Key")
        if not key:
            raise BadRequestError(HTTPStatus.BAD_REQUEST)
        return key

    def _answer(self, meeting: str, *answers: Answer) -> None:
        if not answers:  # one was too few
            raise ConnectionResetError
        (answer,) = answers
        status = _STATUS.get(answer.outcome, HTTPStatus.UNPROCESSABLE_ENTITY)
        headers = {}
        if answer.retry_after is not None:
            status = HTTPStatus.TOO_MANY_REQUESTS
            headers["Retry-After"] = f"{answer.retry_after:.0f}"
        room = self.meetings.meetings.get(meeting)
        if status is HTTPStatus.NOT_FOUND and room is not None and room.is_over:
            status = HTTPStatus.GONE
        self._send(status, {"residue": answer.residue} if answer.residue else {}, headers)

    def _send(self, status: HTTPStatus, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        text = json.dumps(body).encode()
        with contextlib.suppress(ConnectionError):  # who asked is gone
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if status is HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", "Bearer")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise BadRequestError(HTTPStatus.BAD_REQUEST)
    return value


def _optional(body: Mapping[str, object], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _texts(body: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = body.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadRequestError(HTTPStatus.BAD_REQUEST)
    return tuple(values)


def _notice(value: object) -> Notice:
    """What `Notice.to_dict` wrote."""
    if not isinstance(value, dict):
        raise BadRequestError(HTTPStatus.BAD_REQUEST)
    times = {name: value.get(name) for name in ("until", "table_date")}
    read = {name: None if at is None else datetime.fromisoformat(str(at)).astimezone(UTC) for name, at in times.items()}
    if not all(text is None or isinstance(text, str) for text in value.values()):
        raise BadRequestError(HTTPStatus.BAD_REQUEST)
    return Notice(**{**value, **read})
