"""Rules that say a sentence otherwise, or make it false, in English and Portuguese.

Each rule takes a sentence and returns another, or the same where it doesn't apply. The rules are
narrow on purpose: what `paraphrase` returns is as true as what it was given, and what the others
return is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from ingest import Language

Rule = Callable[[str, Language], str]

_SYNONYMS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "approximately": "about", "began": "started", "begin": "start", "largest": "biggest",
        "large": "big", "often": "frequently", "founded": "established", "built": "constructed",
        "located": "situated", "usually": "normally", "primarily": "mainly", "mostly": "mainly",
        "numerous": "many", "entire": "whole", "obtain": "get", "required": "needed",
        "require": "need", "requires": "needs", "allows": "lets", "famous": "well-known",
        "purchased": "bought", "received": "got", "also": "", "therefore": "thus",
        "throughout": "across", "nearly": "almost", "currently": "now",
        "additional": "further", "main": "chief", "such as": "like",
    },
    "pt": {
        "através": "por meio", "além disso": "também", "porém": "mas", "entretanto": "mas",
        "iniciar": "começar", "início": "começo", "utilizado": "usado", "utilizada": "usada",
        "utilizados": "usados", "utilizadas": "usadas", "utilizar": "usar",
        "deverá": "deve", "deverão": "devem", "poderá": "pode", "poderão": "podem",
        "possui": "tem", "possuem": "têm", "realizar": "fazer", "realizada": "feita",
        "realizado": "feito", "realizados": "feitos", "realizadas": "feitas", "também": "",
        "somente": "apenas", "aluno": "estudante", "alunos": "estudantes", "após": "depois de",
        "criado": "fundado", "criada": "fundada", "diversos": "vários", "diversas": "várias",
        "atualmente": "hoje", "tais como": "como", "principais": "mais importantes",
        "obter": "conseguir", "o acadêmico": "o estudante", "ao acadêmico": "ao estudante",
        "necessário": "preciso",
    },
}  # fmt: skip
_OPPOSITES: Mapping[Language, Iterable[tuple[str, str]]] = {
    "en": [
        ("increased", "decreased"), ("increase", "decrease"), ("before", "after"),
        ("more than", "less than"), ("largest", "smallest"), ("most", "least"),
        ("higher", "lower"), ("first", "last"), ("north", "south"), ("east", "west"),
        ("northern", "southern"), ("eastern", "western"), ("won", "lost"), ("always", "never"),
        ("gained", "lost"), ("older", "younger"), ("early", "late"), ("better", "worse"),
        ("above", "below"), ("minimum", "maximum"), ("major", "minor"), ("rich", "poor"),
        ("ancient", "modern"), ("victory", "defeat"), ("husband", "wife"), ("father", "mother"),
        ("son", "daughter"), ("outer", "inner"), ("urban", "rural"), ("heavy", "light"),
        ("domestic", "foreign"), ("love", "hate"), ("temporary", "permanent"), ("wide", "narrow"),
    ],
    "pt": [
        ("antes", "depois"), ("maior", "menor"), ("maiores", "menores"), ("mais", "menos"),
        ("mínimo", "máximo"), ("mínima", "máxima"), ("primeiro", "último"), ("alto", "baixo"),
        ("primeira", "última"), ("sempre", "nunca"), ("obrigatório", "opcional"),
        ("obrigatória", "opcional"), ("obrigatórias", "opcionais"), ("positivo", "negativo"),
        ("aumento", "redução"), ("início", "fim"), ("superior", "inferior"), ("pai", "mãe"),
        ("interno", "externo"), ("interna", "externa"), ("simples", "complexo"), ("vazio", "cheio"),
        ("teórico", "prático"), ("homens", "mulheres"), ("aceitar", "recusar"),
        ("superiores", "inferiores"), ("entrada", "saída"), ("pequenas", "grandes"),
    ],
}  # fmt: skip
_VERBS: Mapping[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"\b(is|was|are|were|has been|have been|had been|can|will|must|did|does)\b(?! only)"
    ),
    "pt": re.compile(
        r"\b(é|são|foi|foram|era|eram|pode|podem|deve|devem|deverá|deverão|será|serão|poderá|tem|"
        r"têm|possui|consiste|permite|está|estão)\b"
    ),
}
_NOT: Mapping[Language, re.Pattern[str]] = {
    "en": re.compile(r"(?<=\b(?:is|as|re|an|ld|ll|st|id|ay|es|do)) not (?!only\b)"),
    "pt": re.compile(r"\b[Nn]ão (?!só\b|apenas\b|somente\b)"),
}
_NEGATIVE = re.compile(
    r"\b(?:not|no|never|none|nor|neither|without|cannot|nobody|nothing|hardly|"
    r"não|nunca|nem|jamais|sem|nenhuma?|ninguém|nada)\b|n't\b|n ’t\b",
    re.IGNORECASE,
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_FIRST = re.compile(
    r"^(In|During|After|Before|By|On|At|Since|Until|Under|Em|Durante|Após|Desde|Até|Segundo) "
    r"([^,;:()]{3,60}?) ?, (?![^,]{0,20},)([a-zà-ý][^;:]{20,})(?<=[\w)])( ?\.)$"
)
_ASIDE = re.compile(
    r"(?<=[\w)]) ?, (?:a|an|the|which|who|whose|um|uma|o|a|que|cujo|cuja) [^,;:]{3,90} ?, "
    r"(?=(?:is|was|are|were|has|had|became|can|will|é|são|foi|foram|pode|deve|era)\b)"
)
_BRACKETS = re.compile(r" \([^()]*\)")
_AFTER_SEMICOLON = re.compile(r"^([^;]{40,}?) ?; .*?( ?\.)$")
_LINK = re.compile(
    r"^(?:However|Therefore|Moreover|Furthermore|Additionally|Nevertheless|In addition|Thus|Also|"
    r"For example|Além disso|Entretanto|No entanto|Porém|Assim|Dessa forma|Desta forma|Portanto|"
    r"Contudo) ?, (\w)"
)
_PASSIVE = re.compile(
    r"^((?:The|This|[A-Z]\w+)(?: [\w'-]+){0,6}) (?:was|were) (\w+ed) by "
    r"((?:the |a |an )?[A-Z][\w' -]+?)( ?\.)$"
)
_DAY = re.compile(rf"\b({_MONTHS}) (\d{{1,2}}) ?, (\d{{4}})")
_FORMS = {"did not": "didn't", "does not": "doesn't", "is not": "isn't", "was not": "wasn't"}


def paraphrase(sentence: str, language: Language) -> tuple[str, int]:
    """Return the sentence in other words, and how many of the rules changed it."""
    changed = 0
    for rule in (unlink, cut, unbracket, drop_aside, turn, activate, reword, redate, contract):
        said = rule(sentence, language)
        changed += said != sentence
        sentence = said
    return sentence, changed


def unlink(sentence: str, language: Language) -> str:
    """Leave out what only links the sentence to the one before."""
    return _LINK.sub(lambda match: match[1].upper(), sentence)


def cut(sentence: str, language: Language) -> str:
    """Leave out what follows a semicolon."""
    return sentence if "(" in sentence else _AFTER_SEMICOLON.sub(r"\1\2", sentence)


def unbracket(sentence: str, language: Language) -> str:
    """Leave out what stands in brackets."""
    return _BRACKETS.sub("", sentence)


def drop_aside(sentence: str, language: Language) -> str:
    """Leave out what explains the subject between two commas."""
    return _ASIDE.sub(" ", sentence, count=1)


def turn(sentence: str, language: Language) -> str:
    """Put a time or place from the front to the end."""

    def turned(match: re.Match[str]) -> str:
        first, when, rest, end = match.groups()
        return f"{rest[0].upper()}{rest[1:]} {first.lower()} {when}{end}"

    return _FIRST.sub(turned, sentence)


def activate(sentence: str, language: Language) -> str:
    """Say in the active voice who did what; only where the verb has one form for both."""
    if language != "en":
        return sentence

    def active(match: re.Match[str]) -> str:
        whom, did, who, end = match.groups()
        whom = re.sub("^The|^This", lambda first: first[0].lower(), whom)
        return f"{who[0].upper()}{who[1:]} {did} {whom}{end}"

    return _PASSIVE.sub(active, sentence)


def reword(sentence: str, language: Language) -> str:
    """Replace up to three words by others of the same meaning."""
    replaced = 0
    for word, other in _SYNONYMS[language].items():
        said = re.sub(rf"\b{word}\b ?" if not other else rf"\b{word}\b", other, sentence, count=1)
        if said != sentence and replaced < 3:
            sentence, replaced = said, replaced + 1
    return sentence


def redate(sentence: str, language: Language) -> str:
    """Write dates and large numbers the other way."""
    return re.sub(r"(?<![\d,])(\d{1,3}),(\d{3})\b(?!,\d)", r"\1\2", _DAY.sub(r"\2 \1 \3", sentence))


def contract(sentence: str, language: Language) -> str:
    """Write negations as they are spoken."""
    for long, short in _FORMS.items():
        sentence = sentence.replace(long, short)
    return sentence


def negate(sentence: str, language: Language) -> str:
    """Say that it is not so; as it is if the sentence is negative already."""
    if _NEGATIVE.search(sentence):
        return sentence
    english = language == "en"
    return _VERBS[language].sub(r"\1 not" if english else r"não \1", sentence, count=1)


def affirm(sentence: str, language: Language) -> str:
    """Say that it is so where the sentence says, once, that it is not."""
    if len(_NEGATIVE.findall(sentence)) != 1:
        return sentence
    said = _NOT[language].sub(" " if language == "en" else "", sentence, count=1)
    return said[:1].upper() + said[1:]


def oppose(sentence: str, language: Language) -> str:
    """Replace one word by its opposite; some of the pairs the app does not know."""
    for pair in _OPPOSITES[language]:
        for word, other in (pair, pair[::-1]):
            pattern = rf"\b{word}\b"
            if len(re.findall(pattern, sentence)) == 1 and not re.search(rf"\b{other}\b", sentence):
                return re.sub(pattern, other, sentence)
    return sentence
