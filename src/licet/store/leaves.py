"""Write entries for the transparency log, in the transaction of the fact that each is about.

So an entry is as durable as its fact, and no fact is acknowledged without its entry. Its place in the log comes later.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, insert, select, text

from licet.model.errors import NotFound
from licet.protocol.attestation import Value
from licet.protocol.leaves import SETTINGS, Opening, SettingSaid, entry_of, salt_of, settings_entry
from licet.store import log_tables as lt
from licet.store import tables as t
from licet.tlog.merkle import inclusion_proof, leaf_hash, nodes_over, root_of

_CHUNK: Final = 400
"""Members asked for in one statement, below every database's limit on parameters."""
_KEY_SIZE: Final = 32
TOGETHER: Final = 1024
"""Choices that one entry commits to, at most: to prove one of them all are read."""


def note(conn: Connection, kind: str, at_us: int, said: Mapping[str, Value], about: str = "") -> None:
    """Write an entry that says what happened, and when; it names no member. It is found again by what it is about."""
    _write(conn, kind, at_us, entry_of(kind, {**said, "at": when(at_us)}), about)


def note_each(conn: Connection, kind: str, happened: Sequence[tuple[int, Mapping[str, Value]]]) -> None:
    """Write an entry for each of many things of one kind: when it happened, and what it was."""
    rows = [
        {"type": kind, "at_us": at_us, "entry": entry_of(kind, {**said, "at": when(at_us)}), "about": ""}
        for at_us, said in happened
    ]
    if rows:
        conn.execute(insert(lt.log_entry), rows)


def when(at_us: int) -> str:
    """Give an instant as entries have it."""
    seconds, rest = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06}Z"


def _write(conn: Connection, kind: str, at_us: int, entry: bytes, about: str = "") -> int:
    written = conn.execute(insert(lt.log_entry).values(type=kind, at_us=at_us, entry=entry, about=about))
    key = written.inserted_primary_key
    return int(key[0]) if key else 0


def note_settings(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write entries that commit to choices; rows have what `setting_fact` has, their numbers in order."""
    for start in range(0, len(rows), TOGETHER):
        _note_together(conn, rows[start : start + TOGETHER])


def _note_together(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    keys = _member_keys(conn, sorted({row["member_id"] for row in rows}))
    commitments = [_said(row).commitment(salt_of(keys[row["member_id"]], row["seq"])) for row in rows]
    first, last = rows[0]["seq"], rows[-1]["seq"]
    # No time: a batch's would tell little, and that of a single choice would help to guess whose it is.
    n = _write(conn, SETTINGS, rows[0]["at_us"], settings_entry(first, last, root_of(map(leaf_hash, commitments))))
    kept = [
        {"seq": row["seq"], "n": n, "commitment": commitment} for row, commitment in zip(rows, commitments, strict=True)
    ]
    conn.execute(insert(lt.log_setting), kept)


def _said(row: Mapping[str, Any]) -> SettingSaid:
    names = ("seq", "member_id", "purpose", "recipient_id", "choice", "source")
    return SettingSaid(**{name: row[name] for name in names}, at=when(row["at_us"]))


def _member_keys(conn: Connection, member_ids: Sequence[str]) -> dict[str, bytes]:
    """Give the keys of members, made where there are none; writers of choices wait for each other already."""
    c = lt.member_key.c
    keys: dict[str, bytes] = {}
    for start in range(0, len(member_ids), _CHUNK):
        for row in conn.execute(select(lt.member_key).where(c.member_id.in_(member_ids[start : start + _CHUNK]))):
            keys[row.member_id] = bytes(row.key)
    made = {each: secrets.token_bytes(_KEY_SIZE) for each in member_ids if each not in keys}
    if made:
        conn.execute(insert(lt.member_key), [{"member_id": each, "key": key} for each, key in made.items()])
    return keys | made


def destroy_key(conn: Connection, member_id: str) -> None:
    """Destroy what ties a member to the log; what they chose from then on gets a new key.

    Its bytes may stay on the disk until `scrub`.

    Raises:
        NotFound: there is none.
    """
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql("PRAGMA secure_delete = ON")
    gone = conn.execute(delete(lt.member_key).where(lt.member_key.c.member_id == member_id))
    if not gone.rowcount:
        raise NotFound("nothing ties this member to the log", "there is nothing to destroy")


def scrub(database: Engine) -> bool:
    """Take bytes of destroyed keys out of the database's files; tell whether that was done to the end.

    On SQLite none is left, unless a reader was in the way. On PostgreSQL the row is gone; its bytes may stay in the
    write-ahead log, and in free space, until they are overwritten.
    """
    if database.dialect.name == "postgresql":
        with database.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text("VACUUM member_key"))
        return True
    connection = database.raw_connection()  # SQLAlchemy's own begin a transaction, in which nothing is truncated
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return not (cursor.fetchone() or (1,))[0]
    finally:
        connection.close()


def opening_of(conn: Connection, member_id: str, seq: int) -> tuple[int, Opening] | None:
    """Give what opens a member's choice, and the place of its entry in the log.

    None if it has no place yet, if the choice is not theirs, or if the key was destroyed.
    """
    c = t.setting_fact.c
    row = conn.execute(select(t.setting_fact).where(c.member_id == member_id, c.seq == seq)).first()
    key = conn.execute(select(lt.member_key.c.key).where(lt.member_key.c.member_id == member_id)).scalar_one_or_none()
    s, e = lt.log_setting.c, lt.log_entry.c
    found = conn.execute(
        select(s.n, s.commitment, e.place).join(lt.log_entry, e.n == s.n).where(s.seq == seq, e.place.is_not(None))
    ).first()
    if row is None or key is None or found is None:
        return None
    said, salt = _said(dict(row._mapping)), salt_of(bytes(key), seq)  # noqa: SLF001 # SQLAlchemy's public name
    if said.commitment(salt) != bytes(found.commitment):
        return None  # made with a key that was destroyed since
    beside = conn.execute(select(s.seq, s.commitment).where(s.n == found.n).order_by(s.seq)).all()
    numbers, leaves = [each.seq for each in beside], [leaf_hash(bytes(each.commitment)) for each in beside]
    path = inclusion_proof(numbers.index(seq), len(leaves), nodes_over(leaves))
    opening = Opening(said=said, salt=salt, first=numbers[0], last=numbers[-1], path=tuple(path))
    return int(found.place), opening
