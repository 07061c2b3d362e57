"""An outlet: a copy of the shared files in an object store, from where recipients fetch them by presigned addresses.

The local folder with its Delta logs stays the truth. Nobody asks us when such an address is used, so an address ends
only with its object, or with its time. Hence the order in which things happen, which is the law of this module:

1. A file goes up only while it is offered (see `store.offered`), and what is offered is looked up under the lease
   under which it goes up.
2. A version that leaves a file out is committed first; then, under the same lease, the file's object is deleted, and
   the store is asked until it says that the object is gone; only then may the license's watermark move. A file left
   out never comes back, for the names of files are never used twice.
3. Before any answer gives out an address, the outlet is found to hold all that is offered and nothing else, as of the
   version answered from: whoever moved the watermark, and whether or not they knew of the outlet.

So no answer given after an opt-out was acknowledged, and no fetch begun after such an answer, gives anything of the
member. An address given out before the opt-out opens its object until the recall has deleted it, and nothing later.
"""

import itertools
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import Engine

from licet.model.errors import IntegrityError, Unavailable
from licet.protocol.urls import FileClaim
from licet.store.bucket import Bucket
from licet.store.bucket_probe import require_forgetful
from licet.store.database import lease
from licet.store.offered import Offered
from licet.store.shared import SharedTables

AT_ONCE: Final = 8
"""Requests that are under way at the same moment, of one license."""
WAVE: Final = 16
"""Files that go up under one lease, at most: whoever must delete something waits no longer than that."""
WAVE_BYTES: Final = 64 * 2**20
"""Bytes that go up under one lease, if they are not one file's."""
FEW: Final = 100
"""Objects that are asked for one by one; more are looked for in a listing."""
FRESH_S: Final = 1.0
"""Seconds for which the store is taken to be there once it answered."""
SUFFIX: Final = ".parquet"
"""How the key of every object of ours ends; others below our prefix are not touched."""

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(slots=True, kw_only=True)
class _Held:
    """What this process knows of a license's objects."""

    offered: Offered
    present: dict[str, int]
    seen: float = field(default_factory=time.monotonic)
    """When the store last said so, on the monotonic clock."""


