"""What goes wrong with a name of a region or group."""

from __future__ import annotations

import re
from typing import Final

from regionfast.errors import RegionfastError

# A letter first: in a file with its columns mixed up the text may be an address, which no message repeats.
_SHOWN: Final = re.compile(r"[^\W\d][\w .'_-]{0,40}|[0-9]{1,3}")


def shown(text: str) -> str:
    """Text as a message may repeat it."""
    return f"`{text}`" if _SHOWN.fullmatch(text) else "this text"


class RegionError(RegionfastError, ValueError):
    """A region code, group or time that cannot be used; the message says what, where and how to mend it.

    What is suggested was never used: the caller decides.
    """

    def __init__(self, message: str, *, suggestions: tuple[str, ...] = (), place: str = "") -> None:
        hint = f": did you mean {' or '.join(f'`{text}`' for text in suggestions)}?" if suggestions else ""
        super().__init__(f"{place}: {message}{hint}" if place else f"{message}{hint}")
        self.message = message
        """The same without place and suggestions."""
        self.suggestions = suggestions
        """Right spellings, the nearest first; none where nothing is near."""
        self.place = place
        """Where in own groups it stands, such as `office[1]`; empty for what was given directly."""

    @property
    def suggestion(self) -> str | None:
        """The right spelling, where there is exactly one."""
        return self.suggestions[0] if len(self.suggestions) == 1 else None
