from __future__ import annotations

import hashlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest import (
    EmbeddingModel,
    IdentityError,
    Index,
    IndexBusyError,
    IndexDamagedError,
    IndexMissingError,
    IndexSettings,
    ScoredSpan,
    UsageError,
    export_index,
    import_index,
    open_index,
    roll_back,
    sync_folder,
)
from ingest.index.directory import current_version, write_lock
from ingest.maintenance import backup

Write = Callable[[str, str], Path]
Hits = list[tuple[str, int, str, float, float, tuple[ScoredSpan, ...]]]

CATS = "Cats sleep sixteen hours a day."
BIRDS = "Um beija-flor bate as asas oitenta vezes por segundo."
LONG = "\n\n".join(f"# Part {n}\n\n" + f"Sentence {n} of this part. " * 12 for n in range(5))


@pytest.fixture
def three(settings: IndexSettings, write: Write) -> IndexSettings:
    """An index of three files and one that failed."""
    write("cats.txt", CATS)
    write("long.md", LONG)
    write("pt/aves.txt", BIRDS)
    write("empty.txt", "")
    sync_folder(settings)
    return settings


@pytest.fixture
def file(three: IndexSettings, tmp_path: Path) -> Path:
    """An export of the three."""
    export_index(three, tmp_path / "export.rag")
    return tmp_path / "export.rag"


@pytest.fixture
def elsewhere(settings: IndexSettings, tmp_path: Path) -> IndexSettings:
    """The same documents, and no index yet."""
    return settings.model_copy(update={"index": tmp_path / "elsewhere"})


def answers(settings: IndexSettings, question: str = "sleeping cats") -> Hits:
    with closing(open_index(settings)) as index:
        return sorted(
            (c.row.source, c.row.chunk.start, c.row.chunk.text, c.dense, c.lexical, c.sentences)
            for c in index.candidates(question, 1000)
        )


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but for SQLite's log, which comes and goes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def sign(catalog: Path, file: Path) -> None:
    """Make a file with a right digest of any catalog, as a stranger could."""
    content = catalog.read_bytes() + b"rag-app index 03"
    file.write_bytes(content + hashlib.sha256(content).digest())


def unsign(file: Path, catalog: Path) -> None:
    """Take the catalog out of an export."""
    catalog.write_bytes(file.read_bytes()[:-48])


def test_an_imported_index_is_the_exported_one(
    three: IndexSettings, elsewhere: IndexSettings, tmp_path: Path
) -> None:
    file = tmp_path / "export.rag"
    exported = export_index(three, file)
    imported = import_index(elsewhere, file)

    assert (exported.file, exported.bytes) == (str(file), file.stat().st_size)
    assert (exported.documents, exported.chunks) == (imported.documents, imported.chunks)
    assert (imported.documents, imported.chunks) == (3, len(answers(three)))
    assert answers(elsewhere) == answers(three)
    with closing(open_index(elsewhere)) as index, closing(open_index(three)) as original:
        assert index.document("long.md") == original.document("long.md")
        assert index.status().ignored == original.status().ignored != ()
    report = sync_folder(elsewhere)
    assert (report.unchanged, report.new, report.changed, report.embedded) == (3, 0, 0, 0)


def test_an_index_follows_the_documents_of_its_new_machine(
    three: IndexSettings, elsewhere: IndexSettings, file: Path, tmp_path: Path
) -> None:
    three.documents.rename(tmp_path / "moved")
    there = elsewhere.model_copy(update={"documents": tmp_path / "moved"})
    import_index(there, file)

    with closing(open_index(there)) as index:
        assert index.state().folder == str((tmp_path / "moved").resolve())
    report = sync_folder(there)
    assert (report.unchanged, report.embedded, report.deleted) == (3, 0, 0)


def test_added_documents_travel_too(
    three: IndexSettings, elsewhere: IndexSettings, tmp_path: Path
) -> None:
    with closing(open_index(three)) as index:
        index.add_texts(["A note."], [{"by": "me"}], ids=["note"])
    export_index(three, tmp_path / "export.rag")
    import_index(elsewhere, tmp_path / "export.rag")

    with closing(open_index(elsewhere)) as index:
        note = index.get_by_ids(["note"])[0]
    assert (note.page_content, note.metadata) == ("A note.", {"by": "me"})


def test_the_index_before_an_import_can_be_rolled_back_to(
    three: IndexSettings, file: Path, write: Write
) -> None:
    write("dogs.md", "Dogs bark.")
    sync_folder(three)
    newer = answers(three)
    import_index(three, file)
    older = answers(three)
    assert {source for source, *_ in newer} - {source for source, *_ in older} == {"dogs.md"}

    roll_back(three)
    assert answers(three) == newer
    roll_back(three)
    assert answers(three) == older


