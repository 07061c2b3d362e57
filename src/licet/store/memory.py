"""Ask the database nothing twice while nothing is committed: what was read at one moment is true until the next.

A moment is told by SQLite's `data_version` of a connection that never writes, or by PostgreSQL's current snapshot;
both change with every commit, whoever made it, so nothing is ever believed that is no longer so.
"""

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Engine

from licet.store.database import reading

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPICursor

MOST: Final = 10_000
"""Answers that are remembered at one moment, at most."""
_MOMENT: Final = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT pg_current_snapshot()::text"}

Answer = TypeVar("Answer")


class Memory:
    """What the database answered at its current moment."""

    def __init__(self, database: Engine) -> None:
        """Remember answers of a database."""
        self._database = database
        self._lock = threading.Lock()
        self._watch: Connection | None = None
        self._cursor: DBAPICursor | None = None
        self._moment: object = None
        self._known: dict[Hashable, Any] = {}

    @property
    def is_local(self) -> bool:
        """Tell whether asking waits for no network."""
        return self._database.dialect.name == "sqlite"

    def ask(self, key: Hashable, question: Callable[[Connection], Answer]) -> Answer:
        """Give the answer to a question, which `key` names; an answer of None is asked for again."""
        with self._lock:
            moment = self._now()
            if moment != self._moment or len(self._known) >= MOST:
                self._known.clear()
                self._moment = moment
            found: Answer | None = self._known.get(key)
            if found is not None:
                return found
            answer = self._read(question)
            if answer is not None:
                self._known[key] = answer
            return answer

    def close(self) -> None:
        """Hang up; a later question connects anew."""
        with self._lock:
            self._forget()

    def _now(self) -> object:
        try:
            return self._look()
        except Exception:  # noqa: BLE001 # a connection may have died since; a second failure is the caller's
            self._forget()
            return self._look()

    def _look(self) -> object:
        if self._watch is None or self._cursor is None:
            self._watch = self._connect()
            self._cursor = self._watch.connection.cursor()
        self._cursor.execute(_MOMENT[self._database.dialect.name])
        return self._cursor.fetchone()

    def _connect(self) -> Connection:
        if not self.is_local:
            return self._database.connect().execution_options(isolation_level="AUTOCOMMIT")
        watch = self._database.connect()
        watch.detach()  # so that whoever exhausts the pool keeps nobody from asking
        return watch

    def _read(self, question: Callable[[Connection], Answer]) -> Answer:
        if self.is_local and self._watch is not None:
            with self._watch.begin():
                return question(self._watch)
        with reading(self._database) as conn:
            return question(conn)

    def _forget(self) -> None:
        watch, self._watch, self._cursor, self._moment = self._watch, None, None, None
        self._known.clear()
        if watch is not None:
            watch.close()
