"""What a person sees of a run of ``rag index``, and what is left of one that is interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import Rag
from test_cli_terminal import on_a_terminal

from ingest import SyncProgress, SyncStage
from ingest.__main__ import main as ingest_main
from rag_app.cli.progress_bar import Pace

BERTHS = 7
# Every document is a commit, and after the third the run waits to be interrupted.
_WAIT_AT_THE_THIRD = """
import signal, sys
import ingest.sync.folder_sync
from rag_app.app import RagApp
signal.signal(signal.SIGINT, signal.default_int_handler)
ingest.sync.folder_sync._BATCH_CHARACTERS = 1
index = RagApp.index
def index_and_wait(app, folder=None, *, progress, **options):
    def wait(step):
        if step.source == "berth3.txt" and step.files_done == 3:
            print("three", flush=True)
            sys.stdin.read()
    return index(app, folder, progress=wait, **options)
RagApp.index = index_and_wait
from rag_app.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def berths(bare_environment: Path) -> Path:
    folder = bare_environment / "berths"
    folder.mkdir()
    for number in range(BERTHS):
        (folder / f"berth{number}.txt").write_text(f"Berth {number} is {number + 3} metres deep.")
    return folder


def interrupt(*arguments: str) -> tuple[int, str, str]:
    """Start a run and send it a real SIGINT; return its exit code and what it printed then."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _WAIT_AT_THE_THIRD, "index", "berths", *arguments]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "three\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_ctrl_c_keeps_what_was_committed_and_the_next_run_does_the_rest(
    rag_alone: Rag, berths: Path
) -> None:
    assert interrupt("--index", "i") == (
        130,
        "",
        "interrupted: 3 documents are in the index, run 'rag index' again to continue\n",
    )
    assert json.loads(rag_alone("status", "--index", "i", "--json").out)["documents"] == 3

    report = json.loads(rag_alone("index", "berths", "--index", "i", "--json").out)

    assert (report["new"], report["unchanged"]) == (BERTHS - 3, 3)
    assert (report["chunks"], report["embedded"]) == (BERTHS - 3, BERTHS - 3)
    assert json.loads(rag_alone("verify", "--index", "i", "--json").out)["damages"] == []
    found = json.loads(rag_alone("search", "berth 6", "--index", "i", "--json").out)
    assert found[0]["source"] == "berth6.txt"


def test_ctrl_c_in_a_rebuild_leaves_the_index_as_it_was(rag_alone: Rag, berths: Path) -> None:
    rag_alone("index", "berths", "--index", "i")
    assert interrupt("--index", "i", "--rebuild") == (
        130,
        "",
        "interrupted: the index is unchanged, run 'rag index --rebuild' again to rebuild it\n",
    )
    held = json.loads(rag_alone("status", "--index", "i", "--json").out)
    assert held["documents"] == BERTHS
    assert [path.name for path in Path("i").iterdir() if path.is_dir()] == ["v1"]


def test_ctrl_c_before_the_first_commit_says_that_nothing_is_there(
    rag_alone: Rag, berths: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ingest.sync.workers.Workers.load", stop)
    run = rag_alone("index", "berths", "--index", "i")
    assert (run.code, run.out) == (130, "")
    assert (
        run.err == "interrupted: 0 documents are in the index, run 'rag index' again to continue\n"
    )


def test_the_command_of_the_index_side_ends_in_one_sentence_too(
    berths: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ingest.sync.workers.Workers.load", stop)
    monkeypatch.setattr("sys.argv", ["ingest", "berths", "--index", "i"])
    assert ingest_main() == 130
    assert capsys.readouterr() == (
        "",
        "interrupted: committed changes are kept, run it again to continue\n",
    )


def test_a_bar_shows_chunks_and_files_and_is_gone_at_the_end(rag_alone: Rag, berths: Path) -> None:
    shown = on_a_terminal(["index", "berths", "--index", "i"])
    assert f"{BERTHS} of {BERTHS} chunks, {BERTHS} of {BERTHS} files" in shown
    assert re.search("committing *\x1b", shown)
    bar, _, rest = shown.rpartition("\x1b[2K")  # the line of the bar is erased,
    assert "chunks" in bar
    assert re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", rest).startswith(f"files: {BERTHS} new; ")


def test_without_a_terminal_a_long_run_prints_lines(
    rag_alone: Rag, berths: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_app.cli.progress_bar.FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr("rag_app.cli.progress_bar.LINE_SECONDS", 0.0)
    run = rag_alone("index", "berths", "--index", "i")
    assert run.out.startswith(f"files: {BERTHS} new; ")
    lines = run.err.splitlines()
    assert lines[0] == f"0 chunks, 0 of {BERTHS} files (reading berth0.txt)"
    assert lines[-1] == f"{BERTHS} of {BERTHS} chunks, {BERTHS} of {BERTHS} files (committing)"
    assert "\x1b" not in run.err
    assert rag_alone("index", "berths", "--index", "i").err == ""  # nothing to read
    quiet = rag_alone("index", "berths", "--index", "j", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")


def test_lines_come_every_few_seconds_and_not_in_a_short_run(
    rag_alone: Rag, berths: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr("rag_app.cli.progress_bar._clock", lambda: float(next(ticks)))
    steps = [SyncProgress(one, 40, one * 3, 120, SyncStage.EMBEDDING, "a.md") for one in range(41)]

    def replay(app: object, *, progress: object, **options: object) -> None:
        assert callable(progress)
        for step in steps[: int(os.environ["STEPS"])]:
            progress(step)
        raise KeyboardInterrupt

    monkeypatch.setattr("rag_app.app.RagApp.index", replay)
    monkeypatch.setenv("STEPS", "5")
    assert rag_alone("index", "berths", "--index", "i").err.count("\n") == 1
    monkeypatch.setenv("STEPS", "41")
    lines = rag_alone("index", "berths", "--index", "i").err.splitlines()[:-1]
    assert lines[0].startswith("27 of about 120 chunks, 9 of 40 files, ")
    assert all(re.search(r", \d+ s left \(embedding a\.md\)$", line) for line in lines)
    assert 4 <= len(lines) <= 7


@pytest.mark.parametrize(
    ("now", "done", "total", "files", "counts"),
    [
        (0.0, 0, None, 0, "0 chunks, 0 of 88 files"),
        (9.0, 60, 240, 12, "60 of about 240 chunks, 12 of 88 files, 27 s left"),
        (60.0, 240, 1_920, 12, "240 of about 1,920 chunks, 12 of 88 files, 7 min left"),
        (7_200.0, 10_000, 40_000, 30, "10,000 of about 40,000 chunks, 30 of 88 files, 6 h left"),
        (60.0, 1_900, 2_000, 88, "1,900 of 2,000 chunks, 88 of 88 files, 3 s left"),
        (60.0, 2_000, 2_000, 88, "2,000 of 2,000 chunks, 88 of 88 files"),
    ],
)
def test_the_time_left_follows_from_the_chunks(
    now: float,
    done: int,
    total: int | None,
    files: int,
    counts: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rag_app.cli.progress_bar._clock", lambda: 0.0)
    pace = Pace()
    monkeypatch.setattr("rag_app.cli.progress_bar._clock", lambda: now)
    assert pace.counts(SyncProgress(files, 88, done, total)) == counts


def test_the_bar_never_goes_back_when_more_is_expected() -> None:
    pace = Pace()
    steps = [(50, 100), (60, 400), (250, 400), (400, 400)]
    shown = [pace.done(SyncProgress(1, 2, done, total)) for done, total in steps]
    assert shown == [0.5, 0.5, 0.625, 1.0]
