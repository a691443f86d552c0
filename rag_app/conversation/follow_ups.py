"""Rewrite a follow-up question as a standalone one, with a chat model or without."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from ingest import EmbeddingModel, Language, detect_language
from ingest.text.terms import content_terms, distinguishing_words, fold, is_stopword, words
from rag_app.attribution.abstention import is_abstention
from rag_app.extractive.evidence import Evidence, with_evidence
from rag_app.llms.thinking import ThinkingSplitter
from rag_app.prompts import load_prompt
from rag_app.prompts.context import count_tokens, max_tokens
from rag_app.telemetry import add_usage, message_usage

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
# A question with one of these verbs is a whole sentence, unlike "And for large files?".
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
_ASKING = {
    "en": frozenset("who what which whom whose when where why how".split()),
    "pt": frozenset(
        "quem que quê qual quais quando onde como quanto quanta quantos quantas".split()
    ),
}
_COMPARING = {
    "en": frozenset("same other others one ones both else too also".split()),
    "pt": frozenset("mesmo mesma mesmos mesmas outro outra outros outras ambos também".split()),
}
_OWN_TERMS = 2
_CONTINUING = {"en": frozenset({"and", "so"}), "pt": frozenset({"e", "mas", "então"})}
_ABOUT = re.compile(r"(?:(?:and |so )?(?:what|how) about|(?:e )?quanto (?:a|ao|à|aos|às))\b", re.I)
_TOKEN = re.compile(r"\w+(?:-\w*\d\w*)+|[^\W_]+")
# Added to the cosine of two names or two numbers; chosen by hand.
_SAME_KIND = 0.1


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
    question: str,
    exchanges: Sequence[tuple[str, str]],
    llm: BaseChatModel | None,
    embedding: EmbeddingModel,
) -> Standalone:
    """Return the standalone form of a question.

    Args:
        question: The question as asked.
        exchanges: Earlier standalone questions with their answers, oldest first.
        llm: Rewrites the question; without one, :func:`carry_on` does.
        embedding: Finds the word of the last question that a word of this one replaces.
    """
    if not exchanges or not question.strip():
        return Standalone(question)
    remembered = _fitting(question, exchanges, llm) if llm else ()
    condensed, usage = _condense(question, remembered, llm) if llm and remembered else ("", {})
    dropped = len(exchanges) - len(remembered) if llm else 0
    text = condensed or carry_on(question, exchanges[-1][0], embedding)
    return Standalone(text, dropped, usage)


def carry_on(question: str, previous: str, embedding: EmbeddingModel) -> str:
    """Return a standalone question, made from a follow-up and the previous question.

    A follow-up that only names another thing ("And the Plus plan?") repeats the previous question
    for that thing. One that refers to the subject ("Who is its director?") gets the names of the
    previous question appended, or without names its topic words.
    """
    language = detect_language(question)
    if not _refers_back(question, language):
        return question
    if _names_another(question, language):
        return _of_another(question, previous, language, embedding)
    known = _keys(question, language)
    earlier = [word.strip(".,;:!?()\"'“”") for word in previous.split()]
    missing = [
        word for word in earlier if (keys := _keys(word, language)) and keys.isdisjoint(known)
    ]
    named = distinguishing_words(previous, language)
    subject = [word for word in missing if not named.isdisjoint(words(word))]
    subject = subject if known else missing
    return f"{question} ({' '.join(subject or missing)})" if missing else question


def _names_another(question: str, language: Language) -> bool:
    """Return whether a question has no verb and no question word, only the name of a thing."""
    rest = _ABOUT.sub("", question.strip())
    spoken = {word.casefold() for word in words(rest)}
    others = _VERBS[language] | _ASKING[language] | _REFERRING[language]
    return spoken.isdisjoint(others) and bool(_keys(rest, language))


def _of_another(question: str, previous: str, language: Language, embedding: EmbeddingModel) -> str:
    """Return the previous question, each new word in the place of the most similar old one."""
    own = _content(_ABOUT.sub("", question), language)
    earlier = _content(previous, language)
    shared = {fold(one[0]) for one in own} & {fold(one[0]) for one in earlier}
    new = [one[0] for one in own if fold(one[0]) not in shared]
    old = [one for one in earlier if fold(one[0]) not in shared]
    replaced = _most_alike(new, [one[0] for one in old], embedding)
    # Several words of no kind rather add to the question: "And for large files?".
    surely = all(_kinship(word, old[at][0]) for at, word in replaced.items())
    if len(replaced) < len(new) or not (surely or len(new) == 1):
        return f"{question} ({' '.join(one[0] for one in old)})"
    text, end = "", 0
    for at, one in enumerate(old):
        beside = (near for near in (at - 1, at + 1) if near in replaced)
        rest_of_name = any(_is_one_name(previous, one, old[near]) for near in beside)
        text += previous[end : one.start()]
        text = text.rstrip() if rest_of_name and at not in replaced else text
        text += replaced.get(at, "" if rest_of_name else one[0])
        end = one.end()
    return text + previous[end:]


def _is_one_name(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Return whether two words with a capital stand side by side."""
    between = text[min(one.end(), other.end()) : max(one.start(), other.start())]
    return between == " " and one[0][0].isupper() and other[0][0].isupper()


