"""`licet ledger` and `licet license price`: what deliveries cost, and who earns by them."""

import importlib.resources
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from licet.cli.configuration import configuration, now
from licet.cli.terminal import LicetGroup, emit, errors, read_text, show
from licet.ledger.close import LEASE
from licet.ledger.close import close as close_months
from licet.ledger.export import beancount, cloud_events
from licet.ledger.plan import PPM, parse_plan
from licet.model.errors import InputError, NotFound, UsageError
from licet.model.money import LedgerTerms, Month, currency_of, decimal_of, micros_of, places, shown
from licet.store import asof, books, facts, ledger
from licet.store.database import lease, reading, transaction
from licet.store.deliveries import events_of
from licet.store.statements import is_whole

_PERCENT: Final = PPM // 100
_MONTH: Final = click.option("--month", "month_text", default="", help="Such as 2025-03; all by default.")


@click.group(
    name="ledger",
    cls=LicetGroup,
    elsewhere={
        "invoice": (
            "licet.cli.invoicing:invoice",
            "List invoices, or write them as HTML, as PDF, and as XML by EN 16931 (Factur-X).",
        ),
        "billing": (
            "licet.cli.invoicing:billing",
            (
                "Show or set what invoices say of a recipient, or of the operator where none is named; "
                "what is not named stays."
            ),
        ),
        "payout": (
            "licet.cli.paying:payout",
            "Pay out what members earned, from a threshold on, as a CSV for the bank; the rest is carried over.",
        ),
    },
)
def ledger_group() -> None:
    """Meter and price deliveries, close months, pay members.

    Example: licet ledger close
    """


def _month(text: str) -> Month | None:
    return Month.parse(text) if text else None


@click.command(name="price")
@click.argument("license_id")
@click.argument("plan")
def price_command(license_id: str, plan: str) -> None:
    """Attach a price plan to a license: a TOML file, or a ready-made one; it holds from the running month on.

    Example: licet license price acme_1a2b3c plan.toml
    """
    source = _plan_text(plan)
    parsed = parse_plan(source)
    at = now()
    with transaction(configuration().open().database) as conn:
        asof.license_as_of(conn, license_id, facts.last_seq(conn))
        terms = ledger.terms_at(conn, at)
        if terms is not None and terms.currency != parsed.currency:
            raise UsageError(
                f"the plan is in {parsed.currency}, the ledger in {terms.currency}", "write the plan in that currency"
            )
        books.set_plan(conn, license_id, source, at)
    emit({"license": license_id, "plan": parsed.name}, [f"license {license_id} costs by the plan `{parsed.name}`"])


def _plan_text(name: str) -> str:
    ready = importlib.resources.files("licet.ledger") / "plans"
    names = sorted(each.name.removesuffix(".toml") for each in ready.iterdir() if each.name.endswith(".toml"))
    if name in names:
        return (ready / f"{name}.toml").read_text(encoding="utf-8")
    if not Path(name).exists():
        raise NotFound(f"no plan `{name}`", f"name a TOML file, or one of {', '.join(names)}")
    return read_text(name)


@ledger_group.command(name="set")
@click.option("--currency", default=None, help="The ledger's one currency, such as USD.")
@click.option("--members", default=None, help="The members' part of the revenue, in percent; 0 at first.")
@click.option("--payment-days", type=click.IntRange(0, 365), default=None, help="Until invoices are due; 30 at first.")
@click.option("--seller", default=None, help="Name and address on invoices; \\n starts a line.")
@click.option("--basis", type=click.Choice(["rows", "value"]), default=None, help="By what members share.")
def set_terms(
    currency: str | None, members: str | None, payment_days: int | None, seller: str | None, basis: str | None
) -> None:
    """Set the ledger's terms from now on; what is not named stays.

    Example: licet ledger set --currency USD --members 50 --seller "The Platform, 1 Road"
    """
    at = now()
    with transaction(configuration().open().database) as conn:
        known = ledger.terms_at(conn, at)
        if known is None:
            if currency is None:
                raise UsageError("a new ledger needs a currency", "licet ledger set --currency USD --members 50")
            first = currency_of(currency)
            known = LedgerTerms(currency=first, member_ppm=0, payment_days=30, seller="", basis="rows")
        terms = replace(
            known,
            currency=currency_of(currency) if currency else known.currency,
            member_ppm=known.member_ppm if members is None else _part(members),
            payment_days=known.payment_days if payment_days is None else payment_days,
            seller=known.seller if seller is None else seller.replace("\\n", "\n"),
            basis=basis or known.basis,
        )
        books.set_terms(conn, terms, at)
    value = {"currency": terms.currency, "members_percent": terms.member_ppm / _PERCENT, "basis": terms.basis}
    line = f"ledger in {terms.currency}; members get {terms.member_ppm / _PERCENT:g}% by {terms.basis}"
    emit(value | {"payment_days": terms.payment_days}, [f"{line}; invoices are due after {terms.payment_days} days"])


def _part(text: str) -> int:
    scaled, rest = divmod(micros_of(text.removesuffix("%")), 100)
    if rest or not 0 <= scaled <= PPM:
        raise UsageError(f"`{text}` is no percentage", "write 0 to 100, at most four decimal places")
    return scaled


