"""The plan: which shard and slice holds a member, fixed before training and moved by nobody else's coming or going.

A member's mark is the first half of HMAC-SHA256 under the plan's key; the shard is the mark modulo the number of
shards, so that whoever holds the plan but not the key learns no member from it. A row is written when a member joins
and never changes. Members who join later form a generation whose slices come after all earlier ones.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from licet.model.errors import InputError, NotFound, UsageError
from licet.protocol.attestation import Value, canonical
from licet.train.examples import Example

TYPE: Final = "licet.plan.v1"
MARK: Final = 16
"""Bytes of a mark."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Slice:
    """A slice of every shard: of a generation, a bucket of likelihood to leave; trained in this order."""

    generation: int
    bucket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Shards, slices in a generation, the seed of all randomness, and each member's slice by the member's mark."""

    shards: int
    slices: int
    seed: str
    generations: int
    rows: Mapping[str, Slice]

    def __post_init__(self) -> None:
        """Refuse numbers that divide nothing.

        Raises:
            UsageError: fewer than one shard or slice, or more than 65,536.
        """
        if not (1 <= self.shards <= 1 << 16 and 1 <= self.slices <= 1 << 16):
            raise UsageError(f"{self.shards} shards and {self.slices} slices divide nothing", "use 1 to 65536 of each")

    def shard_of(self, mark: str) -> int:
        """Give the shard of a mark."""
        return int(mark, 16) % self.shards

    def slice_of(self, mark: str) -> Slice:
        """Give the slice of a mark.

        Raises:
            NotFound: the plan has no such member.
        """
        found = self.rows.get(mark)
        if found is None:
            raise NotFound("a member is not in the plan", "join new members first: licet train plan")
        return found


def new_plan(key: bytes, shards: int, slices: int) -> Plan:
    """Give a plan without members; its seed follows from the key."""
    seed = hmac.digest(key, b"licet plan seed v1", "sha256").hex()
    return Plan(shards=shards, slices=slices, seed=seed, generations=0, rows={})


def member_mark(key: bytes, member: str) -> str:
    """Give a member's mark, 32 hexadecimal digits."""
    return _mac(key, b"licet plan member v1\0" + member.encode())[: 2 * MARK]


def record_mark(key: bytes, record: str) -> str:
    """Give a record's mark, 32 hexadecimal digits."""
    return _mac(key, b"licet plan record v1\0" + record.encode())[: 2 * MARK]


def content_mark(key: bytes, example: Example) -> str:
    """Give the salted digest of all that an example holds, 64 hexadecimal digits."""
    parts: list[Value] = [example.member, example.record, example.text, example.label]
    return _mac(key, b"licet plan content v1\0" + canonical(parts))


def _mac(key: bytes, said: bytes) -> str:
    # A forgetting marks every member of the data: beginning from the key once is a third faster.
    mac = _keyed(key).copy()
    mac.update(said)
    return mac.hexdigest()


@lru_cache(maxsize=2)
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def join(plan: Plan, buckets: Mapping[str, int]) -> Plan:
    """Append one generation of members, given as mark and bucket; known members stay where they are.

    Raises:
        UsageError: a bucket is none of the plan's.
    """
    if any(not 0 <= bucket < plan.slices for bucket in buckets.values()):
        raise UsageError("a bucket lies outside the plan's slices", f"use 0 to {plan.slices - 1}")
    generation = plan.generations
    new = {
        mark: Slice(generation=generation, bucket=bucket) for mark, bucket in buckets.items() if mark not in plan.rows
    }
    return replace(plan, generations=generation + 1, rows={**plan.rows, **new})


def leave(plan: Plan, marks: Iterable[str]) -> Plan:
    """Give the plan without some members; no other row changes."""
    gone = set(marks)
    return replace(plan, rows={mark: place for mark, place in plan.rows.items() if mark not in gone})


def plan_bytes(plan: Plan) -> bytes:
    """Write a plan as canonical JSON: marks by generation and bucket, sorted."""
    generations: list[list[list[Value]]] = [[[] for _ in range(plan.slices)] for _ in range(plan.generations)]
    for mark in sorted(plan.rows):
        place = plan.rows[mark]
        generations[place.generation][place.bucket].append(mark)
    return canonical(
        {
            "type": TYPE,
            "shards": plan.shards,
            "slices": plan.slices,
            "seed": plan.seed,
            "generations": [[*buckets] for buckets in generations],
        }
    )


def plan_digest(plan: Plan) -> str:
    """Give the SHA-256 of a plan's canonical bytes, in hexadecimal."""
    return hashlib.sha256(plan_bytes(plan)).hexdigest()


@lru_cache(maxsize=2)
def read_plan(written: bytes) -> Plan:
    """Read a plan.

    Raises:
        InputError: it is none, or not in canonical form.
    """
    try:
        said = json.loads(written)
        plan = _plan(said)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("this is no plan", "make one: licet train plan") from error
    if plan_bytes(plan) != written:
        raise InputError("the plan is not in canonical form", "restore the file that licet wrote")
    return plan


def _plan(said: dict[str, Any]) -> Plan:
    if said["type"] != TYPE:
        raise ValueError(said["type"])
    rows = {
        bytes.fromhex(mark).hex(): place
        for generation, buckets in enumerate(said["generations"])
        for bucket, marks in enumerate(buckets)
        for place in [Slice(generation=generation, bucket=bucket)]
        for mark in marks
    }
    return Plan(
        shards=int(said["shards"]),
        slices=int(said["slices"]),
        seed=bytes.fromhex(said["seed"]).hex(),
        generations=len(said["generations"]),
        rows=rows,
    )
