"""The sentences of chunks, and what speaks for each as the answer to a question."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from ingest import Language, split_sentences
from rag_app.interaction import Match, MatchedText
from rag_app.llms.asked import asked_for
from rag_app.terms import content_terms, term_keys, words
from rag_app.types import ScoredChunk

_END = re.compile(r"""[.!?…:;]["'”’)\]]*(?:\[\d+\])*$""")
_ROW = re.compile(r"\||\t")
_FEWEST_WORDS = 5

_Keys = frozenset[str]


@dataclass(frozen=True, slots=True)
class Features:
    """What speaks for a sentence, and against it.

    Attributes:
        terms: Its share of the question's terms, 0 to 1; rare ones count more.
        before: The share of those that are only in the sentence before.
        around: The share of those that are only elsewhere in the chunk, or above it.
        match: How near its tokens come to those of the question, a cosine.
        weakest: The same of the three tokens that match worst.
        retrieved: The score of its chunk, 1 for the best.
        asked: 1 if it holds what is asked for: a name, a date, a number.
        unfinished: 1 if it has no end, but for a row of a table that shares a term with the
            question.
        question: 1 if it asks itself.
        short: 1 if it has fewer than five words, but for such a row.
    """

    terms: float
    before: float
    around: float
    match: float
    weakest: float
    retrieved: float
    asked: float
    unfinished: float
    question: float
    short: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of a chunk.

    Attributes:
        chunk: Index of the chunk among those given.
        start: Offset of the sentence in the chunk's text.
        text: The sentence, verbatim.
        features: What speaks for it.
    """

    chunk: int
    start: int
    text: str
    features: Features


@dataclass(frozen=True, slots=True)
class _Place:
    chunk: int
    start: int
    text: str
    keys: _Keys
    before: _Keys
    around: _Keys
    match: Match
    is_whole: bool


def candidates(
    question: str, chunks: Sequence[ScoredChunk], texts: Sequence[MatchedText], language: Language
) -> list[Candidate]:
    """Return the distinct sentences of ``chunks``, whose ``texts`` are matched with the question.

    The chunks of a retriever without scores all count as the best.
    """
    terms = content_terms(question, language).values()
    places = list(_places(chunks, texts, language, frozenset().union(*terms)))
    shares = _term_shares(terms, places)
    holds_asked = asked_for(question, language)
    best = max((chunk.score for chunk in chunks), default=0.0)

    def features(place: _Place) -> Features:
        own, before, around = shares(place)
        return Features(
            terms=own,
            before=before,
            around=around,
            match=place.match.mean,
            weakest=place.match.weakest,
            retrieved=chunks[place.chunk].score / best if best else 1.0,
            asked=float(holds_asked(place.text)),
            unfinished=float(not place.is_whole and _END.search(place.text) is None),
            question=float(place.text.endswith("?")),
            short=float(not place.is_whole and len(words(place.text)) < _FEWEST_WORDS),
        )

    return [Candidate(place.chunk, place.start, place.text, features(place)) for place in places]


def _places(
    chunks: Sequence[ScoredChunk],
    texts: Sequence[MatchedText],
    language: Language,
    asked: _Keys,
) -> Iterator[_Place]:
    """Yield the sentences; the row at the top of a table counts as part of each row below."""
    seen: set[str] = set()
    for index, (chunk, matched) in enumerate(zip(chunks, texts, strict=True)):
        spans = [span for span in split_sentences(chunk.text) if _says_something(chunk, *span)]
        own = [term_keys(chunk.text[start:end], language) for start, end in spans]
        around = term_keys(" ".join(chunk.headings), language).union(*own)
        tops = list(_tops([chunk.text[start:end] for start, end in spans]))
        for position, (span, top) in enumerate(zip(spans, tops, strict=True)):
            text = chunk.text[slice(*span)]
            if text in seen:
                continue
            seen.add(text)
            keys, stretches = own[position], [span]
            if top is not None:
                keys, stretches = keys | own[top], [spans[top], span]
            before = own[position - 1] if position else frozenset()
            match = matched.within(*stretches)
            is_whole = top is not None and not own[position].isdisjoint(asked)
            yield _Place(index, span[0], text, keys, before, around, match, is_whole)


def _says_something(chunk: ScoredChunk, start: int, end: int) -> bool:
    """Tell whether a line has words and is no heading, which names what follows."""
    text = chunk.text[start:end]
    if not any(map(str.isalnum, text)) or text.strip("# ") in chunk.headings:
        return False
    return not (text.isupper() and _END.search(text) is None and not any(map(str.isdigit, text)))


def _tops(texts: Sequence[str]) -> Iterator[int | None]:
    """Yield for each row below another one where the table begins; None for all else."""
    top: int | None = None
    for position, text in enumerate(texts):
        is_row = _ROW.search(text) is not None
        yield top if is_row else None
        if not is_row:
            top = None
        elif top is None:
            top = position


def _term_shares(
    terms: Collection[_Keys], places: Sequence[_Place]
) -> Callable[[_Place], tuple[float, float, float]]:
    """Return the function that gives the shares of terms in, before and around a sentence."""
    weights: dict[_Keys, float] = {}
    for keys in terms:
        holding = sum(not keys.isdisjoint(place.keys) for place in places)
        weights[keys] = math.log(1 + len(places) / (holding + 0.5))
    total = sum(weights.values()) or 1.0

    def shares(place: _Place) -> tuple[float, float, float]:
        found = [0.0, 0.0, 0.0]
        for keys, weight in weights.items():
            parts = (place.keys, place.before, place.around)
            nearest = (at for at, part in enumerate(parts) if not keys.isdisjoint(part))
            if (at := next(nearest, None)) is not None:
                found[at] += weight / total
        return found[0], found[1], found[2]

    return shares
