"""Tables: the real posts arrive whole, and what is doubtful is set aside by name."""

import gzip
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.reasons import SKIP_REASONS
from licet.ingest.tabular import Mapping, parse_mapping, read_table
from licet.model.errors import InputError
from licet.model.members import AccountChange, AccountStatus, AgeBand, Member, MemberId, Protection
from licet.model.records import Ingested, Interaction, Post, PostId, Skipped, Table, Visibility

HERE = Path(__file__).parent
NO_AUTHOR = """
[records]
kind = "posts"
time_format = "unix"
[columns]
post_id = "id"
author_id = "author"
created_at = "created_utc"
text = "title"
[constants]
platform = "reddit"
visibility = "public"
"""
POSTS = """
[records]
kind = "posts"
[columns]
post_id = "id"
author_id = "author"
created_at = "at"
text = "text"
visibility = "who"
region = "region"
[constants]
platform = "x"
"""
LIKES = """
[records]
kind = "likes"
time_format = "unix_ms"
[columns]
actor_id = "user.id"
post_id = "post"
post_author_id = "post_author"
created_at = "at"
[constants]
platform = "x"
"""
MEMBERS = """
[records]
kind = "members"
member_prefix = ""
[columns]
member_id = "id"
region = "country"
age_band = "age"
status = "state"
[constants]
platform = "bluesky"
protection = "open"
"""


def mapping(text: str) -> Mapping:
    return parse_mapping(text, "map.toml")


def read(folder: Path, name: str, content: str, how: str) -> list[Ingested]:
    path = folder / name
    path.write_text(content)
    return list(read_table(path, mapping(how)))


def real(data: Path, name: str, how: str) -> list[Ingested]:
    return list(read_table(data / "fivethirtyeight_tweets" / name, mapping((HERE / how).read_text())))


def kinds(records: list[Ingested]) -> Counter[str]:
    return Counter(type(record).__name__ for record in records)


def test_all_real_posts_of_a_fight_arrive_with_their_authors(test_data: Path) -> None:
    records = real(test_data, "mayweather_mcgregor_tweets.csv", "mapping_mayweather.toml")
    assert kinds(records) == {"Post": 12_118, "Member": 11_037}
    first = next(record for record in records if isinstance(record, Post))
    assert (first.post_id, first.author_id) == ("x:901656910939770881", "x:aaLiysr")
    assert first.created_at == datetime(2017, 8, 27, 0, 5, 34, tzinfo=UTC)
    assert first.text.endswith("😃#McGregor https://t.co/mJHDvLfIVc")
    assert any("\n" in record.text for record in records if isinstance(record, Post))


@pytest.mark.parametrize(
    ("name", "posts", "others"), [("BarackObama.csv", 2856, 351), ("realDonaldTrump.csv", 2878, 354)]
)
def test_reposted_words_in_real_timelines_are_set_aside(test_data: Path, name: str, posts: int, others: int) -> None:
    records = real(test_data, name, "mapping_presidents.toml")
    assert kinds(records) == {"Post": posts, "Member": 1, "Skipped": others}
    assert {r.reason for r in records if isinstance(r, Skipped)} == {"someone_elses_words"}
    assert all(re.fullmatch(r"x:\d+", r.post_id) for r in records if isinstance(r, Post))


def test_the_three_real_files_hold_18557_rows_and_none_is_lost(test_data: Path) -> None:
    files = {"mayweather_mcgregor_tweets.csv": "mayweather", "BarackObama.csv": "presidents"}
    files["realDonaldTrump.csv"] = "presidents"
    found = sum((kinds(real(test_data, name, f"mapping_{how}.toml")) for name, how in files.items()), Counter())
    assert found["Post"] + found["Skipped"] == 18_557
    assert found["Skipped"] == 705


