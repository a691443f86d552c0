"""Find the files of a folder and read each one consistently."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from ingest.errors import LoadError
from ingest.sync.ignore_rules import IgnoreRules
from ingest.types import FileContent, FileProblem, FileSignature

_ATTEMPTS = 5  # chosen by hand
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
# A file may change again within the resolution of its file system's clock without a change of its
# times. FAT has the coarsest resolution, two seconds.
_CLOCK_RESOLUTION_NS = 2_000_000_000
_CAREFULLY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISFIFO, "is a pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)


@dataclass(frozen=True, slots=True)
class Scan:
    """The files below a folder.

    Attributes:
        files: Signatures by POSIX path relative to the folder; an unreadable folder is listed like
            a file that can't be read, with a slash at the end of its path.
        ignored: What is left out by its name or kind, and the rule that says so.
        unreadable: The paths of the unreadable folders.
    """

    files: dict[str, FileSignature] = field(default_factory=dict)
    ignored: list[FileProblem] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def is_hidden(self, source: str) -> bool:
        """Return whether ``source`` lies in an unreadable folder, so may still exist."""
        return source.startswith(tuple(self.unreadable))


def find_files(folder: Path, rules: IgnoreRules, skip: Path) -> Scan:
    """Return the files below ``folder`` that the rules don't ignore.

    Links are not followed, and the folder ``skip`` is left out. Bytes of a name that are not UTF-8
    become �, so :func:`read_file` does not find that file and says why.
    """
    scan = Scan()
    _walk(str(folder.resolve()), "", rules, str(skip.resolve()), scan)
    return scan


def read_file(path: Path, limit: int) -> FileContent:
    """Return the content of a file, read again if it changes meanwhile.

    Raises:
        LoadError: If it has more than ``limit`` bytes, can't be read, or keeps changing.
    """
    with _refusal_as_error(path):
        for _ in range(_ATTEMPTS):
            found = _read_once(path, limit)
            if found:
                return found
    raise LoadError("changes while it is read")


def read_head(path: Path, size: int) -> tuple[bytes, FileSignature | None]:
    """Return the first ``size`` bytes of a file, and its signature as :class:`FileContent` has it.

    Raises:
        LoadError: If it can't be read.
    """
    started = time.time_ns()
    with _refusal_as_error(path), open(path, "rb", opener=_open) as file:
        return file.read(size), _settled(os.fstat(file.fileno()), started)


@contextmanager
def _refusal_as_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if _UNREADABLE in str(path):
            raise LoadError("has a name that is not UTF-8: rename it") from error
        raise LoadError(f"could not be read: {error.strerror}") from error


def _walk(folder: str, prefix: str, rules: IgnoreRules, skipped: str, scan: Scan) -> None:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:  # deleted since it was listed
        return
    except OSError:
        scan.unreadable.append(prefix)
        scan.files[prefix] = _signature(os.stat(folder))._replace(size=0)
        return
    rules = rules.inside(folder, prefix)
    for entry in entries:
        with suppress(FileNotFoundError):
            _visit(entry, prefix, rules, skipped, scan)


def _visit(
    entry: os.DirEntry[str], prefix: str, rules: IgnoreRules, skipped: str, scan: Scan
) -> None:
    source = prefix + os.fsencode(entry.name).decode(errors="replace")
    is_folder = entry.is_dir(follow_symlinks=False)
    source += "/" * is_folder
    if entry.path == skipped:
        return
    if reason := rules.reason(source) or _not_a_file(entry, is_folder):
        scan.ignored.append(FileProblem(source, reason))
    elif is_folder:
        _walk(entry.path, source, rules, skipped, scan)
    elif source in scan.files:
        scan.ignored.append(FileProblem(source, "has the name of another file: rename one"))
    else:
        scan.files[source] = _signature(entry.stat(follow_symlinks=False))


def _not_a_file(entry: os.DirEntry[str], is_folder: bool) -> str:
    """Return why an entry is neither a file nor a folder; empty if it is one."""
    if entry.is_symlink():
        return "is a link: links are not followed"
    mode = entry.stat(follow_symlinks=False).st_mode
    if is_folder or stat.S_ISREG(mode):
        return ""
    return next((reason for is_kind, reason in _KINDS if is_kind(mode)), "is not a file")


def _read_once(path: Path, limit: int) -> FileContent | None:
    """Return the content, or None if the file changed while it was read."""
    started = time.time_ns()
    with open(path, "rb", opener=_open) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise LoadError("is not a file")
        if before.st_size > limit:
            raise LoadError(
                f"has {before.st_size:,} bytes, the limit is {limit:,} (RAG_MAX_FILE_MB)"
            )
        content = file.read(limit + 1)
        found = os.fstat(file.fileno())
    if _signature(before) != _signature(found) or len(content) != found.st_size:
        return None
    return FileContent(content, sha256(content).digest(), _settled(found, started))


def _settled(found: os.stat_result, started: int) -> FileSignature | None:
    """Return the signature of a file, None if it changed just before the time ``started``."""
    changed = max(found.st_ctime_ns, found.st_mtime_ns)
    return _signature(found) if started - changed > _CLOCK_RESOLUTION_NS else None


def _open(path: str, flags: int) -> int:
    """Open a file that may have become a pipe or a link since it was found."""
    return os.open(path, flags | _CAREFULLY)


def _signature(found: os.stat_result) -> FileSignature:
    return FileSignature(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
