"""Access tokens for OAuth clients over real HTTP: RFC 6749 in every answer, and the official client reads with one."""

import base64
import json
import pathlib
from datetime import timedelta
from ipaddress import ip_network

import delta_sharing
import httpx
import pytest

from licet.protocol.profiles import SCOPE, oauth_profile
from licet.store import credentials
from licet.store.credentials import Issued, Kind
from licet.store.database import transaction

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def client(scene) -> Issued:
    """An OAuth client of the recipient."""
    with transaction(scene.house.database) as conn:
        return credentials.issue(conn, "acme", Kind.OAUTH, scene.now + timedelta(days=1))


@pytest.fixture
def endpoint(address) -> str:
    return f"{address}/delta-sharing/oauth2/token"


def basic(client: Issued) -> tuple[str, str]:
    return (client.credential_id, client.secret)


def in_form(client: Issued) -> dict[str, str]:
    return {"client_id": client.credential_id, "client_secret": client.secret}


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.json()["error"] == code


def shares(endpoint: str, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(endpoint.replace("oauth2/token", "shares"), headers=headers)


@pytest.mark.parametrize("scope", [{}, {"scope": SCOPE}, {"scope": ""}])
def test_a_client_gets_a_token_by_basic_and_by_form(endpoint, client, scope) -> None:
    answers = [
        httpx.post(endpoint, data=GRANT | scope, auth=basic(client)),
        httpx.post(endpoint, data=GRANT | scope | in_form(client)),
        httpx.post(endpoint, data=GRANT | scope | {"client_id": client.credential_id}, auth=basic(client)),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
        said = answer.json()
        assert (said["token_type"], said["expires_in"], said["scope"]) == ("Bearer", 3600, SCOPE)
        assert shares(endpoint, said["access_token"]).status_code == 200
    assert len({answer.json()["access_token"] for answer in answers}) == 3


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "Client_Credentials"}, "unsupported_grant_type"),
        (GRANT | {"scope": "all"}, "invalid_scope"),
        (GRANT | {"scope": f"{SCOPE} all"}, "invalid_scope"),
        (GRANT | {"scope": " "}, "invalid_scope"),
        (GRANT | {"client_secret": "x"}, "invalid_request"),
        (GRANT | {"client_id": "c_other"}, "invalid_request"),
        (GRANT | {"filler": "x" * 9000}, "invalid_request"),
    ],
)
def test_a_wrong_form_is_refused_with_the_code_that_the_rfc_names(endpoint, client, form, code) -> None:
    refused(httpx.post(endpoint, data=form, auth=basic(client)), 400, code)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"grant_type": "client_credentials"}', {"Content-Type": "application/json"}),
        (b"grant_type=client_credentials", {"Content-Type": "text/plain"}),
        (b"grant_type=client_credentials&grant_type=client_credentials", FORM),
        (b"grant_type=client_credentials&scope=%ff", FORM),
        (b"grant_type=client_credentials&scope=\xff", FORM),
        (b"&".join(b"a%d=1" % n for n in range(99)), FORM),
    ],
)
def test_what_is_no_form_is_refused(endpoint, client, content, headers) -> None:
    refused(httpx.post(endpoint, content=content, headers=headers, auth=basic(client)), 400, "invalid_request")


def test_a_secret_in_the_address_is_refused(endpoint, client) -> None:
    refused(httpx.post(endpoint, params=in_form(client), data=GRANT), 400, "invalid_request")


