"""Instagram exports: own captions enter where they are public, likes and saved posts by id alone, in any language."""

import copy
import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest import facebook_export
from licet.ingest.instagram_export import read, sees
from licet.ingest.opened import Opened, Part, open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.model.errors import InputError
from licet.model.members import AccountStatus, Member, MemberId, Protection
from licet.model.records import Ingested, Interaction, Post, Skipped, Table, Visibility

ANN = MemberId("instagram:ann")
PATHS = {
    "profile": "personal_information/personal_information/personal_information.json",
    "posts": "your_instagram_activity/media/posts_1.json",
    "reels": "your_instagram_activity/media/reels.json",
    "likes": "your_instagram_activity/likes/liked_posts.json",
    "saved": "your_instagram_activity/saved/saved_posts.json",
}
SECRETS = (
    "192.0.2.77",
    "2001:db8::77",
    "ann@example.org",
    "+1 202-555-0177",
    "12025550177",
    "52.37403",
    "android-0077",
)
LINK = "https://www.instagram.com/p/AAAAAAAAAAA/"


class InMemory:
    """A part that lies in memory, or one that nobody may open."""

    def __init__(self, name: str, content: bytes | None) -> None:
        """Keep the content."""
        self.name, self.content, self.size = name, content, len(content or b"")

    def open(self) -> BinaryIO:
        """Open the content."""
        assert self.content is not None, "this part must not be opened"
        return io.BytesIO(self.content)


def export(**files: object) -> Opened:
    """Make an export; some names are short for their paths, bytes and None are content as it is."""
    content = {
        PATHS.get(name, name): value if isinstance(value, bytes | None) else json.dumps(value).encode()
        for name, value in files.items()
    }
    parts = tuple(cast("Part", InMemory(name, content[name])) for name in sorted(content))
    return Opened(name="export", parts=parts)


def post(title: object = "hello", seconds: object = 1_700_000_000, **more: object) -> dict[str, Any]:
    """Make a post of one picture."""
    return {"media": [{"uri": "media/posts/1_n.jpg", "creation_timestamp": seconds, "title": title}]} | more


def account(username: object = "ann", private: object = None, **more: object) -> dict[str, object]:
    """Make the account information, with what must never be kept of it."""
    stated = {"Email": {"value": "ann@example.org"}, "Phone Number": {"value": "+1 202-555-0177"}}
    stated["Username"] = {"value": username}  # type: ignore[dict-item]
    if private is not None:
        stated["Private Account"] = {"value": private}  # type: ignore[dict-item]
    return {"profile_user": [{"title": "", "string_map_data": stated | more}]}


def like(title: object = "bob", **entry: object) -> dict[str, Any]:
    """Make a like in the earlier shape."""
    return {"title": title, "string_list_data": [{"href": LINK, "value": "\u00f0", "timestamp": 1_700_000_000} | entry]}


def later_like(owner: list[dict[str, object]], title: str = "Owner", link: object = LINK) -> dict[str, Any]:
    """Make a like in the later shape."""
    labels = [{"label": "URL", "value": link, "href": link}, {"title": title, "dict": [{"dict": owner}]}]
    return {"timestamp": 1_700_000_000, "media": [], "label_values": labels, "fbid": "17900000000000001"}


BOB: list[dict[str, object]] = [
    {"label": "URL", "value": "https://www.instagram.com/bob"},
    {"label": "Name", "value": "Bob"},
    {"label": "Username", "value": "bob"},
]


def posts_of(found: Iterable[Ingested]) -> list[Post]:
    """Give the posts."""
    return [each for each in found if isinstance(each, Post)]


def interactions_of(found: Iterable[Ingested]) -> list[Interaction]:
    """Give the interactions."""
    return [each for each in found if isinstance(each, Interaction)]


def reasons_of(found: Iterable[Ingested]) -> list[str]:
    """Give the reasons."""
    return [each.reason for each in found if isinstance(each, Skipped)]


@pytest.fixture(scope="module")
def samples(test_data: Path) -> dict[str, Any]:
    """The sample exports of both shapes, by path."""
    folder = test_data / "meta_export_synthetic"
    files = sorted(file for file in folder.rglob("*.json") if "instagram" in str(file))
    return {str(file.relative_to(folder)): json.loads(file.read_bytes()) for file in files}


