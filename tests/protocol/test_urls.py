"""Signed addresses and passes open exactly what they name."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from licet.protocol.urls import (
    SIGNATURE,
    FileClaim,
    file_path,
    file_signature,
    form_token,
    is_form_token,
    is_signed,
    opened,
    seal,
)

SECRET = b"s" * 32
claims = st.builds(
    FileClaim,
    license_id=st.text(),
    table=st.text(),
    version=st.integers(0, 9),
    file=st.text(),
    expires=st.integers(0, 9),
)


@given(claims, claims)
def test_a_signature_opens_its_own_claim_only(one, other) -> None:
    assert is_signed(SECRET, one, file_signature(SECRET, other)) == (one == other)


def test_a_signature_of_another_house_opens_nothing() -> None:
    claim = FileClaim(license_id="l", table="posts", version=1, file="f", expires=1)
    assert not is_signed(SECRET, claim, file_signature(b"t" * 32, claim))
    assert not is_signed(SECRET, replace(claim, expires=2), file_signature(SECRET, claim))


def test_an_address_carries_the_parameter_that_clients_know() -> None:
    claim = FileClaim(license_id="l", table="posts", version=1, file="f", expires=7)
    query = parse_qs(urlsplit(file_path(SECRET, claim)).query)
    assert query == {"expires": ["7"], SIGNATURE: [file_signature(SECRET, claim)]}
    assert SIGNATURE == "X-Amz-Signature"


@given(st.text(), st.text())
def test_a_form_token_is_good_for_its_session_only(session, other) -> None:
    token = form_token(SECRET, session)
    assert is_form_token(SECRET, session, token)
    assert is_form_token(SECRET, other, token) == (session == other)
    assert not is_form_token(b"t" * 32, session, token)


@given(st.text())
def test_a_token_that_cannot_be_read_is_none(value) -> None:
    assert opened(SECRET, "use", value) is None
    assert not is_form_token(SECRET, "session", value)


@given(st.text(), st.dictionaries(st.text(), st.one_of(st.text(), st.integers())))
def test_a_token_holds_what_was_put_in_and_opens_for_its_use_only(use, said) -> None:
    token = seal(SECRET, use, said)
    assert opened(SECRET, use, token) == said
    assert opened(SECRET, use + "x", token) is None
    assert opened(b"t" * 32, use, token) is None
    body, _, signature = token.partition(".")
    assert opened(SECRET, use, f"{body}A.{signature}") is None
    assert opened(SECRET, use, body) is None


@given(st.one_of(st.text(), st.text(alphabet=st.characters(categories=["Cs"])), st.just("e30.é")))
def test_a_token_that_cannot_be_read_holds_nothing(token) -> None:
    assert opened(SECRET, "page", token) is None
