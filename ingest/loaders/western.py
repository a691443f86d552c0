"""Tell the encodings of Portuguese and English apart by the words that come out.

Read in the wrong encoding, "ação" and "don’t" become "a‡Æo" and "donÕt": letters stand where no
word has them, and symbols inside of words. Each character beyond ASCII is judged by its neighbours;
the rules and the weights were chosen by hand and tried on one half of a question set.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from ingest.text.languages import identify_language

# By how much each is less likely than the first, before a look at the text.
_ENCODINGS = {"cp1252": 0.0, "iso8859_15": 0.01, "mac_roman": 0.04, "cp850": 0.08, "cp860": 0.1}
_RUN = re.compile(rb"[\x80-\xff](?:[\x00-\x7f]{0,8}[\x80-\xff])*")
_AROUND = 8  # bytes
_BEGINNING = 5000  # bytes
_MOST_RUNS = 1000
_LEAST = 0.3
# So few characters say little about other encodings.
_FEW = 4
_FEW_LEAST = -0.4

_FOREIGN = re.compile(r"[^\x00-\x7f]")
_WRONG_CASE = re.compile(
    "(?<=[a-zß-öø-ÿ])[À-ÖØ-ÞŒŠŽŸ]|(?<=[A-Z])[À-ÖØ-Þ](?=[a-z])|(?<=[A-Z])[ß-öø-ÿ](?=[A-Z])"
    "|(?<=[A-Z][A-Z])[ß-öø-ÿ](?![a-z])"
)
_ACCENTED = "àáâãçéêíóôõú"

# In lower case: letters in their usual place in Portuguese.
_USUAL_LETTER = re.compile(
    rf"""
      (?<=[aeioulnrscpm])ç(?=[aouãõáóúâô])
    | (?<=[a-zç])ã(?=[oez\s]|s?(?!\w))
    | (?<=[a-zç])õ(?=[es])
    | (?<!\w)à(?=s?(?!\w)|quel)
    | (?<!\w)é(?!\w)
    | (?<!\w)ê(?=[xnml])
    | (?<![{_ACCENTED}])(?:(?<=[a-z])[áéíóúâêô]|[áéíóúâô](?=[a-z]))(?<!á(?=[aoe]))(?![{_ACCENTED}])
    | (?<=ç)[áóúâô]
    """,
    re.VERBOSE,
)
# Letters of names and of other western languages.
_LETTER = re.compile(
    rf"""
      (?<=[a-zäöü])[ñüöäèëïîûßœ{_ACCENTED}] | [ñüöäèëïîûœ{_ACCENTED}](?=[a-z])
    | (?<=[a-z])[ìòù](?!\w) | (?<!\w)[óôáè](?!\w)
    """,
    re.VERBOSE,
)
_LOAN_LETTER = re.compile("(?<=[a-z])[éèöüäñ]|[éèöü](?=[a-z])|(?<=[aein])ç(?=[aou])")
_NORTHERN_LETTER = re.compile("(?<=[a-z])[åøæð]|[åøæ](?=[a-z])")
# Signs in their usual place in both languages.
_USUAL_SIGN = re.compile(
    r"""
      (?<![^\W_])[“‘«](?=\s?\S)
    | (?<=[\w.,;:!?)%…°])[”’»](?!\w) | (?<=\s)»
    | (?<=\s)[–—] | [–—](?=\s) | (?<=[\d%])[–—](?=\d) | (?<!.)[–—]
    | (?<=[\w.,;!?)”’])…(?!\w)
    | (?<!\S)[•·](?=\s)
    | (?<!\w)[€£](?=\s?\d) | (?<=\$)£ | (?<=\d)€ | (?<=\d\s)€
    | (?<=\d)[°ºª] | (?<=\d\s)° | (?<=[nra.])[ºª](?![a-z])
    | (?<=\d)[²³] | (?<=[kcm ]m)[²³](?!\w) | (?<=\b[a-z])[²³](?!\w) | (?<=\))[²³]
    | (?<![a-z])[½¼¾](?![a-z])
    | (?<=[\d\s])[×÷](?=[\d\s]) | (?<![a-z])±(?=\s?\d)
    | (?<!\w)µ(?=[a-z]{0,2}(?!\w))
    | (?<!\w)§(?=[\d\s§])
    | (?<![a-z])©(?=[\s\d]) | (?<=\w)[®™](?!\w)
    | (?<![a-z])\xa0(?![a-z]) | (?<=\d)\xa0 | \xa0(?=\d)
    """,
    re.VERBOSE,
)
_SIGN = re.compile(
    r"""
      (?<=[a-z])[’\xad](?=[a-zé])
    | (?<!\w)[¿¡](?=\w) | (?<=\s)…(?=\s) | (?<=\d)¹ | £ | (?<=\s)[≠≤≥≈](?=\s)
    | (?<![a-z])\xa0 | \xa0(?![a-z])
    """,
    re.VERBOSE,
)
_CONTRACTION = re.compile(r"(?<=[a-z])’(?=(?:s|t|re|ll|ve|d|m)(?!\w))")
_BEFORE_NAME = re.compile("–(?=[A-Z])")
_DASH = re.compile(r"""(?<=[\w"”)])—(?=["“(\w])""")

# From the least to the most certain.
_PORTUGUESE = {
    _SIGN: 0.4,
    _DASH: 0.4,
    _CONTRACTION: 0.4,
    _LETTER: 0.4,
    _USUAL_LETTER: 1.0,
    _USUAL_SIGN: 1.0,
}
_OTHER = _PORTUGUESE | {_CONTRACTION: 1.0}
_ENGLISH = {
    _SIGN: 0.4,
    _NORTHERN_LETTER: 0.5,
    _LETTER: 0.5,
    _USUAL_LETTER: 0.6,
    _LOAN_LETTER: 0.7,
    _DASH: 1.0,
    _CONTRACTION: 1.0,
    _USUAL_SIGN: 1.0,
}
_WEIGHTS = {"en": _ENGLISH, "pt": _PORTUGUESE}


class Reading(NamedTuple):
    """A text in the encoding that makes the most words of it.

    Attributes:
        encoding: The Python name of the encoding.
        score: Mean plausibility of its characters beyond ASCII: -1 to 1.
        margin: By how much the next encoding that reads it differently scores less.
    """

    encoding: str
    score: float
    margin: float


def read_western(content: bytes) -> Reading | None:
    """Return how a text in Portuguese or English was most likely encoded, or None."""
    sample = _sample(content)
    language = identify_language(content[:_BEGINNING].decode("ascii", errors="replace"))
    texts = [(encoding, _try(sample, encoding)) for encoding in _ENCODINGS]
    scored = [
        (_score(text, language) - _ENCODINGS[encoding], encoding, text)
        for encoding, text in texts
        if text
    ]
    score, encoding, text = max(scored, key=lambda one: one[0])
    margins = [score - other for other, _, read in scored if read != text]
    least = _FEW_LEAST if len(_FOREIGN.findall(text)) < _FEW else _LEAST
    return Reading(encoding, score, min(margins, default=1.0)) if score >= least else None


def _sample(content: bytes) -> bytes:
    """Return the bytes beyond ASCII with those around them."""
    runs = islice(_RUN.finditer(content), _MOST_RUNS)
    return b"\n".join(content[max(0, run.start() - _AROUND) : run.end() + _AROUND] for run in runs)


def _try(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _score(text: str, language: str) -> float:
    """Return the mean weight of the characters beyond ASCII: 1 in the usual place, -1 in none."""
    text = _BEFORE_NAME.sub("—", _WRONG_CASE.sub("\ufffd", text))
    lowered = text.lower()
    weights = {match.start(): -1.0 for match in _FOREIGN.finditer(lowered)}
    for pattern, weight in _WEIGHTS.get(language, _OTHER).items():
        weights |= {match.start(): weight for match in pattern.finditer(lowered)}
    return sum(weights.values()) / max(len(weights), 1)
