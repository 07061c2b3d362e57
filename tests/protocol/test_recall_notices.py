"""Which addresses take notices, and what a notice looks like."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import InputError, UsageError
from licet.model.licenses import LicenseId, RecipientId
from licet.model.recalls import Departure, KeyFile, Recall, State
from licet.model.records import Table
from licet.protocol.recall_notices import (
    acknowledges,
    body_of,
    is_inside,
    notice_id_of,
    read_notice,
    require_endpoint,
    secret_of,
)

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
RECALL = Recall(
    recall_id="acme 1.7",
    license_id=LicenseId("acme 1"),
    recipient_id=RecipientId("acme"),
    as_of_seq=7,
    opened=NOW,
    due=NOW,
    state=State.OPEN,
    departures=(Departure(table=Table.POSTS, version=3, keys=(KeyFile(name="keys-3-a.parquet", size=9, rows=5),)),),
)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "http://127.0.0.1:8000/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://me:secret@hooks.example/",
        "https://hooks.example/#part",
        "https:///path",
        "https://hooks.example:99999/",
        "https://hooks.example:0/",
        "https://hooks.exämple/",
        "https://hooks.example/a b",
        "https://hooks.example/\n",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "hooks.example",
        "",
    ],
)
def test_an_address_inside_or_without_tls_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_endpoint(url, private=False)
    assert caught.value.remedy
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://hooks.example/a?b=c", "https://hooks.example:8443", "https://93.184.216.34/"])
def test_a_public_address_over_tls_is_good(url: str) -> None:
    require_endpoint(url, private=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "http://localhost/", "http://[::1]:9/", "https://10.0.0.1/"])
def test_an_address_inside_must_be_meant(url: str) -> None:
    require_endpoint(url, private=True)


def test_http_to_another_machine_is_refused_even_where_it_is_meant() -> None:
    with pytest.raises(UsageError):
        require_endpoint("http://10.0.0.1/", private=True)


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fc00::/7"))
def test_no_private_address_is_taken_for_a_public_one(address: object) -> None:
    assert is_inside(str(address))


def test_a_notice_has_one_name_for_ever_and_no_two_have_the_same() -> None:
    names = {notice_id_of(f"acme-1.{n}") for n in range(100)}
    assert len(names) == 100
    assert notice_id_of("acme-1.7") in names
    assert "." not in notice_id_of("acme-1.7"), "what is signed is cut at dots"


def test_links_are_absolute_where_the_servers_address_is_known() -> None:
    data = json.loads(body_of(RECALL, {("posts", 3): {"opted_out": 5}}, "https://data.example/", NOW))["data"]
    assert data["follow"]["acknowledgement"] == "https://data.example/recalls/acme%201.7/acknowledgement"
    assert data["follow"]["keys"] == ["https://data.example/recalls/acme%201.7/keys/keys-3-a.parquet"]
    assert json.loads(body_of(RECALL, {}, "", NOW))["data"]["follow"]["feed"] == "/recalls"


def test_a_notice_is_read_back() -> None:
    assert read_notice(body_of(RECALL, {}, "", NOW))["recall_id"] == "acme 1.7"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data": 1}', '{"data": {"recall_id": "x"}}', "[" * 100_000])
def test_what_is_no_notice_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_notice(text)


@given(st.binary(max_size=200))
def test_whatever_is_answered_only_the_recalls_name_acknowledges_it(answer: bytes) -> None:
    assert not acknowledges(answer, "acme-1.7")
    assert acknowledges(b'{"acknowledged":"acme-1.7"}', "acme-1.7")


def test_secrets_are_as_the_standard_has_them() -> None:
    assert secret_of(b"\x00" * 32) == "whsec_" + "A" * 43 + "="
