from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec
from pydantic import SecretStr
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from ingest import (
    EmbeddingModel,
    FileProblem,
    IdentityError,
    Index,
    IndexBusyError,
    IndexSettings,
    SyncProgress,
    SyncReport,
    SyncStage,
    UsageError,
    open_index,
    sync_folder,
)
from ingest.index import directory
from ingest.index.catalog import Catalog
from ingest.sync.ignore_rules import IgnoreRules
from ingest.sync.scan import Scan, find_files

Write = Callable[[str, str], Path]

NOT_UTF_8 = "has a name that is not UTF-8: rename it"
CATS = "Cats sleep sixteen hours a day."
DOGS = "Dogs were the first animals that people kept."
BIRDS = "Um beija-flor bate as asas oitenta vezes por segundo."


def counts(report: SyncReport) -> dict[str, int]:
    names = ("new", "changed", "renamed", "deleted", "unchanged", "embedded", "reused")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def contents(settings: IndexSettings, embedding: EmbeddingModel) -> list[tuple[str, str]]:
    """Every chunk as (source, text), from the index on disk."""
    index = Index.open(settings.index, embedding)
    found = index.candidates("anything", 10_000)
    index.close()
    return sorted((candidate.row.source, candidate.row.chunk.text) for candidate in found)


def age(*paths: Path) -> None:
    """Make files look written long ago, so that their signature is trusted."""
    for path in paths:
        os.utime(path, (1_600_000_000, 1_600_000_000))


@pytest.fixture
def three(settings: IndexSettings, write: Write) -> IndexSettings:
    write("cats.txt", CATS)
    write("dogs.md", DOGS)
    write("pt/aves.txt", BIRDS)
    return settings


def test_a_first_sync_indexes_every_file(three: IndexSettings, embedding: EmbeddingModel) -> None:
    report = sync_folder(three)

    assert counts(report) == {"new": 3, "embedded": 3}
    assert contents(three, embedding) == [
        ("cats.txt", CATS),
        ("dogs.md", DOGS),
        ("pt/aves.txt", BIRDS),
    ]


def test_a_second_sync_does_nothing(three: IndexSettings) -> None:
    sync_folder(three)
    generation = _generation(three)

    assert counts(sync_folder(three)) == {"unchanged": 3}
    assert _generation(three) == generation


def test_only_new_text_is_embedded(
    three: IndexSettings, write: Write, embedding: EmbeddingModel
) -> None:
    long = "\n\n".join(f"# Part {n}\n\n" + f"Sentence {n} of this part. " * 15 for n in range(5))
    write("long.md", long)
    sync_folder(three)
    write("long.md", long.replace("Sentence 3", "Line 3"))

    report = sync_folder(three)

    assert (report.changed, report.chunks) == (1, 5)
    assert (report.embedded, report.reused) == (1, 4)


def test_a_changed_file_replaces_what_it_said(
    three: IndexSettings, write: Write, embedding: EmbeddingModel
) -> None:
    sync_folder(three)
    write("cats.txt", "Cats purr.")

    assert counts(sync_folder(three)) == {"changed": 1, "unchanged": 2, "embedded": 1}
    assert ("cats.txt", "Cats purr.") in contents(three, embedding)
    assert ("cats.txt", CATS) not in contents(three, embedding)


def test_an_edit_that_restores_size_and_time_is_seen(three: IndexSettings, write: Write) -> None:
    path = write("cats.txt", CATS)
    age(path)
    sync_folder(three)
    write("cats.txt", CATS.replace("sixteen", "fifteen"))
    age(path)

    assert counts(sync_folder(three)) == {"changed": 1, "unchanged": 2, "embedded": 1}


def test_a_touched_file_is_unchanged(three: IndexSettings) -> None:
    sync_folder(three)
    age(three.documents / "cats.txt")
    generation = _generation(three)

    assert counts(sync_folder(three)) == {"unchanged": 3}
    assert _generation(three) == generation


