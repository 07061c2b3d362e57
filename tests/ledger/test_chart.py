"""The chart is a picture that says in words what it shows."""

from xml.etree import ElementTree as ET

import pytest

from licet.ledger.chart import as_svg, verdict
from licet.ledger.valuation import Curve, Point

UP = Curve(
    points=tuple(Point(size=100 * 2**n, accuracy=0.4 + n * 0.05, band=0.01) for n in range(8)),
    gain=0.05,
    gain_band=0.01,
    chance=0.4,
)
FLAT = Curve(points=(Point(size=5, accuracy=1.0, band=0.0),), gain=0.0, gain_band=0.0, chance=1.0)


@pytest.mark.parametrize("curve", [UP, FLAT])
def test_it_is_well_formed_has_words_and_stays_in_its_frame(curve: Curve) -> None:
    tree = ET.fromstring(as_svg(curve, "members"))  # noqa: S314 # our own
    name = "{http://www.w3.org/2000/svg}"
    assert tree.attrib["role"] == "img"
    told = tree.find(f"{name}desc")
    assert told is not None
    assert verdict(curve, "members") in (told.text or "")
    dots = tree.findall(f"{name}circle")
    assert len(dots) == len(curve.points)
    assert all(0 <= float(dot.attrib["cx"]) <= 640 and 0 <= float(dot.attrib["cy"]) <= 360 for dot in dots)


def test_the_verdict_is_that_of_the_last_doubling() -> None:
    assert verdict(UP, "posts") == "More posts still help: the last doubling added +5.0 points (± 1.0)."
    assert "no longer help" in verdict(FLAT, "posts")
