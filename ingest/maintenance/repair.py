"""Verify an index and repair it.

A damaged catalog is replaced: what can be verified is copied into a new version, and the rest is
read again from the files. Derived files are rebuilt. The damaged version is kept beside the new one
for a rollback, until the next rebuild.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.embeddings import EmbeddingModel, embedding_model
from ingest.errors import IndexDamagedError, IndexMissingError, UsageError
from ingest.index.atomic_files import CommitMarker
from ingest.index.catalog import Catalog
from ingest.index.directory import CATALOG, find_unwritable, write_lock
from ingest.index.document_index import Changes
from ingest.index.open_version import check_identity
from ingest.index.records import DocumentRow, Origin, State
from ingest.index.salvage import Found, mended_copy
from ingest.index.snapshot import Snapshot, remove_bases
from ingest.index.vectorstore import Index
from ingest.index.writer import Writer
from ingest.maintenance.integrity import (
    Check,
    Damage,
    check_folder,
    check_version,
    version_to_check,
)
from ingest.settings import IndexSettings
from ingest.sync.folder_sync import sync_folder
from ingest.types import Document, OnProgress, ignore_progress


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The damages found, and how much the index holds (after the repair, if any).

    ``read_only`` is whether this process may not write to the index; then it can't tell what a
    killed writer left behind from what a writer is using.
    """

    damages: tuple[Damage, ...]
    documents: int
    chunks: int
    seconds: float
    read_only: bool = False


def verify_index(
    settings: IndexSettings, *, repair: bool = False, progress: OnProgress | None = None
) -> VerifyReport:
    """Verify every row and file of the version in use, and with ``repair`` repair it.

    Raises:
        IndexMissingError: If there is no index.
        IdentityError: On a repair, if the index was made with another embedding model.
        IndexBusyError: On a repair, if another process is writing.
        StoreError: On a repair, if the index may only be read.
    """
    started = time.monotonic()
    show = progress or ignore_progress
    version = version_to_check(settings.index) if settings.index.is_dir() else None
    if version is None:
        raise IndexMissingError(settings.index)
    outside = check_folder(settings.index)
    if repair:
        damages, state = _repair(settings, outside, show)
    else:
        check = check_version(version, show)
        damages, state = (*outside, *check.damages), check.state
    return VerifyReport(
        damages=tuple(damages),
        documents=state.documents if state else 0,
        chunks=state.chunks if state else 0,
        seconds=time.monotonic() - started,
        read_only=find_unwritable(settings.index) is not None,
    )


def _repair(
    settings: IndexSettings, outside: Sequence[Damage], progress: OnProgress
) -> tuple[Sequence[Damage], State | None]:
    """Repair the index; return the damages, each repaired or not, and the state now."""
    with write_lock(settings.index):  # restores the pointer and removes leftovers
        version = version_to_check(settings.index)
        check = check_version(version, progress) if version else Check()
        if version and check.only_derived:
            if check.files:
                _rebuild_derived(version)
            return [replace(damage, repaired=True) for damage in (*outside, *check.files)], (
                check.state
            )
        embedding = embedding_model(settings)
        carried = version is not None and _carry_over(version, settings, check, embedding)
    complete = _read_files(settings, check, embedding, not carried, progress)
    return _settle(settings, embedding, outside, check, complete)


def _rebuild_derived(version: Path) -> None:
    remove_bases(version)
    with closing(Catalog(version / CATALOG)) as catalog, catalog.read() as reader:
        Snapshot.load(reader, version).write_base(version)


def _carry_over(
    version: Path, settings: IndexSettings, check: Check, embedding: EmbeddingModel
) -> bool:
    """Put a new version with the undamaged documents in use; return False if there are none."""
    with ExitStack() as stack:
        catalog = version / CATALOG
        if check.state is None and catalog.is_file():
            catalog = stack.enter_context(mended_copy(catalog))
            check.state = _read_state(catalog)
        if check.state:
            check_identity(f"the index {settings.index}", check.state, embedding.identity)
        tokens = check.state.chunk_tokens if check.state else settings.chunk_tokens
        index = stack.enter_context(closing(Index.create(settings.index, embedding, tokens)))
        with suppress(IndexDamagedError):
            index.apply(Changes(put=_copy_whole(catalog, index.version / CATALOG, check.state)))
        if not index.state().rows:
            return False
        index.tidy()
        index.use()
    return True


def _read_state(catalog: Path) -> State | None:
    with (
        suppress(IndexDamagedError),
        closing(Catalog(catalog)) as opened,
        opened.inspect() as inspector,
    ):
        return inspector.readable_state()
    return None


def _copy_whole(
    broken: Path, target: Path, state: State | None
) -> list[tuple[DocumentRow, Document]]:
    """Copy the undamaged documents; return those that have to be split or embedded again."""
    with (
        closing(Catalog(broken)) as source,
        closing(Catalog(target)) as catalog,
        source.inspect() as inspector,
        catalog.write() as writer,
    ):
        if state:
            writer.follow(state.folder)
        return [
            (found.row, found.document)
            for found in inspector.found()
            if not _copy_document(writer, found, state) and found.row and found.document
        ]


def _copy_document(writer: Writer, found: Found, state: State | None) -> bool:
    """Copy a document and return True, if it and its vectors are undamaged.

    Without the state row it is unknown which model made the vectors.
    """
    if state is None or not (found.row and found.document):
        return False
    if found.vectors:
        writer.put_vectors(found.vectors)
    if found.problems or found.chunks is None:
        return False
    writer.put_document(found.row, found.document, [row.chunk for row in found.chunks])
    return True


def _read_files(
    settings: IndexSettings,
    check: Check,
    embedding: EmbeddingModel,
    rebuild: bool,
    progress: OnProgress,
) -> bool:
    """Sync with the folder again; return whether the index now holds all of its documents."""
    state = check.state
    if state and not state.folder:
        return not rebuild
    if state:
        known = {"chunk_tokens": state.chunk_tokens}
        folder = Path(state.folder)
        settings = settings.model_copy(
            update=known | ({"documents": folder} if folder.is_dir() else {})
        )
    try:
        sync_folder(settings, rebuild=rebuild, progress=progress, embedding=embedding)
    except UsageError:
        return False
    return True


def _settle(
    settings: IndexSettings,
    embedding: EmbeddingModel,
    outside: Sequence[Damage],
    check: Check,
    complete: bool,
) -> tuple[Sequence[Damage], State | None]:
    """Return each damage, repaired or not, and the state of the index now."""
    try:
        with closing(Index.open(settings.index, embedding)) as index:
            state = index.state()
            sources = {row.source for origin in Origin for row in index.documents(origin)}
    except (IndexDamagedError, IndexMissingError):
        return (*outside, *check.damages), None
    before = check.state
    lost = _added_before(check) - state.added
    whole = complete or (before is not None and state.documents >= before.documents)
    documents = [
        replace(damage, repaired=damage.where in sources or (whole and lost <= 0))
        for damage in check.documents
    ]
    files = [replace(damage, repaired=whole) for damage in (*outside, *check.files)]
    return [*files, *documents, *_unnamed(check, lost, documents)], state


def _added_before(check: Check) -> int:
    """Return how many added documents the later of the marker and the state row counts."""
    markers = [check.marker, CommitMarker.of(check.state) if check.state else None]
    known = [marker for marker in markers if marker]
    return max(known, key=lambda marker: marker.generation).added if known else 0


def _unnamed(check: Check, lost: int, documents: Sequence[Damage]) -> list[Damage]:
    """Return the losses of added documents whose sources are unknown."""
    if check.uncertain or not (check.state or check.marker):
        return [Damage("what add_documents put there last may be lost", CATALOG)]
    named = [d for d in documents if not d.repaired and not d.where.endswith(CATALOG)]
    if lost <= len(named):
        return []
    what = f"{lost - len(named)} documents of add_documents are lost, without a name"
    return [Damage(what, CATALOG)]
