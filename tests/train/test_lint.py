import pytest

from licet.model.errors import Refused
from licet.train.learner import LEARNERS, Global, Origin
from licet.train.learners.sklearn_head import SklearnHead
from licet.train.lint import FITTED, check_globals, check_source, leaks_in


class WithIdf(SklearnHead):
    """A learner that says its IDF weights came from members."""

    def globals(self) -> list[Global]:
        return [Global(name="idf.json", origin=Origin.MEMBERS)]


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_ready_learners_fit_nothing_global(learner: str) -> None:
    check_source(learner)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("idf = TfidfVectorizer().fit(texts)", "TfidfVectorizer"),
        ("tokenizer.train_from_iterator(texts)", "train_from_iterator"),
        ("model = SGD(early_stopping=True)", "early_stopping"),
        ("import faiss\nindex = faiss.IndexIVFPQ(q, 8, 4)", "IndexIVFPQ"),
        ("scaler = preprocessing.StandardScaler()", "StandardScaler"),
        ("arguments = Arguments(group_by_length=yes)", "group_by_length"),
    ],
)
def test_what_is_fitted_on_examples_is_named(source: str, name: str) -> None:
    found = leaks_in(source)
    assert [leak.name for leak in found] == [name]
    assert found[0].what == FITTED[name]
    assert found[0].line == len(source.splitlines())


def test_an_option_that_is_off_is_no_leak() -> None:
    assert leaks_in("a = SGD(early_stopping=False, validation=None)\nb = HashingVectorizer()") == []


def test_a_learner_that_shares_what_members_taught_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("licet.train.learners.sklearn_head.WithIdf", WithIdf, raising=False)
    with pytest.raises(Refused, match=r"`idf\.json` was fitted on members' data"):
        check_globals("licet.train.learners.sklearn_head:WithIdf", {"labels": "good,bad"})


def test_a_learner_whose_source_fits_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("licet.train.lint.source_of", lambda _: "\nx = CountVectorizer()")
    with pytest.raises(Refused, match="line 2: `CountVectorizer` fits a vocabulary"):
        check_source("theirs")
