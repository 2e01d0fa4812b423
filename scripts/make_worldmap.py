"""Makes the outlines of the report's map from a given `countries-50m.json` (world-atlas, Natural Earth).

The file itself is not part of the project (see NOTICE). The same file gives the same bytes.

Neighbours still fit afterwards, because what is simplified are the arcs of the topology, each once, and a border is
one arc for both sides of it. Arcs are simplified by the area of the triangle that a point makes with its neighbours
(M. Visvalingam, J. D. Whyatt: Line generalisation by repeated elimination of points, The Cartographic Journal 30(1),
1993). The projection is Equal Earth, on which equal areas are equal, as a map that is shaded wants it (B. Šavrič,
T. Patterson, B. Jenny: The Equal Earth map projection, International Journal of Geographical Information Science
33(3), 2019, equations 5 to 8). TopoJSON is as in https://github.com/topojson/topojson-specification.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, TypedDict

from regionfast.regions.data import ASSIGNED

Point: TypeAlias = tuple[float, float]
"""Longitude and latitude in degrees; or x to the right and y down, in units of the map."""
Ring: TypeAlias = list[Point]
"""Closed: the first point is not told again at the end."""

OUTPUT: Final = Path(__file__).parent.parent / "python" / "regionfast" / "data" / "worldmap.json"
CREDIT: Final = (
    "Outlines: Natural Earth 4.1 (public domain), packaged by world-atlas 2.0.2 (Copyright 2013-2019 Michael Bostock, "
    "ISC), simplified here"
)
WIDTH: Final = 10_000
"""Units from edge to edge at the equator: 4 km each, a tenth of a pixel on a wide screen."""
FINEST: Final = 45.0
"""Points whose triangle is smaller than this many square units go."""
KEPT: Final = 90.0
"""A small ring keeps points of triangles down to this part of its own area, so that it keeps a form."""
SPECK: Final = 14.0
"""Rings of fewer square units go, unless they are the largest of their code."""
SMALL: Final = 1_000.0
"""Codes of fewer square units have a marker: on a screen they would be about three pixels wide."""
SOUTH: Final = -76.0
"""The map is cut off here: south of it is nothing but Antarctica, which is large enough."""

UNCODED: Final = {"Kosovo": "XK", "N. Cyprus": "", "Siachen Glacier": "", "Somaliland": ""}
"""Geometries without a number. The empty code: drawn neutral, claimed for nobody."""


class Part(NamedTuple):
    """Rings of one geometry that are another place."""

    of: str
    """Name of the geometry in the file."""
    code: str
    """Empty: neutral."""
    west: float
    south: float
    east: float
    north: float


PARTS: Final = (
    # Overseas places that have codes of their own, which databases use.
    Part("France", "GF", -55, 2, -51, 6),
    Part("France", "GP", -62, 15.7, -60.9, 16.6),
    Part("France", "MQ", -61.4, 14.3, -60.7, 15),
    Part("France", "RE", 55, -21.5, 56, -20.8),
    Part("France", "YT", 44.9, -13.1, 45.4, -12.5),
    Part("Norway", "BV", 3.2, -54.6, 3.6, -54.3),
    Part("Norway", "SJ", 10, 74, 34, 81),
    Part("Norway", "SJ", -9.2, 70.7, -7.8, 71.3),
    Part("Netherlands", "BQ", -68.5, 12, -68.1, 12.4),
    Part("Netherlands", "BQ", -63.3, 17.4, -62.9, 17.7),
    Part("New Zealand", "TK", -173, -10, -171, -8),
    Part("Indian Ocean Ter.", "CX", 105, -11, 106, -10),
    Part("Indian Ocean Ter.", "CC", 96, -13, 97.5, -11),
    # Natural Earth draws who governs; ISO 3166-2 and UN General Assembly resolution 68/262 have it as UA-43.
    Part("Russia", "", 32.3, 44.3, 36.7, 46.3),
)

PLACES: Final[dict[str, Point]] = {
    "BQ": (-68.27, 12.18),  # Kralendijk
    "BV": (3.36, -54.42),
    "CC": (96.83, -12.16),
    "CX": (105.65, -10.48),
    "GI": (-5.35, 36.14),
    "SJ": (15.6, 78.22),  # Longyearbyen
    "TK": (-171.84, -9.17),
    "TV": (179.2, -8.52),  # Funafuti
    "UM": (166.63, 19.29),  # Wake Island
}
"""Where a marker stands for codes that the file has no outline of, or none after the parts above."""

# Equations 5 and 6 of the paper.
A1, A2, A3, A4 = 1.340264, -0.081106, 0.000893, 0.003796
HALF_ROOT: Final = math.sqrt(3) / 2
SCALE: Final = WIDTH * HALF_ROOT * A1 / math.tau
"""So that the equator is `WIDTH` long."""


class Geometry(TypedDict, total=False):
    """A geometry of TopoJSON; `id` is an ISO 3166-1 number."""

    type: str
    id: str
    arcs: list[list[int]] | list[list[list[int]]]
    properties: dict[str, str]


class Shape(NamedTuple):
    """Rings of arcs under one code."""

    code: str
    rings: list[list[int]]


def projected(point: Point) -> Point:
    """A point on the map, before the map is moved to its corner. Longitudes beyond 180 go on beyond the edge."""
    longitude, latitude = math.radians(point[0]), math.radians(point[1])
    theta = math.asin(HALF_ROOT * math.sin(latitude))
    squared, sixth = theta**2, theta**6
    slope = A1 + 3 * A2 * squared + sixth * (7 * A3 + 9 * A4 * squared)
    x = longitude * math.cos(theta) / (HALF_ROOT * slope)
    y = theta * (A1 + A2 * squared + sixth * (A3 + A4 * squared))
    return x * SCALE, -y * SCALE


def unrolled(points: Iterable[Point]) -> list[Point]:
    """The points with longitudes that go on where a line crosses the 180th meridian: the shorter way is meant."""
    found: list[Point] = []
    for longitude, latitude in points:
        turns = round((found[-1][0] - longitude) / 360) if found else 0
        found.append((longitude + 360 * turns, latitude))
    return found


def triangle(a: Point, b: Point, c: Point) -> float:
    """Its area."""
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2


def area(ring: Sequence[Point]) -> float:
    """What a ring encloses, positive either way round."""
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*ring, ring[0]]))) / 2 if ring else 0.0


def importance(points: Sequence[Point]) -> list[float]:
    """For each point of a line the area that goes with it, as Visvalingam and Whyatt have it; of ends infinite."""
    flat = [projected(point) for point in unrolled(points)]
    left, right = [at - 1 for at in range(len(flat))], [at + 1 for at in range(len(flat))]
    found = [math.inf] * len(flat)
    waiting = [(triangle(*flat[at - 1 : at + 2]), at) for at in range(1, len(flat) - 1)]
    current = {at: size for size, at in waiting}
    heapq.heapify(waiting)
    largest = 0.0
    while waiting:
        size, at = heapq.heappop(waiting)
        if current.get(at) != size:
            continue  # it has new neighbours
        del current[at]
        # A point is never less important than one that went before it.
        largest = max(largest, size)
        found[at] = largest
        left[right[at]], right[left[at]] = left[at], right[at]
        for beside in (left[at], right[at]):
            if beside in current:
                current[beside] = triangle(flat[left[beside]], flat[beside], flat[right[beside]])
                heapq.heappush(waiting, (current[beside], beside))
    return found


class Topology:
    """The arcs of a file, and what is left of them."""

    def __init__(self, arcs: Iterable[Iterable[Sequence[int]]], scale: Sequence[float], shift: Sequence[float]) -> None:
        self.arcs: list[list[Point]] = []
        for arc in arcs:
            x = y = 0
            points = []
            for step in arc:  # quantized, each the difference to the one before
                x, y = x + step[0], y + step[1]
                points.append((x * scale[0] + shift[0], y * scale[1] + shift[1]))
            self.arcs.append(points)

    def ring(self, arcs: Iterable[int]) -> Ring:
        """A ring in longitudes and latitudes; the complement of an arc's number is the arc backwards."""
        points: Ring = []
        for arc in arcs:
            line = self.arcs[arc] if arc >= 0 else self.arcs[~arc][::-1]
            points.extend(line[:-1])
        return points

    def simplify(self, shapes: Iterable[Shape]) -> None:
        """Take from every arc the points that matter to none of the rings which it is in."""
        finest = [FINEST] * len(self.arcs)
        for shape in shapes:
            for arcs in shape.rings:
                own = area([projected(point) for point in unrolled(self.ring(arcs))]) / KEPT
                for arc in arcs:
                    at = arc if arc >= 0 else ~arc
                    finest[at] = min(finest[at], own)
        for at, points in enumerate(self.arcs):
            sizes = importance(points)
            least = finest[at]
            if points[0] == points[-1]:  # a ring of its own is at least a triangle
                least = min(least, sorted(sizes[1:-1])[-2])
            self.arcs[at] = [point for point, size in zip(points, sizes, strict=True) if size >= least]


