"""Publish the transparency log: give waiting entries their places, write tiles, and sign a checkpoint over them.

The database says which entry stands where, and what was signed: tiles and checkpoint follow from it, so a killed
publication is taken up where it was. A place, once given, is never given again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, Select, func, insert, select, update

from licet.model.errors import IntegrityError, LicetError, Unavailable, UsageError
from licet.store import log_tables as lt
from licet.store.asof import instant
from licet.store.database import lease, reading, transaction
from licet.store.facts import micros
from licet.store.house import House
from licet.store.log_files import CHECKPOINT
from licet.store.parties import house_secret
from licet.tlog.checkpoints import Checkpoint, opened_checkpoint, signed_checkpoint
from licet.tlog.merkle import EMPTY_ROOT, check_consistency, consistency_proof, leaf_hash
from licet.tlog.notes import Signer, is_name
from licet.tlog.tiles import ENTRIES, WIDTH, Edge, Tile, bundle_of, edge_of, finished_tiles, grow, nodes_in

BATCH: Final = 64 * WIDTH
"""Entries that get their places at once."""
_LEASE: Final = "log"
_ONLY: Final = 1
_OLDER: Final = "the database is older than the log or another's: bring back the newest one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A log's name, how many entries have a place, and size and root of its newest checkpoint, signed at `at`."""

    origin: str
    placed: int
    size: int
    root: bytes
    at: datetime


def head_of(conn: Connection) -> Head | None:
    """Give the log's head, None before the log begins."""
    row = conn.execute(select(lt.log_head)).first()
    if row is None:
        return None
    return Head(origin=row.origin, placed=row.placed, size=row.size, root=bytes(row.root), at=instant(row.at_us))


def create_log(conn: Connection, origin: str, at: datetime) -> Head:
    """Begin the log under a name, which stays.

    Raises:
        UsageError: it began under another, or the name cannot be one.
    """
    known = head_of(conn)
    if known is not None and known.origin != origin:
        raise UsageError(f"the log began as `{known.origin}`", "its name stays: signatures are made under it")
    if not is_name(origin) or len(origin) > 255:  # noqa: PLR2004 # what a cosigner can name, and a column holds
        raise UsageError(f"`{origin}` cannot name a log", "name it like example.org/licet-log")
    row = {"origin": origin, "placed": 0, "size": 0, "root": EMPTY_ROOT, "at_us": micros(at)}
    if known is None:
        conn.execute(insert(lt.log_head).values(id=_ONLY, **row))
        signer_of(conn, origin)
    return known or Head(origin=origin, placed=0, size=0, root=EMPTY_ROOT, at=at)


def signer_of(conn: Connection, origin: str) -> Signer:
    """Give the key that signs checkpoints, made on first use; the caller's transaction must write."""
    return Signer(name=origin, key=Ed25519PrivateKey.from_private_bytes(house_secret(conn, "log")))


def is_behind(conn: Connection) -> bool:
    """Tell whether an entry waits for its place, or for a checkpoint over it."""
    head = head_of(conn)
    return conn.execute(oldest_waiting()).first() is not None or head is None or head.size < head.placed


def oldest_waiting() -> Select[Any]:
    """Ask for the number of the oldest entry without a place."""
    e = lt.log_entry.c
    # In order: with old statistics PostgreSQL would else read the whole table, every second, to find that none waits.
    return select(e.n).where(e.place.is_(None)).order_by(e.n).limit(1)


def begin_log(database: Engine, origin: str, at: datetime) -> Head:
    """Begin the log under a name, while nobody else does.

    Raises:
        UsageError: it began under another, or the name cannot be one.
    """
    with lease(database, _LEASE), transaction(database) as conn:
        return create_log(conn, origin, at)


def publish(house: House, at: datetime, origin: str = "") -> Head:
    """Publish every entry that waits; a log that has not begun begins under `origin`, or under a name of its own.

    Raises:
        IntegrityError: database and published log contradict each other; nothing is signed.
        UsageError: the name cannot be one.
    """
    with lease(house.database, _LEASE):
        with transaction(house.database) as conn:
            begun = head_of(conn)
            head = begun or create_log(conn, origin or _own_name(conn), at)
            signer = signer_of(conn, head.origin)
        edge = _recovered(house, head, signer)
        while (head := _place(house.database)).placed > head.size:
            edge = _extend(house, head, edge)
            _sign(house.database, head, edge, at)
        checkpoint = Checkpoint(origin=head.origin, size=head.size, root=head.root)
        note = signed_checkpoint(checkpoint, signer)
        if house.log.checkpoint() != note:
            house.log.publish(note)
        for tile in finished_tiles(begun.size if begun else 0, head.size):
            house.log.drop_unfinished(tile)
        return head


def _sign(database: Engine, head: Head, edge: Edge, at: datetime) -> None:
    """Keep size and root of what is about to be signed.

    Raises:
        Unavailable: another process went on meanwhile, for the lease was lost.
    """
    signed = {"size": edge.size, "root": edge.root(), "at_us": micros(at)}
    with transaction(database) as conn:
        moved = conn.execute(update(lt.log_head).where(lt.log_head.c.size == head.size).values(**signed))
    if not moved.rowcount:
        raise Unavailable("another process publishes the log", "nothing is lost: it signs what waits")


def _own_name(conn: Connection) -> str:
    """Name a log that nobody named, after its key: two such logs are not mistaken for each other."""
    return f"licet.invalid/{signer_of(conn, 'log').verifier.public_key.hex()[:16]}"


