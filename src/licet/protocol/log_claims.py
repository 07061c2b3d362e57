"""What the entries of a log say together, and where they contradict each other or a promise."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from licet.model.errors import InputError
from licet.protocol.attestation import Value
from licet.protocol.leaves import SETTINGS, read_entry

SHOWN: Final = 100
"""Contradictions that are told one by one; more are only counted."""
_NUMBERED: Final = ("facts", SETTINGS, "notice", "license")
_SETTLED: Final = ("attested", "closed")

Said = dict[str, Value]


@dataclass(slots=True)
class Claims:
    """What was read so far: entries by type, and what does not fit."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    contradictions: int = 0
    last: int = 0
    """The newest number of a fact."""
    _versions: dict[tuple[str, str], int] = field(default_factory=dict)
    _as_of: dict[tuple[str, str], int] = field(default_factory=dict)
    _recalls: dict[str, tuple[str, str]] = field(default_factory=dict)

    def take(self, place: int, entry: bytes) -> None:
        """Take the entry at a place into account."""
        try:
            said = read_entry(entry)
            kind = str(said["type"])
            self.counts[kind] += 1
            if kind in _NUMBERED:
                self._number(place, said)
            elif kind == "version":
                self._version(place, said)
            elif kind == "delivery":
                self._delivery(place, said)
            elif kind == "recall":
                self._recalls[str(said["recall"])] = (str(said["state"]), str(said["due"]))
        except (InputError, KeyError, TypeError, ValueError):
            self._contradict(place, "cannot be read")

    def overdue(self, now: str) -> list[str]:
        """Give recalls that were due before an instant, as entries write it, and are neither attested nor closed."""
        return [name for name, (state, due) in self._recalls.items() if state not in _SETTLED and due < now]

    def _number(self, place: int, said: Said) -> None:
        first, last = int(str(said.get("first", said.get("seq")))), int(str(said.get("last", said.get("seq"))))
        if first != self.last + 1 or last < first:
            self._contradict(place, f"numbers facts from {first} on, after {self.last}: some are missing or repeated")
        self.last = max(self.last, last)

    def _version(self, place: int, said: Said) -> None:
        table, version, as_of = _table(said), int(str(said["version"])), int(str(said["as_of_seq"]))
        if version <= self._versions.get(table, -1):
            self._contradict(place, f"states version {version} of `{'/'.join(table)}` again or too late")
        if as_of > self.last:
            self._contradict(place, f"states a version as of {as_of}, before that fact was logged")
        if as_of < self._as_of.get(table, 0):
            self._contradict(place, f"takes `{'/'.join(table)}` back to how it was as of {as_of}")
        self._versions[table], self._as_of[table] = version, as_of

    def _delivery(self, place: int, said: Said) -> None:
        if int(str(said["version"])) > self._versions.get(_table(said), -1):
            self._contradict(place, "states a delivery of a version that was not logged before")

    def _contradict(self, place: int, what: str) -> None:
        self.contradictions += 1
        if len(self.wrong) < SHOWN:
            self.wrong.append(f"entry {place:,} {what}")


def _table(said: Said) -> tuple[str, str]:
    return str(said["license"]), str(said["table"])
