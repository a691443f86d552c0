"""What a whole process takes, from start to end."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds on the clock and of all processors."""

    wall: float
    cpu: float


def run(command: Sequence[str]) -> Cost:
    """Run a command offline and return what it took; raises CalledProcessError if it fails."""
    before, started = _children(), time.perf_counter()
    subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    return Cost(time.perf_counter() - started, _children() - before)


def alternate(runs: int, *commands: Sequence[str]) -> list[list[Cost]]:
    """Return what each command took in each run; they take turns, and one turn more warms."""
    turns = [[run(command) for command in commands] for _ in range(runs + 1)][1:]
    return [list(costs) for costs in zip(*turns, strict=True)]


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of our share in theirs, pair by pair."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
