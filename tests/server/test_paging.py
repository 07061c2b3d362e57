"""All pages of an answer come from one version; tokens are good for what they were given for, and no longer."""

import json
from datetime import timedelta

import httpx
import pytest

from licet.model.records import Table

POSTS = "/shares/acme-2025/schemas/licensed/tables/posts"
LIKES = POSTS.replace("posts", "likes")
OVER = "The page token has expired. Please restart the query."


def page(client: httpx.Client, path: str = POSTS, **body: object) -> tuple[list[str], dict]:
    """Give the files and the last line of a page."""
    answer = client.post(f"{path}/query", json=body)
    assert answer.status_code == 200, answer.text
    protocol, metadata, *files, end = [json.loads(line) for line in answer.text.splitlines()]
    assert (list(protocol), list(metadata)) == (["protocol"], ["metaData"])
    return [line["file"]["id"] for line in files], end["endStreamAction"]


def words(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text
    return str(answer.json()["message"])


def walk(client: httpx.Client, path: str = POSTS, **body: object) -> list[str]:
    seen, token = [], {}
    while True:
        files, end = page(client, path, **body, **token)
        assert "minUrlExpirationTimestamp" in end
        seen += files
        if "nextPageToken" not in end:
            return seen
        assert files
        token = {"pageToken": end["nextPageToken"]}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, "2", 2**31 - 1])
def test_pages_give_every_file_once_in_order(scene, recipient, size) -> None:
    scene.commit(dict.fromkeys(range(5), 1))
    whole = [json.loads(line) for line in recipient.post(f"{POSTS}/query", json={}).text.splitlines()[2:]]
    assert walk(recipient, maxFiles=size) == [line["file"]["id"] for line in whole]


def test_pages_of_a_limited_question_end_where_it_does(scene, recipient) -> None:
    scene.commit(dict.fromkeys(range(5), 1))
    assert len(walk(recipient, maxFiles=2, limitHint=3)) == 3


def test_a_page_may_have_another_size_than_the_one_before(scene, recipient) -> None:
    scene.commit(dict.fromkeys(range(5), 1))
    first, end = page(recipient, maxFiles=1)
    rest, end = page(recipient, maxFiles=9, pageToken=end["nextPageToken"])
    assert (len(first), len(rest), len({*first, *rest}), "nextPageToken" in end) == (1, 4, 5, False)


def test_a_page_is_never_taken_from_another_version(scene, recipient) -> None:
    _, end = page(recipient, maxFiles=1)
    scene.recall({1: 0})
    body = {"maxFiles": 1, "pageToken": end["nextPageToken"]}
    assert words(recipient.post(f"{POSTS}/query", json=body)) == OVER


def test_a_page_waits_like_a_question(scene, recipient) -> None:
    _, end = page(recipient, maxFiles=1)
    scene.withdraw()
    answer = recipient.post(f"{POSTS}/query", json={"maxFiles": 1, "pageToken": end["nextPageToken"]})
    assert answer.status_code == 503


def test_a_page_token_ends(scene, recipient) -> None:
    _, end = page(recipient, maxFiles=1)
    body = {"maxFiles": 1, "pageToken": end["nextPageToken"]}
    scene.now += timedelta(seconds=3599)
    assert recipient.post(f"{POSTS}/query", json=body).status_code == 200
    scene.now += timedelta(seconds=1)
    assert words(recipient.post(f"{POSTS}/query", json=body)) == OVER


@pytest.mark.parametrize(
    "changed", [{"limitHint": 9}, {"predicateHints": ["a = 'b'"]}, {"version": 0}, {"jsonPredicateHints": "x"}]
)
def test_the_pages_of_one_answer_belong_to_one_question(recipient, changed) -> None:
    _, end = page(recipient, maxFiles=1)
    body = {"maxFiles": 1, "pageToken": end["nextPageToken"], **changed}
    assert words(recipient.post(f"{POSTS}/query", json=body)) == (
        "Query parameter mismatch detected for the next page query. The query parameter\n"
        "cannot change when querying the next page results."
    )


def test_a_page_in_another_format_is_another_question(recipient) -> None:
    _, end = page(recipient, maxFiles=1)
    headers = {"delta-sharing-capabilities": "responseformat=delta"}
    body = {"maxFiles": 1, "pageToken": end["nextPageToken"]}
    assert words(recipient.post(f"{POSTS}/query", json=body, headers=headers)).startswith("Query parameter mismatch")


def test_a_token_of_another_table_is_refused(scene, recipient) -> None:
    scene.commit({0: 1, 1: 1}, Table.LIKES)
    _, end = page(recipient, LIKES, maxFiles=1, includeRefreshToken=True)
    for kind, body in (
        ("page", {"pageToken": end["nextPageToken"]}),
        ("refresh", {"refreshToken": end["refreshToken"]}),
    ):
        said = words(recipient.post(f"{POSTS}/query", json=body))
        assert said == f"The table specified in the {kind} token does not match the table being queried."


