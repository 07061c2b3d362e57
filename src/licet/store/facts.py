"""Append facts. Every fact that can change a decision takes the next number of one commit-ordered sequence.

The number comes from one row that stays locked until its transaction ends, so whoever read 10 knows that
nobody can later commit 9, on PostgreSQL as on SQLite.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, tuple_, update

from licet.model.errors import UsageError
from licet.model.licenses import License
from licet.model.members import AccountChange, AccountStatus, Choice, Member, NoticeShown, Protection, SettingChange
from licet.model.records import Deletion, Hiding, Skipped
from licet.store import leaves
from licet.store import tables as t

PLATFORM = "platform"
"""The source of a setting that was ingested."""

SPEAKING = ("setting", "notice", "license")
"""Kinds of facts about which the transparency log says more than that they are there."""

CHUNK = 400
"""Keys asked for in one statement, below every database's limit on parameters."""


def micros(at: datetime) -> int:
    """Give an aware instant as microseconds since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def last_seq(conn: Connection) -> int:
    """Give the newest number taken."""
    return int(conn.execute(select(t.sequence.c.last)).scalar_one())


def newest_withdrawal(conn: Connection) -> int:
    """Give the number of the newest fact that may take something away; 0 if there is none."""
    return int(conn.execute(select(func.coalesce(func.max(t.fact.c.seq), 0)).where(t.fact.c.withdraws)).scalar_one())


def hold_order(conn: Connection) -> None:
    """Wait for other writers of facts before reading what a new fact depends on (SQLite waits at BEGIN)."""
    conn.execute(select(t.sequence.c.last).with_for_update())


def take(conn: Connection, kind: str, count: int, at: datetime, *, withdraws: bool) -> int:
    """Take `count` numbers and journal them as one fact under the last; return the first."""
    statement = update(t.sequence).values(last=t.sequence.c.last + count).returning(t.sequence.c.last)
    last = int(conn.execute(statement).scalar_one())
    conn.execute(insert(t.fact).values(seq=last, kind=kind, at_us=micros(at), withdraws=withdraws))
    if kind not in SPEAKING:
        first = last - count + 1
        leaves.note(
            conn, "facts", micros(at), {"kind": kind, "first": first, "last": last, "withdraws": int(withdraws)}
        )
    return last - count + 1


def record_members(conn: Connection, members: Iterable[Member], at: datetime) -> int:
    """Record members' states; what a source does not know stays as it was, what did not change is no fact.

    Returns the number of members that are new or changed.
    """
    return _record_states(conn, {m.member_id: asdict(m) for m in members}, at)


def record_account_changes(conn: Connection, changes: Iterable[AccountChange], at: datetime) -> int:
    """Record changes of status and protection, also of members not yet known; return how many took effect.

    A change that says when it happened gives way to what is known to have happened later.
    """
    hold_order(conn)
    merged: dict[str, dict[str, str]] = {}
    for change in _in_time(conn, list(changes)):
        known = {key: str(getattr(change, key)) for key in ("member_id", "platform", "status", "protection")}
        stated = {key: value for key, value in known.items() if value != "unknown"}
        merged.setdefault(change.member_id, {}).update(stated)
    blank = {"region": "unknown", "age_band": "unknown", "protection": "unknown", "status": "unknown"}
    return _record_states(conn, {key: blank | value for key, value in merged.items()}, at)


def _in_time(conn: Connection, changes: Sequence[AccountChange]) -> list[AccountChange]:
    """Blank what a later change has overtaken, and keep when each member's status and protection changed last."""
    dated = sorted({change.member_id for change in changes if change.at is not None})
    times, kept = _account_times(conn, dated), []
    for change in changes:
        if change.at is None:
            kept.append(change)
            continue
        moment = micros(change.at)
        status, protection = times.get(change.member_id, (-1, -1))
        stated = (change.status != AccountStatus.UNKNOWN, change.protection != Protection.UNKNOWN)
        late = replace(
            change,
            status=change.status if moment >= status else AccountStatus.UNKNOWN,
            protection=change.protection if moment >= protection else Protection.UNKNOWN,
        )
        kept.append(late)
        newest = (max(status, moment) if stated[0] else status, max(protection, moment) if stated[1] else protection)
        times[change.member_id] = newest
    rows = [{"member_id": m, "status_us": times[m][0], "protection_us": times[m][1]} for m in dated]
    for start in range(0, len(dated), CHUNK):
        conn.execute(delete(t.account_time).where(t.account_time.c.member_id.in_(dated[start : start + CHUNK])))
    if rows:
        conn.execute(insert(t.account_time), rows)
    return kept


