"""Asking a control: answers that do not come, answers that cannot be, and waiting before asking again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeGuard, TypeVar

from regionfast.meetings.act.control import Answer, MeetingControl, Outcome, Present
from regionfast.names import plain

T = TypeVar("T")

ATTEMPTS: Final = 5
"""How often one thing is asked for."""
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 60.0
"""Seconds; also where a control asks for more, since the meeting goes on meanwhile."""

_MOST_PRESENT: Final = 1 << 20
"""Connections of one meeting; a control that names more of them is no control, and would fill the memory."""
_LONGEST_RESIDUE: Final = 1 << 16
"""Characters. Sealed, even the worst of them fit into one record."""

LOST: Final = (TimeoutError, ConnectionError)
"""What a control raises where no answer came."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who is in a meeting, as the control says it. Its `repr` names nobody."""

    present: dict[str, Present] = field(repr=False)
    """By connection, as a roster writes its id."""
    doubtful: frozenset[str] = field(repr=False)
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
        if retry_after is not None:
            wait = max(wait, min(retry_after, _LONGEST_WAIT))
        self._sleep(wait)

    def look(self, meeting: str) -> Look | None:
        """Who is there; `None` where no answer comes, or none that can be."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                found = _look(self.control.present(meeting))
            except LOST:
                found = None
            if found is not None:
                return found
            if attempt < ATTEMPTS:
                self.wait(attempt)
        return None

    def hand_over(self, meeting: str, leaving: str, to: str) -> Answer | None:
        """Ask once for a handover; `None` where no answer comes. Whether it came about is for the next look to say."""
        with suppress(*LOST):
            return _sound(self.control.handover(meeting, leaving, to))
        return None


def answered(
    ask: Callable[[str, Sequence[T]], Sequence[Answer]], meeting: str, rows: Sequence[T]
) -> list[Answer | None]:
    """The answer to each of some rows; `None` where there is none, or one that cannot be."""
    try:
        answers = _listed(ask(meeting, rows), len(rows))
    except LOST:
        answers = None
    if answers is None or len(answers) != len(rows):
        return [None] * len(rows)  # which answer is whose cannot be known
    return [_sound(answer) for answer in answers]


def longest_wait(answers: Iterable[Answer | None]) -> float | None:
    """Seconds to wait, as the most patient of some answers says it."""
    return max((one.retry_after for one in answers if one is not None and one.retry_after is not None), default=None)


def _sound(answer: object) -> Answer | None:
    """An answer without what cannot be recorded or waited for; `None` where it does not say what came of the row.

    A control passes on what a server says. One wrong member is no reason to drop the others: whoever drops an answer
    forgets what acting left behind.
    """
    if not isinstance(answer, Answer) or answer.outcome not in tuple(Outcome):
        return None
    return Answer(
        outcome=Outcome(answer.outcome),
        residue=answer.residue if _is_text(answer.residue) and len(answer.residue) <= _LONGEST_RESIDUE else None,
        retry_after=answer.retry_after if _is_finite(answer.retry_after) else None,
    )


def _look(said: object) -> Look | None:
    """What a control says of who is there; `None` where that cannot be."""
    found = _listed(said, _MOST_PRESENT)
    if found is None or len(found) > _MOST_PRESENT:
        return None
    present: dict[str, Present] = {}
    doubtful = set()
    for one in found:
        if not _is_present(one):
            return None
        connection = plain(one.connection)
        if present.setdefault(connection, one) != one:
            doubtful.add(connection)
    return Look(present, frozenset(doubtful))


def _listed(said: object, most: int) -> list[object] | None:
    """What a control gave, and no more than one beyond what there can be: it might never end."""
    return list(islice(said, most + 1)) if isinstance(said, Iterable) else None


def _is_present(one: object) -> TypeGuard[Present]:
    return (
        isinstance(one, Present)
        and _is_text(one.connection)
        and (one.participant is None or _is_text(one.participant))
        and _are_texts(one.addresses)
    )


def _are_texts(values: object) -> bool:
    return isinstance(values, tuple | list) and all(map(_is_text, values))


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _is_finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
