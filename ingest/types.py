"""The value types of the path from a file to the index."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
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


class Place(NamedTuple):
    """A part of a file that a person can open; it ends where the next one begins.

    Attributes:
        start: Character offset in the text of the document.
        name: Its name, such as ``page 3``, ``Prices!5`` or ``slide 2``; empty for the file itself.
        page: Its page, counted from 1; None in a format without pages.
        line: Line of the file at which it begins, counted from 1; None if the text is not that of
            the file itself.
    """

    start: int
    name: str = ""
    page: int | None = None
    line: int | None = None

    @property
    def location(self) -> str | None:
        """The name and the line, as ``page 3`` or ``line 12``; None if there is neither."""
        line = f"line {self.line}" if self.line else ""
        return ", ".join(filter(None, (self.name, line))) or None


@dataclass(frozen=True)
class Document:
    """The content of a file, as a loader returns it.

    Attributes:
        text: The extracted text. All offsets of chunks and citations count its characters.
        places: The parts of the file that can be opened, ordered by offset, the first at 0; empty
            if the format has none.
        headings: Headings, ordered by offset.
        metadata: Metadata of the file: ``title``, and ``date``, that of the last change.
        problems: Parts that could not be read, such as a page; the rest is usable.
        unread: Estimated share of the file's text that could not be read, 0 to 1.
    """

    text: str
    places: tuple[Place, ...] = ()
    headings: tuple[Heading, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    unread: float = 0.0

    def places_between(self, start: int, end: int) -> tuple[Place, ...]:
        """Return the places of a span, the first one as if it began at ``start``."""
        after = bisect_right(self.places, start, key=_start)
        if not after:
            return ()
        first = self.places[after - 1]
        line = None if first.line is None else first.line + self._lines(first.start, start)
        stop = bisect_left(self.places, end, after, key=_start)
        return (first._replace(start=start, line=line), *self.places[after:stop])

    def place_at(self, offset: int) -> Place | None:
        """Return the place of a character, as if it began there; None without places."""
        return next(iter(self.places_between(offset, offset + 1)), None)

    def _lines(self, start: int, end: int) -> int:
        """Return the number of line breaks in a span."""
        return bisect_left(self._line_breaks, end) - bisect_left(self._line_breaks, start)

    @cached_property
    def _line_breaks(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    def headings_at(self, offset: int) -> tuple[Heading, ...]:
        """Return the headings of the sections around an offset, outermost first."""
        at = bisect_right(self.headings, offset, key=lambda heading: heading.start)
        return self._heading_paths[at]

    @cached_property
    def _heading_paths(self) -> tuple[tuple[Heading, ...], ...]:
        """No heading, then each heading after those above it, outermost first."""
        paths: list[tuple[Heading, ...]] = [()]
        for heading in self.headings:
            above = (one for one in paths[-1] if one.level < heading.level)
            paths.append((*above, heading))
        return tuple(paths)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A verbatim span of a document: ``document.text[start:end] == text``.

    Attributes:
        text: The characters of the document from ``start`` to ``end``.
        start: Offset of the first character.
        end: Offset after the last character.
        places: The places of its characters, the first as if it began at ``start``.
        headings: Titles of the sections around the chunk, outermost first.
    """

    text: str
    start: int
    end: int
    places: tuple[Place, ...] = ()
    headings: tuple[str, ...] = ()

    @property
    def context(self) -> str:
        """The path of headings above the text."""
        return " > ".join(self.headings)

    @property
    def embedding_text(self) -> str:
        """The text that is embedded: the context and the chunk."""
        return f"{self.context}\n{self.text}" if self.headings else self.text


