"""The live stream: a real websocket server replays real events and breaks off; nothing is lost or doubled."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from licet.ingest.bluesky_records import WANTED
from licet.ingest.jetstream import read_feed, time_of
from licet.ingest.jetstream_live import OVERLAP_US, Event, Recent, follow
from licet.ingest.write import ingest, resume_from
from licet.model.errors import UsageError
from licet.model.records import Table
from licet.store.house import House


class Replay:
    """A server that plays events from a cursor on, and drops each connection after so many."""

    def __init__(self, lines: list[str], breaks: list[int]) -> None:
        """Listen on a free port of this machine."""
        self.lines, self.breaks = lines, iter(breaks)
        self.asked: list[dict[str, list[str]]] = []
        self.server: Server = serve(self._play, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}/subscribe"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def _play(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        asked = parse_qs(urlsplit(socket.request.path).query)
        self.asked.append(asked)
        start = int(asked.get("cursor", ["0"])[0])
        limit = next(self.breaks, len(self.lines))
        for line in [line for line in self.lines if (time_of(line) or 0) >= start][:limit]:
            socket.send(line)
        if limit < len(self.lines):
            socket.socket.close()
            return
        for _ in socket:
            pass

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()


@pytest.fixture(scope="module")
def lines(test_data: Path) -> list[str]:
    """The 152 real events of one moment, spread over five minutes so that a cursor leaves some of them behind."""
    path = test_data / "bluesky" / "jetstream-corpus" / "expected_v1.jsonl"
    spread = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        event = json.loads(line)
        spread.append(json.dumps(event | {"time_us": event["time_us"] + 2_000_000 * number // 3}))
    return spread


@pytest.fixture
def replay(lines: list[str]) -> Iterator[Replay]:
    """A server that breaks off twice."""
    server = Replay(lines, [50, 70])
    yield server
    server.close()


def until_quiet(url: str, cursor: int | None) -> Iterator[Event]:
    """Follow until everything was played and the stream is quiet."""
    done = threading.Event()
    for event in follow(url, cursor, done.is_set):
        yield event
        if not event[1]:
            done.set()


def test_a_stream_that_breaks_off_twice_is_followed_without_loss_or_repetition(
    replay: Replay, lines: list[str]
) -> None:
    assert [line for _, line in until_quiet(replay.url, None) if line] == lines
    assert len(replay.asked) == 3
    assert all(set(asked["wantedCollections"]) == set(WANTED) for asked in replay.asked)
    assert "cursor" not in replay.asked[0]
    assert int(replay.asked[1]["cursor"][0]) == (time_of(lines[49]) or 0) - OVERLAP_US


def test_a_run_that_was_stopped_goes_on_from_its_cursor(house: House, lines: list[str], replay: Replay) -> None:
    part = (event for _, event in zip(range(77), follow(replay.url, None, lambda: False), strict=False))
    first = ingest(house.database, house.lake, "bluesky", read_feed(part), batch=20)
    cursor = resume_from(house.database, "bluesky")
    assert cursor == time_of(lines[76])
    second = ingest(house.database, house.lake, "bluesky", read_feed(until_quiet(replay.url, cursor)), batch=20)
    total = Counter(first.counts) + Counter(second.counts)
    assert (total["posts"], total["likes"], total["reposts"]) == (17, 105, 15)
    stored = [house.lake.open(table) for table in (Table.POSTS, Table.LIKES, Table.REPOSTS)]
    assert [delta.to_pyarrow_table().num_rows for delta in stored if delta] == [17, 105, 15]
    assert resume_from(house.database, "bluesky") == time_of(lines[-1])


def test_a_source_never_read_has_no_cursor(house: House) -> None:
    assert resume_from(house.database, "bluesky") is None


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "nonsense"])
def test_an_address_that_is_no_websocket_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no websocket URL; write wss"):
        next(follow(url, None, lambda: False))


def test_a_server_that_refuses_for_good_is_not_asked_again() -> None:
    def refuse(_: ServerConnection, __: Request) -> Response:
        return Response(HTTPStatus.NOT_FOUND, "Not Found", Headers(), b"")

    with serve(lambda _: None, "127.0.0.1", 0, process_request=refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with pytest.raises(UsageError, match="answers 404"):
            next(follow(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/", None, lambda: False))
        server.shutdown()
        thread.join()


def test_a_stop_ends_the_wait_for_a_server_that_is_not_there() -> None:
    asked = iter(range(5))
    assert list(follow("ws://127.0.0.1:9/", None, lambda: next(asked, None) is None)) == []


def test_repeated_lines_are_known_within_the_overlap_and_forgotten_after_it() -> None:
    recent = Recent()
    assert recent.first((1, "a"))
    assert not recent.first((1, "a"))
    assert recent.first((1 + 3 * OVERLAP_US, "b"))
    assert recent.first((1, "a"))
