"""A chart stays within its frame, whatever it shows."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from licet.server.pages.charts import figure_of
from licet.store.overview import Point

START = datetime(2025, 1, 1, tzinfo=UTC)


@given(st.lists(st.integers(0, 10**12), max_size=20))
def test_a_line_lies_between_zero_and_the_top_of_the_scale(values) -> None:
    figure = figure_of([Point(at=START + timedelta(days=n), value=value) for n, value in enumerate(values)])
    assert all(0 <= float(number) <= 100 for number in re.findall(r"[\d.]+", figure.line))
    top, middle, bottom = figure.scale
    assert bottom == 0 < middle < top
    assert max(values, default=0) <= top <= 2 * max(*values, 2, 2)


def test_days_without_a_change_lie_as_far_apart_as_they_are() -> None:
    points = [Point(at=START + timedelta(days=day), value=value) for day, value in ((0, 1), (1, 2), (4, 2))]
    assert figure_of(points).line == "M0.00 50.00H25.00V0.00H100.00V0.00"
