"""Who bills and who is billed: what EN 16931 and tax law want an invoice to say of either party."""

import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from licet.model.errors import InputError

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_VAT: Final = re.compile(r"[A-Z]{2}[0-9A-Z+*.]{2,13}")
_MOST: Final = 200


class Untaxed(StrEnum):
    """Why a recipient is charged no tax, where it is charged none."""

    UNSAID = ""
    REVERSE_CHARGE = "reverse-charge"
    EXPORT = "export"
    EXEMPT = "exempt"
    ZERO_RATED = "zero-rated"
    OUT_OF_SCOPE = "out-of-scope"

    @property
    def words(self) -> str:
        """Give what an invoice says of it; nothing where it is unsaid."""
        return _WORDS[self]


_WORDS: Final = {
    Untaxed.UNSAID: "",
    Untaxed.REVERSE_CHARGE: "Reverse charge",
    Untaxed.EXPORT: "Export outside the EU",
    Untaxed.EXEMPT: "Exempt from tax",
    Untaxed.ZERO_RATED: "Zero rated",
    Untaxed.OUT_OF_SCOPE: "Not subject to VAT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingDetails:
    """A party to an invoice; what may be empty says so."""

    name: str
    street: str
    extra: str
    """A second line of the address; may be empty."""
    postcode: str
    """Empty where the country has none."""
    city: str
    country: str
    """ISO 3166-1, two letters."""
    vat_id: str
    """With the country's letters before it; may be empty if there is a legal id."""
    legal_id: str
    """The number in a register of companies; may be empty if there is a VAT id."""
    untaxed: Untaxed
    """Of a recipient only."""

    def __post_init__(self) -> None:
        """Refuse what an invoice could not say.

        Raises:
            InputError: something is missing, or is not what it should be.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if len(value) > _MOST or not value.isprintable():
                raise InputError(f"`{each.name}` cannot stand on an invoice", f"one line of at most {_MOST} letters")
        missing = [name for name in ("name", "street", "city", "country") if not getattr(self, name).strip()]
        if missing:
            raise InputError(f"billing details without {', '.join(missing)}", f"add --{missing[0]}")
        if not _COUNTRY.fullmatch(self.country):
            raise InputError(f"`{self.country}` is no country", "write two capital letters such as FR (ISO 3166)")
        if self.vat_id and not _VAT.fullmatch(self.vat_id):
            raise InputError(
                f"`{self.vat_id}` is no VAT id", "write the country's letters and the number: FR12345678901"
            )
        if not (self.vat_id or self.legal_id.strip()):
            raise InputError("billing details without a VAT id or a legal id", "add --vat-id or --legal-id")

    @property
    def lines(self) -> tuple[str, ...]:
        """Give name, address and ids as they stand on a letter."""
        place = " ".join(each for each in (self.postcode, self.city) if each)
        vat = f"VAT {self.vat_id}" if self.vat_id else ""
        return tuple(
            each for each in (self.name, self.street, self.extra, place, self.country, vat, self.legal_id) if each
        )
