"""Payouts as facts: which member was paid how much, in which run."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final

import pyarrow as pa
from sqlalchemy import Connection, func, insert, select

from licet.model.errors import NotFound, UsageError
from licet.store import ledger_tables as lt
from licet.store import tables as t
from licet.store.facts import micros

AT_ONCE: Final = 50_000
"""Members held in memory at a time."""


def known_members(conn: Connection) -> Iterator[list[str]]:
    """Give the ids of all members ever known, so many at a time."""
    query = select(t.member_fact.c.member_id).distinct().execution_options(yield_per=AT_ONCE)
    for some in conn.execute(query).scalars().partitions(AT_ONCE):
        yield [str(member_id) for member_id in some]


def paid_so_far(conn: Connection) -> Iterator[pa.Table]:
    """Give what each member was paid in all (member_id, micros), so many at a time."""
    c = lt.payout.c
    query = select(c.member_id, func.sum(c.micros)).group_by(c.member_id).execution_options(yield_per=AT_ONCE)
    for some in conn.execute(query).partitions(AT_ONCE):
        ids, sums = zip(*some, strict=True)
        yield pa.table({"member_id": pa.array(ids, pa.string()), "micros": pa.array(map(int, sums), pa.int64())})


def record_payouts(
    conn: Connection, payout_id: str, currency: str, due: Iterable[tuple[str, int]], at: datetime
) -> None:
    """Record what members are paid in one run: pairs of member and micro-units.

    Raises:
        UsageError: there was a run of that id.
    """
    c = lt.payout.c
    if conn.execute(select(c.payout_id).where(c.payout_id == payout_id).limit(1)).first() is not None:
        raise UsageError(f"payout `{payout_id}` was made before", "choose another id, or write its list again: --again")
    same = {"payout_id": payout_id, "at_us": micros(at), "currency": currency}
    left = iter(due)
    while some := list(islice(left, AT_ONCE)):
        conn.execute(insert(lt.payout), [{**same, "member_id": member_id, "micros": due} for member_id, due in some])


def payouts_in(conn: Connection, payout_id: str) -> Iterator[tuple[str, int, str]]:
    """Give the payouts of one run: member, micro-units, currency, in the order of members.

    Raises:
        NotFound: there was no such run.
    """
    c = lt.payout.c
    query = select(c.member_id, c.micros, c.currency).where(c.payout_id == payout_id).order_by(c.member_id)
    rows = conn.execute(query.execution_options(yield_per=AT_ONCE))
    first = rows.fetchone()
    if first is None:
        raise NotFound(f"no payout `{payout_id}`", "`licet ledger payout` makes one")
    yield (first.member_id, first.micros, first.currency)
    yield from ((row.member_id, row.micros, row.currency) for row in rows)
