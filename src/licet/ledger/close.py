"""Close months: count, measure, price, share, and write it all down at once. The shell around the pure rest.

Killed at any instant it leaves months that are closed or open, never between: counting is safe to repeat, a statement
that no month names is nobody's, and what makes a month closed is one transaction.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from sqlalchemy import Connection

from licet.ledger.earnings import SPLIT
from licet.ledger.journal import Pool, charge, pool, share, waiting
from licet.ledger.plan import Counts, Plan, parse_plan
from licet.ledger.pricing import Recalled, Standing, credit, price, tax_of
from licet.model.errors import UsageError
from licet.model.licenses import License
from licet.model.money import Invoice, InvoiceLine, LedgerTerms, LineKind, Month, Transaction, Usage
from licet.model.records import Table
from licet.store import books, deliveries, parties
from licet.store.billing import OPERATOR, billing_of
from licet.store.books import MonthBook, RecallCredit
from licet.store.database import lease, reading, transaction
from licet.store.engine import BATCH, parquet
from licet.store.house import House
from licet.store.ledger import closed_months, invoices_of, usage_of
from licet.store.meter import PART, give_up, measure
from licet.store.statements import STATEMENT, Statement, ledger_folder, write_statement
from licet.store.values import newest_values

LEASE: Final = "ledger"
"""Whoever writes to the journal holds it."""
ENDED: Final = "ended"
IN_FORCE: Final = frozenset({"active", "suspended"})
"""The states in which a license costs: what is offered or agreed only does not yet."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A month that was just closed: its invoices, members' sum, and how many files could not be counted any more."""

    month: Month
    invoices: tuple[Invoice, ...]
    members_micros: int
    lost_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """One license's month."""

    license_: License
    plan: Plan
    usage: tuple[Usage, ...]
    lines: tuple[InvoiceLine, ...]
    credits: tuple[RecallCredit, ...]

    @property
    def net(self) -> int:
        return sum(line.micros for line in self.lines)


@dataclass(slots=True, kw_only=True)
class _Books:
    """What a month's closing has gathered so far."""

    transactions: list[Transaction] = field(default_factory=list)
    statements: dict[str, tuple[str, Statement]] = field(default_factory=dict)
    members: int = 0


def next_month(conn: Connection) -> Month | None:
    """Give the month that is to be closed next; None before anything was delivered or priced."""
    closed = closed_months(conn)
    if closed:
        return closed[-1].next
    known = [at for at in (deliveries.first_delivery(conn), books.first_plan(conn)) if at is not None]
    return Month.of(min(known)) if known else None


def close(
    house: House,
    now: datetime,
    upto: Month | None = None,
    progress: Progress = lambda _: None,
    *,
    unpriced: bool = False,
) -> list[Closed]:
    """Close every month that is over, or those up to one; a month that is closed stays as it is.

    With `unpriced`, licenses without a plan are counted at nothing.

    Raises:
        UsageError: the month is not over, or the ledger has no terms, or a license that was delivered has no plan.
    """
    if upto is not None and upto.end > now:
        raise UsageError(f"{upto} is not over", "close it once it is")
    done: list[Closed] = []
    with lease(house.database, LEASE):
        while True:
            with reading(house.database) as conn:
                month = next_month(conn)
            if month is None or month.end > now or (upto is not None and month > upto):
                return done
            done.append(_close(house, month, now, progress, unpriced=unpriced))


def _close(house: House, month: Month, now: datetime, progress: Progress, *, unpriced: bool) -> Closed:
    with reading(house.database) as conn:
        terms, span = books.terms_of(conn, month), deliveries.span_of(conn, month, now)
    if terms is None:
        raise UsageError("the ledger has no terms", "licet ledger set --currency USD --members 50")
    progress(f"{month}: count deliveries")
    for _ in deliveries.count(house.database, month, span):
        progress(f"{month}: count deliveries")
    lost = _measure_all(house, month, now, progress)
    progress(f"{month}: price")
    with reading(house.database) as conn:
        priced = _priced(conn, month, terms, unpriced=unpriced)
        corrections = books.corrections_due(conn, month)
        invoices = _invoices(conn, month, terms, priced, now)
    found = _Books()
    for each in priced:
        _book(house, month, terms, each, found, progress)
    progress(f"{month}: write down")
    closing = MonthBook(
        month=month,
        currency=terms.currency,
        swept=span.swept,
        usage=[usage for each in priced for usage in each.usage],
        transactions=found.transactions,
        invoices=invoices,
        statements=found.statements,
        credits=[one for each in priced for one in each.credits],
        corrections=[each.n for each in corrections],
    )
    with transaction(house.database) as conn:
        books.book(conn, closing, now)
    return Closed(month=month, invoices=tuple(invoices), members_micros=found.members, lost_files=lost)


