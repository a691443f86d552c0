"""Print ``rag search --explain`` and ``--why``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rag_app.attribution.prompt_injection import instructs
from rag_app.cli.answer_output import warning
from rag_app.cli.output import print_json, printable
from rag_app.retrieval import Explanation, HybridRetriever, Ranked, explain, matched_terms

_PARTS = ("dense", "sentence", "lexical", "grams", "named")


def explain_search(
    retriever: HybridRetriever, question: str, source: str | None, as_json: bool
) -> None:
    """Print the components of each retrieved chunk's score, or why a document ranks as it does.

    Args:
        retriever: The retriever.
        question: The question.
        source: The document to explain; None for the retrieved chunks.
        as_json: Print JSON.
    """
    if source is not None:
        explanation = explain(retriever, question, source)
        if as_json:
            print_json(_explanation_record(explanation))
        else:
            _print_explanation(explanation)
        return
    ranked = retriever.rank(question)[: retriever.k]
    if as_json:
        print_json([_record(question, one) for one in ranked])
    else:
        _print_table(question, ranked)


def _record(question: str, ranked: Ranked) -> dict[str, object]:
    row = ranked.candidate.row
    matched, _ = matched_terms(question, row.chunk.embedding_text)
    return {
        "source": row.source,
        "start": row.chunk.start,
        "end": row.chunk.end,
        "score": ranked.score,
        **{part: getattr(ranked, part) for part in _PARTS},
        "cosine": ranked.candidate.dense,
        "bm25": ranked.candidate.lexical,
        "matched": list(matched),
        "instructs": list(instructs(row.chunk.text)),
    }


def _explanation_record(explanation: Explanation) -> dict[str, object]:
    record = asdict(explanation)
    del record["chunk"]
    chunk = explanation.chunk
    return record | {
        "start": chunk.row.chunk.start,
        "end": chunk.row.chunk.end,
        "cosine": chunk.dense,
        "bm25": chunk.lexical,
    }


def _print_table(question: str, ranked: Sequence[Ranked]) -> None:
    print("score  " + "  ".join(f"{part:>9}" for part in _PARTS) + "  chunk: matched terms")
    for one in ranked:
        chunk = one.candidate.row.chunk
        parts = "  ".join(_number(getattr(one, part)) for part in _PARTS)
        place = f"{one.candidate.row.source}:{chunk.start}-{chunk.end}"
        terms = ", ".join(matched_terms(question, chunk.embedding_text)[0])
        said = f"{printable(place)}: {printable(terms)}{warning(chunk.text)}"
        print(f"{one.score:.3f}  {parts}  {said}")


def _number(value: float) -> str:
    return f"{value:>9.3f}"


def _print_explanation(explanation: Explanation) -> None:
    chunk = explanation.chunk
    span = f"{chunk.row.chunk.start}-{chunk.row.chunk.end}"
    terms = explanation.lexical_rank or "-"
    print(f"{printable(explanation.source)}: {explanation.reason}")
    print(f"best chunk     {span}")
    print(f"by meaning     place {explanation.dense_rank}, cosine {chunk.dense:.3f}")
    print(f"by terms       place {terms}, BM25 {chunk.lexical:.2f}")
    print(f"matched terms  {printable(', '.join(explanation.matched)) or '-'}")
    print(f"missing terms  {printable(', '.join(explanation.missing)) or '-'}")
