"""Recognition: every form as itself and as nothing else, and what is no form is refused with the way out."""

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ingest.every_form import TOLD, form_of, lines, read, sample, tarred, x_export, zipped

from licet.ingest.formats import FORMATS, NAMES, Told, recognize
from licet.ingest.opened import open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.model.errors import InputError, LicetError, UsageError
from licet.model.members import MemberId
from licet.model.records import Deletion, Hiding, Post, Visibility

ROOT = Path(__file__).parents[2]
ANN = MemberId("linkedin:17000001")
PAGES_OF = {"get_liked_tweets", "get_home_timeline", "get_users_tweets", "get_users_mentions", "get_tweets"} | {
    "get_quote_tweets",
    "get_liking_users",
    "get_retweeters",
    "search_recent_tweets",
}
"""Calls whose recorded answers are pages of posts or accounts."""

_REAL = {
    "x_archive_fixtures/ariadne-x": "x-export",
    "x_archive_fixtures/ariadne-x/data": "x-export",
    "x_archive_fixtures": "x-export",
    "x_api_samples/v1.1/twitter-to-sqlite_tweets.json": "x-v1",
    "x_api_samples/v2_twarc/tweets_compliance.jsonl": "x-compliance",
    "x_api_samples/v2_twarc/users_compliance.jsonl": "x-compliance",
    "bluesky/jetstream-corpus/expected_v1.jsonl": "jetstream",
    "bluesky/jsonbench/jsonbench-head-10.ndjson": "jetstream",
    "bluesky/jetstream-corpus/repo.car": "at-repo",
    "meta_export_synthetic/facebook": "facebook-export",
    "meta_export_synthetic/instagram_2022": "instagram-export",
    "meta_export_synthetic/instagram_2025": "instagram-export",
}
_PARTS = {
    # What belongs to an export, by itself: it says less, and never anything else.
    "x_archive_fixtures/ariadne-x/data/*.js": "x-export",
    "x_archive_fixtures/twitter-to-sqlite/account*.js": "x-export",
    "x_api_samples/v2_twarc/*.jsonl": "x-api",
    "bluesky/indigo/testing/testdata/*.car": "at-repo",
    "meta_export_synthetic/facebook/**/*.json": "facebook-export",
    "meta_export_synthetic/instagram_*/**/*.json": "instagram-export",
}
_OTHERS = (
    *("fivethirtyeight_tweets", "reddit_sample", "presidio_synth", "wnut17", "vader_tweets", "semeval", "xlmt"),
    *("community_archive_schema", "linkedin_fixtures", "x_api_samples/v2_tweepy", "x_api_samples/v2_graphql"),
    *("bluesky/interop-test-files", "bluesky/indigo/cmd", "meta_export_synthetic/instagram_2025/connections"),
)
_PACKED = ("frames.bin.zst", "did_docs.json.zst")


def claimed(test_data: Path) -> dict[Path, str]:
    """Give every real sample and its form; a folder's own word outdoes that of the files in it."""
    found = {path: form for pattern, form in _PARTS.items() for path in sorted(test_data.glob(pattern))}
    return found | {test_data / name: form for name, form in _REAL.items()}


def in_a_folder(path: Path, target: Path) -> Path:
    """Put a file, or what is in a folder, into a folder of another name."""
    if path.is_dir():
        shutil.copytree(path, target / "inner", copy_function=shutil.copyfile)
    else:
        target.mkdir(parents=True)
        shutil.copyfile(path, target / path.name)
    return target


def refused(path: Path) -> InputError:
    """Give the error of an input that is no known form."""
    with pytest.raises(InputError) as caught:
        form_of(path)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("form", NAMES)
def test_every_form_is_recognized_alone_in_a_folder_and_packed(form: str, tmp_path: Path) -> None:
    path = sample(form, tmp_path)
    assert form_of(path) == form
    assert form_of(in_a_folder(path, tmp_path / "folder")) == form
    assert form_of(zipped(path, tmp_path / "packed.zip")) == form
    assert form_of(tarred(path, tmp_path / "packed.tar.gz")) == form


@pytest.mark.parametrize("form", NAMES)
def test_no_form_claims_what_another_one_is(form: str, tmp_path: Path) -> None:
    with open_input(sample(form, tmp_path)) as source:
        seen = {each.name for each in FORMATS if each.sees(source)}
        assert seen == {form}
        assert recognize(source).seen == next(each for each in FORMATS if each.name == form).sees(source)


@pytest.mark.parametrize("relative", _REAL)
def test_every_real_sample_is_its_own_form_alone_in_a_folder_and_in_a_zip(
    relative: str, test_data: Path, tmp_path: Path
) -> None:
    path = test_data / relative
    assert form_of(path) == _REAL[relative]
    assert form_of(in_a_folder(path, tmp_path / "folder")) == _REAL[relative]
    assert form_of(zipped(path, tmp_path / "packed.zip")) == _REAL[relative]
    assert form_of(tarred(path, tmp_path / "packed.tar.gz")) == _REAL[relative]


