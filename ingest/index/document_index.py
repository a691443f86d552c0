"""The index on disk, catalog with FAISS and BM25, to search and to change."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Self

from ingest.chunking import split_document
from ingest.embeddings import (
    EmbeddingModel,
    Passage,
    PassageVectors,
    ScoredSpan,
    scored_together,
)
from ingest.errors import IndexDamagedError, IndexMissingError, UsageError
from ingest.index.arguments import checked_filter, checked_text
from ingest.index.catalog import Catalog
from ingest.index.directory import CATALOG, current_version, new_version, switch_to
from ingest.index.filters import Filter
from ingest.index.open_version import Current, check_identity
from ingest.index.reader import SAME_DOCUMENTS, Vectors
from ingest.index.records import ChunkRow, DocumentRow, Origin, State, Status, text_hash
from ingest.text.sentences import split_sentences
from ingest.text.terms import question_terms
from ingest.types import (
    Chunk,
    Coverage,
    Document,
    FileProblem,
    FileSignature,
    IndexedDocument,
    IndexStatus,
)

# Texts per embedding batch: doubled while a batch takes less than half of _BATCH_SECONDS, so that
# a slow machine still reports progress often. All three chosen by hand.
_FIRST_BATCH = 32
_LARGEST_BATCH = 256
_BATCH_SECONDS = 1.0
# Keys of a filter that need no metadata.
_FIELDS = frozenset({"source", "type", "language", "since", "until"})

# A document and its chunks, before they are embedded.
Split = tuple[DocumentRow, Document, list[Chunk]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk found for a question.

    Attributes:
        row: The chunk.
        dense: Its cosine with the question.
        lexical: Its BM25 score.
        vector: Its vector, of length 1; shape (d,).
        sentences: Its sentences with their cosines.
    """

    row: ChunkRow
    dense: float
    lexical: float
    vector: Vectors = field(repr=False, compare=False)
    sentences: tuple[ScoredSpan, ...] = ()


