"""Read the `Range` header (RFC 9110): one range of bytes, also a suffix; anything else means the whole file."""

import re

_ONE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII | re.IGNORECASE)


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Give the bytes asked for as (first, end), `end` exclusive; None means the whole file.

    Raises:
        ValueError: no byte of the range exists: 416.
    """
    found = _ONE.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    first, last = found.groups()
    if not first:
        return _suffix(last, size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise ValueError("no byte of the range exists")
    return int(first), min(int(last) + 1, size) if last else size


def _suffix(last: str, size: int) -> tuple[int, int] | None:
    if not last:
        return None
    if int(last) == 0 or size == 0:
        raise ValueError("no byte of the range exists")
    return max(0, size - int(last)), size
