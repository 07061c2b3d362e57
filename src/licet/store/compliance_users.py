"""Which users left a license whole with some of its versions: what a stream of users tells.

A file of keys says why a row left, but of an interaction not whose doing it was. So whoever is named there counts only
if the facts say so: a member who withdrew since the version before, and of whom the rules now let nothing go out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb
import pyarrow as pa
from sqlalchemy import Select, or_, select, union

from licet.model.licenses import KEYS, License
from licet.model.members import EVERY_RECIPIENT, AccountStatus, Choice, Protection
from licet.model.recalls import Cause
from licet.policy.decide import Subject, Terms
from licet.policy.notice import Notice
from licet.policy.residual import residual
from licet.protocol.pseudonyms import DIGITS, member_digests
from licet.store import asof
from licet.store import tables as t
from licet.store.compliance import Left
from licet.store.database import reading
from licet.store.engine import BATCH, parquet
from licet.store.facts import last_seq
from licet.store.house import House
from licet.store.keys import REASON

_CLOSED: Final = {
    AccountStatus.DEACTIVATED: Cause.DEACTIVATED,
    AccountStatus.SUSPENDED: Cause.SUSPENDED,
    AccountStatus.DELETED: Cause.DELETED,
}
_SUBJECTS: Final = ("author_id", "actor_id", "post_author_id")
_CHANNEL: Final = "third_party"
"""A license hands data to somebody else."""


def users_who_left(house: House, lefts: Sequence[Left]) -> Iterator[list[tuple[str, Cause]]]:
    """Give, some at a time, the pseudonyms of users who left whole with versions of one license as of one number."""
    with reading(house.database) as conn:
        license_, _ = asof.license_as_of(conn, lefts[0].license_id, last_seq(conn))
        key = asof.license_key(conn, lefts[0].license_id)
        notice = asof.notice_in_force(conn, lefts[0].as_of_seq, lefts[0].at)
    judged = _Judged(house=house, license=license_, notice=notice, seq=lefts[0].as_of_seq, at=lefts[0].at)
    with house.engine.session() as session:
        if not _gather(session, house, license_, key, lefts):
            return
        named = session.sql(f"SELECT * FROM ({_named(lefts)}) ORDER BY id").to_arrow_reader(BATCH)
        for batch in named:
            yield judged.of(batch.to_pylist())


def _gather(
    session: duckdb.DuckDBPyConnection, house: House, license_: License, key: bytes, lefts: Sequence[Left]
) -> int:
    """Fill the table `member` with whoever withdrew since the versions before, by id and pseudonym."""
    session.execute("CREATE TEMP TABLE member (member_id VARCHAR, id VARCHAR)")
    query = _withdrew(license_, min(each.before_seq for each in lefts), lefts[0].as_of_seq)
    count = 0
    with reading(house.database) as conn:
        for rows in conn.execute(query.execution_options(yield_per=BATCH)).partitions():
            names = [row.member_id for row in rows]
            pseudonyms = [digest.hex()[:DIGITS] for digest in member_digests(key, names)]
            session.register("batch", pa.table({"member_id": names, "id": pseudonyms}))
            session.execute("INSERT INTO member SELECT * FROM batch")
            session.unregister("batch")
            count += len(names)
    return count


def _withdrew(license_: License, after: int, upto: int) -> Select[Any]:
    """Query members with a denial that bears on the license, or an account not open, since a number."""
    s, m = t.setting_fact.c, t.member_fact.c
    denied = select(s.member_id).where(
        *(s.seq > after, s.seq <= upto, s.until_seq > upto, s.choice == str(Choice.DENY)),
        *(s.purpose == license_.purpose, s.recipient_id.in_([EVERY_RECIPIENT, license_.recipient_id])),
    )
    closed = or_(m.protection == str(Protection.PROTECTED), m.status.in_([str(status) for status in _CLOSED]))
    shut = select(m.member_id).where(m.seq > after, m.seq <= upto, m.until_seq > upto, closed)
    return select(union(denied, shut).subquery().c.member_id)


def _named(lefts: Sequence[Left]) -> str:
    """Query those of `member` who are named in files of keys, with the reasons that stand there."""
    parts = [
        f"SELECT {column} AS id, {REASON} AS reason, {each.built} AS built"
        f" FROM {parquet([str(path) for path in each.keys])}"
        for each in lefts
        for column in KEYS[each.table]
        if column in _SUBJECTS
    ]
    return (
        "SELECT m.member_id, m.id, list(DISTINCT k.reason) AS reasons, bool_or(k.built) AS built"
        f" FROM member AS m JOIN ({' UNION ALL '.join(parts)}) AS k USING (id) GROUP BY m.member_id, m.id"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What the rules say of members as of one number."""

    house: House
    license: License
    notice: Notice | None
    seq: int
    at: datetime

    def of(self, rows: list[dict[str, Any]]) -> list[tuple[str, Cause]]:
        """Give those of whom nothing goes out any more, each with why."""
        version = self.notice.version if self.notice else ""
        names = [row["member_id"] for row in rows]
        with reading(self.house.database) as conn:
            who = asof.subjects(
                conn, self.seq, self.license.purpose, self.license.recipient_id, version, names
            ).to_pylist()
        subjects = {row.pop("member_id"): Subject(**row) for row in who}
        found = []
        for row in rows:
            subject = subjects.get(row["member_id"])
            cause = None if subject is None else _cause(subject)
            # A build does not know why each row is gone; a recall does, and has to agree.
            if subject and cause and (row["built"] or cause in row["reasons"]) and self._is_out(subject):
                found.append((row["id"], cause))
        return found

    def _is_out(self, subject: Subject) -> bool:
        """Tell whether no rule that may still apply permits anything of the license."""
        license_ = self.license
        terms = Terms(purpose=license_.purpose, channel=_CHANNEL, recipient_id=license_.recipient_id, at=self.at)
        return not any(
            step.decision.permit
            for table in license_.tables
            for step in residual(subject, terms, self.notice, str(table))
        )


def _cause(subject: Subject) -> Cause | None:
    if subject.setting == Choice.DENY:
        return Cause.OPTED_OUT
    if subject.protection == Protection.PROTECTED:
        return Cause.PROTECTED
    return _CLOSED.get(AccountStatus(subject.status))
