"""`licet value`, on real posts with real labels."""

import csv
import json
import pathlib
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet as pq

from licet.cli.main import main


def run(home: pathlib.Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(home: pathlib.Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    assert result.exit_code == 1, result.output
    return " ".join(result.output.split())


@pytest.fixture
def posts(test_data: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of 2,000 real posts, ten each of made-up members, and beside it what people felt in them."""
    lines = (test_data / "semeval" / "twitter-2016train-A.tsv").read_text(encoding="utf-8").splitlines()[:2000]
    rows = [line.split("\t")[:3] for line in lines]
    folder = tmp_path / "posts"
    folder.mkdir()
    for start in (0, 1000):
        some = rows[start : start + 1000]
        columns = {
            "post_id": [row[0] for row in some],
            "author_id": [f"m{(start + n) // 10}" for n in range(len(some))],
            "text": [row[2] for row in some],
            "lang": ["en"] * len(some),
        }
        pq.write_table(pa.table(columns), folder / f"{start}.parquet")
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("post_id", "label"), *((row[0], row[1]) for row in rows)])
    return folder


def test_a_model_learns_from_real_posts_and_every_member_is_valued(posts: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "value"
    asked = ("value", str(posts), "--labels", str(tmp_path / "labels.csv"), "--out", str(out), "--splits", "4")
    first = run(tmp_path / "home", "--json", *asked, "--sample", "1500")
    curves = json.loads(first)["curves"]
    assert {unit: len(points) for unit, points in curves.items()} == {"posts": 8, "members": 8}
    assert curves["posts"][-1][1] > curves["posts"][0][1]
    assert [ET.parse(out / name).getroot().tag[-3:] for name in ("posts.svg", "members.svg")] == ["svg", "svg"]  # noqa: S314 # our own
    with (out / "members.csv").open(newline="") as file:
        members = list(csv.DictReader(file))
    assert sum(int(row["posts"]) for row in members) == 1500
    assert len(members) == json.loads(first)["members"]
    assert 0.6 < sum(float(row["value"]) for row in members) < 2
    assert (out / "members.csv").stat().st_mode & 0o077 == 0
    assert json.loads(run(tmp_path / "home", "--json", *asked, "--sample", "1500"))["curves"] == curves


def test_what_cannot_be_valued_is_refused_in_one_line(posts: pathlib.Path, tmp_path: pathlib.Path) -> None:
    home, out = tmp_path / "home", ("--out", str(tmp_path / "value"))
    assert "one of --label and --labels" in refused(home, "value", str(posts), *out)
    assert "all posts have the same label" in refused(home, "value", str(posts), "--label", "lang", *out)
    assert "no column `mood`" in refused(home, "value", str(posts), "--label", "mood", *out)
    assert "name a license instead" in refused(home, "value", str(posts), "--label", "lang", "--save", *out)
    assert "fewer than 10 members" in refused(home, "value", str(posts), "--label", "lang", "--sample", "5", *out)
    (posts / "torn.parquet").write_bytes(b"torn")
    assert "is no Parquet file" in refused(home, "value", str(posts), "--label", "lang", *out)
    assert not (tmp_path / "value").exists()
