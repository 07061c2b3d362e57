"""`licet ledger invoice` and `licet ledger billing`: invoices as files, and what they say of either party."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import click
from babel import Locale
from sqlalchemy import Connection

from licet.cli.configuration import configuration, now
from licet.cli.terminal import emit, show
from licet.ledger.papers import PAPERS
from licet.model.billing import BillingDetails, Untaxed
from licet.model.errors import InputError, NotFound, UsageError
from licet.model.money import Invoice, Month, decimal_of, places
from licet.store import ledger, parties
from licet.store.billing import OPERATOR, billing_of, set_billing
from licet.store.database import reading, transaction

_USUAL: Final = ("html", "pdf")
_NO_COUNTRIES: Final = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"})
"""Two letters that CLDR names and ISO 3166 gives to no country."""


@click.command()
@click.argument("number", default="")
@click.option("--recipient", "recipient_id", default="", help="Invoices of one recipient; of all by default.")
@click.option("--month", "month_text", default="", help="Such as 2025-03; all by default.")
@click.option(
    "--format",
    "forms",
    type=click.Choice(list(PAPERS)),
    multiple=True,
    help="May be given again; HTML and PDF at first.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the files here.")
def invoice(number: str, recipient_id: str, month_text: str, forms: tuple[str, ...], out: Path | None) -> None:
    """List invoices, or write them as HTML, as PDF, and as XML by EN 16931 (Factur-X).

    Example: licet ledger invoice 2025-03-acme --format xml --out invoices
    """
    if forms and out is None:
        raise UsageError("a format is that of files", "add --out FOLDER")
    with reading(configuration().open().database) as conn:
        one = [ledger.invoice_of(conn, number)] if number else None
        month = Month.parse(month_text) if month_text else None
        found = ledger.invoices_of(conn, recipient_id, month) if one is None else one
        if out is not None:
            _write(conn, found, dict.fromkeys(forms or _USUAL), out)
            return
    columns = ("invoice", "recipient", "month", "due", "net", "tax", "total", "currency")
    rows = []
    for each in found:
        amounts = (each.net_micros, each.tax_micros, each.total_micros)
        sums = (decimal_of(micros, places(each.currency)) for micros in amounts)
        rows.append((each.number, each.recipient_id, str(each.month), str(each.due), *sums, each.currency))
    show("invoices", columns, rows)


def _write(conn: Connection, found: list[Invoice], forms: dict[str, None], out: Path) -> None:
    """Write invoices in some forms; those before one that is refused stay."""
    written: list[Path] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for each in found:
            for form in forms:
                # A recipient's id is an identifier, so the number is a file's name.
                path = out / f"{each.number}.{form}"
                path.write_bytes(PAPERS[form](conn, each))
                written.append(path)
    except OSError as error:
        raise InputError(f"`{out}` cannot be written: {error.strerror}", "choose another folder") from error
    emit({"written": [str(each) for each in written]}, [f"written: {each}" for each in written])


@click.command()
@click.argument("recipient_id", default=OPERATOR, metavar="[RECIPIENT]")
@click.option("--name", help="The legal name.")
@click.option("--street", help="The first line of the address.")
@click.option("--extra", help="A second line of the address.")
@click.option("--postcode")
@click.option("--city")
@click.option("--country", help="Two letters such as FR (ISO 3166).")
@click.option("--vat-id", help="With the country's letters before it, such as FR12345678901.")
@click.option("--legal-id", help="The number in a register of companies.")
@click.option(
    "--untaxed",
    type=click.Choice([str(each) for each in Untaxed if each]),
    help="Why a recipient is charged no tax, where the plan charges none.",
)
def billing(recipient_id: str, **said: str | None) -> None:
    """Show or set what invoices say of a recipient, or of the operator where none is named; what is not named stays.

    Example: licet ledger billing acme --name "Acme AI SAS" --street "1 Rue" --city Paris --country FR --legal-id 12345
    """
    given = {name: value for name, value in said.items() if value is not None}
    if given.get("untaxed") and recipient_id == OPERATOR:
        raise UsageError("why no tax is charged hangs on the recipient", "licet ledger billing RECIPIENT --untaxed …")
    if "country" in given:
        _require_country(given["country"])
    with transaction(configuration().open().database) as conn:
        if recipient_id and parties.recipient_name(conn, recipient_id) is None:
            raise NotFound(f"no recipient `{recipient_id}`", "`licet recipient add` registers one")
        known = billing_of(conn, recipient_id)
        if given:
            known = _changed(known, given)
            set_billing(conn, recipient_id, known, now())
    whom = recipient_id or "the operator"
    if known is None:
        emit({"party": recipient_id, "billing": None}, [f"nothing is known of {whom}: add --name and the rest"])
        return
    why = [f"charged no tax: {known.untaxed}"] if known.untaxed else []
    emit({"party": recipient_id, "billing": asdict(known)}, [f"{whom}: {', '.join([*known.lines, *why])}"])


def _changed(known: BillingDetails | None, given: dict[str, str]) -> BillingDetails:
    said = given | ({"untaxed": Untaxed(given["untaxed"])} if "untaxed" in given else {})
    if known is not None:
        return replace(known, **said)  # type: ignore[arg-type] # texts, and one reason
    nothing = dict.fromkeys(BillingDetails.__slots__, "") | {"untaxed": Untaxed.UNSAID}
    return BillingDetails(**nothing | said)  # type: ignore[arg-type] # likewise


def _require_country(code: str) -> None:
    if len(code) != len("FR") or code in _NO_COUNTRIES or code not in Locale("en").territories:
        raise InputError(f"`{code}` is no country", "write two capital letters such as FR (ISO 3166)")
