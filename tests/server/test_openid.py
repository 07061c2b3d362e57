"""Sign-in at a real OpenID Connect provider: who comes back is who went, as what the provider says they are."""

import base64
import hashlib
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from licet.server.desk import Provider
from licet.server.openid import is_operator, member_named

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import oidc_provider_mock


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider on this machine that knows two people."""
    people = [
        oidc_provider_mock.User(sub="1", claims={"groups": ["readers"]}),
        oidc_provider_mock.User(sub="boss", claims={"groups": ["data", "readers"]}),
    ]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with oidc_provider_mock.run_server_in_thread(user_claims=people, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def provider(issuer) -> Provider:
    return Provider(
        issuer=issuer,
        client_id="licet",
        client_secret="a secret",
        member_prefix="x:",
        operator_claim="groups",
        operator_value="data",
    )


@pytest.fixture
def door(scene, provider, serving) -> Iterator[str]:
    with serving(scene, provider=provider, development_sign_in=False) as url:
        yield url


def at_provider(client: httpx.Client, door: str, role: str, sub: str) -> httpx.Response:
    """Go to the provider and sign in there; give the provider's redirect back."""
    there = client.get(f"{door}/sign-in/start", params={"as": role, "next": f"/{role}"})
    assert there.status_code == 302
    return client.post(there.headers["location"], data={"sub": sub})


def test_a_member_signs_in_and_comes_back_to_the_page(door) -> None:
    with httpx.Client() as client:
        back = at_provider(client, door, "member", "1")
        arrived = client.get(back.headers["location"])
        assert arrived.status_code == 200
        assert 'content="0;url=/member"' in arrived.text
        assert client.get(f"{door}/member").status_code == 200
        # The settings API knows the same session.
        assert client.get(f"{door}/settings/third_party_training").json()["choice"] == "allow"
        assert client.get(f"{door}/operator").status_code == 303


def test_only_whom_the_provider_calls_so_is_an_operator(door) -> None:
    for sub, status in (("boss", 200), ("1", 403)):
        with httpx.Client() as client:
            back = at_provider(client, door, "operator", sub)
            assert client.get(back.headers["location"]).status_code == status
            assert client.get(f"{door}/operator").status_code == (200 if sub == "boss" else 303)


def test_a_member_nobody_knows_is_told_so(door) -> None:
    with httpx.Client() as client:
        back = at_provider(client, door, "member", "boss")
        assert client.get(back.headers["location"]).status_code == 404
        assert client.get(f"{door}/member").status_code == 303


def test_the_flow_carries_state_nonce_and_a_hashed_verifier(door) -> None:
    with httpx.Client() as client:
        there = client.get(f"{door}/sign-in/start", params={"as": "member"})
    asked = {name: values[0] for name, values in parse_qs(urlsplit(there.headers["location"]).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert len(base64.urlsafe_b64decode(asked["code_challenge"] + "=")) == hashlib.sha256().digest_size
    assert len(asked["state"]) >= 20
    assert len(asked["nonce"]) >= 20
    cookie = there.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_what_came_back_is_good_in_the_same_browser_and_once(door) -> None:
    with httpx.Client() as client, httpx.Client() as other:
        back = at_provider(client, door, "member", "1").headers["location"]
        assert other.get(back).status_code == 403
        forged = back.replace("state=", "state=x")
        assert client.get(forged).status_code == 403
        assert client.get(back).status_code == 200
        assert client.get(back).status_code == 403
        assert client.get(f"{door}/sign-in/callback").status_code == 403


def test_a_flow_that_took_too_long_has_to_begin_again(door, scene) -> None:
    with httpx.Client() as client:
        back = at_provider(client, door, "member", "1").headers["location"]
        scene.now = scene.now.replace(minute=11)
        assert client.get(back).status_code == 403


def test_a_code_of_another_flow_is_refused(door) -> None:
    """Its ID token carries the other flow's nonce."""
    with httpx.Client() as client, httpx.Client() as other:
        theirs = parse_qs(urlsplit(at_provider(other, door, "member", "boss").headers["location"]).query)["code"][0]
        mine = urlsplit(at_provider(client, door, "member", "1").headers["location"])
        state = parse_qs(mine.query)["state"][0]
        swapped = client.get(f"{door}/sign-in/callback", params={"code": theirs, "state": state})
        assert swapped.status_code == 403


def test_a_session_of_the_provider_ends_with_the_provider(door, scene, serving) -> None:
    with httpx.Client() as client:
        client.get(at_provider(client, door, "member", "1").headers["location"])
        cookies = dict(client.cookies)
    with serving(scene) as url, httpx.Client(cookies=cookies) as client:
        assert client.get(f"{url}/member").status_code == 303


def test_a_provider_that_is_not_there_is_said_to_be_so(scene, provider, serving) -> None:
    with serving(scene, provider=replace(provider, issuer="http://localhost:9")) as url:
        begun = time.monotonic()
        assert httpx.get(f"{url}/sign-in/start", timeout=30).status_code == 503
        assert time.monotonic() - begun < 30


@pytest.mark.parametrize("value", [None, "", "readers", ["readers"], {"data": True}, 1])
def test_nobody_is_an_operator_by_accident(provider, value) -> None:
    assert not is_operator(provider, {"groups": value})
    assert not is_operator(replace(provider, operator_value=""), {"groups": value})
    assert not is_operator(replace(provider, operator_claim=""), {"groups": "data"})


def test_a_claim_that_names_nobody_makes_no_member(provider) -> None:
    assert member_named(provider, {"sub": "7"}) == "x:7"
    assert member_named(provider, {"sub": 7}) == "x:7"
    for value in (None, "", [], {}):
        assert member_named(provider, {"sub": value}) == ""


def test_after_a_failure_the_providers_keys_are_asked_for_anew(scene, provider, serving) -> None:
    """A provider that changes its key and names none in its tokens refuses one sign-in at most."""
    people = [oidc_provider_mock.User(sub="1", claims={})]

    def signs_in(door: str) -> int:
        with httpx.Client() as client:
            back = at_provider(client, door, "member", "1").headers["location"]
            return client.get(back).status_code

    with oidc_provider_mock.run_server_in_thread(user_claims=people) as first:
        port = first.server_port
        here = replace(provider, issuer=f"http://localhost:{port}")
        with serving(scene, provider=here, development_sign_in=False) as door:
            assert signs_in(door) == 200
            first.shutdown()
            first.server_close()
            with oidc_provider_mock.run_server_in_thread(port, user_claims=people):
                assert 200 in {signs_in(door), signs_in(door)}