def test_every_real_page_and_repository_is_its_own_form_alone_and_in_a_zip(test_data: Path, tmp_path: Path) -> None:
    found = {path: form for path, form in claimed(test_data).items() if path.suffix in {".jsonl", ".car"}}
    assert len(found) > 30
    for number, (path, form) in enumerate(found.items()):
        assert form_of(path) == form, path
        assert form_of(zipped(path, tmp_path / f"{number}.zip")) == form, path


def test_real_frames_are_recognized_once_they_are_unpacked(test_data: Path, tmp_path: Path) -> None:
    packed = test_data / "bluesky" / "jetstream-corpus" / "frames.bin.zst"
    assert "unpack it first" in refused(packed).remedy
    frames = tmp_path / "frames.bin"
    frames.write_bytes(zstandard.ZstdDecompressor().decompressobj().decompress(packed.read_bytes()))
    assert form_of(frames) == "at-firehose"
    assert form_of(zipped(frames, tmp_path / "frames.zip")) == "at-firehose"


@pytest.mark.parametrize("call", sorted(PAGES_OF))
def test_recorded_answers_of_the_api_are_pages(call: str, test_data: Path, tmp_path: Path) -> None:
    recorded = json.loads((test_data / "x_api_samples" / "v2_tweepy" / f"{call}.json").read_text(encoding="utf-8"))
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps(recorded[0]["body"], indent=1), encoding="utf-8")
    assert form_of(answer) == "x-api"


@pytest.mark.parametrize(("name", "given"), [("shares-corpus", "Shares"), ("comments-corpus", "Comments_17000001")])
def test_real_tables_of_linkedin_are_recognized_under_their_own_names(
    name: str, given: str, test_data: Path, tmp_path: Path
) -> None:
    shutil.copyfile(test_data / "linkedin_fixtures" / f"{name}.csv", tmp_path / f"{given}.csv")
    assert form_of(tmp_path) == "linkedin-export"
    assert form_of(tmp_path / f"{given}.csv") == "linkedin-export"
    assert form_of(zipped(tmp_path, tmp_path.parent / f"{name}.zip")) == "linkedin-export"


def test_every_other_real_file_is_refused_and_says_what_to_do(test_data: Path) -> None:
    ours = claimed(test_data)
    loose = {"comments.json", "your_saved_items.json", "followers_1.json"}
    others = [
        path
        for path in sorted(test_data.rglob("*"))
        if path.is_file() and path.name not in _PACKED and (path not in ours or path.name in loose)
    ]
    assert len(others) > 120
    assert {"reddit_sample", "fivethirtyeight_tweets", "presidio_synth", "wnut17", "vader_tweets", "semeval"} <= {
        path.parent.name for path in others
    }
    for path in others:
        error = refused(path)
        assert "no known form of data" in error.message, path
        assert "--mapping" in error.remedy
        assert "docs/platforms" in error.remedy


@pytest.mark.parametrize("name", _OTHERS)
def test_folders_of_other_data_are_refused_too(name: str, test_data: Path, tmp_path: Path) -> None:
    assert "no known form" in refused(test_data / name).message
    assert "no known form" in refused(zipped(test_data / name, tmp_path / "packed.zip")).message


def test_an_export_without_tweets_brings_its_account_and_no_post(test_data: Path) -> None:
    path = test_data / "x_archive_fixtures" / "twitter-to-sqlite"
    with open_input(path) as source:
        assert recognize(source).seen == "an X account export with 0 parts of tweets"
    assert not [record for record in read(path) if isinstance(record, Post)]


