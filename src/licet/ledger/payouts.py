"""Pay members out: whoever's earnings reach a threshold, in whole payable amounts; the rest is carried over."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from licet.ledger.close import LEASE
from licet.ledger.journal import paid_out
from licet.model.errors import UsageError
from licet.model.money import Month, minor_unit
from licet.protocol.pseudonyms import DIGITS, member_digests
from licet.store import books
from licet.store.asof import license_key
from licet.store.database import lease, reading, transaction
from licet.store.engine import BATCH, parquet
from licet.store.house import House
from licet.store.ledger import closed_months
from licet.store.payouts import finish_payouts, known_members, paid_so_far, prepare_payouts
from licet.store.statements import statement_path

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidOut:
    """What one run paid: its id, how many members, their sum, and what is carried over."""

    payout_id: str
    members: int
    micros: int
    carried_micros: int
    currency: str


def pay_out(
    house: House, payout_id: str, threshold: int, now: datetime, progress: Progress = lambda _: None
) -> PaidOut:
    """Book a payout to every member who has earned at least `threshold` micro-units more than was paid so far.

    One transaction at the end makes it so: killed before that it never was.

    Raises:
        UsageError: the ledger has no terms, or this payout was made before.
    """
    with lease(house.database, LEASE):
        with reading(house.database) as conn:
            closed = closed_months(conn)
            month = _open_month(closed, now)
            terms = books.terms_of(conn, month)
        if terms is None or not closed:
            raise UsageError("nothing was earned yet", "`licet ledger close` closes a month")
        minor = minor_unit(terms.currency)
        with house.engine.session() as session:
            _balances(house, session, progress)
            due = f"CASE WHEN micros >= {max(threshold, minor)} THEN micros - micros % {minor} ELSE 0 END"
            sums = "SELECT COUNT(*) FILTER (due > 0), SUM(due), SUM(micros - due)"
            each = f"SELECT micros, {due} AS due FROM balance"
            ((members, paid, carried),) = session.execute(f"{sums} FROM ({each})").fetchall()
            done = PaidOut(
                payout_id=payout_id,
                members=int(members),
                micros=int(paid or 0),
                carried_micros=int(carried or 0),
                currency=terms.currency,
            )
            if done.members:
                progress("write down")
                rows = session.sql(f"SELECT member_id, {due} AS due FROM balance WHERE {due} > 0 ORDER BY member_id")
                prepare_payouts(house.database, payout_id, _pairs(rows))
                with transaction(house.database) as conn:
                    finish_payouts(conn, payout_id, terms.currency, now)
                    books.book_transaction(conn, paid_out(month, payout_id, done.micros))
        return done


def _open_month(closed: list[Month], now: datetime) -> Month:
    """Give the month of an instant, or the first open one if that is closed."""
    month = Month.of(now)
    return max(month, closed[-1].next) if closed else month


def _balances(house: House, session: duckdb.DuckDBPyConnection, progress: Progress) -> None:
    """Make the table `balance` (member_id, micros): what each member earned and was not paid."""
    with reading(house.database) as conn:
        listed = books.statements_of(conn)
        files: dict[str, list[str]] = {}
        for _, license_id, statement in listed:
            files.setdefault(license_id, []).append(str(statement_path(house.shared, license_id, statement.file)))
        keys = {license_id: license_key(conn, license_id) for license_id in files}
        session.execute("CREATE TEMP TABLE move (member_id VARCHAR, micros HUGEINT)")
        for batch in known_members(conn):
            for license_id, paths in files.items():
                progress(f"earnings of {license_id}")
                session.register("named", _named(keys[license_id], batch))
                session.execute(f"""
                    INSERT INTO move SELECT n.member_id, SUM(e.micros) FROM {parquet(paths)} AS e
                    JOIN named AS n ON n.pseudonym = e.pseudonym GROUP BY n.member_id""")
                session.unregister("named")
        for paid in paid_so_far(conn):
            session.register("paid", paid)
            session.execute("INSERT INTO move SELECT member_id, -micros FROM paid")
            session.unregister("paid")
    summed = "SELECT member_id, CAST(SUM(micros) AS BIGINT) AS micros FROM move GROUP BY member_id"
    session.execute(f"CREATE TEMP TABLE balance AS {summed}")


def _named(key: bytes, members: list[str]) -> pa.Table:
    pseudonyms = [digest.hex()[:DIGITS] for digest in member_digests(key, members)]
    return pa.table({"member_id": pa.array(members, pa.string()), "pseudonym": pa.array(pseudonyms, pa.string())})


def _pairs(rows: duckdb.DuckDBPyRelation) -> Iterator[tuple[str, int]]:
    for batch in rows.to_arrow_reader(BATCH):
        yield from zip(batch.column(0).to_pylist(), map(int, batch.column(1).to_pylist()), strict=True)
