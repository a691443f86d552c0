from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from ingest import Candidate, EmbeddingModel, Index, IndexSettings, open_index, sync_folder
from ingest.index.rows import ChunkRow, Origin
from ingest.types import Chunk
from rag_app.retrieval import HybridRetriever
from rag_app.retrieval.ranking import rank
from rag_app.types import ScoredChunk


@pytest.fixture(scope="module")
def index(sample_index: Path) -> Iterator[Index]:
    index = open_index(IndexSettings(index=sample_index))
    yield index
    index.close()


def candidate(source: str, text: str, dense: float, lexical: float) -> Candidate:
    chunk = Chunk(text, 0, len(text))
    row = ChunkRow(1, 0, chunk, source, Origin.FOLDER, "en", {}, True)
    return Candidate(row, dense, lexical)


def order(question: str, candidates: list[Candidate], embedding: EmbeddingModel) -> list[str]:
    return [ranked.candidate.row.source for ranked in rank(question, candidates, embedding)]


def test_no_candidates_rank_as_none(index: Index) -> None:
    assert rank("anything", [], index.embedding) == []


def test_both_sides_count(index: Index) -> None:
    meant, said, neither = (
        candidate("meant", "Felines rest a.", 0.9, 0.0),
        candidate("said", "Felines rest b.", 0.1, 9.0),
        candidate("neither", "Felines rest c.", 0.1, 0.0),
    )

    assert order("cats", [neither, said, meant], index.embedding) == ["meant", "said", "neither"]


def test_equal_candidates_are_ordered_by_place(index: Index) -> None:
    texts = {"b": "Cats sleep.", "c": "cats sleep.", "a": "CATS sleep."}
    alike = [candidate(source, text, 0.5, 1.0) for source, text in texts.items()]

    assert order("cats", alike, index.embedding) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("question", "better", "worse"),
    [
        pytest.param(
            "prazo de trancamento",
            "O aluno pode trancar a matrícula.",
            "O aluno pode pagar a matrícula.",
            id="a part of a word",
        ),
        pytest.param(
            "river bank erosion",
            "The river bank shows erosion. " + "Nothing else is known here today. " * 4,
            "The river is long. "
            + "Nothing else is known here today. " * 4
            + "A bank has erosion.",
            id="terms close together",
        ),
        pytest.param(
            "How old is the cat?",
            "Bread is baked early in town. The kitten is three years of age.",
            "Bread is baked early in town. The oven has been repaired twice.",
            id="a sentence of that meaning",
        ),
    ],
)
def test_a_closer_look_decides_between_equals(
    index: Index, question: str, better: str, worse: str
) -> None:
    pair = [candidate("worse", worse, 0.5, 1.0), candidate("better", better, 0.5, 1.0)]
    distant = candidate("distant", "Zebra.", 0.0, 0.0)

    assert order(question, [*pair, distant], index.embedding)[0] == "better"


def test_the_file_that_the_question_names_comes_first(index: Index) -> None:
    text = "Net sales rose by a tenth over the quarter before."
    named = candidate("2023 Q2 acme.txt", text, 0.5, 1.0)
    other = candidate("2022 Q3 acme.txt", f"{text} Indeed.", 0.6, 2.0)
    distant = candidate("zebra.txt", "Zebra.", 0.0, 0.0)

    found = order("How did net sales change in Q2 2023?", [other, named, distant], index.embedding)

    assert found == ["2023 Q2 acme.txt", "2022 Q3 acme.txt", "zebra.txt"]


def test_another_file_comes_before_one_more_chunk_that_is_hardly_better(index: Index) -> None:
    distant = candidate("z", "Zebra.", 0.0, 0.0)
    # The model does not see capitals: the texts differ, and match alike.
    texts = ["cats nap.", "Cats nap.", "CATS nap."]
    same = [candidate("a", text, 0.9 - at / 100, 9.0) for at, text in enumerate(texts)]
    close, far = candidate("b", "cats Nap.", 0.86, 9.0), candidate("c", "Cats Nap.", 0.3, 3.0)

    found = order("cats", [*same, close, far, distant], index.embedding)

    assert found == ["a", "b", "a", "a", "c", "z"]


@pytest.mark.parametrize(
    ("question", "source"),
    [
        pytest.param("Who published word2vec?", "en/embeddings.md", id="a word of the text"),
        pytest.param(
            "meaning of a sentence as a list of numbers", "en/embeddings.md", id="other words"
        ),
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
