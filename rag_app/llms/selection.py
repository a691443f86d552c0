"""Choose the sentences of the chunks that answer a question, or none.

A sentence is ranked by the share of the question's terms in it (rare terms count more; those only
in the sentence before or elsewhere in the chunk count less), how near its meaning is to the
question's, how well its chunk was retrieved, and whether it holds what is asked for: a name, a
date, a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ingest import EmbeddingModel, Language, detect_language, split_sentences
from rag_app.llms.confidence import Signals, confidence, is_hopeless, read_signals
from rag_app.terms import content_terms, fold, is_number, is_stopword, term_keys, words
from rag_app.types import ScoredChunk

# The weights were chosen on questions 301-600 of XQuAD-en, ClapNQ and half of FaQuAD; on the first
# 300 of XQuAD-en, five chunks a question, the best sentence then holds the answer for 78% and the
# 1.6 sentences within _NEARLY_BEST for 87%.
_TERMS, _MEANING, _CHUNK, _ASKED = 0.5, 0.4, 0.5, 0.1
_BEFORE, _AROUND = 0.5, 0.25
_UNFINISHED, _NO_ANSWER = 0.05, 0.3
_NEARLY_BEST = 0.9
_MOST_SENTENCES = 3
_MOST_EMBEDDED = 48
_ALL_TERMS, _NEAR = 0.999, 0.5

_WHO = re.compile(
    r"\b(?:who|whom|whose|quem|which (?:person|man|woman|king|queen|president|author))\b"
)
_WHEN = re.compile(
    r"\b(?:when|quando|(?:in |on |em )?(?:what|which|que|qual|quais)(?: \w+)? "
    r"(?:year|date|day|month|century|decade|ano|data|dia|mes|seculo)|ate quando|desde quando)\b"
)
_HOW_MANY = re.compile(
    r"\b(?:how (?:many|much|long|old|far|tall|high|large|big|often|deep|wide|fast)|quant[oa]s?|"
    r"(?:what|which|qual)(?: is| was| era| foi| e)?(?: the| o| a)? "
    r"(?:number|percentage|percent|population|amount|numero|percentual|porcentagem|valor|prazo))\b"
)
_END = re.compile(r"""[.!?…:;]["'”’)\]]*(?:\[\d+\])*$""")
_FEWEST_WORDS = 5
_DATE = re.compile(
    r"\b(?:1[0-9]{3}|20[0-9]{2})\b|\b\d{1,2}[/.]\d{1,2}\b|\bcentur|\bsecul|\b(?:january|february|"
    r"march|april|june|july|august|september|october|november|december|janeiro|fevereiro|marco|"
    r"abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro|monday|tuesday|wednesday|"
    r"thursday|friday|saturday|sunday|segunda|terca|quarta|quinta|sexta|sabado|domingo)\b"
)


Similarity = Callable[[Sequence[str]], Sequence[float]]
_Keys = frozenset[str]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a chunk.

    Attributes:
        chunk: Index of the chunk among those given.
        start: Offset of the sentence in the chunk's text.
        text: The sentence, verbatim.
        terms: Its share of the question's terms; 1 if it holds them all itself.
        score: How well it fits, about 0 to 1.5.
        cosine: Of its meaning and the question's.
    """

    chunk: int
    start: int
    text: str
    terms: float
    score: float
    cosine: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    chunk: int
    start: int
    text: str
    keys: _Keys
    before: _Keys
    around: _Keys


def similarity_to(question: str, embedding: EmbeddingModel) -> Similarity:
    """Return the function that gives the cosine of the question and each text."""

    def similarity(texts: Sequence[str]) -> list[float]:
        cosines = embedding.embed_sentences(texts) @ embedding.embed_query(question)
        return [float(cosine) for cosine in cosines]

    return similarity


def best_sentences(
    question: str, chunks: Sequence[ScoredChunk], similarity: Similarity
) -> list[Sentence]:
    """Return one to three sentences in reading order, or none when nothing answers.

    ``similarity`` gives the cosine of the question and each text.
    """
    ranked = rank_sentences(question, chunks, similarity)
    if answer_margin(question, chunks, ranked, similarity) < 0:
        return []
    return choose(ranked)


def choose(ranked: Sequence[Sentence]) -> list[Sentence]:
    """Return the best sentence and up to two that are nearly as good, in reading order."""
    least = _NEARLY_BEST * ranked[0].score
    chosen = [sentence for sentence in ranked[:_MOST_SENTENCES] if sentence.score >= least]
    return sorted(chosen, key=lambda sentence: (sentence.chunk, sentence.start))


def answer_margin(
    question: str,
    chunks: Sequence[ScoredChunk],
    ranked: Sequence[Sentence],
    similarity: Similarity,
) -> float:
    """Return how much surer the reader is than an answer needs, below 0 for none.

    Args:
        question: What is asked.
        chunks: What was retrieved for it, best first.
        ranked: Their sentences, as `rank_sentences` gives them.
        similarity: Gives the cosine of the question and each text.
    """
    if not ranked:
        return -1.0
    return margin(question, ranked[0], answer_signals(chunks, ranked, similarity))


def margin(question: str, best: Sentence, signals: Signals) -> float:
    """Return the same from the signals; a near sentence with all the question's terms is enough."""
    sure = confidence(signals, detect_language(question))
    return max(sure, 0.0) if best.terms > _ALL_TERMS and best.cosine > _NEAR else sure


