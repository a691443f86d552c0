from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ingest import (
    EmbeddingModel,
    IdentityError,
    Index,
    IndexDamagedError,
    IndexMissingError,
    IndexSettings,
    Passage,
    VerifyReport,
    sync_folder,
    verify_index,
)
from ingest.index import snapshot
from ingest.index.atomic_files import MARKER
from ingest.index.catalog import Catalog
from ingest.index.directory import CATALOG
from ingest.index.records import Origin, checksum

Write = Callable[[str, str], Path]
Found = list[tuple[str, str, float, float]]

NOTE = "A note that no file holds."
ONE = "(SELECT id FROM documents WHERE source = 'part1/file1.md')"
OF_ONE = f"text_hash = (SELECT text_hash FROM chunks WHERE document = {ONE})"
CATALOG_FILE = f"v1/{CATALOG}"
SOURCES = ["note", *(f"part{n % 2}/file{n}.md" for n in range(7))]


@pytest.fixture(autouse=True)
def small_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "TAIL_LIMIT", 5)


@pytest.fixture
def indexed(settings: IndexSettings, write: Write, embedding: EmbeddingModel) -> IndexSettings:
    """An index with a base file, a tail, removed chunks, a failed file and an added document."""
    for n in range(7):
        write(f"part{n % 2}/file{n}.md", f"# File {n}\n\nRiver number {n} carries stones.")
    write("empty.txt", "")
    sync_folder(settings)
    with closing(Index.open(settings.index, embedding)) as index:
        index.add_texts([NOTE], [{"by": "me"}], ids=["note"])
    write("part0/file0.md", "# File 0\n\nThis river has dried up.")
    sync_folder(settings)
    return settings


def version(settings: IndexSettings) -> Path:
    return max(settings.index.glob("v*"), key=lambda path: int(path.name[1:]))


def ask(settings: IndexSettings, embedding: EmbeddingModel) -> Found:
    """Every chunk with its scores, of the index on disk."""
    with closing(Index.open(settings.index, embedding)) as index:
        found = index.candidates("a river with stones", 1000)
    return sorted(
        (c.row.source, c.row.chunk.text, round(c.dense, 3), round(c.lexical, 3)) for c in found
    )


def damages(report: VerifyReport) -> list[tuple[str, bool]]:
    return [(damage.where, damage.repaired) for damage in report.damages]


def files(settings: IndexSettings) -> dict[str, bytes]:
    """Return the files of an index but for SQLite's log, which comes and goes with its readers."""
    found = (path for path in settings.index.rglob("*") if path.is_file())
    return {str(p): p.read_bytes() for p in found if not p.name.endswith(("-wal", "-shm"))}


