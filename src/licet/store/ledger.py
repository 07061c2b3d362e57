"""Questions about money: what was counted, invoiced, earned and paid out. Only closed months are ever told of."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from licet.model.errors import NotFound
from licet.model.money import (
    Balance,
    Earning,
    Invoice,
    InvoiceLine,
    LedgerTerms,
    LineKind,
    Month,
    MonthRevenue,
    Payout,
    Posting,
    Transaction,
    Usage,
)
from licet.model.money import Kind as TransactionKind
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.store import ledger_tables as lt
from licet.store.asof import instant, license_key
from licet.store.facts import micros
from licet.store.shared import SharedTables
from licet.store.statements import line_of


def terms_at(conn: Connection, at: datetime) -> LedgerTerms | None:
    """Give the ledger's terms as they stood at an instant; None if there were none."""
    c = lt.ledger_terms.c
    query = select(lt.ledger_terms).where(c.at_us <= micros(at)).order_by(c.n.desc()).limit(1)
    row = conn.execute(query).first()
    if row is None:
        return None
    return LedgerTerms(
        currency=row.currency,
        member_ppm=row.member_ppm,
        payment_days=row.payment_days,
        seller=row.seller,
        basis=row.basis,
    )


def closed_months(conn: Connection) -> list[Month]:
    """Give the closed months, oldest first."""
    c = lt.ledger_month.c
    return [Month.parse(text) for text in conn.execute(select(c.month).order_by(c.month)).scalars()]


def usage_of(conn: Connection, license_id: str) -> list[Usage]:
    """Give what was counted of a license, by month and table, oldest first."""
    c = lt.usage_month.c
    query = select(lt.usage_month).where(c.license_id == license_id).order_by(c.month, c.record_table)
    return [
        Usage(
            license_id=license_id,
            month=Month.parse(row.month),
            table=Table(row.record_table),
            files=row.files,
            rows=row.rows,
            tokens=row.tokens,
            billed_rows=row.billed_rows,
            billed_tokens=row.billed_tokens,
        )
        for row in conn.execute(query)
    ]


def invoices_of(conn: Connection, recipient_id: str = "", month: Month | None = None) -> list[Invoice]:
    """Give a recipient's invoices, or everybody's, of a month or of all, newest first."""
    c = lt.invoice.c
    query = select(lt.invoice).order_by(c.month.desc(), c.number)
    if recipient_id:
        query = query.where(c.recipient_id == recipient_id)
    if month is not None:
        query = query.where(c.month == str(month))
    return [_invoice(row) for row in conn.execute(query)]


def invoice_of(conn: Connection, number: str) -> Invoice:
    """Give one invoice.

    Raises:
        NotFound: there is none of that number.
    """
    row = conn.execute(select(lt.invoice).where(lt.invoice.c.number == number)).first()
    if row is None:
        raise NotFound(f"no invoice `{number}`", "`licet ledger invoice` lists those there are")
    return _invoice(row)


def _invoice(row: Any) -> Invoice:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return Invoice(
        number=row.number,
        recipient_id=row.recipient_id,
        recipient_name=row.recipient_name,
        month=Month.parse(row.month),
        issued=instant(row.issued_us),
        due=row.due,
        currency=row.currency,
        seller=row.seller,
        lines=tuple(InvoiceLine(**line | {"kind": LineKind(line["kind"])}) for line in json.loads(row.lines)),
        net_micros=row.net_micros,
        tax_micros=row.tax_micros,
    )


