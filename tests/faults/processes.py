"""Processes for the harness: a clean parent, and children that are forked from it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

from corpus import Hits, word_embedding
from outcome import Outcome, Trial

import ingest.sync.folder_sync

_FORK = multiprocessing.get_context("fork")


def run_clean(trial: Trial, count: int, folder: Path) -> Outcome:
    """Run a trial in a new process: one that has threads already must not be forked."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(trial, count, folder).result()


def use_word_embedding() -> None:
    """Let every sync of this process, and of those forked from it, use the quick model."""
    model = word_embedding()
    vars(ingest.sync.folder_sync)["embedding_model"] = lambda settings: model


def start(target: Callable[..., object], *arguments: object) -> BaseProcess:
    """Start a forked child."""
    child = _FORK.Process(target=target, args=arguments)
    child.start()
    return child


def wait(children: list[BaseProcess], seconds: float) -> int:
    """Wait until all have ended, kill those that don't, and return how many that were."""
    for child in children:
        child.join(seconds)
    hung = [child for child in children if child.exitcode is None]
    for child in hung:
        child.kill()
        child.join()
    return len(hung)


def lock_holder(lock: Path) -> int | None:
    """Return the process that holds a file lock, as Linux tells in ``/proc/locks``."""
    if not lock.exists():
        return None
    inode = str(lock.stat().st_ino)
    for line in Path("/proc/locks").read_text("ascii").splitlines():
        fields = line.split()
        if "->" not in fields and fields[5].rpartition(":")[2] == inode:
            return int(fields[4])
    return None


def open_files() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def same(found: Hits, expected: Hits) -> bool:
    """Return whether two answers hold the same chunks with the same scores.

    The last digit of a cosine may depend on how many vectors are multiplied at once.
    """
    return [hit[:4] for hit in found] == [hit[:4] for hit in expected] and all(
        abs(a - b) < 2e-4
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one[4:], other[4:], strict=True)
    )
