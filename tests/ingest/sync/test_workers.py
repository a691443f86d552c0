"""The processes that read files: order, limits, and what a file costs that breaks its reader."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from ingest import IndexSettings
from ingest.index.records import Status
from ingest.sync.workers import Loaded, Workers

TOO_LONG = "takes more than {} seconds to read (RAG_PARSE_SECONDS)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain.txt").write_text("A kettle boils in four minutes.")
    return tmp_path


def load(folder: Path, *sources: str, **limits: int) -> list[Loaded]:
    settings = IndexSettings(documents=folder, **limits)
    with closing(Workers(settings)) as workers:
        return list(workers.load((source, 9, "text/1") for source in sources))


def outcome(loaded: Loaded) -> tuple[str, Status, str]:
    return loaded.row.source, loaded.row.status, loaded.row.reason


def test_files_come_in_order_with_all_that_was_read(folder: Path) -> None:
    names = [f"{number:02}.md" for number in range(20)]
    for number, name in enumerate(names):
        (folder / name).write_text(f"# Part {number}\n\n" + "Uma chaleira ferve. " * (20 - number))

    found = load(folder, *names)

    assert [outcome(one) for one in found] == [(name, Status.INDEXED, "") for name in names]
    assert [one.document.headings[0].title for one in found] == [f"Part {n}" for n in range(20)]
    assert found[3].document.places_between(10, 11)[0].line == 3
    assert (found[3].row.language, found[3].row.loader) == ("pt", "text/1")
    assert all(len(one.row.content_hash) == 32 for one in found)


def test_a_file_that_can_not_be_read_has_its_reason(folder: Path) -> None:
    (folder / "empty.txt").touch()
    (folder / "large.txt").write_bytes(b"x" * 1_000_001)

    found = load(folder, "empty.txt", "gone.txt", "large.txt", "plain.txt", max_file_mb=1)

    assert [outcome(one) for one in found] == [
        ("empty.txt", Status.IGNORED, "is empty"),
        ("gone.txt", Status.FAILED, "could not be read: No such file or directory"),
        (
            "large.txt",
            Status.FAILED,
            "has 1,000,001 bytes, the limit is 1,000,000 (RAG_MAX_FILE_MB)",
        ),
        ("plain.txt", Status.INDEXED, ""),
    ]


def test_a_large_file_of_a_kind_that_is_not_read_is_ignored(folder: Path) -> None:
    video = folder / "film.mov"
    video.write_bytes(b"\0\0\0\x20ftypqt  " + b"\0" * 2_000_000)
    os.utime(video, (1_600_000_000, 1_600_000_000))
    time.sleep(2.1)  # until its signature is trusted

    (found,) = load(folder, "film.mov", max_file_mb=1)

    assert outcome(found) == ("film.mov", Status.IGNORED, "is a video, which is not read")
    assert found.row.signature is not None
    assert found.row.signature.size == 2_000_012


def test_more_text_than_the_limit_is_cut_and_said(folder: Path) -> None:
    (folder / "long.txt").write_text("Tea.\n" * 500_000)

    (found,) = load(folder, "long.txt", max_text_mb=1)

    assert outcome(found) == (
        "long.txt",
        Status.PARTIAL,
        "only the first 1,000,000 of 2,500,000 characters are read (RAG_MAX_TEXT_MB)",
    )
    assert len(found.document.text) == 1_000_000
    assert found.document.unread == pytest.approx(0.6)


def test_a_file_that_needs_too_much_memory_fails_alone(folder: Path) -> None:
    (folder / "wide.txt").write_text("\U0001fad6" * 20_000_000)

    found = load(folder, "wide.txt", "plain.txt", parse_memory_mb=256)

    assert [outcome(one) for one in found] == [
        (
            "wide.txt",
            Status.FAILED,
            "needs more than 256 MB of memory to read (RAG_PARSE_MEMORY_MB)",
        ),
        ("plain.txt", Status.INDEXED, ""),
    ]
    assert len(found[0].row.content_hash) == 32


def test_a_file_that_computes_too_long_fails_alone(folder: Path) -> None:
    (folder / "page.html").write_text("<p><b>tea</b> <i>water</i></p>" * 1_500_000)

    found = load(folder, "page.html", "plain.txt", parse_seconds=1)

    assert [outcome(one) for one in found] == [
        ("page.html", Status.FAILED, TOO_LONG.format(1)),
        ("plain.txt", Status.INDEXED, ""),
    ]


def test_what_is_no_file_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    (folder / "outside.txt").symlink_to(folder / "plain.txt")

    found = load(folder, "pipe.txt", "outside.txt")

    assert [one.row.reason for one in found] == [
        "is not a file",
        "could not be read: Too many levels of symbolic links",
    ]


@contextmanager
def send_to_reader(number: signal.Signals) -> Iterator[None]:
    """Send a signal to the process that reads a file, once it is at work."""
    done = threading.Event()

    def send() -> None:
        while not done.wait(0.02):
            for one in readers():
                if one.cpu_times().user > 0.5:
                    one.send_signal(number)
                    return

    thread = threading.Thread(target=send)
    thread.start()
    yield
    done.set()
    thread.join()


def readers() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [one for one in found if "ingest.sync.worker" in " ".join(one.cmdline())]


@pytest.mark.parametrize(
    ("number", "limits", "reason"),
    [
        pytest.param(signal.SIGSEGV, {"parse_seconds": 90}, "makes its parser crash", id="crash"),
        pytest.param(signal.SIGSTOP, {"parse_seconds": 2}, TOO_LONG.format(2), id="hang"),
    ],
)
def test_a_process_that_fails_costs_its_file_alone(
    folder: Path, number: signal.Signals, limits: dict[str, int], reason: str
) -> None:
    (folder / "page.html").write_text("<p>tea</p>" * 6_000_000)

    with send_to_reader(number):
        found = load(folder, "page.html", "plain.txt", **limits)

    assert [outcome(one) for one in found] == [
        ("page.html", Status.FAILED, reason),
        ("plain.txt", Status.INDEXED, ""),
    ]
    assert len(found[0].row.content_hash) == 32


def test_no_process_outlives_its_reader(folder: Path) -> None:
    load(folder, *["plain.txt"] * 10)
    assert readers() == []
