"""A recipient's pages: profiles that work, quick starts as they are shown, recalls settled by a signed word."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from page_tour import Visitor

from licet.cli.main import main
from licet.dataset.build import build
from licet.server.pages.quick_starts import PROFILE, QUICK_STARTS, SYNC
from licet.store import credentials
from licet.store.database import reading, transaction


@pytest.fixture
def recipient(visit, platform) -> Visitor:
    with transaction(platform.house.database) as conn:
        token = credentials.issue_token(conn, "acme", platform.now.replace(year=2026))
    return visit("recipient", token=token)


@pytest.mark.parametrize("kind", ["bearer", "oauth"])
def test_a_profile_opens_the_share_and_is_told_once(recipient, kind, visit) -> None:
    answer = recipient.submit("/recipient/access", "/recipient/access/profile", kind=kind)
    profile = answer.json()
    assert answer.headers["content-disposition"] == 'attachment; filename="acme.share"'
    assert profile["shareCredentialsVersion"] == (1 if kind == "bearer" else 2)
    again = visit()
    files = {"profile": ("acme.share", json.dumps(profile))}
    assert again.post("/sign-in/recipient", files=files).url.path == "/recipient"
    secret = profile.get("bearerToken") or profile["clientSecret"]
    assert secret not in again.get("/recipient/access").text


def test_rotation_lets_older_credentials_end(recipient, platform) -> None:
    recipient.submit("/recipient/access", "/recipient/access/profile", kind="bearer", rotate="yes").raise_for_status()
    with reading(platform.house.database) as conn:
        held = [each for each in credentials.credentials(conn, platform.now) if each.recipient_id == "acme"]
    late = [each for each in held if (each.expires - platform.now).days > 7]
    assert len(late) == 1
    assert recipient.get("/recipient/access").status_code == 200


def open_recall(recipient) -> str:
    found = re.search(r"/recipient/recalls/(acme_2024\.\d+)", recipient.get("/recipient/recalls").text)
    assert found
    return found[1]


def test_a_recall_is_acknowledged_by_one_press(recipient) -> None:
    name = open_recall(recipient)
    page = f"/recipient/recalls/{name}"
    assert "Acknowledge" in recipient.get(page).text
    answer = recipient.submit(page, f"{page}/acknowledgement")
    assert "/acknowledgement" not in answer.text


def test_a_recall_of_somebody_else_is_not_shown(visit, platform, recipient) -> None:
    name = open_recall(recipient)
    stranger = visit("recipient", token=platform.tokens["nordlys"])
    assert stranger.get(f"/recipient/recalls/{name}").status_code == 404
    assert stranger.get(f"/recipient/recalls/{name}/notice").status_code == 404
    assert stranger.get("/recipient/recalls/%00").status_code == 404


def test_an_attestation_made_as_the_page_says_is_taken_and_a_wrong_one_is_not(
    recipient, platform, tmp_path, monkeypatch
) -> None:
    name = open_recall(recipient)
    page = f"/recipient/recalls/{name}"
    monkeypatch.chdir(tmp_path)
    pem = platform.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Path("acme.pem").write_bytes(pem)
    Path(f"{name}.json").write_bytes(recipient.get(f"{page}/notice").content)
    shown = re.search(r"licet (recall attest [^<]+)</code>", recipient.get(page).text)
    assert shown
    monkeypatch.setattr("licet.cli.recalling.now", lambda: platform.now)
    main(shown[1].split(), standalone_mode=False)
    signed = json.loads(Path("attestation.json").read_text())
    forged = {**signed, "recall_id": "another"}
    assert recipient.submit(page, f"{page}/attestation", attestation=json.dumps(forged)).status_code == 400
    assert recipient.submit(page, f"{page}/attestation", attestation="{").status_code == 400
    answer = recipient.submit(page, f"{page}/attestation", attestation=json.dumps(signed))
    assert "The attestation arrived." in answer.text


@pytest.fixture
def quick(recipient, platform, tmp_path) -> Path:
    """A folder with the profile's file and a copy that is in step."""
    build(platform.house, "acme_2024", platform.now)
    profile = recipient.submit("/recipient/access", "/recipient/access/profile", kind="bearer").json()
    profile["expirationTime"] = "2099-01-01T00:00:00.000Z"  # the platform lives in another year
    (tmp_path / PROFILE).write_text(json.dumps(profile))
    subprocess.run(
        [sys.executable, "-m", "licet.cli", *SYNC.split()[1:]], cwd=tmp_path, check=True, capture_output=True
    )
    return tmp_path


def test_the_quick_starts_run_as_they_are_shown(recipient, quick) -> None:
    page = recipient.get("/recipient/access").text
    assert {each.name for each in QUICK_STARTS} == {"pandas", "Spark", "datasets", "PyTorch"}
    for each in QUICK_STARTS:
        code = each.of("acme_2024", "posts")
        shown = code.replace('"', "&#34;")
        assert shown in page
        done = subprocess.run([sys.executable, "-c", code], cwd=quick, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "post_id" in done.stdout
