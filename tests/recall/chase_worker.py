"""A second process that chases; it may be made to die, for good and without a word, at a given step.

It reads lines `home url step port` and forks a child for each, so that a hundred deaths cost one start of Python.
A step is a statement or a commit of any database connection; step 0 lives to the end.
"""

import importlib
import itertools
import os
import signal
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import httpx
from sqlalchemy import Engine, event

from licet.recall.chaser import Chasing
from licet.store.house import open_house


def die_at(database: Engine, step: int) -> None:
    """Let this process be killed at its n-th step."""
    steps = itertools.count(1)

    def count(*_: object) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database, "before_cursor_execute", count)
    event.listen(database, "commit", count)


def chase_once(home: str, url: str, step: int, now: str) -> None:
    """Chase once, at an instant."""
    house = open_house(Path(home), url)
    if step:
        die_at(house.database, step)
    Chasing(house=house, base="https://data.example", clock=lambda: datetime.fromisoformat(now)).once()


def load() -> None:
    """Load now what every child would load."""
    importlib.import_module("anyio._backends._asyncio")
    httpx.AsyncClient()
    with tempfile.TemporaryDirectory() as folder:
        chase_once(folder, f"sqlite:///{folder}/licet.db", 0, "2025-01-01T00:00:00+00:00")


def main() -> None:
    """Chase as told, line after line, and say how each ended: 0, or the signal that ended it."""
    load()
    for line in sys.stdin:
        home, url, step, now = line.split()
        child = os.fork()
        if not child:
            code = 1
            try:
                chase_once(home, url, int(step), now)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
