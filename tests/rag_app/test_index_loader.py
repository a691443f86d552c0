"""Answers from the documents of a LangChain loader."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from running import DOCUMENTS

from ingest import UsageError
from rag_app import RagApp
from rag_app.settings import Settings

HIVES = "The hives stand behind the orchard.\n\nEach hive gives eleven kilos of honey in July."
MEL = "O mel de laranjeira é colhido em setembro por Inês Prado."


class Diary(BaseLoader):
    """Two entries, as another system would give them."""

    def __init__(self, **entries: str) -> None:
        self._entries = entries

    def lazy_load(self) -> Iterator[Document]:
        for day, text in self._entries.items():
            metadata = {"source": f"https://diary.example/{day}", "day": day, "page": 0}
            yield Document(text, id=day, metadata=metadata)


@pytest.fixture
def app(tmp_path: Path) -> RagApp:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "wax.txt").write_text("Wax is melted at sixty-four degrees.", encoding="utf-8")
    return RagApp(Settings(documents=folder, index=tmp_path / "index"))


@pytest.mark.parametrize(
    ("question", "source", "quote"),
    [
        pytest.param(
            "How many kilos of honey does each hive give?",
            "monday",
            "Each hive gives eleven kilos of honey in July.",
            id="English",
        ),
        pytest.param("Quem colhe o mel de laranjeira?", "tuesday", MEL, id="Portuguese"),
    ],
)
def test_answers_cite_loaded_documents_with_exact_offsets(
    app: RagApp, question: str, source: str, quote: str
) -> None:
    app.index()
    assert app.index(loader=Diary(monday=HIVES, tuesday=MEL)).new == 2

    (citation,) = app.ask(question).citations

    assert (citation.source, citation.quote, citation.verified) == (source, quote, True)
    assert citation.page is None
    document = app.document(source)
    assert document is not None
    assert document.text[citation.start : citation.end] == quote


def test_an_open_app_answers_from_what_the_loader_gives_now(app: RagApp) -> None:
    question = "How many kilos of honey does each hive give?"
    app.index(loader=Diary(monday=HIVES))
    assert [one.source for one in app.ask(question).citations] == ["monday"]

    changed = HIVES.replace("eleven", "thirteen")
    assert app.index(loader=Diary(monday=changed, tuesday=MEL)).changed == 1
    assert [one.quote for one in app.ask(question).citations] == [
        "Each hive gives thirteen kilos of honey in July."
    ]

    assert app.index(loader=Diary(tuesday=MEL)).deleted == 1
    assert app.ask(question).abstained


def test_the_metadata_of_loaded_documents_filters(app: RagApp) -> None:
    app.index(loader=Diary(monday=HIVES, tuesday=MEL))

    assert {one.source for one in app.search("honey", {"day": "tuesday"})} == {"tuesday"}


@pytest.mark.parametrize("other", [{"folder": "."}, {"rebuild": True}, {"retry_failed": True}])
def test_a_loader_and_a_folder_are_indexed_one_by_one(app: RagApp, other: dict[str, bool]) -> None:
    with pytest.raises(UsageError, match="are for a folder: index it in a call of its own"):
        app.index(loader=Diary(monday=HIVES), **other)  # type: ignore[arg-type]
    assert not app.settings.index.exists()


def test_the_pages_of_a_pdf_loader_are_cited_one_by_one(app: RagApp) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from langchain_community.document_loaders import PyPDFLoader
    path = DOCUMENTS / "pt" / "geracao-aumentada-por-recuperacao.pdf"
    report = app.index(loader=PyPDFLoader(path))
    assert (report.new, report.failed) == (3, ())
    assert app.index(loader=PyPDFLoader(path)).unchanged == 3

    citations = app.ask("Quem publicou o DPR em 2020?").citations

    assert any("publicado em 2020 por Vladimir Karpukhin" in one.quote for one in citations)
    for one in citations:
        document = app.document(one.source)
        assert document is not None
        assert document.text[one.start : one.end] == one.quote
    pages = [{one.source for one in app.search("busca", {"page": str(n)})} for n in range(3)]
    assert pages == [{f"{path}"}, {f"{path} (2)"}, {f"{path} (3)"}]
