"""ActivityPub: an activity counts only for its own actor, and only what is said to be public is public."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.activitypub import TRAINING, read_activity, read_actor
from licet.ingest.activitypub_ids import author_of
from licet.ingest.reasons import SKIP_REASONS
from licet.model.members import AccountChange, AccountStatus, Choice, Member, MemberId, Protection, SettingChange
from licet.model.records import Deletion, Ingested, Interaction, Post, Skipped, Table, Visibility, interaction_key

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ANN = MemberId("https://social.example/users/ann")
BEN = "https://social.example/users/ben"
EVE = "https://evil.example/users/eve"
FOLLOWERS = f"{ANN}/followers"
NOTE = f"{ANN}/statuses/1"
TARGET = "https://other.example/users/cat/statuses/9"
TIME = "2024-05-06T07:08:09Z"
GONE = object()

Json = dict[str, Any]


def without(whole: Json) -> Json:
    """Leave out what is marked as gone."""
    return {key: value for key, value in whole.items() if value is not GONE}


def note(**changes: object) -> Json:
    """Make Ann's public note, changed."""
    whole: Json = {"id": NOTE, "type": "Note", "attributedTo": ANN, "published": TIME, "to": [PUBLIC]}
    whole |= {"cc": [FOLLOWERS], "content": "<p>hello</p>", "contentMap": {"en": "<p>hello</p>"}}
    return without(whole | changes)


def act(kind: str, thing: object, **changes: object) -> Json:
    """Make an activity of Ann's."""
    whole: Json = {"id": f"{NOTE}/activity", "type": kind, "actor": ANN, "published": TIME, "to": [PUBLIC]}
    return without(whole | {"cc": [FOLLOWERS], "object": thing} | changes)


def only(activity: Json) -> Ingested:
    """Read an activity that gives one thing."""
    (found,) = read_activity(activity, "here")
    return found


def posted(activity: Json) -> Post:
    """Read an activity that gives a post."""
    found = only(activity)
    assert isinstance(found, Post)
    return found


def reason(activity: Json) -> str:
    """Read an activity that is set aside."""
    found = only(activity)
    assert isinstance(found, Skipped)
    assert found.where == "here"
    assert found.reason in SKIP_REASONS
    return found.reason


def test_a_public_note_is_a_post() -> None:
    quote = "https://other.example/notes/5"
    post = posted(act("Create", note(inReplyTo=TARGET, quote=quote)))
    assert (post.post_id, post.author_id, post.text, post.lang) == (NOTE, ANN, "hello", "en")
    assert (post.visibility, post.platform) == (Visibility.PUBLIC, "activitypub")
    assert (post.in_reply_to, post.quote_of) == (TARGET, quote)
    assert post.created_at.isoformat() == "2024-05-06T07:08:09+00:00"


@pytest.mark.parametrize("public", [PUBLIC, "as:Public", "Public"])
def test_the_public_has_three_names_alone_or_in_a_list(public: str) -> None:
    assert posted(act("Create", note(to=public))).visibility is Visibility.PUBLIC
    assert posted(act("Create", note(to=FOLLOWERS, cc=public))).visibility is Visibility.UNLISTED
    assert posted(act("Create", note(to=[FOLLOWERS], cc=[BEN, public]))).visibility is Visibility.UNLISTED


@pytest.mark.parametrize(
    ("to", "cc", "why"),
    [
        ([FOLLOWERS], [], "followers_only"),
        (FOLLOWERS, GONE, "followers_only"),
        ([BEN], [FOLLOWERS], "followers_only"),
        ([BEN], [], "direct_message"),
        ([], [], "direct_message"),
        (["https://social.example/#Public"], [], "direct_message"),
        (GONE, GONE, "unknown_visibility"),
        (None, None, "unknown_visibility"),
        ([PUBLIC, 7], [], "unknown_visibility"),
        (7, [PUBLIC], "unknown_visibility"),
    ],
)
def test_what_is_not_for_everybody_is_set_aside_by_name(to: object, cc: object, why: str) -> None:
    assert reason(act("Create", note(to=to, cc=cc))) == why
    if (to, cc) not in ((GONE, GONE), (None, None)):
        assert reason(act("Create", note(), to=to, cc=cc)) == why
    assert reason(act("Announce", TARGET, to=to, cc=cc)) == why


