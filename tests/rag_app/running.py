"""What the tests of the command line share."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"
QUESTION = "Who published word2vec?"


@dataclass(frozen=True, slots=True)
class Run:
    """What one command left behind."""

    code: int
    out: str
    err: str


Rag = Callable[..., Run]


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the digest of every file below the folder, and an empty text for folders.

    SQLite's write-ahead log comes and goes with its readers.
    """
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith(("-wal", "-shm"))
    }


def index_one_document(rag: Rag) -> Path:
    """Index the sample document that answers the question, and return the folder of the index."""
    source = Path("documents", "en", "embeddings.md")
    source.parent.mkdir(parents=True)
    shutil.copy(DOCUMENTS / "en" / "embeddings.md", source)
    assert rag("index", "documents", "--index", "one").code == 0
    return Path("one")


def in_a_process(first: str, arguments: list[str], last: str = "", **variables: str) -> Run:
    """Run a command in a new interpreter, between two pieces of code."""
    code = f"{first}\nfrom rag_app.cli import main\ncode = main({arguments!r})\n{last}\nexit(code)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Run(done.returncode, done.stdout, done.stderr)
