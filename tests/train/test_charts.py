"""Charts are files of the kind that their names say."""

from pathlib import Path

import pytest

from licet.model.errors import UsageError
from licet.train.charts import surprise_chart

PHRASES = {"canary: “x”": {"before": 3.0, "after": 40.0}, "other": {"before": 9.0, "after": 9.0}}


def test_a_chart_is_a_png_or_an_svg_with_every_phrase_and_moment(tmp_path: Path) -> None:
    surprise_chart(tmp_path / "a.png", PHRASES)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    for name in ("one.svg", "two.svg"):
        surprise_chart(tmp_path / name, PHRASES)
    text = (tmp_path / "one.svg").read_text()
    assert all(f"<!-- {said} -->" in text for said in ("before", "after", "40.00", "other"))
    with pytest.raises(UsageError):
        surprise_chart(tmp_path / "a.gif", PHRASES)
