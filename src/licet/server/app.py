"""Put the app together."""

import contextlib
from collections.abc import AsyncIterator

import anyio.to_thread
from fastapi import FastAPI

from licet.server import errors, files, settings, sharing, sign_in
from licet.server.barrier import Barrier
from licet.server.desk import Desk, ServerOptions
from licet.store.house import House

THREADS = 200
"""Requests that may look at the database or a disk at the same moment."""


@contextlib.asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def create_app(house: House, options: ServerOptions) -> FastAPI:
    """Give the app that serves a house to recipients and members."""
    app = FastAPI(title="licet", lifespan=_lifespan)
    app.state.desk = Desk(house=house, options=options, barrier=Barrier(house, options.wait_s))
    errors.install(app)
    for room in (sharing, files, sign_in, settings):
        app.include_router(room.router)
    return app
