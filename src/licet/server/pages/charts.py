"""Lines over time as paths of an SVG of 100 by 100; the template puts the same figures in a table behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

from licet.store.overview import Point

_STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A line, the area under it, where it ends, and the values of the scale from top to bottom."""

    points: tuple[Point, ...]
    line: str
    area: str
    end: tuple[float, float]
    scale: tuple[int, int, int]


def figure_of(points: Sequence[Point]) -> Figure:
    """Draw points; each value holds until the next one, and the scale begins at 0."""
    top = _round_up(max((point.value for point in points), default=0))
    if not points:
        return Figure(points=(), line="", area="", end=(0, 100), scale=(top, top // 2, 0))
    first, last = points[0].at.timestamp(), points[-1].at.timestamp()
    span = max(last - first, 1)
    places = [(100 * (p.at.timestamp() - first) / span, 100 - 100 * p.value / top) for p in points]
    x, y = places[0]
    line = f"M{x:.2f} {y:.2f}" + "".join(f"H{x:.2f}V{y:.2f}" for x, y in places[1:])
    x, y = places[-1]
    return Figure(
        points=tuple(points),
        line=line,
        area=f"{line}V100H0Z",
        end=(round(x, 2), round(y, 2)),
        scale=(top, top // 2, 0),
    )


def _round_up(value: int) -> int:
    """Give the next number of the kind 2, 15, 250, 4000 at or above a value."""
    size = 1
    while value > 10 * size:
        size *= 10
    wanted = max(value, 2)
    return next((round(step * size) for step in _STEPS if step * size >= wanted), 10 * size)
