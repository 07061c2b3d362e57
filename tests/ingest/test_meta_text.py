"""Meta's mangled text: what was mangled is mended, and what is right stays as it is."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from licet.ingest import meta_labels as labels
from licet.ingest.meta_text import mended, mended_all

texts = st.text(st.characters(exclude_categories=["Cs"]))


def mangled(text: str) -> str:
    """Write a text as Meta's exports do."""
    return text.encode().decode("latin-1")


@given(texts)
def test_every_text_comes_back_from_its_mangled_form(text: str) -> None:
    assert mended(mangled(text)) == text


@given(texts, st.characters(min_codepoint=0x100))
def test_a_text_with_a_character_beyond_latin_1_is_right_already(text: str, beyond: str) -> None:
    assert mended(text + beyond) == text + beyond


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_a_latin_1_text_that_is_not_wholly_utf_8_is_right_already(text: str) -> None:
    try:
        text.encode("latin-1").decode()
    except UnicodeDecodeError:
        assert mended(text) == text
    else:
        assert mended(text).encode() == text.encode("latin-1")


@pytest.mark.parametrize(
    "right", ["", "plain", "é", "Søren", "naïve café", "50 °C ±1", "Ã", "Ã ", "日本語", "\ud800", "Ã©\ud800"]
)
def test_right_text_is_not_damaged(right: str) -> None:
    assert mended(right) == right


@given(st.dictionaries(texts, st.lists(texts | st.integers() | st.none(), max_size=3), max_size=4))
def test_keys_and_values_are_mended_at_every_depth(whole: dict[str, list[object]]) -> None:
    def as_exported(value: object) -> object:
        if isinstance(value, str):
            return mangled(value)
        if isinstance(value, list):
            return [as_exported(inner) for inner in value]
        return {mangled(key): as_exported(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    assert mended_all([{"in": as_exported(whole)}]) == [{"in": whole}]


def test_two_keys_that_would_become_one_both_stay() -> None:
    assert mended_all({"é": 1, "Ã©": mangled("ø")}) == {"é": 1, "Ã©": "ø"}


@given(texts)
def test_only_a_word_that_means_public_has_nothing_against_it(word: str) -> None:
    assume(labels.folded(word) not in labels._PUBLIC)
    assert labels.against(word)


@pytest.mark.parametrize("word", ["Public", "PUBLIC ", "Openbaar", "Öffentlich", "Público", "Pubblico", "EVERYONE"])
def test_public_is_understood_in_seven_languages(word: str) -> None:
    assert labels.against(word) == ""
    assert labels.against(f"not {word}") == "unknown_visibility"


def test_no_word_means_two_things() -> None:
    audiences = (labels._PUBLIC, labels._FOLLOWERS, labels._CHOSEN)
    assert len(frozenset().union(*audiences)) == sum(map(len, audiences))
    assert not labels.YES & labels.NO
    assert not labels.PRIVATE_ACCOUNT & labels.AUDIENCE
