"""Tie each sentence of an answer to an exact quote."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import Literal, NamedTuple

from ingest import Language, detect_language, split_sentences
from rag_app.attribution.abstention import abstains, is_abstention
from rag_app.attribution.claims import claimed, introduces, is_heading
from rag_app.attribution.markers import Marker, take_markers
from rag_app.attribution.nli import Entails
from rag_app.attribution.quotes import Claim, Evidence, Quote
from rag_app.types import ABSTENTION, Citation, ScoredChunk

OnUnsupported = Literal["flag", "drop", "abstain"]

# Share of a claim's terms; chosen by hand on claims of benchmarks/claims.py.
_NEARLY_ALL = 0.8


@dataclass(frozen=True, slots=True)
class Cited:
    """An answer's text with its quotes; ``[n]`` in the text is the n of a citation.

    Attributes:
        text: The answer, renumbered.
        citations: One for each distinct quote, in the order of ``n``.
        unsupported: The sentences for which no quote was found, without their markers.
        abstained: Whether it only says, in any wording, that the documents don't answer.
    """

    text: str
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    abstained: bool = False


def cite_answer(
    text: str,
    chunks: Sequence[ScoredChunk],
    language: Language,
    on_unsupported: OnUnsupported,
    entails: Entails | None = None,
) -> Cited:
    """Return ``text`` with its quotes, or the abstention in ``language``."""
    cited = cite(text, chunks, drop=on_unsupported == "drop", entails=entails)
    refused = on_unsupported == "abstain" and cited.unsupported
    if refused or not cited.text or is_abstention(cited.text):
        return Cited(ABSTENTION[language], (), cited.unsupported, abstained=True)
    return cited


def cite(
    text: str,
    chunks: Sequence[ScoredChunk],
    *,
    drop: bool = False,
    entails: Entails | None = None,
) -> Cited:
    """Return ``text`` with each sentence tied to the quotes of ``chunks`` that support it.

    Support is searched for in the chunks that a sentence cites, then in all chunks, then for its
    parts. Markers that name no chunk are removed, but an index in code (``array[0]``) is kept. An
    unsupported sentence keeps unverified citations of the chunks it cites; with ``drop`` it is
    removed. With ``entails``, a quote must also entail its sentence.
    """
    language = detect_language(text)
    evidence = [Evidence(chunk, language) for chunk in chunks]
    clean, marks = take_markers(text, chunks)
    sentences = []
    for start, end, claim, cited in _sentences(clean, marks, evidence):
        sentence = clean[start:end]
        is_title = clean[end:].strip() and is_heading(sentence)
        said = "" if is_title else claimed(claim)
        quotes = _quotes(Claim(claim, language), Claim(said, language), cited)
        quotes = _entailing(quotes, said, entails) if entails else quotes
        sentences.append(_Sentence(sentence, end, quotes, bool(said)))
    return _number(clean, _with_introductions(sentences, evidence, language), drop)


def quote_sentence(n: int, chunk: ScoredChunk, start: int, end: int, *, supports: bool) -> Citation:
    """Return the citation of ``chunk.text[start:end]``, verified if it ``supports`` the answer."""
    first, last = chunk.start + start, chunk.start + end
    return _citation(n, Quote(chunk, first, last, float(supports), supports))


class _Candidates(NamedTuple):
    cited: list[Evidence]
    all: list[Evidence]


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    end: int
    quotes: list[Quote]
    claims: bool

    @property
    def supported(self) -> bool:
        return any(quote.supports for quote in self.quotes)

    @property
    def unsupported(self) -> bool:
        return self.claims and not self.supported


def _sentences(
    text: str, marks: list[Marker], evidence: list[Evidence]
) -> Iterator[tuple[int, int, str, _Candidates]]:
    """Yield each sentence with words: its span, its text, and the chunks it may quote.

    The text is without the names that replaced markers.
    """
    spans = [span for span in split_sentences(text) if any(map(str.isalnum, text[slice(*span)]))]
    edges = [0, *(start for start, _ in spans[1:]), sys.maxsize]
    for (start, end), (first, after) in zip(spans, pairwise(edges), strict=False):
        own = [mark for mark in marks if first <= mark.place < after]
        said, position = "", start
        for mark in own:
            said, position = said + text[position : mark.place], max(position, mark.end)
        indices = dict.fromkeys(index for mark in own for index in mark.indices)
        cited = [evidence[index] for index in indices]
        yield start, end, said + text[position:end], _Candidates(cited, evidence)


def _with_introductions(
    sentences: list[_Sentence], evidence: list[Evidence], language: Language
) -> list[_Sentence]:
    """Return the sentences; those that only introduce the next claim nothing, unless all do."""
    marked = [
        replace(one, claims=False)
        if one.unsupported and after and introduces(one.text, language, evidence)
        else one
        for one, after in zip_longest(sentences, sentences[1:])
    ]
    if any(one.claims or abstains(one.text) for one in marked):
        return marked
    return [replace(one, claims=True) for one in marked]


def _quotes(sentence: Claim, said: Claim, candidates: _Candidates) -> list[Quote]:
    """Return the quotes of a claim; of a sentence without a claim, those of its exact words."""
    if said.text:
        return _support(said, candidates)
    return [quote for one in candidates.cited if (quote := one.contains(sentence))]


def _support(claim: Claim, candidates: _Candidates) -> list[Quote]:
    """Return the quotes that support a claim, else the closest ones of the cited chunks."""
    if quotes := _supporting(claim, candidates.cited):
        return quotes
    if quotes := _best(claim, candidates.all) or _in_parts(claim, candidates.all):
        return quotes
    closest = (candidate.closest(claim) for candidate in candidates.cited)
    return [quote for quote in closest if quote is not None]


def _supporting(claim: Claim, candidates: Sequence[Evidence]) -> list[Quote]:
    """Return a quote of each candidate that holds the claim, else of each that comes close."""
    return [quote for one in candidates if (quote := one.contains(claim))] or [
        quote for one in candidates if (quote := one.closest(claim)) and quote.supports
    ]


def _in_parts(claim: Claim, candidates: Sequence[Evidence]) -> list[Quote]:
    """Return the quotes that support the parts of a claim; empty if a part has none.

    A claim of which one sentence holds nearly all terms is true there or false: no parts are tried.
    """
    if any((quote := one.closest(claim)) and quote.score >= _NEARLY_ALL for one in candidates):
        return []
    for left, right in claim.halves():
        if first := _best(left, candidates):
            rest = _best(right, candidates) or _in_parts(right, candidates)
            return [*first, *rest] if rest else []
    return []


def _best(claim: Claim, candidates: Sequence[Evidence]) -> list[Quote]:
    quotes = _supporting(claim, candidates)
    return [max(quotes, key=lambda quote: quote.score)] if quotes else []


def _entailing(quotes: list[Quote], claim: str, entails: Entails) -> list[Quote]:
    """Return the quotes; those in other words support the claim only if they entail it.

    If no quote entails it alone, all of them together may.
    """
    asked = [quote for quote in quotes if quote.supports and quote.text != claim]
    if not asked:
        return quotes
    texts = [quote.text for quote in asked]
    answers = entails([(text, claim) for text in texts])
    refused = [quote for quote, entailed in zip(asked, answers, strict=True) if not entailed]
    if len(refused) == len(asked) > 1 and entails([(" ".join(texts), claim)])[0]:
        return quotes
    return [replace(quote, supports=False) if quote in refused else quote for quote in quotes]


def _number(text: str, sentences: list[_Sentence], drop: bool) -> Cited:
    """Return ``text`` with a marker after each sentence for each of its distinct quotes."""
    kept = [sentence for sentence in sentences if not (drop and sentence.unsupported)]
    best: dict[tuple[str, int, int], Quote] = {}
    for quote in (quote for sentence in kept for quote in sentence.quotes):
        known = best.setdefault(_place(quote), quote)
        best[_place(quote)] = max(known, quote, key=lambda q: (q.supports, q.score))
    numbers: dict[tuple[str, int, int], int] = {}
    pieces, position = [], 0
    for sentence in sentences:
        if sentence not in kept:
            position = sentence.end
            continue
        shown = [_place(q) for q in sentence.quotes if q.supports == best[_place(q)].supports]
        used = [numbers.setdefault(place, len(numbers) + 1) for place in dict.fromkeys(shown)]
        markers = "".join(f"[{n}]" for n in used)
        pieces.append(text[position : sentence.end] + (f" {markers}" if markers else ""))
        position = sentence.end
    says = any(sentence.claims or sentence.supported for sentence in kept)
    if drop and not says and any(sentence.claims for sentence in sentences):
        pieces, numbers = [], {}
    else:
        pieces.append(text[position:] if kept or not sentences else "")
    return Cited(
        "".join(pieces).lstrip() if drop else "".join(pieces),
        tuple(_citation(n, best[place]) for place, n in numbers.items()),
        tuple(sentence.text for sentence in sentences if sentence.unsupported),
        abstained=bool(sentences) and not says,
    )


def _place(quote: Quote) -> tuple[str, int, int]:
    return quote.chunk.source, quote.start, quote.end


def _citation(n: int, quote: Quote) -> Citation:
    chunk = quote.chunk
    return Citation(
        n,
        chunk.source,
        chunk.place_at(quote.start).page,
        quote.start,
        quote.end,
        quote.text,
        round(quote.score, 4),
        quote.supports,
        chunk.language,
        chunk.location_at(quote.start),
    )