def test_a_reader_that_is_open_sees_the_imported_index(
    three: IndexSettings, file: Path, write: Write
) -> None:
    with closing(open_index(three)) as index:
        write("cats.txt", "Cats purr.")
        sync_folder(three)
        assert index.document("cats.txt").text == "Cats purr."  # type: ignore[union-attr]
        import_index(three, file)
        assert index.document("cats.txt").text == CATS  # type: ignore[union-attr]
        assert CATS in {found.row.chunk.text for found in index.candidates("cats", 10)}


def test_a_deleted_text_leaves_no_trace_in_an_export(
    three: IndexSettings, write: Write, tmp_path: Path, embedding: EmbeddingModel
) -> None:
    secret = "The password of the vault is xyzzy-4711."
    path = write("secret.txt", secret)
    sync_folder(three)
    version = current_version(three.index)
    assert version
    with closing(sqlite3.connect(version / "catalog.sqlite")) as catalog:
        # Free pages that keep what was on them, whatever SQLite was compiled to do.
        catalog.execute("PRAGMA secure_delete = OFF")
        catalog.execute("CREATE TABLE notes (text)")
        catalog.executemany("INSERT INTO notes VALUES (?)", [(secret,)] * 999)
        catalog.execute("DROP TABLE notes")
        catalog.commit()
        vectors = {row[0][:64] for row in catalog.execute("SELECT vector FROM vectors")}
    wanted = embedding.embed_documents([secret])[0]
    vector = max(vectors, key=lambda start: float(np.frombuffer(start, np.float32) @ wanted[:16]))
    export_index(three, tmp_path / "before.rag")
    path.unlink()
    sync_folder(three)
    export_index(three, tmp_path / "after.rag")

    before, after = ((tmp_path / name).read_bytes() for name in ("before.rag", "after.rag"))
    assert b"xyzzy-4711" in (version / "catalog.sqlite").read_bytes()
    assert (b"xyzzy-4711" in before, vector in before) == (True, True)
    assert (b"xyzzy-4711" in after, vector in after) == (False, False)


def test_an_export_holds_one_generation_while_others_write_and_read(
    settings: IndexSettings, write: Write, elsewhere: IndexSettings, tmp_path: Path
) -> None:
    written = threading.Semaphore(0)

    def write_edition(n: int) -> None:
        for part in range(5):
            write(f"{part}.txt", f"Part {part} of edition {n}.")
        sync_folder(settings)
        written.release()

    write_edition(0)
    with busy(write_edition), busy(lambda n: answers(settings)):
        for n in range(8):
            export_index(settings, tmp_path / f"{n}.rag")
            if n == 3:
                assert written.acquire(timeout=300)
                assert written.acquire(timeout=300)

    seen = set()
    for n in range(8):
        import_index(elsewhere, tmp_path / f"{n}.rag")
        editions = [text.partition("edition ")[2] for _, _, text, *_ in answers(elsewhere)]
        assert editions == editions[:1] * 5
        seen |= set(editions)
    assert len(seen) > 1


@contextmanager
def busy(work: Callable[[int], object]) -> Iterator[None]:
    """Do ``work`` again and again in a thread, and raise what it raised."""
    done = threading.Event()

    def keep_working() -> None:
        n = 0
        while not done.is_set():
            work(n := n + 1)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(keep_working)
        try:
            yield
        finally:
            done.set()
        working.result()


def test_an_export_replaces_nothing_without_force(three: IndexSettings, tmp_path: Path) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("precious")
    with pytest.raises(UsageError, match=r"precious.txt exists already.*--force"):
        export_index(three, path)
    assert path.read_text() == "precious"

    export_index(three, path, force=True)
    assert path.read_bytes().startswith(b"SQLite format 3")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["documents", "index", "precious.txt"]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("documents", id="a folder"),
        pytest.param("nowhere/export.rag", id="no such folder"),
    ],
)
def test_an_export_that_can_not_be_written_is_one_sentence(
    three: IndexSettings, tmp_path: Path, target: str
) -> None:
    before = files(tmp_path)
    with pytest.raises(UsageError, match=target):
        export_index(three, tmp_path / target, force=target != "documents")
    assert files(tmp_path) == before


def test_without_an_index_there_is_nothing_to_export(
    elsewhere: IndexSettings, tmp_path: Path
) -> None:
    with pytest.raises(IndexMissingError, match="run 'rag index'"):
        export_index(elsewhere, tmp_path / "export.rag")
    assert not (tmp_path / "export.rag").exists()


