"""A small GPT over bytes: the ready generator of a chain, from its beginning or from a frozen public base."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load
from torch.nn import functional

from licet.model.errors import IntegrityError
from licet.train.determinism import pin_torch
from licet.train.examples import Example
from licet.train.learner import Context, Global, Origin, Probabilities, Settings, check_settings
from licet.train.learners.modules import (
    IGNORED,
    VOCABULARY,
    device_of,
    load_into,
    probabilities_of,
    state_of,
    token_batches,
    token_targets,
)
from licet.train.tensors import State

KNOWN: Final = {
    "width": "64",
    "layers": "2",
    "heads": "2",
    "context": "96",
    "batch": "8",
    "rate": "0.001",
    "epochs": "1",
    "base": "",
    "base_digest": "",
}
"""Settings: the transformer's size, the bytes read of a post, training; `base` is a file of public weights."""


class _Block(torch.nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = torch.nn.LayerNorm(width)
        self.queries = torch.nn.Linear(width, 3 * width)
        self.mixed = torch.nn.Linear(width, width)
        self.after = torch.nn.LayerNorm(width)
        self.wide = torch.nn.Linear(width, 4 * width)
        self.narrow = torch.nn.Linear(4 * width, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        batch, positions, width = hidden.shape
        split = self.queries(self.before(hidden)).view(batch, positions, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.mixed(seen.transpose(1, 2).reshape(batch, positions, width))
        widened: torch.Tensor = self.narrow(functional.gelu(self.wide(self.after(hidden))))
        return hidden + widened


class ByteGpt(torch.nn.Module):
    """A decoder-only transformer; logits of shape (batch, positions, 257)."""

    def __init__(self, width: int, layers: int, heads: int, context: int) -> None:
        """Draw the first weights from torch's generator."""
        super().__init__()
        self.token = torch.nn.Embedding(VOCABULARY, width)
        self.position = torch.nn.Embedding(context, width)
        self.blocks = torch.nn.ModuleList([_Block(width, heads) for _ in range(layers)])
        self.last = torch.nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
                torch.nn.init.normal_(module.weight, std=0.02)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Give the logits of the next byte at each position."""
        hidden = self.token(inputs) + self.position(torch.arange(inputs.shape[1], device=inputs.device))
        for block in self.blocks:
            hidden = block(hidden)
        logits: torch.Tensor = functional.linear(self.last(hidden), self.token.weight)
        return logits


class TorchGpt:
    """The learner `torch-gpt`: AdamW begun anew in each slice, a linear warm-up and fall within it."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings."""
        self._settings = check_settings(settings, KNOWN)
        self._context = int(self._settings["context"])
        self._batch = int(self._settings["batch"])

    def globals(self) -> Sequence[Global]:
        """Name the byte vocabulary, and the base where there is one."""
        vocabulary = Global(name="vocabulary of bytes", origin=Origin.CONSTANT)
        if not self._settings["base"]:
            return [vocabulary]
        return [vocabulary, Global(name="base", origin=Origin.PUBLIC, digest=self._settings["base_digest"])]

    def init(self, seed: int) -> State:
        """Give the base's weights, or weights drawn from the seed.

        Raises:
            IntegrityError: the base is not the one that the settings name.
        """
        if self._settings["base"]:
            written = Path(self._settings["base"]).read_bytes()
            if hashlib.sha256(written).hexdigest() != self._settings["base_digest"]:
                raise IntegrityError("the base's bytes are not those of `base_digest`", "give the base that was fitted")
            return load(written)
        pin_torch(seed)
        return state_of(self._module())

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Give the state after the slice's epochs."""
        pin_torch(context.seed)
        module = self._module()
        load_into(module, state)
        module.to(device_of()).train()
        batches = list(token_batches(examples, self._context, self._batch)) * int(self._settings["epochs"])
        optimizer = torch.optim.AdamW(module.parameters(), lr=float(self._settings["rate"]), betas=(0.9, 0.95))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, len(batches)))
        for inputs, targets, _ in batches:
            logits = module(inputs.to(device_of()))
            loss = functional.cross_entropy(
                logits.flatten(0, 1), targets.to(device_of()).flatten(), ignore_index=IGNORED
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        return state_of(module)

    def predict(self, state: State, examples: Sequence[Example]) -> list[Probabilities]:
        """Give at each byte of each example the probabilities of the 257 tokens."""
        module = self._module()
        load_into(module, state)
        module.eval()
        found: list[Probabilities] = []
        with torch.no_grad():
            for inputs, _, mask in token_batches(examples, self._context, 32):
                found += probabilities_of(module(inputs), mask)
        return found

    def targets(self, examples: Sequence[Example]) -> list[NDArray[np.int64]]:
        """Give each example's bytes."""
        return token_targets(examples, self._context)

    def _module(self) -> ByteGpt:
        width, layers, heads = (int(self._settings[name]) for name in ("width", "layers", "heads"))
        return ByteGpt(width, layers, heads, self._context)


def _pace(step: int, steps: int) -> float:
    """Rise over the first tenth of a slice, then fall to a tenth: a function of the slice only."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else 1 - 0.9 * (step - warm) / max(1, steps - warm)
