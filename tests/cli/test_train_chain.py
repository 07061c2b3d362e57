"""Plan, fit, forget and verify at the command line, by shards and slices."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chain_world import LABELS, posts
from click.testing import CliRunner, Result

from licet.cli.main import main
from licet.protocol.certificate import Level, read_certificate

COLUMNS = ("--columns", "label=mood")


def licet(*arguments: str | Path, as_json: bool = False) -> Result:
    return CliRunner().invoke(main, [*(["--json"] if as_json else []), "train", *map(str, arguments)])


def told(*arguments: str | Path) -> dict[str, object]:
    done = licet(*arguments, as_json=True)
    assert done.exit_code == 0, done.output
    said: dict[str, object] = json.loads(done.output.splitlines()[-1])
    return said


def data(folder: Path, *, without: str = "", members: int = 8) -> Path:
    kept = [each for each in posts(members) if each.member != without]
    rows = [{"post_id": e.record, "author_id": e.member, "text": e.text, "mood": e.label} for e in kept]
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "posts.parquet")
    return folder


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was planned, fitted, and lost a member."""
    root = tmp_path_factory.mktemp("story")
    model, source = root / "model", data(root / "data")
    assert told("plan", model, "--data", source, "--shards", "2", "--slices", "2")["joined"] == 8
    fitted = told("fit", model, "--data", source, "--learner", "sklearn-head", "--labels", LABELS, *COLUMNS,
                  "--set", "encoder=hash:32", "--workers", "1")  # fmt: skip
    assert (fitted["records"], fitted["waiting"]) == (16, 0)
    cost = told("forget", model, "--member", "m3", "--cost")
    assert cost["of"] == 16
    assert isinstance(cost["records"], int)
    done = told("forget", model, "--data", data(root / "data", without="m3"), *COLUMNS,
                "--sample", "1", "--workers", "1")  # fmt: skip
    assert (done["forgotten"], done["records_trained"]) == (2, cost["records"])
    return root


def test_the_certificate_says_what_happened_and_names_nobody(story: Path) -> None:
    path = story / "model" / "certificates" / "000001.json"
    read = read_certificate(path.read_bytes())
    assert (read.tier, read.level, read.removed.members, read.removed.records) == ("chain", Level.SHARD_ORACLE, 1, 2)
    assert read.lineages[0].output == read.lineages[0].oracle != ""
    assert read.rows.before != read.rows.after
    assert any(change.before != change.after for change in read.tensors.values())
    assert read.destroyed
    assert "m3" not in {part for part in path.read_text().split('"') if len(part) < 64}


def test_whoever_holds_the_data_verifies_it_and_a_model_that_was_changed_is_found(story: Path) -> None:
    path = story / "model" / "certificates" / "000001.json"
    gone = [{"author_id": each.member, "post_id": each.record} for each in posts(8) if each.member == "m3"]
    pq.write_table(pa.Table.from_pylist(gone), story / "gone.parquet")
    removed = ("--removed", story / "gone.parquet", "--member", "m3")
    verified = licet("verify", path, "--data", story / "data", *COLUMNS, "--all", *removed)
    assert verified.exit_code == 0, verified.output
    assert "NO" not in verified.output
    assert "non-membership" in verified.output
    assert "still in the plan" in licet("verify", path, "--data", story / "data", *COLUMNS, "--member", "m4").output
    joined = told("plan", story / "model", "--data", data(story / "more", members=9))
    assert joined["joined"] == 2
    refused = licet("verify", path, "--data", story / "data", *COLUMNS)
    assert refused.exit_code == 1
    assert "does not fit" in refused.output


def test_a_plan_needs_a_folder_and_data() -> None:
    refused = licet("plan")
    assert refused.exit_code == 1
    assert "--simulate" in refused.output


def test_signals_put_likely_leavers_last(tmp_path: Path) -> None:
    signals = tmp_path / "signals.csv"
    signals.write_text("member,toggles,account_age_days,days_since_last_record\nm0,3,1,1\nm1,0,9999,999\n")
    source = data(tmp_path / "data", members=2)
    told("plan", tmp_path / "model", "--data", source, "--shards", "1", "--slices", "100",
         "--score", "activity", "--signals", signals)  # fmt: skip
    buckets = json.loads((tmp_path / "model" / "plan.json").read_bytes())["generations"][0]
    assert sum(map(len, buckets)) == 2
    signals.write_text("member,toggles\nm0,many\n")
    refused = licet("plan", tmp_path / "other", "--data", source, "--signals", signals)
    assert "no table of signals" in refused.output


def test_the_simulation_prints_the_closed_form_and_draws_a_chart(tmp_path: Path) -> None:
    chart = tmp_path / "cost.svg"
    done = licet("plan", "--simulate", "--trials", "3", "--members", "1000", "--chart", chart)
    assert done.exit_code == 0, done.output
    assert "0.88%" in done.output
    assert chart.read_bytes().startswith(b"<?xml")


def test_the_simulation_of_a_few_members_goes_as_far_as_all_of_them() -> None:
    done = licet("plan", "--simulate", "--trials", "2", "--members", "10", as_json=True)
    assert [row["members who leave"] for row in json.loads(done.output)] == [1, 10]
    assert "nothing is simulated" in licet("plan", "--simulate", "--shards", "0").output


@pytest.mark.parametrize("option", ["--shards", "--leavers", "--records"])
def test_an_audit_of_nothing_is_refused(story: Path, option: str) -> None:
    refused = licet("audit", "--data", story / "data", option, "0")
    assert refused.exit_code == 2
    assert f"'{option}'" in refused.output


def test_a_plan_keeps_its_size(story: Path) -> None:
    source = story / "data"
    refused = licet("plan", story / "model", "--data", source, "--shards", "3")
    assert "2 shards of 2 slices for its life" in refused.output
    assert licet("plan", story / "model", "--data", source, "--shards", "2").exit_code == 0
    assert "divide nothing" in licet("plan", story / "new", "--data", source, "--shards", "0").output


def test_a_model_by_shards_is_not_copied_out(story: Path) -> None:
    refused = licet("publish", story / "model", story / "copy.safetensors")
    assert refused.exit_code == 1
    assert "open_model" in refused.output


@pytest.mark.parametrize("setting", ["rate", "=1"])
def test_a_setting_without_a_value_is_refused(story: Path, setting: str) -> None:
    refused = licet("fit", story / "model", "--data", story / "data", "--learner", "sklearn-head", "--set", setting)
    assert "is no setting" in refused.output
