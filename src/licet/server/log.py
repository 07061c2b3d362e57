"""The transparency log as it is served, static files for everybody, and the worker that publishes it."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from licet.model.errors import InputError, LicetError
from licet.server.desk import AtDesk, Desk
from licet.server.errors import missing
from licet.server.limits import network_of
from licet.store.database import reading
from licet.store.house import House
from licet.store.log_proofs import verifier_of
from licet.store.publication import is_behind, publish
from licet.tlog.tiles import Tile

PREFIX: Final = "/log"
LOOK_S: Final = 1.0
"""Seconds between two looks for entries that wait."""
PATIENCE_S: Final = 5.0
"""How long a reader in a hurry is held back before being refused."""
_TEXT: Final = "text/plain; charset=utf-8"
_FOR_GOOD: Final = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
_FOR_NOW: Final = {"Cache-Control": "public, max-age=2", "X-Content-Type-Options": "nosniff"}

router = APIRouter(prefix=PREFIX, tags=["log"])
_told = logging.getLogger("licet.log")


@router.get("/checkpoint", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_checkpoint(request: Request, desk: AtDesk) -> Response:
    """Give the newest signed checkpoint."""
    _let_through(request, desk)
    note = desk.house.log.checkpoint()
    if not note:
        raise missing("the log has not begun")
    return Response(note, media_type=_TEXT, headers=_FOR_NOW)


@router.get("/key", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_key(request: Request, desk: AtDesk) -> Response:
    """Give the key that checkpoints are signed with; whoever relies on it compares it with one from elsewhere."""
    _let_through(request, desk)
    with reading(desk.house.database) as conn:
        verifier = verifier_of(conn)
    if verifier is None:
        raise missing("the log has not begun")
    return Response(f"{verifier}\n", media_type=_TEXT, headers=_FOR_NOW)


@router.get("/{path:path}", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def get_tile(request: Request, desk: AtDesk, path: str) -> Response:
    """Give a tile of hashes or a bundle of entries (C2SP tlog-tiles); what is given once never changes."""
    _let_through(request, desk)
    try:
        body = (desk.house.log.root / Tile.at(path).path).read_bytes()
    except (InputError, FileNotFoundError) as error:
        raise missing("no such file of the log") from error
    return Response(body, media_type="application/octet-stream", headers=_FOR_GOOD)


def _let_through(request: Request, desk: Desk) -> None:
    host = request.client.host if request.client else ""
    desk.limits.log.take(network_of(host, 32, 64))


def origin_of(public_url: str) -> str:
    """Give the name of a log that is served at an address: the address without its scheme (C2SP tlog-tiles)."""
    return f"{urlsplit(public_url).netloc}{PREFIX}" if public_url else ""


class LogWorker:
    """A thread that gives every entry its place and publishes it, about a second after it was written.

    Nothing is signed that contradicts what was published: the worker says so, and goes on trying.
    """

    def __init__(self, house: House, origin: str, clock: Callable[[], datetime], look_s: float = LOOK_S) -> None:
        """Prepare a worker for a house; a log that has not begun begins under `origin`."""
        self._house = house
        self._origin = origin
        self._clock = clock
        self._look_s = look_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="licet-log", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what still waits, and return."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(self._look_s)
            try:
                with reading(self._house.database) as conn:
                    behind = is_behind(conn)
                if behind:
                    publish(self._house, self._clock(), self._origin)
            except Exception as error:  # noqa: BLE001 # the thread outlives every failure
                _told.error("the log: %s", _reason(error))
                self._stop.wait(self._look_s * 10)


def _reason(error: Exception) -> str:
    """Say what is wrong without anything that a driver quotes from a row."""
    if isinstance(error, LicetError):
        return str(error)
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
