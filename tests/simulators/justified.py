"""Ask of every debt whether the facts justify what is recorded of it: in SQL and Python of its own, none of licet's.

To be asked after a chase at the same instant, for a chase is what draws the conclusions.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

ORDER = ["open", "notified", "acknowledged", "attested", "closed"]
NOTHING = "nothing was delivered"
FOREVER = 2**62
DAY = 86_400_000_000


def _us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass
class Books:
    """All rows that bear on recalls, as they lie in the database."""

    recalls: dict[str, Any] = field(default_factory=dict)
    departures: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    steps: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    notices: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    accepted: Counter[str] = field(default_factory=Counter)
    fetched: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """By license and table: which versions were fetched, and when in microseconds."""
    key_files: set[tuple[str, str]] = field(default_factory=set)
    versions: list[Any] = field(default_factory=list)
    licenses: dict[str, Any] = field(default_factory=dict)
    suspensions: list[Any] = field(default_factory=list)


def read_books(database: Engine) -> Books:
    """Read everything at one moment."""
    books = Books()
    with database.begin() as conn:
        books.recalls = {row.recall_id: row for row in conn.execute(text("SELECT * FROM recall"))}
        for row in conn.execute(text("SELECT * FROM departure")):
            books.departures[row.recall_id].append(row)
        for row in conn.execute(text("SELECT * FROM recall_step ORDER BY recall_id, n")):
            books.steps[row.recall_id].append(row)
        for row in conn.execute(text("SELECT * FROM recall_notice ORDER BY n")):
            books.notices[row.recall_id].append(row)
        books.accepted.update(
            row.recall_id for row in conn.execute(text("SELECT recall_id FROM attestation WHERE verdict = 'accepted'"))
        )
        for row in conn.execute(text("SELECT * FROM delivery WHERE bytes > 0")):
            if row.file.startswith("keys-"):
                books.key_files.add((row.license_id, row.file))
            else:
                books.fetched[row.license_id, row.record_table].append((row.version, row.at_us))
        books.versions = list(conn.execute(text("SELECT * FROM shared_version")))
        open_ = text(f"SELECT * FROM license_fact WHERE until_seq = {FOREVER}")
        books.licenses = {row.license_id: row for row in conn.execute(open_)}
        books.suspensions = list(conn.execute(text("SELECT * FROM suspension")))
    return books


def unjustified(database: Engine, now: datetime, horizon_s: int = 3600) -> list[str]:
    """Give what is recorded without a reason in the facts, or should be recorded and is not."""
    books = read_books(database)
    found = [*_lost_or_double(books)]
    for name in books.recalls:
        found += [f"{name}: {each}" for each in (*_steps(books, name), *_state(books, name, now, horizon_s))]
    return [*found, *_licenses(books, now)]


def _lost_or_double(books: Books) -> list[str]:
    """Every version that lost rows is owed in exactly one recall, those that were reopened aside."""
    owed = Counter(
        (books.recalls[name].license_id, row.record_table, row.version)
        for name, rows in books.departures.items()
        for row in rows
        if not name.endswith(".late")
    )
    wanted = Counter(
        (row.license_id, row.record_table, row.version) for row in books.versions if row._mapping["keys"] != "[]"
    )
    found = [f"version {each}: owed {owed[each]} times" for each in owed | wanted if owed[each] != wanted[each]]
    places = Counter(row.n for rows in books.notices.values() for row in rows)
    ids = Counter(row.notice_id for rows in books.notices.values() for row in rows)
    found += [f"place {n} in the feed is taken {count} times" for n, count in places.items() if count > 1]
    return found + [f"notice id {name} is used {count} times" for name, count in ids.items() if count > 1]


def _steps(books: Books, name: str) -> list[str]:
    steps = [ORDER.index(row.state) for row in books.steps[name]]
    found = []
    if steps != sorted(set(steps)):
        found.append(f"goes back or stays: {[row.state for row in books.steps[name]]}")
    if not steps or steps[0] != 0 or ORDER[steps[-1]] != books.recalls[name].state:
        found.append("its steps do not lead from open to its state")
    return found


def delivered(books: Books, name: str, until: int = FOREVER) -> bool:
    """Tell whether content was fetched before it left, and at a time until then."""
    license_id = books.recalls[name].license_id
    return any(
        version < row.version and at <= until
        for row in books.departures[name]
        for version, at in books.fetched.get((license_id, row.record_table), ())
    )


def _followed(books: Books, name: str) -> bool:
    license_id = books.recalls[name].license_id
    files = [(license_id, file) for row in books.departures[name] for file, *_ in json.loads(row._mapping["keys"])]
    return bool(files) and all(each in books.key_files for each in files)


def _state(books: Books, name: str, now: datetime, horizon_s: int) -> list[str]:
    owed, notices = delivered(books, name), books.notices[name]
    found = ["has two notices"] if len(notices) > 1 else []
    if books.steps[name][-1].detail == NOTHING:
        found += ["is closed for nothing, and has a notice"] if notices else []
        recall = books.recalls[name]
        # The clock may have gone back by days since the look that was the last.
        owed = delivered(books, name, FOREVER if recall.watched else recall.due_us + DAY)
        late = owed and f"{name}.late" not in books.recalls
        return found + (["was delivered after all, and was not reopened"] if late else [])
    if owed != bool(notices):
        found.append(f"was delivered: {owed}; has a notice: {bool(notices)}")
    wanted, state = _wanted(books, name, now, horizon_s), books.recalls[name].state
    return found + ([f"is {state}, and the facts say {wanted}"] if state != wanted else [])


def _wanted(books: Books, name: str, now: datetime, horizon_s: int) -> str:
    if not books.notices[name]:
        return "closed" if books.recalls[name].opened_us <= _us(now - timedelta(seconds=horizon_s)) else "open"
    notice = books.notices[name][0]
    if books.accepted[name]:
        return "closed"
    if notice.acknowledged_us or _followed(books, name):
        return "acknowledged"
    return "notified" if notice.read_us or notice.taken_us else "open"


def _licenses(books: Books, now: datetime) -> list[str]:
    late = {
        books.recalls[name].license_id
        for name, notices in books.notices.items()
        if notices and books.recalls[name].state not in {"attested", "closed"} and books.recalls[name].due_us < _us(now)
    }
    ours = {(row.license_id, row.seq) for row in books.suspensions}
    found = []
    for name, row in books.licenses.items():
        if name in late and row.state == "active":
            found.append(f"license {name} is active with an overdue recall")
        if name not in late and (name, row.seq) in ours:
            found.append(f"license {name} is suspended without an overdue recall")
    return found
