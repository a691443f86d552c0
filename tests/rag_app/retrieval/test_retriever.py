from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from ingest import Index, IndexSettings, open_index, sync_folder
from rag_app.retrieval import HybridRetriever
from rag_app.types import ScoredChunk


@pytest.fixture(scope="module")
def index(sample_index: Path) -> Iterator[Index]:
    index = open_index(IndexSettings(index=sample_index))
    yield index
    index.close()


@pytest.mark.parametrize(
    ("question", "source"),
    [
        pytest.param("Who published word2vec?", "en/embeddings.md", id="a word of the text"),
        pytest.param("how near two texts are in meaning", "en/embeddings.md", id="other words"),
        pytest.param("O que o LoRA congela?", "pt/ajuste-fino-ou-prompt.html", id="portuguese"),
    ],
)
def test_the_right_file_comes_first(index: Index, question: str, source: str) -> None:
    assert HybridRetriever(index=index).invoke(question)[0].metadata["source"] == source


def test_chunks_come_best_first_with_their_scores_and_exact_place(index: Index) -> None:
    documents = HybridRetriever(index=index, k=8).invoke("How does LoRA save memory?")
    chunks = [ScoredChunk.from_document(document) for document in documents]

    assert len(chunks) == 8
    assert [chunk.score for chunk in chunks] == sorted((c.score for c in chunks), reverse=True)
    for chunk in chunks:
        document = index.document(chunk.source)
        assert document is not None
        assert document.text[chunk.start : chunk.end] == chunk.text


def test_a_filter_leaves_only_what_it_names(index: Index) -> None:
    retriever = HybridRetriever(index=index, k=50, filter={"source": "pt/*"})

    sources = {document.metadata["source"] for document in retriever.invoke("LoRA embeddings")}

    assert sources
    assert all(source.startswith("pt/") for source in sources)


def test_of_two_equal_texts_only_one_is_returned(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text("The tomatoes were planted in May.")
    settings = IndexSettings(documents=tmp_path, index=tmp_path / "index")
    sync_folder(settings)

    found = HybridRetriever(index=open_index(settings)).invoke("When were tomatoes planted?")

    assert [document.metadata["source"] for document in found] == ["a.txt"]


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[Index]:
    """An index of reports that say the same of different companies, which only the paths name."""
    documents = tmp_path / "documents"
    for company, change in (("Globex", "rose by a tenth"), ("Acme", "fell by a third")):
        file = documents / "2023" / f"{company}_Q2.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"Net sales {change} over the quarter before.")
    settings = IndexSettings(documents=documents, index=tmp_path / "index")
    sync_folder(settings)
    index = open_index(settings)
    yield index
    index.close()


@pytest.mark.parametrize("company", ["Globex", "Acme"])
def test_a_file_is_found_by_its_path(reports: Index, company: str) -> None:
    found = HybridRetriever(index=reports).invoke(f"How did net sales of {company} change?")

    assert found[0].metadata["source"] == f"2023/{company}_Q2.txt"
    assert found[0].metadata["lexical"] > found[1].metadata["lexical"]


def test_an_added_text_is_not_found_by_its_id(reports: Index) -> None:
    reports.add_texts(["Net sales were flat."], ids=["notes/Initech.txt"])

    added, *_ = (
        document
        for document in HybridRetriever(index=reports).invoke("Initech")
        if document.metadata["source"] == "notes/Initech.txt"
    )

    assert added.metadata["lexical"] == 0


def test_a_chunk_comes_with_its_language_and_its_sentences(reports: Index) -> None:
    reports.add_texts(["As vendas caíram. O lucro é menor do que em 2022."], ids=["notas"])

    found = {
        document.metadata["source"]: ScoredChunk.from_document(document)
        for document in HybridRetriever(index=reports).invoke("Como foram as vendas?")
    }

    assert {source: chunk.language for source, chunk in found.items()} == {
        "notas": "pt",
        "2023/Acme_Q2.txt": "en",
        "2023/Globex_Q2.txt": "en",
    }
    texts = [found["notas"].text[one.start : one.end] for one in found["notas"].sentences]
    assert texts == ["As vendas caíram.", "O lucro é menor do que em 2022."]
    assert all(0 < one.cosine <= 1 for one in found["notas"].sentences)
    assert ScoredChunk.from_document(found["notas"].to_document()) == found["notas"]


class TestHybridRetrieverStandard(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _index(self, index: Index) -> None:
        type(self).index = index

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return HybridRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"index": self.index}

    @property
    def retriever_query_example(self) -> str:
        return "What is a token?"
