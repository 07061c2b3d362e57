"""A model straight from a share: its profile stands for the data, and a withdrawal is followed and forgotten."""

import json
import pathlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))

from compliance_world import Ring, make_ring, served, user

from licet.cli.main import main
from licet.cli.train_profile import is_profile
from licet.protocol.profiles import bearer_profile


@pytest.fixture
def ring(tmp_path: pathlib.Path) -> Iterator[Ring]:
    made = make_ring(tmp_path / "home", "")
    yield made
    made.house.database.dispose()


def licet(*arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(main, ["--json", "train", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_model_follows_its_share(ring: Ring, tmp_path: pathlib.Path) -> None:
    profile, model = tmp_path / "acme.share", tmp_path / "model"
    with served(ring) as address:
        ends = datetime.now(UTC) + timedelta(days=1)
        profile.write_text(json.dumps(bearer_profile(f"{address}/delta-sharing", ring.token, ends)))
        fitted = licet("fit", model, "--learner", "ngram", "--data", profile)
        assert (fitted["records"], fitted["members"]) == (12, 12)
        ring.leave("x:3")
        forgotten = licet("forget", model, "--recall", "acme_1.7", "--data", profile)
    assert forgotten["forgotten"] == 1
    texts = [path.read_bytes() for path in (tmp_path / "acme.share.data").rglob("*.parquet") if "posts" in path.parts]
    assert texts
    assert not any(user("x:3").encode() in text for text in texts)
    again = licet("fit", tmp_path / "fresh", "--learner", "ngram", "--data", tmp_path / "acme.share.data")
    current = json.loads((model / "current.json").read_bytes())
    assert again["statistics"] == current["statistics"]


def test_a_share_that_cannot_be_followed_is_one_line_with_the_remedy(ring: Ring, tmp_path: pathlib.Path) -> None:
    profile = tmp_path / "acme.share"
    with served(ring) as address:
        ends = datetime.now(UTC) + timedelta(days=1)
        profile.write_text(json.dumps(bearer_profile(f"{address}/delta-sharing", "licet_wrong", ends)))
        done = CliRunner().invoke(
            main, ["train", "fit", str(tmp_path / "m"), "--learner", "ngram", "--data", str(profile)]
        )
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"PAR1\x00\xff", b'{"endpoint": 1}', b"[" * 100_000])
def test_what_is_no_profile_is_taken_for_data(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not is_profile(path)
    assert not is_profile(tmp_path)
