"""Deadlines in the unit in which the law counts them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from licet.model.licenses import License, LicenseId, RecipientId
from licet.policy.deadlines import deadlines_for, due, due_by, first_due
from licet.policy.notice import Deadline, Notice, Unit

_LICENSE = License(
    license_id=LicenseId("l1"),
    recipient_id=RecipientId("acme"),
    purpose="third_party_training",
    tables=(),
    columns=(),
    langs=(),
    created_from=datetime(2020, 1, 1, tzinfo=UTC),
    created_until=datetime(2030, 1, 1, tzinfo=UTC),
    starts=datetime(2024, 1, 1, tzinfo=UTC),
    ends=datetime(2030, 1, 1, tzinfo=UTC),
    recall_within_hours=24,
)
_FRIDAY = datetime(2024, 12, 20, 9, 30, tzinfo=UTC)


def _deadline(amount: int, unit: Unit) -> Deadline:
    return Deadline(what="recall", amount=amount, unit=unit)


def test_hours_and_days_run_through_weekends() -> None:
    """They are spans of time."""
    assert due(_deadline(72, Unit.HOURS), _FRIDAY, "US") == _FRIDAY + timedelta(days=3)
    assert due(_deadline(30, Unit.DAYS), _FRIDAY, "US") == _FRIDAY + timedelta(days=30)


def test_business_days_skip_weekends_and_the_holidays_of_the_place() -> None:
    """Three business days over Christmas: Germany has two days of it, California one, an unknown place none."""
    three = _deadline(3, Unit.BUSINESS_DAYS)
    assert due(three, _FRIDAY, "US-CA") == _FRIDAY.replace(day=26)
    assert due(three, _FRIDAY, "DE") == _FRIDAY.replace(day=27)
    assert due(three, _FRIDAY, "unknown") == _FRIDAY.replace(day=25)


@given(
    deadline=st.from_type(Deadline),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    region=st.sampled_from(["US", "US-CA", "DE-BY", "GB-SCT", "unknown", "AQ", "ZZ"]),
)
def test_a_longer_deadline_is_never_due_earlier(deadline: Deadline, start: datetime, region: str) -> None:
    """One unit more moves it on, and nothing is due before it began."""
    longer = Deadline(what="recall", amount=deadline.amount + 1, unit=deadline.unit)
    assert start <= due(deadline, start, region) < due(longer, start, region)


def test_the_earliest_of_the_deadlines_that_apply_counts(x_notice: Notice) -> None:
    """California has its own; a member known as American only, or not at all, gets whichever is shorter."""
    counts = {region: len(deadlines_for(x_notice, "recall", region)) for region in ("US-CA", "US-TX", "US", "FR", "?")}
    assert counts == {"US-CA": 2, "US-TX": 1, "US": 2, "FR": 1, "?": 2}
    start = datetime(2025, 3, 3, tzinfo=UTC)
    assert first_due(x_notice, "recall", start, "US-CA") == datetime(2025, 3, 24, tzinfo=UTC)
    assert first_due(x_notice, "recall", start, "US-TX") == datetime(2025, 4, 2, tzinfo=UTC)
    assert first_due(x_notice, "never heard of", start, "US") is None


def test_a_recall_is_due_by_the_agreed_hours_or_by_a_law_that_is_first(x_notice: Notice) -> None:
    """The license's hours bound it; where they are long, California's fifteen business days come first."""
    start = datetime(2025, 3, 3, tzinfo=UTC)
    day, year = (replace(_LICENSE, recall_within_hours=hours) for hours in (24, 24 * 365))
    assert due_by(day, x_notice, start, ["US-CA", "FR"]) == start + timedelta(days=1)
    assert due_by(year, x_notice, start, ["US-CA", "FR"]) == datetime(2025, 3, 24, tzinfo=UTC)
    assert due_by(year, x_notice, start, ["FR"]) == datetime(2025, 4, 2, tzinfo=UTC)
    assert due_by(year, None, start, []) == start + timedelta(days=365)