def _account_times(conn: Connection, member_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    c = t.account_time.c
    times: dict[str, tuple[int, int]] = {}
    for start in range(0, len(member_ids), CHUNK):
        for row in conn.execute(select(t.account_time).where(c.member_id.in_(member_ids[start : start + CHUNK]))):
            times[row.member_id] = (row.status_us, row.protection_us)
    return times


def _record_states(conn: Connection, states: dict[str, dict[str, Any]], at: datetime) -> int:
    hold_order(conn)
    current = {row["member_id"]: row for row in _current_members(conn, list(states))}
    fresh = []
    for member_id, state in states.items():
        old = current.get(member_id)
        merged = _merge(old, state) if old else {key: str(value) for key, value in state.items()}
        if merged != old:
            fresh.append(merged)
    if not fresh:
        return 0
    known = any(state["member_id"] in current for state in fresh)
    _append(conn, t.member_fact, "member", fresh, at, withdraws=known)
    return len(fresh)


def _merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return old | {key: str(value) for key, value in new.items() if value != "unknown" and key != "platform"}


def _current_members(conn: Connection, member_ids: Sequence[str]) -> list[dict[str, Any]]:
    c = t.member_fact.c
    columns = (c.member_id, c.platform, c.region, c.age_band, c.protection, c.status)
    found: list[dict[str, Any]] = []
    for start in range(0, len(member_ids), CHUNK):
        some = member_ids[start : start + CHUNK]
        statement = select(*columns).where(c.member_id.in_(some), c.until_seq == t.OPEN)
        found += [dict(row._mapping) for row in conn.execute(statement)]  # noqa: SLF001 # SQLAlchemy's public name
    return found


def record_settings(conn: Connection, changes: Sequence[SettingChange], at: datetime) -> int:
    """Record members' own choices in the order given; return the newest number taken, 0 for none.

    What a platform reports is no fact if it stands already, and its allow never replaces what the member chose here.
    """
    hold_order(conn)
    latest = _latest(changes)
    for key, (choice, source) in _standing(conn, [key for key, s in latest.items() if s.source == PLATFORM]).items():
        reported = latest[key].choice
        if reported == choice or (reported == Choice.ALLOW and source != PLATFORM):
            del latest[key]
    rows = [asdict(change) | {"choice": str(change.choice), "at_us": micros(at)} for change in latest.values()]
    if not rows:
        return 0
    withdraws = any(row["choice"] == Choice.DENY for row in rows)
    last = _append(conn, t.setting_fact, "setting", rows, at, withdraws=withdraws)
    leaves.note_settings(conn, [row | {"seq": last - len(rows) + n} for n, row in enumerate(rows, 1)])
    return last


def _standing(conn: Connection, keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], tuple[str, str]]:
    c = t.setting_fact.c
    name = tuple_(c.member_id, c.purpose, c.recipient_id)
    standing: dict[tuple[str, str, str], tuple[str, str]] = {}
    for start in range(0, len(keys), CHUNK):
        some = keys[start : start + CHUNK]
        query = select(c.member_id, c.purpose, c.recipient_id, c.choice, c.source)
        for row in conn.execute(query.where(name.in_(some), c.until_seq == t.OPEN)):
            standing[row.member_id, row.purpose, row.recipient_id] = (row.choice, row.source)
    return standing


_STATE_KEYS: dict[str, tuple[str, ...]] = {
    "member_fact": ("member_id",),
    "setting_fact": ("member_id", "purpose", "recipient_id"),
    "hiding_fact": ("record_table", "record_id", "cause"),
    "license_fact": ("license_id",),
}


def _latest(changes: Sequence[SettingChange]) -> dict[tuple[str, str, str], SettingChange]:
    """Keep each position's last change, in the order in which those were made: a later denial outranks an allow."""
    latest: dict[tuple[str, str, str], SettingChange] = {}
    for change in changes:
        key = (change.member_id, change.purpose, change.recipient_id)
        earlier = latest.get(key)
        reported = change.source == PLATFORM and change.choice == Choice.ALLOW
        if earlier is None or not reported or earlier.source == PLATFORM:
            latest.pop(key, None)
            latest[key] = change
    return latest


