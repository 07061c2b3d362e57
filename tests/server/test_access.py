"""Recipients see their own and nothing else, from where they may, until their access ends."""

import contextlib
import json
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from licet.model.errors import UsageError
from licet.server.access import grant_of, share_of
from licet.server.app import create_app
from licet.server.desk import Desk, ServerOptions
from licet.server.errors import WireError
from licet.server.serve import configure
from licet.store import credentials, facts, parties
from licet.store.database import transaction

POSTS = "/shares/acme-2025/schemas/licensed/tables/posts"
FOREIGN, NONE = "other-2025", "other-2099"
"""A share of another recipient, and one that does not exist, alike in length."""


@pytest.fixture
def routes(scene) -> list[tuple[str, str]]:
    """Every route that there is, as method and path."""
    with warnings.catch_warnings(action="ignore"):  # how its description names a route is no matter here
        paths = create_app(scene.house, ServerOptions(secret=b"s" * 32)).openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def filled(path: str, share: str) -> str:
    """Put a share's name, and existing names for all else, into a route."""
    names = {"share": share, "license_id": share, "schema": "licensed", "table": "posts", "version": "0"}
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, names.get(part[1:-1], "x"))
    return path


@pytest.fixture
def desk(scene) -> Desk:
    """The desk of an app that nobody serves."""
    made: Desk = create_app(scene.house, ServerOptions(secret=b"s" * 32, clock=scene.clock)).state.desk
    return made


