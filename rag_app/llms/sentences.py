"""The sentences of chunks, and what speaks for each as the answer to a question."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ingest import EmbeddingModel, Language, Passage, ScoredSpan, split_sentences
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
        cosine: Of the sentence, read within its chunk, with the question.
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
    cosine: float
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
    cosine: float
    keys: _Keys
    before: _Keys
    around: _Keys
    is_whole: bool


def with_sentences(
    question: str, chunks: Sequence[ScoredChunk], embedding: EmbeddingModel
) -> tuple[ScoredChunk, ...]:
    """Return the chunks with the cosines of their sentences; our own retriever gives them."""
    if all(chunk.sentences for chunk in chunks):
        return tuple(chunks)
    query = embedding.embed_query(question)
    passages = [_passages(chunk, embedding) for chunk in chunks]
    vectors = embedding.embed_passages([passage for own in passages for _, passage in own])
    read = ((float(own.whole @ query), own.sentences.scored(query)) for own in vectors)
    parts = [[(at, *next(read)) for at, _ in own] for own in passages]
    return tuple(_scored(chunk, own) for chunk, own in zip(chunks, parts, strict=True))


def candidates(question: str, chunks: Sequence[ScoredChunk], language: Language) -> list[Candidate]:
    """Return the distinct sentences of ``chunks``, which come with the cosines of theirs.

    The chunks of a retriever without scores all count as the best.
    """
    terms = content_terms(question, language).values()
    places = list(_places(chunks, language, frozenset().union(*terms)))
    shares = _term_shares(terms, places)
    holds_asked = asked_for(question, language)
    best = max((chunk.score for chunk in chunks), default=0.0)

    def features(place: _Place) -> Features:
        own, before, around = shares(place)
        return Features(
            terms=own,
            before=before,
            around=around,
            cosine=place.cosine,
            retrieved=chunks[place.chunk].score / best if best else 1.0,
            asked=float(holds_asked(place.text)),
            unfinished=float(not place.is_whole and _END.search(place.text) is None),
            question=float(place.text.endswith("?")),
            short=float(not place.is_whole and len(words(place.text)) < _FEWEST_WORDS),
        )

    return [Candidate(place.chunk, place.start, place.text, features(place)) for place in places]


def _passages(chunk: ScoredChunk, embedding: EmbeddingModel) -> list[tuple[int, Passage]]:
    """Return the chunk in parts that the model reads to their ends, with their offsets.

    Our own chunks are such a part; a widened one or that of another retriever may be longer.
    """
    context, tokenizer = " > ".join(chunk.headings), embedding.tokenizer
    room = embedding.identity.max_tokens - len(
        tokenizer.encode(f"{embedding.identity.document_prompt}{context}\n")
    )
    parts: list[list[tuple[int, int]]] = [[]]
    used = 0
    for start, end in split_sentences(chunk.text):
        count = len(tokenizer.encode(chunk.text[start:end], add_special_tokens=False))
        if parts[-1] and used + count > room:
            parts.append([])
            used = 0
        parts[-1].append((start, end))
        used += count
    edges = [0, *(part[0][0] for part in parts[1:]), len(chunk.text)]
    return [
        (at, Passage(context, chunk.text[at:end], tuple((a - at, b - at) for a, b in part)))
        for part, (at, end) in zip(parts, pairwise(edges), strict=True)
    ]


def _scored(
    chunk: ScoredChunk, parts: Sequence[tuple[int, float, tuple[ScoredSpan, ...]]]
) -> ScoredChunk:
    """Return the chunk with its parts' sentences and the cosine of the nearest part."""
    return replace(
        chunk,
        dense=max(dense for _, dense, _ in parts),
        sentences=tuple(
            ScoredSpan(at + one.start, at + one.end, one.cosine)
            for at, _, sentences in parts
            for one in sentences
        ),
    )


def _places(chunks: Sequence[ScoredChunk], language: Language, asked: _Keys) -> Iterator[_Place]:
    """Yield the sentences; the row at the top of a table counts as part of each row below."""
    seen: set[str] = set()
    for index, chunk in enumerate(chunks):
        found = [one for one in chunk.sentences if _says_something(chunk, one.start, one.end)]
        texts = [chunk.text[one.start : one.end] for one in found]
        own = [term_keys(text, language) for text in texts]
        around = term_keys(" ".join(chunk.headings), language).union(*own)
        for position, (one, top) in enumerate(zip(found, _tops(texts), strict=True)):
            if texts[position] in seen:
                continue
            seen.add(texts[position])
            keys = own[position] if top is None else own[position] | own[top]
            before = own[position - 1] if position else frozenset()
            is_whole = top is not None and not own[position].isdisjoint(asked)
            yield _Place(
                index, one.start, texts[position], one.cosine, keys, before, around, is_whole
            )


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
