"""One generation of the index, ready to be searched.

A base file holds the FAISS and BM25 indexes of an earlier generation. Chunks added since are read
from the catalog and searched as well, and removed chunks are masked. So a small change never
rewrites a large file, and an index without a base file is only slower to open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.embeddings import SentenceVectors
from ingest.errors import IndexDamagedError
from ingest.index.atomic_files import read_arrays, write_arrays
from ingest.index.dense import DenseIndex, build_flat
from ingest.index.filters import Filter, matching_documents
from ingest.index.lexical import LexicalIndex, Postings
from ingest.index.reader import Reader, Vectors, check_chunks
from ingest.index.records import ChunkRow, DocumentRow, State
from ingest.index.row_cache import RowCache
from ingest.text.terms import document_terms
from ingest.types import Document

# After more changes than this a new base is written; a large index, whose base takes longer to
# write, waits for one change in 100 chunks. Both chosen by hand.
TAIL_LIMIT = 500
_CHUNKS_A_CHANGE = 100
# Of the last questions; a chunk takes about 4 kB. Both chosen by hand.
_KEPT_CHUNKS = 4_096
_KEPT_CHARACTERS = 4_000_000
_BASE_NAME = re.compile(r"base-([0-9]+)\.bin")


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result: the id of a chunk, its cosine, BM25 score and vector, of shape (d,)."""

    chunk_id: int
    dense: float
    lexical: float
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Base:
    """The content of a base file: n chunks by position.

    Attributes:
        generation: The generation of the catalog that it was derived from.
        ids: Chunk ids, ascending; shape (n,).
        documents: The id of each chunk's document; shape (n,).
        vectors: The FAISS index of the n vectors.
        postings: The terms of the n chunks.
    """

    generation: int
    ids: NDArray[np.int64]
    documents: NDArray[np.int64]
    vectors: Any
    postings: Postings


ChunkWithSentences = tuple[ChunkRow, SentenceVectors]
FoundDocument = tuple[DocumentRow, Document] | None


def _chunk_cache() -> RowCache[int, ChunkWithSentences]:
    return RowCache(_KEPT_CHUNKS)


