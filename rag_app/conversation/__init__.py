"""Conversations: follow-up questions are rewritten so that they can be searched alone."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from ingest import UsageError
from rag_app.answer_cache import count_usage
from rag_app.conversation.follow_ups import Standalone, standalone_question
from rag_app.extractive.chat_model import ExtractiveChatModel
from rag_app.telemetry import add_usage
from rag_app.types import Answer, Event, check_question

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ingest import EmbeddingModel
    from rag_app.settings import Settings


Filter = Mapping[str, str]


class _App(Protocol):
    """What a conversation needs of a `rag_app.RagApp`."""

    settings: Settings

    @property
    def llm(self) -> BaseChatModel: ...
    @property
    def embedding(self) -> EmbeddingModel: ...
    def ask(self, question: str, filter: Filter | None = None) -> Answer: ...
    def stream(self, question: str, filter: Filter | None = None) -> Iterator[Event]: ...
    def astream(self, question: str, filter: Filter | None = None) -> AsyncIterator[Event]: ...
    def chain(self) -> object: ...
    def using(self, **changes: Any) -> Self: ...


AppT = TypeVar("AppT", bound=_App)


@dataclass(frozen=True, slots=True)
class Condensed:
    """First event of a follow-up's stream: the standalone question that is answered."""

    question: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A question, its standalone form, and its answer."""

    question: str
    condensed: str
    answer: Answer


class Conversation(Generic[AppT]):
    """Asks an app questions that may refer to earlier ones.

    >>> chat = RagApp().chat()
    >>> chat.ask("Who published word2vec?")
    >>> chat.ask("And when did they do it?")
    """

    def __init__(self, app: AppT, history: Iterable[Turn] = ()) -> None:
        self.app = app
        self._history = list(history)

    def __repr__(self) -> str:
        return f"Conversation({self.app!r}, questions={len(self._history)})"

    @property
    def history(self) -> tuple[Turn, ...]:
        """The turns so far, oldest first."""
        return tuple(self._history)

    def ask(self, question: str, filter: Filter | None = None) -> Answer:
        """Return the answer; if this raises, as :meth:`RagApp.ask` does, no turn is added."""
        standalone, seconds = self._condense(question)
        answer = self.app.ask(standalone.text, filter)
        return self._remember(question, standalone, seconds, answer)

    def stream(self, question: str, filter: Filter | None = None) -> Iterator[Condensed | Event]:
        """Yield `Condensed` if the question was rewritten, then what :meth:`RagApp.stream` does."""
        standalone, seconds = self._condense(question)
        if standalone.text != question:
            yield Condensed(standalone.text)
        for event in self.app.stream(standalone.text, filter):
            if isinstance(event, Answer):
                event = self._remember(question, standalone, seconds, event)
            yield event

    async def astream(
        self, question: str, filter: Filter | None = None
    ) -> AsyncIterator[Condensed | Event]:
        """Yield the same events as :meth:`stream` without blocking the event loop."""
        standalone, seconds = await asyncio.to_thread(self._condense, question)
        if standalone.text != question:
            yield Condensed(standalone.text)
        stream: Any = self.app.astream(standalone.text, filter)
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, Answer):
                    event = self._remember(question, standalone, seconds, event)
                yield event

    def use(self, llm: str) -> None:
        """Switch to another chat model, on the same open index.

        Raises:
            RagError: The model can't be used; the conversation keeps the one it has.
        """
        self._change(llm=llm)

    def use_prompt(self, name_or_path: str | None) -> None:
        """Switch to another prompt template; None chooses by the question's language.

        Raises:
            UsageError: The template can't be used; the conversation keeps the one it has.
        """
        self._change(prompt=name_or_path)

    def clear(self) -> None:
        """Remove all turns."""
        self._history.clear()

    def save(self, path: Path | str) -> None:
        """Write one JSON line a turn: ``question``, ``condensed``, ``answer``.

        Raises:
            UsageError: The file can't be written, or exists and is not a conversation.
        """
        path = Path(path).expanduser()
        if path.exists():
            read_turns(path)
        lines = (json.dumps(_record(turn), ensure_ascii=False) + "\n" for turn in self._history)
        new = path.with_name(f".{path.name}.new")
        try:
            with new.open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
            os.replace(new, path)
        except OSError as error:
            raise UsageError(f"{path} can't be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                new.unlink()

    def _condense(self, question: str) -> tuple[Standalone, float]:
        """Return the standalone question, and the seconds it took to write."""
        check_question(question)
        started = time.perf_counter()
        llm = self.app.llm
        standalone = standalone_question(
            question,
            [(turn.condensed, turn.answer.text) for turn in self._history],
            None if isinstance(llm, ExtractiveChatModel) else llm,
            self.app.embedding,
        )
        seconds = time.perf_counter() - started
        if standalone.usage:
            count_usage(self.app.settings, standalone.usage)
        return standalone, seconds

    def _remember(
        self, question: str, standalone: Standalone, seconds: float, answer: Answer
    ) -> Answer:
        if self._history:
            timings = {"condense": seconds, **answer.timings}
            timings["total"] = timings.get("total", 0.0) + seconds
            usage = add_usage(answer.usage, standalone.usage)
            usage["dropped_turns"] = standalone.dropped_turns
            answer = replace(answer, question=question, usage=usage, timings=timings)
        self._history.append(Turn(question, standalone.text, answer))
        return answer

    def _change(self, **settings: Any) -> None:
        app = self.app.using(**settings)
        app.chain()  # raises if a key or a package is missing
        self.app = app


def read_turns(path: Path | str) -> list[Turn]:
    """Return the turns of a saved conversation, oldest first.

    Raises:
        UsageError: The file can't be read, or a line is not a turn.
    """
    if not isinstance(path, Path | str):
        raise UsageError(f"a saved conversation is a file, not {path!r}")
    path = Path(path).expanduser()
    turns = []
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                turns.append(_turn(line, f"line {number} of {path}"))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a saved conversation: it is not UTF-8 text") from error
    return turns


def _record(turn: Turn) -> dict[str, Any]:
    return {
        "question": turn.question,
        "condensed": turn.condensed,
        "answer": turn.answer.to_record(),
    }


def _turn(line: str, where: str) -> Turn:
    try:
        record = json.loads(line)
        turn = Turn(record["question"], record["condensed"], Answer.from_record(record["answer"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{where} is not a turn of a saved conversation") from error
    if not all(isinstance(t, str) for t in (turn.question, turn.condensed, turn.answer.text)):
        raise UsageError(f"{where} is not a turn of a saved conversation")
    return turn
