"""Figures over all members and licenses: who said no and where, what is offered, what became of recalls."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, case, func, select

from licet.model.licenses import License
from licet.model.members import EVERY_RECIPIENT, Choice
from licet.model.money import LineKind
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.facts import micros
from licet.store.ledger import invoices_of, usage_of

DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Members of one region, and how many of them denied a purpose to every recipient."""

    region: str
    members: int
    denied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value at the end of a day."""

    at: datetime
    value: int


def by_region(conn: Connection, purpose: str) -> list[Region]:
    """Count members and denials by region, the largest first."""
    m, s = t.member_fact.c, t.setting_fact.c
    about = and_(s.purpose == purpose, s.recipient_id == EVERY_RECIPIENT, s.until_seq == t.OPEN)
    joined = t.member_fact.outerjoin(t.setting_fact, and_(s.member_id == m.member_id, about))
    denied = func.sum(case((s.choice == Choice.DENY, 1), else_=0))
    query = select(m.region, func.count().label("members"), denied).select_from(joined).where(m.until_seq == t.OPEN)
    rows = conn.execute(query.group_by(m.region).order_by(func.count().desc(), m.region))
    return [Region(region=row[0], members=int(row[1]), denied=int(row[2])) for row in rows]


def denials_by_day(conn: Connection, purpose: str, until: datetime) -> list[Point]:
    """Count the members whose denial to every recipient stood at the end of each day, up to today."""
    before, after = t.setting_fact, t.setting_fact.alias("after")
    c = before.c
    about = (c.purpose == purpose, c.recipient_id == EVERY_RECIPIENT, c.choice == Choice.DENY)
    begun, ended = c.at_us // DAY_US, after.c.at_us // DAY_US
    change: Counter[int] = Counter()
    for day, count in conn.execute(select(begun, func.count()).where(*about).group_by(begun)):
        change[int(day)] += int(count)
    over = select(ended, func.count()).select_from(before.join(after, after.c.seq == c.until_seq)).where(*about)
    for day, count in conn.execute(over.group_by(ended)):
        change[int(day)] -= int(count)
    return _summed(change, micros(until) // DAY_US)


def _summed(change: Counter[int], last: int) -> list[Point]:
    total, points = 0, []
    for day in sorted({*change, last} if change else ()):
        total += change[day]
        points.append(Point(at=instant(day * DAY_US), value=total))
    return points


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a license offers: rows of each table as of its newest version; as of the newest build what was left out."""

    license_id: str
    rows: dict[str, int]
    left_out: dict[str, int]
    """Rows by reason."""
    regions: dict[str, int]
    """Rows that were let out, by the region of their author or actor."""
    versions: dict[str, int]


def offers(conn: Connection) -> dict[str, Offer]:
    """Give what every license that was ever built offers now."""
    c = t.shared_version.c
    each = select(c.license_id, c.record_table, func.max(c.version).label("version"))
    newest = each.group_by(c.license_id, c.record_table).subquery()
    same = and_(
        c.license_id == newest.c.license_id, c.record_table == newest.c.record_table, c.version == newest.c.version
    )
    rows = conn.execute(select(c.license_id, c.record_table, c.version, c.rows).join(newest, same)).all()
    reasons, regions = _built(conn)
    return {
        name: Offer(
            license_id=name,
            rows={row.record_table: row.rows for row in rows if row.license_id == name},
            left_out=dict(reasons.get(name, {})),
            regions=dict(regions.get(name, {})),
            versions={row.record_table: row.version for row in rows if row.license_id == name},
        )
        for name in sorted({row.license_id for row in rows})
    }


def _built(conn: Connection) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """Count by license the rows that its newest builds left out, by reason, and let out, by region."""
    c = t.shared_version.c
    each = select(c.license_id, c.record_table, func.max(c.version).label("version")).where(c.cause == "build")
    built = each.group_by(c.license_id, c.record_table).subquery()
    same = and_(
        c.license_id == built.c.license_id, c.record_table == built.c.record_table, c.version == built.c.version
    )
    reasons: dict[str, Counter[str]] = {}
    regions: dict[str, Counter[str]] = {}
    for row in conn.execute(select(c.license_id, c.excluded, c.regions).join(built, same)):
        reasons.setdefault(row.license_id, Counter()).update(json.loads(row.excluded))
        regions.setdefault(row.license_id, Counter()).update(json.loads(row.regions))
    return reasons, regions


def rows_by_day(conn: Connection, license_ids: Iterable[str]) -> list[Point]:
    """Count the rows that some licenses offered together at the end of each day on which that changed."""
    c = t.shared_version.c
    query = select(c.license_id, c.record_table, c.at_us, c.rows).where(c.license_id.in_(list(license_ids)))
    standing: dict[tuple[str, str], int] = {}
    days: dict[int, int] = {}
    for row in conn.execute(query.order_by(c.at_us, c.version)):
        standing[row.license_id, row.record_table] = row.rows
        days[row.at_us // DAY_US] = sum(standing.values())
    return [Point(at=instant(day * DAY_US), value=value) for day, value in days.items()]


def recalls_by_state(conn: Connection) -> dict[str, int]:
    """Count recalls by state."""
    c = t.recall.c
    return {row[0]: int(row[1]) for row in conn.execute(select(c.state, func.count()).group_by(c.state))}


def thinned(points: list[Point], most: int = 60) -> list[Point]:
    """Keep so many points at most, the first and the last among them."""
    if len(points) <= most:
        return points
    step = (len(points) - 1) / (most - 1)
    return [points[round(n * step)] for n in range(most)]


def charged_per_row(conn: Connection, license_: License) -> tuple[int, int, str] | None:
    """Give what a license's closed months were charged (micro-units), for how many billed rows, and the currency.

    Credits and corrections are left out; None where no month that charged for rows is closed.
    """
    rows = sum(each.billed_rows for each in usage_of(conn, license_.license_id))
    invoices = invoices_of(conn, license_.recipient_id)
    lines = [line for invoice in invoices for line in invoice.lines if line.license_id == license_.license_id]
    charged = sum(line.micros for line in lines if line.kind not in {LineKind.CREDIT, LineKind.CORRECTION})
    return (charged, rows, invoices[0].currency) if rows and invoices else None
