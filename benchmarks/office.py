"""How an answer to a question on the office folders is judged, as the set's own README says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_NUMBER_WORDS = {
    word: str(number)
    for number, words in enumerate(
        "two dois duas,three tres,four quatro,five cinco,six seis,seven sete,eight oito,nine nove,"
        "ten dez,eleven onze,twelve doze".split(","),
        2,
    )
    for word in words.split()
}
_OPENING = {"yes": r"(yes|sim)\b", "no": r"(no|nao)\b"}


def right(row: Mapping[str, Any], text: str) -> bool:
    """Return whether a text answers an answerable question: holds what is accepted, all if so."""
    held = [_holds(text, answer) for answer in row["answers"]]
    if row.get("all"):
        return all(held)
    if any(held) or any(_holds(text, other) for other in row.get("also", ())):
        return True
    return bool(row.get("yes_no") and re.match(_OPENING[row["yes_no"]], _fold(text)))


def _holds(text: str, wanted: str) -> bool:
    """Return whether no letter or figure continues what is wanted: 30 days is not in 130 days."""
    pattern = rf"(?<![^\W_])(?<!\d[.,]){re.escape(_fold(wanted))}(?![^\W_])(?![.,]\d)"
    return re.search(pattern, _fold(text)) is not None


def _fold(text: str) -> str:
    """Return a text without case, accents, number words, ``,00``, and spaces in R$ 5 and 5 %."""
    plain = unicodedata.normalize("NFKD", text.replace("−", "-").replace("’", "'").casefold())
    plain = " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())
    plain = re.sub(r"[a-z]+", lambda word: _NUMBER_WORDS.get(word[0], word[0]), plain)
    return re.sub(
        r"(?<=\d)[.,]0{1,2}(?!\d)", "", re.sub(r"(?<=\d) (?=%)|(?<=\$) (?=\d)", "", plain)
    )
