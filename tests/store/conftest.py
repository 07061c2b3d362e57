"""Values that the store's tests begin with."""

import itertools
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from licet.model.licenses import License, LicenseId, RecipientId
from licet.model.records import Table

S3 = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
"""A second process: delta-rs may hold the interpreter while it waits for the store."""

_buckets = itertools.count()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 that speaks HTTP."""
    server = subprocess.Popen(
        [sys.executable, "-c", S3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    assert server.stdin is not None
    yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    server.stdin.close()
    server.wait(30)
    server.stdout.close()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, which the environment says how to reach."""
    name = f"lake-{next(_buckets)}"
    urllib.request.urlopen(urllib.request.Request(f"{s3}/{name}", method="PUT")).close()  # noqa: S310 # our own server
    told = {"ENDPOINT_URL": s3, "ALLOW_HTTP": "true", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
    for key, value in {**told, "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{key}", value)
    return name


@pytest.fixture
def now() -> datetime:
    """An instant with microseconds, which floating point would blur."""
    return datetime(2024, 11, 16, 8, 30, 15, 123457, tzinfo=UTC)


@pytest.fixture
def granted() -> License:
    """A license over posts and likes."""
    return License(
        license_id=LicenseId("acme-1"),
        recipient_id=RecipientId("acme"),
        purpose="third_party_training",
        tables=(Table.POSTS, Table.LIKES),
        columns=("text", "created_at", "lang"),
        langs=("en",),
        created_from=datetime(2006, 1, 1, tzinfo=UTC),
        created_until=datetime(2025, 1, 1, tzinfo=UTC),
        starts=datetime(2024, 11, 15, tzinfo=UTC),
        ends=datetime(2025, 11, 15, tzinfo=UTC),
        recall_within_hours=72,
    )
