"""The folder of a chain: terms, manifests, a checkpoint per slice, and which checkpoints are served."""

import contextlib
import fcntl
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from licet.model.errors import InputError, NotFound
from licet.protocol.attestation import Value, canonical
from licet.train.chain_manifest import Manifest, manifest_bytes, read_manifest
from licet.train.durable import FRESH, held, locked, remove_durably, write_durably
from licet.train.plan import Plan, Slice, plan_bytes, read_plan

KEY: Final = 32
"""Bytes of a plan's key."""


@dataclass(frozen=True, slots=True)
class ChainStore:
    """A folder on a recipient's machine; everything in it is written whole or not at all, and is member data."""

    folder: Path

    def key(self) -> bytes:
        """Give the plan's key.

        Raises:
            NotFound: there is none.
        """
        try:
            return bytes.fromhex((self.folder / "plan.key").read_text("ascii"))
        except FileNotFoundError as error:
            raise NotFound(f"`{self.folder}` holds no plan", "make one: licet train plan") from error

    def make_key(self) -> bytes:
        """Draw a plan's key, readable by its owner alone; an existing one stays."""
        with contextlib.suppress(NotFound):
            return self.key()
        key = secrets.token_bytes(KEY)
        self.keep_key(key)
        return key

    def keep_key(self, key: bytes) -> None:
        """Keep a plan's key, readable by its owner alone."""
        write_durably(self.folder / "plan.key", key.hex().encode())

    def plan(self) -> Plan:
        """Give the plan.

        Raises:
            NotFound: there is none.
        """
        try:
            return read_plan((self.folder / "plan.json").read_bytes())
        except FileNotFoundError as error:
            raise NotFound(f"`{self.folder}` holds no plan", "make one: licet train plan") from error

    def plan_digest(self) -> str:
        """Give the SHA-256 of the plan, in hexadecimal: that of its file, which is canonical."""
        return file_digest(self.folder / "plan.json")

    def keep_plan(self, plan: Plan) -> None:
        """Replace the plan."""
        write_durably(self.folder / "plan.json", plan_bytes(plan))

    def manifest(self, shard: int) -> Manifest:
        """Give a shard's manifest; an empty one where nothing is frozen."""
        try:
            return read_manifest((self.folder / "manifest" / f"{shard}.json").read_bytes())
        except FileNotFoundError:
            return Manifest(generations=0, slices={})

    def keep_manifest(self, shard: int, manifest: Manifest) -> None:
        """Replace a shard's manifest."""
        path = self.folder / "manifest" / f"{shard}.json"
        written = manifest_bytes(manifest)
        if not path.exists() or path.read_bytes() != written:
            write_durably(path, written)

    def note(self, name: str) -> dict[str, Any]:
        """Read a JSON note: `terms`, `served`, `waiting`, `forgetting`; empty where there is none.

        Raises:
            InputError: it is damaged.
        """
        try:
            said: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise InputError(f"`{name}.json` is damaged", "restore it, or begin a new store") from error
        return said

    def keep_note(self, name: str, value: Mapping[str, Value]) -> None:
        """Replace a JSON note at once: readers see the old one or the new one."""
        write_durably(self.folder / f"{name}.json", canonical(dict(value)))

    def drop_note(self, name: str) -> None:
        """Remove a JSON note."""
        remove_durably(self.folder / f"{name}.json")

    def checkpoint(self, shard: int, place: Slice, key: str) -> Path:
        """Give where a checkpoint lies: its name is the hash of all that it saw."""
        return self.folder / "ckpt" / str(shard) / f"{place.generation}-{place.bucket}.{key}.safetensors"

    def checkpoints(self, shard: int | None = None) -> list[Path]:
        """List every file among the checkpoints, or those of one shard, half-written ones too, in order."""
        folder = "*" if shard is None else str(shard)
        return sorted(path for path in (self.folder / "ckpt").glob(f"{folder}/*") if path.is_file())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for one run.

        Raises:
            Unavailable: another run holds it, or a worker of one that was killed has not ended yet.
        """
        with held(self.folder):
            with locked(self.folder / "workers.lock", fcntl.LOCK_EX):
                pass  # workers of a run that was killed have ended; ours may begin
            self._sweep()
            yield

    def _sweep(self) -> None:
        # They may have seen whoever leaves now; drafts of checkpoints stay until a forgetting has listed them.
        for folder in self.folder.glob(".oracle-*"):
            shutil.rmtree(folder)
        for draft in (*self.folder.glob(f"*{FRESH}"), *self.folder.glob(f"manifest/*{FRESH}")):
            remove_durably(draft)


@contextlib.contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Hold a store as one of its workers, so that no later run begins while this one might still write."""
    with locked(folder / "workers.lock", fcntl.LOCK_SH):
        yield


def file_digest(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
