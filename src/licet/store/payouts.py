"""Payouts as facts: which member was paid how much, in which run."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final

import pyarrow as pa
from sqlalchemy import Connection, Engine, delete, func, insert, select

from licet.model.errors import NotFound, UsageError
from licet.store import ledger_tables as lt
from licet.store import tables as t
from licet.store.database import transaction
from licet.store.facts import micros

AT_ONCE: Final = 50_000
"""Members held in memory at a time."""
STEP: Final = 10_000
"""Members written down in one transaction."""
_FINISHED: Final = lt.payout.join(lt.payout_run, lt.payout.c.payout_id == lt.payout_run.c.payout_id)


def known_members(conn: Connection) -> Iterator[list[str]]:
    """Give the ids of all members ever known, so many at a time."""
    query = select(t.member_fact.c.member_id).distinct().execution_options(yield_per=AT_ONCE)
    for some in conn.execute(query).scalars().partitions(AT_ONCE):
        yield [str(member_id) for member_id in some]


def paid_so_far(conn: Connection) -> Iterator[pa.Table]:
    """Give what each member was paid in all (member_id, micros), so many at a time."""
    c = lt.payout.c
    query = select(c.member_id, func.sum(c.micros)).select_from(_FINISHED).group_by(c.member_id)
    for some in conn.execute(query.execution_options(yield_per=AT_ONCE)).partitions(AT_ONCE):
        ids, sums = zip(*some, strict=True)
        yield pa.table({"member_id": pa.array(ids, pa.string()), "micros": pa.array(map(int, sums), pa.int64())})


def prepare_payouts(database: Engine, payout_id: str, due: Iterable[tuple[str, int]]) -> None:
    """Write down what members are to be paid in a run, pairs of member and micro-units; hold the ledger's lease.

    In small transactions, so that nobody who opts out waits. Until `finish_payouts` it counts for nothing, and what a
    killed run left goes first.

    Raises:
        UsageError: there was a run of that id.
    """
    c, run = lt.payout.c, lt.payout_run.c
    with transaction(database) as conn:
        if conn.execute(select(run.payout_id).where(run.payout_id == payout_id)).first() is not None:
            remedy = "choose another id, or write its list again: --again"
            raise UsageError(f"payout `{payout_id}` was made before", remedy)
        conn.execute(delete(lt.payout).where(c.payout_id.not_in(select(run.payout_id))))
    left = iter(due)
    while some := list(islice(left, STEP)):
        with transaction(database) as conn:
            rows = [{"payout_id": payout_id, "member_id": member_id, "micros": amount} for member_id, amount in some]
            conn.execute(insert(lt.payout), rows)


def finish_payouts(conn: Connection, payout_id: str, currency: str, at: datetime) -> None:
    """Make a prepared run one that was made."""
    conn.execute(insert(lt.payout_run).values(payout_id=payout_id, at_us=micros(at), currency=currency))


def payouts_in(conn: Connection, payout_id: str) -> Iterator[tuple[str, int, str]]:
    """Give the payouts of one run: member, micro-units, currency, in the order of members.

    Raises:
        NotFound: there was no such run; known before the first is asked for.
    """
    c, run = lt.payout.c, lt.payout_run.c
    known = conn.execute(select(run.currency).where(run.payout_id == payout_id)).scalar_one_or_none()
    if known is None:
        raise NotFound(f"no payout `{payout_id}`", "`licet ledger payout` makes one")
    query = select(c.member_id, c.micros).where(c.payout_id == payout_id).order_by(c.member_id)
    rows = conn.execute(query.execution_options(yield_per=AT_ONCE))
    return ((row.member_id, row.micros, known) for row in rows)
