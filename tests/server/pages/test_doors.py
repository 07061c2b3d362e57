"""The doors let in whoever proves who they are, as what they are, and send nobody elsewhere."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from platform_history import ADA

from licet.model.members import Member, MemberId
from licet.server.pages import licensing, member, money, notices, operator, recipient, takeout
from licet.server.pages.doors import HOME, following_of
from licet.server.session import Role
from licet.store import credentials, facts
from licet.store.credentials import Kind
from licet.store.database import transaction


def test_whoever_is_not_signed_in_is_shown_the_door_of_the_page(visit) -> None:
    for role in Role:
        answer = visit().get(HOME[role])
        assert str(answer.url).endswith(f"/sign-in?as={role}&next=/{role}")


def test_a_session_of_one_role_opens_no_page_of_another(visit, platform) -> None:
    people = {
        Role.MEMBER: visit("member", ADA),
        Role.OPERATOR: visit("operator"),
        Role.RECIPIENT: visit("recipient", token=platform.tokens["acme"]),
    }
    for role, visitor in people.items():
        for page in HOME.values():
            answer = visitor.get(page, follow_redirects=False)
            assert answer.status_code == (200 if page == HOME[role] else 303)


def test_a_cookie_renamed_to_another_roles_opens_nothing(visit, site) -> None:
    value = visit("member", ADA).cookies["licet_member"]
    answer = httpx.get(f"{site}/operator", headers={"Cookie": f"licet_operator={value}"})
    assert answer.status_code == 303


def test_cookies_stay_with_the_site_and_out_of_reach_of_scripts(site) -> None:
    said = httpx.post(f"{site}/sign-in/development", data={"role": "member", "member_id": ADA})
    cookie = said.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie


def test_over_https_cookies_are_secure_and_bound_to_the_host(platform, serving) -> None:
    with serving(platform, public_url="https://data.example") as url:
        said = httpx.post(f"{url}/sign-in/development", data={"role": "member", "member_id": ADA})
        cookie = said.headers["set-cookie"]
        assert cookie.startswith("__Host-licet_member=")
        assert "Secure" in cookie
        assert "max-age=" in httpx.get(f"{url}/sign-in").headers["strict-transport-security"]


def test_the_development_door_is_shut_unless_asked_for(platform, serving) -> None:
    with serving(platform, development_sign_in=False) as url:
        said = httpx.post(f"{url}/sign-in/development", data={"role": "operator"})
        assert said.status_code == 404
        assert "Development sign-in" not in httpx.get(f"{url}/sign-in").text


def test_a_recipient_comes_in_by_token_by_client_and_by_profile_file(platform, visit) -> None:
    with transaction(platform.house.database) as conn:
        client = credentials.issue(conn, "acme", Kind.OAUTH, platform.now.replace(year=2026))
    oauth = {"clientId": client.credential_id, "clientSecret": client.secret}
    visitor = visit()
    bearer = json.dumps({"bearerToken": platform.tokens["acme"]})
    for sent in (
        {"data": {"token": platform.tokens["acme"]}},
        {"data": {"client_id": client.credential_id, "client_secret": client.secret}},
        {"files": {"profile": ("acme.share", bearer)}},
        {"files": {"profile": ("acme.share", json.dumps(oauth))}},
    ):
        visitor.cookies.clear()
        assert visitor.post("/sign-in/recipient", **sent).url.path == "/recipient"


@pytest.mark.parametrize("sent", [{}, {"token": "licet_wrong"}, {"client_id": "c\u00e9", "client_secret": "x"}])
def test_a_wrong_credential_opens_nothing(visit, sent) -> None:
    visitor = visit()
    answer = visitor.post("/sign-in/recipient", data=sent)
    assert answer.status_code == 401
    assert not visitor.cookies


def test_guesses_from_one_address_run_out(platform, serving) -> None:
    with serving(platform, failure_burst=3) as url:
        codes = [httpx.post(f"{url}/sign-in/recipient", data={"token": f"licet_{n}"}).status_code for n in range(5)]
    assert codes == [401, 401, 401, 429, 429]


def test_a_recipients_session_ends_with_its_credential(platform, visit) -> None:
    with transaction(platform.house.database) as conn:
        token = credentials.issue_token(conn, "vela", platform.now.replace(year=2026))
    visitor = visit("recipient", token=token)
    assert visitor.get("/recipient").url.path == "/recipient"
    with transaction(platform.house.database) as conn:
        credentials.revoke(conn, "vela", platform.now)
    assert visitor.get("/recipient").url.path == "/sign-in"


def test_whoever_signs_out_is_out(visit) -> None:
    visitor = visit("member", ADA)
    visitor.post("/sign-out/page", data={"role": "member"})
    assert visitor.get("/member").url.path == "/sign-in"


def test_a_form_without_its_sessions_token_changes_nothing(visit) -> None:
    visitor = visit("member", ADA)
    other = visit("member", ADA).token("/member")
    for token in ("", other, "é"):
        answer = visitor.post("/member/choice", data={"form_token": token, "choice": "deny", "purpose": "x"})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "header", [{"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_form_of_another_site_is_refused_even_at_the_door(site, header) -> None:
    sent = {"role": "member", "member_id": ADA}
    assert httpx.post(f"{site}/sign-in/development", data=sent, headers=header).status_code == 403


def test_a_form_has_a_largest_size(visit) -> None:
    answer = visit().post("/sign-in/recipient", data={"token": "x" * 600_000})
    assert answer.status_code == 413


def test_pages_forbid_whatever_they_do_not_need(visit) -> None:
    answer = visit("member", ADA).get("/member")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.text)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', answer.text)


@given(st.sampled_from(list(Role)), st.text())
def test_the_door_leads_nowhere_but_inside(role, said) -> None:
    for path in (said, f"{HOME[role]}{said}", f"/{said}", f"//{said}"):
        following = following_of(role, path)
        assert following.startswith(HOME[role])
        assert "//" not in following
        assert "\\" not in following


def test_a_language_is_remembered_and_the_way_back_stays_inside(visit) -> None:
    visitor = visit("member", ADA)
    assert '<html lang="fr">' in visitor.get("/language/fr", params={"next": "/member"}).text
    answer = visitor.get("/language/en", params={"next": "//elsewhere.example"}, follow_redirects=False)
    assert answer.headers["location"] == "/sign-in"
    assert visitor.get("/language/xx").status_code == 404


@pytest.mark.parametrize("path", ["/member/nothing", "/recipient/a/b", "/operator/x", "/member/choice"])
def test_an_address_that_is_none_is_told_on_a_page(visit, path) -> None:
    answer = visit("member", ADA).get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert "content-security-policy" in answer.headers


def test_a_failure_nobody_foresaw_is_told_on_a_page_and_quotes_nothing(visit, monkeypatch, caplog) -> None:
    visitor = visit("member", ADA)

    def fail(*_: object) -> None:
        raise RuntimeError(ADA)

    monkeypatch.setattr("licet.server.pages.member.disclosures", fail)
    answer = visitor.get("/member/data")
    assert answer.status_code == 500
    assert "failed on our side" in answer.text
    assert ADA not in answer.text.partition("<main")[2]
    assert "RuntimeError" in caplog.text
    assert f"RuntimeError: {ADA}" not in caplog.text


@pytest.fixture
def on_postgresql(any_house, serving) -> Iterator[str]:
    """The address of a house on PostgreSQL in which there is one member."""
    now = datetime(2025, 6, 1, tzinfo=UTC)
    with transaction(any_house.database) as conn:
        facts.record_members(conn, [Member(member_id=MemberId("x:1"), platform="x", region="US")], now)
    with serving(SimpleNamespace(house=any_house, clock=lambda: now)) as url:
        yield url


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_no_database_can_hold_is_no_failure_of_ours(on_postgresql) -> None:
    with httpx.Client(base_url=on_postgresql, follow_redirects=True) as visitor:
        sent = {"role": "member", "member_id": "a\0b"}
        assert visitor.post("/sign-in/development", data=sent).status_code == 400
        assert visitor.post("/sign-in", json={"member_id": "a\0b"}).status_code == 400
        visitor.post("/sign-in/development", data=sent | {"member_id": "x:1"}).raise_for_status()
        assert visitor.get("/member/receipts/99999999999999999999").status_code == 400
        assert visitor.get("/settings/x", params={"recipient": "\0"}).status_code == 400
        visitor.post("/sign-in/development", data={"role": "operator"}).raise_for_status()
        for path in ("/operator/licenses/%00", "/operator/recalls/%00", "/operator?purpose=%00"):
            assert visitor.get(path).status_code in {400, 404}
        assert visitor.get("/operator/audit", params={"until": "9999-12-31", "since": "0001-01-01"}).status_code == 400


ROUTES = [
    (method, re.sub(r"\{[^}]+\}", "1", route.path))
    for room in (member, money, takeout, recipient, operator, notices, licensing)
    for route in room.router.routes
    for method in sorted(route.methods)
]


def test_no_page_forgets_its_role_and_no_form_its_token(visit, platform) -> None:
    people = {
        Role.MEMBER: visit("member", ADA),
        Role.OPERATOR: visit("operator"),
        Role.RECIPIENT: visit("recipient", token=platform.tokens["acme"]),
    }
    assert len(ROUTES) > 30
    for method, path in ROUTES:
        owner = Role(path.split("/")[1])
        for role, visitor in people.items():
            sent = {"choice": "deny", "purpose": "third_party_training", "state": "active", "understood": "yes"}
            answer = visitor.request(method, path, data=sent if method == "POST" else None, follow_redirects=False)
            if role is not owner:
                assert (answer.status_code, answer.headers["location"][:9]) == (303, "/sign-in?"), (method, path, role)
            elif method == "POST":
                assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "192.0.2.1"])
def test_a_name_made_to_point_here_opens_no_development_door(site, host) -> None:
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    form = {"role": "member", "member_id": ADA}
    assert httpx.post(f"{site}/sign-in/development", data=form, headers=headers).status_code == 403
    assert httpx.post(f"{site}/sign-in", json={"member_id": ADA}, headers=headers).status_code == 403
