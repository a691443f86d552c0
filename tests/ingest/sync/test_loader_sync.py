"""An index in step with LangChain's document loaders."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from ingest import (
    EmbeddingModel,
    FileProblem,
    Index,
    IndexSettings,
    LoadError,
    SyncProgress,
    SyncReport,
    UsageError,
    sync_folder,
    sync_loader,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from langchain_community.document_loaders import CSVLoader, JSONLoader, TextLoader

Write = Callable[[str, str], Path]

TEA = "Green tea is steeped at eighty degrees."
RICE = "Rice is rinsed until the water is clear."
PÃO = "O pão de centeio descansa doze horas."
SALT = "Salt keeps butter fresh for a month."


class Shelf(BaseLoader):
    """Gives what it is made with; an exception is raised where it stands."""

    def __init__(self, *given: Document | Exception) -> None:
        self._given = given

    def lazy_load(self) -> Iterator[Document]:
        for one in self._given:
            if isinstance(one, Exception):
                raise one
            yield one


class OtherShelf(Shelf):
    """A loader of another kind."""


def note(name: str, text: str, **metadata: Any) -> Document:
    return Document(text, id=name, metadata=metadata)


def counts(report: SyncReport) -> dict[str, int]:
    names = ("new", "changed", "deleted", "unchanged", "chunks", "embedded", "reused")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def texts(settings: IndexSettings, embedding: EmbeddingModel) -> dict[str, str]:
    """Every document's text by its source, from the index on disk."""
    index = Index.open(settings.index, embedding)
    found = {source: index.document(source) for source in index.sources()}
    index.close()
    return {source: document.text for source, document in found.items() if document}


def found(settings: IndexSettings, embedding: EmbeddingModel, **filter: str) -> list[str]:
    """The sources of all chunks that a filter lets through."""
    index = Index.open(settings.index, embedding)
    sources = sorted({one.row.source for one in index.candidates("food", 1000, filter)})
    index.close()
    return sources


def generation(settings: IndexSettings, embedding: EmbeddingModel) -> int:
    index = Index.open(settings.index, embedding)
    number = index.state().generation
    index.close()
    return number


FIRST = (note("tea", TEA), note("rice", RICE), note("pão", PÃO))