def _recovered(house: House, head: Head, signer: Signer) -> Edge:
    """Give the right edge of what was signed last, after checking that disk and database agree.

    Raises:
        IntegrityError: they do not, so that signing more might rewrite what others saw.
    """
    public = _public(house, signer)
    if public is not None and (public.size > head.size or (public.size == head.size and public.root != head.root)):
        raise IntegrityError(f"the published log has {public.size} entries, the database knows of {head.size}", _OLDER)
    edge = _standing(house, head) or _rebuilt(house, head)
    if public is not None and public.size < head.size:
        _must_continue(house, public, head)
    return edge


def _public(house: House, signer: Signer) -> Checkpoint | None:
    """Give what was published last, None before there is anything.

    Raises:
        IntegrityError: the file is damaged, or another log's.
    """
    note = house.log.checkpoint()
    try:
        return opened_checkpoint(note, signer.verifier) if note else None
    except LicetError as error:
        remedy = f"if the database is the newest there is, remove `{house.log.root / CHECKPOINT}` and publish again"
        raise IntegrityError(
            f"the published checkpoint is damaged or another log's: {error.message}", remedy
        ) from error


def _standing(house: House, head: Head) -> Edge | None:
    """Give the right edge of what was signed last as it is on the disk, None where it is not."""
    try:
        edge = edge_of(head.size, house.log.read)
    except (FileNotFoundError, IntegrityError):
        return None
    return edge if edge.root() == head.root else None


def _must_continue(house: House, public: Checkpoint, head: Head) -> None:
    """Check that what was signed last begins with what was published last.

    Raises:
        IntegrityError: it does not, so publishing it would rewrite what others saw.
    """
    try:
        proof = consistency_proof(public.size, head.size, nodes_in(head.size, house.log.read))
    except FileNotFoundError:
        _rebuilt(house, head)
        proof = consistency_proof(public.size, head.size, nodes_in(head.size, house.log.read))
    try:
        check_consistency(public.size, head.size, proof, public.root, head.root)
    except IntegrityError as error:
        raise IntegrityError("the published log is not the beginning of the database's", _OLDER) from error


def _rebuilt(house: House, head: Head) -> Edge:
    """Write the files of what was signed once more, from the database.

    Raises:
        IntegrityError: they would not be what was signed.
    """
    edge = Edge()
    for start in range(0, head.size, BATCH):
        edge = _written(house, edge, min(start + BATCH, head.size))
    if edge.root() != head.root:
        raise IntegrityError(
            "the entries in the database are not those that were signed", "restore the database from before the damage"
        )
    return edge


def _place(database: Engine) -> Head:
    """Give the oldest waiting entries their places, unless some that have one await a checkpoint; give the head."""
    with transaction(database) as conn:
        # Not the lease alone: who lost it with a connection may still be at work, and a place is given once.
        conn.execute(select(lt.log_head.c.id).with_for_update())
        head = head_of(conn)
        if head is None:
            raise IntegrityError("the log has no head", "restore the database")
        if head.placed > head.size:
            return head
        e = lt.log_entry.c
        waiting = select(e.n).where(e.place.is_(None)).order_by(e.n).limit(BATCH).subquery()
        some = select(waiting.c.n, func.row_number().over(order_by=waiting.c.n).label("nth")).subquery()
        places = update(lt.log_entry).where(e.n == some.c.n).values(place=head.placed - 1 + some.c.nth)
        count = conn.execute(places).rowcount
        if count:
            _count(conn, head.placed)
            conn.execute(update(lt.log_head).values(placed=head.placed + count))
        return head_of(conn) or head


def _count(conn: Connection, start: int) -> None:
    e, c = lt.log_entry.c, lt.log_count.c
    fresh = conn.execute(select(e.type, func.count()).where(e.place >= start).group_by(e.type))
    for kind, count in fresh.all():
        added = conn.execute(update(lt.log_count).where(c.type == kind).values(entries=c.entries + count))
        if not added.rowcount:
            conn.execute(insert(lt.log_count).values(type=kind, entries=count))


def _extend(house: House, head: Head, edge: Edge) -> Edge:
    while edge.size < head.placed:
        edge = _written(house, edge, min(edge.size - edge.size % WIDTH + BATCH, head.placed))
    return edge


def _written(house: House, edge: Edge, end: int) -> Edge:
    """Write bundles and tiles from an edge up to a place; give the new edge."""
    start = edge.size - edge.size % WIDTH
    entries = _entries(house.database, start, end)
    for n in range(0, len(entries), WIDTH):
        some = entries[n : n + WIDTH]
        tile = Tile(level=ENTRIES, place=(start + n) // WIDTH, width=len(some))
        house.log.write(tile, bundle_of(some))
    grown, tiles = grow(edge, [leaf_hash(entry) for entry in entries[edge.size - start :]])
    for tile, body in tiles:
        house.log.write(tile, body)
    return grown


def _entries(database: Engine, start: int, end: int) -> list[bytes]:
    with reading(database) as conn:
        found = [bytes(entry) for entry in conn.execute(_between(start, end)).scalars()]
    if len(found) != end - start:
        raise IntegrityError(f"the database lost entries of the log from {start} on", "restore the database")
    return found


def _between(start: int, end: int) -> Select[Any]:
    e = lt.log_entry.c
    return select(e.entry).where(e.place >= start, e.place < end).order_by(e.place)