@contextlib.contextmanager
def statements(scene) -> Iterator[set[str]]:
    """Collect the SQL that is run meanwhile, by a server that remembers nothing."""
    with transaction(scene.house.database) as conn:
        facts.take(conn, "test", 1, scene.now, withdraws=False)
    seen: set[str] = set()

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:  # noqa: ANN401
        if threading.current_thread().name != "audit":
            seen.add(statement)

    event.listen(scene.house.database, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(scene.house.database, "before_cursor_execute", note)


def told(answer: httpx.Response, share: str) -> Any:  # noqa: ANN401
    """Give everything that an answer tells, whatever the share was called."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, answer.text.replace(share, "?"), headers


@pytest.mark.usefixtures("another_license")
def test_on_every_route_a_foreign_share_is_answered_like_none_at_all(scene, routes, address, recipient) -> None:
    """Status, body, headers and the statements run are the same."""

    def ask(method: str, path: str, share: str) -> Any:  # noqa: ANN401
        with statements(scene) as ran:
            url = address + filled(path, share)
            answer = httpx.request(method, url, headers=recipient.headers, json={}, timeout=30)
        return told(answer, share), ran

    named = [(method, path) for method, path in routes if "{share}" in path or "{license_id}" in path]
    for method, path in named:
        foreign, none = ask(method, path, FOREIGN), ask(method, path, NONE)
        assert foreign == none, (method, path)
        # An address of a file opens nothing unsigned; every other route knows its own share.
        assert foreign[0][0] == (404 if "{share}" in path else 403), (method, path)
        assert "{share}" not in path or ask(method, path, "acme-2025")[0][0] != 404, (method, path)
    assert len(named) >= 12


@pytest.mark.usefixtures("another_license")
def test_a_foreign_share_takes_the_same_steps_as_none_at_all(desk) -> None:
    """Not one line of ours runs for one and not for the other."""
    lookups: list[Callable[[str], object]] = [
        lambda share: share_of(desk, "acme", share),
        lambda share: grant_of(desk, "acme", share, "licensed", "posts"),
    ]
    for lookup in lookups:
        steps = [_steps(lookup, share) for share in (NONE, FOREIGN, NONE)]
        assert len(steps[0]) > 20
        assert steps[1] == steps[2]
        assert _steps(lookup, "acme-2025", found=True) != steps[1]


def _steps(lookup: Callable[[str], object], share: str, *, found: bool = False) -> list[tuple[str, int]]:
    ran: list[tuple[str, int]] = []

    def trace(frame: types.FrameType, _event: str, _argument: object) -> Any:  # noqa: ANN401
        if "/licet/" in frame.f_code.co_filename:
            ran.append((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.nullcontext() if found else pytest.raises(WireError):
            lookup(share)
    finally:
        sys.settrace(before)
    return ran


@pytest.mark.usefixtures("another_license")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    share=st.one_of(st.sampled_from([FOREIGN, FOREIGN.upper(), "acme-2025", "Acme-2025"]), st.text(max_size=20)),
    schema=st.one_of(st.just("licensed"), st.text(max_size=10)),
    table=st.one_of(st.sampled_from(["posts", "Likes", "reposts"]), st.text(max_size=10)),
)
def test_whatever_is_named_only_ones_own_is_found(desk, share, schema, table) -> None:
    own = share.lower() == "acme-2025" and schema.lower() == "licensed" and table.lower() in {"posts", "likes"}
    if own:
        assert grant_of(desk, "acme", share, schema, table).license.recipient_id == "acme"
        return
    with pytest.raises(WireError) as refused:
        grant_of(desk, "acme", share, schema, table)
    assert (refused.value.status, share[:1] in refused.value.message) == (404, True)


def test_each_recipient_lists_their_own_shares_only(scene, address, recipient, another_license) -> None:
    with transaction(scene.house.database) as conn:
        token = parties.issue_token(conn, "other", scene.now + timedelta(days=1))
    others = httpx.get(f"{address}/delta-sharing/shares", headers={"Authorization": f"Bearer {token}"})
    assert [item["name"] for item in others.json()["items"]] == [another_license.license_id]
    assert [item["name"] for item in recipient.get("/shares").json()["items"]] == ["acme-2025"]


def allow(scene, *networks: str) -> None:
    with transaction(scene.house.database) as conn:
        credentials.allow(conn, "acme", [ip_network(each) for each in networks])


def file_url(recipient: httpx.Client) -> str:
    answer = recipient.post(f"{POSTS}/query", json={})
    answer.raise_for_status()
    return str(json.loads(answer.text.splitlines()[2])["file"]["url"])


@pytest.mark.parametrize("network", ["203.0.113.0/24", "2001:db8::/32", "127.0.0.2/32", "::1/128"])
def test_a_recipient_is_refused_from_elsewhere_and_told_why(scene, recipient, network) -> None:
    url = file_url(recipient)
    allow(scene, network)
    for answer in (recipient.get("/shares"), recipient.post(f"{POSTS}/query", json={}), httpx.get(url)):
        assert answer.status_code == 403
        assert answer.json()["errorCode"] == "PERMISSION_DENIED"
        assert "networks" in answer.json()["message"]
    allow(scene)
    assert (recipient.get("/shares").status_code, httpx.get(url).status_code) == (200, 200)


@pytest.mark.parametrize("networks", [("127.0.0.1/32",), ("203.0.113.0/24", "127.0.0.0/8")])
def test_a_recipient_is_served_from_a_listed_network(scene, recipient, networks) -> None:
    allow(scene, *networks)
    assert recipient.get("/shares").status_code == 200
    assert httpx.get(file_url(recipient)).status_code == 200


@pytest.mark.usefixtures("another_license")
def test_a_list_of_networks_binds_no_other_recipient(scene, address) -> None:
    allow(scene, "203.0.113.0/24")
    with transaction(scene.house.database) as conn:
        token = parties.issue_token(conn, "other", scene.now + timedelta(days=1))
    answer = httpx.get(f"{address}/delta-sharing/shares", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        ((), "203.0.113.9", 403),
        (("198.51.100.0/24",), "203.0.113.9", 403),
        (("127.0.0.1",), "203.0.113.9", 200),
        (("127.0.0.0/8",), "198.51.100.1", 403),
        (("127.0.0.0/8",), "203.0.113.9, 198.51.100.1", 403),
        (("127.0.0.0/8", "198.51.100.0/24"), "203.0.113.9, 198.51.100.1", 200),
        (("127.0.0.0/8",), "198.51.100.1, 203.0.113.9", 200),
        (("127.0.0.0/8",), "unknown", 403),
        (("127.0.0.0/8",), "::ffff:203.0.113.9", 200),
        (("127.0.0.0/8",), "2001:db8::9", 200),
        (("127.0.0.0/8",), "2001:db9::9", 403),
    ],
)
def test_only_a_trusted_proxy_is_believed_about_an_address(scene, serving, proxies, forwarded, status) -> None:
    """The nearest address that no trusted proxy vouches for counts; what is left of it, anybody can write."""
    allow(scene, "203.0.113.0/24", "2001:db8::/48")
    headers = {"Authorization": f"Bearer {scene.token}", "X-Forwarded-For": forwarded}
    with serving(scene, trusted_proxies=proxies, development_sign_in=False) as url:
        assert httpx.get(f"{url}/delta-sharing/shares", headers=headers).status_code == status


@pytest.mark.parametrize("network", ["*", "proxy.example", "10.0.0.5/24", ""])
def test_a_proxy_is_named_by_its_network(scene, network) -> None:
    options = ServerOptions(secret=b"s" * 32, trusted_proxies=(network,))
    with pytest.raises(UsageError, match="no network"):
        configure(scene.house, "127.0.0.1", 0, options)


def test_after_a_rotation_old_and_new_overlap_and_then_the_old_one_is_refused(scene, address) -> None:
    with transaction(scene.house.database) as conn:
        old = parties.issue_token(conn, "acme", scene.now + timedelta(days=90))
        credentials.end_by(conn, "acme", scene.now + timedelta(days=7))
        new = parties.issue_token(conn, "acme", scene.now + timedelta(days=90))
    seen = []
    for step in (timedelta(), timedelta(days=7, microseconds=-1), timedelta(microseconds=1)):
        scene.now += step
        answers = [
            httpx.get(f"{address}/delta-sharing/shares", headers={"Authorization": f"Bearer {token}"})
            for token in (old, new)
        ]
        seen.append(tuple(answer.status_code for answer in answers))
    assert seen == [(200, 200), (200, 200), (401, 200)]


def test_a_revocation_ends_tokens_and_file_addresses_at_once(scene, recipient) -> None:
    scene.now += timedelta(seconds=10)
    url = file_url(recipient)
    assert httpx.get(url).status_code == 200
    with transaction(scene.house.database) as conn:
        credentials.revoke(conn, "acme", scene.now)
    assert recipient.get("/shares").status_code == 401
    answer = httpx.get(url)
    assert (answer.status_code, "revoked" in answer.json()["message"]) == (403, True)
    with transaction(scene.house.database) as conn:
        token = parties.issue_token(conn, "acme", scene.now + timedelta(days=1))
    scene.now += timedelta(seconds=1)
    recipient.headers["Authorization"] = f"Bearer {token}"
    assert httpx.get(file_url(recipient)).status_code == 200
    assert httpx.get(url).status_code == 403
