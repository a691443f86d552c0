from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from ingest import Candidate, Index, IndexSettings, open_index
from ingest.index.rows import ChunkRow, Origin
from ingest.types import Chunk
from rag_app.retrieval import HybridRetriever, fuse
from rag_app.types import ScoredChunk


@pytest.fixture(scope="module")
def index(sample_index: Path) -> Iterator[Index]:
    index = open_index(IndexSettings(index=sample_index))
    yield index
    index.close()


def candidate(source: str, dense: float, lexical: float) -> Candidate:
    chunk = Chunk("text", 0, 4)
    row = ChunkRow(1, 0, chunk, source, Origin.FOLDER, "en", {}, True)
    return Candidate(row, dense, lexical)


@pytest.mark.parametrize(
    ("weight", "scores"),
    [
        pytest.param(0.0, [0.0, 1.0, 0.5], id="terms alone"),
        pytest.param(1.0, [1.0, 0.0, 0.5], id="meaning alone"),
        pytest.param(0.6, [0.6, 0.4, 0.5], id="both"),
    ],
)
def test_each_side_counts_by_its_weight(weight: float, scores: list[float]) -> None:
    candidates = [candidate("a", 0.9, 1.0), candidate("b", 0.1, 9.0), candidate("c", 0.5, 5.0)]

    assert fuse(candidates, weight) == pytest.approx(scores)


def test_equal_candidates_have_equal_scores() -> None:
    assert np.array_equal(fuse([candidate("a", 0.5, 0), candidate("b", 0.5, 0)], 0.6), [0, 0])
    assert fuse([], 0.6).size == 0


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
