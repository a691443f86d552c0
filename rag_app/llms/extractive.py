"""A chat model that needs no language model: it answers with the best sentences of the chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, InstanceOf

from ingest import EmbeddingModel, detect_language, split_sentences
from rag_app.abstention import ABSTENTION
from rag_app.llms.selection import best_sentences
from rag_app.llms.sentences import Candidate
from rag_app.tables import is_row, spell_out
from rag_app.types import ScoredChunk

_FENCES = ("```", "~~~")


class ExtractiveChatModel(BaseChatModel):
    """Quotes the sentences that answer the question, word for word, or says that none does.

    It reads ``question`` and ``chunks`` (of `ScoredChunk`) in the ``additional_kwargs`` of the last
    human message, not the message itself; without them it abstains.
    """

    # Tracing prints the model with every call; the embedding model's vocabulary is megabytes.
    embedding: InstanceOf[EmbeddingModel] = Field(repr=False)
    model: str = "extractive"

    @property
    def _llm_type(self) -> str:
        return "extractive"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = "".join(self._sentences(messages))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for text in self._sentences(messages):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
            if run_manager:
                run_manager.on_llm_new_token(text, chunk=chunk)
            yield chunk

    def _sentences(self, messages: Sequence[BaseMessage]) -> Iterator[str]:
        """Yield each sentence of the answer with its marker, or the abstention."""
        question, chunks = _evidence(messages)

        chosen = best_sentences(question, chunks, self.embedding)
        if not chosen:
            yield ABSTENTION[detect_language(question)]
        before = ""
        for sentence in chosen:
            text = _shown(sentence)
            yield f"{_gap(before, text)}{text} [{sentence.chunk + 1}]"
            before = text


def _shown(sentence: Candidate) -> str:
    """Return a row with the names of its columns instead of bars, any other sentence on a line."""
    is_table = is_row(sentence.text) and not sentence.text.startswith(_FENCES)
    return spell_out(sentence.text, sentence.head) if is_table else _on_one_line(sentence.text)


def _on_one_line(text: str) -> str:
    """Return a wrapped sentence without its line breaks; out of its page they would end it."""
    lines = text.splitlines()
    is_prose = not text.startswith(_FENCES) and all(any(map(str.isalpha, line)) for line in lines)
    return " ".join(map(str.strip, lines)) if is_prose else text


def _gap(before: str, text: str) -> str:
    """Return what separates two sentences so that they are still two when read again."""
    if not before:
        return ""
    starts = (start for start, _ in split_sentences(f"{before} {text}"))
    return " " if len(before) + 1 in starts else "\n\n"


def _evidence(messages: Sequence[BaseMessage]) -> tuple[str, Sequence[ScoredChunk]]:
    human = next((m for m in reversed(messages) if isinstance(m, HumanMessage)), None)
    if human is None:
        return "", ()
    evidence = human.additional_kwargs
    return evidence.get("question", str(human.text)), evidence.get("chunks", ())
