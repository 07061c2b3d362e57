"""What forgetting is not: gradient ascent on a finished model; and two ways to bring back what it hid."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from licet.train.determinism import pin_torch
from licet.train.examples import Example
from licet.train.learners.modules import IGNORED, load_into, state_of, token_batches
from licet.train.learners.torch_gpt import ByteGpt
from licet.train.tensors import State

LEVELS: Final = 7
"""Steps on each side of zero in four bits."""


def ascend(state: State, module: ByteGpt, examples: Sequence[Example], *, rate: float, epochs: int) -> State:
    """Raise a model's loss on examples by plain gradient steps, as approximate unlearning does."""
    pin_torch(0)
    load_into(module, state)
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=rate)
    context = module.position.num_embeddings
    for inputs, targets, _ in list(token_batches(examples, context, 8)) * epochs:
        loss = functional.cross_entropy(module(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        optimizer.zero_grad()
        (-loss).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
    return state_of(module)


def four_bits(state: State) -> State:
    """Round every matrix to 15 levels by row, as quantization to four bits does, and widen it again."""
    return {name: _rounded(array) if array.ndim > 1 else array for name, array in state.items()}


def _rounded(array: NDArray[Any]) -> NDArray[Any]:
    scale = np.abs(array).max(axis=1, keepdims=True) / LEVELS
    scale[scale == 0] = 1
    found: NDArray[Any] = (np.round(array / scale) * scale).astype(array.dtype)
    return found
