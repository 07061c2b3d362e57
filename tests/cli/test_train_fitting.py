"""The trainer kit at the command line: fit, forget, verify, and what they refuse."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from encoded import LABELS, posts

from licet.cli.main import main
from licet.cli.training import NEEDED
from licet.protocol.certificate import read_certificate


def licet(*arguments: str | Path, as_json: bool = False) -> Result:
    return CliRunner().invoke(main, [*(["--json"] if as_json else []), "train", *map(str, arguments)])


def synced(root: Path, gone: str = "") -> Path:
    """A folder as `licet sync` keeps it, the posts of one member moved to the removals."""
    tables = {"posts": [], "removals": []}
    for each in posts():
        row = {"post_id": each.record, "author_id": each.member, "text": each.text, "mood": each.label}
        tables["removals" if each.member == gone else "posts"].append(row)
    for name, rows in tables.items():
        folder = root / "acme_1" / "licensed" / name
        folder.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(rows, schema=pa.schema([(n, "string") for n in posts_columns()]))
        if name == "removals":
            table = table.append_column("record_table", pa.array(["posts"] * len(rows), "string"))
        pq.write_table(table, folder / "licet-f1.parquet")
        (folder / "licet-stale.parquet").write_bytes(b"left over")
        files = [{"file_id": "f1", "size": 1, "rows": len(rows), "sha256": ""}]
        (folder / "_licet.json").write_text(json.dumps({"table_id": "t", "version": 1, "files": files}))
    return root


def posts_columns() -> list[str]:
    return ["post_id", "author_id", "text", "mood"]


@pytest.fixture
def fitted(tmp_path: Path) -> Path:
    done = licet("fit", tmp_path / "model", "--learner", "ridge-sketch", "--labels", ",".join(LABELS),
                 "--data", synced(tmp_path / "data"), "--columns", "label=mood")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "18 records of 6 members" in done.output
    return tmp_path


def test_a_recall_is_forgotten_and_whoever_holds_the_data_verifies_it(fitted: Path) -> None:
    synced(fitted / "data", gone="m3")
    done = licet("forget", fitted / "model", "--recall", "r_7", "--data", fitted / "data", as_json=True)
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert said["forgotten"] == 3
    path = Path(said["certificate"])
    signed = read_certificate(path.read_bytes())
    assert signed.recall == "r_7"
    (metric,) = signed.metrics
    assert "macro-recall" in metric.name
    assert metric.after == metric.oracle
    assert all(0 <= float(figure) <= 100 for figure in (metric.before, metric.after))
    columns = ("--columns", "label=mood")
    everything = licet("verify", path, "--data", fitted / "data", "--store", fitted / "model", *columns)
    assert everything.exit_code == 0, everything.output
    assert "NO" not in everything.output
    assert licet("verify", path, "--store", fitted / "model").exit_code == 0
    stranger = synced(fitted / "elsewhere")
    assert licet("verify", path, "--data", stranger, *columns).exit_code == 0
    again = licet("forget", fitted / "model", "--recall", "r_7", "--data", fitted / "data")
    assert "nothing to forget" in again.output


def test_whoever_knows_the_removed_keys_checks_that_they_and_no_others_were(fitted: Path) -> None:
    done = licet("forget", fitted / "model", "--member", "m3", as_json=True)
    path, keys = Path(json.loads(done.output)["certificate"]), fitted / "keys.parquet"
    removed = [{"author_id": "m3", "post_id": each.record} for each in posts() if each.member == "m3"]
    for known, said in ((removed, "none is left"), (removed[1:], "others than were certified")):
        pq.write_table(pa.Table.from_pylist(known), keys)
        checked = licet("verify", path, "--store", fitted / "model", "--removed", keys)
        assert (checked.exit_code, said in checked.output) == (0 if known is removed else 1, True)
    stays = [{"author_id": each.member, "post_id": each.record} for each in posts() if each.member == "m4"]
    pq.write_table(pa.Table.from_pylist(stays), keys)
    assert "3 are left" in licet("verify", path, "--store", fitted / "model", "--removed", keys).output


def test_a_certificate_that_does_not_fit_the_data_is_refused(fitted: Path) -> None:
    done = licet("forget", fitted / "model", "--member", "m1", "--record", "r2.0", as_json=True)
    path = Path(json.loads(done.output)["certificate"])
    other = synced(fitted / "data", gone="m4")
    refused = licet("verify", path, "--data", other, "--columns", "label=mood")
    assert refused.exit_code == 1
    assert "does not fit" in refused.output
    path.write_bytes(path.read_bytes().replace(b'"records":4', b'"records":3'))
    assert "signature" in licet("verify", path, "--store", fitted / "model").output


def test_a_language_model_needs_no_labels(tmp_path: Path) -> None:
    done = licet("fit", tmp_path / "model", "--learner", "ngram", "--data", synced(tmp_path / "data"))
    assert done.exit_code == 0, done.output
    assert "already" not in licet("forget", tmp_path / "model", "--member", "m0").output
    (path,) = (tmp_path / "model" / "certificates").glob("*.json")
    checked = licet("verify", path, "--data", tmp_path / "data", "--store", tmp_path / "model")
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--learner", "llm", "--data", "."), "is no learner"),
        (("--learner", "bayes"), "nothing to learn from"),
        (("--learner", "bayes", "--data", "."), "two or more labels"),
        (("--learner", "ngram", "--labels", "a,b", "--data", "."), "no labels"),
        (("--learner", "bayes", "--labels", "a,b", "--data", "."), "needs labels"),
        (("--learner", "bayes", "--labels", "a,b", "--data", ".", "--columns", "mood=x"), "no column of examples"),
        (("--learner", "bayes", "--labels", "a,b", "--data", ".", "--columns", "label=x"), "holds no Parquet files"),
    ],
)
def test_a_wrong_call_is_one_line_with_the_remedy(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    arguments = tuple(str(tmp_path) if each == "." else each for each in arguments)
    done = licet("fit", tmp_path / "model", *arguments)
    assert done.exit_code == 1
    assert said in done.output
    assert len(done.output.splitlines()) == 1


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("licet.cli.training.find_spec", lambda name: None if name == NEEDED[1] else name)
    done = licet("forget", ".")
    assert done.exit_code == 1
    assert "pip install 'licet[train]'" in done.output
    assert len(done.output.splitlines()) == 1
