"""Count deliveries for a month: every file of a version once, in the first month that is open when it is found.

The key of a line makes sure that none is counted twice, and that nothing is missed does not hang on the order in which
deliveries are committed: each close looks again at all that could still have been under way at the close before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Executable, Subquery, and_, case, exists, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from licet.model.money import Month, Usage
from licet.model.records import Table
from licet.store import ledger_tables as lt
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.database import transaction
from licet.store.facts import micros
from licet.store.meter import TOKENIZER

LATE: Final = timedelta(days=7)
"""No delivery takes longer to be committed: its transaction is one statement."""
STEP: Final = 100_000
"""Deliveries looked at in one transaction: whoever opts out meanwhile waits no longer than that."""
KEYS: Final = "keys-%"
"""The names of files of keys, which hold no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which deliveries a close looks at: ids after `after`, up to `last`; all up to `swept` will be done with then."""

    after: int
    last: int
    swept: int


def first_delivery(conn: Connection) -> datetime | None:
    """Give the time of the first delivery on record; None if there is none."""
    found = conn.execute(select(func.min(t.delivery.c.at_us))).scalar_one_or_none()
    return None if found is None else instant(found)


def span_of(conn: Connection, month: Month, now: datetime) -> Span:
    """Give the deliveries that closing a month has to look at."""
    c = t.delivery.c
    after = int(conn.execute(select(func.coalesce(func.max(lt.ledger_month.c.swept_id), 0))).scalar_one())
    last = int(conn.execute(select(func.coalesce(func.max(c.id), 0))).scalar_one())
    settled = micros(min(month.end, now - LATE))
    young = select(func.min(c.id)).where(c.id > after, c.at_us >= settled).scalar_subquery()
    # Not the number before the first young one: what is not yet committed has a number too, and nobody sees it.
    old = select(func.max(c.id)).where(c.id > after, c.id < func.coalesce(young, last + 1))
    return Span(after=after, last=last, swept=int(conn.execute(old).scalar_one_or_none() or after))


def count(database: Engine, month: Month, span: Span) -> Iterator[int]:
    """Count what of a span was delivered before the month's end and never counted; yields how many were looked at."""
    for start in range(span.after, span.last, STEP):
        end = min(start + STEP, span.last)
        with transaction(database) as conn:
            conn.execute(_counting(conn, month, start, end))
        yield end - start


def _counting(conn: Connection, month: Month, start: int, end: int) -> Executable:
    c, into = t.delivery.c, lt.usage_line
    key = (c.license_id, c.record_table, c.version, c.file)
    found = select(*key, literal(str(month)), func.min(c.recipient_id), func.min(c.at_us)).group_by(*key)
    found = found.where(c.id > start, c.id <= end, c.at_us < micros(month.end), c.bytes > 0, c.file.not_like(KEYS))
    names = ["license_id", "record_table", "version", "file", "month", "recipient_id", "first_us"]
    dialect: Any = postgresql if conn.dialect.name == "postgresql" else sqlite
    statement: Executable = dialect.insert(into).from_select(names, found).on_conflict_do_nothing()
    return statement


def licenses_of(conn: Connection, month: Month) -> list[str]:
    """Give the licenses of which something was counted in a month."""
    c = lt.usage_line.c
    return list(
        conn.execute(select(c.license_id).distinct().where(c.month == str(month)).order_by(c.license_id)).scalars()
    )


def unmeasured_files(conn: Connection, license_id: str, month: Month) -> dict[Table, list[str]]:
    """Give the files counted in a month of which nobody knows yet what they hold."""
    u, f = lt.usage_line.c, lt.metered_file.c
    known = exists().where(f.license_id == u.license_id, f.record_table == u.record_table, f.file == u.file)
    query = select(u.record_table, u.file).distinct()
    found: dict[Table, list[str]] = {}
    for row in conn.execute(query.where(u.license_id == license_id, u.month == str(month), ~known).order_by(u.file)):
        found.setdefault(Table(row.record_table), []).append(row.file)
    return found


