"""From a question to scored chunks."""

from rag_app.retrieval.explanation import Explanation, explain, matched_terms
from rag_app.retrieval.query_rewriting import Rewrite, imagined_answer, other_wordings
from rag_app.retrieval.ranking import Ranked
from rag_app.retrieval.reranking import Rerank, cross_encoder
from rag_app.retrieval.retriever import HybridRetriever, ranked_document

__all__ = [
    "Explanation",
    "HybridRetriever",
    "Ranked",
    "Rerank",
    "Rewrite",
    "cross_encoder",
    "explain",
    "imagined_answer",
    "matched_terms",
    "other_wordings",
    "ranked_document",
]
