import inspect

import pytest
from chain_world import SETTINGS

from licet.model.errors import UsageError
from licet.train.examples import Example
from licet.train.learner import LEARNERS, Context, check_settings, code_digest, find_learner, labels_of


@pytest.mark.parametrize("name", ["nothing", "no.such.module:Learner", "licet.train.learner:Nothing"])
def test_a_learner_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        find_learner(name, {})


def test_a_setting_without_meaning_is_refused() -> None:
    assert check_settings({"rate": "1"}, {"rate": "2", "epochs": "3"}) == {"rate": "1", "epochs": "3"}
    with pytest.raises(UsageError, match="no setting `speed`"):
        find_learner("sklearn-head", {"labels": "a,b", "speed": "9"})


@pytest.mark.parametrize("labels", ["", "one", "twice,twice"])
def test_labels_are_fixed_beforehand_two_or_more(labels: str) -> None:
    with pytest.raises(UsageError, match="two labels or more"):
        labels_of({"labels": labels})


def test_the_code_of_a_learner_is_a_digest_of_its_own() -> None:
    names = ("torch-head", "torch-gpt", "sklearn-head")
    assert len({code_digest(name) for name in names}) == len(names)
    assert code_digest(LEARNERS["torch-gpt"]) == code_digest("torch-gpt")


@pytest.mark.parametrize("module", ["licet.train.encoder", "licet.train.learners.encoders", "licet.train.chain_worker"])
def test_the_code_that_a_learner_uses_is_part_of_it_also_where_it_is_imported_late(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    before, read = code_digest("sklearn-head"), inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda of: read(of) + "#" * (getattr(of, "__name__", "") == module))
    assert code_digest("sklearn-head") != before


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers for it
@pytest.mark.parametrize("learner", ["torch-gpt", "hf-trainer", "peft-lora"])
def test_a_generator_learns_every_byte_of_a_post_the_last_one_and_one_alone_too(learner: str) -> None:
    made = find_learner(learner, {**SETTINGS[learner], "epochs": "30", "rate": "0.05"})
    for text in ("é?", "x", ""):
        posts = [Example(member="m", record="r", text=text)]
        before = made.init(1)
        after = made.train(before, posts, Context(shard=0, generation=0, bucket=0, seed=2))
        (first,), (then,), (said,) = made.predict(before, posts), made.predict(after, posts), made.targets(posts)
        gains = [then[place][byte] / first[place][byte] for place, byte in enumerate(said)]
        assert min(gains) > 1.1, (text, gains)
