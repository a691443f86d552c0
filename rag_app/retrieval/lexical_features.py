"""How well a question names a file: "revenue in Q2 2023" and 2023 Q2 X.pdf."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ingest import detect_language
from ingest.text.terms import content_terms, term

_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"\.[^./]*$")


def named_scores(question: str, sources: Sequence[str]) -> NDArray[np.float64]:
    """Return how well the question names each file, 0 to 1; shape (sources,).

    The share of the file names' words in the question that this name has, weighted by rarity among
    ``sources``. One word of several is too common a coincidence and counts as none.
    """
    language = detect_language(question)
    asked = frozenset().union(*content_terms(question, language).values())
    names = {
        source: {term(word, language) for word in _WORD.findall(_ENDING.sub("", source))}
        for source in sources
    }
    found = {
        source: {keys for keys in name if not keys.isdisjoint(asked)}
        for source, name in names.items()
    }
    holding = Counter(keys for name in names.values() for keys in name)
    rarity = {
        keys: math.log1p((len(names) - holding[keys] + 0.5) / (holding[keys] + 0.5))
        for keys in set().union(*found.values())
    }
    total = sum(rarity.values()) or 1.0
    shares = {
        source: sum(rarity[keys] for keys in named) / total
        if len(named) > 1 or named == names[source]
        else 0.0
        for source, named in found.items()
    }
    return np.array([shares[source] for source in sources], np.float64)


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
