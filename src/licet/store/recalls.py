"""Recalls as facts: opened with the version that lost rows, then moved on step by step; no step is ever taken back."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, select, update

from licet.model.errors import NotFound
from licet.model.licenses import LicenseId, RecipientId, SharedVersion
from licet.model.recalls import Departure, KeyFile, Recall, State
from licet.model.records import Table
from licet.protocol.attestation import Value
from licet.store import leaves
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.facts import CHUNK, micros

UNSETTLED: Final = (State.OPEN, State.NOTIFIED, State.ACKNOWLEDGED)
"""The states in which something is owed, or may be."""
NOTHING_DELIVERED: Final = "nothing was delivered"
"""Why a recall that nobody owes is closed."""
LATE: Final = timedelta(days=7)
"""How long after it was due a recall that was closed for want of a delivery is watched: a transfer may be slow."""
_KEY_FILES: Final = "keys-%"
"""The names of files of keys; fetching one gives nobody any content."""


def owe(conn: Connection, version: SharedVersion) -> str:
    """Note that rows left with a version, in the license's open recall as of the same number, or in a new one.

    Whoever writes a version down does this in the same transaction, once a version. What a notice told already is
    never added to.
    """
    due = version.due or version.at
    recall_id = _joined(conn, version, due) or _opened(conn, version, due)
    row = {"recall_id": recall_id, "record_table": str(version.table), "version": version.version}
    conn.execute(insert(t.departure).values(**row, keys=json.dumps(version.keys)))
    return recall_id


def _joined(conn: Connection, version: SharedVersion, due: datetime) -> str | None:
    c = t.recall.c
    same = (c.license_id == version.license_id, c.as_of_seq == version.as_of_seq, c.state == State.OPEN)
    for name in conn.execute(select(c.recall_id).where(*same).order_by(c.recall_id)).scalars().all():
        found = held(conn, name)
        if found is not None:
            earlier = micros(min(found.due, due))
            conn.execute(update(t.recall).where(c.recall_id == name).values(due_us=earlier))
            return str(name)
    return None


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
        "watched": True,
    }
    conn.execute(insert(t.recall).values(**row))
    _note(conn, recall_id, State.OPEN, "", version.at)
    return recall_id


def move(conn: Connection, recall_id: str, state: State, detail: str, at: datetime) -> bool:
    """Take a recall on to a later state and tell whether it was in an earlier one; `detail` names nobody.

    The step stays on record. Asked twice, the second time changes nothing.
    """
    order = list(State)
    earlier = [str(each) for each in order[: order.index(state)]]
    which = (t.recall.c.recall_id == recall_id, t.recall.c.state.in_(earlier))
    moved = conn.execute(update(t.recall).where(*which).values(state=str(state)))
    if moved.rowcount:
        _note(conn, recall_id, state, detail, at)
    return bool(moved.rowcount)


def _note(conn: Connection, recall_id: str, state: State, detail: str, at: datetime) -> None:
    c = t.recall_step.c
    last = conn.execute(select(func.coalesce(func.max(c.n), 0)).where(c.recall_id == recall_id)).scalar_one()
    row = {"recall_id": recall_id, "n": int(last) + 1, "state": str(state), "detail": detail, "at_us": micros(at)}
    conn.execute(insert(t.recall_step).values(**row))
    said: dict[str, Value] = {"recall": recall_id, "n": int(last) + 1, "state": str(state), "detail": detail}
    leaves.note(conn, "recall", micros(at), said | _terms(conn, recall_id), recall_id)


def _terms(conn: Connection, recall_id: str) -> dict[str, Value]:
    c = t.recall.c
    query = select(c.license_id, c.recipient_id, c.as_of_seq, c.due_us).where(c.recall_id == recall_id)
    row = conn.execute(query).one()
    said = {"license": row.license_id, "recipient": row.recipient_id}
    return {**said, "as_of_seq": row.as_of_seq, "due": leaves.when(row.due_us)}


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
    return _with_departures(conn, [row])[0]


def recalls_of(conn: Connection, license_id: str = "", states: Iterable[State] = tuple(State)) -> list[Recall]:
    """Give the recalls of a license, or of all, that are in one of some states, oldest first."""
    c = t.recall.c
    query = select(t.recall).where(c.state.in_([str(state) for state in states])).order_by(c.as_of_seq, c.recall_id)
    if license_id:
        query = query.where(c.license_id == license_id)
    return _with_departures(conn, conn.execute(query).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which recalls are looked for: of some states, and those that one recipient was told of, or everybody's."""

    states: Sequence[State]
    recipient_id: str = ""

    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """Give what holds of them."""
        c = t.recall.c
        wanted: list[ColumnElement[bool]] = [c.state.in_([str(state) for state in self.states])]
        if self.recipient_id:
            told = exists().where(t.recall_notice.c.recall_id == c.recall_id)
            wanted += [c.recipient_id == self.recipient_id, told]
        return wanted


