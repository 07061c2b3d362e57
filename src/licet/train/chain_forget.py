"""Forget with a chain: quarantine at once, replay the suffix, merge, audit a sample, destroy what saw the members.

Every step can be done again with the same result, and the requests are kept in `forgetting.json` from before the
first to after the last, so that a run that was killed anywhere goes on when it is called again.
"""

import hmac
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from licet.model.errors import IntegrityError, NotFound
from licet.protocol.attestation import Value, canonical
from licet.train.chain import Moved, Terms, advance, check_terms, kept_terms, lineage, load
from licet.train.chain_fit import count_records, digests, from_scratch, without
from licet.train.chain_manifest import Divided, demand, divide
from licet.train.chain_model import serve, served, tips
from licet.train.chain_quality import surprise
from licet.train.chain_requests import affordable, dirty_shards, of_any, quarantine
from licet.train.chain_store import ChainStore, file_digest
from licet.train.chain_workers import Work, Workers
from licet.train.durable import remove_all_durably
from licet.train.examples import Example
from licet.train.plan import leave
from licet.train.tensors import tensor_digests


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardLineage:
    """What happened to one dirty shard: checkpoints before and after by file name, with their SHA-256."""

    shard: int
    start: str
    """The checkpoint that the replay started from; `""` where it started from the beginning."""
    before: Mapping[str, str]
    after: Mapping[str, str]
    audited: bool
    """Whether the shard was trained again from scratch, which gave the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What a forgetting did: for the certificate."""

    salt: str
    recalls: tuple[str, ...]
    removed: tuple[tuple[str, str], ...]
    """Marks of the member and the record of each record that went."""
    requested_at: str
    plan_before: str
    plan_after: str
    shards: tuple[ShardLineage, ...]
    clean: Mapping[int, str]
    """The served key of each shard that was not touched."""
    tensors: Mapping[str, tuple[str, str]]
    """SHA-256 before and after of each tensor of the dirty shards; `""` where there was none."""
    destroyed: Mapping[str, str]
    """SHA-256 of each destroyed file by name."""
    surprise: tuple[str, str]
    """Before and after, of the dirty shards on records that are left in them; `""` where it was not measured."""
    replayed: int
    """Records of the slices that were trained again, whichever run trained them."""
    of: int
    """Records that a full retraining would have trained."""
    work: Work
    audit: Work
    measuring: float
    """CPU seconds that measuring took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """Which shards were trained again from scratch, and the work it took."""

    shards: frozenset[int]
    work: Work


def forget(  # noqa: PLR0913 # what a run needs
    store: ChainStore,
    now: Terms,
    examples: Sequence[Example],
    *,
    workers: Workers,
    sample: float,
    moved: Moved,
    certify: Callable[[Forgotten], object] = lambda _: None,
    budget: float = 1.0,
) -> Forgotten:
    """Replay the waiting requests, audit a share of the dirty shards from scratch, and destroy what saw them.

    `certify` is called last, while the batch is still on record; a run that was killed may call it again. `budget` is
    the share of all records that may be trained again; whose shard costs more waits, in quarantine.

    Raises:
        NotFound: nothing waits, or nothing that the budget allows.
        Refused: this machine or code would not give the same bytes, or the data lacks records of others.
        IntegrityError: a shard differs from its oracle.
    """
    terms = kept_terms(store)
    check_terms(terms, now)
    with store.locked():
        asked = _asked(store, terms, budget)
        dirty = _dirty(store, asked)
        divided, _ = divide(store.plan(), store.key(), examples, frozenset(dirty))
        resumed = bool(store.note("forgetting"))
        batch = _begin(store, terms, divided, asked)
        _trim(store, batch["requests"], dirty)
        work = advance(store, terms, divided, dirty, workers=workers, moved=moved)
        _switch(store, terms, dirty)
        count_records(store, dirty)
        # What an earlier run hashed may have changed since; what this one did cannot, for it holds the store.
        hashed = {} if resumed else batch["before"]
        after = {shard: digests(store, terms, shard, dict(hashed.get(str(shard), ()))) for shard in dirty}
        audited = _audit(store, terms, divided, after, sample=sample, workers=workers, moved=moved)
        batch = _doom(store, terms, batch)
        done = _report(store, batch, divided, after, audited, work)
        _destroy(store, batch)
        certify(done)
        store.drop_note("forgetting")
        return done


def _asked(store: ChainStore, terms: Terms, budget: float) -> Mapping[str, str]:
    """Take every dirty shard out of service, and give the requests of the batch: an unfinished one goes first."""
    begun, waiting = store.note("forgetting").get("requests", {}), store.note("waiting").get("requests", {})
    if not begun and not waiting:
        raise NotFound("nothing waits to be forgotten", "name whom: --member, --record or --recall")
    quarantine(store, terms, {**waiting, **begun})
    asked: Mapping[str, str] = begun or (waiting if budget >= 1 else affordable(store, budget))
    if not asked:
        raise NotFound("nothing that waits can be replayed within the budget", "allow more: --budget")
    return asked


def _dirty(store: ChainStore, asked: Mapping[str, str]) -> tuple[int, ...]:
    begun = store.note("forgetting")
    return tuple(sorted(int(shard) for shard in begun["before"])) if begun else dirty_shards(store, asked)


def _begin(store: ChainStore, terms: Terms, divided: Divided, asked: Mapping[str, str]) -> dict[str, Any]:
    """Take requests into a batch, with what stood before, unless one was begun."""
    waiting = store.note("waiting")
    left: dict[str, Value] = {mark: at for mark, at in waiting.get("requests", {}).items() if mark not in asked}
    recalls = waiting.get("recalls", [])
    said = store.note("forgetting")
    if not said:
        # Recalls are named where nothing more of them waits.
        said = _batch(store, terms, divided, asked, [] if left else recalls)
        store.keep_note("forgetting", said)
    store.keep_note("waiting", {"requests": left, "recalls": recalls if left else []})
    return said


def _batch(
    store: ChainStore, terms: Terms, divided: Divided, asked: Mapping[str, str], recalls: list[Value]
) -> dict[str, Any]:
    """Write down what stands before: when the first step is done, it is nowhere else.

    Raises:
        Refused: the data lacks records of others.
    """
    dirty = dirty_shards(store, asked)
    left = {shard: without(store.manifest(shard), asked) for shard in dirty}
    for shard, manifest in left.items():
        demand(manifest, divided.get(shard, {}))
    began = time.process_time()
    found = surprise(store, terms, divided, left)
    spent = time.process_time() - began
    return {
        "requests": dict(asked),
        "recalls": recalls,
        "before": {str(shard): list(map(list, digests(store, terms, shard).items())) for shard in dirty},
        "plan": store.plan_digest(),
        "records": sum(store.note("sizes").values()),
        "doomed": {},
        "salt": secrets.token_hex(16),
        "removed": _removed(store, dirty, asked),
        "tensors": _tensors(store, terms, dirty),
        "surprise": found,
        "measuring": f"{spent:.6f}",
    }


def _removed(store: ChainStore, dirty: Iterable[int], gone: Mapping[str, object]) -> list[Value]:
    slices = [held for shard in dirty for held in store.manifest(shard).slices.values()]
    return [[entry.member, entry.record] for entries in slices for entry in entries if of_any(entry, gone)]


def _tensors(store: ChainStore, terms: Terms, shards: Iterable[int]) -> dict[str, Value]:
    """Give the SHA-256 of each tensor that stands for a shard."""
    return {
        f"shard {shard}: {name}": digest
        for shard, tip in tips(store, terms, shards).items()
        if store.checkpoint(shard, tip.place, tip.key).exists()
        for name, digest in tensor_digests(load(store, shard, tip.place, tip.key)).items()
    }


def _trim(store: ChainStore, gone: Mapping[str, object], dirty: Sequence[int]) -> None:
    for shard in dirty:
        store.keep_manifest(shard, without(store.manifest(shard), gone))
    plan = store.plan()
    trimmed = leave(plan, gone)
    if len(trimmed.rows) != len(plan.rows):
        store.keep_plan(trimmed)


def _switch(store: ChainStore, terms: Terms, dirty: Sequence[int]) -> None:
    """Serve what was trained again, but for shards that members wait in who asked after the batch had begun."""
    clean = {shard: each for shard, each in served(store).items() if shard not in dirty}
    waiting = dirty_shards(store, store.note("waiting").get("requests", {}))
    serve(store, terms, {**clean, **tips(store, terms, set(dirty) - set(waiting))})


def _audit(  # noqa: PLR0913 # what a run needs
    store: ChainStore,
    terms: Terms,
    divided: Divided,
    after: Mapping[int, Mapping[str, str]],
    *,
    sample: float,
    workers: Workers,
    moved: Moved,
) -> Audited:
    """Train a share of the dirty shards from scratch and compare every checkpoint's bytes.

    Raises:
        IntegrityError: one differs.
    """
    chosen = _chosen(store, after, sample)
    if not chosen:
        return Audited(shards=frozenset(), work=Work())
    with from_scratch(store, terms, divided, chosen, workers=workers, moved=moved) as (fresh, work):
        unequal = [shard for shard in chosen if digests(fresh, terms, shard) != after[shard]]
    if unequal:
        raise IntegrityError(
            f"shard {unequal[0]} is not what training it from scratch gives",
            "this machine does not compute the same twice: licet train probe",
        )
    return Audited(shards=frozenset(chosen), work=work)


def _chosen(store: ChainStore, after: Mapping[int, object], sample: float) -> list[int]:
    """Choose a share of shards, one at least unless it is nothing, in an order that only who has the key foresees."""
    salt = store.key() + canonical(store.plan_digest())
    ordered = sorted(after, key=lambda shard: hmac.digest(salt, str(shard).encode(), "sha256"))
    return sorted(ordered[: math.ceil(sample * len(ordered))])


def _doom(store: ChainStore, terms: Terms, batch: dict[str, Any]) -> dict[str, Any]:
    """Write down what will be destroyed before it is: every file of a dirty shard that its lineage needs no more."""
    plan = store.plan()
    needed = set()
    dirty = [int(shard) for shard in batch["before"]]
    for shard in dirty:
        steps = lineage(plan, terms, shard, store.manifest(shard))
        needed |= {store.checkpoint(shard, step.place, step.key) for step in steps}
    known = {name: digest for listed in batch["before"].values() for name, digest in listed}
    held = [path for shard in dirty for path in store.checkpoints(shard) if path not in needed]
    doomed = {str(path.relative_to(store.folder)): known.get(path.name) or file_digest(path) for path in held}
    batch["doomed"] = {**batch["doomed"], **doomed}
    store.keep_note("forgetting", batch)
    return batch


def _destroy(store: ChainStore, batch: Mapping[str, Any]) -> None:
    remove_all_durably(store.folder / name for name in batch["doomed"])


def _report(  # all that was done
    store: ChainStore,
    batch: Mapping[str, Any],
    divided: Divided,
    after: Mapping[int, Mapping[str, str]],
    audited: Audited,
    work: Work,
) -> Forgotten:
    terms, began = kept_terms(store), time.process_time()
    manifests = {shard: store.manifest(shard) for shard in after}
    told = (batch["surprise"], surprise(store, terms, divided, manifests))
    spent = time.process_time() - began
    now = {name: str(digest) for name, digest in _tensors(store, terms, after).items()}
    return Forgotten(
        salt=batch["salt"],
        recalls=tuple(batch["recalls"]),
        removed=tuple((member, record) for member, record in batch["removed"]),
        requested_at=min(batch["requests"].values()),
        plan_before=batch["plan"],
        plan_after=store.plan_digest(),
        shards=tuple(_lineage(shard, batch, after, audited) for shard in sorted(after)),
        clean={shard: each.key for shard, each in served(store).items() if shard not in after},
        tensors={name: (batch["tensors"].get(name, ""), now.get(name, "")) for name in {**batch["tensors"], **now}},
        destroyed=batch["doomed"],
        surprise=told,
        replayed=sum(_replayed(store, terms, shard, dict(batch["before"][str(shard)])) for shard in after),
        of=batch["records"],
        work=work,
        audit=audited.work,
        measuring=float(batch["measuring"]) + spent,
    )


def _lineage(
    shard: int, batch: Mapping[str, Any], after: Mapping[int, Mapping[str, str]], audited: Audited
) -> ShardLineage:
    before = dict(batch["before"][str(shard)])
    kept = [name for name in before if name in after[shard]]
    return ShardLineage(
        shard=shard,
        start=kept[-1] if kept else "",
        before=before,
        after=after[shard],
        audited=shard in audited.shards,
    )


def _replayed(store: ChainStore, terms: Terms, shard: int, before: Mapping[str, str]) -> int:
    steps = lineage(store.plan(), terms, shard, store.manifest(shard))
    again = [step for step in steps if store.checkpoint(shard, step.place, step.key).name not in before]
    return sum(len(step.entries) for step in again)
