"""The compiled network on disk, so that a process need not build it again.

A file is the weights of the graph, the compiled graph that points into them, and a trailer:
the compiled graph's size and a checksum of all before. Its name says what it was compiled for.
A file that is not exactly that is ignored; a folder that can't be written is done without.
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


def cache_file(kind: str, made_for: Sequence[str]) -> Path:
    """Return the path for what depends on ``made_for``, see :func:`cache_folder`."""
    key = xxhash.xxh3_128_hexdigest("\0".join(made_for).encode())
    return cache_folder() / f"{kind}-{key}.bin"


def cache_folder() -> Path:
    """Return ``RAG_COMPILE_CACHE`` or the user's cache."""
    return Path(os.environ.get("RAG_COMPILE_CACHE") or user_cache_path("rag-app"))


def read_compiled(path: Path) -> bytes | None:
    """Return the compiled graph of a whole and unaltered file, else None."""
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
    """Return whether the folder of the file exists, or could be made, and takes new files."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(path.parent, os.W_OK)


def write_compiled(path: Path, weights: bytes, compiled: bytes) -> None:
    """Write the file in one rename; leave nothing behind where that fails."""
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