def earnings_of(conn: Connection, shared: SharedTables, member_id: str) -> list[Earning]:
    """Give what a member earned, by month and license, newest first.

    Raises:
        IntegrityError: a statement is lost.
    """
    s, m = lt.statement.c, lt.ledger_month.c
    source = lt.statement.join(lt.ledger_month, s.month == m.month)
    query = select(s.month, s.license_id, s.recipient_id, s.file, m.currency).select_from(source)
    names: dict[str, str] = {}
    found = []
    for row in conn.execute(query.order_by(s.month.desc(), s.license_id)).all():
        if row.license_id not in names:
            names[row.license_id] = member_secrets(license_key(conn, row.license_id), member_id)[0]
        rows, amount = line_of(shared, row.license_id, row.file, names[row.license_id])
        if rows or amount:
            found.append(
                Earning(
                    month=Month.parse(row.month),
                    license_id=row.license_id,
                    recipient_id=row.recipient_id,
                    rows=rows,
                    micros=amount,
                    currency=row.currency,
                )
            )
    return found


def payouts_of(conn: Connection, member_id: str) -> list[Payout]:
    """Give what was paid out to a member, newest first."""
    c, run = lt.payout.c, lt.payout_run.c
    finished = lt.payout.join(lt.payout_run, c.payout_id == run.payout_id)
    query = select(c.payout_id, c.micros, run.at_us, run.currency).select_from(finished)
    return [
        Payout(payout_id=row.payout_id, at=instant(row.at_us), micros=row.micros, currency=row.currency)
        for row in conn.execute(query.where(c.member_id == member_id).order_by(run.at_us.desc(), c.payout_id))
    ]


def balance(earned: Sequence[Earning], paid: Sequence[Payout]) -> Balance:
    """Give how a member stands who earned and was paid all this."""
    return Balance(
        earned_micros=sum(each.micros for each in earned),
        paid_micros=sum(each.micros for each in paid),
        currency=next(iter([*(each.currency for each in earned), *(each.currency for each in paid)]), ""),
    )


def revenue_by_month(conn: Connection) -> list[MonthRevenue]:
    """Give the sums of every closed month, oldest first."""
    p, x = lt.ledger_posting.c, lt.ledger_transaction.c
    root = func.substr(p.account, 1, 7)  # `Income:`, `Expense`, `Liabili`: enough to tell them apart
    source = lt.ledger_posting.join(lt.ledger_transaction, p.transaction_id == x.transaction_id)
    kinds = x.kind.in_([str(TransactionKind.CHARGE), str(TransactionKind.SHARE)])
    query = select(x.month, x.kind, root.label("root"), func.sum(p.micros).label("micros")).select_from(source)
    sums: dict[tuple[str, str, str], int] = {
        (row.month, row.kind, row.root): int(row.micros)
        for row in conn.execute(query.where(kinds).group_by(x.month, x.kind, root))
    }
    m = lt.ledger_month.c
    return [
        MonthRevenue(
            month=Month.parse(month),
            currency=currency,
            net_micros=-sums.get((month, "charge", "Income:"), 0),
            members_micros=sums.get((month, "share", "Expense"), 0),
            tax_micros=-sums.get((month, "charge", "Liabili"), 0),
        )
        for month, currency in conn.execute(select(m.month, m.currency).order_by(m.month))
    ]


def journal(conn: Connection, month: Month | None = None) -> list[Transaction]:
    """Give every transaction, or those of one month, in the order of months and ids."""
    p, x = lt.ledger_posting.c, lt.ledger_transaction.c
    query = select(lt.ledger_transaction).order_by(x.month, x.transaction_id)
    source = lt.ledger_posting.join(lt.ledger_transaction, p.transaction_id == x.transaction_id)
    legs_query = select(lt.ledger_posting).select_from(source).order_by(p.transaction_id, p.n)
    if month is not None:
        query, legs_query = (each.where(x.month == str(month)) for each in (query, legs_query))
    legs: dict[str, list[Posting]] = {}
    for row in conn.execute(legs_query):
        legs.setdefault(row.transaction_id, []).append(Posting(account=row.account, micros=row.micros))
    return [
        Transaction(
            transaction_id=row.transaction_id,
            month=Month.parse(row.month),
            kind=TransactionKind(row.kind),
            license_id=row.license_id,
            narration=row.narration,
            postings=tuple(legs.get(row.transaction_id, ())),
        )
        for row in conn.execute(query)
    ]