def test_a_file_in_another_encoding_than_stated_loses_only_the_rows_it_garbles(test_data: Path) -> None:
    how = (HERE / "mapping_presidents.toml").read_text().replace("mac_roman", "utf-8")
    records = list(read_table(test_data / "fivethirtyeight_tweets" / "BarackObama.csv", mapping(how)))
    reasons = Counter(record.reason for record in records if isinstance(record, Skipped))
    assert set(reasons) == {"unreadable_text", "someone_elses_words"}
    assert kinds(records)["Post"] + sum(reasons.values()) == 3207


def test_posts_without_an_author_column_are_refused_by_name(test_data: Path) -> None:
    records = list(read_table(test_data / "reddit_sample" / "posts.jsonl.gz", mapping(NO_AUTHOR)))
    assert Counter(r.reason for r in records if isinstance(r, Skipped)) == {"unknown_author": 2000}
    assert len(records) == 2000
    with pytest.raises(InputError, match=r"columns.author_id is missing.*\[columns\]"):
        mapping(NO_AUTHOR.replace('author_id = "author"\n', ""))


HEADER = "id,author,at,text,who,region\n"
GOOD = "1,ann,2017-08-27T00:05:34,hello,public,US\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,,2017-08-27T00:05:34,hello,public,US", "unknown_author"),
        (",ann,2017-08-27T00:05:34,hello,public,US", "unknown_post"),
        ("1,ann,,hello,public,US", "unknown_time"),
        ("1,ann,2017-08-27,hello,public,US", "unknown_time"),
        ("1,ann,2017-02-30T00:00:00,hello,public,US", "unknown_time"),
        ("1,ann,0001-01-01T00:00:00+14:00,hello,public,US", "unknown_time"),
        ("1,ann,2017-08-27T00:05:34,  ,public,US", "no_text"),
        ("1,ann,2017-08-27T00:05:34,hello,,US", "unknown_visibility"),
        ("1,ann,2017-08-27T00:05:34,hello,friends,US", "unknown_visibility"),
        ("1,ann,2017-08-27T00:05:34,hello,unknown,US", "unknown_visibility"),
        ("1,ann,2017-08-27T00:05:34,RT @bob: hello,public,US", "someone_elses_words"),
        ("1,ann b,2017-08-27T00:05:34,hello,public,US", "malformed_id"),
        ("1,ann\0,2017-08-27T00:05:34,hello,public,US", "malformed_id"),
        ("1," + "a" * 300 + ",2017-08-27T00:05:34,hello,public,US", "malformed_id"),
        ("1,ann,2017-08-27T00:05:34,hello,public,Germany", "malformed_member"),
        ("1,ann,2017-08-27T00:05:34,hello,public", "malformed_row"),
        ("1,ann,2017-08-27T00:05:34,hello,public,US,more", "malformed_row"),
    ],
)
def test_a_doubtful_row_is_set_aside_with_its_line_and_the_next_one_is_read(
    tmp_path: Path, row: str, reason: str
) -> None:
    member, post, skipped = read(tmp_path, "p.csv", HEADER + GOOD + row + "\n", POSTS)
    assert isinstance(member, Member)
    assert isinstance(post, Post)
    assert skipped == Skipped(where="p.csv:3", reason=reason)
    assert reason in SKIP_REASONS


def test_an_open_quotation_mark_does_not_end_the_reading(tmp_path: Path) -> None:
    content = HEADER + '1,ann,2017-08-27T00:05:34,"open' + "x\n" * 200_000 + GOOD
    records = read(tmp_path, "p.csv", content, POSTS)
    assert records[0] == Skipped(where="p.csv:2", reason="malformed_row")
    assert any(isinstance(record, Post) for record in records)


def test_naive_times_are_utc_and_zones_are_honored(tmp_path: Path) -> None:
    content = HEADER + GOOD + GOOD.replace("1,", "2,", 1).replace("34,", "34+02:00,")
    times = [r.created_at for r in read(tmp_path, "p.csv", content, POSTS) if isinstance(r, Post)]
    assert times == [datetime(2017, 8, 27, 0, 5, 34, tzinfo=UTC), datetime(2017, 8, 26, 22, 5, 34, tzinfo=UTC)]


