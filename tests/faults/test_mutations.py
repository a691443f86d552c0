from __future__ import annotations

import os
from pathlib import Path

from mutations import COUNTS, mutate_documents, mutated, run

from ingest.types import Document


def test_a_damaged_document_is_read_or_refused(tmp_path: Path) -> None:
    outcome = mutate_documents(42, tmp_path)

    assert outcome.breaks == ()
    assert outcome.kept == outcome.tried == 42
    seen = dict(outcome.facts)
    assert sum(seen.get(f"{kind} read", 0) for kind in COUNTS) > 0
    assert sum(seen.get(f"{kind} refused", 0) for kind in COUNTS) > 0


def test_what_goes_wrong_is_counted_with_its_seed(tmp_path: Path) -> None:
    def load(name: str, content: bytes) -> Document:
        number = next(n for n in range(4) if mutated("eml", n) == content)
        if number == 0:
            raise ValueError("a bug")
        if number == 1:
            raise MemoryError
        if number == 2:
            os.kill(os.getpid(), 9)
        return Document("fine")

    outcome = run({"eml": 4}, tmp_path, load)

    assert outcome.breaks == (
        "eml 0: ValueError: a bug",
        "eml 1: took over 1,500 MB",
        "eml 2: the process ended with -9",
    )
    assert (outcome.tried, outcome.kept) == (4, 1)
    assert dict(outcome.facts)["eml read"] == 1
