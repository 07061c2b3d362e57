"""Who may see an activity, a post or an interaction in ActivityPub, as its `to` and `cc` say."""

from typing import Any, Final

from licet.ingest.reasons import SetAside
from licet.model.records import Visibility

_PUBLIC: Final = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})

Json = dict[str, Any]


def audience(thing: Json) -> Visibility:
    """Read from `to` and `cc` who may see something: everybody, or everybody who has the link.

    Raises:
        SetAside: it is for fewer, or it is not said for whom.
    """
    to, cc = thing.get("to"), thing.get("cc")
    if to is None and cc is None:
        raise SetAside("unknown_visibility")
    first, second = _addressees(to), _addressees(cc)
    if not _PUBLIC.isdisjoint(first):
        return Visibility.PUBLIC
    if not _PUBLIC.isdisjoint(second):
        return Visibility.UNLISTED
    to_followers = any(address.endswith("/followers") for address in first + second)
    raise SetAside("followers_only" if to_followers else "direct_message")


def seen_by(activity: Json, thing: Json) -> Visibility:
    """Read who may see what an activity carries; the activity's own audience may only narrow it."""
    seen = audience(thing)
    to, cc = activity.get("to"), activity.get("cc")
    if (to is None and cc is None) or (to == thing.get("to") and cc == thing.get("cc")):
        return seen
    return seen if audience(activity) is Visibility.PUBLIC else Visibility.UNLISTED


def _addressees(value: object) -> list[str]:
    if value is None:
        return []
    listed: list[Any] = value if isinstance(value, list) else [value]
    for one in listed:
        if type(one) is not str:
            return [_addressee(each) for each in listed]
    return listed


def _addressee(value: object) -> str:
    address = value.get("id") if isinstance(value, dict) else value
    if not isinstance(address, str):
        raise SetAside("unknown_visibility")
    return address
