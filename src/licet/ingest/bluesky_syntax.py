"""How AT Protocol writes accounts, keys, revisions, addresses, times and languages; all else is refused."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from licet.ingest.instants import utc
from licet.ingest.reasons import SetAside
from licet.model.members import MemberId

_DID_SHAPE = r"did:[a-z]+:[A-Za-z0-9._:%-]{0,240}[A-Za-z0-9._-]"
_RKEY_SHAPE = r"(?!\.{1,2}\Z)[A-Za-z0-9._:~-]{1,512}"
_DID = re.compile(_DID_SHAPE)
_RKEY = re.compile(_RKEY_SHAPE)
_TID = re.compile(r"[2-7a-j][2-7a-z]{12}")
POST_URI = re.compile(rf"at://({_DID_SHAPE})/app\.bsky\.feed\.post/{_RKEY_SHAPE}")
RECORD_URI = re.compile(rf"at://({_DID_SHAPE})/([A-Za-z0-9.-]+)/({_RKEY_SHAPE})")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|(?!-00:00)[+-]\d\d:\d\d)", re.ASCII)
_LANG = re.compile(
    r"([a-z]{2,3})(?:-[A-Za-z]{3}){0,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(?:-[A-WYZa-wyz0-9](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[Xx](?:-[A-Za-z0-9]{1,8})+)?"
)
_LONGEST_LANG = 64
LONGEST_MEMBER_ID = 255
"""Characters of a DID that can be stored; the network allows 2048 and uses 32."""


def account_id(value: object) -> MemberId:
    """Give an account's DID.

    Raises:
        SetAside: it is none, or is too long to be stored.
    """
    if not isinstance(value, str) or len(value) > LONGEST_MEMBER_ID or not _DID.fullmatch(value):
        raise SetAside("malformed_event")
    return MemberId(value)


def record_key(value: object) -> str:
    """Give a record's key.

    Raises:
        SetAside: it is none.
    """
    if not isinstance(value, str) or not _RKEY.fullmatch(value):
        raise SetAside("malformed_event")
    return value


def revision(value: object) -> str:
    """Give a repository's revision, which is a TID and sorts by time.

    Raises:
        SetAside: it is none.
    """
    if not isinstance(value, str) or not _TID.fullmatch(value):
        raise SetAside("malformed_event")
    return value


def instant(value: object) -> datetime | None:
    """Read a time as AT Protocol writes it, upper case and with its zone; None where it is none."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is UTC else utc(moment)


def language(langs: object) -> str:
    """Give the first language without its region; `und` where it is none."""
    first = langs[0] if isinstance(langs, list) and langs else None
    return _primary(first) if isinstance(first, str) and len(first) <= _LONGEST_LANG else "und"


@lru_cache(maxsize=4096)
def _primary(tag: str) -> str:
    match = _LANG.fullmatch(tag)
    parts = tag.lower().split("-")
    # A tag that repeats a subtag is no language; a few that may (`en-u-co-phonebk-t-en`) are refused with them.
    return match[1] if match and len(set(parts)) == len(parts) else "und"
