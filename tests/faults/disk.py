"""Disks that are full before a change to an index is done.

Each kind of change runs on disks of its own, from one with no room at all to one that has all but a
page of what the change needs. There it has to fail with one sentence, and leave an index that
answers as before and no half-written file; with more room the same change has to end like a clean
build.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from changes import CHANGES, Change
from outcome import Outcome
from processes import run_clean, start, use_word_embedding
from reference import LONGEST, copy_index, current_answers, leftovers, load_reference, prepare

from ingest import IndexSettings, StoreError, sync_folder
from rag_app.cli import main

_PAGE = 4096
_MOST_NEEDED = 256
_ROOMY = 16 * _MOST_NEEDED * _PAGE
_REFUSED = 3
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_REMOUNT, _PRIVATE, _ALL_BELOW = 32, 1 << 18, 1 << 14


@dataclass(frozen=True, slots=True)
class Ended:
    """How a change ended: its exit code and all that it printed."""

    code: int | None
    printed: str


def full_disks(count: int, folder: Path) -> Outcome:
    """Make changes on ``count`` disks that are too small."""
    return run_clean(_full_disks, count, folder)


def _full_disks(count: int, folder: Path) -> Outcome:
    use_word_embedding()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        mounting = pool.submit(_can_mount, folder).result()
        numbers = range(min(count, len(CHANGES)))
        list(pool.map(prepare, numbers, repeat(folder)))
        needed = list(pool.map(_needed_pages, numbers, repeat(folder), repeat(mounting)))
        chosen = list(_choose(needed, count))
        problems = list(pool.map(_try, chosen, repeat(folder), repeat(mounting)))
    breaks = tuple(
        f"{CHANGES[number].name} with room for {pages} of {needed[number]} pages: {problem}"
        for (number, pages), problem in zip(chosen, problems, strict=True)
        if problem
    )
    return Outcome(
        promise="on a full disk a change fails in one sentence; the old index answers",
        tried=count,
        kept=count - len(breaks),
        breaks=breaks,
        facts=(
            ("disks mounted", count * mounting),
            ("file sizes limited", count * (not mounting)),
            ("kinds of change", len(numbers)),
            ("most room needed, KB", max(needed) * _PAGE // 1000),
        ),
    )


def _choose(needed: list[int], count: int) -> Iterator[tuple[int, int]]:
    """Yield changes and rooms in pages: for each change from none to a page less than needed."""
    for number, pages in enumerate(needed):
        disks = len(range(number, count, len(needed)))
        for step in range(disks):
            yield number, (pages - 1) * step // max(1, disks - 1)


def _can_mount(folder: Path) -> bool:
    """Return whether this system lets a process mount a disk of its own."""
    child = start(_mount_and_leave, folder / "mounted")
    child.join(LONGEST)
    return child.exitcode == 0


def _mount_and_leave(place: Path) -> None:
    try:
        _own_mounts()
        _mount(place, _ROOMY)
    except OSError:
        os._exit(1)


def _needed_pages(number: int, folder: Path, mounting: bool) -> int:
    """Return the least room with which a change succeeds."""
    least, most = 0, _MOST_NEEDED
    while least < most:
        middle = (least + most) // 2
        run = partial(_succeeds, number, folder, mounting, middle)
        if _in_a_process(run, folder / f"probe{number}") == "":
            most = middle
        else:
            least = middle + 1
    return least


def _succeeds(number: int, folder: Path, mounting: bool, pages: int) -> str:
    settings, limit = _disk(number, folder, mounting)
    return "" if _end(number, settings, limit, pages).code == 0 else "too small"


def _try(chosen: tuple[int, int], folder: Path, mounting: bool) -> str:
    """Return what was wrong on a disk with room for so many pages, or an empty string."""
    number, pages = chosen
    run = partial(_problem, number, folder, mounting, pages)
    return _in_a_process(run, folder / f"result{number}-{pages}")


def _in_a_process(run: Callable[[], str], result: Path) -> str:
    """Return what ``run`` returns in a process of its own, whose mounts go when it ends."""
    child = start(_note, run, result)
    child.join(LONGEST)
    if child.exitcode is None:
        child.kill()
        return "it never ends"
    return result.read_text("utf-8") if child.exitcode == 0 else f"crashed: {child.exitcode}"


def _note(run: Callable[[], str], result: Path) -> None:
    try:
        problem = run()
    except Exception:
        problem = traceback.format_exc().replace("\n", " | ")
    result.write_text(problem, "utf-8")


def _problem(number: int, folder: Path, mounting: bool, pages: int) -> str:
    change, reference = CHANGES[number], load_reference(number, folder)
    settings, limit = _disk(number, folder, mounting)
    ended = _end(number, settings, limit, pages)
    if complaint := _complaint(ended, settings.index, limit.causes):
        return complaint
    if not reference.knows(current_answers(settings)):
        return "on the full disk the answers are of no committed state"
    if left := leftovers(settings.index, at_rest=False):
        return f"on the full disk there are left {', '.join(left)}"
    limit.lift()
    return reference.problem(change, settings)


def _complaint(ended: Ended, index: Path, causes: tuple[int, ...]) -> str:
    """Return what is wrong with how a change failed: it has to be one sentence of ours."""
    expected = tuple(
        f"error: the index {index} could not be written: {os.strerror(cause)};" for cause in causes
    )
    one_sentence = ended.printed.count("\n") == 1 and ended.printed.startswith(expected)
    if ended.code == _REFUSED and one_sentence and "'rag index' again" in ended.printed:
        return ""
    return f"ended with {ended.code}: {ended.printed!r}"


class _Disk:
    """A small disk: a file system in memory whose size can change."""

    causes = (errno.ENOSPC,)

    def __init__(self, place: Path) -> None:
        self._place = place
        _own_mounts()
        _mount(place, _ROOMY)

    def leave(self, pages: int) -> None:
        """Leave room for so many pages."""
        disk = os.statvfs(self._place)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        # A size of nothing would be no limit at all.
        _mount(self._place, max(_PAGE, used + pages * _PAGE), _REMOUNT)

    def lift(self) -> None:
        """Make room."""
        _mount(self._place, _ROOMY, _REMOUNT)


class _SizeLimit:
    """Files that can't grow, where no disk can be mounted; it holds in the process it is set in."""

    causes = (errno.EFBIG, errno.EIO, errno.ENOSPC)

    def leave(self, pages: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (pages * _PAGE, resource.RLIM_INFINITY))

    def lift(self) -> None:
        """Nothing is to be lifted in the other processes."""


