"""An embedding model with its identity and its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ingest.embeddings.bundled import BundledEmbeddings
from ingest.embeddings.types import EmbeddingIdentity, Passage, PassageVectors, SentenceVectors
from ingest.errors import ProviderError


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """Computes vectors of length 1, and checks their number and dimension.

    Attributes:
        embeddings: The LangChain model.
        identity: What the vectors depend on.
        tokenizer: The model's tokenizer or a similar one; neither truncates nor pads.
    """

    embeddings: Embeddings
    identity: EmbeddingIdentity
    tokenizer: Tokenizer

    @property
    def name(self) -> str:
        """The model as ``provider:model``."""
        return self.identity.name

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors, shape (texts, dimension); raises ProviderError."""
        if not texts:
            return np.empty((0, self.identity.dimension), np.float32)
        return self._checked(self.embeddings.embed_documents(list(texts)), len(texts))

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, shape (dimension,); raises ProviderError."""
        vector: NDArray[np.float32] = self._checked([self.embeddings.embed_query(text)], 1)[0]
        return vector

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        """Return the vectors of each passage and of its sentences; raises ProviderError.

        The bundled models encode a sentence within its passage, in the same pass. Other models,
        which give no token vectors, encode the sentences one by one.
        """
        if isinstance(self.embeddings, BundledEmbeddings):
            return self._embed_whole(self.embeddings, passages)
        wholes = self.embed_documents([passage.whole for passage in passages])
        sentences = [p.text[start:end] for p in passages for start, end in p.sentences]
        vectors = self.embed_documents(sentences)
        ends = np.cumsum([len(passage.sentences) for passage in passages])
        return [
            PassageVectors(whole, SentenceVectors.of(passage.sentences, own))
            for whole, passage, own in zip(
                wholes, passages, np.split(vectors, ends[:-1]) if passages else (), strict=True
            )
        ]

    def _embed_whole(
        self, embeddings: BundledEmbeddings, passages: Sequence[Passage]
    ) -> list[PassageVectors]:
        found = embeddings.embed_stretches(
            [passage.whole for passage in passages], [p.whole_sentences for p in passages]
        )
        return [
            PassageVectors(vectors[0], SentenceVectors.of(passage.sentences, vectors[1:]))
            for passage, vectors in zip(passages, found, strict=True)
        ]

    def _checked(self, vectors: list[list[float]], count: int) -> NDArray[np.float32]:
        lengths = {len(vector) for vector in vectors}
        if len(vectors) != count or lengths != {self.identity.dimension}:
            raise ProviderError(
                f"{self.name} returned {len(vectors)} vectors of {sorted(lengths)} numbers "
                f"for {count} texts, expected {self.identity.dimension} numbers each; "
                "check that the server runs this model"
            )
        array = np.asarray(vectors, np.float32)
        norms = np.linalg.norm(array, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and norms.all()):
            raise ProviderError(f"{self.name} returned a vector that is zero or not finite")
        unit: NDArray[np.float32] = array / norms
        return unit
