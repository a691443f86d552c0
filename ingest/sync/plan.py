"""Compare a folder with what the index knows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from ingest.errors import LoadError
from ingest.index.records import DocumentRow, Status
from ingest.types import FileContent, FileSignature


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done to bring the index in step with the folder.

    Attributes:
        new: Sources to add.
        changed: Sources with other content than before, or whose loader has improved.
        renamed: Documents that moved: the old source, and the row under the new one.
        deleted: Sources whose file is gone.
        signed: Sources with the same content under another signature.
        unchanged: Number of sources with the same content, but for those that failed.
        taken: Sources that are the ids of added documents, which stay.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    renamed: tuple[tuple[str, DocumentRow], ...]
    deleted: tuple[str, ...]
    signed: tuple[tuple[str, FileSignature | None], ...]
    unchanged: int
    taken: tuple[str, ...] = ()

    @classmethod
    def of_new(cls, files: Iterable[str]) -> Plan:
        """Return the plan for an index that knows nothing of the folder."""
        return cls(tuple(sorted(files)), (), (), (), (), 0)


def make_plan(
    known: Iterable[DocumentRow],
    settled: AbstractSet[str],
    files: Mapping[str, FileSignature],
    loader: Callable[[str], str],
    read: Callable[[str], FileContent],
) -> Plan:
    """Return what is to be done.

    Args:
        known: The documents of the folder that the index holds, but for the settled ones.
        settled: Sources whose signature tells that they are unchanged; they are not counted.
        files: The files that are there.
        loader: Gives the loader that a source would be parsed with now.
        read: Reads a source; may raise LoadError.
    """
    rows = {row.source: row for row in known}
    changed, signed, unchanged = [], [], 0
    for source in files.keys() & rows.keys():
        row = rows[source]
        found = _try_read(source, read)
        if found and (found.content_hash, loader(source)) == (row.content_hash, row.loader):
            signed.append((source, found.signature))
            unchanged += row.status is not Status.FAILED
        else:
            changed.append(source)
    gone = {source: row for source, row in rows.items() if source not in files}
    fresh = sorted(files.keys() - rows.keys() - settled)
    renamed = tuple(_find_renamed(fresh, gone, loader, read)) if gone else ()
    moved = {name for old, row in renamed for name in (old, row.source)}
    return Plan(
        new=tuple(source for source in fresh if source not in moved),
        changed=tuple(sorted(changed)),
        renamed=renamed,
        deleted=tuple(source for source in gone if source not in moved),
        signed=tuple(sorted(signed)),
        unchanged=unchanged,
    )


def _find_renamed(
    fresh: Iterable[str],
    gone: Mapping[str, DocumentRow],
    loader: Callable[[str], str],
    read: Callable[[str], FileContent],
) -> Iterator[tuple[str, DocumentRow]]:
    """Yield each fresh source whose content and loader are those of a document that is gone."""
    lost = {(row.content_hash, row.loader): row for row in gone.values()}
    for source in fresh:
        found = _try_read(source, read)
        row = lost.pop((found.content_hash, loader(source)), None) if found else None
        if found and row and row.status is not Status.FAILED:
            yield row.source, replace(row, source=source, signature=found.signature)


def _try_read(source: str, read: Callable[[str], FileContent]) -> FileContent | None:
    try:
        return read(source)
    except LoadError:
        return None
