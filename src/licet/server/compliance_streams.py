"""The routes of X's compliance streams: what left the caller's licenses, as it leaves, one event a line.

A stream is never ended by us, for clients take an orderly end for a hint to ask again at once. What goes wrong breaks
it off, and so does a token that works no longer; then clients wait before they ask again.
"""

import abc
import asyncio
import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from pyarrow import parquet as pq
from starlette.responses import StreamingResponse

from licet.model.errors import InputError, Refused
from licet.model.recalls import Cause
from licet.model.records import Table
from licet.protocol import compliance as wire
from licet.protocol.compliance import Form
from licet.server.access import AsRecipient
from licet.server.compliance import ProblemRoute, one_of, require_known, whole
from licet.server.desk import AtDesk, Desk
from licet.server.errors import JSON, WireError
from licet.store.compliance import Cursor, Left
from licet.store.compliance_users import users_who_left
from licet.store.credentials import holder_of_token
from licet.store.database import reading
from licet.store.keys import REASON

LOOK_S: Final = 0.5
"""Seconds between two looks for what left."""
KEEP_ALIVE_S: Final = 15.0
"""Seconds without an event after which a sign of life is sent; clients wait for 20."""
MOST_STREAMS: Final = 64
"""Streams of one recipient in one server process."""
ROWS: Final = 4096
"""Events that are written at a time."""
_TIMES: Final = {"backfill_minutes", "start_time", "end_time", "id_format"}

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.compliance_streams = Counter[str]()
    yield


