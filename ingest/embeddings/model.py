"""An embedding model with its identity and its tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ingest.embeddings.identity import EmbeddingIdentity
from ingest.embeddings.tokens import TokenVectors
from ingest.errors import ProviderError

if TYPE_CHECKING:
    from ingest.embeddings.bundled import BundledEmbeddings

Value = TypeVar("Value")


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
    _seen: Recent[NDArray[np.float32]] = field(
        default_factory=lambda: Recent(4096), init=False, repr=False, compare=False
    )
    _read: Recent[TokenVectors] = field(
        default_factory=lambda: Recent(64), init=False, repr=False, compare=False
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
        known = self._seen.find(sentences, self.embed_documents)
        shape = (len(sentences), self.identity.dimension)
        return np.array([known[text] for text in sentences], np.float32).reshape(shape)

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return each text token by token, reading only those not read lately.

        The bundled model reads them, whatever model this is: many models give no vectors of
        tokens, and what the vectors mean to a reader was measured on these.
        """
        known = self._read.find(texts, _token_model(self.embeddings).embed_tokens)
        return [known[text] for text in texts]

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


class Recent(Generic[Value]):
    """What was computed of the last texts; safe to share between threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: dict[str, Value] = {}
        self._lock = Lock()

    def find(
        self, texts: Sequence[str], compute: Callable[[Sequence[str]], Iterable[Value]]
    ) -> dict[str, Value]:
        """Return the value of each text; ``compute`` gives those that are not remembered."""
        with self._lock:
            known = {text: self._values[text] for text in texts if text in self._values}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        added = dict(zip(new, compute(new), strict=True)) if new else {}
        with self._lock:
            self._values.update(added)
            for text in list(self._values)[: -self._limit]:
                del self._values[text]
        return known | added


def _token_model(embeddings: Embeddings) -> BundledEmbeddings:
    from ingest.embeddings.bundled import BundledEmbeddings

    return embeddings if isinstance(embeddings, BundledEmbeddings) else _bundled()


@cache
def _bundled() -> BundledEmbeddings:
    from ingest.embeddings.bundled import BundledEmbeddings

    return BundledEmbeddings()
