"""A small classifier head in PyTorch over frozen features."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from licet.train.determinism import pin_torch
from licet.train.examples import Example
from licet.train.learner import Context, Global, Probabilities, Settings, check_settings, labels_of
from licet.train.learners.encoders import encode, encoder_global, width_of
from licet.train.learners.modules import device_of, load_into, state_of
from licet.train.tensors import State

KNOWN: Final = {"labels": "", "encoder": "hash:256", "hidden": "32", "batch": "16", "rate": "0.01", "epochs": "2"}
"""Settings: the labels told apart, the frozen encoder, and training."""


class TorchHead:
    """The learner `torch-head`: two layers with dropout, AdamW begun anew in each slice."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings."""
        self._settings = check_settings(settings, KNOWN)
        self._labels = labels_of(self._settings)

    def globals(self) -> Sequence[Global]:
        """Name the encoder."""
        return [encoder_global(self._settings["encoder"])]

    def init(self, seed: int) -> State:
        """Give weights drawn from the seed."""
        pin_torch(seed)
        return state_of(self._module())

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Give the state after the slice's epochs."""
        pin_torch(context.seed)
        module = self._module()
        load_into(module, state)
        module.to(device_of()).train()
        features = self._features(examples).to(device_of())
        wanted = torch.tensor([self._labels.index(example.label) for example in examples]).to(device_of())
        optimizer = torch.optim.AdamW(module.parameters(), lr=float(self._settings["rate"]))
        size = int(self._settings["batch"])
        for _ in range(int(self._settings["epochs"])):
            for at in range(0, len(examples), size):
                loss = functional.cross_entropy(module(features[at : at + size]), wanted[at : at + size])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
                optimizer.step()
        return state_of(module)

    def predict(self, state: State, examples: Sequence[Example]) -> list[Probabilities]:
        """Give each example's probabilities, one position, an outcome per label."""
        module = self._module()
        load_into(module, state)
        module.eval()
        with torch.no_grad():
            chances = torch.softmax(module(self._features(examples)).double(), dim=-1).numpy()
        return [np.asarray(row, dtype=np.float64).reshape(1, -1) for row in chances]

    def targets(self, examples: Sequence[Example]) -> list[NDArray[np.int64]]:
        """Give each example's label as its place among the labels."""
        return [np.array([self._labels.index(example.label)], dtype=np.int64) for example in examples]

    def _features(self, examples: Sequence[Example]) -> torch.Tensor:
        return torch.from_numpy(encode(self._settings["encoder"], [example.text for example in examples]))

    def _module(self) -> torch.nn.Sequential:
        width, hidden = width_of(self._settings["encoder"]), int(self._settings["hidden"])
        return torch.nn.Sequential(
            torch.nn.Linear(width, hidden),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.1),
            torch.nn.Linear(hidden, len(self._labels)),
        )
