"""A recipient: a real HTTP server for notices, with outages by the clock, and a key to attest with.

It verifies every signature before it believes a notice, and knows a notice again by its id.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from licet.protocol.attestation import Done, Statement, Value, key_id_of, public_bytes, sign

TOLERANCE = timedelta(minutes=5)
"""How old a notice's time stamp may be, as the standard advises."""


@dataclass
class Manners:
    """How a recipient behaves."""

    status: int = 200
    acknowledges: bool = False
    """Answer at once that the recall is known."""
    down: Callable[[datetime], bool] = lambda _: False
    """Tells whether nobody answers at a moment."""
    gate: threading.Event | None = None
    """What silence ends with."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Recipient:
    """One company that receives data, or many behind one address: the path tells them apart."""

    def __init__(self, clock: Callable[[], datetime], manners: Callable[[str], Manners] | None = None) -> None:
        """Live by a clock; `manners` gives how a path is answered."""
        self.clock = clock
        self.manners = Manners()
        self._manners = manners or (lambda _: self.manners)
        self.secrets: dict[str, str] = {}
        self.notices: dict[str, dict[str, Any]] = {}
        """What was believed, by the notice's id: its body, parsed."""
        self.times: dict[str, list[datetime]] = {}
        """When each notice was sent, as its time stamps say."""
        self.refused: list[str] = []
        """What was not believed: why."""
        self.key = Ed25519PrivateKey.generate()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Give where notices go."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks"

    @property
    def public_key(self) -> bytes:
        """Give the 32 bytes of the public key."""
        return public_bytes(self.key)

    def close(self) -> None:
        """Hang up for good."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        """Answer a notice: status, headers, body; None is silence."""
        manners = self._manners(path)
        if manners.gate is not None:
            manners.gate.wait(60)
        if manners.down(self.clock()):
            return None
        why = self._distrusts(path, headers, body)
        with self._lock:
            if why:
                self.refused.append(why)
                return 401, {}, b""
            if 200 <= manners.status < 300:
                said = json.loads(body)
                self.notices.setdefault(headers["webhook-id"], said)
                sent = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
                self.times.setdefault(headers["webhook-id"], []).append(sent)
        answer = manners.body
        if manners.acknowledges:
            answer = json.dumps({"acknowledged": json.loads(body)["data"]["recall_id"]}).encode()
        return manners.status, manners.headers, answer

    def _distrusts(self, path: str, headers: dict[str, str], body: bytes) -> str:
        sent = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        if abs(sent - self.clock()) > TOLERANCE:
            return "the time stamp is old: somebody may play it again"
        secret = self.secrets.get(path) or self.secrets.get("")
        if secret is None:
            return "no secret was agreed"
        if Webhook(secret).sign(headers["webhook-id"], sent, body.decode()) != headers["webhook-signature"]:
            return "the signature is wrong"
        return ""

    def attest(self, data: dict[str, Any], at: datetime, *models: str) -> dict[str, Value]:
        """Sign that what a notice's `data` asks for is done."""
        versions: dict[str, int] = {}
        for each in data["tables"]:
            versions[each["table"]] = max(each["version"], versions.get(each["table"], 0))
        statement = Statement(
            recall_id=data["recall_id"],
            license_id=data["license_id"],
            versions=versions,
            models=models,
            done=(Done.DELETED, Done.RETRAINED) if models else (Done.DELETED,),
            issued_at=at,
            key_id=key_id_of(self.public_key),
        )
        return sign(statement, self.key)


def _handler(recipient: Recipient) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = recipient.take(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
            if answer is None:
                self.close_connection = True
                return
            status, headers, said = answer
            with contextlib.suppress(OSError):  # who asked may be dead by now
                self.send_response(status)
                for key, value in {**headers, "content-length": str(len(said))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextlib.contextmanager
def receiving(clock: Callable[[], datetime], manners: Callable[[str], Manners] | None = None) -> Iterator[Recipient]:
    """Give a recipient that hangs up in the end."""
    recipient = Recipient(clock, manners)
    try:
        yield recipient
    finally:
        recipient.close()
