"""Notices of recall as they go over the wire: Standard Webhooks, with a body that names no member.

The specification is at https://www.standardwebhooks.com.
"""

import base64
import hashlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from standardwebhooks import Webhook

from licet.model.errors import InputError, UsageError
from licet.model.recalls import Departure, Recall
from licet.protocol.sharing import REMOVALS, SCHEMA

OPENED: Final = "recall.opened"
"""The type of a notice of recall."""
ACKNOWLEDGED: Final = "acknowledged"
"""The key of an answer's JSON object by which a recipient acknowledges the recall that it names."""
SHARES: Final = "/delta-sharing/shares"
FEED: Final = "/recalls"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 # what every secret begins with


def notice_id_of(recall_id: str) -> str:
    """Name a recall's notice; the same however often it is sent, so that a recipient knows it again."""
    return "notice_" + hashlib.sha256(recall_id.encode()).hexdigest()[:40]


def secret_of(random: bytes) -> str:
    """Spell a webhook's secret (24 to 64 random bytes) as the standard has it."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def signed_headers(secret: str, notice_id: str, body: str, at: datetime) -> dict[str, str]:
    """Give the headers that prove who sent a body, and when."""
    whole = at.astimezone(UTC).replace(microsecond=0)
    return {
        "content-type": "application/json",
        "webhook-id": notice_id,
        "webhook-timestamp": str(int(whole.timestamp())),
        "webhook-signature": Webhook(secret).sign(notice_id, whole, body),
    }


def body_of(recall: Recall, reasons: Mapping[tuple[str, int], Mapping[str, int]], base: str, at: datetime) -> str:
    """Give a notice's body (JSON): what left by table, version and reason, until when, and how to follow.

    `reasons` counts rows by table and version; `base` is the server's address, empty where it is not known.
    """
    data = {
        "recall_id": recall.recall_id,
        "license_id": recall.license_id,
        "opened": _told(recall.opened),
        "due": _told(recall.due),
        "rows": sum(departure.rows for departure in recall.departures),
        "tables": [_departure(each, reasons.get((str(each.table), each.version), {})) for each in recall.departures],
        "follow": _follow(recall, base.rstrip("/")),
    }
    return json.dumps({"type": OPENED, "timestamp": _told(at), "data": data}, separators=(",", ":"))


def _told(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _departure(departure: Departure, reasons: Mapping[str, int]) -> dict[str, Any]:
    said = {"table": str(departure.table), "version": departure.version, "rows": departure.rows}
    return {**said, "reasons": dict(sorted(reasons.items()))}


def _follow(recall: Recall, base: str) -> dict[str, Any]:
    share = f"{base}{SHARES}/{quote(recall.license_id, safe='')}/schemas/{SCHEMA}/tables"
    own = f"{base}{FEED}/{quote(recall.recall_id, safe='')}"
    changes = [
        f"{share}/{each.table}/changes?startingVersion={each.version}&endingVersion={each.version}"
        for each in recall.departures
    ]
    keys = [f"{own}/keys/{quote(file.name, safe='')}" for each in recall.departures for file in each.keys]
    return {
        "changes": changes,
        "removals": f"{recall.license_id}.{SCHEMA}.{REMOVALS}",
        "keys": keys,
        "feed": base + FEED,
        "acknowledgement": f"{own}/acknowledgement",
        "attestation": f"{own}/attestation",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a recipient takes notices; `private` lets it lie in the operator's own network, or on this machine."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    private: bool


def require_endpoint(url: str, *, private: bool) -> None:
    """Refuse an address that notices are not sent to.

    Raises:
        UsageError: it is no https address (http is for this machine only), holds a password, or lies inside.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError("the address cannot be read", "write https://hooks.example/recalls") from error
    if not host or port == 0 or parts.fragment or parts.username is not None or not url.isascii() or _blank(url):
        raise UsageError("the address is no endpoint", "write https://hooks.example/recalls, without a password")
    if parts.scheme == "http" and private and is_loopback(host):
        return
    if parts.scheme != "https":
        raise UsageError("notices are sent over https only", "write https://…; in development http://127.0.0.1:PORT")
    if not private and is_inside(host):
        raise UsageError("the address is not a public one", "say --allow-private if it is meant")


def _blank(url: str) -> bool:
    return any(letter.isspace() or not letter.isprintable() for letter in url)


def is_loopback(host: str) -> bool:
    """Tell whether a host's name is one of this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_inside(host: str) -> bool:
    """Tell whether an address leads anywhere but to the public internet; names are not looked up."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return not all(each.is_global and not each.is_multicast for each in (address, *_within(address)))


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def _within(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """Give the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(address.packed[-4:]))
    return tuple(each for each in found if each is not None)


def acknowledges(answer: bytes, recall_id: str) -> bool:
    """Tell whether the body of an answer acknowledges a recall: `{"acknowledged": "<recall_id>"}`."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get(ACKNOWLEDGED) == recall_id


def read_notice(text: str) -> dict[str, Any]:
    """Read a notice's body, or a recall as the feed gives it; give what it says of the recall.

    Raises:
        InputError: it is neither.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("the notice is not JSON", "give the body as it came") from error
    data = said.get("data") if isinstance(said, dict) else None
    if not isinstance(data, dict) or not {"recall_id", "license_id", "tables"} <= set(data):
        raise InputError("this is no notice of recall", "give the body as it came")
    return data
