"""Sync a collection in the background: one job at a time, with progress, cancelled on request."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from enum import StrEnum

from ingest import RagError, SyncProgress, SyncReport, SyncStage
from rag_app.app import RagApp

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.2  # chosen by hand


class JobState(StrEnum):
    """What an index job is doing."""

    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class IndexJob:
    """The last index job of a collection.

    Attributes:
        state: What it is doing.
        progress: Its last progress; None before the first.
        report: What it changed, once it is done.
        error: Why it failed; empty unless it did.
    """

    state: JobState = JobState.IDLE
    progress: SyncProgress | None = None
    report: SyncReport | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The options of a job; see :meth:`rag_app.RagApp.index`."""

    rebuild: bool = False
    retry_failed: bool = False
    allow_empty: bool = False

    def together(self, other: _Wanted) -> _Wanted:
        return _Wanted(
            self.rebuild or other.rebuild,
            self.retry_failed or other.retry_failed,
            self.allow_empty or other.allow_empty,
        )


class _Cancelled(Exception):
    """The job was cancelled; batches that are committed stay."""


class Indexing:
    """Runs the index jobs of an app, each in a thread of its own.

    A job that is requested while another runs begins when that one ends.
    """

    def __init__(self, app: RagApp) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._next: _Wanted | None = None
        self._cancelled = threading.Event()
        self._deletes = False
        self.job = IndexJob()

    def start(
        self, *, rebuild: bool = False, retry_failed: bool = False, allow_empty: bool = False
    ) -> None:
        """Start a job, or let one follow the job that runs; see :meth:`rag_app.RagApp.index`."""
        wanted = _Wanted(rebuild, retry_failed, allow_empty)
        with self._lock:
            if self._thread is not None:
                self._next = wanted.together(self._next or _Wanted())
                return
            self._cancelled.clear()
            self.job = IndexJob(JobState.RUNNING)
            self._thread = threading.Thread(target=self._run, args=(wanted,), name="index")
            self._thread.start()

    def cancel(self) -> None:
        """Cancel the job that runs, at its next step, and the one that would follow.

        Deletions are never cancelled: the job that removes the text of deleted files still follows,
        and ends once that is committed if it is cancelled too.
        """
        with self._lock:
            if self._next and not self._next.allow_empty:
                self._next = None
            self._cancelled.set()

    def close(self) -> None:
        """Cancel, and wait for the end."""
        with self._lock:
            self._next = None
        self.cancel()
        if thread := self._thread:
            thread.join()

    async def changes(self) -> AsyncIterator[IndexJob]:
        """Yield the job at once and whenever it changes, until it has ended."""
        shown: IndexJob | None = None
        while True:
            job = self.job
            if job is not shown:
                yield job
                shown = job
            if job.state is not JobState.RUNNING:
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _run(self, wanted: _Wanted) -> None:
        following: _Wanted | None = wanted
        while following is not None:
            ended = self._sync(following)
            with self._lock:
                following, self._next = self._next, None
                if following:
                    self._cancelled.clear()
                self.job = replace(ended, state=JobState.RUNNING) if following else ended
                if following is None:
                    self._thread = None

    def _sync(self, wanted: _Wanted) -> IndexJob:
        self._deletes = wanted.allow_empty
        try:
            report = self._app.index(
                rebuild=wanted.rebuild,
                retry_failed=wanted.retry_failed,
                allow_empty=wanted.allow_empty,
                progress=self._note,
            )
        except _Cancelled:
            return replace(self.job, state=JobState.CANCELLED)
        except (RagError, OSError) as error:
            return replace(self.job, state=JobState.FAILED, error=str(error))
        except Exception as error:  # a bug must not leave the job running for ever
            _LOG.exception("the index job failed")
            return replace(self.job, state=JobState.FAILED, error=f"an error: {error!r}"[:200])
        return replace(self.job, state=JobState.DONE, report=report)

    def _note(self, progress: SyncProgress) -> None:
        if self._cancelled.is_set() and not self._deletes:
            raise _Cancelled
        # The first commit holds the deletions, and is made right after this step.
        self._deletes = self._deletes and progress.stage is not SyncStage.COMMITTING
        self.job = replace(self.job, progress=progress)
