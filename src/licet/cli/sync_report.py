"""What `licet sync` tells: lines for people, values for scripts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from licet.cli.sync_check import Checked
from licet.cli.sync_table import Followed
from licet.cli.terminal import counted
from licet.protocol.reading import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What could not be followed, and what to do about it."""

    name: str
    said: str
    remedy: str

    def __str__(self) -> str:
        """Give one line."""
        told = f"{self.name}: {self.said}"
        return f"{told}; {self.remedy}" if self.remedy else told


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A recall that is owed, and what is, or would be, stated about it."""

    recall_id: str
    due: str
    rows: int
    statement: Mapping[str, Any]
    lacking: tuple[str, ...]
    """Tables that the recall concerns and that are not known to be clean."""
    sent: bool = False
    refused: str = ""
    """Why the server does not take the statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of one run."""

    followed: tuple[Followed, ...]
    problems: tuple[Problem, ...]
    stated: tuple[Stated, ...]
    no_longer_shared: tuple[str, ...]
    unmatched: tuple[str, ...]
    """Registered patterns that no file matches."""

    @property
    def is_good(self) -> bool:
        """Tell whether everything was followed."""
        return not (
            self.problems or any(each.refused for each in self.followed) or any(each.refused for each in self.stated)
        )


def value(report: Report) -> dict[str, Any]:
    """Give a report for scripts."""
    return {
        "tables": [_table(each) for each in report.followed],
        "recalls": [asdict(each) for each in report.stated],
        "problems": [asdict(each) for each in report.problems],
        "no_longer_shared": list(report.no_longer_shared),
        "unmatched": list(report.unmatched),
    }


def _table(each: Followed) -> dict[str, Any]:
    return {
        **asdict(each.name),
        "version": each.copy.version,
        "cleared": each.copy.followed,
        "rows": each.copy.rows,
        "files": len(each.copy.files),
        "moved": each.moved,
        "fetched": each.fetched,
        "bytes": each.bytes,
        "dropped": each.dropped,
        "removed_at_once": asdict(each.scrubbed),
        "removed_from_derived": asdict(each.derived),
        "refused": each.refused,
    }


def lines(report: Report) -> list[str]:
    """Give a report for people."""
    told = [_line(each) for each in report.followed]
    told += [line for each in report.stated for line in _owed(each)]
    told += [f"{path} is no longer shared: delete it" for path in report.no_longer_shared]
    return told + [f"no file matches {pattern}" for pattern in report.unmatched]


def _line(each: Followed) -> str:
    copy = each.copy
    parts = [f"{plain(str(each.name))}: version {copy.version}, {copy.rows:,} rows in {_files(len(copy.files))}"]
    if each.refused:
        parts.append(f"REFUSED ({each.refused}); what left up to version {copy.followed} is out of it")
    if not each.moved:
        parts.append("up to date")
    if each.fetched:
        parts.append(f"{_files(each.fetched)} fetched ({each.bytes:,} bytes)")
    if each.dropped:
        parts.append(f"{each.dropped:,} dropped")
    if each.scrubbed:
        parts.append(f"{each.scrubbed.rows:,} rows taken out at once")
    if each.derived:
        parts.append(f"{each.derived.rows:,} rows and {each.derived.links:,} links taken out of derived files")
    return "; ".join(parts)


def _files(count: int) -> str:
    return f"{count:,} file" + ("" if count == 1 else "s")


def _owed(each: Stated) -> list[str]:
    told = f"recall {plain(each.recall_id)}, due {plain(each.due)}: {each.rows:,} rows"
    if each.sent:
        return [f"{told}; attested"]
    if each.refused:
        return [f"{told}; the attestation is REFUSED: {each.refused}"]
    if each.lacking:
        return [f"{told}; not attested: {', '.join(each.lacking)} is not known to be clean here"]
    said = json.dumps(each.statement, sort_keys=True)
    return [f"{told}; carried out here. With --key this would be attested:", f"  {said}"]


def checked_value(found: Sequence[Checked], gone: Sequence[str], problems: Sequence[Problem]) -> dict[str, Any]:
    """Give what a check found for scripts."""
    tables = [
        {
            **asdict(each.name),
            **{name: said for name, said in asdict(each).items() if name not in {"name", "comparison"}},
            **asdict(each.comparison),
            "equal": each.comparison.is_equal,
            "good": each.is_good,
        }
        for each in found
    ]
    good = not gone and not problems and all(each.is_good for each in found)
    told = [asdict(each) for each in problems]
    return {"tables": tables, "no_longer_shared": list(gone), "problems": told, "good": good}


def checked_lines(found: Sequence[Checked], gone: Sequence[str], problems: Sequence[Problem]) -> list[str]:
    """Give what a check found for people."""
    told = [line for each in found for line in _checked(each)]
    told += [f"FAIL {each}" for each in problems]
    return told + [f"FAIL {path} is no longer shared: delete it" for path in gone]


def _checked(each: Checked) -> list[str]:
    name = plain(str(each.name))
    differs = each.comparison
    faults = [
        f"{counted(differs.behind, 'versions')} apart: run `licet sync`" if differs.behind else "",
        f"missing: {_files(len(differs.missing))}" if differs.missing else "",
        f"not the share's: {_files(len(differs.surplus))}" if differs.surplus else "",
        f"changed here: {_files(len(differs.differing))}; delete them, then run `licet sync`"
        if differs.differing
        else "",
        f"foreign files lie in the folder: {', '.join(each.strangers)}" if each.strangers else "",
        f"still there though they left: {counted(each.removed, 'rows')}" if each.removed else "",
        *(f"{counted(rows, 'rows')} that left, in {path}" for path, rows in each.derived.items()),
    ]
    wrong = [f"FAIL {name}: {fault}" for fault in faults if fault]
    whole = f"ok   {name}: version {each.version}, {each.rows:,} rows in {_files(each.files)} equal the share"
    return wrong or [f"{whole}; digests: {each.stated:,} stated by the server; none of {each.keys:,} removed keys"]
