"""The values that flow from a file to the index."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a document; ``start`` is its character offset in the text."""

    start: int
    level: int
    title: str


@dataclass(frozen=True)
class Document:
    """What a loader makes of one file.

    Attributes:
        text: The extracted text. Every offset of a chunk or citation counts its characters.
        pages: Start offset of each page, ascending, the first 0; empty if the format has no pages.
        headings: Headings in the order of the text.
        metadata: Facts the file states about itself: ``title``, and ``date``, the last change.
        problems: What could not be read (a page, a sheet); the rest is usable.
    """

    text: str
    pages: tuple[int, ...] = ()
    headings: tuple[Heading, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def headings_at(self, offset: int) -> tuple[Heading, ...]:
        """Return the headings of the sections around an offset, outermost first."""
        at = bisect_right(self.headings, offset, key=lambda heading: heading.start)
        return self._heading_paths[at - 1] if at else ()

    @cached_property
    def _heading_paths(self) -> tuple[tuple[Heading, ...], ...]:
        """Each heading below those that it stands under."""
        paths: list[tuple[Heading, ...]] = []
        path: list[Heading] = []
        for heading in self.headings:
            while path and path[-1].level >= heading.level:
                path.pop()
            path.append(heading)
            paths.append(tuple(path))
        return tuple(paths)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A verbatim piece of a document: ``document.text[start:end] == text``.

    Attributes:
        text: The characters of the document from ``start`` to ``end``.
        start: Offset of the first character.
        end: Offset after the last character.
        page: Page of the first character, counted from 1; None without pages.
        page_breaks: Offsets inside the chunk at which the next pages begin.
        headings: Titles of the sections around the chunk, outermost first.
    """

    text: str
    start: int
    end: int
    page: int | None = None
    page_breaks: tuple[int, ...] = ()
    headings: tuple[str, ...] = ()

    @property
    def context(self) -> str:
        """What stands above the text: the heading path."""
        return " > ".join(self.headings)

    @property
    def embedding_text(self) -> str:
        """The text that is embedded: the chunk under its context."""
        return f"{self.context}\n{self.text}" if self.headings else self.text


class FileSignature(NamedTuple):
    """What ``stat`` said of a file when it was read; the same signature means the same bytes.

    No program can set ``ctime_ns``, so it tells an edit that restores size and mtime. A sync makes
    and compares one for each file, which a tuple does three times as fast as a dataclass.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file.

    ``signature`` is None if the file is so young that a later change might not show in it.
    """

    content: bytes
    content_hash: bytes
    signature: FileSignature | None


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that could not be read, or not wholly, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What an index holds.

    Attributes:
        documents: Documents that can be found.
        chunks: Their chunks.
        generation: Number of changes committed so far.
        embedding: The embedding model, as ``provider:model``.
        index_type: The FAISS index type.
        bytes: Size on disk.
        failed: Files of the folder that could not be read.
    """

    documents: int
    chunks: int
    generation: int
    embedding: str
    index_type: str
    bytes: int
    failed: tuple[FileProblem, ...]


class SyncStage(StrEnum):
    """What a sync is doing."""

    READING = "reading"
    EMBEDDING = "embedding"
    COMMITTING = "committing"


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a sync is.

    Attributes:
        files_done: Files read.
        files_total: Files that are new or have changed.
        chunks_done: Chunks that have their vectors.
        chunks_total: Chunks of all those files, estimated until the last file is read and split;
            None while there is nothing to estimate from.
        stage: What is being done.
        source: The file it is done to; empty where it is many.
    """

    files_done: int
    files_total: int
    chunks_done: int
    chunks_total: int | None = None
    stage: SyncStage = SyncStage.READING
    source: str = ""


OnProgress = Callable[[SyncProgress], None]


def ignore_progress(progress: SyncProgress) -> None:
    """Do nothing, for a caller who did not ask how far it is."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did, or with ``dry_run`` would do.

    Attributes:
        new: Files that were not in the index.
        changed: Files with other content than before.
        renamed: Files found under another name; nothing of them was embedded again.
        deleted: Documents whose file is gone.
        unchanged: Files left alone.
        failed: Files that can't be read, with reasons; the others are indexed.
        partial: Files read but for the parts that the reasons name.
        chunks: Chunks of the new and changed files.
        embedded: Texts embedded for them.
        reused: Chunks whose text had a vector already.
        seconds: How long it took.
    """

    new: int
    changed: int
    renamed: int
    deleted: int
    unchanged: int
    failed: tuple[FileProblem, ...]
    partial: tuple[FileProblem, ...]
    chunks: int
    embedded: int
    reused: int
    seconds: float
