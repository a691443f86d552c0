"""A question in, an answer with exact quotes out: retriever | prompt | llm | citations."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage, BaseMessageChunk
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig

from ingest import Language, ProviderError, UsageError, detect_language
from rag_app.abstention import ABSTENTION, is_abstention
from rag_app.citations import Cited, cite, format_context
from rag_app.prompts import Prompt, load_prompt
from rag_app.types import Answer, ScoredChunk

_PROMPTS = {"en": "qa", "pt": "qa-pt"}
_VARIABLES = ("context", "question")
# A cautious guess: English has about four characters to a token, Portuguese three.
_CHARACTERS_PER_TOKEN = 3
_DEFAULT_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Retrieved:
    """First event of a stream: the chunks the answer is made from, best first."""

    chunks: tuple[ScoredChunk, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the model's text, as it came; the final answer renumbers its markers."""

    text: str


Event = Retrieved | Token | Answer


def retrieval_qa(
    retriever: BaseRetriever,
    llm: BaseChatModel,
    prompt: Prompt | None = None,
    *,
    llm_name: str = "",
    window: int | None = None,
) -> RetrievalQA:
    """Return the chain of any retriever and any chat model.

    Args:
        retriever: Gives the documents for a question, best first.
        llm: Writes the answer.
        prompt: Takes ``question`` and ``context``; None is ``qa`` or ``qa-pt``, by the question.
        llm_name: What `Answer.llm` says.
        window: Tokens the model can read and write; None when it need not be watched.

    Raises:
        UsageError: The prompt has other variables.
    """
    if prompt is not None and prompt.variables != _VARIABLES:
        raise UsageError(
            f"the prompt '{prompt.name}' takes {', '.join(prompt.variables)}; "
            "answering needs one that takes context and question"
        )
    return RetrievalQA(retriever, llm, prompt, llm_name, window)


class RetrievalQA(Runnable[str, Answer]):
    """Answers a question; a stream gives `Retrieved`, then `Token`s, then the `Answer`."""

    def __init__(
        self,
        retriever: BaseRetriever,
        llm: BaseChatModel,
        prompt: Prompt | None,
        llm_name: str,
        window: int | None,
    ) -> None:
        self.retriever = retriever
        self.llm = llm
        self.prompt = prompt
        self.llm_name = llm_name
        self.window = window

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Answer:
        """Return the answer.

        Raises:
            UsageError: The question is blank, or the context has no room for a chunk.
        """
        return self._call_with_config(self._invoke, input, config, **kwargs)

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Answer:
        """Return the answer; raises as `invoke` does."""
        return await self._acall_with_config(self._ainvoke, input, config, **kwargs)

    def stream(  # type: ignore[override]
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Event]:
        """Yield the events of the answer; raises as `invoke` does."""
        yield from self._transform_stream_with_config(iter([input]), self._stream, config, **kwargs)

    async def astream(  # type: ignore[override]
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Event]:
        """Yield the events of the answer; raises as `invoke` does."""
        events = self._atransform_stream_with_config(_once(input), self._astream, config, **kwargs)
        async for event in events:
            yield event

    def _invoke(self, question: str, run_manager: object, config: RunnableConfig) -> Answer:
        turn = _Turn(self, question)
        turn.retrieved(self.retriever.invoke(turn.question, config))
        if turn.chunks:
            turn.generated(self.llm.invoke(turn.messages(), config))
        return turn.answer()

    async def _ainvoke(self, question: str, run_manager: object, config: RunnableConfig) -> Answer:
        turn = _Turn(self, question)
        turn.retrieved(await self.retriever.ainvoke(turn.question, config))
        if turn.chunks:
            turn.generated(await self.llm.ainvoke(turn.messages(), config))
        return turn.answer()

    def _stream(
        self, questions: Iterator[str], run_manager: object, config: RunnableConfig
    ) -> Iterator[Any]:
        for question in questions:
            turn = _Turn(self, question)
            turn.retrieved(self.retriever.invoke(turn.question, config))
            yield from turn.opening()
            if turn.chunks:
                for piece in self.llm.stream(turn.messages(), config):
                    yield from turn.streamed(piece)
            yield turn.answer()

    async def _astream(
        self, questions: AsyncIterator[str], run_manager: object, config: RunnableConfig
    ) -> AsyncIterator[Any]:
        async for question in questions:
            turn = _Turn(self, question)
            turn.retrieved(await self.retriever.ainvoke(turn.question, config))
            for event in turn.opening():
                yield event
            if turn.chunks:
                async for piece in self.llm.astream(turn.messages(), config):
                    for token in turn.streamed(piece):
                        yield token
            yield turn.answer()


async def _once(question: str) -> AsyncIterator[str]:
    yield question


