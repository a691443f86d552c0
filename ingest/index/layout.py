"""Where the parts of an index are, and who may write.

index/
├── lock            held by the one writer; the system frees it when its process ends
├── CURRENT         the name of the version in use; replaced in one rename
└── v1/             a version
    ├── catalog.sqlite
    └── base-7.bin  derived from the catalog at generation 7
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ingest.errors import IndexBusyError, IndexDamagedError
from ingest.index.files import write_bytes

CATALOG = "catalog.sqlite"
LOCK_TIMEOUT = 10.0
_POINTER = "CURRENT"
_VERSION = re.compile(r"v([1-9][0-9]*)")


@contextmanager
def write_lock(index: Path) -> Iterator[None]:
    """Be the one writer of an index, and clear what a killed writer left.

    Raises:
        IndexBusyError: If another process is still writing after ``LOCK_TIMEOUT`` seconds.
    """
    index.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(index / "lock", timeout=LOCK_TIMEOUT):
            _remove_leftovers(index)
            yield
    except Timeout as error:
        raise IndexBusyError(
            f"another process is writing to the index {index}: try again when it is done"
        ) from error


def current_version(index: Path) -> Path | None:
    """Return the folder of the version in use, or None if there is no index.

    Raises:
        IndexDamagedError: If the pointer names no version.
    """
    try:
        name = (index / _POINTER).read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    if not _VERSION.fullmatch(name) or not (index / name / CATALOG).is_file():
        raise IndexDamagedError(f"the index {index} points to a version that is not there")
    return index / name


def new_version(index: Path) -> Path:
    """Make the folder of the next version; it is not in use until :func:`switch_to`."""
    numbers = [
        int(match[1]) for path in index.iterdir() if (match := _VERSION.fullmatch(path.name))
    ]
    version = index / f"v{max(numbers, default=0) + 1}"
    version.mkdir()
    return version


def switch_to(version: Path) -> None:
    """Put a version in use, in one rename."""
    write_bytes(version.parent / _POINTER, version.name.encode("ascii"))


def _remove_leftovers(index: Path) -> None:
    """Remove temporary files, and versions that were never or are no longer in use."""
    for temporary in index.rglob("*.tmp"):
        temporary.unlink(missing_ok=True)
    try:
        current = current_version(index)
    except IndexDamagedError:
        return
    for path in index.iterdir():
        if _VERSION.fullmatch(path.name) and path != current:
            shutil.rmtree(path)