@dataclass(slots=True)
class Changes:
    """Changes to documents that are committed together.

    Attributes:
        folder: The folder that the index is synced with; empty to leave it as it is.
        removed: Sources to remove.
        renamed: Old sources, with the rows under the new ones.
        signed: Sources with new signatures.
        put: Documents to add or replace.
    """

    folder: str = ""
    removed: list[str] = field(default_factory=list)
    renamed: list[tuple[str, DocumentRow]] = field(default_factory=list)
    signed: list[tuple[str, FileSignature | None]] = field(default_factory=list)
    put: list[tuple[DocumentRow, Document]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Applied:
    """The number of chunks that a change put, and of texts embedded for them."""

    chunks: int
    embedded: int


class DocumentIndex:
    """Documents, their chunks and vectors. Many threads and processes may read while one writes.

    Searches always read the version in use, even after a rebuild. A sync works on the version that
    it opened or created, through :meth:`state`, :meth:`documents`, :meth:`settled`,
    :meth:`find_documents`, :meth:`added`, :meth:`problems`, :meth:`apply`, :meth:`tidy` and
    :meth:`use`.
    """

    def __init__(self, folder: Path, version: Path, embedding: EmbeddingModel) -> None:
        """Bind to a version on disk; use :meth:`open`, :meth:`create` or ``ingest.open_index``."""
        self.folder = folder
        self.embedding = embedding
        self._current = Current(folder, version, embedding.identity)
        self._batch = _FIRST_BATCH

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r}, embedding={self.embedding.name!r})"

    @classmethod
    def open(cls, folder: Path, embedding: EmbeddingModel) -> Self:
        """Open the version in use.

        Raises:
            IndexMissingError: If there is none.
            IdentityError: If it was made with another embedding model.
            IndexDamagedError: If it is damaged.
        """
        while True:
            version = current_version(folder)
            if version is None:
                raise IndexMissingError(folder)
            index = cls(folder, version, embedding)
            try:
                check_identity(f"the index {folder}", index.state(), embedding.identity)
                return index
            except IndexDamagedError:
                index.close()
                if current_version(folder) == version:
                    raise
            except BaseException:
                index.close()
                raise

    @classmethod
    def create(cls, folder: Path, embedding: EmbeddingModel, chunk_tokens: int) -> Self:
        """Create an empty version; :meth:`use` puts it in use. Needs the write lock."""
        version = new_version(folder)
        state = State(uuid.uuid4().hex, embedding.identity, chunk_tokens)
        Catalog.create(version / CATALOG, state).close()
        return cls(folder, version, embedding)

    @property
    def version(self) -> Path:
        """The folder of the version that is open."""
        return self._current.opened.path

    def state(self) -> State:
        """Return the state row."""
        with self._current.opened.catalog.read() as reader:
            return reader.state()

    def current(self) -> tuple[str, State]:
        """Return the name of the version in use and its state, also after a rebuild."""
        with self._current.read() as (version, reader):
            return version.path.name, reader.state()

    def status(self) -> IndexStatus:
        """Return what the index holds, and how large it is."""
        with self._current.read() as (version, reader):
            state = reader.state()
            failed, partial, ignored = map(
                reader.problems, (Status.FAILED, Status.PARTIAL, Status.IGNORED)
            )
            coverage = reader.coverage()
        return IndexStatus(
            documents=state.documents,
            chunks=state.chunks,
            generation=state.generation,
            embedding=self.embedding.name,
            index_type="Flat",
            bytes=version.bytes(),
            failed=failed,
            partial=partial,
            ignored=ignored,
            coverage=coverage,
        )

    def coverage(self) -> Coverage:
        """Return how much of the files of the folder was read."""
        with self._current.opened.catalog.read() as reader:
            return reader.coverage()

    def check_read(self, source: str) -> None:
        """Raise UsageError with the reason if ``source`` is a file that could not be read."""
        status = self.status()
        for problem in (*status.failed, *status.ignored):
            if problem.source == source:
                raise UsageError(
                    f"the index holds no text of '{source}': the file {problem.reason}"
                )

    def document(self, source: str) -> Document | None:
        """Return a document with its whole text, or None if there is none called ``source``."""
        return self.texts([source]).get(source)

    def texts(self, sources: Iterable[str]) -> dict[str, Document]:
        """Return the documents with the given sources, of one generation, by source."""
        with self._current.read() as (version, reader):
            found = {one: version.document(reader, one) for one in dict.fromkeys(sources)}
        return {source: pair[1] for source, pair in found.items() if pair}

    def entry(self, source: str) -> tuple[DocumentRow, Document] | None:
        """Return the row and the text of a document at one moment, or None if there is none."""
        with self._current.read() as (version, reader):
            return version.document(reader, source)

    def listing(self) -> list[IndexedDocument]:
        """Return every document and every file without text, ordered by source."""
        with self._current.read() as (_, reader):
            return reader.listing()

    def sources(self) -> list[str]:
        """Return the source of every document, those of the folder first."""
        with self._current.read() as (_, reader):
            return [row.source for origin in Origin for row in reader.documents(origin)]

    def documents(self, origin: Origin) -> list[DocumentRow]:
        """Return the documents of one origin, ordered by source."""
        with self._current.opened.catalog.read() as reader:
            return list(reader.documents(origin))

    def settled(
        self, files: Mapping[str, FileSignature], loader: Callable[[str], str]
    ) -> tuple[dict[str, str], list[str]]:
        """Return the status of each document whose file is unchanged, and the other sources.

        Args:
            files: The files of the folder.
            loader: Returns the loader that would parse a source now.
        """
        with self._current.opened.catalog.read() as reader:
            return reader.settled(files, loader)

    def find_documents(self, sources: Iterable[str]) -> list[DocumentRow]:
        """Return the documents with the given sources, in that order."""
        with self._current.opened.catalog.read() as reader:
            return reader.find_documents(sources)

    def added(self) -> list[tuple[DocumentRow, Document]]:
        """Return the documents from ``add_documents``, with their texts.

        This also works for an index of an earlier format.
        """
        with self._current.opened.catalog.read(formats=SAME_DOCUMENTS) as reader:
            found = [reader.document(row.source) for row in reader.documents(Origin.ADDED)]
        return [pair for pair in found if pair]

    def problems(self, status: Status) -> tuple[FileProblem, ...]:
        """Return the sources with a status and their reasons."""
        with self._current.opened.catalog.read() as reader:
            return reader.problems(status)

    def chunks(self) -> list[ChunkRow]:
        """Return every chunk, ordered by source and place in the document.

        Raises:
            IndexDamagedError: If one is missing or damaged.
        """
        with self._current.read() as (_, reader):
            rows, _ = reader.all_chunks()
        return sorted(rows, key=lambda row: (row.source, row.ordinal))

    def candidates(self, question: str, k: int, filter: Filter | None = None) -> list[Candidate]:
        """Return the ``k`` best chunks by cosine and the ``k`` best by BM25, ordered by id."""
        query = self.embedding.embed_query(checked_text(question, "the question"))
        terms = question_terms(question)
        with self._current.search() as (reader, snapshot):
            hits = snapshot.search(query, terms, k, snapshot.mask(reader, filter))
            found = snapshot.chunks(reader, [hit.chunk_id for hit in hits])
        scored = scored_together([sentences for _, sentences in found], query)
        return [
            Candidate(row, hit.dense, hit.lexical, hit.vector, spans)
            for hit, (row, _), spans in zip(hits, found, scored, strict=True)
        ]

    def checked_filter(self, filter: Filter | None) -> Filter | None:
        """Return the filter with its values as texts.

        Raises:
            UsageError: If it is not a dictionary, or no document has one of its keys.
        """
        checked = checked_filter(filter)
        if names := (checked or {}).keys() - _FIELDS:
            with self._current.search() as (reader, snapshot):
                known = snapshot.metadata_keys(reader)
            for name in sorted(names - known):
                close = get_close_matches(name, sorted(known | _FIELDS), n=1)
                hint = (
                    f"did you mean '{close[0]}'?"
                    if close
                    else "'source', 'type', 'language', 'since' and 'until' always work"
                )
                raise UsageError(f"nothing in the index has '{name}' to filter by; {hint}")
        return checked

    def nearest(self, vector: Vectors, k: int, filter: Filter | None) -> list[Candidate]:
        """Return the ``k`` chunks nearest to a vector of length 1, shape (d,), nearest first."""
        with self._current.search() as (reader, snapshot):
            hits = snapshot.nearest(vector, k, snapshot.mask(reader, filter))
            rows = reader.chunks(hit.chunk_id for hit in hits)
        return [
            Candidate(row, hit.dense, hit.lexical, hit.vector)
            for row, hit in zip(rows, hits, strict=True)
        ]

    def apply(self, changes: Changes, on_embedded: Callable[[int], None] | None = None) -> Applied:
        """Commit changes as one generation; needs the write lock.

        Args:
            changes: The changes.
            on_embedded: Called after each batch with the number of texts embedded.
        """
        split = self.split(changes.put)
        vectors: dict[bytes, PassageVectors] = {}
        for count, _ in self.embed(split, vectors):
            if on_embedded:
                on_embedded(count)
        return self.commit(changes, split, vectors)

    def split(self, documents: Iterable[tuple[DocumentRow, Document]]) -> list[Split]:
        """Split documents into chunks."""
        return [(row, document, self._split(row, document)) for row, document in documents]

    def embed(
        self, split: Sequence[Split], vectors: dict[bytes, PassageVectors]
    ) -> Iterator[tuple[int, str]]:
        """Embed each new text once and add its vectors to ``vectors``.

        Yields:
            After each batch its number of texts, and the source that the next one begins with.
        """
        keyed = {text_hash(chunk): (chunk, row) for row, _, part in split for chunk in part}
        with self._current.opened.catalog.read() as reader:
            missing = reader.missing_vectors(keyed.keys() - vectors.keys())
        keys = [key for key in keyed if key in missing]
        while keys:
            started = time.monotonic()
            batch, keys = keys[: self._batch], keys[self._batch :]
            passages = [_passage(keyed[key][0]) for key in batch]
            vectors.update(zip(batch, self.embedding.embed_passages(passages), strict=True))
            if time.monotonic() - started < _BATCH_SECONDS / 2:
                self._batch = min(2 * self._batch, _LARGEST_BATCH)
            _, following = keyed[(keys or batch)[0]]
            yield len(batch), following.source

    def commit(
        self,
        changes: Changes,
        split: Sequence[Split],
        vectors: Mapping[bytes, PassageVectors],
    ) -> Applied:
        """Commit changes as one generation; needs the write lock.

        Args:
            changes: The changes; ``put`` is ignored in favour of ``split``.
            split: The documents to put, with their chunks.
            vectors: The vectors of the chunks whose texts have none in the catalog.
        """
        with self._current.opened.catalog.write() as writer:
            if changes.folder:
                writer.follow(changes.folder)
            for source in changes.removed:
                writer.remove_document(source)
            for source, row in changes.renamed:
                writer.rename_document(source, row)
            for source, signature in changes.signed:
                writer.sign(source, signature)
            writer.put_vectors(vectors)
            for row, document, part in split:
                writer.put_document(row, document, part)
        return Applied(sum(len(part) for *_, part in split), len(vectors))

    def tidy(self) -> None:
        """Write a new base file if one is due; needs the write lock."""
        self._current.opened.tidy()

    def use(self) -> None:
        """Put this version in use if it is not; needs the write lock."""
        with suppress(IndexDamagedError):
            if current_version(self.folder) == self.version:
                return
        switch_to(self.version)

    def close(self) -> None:
        """Close the files."""
        self._current.opened.close()

    def _split(self, row: DocumentRow, document: Document) -> list[Chunk]:
        if not row.status.has_text:
            return []
        identity = self.embedding.identity
        tokenizer = self.embedding.tokenizer
        prompt = tokenizer.encode(identity.document_prompt, add_special_tokens=False)
        room = identity.max_tokens - len(prompt)
        return split_document(document, tokenizer, min(self.state().chunk_tokens, room), room)


def _passage(chunk: Chunk) -> Passage:
    return Passage(chunk.context, chunk.text, tuple(split_sentences(chunk.text)))
