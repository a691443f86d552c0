"""Documents that agree are hardly ever said to disagree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.conflicts import measure
from benchmarks.retrieval.datasets import load_dataset

BENCH = os.environ.get("RAG_BENCH")


@pytest.mark.slow
@pytest.mark.skipif(not BENCH, reason="RAG_BENCH names no folder of question sets")
def test_false_alarms_are_rare_and_planted_numbers_are_found() -> None:
    measured = measure(load_dataset(Path(BENCH or ""), "faquad"), 120)
    assert measured.questions == 120
    assert len(measured.alarms) <= 1
    assert measured.found >= 0.4 * measured.planted > 2
