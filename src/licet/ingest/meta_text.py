"""Mend the text of Meta's exports, which write the bytes of UTF-8 as if each were a Latin-1 character."""

from typing import cast


def mended(text: str) -> str:
    """Give the text that was meant; a text that is not wholly UTF-8 read as Latin-1 stays as it is."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def mended_all(value: object) -> object:
    """Mend every text in a JSON value, keys included; where two keys would become one, an object keeps its keys.

    Raises:
        RecursionError: the value is nested deeper than the interpreter can follow.
    """
    if isinstance(value, dict):
        whole = {key if key.isascii() else mended(key): _inner(inner) for key, inner in value.items()}
        return whole if len(whole) == len(value) else {key: _inner(inner) for key, inner in value.items()}
    return [_inner(inner) for inner in value] if isinstance(value, list) else _inner(value)


def _inner(value: object) -> object:
    # Of exact types only, for this is asked of everything in an export.
    kind = type(value)
    if kind is str:
        return mended(cast("str", value))
    return mended_all(value) if kind is dict or kind is list else value
