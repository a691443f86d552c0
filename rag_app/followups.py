"""Turn a follow-up question into one that can be understood alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from ingest import detect_language
from rag_app.abstention import is_abstention
from rag_app.prompts import load_prompt
from rag_app.terms import content_terms, words
from rag_app.usage import add_usage, message_usage
from rag_app.window import count_tokens, max_tokens

LONGEST_HISTORY = 2000  # tokens of earlier exchanges: older ones cost time and rarely matter
LONGEST = 400  # characters: a rewritten question that is longer has become an answer
_REFERRING = {
    "en": frozenset(
        "it its they them their he him his she her this that these those there".split()
    ),
    "pt": frozenset(
        "ele ela eles elas dele dela deles delas nele nela isso isto disso nisso esse essa esses "
        "essas desse dessa este esta lá ali seu sua seus suas".split()
    ),
}
# With one of these, a question is a whole sentence: not "And for large files?".
_VERBS = {
    "en": frozenset(
        "am is are was were do does did has have had can could may might must should will would "
        "who".split()
    ),
    "pt": frozenset(
        "é são era eram foi foram será está estão há tem têm pode podem deve devem "
        "quem quando onde como".split()
    ),
}
_COMPARING = {
    "en": frozenset("same other others one ones both else too also".split()),
    "pt": frozenset("mesmo mesma mesmos mesmas outro outra outros outras ambos também".split()),
}
_OWN_TERMS = 2
_CONTINUING = {"en": frozenset({"and", "so"}), "pt": frozenset({"e", "mas", "então"})}


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question that can be understood without the conversation.

    Attributes:
        text: The question.
        dropped_turns: How many of the oldest exchanges the model had no room for.
        usage: What the model took to write it: ``input_tokens``, ``output_tokens`` and ``cost``.
    """

    text: str
    dropped_turns: int = 0
    usage: Mapping[str, float] = field(default_factory=dict)


def standalone_question(
    question: str, exchanges: Sequence[tuple[str, str]], llm: BaseChatModel | None
) -> Standalone:
    """Return the question so that it can be understood without the conversation.

    Args:
        question: The question as asked.
        exchanges: Earlier standalone questions with their answers, oldest first.
        llm: Rewrites the question. Without one, the topic words of the last question are added
            to a question that refers back.
    """
    if not exchanges or not question.strip():
        return Standalone(question)
    topic = add_topic(question, exchanges[-1][0])
    if llm is None:
        return Standalone(topic)
    remembered = _fitting(question, exchanges, llm)
    condensed, usage = _condense(question, remembered, llm) if remembered else ("", {})
    return Standalone(condensed or topic, len(exchanges) - len(remembered), usage)


def add_topic(question: str, previous: str) -> str:
    """Return the question with the topic words of the previous one if it refers back to it."""
    language = detect_language(question)
    if not _refers_back(question, language):
        return question
    known = _keys(question, language)
    earlier = [word.strip(".,;:!?()\"'“”") for word in previous.split()]
    missing = [
        word for word in earlier if (keys := _keys(word, language)) and keys.isdisjoint(known)
    ]
    return f"{question} ({' '.join(missing)})" if missing else question


def _keys(text: str, language: str) -> frozenset[str]:
    """Return the keys of the words that carry meaning."""
    return frozenset[str]().union(*content_terms(text, language).values())


def _refers_back(question: str, language: str) -> bool:
    spoken = [word.casefold() for word in words(question)]
    if not _REFERRING[language].isdisjoint(spoken):
        return True
    continues = bool(spoken) and spoken[0] in _CONTINUING[language]
    return continues and not _stands_alone(question, spoken, language)


def _stands_alone(question: str, spoken: Sequence[str], language: str) -> bool:
    return (
        len(content_terms(question, language)) >= _OWN_TERMS
        and not _VERBS[language].isdisjoint(spoken)
        and _COMPARING[language].isdisjoint(spoken)
    )


def _fitting(
    question: str, exchanges: Sequence[tuple[str, str]], llm: BaseChatModel
) -> Sequence[tuple[str, str]]:
    """Return the newest exchanges that the model has room for."""
    window = getattr(llm, "window", None)
    room = min(LONGEST_HISTORY, window - max_tokens(llm)) if window else LONGEST_HISTORY
    for dropped in range(len(exchanges)):
        kept = exchanges[dropped:]
        if count_tokens(llm, _text(_messages(question, kept))) <= room:
            return kept
    return ()


def _messages(question: str, exchanges: Sequence[tuple[str, str]]) -> list[BaseMessage]:
    history = "\n".join(f"Question: {asked}\nAnswer: {answer}" for asked, answer in exchanges)
    return load_prompt("condense").messages(history=history, question=question)


def _text(messages: Sequence[BaseMessage]) -> str:
    return "\n".join(str(message.text) for message in messages)


def _condense(
    question: str, exchanges: Sequence[tuple[str, str]], llm: BaseChatModel
) -> tuple[str, dict[str, float]]:
    """Return the question as the model rewrites it, or nothing if it wrote something else."""
    messages = _messages(question, exchanges)
    text, usage = _first_line(messages, llm)
    condensed = text.partition("\n")[0].strip()
    is_answer = is_abstention(condensed) or ("?" in question and "?" not in condensed)
    return "" if is_answer or len(condensed) > LONGEST else condensed, usage


def _first_line(messages: list[BaseMessage], llm: BaseChatModel) -> tuple[str, dict[str, float]]:
    """Return what the model writes up to the end of a line, and what that took."""
    text, usage = "", dict[str, float]()
    for piece in llm.stream(messages):
        usage = add_usage(usage, message_usage(piece))
        text = (text + str(piece.text)).lstrip()
        if "\n" in text or len(text) > LONGEST:
            # A provider tells at the end, which does not come.
            counted = {
                "input_tokens": count_tokens(llm, _text(messages)),
                "output_tokens": count_tokens(llm, text),
            }
            return text, counted | usage
    return text, usage
