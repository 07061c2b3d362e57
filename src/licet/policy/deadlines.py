"""When a duty falls due, in the unit in which the law counts it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import holidays

from licet.model.licenses import License
from licet.policy.rules import Deadline, Notice, Unit
from licet.policy.vocabulary import country_of

_WEEKEND: Final = frozenset({5, 6})


def due(deadline: Deadline, start: datetime, country: str) -> datetime:
    """Give the instant by which a duty that began at `start` (aware) is due; `country` is a region code.

    Business days are counted from the day after the start, by the public holidays of the region where they are known;
    where they are not, only weekends are left out, which makes the deadline earlier, never later.
    """
    begun = start.astimezone(UTC)
    if deadline.unit is Unit.HOURS:
        return begun + timedelta(hours=deadline.amount)
    if deadline.unit is Unit.DAYS:
        return begun + timedelta(days=deadline.amount)
    calendar = _calendar(country)
    day, left = begun, deadline.amount
    while left:
        day += timedelta(days=1)
        left -= _is_business_day(day, calendar)
    return day


def deadlines_for(notice: Notice, what: str, region: str) -> tuple[Deadline, ...]:
    """Give the deadlines of a notice for a duty towards a member of a region; an unknown region has every one."""
    country = country_of(region)
    return tuple(
        each
        for each in notice.deadlines
        if each.what == what and (not each.regions or country is None or _applies(each, region, country))
    )


def first_due(notice: Notice, what: str, start: datetime, region: str) -> datetime | None:
    """Give the earliest instant at which a duty falls due for a region, or None where the notice sets no deadline."""
    return min((due(each, start, region) for each in deadlines_for(notice, what, region)), default=None)


RECALL: Final = "recall"
"""The duty to follow a recall."""


def due_by(license_: License, notice: Notice | None, start: datetime, regions: Iterable[str]) -> datetime:
    """Give by when a recipient has to follow a recall: the license's hours, or a region's deadline if that is first."""
    agreed = start.astimezone(UTC) + timedelta(hours=license_.recall_within_hours)
    legal = [first_due(notice, RECALL, start, region) for region in regions] if notice else []
    return min(agreed, *(each for each in legal if each), agreed)


def _applies(deadline: Deadline, region: str, country: str) -> bool:
    if region in deadline.regions or country in deadline.regions:
        return True
    # Of a member known by country alone, nobody knows that they do not live in the listed part.
    return region == country and any(code[:2] == country for code in deadline.regions)


def _calendar(region: str) -> holidays.HolidayBase | None:
    country, _, part = region.partition("-")
    supported = holidays.list_supported_countries().get(country)
    if supported is None:
        return None
    return holidays.country_holidays(country, subdiv=part if part in supported else None)


def _is_business_day(day: datetime, calendar: holidays.HolidayBase | None) -> bool:
    return day.weekday() not in _WEEKEND if calendar is None else calendar.is_working_day(day.date())
