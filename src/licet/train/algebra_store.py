"""Where a model by algebra is kept: immutable files named by their hash, and one small file that says which count.

`current.json` alone decides: putting a new one in its place switches statistics, model and rows at one moment.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load, save

from licet.model.errors import InputError, IntegrityError, NotFound
from licet.protocol.attestation import Value, canonical
from licet.train.algebra import Tensors
from licet.train.durable import FRESH, remove_durably, write_durably, write_object
from licet.train.rows import Row
from licet.train.totals import Totals, load_totals

KIND: Final = "licet.train.algebra.v1"
BUCKETS: Final = 64
"""Files over which rows are spread by member, so that forgetting one rewrites one."""
_SCHEMA: Final = pa.schema(
    [("member", pa.string()), ("record", pa.string()), ("label", pa.int32()), ("payload", pa.binary())]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What counts now; all hashes are SHA-256 in hexadecimal."""

    frozen: Mapping[str, Value]
    """The learner: constants, labels, digests of public parts."""
    statistics: str
    """Digest of the integers."""
    statistics_file: str
    model_file: str
    tensors: Mapping[str, str]
    """Hash of each tensor of the model."""
    row_files: Mapping[str, str]
    """By bucket."""
    rows: str
    """Digest of the set of records."""
    members: int
    records: int
    environment: Mapping[str, str]
    forgot: str = ""
    """The request that led here, if it was one to forget."""

    @property
    def files(self) -> frozenset[str]:
        """Give the names of all files that count."""
        return frozenset({self.statistics_file, self.model_file, *self.row_files.values()})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgebraStore:
    """A folder with one model."""

    root: Path

    @property
    def objects(self) -> Path:
        """Give the folder of immutable files."""
        return self.root / "objects"

    @property
    def pending(self) -> Path:
        """Give where a request lies while it is carried out."""
        return self.root / "pending.json"

    @property
    def certificates(self) -> Path:
        """Give the folder of certificates, numbered."""
        return self.root / "certificates"

    @property
    def public(self) -> Path:
        """Give the folder of public parts: tokenizer and base."""
        return self.root / "public"

    def exists(self) -> bool:
        """Tell whether there is a model."""
        return (self.root / "current.json").exists()

    def current(self) -> Current:
        """Read what counts now.

        Raises:
            NotFound: there is no model yet.
            InputError: the file is not one of ours.
        """
        try:
            said = json.loads((self.root / "current.json").read_bytes())
            if said.pop("kind") != KIND:
                raise InputError(f"`{self.root}` holds another kind of model", "name another folder")
            return Current(**said)
        except FileNotFoundError as error:
            raise NotFound(f"there is no model in `{self.root}`", "train one: licet train fit") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"`{self.root}/current.json` cannot be read", "fit the model again") from error

    def switch(self, current: Current) -> None:
        """Make other files count, at one moment."""
        said: dict[str, Any] = asdict(current)
        write_durably(self.root / "current.json", canonical({**said, "kind": KIND}))

    def totals(self, current: Current) -> Totals:
        """Read the statistics and check them against their digest.

        Raises:
            IntegrityError: they were changed.
        """
        found = load_totals(self._read(current.statistics_file))
        if found.digest() != current.statistics:
            raise IntegrityError("the statistics were changed on disk", "restore the store, or fit again")
        return found

    def model(self, current: Current) -> Tensors:
        """Read the model's tensors.

        Raises:
            IntegrityError: the file was changed.
        """
        try:
            return dict(load(self._read(current.model_file)))
        except SafetensorError as error:
            raise IntegrityError("the model's file cannot be read", "fit the model again") from error

    def rows(self, current: Current, buckets: Iterable[str] | None = None) -> list[Row]:
        """Read rows, of all buckets or of some, sorted by their keys."""
        names = sorted(current.row_files if buckets is None else {*buckets} & {*current.row_files})
        found = [row for bucket in names for row in self.read_bucket(current.row_files[bucket])]
        return sorted(found, key=lambda row: row.key)

    def keys(self, current: Current) -> list[tuple[str, str]]:
        """Give the (member, record) keys of all rows, sorted."""
        parts = [self._read(name) for name in current.row_files.values()]
        tables = [pq.read_table(io.BytesIO(part), columns=["member", "record"]) for part in parts]
        found = [zip(*(table[name].to_pylist() for name in table.column_names), strict=True) for table in tables]
        return sorted(key for keys in found for key in keys)

    def read_bucket(self, name: str) -> list[Row]:
        """Read the rows in one file."""
        return read_rows(self._read(name))

    def keep_rows(self, rows: Sequence[Row]) -> str:
        """Keep the rows of one bucket, in order, and give the file's name."""
        return write_object(self.objects, rows_body(rows), ".parquet")

    def keep_totals(self, totals: Totals) -> str:
        """Keep statistics and give the file's name."""
        return write_object(self.objects, totals.dump(), ".npz")

    def keep_model(self, tensors: Tensors) -> str:
        """Keep a model and give the file's name."""
        return write_object(self.objects, save(dict(tensors)), ".safetensors")

    def sweep(self, wanted: Iterable[str]) -> list[str]:
        """Delete every file that is not wanted and give the names of those that were there."""
        kept = frozenset(wanted)
        strays = [path for path in sorted(self.objects.glob("*")) if path.name not in kept]
        for path in strays:
            remove_durably(path)
        return [path.name for path in strays if not path.name.endswith(FRESH)]

    def _read(self, name: str) -> bytes:
        try:
            body = (self.objects / name).read_bytes()
        except OSError as error:
            raise IntegrityError(f"`{name}` is lost", "restore the store, or fit again") from error
        if hashlib.sha256(body).hexdigest() != name.partition(".")[0]:
            raise IntegrityError(f"`{name}` was changed on disk", "restore the store, or fit again")
        return body


def bucket_of(member: str) -> str:
    """Give the bucket in which all rows of a member lie."""
    return f"{hashlib.sha256(member.encode()).digest()[0] % BUCKETS:02}"


def rows_body(rows: Sequence[Row]) -> bytes:
    """Give rows as a Parquet file, byte for byte the same for equal rows."""
    ordered = sorted(rows, key=lambda row: row.key)
    columns = {name: [getattr(row, name) for row in ordered] for name in _SCHEMA.names}
    stream = io.BytesIO()
    pq.write_table(pa.table(columns, schema=_SCHEMA), stream, compression="zstd")
    return stream.getvalue()


def read_rows(body: bytes) -> list[Row]:
    """Read what `rows_body` wrote."""
    return [Row(**each) for each in pq.read_table(io.BytesIO(body)).to_pylist()]


def tensor_hashes(tensors: Tensors) -> dict[str, str]:
    """Give the SHA-256 of each tensor: its kind, shape and bytes."""
    return {
        name: hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()
        for name, array in sorted(tensors.items())
    }
