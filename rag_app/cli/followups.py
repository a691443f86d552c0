"""Turn a follow-up question into one that can be understood alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingest import detect_language
from rag_app.terms import content_terms, words

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

REMEMBERED = 4  # exchanges: older ones cost context and rarely matter
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
_CONTINUING = {"en": frozenset({"and", "so"}), "pt": frozenset({"e", "mas", "então"})}


def standalone_question(
    question: str, exchanges: Sequence[tuple[str, str]], llm: BaseChatModel | None
) -> str:
    """Return the question so that it can be understood without the conversation.

    Args:
        question: The question as asked.
        exchanges: Earlier questions with their answers, oldest first.
        llm: Rewrites the question. Without one, the topic words of the last question are added
            to a question that refers back.
    """
    if not exchanges:
        return question
    condensed = _condense(question, exchanges[-REMEMBERED:], llm) if llm else ""
    return condensed or add_topic(question, exchanges[-1][0])


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
    continues = bool(spoken) and spoken[0] in _CONTINUING[language]
    return continues or not _REFERRING[language].isdisjoint(spoken)


def _condense(question: str, exchanges: Sequence[tuple[str, str]], llm: BaseChatModel) -> str:
    """Return the question as the model rewrites it, or nothing if it wrote something else."""
    from rag_app.prompts import load_prompt

    history = "\n".join(f"Question: {asked}\nAnswer: {answer}" for asked, answer in exchanges)
    text = ""
    for piece in llm.stream(load_prompt("condense").messages(history=history, question=question)):
        text = (text + str(piece.text)).lstrip()
        if "\n" in text:
            break
        if len(text) > LONGEST:
            return ""
    condensed = text.partition("\n")[0].strip()
    return condensed if "?" in condensed or "?" not in question else ""
