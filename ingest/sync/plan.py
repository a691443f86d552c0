"""Compare the files of a folder with the documents in the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from ingest.errors import LoadError
from ingest.index.records import DocumentRow
from ingest.types import FileContent, FileSignature


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that sync the index with the folder.

    Attributes:
        new: Sources to add.
        changed: Sources with new content, or with a newer loader.
        renamed: Documents that moved: the old source, and the row under the new one.
        deleted: Documents whose file is gone.
        signed: Sources with the same content and a new signature.
        unchanged: Number of sources with the same content that have a text in the index.
        taken: Sources that are the ids of added documents, which stay.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    renamed: tuple[tuple[str, DocumentRow], ...]
    deleted: tuple[DocumentRow, ...]
    signed: tuple[tuple[str, FileSignature | None], ...]
    unchanged: int
    taken: tuple[str, ...] = ()

    @classmethod
    def of_new(cls, files: Iterable[str]) -> Plan:
        """Return the plan for an empty index."""
        return cls(tuple(sorted(files)), (), (), (), (), 0)


def make_plan(
    known: Iterable[DocumentRow],
    settled: AbstractSet[str],
    files: Mapping[str, FileSignature],
    hidden: Callable[[str], bool],
    loader: Callable[[str], str],
    read: Callable[[str], FileContent],
) -> Plan:
    """Return the plan.

    Args:
        known: The documents of the folder in the index, without the settled ones.
        settled: Sources that are unchanged by their signature; not counted as unchanged.
        files: The files of the folder.
        hidden: Returns whether a source that is not among them may still exist.
        loader: Returns the loader that would parse a source now.
        read: Reads a source; may raise LoadError.
    """
    rows = {row.source: row for row in known}
    changed, signed, unchanged = [], [], 0
    for source in files.keys() & rows.keys():
        row = rows[source]
        found = _try_read(source, read)
        if found and (found.content_hash, loader(source)) == (row.content_hash, row.loader):
            signed.append((source, found.signature))
            unchanged += row.status.has_text
        else:
            changed.append(source)
    gone = {
        source: row for source, row in rows.items() if source not in files and not hidden(source)
    }
    fresh = sorted(files.keys() - rows.keys() - settled)
    renamed = tuple(_find_renamed(fresh, gone, loader, read)) if gone else ()
    moved = {name for old, row in renamed for name in (old, row.source)}
    return Plan(
        new=tuple(source for source in fresh if source not in moved),
        changed=tuple(sorted(changed)),
        renamed=renamed,
        deleted=tuple(row for source, row in gone.items() if source not in moved),
        signed=tuple(sorted(signed)),
        unchanged=unchanged,
    )


def _find_renamed(
    fresh: Iterable[str],
    gone: Mapping[str, DocumentRow],
    loader: Callable[[str], str],
    read: Callable[[str], FileContent],
) -> Iterator[tuple[str, DocumentRow]]:
    """Yield each fresh source with the content and loader of a document whose file is gone."""
    lost = {(row.content_hash, row.loader): row for row in gone.values()}
    for source in fresh:
        found = _try_read(source, read)
        row = lost.pop((found.content_hash, loader(source)), None) if found else None
        if found and row and row.status.has_text:
            yield row.source, replace(row, source=source, signature=found.signature)


def _try_read(source: str, read: Callable[[str], FileContent]) -> FileContent | None:
    try:
        return read(source)
    except LoadError:
        return None