def how_many(conn: Connection, sought: Sought) -> int:
    """Count recalls."""
    return int(conn.execute(select(func.count()).select_from(t.recall).where(*sought.conditions())).scalar_one())


def some_of(conn: Connection, sought: Sought, most: int, skip: int = 0, *, by_due: bool = False) -> list[Recall]:
    """Give so many recalls after some others, the newest first, or the first to be due first."""
    c = t.recall.c
    order = (c.due_us, c.recall_id) if by_due else (c.as_of_seq.desc(), c.recall_id.desc())
    query = select(t.recall).where(*sought.conditions()).order_by(*order).limit(most).offset(skip)
    return _with_departures(conn, conn.execute(query).all())


def recalls_named(conn: Connection, recall_ids: Sequence[str]) -> list[Recall]:
    """Give the recalls of some names, in no order; names of none are passed over."""
    found: list[Recall] = []
    for start in range(0, len(recall_ids), CHUNK):
        some = recall_ids[start : start + CHUNK]
        found += _with_departures(conn, conn.execute(select(t.recall).where(t.recall.c.recall_id.in_(some))).all())
    return found


def _with_departures(conn: Connection, rows: Sequence[Any]) -> list[Recall]:
    c = t.departure.c
    left: dict[str, list[Departure]] = {row.recall_id: [] for row in rows}
    names = list(left)
    for start in range(0, len(names), CHUNK):
        query = select(t.departure).where(c.recall_id.in_(names[start : start + CHUNK]))
        for row in conn.execute(query.order_by(c.recall_id, c.record_table, c.version)):
            left[row.recall_id].append(_departure(row))
    return [_recall(row, left[row.recall_id]) for row in rows]


def _recall(row: Any, departures: Iterable[Departure]) -> Recall:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return Recall(
        recall_id=row.recall_id,
        license_id=LicenseId(row.license_id),
        recipient_id=RecipientId(row.recipient_id),
        as_of_seq=row.as_of_seq,
        opened=instant(row.opened_us),
        due=instant(row.due_us),
        state=State(row.state),
        departures=tuple(departures),
    )


def _departure(row: Any) -> Departure:  # noqa: ANN401 # likewise
    keys = (KeyFile(name=name, size=size, rows=rows) for name, size, rows in json.loads(row.keys))
    return Departure(table=Table(row.record_table), version=row.version, keys=tuple(keys))


def was_delivered(conn: Connection, recall: Recall) -> bool:
    """Tell whether the recipient fetched any file of a table before the version in which rows left it.

    A delivery of any such file counts, for what it held cannot be told once its bytes are gone.
    """
    query = select(t.recall.c.recall_id).where(t.recall.c.recall_id == recall.recall_id, _delivered())
    return conn.execute(query).first() is not None


def _delivered() -> ColumnElement[bool]:
    d, v = t.departure.c, t.delivery.c
    same = and_(v.license_id == t.recall.c.license_id, v.record_table == d.record_table, v.version < d.version)
    fetched = select(v.id).where(same, v.bytes > 0, v.file.not_like(_KEY_FILES)).correlate(t.recall, t.departure)
    left = select(d.recall_id).where(d.recall_id == t.recall.c.recall_id, fetched.exists())
    return left.correlate(t.recall).exists()


