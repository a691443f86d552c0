"""What every system is asked to do, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from benchmarks.retrieval.datasets import Dataset, Text
from ingest.embeddings.bundled import E5 as BUNDLED_E5
from ingest.embeddings.e5_folder import e5_folder
from ingest.embeddings.minilm import minilm_folder

# Texts to ask each system for: enough for ten different passages where a passage is several chunks.
DEPTH = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A text that was found: its source and the span in it."""

    source: str
    start: int = 0
    end: int = 0

    @classmethod
    def whole(cls, text: Text) -> Found:
        """Return a text as found, all of it."""
        return cls(text.source, text.start, text.start + len(text.text))


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """An embedding model as other libraries load it.

    Attributes:
        folder: Returns the folder, in the layout of Sentence Transformers.
        query_prompt: Text put before a question.
        document_prompt: Text put before any other text.
    """

    folder: Callable[[], Path]
    query_prompt: str = ""
    document_prompt: str = ""


MINILM = ModelWeights(minilm_folder)
E5 = ModelWeights(e5_folder, BUNDLED_E5.query_prompt, BUNDLED_E5.document_prompt)
WEIGHTS: Mapping[str, ModelWeights] = {"minilm": MINILM, "e5": E5}


class System(Protocol):
    """A retrieval system; making one loads its models."""

    def index(self, dataset: Dataset) -> None:
        """Make an index of a set, in place of the one before."""

    def search(self, question: str) -> list[Found]:
        """Return the :data:`DEPTH` texts that fit best, best first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a system is made.

    Attributes:
        module: The module.
        requires: The packages it needs.
        function: What makes it.
        takes_weights: Whether it is made with any weights; else it has its own, or none.
    """

    module: str
    requires: tuple[str, ...] = ()
    function: str = "make"
    takes_weights: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that are not installed."""
        return tuple(name for name in self.requires if find_spec(name) is None)

    def make(self, weights: ModelWeights) -> System:
        """Return the system with its models loaded."""
        make = getattr(import_module(f"benchmarks.retrieval.{self.module}"), self.function)
        system: System = make(weights) if self.takes_weights else make()
        return system


_BM25 = ("bm25s", "Stemmer")
_LANGCHAIN = ("langchain_classic", "langchain_community", "langchain_huggingface", "rank_bm25")

SYSTEMS: Mapping[str, Entry] = {
    "rag-app": Entry("rag"),
    "its terms": Entry("rag", function="make_terms"),
    "its meaning": Entry("rag", function="make_meaning"),
    "BM25": Entry("bm25", _BM25),
    "MiniLM": Entry("cosine", ("sentence_transformers",), "make_minilm"),
    "e5": Entry("cosine", ("sentence_transformers",), "make_e5"),
    "plain fusion": Entry("fusion", ("sentence_transformers", *_BM25), takes_weights=True),
    "LangChain": Entry("ensemble", _LANGCHAIN, takes_weights=True),
    "txtai": Entry("txtai_hybrid", ("txtai",), takes_weights=True),
    "LlamaIndex": Entry("llama", ("llama_index",), takes_weights=True),
}