def _append(
    conn: Connection, table: Table, kind: str, rows: list[dict[str, Any]], at: datetime, *, withdraws: bool
) -> int:
    first = take(conn, kind, len(rows), at, withdraws=withdraws)
    numbered = [row | {"seq": first + n, "until_seq": t.OPEN} for n, row in enumerate(rows)]
    conn.execute(insert(table), numbered)
    keys = [table.c[name] for name in _STATE_KEYS[table.name]]
    newer, next_ = table.alias("newer"), table.alias("next")
    replaced = select(*(newer.c[key.name] for key in keys)).where(newer.c.seq >= first)
    stale = (table.c.seq < first, table.c.until_seq == t.OPEN, tuple_(*keys).in_(replaced))
    same = (next_.c[key.name] == key for key in keys)
    # The old state holds until its own successor, so that no number inside a batch finds a member without a state.
    successor = select(next_.c.seq).where(next_.c.seq >= first, next_.c.until_seq == t.OPEN, *same)
    conn.execute(update(table).where(*stale).values(until_seq=successor.scalar_subquery()))
    return first + len(rows) - 1


def record_shown(conn: Connection, shown: Sequence[NoticeShown], at: datetime) -> int:
    """Record that members were shown a notice; the first time counts. Return how many were new."""
    hold_order(conn)
    c = t.shown_fact.c
    known = set()
    for start in range(0, len(shown), CHUNK):
        pairs = [(s.member_id, s.notice_version) for s in shown[start : start + CHUNK]]
        query = select(c.member_id, c.notice_version).where(tuple_(c.member_id, c.notice_version).in_(pairs))
        known |= {tuple(row) for row in conn.execute(query)}
    fresh = [s for s in shown if (s.member_id, s.notice_version) not in known]
    if fresh:
        first = take(conn, "shown", len(fresh), at, withdraws=False)
        rows = [
            {"seq": first + n, "member_id": s.member_id, "notice_version": s.notice_version, "at_us": micros(s.at)}
            for n, s in enumerate(fresh)
        ]
        conn.execute(insert(t.shown_fact), rows)
    return len(fresh)


def record_deletions(conn: Connection, deletions: Iterable[Deletion], at: datetime) -> int:
    """Record deletions and edits, before, after or without their records; return how many were new."""
    hold_order(conn)
    wanted = {(str(d.table), d.record_id, d.superseded, d.revision): d for d in deletions}
    c = t.deletion_fact.c
    keys = list(wanted)
    for start in range(0, len(keys), CHUNK):
        ids = {key[1] for key in keys[start : start + CHUNK]}
        query = select(c.record_table, c.record_id, c.superseded, c.revision).where(c.record_id.in_(ids))
        for row in conn.execute(query):
            wanted.pop((row[0], row[1], bool(row[2]), row[3]), None)
    if wanted:
        first = take(conn, "deletion", len(wanted), at, withdraws=True)
        rows = [_deletion_row(first + n, deletion) for n, deletion in enumerate(wanted.values())]
        conn.execute(insert(t.deletion_fact), rows)
    return len(wanted)


def _deletion_row(seq: int, deletion: Deletion) -> dict[str, Any]:
    row = asdict(deletion)
    row["record_table"] = str(row.pop("table"))
    return row | {"seq": seq}


def record_hidings(conn: Connection, hidings: Iterable[Hiding], at: datetime) -> int:
    """Record that records were hidden or shown again; one older than what stands is no fact. Return how many are.

    Of two about the same cause at the same instant the hiding counts.
    """
    hold_order(conn)
    latest: dict[tuple[str, str, str], Hiding] = {}
    for hiding in sorted(hidings, key=_moment):
        latest[str(hiding.table), hiding.record_id, hiding.cause] = hiding
    standing = _standing_hidings(conn, list(latest))
    fresh = {key: hiding for key, hiding in latest.items() if _moment(hiding) > standing.get(key, (-1, False))}
    if not fresh:
        return 0
    withdraws = any(hiding.hidden and not standing.get(key, (0, False))[1] for key, hiding in fresh.items())
    _append(conn, t.hiding_fact, "hiding", [_hiding_row(h) for h in fresh.values()], at, withdraws=withdraws)
    return len(fresh)


def _moment(hiding: Hiding) -> tuple[int, bool]:
    return micros(hiding.at), hiding.hidden


def _standing_hidings(
    conn: Connection, keys: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], tuple[int, bool]]:
    c = t.hiding_fact.c
    name = tuple_(c.record_table, c.record_id, c.cause)
    standing: dict[tuple[str, str, str], tuple[int, bool]] = {}
    for start in range(0, len(keys), CHUNK):
        query = select(c.record_table, c.record_id, c.cause, c.at_us, c.hidden).where(c.until_seq == t.OPEN)
        for row in conn.execute(query.where(name.in_(keys[start : start + CHUNK]))):
            standing[row.record_table, row.record_id, row.cause] = (row.at_us, row.hidden)
    return standing


