"""`licet audit`."""

import json
import pathlib
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from click.testing import CliRunner

from licet.cli.demo import free_port
from licet.cli.main import main
from licet.store import audit
from licet.store.audit import AuditEntry
from licet.store.database import open_database, transaction

START = datetime(2025, 3, 1, 12, tzinfo=UTC)


def run(home: pathlib.Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A home with a request a day, of two recipients in turn."""
    database = open_database(f"sqlite:///{tmp_path / 'licet.db'}")
    entries = [
        AuditEntry(
            at=START + n * timedelta(days=1),
            recipient_id=("acme", "other")[n % 2],
            credential_id="c_1",
            method="GET",
            route="/delta-sharing/shares",
            license_id="",
            record_table="",
            status=200 + n,
            bytes=1000,
            duration_us=1500,
            network="203.0.113.0/24",
        )
        for n in range(6)
    ]
    with transaction(database) as conn:
        audit.record_requests(conn, entries)
    database.dispose()
    return tmp_path


def statuses(said: str) -> list[int]:
    return [entry["status"] for entry in json.loads(said)]


def test_requests_are_listed_by_recipient_and_time(home) -> None:
    assert statuses(run(home, "audit", "list", "--json")) == [200, 201, 202, 203, 204, 205]
    assert statuses(run(home, "audit", "list", "--recipient", "acme", "--json")) == [200, 202, 204]
    assert statuses(run(home, "audit", "list", "--since", "2025-03-05T12:00:00Z", "--json")) == [204, 205]
    assert statuses(run(home, "audit", "list", "--limit", "2", "--json")) == [204, 205]


def test_a_request_is_told_whole_to_scripts_and_in_a_line_to_people(home) -> None:
    (entry,) = json.loads(run(home, "--json", "audit", "list", "--limit", "1"))
    assert entry == {
        "at": "2025-03-06T12:00:00+00:00",
        "recipient": "other",
        "credential": "c_1",
        "method": "GET",
        "route": "/delta-sharing/shares",
        "share": "",
        "table": "",
        "status": 205,
        "bytes": 1000,
        "duration_ms": 1.5,
        "network": "203.0.113.0/24",
    }
    (line,) = run(home, "audit", "list", "--limit", "1").splitlines()
    assert line.split("  ") == [
        "2025-03-06 12:00:00.000",
        "other",
        "c_1",
        "203.0.113.0/24",
        "205",
        "1,000 B",
        "1.5 ms",
        "GET",
        "/delta-sharing/shares",
        "-",
    ]


def test_what_is_left_out_is_said(home) -> None:
    arguments = ["--home", str(home), "audit", "list", "--limit"]
    assert "left out" in CliRunner().invoke(main, [*arguments, "5"]).stderr
    assert CliRunner().invoke(main, [*arguments, "6"]).stderr == ""


def test_pruning_forgets_what_is_older(home) -> None:
    assert json.loads(run(home, "--json", "audit", "prune", "--before", "2025-03-04"))["pruned"] == 3
    assert statuses(run(home, "audit", "list", "--json")) == [203, 204, 205]


def test_a_server_that_is_told_to_stop_has_written_everything(tmp_path: pathlib.Path) -> None:
    """A second process serves with limits of its own, and is told to end right after its last answer."""
    run(tmp_path, "recipient", "add", "acme", "--name", "Acme")
    token = json.loads(run(tmp_path, "recipient", "profile", "acme"))["bearerToken"]
    port = free_port()
    limits = ["--rate", "0.01", "--burst", "3", "--trusted-proxy", "127.0.0.0/8"]
    command = [sys.executable, "-m", "licet.cli", "--home", str(tmp_path), "serve", "--port", str(port), *limits]
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "203.0.113.9"}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        with httpx.Client(transport=httpx.HTTPTransport(retries=10), headers=headers) as client:
            # Each retry waits twice as long as the one before; together far longer than a start takes.
            seen = [client.get(f"http://127.0.0.1:{port}/delta-sharing/shares").status_code for _ in range(5)]
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    assert seen == [200, 200, 200, 429, 429]
    found = json.loads(run(tmp_path, "audit", "list", "--json"))
    assert [(each["status"], each["network"]) for each in found] == [(each, "203.0.113.0/24") for each in seen]