@pytest.mark.parametrize(
    ("statement", "damage"),
    [
        pytest.param(
            f"UPDATE chunks SET text = 'Cats bark.' WHERE text = '{CATS}'",
            r"chunk .* is damaged",
            id="chunk",
        ),
        pytest.param(
            "DELETE FROM sentences WHERE rowid = 2",
            r"the sentences of chunk .* are missing or damaged",
            id="sentences",
        ),
    ],
)
def test_a_damaged_index_is_not_exported(
    three: IndexSettings, tmp_path: Path, statement: str, damage: str
) -> None:
    version = current_version(three.index)
    assert version
    with closing(sqlite3.connect(version / "catalog.sqlite")) as catalog:
        catalog.execute(statement)
        catalog.commit()

    with pytest.raises(IndexDamagedError, match=damage):
        export_index(three, tmp_path / "export.rag")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents", "index"]


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _swap_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


SPOILED = [
    pytest.param(_flip, "not a whole file", id="one bit"),
    pytest.param(lambda f: f.write_bytes(f.read_bytes()[:-1]), "not a whole file", id="cut by one"),
    pytest.param(lambda f: f.write_bytes(f.read_bytes()[:9999]), "not a whole file", id="cut"),
    pytest.param(lambda f: f.write_bytes(f.read_bytes() + b"x"), "not a whole file", id="longer"),
    pytest.param(lambda f: f.write_bytes(b""), "not a whole file", id="empty"),
    pytest.param(lambda f: f.write_bytes(b"Dear Sir, " * 99), "not a whole file", id="a letter"),
    pytest.param(lambda f: unsign(f, f), "not a whole file", id="a bare catalog"),
    pytest.param(lambda f: f.unlink(), "No such file", id="missing"),
    pytest.param(_swap_folder, "directory", id="a folder"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILED)
def test_a_spoiled_file_changes_nothing(
    three: IndexSettings,
    elsewhere: IndexSettings,
    file: Path,
    spoil: Callable[[Path], object],
    message: str,
) -> None:
    before = files(three.index)
    spoil(file)

    for settings in (three, elsewhere):
        with pytest.raises(UsageError, match=message):
            import_index(settings, file)

    assert files(three.index) == before
    assert not elsewhere.index.exists()


def test_no_single_bit_of_a_file_can_change(elsewhere: IndexSettings, file: Path) -> None:
    content, choose = file.read_bytes(), random.Random(4711)
    places = [*choose.sample(range(len(content)), 300), *range(len(content) - 48, len(content))]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << choose.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"is not a whole file|has format"):
            import_index(elsewhere, file)
    assert not elsewhere.index.exists()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        pytest.param(
            "CREATE TRIGGER evil AFTER INSERT ON chunks BEGIN DELETE FROM documents; END",
            "not a catalog of this version",
            id="a trigger",
        ),
        pytest.param("DROP TABLE texts", "not a catalog of this version", id="a lost table"),
        pytest.param("UPDATE chunks SET start = start + 1", "is damaged", id="a chunk"),
        pytest.param("UPDATE texts SET text = text || ' '", "is damaged", id="a text"),
        pytest.param("UPDATE vectors SET vector = zeroblob(1536)", "is damaged", id="a vector"),
        pytest.param("DELETE FROM vectors", "is damaged", id="a lost vector"),
        pytest.param("UPDATE sentences SET vectors = x''", "is damaged", id="sentences"),
        pytest.param("DELETE FROM sentences", "is damaged", id="lost sentences"),
        pytest.param("DELETE FROM texts", "is damaged", id="a lost text"),
        pytest.param("DELETE FROM chunks WHERE ordinal = 1", "is damaged", id="a lost chunk"),
        pytest.param("UPDATE documents SET status = 'failed'", "is damaged", id="a status"),
        pytest.param("DELETE FROM state", "is damaged", id="no state"),
        pytest.param("UPDATE state SET state = '{}'", "is damaged", id="another state"),
    ],
)
def test_a_file_with_a_right_digest_and_wrong_rows_changes_nothing(
    three: IndexSettings, file: Path, tmp_path: Path, statement: str, message: str
) -> None:
    forged = tmp_path / "forged.sqlite"
    unsign(file, forged)
    with closing(sqlite3.connect(forged)) as catalog:
        catalog.execute(statement)
        catalog.commit()
    sign(forged, file)
    before = files(three.index)

    with pytest.raises(UsageError, match=message):
        import_index(three, file)

    assert files(three.index) == before


def test_a_file_of_another_format_is_named(elsewhere: IndexSettings, file: Path) -> None:
    content = file.read_bytes()[:-48] + b"rag-app index 99"
    file.write_bytes(content + hashlib.sha256(content).digest())

    with pytest.raises(UsageError, match="has format 99, this version reads 3"):
        import_index(elsewhere, file)


