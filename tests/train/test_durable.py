"""Files are whole, replaced at one moment, and for their owner alone."""

from pathlib import Path

from licet.train.durable import FRESH, write_durably


def test_nobody_else_reads_what_members_wrote_not_even_after_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    draft = tmp_path / f"rows{FRESH}"
    draft.write_bytes(b"half")
    draft.chmod(0o644)
    write_durably(path, b"whole")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"whole", 0o600)
    assert not draft.exists()


def test_a_copy_for_others_may_be_read_by_them(tmp_path: Path) -> None:
    write_durably(tmp_path / "copy", b"model", 0o644)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o644
