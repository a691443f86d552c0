"""Explain why a document was or was not retrieved for a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ingest import Candidate, UsageError, detect_language
from ingest.text.terms import content_terms, term_keys
from rag_app.retrieval.ranking import Ranked
from rag_app.retrieval.retriever import CANDIDATES, HybridRetriever


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the best chunk of a document ranks for a question.

    Attributes:
        source: The document.
        rank: Its rank among all candidates, from 1; None if it is not a candidate.
        chosen: Whether it is among the retrieved chunks.
        dense_rank: Its rank by cosine among all chunks, from 1.
        lexical_rank: Its rank by BM25 among all chunks, from 1; None without a shared term.
        chunk: The candidate, with its cosine and BM25 score.
        matched: The question's terms in the chunk.
        missing: The question's terms not in the chunk.
        reason: A summary in one sentence.
    """

    source: str
    rank: int | None
    chosen: bool
    dense_rank: int
    lexical_rank: int | None
    chunk: Candidate
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    reason: str


def matched_terms(question: str, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the question's terms in ``text``, and those not in it."""
    language = detect_language(question)
    keys = term_keys(text, language)
    terms = content_terms(question, language)
    matched = tuple(word for word, forms in terms.items() if not keys.isdisjoint(forms))
    return matched, tuple(word for word in terms if word not in matched)


def explain(retriever: HybridRetriever, question: str, source: str) -> Explanation:
    """Return how the best chunk of ``source`` ranks for ``question``.

    Raises:
        UsageError: The index has no such document or no text of it, or the filter excludes it.
    """
    everything = retriever.index.candidates(
        question, max(retriever.index.status().chunks, 1), retriever.filter
    )
    own = [candidate for candidate in everything if candidate.row.source == source]
    if not own:
        retriever.index.check_read(source)
        raise UsageError(_no_such_document(source, everything))
    ranked = retriever.rank(question)
    at = next((at for at, one in enumerate(ranked) if one.candidate.row.source == source), None)
    best = (
        max(own, key=lambda one: (one.lexical, one.dense)) if at is None else ranked[at].candidate
    )
    matched, missing = matched_terms(question, best.row.chunk.embedding_text)
    dense_rank = 1 + sum(other.dense > best.dense for other in everything)
    lexical_rank = None
    if best.lexical:
        lexical_rank = 1 + sum(other.lexical > best.lexical for other in everything)
    return Explanation(
        source=source,
        rank=None if at is None else at + 1,
        chosen=at is not None and at < retriever.k,
        dense_rank=dense_rank,
        lexical_rank=lexical_rank,
        chunk=best,
        matched=matched,
        missing=missing,
        reason=_reason(at, ranked, retriever.k, dense_rank, lexical_rank),
    )


def _no_such_document(source: str, everything: Sequence[Candidate]) -> str:
    known = sorted({candidate.row.source for candidate in everything})
    alike = get_close_matches(source, known, n=1, cutoff=0.4)
    hint = f"; did you mean '{alike[0]}'?" if alike else ""
    return f"no document '{source}' is searched for this question{hint}"


def _reason(
    at: int | None, ranked: Sequence[Ranked], k: int, dense_rank: int, lexical_rank: int | None
) -> str:
    if at is None:
        terms = f"place {lexical_rank} by terms" if lexical_rank else "no term of the question"
        return (
            f"not looked at: its best chunk has place {dense_rank} by meaning and {terms}, "
            f"and only the best {CANDIDATES} of each side are looked at"
        )
    if at < k:
        return f"chosen: place {at + 1} of the {k} that are retrieved"
    return (
        f"not chosen: place {at + 1} with a score of {ranked[at].score:.3f}, and the last of the "
        f"{k} that are retrieved has {ranked[k - 1].score:.3f}"
    )
