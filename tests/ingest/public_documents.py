"""The public benchmark documents, each loaded once for all tests."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders import load_document
from ingest.types import Document


class Loaded(NamedTuple):
    """A file, what it held or why it could not be loaded, and what that took."""

    path: Path
    found: Document | LoadError
    cpu_seconds: float


@cache
def load_folder(name: str) -> list[Loaded]:
    """Return the supported files of a set, in order; skip the test without the sets."""
    if "RAG_BENCH" not in os.environ:
        pytest.skip("needs the public benchmark documents: set RAG_BENCH to their folder")
    paths = sorted(Path(os.environ["RAG_BENCH"], name, "documents").rglob("*"))
    loaded = [_load(path) for path in paths if path.is_file()]
    return [one for one in loaded if not isinstance(one.found, UnsupportedError)]


def _load(path: Path) -> Loaded:
    started = time.process_time()
    found: Document | LoadError
    try:
        found = load_document(path.name, path.read_bytes())
    except LoadError as error:
        found = error
    return Loaded(path, found, time.process_time() - started)
