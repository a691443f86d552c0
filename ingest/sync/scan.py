"""Find the files of a folder and read each one consistently."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ingest.errors import LoadError
from ingest.types import FileContent, FileSignature

_ATTEMPTS = 5  # chosen by hand
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
# A file may change again within the resolution of its file system's clock without a change of its
# times. FAT has the coarsest resolution, two seconds.
_CLOCK_RESOLUTION_NS = 2_000_000_000


def find_files(folder: Path, wanted: Callable[[str], bool], skip: Path) -> dict[str, FileSignature]:
    """Return the wanted files below ``folder`` by their POSIX path relative to it.

    Links, hidden files and folders, and the folder ``skip`` are left out. Bytes of a name that are
    not UTF-8 become �, so :func:`read_file` does not find that file and says why.
    """
    found: dict[str, FileSignature] = {}
    _walk(str(folder.resolve()), "", wanted, str(skip.resolve()), found)
    return found


def read_file(path: Path, limit: int) -> FileContent:
    """Return the content of a file, read again if it changes meanwhile.

    Raises:
        LoadError: If it has more than ``limit`` bytes, can't be read, or keeps changing.
    """
    try:
        for _ in range(_ATTEMPTS):
            found = _read_once(path, limit)
            if found:
                return found
    except OSError as error:
        if _UNREADABLE in str(path):
            raise LoadError("has a name that is not UTF-8: rename it") from error
        raise LoadError(f"could not be read: {error.strerror}") from error
    raise LoadError("changes while it is read")


def _walk(
    folder: str,
    prefix: str,
    wanted: Callable[[str], bool],
    skipped: str,
    found: dict[str, FileSignature],
) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = os.fsencode(entry.name).decode(errors="replace")
            if name.startswith((".", "~$")):
                continue
            with suppress(FileNotFoundError):  # deleted since it was listed
                if entry.is_dir(follow_symlinks=False):
                    if entry.path != skipped:
                        _walk(entry.path, f"{prefix}{name}/", wanted, skipped, found)
                elif wanted(name) and entry.is_file(follow_symlinks=False):
                    found[prefix + name] = _signature(entry.stat(follow_symlinks=False))


def _read_once(path: Path, limit: int) -> FileContent | None:
    """Return the content, or None if the file changed while it was read."""
    started = time.time_ns()
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        if before.st_size > limit:
            raise LoadError(
                f"has {before.st_size:,} bytes, the limit is {limit:,} (RAG_MAX_FILE_MB)"
            )
        content = file.read()
        after = _signature(os.fstat(file.fileno()))
    if _signature(before) != after or len(content) != after.size:
        return None
    settled = started - max(after.ctime_ns, after.mtime_ns) > _CLOCK_RESOLUTION_NS
    return FileContent(content, sha256(content).digest(), after if settled else None)


def _signature(stat: os.stat_result) -> FileSignature:
    return FileSignature(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
