"""Order the chunks that an index found, looking ever closer at ever fewer.

1. All candidates, by meaning, by terms, and by whether the question names their file.
2. The best 50, by parts of words too, and by how close together the question's terms stand.
3. The best 10, by their tokens or by their nearest sentence too: how near in meaning they come.

Last, chunks of several files are preferred to as good ones of a single file.

Scores are put on a scale from 0 to 1 over the question's candidates and added with weights (Bruch
et al., "An Analysis of Fusion Functions for Hybrid Retrieval", 2023). How far the embedding model
is trusted depends on the question's language: MiniLM was trained on English.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ingest import Candidate, EmbeddingModel, Language, detect_language
from rag_app.interaction import sentence_scores, token_scores
from rag_app.retrieval.matching import gram_scores, named_scores, proximity_scores

_MATCHED = 50
_READ = 10
# What a chunk loses, before scaling, for each chunk of its file that is better.
_ONE_MORE = 0.1

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each score counts, all between 0 and 1.

    Attributes:
        dense: The cosine against the lexical scores, which count the rest.
        grams: Parts of words against whole terms, within the lexical share.
        proximity: Terms close together, on top.
        sentence: The sentence nearest in meaning, on top.
        tokens: The tokens nearest in meaning to the question's, on top.
        named: The words of the file's name in the question, on top.
    """

    dense: float
    grams: float
    proximity: float
    sentence: float
    tokens: float
    named: float

    @property
    def total(self) -> float:
        """The highest score there can be."""
        return 1 + self.proximity + self.sentence + self.tokens + self.named


# Chosen by benchmarks/retrieval/weights.py on every second question of five public sets; what is
# reported of them is the other half.
WEIGHTS: Mapping[Language, Weights] = {
    "en": Weights(dense=0.7, grams=0.0, proximity=0.6, sentence=0.0, tokens=2.0, named=0.5),
    "pt": Weights(dense=0.2, grams=0.75, proximity=0.6, sentence=1.0, tokens=0.0, named=0.5),
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
    named: float
    grams: float | None = None
    proximity: float | None = None
    sentence: float | None = None
    tokens: float | None = None


def rank(
    question: str,
    candidates: Sequence[Candidate],
    embedding: EmbeddingModel,
    weights: Weights | None = None,
) -> list[Ranked]:
    """Return the candidates best first, of equal texts only the best, with scores from 0 to 1.

    The weights are those of the question's language if none are given.
    """
    weights = weights or WEIGHTS[detect_language(question)]
    found = _sorted(_fuse(question, candidates, weights))
    matched = _sorted(_match(question, found[:_MATCHED], weights))
    read = _sorted(_read(question, matched[:_READ], embedding, weights))
    distinct = _without_copies([*read, *matched[_READ:], *found[_MATCHED:]])
    return _descending(_spread(_descending(distinct), weights))


def in_order(ranked: Ranked) -> tuple[float, str, int]:
    """Sort by score; equal scores by place, so that the order never depends on history."""
    row = ranked.candidate.row
    return -round(ranked.score, 9), row.source, row.ordinal


def scaled(scores: ArrayLike) -> Scores:
    """Return scores on a scale from 0 to 1; equal ones are all 1, or 0 if they are not above 0."""
    values = np.asarray(scores, np.float64)
    if not values.size or values.max() == values.min():
        return (values > 0).astype(np.float64)
    result: Scores = (values - values.min()) / (values.max() - values.min())
    return result


def _fuse(question: str, candidates: Sequence[Candidate], weights: Weights) -> list[Ranked]:
    dense = scaled([candidate.dense for candidate in candidates])
    lexical = scaled([candidate.lexical for candidate in candidates])
    named = named_scores(question, [candidate.row.source for candidate in candidates])
    fused = weights.dense * dense + (1 - weights.dense) * lexical
    scores = (fused + weights.named * named) / weights.total
    parts = zip(scores.tolist(), dense.tolist(), lexical.tolist(), named.tolist(), strict=True)
    return [Ranked(one, *values) for one, values in zip(candidates, parts, strict=True)]


def _match(question: str, ranked: Sequence[Ranked], weights: Weights) -> list[Ranked]:
    """Add how parts of words match, and how close together the terms stand."""
    texts = [one.candidate.row.chunk.embedding_text for one in ranked]
    grams = scaled(gram_scores(question, texts) if weights.grams else np.zeros(len(texts)))
    close = proximity_scores(question, texts)
    matched = []
    for one, parts, proximity in zip(ranked, grams, close, strict=True):
        lexical = (1 - weights.grams) * one.lexical + weights.grams * parts
        fused = weights.dense * one.dense + (1 - weights.dense) * lexical
        extra = weights.proximity * proximity + weights.named * one.named
        score = (fused + extra) / weights.total
        matched.append(
            replace(one, score=float(score), grams=float(parts), proximity=float(proximity))
        )
    return matched


def _read(
    question: str, ranked: Sequence[Ranked], embedding: EmbeddingModel, weights: Weights
) -> list[Ranked]:
    """Add how near the sentences or the tokens come to the question."""
    texts = [one.candidate.row.chunk.text for one in ranked]
    nothing: list[float | None] = [None] * len(texts)
    by_sentence = sentence_scores(question, texts, embedding) if weights.sentence else nothing
    by_tokens = token_scores(question, texts, embedding) if weights.tokens else nothing
    read = []
    for one, sentence, tokens in zip(ranked, by_sentence, by_tokens, strict=True):
        extra = weights.sentence * (sentence or 0.0) + weights.tokens * (tokens or 0.0)
        score = one.score + extra / weights.total
        read.append(replace(one, score=score, sentence=sentence, tokens=tokens))
    return read


def _sorted(ranked: Sequence[Ranked]) -> list[Ranked]:
    return sorted(ranked, key=in_order)


def _without_copies(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Leave out chunks that say the same, but for white space, as one before them."""
    first: dict[str, Ranked] = {}
    for one in ranked:
        first.setdefault(" ".join(one.candidate.row.chunk.text.split()), one)
    return list(first.values())


def _spread(ranked: Sequence[Ranked], weights: Weights) -> list[Ranked]:
    """Put nearly as good chunks of other files before one more of the same file."""
    before: Counter[str] = Counter()
    lowered = []
    for one in ranked:
        source = one.candidate.row.source
        lowered.append((one.score - _ONE_MORE * before[source] / weights.total, one))
        before[source] += 1
    return [one for _, one in sorted(lowered, key=lambda pair: -pair[0])]


def _descending(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Lower the scores of those that stand behind others with a lower one."""
    scores = np.minimum.accumulate([one.score for one in ranked]) if ranked else ()
    return [replace(one, score=float(score)) for one, score in zip(ranked, scores, strict=True)]
