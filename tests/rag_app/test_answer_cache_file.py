from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from rag_app.answer_cache import CacheFile

WRITER = """
import sys
from pathlib import Path
from rag_app.answer_cache import CacheFile
ledger = CacheFile(Path(sys.argv[1]))
print("ready", flush=True)
for n in range(int(sys.argv[2])):
    ledger.keep(f"{sys.argv[3]}{n}".encode(), b"x" * 5000)
    ledger.count({"questions": 1})
"""


@pytest.fixture
def ledger(tmp_path: Path) -> CacheFile:
    return CacheFile(tmp_path / "answers.sqlite")


def writer(ledger: CacheFile, count: int, prefix: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(ledger.path), str(count), prefix]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout as said:
        assert said.readline() == "ready\n"
    return process


def integrity(ledger: CacheFile) -> str:
    with closing(sqlite3.connect(ledger.path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def test_what_was_kept_is_found_by_its_key_alone(ledger: CacheFile) -> None:
    ledger.keep(b"a", b"one")
    ledger.keep(b"b", b"two")
    ledger.keep(b"a", b"three")
    assert [ledger.find(key) for key in (b"a", b"b", b"c")] == [b"three", b"two", None]


def test_totals_add_up(ledger: CacheFile) -> None:
    assert ledger.totals() == {}
    assert not ledger.path.exists()
    ledger.count({"questions": 1, "cost": 0.25})
    ledger.count({"questions": 1, "input_tokens": 7})
    assert ledger.totals() == {"questions": 2, "cost": 0.25, "input_tokens": 7}


def test_the_oldest_answers_make_room(tmp_path: Path) -> None:
    ledger = CacheFile(tmp_path / "answers.sqlite", most=3)
    for n in range(5):
        ledger.keep(f"{n}".encode(), b"x")
    assert [n for n in range(5) if ledger.find(f"{n}".encode())] == [2, 3, 4]


def test_the_file_is_the_users_alone(ledger: CacheFile) -> None:
    before = os.umask(0)
    try:
        ledger.keep(b"a", b"one")
    finally:
        os.umask(before)
    assert ledger.path.stat().st_mode & 0o777 == 0o600


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def other_tables(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE answers (question TEXT)")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"no database" * 500), id="other content"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: overwrite(path, 0, b"\0" * 100), id="no header"),
        pytest.param(lambda path: overwrite(path, 4096, b"\xff" * 4096 * 20), id="torn pages"),
        pytest.param(lambda path: os.truncate(path, 5000), id="cut"),
        pytest.param(other_tables, id="other tables"),
    ],
)
def test_a_damaged_file_is_made_anew(ledger: CacheFile, damage: object) -> None:
    for n in range(20):
        ledger.keep(f"{n}".encode(), b"x" * 4000)
    damage(ledger.path)  # type: ignore[operator]
    assert ledger.find(b"7") is None
    ledger.keep(b"7", b"new")
    ledger.count({"questions": 1})
    assert (ledger.find(b"7"), ledger.totals()["questions"]) == (b"new", 1)
    assert integrity(ledger) == "ok"


def test_a_row_that_is_not_what_was_written_is_not_found(ledger: CacheFile) -> None:
    ledger.keep(b"a", b"The pond was dug in 1998.")
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content.replace(b"in 1998", b"in 1066"))
    assert ledger.find(b"a") is None


def test_a_place_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "folder.sqlite"
    folder.mkdir()
    for path in (folder, tmp_path / "missing" / "answers.sqlite"):
        ledger = CacheFile(path)
        ledger.keep(b"a", b"one")
        ledger.count({"questions": 1})
        assert (ledger.find(b"a"), ledger.totals()) == (None, {})


def test_a_locked_file_costs_a_second_and_is_not_dropped(
    ledger: CacheFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.keep(b"a", b"one")
    connect, patience = sqlite3.connect, list[float]()

    def noted(path: Path, timeout: float) -> sqlite3.Connection:
        patience.append(timeout)
        return connect(path, timeout=timeout)

    with closing(sqlite3.connect(ledger.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", noted)
            assert ledger.find(b"a") is None
        assert patience == [1.0]
        other.rollback()
    assert ledger.find(b"a") == b"one"


def test_writers_in_processes_and_threads_lose_nothing(ledger: CacheFile) -> None:
    processes = [writer(ledger, 60, prefix) for prefix in "ab"]
    threads = [
        threading.Thread(target=lambda: [ledger.count({"questions": 1}) for _ in range(60)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(300) for process in processes] == [0, 0]
    assert ledger.totals() == {"questions": 360}
    assert all(ledger.find(f"{prefix}{n}".encode()) for prefix in "ab" for n in range(60))


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.05])
def test_a_killed_writer_leaves_whole_answers(ledger: CacheFile, delay: float) -> None:
    process = writer(ledger, 100_000, "a")
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    ledger.keep(b"after", b"one")
    found = [ledger.find(f"a{n}".encode()) for n in range(5000)]
    assert set(found) <= {None, b"x" * 5000}
    assert (ledger.find(b"after"), integrity(ledger)) == (b"one", "ok")