router = APIRouter(tags=["compliance"], route_class=ProblemRoute, lifespan=_lifespan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller wants to hear of."""

    recipient_id: str
    token: str
    tables: tuple[Table, ...]
    form: Form
    partition: int
    """0 for all of them."""
    since: datetime
    floor: datetime | None
    """Nothing that left earlier is told, however late it was written down."""
    until: datetime | None


class Feed(abc.ABC):
    """What one caller has not been told yet; asked by one thread at a time."""

    def __init__(self, desk: Desk, wish: Wish) -> None:
        """Begin where the wish says."""
        self._desk = desk
        self._wish = wish
        self._cursor = Cursor(recipient_id=wish.recipient_id, tables=wish.tables, since=wish.since)
        self._lines: Iterator[bytes] = iter(())

    def read(self) -> bytes:
        """Give the next lines; empty where there is nothing new.

        Raises:
            Refused: the caller's token works no longer.
        """
        for lines in self._lines:
            if lines:
                return lines
        self._lines = map(wire.event_lines, self._events(self._look()))
        return next(filter(None, self._lines), b"")

    def _look(self) -> list[Left]:
        desk, wish = self._desk, self._wish
        with reading(desk.house.database) as conn:
            if holder_of_token(conn, wish.token, desk.now()) is None:
                raise Refused("the bearer token works no longer", "ask the operator")
            found = self._cursor.advance(conn, desk.house.shared)
        return [
            left
            for left in found
            if (wish.floor is None or left.at >= wish.floor) and (wish.until is None or left.at < wish.until)
        ]

    @abc.abstractmethod
    def _events(self, lefts: Sequence[Left]) -> Iterator[list[dict[str, Any]]]:
        """Give the events of what left, some at a time."""

    def _is_mine(self, user: str) -> bool:
        return self._wish.partition in {0, wire.partition_of(user)}

    def _written(self, pseudonym: str) -> str:
        return wire.written(pseudonym, self._wish.form)


class RowFeed(Feed):
    """Tells of every row that left: posts or likes."""

    def _events(self, lefts: Sequence[Left]) -> Iterator[list[dict[str, Any]]]:
        for left in lefts:
            user = "author_id" if left.table is Table.POSTS else "actor_id"
            shape = wire.post_event if left.table is Table.POSTS else wire.like_event
            for path in left.keys:
                with pq.ParquetFile(path) as file:
                    for batch in file.iter_batches(ROWS, columns=["post_id", user, REASON]):
                        yield [
                            shape(self._written(post), self._written(who), Cause(cause), left.at)
                            for post, who, cause in zip(
                                *(batch.column(name).to_pylist() for name in ("post_id", user, REASON)), strict=True
                            )
                            if self._is_mine(who)
                        ]


class UserFeed(Feed):
    """Tells of users of whom everything left."""

    def _events(self, lefts: Sequence[Left]) -> Iterator[list[dict[str, Any]]]:
        for at, together in _batches(lefts):
            for users in users_who_left(self._desk.house, together):
                yield [wire.user_event(self._written(user), cause, at) for user, cause in users if self._is_mine(user)]


def _batches(lefts: Sequence[Left]) -> list[tuple[datetime, list[Left]]]:
    """Put versions of one recall together, by when its last table was done."""

    def batch(left: Left) -> tuple[str, int]:
        return left.license_id, left.as_of_seq

    groups = [list(group) for _, group in itertools.groupby(sorted(lefts, key=batch), key=batch)]
    return sorted(((max(left.at for left in group), group) for group in groups), key=lambda pair: pair[0])


@router.get("/2/tweets/compliance/stream")
async def stream_posts(request: Request, desk: AtDesk, who: AsRecipient) -> StreamingResponse:
    """Tell of posts that leave."""
    wish = _read_wish(request, desk, who, (Table.POSTS,), partitioned=True)
    return _streamed(request, RowFeed(desk, wish), who)


@router.get("/2/users/compliance/stream")
async def stream_users(request: Request, desk: AtDesk, who: AsRecipient) -> StreamingResponse:
    """Tell of users who leave."""
    wish = _read_wish(request, desk, who, tuple(Table), partitioned=True)
    return _streamed(request, UserFeed(desk, wish), who)


@router.get("/2/likes/compliance/stream")
async def stream_likes(request: Request, desk: AtDesk, who: AsRecipient) -> StreamingResponse:
    """Tell of likes that leave."""
    wish = _read_wish(request, desk, who, (Table.LIKES,), partitioned=False)
    return _streamed(request, RowFeed(desk, wish), who)


def _read_wish(request: Request, desk: Desk, who: str, tables: tuple[Table, ...], *, partitioned: bool) -> Wish:
    said = request.query_params
    require_known(request, _TIMES | ({"partition"} if partitioned else set()))
    floor, until = (wire.read_time(said[name], name) if name in said else None for name in ("start_time", "end_time"))
    if floor and until and until <= floor:
        raise InputError("The `end_time` query parameter is not after `start_time`")
    backfill = timedelta(minutes=whole(request, "backfill_minutes", 0, wire.MOST_BACKFILL_MINUTES, 0))
    return Wish(
        recipient_id=who,
        token=request.headers["authorization"].partition(" ")[2].strip(),
        tables=tables,
        form=Form(one_of(request, "id_format", set(Form), Form.DECIMAL)),
        partition=whole(request, "partition", 1, wire.PARTITIONS) if partitioned else 0,
        since=floor or _to_milliseconds(desk.now() - backfill),
        floor=floor,
        until=until,
    )


def _to_milliseconds(at: datetime) -> datetime:
    """Cut an instant as commits do, so that none made in this very millisecond counts as earlier."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _streamed(request: Request, feed: Feed, who: str) -> StreamingResponse:
    running: Counter[str] = request.app.state.compliance_streams
    if running[who] >= MOST_STREAMS:
        detail = f"{MOST_STREAMS} streams of this recipient are connected"
        raise WireError(429, "RESOURCE_EXHAUSTED", detail, {"Retry-After": "60"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_counted(_told(feed), running, who), headers=headers, media_type=JSON)


async def _counted(lines: AsyncIterator[bytes], running: Counter[str], who: str) -> AsyncIterator[bytes]:
    running[who] += 1
    try:
        async for each in lines:
            yield each
    except Exception as error:  # noqa: BLE001 # the server would log its text, which may quote a row
        log.error("a compliance stream breaks off: %s", type(error).__name__)  # noqa: TRY400 # likewise
        raise BrokenPipeError("a compliance stream breaks off") from None
    finally:
        running[who] -= 1


async def _told(feed: Feed) -> AsyncIterator[bytes]:
    """Give lines as they come, and a sign of life at once and whenever nothing came for a while."""
    yield wire.KEEP_ALIVE
    clock = asyncio.get_running_loop().time
    last = clock()
    while True:
        # Waiting for the next look holds no thread; a look that takes long keeps nobody waiting for a sign of life.
        look = asyncio.ensure_future(run_in_threadpool(feed.read))
        try:
            while not (await asyncio.wait({look}, timeout=KEEP_ALIVE_S))[0]:
                yield wire.KEEP_ALIVE
            lines = look.result()
        finally:
            look.cancel()
        if not lines and clock() - last < KEEP_ALIVE_S:
            await asyncio.sleep(LOOK_S)
            continue
        yield lines or wire.KEEP_ALIVE
        last = clock()
