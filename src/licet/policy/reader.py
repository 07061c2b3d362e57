"""Read typed values out of a parsed TOML table, with errors that name file, key path, expectation and remedy."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from licet.model.errors import NoticeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One table of a notice's file; every method raises NoticeError where the file is not as it should be."""

    name: str
    path: str
    table: dict[str, Any]

    def error(self, key: str, expected: str, remedy: str) -> NoticeError:
        """Build the error about one key."""
        return NoticeError(f"{self.name}: {self.where(key)}: {expected}", remedy)

    def where(self, key: str) -> str:
        """Give a key's path in the file."""
        return f"{self.path}.{key}" if self.path else key

    def only(self, allowed: Collection[str]) -> None:
        """Refuse keys that mean nothing here: a misspelled condition must not be a missing one."""
        for key in self.table:
            if key not in allowed:
                raise self.error(
                    key, f"unknown key; expected one of: {', '.join(sorted(allowed))}", "correct or remove it"
                )

    def text(self, key: str) -> str:
        """Read a text that says something."""
        value = self._value(key, "a text")
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"expected a text, found {value!r}", "write it in quotes")
        return value

    def word(self, key: str) -> str:
        """Read a name: lower-case letters, digits, `-`, `_` and `.`."""
        return self.check_word(key, self.text(key))

    def check_word(self, key: str, value: str) -> str:
        """Refuse a name that would not be safe in a path, an address or a table."""
        letters = value.replace("-", "").replace("_", "").replace(".", "")
        if not (letters.isascii() and letters.isalnum() and value == value.lower()):
            raise self.error(key, f"expected lower-case letters, digits, `-`, `_`, `.`; found {value!r}", "rename it")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """Read one text, or a list of different texts that is not empty."""
        value = self._value(key, "a text or a list of texts")
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not items or not all(isinstance(item, str) for item in items):
            raise self.error(key, f"expected a text or a list of texts, found {value!r}", 'write it like ["a", "b"]')
        if len(set(items)) < len(items):
            raise self.error(key, "a value is there twice", "remove one of them")
        return tuple(items)

    def one_of(self, key: str, allowed: Collection[str]) -> str:
        """Read one of a closed list."""
        value = self._value(key, " or ".join(sorted(allowed)))
        if not isinstance(value, str) or value not in allowed:
            raise self.error(
                key, f"expected one of: {', '.join(sorted(allowed))}; found {value!r}", "correct the value"
            )
        return value

    def boolean(self, key: str) -> bool:
        """Read true or false."""
        value = self._value(key, "true or false")
        if not isinstance(value, bool):
            raise self.error(key, f"expected true or false, found {value!r}", "write it without quotes")
        return value

    def integer(self, key: str, most: int) -> int:
        """Read a whole number from 0 to `most`."""
        value = self._value(key, "a whole number")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.error(key, f"expected a whole number from 0 to {most}, found {value!r}", "correct the number")
        return value

    def instant(self, key: str) -> datetime:
        """Read a date (midnight UTC) or a date and time with its offset, as UTC."""
        value = self._value(key, "a date")
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise self.error(key, "expected an offset behind the time", "write it like 2024-11-15T00:00:00Z")
            return value.astimezone(UTC)
        if not isinstance(value, date):
            raise self.error(key, f"expected a date, found {value!r}", "write it like 2024-11-15, without quotes")
        return datetime(value.year, value.month, value.day, tzinfo=UTC)

    def table_of(self, key: str) -> "Reader":
        """Read a table below this one."""
        value = self._value(key, "a table")
        if not isinstance(value, dict):
            raise self.error(key, f"expected a table, found {value!r}", f"write it under [{self.where(key)}]")
        return Reader(name=self.name, path=self.where(key), table=value)

    def tables(self, key: str, at_least: int = 1) -> list["Reader"]:
        """Read a list of tables."""
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or len(value) < at_least:
            raise self.error(key, "expected a list of tables", f"write each under [[{self.where(key)}]]")
        return [
            Reader(name=self.name, path=f"{self.where(key)}[{place}]", table=item)
            for place, item in enumerate(value, start=1)
        ]

    def _value(self, key: str, expected: str) -> object:
        if key not in self.table:
            raise self.error(key, f"missing; expected {expected}", "add it")
        return self.table[key]
