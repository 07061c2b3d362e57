"""Jobs as facts on both databases, the files beside them, and a cursor that misses nothing."""

import itertools
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from licet.model.errors import NotFound
from licet.model.licenses import License, RecipientId, SharedVersion
from licet.model.records import Table
from licet.protocol.compliance import JobType, Status
from licet.store import compliance, facts, parties
from licet.store import tables as t
from licet.store.compliance import Cursor, Upload
from licet.store.database import reading, transaction
from licet.store.house import House

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
_numbers = itertools.count()


def opened(house: House, recipient_id: str = "acme", type_: JobType = JobType.TWEETS, at: datetime = NOW) -> int:
    with transaction(house.database) as conn:
        return compliance.open_job(conn, recipient_id, type_, "", at).job_id


def sent(house: House, job_id: int, at: datetime = NOW) -> str:
    upload = Upload.open(house, job_id)
    upload.write(b"1\n")
    name = upload.keep()
    upload.close()
    with transaction(house.database) as conn:
        assert compliance.begin(conn, job_id, name, at)
    return name


def ended(house: House, job_id: int, error: str = "", at: datetime = NOW) -> None:
    if not error:
        compliance.result_path(house, job_id).write_text("")
    with transaction(house.database) as conn:
        compliance.end(conn, job_id, at, error)


def names(house: House) -> set[str]:
    return {path.name for path in compliance.folder_of(house).iterdir()}


def test_a_job_is_there_as_it_was_opened(any_house) -> None:
    with transaction(any_house.database) as conn:
        job = compliance.open_job(conn, "acme", JobType.USERS, "nightly", NOW)
    assert 10**18 <= job.job_id < 2**63
    with reading(any_house.database) as conn:
        assert compliance.job_of(conn, job.job_id) == job
        with pytest.raises(NotFound):
            compliance.job_of(conn, job.job_id - 1)


def test_a_job_takes_its_ids_once(any_house) -> None:
    job_id = opened(any_house)
    first = sent(any_house, job_id)
    with transaction(any_house.database) as conn:
        assert not compliance.begin(conn, job_id, "another", NOW)
    with reading(any_house.database) as conn:
        assert [(each.job.job_id, each.upload) for each in compliance.pending(conn)] == [(job_id, first)]


def test_jobs_are_answered_in_the_order_of_their_uploads(any_house) -> None:
    first, second = opened(any_house), opened(any_house, "other")
    sent(any_house, second, NOW + timedelta(seconds=1))
    sent(any_house, first, NOW + timedelta(seconds=2))
    with reading(any_house.database) as conn:
        assert [each.job.job_id for each in compliance.pending(conn)] == [second, first]
    ended(any_house, second)
    with reading(any_house.database) as conn:
        assert [each.job.job_id for each in compliance.pending(conn)] == [first]


def test_what_was_withdrawn_before_the_upload_is_noted(any_house) -> None:
    job_id = opened(any_house)
    with transaction(any_house.database) as conn:
        seq = facts.take(conn, "test", 1, NOW, withdraws=True)
    sent(any_house, job_id)
    with reading(any_house.database) as conn:
        assert compliance.pending(conn)[0].settled_seq == seq


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 13), st.sampled_from(["open", "sent", "ended", "failed"])), max_size=5),
    st.sampled_from([0, 14, 15, 7 * 1440 - 1, 7 * 1440, 14 * 1440 - 1]),
)
def test_a_job_is_listed_under_its_status_and_no_other(any_house, jobs, minutes) -> None:
    who = f"acme-{next(_numbers)}"
    later = NOW + timedelta(minutes=minutes)
    for days, how in jobs:
        job_id = opened(any_house, who, at=NOW - timedelta(minutes=days))
        if how != "open":
            sent(any_house, job_id)
        if how in {"ended", "failed"}:
            ended(any_house, job_id, "why" if how == "failed" else "")
    with reading(any_house.database) as conn:
        every = compliance.jobs_of(conn, who, JobType.TWEETS, later)
        for status in Status:
            listed = compliance.jobs_of(conn, who, JobType.TWEETS, later, status)
            assert listed == [job for job in every if job.status(later) is status]
        waiting = [job for job in every if job.status(later) in {Status.CREATED, Status.IN_PROGRESS}]
        assert compliance.unfinished(conn, who, later) >= len(waiting)
        assert compliance.jobs_of(conn, who, JobType.USERS, later) == []
    created = [job.created for job in every]
    assert created == sorted(created, reverse=True)


def test_old_jobs_are_not_listed(any_house) -> None:
    opened(any_house)
    with reading(any_house.database) as conn:
        assert len(compliance.jobs_of(conn, "acme", JobType.TWEETS, NOW + timedelta(days=13))) == 1
        assert compliance.jobs_of(conn, "acme", JobType.TWEETS, NOW + timedelta(days=14)) == []


def test_an_upload_that_is_not_kept_leaves_nothing(house) -> None:
    upload = Upload.open(house, opened(house))
    upload.write(b"1\n2\n")
    assert upload.size == 4
    assert len(names(house)) == 1
    upload.close()
    assert names(house) == set()


