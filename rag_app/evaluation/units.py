"""What a chunk counts as when a ranking is judged.

It counts as its document, and the best chunk of a document stands for it. Where a question knows
the place of its evidence, each chunk counts as itself, and those that overlap it as the evidence.
"""

from __future__ import annotations

from dataclasses import replace

from ingest import Document, UsageError
from rag_app.evaluation.types import Question
from rag_app.retrieval import Ranked

_EVIDENCE = "#evidence"


def unit(question: Question, ranked: Ranked) -> str:
    """Return what a chunk counts as for a question."""
    row = ranked.candidate.row
    if question.span is None:
        return row.source
    start, end = question.span
    if row.source in question.relevant and row.chunk.start < end and start < row.chunk.end:
        return row.source + _EVIDENCE
    return f"{row.source}#{row.chunk.start}"


def with_relevant_unit(question: Question) -> Question:
    """Return the question with its evidence, where it is known, as the one relevant unit."""
    if question.span is None:
        return question
    return replace(question, relevant={f"{source}{_EVIDENCE}": 1 for source in question.relevant})


def check_evidence(question: Question, document: Document) -> None:
    """Raise UsageError if the evidence is not where the question says."""
    if question.span is None:
        return
    found = document.text[slice(*question.span)]
    if question.span[1] > len(document.text) or question.evidence not in (None, found):
        raise UsageError(
            f"{question.origin}: 'evidence_span' {list(question.span)} is not where the evidence "
            f"stands in the text of the document, which has {len(document.text)} characters"
        )
