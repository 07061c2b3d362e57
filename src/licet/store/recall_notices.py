"""Notices of recall: one a recall, in one order that recipients read as a feed, each also sent to a webhook if any."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pyarrow.parquet as pq
from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from licet.model.recalls import Recall, State
from licet.protocol.recall_notices import Endpoint, notice_id_of
from licet.store import leaves
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.facts import CHUNK, micros
from licet.store.keys import REASON
from licet.store.recalls import UNSETTLED, recalls_named
from licet.store.shared import KEYS_FOLDER, SharedTables

LONGEST: Final = timedelta(hours=6)
"""The longest pause between two attempts to send a notice."""
AT_ONCE: Final = 20
"""Notices of one recipient that are sent in one turn, so that nobody keeps the others waiting."""

WEBHOOK: Final = "webhook"
READ_ON: Final = "feed"
ENDPOINT: Final = "endpoint"
KEY_FILES: Final = "key files"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallNotice:
    """A notice as it stands: its place in the feed, its body, and how it was received; None means not yet."""

    n: int
    notice_id: str
    recall_id: str
    recipient_id: str
    body: str
    at: datetime
    read: datetime | None
    """When the recipient first read it on the feed."""
    taken: datetime | None
    """When the recipient's webhook took it."""
    acknowledged: datetime | None
    acknowledged_by: str
    attempts: int
    last_status: int
    """What the webhook answered last; 0 for no answer."""
    last_error: str


def _notice(row: Any) -> RecallNotice:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return RecallNotice(
        n=row.n,
        notice_id=row.notice_id,
        recall_id=row.recall_id,
        recipient_id=row.recipient_id,
        body=row.body,
        at=instant(row.at_us),
        read=_when(row.read_us),
        taken=_when(row.taken_us),
        acknowledged=_when(row.acknowledged_us),
        acknowledged_by=row.acknowledged_by,
        attempts=row.attempts,
        last_status=row.last_status,
        last_error=row.last_error,
    )


def _when(us: int) -> datetime | None:
    return instant(us) if us else None


def reasons(shared: SharedTables, recall: Recall) -> dict[tuple[str, int], dict[str, int]]:
    """Count the rows that left by table, version and reason; what is no longer on disk is not counted."""
    found: dict[tuple[str, int], dict[str, int]] = {}
    for departure in recall.departures:
        counts = found.setdefault((str(departure.table), departure.version), {})
        folder = shared.folder(recall.license_id, departure.table) / KEYS_FOLDER
        for path in (folder / file.name for file in departure.keys):
            if not path.exists():
                continue
            with pq.ParquetFile(path) as parquet:
                for each in parquet.read(columns=[REASON])[REASON].value_counts().to_pylist():
                    counts[each["values"]] = counts.get(each["values"], 0) + each["counts"]
    return found


def queue(conn: Connection, recall: Recall, body: str, at: datetime) -> None:
    """Make a recall's notice, last in the feed and due at once; hold the lease of who makes them."""
    last = conn.execute(select(func.coalesce(func.max(t.recall_notice.c.n), 0))).scalar_one()
    row = {"n": int(last) + 1, "notice_id": notice_id_of(recall.recall_id), "recall_id": recall.recall_id}
    row |= {"license_id": recall.license_id, "recipient_id": recall.recipient_id}
    conn.execute(insert(t.recall_notice).values(**row, body=body, at_us=micros(at), next_us=micros(at)))
    told = {"recall": recall.recall_id, "recipient": recall.recipient_id}
    digest = hashlib.sha256(body.encode()).hexdigest()
    said = {**told, "notice": notice_id_of(recall.recall_id), "body": digest}
    leaves.note(conn, "told", micros(at), said, recall.recall_id)


def notice_of(conn: Connection, recall_id: str) -> RecallNotice | None:
    """Give a recall's notice, or None if it has none."""
    row = conn.execute(select(t.recall_notice).where(t.recall_notice.c.recall_id == recall_id)).first()
    return None if row is None else _notice(row)


def feed(conn: Connection, recipient_id: str, after: int, limit: int) -> list[RecallNotice]:
    """Give a recipient's notices that come after a place, oldest first."""
    c = t.recall_notice.c
    query = select(t.recall_notice).where(c.recipient_id == recipient_id, c.n > after).order_by(c.n).limit(limit)
    return [_notice(row) for row in conn.execute(query)]


def passed(conn: Connection, recipient_id: str, upto: int) -> bool:
    """Tell whether a recipient read some notice before or at a place, and it is not acknowledged."""
    query = select(t.recall_notice.c.n).where(*_passed(recipient_id, upto)).limit(1)
    return conn.execute(query).first() is not None


def _passed(recipient_id: str, upto: int) -> tuple[ColumnElement[bool], ...]:
    c = t.recall_notice.c
    return (c.recipient_id == recipient_id, c.n <= upto, c.read_us > 0, c.acknowledged_us == 0)


def mark_read(conn: Connection, places: Sequence[int], at: datetime) -> None:
    """Note that notices were handed out on the feed; the first time counts."""
    c = t.recall_notice.c
    conn.execute(update(t.recall_notice).where(c.n.in_(places), c.read_us == 0).values(read_us=micros(at)))


def pass_over(conn: Connection, recipient_id: str, upto: int, at: datetime) -> None:
    """Acknowledge what a recipient read on the feed up to a place, for it asks for what comes after."""
    values = {"acknowledged_us": micros(at), "acknowledged_by": READ_ON, "next_us": t.OPEN}
    conn.execute(update(t.recall_notice).where(*_passed(recipient_id, upto)).values(**values))