def test_likes_of_json_lines_name_both_ends(tmp_path: Path) -> None:
    good = {"user": {"id": 12}, "post": 901656910939770881, "post_author": "ann", "at": 1503792334000}
    lines = [good, good | {"user": {}}, good | {"post_author": None}, good | {"post": 9.5e17}, good | {"at": True}, []]
    content = "".join(json.dumps(line) + "\n" for line in lines) + "{\n"
    member, like, *skipped = read(tmp_path, "l.ndjson", content, LIKES)
    assert isinstance(member, Member)
    assert like == Interaction(
        table=Table.LIKES,
        actor_id=MemberId("x:12"),
        post_id=PostId("x:901656910939770881"),
        post_author_id=MemberId("x:ann"),
        created_at=datetime(2017, 8, 27, 0, 5, 34, tzinfo=UTC),
        platform="x",
    )
    assert [s.reason for s in skipped if isinstance(s, Skipped)] == [
        "unknown_actor",
        "unknown_post_author",
        "malformed_id",
        "unknown_time",
        "malformed_row",
        "malformed_row",
    ]


def test_a_members_table_states_members_and_their_accounts(tmp_path: Path) -> None:
    content = "id,country,age,state\ndid:plc:a,us-ca,Adult,suspended\ndid:plc:b,,,\n,US,adult,active\n"
    first, change, second, other, skipped = read(tmp_path, "m.csv", content, MEMBERS)
    assert first == Member(
        member_id=MemberId("did:plc:a"),
        platform="bluesky",
        region="US-CA",
        age_band=AgeBand.ADULT,
        protection=Protection.OPEN,
        status=AccountStatus.SUSPENDED,
    )
    assert isinstance(change, AccountChange)
    assert change.status is AccountStatus.SUSPENDED
    assert isinstance(second, Member)
    assert (second.region, second.age_band, second.status) == ("unknown", "unknown", "unknown")
    assert isinstance(other, AccountChange)
    assert skipped == Skipped(where="m.csv:4", reason="unknown_member")


def test_parquet_and_gzip_give_what_csv_gives(tmp_path: Path) -> None:
    content = HEADER + GOOD + GOOD.replace("1,", "2,", 1)
    expected = read(tmp_path, "p.csv", content, POSTS)
    with gzip.open(tmp_path / "p.csv.gz", "wt") as file:
        file.write(content)
    assert list(read_table(tmp_path / "p.csv.gz", mapping(POSTS))) == expected
    moment = datetime(2017, 8, 27, 0, 5, 34)  # noqa: DTZ001 - a naive column, as pandas writes it
    for unit in ("s", "ms", "us", "ns"):
        columns = {"id": [1, 2], "author": ["ann"] * 2, "text": ["hello"] * 2, "who": ["public"] * 2}
        columns |= {"region": ["US"] * 2}
        table = pa.table(columns).append_column("at", pa.array([moment] * 2, pa.timestamp(unit)))
        pq.write_table(table, tmp_path / "p.parquet")
        assert list(read_table(tmp_path / "p.parquet", mapping(POSTS))) == expected


def test_parquet_times_beyond_the_calendar_are_unknown(tmp_path: Path) -> None:
    columns = {"id": [1], "author": ["ann"], "text": ["hello"], "who": ["public"], "region": ["US"]}
    table = pa.table(columns).append_column("at", pa.array([2**62], pa.timestamp("us")))
    pq.write_table(table, tmp_path / "p.parquet")
    assert list(read_table(tmp_path / "p.parquet", mapping(POSTS))) == [
        Skipped(where="p.parquet:1", reason="unknown_time")
    ]


