"""Identify the language of a text by its function words: articles, prepositions, pronouns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

Language = Literal["en", "pt"]

UNDETERMINED = "und"
"""The ISO 639-3 code for a text that does not show its language."""

_ENGLISH = frozenset(
    "the of and to in is that was for it with on by this are from at which be have has what who "
    "when where why how does did do not can you your an its were will would their been".split()
)
_PORTUGUESE = frozenset(
    "de que e o da do em um para é com não uma os no se na por mais as dos como mas foi ao "
    "ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso "
    "ela entre era depois sem mesmo aos ter seus quem nas me esse eles são qual quais onde "
    "quanto quantos quantas porque pode podem quê você vocês às num numa deve devem foram "
    "sobre".split()
)
STOP_WORDS: dict[Language, frozenset[str]] = {"en": _ENGLISH, "pt": _PORTUGUESE}

# Function words and letters of each language, in the order in which they win a tie: "prazo de
# entrega" is Portuguese although "de" is also Spanish and French. "do" counts as Portuguese only
# ("of the"): an English question with "do" has other English words.
_SIGNS: dict[str, frozenset[str]] = {
    "en": (_ENGLISH - {"do"}).union(
        "a about after all am any as before between but could each every explain get give had he "
        "her him his i if into let list many may me more most much must my need or our per please "
        "she should show some summarise summarize tell than them then there these they those "
        "under until us want we while whose within without yes".split()
    ),
    "pt": _PORTUGUESE.union(
        "a ainda algum alguma alguns algumas antes após aquela aquele aqui ate cada cadê cade dela "
        "dele delas deles desde dessa desse desta deste devo diga eh essa esses esta estava este "
        "estou estão existe explique faço fica ficam havia isto lhe liste meu meus minha minhas "
        "mostre nao nem nenhum nenhuma nessa nesse nesta neste nossa nosso obrigada obrigado outra "
        "outras outro outros pelas pelos posso pra precisa preciso pro qualquer quanta resuma "
        "segundo sim sou suas temos tenho tinha toda todas todo todos tudo vc voce vou ã õ".split()
    ),
    "es": frozenset(
        "a al algún alguna cada como con cual cuales cuando cuanta cuantas cuanto cuantos cuál "
        "cuáles cuándo cuánta cuántas cuánto cuántos cómo de debe debo del desde dime donde dónde "
        "e el ella ellos en entre era es esa ese eso esta estado estar estas este esto estos está "
        "están explica fue ha han hasta hay la las le les lo los me mi mis muy más ni no nos o "
        "para pero por porque puede pueden puedo que quien quiero quién quiénes qué resume se "
        "según ser si sin sobre son su sus sí también te tenemos tener tengo tiene tienen toda "
        "todas todo todos tu un una unas unos usted ustedes ya yo él ñ ¿ ¡".split()
    ),
    "fr": frozenset(
        "ai après as au aux avant avec avez avoir avons ce ces cet cette chez combien comment "
        "comme d dans de depuis des dois doit donc donnez du dès elle elles en entre es est et "
        "explique faire fait faut font il ils j je jusqu l la le les leur leurs lors ma mais me "
        "mes moi mon ne nos notre nous on ont ou où par pas pendant peut plus pour pourquoi puis "
        "qu quand que quel quelle quelles quels qui quoi résume sa sans se selon ses si son sont "
        "sous sur ta tous tout toute toutes très un une va vers vos votre vous à été être œ".split()
    ),
    "it": frozenset(
        "a abbiamo agli ai al alla alle allo anche che chi ci come con cosa da dagli dai dal dall "
        "dalla dalle degli dei del dell della delle dello devo deve di dopo dov dove e ed entro "
        "era fra gli ha hai hanno ho i il in io l la le lo loro ma mi mia mio nei nel nell nella "
        "nelle nello noi non o ogni per perché più poi posso possono prima può qual quale quali "
        "quando quanta quante quanti quanto quella quello questa queste questi questo se senza si "
        "siamo sia sono spiega stata stato su sua sui sul sull sulla suo ti tra tu tutte tutti "
        "tutto un una uno va vi voi è".split()
    ),
    "de": frozenset(
        "aber als am an auch auf aus bei beim bin bis bitte da damit dann darf das dass dein dem "
        "den der des die dies diese dieser dieses doch du durch ein eine einem einen einer eines "
        "er es für gab gegen gibt habe haben hat hatte ich ihm ihn ihr ihre im in ist ja kann kein "
        "keine können man mein meine mich mir mit muss müssen nach nicht noch nun nur ob oder ohne "
        "sein seine seit sich sie sind soll sollen sollte um und uns unser unsere unter viel viele "
        "vom von vor wann war waren warum was welche welchem welchen welcher welches wem wen wenn "
        "wer werden wie wieso wir wird wo wurde wurden zu zum zur zwischen über ä ö ü ß".split()
    ),
}
_LETTERS = frozenset("ãõñ¿¡œäöüß")
_BEGINNING = 5000  # characters
_IDENTIFIER = re.compile(r"[\d_@/\\]|\.\w")
# Leaves out acronyms ("OS" is not Portuguese "os") and parts of compounds ("e-mail" is not "e").
_WORD = re.compile(r"(?<![\w-])(?:I|[^\W\d_A-ZÀ-Þ])(?![\w-])|\b[^\W\d_][^\W\d_A-ZÀ-Þ]+\b")


def detect_language(text: str) -> Language:
    """Return Portuguese if ``text`` is identified as it, else English."""
    return "pt" if identify_language(text) == "pt" else "en"


def identify_language(text: str) -> str:
    """Return the ISO 639-1 code of the language of ``text``, or ``UNDETERMINED``.

    Tells English, Portuguese, Spanish, French, Italian and German apart by the beginning of the
    text. Names, identifiers and phrases without a function word are undetermined.
    """
    return _identified(text[:_BEGINNING])


@lru_cache(maxsize=1024)
def _identified(beginning: str) -> str:
    signs = _signs(beginning)
    found = {
        language: [sign for sign in signs if sign in known] for language, known in _SIGNS.items()
    }
    best = max(found, key=lambda language: len(found[language]))
    return UNDETERMINED if _is_chance(found[best], signs) else best


def in_different_languages(one: str, other: str) -> bool:
    """Return whether two codes of :func:`identify_language` differ, and neither is undetermined."""
    return one != other and UNDETERMINED not in (one, other)


def _signs(text: str) -> list[str]:
    text = " ".join(token for token in text.split() if not _IDENTIFIER.search(token))
    text = text.lower() if text.isupper() else text[:1].lower() + text[1:]
    return [*map(str.lower, _WORD.findall(text)), *_LETTERS.intersection(text)]


def _is_chance(found: Sequence[str], signs: Sequence[str]) -> bool:
    """Return whether at most one short word was found: Dutch also has "de", and Polish "do"."""
    return not found or (len(found) == 1 and len(found[0]) <= 2 and len(signs) >= 5)