def test_the_earlier_sample_is_read_whole(test_data: Path) -> None:
    with open_input(test_data / "meta_export_synthetic" / "instagram_2022") as source:
        assert sees(source) == "an Instagram account export with 5 parts to read"
        assert facebook_export.sees(source) == ""
        member, *found = read(source, ANN, Visibility.PUBLIC)
    assert member == Member(member_id=ANN, platform="instagram", status=AccountStatus.ACTIVE)
    assert [each.text for each in posts_of(found)] == ["caption é #tag @friend", "carousel caption"]
    named = [(each.table, each.post_id, each.post_author_id) for each in interactions_of(found)]
    assert named == [
        (Table.LIKES, "instagram:AAAAAAAAAAA", "instagram:other_user"),
        (Table.BOOKMARKS, "instagram:BBBBBBBBBBB", "instagram:other_user"),
        (Table.BOOKMARKS, "instagram:CCCCCCCCCCC", "instagram:nl_locale_user"),
    ]
    assert reasons_of(found) == ["unknown_visibility", "not_a_post"]


def test_the_later_sample_is_read_whole(test_data: Path) -> None:
    with open_input(test_data / "meta_export_synthetic" / "instagram_2025") as source:
        assert sees(source) == "an Instagram account export with 2 parts to read"
        found = list(read(source, ANN))
    named = [(each.table, each.post_id, each.post_author_id) for each in interactions_of(found)]
    ends = [("instagram:DDDDDDDDDDD", "instagram:other_user"), ("instagram:EEEEEEEEEEE", "instagram:some_brand")]
    assert named == [(table, *end) for table in (Table.LIKES, Table.BOOKMARKS) for end in ends]
    assert {each.created_at.timestamp() for each in interactions_of(found)} == {1_750_000_000, 1_750_000_100}
    assert reasons_of(found) == ["not_a_record"]
    assert "caption" not in repr(found)


def test_the_samples_name_nobody_so_nothing_of_them_enters(test_data: Path) -> None:
    for shape in ("instagram_2022", "instagram_2025"):
        with open_input(test_data / "meta_export_synthetic" / shape) as source:
            found = list(read(source, visibility=Visibility.PUBLIC))
        assert all(isinstance(each, Skipped) for each in found)
        assert {"unknown_author", "unknown_actor"} & set(reasons_of(found))


@pytest.mark.parametrize(
    "label",
    ["Username", "Gebruikersnaam", "Benutzername", "Nom d\u2019utilisateur", "Nombre de usuario", "Nome de usuário"],
)
def test_the_account_information_names_the_member_in_any_of_its_languages(label: str) -> None:
    mangled = label.encode().decode("latin-1")
    stated = {"profile_user": [{"string_map_data": {mangled: {"value": "Ann"}}}]}
    first, *found = read(export(profile=stated, posts=[post()]), visibility=Visibility.PUBLIC)
    assert isinstance(first, Member)
    assert [each.author_id for each in posts_of(found)] == [first.member_id] == ["instagram:ann"]


@pytest.mark.parametrize(
    "broken",
    [
        account(""),
        account("ann@example.org"),
        account("12025550177"),
        account("192.0.2.77"),
        account(["ann"]),
        account("ann", Gebruikersnaam={"value": "bob"}),
        {"profile_user": [{}]},
        {"profile_user": {}},
        b"{",
        b"",
    ],
)
def test_account_information_that_does_not_name_one_member_names_nobody(broken: object) -> None:
    found = list(read(export(profile=broken, posts=[post()], likes=[like()]), visibility=Visibility.PUBLIC))
    assert reasons_of(found)[0] in {"unknown_member", "malformed_row"}
    assert reasons_of(found)[1:] == ["unknown_author", "unknown_actor"]
    assert len(found) == 3


def test_two_accounts_in_one_export_name_nobody() -> None:
    both = export(profile=account("ann"), **{f"b/{PATHS['profile']}": account("bob")}, posts=[post()])
    assert reasons_of(read(both)) == ["unknown_member", "unknown_author"]


@pytest.mark.parametrize(
    ("private", "protection"),
    [
        ("False", Protection.OPEN),
        ("Onwaar", Protection.OPEN),
        ("True", Protection.PROTECTED),
        ("?", Protection.UNKNOWN),
    ],
)
def test_the_member_is_as_private_as_the_export_says(private: str, protection: Protection) -> None:
    first, *_ = read(export(profile=account(private=private)))
    assert isinstance(first, Member)
    assert first.protection is protection


def test_a_private_account_shares_no_post_whatever_else_is_said() -> None:
    source = export(profile=account(private="True"), posts=[post(), post(audience="Public")], reels=[post()])
    assert reasons_of(read(source, visibility=Visibility.PUBLIC)) == ["protected"] * 3


