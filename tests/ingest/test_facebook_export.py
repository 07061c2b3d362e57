"""Facebook exports: the member's own posts enter where the export says public, and nothing else does."""

import copy
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest import instagram_export
from licet.ingest.facebook_export import read, sees
from licet.ingest.meta_parts import PostNames
from licet.ingest.opened import Opened, Part, open_input
from licet.ingest.reasons import SKIP_REASONS, SetAside
from licet.model.errors import InputError, UsageError
from licet.model.members import AccountStatus, Member, MemberId, Protection
from licet.model.records import Deletion, Ingested, Post, Skipped, Table, Visibility

ANN = MemberId("facebook:ann.example")
POSTS = "your_facebook_activity/posts/your_posts__check_ins__photos_and_videos_1.json"
PROFILE = "personal_information/profile_information/profile_information.json"
SECRETS = ("192.0.2.77", "2001:db8::77", "ann@example.org", "+1 202-555-0177", "52.37403", "4.88969", "Ann Secret")
PUBLIC_WORDS = {"public", "everyone", "openbaar", "öffentlich", "público", "pubblico", "pubblica"}


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
    """Make an export; `posts` and `profile` are short for their paths, bytes and None are content as it is."""
    short = {"posts": POSTS, "profile": PROFILE}
    content = {
        short.get(name, name): value if isinstance(value, bytes | None) else json.dumps(value).encode()
        for name, value in files.items()
    }
    parts = tuple(cast("Part", InMemory(name, content[name])) for name in sorted(content))
    return Opened(name="export", parts=parts)


def post(
    text: object = "hello", timestamp: object = 1_600_000_000, *, update: object = 0, **more: object
) -> dict[str, Any]:
    """Make a post as it stands in an export."""
    data: list[dict[str, object]] = [{"post": text}]
    if update:
        data.append({"update_timestamp": update})
    return {"timestamp": timestamp, "data": data, "title": "Ann Secret updated her status."} | more


def profile(**stated: object) -> dict[str, object]:
    """Make a profile, with what must never be kept of it."""
    private = {"name": {"full_name": "Ann Secret"}, "emails": {"emails": ["ann@example.org"]}}
    return {"profile_v2": private | {"phone_numbers": [{"phone_number": "+1 202-555-0177"}]} | stated}


def posts_of(found: Iterable[Ingested]) -> list[Post]:
    """Give the posts."""
    return [each for each in found if isinstance(each, Post)]


def reasons_of(found: Iterable[Ingested]) -> list[str]:
    """Give the reasons."""
    return [each.reason for each in found if isinstance(each, Skipped)]


@pytest.fixture(scope="module")
def sample(test_data: Path) -> dict[str, Any]:
    """The sample export, by path."""
    folder = test_data / "meta_export_synthetic" / "facebook"
    return {str(file.relative_to(folder)): json.loads(file.read_bytes()) for file in sorted(folder.rglob("*.json"))}


def test_the_sample_gives_its_three_texts_and_names_the_rest(test_data: Path) -> None:
    with open_input(test_data / "meta_export_synthetic" / "facebook") as source:
        assert sees(source) == "a Facebook account export with 4 parts to read"
        assert instagram_export.sees(source) == ""
        member, *found = read(source, ANN, Visibility.PUBLIC)
    assert member == Member(member_id=ANN, platform="facebook", status=AccountStatus.ACTIVE)
    assert [each.text for each in posts_of(found)] == [
        "plain status",
        "caption with é, ø and 🚀",
        "call me on +1 202-555-0143 or mail sample@example.org",
    ]
    assert Counter(reasons_of(found)) == {
        "no_text": 4,
        "unknown_visibility": 2,
        "community_only": 1,
        "unknown_post_author": 4,
    }


def test_the_sample_states_no_audience_so_nothing_of_it_enters(test_data: Path) -> None:
    with open_input(test_data / "meta_export_synthetic" / "facebook") as source:
        found = list(read(source, ANN))
    assert posts_of(found) == []
    assert Counter(reasons_of(found))["unknown_visibility"] == 5


