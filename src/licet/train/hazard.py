"""How likely a member is to leave, judged by the member's own signals only.

A score that ranks members against each other would let one member's presence move another's slice; so scores are
functions of one member's signals with constants from nowhere but this page. Likelier leavers go into later slices,
which are cheaper to replay.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from licet.model.errors import UsageError

TRUST: Final = 0.5
"""How much of a slice's choice follows the score; the rest follows the member's mark, so that no slice stays empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What a recipient may know of one member when the member joins the plan."""

    account_age_days: int = 0
    days_since_last_record: int = 0
    records: int = 0
    toggles: int = 0
    """How often the member changed a sharing setting before."""


Score: TypeAlias = Callable[[Signals], float]
"""Gives the likelihood of leaving, from 0 to 1, of one member."""


def evenly(_signals: Signals) -> float:
    """Predict nothing: every member is as likely to leave as the next."""
    return 0.5


def activity(signals: Signals) -> float:
    """Predict leaving from past changes of mind, a young account and recent activity; constants, not estimates."""
    young = math.exp(-signals.account_age_days / 365)
    active = math.exp(-signals.days_since_last_record / 30)
    weight = 1.5 * min(signals.toggles, 3) + young + 0.5 * active - 1.5
    return 1 / (1 + math.exp(-weight))


SCORES: Final[dict[str, Score]] = {"evenly": evenly, "activity": activity}


def find_score(name: str) -> Score:
    """Give a score by name, or one of the caller's own as `package.module:function`.

    Raises:
        UsageError: there is no such score.
    """
    if name in SCORES:
        return SCORES[name]
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function) if function else None
    except (ImportError, AttributeError):
        found = None
    if not callable(found):
        raise UsageError(f"there is no score `{name}`", f"use {', '.join(SCORES)} or package.module:function")
    own: Score = found
    return own


def slice_of(likelihood: float, mark: bytes, slices: int) -> int:
    """Choose one of `slices` slices, later for likelier leavers, from the likelihood and the member's own mark.

    Raises:
        UsageError: the likelihood is outside 0 to 1.
    """
    if not 0 <= likelihood <= 1:
        raise UsageError(f"a score gave {likelihood}, outside 0 to 1", "mend the score")
    spread = int.from_bytes(mark[:8]) / 2**64
    trust = 0.0 if likelihood == evenly(Signals()) else TRUST
    return min(slices - 1, int(slices * ((1 - trust) * spread + trust * likelihood)))
