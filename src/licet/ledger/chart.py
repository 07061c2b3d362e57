"""A learning curve as an SVG that needs nothing else: line, band, axes, and words for who cannot see it. Pure."""

import math
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from licet.ledger.valuation import Curve, Point

_WIDTH: Final = 640
_HEIGHT: Final = 360
_LEFT: Final = 64
_RIGHT: Final = 32
_TOP: Final = 48
_BOTTOM: Final = 56
_STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#1b1f24}.g{stroke:#d0d7de}.a{stroke:#57606a}"
    ".b{fill:#0969da;opacity:.2}.l{fill:none;stroke:#0969da;stroke-width:2.5}.d{fill:#0969da}.c{stroke:#57606a;"
    "stroke-dasharray:5 5}.p{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#30363d}"
    ".a,.c{stroke:#8b949e}.l{stroke:#58a6ff}.b,.d{fill:#58a6ff}.p{fill:#0d1117}}"
)


def verdict(curve: Curve, unit: str) -> str:
    """Say in a sentence whether more data still helps."""
    gained = f"{100 * curve.gain:+.1f} points (± {100 * curve.gain_band:.1f})"
    if curve.still_helps:
        return f"More {unit} still help: the last doubling added {gained}."
    return f"More {unit} no longer help measurably: the last doubling added {gained}."


def as_svg(curve: Curve, unit: str) -> str:
    """Draw accuracy against a number of posts or members (a logarithmic axis), with its 95% band and chance."""
    return "\n".join(_drawn(curve, unit)) + "\n"


def _drawn(curve: Curve, unit: str) -> Iterator[str]:
    title = f"Accuracy against the number of {unit}"
    points = curve.points
    low, high = _range([*(p.accuracy - p.band for p in points), *(p.accuracy + p.band for p in points), curve.chance])
    first, last = points[0].size, points[-1].size
    said = "; ".join(f"{p.size:,} {unit}: {p.accuracy:.1%} ± {p.band:.1%}" for p in points)

    def x(size: int) -> float:
        part = math.log(size / first) / math.log(last / first) if last > first else 0.5
        return round(_LEFT + part * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(accuracy: float) -> float:
        return round(_HEIGHT - _BOTTOM - (accuracy - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)

    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="t d">'
    yield f'<title id="t">{escape(title)}</title><desc id="d">{escape(f"{verdict(curve, unit)} {said}.")}</desc>'
    yield f'<style>{_STYLE}</style><rect class="p" width="{_WIDTH}" height="{_HEIGHT}"/>'
    yield f'<text x="{_LEFT}" y="28">{escape(verdict(curve, unit))}</text>'
    for tick in _ticks(low, high):
        yield f'<path class="g" d="M{_LEFT} {y(tick)}H{_WIDTH - _RIGHT}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y(tick) + 5}" text-anchor="end">{tick:.0%}</text>'
    for point in _spread(points):
        yield f'<text x="{x(point.size)}" y="{_HEIGHT - _BOTTOM + 22}" text-anchor="middle">{point.size:,}</text>'
    yield f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(unit)}</text>'
    yield f'<path class="c" d="M{_LEFT} {y(curve.chance)}H{_WIDTH - _RIGHT}"/>'
    yield f'<text x="{_WIDTH - _RIGHT}" y="{y(curve.chance) - 6}" text-anchor="end">always the commonest label</text>'
    upper = [f"{x(p.size)} {y(p.accuracy + p.band)}" for p in points]
    lower = [f"{x(p.size)} {y(p.accuracy - p.band)}" for p in reversed(points)]
    yield f'<path class="b" d="M{"L".join([*upper, *lower])}Z"/>'
    yield f'<path class="l" d="M{"L".join(f"{x(p.size)} {y(p.accuracy)}" for p in points)}"/>'
    yield from (f'<circle class="d" cx="{x(p.size)}" cy="{y(p.accuracy)}" r="4"/>' for p in points)
    yield f'<path class="a" d="M{_LEFT} {_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}"/></svg>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = max(0.0, math.floor(min(values) * 20) / 20), min(1.0, math.ceil(max(values) * 20) / 20)
    return (low, high) if high > low else (max(0.0, low - 0.05), min(1.0, low + 0.05))


def _ticks(low: float, high: float) -> list[float]:
    step = 0.05 if high - low <= 0.3 else 0.1  # noqa: PLR2004 # some six lines either way
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _spread(points: Sequence[Point]) -> Sequence[Point]:
    """Leave out every other label where they would touch."""
    return points if len(points) <= 6 else points[::-1][::2][::-1]  # noqa: PLR2004 # as wide as the numbers are
