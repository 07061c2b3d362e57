"""Requests to forget: kept durably, quarantined at once, and counted before they are replayed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from licet.train.chain import Terms, kept_terms, lineage
from licet.train.chain_fit import without
from licet.train.chain_manifest import Entry, Manifest, divide
from licet.train.chain_model import serve, served
from licet.train.chain_store import ChainStore
from licet.train.examples import Example
from licet.train.plan import member_mark, record_mark

if TYPE_CHECKING:
    from licet.protocol.attestation import Value

AGE: Final = timedelta(hours=24)
"""How long a request may wait for others before the batch is replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """When a batch is replayed: the oldest request's age, or how many shards wait for it."""

    age: timedelta = AGE
    dirty: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a forgetting will take, before it starts: records to train again, of how many in all."""

    requests: int
    dirty: tuple[int, ...]
    records: int
    of: int


def ask(store: ChainStore, members: Iterable[str], records: Iterable[str], now: datetime, recall: str = "") -> None:
    """Keep requests durably until they are forgotten; the shards that hold them are quarantined at once.

    Whom neither plan nor model knows is passed over. The batch's certificate will name the recall.

    Raises:
        NotFound: there is no plan here.
        UsageError: nothing was fitted here, so that nothing saw anybody.
    """
    key = store.key()
    ask_marks(store, [*(member_mark(key, m) for m in members), *(record_mark(key, r) for r in records)], now, recall)


def ask_marks(store: ChainStore, asked: Sequence[str], now: datetime, recall: str = "") -> None:
    """Keep requests that are given as marks of members and records.

    Raises:
        UsageError: nothing was fitted here.
    """
    with store.locked():
        terms = kept_terms(store)  # first: a fit refuses to begin while a request waits
        marks = _known(store, asked)
        waiting = store.note("waiting")
        at = now.astimezone(UTC).isoformat()
        kept: dict[str, Value] = {**dict.fromkeys(marks, at), **waiting.get("requests", {})}
        named: list[Value] = [*sorted({*waiting.get("recalls", []), *([recall] if recall and marks else [])})]
        store.keep_note("waiting", {"requests": kept, "recalls": named})
        quarantine(store, terms, kept)


def _known(store: ChainStore, marks: Sequence[str]) -> list[str]:
    """Keep the marks of members and records that the plan or a manifest knows."""
    plan = store.plan()
    known = set(plan.rows)
    if not known.issuperset(marks):
        held = (store.manifest(shard).slices.values() for shard in range(plan.shards))
        known |= {entry.record for slices in held for entries in slices for entry in entries}
    return [mark for mark in marks if mark in known]


def missing_marks(store: ChainStore, examples: Iterable[Example]) -> list[str]:
    """Give marks of what the model saw and the data lacks: members of whom nothing is left, and other records."""
    plan = store.plan()
    divided, _ = divide(plan, store.key(), examples)
    lost: list[Entry] = []
    left: set[str] = set()
    for shard in range(plan.shards):
        for place, entries in store.manifest(shard).slices.items():
            held = divided.get(shard, {}).get(place, {})
            lost += [entry for entry in entries if entry not in held]
            left |= {entry.member for entry in entries if entry in held}
    return sorted({entry.record if entry.member in left else entry.member for entry in lost})


def due(store: ChainStore, flush: Flush, now: datetime) -> bool:
    """Tell whether the waiting requests should be replayed now; what was begun is always due."""
    if store.note("forgetting"):
        return True
    said = store.note("waiting").get("requests", {})
    if not said:
        return False
    oldest = min(datetime.fromisoformat(at) for at in said.values())
    return now - oldest >= flush.age or len(dirty_shards(store, said)) >= flush.dirty


def cost(store: ChainStore) -> Cost:
    """Count what replaying the waiting requests would take."""
    said = {**store.note("waiting").get("requests", {}), **store.note("forgetting").get("requests", {})}
    dirty = dirty_shards(store, said)
    replay = sum(_again(store, shard, said) for shard in dirty)
    return Cost(requests=len(said), dirty=dirty, records=replay, of=_all_records(store))


def affordable(store: ChainStore, share: float) -> dict[str, str]:
    """Choose waiting requests whose replay trains at most a share of all records: whole shards, the oldest first.

    A shard that alone costs more is passed over; it stays in quarantine.
    """
    said: dict[str, str] = store.note("waiting").get("requests", {})
    left = share * _all_records(store)
    by_shard = {shard: _marks_in(store.manifest(shard), said) for shard in dirty_shards(store, said)}
    chosen = said.keys() - {mark for marks in by_shard.values() for mark in marks}
    for shard in sorted(by_shard, key=lambda shard: min(said[mark] for mark in by_shard[shard])):
        replay = _again(store, shard, dict.fromkeys(by_shard[shard]))
        if replay <= left:
            chosen, left = chosen | by_shard[shard], left - replay
    return {mark: at for mark, at in said.items() if mark in chosen}


def _all_records(store: ChainStore) -> int:
    return sum(store.note("sizes").values())


def _again(store: ChainStore, shard: int, gone: Mapping[str, object]) -> int:
    """Count the records of a shard that are trained again when some go."""
    plan, terms, manifest = store.plan(), kept_terms(store), store.manifest(shard)
    kept = {step.key for step in lineage(plan, terms, shard, manifest)}
    after = lineage(plan, terms, shard, without(manifest, gone))
    return sum(len(step.entries) for step in after if step.key not in kept)


def _marks_in(manifest: Manifest, asked: Mapping[str, object]) -> set[str]:
    entries = [entry for held in manifest.slices.values() for entry in held]
    return {mark for entry in entries for mark in (entry.member, entry.record) if mark in asked}


def dirty_shards(store: ChainStore, gone: Mapping[str, object]) -> tuple[int, ...]:
    """Give the shards that saw any of the members or records so marked; a member's shard follows from the mark."""
    plan = store.plan()
    members = gone.keys() & plan.rows.keys()
    found = {plan.shard_of(mark) for mark in members}
    if len(members) < len(gone):
        found |= {shard for shard in range(plan.shards) if store.manifest(shard).first(lambda e: e.record in gone)}
    return tuple(shard for shard in sorted(found) if store.manifest(shard).first(lambda e: of_any(e, gone)))


def of_any(entry: Entry, gone: Mapping[str, object]) -> bool:
    """Tell whether an entry's member or record is among marks."""
    return entry.member in gone or entry.record in gone


def quarantine(store: ChainStore, terms: Terms, gone: Mapping[str, object]) -> None:
    """Serve without the dirty shards: exactly the model of the plan that has none of them."""
    dirty = dirty_shards(store, gone)
    standing = served(store)
    if not standing.keys().isdisjoint(dirty):
        serve(store, terms, {shard: each for shard, each in standing.items() if shard not in dirty})
