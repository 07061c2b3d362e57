"""What a month under a plan costs, line by line. Pure: every line is rounded once, half to even, to the minor unit."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from licet.ledger.plan import PPM, Charge, CreditRule, Meter, Mode, Plan
from licet.model.money import InvoiceLine, LineKind, Usage, minor_unit
from licet.model.records import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """Rows of one recall that a license's recipient has stated to be gone, and when the recall was opened."""

    recall_id: str
    table: Table
    rows: int
    opened: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a credit goes by: a license's charges so far, without tax and credits, for how many rows, and its term."""

    charged_micros: int
    rows: int
    starts: datetime
    ends: datetime


def rounded(exact: Fraction | int, currency: str) -> int:
    """Give micro-units rounded half to even to whole minor units of a currency."""
    minor = minor_unit(currency)
    return round(Fraction(exact) / minor) * minor


def price(plan: Plan, license_id: str, usage: Iterable[Usage], in_force: int, days: int) -> tuple[InvoiceLine, ...]:
    """Give the lines of a month in which a license was in force on some of its days: fee, usage, discount, minimum.

    Fee and minimum are due by the day; nothing else is.
    """
    blank = InvoiceLine(
        license_id=license_id,
        kind=LineKind.FEE,
        text="",
        quantity=0,
        unit="",
        per_thousand_micros=0,
        micros=0,
        tax_ppm=plan.tax_ppm,
    )
    part = Fraction(in_force, days)
    lines = [*_fee(plan, blank, part, f"{in_force} of {days} days"), *_usage(plan, blank, {u.table: u for u in usage})]
    subtotal = sum(line.micros for line in lines)
    if plan.discount_ppm and subtotal:
        off = rounded(Fraction(subtotal * plan.discount_ppm, PPM), plan.currency)
        text = f"Discount, {percent(plan.discount_ppm)}"
        lines.append(replace(blank, kind=LineKind.DISCOUNT, text=text, micros=-off))
    missing = rounded(plan.minimum_micros * part, plan.currency) - sum(line.micros for line in lines)
    if missing > 0:
        lines.append(replace(blank, kind=LineKind.MINIMUM, text="Up to the monthly minimum", micros=missing))
    return tuple(lines)


def percent(ppm: int) -> str:
    """Write millionths as a percentage."""
    return f"{ppm / 10_000:.4f}".rstrip("0").rstrip(".") + "%"


def _fee(plan: Plan, blank: InvoiceLine, part: Fraction, said: str) -> Iterator[InvoiceLine]:
    if plan.fee_micros and part:
        text = "Monthly fee" if part == 1 else f"Monthly fee, {said}"
        yield replace(blank, text=text, micros=rounded(plan.fee_micros * part, plan.currency))


def _usage(plan: Plan, blank: InvoiceLine, usage: Mapping[Table, Usage]) -> Iterator[InvoiceLine]:
    for charge in plan.charges:
        counted = [usage[table] for table in charge.tables if table in usage]
        quantity = sum(each.billed_rows if charge.meter == Meter.ROWS else each.billed_tokens for each in counted)
        line = replace(blank, kind=LineKind.USAGE, unit=str(charge.meter))
        names = ", ".join(charge.tables)
        free = min(quantity, charge.included)
        if free:
            yield replace(line, text=f"{names}, included", quantity=free)
        for said, amount, each in _slices(charge, quantity - free):
            micros = rounded(Fraction(amount * each, 1000), plan.currency)
            yield replace(line, text=names + said, quantity=amount, per_thousand_micros=each, micros=micros)


def _slices(charge: Charge, quantity: int) -> Iterator[tuple[str, int, int]]:
    """Give the parts of a quantity: what they are, how much, and the price per thousand."""
    if not quantity:
        return
    if charge.mode == Mode.VOLUME:
        tier = next(tier for tier in charge.tiers if not tier.up_to or quantity <= tier.up_to)
        yield _bounds(0, tier.up_to, len(charge.tiers)), quantity, tier.per_thousand_micros
        return
    below = 0
    for tier in charge.tiers:
        within = (min(quantity, tier.up_to) if tier.up_to else quantity) - below
        if within > 0:
            yield _bounds(below, tier.up_to, len(charge.tiers)), within, tier.per_thousand_micros
        below = tier.up_to


def _bounds(below: int, up_to: int, tiers: int) -> str:
    if tiers == 1:
        return ""
    if not up_to:
        return f", beyond {below:,}" if below else ""
    return f", {below:,} to {up_to:,}" if below else f", up to {up_to:,}"


def credit(plan: Plan, license_id: str, recalled: Recalled, standing: Standing) -> InvoiceLine:
    """Give the line that credits a recall: the average price of a row so far, for every row, by the plan's rule.

    `pro-rata` credits what of the term was still ahead when the recall was opened.
    """
    exact = Fraction(standing.charged_micros * recalled.rows, standing.rows) if standing.rows else Fraction(0)
    part = _part(plan.recall_credit, recalled.opened, standing)
    return InvoiceLine(
        license_id=license_id,
        kind=LineKind.CREDIT,
        text=f"Recall {recalled.recall_id}, {recalled.table}",
        quantity=recalled.rows,
        unit=str(Meter.ROWS),
        per_thousand_micros=0,
        micros=-rounded(exact * part, plan.currency),
        tax_ppm=plan.tax_ppm,
    )


def _part(rule: CreditRule, opened: datetime, standing: Standing) -> Fraction:
    if rule == CreditRule.FULL:
        return Fraction(1)
    term = standing.ends - standing.starts
    if rule == CreditRule.NONE or not term:
        return Fraction(0)
    micro = term.resolution
    left = Fraction((standing.ends - opened) // micro, term // micro)
    return max(Fraction(0), min(Fraction(1), left))


def tax_of(lines: Iterable[InvoiceLine], currency: str) -> int:
    """Give the tax on one license's lines: on their sum at each rate, rounded once."""
    sums: dict[int, int] = {}
    for line in lines:
        sums[line.tax_ppm] = sums.get(line.tax_ppm, 0) + line.micros
    return sum(rounded(Fraction(net * ppm, PPM), currency) for ppm, net in sums.items())