def is_worth_asking(question: str, chunks: Sequence[ScoredChunk], similarity: Similarity) -> bool:
    """Return whether a chat model may find an answer in the chunks; the arguments as above."""
    ranked = rank_sentences(question, chunks, similarity)
    if not ranked:
        return False
    signals = answer_signals(chunks, ranked, similarity)
    if margin(question, ranked[0], signals) >= 0:
        return True
    return not is_hopeless(signals, detect_language(question))


def answer_signals(
    chunks: Sequence[ScoredChunk], ranked: Sequence[Sentence], similarity: Similarity
) -> Signals:
    """Return what the confidence in an answer is made of; the arguments as `answer_margin`."""
    if not any(chunk.dense for chunk in chunks):
        # Of another retriever, whose scores are on another scale.
        cosines = similarity([chunk.text for chunk in chunks])
        pairs = zip(chunks, cosines, strict=True)
        chunks = [replace(chunk, score=0.0, dense=cosine) for chunk, cosine in pairs]
    return read_signals(chunks, ranked[0].score, [sentence.cosine for sentence in ranked])


def rank_sentences(
    question: str, chunks: Sequence[ScoredChunk], similarity: Similarity
) -> list[Sentence]:
    """Return the distinct sentences of ``chunks``, best first."""
    language = detect_language(question)
    candidates = list(_candidates(chunks, language))
    term_share = _term_share(question, candidates, language)
    by_terms = sorted(candidates, key=term_share, reverse=True)[:_MOST_EMBEDDED]
    meanings = similarity([candidate.text for candidate in by_terms]) if by_terms else ()
    best_chunk = max((chunk.score for chunk in chunks), default=0.0)
    bonus = _bonus(question, language)
    ranked = []
    for candidate, meaning in zip(by_terms, meanings, strict=True):
        terms = term_share(candidate)
        # Without scores, of another retriever, every chunk counts as the best.
        retrieved = chunks[candidate.chunk].score / best_chunk if best_chunk else 1.0
        score = _TERMS * terms + _MEANING * meaning + _CHUNK * retrieved + bonus(candidate.text)
        ranked.append(
            Sentence(candidate.chunk, candidate.start, candidate.text, terms, score, meaning)
        )
    return sorted(ranked, key=lambda sentence: sentence.score, reverse=True)


def _candidates(chunks: Sequence[ScoredChunk], language: Language) -> Iterator[_Candidate]:
    seen: set[str] = set()
    for index, chunk in enumerate(chunks):
        spans = split_sentences(chunk.text)
        keys = [term_keys(chunk.text[start:end], language) for start, end in spans]
        around = term_keys(" ".join(chunk.headings), language).union(*keys)
        for position, (start, end) in enumerate(spans):
            text = chunk.text[start:end]
            if text not in seen and any(map(str.isalnum, text)):
                seen.add(text)
                before = keys[position - 1] if position else frozenset()
                yield _Candidate(index, start, text, keys[position], before, around)


def _term_share(
    question: str, candidates: Sequence[_Candidate], language: Language
) -> Callable[[_Candidate], float]:
    """Return the function that gives a candidate's share of the question's terms, 0 to 1."""
    weights: dict[_Keys, float] = {}
    for keys in content_terms(question, language).values():
        holding = sum(not keys.isdisjoint(candidate.keys) for candidate in candidates)
        weights[keys] = math.log(1 + len(candidates) / (holding + 0.5))
    total = sum(weights.values()) or 1.0

    def share(candidate: _Candidate) -> float:
        return sum(weight * _found(keys, candidate) for keys, weight in weights.items()) / total

    return share


def _found(keys: _Keys, candidate: _Candidate) -> float:
    if not keys.isdisjoint(candidate.keys):
        return 1.0
    if not keys.isdisjoint(candidate.before):
        return _BEFORE
    return 0.0 if keys.isdisjoint(candidate.around) else _AROUND


def _bonus(question: str, language: Language) -> Callable[[str], float]:
    """Return the function that rewards what is asked for and counts off what can't answer."""
    holds_asked = _asked(question, language)

    def bonus(text: str) -> float:
        unfinished = _UNFINISHED * (_END.search(text) is None)
        no_answer = _NO_ANSWER * (text.endswith("?") + (len(words(text)) < _FEWEST_WORDS))
        return _ASKED * holds_asked(text) - unfinished - no_answer

    return bonus


def _asked(question: str, language: Language) -> Callable[[str], bool]:
    """Return the test whether a text holds the kind of thing that ``question`` asks for."""
    plain = fold(question)
    if _WHEN.search(plain):
        return lambda text: _DATE.search(fold(text)) is not None
    if _HOW_MANY.search(plain):
        return lambda text: any(map(is_number, words(text)))
    if _WHO.search(plain):
        known = frozenset(map(fold, words(question)))
        return lambda text: any(
            word[0].isupper() and not is_stopword(word, language) and fold(word) not in known
            for word in words(text)[1:]
        )
    return lambda text: False