def test_an_index_of_another_model_is_refused_with_both_named(
    three: IndexSettings, file: Path, embedding: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = replace(embedding.identity, provider="huggingface", model="e5", weights="other")
    monkeypatch.setattr(backup, "embedding_model", lambda _: replace(embedding, identity=identity))
    before = files(three.index)

    with pytest.raises(IdentityError, match=r"bundled:e5-small-en-pt .* huggingface:e5 .*weights"):
        import_index(three, file)

    assert files(three.index) == before


def test_a_file_can_be_imported_when_the_index_is_damaged(three: IndexSettings, file: Path) -> None:
    before = answers(three)
    version = current_version(three.index)
    assert version
    (version / "catalog.sqlite").write_bytes(b"nothing that SQLite knows" * 400)

    import_index(three, file)

    assert answers(three) == before


def test_a_large_index_is_ready_to_be_searched(
    settings: IndexSettings, elsewhere: IndexSettings, write: Write, tmp_path: Path
) -> None:
    settings, elsewhere = (
        one.model_copy(update={"chunk_tokens": 16}) for one in (settings, elsewhere)
    )
    write("many.txt", "\n\n".join(f"This is the paragraph number {n % 40}." for n in range(1200)))
    sync_folder(settings)
    export_index(settings, tmp_path / "export.rag")

    imported = import_index(elsewhere, tmp_path / "export.rag")

    version = current_version(elsewhere.index)
    assert version
    assert imported.chunks == len(answers(settings)) > 500
    assert [path.name for path in version.glob("base-*")] == ["base-1.bin"]
    assert answers(elsewhere, "paragraph 7") == answers(settings, "paragraph 7")


MOMENTS = ("_extract", "_settle", "Index.tidy", "Index.use")
KILLED_IMPORT = """
import os, signal, sys
from pathlib import Path
from ingest import IndexSettings
from ingest.maintenance import backup

def kill_after(owner, name):
    work = getattr(owner, name)
    def wrapped(*arguments):
        work(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, wrapped)

index, file, moment = sys.argv[1:]
owner, _, name = moment.rpartition(".")
kill_after(backup.Index if owner else backup, name)
backup.import_index(IndexSettings(index=Path(index)), Path(file))
"""


@pytest.mark.slow
def test_a_killed_import_leaves_the_old_or_the_new_index(
    three: IndexSettings, file: Path, write: Write, tmp_path: Path
) -> None:
    new = answers(three)
    write("dogs.md", "Dogs bark.")
    sync_folder(three)
    old = answers(three)
    indexes = [tmp_path / moment for moment in MOMENTS]
    for index in indexes:
        shutil.copytree(three.index, index)
    running = [
        subprocess.Popen([sys.executable, "-c", KILLED_IMPORT, str(index), str(file), moment])
        for index, moment in zip(indexes, MOMENTS, strict=True)
    ]
    assert [process.wait(300) for process in running] == [-signal.SIGKILL] * len(MOMENTS)

    served = [answers(three.model_copy(update={"index": index})) for index in indexes]

    assert served == [old, old, old, new]
    for index in indexes:
        settings = three.model_copy(update={"index": index})
        import_index(settings, file)
        assert answers(settings) == new
        assert len(list(index.glob("v*"))) == 2


def test_an_import_is_the_one_writer(
    three: IndexSettings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.index.directory.LOCK_TIMEOUT", 0.1)
    before = files(three.index)
    with write_lock(three.index), pytest.raises(IndexBusyError, match="another process is writing"):
        import_index(three, file)
    assert files(three.index) == before


def test_there_is_no_way_back_without_an_earlier_version(
    three: IndexSettings, elsewhere: IndexSettings
) -> None:
    with pytest.raises(UsageError, match="no earlier version"):
        roll_back(three)
    with pytest.raises(IndexMissingError, match="run 'rag index'"):
        roll_back(elsewhere)
    assert not elsewhere.index.exists()


def test_a_damaged_earlier_version_is_not_rolled_back_to(three: IndexSettings) -> None:
    earlier = current_version(three.index)
    assert earlier
    sync_folder(three, rebuild=True)
    before = answers(three)
    (earlier / "catalog.sqlite").write_bytes(b"nothing that SQLite knows" * 400)

    with pytest.raises(IndexDamagedError):
        roll_back(three)

    assert answers(three) == before


def test_a_roll_back_tells_what_is_in_use_now(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    other = replace(embedding, identity=replace(embedding.identity, model="other"))
    with write_lock(three.index):
        Index.create(three.index, other, three.chunk_tokens).use()

    done = roll_back(three)

    assert (done.version, done.embedding) == ("v1", "bundled:e5-small-en-pt")
    assert (done.documents, done.chunks) == (3, len(answers(three)))
    assert roll_back(three).embedding == "bundled:other"
