"""Fetch files of a share: several at once, the rest of a half-loaded one, each checked before it counts."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx

from licet.cli.sync_client import NOT_NOW, Client
from licet.cli.sync_folder import TableFolder, sha256_of
from licet.cli.sync_rows import count_rows
from licet.model.errors import InputError, IntegrityError, LicetError, Refused, Unavailable
from licet.protocol.following import Held
from licet.protocol.reading import Offered, error_text, read_sha256

TRIES = 2
"""How often a file may come with other bytes than stated."""
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class Stale(Unavailable):
    """A file's address is good no more: the table is to be asked again."""


@dataclass(slots=True, kw_only=True)
class Fetcher:
    """Fetches files of one table to its folder."""

    client: Client
    folder: TableFolder
    progress: Callable[[int], None] = lambda _: None
    """Told how many bytes came."""
    at_once: int = 4
    _stop: threading.Event = field(default_factory=threading.Event)
    _failures: list[Exception] = field(default_factory=list)

    def fetch_all(self, offers: Iterable[Offered]) -> dict[str, Held]:
        """Fetch files and stage them.

        Raises:
            Stale: an address is good no more.
            IntegrityError: bytes are not those that the server states.
        """
        pool = ThreadPoolExecutor(self.at_once)
        try:
            running = [pool.submit(self._unless_stopped, offer) for offer in offers]
            found = [each.result() for each in running]
        finally:
            # After an interruption, too, what is under way stops at its next bytes.
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._stop.clear()
        failures, self._failures = self._failures, []
        if failures:
            raise failures[0]
        return {held.file_id: held for held in found if held is not None}

    def _unless_stopped(self, offer: Offered) -> Held | None:
        if self._stop.is_set():
            return None
        try:
            held = self.fetch(offer)
            self.folder.stage(held)
        except (LicetError, OSError) as error:
            self._failures.append(error)  # the first is the cause, others only stopped
            self._stop.set()
            return None
        return held

    def fetch(self, offer: Offered) -> Held:
        """Fetch one file, or the rest of it, and check it; it is on the disk on return.

        Raises:
            Stale: its address is good no more.
            IntegrityError: its bytes are not those that the server states.
        """
        part = self.folder.part(offer.file_id)
        for _ in range(TRIES):
            stated = self._load(offer, part)
            held = _checked(offer, part, stated)
            if held is not None:
                return held
            part.unlink(missing_ok=True)
        raise IntegrityError("a file's bytes are not those that the server states", "tell the operator")

    def stated_sha256(self, offer: Offered) -> str:
        """Ask for a file's SHA-256, in hexadecimal; empty where the server states none."""
        # An object store signs an address for GET alone and refuses HEAD: then nothing is stated.
        answer = self.client.send("HEAD", self._address(offer), self.client.patience())
        return read_sha256(answer.headers.get("repr-digest")) if answer.is_success else ""

    def _address(self, offer: Offered) -> str:
        if self.client.profile.endpoint.startswith("https:") and not offer.url.startswith("https:"):
            raise Refused(
                "the server hands out addresses of files without TLS",
                "have the operator state its public address: `licet serve --public-url`",
            )
        return offer.url

    def _load(self, offer: Offered, part: Path) -> str:
        """Load the bytes of a file that are not there yet; give the SHA-256 that the server states."""
        patience, before = self.client.patience(), -1
        while True:
            here = part.stat().st_size if part.exists() else 0
            if here == offer.size:
                return self.stated_sha256(offer)
            if here > offer.size:
                part.unlink()
                continue
            if here > before:
                patience, before = self.client.patience(), here  # something came, so it is worth going on
            try:
                with self._opened(offer, here) as answer:
                    if answer.status_code in NOT_NOW:
                        patience.wait_for(answer)
                        continue
                    self._save(answer, part, here)
                    stated = read_sha256(answer.headers.get("repr-digest"))
            except httpx.TransportError as error:
                patience.wait(type(error).__name__)
                continue
            if part.exists() and part.stat().st_size >= offer.size:
                return stated
            patience.wait("a file breaks off")

    def _opened(self, offer: Offered, first: int) -> AbstractContextManager[httpx.Response]:
        # Compressed on the way, bytes could not be counted from where they broke off.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={first}-"} if first else {})}
        return self.client.http.stream("GET", self._address(offer), headers=headers)

    def _save(self, answer: httpx.Response, part: Path, here: int) -> None:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            return
        if not answer.is_success:
            answer.read()
            _require_served(answer.status_code, error_text(answer.text))
        going_on = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        if going_on and not answer.headers.get("content-range", "").startswith(f"bytes {here}-"):
            raise Unavailable("the server gives another part of a file than it was asked for", "try again")
        with part.open("ab" if going_on else "wb") as handle:
            # As they come: gathered in larger pieces, the last would be lost when the connection breaks.
            for chunk in answer.iter_raw():
                handle.write(chunk)
                self.progress(len(chunk))
                if self._stop.is_set():
                    raise Stale("another file could not be fetched", "run it again")


def _require_served(status: int, words: str) -> None:
    if status in _REFUSED:
        raise Stale(words or f"a file's address is refused with status {status}", "run it again")
    if status >= HTTPStatus.BAD_REQUEST:
        raise Unavailable(words or f"a file cannot be fetched: status {status}", "run it again later")


def _checked(offer: Offered, part: Path, stated: str) -> Held | None:
    """Check a file that came; None if its bytes are not those that the server states."""
    if part.stat().st_size != offer.size:
        return None
    sha256 = sha256_of(part)
    if stated not in {"", sha256}:
        return None
    try:
        rows = count_rows(part)
    except InputError:
        return None
    if offer.rows not in {-1, rows}:
        return None
    with part.open("rb") as handle:
        os.fsync(handle.fileno())
    return Held(file_id=offer.file_id, size=offer.size, rows=rows, sha256=sha256)