def test_a_first_sync_indexes_every_document(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    report = sync_loader(settings, Shelf(*FIRST))

    assert counts(report) == {"new": 3, "chunks": 3, "embedded": 3}
    assert texts(settings, embedding) == {"tea": TEA, "rice": RICE, "pão": PÃO}


def test_a_second_sync_does_nothing(settings: IndexSettings, embedding: EmbeddingModel) -> None:
    sync_loader(settings, Shelf(*FIRST))
    before = generation(settings, embedding)

    assert counts(sync_loader(settings, Shelf(*FIRST))) == {"unchanged": 3}
    assert generation(settings, embedding) == before


def test_documents_are_kept_in_step_by_id(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_loader(settings, Shelf(*FIRST))

    report = sync_loader(settings, Shelf(note("salt", SALT), note("tea", TEA), note("rice", PÃO)))

    # What rice says now was embedded for another document.
    expected = {"new": 1, "changed": 1, "deleted": 1, "unchanged": 1}
    assert counts(report) == expected | {"chunks": 2, "embedded": 1, "reused": 1}
    assert texts(settings, embedding) == {"tea": TEA, "rice": PÃO, "salt": SALT}


def test_only_new_text_of_a_long_document_is_embedded(settings: IndexSettings) -> None:
    parts = [
        " ".join(f"Step {n} of part {part} takes a while." for n in range(30)) for part in "abc"
    ]
    sync_loader(settings, Shelf(note("recipe", "\n\n".join(parts))))

    parts[1] = parts[1].replace("Step 7", "Move 7")
    report = sync_loader(settings, Shelf(note("recipe", "\n\n".join(parts))))

    assert report.changed == 1
    assert 0 < report.embedded < report.chunks


def test_metadata_is_kept_in_step_and_filtered_by(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_loader(settings, Shelf(note("tea", TEA, kind="drink", cooked=date(2024, 5, 6))))
    assert found(settings, embedding, kind="drink") == ["tea"]
    assert found(settings, embedding, cooked="2024-05-06") == ["tea"]

    report = sync_loader(settings, Shelf(note("tea", TEA, kind="hot", cooked=date(2024, 5, 6))))

    assert counts(report) == {"changed": 1, "chunks": 1, "reused": 1}
    assert found(settings, embedding, kind="drink") == []
    assert found(settings, embedding, kind="hot") == ["tea"]


def test_a_document_is_called_by_its_id_or_its_source(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    shelf = Shelf(
        Document(TEA, id="by id", metadata={"id": "not this", "source": "nor this"}),
        Document(RICE, metadata={"id": 7, "source": "not this"}),
        Document(PÃO, metadata={"source": Path("pão.txt")}),
    )
    sync_loader(settings, shelf)

    assert texts(settings, embedding) == {"by id": TEA, "7": RICE, "pão.txt": PÃO}


def test_documents_of_one_source_are_numbered(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    pages = [Document(text, metadata={"source": "book.pdf"}) for text in (TEA, RICE, PÃO)]
    sync_loader(settings, Shelf(*pages))
    assert texts(settings, embedding) == {
        "book.pdf": TEA,
        "book.pdf (2)": RICE,
        "book.pdf (3)": PÃO,
    }

    report = sync_loader(settings, Shelf(*pages[:2]))

    assert counts(report) == {"deleted": 1, "unchanged": 2}


@pytest.mark.parametrize("order", ["folder first", "loader first"])
def test_folder_and_loader_leave_each_other_alone(
    settings: IndexSettings, write: Write, embedding: EmbeddingModel, order: str
) -> None:
    write("salt.txt", SALT)
    shelf = Shelf(*FIRST)
    if order == "folder first":
        sync_folder(settings)
        assert counts(sync_loader(settings, shelf))["new"] == 3
    else:
        sync_loader(settings, shelf)
        assert counts(sync_folder(settings))["new"] == 1

    assert counts(sync_loader(settings, shelf)) == {"unchanged": 3}
    assert counts(sync_folder(settings)) == {"unchanged": 1}
    (settings.documents / "salt.txt").rename(settings.documents / "sea.txt")
    assert counts(sync_folder(settings)) == {}
    assert counts(sync_loader(settings, Shelf(*FIRST[:1]))) == {"deleted": 2, "unchanged": 1}
    assert texts(settings, embedding) == {"tea": TEA, "sea.txt": SALT}


def test_added_texts_and_other_loaders_stay(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_loader(settings, Shelf(*FIRST[:2]))
    index = Index.open(settings.index, embedding)
    index.add_texts([SALT], ids=["salt"])
    index.close()

    assert counts(sync_loader(settings, OtherShelf(FIRST[2])))["new"] == 1
    assert counts(sync_loader(settings, Shelf())) == {"deleted": 2}

    assert texts(settings, embedding) == {"salt": SALT, "pão": PÃO}


def test_a_rebuild_takes_the_documents_of_loaders_along(
    settings: IndexSettings, write: Write, embedding: EmbeddingModel
) -> None:
    write("salt.txt", SALT)
    sync_loader(settings, Shelf(*FIRST))

    sync_folder(settings, rebuild=True)

    assert texts(settings, embedding) == {"tea": TEA, "rice": RICE, "pão": PÃO, "salt.txt": SALT}
    assert counts(sync_loader(settings, Shelf(*FIRST))) == {"unchanged": 3}


def test_what_cannot_be_indexed_is_listed_and_the_others_are_indexed(
    settings: IndexSettings, write: Write, embedding: EmbeddingModel
) -> None:
    write("salt.txt", SALT)
    sync_folder(settings)
    index = Index.open(settings.index, embedding)
    index.add_texts([RICE], ids=["mine"])
    index.close()

    report = sync_loader(
        settings,
        Shelf(
            note("tea", TEA),
            note("tea", RICE),
            note("blank", " \n"),
            Document(PÃO),
            note("salt.txt", PÃO),
            note("mine", PÃO),
            note("torn", "\ud800"),
            note("odd", PÃO, **{"loop": (loop := [])} | {"x": loop.append(loop)}),
            note("pão", PÃO),
        ),
    )

    assert counts(report) == {"new": 2, "chunks": 2, "embedded": 2}
    assert report.failed[:6] == (
        FileProblem("tea", "is the id of an earlier document too: give each its own"),
        FileProblem("blank", "is empty"),
        FileProblem("document 4", "has no id and no metadata['source']: give it one"),
        FileProblem("salt.txt", "is a file of the indexed folder: give the document another id"),
        FileProblem("mine", "is the id of an added text: give the document another id"),
        FileProblem("torn", "holds characters that are no valid text"),
    )
    assert report.failed[6].source == "odd"
    assert report.failed[6].reason.startswith("has metadata that can't be written as JSON")
    assert texts(settings, embedding) == {"salt.txt": SALT, "mine": RICE, "tea": TEA, "pão": PÃO}


def test_a_document_that_is_empty_now_says_nothing_any_more(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_loader(settings, Shelf(*FIRST))

    report = sync_loader(settings, Shelf(note("tea", ""), *FIRST[1:]))

    assert counts(report) == {"unchanged": 2}
    assert report.failed == (FileProblem("tea", "is empty"),)
    assert sorted(texts(settings, embedding)) == ["pão", "rice"]


def test_a_file_with_the_name_of_a_loaded_document_does_not_replace_it(
    settings: IndexSettings, write: Write, embedding: EmbeddingModel
) -> None:
    sync_loader(settings, Shelf(note("tea.txt", TEA)))
    write("tea.txt", RICE)
    write("salt.txt", SALT)

    for expected in ({"new": 1, "chunks": 1, "embedded": 1}, {"unchanged": 1}):
        report = sync_folder(settings)
        assert counts(report) == expected
        assert report.failed == (
            FileProblem(
                "tea.txt", "has the name of an added document, which stays: rename the file"
            ),
        )
    assert texts(settings, embedding) == {"tea.txt": TEA, "salt.txt": SALT}


def test_a_loader_that_fails_midway_deletes_nothing(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    sync_loader(settings, Shelf(*FIRST))
    broken = Shelf(note("tea", SALT), note("fig", RICE), OSError("the site\n is down"), *FIRST)

    with pytest.raises(LoadError) as raised:
        sync_loader(settings, broken)

    assert str(raised.value) == (
        "the loader Shelf failed at document 3: OSError: the site is down; what came before is "
        "indexed, nothing was deleted: mend it and index again"
    )
    assert texts(settings, embedding) == {"tea": SALT, "fig": RICE, "rice": RICE, "pão": PÃO}
    assert counts(sync_loader(settings, Shelf(*FIRST)))["deleted"] == 1


def test_a_loader_that_fails_at_once_leaves_no_index(settings: IndexSettings) -> None:
    with pytest.raises(LoadError, match="failed at document 1: ValueError: no key"):
        sync_loader(settings, Shelf(ValueError("no key")))
    with pytest.raises(LoadError, match="failed at document 1: AttributeError"):
        sync_loader(settings, Shelf("no document"))  # type: ignore[arg-type]


def test_what_is_no_loader_is_refused(settings: IndexSettings) -> None:
    with pytest.raises(UsageError, match="list is no LangChain loader: give a BaseLoader"):
        sync_loader(settings, [note("tea", TEA)])  # type: ignore[arg-type]
    assert not settings.index.exists()


def test_a_dry_run_counts_and_changes_nothing(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    assert counts(sync_loader(settings, Shelf(*FIRST), dry_run=True)) == {"new": 3}
    assert not settings.index.exists()
    sync_loader(settings, Shelf(*FIRST))
    later = Shelf(note("tea", SALT), note("fig", RICE))

    report = sync_loader(settings, later, dry_run=True)

    assert counts(report) == {"new": 1, "changed": 1, "deleted": 2}
    assert texts(settings, embedding) == {"tea": TEA, "rice": RICE, "pão": PÃO}


def test_progress_counts_documents_and_texts(settings: IndexSettings) -> None:
    told: list[SyncProgress] = []
    sync_loader(settings, Shelf(*FIRST), progress=told.append)

    assert [(one.files_done, one.chunks_done) for one in told] == [(1, 0), (2, 0), (3, 0), (3, 3)]


def test_a_killed_sync_keeps_whole_batches_and_is_taken_up(
    settings: IndexSettings, embedding: EmbeddingModel
) -> None:
    code = dedent(
        """\
        import os, signal, sys
        from pathlib import Path
        from langchain_core.document_loaders import BaseLoader
        from langchain_core.documents import Document
        import ingest.sync.loader_sync as module
        from ingest import IndexSettings

        class Shelf(BaseLoader):
            def lazy_load(self):
                for n in range(6):
                    if n == 5:
                        os.kill(os.getpid(), signal.SIGKILL)
                    yield Document(f"Jar {n} holds {n} plums.", id=f"jar {n}")

        module._BATCH_CHARACTERS = 40
        module.sync_loader(IndexSettings(index=Path(sys.argv[1])), Shelf())
        """
    )
    done = subprocess.run([sys.executable, "-c", code, str(settings.index)])
    assert done.returncode == -signal.SIGKILL
    kept = {f"jar {n}": f"Jar {n} holds {n} plums." for n in range(4)}
    assert texts(settings, embedding) == kept

    whole = [note(f"jar {n}", f"Jar {n} holds {n} plums.") for n in range(6)]
    expected = {"new": 2, "unchanged": 4, "chunks": 2, "embedded": 2}
    assert counts(sync_loader(settings, Shelf(*whole))) == expected


def test_the_text_loader_of_langchain(
    settings: IndexSettings, tmp_path: Path, embedding: EmbeddingModel
) -> None:
    path = tmp_path / "tea.txt"
    path.write_text(TEA, encoding="utf-8")
    assert counts(sync_loader(settings, TextLoader(path, encoding="utf-8")))["new"] == 1
    path.write_text(RICE, encoding="utf-8")
    assert counts(sync_loader(settings, TextLoader(path, encoding="utf-8")))["changed"] == 1
    assert texts(settings, embedding) == {str(path): RICE}

    path.unlink()
    with pytest.raises(LoadError, match=r"TextLoader failed at document 1: RuntimeError: .*tea"):
        sync_loader(settings, TextLoader(path, encoding="utf-8"))
    assert texts(settings, embedding) == {str(path): RICE}


def test_the_csv_loader_of_langchain(
    settings: IndexSettings, tmp_path: Path, embedding: EmbeddingModel
) -> None:
    path = tmp_path / "stock.csv"
    rows = ["item,jars", "plums,12", "figs,7", "pears,3"]
    path.write_text("\n".join(rows), encoding="utf-8")
    named = CSVLoader(path, source_column="item", metadata_columns=["jars"])
    assert counts(sync_loader(settings, named))["new"] == 3
    assert sorted(texts(settings, embedding)) == ["figs", "pears", "plums"]
    assert found(settings, embedding, jars="7") == ["figs"]

    path.write_text("\n".join([*rows[:2], "figs,9"]), encoding="utf-8")

    assert counts(sync_loader(settings, named)) == {
        "changed": 1,
        "deleted": 1,
        "unchanged": 1,
        "chunks": 1,
        "reused": 1,
    }


def test_the_rows_of_a_csv_file_have_stable_names(
    settings: IndexSettings, tmp_path: Path, embedding: EmbeddingModel
) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("item,jars\nplums,12\nfigs,7", encoding="utf-8")
    sync_loader(settings, CSVLoader(path))
    assert texts(settings, embedding) == {
        str(path): "item: plums\njars: 12",
        f"{path} (2)": "item: figs\njars: 7",
    }

    with path.open("a", encoding="utf-8") as file:
        file.write("\npears,3")

    expected = {"new": 1, "unchanged": 2, "chunks": 1, "embedded": 1}
    assert counts(sync_loader(settings, CSVLoader(path))) == expected


def test_the_json_loader_of_langchain(
    settings: IndexSettings, tmp_path: Path, embedding: EmbeddingModel
) -> None:
    pytest.importorskip("jq")
    path = tmp_path / "notes.json"
    path.write_text(json.dumps([{"text": TEA}, {"text": RICE}]), encoding="utf-8")
    loader = JSONLoader(path, jq_schema=".[].text")

    assert counts(sync_loader(settings, loader))["new"] == 2
    assert counts(sync_loader(settings, loader)) == {"unchanged": 2}
