"""Price plans: what a license costs, as a TOML file that both sides can read. Pure: text in, plan out."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, TypeVar

from licet.model.errors import InputError
from licet.model.money import UNIT, currency_of, micros_of
from licet.model.records import Table

PPM: Final = UNIT
"""Millionths in a whole: how shares and rates are kept."""
_PERCENT: Final = 10_000
"""Millionths in a percent."""


class Meter(StrEnum):
    """What a charge counts."""

    ROWS = "rows"
    TOKENS = "tokens"


class Mode(StrEnum):
    """How tiers apply: each to the part of the quantity within it, or the one reached to all of it."""

    GRADUATED = "graduated"
    VOLUME = "volume"


class Counts(StrEnum):
    """How often a file is billed: once in every version it is fetched of, or once for all."""

    VERSION = "version"
    FILE = "file"


class CreditRule(StrEnum):
    """What of the price paid for a row comes back when a recall of it is attested."""

    NONE = "none"
    FULL = "full"
    PRO_RATA = "pro-rata"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A price in micro-units per thousand, up to a quantity; 0 means without end."""

    up_to: int
    per_thousand_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What the rows or tokens of some tables cost, beyond an included quantity a month."""

    tables: tuple[Table, ...]
    meter: Meter
    included: int
    mode: Mode
    tiers: tuple[Tier, ...]
    """Ascending; the last is without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a license costs a month; tables that no charge names cost nothing."""

    name: str
    currency: str
    fee_micros: int
    minimum_micros: int
    discount_ppm: int
    tax_ppm: int
    counts: Counts
    recall_credit: CreditRule
    charges: tuple[Charge, ...]


Choice = TypeVar("Choice", bound=StrEnum)


class _Reader:
    """Takes keys out of one TOML table; whatever is left over is an error."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._left = dict(table)
        self._where = where

    def error(self, key: str, said: str, remedy: str) -> InputError:
        """Give the error about a key."""
        return InputError(f"plan: `{self._where}{key}` {said}", remedy)

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text."""
        value = self._left.pop(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.error(key, "is missing or no text", f'write {key} = "…"')
        return value

    def money(self, key: str, default: str | None = None) -> int:
        """Take an amount, in micro-units; it is written as a text, for a TOML float is not exact."""
        value = self._left.pop(key, default)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.error(key, "is no amount", f'write {key} = "5.25", in quotes')
        try:
            micros = micros_of(value)
        except InputError as error:
            raise self.error(key, f"is no amount: {error.message}", error.remedy) from error
        if micros < 0:
            raise self.error(key, "is less than nothing", "a correction takes money back: `licet ledger correct`")
        return micros

    def percent(self, key: str) -> int:
        """Take a percentage, in millionths; nothing by default."""
        ppm, rest = divmod(self.money(key, "0") * _PERCENT, UNIT)
        if rest or ppm > PPM:
            raise self.error(key, "is no percentage", f'write {key} = "12.5": 0 to 100, at most four decimal places')
        return ppm

    def number(self, key: str, default: int | None = None) -> int:
        """Take a whole number that is not negative."""
        value = self._left.pop(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
            raise self.error(key, "is no whole number", f"write {key} = 1_000_000")
        return value

    def choice(self, key: str, kind: type[Choice], default: Choice) -> Choice:
        """Take one of a few words."""
        value = self._left.pop(key, str(default))
        if value not in list(kind):
            raise self.error(key, f"cannot be `{value}`", f"choose from {', '.join(kind)}")
        return kind(value)

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        """Take a list of TOML tables."""
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.error(key, "is no list of tables", f"write [[{self._where}{key}]]")
        return value

    def names(self, key: str) -> tuple[Table, ...]:
        """Take names of record tables; all of them by default."""
        value = self._left.pop(key, list(Table))
        if not isinstance(value, list) or not value or any(each not in list(Table) for each in value):
            raise self.error(key, "names no table of ours", f"choose from {', '.join(Table)}")
        return tuple(dict.fromkeys(Table(each) for each in value))

    def has(self, key: str) -> bool:
        """Tell whether a key is there."""
        return key in self._left

    def end(self) -> None:
        """Refuse what nobody asked for: a misspelt key would else cost nothing."""
        for key in self._left:
            raise self.error(key, "is not known", "see docs/ledger.md for the keys of a plan")


def parse_plan(text: str) -> Plan:
    """Read a plan.

    Raises:
        InputError: it is malformed; the message names the key.
    """
    try:
        top = _Reader(tomllib.loads(text), "")
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the plan is no TOML: {error}", "mend that line") from error
    plan = Plan(
        name=top.text("name"),
        currency=_currency(top),
        fee_micros=top.money("fee", "0"),
        minimum_micros=top.money("minimum", "0"),
        discount_ppm=top.percent("discount"),
        tax_ppm=top.percent("tax"),
        counts=top.choice("counts", Counts, Counts.VERSION),
        recall_credit=top.choice("recall_credit", CreditRule, CreditRule.PRO_RATA),
        charges=tuple(_charge(each, f"charge[{n}].") for n, each in enumerate(top.tables("charge"), 1)),
    )
    top.end()
    _refuse_overlaps(plan)
    return plan


def _currency(top: _Reader) -> str:
    try:
        return currency_of(top.text("currency"))
    except InputError as error:
        raise top.error("currency", f"is none: {error.message}", 'write currency = "USD"') from error


def _charge(table: Mapping[str, Any], where: str) -> Charge:
    reader = _Reader(table, where)
    names, meter = reader.names("tables"), reader.choice("meter", Meter, Meter.ROWS)
    included, mode = reader.number("included", 0), reader.choice("mode", Mode, Mode.GRADUATED)
    if reader.has("per_thousand") == reader.has("tier"):
        raise reader.error(
            "per_thousand", "and tiers: one of them is needed", 'write per_thousand = "5", or [[charge.tier]]'
        )
    if reader.has("per_thousand"):
        tiers: tuple[Tier, ...] = (Tier(up_to=0, per_thousand_micros=reader.money("per_thousand")),)
    else:
        tiers = tuple(_tier(each, f"{where}tier[{n}].") for n, each in enumerate(reader.tables("tier"), 1))
        _require_ascent(reader, tiers)
    reader.end()
    return Charge(tables=names, meter=meter, included=included, mode=mode, tiers=tiers)


def _tier(table: Mapping[str, Any], where: str) -> Tier:
    reader = _Reader(table, where)
    tier = Tier(up_to=reader.number("up_to", 0), per_thousand_micros=reader.money("per_thousand"))
    reader.end()
    return tier


def _require_ascent(reader: _Reader, tiers: tuple[Tier, ...]) -> None:
    bounds = [tier.up_to for tier in tiers]
    if not bounds or bounds[-1]:
        raise reader.error("tier", "has no end", "leave `up_to` out of the last tier")
    inner = [0, *bounds[:-1]]
    if any(after <= before for before, after in pairwise(inner)):
        raise reader.error(
            "tier", "does not ascend", "give every tier but the last a greater `up_to` than the one before"
        )


def _refuse_overlaps(plan: Plan) -> None:
    named = [table for charge in plan.charges for table in charge.tables]
    twice = sorted({table for table in named if named.count(table) > 1})
    if twice:
        raise InputError(f"plan: `charge` counts {', '.join(twice)} twice", "name each table in one charge only")