def test_the_sample_names_nobody_so_nothing_of_it_enters(test_data: Path) -> None:
    with open_input(test_data / "meta_export_synthetic" / "facebook") as source:
        found = list(read(source, visibility=Visibility.PUBLIC))
    assert all(isinstance(each, Skipped) for each in found)
    assert Counter(reasons_of(found))["unknown_author"] == 7


def test_a_zip_reads_as_its_folder_does(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "meta_export_synthetic" / "facebook"
    with zipfile.ZipFile(tmp_path / "facebook-ann.zip", "w") as packed:
        for file in folder.rglob("*.json"):
            packed.write(file, Path("facebook-ann") / file.relative_to(folder))
    with open_input(folder) as loose, open_input(tmp_path / "facebook-ann.zip") as packed_source:
        assert list(read(packed_source, ANN, Visibility.PUBLIC)) == list(read(loose, ANN, Visibility.PUBLIC))


@pytest.mark.parametrize(
    ("stated", "member"),
    [
        ({"profile_uri": "https://www.facebook.com/Ann.Example"}, "facebook:ann.example"),
        ({"profile_uri": "https://www.facebook.com/profile.php?id=100001", "username": "x"}, "facebook:100001"),
        ({"profile_uri": "https://www.facebook.com/people/Ann/100001/"}, "facebook:100001"),
        ({"username": "ann.example"}, "facebook:ann.example"),
        ({"username": "ann.example", "profile_uri": "https://www.facebook.com/ann.example"}, "facebook:ann.example"),
    ],
)
def test_the_profile_names_the_member(stated: dict[str, object], member: str) -> None:
    first, second = read(export(profile=profile(**stated), posts=[post(audience="Public")]))
    assert isinstance(first, Member)
    assert isinstance(second, Post)
    assert (first.member_id, second.author_id, first.protection) == (member, member, Protection.UNKNOWN)


@pytest.mark.parametrize(
    "broken",
    [
        profile(),
        profile(username="ann", profile_uri="https://www.facebook.com/bob"),
        profile(profile_uri="https://www.facebook.com/profile.php"),
        profile(profile_uri="https://example.org/ann"),
        profile(username="ann@example.org"),
        profile(username="12025550177"),
        profile(username="192.0.2.77"),
        profile(username=["ann"]),
        {"profile_v2": []},
        [],
        b"{",
        b"",
    ],
)
def test_a_profile_that_does_not_name_one_member_names_nobody(broken: object) -> None:
    found = list(read(export(profile=broken, posts=[post(audience="Public")])))
    assert reasons_of(found)[0] in {"unknown_member", "malformed_row"}
    assert reasons_of(found)[1:] == ["unknown_author"]
    assert len(found) == 2


def test_two_profiles_that_differ_name_nobody() -> None:
    both = export(**{PROFILE: profile(username="ann"), f"b/{PROFILE}": profile(username="bob"), POSTS: [post()]})
    assert reasons_of(read(both)) == ["unknown_member", "unknown_author"]


def test_whoever_brings_the_export_can_say_whose_it_is() -> None:
    first, *_ = read(export(profile=profile(username="ann"), posts=[]), MemberId("facebook:7"))
    assert isinstance(first, Member)
    assert first.member_id == "facebook:7"


@pytest.mark.parametrize("member_id", ["", "a b", "a\n", "x" * 256])
def test_a_member_id_that_is_none_is_refused(member_id: str) -> None:
    with pytest.raises(UsageError):
        read(export(posts=[]), MemberId(member_id))


@pytest.mark.parametrize("vouched", [Visibility.FOLLOWERS, Visibility.PRIVATE, Visibility.UNKNOWN])
def test_nobody_can_vouch_for_less_than_readable(vouched: Visibility) -> None:
    with pytest.raises(UsageError):
        read(export(posts=[]), ANN, vouched)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"privacy": "Friends"}, "followers_only"),
        ({"privacy": {"value": "ALL_FRIENDS"}}, "followers_only"),
        ({"audience": "Alleen ik"}, "circle_only"),
        ({"audience": "something new"}, "unknown_visibility"),
        ({"audience": None}, "unknown_visibility"),
        ({"audience": ["Public"]}, "unknown_visibility"),
        ({"Doelgroep": "Vrienden"}, "followers_only"),
        ({"label_values": [{"label": "Zielgruppe", "value": "Nur ich"}]}, "circle_only"),
        ({"label_values": [{"label": "a label of its own", "value": "Vrienden"}]}, "followers_only"),
        ({"label_values": [{"title": "Audience", "dict": []}]}, "unknown_visibility"),
        ({"label_values": [{"label": "Audience", "value": "Public"}], "privacy": "Friends"}, "followers_only"),
        ({"group": "A group", "privacy": "Public"}, "community_only"),
    ],
)
def test_a_stated_audience_outweighs_what_the_member_vouches_for(stated: dict[str, object], reason: str) -> None:
    found = list(read(export(posts=[post(**stated)]), ANN, Visibility.PUBLIC))[1:]
    assert reasons_of(found) == [reason]
    assert len(found) == 1