class Outlet:
    """Keeps in a bucket what may be handed out, and nothing else; many threads and processes may work on one."""

    def __init__(self, bucket: Bucket, database: Engine, shared: SharedTables) -> None:
        """Copy shared tables to a bucket; nothing is asked of it yet."""
        self._bucket = bucket
        self._database = database
        self._shared = shared
        self._held: dict[str, _Held] = {}

    def require_forgetful(self) -> None:
        """Refuse a bucket that might keep what is deleted.

        Raises:
            UsageError: it is no bucket for an outlet.
            Unavailable: the store does not answer.
        """
        require_forgetful(self._bucket)

    def is_clear(self, license_id: str, at: datetime) -> bool:
        """Tell whether this process saw that of a license's objects only such are left as are offered at an instant."""
        held = self._held.get(license_id)
        return held is not None and held.offered is self._offered(license_id, at)

    def is_settled(self, license_id: str, at: datetime) -> bool:
        """Tell whether this process saw that just what is offered is there, and lately; asks nothing of the store."""
        held = self._held.get(license_id)
        if held is None or time.monotonic() - held.seen > FRESH_S:
            return False
        return self.is_clear(license_id, at) and self.is_full(license_id)

    def is_full(self, license_id: str) -> bool:
        """Tell whether this process knows all to be there that was offered when it last looked."""
        held = self._held.get(license_id)
        return held is not None and all(key in held.present for key in held.offered.files)

    def clear(self, license_id: str, at: datetime, *, anew: bool = False) -> None:
        """Delete every object of a license that is not offered at an instant, and see that it is gone.

        What this process did itself it knows of; `anew` looks through the whole outlet even so.

        Raises:
            Unavailable: the store does not answer, refuses, or still has it.
        """
        with self._lease(license_id):
            offered = self._offered(license_id, at)
            held = self._held.pop(license_id, None)  # until all went well nothing is known
            if anew or held is None or not offered.follows(held.offered) or not self._deleted(held, offered):
                held = _Held(offered=offered, present=self._swept(offered))
            held.offered = offered
            self._held[license_id] = held

    def _deleted(self, held: _Held, offered: Offered) -> bool:
        """Delete the files that left since, if they are few, and tell whether the store says that they are gone."""
        gone = [key for key in held.offered.files if key not in offered.files]
        if len(gone) > FEW:
            return False
        self._bucket.delete(gone)
        if any(size is not None for size in _each(self._bucket.size, gone)):
            return False
        for key in gone:
            held.present.pop(key, None)
        held.seen = time.monotonic() if gone else held.seen
        return True

    def _swept(self, offered: Offered) -> dict[str, int]:
        """Delete whatever a listing shows that is not offered, and give what another one shows to be left."""
        for _ in range(3):
            present = self._bucket.listing(offered.license_id)
            strays = [key for key in present if key.endswith(SUFFIX) and offered.path(self._shared, key) is None]
            if not strays:
                return present
            self._bucket.delete(strays)
        raise Unavailable("the object store keeps what it was told to delete", "try again in a moment")

    def fill(self, license_id: str, at: datetime) -> None:
        """Copy what is offered and not yet there; give up at once where something is there that is not offered.

        Raises:
            Unavailable: the store does not answer, or refuses.
            IntegrityError: a local file is lost.
        """
        while held := self._held.get(license_id):
            missing = [key for key in held.offered.files if key not in held.present]
            if not missing or not self._bring(license_id, _wave(missing, held.offered.files), at):
                return

    def _bring(self, license_id: str, keys: Sequence[str], at: datetime) -> bool:
        """Copy the local files of some keys, and tell whether that was still due."""
        with self._lease(license_id):
            offered, held = self._offered(license_id, at), self._held.get(license_id)
            if held is None or held.offered is not offered:
                return False
            try:
                sizes = _each(lambda key: self._copied(offered, key), keys)
            except FileNotFoundError:
                if self._offered(license_id, at) is offered and offered.files.keys() >= set(keys):
                    raise IntegrityError("a shared file is lost", "build the license again") from None
                return False  # a recall has just taken it away, or there never was such a file
            held.present.update(zip(keys, sizes, strict=True))
            held.seen = time.monotonic()
        return True

    def _copied(self, offered: Offered, key: str) -> int:
        """Copy a key's local file unless it is there in its full size, and give its bytes."""
        path = offered.path(self._shared, key)
        if path is None:
            raise FileNotFoundError
        size = offered.files.get(key) or path.stat().st_size
        if self._bucket.size(key) != size:
            self._bucket.put(key, path, size)
        return size

    def settle(self, license_id: str, at: datetime) -> None:
        """Make sure that just what is offered at an instant is there; asks nothing of a store that lately said so.

        Raises:
            Unavailable: the store does not answer, refuses, or something changes meanwhile.
        """
        if self.is_settled(license_id, at):
            return
        if not self.is_clear(license_id, at) or not self._lives(license_id):
            self.clear(license_id, at)
        self.fill(license_id, at)

    def _lives(self, license_id: str) -> bool:
        """Look for one object, any one; tell whether the store still has it, and forget all if it has not."""
        held = self._held.get(license_id)
        keys = [] if held is None else list(held.present)
        if held is None or not keys:
            self._held.pop(license_id, None)
            return False
        key = random.choice(keys)  # noqa: S311 # no secret
        if self._bucket.size(key) is None:
            self._held.pop(license_id, None)
            return False
        held.seen = time.monotonic()
        return True

    def addresses(self, claims: Sequence[FileClaim], at: datetime) -> list[str]:
        """Give the addresses of files of one license, each of which works until its claim expires.

        Raises:
            Unavailable: one of them is not offered any more, or the store does not answer.
        """
        if not claims:
            return []
        license_id = claims[0].license_id
        self.settle(license_id, at)
        held = self._held.get(license_id)
        if held is None:
            raise _changing()
        keys = [held.offered.key(claim.table, claim.file) for claim in claims]
        missing = [key for key in keys if key not in held.present]
        for start in range(0, len(missing), WAVE):
            if not self._bring(license_id, missing[start : start + WAVE], at):
                raise _changing()
        seconds = min(claim.expires for claim in claims) - int(at.timestamp())
        return self._bucket.sign(keys, max(1, seconds))

    def _offered(self, license_id: str, at: datetime) -> Offered:
        held = self._held.get(license_id)
        return Offered.now(self._database, self._shared, license_id, at, held.offered if held else None)

    def _lease(self, license_id: str) -> AbstractContextManager[None]:
        return lease(self._database, f"outlet {license_id}")


def _wave(missing: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
    """Give the first of some files, so many that they go up in a short time."""
    some = missing[:WAVE]
    totals = itertools.accumulate(sizes[key] for key in some)
    return [key for n, (key, total) in enumerate(zip(some, totals, strict=True)) if n == 0 or total <= WAVE_BYTES]


def _changing() -> Unavailable:
    return Unavailable("the table is changing", "query it again")


def _each(ask: Callable[[In], Out], what: Sequence[In]) -> list[Out]:
    """Ask of several things at once, and give the answers in their order."""
    if len(what) < 2:  # noqa: PLR2004 # one needs no company
        return [ask(each) for each in what]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="licet-outlet") as pool:
        return list(pool.map(ask, what))