@pytest.mark.parametrize("token", ["abc", "", ".", "a.b", "e30.0000", "\ud800", "é.é", "." * 100])
def test_a_token_that_is_none_of_ours_opens_nothing(recipient, token) -> None:
    for name, kind in (("pageToken", "the page token"), ("refreshToken", "refresh token")):
        answer = recipient.post(f"{POSTS}/query", content=json.dumps({name: token}))
        if token:
            assert words(answer).startswith(f"Error decoding {kind}: ")
        else:
            assert answer.status_code == 200


def test_no_kind_of_token_stands_in_for_another_nor_does_one_changed_by_a_digit(recipient) -> None:
    _, end = page(recipient, maxFiles=1, includeRefreshToken=True)
    for name, token in (
        ("pageToken", end["refreshToken"]),
        ("refreshToken", end["nextPageToken"]),
        ("refreshToken", end["refreshToken"][:-1] + ("0" if end["refreshToken"][-1] != "0" else "1")),
    ):
        assert words(recipient.post(f"{POSTS}/query", json={name: token})).startswith("Error decoding ")


def test_a_refresh_token_gives_the_same_files_under_fresh_addresses(scene, recipient) -> None:
    files, end = page(recipient, includeRefreshToken=True)
    scene.now += timedelta(seconds=1800)
    again, later = page(recipient, refreshToken=end["refreshToken"], includeRefreshToken=True)
    assert again == files
    assert later["minUrlExpirationTimestamp"] - end["minUrlExpirationTimestamp"] == 1_800_000
    scene.now += timedelta(seconds=1800)
    said = words(recipient.post(f"{POSTS}/query", json={"refreshToken": end["refreshToken"]}))
    assert said == "The refresh token has expired. Please restart the query."
    assert page(recipient, refreshToken=later["refreshToken"], includeRefreshToken=True)[0] == files


def test_a_refresh_token_renews_no_address_of_what_left(scene, recipient) -> None:
    _, end = page(recipient, includeRefreshToken=True)
    scene.recall({1: 0})
    said = words(recipient.post(f"{POSTS}/query", json={"refreshToken": end["refreshToken"]}))
    assert said == "The refresh token has expired. Please restart the query."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"includeRefreshToken": True, "version": 0},
            "includeRefreshToken cannot be used when querying a specific version.",
        ),
        (
            {"includeRefreshToken": "true", "startingVersion": 0},
            "includeRefreshToken cannot be used when querying a specific version.",
        ),
        (
            {"includeRefreshToken": True, "pageToken": "x"},
            "includeRefreshToken must be used in the first page request.",
        ),
        ({"refreshToken": "x", "timestamp": "x"}, "refreshToken cannot be used when querying a specific version."),
        ({"refreshToken": "x", "pageToken": "x"}, "refreshToken must be used in the first page request."),
    ],
)
def test_tokens_are_refused_where_they_mean_nothing(recipient, body, said) -> None:
    assert words(recipient.post(f"{POSTS}/query", json=body)).startswith(said)


def test_nobody_who_did_not_ask_is_told_of_an_end(recipient) -> None:
    """Older clients cannot read such a line."""
    for body in ({}, {"includeRefreshToken": False}, {"limitHint": 1}):
        assert "endStreamAction" not in recipient.post(f"{POSTS}/query", json=body).text


@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_changes_come_in_pages_too(scene, recipient, form) -> None:
    scene.recall({0: 1})
    scene.recall({1: 1})
    asked = {"startingVersion": 0, "maxFiles": 1}
    headers = {"delta-sharing-capabilities": f"responseformat={form}"}
    seen, token = [], {}
    while True:
        answer = recipient.get(f"{POSTS}/changes", params=asked | token, headers=headers)
        *_, line, end = [json.loads(each) for each in answer.text.splitlines()]
        ((kind, said),) = line.items()
        seen.append((kind if form == "parquet" else next(iter(said["deltaSingleAction"])), said["version"]))
        if "nextPageToken" not in end["endStreamAction"]:
            break
        token = {"pageToken": end["endStreamAction"]["nextPageToken"]}
        other = recipient.get(f"{POSTS}/changes", params={"startingVersion": 1} | token, headers=headers)
        assert words(other).startswith("Query parameter mismatch")
    cdf = "cdf" if form == "parquet" else "cdc"
    assert seen == [("add", 0), ("add", 0), (cdf, 1), (cdf, 2)]
    scene.recall({1: 0})
    assert words(recipient.get(f"{POSTS}/changes", params=asked | token, headers=headers)) == OVER