@ledger_group.command()
@_MONTH
@click.option("--unpriced", is_flag=True, help="Count licenses without a plan at nothing.")
def close(month_text: str, unpriced: bool) -> None:  # noqa: FBT001 # click passes flags so
    """Close every month that is over, or those up to one: count, price, invoice and share.

    Example: licet ledger close --month 2025-03
    """
    house = configuration().open()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("closing", total=None)
        told = lambda step: bar.update(task, description=step)  # noqa: E731 # one line
        done = close_months(house, now(), _month(month_text), told, unpriced=unpriced)
    with reading(house.database) as conn:
        currencies = {each.month: each.currency for each in ledger.revenue_by_month(conn)}
    for closed in done:
        if closed.lost_files:
            errors.print(
                f"{closed.month}: {closed.lost_files} files were gone before they were measured", soft_wrap=True
            )
    value = [
        {
            "month": str(each.month),
            "invoices": [invoice.number for invoice in each.invoices],
            "total_micros": sum(invoice.total_micros for invoice in each.invoices),
            "members_micros": each.members_micros,
            "lost_files": each.lost_files,
        }
        for each in done
    ]
    lines = [
        f"{each.month} is closed: {len(each.invoices)} invoices, "
        f"{shown(sum(invoice.total_micros for invoice in each.invoices), currencies[each.month])}; "
        f"members {shown(each.members_micros, currencies[each.month])}"
        for each in done
    ]
    emit({"closed": value}, lines or ["no month is to be closed"])


@ledger_group.command()
@click.option("--member", "member_id", default="", help="One member's, by license and month.")
@_MONTH
def earnings(member_id: str, month_text: str) -> None:
    """Show what members earned: all of them together, or one.

    Example: licet ledger earnings --member x:42
    """
    house, month = configuration().open(), _month(month_text)
    with reading(house.database) as conn:
        if member_id:
            if asof.member_as_of(conn, member_id, facts.last_seq(conn)) is None:
                raise NotFound("no such member", "`licet ledger earnings` shows all of them together")
            mine = ledger.earnings_of(conn, house.shared, member_id)
            rows = [
                (str(each.month), each.license_id, each.rows, decimal_of(each.micros), each.currency)
                for each in mine
                if month in {None, each.month}
            ]
            show("earnings", ("month", "license", "rows", "earned", "currency"), rows)
            return
        currencies = {each.month: each.currency for each in ledger.revenue_by_month(conn)}
        found = books.statements_of(conn, month)
    columns = ("month", "license", "members", "earned", "currency")
    sums = [
        (str(each), license_id, statement.members, decimal_of(statement.micros), currencies[each])
        for each, license_id, statement in found
    ]
    show("earnings", columns, sums)


@ledger_group.command()
@click.argument("license_id")
@click.argument("amount")
@click.option("--reason", required=True, help="Stands on the invoice.")
def correct(license_id: str, amount: str, reason: str) -> None:
    """Book a correction of a closed month in the running one; a negative amount is a credit.

    Example: licet ledger correct acme_1a2b3c --reason "agreed in March" -- -120.50
    """
    with transaction(configuration().open().database) as conn:
        asof.license_as_of(conn, license_id, facts.last_seq(conn))
        terms = ledger.terms_at(conn, now())
        if terms is None:
            raise UsageError("the ledger has no terms", "licet ledger set --currency USD --members 50")
        micros = micros_of(amount)
        require_payable(micros, terms.currency)
        books.correct(conn, license_id, micros, reason[:200], now())
    said = shown(micros, terms.currency)
    emit({"license": license_id, "micros": micros}, [f"{said} will stand on the running month's invoice"])


def require_payable(micros: int, currency: str) -> None:
    """Refuse an amount that nobody can pay.

    Raises:
        UsageError: it has more places than the currency.
    """
    if micros % 10 ** (6 - places(currency)):
        raise UsageError(f"{currency} has {places(currency)} decimal places", "round the amount")


@ledger_group.command()
@click.option("--format", "form", type=click.Choice(["beancount", "events"]), default="beancount", show_default=True)
@_MONTH
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file; to the screen by default."
)
def export(form: str, month_text: str, out: Path | None) -> None:
    """Write the journal as beancount text, or the usage of closed months as CloudEvents, one JSON a line.

    Example: licet ledger export --format beancount --out books.beancount
    """
    month = _month(month_text)
    with reading(configuration().open().database) as conn:
        if form == "events":
            lines = cloud_events(events_of(conn, month))
        else:
            terms = ledger.terms_at(conn, now())
            lines = beancount(ledger.journal(conn, month), terms.currency if terms else "")
        if out is None:
            for line in lines:
                click.echo(line)
            return
        try:
            with out.open("w", encoding="utf-8") as file:
                count = sum(1 for line in lines if file.write(f"{line}\n"))
        except OSError as error:
            raise InputError(f"`{out}` cannot be written: {error.strerror}", "choose another file") from error
    emit({"file": str(out), "lines": count}, [f"{count:,} lines written to {out}"])


@ledger_group.command()
def check() -> None:
    """Check that closed months are as they were sealed, that they balance, and that statements are whole.

    Example: licet ledger check
    """
    house = configuration().open()
    with lease(house.database, LEASE), reading(house.database) as conn:
        seals = books.seals(conn)
        broken = [str(month) for month, digest in seals if books.month_digest(conn, month) != digest]
        torn = [
            f"{month} of {license_id}"
            for month, license_id, statement in books.statements_of(conn)
            if not is_whole(house.shared, license_id, statement)
        ]
        count = len(ledger.journal(conn))  # a transaction that does not balance cannot be read
    if broken or torn:
        named = ", ".join([*broken, *(f"statement {each}" for each in torn)])
        raise InputError(f"not as it was closed: {named}", "restore the database and the shared folder from a copy")
    emit(
        {"months": len(seals), "transactions": count},
        [f"{len(seals)} months, {count} transactions: as they were closed"],
    )
