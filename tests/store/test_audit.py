"""The audit trail: written in batches, read by recipient and time, pruned; it keeps nothing that a path may smuggle."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import inspect

from licet.model.licenses import License
from licet.store import audit, facts
from licet.store.audit import AuditEntry
from licet.store.database import reading, transaction
from licet.store.house import House

DAY = timedelta(days=1)


@pytest.fixture
def entry(now: datetime) -> AuditEntry:
    return AuditEntry(
        at=now,
        recipient_id="acme",
        credential_id="c_1",
        method="GET",
        route="/delta-sharing/shares/{share}/schemas/{schema}/tables/{table}/metadata",
        license_id="acme-1",
        record_table="posts",
        status=200,
        bytes=3_000_000_000,
        duration_us=1234,
        network="203.0.113.0/24",
    )


def everything(house: House, now: datetime, **chosen: object) -> list[AuditEntry]:
    with reading(house.database) as conn:
        return audit.requests(conn, now - 99 * DAY, **chosen)  # type: ignore[arg-type]


def test_what_is_recorded_is_read_again(any_house: House, now: datetime, granted: License, entry: AuditEntry) -> None:
    stranger = replace(entry, recipient_id="", credential_id="", license_id="", record_table="", network="", route="")
    with transaction(any_house.database) as conn:
        facts.grant_license(conn, granted, b"k" * 32, now)
        audit.record_requests(conn, [entry, stranger])
    assert everything(any_house, now) == [entry, stranger]


def test_only_names_of_what_there_is_are_kept(
    any_house: House, now: datetime, granted: License, entry: AuditEntry
) -> None:
    """A path may hold anything, also what a database refuses to take."""
    asked = [("ACME-1", "Posts"), ("x:1", "x:1"), ("licet_secret", "licetat_secret"), ("\0", "\0"), ("a" * 999, "é")]
    with transaction(any_house.database) as conn:
        facts.grant_license(conn, granted, b"k" * 32, now)
        audit.record_requests(conn, [replace(entry, license_id=share, record_table=table) for share, table in asked])
    found = [(each.license_id, each.record_table) for each in everything(any_house, now)]
    assert found == [("acme-1", "posts"), ("", ""), ("", ""), ("", ""), ("", "")]


def test_entries_are_chosen_by_recipient_and_time_and_the_newest_win(
    any_house: House, now: datetime, entry: AuditEntry
) -> None:
    entries = [
        replace(entry, at=now + n * DAY, recipient_id=("acme", "other")[n % 2], license_id="", status=200 + n)
        for n in range(6)
    ]
    with transaction(any_house.database) as conn:
        audit.record_requests(conn, entries)
        since = audit.requests(conn, now + 3 * DAY)
    assert since == entries[3:]
    assert everything(any_house, now, recipient_id="other") == entries[1::2]
    assert everything(any_house, now, most=2) == entries[-2:]
    assert everything(any_house, now, recipient_id="nobody") == []


@pytest.mark.parametrize("most", [1, 2, 100])
def test_pruning_forgets_what_is_older_and_nothing_else(
    any_house: House, now: datetime, entry: AuditEntry, most: int
) -> None:
    entries = [replace(entry, at=now + n * DAY, license_id="") for n in range(6)]
    with transaction(any_house.database) as conn:
        audit.record_requests(conn, entries)
    gone = list(audit.prune(any_house.database, now + 4 * DAY, most))
    assert sum(gone) == 4
    assert max(gone) <= most
    assert everything(any_house, now) == entries[4:]
    assert list(audit.prune(any_house.database, now + 4 * DAY, most)) == []


def test_there_are_indexes_to_find_entries_by(any_house: House) -> None:
    found = {tuple(index["column_names"]) for index in inspect(any_house.database).get_indexes("audit_request")}
    assert {("at_us",), ("recipient_id", "at_us")} <= found
