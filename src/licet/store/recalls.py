"""Recalls as facts: opened with the version that lost rows, then moved on step by step; no step is ever taken back."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from licet.model.errors import NotFound
from licet.model.licenses import LicenseId, RecipientId, SharedVersion
from licet.model.recalls import Departure, KeyFile, Recall, State
from licet.model.records import Table
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.facts import micros


def owe(conn: Connection, version: SharedVersion) -> str:
    """Note that rows left with a version, in the license's open recall as of the same number, or in a new one.

    Whoever writes a version down does this in the same transaction, once a version.
    """
    due = version.due or version.at
    recall_id = _joined(conn, version) or _opened(conn, version, due)
    row = {"recall_id": recall_id, "record_table": str(version.table), "version": version.version}
    conn.execute(insert(t.departure).values(**row, keys=json.dumps(version.keys)))
    return recall_id


def _joined(conn: Connection, version: SharedVersion) -> str | None:
    c = t.recall.c
    same = (c.license_id == version.license_id, c.as_of_seq == version.as_of_seq, c.state == State.OPEN)
    found = conn.execute(select(c.recall_id).where(*same)).scalar_one_or_none()
    return None if found is None else str(found)


def _opened(conn: Connection, version: SharedVersion, due: datetime) -> str:
    c = t.recall.c
    query = select(func.count()).where(c.license_id == version.license_id, c.as_of_seq == version.as_of_seq)
    earlier = int(conn.execute(query).scalar_one())
    recall_id = f"{version.license_id}.{version.as_of_seq}" + (f".{earlier + 1}" if earlier else "")
    terms = select(t.license_fact.c.recipient_id).where(
        t.license_fact.c.license_id == version.license_id, t.license_fact.c.until_seq == t.OPEN
    )
    row = {
        "recall_id": recall_id,
        "license_id": version.license_id,
        "recipient_id": conn.execute(terms).scalar_one_or_none() or "",
        "as_of_seq": version.as_of_seq,
        "opened_us": micros(version.at),
        "due_us": micros(due),
        "state": str(State.OPEN),
    }
    conn.execute(insert(t.recall).values(**row))
    _note(conn, recall_id, State.OPEN, "", version.at)
    return recall_id


def move(conn: Connection, recall_id: str, state: State, detail: str, at: datetime) -> None:
    """Take a recall on to a state; the step stays on record, `detail` names nobody."""
    conn.execute(update(t.recall).where(t.recall.c.recall_id == recall_id).values(state=str(state)))
    _note(conn, recall_id, state, detail, at)


def _note(conn: Connection, recall_id: str, state: State, detail: str, at: datetime) -> None:
    c = t.recall_step.c
    last = conn.execute(select(func.coalesce(func.max(c.n), 0)).where(c.recall_id == recall_id)).scalar_one()
    row = {"recall_id": recall_id, "n": int(last) + 1, "state": str(state), "detail": detail, "at_us": micros(at)}
    conn.execute(insert(t.recall_step).values(**row))


def steps(conn: Connection, recall_id: str) -> list[tuple[State, str, datetime]]:
    """Give the steps of a recall, oldest first: state, detail, instant."""
    c = t.recall_step.c
    query = select(c.state, c.detail, c.at_us).where(c.recall_id == recall_id).order_by(c.n)
    return [(State(row.state), row.detail, instant(row.at_us)) for row in conn.execute(query)]


def recall_of(conn: Connection, recall_id: str) -> Recall:
    """Give one recall.

    Raises:
        NotFound: there is none of that name.
    """
    row = conn.execute(select(t.recall).where(t.recall.c.recall_id == recall_id)).first()
    if row is None:
        raise NotFound(f"no recall `{recall_id}`", "`licet recall status` lists those there are")
    return _recall(conn, row)


def recalls_of(conn: Connection, license_id: str = "", states: Iterable[State] = tuple(State)) -> list[Recall]:
    """Give the recalls of a license, or of all, that are in one of some states, oldest first."""
    c = t.recall.c
    query = select(t.recall).where(c.state.in_([str(state) for state in states])).order_by(c.as_of_seq, c.recall_id)
    if license_id:
        query = query.where(c.license_id == license_id)
    return [_recall(conn, row) for row in conn.execute(query).all()]


def _recall(conn: Connection, row: Any) -> Recall:  # noqa: ANN401 # SQLAlchemy rows have no static type
    c = t.departure.c
    query = select(t.departure).where(c.recall_id == row.recall_id).order_by(c.record_table, c.version)
    return Recall(
        recall_id=row.recall_id,
        license_id=LicenseId(row.license_id),
        recipient_id=RecipientId(row.recipient_id),
        as_of_seq=row.as_of_seq,
        opened=instant(row.opened_us),
        due=instant(row.due_us),
        state=State(row.state),
        departures=tuple(_departure(each) for each in conn.execute(query)),
    )


def _departure(row: Any) -> Departure:  # noqa: ANN401 # likewise
    keys = (KeyFile(name=name, size=size, rows=rows) for name, size, rows in json.loads(row.keys))
    return Departure(table=Table(row.record_table), version=row.version, keys=tuple(keys))


def was_delivered(conn: Connection, recall: Recall) -> bool:
    """Tell whether the recipient fetched any file of a table before the version in which rows left it.

    A delivery of any such file counts, for what it held cannot be told once its bytes are gone.
    """
    c = t.delivery.c
    for departure in recall.departures:
        earlier = (c.license_id == recall.license_id, c.record_table == str(departure.table))
        if conn.execute(select(c.id).where(*earlier, c.version < departure.version).limit(1)).first() is not None:
            return True
    return False
