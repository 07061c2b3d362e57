"""The learners by algebra, by name, and again from what was frozen of one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from licet.model.errors import InputError, Refused, UsageError
from licet.protocol.attestation import Value, canonical
from licet.train.algebra import Algebra
from licet.train.bayes import NaiveBayes
from licet.train.hybrid import Hybrid
from licet.train.ngram import Ngrams
from licet.train.public_base import PublicFolder
from licet.train.ridge import Ridge

SKETCHED: Final = 1024
"""Features of a text sketch, where one is asked for."""


def _ridge(labels: Sequence[str], *, encoded: bool, sketched: int) -> Ridge:
    return Ridge(labels=tuple(labels), encoded=encoded, sketched=sketched)


MADE: Final[Mapping[str, Callable[[Sequence[str], PublicFolder], Algebra]]] = {
    "ridge": lambda labels, _: _ridge(labels, encoded=True, sketched=0),
    "ridge-sketch": lambda labels, _: _ridge(labels, encoded=False, sketched=SKETCHED),
    "ridge-both": lambda labels, _: _ridge(labels, encoded=True, sketched=SKETCHED),
    "bayes": lambda labels, _: NaiveBayes(labels=tuple(labels)),
    "hybrid": lambda _, public: Hybrid(public=public.base()),
    "ngram": lambda _, public: Ngrams(tokenizer=public.tokenizer()),
}
"""How each learner is made from labels and the folder of public parts."""
WITHOUT_LABELS: Final = frozenset({"ngram", "hybrid"})


def make_algebra(name: str, labels: Sequence[str], public: PublicFolder) -> Algebra:
    """Make a learner.

    Raises:
        UsageError: labels are missing, stand twice, or are given to a learner that has none.
    """
    if name in WITHOUT_LABELS and labels:
        raise UsageError(f"`{name}` learns no labels", "leave --labels out")
    if name not in WITHOUT_LABELS and (len(labels) < 2 or len(set(labels)) != len(labels)):  # noqa: PLR2004 # a choice
        raise UsageError("a classifier needs two or more labels, fixed beforehand", "name them: --labels bad,good")
    return MADE[name](labels, public)


def same_algebra(frozen: Mapping[str, Value], public: PublicFolder) -> Algebra:
    """Make the learner that was frozen.

    Raises:
        InputError: it names a learner that is unknown here.
        Refused: a public part is not the one that was frozen.
    """
    said = frozen.get("labels", [])
    labels = [str(label) for label in said] if isinstance(said, list) else []
    name = str(frozen.get("kind"))
    if name == "ridge":
        learner: Algebra = _ridge(labels, encoded=bool(frozen["encoder"]), sketched=int(str(frozen["sketched"])))
    elif name in MADE:
        learner = MADE[name](labels, public)
    else:
        raise InputError("the learner is unknown to this version", "use the version of licet that trained it")
    if canonical(learner.frozen()) != canonical(dict(frozen)):
        raise Refused(
            "a public part or the code differs from what was frozen",
            "use the packages and the licet that trained the model",
        )
    return learner
