"""Write a file so that a crash leaves the old one or the new one, and read it back checked."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ingest.errors import IndexDamagedError

_DIGEST_BYTES = 16


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one durable step: write, fsync, rename, fsync the folder.

    Raises:
        OSError: If the disk refuses; the old file, if any, is untouched and no other file stays.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
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


def write_arrays(path: Path, label: str, arrays: dict[str, NDArray[np.generic]]) -> None:
    """Write arrays as safetensors behind a digest of ``label`` and content."""
    payload = save(dict(arrays))
    write_bytes(path, _digest(label, payload) + payload)


def read_arrays(path: Path, label: str) -> dict[str, NDArray[np.generic]]:
    """Return the arrays that :func:`write_arrays` wrote under the same label.

    Raises:
        IndexDamagedError: If the file is not what was written, or was written under another label.
    """
    content = path.read_bytes()
    payload = content[_DIGEST_BYTES:]
    if _digest(label, payload) != content[:_DIGEST_BYTES]:
        raise IndexDamagedError(f"{path.name} is not what was written")
    try:
        return load(payload)
    except SafetensorError as error:
        raise IndexDamagedError(f"{path.name} is not what was written") from error


def _digest(label: str, payload: bytes) -> bytes:
    digest = xxhash.xxh3_128(label.encode())
    digest.update(payload)
    return digest.digest()
