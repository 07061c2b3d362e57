"""Fit a chain: freeze what each slice sees, train what is missing, serve the result; and the oracle from scratch."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from licet.model.errors import Refused
from licet.train.chain import Moved, Terms, advance, check_terms, kept_terms, lineage
from licet.train.chain_manifest import Divided, Manifest, divide, freeze
from licet.train.chain_model import serve, tips
from licet.train.chain_store import ChainStore, file_digest
from licet.train.chain_workers import Work, Workers
from licet.train.examples import Example
from licet.train.lint import check_globals, check_source

if TYPE_CHECKING:
    from licet.protocol.attestation import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a fit did, and which records it left out: of members not in the plan, and later than their generation."""

    work: Work
    shards: int
    waiting: int
    late: int


def fit(store: ChainStore, terms: Terms, examples: Iterable[Example], *, workers: Workers, moved: Moved) -> Fitted:
    """Bring the model to what the plan and the data say; a fit that was killed goes on where it stopped.

    Raises:
        Refused: requests wait to be forgotten, terms differ, something global saw members' data, or
            the data lacks records that the model saw.
    """
    check_source(terms.learner)
    check_globals(terms.learner, terms.settings)
    with store.locked():
        if store.note("forgetting"):
            raise Refused("a forgetting is unfinished", "finish it first: licet train forget")
        if store.note("waiting").get("requests"):
            raise Refused("requests wait to be forgotten", "replay them first: licet train forget")
        if store.note("terms"):
            check_terms(kept_terms(store), terms)
        store.keep_note("terms", terms.value())
        divided, waiting = divide(store.plan(), store.key(), examples)
        late = _freeze(store, divided)
        shards = range(store.plan().shards)
        work = advance(store, terms, divided, shards, workers=workers, moved=moved)
        found = tips(store, terms, shards)
        serve(store, terms, found)
        count_records(store, shards)
        return Fitted(work=work, shards=len(found), waiting=waiting, late=late)


def _freeze(store: ChainStore, divided: Divided) -> int:
    plan = store.plan()
    late = 0
    for shard in range(plan.shards):
        manifest, more = freeze(store.manifest(shard), plan, divided.get(shard, {}))
        store.keep_manifest(shard, manifest)
        late += more
    return late


def count_records(store: ChainStore, shards: Iterable[int]) -> None:
    """Note how many records some shards see."""
    counted: dict[str, Value] = {str(shard): sum(map(len, store.manifest(shard).slices.values())) for shard in shards}
    store.keep_note("sizes", {**store.note("sizes"), **counted})


@contextlib.contextmanager
def from_scratch(  # each says where the work comes from
    store: ChainStore, terms: Terms, divided: Divided, shards: Iterable[int], *, workers: Workers, moved: Moved
) -> Iterator[tuple[ChainStore, Work]]:
    """Train some shards again in an empty store, which lasts as long as the block.

    Raises:
        Refused: the data lacks a record of the manifests.
    """
    chosen = sorted(shards)
    with tempfile.TemporaryDirectory(prefix=".oracle-", dir=store.folder) as folder:
        fresh = ChainStore(Path(folder))
        fresh.keep_plan(store.plan())
        for shard in chosen:
            fresh.keep_manifest(shard, store.manifest(shard))
        with fresh.locked():
            work = advance(fresh, terms, divided, chosen, workers=workers, moved=moved)
        yield fresh, work


def digests(
    store: ChainStore, terms: Terms, shard: int, known: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Give the SHA-256 of each checkpoint of a shard's lineage by file name; a fit that was killed lacks some.

    Of the files in `known`, which the same run hashed, it is taken from there.
    """
    steps = lineage(store.plan(), terms, shard, store.manifest(shard))
    paths = [store.checkpoint(shard, step.place, step.key) for step in steps]
    return {path.name: known.get(path.name) or file_digest(path) for path in paths if path.exists()}


def without(manifest: Manifest, gone: Mapping[str, object]) -> Manifest:
    """Give a manifest without the records of some members or the records so marked."""
    return manifest.without(lambda entry: entry.member in gone or entry.record in gone)
