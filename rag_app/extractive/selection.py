"""Choose the sentences of the chunks that answer a question, or none.

Sentences are ranked by their cosine with the question, the share of the question's terms in, above
and before them, the score of their chunk, and whether they hold the answer type. The weights are
fitted (see `answerability`).
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

# Chosen on the even halves of the public sets: benchmarks/answers.
_SENTENCES, _MOST_SENTENCES = 3, 6
_MOST_WORDS = 60
_LONGEST_LIST = 80  # words
# Stop when the chosen sentences hold the answer with this probability, if any does.
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
    """The sentences of retrieved chunks, ranked for a question.

    Attributes:
        chunks: The retrieved chunks, best first.
        sentences: Their sentences, best first; at least one.
        is_of_another: Whether a number or identifier of the question is nowhere in the chunks.
    """

    chunks: tuple[ScoredChunk, ...]
    sentences: tuple[Sentence, ...]
    is_of_another: bool = False

    @property
    def signals(self) -> Signals:
        """The features of the confidence."""
        return Signals.of(self.chunks, [one.candidate for one in self.sentences])

    @property
    def confidence(self) -> float:
        """The probability, 0 to 1, that the chunks answer the question."""
        if self.is_of_another:
            return 0.0
        return calibration().probability(self.signals)

    @property
    def nearest(self) -> list[Candidate]:
        """The nearest sentences, best first; empty below the floor."""
        if self.confidence < calibration().floor:
            return []
        return [one.candidate for one in self.sentences[:_SENTENCES]]

    @property
    def margin(self) -> float:
        """The confidence minus the threshold: answers are given from 0 on."""
        return self.confidence - calibration().threshold


def best_sentences(reading: Reading | None) -> list[Candidate]:
    """Return the sentences that answer, in reading order; empty if none does."""
    return choose(reading.sentences) if reading and reading.margin >= 0 else []


def read(question: str, chunks: Sequence[ScoredChunk], embedding: EmbeddingModel) -> Reading | None:
    """Return the reading of ``chunks``, best first; None if they have no sentence."""
    chunks = with_sentences(question, chunks, embedding)
    language = detect_language(question)
    found = candidates(question, chunks, language)
    if not found:
        return None
    return Reading(chunks, tuple(rank(found)), misses_number(question, chunks, language))


def rank(found: Sequence[Candidate], weights: Calibration | None = None) -> list[Sentence]:
    """Return the sentences best first, with the probability that each is the answer.

    The probabilities are the softmax of the scores, as in ListNet (Cao et al. 2007). ``weights``
    replaces the bundled weights.
    """
    weights = weights or calibration()
    scores = np.array([weights.score(one.features) for one in found])
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    order = np.argsort(-scores, kind="stable")
    return [Sentence(found[at], float(shares[at])) for at in order]


def choose(sentences: Sequence[Sentence]) -> list[Candidate]:
    """Return as few of the best sentences as needed, in reading order.

    At most three, or up to six if they take at most 60 words, as table rows and list items do. If
    the question names a row of a table, only that row is taken. Then follow the best sentence for
    each name or number of the question that is missing so far, and the rest of a list of which two
    items are chosen, if the whole list takes at most 80 words.
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
