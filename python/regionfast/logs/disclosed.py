"""Which counts a report tells where small groups are not to be told.

A group that is left out is not told again by what stands beside it: nowhere in a report can it be had by taking one
number from another. That is why a report is made from what these functions leave, and why:

- What is small goes to `other`, and `other` is itself no small group: as long as it is one, the next smallest
  follows. So it never is one small group alone.
- A group that is not there and one that was left out look the same.
- Rows by region and rows by time are told apart from each other. Rows by region *and* time are told only where
  every single number of them is none or enough: otherwise those of the other times, taken from that of the region,
  would give the one that is missing.

This is suppression of cells by a minimum frequency, secondary cells included (A. Hundepool et al., Statistical
Disclosure Control, Wiley 2012, chapter 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

Group = TypeVar("Group")


def pooled(groups: Mapping[Group, int], least: int) -> tuple[dict[Group, int], int]:
    """The groups that have `least` rows, and how many rows all others have together.

    The others have none or at least `least` rows as well, unless all groups together have fewer. O(n log n).

    Args:
        groups: Rows by group; a group without rows is left out.
        least: How many rows are enough; 1 leaves nothing out.

    Returns:
        What is left, in the order given, and `other`.
    """
    other = 0
    gone = set()
    for group, rows in sorted(groups.items(), key=lambda item: item[1]):
        if rows >= least and (not other or other >= least):
            break
        gone.add(group)
        other += rows
    return {group: rows for group, rows in groups.items() if rows and group not in gone}, other


def is_safe(cells: Iterable[int], least: int) -> bool:
    """Whether each number is none or enough."""
    return all(not rows or rows >= least for rows in cells)
