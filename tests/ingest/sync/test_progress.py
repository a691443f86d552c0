"""What a sync reports while it runs, and when it commits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from ingest import EmbeddingModel, Index, IndexSettings, SyncProgress, SyncStage
from ingest.sync.folder_sync import sync_folder
from ingest.sync.progress import Progress

READING, EMBEDDING, COMMITTING = SyncStage


class Clock:
    """Stands still but for what is said to take time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("ingest.sync.folder_sync._clock", clock)
    return clock


@pytest.fixture
def six(settings: IndexSettings, write: Callable[[str, str], Path]) -> IndexSettings:
    for number in range(6):
        write(f"berth{number}.txt", f"Berth {number} takes ships of {number + 3} metres.")
    return settings


def committed_after(events: list[SyncProgress]) -> list[int]:
    """Return how many files had been read at each commit."""
    return [event.files_done for event in events if event.stage is COMMITTING]


@pytest.mark.parametrize(
    ("seconds", "commits"),
    [
        pytest.param(0, [6], id="a small plan is one change"),
        pytest.param(3, [6], id="18 seconds are one change"),
        pytest.param(4, [6], id="groups of two end after 8, 16 and 24 seconds"),
        pytest.param(5, [4, 6], id="groups of one"),
        pytest.param(11, [2, 4, 6], id="two files a commit"),
        pytest.param(60, [1, 2, 3, 4, 5, 6], id="a file is never split"),
    ],
)
def test_a_change_is_committed_after_so_many_seconds_of_reading(
    seconds: float,
    commits: list[int],
    six: IndexSettings,
    clock: Clock,
    embedding: EmbeddingModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[SyncProgress] = []

    def note(progress: SyncProgress) -> None:
        if progress.files_done > (events[-1].files_done if events else 0):
            clock.now += seconds
        events.append(progress)

    report = sync_folder(six, progress=note, embedding=embedding)

    assert (report.new, report.chunks, report.embedded) == (6, 6, 6)
    assert committed_after(events) == commits
    assert Index.open(six.index, embedding).state().generation == len(commits)


def test_a_change_is_committed_after_so_many_seconds_of_embedding(
    six: IndexSettings, clock: Clock, embedding: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sync.folder_sync._GROUP_CHARACTERS", 1)
    events: list[SyncProgress] = []

    def note(progress: SyncProgress) -> None:
        events.append(progress)
        if progress.stage is EMBEDDING:
            clock.now += 5.1  # twice a file: before and after its one batch

    sync_folder(six, progress=note, embedding=embedding)

    assert committed_after(events) == [2, 4, 6]
    assert Index.open(six.index, embedding).state().generation == 3


def test_each_step_is_reported_with_its_file(
    six: IndexSettings, embedding: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FIRST_BATCH", "_LARGEST_BATCH"):
        monkeypatch.setattr(f"ingest.index.document_index.{name}", 4)
    events: list[SyncProgress] = []

    sync_folder(six, progress=events.append, embedding=embedding)

    names = [f"berth{number}.txt" for number in range(6)]
    assert [(event.stage, event.source) for event in events] == [
        *((READING, name) for name in names for _ in range(2)),
        (EMBEDDING, "berth0.txt"),
        (EMBEDDING, "berth4.txt"),
        (EMBEDDING, "berth4.txt"),
        (COMMITTING, ""),
    ]
    assert [event.files_done for event in events][:3] == [0, 1, 1]
    assert [event.chunks_done for event in events][-4:] == [0, 4, 6, 6]
    assert [event.chunks_total for event in events] == [None] * 12 + [6] * 4


def test_a_run_with_nothing_to_read_reports_nothing(
    six: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(six, embedding=embedding)
    (six.documents / "berth1.txt").unlink()
    events: list[SyncProgress] = []
    assert sync_folder(six, progress=events.append, embedding=embedding).deleted == 1
    assert events == []


def test_a_text_of_an_earlier_group_is_not_embedded_again(
    settings: IndexSettings,
    write: Callable[[str, str], Path],
    embedding: EmbeddingModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.sync.folder_sync._GROUP_CHARACTERS", 1)
    for number in range(3):
        write(f"copy{number}.txt", "The harbour master sits in the red house.")
    events: list[SyncProgress] = []

    report = sync_folder(settings, progress=events.append, embedding=embedding)

    assert (report.chunks, report.embedded, report.reused) == (3, 1, 2)
    assert (events[-1].chunks_done, events[-1].chunks_total) == (3, 3)
    assert Index.open(settings.index, embedding).state().generation == 1


def test_files_to_come_are_expected_to_be_like_those_of_their_suffix() -> None:
    events: list[SyncProgress] = []
    sizes = {"a.txt": 1_000, "b.pdf": 50_000, "c.TXT": 3_000, "d.pdf": 100_000, "e.md": 510}
    progress = Progress(sizes, events.append)
    expected = []
    for source, chunks in [("a.txt", 10), ("b.pdf", 5), ("c.TXT", 24), ("d.pdf", 0), ("e.md", 4)]:
        progress.reading(source)
        expected.append(events[-1].chunks_total)
        progress.read(source)
        progress.split(source, chunks)
    progress.committing()
    expected.append(events[-1].chunks_total)

    # At 10/1000 a byte of text, 5/50000 of PDF, and what all had so far of Markdown.
    assert expected == [
        None,
        10 + 1_536 - 1 + 0,
        15 + 30 + 10 + round(510 * 15 / 51_000) - 0,
        39 + 10 + round(510 * 39 / 54_000),
        39 + round(510 * 39 / 54_000),
        43,
    ]
    assert (events[-1].chunks_done, events[-1].files_done) == (43, 5)


def test_what_is_done_never_grows_less(
    six: IndexSettings, embedding: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sync.folder_sync._GROUP_CHARACTERS", 60)
    events: list[SyncProgress] = []
    sync_folder(six, progress=events.append, embedding=embedding)
    for earlier, later in pairwise(events):
        assert earlier.files_done <= later.files_done
        assert earlier.chunks_done <= later.chunks_done
    for event in events:
        assert event.chunks_total is None or event.chunks_done <= event.chunks_total
