"""LinkedIn: exports as they are and as they might be tampered with; what is not said to be public stays out."""

import csv
import importlib.util
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest import linkedin_csv
from licet.ingest.linkedin_csv import plain, rows, words
from licet.ingest.linkedin_export import _KINDS, _NOT_PUBLIC, read, sees
from licet.ingest.opened import Opened, open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.model.members import AccountStatus, Member, MemberId, Protection
from licet.model.records import Ingested, Post, PostId, Skipped, Visibility

ME = MemberId("linkedin:17529409")
SHARES = "Shares_17529409.csv"
HEADER = "Date,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility\n"
PROFILE = "First Name,Last Name,Birth Date,Geo Location,Websites\nAda,Surname,3 May,Oslo,https://ada.example\n"
LINK = "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A7448081445065035776"
ID = "linkedin:urn:li:share:7448081445065035776"

_ROWS = re.compile(rb"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?: UTC)?,https?:", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """A part that lies in memory."""

    name: str
    content: bytes

    @property
    def size(self) -> int:
        """How long it is."""
        return len(self.content)

    def open(self) -> BinaryIO:
        """Open it."""
        return io.BytesIO(self.content)


def export(**parts: str | bytes) -> Opened:
    """Make an export in memory; `Shares` stands for the file of that name with the member's number."""
    named = {(f"{name}_17529409" if name != "Profile" else name): content for name, content in parts.items()}
    return files({f"{name}.csv": content for name, content in named.items()})


def files(contents: dict[str, str | bytes]) -> Opened:
    """Make an input in memory of files under their names."""
    parts = [
        Bytes(name=name, content=content.encode() if isinstance(content, str) else content)
        for name, content in sorted(contents.items())
    ]
    return Opened(name="export", parts=tuple(parts))


def share(**fields: str) -> str:
    """Write one row of Shares.csv as LinkedIn does."""
    whole = {
        "date": "2026-04-01 12:00:00",
        "link": LINK,
        "text": "My words",
        "url": "",
        "media": "",
        "visibility": "PUBLIC",
    } | fields
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(whole.values())
    return out.getvalue()


def only(**fields: str) -> Post | Skipped:
    """Read an export of one share."""
    _, found = read(export(Shares=HEADER + share(**fields)))
    assert isinstance(found, Post | Skipped)
    return found


def reasons(records: Iterator[Ingested]) -> Counter[str]:
    """Count why records were set aside."""
    return Counter(record.reason for record in records if isinstance(record, Skipped))


def fixture(test_data: Path, name: str) -> bytes:
    """Read a file of the LinkedIn samples."""
    return (test_data / "linkedin_fixtures" / name).read_bytes()


def table(content: bytes, text: str, escape: str | None = None) -> list[dict[str, str]]:
    """Read a table as the adapter does: every field of every row, the named one as a text."""
    columns = tuple(next(csv.reader([content.decode("utf-8-sig").splitlines()[0]])))
    source = files({"a.csv": content})
    found = []
    for _, values in rows(source, source.parts[0], columns, escape=escape):
        assert values is not None
        found.append({c: words(v) if c == text else plain(v) for c, v in zip(columns, values, strict=True)})
    return found


def as_a_spreadsheet_shows(row: dict[str, str], text: str) -> dict[str, str]:
    """Apply what the corpus does for spreadsheets and we do not: a formula is quoted, UTC goes unsaid."""
    quoted = "'" + row[text] if row[text][:1] in "=+-@" else row[text]
    return row | {"Date": row["Date"].removesuffix(" UTC"), text: quoted}


@pytest.mark.parametrize(
    ("name", "text", "escape"), [("shares", "ShareCommentary", None), ("comments", "Message", "\\")]
)
def test_the_corpus_is_parsed_whole_but_formulas_stay_text_and_rows_that_lack_something_are_kept_to_be_counted(
    test_data: Path, name: str, text: str, escape: str | None
) -> None:
    expected = json.loads(fixture(test_data, "parity-corpus-expected.json"))[name]
    found = table(fixture(test_data, f"{name}-corpus.csv"), text, escape)
    complete = [as_a_spreadsheet_shows(row, text) for row in found if row["Date"] and row[text]]
    assert len(found) == 220
    assert complete == expected
    assert any(row[text].startswith("'") for row in expected)


def test_lines_wrapped_in_quotation_marks_and_odd_nothings_are_read_as_they_were_written(test_data: Path) -> None:
    found = table(fixture(test_data, "shares-parity.csv"), "ShareCommentary")
    assert [row["ShareCommentary"] for row in found] == [
        'He said "hi".\n\nNext "line" here.',
        "Smart “quotes” and naïve emoji 📌 stay intact.",
        "",
        "=SUM(A1:B2)",
        "@mention leads this",
        "Bellchar removed",
    ]
    assert {row["MediaUrl"] for row in found} == {""}
    assert [row["SharedUrl"] for row in found] == ["https://example.com/post", "", "", "", "", ""]


def test_comments_escape_quotation_marks_and_doubled_ones_outside_quotes_stay_doubled(test_data: Path) -> None:
    found = table(fixture(test_data, "comments-parity.csv"), "Message", "\\")
    assert [row["Message"] for row in found] == [
        'She wrote "great post" yesterday.\n📌 Naïve “smart quotes” line.',
        'Plain text with ""doubled"" quotes',
        "",
        "+1 first-token payload",
        "",
    ]


def test_every_row_of_the_corpora_is_set_aside_by_name_for_none_has_a_real_date(test_data: Path) -> None:
    comments = fixture(test_data, "comments-corpus.csv")
    source = export(Shares=fixture(test_data, "shares-corpus.csv"), Comments=comments)
    found = reasons(read(source))
    assert found == {"members_only": 140, "unknown_time": 80, "unknown_visibility": 220}
    assert reasons(read(export(Reactions=fixture(test_data, "Reactions_synthetic.csv")))) == {"unknown_post_author": 5}


def test_a_public_post_is_read_with_its_member_who_is_introduced_first() -> None:
    member, post = read(export(Shares=HEADER + share(text='One"\n""\n"Two, “three”')))
    assert member == Member(member_id=ME, platform="linkedin", status=AccountStatus.ACTIVE)
    assert isinstance(member, Member)
    assert (member.protection, member.region) == (Protection.UNKNOWN, "unknown")
    assert post == Post(
        post_id=PostId(ID),
        author_id=ME,
        created_at=datetime(2026, 4, 1, 12, tzinfo=UTC),
        text="One\n\nTwo, “three”",
        platform="linkedin",
        visibility=Visibility.PUBLIC,
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@ann", "=cmd|' /C calc'!A0", '"quoted" start', 'end "quoted"'])
def test_a_text_stays_what_it_is_whatever_it_begins_with(text: str) -> None:
    post = only(text=text)
    assert isinstance(post, Post)
    assert post.text == text


def test_quotation_marks_are_taken_only_where_every_line_is_wrapped() -> None:
    assert words('"a"\n"b"\nc') == '"a"\n"b"\nc'
    assert words('a"\r\n"b"\r\n"') == "a\nb"


@pytest.mark.parametrize(
    ("link", "name"),
    [
        (LINK, ID),
        (LINK.replace("%3A", ":"), ID),
        (LINK.replace("%3A", "%3a") + "/?utm=1", ID),
        ("http://linkedin.com/feed/update/urn:li:ugcPost:12", "linkedin:urn:li:ugcPost:12"),
        ("https://de.linkedin.com/feed/update/urn:li:activity:12#top", "linkedin:urn:li:activity:12"),
    ],
)
def test_a_post_has_one_name_however_its_link_is_written(link: str, name: str) -> None:
    post = only(link=link)
    assert isinstance(post, Post)
    assert post.post_id == name


def test_another_post_that_is_shared_with_own_words_is_quoted() -> None:
    post = only(url="https://www.linkedin.com/feed/update/urn:li:activity:7")
    assert isinstance(post, Post)
    assert post.quote_of == "linkedin:urn:li:activity:7"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"visibility": "MEMBER_NETWORK"}, "members_only"),
        ({"visibility": "LOGGED_IN"}, "members_only"),
        ({"visibility": "CONNECTIONS"}, "members_only"),
        ({"visibility": "CONTAINER"}, "community_only"),
        ({"visibility": "EVERYONE"}, "unknown_visibility"),
        ({"visibility": "public"}, "unknown_visibility"),
        ({"visibility": ""}, "unknown_visibility"),
        ({"text": ""}, "no_text"),
        ({"text": "N/A", "url": "https://example.com"}, "no_text"),
        ({"text": " ", "url": "https://www.linkedin.com/feed/update/urn:li:share:7"}, "unknown_post_author"),
        ({"date": "2026-02-30 10:00:00"}, "unknown_time"),
        ({"date": "2026-04-01"}, "unknown_time"),
        ({"date": "2026-04-01 12:00:00+02:00"}, "unknown_time"),
        ({"date": "٢٠٢٦-04-01 12:00:00"}, "unknown_time"),
        ({"date": "NaN"}, "unknown_time"),
        ({"link": ""}, "unknown_post"),
        ({"link": "https://www.linkedin.com/feed/update/urn:li:share:"}, "unknown_post"),
        ({"link": "https://www.linkedin.com/feed/update/urn:li:share:007"}, "unknown_post"),
        ({"link": "https://linkedin.com.example/feed/update/urn:li:share:7"}, "unknown_post"),
        ({"link": "https://example.com/?https://www.linkedin.com/feed/update/urn:li:share:7"}, "unknown_post"),
        ({"link": "https://www.linkedin.com/feed/update/urn:li:share:7%0A8"}, "unknown_post"),
        ({"link": "https://www.linkedin.com/posts/ada-surname_slug-activity-7-x"}, "unknown_post"),
        ({"text": "bro\ufffdken"}, "unreadable_text"),
    ],
)
def test_a_doubtful_share_is_set_aside_by_name(fields: dict[str, str], reason: str) -> None:
    assert only(**fields) == Skipped(where="Shares.csv:2", reason=reason)


def test_what_refers_to_other_peoples_posts_is_set_aside_by_name() -> None:
    found = read(
        export(
            Comments='Date,Link,Message\n2026-04-01 12:00:00,x,"says \\"hi\\",\n\nyes"\n2026-04-01 12:00:00,x,y\n',
            Reactions=f"Date,Type,Link\n2026-04-01 12:00:00,LIKE,{LINK}\n",
            InstantReposts=f"Date,Link\n2026-04-01 12:00:00,{LINK}\n",
            Saved_Items=f"savedItem,CreatedTime\n{LINK},2026-04-01 12:00:00\n",
            Votes=f"Date,Link,OptionText\n2026-04-01 12:00:00,{LINK},Yes\n",
        )
    )
    assert isinstance(next(found), Member)
    assert list(found) == [
        Skipped(where="Comments.csv:2", reason="unknown_visibility"),
        Skipped(where="Comments.csv:5", reason="unknown_visibility"),
        Skipped(where="InstantReposts.csv:2", reason="unknown_post_author"),
        Skipped(where="Reactions.csv:2", reason="unknown_post_author"),
        Skipped(where="Saved_Items.csv:2", reason="unknown_post_author"),
        Skipped(where="Votes.csv:2", reason="not_a_record"),
    ]


def test_the_operator_may_name_the_member() -> None:
    source = files({"Shares.csv": HEADER + share()})
    member, post = read(source, MemberId("linkedin:5"))
    assert isinstance(member, Member)
    assert isinstance(post, Post)
    assert member.member_id == post.author_id == "linkedin:5"


def test_an_export_that_names_nobody_has_no_author() -> None:
    reactions = "Date,Type,Link\n2026-04-01 12:00:00,LIKE,x\n"
    source = files({"Shares.csv": HEADER + share(), "Reactions.csv": reactions, "Profile.csv": PROFILE})
    found = list(read(source))
    assert all(isinstance(record, Skipped) for record in found)
    assert reasons(iter(found)) == {"unknown_member": 1, "unknown_author": 1, "unknown_actor": 1}


@pytest.mark.parametrize("stated", [None, ME])
def test_two_members_exports_in_one_folder_are_nobodys(stated: MemberId | None) -> None:
    source = files({SHARES: HEADER + share(), "b/Shares_8.csv": HEADER + share()})
    assert reasons(read(source, stated)) == {"unknown_author": 2}
    assert not any(isinstance(record, Member | Post) for record in read(source, stated))


def test_messages_are_never_opened_and_articles_are_counted_without_their_names() -> None:
    class Closed(Bytes):
        def open(self) -> BinaryIO:
            raise AssertionError

    names = ["messages.csv", "guide_messages.csv", "Articles/Articles/my-post-ada-surname.html", "Profile.csv"]
    closed = [Closed(name=f"export/{name}", content=b"?") for name in names]
    source = Opened(name="x", parts=(*closed, *export(Shares=HEADER).parts))
    assert list(read(source))[1:] == [
        Skipped(where="messages.csv", reason="direct_message"),
        Skipped(where="messages.csv", reason="direct_message"),
        Skipped(where="Articles:1", reason="unknown_visibility"),
    ]


def test_nothing_of_the_profile_and_no_number_of_a_file_name_is_in_what_is_set_aside() -> None:
    found = list(read(export(Shares=HEADER + share() + share(visibility="?"), Profile=PROFILE)))
    assert len(found) == 3
    for private in ("Ada", "Surname", "3 May", "Oslo", "ada.example"):
        assert private not in repr(found)
    assert "17529409" not in repr(found[-1])


def test_a_zip_and_a_folder_give_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    contents = {SHARES: HEADER + share() + share(visibility="CONNECTIONS"), "Profile.csv": PROFILE}
    archive = tmp_path / "Basic_LinkedInDataExport_04-01-2026.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")
            packed.writestr(name, content)
    found = []
    for path in (folder, archive):
        with open_input(path) as source:
            assert sees(source) == "a LinkedIn account export with Profile, Shares"
            found.append(list(read(source)))
    assert found[0] == found[1]
    assert len(found[0]) == 3


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"tweets.js": "window.YTD.tweets.part0 = []"},
        {"Shares.csv": "symbol,count\nX,1\n"},
        {"comments.csv": "id,permalink,date,ip,subreddit,gildings,link,parent,body,media\n"},
        {"Comments.csv": b"\x00\xff" * 99},
        {"Shares.csv": b"\xff\xfe\x00"},
        {"\u017fhares.csv": HEADER},
        {"my-Shares.csv": HEADER},
        {"Shares_old.csv": HEADER},
        {"Profile.csv": "name,age\n"},
    ],
)
def test_other_formats_are_not_claimed(contents: dict[str, str | bytes]) -> None:
    assert sees(files(contents)) == ""
    assert sum(isinstance(record, Post) for record in read(files(contents))) == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_encoding_of_a_spreadsheet_gives_the_same(encoding: str, ends: str) -> None:
    text = (HEADER + share(text="naïve 📌\nline")).replace("\n", ends)
    source = export(Shares=text.encode(encoding))
    assert sees(source) == "a LinkedIn account export with Shares"
    assert list(read(source)) == list(read(export(Shares=HEADER + share(text="naïve 📌\nline"))))


def test_bytes_that_are_no_characters_cost_one_row() -> None:
    content = (HEADER + share(text="bad?") + share()).encode().replace(b"bad?", b"bad\xff")
    _, skipped, post = read(export(Shares=content))
    assert skipped == Skipped(where="Shares.csv:2", reason="unreadable_text")
    assert isinstance(post, Post)


