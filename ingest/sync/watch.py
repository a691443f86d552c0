"""Follow a folder: sync at the start, and again whenever its files have changed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ingest.embeddings import EmbeddingModel, embedding_model
from ingest.errors import IdentityError, RagError, UsageError
from ingest.loaders import is_supported
from ingest.settings import IndexSettings
from ingest.sync.folder_sync import sync_folder
from ingest.sync.scan import find_files
from ingest.types import OnProgress, SyncProgress, SyncReport

# A sync begins once the folder has been quiet for the first time, or changing for the second.
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
    """Keep the index in step with ``settings.documents`` until ``stop`` is set.

    A sync that fails is tried again at the next change, or after 30 seconds.

    Args:
        settings: What to keep in step.
        on_report: Called after the first sync, and each later one that has news.
        stop: Ends the watch, when set by another thread.
        on_failure: Called when a sync fails in another way than the one before it.
        progress: As in :func:`ingest.sync_folder`.

    Raises:
        UsageError: If the settings can't be used or the folder is not one; an empty folder is
            waited for.
        IdentityError: If the index was made with another embedding model.
    """
    follower = _Follower(settings, on_report, on_failure, progress)
    for changed in _changes(settings, stop or threading.Event()):
        if changed or follower.retry_is_due():
            follower.sync()


class _Follower:
    """Syncs, and remembers how the last sync went."""

    def __init__(
        self,
        settings: IndexSettings,
        on_report: Callable[[SyncReport], None],
        on_failure: Callable[[Exception], None],
        progress: OnProgress | None,
    ) -> None:
        self._settings = settings
        self._on_report = on_report
        self._on_failure = on_failure
        self._progress = progress
        self._embedding: EmbeddingModel | None = None
        self._started = False
        self._has_read = False
        self._failure = ""
        self._failed_at = 0.0

    def sync(self) -> None:
        self._has_read = False
        try:
            self._embedding = self._embedding or embedding_model(self._settings)
            report = sync_folder(
                self._settings, progress=self._note_progress, embedding=self._embedding
            )
        except (RagError, OSError) as error:
            if not self._started and self._can_never_work(error):
                raise
            self._note_failure(error)
        else:
            self._note_report(report)
        self._started = True

    def retry_is_due(self) -> bool:
        return bool(self._failure) and time.monotonic() - self._failed_at > _RETRY_SECONDS

    def _can_never_work(self, error: Exception) -> bool:
        if isinstance(error, UsageError):
            folder = self._settings.documents
            return not folder.is_dir() or bool(
                find_files(folder, is_supported, skip=self._settings.index)
            )
        return isinstance(error, IdentityError)

    def _note_report(self, report: SyncReport) -> None:
        news = self._has_read or report.renamed or report.deleted
        if news or self._failure or not self._started:
            self._on_report(report)
        self._failure = ""

    def _note_progress(self, progress: SyncProgress) -> None:
        self._has_read = True
        if self._progress:
            self._progress(progress)

    def _note_failure(self, error: Exception) -> None:
        self._failed_at = time.monotonic()
        if str(error) != self._failure:
            self._failure = str(error)
            self._on_failure(error)


def _changes(settings: IndexSettings, stop: threading.Event) -> Iterator[bool]:
    """Yield whether files have changed, again and again; True first.

    A folder that is deleted and made again is another folder to the system: it is watched anew.
    """
    while not stop.is_set():
        if not settings.documents.is_dir():
            yield True
        while not settings.documents.is_dir() and not stop.wait(_WAKE_MS / 1000):
            pass
        yield from _changes_of_one(settings, stop)


def _changes_of_one(settings: IndexSettings, stop: threading.Event) -> Iterator[bool]:
    """Yield whether files have changed, True first, for as long as the folder is the same.

    Raises:
        UsageError: If the system does not tell of changes.
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
            # Only now is the folder watched: a sync before would miss what changes meanwhile.
            yield first or bool(changes)
            first = False
            if _identity(settings.documents) != identity:
                return


@contextmanager
def _refusal_as_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        pass  # gone since it was looked at; the caller looks again
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f"the folder {folder} can't be watched ({error}): set WATCHFILES_FORCE_POLLING=true "
            "to have it looked through instead"
        ) from error


class _Filter:
    """Tells the changes that a sync would see."""

    def __init__(self, settings: IndexSettings) -> None:
        self._folder = settings.documents.resolve()
        self._index = settings.index.resolve()

    def __call__(self, change: object, path: str) -> bool:
        changed = Path(path)
        if changed.is_relative_to(self._index):
            return False
        parts = changed.relative_to(self._folder).parts
        if any(part.startswith((".", "~$")) for part in parts):
            return False
        # What is gone may have been a folder, and a folder may have come with its files.
        return is_supported(changed.name) or not changed.is_file()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino
