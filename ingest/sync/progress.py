"""The progress of a sync, with an estimate of what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from ingest.types import OnProgress, SyncProgress, SyncStage


class Progress:
    """Counts what a sync of files has done, and reports each step.

    The number of chunks of a file is known once it is split. For a file still to come it is
    estimated from the chunks per byte of the files before it, of the same suffix if possible.
    """

    def __init__(self, sizes: Mapping[str, int], report: OnProgress) -> None:
        """Begin a sync.

        Args:
            sizes: Bytes of each file to read.
            report: Called at each step, unless there is no file to read.
        """
        self._sizes = sizes
        self._report = report
        self._files_done = self._chunks = self._embedded = self._settled = 0
        self._bytes_done, self._bytes_total = 0, sum(sizes.values())
        self._left: Counter[str] = Counter()
        for source, size in sizes.items():
            self._left[_suffix(source)] += size
        self._split_bytes: Counter[str] = Counter()
        self._split_chunks: Counter[str] = Counter()

    def reading(self, source: str) -> None:
        """Begin to read a file."""
        self._step(SyncStage.READING, source)

    def read(self, source: str) -> None:
        """Note that a file has been read."""
        self._files_done += 1
        self._bytes_done += self._sizes[source]
        self._step(SyncStage.READING, source)

    def split(self, source: str, chunks: int) -> None:
        """Note how many chunks a file has; one without chunks is left out of the estimate."""
        size, suffix = self._sizes[source], _suffix(source)
        self._left[suffix] -= size
        self._chunks += chunks
        if chunks:
            self._split_bytes[suffix] += size
            self._split_chunks[suffix] += chunks

    def embedding(self, source: str, texts: int = 0) -> None:
        """Note that texts have been embedded; the next ones are from ``source``."""
        self._embedded += texts
        self._step(SyncStage.EMBEDDING, source)

    def committing(self) -> None:
        """Note that every chunk so far is embedded, and begin to commit."""
        self._settled, self._embedded = self._chunks, 0
        self._step(SyncStage.COMMITTING)

    def _step(self, stage: SyncStage, source: str = "") -> None:
        if self._sizes:
            done = min(self._settled + self._embedded, self._chunks)
            files = self._files_done, len(self._sizes)
            read = self._bytes_done, self._bytes_total
            self._report(SyncProgress(*files, done, self._expected(), stage, source, *read))

    def _expected(self) -> int | None:
        """Return the estimated number of chunks; None before the first file is split."""
        left = {suffix: size for suffix, size in self._left.items() if size > 0}
        if not left:
            return self._chunks
        if not self._split_bytes.total():
            return None
        return self._chunks + round(sum(size * self._density(end) for end, size in left.items()))

    def _density(self, suffix: str) -> float:
        """Return the chunks per byte of files with this suffix, or of all files."""
        if size := self._split_bytes[suffix]:
            return self._split_chunks[suffix] / size
        return self._split_chunks.total() / self._split_bytes.total()


def _suffix(source: str) -> str:
    return PurePosixPath(source).suffix.lower()