@pytest.mark.parametrize(
    "stated",
    [
        {"privacy": "Public"},
        {"Zielgruppe": "\u00c3\u0096ffentlich"},
        {"label_values": [{"label": "Doelgroep", "value": "Openbaar"}]},
        {"privacy": {"value": "EVERYONE"}},
    ],
)
def test_a_post_whose_export_says_public_enters(stated: dict[str, object]) -> None:
    (found,) = posts_of(read(export(posts=[post(**stated)]), ANN))
    assert found.visibility is Visibility.PUBLIC


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from(["privacy", "audience", "Zielgruppe", "Público"]),
    value=json_values | st.sampled_from(["Public", "Friends", "Only me"]),
    label=json_values | st.sampled_from(["Public", "Friends", "Only me"]),
    vouched=st.sampled_from([None, Visibility.PUBLIC]),
)
def test_whatever_the_audience_fields_hold_a_public_post_comes_from_the_word_alone(
    field: str, value: object, label: object, vouched: Visibility | None
) -> None:
    record = post(**{field: value, "label_values": [{"label": "Audience", "value": label}]})
    for _ in posts_of(read(export(posts=[record]), ANN, vouched)):
        inner = value.get("value") if isinstance(value, dict) else value
        for word in (inner, label):
            assert isinstance(word, str)
            assert word.strip().lower() in PUBLIC_WORDS


def test_a_post_is_named_by_its_member_and_second_in_every_export_of_the_account() -> None:
    early = posts_of(read(export(posts=[post("a", 5), post("b", 6)]), ANN, Visibility.PUBLIC))
    late = posts_of(read(export(posts=[post("new", 9), post("b", 6), post("a", 5)]), ANN, Visibility.PUBLIC))
    assert {each.text: each.post_id for each in early}.items() <= {each.text: each.post_id for each in late}.items()
    assert early[0].post_id == f"{ANN}/posts/5"


def test_two_texts_of_one_second_are_two_posts_and_one_text_twice_is_one() -> None:
    source = export(**{POSTS: [post("a"), post("b"), post("a")], f"old/{POSTS}": [post("a", audience="Public")]})
    names = [each.post_id for each in posts_of(read(source, ANN, Visibility.PUBLIC))]
    assert sorted(Counter(names).items()) == [
        (f"{ANN}/posts/1600000000", 3),
        (f"{ANN}/posts/1600000000/2", 1),
    ]


def test_a_post_that_is_not_shared_keeps_its_place_among_those_of_its_second() -> None:
    source = export(posts=[post("a", privacy="Friends"), post("b", privacy="Public")])
    assert [each.post_id for each in posts_of(read(source, ANN))] == [f"{ANN}/posts/1600000000/2"]


def test_posts_beyond_what_can_be_told_apart_are_set_aside() -> None:
    names = PostNames(most=3)
    first = [names.name(ANN, "posts", 5, text) for text in "aab"] + [names.name(ANN, "posts", 6, "a")]
    assert first == [f"{ANN}/posts/{name}" for name in ("5", "5", "5/2", "6")]
    with pytest.raises(SetAside, match="unknown_post"):
        names.name(ANN, "posts", 7, "a")
    assert names.name(ANN, "posts", 5, "b") == f"{ANN}/posts/5/2"