def test_an_activity_may_only_narrow_who_sees_its_post() -> None:
    assert posted(act("Create", note(), to=GONE, cc=GONE)).visibility is Visibility.PUBLIC
    assert posted(act("Create", note(), to=FOLLOWERS, cc=PUBLIC)).visibility is Visibility.UNLISTED
    assert posted(act("Create", note(to=FOLLOWERS, cc=PUBLIC))).visibility is Visibility.UNLISTED


addresses = st.none() | st.sampled_from([PUBLIC, "as:Public", FOLLOWERS, BEN, "public", PUBLIC + " ", 7, ""])
fields = addresses | st.lists(addresses, max_size=3) | st.fixed_dictionaries({"id": addresses})


@settings(max_examples=300, deadline=None)
@given(to=fields, cc=fields, outer_to=fields, outer_cc=fields)
def test_only_the_form_that_says_public_gives_a_public_post(
    to: object, cc: object, outer_to: object, outer_cc: object
) -> None:
    found = only(act("Create", note(to=to, cc=cc), to=outer_to, cc=outer_cc))
    if isinstance(found, Post):
        assert found.visibility in {Visibility.PUBLIC, Visibility.UNLISTED}
        assert "Public" in f"{to}{cc}"
        if found.visibility is Visibility.PUBLIC:
            assert "Public" in str(to)
            assert "Public" in str(outer_to) or (outer_to is None and outer_cc is None)


def test_content_warnings_titles_and_poll_options_are_the_author_s_words() -> None:
    assert posted(act("Create", note(summary="spoiler"))).text == "spoiler\n\nhello"
    article = note(type="Article", name="A title", summary="excerpt")
    assert posted(act("Create", article)).text == "A title\n\nhello"
    poll = note(type="Question", oneOf=[{"type": "Note", "name": "yes"}, {"type": "Note", "name": "no"}, 7])
    assert posted(act("Create", poll)).text == "hello\n\nyes\nno"


@pytest.mark.parametrize(
    ("texts", "lang"),
    [
        ({"pt-BR": "<p>hello</p>"}, "pt"),
        ({"de": "x", "fr": "<p>hello</p>"}, "fr"),
        ({"?": "<p>hello</p>"}, "und"),
        (7, "und"),
    ],
)
def test_the_language_is_the_one_of_the_content(texts: object, lang: str) -> None:
    assert posted(act("Create", note(contentMap=texts))).lang == lang


def test_content_that_stands_in_its_map_only_is_read() -> None:
    post = posted(act("Create", note(content=GONE, contentMap={"fi": "<p>moi</p>"})))
    assert (post.text, post.lang) == ("moi", "fi")


@pytest.mark.parametrize(
    ("activity", "why"),
    [
        (act("Create", note(attributedTo=EVE)), "someone_elses_words"),
        (act("Create", note(attributedTo=[ANN, BEN])), "someone_elses_words"),
        (act("Create", note(attributedTo=GONE)), "unknown_author"),
        (act("Create", note(), actor=GONE), "unknown_author"),
        (act("Create", note(id="https://evil.example/notes/1")), "unknown_author"),
        (act("Create", note(id=f"{BEN}/statuses/1")), "unknown_author"),
        (act("Create", note(id=GONE)), "unknown_post"),
        (act("Create", note(id="not a uri")), "malformed_id"),
        (act("Create", note(id="https://Social.example/users/ann/statuses/1")), "malformed_id"),
        (act("Create", note(published=GONE)), "unknown_time"),
        (act("Create", note(published="2024-05-06")), "unknown_time"),
        (act("Create", note(content="<p></p>")), "no_text"),
        (act("Create", note(content=["a"])), "no_text"),
        (act("Create", NOTE), "no_text"),
        (act("Create", note(content="\ud800")), "unreadable_text"),
        (act("Create", note(type="Video")), "not_a_post"),
        (act("Announce", TARGET, actor=GONE), "unknown_actor"),
        (act("Announce", TARGET, published=GONE), "unknown_time"),
        (act("Announce", GONE), "unknown_post"),
        (act("Announce", "https://pleroma.example/objects/2f6c"), "unknown_post_author"),
        (act("Announce", "https://misskey.example/notes/9abc"), "unknown_post_author"),
        (act("Announce", "https://other.example/@cat/9"), "unknown_post_author"),
        (act("Announce", {"type": "Create", "id": TARGET, "actor": EVE}), "not_a_post"),
        (act("Announce", note(to=[FOLLOWERS], cc=[])), "followers_only"),
        (act("Announce", TARGET, id=f"{BEN}/statuses/3/activity"), "unknown_author"),
        (act("Like", TARGET, published=GONE), "unknown_time"),
        (act("Like", TARGET, to=GONE, cc=GONE), "unknown_visibility"),
        (act("Block", BEN), "not_a_record"),
        (act("Follow", BEN), "not_a_record"),
        (act("Undo", {"type": "Follow", "id": f"{ANN}#follows/1"}), "not_a_record"),
        (act("Undo", {"type": "Like", "actor": ANN}), "malformed_event"),
        (note(), "malformed_event"),
        ({}, "malformed_event"),
        (act("Create", note(), type=["Create"]), "malformed_event"),
        ({"type": "Tombstone", "id": "https://pleroma.example/objects/2f6c"}, "unknown_author"),
    ],
)
def test_a_doubtful_activity_is_set_aside_by_name(activity: Json, why: str) -> None:
    assert reason(activity) == why


