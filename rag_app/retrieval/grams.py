"""How a text matches a question by parts of words.

Four letters in a row match what stemming misses: Portuguese verb forms, compounds, typing errors,
words that two languages share (McNamee and Mayfield, "Character N-Gram Tokenization for European
Language Text Retrieval", 2004).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ingest import detect_language
from rag_app.terms import content_terms

_GRAM = 4
_NOT_WORD = re.compile(r"[\W_]+")
_ACCENT = re.compile(r"[\u0300-\u036f]")
# BM25's saturation of counts and its correction for length.
_K1, _B = 0.9, 0.4


def gram_scores(question: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the BM25 score of each text by the parts of the question's words; shape (texts,).

    Rarity and length are compared among ``texts``.
    """
    grams = list(dict.fromkeys(_grams(question)))
    if not grams or not texts:
        return np.zeros(len(texts))
    plain = [_plain(text) for text in texts]
    counts = np.array([[text.count(gram) for gram in grams] for text in plain], np.float64)
    lengths = np.array([len(text) for text in plain], np.float64)
    norms = _K1 * (1 - _B + _B * lengths / lengths.mean())
    holding = (counts > 0).sum(axis=0)
    rarity = np.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
    scores: NDArray[np.float64] = (counts / (counts + norms[:, None])) @ rarity
    return scores


def _grams(question: str) -> Iterator[str]:
    """Yield the parts of the words on the topic; the spaces around a word count as letters."""
    for word in content_terms(question, detect_language(question)):
        text = _plain(word)
        yield from (text[at : at + _GRAM] for at in range(max(1, len(text) - _GRAM + 1)))


def _plain(text: str) -> str:
    """Return the words of a text without case and accents, each between spaces."""
    lowered = text.lower()
    if not lowered.isascii():
        lowered = _ACCENT.sub("", unicodedata.normalize("NFKD", lowered))
    return f" {_NOT_WORD.sub(' ', lowered)} "
