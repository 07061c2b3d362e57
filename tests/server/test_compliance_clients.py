"""The official SDK and the archivists' tool, each in a process of its own, as their users run them."""

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from compliance_world import Ring, make_ring, post_of, served, user

from licet.model.members import AccountStatus
from licet.protocol.compliance import partition_of

SDK = """
import json, sys
from xdk import Client
from xdk.compliance.models import CreateJobsRequest
from xdk.streaming import StreamConfig

client = Client(base_url=sys.argv[1], bearer_token=sys.argv[2])
{body}
"""

REDIRECT = """
import os, requests
_request = requests.Session.request
requests.Session.request = lambda session, method, url, *args, **more: _request(
    session, method, url.replace("https://api.twitter.com", os.environ["COMPLIANCE_API"]), *args, **more
)
"""
"""The host that `twarc2` asks stands in its code; nothing else of it is touched."""


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ring(tmp_path: pathlib.Path) -> Iterator[Ring]:
    made = make_ring(tmp_path / "home", "")
    yield made
    made.house.database.dispose()


@pytest.fixture
def address(ring: Ring) -> Iterator[str]:
    with served(ring) as url:
        yield url


def run_sdk(ring: Ring, address: str, body: str) -> subprocess.Popen[str]:
    script = SDK.format(body=body)
    return subprocess.Popen(
        [sys.executable, "-c", script, address, ring.token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> list[object]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def decimal(pseudonym: str) -> str:
    return str(int(pseudonym, 16))


def test_the_sdk_creates_lists_and_gets_jobs(ring, address) -> None:
    body = """
job = client.compliance.create_jobs(CreateJobsRequest(type="tweets", name="nightly")).data
print(json.dumps([job.type, job.name, job.status, job.resumable]))
print(json.dumps([each.id for each in client.compliance.get_jobs(type="tweets").data] == [job.id]))
found = client.compliance.get_jobs_by_id(id=job.id, compliance_job_fields=["status", "upload_url"]).data
print(json.dumps([found.id == job.id, found.status, found.upload_url == job.upload_url, found.download_url]))
print(json.dumps(client.compliance.get_jobs(type="users", status="complete").data))
"""
    assert said(run_sdk(ring, address, body)) == [
        ["tweets", "nightly", "created", False],
        True,
        [True, "created", True, None],
        [],
    ]


@pytest.mark.parametrize(
    ("call", "act", "expected"),
    [
        (
            "posts_compliance",
            lambda ring: ring.leave("x:3"),
            {
                "drop": {
                    "tweet": {"id": decimal(post_of("p:3", "x:3")), "author_id": decimal(user("x:3"))},
                    "reason": "opted_out",
                }
            },
        ),
        (
            "posts_compliance",
            lambda ring: ring.delete("p:3", "x:3"),
            {
                "delete": {
                    "tweet": {"id": decimal(post_of("p:3", "x:3")), "author_id": decimal(user("x:3"))},
                    "reason": "deleted",
                }
            },
        ),
        (
            "users_compliance",
            lambda ring: ring.leave("x:3"),
            {"user_protect": {"user": {"id": decimal(user("x:3"))}, "reason": "opted_out"}},
        ),
        (
            "users_compliance",
            lambda ring: ring.change("x:3", AccountStatus.SUSPENDED),
            {"user_suspend": {"user": {"id": decimal(user("x:3"))}, "reason": "suspended"}},
        ),
        (
            "users_compliance",
            lambda ring: ring.change("x:3", AccountStatus.DELETED),
            {"user_delete": {"user": {"id": decimal(user("x:3"))}, "reason": "deleted"}},
        ),
        (
            "likes_compliance",
            lambda ring: ring.unlike("x:3", "p:4"),
            {
                "delete": {
                    "favorite": {"id": decimal(post_of("p:4", "x:4")), "user_id": decimal(user("x:3"))},
                    "reason": "deleted",
                }
            },
        ),
    ],
)
def test_the_sdk_hears_each_event_while_it_is_connected_with_its_reason(ring, address, call, act, expected) -> None:
    partition = "" if call == "likes_compliance" else f"partition={partition_of(user('x:3'))}, "
    body = f"""
connected = lambda: print(json.dumps("connected"), flush=True)
config = StreamConfig(on_connect=connected, max_retries=0)
for event in client.stream.{call}({partition}stream_config=config):
    print(json.dumps(event.model_dump(exclude_none=True)))
    break
"""
    process = run_sdk(ring, address, body)
    assert process.stdout is not None
    assert process.stdout.readline() == '"connected"\n'
    act(ring)
    (event,) = said(process)
    ((name, about),) = event["data"].items()  # type: ignore[call-overload, index]
    assert about.pop("event_at").endswith("Z")
    assert {name: about} == expected


def test_the_sdk_hears_what_left_while_it_was_away(ring, address) -> None:
    ring.leave("x:3")
    body = """
for event in client.stream.likes_compliance(backfill_minutes=5):
    print(json.dumps(event.model_dump(exclude_none=True)["data"]["delete"]["reason"]))
    break
"""
    assert said(run_sdk(ring, address, body)) == ["opted_out"]


def test_the_sdk_stays_connected_through_silence(ring, monkeypatch) -> None:
    """It would ask again at once, for ever, if the stream ended in order."""
    monkeypatch.setattr("licet.server.compliance_streams.KEEP_ALIVE_S", 0.05)
    body = """
count = lambda: print(json.dumps("connected"), flush=True)
for event in client.stream.likes_compliance(stream_config=StreamConfig(on_connect=count, timeout=5)):
    print(json.dumps(event.model_dump(exclude_none=True)["data"]["delete"]["favorite"]["user_id"]))
    break
"""
    with served(ring) as address:
        process = run_sdk(ring, address, body)
        assert process.stdout is not None
        assert process.stdout.readline() == '"connected"\n'
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(7)
        ring.unlike("x:3", "p:4")
        assert said(process) == [decimal(user("x:3"))]


def test_the_sdk_is_told_what_is_wrong(ring, address) -> None:
    body = """
import requests
from xdk.streaming import StreamError
for call in (lambda: client.compliance.get_jobs_by_id(id="12"), lambda: client.compliance.get_jobs(type="likes")):
    try:
        call()
    except requests.HTTPError as error:
        print(json.dumps([error.response.status_code, error.response.json()["title"]]))
try:
    next(client.stream.users_compliance(partition=9))
except StreamError as error:
    print(json.dumps([error.status_code, str(error.error_type)]))
"""
    assert said(run_sdk(ring, address, body)) == [
        [404, "Not Found Error"],
        [400, "Invalid Request"],
        [400, "StreamErrorType.CLIENT_ERROR"],
    ]


@pytest.fixture
def twarc(ring: Ring, address: str, tmp_path: pathlib.Path) -> tuple[Run, pathlib.Path]:
    """Run `twarc2 compliance-job` where its host is ours."""
    shim = tmp_path / "shim"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(REDIRECT)
    work = tmp_path / "work"
    work.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(shim),
        "COMPLIANCE_API": address,
        "HOME": str(work),
        "XDG_CONFIG_HOME": str(work),
    }
    command = [str(pathlib.Path(sys.executable).parent / "twarc2"), "--bearer-token", ring.token, "--app-auth"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "compliance-job", *arguments],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run, work


def ids_file(work: pathlib.Path, ids: list[str]) -> str:
    (work / "ids.txt").write_text("\n".join(ids) + "\n")
    return "ids.txt"


def test_twarc_sends_ids_waits_and_writes_what_has_to_go(ring, twarc) -> None:
    run, work = twarc
    ring.leave("x:3", "x:4")
    ids = [decimal(post_of(f"p:{n}", f"x:{n}")) for n in range(12)]
    done = run("create", "tweets", ids_file(work, ids), "result.json", "--job-name", "nightly")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (work / "result.json").read_text().splitlines()]
    assert {(line["id"], line["action"], line["reason"]) for line in found} == {
        (ids[3], "delete", "opted_out"),
        (ids[4], "delete", "opted_out"),
    }
    listed = run("list", "tweets", "--json-output")
    (job,) = json.loads(listed.stdout)
    assert (job["name"], job["status"]) == ("nightly", "complete")
    shown = run("list", "--verbose")
    assert f'ID: "{job["id"]}" Name: "nightly" Status: "complete"' in shown.stderr
    assert job["download_url"] in shown.stderr
    got = run("get", job["id"], "--json-output")
    assert json.loads(got.stdout)["data"]["id"] == job["id"]
    (work / "result.json").unlink()
    again = run("download", job["id"], "result.json")
    assert again.returncode == 0, again.stderr
    assert [json.loads(line) for line in (work / "result.json").read_text().splitlines()] == found


