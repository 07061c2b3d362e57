"""What each slice of a shard may see: salted marks of records, frozen before the slice is trained."""

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from licet.model.errors import IntegrityError, Refused
from licet.protocol.attestation import Value, canonical
from licet.train.examples import Example
from licet.train.plan import Plan, Slice, content_mark, member_mark, record_mark

TYPE: Final = "licet.manifest.v1"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """One record that a slice sees: salted digests of all it holds, of its member and of its id."""

    content: str
    member: str
    record: str


Divided: TypeAlias = dict[int, dict[Slice, dict[Entry, Example]]]
"""Examples by shard, slice and entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The entries of each slice of one shard, sorted; generations below `generations` are frozen."""

    generations: int
    slices: Mapping[Slice, tuple[Entry, ...]]

    def without(self, gone: Callable[[Entry], bool]) -> "Manifest":
        """Give the manifest without some entries."""
        kept = {place: tuple(e for e in entries if not gone(e)) for place, entries in self.slices.items()}
        return Manifest(generations=self.generations, slices={k: v for k, v in kept.items() if v})

    def first(self, chosen: Callable[[Entry], bool]) -> Slice | None:
        """Give the earliest slice that holds a chosen entry."""
        return min((place for place, entries in self.slices.items() if any(map(chosen, entries))), default=None)


def divide(
    plan: Plan, key: bytes, examples: Iterable[Example], shards: Container[int] | None = None
) -> tuple[Divided, int]:
    """Put examples into the shards and slices of their members; give also how many are of members not in the plan.

    With `shards`, examples of other shards are passed over, planned or not.
    """
    held = list(examples)
    marks = {member: member_mark(key, member) for member in {example.member for example in held}}
    wanted = {m: mark for m, mark in marks.items() if shards is None or plan.shard_of(mark) in shards}
    divided: Divided = defaultdict(lambda: defaultdict(dict))
    waiting = 0
    for example in held:
        mark = wanted.get(example.member)
        place = mark and plan.rows.get(mark)
        if mark and place:
            divided[plan.shard_of(mark)][place][_entry_of(key, mark, example)] = example
        elif mark:
            waiting += 1
    return divided, waiting


def _entry_of(key: bytes, mark: str, example: Example) -> Entry:
    return Entry(content=content_mark(key, example), member=mark, record=record_mark(key, example.record))


def freeze(old: Manifest, plan: Plan, divided: Mapping[Slice, Mapping[Entry, Example]]) -> tuple[Manifest, int]:
    """Freeze the generations that have no manifest yet; give also how many records came too late for theirs.

    Raises:
        Refused: a frozen record is no longer in the data.
    """
    slices = dict(old.slices)
    late = 0
    for place, held in divided.items():
        if place.generation < old.generations:
            late += len(held.keys() - set(old.slices.get(place, ())))
        else:
            slices[place] = tuple(sorted(held))
    demand(old, divided)
    return Manifest(generations=plan.generations, slices=slices), late


def demand(manifest: Manifest, divided: Mapping[Slice, Mapping[Entry, Example]]) -> None:
    """Check that the data still holds every record of a manifest.

    Raises:
        Refused: it does not.
    """
    lost = sum(len(set(entries) - divided.get(place, {}).keys()) for place, entries in manifest.slices.items())
    if lost:
        raise Refused(
            f"{lost} records that the model saw are no longer in the data",
            "forget them: licet train forget --missing",
        )


@lru_cache(maxsize=1 << 10)
def root(entries: tuple[Entry, ...]) -> str:
    """Give the RFC 6962 Merkle tree hash over the sorted contents of a slice, in hexadecimal."""
    level = [hashlib.sha256(b"\0" + bytes.fromhex(entry.content)).digest() for entry in sorted(entries)]
    if not level:
        return hashlib.sha256().hexdigest()
    while len(level) > 1:
        paired = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[len(paired) * 2 :]
    return level[0].hex()


def in_order(seed: int, held: Mapping[Entry, Example], entries: Iterable[Entry]) -> list[Example]:
    """Give a slice's examples in the order of HMAC(seed, record), which no other record's presence changes."""
    salt = seed.to_bytes(8)
    ordered = sorted(entries, key=lambda entry: (hmac.digest(salt, entry.record.encode(), "sha256"), entry.content))
    return [held[entry] for entry in ordered]


def manifest_bytes(manifest: Manifest) -> bytes:
    """Write a manifest as canonical JSON."""
    slices: dict[str, Value] = {
        f"{place.generation}-{place.bucket}": [[e.content, e.member, e.record] for e in entries]
        for place, entries in manifest.slices.items()
    }
    return canonical({"type": TYPE, "generations": manifest.generations, "slices": slices})


@lru_cache(maxsize=1 << 7)
def read_manifest(written: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        IntegrityError: it is damaged.
    """
    try:
        said = json.loads(written)
        return Manifest(
            generations=int(said["generations"]),
            slices={_slice(name): tuple(map(_entry, held)) for name, held in said["slices"].items()},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError("a manifest is damaged", "restore it, or begin a new store") from error


def _slice(name: str) -> Slice:
    generation, bucket = name.split("-")
    return Slice(generation=int(generation), bucket=int(bucket))


def _entry(said: list[str]) -> Entry:
    content, member, record = said
    return Entry(content=content, member=member, record=record)
