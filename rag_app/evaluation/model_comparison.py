"""Compare chat models on one question and the same chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from ingest import RagError
from rag_app.answer_cache import CachedQuestion
from rag_app.app import RagApp
from rag_app.types import Answer


@dataclass(frozen=True, slots=True)
class Attempt:
    """A chat model's answer, or its error; the timings exclude retrieval, which is shared."""

    llm: str
    result: Answer | RagError


def compare(
    app: RagApp, question: str, llms: Sequence[str], filter: Mapping[str, str] | None = None
) -> Iterator[Attempt]:
    """Retrieve once and yield each chat model's answer, in order.

    If the settings ask for query rewriting, the first model rewrites.

    Args:
        app: The app whose index and settings are used.
        question: The question.
        llms: The chat models, as ``provider:model``.
        filter: Metadata that a document must have.

    Raises:
        UsageError: The question is empty.
        StoreError: The index can't be read.
    """
    opened = app.using(llm=llms[0])
    found = _Found(documents=opened.retriever(filter).invoke(question))
    for llm in llms:
        try:
            yield Attempt(llm, _ask(opened.using(llm=llm, cache=False), question, found))
        except RagError as error:
            yield Attempt(llm, error)


def _ask(app: RagApp, question: str, found: BaseRetriever) -> Answer:
    # Counts the tokens and the cost; caching is off.
    remember = CachedQuestion(app.settings, app.store, question, None).remember
    return app.chain(retriever=found, on_answer=remember).invoke(question)


class _Found(BaseRetriever):
    """A retriever that returns the same documents for every question."""

    documents: list[Document]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self.documents
