"""Files that are replaced atomically and verified when they are read.

One of them is the commit marker beside a catalog. SQLite ignores the unreadable end of a
write-ahead log and silently returns an older generation. The marker is written after each commit,
so a catalog that is behind its marker has lost commits.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ingest.errors import IndexDamagedError
from ingest.index.records import State

MARKER = "committed"


@dataclass(frozen=True, slots=True)
class CommitMarker:
    """A generation that was committed to the catalog with this ``index_id``.

    ``added`` counts its documents from ``add_documents``, which can't be recovered from files.
    """

    index_id: str
    generation: int
    added: int = 0

    @classmethod
    def of(cls, state: State) -> CommitMarker:
        """Return the marker of a committed state."""
        return cls(state.index_id, state.generation, state.added)

    def check(self, state: State) -> None:
        """Raise IndexDamagedError if the state is of another index or of an older generation."""
        if state.index_id != self.index_id:
            raise IndexDamagedError("the catalog belongs to another index")
        if state.generation < self.generation:
            raise IndexDamagedError(
                f"generation {self.generation} was committed to the catalog, but it ends with "
                f"generation {state.generation}"
            )


def has_marker(version: Path) -> bool:
    """Return whether a version is complete: its marker is the last file to be written."""
    return (version / MARKER).exists()


def read_marker(version: Path) -> CommitMarker:
    """Return the marker of a version.

    Raises:
        IndexDamagedError: If it is missing, fails its checksum, or is of another version.
    """
    try:
        content, _, digest = (version / MARKER).read_bytes().rpartition(b" ")
    except FileNotFoundError:
        content, digest = b"", b""
    if _marker_digest(version, content) != digest:
        raise IndexDamagedError(f"the file {version.name}/{MARKER} is missing or damaged")
    index_id, generation, added = content.decode().split(" ")
    return CommitMarker(index_id, int(generation), int(added))


def write_marker(version: Path, marker: CommitMarker) -> None:
    """Replace the marker of a version, durably."""
    content = f"{marker.index_id} {marker.generation} {marker.added}".encode()
    write_bytes(version / MARKER, content + b" " + _marker_digest(version, content))


def _marker_digest(version: Path, content: bytes) -> bytes:
    return xxhash.xxh3_64_hexdigest(version.name.encode() + b" " + content).encode()


_DIGEST_BYTES = 16
_LENGTH_BYTES = 8
_ALIGNMENT = 8

Buffer = bytes | memoryview


def write_bytes(path: Path, *parts: Buffer) -> None:
    """Replace ``path`` by ``parts`` atomically and durably: write, fsync, rename, fsync the folder.

    Raises:
        OSError: If writing fails; the old file is unchanged and no temporary file is left.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make renames and new files in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_arrays(path: Path, label: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write a digest of ``label`` and the content, a header, and the arrays of any shape.

    The arrays are not copied, because those of a large index take up much of the memory.
    """
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = json.dumps([[name, a.dtype.str, a.shape] for name, a in plain.items()]).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    parts: list[Buffer] = [len(header).to_bytes(_LENGTH_BYTES, "little"), header]
    for array in plain.values():
        parts += [array.reshape(-1).view(np.uint8).data, bytes(-array.nbytes % _ALIGNMENT)]
    write_bytes(path, _digest(label, parts), *parts)


def read_arrays(path: Path, label: str) -> dict[str, NDArray[Any]]:
    """Return the arrays that :func:`write_arrays` wrote under the same label.

    They share one buffer, so keeping one in memory keeps them all.

    Raises:
        IndexDamagedError: If the file fails its checksum or was written under another label.
    """
    content = np.fromfile(path, np.uint8)
    payload = content[_DIGEST_BYTES:]
    if _digest(label, [payload.data]) != content[:_DIGEST_BYTES].tobytes():
        raise IndexDamagedError(f"{path.name} is damaged")
    start = _LENGTH_BYTES + int.from_bytes(payload[:_LENGTH_BYTES].tobytes(), "little")
    arrays = {}
    for name, dtype, shape in json.loads(payload[_LENGTH_BYTES:start].tobytes()):
        end = start + math.prod(shape) * np.dtype(dtype).itemsize
        arrays[name] = payload[start:end].view(dtype).reshape(shape)
        start = end + -end % _ALIGNMENT
    return arrays


def _digest(label: str, parts: Iterable[Buffer]) -> bytes:
    digest = xxhash.xxh3_128(label.encode())
    for part in parts:
        digest.update(part)
    return digest.digest()
