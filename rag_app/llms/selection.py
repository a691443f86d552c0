"""Choose the sentences of the chunks that answer a question, or none.

A sentence is chosen by how near it comes in meaning to the question, by the share of the question's
terms in it and around it, by how well its chunk was retrieved, and by whether it holds what is
asked for. What each counts was fitted (see `confidence`), alike for all languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest import (
    EmbeddingModel,
    detect_language,
    identify_language,
    in_different_languages,
)
from rag_app.llms.confidence import Signals, calibration
from rag_app.llms.sentences import Candidate, candidates, with_sentences
from rag_app.types import ScoredChunk

# An answer has so many sentences, or more if they are short.
_SENTENCES, _MOST_SENTENCES = 3, 6
_MOST_WORDS = 60
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
        asked_in: The language of the question, as it is identified.
        chunks: What was retrieved, best first.
        sentences: The distinct sentences of the chunks, best first; at least one.
    """

    asked_in: str
    chunks: tuple[ScoredChunk, ...]
    sentences: tuple[Sentence, ...]

    @property
    def signals(self) -> Signals:
        """What the confidence in an answer is made of."""
        best = self.sentences[0].candidate
        found = identify_language(self.chunks[best.chunk].text)
        across = in_different_languages(self.asked_in, found)
        return Signals.of(self.chunks, best.features, across=across)

    @property
    def confidence(self) -> float:
        """The probability, 0 to 1, that the chunks answer the question."""
        return calibration().probability(self.signals)

    @property
    def margin(self) -> float:
        """How much surer the reader is than an answer needs, below 0 for none."""
        return self.confidence - calibration().threshold


def best_sentences(
    question: str, chunks: Sequence[ScoredChunk], embedding: EmbeddingModel
) -> list[Candidate]:
    """Return the sentences that answer in reading order, or none when nothing answers."""
    reading = read(question, chunks, embedding)
    return choose(reading.sentences) if reading and reading.margin >= 0 else []


def is_worth_asking(
    question: str, chunks: Sequence[ScoredChunk], embedding: EmbeddingModel
) -> bool:
    """Return whether a chat model may find an answer in the chunks."""
    reading = read(question, chunks, embedding)
    return reading is not None and reading.confidence >= calibration().floor


def read(question: str, chunks: Sequence[ScoredChunk], embedding: EmbeddingModel) -> Reading | None:
    """Return what the question finds in ``chunks``, best first; None if they have no sentence."""
    chunks = with_sentences(question, chunks, embedding)
    found = candidates(question, chunks, detect_language(question))
    return Reading(identify_language(question), chunks, tuple(rank(found))) if found else None


def rank(found: Sequence[Candidate]) -> list[Sentence]:
    """Return the sentences best first, with the probability that each is the answer.

    The probabilities are the softmax of the scores, as their weights were fitted (Cao et al.,
    "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007).
    """
    scores = np.array([calibration().score(one.features) for one in found])
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    order = np.argsort(-scores, kind="stable")
    return [Sentence(found[at], float(shares[at])) for at in order]


def choose(sentences: Sequence[Sentence]) -> list[Candidate]:
    """Return the fewest of the best sentences that are enough, in reading order.

    At most three, or up to six in at most 60 words: rows of a table and items of a list are short.
    """
    chosen: list[Candidate] = []
    share, words = 0.0, 0
    for sentence in sentences[:_MOST_SENTENCES]:
        words += len(sentence.candidate.text.split())
        if len(chosen) >= _SENTENCES and words > _MOST_WORDS:
            break
        chosen.append(sentence.candidate)
        share += sentence.share
        if share >= _ENOUGH:
            break
    return sorted(chosen, key=lambda one: (one.chunk, one.start))
