"""What a server says is read as the protocol means it, and never leads outside the copy's folder."""

import json
import posixpath
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import InputError, Unavailable
from licet.protocol import reading
from licet.protocol.profiles import bearer_profile, oauth_profile
from licet.protocol.reading import Bearer, OAuthClient, TableName

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def test_the_profiles_that_are_issued_are_read() -> None:
    bearer = reading.read_profile(json.dumps(bearer_profile("https://data.example/d", "secret", NOW)))
    assert bearer == Bearer(endpoint="https://data.example/d/", token="secret", expires=NOW)
    client = reading.read_profile(json.dumps(oauth_profile("https://data.example/d", "c_1", "secret")))
    assert client == OAuthClient(
        endpoint="https://data.example/d/",
        token_endpoint="https://data.example/d/oauth2/token",
        client_id="c_1",
        client_secret="secret",
        scope="delta-sharing",
    )
    assert "secret" not in repr(bearer) + repr(client)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"shareCredentialsVersion": 1, "endpoint": "file:///etc", "bearerToken": "t"}),
        json.dumps({"shareCredentialsVersion": 1, "endpoint": "https://u:p@h/", "bearerToken": "t"}),
        json.dumps({"shareCredentialsVersion": 1, "endpoint": "https://h/", "bearerToken": " "}),
        json.dumps({"shareCredentialsVersion": 1, "endpoint": "https://h/", "bearerToken": "t", "expirationTime": "x"}),
        json.dumps({"shareCredentialsVersion": 2, "type": "basic", "endpoint": "https://h/", "username": "u"}),
        json.dumps({"shareCredentialsVersion": 3, "endpoint": "https://h/", "bearerToken": "t"}),
    ],
)
def test_no_other_profile_is_taken(text: str) -> None:
    with pytest.raises(InputError) as caught:
        reading.read_profile(text)
    assert caught.value.remedy


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_no_name_leads_outside_the_folder_or_hides_there(share: str, schema: str, table: str) -> None:
    for folder in TableName(share=share, schema=schema, table=table).folders:
        assert folder.isascii()
        assert "/" not in folder
        assert "\0" not in folder
        assert posixpath.normpath(f"/copy/{folder}") == f"/copy/{folder}"
        assert not folder.startswith((".", "_"))


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_names_never_share_a_folder(one: str, other: str) -> None:
    folders = [TableName(share=name, schema="s", table="t").folders for name in (one, other)]
    assert (folders[0] == folders[1]) == (one == other)


@pytest.mark.parametrize(
    ("wanted", "meant"), [("", True), ("ACME", True), ("acme.s", True), ("acme.s.T", True), ("a", False)]
)
def test_a_table_is_meant_by_its_share_too(wanted: str, meant: bool) -> None:  # noqa: FBT001 # the expected answer
    assert TableName(share="acme", schema="s", table="t").is_meant_by(wanted) is meant


def lines(*said: dict) -> str:
    return "\n".join(map(json.dumps, said))


FILE = {"file": {"url": "https://s/f?x=1", "id": "f1", "size": 9, "stats": '{"numRecords":3}', "partitionValues": {}}}
META = {"metaData": {"id": "t", "numFiles": 1, "schemaString": "{}"}}
END = {"endStreamAction": {"minUrlExpirationTimestamp": 1}}


def test_a_listing_is_read() -> None:
    found = reading.read_listing(reading.read_lines(lines({"protocol": {}}, META, FILE, END), ends=True), "7")
    assert (found.table_id, found.version) == ("t", 7)
    assert [(file.file_id, file.size, file.rows) for file in found.files] == [("f1", 9, 3)]
    assert "https" not in repr(found.files[0])


