"""Makes the bundled country table from a given `geo-whois-asn-country.mmdb`.

The database itself is not part of the project (see NOTICE). The same database gives the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import regionfast as rf
from regionfast.tables import BUNDLED

ATTRIBUTION = "Country by address: Number Resource Organization (nro.net), CC BY 4.0, packaged by ip-location-db"


def main() -> None:
    """Compile and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path, help="geo-whois-asn-country.mmdb of ip-location-db")
    parser.add_argument("--output", type=Path, default=BUNDLED, help=f"default: {BUNDLED.name} of the package")
    arguments = parser.parse_args()
    rf.open(arguments.database, attribution=ATTRIBUTION).save(arguments.output)
    info = rf.open(arguments.output).info
    print(f"{arguments.output.name}: {arguments.output.stat().st_size:,} bytes")
    print(f"built  {info.built_at:%Y-%m-%d}, {info.region_count} regions")
    print(f"ranges {info.ipv4_ranges:,} IPv4, {info.ipv6_ranges:,} IPv6")
    print(f"digest {info.digest}")


if __name__ == "__main__":
    main()
