"""From a question to scored chunks."""

from rag_app.retrieval.explanation import Explanation, explain, matched_terms
from rag_app.retrieval.query_rewriting import Rewrite, hyde, multi_query
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
    "hyde",
    "matched_terms",
    "multi_query",
    "ranked_document",
]
