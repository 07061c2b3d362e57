"""What a learner is: a pure step from a state and a slice's examples to the next state."""

import ast
import hashlib
import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from licet.model.errors import UsageError
from licet.protocol.attestation import Value, canonical
from licet.train.examples import Example
from licet.train.tensors import State

Settings: TypeAlias = Mapping[str, str]
"""A learner's settings; numbers are written as text, so that they have one form."""

Probabilities: TypeAlias = NDArray[np.float64]
"""Shape (positions, outcomes): at each position of an example the probability of each outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where in the plan a step stands; all randomness follows from `seed`, 63 bits."""

    shard: int
    generation: int
    bucket: int
    seed: int


class Origin(StrEnum):
    """What something global was fitted on."""

    CONSTANT = "constant"
    PUBLIC = "public"
    MEMBERS = "members"


@dataclass(frozen=True, slots=True, kw_only=True)
class Global:
    """Something that every shard uses: a tokenizer, a vocabulary, an encoder, a base; and where it came from."""

    name: str
    origin: Origin
    digest: str = ""
    """SHA-256 of its bytes, where it has any."""


class Learner(Protocol):
    """Trains a state on one slice; keeps nothing between calls, for only the state is checkpointed."""

    def globals(self) -> Sequence[Global]:
        """Name all that is used in every shard and is no state."""

    def init(self, seed: int) -> State:
        """Give the state that every shard begins with."""

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Give the state after one slice; a function of its arguments only."""

    def predict(self, state: State, examples: Sequence[Example]) -> list[Probabilities]:
        """Give each example's probabilities."""

    def targets(self, examples: Sequence[Example]) -> list[NDArray[np.int64]]:
        """Give the outcome that happened at each position of each example."""


LEARNERS: Final[Mapping[str, str]] = {
    "torch-head": "licet.train.learners.torch_head:TorchHead",
    "torch-gpt": "licet.train.learners.torch_gpt:TorchGpt",
    "sklearn-head": "licet.train.learners.sklearn_head:SklearnHead",
    "ridge-head": "licet.train.learners.ridge_head:RidgeHead",
    "hf-trainer": "licet.train.learners.hf_trainer:HfTrainer",
    "peft-lora": "licet.train.learners.peft_lora:PeftLora",
}
"""Ready learners by name; any other is named `package.module:Class` and made from its settings."""
LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = {
    "hf-trainer": ("transformers", "accelerate"),
    "peft-lora": ("transformers", "peft"),
}
"""Packages on which a ready learner's bytes depend beside those that every environment names."""
ALWAYS: Final = ("licet.train.chain_worker", "licet.train.chain_manifest")
"""Modules whose code decides what every learner is given."""


def find_learner(name: str, settings: Settings) -> Learner:
    """Make a learner by name.

    Raises:
        UsageError: there is no such learner, or it takes no such setting.
    """
    factory = _factory(name)
    try:
        made: Learner = factory(settings)
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(f"the learner `{name}` does not take these settings: {error}", "see its settings") from error
    return made


def code_digest(name: str) -> str:
    """Give the SHA-256 of a learner's source and, for ours, of the modules of this package that it uses."""
    seen: dict[str, str] = {}
    for module in (_factory(name).__module__, *ALWAYS):
        importlib.import_module(module)
        _sources(module, seen)
    entries: list[Value] = [[module, digest] for module, digest in sorted(seen.items())]
    return hashlib.sha256(canonical(entries)).hexdigest()


def libraries_of(name: str) -> tuple[str, ...]:
    """Name the packages beside those of every environment on which a ready learner's bytes depend, however named."""
    ready = {LEARNERS[short]: packages for short, packages in LIBRARIES.items()}
    return ready.get(LEARNERS.get(name, name), ())


def source_of(name: str) -> str:
    """Give the source of the module that a learner is defined in."""
    return inspect.getsource(sys.modules[_factory(name).__module__])


def check_settings(settings: Settings, known: Mapping[str, str]) -> dict[str, str]:
    """Give all settings, the defaults where none is given.

    Raises:
        UsageError: a setting has no meaning.
    """
    strange = sorted(set(settings) - set(known))
    if strange:
        raise UsageError(f"there is no setting `{strange[0]}`", f"known: {', '.join(sorted(known))}")
    return {**known, **settings}


def labels_of(settings: Settings) -> list[str]:
    """Give the labels that a classifier tells apart: a constant of the settings, never read off the members' data.

    Raises:
        UsageError: fewer than two.
    """
    labels = [label for label in settings["labels"].split(",") if label]
    if len(set(labels)) < 2 or len(set(labels)) != len(labels):  # noqa: PLR2004 # two classes make a question
        raise UsageError("a classifier needs two labels or more", "set labels=negative,neutral,positive")
    return labels


def _factory(name: str) -> Any:  # noqa: ANN401 # a class of the caller's own
    module, _, member = LEARNERS.get(name, name).partition(":")
    try:
        found = getattr(importlib.import_module(module), member) if member else None
    except ImportError as error:
        remedy = f"install what it needs: {error.name or error}"
        raise UsageError(f"the learner `{name}` cannot be loaded", remedy) from error
    except AttributeError:
        found = None
    if found is None:
        known = ", ".join(LEARNERS)
        raise UsageError(f"there is no learner `{name}`", f"use {known} or package.module:Class")
    return found


def _sources(module: str, seen: dict[str, str]) -> None:
    """Collect the digest of a module's source and of every module of the same top package that it uses."""
    if module in seen:
        return
    loaded = sys.modules[module]
    source = inspect.getsource(loaded)
    seen[module] = hashlib.sha256(source.encode()).hexdigest()
    package = module.partition(".")[0]
    for value in vars(loaded).values():
        origin = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(origin, str) and origin.partition(".")[0] == package and origin in sys.modules:
            _sources(origin, seen)
    for name in _imported_late(source):
        if name.partition(".")[0] == package:
            importlib.import_module(name)
            _sources(name, seen)


def _imported_late(source: str) -> set[str]:
    """Name the modules that functions import when they are called."""
    tree = ast.parse(source)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    inside = (node for function in functions for node in ast.walk(function))
    return {node.module for node in inside if isinstance(node, ast.ImportFrom) and node.module and not node.level}
