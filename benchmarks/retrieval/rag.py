"""rag-app with its defaults: a folder is synced, passages are added, the retriever is asked.

A set is indexed once for the whole retriever and its two parts. With RAG_BENCH_INDEXES set, the
indexes are kept in that folder and used by later runs too: a folder of files is synced, passages
that are there stay.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.retrieval.datasets import Dataset
from benchmarks.retrieval.systems import DEPTH, Found
from ingest import Candidate, Index, IndexSettings, embedding_model, sync_folder
from rag_app.retrieval import HybridRetriever
from rag_app.retrieval.retriever import CANDIDATES


class Rag:
    """The hybrid retriever over an index on disk."""

    def __init__(self) -> None:
        self._embedding = embedding_model(IndexSettings())

    def index(self, dataset: Dataset) -> None:
        """Make an index on disk; for files that includes reading them."""
        settings = IndexSettings(index=index_folder(dataset))
        if dataset.documents:
            settings = settings.model_copy(update={"documents": dataset.documents})
            sync_folder(settings, embedding=self._embedding)
        elif not settings.index.exists():
            texts, ids = zip(*((text.text, text.source) for text in dataset.texts), strict=True)
            Index.from_texts(
                list(texts), self._embedding.embeddings, ids=list(ids), folder=settings.index
            )
        index = Index.open(settings.index, self._embedding)
        self.retriever = HybridRetriever(index=index, k=DEPTH)

    def search(self, question: str) -> list[Found]:
        """Return the chunks found."""
        found = (document.metadata for document in self.retriever.invoke(question))
        return [Found(one["source"], one["start"], one["end"]) for one in found]


def index_folder(dataset: Dataset) -> Path:
    """Return where the index of a set is."""
    return _folder() / dataset.name


@cache
def _folder() -> Path:
    """Return where the indexes are: a folder that is kept, or one that goes with the process."""
    if kept := os.environ.get("RAG_BENCH_INDEXES"):
        return Path(kept)
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


class Part(Rag):
    """One of the two searches that the retriever fuses, by itself."""

    def __init__(self, score: Callable[[Candidate], float]) -> None:
        super().__init__()
        self._score = score

    def search(self, question: str) -> list[Found]:
        """Return the chunks found."""
        candidates = self.retriever.index.candidates(question, CANDIDATES)
        best = sorted(candidates, key=self._score, reverse=True)[:DEPTH]
        rows = [one.row for one in best if self._score(one)]
        return [Found(row.source, row.chunk.start, row.chunk.end) for row in rows]


def make() -> Rag:
    """Return the system."""
    return Rag()


def make_terms() -> Part:
    """Return its search by terms."""
    return Part(lambda candidate: candidate.lexical)


def make_meaning() -> Part:
    """Return its search by meaning."""
    return Part(lambda candidate: candidate.dense)
