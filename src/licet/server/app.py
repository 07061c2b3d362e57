"""Put the app together."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import anyio.to_thread
from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool

from licet.server import (
    compliance_jobs,
    compliance_streams,
    errors,
    files,
    log,
    oauth,
    openid,
    recalls,
    settings,
    sharing,
    sign_in,
)
from licet.server.access import file_gate
from licet.server.audit import Audited, Trail
from licet.server.barrier import Barrier
from licet.server.desk import Desk, ServerOptions
from licet.server.kept import Kept
from licet.server.limits import Buckets, Limits
from licet.server.outlet import addresses_of
from licet.server.pages import assets, doors, licensing, member, money, notices, operator, recipient, takeout
from licet.server.pages import log as log_page
from licet.server.pages.drafts import Drafts
from licet.store.house import House
from licet.store.memory import Memory

DOWNLOAD_RATE = 1 / 60
DOWNLOAD_BURST = 3
"""Downloads of everything of theirs that a member may begin a second, and at once."""
THREADS = 200
"""Requests that may look at the database or a disk at the same moment."""
LIVES = 60
"""An answer is given again for so small a part of the time that its addresses work."""


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    app.state.trail.start()
    try:
        yield
    finally:
        await run_in_threadpool(app.state.drafts.stop)
        await run_in_threadpool(app.state.trail.stop)
        await run_in_threadpool(app.state.desk.memory.close)


def create_app(house: House, options: ServerOptions) -> FastAPI:
    """Give the app that serves a house to recipients and members.

    Raises:
        UsageError: no object store signs addresses that work as long as is asked.
    """
    app = FastAPI(title="licet", lifespan=_lifespan)
    memory = Memory(house.database)
    barrier = Barrier(memory, options.wait_s)
    addresses = addresses_of(house, options.secret, options.horizon_s, options.wait_s, options.clock)
    app.state.desk = Desk(
        house=house,
        options=options,
        memory=memory,
        barrier=barrier,
        addresses=addresses,
        limits=_limits(options),
        kept=Kept(timedelta(seconds=options.horizon_s) / LIVES),
    )
    app.state.trail = Trail(house.database, options.audit_queue)
    app.state.drafts = Drafts(house)
    app.state.openid = openid.OpenId(options.provider) if options.provider else None
    errors.install(app)
    for room in (sharing, oauth, recalls, compliance_jobs, compliance_streams, sign_in, settings, log):
        app.include_router(room.router)
    for pages in (assets, doors, member, money, takeout, recipient, operator, notices, licensing, log_page):
        app.include_router(pages.router)
    app.include_router(doors.nowhere)
    app.include_router(files.router, dependencies=[Depends(file_gate)])
    app.add_middleware(Audited, trail=app.state.trail, clock=options.clock, prefix=sharing.PREFIX)
    return app


def _limits(options: ServerOptions) -> Limits:
    return Limits(
        requests=Buckets(options.rate, options.burst),
        files=Buckets(options.file_rate, options.file_burst),
        log=Buckets(options.file_rate, options.file_burst),
        pages=Buckets(options.page_rate, options.page_burst),
        downloads=Buckets(DOWNLOAD_RATE, DOWNLOAD_BURST),
        failures=Buckets(options.failure_rate, options.failure_burst),
    )
