"""Match a question with texts by meaning: token by token, or by the nearest sentence.

Token by token is late interaction (Khattab and Zaharia, "ColBERT", 2020, arXiv:2004.12832): each
token of the question looks for the token nearest in meaning. A sentence is read in the light of the
whole text around it, so that "he" in it can match the name that comes before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest import EmbeddingModel, split_sentences

_WEAKEST = 3
_SHORTEST_SENTENCE = 20


@dataclass(frozen=True, slots=True)
class Match:
    """How well a stretch of text matches a question; cosines, 0 where there are no tokens.

    Attributes:
        mean: Of each token of the question and the nearest of the stretch.
        weakest: The same of the three tokens of the question that match worst.
    """

    mean: float
    weakest: float


@dataclass(frozen=True, slots=True)
class MatchedText:
    """A text beside a question.

    Attributes:
        spans: Where each token of the text starts and ends, of shape (tokens, 2).
        cosines: Of the tokens, of shape (tokens of the question, tokens of the text).
    """

    spans: NDArray[np.int64]
    cosines: NDArray[np.float32]

    @property
    def whole(self) -> Match:
        """How well all of the text matches."""
        return _match(self.cosines)

    def within(self, *stretches: tuple[int, int]) -> Match:
        """Return how well the tokens of stretches of the text, as (start, end), match."""
        starts, ends = self.spans.T
        inside = [(starts >= start) & (ends <= end) for start, end in stretches]
        return _match(self.cosines[:, np.logical_or.reduce(inside)])


def match_tokens(
    question: str, texts: Sequence[str], embedding: EmbeddingModel
) -> list[MatchedText]:
    """Return each text beside the question."""
    asked, *found = embedding.embed_tokens([question, *texts])
    return [MatchedText(text.spans, asked.vectors @ text.vectors.T) for text in found]


def token_scores(question: str, texts: Sequence[str], embedding: EmbeddingModel) -> list[float]:
    """Return how near each text comes to the tokens of the question, 0 to 1."""
    return [max(text.whole.mean, 0.0) for text in match_tokens(question, texts, embedding)]


def sentence_scores(question: str, texts: Sequence[str], embedding: EmbeddingModel) -> list[float]:
    """Return how near the sentence of each text that is nearest comes to the question, 0 to 1."""
    split = [_sentences(text) for text in texts]
    vectors = embedding.embed_sentences([sentence for part in split for sentence in part])
    cosines = iter((vectors @ embedding.embed_query(question)).tolist())
    return [max(0.0, *(next(cosines) for _ in part)) for part in split]


def _sentences(text: str) -> list[str]:
    """Return the sentences of a text, or all of it if none is long enough to say something."""
    sentences = [text[start:end] for start, end in split_sentences(text)]
    return [sentence for sentence in sentences if len(sentence) >= _SHORTEST_SENTENCE] or [text]


def _match(cosines: NDArray[np.float32]) -> Match:
    if not cosines.size:
        return Match(0.0, 0.0)
    nearest = cosines.max(axis=1)
    return Match(float(nearest.mean()), float(np.sort(nearest)[:_WEAKEST].mean()))