def test_an_open_account_alone_does_not_say_that_a_post_is_for_everybody() -> None:
    source = export(profile=account(private="False"), posts=[post()])
    assert reasons_of(read(source)) == ["unknown_visibility"]
    assert len(posts_of(read(source, visibility=Visibility.PUBLIC))) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
audience_values = json_values | st.sampled_from(["Public", "Close friends", "Followers"])


@settings(max_examples=200, deadline=None)
@given(
    audience=audience_values,
    inner=audience_values,
    private=json_values | st.sampled_from(["True", "False"]),
    vouched=st.sampled_from([None, Visibility.PUBLIC]),
)
def test_whatever_the_fields_hold_a_public_post_comes_from_the_word_alone(
    audience: object, inner: object, private: object, vouched: Visibility | None
) -> None:
    record = post(audience=audience)
    record["media"][0]["privacy"] = inner
    source = export(profile=account(private=private), posts=[record])
    for _ in posts_of(read(source, visibility=vouched)):
        assert private != "True"
        for word in (audience, inner):
            plain = word.get("value") if isinstance(word, dict) else word
            assert isinstance(plain, str)
            assert plain.strip().lower() == "public"


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (post("one picture"), "one picture"),
        ({"media": [{"title": "", "creation_timestamp": 5}], "title": "whole", "creation_timestamp": 5}, "whole"),
        ({"media": [{"title": "a"}, {"title": "b"}, {"title": "a"}], "creation_timestamp": 5}, "a\nb"),
        ({"timestamp": 5, "label_values": [{"label": "Bijschrift", "value": "later"}]}, "later"),
        ({"uri": "x.mp4", "creation_timestamp": 5, "title": "a film"}, "a film"),
    ],
)
def test_the_caption_is_found_in_every_shape(record: dict[str, object], text: str) -> None:
    (found,) = posts_of(read(export(posts=[record]), ANN, Visibility.PUBLIC))
    assert found.text == text


def test_a_caption_that_is_a_word_for_an_audience_is_a_caption() -> None:
    record = {"timestamp": 5, "label_values": [{"label": "Caption", "value": "Friends"}]}
    (found,) = posts_of(read(export(posts=[record]), ANN, Visibility.PUBLIC))
    assert found.text == "Friends"


def test_a_post_has_one_name_in_both_shapes() -> None:
    later = {"timestamp": 1_700_000_000, "label_values": [{"label": "Caption", "value": "hello"}], "fbid": "179"}
    (old,) = posts_of(read(export(posts=[post()]), ANN, Visibility.PUBLIC))
    (new,) = posts_of(read(export(posts=[later]), ANN, Visibility.PUBLIC))
    assert old.post_id == new.post_id == f"{ANN}/posts/1700000000"


def test_a_reel_and_a_post_of_one_second_have_two_names() -> None:
    source = export(posts=[post()], reels={"ig_reels_media": [post()]})
    assert len({each.post_id for each in posts_of(read(source, ANN, Visibility.PUBLIC))}) == 2


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (post(""), "no_text"),
        (post(None), "no_text"),
        (post("\ud800"), "unreadable_text"),
        (post(seconds=0), "unknown_time"),
        (post(seconds="5"), "unknown_time"),
        (post(seconds=10**40), "unknown_time"),
        (post(creation_timestamp=None), "unknown_time"),
        ({"title": "a", "media": [{"creation_timestamp": 5}, {"creation_timestamp": 6}]}, "unknown_time"),
        ({"title": "a", "media": []}, "unknown_time"),
        (post(label_values=[{"title": "Owner", "dict": [{"dict": BOB}]}]), "someone_elses_words"),
        (post(label_values=[{"title": "Eigenaar", "dict": []}]), "someone_elses_words"),
        (post(audience="Close friends"), "circle_only"),
        ([], "malformed_row"),
        (None, "malformed_row"),
    ],
)
def test_a_doubtful_post_is_set_aside_by_name(record: object, reason: str) -> None:
    source = export(profile=account(), posts=[record, post("next", 9)])
    found = list(read(source, visibility=Visibility.PUBLIC))
    assert reasons_of(found) == [reason]
    assert len(posts_of(found)) == 1