@pytest.fixture
def change_catalog(indexed: IndexSettings) -> Iterator[Callable[[str], None]]:
    def execute(statement: str) -> None:
        with closing(sqlite3.connect(version(indexed) / CATALOG)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(statement)

    return execute  # type: ignore[return-value]


def test_a_whole_index_has_no_damages_and_is_not_touched(indexed: IndexSettings) -> None:
    before = files(indexed)

    report = verify_index(indexed)

    assert (report.damages, report.documents, report.chunks) == ((), 8, 8)
    assert verify_index(indexed, repair=True).damages == ()
    assert files(indexed) == before


def test_without_an_index_there_is_nothing_to_verify(settings: IndexSettings) -> None:
    with pytest.raises(IndexMissingError, match="run 'rag index'"):
        verify_index(settings)
    assert not settings.index.exists()


def test_verifying_loads_no_embedding_model(
    indexed: IndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.maintenance.repair.embedding_model", None)

    assert verify_index(indexed).damages == ()


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        pytest.param(
            f"UPDATE chunks SET text = 'Lies.' WHERE document = {ONE}",
            ["part1/file1.md"],
            id="chunk",
        ),
        pytest.param(
            f"DELETE FROM chunks WHERE document = {ONE}",
            ["part1/file1.md", CATALOG_FILE],
            id="chunks gone",
        ),
        pytest.param(
            f"UPDATE texts SET text = text || '!' WHERE document = {ONE}",
            ["part1/file1.md"],
            id="text",
        ),
        pytest.param(
            f"UPDATE documents SET language = 'pt' WHERE id = {ONE}", [CATALOG_FILE], id="document"
        ),
        pytest.param(
            "UPDATE documents SET reason = 'Lies.' WHERE source = 'empty.txt'",
            [CATALOG_FILE],
            id="failed document",
        ),
        pytest.param("DELETE FROM removed", ["v1/base-1.bin"], id="log of removed chunks"),
        pytest.param(
            "UPDATE state SET state = replace(state, '160', '161')", [CATALOG_FILE], id="state"
        ),
        pytest.param("DELETE FROM vectors", SOURCES, id="vectors"),
        pytest.param("DELETE FROM sentences", SOURCES, id="sentences"),
        pytest.param(
            f"UPDATE sentences SET vectors = zeroblob(396) WHERE {OF_ONE}",
            ["part1/file1.md", CATALOG_FILE],
            id="vectors of sentences",
        ),
        pytest.param(
            f"UPDATE sentences SET (vectors, checksum) = (SELECT vector, checksum FROM vectors v "
            f"WHERE v.text_hash = sentences.text_hash) WHERE {OF_ONE}",
            ["part1/file1.md"],
            id="sentences in the place of vectors",
        ),
        pytest.param("DROP TABLE sentences", [*SOURCES, CATALOG_FILE], id="table of sentences"),
        pytest.param("DROP TABLE removed", [CATALOG_FILE], id="table gone"),
        pytest.param(
            "UPDATE sqlite_master SET sql = replace(sql, '(generation)', '(ordinal)') "
            "WHERE name = 'chunks_generation'",
            [CATALOG_FILE],
            id="table index",
        ),
    ],
)
def test_damaged_rows_are_found_and_repaired(
    indexed: IndexSettings,
    embedding: EmbeddingModel,
    change_catalog: Callable[[str], None],
    statement: str,
    where: list[str],
) -> None:
    before = ask(indexed, embedding)
    change_catalog(statement)

    found = verify_index(indexed)
    report = verify_index(indexed, repair=True)

    assert sorted({place for place, _ in damages(found)}) == sorted(set(where))
    assert not any(repaired for _, repaired in damages(found))
    assert damages(report) == [(place, True) for place, _ in damages(found)]
    assert verify_index(indexed).damages == ()
    assert ask(indexed, embedding) == before


def test_only_what_is_damaged_is_read_and_embedded_again(
    indexed: IndexSettings, change_catalog: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change_catalog(f"UPDATE texts SET text = '' WHERE document = {ONE}")
    embedded: list[str] = []
    embed = EmbeddingModel.embed_passages

    def count(model: EmbeddingModel, passages: list[Passage]) -> object:
        embedded.extend(passage.whole for passage in passages)
        return embed(model, passages)

    monkeypatch.setattr(EmbeddingModel, "embed_passages", count)
    (indexed.documents / "part1/file1.md").write_text("# File 1\n\nA lake.")

    verify_index(indexed, repair=True)

    assert embedded == ["File 1\n# File 1\n\nA lake."]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        pytest.param("CURRENT", lambda content: content[:-1], id="pointer"),
        pytest.param(f"v1/{MARKER}", lambda content: content[:-1], id="marker"),
        pytest.param("v1/base-1.bin", lambda content: content[:-1], id="base file"),
        pytest.param("v1/base-1.bin", None, id="base file gone"),
        pytest.param(CATALOG_FILE, lambda content: content[:-100], id="catalog cut"),
        pytest.param(CATALOG_FILE, lambda content: bytes(64) + content[64:], id="catalog header"),
    ],
)
def test_a_damaged_file_is_found_and_repaired(
    indexed: IndexSettings,
    embedding: EmbeddingModel,
    name: str,
    spoil: Callable[[bytes], bytes] | None,
) -> None:
    before = ask(indexed, embedding)
    path = indexed.index / name
    if spoil:
        path.write_bytes(spoil(path.read_bytes()))
    else:
        path.unlink()

    found = verify_index(indexed)
    report = verify_index(indexed, repair=True)

    assert (name, False) in damages(found)
    assert (name, True) in damages(report)
    assert all(repaired for _, repaired in damages(report))
    assert verify_index(indexed).damages == ()
    assert ask(indexed, embedding) == before


