"""Names in ActivityPub: every account and post is a URI, and some URIs tell whose they are."""

import re
from functools import lru_cache

from licet.ingest.reasons import SetAside
from licet.model.members import MemberId

# Host names in capitals would give one account two names, and an opt-out under one would miss the other.
_URI = re.compile(r"(https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?)/[!-~]+")
_ACCOUNT = re.compile(r"https?://[^/]+/(?:users|ap/users)/[^/?#]+(?=[/?#]|$)")
_STATUS = re.compile(r"(https?://[^/]+/(?:users/[A-Za-z0-9_.-]+|ap/users/[0-9]+))/statuses/[A-Za-z0-9_-]+")
_LONGEST_MEMBER_ID = 255
_LONGEST_RECORD_ID = 700
_REMEMBERED = 8192
"""Accounts whose form is remembered, for one who speaks often speaks again."""


def uri_of(value: object, missing: str) -> str:
    """Give the URI that a value is, or that it carries as its id; `missing` is the reason where there is none.

    Raises:
        SetAside: there is none, or it is not one that names the same thing everywhere.
    """
    if isinstance(value, dict):
        value = value.get("id")
    if value is None or value == "":
        raise SetAside(missing)
    if not isinstance(value, str) or len(value) > _LONGEST_RECORD_ID or not _URI.fullmatch(value):
        raise SetAside("malformed_id")
    return value


def member_uri(value: object, missing: str) -> MemberId:
    """Give the account that a value names.

    Raises:
        SetAside: as for `uri_of`.
    """
    if isinstance(value, str) and _is_member_uri(value):
        return MemberId(value)
    uri = uri_of(value, missing)
    if len(uri) > _LONGEST_MEMBER_ID:
        raise SetAside("malformed_id")
    return MemberId(uri)


@lru_cache(maxsize=_REMEMBERED)
def _is_member_uri(value: str) -> bool:
    return len(value) <= _LONGEST_MEMBER_ID and _URI.fullmatch(value) is not None


def author_of(uri: str) -> MemberId | None:
    """Give the author of a post where the form of its URI tells it beyond doubt."""
    match = _STATUS.fullmatch(uri)
    return MemberId(match[1]) if match and len(match[1]) <= _LONGEST_MEMBER_ID else None


def check_own(actor: MemberId, uri: str) -> None:
    """Let pass what an account says about a thing of its own, both with URIs that `uri_of` gave.

    Raises:
        SetAside: the thing is on another host, or below another account's address.
    """
    if uri.startswith(f"{actor}/") and _is_account(actor):
        return
    match, account = _URI.fullmatch(uri), _ACCOUNT.match(uri)
    host = match[1] if match else ""
    if not actor.startswith(host + "/") or (account and account[0] != actor):
        raise SetAside("unknown_author")


def own_uri(actor: MemberId, value: object, missing: str) -> str:
    """Give the URI of a thing that is an account's own, as `uri_of` and then `check_own` would.

    Raises:
        SetAside: as they do.
    """
    stated = value.get("id") if isinstance(value, dict) else value
    if isinstance(stated, str) and stated.startswith(f"{actor}/") and _is_plain(stated) and _is_account(actor):
        return stated
    uri = uri_of(value, missing)
    check_own(actor, uri)
    return uri


def _is_plain(value: str) -> bool:
    return len(value) <= _LONGEST_RECORD_ID and value.isascii() and value.isprintable() and " " not in value


@lru_cache(maxsize=_REMEMBERED)
def _is_account(uri: str) -> bool:
    return _ACCOUNT.fullmatch(uri) is not None and _URI.fullmatch(uri) is not None