def test_half_an_answer_is_no_answer() -> None:
    """Files that are missing from a list would be taken for files that went."""
    with pytest.raises(Unavailable, match="breaks off"):
        reading.read_lines(lines(META, FILE), ends=True)
    with pytest.raises(Unavailable, match="lists 0 of 1"):
        reading.read_listing(reading.read_lines(lines(META, END), ends=True), "7")
    with pytest.raises(Unavailable, match="half-way: no disk"):
        reading.read_lines(lines(META, {"endStreamAction": {"errorMessage": "no\ndisk"}}), ends=False)


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "[]",
        lines({"metaData": {}, "file": {}}),
        lines({"file": 1}),
        lines(FILE),
        lines(META, {"file": {"id": "f", "url": "file:///etc/passwd", "size": 1}}),
        lines(META, {"file": {"id": "f", "url": "https://s/f", "size": -1}}),
        lines(META, {"file": {"id": "", "url": "https://s/f", "size": 1}}),
    ],
)
def test_what_is_no_listing_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        reading.read_listing(reading.read_lines(text, ends=False), "1")


@given(st.text(min_size=1))
def test_an_id_is_always_safe_as_a_name(file_id: str) -> None:
    said = {"url": "https://s/f", "id": file_id, "size": 1}
    safe = reading.offered(said).file_id
    assert safe.isascii()
    assert all(letter.isalnum() or letter in "-_" for letter in safe)
    assert len(safe) <= 128


def test_changes_are_read_in_the_order_of_versions() -> None:
    def cdf(file_id: str, version: int) -> dict:
        return {"cdf": {"url": "https://s/k", "id": file_id, "size": 5, "version": version, "timestamp": 0}}

    said = lines(META, FILE, cdf("b", 3), {"add": FILE["file"]}, cdf("a", 2), cdf("c", 3), END)
    found = reading.read_changes(reading.read_lines(said, ends=True))
    assert [(file.file_id, file.version) for file in found] == [("a", 2), ("b", 3), ("c", 3)]


@pytest.mark.parametrize(
    ("message", "first"),
    [
        ("You can only query table changes since version 12.", 12),
        ("You can only query table data since version 0.The provided timestamp", 0),
        ("cdf is not enabled on table a.b.c", None),
    ],
)
def test_a_refusal_names_the_first_version(message: str, first: int | None) -> None:
    assert reading.read_fold(message) == first


def test_a_sha256_is_read_beside_other_digests() -> None:
    header = "sha-512=:AAAA:, sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    assert reading.read_sha256(header) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert reading.read_sha256(None) == reading.read_sha256("md5=:AAAA:") == ""
    for wrong in ("sha-256=:AAAA:", "sha-256=AAAA", "sha-256=:\u00e9:", "sha-256=::"):
        with pytest.raises(InputError):
            reading.read_sha256(wrong)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Sat, 01 Mar 2025 12:01:00 GMT", 60.0),
        ("Sat, 01 Mar 2025 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_waiting_times_are_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert reading.waiting_time(header, NOW) == seconds


def test_pages_are_read_to_the_end() -> None:
    assert reading.read_page({"items": [{"name": "a"}], "nextPageToken": "x"}) == ([{"name": "a"}], "x")
    assert reading.read_page({}) == ([], "")
    for wrong in ([], {"items": {}}, "x"):
        with pytest.raises(InputError):
            reading.read_page(wrong)


def test_a_profile_without_an_offset_ends_in_utc() -> None:
    said = {"shareCredentialsVersion": 1, "endpoint": "https://h", "bearerToken": "t"}
    found = reading.read_profile(json.dumps(said | {"expirationTime": "2025-03-01T12:00:00"}))
    assert isinstance(found, Bearer)
    assert found.expires == NOW
    assert found.expires.utcoffset() == timedelta(0)


def test_another_companys_words_are_made_fit_to_print() -> None:
    said = reading.error_text(json.dumps({"errorCode": "X", "message": "a\x1b[31m\nb" + "c" * 999}))
    assert said.startswith("a[31m b")
    assert len(said) == 300
    assert reading.error_text("<html>") == ""
