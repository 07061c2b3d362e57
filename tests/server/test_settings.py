"""A member's settings over real HTTP: shown, changed after a commit, signalled by a browser, closed to others."""

import httpx
import pytest

from licet.model.errors import UsageError
from licet.model.members import SettingChange
from licet.protocol.urls import seal
from licet.server.desk import ServerOptions
from licet.server.sign_in import check_bind
from licet.store import asof, facts
from licet.store.database import reading, transaction

SETTING = "/settings/third_party_training"
GPC = {"Sec-GPC": "1"}


def position(scene, recipient: str = "") -> tuple[str, str]:
    with reading(scene.house.database) as conn:
        return asof.setting_as_of(conn, "x:1", "third_party_training", facts.last_seq(conn), recipient)


def test_the_default_is_shown_with_its_words(member) -> None:
    assert member.get(SETTING).json() == {
        "purpose": "third_party_training",
        "recipient": "",
        "choice": "allow",
        "setting": "none",
        "source": "default",
        "default": "allow",
        "notice": "one",
        "words": {"allow": "Others may train.", "deny": "Others may not."},
        "effective": "2024-11-15T00:00:00+00:00",
        "in_force": True,
        "open": True,
        "conflict": False,
    }


def test_a_choice_is_committed_before_it_is_answered(scene, member) -> None:
    answer = member.put(SETTING, json={"choice": "deny"}).json()
    assert (answer["choice"], answer["source"]) == ("deny", "member")
    with reading(scene.house.database) as conn:
        assert facts.last_seq(conn) == answer["seq"] == facts.newest_withdrawal(conn)
    assert position(scene) == ("deny", "member")


def test_a_choice_for_one_recipient_leaves_the_others(scene, member) -> None:
    member.put(SETTING, json={"choice": "deny", "recipient": "acme"}).raise_for_status()
    assert (position(scene, "acme")[0], position(scene, "other")[0]) == ("deny", "none")
    assert member.get(SETTING, params={"recipient": "acme"}).json()["choice"] == "deny"
    assert member.put(SETTING, json={"choice": "deny", "recipient": "nobody"}).status_code == 404


def test_the_page_opens_before_the_notice_takes_effect(scene, member) -> None:
    for day, opened in (("2024-10-15", False), ("2024-10-16", True)):
        scene.now = scene.now.fromisoformat(f"{day}T12:00:00+00:00")
        shown = member.get(SETTING).json()
        assert (shown["open"], shown["in_force"]) == (opened, False)
        assert member.put(SETTING, json={"choice": "deny"}).status_code == (200 if opened else 403)


def test_a_signal_denies_and_is_recorded_once(scene, member) -> None:
    seqs = set()
    for _ in range(2):
        shown = member.get(SETTING, headers=GPC).json()
        assert (shown["choice"], shown["source"], shown["conflict"]) == ("deny", "gpc", False)
        with reading(scene.house.database) as conn:
            seqs.add(facts.last_seq(conn))
    assert position(scene) == ("deny", "gpc")
    assert len(seqs) == 1


@pytest.mark.parametrize("value", ["0", "true", "11", ""])
def test_only_a_one_is_a_signal(member, value) -> None:
    assert member.get(SETTING, headers={"Sec-GPC": value}).json()["source"] == "default"


def test_a_signal_counts_only_where_the_notice_says_so(member) -> None:
    assert member.get("/settings/first_party_training", headers=GPC).json()["source"] == "default"


def test_a_signal_never_overwrites_what_the_member_chose(scene, member) -> None:
    answer = member.put(SETTING, json={"choice": "allow"}, headers=GPC).json()
    assert (answer["choice"], answer["source"], answer["conflict"]) == ("allow", "member", True)
    shown = member.get(SETTING, headers=GPC).json()
    assert (shown["choice"], shown["conflict"]) == ("allow", True)
    assert position(scene) == ("allow", "member")


def test_a_signal_leaves_what_the_member_allowed_one_recipient(scene, member) -> None:
    member.put(SETTING, json={"choice": "allow", "recipient": "acme"}).raise_for_status()
    assert member.get(SETTING, headers=GPC).json()["choice"] == "deny"
    assert (position(scene, "acme"), position(scene, "other")) == (("allow", "member"), ("deny", "gpc"))
    assert member.get(SETTING, params={"recipient": "acme"}, headers=GPC).json()["conflict"] is True


def test_a_signal_outranks_what_the_platform_passed_on(scene, member) -> None:
    change = SettingChange(
        member_id="x:1", purpose="third_party_training", choice="allow", recipient_id="", source="platform"
    )
    with transaction(scene.house.database) as conn:
        facts.record_settings(conn, [change], scene.now)
    assert member.get(SETTING, headers=GPC).json()["source"] == "gpc"


def test_a_purpose_that_no_notice_names_is_not_found(member) -> None:
    assert member.get("/settings/none").status_code == 404
    assert member.put("/settings/none", json={"choice": "deny"}).status_code == 404


@pytest.mark.parametrize("body", [{}, {"choice": "maybe"}, {"choice": None}, {"choice": "deny", "recipient": 1}, [1]])
def test_a_choice_that_cannot_be_read_changes_nothing(scene, member, body) -> None:
    assert member.put(SETTING, json=body).status_code == 400
    assert position(scene) == ("none", "")


def test_a_form_of_another_site_changes_nothing(scene, member) -> None:
    assert (
        member.put(SETTING, content=b'{"choice": "allow"}', headers={"Content-Type": "text/plain"}).status_code == 415
    )
    assert position(scene) == ("none", "")


def test_the_cookie_stays_with_the_site_and_the_browser(address) -> None:
    said = httpx.post(f"{address}/sign-in", json={"member_id": "x:1"}).headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said


def test_nobody_is_let_in_without_a_sign_in(address) -> None:
    assert httpx.get(address + SETTING).status_code == 401
    said = {"who": "x:1", "by": "development", "until": 99999999999, "salt": ""}
    forged = {"Cookie": "licet_member=" + seal(b"another secret", "session member", said)}
    assert httpx.get(address + SETTING, headers=forged).status_code == 401
    assert httpx.post(f"{address}/sign-in", json={"member_id": "x:none"}).status_code == 404


def test_a_sign_in_ends(scene, member) -> None:
    scene.now = scene.now.replace(day=2)
    assert member.get(SETTING).status_code == 401


def test_the_development_sign_in_is_off_unless_asked_for(scene, serving, member) -> None:
    """Neither can anybody sign in, nor does an earlier sign-in count."""
    cookies = dict(member.cookies)
    with serving(scene, development_sign_in=False) as url:
        assert httpx.post(f"{url}/sign-in", json={"member_id": "x:1"}).status_code == 404
        with httpx.Client(cookies=cookies) as client:
            assert client.get(url + SETTING).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.1.2", "example.org", "127.0.0.1.example.org"])  # noqa: S104
def test_the_development_sign_in_is_never_served_to_others(host) -> None:
    with pytest.raises(UsageError, match="development sign-in"):
        check_bind(host, ServerOptions(secret=b"x" * 32, development_sign_in=True))
    check_bind(host, ServerOptions(secret=b"x" * 32))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_the_development_sign_in_is_served_on_this_machine(host) -> None:
    check_bind(host, ServerOptions(secret=b"x" * 32, development_sign_in=True))
