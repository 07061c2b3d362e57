"""LoRA adapters by `peft` on a frozen base: only the adapter's tensors are a state."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

from licet.train.determinism import pin_torch
from licet.train.examples import Example
from licet.train.learner import Context, Global, Origin, Probabilities, Settings, check_settings
from licet.train.learners.hf_trainer import KNOWN as KNOWN_OF_BASE
from licet.train.learners.hf_trainer import predict_with, small_gpt2
from licet.train.learners.modules import device_of, token_batches, token_targets
from licet.train.tensors import State

KNOWN: Final = {**KNOWN_OF_BASE, "rank": "4", "alpha": "8", "base_seed": "1"}
"""Settings: the base's size and the seed its frozen weights are drawn from, the adapter's rank, and training."""


class PeftLora:
    """The learner `peft-lora`: AdamW over the adapter, begun anew in each slice."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings."""
        self._settings = check_settings(settings, KNOWN)
        self._context = int(self._settings["context"])

    def globals(self) -> Sequence[Global]:
        """Name the base and the byte vocabulary."""
        seed = self._settings["base_seed"]
        return [
            Global(name=f"base drawn from seed {seed}", origin=Origin.CONSTANT),
            Global(name="vocabulary of bytes", origin=Origin.CONSTANT),
        ]

    def init(self, seed: int) -> State:
        """Give an adapter drawn from the seed, which changes nothing yet."""
        return _state(self._module(seed))

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Give the adapter after the slice's epochs."""
        module = self._with(state).to(device_of())
        pin_torch(context.seed)
        module.train()
        weights = [each for each in module.parameters() if each.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=float(self._settings["rate"]))
        batches = list(token_batches(examples, self._context, int(self._settings["batch"])))
        for inputs, targets, mask in batches * int(self._settings["epochs"]):
            logits = module(input_ids=inputs.to(device_of()), attention_mask=mask.to(device_of())).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.to(device_of()).flatten())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
            optimizer.step()
        return _state(module)

    def predict(self, state: State, examples: Sequence[Example]) -> list[Probabilities]:
        """Give at each byte of each example the probabilities of the 257 tokens."""
        return predict_with(self._with(state), examples, self._context)

    def targets(self, examples: Sequence[Example]) -> list[NDArray[np.int64]]:
        """Give each example's bytes."""
        return token_targets(examples, self._context)

    def _with(self, state: State) -> Any:  # noqa: ANN401 # peft's own class
        module = self._module(0)
        set_peft_model_state_dict(module, {name: torch.from_numpy(np.array(a)) for name, a in state.items()})
        return module

    def _module(self, seed: int) -> Any:  # noqa: ANN401 # peft's own class
        pin_torch(int(self._settings["base_seed"]))
        base = small_gpt2(self._settings)
        pin_torch(seed)
        config = LoraConfig(
            r=int(self._settings["rank"]),
            lora_alpha=int(self._settings["alpha"]),
            target_modules=["c_attn"],
            fan_in_fan_out=True,
        )
        return get_peft_model(base, config)


def _state(module: Any) -> State:  # noqa: ANN401 # peft's own class
    tensors = get_peft_model_state_dict(module)
    return {name: np.array(tensor.detach().cpu().numpy()) for name, tensor in tensors.items()}
