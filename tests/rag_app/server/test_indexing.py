"""Index jobs run one after the other, can be cancelled, and always end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from ingest import SyncProgress
from rag_app import RagApp
from rag_app.server.indexing import Indexing, IndexJob, JobState


@pytest.fixture
def app(tmp_path: Path) -> RagApp:
    folder = tmp_path / "docs"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.txt").write_text(f"The warranty of product {n} lasts {n + 2} years.\n")
    return RagApp(documents=folder, index=tmp_path / "index")


def wait(indexing: Indexing) -> list[IndexJob]:
    async def collect() -> list[IndexJob]:
        return [job async for job in indexing.changes()]

    return asyncio.run(collect())


def test_a_job_reports_its_progress_and_what_it_changed(app: RagApp) -> None:
    indexing = Indexing(app)
    assert indexing.job == IndexJob(JobState.IDLE)
    indexing.start()
    seen = wait(indexing)
    assert {job.state for job in seen[:-1]} == {JobState.RUNNING}
    assert seen[-1].state is JobState.DONE
    assert seen[-1].report is not None
    assert (seen[-1].report.new, seen[-1].report.failed) == (3, ())
    assert [one.source for one in app.documents()] == ["0.txt", "1.txt", "2.txt"]


def test_a_job_that_is_asked_for_meanwhile_follows_with_the_options_of_all(
    app: RagApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexing, ran = Indexing(app), list[tuple[bool, bool, bool]]()
    real = RagApp.index

    def index(self: RagApp, **options: object) -> object:
        names = ("rebuild", "retry_failed", "allow_empty")
        ran.append(tuple(bool(options[name]) for name in names))  # type: ignore[arg-type]
        if len(ran) == 1:
            indexing.start(retry_failed=True)
            indexing.start(allow_empty=True)
        return real(self, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(RagApp, "index", index)
    indexing.start()
    wait(indexing)
    assert ran == [(False, False, False), (False, True, True)]
    assert indexing.job.state is JobState.DONE


def test_a_cancelled_job_ends_and_another_can_follow(app: RagApp) -> None:
    indexing = Indexing(app)
    note = indexing._note

    def cancel_at_once(progress: SyncProgress) -> None:
        indexing.cancel()
        note(progress)

    indexing._note = cancel_at_once  # type: ignore[method-assign]
    indexing.start()
    assert wait(indexing)[-1].state is JobState.CANCELLED
    indexing._note = note  # type: ignore[method-assign]
    indexing.start()
    assert wait(indexing)[-1].state is JobState.DONE
    assert app.status().documents == 3


def test_a_deletion_is_not_cancelled(app: RagApp, tmp_path: Path) -> None:
    app.index()
    indexing, note = Indexing(app), app.settings.documents
    (note / "0.txt").unlink()
    (note / "new.txt").write_text("The warranty of product 9 lasts 11 years.\n")
    kept = indexing._note

    def delete_and_cancel(progress: SyncProgress) -> None:
        indexing.start(allow_empty=True)
        indexing.cancel()
        kept(progress)

    indexing._note = delete_and_cancel  # type: ignore[method-assign]
    indexing.start()
    wait_until_second = wait(indexing)
    assert wait_until_second[-1].state in (JobState.DONE, JobState.CANCELLED)
    assert "0.txt" not in [one.source for one in app.documents()]


def test_a_job_that_fails_says_why(app: RagApp, tmp_path: Path) -> None:
    for path in (tmp_path / "docs").iterdir():
        path.unlink()
    indexing = Indexing(app)
    indexing.start()
    last = wait(indexing)[-1]
    assert last.state is JobState.FAILED
    assert last.error.startswith("there are no documents in ")


def test_an_emptied_folder_empties_the_index_if_it_is_meant(app: RagApp, tmp_path: Path) -> None:
    app.index()
    for path in (tmp_path / "docs").iterdir():
        path.unlink()
    indexing = Indexing(app)
    indexing.start(allow_empty=True)
    assert wait(indexing)[-1].state is JobState.DONE
    assert app.documents() == []


def test_closing_waits_for_the_end(app: RagApp) -> None:
    indexing = Indexing(app)
    indexing.start()
    started = time.monotonic()
    indexing.close()
    assert indexing.job.state is not JobState.RUNNING
    assert time.monotonic() - started < 60
