"""The retrieval benchmark measures what it says, and rag-app keeps what it reached."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from benchmarks.retrieval.__main__ import evaluate, main
from benchmarks.retrieval.datasets import Question, load_dataset
from benchmarks.retrieval.metrics import file_coverage, file_hit, ndcg, span_hit
from benchmarks.retrieval.rag import Rag
from benchmarks.retrieval.systems import Found
from benchmarks.retrieval.translations import section_questions

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


GUIDE = """
# Guia do usuário { #user-guide }

Leia o **guia** em [outra página](https://example.org/guia).

## `FastAPI`

{* ../docs_src/first.py *}

## Declare um `Body` opcional { #optional-body }

```python
# não é um título
```

O corpo é `None` por padrão. Isso pode mudar.

## Verifique a documentação

* Um item de uma lista não é uma frase.

## Recapitulando
"""
OTHER = """
# Outra página do guia

## Verifique a documentação

/// note | Nota

Por padrão, nada disso é obrigatório.

///
"""


def test_questions_across_languages_are_what_sections_of_files_in_both_say(tmp_path: Path) -> None:
    for name, text in (
        ("a/guide.md", GUIDE),
        ("b.md", OTHER),
        ("_test.md", GUIDE),
        ("c.md", GUIDE),
    ):
        for language in ("pt", "en"):
            path = tmp_path / language / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    (tmp_path / "en" / "c.md").unlink()
    assert section_questions(tmp_path / "pt", tmp_path / "en") == [
        ("Guia do usuário", "a/guide.md"),
        ("Leia o guia em outra página.", "a/guide.md"),
        ("Declare um Body opcional", "a/guide.md"),
        ("O corpo é None por padrão.", "a/guide.md"),
        ("Outra página do guia", "b.md"),
    ]


@pytest.mark.parametrize("name", ["fastapi-pt-en", "fastapi-en-pt"])
@needs_bench
def test_every_question_across_languages_is_of_a_file_that_is_there(name: str) -> None:
    dataset = load_dataset(Path(BENCH or ""), name)
    texts = {text.source: text.text for text in dataset.texts}
    assert len({question.text for question in dataset.questions}) == 600
    assert all(question.sources <= texts.keys() for question in dataset.questions)
    assert all(texts[one.source][one.start :].startswith(one.text) for one in dataset.pieces)


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
    assert result.scores["nDCG@10"] == pytest.approx((0.949, 0.949), abs=0.01)
