"""How much each may ask: a bucket of tokens a recipient, one for its files, and one for each address that fails.

Kept in this process's memory: several server processes allow several times as much.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from licet.model.errors import UsageError
from licet.server.errors import too_many

SECOND = 1_000_000_000
MOST = 10_000
"""Keys of which something is remembered; beyond, the one longest silent is forgotten."""


class Buckets:
    """One bucket of tokens a key: `rate` tokens a second flow in, `burst` of them fit.

    A bucket is one number, the instant at which it will be full again (the generic cell rate algorithm), in whole
    nanoseconds, so that nothing is lost or won by rounding.
    """

    def __init__(self, rate: float, burst: int, ticks: Callable[[], int] = time.monotonic_ns) -> None:
        """Fill every bucket.

        Raises:
            UsageError: a bucket would never let anything through.
        """
        if not rate > 0 or burst < 1:
            raise UsageError("a limit lets nothing through", "give a rate above 0 and a burst of 1 or more")
        self._gap = max(1, round(SECOND / rate))
        self._burst = burst
        self._ticks = ticks
        self._full: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, key: str, patience_s: float = 0) -> float:
        """Take a token; give the seconds to wait for it, which are `patience_s` at most.

        Raises:
            WireError: 429, there is none in time; nothing was taken.
        """
        with self._lock:
            now = self._ticks()
            full = max(self._full.get(key, now), now) + self._gap
            wait = max(0, full - now - self._burst * self._gap)
            if wait > patience_s * SECOND:
                raise too_many(-(-wait // SECOND))
            self._full.pop(key, None)
            self._full[key] = full
            if len(self._full) > MOST:
                del self._full[next(iter(self._full))]
        return wait / SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one server process."""

    requests: Buckets
    """By recipient: everything but files."""
    files: Buckets
    """By recipient: requests for files, of which a client makes a dozen for each."""
    pages: Buckets
    """By person and role: pages and settings."""
    log: Buckets
    """By network of the caller: files of the transparency log, which everybody may read."""
    downloads: Buckets
    """By member: everything of theirs in one file, for which the lake is read."""
    failures: Buckets
    """By network of the caller: requests of nobody we know."""


def network_of(address: str, v4: int, v6: int) -> str:
    """Cut an address to its network of so many bits; empty where it is none."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ip_network((parsed, v4 if parsed.version == 4 else v6), strict=False))  # noqa: PLR2004 # IPv4