def acknowledge(conn: Connection, recall_id: str, by: str, at: datetime) -> None:
    """Note that a recipient acknowledged a recall; the first time counts, and nothing more is sent."""
    c = t.recall_notice.c
    values = {"acknowledged_us": micros(at), "acknowledged_by": by, "next_us": t.OPEN}
    which = (c.recall_id == recall_id, c.acknowledged_us == 0)
    conn.execute(update(t.recall_notice).where(*which).values(**values))


def rest(conn: Connection, recall_id: str) -> None:
    """Send nothing more about a recall."""
    conn.execute(update(t.recall_notice).where(t.recall_notice.c.recall_id == recall_id).values(next_us=t.OPEN))


def told(conn: Connection) -> list[tuple[str, str]]:
    """Give open recalls whose notice some channel took: name and channel."""
    c = t.recall_notice.c
    got = or_(c.read_us > 0, c.taken_us > 0)
    query = select(c.recall_id, c.taken_us).join(t.recall, t.recall.c.recall_id == c.recall_id)
    rows = conn.execute(query.where(t.recall.c.state == State.OPEN, got).order_by(c.n))
    return [(row.recall_id, WEBHOOK if row.taken_us else READ_ON) for row in rows]


def acknowledged(conn: Connection) -> list[tuple[str, str]]:
    """Give recalls that the recipient acknowledged and that do not say so yet: name and channel."""
    c = t.recall_notice.c
    query = select(c.recall_id, c.acknowledged_by).join(t.recall, t.recall.c.recall_id == c.recall_id)
    rows = conn.execute(query.where(_unanswered(), c.acknowledged_us > 0).order_by(c.n))
    return [(row.recall_id, row.acknowledged_by) for row in rows]


def _unanswered() -> ColumnElement[bool]:
    return t.recall.c.state.in_([str(State.OPEN), str(State.NOTIFIED)])


def followed(conn: Connection) -> list[str]:
    """Give unacknowledged recalls of which the recipient fetched every file of keys."""
    c = t.recall_notice.c
    query = select(c.recall_id).join(t.recall, t.recall.c.recall_id == c.recall_id)
    names = conn.execute(query.where(_unanswered(), c.acknowledged_us == 0).order_by(c.n)).scalars().all()
    wanted = {
        recall.recall_id: {(recall.license_id, file.name) for each in recall.departures for file in each.keys}
        for recall in recalls_named(conn, names)
    }
    fetched = _fetched(conn, sorted({file for files in wanted.values() for _, file in files}))
    return [name for name in names if wanted[name] and wanted[name] <= fetched]


def _fetched(conn: Connection, files: Sequence[str]) -> set[tuple[str, str]]:
    c = t.delivery.c
    found: set[tuple[str, str]] = set()
    for start in range(0, len(files), CHUNK):
        query = select(c.license_id, c.file).where(c.file.in_(files[start : start + CHUNK]), c.bytes > 0)
        found |= {(row.license_id, row.file) for row in conn.execute(query.distinct())}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notice that is due at a recipient's webhook."""

    notice: RecallNotice
    endpoint: Endpoint


def waiting(conn: Connection, at: datetime) -> list[Waiting]:
    """Give the notices that are due at webhooks, a few of each recipient, oldest first.

    A notice that is due later than any pause would have it was put off by a clock that ran ahead: it is due now.
    """
    c, w = t.recall_notice.c, t.webhook.c
    ahead = and_(c.next_us > micros(at + LONGEST), c.next_us < t.OPEN)
    due = (or_(c.next_us <= micros(at), ahead), c.taken_us == 0, c.acknowledged_us == 0)
    place = func.row_number().over(partition_by=c.recipient_id, order_by=c.n).label("place")
    query = select(t.recall_notice, w.url, w.secret, w.private, place).join(t.webhook, w.recipient_id == c.recipient_id)
    query = query.join(t.recall, t.recall.c.recall_id == c.recall_id)
    query = query.where(*due, t.recall.c.state.in_([str(state) for state in UNSETTLED]))
    few = query.subquery()
    rows = conn.execute(select(few).where(few.c.place <= AT_ONCE).order_by(few.c.n)).all()
    return [
        Waiting(notice=_notice(row), endpoint=Endpoint(url=row.url, secret=row.secret, private=bool(row.private)))
        for row in rows
    ]


def claim(conn: Connection, notice: RecallNotice, until: datetime) -> bool:
    """Take a notice to send it; others leave it alone until an instant. False where somebody else did, or it rests."""
    c = t.recall_notice.c
    free = (c.n == notice.n, c.attempts == notice.attempts, c.taken_us == 0, c.acknowledged_us == 0)
    values = {"attempts": notice.attempts + 1, "next_us": micros(until)}
    return conn.execute(update(t.recall_notice).where(*free, c.next_us < t.OPEN).values(**values)).rowcount > 0


def record_taken(conn: Connection, notice: RecallNotice, status: int, at: datetime) -> None:
    """Note that a recipient's webhook took a notice."""
    c = t.recall_notice.c
    values: Mapping[str, Any] = {"taken_us": micros(at), "last_status": status, "last_error": "", "next_us": t.OPEN}
    conn.execute(update(t.recall_notice).where(c.n == notice.n, c.taken_us == 0).values(**values))


def record_failure(conn: Connection, notice: RecallNotice, status: int, error: str, again: datetime) -> None:
    """Note why a notice was not taken, and put off all that wait for the same webhook: it is tried with one."""
    c = t.recall_notice.c
    said = {"last_status": status, "last_error": error[:64]}
    conn.execute(update(t.recall_notice).where(c.n == notice.n).values(**said))
    same = (c.recipient_id == notice.recipient_id, c.taken_us == 0, c.acknowledged_us == 0, c.next_us < t.OPEN)
    later = update(t.recall_notice).where(*same, or_(c.n == notice.n, c.next_us < micros(again)))
    conn.execute(later.values(next_us=micros(again)))