def _most_alike(
    new: Sequence[str], old: Sequence[str], embedding: EmbeddingModel
) -> dict[int, str]:
    """Return which word of ``new`` replaces which of ``old``, by the index in ``old``."""
    if not new or not old:
        return {}
    vectors = embedding.embed_documents([*new, *old])
    alike = vectors[: len(new)] @ vectors[len(new) :].T
    replaced: dict[int, str] = {}
    for row, word in enumerate(new):
        kinship = {at: _kinship(word, other) for at, other in enumerate(old)}
        free = [at for at, kin in kinship.items() if at not in replaced and kin >= 0]
        if free:
            replaced[max(free, key=lambda at: alike[row, at] + kinship[at])] = word
    # The words of a name keep their order.
    in_order = dict(zip(sorted(replaced), new, strict=False))
    is_name = all(_kinship(word, old[at]) > 0 for at, word in in_order.items())
    return in_order if is_name else replaced


def _content(text: str, language: Language) -> list[re.Match[str]]:
    """Return the words that carry meaning, with their places."""
    return [one for one in _TOKEN.finditer(text) if not is_stopword(one[0], language)]


def _kinship(one: str, other: str) -> float:
    """Return what is added to the cosine of two words of one kind; negative for number and word."""
    numbers = (one.isdigit(), other.isdigit())
    if any(numbers):
        return _SAME_KIND if all(numbers) else -1.0
    return _SAME_KIND if one[0].isupper() and other[0].isupper() else 0.0


def _keys(text: str, language: Language) -> frozenset[str]:
    """Return the keys of the words that carry meaning."""
    return frozenset[str]().union(*content_terms(text, language).values())


def _refers_back(question: str, language: Language) -> bool:
    spoken = [word.casefold() for word in words(question)]
    if not _REFERRING[language].isdisjoint(spoken) or not _keys(question, language):
        return True
    continues = spoken[0] in _CONTINUING[language] or _ABOUT.match(question) is not None
    return continues and not _stands_alone(question, spoken, language)


def _stands_alone(question: str, spoken: Sequence[str], language: Language) -> bool:
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
    messages = load_prompt("condense").messages(history=history, question=question)
    # Without chunks, the extractive model abstains where it is the fallback.
    return with_evidence(messages, Evidence(question, ()))


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
    splitter, usage = ThinkingSplitter(), dict[str, float]()
    for piece in llm.stream(messages):
        usage = add_usage(usage, message_usage(piece))
        list(splitter.push(piece))
        text = splitter.answer
        if "\n" in text or len(text) > LONGEST:
            # Usage comes with the last piece, which is not read.
            counted = {
                "input_tokens": count_tokens(llm, _text(messages)),
                "output_tokens": count_tokens(llm, text),
            }
            return text, counted | usage
    list(splitter.close())
    return splitter.answer, usage