def test_a_repost_is_kept_without_words_and_names_the_author_by_the_form_of_the_address() -> None:
    repost = only(act("Announce", TARGET))
    assert isinstance(repost, Interaction)
    assert (repost.table, repost.actor_id, repost.post_id) == (Table.REPOSTS, ANN, TARGET)
    assert repost.post_author_id == "https://other.example/users/cat"
    assert repost.interaction_id == f"{NOTE}/activity"


def test_a_like_with_a_time_is_an_interaction() -> None:
    like = only(act("Like", TARGET, id=f"{ANN}#likes/4"))
    assert isinstance(like, Interaction)
    assert (like.table, like.interaction_id) == (Table.LIKES, f"{ANN}#likes/4")


def test_whoever_embeds_a_post_speaks_for_themselves_only() -> None:
    own = "https://social.example/objects/1"
    repost = only(act("Announce", note(id=own)))
    assert isinstance(repost, Interaction)
    assert repost.post_author_id == ANN
    assert reason(act("Announce", note(id=own, attributedTo=BEN))) == "unknown_post_author"
    assert reason(act("Announce", note(id=TARGET))) == "unknown_post_author"


@pytest.mark.parametrize(
    ("uri", "author"),
    [
        (TARGET, "https://other.example/users/cat"),
        ("https://other.example/ap/users/11/statuses/12", "https://other.example/ap/users/11"),
        ("https://other.example/users/cat/statuses/9/activity", None),
        ("https://other.example/@cat/9", None),
        ("https://other.example/users/a/b/statuses/9", None),
        ("https://other.example/users/cat/statuses/9?x=1", None),
    ],
)
def test_only_an_unambiguous_address_tells_the_author(uri: str, author: str | None) -> None:
    assert author_of(uri) == author


def test_an_edit_withdraws_the_old_words_before_the_new_ones_stand() -> None:
    later = "2024-05-07T00:00:00Z"
    edit, post = read_activity(act("Update", note(content="<p>better</p>", updated=later)), "here")
    wanted = Deletion(table=Table.POSTS, record_id=NOTE, member_id=ANN, superseded=True, revision=later)
    assert edit == wanted
    assert isinstance(post, Post)
    assert post.text == "better"
    assert read_activity(act("Create", note(content="<p>better</p>", updated=later)), "here") == [edit, post]
    assert len(read_activity(act("Create", note(updated=TIME)), "here")) == 1


