from __future__ import annotations

import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest import (
    EmbeddingModel,
    IdentityError,
    IndexBusyError,
    IndexSettings,
    ProviderError,
    SyncProgress,
    SyncReport,
    UsageError,
    sync_folder,
    watch_folder,
)
from ingest.index import directory
from ingest.index.vectorstore import Index
from ingest.sync import watch

Write = Callable[[str, str], Path]

DEADLINE = 300.0  # only stops what hangs
QUIET = 1.0


class Watch:
    """A watch in a thread, and what it reported."""

    def __init__(self, settings: IndexSettings) -> None:
        self.reports: queue.Queue[SyncReport] = queue.Queue()
        self.failures: queue.Queue[Exception] = queue.Queue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(settings,))
        self._thread.start()

    def report(self) -> SyncReport:
        return self.reports.get(timeout=DEADLINE)

    def failure(self) -> Exception:
        return self.failures.get(timeout=DEADLINE)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        assert (self.reports.qsize(), self.failures.qsize()) == (0, 0)

    def _run(self, settings: IndexSettings) -> None:
        watch_folder(settings, self.reports.put, self._stop, on_failure=self.failures.put)


@pytest.fixture
def follow() -> Iterator[Callable[[IndexSettings], Watch]]:
    """Begin watches that end with the test, when all they said has been taken."""
    begun: list[Watch] = []

    def begin(settings: IndexSettings) -> Watch:
        begun.append(Watch(settings))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each sync of a watch began."""
    times: list[float] = []

    def counted(*arguments: object, **options: object) -> SyncReport:
        times.append(time.monotonic())
        return sync_folder(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(watch, "sync_folder", counted)
    return times


Follow = Callable[[IndexSettings], Watch]


def counts(report: SyncReport) -> dict[str, int]:
    names = ("new", "changed", "renamed", "deleted", "unchanged")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def test_a_watch_begins_with_a_sync_and_follows_each_change(
    settings: IndexSettings, write: Write, follow: Follow
) -> None:
    write("cats.txt", "Cats sleep a lot.")
    found = follow(settings)
    assert counts(found.report()) == {"new": 1}

    path = write("pt/aves.txt", "O beija-flor voa.")
    assert counts(found.report()) == {"new": 1, "unchanged": 1}
    path.write_text("O beija-flor voa para trás.")
    assert counts(found.report()) == {"changed": 1, "unchanged": 1}
    path.parent.rename(settings.documents / "birds")
    assert counts(found.report()) == {"renamed": 1, "unchanged": 1}
    shutil.rmtree(settings.documents / "birds")
    assert counts(found.report()) == {"deleted": 1, "unchanged": 1}


def test_many_changes_at_once_are_few_syncs(
    settings: IndexSettings,
    write: Write,
    follow: Follow,
    syncs: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory, "LOCK_TIMEOUT", DEADLINE)
    write("first.txt", "The first.")
    found = follow(settings)
    found.report()

    with directory.write_lock(settings.index):  # a sync that has begun waits for the last file
        for n in range(100):
            write(f"part{n % 7}/{n}.txt", f"Document {n}.")
    new = 0
    while new < 100:
        new += found.report().new

    assert new == 100
    assert len(syncs) <= 4


def test_its_own_writing_does_not_wake_it(
    settings: IndexSettings, write: Write, follow: Follow, syncs: list[float]
) -> None:
    inside = settings.model_copy(update={"index": settings.documents / "index"})
    write("cats.txt", "Cats sleep a lot.")
    found = follow(inside)
    found.report()
    write("dogs.txt", "Dogs bark.")
    found.report()

    time.sleep(QUIET)

    assert len(syncs) == 2


def test_what_a_sync_leaves_alone_does_not_wake_it(
    settings: IndexSettings, write: Write, follow: Follow, syncs: list[float]
) -> None:
    write("cats.txt", "Cats sleep a lot.")
    (settings.documents / ".git").mkdir()
    found = follow(settings)
    found.report()

    for source in (".cats.txt.swp", ".git/notes.txt", "~$letter.docx"):
        write(source, "not a document")
    time.sleep(QUIET)

    assert len(syncs) == 1


def test_what_changes_during_a_sync_is_not_missed(
    settings: IndexSettings, write: Write, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("cats.txt", "Cats sleep a lot.")

    def sync_and_change(*arguments: object, **options: object) -> SyncReport:
        def change(progress: SyncProgress) -> None:
            write("late.txt", "Written while the first sync ran.")

        if not settings.index.exists():
            options["progress"] = change
        return sync_folder(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(watch, "sync_folder", sync_and_change)
    found = follow(settings)

    assert counts(found.report()) == {"new": 1}
    assert counts(found.report()) == {"new": 1, "unchanged": 1}


def test_an_emptied_folder_is_told_once_and_watched_on(
    settings: IndexSettings, write: Write, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.1)
    path = write("cats.txt", "Cats sleep a lot.")
    found = follow(settings)
    found.report()

    path.unlink()
    assert "no documents" in str(found.failure())
    time.sleep(QUIET)
    write("cats.txt", "Cats sleep a lot.")

    assert counts(found.report()) == {"unchanged": 1}


def test_an_empty_folder_is_waited_for(
    settings: IndexSettings, write: Write, follow: Follow
) -> None:
    found = follow(settings)
    assert "no documents" in str(found.failure())

    write("cats.txt", "Cats sleep a lot.")

    assert counts(found.report()) == {"new": 1}


def test_a_folder_that_is_made_again_is_followed_again(
    settings: IndexSettings, write: Write, follow: Follow
) -> None:
    write("cats.txt", "Cats sleep a lot.")
    found = follow(settings)
    found.report()

    shutil.rmtree(settings.documents)
    messages = str(found.failure())
    if "no documents" in messages:  # seen between the files' end and the folder's
        messages = str(found.failure())
    assert "does not exist" in messages
    scratch = settings.documents.with_name("scratch")
    scratch.mkdir()
    (scratch / "dogs.txt").write_text("Dogs bark.")
    scratch.rename(settings.documents)
    assert counts(found.report()) == {"new": 1, "deleted": 1}

    write("birds.txt", "Birds sing.")
    assert counts(found.report()) == {"new": 1, "unchanged": 1}


def test_a_busy_index_is_told_and_tried_again(
    settings: IndexSettings, write: Write, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "LOCK_TIMEOUT", 0.1)
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.1)
    write("cats.txt", "Cats sleep a lot.")
    found = follow(settings)
    found.report()

    with directory.write_lock(settings.index):
        write("dogs.txt", "Dogs bark.")
        assert isinstance(found.failure(), IndexBusyError)

    assert counts(found.report()) == {"new": 1, "unchanged": 1}


def test_a_provider_that_is_down_at_the_start_is_tried_again(
    settings: IndexSettings,
    write: Write,
    follow: Follow,
    embedding: EmbeddingModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[EmbeddingModel | Exception] = [ProviderError("nobody answers"), embedding]

    def load(_: IndexSettings) -> EmbeddingModel:
        found = tries.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(watch, "embedding_model", load)
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.1)
    write("cats.txt", "Cats sleep a lot.")
    found = follow(settings)

    assert str(found.failure()) == "nobody answers"
    assert counts(found.report()) == {"new": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"documents": Path("missing")}, "does not exist", id="no folder"),
        pytest.param({"embedding": "nobody:model"}, "unknown embedding model", id="no model"),
        pytest.param({"chunk_tokens": 100}, "chunks of 160 tokens", id="other chunk size"),
    ],
)
def test_settings_that_can_never_work_end_the_watch_at_once(
    settings: IndexSettings, write: Write, change: dict[str, object], message: str
) -> None:
    write("cats.txt", "Cats sleep a lot.")
    sync_folder(settings)
    told: list[object] = []

    with pytest.raises(UsageError, match=message):
        watch_folder(settings.model_copy(update=change), told.append, on_failure=told.append)

    assert told == []


def test_an_index_of_another_model_ends_the_watch_at_once(
    settings: IndexSettings, write: Write, embedding: EmbeddingModel
) -> None:
    write("cats.txt", "Cats sleep a lot.")
    other = replace(embedding, identity=replace(embedding.identity, weights="other"))
    with directory.write_lock(settings.index):
        Index.create(settings.index, other, settings.chunk_tokens).use()

    with pytest.raises(IdentityError, match="'other' != "):
        watch_folder(settings, print, on_failure=print)


def test_a_system_that_can_not_tell_of_changes_is_one_sentence(settings: IndexSettings) -> None:
    code = """
import sys
from pathlib import Path
from ingest import IndexSettings, UsageError, watch_folder

settings = IndexSettings(documents=Path(sys.argv[1]), index=Path(sys.argv[2]))
try:
    watch_folder(settings, print, on_failure=print)
except UsageError as error:
    print(error)
"""
    folders = [str(settings.documents), str(settings.index)]
    limited = 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"'
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare, with which to take the right to watch away")
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", limited, "sh", sys.executable, "-c", code, *folders],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if "unshare:" in done.stderr or "max_inotify_watches" in done.stderr:
        pytest.skip("this system lets nobody take the right to watch away")

    assert "can't be watched (OS file watch limit reached" in done.stdout
    assert "WATCHFILES_FORCE_POLLING=true" in done.stdout
