"""Sync an index with a folder: scan the files, plan, then commit the changes in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from ingest.embeddings import EmbeddingModel, PassageVectors, embedding_model
from ingest.errors import IndexDamagedError, StoreError, UsageError
from ingest.index.directory import current_version, read_state, write_lock
from ingest.index.document_index import Applied, Changes, Split
from ingest.index.reader import SAME_DOCUMENTS
from ingest.index.records import DocumentRow, Origin, Status
from ingest.index.vectorstore import Index
from ingest.loaders import kind_of_name
from ingest.settings import IndexSettings
from ingest.sync.ignore_rules import IgnoreRules
from ingest.sync.plan import Plan, make_plan
from ingest.sync.progress import Progress
from ingest.sync.scan import Scan, find_files, read_file
from ingest.sync.workers import Workers
from ingest.text.languages import identify_language
from ingest.types import (
    Coverage,
    Document,
    FileContent,
    FileProblem,
    OnProgress,
    ReadTime,
    SyncReport,
    ignore_progress,
)

_LOADERS_VERSION = 4
_EXTRAS = ("tesserocr", "kreuzberg")
_PASSWORDS = "RAG_PASSWORDS"  # stands in the reason of a file that needs one
# A batch is committed once it has this much text or took this long, which bounds what a kill can
# lose; a document is never split between two. All four limits here were chosen by hand.
_BATCH_CHARACTERS = 500_000
_BATCH_SECONDS = 20.0
# Text that is embedded together: up to ten times as much while that takes less than _GROUP_SECONDS.
_GROUP_CHARACTERS = 20_000
_GROUP_SECONDS = 5.0
_clock = time.monotonic


def sync_folder(
    settings: IndexSettings,
    *,
    dry_run: bool = False,
    rebuild: bool = False,
    retry_failed: bool = False,
    allow_empty: bool = False,
    progress: OnProgress | None = None,
    embedding: EmbeddingModel | None = None,
) -> SyncReport:
    """Sync the index with the folder ``settings.documents``.

    Unchanged files are not read and moved ones are not embedded again. Changes are committed about
    every 20 seconds, or after a large document, and the next sync continues where a killed or
    interrupted one stopped.

    Args:
        settings: The folder, the index and the embedding model.
        dry_run: Report what would change, and change nothing.
        rebuild: Make a new index beside the old one, which serves until the new one is complete.
        retry_failed: Also retry unchanged files that could not be read.
        allow_empty: Remove every document where the folder has none, instead of an error.
        progress: Called at each step.
        embedding: The model of the settings, if it is loaded already.

    Raises:
        UsageError: If the folder does not exist, or has no documents and ``allow_empty`` is not
            set; nothing is changed.
        IdentityError: If the index was made with another embedding model.
        IndexBusyError: If another process is writing.
    """
    started = time.monotonic()
    if dry_run or not settings.index.exists():
        scan = _find_documents(settings, allow_empty)
    embedding = embedding or embedding_model(settings)
    if dry_run:
        return _dry_run(settings, embedding, scan, rebuild, retry_failed, started)
    with write_lock(settings.index):
        # Under the lock: an older list would delete what the previous writer has just added.
        scan = _find_documents(settings, allow_empty)
        with closing(writable_index(settings, embedding, rebuild)) as index:
            _check_settings(settings, index)
            plan = _plan(settings, index, scan, retry_failed)
            sizes = {source: scan.files[source].size for source in (*plan.new, *plan.changed)}
            shown = Progress(sizes, progress or ignore_progress)
            with closing(Workers(settings)) as workers:
                sync = _Sync(settings, index, plan, scan, workers, shown, rebuild)
                return sync.run(started)


def followed_folder(index: Path) -> Path | None:
    """Return the folder that an index is synced with; None without one or if it can't be read.

    The folder may no longer exist.
    """
    try:
        version = current_version(index)
        folder = version and read_state(version, SAME_DOCUMENTS).folder
    except StoreError:
        return None
    return Path(folder) if folder else None


@dataclass(slots=True)
class _Sync:
    """One sync: applies the plan and reports the result."""

    settings: IndexSettings
    index: Index
    plan: Plan
    scan: Scan
    workers: Workers
    progress: Progress
    rebuild: bool
    slowest: ReadTime | None = None
    group_characters: int = field(default_factory=lambda: _GROUP_CHARACTERS)

    def run(self, started: float) -> SyncReport:
        plan = self.plan
        known = set(self.index.problems(Status.FAILED))
        applied = list(self._apply())
        self.index.tidy()
        self.index.use()
        embedded = sum(done.embedded for done in applied)
        chunks = sum(done.chunks for done in applied)
        failed = self.index.problems(Status.FAILED)
        ignored = self.index.problems(Status.IGNORED)
        without_text = {problem.source for problem in (*failed, *ignored)}
        return SyncReport(
            new=len(set(plan.new) - without_text),
            changed=len(set(plan.changed) - without_text),
            renamed=len(plan.renamed),
            deleted=_count_texts(plan.deleted),
            unchanged=plan.unchanged,
            failed=failed + _refused(plan),
            newly_failed=len(set(failed) - known),
            partial=self.index.problems(Status.PARTIAL),
            ignored=_ignored(self.scan, ignored),
            coverage=self.index.coverage(),
            chunks=chunks,
            embedded=embedded,
            reused=chunks - embedded,
            seconds=time.monotonic() - started,
            slowest=self.slowest,
        )

    def _apply(self) -> Iterator[Applied]:
        """Commit the plan in batches; a small plan is a single batch."""
        batch = _Batch(
            Changes(
                folder=str(self.settings.documents.resolve()),
                removed=[row.source for row in self.plan.deleted],
                renamed=list(self.plan.renamed),
                signed=list(self.plan.signed),
            )
        )
        begun = _clock()
        for documents in self._read():
            started = _clock()
            self._embed(documents, batch)
            self._fit_group(_clock() - started)
            if batch.characters >= _BATCH_CHARACTERS or _clock() - begun >= _BATCH_SECONDS:
                yield self._commit(batch)
                batch, begun = _Batch(Changes()), _clock()
        if batch.split or batch.changes.folder:
            yield self._commit(batch)

    def _read(self) -> Iterator[list[tuple[DocumentRow, Document]]]:
        """Yield the new and changed documents in groups that are embedded together."""
        documents: list[tuple[DocumentRow, Document]] = []
        characters, begun = 0, _clock()
        sources = sorted((*self.plan.new, *self.plan.changed))
        loader = _loaders()
        sizes = self.scan.files
        files = self.workers.load((one, sizes[one].size, loader(one)) for one in sources)
        for source in sources:
            self.progress.reading(source)
            loaded = next(files)
            self.progress.read(source)
            if self.slowest is None or loaded.seconds > self.slowest.seconds:
                self.slowest = ReadTime(source, loaded.seconds)
            documents.append((loaded.row, loaded.document))
            characters += len(loaded.document.text)
            enough = characters >= min(self.group_characters, _BATCH_CHARACTERS)
            if enough or _clock() - begun >= _GROUP_SECONDS:
                yield documents
                documents, characters, begun = [], 0, _clock()
        if documents:
            yield documents

    def _fit_group(self, seconds: float) -> None:
        """Adjust the size of the next groups so that each takes about ``_GROUP_SECONDS``."""
        fitting = self.group_characters * min(2.0, _GROUP_SECONDS / max(seconds, 0.001))
        self.group_characters = round(min(max(fitting, _GROUP_CHARACTERS), 10 * _GROUP_CHARACTERS))

    def _embed(self, documents: Sequence[tuple[DocumentRow, Document]], batch: _Batch) -> None:
        split = self.index.split(documents)
        for row, document, chunks in split:
            self.progress.split(row.source, len(chunks))
            batch.characters += len(document.text)
        self.progress.embedding(split[0][0].source)
        for count, source in self.index.embed(split, batch.vectors):
            self.progress.embedding(source, count)
        batch.split += split

    def _commit(self, batch: _Batch) -> Applied:
        self.progress.committing()
        applied = self.index.commit(batch.changes, batch.split, batch.vectors)
        if not self.rebuild:
            self.index.use()
        return applied


@dataclass(slots=True)
class _Batch:
    """Changes that will be committed together."""

    changes: Changes
    split: list[Split] = field(default_factory=list)
    vectors: dict[bytes, PassageVectors] = field(default_factory=dict)
    characters: int = 0


def _count_texts(rows: Iterable[DocumentRow]) -> int:
    return sum(row.status.has_text for row in rows)


def _ignored(scan: Scan, kinds: Iterable[FileProblem]) -> tuple[FileProblem, ...]:
    return tuple(sorted((*scan.ignored, *kinds), key=lambda problem: problem.source))


def _find_documents(settings: IndexSettings, allow_empty: bool) -> Scan:
    folder = settings.documents
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(
            f"the documents folder {folder} {problem}: name one, as in 'rag index DOCS'"
        )
    rules = IgnoreRules.of(settings.include, settings.exclude)
    scan = find_files(folder, rules, skip=settings.index)
    if "" in scan.unreadable:
        raise UsageError(f"the documents folder {folder} can't be read: check its permissions")
    if not (scan.files or allow_empty):
        left_out = f" ({len(scan.ignored)} ignored)" if scan.ignored else ""
        raise UsageError(
            f"there are no documents in {folder}{left_out}: put files there, or name another "
            "folder, as in 'rag index DOCS'; the index is as it was"
        )
    return scan


def writable_index(settings: IndexSettings, embedding: EmbeddingModel, rebuild: bool) -> Index:
    """Return the index to write to: the one in use, or a new version if none is or to rebuild."""
    if rebuild or current_version(settings.index) is None:
        index = Index.create(settings.index, embedding, settings.chunk_tokens)
        kept = _added_documents(settings.index, embedding) if rebuild else []
        if kept:
            index.apply(Changes(put=kept))
        return index
    return Index.open(settings.index, embedding)


def _added_documents(folder: Path, embedding: EmbeddingModel) -> list[tuple[DocumentRow, Document]]:
    """Return the documents from ``add_documents`` in the index in use, if it can be read."""
    try:
        version = current_version(folder)
        if version is None:
            return []
        with closing(Index(folder, version, embedding)) as index:
            found = index.added()
    except IndexDamagedError:
        return []
    return [(replace(row, language=identify_language(doc.text)), doc) for row, doc in found]


def check_chunk_tokens(settings: IndexSettings, index: Index) -> None:
    """Raise UsageError if the index was made with another chunk size than the settings say."""
    found = index.state().chunk_tokens
    if found != settings.chunk_tokens:
        raise UsageError(
            f"the index {settings.index} has chunks of {found} tokens, the settings "
            f"say {settings.chunk_tokens}: run 'rag index --rebuild', or set RAG_CHUNK_TOKENS back"
        )


def _check_settings(settings: IndexSettings, index: Index) -> None:
    check_chunk_tokens(settings, index)
    state = index.state()
    if state.folder not in ("", str(settings.documents.resolve())) and Path(state.folder).is_dir():
        raise UsageError(
            f"the index {settings.index} follows the folder {state.folder}, not "
            f"{settings.documents}: use another index with --index, or 'rag index --rebuild' to "
            "follow the new folder"
        )


def _dry_run(
    settings: IndexSettings,
    embedding: EmbeddingModel,
    scan: Scan,
    rebuild: bool,
    retry_failed: bool,
    started: float,
) -> SyncReport:
    failed: tuple[FileProblem, ...] = ()
    ignored: tuple[FileProblem, ...] = ()
    coverage = Coverage(0.0, 0.0, 0, len(scan.files))
    plan = Plan.of_new(scan.files)
    if not rebuild and current_version(settings.index):
        with closing(Index.open(settings.index, embedding)) as index:
            _check_settings(settings, index)
            plan = _plan(settings, index, scan, retry_failed)
            failed, ignored = map(index.problems, (Status.FAILED, Status.IGNORED))
            coverage = index.coverage()
    gone = {*plan.changed, *(row.source for row in plan.deleted)}
    return SyncReport(
        new=len(plan.new),
        changed=len(plan.changed),
        renamed=len(plan.renamed),
        deleted=_count_texts(plan.deleted),
        unchanged=plan.unchanged,
        failed=tuple(one for one in failed if one.source not in gone) + _refused(plan),
        newly_failed=0,
        partial=(),
        ignored=_ignored(scan, ignored),
        coverage=coverage,
        chunks=0,
        embedded=0,
        reused=0,
        seconds=time.monotonic() - started,
    )


def _plan(settings: IndexSettings, index: Index, scan: Scan, retry_failed: bool) -> Plan:
    """Compare the folder with the index; read only rows and files that may have changed."""
    added = index.documents(Origin.ADDED) if index.state().added else []
    taken = {row.source for row in added} & scan.files.keys()
    files = {source: scan.files[source] for source in scan.files.keys() - taken}
    loader = _loaders()
    settled, doubtful = index.settled(files, loader)
    failed = [source for source, status in settled.items() if status == Status.FAILED]
    unchanged = sum(Status(status).has_text for status in settled.values())
    retried = set(failed) if retry_failed else set()
    if settings.passwords:
        retried |= {one.source for one in index.problems(Status.FAILED) if _PASSWORDS in one.reason}
    doubtful += retried & settled.keys()
    settled = {source: settled[source] for source in settled.keys() - retried}
    rows = [
        # Make a failed document that is to be retried look changed.
        replace(row, content_hash=b"") if row.source in retried else row
        for row in index.find_documents(doubtful)
    ]
    read = partial(_read, settings)
    plan = make_plan(rows, settled.keys(), files, scan.is_hidden, loader, read)
    return replace(plan, unchanged=plan.unchanged + unchanged, taken=tuple(sorted(taken)))


def _refused(plan: Plan) -> tuple[FileProblem, ...]:
    reason = "has the name of an added document, which stays: rename the file"
    return tuple(FileProblem(source, reason) for source in plan.taken)


def _read(settings: IndexSettings, source: str) -> FileContent:
    return read_file(settings.documents / source, settings.max_file_mb * 1_000_000)


def _loaders() -> Callable[[str], str]:
    """Return a function from a source to what decides how its file is read.

    That is its name, the version of the loaders, and the extras that they may use.
    """
    version = "+".join((str(_LOADERS_VERSION), *filter(find_spec, _EXTRAS)))
    return lambda source: f"{kind_of_name(source)}/{version}"
