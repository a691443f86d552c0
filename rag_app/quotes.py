"""Find the sentences of a chunk that support a claim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ingest import split_sentences
from rag_app.terms import content_terms, fold, is_number, is_stopword, term, term_keys, words
from rag_app.types import ScoredChunk

MARKER = re.compile(r"\[\s*\d+(?:\s*[,;–-]\s*\d+)*\s*\]")

# On ClapNQ, 87% of the sentences of the answers that people wrote are then supported by the text
# they wrote them from, and 0.8% by other texts on the topic.
_THRESHOLD = 0.6
_LONGEST_QUOTE = 2
_NEGATION_REACH = 2
_EDGES = " \t\n.,;:!?…\"'()*-"
_NEGATIONS = {
    "en": {
        "not",
        "no",
        "never",
        "none",
        "nor",
        "neither",
        "without",
        "cannot",
        "nobody",
        "nothing",
    },
    "pt": {"nao", "nunca", "nem", "jamais", "sem", "nenhum", "nenhuma", "ninguem", "nada"},
}


@dataclass(frozen=True, slots=True)
class Quote:
    """A span of a chunk and how well it supports a claim.

    Attributes:
        chunk: The chunk that is quoted.
        start: Offset of the first character in the document.
        end: Offset after the last character in the document.
        score: Share of the claim's terms that the quote holds, 0 to 1; 1 if it holds the claim.
        supports: Whether the quote holds enough terms and every number and name of the claim.
    """

    chunk: ScoredChunk
    start: int
    end: int
    score: float
    supports: bool

    @property
    def text(self) -> str:
        """The characters of the document, verbatim."""
        return self.chunk.text[self.start - self.chunk.start : self.end - self.chunk.start]


class Claim:
    """A sentence of an answer, ready to be compared with chunks."""

    def __init__(self, text: str, language: str) -> None:
        self.text = text
        self.language = language
        self.plain = _Plain(text).text.strip(_EDGES)
        self.terms = content_terms(text, language)
        self.negated = bool(_negations(text, language))
        self.required = tuple(
            term(word, language)
            for word in [*filter(is_number, words(text)), *_names(text, language)]
        )

    def share(self, keys: frozenset[str]) -> float:
        """Return the share of the claim's terms that are among ``keys``, 0 to 1."""
        found = sum(not keys.isdisjoint(wanted) for wanted in self.terms.values())
        return found / len(self.terms) if self.terms else 0.0


class Evidence:
    """A chunk, taken apart once to be compared with every claim of an answer."""

    def __init__(self, chunk: ScoredChunk, language: str) -> None:
        self.chunk = chunk
        self.language = language

    def contains(self, claim: Claim) -> Quote | None:
        """Return the sentences that hold the claim word for word, or None."""
        if not claim.terms:
            return None
        start = self.chunk.text.find(claim.text)
        span = (start, start + len(claim.text))
        if start < 0 or not _on_word_edges(self.chunk.text, *span):
            span = self._plain.find(claim.plain) or (-1, -1)
        return self._whole_sentences(claim, *span) if span[0] >= 0 else None

    def closest(self, claim: Claim) -> Quote | None:
        """Return the sentence, or two in a row, with most of the claim's terms."""
        quotes = (self._compare(claim, start, end) for start, end in self._runs())
        return max(quotes, key=lambda quote: (quote.supports, quote.score), default=None)

    @cached_property
    def _plain(self) -> _Plain:
        return _Plain(self.chunk.text)

    @cached_property
    def _sentences(self) -> list[tuple[int, int]]:
        return [(s, e) for s, e in split_sentences(self.chunk.text) if e > s]

    @cached_property
    def _keys(self) -> dict[tuple[int, int], frozenset[str]]:
        return {
            (start, end): term_keys(self.chunk.text[start:end], self.language)
            for start, end in self._runs()
        }

    def _runs(self) -> Iterator[tuple[int, int]]:
        for length in range(1, _LONGEST_QUOTE + 1):
            for first in range(len(self._sentences) - length + 1):
                yield self._sentences[first][0], self._sentences[first + length - 1][1]

    def _compare(self, claim: Claim, start: int, end: int) -> Quote:
        keys = self._keys[start, end]
        share = claim.share(keys)
        supports = (
            share >= _THRESHOLD
            and not any(keys.isdisjoint(wanted) for wanted in claim.required)
            and self._same_polarity(claim, start, end)
        )
        return self._quote(start, end, share, supports)

    def _same_polarity(self, claim: Claim, start: int, end: int) -> bool:
        """Tell whether claim and quote are both negated, or neither, around the claim's words."""
        quoted = words(self.chunk.text[start:end])
        wanted = frozenset().union(*claim.terms.values())
        hits = [
            i for i, word in enumerate(quoted) if not wanted.isdisjoint(term(word, self.language))
        ]
        first = max(hits[0] - _NEGATION_REACH, 0) if hits else 0
        around = " ".join(quoted[first : hits[-1] + 1]) if hits else ""
        return claim.negated == bool(_negations(around, self.language))

    def _whole_sentences(self, claim: Claim, start: int, end: int) -> Quote | None:
        touched = [(s, e) for s, e in self._sentences if s < end and e > start]
        first = min([start, *(s for s, _ in touched)])
        last = max([end, *(e for _, e in touched)])
        before = words(self.chunk.text[first:start])[-_NEGATION_REACH:]
        if _negations(" ".join(before), self.language):
            return None
        return self._quote(first, last, 1.0, True)

    def _quote(self, start: int, end: int, score: float, supports: bool) -> Quote:
        offset = self.chunk.start
        return Quote(self.chunk, offset + start, offset + end, score, supports)


class _Plain:
    """A text without case, accents, quote styles, runs of space and markers, and the way back."""

    def __init__(self, text: str) -> None:
        letters: list[str] = []
        self._offsets: list[int] = []
        for offset, character in _without_markers(text):
            plain = " " if character.isspace() else fold(character)
            if plain == " " and (not letters or letters[-1] == " "):
                continue
            letters.extend(plain)
            self._offsets.extend([offset] * len(plain))
        self.text = "".join(letters)

    def find(self, wanted: str) -> tuple[int, int] | None:
        """Return the span of ``wanted`` in the original text, on word edges, or None."""
        start = self.text.find(wanted)
        while wanted and start >= 0:
            end = start + len(wanted)
            if _on_word_edges(self.text, start, end):
                return self._offsets[start], self._offsets[end - 1] + 1
            start = self.text.find(wanted, start + 1)
        return None


def _without_markers(text: str) -> Iterator[tuple[int, str]]:
    position = 0
    for match in [*MARKER.finditer(text), None]:
        stop = match.start() if match else len(text)
        yield from enumerate(text[position:stop], position)
        position = match.end() if match else stop


def _on_word_edges(text: str, start: int, end: int) -> bool:
    before = start == 0 or not (text[start - 1].isalnum() and text[start].isalnum())
    after = end == len(text) or not (text[end].isalnum() and text[end - 1].isalnum())
    return before and after


def _names(text: str, language: str) -> list[str]:
    """Return the capitalised words; the first one only if its capitals are not the sentence's."""
    found = words(text)
    return [
        word
        for index, word in enumerate(found)
        if word[0].isupper()
        and not is_stopword(word, language)
        and (index > 0 or not word[1:].islower() or (found[1:2] and found[1][0].isupper()))
    ]


def _negations(text: str, language: str) -> list[str]:
    folded = map(fold, words(text))
    return [word for word in folded if word in _NEGATIONS[language] or word.endswith("n't")]
