"""The public tokenizer: byte-level pairs learned from public text alone, then frozen."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BITS: Final = 11
"""Bits that one token takes in a packed key."""
VOCABULARY: Final = 1 << BITS
BOS: Final = VOCABULARY - 2
"""Stands before the first token of a post."""
EOS: Final = VOCABULARY - 1
"""Stands after the last token of a post."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTokenizer:
    """Text to token numbers below `BOS`, and back without loss."""

    tokenizer: Tokenizer
    digest: str

    @classmethod
    def of(cls, body: str) -> "PublicTokenizer":
        """Read a tokenizer from the JSON that `learn_tokenizer` gives."""
        return cls(tokenizer=Tokenizer.from_str(body), digest=hashlib.sha256(body.encode()).hexdigest())

    def encode(self, text: str) -> NDArray[np.uint16]:
        """Give the tokens of a text."""
        return np.array(self.tokenizer.encode(text).ids, np.uint16)

    def decode(self, tokens: Iterable[int]) -> str:
        """Give the text of tokens; bytes that are no whole character become a replacement mark."""
        return str(self.tokenizer.decode([int(token) for token in tokens if token < BOS]))


def learn_tokenizer(texts: Iterable[str]) -> str:
    """Learn a byte-level tokenizer from public texts and give it as JSON.

    Every byte has a token, so nothing is ever unknown.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BOS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str())
