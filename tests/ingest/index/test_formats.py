"""Indexes of another format: refused with what to do, and made anew without losing a document."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ingest import (
    EmbeddingModel,
    Index,
    IndexSettings,
    StoreError,
    UsageError,
    export_index,
    roll_back,
    sync_folder,
    verify_index,
)
from ingest.index import directory
from ingest.index.reader import Reader
from ingest.index.records import Origin
from ingest.index.writer import write_state

Write = Callable[[str, str], Path]

REBUILD = r"has format [12], this version reads 3: run 'rag index --rebuild'"


@pytest.fixture
def indexed(settings: IndexSettings, write: Write, embedding: EmbeddingModel) -> IndexSettings:
    """An index of one file and two added documents."""
    write("cats.txt", "Cats sleep sixteen hours a day.")
    sync_folder(settings)
    with closing(Index.open(settings.index, embedding)) as index:
        texts = ["A note that no file holds.", "Die Katze schläft auf dem Dach."]
        index.add_texts(texts, [{"by": "me"}, {}], ids=["note", "notiz"])
    return settings


def test_the_embedding_model_is_stored_as_json_in_the_state(
    indexed: IndexSettings, embedding: EmbeddingModel
) -> None:
    version = directory.current_version(indexed.index)
    assert version
    with closing(sqlite3.connect(version / directory.CATALOG)) as connection:
        (stored,) = connection.execute("SELECT state FROM state").fetchone()
    state = json.loads(stored)
    assert list(state)[:3] == ["index_id", "identity", "chunk_tokens"]
    assert state["identity"] == json.dumps(asdict(embedding.identity))


@pytest.fixture(params=[1, 2])
def old(indexed: IndexSettings, request: pytest.FixtureRequest) -> IndexSettings:
    """The same as an earlier version wrote it."""
    set_format(indexed, request.param)
    return indexed


def set_format(settings: IndexSettings, number: int) -> None:
    version = directory.current_version(settings.index)
    assert version
    with closing(sqlite3.connect(version / directory.CATALOG)) as connection, connection:
        write_state(connection, replace(Reader(connection).state(), format=number))
        if number < 3:
            connection.execute("ALTER TABLE texts RENAME COLUMN places TO pages")
            connection.execute("DROP TABLE coverage")
        if number == 1:
            connection.execute("DROP TABLE sentences")
            connection.execute("UPDATE vectors SET vector = zeroblob(4)")


def files(settings: IndexSettings) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in settings.index.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda old, embedding: Index.open(old.index, embedding), id="open"),
        pytest.param(lambda old, _: sync_folder(old), id="sync"),
        pytest.param(lambda old, _: sync_folder(old, dry_run=True), id="dry run"),
        pytest.param(lambda old, _: export_index(old, old.index.with_name("file")), id="export"),
        pytest.param(lambda old, _: verify_index(old), id="verify"),
        pytest.param(lambda old, _: verify_index(old, repair=True), id="repair"),
    ],
)
def test_an_index_of_an_earlier_format_is_refused_with_the_command_that_makes_it_again(
    old: IndexSettings, embedding: EmbeddingModel, use: Callable[..., object]
) -> None:
    before = files(old)

    with pytest.raises(StoreError, match=REBUILD):
        use(old, embedding)

    assert files(old) == before


@pytest.mark.parametrize("pointer", ["there", "lost"])
def test_a_rebuild_keeps_the_documents_that_no_file_holds(
    old: IndexSettings, embedding: EmbeddingModel, pointer: str
) -> None:
    if pointer == "lost":
        (old.index / "CURRENT").unlink()

    report = sync_folder(old, rebuild=True)

    assert (report.new, report.failed) == (1, ())
    with closing(Index.open(old.index, embedding)) as index:
        added = {row.source: row for row in index.documents(Origin.ADDED)}
        (note,) = index.get_by_ids(["note"])
        best = index.candidates("a note that no file holds", 1)[0]
    assert (note.page_content, note.metadata) == ("A note that no file holds.", {"by": "me"})
    assert {source: row.language for source, row in added.items()} == {"note": "en", "notiz": "de"}
    assert best.row.source == "note"
    assert best.sentences[0].cosine > 0.9
    assert verify_index(old).damages == ()


def test_a_rebuild_finds_the_language_of_added_documents_again(
    indexed: IndexSettings, embedding: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Index.open(indexed.index, embedding)) as index:
        monkeypatch.setattr("ingest.index.vectorstore.identify_language", lambda text: "en")
        index.add_texts(["Die Katze schläft auf dem Dach."], ids=["notiz"])
        assert {row.language for row in index.documents(Origin.ADDED)} == {"en"}
    set_format(indexed, 1)

    sync_folder(indexed, rebuild=True)

    with closing(Index.open(indexed.index, embedding)) as index:
        assert {row.language for row in index.documents(Origin.ADDED)} == {"en", "de"}


def test_there_is_no_way_back_to_an_earlier_format(
    old: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(old, rebuild=True)

    with pytest.raises(StoreError, match=REBUILD):
        roll_back(old)

    Index.open(old.index, embedding).close()


def test_a_rebuild_never_drops_what_a_later_version_wrote(
    indexed: IndexSettings, embedding: EmbeddingModel
) -> None:
    set_format(indexed, 4)
    before = files(indexed)

    with pytest.raises(StoreError, match=r"has format 4, .* run the version of rag that made it"):
        Index.open(indexed.index, embedding)
    with pytest.raises(StoreError, match="has format 4"):
        sync_folder(indexed, rebuild=True)

    assert files(indexed) == before


def test_a_file_of_the_first_format_is_not_imported(indexed: IndexSettings, tmp_path: Path) -> None:
    import hashlib

    from ingest import import_index

    export_index(indexed, tmp_path / "export.rag")
    content = (tmp_path / "export.rag").read_bytes()[:-48] + b"rag-app index 01"
    (tmp_path / "export.rag").write_bytes(content + hashlib.sha256(content).digest())

    with pytest.raises(UsageError, match="has format 01, this version reads 3"):
        import_index(indexed, tmp_path / "export.rag")
