"""The demonstration: the canary is known before, and afterwards exactly as unlikely as if never seen."""

import json
from pathlib import Path

from click.testing import CliRunner

from licet.cli.main import main
from licet.protocol.certificate import read_certificate


def test_the_canary_ends_as_unlikely_as_if_it_had_never_been_seen(tmp_path: Path) -> None:
    public, kept, chart = tmp_path / "public", tmp_path / "kept", tmp_path / "charts" / "forgetting.svg"
    public.mkdir()
    (public / "public.txt").write_text("hello there\nhow are you today\n" * 20)
    call = ["train", "demo", "--public", str(public), "--keep", str(kept), "--chart", str(chart)]
    done = CliRunner().invoke(main, ["--json", *call])
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    canary, other = said["surprise"].values()
    assert canary["before"] < canary["after"] - 50
    assert canary["in quarantine"] == canary["after"] == canary["never seen"]
    assert other["after"] == other["never seen"]
    assert all(text.startswith("aye,") for text in said["samples"]["before"])
    (path,) = (kept / "model" / "certificates").glob("*.json")
    assert read_certificate(path.read_bytes()).digest == said["certificate"]
    assert chart.read_text().count("<svg") == 1
    again = CliRunner().invoke(main, call)
    assert "holds a demonstration already" in again.output


def test_a_chart_has_an_ending_that_says_its_kind(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["train", "demo", "--chart", str(tmp_path / "chart.gif")])
    assert done.exit_code == 1
    assert ".png or .svg" in done.output
