"""Dates, times, amounts and counts of a sentence as comparable values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from ingest import Language
from ingest.text.terms import MONTHS, SCALES, Word, fold, is_number, number, read_word

Kind = Literal["date", "time", "percent", "money", "count"]

_DIGITS = r"(?<![a-z_]-)(?<![\w.,/])(?<!\d )\d+(?:[.,]\d+)*"
_SCALES = SCALES | {
    "k": 10**3,
    **dict.fromkeys(("m", "mn", "mi"), 10**6),
    **dict.fromkeys(("b", "bn", "bi"), 10**9),
}
_SCALE = rf"(?:\s?(?P<scale>{'|'.join(sorted(_SCALES, key=len, reverse=True))})\b)?"
_CURRENCIES = {
    "dollar": ("us$", "$", "usd", "dollar", "dollars", "dolar", "dolares"),
    "real": ("r$", "brl", "real", "reais"),
    "euro": ("€", "eur", "euro", "euros"),
    "pound": ("£", "gbp", "pound", "pounds"),
}
_MONEY_NAMES = {name: unit for unit, names in _CURRENCIES.items() for name in names}
_MONTH = rf"(?P<month>{'|'.join(MONTHS)})"
_IN = "in|since|until|from|before|after|by|of|year|em|desde|ate|de|ano|apos"
_SYMBOL = r"us\$|r\$|\$|€|£|usd|eur|brl|gbp"
_YEAR = r"(?P<year>1[0-9]{3}|20[0-9]{2})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|º|o)?"
_PATTERNS: dict[Kind, tuple[re.Pattern[str], ...]] = {
    "date": (
        re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b"),
        re.compile(r"\b(?P<first>\d{1,2})([/.-])(?P<second>\d{1,2})\2(?P<year>\d{4})\b"),
        re.compile(rf"\b{_DAY}(?: of| de)? {_MONTH}(?:(?:,| de| of)? {_YEAR})?\b"),
        re.compile(rf"\b{_MONTH} {_DAY}(?:,? {_YEAR})?\b(?! ?%)"),
        re.compile(rf"\b{_MONTH}(?:,| de| of)? {_YEAR}\b"),
        re.compile(
            rf"(?:\b(?:{_IN})(?: the| o)?(?: early| late| mid)? |[(,–-] ?){_YEAR}\b"
            r"(?! ?%|\.\d|,\d| (?:people|students|pessoas|alunos))"
        ),
    ),
    "time": (
        re.compile(
            r"\b(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2}))? ?(?:am|pm|a\.m\.|p\.m\.)(?!\w)"
        ),
        re.compile(r"\b(?P<hour>\d{1,2})(?::|h)(?P<minute>\d{2})\b"),
        re.compile(r"\b(?:as|das|ate as|at) (?P<hour>\d{1,2}) ?(?:horas|h|o'clock)\b"),
    ),
    "percent": (
        re.compile(rf"(?P<number>{_DIGITS}) ?(?P<unit>%|percent\b|per cent\b|por cento\b)"),
    ),
    "money": (
        re.compile(rf"(?<!\w)(?P<unit>{_SYMBOL}) ?(?P<number>\d+(?:[.,]\d+)*){_SCALE}"),
        re.compile(
            rf"(?P<number>{_DIGITS}){_SCALE}(?: de)? "
            r"(?P<unit>dollars?|dolar(?:es)?|reais|euros?|pounds?|usd|eur|brl|gbp)\b"
        ),
    ),
}
_TOKEN = re.compile(rf"{_DIGITS}|[^\W\d_]+")
_SPELLED = re.compile(r"(?<=[\d%]) ?\(([^\W\d_]+(?:[ -][^\W\d_]+)*)\)")
_IN_NUMBERS = re.compile(
    r"one|uma?|and|e|de|per|por|cents?|cento|centavos?|(?:du|tre)zent[oa]s|quinhent[oa]s|"
    r"\w+cent[oa]s|hundred"
)
_FOLLOWING = re.compile(r"[^\W\d_]+")
_FOLLOWED = re.compile(r"(?:[ \n-]*[^\W\d_]+)*")
_NEAR = re.compile(
    r"\b(?:about|around|nearly|almost|roughly|approximately|over|under|than|least|some|"
    r"cerca de|quase|mais de|menos de|pelo menos|aproximadamente|no minimo) (?:[r$€£us]+ ?)?$"
)
_UNIT_WORDS = 2
_LARGE = 10_000


@dataclass(frozen=True, slots=True)
class Quantity:
    """A date, a time, an amount or a count.

    Attributes:
        kind: What it is.
        units: Keys of what is counted, or the currency; two figures of one unit share one.
        value: Year, month and day, None where not said; else one number, times in minutes.
    """

    kind: Kind
    units: frozenset[str]
    value: tuple[Decimal | None, ...]

    def is_like(self, other: Quantity) -> bool:
        """Return whether both are of the same kind and unit."""
        return self.kind == other.kind and (
            self.kind in ("date", "time") or not self.units.isdisjoint(other.units)
        )

    def agrees(self, other: Quantity) -> bool:
        """Return whether both may be equal; one may be less precise than the other."""
        pairs = [
            (one, two)
            for one, two in zip(self.value, other.value, strict=True)
            if one is not None and two is not None
        ]
        return all(map(_equal, *zip(*pairs, strict=True))) if pairs else True


def find_quantities(text: str, language: Language) -> list[Quantity]:
    """Return the quantities of a sentence, without those that are called approximate."""
    plain = _SPELLED.sub(_without_spelled, fold(text))
    found: list[Quantity] = []
    for kind, patterns in _PATTERNS.items():
        for pattern in patterns:
            for match in pattern.finditer(plain):
                if (figure := _READ[kind](kind, match, language)) and not _is_rough(plain, match):
                    found.append(figure)
            plain = pattern.sub(lambda match: "|" * len(match[0]), plain)
    return found + list(_counts(plain, language))


def _without_spelled(match: re.Match[str]) -> str:
    """Return an empty string for a number repeated in words, as in 24 (twenty-four) months."""
    is_spelled = all(
        is_number(word) or word in _SCALES or word in _MONEY_NAMES or _IN_NUMBERS.fullmatch(word)
        for word in re.split("[ -]", match[1])
    )
    return "" if is_spelled else match[0]


def _date(kind: Kind, match: re.Match[str], language: Language) -> Quantity | None:
    parts = match.groupdict()
    year, day = parts.get("year"), parts.get("day")
    month = parts.get("month")
    if "first" in parts:
        first, second = int(parts["first"]), int(parts["second"])
        if language == "pt" or first > 12:
            day, month = str(first), str(second)
        elif second > 12:
            day, month = str(second), str(first)
    in_year = MONTHS.get(month, month) if month else None
    values = (Decimal(part) if part else None for part in (year, in_year, day))
    return Quantity(kind, frozenset(), tuple(values))


def _time(kind: Kind, match: re.Match[str], language: Language) -> Quantity | None:
    # Whether it is before or after noon may be left unsaid.
    minutes = 60 * (int(match["hour"]) % 12) + int(match.groupdict().get("minute") or 0)
    return Quantity(kind, frozenset(), (Decimal(minutes),))


def _amount(kind: Kind, match: re.Match[str], language: Language) -> Quantity | None:
    value = number(match["number"])
    if value is None:
        return None
    scale = _SCALES.get(match.groupdict().get("scale") or "", 1)
    unit = _MONEY_NAMES.get(match["unit"], "%")
    return Quantity(kind, frozenset((unit,)), (value * scale,))


_READ: dict[Kind, Callable[[Kind, re.Match[str], Language], Quantity | None]] = {
    "date": _date,
    "time": _time,
    "percent": _amount,
    "money": _amount,
}


def _counts(plain: str, language: Language) -> Iterator[Quantity]:
    """Yield each number with the one or two words after it, which say what is counted."""
    for token in _TOKEN.finditer(plain):
        value = read_word(token[0], language).value
        if value is not None and not _is_rough(plain, token):
            scale, counted = _counted(plain[token.end() :], language)
            if counted:
                units = frozenset().union(*(word.keys for word in counted))
                yield Quantity("count", units, (value * scale,))


def _counted(following: str, language: Language) -> tuple[int, list[Word]]:
    """Return the scale and the words that follow a number without a stop between them."""
    scale, counted = 1, list[Word]()
    for match in _FOLLOWING.finditer(_FOLLOWED.match(following)[0]):  # type: ignore[index]
        word = read_word(match[0], language)
        # 1.8m are millions, 1.8 m are metres unless they are money, which was read before.
        is_scale = word.text in _SCALES and (word.text != "m" or match.start() == 0)
        if is_scale and not counted:
            scale *= _SCALES[word.text]
        elif not word.is_stopword and not word.is_number:
            counted.append(word)
        elif word.text not in ("of", "de"):
            break
        if len(counted) == _UNIT_WORDS:
            break
    return scale, counted


def _is_rough(plain: str, match: re.Match[str]) -> bool:
    return _NEAR.search(plain[: match.start()]) is not None


def _equal(one: Decimal, other: Decimal) -> bool:
    """Return whether two numbers are equal; large ones, whether one is the other rounded."""
    if one == other or min(one, other) < _LARGE:
        return one == other
    digits = min(len(each.normalize().as_tuple().digits) for each in (one, other))
    return f"{one:.{digits - 1}e}" == f"{other:.{digits - 1}e}"
