"""Networks of a policy, to be searched for many addresses at once."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from regionfast.policy.model import Network

_BITS: Final = {4: 32, 6: 128}
_V6: Final = np.dtype("S16")
"""An IPv6 address in network order: texts of bytes compare like the numbers that they are."""


class Networks:
    """Lists of networks; of the lists that hold an address, the first one counts."""

    def __init__(self, lists: Sequence[Sequence[Network]]) -> None:
        self.none = len(lists)
        """What stands for no list; greater than the number of any."""
        v4 = _cover([(network, number) for number, listed in enumerate(lists) for network in listed], 4, self.none)
        v6 = _cover([(network, number) for number, listed in enumerate(lists) for network in listed], 6, self.none)
        self._v4_starts = np.array([start for start, _ in v4], np.uint32)
        self._v4_lists = np.array([number for _, number in v4], np.int64)
        self._v6_starts = np.array([start.to_bytes(16, "big") for start, _ in v6], _V6)
        self._v6_lists = np.array([number for _, number in v6], np.int64)

    def of_v4(self, addresses: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """The number of the list for each address, `uint32` in host order. O(addresses x log networks)."""
        if len(self._v4_starts) == 1:
            return np.full(len(addresses), self._v4_lists[0])
        return self._v4_lists[np.searchsorted(self._v4_starts, addresses, "right") - 1]

    def of_v6(self, addresses: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """The same for packed addresses, `uint8 (n, 16)` in network order."""
        if len(self._v6_starts) == 1 or not len(addresses):
            return np.full(len(addresses), self._v6_lists[0])
        packed = np.ascontiguousarray(addresses).view(_V6)[:, 0]
        return self._v6_lists[np.searchsorted(self._v6_starts, packed, "right") - 1]


def _cover(networks: Sequence[tuple[Network, int]], version: int, none: int) -> list[tuple[int, int]]:
    """Where the number changes, from address 0 on, and what it is from there on."""
    first_last = sorted(
        (int(network.network_address), int(network.broadcast_address), number)
        for network, number in networks
        if network.version == version
    )
    points = sorted({0, *(first for first, _, _ in first_last), *(last + 1 for _, last, _ in first_last)})
    cover: list[tuple[int, int]] = []
    open_lists: list[tuple[int, int]] = []
    at = 0
    for point in points:
        while at < len(first_last) and first_last[at][0] <= point:
            _, last, number = first_last[at]
            heapq.heappush(open_lists, (number, last))
            at += 1
        while open_lists and open_lists[0][1] < point:
            heapq.heappop(open_lists)
        number = open_lists[0][0] if open_lists else none
        if not cover or cover[-1][1] != number:
            cover.append((point, number))
    # The end of the whole space is no address.
    return [(start, number) for start, number in cover if start < 1 << _BITS[version]]
