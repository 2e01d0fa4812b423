"""The outlines of the world that a report shades, as `scripts/make_worldmap.py` has made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

OUTLINES: Final = Path(__file__).parent.parent / "data" / "worldmap.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldMap:
    """Outlines by code, in whole units from the upper left corner."""

    credit: str
    """What their licences want said."""
    source: str
    """The file they are made from, with the start of its SHA-256."""
    projection: str
    width: int
    height: int
    neutral: str
    """Path data of places that are claimed for no code."""
    shapes: Mapping[str, str]
    """Path data of SVG by ISO 3166-1 alpha-2 code, to be filled by the even-odd rule."""
    markers: Mapping[str, tuple[int, int]]
    """The middle of what is too small to be seen, or has no outline."""

    def __contains__(self, code: str) -> bool:
        return code in self.shapes or code in self.markers


@cache
def worldmap() -> WorldMap:
    """The outlines of the package, read once."""
    read = json.loads(OUTLINES.read_text("utf-8"))
    return WorldMap(
        credit=read["credit"],
        source=f"{read['source']['file']}, SHA-256 {read['source']['sha256'][:16]}",
        projection=read["projection"],
        width=read["width"],
        height=read["height"],
        neutral=read["neutral"],
        shapes=MappingProxyType(read["shapes"]),
        markers=MappingProxyType({code: (x, y) for code, (x, y) in read["markers"].items()}),
    )
