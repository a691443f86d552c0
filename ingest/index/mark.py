"""A note beside a catalog that says which catalog it is and how far it has come.

SQLite takes a write-ahead log whose end it can't read as one that ends there, and so gives an
older generation without a word. The mark is written after each commit, so a catalog that is behind
its mark has lost what was committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xxhash

from ingest.errors import IndexDamagedError
from ingest.index.files import write_bytes
from ingest.index.rows import State

MARK = "committed"


@dataclass(frozen=True, slots=True)
class Mark:
    """The catalog's ``index_id`` and a generation that has been committed to it.

    ``added`` is how many documents of ``add_documents`` it held: no file brings those back.
    """

    index_id: str
    generation: int
    added: int = 0

    @classmethod
    def of(cls, state: State) -> Mark:
        """Return the mark of a committed state."""
        return cls(state.index_id, state.generation, state.added)

    def check(self, state: State) -> None:
        """Raise IndexDamagedError if the state is not one that the mark allows."""
        if state.index_id != self.index_id:
            raise IndexDamagedError("the catalog is that of another index")
        if state.generation < self.generation:
            raise IndexDamagedError(
                f"generation {self.generation} was committed to the catalog, but it ends with "
                f"generation {state.generation}"
            )


def has_mark(version: Path) -> bool:
    """Return whether a version was made whole: its mark is the last file to be written."""
    return (version / MARK).exists()


def read_mark(version: Path) -> Mark:
    """Return the mark of a version.

    Raises:
        IndexDamagedError: If it is missing, not what was written, or of another version.
    """
    try:
        content, _, digest = (version / MARK).read_bytes().rpartition(b" ")
    except FileNotFoundError:
        content, digest = b"", b""
    if _digest(version, content) != digest:
        raise IndexDamagedError(f"the file {version.name}/{MARK} is not what was written")
    index_id, generation, added = content.decode().split(" ")
    return Mark(index_id, int(generation), int(added))


def write_mark(version: Path, mark: Mark) -> None:
    """Replace the mark of a version, durably."""
    content = f"{mark.index_id} {mark.generation} {mark.added}".encode()
    write_bytes(version / MARK, content + b" " + _digest(version, content))


def _digest(version: Path, content: bytes) -> bytes:
    return xxhash.xxh3_64_hexdigest(version.name.encode() + b" " + content).encode()
