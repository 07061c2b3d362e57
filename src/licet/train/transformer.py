"""A small causal transformer over the public tokenizer: the frozen base of the hybrid generator."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn

from licet.train.algebra import Floats
from licet.train.environment import one_thread
from licet.train.tokens import BOS, EOS, VOCABULARY

WIDTH: Final = 128
HEADS: Final = 4
LAYERS: Final = 3
CONTEXT: Final = 128
"""Tokens that it looks back at most."""
BATCH: Final = 16
WINDOW: Final = 16
"""Batches over which pieces are sorted by length."""
EPOCHS: Final = 3
RATE: Final = 2e-3
IGNORED: Final = -100
"""Marks places that teach nothing."""


class Transformer(nn.Module):
    """Three layers, some 0.9 million weights; the word embedding is also the output."""

    def __init__(self) -> None:
        """Draw fresh weights from torch's generator."""
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(CONTEXT, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.normal_(self.places.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give logits of shape (batch, length, vocabulary) for tokens of shape (batch, length)."""
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        hidden = self.words(tokens) + self.places(torch.arange(length))
        return nn.functional.linear(self.layers(hidden, mask=mask, is_causal=True), self.words.weight)

    def score(self, post: NDArray[np.uint16]) -> Floats:
        """Give the probability of each token of a post, and of its end, after those before it: shape (tokens + 1,).

        A post longer than the context is read in pieces, each from its own beginning.
        """
        stream = [*post.tolist(), EOS]
        pieces = [stream[first : first + CONTEXT] for first in range(0, len(stream), CONTEXT)]
        with one_thread(), torch.inference_mode():
            found = [self._likelihood(piece) for piece in pieces]
        return np.concatenate(found)

    def _likelihood(self, piece: Sequence[int]) -> Floats:
        logits = self(torch.tensor([[BOS, *piece[:-1]]]))[0].double()
        likely = logits.softmax(-1)[torch.arange(len(piece)), torch.tensor(piece)]
        return np.asarray(likely.numpy(), np.float64)

    def after(self, context: Sequence[int]) -> Floats:
        """Give the probabilities of every token after a context: shape (vocabulary,)."""
        with one_thread(), torch.inference_mode():
            logits = self(torch.tensor([[BOS, *context][-CONTEXT:]]))[0, -1].double()
            return np.asarray(logits.softmax(-1).numpy(), np.float64)

    def dump(self) -> bytes:
        """Give the weights as safetensors."""
        return save({name: tensor.contiguous() for name, tensor in self.state_dict().items()})


def load_transformer(body: bytes) -> Transformer:
    """Read what `dump` gave."""
    found = Transformer()
    found.load_state_dict(load(body))
    return found.eval()


def new_transformer(seed: int) -> Transformer:
    """Draw a transformer from a seed, without moving torch's own generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Transformer()


def teach(
    model: Transformer,
    posts: Sequence[NDArray[np.uint16]],
    epochs: int,
    rate: float,
    step: Callable[[int], None] = lambda _: None,
) -> Transformer:
    """Train on posts, each from its own beginning; on one thread and in an order from a seed, so bytes repeat."""
    pieces = [piece for post in posts for piece in _pieces(post)]
    total = epochs * math.ceil(len(pieces) / BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(total, 2))
    generator = torch.Generator().manual_seed(0)
    model.train()
    with one_thread():
        for _ in range(epochs):
            for batch in _batches(pieces, generator):
                _learn(model, optimizer, batch)
                schedule.step()
                step(1)
    return model.eval()


def _batches(pieces: Sequence[list[int]], generator: torch.Generator) -> Iterator[list[list[int]]]:
    """Give batches in a drawn order, those of a window sorted by length: less is padded, so less is computed."""
    order = torch.randperm(len(pieces), generator=generator).tolist()
    for first in range(0, len(order), BATCH * WINDOW):
        window = sorted((pieces[place] for place in order[first : first + BATCH * WINDOW]), key=len)
        yield from (window[start : start + BATCH] for start in range(0, len(window), BATCH))


def steps_of(posts: Sequence[NDArray[np.uint16]], epochs: int) -> int:
    """Give how many steps `teach` makes."""
    return epochs * math.ceil(sum(len(_pieces(post)) for post in posts) / BATCH)


def _pieces(post: NDArray[np.uint16]) -> list[list[int]]:
    stream = [*post.tolist(), EOS]
    return [stream[first : first + CONTEXT] for first in range(0, len(stream), CONTEXT)]


def _learn(model: Transformer, optimizer: torch.optim.Optimizer, batch: Sequence[Sequence[int]]) -> None:
    longest = max(map(len, batch))
    inputs = torch.full((len(batch), longest), EOS)
    targets = torch.full((len(batch), longest), IGNORED)
    for place, piece in enumerate(batch):
        inputs[place, : len(piece)] = torch.tensor([BOS, *piece[:-1]])
        targets[place, : len(piece)] = torch.tensor(piece)
    optimizer.zero_grad(set_to_none=True)
    loss = nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
    loss.backward()  # type: ignore[no-untyped-call] # as torch declares it
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
