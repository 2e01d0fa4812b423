"""How far two tables disagree. Neither is the truth: where they differ one of them is wrong, and nothing says which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from regionfast import regions
from regionfast._lib import Table, parse_many
from regionfast.types import RELAY_BY_OVERRIDE, Addresses, Region, Status, TableInfo

_Level: TypeAlias = Literal["country", "subdivision"]
_Numbers: TypeAlias = "npt.NDArray[np.int64]"
_Cover: TypeAlias = "tuple[_Numbers, _Numbers]"
"""The first of each run, ascending from 0, and what is said of the run."""

_STATUSES: Final = frozenset(map(str, Status))
_IPV4: Final = 4
_FIRST: Final = tuple(frozenset(("CN", other)) for other in ("HK", "TW", "MO"))
"""The pairs of countries that stand before all others: to take one for the other reaches people under another law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What the two tables say, and of how much."""

    a: str
    """Region code, canonical, or status that the first table gives."""
    b: str
    """The same of the second."""
    ipv4: int
    """IPv4 addresses."""
    ipv6: int
    """IPv6 /48s, or addresses of a sample."""
    agrees: bool | None
    """Whether both give the same region, or one gives a part of the other's; `None` where not both give one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One family, by how the two tables stand to each other."""

    agree: int
    """Both locate it, in the same region or one in a part of the other's."""
    disagree: int
    """Both locate it, in regions that are apart."""
    a_alone: int
    """The first locates it, the second does not."""
    b_alone: int
    """The other way round."""
    neither: int
    """No table locates it."""

    @property
    def agreement(self) -> float | None:
        """The share that agrees among what both locate, 0 to 1; `None` where that is nothing."""
        both = self.agree + self.disagree
        return self.agree / both if both else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Where two tables agree and disagree."""

    a: TableInfo
    b: TableInfo
    level: _Level
    """How finely regions were told apart: by the coarser of both tables."""
    is_sample: bool
    """Whether addresses of a sample were counted, not the whole space."""
    left_out: int
    """Rows of the sample that are no address or none at all."""
    pairs: tuple[Pair, ...]
    """All pairs that occur: those that disagree first, of them CN and HK, CN and TW, CN and MO in either order, then
    by IPv4 addresses, IPv6 and text; then the others likewise."""
    ipv4: Counts
    ipv6: Counts

    @property
    def disagreements(self) -> tuple[Pair, ...]:
        """The pairs of regions that are apart, in the order of `pairs`."""
        return tuple(pair for pair in self.pairs if pair.agrees is False)

    def to_dict(self) -> dict[str, object]:
        """All of it for JSON."""
        return {
            "a": _identity(self.a),
            "b": _identity(self.b),
            "level": self.level,
            "counted": "sample" if self.is_sample else "space",
            "left_out": self.left_out,
            "ipv4": {"unit": "addresses", **_by_name(self.ipv4)},
            "ipv6": {"unit": "addresses" if self.is_sample else "/48s", **_by_name(self.ipv6)},
            "pairs": [asdict(pair) for pair in self.pairs],
        }


def compare_tables(a: Table, b: Table, sample: Addresses | None = None) -> Comparison:
    """Count by what `a` says and what `b` says.

    Without a sample the whole space is counted: IPv4 by addresses, IPv6 by /48s, the usual size of a site. A /48 that
    a table divides counts once, by what is said of its first address. IPv6 that wraps IPv4 is reserved here, since the
    address inside is counted already. With a sample its rows are counted instead, each as often as it occurs, and
    wrapped addresses are judged as `lookup_many` does.

    Both tables answer with their overrides; compare `a.base` to leave them out. Codes are compared in their canonical
    form (`FR-GF` is `GF`), and by country where one of the tables tells countries only. Names in the place of
    subdivision codes (`US-California`) are other codes.

    Cost: the ranges of both tables are merged once, O(n log n) in NumPy; a sample is looked up twice.

    Raises:
        TypeError, ValueError: A sample that `lookup_many` would refuse.
    """
    level: _Level = "country" if "country" in {a.info.level, b.info.level} else "subdivision"
    words: dict[str, int] = {}
    say_a, say_b = _words(a, level, words), _words(b, level, words)
    if sample is None:
        left_out = 0
        v4 = _merged(_cover4(a, say_a), _cover4(b, say_b), 1 << 32)
        v6 = _merged(_cover6(a, say_a), _cover6(b, say_b), 1 << 48)
    else:
        families, addresses4, addresses6 = parse_many(sample)
        addresses4 = addresses4[families == _IPV4]
        left_out = len(families) - len(addresses4) - len(addresses6)
        v4 = _looked_up(a, b, say_a, say_b, addresses4)
        v6 = _looked_up(a, b, say_a, say_b, addresses6)
    pairs = tuple(sorted(_pairs(list(words), v4, v6), key=_order))
    return Comparison(
        a=a.info,
        b=b.info,
        level=level,
        is_sample=sample is not None,
        left_out=left_out,
        pairs=pairs,
        ipv4=_counts((pair, pair.ipv4) for pair in pairs),
        ipv6=_counts((pair, pair.ipv6) for pair in pairs),
    )


def _words(table: Table, level: _Level, words: dict[str, int]) -> _Numbers:
    """The number of the word for each slot; new words get the next number."""

    def word(slot: int, region: Region | None) -> str:
        if region is None:
            return str(Status.RELAY if slot == RELAY_BY_OVERRIDE else Status(slot))
        return regions.country(str(region)) if level == "country" else regions.canonical(str(region))

    found = [word(slot, region) for slot, region in enumerate(table.regions)]
    return np.array([words.setdefault(text, len(words)) for text in found], dtype=np.int64)


def _cover4(table: Table, say: _Numbers) -> _Cover:
    starts, slots = table.boundaries(4)
    return starts.astype(np.int64), say[slots]


def _cover6(table: Table, say: _Numbers) -> _Cover:
    """What is said of the first address of each /48, by the number that its first 48 bits are."""
    starts, slots = table.boundaries(6)
    high, low = starts.view(">u8").astype(np.uint64).T
    # A range that begins inside a /48 says nothing of its first address: it counts from the next one on.
    inside = ((high & np.uint64(0xFFFF)) != 0) | (low != 0)
    site = (high >> np.uint64(16)).astype(np.int64) + inside
    # Of several that begin in one place the last goes on; beyond the highest /48 there is no place.
    kept = np.append(site[1:] != site[:-1], True) & (site < 1 << 48)
    return site[kept], say[slots[kept]]


def _merged(a: _Cover, b: _Cover, end: int) -> tuple[_Numbers, _Numbers, _Numbers]:
    """What both say of each run on which neither changes, and how long it is."""
    # `union1d` would hash them and takes ten times as long; a stable sort finds that these are two sorted runs.
    starts = np.sort(np.concatenate((a[0], b[0])), kind="stable")
    starts = starts[np.append(starts[1:] != starts[:-1], True)]
    says = [words[np.searchsorted(firsts, starts, side="right") - 1] for firsts, words in (a, b)]
    return says[0], says[1], np.diff(starts, append=np.int64(end))


def _looked_up(
    a: Table, b: Table, say_a: _Numbers, say_b: _Numbers, addresses: npt.NDArray[np.generic]
) -> tuple[_Numbers, _Numbers, _Numbers]:
    """What both say of each address, and 1."""
    slots_a, slots_b = a.lookup_many(addresses).slots, b.lookup_many(addresses).slots
    return say_a[slots_a], say_b[slots_b], np.ones(len(slots_a), np.int64)


def _pairs(words: list[str], *families: tuple[_Numbers, _Numbers, _Numbers]) -> Iterator[Pair]:
    """Each pair that occurs, with its size in both families."""
    sizes: list[dict[int, int]] = []
    for says_a, says_b, size in families:
        pairs, member = np.unique(says_a * len(words) + says_b, return_inverse=True)
        total = np.zeros(len(pairs), np.int64)
        np.add.at(total, member, size)
        sizes.append(dict(zip(pairs.tolist(), total.tolist(), strict=True)))
    for pair in sorted(sizes[0].keys() | sizes[1].keys()):
        a, b = (words[number] for number in divmod(pair, len(words)))
        locate = a not in _STATUSES and b not in _STATUSES
        agrees = regions.contains(a, b) or regions.contains(b, a) if locate else None
        yield Pair(a=a, b=b, ipv4=sizes[0].get(pair, 0), ipv6=sizes[1].get(pair, 0), agrees=agrees)


def _order(pair: Pair) -> tuple[bool, int, int, int, str, str]:
    rank = len(_FIRST)
    if pair.agrees is False:
        countries = frozenset(map(regions.country, (pair.a, pair.b)))
        rank = _FIRST.index(countries) if countries in _FIRST else rank
    return pair.agrees is not False, rank, -pair.ipv4, -pair.ipv6, pair.a, pair.b


def _counts(sizes: Iterable[tuple[Pair, int]]) -> Counts:
    total = dict.fromkeys(("agree", "disagree", "a_alone", "b_alone", "neither"), 0)
    for pair, size in sizes:
        if pair.agrees is not None:
            name = "agree" if pair.agrees else "disagree"
        elif pair.a not in _STATUSES:
            name = "a_alone"
        else:
            name = "neither" if pair.b in _STATUSES else "b_alone"
        total[name] += size
    return Counts(**total)


def _by_name(counts: Counts) -> dict[str, float | None]:
    return asdict(counts) | {"agreement": counts.agreement}


def _identity(info: TableInfo) -> dict[str, str | None]:
    built = info.built_at.isoformat() if info.built_at else None
    return {"source": info.source, "kind": info.kind, "built_at": built, "level": info.level, "digest": info.digest}
