"""Write the ledger: terms, plans, corrections, payouts, and a month as a whole, which is closed or not there at all."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from licet.model.errors import UsageError
from licet.model.licenses import License
from licet.model.money import Invoice, LedgerTerms, Month, Transaction, Usage
from licet.model.records import Table
from licet.store import leaves
from licet.store import ledger_tables as lt
from licet.store import tables as t
from licet.store.asof import instant, license_as_of
from licet.store.facts import last_seq, micros
from licet.store.ledger import closed_months, invoices_of, journal, terms_at
from licet.store.recalls import recalls_named
from licet.store.statements import Statement


def set_terms(conn: Connection, terms: LedgerTerms, at: datetime) -> None:
    """Set the ledger's terms from now on.

    Raises:
        UsageError: the ledger has another currency.
    """
    known = terms_at(conn, at)
    if known is not None and known.currency != terms.currency:
        raise UsageError(
            f"the ledger is kept in {known.currency}", "one ledger has one currency: keep another house for another"
        )
    conn.execute(insert(lt.ledger_terms).values(at_us=micros(at), **asdict(terms)))


def terms_of(conn: Connection, month: Month) -> LedgerTerms | None:
    """Give the terms in force at a month's end, or the first ever set if none were; None if there never were any."""
    found = terms_at(conn, month.end)
    if found is None:
        first = conn.execute(select(func.min(lt.ledger_terms.c.at_us))).scalar_one_or_none()
        found = None if first is None else terms_at(conn, instant(first))
    return found


def set_plan(conn: Connection, license_id: str, source: str, at: datetime) -> None:
    """Attach a price plan to a license, as TOML that was found to be one; it holds for the month that is running."""
    conn.execute(insert(lt.license_plan).values(license_id=license_id, at_us=micros(at), source=source))


def plan_of(conn: Connection, license_id: str, month: Month) -> str | None:
    """Give the plan of a license at a month's end, or the first it ever had if it had none then; None without any."""
    c = lt.license_plan.c
    mine = select(c.source).where(c.license_id == license_id)
    found = mine.where(c.at_us < micros(month.end)).order_by(c.at_us.desc(), c.n.desc()).limit(1)
    first = mine.order_by(c.at_us, c.n).limit(1)
    return conn.execute(found).scalar_one_or_none() or conn.execute(first).scalar_one_or_none()


def priced_licenses(conn: Connection) -> list[str]:
    """Give the licenses that have a plan."""
    c = lt.license_plan.c
    return list(conn.execute(select(c.license_id).distinct().order_by(c.license_id)).scalars())


def first_plan(conn: Connection) -> datetime | None:
    """Give when the first plan was attached to a license; None if none ever was."""
    found = conn.execute(select(func.min(lt.license_plan.c.at_us))).scalar_one_or_none()
    return None if found is None else instant(found)


def states_of(conn: Connection, license_id: str) -> list[tuple[datetime, str]]:
    """Give when a license moved to which state, oldest first."""
    x, f = t.license_fact.c, t.fact.c
    query = select(f.at_us, x.state).select_from(t.license_fact.join(t.fact, x.seq == f.seq))
    rows = conn.execute(query.where(x.license_id == license_id).order_by(x.seq))
    return [(instant(row.at_us), row.state) for row in rows]


