"""Sharded heads over frozen sentence embeddings against one head, on real labelled posts.

`python bench/chain_heads.py [posts] [held out]` reads the posts that LICET_TEST_DATA names, gives them to 10,000
made-up members (Zipf), embeds each post by itself, and prints the macro-recall of one logistic head over all posts and
of the mean of heads over 5, 10, 20 and 50 shards of members. Embeddings are kept below TMPDIR for the next run.
"""

import hashlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from samples.labelled_posts import LABELS, labelled_posts, zipf_members

from licet.train.examples import Example
from licet.train.learner import Context
from licet.train.learners import sklearn_head
from licet.train.learners.sklearn_head import SklearnHead
from licet.train.plan import member_mark, new_plan

KEPT = Path(tempfile.gettempdir()) / "licet-bench-minilm"
SHARDS = (1, 5, 10, 20, 50)
SETTINGS = {"labels": ",".join(LABELS), "encoder": "minilm", "method": "logistic", "penalty": "100", "balance": "yes"}


def embedded(_encoder: str, texts: list[str]) -> NDArray[np.float32]:
    """Encode texts one by one, as `minilm` does, and keep the result below TMPDIR."""
    from licet.train.encoder import SCALE, encoder  # noqa: PLC0415 # only where one is missing

    KEPT.mkdir(exist_ok=True)
    rows = []
    for text in texts:
        path = KEPT / hashlib.sha256(text.encode()).hexdigest()
        if not path.exists():
            path.write_bytes(encoder().encode(text).tobytes())
        rows.append(np.frombuffer(path.read_bytes(), np.int8))
    return np.stack(rows).astype(np.float32) / SCALE


def macro_recall(chosen: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """Give the mean over labels of the share found, in percent."""
    return 100 * float(np.mean([(chosen[wanted == label] == label).mean() for label in np.unique(wanted)]))


def main() -> None:
    """Print one line for each number of shards."""
    posts = int(sys.argv[1]) if len(sys.argv) > 1 else 32_000
    held = int(sys.argv[2]) if len(sys.argv) > 2 else 3_000
    sklearn_head.encode = embedded
    pairs = labelled_posts()[: posts + held]
    members = zipf_members(posts)
    examples = [
        Example(member=members[n] if n < posts else "", record=str(n), text=text, label=label)
        for n, (text, label) in enumerate(pairs)
    ]
    learner = SklearnHead(SETTINGS)
    train, test = examples[:posts], examples[posts:]
    wanted = np.concatenate(learner.targets(test))
    began = time.process_time()
    embedded("minilm", [example.text for example in examples])
    print(f"embedding {len(examples)} posts: {time.process_time() - began:.1f} CPU s (0 where kept)")
    for shards in SHARDS:
        plan = new_plan(bytes(32), shards, 1)
        held_by: dict[int, list[Example]] = {}
        for example in train:
            held_by.setdefault(plan.shard_of(member_mark(bytes(32), example.member)), []).append(example)
        began = time.process_time()
        states = [
            learner.train(learner.init(0), held_by[n], Context(shard=n, generation=0, bucket=0, seed=n))
            for n in sorted(held_by)
        ]
        seconds = time.process_time() - began
        mean = sum(np.concatenate(learner.predict(state, test)) for state in states)
        print(f"shards {shards:3}: macro-recall {macro_recall(mean.argmax(1), wanted):.2f}, {seconds:.1f} CPU s")


if __name__ == "__main__":
    main()
