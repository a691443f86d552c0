"""Processes that are killed while they write to an index, and what the index is then.

Each kind of change is killed at every call by which it changes the index folder, before the call
and in the middle of a write, and at random moments. The index has to give wholly the answers of a
committed state, and the same change made again has to end like a clean build, without embedding
anything that was committed before.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from changes import CHANGES
from corpus import QUESTIONS, change_documents, write_documents
from outcome import Outcome
from processes import run_clean, start, use_word_embedding
from reference import LONGEST, Reference, copy_index, leftovers, load_reference, prepare
from shim import WRITE, arm, compile_shim, preloaded

from ingest import IndexSettings

_RANDOM_SHARE = 0.2
_ATTEMPTS = 20
_SOONER = 0.7
_COMMANDS_AT_ONCE = 2
_SEARCHES = """
import sys
from rag_app.cli import main
for question in sys.argv[2:]:
    if code := main(["search", question, "--index", sys.argv[1], "--json"]):
        sys.exit(code)
    print(end="\\0")
"""


@dataclass(frozen=True, slots=True)
class Kill:
    """A change, and when it is killed.

    Attributes:
        change: Its place in ``CHANGES``.
        number: Tells the kills apart.
        call: The call to be killed at, counted from 1; None is a random moment.
        halfway: Whether to kill when half of a write is done.
        seed: Of the random moment.
    """

    change: int
    number: int = 0
    call: int | None = None
    halfway: bool = False
    seed: int = 0

    def __str__(self) -> str:
        moment = f"random moment {self.seed}" if self.call is None else f"call {self.call}"
        return f"{CHANGES[self.change].name}, {moment}{' halfway' * self.halfway}"


def kills(count: int, folder: Path) -> Outcome:
    """Kill ``count`` changes: most at a call, every call if there are enough, some at random."""
    with preloaded(compile_shim(folder)):
        return run_clean(_kills, count, folder)


def command_kills(count: int, folder: Path) -> Outcome:
    """Kill ``count`` runs of the true command, with the true embedding model, at random moments."""
    documents, index, clean = folder / "documents", folder / "index", folder / "clean"
    write_documents(documents, 4, seed=7)
    _index(documents, index)
    before = _search(index)
    change_documents(documents, seed=8)
    started = time.monotonic()
    _index(documents, clean)
    seconds, after = time.monotonic() - started, _search(clean)
    choose = random.Random(count)
    waits = [seconds * choose.uniform(0.2, 1) for _ in range(count)]

    def kill(number: int) -> str:
        killed = shutil.copytree(index, folder / f"killed{number}")
        child = subprocess.Popen(_command(documents, killed), stdout=subprocess.DEVNULL)
        time.sleep(waits[number])
        child.kill()
        child.wait()
        if _search(killed) not in (before, after):
            return "neither the old nor the new answers"
        _index(documents, killed)
        return "" if _search(killed) == after and not leftovers(killed) else "no clean build"

    with ThreadPoolExecutor(_COMMANDS_AT_ONCE) as pool:
        problems = list(pool.map(kill, range(count)))
    breaks = [
        f"'rag index' killed after {waits[n]:.2f} s: {p}" for n, p in enumerate(problems) if p
    ]
    return Outcome(
        promise="a killed 'rag index' leaves the old or the new answers",
        tried=count,
        kept=count - len(breaks),
        breaks=tuple(breaks),
        facts=(("seconds of a run", round(seconds, 1)),),
    )


def _kills(count: int, folder: Path) -> Outcome:
    use_word_embedding()
    numbers = range(len(CHANGES))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        references = list(pool.map(prepare, numbers, [folder] * len(CHANGES)))
        at_calls = list(_calls(references))
        chosen = [replace(kill, number=n) for n, kill in enumerate(_choose(at_calls, count))]
        problems = list(pool.map(_try, chosen, [folder] * count))
    breaks = [
        f"{kill}: {problem}" for kill, problem in zip(chosen, problems, strict=True) if problem
    ]
    breaks += [flaw for number in numbers if (flaw := references[number].flaw(CHANGES[number]))]
    tried = [kill for kill in chosen if kill.call is not None]
    return Outcome(
        promise="a killed change leaves a committed state; the next ends like a clean build",
        tried=count,
        kept=max(0, count - len(breaks)),
        breaks=tuple(breaks),
        facts=(
            ("kinds of change", len(CHANGES)),
            ("killed at a call", len(tried)),
            ("calls not killed at", len(at_calls) - len(tried)),
            ("killed at random", count - len(tried)),
            ("committed states", sum(len(reference.states) for reference in references)),
        ),
    )


def _calls(references: list[Reference]) -> Iterator[Kill]:
    """Yield every kill at a call; without a C compiler there is none."""
    for change, reference in enumerate(references):
        for call, kind in enumerate(reference.calls, start=1):
            yield Kill(change, call=call)
            if kind == WRITE:
                yield Kill(change, call=call, halfway=True)


def _choose(at_calls: list[Kill], count: int) -> Iterator[Kill]:
    """Yield ``count`` kills: at all calls or as many as fit, and the rest at random moments."""
    choose = random.Random(count)
    fitting = min(len(at_calls), round(count * (1 - _RANDOM_SHARE)))
    yield from choose.sample(at_calls, fitting)
    for number in range(count - fitting):
        yield Kill(number % len(CHANGES), seed=choose.randrange(10**6))


def _try(kill: Kill, folder: Path) -> str:
    """Return what was wrong after a kill, or an empty string."""
    reference = load_reference(kill.change, folder)
    for attempt in range(_ATTEMPTS):
        copy = folder / f"killed{kill.number}-{attempt}"
        settings = copy_index(kill.change, folder, copy)
        if _kill(kill, attempt, settings, reference.seconds):
            break
        shutil.rmtree(copy)
    else:
        return "it always ended before the kill"
    result = folder / f"result{kill.number}"
    child = start(_judge, kill, settings, reference, result)
    child.join(LONGEST)
    if child.exitcode is None:
        child.kill()
        return "the next change never ends"
    problem = result.read_text("utf-8") if result.exists() else f"crashed: {child.exitcode}"
    if not problem:
        shutil.rmtree(copy)
    return problem


def _kill(kill: Kill, attempt: int, settings: IndexSettings, seconds: float) -> bool:
    """Make the change in a process and kill it; return whether it was killed."""
    child = start(_make, kill, settings)
    if kill.call is None:
        # Sooner after each attempt that ended before: the change may take less time than it did.
        share = random.Random(kill.seed * _ATTEMPTS + attempt).random() * _SOONER**attempt
        time.sleep(seconds * share)
        child.kill()
    child.join(LONGEST)
    return child.exitcode == -signal.SIGKILL


def _make(kill: Kill, settings: IndexSettings) -> None:
    change = CHANGES[kill.change]
    change.lower_limits()
    if kill.call is not None:
        arm(settings.index, kill.call, kill.halfway)
    change.make(settings)


def _judge(kill: Kill, settings: IndexSettings, reference: Reference, result: Path) -> None:
    """Write what is wrong with an index after a kill."""
    change = CHANGES[kill.change]
    change.lower_limits()
    try:
        problem = reference.problem(change, settings)
    except Exception:
        problem = traceback.format_exc().replace("\n", " | ")
    result.write_text(problem, "utf-8")


def _command(documents: Path, index: Path) -> list[str]:
    return [*(sys.executable, "-m", "rag_app", "index", str(documents)), "--index", str(index)]


def _index(documents: Path, index: Path) -> None:
    subprocess.run(_command(documents, index), check=True, stdout=subprocess.DEVNULL)


def _search(index: Path) -> list[object]:
    """Return what is found; the last digits of a score depend on what was embedded together."""
    command = [sys.executable, "-c", _SEARCHES, str(index), *QUESTIONS[:2]]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    return [
        json.loads(text, parse_float=lambda number: round(float(number), 3))
        for text in found.split("\0")[:-1]
    ]
