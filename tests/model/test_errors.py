"""Errors: one tree, one line, with the remedy."""

import inspect

from licet.model import errors


def test_every_error_of_ours_descends_from_one_root() -> None:
    found = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    assert len(found) > 5
    assert all(issubclass(each, errors.LicetError) for each in found)


def test_an_error_is_one_line_with_its_remedy() -> None:
    assert (
        str(errors.Refused("the license has ended", "ask for a new one")) == "the license has ended; ask for a new one"
    )
    assert str(errors.Refused("the license has ended")) == "the license has ended"


def test_what_is_not_available_says_when_to_try_again() -> None:
    assert errors.Unavailable("recall is under way", retry_after=3).retry_after == 3
