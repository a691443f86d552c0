"""The cache of compiled networks on disk, which saves a process from compiling its own.

A file holds the weights of the graph, the compiled graph that refers to them, and a trailer: the
size of the compiled graph and a checksum of everything before. Its name is a hash of what it was
compiled for. A damaged file is ignored; without a writable folder nothing is cached.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import xxhash
from platformdirs import user_cache_path

_CHECKSUM_BYTES = 16
_SIZE_BYTES = 8
_TRAILER_BYTES = _SIZE_BYTES + _CHECKSUM_BYTES


def cache_file(name: str, made_for: Sequence[str]) -> Path:
    """Return the path in :func:`cache_folder` of a network that depends on ``made_for``."""
    key = xxhash.xxh3_128_hexdigest("\0".join(made_for).encode())
    return cache_folder() / f"{name}-{key}.bin"


def cache_folder() -> Path:
    """Return the folder of compiled networks: ``RAG_COMPILE_CACHE``, else in the user's cache."""
    return Path(os.environ.get("RAG_COMPILE_CACHE") or user_cache_path("rag-app"))


def read_compiled(path: Path) -> bytes | None:
    """Return the compiled graph of a file; None if the file is missing or damaged."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if (
                xxhash.xxh3_128_digest(memoryview(data)[:-_CHECKSUM_BYTES])
                != data[-_CHECKSUM_BYTES:]
            ):
                return None
            size = int.from_bytes(data[-_TRAILER_BYTES:-_CHECKSUM_BYTES], "little")
            return data[-_TRAILER_BYTES - size : -_TRAILER_BYTES]
    except (OSError, ValueError):
        return None


def is_writable(path: Path) -> bool:
    """Return whether a file can be created here, after creating its folder if need be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(path.parent, os.W_OK)


def write_compiled(path: Path, weights: bytes, compiled: bytes) -> None:
    """Write the file and put it in place with one rename; on failure no file is left."""
    body = b"".join((weights, compiled, len(compiled).to_bytes(_SIZE_BYTES, "little")))
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            file.write(body)
            file.write(xxhash.xxh3_128_digest(body))
        temporary.replace(path)
    except OSError:
        if temporary:
            temporary.unlink(missing_ok=True)
