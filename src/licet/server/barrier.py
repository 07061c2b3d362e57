"""The read barrier: nothing is answered from a version that may hold what was withdrawn before the question.

Waiting holds no thread and no connection, and all who wait for one license share one look at the database, so
however many wait, members can still change their settings.
"""

import asyncio

from fastapi.concurrency import run_in_threadpool

from licet.model.errors import Unavailable
from licet.server.errors import missing
from licet.store.facts import newest_withdrawal
from licet.store.memory import Memory
from licet.store.parties import checked_seq

LOOK_S = 0.005
"""Seconds between two looks at a license's watermark."""


class Barrier:
    """Lets a read of a license begin once nothing withdrawn before it is left in its tables."""

    def __init__(self, memory: Memory, wait_s: float) -> None:
        """Guard a house by what its database says; wait at most `wait_s` seconds."""
        self._memory = memory
        self._wait_s = wait_s
        self._looks: dict[str, asyncio.Task[int]] = {}

    async def settle(self, license_id: str) -> None:
        """Wait until a license's tables hold nothing that was withdrawn before this call.

        Raises:
            WireError: 404, the license's tables were never built.
            Unavailable: the recall did not finish in time.
        """
        wanted, checked = await self._look_aside(license_id)
        if checked < 0:
            raise missing(f"table files missing: `{license_id}` has not been built yet")
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._wait_s
        while checked < wanted:
            if clock() >= deadline:
                raise Unavailable("rows are being withdrawn from this table", "try again in a moment")
            checked = await self._next_look(license_id)

    async def _look_aside(self, license_id: str) -> tuple[int, int]:
        if self._memory.is_local:
            return self._look(license_id)
        return await run_in_threadpool(self._look, license_id)

    def _look(self, license_id: str) -> tuple[int, int]:
        return self._memory.ask(
            ("barrier", license_id), lambda conn: (newest_withdrawal(conn), checked_seq(conn, license_id))
        )

    async def _next_look(self, license_id: str) -> int:
        # The watermark only grows, so a look that began before somebody joined it still tells them the truth.
        task = self._looks.get(license_id)
        if task is None or task.done():
            task = asyncio.create_task(self._look_soon(license_id))
            self._looks[license_id] = task
        return await asyncio.shield(task)

    async def _look_soon(self, license_id: str) -> int:
        await asyncio.sleep(LOOK_S)
        return (await self._look_aside(license_id))[1]
