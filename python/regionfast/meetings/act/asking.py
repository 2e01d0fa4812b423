"""Asking a control: answers that do not come, answers that cannot be, and waiting before asking again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from regionfast.meetings.act.control import Answer, MeetingControl, Present
from regionfast.names import plain

T = TypeVar("T")

ATTEMPTS: Final = 5
"""How often one thing is asked for."""
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 60.0
"""Seconds; also where a control asks for more, since the meeting goes on meanwhile."""

LOST: Final = (TimeoutError, ConnectionError)
"""What a control raises where no answer came."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who is in a meeting, as the control says it."""

    present: dict[str, Present]
    """By connection, as a roster writes its id."""
    doubtful: frozenset[str]
    """Connections of which it says two different things: nothing is known of them."""


class Asking:
    """A control, and the patience with it."""

    def __init__(self, control: MeetingControl, sleep: Callable[[float], None]) -> None:
        """Take a control; `sleep` waits for some seconds."""
        self.control = control
        self._sleep = sleep

    def wait(self, attempt: int, retry_after: float | None = None) -> None:
        """Wait before the next attempt: twice as long each time, never the same as others, or as long as was said."""
        wait = min(_FIRST_WAIT * 2 ** (attempt - 1), _LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if retry_after is not None and math.isfinite(retry_after):
            wait = max(wait, min(retry_after, _LONGEST_WAIT))
        self._sleep(wait)

    def look(self, meeting: str) -> Look | None:
        """Who is there; `None` where no answer comes."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return _look(self.control.present(meeting))
            except LOST:
                if attempt < ATTEMPTS:
                    self.wait(attempt)
        return None

    def hand_over(self, meeting: str, leaving: str, to: str) -> bool:
        """Ask once for a handover; whether it came about is for the next look to say."""
        try:
            self.control.handover(meeting, leaving, to)
        except LOST:
            return False
        return True


def answered(
    ask: Callable[[str, Sequence[T]], Sequence[Answer]], meeting: str, rows: Sequence[T]
) -> list[Answer] | None:
    """The answers to some rows; `None` where there are none, or not one for each row."""
    try:
        answers = list(ask(meeting, rows))
    except LOST:
        return None
    if len(answers) != len(rows) or not all(isinstance(answer, Answer) for answer in answers):
        return None  # which answer is whose cannot be known
    return answers


def _look(said: Iterable[Present]) -> Look:
    present: dict[str, Present] = {}
    doubtful = set()
    for one in said:
        connection = plain(one.connection)
        if present.setdefault(connection, one) != one:
            doubtful.add(connection)
    return Look(present, frozenset(doubtful))