def test_an_unreadable_catalog_is_made_again_from_the_folder(
    indexed: IndexSettings, embedding: EmbeddingModel
) -> None:
    before = [hit for hit in ask(indexed, embedding) if hit[0] != "note"]
    (version(indexed) / CATALOG).write_bytes(b"not a database" * 1000)

    report = verify_index(indexed, repair=True)

    assert [hit[:2] for hit in ask(indexed, embedding)] == [hit[:2] for hit in before]
    assert report.documents == 7
    lost = [damage for damage in report.damages if not damage.repaired]
    assert [damage.what for damage in lost] == [
        "1 documents of add_documents are lost, without a name"
    ]


def test_an_added_document_that_is_lost_is_named(
    indexed: IndexSettings, embedding: EmbeddingModel, change_catalog: Callable[[str], None]
) -> None:
    change_catalog("UPDATE texts SET text = 'Lies.' WHERE text LIKE 'A note%'")

    report = verify_index(indexed, repair=True)

    assert damages(report) == [("note", False)]
    assert verify_index(indexed).damages == ()
    assert "note" not in {source for source, *_ in ask(indexed, embedding)}


def test_what_the_index_still_says_is_kept_when_the_folder_is_gone(
    indexed: IndexSettings, embedding: EmbeddingModel, change_catalog: Callable[[str], None]
) -> None:
    change_catalog(f"UPDATE texts SET text = 'Lies.' WHERE document = {ONE}")
    before = {hit[:2] for hit in ask(indexed, embedding)}
    indexed.documents.rename(indexed.documents.with_name("elsewhere"))

    report = verify_index(indexed, repair=True)

    assert damages(report) == [("part1/file1.md", False)]
    gone = before - {hit[:2] for hit in ask(indexed, embedding)}
    assert {source for source, _ in gone} == {"part1/file1.md"}


def test_nothing_is_replaced_if_nothing_can_be_read(indexed: IndexSettings) -> None:
    (version(indexed) / CATALOG).write_bytes(b"not a database" * 1000)
    indexed.documents.rename(indexed.documents.with_name("elsewhere"))
    pointer = (indexed.index / "CURRENT").read_bytes()

    report = verify_index(indexed, repair=True)

    assert report.damages
    assert not any(damage.repaired for damage in report.damages)
    assert (indexed.index / "CURRENT").read_bytes() == pointer
    assert [path.name for path in indexed.index.glob("v*")] == ["v1"]


def test_the_damaged_version_is_kept_to_look_into(
    indexed: IndexSettings, change_catalog: Callable[[str], None]
) -> None:
    change_catalog("DELETE FROM vectors")
    verify_index(indexed, repair=True)

    assert sorted(path.name for path in indexed.index.glob("v*")) == ["v1", "v2"]
    assert (indexed.index / "CURRENT").read_bytes().startswith(b"v2 v1 ")