def test_an_edit_without_a_time_is_named_by_its_activity_and_else_ends_the_post() -> None:
    edit, _ = read_activity(act("Update", note(), id=f"{NOTE}#updates/1"), "here")
    assert isinstance(edit, Deletion)
    assert (edit.superseded, edit.revision) == (True, f"{NOTE}#updates/1")
    end, skipped = read_activity(act("Update", note(), id=GONE), "here")
    assert end == Deletion(table=Table.POSTS, record_id=NOTE, member_id=ANN)
    assert isinstance(skipped, Skipped)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (note(to=[FOLLOWERS], cc=[]), "followers_only"),
        (note(content=""), "no_text"),
        (NOTE, "unknown_visibility"),
        (note(attributedTo=GONE), "unknown_author"),
    ],
)
def test_an_edit_into_something_unusable_still_withdraws_the_old_words(changed: object, why: str) -> None:
    edit, skipped = read_activity(act("Update", changed), "here")
    assert isinstance(edit, Deletion)
    assert skipped == Skipped(where="here", reason=why)


@pytest.mark.parametrize("thing", [NOTE, {"id": NOTE}, {"id": NOTE, "type": "Tombstone"}])
def test_a_deletion_names_the_post(thing: object) -> None:
    assert only(act("Delete", thing)) == Deletion(table=Table.POSTS, record_id=NOTE, member_id=ANN)


def test_tombstones_are_deletions() -> None:
    stone: Json = {"type": "Tombstone", "id": NOTE}
    assert only(stone) == Deletion(table=Table.POSTS, record_id=NOTE, member_id=ANN)
    assert only(act("Create", stone)) == only(stone)
    repost = stone | {"formerType": "Announce", "id": f"{NOTE}/activity", "attributedTo": ANN}
    assert only(repost) == Deletion(table=Table.REPOSTS, record_id=f"{NOTE}/activity", member_id=ANN)
    gone = only({"type": "Tombstone", "formerType": "Person", "id": ANN})
    assert gone == AccountChange(member_id=ANN, platform="activitypub", status=AccountStatus.DELETED)


@pytest.mark.parametrize("thing", [ANN, {"id": ANN, "type": "Person"}])
def test_an_account_that_deletes_itself_is_deleted(thing: object) -> None:
    gone = only(act("Delete", thing))
    assert gone == AccountChange(member_id=ANN, platform="activitypub", status=AccountStatus.DELETED)


def test_what_is_undone_falls_by_every_name_it_may_have() -> None:
    like = f"{ANN}#likes/4"
    by_name = [Deletion(table=t, record_id=like, member_id=ANN) for t in (Table.LIKES, Table.REPOSTS)]
    assert read_activity(act("Undo", like), "here") == by_name
    undone = read_activity(act("Undo", act("Like", TARGET, id=like)), "here")
    keyed = Deletion(table=Table.LIKES, record_id=interaction_key(ANN, TARGET), member_id=ANN)
    assert undone == [by_name[0], keyed]
    (nameless,) = read_activity(act("Undo", {"type": "Announce", "object": TARGET}), "here")
    assert nameless == Deletion(table=Table.REPOSTS, record_id=interaction_key(ANN, TARGET), member_id=ANN)


@pytest.mark.parametrize("stranger", [BEN, EVE])
@pytest.mark.parametrize(
    "activity",
    [
        act("Delete", NOTE),
        act("Delete", {"id": NOTE, "type": "Tombstone"}),
        act("Delete", ANN),
        act("Update", note()),
        act("Update", note(), id=GONE),
        act("Update", NOTE),
        act("Update", {"id": ANN, "type": "Person", "indexable": False}),
        act("Undo", f"{ANN}#likes/4"),
        act("Undo", act("Like", TARGET, id=f"{ANN}#likes/4")),
        act("Undo", act("Like", TARGET, id=GONE)),
    ],
)
def test_nobody_writes_or_deletes_for_somebody_else(activity: Json, stranger: str) -> None:
    assert reason(activity | {"actor": stranger}) == "unknown_author"


def test_in_an_export_only_the_owner_s_activities_count() -> None:
    skipped = [Skipped(where="here", reason="unknown_author")]
    assert read_activity(act("Create", note()), "here", owner=BEN) == skipped
    assert isinstance(read_activity(act("Create", note()), "here", owner=ANN)[0], Post)


def person(**changes: object) -> Json:
    """Make Ann's description, changed."""
    return {"id": ANN, "type": "Person", "inbox": f"{ANN}/inbox", "manuallyApprovesFollowers": False} | changes


