"""Uploads are read by one rule wherever they are read, and within bounds."""

import pathlib
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from licet.model.errors import InputError
from licet.protocol.compliance import JobType, is_id, pseudonyms_of
from licet.store import compliance_results

digits = st.text("0123456789", min_size=1, max_size=41)
texts = st.one_of(
    digits, st.text("0123456789abcdefABCDEF", min_size=30, max_size=34), st.text("019aAx -\x00é", max_size=5)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts, max_size=20))
@example(["0" * 32, "12345678901234567890123456789012", str(2**128), str(2**128 - 1), "", "  7  "])
def test_sql_reads_ids_as_python_does(house, tmp_path, lines) -> None:
    upload = tmp_path / "ids"
    upload.write_bytes("\n".join(lines).encode())
    trimmed = [line.strip() for line in "\n".join(lines).split("\n")]
    wrong = [n for n, line in enumerate(trimmed, 1) if line and not is_id(line)]
    with house.engine.session() as session:
        if wrong:
            with pytest.raises(InputError, match=rf"line {wrong[0]} of|one id a line"):
                compliance_results._load(session, upload, lambda: None)
            return
        compliance_results._load(session, upload, lambda: None)
        found = set(session.execute("SELECT line, id FROM uploaded").fetchall())
    assert found == {(line, each) for line in trimmed if line for each in pseudonyms_of(line)}


def test_a_result_is_there_whole_or_not_at_all(house, tmp_path) -> None:
    upload, target = tmp_path / "ids", tmp_path / "found"
    upload.write_text("1\nnothing\n")
    with pytest.raises(InputError, match="line 2"):
        compliance_results.answer(house, "acme", JobType.TWEETS, upload, target, lambda: None)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("found")] == []
    upload.write_text("1\n")
    assert compliance_results.answer(house, "acme", JobType.TWEETS, upload, target, lambda: None) == 0
    assert target.read_bytes() == b""


def test_whoever_stops_is_obeyed(house, tmp_path) -> None:
    class Enough(Exception):  # no error
        pass

    def stop() -> None:
        raise Enough

    upload = tmp_path / "ids"
    upload.write_text("1\n")
    with pytest.raises(Enough):
        compliance_results.answer(house, "acme", JobType.TWEETS, upload, tmp_path / "found", stop)


LARGE = """
import pathlib, resource, sys
from licet.protocol.compliance import JobType
from licet.store import compliance_results
from licet.store.house import open_house

home = pathlib.Path(sys.argv[1])
house = open_house(home, memory_limit="64MB")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
upload = home / "ids"
with upload.open("w") as target:
    for n in range(int(sys.argv[2])):
        target.write(f"{n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}\\n")
compliance_results.answer(house, "acme", JobType.TWEETS, upload, home / "found", lambda: None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
house.database.dispose()
"""


def test_an_upload_larger_than_the_memory_it_may_take_is_read(tmp_path: pathlib.Path) -> None:
    """DuckDB may hold 64 MB; a Python set of the ids would need 200."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path / "home"), "1500000"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 220 * 1024
