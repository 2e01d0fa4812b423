"""Makes the bundled country table from a given `geo-whois-asn-country.mmdb`.

The database itself is not part of the project (see NOTICE). The same database gives the same bytes.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import regionfast as rf
from regionfast.tables import BUNDLED

ATTRIBUTION = (
    "Country by address: Number Resource Organization (nro.net), CC BY 4.0, packaged by ip-location-db. "
    "Made from registrations: for a start, not for acting on anybody"
)


def main() -> None:
    """Compile and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path, help="geo-whois-asn-country.mmdb of ip-location-db")
    parser.add_argument("--output", type=Path, default=BUNDLED, help=f"default: {BUNDLED.name} of the package")
    arguments = parser.parse_args()
    try:
        rf.open(arguments.database, attribution=ATTRIBUTION).save(arguments.output)
    except (rf.DatabaseError, OSError) as error:
        parser.exit(1, f"{error}\n")
    info = rf.open(arguments.output).info
    written = arguments.output.read_bytes()
    in_wheel = len(zlib.compress(written, 9))  # a wheel is a zip file
    print(f"{arguments.output.name}: {len(written):,} bytes, about {in_wheel:,} in the wheel")
    print(f"built  {info.built_at:%Y-%m-%d}, {info.region_count} regions")
    print(f"ranges {info.ipv4_ranges:,} IPv4, {info.ipv6_ranges:,} IPv6")
    print(f"digest {info.digest}")


if __name__ == "__main__":
    main()
