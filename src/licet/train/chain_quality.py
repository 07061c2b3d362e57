"""How well shards do on records that are left in them: a sanity check beside the proof."""

from collections.abc import Iterator, Mapping
from typing import Final

from licet.train.chain import Terms, load
from licet.train.chain_manifest import Divided, Manifest
from licet.train.chain_model import Model, tips
from licet.train.chain_store import ChainStore
from licet.train.environment import one_thread
from licet.train.examples import Example
from licet.train.learner import find_learner
from licet.train.quality import sample

SURPRISE: Final = "mean surprise in nats of the shards trained again, over records left in them"


MOST: Final = 32
"""Records that are looked at, at most: many would cost more than the replay of one member."""


def surprise(store: ChainStore, terms: Terms, divided: Divided, left: Mapping[int, Manifest]) -> str:
    """Measure the shards of `left` as their manifests in the store have them, each on records of its own in `left`.

    Gives decimal text; `""` where no record is left, a checkpoint is not there, or the learner cannot predict them.
    """
    chosen = sample(list(_left(divided, left)), MOST)
    try:
        with one_thread():
            found = [
                loss for shard in left for loss in _losses(store, terms, shard, [e for s, e in chosen if s == shard])
            ]
    except Exception:  # noqa: BLE001 # a learner of the caller's own may raise anything, and must not stop forgetting
        return ""
    return f"{sum(found) / len(found):.4f}" if found else ""


def _left(divided: Divided, left: Mapping[int, Manifest]) -> Iterator[tuple[int, Example]]:
    for shard, manifest in sorted(left.items()):
        for place, entries in sorted(manifest.slices.items()):
            yield from ((shard, divided[shard][place][entry]) for entry in entries)


def _losses(store: ChainStore, terms: Terms, shard: int, examples: list[Example]) -> list[float]:
    if not examples:
        return []
    tip = tips(store, terms, [shard])[shard]
    state = load(store, shard, tip.place, tip.key)
    model = Model(learner=find_learner(terms.learner, terms.settings), states=(state,))
    return [float(each) for each in model.losses(examples)]
