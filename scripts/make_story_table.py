"""Make `examples/story/table.mmdb` from the CSV beside it: a table needs a date, and CSV has no place for one.

Run with the tools of the tests (`make test` installs them):

    .venv/bin/python scripts/make_story_table.py [OUTPUT]
"""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import netaddr
from mmdb_writer import MMDBWriter

STORY = Path(__file__).parent.parent / "examples" / "story"
BUILT_AT = datetime(2020, 6, 1, tzinfo=UTC)


class DatedWriter(MMDBWriter):
    """The writer takes its date from the clock."""

    def _build_meta(self) -> dict[str, Any]:
        return super()._build_meta() | {"build_epoch": int(BUILT_AT.timestamp())}


def main() -> None:
    """Write the database."""
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else STORY / "table.mmdb"
    writer = DatedWriter(
        ip_version=6,
        database_type="Story-Country",
        ipv4_compatible=True,
        languages=["en"],
        description={"en": "Made up for the story in examples/"},
    )
    lines = (STORY / "table.csv").read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        writer.insert_network(netaddr.IPSet([row["network"]]), {"country": {"iso_code": row["country"]}})
    writer.to_db_file(str(output))


if __name__ == "__main__":
    main()
