"""The leak lint: nothing that every shard uses may be fitted on members' data, or forgetting one shard is not enough.

Two nets. Learners name what they share and where it came from, and a run whose tokenizer, vocabulary, IDF, quantizer,
normalizer or stopping rule came from members is refused by name; and a learner's source is searched for calls that
fit such things. What both miss is found by `canary`: train with and without one member and compare every artifact.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from licet.model.errors import Refused
from licet.train.learner import Origin, Settings, find_learner, source_of

FITTED: Final[Mapping[str, str]] = {
    "TfidfVectorizer": "IDF weights",
    "TfidfTransformer": "IDF weights",
    "CountVectorizer": "a vocabulary",
    "DictVectorizer": "a vocabulary",
    "build_vocab": "a vocabulary",
    "train_from_iterator": "a tokenizer",
    "train_new_from_iterator": "a tokenizer",
    "SentencePieceTrainer": "a tokenizer",
    "BpeTrainer": "a tokenizer",
    "StandardScaler": "a normalizer",
    "MinMaxScaler": "a normalizer",
    "RobustScaler": "a normalizer",
    "QuantileTransformer": "a quantizer",
    "KBinsDiscretizer": "a quantizer",
    "IndexIVFPQ": "a quantizer",
    "IndexIVFFlat": "a quantizer",
    "PCA": "a projection",
    "TruncatedSVD": "a projection",
    "EarlyStoppingCallback": "early stopping",
    "EarlyStopping": "early stopping",
    "load_best_model_at_end": "early stopping",
    "early_stopping": "early stopping",
    "group_by_length": "an order of batches",
}
"""Names whose use fits something on the examples they are given, and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Something in a learner's source that is fitted on members' data."""

    line: int
    name: str
    what: str


def leaks_in(source: str) -> list[Leak]:
    """Find uses of what is fitted on examples in a learner's source; setting such an option to False is no use."""
    return sorted(_leaks(ast.parse(source)), key=lambda leak: (leak.line, leak.name))


def check_source(learner: str) -> None:
    """Refuse a learner whose source fits something global.

    Raises:
        Refused: it does; the message names it.
    """
    found = leaks_in(source_of(learner))
    if found:
        leak = found[0]
        raise Refused(
            f"`{learner}` line {leak.line}: `{leak.name}` fits {leak.what} on members' data",
            "fit it on public text, or use a constant",
        )


def check_globals(learner: str, settings: Settings) -> None:
    """Refuse a learner that shares something fitted on members' data between shards.

    Raises:
        Refused: it does; the message names it.
    """
    for each in find_learner(learner, settings).globals():
        if each.origin is Origin.MEMBERS:
            raise Refused(
                f"`{each.name}` was fitted on members' data and is used in every shard",
                "fit it on public text, or use a constant",
            )


def _leaks(tree: ast.AST) -> Iterator[Leak]:
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.Name):
            name = node.id
        elif isinstance(node, ast.Attribute):
            name = node.attr
        elif isinstance(node, ast.keyword) and not (isinstance(node.value, ast.Constant) and not node.value.value):
            name = node.arg or ""
        if name in FITTED:
            yield Leak(line=getattr(node, "lineno", 0), name=name, what=FITTED[name])
