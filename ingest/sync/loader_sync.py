"""Sync an index with the documents of a LangChain loader."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING

from langchain_core.documents import Document as LangChainDocument

from ingest.embeddings import EmbeddingModel, embedding_model
from ingest.errors import LoadError, UsageError
from ingest.index.directory import current_version, write_lock
from ingest.index.document_index import Changes
from ingest.index.records import DocumentRow, Origin
from ingest.index.vectorstore import Index
from ingest.settings import IndexSettings
from ingest.sync.folder_sync import check_chunk_tokens, writable_index
from ingest.text.languages import identify_language
from ingest.types import (
    Coverage,
    Document,
    FileProblem,
    OnProgress,
    SyncProgress,
    SyncReport,
    ignore_progress,
)

if TYPE_CHECKING:
    from langchain_core.document_loaders import BaseLoader

_PREFIX = "langchain:"
_VERSION = 1
_BATCH_CHARACTERS = 100_000  # what a kill can lose; chosen by hand


def sync_loader(
    settings: IndexSettings,
    loader: BaseLoader,
    *,
    dry_run: bool = False,
    progress: OnProgress | None = None,
    embedding: EmbeddingModel | None = None,
) -> SyncReport:
    """Sync the index with the documents of a LangChain loader.

    The source of a document in the index is its ``id``, else ``metadata["id"]``, else
    ``metadata["source"]``. Several documents with the same ``metadata["source"]``, such as the
    pages of a PDF, become ``report.pdf``, ``report.pdf (2)`` and so on, in the loader's order.
    Unchanged documents are skipped, and only new text is embedded. Documents of an earlier loader
    of the same class that this one does not yield are deleted, so load all documents of a kind with
    one loader. Files of the folder, added texts and documents of loaders of other classes stay.
    Documents that can't be indexed are listed under ``failed``.

    Changes are committed in batches, so the next sync continues where a killed one stopped.

    Args:
        settings: The index and the embedding model.
        loader: The loader.
        dry_run: Report what would change, and change nothing.
        progress: Called at each step.
        embedding: The model of the settings, if it is loaded already.

    Raises:
        UsageError: If ``loader`` is not a loader, or the index has another chunk size.
        LoadError: If the loader fails; documents before that are indexed, nothing is deleted.
        IdentityError: If the index was made with another embedding model.
        IndexBusyError: If another process is writing.
    """
    started = time.monotonic()
    # Not isinstance: importing BaseLoader takes a tenth of a second.
    if not hasattr(loader, "lazy_load"):
        raise UsageError(f"{type(loader).__name__} is no LangChain loader: give a BaseLoader")
    embedding = embedding or embedding_model(settings)
    if dry_run:
        known = _read_known(settings, embedding)
        return _LoaderSync(loader, None, known, ignore_progress).run(started)
    with (
        write_lock(settings.index),
        closing(writable_index(settings, embedding, rebuild=False)) as index,
    ):
        known = _known(settings, index)
        return _LoaderSync(loader, index, known, progress or ignore_progress).run(started)


class _LoaderSync:
    """One sync: applies what the loader yields and reports the result."""

    def __init__(
        self,
        loader: BaseLoader,
        index: Index | None,
        known: dict[str, DocumentRow],
        progress: OnProgress,
    ) -> None:
        self._loader = loader
        self._origin = f"{_PREFIX}{type(loader).__name__}/{_VERSION}"
        self._index = index
        self._known = known
        self._progress = progress
        self._given: set[str] = set()
        self._counts = Counter[str]()
        self._failed: list[FileProblem] = []

    def run(self, started: float) -> SyncReport:
        for changes in self._changes():
            self._apply(changes)
        gone = [
            source
            for source, row in self._known.items()
            if row.loader == self._origin and source not in self._given
        ]
        self._apply(Changes(removed=gone))
        if self._index:
            self._index.tidy()
        read = sum(self._counts[outcome] for outcome in ("new", "changed", "unchanged"))
        total = read + len(self._failed)
        share = read / total if total else 1.0
        return SyncReport(
            new=self._counts["new"],
            changed=self._counts["changed"],
            renamed=0,
            deleted=len(gone),
            unchanged=self._counts["unchanged"],
            failed=tuple(self._failed),
            newly_failed=len(self._failed),
            partial=(),
            ignored=(),
            coverage=Coverage(share, share, read, total),
            chunks=self._counts["chunks"],
            embedded=self._counts["embedded"],
            reused=self._counts["chunks"] - self._counts["embedded"],
            seconds=time.monotonic() - started,
        )

    def _apply(self, changes: Changes) -> None:
        if self._index:
            applied = self._index.apply(changes, self._count_embedded)
            self._index.use()
            self._counts["chunks"] += applied.chunks

    def _changes(self) -> Iterator[Changes]:
        """Yield new and changed documents in batches, the last one before a failure as well."""
        changes, characters = Changes(), 0
        try:
            for source, document in _read(self._loader):
                self._take(source, document, changes)
                characters += len(document.page_content)
                if characters >= _BATCH_CHARACTERS:
                    yield changes
                    changes, characters = Changes(), 0
        except LoadError:
            yield changes
            raise
        yield changes

    def _take(self, source: str, document: LangChainDocument, changes: Changes) -> None:
        """Add a document to the changes if it is new or changed, or list it as failed.

        The earlier version of a document that failed is removed, because it is out of date.
        """
        known = self._known.get(source)
        try:
            self._check(source, document)
            row = _row(source, self._origin, document)
        except LoadError as error:
            self._failed.append(FileProblem(source, str(error)))
            if known and known.loader == self._origin and source not in self._given:
                changes.removed.append(source)
            return
        finally:
            self._given.add(source)
        if known and (known.content_hash, known.loader) == (row.content_hash, row.loader):
            self._counts["unchanged"] += 1
            return
        self._counts["changed" if known else "new"] += 1
        changes.put.append((row, Document(document.page_content, metadata=row.metadata)))
        self._report_progress()

    def _check(self, source: str, document: LangChainDocument) -> None:
        """Raise LoadError if a document can't be indexed."""
        known = self._known.get(source)
        if not _name(document):
            raise LoadError("has no id and no metadata['source']: give it one")
        if source in self._given:
            raise LoadError("is the id of an earlier document too: give each its own")
        if known and known.origin is Origin.FOLDER:
            raise LoadError("is a file of the indexed folder: give the document another id")
        if known and not known.loader.startswith(_PREFIX):
            raise LoadError("is the id of an added text: give the document another id")
        if not document.page_content.strip():
            raise LoadError("is empty")

    def _count_embedded(self, embedded: int) -> None:
        self._counts["embedded"] += embedded
        self._report_progress()

    def _report_progress(self) -> None:
        done = self._counts["new"] + self._counts["changed"]
        self._progress(SyncProgress(done, done, self._counts["embedded"]))


def _read(loader: BaseLoader) -> Iterator[tuple[str, LangChainDocument]]:
    """Yield the documents with their sources; raises LoadError if the loader fails."""
    numbers = Counter[str]()
    at = 1
    try:
        for document in loader.lazy_load():
            yield _source(document, numbers) or f"document {at}", document
            at += 1
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise LoadError(
            f"the loader {type(loader).__name__} failed at document {at}: {reason}; what "
            "came before is indexed, nothing was deleted: mend it and index again"
        ) from error


def _source(document: LangChainDocument, numbers: Counter[str]) -> str:
    """Return the source of a document, numbered if it is not the first of that name."""
    name = _name(document)
    if _id(document):
        return name
    numbers[name] += 1
    return f"{name} ({numbers[name]})" if numbers[name] > 1 else name


def _name(document: LangChainDocument) -> str:
    return _id(document) or str(document.metadata.get("source") or "").strip()


def _id(document: LangChainDocument) -> str:
    return str(document.id or document.metadata.get("id") or "").strip()


def _read_known(settings: IndexSettings, embedding: EmbeddingModel) -> dict[str, DocumentRow]:
    if current_version(settings.index) is None:
        return {}
    with closing(Index.open(settings.index, embedding)) as index:
        return _known(settings, index)


def _known(settings: IndexSettings, index: Index) -> dict[str, DocumentRow]:
    check_chunk_tokens(settings, index)
    return {row.source: row for origin in Origin for row in index.documents(origin)}


def _row(source: str, loader: str, document: LangChainDocument) -> DocumentRow:
    """Return the row of a document; raises LoadError if its text or metadata is invalid."""
    try:
        # Loaders also yield dates and paths: write those as text.
        facts = json.dumps(document.metadata, ensure_ascii=False, default=str)
        content = f"{document.page_content}\0{facts}".encode()
    except UnicodeEncodeError:
        raise LoadError("holds characters that are no valid text") from None
    except (TypeError, ValueError) as error:
        raise LoadError(f"has metadata that can't be written as JSON: {error}") from error
    return DocumentRow(
        source=source,
        origin=Origin.ADDED,
        content_hash=sha256(content).digest(),
        loader=loader,
        language=identify_language(document.page_content),
        metadata=json.loads(facts),
    )
