"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

import regionfast as rf

ROOT = Path(__file__).parent.parent
COUNTRY_DATABASE = ROOT.parent / "shared" / "data" / "geo-whois-asn-country.mmdb"


@pytest.fixture(scope="session")
def table() -> rf.Table:
    """The bundled table."""
    return rf.open()


@pytest.fixture(scope="session")
def country_database() -> Path:
    """The whole database that the bundled table is made from."""
    if not COUNTRY_DATABASE.exists():
        pytest.skip(f"needs {COUNTRY_DATABASE.name} in ../shared/data: it is too large to be part of the project")
    return COUNTRY_DATABASE


@pytest.fixture
def small(tmp_path: Path) -> rf.Table:
    """A table of a few networks, written as CSV."""
    path = tmp_path / "small.csv"
    path.write_text("1.0.0.0/8,CN\n8.8.0.0/16,US\n8.8.8.0/24,HK\n2400::/12,CN\n2a00::/12,DE\n", encoding="utf-8")
    return rf.open(path)
