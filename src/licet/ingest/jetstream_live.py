"""Follow a live Jetstream over a websocket, across broken connections, without a gap."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from licet.ingest.bluesky_records import WANTED
from licet.ingest.jetstream import time_of
from licet.model.errors import UsageError

OVERLAP_US = 1_000_000
"""How far before the last event a new connection begins: the stream is ordered by time only roughly."""

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 30.0
_PATIENCE = 0.5
_LARGEST_MESSAGE = 16 * 2**20
# A server in the midst of sending hears our goodbye late; what it still sends is asked for again from the cursor.
_GOODBYE = 0.5
_TRY_AGAIN = (408, 425, 429)

Event = tuple[int, str]


def follow(url: str, cursor: int | None, stop: Callable[[], bool]) -> Iterator[Event]:
    """Give (newest time in microseconds, line) for each event from `cursor` on, until `stop` says so.

    While the stream is quiet an empty line comes with the last time, at least twice a second. Events that a new
    connection repeats are dropped where they are equal, so nothing is lost and nothing comes twice.

    Raises:
        UsageError: the URL is no websocket address, or the server refuses the request for good.
    """
    position, wait, recent = cursor, _FIRST_WAIT, Recent()
    while not stop():
        try:
            for event in _connection(url, position, stop):
                wait = _FIRST_WAIT
                if event is None:
                    yield position or 0, ""
                elif recent.first(event):
                    position = max(position or 0, event[0])
                    yield position, event[1]
        except InvalidURI as error:
            raise UsageError("the stream's address is no websocket URL", "write wss://host/subscribe") from error
        except InvalidStatus as error:
            _refused(error.response.status_code)
        except (OSError, WebSocketException):
            pass
        _pause(wait, stop)
        wait = min(2 * wait, _LONGEST_WAIT)


class Recent:
    """The lines of the last overlap, to know a repeated one; memory is bounded by the stream's own pace."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._known: set[Event] = set()
        self._in_order: deque[Event] = deque()

    def first(self, event: Event) -> bool:
        """Tell whether the event is new, remember it, and forget what is older than two overlaps."""
        if event in self._known:
            return False
        self._known.add(event)
        in_order = self._in_order
        in_order.append(event)
        oldest = event[0] - 2 * OVERLAP_US
        while in_order[0][0] < oldest:
            self._known.remove(in_order.popleft())
        return True


def _connection(url: str, position: int | None, stop: Callable[[], bool]) -> Iterator[Event | None]:
    """Give the events of one connection, and None for each moment of quiet."""
    with connect(_address(url, position), max_size=_LARGEST_MESSAGE, close_timeout=_GOODBYE) as socket:
        while not stop():
            yield _receive(socket)


def _receive(socket: ClientConnection) -> Event | None:
    try:
        message = socket.recv(timeout=_PATIENCE)
    except TimeoutError:
        return None
    line = message if isinstance(message, str) else message.decode(errors="replace")
    return time_of(line) or 0, line


def _address(url: str, position: int | None) -> str:
    parts = urlsplit(url)
    query = [(key, value) for key, value in parse_qsl(parts.query) if key not in {"cursor", "wantedCollections"}]
    query += [("wantedCollections", collection) for collection in sorted(WANTED)]
    if position is not None:
        query.append(("cursor", str(max(0, position - OVERLAP_US))))
    return urlunsplit(parts._replace(query=urlencode(query)))


def _refused(status: int) -> None:
    if 400 <= status < 500 and status not in _TRY_AGAIN:  # noqa: PLR2004 - the range of HTTP's client errors
        raise UsageError(f"the stream's server answers {status}", "check the address")


def _pause(seconds: float, stop: Callable[[], bool]) -> None:
    """Wait, but no longer than until `stop`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop():
        time.sleep(min(0.05, seconds))
