"""An answer is given again for a moment, and never once it could be another."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import Response

from licet.server import kept
from licet.server.kept import Kept

NOW = datetime(2025, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUERY = "/shares/acme-2025/schemas/licensed/tables/posts/query"


class Maker:
    """Makes answers and counts them."""

    def __init__(self, size: int = 1) -> None:
        """Make answers of so many bytes."""
        self.size = size
        self.times = 0

    def __call__(self) -> Response:
        self.times += 1
        return Response(b"x" * self.size)


def test_an_answer_is_made_once_while_it_lasts() -> None:
    answers, make = Kept(MINUTE), Maker()
    for second in (0, 30, 59):
        answers.answer("name", NOW + timedelta(seconds=second), make)
    assert make.times == 1


@pytest.mark.parametrize("seconds", [60, 3600, -1])
def test_it_is_made_anew_when_its_time_is_over_or_the_clock_goes_back(seconds) -> None:
    answers, make = Kept(MINUTE), Maker()
    for at in (NOW, NOW + timedelta(seconds=seconds)):
        answers.answer("name", at, make)
    assert make.times == 2


def test_answers_take_no_more_room_than_they_may(monkeypatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 100)
    answers, make = Kept(MINUTE), Maker(40)
    for name in ("a", "b", "a", "c", "a"):  # c takes the place of b, which was longest unasked
        answers.answer(name, NOW, make)
    assert make.times == 3
    answers.answer("b", NOW, make)
    assert make.times == 4
    answers.answer("huge", NOW, Maker(1000))
    assert answers._bytes <= 100


def test_a_refusal_is_not_kept() -> None:
    answers = Kept(MINUTE)

    def refuse() -> Response:
        raise ValueError("refused")

    for _ in range(2):
        with pytest.raises(ValueError, match="refused"):
            answers.answer("name", NOW, refuse)


def addresses(client: httpx.Client, **said: object) -> bytes:
    answer = client.post(QUERY, **{"json": {}} | said)
    assert answer.status_code == 200
    return answer.content


def test_a_query_is_answered_with_the_same_addresses_for_a_moment(scene, recipient) -> None:
    first = addresses(recipient)
    scene.now += timedelta(seconds=59)
    assert addresses(recipient) == first
    scene.now += timedelta(seconds=1)
    assert addresses(recipient) != first


def test_another_question_manner_or_version_has_its_own_answer(scene, recipient) -> None:
    asked = [
        {},
        {"json": {"limitHint": 1}},
        {"json": {"maxFiles": 1}},
        {"headers": {"delta-sharing-capabilities": "responseformat=delta"}},
        {"headers": {"fileidhash": "delta"}},
        {"headers": {"host": "elsewhere.example"}},
    ]
    told = [addresses(recipient, **each) for each in asked]
    assert len(set(told)) == len(asked)
    scene.commit({1: 1})
    assert addresses(recipient) not in told
