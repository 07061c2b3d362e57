"""The hybrid generator: a frozen public transformer mixed with integer n-gram counts of public text and of members.

Members are only in the counts, so they leave as they leave an n-gram model: by subtraction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from licet.protocol.attestation import Value
from licet.train.algebra import Floats, Tensors
from licet.train.ngram import BESIDE, SHARE, Counting, NgramModel, Ngrams, count_ngrams, tokens_of
from licet.train.public_base import PublicBase
from licet.train.quality import bits_per_token
from licet.train.rows import Row
from licet.train.tokens import EOS, PublicTokenizer
from licet.train.totals import Totals
from licet.train.transformer import Transformer


class Generator(Protocol):
    """Anything that gives probabilities of tokens."""

    def score(self, post: NDArray[np.uint16]) -> Floats:
        """Give the probability of each token of a post, and of its end, after those before it."""

    def after(self, context: Sequence[int]) -> Floats:
        """Give the probabilities of every token after a context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridModel:
    """Probabilities of both parts: the base stands beside short n-grams, and longer ones that were seen outweigh it."""

    base: Transformer
    counts: NgramModel

    def score(self, post: NDArray[np.uint16]) -> Floats:
        """Give the probability of each token of a post, and of its end, after those before it: shape (tokens + 1,)."""
        return self.counts.score(post, self.base.score(post))

    def after(self, context: Sequence[int]) -> Floats:
        """Give the probabilities of every token after a context: shape (vocabulary,)."""
        return self.counts.after(context, self.base.after(context))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrid(Counting):
    """The learner: as n-grams, but the tables begin with the counts of public text."""

    public: PublicBase

    @property
    def kind(self) -> str:
        """Name the learner."""
        return "hybrid"

    def frozen(self) -> dict[str, Value]:
        """Give what n-grams freeze, the base's digest, the public text's and the mixture."""
        counted = Ngrams(tokenizer=self.public.tokenizer).frozen()
        return counted | {
            "kind": self.kind,
            "base": self.public.digest,
            "public_text": self.public.texts_digest,
            "base_share": f"{SHARE} below order {BESIDE}",
        }

    def encode(self, text: str) -> bytes:
        """Give the text's tokens, two bytes each."""
        return Ngrams(tokenizer=self.public.tokenizer).encode(text)

    def start(self) -> Totals:
        """Count the n-grams of the public text."""
        return Totals(sparse=count_ngrams([self.public.tokenizer.encode(text) for text in self.public.texts]))

    def quality(self, tensors: Tensors, rows: Sequence[Row]) -> float:
        """Measure how well a model does on one row or more."""
        return bits_per_token(self.model(tensors), [tokens_of(row) for row in rows])

    def model(self, tensors: Tensors) -> HybridModel:
        """Give the generator that tables and base make."""
        return HybridModel(base=self.public.transformer, counts=NgramModel.of(tensors))


def log2_probability(model: Generator, tokenizer: PublicTokenizer, text: str) -> float:
    """Give the base-2 logarithm of the probability that a post is exactly this text."""
    return float(np.log2(model.score(tokenizer.encode(text))).sum())


def bits_per_byte(model: Generator, tokenizer: PublicTokenizer, texts: Sequence[str]) -> float:
    """Give how many bits the model needs for a byte of the texts, on average; less is better."""
    bits = -sum(log2_probability(model, tokenizer, text) for text in texts)
    return bits / sum(len(text.encode()) for text in texts)


def generate(
    model: Generator, tokenizer: PublicTokenizer, seed: int, start: str = "", sharpness: float = 1.0, longest: int = 60
) -> str:
    """Draw a post that begins in a given way; the same seed gives the same post.

    Above 1, `sharpness` draws likely tokens more often than the model has it.
    """
    drawn = np.random.default_rng(seed)
    tokens = tokenizer.encode(start).tolist()
    while len(tokens) < longest:
        likely = model.after(tokens) ** sharpness
        token = int(drawn.choice(len(likely), p=likely / likely.sum()))
        if token == EOS:
            break
        tokens.append(token)
    return tokenizer.decode(tokens)