def test_an_index_of_another_model_is_not_repaired_with_this_one(
    indexed: IndexSettings,
    embedding: EmbeddingModel,
    change_catalog: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change_catalog("DELETE FROM vectors")
    other = replace(embedding, identity=replace(embedding.identity, weights="other"))
    monkeypatch.setattr("ingest.maintenance.repair.embedding_model", lambda settings: other)
    before = files(indexed)

    with pytest.raises(IdentityError, match="weights"):
        verify_index(indexed, repair=True)

    assert files(indexed) == before


def test_what_a_killed_writer_left_is_found_and_cleared(indexed: IndexSettings) -> None:
    (indexed.index / "v7").mkdir()
    (indexed.index / "v1" / "base-9.bin.tmp").touch()

    found = verify_index(indexed)
    report = verify_index(indexed, repair=True)

    assert damages(found) == [("v1/base-9.bin.tmp", False), ("v7", False)]
    assert damages(report) == [("v1/base-9.bin.tmp", True), ("v7", True)]
    assert not (indexed.index / "v7").exists()


def test_a_catalog_that_has_lost_its_log_is_refused(
    indexed: IndexSettings, embedding: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = version(indexed) / CATALOG
    before = catalog.read_bytes()
    with closing(Index.open(indexed.index, embedding)) as index:
        monkeypatch.setattr(Catalog, "checkpoint", lambda catalog: None)
        index.delete(["note"])
    catalog.write_bytes(before)
    for end in ("-wal", "-shm"):
        catalog.with_name(f"{CATALOG}{end}").unlink()

    with pytest.raises(IndexDamagedError, match=r"generation 4 .* ends with generation 3"):
        Index.open(indexed.index, embedding)


def test_the_catalog_of_another_version_is_refused(
    indexed: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(indexed, rebuild=True)
    one, two = indexed.index / "v1" / CATALOG, indexed.index / "v2" / CATALOG
    two.write_bytes(one.read_bytes())

    with pytest.raises(IndexDamagedError, match="another index"):
        Index.open(indexed.index, embedding)


@pytest.mark.parametrize(
    ("statement", "use"),
    [
        pytest.param(
            f"DELETE FROM documents WHERE id = {ONE}",
            lambda index: index.document("part1/file1.md"),
            id="document",
        ),
        pytest.param(
            f"DELETE FROM texts WHERE document = {ONE}",
            lambda index: index.document("part1/file1.md"),
            id="text",
        ),
        pytest.param(
            f"DELETE FROM documents WHERE id = {ONE}",
            lambda index: index.documents(Origin.FOLDER),
            id="list of documents",
        ),
        pytest.param(
            f"DELETE FROM documents WHERE id = {ONE}",
            lambda index: index.candidates("river", 3, {"source": "part1/file1.md"}),
            id="filter",
        ),
        pytest.param(
            "DELETE FROM documents WHERE source = 'empty.txt'",
            lambda index: index.status(),
            id="failed document",
        ),
        pytest.param(
            "DELETE FROM chunks WHERE id = (SELECT max(id) FROM chunks)",
            lambda index: index.candidates("river", 3),
            id="chunk",
        ),
        pytest.param(
            f"DELETE FROM sentences WHERE {OF_ONE}",
            lambda index: index.candidates("river", 10),
            id="sentences",
        ),
        pytest.param(
            "DELETE FROM removed", lambda index: index.candidates("river", 3), id="removed chunk"
        ),
    ],
)
def test_what_a_damaged_table_hides_is_not_taken_for_gone(
    indexed: IndexSettings,
    embedding: EmbeddingModel,
    change_catalog: Callable[[str], None],
    statement: str,
    use: Callable[[Index], object],
) -> None:
    change_catalog(statement)

    with (
        closing(Index.open(indexed.index, embedding)) as index,
        pytest.raises(IndexDamagedError, match="rag verify --repair"),
    ):
        use(index)


def test_no_row_of_one_version_passes_for_a_row_of_another(indexed: IndexSettings) -> None:
    def checksums(name: str) -> set[bytes]:
        with closing(sqlite3.connect(indexed.index / name / CATALOG)) as connection:
            tables = ("documents", "texts", "chunks", "vectors", "sentences")
            rows = (connection.execute(f"SELECT checksum FROM {table}") for table in tables)
            return {row[0] for found in rows for row in found}

    sync_folder(indexed, rebuild=True)
    sync_folder(indexed, rebuild=True)

    assert checksums("v2")
    assert not checksums("v2") & checksums("v3")


def test_bytes_and_text_have_other_checksums() -> None:
    assert checksum(1, b"text") != checksum(1, "text")
