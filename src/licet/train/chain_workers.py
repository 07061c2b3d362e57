"""Processes that train shards: one thread each, as many at once as asked, told what to do over a pipe."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, Self

from licet.model.errors import LicetError, Unavailable, UsageError

PINNED: Final = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""What a worker's environment says, whatever the caller's does."""
DROPPED: Final = ("OMP_", "MKL_", "KMP_", "ACCELERATE_")
"""How names of variables begin that a worker is not given: they would choose its threads, or how many bits it keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One shard's steps, and the checkpoint they start from (`""`: the learner's beginning)."""

    store: str
    learner: str
    settings: dict[str, str]
    shard: int
    seed: int
    start: str
    start_key: str
    steps: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What was trained: slices, records, and the CPU seconds of the processes that trained."""

    slices: int = 0
    records: int = 0
    cpu_seconds: float = 0.0


class _Moved(Protocol):
    def __call__(self, done: int) -> None:
        """Move on by `done`."""


class Workers:
    """Up to `count` processes, started when there is work and kept until the end of the `with` block."""

    def __init__(self, count: int) -> None:
        """Begin with none.

        Raises:
            UsageError: fewer than one may be started.
        """
        if count < 1:
            raise UsageError(f"{count} workers train nothing", "use one or more")
        self._count = count
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        """Give the workers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """End every process."""
        self._stop()

    def run(self, jobs: Sequence[Job], moved: _Moved) -> Work:
        """Train jobs; the caller's own process trains nothing.

        Raises:
            LicetError: a learner failed; the others are stopped.
        """
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        wanted = min(self._count, len(jobs))
        if any(process.poll() is not None for process in self._processes):
            self._stop()
        self._processes += [_start() for _ in range(wanted - len(self._processes))]
        feeds = [threading.Thread(target=_feed, args=(each, waiting, said)) for each in self._processes[:wanted]]
        for feed in feeds:
            feed.start()
        try:
            return _gather(said, len(feeds), moved)
        except BaseException:
            self._kill()
            raise
        finally:
            for feed in feeds:
                feed.join()

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _stop(self) -> None:
        self._kill()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        self._processes.clear()


def _gather(said: "queue.SimpleQueue[dict[str, Any] | None]", running: int, moved: _Moved) -> Work:
    slices, records, seconds = 0, 0, 0.0
    while running:
        event = said.get()
        if event is None:
            running -= 1
            continue
        if "error" in event:
            raise LicetError(event["error"], event["remedy"])
        slices, records, seconds = slices + 1, records + event["records"], seconds + event["cpu_seconds"]
        moved(event["records"])
    return Work(slices=slices, records=records, cpu_seconds=seconds)


def _start() -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    return subprocess.Popen(  # our own module
        [sys.executable, "-m", "licet.train.chain_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **PINNED},
        text=True,
    )


def _feed(
    process: subprocess.Popen[str],
    waiting: "queue.SimpleQueue[Job]",
    said: "queue.SimpleQueue[dict[str, Any] | None]",
) -> None:
    """Hand one process a job after the other, and pass on what it says."""
    try:
        while True:
            job = waiting.get_nowait()
            _tell(process, asdict(job))
            for _ in job.steps:
                said.put(_answer(process))
            _answer(process)
    except queue.Empty:
        said.put(None)
    except (OSError, ValueError):
        told = Unavailable("a worker process ended early", "run the command again: it resumes")
        said.put({"error": told.message, "remedy": told.remedy})


def _tell(process: subprocess.Popen[str], message: Mapping[str, Any]) -> None:
    if process.stdin is None:
        raise ValueError(process)
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    if process.stdout is None:
        raise ValueError(process)
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer
