"""Recipients' tokens, watermarks, versions, deliveries and secrets."""

from datetime import datetime

import pytest

from licet.model.errors import NotFound, UsageError
from licet.model.licenses import Delivery, LicenseId, RecipientId
from licet.model.records import Table
from licet.store import parties
from licet.store.database import transaction
from licet.store.house import House


def test_nobody_gets_an_id_twice_or_a_token_unregistered(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        with pytest.raises(NotFound):
            parties.issue_token(conn, "acme", now)
        parties.add_recipient(conn, "acme", "Acme", now)
        with pytest.raises(UsageError):
            parties.add_recipient(conn, "acme", "Other", now)
        assert parties.recipients(conn) == [("acme", "Acme")]
        assert parties.recipient_name(conn, "acme") == "Acme"


def test_a_watermark_never_goes_back(any_house: House) -> None:
    with transaction(any_house.database) as conn:
        assert parties.checked_seq(conn, "acme-1") == -1
        for seq, expected in ((0, 0), (9, 9), (4, 9), (12, 12)):
            parties.set_checked_seq(conn, "acme-1", seq)
            assert parties.checked_seq(conn, "acme-1") == expected
        assert parties.checked_seq(conn, "acme-2") == -1


def test_a_secret_of_the_house_is_made_once(any_house: House) -> None:
    with transaction(any_house.database) as conn:
        first = parties.house_secret(conn, "url")
        assert len(first) == 32
        assert parties.house_secret(conn, "session") != first
    with transaction(any_house.database) as conn:
        assert parties.house_secret(conn, "url") == first


def test_deliveries_are_summed_by_version_and_count_a_file_once(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        for file, size in (("a", 10), ("a", 5), ("b", 1)):
            delivery = Delivery(
                recipient_id=RecipientId("acme"),
                license_id=LicenseId("acme-1"),
                table=Table.POSTS,
                version=2,
                file=file,
                bytes=size,
                at=now,
            )
            parties.record_delivery(conn, delivery)
        assert parties.delivered(conn, "acme-1") == [("posts", 2, 2, 16)]
        assert parties.delivered(conn, "other") == []
