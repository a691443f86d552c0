"""Find the sentences of a chunk that support a claim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice, zip_longest
from typing import NamedTuple

from ingest import Language, split_sentences
from ingest.text.tables import has_rule, is_head, is_row, spell_out
from ingest.text.terms import fold
from rag_app.attribution.claim_support import agrees, supports
from rag_app.attribution.claim_words import Keys, Wording
from rag_app.types import ScoredChunk

MARKER = re.compile(r"\[\s*\d+(?:\s*[,;–-]\s*\d+)*\s*\]")

# Minimum share of the terms of a claim, and of a part of one, that a quote must hold; minimum terms
# of a part; maximum cuts that are tried. Chosen by hand on claims of benchmarks/claims.py.
_THRESHOLD = 0.6
_PART_THRESHOLD = 0.7
_SHORTEST_PART = 3
_MOST_CUTS = 8
_EMPHASIS = frozenset("*_`")
_EDGES = " \t\n.,;:!?…\"'()*-"
_CUT = re.compile(r"\s*[,;:]\s+(?:and|but|e|mas|while|enquanto)?\b|\s+(?:and|but|e|mas)\s+")
_AFTER_STOP = re.compile(r"(?<=[.!?]\s)[a-zà-ÿ]")


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
    """A sentence of an answer, or a part of one, ready to be compared with chunks."""

    def __init__(self, text: str, language: Language, *, whole: bool = True) -> None:
        self.text = text
        self.language = language
        self.wording = Wording(text, language)
        self.plain = _plain_text(text).text.strip(_EDGES)
        self.least = _THRESHOLD if whole else _PART_THRESHOLD

    def halves(self) -> Iterator[tuple[Claim, Claim]]:
        """Yield the ways to cut the claim in two with enough terms each, the latest cut first."""
        for cut in reversed(list(islice(_CUT.finditer(self.text), _MOST_CUTS))):
            parts = self.text[: cut.start()], self.text[cut.end() :]
            left, right = (Claim(part, self.language, whole=False) for part in parts)
            if min(len(left.wording.terms), len(right.wording.terms)) >= _SHORTEST_PART:
                yield left, right


class _Sentence(NamedTuple):
    """A span of a chunk and its text, of a table row with the names of its columns."""

    start: int
    end: int
    said: str


class Evidence:
    """A chunk, split once to be compared with every claim of an answer."""

    def __init__(self, chunk: ScoredChunk, language: Language) -> None:
        self.chunk = chunk
        self._language: Language = language

    def contains(self, claim: Claim) -> Quote | None:
        """Return the sentences that hold the claim word for word, or None."""
        if not claim.wording.terms:
            return None
        start = self.chunk.text.find(claim.text)
        span = (start, start + len(claim.text))
        if start < 0 or not _on_word_edges(self.chunk.text, *span):
            span = self._plain.find(claim.plain) or (-1, -1)
        return self._whole_sentences(claim, *span) if span[0] >= 0 else None

    def closest(self, claim: Claim) -> Quote | None:
        """Return the sentence, or two in a row, with most of the claim's terms."""
        # By words alone: in benchmarks/claims.py, embeddings found no closer sentence, and no
        # cosine separated the true claims that are rejected here from the false ones.
        quotes = (self._compare(claim, index) for index in range(len(self._sentences)))
        return max(quotes, key=lambda quote: (quote.supports, quote.score), default=None)

    @cached_property
    def keys(self) -> Keys:
        """Every key of every word of the chunk."""
        return frozenset().union(*(wording.keys for wording in self._wordings))

    @cached_property
    def _plain(self) -> _Plain:
        return _plain_text(self.chunk.text)

    @cached_property
    def _sentences(self) -> list[_Sentence]:
        text = _with_capitals(self.chunk.text)
        spans = [(start, end) for start, end in split_sentences(text) if end > start]
        return list(_with_heads(self.chunk.text, spans))

    @cached_property
    def _wordings(self) -> list[Wording]:
        return [Wording(sentence.said, self._language) for sentence in self._sentences]

    def _compare(self, claim: Claim, index: int) -> Quote:
        """Return the sentence, with the one before it if that names the subject."""
        said, wanted = self._wordings[index], claim.wording
        start, end, _ = self._sentences[index]
        if index and wanted.continues(said, self._wordings[index - 1]):
            before = self._sentences[index - 1].start
            both = Wording(self.chunk.text[before:end], self._language)
            if supports(both, wanted, claim.least):
                return self._quote(before, end, wanted.share(both), True)
        return self._quote(start, end, wanted.share(said), supports(said, wanted, claim.least))

    def _whole_sentences(self, claim: Claim, start: int, end: int) -> Quote | None:
        touched = [(s, e) for s, e, _ in self._sentences if s < end and e > start]
        if not touched:
            return None
        first = min([start, *(s for s, _ in touched)])
        last = max([end, *(e for _, e in touched)])
        said = Wording(self.chunk.text[first:last], self._language)
        return self._quote(first, last, 1.0, True) if agrees(said, claim.wording) else None

    def _quote(self, start: int, end: int, score: float, supports: bool) -> Quote:
        offset = self.chunk.start
        return Quote(self.chunk, offset + start, offset + end, score, supports)


@lru_cache(maxsize=512)
def _plain_text(text: str) -> _Plain:
    return _Plain(text)


class _Plain:
    """A text without case, accents, quote styles, emphasis, runs of space and markers.

    It maps offsets back to the original text.
    """

    def __init__(self, text: str) -> None:
        letters: list[str] = []
        self._offsets: list[int] = []
        for offset, character in _without_markers(text):
            plain = " " if character.isspace() else fold(character)
            if plain in _EMPHASIS:
                continue
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


def _with_capitals(text: str) -> str:
    """Return a text without capitals with one after each full stop, so that it can be split."""
    return _AFTER_STOP.sub(lambda match: match[0].upper(), text) if text.islower() else text


def _with_heads(text: str, spans: list[tuple[int, int]]) -> Iterator[_Sentence]:
    """Yield the sentences, the head of a table up to the end of its first row."""
    head, in_table = "", False
    for (start, end), after in zip_longest(spans, spans[1:]):
        row = text[start:end]
        begins_table = is_row(row) and not in_table and is_head(row)
        in_table = is_row(row)
        if begins_table and after and is_row(first := text[slice(*after)]):
            head = row
            yield _Sentence(start, after[1], spell_out(first, head))
        elif in_table and head:
            yield _Sentence(start, end, spell_out(row, head))
        elif not (begins_table and has_rule(row)):
            head = ""
            yield _Sentence(start, end, row)


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
