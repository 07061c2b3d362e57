"""The demo, as a newcomer runs it."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_demo_ends_with_the_member_gone_from_every_table() -> None:
    """Real server process, official client, a small community."""
    command = [sys.executable, "-m", "licet.cli", "demo", "--members", "300", "--posts", "2000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "not one of that member" in done.stdout


def test_a_demo_that_is_told_to_end_ends_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-u", "-m", "licet.cli", "demo", "--keep", "--members", "40", "--posts", "300"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        port = next(int(found[1]) for line in lines if (found := re.search(r"listens on http://[^:]+:(\d+)", line)))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    assert list(tmp_path.iterdir()) == []
