"""The layout of an index on disk, its versions and its write lock.

index/
├── lock            held by the one writer; freed by the system when its process ends
├── CURRENT         the name of the version in use; replaced with one rename
└── v1/             a version
    ├── catalog.sqlite
    ├── committed   the commit marker: a generation that the catalog has reached
    └── base-7.bin  derived from the catalog at generation 7
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import xxhash
from filelock import FileLock, Timeout

from ingest.errors import IndexBusyError, IndexDamagedError, StoreError, UsageError
from ingest.index.atomic_files import MARKER, fsync_folder, has_marker, write_bytes
from ingest.index.catalog import Catalog
from ingest.index.reader import FORMAT, SAME_DOCUMENTS
from ingest.index.records import State

CATALOG = "catalog.sqlite"
LOCK_TIMEOUT = 10.0  # seconds; chosen by hand
_POINTER = "CURRENT"
_VERSION = re.compile(r"v[1-9][0-9]*")
_POINTER_CONTENT = re.compile(rb"(v[1-9][0-9]*) (v[1-9][0-9]*)?")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST)


@contextmanager
def write_lock(index: Path) -> Iterator[None]:
    """Hold the write lock of an index; remove what this or a killed writer leaves behind.

    Raises:
        IndexBusyError: If another process is still writing after ``LOCK_TIMEOUT`` seconds.
        StoreError: If the disk is full or can't be written, or the index may only be read.
    """
    if path := find_unwritable(index):
        raise StoreError(f"the index {index} can't be written: {_refusal(path)}")
    try:
        index.mkdir(parents=True, exist_ok=True)
        with FileLock(index / "lock", timeout=LOCK_TIMEOUT):
            _remove_leftovers(index)
            try:
                yield
            except BaseException:
                with suppress(OSError, StoreError):
                    _remove_leftovers(index)
                raise
            _remove_leftovers(index)
    except Timeout as error:
        raise IndexBusyError(
            f"another process is writing to the index {index}: try again when it is done"
        ) from error
    except OSError as error:
        if error.errno not in _FULL + _REFUSED:
            raise
        remedy = "free some space" if error.errno in _FULL else "allow writing there"
        raise StoreError(
            f"the index {index} could not be written: {os.strerror(error.errno)}; nothing "
            f"half-written is kept: {remedy} and run 'rag index' again"
        ) from error


def find_unwritable(index: Path) -> Path | None:
    """Return a file or folder of the index that this process may not write to, if any."""
    paths = [index, index / "lock"]
    with suppress(IndexDamagedError, NotADirectoryError):
        if version := current_version(index):
            paths += [version, *(version / f"{CATALOG}{end}" for end in ("", "-wal", "-shm"))]
    present = [path for path in paths if path.exists()]
    present = present or [next(path for path in index.absolute().parents if path.exists())]
    return next((path for path in present if not _is_allowed(path, os.W_OK)), None)


def current_version(index: Path) -> Path | None:
    """Return the folder of the version in use, or None if there is no index.

    Raises:
        IndexDamagedError: If the pointer is damaged or names no version.
        StoreError: If this user may not read it.
    """
    try:
        versions = _read_pointer(index)
        if versions is None:
            return None
        version = index / versions[0]
        if not (version / CATALOG).is_file():
            raise IndexDamagedError(f"version {version.name} of the index {index} is not there")
        for path in (version / CATALOG, version / MARKER):
            if path.exists() and not _is_allowed(path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    except PermissionError as error:
        raise StoreError(
            f"the index {index} can't be read: this user may not open {error.filename}: let its "
            "owner allow that"
        ) from error
    return version


def holds_index(index: Path) -> bool:
    """Return whether the folder holds an index, complete or not."""
    return index.is_dir() and bool(_versions(index))


def new_version(index: Path) -> Path:
    """Create the folder of the next version; :func:`switch_to` puts it in use."""
    number = 1 + max((int(path.name[1:]) for path in _versions(index)), default=0)
    version = index / f"v{number}"
    version.mkdir()
    fsync_folder(index)
    return version


def switch_to(version: Path) -> None:
    """Put a version in use, with one rename; the previous one is kept for a rollback."""
    versions = _readable_pointer(version.parent)
    _write_pointer(version.parent, version.name, versions[0] if versions else "")


def find_leftovers(index: Path) -> list[Path]:
    """Return temporary files, and versions that are neither in use nor kept for a rollback."""
    kept = _readable_pointer(index)
    unused = [path for path in _versions(index) if kept and path.name not in kept]
    return [*index.rglob("*.tmp"), *unused]


def newest_version(index: Path) -> Path | None:
    """Return the version created last, readable or not."""
    return max(_versions(index), key=lambda path: int(path.name[1:]), default=None)


def read_state(version: Path, formats: Sequence[int] = (FORMAT,)) -> State:
    """Return the state row of a version.

    Raises:
        IndexDamagedError: If it is damaged.
        StoreError: If the catalog has another format.
    """
    with closing(Catalog(version / CATALOG)) as catalog, catalog.read(formats) as reader:
        return reader.state()


def roll_back(index: Path) -> Path:
    """Put the previous version back in use, and return it.

    Raises:
        UsageError: If there is no previous version.
    """
    current, previous = _read_pointer(index) or ("", "")
    if not previous or not (index / previous / CATALOG).is_file():
        raise UsageError(f"the index {index} has no earlier version to roll back to")
    _write_pointer(index, previous, current)
    return index / previous


def _is_allowed(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _refusal(path: Path) -> str:
    """Return why a file or folder can't be written, and what to do."""
    elsewhere = "or name another folder with --index"
    if hasattr(os, "statvfs") and os.statvfs(path).f_flag & os.ST_RDONLY:
        return (
            f"{path} is on a file system that is mounted read-only; nothing was changed: mount it "
            f"writable, {elsewhere}"
        )
    if path.stat().st_uid == os.geteuid():
        return f"{path} has no right to write; nothing was changed: add it with chmod, {elsewhere}"
    owner = _owner(path)
    return (
        f"{path} belongs to {owner} and this user may only read it; nothing was changed: let "
        f"{owner} do this or allow writing there, {elsewhere}"
    )


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, NotImplementedError):  # unknown to this system
        return f"user {path.stat().st_uid}"


