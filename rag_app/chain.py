"""A question in, an answer with exact quotes out: retriever | prompt | llm | citations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig

from ingest import Language, ProviderError, UsageError, detect_language
from rag_app.attribution.abstention import is_abstention
from rag_app.attribution.citations import OnUnsupported, cite_answer, quote_sentence
from rag_app.attribution.conflicts import with_conflicts
from rag_app.attribution.nli import Entails
from rag_app.extractive.evidence import Evidence, with_evidence
from rag_app.extractive.selection import Reading
from rag_app.llms.json_replies import may_be_json, plain_answer
from rag_app.llms.thinking import ThinkingSplitter, read_whole
from rag_app.prompts import Prompt, load_prompt
from rag_app.prompts.context import count_tokens, format_context, max_tokens
from rag_app.settings import mask_secrets
from rag_app.telemetry import Clock, add_usage, message_usage, start_spending
from rag_app.types import (
    ABSTENTION,
    UNSURE,
    Answer,
    Citation,
    Event,
    Retrieved,
    ScoredChunk,
    Thinking,
    Token,
    check_question,
)

_PROMPTS = {"en": "qa", "pt": "qa-pt"}
_INPUTS = ("question", "query", "input")

Input = str | Mapping[str, Any]
Read = Callable[[str, Sequence[ScoredChunk]], Reading | None]
OnAnswer = Callable[[tuple[ScoredChunk, ...], Answer], None]


def retrieval_qa(
    retriever: BaseRetriever,
    llm: BaseChatModel,
    prompt: Prompt | None = None,
    *,
    llm_name: str = "",
    window: int | None = None,
    on_unsupported: OnUnsupported = "flag",
    read: Read | None = None,
    entails: Entails | None = None,
    on_answer: OnAnswer | None = None,
) -> RetrievalQA:
    """Return a question-answering chain over any retriever and any chat model.

    Args:
        retriever: Returns the documents for a question, best first.
        llm: Writes the answer.
        prompt: Template with the variables ``question``, ``context`` and optionally
            ``retrieval_confidence``; None is ``qa`` or ``qa-pt``, by the question's language.
        llm_name: Value of `Answer.llm`.
        window: Context window of the model in tokens, input and output; None if unlimited.
        on_unsupported: Sentences without a supporting quote: ``flag`` lists them, ``drop`` also
            removes them from the text, ``abstain`` answers that the documents don't say.
        read: Estimates whether the chunks hold an answer, and finds the nearest passages.
        entails: Entailment model that confirms the quotes; without it, only words are compared.
        on_answer: Called with the chunks and the answer before the answer is returned.

    Raises:
        UsageError: The prompt has other variables.
    """
    if prompt is not None and not prompt.answers:
        raise UsageError(
            f"the prompt '{prompt.name}' takes {', '.join(prompt.variables)}; "
            "answering needs one that takes context and question"
        )
    return RetrievalQA(
        retriever, llm, prompt, llm_name, window, on_unsupported, read, entails, on_answer
    )


class RetrievalQA(Runnable[Input, Answer]):
    """Question in, `Answer` out, as a LangChain Runnable.

    The input is the question, or a dict with it as ``question``, ``query`` or ``input``. The chat
    model is asked whenever anything was retrieved. A stream yields `Retrieved`, then `Thinking` and
    `Token`s, then the `Answer`.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        llm: BaseChatModel,
        prompt: Prompt | None,
        llm_name: str,
        window: int | None,
        on_unsupported: OnUnsupported,
        read: Read | None,
        entails: Entails | None,
        on_answer: OnAnswer | None,
    ) -> None:
        self.retriever = retriever
        self.llm = llm
        self.prompt = prompt
        self.llm_name = llm_name
        self.window = window
        self.on_unsupported = on_unsupported
        self.read = read
        self.entails = entails
        self.on_answer = on_answer

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Answer:
        """Return the answer.

        Raises:
            UsageError: There is no question, it is blank, or the context has no room for a chunk.
        """
        return self._call_with_config(self._invoke, input, config, **kwargs)

    async def ainvoke(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Answer:
        """Return the answer; raises as `invoke` does."""
        return await self._acall_with_config(self._ainvoke, input, config, **kwargs)

    def stream(  # type: ignore[override]
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Event]:
        """Yield the events of the answer; raises as `invoke` does."""
        yield from self._transform_stream_with_config(iter([input]), self._stream, config, **kwargs)

    async def astream(  # type: ignore[override]
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Event]:
        """Yield the events of the answer; raises as `invoke` does."""
        events = self._atransform_stream_with_config(_once(input), self._astream, config, **kwargs)
        async for event in events:
            yield event

    def __repr__(self) -> str:
        llm = mask_secrets(self.llm_name) or type(self.llm).__name__
        return f"RetrievalQA(retriever={type(self.retriever).__name__}, llm={llm!r})"

    def _invoke(self, question: Input, run_manager: object, config: RunnableConfig) -> Answer:
        turn = _Turn(self, question)
        with turn.clock:
            turn.retrieved(self.retriever.invoke(turn.question, config))
            if turn.asks:
                turn.generated(self.llm.invoke(turn.messages(), config))
            return turn.answer()

    async def _ainvoke(
        self, question: Input, run_manager: object, config: RunnableConfig
    ) -> Answer:
        turn = _Turn(self, question)
        with turn.clock:
            await turn.aretrieve(config)
            if turn.asks:
                turn.generated(await self.llm.ainvoke(turn.messages(), config))
            return await asyncio.to_thread(turn.answer)

    def _stream(
        self, questions: Iterator[Input], run_manager: object, config: RunnableConfig
    ) -> Iterator[Any]:
        for question in questions:
            turn = _Turn(self, question)
            with turn.clock:
                turn.retrieved(self.retriever.invoke(turn.question, config))
                yield from turn.opening()
                if turn.asks:
                    for piece in self.llm.stream(turn.messages(), config):
                        yield from turn.streamed(piece)
                    yield from turn.finished()
                answer = turn.answer()
            yield from turn.closing(answer)

    async def _astream(
        self, questions: AsyncIterator[Input], run_manager: object, config: RunnableConfig
    ) -> AsyncIterator[Any]:
        async for question in questions:
            turn = _Turn(self, question)
            with turn.clock:
                await turn.aretrieve(config)
                for event in turn.opening():
                    yield event
                if turn.asks:
                    async for piece in self.llm.astream(turn.messages(), config):
                        for event in turn.streamed(piece):
                            yield event
                    for event in turn.finished():
                        yield event
                answer = await asyncio.to_thread(turn.answer)
            for event in turn.closing(answer):
                yield event


async def _once(question: Input) -> AsyncIterator[Input]:
    yield question


def _question(given: Input) -> str:
    """Return the question from the input of the chain, a string or a dict."""
    values = given if isinstance(given, Mapping) else {_INPUTS[0]: given}
    named = [values[name] for name in _INPUTS if name in values]
    if not named:
        raise UsageError(f"there is no question: give a text, or a dict with {_INPUTS[0]}")
    check_question(named[0])
    return str(named[0])


class _Turn:
    """The state of one question, and its steps that don't wait for a model or an index."""

    def __init__(self, chain: RetrievalQA, given: Input) -> None:
        self.question = question = _question(given)
        self.chunks: tuple[ScoredChunk, ...] = ()
        self.asks = False
        self._read: tuple[ScoredChunk, ...] = ()
        self._chain = chain
        self._language: Language = detect_language(question)
        own = chain.prompt and chain.prompt.in_language(self._language)
        self._prompt = own or _prompt(_PROMPTS[self._language])
        self._dropped = 0
        self._reading: Reading | None = None
        self._message: BaseMessage | None = None
        self._splitter = ThinkingSplitter()
        self._held = ""
        self._spent = start_spending()
        self.clock = Clock()

    async def aretrieve(self, config: RunnableConfig) -> None:
        found = await self._chain.retriever.ainvoke(self.question, config)
        await asyncio.to_thread(self.retrieved, found)

    def retrieved(self, documents: Sequence[Document]) -> None:
        found = tuple(ScoredChunk.from_document(document) for document in documents)
        self.clock.done("retrieve", chunks=len(found))
        self._reading = self._chain.read(self.question, found) if self._chain.read else None
        self.chunks = self._read = self._fitting(found, self._chain.llm, self._chain.window)
        self._dropped = len(found) - len(self.chunks)
        self.asks = bool(self.chunks)

    def opening(self) -> Iterator[Event]:
        yield Retrieved(self.chunks)
        if not self.asks:
            yield Token(ABSTENTION[self._language])

    def messages(self) -> list[BaseMessage]:
        messages = self._messages()
        self.clock.done("prompt", chunks=len(self._read), dropped_chunks=self._dropped)
        return messages

    def _messages(self) -> list[BaseMessage]:
        is_whole = self._reading and len(self._read) == len(self._reading.chunks)
        reading = self._reading if is_whole else None
        evidence = Evidence(self.question, self._read, reading, self.fit)
        return with_evidence(self._render(self._read), evidence)

    def fit(self, llm: BaseChatModel) -> list[BaseMessage]:
        """Return the messages with as many chunks as fit into the window of ``llm``."""
        self._read = self._fitting(self.chunks, llm, getattr(llm, "window", None))
        self._dropped = len(self.chunks) - len(self._read)
        return self._messages()

    def streamed(self, piece: BaseMessage) -> Iterator[Event]:
        whole = self._message
        self._message = whole + piece if isinstance(whole, AIMessageChunk) else piece
        yield from self._shown(self._splitter.push(piece))

    def generated(self, message: BaseMessage) -> None:
        self._message, self._splitter = message, read_whole(message)

    def finished(self) -> Iterator[Event]:
        yield from self._shown(self._splitter.close())

    def _shown(self, events: Iterable[Thinking | Token]) -> Iterator[Event]:
        """Yield the events, but hold tokens back that must be checked or parsed as a whole."""
        checks_first = self._chain.on_unsupported != "flag"
        for event in events:
            if isinstance(event, Thinking):
                yield event
                continue
            self._held += event.text
            if not (checks_first or may_be_json(self._splitter.answer)):
                yield Token(self._held)
                self._held = ""

    def closing(self, answer: Answer) -> Iterator[Event]:
        if self._held:
            yield Token(answer.text)
        yield answer

    def answer(self) -> Answer:
        text, usage = self._text(), message_usage(self._message)
        if self._message:
            self.clock.done("generate", llm=self._answered_by(), **usage)
        chain = self._chain
        cited = cite_answer(text, self._read, self._language, chain.on_unsupported, chain.entails)
        cited, conflicts = with_conflicts(self.question, cited, self._read)
        abstained = cited.abstained
        nearest = self._nearest() if abstained else ()
        exactly = is_abstention(cited.text)
        self.clock.done("cite", citations=len(cited.citations), abstained=abstained)
        answer = Answer(
            question=self.question,
            text=UNSURE[self._language] if nearest and exactly else cited.text,
            citations=cited.citations,
            abstained=abstained,
            nearest=nearest,
            unsupported=cited.unsupported,
            conflicts=conflicts,
            retrieval_confidence=self._confidence,
            llm=self._answered_by(),
            usage=add_usage(usage, self._spent) | {"dropped_chunks": self._dropped},
            timings=self.clock.timings | {"total": self.clock.total},
        )
        if self._chain.on_answer:
            self._chain.on_answer(self.chunks, answer)
        return answer

    @property
    def _confidence(self) -> float | None:
        return None if self._reading is None else round(self._reading.confidence, 4)

    def _nearest(self) -> tuple[Citation, ...]:
        if self._reading is None:
            return ()
        chunks = self._reading.chunks
        return tuple(
            quote_sentence(
                n, chunks[one.chunk], one.start, one.start + len(one.text), supports=False
            )
            for n, one in enumerate(self._reading.nearest, 1)
        )

    def _text(self) -> str:
        if not self.asks:
            return ABSTENTION[self._language]
        llm = self._answered_by() or "the chat model"
        said = plain_answer(self._splitter.answer, self._message, llm)
        if said is None:
            return ABSTENTION[self._language]
        if not said.strip():
            thought = " but thoughts" if self._splitter.has_thought else ""
            raise ProviderError(
                f"{llm} answered nothing{thought}: "
                "ask again, or allow it more tokens with llm_max_tokens"
            )
        return said

    def _fitting(
        self, chunks: tuple[ScoredChunk, ...], llm: BaseChatModel, window: int | None
    ) -> tuple[ScoredChunk, ...]:
        """Return the best chunks that fit into the model's window with the question."""
        if window is None or not chunks:
            return chunks
        room = window - max_tokens(llm)
        for kept in range(len(chunks), 0, -1):
            text = "\n".join(str(message.text) for message in self._render(chunks[:kept]))
            if count_tokens(llm, text) <= room:
                return chunks[:kept]
        raise UsageError(
            f"the question and one chunk don't fit into the {room} tokens that "
            f"{self._chain.llm_name or 'the chat model'} has for them: lower llm_max_tokens, "
            "or choose a model with a larger window"
        )

    def _answered_by(self) -> str:
        """Return the name of the model that answered, of several as its message says."""
        metadata = self._message.response_metadata if self._message else {}
        return str(metadata.get("llm") or self._chain.llm_name)

    def _render(self, chunks: Sequence[ScoredChunk]) -> list[BaseMessage]:
        values = {"question": self.question, "context": format_context(chunks)}
        if "retrieval_confidence" in self._prompt.variables:
            known = self._confidence
            values["retrieval_confidence"] = "unknown" if known is None else f"{known:.2f}"
        return self._prompt.messages(**values)


@lru_cache(maxsize=len(_PROMPTS))
def _prompt(name: str) -> Prompt:
    return load_prompt(name)
