"""Order the chunks that an index found, looking ever closer at ever fewer.

1. All candidates, by meaning and by terms.
2. The best 50, by parts of words too, and by how close together the question's terms stand.
3. The best 10, by the sentence nearest in meaning too.

Scores are put on a scale from 0 to 1 over the question's candidates and added with weights (Bruch
et al., "An Analysis of Fusion Functions for Hybrid Retrieval", 2023). How far the embedding model
is trusted depends on the question's language: MiniLM was trained on English.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ingest import Candidate, EmbeddingModel, Language, detect_language, split_sentences
from rag_app.retrieval.matching import gram_scores, proximity_scores

_MATCHED = 50
_READ = 10
_SHORTEST_SENTENCE = 20

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each score counts, all between 0 and 1.

    Attributes:
        dense: The cosine against the lexical scores, which count the rest.
        grams: Parts of words against whole terms, within the lexical share.
        proximity: Terms close together, on top.
        sentence: The sentence nearest in meaning, on top.
    """

    dense: float
    grams: float
    proximity: float = 0.25
    sentence: float = 0.45

    @property
    def total(self) -> float:
        """The highest score there can be."""
        return 1 + self.proximity + self.sentence


# Chosen by hand on SciFact, XQuAD-en, ClapNQ and FaQuAD, with all their questions in view: what
# these sets measure of the ranking is not held out.
WEIGHTS: Mapping[Language, Weights] = {
    "en": Weights(dense=0.6, grams=0.35),
    "pt": Weights(dense=0.25, grams=0.6),
}


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score, and what it is made of, on a scale from 0 to 1.

    The later parts are None for a candidate that was not looked at so closely.
    """

    candidate: Candidate
    score: float
    dense: float
    lexical: float
    grams: float | None = None
    proximity: float | None = None
    sentence: float | None = None


def rank(question: str, candidates: Sequence[Candidate], embedding: EmbeddingModel) -> list[Ranked]:
    """Return the candidates best first, with scores between 0 and 1."""
    weights = WEIGHTS[detect_language(question)]
    found = _sorted(_fuse(candidates, weights))
    matched = _sorted(_match(question, found[:_MATCHED], weights))
    read = _sorted(_read(question, matched[:_READ], embedding, weights))
    return _descending([*read, *matched[_READ:], *found[_MATCHED:]])


def in_order(ranked: Ranked) -> tuple[float, str, int]:
    """Sort by score; equal scores by place, so that the order never depends on history."""
    row = ranked.candidate.row
    return -round(ranked.score, 9), row.source, row.ordinal


def scaled(scores: ArrayLike) -> Scores:
    """Return scores on a scale from 0 to 1; all 0 if they are equal."""
    values = np.asarray(scores, np.float64)
    if not values.size or values.max() == values.min():
        return np.zeros_like(values)
    result: Scores = (values - values.min()) / (values.max() - values.min())
    return result


def _fuse(candidates: Sequence[Candidate], weights: Weights) -> list[Ranked]:
    dense = scaled([candidate.dense for candidate in candidates])
    lexical = scaled([candidate.lexical for candidate in candidates])
    scores = (weights.dense * dense + (1 - weights.dense) * lexical) / weights.total
    return [
        Ranked(candidate, float(score), float(meaning), float(terms))
        for candidate, score, meaning, terms in zip(candidates, scores, dense, lexical, strict=True)
    ]


def _match(question: str, ranked: Sequence[Ranked], weights: Weights) -> list[Ranked]:
    """Add how parts of words match, and how close together the terms stand."""
    texts = [one.candidate.row.chunk.embedding_text for one in ranked]
    grams = scaled(gram_scores(question, texts))
    close = proximity_scores(question, texts)
    matched = []
    for one, parts, proximity in zip(ranked, grams, close, strict=True):
        lexical = (1 - weights.grams) * one.lexical + weights.grams * parts
        fused = weights.dense * one.dense + (1 - weights.dense) * lexical
        score = (fused + weights.proximity * proximity) / weights.total
        matched.append(
            replace(one, score=float(score), grams=float(parts), proximity=float(proximity))
        )
    return matched


def _read(
    question: str, ranked: Sequence[Ranked], embedding: EmbeddingModel, weights: Weights
) -> list[Ranked]:
    """Add the cosine of the sentence nearest to the question."""
    split = [_sentences(one.candidate.row.chunk.text) for one in ranked]
    vectors = embedding.embed_sentences([sentence for part in split for sentence in part])
    cosines = vectors @ embedding.embed_query(question)
    ends = np.cumsum([len(part) for part in split])
    parts = np.split(cosines, ends[:-1]) if split else []
    nearest = [max(float(part.max()), 0.0) for part in parts]
    return [
        replace(one, score=one.score + weights.sentence * cosine / weights.total, sentence=cosine)
        for one, cosine in zip(ranked, nearest, strict=True)
    ]


def _sentences(text: str) -> list[str]:
    """Return the sentences of a chunk, or all of it if none is long enough to say something."""
    sentences = [text[start:end] for start, end in split_sentences(text)]
    return [sentence for sentence in sentences if len(sentence) >= _SHORTEST_SENTENCE] or [text]


def _sorted(ranked: Sequence[Ranked]) -> list[Ranked]:
    return sorted(ranked, key=in_order)


def _descending(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Lower the scores of those that stand behind others for not being looked at closely."""
    scores = np.minimum.accumulate([one.score for one in ranked]) if ranked else ()
    return [replace(one, score=float(score)) for one, score in zip(ranked, scores, strict=True)]
