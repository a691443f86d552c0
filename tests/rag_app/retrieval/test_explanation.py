from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Rag

from ingest import IndexSettings, UsageError, open_index
from rag_app.retrieval import HybridRetriever, explain, matched_terms

QUESTION = "Who published word2vec?"


@pytest.fixture(scope="module")
def retriever(sample_index: Path) -> HybridRetriever:
    return HybridRetriever(index=open_index(IndexSettings(index=sample_index)), k=3)


def test_terms_are_matched_by_their_stem() -> None:
    matched, missing = matched_terms(
        "Who published embeddings of zebras?", "They publish an embedding."
    )

    assert matched == ("published", "embeddings")
    assert missing == ("zebras",)


def test_a_chosen_document_has_its_place(retriever: HybridRetriever) -> None:
    found = explain(retriever, QUESTION, "en/embeddings.md")

    assert (found.rank, found.chosen, found.lexical_rank) == (1, True, 1)
    assert found.matched == ("published", "word2vec")
    assert found.reason == "chosen: place 1 of the 3 that are retrieved"


def test_a_document_that_came_too_late_is_told_what_it_lacked(retriever: HybridRetriever) -> None:
    found = explain(retriever, QUESTION, "pt/avaliacao-de-rag.md")

    assert not found.chosen
    assert "word2vec" in found.missing
    assert found.reason.startswith("not chosen: place ")


def test_an_unknown_document_is_answered_with_one_alike(retriever: HybridRetriever) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'en/embeddings\.md'"):
        explain(retriever, QUESTION, "embeddings.md")


def test_a_file_that_could_not_be_read_is_told_why(rag_alone: Rag) -> None:
    Path("documents").mkdir()
    Path("documents/a.md").write_text("The zoo opens at nine.")
    Path("documents/b.md").touch()
    rag_alone("index", "documents", "--index", "i")
    run = rag_alone("search", "When does the zoo open?", "--why", "b.md", "--index", "i")

    assert (run.code, run.out) == (2, "")
    assert run.err == "error: the index holds no text of 'b.md': the file is empty\n"


def test_the_parts_of_each_score_are_shown(rag: Rag) -> None:
    run = rag("search", QUESTION, "--explain", "--top-k", "2")

    assert run.code == 0
    header, first, second = run.out.splitlines()
    assert header.split()[:6] == ["score", "dense", "sentence", "lexical", "grams", "named"]
    assert "en/embeddings.md" in first
    assert first.endswith(": published, word2vec")
    assert float(first.split()[0]) > float(second.split()[0])


def test_why_explains_one_document(rag: Rag) -> None:
    run = rag("search", QUESTION, "--why", "en/embeddings.md")
    as_json = json.loads(rag("search", QUESTION, "--why", "en/embeddings.md", "--json").out)

    assert run.out.startswith("en/embeddings.md: chosen: place 1 of the 5")
    assert as_json["matched"] == ["published", "word2vec"]
    assert as_json["chosen"] is True


def test_why_of_an_unknown_file_is_wrong_use(rag: Rag) -> None:
    run = rag("search", QUESTION, "--why", "nothing.md")

    assert run.code == 2
    assert "no document 'nothing.md'" in run.err
