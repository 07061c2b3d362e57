"""What data is worth to a model: a learning curve, and each member's exact KNN-Shapley value. Pure, plain numpy.

Shapley values of K nearest neighbors have a closed form (Jia et al., 2019, "Efficient task-specific data valuation for
nearest neighbor algorithms"), so nothing is sampled and nothing is trained again.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Vectors: TypeAlias = npt.NDArray[np.float32]

BUCKETS: Final = 1 << 16
"""Into how many features the curve's model hashes words and pairs of words."""
WIDTH: Final = 512
"""Length of the vectors between which neighbors are looked for."""
BLOCK: Final = 64
"""Test posts whose distances to everything are held in memory at a time."""
SMOOTHING: Final = 0.5
HELD_OUT: Final = 0.2
"""The part of the members whose posts a model is tested on and never trained on."""
Z: Final = 1.96
"""Standard errors on either side that make 95%."""
_WORD: Final = re.compile(r"\w+|[^\w\s]")
Told: TypeAlias = Callable[[int], None]
"""Called with how much was done since the last call."""


def _silent(_: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """Labeled posts: whose each is (a number a member), its label (a number a class), and its text."""

    owners: Ints
    labels: Ints
    texts: Sequence[str]

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self.texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The accuracy with so many posts or members: its mean over all splits, and half the width of its 95% band."""

    size: int
    accuracy: float
    band: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How accuracy grows with posts or members, and what the last doubling added, with its 95% band."""

    points: tuple[Point, ...]
    gain: float
    gain_band: float
    chance: float
    """The accuracy of always naming the commonest class."""

    @property
    def still_helps(self) -> bool:
        """Tell whether the last doubling helped by more than chance explains."""
        return self.gain > self.gain_band


def _hashes(text: str) -> list[int]:
    words = _WORD.findall(text.lower())
    pairs = (f"{first} {second}" for first, second in pairwise(words))
    return [zlib.crc32(each.encode()) for each in (*words, *pairs)]


@dataclass(frozen=True, slots=True)
class _Bag:
    """Hashed features of posts, one after the other; `starts` has where each post's begin, and the end."""

    features: Ints
    starts: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> "_Bag":
        hashed = [_hashes(text) or [0] for text in texts]  # an empty text has one feature of its own
        starts = np.cumsum([0, *map(len, hashed)], dtype=np.int64)
        flat = np.fromiter((each for one in hashed for each in one), dtype=np.int64, count=int(starts[-1]))
        return cls(flat, starts)

    def rows(self, which: Ints) -> tuple[Ints, Ints]:
        """Give the features of some posts and, for each feature, the place of its post among them."""
        lengths = self.starts[which + 1] - self.starts[which]
        places = np.repeat(np.arange(len(which)), lengths)
        offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.features[np.repeat(self.starts[which], lengths) + offsets], places


def learning_curve(
    posts: Posts, *, by_members: bool, splits: int, sizes: int, seed: int, told: Told = _silent
) -> Curve:
    """Train naive Bayes on ever more posts (or members), in halves of halves, and test it on other members' posts.

    Each of the splits draws anew who is held out and in which order the others come.
    """
    bag, classes = _Bag.of(posts.texts), int(posts.labels.max()) + 1
    runs, chances = [], []
    for rng in np.random.default_rng(seed).spawn(splits):
        order, tests, bounds = _split(posts, rng, by_members=by_members, sizes=sizes)
        runs.append(list(_accuracies(bag, posts.labels, classes, order, tests, [end for _, end in bounds])))
        chances.append(np.bincount(posts.labels[tests]).max() / len(tests))
        units = [unit for unit, _ in bounds]
        told(1)
    found = np.array(runs)
    gains = found[:, -1] - found[:, -2] if found.shape[1] > 1 else np.zeros(splits)
    points = (
        Point(size=n, accuracy=float(each.mean()), band=_band(each)) for n, each in zip(units, found.T, strict=True)
    )
    return Curve(points=tuple(points), gain=float(gains.mean()), gain_band=_band(gains), chance=float(np.mean(chances)))


def _band(values: Floats) -> float:
    return float(Z * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _split(
    posts: Posts, rng: np.random.Generator, *, by_members: bool, sizes: int
) -> tuple[Ints, Ints, list[tuple[int, int]]]:
    """Give training posts in their order, test posts, and the sizes: how many units, and how many posts that is."""
    members = rng.permutation(np.unique(posts.owners))
    held = members[: max(1, int(len(members) * HELD_OUT))]
    is_test = np.isin(posts.owners, held)
    tests, training = np.flatnonzero(is_test), np.flatnonzero(~is_test)
    if not by_members:
        order = rng.permutation(training)
        units = _halved(len(order), sizes)
        return order, tests, [(n, n) for n in units]
    rank = np.empty(int(members.max()) + 1, dtype=np.int64)
    rank[members] = np.arange(len(members))
    order = training[np.argsort(rank[posts.owners[training]], kind="stable")]
    ends = np.cumsum(np.bincount(rank[posts.owners[order]], minlength=len(members))[len(held) :])
    return order, tests, [(n, int(ends[n - 1])) for n in _halved(len(members) - len(held), sizes)]


def _halved(most: int, sizes: int) -> list[int]:
    found = [most]
    while len(found) < sizes and found[-1] > 1:
        found.append(found[-1] // 2)
    return found[::-1]


def _accuracies(
    bag: _Bag, labels: Ints, classes: int, order: Ints, tests: Ints, ends: Sequence[int]
) -> Iterator[float]:
    counts, seen = np.zeros((classes, BUCKETS)), np.zeros(classes)
    features, places = bag.rows(tests)
    features %= BUCKETS
    start = 0
    for end in ends:
        fresh = order[start:end]
        hashed, at = bag.rows(fresh)
        np.add.at(counts, (labels[fresh][at], hashed % BUCKETS), 1.0)
        seen += np.bincount(labels[fresh], minlength=classes)
        start = end
        rates = np.log(counts + SMOOTHING) - np.log(counts.sum(axis=1, keepdims=True) + SMOOTHING * BUCKETS)
        scores = np.stack([np.bincount(places, weights=rate[features], minlength=len(tests)) for rate in rates], axis=1)
        scores += np.log(seen + SMOOTHING)
        yield float((scores.argmax(axis=1) == labels[tests]).mean())


def vectors(texts: Sequence[str]) -> Vectors:
    """Give each text as a vector of length 1: hashed, signed counts of words and pairs of words, rare ones heavier."""
    bag = _Bag.of(texts)
    rows = np.repeat(np.arange(len(texts)), np.diff(bag.starts))
    place, sign = bag.features % WIDTH, np.where((bag.features >> 20) & 1, 1.0, -1.0)
    _, which, times = np.unique(bag.features, return_inverse=True, return_counts=True)
    weight = sign * np.log((1 + len(texts)) / times)[which]
    found = np.zeros((len(texts), WIDTH), dtype=np.float32)
    np.add.at(found, (rows, place), weight.astype(np.float32))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return (found / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def knn_shapley(
    train: Vectors,
    labels: Ints,
    tests: Vectors,
    test_labels: Ints,
    k: int,
    told: Callable[[int], None] = lambda _: None,
) -> Floats:
    """Give the exact Shapley value of each training post for the accuracy of K nearest neighbors on the test posts.

    They sum to that accuracy (the mean share of neighbors with the right label); of equally near posts the first
    counts as nearer.
    """
    count = len(labels)
    values = np.zeros(count)
    steps = np.minimum(k, np.arange(1, count)) / np.arange(1, count) / k
    for start in range(0, len(tests), BLOCK):
        block = tests[start : start + BLOCK]
        order = np.argsort(-(block @ train.T), axis=1, kind="stable")
        right = (labels[order] == test_labels[start : start + BLOCK, None]).astype(np.float64)
        shares = np.empty_like(right)
        shares[:, -1] = right[:, -1] * min(k, count) / (k * count)
        differences = (right[:, :-1] - right[:, 1:]) * steps
        shares[:, :-1] = shares[:, -1:] + np.cumsum(differences[:, ::-1], axis=1)[:, ::-1]
        np.add.at(values, order.ravel(), shares.ravel())
        told(len(block))
    return values / len(tests)


def member_values(
    posts: Posts, *, k: int, most_tests: int, seed: int, told: Callable[[int], None] = lambda _: None
) -> Floats:
    """Give each member's value: the sum of their posts', over two halves of the members that test each other.

    Each half's values are for the accuracy on at most so many posts of the other half.
    """
    rng = np.random.default_rng(seed)
    members = np.unique(posts.owners)
    first = np.isin(posts.owners, rng.permutation(members)[: len(members) // 2])
    found, placed = np.zeros(int(members.max()) + 1), vectors(posts.texts)
    for half in (first, ~first):
        train, rest = np.flatnonzero(half), np.flatnonzero(~half)
        tests = rng.permutation(rest)[:most_tests]
        values = knn_shapley(placed[train], posts.labels[train], placed[tests], posts.labels[tests], k, told)
        np.add.at(found, posts.owners[train], values)
    return found
