"""What every system is asked to do, and which there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from benchmarks.retrieval.datasets import Dataset, Text

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


class System(Protocol):
    """A retrieval system; making one loads its models."""

    def index(self, dataset: Dataset) -> None:
        """Make an index of a set, in place of the one before."""

    def search(self, question: str) -> list[Found]:
        """Return the :data:`DEPTH` texts that fit best, best first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a system is made, and the packages it needs."""

    module: str
    requires: tuple[str, ...] = ()
    function: str = "make"

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that are not installed."""
        return tuple(name for name in self.requires if find_spec(name) is None)

    def make(self) -> System:
        """Return the system with its models loaded."""
        module = import_module(f"benchmarks.retrieval.{self.module}")
        system: System = getattr(module, self.function)()
        return system


SYSTEMS: Mapping[str, Entry] = {
    "rag-app": Entry("rag"),
    "its terms": Entry("rag", function="make_terms"),
    "its meaning": Entry("rag", function="make_meaning"),
    "BM25": Entry("bm25", ("bm25s", "Stemmer")),
    "MiniLM": Entry("minilm", ("sentence_transformers",)),
    "LangChain": Entry(
        "ensemble",
        ("langchain_classic", "langchain_community", "langchain_huggingface", "rank_bm25"),
    ),
    "txtai": Entry("txtai_hybrid", ("txtai",)),
    "LlamaIndex": Entry("llama", ("llama_index",)),
}
