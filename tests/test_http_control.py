"""What the HTTP control makes of answers, good and bad."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from http_control import HttpControl

from regionfast.meetings.act.control import Outcome, Release

TOKEN = "a token of the tests"
MEETING = "m1"
RELEASE = Release(connection="c/2", participant=None, residue="ban-1", key="k")


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that answers each request with the next of some bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            for text in answers:
                with listening.accept()[0] as client:
                    client.recv(1 << 16)
                    client.sendall(text)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def response(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        response(200, b"nonsense"),
        response(200, b"[]"),
        response(200, b"[" * 60_000),
        response(200, b'{"connections": 3}'),
        response(200, b'{"connections": [3]}'),
        response(200, b'{"connections": [{"connection": "c"}]}'),
        response(429),
        response(500),
        response(503),
    ],
)
def test_an_answer_that_is_none_says_nothing_of_who_is_present(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(ConnectionError):
        HttpControl(url, TOKEN).present(MEETING)


@pytest.mark.parametrize("status", [301, 400, 403, 405])
def test_an_answer_for_good_is_not_taken_for_an_empty_meeting(status: int) -> None:
    with answering(response(status)) as url, pytest.raises(PermissionError, match=str(status)):
        HttpControl(url, TOKEN).present(MEETING)


@pytest.mark.parametrize(
    ("answer", "outcome", "retry_after"),
    [
        (response(200, b"nonsense"), "done", None),
        (response(200, b'{"residue": 7}'), "done", None),
        (response(404), "already-gone", None),
        (response(410), "already-gone", None),
        (response(409), "stale", None),
        (response(422), "failed", None),
        (response(429, Retry_After="7"), "retry", 7.0),
        (response(503, Retry_After="0"), "retry", 0.0),
        (response(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), "retry", None),
        (response(429, Retry_After="-1"), "retry", None),
        (response(429, Retry_After="inf"), "retry", None),
        (response(502), "retry", None),
        (b"", "retry", None),
    ],
)
def test_what_each_answer_means(answer: bytes, outcome: str, retry_after: float | None) -> None:
    with answering(answer) as url:
        (found,) = HttpControl(url, TOKEN).clear(MEETING, [RELEASE])
    assert (found.outcome, found.residue, found.retry_after) == (outcome, None, retry_after)


def test_who_is_not_there_can_be_no_host() -> None:
    with answering(response(404)) as url:
        assert HttpControl(url, TOKEN).handover(MEETING, "c/1", "c/2").outcome is Outcome.FAILED


def test_no_server_there() -> None:
    with pytest.raises(ConnectionError):
        HttpControl("http://127.0.0.1:1", TOKEN).present(MEETING)
    with pytest.raises(ValueError, match="no host"):
        HttpControl("meetings", TOKEN)
