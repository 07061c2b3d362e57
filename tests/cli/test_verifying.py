"""`licet verify` and `licet log`: as a member and an auditor use them, with no house of their own."""

import json
import pathlib
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from licet.cli.main import main
from licet.model.members import Choice, MemberId, SettingChange
from licet.server.pages.receipts import receipt_of
from licet.store.chosen import chosen_at
from licet.store.database import reading, transaction
from licet.store.facts import record_settings
from licet.store.house import House, open_house
from licet.store.leaves import note
from licet.store.log_proofs import recall_proofs, setting_proof
from licet.store.publication import publish

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def call(home: pathlib.Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments])


def run(home: pathlib.Path, *arguments: str) -> str:
    result = call(home, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A home whose log has two members' choices."""
    home = tmp_path / "home"
    house = open_house(home)
    with transaction(house.database) as conn:
        changes = [
            SettingChange(member_id=MemberId(name), purpose="third_party_training", choice=Choice.DENY)
            for name in ("x:ada", "x:bob")
        ]
        record_settings(conn, changes, NOW)
    house.database.dispose()
    run(home, "log", "create", "data.example/log")
    run(home, "log", "publish")
    return home


def receipt(house: House, member_id: str, seq: int) -> dict[str, object]:
    with reading(house.database) as conn:
        made = chosen_at(conn, member_id, seq)
        assert made
        proof = setting_proof(conn, house.log, member_id, seq)
    return receipt_of(member_id, made, [], None, {}, proof)


@pytest.fixture
def kept(home: pathlib.Path, tmp_path: pathlib.Path) -> tuple[pathlib.Path, str]:
    """What a member has: a receipt, and the log's key; the house is gone."""
    house = open_house(home)
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt(house, "x:ada", 1)))
    house.database.dispose()
    return file, run(home, "log", "key").strip()


def test_a_receipt_is_true_for_whoever_has_the_key(tmp_path: pathlib.Path, kept: tuple[pathlib.Path, str]) -> None:
    file, key = kept
    nowhere = tmp_path / "nowhere"
    said = run(nowhere, "verify", str(file), "--key", key)
    assert said.startswith("true: `deny` to third_party_training, chosen at 2025-03-01T12:00:00.000000Z, number 1")
    assert not nowhere.exists()
    found = json.loads(run(nowhere, "--json", "verify", str(file), "--key", key))
    assert (found["true"], found["member_id"], found["origin"]) == (True, "x:ada", "data.example/log")


def test_what_the_log_does_not_hold_is_told_and_not_called_true(
    tmp_path: pathlib.Path, kept: tuple[pathlib.Path, str]
) -> None:
    file, key = kept
    said = json.loads(file.read_text())
    said["processing"]["purposes"][0]["words"] = "We never share anything."
    said["event"]["note"] = "added later"
    file.write_text(json.dumps(said))
    lines = run(tmp_path, "verify", str(file), "--key", key).splitlines()
    assert lines[1] == "by x:ada, through member"
    assert lines[-1].startswith("not checked, for the log does not hold it: schema_version, ")
    assert "processing.purposes.words" in lines[-1]
    assert "event.note" in lines[-1]
    assert "event_time" not in lines[-1]
    found = json.loads(run(tmp_path, "--json", "verify", str(file), "--key", key))
    assert "processing.purposes.words" in found["not_checked"]


def test_the_proof_alone_is_enough(tmp_path: pathlib.Path, kept: tuple[pathlib.Path, str]) -> None:
    file, key = kept
    proof = tmp_path / "receipt.tlog-proof"
    proof.write_text(json.loads(file.read_text())["log_proof"])
    assert run(tmp_path, "verify", str(proof), "--key", key).startswith("true")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (('"event_state": "deny"', '"event_state": "allow"'), "states another choice than the log"),
        (("x:ada", "x:eve"), "states another choice than the log"),
        (('"order": 1', '"order": 2'), "states another choice than the log"),
        (('"log_proof": "', '"log_proof": "", "was": "'), "has no proof"),
        (("index 0", "index 1"), "does not bind"),
        (("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v9"), "no proof from a log"),
        (("pii_principal_id", "principal"), "this is no receipt"),
        (('"order": 1', '"order": true'), "states another choice than the log"),
        (('"order": 1', '"order": 1, "order": 1'), "this is no receipt"),
        (('"receipt_id": "1"', '"receipt_id": "2"'), "states another choice than the log"),
        (("2025-03-01T12", "2025-03-02T12"), "states another choice than the log"),
        (("OptingOutFromProcess", "OptingInToProcess"), "states another choice than the log"),
        (('"recipient_third_parties": []', '"recipient_third_parties": ["Acme"]'), "states another choice"),
        (('"purposes": [', '"purposes": [{"purpose": "first_party_training"}, '), "this is no receipt"),
        (("\\u2014 data", "\\ud800 data"), "a line of signature is malformed"),
    ],
)
def test_a_receipt_that_was_changed_is_refused(
    tmp_path: pathlib.Path, kept: tuple[pathlib.Path, str], change: tuple[str, str], what: str
) -> None:
    file, key = kept
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change))
    refused = call(tmp_path, "verify", str(file), "--key", key)
    assert refused.exit_code == 1
    assert what in refused.stderr