def test_an_account_that_wants_no_index_denies_training() -> None:
    denials = [d for d in read_actor(person(indexable=False)) if isinstance(d, SettingChange)]
    assert [(d.purpose, d.choice, d.source, d.member_id) for d in denials] == [
        (purpose, Choice.DENY, "platform", ANN) for purpose in TRAINING
    ]
    assert [d.purpose for d in read_actor(person(indexable=False), ("a",)) if isinstance(d, SettingChange)] == ["a"]


@pytest.mark.parametrize("changes", [{}, {"indexable": True}, {"indexable": None}, {"discoverable": False}])
def test_nothing_else_is_taken_for_an_opt_out(changes: Json) -> None:
    assert len(read_actor(person(**changes))) == 1


@pytest.mark.parametrize("odd", ["false", 0, 1, [], "true"])
def test_an_unreadable_wish_counts_as_no(odd: object) -> None:
    assert any(isinstance(found, SettingChange) for found in read_actor(person(indexable=odd)))


def test_a_wish_counts_wherever_the_account_is_described() -> None:
    described = person(indexable=False)
    for activity in (described, act("Update", described), act("Create", note(), actor=described)):
        found = read_activity(activity, "here")
        assert sum(isinstance(one, SettingChange) for one in found) == len(TRAINING)
        assert len(found) > len(TRAINING)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"suspended": True}, AccountStatus.SUSPENDED),
        ({"suspended": True, "movedTo": BEN}, AccountStatus.SUSPENDED),
        ({"suspended": "?"}, AccountStatus.SUSPENDED),
        ({"movedTo": BEN}, AccountStatus.DEACTIVATED),
        ({"memorial": True}, AccountStatus.DEACTIVATED),
        ({"memorial": True, "suspended": False}, AccountStatus.DEACTIVATED),
    ],
)
def test_an_account_nobody_answers_for_is_closed(changes: Json, status: AccountStatus) -> None:
    member, change = read_actor(person(**changes))
    assert isinstance(member, Member)
    assert member.status is status
    assert change == AccountChange(member_id=ANN, platform="activitypub", status=status)


def test_only_an_explicit_word_reopens_an_account() -> None:
    assert len(read_actor(person())) == 1
    assert isinstance(read_actor(person(suspended=False))[1], AccountChange)


@pytest.mark.parametrize(
    ("locked", "protection"), [(True, Protection.OPEN), (False, Protection.OPEN), (None, Protection.UNKNOWN)]
)
def test_approving_followers_protects_no_public_post(locked: object, protection: Protection) -> None:
    (member,) = read_actor(person(manuallyApprovesFollowers=locked))
    assert isinstance(member, Member)
    assert member.protection is protection


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([ANN, NOTE, PUBLIC, "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "to", "x"]), inner),
    max_leaves=4,
)
samples = [
    act("Create", note(summary="s", updated="2025-01-01T00:00:00Z", quote=TARGET)),
    act("Create", note(type="Question", oneOf=[{"name": "a"}])),
    act("Update", note()),
    act("Update", person(indexable=False)),
    act("Announce", TARGET),
    act("Announce", note()),
    act("Like", TARGET),
    act("Delete", {"id": NOTE, "type": "Tombstone"}),
    act("Undo", act("Like", TARGET)),
    {"type": "Tombstone", "id": NOTE, "formerType": "Note"},
    person(indexable=False),
]


@settings(max_examples=600, deadline=None)
@given(data=st.data(), value=json_values)
def test_activities_with_any_part_replaced_never_raise(data: st.DataObject, value: object) -> None:
    activity = data.draw(st.sampled_from(samples))
    path = []
    part: Json = activity
    while True:
        key = data.draw(st.sampled_from(sorted(part)))
        path.append(key)
        if not isinstance(part[key], dict) or data.draw(st.booleans()):
            break
        part = part[key]
    found = read_activity(replaced(activity, path, value), "here")
    assert found
    for one in found:
        if isinstance(one, Skipped):
            assert one.reason in SKIP_REASONS
        elif isinstance(one, Post):
            assert one.author_id
            assert one.text.encode()
        elif isinstance(one, Interaction):
            assert one.post_author_id.startswith("https://")


def replaced(whole: Json, path: list[str], value: object) -> Json:
    """Give a copy with one part replaced."""
    first, *rest = path
    return whole | {first: replaced(whole[first], rest, value) if rest else value}
