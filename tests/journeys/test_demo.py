"""The demo, as a newcomer runs it."""

import subprocess
import sys


def test_the_demo_ends_with_the_member_gone_from_every_table() -> None:
    """Real server process, official client, a small community."""
    command = [sys.executable, "-m", "licet.cli", "demo", "--members", "300", "--posts", "2000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "not one of that member" in done.stdout
