"""Damage the files of an index at random: what is served stays right or is refused."""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import faiss
from copies import Copy, Files
from corpus import answers, change_documents, word_embedding, write_documents
from kinds import corrupt
from outcome import Outcome

from ingest import Index, IndexSettings, StoreError, sync_folder, verify_index
from ingest.index import snapshot
from ingest.index.catalog import Catalog

LANES = 4
LIMIT = 2.0  # seconds of CPU: the machine may be busy
MENDED_EVERY = 20
DOCUMENTS = 30
ADDED = {"note": "The copper engine of the garden is silver.", "nota": "Não há ponte no porto."}
FILTERS = ({"source": "part1/*"}, {"language": "pt"}, {"by": "me"})

# What an index serves: hits of each question, texts of each source, and counts.
Served = list[Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """How one damaged index behaved; ``wrong`` is empty if it did well."""

    number: int
    kind: str
    result: str
    wrong: str = ""
    seconds: float = 0.0


def damage_files(count: int, folder: Path) -> Outcome:
    """Damage an index at rest, and one whose writer was killed, ``count`` times in all."""
    _in_child(lambda: _build(folder))
    trials = list(_run(count, folder))
    wrong = [trial for trial in trials if trial.wrong]
    results = Counter(f"{trial.kind} {trial.result}" for trial in trials)
    return Outcome(
        promise="a damaged index is refused, mended, or serves what it did",
        tried=len(trials),
        kept=len(trials) - len(wrong),
        breaks=tuple(f"corruption {t.number}: {t.kind}: {t.wrong}" for t in wrong),
        facts=(*sorted(results.items()), ("slowest, CPU s", max(t.seconds for t in trials))),
    )


def _build(folder: Path) -> None:
    """Make both indexes with a base file, a tail, removed entries and an earlier version."""
    (folder / "documents").mkdir(parents=True)
    write_documents(folder / "documents", DOCUMENTS, seed=1)
    (folder / "documents" / "binary.md").write_bytes(b"\0\1\2\3")
    settings = _settings(folder, "rest")
    sync_folder(settings)
    sync_folder(settings, rebuild=True)
    with closing(Index.open(settings.index, word_embedding())) as index:
        index.add_texts(list(ADDED.values()), [{"by": "me"}, {}], ids=list(ADDED))
    change_documents(folder / "documents", seed=2)
    sync_folder(settings)
    shutil.copytree(settings.index, folder / "killed")
    killed = _settings(folder, "killed")
    with closing(Index.open(killed.index, word_embedding())) as index:
        index.delete(["nota"])
        with patch.object(Catalog, "checkpoint", lambda catalog: None):
            index.add_texts([ADDED["nota"]], ids=["nota"])
        shutil.copytree(killed.index, folder / "copy")
    shutil.rmtree(killed.index)
    (folder / "copy").rename(killed.index)
    for name in ("rest", "killed"):
        served = serve(_settings(folder, _copied(folder, name, "reference")))
        (folder / f"{name}.json").write_text(json.dumps(served))


def _run(count: int, folder: Path) -> Iterator[Trial]:
    """Yield every trial; each lane is a process, begun again behind a trial that killed it."""
    ends = [count * (lane + 1) // LANES for lane in range(LANES)]
    begins = [0, *ends[:-1]]
    while any(begin < end for begin, end in zip(begins, ends, strict=True)):
        processes = [
            (lane, _fork(lambda: _lane(folder, lane, begins[lane], ends[lane])))  # noqa: B023
            for lane in range(LANES)
            if begins[lane] < ends[lane]
        ]
        for lane, process in processes:
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            done = folder / f"lane{lane}.jsonl"
            lines = done.read_text().splitlines() if done.exists() else []
            done.unlink(missing_ok=True)
            yield from (Trial(*json.loads(line)) for line in lines)
            begins[lane] += len(lines)
            if begins[lane] < ends[lane]:
                yield Trial(begins[lane], "any", "crashed", f"the process ended with {status}")
                begins[lane] += 1


def _lane(folder: Path, lane: int, begin: int, end: int) -> None:
    copies = {
        name: Copy(_settings(folder, _copied(folder, name, f"lane{lane}-{begin}")))
        for name in ("rest", "killed")
    }
    served = {name: json.loads((folder / f"{name}.json").read_text()) for name in copies}
    gc.freeze()
    with (folder / f"lane{lane}.jsonl").open("a") as done:
        for number in range(begin, end):
            signal.alarm(300)  # only stops what hangs
            name = "killed" if number % 4 == 3 else "rest"
            trial = _try(number, copies[name], served[name])
            fields = (trial.number, trial.kind, trial.result, trial.wrong, trial.seconds)
            done.write(json.dumps(fields) + "\n")
            done.flush()
            gc.collect()  # what a refused index leaves open must not see the files change
            copies[name].restore()


def _try(number: int, copy: Copy, expected: Served) -> Trial:
    choose = random.Random(number)
    kind, changed = corrupt(choose, copy.files)
    copy.write(changed)
    started = time.process_time()
    result, wrong = _ask(copy.settings, expected)
    seconds = time.process_time() - started
    what = ", ".join(changed)
    if not wrong and seconds > LIMIT:
        wrong = f"took {seconds:.1f} s"
    if not wrong and number % MENDED_EVERY == 0:
        wrong = _find(copy, changed) if result == "refused" else ""
        copy.write(changed)
        wrong = wrong or _sync(copy.settings, expected)
        copy.write(changed)
        wrong = wrong or _mend(copy.settings, expected)
        result += ", mended"
    return Trial(number, kind, result, wrong and f"{what}: {wrong}", seconds)


def _ask(settings: IndexSettings, expected: Served) -> tuple[str, str]:
    """Return "refused", "harmless" or "wrong", and what was wrong."""
    try:
        served = serve(settings)
    except StoreError as error:
        advice = "" if "run 'rag " in str(error) else f"no advice in: {error}"
        return "refused", advice
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    different = [part for part, was in zip(served, expected, strict=True) if part != was]
    return ("wrong", f"{len(different)} answers differ") if different else ("harmless", "")


def _find(copy: Copy, changed: Files) -> str:
    """Return what was wrong with a check of an index that was refused, if anything."""
    copy.write(changed)
    try:
        found = verify_index(copy.settings).damages
    except Exception as error:
        return f"verify: {type(error).__name__}: {error}"
    return "" if found else "verify found nothing"


def _sync(settings: IndexSettings, expected: Served) -> str:
    """Return what was wrong with a sync of the damaged index, if anything."""
    try:
        sync_folder(settings)
    except StoreError as error:
        return "" if "run 'rag " in str(error) else f"sync: no advice in: {error}"
    except Exception as error:
        return f"sync: {type(error).__name__}: {error}"
    result, wrong = _ask(settings, expected)
    return f"after a sync: {wrong}" if result == "wrong" and wrong else ""


def _mend(settings: IndexSettings, expected: Served) -> str:
    """Return what was wrong with the repair, if anything."""
    try:
        report = verify_index(settings, repair=True)
        again = verify_index(settings)
        served = serve(settings)
    except Exception as error:
        return f"repair: {type(error).__name__}: {error}"
    if again.damages:
        return f"found after the repair: {again.damages[0]}"
    lost = {damage.where for damage in report.damages if not damage.repaired}
    if lost:
        return _compare_texts(served, expected, lost)
    same = _alike(served[:-1], expected[:-1])
    return "" if same else "the repaired index answers otherwise"


def _alike(one: object, other: object) -> bool:
    """Compare what is served; other positions of the same vectors change the last bits."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 0.00011
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return one == other


def _compare_texts(served: Served, expected: Served, lost: set[str]) -> str:
    """Allow that added documents are missing which the report names as lost."""
    texts, was = served[-2], expected[-2]
    missing = {source for source, text in was.items() if texts.get(source) != text}
    if missing - set(ADDED):
        return f"lost {missing} although the files are there"
    named = any(source in place for source in missing for place in lost) or "catalog" in str(lost)
    return "" if named else f"lost {missing} and named {lost}"


def serve(settings: IndexSettings) -> Served:
    """Return all that an index says; the last item is what a repair may change."""
    embedding = word_embedding()
    found: Served = [[list(hit) for hit in hits] for hits in answers(settings, embedding)]
    with closing(Index.open(settings.index, embedding)) as index:
        for conditions in FILTERS:
            hits = index.candidates("river stone", 1000, conditions)
            found.append(sorted([c.row.source, c.row.ordinal, round(c.dense, 4)] for c in hits))
        nearest = index.similarity_search("engine", 5)
        found.append([[n.id, n.page_content, dict(n.metadata)] for n in nearest])
        status = index.status()
        found += [status.documents, status.chunks]
        found.append([[problem.source, problem.reason] for problem in status.failed])
        texts = {source: index.document(source) for source in _sources(settings)}
        found.append({source: found and found.text for source, found in texts.items()})
        found.append(status.generation)
    return found


def _sources(settings: IndexSettings) -> list[str]:
    folder = settings.documents
    return [*ADDED, "missing", *(str(p.relative_to(folder)) for p in sorted(folder.rglob("*.md")))]


def _settings(folder: Path, name: str) -> IndexSettings:
    return IndexSettings(documents=folder / "documents", index=folder / name)


def _copied(folder: Path, name: str, suffix: str) -> str:
    shutil.copytree(folder / name, folder / f"{name}-{suffix}")
    return f"{name}-{suffix}"


@contextmanager
def _quick_parts() -> Iterator[None]:
    """Put the quick model and a small base in the places of the real ones."""
    faiss.omp_set_num_threads(1)  # threads don't survive a fork
    with (
        patch("ingest.sync.folder_sync.embedding_model", lambda settings: word_embedding()),
        patch("ingest.maintenance.repair.embedding_model", lambda settings: word_embedding()),
        patch.object(snapshot, "TAIL_LIMIT", 45),
    ):
        yield


def _fork(work: Callable[[], None]) -> int:
    """Do the work in a child process; return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with _quick_parts():
            work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _in_child(work: Callable[[], None]) -> None:
    status = os.waitpid(_fork(work), 0)[1]
    if status:
        raise RuntimeError(f"the child process ended with {os.waitstatus_to_exitcode(status)}")
