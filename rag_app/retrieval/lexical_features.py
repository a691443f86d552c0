"""Lexical features beside BM25 over terms: character n-grams, and file names in the question."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ingest import detect_language
from ingest.text.bm25 import idf, length_norms
from ingest.text.terms import content_terms, term

_WORD = re.compile(r"[^\W_]+")
_SUFFIX = re.compile(r"\.[^./]*$")


def named_scores(question: str, sources: Sequence[str]) -> NDArray[np.float64]:
    """Return how well the question names each file, 0 to 1; shape (sources,).

    "Revenue in Q2 2023" names "2023 Q2 X.pdf". The score is the idf-weighted share, of all file
    name words in the question, that this name has; idf is taken over ``sources``. A match of one
    word out of several is likely a coincidence and scores 0.
    """
    language = detect_language(question)
    wanted = frozenset().union(*content_terms(question, language).values())
    names = {
        source: {term(word, language) for word in _WORD.findall(_SUFFIX.sub("", source))}
        for source in sources
    }
    found = {
        source: {keys for keys in name if not keys.isdisjoint(wanted)}
        for source, name in names.items()
    }
    counts = Counter(keys for name in names.values() for keys in name)
    rarity = {keys: idf(counts[keys], len(names)) for keys in set().union(*found.values())}
    total = sum(rarity.values()) or 1.0
    shares = {
        source: sum(rarity[keys] for keys in named) / total
        if len(named) > 1 or named == names[source]
        else 0.0
        for source, named in found.items()
    }
    return np.array([shares[source] for source in sources], np.float64)


_GRAM = 4  # characters; chosen by hand
_NOT_WORD = re.compile(r"[\W_]+")
_ACCENT = re.compile(r"[\u0300-\u036f]")


def gram_scores(question: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return each text's BM25 score for the question's character 4-grams; shape (texts,).

    Document frequencies and the mean length are taken over ``texts``.
    """
    grams = list(dict.fromkeys(_grams(question)))
    if not grams or not texts:
        return np.zeros(len(texts))
    plain = [_plain(text) for text in texts]
    counts = np.array([[text.count(gram) for gram in grams] for text in plain], np.float64)
    lengths = np.array([len(text) for text in plain], np.float64)
    norms = length_norms(lengths, lengths.mean())
    rarity = idf((counts > 0).sum(axis=0), len(texts))
    scores: NDArray[np.float64] = (counts / (counts + norms[:, None])) @ rarity
    return scores


def _grams(question: str) -> Iterator[str]:
    """Yield the 4-grams of the content words; the spaces around a word count as letters."""
    for word in content_terms(question, detect_language(question)):
        text = _plain(word)
        yield from (text[at : at + _GRAM] for at in range(max(1, len(text) - _GRAM + 1)))


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Return the words of a text without case and accents, with spaces around each."""
    lowered = text.lower()
    if not lowered.isascii():
        lowered = _ACCENT.sub("", unicodedata.normalize("NFKD", lowered))
    return f" {_NOT_WORD.sub(' ', lowered)} "