def _disk(number: int, folder: Path, mounting: bool) -> tuple[IndexSettings, _Disk | _SizeLimit]:
    """Return a small disk with a copy of the index before a change."""
    place = folder / f"disk{os.getpid()}"
    disk = _Disk(place) if mounting else _SizeLimit()
    place.mkdir(exist_ok=True)
    shutil.rmtree(place / "index", ignore_errors=True)
    return copy_index(number, folder, place / "index"), disk


def _end(number: int, settings: IndexSettings, disk: _Disk | _SizeLimit, pages: int) -> Ended:
    """Make a change with room for so many pages, and return how it ended."""
    if isinstance(disk, _Disk):
        disk.leave(pages)
    reading, writing = os.pipe()
    child = start(_make, number, settings, disk, pages, writing)
    os.close(writing)
    with open(reading, encoding="utf-8") as stream:
        printed = stream.read()
    child.join(LONGEST)
    return Ended(child.exitcode, printed)


def _make(
    number: int, settings: IndexSettings, disk: _Disk | _SizeLimit, pages: int, output: int
) -> None:
    """Make a change as the command does, and leave with its exit code."""
    change = CHANGES[number]
    change.lower_limits()
    if isinstance(disk, _SizeLimit):
        disk.leave(pages)
    with (
        open(output, "w", encoding="utf-8") as stream,
        redirect_stdout(stream),
        redirect_stderr(stream),
    ):
        code = _run(change, settings)
    os._exit(code)


def _run(change: Change, settings: IndexSettings) -> int:
    rebuild = [] if change.make is sync_folder else ["--rebuild"]
    if change.again is sync_folder or change.make is sync_folder:
        folders = [str(settings.documents), "--index", str(settings.index)]
        return main(["index", *folders, *rebuild])
    try:
        change.make(settings)
    except StoreError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def _own_mounts() -> None:
    """Give this process mounts of its own, which no other sees and which end with it."""
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _call("unshare", ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS))
    else:
        _call("unshare", ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS | _NEW_USER))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    library = ctypes.CDLL(None, use_errno=True)
    _call("mount", library.mount(b"none", b"/", None, ctypes.c_ulong(_PRIVATE | _ALL_BELOW), None))


def _mount(place: Path, size: int, flags: int = 0) -> None:
    """Mount a file system in memory of ``size`` bytes, or give it that size."""
    place.mkdir(exist_ok=True)
    library = ctypes.CDLL(None, use_errno=True)
    options = f"size={size}".encode()
    target = os.fsencode(place)
    _call("mount", library.mount(b"tmpfs", target, b"tmpfs", ctypes.c_ulong(flags), options))


def _call(name: str, result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