def test_an_edit_withdraws_the_old_words_before_the_new_ones_stand() -> None:
    _, edit, new = read(export(posts=[post(update=1_600_000_500)]), ANN, Visibility.PUBLIC)
    assert isinstance(new, Post)
    assert edit == Deletion(
        table=Table.POSTS, record_id=new.post_id, member_id=ANN, superseded=True, revision="1600000500"
    )


def test_an_edit_into_a_smaller_audience_still_withdraws_the_old_words() -> None:
    _, edit, aside = read(export(posts=[post(update=1_600_000_500, privacy="Friends")]), ANN)
    assert isinstance(edit, Deletion)
    assert isinstance(aside, Skipped)


@pytest.mark.parametrize("update", [1_600_000_000, 5, -1, 10**30])
def test_a_time_of_change_that_tells_no_later_change_is_no_edit(update: int) -> None:
    assert len(list(read(export(posts=[post(update=update)]), ANN, Visibility.PUBLIC))) == 2


@pytest.mark.parametrize("timestamp", [0, -5, None, True, "1600000000", 1.5, 1_600_000_000_000, 10**40, [], {}])
def test_a_post_without_a_time_is_set_aside(timestamp: object) -> None:
    assert reasons_of(read(export(posts=[post(timestamp=timestamp)]), ANN, Visibility.PUBLIC)) == ["unknown_time"]


@pytest.mark.parametrize(
    ("text", "reason"), [("", "no_text"), (" \n", "no_text"), ("\ud800", "unreadable_text"), (7, "no_text")]
)
def test_a_post_without_words_is_set_aside(text: object, reason: str) -> None:
    assert reasons_of(read(export(posts=[post(text)]), ANN, Visibility.PUBLIC)) == [reason]


def test_words_of_others_that_a_post_shares_never_enter() -> None:
    shared = {"data": [{"external_context": {"name": "their words", "url": "https://example.org"}}]}
    (own,) = posts_of(read(export(posts=[post("mine", attachments=[shared])]), ANN, Visibility.PUBLIC))
    assert own.text == "mine"


def test_an_export_of_one_post_may_be_that_post_alone() -> None:
    assert [each.text for each in posts_of(read(export(posts=post("alone")), ANN, Visibility.PUBLIC))] == ["alone"]


def test_groups_are_set_aside_by_record_and_unknown_parts_by_number() -> None:
    files = {
        "groups/your_posts_in_groups.json": {"group_posts_v2": [post(), post()]},
        "groups/your_comments_in_groups.json": {"group_comments_v2": [post()]},
        "ads_information/advertisers.json": {"custom_audiences_v2": []},
        "posts/media/1.jpg": None,
    }
    found = list(read(export(**files), ANN, Visibility.PUBLIC))[1:]
    assert reasons_of(found) == ["community_only"] * 3 + ["not_a_record"]
    assert found[-1] == Skipped(where="part 1", reason="not_a_record")


def test_messages_are_never_opened_and_their_people_never_named() -> None:
    files = {
        f"{folder}messages/inbox/bob_secret_1/{name}": None
        for folder in ("", "your_facebook_activity/")
        for name in ("message_1.json", "your_posts_1.json", "message_1.html")
    }
    source = export(**files, posts=[post()])
    assert sees(source) == "a Facebook account export with 1 part to read"
    found = list(read(source, ANN, Visibility.PUBLIC))
    assert reasons_of(found) == ["direct_message"] * 6
    assert "bob_secret" not in repr(found)


def test_the_html_form_is_recognized_and_refused_with_a_remedy() -> None:
    source = export(**{"posts/your_posts_1.html": b"<html><body>Ann</body></html>", "start_here.html": b"<html>"})
    assert "HTML" in sees(source)
    with pytest.raises(InputError, match="JSON"):
        list(read(source, ANN))


