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
    IndexedDocument,
    IndexSettings,
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
from rag_app.chain import OnAnswer, RetrievalQA, retrieval_qa
from rag_app.conversation import Conversation, read_turns
from rag_app.extractive.evidence import Evidence, with_evidence
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


class _Opened:
    """Models and the open index, loaded on first use and shared by the apps of one index."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.reranker = cache(self._reranker)
        self.entailment_model = cache(self._entailment_model)

    @cached_property
    def embedding(self) -> EmbeddingModel:
        return embedding_model(self._settings)

    @cached_property
    def store(self) -> Index:
        return Index.open(self._settings.index, self.embedding)

    def _reranker(self, name: str | None) -> Rerank | None:
        return cross_encoder(name) if name else None

    def _entailment_model(self, name: str | None) -> Entails | None:
        return entailment_model(name) if name else None


class RagApp:
    """Answers questions of one folder of documents; models are loaded when first needed.

    >>> app = RagApp(documents="data/documents", llm="extractive")
    >>> app.index()
    >>> print(app.ask("What is a token?").text)
    """

    def __init__(self, settings: Settings | None = None, **overrides: Any) -> None:
        """Use ``settings``, or load them; ``overrides`` take precedence.

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
        self._opened = _Opened(self.settings)

    def __repr__(self) -> str:
        return (
            f"RagApp(index={str(self.settings.index)!r}, llm={mask_secrets(self.settings.llm)!r})"
        )

    @property
    def embedding(self) -> EmbeddingModel:
        """The embedding model."""
        return self._opened.embedding

    @property
    def store(self) -> Index:
        """The index, as a LangChain vector store."""
        return self._opened.store

    @cached_property
    def llm(self) -> BaseChatModel:
        """The chat model."""
        return chat_model(self.settings.llm, self.settings, self.embedding, self._find_chunks)

    @cached_property
    def _rewrite(self) -> Rewrite | None:
        way = self.settings.rewrite
        if way == "none":
            return None
        if self.settings.is_extractive:
            raise UsageError(f"rewrite={way} needs a chat model that writes: choose one with llm")
        prompt = load_prompt(way)

        def write(question: str) -> str:
            # Without chunks, the extractive model abstains where it is the fallback.
            nothing = Evidence(question, ())
            message = self.llm.invoke(with_evidence(prompt.messages(question=question), nothing))
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
        allow_empty: bool = False,
        progress: Callable[[SyncProgress], None] | None = None,
    ) -> SyncReport:
        """Sync the index with the documents folder, or with a LangChain document loader.

        See :func:`ingest.sync_folder` and :func:`ingest.sync_loader`. One index can hold both;
        each sync leaves the other's documents alone.

        Args:
            folder: Documents folder; None is the one of the settings.
            loader: LangChain document loader, instead of a folder.
            dry_run: Report the changes without making them.
            rebuild: Build a new index beside the old one, then switch.
            retry_failed: Load files again that failed before and are unchanged.
            allow_empty: Remove every document where the folder has none, instead of an error.
            progress: Called with the progress of the sync.

        Raises:
            UsageError: ``loader`` is combined with an option of folders.
            RagError: As :func:`ingest.sync_folder`.
        """
        if loader is not None:
            if folder is not None or rebuild or retry_failed or allow_empty:
                raise UsageError(
                    "folder, rebuild, retry_failed and allow_empty are for a folder: index it in a "
                    "call of its own; a rebuild takes the documents of loaders along"
                )
            return sync_loader(self.settings, loader, dry_run=dry_run, progress=progress)
        if folder is not None:
            self.settings = changed_settings(self.settings, documents=folder)
        return sync_folder(
            self.settings,
            dry_run=dry_run,
            rebuild=rebuild,
            retry_failed=retry_failed,
            allow_empty=allow_empty,
            progress=progress,
        )

    def retriever(self, filter: Filter | None = None) -> HybridRetriever:
        """Return the retriever over the index, as a LangChain retriever."""
        if not self.store.current()[1].documents:
            raise UsageError(f"the index {self.settings.index} is empty: run 'rag index'")
        return HybridRetriever(
            index=self.store,
            k=self.settings.top_k,
            filter=self.store.checked_filter(filter),
            rewrite=self._rewrite,
            rerank=self._opened.reranker(self.settings.rerank),
            diversity=self.settings.diversity,
            width=self.settings.width,
        )

    def chain(
        self,
        filter: Filter | None = None,
        retriever: BaseRetriever | None = None,
        on_answer: OnAnswer | None = None,
    ) -> RetrievalQA:
        """Return the chain that answers, as a LangChain Runnable.

        Args:
            filter: Only documents that match, for the retriever of the index.
            retriever: Replaces the retriever of the index.
            on_answer: Called with the chunks and the answer before the chain returns it.
        """
        prompt = load_prompt(self.settings.prompt) if self.settings.prompt else None
        llm = self.llm
        return retrieval_qa(
            retriever or self.retriever(filter),
            llm,
            prompt,
            llm_name=self.settings.llm,
            window=getattr(llm, "window", None),
            on_unsupported=self.settings.on_unsupported,
            read=self._read,
            entails=self._entails,
            on_answer=on_answer,
        )

    def search(self, question: str, filter: Filter | None = None) -> list[ScoredChunk]:
        """Return the best chunks for a question, best first."""
        check_question(question)
        documents = self.retriever(filter).invoke(question)
        return [ScoredChunk.from_document(document) for document in documents]

    async def asearch(self, question: str, filter: Filter | None = None) -> list[ScoredChunk]:
        """Return the best chunks, as :meth:`search` does, without blocking the event loop."""
        return await asyncio.to_thread(self.search, question, filter)

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
        """Return the answer, as :meth:`ask` does, without blocking the event loop."""
        if self.settings.is_extractive:  # one change of threads instead of one a stage
            return await asyncio.to_thread(self.ask, question, filter)
        found = await asyncio.to_thread(self._find, question, filter)
        return found.answer if isinstance(found, CachedAnswer) else await found.ainvoke(question)

    def stream(self, question: str, filter: Filter | None = None) -> Iterator[Event]:
        """Yield the retrieved chunks, then the answer's tokens, then the :class:`Answer`."""
        found = self._find(question, filter)
        return iter(_events(found)) if isinstance(found, CachedAnswer) else found.stream(question)

    async def astream(self, question: str, filter: Filter | None = None) -> AsyncIterator[Event]:
        """Yield the same events as :meth:`stream` without blocking the event loop."""
        if self.settings.is_extractive:
            for event in await asyncio.to_thread(lambda: [*self.stream(question, filter)]):
                yield event
            return
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
        """Return the app as a LangChain tool for agents, named ``ask_documents``.

        The tool takes a question and returns the answer with its quotes, or the nearest passages;
        ``ToolMessage.artifact`` holds the ``answer`` and the ``chunks``.
        """
        from rag_app.langchain_tool import documents_tool

        return documents_tool(self.stream, self.astream)

    def chat(self, resume: Path | str | None = None) -> Conversation[RagApp]:
        """Return a conversation, in which a follow-up may refer to earlier questions.

        Args:
            resume: Saved conversation to continue.

        Raises:
            UsageError: The file is not a saved conversation.
        """
        return Conversation(self, read_turns(resume) if resume else ())

    def using(self, **changes: Any) -> RagApp:
        """Return an app with other settings, on the same open index unless it is changed too.

        Raises:
            UsageError: If a setting does not exist, or its value is not valid.
        """
        other = RagApp(self.settings, **changes)
        if changes.keys().isdisjoint(IndexSettings.model_fields):
            other._opened = self._opened
        return other

    @property
    def _entails(self) -> Entails | None:
        # Quotes of the extractive model are verbatim: there is nothing to entail.
        name = None if self.settings.is_extractive else self.settings.entailment
        return self._opened.entailment_model(name)

    def _find(self, question: str, filter: Filter | None) -> CachedAnswer | RetrievalQA:
        """Return the cached answer, or the chain that makes, counts and caches one."""
        check_question(question)
        asked = CachedQuestion(
            self.settings, self.store, question, self.store.checked_filter(filter)
        )
        if kept := asked.recall():
            return kept
        return self.chain(filter, on_answer=asked.remember)

    def _read(self, question: str, chunks: Sequence[ScoredChunk]) -> Reading | None:
        return read(question, chunks, self.embedding)

    def _find_chunks(self, question: str, text: str) -> list[ScoredChunk]:
        """Return the chunks for a question that are part of ``text``, best first."""
        try:
            ranked = HybridRetriever(index=self.store).rank(question)
        except StoreError:
            return []
        found = [one for one in ranked if one.candidate.row.chunk.text.strip() in text]
        whole = self.store.texts(one.candidate.row.source for one in found).get
        documents = [ranked_document(one, whole(one.candidate.row.source)) for one in found]
        return [ScoredChunk.from_document(document) for document in documents]

    def document(self, source: str) -> Document | None:
        """Return the document that the offsets of citations refer to, or None."""
        return self.store.document(source)

    def documents(self) -> list[IndexedDocument]:
        """Return every document, and every file without text, ordered by source."""
        return self.store.listing()

    def status(self) -> IndexStatus:
        """Return the status of the index: documents, chunks, model, size, failed files."""
        return self.store.status()

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Check the index, and repair it if asked; see :func:`ingest.verify_index`."""
        return verify_index(self.settings, repair=repair)


def _events(kept: CachedAnswer) -> tuple[Event, ...]:
    return Retrieved(kept.chunks), Token(kept.answer.text), kept.answer
