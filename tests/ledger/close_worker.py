"""Closes months again and again, in processes that each kill themselves one step later, up to the very last."""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from licet.ledger.close import close
from licet.store import books
from licet.store.house import open_house


def die(*_: object) -> str:
    """End as if the power had failed."""
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def run(home: str, database: str, now: str, fatal: int) -> None:
    """Close, and die at a step, or at the very end of the one transaction if there are fewer."""
    steps = 0

    def progress(_: str) -> None:
        nonlocal steps
        steps += 1
        if steps == fatal:
            die()

    opened = open_house(Path(home), database)
    books.month_digest = die
    close(opened, datetime.fromisoformat(now), progress=progress)


def killed(fatal: int) -> bool:
    """Tell whether a process died by its own hand."""
    child = os.fork()
    if not child:
        run(sys.argv[1], sys.argv[2], sys.argv[3], fatal)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    print(sum(killed(fatal) for fatal in range(1, int(sys.argv[4]) + 1)))  # noqa: T201 # the test reads it
