"""Money and what it is booked in: integers of micro-units, months, balanced transactions, invoices, earnings, payouts.

Amounts are whole micro-units (a millionth of the currency's unit), so nothing is ever lost to a fraction. A positive
posting is a debit, a negative one a credit, as in beancount.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final, Self

from licet.model.errors import InputError, IntegrityError
from licet.model.records import Table

UNIT: Final = 1_000_000
"""Micro-units of one unit of a currency."""

_WHOLE: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF"}
    | {"XOF", "XPF"}
)
_THOUSANDTHS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_MOST: Final = Decimal(10**11)
"""Amounts beyond this many units are taken for a slip of the pen; a 64-bit integer holds 90 times as much."""


def currency_of(code: str) -> str:
    """Read an ISO 4217 code.

    Raises:
        InputError: it is not three capital letters.
    """
    if not _CURRENCY.fullmatch(code):
        raise InputError(f"`{code}` is no currency", "write an ISO 4217 code such as USD or EUR")
    return code


def places(currency: str) -> int:
    """Give how many decimal places a currency is paid in (ISO 4217): 2, for some 0 or 3."""
    if currency in _THOUSANDTHS:
        return 3
    return 0 if currency in _WHOLE else 2


def minor_unit(currency: str) -> int:
    """Give the smallest payable amount of a currency in micro-units."""
    return int(UNIT // 10 ** places(currency))


def micros_of(amount: str) -> int:
    """Read a decimal amount such as `5.25` as micro-units.

    Raises:
        InputError: it is no amount, has more than six places, or is beyond all reason.
    """
    try:
        exact = Decimal(amount)
    except InvalidOperation as error:
        raise InputError(f"`{amount}` is no amount", "write a decimal number such as 5.25") from error
    if not exact.is_finite() or abs(exact) > _MOST:
        raise InputError(f"`{amount}` is no amount", "write a decimal number such as 5.25")
    scaled = exact * UNIT
    if scaled != scaled.to_integral_value():
        raise InputError(f"`{amount}` has more than six decimal places", "micro-units are the smallest there are")
    return int(scaled)


def decimal_of(micros: int, digits: int = 6) -> str:
    """Write micro-units as a plain decimal number with exactly so many places, which lose nothing.

    Raises:
        IntegrityError: it has more places than that.
    """
    step = 10 ** (6 - digits)
    if micros % step:
        raise IntegrityError("an amount has more places than its currency", "it should have been rounded when priced")
    whole, rest = divmod(abs(micros) // step, 10**digits)
    sign = "-" if micros < 0 else ""
    return f"{sign}{whole}.{rest:0{digits}}" if digits else f"{sign}{whole}"


def shown(micros: int, currency: str) -> str:
    """Write an amount for people, such as `1,234.50 USD`; fractions of the minor unit are shown where there are any."""
    digits = places(currency) if micros % minor_unit(currency) == 0 else 6
    plain = decimal_of(micros, digits)
    whole, dot, rest = plain.lstrip("-").partition(".")
    return f"{'-' if micros < 0 else ''}{int(whole):,}{dot}{rest} {currency}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Month:
    """A calendar month in UTC: the period of the ledger."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2025-03`.

        Raises:
            InputError: it is no month.
        """
        found = _MONTH.fullmatch(text)
        if found is None or found[1] == "0000":
            raise InputError(f"`{text}` is no month", "write it as 2025-03")
        return cls(year=int(found[1]), month=int(found[2]))

    @classmethod
    def of(cls, at: datetime) -> Self:
        """Give the month of an instant."""
        utc = at.astimezone(UTC)
        return cls(year=utc.year, month=utc.month)

    @property
    def start(self) -> datetime:
        """Give the first instant."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """Give the first instant after it."""
        return self.next.start

    @property
    def next(self) -> "Month":
        """Give the month after."""
        return Month(year=self.year + self.month // 12, month=self.month % 12 + 1)

    @property
    def last_day(self) -> date:
        """Give its last day, the date of its bookings."""
        return date.fromordinal(self.end.date().toordinal() - 1)

    @property
    def days(self) -> int:
        """Give how many days it has."""
        return (self.end - self.start).days

    def __str__(self) -> str:
        """Write it as `2025-03`."""
        return f"{self.year:04}-{self.month:02}"


class Kind(StrEnum):
    """What a transaction books."""

    CHARGE = "charge"
    SHARE = "share"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One leg of a transaction: micro-units to an account, positive for debit, negative for credit."""

    account: str
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """Postings that sum to zero; one that does not cannot be made."""

    transaction_id: str
    """Made of what it books, so that booking twice collides."""
    month: Month
    kind: Kind
    license_id: str
    """Empty for payouts, which are of all licenses."""
    narration: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        """Refuse what does not balance.

        Raises:
            IntegrityError: the postings do not sum to zero.
        """
        if sum(posting.micros for posting in self.postings):
            raise IntegrityError(f"transaction `{self.transaction_id}` does not balance", "do not book it: report it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a license was delivered of one table and counted in one month: each file of a version once."""

    license_id: str
    month: Month
    table: Table
    files: int
    rows: int
    tokens: int
    billed_rows: int
    """Rows that the plan counts; where it counts a file once for all, those of files counted before are missing."""
    billed_tokens: int


class LineKind(StrEnum):
    """What a line of an invoice is about."""

    FEE = "fee"
    USAGE = "usage"
    DISCOUNT = "discount"
    MINIMUM = "minimum"
    CREDIT = "credit"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One line of an invoice; `quantity` and `per_thousand_micros` are 0 where the amount stands for itself."""

    license_id: str
    kind: LineKind
    text: str
    quantity: int
    unit: str
    """`rows` or `tokens`; empty where the amount stands for itself."""
    per_thousand_micros: int
    micros: int
    """Whole minor units of the currency."""
    tax_ppm: int
    """The tax rate of the line in millionths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What a recipient owes for a month; where `total` is negative it is a credit note."""

    number: str
    recipient_id: str
    recipient_name: str
    month: Month
    issued: datetime
    due: date
    currency: str
    seller: str
    """The operator's name and address, line by line."""
    lines: tuple[InvoiceLine, ...]
    net_micros: int
    tax_micros: int

    @property
    def total_micros(self) -> int:
        """Give what is to be paid."""
        return self.net_micros + self.tax_micros

    @property
    def is_credit(self) -> bool:
        """Tell whether the operator owes it to the recipient."""
        return self.total_micros < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Earning:
    """What a member earned by one license in one month, and by how many delivered rows of theirs."""

    month: Month
    license_id: str
    recipient_id: str
    rows: int
    micros: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """A member's earnings handed over for payment; whole minor units."""

    payout_id: str
    at: datetime
    micros: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How a member stands: all earned so far, all paid out, and what waits for the threshold."""

    earned_micros: int
    paid_micros: int
    currency: str
    """Empty before anything was earned."""

    @property
    def waiting_micros(self) -> int:
        """Give what was earned and not paid out."""
        return self.earned_micros - self.paid_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRevenue:
    """A closed month's sums over all licenses, without tax: what came in, and what of it goes to members."""

    month: Month
    currency: str
    net_micros: int
    """Charges less credits."""
    members_micros: int
    """The members' part of `net_micros`, earned or waiting for a delivery to go by."""
    tax_micros: int

    @property
    def operator_micros(self) -> int:
        """Give what stays with the operator."""
        return self.net_micros - self.members_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTerms:
    """The operator's own terms of the ledger."""

    currency: str
    member_ppm: int
    """The members' part of the net revenue, in millionths."""
    payment_days: int
    """How many days after it was issued an invoice is due."""
    seller: str
    """The operator's name and address on invoices, line by line."""
    basis: str
    """By what members share: `rows` delivered, or the `value` of their rows where one was measured."""
