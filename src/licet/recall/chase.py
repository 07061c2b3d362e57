"""Chase every recall until it is settled: a notice, an acknowledgement, an attestation, or a suspended license.

The states of recalls follow from facts that others write down: deliveries, what webhooks answered, what recipients
read and sent, verdicts on attestations. Run again, it finds nothing to do; killed at any step, the next run goes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from licet.model.errors import LicetError
from licet.model.recalls import Recall, State
from licet.protocol.recall_notices import body_of
from licet.store import attestations, recall_notices, recalls, suspensions
from licet.store.database import lease, reading, transaction
from licet.store.house import House

TOGETHER: Final = 100
"""Recalls moved in one transaction, so that members who change a setting meanwhile wait no longer than for those."""
HORIZON_S: Final = 3600
"""How long a file's address works unless the server is told otherwise, in seconds."""

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chased:
    """What one chase did, in numbers of recalls, and of licenses."""

    reopened: int = 0
    announced: int = 0
    unneeded: int = 0
    """Closed, for nothing was delivered."""
    notified: int = 0
    acknowledged: int = 0
    attested: int = 0
    suspended: int = 0
    reinstated: int = 0


def chase(house: House, now: datetime, base: str = "", horizon_s: int = HORIZON_S) -> Chased:
    """Take every recall as far as the facts carry it.

    `base` is the server's address as recipients know it; `horizon_s` is how long its file addresses work, in seconds.

    Raises:
        LicetError: some license could not be suspended or reinstated; everything else was done.
    """
    with lease(house.database, "chase"):
        reopened = _reopen(house, now)
        announced, unneeded = _decide(house, now, base, horizon_s)
        _follow_key_files(house, now)
        with reading(house.database) as conn:
            notified = [(name, State.NOTIFIED, by) for name, by in recall_notices.told(conn)]
            acknowledged = [(name, State.ACKNOWLEDGED, by) for name, by in recall_notices.acknowledged(conn)]
        moved = (_move(house, notified, now), _move(house, acknowledged, now), _settle(house, now))
        suspended, reinstated = _hold_back(house, now)
    return Chased(
        reopened=reopened,
        announced=announced,
        unneeded=unneeded,
        notified=moved[0],
        acknowledged=moved[1],
        attested=moved[2],
        suspended=suspended,
        reinstated=reinstated,
    )


def _batches(things: Sequence[Thing]) -> Iterator[Sequence[Thing]]:
    for start in range(0, len(things), TOGETHER):
        yield things[start : start + TOGETHER]


def _reopen(house: House, now: datetime) -> int:
    with reading(house.database) as conn:
        found, over = recalls.late(conn), recalls.watched_long(conn, now)
    for names in _batches(found):
        with transaction(house.database) as conn:
            for name in names:
                recalls.reopen(conn, name, now)
    for names in _batches(over):
        with transaction(house.database) as conn:
            recalls.stop_watching(conn, names)
    return len(found)


def _decide(house: House, now: datetime, base: str, horizon_s: int) -> tuple[int, int]:
    """Make the notices of recalls that were delivered, and close those that were not and no longer can be."""
    with reading(house.database) as conn:
        found = recalls.undecided(conn, now - timedelta(seconds=horizon_s))
    announced = unneeded = 0
    for names in _batches([name for name, had in found.items() if had]):
        with reading(house.database) as conn:
            owed = recalls.recalls_named(conn, names)
        bodies = [body_of(each, recall_notices.reasons(house.shared, each), base, now) for each in owed]
        with transaction(house.database) as conn:
            announced += sum([_announce(conn, each, body, now) for each, body in zip(owed, bodies, strict=True)])
    for names in _batches([name for name, had in found.items() if not had]):
        with transaction(house.database) as conn:
            unneeded += sum([_let_go(conn, name, now) for name in names])
    return announced, unneeded


def _announce(conn: Connection, recall: Recall, body: str, now: datetime) -> bool:
    # Rows may have left another table since the body was written; the next chase tells of both.
    if recalls.held(conn, recall.recall_id) != recall:
        return False
    recall_notices.queue(conn, recall, body, now)
    return True


def _let_go(conn: Connection, recall_id: str, now: datetime) -> bool:
    recall = recalls.held(conn, recall_id)
    if recall is None or recalls.was_delivered(conn, recall):
        return False
    return recalls.move(conn, recall_id, State.CLOSED, recalls.NOTHING_DELIVERED, now)


def _follow_key_files(house: House, now: datetime) -> None:
    """Take a recall as acknowledged once the recipient fetched all that it needs in order to follow."""
    with reading(house.database) as conn:
        found = recall_notices.followed(conn)
    for names in _batches(found):
        with transaction(house.database) as conn:
            for name in names:
                recall_notices.acknowledge(conn, name, recall_notices.KEY_FILES, now)


def _move(house: House, moves: Sequence[tuple[str, State, str]], now: datetime) -> int:
    moved = 0
    for some in _batches(moves):
        with transaction(house.database) as conn:
            moved += sum([recalls.move(conn, name, state, detail, now) for name, state, detail in some])
    return moved


def _settle(house: House, now: datetime) -> int:
    """Close what is attested."""
    with reading(house.database) as conn:
        found = attestations.attested(conn)
    settled = 0
    for some in _batches(found):
        with transaction(house.database) as conn:
            for name, digest in some:
                settled += recalls.move(conn, name, State.ATTESTED, f"statement {digest}", now)
                recalls.move(conn, name, State.CLOSED, "attested", now)
                recall_notices.rest(conn, name)
    return settled


def _hold_back(house: House, now: datetime) -> tuple[int, int]:
    """Suspend licenses with overdue recalls, and reinstate those that we suspended and that have none any more.

    Raises:
        LicetError: the first that failed, after all had their turn.
    """
    with reading(house.database) as conn:
        late, standing = recalls.overdue(conn, now), suspensions.standing(conn)
    done, errors = [0, 0], []
    for name, recall_ids in late.items():
        try:
            with transaction(house.database) as conn:
                done[0] += suspensions.suspend(conn, name, recall_ids, now)
        except LicetError as error:
            errors.append(error)
    for each in standing:
        if each.license_id in late:
            continue
        try:
            with transaction(house.database) as conn:
                done[1] += suspensions.reinstate(conn, each, now)
        except LicetError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return done[0], done[1]