class FileSignature(NamedTuple):
    """Values of ``stat`` when a file was read; the same signature means the same bytes.

    Programs can't set ``ctime_ns``, so it reveals an edit that restores size and mtime. A sync
    creates and compares one per file, and a tuple is three times as fast as a dataclass.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file.

    ``signature`` is None if the file is so new that a later change might not show in it.
    """

    content: bytes
    content_hash: bytes
    signature: FileSignature | None


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that could not be read, or only in part, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReadTime:
    """How long a file took to read, in seconds."""

    source: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the files of a folder was read; files left out by their names don't count.

    Attributes:
        files: Share of the files with text in the index, 0 to 1.
        characters: Share of their characters, 0 to 1; what could not be read is estimated.
        read: Number of files with text in the index.
        total: Number of files.
    """

    files: float
    characters: float
    read: int
    total: int

    def __str__(self) -> str:
        """Return ``423 of 501 files, 98.7% of their characters``."""
        share = f"{self.characters:.1%}"
        if share == "100.0%" and self.characters < 1:
            share = "99.9%"
        return f"{self.read:,} of {self.total:,} files, {share} of their characters"


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The content of an index.

    Attributes:
        documents: Number of documents that can be searched.
        chunks: Number of their chunks.
        generation: Number of committed changes.
        embedding: The embedding model, as ``provider:model``.
        index_type: The FAISS index type.
        bytes: Size on disk, in bytes.
        failed: Files of the folder that could not be read.
        partial: Files of the folder of which a part could not be read.
        ignored: Files of the folder of kinds that are not read.
        coverage: How much of the folder was read.
    """

    documents: int
    chunks: int
    generation: int
    embedding: str
    index_type: str
    bytes: int
    failed: tuple[FileProblem, ...]
    partial: tuple[FileProblem, ...]
    ignored: tuple[FileProblem, ...]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document or a file that an index knows.

    Attributes:
        source: Path relative to the documents folder, or the id of an added document.
        status: ``indexed``, ``partial``, ``ignored`` or ``failed``.
        reason: Why it failed or is ignored, or what is missing; empty if it was read completely.
        type: How it was read, such as ``pdf``.
        language: ISO 639-1 code, or ``und`` if it is not known.
        title: Title that the document states; may be empty.
        date: Date of its last change as it states it, ISO 8601; may be empty.
        size: Size of the file, in bytes; None if it is not a file.
        chunks: Number of its chunks.
        is_file: Whether it is a file of the documents folder.
    """

    source: str
    status: str
    reason: str
    type: str
    language: str
    title: str
    date: str
    size: int | None
    chunks: int
    is_file: bool


class SyncStage(StrEnum):
    """What a sync is doing."""

    READING = "reading"
    EMBEDDING = "embedding"
    COMMITTING = "committing"


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """The progress of a sync.

    Attributes:
        files_done: Number of files read.
        files_total: Number of new and changed files.
        chunks_done: Number of chunks embedded.
        chunks_total: Number of chunks of all these files, an estimate until the last one is split;
            None while there is nothing to estimate from.
        stage: What is being done.
        source: The current file; empty if there are several.
        bytes_done: Bytes of the files that are read.
        bytes_total: Bytes of all these files.
    """

    files_done: int
    files_total: int
    chunks_done: int
    chunks_total: int | None = None
    stage: SyncStage = SyncStage.READING
    source: str = ""
    bytes_done: int = 0
    bytes_total: int = 0


OnProgress = Callable[[SyncProgress], None]


def ignore_progress(progress: SyncProgress) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The changes that a sync made, or with ``dry_run`` would make.

    Attributes:
        new: Number of files that were not in the index.
        changed: Number of files with new content.
        renamed: Number of files that moved; none was embedded again.
        deleted: Number of documents whose file is gone.
        unchanged: Number of files left alone.
        failed: Files that can't be read, with reasons.
        newly_failed: Number of these that had not failed before, or for another reason.
        partial: Files of which the parts named in the reasons can't be read.
        ignored: Files and folders that are not read, with the rule that says so.
        coverage: How much of the folder is read.
        chunks: Number of chunks of the new and changed files.
        embedded: Number of texts embedded for them.
        reused: Number of these chunks whose text had a vector already.
        seconds: Duration.
        slowest: The file that took longest to read; None if none was read.
    """

    new: int
    changed: int
    renamed: int
    deleted: int
    unchanged: int
    failed: tuple[FileProblem, ...]
    newly_failed: int
    partial: tuple[FileProblem, ...]
    ignored: tuple[FileProblem, ...]
    coverage: Coverage
    chunks: int
    embedded: int
    reused: int
    seconds: float
    slowest: ReadTime | None = None


def place_at(places: Sequence[Place], offset: int, text: str, start: int) -> Place | None:
    """Return the place of a character, as if it began there; None without places.

    Args:
        places: The places of a text, ordered.
        offset: Offset of the character in the document.
        text: The text, which begins at the offset ``start``.
        start: Offset of the text in the document.
    """
    at = bisect_right(places, offset, key=_start) - 1
    if at < 0:
        return None
    place = places[at]
    line = place.line and place.line + text.count("\n", place.start - start, offset - start)
    return place._replace(start=offset, line=line)


def _start(place: Place) -> int:
    return place.start
