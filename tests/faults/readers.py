"""Readers that ask without a pause while the whole corpus changes under them.

Every state of the corpus is known, with what a clean index of it answers. So an answer is right if
it is wholly that of one state, and that state is no older than the one the last finished sync made.
"""

from __future__ import annotations

import multiprocessing
import pickle
import random
import re
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from corpus import QUESTIONS, WORDS, Hits, answers, hits, word_embedding
from outcome import Outcome
from processes import open_files, run_clean, same, start, use_word_embedding, wait

from ingest import Index, IndexSettings, sync_folder
from ingest.index import snapshot

THREADS = 8
PROCESSES = 4
_ALL = 10_000
_REBUILD_EVERY = 7
_TAIL_LIMIT = 20
_MOST_OPEN_FILES = 100
_LONGEST_RUN = 900

Expected = dict[int, list[Hits]]


@dataclass(slots=True)
class Asked:
    """What one reader saw."""

    answers: int = 0
    states: set[int] = field(default_factory=set)
    breaks: list[str] = field(default_factory=list)
    slowest: float = 0.0
    open_files: int = 0


def readers(count: int, folder: Path) -> Outcome:
    """Ask from eight threads and four processes through ``count`` syncs."""
    return run_clean(_readers, count, folder)


def _readers(count: int, folder: Path) -> Outcome:
    use_word_embedding()
    snapshot.TAIL_LIMIT = _TAIL_LIMIT
    settings = IndexSettings(documents=folder / "documents", index=folder / "index")
    write_state(settings.documents, 0)
    wait([start(sync_folder, settings), start(_expect, count, folder)], _LONGEST_RUN)
    expected = pickle.loads((folder / "expected").read_bytes())
    done = multiprocessing.get_context("fork").Value("q", 0)
    asking = [
        start(_ask_as_process, settings, expected, done, folder / f"asked{n}", n)
        for n in range(PROCESSES)
    ]
    asking.append(start(_ask_as_threads, settings, expected, done, folder / "asked-threads"))
    syncing = start(_sync, settings, done, count)
    hung = wait([syncing], _LONGEST_RUN)
    failed = syncing.exitcode != 0
    done.value = -1
    hung += wait(asking, _LONGEST_RUN)
    asked = [one for path in folder.glob("asked*") for one in pickle.loads(path.read_bytes())]
    breaks = [line for one in asked for line in one.breaks]
    breaks += ["a sync failed"] * failed + ["a reader or a sync never ended"] * hung
    tried = sum(one.answers for one in asked)
    return Outcome(
        promise="8 threads and 4 processes ask through syncs: no error, no mixed or older answer",
        tried=tried,
        kept=tried - sum(len(one.breaks) for one in asked),
        breaks=tuple(breaks),
        facts=(
            ("syncs", count),
            ("states seen", len(set().union(*(one.states for one in asked)))),
            ("slowest answer, s", round(max((one.slowest for one in asked), default=0), 3)),
            ("most open files", max((one.open_files for one in asked), default=0)),
        ),
    )


def documents(state: int) -> Iterator[tuple[str, str]]:
    """Yield the files of a state: some change with it, some move, some come and go."""
    for n in range(12):
        yield f"document{n}.md", f"State {state}. {_words(state * 100 + n)}"
    for n in range(3):
        yield f"moved{n}-{state}.md", f"Kept {n}. {_words(n)}"
    for n in range(state % 4):
        yield f"passing{n}.md", f"Passing. {_words(state * 100 + 50 + n)}"


