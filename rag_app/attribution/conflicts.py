"""Find documents that contradict an answer: another number or date for the same question.

Precision comes before recall. The question must ask for a quantity; both sentences must hold the
same terms of the question, or nearly the same words; their quantities must be of one kind and unit;
and they must not be about different things, as told by names, years unless a date is asked for,
other words in the place of the question's, and words of the question above only one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from ingest import Language, detect_language, split_sentences
from ingest.text.terms import Word, fold, read_words, term_keys
from rag_app.attribution.citations import Cited, quote_sentence
from rag_app.attribution.quantities import Kind, Quantity, find_quantities
from rag_app.attribution.quotes import MARKER
from rag_app.types import Citation, ScoredChunk, chunk_of

_DATES: tuple[Kind, ...] = ("date", "time")
_AMOUNTS: tuple[Kind, ...] = ("percent", "money", "count")
_WHEN = re.compile(
    r"\b(?:when|quando)\b|\b(?:what|which|que|qual|quais)\b.{0,40}"
    r"\b(?:year|date|day|time|month|hours?|ano|data|dia|horas?|horario|mes)\b"
)
_HOW_MANY = re.compile(
    r"\b(?:how (?:many|much|long|old|far|tall|high|large|big|often|deep|wide|fast|heavy)|"
    r"quant[oa]s?)\b|\b(?:what|which|qual|quais)\b.{0,40}\b(?:number|percentage|percent|"
    r"population|amount|price|cost|fee|limit|budget|rate|age|height|length|weight|size|total|"
    r"maximum|minimum|salary|rent|deposit|allowance|period|notice|duration|temperature|speed|"
    r"value|capacity|distance|"
    r"numero|percentual|porcentagem|populacao|preco|custo|taxa|limite|orcamento|idade|altura|"
    r"aluguel|valor|maximo|maxima|minimo|minima|salario|periodo|duracao|temperatura|velocidade|"
    r"capacidade|multa|nota|carga)\b"
)
_DEADLINE = re.compile(r"\b(?:deadline|due|prazo|vencimento)\b")
_COUNTED = re.compile(r"\b(?:how many|quant[oa]s)((?: \w+){1,3})")
# Words of a question that its answer need not repeat.
_FIGURE_WORDS = frozenset(
    "number amount percentage percent value year date day time hour hours month many much "
    "numero quantidade percentual porcentagem valor ano data dia hora horas horario mes".split()
)
_LEAST_SHARE, _NEARLY_ALL, _FEWEST = 0.6, 0.66, 2
_SAME_SENTENCE = 0.6
_DIGIT = re.compile(r"\d")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_MOST_FIGURES = 2
_MOST_OTHERS = 2

_Keys = frozenset[str]


def with_conflicts(
    question: str, cited: Cited, chunks: Sequence[ScoredChunk]
) -> tuple[Cited, tuple[tuple[int, ...], ...]]:
    """Return the answer with contradicting sentences, and groups of citations that disagree.

    A contradicting sentence is appended to the text with its citation, unless it is cited already;
    it comes first if its document is of a later date.
    """
    kinds = asked_kinds(question)
    if not kinds:
        return cited, ()
    reader = _Reader(question, kinds)
    for citation in cited.citations:
        said = reader.read(citation.quote, _above_quote(citation, chunks))
        if citation.verified and said:
            others = list(_others(reader, said, citation, chunks))[:_MOST_OTHERS]
            if others:
                return _added(cited, citation, others, _date_of(citation, chunks))
    return cited, ()


def stated_date(title: str, source: str) -> str:
    """Return the date in the title or the path of a document in ISO 8601, as far as it is given.

    Such as 2025-03-25, 2025-03 or 2025; empty without a year.
    """
    for text in (title, source):
        for language in ("en", "pt"):
            for figure in find_quantities(text, language):
                if figure.kind == "date" and figure.value[0]:
                    return "-".join(f"{int(part):02}" for part in figure.value if part is not None)
        if years := _YEAR.findall(text):
            return str(max(years))
    return ""


def asked_kinds(question: str) -> tuple[Kind, ...]:
    """Return the kinds of quantities that a question asks for."""
    plain = fold(question)
    if _DEADLINE.search(plain):
        return _DATES + _AMOUNTS
    if _COUNTED.search(plain):
        return ("count",)
    if _HOW_MANY.search(plain):
        return _AMOUNTS
    return _DATES if _WHEN.search(plain) else ()


@dataclass(frozen=True, slots=True)
class _Said:
    """What a sentence says about the question.

    Attributes:
        terms: The question's terms that it holds; none if it holds too few to answer.
        wording: The keys of its words, but for numbers.
        figures: Its quantities of the kinds asked for.
        years: The years it names.
        names: The names it holds.
        above: The question's terms that stand above it: in headings, title or file name.
        spoken: The keys of each of its words, in their order.
    """

    terms: frozenset[_Keys]
    wording: frozenset[_Keys]
    figures: tuple[Quantity, ...]
    years: frozenset[object]
    names: frozenset[str]
    above: frozenset[_Keys]
    spoken: tuple[_Keys, ...]

    def contradicts(self, other: _Said, asks_date: bool) -> bool:
        """Return whether both answer the question, with different quantities."""
        copies = _alike(self.wording, other.wording)
        if not (copies or _alike(self.terms, other.terms)):
            return False
        if self.names - other.names and other.names - self.names:
            return False
        if self._differs_in_thing(other) or other._differs_in_thing(self):
            return False
        if not asks_date and self.years and other.years and self.years.isdisjoint(other.years):
            return False
        if copies and len(self.figures) == len(other.figures):
            in_place = zip(self.figures, other.figures, strict=True)
            return any(a.is_like(b) and not a.agrees(b) for a, b in in_place)
        pairs = [(a, b) for a in self.figures for b in other.figures if a.is_like(b)]
        return bool(pairs) and not any(a.agrees(b) for a, b in pairs)

    def _differs_in_thing(self, other: _Said) -> bool:
        """Return whether this is about the thing that is asked for, and the other is not.

        A word of the question is above this sentence only, or the sentences are similar and one has
        another content word in the place of the other's.
        """
        if self.above - other.above - other.terms:
            return True
        matcher = SequenceMatcher(None, self.spoken, other.spoken, autojunk=False)
        return matcher.ratio() >= _SAME_SENTENCE and any(
            tag == "replace"
            and not self.wording.isdisjoint(self.spoken[first:last])
            and not other.wording.isdisjoint(other.spoken[start:end])
            for tag, first, last, start, end in matcher.get_opcodes()
        )


class _Reader:
    """Compares sentences with a question."""

    def __init__(self, question: str, kinds: tuple[Kind, ...]) -> None:
        self._language: Language = detect_language(question)
        self._kinds = kinds
        found = read_words(question, self._language)
        self._terms = frozenset(
            word.keys for word in found if not (word.is_stopword or word.folded in _FIGURE_WORDS)
        )
        self._names = _names(found)
        match = _COUNTED.search(fold(question))
        self._counted = term_keys(match[1], self._language) if match else frozenset()
        self.asks_date = "date" in kinds

    def read(self, sentence: str, above: str) -> _Said | None:
        """Return what a sentence says about the question; None without a quantity asked for."""
        figures = find_quantities(sentence, self._language)
        asked = tuple(figure for figure in figures if self._is_asked(figure))
        if not 0 < len(asked) <= _MOST_FIGURES:
            return None
        found = read_words(sentence, self._language)
        spoken, names = tuple(word.keys for word in found), _names(found)
        terms = self._held(frozenset().union(*spoken))
        above_it = self._held(term_keys(above, self._language))
        if len(terms) < _LEAST_SHARE * len(self._terms) or not self._names <= names:
            terms = frozenset()
        years = frozenset(one.value[0] for one in figures if one.kind == "date" and one.value[0])
        wording = frozenset(
            word.keys
            for word in found
            if not (word.is_stopword or word.is_number or _DIGIT.search(word.text))
        )
        return _Said(terms, wording, asked, years, names, above_it, spoken)

    def _held(self, keys: frozenset[str]) -> frozenset[_Keys]:
        return frozenset(one for one in self._terms if not one.isdisjoint(keys))

    def _is_asked(self, figure: Quantity) -> bool:
        if figure.kind == "count" and self._counted:
            return not figure.units.isdisjoint(self._counted)
        return figure.kind in self._kinds


def _alike(one: frozenset[_Keys], other: frozenset[_Keys]) -> bool:
    return len(one & other) >= max(_FEWEST, _NEARLY_ALL * max(len(one), len(other)))


def _names(found: Sequence[Word]) -> frozenset[str]:
    """Return the capitalised words but the first, folded."""
    return frozenset(
        word.folded for word in found[1:] if word.text[0].isupper() and not word.is_stopword
    )


def _others(
    reader: _Reader, said: _Said, citation: Citation, chunks: Sequence[ScoredChunk]
) -> Iterator[tuple[ScoredChunk, int, int]]:
    """Yield the first contradicting sentence of each other document."""
    seen = {citation.source}
    for chunk in chunks:
        for start, end in split_sentences(chunk.text):
            if chunk.source in seen:
                continue
            other = reader.read(chunk.text[start:end], _above(chunk, start))
            if other and said.contradicts(other, reader.asks_date):
                seen.add(chunk.source)
                yield chunk, start, end


def _above(chunk: ScoredChunk, offset: int) -> str:
    """Return the context of a place in a chunk: headings, title and file name."""
    return " ".join((*chunk.headings_at(offset), chunk.names))


def _above_quote(citation: Citation, chunks: Sequence[ScoredChunk]) -> str:
    chunk = chunk_of(citation, chunks)
    return _above(chunk, citation.start - chunk.start) if chunk else ""


def _date_of(citation: Citation, chunks: Sequence[ScoredChunk]) -> str:
    titles = (chunk.title for chunk in chunks if chunk.source == citation.source)
    return stated_date(next(titles, ""), citation.source)


def _added(
    cited: Cited,
    citation: Citation,
    others: Sequence[tuple[ScoredChunk, int, int]],
    date: str,
) -> tuple[Cited, tuple[tuple[int, ...], ...]]:
    text, citations, numbers = cited.text, list(cited.citations), [citation.n]
    for chunk, start, end in others:
        first, last = chunk.start + start, chunk.start + end
        known = (
            one.n
            for one in citations
            if one.source == chunk.source and one.start < last and one.end > first
        )
        n = next(known, 0)
        if not n:
            n = len(citations) + 1
            citations.append(quote_sentence(n, chunk, start, end, supports=True))
            said = f"{MARKER.sub('', citations[-1].quote)} [{n}]"
            is_newer = bool(date) and stated_date(chunk.title, chunk.source) > date
            text = f"{said}\n\n{text}" if is_newer else f"{text}\n\n{said}"
        numbers.append(n)
    return replace(cited, text=text, citations=tuple(citations)), (tuple(sorted(numbers)),)