def test_a_post_that_names_the_member_as_its_owner_is_their_own() -> None:
    own = [{"label": "Username", "value": "ann"}]
    source = export(profile=account(), posts=[post(label_values=[{"title": "Owner", "dict": [{"dict": own}]}])])
    assert len(posts_of(read(source, visibility=Visibility.PUBLIC))) == 1


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (like(""), "unknown_post_author"),
        (like("Some Body"), "unknown_post_author"),
        (like("12025550177"), "unknown_post_author"),
        (like(None), "unknown_post_author"),
        (like(href="https://www.instagram.com/eve/p/AAAAAAAAAAA/"), "unknown_post_author"),
        (like(href=""), "unknown_post"),
        (like(href="https://example.org/p/AAAAAAAAAAA/"), "unknown_post"),
        (like(href=7), "unknown_post"),
        (like(href="https://www.instagram.com/stories/bob/1/"), "not_a_post"),
        (like(timestamp=0), "unknown_time"),
        (like(timestamp=None), "unknown_time"),
        ({"title": "bob", "string_list_data": []}, "unknown_post"),
        ({"title": "bob"}, "unknown_post"),
        (later_like([]), "unknown_post_author"),
        (later_like(BOB, title="Tagged users"), "unknown_post_author"),
        (later_like([*BOB, {"label": "Username", "value": "eve"}]), "unknown_post_author"),
        (later_like([BOB[0], {"label": "Username", "value": "eve"}]), "unknown_post_author"),
        (later_like(BOB, link=None), "unknown_post"),
        (later_like(BOB) | {"timestamp": 0}, "unknown_time"),
        (later_like(BOB) | {"label_values": None}, "unknown_post"),
        ("text", "malformed_row"),
    ],
)
@pytest.mark.parametrize("name", ["likes", "saved"])
def test_a_doubtful_like_or_saved_post_is_set_aside_by_name(name: str, record: object, reason: str) -> None:
    found = list(read(export(**{name: [record, like()]}), ANN))
    assert reasons_of(found) == [reason]
    assert len(interactions_of(found)) == 1


def test_a_later_record_in_another_language_is_understood_by_its_address() -> None:
    owner: list[dict[str, object]] = [BOB[0], {"label": "Gebruikersnaam", "value": "bob"}]
    (found,) = interactions_of(read(export(likes=[later_like(owner, title="Eigenaar")]), ANN))
    assert (found.post_id, found.post_author_id) == ("instagram:AAAAAAAAAAA", "instagram:bob")
    unknown_label: list[dict[str, object]] = [BOB[0], {"label": "???", "value": "bob"}]
    (found,) = interactions_of(read(export(likes=[later_like(unknown_label)]), ANN))
    assert found.post_author_id == "instagram:bob"


@pytest.mark.parametrize("link", ["p/AAA", "reel/AAA/", "reels/AAA/?igsh=x", "tv/AAA/", "bob/p/AAA/", "bob/reel/AAA"])
def test_every_address_of_a_post_gives_its_code(link: str) -> None:
    (found,) = interactions_of(read(export(likes=[like(href=f"https://www.instagram.com/{link}")]), ANN))
    assert found.post_id == "instagram:AAA"


def test_one_entry_may_hold_several_posts() -> None:
    record = like()
    record["string_list_data"] += [{"href": f"{LINK[:-2]}B/", "timestamp": 6}, {"href": "?", "timestamp": 6}]
    found = list(read(export(likes={"likes_media_likes": [record]}), ANN))
    assert len(interactions_of(found)) == 2
    assert reasons_of(found) == ["unknown_post"]


def test_what_is_not_shown_to_everybody_for_good_is_set_aside_record_by_record() -> None:
    files = {
        "content/stories.json": {"ig_stories": [{"uri": "x", "creation_timestamp": 5, "title": "s"}] * 2},
        "content/archived_posts.json": {"ig_archived_post_media": [post()]},
        "content/recently_deleted_content.json": {"ig_recently_deleted_media": [post()]},
        "comments/reels_comments.json": {"comments_reels_comments": [like()]},
        "likes/liked_comments.json": {"likes_comment_likes": [like()]},
    }
    found = list(read(export(**files), ANN, Visibility.PUBLIC))[1:]
    assert Counter(reasons_of(found)) == {
        "no_longer_shown": 3,
        "deleted_on_platform": 1,
        "unknown_visibility": 1,
        "not_a_post": 1,
    }
    assert len(found) == 6


def test_messages_are_never_opened_and_their_people_never_named() -> None:
    folder = "your_instagram_activity/messages/inbox/bob_secret_1"
    source = export(**{f"{folder}/{name}": None for name in ("message_1.json", "posts_1.json")}, posts=[post()])
    found = list(read(source, ANN, Visibility.PUBLIC))
    assert reasons_of(found) == ["direct_message"] * 2
    assert "bob_secret" not in repr(found)


