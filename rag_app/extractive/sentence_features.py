"""The sentences of chunks, and their features as the answer to a question.

A sentence is read in its context: the title and file name of the document, the headings, the head
of its table, the line that opens its list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

from ingest import (
    UNDETERMINED,
    EmbeddingModel,
    Language,
    Passage,
    ScoredSpan,
    identify_language,
    in_different_languages,
    split_sentences,
)
from ingest.text.tables import has_rule, is_head, is_row, names_columns, own_head
from ingest.text.terms import content_terms, distinguishing_words, fold, term_keys
from rag_app.extractive.answer_type import asked_for
from rag_app.types import ScoredChunk

_ITEM = re.compile(r"(?:[-*+•‣▪–—·]|\(?\d{1,3}[.)]|\(?[a-z]\))\s+\S")
_NOT_WORD = re.compile(r"[\W_]+")
_DATE_OR_TIME = re.compile(
    r"\b\d{1,4}([/.-])\d{1,2}\1\d{1,4}\b|\b\d{1,2}(?::\d\d)? ?(?:[ap]m|h)\b", re.IGNORECASE
)
# Minimum length and similarity (0 to 100) of a misspelt word; chosen by hand.
_FEWEST_LETTERS, _ALIKE = 5, 80

_Keys = frozenset[str]


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a sentence.

    Attributes:
        terms: Its share of the question's terms, 0 to 1; rare ones count more.
        above: The share of those that are only above it.
        before: The share of those that are only in the sentence before.
        cosine: Of the sentence, read within its chunk, with the question.
        across: 1 if it is in another language than the question, where cosines are lower.
        retrieved: The score of its chunk, 1 for the best.
        asked: 1 if it holds what is asked for: a name, a date, a number.
    """

    terms: float
    above: float
    before: float
    cosine: float
    across: float
    retrieved: float
    asked: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence, a row or an item of a chunk.

    Attributes:
        chunk: Index of the chunk among those given.
        start: Offset in the chunk's text.
        text: The sentence, verbatim.
        features: Its features.
        missing: The names and numbers of the question that are neither in it nor above it, with
            their shares of the question's terms: it may be about another thing.
        head: Of a row, the head of its table.
        list: Of an item, the offset of its list in the chunk's text.
    """

    chunk: int
    start: int
    text: str
    features: Features
    missing: Mapping[str, float] = field(default_factory=dict)
    head: str = ""
    list: int | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    chunk: int
    span: ScoredSpan
    text: str
    own: _Keys
    above: _Keys
    before: _Keys
    across: bool
    head: str
    list: int | None


def with_sentences(
    question: str, chunks: Sequence[ScoredChunk], embedding: EmbeddingModel
) -> tuple[ScoredChunk, ...]:
    """Return the chunks with the cosines of their sentences, embedded if they have none."""
    if all(chunk.sentences for chunk in chunks):
        return tuple(chunks)
    query = embedding.embed_query(question)
    passages = [_passages(chunk, embedding) for chunk in chunks]
    vectors = embedding.embed_passages([passage for own in passages for _, passage in own])
    read = ((float(own.whole @ query), own.sentences.scored(query)) for own in vectors)
    parts = [[(at, *next(read)) for at, _ in own] for own in passages]
    return tuple(_scored(chunk, own) for chunk, own in zip(chunks, parts, strict=True))


def candidates(question: str, chunks: Sequence[ScoredChunk], language: Language) -> list[Candidate]:
    """Return the sentences of ``chunks``, which must have the cosines of their sentences.

    Chunks of a retriever without scores all count as the best.
    """
    asked_in = identify_language(question)
    places = [
        place
        for index, chunk in enumerate(chunks)
        for place in _places(index, chunk, language, is_across(asked_in, chunk))
    ]
    known = sorted(frozenset[str]().union(*(place.own | place.above for place in places)))
    terms = {
        word: keys | _meant(word, keys, known)
        for word, keys in content_terms(question, language).items()
    }
    weights = _weights(terms, places)
    names = distinguishing_words(question, language)
    holds_asked = asked_for(question, language)
    best = max((chunk.score for chunk in chunks), default=0.0)

    def candidate(place: _Place) -> Candidate:
        shares = dict.fromkeys(("own", "above", "before"), 0.0)
        held: set[str] = set()
        for word, keys in terms.items():
            parts = (part for part in shares if not keys.isdisjoint(getattr(place, part)))
            if (part := next(parts, None)) is not None:
                shares[part] += weights[word]
            if part in ("own", "above"):
                held.add(word)
        features = Features(
            terms=shares["own"],
            above=shares["above"],
            before=shares["before"],
            cosine=place.span.cosine,
            across=float(place.across),
            retrieved=chunks[place.chunk].score / best if best else 1.0,
            asked=float(holds_asked(place.text)),
        )
        return Candidate(
            place.chunk,
            place.span.start,
            place.text,
            features,
            {word: weights[word] for word in terms if word in names - held},
            place.head,
            place.list,
        )

    return [candidate(place) for place in places]


def misses_number(question: str, chunks: Sequence[ScoredChunk], language: Language) -> bool:
    """Return whether a number or identifier of the question is nowhere in the chunks.

    Dates and times of day are left out: they may be written in another form.
    """
    texts = (" ".join((one.text, one.names, *one.headings)) for one in chunks)
    known = frozenset[str]().union(*(term_keys(text, language) for text in texts))
    return any(
        keys.isdisjoint(known)
        for word, keys in content_terms(_DATE_OR_TIME.sub(" ", question), language).items()
        if any(map(str.isdigit, word))
    )


def is_across(asked_in: str, chunk: ScoredChunk) -> bool:
    """Return whether a chunk is in another language than a question, as identified."""
    known = chunk.language != UNDETERMINED
    return in_different_languages(
        asked_in, chunk.language if known else identify_language(chunk.text)
    )


def _passages(chunk: ScoredChunk, embedding: EmbeddingModel) -> list[tuple[int, Passage]]:
    """Return the chunk in passages that fit into the embedding model, with their offsets.

    A chunk of our index fits; a widened one, or one of another retriever, may be longer.
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


