"""The audit's chart: how well each attack tells those who left from strangers, model by model."""

import io
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from licet.train.audit import Row


def audit_chart(rows: Sequence[Row]) -> bytes:
    """Draw areas under the curve with their intervals, and canary exposure, as SVG; same rows, same bytes."""
    attacks = list(rows[0].attacks)
    figure = Figure(figsize=(10, 0.5 * len(rows) + 2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    places = range(len(rows))
    for n, attack in enumerate(attacks):
        found = [row.attacks[attack] for row in rows]
        spans = [[each.auc - each.low for each in found], [each.high - each.auc for each in found]]
        at = [place + 0.12 * (n - len(attacks) / 2) for place in places]
        left.errorbar([each.auc for each in found], at, xerr=spans, fmt="o", markersize=4, label=attack)
    left.axvline(0.5, color="gray", linestyle="--")
    left.set_yticks(list(places), [row.name for row in rows])
    left.set_xlabel("area under the curve (0.5: chance), 95 % interval")
    left.invert_yaxis()
    left.legend(fontsize="small", loc="upper right")
    right.barh(list(places), [row.exposure for row in rows], color="#3a6ea5")
    right.set_xlabel("canary exposure, bits (more: better known)")
    drawn = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "licet"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
