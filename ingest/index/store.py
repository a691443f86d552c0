"""The index: catalog, FAISS and BM25 behind one door, which is a LangChain vector store."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from numpy.typing import NDArray

from ingest.chunking import split_document
from ingest.embeddings import EmbeddingIdentity, EmbeddingModel, wrap_embeddings
from ingest.errors import IdentityError, IndexDamagedError, IndexMissingError, UsageError
from ingest.index.analysis import question_terms
from ingest.index.catalog import Catalog
from ingest.index.columns import text_hash
from ingest.index.layout import CATALOG, current_version, new_version, switch_to, write_lock
from ingest.index.reader import Reader, Vectors
from ingest.index.rows import ChunkRow, DocumentRow, Origin, State, Status
from ingest.index.snapshot import Snapshot
from ingest.index.version import Version
from ingest.language import detect_language
from ingest.types import Chunk, Document, FileProblem, FileSignature, IndexStatus

_ADDED_LOADER = "text/1"
_EMBEDDING_BATCH = 256

Filter = Mapping[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that may answer a question, with its cosine and its BM25 score."""

    row: ChunkRow
    dense: float
    lexical: float


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


class Index(VectorStore):
    """An index on disk. Any number of threads and processes may read it while one writes.

    A folder's documents are kept by :func:`ingest.sync_folder`. Those given to ``add_documents``
    stand beside them, and a sync leaves them alone. A long text is split into chunks, so a search
    returns the part that matches.

    Questions and documents always come from the version in use, also after a rebuild. A sync works
    on the version that it opened or made, with :meth:`state`, :meth:`documents`, :meth:`settled`,
    :meth:`find_documents`, :meth:`added`, :meth:`problems`, :meth:`apply`, :meth:`tidy` and
    :meth:`use`.
    """

    def __init__(self, folder: Path, version: Path, embedding: EmbeddingModel) -> None:
        """Bind to a version on disk; use :meth:`open`, :meth:`create` or ``ingest.open_index``."""
        self.folder = folder
        self.embedding = embedding
        self._opened = Version(version, embedding.identity.dimension)
        self._switching = threading.Lock()

    @classmethod
    def open(cls, folder: Path, embedding: EmbeddingModel) -> Index:
        """Open the version in use.

        Raises:
            IndexMissingError: If there is none.
            IdentityError: If it was made with another embedding model.
            IndexDamagedError: If it is not what was written.
        """
        while True:
            version = current_version(folder)
            if version is None:
                raise IndexMissingError(
                    f"there is no index in {folder}: run 'rag index' to make one"
                )
            index = cls(folder, version, embedding)
            try:
                check_identity(folder, index.state(), embedding.identity)
                return index
            except IndexDamagedError:
                index.close()
                if current_version(folder) == version:
                    raise
            except BaseException:
                index.close()
                raise

    @classmethod
    def create(cls, folder: Path, embedding: EmbeddingModel, chunk_tokens: int) -> Index:
        """Make an empty version, which is in use from :meth:`use` on; needs the write lock."""
        version = new_version(folder)
        state = State(
            index_id=uuid.uuid4().hex,
            identity=json.dumps(asdict(embedding.identity)),
            chunk_tokens=chunk_tokens,
        )
        Catalog.create(version / CATALOG, state).close()
        return cls(folder, version, embedding)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        folder: Path | str = "data/index",
        chunk_tokens: int = 200,
        **kwargs: Any,
    ) -> Index:
        """Make an index of ``texts`` in ``folder``, with any LangChain embeddings."""
        index_folder = Path(folder)
        with write_lock(index_folder):
            index = cls.create(index_folder, wrap_embeddings(embedding), chunk_tokens)
            index.use()
        index.add_texts(texts, metadatas, ids=ids)
        return index

    @property
    def embeddings(self) -> Embeddings:
        """The LangChain embeddings of this index."""
        return self.embedding.embeddings

    @property
    def version(self) -> Path:
        """The folder of the version that is open."""
        return self._opened.path

    def state(self) -> State:
        """Return the state row."""
        with self._opened.catalog.read() as reader:
            return reader.state()

    def status(self) -> IndexStatus:
        """Return what the index holds."""
        with self._in_use() as (version, reader):
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

    def document(self, source: str) -> Document | None:
        """Return a document with its whole text, or None if there is none under ``source``."""
        with self._in_use() as (_, reader):
            found = reader.document(source)
        return found[1] if found else None

    def sources(self) -> list[str]:
        """Return the source of every document, the folder's first."""
        with self._in_use() as (_, reader):
            return [row.source for origin in Origin for row in reader.documents(origin)]

    def documents(self, origin: Origin) -> list[DocumentRow]:
        """Return the documents of one origin, in the order of their sources."""
        with self._opened.catalog.read() as reader:
            return list(reader.documents(origin))

    def settled(
        self, origin: Origin, files: Mapping[str, FileSignature], loader: Callable[[str], str]
    ) -> tuple[dict[str, str], list[str]]:
        """Return the status of each document whose file is as it was read, and the other sources.

        Args:
            origin: Whose documents.
            files: The files that are there.
            loader: Gives the loader that a source would be parsed with now.
        """
        with self._opened.catalog.read() as reader:
            return reader.settled(origin, files, loader)

    def find_documents(self, sources: Iterable[str]) -> list[DocumentRow]:
        """Return the documents under the given sources, in that order."""
        with self._opened.catalog.read() as reader:
            return reader.find_documents(sources)

    def added(self) -> list[tuple[DocumentRow, Document]]:
        """Return the documents given to ``add_documents``, with their texts."""
        with self._opened.catalog.read() as reader:
            found = [reader.document(row.source) for row in reader.documents(Origin.ADDED)]
        return [pair for pair in found if pair]

    def problems(self, status: Status) -> tuple[FileProblem, ...]:
        """Return the documents of a status with their reasons."""
        with self._opened.catalog.read() as reader:
            return reader.problems(status)

    def candidates(self, question: str, k: int, filter: Filter | None = None) -> list[Candidate]:
        """Return the ``k`` best chunks by meaning and the ``k`` best by terms, in no order."""
        query = self.embedding.embed_query(question)
        terms = question_terms(question)
        with self._searching(filter) as (reader, snapshot, allowed):
            hits = snapshot.search(query, terms, k, allowed)
            rows = reader.chunks(hit.chunk_id for hit in hits)
        return [Candidate(row, hit.dense, hit.lexical) for row, hit in zip(rows, hits, strict=True)]

    def apply(self, changes: Changes, on_embedded: Callable[[int], None] | None = None) -> Applied:
        """Commit changes as one generation; needs the write lock.

        Args:
            changes: What to do.
            on_embedded: Called with the number of texts of each batch that was embedded.
        """
        split = [(row, document, self._split(row, document)) for row, document in changes.put]
        chunks = [chunk for *_, part in split for chunk in part]
        keys, batches = self._embed_missing(chunks, on_embedded)
        with self._opened.catalog.write() as writer:
            if changes.folder:
                writer.follow(changes.folder)
            for source in changes.removed:
                writer.remove_document(source)
            for source, row in changes.renamed:
                writer.rename_document(source, row)
            for source, signature in changes.signed:
                writer.sign(source, signature)
            if keys:
                writer.put_vectors(keys, np.concatenate(batches))
            for row, document, part in split:
                writer.put_document(row, document, part)
        return Applied(len(chunks), len(keys))

    def tidy(self) -> None:
        """Bring the derived files up to date where that is due; needs the write lock."""
        self._opened.tidy()

    def use(self) -> None:
        """Put this version in use, unless it is; needs the write lock."""
        with suppress(IndexDamagedError):
            if current_version(self.folder) == self.version:
                return
        switch_to(self.version)

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts beside the folder's documents; one under a known id replaces it.

        Raises:
            UsageError: An id is the name of a file of the folder, which would be lost.
        """
        listed = list(texts)
        given = list(ids or [None] * len(listed))
        names = [name or str(uuid.uuid4()) for name in given]
        facts = metadatas or [{} for _ in listed]
        documents = {
            name: (_added_row(name, text, metadata), Document(text, metadata=metadata))
            for name, text, metadata in zip(names, listed, facts, strict=True)
        }
        with write_lock(self.folder):
            self._follow_switch()
            self._refuse_files(names)
            self.apply(Changes(put=list(documents.values())))
            self.tidy()
        return names

    def _refuse_files(self, names: Sequence[str]) -> None:
        with self._in_use() as (_, reader):
            found = (reader.document(name) for name in names)
            files = [pair[0].source for pair in found if pair and pair[0].origin is Origin.FOLDER]
        if files:
            raise UsageError(
                f"'{files[0]}' is a file of the indexed folder: add the text under another id"
            )

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete added documents by id, or all of them; a folder's documents stay."""
        with write_lock(self.folder):
            self._follow_switch()
            added = [row.source for row in self.documents(Origin.ADDED)]
            chosen = added if ids is None else [source for source in added if source in set(ids)]
            self.apply(Changes(removed=chosen))
            self.tidy()
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        """Return whole documents by their source or id; unknown ones are left out."""
        with self._in_use() as (_, reader):
            found = [(name, reader.document(name)) for name in ids]
        return [
            LangChainDocument(id=name, page_content=pair[1].text, metadata=dict(pair[0].metadata))
            for name, pair in found
            if pair
        ]

    def similarity_search(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """Return the ``k`` chunks nearest to ``query`` by meaning, nearest first."""
        found = self.similarity_search_with_score(query, k, filter)
        return [document for document, _ in found]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        """Return the ``k`` nearest chunks with their cosine."""
        return self._nearest(self.embedding.embed_query(query), k, filter)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """Return the ``k`` chunks nearest to a vector."""
        vector = np.asarray(embedding, np.float32)
        found = self._nearest(vector / max(float(np.linalg.norm(vector)), 1e-12), k, filter)
        return [document for document, _ in found]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[LangChainDocument]:
        """Return ``k`` chunks near to ``query`` and unlike each other."""
        vector = self.embedding.embed_query(query)
        found = [document for document, _ in self._nearest(vector, fetch_k, filter)]
        vectors = self.embedding.embed_documents([document.page_content for document in found])
        chosen = maximal_marginal_relevance(vector, list(vectors), lambda_mult, k)
        return [found[position] for position in chosen]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: (cosine + 1) / 2

    def _nearest(
        self, vector: Vectors, k: int, filter: Filter | None
    ) -> list[tuple[LangChainDocument, float]]:
        with self._searching(filter) as (reader, snapshot, allowed):
            hits = snapshot.nearest(vector, k, allowed)
            rows = reader.chunks(chunk_id for chunk_id, _ in hits)
        return [(chunk_document(row), cosine) for row, (_, cosine) in zip(rows, hits, strict=True)]

    def _split(self, row: DocumentRow, document: Document) -> list[Chunk]:
        if row.status is Status.FAILED:
            return []
        identity = self.embedding.identity
        tokens = min(self.state().chunk_tokens, identity.max_tokens)
        return split_document(document, self.embedding.tokenizer, tokens, identity.max_tokens)

    def _embed_missing(
        self, chunks: Iterable[Chunk], on_embedded: Callable[[int], None] | None
    ) -> tuple[list[bytes], list[Vectors]]:
        """Embed the texts that have no vector yet, each once; return their keys and vectors."""
        texts = {text_hash(chunk.embedding_text): chunk.embedding_text for chunk in chunks}
        with self._opened.catalog.read() as reader:
            missing = reader.missing_vectors(texts)
        keys = [key for key in texts if key in missing]
        batches = []
        for start in range(0, len(keys), _EMBEDDING_BATCH):
            batch = [texts[key] for key in keys[start : start + _EMBEDDING_BATCH]]
            batches.append(self.embedding.embed_documents(batch))
            if on_embedded:
                on_embedded(len(batch))
        return keys, batches

    @contextmanager
    def _searching(
        self, filter: Filter | None
    ) -> Iterator[tuple[Reader, Snapshot, NDArray[np.int64] | None]]:
        """Give a reader, the snapshot of the generation it sees, and the documents to search."""
        with ExitStack() as stack:
            reader, snapshot = self._enter(stack, Version.read)
            yield reader, snapshot, snapshot.matching(reader, filter) if filter else None

    @contextmanager
    def _in_use(self) -> Iterator[tuple[Version, Reader]]:
        """Give the version in use and a reader of it."""
        with ExitStack() as stack:
            yield self._enter(stack, _read_alone)

    def _enter(self, stack: ExitStack, read: Callable[[Version], AbstractContextManager[T]]) -> T:
        """Begin to read the version in use, whose files stay there until the reading ends."""
        while True:
            version = self._follow_switch()
            try:
                return stack.enter_context(read(version))
            except IndexDamagedError:
                # Rebuilds may have removed this version since it was looked up.
                if self._follow_switch() is version:
                    raise

    def _follow_switch(self) -> Version:
        """Return the version in use, and go on with it if a rebuild has switched to another."""
        if current_version(self.folder) in (None, self._opened.path):
            return self._opened
        with self._switching:
            # Another thread may have followed a later switch meanwhile: never go back.
            path = current_version(self.folder)
            if path not in (None, self._opened.path):
                version = Version(path, self.embedding.identity.dimension)
                try:
                    with version.catalog.read() as reader:
                        check_identity(self.folder, reader.state(), self.embedding.identity)
                except BaseException:
                    version.close()
                    raise
                self._opened, before = version, self._opened
                before.close()
            return self._opened


@contextmanager
def _read_alone(version: Version) -> Iterator[tuple[Version, Reader]]:
    with version.catalog.read() as reader:
        yield version, reader


def chunk_document(row: ChunkRow) -> LangChainDocument:
    """Return a chunk as a LangChain Document.

    An added document that is one chunk comes back as it was given; any other chunk carries
    its ``source``, place (``start``, ``end``, ``page``, ``page_breaks``, ``headings``) and
    ``language`` beside its metadata.
    """
    metadata = dict(row.metadata)
    if row.origin is Origin.ADDED and row.whole:
        return LangChainDocument(id=row.source, page_content=row.chunk.text, metadata=metadata)
    metadata |= {
        "source": row.source,
        "start": row.chunk.start,
        "end": row.chunk.end,
        "page": row.chunk.page,
        "page_breaks": list(row.chunk.page_breaks),
        "headings": list(row.chunk.headings),
        "language": row.language,
    }
    return LangChainDocument(
        id=f"{row.source}#{row.ordinal}", page_content=row.chunk.text, metadata=metadata
    )


def check_identity(folder: Path, state: State, identity: EmbeddingIdentity) -> None:
    """Raise IdentityError if the index was made with another embedding model."""
    made_with = EmbeddingIdentity(**json.loads(state.identity))
    differences = made_with.differences(identity)
    if differences:
        raise IdentityError(
            f"the index {folder} was made with {made_with.name} and the settings say "
            f"{identity.name} ({'; '.join(differences)}): run 'rag index --rebuild' to embed the "
            "documents again, or set RAG_EMBEDDING back"
        )


def _added_row(name: str, text: str, metadata: Mapping[str, Any]) -> DocumentRow:
    return DocumentRow(
        source=name,
        origin=Origin.ADDED,
        content_hash=sha256(text.encode("utf-8", "surrogatepass")).digest(),
        loader=_ADDED_LOADER,
        language=detect_language(text),
        metadata=metadata,
    )
