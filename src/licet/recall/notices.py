"""Send notices of recall to recipients' webhooks, again and again until they are taken or settled otherwise.

A notice is claimed before it is sent, so no two senders send it at once; whoever dies in between leaves it to the
next, and it arrives a second time under the same id.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from licet.protocol.recall_notices import acknowledges, signed_headers
from licet.recall.courier import Answer, Courier
from licet.store import recall_notices
from licet.store.database import reading, transaction
from licet.store.house import House
from licet.store.recall_notices import LONGEST, WEBHOOK, Waiting

FIRST: Final = timedelta(seconds=10)
"""The pause after the first failure; each is twice the one before, up to `LONGEST`."""
CLAIM: Final = timedelta(minutes=2)
"""How long a notice is left to the one who claimed it."""
AT_ONCE: Final = 32
"""Recipients that are spoken to at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one turn did, in numbers of notices."""

    taken: int = 0
    failed: int = 0


def pause_after(attempts: int, dice: Callable[[], float]) -> timedelta:
    """Give how long to wait after so many attempts: it doubles; `dice` (0 to 1) takes away up to half of it.

    Without chance, all that failed together would come back together.
    """
    longest = min(FIRST * (1 << min(attempts - 1, 30)), LONGEST)
    return longest * (1 - dice() / 2)


def send_all(
    house: House,
    clock: Callable[[], datetime],
    courier: Courier,
    dice: Callable[[], float] = random.random,
) -> Sent:
    """Send every notice that is due, once."""
    taken = failed = 0
    while True:
        with reading(house.database) as conn:
            due = recall_notices.waiting(conn, clock())
        if not due:
            return Sent(taken=taken, failed=failed)
        turn = asyncio.run(_turn(_Post(house=house, clock=clock, courier=courier, dice=dice), due))
        taken, failed = taken + turn.taken, failed + turn.failed
        if not turn.taken and not turn.failed:
            return Sent(taken=taken, failed=failed)


async def _turn(post: "_Post", due: Sequence[Waiting]) -> Sent:
    """Speak to several recipients at once, and to each about one notice after the other until it fails."""
    theirs: dict[str, list[Waiting]] = {}
    for each in due:
        theirs.setdefault(each.notice.recipient_id, []).append(each)
    gate = asyncio.Semaphore(AT_ONCE)
    counts = await asyncio.gather(*(post.one_recipient(some, gate) for some in theirs.values()))
    return Sent(taken=sum(taken for taken, _ in counts), failed=sum(failed for _, failed in counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Post:
    house: House
    clock: Callable[[], datetime]
    courier: Courier
    dice: Callable[[], float]

    async def one_recipient(self, due: Sequence[Waiting], gate: asyncio.Semaphore) -> tuple[int, int]:
        taken = 0
        async with gate:
            for each in due:
                if not await asyncio.to_thread(self._claim, each):
                    continue
                answer = await self._send(each)
                await asyncio.to_thread(self._record, each, answer)
                if not answer.taken:
                    return taken, 1
                taken += 1
        return taken, 0

    def _claim(self, each: Waiting) -> bool:
        with transaction(self.house.database) as conn:
            return recall_notices.claim(conn, each.notice, self.clock() + CLAIM)

    async def _send(self, each: Waiting) -> Answer:
        notice = each.notice
        headers = signed_headers(each.endpoint.secret, notice.notice_id, notice.body, self.clock())
        return await self.courier.post(each.endpoint, headers, notice.body)

    def _record(self, each: Waiting, answer: Answer) -> None:
        now, notice = self.clock(), each.notice
        with transaction(self.house.database) as conn:
            if answer.taken:
                recall_notices.record_taken(conn, notice, answer.status, now)
                if acknowledges(answer.body, notice.recall_id):
                    recall_notices.acknowledge(conn, notice.recall_id, WEBHOOK, now)
                return
            pause = pause_after(notice.attempts + 1, self.dice)
            asked = min(timedelta(seconds=answer.retry_after_s), LONGEST)
            recall_notices.record_failure(conn, notice, answer.status, answer.error, now + max(pause, asked))
