"""A state, a mapping of names to arrays, as the one byte string that stands for it (safetensors, never pickle)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from licet.model.errors import IntegrityError, UsageError
from licet.protocol.attestation import Value, canonical

State: TypeAlias = Mapping[str, NDArray[Any]]
"""Arrays by name; a bfloat16 tensor is kept as float32, which holds each of its values."""

KINDS = frozenset("fiub")
"""Kinds of array that have one byte string: floats, integers, booleans."""


def state_digest(state: State) -> str:
    """Give the SHA-256 of a state's names, types, shapes and bytes, in hexadecimal."""
    whole = hashlib.sha256()
    for name in sorted(state):
        array = state[name]
        if array.dtype.kind not in KINDS or array.dtype.byteorder == ">":
            raise UsageError(f"the tensor `{name}` is {array.dtype}, which has no one form", "use floats or integers")
        whole.update(canonical([name, array.dtype.name, list(array.shape)]))
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def tensor_digests(state: State) -> dict[str, str]:
    """Give the SHA-256 of each tensor's bytes, in hexadecimal, by name."""
    return {name: hashlib.sha256(np.ascontiguousarray(state[name]).tobytes()).hexdigest() for name in sorted(state)}


def checkpoint_bytes(state: State, saw: Mapping[str, Value]) -> bytes:
    """Write a state and what it saw; equal states that saw the same give equal bytes."""
    header = canonical({**saw, "tensors": state_digest(state)}).decode()
    arrays = {name: np.ascontiguousarray(state[name]) for name in sorted(state)}
    # One entry only: safetensors writes several in an order of its own.
    return save(arrays, metadata={"licet": header})


def read_checkpoint(written: bytes) -> tuple[State, dict[str, Any]]:
    """Read a state and what it saw.

    Raises:
        IntegrityError: the bytes are damaged.
    """
    try:
        length = int.from_bytes(written[:8], "little")
        header = json.loads(json.loads(written[8 : 8 + length])["__metadata__"]["licet"])
        state = load(written)
        whole = header["tensors"] == state_digest(state)
    except Exception as error:  # safetensors raises a class of its own for each kind of damage
        raise IntegrityError("a checkpoint cannot be read", "delete it and run licet train fit again") from error
    if not whole:
        raise IntegrityError("a checkpoint is damaged", "delete it and run licet train fit again")
    return state, header


def mean_state(states: Sequence[State]) -> State:
    """Average states tensor by tensor: float64 sums in the order given, cast back to each tensor's type.

    Raises:
        UsageError: there are none, their shapes differ, or integers differ, which have no mean.
    """
    if not states or any(set(state) != set(states[0]) for state in states):
        raise UsageError("the states to average do not hold the same tensors", "train them with one learner")
    merged: dict[str, NDArray[Any]] = {}
    for name, first in states[0].items():
        arrays = [state[name] for state in states]
        if any(array.shape != first.shape or array.dtype != first.dtype for array in arrays):
            raise UsageError(f"the tensor `{name}` differs in shape", "aggregate by probabilities")
        merged[name] = _mean(name, arrays)
    return merged


def _mean(name: str, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    first = arrays[0]
    if first.dtype.kind != "f":
        if any(not np.array_equal(first, array) for array in arrays):
            raise UsageError(f"the integers of `{name}` differ and have no mean", "aggregate by probabilities")
        return first
    total = np.zeros(first.shape, dtype=np.float64)
    for array in arrays:
        total += array
    return (total / len(arrays)).astype(first.dtype)
