"""An S3 that speaks HTTP and, unlike the one it is made of, checks presigned addresses; run it as a process of its own.

`python guarded_s3.py` prints the port. The signature is computed anew with AWS's own library. A bucket is private:
whoever shows neither a signature nor an authorization is refused. A test may have requests of some methods refused, as
a store in trouble does, by `PUT /-/refuse?DELETE,POST`, have bulk deletions acknowledged that are not done, by
`PUT /-/pretend?yes`, and asks for all that came by `GET /-/log`.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote

KEY, SECRET = "AKIDEXAMPLE", "not-much-of-a-secret"
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Gate:
    """What stands before the store."""

    def __init__(self, store: Wsgi) -> None:
        """Stand before a store."""
        self._store = store
        self._refused: frozenset[str] = frozenset()
        self._pretends = False
        self._log: list[str] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]
        if path.startswith("/-/"):
            return _said(start, "200 OK", self._told(path.removeprefix("/-/"), query))
        self._log.append(f"{method} {path}")
        if method in self._refused:
            return _said(start, "503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
        if self._pretends and method == "POST":
            keys = re.findall(rb"<Key>.*?</Key>", environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return _said(start, "200 OK", b"<DeleteResult><Deleted>%s</Deleted></DeleteResult>" % keys[0])
        refusal = _wrong(environ)
        if refusal:
            return _said(start, "403 Forbidden", f"<Error><Code>{refusal}</Code></Error>".encode())
        return self._store(environ, start)

    def _told(self, what: str, query: str) -> bytes:
        if what == "refuse":
            self._refused = frozenset(query.split(","))
        elif what == "pretend":
            self._pretends = query == "yes"
        return json.dumps(self._log).encode()


def _said(start: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
    start(status, [("Content-Length", str(len(body))), ("Content-Type", "application/xml")])
    return [body]


def _wrong(environ: dict[str, Any]) -> str:
    """Say what is wrong with a request's right to be answered, if anything."""
    if "X-Amz-Signature" not in environ["QUERY_STRING"]:
        return "" if {"HTTP_AUTHORIZATION", "HTTP_X_TEST"} & set(environ) else "AccessDenied"
    from botocore.auth import S3SigV4QueryAuth  # noqa: PLC0415 # only the second process needs it
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    said = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"], keep_blank_values=True).items()}
    given = said.pop("X-Amz-Signature")
    at = datetime.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if datetime.now(UTC) > at + timedelta(seconds=int(said["X-Amz-Expires"])):
        return "AccessDenied"
    query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(said.items()))
    path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/-_.~")
    request = AWSRequest(environ["REQUEST_METHOD"], f"http://{environ['HTTP_HOST']}{path}?{query}")
    request.headers["host"] = environ["HTTP_HOST"]
    request.context["timestamp"] = said["X-Amz-Date"]
    region = said["X-Amz-Credential"].split("/")[2]
    auth = S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", region)
    wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return "" if wanted == given else "SignatureDoesNotMatch"


@dataclass(frozen=True, kw_only=True)
class GuardedS3:
    """The second process, as a test sees it."""

    url: str
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Ask as the one who owns the store."""
        headers = {"X-Test": "yes", "Content-Type": "application/xml"}
        request = urllib.request.Request(f"{self.url}{path}", body or None, headers, method=method)  # noqa: S310 # ours
        with urllib.request.urlopen(request) as answer:  # noqa: S310 # likewise
            return bytes(answer.read())

    def make(self, bucket: str, versioning: str = "") -> str:
        """Make a bucket."""
        self.ask("PUT", f"/{bucket}")
        if versioning:
            said = f"<VersioningConfiguration><Status>{versioning}</Status></VersioningConfiguration>"
            self.ask("PUT", f"/{bucket}?versioning", said.encode())
        return bucket

    def refuse(self, *methods: str) -> None:
        """Refuse requests of these methods from now on, and of no others."""
        self.ask("PUT", f"/-/refuse?{','.join(methods)}")

    @contextlib.contextmanager
    def pretending(self) -> Iterator[None]:
        """Have the store say that it deleted what it keeps."""
        self.ask("PUT", "/-/pretend?yes")
        try:
            yield
        finally:
            self.ask("PUT", "/-/pretend?no")

    def requests(self) -> list[str]:
        """Give every request so far: method and path."""
        return [str(each) for each in json.loads(self.ask("GET", "/-/log"))]

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Have the store take connections and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def environment(self) -> dict[str, str]:
        """Give the variables that say how to reach it."""
        told = {"ENDPOINT_URL": self.url, "ALLOW_HTTP": "true", "REGION": "us-east-1"}
        told |= {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET}
        return {f"AWS_{name}": value for name, value in told.items()}


@contextlib.contextmanager
def guarded_s3() -> Iterator[GuardedS3]:
    """Run one."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield GuardedS3(url=f"http://127.0.0.1:{process.stdout.readline().strip()}", process=process)
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def main() -> None:
    """Serve until the standard input ends."""
    from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app  # noqa: PLC0415 # slow to import
    from werkzeug.serving import make_server  # noqa: PLC0415

    store = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, Gate(store), threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
