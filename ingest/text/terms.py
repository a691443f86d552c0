"""Words and their terms: for BM25 (Robertson and Zaragoza 2009), and to compare two texts."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ingest.text.languages import STOP_WORDS, Language, detect_language

if TYPE_CHECKING:
    import Stemmer

_INDEXED_WORD = re.compile(r"\w+")
_ALGORITHMS: dict[Language, str] = {"en": "english", "pt": "portuguese"}


def document_terms(text: str, language: str) -> list[str]:
    """Return the terms of a document's text, in order; other languages are taken as English."""
    stemmed: Language = "pt" if language == "pt" else "en"
    return [_term(word, stemmed) for word in _content_words(text, stemmed)]


def question_terms(question: str) -> list[str]:
    """Return the distinct terms a question looks for, in both languages.

    Each word is stemmed as English and as Portuguese, because a question in one language is often
    answered by a document in the other that shares its names and technical words.
    """
    words = _content_words(question, detect_language(question))
    return list(dict.fromkeys(_term(word, language) for word in words for language in _ALGORITHMS))


def _content_words(text: str, language: Language) -> list[str]:
    stop_words = STOP_WORDS[language]
    return [word for word in _INDEXED_WORD.findall(text.lower()) if word not in stop_words]


@lru_cache(maxsize=1 << 17)
def _term(word: str, language: Language) -> str:
    stem: str = _stemmer(language).stemWord(word)
    return f"{language}:{strip_accents(stem)}"