def test_nul_bytes_cost_no_row() -> None:
    post = only(text="a\0b")
    assert isinstance(post, Post)
    assert post.text == "ab"


@pytest.mark.parametrize(
    "damaged",
    [
        "only one field\n",
        "a,b,c,d,e,f,g\n",
        ",\n",
        f'2026-04-01 12:00:00,{LINK},"left open,,,PUBLIC\n',
        f'2026-04-01 12:00:00,{LINK},"a" b,,,PUBLIC\n',
        f"2026-04-01 12:00:00,{LINK},{'x' * 200_000},,,PUBLIC\n",
        "x" * (linkedin_csv.LONGEST_ROW + 5) + "\n",
        "," * (linkedin_csv.LONGEST_ROW + 5) + "\n",
    ],
)
def test_a_damaged_row_costs_one_row_and_never_the_rest(damaged: str) -> None:
    good = share(text="fine") + share(text='with "quotes",\nand lines')
    _, skipped, *posts = read(export(Shares=HEADER + damaged + good))
    assert skipped == Skipped(where="Shares.csv:2", reason="malformed_row")
    assert [post.text for post in posts if isinstance(post, Post)] == ["fine", 'with "quotes",\nand lines']
    *others, last = read(export(Shares=HEADER + good + damaged))
    assert len(others) == 3
    assert last == Skipped(where="Shares.csv:5", reason="malformed_row")


def test_words_for_few_never_come_out_under_the_visibility_of_the_next_row() -> None:
    left_open = f'2026-04-01 12:00:00,{LINK},"for few,,,CONNECTIONS\n'
    closing = f'2026-04-01 12:00:00,{LINK}{",":s}"",,,PUBLIC\n'
    for last in (share(), closing, closing.replace('""', '"'), closing.replace('"",,', '",')):
        for record in read(export(Shares=HEADER + left_open + last)):
            assert not isinstance(record, Post) or "for few" not in record.text


def test_a_text_that_shows_rows_is_set_aside_with_each_row_that_it_shows() -> None:
    inner = share(text="x").strip()
    source = export(Shares=HEADER + share(text=f"look:\n{inner}\n{inner}", visibility="PUBLIC") + share())
    _, *skipped, post = read(source)
    assert skipped == [Skipped(where=f"Shares.csv:{line}", reason="malformed_row") for line in (2, 3, 4)]
    assert isinstance(post, Post)


def test_a_file_whose_every_line_swallows_the_rest_is_read_in_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkedin_csv, "_REREAD", 1_000)
    lines = 5_000
    content = HEADER + 'a","\n' * lines
    source = export(Shares=content)
    served = 0
    take = linkedin_csv._Lines.__next__

    def counted(self: linkedin_csv._Lines) -> str:
        nonlocal served
        served += 1
        return take(self)

    monkeypatch.setattr(linkedin_csv._Lines, "__next__", counted)
    assert reasons(read(source)) == {"malformed_row": lines}
    assert served < 8 * lines


def test_a_header_that_lacks_or_doubles_a_column_says_nothing_about_it() -> None:
    older = HEADER.replace(",Visibility", "") + share().replace(",PUBLIC", "")
    assert reasons(read(export(Shares=older))) == {"unknown_visibility": 1}
    doubled = HEADER.replace("MediaUrl", "Visibility") + share(media="PUBLIC")
    assert reasons(read(export(Shares=doubled))) == {"unknown_visibility": 1}
    assert reasons(read(export(Shares=share() + share()))) == {"malformed_row": 2}


def test_columns_may_stand_in_another_order() -> None:
    content = f"Visibility,ShareCommentary,ShareLink,Date\nPUBLIC,mine,{LINK},2026-04-01 12:00:00 UTC\n"
    _, post = read(export(Shares=content))
    assert isinstance(post, Post)
    assert (post.text, post.post_id) == ("mine", ID)


