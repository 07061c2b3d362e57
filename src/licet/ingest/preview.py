"""What an input would bring, without storing anything of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from licet.model.records import Ingested, Interaction, Skipped

SAMPLES = 10
"""Records shown of an input."""

EVERY = 1_000
"""Inputs between two calls of `progress`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Inputs by kind (repetitions not told apart), those set aside by reason, and up to `SAMPLES` of all kinds."""

    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    samples: tuple[Ingested, ...]


@dataclass(slots=True)
class _Seen:
    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[Ingested]] = field(default_factory=dict)


def preview(records: Iterable[Ingested], progress: Callable[[int], None] = lambda _: None) -> Preview:
    """Read to the end, count, and keep the first few of each kind; `progress` is told how many were read so far."""
    seen = _Seen()
    for number, item in enumerate(records, start=1):
        if number % EVERY == 0:
            progress(number)
        if isinstance(item, Skipped):
            seen.skipped[item.reason] += 1
            continue
        kind = kind_of(item)
        seen.counts[kind] += 1
        kept = seen.first.setdefault(kind, [])
        if len(kept) < SAMPLES:
            kept.append(item)
    turns = chain.from_iterable(zip_longest(*seen.first.values()))
    samples = [item for item in turns if item is not None][:SAMPLES]
    return Preview(counts=dict(seen.counts), skipped=dict(seen.skipped), samples=tuple(samples))


def kind_of(item: Ingested) -> str:
    """Name what an input is, as reports do."""
    if isinstance(item, Interaction):
        return str(item.table)
    return _KINDS[type(item).__name__]


_KINDS = {
    "Post": "posts",
    "Member": "members",
    "AccountChange": "account_changes",
    "SettingChange": "settings",
    "Deletion": "deletions",
    "Hiding": "hidden_or_shown",
    "Skipped": "set_aside",
}
