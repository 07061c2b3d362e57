"""What the entries of a log say together, and where they contradict each other or a promise."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from licet.model.errors import InputError
from licet.model.recalls import State
from licet.protocol.attestation import Value
from licet.protocol.leaves import SETTINGS, read_entry

SHOWN: Final = 100
"""Contradictions that are told one by one; more are only counted."""
_NUMBERED: Final = ("facts", SETTINGS, "notice", "license")
_SETTLED: Final = ("attested", "closed")
_STATES: Final = tuple(str(each) for each in State)
_ACTIVE: Final = "active"
_KEYS: Final = "keys-"
"""What names of files of keys begin with."""

Said = dict[str, Value]


@dataclass(slots=True)
class Claims:
    """What was read so far: entries by type, what does not fit, and what an honest log may hold but one asks about."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    contradictions: int = 0
    last: int = 0
    """The newest number of a fact."""
    _versions: dict[tuple[str, str], int] = field(default_factory=dict)
    _as_of: dict[tuple[str, str], int] = field(default_factory=dict)
    _recalls: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    _licenses: dict[str, str] = field(default_factory=dict)

    def take(self, place: int, entry: bytes) -> None:
        """Take the entry at a place into account."""
        try:
            said = read_entry(entry)
            kind = _text(said, "type")
            self.counts[kind] += 1
            if kind in _NUMBERED:
                self._number(place, said)
            if kind == "license":
                self._licenses[_text(said, "license")] = _text(said, "state")
            elif kind == "version":
                self._version(place, said)
            elif kind == "delivery":
                self._delivery(place, said)
            elif kind == "recall":
                self._recall(place, said)
        except (InputError, KeyError, TypeError, ValueError):
            self._contradict(place, "cannot be read")

    def overdue(self, now: str) -> list[str]:
        """Give recalls that were due before an instant, as entries write it, and are neither attested nor closed."""
        return [name for name, (_, state, due) in self._recalls.items() if state not in _SETTLED and due < now]

    def _number(self, place: int, said: Said) -> None:
        alone = "seq" in said
        first, last = _whole(said, "seq" if alone else "first"), _whole(said, "seq" if alone else "last")
        if first != self.last + 1 or last < first:
            self._contradict(place, f"numbers facts from {first} on, after {self.last}: some are missing or repeated")
        self.last = max(self.last, last)

    def _version(self, place: int, said: Said) -> None:
        table, version, as_of = _table(said), _whole(said, "version"), _whole(said, "as_of_seq")
        if version <= self._versions.get(table, -1):
            self._contradict(place, f"states version {version} of `{'/'.join(table)}` again or too late")
        if as_of > self.last:
            self._contradict(place, f"states a version as of {as_of}, before that fact was logged")
        if as_of < self._as_of.get(table, 0):
            self._contradict(place, f"takes `{'/'.join(table)}` back to how it was as of {as_of}")
        self._versions[table], self._as_of[table] = version, as_of

    def _delivery(self, place: int, said: Said) -> None:
        if _whole(said, "version") > self._versions.get(_table(said), -1):
            self._contradict(place, "states a delivery of a version that was not logged before")
        state = self._licenses.get(_text(said, "license"), _ACTIVE)
        # Keys of rows that left are owed to a suspended recipient too.
        if state != _ACTIVE and not _text(said, "file").startswith(_KEYS) and len(self.remarks) < SHOWN:
            self.remarks.append(f"entry {place:,} states a delivery under `{said['license']}`, which was {state}")

    def _recall(self, place: int, said: Said) -> None:
        name, n, state, due = _text(said, "recall"), _whole(said, "n"), _text(said, "state"), _text(said, "due")
        before, was, _ = self._recalls.get(name, (0, _STATES[0], ""))
        if n != before + 1:
            self._contradict(place, f"states step {n} of recall {name} after step {before}")
        if _STATES.index(state) < _STATES.index(was):
            self._contradict(place, f"takes recall {name} back from {was} to {state}")
        self._recalls[name] = (n, state, due)

    def _contradict(self, place: int, what: str) -> None:
        self.contradictions += 1
        if len(self.wrong) < SHOWN:
            self.wrong.append(f"entry {place:,} {what}")


def _table(said: Said) -> tuple[str, str]:
    return _text(said, "license"), _text(said, "table")


def _whole(said: Said, name: str) -> int:
    value = said[name]
    if not isinstance(value, int) or value < 0:
        raise ValueError(name)
    return value


def _text(said: Said, name: str) -> str:
    """Give a text that may be shown: what an entry says must not steer the terminal of whoever audits it."""
    value = said[name]
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(name)
    return value
