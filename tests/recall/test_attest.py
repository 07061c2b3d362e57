"""An attestation counts only if the facts bear it out; what does not is refused by name and kept."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from debts import Debts
from recipient import Recipient, receiving

from licet.model.errors import NotFound, UsageError
from licet.model.recalls import State
from licet.model.records import Table
from licet.protocol.attestation import Attestation, Refusal, canonical, key_id_of, public_bytes, read_attestation, sign
from licet.recall.attest import judge_all
from licet.store import attestations
from licet.store.database import reading, transaction
from licet.store.house import House


@pytest.fixture
def debts(any_house: House) -> Debts:
    """A house with a license whose posts were delivered, and rows that left since."""
    made = Debts(any_house)
    made.license()
    made.deliver()
    return made


@pytest.fixture
def signer(debts: Debts) -> Iterator[Recipient]:
    """A recipient with a registered key."""
    with receiving(debts.clock) as one:
        debts.register(one)
        yield one


def signed(debts: Debts, signer: Recipient, name: str, **changes: object) -> Attestation:
    """Give a good attestation of a recall, but for some changes, signed."""
    recall = debts.recall(name)
    tables = [{"table": str(each.table), "version": each.version} for each in recall.departures]
    said = {"recall_id": name, "license_id": recall.license_id, "tables": tables}
    good = read_attestation(canonical(signer.attest(said, debts.clock())))
    return read_attestation(canonical(sign(replace(good.statement, **changes), signer.key)))  # type: ignore[arg-type]


def hand_in(debts: Debts, name: str, attestation: Attestation) -> str:
    """Write an attestation down as if the server had let it pass, have it judged, and give the verdict."""
    with transaction(debts.house.database) as conn:
        attestations.receive(conn, debts.recall(name), attestation, debts.clock())
    judge_all(debts.house, debts.clock())
    with reading(debts.house.database) as conn:
        kept = {each.attestation.digest: each for each in attestations.attestations_of(conn, name)}
    return kept[attestation.digest].verdict


def test_a_good_attestation_is_accepted_and_kept_whole(debts: Debts, signer: Recipient) -> None:
    name = debts.withdraw()
    debts.chase()
    sent = signed(debts, signer, name, models=("gpt-acme",))
    assert hand_in(debts, name, sent) == attestations.ACCEPTED
    with reading(debts.house.database) as conn:
        (kept,) = attestations.attestations_of(conn, name)
    assert kept.attestation == sent
    signer.key.public_key().verify(kept.attestation.signature, kept.attestation.signed)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"recall_id": "acme-1.999"}, Refusal.WRONG_RECALL),
        ({"license_id": "other-1"}, Refusal.WRONG_LICENSE),
        ({"versions": {"posts": 0}}, Refusal.WRONG_VERSION),
        ({"versions": {"posts": 2}}, Refusal.WRONG_VERSION),
        ({"versions": {"likes": 1}}, Refusal.WRONG_VERSION),
        ({"versions": {"posts": 1, "messages": 1}}, Refusal.WRONG_VERSION),
        ({"key_id": "k_0"}, Refusal.UNKNOWN_KEY),
    ],
)
def test_what_the_facts_speak_against_is_refused_by_name(
    debts: Debts, signer: Recipient, changes: dict[str, object], verdict: Refusal
) -> None:
    name = debts.withdraw()
    debts.chase()
    assert hand_in(debts, name, signed(debts, signer, name, **changes)) == verdict
    debts.chase()
    assert debts.state(name) is State.OPEN


def test_a_statement_from_the_future_or_before_the_recall_is_refused(debts: Debts, signer: Recipient) -> None:
    name = debts.withdraw()
    debts.chase()
    for by, verdict in (
        (timedelta(minutes=6), Refusal.FROM_THE_FUTURE),
        (timedelta(minutes=-6), Refusal.BEFORE_THE_RECALL),
        (timedelta(minutes=4), attestations.ACCEPTED),
    ):
        assert hand_in(debts, name, signed(debts, signer, name, issued_at=debts.clock() + by)) == verdict


def test_a_statement_of_an_earlier_recall_does_not_settle_a_later_one(debts: Debts, signer: Recipient) -> None:
    first, second = debts.withdraw(), debts.withdraw()
    debts.chase()
    sent = signed(debts, signer, first)
    assert hand_in(debts, first, sent) == attestations.ACCEPTED
    assert hand_in(debts, second, sent) == Refusal.WRONG_RECALL


def test_a_signature_of_somebody_else_or_over_something_else_is_refused(debts: Debts, signer: Recipient) -> None:
    name = debts.withdraw()
    debts.chase()
    good = signed(debts, signer, name)
    stranger = Ed25519PrivateKey.generate()
    forged = replace(good, signature=stranger.sign(good.signed))
    assert hand_in(debts, name, forged) == Refusal.BAD_SIGNATURE
    other = signed(debts, signer, name, models=("another",))
    moved = read_attestation(
        canonical({"statement": other.statement.value(), "signature": base64.b64encode(good.signature).decode()})
    )
    assert hand_in(debts, name, moved) == Refusal.BAD_SIGNATURE


def test_a_key_that_is_revoked_before_the_verdict_is_not_believed(debts: Debts, signer: Recipient) -> None:
    name, later = debts.withdraw(), debts.withdraw()
    debts.chase()
    assert hand_in(debts, name, signed(debts, signer, name)) == attestations.ACCEPTED
    with transaction(debts.house.database) as conn:
        attestations.revoke_key(conn, "acme", key_id_of(signer.public_key), debts.clock())
        with pytest.raises(UsageError):
            attestations.register_key(conn, "acme", signer.public_key, debts.clock())
    assert hand_in(debts, later, signed(debts, signer, later)) == Refusal.REVOKED_KEY
    debts.chase()
    assert [debts.state(each) for each in (name, later)] == [State.CLOSED, State.OPEN]


def test_another_recipients_key_attests_nothing(debts: Debts, signer: Recipient) -> None:
    name = debts.withdraw()
    debts.license("other-1", "other")
    debts.chase()
    stranger = Ed25519PrivateKey.generate()
    with transaction(debts.house.database) as conn:
        key_id = attestations.register_key(conn, "other", public_bytes(stranger), debts.clock())
    good = signed(debts, signer, name, key_id=key_id)
    assert hand_in(debts, name, read_attestation(canonical(sign(good.statement, stranger)))) == Refusal.UNKNOWN_KEY


def test_what_is_settled_is_not_settled_again(debts: Debts, signer: Recipient) -> None:
    name = debts.withdraw()
    debts.attest(signer, name)
    debts.chase()
    debts.chase()
    steps = debts.steps(name)
    assert hand_in(debts, name, signed(debts, signer, name, models=("another",))) == Refusal.NOTHING_OWED
    debts.chase()
    assert debts.steps(name) == steps
    with reading(debts.house.database) as conn:
        again = attestations.attestations_of(conn, name)[0].attestation
        assert attestations.claim_of(conn, debts.recall(name), again).on_record


def test_more_than_was_asked_may_be_attested(debts: Debts, signer: Recipient) -> None:
    name = debts.withdraw("acme-1", Table.POSTS, Table.LIKES)
    debts.withdraw("acme-1", Table.POSTS)
    debts.chase()
    assert hand_in(debts, name, signed(debts, signer, name, versions={"posts": 1})) == Refusal.WRONG_VERSION
    assert hand_in(debts, name, signed(debts, signer, name, versions={"posts": 2, "likes": 1})) == "accepted"


def test_keys_are_listed_with_their_ends(debts: Debts, signer: Recipient) -> None:
    with transaction(debts.house.database) as conn:
        assert attestations.register_key(conn, "acme", signer.public_key, debts.clock()) == key_id_of(signer.public_key)
        with pytest.raises(NotFound):
            attestations.register_key(conn, "nobody", signer.public_key, debts.clock())
        with pytest.raises(NotFound):
            attestations.revoke_key(conn, "acme", "k_0", debts.clock())
        attestations.revoke_key(conn, "acme", key_id_of(signer.public_key), debts.clock())
        attestations.revoke_key(conn, "acme", key_id_of(signer.public_key), debts.clock() + timedelta(days=1))
    with reading(debts.house.database) as conn:
        (key,) = attestations.keys_of(conn, "acme")
    assert (key.at, key.revoked) == (debts.clock(), debts.clock())