def undecided(conn: Connection, before: datetime) -> dict[str, bool]:
    """Tell of every recall without a notice whether it was delivered; those that were not must be older than `before`.

    Until then a file's address that was given out earlier may still be used.
    """
    c = t.recall.c
    told = exists().where(t.recall_notice.c.recall_id == c.recall_id)
    query = select(c.recall_id, c.opened_us, _delivered().label("delivered")).where(c.state == State.OPEN, ~told)
    rows = conn.execute(query.order_by(c.as_of_seq, c.recall_id)).all()
    return {row.recall_id: bool(row.delivered) for row in rows if row.delivered or row.opened_us <= micros(before)}


def held(conn: Connection, recall_id: str) -> Recall | None:
    """Give an open recall without a notice, and keep others from it until the transaction ends; None if it is not."""
    c = t.recall.c
    told = exists().where(t.recall_notice.c.recall_id == c.recall_id)
    query = select(t.recall).where(c.recall_id == recall_id, c.state == State.OPEN)
    row = conn.execute(query.with_for_update()).first()
    # Asked after the lock: who held it before may have made the notice.
    if row is None or conn.execute(select(c.recall_id).where(c.recall_id == recall_id, told)).first() is not None:
        return None
    return _with_departures(conn, [row])[0]


def late(conn: Connection) -> list[str]:
    """Give watched recalls that were closed for want of a delivery that came after all, and were not opened anew."""
    c, s = t.recall.c, t.recall_step.c
    for_nothing = select(s.n).where(s.recall_id == c.recall_id, s.state == State.CLOSED, s.detail == NOTHING_DELIVERED)
    for_nothing = for_nothing.correlate(t.recall)
    query = select(c.recall_id).where(c.watched, c.state == State.CLOSED, for_nothing.exists())
    names = conn.execute(query.where(_delivered()).order_by(c.recall_id)).scalars().all()
    known = {each.recall_id for each in recalls_named(conn, [_again(name) for name in names])}
    return [name for name in names if _again(name) not in known]


def watched_long(conn: Connection, at: datetime) -> list[str]:
    """Give closed recalls that were due so long ago that no delivery can come to light any more."""
    c = t.recall.c
    over = (c.watched, c.state == State.CLOSED, c.due_us < micros(at - LATE))
    return list(conn.execute(select(c.recall_id).where(*over).order_by(c.recall_id)).scalars())


def stop_watching(conn: Connection, recall_ids: Sequence[str]) -> None:
    """Watch some recalls no longer, at which `late` has had a last look."""
    conn.execute(update(t.recall).where(t.recall.c.recall_id.in_(recall_ids)).values(watched=False))


def _again(recall_id: str) -> str:
    return f"{recall_id}.late"


def reopen(conn: Connection, recall_id: str, at: datetime) -> str:
    """Open a recall anew under a name of its own, and give that; the recipient has as long as before, from now on."""
    row = conn.execute(select(t.recall).where(t.recall.c.recall_id == recall_id)).one()
    _copy(conn, row, _again(recall_id), at)
    return _again(recall_id)


def _copy(conn: Connection, row: Any, name: str, at: datetime) -> None:  # noqa: ANN401 # likewise
    again = dict(row._mapping)  # noqa: SLF001 # its name in SQLAlchemy's interface
    again |= {"recall_id": name, "opened_us": micros(at), "state": str(State.OPEN), "watched": True}
    again["due_us"] = micros(at) + max(0, row.due_us - row.opened_us)
    conn.execute(insert(t.recall).values(**again))
    d = t.departure.c
    left = select(d.record_table, d.version, d["keys"]).where(d.recall_id == row.recall_id)
    departures = [{"recall_id": name, **each._mapping} for each in conn.execute(left)]  # noqa: SLF001 # likewise
    conn.execute(insert(t.departure), departures)
    _note(conn, name, State.OPEN, f"a delivery came after {row.recall_id} was closed"[:255], at)


def overdue(conn: Connection, at: datetime) -> dict[str, list[str]]:
    """Give, by license, the recalls of which notice was made, that are past due and neither attested nor closed."""
    c = t.recall.c
    told = exists().where(t.recall_notice.c.recall_id == c.recall_id)
    states = [str(state) for state in UNSETTLED]
    query = select(c.license_id, c.recall_id).where(c.state.in_(states), c.due_us < micros(at), told)
    found: dict[str, list[str]] = {}
    for row in conn.execute(query.order_by(c.license_id, c.recall_id)):
        found.setdefault(row.license_id, []).append(row.recall_id)
    return found
