"""Choose the sentences of the chunks that answer a question, or none.

A sentence is chosen by how near it comes in meaning to the question, by the share of the question's
terms in it, above it and before it, by how well its chunk was retrieved, and by whether it holds
what is asked for. What each counts was fitted (see `confidence`), alike for all languages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest import EmbeddingModel, detect_language
from rag_app.extractive.answerability import Calibration, Signals, calibration
from rag_app.extractive.sentence_features import (
    Candidate,
    candidates,
    misses_number,
    with_sentences,
)
from rag_app.types import ScoredChunk

# An answer has so many sentences, or more if they are short.
_SENTENCES, _MOST_SENTENCES = 3, 6
_MOST_WORDS = 60
_LONGEST_LIST = 80  # words
# It ends when it holds, this probably, what the chunks say of the question.
_ENOUGH = 0.95


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a chunk.

    Attributes:
        candidate: The sentence, and what speaks for it.
        share: The probability, 0 to 1, that it is the one that answers, if any does.
    """

    candidate: Candidate
    share: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question finds in chunks.

    Attributes:
        chunks: What was retrieved, best first.
        sentences: The sentences of the chunks, best first; at least one.
        is_of_another: Whether a number or identifier of the question stands nowhere in the chunks.
    """

    chunks: tuple[ScoredChunk, ...]
    sentences: tuple[Sentence, ...]
    is_of_another: bool = False

    @property
    def signals(self) -> Signals:
        """What the confidence in an answer is made of."""
        return Signals.of(self.chunks, [one.candidate for one in self.sentences])

    @property
    def confidence(self) -> float:
        """The probability, 0 to 1, that the chunks answer the question."""
        if self.is_of_another:
            return 0.0
        return calibration().probability(self.signals)

    @property
    def nearest(self) -> list[Candidate]:
        """What comes nearest to an answer, best first; nothing where hardly anything may be."""
        if self.confidence < calibration().floor:
            return []
        return [one.candidate for one in self.sentences[:_SENTENCES]]

    @property
    def margin(self) -> float:
        """How much surer the reader is than an answer needs, below 0 for none."""
        return self.confidence - calibration().threshold


def best_sentences(reading: Reading | None) -> list[Candidate]:
    """Return the sentences that answer in reading order, or none when nothing answers."""
    return choose(reading.sentences) if reading and reading.margin >= 0 else []


def read(question: str, chunks: Sequence[ScoredChunk], embedding: EmbeddingModel) -> Reading | None:
    """Return what the question finds in ``chunks``, best first; None if they have no sentence."""
    chunks = with_sentences(question, chunks, embedding)
    language = detect_language(question)
    found = candidates(question, chunks, language)
    if not found:
        return None
    return Reading(chunks, tuple(rank(found)), misses_number(question, chunks, language))


def rank(found: Sequence[Candidate], weights: Calibration | None = None) -> list[Sentence]:
    """Return the sentences best first, with the probability that each is the answer.

    They are scored by the weights of the package, or by others.

    The probabilities are the softmax of the scores, as their weights were fitted (Cao et al.,
    "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007).
    """
    weights = weights or calibration()
    scores = np.array([weights.score(one.features) for one in found])
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    order = np.argsort(-scores, kind="stable")
    return [Sentence(found[at], float(shares[at])) for at in order]


def choose(sentences: Sequence[Sentence]) -> list[Candidate]:
    """Return the fewest of the best sentences that are enough, in reading order.

    At most three, or up to six in at most 60 words: rows of a table and items of a list are short.
    Of a table come only the rows that the question names, if it names one. Then comes the best
    sentence for each name or number of the question that none of these is about, and the rest of a
    list of which two items are chosen, if the whole takes at most 80 words.
    """
    chosen = _enough(sentences)
    missing = set(chosen[0].missing).intersection(*(one.missing for one in chosen))
    for sentence in sentences:
        if not missing <= sentence.candidate.missing.keys():
            chosen.append(sentence.candidate)
            missing &= sentence.candidate.missing.keys()
    lists = Counter(_list(one) for one in chosen if one.list is not None)
    for where, count in lists.items():
        whole = [one.candidate for one in sentences if _list(one.candidate) == where]
        if count > 1 and sum(len(one.text.split()) for one in whole) <= _LONGEST_LIST:
            chosen += (one for one in whole if one not in chosen)
    return sorted(chosen, key=lambda one: (one.chunk, one.start))


def _enough(sentences: Sequence[Sentence]) -> list[Candidate]:
    chosen: list[Candidate] = []
    share, words = 0.0, 0
    for sentence in sentences[:_MOST_SENTENCES]:
        if not any(_adds_nothing(sentence.candidate, one) for one in chosen):
            words += len(sentence.candidate.text.split())
            if len(chosen) >= _SENTENCES and words > _MOST_WORDS:
                break
            chosen.append(sentence.candidate)
        share += sentence.share
        if share >= _ENOUGH:
            break
    return chosen


def _adds_nothing(candidate: Candidate, chosen: Candidate) -> bool:
    """Return whether it says the same, or is a row beside the one that the question names."""
    if not candidate.head or (candidate.chunk, candidate.head) != (chosen.chunk, chosen.head):
        return candidate.text == chosen.text
    names_other = candidate.missing.keys() > chosen.missing.keys()
    return names_other or candidate.features.terms == 0 < chosen.features.terms


def _list(candidate: Candidate) -> tuple[int, int | None]:
    return candidate.chunk, candidate.list