class _Turn:
    """One question on its way: every step that needs no waiting, and the clock."""

    def __init__(self, chain: RetrievalQA, question: str) -> None:
        if not question.strip():
            raise UsageError("the question is empty: ask something, in a word or more")
        self.question = question
        self.chunks: tuple[ScoredChunk, ...] = ()
        self._chain = chain
        self._language: Language = detect_language(question)
        self._prompt = chain.prompt or _prompt(_PROMPTS[self._language])
        self._dropped = 0
        self._message: BaseMessage | None = None
        self._timings: dict[str, float] = {}
        self._started = self._last = time.perf_counter()

    def retrieved(self, documents: Sequence[Document]) -> None:
        found = tuple(ScoredChunk.from_document(document) for document in documents)
        self.chunks = self._fitting(found)
        self._dropped = len(found) - len(self.chunks)
        self._time("retrieve")

    def opening(self) -> Iterator[Event]:
        yield Retrieved(self.chunks)
        if not self.chunks:
            yield Token(ABSTENTION[self._language])

    def messages(self) -> list[BaseMessage]:
        *before, human = self._render(self.chunks)
        evidence = {"question": self.question, "chunks": list(self.chunks)}
        return [*before, human.model_copy(update={"additional_kwargs": evidence})]

    def streamed(self, piece: BaseMessage) -> Iterator[Token]:
        self._message = piece if self._message is None else _joined(self._message, piece)
        if piece.text:
            yield Token(str(piece.text))

    def generated(self, message: BaseMessage) -> None:
        self._message = message

    def answer(self) -> Answer:
        self._time("generate")
        text = self._text()
        abstained = is_abstention(text)
        cited = Cited(ABSTENTION[self._language], (), ()) if abstained else cite(text, self.chunks)
        self._time("cite")
        return Answer(
            question=self.question,
            text=cited.text,
            citations=cited.citations,
            abstained=abstained,
            unsupported=cited.unsupported,
            llm=self._chain.llm_name,
            usage=_tokens(self._message) | {"dropped_chunks": self._dropped},
            timings=self._timings | {"total": self._last - self._started},
        )

    def _text(self) -> str:
        if not self.chunks:
            return ABSTENTION[self._language]
        text = str(self._message.text) if self._message else ""
        if not text.strip():
            raise ProviderError(
                f"{self._chain.llm_name or 'the chat model'} answered nothing: "
                "ask again, or allow it more tokens with llm_max_tokens"
            )
        return text

    def _fitting(self, chunks: tuple[ScoredChunk, ...]) -> tuple[ScoredChunk, ...]:
        """Return the best chunks that fit into the model's window with the question."""
        window = self._chain.window
        if window is None or not chunks:
            return chunks
        room = window - _max_tokens(self._chain.llm)
        for kept in range(len(chunks), 0, -1):
            text = "\n".join(str(message.text) for message in self._render(chunks[:kept]))
            if _count_tokens(self._chain.llm, text) <= room:
                return chunks[:kept]
        raise UsageError(
            f"the question and one chunk don't fit into the {room} tokens that "
            f"{self._chain.llm_name or 'the chat model'} has for them: lower llm_max_tokens, "
            "or choose a model with a larger window"
        )

    def _render(self, chunks: Sequence[ScoredChunk]) -> list[BaseMessage]:
        return self._prompt.messages(question=self.question, context=format_context(chunks))

    def _time(self, stage: str) -> None:
        now = time.perf_counter()
        self._timings[stage], self._last = now - self._last, now


@lru_cache(maxsize=len(_PROMPTS))
def _prompt(name: str) -> Prompt:
    return load_prompt(name)


def _joined(whole: BaseMessage, piece: BaseMessage) -> BaseMessage:
    if isinstance(whole, BaseMessageChunk) and isinstance(piece, BaseMessageChunk):
        return whole + piece
    return piece


def _max_tokens(llm: BaseChatModel) -> int:
    for field_name in ("max_tokens", "max_new_tokens", "max_completion_tokens"):
        if isinstance(value := getattr(llm, field_name, None), int):
            return value
    return _DEFAULT_MAX_TOKENS


def _count_tokens(llm: BaseChatModel, text: str) -> int:
    """Return the tokens of ``text``, by the model's own count where it has one that works.

    LangChain's default would fetch GPT-2's tokenizer, and some providers fetch theirs.
    """
    kind, default = type(llm), BaseLanguageModel
    counts = (
        kind.get_num_tokens is not default.get_num_tokens
        or kind.get_token_ids is not default.get_token_ids
        or llm.custom_get_token_ids is not None
    )
    if counts:
        with suppress(Exception):
            return llm.get_num_tokens(text)
    return len(text) // _CHARACTERS_PER_TOKEN + 1


def _tokens(message: BaseMessage | None) -> dict[str, int]:
    usage = message.usage_metadata if isinstance(message, AIMessage) else None
    if usage is None:
        return {}
    return {"input_tokens": usage["input_tokens"], "output_tokens": usage["output_tokens"]}
