"""The pages' languages: English in the code, the others from gettext catalogues, compiled when first asked for."""

import functools
import gettext
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources
from typing import Final

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from fastapi import Request

from licet.model.money import UNIT, Month, minor_unit, places

LANGUAGES: Final = {"en": "English", "fr": "Français"}
COOKIE: Final = "licet_language"
_SCALE: Final = ("B", "kB", "MB", "GB", "TB")
_THOUSAND: Final = 1000


@functools.cache
def catalogue(language: str) -> gettext.NullTranslations:
    """Give a language's messages; English is what the code says."""
    if language == "en":
        return gettext.NullTranslations()
    source = resources.files("licet.server.pages") / "locale" / f"{language}.po"
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source.read_bytes()), locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How one language says words, days and numbers; times are UTC."""

    language: str

    @property
    def _locale(self) -> Locale:
        return Locale.parse("en_US" if self.language == "en" else self.language)

    def translated(self, message: str) -> str:
        """Translate a message."""
        return catalogue(self.language).gettext(message)

    def day(self, at: date) -> str:
        """Write a day, or an instant's day."""
        day = at.astimezone(UTC).date() if isinstance(at, datetime) else at
        return format_date(day, "long", locale=self._locale)

    def moment(self, at: datetime) -> str:
        """Write an instant to the minute."""
        return f"{format_date(at.astimezone(UTC), 'medium', locale=self._locale)}, {at.astimezone(UTC):%H:%M}"

    def number(self, value: float) -> str:
        """Write a number."""
        return format_decimal(value, locale=self._locale)

    def share(self, part: float, whole: float) -> str:
        """Write a part of a whole in percent; a dash where there is no whole."""
        pattern = self._locale.percent_formats[None].pattern.replace("#,##0", "0.0")
        return format_percent(part / whole, pattern, locale=self._locale) if whole else "-"

    def money(self, micros: int, currency: str) -> str:
        """Write micro-units of a currency; fractions of its minor unit are shown where there are any."""
        fraction = f"{micros % UNIT:06d}".rstrip("0")
        digits = max(places(currency), len(fraction))
        pattern = f"#,##0.{'0' * digits}\N{NO-BREAK SPACE}¤¤" if digits else "#,##0\N{NO-BREAK SPACE}¤¤"
        return format_currency(Decimal(micros) / UNIT, currency, pattern, locale=self._locale, currency_digits=False)

    def payable(self, micros: int, currency: str) -> str:
        """Write micro-units cut to what can be paid in a currency."""
        minor = minor_unit(currency)
        return self.money(micros // minor * minor, currency)

    def month(self, month: Month) -> str:
        """Write a month of the ledger."""
        return format_date(month.start, "LLLL y", locale=self._locale)

    def size(self, count: int) -> str:
        """Write a number of bytes."""
        value, unit = float(count), 0
        while value >= _THOUSAND and unit < len(_SCALE) - 1:
            value, unit = value / _THOUSAND, unit + 1
        return f"{format_decimal(round(value, 1), locale=self._locale)} {_SCALE[unit]}"

    def region(self, code: str) -> str:
        """Name a region of a member: `US-CA` is a part of the United States."""
        country, _, part = code.partition("-")
        name = self._locale.territories.get(country)
        if name is None:
            return self.translated("Unknown region")
        return f"{name} ({part})" if part else str(name)


def language_of(request: Request) -> str:
    """Give the language of a request: the one chosen here, else the first of the browser's that there is."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = [part.partition(";") for part in request.headers.get("accept-language", "").split(",")]
    for name, _, weight in sorted(wanted, key=lambda part: -_weight(part[2])):
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES and _weight(weight) > 0:
            return language
    return "en"


def _weight(said: str) -> float:
    try:
        return float(said.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0
