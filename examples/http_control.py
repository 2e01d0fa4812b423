"""A `MeetingControl` that asks the meeting server over HTTP: where one's own product would be put in its place.

It maps what a server answers to outcomes, and what it does not answer to `TimeoutError` or `ConnectionError`. It never
asks twice by itself: asking again is for `apply`, which looks who is present before.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit

from regionfast.meetings.act.control import Answer, Outcome, Present, Release, Removal

LARGEST: Final = 1 << 24
"""Bytes of an answer: a meeting of some ten thousand."""
_GONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_LATER: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class _Response(NamedTuple):
    status: int
    body: Mapping[str, object]
    retry_after: float | None


class HttpControl:
    """Meetings behind `http_api`."""

    def __init__(self, url: str, token: str, *, timeout: float = 5.0) -> None:
        """Say where they are.

        Args:
            url: `http://HOST:PORT` or `https://…`.
            token: What the server takes from controls.
            timeout: Seconds to wait for an answer.
        """
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        if parts.hostname is None:
            raise ValueError("the server's address names no host: write http://HOST:PORT")
        host, port = parts.hostname, parts.port
        self._connect: Callable[[], http.client.HTTPConnection] = lambda: kind(host, port, timeout=timeout)
        self._token = token

    @classmethod
    def from_environment(cls) -> Self:
        """As `--control http_control:HttpControl.from_environment` takes it: MEETING_SERVER and MEETING_TOKEN."""
        return cls(os.environ["MEETING_SERVER"], os.environ["MEETING_TOKEN"])

    def present(self, meeting: str, /) -> list[Present]:
        """Who is there.

        Raises:
            PermissionError: The token is not accepted, or something else is wrong for good.
        """
        found = self._ask("GET", _path(meeting))
        if found.status in _GONE:
            return []
        if found.status in _LATER:
            raise ConnectionError(f"the server answers {found.status}")
        if found.status != HTTPStatus.OK:
            raise PermissionError(f"the server does not say who is present, it answers {found.status}")
        people = found.body.get("connections")
        if not isinstance(people, list):
            raise ConnectionError("the server says who is present in a way that is not known")
        return [_present(person) for person in people]

    def handover(self, meeting: str, leaving: str, to: str, /) -> Answer:
        """Make `to` a host."""
        found = self._ask("PUT", _path(meeting, to, "host"), {"leaving": leaving})
        return _answer(found, gone=Outcome.FAILED)

    def eject(self, meeting: str, removals: Sequence[Removal], /) -> list[Answer]:
        """Remove and ban."""
        return [self._remove(meeting, removal, "ban") for removal in removals]

    def hold(self, meeting: str, removals: Sequence[Removal], /) -> list[Answer]:
        """Move to the waiting room."""
        return [self._remove(meeting, removal, "hold") for removal in removals]

    def admit(self, meeting: str, releases: Sequence[Release], /) -> list[Answer]:
        """Let in from the waiting room."""
        return [self._release(meeting, release, "hold") for release in releases]

    def clear(self, meeting: str, releases: Sequence[Release], /) -> list[Answer]:
        """Clear bans."""
        return [self._release(meeting, release, "ban") for release in releases]

    def _remove(self, meeting: str, removal: Removal, what: str) -> Answer:
        body = {
            "participant": removal.participant,
            "addresses": list(removal.addresses),
            "notice": removal.notice.to_dict(),
            "receipt": removal.receipt.to_json(),
        }
        return self._one("PUT", _path(meeting, removal.connection, what), body, removal.key)

    def _release(self, meeting: str, release: Release, what: str) -> Answer:
        query = "" if release.residue is None else "?" + urlencode({"residue": release.residue})
        return self._one("DELETE", _path(meeting, release.connection, what) + query, None, release.key)

    def _one(self, method: str, path: str, body: Mapping[str, object] | None, key: str) -> Answer:
        try:
            return _answer(self._ask(method, path, body, key=key), gone=Outcome.ALREADY_GONE)
        except (TimeoutError, ConnectionError):
            # The answers to the other rows are worth keeping: they hold the residues.
            return Answer(outcome=Outcome.RETRY)

    def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, key: str | None = None
    ) -> _Response:
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Idempotency-Key": key} if key else {})
        text = None if body is None else json.dumps(body).encode()
        with contextlib.closing(self._connect()) as connection:
            try:
                connection.request(method, path, text, headers)
                answer = connection.getresponse()
                said = answer.read(LARGEST)
            except http.client.HTTPException:
                raise ConnectionError("the answer is no HTTP") from None
            except (TimeoutError, ConnectionError):
                raise
            except OSError as error:  # no route, no such name
                raise ConnectionError(error.strerror or "no connection") from None
        try:
            found = json.loads(said or b"{}")
        except (ValueError, RecursionError):
            found = {}
        return _Response(
            answer.status, found if isinstance(found, dict) else {}, _seconds(answer.headers.get("Retry-After"))
        )


def _path(meeting: str, connection: str | None = None, what: str | None = None) -> str:
    path = f"/meetings/{quote(meeting, safe='')}/connections"
    if connection is not None:
        path += f"/{quote(connection, safe='')}"
    return path if what is None else f"{path}/{what}"


def _present(said: object) -> Present:
    match said:
        case {
            "connection": str(connection),
            "participant": str() | None as participant,
            "addresses": [*addresses],
            "is_host": bool(is_host),
            "may_host": bool(may_host),
        }:
            return Present(
                connection=connection,
                participant=participant,
                addresses=tuple(map(str, addresses)),
                is_host=is_host,
                may_host=may_host,
            )
        case _:
            raise ConnectionError("the server says who is present in a way that is not known")


def _answer(found: _Response, *, gone: Outcome) -> Answer:
    if found.status == HTTPStatus.OK:
        residue = found.body.get("residue")
        return Answer(outcome=Outcome.DONE, residue=residue if isinstance(residue, str) else None)
    if found.status in _GONE:
        return Answer(outcome=gone)
    if found.status == HTTPStatus.CONFLICT:
        return Answer(outcome=Outcome.STALE)
    if found.status in _LATER:
        return Answer(outcome=Outcome.RETRY, retry_after=found.retry_after)
    return Answer(outcome=Outcome.FAILED)


def _seconds(text: str | None) -> float | None:
    """`Retry-After` (RFC 9110 section 10.2.3) in seconds; the form with a date is not used by this server."""
    try:
        found = float(text or "nan")
    except ValueError:
        return None
    return found if math.isfinite(found) and found >= 0 else None
