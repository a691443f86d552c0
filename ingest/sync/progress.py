"""How far a sync is, and about how much is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from ingest.types import OnProgress, SyncProgress, SyncStage


class Progress:
    """Counts what a sync of files has done, and reports each step.

    How many chunks a file has is known once it is split. A file still to come is taken to have as
    many a byte as those before it, of the same suffix if there are any.
    """

    def __init__(self, sizes: Mapping[str, int], report: OnProgress) -> None:
        """Begin a sync.

        Args:
            sizes: Bytes of each file that is to be read.
            report: Called at each step; never if there is no file to be read.
        """
        self._sizes = sizes
        self._report = report
        self._files_done = self._chunks = self._embedded = self._settled = 0
        self._left: Counter[str] = Counter()
        for source, size in sizes.items():
            self._left[_suffix(source)] += size
        self._split_bytes: Counter[str] = Counter()
        self._split_chunks: Counter[str] = Counter()

    def reading(self, source: str) -> None:
        """Begin to read a file."""
        self._step(SyncStage.READING, source)

    def read(self, source: str) -> None:
        """Note that a file is read."""
        self._files_done += 1
        self._step(SyncStage.READING, source)

    def split(self, source: str, chunks: int) -> None:
        """Note how many chunks a file has; without any it says nothing about other files."""
        size, suffix = self._sizes[source], _suffix(source)
        self._left[suffix] -= size
        self._chunks += chunks
        if chunks:
            self._split_bytes[suffix] += size
            self._split_chunks[suffix] += chunks

    def embedding(self, source: str, texts: int = 0) -> None:
        """Note that texts have been embedded and the next are of ``source``."""
        self._embedded += texts
        self._step(SyncStage.EMBEDDING, source)

    def committing(self) -> None:
        """Note that every chunk so far has its vectors, and begin to commit."""
        self._settled, self._embedded = self._chunks, 0
        self._step(SyncStage.COMMITTING)

    def _step(self, stage: SyncStage, source: str = "") -> None:
        if self._sizes:
            done = min(self._settled + self._embedded, self._chunks)
            files = self._files_done, len(self._sizes)
            self._report(SyncProgress(*files, done, self._expected(), stage, source))

    def _expected(self) -> int | None:
        """Return how many chunks there will be, about; None while nothing tells."""
        left = {suffix: size for suffix, size in self._left.items() if size > 0}
        if not left:
            return self._chunks
        if not self._split_bytes.total():
            return None
        return self._chunks + round(sum(size * self._density(end) for end, size in left.items()))

    def _density(self, suffix: str) -> float:
        """Return chunks a byte."""
        if size := self._split_bytes[suffix]:
            return self._split_chunks[suffix] / size
        return self._split_chunks.total() / self._split_bytes.total()


def _suffix(source: str) -> str:
    return PurePosixPath(source).suffix.lower()
