"""The extractive chat model: answers with the best sentences of the chunks, verbatim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, InstanceOf

from ingest import EmbeddingModel, detect_language, split_sentences
from ingest.text.tables import is_row, spell_out
from rag_app.extractive.context_blocks import known_chunks, read_blocks, sections
from rag_app.extractive.evidence import evidence_of
from rag_app.extractive.prompt_text import read_prompt
from rag_app.extractive.selection import Reading, best_sentences, read
from rag_app.extractive.sentence_features import Candidate
from rag_app.types import ABSTENTION, ScoredChunk

Find = Callable[[str, str], Sequence[ScoredChunk]]

_FENCES = ("```", "~~~")
_MISSING = {
    "context": {
        "en": "The extractive model needs a context to quote from: put the retrieved text into the "
        "prompt, after 'Context:'.",
        "pt": "O modelo extrativo precisa de um contexto para citar: ponha o texto recuperado no "
        "prompt, depois de 'Contexto:'.",
    },
    "question": {
        "en": "The extractive model needs a question: put it into the last human message.",
        "pt": "O modelo extrativo precisa de uma pergunta: ponha-a na última mensagem humana.",
    },
}


class _Numbered(NamedTuple):
    """The question, its reading, and the number of each chunk in the prompt.

    ``numbers`` is None where the prompt has no question or no context.
    """

    question: str
    reading: Reading | None
    numbers: Sequence[int | None] | None


class ExtractiveChatModel(BaseChatModel):
    """Quotes the sentences that answer the question, verbatim, or abstains.

    It parses the question and the context out of any prompt (see :func:`read_prompt`), and cites
    the numbers of the context's blocks, if they have any. If the question or the context is
    missing, the answer says so. An `EvidenceMessage` gives it both without parsing.

    Attributes:
        embedding: Embeds the question, and sentences that come without cosines.
        find: Returns the chunks of an index for a question that are part of a text, best first. A
            context made of them is read with their headings and scores.
    """

    # No repr: tracing prints the model at every call, and a vocabulary takes megabytes.
    embedding: InstanceOf[EmbeddingModel] = Field(repr=False)
    find: Find | None = Field(None, repr=False, exclude=True)
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
        """Yield the sentences of the answer with their markers, or why there is none."""
        question, reading, numbers = self._numbered(messages)
        if numbers is None:
            yield _missing(question)
            return
        chosen = best_sentences(reading)
        if not chosen:
            yield ABSTENTION[detect_language(question)]
        before = ""
        for sentence in chosen:
            text, number = _shown(sentence), numbers[sentence.chunk]
            yield f"{_gap(before, text)}{text}{'' if number is None else f' [{number}]'}"
            before = text

    def _numbered(self, messages: Sequence[BaseMessage]) -> _Numbered:
        if given := evidence_of(messages):
            reading = given.reading or read(given.question, given.chunks, self.embedding)
            return _Numbered(given.question, reading, range(1, len(given.chunks) + 1))
        question, context = read_prompt(messages)
        if not question or not context:
            return _Numbered(question, None, None)
        blocks = read_blocks(context)
        text = "\n\n".join(block.text for block in blocks)
        known = known_chunks(blocks, self.find(question, text)) if self.find else []
        numbered = known or sections(blocks)
        reading = read(question, [one.chunk for one in numbered], self.embedding)
        return _Numbered(question, reading, [one.number for one in numbered])


def _shown(sentence: Candidate) -> str:
    """Return a table row with its column names instead of bars, other sentences on one line."""
    is_table = is_row(sentence.text) and not sentence.text.startswith(_FENCES)
    return spell_out(sentence.text, sentence.head) if is_table else _on_one_line(sentence.text)


def _on_one_line(text: str) -> str:
    """Return a wrapped sentence without line breaks, which would split it when read again."""
    lines = text.splitlines()
    is_prose = not text.startswith(_FENCES) and all(any(map(str.isalpha, line)) for line in lines)
    return " ".join(map(str.strip, lines)) if is_prose else text


def _gap(before: str, text: str) -> str:
    """Return the separator with which both texts stay two sentences when split again."""
    if not before:
        return ""
    starts = (start for start, _ in split_sentences(f"{before} {text}"))
    return " " if len(before) + 1 in starts else "\n\n"


def _missing(question: str) -> str:
    kind = "context" if question else "question"
    return _MISSING[kind][detect_language(question)]
