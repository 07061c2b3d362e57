"""Every message has its translation, with the same placeholders, and none that is left over."""

import io
import re
from datetime import UTC, date, datetime
from importlib import resources

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from starlette.requests import Request

from licet.model.money import Month
from licet.server.pages.languages import LANGUAGES, Speech, language_of

PAGES = resources.files("licet.server.pages")
OTHERS = [language for language in LANGUAGES if language != "en"]


def messages() -> set[str | tuple[str, ...]]:
    """Give every message of the templates and of the code."""
    methods = [("**.html", "jinja2"), ("**.py", "python")]
    options = {"**.html": {"trim_blocks": "true", "newstyle_gettext": "true"}}
    found = extract_from_dir(str(PAGES), methods, options, keywords={"_": None, "ngettext": (1, 2), "translated": None})
    return {message for _, _, message, _, _ in found}


def catalog(language: str) -> Catalog:
    return read_po(io.BytesIO((PAGES / "locale" / f"{language}.po").read_bytes()), locale=language)


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_is_translated_and_none_is_left_over(language) -> None:
    known = {each.id: each for each in catalog(language) if each.id}
    wanted = messages()
    assert len(wanted) > 300
    assert wanted - set(known) == set()
    assert set(known) - wanted == set()
    assert [each.id for each in known.values() if each.fuzzy or not all(_texts(each.string))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_placeholders_of_its_message(language) -> None:
    for each in catalog(language):
        names = set(re.findall(r"%\((\w+)\)s", " ".join(_texts(each.id))))
        for text in _texts(each.string) if each.id else ():
            assert set(re.findall(r"%\((\w+)\)s", text)) == names


def _texts(said: str | tuple[str, ...]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


@pytest.mark.parametrize(
    ("accept", "cookie", "language"),
    [
        ("", "", "en"),
        ("fr-CA,fr;q=0.9,en;q=0.5", "", "fr"),
        ("de,en;q=0.8,fr;q=0.9", "", "fr"),
        ("fr;q=0,en", "", "en"),
        ("fr", "en", "en"),
        ("en", "xx", "en"),
        ("fr;q=x", "", "en"),
    ],
)
def test_the_language_chosen_here_goes_before_the_browsers(accept, cookie, language) -> None:
    headers = [(b"accept-language", accept.encode()), (b"cookie", f"licet_language={cookie}".encode())]
    assert language_of(Request({"type": "http", "headers": headers})) == language


def test_days_numbers_money_and_regions_are_written_as_the_language_has_it() -> None:
    english, french = Speech(language="en"), Speech(language="fr")
    at = datetime(2025, 9, 3, 14, 5, tzinfo=UTC)
    assert (english.day(at), french.day(date(2025, 9, 3))) == ("September 3, 2025", "3 septembre 2025")
    assert (english.moment(at), french.moment(at)) == ("Sep 3, 2025, 14:05", "3 sept. 2025, 14:05")
    assert (english.number(12345), french.number(12345)) == ("12,345", "12\u202f345")
    assert english.money(5_250_000, "USD") == "5.25\xa0USD"
    assert french.money(5_250_001, "USD") == "5,250001\xa0USD"
    assert english.money(246_335_000, "USD") == "246.335\xa0USD"
    assert english.payable(5_259_999, "USD") == "5.25\xa0USD"
    assert english.money(5_000_000, "JPY") == "5\xa0JPY"
    assert (english.share(1, 8), english.share(1, 0)) == ("12.5%", "-")
    assert (french.share(1, 8), french.share(1, 0)) == ("12,5\xa0%", "-")
    assert (french.region("US-CA"), english.region("unknown")) == ("États-Unis (CA)", "Unknown region")
    assert french.month(Month(year=2025, month=8)) == "août 2025"
    assert english.size(1_234_567) == "1.2 MB"
