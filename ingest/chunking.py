"""Split a document into verbatim chunks of whole sentences, measured in tokens.

The text is encoded once; the token offsets then give the size of any span. A chunk has at most
``chunk_tokens`` tokens and ends, in order of preference:

1. Before a new section, unless the chunk so far is tiny (under a fifth of the limit) and the new
   section has no higher level than the chunk's first one: a lone title goes with what follows.
2. At the end of the section, if it fits.
3. Before a paragraph after a blank line, in the second half of the chunk; else before a list item,
   a row, or a paragraph without a blank line, as in PDF.
4. Before a sentence. If the rest of the section takes two chunks, they are split at the best place
   nearest to the middle, so that no tail of a few words is left over.

A sentence above the limit is cut at a line break, a clause, a space or, at last, between tokens.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from tokenizers import Tokenizer

from ingest.text.sentences import split_block, split_blocks
from ingest.types import Chunk, Document, Heading

Span = tuple[int, int]

_SPECIAL_TOKENS = 2  # those of BERT and its relatives
# The numbers below were chosen by hand.
_TINY = 0.2
_ENCODED_CHARACTERS = 50_000
# A tokenizer may make a single unknown token of a word of any length; such a token counts as one
# per four characters, so that the length of a chunk is bounded.
_LONG_TOKEN = 32
_CHARACTERS_OF_A_TOKEN = 4
# Counts this close to the model's limit are checked by encoding the span by itself.
_SLACK = 8
# Tokenizers split words at these; they may drop rarer spaces, such as U+0085, and join the words.
_SPACES = ("", " ", "\n", "\t", "\r")
_CUTS = tuple(re.compile(cut) for cut in (r"\n\s*", r"[;:,)\]}»”—–]\s+", r"\s+"))
_BLANK_LINE = re.compile(r"\n\s*\n")

_AT_SENTENCE, _AT_BLOCK, _AT_PARAGRAPH = range(3)


def split_document(
    document: Document, tokenizer: Tokenizer, chunk_tokens: int, max_tokens: int
) -> list[Chunk]:
    """Return the chunks of a document, in order.

    Every character that is not whitespace is in exactly one chunk.

    Args:
        document: The document.
        tokenizer: The tokenizer of the embedding model.
        chunk_tokens: Longest text of a chunk, in tokens.
        max_tokens: Longest ``embedding_text`` with two special tokens; the outermost headings are
            left out if they don't fit.
    """
    measure = _Measure(document.text, tokenizer, chunk_tokens, max_tokens)
    pieces = _pieces(document, measure)
    return [
        _chunk(document, measure, span)
        for first, last in _pack(pieces, measure.limit, len(measure.starts))
        for span in measure.fit(pieces[first].start, pieces[last - 1].end)
    ]


class _Piece(NamedTuple):
    """A sentence, or a part of one above the limit.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character.
        token: Number of tokens before it.
        headings: The headings of the sections around it, outermost first.
        boundary: What starts with it: a sentence, a block or a paragraph.
    """

    start: int
    end: int
    token: int
    headings: tuple[Heading, ...]
    boundary: int

    @property
    def level(self) -> int:
        """The level of its section; 0 for the text before the first heading."""
        return self.headings[-1].level if self.headings else 0


class _Measure:
    """Counts the tokens of spans of one text."""

    def __init__(self, text: str, tokenizer: Tokenizer, chunk_tokens: int, max_tokens: int) -> None:
        self.text = text
        self.tokenizer = tokenizer
        self.room = max_tokens - _SPECIAL_TOKENS
        self.limit = max(1, min(chunk_tokens, self.room))
        self.starts = _token_starts(text, tokenizer)
        self.title_tokens: dict[tuple[str, ...], int] = {}

    def tokens_before(self, offset: int) -> int:
        return bisect_left(self.starts, offset)

    def count(self, start: int, end: int) -> int:
        return self.tokens_before(end) - self.tokens_before(start)

    def encoded(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def cut(self, start: int, end: int) -> Iterator[Span]:
        """Yield a span in parts of at most ``limit`` tokens."""
        while self.count(start, end) > self.limit:
            first = self.tokens_before(start)
            past = max(first + self.limit, bisect_right(self.starts, start))
            stop = _best_cut(
                self.text, start, self.starts[past] if past < len(self.starts) else end
            )
            if part := _strip(self.text, start, stop):
                yield part
            start = stop
        if part := _strip(self.text, start, end):
            yield part

    def fit(self, start: int, end: int) -> Iterator[Span]:
        """Yield a span, halved until each part is within the limit when encoded by itself."""
        if self.is_certain(start, end) or self.encoded(self.text[start:end]) <= self.limit:
            yield start, end
            return
        middle = _best_cut(self.text, start, (start + end + 1) // 2)
        for part in (_strip(self.text, start, middle), _strip(self.text, middle, end)):
            if part == (start, end):
                yield part
            elif part:
                yield from self.fit(*part)

    def is_certain(self, start: int, end: int) -> bool:
        """Return whether counting by offsets is exact: part of a word may encode differently."""
        tokens = self.count(start, end)
        before, after = self.text[max(0, start - 1) : start], self.text[end : end + 1]
        is_whole = before in _SPACES and after in _SPACES
        return is_whole and tokens <= self.limit and tokens + _SLACK <= self.room

    def has_room(self, chunk: Chunk) -> bool:
        """Return whether a chunk with its headings fits the model."""
        titles = chunk.headings
        if titles not in self.title_tokens:
            self.title_tokens[titles] = self.encoded(" > ".join(titles))
        tokens = self.title_tokens[titles] + self.count(chunk.start, chunk.end)
        if self.is_certain(chunk.start, chunk.end) and tokens + _SLACK <= self.room:
            return True
        return self.encoded(chunk.embedding_text) <= self.room


def _token_starts(text: str, tokenizer: Tokenizer) -> list[int]:
    """Return the offset of each token, ascending."""
    starts: list[int] = []
    for first, last in _encodable(text):
        offsets = tokenizer.encode(text[first:last], add_special_tokens=False).offsets
        for start, end in offsets:
            if end - start > _LONG_TOKEN:
                starts.extend(range(first + start, first + end, _CHARACTERS_OF_A_TOKEN))
            else:
                starts.append(first + start)
    return starts


def _encodable(text: str) -> Iterator[Span]:
    """Yield spans that end at a space or line break, to bound the memory of the tokenizer."""
    start = 0
    while len(text) - start > _ENCODED_CHARACTERS:
        stop = start + _ENCODED_CHARACTERS
        space = max(text.rfind(mark, start + 1, stop) for mark in "\n \t")
        end = space if space > start else stop
        yield start, end
        start = end
    yield start, len(text)


def _best_cut(text: str, start: int, end: int) -> int:
    """Return the last good place to cut in the second half of a span, else its end."""
    for pattern in _CUTS:
        cuts = [match.end() for match in pattern.finditer(text, (start + end) // 2, end)]
        if cuts and cuts[-1] > start:
            return cuts[-1]
    return end


def _strip(text: str, start: int, end: int) -> Span | None:
    """Return a span without outer whitespace; None if nothing is left."""
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    return (start, end) if start < end else None


def _pieces(document: Document, measure: _Measure) -> list[_Piece]:
    """Return the sentences, cut where a section starts and where they are above the limit."""
    text = document.text
    starts = [heading.start for heading in document.headings]
    pieces: list[_Piece] = []
    for block in split_blocks(text):
        previous = pieces[-1].end if pieces else 0
        boundary = _AT_PARAGRAPH if _BLANK_LINE.search(text, previous, block[0]) else _AT_BLOCK
        for sentence in split_block(text, block):
            for part in _cut_at(text, sentence, starts):
                for start, end in measure.cut(*part):
                    token, headings = measure.tokens_before(start), document.headings_at(start)
                    pieces.append(_Piece(start, end, token, headings, boundary))
                    boundary = _AT_SENTENCE
    return pieces


def _cut_at(text: str, span: Span, starts: list[int]) -> Iterator[Span]:
    """Yield a span cut at those of ``starts`` that lie inside it."""
    start, end = span
    for cut in starts[bisect_right(starts, start) : bisect_left(starts, end)]:
        if part := _strip(text, start, cut):
            yield part
        start = cut
    if part := _strip(text, start, end):
        yield part


def _pack(pieces: list[_Piece], limit: int, total: int) -> Iterator[Span]:
    """Yield ranges of pieces, each to become a chunk; ``total`` is the tokens of the text."""
    tokens = [*(piece.token for piece in pieces), total]
    first = 0
    while first < len(pieces):
        stop = _section_stop(pieces, tokens, first, limit)
        last = _chunk_stop(pieces, tokens, first, stop, limit)
        yield first, last
        first = last


def _section_stop(pieces: list[_Piece], tokens: list[int], first: int, limit: int) -> int:
    """Return the piece before which a new section ends the chunk, or two chunks are full."""
    for i in range(first + 1, len(pieces)):
        size = tokens[i] - tokens[first]
        is_new = pieces[i].headings != pieces[i - 1].headings
        if is_new and (size >= _TINY * limit or pieces[i].level < pieces[first].level):
            return i
        if size > 2 * limit:
            return i
    return len(pieces)


def _chunk_stop(pieces: list[_Piece], tokens: list[int], first: int, stop: int, limit: int) -> int:
    """Return the piece before which the chunk from ``first`` ends, at most ``stop``."""
    size = tokens[stop] - tokens[first]
    if size <= limit:
        return stop
    last = max(first + 1, bisect_right(tokens, tokens[first] + limit, first + 1, stop) - 1)
    half = bisect_left(tokens, tokens[first] + limit / 2, first + 1, last)
    stops = range(half, last + 1)
    boundary = max(pieces[i].boundary for i in stops)
    best = [i for i in stops if pieces[i].boundary == boundary]
    if size > 2 * limit:
        return best[-1]
    middle = tokens[first] + size / 2
    return min(best, key=lambda i: abs(tokens[i] - middle))


def _chunk(document: Document, measure: _Measure, span: Span) -> Chunk:
    """Return the chunk of a span, with as many of its headings as fit."""
    start, end = span
    first, last = document.headings_at(start), document.headings_at(end - 1)
    titles = tuple(a.title for a, b in zip(first, last, strict=False) if a is b)
    places = document.places_between(start, end)
    chunk = Chunk(document.text[start:end], start, end, places, titles)
    while chunk.headings and not measure.has_room(chunk):
        chunk = replace(chunk, headings=chunk.headings[1:])
    return chunk
