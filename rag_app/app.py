"""The whole application as one object: index a folder, search it, ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever

from ingest import (
    Document,
    EmbeddingModel,
    Index,
    IndexStatus,
    StoreError,
    SyncProgress,
    SyncReport,
    UsageError,
    VerifyReport,
    embedding_model,
    sync_folder,
    sync_loader,
    verify_index,
)
from rag_app.answer_cache import CachedAnswer, CachedQuestion
from rag_app.attribution.abstention import is_abstention
from rag_app.attribution.nli import Entails, entailment_model
from rag_app.chain import RetrievalQA, retrieval_qa
from rag_app.conversation import Conversation, read_turns
from rag_app.extractive.selection import Reading, read
from rag_app.llms import chat_model
from rag_app.llms.thinking import answer_text
from rag_app.prompts import load_prompt
from rag_app.retrieval import (
    HybridRetriever,
    Rerank,
    Rewrite,
    cross_encoder,
    hyde,
    multi_query,
    ranked_document,
)
from rag_app.settings import Settings, changed_settings, load_settings, mask_secrets
from rag_app.telemetry import spend
from rag_app.types import Answer, Event, Retrieved, ScoredChunk, Token, check_question

if TYPE_CHECKING:
    from langchain_core.document_loaders import BaseLoader
    from langchain_core.tools import StructuredTool

Filter = Mapping[str, str]


class RagApp:
    """Answers questions of one folder of documents; models are loaded when first needed.

    >>> app = RagApp(documents="data/documents", llm="extractive")
    >>> app.index()
    >>> print(app.ask("What is a token?").text)
    """

    def __init__(self, settings: Settings | None = None, **overrides: Any) -> None:
        """Take ``settings``, or read them and put ``overrides`` on top.

        Raises:
            UsageError: If a setting can't be used.
        """
        if settings is None:
            self.settings = load_settings(**overrides)
        elif isinstance(settings, Settings):
            self.settings = changed_settings(settings, **overrides)
        else:
            raise UsageError(
                f"RagApp takes Settings, or settings by name as in RagApp(documents='docs'), "
                f"not {settings!r}"
            )

    def __repr__(self) -> str:
        return (
            f"RagApp(index={str(self.settings.index)!r}, llm={mask_secrets(self.settings.llm)!r})"
        )

    @cached_property
    def embedding(self) -> EmbeddingModel:
        """The embedding model."""
        return embedding_model(self.settings)

    @cached_property
    def store(self) -> Index:
        """The index, as a LangChain vector store."""
        return Index.open(self.settings.index, self.embedding)

    @cached_property
    def llm(self) -> BaseChatModel:
        """The chat model."""
        return chat_model(self.settings.llm, self.settings, self.embedding, self._find_chunks)

    @cached_property
    def _rerank(self) -> Rerank | None:
        return cross_encoder(self.settings.rerank) if self.settings.rerank else None

    @cached_property
    def _entails(self) -> Entails | None:
        return entailment_model(self.settings.entailment) if self.settings.entailment else None

    @cached_property
    def _rewrite(self) -> Rewrite | None:
        way = self.settings.rewrite
        if way == "none":
            return None
        if self.settings.llm == "extractive":
            raise UsageError(f"rewrite={way} needs a chat model that writes: choose one with llm")
        prompt = load_prompt(way)

        def write(question: str) -> str:
            messages = prompt.messages(question=question)
            # With nothing to quote from, extractive abstains when it stands in for a model.
            messages[-1].additional_kwargs["chunks"] = ()
            message = self.llm.invoke(messages)
            spend(message)
            text = answer_text(message)
            return "" if is_abstention(text) else text

        return multi_query(write) if way == "multi-query" else hyde(write)

    def index(
        self,
        folder: Path | str | None = None,
        *,
        loader: BaseLoader | None = None,
        dry_run: bool = False,
        rebuild: bool = False,
        retry_failed: bool = False,
        progress: Callable[[SyncProgress], None] | None = None,
    ) -> SyncReport:
        """Bring the index in step with the documents folder, or with a LangChain ``loader``.

        See :func:`ingest.sync_folder` and :func:`ingest.sync_loader`. Both can fill one index: each
        leaves the other's documents alone.

        Raises:
            UsageError: ``loader`` stands beside what is only for a folder.
        """
        if loader is not None:
            if folder is not None or rebuild or retry_failed:
                raise UsageError(
                    "folder, rebuild and retry_failed are for a folder: index it in a call of its "
                    "own; a rebuild takes the documents of loaders along"
                )
            return sync_loader(self.settings, loader, dry_run=dry_run, progress=progress)
        if folder is not None:
            self.settings = changed_settings(self.settings, documents=folder)
        return sync_folder(
            self.settings,
            dry_run=dry_run,
            rebuild=rebuild,
            retry_failed=retry_failed,
            progress=progress,
        )

    def retriever(self, filter: Filter | None = None) -> HybridRetriever:
        """Return the retriever over the index, as a LangChain retriever."""
        if not self.store.status().documents:
            raise UsageError(f"the index {self.settings.index} is empty: run 'rag index'")
        return HybridRetriever(
            index=self.store,
            k=self.settings.top_k,
            filter=self.store.checked_filter(filter),
            rewrite=self._rewrite,
            rerank=self._rerank,
            diversity=self.settings.diversity,
            width=self.settings.width,
        )

    def chain(
        self, filter: Filter | None = None, retriever: BaseRetriever | None = None
    ) -> RetrievalQA:
        """Return the chain that answers, as a LangChain Runnable; over the index's retriever."""
        prompt = load_prompt(self.settings.prompt) if self.settings.prompt else None
        llm = self.llm
        chain = retrieval_qa(
            retriever or self.retriever(filter),
            llm,
            prompt,
            llm_name=self.settings.llm,
            window=getattr(llm, "window", None),
            on_unsupported=self.settings.on_unsupported,
        )
        chain.read = self._read
        if self.settings.llm != "extractive":
            chain.entails = self._entails
        return chain

    def search(self, question: str, filter: Filter | None = None) -> list[ScoredChunk]:
        """Return the chunks that fit a question best, best first."""
        check_question(question)
        documents = self.retriever(filter).invoke(question)
        return [ScoredChunk.from_document(document) for document in documents]

    def ask(self, question: str, filter: Filter | None = None) -> Answer:
        """Return the answer to a question with its citations.

        Raises:
            UsageError: If the question is empty or no text.
            IndexMissingError: If there is no index yet.
            ProviderError: If the chat model fails.
        """
        found = self._find(question, filter)
        return found.answer if isinstance(found, CachedAnswer) else found.invoke(question)

    async def aask(self, question: str, filter: Filter | None = None) -> Answer:
        """Return the answer as :meth:`ask` does, and let other tasks run meanwhile."""
        found = await asyncio.to_thread(self._find, question, filter)
        return found.answer if isinstance(found, CachedAnswer) else await found.ainvoke(question)

    def stream(self, question: str, filter: Filter | None = None) -> Iterator[Event]:
        """Yield the retrieved chunks, then the answer's tokens, then the :class:`Answer`."""
        found = self._find(question, filter)
        return iter(_events(found)) if isinstance(found, CachedAnswer) else found.stream(question)

    async def astream(self, question: str, filter: Filter | None = None) -> AsyncIterator[Event]:
        """Yield what :meth:`stream` does, and let other tasks run meanwhile."""
        found = await asyncio.to_thread(self._find, question, filter)
        if isinstance(found, CachedAnswer):
            for event in _events(found):
                yield event
            return
        stream: Any = found.astream(question)
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    def tool(self) -> StructuredTool:
        """Return the documents as a LangChain tool for agents, named ``ask_documents``.

        It takes a question and gives the model the answer with its quotes, or the nearest texts;
        ``ToolMessage.artifact`` has the ``answer`` and the ``chunks``.
        """
        from rag_app.langchain_tool import documents_tool

        return documents_tool(self.stream, self.astream)

    def chat(self, resume: Path | str | None = None) -> Conversation[RagApp]:
        """Return a conversation, in which a question may lean on those before it.

        Args:
            resume: File of a saved conversation to go on with.
        """
        return Conversation(self, read_turns(resume) if resume else ())

    def using(self, **changes: Any) -> RagApp:
        """Return an app with other settings of the question side, on the same open index.

        Raises:
            UsageError: If there is no such setting, or it can't be that.
        """
        other = RagApp(self.settings, **changes)
        for part in ("embedding", "store", "_rerank", "_entails"):
            if part in self.__dict__:
                other.__dict__[part] = self.__dict__[part]
        return other

    def _find(self, question: str, filter: Filter | None) -> CachedAnswer | RetrievalQA:
        """Return the answer that is kept, or the chain that makes one, counts and keeps it."""
        check_question(question)
        asked = CachedQuestion(
            self.settings, self.store, question, self.store.checked_filter(filter)
        )
        if kept := asked.recall():
            return kept
        chain = self.chain(filter)
        chain.on_answer = asked.remember
        return chain

    def _read(self, question: str, chunks: Sequence[ScoredChunk]) -> Reading | None:
        return read(question, chunks, self.embedding)

    def _find_chunks(self, question: str, text: str) -> list[ScoredChunk]:
        """Return the chunks for a question that stand in ``text``, best first."""
        try:
            ranked = HybridRetriever(index=self.store).rank(question)
        except StoreError:
            return []
        found = [one for one in ranked if one.candidate.row.chunk.text.strip() in text]
        whole = cache(self.store.document)
        documents = [ranked_document(one, whole(one.candidate.row.source)) for one in found]
        return [ScoredChunk.from_document(document) for document in documents]

    def document(self, source: str) -> Document | None:
        """Return a document whose text the offsets of citations count in, or None."""
        return self.store.document(source)

    def status(self) -> IndexStatus:
        """Return what the index holds."""
        return self.store.status()

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Check the index and with ``repair`` mend it; see :func:`ingest.verify_index`."""
        return verify_index(self.settings, repair=repair)


def _events(kept: CachedAnswer) -> tuple[Event, ...]:
    return Retrieved(kept.chunks), Token(kept.answer.text), kept.answer
