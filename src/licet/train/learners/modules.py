"""Torch modules as states and back, and batches of byte tokens."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from licet.train.examples import Example
from licet.train.learner import Probabilities
from licet.train.tensors import State

BEGIN: Final = 256
"""The token before the first byte."""
VOCABULARY: Final = 257
"""256 bytes and the beginning: a tokenizer that nobody's posts could have changed."""
IGNORED: Final = -100
"""The target of padding, as torch's cross entropy has it."""


def state_of(module: torch.nn.Module) -> State:
    """Copy a module's tensors into a state; bfloat16 widens to float32, which holds each of its values."""
    return {name: _array(tensor) for name, tensor in module.state_dict().items()}


def load_into(module: torch.nn.Module, state: State) -> None:
    """Copy a state into a module whose tensors have the same names and shapes."""
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in state.items()}
    module.load_state_dict(tensors)


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    plain = tensor.detach().cpu()
    if plain.dtype == torch.bfloat16:
        plain = plain.float()
    copied: NDArray[Any] = np.array(plain.numpy())
    return copied


def device_of() -> torch.device:
    """Give the accelerator where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def tokens_of(text: str, context: int) -> list[int]:
    """Give a text's bytes after the beginning token, cut to `context` bytes; one byte at least."""
    return [BEGIN, *(text.encode("utf-8", "replace")[:context] or b" ")]


def token_batches(
    examples: Sequence[Example], context: int, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Give inputs, targets and masks of shape (batch, positions), in the order given; padding's target is `IGNORED`."""
    for at in range(0, len(examples), size):
        rows = [tokens_of(example.text, context) for example in examples[at : at + size]]
        longest = max(len(row) for row in rows) - 1
        inputs = torch.zeros((len(rows), longest), dtype=torch.long)
        targets = torch.full((len(rows), longest), IGNORED, dtype=torch.long)
        for n, row in enumerate(rows):
            inputs[n, : len(row) - 1] = torch.tensor(row[:-1])
            targets[n, : len(row) - 1] = torch.tensor(row[1:])
        yield inputs, targets, (targets != IGNORED).long()


def token_targets(examples: Sequence[Example], context: int) -> list[NDArray[np.int64]]:
    """Give each example's bytes as the outcomes that happened."""
    return [np.array(tokens_of(example.text, context)[1:], dtype=np.int64) for example in examples]


def probabilities_of(logits: torch.Tensor, mask: torch.Tensor) -> list[Probabilities]:
    """Give the probabilities at each example's own positions from logits of shape (batch, positions, outcomes)."""
    chances = torch.softmax(logits.double(), dim=-1).cpu().numpy()
    return [np.asarray(row[: int(kept)], dtype=np.float64) for row, kept in zip(chances, mask.sum(dim=1), strict=True)]
