"""A notice and its parts, and the three-valued truth of one condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from licet.model.members import Choice
from licet.policy.vocabulary import ATTRIBUTE_OF, KNOWN, country_of


class Effect(StrEnum):
    """What a rule does with a record that meets its conditions."""

    PERMIT = "permit"
    DENY = "deny"


class Unit(StrEnum):
    """The unit in which a law counts time."""

    HOURS = "hours"
    DAYS = "days"
    BUSINESS_DAYS = "business_days"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What the data is for; `on` and `off` are the words a member reads beside the switch."""

    name: str
    default: Choice
    gpc: bool
    """Whether a browser's `Sec-GPC: 1` counts as an opt-out."""
    on: str
    off: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One test; which of `values`, `instant` and `days` is set depends on the key (see `vocabulary.ATTRIBUTE_OF`).

    The values of `region` are codes: groups were resolved when the notice was read.
    """

    key: str
    values: frozenset[str] = frozenset()
    instant: datetime | None = None
    days: int = 0

    @property
    def attribute(self) -> str:
        """Name what the condition looks at."""
        return ATTRIBUTE_OF[self.key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When every condition is true, `effect` is decided, with `code` as its reason."""

    code: str
    effect: Effect
    sentence: str
    law: str
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """By when `what` is due after its start, in its own unit; empty `regions` means everywhere."""

    what: str
    amount: int
    unit: Unit
    regions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One version of the privacy notice; members may choose from `settings_open`, it binds from `effective`."""

    version: str
    title: str
    text: str
    published: datetime
    settings_open: datetime
    effective: datetime
    purposes: Mapping[str, Purpose]
    regions: Mapping[str, frozenset[str]]
    rules: tuple[Rule, ...]
    deadlines: tuple[Deadline, ...]


def truth(condition: Condition, value: str | datetime | None, at: datetime) -> bool | None:
    """Tell whether a condition holds of the value it looks at; None where that cannot be known."""
    known = KNOWN.get(condition.key)
    if known is not None:
        return True if value in condition.values else False if value in known else None
    if isinstance(value, datetime):
        return _instant_truth(condition, value, at)
    if not isinstance(value, str) or not value or value == "unknown":
        return None
    return _region_truth(condition.values, value) if condition.key == "region" else value in condition.values


def _instant_truth(condition: Condition, value: datetime, at: datetime) -> bool | None:
    if value.tzinfo is None:
        return None
    if condition.key == "shown_days_at_least":
        return value <= at - timedelta(days=condition.days)
    if condition.instant is None:
        return None
    return value < condition.instant if condition.key == "created_before" else value >= condition.instant


def _region_truth(listed: frozenset[str], region: str) -> bool | None:
    country = country_of(region)
    if country is None:
        return None
    if region in listed or country in listed:
        return True
    # A member known to live in the US may or may not live in a listed US-CA.
    return None if region in bare_countries(listed) else False


def bare_countries(listed: frozenset[str]) -> frozenset[str]:
    """Give the countries of which only parts are listed: a member known by such a country alone is undecidable."""
    return frozenset(code[:2] for code in listed if len(code) > 2) - listed  # noqa: PLR2004 (a bare country has two)
