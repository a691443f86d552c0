"""LangChain's EnsembleRetriever of BM25Retriever and FAISS, with equal weights.

Articles and pages are split as its tutorial does, into 1,000 characters with 200 of overlap.
"""

from __future__ import annotations

import warnings

from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

from benchmarks.retrieval.datasets import Dataset
from benchmarks.retrieval.systems import DEPTH, Found, ModelWeights

with warnings.catch_warnings():
    # The community package announces its end on import.
    warnings.simplefilter("ignore")
    from langchain_classic.retrievers import EnsembleRetriever
    from langchain_community.retrievers import BM25Retriever
    from langchain_community.vectorstores import FAISS


class Ensemble:
    """Reciprocal rank fusion of terms and meaning."""

    def __init__(self, weights: ModelWeights) -> None:
        self._embeddings = HuggingFaceEmbeddings(
            model_name=str(weights.folder()),
            encode_kwargs={"prompt": weights.document_prompt},
            query_encode_kwargs={"prompt": weights.query_prompt},
        )

    def index(self, dataset: Dataset) -> None:
        """Split, count the terms and embed."""
        documents = [
            Document(text.text, metadata={"source": text.source, "offset": text.start})
            for text in dataset.texts
        ]
        if dataset.documents:
            splitter = RecursiveCharacterTextSplitter(
                chunk_size=1000, chunk_overlap=200, add_start_index=True
            )
            documents = splitter.split_documents(documents)
        lexical = BM25Retriever.from_documents(documents, k=DEPTH)
        dense = FAISS.from_documents(documents, self._embeddings)
        self._retriever = EnsembleRetriever(
            retrievers=[lexical, dense.as_retriever(search_kwargs={"k": DEPTH})],
            weights=[0.5, 0.5],
        )

    def search(self, question: str) -> list[Found]:
        """Return the chunks found."""
        return [_found(document) for document in self._retriever.invoke(question)]


def _found(document: Document) -> Found:
    start = document.metadata["offset"] + document.metadata.get("start_index", 0)
    return Found(document.metadata["source"], start, start + len(document.page_content))


def make(weights: ModelWeights) -> Ensemble:
    """Return the system."""
    return Ensemble(weights)
