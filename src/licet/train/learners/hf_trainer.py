"""Hugging Face Trainer on a small GPT-2 made from a configuration; nothing is downloaded."""

import tempfile
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, SequentialSampler
from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments

from licet.train.determinism import pin_torch
from licet.train.examples import Example
from licet.train.learner import Context, Global, Origin, Probabilities, Settings, check_settings
from licet.train.learners.modules import (
    VOCABULARY,
    load_into,
    probabilities_of,
    state_of,
    token_batches,
    token_targets,
    tokens_of,
)
from licet.train.tensors import State

KNOWN: Final = {
    "width": "32",
    "layers": "2",
    "heads": "2",
    "context": "64",
    "batch": "8",
    "rate": "0.001",
    "epochs": "1",
}
"""Settings: the size of the model and the Trainer's arguments."""


def small_gpt2(settings: Settings) -> GPT2LMHeadModel:
    """Make a GPT-2 over bytes from the settings, with weights from torch's generator."""
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=int(settings["width"]),
        n_layer=int(settings["layers"]),
        n_head=int(settings["heads"]),
        n_positions=int(settings["context"]) + 1,  # the beginning stands before the first byte
        bos_token_id=VOCABULARY - 1,
        eos_token_id=VOCABULARY - 1,
        tie_word_embeddings=False,  # safetensors keeps no two names for one tensor
    )
    return GPT2LMHeadModel(config)


def predict_with(module: torch.nn.Module, examples: Sequence[Example], context: int) -> list[Probabilities]:
    """Give at each byte of each example the probabilities of the 257 tokens."""
    module.eval()
    found: list[Probabilities] = []
    with torch.no_grad():
        for inputs, _, mask in token_batches(examples, context, 32):
            found += probabilities_of(module(input_ids=inputs, attention_mask=mask).logits, mask)
    return found


class _Posts(Dataset[dict[str, torch.Tensor]]):
    """Whole posts, from the beginning to the last byte: the model itself asks each token for the one after it."""

    def __init__(self, examples: Sequence[Example], context: int) -> None:
        rows = (torch.tensor(tokens_of(example.text, context)) for example in examples)
        self._rows = [{"input_ids": row, "labels": row, "attention_mask": torch.ones_like(row)} for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self._rows[index]


class _InOrder(Trainer):  # type: ignore[misc] # transformers leaves it untyped
    """A Trainer that keeps the plan's order instead of drawing one."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:  # noqa: ANN401 # as transformers has it
        return SequentialSampler(train_dataset or self.train_dataset)


class HfTrainer:
    """The learner `hf-trainer`: a new Trainer for each slice, with `full_determinism` and no workers of its own."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings."""
        self._settings = check_settings(settings, KNOWN)
        self._context = int(self._settings["context"])

    def globals(self) -> Sequence[Global]:
        """Name the byte vocabulary."""
        return [Global(name="vocabulary of bytes", origin=Origin.CONSTANT)]

    def init(self, seed: int) -> State:
        """Give weights drawn from the seed."""
        pin_torch(seed)
        return state_of(small_gpt2(self._settings))

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Give the state after the slice's epochs."""
        module = small_gpt2(self._settings)
        load_into(module, state)
        with tempfile.TemporaryDirectory() as folder:
            trainer = _InOrder(
                model=module,
                args=self._arguments(folder, context.seed % 2**31),
                train_dataset=_Posts(examples, self._context),
                data_collator=_padded,
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        return state_of(module.cpu())

    def predict(self, state: State, examples: Sequence[Example]) -> list[Probabilities]:
        """Give at each byte of each example the probabilities of the 257 tokens."""
        module = small_gpt2(self._settings)
        load_into(module, state)
        return predict_with(module, examples, self._context)

    def targets(self, examples: Sequence[Example]) -> list[NDArray[np.int64]]:
        """Give each example's bytes."""
        return token_targets(examples, self._context)

    def _arguments(self, folder: str, seed: int) -> TrainingArguments:
        return TrainingArguments(
            output_dir=folder,
            full_determinism=True,
            seed=seed,
            data_seed=seed,
            per_device_train_batch_size=int(self._settings["batch"]),
            learning_rate=float(self._settings["rate"]),
            num_train_epochs=float(self._settings["epochs"]),
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )


def _padded(rows: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Pad rows to the longest of their batch; padding is no target."""
    fill = {"input_ids": 0, "attention_mask": 0, "labels": -100}
    return {
        name: torch.nn.utils.rnn.pad_sequence([row[name] for row in rows], batch_first=True, padding_value=value)
        for name, value in fill.items()
    }
