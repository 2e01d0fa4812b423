"""What a table says of each connection, as one text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.kinds import Integers, Kinds


def claimed_regions(table: Table, slots: npt.NDArray[np.uint16], starts: Integers | None) -> TextColumn:
    """The region of each connection as the table has it, `None` where it locates no address of it.

    Where addresses of one connection are located in different regions, all of them, sorted: `CN, US`.
    """
    codes = [None if region is None else str(region) for region in table.regions]
    if starts is None:
        return _encoded(slots, codes)
    kinds = Kinds(len(codes), len(codes), slots, starts=starts)
    texts = list(codes)
    for members in kinds.members():
        located = {code for slot in members if (code := codes[slot]) is not None}
        texts.append(", ".join(sorted(located)) or None)
    return _encoded(kinds.of, texts)


def _encoded(of: npt.NDArray[np.integer], texts: list[str | None]) -> TextColumn:
    """The text of each row by its number; equal texts become one."""
    distinct = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    codes = np.array([distinct[text] for text in texts], np.uint32)
    return TextColumn(codes[of], tuple(distinct))