def test_twarc_asks_about_users(ring, twarc) -> None:
    run, work = twarc
    ring.change("x:3", protected=True)
    ids = [decimal(user(f"x:{n}")) for n in range(12)]
    done = run("create", "users", ids_file(work, ids), "result.json", "--hide-progress")
    assert done.returncode == 0, done.stderr
    (line,) = (json.loads(line) for line in (work / "result.json").read_text().splitlines())
    assert (line["id"], line["reason"]) == (ids[3], "protected")


def test_twarc_says_why_a_job_failed_and_that_there_is_none(ring, twarc) -> None:
    run, work = twarc
    nothing = run("list")
    assert "There are no tweet or user compliance jobs" in nothing.stderr
    ring.world.say("x:3")  # nobody recalls
    done = run("create", "tweets", ids_file(work, ["12"]), "--no-wait")
    assert "Created a new tweets job" in done.stderr
    ring.clock.ahead = timedelta(minutes=16)
    job: dict[str, str] = {"status": "in_progress"}
    while job["status"] == "in_progress":
        (job,) = json.loads(run("list", "tweets", "--json-output").stdout)
    assert job["status"] == "failed"
    shown = run("list", "tweets", "--status", "failed")
    assert "rows are still being withdrawn: send the ids again later" in shown.stderr
    fetched = run("download", job["id"])
    assert "Retry submitting the job" in fetched.stderr
