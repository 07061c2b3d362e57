"""Values that the store's tests begin with."""

from datetime import UTC, datetime

import pytest

from licet.model.licenses import License, LicenseId, RecipientId
from licet.model.records import Table


@pytest.fixture
def now() -> datetime:
    """An instant with microseconds, which floating point would blur."""
    return datetime(2024, 11, 16, 8, 30, 15, 123457, tzinfo=UTC)


@pytest.fixture
def granted() -> License:
    """A license over posts and likes."""
    return License(
        license_id=LicenseId("acme-1"),
        recipient_id=RecipientId("acme"),
        purpose="third_party_training",
        tables=(Table.POSTS, Table.LIKES),
        columns=("text", "created_at", "lang"),
        langs=("en",),
        created_from=datetime(2006, 1, 1, tzinfo=UTC),
        created_until=datetime(2025, 1, 1, tzinfo=UTC),
        starts=datetime(2024, 11, 15, tzinfo=UTC),
        ends=datetime(2025, 11, 15, tzinfo=UTC),
        recall_within_hours=72,
    )