def test_a_sweep_keeps_what_is_needed_and_deletes_the_rest(any_house) -> None:
    waiting, done, failed, coming = (opened(any_house) for _ in range(4))
    upload = sent(any_house, waiting)
    for job_id in (done, failed):
        sent(any_house, job_id)
    ended(any_house, done)
    ended(any_house, failed, "why")
    folder = compliance.folder_of(any_house)
    arriving = Upload.open(any_house, coming)
    lost = Upload.open(any_house, coming)
    for stray in (f"{done}.ndjson.0123.part", f"{failed}.ndjson", "17.0123.ids", "README"):
        (folder / stray).write_text("")
    os.utime(lost.path, (0, time.time() - compliance.STRAY_S - 60))
    kept = {upload, f"{done}.ndjson", arriving.path.name}
    with reading(any_house.database) as conn:
        # Three strays and a lost upload, and the uploads and the result of jobs that ended.
        assert compliance.sweep(conn, any_house, NOW) == 7
        assert names(any_house) == kept
        assert compliance.sweep(conn, any_house, NOW + timedelta(days=7)) == 1
    assert names(any_house) == kept - {f"{done}.ndjson"}
    for each in (arriving, lost):
        each.close()


def version(license_: License, number: int, at: datetime, table: Table = Table.LIKES, **more: object) -> SharedVersion:
    said = {
        "license_id": license_.license_id,
        "table": table,
        "version": number,
        "as_of_seq": number * 10,
        "policy_digest": "",
        "cause": "recall",
        "rows": 1,
        "at": at,
        "keys": ((f"keys-{number}", 1, 1),),
        "due": at,
    }
    return SharedVersion(**said | more)  # type: ignore[arg-type]


def write_down(house: House, *versions_: SharedVersion) -> None:
    with transaction(house.database) as conn:
        for each in versions_:
            parties.record_version(conn, each, {})


def looked(house: House, cursor: Cursor) -> list[tuple[str, str, int]]:
    with reading(house.database) as conn:
        found = cursor.advance(conn, house.shared)
    return [(each.license_id, str(each.table), each.version) for each in found]


@pytest.fixture
def two(any_house, granted) -> tuple[License, License]:
    """Two licenses of one recipient."""
    pair = granted, replace(granted, license_id="acme-2")
    with transaction(any_house.database) as conn:
        for each in pair:
            facts.grant_license(conn, each, b"k" * 32, NOW)
        facts.grant_license(
            conn, replace(granted, license_id="other-1", recipient_id=RecipientId("other")), b"k" * 32, NOW
        )
    return pair


def test_a_cursor_begins_where_it_was_told_and_gives_nothing_twice(any_house, two) -> None:
    one, _ = two
    write_down(any_house, *(version(one, n, NOW + timedelta(seconds=n)) for n in range(1, 4)))
    cursor = Cursor(recipient_id="acme", tables=(Table.LIKES,), since=NOW + timedelta(seconds=2))
    assert looked(any_house, cursor) == [("acme-1", "likes", 2), ("acme-1", "likes", 3)]
    assert looked(any_house, cursor) == []
    write_down(any_house, version(one, 4, NOW), version(one, 5, NOW, keys=()))
    assert looked(any_house, cursor) == [("acme-1", "likes", 4)]
    write_down(any_house, version(one, 6, NOW))
    assert looked(any_house, cursor) == [("acme-1", "likes", 6)]


def test_a_cursor_misses_nothing_that_is_written_down_late(any_house, two) -> None:
    one, other = two
    cursor = Cursor(recipient_id="acme", tables=(Table.LIKES,), since=NOW)
    assert looked(any_house, cursor) == []
    write_down(any_house, version(other, 1, NOW + timedelta(seconds=9)))
    assert looked(any_house, cursor) == [("acme-2", "likes", 1)]
    write_down(any_house, version(one, 1, NOW + timedelta(seconds=1)))
    assert looked(any_house, cursor) == [("acme-1", "likes", 1)]


def test_a_cursor_looks_at_its_tables_of_its_recipient_in_the_order_of_time(any_house, two) -> None:
    one, other = two
    theirs = replace(one, license_id="other-1", recipient_id=RecipientId("other"))
    write_down(
        any_house,
        version(one, 1, NOW + timedelta(seconds=3)),
        version(one, 1, NOW + timedelta(seconds=1), Table.POSTS),
        version(other, 1, NOW + timedelta(seconds=2)),
        version(theirs, 1, NOW + timedelta(seconds=2)),
    )
    cursor = Cursor(recipient_id="acme", tables=(Table.LIKES,), since=NOW)
    assert looked(any_house, cursor) == [("acme-2", "likes", 1), ("acme-1", "likes", 1)]
    assert looked(any_house, Cursor(recipient_id="nobody", tables=tuple(Table), since=NOW)) == []


def test_what_left_says_after_which_number_and_where_its_keys_are(any_house, two) -> None:
    one, _ = two
    write_down(any_house, version(one, 1, NOW), version(one, 2, NOW, cause="build"), version(one, 3, NOW))
    cursor = Cursor(recipient_id="acme", tables=(Table.LIKES,), since=NOW)
    with reading(any_house.database) as conn:
        first, second, third = cursor.advance(conn, any_house.shared)
    assert [(each.before_seq, each.as_of_seq, each.built) for each in (first, second, third)] == [
        (0, 10, False),
        (10, 20, True),
        (20, 30, False),
    ]
    folder = any_house.shared.folder("acme-1", Table.LIKES)
    assert second.keys == (folder / "_keys" / "keys-2",)


def test_a_cursor_survives_the_loss_of_a_version_before(any_house, two) -> None:
    """Then everybody who withdrew ever may have left with it."""
    one, _ = two
    write_down(any_house, version(one, 1, NOW), version(one, 2, NOW))
    with transaction(any_house.database) as conn:
        conn.execute(delete(t.shared_version).where(t.shared_version.c.version == 1))
    with reading(any_house.database) as conn:
        (left,) = Cursor(recipient_id="acme", tables=(Table.LIKES,), since=NOW).advance(conn, any_house.shared)
    assert left.before_seq == 0
