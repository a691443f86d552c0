"""The retrieval benchmark measures what it says, and rag-app keeps what it reached."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from benchmarks.retrieval.__main__ import evaluate, main
from benchmarks.retrieval.datasets import Question, load_dataset
from benchmarks.retrieval.measures import file_coverage, file_hit, ndcg, span_hit
from benchmarks.retrieval.rag import Rag
from benchmarks.retrieval.systems import Found

BENCH = os.environ.get("RAG_BENCH")
needs_bench = pytest.mark.skipif(not BENCH, reason="RAG_BENCH names no folder of question sets")

ONE = Question("?", frozenset("a"), (10, 20))
SEVERAL = Question("?", frozenset("abcd"))


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [
        pytest.param("abc", 1.0, id="first"),
        pytest.param("bac", 1 / math.log2(3), id="second"),
        pytest.param("bbbac", 1 / math.log2(3), id="second-source-after-three-chunks-of-one"),
        pytest.param("bcdefghijka", 0.0, id="eleventh"),
        pytest.param("", 0.0, id="nothing-found"),
    ],
)
def test_ndcg_counts_each_source_once(ranking: str, expected: float) -> None:
    assert ndcg(ONE, [Found(source) for source in ranking]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(Found("a", 0, 11), 1.0, id="overlaps-by-one"),
        pytest.param(Found("a", 0, 10), 0.0, id="ends-where-it-starts"),
        pytest.param(Found("a", 20, 30), 0.0, id="starts-where-it-ends"),
        pytest.param(Found("b", 10, 20), 0.0, id="other-file"),
    ],
)
def test_a_span_is_hit_by_overlap_in_its_file(found: Found, expected: float) -> None:
    assert span_hit(ONE, [found, Found("a", 10, 20)]) == expected


def test_files_are_counted_among_the_texts_found() -> None:
    found = [Found(source) for source in "xaabxxxxxxc"]
    assert file_hit(1)(ONE, found) == 0.0
    assert file_hit(5)(ONE, found) == 1.0
    assert file_coverage(SEVERAL, found) == 0.5
    assert file_hit(5)(SEVERAL, found) is None
    assert file_coverage(ONE, found) is None


def test_an_unknown_set_is_named_with_those_possible(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--bench", ".", "--sets", "scifacts"])
    assert "unknown: scifacts; possible: scifact, faquad" in capsys.readouterr().err


@needs_bench
def test_the_gold_spans_are_in_the_lines_of_their_article() -> None:
    dataset = load_dataset(Path(BENCH or ""), "xquad-en")
    texts = {text.source: text.text for text in dataset.texts}
    assert len(dataset.questions) == 1190
    assert all(texts[one.source][one.start :].startswith(one.text) for one in dataset.pieces)
    for question in dataset.questions[:100]:
        assert question.span is not None
        lines = [Found(one.source, one.start, one.start + len(one.text)) for one in dataset.pieces]
        assert any(span_hit(question, [line]) for line in lines)


@needs_bench
@pytest.mark.slow
def test_portuguese_passages_are_found_as_well_as_before() -> None:
    dataset = load_dataset(Path(BENCH or ""), "faquad")
    (result,) = evaluate({"rag-app": Rag()}, dataset)
    assert len(dataset.questions) == 900
    assert result.scores["nDCG@10"] == pytest.approx((0.933, 0.934), abs=0.01)