def _measure_all(house: House, month: Month, now: datetime, progress: Progress) -> int:
    """Measure what was counted and not yet measured; return of how many files only the number of rows is left."""
    lost = 0
    with reading(house.database) as conn:
        due = {name: deliveries.unmeasured_files(conn, name, month) for name in deliveries.licenses_of(conn, month)}
    for license_id, tables in due.items():
        for table, names in tables.items():
            for start in range(0, len(names), PART):
                progress(f"{month}: measure {license_id} {table}")
                measure(house, license_id, table, names[start : start + PART], now)
            lost += give_up(house, license_id, table, names, now)
    return lost


def _priced(conn: Connection, month: Month, terms: LedgerTerms, *, unpriced: bool) -> list[_Priced]:
    delivered, due = deliveries.licenses_of(conn, month), books.corrections_due(conn, month)
    recalls = books.recalls_due(conn, month)
    touched = {*delivered, *(each.license_id for each in due), *(each.license_id for each in recalls)}
    plans = _plans(conn, month, terms, touched, unpriced=unpriced)
    found = []
    for license_id, plan in plans.items():
        license_ = books.license_now(conn, license_id)
        once = plan.counts == Counts.FILE
        usage = deliveries.month_usage(conn, license_id, month, once=once) if license_id in delivered else []
        lines = price(plan, license_id, usage, _days(conn, license_, month), month.days)
        attested = [each for each in recalls if each.license_id == license_id]
        booked = [_correction(each, plan) for each in due if each.license_id == license_id]
        credited, notes = _credits(conn, license_, plan, attested, usage, (*lines, *booked))
        whole = (*lines, *credited, *booked)
        if usage or whole or notes:
            one = _Priced(license_=license_, plan=plan, usage=tuple(usage), lines=whole, credits=notes)
            found.append(one)
    return found


def _plans(
    conn: Connection, month: Month, terms: LedgerTerms, touched: Iterable[str], *, unpriced: bool
) -> dict[str, Plan]:
    """Give the plan of every license that has one, or of which there is anything to tell.

    Raises:
        UsageError: one has none, or is in another currency.
    """
    sources = {name: books.plan_of(conn, name, month) for name in sorted({*touched, *books.priced_licenses(conn)})}
    without = [name for name, source in sources.items() if source is None]
    if without and not unpriced:
        raise UsageError(
            f"no price: {', '.join(without)}",
            "`licet license price` attaches a plan, or --unpriced counts them at nothing",
        )
    free = f'name = "no price"\ncurrency = "{terms.currency}"'
    plans = {name: parse_plan(source or free) for name, source in sources.items()}
    foreign = [name for name, plan in plans.items() if plan.currency != terms.currency]
    if foreign:
        raise UsageError(
            f"the plan of `{foreign[0]}` is in {plans[foreign[0]].currency}, the ledger in {terms.currency}",
            "attach a plan in the ledger's currency",
        )
    return plans


def _days(conn: Connection, license_: License, month: Month) -> int:
    """Give on how many days of a month a license was in force at some instant: within its term, and not ended."""
    spans = []
    states = [*books.states_of(conn, license_.license_id), (license_.ends, ENDED)]
    for (start, state), (end, _) in pairwise(states):
        if state in IN_FORCE:
            spans.append((max(start, license_.starts, month.start), min(end, license_.ends, month.end)))
    days: set[int] = set()
    for start, end in spans:
        if start < end:
            last = end - timedelta(microseconds=1)
            days.update(range(start.day, last.day + 1))
    return len(days)


def _credits(
    conn: Connection,
    license_: License,
    plan: Plan,
    attested: Sequence[books.Attested],
    usage: Sequence[Usage],
    lines: Sequence[InvoiceLine],
) -> tuple[list[InvoiceLine], tuple[RecallCredit, ...]]:
    """Give the lines that credit recalls, and what came of each table; more than was charged never comes back."""
    if not attested:
        return [], ()
    name = license_.license_id
    counted = _rows_so_far(conn, name, usage)
    earlier = [
        line for each in invoices_of(conn, license_.recipient_id) for line in each.lines if line.license_id == name
    ]
    charged = sum(line.micros for line in (*earlier, *lines) if line.kind not in {LineKind.CREDIT, LineKind.CORRECTION})
    left = max(0, sum(line.micros for line in (*earlier, *lines)))
    standing = Standing(charged_micros=charged, rows=sum(counted.values()), starts=license_.starts, ends=license_.ends)
    open_rows = {table: rows - books.credited_rows(conn, name).get(table, 0) for table, rows in counted.items()}
    given, notes = [], []
    for each in attested:
        for table, gone in each.rows.items():
            rows = min(gone, open_rows.get(table, 0))
            open_rows[table] = open_rows.get(table, 0) - rows
            recalled = Recalled(recall_id=each.recall_id, table=table, rows=rows, opened=each.opened)
            line = credit(plan, name, recalled, standing)
            micros = min(left, -line.micros)
            left -= micros
            if micros:
                given.append(replace(line, micros=-micros))
            notes.append(RecallCredit(recall_id=each.recall_id, table=table, license_id=name, rows=rows, micros=micros))
    return given, tuple(notes)


