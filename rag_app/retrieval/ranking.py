"""Rank the candidates of a question: a weighted sum of dense and lexical scores, and MMR.

Half of a score is dense: the cosines of the chunk and of its nearest sentence. The other half is
lexical: BM25 over terms and over character n-grams. Cosines are lower where chunk and question are
in different languages: there they are raised, and lexical scores count little. A file that the
question names gets a bonus. Each part is min-max scaled over the question's candidates (Bruch et
al., "An Analysis of Fusion Functions for Hybrid Retrieval", 2023).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ingest import Candidate, identify_language, in_different_languages
from rag_app.retrieval.lexical_features import gram_scores, named_scores

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of the parts of a score, each from 0 to 1.

    Attributes:
        meaning: Weight of the dense half; the lexical half has the rest.
        across: The same for a chunk in another language than the question.
        gap: Added to the cosines of such a chunk, which are lower by about as much.
        sentence: Weight of the nearest sentence in the dense half; the chunk has the rest.
        grams: Weight of character n-grams in the lexical half; terms have the rest.
        named: Bonus of a file that the question names.
        repeated: Subtracted from a chunk for each better chunk of its document.
    """

    meaning: float = 0.5
    across: float = 0.95
    gap: float = 0.02
    sentence: float = 0.5
    grams: float = 0.4
    named: float = 0.2
    repeated: float = 0.06

    @property
    def total(self) -> float:
        """The highest possible score before scaling."""
        return 1 + self.named


# Chosen by hand on a coarse grid over the public data sets, the same for all of them;
# benchmarks/retrieval/weights.py searches a finer grid on every second question.
WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score and the components of it, each from 0 to 1."""

    candidate: Candidate
    score: float
    dense: float
    sentence: float
    lexical: float
    grams: float
    named: float


def rank(
    question: str, candidates: Sequence[Candidate], weights: Weights = WEIGHTS
) -> list[Ranked]:
    """Return the candidates best first, without duplicate texts, with scores from 0 to 1."""
    ranked = sorted(_scored(question, candidates, weights), key=in_order)
    return _spread(_without_duplicates(ranked), weights.repeated / weights.total)


def in_order(ranked: Ranked) -> tuple[float, str, int]:
    """Sort key: the score, then the location, so that ties never depend on index history."""
    row = ranked.candidate.row
    return -round(ranked.score, 9), row.source, row.ordinal


def scaled(scores: ArrayLike) -> Scores:
    """Return min-max scaled scores, shape (n,); equal scores are all 1 if positive, else 0."""
    values = np.asarray(scores, np.float64)
    if not values.size or values.max() == values.min():
        return (values > 0).astype(np.float64)
    result: Scores = (values - values.min()) / (values.max() - values.min())
    return result


def _scored(question: str, candidates: Sequence[Candidate], weights: Weights) -> list[Ranked]:
    language = identify_language(question)
    across = np.array([in_different_languages(language, one.row.language) for one in candidates])
    gaps = weights.gap * across
    dense = scaled([one.dense for one in candidates] + gaps)
    sentence = scaled([_nearest_sentence(one) for one in candidates] + gaps)
    lexical = scaled([one.lexical for one in candidates])
    grams = scaled(gram_scores(question, [one.row.lexical_text for one in candidates]))
    named = named_scores(question, [one.row.path for one in candidates])
    share = np.where(across, weights.across, weights.meaning)
    meaning = (1 - weights.sentence) * dense + weights.sentence * sentence
    words = (1 - weights.grams) * lexical + weights.grams * grams
    scores = (share * meaning + (1 - share) * words + weights.named * named) / weights.total
    parts = (part.tolist() for part in (scores, dense, sentence, lexical, grams, named))
    return [Ranked(one, *values) for one, *values in zip(candidates, *parts, strict=True)]


def _nearest_sentence(candidate: Candidate) -> float:
    return max((one.cosine for one in candidate.sentences), default=candidate.dense)


def _without_duplicates(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Drop chunks whose text, apart from white space, is that of a better one."""
    first: dict[str, Ranked] = {}
    for one in ranked:
        first.setdefault(_on_one_line(one.candidate.row.chunk.text), one)
    return list(first.values())


@lru_cache(maxsize=4096)
def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _spread(ranked: Sequence[Ranked], loss: float) -> list[Ranked]:
    """Lower the score of a chunk by ``loss`` for each better chunk of its file."""
    before: Counter[str] = Counter()
    lowered = []
    for one in ranked:
        source = one.candidate.row.source
        better = before[source]
        before[source] += 1
        score = max(one.score - loss * better, 0.0)
        lowered.append(replace(one, score=score) if better else one)
    return sorted(lowered, key=in_order)


_MMR_DEPTH = 30  # chosen by hand


def mmr(ranked: Sequence[Ranked], diversity: float) -> list[Ranked]:
    """Return ``ranked`` with the best 30 reordered by maximal marginal relevance.

    Each rank goes to the chunk with the highest ``(1 - diversity) * score - diversity *
    similarity`` to the chunks already ranked (Carbonell and Goldstein, "The Use of MMR", 1998).

    Args:
        ranked: Best first.
        diversity: 0 keeps the order; 1 considers similarity only.
    """
    waiting = list(ranked[:_MMR_DEPTH])
    if diversity == 0 or len(waiting) < 2:
        return list(ranked)
    vectors = np.array([one.candidate.vector for one in waiting])
    similarity = vectors @ vectors.T
    scores = np.array([one.score for one in waiting])
    placed = [0]
    while len(placed) < len(waiting):
        worth = (1 - diversity) * scores - diversity * similarity[:, placed].max(axis=1)
        worth[placed] = -np.inf
        placed.append(int(worth.argmax()))
    return [*(waiting[at] for at in placed), *ranked[_MMR_DEPTH:]]
