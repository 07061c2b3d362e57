"""Learners over made-up posts."""

from collections.abc import Iterator

import pytest
from encoded import LABELS

from licet.train.algebra import Algebra
from licet.train.bayes import NaiveBayes
from licet.train.chain_workers import Workers
from licet.train.hybrid import Hybrid
from licet.train.ngram import Ngrams
from licet.train.public_base import PublicFolder
from licet.train.ridge import Ridge
from licet.train.tokens import PublicTokenizer, learn_tokenizer

PUBLIC = ["the quick brown fox jumps over the lazy dog", "we know what we are, but not what we may be"] * 3


@pytest.fixture(scope="session")
def tokenizer() -> PublicTokenizer:
    """A tokenizer learned from two public sentences."""
    return PublicTokenizer.of(learn_tokenizer(PUBLIC))


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> PublicFolder:
    """A public base learned from the two sentences."""
    root = tmp_path_factory.mktemp("public")
    (root / "public.txt").write_text("\n".join(PUBLIC))
    return PublicFolder(root=root)


@pytest.fixture(scope="session")
def learners(tokenizer: PublicTokenizer, public: PublicFolder) -> dict[str, Algebra]:
    """Every kind of learner by algebra, small."""
    return {
        "bayes": NaiveBayes(labels=LABELS),
        "ridge": Ridge(labels=LABELS, encoded=False, sketched=12),
        "ngram": Ngrams(tokenizer=tokenizer),
        "hybrid": Hybrid(public=public.base()),
    }


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """One worker process for all chains: what a slice gives does not depend on what the process did before."""
    with Workers(1) as started:
        yield started