_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_][^\W_]*(?:'[^\W\d_]+)?")
_HYPHENED = re.compile(r"(?<![\w-])([^\W\d_]+)[-–‑](\d+)(?![\w-])")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")
_QUOTES = str.maketrans("‘’ʼ´`“”„«»–—‑−", "'''''\"\"\"\"\"----")
_ENGLISH = (
    "a about after all also am an and any are as at be because been before being but by can "
    "could did do does doing down during each few for from further had has have having he her "
    "here hers him his how i if in into is it its itself just many may me might more most much "
    "must my no nor not of off on once only or other our out over own per same shall she "
    "should so some such than that the their them then there these they this those through to "
    "too under until up us very was we were what when where which while who whom whose why "
    "will with would you your according yes don't doesn't didn't isn't aren't wasn't weren't "
    "can't won't cannot"
)
_PORTUGUESE = (
    "a à às ao aos as ante até cada com como contra da das de dela dele deles delas depois do "
    "dos e é ela elas ele eles em entre era eram essa essas esse esses esta está estão estas "
    "este estes eu foi foram há isso isto já lhe lhes mais mas me mesmo meu minha muito na não "
    "nas nem no nos nossa nosso num numa o os ou para pela pelas pelo pelos pode podem por "
    "porque qual quais quando quanto quantos quanta quantas que quem quê onde se seja sem ser "
    "será seu seus são só sua suas também te tem têm ter um uma umas uns você vocês sim deve "
    "devem segundo ter sobre qualquer"
)
_STOPWORDS = {"en": frozenset(_ENGLISH.split()), "pt": frozenset(_PORTUGUESE.split())}
MONTHS = {
    name: number % 12 + 1
    for number, name in enumerate(
        "january february march april may june july august september october november december "
        "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro "
        "dezembro".split()
    )
}
SCALES = {
    "hundred": 100,
    **dict.fromkeys("thousand mil".split(), 10**3),
    **dict.fromkeys("million millions milhao milhoes".split(), 10**6),
    **dict.fromkeys("billion billions bilhao bilhoes".split(), 10**9),
    **dict.fromkeys("trillion trillions trilhao trilhoes".split(), 10**12),
}
_NUMBER_WORDS = {
    word: Decimal(number)
    for spelled in (
        "0 zero, 2 two dois duas, 3 three tres, 4 four quatro, 5 five cinco, 6 six seis",
        "7 seven sete, 8 eight oito, 9 nine nove, 10 ten dez, 11 eleven onze, 12 twelve doze",
        "13 thirteen treze, 14 fourteen quatorze catorze, 15 fifteen quinze, 16 sixteen dezesseis",
        "17 seventeen dezessete, 18 eighteen dezoito, 19 nineteen dezenove, 20 twenty vinte",
        "30 thirty trinta, 40 forty quarenta, 50 fifty cinquenta, 60 sixty sessenta",
        "70 seventy setenta, 80 eighty oitenta, 90 ninety noventa, 100 cem",
    )
    for number, *names in map(str.split, spelled.split(", "))
    for word in names
}


class Word(NamedTuple):
    """A word or number of a text.

    Attributes:
        text: The word as it stands, with its case and accents.
        folded: The same without them.
        keys: Two words are the same term if they share a key.
        is_stopword: Whether it is a stop word.
        is_number: Whether it is a number, in digits or spelled out, or begins with a digit.
        value: The value of a number; None for other words, and for such as 1.2.3.
    """

    text: str
    folded: str
    keys: frozenset[str]
    is_stopword: bool
    is_number: bool
    value: Decimal | None


def read_words(text: str, language: Language) -> list[Word]:
    """Return the words and numbers of ``text``, in order."""
    joined = _joined(text)
    found = [read_word(word, language) for word in words(text)]
    return [
        one._replace(keys=one.keys | joined[one.text]) if one.text in joined else one
        for one in found
    ]


@lru_cache(maxsize=65536)
def read_word(word: str, language: Language) -> Word:
    """Return the `Word` of one word or number."""
    return Word(
        word,
        fold(word),
        term(word, language),
        is_stopword(word, language),
        is_number(word),
        number(word),
    )


def fold(text: str) -> str:
    """Return ``text`` without case, accents and the variety of quotes and dashes."""
    return strip_accents(text.translate(_QUOTES)).casefold()


def strip_accents(text: str) -> str:
    """Return ``text`` in Unicode's form NFKD without combining characters."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """Return the words and numbers of ``text``, with their case and accents."""
    return _WORD.findall(unicodedata.normalize("NFC", text.translate(_QUOTES)))


def is_stopword(word: str, language: Language) -> bool:
    """Return whether ``word`` is a stop word; accents may be missing."""
    return word.casefold() in _STOPWORDS[language] or fold(word) in _folded_stopwords(language)


@lru_cache(maxsize=65536)
def term(word: str, language: Language) -> frozenset[str]:
    """Return the keys of a word: two words are the same term if they share a key.

    There are up to two keys, as stemming knows endings by their accents (aprovação, aprovações)
    and people leave the accents out.
    """
    if word[0].isdigit():
        return frozenset((_number_key(word),))
    lowered = word.casefold().removesuffix("'s")
    if fold(lowered) in _NUMBER_WORDS:
        return frozenset((str(_NUMBER_WORDS[fold(lowered)]),))
    stem = _stemmer(language).stemWord
    return frozenset((fold(stem(lowered)), stem(fold(lowered))))


def content_terms(text: str, language: Language) -> dict[str, frozenset[str]]:
    """Return the words of ``text`` that are no stopwords with their keys, each term once."""
    found: dict[frozenset[str], str] = {}
    for word in read_words(text, language):
        if not word.is_stopword:
            found.setdefault(word.keys, word.text)
    return {word: keys for keys, word in found.items()}


def distinguishing_words(text: str, language: Language) -> frozenset[str]:
    """Return the names, numbers and identifiers, which tell one thing from another."""
    found = read_words(text, language)
    named = [] if text.isupper() else [word for word in found[1:] if word.text[0].isupper()]
    numbered = [word for word in found if any(map(str.isdigit, word.text))]
    return frozenset(word.text for word in named + numbered if not word.is_stopword)


@lru_cache(maxsize=8192)
def term_keys(text: str, language: Language) -> frozenset[str]:
    """Return every key of every word of ``text``."""
    keys = (word.keys for word in read_words(text, language))
    return frozenset().union(*keys, *_joined(text).values())


def _joined(text: str) -> dict[str, frozenset[str]]:
    """Return, by the number of each identifier such as E-1042, the key of E1042."""
    return {match[2]: frozenset((fold(match[1] + match[2]),)) for match in _HYPHENED.finditer(text)}


def is_number(word: str) -> bool:
    """Return whether a word of `words` is a number, in digits or spelled out."""
    return word[0].isdigit() or fold(word) in _NUMBER_WORDS


def number(word: str) -> Decimal | None:
    """Return the value of a number of `words`; None for other words and such as 1.2.3 or 3D."""
    if not _NUMBER.fullmatch(word):
        return _NUMBER_WORDS.get(fold(word))
    if _THOUSANDS.fullmatch(word):
        return Decimal(re.sub(r"[.,]", "", word))
    # The last of several separators is the decimal one: 1.200,50.
    whole, separator, rest = word.rpartition(max(".", ",", key=word.rfind))
    whole = re.sub(r"[.,]", "", whole) if {".", ","} <= set(word) else whole
    return None if "." in whole or "," in whole else Decimal(f"{whole}{separator and '.'}{rest}")


def _number_key(digits: str) -> str:
    """Return the value of a number as text; an identifier such as 007 or 1.2.3 stays as it is."""
    value = None if digits.isdecimal() else number(digits)
    return digits.replace(",", ".") if value is None else f"{value:f}"


@lru_cache(maxsize=2)
def _folded_stopwords(language: Language) -> frozenset[str]:
    return frozenset(map(fold, _STOPWORDS[language]))


@lru_cache(maxsize=2)
def _stemmer(language: Language) -> Stemmer.Stemmer:
    import Stemmer

    return Stemmer.Stemmer(_ALGORITHMS[language])
