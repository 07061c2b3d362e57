"""Names of X's members and posts: the platform's own numbers, under one prefix for every form of its data."""

import re
from decimal import Decimal

from licet.ingest.reasons import SetAside
from licet.model.members import MemberId
from licet.model.records import PostId

PLATFORM = "x"

_NUMBER = re.compile(r"[1-9][0-9]{0,19}")
_EXACT = 2**53
_LONGEST = 64


def member_id(value: object, missing: str) -> MemberId:
    """Give a member's name; `missing` is the reason where there is no number.

    Raises:
        SetAside: there is none, or it is no number.
    """
    return MemberId(f"{PLATFORM}:{_number(value, missing)}")


def post_id(value: object, missing: str = "unknown_post") -> PostId:
    """Give a post's name; `missing` is the reason where there is no number.

    Raises:
        SetAside: there is none, or it is no number.
    """
    return PostId(f"{PLATFORM}:{_number(value, missing)}")


def _number(value: object, missing: str) -> str:
    if value is None or value == "":
        raise SetAside(missing)
    text = _exact(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise SetAside("malformed_id")
    return text


def _exact(number: int) -> str:
    """Give a number's digits, unless they are what JavaScript makes of a long one: rounded, it names another's post."""
    if abs(number) < _EXACT:
        return str(number)
    if number.bit_length() > _LONGEST or int(Decimal(repr(float(number)))) == number:
        raise SetAside("malformed_id")
    return str(number)
