"""Tables and rosters for tests of decisions: the same networks and connections for the engine and the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import regionfast as rf
from meetings.reference import Connection, World


def write_networks(path: Path, networks: Mapping[str, str]) -> Path:
    """Write networks and their regions as CSV."""
    path.write_text("".join(f"{network},{region}\n" for network, region in networks.items()), encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """The tables of one case, opened by the engine, and the same for the reference."""

    table: rf.Table
    witness: rf.Table | None
    world: World

    @classmethod
    def of(
        cls,
        folder: Path,
        networks: Mapping[str, str],
        overrides: Mapping[str, str] = {},
        witness: Mapping[str, str] | None = None,
    ) -> Scene:
        """Write networks and their regions into a folder, and open them."""
        given = write_networks(folder / "overrides.csv", overrides) if overrides else None
        table = rf.open(write_networks(folder / "database.csv", networks), level="subdivision", overrides=given)
        second = None
        if witness is not None:
            second = rf.open(write_networks(folder / "witness.csv", witness), level="subdivision")
        return cls(table=table, witness=second, world=World.of(networks, overrides, witness))


def roster_of(connections: Sequence[Connection], rows: Iterable[int] | None = None) -> rf.Roster:
    """A roster with one row for each address of each connection; `rows` puts those into another order."""
    pairs = [(connection, address) for connection in connections for address in connection.addresses]
    if rows is not None:
        pairs = [pairs[row] for row in rows]
    return rf.Roster(
        [connection.participant for connection, _ in pairs],
        [address for _, address in pairs],
        meetings=[connection.meeting for connection, _ in pairs],
        accounts=[connection.account for connection, _ in pairs],
        series=[connection.series for connection, _ in pairs],
        roles=[connection.role for connection, _ in pairs],
        connections=[connection.connection for connection, _ in pairs],
    )
