"""The documents on disk behind one door: catalog, FAISS and BM25, searched and changed."""

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
from ingest.embeddings import EmbeddingModel, Passage, PassageVectors, ScoredSpan
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
from ingest.types import Chunk, Document, FileProblem, FileSignature, IndexStatus

# Texts that are embedded at once: as many as fill a machine, or else its second.
_FIRST_BATCH = 32
_LARGEST_BATCH = 256
_BATCH_SECONDS = 1.0
_FIELDS = frozenset({"source", "language"})  # what every document can be filtered by

# A document as it will be in the catalog, but for the vectors of its chunks.
Split = tuple[DocumentRow, Document, list[Chunk]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that may answer a question.

    Attributes:
        row: The chunk.
        dense: Its cosine with the question.
        lexical: Its BM25 score.
        vector: Of length 1; shape (d,).
        sentences: Its sentences with their cosines.
    """

    row: ChunkRow
    dense: float
    lexical: float
    vector: Vectors = field(repr=False, compare=False)
    sentences: tuple[ScoredSpan, ...] = ()


@dataclass(slots=True)
class Changes:
    """Changes to documents that are to be committed as one."""

    folder: str = ""
    removed: list[str] = field(default_factory=list)
    renamed: list[tuple[str, DocumentRow]] = field(default_factory=list)
    signed: list[tuple[str, FileSignature | None]] = field(default_factory=list)
    put: list[tuple[DocumentRow, Document]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Applied:
    """How many chunks a change put, and how many texts had to be embedded for them."""

    chunks: int
    embedded: int


class DocumentIndex:
    """Documents, their chunks and vectors. Many threads and processes may read while one writes.

    Questions and documents always come from the version in use, also after a rebuild. A sync works
    on the version that it opened or made, with :meth:`state`, :meth:`documents`, :meth:`settled`,
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
            IndexDamagedError: If it is not what was written.
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
        """Make an empty version, which is in use from :meth:`use` on; needs the write lock."""
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

    def status(self) -> IndexStatus:
        """Return what the index holds."""
        with self._current.read() as (version, reader):
            state = reader.state()
            failed = reader.problems(Status.FAILED)
        return IndexStatus(
            documents=state.documents,
            chunks=state.chunks,
            generation=state.generation,
            embedding=self.embedding.name,
            index_type="Flat",
            bytes=version.bytes(),
            failed=failed,
        )

    def check_read(self, source: str) -> None:
        """Raise UsageError if ``source`` is a file that could not be read, and say why."""
        for problem in self.status().failed:
            if problem.source == source:
                raise UsageError(
                    f"the index holds no text of '{source}': the file {problem.reason}"
                )

    def document(self, source: str) -> Document | None:
        """Return a document with its whole text, or None if there is none under ``source``."""
        with self._current.read() as (_, reader):
            found = reader.document(source)
        return found[1] if found else None

    def sources(self) -> list[str]:
        """Return the source of every document, the folder's first."""
        with self._current.read() as (_, reader):
            return [row.source for origin in Origin for row in reader.documents(origin)]

    def documents(self, origin: Origin) -> list[DocumentRow]:
        """Return the documents of one origin, in the order of their sources."""
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
        """Return the documents under the given sources, in that order."""
        with self._current.opened.catalog.read() as reader:
            return reader.find_documents(sources)

    def added(self) -> list[tuple[DocumentRow, Document]]:
        """Return the documents given to ``add_documents``, with their texts.

        They can be read of an index of an earlier format too.
        """
        with self._current.opened.catalog.read(formats=SAME_DOCUMENTS) as reader:
            found = [reader.document(row.source) for row in reader.documents(Origin.ADDED)]
        return [pair for pair in found if pair]

    def problems(self, status: Status) -> tuple[FileProblem, ...]:
        """Return the documents of a status with their reasons."""
        with self._current.opened.catalog.read() as reader:
            return reader.problems(status)

    def chunks(self) -> list[ChunkRow]:
        """Return every chunk, ordered by source and place in the document.

        Raises:
            IndexDamagedError: If one is missing or not what was written.
        """
        with self._current.read() as (_, reader):
            rows, _ = reader.all_chunks()
        return sorted(rows, key=lambda row: (row.source, row.ordinal))

    def candidates(self, question: str, k: int, filter: Filter | None = None) -> list[Candidate]:
        """Return the ``k`` best chunks by meaning and the ``k`` best by terms, in no order."""
        query = self.embedding.embed_query(checked_text(question, "the question"))
        terms = question_terms(question)
        with self._current.search() as (reader, snapshot):
            hits = snapshot.search(query, terms, k, snapshot.mask(reader, filter))
            ids = [hit.chunk_id for hit in hits]
            rows, sentences = reader.chunks(ids), reader.sentences(ids)
        return [
            Candidate(row, hit.dense, hit.lexical, hit.vector, own.scored(query))
            for row, hit, own in zip(rows, hits, sentences, strict=True)
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
                    else "'source' and 'language' always work"
                )
                raise UsageError(f"nothing in the index has '{name}' to filter by; {hint}")
        return checked

    def nearest(self, vector: Vectors, k: int, filter: Filter | None) -> list[Candidate]:
        """Return the ``k`` chunks nearest to a vector of length 1, nearest first."""
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
            changes: What to do.
            on_embedded: Called with the number of texts of each batch that was embedded.
        """
        split = self.split(changes.put)
        vectors: dict[bytes, PassageVectors] = {}
        for count, _ in self.embed(split, vectors):
            if on_embedded:
                on_embedded(count)
        return self.commit(changes, split, vectors)

    def split(self, documents: Iterable[tuple[DocumentRow, Document]]) -> list[Split]:
        """Return documents with their chunks."""
        return [(row, document, self._split(row, document)) for row, document in documents]

    def embed(
        self, split: Sequence[Split], vectors: dict[bytes, PassageVectors]
    ) -> Iterator[tuple[int, str]]:
        """Add the vectors of all texts that are new to ``vectors``, each embedded once.

        Yields:
            After each batch how many texts it had, and the document that the next one begins with.
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
            changes: What to do, but for its documents to put.
            split: Those, with their chunks.
            vectors: Of the chunks whose texts have none in the catalog.
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
        """Bring the derived files up to date where that is due; needs the write lock."""
        self._current.opened.tidy()

    def use(self) -> None:
        """Put this version in use, unless it is; needs the write lock."""
        with suppress(IndexDamagedError):
            if current_version(self.folder) == self.version:
                return
        switch_to(self.version)

    def close(self) -> None:
        """Close the files."""
        self._current.opened.close()

    def _split(self, row: DocumentRow, document: Document) -> list[Chunk]:
        if row.status is Status.FAILED:
            return []
        identity = self.embedding.identity
        tokenizer = self.embedding.tokenizer
        prompt = tokenizer.encode(identity.document_prompt, add_special_tokens=False)
        room = identity.max_tokens - len(prompt)
        return split_document(document, tokenizer, min(self.state().chunk_tokens, room), room)


def _passage(chunk: Chunk) -> Passage:
    return Passage(chunk.context, chunk.text, tuple(split_sentences(chunk.text)))
