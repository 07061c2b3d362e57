"""A member's pages without any script: choose, undo, see who has what, keep receipts, take everything along."""

import io
import json
import re
import zipfile

import pytest
from platform_history import ADA, GRACE, PURPOSE

from licet.cli.verifying import verify_entry
from licet.store import asof, chosen, facts
from licet.store.database import reading
from licet.store.log_proofs import verifier_of

PAGE, CHOOSE = "/member", "/member/choice"


@pytest.fixture
def somebody(platform) -> str:
    """A member who has not chosen anything, and whom no other test knows."""
    with reading(platform.house.database) as conn:
        untouched = [m for m in platform.members if m not in {ADA, GRACE} and not chosen.chosen_by(conn, m)]
    return untouched[0]


def position(platform, member_id: str, recipient: str = "", purpose: str = PURPOSE) -> tuple[str, str]:
    with reading(platform.house.database) as conn:
        return asof.setting_as_of(conn, member_id, purpose, facts.last_seq(conn), recipient)


def pressed(text: str, purpose: str, recipient: str = "") -> list[str]:
    """Give which buttons of a form are pressed."""
    fields = f'name="purpose" value="{purpose}"><input type="hidden" name="recipient" value="{recipient}"'
    forms = [part.partition("</form>")[0] for part in text.split(fields)[1:]]
    return [value for form in forms for value in re.findall(r'value="(\w+)" aria-pressed="true"', form)]


def test_the_page_says_what_holds_in_the_notices_own_words(visit, somebody) -> None:
    text = visit("member", somebody).get(PAGE).text
    assert "Other companies may train their AI models on your public content." in text
    assert "No other company may train its AI models on your content." in text
    assert "You have not chosen" in text
    assert pressed(text, PURPOSE) == ["allow"]


def test_to_refuse_takes_one_press_and_so_does_to_undo_it(platform, visit, somebody) -> None:
    visitor = visit("member", somebody)
    answer = visitor.submit(PAGE, CHOOSE, purpose=PURPOSE, recipient="", choice="deny")
    assert "Saved: not allowed." in answer.text
    assert pressed(answer.text, PURPOSE) == ["deny"]
    assert position(platform, somebody) == ("deny", "member")
    undone = visitor.submit(PAGE, CHOOSE, purpose=PURPOSE, recipient="", choice="allow")
    assert "Saved: allowed." in undone.text
    assert position(platform, somebody) == ("allow", "member")


def test_both_answers_are_the_same_button(visit, somebody) -> None:
    buttons = re.findall(r"<button[^>]*aria-pressed[^>]*>", visit("member", somebody).get(PAGE).text)
    assert len(buttons) >= 4
    assert {re.sub(r'value="\w+"|aria-pressed="\w+"', "", button) for button in buttons} == {'<button name="choice"  >'}


def test_a_company_can_be_refused_alone(platform, visit, somebody) -> None:
    visitor = visit("member", somebody)
    text = visitor.submit(PAGE, CHOOSE, purpose=PURPOSE, recipient="nordlys", choice="deny").text
    assert (pressed(text, PURPOSE, "nordlys"), pressed(text, PURPOSE, "acme")) == (["deny"], ["allow"])
    assert (position(platform, somebody, "nordlys")[0], position(platform, somebody, "acme")[0]) == ("deny", "none")


def test_a_signal_is_shown_and_heeded_and_a_conflict_with_it_disclosed(platform, visit, somebody) -> None:
    visitor = visit("member", somebody)
    visitor.headers["Sec-GPC"] = "1"
    text = visitor.get(PAGE).text
    assert "Your browser sends Global Privacy Control." in text
    assert position(platform, somebody) == ("deny", "gpc")
    answer = visitor.submit(PAGE, CHOOSE, purpose=PURPOSE, recipient="", choice="allow")
    assert "Your browser asks us not to share" in answer.text
    assert position(platform, somebody) == ("allow", "member")


def test_the_page_opens_before_the_notice_takes_effect(platform, visit, somebody) -> None:
    visitor, before = visit("member", somebody), platform.now
    platform.now = platform.now.replace(year=2024, month=10, day=20)
    try:
        late = visit("member", somebody)
        assert "takes effect on November 15, 2024" in late.get(PAGE).text
        late.submit(PAGE, CHOOSE, purpose=PURPOSE, recipient="", choice="deny").raise_for_status()
    finally:
        platform.now = before
    assert position(platform, somebody) == ("deny", "member")
    assert "takes effect on" not in visitor.get(PAGE).text