def _read_pointer(index: Path) -> tuple[str, str] | None:
    """Return the names of the version in use and of the previous one, which may be empty."""
    try:
        content = (index / _POINTER).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    names, _, digest = content.rpartition(b" ")
    match = _POINTER_CONTENT.fullmatch(names)
    if match is None or xxhash.xxh3_64_hexdigest(names).encode() != digest:
        raise IndexDamagedError(f"the file {_POINTER} of the index {index} is damaged")
    return match[1].decode(), (match[2] or b"").decode()


def _readable_pointer(index: Path) -> tuple[str, str] | None:
    try:
        return _read_pointer(index)
    except IndexDamagedError:
        return None


def _write_pointer(index: Path, current: str, previous: str) -> None:
    names = f"{current} {previous}".encode("ascii")
    write_bytes(index / _POINTER, names + b" " + xxhash.xxh3_64_hexdigest(names).encode())


def _remove_leftovers(index: Path) -> None:
    """Remove what :func:`find_leftovers` returns, after restoring the pointer if need be."""
    for temporary in index.rglob("*.tmp"):
        temporary.unlink(missing_ok=True)
    kept = _readable_pointer(index) or _recover_pointer(index)
    for version in _versions(index):
        if version.name not in kept:
            shutil.rmtree(version)


def _recover_pointer(index: Path) -> tuple[str, ...]:
    """Point to the newest version that is not empty, and return the names of those to keep.

    If that one is damaged, no pointer is written: it may hold more than an older one.
    """
    versions = sorted(_versions(index), key=lambda path: int(path.name[1:]), reverse=True)
    generations = {version.name: _generation(version) for version in versions}
    newest = next((name for name, reached in generations.items() if reached != 0), None)
    if newest and generations[newest]:
        _write_pointer(index, newest, "")
        return (newest,)
    return tuple(name for name, reached in generations.items() if reached != 0)


def _generation(version: Path) -> int | None:
    """Return the generation of a version: 0 if it is incomplete, None if it is damaged."""
    if not has_marker(version):
        return 0
    try:
        return read_state(version, SAME_DOCUMENTS).generation
    except IndexDamagedError:
        return None


def _versions(index: Path) -> list[Path]:
    return [path for path in index.iterdir() if _VERSION.fullmatch(path.name)]