@pytest.fixture
def taken_back(home: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """What a member downloads about a recall: proofs of two entries."""
    house = open_house(home)
    with transaction(house.database) as conn:
        for state in ("open", "closed\x1b[2J"):
            note(conn, "recall", 1, {"recall": "acme.9", "state": state}, "acme.9")
        note(conn, "recall", 1, {"recall": "acme.10", "state": "open"}, "acme.10")
    publish(house, NOW)
    file = tmp_path / "taken-back.json"
    with reading(house.database) as conn:
        file.write_text(json.dumps({"recall": "acme.9", "log_proofs": recall_proofs(conn, house.log, "acme.9")}))
    house.database.dispose()
    return file


def test_the_way_of_a_recall_is_true_for_whoever_has_the_key(home: pathlib.Path, taken_back: pathlib.Path) -> None:
    key = run(home, "log", "key").strip()
    said = run(home, "verify", str(taken_back), "--key", key).splitlines()
    assert said[0] == "true: entry 1 of 4: 1970-01-01T00:00:00.000001Z recall: recall acme.9, state open"
    assert "closed\\x1b[2J" in said[1]
    assert len(said) == 2
    found = json.loads(run(home, "--json", "verify", str(taken_back), "--key", key))
    assert [each["state"] for each in found["entries"]] == ["open", "closed\x1b[2J"]


def test_one_false_proof_spoils_the_way_of_a_recall(home: pathlib.Path, taken_back: pathlib.Path) -> None:
    first, second = json.loads(taken_back.read_text())["log_proofs"]
    extra = first.splitlines()[1]
    proofs = [first, second.replace(second.splitlines()[1], extra)]
    taken_back.write_text(json.dumps({"recall": "acme.9", "log_proofs": proofs}))
    refused = call(home, "verify", str(taken_back), "--key", run(home, "log", "key").strip())
    assert (refused.exit_code, "does not bind" in refused.stderr, refused.stdout) == (1, True, "")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"recall": "acme.10"}, "about another recall"),
        ({"log_proofs": []}, "and nothing else"),
        ({"log_proofs": [1]}, "and nothing else"),
        ({"pii_principal_id": "x:ada", "event": {"event_state": "deny"}}, "and nothing else"),
    ],
)
def test_true_entries_lend_no_truth_to_what_else_a_file_states(
    home: pathlib.Path, taken_back: pathlib.Path, change: dict[str, object], what: str
) -> None:
    taken_back.write_text(json.dumps(json.loads(taken_back.read_text()) | change))
    refused = call(home, "verify", str(taken_back), "--key", run(home, "log", "key").strip())
    assert (refused.exit_code, what in refused.stderr, refused.stdout) == (1, True, "")


def test_another_key_proves_nothing(tmp_path: pathlib.Path, kept: tuple[pathlib.Path, str]) -> None:
    other = tmp_path / "other"
    run(other, "log", "create", "data.example/log")
    refused = call(tmp_path, "verify", str(kept[0]), "--key", run(other, "log", "key").strip())
    assert refused.exit_code == 1
    assert "no key that you trust" in refused.stderr


def test_after_the_members_key_is_destroyed_the_kept_receipt_still_proves(
    home: pathlib.Path, kept: tuple[pathlib.Path, str]
) -> None:
    assert "destroyed" in run(home, "log", "unlink", "x:ada")
    assert call(home, "log", "unlink", "x:ada").exit_code == 1
    assert run(home, "verify", str(kept[0]), "--key", kept[1]).startswith("true")
