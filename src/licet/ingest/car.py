"""CAR v1: blocks that are named by their hashes, read one at a time and believed only where the hash agrees."""

from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO, NamedTuple

import libipld

from licet.ingest.reasons import SetAside

LARGEST_BLOCK = 2 * 2**20
"""Bytes of a block; the protocol's own records and nodes stay below one mebibyte."""

_DAG_CBOR_SHA256 = b"\x01\x71\x12\x20"
_CID_LENGTH = 36
_LARGEST_HEADER = 4096
_CHUNK = 2**16
_VARINT_BITS = 63


class Block(NamedTuple):
    """A block and its name, which is its hash."""

    cid: bytes
    data: bytes


def root(stream: BinaryIO) -> bytes:
    """Read the header and give the first root.

    Raises:
        SetAside: this is no CAR v1, or it has no root.
    """
    size = _varint(stream)
    if not 0 < size <= _LARGEST_HEADER:
        raise SetAside("malformed_block")
    header = decode(_exactly(stream, size))
    roots = header.get("roots") if isinstance(header, dict) and header.get("version") == 1 else None
    if not isinstance(roots, list) or not roots or not isinstance(roots[0], bytes):
        raise SetAside("malformed_block")
    return roots[0]


def blocks(stream: BinaryIO) -> Iterator[Block | None]:
    """Give the blocks after the header, and None for each that is not what its name says, too large, or cut off."""
    while size := _varint(stream):
        if size > LARGEST_BLOCK + _CID_LENGTH:
            yield None
            if not _passed(stream, size):
                return
            continue
        section = _exactly(stream, max(size, 0))
        yield _genuine(section)
        if len(section) < max(size, 1):
            return


def _genuine(section: bytes) -> Block | None:
    cid, data = section[:_CID_LENGTH], section[_CID_LENGTH:]
    genuine = cid[:4] == _DAG_CBOR_SHA256 and sha256(data).digest() == cid[4:]
    return Block(cid, data) if genuine else None


def decode(data: bytes) -> object:
    """Decode DAG-CBOR.

    Raises:
        SetAside: it is malformed, or nested too deeply.
    """
    try:
        return libipld.decode_dag_cbor(data)
    except (ValueError, RecursionError) as error:
        raise SetAside("malformed_block") from error


def _varint(stream: BinaryIO) -> int:
    """Read a length; 0 at the end, -1 where there is none to be read."""
    value = shift = 0
    while shift < _VARINT_BITS:
        byte = stream.read(1)
        if not byte:
            return -1 if shift else 0
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:  # noqa: PLR2004 - the bit that says: more follows
            return value or -1
        shift += 7
    return -1


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes, fewer only at the end."""
    found = stream.read(size)
    while len(found) < size and (more := stream.read(size - len(found))):
        found += more
    return found


def _passed(stream: BinaryIO, size: int) -> bool:
    """Read past so many bytes in bounded memory; False where the stream ends before."""
    while size > 0:
        found = stream.read(min(size, _CHUNK))
        if not found:
            return False
        size -= len(found)
    return True