@pytest.mark.parametrize(
    "content", [b"", b"[", b"{", b"[1,", b"\xff\xfe", b"null", b'"x"', b"[" * 50_000, b"[{}, 5, null]"]
)
def test_a_damaged_part_costs_itself_alone(content: bytes) -> None:
    source = export(**{"posts/your_posts_1.json": content, "posts/your_posts_2.json": [post()]})
    found = list(read(source, ANN, Visibility.PUBLIC))
    assert len(posts_of(found)) == 1
    assert reasons_of(found)


def test_other_formats_are_not_claimed(test_data: Path) -> None:
    for folder in sorted(test_data.iterdir()):
        if folder.is_dir() and folder.name != "meta_export_synthetic":
            with open_input(folder) as source:
                assert sees(source) == "", folder.name


places = st.sampled_from(["exif", "title", "attachment", "tag", "place", "key", "audience"])


@settings(max_examples=100, deadline=None)
@given(
    secret=st.sampled_from(SECRETS),
    where=places,
    text=st.sampled_from(["mine", ""]),
    username=st.sampled_from(["ann", ""]),
)
def test_addresses_places_and_devices_are_in_nothing_that_is_yielded(
    secret: str, where: str, text: str, username: str
) -> None:
    exif = {"media_metadata": {"photo_metadata": {"exif_data": [{"upload_ip": secret, "latitude": secret}]}}}
    planted: dict[str, dict[str, object]] = {
        "exif": {"attachments": [{"data": [{"media": {"uri": "x.jpg", "description": secret} | exif}]}]},
        "title": {"title": f"Somebody was at {secret}."},
        "attachment": {"attachments": [{"data": [{"external_context": {"name": secret, "url": secret}}]}]},
        "tag": {"tags": [{"name": secret}]},
        "place": {"attachments": [{"data": [{"place": {"name": secret, "coordinate": {"latitude": secret}}}]}]},
        "key": {secret: secret},
        "audience": {"privacy": secret},
    }
    files = {
        PROFILE: profile(username=username or secret),
        POSTS: [post(text, **planted[where])],
        "comments_and_reactions/comments.json": {"comments_v2": [planted[where]]},
        f"{secret}/comments_and_reactions/likes_and_reactions_1.json": [planted[where]],
        f"messages/inbox/{secret}/message_1.json": None,
        f"security/{secret}.json": [secret],
    }
    found = list(read(export(**files), visibility=Visibility.PUBLIC))
    assert len(found) >= 5
    assert secret not in "\n".join(map(repr, found))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_samples_never_raise(data: st.DataObject, sample: dict[str, Any]) -> None:
    name = data.draw(st.sampled_from(sorted(sample)))
    content = bytearray(json.dumps(sample[name]).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.sampled_from(["flip", "delete", "insert"]))
        piece = data.draw(st.binary(min_size=1, max_size=4))
        content[at : at + (0 if change == "insert" else len(piece))] = b"" if change == "delete" else piece
    source = export(**(sample | {name: bytes(content)}))
    sees(source)
    check(list(read(source, ANN, Visibility.PUBLIC)))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), value=json_values)
def test_samples_with_any_part_replaced_never_raise_and_drop_nothing(
    data: st.DataObject, value: object, sample: dict[str, Any]
) -> None:
    name = data.draw(st.sampled_from(sorted(sample)))
    whole = copy.deepcopy(sample)
    inner = whole[name] if isinstance(whole[name], list) else next(iter(whole[name].values()))
    size = len(inner)
    while True:
        keys = list(range(len(inner))) if isinstance(inner, list) else sorted(inner)
        key = data.draw(st.sampled_from(keys))
        if not isinstance(inner[key], dict | list) or not inner[key] or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = value
    found = list(read(export(**{name: whole[name]}), ANN, Visibility.PUBLIC))
    check(found)
    assert sum(isinstance(each, Post | Skipped) for each in found) >= size


def check(found: list[Ingested]) -> None:
    """Check that reasons are known and posts are whole."""
    for each in found:
        if isinstance(each, Skipped):
            assert each.reason in SKIP_REASONS
        elif isinstance(each, Post):
            assert each.text.encode()
            assert each.author_id == ANN
            assert each.created_at.tzinfo is not None
