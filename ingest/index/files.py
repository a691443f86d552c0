"""Write a file so that a crash leaves the old one or the new one, and read it back checked."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ingest.errors import IndexDamagedError

_DIGEST_BYTES = 16
_LENGTH_BYTES = 8
_ALIGNMENT = 8

Buffer = bytes | memoryview


def write_bytes(path: Path, *parts: Buffer) -> None:
    """Replace ``path`` by ``parts`` in one durable step: write, fsync, rename, fsync the folder.

    Raises:
        OSError: If the disk refuses; the old file, if any, is untouched and no other file stays.
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
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_arrays(path: Path, label: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays one after the other, behind a digest of ``label`` and all, and a header.

    The arrays are not copied: those of a large index fill much of the memory.
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

    They share one buffer, so each of them keeps all of them in memory.

    Raises:
        IndexDamagedError: If the file is not what was written, or was written under another label.
    """
    content = np.fromfile(path, np.uint8)
    payload = content[_DIGEST_BYTES:]
    if _digest(label, [payload.data]) != content[:_DIGEST_BYTES].tobytes():
        raise IndexDamagedError(f"{path.name} is not what was written")
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
