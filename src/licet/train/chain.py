"""Tier B, the chain: shards trained slice by slice, with a checkpoint after each named by the hash of all it saw.

Because a name is that hash, fitting, resuming, replaying a suffix and the oracle from scratch are one function:
train whatever steps of the wanted lineage have no checkpoint yet.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Protocol

from licet.model.errors import IntegrityError, Refused, UsageError
from licet.protocol.attestation import Value, canonical
from licet.train.chain_manifest import Divided, Entry, Manifest, demand, in_order, root
from licet.train.chain_store import ChainStore
from licet.train.chain_workers import Job, Work, Workers
from licet.train.environment import check_environment
from licet.train.examples import Example
from licet.train.learner import Settings, code_digest, find_learner, libraries_of
from licet.train.plan import Plan, Slice
from licet.train.tensors import State, read_checkpoint

AGGREGATES: Final = ("probabilities", "weights")


class Moved(Protocol):
    """Called after each slice with the number of records trained."""

    def __call__(self, done: int) -> None:
        """Move on by `done`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All that decides a chain's bytes beside plan and records: learner, settings, code and environment."""

    learner: str
    settings: Settings
    aggregate: str
    code: str
    environment: Mapping[str, str]

    def value(self) -> dict[str, Value]:
        """Give the terms for canonical JSON."""
        return {
            "learner": self.learner,
            "settings": dict(self.settings),
            "aggregate": self.aggregate,
            "code": self.code,
            "environment": dict(self.environment),
        }

    def digest(self) -> str:
        """Give the SHA-256 of the terms; how shards are aggregated changes no checkpoint and is left out."""
        said = self.value()
        del said["aggregate"]
        return hashlib.sha256(canonical(said)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One slice of a shard's lineage: the key hashes the parent's key, the root of the records and the seed."""

    place: Slice
    key: str
    parent: str
    root: str
    seed: int
    entries: tuple[Entry, ...]


def new_terms(learner: str, settings: Settings, aggregate: str, environment: Mapping[str, str]) -> Terms:
    """Give the terms of a chain that begins now.

    Raises:
        UsageError: there is no such aggregation or learner.
    """
    if aggregate not in AGGREGATES:
        raise UsageError(f"there is no aggregation `{aggregate}`", f"use {' or '.join(AGGREGATES)}")
    code = code_digest(learner)
    described = {**environment, **{name: version(name) for name in libraries_of(learner)}}
    # What every shard uses decides bytes as a library does, and may change without one.
    described |= {each.name: each.digest for each in find_learner(learner, settings).globals() if each.digest}
    return Terms(learner=learner, settings=settings, aggregate=aggregate, code=code, environment=described)


def kept_terms(store: ChainStore) -> Terms:
    """Give the terms that a store was fitted under.

    Raises:
        UsageError: nothing was fitted.
    """
    said = store.note("terms")
    if not said:
        raise UsageError("nothing is fitted here yet", "run licet train fit")
    return Terms(**said)


def check_terms(kept: Terms, now: Terms) -> None:
    """Refuse to go on under terms that would not give the same bytes.

    Raises:
        Refused: something differs; the message names it.
    """
    check_environment(kept.environment, now.environment)
    if kept.code != now.code:
        raise Refused("the learner's code changed since it fitted", "restore it, or begin a new store")
    if kept.digest() != now.digest():
        raise Refused("the learner or its settings differ from those fitted", "begin a new store")


def seed_of(plan: Plan, *parts: int | str) -> int:
    """Give a seed of 63 bits that follows from the plan's and from a place in it."""
    said = canonical([str(part) for part in parts])
    return int.from_bytes(hmac.digest(bytes.fromhex(plan.seed), said, "sha256")[:8]) >> 1


def lineage(plan: Plan, terms: Terms, shard: int, manifest: Manifest) -> list[Step]:
    """Give the steps of a shard; a slice without records is none."""
    genesis: dict[str, Value] = {"terms": terms.digest(), "seed": plan.seed, "shard": shard}
    parent = hashlib.sha256(canonical(genesis)).hexdigest()
    steps = []
    for place in sorted(manifest.slices):
        entries = manifest.slices[place]
        if not entries:
            continue
        seed = seed_of(plan, "slice", shard, place.generation, place.bucket)
        step = Step(
            place=place,
            parent=parent,
            root=root(entries),
            seed=seed,
            entries=entries,
            key=_key(parent, place, root(entries), seed),
        )
        steps.append(step)
        parent = step.key
    return steps


def _key(parent: str, place: Slice, seen: str, seed: int) -> str:
    said: dict[str, Value] = {
        "parent": parent,
        "generation": place.generation,
        "bucket": place.bucket,
        "root": seen,
        "seed": str(seed),
    }
    return hashlib.sha256(canonical(said)).hexdigest()


def missing(store: ChainStore, shard: int, steps: Sequence[Step]) -> Sequence[Step]:
    """Give the steps from the first one whose checkpoint is not there."""
    for at, step in enumerate(steps):
        if not store.checkpoint(shard, step.place, step.key).exists():
            return steps[at:]
    return []


def advance(  # each says where the work comes from
    store: ChainStore,
    terms: Terms,
    divided: Divided,
    shards: Iterable[int],
    *,
    workers: Workers,
    moved: Moved,
) -> Work:
    """Train every step of some shards that has no checkpoint yet; give the work it took.

    Raises:
        Refused: the data lacks a record of the manifests.
        LicetError: a learner failed.
    """
    plan = store.plan()
    jobs = []
    for shard in sorted(shards):
        manifest = store.manifest(shard)
        demand(manifest, divided.get(shard, {}))
        steps = lineage(plan, terms, shard, manifest)
        wanted = missing(store, shard, steps)
        if wanted:
            jobs.append(_job(store, terms, seed_of(plan, "init"), shard, steps, wanted, divided[shard]))
    return workers.run(jobs, moved)


def _job(  # noqa: PLR0913, PLR0917 # one job, spelled out
    store: ChainStore,
    terms: Terms,
    seed: int,
    shard: int,
    steps: Sequence[Step],
    wanted: Sequence[Step],
    held: Mapping[Slice, Mapping[Entry, Example]],
) -> Job:
    before = len(steps) - len(wanted)
    start = steps[before - 1] if before else None
    return Job(
        store=str(store.folder),
        learner=terms.learner,
        settings=dict(terms.settings),
        shard=shard,
        seed=seed,
        start=str(store.checkpoint(shard, start.place, start.key)) if start else "",
        start_key=start.key if start else "",
        steps=[
            {
                "path": str(store.checkpoint(shard, step.place, step.key)),
                "generation": step.place.generation,
                "bucket": step.place.bucket,
                "seed": step.seed,
                "saw": {
                    "key": step.key,
                    "parent": step.parent,
                    "root": step.root,
                    "code": terms.code,
                    "terms": terms.digest(),
                    "seed": str(step.seed),
                },
                "examples": [
                    [e.member, e.record, e.text, e.label] for e in in_order(step.seed, held[step.place], step.entries)
                ],
            }
            for step in wanted
        ],
    )


def load(store: ChainStore, shard: int, place: Slice, key: str) -> State:
    """Read the state of a checkpoint.

    Raises:
        IntegrityError: its checkpoint is damaged or another's.
    """
    state, header = read_checkpoint(store.checkpoint(shard, place, key).read_bytes())
    if header["key"] != key:
        raise IntegrityError("a checkpoint stands under another's name", "delete it and run licet train fit again")
    return state
