"""Charts as PNG or SVG files, by the ending of their names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from licet.model.errors import UsageError

ENDINGS: Final = (".png", ".svg")
_COLORS: Final = {"before": "#b3261e"}
_OTHER: Final = "#3a6ea5"


def check_ending(path: Path) -> None:
    """Check that a chart can be written under a name.

    Raises:
        UsageError: its ending is neither `.png` nor `.svg`.
    """
    if path.suffix not in ENDINGS:
        raise UsageError(f"`{path.name}` is no name of a chart", f"end it in {' or '.join(ENDINGS)}")


def surprise_chart(path: Path, phrases: Mapping[str, Mapping[str, float]]) -> None:
    """Draw, for each phrase, how many bits of surprise it has at each moment: the more, the less likely.

    Raises:
        UsageError: the name's ending is neither `.png` nor `.svg`.
    """
    check_ending(path)
    figure = Figure(figsize=(8, 1.2 + 1.5 * len(phrases)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(phrases), squeeze=False)[:, 0]
    for axis, (phrase, moments) in zip(axes, phrases.items(), strict=True):
        names = list(moments)
        bars = axis.barh(names, [moments[name] for name in names], color=[_COLORS.get(n, _OTHER) for n in names])
        axis.bar_label(bars, fmt="%.2f", padding=3)
        axis.set_xlim(0, max(moments.values()) * 1.15)
        axis.invert_yaxis()
        axis.set_title(phrase, loc="left", fontsize=10)
    axes[-1].set_xlabel("bits of surprise (more: less likely)")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