def test_an_empty_input_is_no_form(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.json").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "nothing.zip", "w"):
        pass
    for name in ("empty", "nothing.json", "nothing.zip"):
        assert "no known form" in refused(tmp_path / name).message


def test_of_two_claims_both_are_named_and_the_way_to_choose(test_data: Path) -> None:
    folder = test_data / "x_api_samples" / "v2_twarc"
    error = refused(folder)
    assert "pages of the X API v2 in 25 files and results of an X compliance job" in error.message
    assert error.remedy == "give each by itself, or choose with --format: x-api, x-compliance"
    assert form_of(folder, "x-api") == "x-api"
    assert form_of(folder, "x-compliance") == "x-compliance"


def test_two_exports_side_by_side_are_not_guessed_at(tmp_path: Path) -> None:
    for form in ("x-export", "mastodon-export"):
        sample(form, tmp_path)
    error = refused(tmp_path)
    assert "an X account export" in error.message
    assert "a Mastodon account export" in error.message
    assert "--format: x-export, mastodon-export" in error.remedy


def test_in_a_recording_that_may_be_either_withdrawals_come_first(tmp_path: Path) -> None:
    withheld = {"id": 5, "user_id": 7, "withheld_in_countries": ["DE"], "timestamp_ms": "1714521600000"}
    tweet = {"id_str": "6", "created_at": "Wed May 01 00:00:00 +0000 2024", "text": "words", "user": {"id_str": "7"}}
    path = lines(tmp_path / "stream.jsonl", {"status_withheld": withheld}, tweet)
    with open_input(path) as source:
        assert {each.name for each in FORMATS if each.sees(source)} == {"x-compliance", "x-v1"}
    assert form_of(path) == "x-compliance"
    for name in ("", "x-v1"):
        assert any(isinstance(record, Hiding | Deletion) for record in read(path, name))


def test_a_form_that_is_named_is_taken_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing that anybody knows\n")
    with open_input(path) as source:
        assert recognize(source, "jetstream").seen == "jetstream, as told"
    with open_input(sample("jetstream", tmp_path)) as source:
        assert recognize(source, "jetstream").seen == "Bluesky Jetstream events in 1 file"
        with pytest.raises(UsageError, match="choose one of x-export, x-api"):
            recognize(source, "bluesky")


def damaged(path: Path, target: Path) -> Path:
    """Pack an export together with a picture whose bytes are no compressed data any more."""
    packed = zipped(path, target)
    picture = bytes(range(256)) * 40
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/media/picture.jpg", picture)
        at = archive.getinfo("data/media/picture.jpg").header_offset
    data = bytearray(packed.read_bytes())
    start = at + 30 + len("data/media/picture.jpg")
    data[start : start + 16] = b"\xff" * 16
    packed.write_bytes(data)
    return packed


@pytest.mark.parametrize("form", [name for name in NAMES if not name.startswith("at-") and name != "jetstream"])
def test_a_damaged_picture_does_not_hide_what_an_export_is(form: str, tmp_path: Path) -> None:
    assert form_of(damaged(sample(form, tmp_path), tmp_path / "packed.zip")) == form


def test_where_nothing_is_recognized_damage_is_what_is_reported(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    assert "picture.jpg is damaged" in refused(damaged(tmp_path / "notes", tmp_path / "packed.zip")).message


@pytest.mark.parametrize("form", NAMES)
def test_only_an_export_that_is_silent_may_be_told_whose_it_is(form: str, tmp_path: Path) -> None:
    kind = next(each for each in FORMATS if each.name == form)
    told = {"leave out --member": Told(member_id=ANN), "leave out --visibility": Told(visibility=Visibility.PUBLIC)}
    with open_input(sample(form, tmp_path)) as source:
        found = recognize(source)
        for remedy, fact in told.items():
            if kind.member if "member" in remedy else kind.visibility:
                assert next(iter(found.read(source, fact)))
            else:
                with pytest.raises(UsageError, match=remedy) as caught:
                    found.read(source, fact)
                assert found.seen in caught.value.message


@pytest.mark.parametrize("form", TOLD)
@pytest.mark.parametrize("name", ["", "two words", "a" * 300, "tab\tbed", "bell\x07"])
def test_a_member_who_cannot_be_one_is_refused_before_anything_is_read(form: str, name: str, tmp_path: Path) -> None:
    with open_input(sample(form, tmp_path)) as source, pytest.raises(UsageError, match="member id"):
        recognize(source).read(source, Told(member_id=MemberId(name)))


@pytest.mark.parametrize("visibility", [Visibility.FOLLOWERS, Visibility.PRIVATE, Visibility.UNKNOWN])
def test_nobody_can_state_that_a_whole_export_is_less_than_unlisted(visibility: Visibility, tmp_path: Path) -> None:
    with open_input(sample("facebook-export", tmp_path)) as source, pytest.raises(UsageError, match="unlisted"):
        recognize(source).read(source, Told(visibility=visibility))


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """The names and beginnings of the files of every form."""
    folder = tmp_path_factory.mktemp("forms")
    files = [file for form in NAMES for file in _files(sample(form, folder))]
    return [(file.name, file.read_bytes()[:3_000]) for file in files]


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_inputs_are_recognized_or_refused_and_never_raise_anything_else(
    data: st.DataObject, heads: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    name, content = data.draw(st.sampled_from(heads))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(content)), st.integers(0, len(content)))))
    path = tmp_path / data.draw(st.sampled_from([name, *(other for other, _ in heads)]))
    path.write_bytes(content[:start] + data.draw(st.binary(max_size=40)) + content[end:])
    remedy = ""
    try:
        assert form_of(path) in NAMES
    except LicetError as error:
        remedy = error.remedy or "none"
    path.unlink()
    assert remedy != "none"


def test_every_form_stands_in_the_documents_with_its_page() -> None:
    text = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \|.*\(platforms/([a-z-]+\.md)\)", text, re.MULTILINE))
    assert set(NAMES) <= rows.keys()
    index = (ROOT / "docs" / "platforms" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs" / "platforms").glob("*.md")} - {"README.md"}
    assert set(rows.values()) <= pages
    assert {page for page in pages if f"({page})" not in index} == set()


def test_every_reason_stands_in_the_documents_in_its_own_words() -> None:
    text = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", text.partition("## Reasons")[2], re.MULTILINE)
    assert dict(listed) == SKIP_REASONS


def test_an_export_of_two_accounts_is_one_form(tmp_path: Path) -> None:
    tweet: dict[str, Any] = {"tweet": {"id_str": "1"}}
    for name in ("ann", "ben"):
        x_export(tmp_path / name, account=[{"account": {"accountId": "1"}}], tweets=[tweet])
    assert form_of(tmp_path) == "x-export"