def shapes_of(geometries: Iterable[Geometry], topology: Topology) -> Iterator[Shape]:
    """The polygons by alpha-2 code; holes are rings like others, since the fill is by the even-odd rule."""
    by_number = {row.numeric: code for code, row in ASSIGNED.items() if row.numeric}
    for geometry in geometries:
        name = geometry["properties"]["name"]
        number = geometry.get("id")
        default = by_number[number] if number is not None else UNCODED.get(name)
        polygons = [geometry["arcs"]] if geometry["type"] == "Polygon" else geometry["arcs"]
        for polygon in polygons:
            points = topology.ring(polygon[0])  # type: ignore[arg-type]  # which of the two it is, the type says
            code = default
            for part in PARTS:
                inside = all(part.west <= x <= part.east and part.south <= y <= part.north for x, y in points)
                if part.of == name and inside:
                    code = part.code
            if code is None:
                raise SystemExit(f"`{name}` has no number, and a part of it is in no row of UNCODED or PARTS")
            yield Shape(code, polygon)  # type: ignore[arg-type]


def cut(ring: Ring, edge: float, side: int) -> Ring:
    """What of a ring lies on one side of a meridian: -1 to the west, 1 to the east (Sutherland and Hodgman, 1974)."""
    found: Ring = []
    for a, b in pairwise([*ring, ring[0]]):
        inside, follows = (a[0] - edge) * side >= 0, (b[0] - edge) * side >= 0
        if inside:
            found.append(a)
        if inside != follows:
            found.append((edge, a[1] + (b[1] - a[1]) * (edge - a[0]) / (b[0] - a[0])))
    return found


