from __future__ import annotations

import math

import numpy as np
import pytest

from ingest.index.lexical import LexicalIndex, Postings
from ingest.text.bm25 import K1, B
from ingest.text.terms import document_terms, question_terms

CHUNKS = [["cat", "sat", "mat"], ["cat", "cat", "dog"], ["bird"], ["dog", "mat", "mat", "sun"]]


def bm25(chunks: list[list[str]], question: list[str], at: int) -> float:
    """BM25 written out, one chunk and one term at a time."""
    mean = sum(map(len, chunks)) / len(chunks)
    score = 0.0
    for term in question:
        holders = sum(term in chunk for chunk in chunks)
        idf = math.log(1 + (len(chunks) - holders + 0.5) / (holders + 0.5))
        count = chunks[at].count(term)
        norm = K1 * (1 - B + B * len(chunks[at]) / mean)
        score += idf * count / (count + norm)
    return score


def everything_alive(*parts: Postings) -> LexicalIndex:
    return LexicalIndex(parts, np.ones(sum(len(part.lengths) for part in parts), bool))


@pytest.mark.parametrize("question", [["cat"], ["cat", "mat"], ["bird", "sun"], ["unicorn"]])
def test_scores_are_bm25(question: list[str]) -> None:
    scores = everything_alive(Postings.build(CHUNKS)).scores(question)

    assert scores == pytest.approx([bm25(CHUNKS, question, at) for at in range(4)], abs=1e-6)


def test_parts_score_like_one() -> None:
    parts = everything_alive(Postings.build(CHUNKS[:3]), Postings.build(CHUNKS[3:]))
    whole = everything_alive(Postings.build(CHUNKS))

    assert parts.scores(["cat", "mat"]).tolist() == whole.scores(["cat", "mat"]).tolist()


def test_a_dead_chunk_counts_for_nothing() -> None:
    alive = np.array([True, False, True, True])
    scores = LexicalIndex((Postings.build(CHUNKS),), alive).scores(["cat", "dog"])
    left = [CHUNKS[0], CHUNKS[2], CHUNKS[3]]

    assert scores[1] == 0
    assert scores[alive] == pytest.approx(
        [bm25(left, ["cat", "dog"], at) for at in range(3)], abs=1e-6
    )


def test_merged_parts_equal_what_is_built_at_once() -> None:
    alive = np.array([True, False, True, True])
    merged = Postings.merge((Postings.build(CHUNKS[:2]), Postings.build(CHUNKS[2:])), alive)
    built = Postings.build([CHUNKS[0], CHUNKS[2], CHUNKS[3]])

    for name in ("terms", "offsets", "positions", "counts", "lengths"):
        assert getattr(merged, name).tolist() == getattr(built, name).tolist(), name


@pytest.mark.parametrize(
    ("text", "language", "terms"),
    [
        pytest.param("The cats were running", "en", ["en:cat", "en:run"], id="english"),
        pytest.param("Os alunos da graduação", "pt", ["pt:alun", "pt:graduaca"], id="portuguese"),
        pytest.param("GPT-4 in 2023", "en", ["en:gpt", "en:4", "en:2023"], id="numbers"),
        pytest.param("the of and", "en", [], id="stop words"),
        pytest.param("", "en", [], id="empty"),
    ],
)
def test_terms(text: str, language: str, terms: list[str]) -> None:
    assert document_terms(text, language) == terms  # type: ignore[arg-type]


def test_a_question_is_looked_for_in_both_languages() -> None:
    assert question_terms("O que são embeddings?") == ["en:embed", "pt:embeddings"]


def test_accents_do_not_matter() -> None:
    assert document_terms("café", "pt") == document_terms("cafe", "pt") == ["pt:caf"]