def test_unknown_client_and_wrong_secret_are_answered_alike(endpoint, client) -> None:
    wrong = [
        httpx.post(endpoint, data=GRANT, auth=("c_0123456789abcdef", client.secret)),
        httpx.post(endpoint, data=GRANT, auth=(client.credential_id, client.secret[:-1])),
        httpx.post(endpoint, data=GRANT, auth=(client.credential_id, "")),
        httpx.post(endpoint, data=GRANT | in_form(client) | {"client_secret": "x"}),
        httpx.post(endpoint, data=GRANT | {"client_id": client.credential_id}),
        httpx.post(endpoint, data=GRANT | {"client_id": "\0'é", "client_secret": "\0"}),
        httpx.post(endpoint, data=GRANT),
    ]
    for answer in wrong:
        refused(answer, 401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")
    assert len({(answer.text, str(sorted(set(answer.headers) - {"date"}))) for answer in wrong}) == 1


@pytest.mark.parametrize("said", ["Basic", "Basic !", "Basic 4pyT", "Bearer x", "Basic " + "é"])
def test_a_header_that_cannot_be_read_is_refused(endpoint, said) -> None:
    headers = {"Authorization": said.encode("latin-1")}
    refused(httpx.post(endpoint, data=GRANT, headers=headers), 401, "invalid_client")


def test_a_client_that_encodes_its_id_and_secret_is_understood(endpoint, client) -> None:
    """RFC 6749 asks for it (section 2.3.1); the official client does not do it. Ids and secrets need neither."""
    encoded = ":".join("".join(f"%{ord(c):02X}" for c in part) for part in basic(client))
    headers = {"Authorization": "Basic " + base64.b64encode(encoded.encode()).decode()}
    assert httpx.post(endpoint, data=GRANT, headers=headers).status_code == 200


def test_a_token_is_short_lived_and_never_outlives_its_client(scene, endpoint, client) -> None:
    token = httpx.post(endpoint, data=GRANT, auth=basic(client)).json()["access_token"]
    scene.now += timedelta(seconds=3599)
    assert shares(endpoint, token).status_code == 200
    scene.now += timedelta(seconds=1)
    assert shares(endpoint, token).status_code == 401
    with transaction(scene.house.database) as conn:
        credentials.end_by(conn, "acme", scene.now + timedelta(seconds=90))
    said = httpx.post(endpoint, data=GRANT, auth=basic(client)).json()
    assert said["expires_in"] == 90
    scene.now += timedelta(seconds=90)
    assert shares(endpoint, said["access_token"]).status_code == 401
    refused(httpx.post(endpoint, data=GRANT, auth=basic(client)), 401, "invalid_client")


def test_a_revocation_ends_client_and_access_tokens_at_once(scene, endpoint, client) -> None:
    token = httpx.post(endpoint, data=GRANT, auth=basic(client)).json()["access_token"]
    with transaction(scene.house.database) as conn:
        credentials.revoke(conn, "acme", scene.now)
    assert shares(endpoint, token).status_code == 401
    refused(httpx.post(endpoint, data=GRANT, auth=basic(client)), 401, "invalid_client")


def test_a_client_is_refused_from_elsewhere(scene, endpoint, client) -> None:
    with transaction(scene.house.database) as conn:
        credentials.allow(conn, "acme", [ip_network("203.0.113.0/24")])
    refused(httpx.post(endpoint, data=GRANT, auth=basic(client)), 403, "unauthorized_client")


def test_a_client_that_asks_too_often_is_told_when_to_come_back(scene, serving, client) -> None:
    with serving(scene, rate=0.01, burst=1) as url:
        endpoint = f"{url}/delta-sharing/oauth2/token"
        assert httpx.post(endpoint, data=GRANT, auth=basic(client)).status_code == 200
        answer = httpx.post(endpoint, data=GRANT, auth=basic(client))
    refused(answer, 429, "temporarily_unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 100


def test_the_official_client_reads_with_a_version_2_profile(address, client, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "recipient.share"
    path.write_text(json.dumps(oauth_profile(f"{address}/delta-sharing/", client.credential_id, client.secret)))
    frame = delta_sharing.load_as_pandas(f"{path}#acme-2025.licensed.posts")
    assert sorted(frame["text"]) == ["text-0-0", "text-0-1", "text-0-2", "text-1-0", "text-1-1"]
    assert "posts" in [table.name for table in delta_sharing.SharingClient(str(path)).list_all_tables()]


def test_the_official_client_with_a_wrong_secret_reads_nothing(address, client, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "recipient.share"
    path.write_text(json.dumps(oauth_profile(f"{address}/delta-sharing/", client.credential_id, "licetcs_wrong")))
    with pytest.raises(Exception, match="401"):
        delta_sharing.load_as_pandas(f"{path}#acme-2025.licensed.posts")