def on_map(ring: Ring) -> Iterator[Ring]:
    """A ring as it lies between the meridians 180 west and east; what goes beyond one comes in at the other.

    A ring around a pole (Antarctica) is closed along it.
    """
    line = unrolled([*ring, ring[0]])
    if round((line[-1][0] - line[0][0]) / 360):
        pole = math.copysign(90, line[0][1])
        line += [(line[-1][0], pole), (line[0][0], pole)]
    else:
        line.pop()
    for turn in (-360, 0, 360):
        moved = [(x + turn, y) for x, y in line]
        if max(x for x, _ in moved) <= -180 or min(x for x, _ in moved) >= 180:  # noqa: PLR2004 - the edges
            continue
        part = cut(moved, -180, 1)
        part = cut(part, 180, -1) if part else part
        if part:
            yield part


def bent(ring: Ring) -> Ring:
    """The ring with points along the cut, which is a curve on the map."""
    found: Ring = []
    for a, b in pairwise([*ring, ring[0]]):
        found.append(a)
        if a[0] == b[0] and abs(a[0]) == 180:  # noqa: PLR2004 - the edge
            steps = int(abs(b[1] - a[1]) // 5)
            found += [(a[0], a[1] + (b[1] - a[1]) * step / (steps + 1)) for step in range(1, steps + 1)]
    return found


def rounded(ring: Ring) -> list[tuple[int, int]]:
    """On the map in whole units, no point twice in a row."""
    found: list[tuple[int, int]] = []
    for point in bent(ring):
        x, y = projected(point)
        if (spot := (round(x + WIDTH / 2), round(y - projected((0, 90))[1]))) not in found[-1:]:
            found.append(spot)
    return found[:-1] if len(found) > 1 and found[0] == found[-1] else found


def path(rings: Iterable[Sequence[tuple[int, int]]]) -> str:
    """Path data of SVG 1.1, §8.3, in differences, which are shorter."""
    data = ""
    for ring in rings:
        data += "M" + pairs([ring[0]]) + "l" + pairs((b[0] - a[0], b[1] - a[1]) for a, b in pairwise(ring)) + "z"
    return data


def pairs(numbers: Iterable[tuple[int, int]]) -> str:
    """Numbers one after the other; a minus parts them as well as a blank."""
    return " ".join(f"{x} {y}" for x, y in numbers).replace(" -", "-")


def middle(ring: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The middle of the box around a ring."""
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    return (min(xs) + max(xs)) // 2, (min(ys) + max(ys)) // 2


def made(text: bytes) -> dict[str, object]:
    """The outlines as the package has them."""
    source = json.loads(text)
    topology = Topology(source["arcs"], source["transform"]["scale"], source["transform"]["translate"])
    shapes = list(shapes_of(source["objects"]["countries"]["geometries"], topology))
    exact = {shape.code: 0.0 for shape in shapes}
    for shape in shapes:
        exact[shape.code] += area([projected(point) for point in unrolled(topology.ring(shape.rings[0]))])
    topology.simplify(shapes)
    rings: dict[str, list[list[tuple[int, int]]]] = {}
    for shape in shapes:
        for arcs in shape.rings:
            parts = [rounded(part) for part in on_map(topology.ring(arcs))]
            rings.setdefault(shape.code, []).extend(part for part in parts if len(part) > 2)  # noqa: PLR2004 - an area
    paths, markers = {}, {}
    for code, found in sorted(rings.items()):
        found.sort(key=area, reverse=True)
        large = [ring for at, ring in enumerate(found) if not at or area(ring) >= SPECK]
        if large:
            paths[code] = path(large)
        if large and code and exact[code] < SMALL:
            markers[code] = middle(large[0])
    for code, place in PLACES.items():
        if code not in paths or code in markers:
            markers[code] = rounded([place])[0]
    bottom = rounded([(0, SOUTH)])[0][1]
    return {
        "credit": CREDIT,
        "source": {"file": "countries-50m.json", "sha256": hashlib.sha256(text).hexdigest()},
        "projection": "Equal Earth",
        "width": WIDTH,
        "height": bottom,
        "neutral": paths.pop("", ""),
        "shapes": paths,
        "markers": dict(sorted(markers.items())),
    }


def main() -> None:
    """Make the file and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topology", type=Path, help="countries-50m.json of world-atlas 2.0.2")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"default: {OUTPUT.name} of the package")
    arguments = parser.parse_args()
    try:
        outlines = made(arguments.topology.read_bytes())
    except OSError as error:
        parser.exit(1, f"{error}\n")
    text = json.dumps(outlines, ensure_ascii=False, separators=(",", ":")) + "\n"
    arguments.output.write_text(text.replace('","', '",\n"'), "utf-8")  # a shape a line, so that a change can be read
    shapes, markers = outlines["shapes"], outlines["markers"]
    assert isinstance(shapes, dict)
    assert isinstance(markers, dict)
    print(f"{arguments.output.name}: {arguments.output.stat().st_size:,} bytes")
    print(f"{len(shapes)} shapes, {len(markers)} markers")
    print(f"without either: {', '.join(sorted(set(ASSIGNED) - set(shapes) - set(markers))) or 'none'}")


if __name__ == "__main__":
    main()