def test_empty_lines_after_the_words_are_dropped_with_their_quotation_marks() -> None:
    post = only(text='mine"\n"')
    assert isinstance(post, Post)
    assert post.text == "mine"


@pytest.mark.parametrize("records", [0, 7, 500])
def test_the_sample_of_the_benchmark_has_as_many_records_as_asked_for(tmp_path: Path, records: int) -> None:
    sample = Path(__file__).parents[2] / "bench" / "samples" / "linkedin.py"
    spec = importlib.util.spec_from_file_location("linkedin_sample", sample)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write(tmp_path / "sample", records)
    with open_input(tmp_path / "sample") as source:
        assert sees(source) == "a LinkedIn account export with Comments, Profile, Reactions, Shares"
        found = list(read(source))
    assert len(found) == records + 1
    assert "malformed_row" not in reasons(iter(found))
    assert records < 500 or sum(isinstance(record, Post) for record in found) > 100


def test_every_reason_is_told_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "platforms" / "linkedin.md").read_text(encoding="utf-8")
    told = {*_NOT_PUBLIC.values(), *(kind.reason for kind in _KINDS.values() if kind.reason)}
    told |= {"unknown_author", "unknown_member", "direct_message", "malformed_row", "unreadable_text", "no_text"}
    assert all(f"`{reason}`" in page for reason in told)
    assert all(f"`{visibility}`" in page for visibility in _NOT_PUBLIC)


@settings(max_examples=200, deadline=None)
@given(visibility=st.text(max_size=12) | st.sampled_from(["PUBLIC ", "Public", "PUBLIC\n", "PUBLIC,CONNECTIONS"]))
def test_a_public_post_comes_only_from_the_one_word_that_says_so(visibility: str) -> None:
    records = list(read(export(Shares=HEADER + share(visibility=visibility))))
    assert any(isinstance(record, Post) for record in records) == (visibility == "PUBLIC")
    assert len(records) > 1


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whole_rows_are_counted_whatever_they_hold(data: st.DataObject) -> None:
    odd = st.text(max_size=20) | st.sampled_from(["PUBLIC", LINK, "2026-04-01 12:00:00", "N/A", '"\n"', "=1"])
    table = data.draw(st.lists(st.lists(odd, min_size=6, max_size=6), max_size=8))
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(table)
    records = list(read(export(Shares=HEADER + out.getvalue().encode("utf-8", "replace").decode())))[1:]
    assert len(records) == len(table)
    check(records)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_samples_never_raise_and_never_end_early(data: st.DataObject, test_data: Path) -> None:
    name = data.draw(st.sampled_from(["shares-corpus", "comments-corpus", "shares-parity", "Reactions_synthetic"]))
    content = bytearray(fixture(test_data, f"{name}.csv"))[:6_000]
    change = st.tuples(st.integers(1, 6_000), st.sampled_from(["flip", "delete", "insert"]), st.integers(0, 255))
    for at, how, byte in data.draw(st.lists(change, max_size=8)):
        here = slice(at, at + (how != "insert"))
        content[here] = b"" if how == "delete" else bytes([data.draw(st.sampled_from([byte, *b'",\n\0']))])
    tail = share(text="the very last").encode()
    kind = {"s": "Shares", "c": "Comments", "R": "Reactions"}[name[0]]
    source = export(**{kind: bytes(content) + b"\n" + tail})
    sees(source)
    records = list(read(source))
    check(records)
    assert len(records) > len(_ROWS.findall(content + b"\n" + tail))


def check(records: list[Ingested]) -> None:
    """Assert what holds of whatever is read."""
    for record in records:
        if isinstance(record, Skipped):
            assert record.reason in SKIP_REASONS
        elif isinstance(record, Post):
            assert record.author_id == ME
            assert record.text.strip()
            assert record.text.encode()
            assert record.created_at.tzinfo is UTC
            assert record.visibility is Visibility.PUBLIC