def test_to_see_the_page_counts_as_being_shown_the_notice(platform, visit, somebody) -> None:
    visit("member", somebody).get(PAGE)
    with reading(platform.house.database) as conn:
        assert [version for version, _ in chosen.notices_shown(conn, somebody)] == ["x-2024-11-15"]


@pytest.mark.parametrize("fields", [{"choice": "maybe"}, {"choice": "deny", "purpose": "none"}, {}])
def test_a_choice_that_cannot_be_meant_changes_nothing(platform, visit, somebody, fields) -> None:
    sent = {"purpose": PURPOSE, "recipient": ""} | fields
    assert visit("member", somebody).submit(PAGE, CHOOSE, **sent).status_code in {400, 404}
    assert position(platform, somebody) == ("none", "")


def test_who_has_my_data_counts_rows_and_tells_every_recall(visit) -> None:
    text = visit("member", ADA).get("/member/data").text
    assert re.search(r">Posts</th><td class=\"n\">76</td>", text)
    assert "Nordlys Research" in text
    assert "The member opted out" in text
    assert "Taken back on May 4, 2025" in text
    assert "Closed: nothing had been fetched" in text
    assert "ada" not in re.sub(r"demo:ada|demo%3Aada", "", text.partition("<main")[2])


def test_a_receipt_is_the_members_own_and_names_the_notice(visit, somebody) -> None:
    visitor = visit("member", somebody)
    visitor.submit(PAGE, CHOOSE, purpose=PURPOSE, recipient="acme", choice="deny")
    link = re.search(r"/member/receipts/\d+", visitor.get("/member/receipts").text)
    assert link
    receipt = visitor.get(link[0]).json()
    assert receipt["pii_principal_id"] == somebody
    assert receipt["processing"]["privacy_notice"]["version"] == "x-2024-11-15"
    assert receipt["processing"]["recipient_third_parties"] == ["Acme AI"]
    assert receipt["event"]["event_type"].endswith("#OptingOutFromProcess")
    assert visit("member", GRACE).get(link[0]).status_code == 404


def test_everything_comes_along_in_one_file(visit) -> None:
    answer = visit("member", ADA).get("/member/download")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        posts = [json.loads(line) for line in archive.read("records/posts.jsonl").splitlines()]
        sharing = json.loads(archive.read("sharing.json"))
        account = json.loads(archive.read("account.json"))
        money = json.loads(archive.read("earnings.json"))
    assert {post["author_id"] for post in posts} == {ADA}
    assert len(posts) >= 76
    assert {one["recipient"] for one in sharing} == {"Acme AI", "Nordlys Research"}
    assert account["region"] == "US"
    shown = visit("member", ADA).get("/member/earnings").text
    assert money["earned"]
    assert all(one["license"] == "acme_2024" and f"{one['rows']:,}" in shown for one in money["earned"])


def test_the_file_says_in_the_members_language_what_is_in_it(visit, somebody) -> None:
    for language, begins in (("en", "Your data, as of"), ("fr", "Vos données")):
        answer = visit("member", somebody).get("/member/download", headers={"Accept-Language": language})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            told = archive.read("README.txt").decode()
            places = {name.split("/")[0] for name in archive.namelist()} - {"README.txt"}
        assert told.startswith(begins)
        assert all(any(line.startswith(place) for line in told.splitlines()) for place in places)


def test_downloads_have_a_pace(visit, somebody) -> None:
    visitor = visit("member", somebody)
    codes = [visitor.get("/member/download").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]


def test_who_was_taken_back_downloads_the_proof_and_nobody_else_does(platform, visit) -> None:
    visitor = visit("member", ADA)
    (path, *_) = re.findall(r"/member/data/([\w.]+)\"", visitor.get("/member/data").text)
    proofs = visitor.get(f"/member/data/{path}").json()["log_proofs"]
    with reading(platform.house.database) as conn:
        verifier = verifier_of(conn)
    said = [verify_entry(proof, verifier)[0] for proof in proofs]
    assert {each["recall"] for each in said} == {path}
    assert {"recall"} <= {each["type"] for each in said}
    other = next(each for each in platform.members if each not in {ADA, GRACE})
    assert visit("member", other).get(f"/member/data/{path}").status_code == 404
    assert visitor.get("/member/data/none").status_code == 404