def write_state(folder: Path, state: int) -> None:
    """Make the folder hold the files of a state; what only moved is renamed."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("moved*"):
        path.rename(folder / f"{path.name.split('-')[0]}-{state}.md")
    wanted = dict(documents(state))
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        if not name.startswith("moved") or not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")


def _words(seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=25)) + "."


def _expect(count: int, folder: Path) -> None:
    """Find out what a clean index of each state answers."""
    embedding, expected = word_embedding(), {}
    for state in range(count + 1):
        settings = IndexSettings(
            documents=folder / "expecting" / f"documents{state}",
            index=folder / "expecting" / f"index{state}",
        )
        settings.documents.mkdir(parents=True)
        write_state(settings.documents, state)
        sync_folder(settings)
        expected[state] = answers(settings, embedding)
    (folder / "expected").write_bytes(pickle.dumps(expected))


def _sync(settings: IndexSettings, done: Synchronized[int], count: int) -> None:
    for state in range(1, count + 1):
        write_state(settings.documents, state)
        sync_folder(settings, rebuild=state % _REBUILD_EVERY == 0)
        done.value = state


def _ask_as_process(
    settings: IndexSettings, expected: Expected, done: Synchronized[int], path: Path, number: int
) -> None:
    """Ask with an index of one's own; every other process opens it anew for each question."""
    embedding, asked, choose = word_embedding(), Asked(), random.Random(number)
    index = Index.open(settings.index, embedding)
    while done.value >= 0:
        if number % 2:
            index.close()
            index = Index.open(settings.index, embedding)
        _ask(index, expected, done, choose, asked)
    asked.open_files = open_files()
    index.close()
    path.write_bytes(pickle.dumps([asked]))


def _ask_as_threads(
    settings: IndexSettings, expected: Expected, done: Synchronized[int], path: Path
) -> None:
    """Ask from threads that share an index; the first two end after each question."""
    asked = [Asked() for _ in range(THREADS)]
    with closing(Index.open(settings.index, word_embedding())) as index:

        def ask(number: int) -> None:
            choose = random.Random(100 + number + asked[number].answers)
            _ask(index, expected, done, choose, asked[number])

        def ask_on(number: int) -> None:
            while done.value >= 0:
                ask(number)

        lasting = [threading.Thread(target=ask_on, args=(n,)) for n in range(2, THREADS)]
        _start(lasting)
        while done.value >= 0:
            passing = [threading.Thread(target=ask, args=(n,)) for n in range(2)]
            _start(passing)
            _join(passing)
        _join(lasting)
        asked[0].open_files = open_files()
    if asked[0].open_files > _MOST_OPEN_FILES:
        asked[0].breaks.append(f"{asked[0].open_files} files are open")
    path.write_bytes(pickle.dumps(asked))


def _start(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def _ask(
    index: Index, expected: Expected, done: Synchronized[int], choose: random.Random, asked: Asked
) -> None:
    """Ask one question; note a break unless all hits are of one state that is new enough."""
    question = choose.randrange(len(QUESTIONS))
    oldest, started = done.value, time.monotonic()
    try:
        found = hits(index, QUESTIONS[question])
        asked.slowest = max(asked.slowest, time.monotonic() - started)
        problem = _judge(found, expected, question, oldest, asked.states)
        if not problem and choose.random() < 0.1:
            problem = _look(index, oldest)
    except Exception:
        problem = traceback.format_exc().replace("\n", " | ")
    asked.answers += 1
    if problem:
        asked.breaks.append(problem)


def _judge(
    found: Hits, expected: Expected, question: int, oldest: int, states: set[int]
) -> str | None:
    """Return what is wrong with an answer, or None, and add its state to ``states``."""
    named = {int(match[1]) for hit in found if (match := re.match(r"State (\d+)", hit[3]))}
    if len(named) != 1:
        return f"an answer mixes the states {sorted(named)}"
    state = named.pop()
    if not same(found, expected[state][question]):
        return f"an answer of state {state} is not what a clean index answers"
    if state < oldest:
        return f"an answer is of state {state} after state {oldest} was complete"
    states.add(state)
    return None


def _look(index: Index, oldest: int) -> str | None:
    """Look at the index in the other ways there are; return what is wrong."""
    document = index.document("document0.md")
    state = int(document.text.split()[1].rstrip(".")) if document else -1
    if state < oldest:
        return f"a document is of state {state} after state {oldest} was complete"
    status = index.status()
    if not 15 <= status.documents <= 18:
        return f"the status counts {status.documents} documents"
    return None
