"""A language model of integer n-gram counts with interpolated Kneser-Ney smoothing.

All that smoothing needs is computed from the counts whenever a model is opened, and kept nowhere (Kneser and Ney 1995,
"Improved backing-off for m-gram language modeling"; the interpolated form: Chen and Goodman 1999).
"""

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
BESIDE: Final = 3
"""The order below which another model's probabilities come in: longer n-grams that were seen outweigh them."""
SHARE: Final = 0.5
"""What the other model says counts there as much as what shorter n-grams say: a constant, fitted on nothing."""

_DISAGREE: Final = ("n-gram tables of different orders disagree", "fit the model again")


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
    """Of the longest n-grams, and of those that begin a post, how often they were seen; of all others, after how many
    different tokens."""
    discounts: Mapping[int, float]
    """What each order takes off each of its counts and leaves to the next shorter one."""

    @classmethod
    def of(cls, tensors: Tensors) -> "NgramModel":
        """Take the counts from a model's tensors.

        Raises:
            IntegrityError: tables of different orders were not counted from the same posts.
        """
        seen = {
            order: Counts(keys=tensors[f"{table_name(order)}.keys"], counts=tensors[f"{table_name(order)}.counts"])
            for order in range(1, ORDERS + 1)
        }
        tables = {order: _preceded(order, seen[order], seen[order + 1]) for order in range(1, ORDERS)}
        tables[ORDERS] = seen[ORDERS]
        return cls(tables=tables, discounts={order: _discount(table) for order, table in tables.items()})

    def score(self, post: NDArray[np.uint16], beside: Floats | None = None) -> Floats:
        """Give the probability of each token of a post, and of its end, after those before it: shape (tokens + 1,).

        `beside` is what another model says of the same tokens.
        """
        stream = np.concatenate([np.full(ORDERS - 1, BOS, np.int64), post.astype(np.int64), [EOS]])
        ends = np.arange(ORDERS - 1, len(stream))
        found: Floats = np.full(len(ends), 1 / VOCABULARY)
        for order, table in self.tables.items():
            found = _beside(order, found, beside)
            keys = _keys(stream, ends, order)
            low = np.searchsorted(table.keys, keys >> BITS << BITS)
            high = np.searchsorted(table.keys, ((keys >> BITS) + 1) << BITS)
            at = np.minimum(np.searchsorted(table.keys, keys), max(len(table.keys) - 1, 0))
            hits = np.where(table.keys[at] == keys, table.counts[at], 0) if len(table.keys) else np.zeros(len(keys))
            kinds, seen, less = high - low, _range_sums(table.counts, low, high), self.discounts[order]
            likely = (np.maximum(hits - less, 0) + less * kinds * found) / np.maximum(seen, 1)
            found = np.where(kinds > 0, likely, found)
        return found

    def after(self, context: Sequence[int], beside: Floats | None = None) -> Floats:
        """Give the probabilities of every token after a context, with what another model says: shape (vocabulary,)."""
        past = [BOS] * (ORDERS - 1) + list(context)
        found: Floats = np.full(VOCABULARY, 1 / VOCABULARY)
        for order, table in self.tables.items():
            found = _beside(order, found, beside)
            start = 0
            for token in past[len(past) - order + 1 :]:
                start = start << BITS | token
            low, high = np.searchsorted(table.keys, [start << BITS, (start + 1) << BITS])
            if high > low:
                counts, less = table.counts[low:high], self.discounts[order]
                seen = int(counts.sum())
                found = found * (less * int(high - low) / seen)
                found[table.keys[low:high] & (VOCABULARY - 1)] += (counts - less) / seen
        return found


def _beside(order: int, found: Floats, beside: Floats | None) -> Floats:
    return found if beside is None or order != BESIDE else SHARE * beside + (1 - SHARE) * found


def _preceded(order: int, table: Counts, longer: Counts) -> Counts:
    """Count after how many different tokens each n-gram was seen; before the first of a post there is none to count."""
    endings, kinds = np.unique(longer.keys & ((1 << BITS * order) - 1), return_counts=True)
    if not np.array_equal(endings, table.keys):
        raise IntegrityError(*_DISAGREE)
    begins = table.keys >> BITS * (order - 1) == BOS
    return Counts(keys=table.keys, counts=np.where(begins, table.counts, kinds).astype(np.int32))


def _discount(table: Counts) -> float:
    """Give the share of a count of one that is left to shorter n-grams, from how many were seen once and twice.

    Ney, Essen and Kneser 1994, with one more of each, so that a small table has a discount between 0 and 1 too.
    """
    once, twice = (int((table.counts == times).sum()) for times in (1, 2))
    return (once + 1) / (once + 2 * twice + 2)


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
            raise IntegrityError(*_DISAGREE)

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
            "smoothing": "kneser-ney, interpolated down to the uniform distribution",
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