def month_usage(conn: Connection, license_id: str, month: Month, *, once: bool) -> list[Usage]:
    """Give what a license's lines of a month come to, by table; with `once` a file is billed in one month only."""
    g = _times(license_id, month, once=once)
    f = lt.metered_file.c
    source = g.join(lt.metered_file, and_(*_same_file(license_id, g)))
    sums = (func.sum(times * held) for times in (g.c.times, g.c.billed) for held in (f.rows, f.tokens))
    query = select(g.c.record_table, func.sum(g.c.times), *sums).select_from(source).group_by(g.c.record_table)
    return [
        Usage(
            license_id=license_id,
            month=month,
            table=Table(table),
            files=int(files),
            rows=int(rows),
            tokens=int(tokens),
            billed_rows=int(billed_rows),
            billed_tokens=int(billed_tokens),
        )
        for table, files, rows, tokens, billed_rows, billed_tokens in conn.execute(query.order_by(g.c.record_table))
    ]


def billed_files(conn: Connection, license_id: str, month: Month, *, once: bool) -> list[tuple[int, str, int]]:
    """Give each file billed in a month whose rows are known by member: its number, where they are, how often."""
    g = _times(license_id, month, once=once)
    f = lt.metered_file.c
    query = select(f.number, f.lines, g.c.billed).select_from(g.join(lt.metered_file, and_(*_same_file(license_id, g))))
    rows = conn.execute(query.where(g.c.billed > 0, f.lines != "", f.rows > 0).order_by(f.number))
    return [(int(number), str(lines), int(billed)) for number, lines, billed in rows]


def _times(license_id: str, month: Month, *, once: bool) -> Subquery:
    """Query how often each file was counted in a month, and how often that is billed."""
    u, e = lt.usage_line.c, lt.usage_line.alias("earlier").c
    mine = (u.license_id == license_id, u.month == str(month))
    g = select(u.record_table, u.file, func.count().label("times")).where(*mine).group_by(u.record_table, u.file)
    if not once:
        counted = g.subquery()
        return select(*counted.c, counted.c.times.label("billed")).subquery()
    counted = g.subquery()
    same = (e.license_id == license_id, e.record_table == counted.c.record_table, e.file == counted.c.file)
    before = exists().where(*same, e.month < str(month))
    return select(*counted.c, case((before, 0), else_=1).label("billed")).subquery()


def _same_file(license_id: str, g: Subquery) -> tuple[Any, ...]:
    f = lt.metered_file.c
    return f.license_id == license_id, f.record_table == g.c.record_table, f.file == g.c.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One file of a version as it was counted in a closed month."""

    recipient_id: str
    license_id: str
    table: Table
    version: int
    file: str
    rows: int
    tokens: int
    tokenizer: str
    at: datetime
    month: Month


def events_of(conn: Connection, month: Month | None = None) -> Iterator[Event]:
    """Give all that was counted in a closed month, or in all of them, in the order of months and licenses."""
    u, m, f = lt.usage_line.c, lt.ledger_month.c, lt.metered_file.c
    same = and_(f.license_id == u.license_id, f.record_table == u.record_table, f.file == u.file)
    source = lt.usage_line.join(lt.ledger_month, u.month == m.month).join(lt.metered_file, same)
    query = (
        select(*u, f.rows, f.tokens)
        .select_from(source)
        .order_by(u.month, u.license_id, u.record_table, u.version, u.file)
    )
    if month is not None:
        query = query.where(u.month == str(month))
    for row in conn.execute(query.execution_options(yield_per=10_000)):
        yield Event(
            recipient_id=row.recipient_id,
            license_id=row.license_id,
            table=Table(row.record_table),
            version=row.version,
            file=row.file,
            rows=row.rows,
            tokens=row.tokens,
            tokenizer=TOKENIZER,
            at=instant(row.first_us),
            month=Month.parse(row.month),
        )
