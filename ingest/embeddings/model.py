"""An embedding model with its identity and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ingest.embeddings.identity import EmbeddingIdentity
from ingest.errors import ProviderError

_REMEMBERED = 4096


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
    _seen: RecentVectors = field(
        default_factory=lambda: RecentVectors(), init=False, repr=False, compare=False
    )

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

    def embed_sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors of shape (sentences, dimension), embedding only those not seen lately.

        The sentences of a chunk are looked at when it is retrieved and again when it is read.
        """
        known = self._seen.find(sentences)
        new = [text for text in dict.fromkeys(sentences) if text not in known]
        added = dict(zip(new, self.embed_documents(new), strict=True))
        self._seen.keep(added)
        known |= added
        shape = (len(sentences), self.identity.dimension)
        return np.array([known[text] for text in sentences], np.float32).reshape(shape)

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


class RecentVectors:
    """The vectors of the texts embedded last; safe to share between threads."""

    def __init__(self) -> None:
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._lock = Lock()

    def find(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of those of ``texts`` that are remembered."""
        with self._lock:
            return {text: self._vectors[text] for text in texts if text in self._vectors}

    def keep(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Remember ``vectors``, and forget the oldest beyond the limit."""
        with self._lock:
            self._vectors.update(vectors)
            for text in list(self._vectors)[:-_REMEMBERED]:
                del self._vectors[text]
