"""X's shapes: ids in two forms, jobs, events that every client knows, and addresses that open one thing."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from licet.model.errors import InputError
from licet.model.licenses import RecipientId
from licet.model.recalls import Cause
from licet.protocol import compliance as wire
from licet.protocol.compliance import Form, Job, JobType, Status, Transfer

NOW = datetime(2025, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SECRET = b"s" * 32
KNOWN_TO_CLIENTS = {
    *("delete", "drop", "undrop", "withheld", "tweet_edit"),
    *("user_delete", "user_undelete", "user_protect", "user_unprotect", "user_suspend", "user_unsuspend"),
}
pseudonyms = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


def job(**more: object) -> Job:
    said = {
        "job_id": 10**18,
        "recipient_id": RecipientId("acme"),
        "type": JobType.TWEETS,
        "name": "",
        "created": NOW,
        "upload_expires": NOW + timedelta(minutes=15),
        "download_expires": NOW + timedelta(days=7),
    }
    return Job(**said | more)  # type: ignore[arg-type]


@given(pseudonyms, st.sampled_from(Form))
def test_an_id_in_either_form_means_its_pseudonym(pseudonym, form) -> None:
    text = wire.written(pseudonym, form)
    assert pseudonym in wire.pseudonyms_of(text)
    assert pseudonym in wire.pseudonyms_of(text.upper())


@given(pseudonyms)
def test_the_decimal_form_is_what_clients_take_for_a_number(pseudonym) -> None:
    assert int(wire.written(pseudonym, Form.DECIMAL)) == int(pseudonym, 16)


def test_an_id_that_fits_both_forms_may_mean_either() -> None:
    text = "12345678901234567890123456789012"
    assert wire.pseudonyms_of(text) == sorted([text, f"{int(text):032x}"])
    assert wire.pseudonyms_of("0" * 32) == ["0" * 32]


def test_a_number_that_is_too_large_means_nobody() -> None:
    assert wire.pseudonyms_of(str(2**128 - 1)) == ["f" * 32]
    assert wire.pseudonyms_of(str(2**128)) == []


@pytest.mark.parametrize(
    "text", ["", " 1", "1\n", "-1", "1.0", "1e3", "x:3", "a" * 31, "a" * 33, "1" * 40, "\u0661\u0662", "g" * 32]
)
def test_anything_else_is_no_id(text) -> None:
    with pytest.raises(InputError):
        wire.pseudonyms_of(text)


@given(pseudonyms)
def test_a_partition_follows_from_the_decimal_id(pseudonym) -> None:
    assert wire.partition_of(pseudonym) == int(pseudonym, 16) % 4 + 1


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 # hypothesis' way
def test_an_instant_is_written_so_that_clients_read_it(at) -> None:
    text = wire.instant_text(at)
    assert datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) == at.replace(
        microsecond=at.microsecond // 1000 * 1000
    )
    assert wire.instant_text(at.astimezone(timezone(timedelta(hours=5)))) == text
    assert wire.read_time(text, "start_time") <= at


@pytest.mark.parametrize("text", ["", "yesterday", "2024-01-01", "2024-01-01T00:00:00", "1704067200"])
def test_what_is_no_instant_is_refused(text) -> None:
    with pytest.raises(InputError, match="start_time"):
        wire.read_time(text, "start_time")


@pytest.mark.parametrize("text", ["0", "1372966999991541762", str(2**63 - 1)])
def test_a_job_id_is_a_number(text) -> None:
    assert wire.read_job_id(text) == int(text)


@pytest.mark.parametrize("text", ["", "a", "-1", "1" * 20, str(2**63), "\u0661"])
def test_what_is_no_job_id_is_refused(text) -> None:
    with pytest.raises(InputError):
        wire.read_job_id(text)


@pytest.mark.parametrize(
    ("given_job", "after", "status"),
    [
        (job(), timedelta(minutes=14), Status.CREATED),
        (job(), timedelta(minutes=15), Status.EXPIRED),
        (job(uploaded=NOW), timedelta(days=9), Status.IN_PROGRESS),
        (job(uploaded=NOW, ended=NOW), timedelta(days=6), Status.COMPLETE),
        (job(uploaded=NOW, ended=NOW), timedelta(days=7), Status.EXPIRED),
        (job(uploaded=NOW, ended=NOW, error="line 1 is not an id"), timedelta(days=9), Status.FAILED),
    ],
)
def test_a_jobs_status_follows_from_its_facts(given_job, after, status) -> None:
    assert given_job.status(NOW + after) is status


@pytest.mark.parametrize("status", list(Status))
def test_a_job_says_when_to_ask_again_until_it_ends_and_why_it_failed(status) -> None:
    urls = {Transfer.UPLOAD: "u", Transfer.DOWNLOAD: "d"}
    shown = wire.job_object(job(error="why"), status, urls, NOW)
    assert ("estimated_completion" in shown) == (status in {Status.CREATED, Status.IN_PROGRESS})
    assert shown.get("error") == ("why" if status is Status.FAILED else None)
    assert set(wire.JOB_FIELDS) - set(shown) == {"name"}
    assert wire.job_object(job(name="n"), status, urls, NOW)["name"] == "n"
    assert wire.chosen(shown, {"status"}) == {"id": shown["id"], "status": str(status)}
    assert wire.chosen(shown, ()) == shown


claims = st.tuples(st.sampled_from(Transfer), st.integers(0, 9), st.integers(0, 9))


@given(claims, claims)
@example((Transfer.UPLOAD, 1, 11), (Transfer.UPLOAD, 11, 1))
def test_an_address_opens_its_own_transfer_only(one, other) -> None:
    assert wire.is_signed(SECRET, *one, wire.transfer_signature(SECRET, *other)) == (one == other)
    assert not wire.is_signed(b"t" * 32, *one, wire.transfer_signature(SECRET, *one))


def test_an_address_names_its_job_and_end() -> None:
    path = wire.transfer_path(SECRET, Transfer.UPLOAD, 12, NOW)
    signature = wire.transfer_signature(SECRET, Transfer.UPLOAD, 12, int(NOW.timestamp()))
    assert path == f"/2/compliance/jobs/12/upload?expires={int(NOW.timestamp())}&X-Amz-Signature={signature}"


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_of_a_row_has_an_event_that_clients_know_and_says_itself(cause) -> None:
    post = wire.post_event("1", "2", cause, NOW)["data"]
    like = wire.like_event("1", "2", cause, NOW)["data"]
    for event in (post, like):
        ((name, about),) = event.items()
        assert name in KNOWN_TO_CLIENTS
        assert about["reason"] == str(cause)
        assert about["event_at"] == "2025-03-01T12:00:00.123Z"
    assert ("delete" in post) == (cause is Cause.DELETED)
    assert like["delete"]["favorite"] == {"id": "1", "user_id": "2"}


@pytest.mark.parametrize("cause", list(wire.USER_EVENTS))
def test_every_event_of_a_user_is_one_that_clients_know(cause) -> None:
    ((name, about),) = wire.user_event("2", cause, NOW)["data"].items()
    assert name in KNOWN_TO_CLIENTS
    assert (about["user"], about["reason"]) == ({"id": "2"}, str(cause))


def test_every_cause_that_is_a_members_own_is_told_of_the_user() -> None:
    about_rows = {Cause.EDITED, Cause.RULES_CHANGED, Cause.NO_LONGER_PERMITTED, Cause.LICENSE_ENDED}
    assert set(wire.USER_EVENTS) == set(Cause) - about_rows


def test_events_stand_one_a_line() -> None:
    events = [wire.like_event("1", "2", Cause.DELETED, NOW)] * 2
    assert [json.loads(line) for line in wire.event_lines(events).split(b"\r\n")[:-1]] == events
    assert wire.event_lines([]) == b""


def test_a_result_line_has_xs_fields_in_xs_order() -> None:
    line = wire.result_line("1", "opted_out", NOW)
    assert list(line) == ["id", "action", "created_at", "redacted_at", "reason"]
    assert line["action"] == "delete"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 429, 500, 503])
def test_a_problem_has_the_fields_of_a_problem_and_what_clients_print(status) -> None:
    said = wire.problem(status, "what is wrong", "A Title")
    assert (said["status"], said["detail"]) == (status, "what is wrong")
    assert said["title"]
    assert said["type"]
    assert [error["message"] for error in said["errors"]] == ["what is wrong"]
