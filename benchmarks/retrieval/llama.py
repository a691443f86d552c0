"""LlamaIndex: VectorStoreIndex and BM25Retriever, fused by reciprocal rank, no language model.

Texts are split by its default SentenceSplitter (1,024 tokens). Files carry the metadata that its
SimpleDirectoryReader gives them, of which path and page label are embedded with the text.
"""

from __future__ import annotations

import Stemmer
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.retrievers.bm25 import BM25Retriever

from benchmarks.retrieval.bm25 import STEMMERS
from benchmarks.retrieval.datasets import Dataset, Text
from benchmarks.retrieval.systems import DEPTH, Found, ModelWeights


class Fusion:
    """Reciprocal rank fusion of terms and meaning."""

    def __init__(self, weights: ModelWeights) -> None:
        self._embedding = HuggingFaceEmbedding(
            model_name=str(weights.folder()),
            query_instruction=weights.query_prompt,
            text_instruction=weights.document_prompt,
            device="cpu",
        )

    def index(self, dataset: Dataset) -> None:
        """Split, count the terms and embed."""
        self._texts = {str(place): text for place, text in enumerate(dataset.texts)}
        documents = [_document(place, text, dataset) for place, text in self._texts.items()]
        index = VectorStoreIndex.from_documents(documents, embed_model=self._embedding)
        lexical = BM25Retriever.from_defaults(
            docstore=index.docstore,
            similarity_top_k=DEPTH,
            stemmer=Stemmer.Stemmer(STEMMERS[dataset.language]),
            language=dataset.language,
        )
        self._retriever = QueryFusionRetriever(
            [index.as_retriever(similarity_top_k=DEPTH), lexical],
            llm=MockLLM(),
            mode=FUSION_MODES.RECIPROCAL_RANK,
            num_queries=1,
            similarity_top_k=DEPTH,
            use_async=False,
        )

    def search(self, question: str) -> list[Found]:
        """Return the chunks found."""
        return [self._found(one) for one in self._retriever.retrieve(question)]

    def _found(self, one: NodeWithScore) -> Found:
        chunk = one.node
        assert isinstance(chunk, TextNode)
        text = self._texts[chunk.ref_doc_id or ""]
        start = chunk.start_char_idx
        if start is None:
            start = text.text.find(chunk.text[:40])
        return Found(text.source, text.start + start, text.start + start + len(chunk.text))


def _document(place: str, text: Text, dataset: Dataset) -> Document:
    if dataset.documents is None:
        return Document(id_=place, text=text.text)
    metadata = {"file_path": str(dataset.documents / text.source), "file_name": text.source}
    if text.page:
        metadata["page_label"] = str(text.page)
    return Document(
        id_=place, text=text.text, metadata=metadata, excluded_embed_metadata_keys=["file_name"]
    )


def make(weights: ModelWeights) -> Fusion:
    """Return the system."""
    return Fusion(weights)
