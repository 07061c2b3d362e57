"""An operator's pages tell what the facts say, and a draft is counted before it is published."""

import re

import httpx
import pytest
from page_tour import Visitor
from platform_history import NOTICE

from licet.store import asof, facts
from licet.store.database import reading

DRAFT = (
    NOTICE.replace('version = "x-2024-11-15"', 'version = "draft"')
    .replace("effective = 2024-11-15", "effective = 2025-10-01")
    .replace(
        "[[rules]]",
        """[[rules]]
code = "halted_in_brazil"
effect = "deny"
sentence = "Nothing of members in Brazil goes out."
law = "LGPD"
when = { region = ["BR"] }

[[rules]]""",
        1,
    )
)


@pytest.fixture
def operator(visit) -> Visitor:
    return visit("operator")


def test_the_overview_counts_members_denials_and_rows(operator) -> None:
    text = operator.get("/operator").text
    assert re.search(r'figure-number">240<', text)
    assert "Acme AI" in text
    assert "opted_out" in text
    assert "<svg" in text
    assert text.count("Show as a table") == 2


def test_recalls_are_listed_by_state_and_shown_whole(operator) -> None:
    assert "closed" in operator.get("/operator/recalls", params={"state": "closed"}).text
    name = re.search(r"/operator/recalls/(acme_2024\.\d+)", operator.get("/operator/recalls").text)
    assert name
    shown = operator.get(name[0]).text
    assert "What has to go" in shown
    assert operator.get("/operator/recalls/none").status_code == 404


def send(operator, draft: str) -> httpx.Response:
    return operator.submit("/operator/notices", "/operator/notices/drafts", text=draft)


def test_a_draft_shows_who_would_go_where_and_why(operator) -> None:
    text = send(operator, DRAFT).text
    brazil = re.search(r"<th scope=\"row\">Brazil</th>(.*?)</tr>", text)
    assert brazil
    members_now, members_then, change, rows_now, rows_then, _ = re.findall(r'class="n">([^<]*)<', brazil[1])
    assert int(members_now) > 0
    assert int(rows_now) > 0
    assert (members_then, rows_then) == ("0", "0")
    assert change == f"−{members_now}"  # noqa: RUF001 # a minus sign
    assert "halted_in_brazil" in text
    assert "Nothing of members in Brazil goes out." in text


def test_a_draft_that_changes_nothing_says_so(operator) -> None:
    same = NOTICE.replace('version = "x-2024-11-15"', 'version = "same"')
    assert "Nothing changes." in send(operator, same).text


def test_a_draft_that_cannot_be_read_is_refused_with_its_place(operator) -> None:
    answer = send(operator, "version = 1")
    assert answer.status_code == 400
    assert "expected" in answer.text
    assert send(operator, "").status_code == 400


def test_a_draft_is_published_only_after_a_tick(operator, platform) -> None:
    draft = DRAFT.replace('version = "draft"', 'version = "published-later"')
    page = send(operator, draft).url.path
    assert operator.submit(page, f"{page}/publish").status_code == 400
    answer = operator.submit(page, f"{page}/publish", understood="yes")
    assert answer.url.path == "/operator/notices"
    assert "published-later" in answer.text
    with reading(platform.house.database) as conn:
        assert asof.notices_as_of(conn, facts.last_seq(conn))[-1].version == "published-later"


def test_a_license_goes_its_way_from_offer_to_end_and_each_side_takes_its_own_steps(operator, visit, platform) -> None:
    terms = {"recipient_id": "nordlys", "purpose": "third_party_training", "days": "30", "recall_within_hours": "24"}
    offered = operator.submit(
        "/operator/licenses", "/operator/licenses/offer", license_id="way", tables="posts", langs="en, fr", **terms
    )
    page = offered.url.path
    assert page == "/operator/licenses/way"
    assert operator.submit(page, f"{page}/move", state="countersigned").status_code == 403
    recipient = visit("recipient", token=platform.tokens["nordlys"])
    assert "The operator offers you this license." in recipient.get("/recipient").text
    stranger = visit("recipient", token=platform.tokens["acme"])
    answer = "/recipient/licenses/way/answer"
    assert stranger.submit("/recipient/access", answer, state="agreed").status_code == 404
    assert recipient.submit("/recipient", answer, state="active").status_code == 400
    recipient.submit("/recipient", answer, state="agreed").raise_for_status()
    for state in ("countersigned", "active", "suspended", "active", "ended"):
        operator.submit(page, f"{page}/move", state=state).raise_for_status()
    text = operator.get(page).text
    assert re.findall(r"<strong>(\w+)</strong>", text) == [
        "Offered", "Agreed", "Countersigned", "Active", "Suspended", "Active", "Ended",
    ]  # fmt: skip
    assert 'name="state"' not in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"license_id": "a b"},
        {"license_id": "acme_2024"},
        {"days": "0"},
        {"days": "x"},
        {"langs": "english!"},
        {"tables": "none"},
        {"recipient_id": "nobody"},
        {"purpose": "other"},
    ],
)
def test_an_offer_that_cannot_be_meant_is_refused(operator, wrong) -> None:
    terms = {"recipient_id": "nordlys", "purpose": "third_party_training", "days": "30", "recall_within_hours": "24"}
    sent = {"license_id": "fresh", "tables": "posts", **terms} | wrong
    assert operator.submit("/operator/licenses", "/operator/licenses/offer", **sent).status_code in {400, 404}


def test_the_audit_trail_is_searched(operator, site, platform) -> None:
    headers = {"Authorization": f"Bearer {platform.tokens['acme']}"}
    httpx.get(f"{site}/delta-sharing/shares", headers=headers).raise_for_status()
    assert httpx.get(f"{site}/delta-sharing/shares").status_code == 401
    for _ in range(100):
        found = operator.get("/operator/audit", params={"route": "/shares"}).text
        if found.count("/delta-sharing/shares") >= 2:
            break
    assert "acme" in found
    assert "a stranger" in found
    refused = operator.get("/operator/audit", params={"refused": "1", "recipient": "acme", "route": "/shares"}).text
    assert "Nothing was found." in refused
    assert operator.get("/operator/audit", params={"since": "x"}).status_code == 400
