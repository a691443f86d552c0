"""An embedding model with its identity and its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ingest.embeddings.identity import EmbeddingIdentity
from ingest.errors import ProviderError


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """Turns text into vectors that are checked and of length 1.

    Attributes:
        embeddings: The LangChain model that computes the vectors.
        identity: What the vectors depend on.
        tokenizer: Counts tokens as the model does; neither cuts nor pads.
    """

    embeddings: Embeddings
    identity: EmbeddingIdentity
    tokenizer: Tokenizer

    @property
    def name(self) -> str:
        """The model as ``provider:model``."""
        return self.identity.name

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors of shape (texts, dimension) or raise ProviderError."""
        if not texts:
            return np.empty((0, self.identity.dimension), np.float32)
        return self._checked(self.embeddings.embed_documents(list(texts)), len(texts))

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question, of shape (dimension,), or raise ProviderError."""
        vector: NDArray[np.float32] = self._checked([self.embeddings.embed_query(text)], 1)[0]
        return vector

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