def _hiding_row(hiding: Hiding) -> dict[str, Any]:
    row = asdict(hiding)
    return {"record_table": str(row.pop("table")), "at_us": micros(row.pop("at"))} | row


def publish_notice(conn: Connection, version: str, digest: str, effective: datetime, source: str, at: datetime) -> int:
    """Publish a notice; its TOML source is kept as it was written.

    Raises:
        UsageError: this version was published before with another text.
    """
    hold_order(conn)
    known = conn.execute(select(t.notice_fact.c.digest).where(t.notice_fact.c.version == version)).scalar_one_or_none()
    if known is not None:
        if known != digest:
            raise UsageError(f"notice `{version}` is already published with another text", "give it a new version")
        return 0
    seq = take(conn, "notice", 1, at, withdraws=True)
    row = {"seq": seq, "version": version, "digest": digest, "source": source}
    conn.execute(insert(t.notice_fact).values(**row, effective_us=micros(effective)))
    from_when = leaves.when(micros(effective))
    leaves.note(conn, "notice", micros(at), {"seq": seq, "version": version, "digest": digest, "effective": from_when})
    return seq


def grant_license(conn: Connection, license_: License, key: bytes, at: datetime, state: str = "active") -> int:
    """Grant a license, or offer one; `key` (32 random bytes) makes its pseudonyms.

    Raises:
        UsageError: the id is taken.
    """
    hold_order(conn)
    taken = select(t.license_key.c.license_id).where(t.license_key.c.license_id == license_.license_id)
    if conn.execute(taken).first() is not None:
        raise UsageError(f"license `{license_.license_id}` exists already", "choose another id")
    conn.execute(insert(t.license_key).values(license_id=license_.license_id, key=key))
    return _append_license(conn, _license_row(license_, state), at, withdraws=False)


def change_license(conn: Connection, license_: License, state: str, at: datetime) -> int:
    """Move a license to another state; on the way to being active nothing is taken away."""
    withdraws = state not in {"offered", "agreed", "countersigned"}
    return _append_license(conn, _license_row(license_, state), at, withdraws=withdraws)


def _append_license(conn: Connection, row: dict[str, str], at: datetime, *, withdraws: bool) -> int:
    seq = _append(conn, t.license_fact, "license", [row], at, withdraws=withdraws)
    parties = {"license": row["license_id"], "recipient": row["recipient_id"]}
    terms = hashlib.sha256(row["terms"].encode()).hexdigest()
    leaves.note(conn, "license", micros(at), {"seq": seq, **parties, "state": str(row["state"]), "terms": terms})
    return seq


def _license_row(license_: License, state: str) -> dict[str, str]:
    terms = json.dumps(asdict(license_), default=lambda value: value.isoformat(), sort_keys=True)
    return {
        "license_id": license_.license_id,
        "recipient_id": license_.recipient_id,
        "state": state,
        "terms": terms,
    }


def set_aside(conn: Connection, source: str, skipped: Iterable[Skipped]) -> None:
    """Keep what an adapter set aside, once a place and reason; the record's content is not kept."""
    c = t.set_aside.c
    wanted = {(s.where[:255], s.reason) for s in skipped}
    places = [where for where, _ in wanted]
    for start in range(0, len(places), CHUNK):
        query = select(c.place, c.reason).where(c.source == source, c.place.in_(places[start : start + CHUNK]))
        wanted -= {(row.place, row.reason) for row in conn.execute(query)}
    if wanted:
        conn.execute(insert(t.set_aside), [{"source": source, "place": p, "reason": r} for p, r in wanted])


def load_cursor(conn: Connection, source: str) -> str:
    """Give how far a source was read; empty if it never was."""
    query = select(t.ingest_cursor.c.cursor).where(t.ingest_cursor.c.source == source)
    return str(conn.execute(query).scalar_one_or_none() or "")


def save_cursor(conn: Connection, source: str, cursor: str) -> None:
    """Keep how far a source was read."""
    changed = conn.execute(update(t.ingest_cursor).where(t.ingest_cursor.c.source == source).values(cursor=cursor))
    if changed.rowcount == 0:
        conn.execute(insert(t.ingest_cursor).values(source=source, cursor=cursor))
