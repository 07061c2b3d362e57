"""What a draft would change is what deciding every record under both notices one by one gives."""

from collections import Counter

import pytest
from platform_history import NOTICE, PURPOSE, Platform, live

from licet.model.records import Table
from licet.policy.decide import RecordFacts, Subject, Terms, decide
from licet.policy.notice import parse_notice
from licet.store import asof, facts
from licet.store.database import reading
from licet.store.what_if import Drafted, what_if

DRAFT = NOTICE.replace('version = "x-2024-11-15"', 'version = "draft"').replace(
    'when = { visibility = ["unlisted", "followers", "private"] }', 'when = { region = ["BR", "US-CA"] }', 1
)


@pytest.fixture
def platform(house, tmp_path) -> Platform:
    return live(house, tmp_path / "data", members=60, posts=150)


def test_every_row_is_decided_as_one_by_one(platform) -> None:
    house, now = platform.house, platform.now
    draft = parse_notice(DRAFT, "draft")
    with reading(house.database) as conn:
        seq = facts.last_seq(conn)
        license_, _ = asof.license_as_of(conn, "acme_2024", seq)
        notice = asof.notice_in_force(conn, seq, now)
        people = asof.subjects(conn, seq, PURPOSE, "acme", "draft").to_pylist()
    known = {row.pop("member_id"): Subject(**row) for row in people}
    found = what_if(house, license_, Drafted(before=notice, after=draft, at=now, seq=seq))
    terms = Terms(purpose=PURPOSE, channel="third_party", recipient_id="acme", at=now)
    wanted: Counter[tuple[str, str, str]] = Counter()
    for row in house.lake.open(Table.POSTS).to_pyarrow_table().to_pylist():
        subject = known[row["author_id"]]
        record = RecordFacts(table="posts", visibility=row["visibility"], created_at=row["created_at"])
        old, new = (decide([subject], record, terms, each) for each in (notice, draft))
        reasons = ("" if old.permit else old.reason, "" if new.permit else new.reason)
        wanted[(subject.region, *reasons)] += 1
    counted: Counter[tuple[str, str, str]] = Counter()
    for s in found.rows[Table.POSTS]:
        counted[s.region, s.before, s.after] += s.count
    assert counted == wanted
    assert sum(s.count for s in found.members) == len(known)
    assert any(s.change < 0 for s in found.rows[Table.POSTS])