def _places(index: int, chunk: ScoredChunk, language: Language, across: bool) -> Iterator[_Place]:
    """Yield the sentences of a chunk with their context, but no headings and no questions."""
    keys = partial(term_keys, language=language)
    title = keys(chunk.names)
    state = _Above()
    for span in chunk.sentences:
        text = chunk.text[span.start : span.end]
        headings = chunk.headings_at(span.start)
        if not any(map(str.isalnum, text)):
            continue
        if _is_heading(text, headings, chunk.title):
            state = _Above()
            continue
        before = state.before
        begins_line = chunk.text[: span.start].rstrip(" ")[-1:] in ("", "\n")
        # Where a chunk begins in the middle of a table, its first row is no head.
        begins_table = span.start > 0 or chunk.start == 0 or has_rule(text)
        state.enter(text, span.start, begins_line, begins_table)
        if text.endswith("?") or (state.head == text and names_columns(text)):
            continue
        head = "" if state.head == text else state.head
        above = title | keys(" ".join(headings)) | keys(head) | keys(state.opening)
        yield _Place(
            index,
            span,
            text,
            keys(text),
            above,
            keys(before),
            across,
            head,
            state.first_item,
        )


@dataclass(slots=True)
class _Above:
    """The context of a sentence in its section.

    Attributes:
        before: The sentence before.
        head: Of a row, the head of its table, which is its own.
        opening: Of an item, the line that opens its list.
        first_item: Of an item, the offset of the first one.
    """

    before: str = ""
    head: str = ""
    opening: str = ""
    first_item: int | None = None

    def enter(self, text: str, start: int, begins_line: bool, begins_table: bool) -> None:
        """Move to the next sentence; one that begins no line may belong to an item."""
        if not is_row(text):
            self.head = ""
        elif head := own_head(text):
            self.head = head
        elif not is_row(self.before):
            self.head = text if begins_table and is_head(text) else ""
        if _ITEM.match(text):
            if self.first_item is None:
                self.first_item, self.opening = start, self.before
        elif begins_line or self.first_item is None:
            self.first_item, self.opening = None, ""
        self.before = text


def _is_heading(text: str, headings: Sequence[str], title: str) -> bool:
    line = _plain(text)
    return any(line == _plain(one) for one in (*headings, title)) or (
        text.isupper() and not any(map(str.isdigit, text)) and text[-1] not in ".!?…:;"
    )


def _plain(text: str) -> str:
    return _NOT_WORD.sub(" ", text).strip()


def _meant(word: str, keys: _Keys, known: Sequence[str]) -> _Keys:
    """Return the keys most similar to a word that is in no text, as it may be misspelt."""
    if not keys.isdisjoint(known) or len(word) < _FEWEST_LETTERS or not word.isalpha():
        return frozenset()
    from rapidfuzz import fuzz, process

    found = (
        process.extractOne(key, known, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        for key in (fold(word), *keys)
    )
    return frozenset(one[0] for one in found if one)


def _weights(terms: Mapping[str, _Keys], places: Sequence[_Place]) -> dict[str, float]:
    """Return the weight of each term by its rarity; they sum to 1."""
    rarity = {}
    for word, keys in terms.items():
        holding = sum(not keys.isdisjoint(place.own) for place in places)
        rarity[word] = math.log(1 + len(places) / (holding + 0.5))
    total = math.fsum(rarity.values()) or 1.0
    return {word: value / total for word, value in rarity.items()}