@pytest.mark.parametrize("name", ["missing.csv", "broken.parquet", "broken.csv.gz", "what.txt"])
def test_a_file_that_cannot_be_read_is_named_with_a_remedy(tmp_path: Path, name: str) -> None:
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"no such format")
    with pytest.raises(InputError, match=name) as caught:
        list(read_table(tmp_path / name, mapping(POSTS)))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('kind = "posts"', "", "records.kind"),
        ('kind = "posts"', 'kind = "tweets"', "records.kind"),
        ('kind = "posts"', 'kind = "posts"\nformat = "xml"', "records.format"),
        ('kind = "posts"', 'kind = "posts"\ntime_format = "%Q"', "records.time_format"),
        ('kind = "posts"', 'kind = "posts"\ntime_format = "%H:%M"', "records.time_format"),
        ('kind = "posts"', 'kind = "posts"\ntime_format = "%Y-%m-%d"', "records.time_format"),
        ('kind = "posts"', 'kind = "posts"\nencoding = "klingon"', "records.encoding"),
        ('kind = "posts"', 'kind = "posts"\nencoding = "rot13"', "records.encoding"),
        ('kind = "posts"', 'kind = "posts"\ndelimiter = ";;"', "records.delimiter"),
        ('kind = "posts"', 'kind = "posts"\nzone = "CET"', "records.zone"),
        ('kind = "posts"', "kind = 3", "records.kind"),
        ('visibility = "who"', "", "columns.visibility"),
        ('visibility = "who"', 'visiblity = "who"', "columns.visiblity"),
        ('platform = "x"', 'platform = "x"\nvisibility = "public"', "visibility"),
        ('platform = "x"', 'platform = " "', "constants.platform"),
        ('platform = "x"', 'platform = "x"\nage_band = "old"', "constants.age_band"),
        ('region = "region"', "", "constants.region"),
        ("[constants]", "[patterns]\nlang = 'x'\n[constants]", "patterns.lang"),
        ("[constants]", "[patterns]\npost_id = '('\n[constants]", "patterns.post_id"),
        ("[constants]", "[patterns]\npost_id = 'x'\n[constants]", "patterns.post_id"),
        ("[constants]", "[colums]\n[constants]", "colums"),
        ("[constants]", "constants", "not TOML"),
    ],
)
def test_a_malformed_mapping_is_refused_by_its_key(old: str, new: str, key: str) -> None:
    text = POSTS.replace(old, new)
    if key == "constants.region":
        text += 'region = "America"\n'
    with pytest.raises(InputError, match=rf"map\.toml: .*{re.escape(key)}") as caught:
        mapping(text)
    assert caught.value.remedy


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_real_rows_never_raise_and_every_post_stays_whole(
    data: st.DataObject, test_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = (test_data / "fivethirtyeight_tweets" / "mayweather_mcgregor_tweets.csv").read_bytes()[:4_000]
    header, _, body = source.partition(b"\n")
    mutated = bytearray(body)
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=12)):
        mutated[at] = byte
    path = tmp_path_factory.mktemp("fuzz") / "p.csv"
    path.write_bytes(header + b"\n" + bytes(mutated))
    for record in read_table(path, mapping((HERE / "mapping_mayweather.toml").read_text())):
        if isinstance(record, Skipped):
            assert record.reason in SKIP_REASONS
        elif isinstance(record, Post):
            assert record.text.encode()
            assert record.author_id.startswith("x:")
            assert record.visibility is Visibility.PUBLIC
            assert record.created_at.tzinfo is UTC


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(
    row=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("id", "author", "at", "text", "who", "region", "user", "post"), json_values),
    ),
    how=st.sampled_from([POSTS, LIKES, MEMBERS]),
    form=st.sampled_from(["iso", "unix", "unix_ms", "%Y-%m-%d %H:%M"]),
)
def test_any_json_at_all_gives_a_record_or_a_known_reason(
    row: dict[str, object], how: str, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "p.jsonl"
    path.write_text(json.dumps(row) + "\n")
    text = how.replace('time_format = "unix_ms"\n', "").replace("[records]", f'[records]\ntime_format = "{form}"')
    records = list(read_table(path, mapping(text)))
    assert records
    assert all(record.reason in SKIP_REASONS for record in records if isinstance(record, Skipped))
