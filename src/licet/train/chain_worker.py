"""A worker process: reads one job a line from its parent, trains its slices, and says one line after each."""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final, TextIO

from licet.model.errors import IntegrityError, LicetError
from licet.train.chain_store import at_work
from licet.train.determinism import pin
from licet.train.durable import write_durably
from licet.train.examples import Example
from licet.train.learner import Context, find_learner
from licet.train.tensors import State, checkpoint_bytes, read_checkpoint

PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Train jobs until the parent closes the pipe."""
    parent = os.getppid()
    _die_with_parent()
    # What a learner prints must not mix with what the parent reads.
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        try:
            job = json.loads(line)
            with at_work(Path(job["store"])):
                # A parent that died may have been followed by one that forgets: then nothing may be written.
                if os.getppid() == parent:
                    train_job(job, told)
            _say(told, {"ended": job["shard"]})  # the store is free again: who asked may go on to the next run
        except LicetError as error:
            _say(told, {"error": error.message, "remedy": error.remedy})
            return
        except Exception as error:  # noqa: BLE001 # a learner of the caller's own may raise anything
            # The message may quote a record, so only the kind of error leaves this process.
            remedy = "call its train() on one slice to see where"
            _say(told, {"error": f"the learner failed with {type(error).__name__}", "remedy": remedy})
            return


def train_job(job: dict[str, Any], told: TextIO) -> None:
    """Train a job's slices and keep a checkpoint of each, saying a line after each."""
    state = _start(job)
    for step in job["steps"]:
        began = time.process_time()
        # A fresh learner for each slice: nothing but the state passes from one to the next.
        learner = find_learner(job["learner"], job["settings"])
        context = Context(shard=job["shard"], generation=step["generation"], bucket=step["bucket"], seed=step["seed"])
        examples = [Example(member=m, record=r, text=t, label=label) for m, r, t, label in step["examples"]]
        pin(step["seed"])
        state = learner.train(state, examples, context)
        written = checkpoint_bytes(state, step["saw"])
        write_durably(Path(step["path"]), written)
        # What the next slice starts from is what a replay would read.
        state, _ = read_checkpoint(written)
        _say(told, {"records": len(examples), "cpu_seconds": time.process_time() - began})


def _start(job: dict[str, Any]) -> State:
    if not job["start"]:
        learner = find_learner(job["learner"], job["settings"])
        pin(job["seed"])
        return learner.init(job["seed"])
    state, header = read_checkpoint(Path(job["start"]).read_bytes())
    if header["key"] != job["start_key"]:
        raise IntegrityError("a checkpoint stands under another's name", "delete it and run licet train fit again")
    return state


def _say(told: TextIO, message: dict[str, Any]) -> None:
    told.write(json.dumps(message) + "\n")
    told.flush()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
