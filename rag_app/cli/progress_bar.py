"""Progress on stderr: bars in a terminal; for indexing, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rag_app.cli.output import note, printable_line

if TYPE_CHECKING:
    from ingest import SyncProgress

# Without a terminal: before the first line, as a short run needs none, and between two; by hand.
FIRST_LINE_SECONDS = 10.0
LINE_SECONDS = 5.0
_MANY_BYTES = 10_000_000  # from which they are shown
_BAR_WIDTH = 16  # leaves room for the counts

_clock = time.monotonic

Show = Callable[["SyncProgress"], None]


class Pace:
    """The part of a run that is done, and an estimate of the time left."""

    def __init__(self) -> None:
        self._started = _clock()
        self._done = 0.0

    def done(self, progress: SyncProgress) -> float:
        """Return the part that is done, 0 to 1; it never falls when the estimated total grows."""
        if progress.chunks_total:
            self._done = max(self._done, progress.chunks_done / progress.chunks_total)
        return self._done

    def counts(self, progress: SyncProgress) -> str:
        """Return what is done and the time left: "8 of 20 chunks, 1 of 3 files, 9 s left"."""
        files = f"{progress.files_done:,} of {progress.files_total:,} files"
        if progress.bytes_total >= _MANY_BYTES:
            files += f" ({progress.bytes_done / 1e6:,.0f} of {progress.bytes_total / 1e6:,.0f} MB)"
        return ", ".join([_chunks(progress), files, *self._left(self.done(progress))])

    def _left(self, done: float) -> list[str]:
        if not 0 < done < 1:
            return []
        return [f"{_duration((_clock() - self._started) * (1 - done) / done)} left"]


@contextmanager
def show_progress(quiet: bool) -> Iterator[Show | None]:
    """Yield a function that shows the progress of indexing within the block, None if quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def show_stages(quiet: bool) -> Iterator[Callable[[Any], None] | None]:
    """Yield a function that shows a bar for each ``stage`` of a progress, None without a terminal.

    Its argument has the attributes ``stage``, ``done`` and ``total``.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def show(progress: Any) -> None:
            stage = progress.stage
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=None)
            bars.update(tasks[stage], completed=progress.done, total=progress.total)

        yield show


@contextmanager
def _bar() -> Iterator[Show]:
    """Show a bar that disappears afterwards."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    doing = Column(no_wrap=True, overflow="ellipsis", max_width=32)
    columns = (
        TextColumn("{task.description}", markup=False, table_column=doing),
        BarColumn(_BAR_WIDTH),
        TextColumn("{task.fields[counts]}", markup=False),
    )
    pace = Pace()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("looking", total=None, counts="")

        def show(progress: SyncProgress) -> None:
            bars.update(
                task,
                total=1.0 if progress.chunks_total else None,
                completed=pace.done(progress),
                description=_doing(progress),
                counts=pace.counts(progress),
            )

        yield show


def _lines() -> Show:
    """Print a line when one is due."""
    pace = Pace()
    due = _clock() + FIRST_LINE_SECONDS

    def show(progress: SyncProgress) -> None:
        nonlocal due
        if _clock() >= due:
            note(f"{pace.counts(progress)} ({_doing(progress)})")
            due = _clock() + LINE_SECONDS

    return show


def _chunks(progress: SyncProgress) -> str:
    done, total = progress.chunks_done, progress.chunks_total
    if total is None:
        return f"{done:,} chunks"
    about = "" if progress.files_done == progress.files_total else "about "
    return f"{done:,} of {about}{total:,} chunks"


def _doing(progress: SyncProgress) -> str:
    return printable_line(f"{progress.stage} {progress.source}").rstrip()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"