def _document_cache() -> RowCache[str, FoundDocument]:
    return RowCache(_KEPT_CHARACTERS, lambda found: 1_000 + (len(found[1].text) if found else 0))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The chunks of one generation by position: those of the base, then those added since.

    Attributes:
        state: The state row of the generation.
        base: The base.
        ids: Chunk ids, ascending; shape (n,).
        documents: The id of each chunk's document; shape (n,).
        alive: Which chunks have not been removed; shape (n,).
        dense: The vectors.
        lexical: The terms.
    """

    state: State
    base: Base
    ids: NDArray[np.int64]
    documents: NDArray[np.int64]
    alive: NDArray[np.bool_]
    dense: DenseIndex
    lexical: LexicalIndex
    _rows: list[tuple[int, DocumentRow]] = field(default_factory=list)
    _kept_chunks: RowCache[int, ChunkWithSentences] = field(default_factory=_chunk_cache)
    _kept_documents: RowCache[str, FoundDocument] = field(default_factory=_document_cache)

    @classmethod
    def load(cls, reader: Reader, version: Path, previous: Snapshot | None = None) -> Snapshot:
        """Load the generation that ``reader`` sees, reusing the base of an earlier snapshot.

        Raises:
            IndexDamagedError: If the chunks are not those that were committed.
        """
        state = reader.state()
        if previous and state.horizon <= previous.base.generation <= state.generation:
            base = previous.base
        else:
            base = _find_base(version, state) or _empty_base(state)
        return cls.over(base, reader)

    @classmethod
    def over(cls, base: Base, reader: Reader) -> Snapshot:
        """Return the base with the changes since; raises IndexDamagedError as :meth:`load`."""
        state = reader.state()
        tail, vectors = reader.added_since(base.generation)
        ids = np.concatenate([base.ids, np.array([row.id for row in tail], np.int64)])
        alive = ~np.isin(ids, reader.removed_since(base.generation))
        check_chunks(ids[alive], state)
        return cls(
            state,
            base,
            ids,
            np.concatenate([base.documents, np.array([row.document for row in tail], np.int64)]),
            alive,
            DenseIndex((base.vectors, build_flat(vectors))),
            LexicalIndex((base.postings, _postings(tail)), alive),
        )

    def chunks(self, reader: Reader, ids: Sequence[int]) -> list[ChunkWithSentences]:
        """Return chunks of this generation with the vectors of their sentences, in that order.

        Raises:
            IndexDamagedError: If one is missing or damaged.
        """

        def load(missing: Sequence[int]) -> list[ChunkWithSentences]:
            return [*zip(reader.chunks(missing), reader.sentences(missing), strict=True)]

        return self._kept_chunks.read(ids, load)

    def document(self, reader: Reader, source: str) -> FoundDocument:
        """Return a document of this generation with its text, or None if there is none."""
        (found,) = self._kept_documents.read([source], lambda _: [reader.document(source)])
        return found

    def search(
        self, query: Vectors, terms: Sequence[str], k: int, mask: NDArray[np.bool_]
    ) -> list[Hit]:
        """Return the ``k`` best chunks by cosine and the ``k`` best by BM25, with both scores.

        Args:
            query: The embedding of the question, of length 1; shape (d,).
            terms: The terms that BM25 scores.
            k: Number of chunks for each of the two scores.
            mask: The positions to search, from :meth:`mask`; shape (n,).
        """
        nearest, _ = self.dense.search(query, mask, k)
        bm25 = np.where(mask, self.lexical.scores(terms), np.float32(0))
        matching = np.flatnonzero(bm25 > 0)
        best = matching[np.argsort(-bm25[matching], kind="stable")[:k]]
        positions = np.unique(np.concatenate([nearest, best]))
        return self._hits(query, positions, bm25)

    def nearest(self, query: Vectors, k: int, mask: NDArray[np.bool_]) -> list[Hit]:
        """Return the ``k`` chunks nearest to ``query``, nearest first, without a BM25 score."""
        positions, _ = self.dense.search(query, mask, k)
        return self._hits(query, positions, np.zeros(len(self.ids), np.float32))

    def _hits(
        self, query: Vectors, positions: NDArray[np.int64], bm25: NDArray[np.float32]
    ) -> list[Hit]:
        vectors = self.dense.at(positions)
        return [
            Hit(int(self.ids[position]), float(cosine), float(bm25[position]), vector)
            for position, cosine, vector in zip(positions, vectors @ query, vectors, strict=True)
        ]

    def mask(self, reader: Reader, filter: Filter | None) -> NDArray[np.bool_]:
        """Return which positions hold a live chunk that matches the filter; shape (n,).

        The first filter has ``reader``, which sees the same generation, read all documents.
        """
        if not filter:
            return self.alive
        ids = matching_documents(self._documents(reader), filter)
        return self.alive & np.isin(self.documents, np.array(ids, np.int64))

    def metadata_keys(self, reader: Reader) -> set[str]:
        """Return the metadata keys of all documents."""
        return {key for _, row in self._documents(reader) for key in row.metadata}

    def _documents(self, reader: Reader) -> list[tuple[int, DocumentRow]]:
        if not self._rows:
            self._rows[:] = list(reader.rows())
        return self._rows

    def write_base(self, version: Path) -> None:
        """Write this generation as the base file."""
        generation = self.state.generation
        label = _label(self.state.index_id, generation)
        write_arrays(_base_path(version, generation), label, self.arrays())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the content of a base file: all arrays that a search of the live chunks reads."""
        postings = Postings.merge(self.lexical.parts, self.alive)
        return {
            "ids": self.ids[self.alive],
            "documents": self.documents[self.alive],
            "vectors": self.dense.vectors(self.alive),
            **{field.name: getattr(postings, field.name) for field in fields(Postings)},
        }