def license_now(conn: Connection, license_id: str) -> License:
    """Give a license as it stands.

    Raises:
        NotFound: there is none of that id.
    """
    return license_as_of(conn, license_id, last_seq(conn))[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """An amount to be booked in the open month, and why; positive is a charge."""

    n: int
    license_id: str
    micros: int
    reason: str


def correct(conn: Connection, license_id: str, micros_: int, reason: str, at: datetime) -> None:
    """Note a correction: it is booked in the month that is running."""
    row = {"license_id": license_id, "micros": micros_, "reason": reason, "at_us": micros(at), "month": ""}
    conn.execute(insert(lt.correction).values(**row))


def corrections_due(conn: Connection, month: Month) -> list[Correction]:
    """Give the corrections noted before a month's end and not yet booked."""
    c = lt.correction.c
    query = select(lt.correction).where(c.month == "", c.at_us < micros(month.end)).order_by(c.n)
    return [
        Correction(n=row.n, license_id=row.license_id, micros=row.micros, reason=row.reason)
        for row in conn.execute(query)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What left a license's tables with one recall that its recipient has attested: rows by table."""

    recall_id: str
    license_id: str
    opened: datetime
    rows: Mapping[Table, int]


def recalls_due(conn: Connection, month: Month) -> list[Attested]:
    """Give the recalls attested before a month's end that were not yet looked at for a credit."""
    s, c = t.recall_step.c, lt.recall_credit.c
    seen = select(c.recall_id).where(c.recall_id == s.recall_id)
    query = select(s.recall_id).distinct().where(s.state == "attested", s.at_us < micros(month.end), ~seen.exists())
    found = recalls_named(conn, sorted(conn.execute(query).scalars()))
    return [
        Attested(
            recall_id=recall.recall_id,
            license_id=recall.license_id,
            opened=recall.opened,
            rows={
                table: sum(each.rows for each in recall.departures if each.table == table)
                for table in sorted({each.table for each in recall.departures})
            },
        )
        for recall in sorted(found, key=lambda recall: recall.recall_id)
    ]


def credited_rows(conn: Connection, license_id: str) -> dict[Table, int]:
    """Give how many rows of a license were credited so far, by table."""
    c = lt.recall_credit.c
    query = select(c.record_table, func.sum(c.rows)).where(c.license_id == license_id).group_by(c.record_table)
    return {Table(table): int(rows) for table, rows in conn.execute(query)}


def account_balance(conn: Connection, account: str) -> int:
    """Give an account's balance in micro-units, debits less credits."""
    c = lt.ledger_posting.c
    found = conn.execute(select(func.sum(c.micros)).where(c.account == account)).scalar_one_or_none()
    return int(found or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallCredit:
    """What came of looking at one table of a recall: rows credited, and micro-units (not negative)."""

    recall_id: str
    table: Table
    license_id: str
    rows: int
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthBook:
    """All that closing a month writes down."""

    month: Month
    currency: str
    swept: int
    usage: Sequence[Usage]
    transactions: Sequence[Transaction]
    invoices: Sequence[Invoice]
    statements: Mapping[str, tuple[str, Statement]]
    """By license: its recipient, and the statement."""
    credits: Sequence[RecallCredit]
    corrections: Sequence[int]
    """Which corrections are booked."""


def book(conn: Connection, closing: MonthBook, at: datetime) -> None:
    """Write a month down as closed; hold the ledger's lease. Nothing of it is ever changed again.

    Raises:
        UsageError: it is closed.
    """
    month = str(closing.month)
    if closing.month in closed_months(conn):
        raise UsageError(f"{month} is closed", "corrections go to the open month: `licet ledger correct`")
    for number in closing.corrections:
        conn.execute(update(lt.correction).where(lt.correction.c.n == number).values(month=month))
    _insert(conn, lt.usage_month, (_usage_row(each) for each in closing.usage))
    for transaction in closing.transactions:
        book_transaction(conn, transaction)
    _insert(conn, lt.invoice, (_invoice_row(each) for each in closing.invoices))
    _insert(conn, lt.statement, (_statement_row(month, name, *each) for name, each in closing.statements.items()))
    _insert(conn, lt.recall_credit, (_credit_row(month, each) for each in closing.credits))
    row = {"month": month, "currency": closing.currency, "closed_us": micros(at), "swept_id": closing.swept}
    digest = month_digest(conn, closing.month)
    conn.execute(insert(lt.ledger_month).values(**row, digest=digest))
    leaves.note(conn, "month", micros(at), {"month": month, "currency": closing.currency, "digest": digest})


def book_transaction(conn: Connection, transaction: Transaction) -> None:
    """Write a transaction down; one of its name that is there already is an error of the database."""
    named = {"transaction_id": transaction.transaction_id, "month": str(transaction.month)}
    said = {"kind": str(transaction.kind), "license_id": transaction.license_id, "narration": transaction.narration}
    conn.execute(insert(lt.ledger_transaction).values(**named, **said))
    legs = enumerate(transaction.postings)
    same = {"transaction_id": transaction.transaction_id}
    _insert(conn, lt.ledger_posting, ({**same, "n": n, **asdict(posting)} for n, posting in legs))


def _insert(conn: Connection, table: Any, rows: Iterable[dict[str, Any]]) -> None:  # noqa: ANN401 # a SQLAlchemy table
    listed = list(rows)
    if listed:
        conn.execute(insert(table), listed)


def _usage_row(usage: Usage) -> dict[str, Any]:
    row = asdict(usage)
    return {"record_table": str(row.pop("table"))} | row | {"month": str(usage.month)}


def _invoice_row(invoice: Invoice) -> dict[str, Any]:
    row = asdict(invoice)
    lines, issued = json.dumps(row.pop("lines")), micros(row.pop("issued"))
    return row | {"month": str(invoice.month), "issued_us": issued, "lines": lines}


def _statement_row(month: str, license_id: str, recipient_id: str, statement: Statement) -> dict[str, Any]:
    return {"month": month, "license_id": license_id, "recipient_id": recipient_id, **asdict(statement)}


def _credit_row(month: str, credit: RecallCredit) -> dict[str, Any]:
    row = asdict(credit)
    return {"record_table": str(row.pop("table"))} | row | {"month": month}


def month_digest(conn: Connection, month: Month) -> str:
    """Seal a month: SHA-256 over what stands of it in the books, and the seal of the month before it."""
    c = lt.ledger_month.c
    before = select(c.digest).where(c.month < str(month)).order_by(c.month.desc()).limit(1)
    s, u = lt.statement.c, lt.usage_month.c
    statements = conn.execute(select(lt.statement).where(s.month == str(month)).order_by(s.license_id))
    usage = conn.execute(select(lt.usage_month).where(u.month == str(month)).order_by(u.license_id, u.record_table))
    sealed = {
        "before": conn.execute(before).scalar_one_or_none() or "",
        "transactions": [asdict(each) for each in journal(conn, month)],
        "invoices": [asdict(each) for each in invoices_of(conn, month=month)],
        "statements": [list(row) for row in statements],
        "usage": [list(row) for row in usage],
    }
    return hashlib.sha256(json.dumps(sealed, sort_keys=True, default=str).encode()).hexdigest()


def seals(conn: Connection) -> list[tuple[Month, str]]:
    """Give the closed months with the digest each was sealed with, oldest first."""
    c = lt.ledger_month.c
    return [(Month.parse(month), digest) for month, digest in conn.execute(select(c.month, c.digest).order_by(c.month))]


def statements_of(conn: Connection, month: Month | None = None) -> list[tuple[Month, str, Statement]]:
    """Give the statements of a month, or of all: month, license, statement."""
    c = lt.statement.c
    query = select(lt.statement).order_by(c.month, c.license_id)
    if month is not None:
        query = query.where(c.month == str(month))
    return [
        (
            Month.parse(row.month),
            row.license_id,
            Statement(file=row.file, sha256=row.sha256, members=row.members, micros=row.micros),
        )
        for row in conn.execute(query)
    ]
