"""Read a time as platforms write it into an aware UTC instant, or give nothing."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROBE = datetime(2017, 8, 27, 23, 45, 6, tzinfo=UTC)
_DATE_LENGTH = len("2017-08-27")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_PER_UNIT = {"unix": 1, "unix_ms": 1000}

ReadTime = Callable[[object], "datetime | None"]


def utc(moment: datetime) -> datetime | None:
    """Give the instant in UTC; a naive time is UTC; None where the calendar ends."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def rfc3339(text: object) -> datetime | None:
    """Read an RFC 3339 time, zone included, as AT Protocol requires it."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text) or not text.isascii():
        return None
    return _iso(text)


def after_epoch(microseconds: int) -> datetime | None:
    """Give the instant so many microseconds after 1970; None where the calendar ends."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def reader(time_format: str) -> ReadTime:
    """Give the function that reads times in `iso`, `unix`, `unix_ms` or a strptime format.

    Raises:
        ValueError: the format has an unknown directive, or leaves the minute of the day open.
    """
    if time_format in _PER_UNIT:
        return _guarded(lambda value: _unix(value, _PER_UNIT[time_format]))
    if time_format == "iso":
        return _guarded(_iso)
    stated = datetime.strptime(_PROBE.strftime(time_format), time_format)  # noqa: DTZ007 - compared by its fields only
    if stated.timetuple()[:5] != _PROBE.timetuple()[:5]:
        raise ValueError("the format leaves the minute of the day open")
    return _guarded(lambda value: _strptime(value, time_format))


def _guarded(read: ReadTime) -> ReadTime:
    """Let columns that are times already pass, and turn what cannot be read into None."""

    def guarded(value: object) -> datetime | None:
        try:
            return utc(value) if isinstance(value, datetime) else read(value)
        except (ValueError, OverflowError):
            return None

    return guarded


def _iso(value: object) -> datetime | None:
    text = value.strip() if isinstance(value, str) else ""
    # A date without an hour is a day, not an instant: guessing midnight would decide which notice was in force.
    if len(text) <= _DATE_LENGTH:
        return None
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def _unix(value: object, per_second: int) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.lstrip("-").isdecimal():
        text = int(text)
    if isinstance(text, int):
        return after_epoch(text * 1_000_000 // per_second)
    return after_epoch(round(float(text) * 1_000_000 / per_second))


def _strptime(value: object, time_format: str) -> datetime | None:
    if not isinstance(value, str):
        return None
    return utc(datetime.strptime(value.strip(), time_format))  # noqa: DTZ007 - utc() makes it aware