def _rows_so_far(conn: Connection, license_id: str, usage: Sequence[Usage]) -> dict[Table, int]:
    rows: dict[Table, int] = {}
    for each in (*usage_of(conn, license_id), *usage):
        rows[each.table] = rows.get(each.table, 0) + each.rows
    return rows


def _correction(due: books.Correction, plan: Plan) -> InvoiceLine:
    return InvoiceLine(
        license_id=due.license_id,
        kind=LineKind.CORRECTION,
        text=f"Correction: {due.reason}",
        quantity=0,
        unit="",
        per_thousand_micros=0,
        micros=due.micros,
        tax_ppm=plan.tax_ppm,
    )


def _invoices(
    conn: Connection, month: Month, terms: LedgerTerms, priced: Sequence[_Priced], now: datetime
) -> list[Invoice]:
    by_recipient: dict[str, list[_Priced]] = {}
    own = billing_of(conn, OPERATOR)
    seller = terms.seller or "\n".join(own.lines if own else ())
    for each in priced:
        if each.lines:
            by_recipient.setdefault(each.license_.recipient_id, []).append(each)
    return [
        Invoice(
            number=f"{month}-{recipient_id}",
            recipient_id=recipient_id,
            recipient_name=parties.recipient_name(conn, recipient_id) or recipient_id,
            month=month,
            issued=now,
            due=now.date() + timedelta(days=terms.payment_days),
            currency=terms.currency,
            seller=seller,
            lines=tuple(line for one in theirs for line in one.lines),
            net_micros=sum(one.net for one in theirs),
            tax_micros=sum(tax_of(one.lines, terms.currency) for one in theirs),
        )
        for recipient_id, theirs in sorted(by_recipient.items())
    ]


def _book(house: House, month: Month, terms: LedgerTerms, priced: _Priced, into: _Books, progress: Progress) -> None:
    """Book one license's month, and write its statement."""
    license_id, recipient_id = priced.license_.license_id, priced.license_.recipient_id
    once = priced.plan.counts == Counts.FILE
    with reading(house.database) as conn:
        files = deliveries.billed_files(conn, license_id, month, once=once) if priced.usage else []
        before = -books.account_balance(conn, waiting(license_id))
        values = newest_values(conn, house.shared, license_id, month) if terms.basis == "value" else None
    found = pool(priced.net, terms.member_ppm, before, any_rows=bool(files))
    if found.distributed:
        progress(f"{month}: share {license_id}")
        statement = write_earnings(house, license_id, month, files, found, values)
        into.statements[license_id] = (recipient_id, statement)
    into.members += found.new
    tax = tax_of(priced.lines, terms.currency)
    for one in (charge(month, license_id, recipient_id, priced.net, tax), share(month, license_id, found)):
        if one.postings:
            into.transactions.append(one)


def write_earnings(
    house: House,
    license_id: str,
    month: Month,
    files: Sequence[tuple[int, str, int]],
    found: Pool,
    values: Path | None = None,
) -> Statement:
    """Share an amount among the members whose rows were delivered, and seal the statement.

    They share by rows; with `values` by what their data was found to be worth, whoever has a positive value, unless
    nobody has.
    """
    times = pa.table(
        {
            "number": pa.array([number for number, _, _ in files], pa.int64()),
            "times": pa.array([billed for *_, billed in files], pa.int64()),
        }
    )
    folder = ledger_folder(house.shared, license_id)
    lines = parquet([str(folder / name) for name in sorted({name for _, name, _ in files})])
    with house.engine.session() as session:
        session.register("times", times)
        session.execute(f"""
            CREATE TEMP TABLE weights AS
            SELECT l.pseudonym, SUM(l.rows * t.times) AS rows, SUM(l.rows * t.times) AS weight
            FROM {lines} AS l JOIN times AS t ON t.number = l.number GROUP BY l.pseudonym""")
        weights = "weights" if values is None else _by_value(session, values)
        ((everything,),) = session.execute(f"SELECT SUM(weight) FROM {weights}").fetchall()
        query = SPLIT.format(total=found.distributed, everything=everything, weights=weights)
        rows = session.sql(query).to_arrow_reader(BATCH)
        named = pa.RecordBatchReader.from_batches(STATEMENT, (batch.cast(STATEMENT) for batch in rows))
        return write_statement(house.shared, license_id, month, named)


def _by_value(session: duckdb.DuckDBPyConnection, values: Path) -> str:
    session.execute(f"""
        CREATE TEMP TABLE valued AS
        SELECT w.pseudonym, w.rows, v.weight FROM weights AS w
        JOIN {parquet([str(values)])} AS v ON v.pseudonym = w.pseudonym WHERE v.weight > 0""")
    ((any_valued,),) = session.execute("SELECT COUNT(*) > 0 FROM valued").fetchall()
    return "valued" if any_valued else "weights"
