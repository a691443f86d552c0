"""Several syncs and ``add_documents`` of one index at once, and writers killed while they hold it.

A round ends with a sync that began after the last edit of the folder. If that one succeeds, nothing
may be missing then, whichever sync came last.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

from corpus import answers, change_documents, word_embedding, write_documents
from outcome import Outcome
from processes import lock_holder, run_clean, same, start, use_word_embedding, wait

from ingest import Index, IndexBusyError, IndexSettings, embedding_model, sync_folder
from ingest.index import directory
from ingest.index.records import Origin

_BUSY = "another process is writing to the index"
_LONGEST_WAIT = 600.0  # only stops what hangs
_COMMAND_EVERY = 33
_ADDS = 4


@dataclass(frozen=True, slots=True)
class Round:
    """What one round does, and where.

    Attributes:
        writers: How many there are at once.
        kills: Whether the one that holds the lock is killed, twice if it can be caught.
        adds: Whether every other writer adds documents, and some syncs rebuild.
        impatient: Whether a writer that has to wait gives up soon.
        command: Whether each writer is the true command with the true embedding model.
    """

    number: int
    folder: Path
    writers: int
    kills: bool
    adds: bool
    impatient: bool
    command: bool

    @property
    def settings(self) -> IndexSettings:
        """The settings of its writers."""
        return IndexSettings(documents=self.folder / "documents", index=self.folder / "index")

    def log(self, writer: str) -> Path:
        """Return the file in which a writer tells what it has done."""
        return self.folder / f"{writer}.log"


def writers(count: int, folder: Path) -> Outcome:
    """Run ``count`` rounds of two and of eight writers."""
    return run_clean(_writers, count, folder)


def _writers(count: int, folder: Path) -> Outcome:
    use_word_embedding()
    breaks: list[str] = []
    kept, logs = 0, ""
    for this in _rounds(count, folder):
        problems = _run(this)
        kept += not problems
        breaks += [f"round {this.number}, {this.writers} writers: {line}" for line in problems]
        logs += "\n".join(path.read_text() for path in this.folder.glob("*.log"))
        shutil.rmtree(this.folder)
    return Outcome(
        promise="2 and 8 concurrent writers, lock holder killed: nothing lost, no stale lock",
        tried=count,
        kept=kept,
        breaks=tuple(breaks),
        facts=tuple(
            (f"writers {end}", logs.count(f"{end}\n")) for end in ("done", "busy", "killed")
        ),
    )


def _rounds(count: int, folder: Path) -> Iterator[Round]:
    """Yield rounds that differ in all ways, and now and then one of the true command."""
    for number in range(count):
        yield Round(
            number,
            folder / f"round{number}",
            writers=8 if number % 2 else 2,
            kills=number % 4 >= 2,
            adds=number % 8 >= 4,
            impatient=number % 3 == 2,
            command=number % _COMMAND_EVERY == _COMMAND_EVERY - 1,
        )


def _run(this: Round) -> list[str]:
    """Run a round; return what was wrong."""
    write_documents(this.settings.documents, 12, this.number)
    try:
        problems = _run_commands(this) if this.command else _run_children(this)
    except Exception:
        problems = [traceback.format_exc().replace("\n", " | ")]
    return problems or _check_lock(this) or _check_in_child(this)


def _run_children(this: Round) -> list[str]:
    choose = random.Random(this.number)
    if this.adds or choose.random() < 0.5:
        wait([start(sync_folder, this.settings)], _LONGEST_WAIT)
    children = {}
    for n in range(this.writers - 1):
        name = f"writer{n}"
        adds, rebuild = this.adds and n % 2 == 0, this.adds and choose.random() < 0.3
        children[name] = start(_add, this, name) if adds else start(_sync, this, name, rebuild)
        time.sleep(choose.uniform(0, 0.04))
        if choose.random() < 0.6:
            change_documents(this.settings.documents, choose.randrange(1000))
    children["last"] = start(_sync, this, "last", False)
    killed = _kill_holders(this, {child.pid for child in children.values()}, choose)
    hung = wait(list(children.values()), _LONGEST_WAIT)
    for name, child in children.items():
        if child.pid in killed and child.exitcode == -signal.SIGKILL:
            _note(this.log(name), "killed")
    return ["a writer never ended"] * hung + [
        line for name in children for line in _judge(name, this.log(name).read_text())
    ]


def _run_commands(this: Round) -> list[str]:
    """Run the true command in each writer."""
    command = [sys.executable, "-m", "rag_app", "index", str(this.settings.documents)]
    command += ["--index", str(this.settings.index), "--quiet"]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(this.writers)
    ]
    choose = random.Random(this.number)
    killed = _kill_holders(this, {process.pid for process in running}, choose, patience=20)
    problems = []
    for n, process in enumerate(running):
        _, said = process.communicate(timeout=_LONGEST_WAIT)
        busy = process.returncode == 3 and _BUSY in said
        ended = process.returncode == 0 or busy or process.pid in killed
        problems += [] if ended else [f"the command ended with {process.returncode}: {said}"]
        _note(this.log(f"command{n}"), {0: "done", 3: "busy"}.get(process.returncode, "killed"))
    return problems


def _kill_holders(
    this: Round, pids: set[int | None], choose: random.Random, patience: float = 0.3
) -> set[int]:
    """Kill the writer that holds the lock, at a random moment, once or twice; return which."""
    killed: set[int] = set()
    for _ in range(choose.randint(1, 2) if this.kills else 0):
        deadline = time.monotonic() + patience
        holder = None
        while holder is None and time.monotonic() < deadline:
            time.sleep(choose.uniform(0, 0.02))
            holder = lock_holder(this.settings.index / "lock")
        if holder in pids and holder is not None:
            os.kill(holder, signal.SIGKILL)
            killed.add(holder)
    return killed


def _sync(this: Round, name: str, rebuild: bool) -> None:
    _tell(this, name, lambda: sync_folder(this.settings, rebuild=rebuild))


def _add(this: Round, name: str) -> None:
    """Add documents one by one with the same open index, whatever happens to the index."""

    def add(index: Index, added: str) -> None:
        index.add_texts([f"added river stone {added}"], ids=[added])
        _note(this.log(name), f"added {added}")

    with closing(Index.open(this.settings.index, word_embedding())) as index:
        for n in range(_ADDS):
            _tell(this, name, partial(add, index, f"{name}-{n}"))


def _tell(this: Round, name: str, write: Callable[[], object]) -> None:
    """Write, and note how that ended."""
    if this.impatient:
        directory.LOCK_TIMEOUT = 0.05
    try:
        write()
    except IndexBusyError as error:
        _note(this.log(name), "busy" if _BUSY in str(error) else f"broke: {error}")
    except Exception:
        _note(this.log(name), "broke: " + traceback.format_exc().replace("\n", " | "))
    else:
        _note(this.log(name), "done")


def _note(log: Path, line: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def _judge(name: str, log: str) -> list[str]:
    """Return what is wrong with what a writer noted."""
    lines = log.splitlines()
    broke = [f"{name} {line}" for line in lines if line.startswith("broke")]
    return broke if lines else [f"{name} ended without a word"]


def _check_lock(this: Round) -> list[str]:
    """Return what is wrong if the next writer does not get the lock at its first try."""
    try:
        with patch.object(directory, "LOCK_TIMEOUT", 0), directory.write_lock(this.settings.index):
            return []
    except IndexBusyError:
        return ["the lock is still held when all writers have ended"]


def _check_in_child(this: Round) -> list[str]:
    """Return what a child says is missing from the index."""
    problems = this.folder / "problems"
    child = start(_check, this, problems)
    wait([child], _LONGEST_WAIT)
    return problems.read_text().splitlines() if problems.exists() else ["the index can't be read"]


def _check(this: Round, problems: Path) -> None:
    try:
        found = list(_find_problems(this))
    except Exception:
        found = [traceback.format_exc().replace("\n", " | ")]
    problems.write_text("\n".join(found))


def _find_problems(this: Round) -> Iterator[str]:
    """Yield how the index differs from a clean one, after one more sync if the last had failed."""
    embedding = embedding_model(this.settings) if this.command else word_embedding()
    sync = partial(sync_folder, embedding=embedding)
    if this.command or "done" not in this.log("last").read_text():
        sync(this.settings)
    with closing(Index.open(this.settings.index, embedding)) as index:
        added = [row.source for row in index.documents(Origin.ADDED)]
    noted = {line for log in this.folder.glob("*.log") for line in log.read_text().splitlines()}
    for line in noted:
        if line.startswith("added ") and line.removeprefix("added ") not in added:
            yield f"what was {line} is lost"
    clean = this.settings.model_copy(update={"index": this.folder / "clean"})
    sync(clean)
    with closing(Index.open(clean.index, embedding)) as index:
        index.add_texts([f"added river stone {name}" for name in added], ids=added)
    found, expected = answers(this.settings, embedding), answers(clean, embedding)
    for one, other in zip(found, expected, strict=True):
        if not same(one, other):
            missing = sorted({hit[0] for hit in other} - {hit[0] for hit in one})
            more = sorted({hit[0] for hit in one} - {hit[0] for hit in other})
            yield f"differs from a clean index: without {missing}, with {more}"
            return