def base_is_due(reader: Reader, version: Path) -> bool:
    """Return whether enough has changed since the newest base to write a new one."""
    state = reader.state()
    usable = [g for g in _base_generations(version) if state.horizon <= g <= state.generation]
    limit = max(TAIL_LIMIT, state.chunks // _CHUNKS_A_CHANGE)
    return reader.changes_since(max(usable, default=0)) > limit


def remove_older_bases(version: Path) -> None:
    """Remove all base files but the newest."""
    for generation in sorted(_base_generations(version))[:-1]:
        _base_path(version, generation).unlink(missing_ok=True)


def check_bases(reader: Reader, version: Path) -> dict[str, str]:
    """Return the problem of each bad base file, by file name.

    Raises:
        IndexDamagedError: If the catalog that they are compared with is damaged.
    """
    state = reader.state()
    whole = Snapshot.over(_empty_base(state), reader)
    generations = [g for g in _base_generations(version) if state.horizon <= g]
    problems = {
        _base_path(version, generation).name: problem
        for generation in generations
        if (problem := _check_base(whole, reader, version, generation))
    }
    if state.horizon and not generations:
        problems[_base_path(version, state.horizon).name] = "is missing"
    return problems


def remove_bases(version: Path) -> None:
    """Remove all base files; they can be rebuilt from the catalog."""
    for generation in _base_generations(version):
        _base_path(version, generation).unlink(missing_ok=True)


def _check_base(whole: Snapshot, reader: Reader, version: Path, generation: int) -> str:
    """Return what is wrong with a base, compared with ``whole``, derived from the catalog alone."""
    try:
        base = _read_base(version, whole.state.index_id, generation)
    except (FileNotFoundError, IndexDamagedError):
        return "is damaged"
    try:
        snapshot = Snapshot.over(base, reader)
    except IndexDamagedError:
        return "does not match the catalog and the changes since"
    found, expected = snapshot.arrays(), whole.arrays()
    same = all(_are_same(found[name], expected[name]) for name in expected)
    return "" if same else "does not match the catalog"


def _are_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether two arrays are the same bit for bit."""
    return one.dtype == other.dtype and np.array_equal(one.view(np.uint8), other.view(np.uint8))


def _find_base(version: Path, state: State) -> Base | None:
    """Return the newest undamaged base that fits the generation, or None."""
    for generation in sorted(_base_generations(version), reverse=True):
        if state.horizon <= generation <= state.generation:
            try:
                return _read_base(version, state.index_id, generation)
            except (FileNotFoundError, IndexDamagedError):
                continue
    return None


def _read_base(version: Path, index_id: str, generation: int) -> Base:
    arrays = read_arrays(_base_path(version, generation), _label(index_id, generation))
    dense = build_flat(arrays.pop("vectors"))
    # Copied, so that the buffer with the vectors is freed.
    rest = {name: array.copy() for name, array in arrays.items()}
    return Base(generation, rest.pop("ids"), rest.pop("documents"), dense, Postings(**rest))


def _empty_base(state: State) -> Base:
    none = np.empty(0, np.int64)
    vectors = build_flat(np.empty((0, state.identity.dimension), np.float32))
    return Base(0, none, none, vectors, Postings.build([]))


def _postings(rows: Sequence[ChunkRow]) -> Postings:
    return Postings.build([document_terms(row.lexical_text, row.language) for row in rows])


def _base_generations(version: Path) -> list[int]:
    names = (_BASE_NAME.fullmatch(path.name) for path in version.iterdir())
    return [int(match[1]) for match in names if match]


def _base_path(version: Path, generation: int) -> Path:
    return version / f"base-{generation}.bin"


def _label(index_id: str, generation: int) -> str:
    return f"{index_id} {generation}"