def test_a_renamed_file_is_moved_not_embedded(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(three)
    (three.documents / "animals").mkdir()
    (three.documents / "cats.txt").rename(three.documents / "animals/felines.txt")

    assert counts(sync_folder(three)) == {"renamed": 1, "unchanged": 2}
    assert contents(three, embedding)[0] == ("animals/felines.txt", CATS)


def test_a_deleted_file_is_no_longer_found(three: IndexSettings, embedding: EmbeddingModel) -> None:
    sync_folder(three)
    (three.documents / "dogs.md").unlink()

    assert counts(sync_folder(three)) == {"deleted": 1, "unchanged": 2}
    assert [source for source, _ in contents(three, embedding)] == ["cats.txt", "pt/aves.txt"]


def test_equal_files_share_a_vector(three: IndexSettings, write: Write) -> None:
    sync_folder(three)
    write("copy.txt", CATS)

    report = sync_folder(three)

    assert (report.new, report.embedded, report.reused) == (1, 0, 1)


def test_swapped_files_are_changed_not_lost(
    three: IndexSettings, write: Write, embedding: EmbeddingModel
) -> None:
    sync_folder(three)
    write("cats.txt", BIRDS)
    write("pt/aves.txt", CATS)

    assert counts(sync_folder(three)) == {"changed": 2, "unchanged": 1, "reused": 2}
    assert contents(three, embedding) == [
        ("cats.txt", BIRDS),
        ("dogs.md", DOGS),
        ("pt/aves.txt", CATS),
    ]


def test_a_bad_file_is_listed_and_the_others_are_indexed(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    (three.documents / "broken.pdf").write_bytes(b"%PDF-1.7 this is no PDF")
    (three.documents / "empty.txt").touch()

    report = sync_folder(three)

    assert report.new == 3
    assert [problem.source for problem in report.failed] == ["broken.pdf"]
    assert report.ignored == (FileProblem("empty.txt", "is empty"),)
    assert len(contents(three, embedding)) == 3


def test_a_name_that_is_not_utf_8_fails_alone(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    try:
        Path(os.fsdecode(os.fsencode(three.documents) + b"/a\xe7\xe3o.txt")).write_text(CATS)
    except OSError:
        pytest.skip("this file system takes no such name")
    report = sync_folder(three)

    assert counts(report) == {"new": 3, "embedded": 3}
    assert report.failed == (
        FileProblem("a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}o.txt", NOT_UTF_8),
    )
    assert counts(sync_folder(three)) == {"unchanged": 3}
    assert len(contents(three, embedding)) == 3


def test_a_failed_file_is_retried_when_it_changes(three: IndexSettings, write: Write) -> None:
    path = write("late.txt", "\0\1\2\3" * 9)
    sync_folder(three)
    assert [problem.source for problem in sync_folder(three).failed] == ["late.txt"]

    path.write_text("Now there is text.")
    report = sync_folder(three)

    assert (report.changed, report.failed) == (1, ())


def test_a_file_that_needs_a_password_is_read_once_it_is_known(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    canvas = Canvas(str(three.documents / "vault.pdf"), encrypt=StandardEncryption("otter"))
    canvas.drawString(72, 700, "The vault holds nine crowns.")
    canvas.save()
    age(*three.documents.rglob("*.*"))
    sync_folder(three)

    wrong = sync_folder(replace_settings(three, passwords=(SecretStr("badger"),)))
    right = sync_folder(
        replace_settings(three, passwords=(SecretStr("badger"), SecretStr("otter")))
    )
    without = sync_folder(three)

    assert [problem.reason for problem in wrong.failed] == [
        "is encrypted: add its password to RAG_PASSWORDS"
    ]
    assert (wrong.changed, wrong.newly_failed) == (0, 0)
    assert (right.changed, right.unchanged, right.failed) == (1, 3, ())
    assert (without.unchanged, without.failed) == (4, ())
    assert ("vault.pdf", "The vault holds nine crowns.") in contents(three, embedding)


def test_hidden_files_and_links_are_left_alone(
    three: IndexSettings, write: Write, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("outside the folder")
    (three.documents / "link.txt").symlink_to(secret)
    (three.documents / "linked").symlink_to(tmp_path)
    write(".hidden.txt", "hidden")
    write(".git/notes.txt", "hidden")
    write("picture.png", "not a document")

    assert sync_folder(three).new == 3


def test_a_dry_run_changes_nothing(three: IndexSettings) -> None:
    assert sync_folder(three, dry_run=True).new == 3
    assert not three.index.exists()


def test_a_dry_run_tells_what_a_sync_would_do(three: IndexSettings, write: Write) -> None:
    sync_folder(three)
    write("cats.txt", "Cats purr.")
    write("new.txt", "News.")
    (three.documents / "dogs.md").rename(three.documents / "hounds.md")
    (three.documents / "pt/aves.txt").unlink()
    planned = sync_folder(three, dry_run=True)

    done = sync_folder(three)

    assert astuple(planned)[:5] == astuple(done)[:5] == (1, 1, 1, 1, 0)


def test_progress_counts_files_and_chunks(three: IndexSettings) -> None:
    seen: list[SyncProgress] = []
    sync_folder(three, progress=seen.append)

    cats, dogs, birds = (len(text.encode()) for text in (CATS, DOGS, BIRDS))
    size = cats + dogs + birds
    assert seen[0] == SyncProgress(0, 3, 0, None, SyncStage.READING, "cats.txt", 0, size)
    assert seen[1] == SyncProgress(1, 3, 0, None, SyncStage.READING, "cats.txt", cats, size)
    assert seen[2].source == "dogs.md"
    assert seen[-1] == SyncProgress(3, 3, 3, 3, SyncStage.COMMITTING, "", size, size)


def test_a_killed_sync_is_taken_up(
    three: IndexSettings, monkeypatch: pytest.MonkeyPatch, embedding: EmbeddingModel
) -> None:
    monkeypatch.setattr("ingest.sync.folder_sync._BATCH_CHARACTERS", 1)

    def stop_at_second_file(progress: SyncProgress) -> None:
        if progress.files_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync_folder(three, progress=stop_at_second_file)
    assert contents(three, embedding) == [("cats.txt", CATS)]

    assert counts(sync_folder(three)) == {"new": 2, "unchanged": 1, "embedded": 2}


def test_a_rebuild_leaves_the_old_index_until_it_is_whole(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(three)
    reader = Index.open(three.index, embedding)
    smaller = replace_settings(three, chunk_tokens=16)

    def old_index_still_answers(progress: SyncProgress) -> None:
        assert len(reader.candidates("anything", 10)) == 3

    report = sync_folder(smaller, rebuild=True, progress=old_index_still_answers)

    assert report.new == 3
    assert reader.state().chunk_tokens == 160
    assert len(reader.candidates("anything", 10)) == report.chunks
    assert reader.state().chunk_tokens == 16


def test_an_added_text_never_takes_the_place_of_a_file(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(three)
    before = contents(three, embedding)
    index = Index.open(three.index, embedding)

    with pytest.raises(UsageError, match=r"'dogs\.md' is a file of the indexed folder"):
        index.add_texts(["A note.", "Not dogs."], ids=["note", "dogs.md"])

    assert contents(three, embedding) == before


def test_added_documents_survive_syncs_and_rebuilds(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(three)
    Index.open(three.index, embedding).add_texts(["A note."], [{"by": "me"}], ids=["note"])
    sync_folder(three)
    sync_folder(three, rebuild=True)

    note = Index.open(three.index, embedding).get_by_ids(["note"])[0]
    assert (note.page_content, note.metadata) == ("A note.", {"by": "me"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"documents": "missing"}, "does not exist", id="missing folder"),
        pytest.param({"documents": "file.txt"}, "is not a folder", id="a file"),
        pytest.param({"documents": "void"}, "no documents", id="empty folder"),
        pytest.param({"chunk_tokens": 100}, "chunks of 160 tokens", id="other chunk size"),
        pytest.param({"documents": "other"}, "follows the folder", id="other folder"),
    ],
)
def test_bad_settings_change_nothing(
    three: IndexSettings, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "void").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.txt").write_text("Text.")
    sync_folder(three)
    before = _files(three.index)
    if "documents" in change:
        change = {"documents": tmp_path / str(change["documents"])}

    with pytest.raises(UsageError, match=message):
        sync_folder(replace_settings(three, **change))

    assert _files(three.index) == before


def test_a_file_that_is_deleted_while_the_folder_is_listed_is_not_there(
    three: IndexSettings,
) -> None:
    class Deleting(IgnoreRules):
        def reason(self, source: str) -> str:
            for path in (three.documents / "dogs.md", three.documents / "cats.txt"):
                path.unlink(missing_ok=True)
            shutil.rmtree(three.documents / "pt", ignore_errors=True)
            return ""

    none = GitIgnoreSpec.from_lines([])
    assert find_files(three.documents, Deleting(none, none), skip=three.index) == Scan()


def test_an_emptied_folder_does_not_empty_the_index(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(three)
    for path in three.documents.rglob("*.*"):
        path.unlink()

    with pytest.raises(UsageError, match="no documents"):
        sync_folder(three)

    assert len(contents(three, embedding)) == 3


def test_an_index_of_another_model_is_refused_with_both_named(
    three: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_folder(three)
    other = replace(embedding, identity=replace(embedding.identity, weights="other"))

    with pytest.raises(IdentityError, match=r"e5-small-en-pt.*weights: .* != 'other'.*--rebuild"):
        Index.open(three.index, other)


def test_an_index_of_the_model_before_is_refused_until_the_settings_name_it(
    three: IndexSettings, minilm: EmbeddingModel
) -> None:
    before = replace_settings(three, embedding=minilm.name)
    sync_folder(before, embedding=minilm)

    with pytest.raises(IdentityError) as caught:
        open_index(three)
    for said in ("bundled:all-MiniLM-L6-v2", "bundled:e5-small-en-pt", "rag index --rebuild"):
        assert said in str(caught.value)
    with pytest.raises(IdentityError, match="bundled:all-MiniLM-L6-v2"):
        sync_folder(three)

    with closing(open_index(before)) as index:
        (best,) = index.similarity_search("How long do cats sleep?", k=1)
        (found,) = index.candidates("How long do cats sleep?", 1)
    assert best.page_content == found.row.chunk.text == CATS
    assert found.sentences[0].cosine > 0.5


def test_a_second_writer_is_told_to_wait(
    three: IndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "LOCK_TIMEOUT", 0.1)
    sync_folder(three)

    with directory.write_lock(three.index), pytest.raises(IndexBusyError, match="another process"):
        sync_folder(three)


def _generation(settings: IndexSettings) -> int:
    version = directory.current_version(settings.index)
    assert version
    with Catalog(version / directory.CATALOG).read() as reader:
        return reader.state().generation


def _files(folder: Path) -> list[tuple[str, bytes]]:
    """Return the files of an index but for the memory that SQLite's readers share."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted((str(path), path.read_bytes()) for path in files if path.suffix != ".sqlite-shm")


def replace_settings(settings: IndexSettings, **changes: object) -> IndexSettings:
    return settings.model_copy(update=changes)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda pointer: pointer.unlink(), id="lost"),
        pytest.param(lambda pointer: pointer.write_bytes(b"v9 "), id="damaged"),
    ],
)
def test_a_lost_pointer_is_found_again(
    three: IndexSettings, embedding: EmbeddingModel, spoil: Callable[[Path], None]
) -> None:
    sync_folder(three)
    Index.open(three.index, embedding).add_texts(["A note."], ids=["note"])
    spoil(three.index / "CURRENT")

    assert counts(sync_folder(three)) == {"unchanged": 3}
    assert ("note", "A note.") in contents(three, embedding)


def test_a_rebuild_can_be_rolled_back(three: IndexSettings, embedding: EmbeddingModel) -> None:
    sync_folder(three)
    before = directory.current_version(three.index)
    sync_folder(three, rebuild=True)
    assert directory.current_version(three.index) != before

    directory.roll_back(three.index)

    assert directory.current_version(three.index) == before
    assert counts(sync_folder(three)) == {"unchanged": 3}


def test_without_an_earlier_version_there_is_no_way_back(three: IndexSettings) -> None:
    sync_folder(three)

    with pytest.raises(UsageError, match="no earlier version"):
        directory.roll_back(three.index)
