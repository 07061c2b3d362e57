"""What entries say together."""

import pytest

from licet.protocol.attestation import Value
from licet.protocol.leaves import entry_of
from licet.protocol.log_claims import SHOWN, Claims

NOTICE = ("notice", {"seq": 1, "version": "one"})
LICENSE = ("license", {"seq": 2, "license": "a", "state": "active"})
CHOICES = ("settings", {"first": 3, "last": 9, "root": "00"})


def version(n: int, as_of: int) -> tuple[str, dict[str, Value]]:
    return "version", {"license": "a", "table": "posts", "version": n, "as_of_seq": as_of}


def delivery(n: int) -> tuple[str, dict[str, Value]]:
    return "delivery", {"license": "a", "table": "posts", "version": n, "file": "part-0"}


def recall(state: str, due: str = "2025-01-02", n: int = 1) -> tuple[str, dict[str, Value]]:
    return "recall", {"recall": "a.9", "state": state, "due": due, "n": n}


def claims(*entries: tuple[str, dict[str, Value]]) -> Claims:
    found = Claims()
    for place, (kind, said) in enumerate(entries):
        found.take(place, entry_of(kind, said))
    return found


def test_a_history_that_fits_contradicts_nothing() -> None:
    found = claims(NOTICE, LICENSE, version(0, 2), CHOICES, version(1, 9), delivery(0), delivery(1), recall("closed"))
    assert (found.contradictions, found.wrong, found.last) == (0, [], 9)
    assert found.counts["delivery"] == 2


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ((LICENSE,), "entry 0 numbers facts from 2 on, after 0"),
        ((NOTICE, NOTICE), "numbers facts from 1 on, after 1"),
        ((NOTICE, version(0, 2)), "before that fact was logged"),
        ((NOTICE, version(1, 1), version(1, 1)), "version 1 of `a/posts` again"),
        ((NOTICE, LICENSE, version(0, 2), version(1, 1)), "back to how it was as of 1"),
        ((NOTICE, delivery(0)), "a version that was not logged before"),
        ((NOTICE, ("delivery", {"license": "a"})), "entry 1 cannot be read"),
        ((("settings", {"first": "x"}),), "entry 0 cannot be read"),
        ((("settings", {"first": "1", "last": "9"}),), "entry 0 cannot be read"),
        ((NOTICE, ("recall\x1b[2K", {})), "entry 1 cannot be read"),
        ((NOTICE, ("version", {**version(0, 1)[1], "table": "\x1b[2K"})), "entry 1 cannot be read"),
        ((recall("open"), recall("notified", n=3)), "step 3 of recall a.9 after step 1"),
        ((recall("open"), recall("closed", n=2), recall("notified", n=3)), "back from closed to notified"),
        ((recall("forgiven"),), "entry 0 cannot be read"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(entries: tuple[tuple[str, dict[str, Value]], ...], what: str) -> None:
    found = claims(*entries)
    assert found.contradictions == 1
    assert what in found.wrong[0]


def test_a_delivery_under_a_license_that_is_not_active_is_remarked_upon() -> None:
    suspended = ("license", {"seq": 3, "license": "a", "state": "suspended"})
    keys = ("delivery", {**delivery(0)[1], "file": "keys-0.parquet"})
    found = claims(NOTICE, LICENSE, version(0, 2), delivery(0), suspended, keys, delivery(0))
    assert found.contradictions == 0
    assert found.remarks == ["entry 6 states a delivery under `a`, which was suspended"]


def test_an_entry_that_is_no_entry_is_told() -> None:
    found = Claims()
    found.take(3, b"not json")
    assert found.wrong == ["entry 3 cannot be read"]


def test_of_very_many_contradictions_some_are_told_and_all_counted() -> None:
    found = Claims()
    for place in range(SHOWN + 5):
        found.take(place, b"")
    assert (found.contradictions, len(found.wrong)) == (SHOWN + 5, SHOWN)


def test_a_recall_is_overdue_until_it_is_settled() -> None:
    late = "2025-01-03"
    assert claims(recall("open")).overdue(late) == ["a.9"]
    assert claims(recall("open")).overdue("2025-01-01") == []
    assert claims(recall("open"), recall("attested", n=2)).overdue(late) == []