def test_the_html_form_is_recognized_and_refused_with_a_remedy() -> None:
    source = export(**{"likes/liked_posts.html": b"<!doctype html><html>", "posts/your_other.html": b"<html>"})
    assert "HTML" in sees(source)
    with pytest.raises(InputError, match="JSON"):
        list(read(source, ANN))


@pytest.mark.parametrize("content", [b"", b"[", b"{", b"[1,", b"\xff\xfe", b"null", b'"x"', b"[" * 50_000])
def test_a_damaged_part_costs_itself_alone(content: bytes) -> None:
    source = export(**{"content/posts_1.json": content, "content/posts_2.json": [post()]})
    found = list(read(source, ANN, Visibility.PUBLIC))
    assert len(posts_of(found)) == 1
    assert set(reasons_of(found)) == {"malformed_row"}


def test_a_list_that_is_cut_off_keeps_what_came_before() -> None:
    whole = json.dumps([post("a", 5), post("b", 6)]).encode()
    found = list(read(export(posts=whole[:-20]), ANN, Visibility.PUBLIC))
    assert [each.text for each in posts_of(found)] == ["a"]
    assert reasons_of(found) == ["malformed_row"]


def test_other_formats_are_not_claimed(test_data: Path) -> None:
    for folder in sorted(test_data.iterdir()):
        if folder.is_dir() and folder.name != "meta_export_synthetic":
            with open_input(folder) as source:
                assert sees(source) == "", folder.name


@settings(max_examples=100, deadline=None)
@given(
    secret=st.sampled_from(SECRETS),
    place=st.sampled_from(["exif", "key", "owner", "title", "href", "profile", "audience"]),
    username=st.sampled_from(["ann", ""]),
)
def test_addresses_places_and_devices_are_in_nothing_that_is_yielded(secret: str, place: str, username: str) -> None:
    exif = {"media_metadata": {"photo_metadata": {"exif_data": [{"upload_ip": secret, "device_id": secret}]}}}
    record = post(**({"audience": secret} if place == "audience" else {secret: secret} if place == "key" else {}))
    if place == "exif":
        record["media"][0] |= exif | {"location": {"latitude": secret}}
    owner: list[dict[str, object]] = [{"label": "Username", "value": secret}] if place == "owner" else BOB
    found = list(
        read(
            export(
                profile=account(username or secret, **({"Name": {"value": secret}} if place == "profile" else {})),
                posts=[record],
                likes=[like(secret if place == "title" else "bob"), later_like(owner)],
                saved=[like(href=f"https://www.instagram.com/p/{secret}/x" if place == "href" else LINK)],
                **{f"messages/inbox/{secret}/message_1.json": None, f"logins/{secret}.json": [secret]},
            ),
            visibility=Visibility.PUBLIC,
        )
    )
    assert len(found) >= 6
    assert secret not in "\n".join(map(repr, found))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_samples_never_raise(data: st.DataObject, samples: dict[str, Any]) -> None:
    name = data.draw(st.sampled_from(sorted(samples)))
    content = bytearray(json.dumps(samples[name]).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.sampled_from(["flip", "delete", "insert"]))
        piece = data.draw(st.binary(min_size=1, max_size=4))
        content[at : at + (0 if change == "insert" else len(piece))] = b"" if change == "delete" else piece
    source = export(**(samples | {name: bytes(content)}))
    sees(source)
    check(list(read(source, ANN, Visibility.PUBLIC)))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), value=json_values)
def test_samples_with_any_part_replaced_never_raise_and_drop_nothing(
    data: st.DataObject, value: object, samples: dict[str, Any]
) -> None:
    name = data.draw(st.sampled_from(sorted(samples)))
    whole = copy.deepcopy(samples[name])
    inner = whole if isinstance(whole, list) else next(iter(whole.values()))
    size = 1 if "followers" in name else len(inner)
    while True:
        keys = list(range(len(inner))) if isinstance(inner, list) else sorted(inner)
        key = data.draw(st.sampled_from(keys))
        if not isinstance(inner[key], dict | list) or not inner[key] or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = value
    found = list(read(export(**{name: whole}), ANN, Visibility.PUBLIC))
    check(found)
    assert sum(isinstance(each, Post | Interaction | Skipped) for each in found) >= size


def check(found: list[Ingested]) -> None:
    """Check that reasons are known and records are whole."""
    for each in found:
        if isinstance(each, Skipped):
            assert each.reason in SKIP_REASONS
        elif isinstance(each, Post):
            assert each.text.encode()
            assert each.author_id == ANN
        elif isinstance(each, Interaction):
            assert each.post_author_id.startswith("instagram:")
            assert each.created_at.tzinfo is not None
