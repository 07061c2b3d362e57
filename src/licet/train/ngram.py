"""A language model of integer n-gram counts with Witten-Bell smoothing, which has no constant that could be fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from licet.model.errors import InputError, IntegrityError
from licet.protocol.attestation import Value
from licet.train.algebra import Floats, Tensors
from licet.train.quality import BITS_PER_TOKEN, bits_per_token
from licet.train.rows import Row
from licet.train.tokens import BITS, BOS, EOS, VOCABULARY, PublicTokenizer
from licet.train.totals import NOTHING, Counts, Integers, Seen, Totals

ORDERS: Final = 5
"""The longest n-gram: five tokens of eleven bits are one 64-bit key."""


def count_ngrams(posts: Sequence[NDArray[np.uint16]]) -> dict[str, Counts]:
    """Count the n-grams of every order; each post is padded by itself, so none crosses two posts."""
    if not posts:
        return {table_name(order): NOTHING for order in range(1, ORDERS + 1)}
    pad, end = np.full(ORDERS - 1, BOS, np.uint16).tobytes(), np.array([EOS], np.uint16).tobytes()
    joined = pad + (end + pad).join(post.tobytes() for post in posts) + end
    stream = np.frombuffer(joined, np.uint16).astype(np.int64)
    lengths = np.array([len(post) + ORDERS for post in posts])
    place = np.arange(len(stream)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ends = np.flatnonzero(place >= ORDERS - 1)
    return {table_name(order): Counts.of(_keys(stream, ends, order)) for order in range(1, ORDERS + 1)}


def _keys(stream: Integers, ends: NDArray[np.intp], order: int) -> Integers:
    keys = np.zeros(len(ends), np.int64)
    for back in range(order):
        keys |= stream[ends - back] << (BITS * back)
    return keys


def table_name(order: int) -> str:
    """Name the table of the n-grams of one length."""
    return f"order{order}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NgramModel:
    """Probabilities from tables of counts; context totals are sums over the tables, never kept."""

    tables: Mapping[int, Counts]

    @classmethod
    def of(cls, tensors: Tensors) -> "NgramModel":
        """Take the tables from a model's tensors."""
        orders = {
            order: Counts(keys=tensors[f"{table_name(order)}.keys"], counts=tensors[f"{table_name(order)}.counts"])
            for order in range(1, ORDERS + 1)
        }
        return cls(tables=orders)

    def score(self, post: NDArray[np.uint16]) -> Floats:
        """Give the probability of each token of a post, and of its end, after those before it: shape (tokens + 1,)."""
        stream = np.concatenate([np.full(ORDERS - 1, BOS, np.int64), post.astype(np.int64), [EOS]])
        ends = np.arange(ORDERS - 1, len(stream))
        found: Floats = np.full(len(ends), 1 / VOCABULARY)
        for order, table in self.tables.items():
            keys = _keys(stream, ends, order)
            low = np.searchsorted(table.keys, keys >> BITS << BITS)
            high = np.searchsorted(table.keys, ((keys >> BITS) + 1) << BITS)
            at = np.minimum(np.searchsorted(table.keys, keys), max(len(table.keys) - 1, 0))
            hits = np.where(table.keys[at] == keys, table.counts[at], 0) if len(table.keys) else np.zeros(len(keys))
            kinds, seen = high - low, _range_sums(table.counts, low, high)
            found = np.where(kinds > 0, (hits + kinds * found) / np.maximum(seen + kinds, 1), found)
        return found

    def after(self, context: Sequence[int]) -> Floats:
        """Give the probabilities of every token after a context: shape (vocabulary,)."""
        past = [BOS] * (ORDERS - 1) + list(context)
        found: Floats = np.full(VOCABULARY, 1 / VOCABULARY)
        for order, table in self.tables.items():
            start = 0
            for token in past[len(past) - order + 1 :]:
                start = start << BITS | token
            low, high = np.searchsorted(table.keys, [start << BITS, (start + 1) << BITS])
            if high > low:
                counts = table.counts[low:high]
                share = 1 / (int(counts.sum()) + int(high - low))
                found = found * (int(high - low) * share)
                found[table.keys[low:high] & (VOCABULARY - 1)] += counts * share
        return found


def _range_sums(counts: Seen, low: NDArray[np.intp], high: NDArray[np.intp]) -> Integers:
    starts, back = np.unique(low, return_inverse=True)
    ends = np.zeros(len(starts), high.dtype)
    np.maximum.at(ends, back, high)
    sums = [int(counts[start:end].sum()) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return np.array(sums, np.int64)[back]


class Counting:
    """What learners have in common whose model is the tables of the n-grams that were counted."""

    __slots__ = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Give no labels: text is all that is learned."""
        return ()

    def added(self, rows: Sequence[Row]) -> Totals:
        """Count the n-grams of rows."""
        return Totals(sparse=count_ngrams([tokens_of(row) for row in rows]))

    def check(self, totals: Totals) -> None:
        """Check that every order counts as many n-grams as the others, and none less than once.

        Raises:
            IntegrityError: one does not.
        """
        sums = {int(table.counts.sum()) for table in totals.sparse.values()}
        if len(sums) != 1 or any(table.counts.min(initial=1) <= 0 for table in totals.sparse.values()):
            raise IntegrityError("n-gram tables of different orders disagree", "fit the model again")

    def finish(self, totals: Totals) -> Tensors:
        """Give the tables: they are what the model knows of members."""
        return totals.arrays()

    @property
    def measure(self) -> str:
        """Name how well a model does is measured."""
        return BITS_PER_TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Ngrams(Counting):
    """The learner: a post adds the counts of its own n-grams."""

    tokenizer: PublicTokenizer

    @property
    def kind(self) -> str:
        """Name the learner."""
        return "ngram"

    def frozen(self) -> dict[str, Value]:
        """Give the orders, the smoothing and the tokenizer's digest."""
        return {
            "kind": self.kind,
            "orders": ORDERS,
            "smoothing": "witten-bell, interpolated down to the uniform distribution",
            "tokenizer": self.tokenizer.digest,
        }

    def encode(self, text: str) -> bytes:
        """Give the text's tokens, two bytes each."""
        return self.tokenizer.encode(text).astype("<u2").tobytes()

    def start(self) -> Totals:
        """Give empty tables."""
        return Totals(sparse=count_ngrams([]))

    def quality(self, tensors: Tensors, rows: Sequence[Row]) -> float:
        """Measure how well a model does on one row or more."""
        return bits_per_token(NgramModel.of(tensors), [tokens_of(row) for row in rows])


def tokens_of(row: Row) -> NDArray[np.uint16]:
    """Give the tokens that a row keeps.

    Raises:
        InputError: the row was kept by another learner.
    """
    if len(row.payload) % 2:
        raise InputError("a row is not of a language model", "fit again into an empty store")
    return np.frombuffer(row.payload, "<u2").astype(np.uint16)
