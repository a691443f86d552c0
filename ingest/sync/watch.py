"""Watch a folder: sync at the start, and again whenever its files change."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.embeddings import EmbeddingModel, embedding_model
from ingest.errors import IdentityError, RagError, UsageError
from ingest.settings import IndexSettings
from ingest.sync.folder_sync import sync_folder
from ingest.sync.ignore_rules import IGNORE_FILE, IgnoreRules
from ingest.sync.scan import find_files
from ingest.types import FileSignature, OnProgress, SyncProgress, SyncReport, ignore_progress

# A sync begins once the folder has been quiet for _QUIET_MS, or changing for _PATIENCE_MS. All four
# chosen by hand.
_QUIET_MS = 300
_PATIENCE_MS = 5_000
_WAKE_MS = 300
_RETRY_SECONDS = 30.0


def watch_folder(
    settings: IndexSettings,
    on_report: Callable[[SyncReport], None],
    stop: threading.Event | None = None,
    *,
    on_failure: Callable[[Exception], None],
    progress: OnProgress | None = None,
) -> None:
    """Sync the index with ``settings.documents`` on every change, until ``stop`` is set.

    A sync that fails is retried at the next change, or after 30 seconds.

    Args:
        settings: The folder, the index and the embedding model.
        on_report: Called after the first sync, and after each later one that changed anything.
        stop: Set by another thread to stop watching.
        on_failure: Called when a sync fails, unless the one before failed in the same way.
        progress: As in :func:`ingest.sync_folder`.

    Raises:
        UsageError: If the settings are invalid or the folder does not exist. An empty folder is
            not an error.
        IdentityError: If the index was made with another embedding model.
    """
    follower = _Follower(settings, on_report, on_failure, progress or ignore_progress)
    for changed in _changes(settings, stop or threading.Event()):
        if changed or follower.retry_is_due():
            follower.sync()


@dataclass(slots=True)
class _Follower:
    """Syncs, and remembers the outcome of the last sync."""

    settings: IndexSettings
    on_report: Callable[[SyncReport], None]
    on_failure: Callable[[Exception], None]
    progress: OnProgress
    embedding: EmbeddingModel | None = None
    started: bool = False
    has_read: bool = False
    failure: str = ""
    failed_at: float = 0.0

    def sync(self) -> None:
        self.has_read = False
        try:
            self.embedding = self.embedding or embedding_model(self.settings)
            report = sync_folder(
                self.settings, progress=self._note_progress, embedding=self.embedding
            )
        except (RagError, OSError) as error:
            if not self.started and self._can_never_work(error):
                raise
            self._note_failure(error)
        else:
            self._note_report(report)
        self.started = True

    def retry_is_due(self) -> bool:
        return bool(self.failure) and time.monotonic() - self.failed_at > _RETRY_SECONDS

    def _can_never_work(self, error: Exception) -> bool:
        if isinstance(error, UsageError):
            return not self.settings.documents.is_dir() or bool(self._find_files())
        return isinstance(error, IdentityError)

    def _find_files(self) -> dict[str, FileSignature]:
        settings = self.settings
        rules = IgnoreRules.of(settings.include, settings.exclude)
        return find_files(settings.documents, rules, skip=settings.index).files

    def _note_report(self, report: SyncReport) -> None:
        news = self.has_read or report.renamed or report.deleted
        if news or self.failure or not self.started:
            self.on_report(report)
        self.failure = ""

    def _note_progress(self, progress: SyncProgress) -> None:
        self.has_read = True
        self.progress(progress)

    def _note_failure(self, error: Exception) -> None:
        self.failed_at = time.monotonic()
        if str(error) != self.failure:
            self.failure = str(error)
            self.on_failure(error)


def _changes(settings: IndexSettings, stop: threading.Event) -> Iterator[bool]:
    """Yield at intervals whether files have changed; True first.

    A folder that is deleted and created again is another folder to the system: watch it anew.
    """
    while not stop.is_set():
        if not settings.documents.is_dir():
            yield True
        while not settings.documents.is_dir() and not stop.wait(_WAKE_MS / 1000):
            pass
        yield from _changes_of_one(settings, stop)


def _changes_of_one(settings: IndexSettings, stop: threading.Event) -> Iterator[bool]:
    """Yield at intervals whether files have changed, True first, while the folder is the same.

    Raises:
        UsageError: If the system can't watch the folder.
    """
    from watchfiles import watch

    identity = _identity(settings.documents)
    first = True
    events = watch(
        settings.documents.resolve(),
        watch_filter=_Filter(settings),
        debounce=_PATIENCE_MS,
        step=_QUIET_MS,
        rust_timeout=_WAKE_MS,
        yield_on_timeout=True,
        stop_event=stop,
    )
    with closing(events), _refusal_as_error(settings.documents):
        for changes in events:
            # The folder is watched from here on: an earlier sync could miss changes.
            yield first or bool(changes)
            first = False
            if _identity(settings.documents) != identity:
                return


@contextmanager
def _refusal_as_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        pass  # deleted meanwhile; the caller checks again
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f"the folder {folder} can't be watched ({error}): set WATCHFILES_FORCE_POLLING=true "
            "to have it polled instead"
        ) from error


class _Filter:
    """Passes the changes that a sync would see."""

    def __init__(self, settings: IndexSettings) -> None:
        self._folder = settings.documents.resolve()
        self._index = settings.index.resolve()

    def __call__(self, change: object, path: str) -> bool:
        changed = Path(path)
        if changed.is_relative_to(self._index):
            return False
        parts = changed.relative_to(self._folder).parts
        return not any(part.startswith((".", "~$")) and part != IGNORE_FILE for part in parts)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino
