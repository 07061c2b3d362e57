"""Sharded heads over sentence embeddings against one head, on real labelled posts.

`python bench/chain_heads.py [posts] [held out]` reads the posts that LICET_TEST_DATA names, gives them to 10,000
made-up members (Zipf), embeds each post by itself, and prints the macro-recall of one head over all posts and of heads
over 5, 10, 20 and 50 shards of members: sums that are merged and solved once (`ridge-head`), and logistic heads that
are solved one by one and whose probabilities are averaged, at the penalty that suits one head and at one that is
scaled to a shard's part of the records.
"""

import sys
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from samples.labelled_posts import LABELS, labelled_posts, zipf_members
from samples.sentence_features import sentence_features

from licet.train.chain_model import Model
from licet.train.encoder import SCALE
from licet.train.environment import one_thread
from licet.train.examples import Example
from licet.train.learner import Context, Learner
from licet.train.learners import ridge_head, sklearn_head
from licet.train.learners.ridge_head import RidgeHead
from licet.train.learners.sklearn_head import SklearnHead
from licet.train.plan import member_mark, new_plan
from licet.train.tensors import State, mean_state

SHARDS = (1, 5, 10, 20, 50)
FROZEN = {"labels": ",".join(LABELS), "encoder": "minilm"}
PENALTY = 100


def macro_recall(chosen: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """Give the mean over labels of the share found, in percent."""
    return 100 * float(np.mean([(chosen[wanted == label] == label).mean() for label in np.unique(wanted)]))


def main() -> None:
    """Print one line for each number of shards and kind of head."""
    posts = int(sys.argv[1]) if len(sys.argv) > 1 else 32_000
    held = int(sys.argv[2]) if len(sys.argv) > 2 else 3_000
    pairs = labelled_posts()[: posts + held]
    texts = [text for text, _ in pairs]
    features = dict(zip(texts, sentence_features(texts).astype(np.float32) / np.float32(SCALE), strict=True))
    ridge_head.encode = sklearn_head.encode = lambda _, asked: np.stack([features[text] for text in asked])
    members = zipf_members(posts)
    examples = [
        Example(member=members[n] if n < posts else "", record=str(n), text=text, label=label)
        for n, (text, label) in enumerate(pairs)
    ]
    for shards in SHARDS:
        parts = divided(examples[:posts], shards)
        heads = {
            "sums, merged": (RidgeHead(FROZEN), True),
            f"logistic, penalty {PENALTY}": (logistic(PENALTY), False),
            f"logistic, penalty {PENALTY * shards}": (logistic(PENALTY * shards), False),
        }
        for name, (learner, merged) in heads.items() if shards > 1 else list(heads.items())[:2]:
            began = time.process_time()
            states = [learner.train(learner.init(0), part, context(n)) for n, part in enumerate(parts)]
            seconds = time.process_time() - began
            found = recall(learner, [mean_state(states)] if merged else states, examples[posts:])
            print(f"{shards:3} shards, {name}: macro-recall {found:.2f}, {seconds:.1f} CPU s", flush=True)


def logistic(penalty: int) -> SklearnHead:
    """Make a head that is solved in its shard."""
    return SklearnHead({**FROZEN, "method": "logistic", "penalty": str(penalty), "balance": "yes"})


def divided(examples: Sequence[Example], shards: int) -> list[list[Example]]:
    """Give each shard its members' examples."""
    plan = new_plan(bytes(32), shards, 1)
    held: list[list[Example]] = [[] for _ in range(shards)]
    for example in examples:
        held[plan.shard_of(member_mark(bytes(32), example.member))].append(example)
    return held


def context(shard: int) -> Context:
    """Say where a shard's only slice stands."""
    return Context(shard=shard, generation=0, bucket=0, seed=shard)


def recall(learner: Learner, states: Sequence[State], test: Sequence[Example]) -> float:
    """Measure states that answer together."""
    answers = np.concatenate(Model(learner=learner, states=tuple(states)).predict(test))
    return macro_recall(answers.argmax(axis=1), np.concatenate(learner.targets(test)))


if __name__ == "__main__":
    with one_thread():
        main()
