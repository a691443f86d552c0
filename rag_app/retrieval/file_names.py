"""How well a question names a file: "revenue in Q2 2023" and 2023 Q2 X.pdf."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ingest import detect_language
from rag_app.terms import content_terms, term

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
