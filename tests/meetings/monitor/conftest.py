"""The tables of the tests of the monitor."""

from __future__ import annotations

import pytest

import regionfast as rf
from meetings.scene import write_networks


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[rf.Table, rf.Table]:
    """Two tables; the second also has `OUTSIDE` in China."""
    folder = tmp_path_factory.mktemp("tables")
    networks = {"1.0.0.0/8": "CN", "2.0.0.0/8": "US", "2400::/12": "CN"}
    first = write_networks(folder / "first.csv", networks)
    second = write_networks(folder / "second.csv", networks | {"2.0.0.0/8": "CN"})
    return rf.open(first), rf.open(second)
