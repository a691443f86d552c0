"""The kinds of change that an index goes through, for other parts to disturb."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from corpus import change_documents, word_embedding, write_documents

import ingest.sync.folder_sync
from ingest import Index, IndexSettings, sync_folder
from ingest.index import snapshot

_NOTES = {f"note{n}": f"Note {n} says copper {n}. River and stone." for n in range(3)}
_ALL_NOTES = tuple(_NOTES)


@dataclass(frozen=True, slots=True)
class Change:
    """A kind of change to an index.

    Attributes:
        name: What it is.
        prepare: Makes the index and the documents before the change.
        make: Makes the change.
        again: What a person would do after it failed; None is to make the change again.
        notes: Ids of the added documents after the change.
        tail_limit: Changed chunks above which a base file is written.
        batch_characters: Characters of documents that are committed as one.
    """

    name: str
    prepare: Callable[[IndexSettings], None]
    make: Callable[[IndexSettings], object]
    again: Callable[[IndexSettings], object] | None = None
    notes: tuple[str, ...] = ()
    tail_limit: int = 500
    batch_characters: int = 500_000

    @property
    def is_one(self) -> bool:
        """Whether it is seen all at once: it is one batch, or a rebuild."""
        return self.batch_characters >= 500_000 or self.again is not None

    def lower_limits(self) -> None:
        """Let this process write base files and commit batches as the change wants."""
        snapshot.TAIL_LIMIT = self.tail_limit
        vars(ingest.sync.folder_sync)["_BATCH_CHARACTERS"] = self.batch_characters


def add_notes(settings: IndexSettings, names: tuple[str, ...] = _ALL_NOTES) -> None:
    with closing(Index.open(settings.index, word_embedding())) as index:
        index.add_texts([_NOTES[name] for name in names], ids=list(names))


def _delete(settings: IndexSettings) -> None:
    with closing(Index.open(settings.index, word_embedding())) as index:
        index.delete(["note0", "note2"])


def _rebuild(settings: IndexSettings) -> object:
    return sync_folder(settings, rebuild=True)


def _write_six(settings: IndexSettings) -> None:
    write_documents(settings.documents, 6, seed=1)


def _index_six(settings: IndexSettings) -> None:
    _write_six(settings)
    sync_folder(settings)


def _change_some(settings: IndexSettings) -> None:
    _index_six(settings)
    change_documents(settings.documents, seed=2)


def _add_to_six(settings: IndexSettings) -> None:
    _index_six(settings)
    add_notes(settings)


def _rebuild_and_change(settings: IndexSettings) -> None:
    _index_six(settings)
    _rebuild(settings)
    add_notes(settings)
    change_documents(settings.documents, seed=3)


CHANGES = (
    Change("first sync", _write_six, sync_folder),
    Change("first sync in batches", _write_six, sync_folder, batch_characters=600),
    Change("sync", _change_some, sync_folder),
    Change("sync in batches", _change_some, sync_folder, batch_characters=1),
    Change("sync with a base file", _change_some, sync_folder, tail_limit=3),
    Change("rebuild", _rebuild_and_change, _rebuild, sync_folder, _ALL_NOTES),
    Change("rebuild in batches", _rebuild_and_change, _rebuild, sync_folder, _ALL_NOTES, 3, 600),
    Change("add documents", _index_six, add_notes, notes=_ALL_NOTES),
    Change("delete documents", _add_to_six, _delete, notes=("note1",), tail_limit=3),
)
