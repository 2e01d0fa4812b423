"""Says how far the bundled table reaches, and how often it agrees with another database.

Two million random IPv4 addresses, those of the public Internet counted. Where two tables disagree, one of them is
wrong, and nothing in them says which.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import regionfast as rf

SEED = 20261124


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path, help="another database, such as DB-IP Lite")
    table, other = rf.open(), rf.open(parser.parse_args().database)
    addresses = np.random.default_rng(SEED).integers(0, 1 << 32, 2_000_000, dtype=np.uint32)
    where, there = table.lookup_many(addresses), other.lookup_many(addresses)
    public = ~np.isin(where.status, [rf.Status.PRIVATE, rf.Status.RESERVED])
    located = where.status == rf.Status.LOCATED
    both = located & (there.status == rf.Status.LOCATED)
    same = np.array(where.to_list(), object) == np.array(there.to_list(), object)
    print(f"located: {located[public].mean():.1%} of {public.sum():,} public addresses")
    print(f"alike:   {same[both].mean():.1%} of {both.sum():,} that both locate")
    for code in ("CN", "HK"):
        either = both & (where.isin([code]) | there.isin([code]))
        print(f"{code}:      {same[either].mean():.1%} alike of {either.sum():,} that one of them locates there")


if __name__ == "__main__":
    main()
